//! Documents (bsonspec.org, version 1.1), read once from front to back.

use crate::protocols::reader::Reader;

/// Documents inside of each other that are followed.
pub(super) const DEPTH_MAX: usize = 128;

/// A value, as far as it matters.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Number(i64),
    /// A document or a list; what is in it follows.
    Inside,
    Other,
}

/// A field: how deep it is (0: of the document itself), its name, its value. Elements of lists have no name.
#[derive(Debug, PartialEq)]
pub(super) struct Element<'a> {
    pub(super) depth: usize,
    pub(super) name: Option<&'a [u8]>,
    pub(super) value: Value<'a>,
}

/// How the reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With the document; so many bytes were taken.
    Whole(usize),
    /// The bytes end before it does.
    Short,
    /// It cannot be one.
    Wrong,
    TooDeep,
}

/// Every field of the document at the front.
pub(super) fn walk<'a>(bytes: &'a [u8], each: &mut dyn FnMut(Element<'a>)) -> End {
    let mut front = Reader(bytes);
    match front.u32_le() {
        None => return End::Short,
        Some(len) if !(5..=48 << 20).contains(&len) => return End::Wrong,
        Some(_) => {}
    }
    // whether the open documents are lists, the innermost last
    let mut lists: Vec<bool> = vec![false];
    while let Some(list) = lists.last().copied() {
        let Some(kind) = front.u8() else { return End::Short };
        if kind == 0 {
            lists.pop();
            continue;
        }
        let Some(name) = front.text() else { return End::Short };
        let depth = lists.len() - 1;
        let value = match value(kind, &mut front) {
            Ok(Some(value)) => value,
            Ok(None) => return End::Short,
            Err(()) => return End::Wrong,
        };
        let inside = value == Value::Inside;
        each(Element { depth, name: (!list).then_some(name), value });
        if inside {
            if lists.len() >= DEPTH_MAX {
                return End::TooDeep;
            }
            lists.push(kind == 4);
        }
    }
    End::Whole(bytes.len() - front.0.len())
}

fn value<'a>(kind: u8, front: &mut Reader<'a>) -> Result<Option<Value<'a>>, ()> {
    let fixed = |front: &mut Reader<'a>, len: usize| Ok(front.take(len).map(|_| Value::Other));
    match kind {
        1 => Ok(front.u64_le().map(|bits| Value::Number(f64::from_bits(bits) as i64))),
        2 | 0x0d | 0x0e => text(front).map(|text| text.map(Value::Text)),
        3 | 4 => Ok(front.take(4).map(|_| Value::Inside)),
        5 => {
            let Some(len) = front.u32_le() else { return Ok(None) };
            let Some(_subtype) = front.u8() else { return Ok(None) };
            let taken = usize::try_from(len).map_err(|_| ())?;
            Ok(front.take(taken).map(Value::Binary))
        }
        6 | 0x0a | 0x7f | 0xff => Ok(Some(Value::Other)),
        7 => fixed(front, 12),
        8 => Ok(front.u8().map(|byte| Value::Number(byte.into()))),
        9 | 0x11 => fixed(front, 8),
        0x0b => {
            let Some(pattern) = front.text() else { return Ok(None) };
            Ok(front.text().map(|_| Value::Text(pattern)))
        }
        0x0c => match text(front)? {
            Some(_) => fixed(front, 12),
            None => Ok(None),
        },
        // code with the variables it knows: the code is told, the variables follow
        0x0f => {
            let Some(_len) = front.u32_le() else { return Ok(None) };
            let Some(code) = text(front)? else { return Ok(None) };
            let Some(len) = front.u32_le().map(|len| len as usize) else { return Ok(None) };
            Ok(len.checked_sub(4).and_then(|len| front.take(len)).map(|_| Value::Text(code)))
        }
        0x10 => Ok(front.u32_le().map(|number| Value::Number(i64::from(number as i32)))),
        0x12 => Ok(front.u64_le().map(|number| Value::Number(number as i64))),
        0x13 => fixed(front, 16),
        _ => Err(()),
    }
}

/// A text with its length in front and a zero behind; of one that was cut off what is there.
fn text<'a>(front: &mut Reader<'a>) -> Result<Option<&'a [u8]>, ()> {
    let Some(len) = front.u32_le() else { return Ok(None) };
    let len = usize::try_from(len).ok().and_then(|len| len.checked_sub(1)).ok_or(())?;
    if len > front.0.len() {
        let all = front.0;
        front.0 = &[];
        return Ok(Some(all));
    }
    let text = front.take(len);
    match front.u8() {
        Some(0) | None => Ok(text),
        Some(_) => Err(()),
    }
}

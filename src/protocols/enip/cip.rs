//! CIP messages: the service that is asked for and the path of what it is asked of, or the status of the answer.

use super::slots::*;
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;

/// Messages within messages.
const DEPTH_MAX: u8 = 2;

/// The bit of a service that answers.
const ANSWER: u8 = 0x80;

const GET_ATTRIBUTE_LIST: u8 = 3;
const SET_ATTRIBUTE_LIST: u8 = 4;
const MULTIPLE: u8 = 0x0a;
const UNCONNECTED_SEND: u8 = 0x52;

/// The class that passes messages on.
const CONNECTION_MANAGER: u16 = 6;

/// A service, with a class and an attribute where it has them, as one number.
pub(super) fn packed(service: u8, class: Option<u16>, attribute: Option<u16>) -> u64 {
    let word = |word: Option<u16>| word.map_or(0, |word| u64::from(word) + 1);
    u64::from(service) << 40 | word(class) << 20 | word(attribute)
}

/// The service, class and attribute that [`packed`] made one.
pub(super) fn unpacked(packed: u64) -> (u8, Option<u16>, Option<u16>) {
    let word = |word: u64| (word & 0xf_ffff).checked_sub(1).and_then(|word| u16::try_from(word).ok());
    ((packed >> 40 & 0xff) as u8, word(packed >> 20), word(packed))
}

/// One message; `false` when it is not whole.
pub(super) fn read(bytes: &[u8], values: &mut Values) -> bool {
    message(Reader(bytes), 0, values).is_some()
}

fn message(mut reader: Reader<'_>, depth: u8, values: &mut Values) -> Option<()> {
    let service = reader.u8()?;
    if service & ANSWER != 0 {
        return answer(service & !ANSWER, reader, depth, values);
    }
    values.push_number(SHOWN_SERVICE, service);
    let words = reader.u8()?;
    let path = reader.take(usize::from(words) * 2)?;
    let mut asked = Path::default();
    asked.read(Reader(path), values);
    values.push_number(SERVICE, packed(service, asked.class, asked.attribute));
    match service {
        GET_ATTRIBUTE_LIST => {
            let count = reader.u16_le()?;
            for _ in 0..count {
                let attribute = reader.u16_le()?;
                values.push_number(ATTRIBUTE, attribute);
                values.push_number(SERVICE, packed(service, asked.class, Some(attribute)));
            }
        }
        SET_ATTRIBUTE_LIST => {
            // values have no lengths of their own: the first attribute is all that can be told
            reader.u16_le()?;
            let attribute = reader.u16_le()?;
            values.push_number(ATTRIBUTE, attribute);
            values.push_number(SERVICE, packed(service, asked.class, Some(attribute)));
        }
        MULTIPLE => several(reader, depth, values)?,
        UNCONNECTED_SEND if asked.class == Some(CONNECTION_MANAGER) => {
            reader.u16_le()?;
            let len = usize::from(reader.u16_le()?);
            let inner = reader.take(len)?;
            if depth < DEPTH_MAX {
                message(Reader(inner), depth + 1, values)?;
            }
        }
        _ => {}
    }
    Some(())
}

fn answer(service: u8, mut reader: Reader<'_>, depth: u8, values: &mut Values) -> Option<()> {
    values.push_number(ANSWERED_SERVICE, service);
    reader.u8()?;
    values.push_number(CIP_STATUS, reader.u8()?);
    let words = reader.u8()?;
    for _ in 0..words {
        values.push_number(EXTENDED_STATUS, reader.u16_le()?);
    }
    // one that failed may have nothing inside
    if service == MULTIPLE && !reader.is_empty() {
        several(reader, depth, values)?;
    }
    Some(())
}

/// A count, where each message begins, and the messages. Places rise: none is read twice.
fn several(reader: Reader<'_>, depth: u8, values: &mut Values) -> Option<()> {
    if depth >= DEPTH_MAX {
        return Some(());
    }
    let bytes = reader.0;
    let mut places = reader;
    let count = places.u16_le()?;
    let mut places: Reader<'_> = Reader(places.take(usize::from(count) * 2)?);
    let mut next = places.u16_le().map(usize::from);
    let mut before = 0;
    while let Some(start) = next {
        next = places.u16_le().map(usize::from);
        let end = next.unwrap_or(bytes.len());
        if start < before || end < start {
            return None;
        }
        before = start;
        message(Reader(bytes.get(start..end)?), depth + 1, values)?;
    }
    Some(())
}

/// What a path leads to.
#[derive(Default)]
struct Path {
    class: Option<u16>,
    attribute: Option<u16>,
}

impl Path {
    /// Logical segments of one or two bytes; what else there is ends the reading.
    fn read(&mut self, mut reader: Reader<'_>, values: &mut Values) -> Option<()> {
        while !reader.is_empty() {
            let segment = reader.u8()?;
            let value = match segment {
                0x20..=0x3f if segment & 3 == 0 => reader.u8()?.into(),
                0x20..=0x3f if segment & 3 == 1 => {
                    reader.u8()?;
                    reader.u16_le()?
                }
                // the name of a tag
                0x91 => {
                    let len = usize::from(reader.u8()?);
                    reader.take(len + (len & 1))?;
                    continue;
                }
                _ => return None,
            };
            match segment & 0xfc {
                0x20 => {
                    self.class = Some(value);
                    values.push_number(CLASS, value);
                }
                0x24 => values.push_number(INSTANCE, value),
                0x30 => {
                    self.attribute = Some(value);
                    values.push_number(ATTRIBUTE, value);
                }
                _ => {}
            }
        }
        Some(())
    }
}

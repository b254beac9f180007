//! Compounds of version 4 (RFC 7530 section 16, RFC 8881 section 18): as many of their operations as are known, from the front.

use super::config::{NAME_MAX, OPERATIONS_MAX};
use super::parser::{Asked, Told};
use super::rpc::opaque;
use crate::protocols::reader::Reader;

const HANDLE_MAX: usize = 128;

fn bitmap(reader: &mut Reader<'_>) -> Option<()> {
    let words = reader.u32()? as usize;
    reader.take(words.checked_mul(4).filter(|len| *len <= 256)?)?;
    Some(())
}

/// A call: what it is about, by the most telling operation. What cannot be read ends it.
pub(super) fn call<'a>(reader: &mut Reader<'a>) -> Option<Asked<'a>> {
    let mut asked = Asked { procedure: 1, ..Asked::default() };
    opaque(reader, NAME_MAX)?;
    reader.u32()?;
    let count = reader.u32()? as usize;
    for _ in 0..count.min(OPERATIONS_MAX) {
        if operation(reader, &mut asked).is_none() {
            break;
        }
    }
    Some(asked)
}

fn operation<'a>(reader: &mut Reader<'a>, asked: &mut Asked<'a>) -> Option<()> {
    let kind = reader.u32()?;
    let telling = |asked: &mut Asked<'_>| {
        if matches!(asked.procedure, 1 | 3 | 9 | 15) {
            asked.procedure = kind;
        }
    };
    match kind {
        // of the ones that others stand beside, the first
        3 | 9 | 15 if asked.procedure == 1 => asked.procedure = kind,
        4 | 5 | 6 | 18 | 25 | 26 | 28 | 29 | 38 => telling(asked),
        _ => {}
    }
    match kind {
        3 => _ = reader.u32()?,
        4 => _ = reader.take(20)?,
        5 => _ = reader.take(12)?,
        6 => {
            let object = reader.u32()?;
            if object == 5 {
                opaque(reader, NAME_MAX)?;
            } else if matches!(object, 3 | 4) {
                reader.take(8)?;
            }
            asked.name = Some(opaque(reader, NAME_MAX)?);
            bitmap(reader)?;
            opaque(reader, NAME_MAX)?;
        }
        9 => bitmap(reader)?,
        10 | 16 | 24 | 31 | 32 => {}
        15 => asked.name = Some(opaque(reader, NAME_MAX)?),
        18 => {
            reader.take(20)?;
            opaque(reader, NAME_MAX)?;
            if reader.u32()? == 1 {
                match reader.u32()? {
                    0 | 1 => {
                        bitmap(reader)?;
                        opaque(reader, NAME_MAX)?;
                    }
                    _ => _ = reader.take(8)?,
                }
            }
            // by name; other claims name none
            if reader.u32()? != 0 {
                return None;
            }
            asked.name = Some(opaque(reader, NAME_MAX)?);
        }
        22 => asked.handle = Some(opaque(reader, HANDLE_MAX)?),
        25 => {
            reader.take(16)?;
            (asked.offset, asked.count) = (reader.u64()?, reader.u32()?);
        }
        26 => {
            reader.take(24)?;
            bitmap(reader)?;
        }
        28 => asked.name = Some(opaque(reader, NAME_MAX)?),
        29 => {
            asked.name = Some(opaque(reader, NAME_MAX)?);
            asked.rename_to = Some(opaque(reader, NAME_MAX)?);
        }
        38 => {
            reader.take(16)?;
            asked.offset = reader.u64()?;
            asked.is_stable = reader.u32()? == 2;
            asked.data = Some(data(reader)?);
        }
        53 => _ = reader.take(32)?,
        _ => return None,
    }
    Some(())
}

/// Length and as much as is there of file data.
pub(super) fn data<'a>(reader: &mut Reader<'a>) -> Option<(u32, &'a [u8])> {
    let len = reader.u32()?;
    let bytes = reader.take((len as usize).min(reader.0.len()))?;
    if bytes.len() == len as usize {
        reader.take((len.wrapping_neg() & 3) as usize)?;
    }
    Some((len, bytes))
}

/// A reply: its status, the handle that it names and what was read.
pub(super) fn reply<'a>(reader: &mut Reader<'a>) -> Option<Told<'a>> {
    let mut told = Told { status: reader.u32()?, ..Told::default() };
    opaque(reader, NAME_MAX)?;
    let count = reader.u32()? as usize;
    for _ in 0..count.min(OPERATIONS_MAX) {
        if result(reader, &mut told).is_none() {
            break;
        }
    }
    Some(told)
}

fn result<'a>(reader: &mut Reader<'a>, told: &mut Told<'a>) -> Option<()> {
    let (kind, status) = (reader.u32()?, reader.u32()?);
    if status != 0 {
        return None;
    }
    match kind {
        3 => _ = reader.take(8)?,
        4 => _ = reader.take(16)?,
        5 => _ = reader.take(8)?,
        6 => {
            reader.take(20)?;
            bitmap(reader)?;
        }
        9 => {
            bitmap(reader)?;
            opaque(reader, 4096)?;
        }
        10 => told.handle = Some(opaque(reader, HANDLE_MAX)?),
        15 | 16 | 22 | 24 | 31 | 32 => {}
        18 => {
            reader.take(40)?;
            bitmap(reader)?;
            // a delegation is not read
            if reader.u32()? != 0 {
                return None;
            }
        }
        25 => {
            told.is_end = reader.u32()? != 0;
            told.data = Some(data(reader)?);
        }
        53 => _ = reader.take(36)?,
        _ => return None,
    }
    Some(())
}

//! Messages: DNS's header, one name in the encoding of RFC 1001 section 14.

use std::net::Ipv4Addr;

use super::slots::*;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::Direction;

/// Addresses of an answer.
const ADDRESSES_MAX: usize = 32;

/// RR of a name's addresses.
const NB: u16 = 0x20;

/// The name at the front, its scope left out: sixteen bytes, each as two letters.
fn name(reader: &mut Reader<'_>) -> Option<[u8; 16]> {
    if reader.u8()? != 32 {
        return None;
    }
    let letters = reader.take(32)?;
    let mut name = [0; 16];
    for (byte, pair) in name.iter_mut().zip(letters.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        let (high, low) = (high.checked_sub(b'A')?, low.checked_sub(b'A')?);
        if high > 15 || low > 15 {
            return None;
        }
        *byte = high << 4 | low;
    }
    // the scope is labels, ended by an empty one
    for _ in 0..128 {
        let len = reader.u8()?;
        match len {
            0 => return Some(name),
            1..64 => {
                reader.take(len.into())?;
            }
            _ => {
                reader.u8()?;
                return Some(name);
            }
        }
    }
    None
}

fn read(bytes: &[u8]) -> Option<Values> {
    let mut reader = Reader(bytes);
    reader.u16()?;
    let flags = reader.u16()?;
    let counts = (reader.u16()?, reader.u16()?, reader.u32()?);
    let response = flags & 0x8000 != 0;
    let mut values = Values::default();
    values.push(KIND, if response { b"response" } else { b"request" });
    values.push_number(OPCODE, flags >> 11 & 15);
    let found = name(&mut reader)?;
    let [text @ .., suffix] = found;
    let text = text.trim_ascii_end();
    let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    values.push(NAME, text.get(..end)?);
    values.push_number(SUFFIX, suffix);
    // a question has type and class; a record its time and data too
    let kind = reader.u16()?;
    reader.u16()?;
    if response && counts.0 == 0 && counts.1 > 0 && kind == NB {
        reader.u32()?;
        let len = usize::from(reader.u16()?);
        let mut data = Reader(reader.take(len)?);
        for _ in 0..ADDRESSES_MAX {
            let (Some(_), Some(address)) = (data.u16(), data.u32()) else { break };
            values.push(ADDRESS, Ipv4Addr::from(address).to_string().as_bytes());
        }
    }
    Some(values)
}

/// How messages are read.
pub(super) struct Messages;

impl Dialect for Messages {
    const ALONE: bool = true;

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        out.single(dir, read(bytes).ok_or("malformed_message")?);
        Ok(Step::Took(bytes.len()))
    }
}

/// Whether the datagram is a message.
pub(super) fn probe(bytes: &[u8]) -> Probe {
    if read(bytes).is_some() { Probe::Yes } else { Probe::No }
}

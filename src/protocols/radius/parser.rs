//! Packets: code, number, length, authenticator, attributes.

use super::keywords::CODES;
use super::slots::*;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::Direction;

/// RFC 2865 section 3.
const PACKET_MAX: usize = 4096;

struct Packet<'a> {
    code: u8,
    number: u8,
    attributes: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let mut reader = Reader(bytes);
        let (code, number, len) = (reader.u8()?, reader.u8()?, usize::from(reader.u16()?));
        let known = CODES.iter().any(|(_, known)| *known == u64::from(code));
        if !known || !(20..=PACKET_MAX).contains(&len) {
            return None;
        }
        Some(Packet { code, number, attributes: bytes.get(20..len)? })
    }

    /// Every attribute: its kind and value; `false` when the last is not whole.
    fn each(&self, mut each: impl FnMut(u8, &[u8])) -> bool {
        let mut reader = Reader(self.attributes);
        while let (Some(kind), Some(len)) = (reader.u8(), reader.u8()) {
            let Some(value) = usize::from(len).checked_sub(2).and_then(|len| reader.take(len)) else {
                return false;
            };
            each(kind, value);
        }
        reader.is_empty()
    }

    fn is_request(&self) -> bool {
        matches!(self.code, 1 | 4 | 12 | 40 | 43)
    }
}

/// How packets are read.
pub(super) struct Packets;

impl Dialect for Packets {
    const ALONE: bool = true;

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let packet = Packet::read(bytes).ok_or("malformed_packet")?;
        let mut found = Values::default();
        let whole = packet.each(|kind, value| match kind {
            1 => found.push(USER, value),
            18 => found.push(REPLY_MESSAGE, value),
            31 => found.push(CALLING_STATION, value),
            32 => found.push(NAS_IDENTIFIER, value),
            _ => {}
        });
        let key = packet.number.into();
        if packet.is_request() {
            found.push_number(CODE, packet.code);
            // the same number is a repetition, or the one before has no answer
            out.finish(key);
            out.open(key, found);
        } else {
            found.push_number(RESPONSE_CODE, packet.code);
            match out.waiting(key) {
                Some(exchange) => {
                    exchange.values.push_number(RESPONSE_CODE, packet.code);
                    found.all(REPLY_MESSAGE).for_each(|text| exchange.values.push(REPLY_MESSAGE, text));
                    out.finish(key);
                }
                None => out.single(dir, found),
            }
        }
        if !whole {
            out.event(dir, "malformed_packet");
        }
        Ok(Step::Took(bytes.len()))
    }
}

/// Whether the datagram is a whole packet.
pub(super) fn probe(bytes: &[u8]) -> Probe {
    let whole = Packet::read(bytes).is_some_and(|packet| packet.each(|_, _| {}));
    if whole { Probe::Yes } else { Probe::No }
}

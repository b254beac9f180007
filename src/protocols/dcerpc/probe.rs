//! Recognising DCERPC: its version at the start of a stream, more of the header in a datagram.

use super::pdu::{self, DatagramHeader, HEADER_LEN, Header};
use crate::app::Probe;
use crate::types::{Direction, Proto};

/// See [`crate::app::Protocol::probe`].
pub(super) fn probe(transport: Proto, dir: Direction, bytes: &[u8]) -> Probe {
    if transport == Proto::UDP {
        return if DatagramHeader::read(bytes).is_some() { Probe::Yes } else { Probe::No };
    }
    match bytes {
        [] | [5] => return Probe::More,
        [5, 0, ..] => {}
        _ => return Probe::No,
    }
    match Header::read(bytes).filter(|header| plausible(header, bytes)).and_then(|header| sender(header.kind))
    {
        Some(from) if from != dir => Probe::Reversed,
        _ => Probe::Yes,
    }
}

/// Who sends units of that kind.
pub(super) fn sender(kind: u8) -> Option<Direction> {
    match kind {
        pdu::REQUEST | pdu::BIND | pdu::ALTER_CONTEXT | pdu::AUTH3 => Some(Direction::ToServer),
        pdu::RESPONSE | pdu::FAULT | pdu::BINDACK | pdu::BINDNAK | pdu::ALTER_CONTEXT_RESP => {
            Some(Direction::ToClient)
        }
        _ => None,
    }
}

fn plausible(header: &Header, bytes: &[u8]) -> bool {
    header.version.0 == 5
        && header.version.1 <= 1
        && header.kind <= 19
        && usize::from(header.length) >= HEADER_LEN
        && bytes.get(4).is_some_and(|order| order & 0xee == 0)
        && bytes.get(5).is_some_and(|float| *float <= 3)
        && bytes.get(6..8) == Some(&[0, 0])
}

/// Behind a gap: the place where a unit begins, or how many bytes can be none's beginning. Looks at each byte once.
pub(super) fn resync(bytes: &[u8]) -> Result<usize, usize> {
    let mut from = 0;
    while let Some(found) = memchr::memchr(5, bytes.get(from..).unwrap_or_default()) {
        let at = from + found;
        let rest = &bytes[at..];
        match Header::read(rest) {
            Some(header) if plausible(&header, rest) => return Ok(at),
            Some(_) => from = at + 1,
            // the rest of it has yet to come
            None => return Err(at),
        }
    }
    Err(bytes.len())
}

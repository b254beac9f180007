//! Recognising SMB: its mark behind the framing of NetBIOS, or that framing alone on its own ports.

use crate::app::Probe;
use crate::types::Direction;

/// See [`crate::app::Protocol::probe`].
pub(super) fn probe(dir: Direction, port: u16, bytes: &[u8]) -> Probe {
    let usual = matches!(port, 139 | 445);
    let Some(&[kind, _, high, low]) = bytes.first_chunk::<4>() else {
        return match bytes {
            [] | [0, ..] => Probe::More,
            [0x81..=0x85, ..] if usual => Probe::More,
            _ => Probe::No,
        };
    };
    match kind {
        0 => {
            let rest = &bytes[4..];
            match rest {
                [0xff, b'S', b'M', b'B', ..] => match rest.get(9) {
                    Some(flags) => from(dir, flags & 0x80 != 0),
                    None => Probe::Yes,
                },
                [0xfe, b'S', b'M', b'B', ..] => match rest.get(16) {
                    Some(flags) => from(dir, flags & 1 != 0),
                    None => Probe::Yes,
                },
                [0xfd, b'S', b'M', b'B', ..] => Probe::Yes,
                _ if rest.len() < 4 && [0xfd, 0xfe, 0xff].iter().any(|mark| starts(rest, *mark)) => {
                    Probe::More
                }
                _ => Probe::No,
            }
        }
        // a session is asked for with two names of 34 bytes, and granted or refused
        0x81 if usual && dir == Direction::ToServer && u16::from_be_bytes([high, low]) == 68 => Probe::Yes,
        0x82..=0x85 if usual && u16::from_be_bytes([high, low]) <= 6 => Probe::Yes,
        _ => Probe::No,
    }
}

fn starts(bytes: &[u8], mark: u8) -> bool {
    [mark, b'S', b'M', b'B'].starts_with(bytes)
}

fn from(dir: Direction, response: bool) -> Probe {
    let sender = if response { Direction::ToClient } else { Direction::ToServer };
    if sender == dir { Probe::Yes } else { Probe::Reversed }
}

/// Behind a gap: the place where a message begins, or how many bytes can be none's beginning.
pub(super) fn resync(bytes: &[u8]) -> Result<usize, usize> {
    for found in memchr::memmem::find_iter(bytes, b"SMB") {
        let Some(start) = found.checked_sub(5) else { continue };
        if matches!(bytes.get(start..start + 5), Some([0, _, _, _, 0xfd..=0xff])) {
            return Ok(start);
        }
    }
    Err(bytes.len().saturating_sub(7))
}

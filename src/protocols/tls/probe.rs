//! Recognising TLS from first bytes, on any port: a record whose handshake message is a hello, or an SSLv2 hello.
//!
//! A flow picked up in its middle shows another record first; its header of five bytes is all there is to go by, so its
//! length must be one that its type can have.

use crate::app::Probe;
use crate::types::Direction;

/// See [`crate::app::Protocol::probe`].
pub(super) fn probe(dir: Direction, bytes: &[u8]) -> Probe {
    let from = match bytes {
        [] => return Probe::More,
        [0x80..=0xff, ..] => match sslv2(bytes) {
            Ok(from) => from,
            Err(probe) => return probe,
        },
        [22, rest @ ..] => match handshake(rest) {
            Ok(from) => from,
            Err(Probe::No) => return later(bytes),
            Err(probe) => return probe,
        },
        [20..=23, ..] => return later(bytes),
        _ => return Probe::No,
    };
    if from == dir { Probe::Yes } else { Probe::Reversed }
}

/// Behind the content type of a handshake record: who sent it.
fn handshake(rest: &[u8]) -> Result<Direction, Probe> {
    let [major, rest @ ..] = rest else { return Err(Probe::More) };
    let [minor, rest @ ..] = rest else { return Err(if *major == 3 { Probe::More } else { Probe::No }) };
    if *major != 3 || *minor > 4 {
        return Err(Probe::No);
    }
    let [high, low, rest @ ..] = rest else { return Err(Probe::More) };
    let record = usize::from(u16::from_be_bytes([*high, *low]));
    if record == 0 || record > 1 << 14 {
        return Err(Probe::No);
    }
    let [kind, rest @ ..] = rest else { return Err(Probe::More) };
    let from = match kind {
        1 => Direction::ToServer,
        2 => Direction::ToClient,
        _ => return Err(Probe::No),
    };
    // Of the message's length, as much as the record has: a hello is never near 64 KiB, nor shorter than its random.
    match rest.get(..(record - 1).min(3)) {
        Some(&[0, high, low]) if u16::from_be_bytes([high, low]) >= 34 => Ok(from),
        Some(&[0, _] | &[0] | &[]) => Ok(from),
        Some(_) => Err(Probe::No),
        None => Err(Probe::More),
    }
}

/// Any record but the first. Either side may send it.
fn later(bytes: &[u8]) -> Probe {
    if bytes.get(1).is_some_and(|&major| major != 3) || bytes.get(2).is_some_and(|&minor| minor > 3) {
        return Probe::No;
    }
    let Some(&[kind, _, _, high, low]) = bytes.first_chunk::<5>() else { return Probe::More };
    let len = u16::from_be_bytes([high, low]);
    let sound = match kind {
        20 => len == 1,
        // In the clear, or with the least that encryption adds.
        21 => len == 2 || (17..=512).contains(&len),
        // A message that may follow a hello.
        22 => match bytes.get(5) {
            None => return Probe::More,
            Some(kind) => len > 4 && len < 1 << 14 && matches!(kind, 4 | 11 | 12 | 13 | 14 | 15 | 16 | 22),
        },
        _ => (17..(1 << 14) + 2048).contains(&len),
    };
    if sound { Probe::Yes } else { Probe::No }
}

fn sslv2(bytes: &[u8]) -> Result<Direction, Probe> {
    let Some(&[high, low, kind]) = bytes.first_chunk::<3>() else { return Err(Probe::More) };
    let len = usize::from(high & 0x7f) << 8 | usize::from(low);
    match kind {
        // Version, then lengths of ciphers, session and challenge, which make up the message.
        1 => {
            let Some(&[major, minor, c1, c0, s1, s0, h1, h0]) =
                bytes.get(3..).and_then(|rest| rest.first_chunk::<8>())
            else {
                return Err(Probe::More);
            };
            let total = [[c1, c0], [s1, s0], [h1, h0]]
                .iter()
                .map(|&pair| usize::from(u16::from_be_bytes(pair)))
                .sum::<usize>();
            let version = (major, minor);
            let known = version == (0, 2) || (major == 3 && minor <= 3);
            if known && total + 9 == len && (16..=32).contains(&u16::from_be_bytes([h1, h0])) {
                Ok(Direction::ToServer)
            } else {
                Err(Probe::No)
            }
        }
        4 => {
            let Some(&[_, _, major, minor]) = bytes.get(3..).and_then(|rest| rest.first_chunk::<4>()) else {
                return Err(Probe::More);
            };
            if (major, minor) == (0, 2) && len >= 11 { Ok(Direction::ToClient) } else { Err(Probe::No) }
        }
        _ => Err(Probe::No),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Probe) {
        assert_eq!(probe(Direction::ToServer, bytes), expected);
        // Of anything that is TLS, no beginning is refused.
        if matches!(expected, Probe::Yes | Probe::Reversed) {
            for end in 0..bytes.len() {
                assert!(matches!(
                    probe(Direction::ToServer, &bytes[..end]),
                    Probe::More | Probe::Yes | Probe::Reversed
                ));
            }
        }
    }

    #[test]
    fn hellos_are_known_in_both_directions() {
        check(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4", Probe::Yes);
        check(b"\x16\x03\x03\x00\xc8\x02\x00\x00\xc4", Probe::Reversed);
        assert_eq!(probe(Direction::ToClient, b"\x16\x03\x03\x00\xc8\x02\x00\x00\xc4"), Probe::Yes);
        assert_eq!(probe(Direction::ToClient, b"\x16\x03\x03\x00\xc8\x01\x00\x00\xc4"), Probe::Reversed);
        check(b"\x16\x03\x01\x00\x01\x01\x16\x03\x01", Probe::Yes);
        check(b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", Probe::Yes);
        check(b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", Probe::Yes);
        check(b"\x80\x2e\x04\x00\x01\x00\x02", Probe::Reversed);
    }

    #[test]
    fn flows_in_their_middle_are_known() {
        check(b"\x17\x03\x03\x00\x40", Probe::Yes);
        check(b"\x14\x03\x03\x00\x01", Probe::Yes);
        check(b"\x15\x03\x03\x00\x02", Probe::Yes);
        check(b"\x16\x03\x03\x08\x00\x0b", Probe::Yes);
    }

    #[test]
    fn others_are_not() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x16\x04\x01\x00\xc8\x01",
            b"\x16\x03\x01\x00\x00\x01\x00\x00\x00",
            b"\x16\x03\x01\x00\xc8\x01\x01\x00\xc4",
            b"\x16\x03\x01\x00\xc8\x63\x00\x00\xc4",
            b"\x17\x03\x03\xff\xff",
            b"\x14\x03\x03\x00\x02",
            b"\x80\x2e\x01\x07\x02\x00\x15\x00\x00\x00\x10",
            b"\x00\x1c\x12\x34\x01\x00",
        ] {
            check(bytes, Probe::No);
        }
        check(b"", Probe::More);
    }
}

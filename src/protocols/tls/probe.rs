//! Recognising TLS from first bytes, on any port: a record header whose handshake message is a hello, or an SSLv2 hello.

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
            Err(probe) => return probe,
        },
        // An alert, change of cipher or data of a handshake whose beginning was missed: only as a whole header tells.
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
    // The message's length: a hello is never near 64 KiB, and never shorter than its random.
    match rest.get(..3) {
        Some(&[0, high, low]) if u16::from_be_bytes([high, low]) >= 34 => Ok(from),
        Some(_) => Err(Probe::No),
        // A record may be shorter than the message's header.
        None if record < 4 && rest.len() >= record - 1 => Ok(from),
        None => Err(Probe::More),
    }
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

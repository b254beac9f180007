//! Single messages (PostgreSQL documentation, "Message Formats"), and recognition from the first one.

use super::parser::KEPT_MAX;
use crate::app::Probe;
use crate::types::Direction;

/// "CancelRequest", "SSLRequest", "GSSENCRequest" in the place of a version.
pub(super) const CANCEL: u32 = 80_877_102;
pub(super) const SSL: u32 = 80_877_103;
pub(super) const GSS: u32 = 80_877_104;

/// Bytes of a message without a type: the server refuses longer ones too.
pub(super) const STARTUP_MAX: usize = 10_000;

/// Types of messages that clients send.
const FRONTEND: &[u8] = b"QXpPBECDSHFdcf";
/// Types of messages that servers send.
const BACKEND: &[u8] = b"RKSTDCEZNAInst123VGHWdcv";

/// A message of the start: what is behind the length.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start<'a> {
    Ssl,
    Gss,
    Cancel {
        process: u32,
        secret: u32,
    },
    /// Major and minor version, and the parameters.
    Session(u16, u16, &'a [u8]),
}

impl<'a> Start<'a> {
    /// `None` for anything else.
    pub(super) fn read(body: &'a [u8]) -> Option<Start<'a>> {
        let (code, rest) = u32_of(body)?;
        match code {
            SSL if rest.is_empty() => Some(Start::Ssl),
            GSS if rest.is_empty() => Some(Start::Gss),
            CANCEL => {
                let (process, rest) = u32_of(rest)?;
                let (secret, rest) = u32_of(rest)?;
                rest.is_empty().then_some(Start::Cancel { process, secret })
            }
            _ => {
                let (major, minor) = ((code >> 16) as u16, code as u16);
                let sound = matches!(major, 2 | 3) && rest.ends_with(b"\0") && names_user(rest);
                sound.then_some(Start::Session(major, minor, rest))
            }
        }
    }
}

/// Whether `user`, which every session has, is among the parameters.
fn names_user(mut rest: &[u8]) -> bool {
    while let Some((name, behind)) = text_of(rest)
        && let Some((_, behind)) = text_of(behind)
    {
        if name == b"user" {
            return true;
        }
        rest = behind;
    }
    false
}

/// A big-endian number, and what is behind it.
pub(super) fn u32_of(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// The same of 16 bits.
pub(super) fn u16_of(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*number), rest))
}

/// A text that a zero ends, and what is behind it.
pub(super) fn text_of(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// Type and length of the body of a message with a type; `Ok(None)` without all of its header, `Err` for what is none.
pub(super) fn header(bytes: &[u8]) -> Result<Option<(u8, usize)>, ()> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
    if !kind.is_ascii_graphic() {
        return Err(());
    }
    let Some((len, _)) = u32_of(rest) else { return Ok(None) };
    // the server's own limit is 1 GiB
    match usize::try_from(len).ok().and_then(|len| len.checked_sub(4)) {
        Some(len) if len < 1 << 30 && (len < KEPT_MAX || kind.is_ascii_alphabetic()) => {
            Ok(Some((*kind, len)))
        }
        _ => Err(()),
    }
}

/// See [`crate::app::Protocol::probe`]; the port is right.
pub(super) fn probe(dir: Direction, bytes: &[u8]) -> Probe {
    let Some(first) = bytes.first() else { return Probe::More };
    let known = match dir {
        Direction::ToServer => FRONTEND,
        Direction::ToClient if matches!(bytes, [b'S' | b'N' | b'G']) => return Probe::Yes,
        Direction::ToClient => BACKEND,
    };
    if known.contains(first) {
        return match header(bytes) {
            Ok(Some((_, len))) if len < 1 << 24 => Probe::Yes,
            Ok(None) => Probe::More,
            _ => Probe::No,
        };
    }
    if dir == Direction::ToClient || *first != 0 {
        return Probe::No;
    }
    let Some((len, rest)) = u32_of(bytes) else { return Probe::More };
    let len = len as usize;
    if !(8..=STARTUP_MAX).contains(&len) {
        return Probe::No;
    }
    match rest.get(..len - 4) {
        Some(body) => match Start::read(body) {
            Some(_) => Probe::Yes,
            None => Probe::No,
        },
        None => match u32_of(rest) {
            Some((code, _)) if !matches!(code >> 16, 2 | 3) && !(CANCEL..=GSS).contains(&code) => Probe::No,
            _ => Probe::More,
        },
    }
}

//! Messages: datagrams, lines, or behind their length.

use super::slots::*;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::lines::{self, Line};
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of a message.
pub(super) const MESSAGE_MAX: usize = 8 << 10;

/// How messages are read.
#[derive(Default)]
pub(super) struct Messages {
    datagrams: bool,
}

/// The priority at the front, `<0>` to `<191>`, and what is behind it.
fn priority(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let inside = bytes.strip_prefix(b"<")?;
    let end = memchr::memchr(b'>', inside.get(..inside.len().min(4))?)?;
    let digits = inside.get(..end)?;
    let priority = std::str::from_utf8(digits).ok()?.parse::<u8>().ok().filter(|priority| *priority < 192)?;
    (digits.iter().all(u8::is_ascii_digit)).then_some(())?;
    Some((priority, inside.get(end + 1..)?))
}

/// A length in front of a message, RFC 6587 section 3.4.1, and the bytes it takes.
fn counted(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = memchr::memchr(b' ', bytes.get(..bytes.len().min(8))?)?;
    let digits = bytes.get(..end)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, end + 1))
}

fn tell(message: &[u8], out: &mut Exchanges) -> Result<(), &'static str> {
    let message = message.trim_ascii_end();
    if message.is_empty() {
        return Ok(());
    }
    let (priority, text) = priority(message).ok_or("malformed_message")?;
    let mut values = Values::default();
    values.push_number(FACILITY, priority >> 3);
    values.push_number(SEVERITY, priority & 7);
    values.push(MESSAGE, text.get(..MESSAGE_MAX).unwrap_or(text));
    out.single(Direction::ToServer, values);
    Ok(())
}

impl Dialect for Messages {
    const ALONE: bool = true;

    fn datagram(&mut self, _dir: Direction, _bytes: &[u8]) -> Option<usize> {
        self.datagrams = true;
        Some(0)
    }

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        if dir == Direction::ToClient {
            return Ok(Step::Took(bytes.len()));
        }
        if self.datagrams {
            return tell(bytes, out).map(|()| Step::Took(bytes.len()));
        }
        if bytes.first().is_some_and(u8::is_ascii_digit) {
            let Some((len, head)) = counted(bytes) else {
                return if bytes.len() < 8 {
                    Ok(Step::Needs(bytes.len() + 1))
                } else {
                    Err("malformed_message")
                };
            };
            let kept = len.min(MESSAGE_MAX);
            let Some(message) = bytes.get(head..head + kept) else { return Ok(Step::Needs(head + kept)) };
            tell(message, out)?;
            if kept < len {
                out.event(dir, "message_too_long");
            }
            return Ok(if kept < len {
                Step::Skip(head + kept, (len - kept) as u64)
            } else {
                Step::Took(head + kept)
            });
        }
        match lines::front(bytes, MESSAGE_MAX) {
            Line::Open => Ok(Step::Needs(bytes.len() + 1)),
            Line::Long => Err("message_too_long"),
            Line::Whole(line, taken) => tell(line, out).map(|()| Step::Took(taken)),
        }
    }
}

/// See [`crate::app::Protocol::probe`]: a priority, or one behind a length.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    if dir == Direction::ToClient || !usual {
        return Probe::No;
    }
    let message = counted(bytes).and_then(|(_, head)| bytes.get(head..)).unwrap_or(bytes);
    match message.first() {
        _ if priority(message).is_some() => Probe::Yes,
        None => Probe::More,
        Some(b'<' | b'0'..=b'9') if message.len() < 6 => Probe::More,
        Some(_) => Probe::No,
    }
}

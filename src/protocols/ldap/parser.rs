//! Both streams, or datagrams, message by message.

use super::message::{Message, operation};
use super::slots::*;
use crate::app::Probe;
use crate::protocols::ber::{self, SEQUENCE};
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::values::{ROWS_MAX, Values};
use crate::types::{Direction, Proto};

/// Bytes of one message that is read.
pub(super) const MESSAGE_MAX: usize = 256 << 10;

/// Bytes of a transaction's values from which no further answer is looked into.
pub(super) const KEPT_MAX: usize = 256 << 10;

/// Longest message that is passed over; what claims more is none.
const CLAIMED_MAX: usize = 1 << 30;

/// How messages are read.
#[derive(Default)]
pub(super) struct Messages {
    /// The client signed in by SASL: what is not a message is sealed.
    sasl: bool,
    /// The number of a request to begin TLS.
    start_tls: Option<u64>,
}

impl Messages {
    fn request(&mut self, message: &Message<'_>, out: &mut Exchanges) {
        let mut values = Values::default();
        let read = message.request(&mut values);
        self.sasl |= message.is_sasl();
        if message.is_start_tls() {
            self.start_tls = Some(message.id);
        }
        match message.operation {
            operation::UNBIND | operation::ABANDON => out.unanswered(values),
            _ => out.open(message.id, values),
        }
        if read.is_err() {
            out.event(Direction::ToServer, "invalid_data");
        }
    }

    /// True when TLS begins behind it.
    fn response(&mut self, message: &Message<'_>, out: &mut Exchanges) -> bool {
        let read = match out.waiting(message.id) {
            Some(exchange) => {
                let read = message.response(&mut exchange.values);
                if !message.is_partial() {
                    let answers = (0..ROWS_MAX)
                        .take_while(|nth| exchange.values.number(RESPONSES_OPERATION, *nth).is_some())
                        .count();
                    exchange.values.push_number(RESPONSES_COUNT, answers as u64);
                }
                if read.is_err() {
                    exchange.event(Direction::ToClient, "invalid_data");
                }
                if !message.is_partial() {
                    out.finish(message.id);
                }
                Ok(())
            }
            None => {
                let mut values = Values::default();
                let read = message.response(&mut values);
                values.push_number(RESPONSES_COUNT, 1u8);
                out.single(Direction::ToClient, values);
                // a notice that nobody asked for has the number 0
                if message.id != 0 {
                    out.event(Direction::ToClient, "request_not_found");
                }
                read
            }
        };
        if read.is_err() {
            out.event(Direction::ToClient, "invalid_data");
        }
        self.start_tls == Some(message.id) && message.agrees()
    }
}

/// The length of the sequence at the front and of what is before its inside.
fn framed(bytes: &[u8]) -> Option<(usize, usize)> {
    let (len, header) = ber::length(bytes.get(1..)?)?;
    Some((len, 1 + header))
}

/// Whether more bytes are needed before the length can be told.
fn is_short(bytes: &[u8]) -> bool {
    match bytes {
        [] | [_] => true,
        [_, first, rest @ ..] => (0x81..=0x84).contains(first) && rest.len() < usize::from(first & 0x7f),
    }
}

impl Dialect for Messages {
    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        if bytes.first() != Some(&SEQUENCE) {
            return if self.sasl { Ok(Step::Opaque(bytes.len())) } else { Err("invalid_data") };
        }
        if is_short(bytes) {
            return Ok(Step::Needs(bytes.len() + 1));
        }
        let Some((len, header)) = framed(bytes).filter(|(len, _)| *len <= CLAIMED_MAX) else {
            return Err("invalid_data");
        };
        if len > MESSAGE_MAX {
            out.event(dir, "incomplete_data");
            return Ok(Step::Skip(header, len as u64));
        }
        let end = header + len;
        let Some(inside) = bytes.get(header..end) else { return Ok(Step::Needs(end)) };
        let Ok(message) = Message::read(inside) else { return Err("invalid_data") };
        match (dir, message.is_request()) {
            (Direction::ToServer, true) => self.request(&message, out),
            (Direction::ToClient, false) => {
                if self.response(&message, out) {
                    return Ok(Step::Change(end));
                }
            }
            _ => return Err("invalid_data"),
        }
        Ok(Step::Took(end))
    }
}

/// See [`crate::app::Protocol::probe`]: a bind or a search on any port, whatever is a message on the usual ones.
pub(super) fn probe(transport: Proto, dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    let more = if transport == Proto::UDP { Probe::No } else { Probe::More };
    if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Probe::No;
    }
    if is_short(bytes) {
        return more;
    }
    let Some((len, header)) = framed(bytes).filter(|(len, _)| (5..=CLAIMED_MAX).contains(len)) else {
        return Probe::No;
    };
    if transport == Proto::UDP && bytes.len() < header + len {
        return Probe::No;
    }
    // the number of the message, then the tag of its operation
    let (number, tag, rest) = match bytes.get(header..).unwrap_or_default() {
        [0x02, size @ 1..=5, rest @ ..] => match rest.split_at_checked(usize::from(*size)) {
            Some((number, [tag, rest @ ..])) => (number, *tag, rest),
            _ => return more,
        },
        [] | [0x02] => return more,
        _ => return Probe::No,
    };
    if number.first().is_some_and(|first| first & 0x80 != 0) {
        return Probe::No;
    }
    let asks = matches!(tag, 0x60 | 0x63 | 0x66 | 0x68 | 0x6c | 0x6e | 0x77 | 0x42 | 0x4a | 0x50);
    let answers = matches!(tag, 0x61 | 0x64 | 0x65 | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | 0x73 | 0x78 | 0x79);
    if !(if dir == Direction::ToServer { asks } else { answers }) {
        return Probe::No;
    }
    if usual {
        return Probe::Yes;
    }
    // elsewhere the operation must begin as a bind or a search does, or their answers
    let long = match ber::length(rest) {
        Some((_, long)) => long,
        None if rest.len() < 5 => return more,
        None => return Probe::No,
    };
    let expected: &[&[u8]] = match tag {
        0x60 => &[b"\x02\x01\x03\x04", b"\x02\x01\x02\x04"],
        0x63 | 0x64 => &[b"\x04"],
        0x61 | 0x65 => &[b"\x0a\x01"],
        _ => return Probe::No,
    };
    let body = rest.get(long..).unwrap_or_default();
    let begins = |wanted: &&[u8]| {
        let len = wanted.len().min(body.len());
        wanted.get(..len) == body.get(..len)
    };
    match expected.iter().find(|wanted| begins(wanted)) {
        Some(wanted) if body.len() >= wanted.len() => Probe::Yes,
        Some(_) => more,
        None => Probe::No,
    }
}

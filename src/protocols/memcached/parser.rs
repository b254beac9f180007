//! Both sides of a flow, in either protocol.

use super::text::{self, Command, Line};
use super::{binary, slots};
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::values::Values;
use crate::types::{Direction, Proto};

/// Bytes of a line.
pub(super) const LINE_MAX: usize = 8 << 10;
/// Bytes kept of a value, and of all values of an answer.
pub(super) const VALUE_MAX: usize = 16 << 10;

/// Bytes of the header in front of a datagram.
const DATAGRAM_HEADER: usize = 8;

/// Both sides of a flow.
#[derive(Debug, Default)]
pub(super) struct Memcached {
    /// A command whose value is still to come.
    storing: Option<Command>,
    answer: Answer,
}

/// An answer that is being read.
#[derive(Debug, Default)]
struct Answer {
    begun: bool,
    hits: u32,
    kept: usize,
    /// The bytes at the front are a value of that length; whether it ends the answer.
    value: Option<(usize, bool)>,
}

/// A line at the front without its end, and what it takes; an error for one that is too long.
fn line(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, &'static str> {
    let within = bytes.get(..LINE_MAX).unwrap_or(bytes);
    match memchr::memchr(b'\n', within) {
        Some(end) => {
            let text = within.get(..end).unwrap_or_default();
            Ok(Some((text.strip_suffix(b"\r").unwrap_or(text), end + 1)))
        }
        None if bytes.len() >= LINE_MAX => Err("line_too_long"),
        None => Ok(None),
    }
}

impl Memcached {
    fn text_request(&mut self, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        if let Some(mut command) = self.storing.take() {
            let len = command.value.unwrap_or(0) as usize;
            let kept = len.min(VALUE_MAX);
            let Some(value) = bytes.get(..kept) else {
                self.storing = Some(command);
                return Ok(Step::Needs(kept));
            };
            command.values.push(slots::STORED, value);
            command.values.push_number(slots::SIZE, len as u64);
            Self::send(command, out);
            return Ok(Step::Skip(kept, (len - kept) as u64 + 2));
        }
        let Some((text, taken)) = line(bytes)? else { return Ok(Step::Needs(bytes.len() + 1)) };
        let command = text::command(text).ok_or("malformed_request")?;
        match command.value {
            // a value of no bytes has its line end alone
            Some(0) => {
                Self::send(command, out);
                Ok(Step::Skip(taken, 2))
            }
            Some(_) => {
                self.storing = Some(command);
                Ok(Step::Took(taken))
            }
            None => {
                if command.values.text(slots::COMMAND, 0).is_some() {
                    Self::send(command, out);
                }
                Ok(Step::Took(taken))
            }
        }
    }

    fn send(command: Command, out: &mut Exchanges) {
        if command.maybe_silent {
            out.unmatch();
        }
        if command.silent || command.values.text(slots::COMMAND, 0) == Some(b"quit") {
            out.unanswered(command.values);
        } else {
            out.open_in_turn(command.values);
        }
    }

    fn text_response(&mut self, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        if let Some((len, last)) = self.answer.value.take() {
            let kept = len.min(VALUE_MAX.saturating_sub(self.answer.kept));
            let Some(value) = bytes.get(..kept) else {
                self.answer.value = Some((len, last));
                return Ok(Step::Needs(kept));
            };
            self.answer.kept += kept;
            self.answer.hits += 1;
            if kept > 0
                && let Some(exchange) = out.oldest()
            {
                exchange.values.push(slots::ANSWERED, value);
            }
            if last {
                self.end(out);
            }
            return match kept {
                0 => Ok(Step::Skip(1, len as u64 + 1)),
                _ => Ok(Step::Skip(kept, (len - kept) as u64 + 2)),
            };
        }
        let Some((text, taken)) = line(bytes)? else { return Ok(Step::Needs(bytes.len() + 1)) };
        if !std::mem::replace(&mut self.answer.begun, true)
            && let Some(exchange) = out.oldest()
        {
            exchange.values.push(slots::RESPONSE, text);
        }
        match text::answer(text).ok_or("malformed_response")? {
            Line::Last => self.end(out),
            Line::More => {}
            Line::Value(len) => self.answer.value = Some((len as usize, false)),
            Line::LastValue(len) => self.answer.value = Some((len as usize, true)),
        }
        Ok(Step::Took(taken))
    }

    fn end(&mut self, out: &mut Exchanges) {
        let answer = std::mem::take(&mut self.answer);
        if answer.hits > 0
            && let Some(exchange) = out.oldest()
        {
            exchange.values.push_number(slots::HITS, answer.hits);
        }
        out.finish_oldest();
    }
}

/// A packet of the binary protocol.
fn packet(dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
    let Some(header) = binary::Header::read(bytes) else { return Ok(Step::Needs(binary::HEADER)) };
    if !header.is_sound() {
        return Err(if dir == Direction::ToServer { "malformed_request" } else { "malformed_response" });
    }
    let kept = header.body.min(VALUE_MAX);
    let taken = binary::HEADER + kept;
    let Some(body) = bytes.get(binary::HEADER..taken) else { return Ok(Step::Needs(taken)) };
    let key = u64::from(header.opaque);
    match dir {
        Direction::ToServer => {
            let mut values = Values::default();
            header.request(body, &mut values);
            if header.is_quiet() { out.unanswered(values) } else { out.open(key, values) }
        }
        Direction::ToClient => {
            // statistics come in many packets, of which the last is empty
            let more = header.code == 0x10 && header.body > 0;
            if let Some(exchange) = out.waiting(key)
                && exchange.values.text(slots::RESPONSE, 0).is_none()
            {
                header.response(body, &mut exchange.values);
            }
            if !more {
                out.finish(key);
            }
        }
    }
    Ok(Step::Skip(taken, (header.body - kept) as u64))
}

impl Dialect for Memcached {
    const ALONE: bool = true;

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        match (dir, bytes.first()) {
            (Direction::ToServer, Some(&binary::REQUEST)) if self.storing.is_none() => {
                packet(dir, bytes, out)
            }
            (Direction::ToClient, Some(&binary::RESPONSE)) if self.answer.value.is_none() => {
                packet(dir, bytes, out)
            }
            (Direction::ToServer, _) => self.text_request(bytes, out),
            (Direction::ToClient, _) => self.text_response(bytes, out),
        }
    }

    /// Of an answer in several datagrams the first is read.
    fn datagram(&mut self, dir: Direction, bytes: &[u8]) -> Option<usize> {
        *self = Memcached::default();
        let number = bytes.get(2..4)?;
        (dir == Direction::ToServer || number == [0, 0]).then_some(DATAGRAM_HEADER)
    }

    fn memory(&self) -> usize {
        self.storing.as_ref().map_or(0, |command| command.values.memory())
    }
}

/// See [`crate::app::Protocol::probe`]: on memcached's port alone, as words are all there is to know it by.
pub(super) fn probe(transport: Proto, dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    if !usual {
        return Probe::No;
    }
    if transport != Proto::UDP {
        return begins(dir, bytes);
    }
    // number of the request, place and count of datagrams, two zeros
    match bytes.split_first_chunk::<DATAGRAM_HEADER>() {
        Some(([_, _, a, b, c, d, 0, 0], rest)) if [a, b] < [c, d] && begins(dir, rest) == Probe::Yes => {
            Probe::Yes
        }
        _ => Probe::No,
    }
}

fn begins(dir: Direction, bytes: &[u8]) -> Probe {
    match (dir, bytes.first()) {
        (_, None) => Probe::More,
        (Direction::ToServer, Some(&binary::REQUEST)) | (Direction::ToClient, Some(&binary::RESPONSE)) => {
            match binary::Header::read(bytes) {
                None => Probe::More,
                Some(header) if header.is_sound() && header.is_known() => Probe::Yes,
                Some(_) => Probe::No,
            }
        }
        (Direction::ToServer, _) => match text::begins(bytes) {
            None => Probe::More,
            Some(true) => Probe::Yes,
            Some(false) => Probe::No,
        },
        (Direction::ToClient, _) => {
            let len = bytes.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'_').count();
            let (word, rest) = bytes.split_at(len);
            let known = text::ANSWERS.iter().any(|answer| answer.as_bytes() == word);
            match rest.first() {
                None if text::ANSWERS.iter().any(|answer| answer.as_bytes().starts_with(word)) => Probe::More,
                Some(b' ' | b'\r') if known => Probe::Yes,
                // a number that was counted up or down
                Some(b'0'..=b'9') if len == 0 => Probe::Yes,
                _ => Probe::No,
            }
        }
    }
}

//! Requests and answers in RESP (Redis documentation, "Redis serialization protocol specification").

use super::{command, slots};
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes kept of a command.
pub(super) const KEPT_MAX: usize = 64 << 10;
/// Words kept of a command: as many keys and arguments fit into the values of a transaction.
pub(super) const ARGUMENTS_MAX: usize = 480;
/// Arguments that a record shows, and bytes of one.
const SHOWN_MAX: usize = 32;
const SHOWN_BYTES_MAX: usize = 256;
/// Bytes of an inline command; the server takes up to 64 KiB.
pub(super) const INLINE_MAX: usize = 16 << 10;
/// Bytes kept of an answer, and texts.
const ANSWER_MAX: usize = 16 << 10;
const TEXTS_MAX: u32 = 64;
/// Bytes of a line that is not a text of its own: a length, a number, a status, an error.
const LINE_MAX: usize = 4096;
/// What the server takes: arguments, bytes of one.
const COUNT_MAX: i64 = 1 << 20;
const BULK_MAX: i64 = 512 << 20;

const REQUEST: &str = "malformed_request";
const RESPONSE: &str = "malformed_response";

/// Both sides of a flow.
#[derive(Default)]
pub(super) struct Resp {
    /// The command that is being read.
    words: Vec<Vec<u8>>,
    /// Bytes of its words.
    kept: usize,
    /// Words that are still to come.
    left: u64,
    /// Words that there were, kept or not.
    count: u64,
    cut: bool,
    answer: Answer,
    /// A replica asked for the stream of changes.
    replication: bool,
}

/// An answer that is being read.
#[derive(Default)]
struct Answer {
    /// Elements that are still to come; 0 between answers.
    left: u64,
    /// It is no answer but a message of its own.
    pushed: bool,
    /// Texts and bytes kept.
    texts: u32,
    kept: usize,
}

/// A line at the front, without its end, and what it takes.
fn line(bytes: &[u8], max: usize) -> Result<Option<(&[u8], usize)>, ()> {
    let within = bytes.get(..max).unwrap_or(bytes);
    match memchr::memchr(b'\n', within) {
        Some(end) => {
            let text = within.get(..end).unwrap_or_default();
            Ok(Some((text.strip_suffix(b"\r").unwrap_or(text), end + 1)))
        }
        None if bytes.len() >= max => Err(()),
        None => Ok(None),
    }
}

fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl Resp {
    fn request(&mut self, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let first = bytes.first().copied().unwrap_or_default();
        if self.left > 0 {
            return self.word(bytes, out);
        }
        match first {
            b'*' => {
                let Some((text, taken)) = line(bytes, LINE_MAX).map_err(|()| REQUEST)? else {
                    return Ok(Step::Needs(bytes.len() + 1));
                };
                let count =
                    text.get(1..).and_then(integer).filter(|count| *count <= COUNT_MAX).ok_or(REQUEST)?;
                self.begin(u64::try_from(count).unwrap_or(0));
                Ok(Step::Took(taken))
            }
            b'\r' | b'\n' => Ok(Step::Took(1)),
            _ => {
                let found = line(bytes, INLINE_MAX).map_err(|()| "inline_too_long")?;
                let Some((text, taken)) = found else { return Ok(Step::Needs(bytes.len() + 1)) };
                self.begin(0);
                self.words = command::inline(text, ARGUMENTS_MAX);
                self.count = self.words.len() as u64;
                self.complete(out);
                Ok(Step::Took(taken))
            }
        }
    }

    fn begin(&mut self, count: u64) {
        (self.words, self.kept, self.cut) = (Vec::new(), 0, false);
        (self.left, self.count) = (count, count);
    }

    /// One word of a command: its length, itself, a line end.
    fn word(&mut self, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        if bytes.first() != Some(&b'$') {
            return Err(REQUEST);
        }
        let Some((text, header)) = line(bytes, LINE_MAX).map_err(|()| REQUEST)? else {
            return Ok(Step::Needs(bytes.len() + 1));
        };
        let len =
            text.get(1..).and_then(integer).filter(|len| (0..=BULK_MAX).contains(len)).ok_or(REQUEST)?;
        let len = usize::try_from(len).map_err(|_| REQUEST)?;
        let room = if self.words.len() < ARGUMENTS_MAX { KEPT_MAX.saturating_sub(self.kept) } else { 0 };
        let kept = len.min(room);
        // the line end is looked at with a word that is kept whole
        let whole = kept == len;
        let wanted = header + kept + if whole { 2 } else { 0 };
        let Some(word) = bytes.get(header..wanted) else { return Ok(Step::Needs(wanted)) };
        let word = word.get(..kept).unwrap_or_default();
        if whole && !bytes.get(header + kept..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            return Err(REQUEST);
        }
        self.cut |= !whole;
        self.left -= 1;
        if self.words.len() < ARGUMENTS_MAX {
            self.kept += kept;
            self.words.push(word.to_vec());
        }
        if self.left == 0 {
            self.complete(out);
        }
        Ok(if whole { Step::Took(wanted) } else { Step::Skip(wanted, (len - kept) as u64 + 2) })
    }

    fn complete(&mut self, out: &mut Exchanges) {
        let words = std::mem::take(&mut self.words);
        let Some((_, arguments)) = words.split_first() else { return };
        let (name, whole) = command::name(&words);
        let mut values = Values::default();
        values.push(slots::COMMAND, whole.as_bytes());
        values.push_number(slots::COUNT, self.count.saturating_sub(1));
        let keys = command::keys(&name, arguments);
        for at in &keys {
            if let Some(key) = arguments.get(*at) {
                values.push(slots::KEY, key);
            }
        }
        let part_of_name = usize::from(whole != name);
        let shown = keys.is_empty() && !command::is_secret(&whole, arguments);
        let arguments = arguments.get(part_of_name..).unwrap_or_default();
        arguments.iter().for_each(|argument| values.push(slots::ARGUMENT, argument));
        for argument in arguments.iter().take(if shown { SHOWN_MAX } else { 0 }) {
            values.push(slots::SHOWN, argument.get(..SHOWN_BYTES_MAX).unwrap_or(argument));
        }
        match name.as_str() {
            "SUBSCRIBE" | "PSUBSCRIBE" | "SSUBSCRIBE" | "MONITOR" => out.unmatch(),
            "PSYNC" | "SYNC" => self.replication = true,
            _ if whole == "CLIENT REPLY" => out.unmatch(),
            _ => {}
        }
        out.open_in_turn(values);
        if self.cut {
            out.event(Direction::ToServer, "argument_cut");
        }
    }

    fn response(&mut self, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let Some((text, taken)) = line(bytes, LINE_MAX).map_err(|()| RESPONSE)? else {
            return Ok(Step::Needs(bytes.len() + 1));
        };
        let Some((kind, rest)) = text.split_first() else {
            // the line that keeps a link between servers alive
            return if self.replication { Ok(Step::Took(taken)) } else { Err(RESPONSE) };
        };
        let begins = self.answer.left == 0;
        if begins {
            self.answer = Answer { left: 1, pushed: *kind == b'>', ..Answer::default() };
        }
        let count = |max: i64| integer(rest).filter(|count| (-1..=max).contains(count)).ok_or(RESPONSE);
        let mut more = 0;
        let name = match kind {
            b'+' => "status",
            b'-' => "error",
            b':' => "integer",
            b'_' => "null",
            b'#' => "boolean",
            b',' => "double",
            b'(' => "big_number",
            b'$' | b'=' | b'!' => return self.bulk(*kind, count(BULK_MAX)?, bytes, taken, out),
            b'*' | b'~' | b'>' => {
                more = count(1 << 32)?;
                if *kind == b'*' {
                    "array"
                } else if *kind == b'~' {
                    "set"
                } else {
                    "push"
                }
            }
            b'%' => {
                more = 2 * count(1 << 32)?;
                "map"
            }
            b'|' => {
                // attributes stand before what they are about
                more = 2 * count(1 << 32)? + 1;
                "attribute"
            }
            _ => return Err(RESPONSE),
        };
        if begins
            && !self.answer.pushed
            && *kind != b'|'
            && let Some(exchange) = out.oldest()
        {
            exchange.values.push(slots::KIND, name.as_bytes());
            match kind {
                b'+' | b':' => exchange.values.push(slots::STATUS, rest),
                b'*' | b'~' | b'%' => exchange.values.push_number(slots::ELEMENTS, more.max(0) as u64),
                _ => {}
            }
        }
        match kind {
            b'-' => self.keep(slots::ERROR, rest, out),
            b'+' => self.keep(slots::RESPONSE, rest, out),
            _ => {}
        }
        if self.replication && begins && (rest.starts_with(b"FULLRESYNC") || rest.starts_with(b"CONTINUE")) {
            out.finish_oldest();
            return Ok(Step::Opaque(taken));
        }
        self.element(more.max(0) as u64, out);
        Ok(Step::Took(taken))
    }

    /// A text with its length in front.
    fn bulk(
        &mut self,
        kind: u8,
        len: i64,
        bytes: &[u8],
        header: usize,
        out: &mut Exchanges,
    ) -> Result<Step, &'static str> {
        let top = self.answer.left == 1 && !self.answer.pushed && self.answer.texts == 0;
        if top
            && let Some(exchange) = out.oldest()
            && exchange.values.text(slots::KIND, 0).is_none()
        {
            let name = if len < 0 {
                "null"
            } else if kind == b'!' {
                "error"
            } else {
                "text"
            };
            exchange.values.push(slots::KIND, name.as_bytes());
        }
        let Ok(len) = usize::try_from(len) else {
            self.element(0, out);
            return Ok(Step::Took(header));
        };
        let room =
            if self.answer.texts < TEXTS_MAX { ANSWER_MAX.saturating_sub(self.answer.kept) } else { 0 };
        let kept = len.min(room);
        let Some(text) = bytes.get(header..header + kept) else { return Ok(Step::Needs(header + kept)) };
        self.keep(if kind == b'!' { slots::ERROR } else { slots::RESPONSE }, text, out);
        self.element(0, out);
        Ok(Step::Skip(header + kept, (len - kept) as u64 + 2))
    }

    /// A text of an answer.
    fn keep(&mut self, slot: crate::app::Slot, text: &[u8], out: &mut Exchanges) {
        if self.answer.pushed || self.answer.texts >= TEXTS_MAX || self.answer.kept + text.len() > ANSWER_MAX
        {
            return;
        }
        self.answer.texts += 1;
        self.answer.kept += text.len();
        if let Some(exchange) = out.oldest() {
            exchange.values.push(slot, text);
        }
    }

    /// One element was read, of which that many more are part.
    fn element(&mut self, more: u64, out: &mut Exchanges) {
        self.answer.left = self.answer.left.saturating_sub(1).saturating_add(more);
        if self.answer.left == 0 && !self.answer.pushed {
            out.finish_oldest();
        }
    }
}

impl Dialect for Resp {
    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        match dir {
            Direction::ToServer => self.request(bytes, out),
            Direction::ToClient => self.response(bytes, out),
        }
    }

    fn memory(&self) -> usize {
        self.words.capacity() * size_of::<Vec<u8>>() + self.words.iter().map(Vec::capacity).sum::<usize>()
    }
}

/// See [`crate::app::Protocol::probe`]. A command in RESP is known on any port, anything else on Redis's own.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    let Some(first) = bytes.first() else { return Probe::More };
    match dir {
        Direction::ToServer if *first == b'*' => array(bytes),
        Direction::ToServer if usual => {
            let letters = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            let (word, rest) = bytes.split_at(letters);
            match rest.first() {
                None if word.len() < 16 && command::may_begin(word) => Probe::More,
                Some(b' ' | b'\r' | b'\n') if command::is_known(word) => Probe::Yes,
                _ => Probe::No,
            }
        }
        Direction::ToServer => Probe::No,
        Direction::ToClient => answer(usual, bytes),
    }
}

/// `*3\r\n$3\r\n`
fn array(bytes: &[u8]) -> Probe {
    let mut rest = bytes;
    for mark in [b'*', b'$'] {
        match rest.split_first() {
            None => return Probe::More,
            Some((first, behind)) if *first == mark => rest = behind,
            Some(_) => return Probe::No,
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let behind = rest.get(digits..).unwrap_or_default();
        if digits > 9 || digits == 0 && !behind.is_empty() {
            return Probe::No;
        }
        match behind {
            [] | [b'\r'] => return Probe::More,
            [b'\r', b'\n', behind @ ..] => rest = behind,
            _ => return Probe::No,
        }
    }
    Probe::Yes
}

/// An answer: on another port only those that other protocols do not begin with.
fn answer(usual: bool, bytes: &[u8]) -> Probe {
    const SURE: [&[u8]; 6] =
        [b"+OK\r\n", b"+PONG\r\n", b"+QUEUED\r\n", b"+FULLRESYNC ", b"+CONTINUE", b"_\r\n"];
    if SURE.iter().any(|sure| bytes.starts_with(sure)) {
        return Probe::Yes;
    }
    match bytes.split_first() {
        // a length, a count, a number
        Some((b'$' | b'*' | b'%' | b':', rest)) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
            match rest.get(digits..).unwrap_or_default() {
                [] | [b'\r'] if digits < 22 => Probe::More,
                [b'\r', b'\n', ..] if digits > 0 => Probe::Yes,
                _ => Probe::No,
            }
        }
        // an error begins with a word in capitals
        Some((b'-', rest)) => {
            let letters = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
            match rest.get(letters) {
                None if letters < 16 => Probe::More,
                Some(b' ') if letters > 2 => Probe::Yes,
                _ => Probe::No,
            }
        }
        Some((b'+' | b'_' | b'#' | b',' | b'>', _)) if usual => Probe::Yes,
        _ if SURE.iter().any(|sure| sure.starts_with(bytes)) => Probe::More,
        _ => Probe::No,
    }
}

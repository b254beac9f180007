//! Both sides, line by line, each line with its literals.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::slots::*;
use crate::app::{Probe, Transaction};
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::lines::{self, Line};
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of a line, without literals.
pub(super) const LINE_MAX: usize = 16 << 10;

/// Bytes of a literal that are read.
pub(super) const LITERAL_MAX: usize = 16 << 10;

/// Bytes of a line of a message that are looked at together.
const MESSAGE_LINE_MAX: usize = 4 << 10;

/// Bytes of a line with its literals.
const WHOLE_MAX: usize = 64 << 10;

/// Bytes and lines of an answer that are kept.
pub(super) const ANSWER_MAX: usize = 64 << 10;
const LINES_MAX: usize = 256;

/// Bytes of a tag.
const TAG_MAX: usize = 64;

/// What becomes of the flow when a command is agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Tls,
    Compressed,
}

/// How lines are read.
#[derive(Default)]
pub(super) struct Lines {
    after: Option<(u64, After)>,
    /// The command that signs in, whose further lines are no commands.
    sign_in: Option<u64>,
    /// The rest of a line is passed over, by direction.
    rest: [bool; 2],
    /// The message that is arriving as a literal, by direction.
    message: [Option<Arriving>; 2],
}

/// A literal that is a message.
struct Arriving {
    /// Whose.
    exchange: u64,
    /// Bytes still to come.
    left: u64,
    /// The next byte begins a line.
    start: bool,
    /// It is all of the message.
    whole: bool,
}

/// A line with its literals, from the front.
enum Front<'a> {
    Whole(&'a [u8], usize),
    Needs(usize),
    /// A literal that is too long begins behind so many bytes.
    Literal(&'a [u8], usize, u64),
    Long,
}

/// The length of the literal that a line announces: `{12}`, `{12+}`, `~{12}`.
fn literal(line: &[u8]) -> Option<u64> {
    let inside = line.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', inside)?;
    let digits = inside.get(open + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether the literal that a line announces is a message, and whether all of it. A client adds one to a mailbox, whose name may be
/// a literal before it; a server gives one that was fetched.
fn message(dir: Direction, line: &[u8]) -> Option<bool> {
    let head = line.get(..memchr::memrchr(b'{', line)?)?;
    let head = head.strip_suffix(b"~").unwrap_or(head).trim_ascii_end();
    let (first, rest) = lines::word(head);
    let (second, rest) = lines::word(rest);
    if dir == Direction::ToServer {
        return (second.eq_ignore_ascii_case(b"APPEND") && !rest.is_empty()).then_some(true);
    }
    let (third, _) = lines::word(rest);
    if first != b"*" || !third.eq_ignore_ascii_case(b"FETCH") || second.iter().any(|c| !c.is_ascii_digit()) {
        return None;
    }
    let item = head.rsplit(|byte| matches!(byte, b' ' | b'(')).next()?;
    match &item.to_ascii_uppercase()[..] {
        b"BODY[]" | b"BINARY[]" | b"RFC822" => Some(true),
        b"BODY[]<0>" | b"BINARY[]<0>" => Some(false),
        _ => None,
    }
}

/// A line of a message, its end where it has one, and how many bytes they take.
type MessageLine<'a> = (&'a [u8], Option<&'static [u8]>, usize);

/// The line of a message at the front; `last`: nothing follows.
fn message_line(bytes: &[u8], last: bool) -> Option<MessageLine<'_>> {
    match lines::front(bytes, MESSAGE_LINE_MAX) {
        Line::Whole(line, taken) if taken > line.len() + 1 => Some((line, Some(b"\r\n"), taken)),
        Line::Whole(line, taken) => Some((line, Some(b"\n"), taken)),
        // a CR at its end may be half of an end
        Line::Long => {
            let text = bytes.get(..MESSAGE_LINE_MAX)?;
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            Some((text, None, text.len()))
        }
        Line::Open => last.then_some((bytes, None, bytes.len())),
    }
}

fn front(bytes: &[u8]) -> Front<'_> {
    let mut at = 0;
    loop {
        let Some(rest) = bytes.get(at..) else { return Front::Needs(at) };
        match lines::front(rest, LINE_MAX) {
            Line::Open => return Front::Needs(bytes.len().max(at) + 1),
            Line::Long => return Front::Long,
            Line::Whole(line, taken) => {
                let end = at + taken;
                let Some(len) = literal(line) else {
                    return Front::Whole(bytes.get(..at + line.len()).unwrap_or_default(), end);
                };
                let short =
                    usize::try_from(len).ok().filter(|len| *len <= LITERAL_MAX && end + len <= WHOLE_MAX);
                match short {
                    Some(len) if bytes.len() < end + len => return Front::Needs(end + len),
                    Some(len) => at = end + len,
                    None => {
                        return Front::Literal(bytes.get(..at + line.len()).unwrap_or_default(), end, len);
                    }
                }
            }
        }
    }
}

/// What a tag is waited for by: different tags of a flow have different keys but for some of more than seven bytes.
fn key(tag: &[u8]) -> u64 {
    match tag.len() {
        0..=7 => tag.iter().fold(1, |key, byte| key << 8 | u64::from(*byte)),
        _ => tag.iter().fold(0xcbf2_9ce4_8422_2325, |key, byte| {
            (key ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3) | 1 << 63
        }),
    }
}

/// The next argument: an atom, a quoted text or a literal; and what is behind it.
fn argument(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let text = text.trim_ascii_start();
    match text.first()? {
        b'"' => {
            let (mut out, mut escaped) = (Vec::new(), false);
            for (at, byte) in text.iter().enumerate().skip(1) {
                match byte {
                    _ if std::mem::take(&mut escaped) => out.push(*byte),
                    b'\\' => escaped = true,
                    b'"' => return Some((out, text.get(at + 1..).unwrap_or_default())),
                    _ => out.push(*byte),
                }
            }
            None
        }
        b'{' => {
            let end = memchr::memchr(b'\n', text)?;
            let head = text.get(..end)?;
            let len = usize::try_from(literal(head.strip_suffix(b"\r").unwrap_or(head))?).ok()?;
            let (value, rest) = text.get(end + 1..)?.split_at_checked(len)?;
            Some((value.to_vec(), rest))
        }
        _ => {
            let (word, rest) = lines::word(text);
            Some((word.to_vec(), rest))
        }
    }
}

/// Who a SASL PLAIN response is of (RFC 4616).
fn plain_user(encoded: &[u8]) -> Option<Vec<u8>> {
    let decoded = STANDARD.decode(encoded).ok()?;
    decoded.split(|byte| *byte == 0).nth(1).map(<[u8]>::to_vec)
}

impl Lines {
    /// The messages among the literals of a line that is there as a whole.
    fn messages(dir: Direction, line: &[u8], exchange: Option<u64>, out: &mut Exchanges) {
        let Some(exchange) = exchange else { return };
        let mut at = 0;
        while let Some(end) = line.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let head = line.get(..at + end).unwrap_or_default();
            let head = head.strip_suffix(b"\r").unwrap_or(head);
            at += end + 1;
            let Some(len) = literal(head).and_then(|len| usize::try_from(len).ok()) else { continue };
            let Some(bytes) = line.get(at..at.saturating_add(len)) else { return };
            at += len;
            if let Some(whole) = message(dir, head) {
                out.begin_mail(exchange, dir);
                let (mut rest, mut start) = (bytes, true);
                while let Some((text, end, taken)) =
                    message_line(rest, true).filter(|(_, _, taken)| *taken > 0)
                {
                    out.mail_line(exchange, text, start, end);
                    start = end.is_some();
                    rest = rest.get(taken..).unwrap_or_default();
                }
                out.end_mail(exchange, whole);
            }
        }
    }

    /// The next line of the message that is arriving.
    fn arriving(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Option<Step> {
        let arriving = self.message[dir.index()].as_mut()?;
        let room = usize::try_from(arriving.left).unwrap_or(usize::MAX).min(bytes.len());
        let last = room as u64 == arriving.left;
        let Some((text, end, taken)) = message_line(bytes.get(..room).unwrap_or(bytes), last) else {
            return Some(Step::Needs(bytes.len() + 1));
        };
        out.mail_line(arriving.exchange, text, arriving.start, end);
        arriving.start = end.is_some();
        self.arrived(dir, taken as u64, out);
        Some(Step::Took(taken))
    }

    fn arrived(&mut self, dir: Direction, len: u64, out: &mut Exchanges) {
        let arriving = &mut self.message[dir.index()];
        if let Some(Arriving { exchange, left, whole, .. }) = arriving {
            *left = left.saturating_sub(len);
            if *left == 0 {
                out.end_mail(*exchange, *whole);
                *arriving = None;
            }
        }
    }

    /// The exchange that the line at hand belongs to.
    fn exchange(dir: Direction, line: &[u8], out: &mut Exchanges) -> Option<u64> {
        match dir {
            Direction::ToServer => out.waiting(key(lines::word(line).0)),
            Direction::ToClient => out.oldest(),
        }
        .map(|exchange| exchange.id())
    }

    fn request(&mut self, line: &[u8], out: &mut Exchanges) {
        // further lines of a sign-in, and the end of IDLE, have no tag
        if let Some(sign_in) = self.sign_in {
            if let Some(exchange) = out.waiting(sign_in) {
                if let Some(user) = plain_user(line)
                    && exchange.values.text(USER, 0).is_none()
                {
                    exchange.values.push(USER, &user);
                }
                return;
            }
            self.sign_in = None;
        }
        if line.is_empty() || line.eq_ignore_ascii_case(b"DONE") {
            return;
        }
        let (tag, rest) = lines::word(line);
        let (command, mut arguments) = lines::word(rest);
        let mut command = command.to_ascii_uppercase();
        let mut values = Values::default();
        if tag.len() > TAG_MAX || command.is_empty() || !command.iter().all(|byte| byte.is_ascii_graphic()) {
            out.single(Direction::ToServer, values);
            out.event(Direction::ToServer, "malformed_command");
            return;
        }
        if command == b"UID" {
            let (second, rest) = lines::word(arguments);
            command.push(b' ');
            command.extend(second.to_ascii_uppercase());
            arguments = rest;
        }
        values.push(TAG, tag);
        values.push(COMMAND, &command);
        if !arguments.is_empty() {
            values.push(ARGUMENTS, arguments);
        }
        let mut first = None;
        match &command[..] {
            b"LOGIN" => {
                if let Some((user, _)) = argument(arguments) {
                    values.push(USER, &user);
                }
            }
            b"AUTHENTICATE" => {
                let (mechanism, response) = lines::word(arguments);
                values.push(SHOWN, mechanism);
                if let Some(user) = plain_user(response) {
                    values.push(USER, &user);
                }
                self.sign_in = Some(key(tag));
            }
            b"SELECT" | b"EXAMINE" | b"CREATE" | b"DELETE" | b"RENAME" | b"SUBSCRIBE" | b"UNSUBSCRIBE"
            | b"STATUS" | b"APPEND" => first = argument(arguments),
            b"COPY" | b"MOVE" | b"UID COPY" | b"UID MOVE" => first = argument(lines::word(arguments).1),
            b"STARTTLS" => self.after = Some((key(tag), After::Tls)),
            b"COMPRESS" => self.after = Some((key(tag), After::Compressed)),
            _ => {}
        }
        if let Some((mailbox, _)) = first {
            values.push(MAILBOX, &mailbox);
        }
        if !matches!(&command[..], b"LOGIN" | b"AUTHENTICATE") && !arguments.is_empty() {
            values.push(SHOWN, arguments);
        }
        out.open(key(tag), values);
    }

    fn response(&mut self, line: &[u8], out: &mut Exchanges) -> Option<After> {
        let (tag, rest) = lines::word(line);
        let (status, text) = lines::word(rest);
        if tag == b"+" {
            return None;
        }
        if tag == b"*" {
            match out.oldest() {
                Some(exchange) => add(&mut exchange.values, line),
                // the greeting, or news that nobody asked for
                None => {
                    let mut values = Values::default();
                    add(&mut values, line);
                    if is_status(status) {
                        values.push(STATUS, &status.to_ascii_uppercase());
                        values.push(TEXT, text);
                    }
                    out.single(Direction::ToClient, values);
                }
            }
            return None;
        }
        let key = key(tag);
        match out.waiting(key) {
            Some(exchange) => {
                add(&mut exchange.values, line);
                exchange.values.push(STATUS, &status.to_ascii_uppercase());
                exchange.values.push(TEXT, text);
                out.finish(key);
            }
            None => {
                let mut values = Values::default();
                add(&mut values, line);
                out.single(Direction::ToClient, values);
                out.event(Direction::ToClient, "request_not_found");
            }
        }
        if self.sign_in == Some(key) {
            self.sign_in = None;
        }
        let agreed = status.eq_ignore_ascii_case(b"OK");
        self.after.take_if(|(of, _)| *of == key).filter(|_| agreed).map(|(_, after)| after)
    }
}

fn is_status(word: &[u8]) -> bool {
    [&b"OK"[..], b"NO", b"BAD", b"PREAUTH", b"BYE"].iter().any(|status| status.eq_ignore_ascii_case(word))
}

fn add(values: &mut Values, line: &[u8]) {
    let room = ANSWER_MAX.saturating_sub(values.memory());
    if values.text(RESPONSE, LINES_MAX - 1).is_none() && room > 0 {
        values.push(RESPONSE, line.get(..room).unwrap_or(line));
    }
}

impl Dialect for Lines {
    const MAIL: bool = true;

    fn gap(&mut self, dir: Direction, len: u64, out: &mut Exchanges) -> u64 {
        let Some(arriving) = self.message[dir.index()].as_mut().filter(|arriving| arriving.left >= len)
        else {
            return 0;
        };
        arriving.start = false;
        out.mail_gap(arriving.exchange);
        self.arrived(dir, len, out);
        len
    }

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        if let Some(step) = self.arriving(dir, bytes, out) {
            return Ok(step);
        }
        let passed = self.rest[dir.index()];
        let (line, taken, skip) = match front(bytes) {
            Front::Needs(needs) => return Ok(Step::Needs(needs)),
            Front::Long => {
                if !passed {
                    out.event(dir, "line_too_long");
                }
                self.rest[dir.index()] = true;
                return Ok(Step::Took(LINE_MAX.min(bytes.len())));
            }
            Front::Whole(line, taken) => (line, taken, 0),
            Front::Literal(line, taken, len) => (line, taken, len),
        };
        self.rest[dir.index()] = skip > 0;
        if !passed {
            let mut exchange = None;
            match dir {
                Direction::ToServer => {
                    self.request(line, out);
                    exchange = Self::exchange(dir, line, out);
                }
                Direction::ToClient => {
                    if line.starts_with(b"* ") {
                        exchange = Self::exchange(dir, line, out);
                    }
                    match self.response(line, out) {
                        Some(After::Tls) => return Ok(Step::Change(taken)),
                        Some(After::Compressed) => return Ok(Step::Opaque(taken)),
                        None => {}
                    }
                }
            }
            Self::messages(dir, line, exchange, out);
            if skip > 0 {
                if let (Some(whole), Some(exchange)) = (message(dir, line), exchange) {
                    out.begin_mail(exchange, dir);
                    self.message[dir.index()] = Some(Arriving { exchange, left: skip, start: true, whole });
                    return Ok(Step::Took(taken));
                }
                out.event(dir, "literal_too_long");
            }
        }
        Ok(if skip > 0 { Step::Skip(taken, skip) } else { Step::Took(taken) })
    }
}

/// Commands that begin a session.
const FIRST: &[&[u8]] = &[
    b"CAPABILITY",
    b"LOGIN",
    b"AUTHENTICATE",
    b"STARTTLS",
    b"NOOP",
    b"ID",
    b"LOGOUT",
    b"SELECT",
    b"NAMESPACE",
];

/// See [`crate::app::Protocol::probe`]: a greeting that says so, or a command with a tag, on any port; any greeting on the usual one.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    let upper = bytes.get(..bytes.len().min(512)).unwrap_or_default().to_ascii_uppercase();
    let end = memchr::memchr(b'\n', &upper);
    let line = upper.get(..end.unwrap_or(upper.len())).unwrap_or_default().trim_ascii_end();
    let open = end.is_none() && bytes.len() < 512;
    match dir {
        Direction::ToClient => {
            let starts = [&b"* OK"[..], b"* PREAUTH", b"* BYE"];
            if !starts.iter().any(|start| upper.starts_with(start)) {
                let begins = starts.iter().any(|start| start.starts_with(&upper));
                return if begins { Probe::More } else { Probe::No };
            }
            let says = memchr::memmem::find(line, b"IMAP").is_some();
            match usual || says {
                true => Probe::Yes,
                false if open => Probe::More,
                false => Probe::No,
            }
        }
        Direction::ToServer => {
            let mut words = line.splitn(3, |byte| *byte == b' ');
            let (tag, command) = (words.next().unwrap_or_default(), words.next());
            let is_tag = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
            if tag.len() > 16 || !tag.iter().all(is_tag) {
                return Probe::No;
            }
            let Some(command) = command.filter(|_| !tag.is_empty()) else {
                return if open { Probe::More } else { Probe::No };
            };
            // a tag has a number in it, which no other protocol's first word has
            let numbered = tag.iter().any(u8::is_ascii_digit);
            let ended = words.next().is_some() || !open;
            let known =
                FIRST.iter().any(|first| if ended { *first == command } else { first.starts_with(command) });
            match known && (usual || numbered) {
                true if ended => Probe::Yes,
                true => Probe::More,
                false => Probe::No,
            }
        }
    }
}

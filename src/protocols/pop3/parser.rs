//! Both sides, line by line.

use std::collections::VecDeque;

use super::slots::*;
use crate::app::{Probe, Transaction};
use crate::protocols::exchange::{Dialect, Exchanges, Step, WAITING_MAX};
use crate::protocols::lines::{self, Line};
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of a line.
pub(super) const LINE_MAX: usize = 4 << 10;

/// Bytes of an answer of several lines that are kept.
pub(super) const DATA_MAX: usize = 16 << 10;

/// Arguments of a command.
const ARGUMENTS_MAX: usize = 16;

const COMMANDS: &[&[u8]] = &[
    b"USER", b"PASS", b"APOP", b"AUTH", b"STAT", b"LIST", b"RETR", b"DELE", b"NOOP", b"RSET", b"QUIT",
    b"TOP", b"UIDL", b"CAPA", b"STLS", b"UTF8", b"LANG", b"XTND",
];

/// What the answer to a command is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Line,
    Lines,
    /// Lines of a message, all of them or the first ones.
    Message {
        whole: bool,
    },
    /// TLS begins when it is agreed to.
    Tls,
}

/// An answer of several lines.
#[derive(Default)]
struct Data {
    bytes: Vec<u8>,
    lines: u64,
    /// The exchange whose message it is, and whether all of it comes.
    mail: Option<(u64, bool)>,
}

/// How lines are read.
#[derive(Default)]
pub(super) struct Pop {
    /// Of commands without an answer, oldest first.
    expected: VecDeque<Answer>,
    /// The answer that is under way.
    data: Option<Data>,
    /// The client's next line goes on with its sign-in.
    sign_in: bool,
    /// The rest of a line that was too long, by direction.
    rest: [bool; 2],
}

impl Pop {
    fn request(&mut self, line: &[u8], out: &mut Exchanges) {
        if std::mem::take(&mut self.sign_in) {
            return;
        }
        let (command, rest) = lines::word(line);
        let command = command.to_ascii_uppercase();
        let mut values = Values::default();
        values.push(COMMAND, &command);
        let is_verb = matches!(command.len(), 3 | 4);
        if is_verb {
            values.push(VERB, &command);
        }
        let arguments = rest.split(|byte| *byte == b' ').filter(|argument| !argument.is_empty());
        let mut count = 0;
        for argument in arguments.take(ARGUMENTS_MAX) {
            values.push(ARGUMENT, argument);
            let secret = match &command[..] {
                b"PASS" => true,
                b"APOP" | b"AUTH" => count > 0,
                _ => !is_verb,
            };
            if !secret {
                values.push(SHOWN, argument);
            }
            if count == 0 && matches!(&command[..], b"USER" | b"APOP") {
                values.push(USER, argument);
            }
            count += 1;
        }
        let answer = match &command[..] {
            b"RETR" => Answer::Message { whole: true },
            b"TOP" => Answer::Message { whole: false },
            b"CAPA" => Answer::Lines,
            b"LIST" | b"UIDL" | b"LANG" | b"AUTH" if count == 0 => Answer::Lines,
            b"STLS" => Answer::Tls,
            _ => Answer::Line,
        };
        let known = COMMANDS.contains(&&command[..]);
        out.open_in_turn(values);
        if self.expected.len() < WAITING_MAX {
            self.expected.push_back(answer);
        }
        if !known {
            out.event(Direction::ToServer, "unknown_command");
        }
    }

    /// True when TLS begins behind the line.
    fn response(&mut self, line: &[u8], end: &'static [u8], out: &mut Exchanges) -> bool {
        if let Some(data) = &mut self.data {
            if line == b"." {
                self.finish(out);
                return false;
            }
            // a dot in front of a dot is the sender's
            let text = line.strip_prefix(b".").unwrap_or(line);
            data.lines += 1;
            if let Some((id, _)) = data.mail {
                out.mail_line(id, text, true, Some(end));
            }
            let room = DATA_MAX.saturating_sub(data.bytes.len());
            data.bytes.extend_from_slice(text.get(..room).unwrap_or(text));
            if room > text.len() {
                data.bytes.push(b'\n');
            }
            return false;
        }
        let (status, header) = lines::word(line);
        let success = match status {
            b"+OK" => true,
            b"-ERR" => false,
            b"+" => {
                self.sign_in = true;
                return false;
            }
            _ => {
                out.event(Direction::ToClient, "unexpected_response");
                return false;
            }
        };
        let add = |values: &mut Values| {
            values.push(RESPONSE, line);
            values.push(STATUS, status.get(1..).unwrap_or_default());
            values.push(HEADER, header);
            values.push_number(SUCCESS, success);
        };
        // the greeting, or what nobody asked for
        if out.oldest().is_none() && self.expected.is_empty() {
            let mut values = Values::default();
            add(&mut values);
            out.single(Direction::ToClient, values);
            return false;
        }
        if let Some(exchange) = out.oldest() {
            add(&mut exchange.values);
        }
        let expected = self.expected.pop_front().unwrap_or(Answer::Line);
        match (expected, success) {
            (Answer::Lines, true) => self.data = Some(Data::default()),
            (Answer::Message { whole }, true) => {
                let mail = out.oldest().map(|exchange| (exchange.id(), whole));
                if let Some((id, _)) = mail {
                    out.begin_mail(id, Direction::ToClient);
                }
                self.data = Some(Data { mail, ..Data::default() });
            }
            (expected, _) => {
                out.finish_oldest();
                return expected == Answer::Tls && success;
            }
        }
        false
    }

    fn finish(&mut self, out: &mut Exchanges) {
        let Some(data) = self.data.take() else { return };
        if let Some((id, whole)) = data.mail {
            out.end_mail(id, whole);
        }
        if let Some(exchange) = out.oldest() {
            exchange.values.push(DATA, &data.bytes);
            exchange.values.push_number(LINES, data.lines);
        }
        out.finish_oldest();
    }
}

impl Dialect for Pop {
    const MAIL: bool = true;

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let rest = &mut self.rest[dir.index()];
        match lines::front(bytes, LINE_MAX) {
            Line::Open => Ok(Step::Needs(bytes.len() + 1)),
            Line::Long => {
                let begins = !std::mem::replace(rest, true);
                let taken = LINE_MAX.min(bytes.len());
                match (&self.data, dir) {
                    // a line of a message may be of any length
                    (Some(Data { mail: Some((id, _)), .. }), Direction::ToClient) => {
                        let text = bytes.get(..taken).unwrap_or_default();
                        let text = if begins { text.strip_prefix(b".").unwrap_or(text) } else { text };
                        out.mail_line(*id, text, begins, None);
                    }
                    (None, _) if begins => out.event(dir, "line_too_long"),
                    _ => {}
                }
                Ok(Step::Took(taken))
            }
            Line::Whole(line, taken) => {
                let line_continues = std::mem::take(rest);
                let end: &'static [u8] = if taken > line.len() + 1 { b"\r\n" } else { b"\n" };
                match (dir, &self.data) {
                    (Direction::ToClient, Some(Data { mail: Some((id, _)), .. })) if line_continues => {
                        out.mail_line(*id, line, false, Some(end));
                    }
                    _ if line_continues => {}
                    (Direction::ToServer, _) => self.request(line, out),
                    (Direction::ToClient, _) => {
                        if self.response(line, end, out) {
                            return Ok(Step::Change(taken));
                        }
                    }
                }
                Ok(Step::Took(taken))
            }
        }
    }

    fn memory(&self) -> usize {
        self.expected.capacity() + self.data.as_ref().map_or(0, |data| data.bytes.capacity())
    }
}

/// See [`crate::app::Protocol::probe`]: a greeting that says so on any port; on the usual one also answers and commands.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    let upper = bytes.get(..bytes.len().min(128)).unwrap_or_default().to_ascii_uppercase();
    match dir {
        Direction::ToClient => {
            let starts: &[&[u8]] = if usual { &[b"+OK", b"-ERR "] } else { &[b"+OK "] };
            let found = |start: &&&[u8]| upper.starts_with(start);
            let begins = |start: &&[u8]| start.starts_with(&upper);
            match starts.iter().find(found) {
                Some(_) if usual => Probe::Yes,
                // RFC 1939 section 7: a greeting with a time stamp, <process.clock@host>
                Some(_) => match memchr::memchr(b'\n', &upper) {
                    end if contains(line(&upper, end), b"POP3") || stamp(line(&upper, end)) => Probe::Yes,
                    None if upper.len() < 128 => Probe::More,
                    _ => Probe::No,
                },
                None if starts.iter().any(begins) => Probe::More,
                None => Probe::No,
            }
        }
        Direction::ToServer if !usual => Probe::No,
        Direction::ToServer => {
            let word = upper.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
            let ended = word.len() < upper.len();
            match COMMANDS
                .iter()
                .any(|command| if ended { *command == word } else { command.starts_with(word) })
            {
                true if ended => Probe::Yes,
                true => Probe::More,
                false => Probe::No,
            }
        }
    }
}

fn line(bytes: &[u8], end: Option<usize>) -> &[u8] {
    bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes)
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(line, word).is_some()
}

fn stamp(line: &[u8]) -> bool {
    let inside = || {
        line.get(memchr::memchr(b'<', line)?..)?
            .strip_suffix(b">")
            .or_else(|| line.get(memchr::memchr(b'<', line)?..)?.strip_suffix(b">\r"))
    };
    inside().is_some_and(|inside| inside.contains(&b'@') && !inside.contains(&b' '))
}

//! Both sides, line by line, up to the server's OK.

use super::slots::*;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::lines::{self, Line};
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of a line.
pub(super) const LINE_MAX: usize = 1 << 10;

/// Lines of an answer that are kept.
const LINES_MAX: usize = 256;

const GREETING: &[u8] = b"@RSYNCD: ";

/// How lines are read.
#[derive(Default)]
pub(super) struct Lines {
    /// Both have greeted, by direction.
    greeted: [bool; 2],
    asked: bool,
}

impl Lines {
    fn request(&mut self, line: &[u8], out: &mut Exchanges) {
        let version = line.strip_prefix(GREETING);
        if let (Some(version), false) = (version, self.greeted[0]) {
            self.greeted[0] = true;
            match out.oldest() {
                Some(exchange) => {
                    exchange.values.push(VERSION, version);
                    exchange.reach_end(Direction::ToServer);
                }
                None => {
                    let mut values = Values::default();
                    values.push(VERSION, version);
                    out.open(0, values);
                }
            }
            if self.greeted[1] {
                out.finish_oldest();
            }
        } else if !self.asked {
            self.asked = true;
            let mut values = Values::default();
            values.push(MODULE, line);
            out.open(0, values);
        } else if let Some(exchange) = out.oldest() {
            // the name, and what the server's challenge became with the password
            exchange.values.push(USER, lines::word(line).0);
        }
    }

    /// True when what follows has another framing.
    fn response(&mut self, line: &[u8], out: &mut Exchanges) -> bool {
        let said = line.strip_prefix(GREETING);
        if let (Some(version), false) = (said, self.greeted[1]) {
            self.greeted[1] = true;
            match out.oldest() {
                Some(exchange) => exchange.values.push(SERVER_VERSION, version),
                None => {
                    let mut values = Values::default();
                    values.push(SERVER_VERSION, version);
                    out.begin(values);
                }
            }
            if self.greeted[0] {
                out.finish_oldest();
            }
            return false;
        }
        let error = line.starts_with(b"@ERROR");
        let ends = error || matches!(said, Some(b"OK" | b"EXIT"));
        if let Some(exchange) = out.oldest() {
            if exchange.values.text(RESPONSE, LINES_MAX - 1).is_none() {
                exchange.values.push(RESPONSE, line);
            }
            if ends {
                exchange.values.push(STATUS, if error { line } else { said.unwrap_or_default() });
            }
        }
        if ends {
            out.finish_oldest();
        }
        ends
    }
}

impl Dialect for Lines {
    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        match lines::front(bytes, LINE_MAX) {
            Line::Open => Ok(Step::Needs(bytes.len() + 1)),
            Line::Long => Err("malformed_line"),
            Line::Whole(line, taken) => {
                match dir {
                    Direction::ToServer => self.request(line, out),
                    Direction::ToClient => {
                        if self.response(line, out) {
                            return Ok(Step::Opaque(taken));
                        }
                    }
                }
                Ok(Step::Took(taken))
            }
        }
    }
}

/// See [`crate::app::Protocol::probe`]: the greeting, which both begin with.
pub(super) fn probe(bytes: &[u8]) -> Probe {
    let len = bytes.len().min(GREETING.len());
    match bytes.get(..len) == GREETING.get(..len) {
        true if len == GREETING.len() => Probe::Yes,
        true => Probe::More,
        false => Probe::No,
    }
}

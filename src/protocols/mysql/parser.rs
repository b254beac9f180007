//! Both streams of a session, packet by packet.

use super::answer::{self, Answer};
use super::login::{self, capability, length_encoded, length_encoded_text};
use super::slots;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes kept of a client's packet, and of a server's.
pub(super) const REQUEST_MAX: usize = 64 << 10;
pub(super) const RESPONSE_MAX: usize = 16 << 10;

/// A packet of that length is continued by the next.
const CONTINUED: usize = 0xff_ffff;

/// Commands that matter here.
pub(super) mod command {
    pub(in super::super) const QUIT: u8 = 1;
    pub(in super::super) const INIT_DB: u8 = 2;
    pub(in super::super) const QUERY: u8 = 3;
    pub(in super::super) const FIELD_LIST: u8 = 4;
    pub(in super::super) const STATISTICS: u8 = 9;
    pub(in super::super) const CHANGE_USER: u8 = 17;
    pub(in super::super) const BINLOG_DUMP: u8 = 18;
    pub(in super::super) const STMT_PREPARE: u8 = 22;
    pub(in super::super) const STMT_SEND_LONG_DATA: u8 = 24;
    pub(in super::super) const STMT_CLOSE: u8 = 25;
    pub(in super::super) const STMT_FETCH: u8 = 28;
    pub(in super::super) const BINLOG_DUMP_GTID: u8 = 30;
}

/// Where the session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing was said.
    #[default]
    Start,
    /// The server has greeted.
    Greeted,
    /// The client has said who it is.
    Login,
    Commands,
}

/// Both sides of a flow.
#[derive(Debug, Default)]
pub(super) struct Packets {
    phase: Phase,
    server_can: u32,
    client_can: u32,
    /// By direction: the packet before is continued by the next.
    continued: [bool; 2],
    answer: Answer,
}

impl Packets {
    /// What both can do.
    fn can(&self, what: u32) -> bool {
        self.server_can & self.client_can & what != 0
    }

    fn login(&mut self, payload: &[u8], out: &mut Exchanges) -> Result<bool, &'static str> {
        let mut values = Values::default();
        let can = login::login(payload, &mut values);
        if let Some(exchange) = out.oldest() {
            // the version is there already
            for slot in [slots::USER, slots::DATABASE, slots::PLUGIN, slots::PROGRAM] {
                if let Some(text) = values.text(slot, 0) {
                    exchange.values.push(slot, text);
                }
            }
            if let Some(tls) = values.number(slots::TLS, 0) {
                exchange.values.push_number(slots::TLS, tls);
            }
            exchange.reach_end(Direction::ToServer);
        }
        self.client_can = can.ok_or("malformed_request")?;
        self.phase = Phase::Login;
        if login::is_tls_request(payload) {
            out.finish_oldest();
            return Ok(true);
        }
        Ok(false)
    }

    fn command(&mut self, payload: &[u8], out: &mut Exchanges) {
        let Some((code, rest)) = payload.split_first() else { return };
        let mut values = Values::default();
        values.push_number(slots::COMMAND, *code);
        match *code {
            command::QUERY => {
                let attributes = self.can(capability::QUERY_ATTRIBUTES);
                let query = if attributes { behind_attributes(rest) } else { Some(rest) };
                values.push(slots::QUERY, query.unwrap_or(rest));
            }
            command::STMT_PREPARE => values.push(slots::QUERY, rest),
            command::INIT_DB => values.push(slots::DATABASE, rest),
            command::CHANGE_USER => {
                let mut front = Reader(rest);
                if let Some(user) = front.text() {
                    values.push(slots::USER, user);
                    if self.can(capability::SECURE_CONNECTION) {
                        front.u8().and_then(|len| front.take(len.into()));
                    } else {
                        front.text();
                    }
                    if let Some(database) = front.text().filter(|name| !name.is_empty()) {
                        values.push(slots::DATABASE, database);
                    }
                }
            }
            command::BINLOG_DUMP | command::BINLOG_DUMP_GTID => out.unmatch(),
            _ => {}
        }
        match *code {
            command::QUIT | command::STMT_CLOSE | command::STMT_SEND_LONG_DATA => out.unanswered(values),
            _ => out.open_in_turn(values),
        }
    }

    /// A client's packet. True when TLS follows.
    fn request(&mut self, number: u8, payload: &[u8], out: &mut Exchanges) -> Result<bool, &'static str> {
        match (self.phase, number) {
            (Phase::Greeted, _) => self.login(payload, out),
            (Phase::Login, _) => Ok(false),
            (Phase::Start, 0) | (Phase::Commands, 0) => {
                self.phase = Phase::Commands;
                self.command(payload, out);
                Ok(false)
            }
            // a login whose greeting was not seen
            (Phase::Start, _) => {
                out.begin(Values::default());
                self.login(payload, out)
            }
            // a file that was asked for, a step of the exchange about who it is
            (Phase::Commands, _) => Ok(false),
        }
    }

    /// A server's packet. True when nothing behind it can be read.
    fn response(&mut self, payload: &[u8], len: usize, out: &mut Exchanges) -> Result<bool, &'static str> {
        let Some(first) = payload.first() else { return Ok(false) };
        match self.phase {
            Phase::Start if *first == 0xff => {
                out.begin(Values::default());
                if let Some(exchange) = out.oldest() {
                    answer::error(payload, exchange);
                }
                out.finish_oldest();
            }
            Phase::Start if *first == 10 => {
                let (version, can) = login::greeting(payload).ok_or("malformed_response")?;
                let mut values = Values::default();
                values.push(slots::VERSION, version);
                out.begin(values);
                self.server_can = can;
                self.phase = Phase::Greeted;
            }
            // the middle of a session
            Phase::Start => {}
            Phase::Greeted | Phase::Login => match first {
                0 => {
                    out.finish_oldest();
                    self.phase = Phase::Commands;
                    if self.can(capability::COMPRESS) || self.can(capability::ZSTD) {
                        out.event(Direction::ToClient, "compressed");
                        return Ok(true);
                    }
                }
                0xff => {
                    if let Some(exchange) = out.oldest() {
                        answer::error(payload, exchange);
                    }
                    out.finish_oldest();
                }
                _ => {}
            },
            Phase::Commands if out.is_unmatched() => {}
            Phase::Commands => {
                let marks = !self.can(capability::DEPRECATE_EOF);
                let exchange = out.oldest();
                let code = exchange.as_ref().and_then(|exchange| exchange.values.number(slots::COMMAND, 0));
                let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(command::QUERY);
                let done = self.answer.packet(code, marks, payload, len, exchange);
                if done.ok_or("malformed_response")? {
                    out.finish_oldest();
                }
            }
        }
        Ok(false)
    }
}

/// The statement behind the attributes of a query (MySQL documentation, "COM_QUERY").
fn behind_attributes(payload: &[u8]) -> Option<&[u8]> {
    let mut front = Reader(payload);
    let count = length_encoded(&mut front)?;
    length_encoded(&mut front)?;
    if count == 0 {
        return Some(front.0);
    }
    let nulls = front.take(usize::try_from(count.div_ceil(8)).ok()?)?;
    if front.u8()? != 1 {
        return None;
    }
    let mut kinds = Vec::new();
    for _ in 0..count {
        kinds.push(front.u16_le()? as u8);
        length_encoded_text(&mut front)?;
    }
    for (at, kind) in kinds.iter().enumerate() {
        if nulls.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1) {
            continue;
        }
        match kind {
            1 => front.take(1)?,
            2 | 13 => front.take(2)?,
            3 | 4 | 9 => front.take(4)?,
            5 | 8 => front.take(8)?,
            6 => &[],
            7 | 10 | 11 | 12 => {
                let len = front.u8()?;
                front.take(len.into())?
            }
            _ => length_encoded_text(&mut front)?,
        };
    }
    Some(front.0)
}

impl Dialect for Packets {
    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let Some((&[a, b, c, number], rest)) = bytes.split_first_chunk::<4>() else {
            return Ok(Step::Needs(4));
        };
        let len = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        let more = std::mem::replace(&mut self.continued[dir.index()], len == CONTINUED);
        if more {
            return Ok(Step::Skip(4, len as u64));
        }
        let kept = len.min(if dir == Direction::ToServer { REQUEST_MAX } else { RESPONSE_MAX });
        let Some(payload) = rest.get(..kept) else {
            self.continued[dir.index()] = false;
            return Ok(Step::Needs(4 + kept));
        };
        Ok(match dir {
            Direction::ToServer if self.request(number, payload, out)? => Step::Change(4 + kept),
            Direction::ToClient if self.response(payload, len, out)? => Step::Opaque(4 + kept),
            _ => Step::Skip(4 + kept, (len - kept) as u64),
        })
    }
}

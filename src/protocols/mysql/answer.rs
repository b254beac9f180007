//! Answers to commands: which packets belong to one (MySQL documentation, "Text Resultset", "COM_STMT_PREPARE Response").

use super::login::length_encoded;
use super::parser::command;
use super::slots;
use crate::protocols::exchange::Exchange;
use crate::protocols::reader::Reader;

/// Rows of an answer that are kept, and bytes of them.
pub(super) const ROWS_MAX: u64 = 64;
const ROWS_BYTES_MAX: usize = 64 << 10;

/// A further result follows.
const MORE_RESULTS: u16 = 8;

/// What the next packet is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    First,
    /// So many definitions of columns, then rows.
    Columns(u64),
    /// The mark between columns and rows.
    Mark,
    Rows,
    /// So many packets that say nothing more, then none.
    Rest(u64),
}

/// An answer that is being read.
#[derive(Debug, Default)]
pub(super) struct Answer {
    next: Next,
    rows: u64,
    kept: usize,
    affected: Option<u64>,
}

impl Answer {
    /// A packet: its beginning, and its length. True when it ends the answer; `None` when it cannot be read.
    pub(super) fn packet(
        &mut self,
        code: u8,
        marks: bool,
        payload: &[u8],
        len: usize,
        exchange: Option<&mut Exchange>,
    ) -> Option<bool> {
        let first = *payload.first()?;
        let mut exchange = exchange;
        if first == 0xff && !matches!(self.next, Next::Columns(_)) {
            if let Some(exchange) = exchange.as_deref_mut() {
                error(payload, exchange);
            }
            return Some(self.end(exchange));
        }
        match self.next {
            Next::First => self.first(code, marks, payload, len, exchange),
            Next::Columns(left) => {
                self.next = match left {
                    2.. => Next::Columns(left - 1),
                    _ if marks => Next::Mark,
                    _ => Next::Rows,
                };
                Some(false)
            }
            Next::Mark => {
                self.next = Next::Rows;
                Some(false)
            }
            Next::Rest(left) => {
                self.next = Next::Rest(left.saturating_sub(1));
                Some(left <= 1 && self.end(exchange))
            }
            Next::Rows if first == 0xfe && len < if marks { 9 } else { 0xff_ffff } => {
                let mut front = Reader(payload.get(1..).unwrap_or_default());
                let status = if marks {
                    front.u16_le();
                    front.u16_le()
                } else {
                    length_encoded(&mut front);
                    length_encoded(&mut front);
                    front.u16_le()
                };
                Some(self.result(status.unwrap_or(0), exchange))
            }
            Next::Rows => {
                self.rows += 1;
                if code == command::QUERY
                    && self.rows <= ROWS_MAX
                    && let Some(exchange) = exchange
                {
                    let row = row(payload, ROWS_BYTES_MAX.saturating_sub(self.kept));
                    self.kept += row.len();
                    exchange.values.push(slots::ROWS, &row);
                }
                Some(false)
            }
        }
    }

    fn first(
        &mut self,
        code: u8,
        marks: bool,
        payload: &[u8],
        len: usize,
        exchange: Option<&mut Exchange>,
    ) -> Option<bool> {
        let mut front = Reader(payload);
        match (code, payload.first()?) {
            (command::STATISTICS, _) => Some(self.end(exchange)),
            (command::FIELD_LIST | command::STMT_FETCH, _) => {
                self.next = Next::Rows;
                Some(false)
            }
            (command::STMT_PREPARE, 0) => {
                front.take(5)?;
                let (columns, parameters) = (u64::from(front.u16_le()?), u64::from(front.u16_le()?));
                let mark = |count: u64| count + u64::from(marks && count > 0);
                match mark(columns) + mark(parameters) {
                    0 => Some(self.end(exchange)),
                    left => {
                        self.next = Next::Rest(left);
                        Some(false)
                    }
                }
            }
            // steps of an exchange about who it is
            (command::CHANGE_USER, 1 | 0xfe) => Some(false),
            (_, 0) => {
                front.take(1)?;
                self.affected = length_encoded(&mut front);
                length_encoded(&mut front);
                let status = front.u16_le().unwrap_or(0);
                Some(self.result(status, exchange))
            }
            (_, 0xfe) if len < 9 => Some(self.end(exchange)),
            (_, 0xfb) => {
                if let Some(exchange) = exchange {
                    exchange.values.push(slots::INFILE, payload.get(1..).unwrap_or_default());
                }
                Some(false)
            }
            _ => {
                let columns = length_encoded(&mut front)?;
                // MariaDB may say that the columns are those of before
                let known = front.0 == [0];
                self.next = match columns {
                    _ if known && marks => Next::Mark,
                    _ if known => Next::Rows,
                    0 => return None,
                    columns => Next::Columns(columns),
                };
                Some(false)
            }
        }
    }

    /// One result is over; the answer, unless another one follows.
    fn result(&mut self, status: u16, exchange: Option<&mut Exchange>) -> bool {
        self.next = Next::First;
        status & MORE_RESULTS == 0 && self.end(exchange)
    }

    fn end(&mut self, exchange: Option<&mut Exchange>) -> bool {
        let answer = std::mem::take(self);
        if let Some(exchange) = exchange {
            if answer.rows > 0 {
                exchange.values.push_number(slots::ROW_COUNT, answer.rows);
            }
            if let Some(affected) = answer.affected {
                exchange.values.push_number(slots::AFFECTED, affected);
            }
        }
        true
    }
}

/// An error: its number, and its text behind the state (`#42000`).
pub(super) fn error(payload: &[u8], exchange: &mut Exchange) {
    let mut front = Reader(payload.get(1..).unwrap_or_default());
    let Some(code) = front.u16_le() else { return };
    exchange.values.push_number(slots::ERROR_CODE, code);
    let text = if front.0.first() == Some(&b'#') { front.0.get(6..) } else { Some(front.0) };
    exchange.values.push(slots::ERROR, text.unwrap_or_default());
}

/// A row in text form: its columns with commas between, `NULL` for none.
fn row(payload: &[u8], max: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut front = Reader(payload);
    while !front.0.is_empty() && out.len() < max {
        if !out.is_empty() {
            out.push(b',');
        }
        if front.0.first() == Some(&0xfb) {
            front.take(1);
            out.extend_from_slice(b"NULL");
            continue;
        }
        let Some(len) = length_encoded(&mut front) else { break };
        // what was cut off is not there
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(front.0.len());
        out.extend_from_slice(front.take(len).unwrap_or_default());
    }
    out.truncate(max);
    out
}

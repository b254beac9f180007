//! PostgreSQL's protocol 3.0 over TCP: the start of a session, simple and extended queries, their results.
//!
//! A transaction is a request that is answered: the request for TLS, the start-up message, a step of authentication, a simple query,
//! the messages of an extended query up to `Sync`. It ends with the server's `ReadyForQuery`, or where authentication waits for the
//! client. An extended query has the statements that it parses or binds by name; the values that are bound are not kept. A
//! statement that is parsed behind an `Execute` begins another transaction, which gets the answers to both. Messages of `COPY` are
//! passed over; their rows count for the query they belong to. Behind an accepted request for TLS the flow is recognised
//! anew. Bounds: a message is kept up to 256 KiB and the rest of it skipped, requests that wait for their
//! answer up to `max-tx`, 64 fields of an answer, 64 statements of a query, 32 named statements of 4 KiB.
//!
//! Settings: `detection-ports.dp` (5432), `max-tx` (1024), `eve.passwords` (records show passwords: no).

pub mod keywords;
mod log;
mod message;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &PGSQL,
    buffers: keywords::BUFFERS,
    numbers: &[],
    keywords: &[],
};

/// The registry's entry.
pub static PGSQL: Pgsql = Pgsql;

const PORT: u16 = 5432;

/// The protocol.
#[derive(Debug)]
pub struct Pgsql;

impl Protocol for Pgsql {
    fn name(&self) -> &'static str {
        "pgsql"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, _transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if port == PORT { message::probe(dir, bytes) } else { Probe::No }
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_request", "malformed_response", "too_many_transactions"]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Options {
            passwords: settings.flag("eve.passwords").unwrap_or(false),
            transactions_max: settings
                .size("max-tx")
                .and_then(|max| usize::try_from(max).ok())
                .unwrap_or(1024),
        })
    }
}

/// What the settings say, once.
#[derive(Clone, Copy, Debug)]
struct Options {
    passwords: bool,
    transactions_max: usize,
}

impl ParserFactory for Options {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::PgsqlParser::new(*self))
    }
}

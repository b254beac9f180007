//! Cassandra's native protocol (CQL), versions 3 to 5, over TCP.
//!
//! A transaction is a request and its answer, told apart by their stream. The segments of version 5 are undone where they are not
//! compressed; compressed bodies are only told. Bounds: 64 KiB of a request and 4 KiB of an answer are kept, the rest is skipped; 64
//! statements of a batch. A message of version 5 in several segments is read as far as the first.
//!
//! Settings: `detection-ports.dp` (9042).

pub mod keywords;
mod message;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{ExchangeParser, TOO_MANY};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &CASSANDRA,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static CASSANDRA: Cassandra = Cassandra;

const PORT: u16 = 9042;

/// The protocol.
#[derive(Debug)]
pub struct Cassandra;

impl Protocol for Cassandra {
    fn name(&self) -> &'static str {
        "cassandra"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, _transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        parser::probe(dir, port == PORT, bytes)
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_request", "malformed_response", "compressed", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Envelopes::default(), &keywords::FORMAT, false))
    }
}

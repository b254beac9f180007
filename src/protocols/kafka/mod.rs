//! Apache Kafka's protocol over TCP: requests, with their topics.
//!
//! A transaction is a request and its answer, of which only that it came is read. Topics are read of produce, fetch, list offsets,
//! metadata, create and delete topics and of offsets, in the versions that name them (newer ones have ids alone), the group of those that
//! begin with it, the user of SASL PLAIN. Bounds: 64 KiB of a request are kept and the rest skipped; 256 topics.
//!
//! Settings: `detection-ports.dp` (9092).

pub mod keywords;
mod parser;
mod request;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{ExchangeParser, TOO_MANY};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &KAFKA,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static KAFKA: Kafka = Kafka;

const PORT: u16 = 9092;

/// The protocol.
#[derive(Debug)]
pub struct Kafka;

impl Protocol for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
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
        &["malformed_request", "malformed_response", "topics_unreadable", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Requests::default(), &keywords::FORMAT, false))
    }
}

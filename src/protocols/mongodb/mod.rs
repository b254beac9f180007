//! MongoDB's wire protocol over TCP: `OP_MSG`, `OP_QUERY` with `OP_REPLY`, and the older write messages.
//!
//! A transaction is a message and the one that answers it. What was compressed with zlib is undone up to the same bound as other
//! messages, other compressors are only named. Bounds: 64 KiB of a message are kept and the rest skipped; 256 names of fields and 64
//! texts (32 KiB) of a request; documents are followed 128 deep.
//!
//! Settings: `detection-ports.dp` (27017).

mod bson;
pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{ExchangeParser, TOO_MANY};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &MONGODB,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static MONGODB: Mongodb = Mongodb;

const PORT: u16 = 27017;

/// The protocol.
#[derive(Debug)]
pub struct Mongodb;

impl Protocol for Mongodb {
    fn name(&self) -> &'static str {
        "mongodb"
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
        &["malformed_request", "malformed_response", "too_deep", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Messages::default(), &keywords::FORMAT, false))
    }
}

//! EtherNet/IP over TCP and UDP (ODVA, "The CIP Networks Library", volume 2), with the CIP messages inside (volume 1).
//!
//! Every message is a transaction of its own and concerns the direction it went. Looked for on its port only. Connected I/O over UDP
//! port 2222 has no header of its own and is not read. Bounds: one message (64 KiB); CIP messages within others down to two levels,
//! [`super::values::ROWS_MAX`] services of a message.
//!
//! Settings: `detection-ports.dp` (44818).

mod cip;
pub mod keywords;
mod parser;
mod service;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{ExchangeParser, TOO_MANY};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &ENIP,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: service::KEYWORDS,
};

/// The registry's entry.
pub static ENIP: Enip = Enip;

const PORT: u16 = 44_818;

/// The protocol.
#[derive(Debug)]
pub struct Enip;

impl Protocol for Enip {
    fn name(&self) -> &'static str {
        "enip"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP, Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn probe(&self, transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if port != PORT { Probe::No } else { parser::probe(transport, bytes) }
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_header", "malformed_message", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Encapsulation, &keywords::FORMAT, transport == Proto::UDP))
    }
}

//! AMQP 0-9-1 over TCP, as RabbitMQ speaks it.
//!
//! A transaction is a method of either side, with the content that belongs to it; it concerns the direction it went. Heartbeats are
//! passed over. AMQP 1.0 is not read: its header ends the reading. Bounds: 16 KiB of a method or a header and as much of a
//! content are kept, 32 channels of a side with a content that is not whole.
//!
//! Settings: `detection-ports.dp` (5672).

pub mod keywords;
mod method;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{ExchangeParser, TOO_MANY};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &AMQP,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static AMQP: Amqp = Amqp;

const PORT: u16 = 5672;

/// The protocol.
#[derive(Debug)]
pub struct Amqp;

impl Protocol for Amqp {
    fn name(&self) -> &'static str {
        "amqp"
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
        &["malformed_frame", "unknown_version", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Frames::default(), &keywords::FORMAT, false))
    }
}

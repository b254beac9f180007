//! Memcached over TCP and UDP: the text protocol, its meta commands, and the binary protocol.
//!
//! A transaction is a command and its answer; one that is not answered (`noreply`, quiet commands of the binary protocol) is done at
//! once. Where answers cannot be told apart any more (`watch`, quiet meta commands), commands are transactions alone. Bounds: a line
//! has up to 8 KiB; 16 KiB of a value that is stored are kept, and of all values of an answer together.
//!
//! Settings: `detection-ports.dp` (11211).

mod binary;
pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;
mod text;

use super::exchange::{ExchangeParser, TOO_MANY};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &MEMCACHED,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static MEMCACHED: Memcached = Memcached;

const PORT: u16 = 11211;

/// The protocol.
#[derive(Debug)]
pub struct Memcached;

impl Protocol for Memcached {
    fn name(&self) -> &'static str {
        "memcached"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP, Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        parser::probe(transport, dir, port == PORT, bytes)
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_request", "malformed_response", "line_too_long", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(
            parser::Memcached::default(),
            &keywords::FORMAT,
            transport == Proto::UDP,
        ))
    }
}

//! Redis (and Valkey, KeyDB): RESP2 and RESP3 over TCP, inline commands, pipelines.
//!
//! A transaction is a command and its answer. After `SUBSCRIBE` and its kin, `MONITOR` and `CLIENT REPLY`, answers cannot be told
//! apart any more and commands are transactions alone; a replication stream (`PSYNC`) is not read. Bounds: 64 KiB of a command are
//! kept in 480 words at most, 16 KiB of an answer in 64 texts; an inline command has up to 16 KiB.
//!
//! Settings: `detection-ports.dp` (6379).

mod command;
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
    protocol: &REDIS,
    buffers: keywords::BUFFERS,
    numbers: &[],
    keywords: &[],
};

/// The registry's entry.
pub static REDIS: Redis = Redis;

const PORT: u16 = 6379;

/// The protocol.
#[derive(Debug)]
pub struct Redis;

impl Protocol for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn probe(&self, _transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        parser::probe(dir, port == PORT, bytes)
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_request", "malformed_response", "inline_too_long", "argument_cut", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Resp::default(), &keywords::FORMAT, false))
    }
}

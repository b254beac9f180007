//! POP3 (RFC 1939, with RFC 2449 and RFC 2595): commands and their answers, the messages that are fetched as text.
//!
//! A transaction is a command with its answer; the greeting is one of the server's alone. Behind `STLS` and its `+OK` the flow
//! speaks TLS. Messages are not taken apart: no attachments, no files. No record has a password. Bounds: a line has
//! 4 KiB, the rest of a longer one is passed over (`line_too_long`); 16 KiB of an answer of several lines are kept.
//!
//! Settings: `detection-ports.dp` (110).

pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{ExchangeParser, TOO_MANY};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &POP3, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The registry's entry.
pub static POP3: Pop3 = Pop3;

const PORT: u16 = 110;

/// The protocol.
#[derive(Debug)]
pub struct Pop3;

impl Protocol for Pop3 {
    fn name(&self) -> &'static str {
        "pop3"
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

    fn server_speaks_first(&self) -> bool {
        true
    }

    fn probe(&self, _transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        parser::probe(dir, port == PORT, bytes)
    }

    fn events(&self) -> &'static [&'static str] {
        &["line_too_long", "unknown_command", "unexpected_response", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Pop::default(), &keywords::FORMAT, false))
    }
}

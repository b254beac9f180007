//! IMAP4 (RFC 3501, RFC 9051): commands with their tags, what the server answers, literals of both sides.
//!
//! A transaction is a command with all that the server says until its tag comes back; the greeting is one of the server's alone. Behind
//! `STARTTLS` and its OK the flow speaks TLS; behind `COMPRESS` it is not read. Messages are not taken apart: no attachments, no
//! files. No record has a password. Bounds: 16 KiB of a line without its literals, 16 KiB of a literal and 64 KiB of a line with
//! them; what is behind is passed over (`line_too_long`, `literal_too_long`); 64 KiB of an answer are kept, in 256 lines.
//!
//! Settings: `detection-ports.dp` (143).

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
    crate::detect::ProtocolEntry { protocol: &IMAP, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The registry's entry.
pub static IMAP: Imap = Imap;

const PORT: u16 = 143;

/// The protocol.
#[derive(Debug)]
pub struct Imap;

impl Protocol for Imap {
    fn name(&self) -> &'static str {
        "imap"
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
        &["line_too_long", "literal_too_long", "malformed_command", "request_not_found", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Lines::default(), &keywords::FORMAT, false))
    }
}

//! LDAP over TCP and UDP (RFC 4511; filters as RFC 4515 writes them).
//!
//! A transaction is a request and all of its answers, told by their message number. Recognised on any port by a bind or a search,
//! on its ports by any message. StartTLS moves to TLS once it is agreed to; what is signed or sealed behind a SASL bind ends the reading.
//! Bounds: 256 KiB of a message, the rest of a longer one is passed over; 256 KiB of what a transaction keeps, 1024 answers of it;
//! a filter is written down to 16 levels and 4 KiB; 64 answers in a record.
//!
//! Settings: `detection-ports.dp` (389, 3268).

mod filter;
mod indexed;
pub mod keywords;
mod message;
mod names;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{ExchangeParser, TOO_MANY};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &LDAP,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: indexed::KEYWORDS,
};

/// The registry's entry.
pub static LDAP: Ldap = Ldap;

/// The port of a directory, and of the global catalogue of a domain.
const PORTS: [u16; 2] = [389, 3268];

/// The protocol.
#[derive(Debug)]
pub struct Ldap;

impl Protocol for Ldap {
    fn name(&self) -> &'static str {
        "ldap"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP, Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORTS[0])
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn probe(&self, transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        parser::probe(transport, dir, PORTS.contains(&port), bytes)
    }

    fn events(&self) -> &'static [&'static str] {
        &["invalid_data", "request_not_found", "incomplete_data", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Messages::default(), &keywords::FORMAT, transport == Proto::UDP))
    }
}

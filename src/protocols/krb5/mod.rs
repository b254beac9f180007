//! Kerberos 5 (RFC 4120) over UDP, and over TCP behind a length: the exchanges with the authentication and ticket-granting services.
//!
//! Every message is a transaction of its own, done at once, and concerns only the direction it went. Kerberos is looked for on its
//! port only. What cannot be read is told by an event; over TCP its length still holds. Bounds: one message of
//! 1 MiB at a time over TCP.
//!
//! Settings: `detection-ports.dp` (88).

pub mod keywords;
mod log;
mod message;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &KRB5,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static KRB5: Krb5 = Krb5;

const PORT: u16 = 88;

/// The protocol.
#[derive(Debug)]
pub struct Krb5;

impl Protocol for Krb5 {
    fn name(&self) -> &'static str {
        "krb5"
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP, Proto::TCP]
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        match transport {
            _ if port != PORT => Probe::No,
            Proto::UDP => message::probe(bytes, bytes.len()),
            _ => match parser::length(bytes) {
                None => Probe::More,
                Some((0, _)) => Probe::No,
                Some((len, _)) if len > parser::MESSAGE_MAX => Probe::No,
                Some((len, message)) => message::probe(message, len),
            },
        }
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_data", "weak_encryption"]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::Krb5Parser::new(transport))
    }
}

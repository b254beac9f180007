//! MySQL and MariaDB: the client/server protocol over TCP.
//!
//! A transaction is the sign-in (greeting, login, answer), or a command and its answer. Behind a request for TLS the flow is
//! recognised anew; where compression was agreed on, nothing behind the sign-in is read. Bounds: 64 KiB of a request and 16 KiB of a
//! packet of an answer are kept, the rest is skipped; 64 rows and 64 KiB of rows of an answer in text form.
//!
//! Settings: `detection-ports.dp` (3306).

mod answer;
pub mod keywords;
mod login;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{ExchangeParser, TOO_MANY};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &MYSQL,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static MYSQL: Mysql = Mysql;

const PORT: u16 = 3306;

/// The protocol.
#[derive(Debug)]
pub struct Mysql;

impl Protocol for Mysql {
    fn name(&self) -> &'static str {
        "mysql"
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
        login::probe(dir, port == PORT, bytes)
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_request", "malformed_response", "compressed", TOO_MANY]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(ExchangeParser::new(parser::Packets::default(), &keywords::FORMAT, false))
    }
}

//! RDP over TCP ([MS-RDPBCGR]): what is said before the desktop comes.
//!
//! Transactions are the messages of the connection's beginning: the first request and response (X.224), what the client and the server
//! say of themselves (MCS), and the server's certificates when it speaks TLS. Everything behind them is passed over. Recognised on any
//! port. Bounds: one message (64 KiB), 64 KiB of the server's TLS handshake, 32 channels, 32 certificates.
//!
//! Settings: `detection-ports.dp` (3389).

pub mod keywords;
mod log;
mod message;
mod names;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &RDP, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The registry's entry.
pub static RDP: Rdp = Rdp;

const PORT: u16 = 3389;

/// The protocol.
#[derive(Debug)]
pub struct Rdp;

impl Protocol for Rdp {
    fn name(&self) -> &'static str {
        "rdp"
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
        &["malformed_message"]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::RdpParser::default())
    }
}

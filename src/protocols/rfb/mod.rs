//! RFB, the protocol of VNC (RFC 6143), over TCP on any port: its handshake.
//!
//! One transaction a flow, id 0: versions, authentication, what the screen is like. It is done with ServerInit, or with a result of
//! authentication that ends the session; what follows is not read. Of kinds of security, none and VNC's own are known; behind
//! another nothing is read. Bounds: names and reasons of 16 KiB.
//!
//! Settings: none.

pub mod keywords;
mod log;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &RFB,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static RFB: Rfb = Rfb;

/// The protocol.
#[derive(Debug)]
pub struct Rfb;

impl Protocol for Rfb {
    fn name(&self) -> &'static str {
        "rfb"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn probe(&self, _transport: Proto, _dir: Direction, _port: u16, bytes: &[u8]) -> Probe {
        const MAGIC: &[u8] = b"RFB ";
        match bytes.get(..MAGIC.len()) {
            Some(MAGIC) => Probe::Yes,
            None if MAGIC.starts_with(bytes) => Probe::More,
            _ => Probe::No,
        }
    }

    fn events(&self) -> &'static [&'static str] {
        &["unimplemented_security_type", "unknown_security_result", "malformed_message", "confused_state"]
    }

    fn frames(&self) -> &'static [&'static str] {
        parser::FRAMES
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::RfbParser::default())
    }
}

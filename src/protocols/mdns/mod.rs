//! Multicast DNS (RFC 6762) over UDP, read as DNS is (see [`super::dns`]).
//!
//! A message to the group, question or answer, is a transaction of its own that goes to the server. Known by its port: answers from it
//! to another port are not seen for what they are.
//!
//! Settings: `detection-ports.dp` (5353).

pub mod keywords;
#[cfg(test)]
mod tests;

use super::dns::relative::{EVENTS, RelativeParser, probe};
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &MDNS, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The registry's entry.
pub static MDNS: Mdns = Mdns;

const PORT: u16 = 5353;

/// The protocol.
#[derive(Debug)]
pub struct Mdns;

impl Protocol for Mdns {
    fn name(&self) -> &'static str {
        "mdns"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if port == PORT { probe(bytes) } else { Probe::No }
    }

    fn events(&self) -> &'static [&'static str] {
        EVENTS
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(RelativeParser::new(MDNS.name()))
    }
}

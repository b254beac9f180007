//! DCERPC over TCP and UDP (C706, MS-RPCE), and what SMB needs of it for the calls in its named pipes.
//!
//! One transaction a call, a bind, or a change of context: fragments are put together, up to 1 MiB a direction. Bounds:
//! 256 interfaces an association, 1024 calls without an answer (the oldest is given up beyond). Behind lost bytes the next
//! header is looked for. Rules on `dcerpc` look at calls in SMB too.

pub mod call;
pub mod keywords;
mod parser;
pub mod pdu;
mod probe;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &DCERPC,
    buffers: keywords::BUFFERS,
    numbers: &[],
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static DCERPC: Dcerpc = Dcerpc;

/// The protocol.
#[derive(Debug)]
pub struct Dcerpc;

impl Protocol for Dcerpc {
    fn name(&self) -> &'static str {
        "dcerpc"
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP, Proto::UDP]
    }

    fn probe(&self, transport: Proto, dir: Direction, _port: u16, bytes: &[u8]) -> Probe {
        probe::probe(transport, dir, bytes)
    }

    fn carried_in(&self) -> Option<&'static str> {
        Some("smb")
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::DcerpcParser::new(transport))
    }
}

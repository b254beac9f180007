//! DNS over UDP and TCP (RFC 1035; types of later RFCs by name).
//!
//! Every message is a transaction of its own, done at once, and concerns only the direction it went. What cannot be read
//! is passed over. Bounds: one message (65,535 bytes) at a time; a name is followed for 255 steps and kept up to
//! [`name::NAME_MAX`] bytes, all names of a message up to 4 MiB.
//!
//! Settings: `eve.requests`, `eve.responses` (switches), `eve.types` (list of record types), `eve.formats`
//! (`detailed`, `grouped`): which records are written, as under `outputs.eve-log.types.dns`.

mod codes;
pub(in crate::protocols) mod inside;
pub mod keywords;
mod log;
mod message;
pub mod name;
mod parser;
mod probe;
pub(in crate::protocols) mod relative;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &DNS,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static DNS: Dns = Dns;

/// The protocol.
#[derive(Debug)]
pub struct Dns;

impl Protocol for Dns {
    fn name(&self) -> &'static str {
        "dns"
    }

    fn carried_in(&self) -> Option<&'static str> {
        Some("doh2")
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP, Proto::TCP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(probe::PORT)
    }

    fn probe(&self, transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        probe::probe(transport, dir, port, bytes)
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "malformed_data",
            "not_request",
            "not_response",
            "z_flag_set",
            "invalid_opcode",
            "name_too_long",
            "infinite_loop",
            "too_many_labels",
        ]
    }

    fn frames(&self) -> &'static [&'static str] {
        &["pdu"]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory(log::Wanted::new(settings)))
    }
}

struct Factory(log::Wanted);

impl ParserFactory for Factory {
    fn parser(&self, transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::DnsParser::new(transport, self.0.clone()))
    }
}

//! SIP (RFC 3261) over UDP, and where the settings say so over TCP; SDP (RFC 8866) in its bodies.
//!
//! Every message is a transaction of its own, done at once, and concerns only the direction it went: requests to the server,
//! responses to the client; what comes the other way round is an error, as in the reference engine. SIP is looked for on
//! its ports only. Bounds: a head of 32 KiB, a body of 64 KiB is kept, a longer one is passed over.
//!
//! Settings: `detection-ports.dp` (5060, 5061), `tcp.enabled` (no: Suricata 7 has SIP over UDP alone, 8 both).

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
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &SIP, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The registry's entry.
pub static SIP: Sip = Sip;

const PORTS: [u16; 2] = [5060, 5061];

/// The protocol.
#[derive(Debug)]
pub struct Sip;

impl Protocol for Sip {
    fn name(&self) -> &'static str {
        "sip"
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP, Proto::TCP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORTS[0])
    }

    fn probe(&self, transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if !PORTS.contains(&port) {
            return Probe::No;
        }
        match transport {
            Proto::UDP => match message::Message::read(dir, bytes) {
                Ok(_) => Probe::Yes,
                Err(_) => Probe::No,
            },
            _ => message::probe_line(dir, bytes),
        }
    }

    fn frames(&self) -> &'static [&'static str] {
        parser::FRAMES
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory { tcp: settings.flag("tcp.enabled").unwrap_or(false) })
    }
}

struct Factory {
    tcp: bool,
}

impl ParserFactory for Factory {
    fn parser(&self, transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::SipParser::new(transport))
    }

    fn speaks(&self, transport: Proto) -> bool {
        transport == Proto::UDP || self.tcp
    }
}

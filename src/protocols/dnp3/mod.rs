//! DNP3 over TCP (IEEE 1815): link frames, transport segments, application fragments and their objects.
//!
//! Every application message is a transaction of its own, once all its segments have come. DNP3 is looked for on its port, by
//! its start bytes; what an outstation sends is known elsewhere too, by the checksum of a header. Points are read for the objects of `objects`; of others the header is kept, and
//! nothing behind them is read (`unknown_object`). Bounds: `parser::MESSAGE_MAX` bytes of a message, `objects::OBJECTS_MAX`
//! objects and `objects::POINTS_MAX` points of it.
//!
//! Settings: `detection-ports.dp` (20000).

mod crc;
pub mod keywords;
mod log;
mod objects;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &DNP3,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static DNP3: Dnp3 = Dnp3;

const PORT: u16 = 20_000;

/// The protocol.
#[derive(Debug)]
pub struct Dnp3;

impl Protocol for Dnp3 {
    fn name(&self) -> &'static str {
        "dnp3"
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
        match bytes {
            // of a flow that was taken up in its middle the server may seem to be the client; its port is the client's then
            _ if port != PORT => {
                let header = bytes.first_chunk::<{ parser::HEADER_LEN }>();
                match header {
                    Some(header @ [0x05, 0x64, _, control, ..])
                        if dir == Direction::ToServer && control & 0x80 == 0 && crc::holds(header) =>
                    {
                        Probe::Reversed
                    }
                    _ => Probe::No,
                }
            }
            [] | [0x05] => Probe::More,
            [0x05, 0x64, rest @ ..] if rest.len() < parser::HEADER_LEN - 2 => Probe::More,
            [0x05, 0x64, length, ..] if *length >= parser::LENGTH_MIN => Probe::Yes,
            _ => Probe::No,
        }
    }

    fn events(&self) -> &'static [&'static str] {
        &["flooded", "len_too_small", "bad_link_crc", "bad_transport_crc", "unknown_object"]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::Dnp3Parser::default())
    }
}

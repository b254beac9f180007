//! Modbus over TCP ("MODBUS Application Protocol Specification" 1.1b3, "MODBUS Messaging on TCP/IP" 1.0b).
//!
//! A transaction is a request and its response, told by their transaction identifier and function. Modbus is looked for on its
//! port only, by a header with a known function in it. A message that is not one gives its direction up. Bounds: 260 bytes of a
//! message, `parser::LIVE_MAX` requests without a response (beyond it the oldest is closed, `flooded`).
//!
//! Settings: `detection-ports.dp` (502), `stream-depth`, `request-flood` (500).

mod function;
pub mod keywords;
mod log;
mod message;
mod parser;
mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &MODBUS,
    buffers: &[],
    numbers: &[],
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static MODBUS: Modbus = Modbus;

const PORT: u16 = 502;

/// The protocol.
#[derive(Debug)]
pub struct Modbus;

impl Protocol for Modbus {
    fn name(&self) -> &'static str {
        "modbus"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if port != PORT { Probe::No } else { message::probe(bytes) }
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "unsolicited_response",
            "invalid_frame_length",
            "invalid_unit_identifier",
            "invalid_protocol_id",
            "invalid_length",
            "invalid_function_code",
            "invalid_value",
            "invalid_exception_code",
            "value_mismatch",
            "flooded",
        ]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        let flood = settings.size("request-flood").and_then(|max| usize::try_from(max).ok());
        Box::new(Factory {
            flood: flood.unwrap_or(500).clamp(1, parser::LIVE_MAX),
            stream_depth: settings.size("stream-depth"),
        })
    }
}

struct Factory {
    flood: usize,
    stream_depth: Option<u64>,
}

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::ModbusParser::new(self.flood))
    }

    fn stream_depth(&self) -> Option<u64> {
        self.stream_depth
    }
}

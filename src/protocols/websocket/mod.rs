//! WebSocket (RFC 6455) behind HTTP/1.1's `Upgrade: websocket`, with compressed messages (RFC 7692).
//!
//! A transaction is a message of either side: all of its frames put together, unmasked and undone from deflate; control frames are
//! messages of their own. It concerns the direction it went and is looked at when it is whole, or when as much of it is there as is kept.
//! Nothing but an upgrade tells the protocol. Bounds: `max-payload-size` of a message, what is behind it is passed over
//! (`skip_end_of_payload`); a message that inflates to more than `parser::INFLATED_MAX` ends the undoing for its side
//! (`decompression_limit`), as lost bytes of a compressed message do. A side that compresses holds a window of 44 KiB.
//!
//! Settings: `max-payload-size` (64 KiB, at most 16 MiB).

mod inflate;
pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &WEBSOCKET,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static WEBSOCKET: WebSocket = WebSocket;

/// The protocol.
#[derive(Debug)]
pub struct WebSocket;

impl Protocol for WebSocket {
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn probe(&self, _transport: Proto, _dir: Direction, _port: u16, _bytes: &[u8]) -> Probe {
        // frames look like anything: the upgrade tells
        Probe::No
    }

    fn events(&self) -> &'static [&'static str] {
        &["skip_end_of_payload", "decompression_limit", "decompression_failed", "malformed_frame"]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        let max = settings.size("max-payload-size").and_then(|max| usize::try_from(max).ok());
        Box::new(Factory { payload_max: max.unwrap_or(parser::PAYLOAD_MAX).clamp(1, parser::PAYLOAD_MOST) })
    }
}

struct Factory {
    payload_max: usize,
}

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::WebSocketParser::new(self.payload_max))
    }
}

//! QUIC (RFC 9000, RFC 9369, the drafts 23 to 34, Facebook's mvfst) and Google's older QUIC, as far as it can be read from beside: the
//! packets of the handshake whose keys follow from the connection id (RFC 9001 section 5.2), and in them the hellos of TLS.
//!
//! Each packet with a long header is a transaction of its own, done at once, which concerns the direction it went, up to that side's
//! hello; behind it nothing more of that side can be read, save a new connection between the same ports. Packets that are not Initial
//! end their datagram. Bounds: `parser::PACKETS_MAX` packets a datagram, `crypto_stream::LEN_MAX` bytes of handshake a side.
//!
//! Like the reference engine it is looked for on UDP ports 443 and 80; `detection-ports.dp` names others. A header that cannot be
//! read makes no transaction, so `error_on_header` is known to rules and never raised.
//!
//! Settings: `eve.ja4` (as under `outputs.eve-log.types.quic`), `used.ja4` (rules look at JA4: alerts show it).

mod crypto_stream;
mod frames;
mod google;
mod header;
mod keys;
pub mod keywords;
mod log;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;
mod version;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &QUIC, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The registry's entry.
pub static QUIC: Quic = Quic;

/// Where it is served.
const PORT: u16 = 443;

/// The protocol.
#[derive(Debug)]
pub struct Quic;

impl Protocol for Quic {
    fn name(&self) -> &'static str {
        "quic"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if matches!(port, PORT | 80) && header::is_readable(bytes) { Probe::Yes } else { Probe::No }
    }

    fn events(&self) -> &'static [&'static str] {
        &["failed_decrypt", "error_on_data", "error_on_header", "crypto_frag_too_long"]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(log::Wanted::new(settings))
    }
}

impl ParserFactory for log::Wanted {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::QuicParser::new(*self))
    }
}

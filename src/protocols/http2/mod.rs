//! HTTP/2 in the clear (RFC 9113): with prior knowledge, or behind HTTP/1.1's `Upgrade: h2c`.
//!
//! One transaction a stream, and one for each frame about the connection (stream 0). Buffers of HTTP/1 have the same names and the same
//! slots here, and rules of `http` are about both.
//!
//! Streams that ask for names (RFC 8484) have the buffers of DNS too, and the flow is called `doh2` from the first of them on.
//!
//! Bounds: `max-streams` live streams a flow, `max-table-size` bytes of each dynamic table, `max-reassembly-size` bytes of a frame or a
//! block of headers, `message::HEADER_BYTES_MAX` bytes and `message::HEADERS_MAX` headers a message, `message::LISTED_MAX` frames
//! noted a message, `parser::DECODERS_MAX` bodies decompressed at once. Bodies are kept as a window, which is smaller when many are
//! open.

mod body;
mod config;
mod hpack;
mod huffman;
pub mod keywords;
mod log;
mod message;
mod parser;
mod settings;
pub mod slots;
#[cfg(test)]
pub(super) mod tests;
mod transaction;

use std::sync::Arc;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::detect::BufferSpec;
use crate::protocols::views;
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &Http2,
    buffers: &ALL_BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: keywords::KEYWORDS,
};

/// Its own buffers, and those of what speaks through it.
static ALL_BUFFERS: [BufferSpec; views::count(keywords::BUFFERS)] = views::with(keywords::BUFFERS);

/// The protocol as the registry lists it.
#[derive(Clone, Copy, Debug)]
pub struct Http2;

/// What a client begins with, RFC 9113 section 3.4.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Protocol for Http2 {
    fn name(&self) -> &'static str {
        "http2"
    }

    fn family(&self) -> Option<&'static str> {
        Some("http")
    }

    fn may_be_called(&self) -> Option<&'static str> {
        Some("doh2")
    }

    fn event_type(&self) -> &'static str {
        "http"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn probe(&self, _transport: Proto, dir: Direction, _port: u16, bytes: &[u8]) -> Probe {
        let preface = match bytes.len() {
            len if len >= PREFACE.len() => bytes.starts_with(PREFACE),
            _ if PREFACE.starts_with(bytes) => return Probe::More,
            _ => false,
        };
        match (preface, dir) {
            (true, Direction::ToServer) => Probe::Yes,
            (true, Direction::ToClient) => Probe::Reversed,
            // a server begins with its settings, perhaps before the client, whose word it is
            (false, Direction::ToClient) => settings_first(bytes),
            (false, Direction::ToServer) => Probe::No,
        }
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "invalid_frame_header",
            "invalid_client_magic",
            "invalid_frame_data",
            "invalid_header",
            "invalid_frame_length",
            "extra_header_data",
            "long_frame_data",
            "stream_id_reuse",
            "invalid_http1_settings",
            "failed_decompression",
            "invalid_range",
            "header_integer_overflow",
            "too_many_streams",
            "authority_host_mismatch",
            "userinfo_in_uri",
            "reassembly_limit_reached",
        ]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory(Arc::new(config::Config::new(settings))))
    }
}

/// Whether bytes begin with a SETTINGS frame about the connection.
fn settings_first(bytes: &[u8]) -> Probe {
    let Some(&[high, middle, low, kind, flags, a, b, c, d]) = bytes.first_chunk::<9>() else {
        return Probe::No;
    };
    let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    let sound = kind == 4 && flags == 0 && [a, b, c, d] == [0; 4] && len % 6 == 0 && len <= 600;
    if sound { Probe::More } else { Probe::No }
}

struct Factory(Arc<config::Config>);

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::Http2Parser::new(Arc::clone(&self.0)))
    }
}

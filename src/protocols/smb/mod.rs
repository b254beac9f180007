//! SMB1, SMB2 and SMB3 over TCP and in NetBIOS sessions (RFC 1002, MS-CIFS, MS-SMB2), with DCERPC in named pipes.
//!
//! A transaction is a request with its response, a file that is read or written, or a call in a pipe; they answer in any
//! order. What is encrypted is passed over. Behind lost bytes, and in the middle of a session, the next message is looked for.
//!
//! Bounds of a flow: 1024 live transactions (`max-tx`), trees, open files and unanswered requests; a message of 1 MiB unless
//! it carries file data, which is taken as it comes; 512 KiB kept of a file, 8 MiB of all and little of each beyond; 16 MiB and
//! 1024 pieces that wait for those before them; 1 MiB a side of a call, 16 MiB of all.
//!
//! Settings: `max-read-size`, `max-write-size` (larger ones are events), `max-read-queue-size`, `max-read-queue-cnt`,
//! `max-write-queue-size`, `max-write-queue-cnt`, `max-tx`, `stream-depth` (0, the default: no limit), and
//! `detection-ports.dp`.

mod bounded;
mod config;
pub mod keywords;
mod log;
mod names;
mod ntlmssp;
mod parser;
mod probe;
pub mod slots;
mod smb1;
mod smb2;
mod state;
#[cfg(test)]
mod tests;
mod transaction;
mod wire;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &SMB,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static SMB: Smb = Smb;

/// The protocol.
#[derive(Debug)]
pub struct Smb;

impl Protocol for Smb {
    fn name(&self) -> &'static str {
        "smb"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn probe(&self, _transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        probe::probe(dir, port, bytes)
    }

    fn usual_port(&self) -> Option<u16> {
        Some(445)
    }

    fn events(&self) -> &'static [&'static str] {
        EVENTS
    }

    fn frames(&self) -> &'static [&'static str] {
        parser::FRAMES
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory(config::Config::new(settings)))
    }
}

struct Factory(config::Config);

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::SmbParser::new(self.0))
    }

    fn stream_depth(&self) -> Option<u64> {
        Some(self.0.stream_depth)
    }
}

const EVENTS: &[&str] = &[
    "internal_error",
    "malformed_data",
    "record_overflow",
    "malformed_ntlmssp_request",
    "malformed_ntlmssp_response",
    "duplicate_negotiate",
    "negotiate_malformed_dialects",
    "file_overlap",
    "response_to_server",
    "request_to_client",
    "negotiate_max_read_size_too_large",
    "negotiate_max_write_size_too_large",
    "read_request_too_large",
    "read_response_too_large",
    "write_request_too_large",
    "read_queue_size_exceeded",
    "read_queue_cnt_exceeded",
    "write_queue_size_exceeded",
    "write_queue_cnt_exceeded",
    "too_many_transactions",
];

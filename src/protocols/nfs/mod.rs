//! NFS versions 2, 3 and 4 over RPC (RFC 1094, 1813, 7530, 8881; RFC 5531), over UDP and TCP.
//!
//! A transaction is a call and its reply; the reads of a file, and its writes, are one transaction with the file (as with Suricata, not the writes of version 2). Names of files are
//! learned from the calls that look them up. A message that carries file data is taken as it comes, others when they are whole; of a
//! message in several fragments the first is read. Messages of the port and program alone are NFS. Bounds: `config::MESSAGE_MAX` bytes
//! of a message that is waited for, `config::PENDING_MAX` calls without a reply, `config::NAMES_MAX` names, `config::FILES_MAX` files
//! at once, and the room of pieces that came before the ones they follow.
//!
//! Settings: `detection-ports.dp` (2049).

mod compound;
mod config;
pub mod keywords;
mod log;
mod names;
mod parser;
mod rpc;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::file::Digests;
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &NFS,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static NFS: Nfs = Nfs;

const PORT: u16 = 2049;

/// The protocol.
#[derive(Debug)]
pub struct Nfs;

impl Protocol for Nfs {
    fn name(&self) -> &'static str {
        "nfs"
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP, Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn probe(&self, transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if port != PORT { Probe::No } else { rpc::probe(transport, dir, bytes) }
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_data", "non_existing_version", "unsupported_version", "too_many_transactions"]
    }

    fn frames(&self) -> &'static [&'static str] {
        parser::FRAMES
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory { digests: Digests::new(settings) })
    }
}

struct Factory {
    digests: Digests,
}

impl ParserFactory for Factory {
    fn parser(&self, transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::NfsParser::new(transport, self.digests))
    }

    fn stream_depth(&self) -> Option<u64> {
        Some(0)
    }
}

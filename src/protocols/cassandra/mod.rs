//! Cassandra's native protocol (CQL), versions 3 to 5, over TCP.
//!
//! A transaction is a request and its answer, told apart by their stream. The segments of version 5 are undone where they are not
//! compressed; compressed bodies are only told. Bounds: 64 KiB of a request and 4 KiB of an answer are kept, the rest is skipped; 64
//! statements of a batch. A message of version 5 in several segments is read as far as the first.
//!
//! Settings: `detection-ports.dp` (9042).

pub mod keywords;
mod message;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &CASSANDRA,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static CASSANDRA: Conversation<parser::Envelopes> = Conversation {
    name: "cassandra",
    transports: &[Proto::TCP],
    ports: &[9042],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_request", "malformed_response", "compressed", TOO_MANY],
    probe: |_, dir, usual, bytes| parser::probe(dir, usual, bytes),
    dialect: parser::Envelopes::default,
    format: &keywords::FORMAT,
};

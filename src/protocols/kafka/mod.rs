//! Apache Kafka's protocol over TCP: requests, with their topics.
//!
//! A transaction is a request and its answer, of which only that it came is read. Topics are read of produce, fetch, list offsets,
//! metadata, create and delete topics and of offsets, in the versions that name them (newer ones have ids alone), the group of those that
//! begin with it, the user of SASL PLAIN. Bounds: 64 KiB of a request are kept and the rest skipped; 256 topics.
//!
//! Settings: `detection-ports.dp` (9092).

pub mod keywords;
mod parser;
mod request;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &KAFKA,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static KAFKA: Conversation<parser::Requests> = Conversation {
    name: "kafka",
    transports: &[Proto::TCP],
    ports: &[9092],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_request", "malformed_response", "topics_unreadable", TOO_MANY],
    probe: |_, dir, usual, bytes| parser::probe(dir, usual, bytes),
    dialect: parser::Requests::default,
    format: &keywords::FORMAT,
};

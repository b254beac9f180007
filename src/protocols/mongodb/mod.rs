//! MongoDB's wire protocol over TCP: `OP_MSG`, `OP_QUERY` with `OP_REPLY`, and the older write messages.
//!
//! A transaction is a message and the one that answers it. What was compressed with zlib is undone up to the same bound as other
//! messages, other compressors are only named. Bounds: 64 KiB of a message are kept and the rest skipped; 256 names of fields and 64
//! texts (32 KiB) of a request; documents are followed 128 deep.
//!
//! Settings: `detection-ports.dp` (27017).

mod bson;
pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &MONGODB,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static MONGODB: Conversation<parser::Messages> = Conversation {
    name: "mongodb",
    transports: &[Proto::TCP],
    ports: &[27017],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_request", "malformed_response", "too_deep", TOO_MANY],
    probe: |_, dir, usual, bytes| parser::probe(dir, usual, bytes),
    dialect: parser::Messages::default,
    format: &keywords::FORMAT,
};

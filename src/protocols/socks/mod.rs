//! SOCKS 4, 4a and 5 over TCP (RFC 1928, RFC 1929): what a proxy is asked for.
//!
//! A transaction is a step of the beginning with its answer: methods, a sign-in, a request. Behind a request that was granted the flow
//! is recognised anew: what goes through the proxy is read as what it is. Recognised on any port when the first segment is a
//! greeting and nothing else. No record has a password. Bounds: a message has at most 517 bytes.
//!
//! Settings: `detection-ports.dp` (1080).

pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &SOCKS,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static SOCKS: Conversation<parser::Steps> = Conversation {
    name: "socks",
    transports: &[Proto::TCP],
    ports: &[1080],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_request", "malformed_response", TOO_MANY],
    probe: |_, dir, usual, bytes| parser::probe(dir, usual, bytes),
    dialect: parser::Steps::default,
    format: &keywords::FORMAT,
};

//! rsync's daemon over TCP: versions, the module that is asked for, a sign-in.
//!
//! A transaction is the greeting of both, and the request for a module with its answer. What is behind the server's OK (files, in a
//! framing that versions differ in) is not read. Recognised on any port by the greeting. Bounds: 1 KiB of a line, 256 lines of
//! the server before its OK.
//!
//! Settings: `detection-ports.dp` (873).

pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &RSYNC,
    buffers: keywords::BUFFERS,
    numbers: &[],
    keywords: &[],
};

/// The registry's entry.
static RSYNC: Conversation<parser::Lines> = Conversation {
    name: "rsync",
    transports: &[Proto::TCP],
    ports: &[873],
    either_begins: true,
    server_speaks_first: true,
    events: &["malformed_line", TOO_MANY],
    probe: |_, _, _, bytes| parser::probe(bytes),
    dialect: parser::Lines::default,
    format: &keywords::FORMAT,
};

//! Syslog over UDP and TCP (RFC 3164, RFC 5424, RFC 6587): what hosts tell their log server.
//!
//! Every message is a transaction of its own. Looked for on its port. Over TCP messages are lines, or stand behind their length.
//! Bounds: 8 KiB of a message; a longer one is cut (`message_too_long`).
//!
//! Settings: `detection-ports.dp` (514).

pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &SYSLOG,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static SYSLOG: Conversation<parser::Messages> = Conversation {
    name: "syslog",
    transports: &[Proto::UDP, Proto::TCP],
    ports: &[514],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_message", "message_too_long", TOO_MANY],
    probe: |_, dir, usual, bytes| parser::probe(dir, usual, bytes),
    dialect: parser::Messages::default,
    format: &keywords::FORMAT,
};

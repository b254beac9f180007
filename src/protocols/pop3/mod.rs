//! POP3 (RFC 1939, with RFC 2449 and RFC 2595): commands and their answers, the messages that are fetched as text.
//!
//! A transaction is a command with its answer; the greeting is one of the server's alone. Behind `STLS` and its `+OK` the flow
//! speaks TLS. Messages are not taken apart: no attachments, no files. No record has a password. Bounds: a line has
//! 4 KiB, the rest of a longer one is passed over (`line_too_long`); 16 KiB of an answer of several lines are kept.
//!
//! Settings: `detection-ports.dp` (110).

pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &POP3, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The registry's entry.
static POP3: Conversation<parser::Pop> = Conversation {
    name: "pop3",
    transports: &[Proto::TCP],
    ports: &[110],
    either_begins: true,
    server_speaks_first: true,
    events: &["line_too_long", "unknown_command", "unexpected_response", TOO_MANY],
    probe: |_, dir, usual, bytes| parser::probe(dir, usual, bytes),
    dialect: parser::Pop::default,
    format: &keywords::FORMAT,
};

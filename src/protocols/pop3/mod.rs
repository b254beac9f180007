//! POP3 (RFC 1939, with RFC 2449 and RFC 2595): commands and their answers, the messages that are fetched.
//!
//! A transaction is a command with its answer; the greeting is one of the server's alone. Behind `STLS` and its `+OK` the flow
//! speaks TLS. Messages that come with `RETR` and `TOP` are taken apart (`super::mime`): their attachments are files. No record has a
//! password. Bounds: a line has 4 KiB, the rest of a longer one is passed over (`line_too_long`) where it is none of a message; 16 KiB
//! of an answer of several lines are kept as text.
//!
//! Settings: `detection-ports.dp` (110), and those of `super::mime`.

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
    events: &[
        "line_too_long",
        "unknown_command",
        "unexpected_response",
        "mime_parse_failed",
        "mime_malformed_msg",
        "mime_invalid_qp",
        "mime_long_line",
        "mime_long_enc_line",
        "mime_long_header_name",
        "mime_long_header_value",
        "mime_long_boundary",
        "mime_long_filename",
        TOO_MANY,
    ],
    probe: |_, dir, usual, bytes| parser::probe(dir, usual, bytes),
    dialect: parser::Pop::default,
    format: &keywords::FORMAT,
};

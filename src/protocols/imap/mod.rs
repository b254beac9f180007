//! IMAP4 (RFC 3501, RFC 9051): commands with their tags, what the server answers, literals of both sides.
//!
//! A transaction is a command with all that the server says until its tag comes back; the greeting is one of the server's alone. Behind
//! `STARTTLS` and its OK the flow speaks TLS; behind `COMPRESS` it is not read. Messages that are fetched or appended whole (`BODY[]`,
//! `RFC822`, `APPEND`) are taken apart (`super::mime`): their attachments are files; single parts of them (`BODY[2]`) are text alone, as
//! how they are encoded is not said beside them. No record has a password. Bounds: 16 KiB of a line without its literals, 16 KiB of a literal and 64 KiB of a line with
//! them, but for messages; what is behind is passed over (`line_too_long`, `literal_too_long`); 64 KiB of an answer are kept, in 256 lines.
//!
//! Settings: `detection-ports.dp` (143), and those of `super::mime`.

pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &IMAP, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The registry's entry.
static IMAP: Conversation<parser::Lines> = Conversation {
    name: "imap",
    transports: &[Proto::TCP],
    ports: &[143],
    either_begins: true,
    server_speaks_first: true,
    events: &[
        "line_too_long",
        "literal_too_long",
        "malformed_command",
        "request_not_found",
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
    dialect: parser::Lines::default,
    format: &keywords::FORMAT,
};

//! LDAP over TCP and UDP (RFC 4511; filters as RFC 4515 writes them).
//!
//! A transaction is a request and all of its answers, told by their message number. Recognised on any port by a bind or a search,
//! on its ports by any message. StartTLS moves to TLS once it is agreed to; what is signed or sealed behind a SASL bind ends the reading.
//! Bounds: 256 KiB of a message, the rest of a longer one is passed over; 256 KiB of what a transaction keeps, 1024 answers of it;
//! a filter is written down to 16 levels and 4 KiB; 64 answers in a record.
//!
//! Settings: `detection-ports.dp` (389, 3268).

mod filter;
mod indexed;
pub mod keywords;
mod message;
mod names;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &LDAP,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: indexed::KEYWORDS,
};

/// The registry's entry: the ports of a directory, and of the global catalogue of a domain.
static LDAP: Conversation<parser::Messages> = Conversation {
    name: "ldap",
    transports: &[Proto::TCP, Proto::UDP],
    ports: &[389, 3268],
    either_begins: true,
    server_speaks_first: false,
    events: &["invalid_data", "request_not_found", "incomplete_data", TOO_MANY],
    probe: parser::probe,
    dialect: parser::Messages::default,
    format: &keywords::FORMAT,
};

//! NetBIOS name service over UDP (RFC 1002): who asks for which host, and who answers.
//!
//! Every message is a transaction of its own: of a request its question, of an answer its record. Looked for on its port. Bounds: one
//! datagram, one name and 32 addresses of it.
//!
//! Settings: `detection-ports.dp` (137).

pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::app::Probe;
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &NBNS,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static NBNS: Conversation<parser::Messages> = Conversation {
    name: "nbns",
    transports: &[Proto::UDP],
    ports: &[137],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_message", TOO_MANY],
    probe: |_, _, usual, bytes| if usual { parser::probe(bytes) } else { Probe::No },
    dialect: || parser::Messages,
    format: &keywords::FORMAT,
};

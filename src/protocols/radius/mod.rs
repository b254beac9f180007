//! RADIUS over UDP (RFC 2865, RFC 2866): who asks to be let in, and whether.
//!
//! A transaction is a request with the answer of the same number. Looked for on its ports, by a whole packet. What is hidden (the
//! password) is not kept. Bounds: one packet (4096 bytes).
//!
//! Settings: `detection-ports.dp` (1812, 1813, 1645, 1646, 3799).

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
    protocol: &RADIUS,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static RADIUS: Conversation<parser::Packets> = Conversation {
    name: "radius",
    transports: &[Proto::UDP],
    ports: &[1812, 1813, 1645, 1646, 3799],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_packet", TOO_MANY],
    probe: |_, _, usual, bytes| if usual { parser::probe(bytes) } else { Probe::No },
    dialect: || parser::Packets,
    format: &keywords::FORMAT,
};

//! EtherNet/IP over TCP and UDP (ODVA, "The CIP Networks Library", volume 2), with the CIP messages inside (volume 1).
//!
//! Every message is a transaction of its own and concerns the direction it went. Looked for on its port only. Connected I/O over UDP
//! port 2222 has no header of its own and is not read. Bounds: one message (64 KiB); CIP messages within others down to two levels,
//! `super::values::ROWS_MAX` services of a message.
//!
//! Settings: `detection-ports.dp` (44818).

mod cip;
pub mod keywords;
mod parser;
mod service;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::app::Probe;
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &ENIP,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: service::KEYWORDS,
};

/// The registry's entry.
static ENIP: Conversation<parser::Encapsulation> = Conversation {
    name: "enip",
    transports: &[Proto::TCP, Proto::UDP],
    ports: &[44_818],
    either_begins: true,
    server_speaks_first: false,
    events: &["malformed_header", "malformed_message", TOO_MANY],
    probe: |transport, _, usual, bytes| if usual { parser::probe(transport, bytes) } else { Probe::No },
    dialect: || parser::Encapsulation,
    format: &keywords::FORMAT,
};

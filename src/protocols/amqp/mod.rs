//! AMQP 0-9-1 over TCP, as RabbitMQ speaks it.
//!
//! A transaction is a method of either side, with the content that belongs to it; it concerns the direction it went. Heartbeats are
//! passed over. AMQP 1.0 is not read: its header ends the reading. Bounds: 16 KiB of a method or a header and as much of a
//! content are kept, 32 channels of a side with a content that is not whole.
//!
//! Settings: `detection-ports.dp` (5672).

pub mod keywords;
mod method;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &AMQP,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static AMQP: Conversation<parser::Frames> = Conversation {
    name: "amqp",
    transports: &[Proto::TCP],
    ports: &[5672],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_frame", "unknown_version", TOO_MANY],
    probe: |_, dir, usual, bytes| parser::probe(dir, usual, bytes),
    dialect: parser::Frames::default,
    format: &keywords::FORMAT,
};

//! Stratum, in the dialects of pools for Bitcoin (`mining.*`), Monero (`login`, `submit`, `job`) and Ethereum (`eth_*`): JSON-RPC in
//! lines over TCP.
//!
//! A transaction is a request with the answer of the same id, or a notice. Recognised on any port by the methods that open a session.
//! Bounds: a line has 16 KiB; a longer one ends the reading.
//!
//! Settings: none.

pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &STRATUM,
    buffers: keywords::BUFFERS,
    numbers: &[],
    keywords: &[],
};

/// The registry's entry.
static STRATUM: Conversation<parser::Lines> = Conversation {
    name: "stratum",
    transports: &[Proto::TCP],
    ports: &[3333],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_line", "line_too_long", TOO_MANY],
    probe: |_, dir, _, bytes| parser::probe(dir, bytes),
    dialect: || parser::Lines,
    format: &keywords::FORMAT,
};

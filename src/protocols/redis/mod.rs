//! Redis (and Valkey, KeyDB): RESP2 and RESP3 over TCP, inline commands, pipelines.
//!
//! A transaction is a command and its answer. After `SUBSCRIBE` and its kin, `MONITOR` and `CLIENT REPLY`, answers cannot be told
//! apart any more and commands are transactions alone; a replication stream (`PSYNC`) is not read. Bounds: 64 KiB of a command are
//! kept in 480 words at most, 16 KiB of an answer in 64 texts; an inline command has up to 16 KiB.
//!
//! Settings: `detection-ports.dp` (6379).

mod command;
pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &REDIS,
    buffers: keywords::BUFFERS,
    numbers: &[],
    keywords: &[],
};

/// The registry's entry.
static REDIS: Conversation<parser::Resp> = Conversation {
    name: "redis",
    transports: &[Proto::TCP],
    ports: &[6379],
    either_begins: true,
    server_speaks_first: false,
    events: &["malformed_request", "malformed_response", "inline_too_long", "argument_cut", TOO_MANY],
    probe: |_, dir, usual, bytes| parser::probe(dir, usual, bytes),
    dialect: parser::Resp::default,
    format: &keywords::FORMAT,
};

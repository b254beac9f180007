//! Memcached over TCP and UDP: the text protocol, its meta commands, and the binary protocol.
//!
//! A transaction is a command and its answer; one that is not answered (`noreply`, quiet commands of the binary protocol) is done at
//! once. Where answers cannot be told apart any more (`watch`, quiet meta commands), commands are transactions alone. Bounds: a line
//! has up to 8 KiB; 16 KiB of a value that is stored are kept, and of all values of an answer together.
//!
//! Settings: `detection-ports.dp` (11211).

mod binary;
pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;
mod text;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &MEMCACHED,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static MEMCACHED: Conversation<parser::Memcached> = Conversation {
    name: "memcached",
    transports: &[Proto::TCP, Proto::UDP],
    ports: &[11211],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_request", "malformed_response", "line_too_long", TOO_MANY],
    probe: parser::probe,
    dialect: parser::Memcached::default,
    format: &keywords::FORMAT,
};

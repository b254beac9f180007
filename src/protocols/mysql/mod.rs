//! MySQL and MariaDB: the client/server protocol over TCP.
//!
//! A transaction is the sign-in (greeting, login, answer), or a command and its answer. Behind a request for TLS the flow is
//! recognised anew; where compression was agreed on, nothing behind the sign-in is read. Bounds: 64 KiB of a request and 16 KiB of a
//! packet of an answer are kept, the rest is skipped; 64 rows and 64 KiB of rows of an answer in text form.
//!
//! Settings: `detection-ports.dp` (3306).

mod answer;
pub mod keywords;
mod login;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &MYSQL,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
static MYSQL: Conversation<parser::Packets> = Conversation {
    name: "mysql",
    transports: &[Proto::TCP],
    ports: &[3306],
    either_begins: true,
    server_speaks_first: true,
    events: &["malformed_request", "malformed_response", "compressed", TOO_MANY],
    probe: |_, dir, usual, bytes| login::probe(dir, usual, bytes),
    dialect: parser::Packets::default,
    format: &keywords::FORMAT,
};

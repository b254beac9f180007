//! X11 over TCP (the X Window System Protocol, version 11): who connects to a display, and how.
//!
//! The beginning alone is read: byte order, version, the name of the authorisation, and what the server makes of it. Everything behind it
//! is not read. Recognised on any port. Bounds: 64 KiB of a message, of which names are kept.
//!
//! Settings: `detection-ports.dp` (6000); no port is needed.

pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;

use super::exchange::{Conversation, TOO_MANY};
use crate::types::Proto;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &X11, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The registry's entry.
static X11: Conversation<parser::Setup> = Conversation {
    name: "x11",
    transports: &[Proto::TCP],
    ports: &[6000],
    either_begins: false,
    server_speaks_first: false,
    events: &["malformed_message", TOO_MANY],
    probe: |_, dir, _, bytes| parser::probe(dir, bytes),
    dialect: parser::Setup::default,
    format: &keywords::FORMAT,
};

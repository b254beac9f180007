//! The protocols, one folder each: recognition, parser, transactions, buffers, EVE record.
//!
//! A protocol knows nothing of flows or outputs; it answers through [`crate::app`]'s traits, and gives detection a table of
//! its buffers. To add one: a folder here, and one line in [`ALL`].

pub mod dns;
pub mod http;
pub mod tls;

use crate::detect::ProtocolEntry;

/// Every protocol, in the order in which they are asked whether bytes are theirs.
pub static ALL: &[ProtocolEntry] = &[http::ENTRY, tls::ENTRY, dns::ENTRY];

//! The protocols, one folder each: recognition, parser, transactions, buffers, EVE record.
//!
//! A protocol knows nothing of flows, rules or outputs; it answers through [`crate::app`]'s traits.

pub mod dns;
pub mod tls;

use crate::app::Protocol;

/// Every protocol, in the order they are asked.
pub static LIST: &[&dyn Protocol] = &[&tls::TLS, &dns::DNS];

//! The buffers and numbers of a DNS transaction, one [`Slot`] each, and what the rule language calls them.
//!
//! | keyword | slot | kind | directions | from progress |
//! | --- | --- | --- | --- | --- |
//! | `dns.query`, `dns_query` | [`QUERY`] | bytes, multi (one a question) | to_server | DONE |
//! | `dns.queries.rrname`, `dns.query.name` | [`QUERIES_RRNAME`] | bytes, multi | both | DONE |
//! | `dns.answers.rrname`, `dns.answer.name` | [`ANSWERS_RRNAME`] | bytes, multi | to_client | DONE |
//! | `dns.authorities.rrname` | [`AUTHORITIES_RRNAME`] | bytes, multi | to_client | DONE |
//! | `dns.additionals.rrname` | [`ADDITIONALS_RRNAME`] | bytes, multi | to_client | DONE |
//! | `dns.response.rrname` | [`RESPONSE_RRNAME`] | bytes, multi (every owner and every name in record data) | to_client | DONE |
//! | `dns.opcode` | [`OPCODE`] | number 0..=15 | both | DONE |
//! | `dns.rcode` | [`RCODE`] | number 0..=15 | to_client | DONE |
//! | `dns.rrtype` | [`RRTYPE`] | numbers, multi (of questions, then answers) | both | DONE |
//!
//! Names are labels joined by dots without the root's, bytes as sent (a dot inside a label is not escaped), at most
//! [`super::name::NAME_MAX`] bytes. A message is one transaction, which concerns only the direction it went
//! ([`crate::app::Transaction::concerns`]).

use crate::app::Slot;

/// Names asked for, of requests only.
pub const QUERY: Slot = Slot(0);
/// Names in the question section, of requests and responses.
pub const QUERIES_RRNAME: Slot = Slot(1);
/// Owner names in the answer section.
pub const ANSWERS_RRNAME: Slot = Slot(2);
/// Owner names in the authority section.
pub const AUTHORITIES_RRNAME: Slot = Slot(3);
/// Owner names in the additional section.
pub const ADDITIONALS_RRNAME: Slot = Slot(4);
/// Every name of a response: questions, owners, and names inside record data.
pub const RESPONSE_RRNAME: Slot = Slot(5);
/// Operation code, RFC 1035 section 4.1.1.
pub const OPCODE: Slot = Slot(6);
/// Response code, RFC 1035 section 4.1.1; of responses only.
pub const RCODE: Slot = Slot(7);
/// Record types of the questions, then of the answers.
pub const RRTYPE: Slot = Slot(8);

//! Mamparo: an inline network intrusion prevention system for container hosts, in the Suricata rule language.
//!
//! This page is the map of the house. A packet goes through the modules in this order:
//!
//! ```text
//! capture → decode → flow → stream → app → detect → verdict → output
//! ```
//!
//! and `engine::worker` is the one place that calls them, in that order. Below are the words that all of them speak
//! ([`types`], [`json`], [`verdict`]); beside them stand rule text ([`rules`]) and the two lists that things are added to
//! ([`keywords`], [`protocols`]); above them the wiring ([`config`], [`engine`], [`cli`]).
//!
//! Invariants:
//!
//! 1. No stage reads a clock or does I/O: time is the packet's timestamp; only `capture`, `output`, `engine` and `cli`
//!    touch the world.
//! 2. `stream`, `app` and `protocols` know of rules only through keyword tables; `rules` knows nothing of traffic.
//! 3. `detect` never names a protocol, nor does `output` (a transaction logs itself).
//! 4. A worker's state is reached by that worker only: no lock, no atomic read-modify-write for a packet.
//! 5. Nothing grows without a bound in the configuration; reaching it is a counted event with an exception policy.
//! 6. Bytes from the network never panic us; lengths are checked once, at the border of each module.
//! 7. What was inspected is what the receiver sees: inline, a segment that contradicts bytes already forwarded is
//!    dropped, and counted.

// Each module says in its own first lines what it does: what rustdoc shows.
// The contract between byte streams and protocols.
pub mod app;
// Frames in.
pub mod capture;
// Arguments, exit codes, what a person sees.
pub mod cli;
// YAML → checked configuration.
pub mod config;
// Frames → packets; defragmentation; decoder events.
pub mod decode;
// Syntax tree → compiled rules; evaluation.
pub mod detect;
// Threads and the worker loop.
pub mod engine;
// Which conversation, and what is remembered of it.
pub mod flow;
// A writer of JSON over a reused buffer.
pub mod json;
// The generic keywords of the rule language, one file a family.
pub mod keywords;
// Events → records → writers.
pub mod output;
// One folder a protocol: parser, transaction, buffers, record.
pub mod protocols;
// Rule text → syntax tree.
pub mod rules;
// The built-in signatures.
pub mod signatures;
// TCP segments → two ordered byte streams.
pub mod stream;
// Timestamps, directions, endpoints: the words of all stages.
pub mod types;
// What happens to a packet, and which reason wins.
pub mod verdict;

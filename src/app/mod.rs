//! The contract between byte streams and protocols: how a protocol is recognised, parsed, asked for its buffers, and logged.
//!
//! Knows nothing of rules, flows or outputs. A protocol (folder `protocols/`) implements [`Protocol`], [`Parser`] and
//! [`Transaction`]; detection asks transactions for bytes by [`Slot`].

pub mod body;
pub mod file;
pub mod frame;
pub mod magic;
pub mod parser;
pub mod settings;
pub mod transaction;

pub use file::{File, FileState};
pub use frame::{Frame, FrameKind, Frames, WantedFrames};
pub use parser::{
    Change, Expected, Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, ProtocolId,
};
pub use settings::Settings;
pub use transaction::{Body, DONE, RecordEnds, Slot, Transaction, Transactions, TxList};

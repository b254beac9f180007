//! Syntax tree → compiled rule set; evaluation of it over packets, streams and transactions.
//!
//! Knows no protocol by name: protocols and keywords bring tables ([`Registry`]).

pub mod buffer;
pub mod inspect;
pub mod keyword;
pub mod registry;
pub mod rule;

pub use buffer::{Buffer, BufferId, BufferSpec, Kind, NumberSpec, Place};
pub use keyword::{Environment, Keyword, Names, RuleBuilder};
pub use registry::{PacketBufferSpec, ProtocolEntry, Registry, Word};
pub use rule::Rule;

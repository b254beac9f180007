//! Syntax tree → compiled rule set; evaluation of it over packets, streams and transactions.
//!
//! Knows no protocol by name: protocols and keywords bring tables ([`Registry`]).

pub mod buffer;
pub mod compile;
pub mod evaluate;
pub mod fit;
mod group;
mod head;
pub mod hook;
pub mod host;
pub mod inspect;
pub mod keyword;
pub mod literal;
mod merge;
pub mod planned;
pub mod prefilter;
pub mod profile;
pub mod registry;
pub mod reputation;
pub mod rule;
pub mod ruleset;
pub mod sets;
pub mod tables;

pub use buffer::{Buffer, BufferId, BufferSpec, Kind, NumberSpec, Place};
pub use compile::{Compiler, Refused};
pub use evaluate::{DetectConfig, Detector, Inspection, Match};
pub use keyword::{Environment, Keyword, Names, NoFiles, RuleBuilder, RuleFiles};
pub use registry::{PacketBufferSpec, ProtocolEntry, Registry, Word};
pub use rule::Rule;
pub use ruleset::{Class, Placement, RuleSet, placement};
pub use tables::Tables;

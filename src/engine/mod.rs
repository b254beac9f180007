//! Threads, the worker loop, what is told of packets, and the order in which it is told.
//!
//! [`worker`] is the way of a packet through all stages; [`records`] turns what happened into EVE; [`collector`] judges
//! what spans flows and writes; [`replay`] drives captures through one worker or many, [`live`] what a kernel hands out; [`tables`]
//! reads what rules look up. The engine may name everything;
//! nothing names it.

pub mod bits;
mod checksums;
pub mod collector;
pub mod configure;
pub mod counters;
pub mod flow_end;
pub mod lint;
pub mod live;
pub mod load;
pub mod memory;
pub mod profile;
pub mod records;
pub mod renewal;
pub mod replay;
pub mod sandbox;
pub mod settings;
pub mod tables;
pub mod worker;

pub use collector::{Batch, Collector};
pub use counters::Counters;
pub use settings::EngineConfig;
pub use worker::Worker;

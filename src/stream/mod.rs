//! TCP segments → two ordered byte streams: one [`Session`] per flow, owned by it and driven by its worker.
//!
//! Knows packets only as headers and payloads; knows nothing of flows, protocols and rules. What a session keeps is bounded by
//! [`StreamConfig`] and accounted in the worker's [`Memory`]. Time is the packet's. A segment that makes no sense becomes a
//! [`StreamEvent`], never an error or a panic.
//!
//! Which bytes may be looked at: off the wire (IDS) those that the receiver acknowledged, because only then it is known which of
//! several versions of a byte it took; inline those that are contiguous, because what contradicts them later is not let through.

pub mod config;
pub mod events;
mod handshake;
mod options;
pub mod overlap;
mod segments;
pub mod session;
pub mod state;
mod validate;

pub use config::{HostPolicies, Memory, StreamConfig, UrgentPolicy};
pub use events::{StreamEvent, StreamEvents};
pub use overlap::OsPolicy;
pub use session::{Handled, Readable, Segment, Session};
pub use state::State;

#[cfg(test)]
mod tests;

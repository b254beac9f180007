//! Events → records → writers.
//!
//! Plain data in: nothing here decides what is an event, and nothing names a protocol (a transaction logs itself).
//! [`event`] writes what all EVE records share, [`eve`] the records that are ours; [`writer`] owns the thread that puts
//! lines into files; [`summary`] is what a person sees at the end. Reads no clock; bounded: see [`summary::ROWS_MAX`]
//! and [`writer::WriterOptions`].

pub mod community_id;
pub mod eve;
pub mod event;
pub mod fast;
pub mod file_store;
pub mod stats;
pub mod summary;
pub mod writer;

pub use community_id::community_id;
pub use event::{AppProto, EventHeader, FullIp, TunnelInfo, close_event, pkt_src, write_header};
pub use file_store::FileStore;
pub use summary::{AlertRow, Summary};
pub use writer::{LineSender, LineWriter, WhenFull, WriterOptions};

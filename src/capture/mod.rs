//! Frames in, verdicts carried out. One file or folder a backend; the backend keeps the buffer that a frame borrows.
//!
//! May name only `types` and `verdict`: a backend knows nothing of what is inside a frame.

pub mod containers;
mod error;
pub mod files;
mod filter;
pub mod hook;
pub mod links;
pub mod live;
pub mod memory;
mod namespaces;
pub mod nfqueue;
pub mod pair;
mod pcap_blocks;
pub mod pcap_file;
pub mod raw;
mod ring;
mod source;
pub mod tap;
mod witness;

use std::io;

pub use error::CaptureError;
pub use live::{
    Backend, Changed, Fail, Hook, Interfaces, LiveCapture, LiveOptions, Onward, Opened, Reply, Say,
    Statistics,
};
pub use memory::Memory;
pub use pcap_file::PcapFile;

use crate::types::{IfaceId, Timestamp};
use crate::verdict::Verdict;

/// A link-layer type by its number in captures (`LINKTYPE_*`, <https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// Ethernet.
    pub const ETHERNET: Self = LinkType(1);
    /// PPP.
    pub const PPP: Self = LinkType(9);
    /// IPv4 or IPv6 from the first byte on, under the number that EVE's `packet_info.linktype` has for it (`DLT_RAW`).
    pub const RAW_IP: Self = LinkType(12);
}

/// One frame as the wire gave it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// 1-based number within its capture.
    pub number: u64,
    /// When it was seen.
    pub timestamp: Timestamp,
    /// Where it was seen.
    pub iface: IfaceId,
    /// What its first byte belongs to.
    pub link: LinkType,
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// How long it was on the wire, bytes; at least `bytes.len()` unless the capture lies.
    pub wire_len: u32,
    /// Its checksums may be judged. Not so when hardware is yet to fill them in, or when the kernel has found them right.
    pub checksums: bool,
    /// Where to put what is to go on instead of it; `None` where nothing can.
    pub changed: Option<&'a Changed>,
}

/// Every way to live traffic.
pub static BACKENDS: &[Backend] = &[nfqueue::HOST, containers::CONTAINERS, tap::TAP, pair::PAIR];

/// A source of frames.
pub trait Capture {
    /// Hands up to `budget` frames to `handle` and carries out what it answers. Returns how many; 0 means the end for a
    /// capture that has one, and nothing now for a live one. An error names what is broken; frames before it were handed over.
    fn poll(&mut self, budget: usize, handle: &mut dyn FnMut(Frame<'_>) -> Verdict) -> io::Result<usize>;
}

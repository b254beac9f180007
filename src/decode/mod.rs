//! Bytes of a frame → [`Packet`]s that borrow from it.
//!
//! A frame may hold several packets: the outer one and what its tunnels carry; a fragment completes a packet that borrows
//! from the defragmenter. Knows nothing of flows, streams and rules. What is malformed becomes a decoder event on the
//! packet, never an error or a panic.
//!
//! Limits: layers in a frame ([`DecodeConfig::recursion_max`]), memory, datagrams and time of defragmentation
//! ([`DefragConfig`]); reaching one is counted.

mod change;
mod checksum;
pub mod config;
pub mod counters;
mod decoder;
mod defrag;
pub mod events;
mod ipv4;
mod ipv6;
mod link;
pub mod packet;
pub mod prefix;
mod spread;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;

pub use change::change;
pub use config::{DecodeConfig, DefragConfig, OverlapPolicy, TeredoPorts};
pub use counters::{Counter, DecodeCounters};
pub use decoder::Decoder;
pub use events::{DecodeEvent, Events};
pub use packet::{
    Fragment, Icmp, Ipv4, Ipv6, Net, Origin, Packet, Sctp, Tcp, TcpOptions, Transport, Tunnel, TunnelKind,
    Udp, Vlans,
};
pub use prefix::PrefixMap;
pub use spread::spread;

//! Bytes of a frame → [`Packet`]s that borrow from it.
//!
//! A frame may hold several packets: the outer one and what its tunnels carry; a fragment completes a packet that borrows
//! from the defragmenter. Knows nothing of flows, streams and rules. What is malformed becomes a decoder event on the
//! packet, never an error or a panic.

pub mod events;
pub mod packet;

pub use events::{DecodeEvent, Events};
pub use packet::{
    Icmp, Ipv4, Ipv6, Net, Origin, Packet, Sctp, Tcp, TcpOptions, Transport, Tunnel, TunnelKind, Udp, Vlans,
};

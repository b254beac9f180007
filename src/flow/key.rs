//! The key of a flow: both ends in one order, so that both directions have the same key.

use crate::decode::{Packet, Transport};
use crate::types::{Endpoint, Proto};

/// What makes packets one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    low: Endpoint,
    high: Endpoint,
    proto: Proto,
    vlans: [u16; 3],
    /// Tunnel depth: a tunnelled packet is another flow than the same packet bare.
    depth: u8,
}

impl FlowKey {
    /// The key of a packet and whether its source is the key's lower end; `None` for what has no flow (not IP, a
    /// fragment that is not whole).
    pub fn of(packet: &Packet<'_>, use_vlans: bool) -> Option<(FlowKey, bool)> {
        if packet.is_fragment() {
            return None;
        }
        let (mut source, mut destination) = packet.ends()?;
        let mut proto = packet.proto()?;
        match &packet.transport {
            Transport::Icmp4(icmp) => (source.port, destination.port) = icmp4_ports(icmp.kind(), icmp.id()),
            Transport::Icmp6(icmp) => (source.port, destination.port) = icmp6_ports(icmp.kind(), icmp.id()),
            // of what has no ports, only ESP is a conversation: all else is seen packet by packet
            Transport::None if proto != Proto::ESP => return None,
            _ => {}
        }
        if let Transport::Icmp6(_) = packet.transport {
            proto = Proto::ICMPV6;
        }
        let mut vlans = [0; 3];
        if use_vlans {
            for (slot, id) in vlans.iter_mut().zip(packet.vlans.as_slice()) {
                *slot = *id;
            }
        }
        let depth = packet.tunnel.map_or(0, |tunnel| tunnel.depth);
        let source_is_low = source <= destination;
        let (low, high) = if source_is_low { (source, destination) } else { (destination, source) };
        Some((FlowKey { low, high, proto, vlans, depth }, source_is_low))
    }
}

/// Requests and replies of one ICMP type pair share a key: both ports are the pair's number and identifier.
fn icmp4_ports(kind: u8, id: Option<u16>) -> (u16, u16) {
    let pair = match kind {
        0 | 8 => 8,
        13 | 14 => 13,
        15 | 16 => 15,
        17 | 18 => 17,
        other => return (u16::from(other), u16::from(other)),
    };
    let port = id.unwrap_or(0) ^ (pair << 8);
    (port, port)
}

fn icmp6_ports(kind: u8, id: Option<u16>) -> (u16, u16) {
    match kind {
        128 | 129 => {
            let port = id.unwrap_or(0) ^ 0x8000;
            (port, port)
        }
        133 | 134 => (133, 133),
        135 | 136 => (135, 135),
        other => (u16::from(other), u16::from(other)),
    }
}

//! Buffers that are parts of a packet: its headers, options included.

use crate::decode::{Net, Packet, Transport};
use crate::detect::PacketBufferSpec;

/// Sticky buffers that a packet has.
pub static PACKET_BUFFERS: &[PacketBufferSpec] = &[
    PacketBufferSpec { name: "ipv4.hdr", help: "The IPv4 header with its options.", bytes: ipv4 },
    PacketBufferSpec { name: "ipv6.hdr", help: "The IPv6 header, 40 bytes.", bytes: ipv6 },
    PacketBufferSpec { name: "tcp.hdr", help: "The TCP header with its options.", bytes: tcp },
    PacketBufferSpec { name: "udp.hdr", help: "The UDP header, 8 bytes.", bytes: udp },
    PacketBufferSpec { name: "icmpv4.hdr", help: "The ICMP header, 8 bytes.", bytes: icmpv4 },
    PacketBufferSpec { name: "icmpv6.hdr", help: "The ICMPv6 header, 8 bytes.", bytes: icmpv6 },
];

/// Bytes of an ICMP header.
const ICMP_HEADER: usize = 8;

fn ipv4<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.net {
        Net::V4(ip) => Some(ip.header()),
        _ => None,
    }
}

fn ipv6<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.net {
        Net::V6(ip) => Some(ip.header()),
        _ => None,
    }
}

fn tcp<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    Some(packet.tcp()?.header())
}

fn udp<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.transport {
        Transport::Udp(udp) => Some(udp.header()),
        _ => None,
    }
}

fn icmpv4<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.transport {
        Transport::Icmp4(icmp) => Some(icmp_header(icmp.message())),
        _ => None,
    }
}

fn icmpv6<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.transport {
        Transport::Icmp6(icmp) => Some(icmp_header(icmp.message())),
        _ => None,
    }
}

fn icmp_header(message: &[u8]) -> &[u8] {
    message.get(..ICMP_HEADER).unwrap_or(message)
}

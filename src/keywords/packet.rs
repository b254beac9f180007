//! Buffers that are parts of a packet: its headers, options included.

use crate::decode::{Net, Packet, Transport};
use crate::detect::PacketBufferSpec;

/// Sticky buffers that a packet has.
pub static PACKET_BUFFERS: &[PacketBufferSpec] = &[
    PacketBufferSpec { name: "ip.src", help: "The source address, 4 or 16 bytes.", bytes: source },
    PacketBufferSpec { name: "ip.dst", help: "The destination address, 4 or 16 bytes.", bytes: destination },
    PacketBufferSpec { name: "ipv4.hdr", help: "The IPv4 header with its options.", bytes: ipv4 },
    PacketBufferSpec { name: "ipv6.hdr", help: "The IPv6 header with its extension headers.", bytes: ipv6 },
    PacketBufferSpec { name: "tcp.hdr", help: "The TCP header with its options.", bytes: tcp },
    PacketBufferSpec { name: "udp.hdr", help: "The UDP header, 8 bytes.", bytes: udp },
    PacketBufferSpec {
        name: "icmpv4.hdr",
        help: "The ICMP header: 8 bytes, more where its type has more fields.",
        bytes: icmpv4,
    },
    PacketBufferSpec { name: "icmpv6.hdr", help: "The ICMPv6 header, 8 bytes.", bytes: icmpv6 },
];

/// Bytes of an ICMP header.
const ICMP_HEADER: usize = 8;

fn source<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.net {
        Net::V4(ip) => ip.header().get(12..16),
        Net::V6(ip) => ip.headers().get(8..24),
        _ => None,
    }
}

fn destination<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.net {
        Net::V4(ip) => ip.header().get(16..20),
        Net::V6(ip) => ip.headers().get(24..40),
        _ => None,
    }
}

fn ipv4<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.net {
        Net::V4(ip) => Some(ip.header()),
        _ => None,
    }
}

fn ipv6<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.net {
        Net::V6(ip) => Some(ip.headers()),
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
        Transport::Icmp4(icmp) => {
            let message = icmp.message();
            let len = match *message {
                // router advertisement (RFC 1256): so many entries of so many words
                [9, _, _, _, entries, words, ..] => {
                    ICMP_HEADER + usize::from(entries) * usize::from(words) * 4
                }
                // timestamp and its reply (RFC 792): three times
                [13 | 14, ..] => ICMP_HEADER + 12,
                _ => ICMP_HEADER,
            };
            Some(message.get(..len).unwrap_or(message))
        }
        _ => None,
    }
}

fn icmpv6<'p>(packet: &'p Packet<'p>) -> Option<&'p [u8]> {
    match &packet.transport {
        Transport::Icmp6(icmp) => {
            let message = icmp.message();
            Some(message.get(..ICMP_HEADER).unwrap_or(message))
        }
        _ => None,
    }
}

//! Community ID v1: the same short text for a flow in every tool that sees it
//! (<https://github.com/corelight/community-id-spec>).

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::types::{Endpoint, Proto};

/// The identifier of the flow between two ends: `1:` and the base64 of a SHA-1. It is the same for both directions.
///
/// For ICMP and ICMPv6 the "ports" are type (source) and code (destination), as the specification has it; a type that has a
/// counterpart (echo and its reply) is mapped so that both messages get one identifier.
pub fn community_id(src: Endpoint, dest: Endpoint, proto: Proto, seed: u16) -> String {
    let (src_port, dest_port, one_way) = match proto {
        Proto::ICMP => icmp_ports(src.port, dest.port, &ICMP4_PAIRS),
        Proto::ICMPV6 => icmp_ports(src.port, dest.port, &ICMP6_PAIRS),
        _ => (src.port, dest.port, false),
    };
    let (mut low, mut high) = ((src.ip, src_port), (dest.ip, dest_port));
    if !one_way && (octets(&low.0).as_slice(), low.1) > (octets(&high.0).as_slice(), high.1) {
        (low, high) = (high, low);
    }
    let mut hash = Sha1::new();
    hash.update(seed.to_be_bytes());
    hash.update(octets(&low.0).as_slice());
    hash.update(octets(&high.0).as_slice());
    hash.update([proto.0, 0]);
    if has_ports(proto) {
        hash.update(low.1.to_be_bytes());
        hash.update(high.1.to_be_bytes());
    }
    let mut text = String::with_capacity(30);
    text.push_str("1:");
    STANDARD.encode_string(hash.finalize(), &mut text);
    text
}

/// ICMP types that ask, and the types that answer.
const ICMP4_PAIRS: [(u16, u16); 5] = [(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)];

/// The same for ICMPv6.
const ICMP6_PAIRS: [(u16, u16); 5] = [(128, 129), (133, 134), (135, 136), (130, 131), (144, 145)];

/// Type and code as ports; and whether the two directions must stay apart, for want of a counterpart.
fn icmp_ports(kind: u16, code: u16, pairs: &[(u16, u16)]) -> (u16, u16, bool) {
    for &(ask, answer) in pairs {
        if kind == ask {
            return (kind, answer, false);
        }
        if kind == answer {
            return (kind, ask, false);
        }
    }
    (kind, code, true)
}

fn has_ports(proto: Proto) -> bool {
    matches!(proto, Proto::TCP | Proto::UDP | Proto::SCTP | Proto::ICMP | Proto::ICMPV6)
}

/// The bytes of an address, without an allocation.
fn octets(ip: &IpAddr) -> smallvec::SmallVec<[u8; 16]> {
    match ip {
        IpAddr::V4(ip) => smallvec::SmallVec::from_slice(&ip.octets()),
        IpAddr::V6(ip) => smallvec::SmallVec::from_slice(&ip.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(proto: u8, src: (&str, u16), dest: (&str, u16), expected: &str) {
        let src = Endpoint { ip: src.0.parse().unwrap(), port: src.1 };
        let dest = Endpoint { ip: dest.0.parse().unwrap(), port: dest.1 };
        assert_eq!(community_id(src, dest, Proto(proto), 0), expected, "{proto} {src:?} {dest:?}");
    }

    #[test]
    fn both_directions_have_one_identifier() {
        for (a, b) in
            [(("66.59.111.190", 40264), ("172.28.2.3", 22)), (("172.28.2.3", 22), ("66.59.111.190", 40264))]
        {
            check(6, a, b, "1:GvEAhAEKkdnTWFCXuw7HpDevs2w=");
        }
        check(17, ("66.59.111.190", 123), ("18.26.4.105", 123), "1:veIAhY2jaBSkfqgIosmVNpCkTpE=");
        check(132, ("192.168.170.56", 7), ("192.168.170.8", 7), "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=");
        let udp6 = "1:jd7we2tWcFyqaF7oExrKdWD+ewM=";
        let (a, b) = (("2a00:d40:1:3:7aac:c0ff:fea7:d4c", 45931), ("2a00:1450:4001:803::1017", 443));
        check(17, a, b, udp6);
        check(17, b, a, udp6);
    }

    #[test]
    fn icmp_types_are_mapped_to_their_counterparts() {
        // (as recorded from the peer)
        for (kind, expected) in [
            (0, "1:E5tNYkCqpM09ZPfoLcq+JJj0QuQ="),
            (1, "1:ZswuDTYSRm5yGCbOLr2yRM6Mwl0="),
            (2, "1:sdvzRuTHmBLyBlS+VcE2jspUID8="),
            (8, "1:YcMyyWJfhc95EW1GfXt6jlZ3DiQ="),
            (9, "1:DYhYhWnv1hFRoB3VRnwSDthRB4g="),
            (10, "1:qhJTvE/Qez7ZPSOGlcKJAzRpSO0="),
            (13, "1:6zK3cgZa+RmEpj3VhWmGXnOWUZk="),
            (16, "1:+aoxZIkY0OuCwCZ+bbNV9kGNc5I="),
            (17, "1:pBxqyIdNW2nuGKUHpPBwrujq1iE="),
        ] {
            check(1, ("10.0.0.1", kind), ("10.0.0.2", 0), expected);
        }
        check(1, ("192.168.203.3", 8), ("192.168.203.5", 0), "1:U9XPoqOosLWVcR1iyZ86gSbNCdQ=");
        check(1, ("192.168.203.5", 0), ("192.168.203.3", 0), "1:U9XPoqOosLWVcR1iyZ86gSbNCdQ=");
        check(58, ("fe80::c001:2ff:fe40:0", 135), ("ff02::1:ffe4:0", 0), "1:WGdcJNUPg0Up4iwrslhgqZI8OS8=");
        check(
            58,
            ("fe80::c002:3ff:fee4:0", 136),
            ("fe80::c001:2ff:fe40:0", 0),
            "1:4DH0yK6yAYUdauvqhQg0A6+G16I=",
        );
        check(58, ("2001:bef::2", 1), ("2001:bef::a00:27ff:fe0d:5c3c", 0), "1:rKMtTKJt1ij0Rf6KMO0eiIc+fqM=");
    }

    #[test]
    fn the_seed_changes_it() {
        let end = |port| Endpoint { ip: "10.0.0.1".parse().unwrap(), port };
        let [a, b] = [0, 1].map(|seed| community_id(end(1), end(2), Proto::TCP, seed));
        assert_ne!(a, b);
        assert_eq!(b.len(), 30);
    }
}

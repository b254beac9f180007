//! The key of a flow: both ends in one order, so that both directions have the same key.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

use crate::decode::{Ipv4, Packet, Transport};
use crate::types::{Endpoint, Proto};

/// What makes packets one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// The addresses of the lower and of the higher end as numbers.
    ends: [u128; 2],
    /// Their ports, the lower end's first.
    ports: [u16; 2],
    vlans: [u16; 3],
    proto: Proto,
    /// Tunnel depth: a tunnelled packet is another flow than the same packet bare.
    depth: u8,
    v6: bool,
}

/// In few words: of IPv4, the most common, three.
impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [low, high] = self.ends;
        if self.v6 {
            state.write_u128(low);
            state.write_u128(high);
        } else {
            state.write_u64((low as u64) << 32 | high as u64);
        }
        let ports = u64::from(self.ports[0]) << 48 | u64::from(self.ports[1]) << 32;
        state.write_u64(ports | u64::from(self.depth) << 8 | u64::from(self.proto.0));
        let [one, two, three] = self.vlans.map(u64::from);
        state.write_u64(one << 32 | two << 16 | three);
    }
}

impl FlowKey {
    /// The VLANs that tell its network from others; zeros when they do not count.
    pub fn vlans(&self) -> [u16; 3] {
        self.vlans
    }

    /// The key of a packet; `None` for what has no flow (not IP, a fragment that is not whole).
    pub fn of(packet: &Packet<'_>, use_vlans: bool) -> Option<FlowKey> {
        if packet.is_fragment() {
            return None;
        }
        let (mut source, mut destination) = packet.ends()?;
        let mut proto = packet.proto()?;
        match &packet.transport {
            Transport::Icmp4(icmp) => {
                (source.port, destination.port) = icmp4_ports(icmp.kind(), icmp.code())?
            }
            Transport::Icmp6(icmp) => (source.port, destination.port) = icmp6_ports(icmp.kind(), icmp.code()),
            // of what has no ports, only ESP is a conversation: all else is seen packet by packet
            Transport::None if proto != Proto::ESP => return None,
            _ => {}
        }
        if let Transport::Icmp6(_) = packet.transport {
            proto = Proto::ICMPV6;
        }
        Some(FlowKey::between(source, destination, proto, packet, use_vlans))
    }

    /// The flow that an ICMP "destination unreachable" is about, and the sender of the packet that did not arrive, as the
    /// message quotes it (RFC 792).
    pub fn concerned(packet: &Packet<'_>, use_vlans: bool) -> Option<(FlowKey, Endpoint)> {
        let Transport::Icmp4(icmp) = &packet.transport else { return None };
        if icmp.kind() != 3 {
            return None;
        }
        let quoted = icmp.message().get(8..)?;
        let ip = Ipv4::new(quoted)?;
        if !matches!(ip.proto(), Proto::TCP | Proto::UDP | Proto::SCTP) || ip.fragment_offset() != 0 {
            return None;
        }
        let ports: &[u8; 4] = quoted.get(ip.header().len()..)?.first_chunk()?;
        let end = |ip: Ipv4Addr, high, low| Endpoint { ip: ip.into(), port: u16::from_be_bytes([high, low]) };
        let source = end(ip.source(), ports[0], ports[1]);
        let destination = end(ip.destination(), ports[2], ports[3]);
        Some((FlowKey::between(source, destination, ip.proto(), packet, use_vlans), source))
    }

    fn between(
        source: Endpoint,
        destination: Endpoint,
        proto: Proto,
        packet: &Packet<'_>,
        use_vlans: bool,
    ) -> FlowKey {
        let mut vlans = [0; 3];
        if use_vlans {
            for (slot, id) in vlans.iter_mut().zip(packet.vlans.as_slice()) {
                *slot = *id;
            }
        }
        let depth = packet.tunnel.map_or(0, |tunnel| tunnel.depth);
        let number = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(u32::from(ip)),
            IpAddr::V6(ip) => u128::from(ip),
        };
        let (from, to) = ((number(source.ip), source.port), (number(destination.ip), destination.port));
        let (low, high) = if from <= to { (from, to) } else { (to, from) };
        let v6 = source.ip.is_ipv6();
        FlowKey { ends: [low.0, high.0], ports: [low.1, high.1], vlans, proto, depth, v6 }
    }
}

/// Requests and replies of one pair of types share a key, whatever their identifiers: the port of the asking end is the
/// type of the request, that of the other end the type of the reply. Of other types each code is for itself. `None` for
/// errors: they are about another flow.
fn icmp4_ports(kind: u8, code: u8) -> Option<(u16, u16)> {
    const PAIRS: &[(u8, u8)] = &[(8, 0), (10, 9), (13, 14), (15, 16), (17, 18)];
    (!matches!(kind, 3..=5 | 11 | 12)).then(|| paired(PAIRS, kind, code))
}

fn icmp6_ports(kind: u8, code: u8) -> (u16, u16) {
    const PAIRS: &[(u8, u8)] =
        &[(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145), (146, 147)];
    paired(PAIRS, kind, code)
}

fn paired(pairs: &[(u8, u8)], kind: u8, code: u8) -> (u16, u16) {
    match pairs.iter().find(|(request, reply)| kind == *request || kind == *reply) {
        Some((request, reply)) if kind == *request => (u16::from(*request), u16::from(*reply)),
        Some((request, reply)) => (u16::from(*reply), u16::from(*request)),
        // a byte cannot be so much: no pair is met
        None => (0x100 | u16::from(kind), 0x100 | u16::from(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Frame, LinkType};
    use crate::decode::{DecodeConfig, Decoder, spread};
    use crate::types::{IfaceId, Timestamp};
    use crate::verdict::Verdict;

    fn ip(proto: u8, source: u8, destination: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 20 + body.len() as u8, 0, 1, 0, 0, 64, proto, 0, 0];
        bytes.extend([10, 0, 0, source, 10, 0, 0, destination]);
        bytes.extend(body);
        bytes
    }

    fn icmp(kind: u8, code: u8, id: u8, source: u8, destination: u8) -> Vec<u8> {
        ip(1, source, destination, &[kind, code, 0, 0, 0, id, 0, 1, 1, 2, 3, 4])
    }

    /// The key, the flow that is meant instead, and the worker of a packet.
    fn keys(bytes: &[u8]) -> (Option<FlowKey>, Option<(FlowKey, Endpoint)>, u64) {
        let frame = Frame {
            number: 1,
            timestamp: Timestamp::default(),
            iface: IfaceId::default(),
            link: LinkType(101),
            bytes,
            wire_len: bytes.len() as u32,
            checksums: true,
            changed: None,
        };
        let mut found = (None, None);
        let config = DecodeConfig { checksums: false, ..DecodeConfig::default() };
        Decoder::new(&config).decode(&frame, &mut |packet| {
            found = (FlowKey::of(packet, true), FlowKey::concerned(packet, true));
            Verdict::Forward
        });
        (found.0, found.1, spread(&frame))
    }

    fn key(bytes: &[u8]) -> Option<FlowKey> {
        keys(bytes).0
    }

    #[test]
    fn an_icmp_flow_is_request_and_reply_between_two_hosts() {
        let ping = key(&icmp(8, 0, 1, 1, 2));
        assert!(ping.is_some());
        assert_eq!(ping, key(&icmp(0, 0, 1, 2, 1)), "the reply");
        assert_eq!(ping, key(&icmp(8, 0, 9, 1, 2)), "another identifier");
        assert_ne!(ping, key(&icmp(8, 0, 1, 2, 1)), "the other host asks");
        assert_ne!(ping, key(&icmp(13, 0, 1, 1, 2)), "another question");
        assert_ne!(ping, key(&icmp(8, 0, 1, 1, 3)), "another host");
        assert_ne!(key(&icmp(40, 1, 1, 1, 2)), key(&icmp(40, 2, 1, 1, 2)), "no pair: by code");
        for error in [3, 4, 5, 11, 12] {
            assert_eq!(key(&icmp(error, 0, 1, 1, 2)), None, "type {error}");
        }
    }

    #[test]
    fn what_has_no_ports_has_no_flow() {
        let body = [0; 24];
        for proto in [2, 47, 51, 89, 103, 112, 253] {
            assert_eq!(key(&ip(proto, 1, 2, &body)), None, "protocol {proto}");
        }
        assert!(key(&ip(50, 1, 2, &body)).is_some(), "ESP");
    }

    #[test]
    fn an_unreachable_is_about_the_flow_that_it_quotes() {
        let datagram = ip(17, 1, 2, &[0x13, 0x88, 0, 53, 0, 9, 0, 0, 7]);
        let (own, none, worker) = keys(&datagram);
        assert_eq!(none, None);
        let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
        message.extend(&datagram);
        // of the host itself, and of a router on the way
        for reporter in [2, 77] {
            let (key, about, same_worker) = keys(&ip(1, reporter, 1, &message));
            assert_eq!(key, None);
            let (about, sender) = about.expect("a quoted flow");
            assert_eq!((Some(about), sender.port), (own, 5000));
            assert_eq!(worker, same_worker);
        }
        for cut in 0..message.len() - 5 {
            let (_, about, _) = keys(&ip(1, 2, 1, &message[..cut]));
            assert!(about.is_none(), "cut at {cut}");
        }
    }
}

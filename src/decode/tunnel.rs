//! Tunnels: what is found here becomes a packet of its own after the packet that carries it.

use super::counters::Counter;
use super::decoder::{Decoder, Inner, Next, be16, be32};
use super::events::DecodeEvent as E;
use super::link::ether;
use super::packet::{Net, Packet, TunnelKind};

impl Decoder {
    pub(super) fn ipv4_in_ipv4<'a>(&mut self, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Ipv4InIpv4);
        Next::Carried(TunnelKind::Ipv4InIpv4, Inner::EtherType(ether::IPV4), bytes)
    }

    pub(super) fn ipv6_in_ipv4<'a>(&mut self, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Ipv6InIpv4);
        Next::Carried(TunnelKind::Ipv6InIpv4, Inner::EtherType(ether::IPV6), bytes)
    }

    pub(super) fn ipv4_in_ipv6<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        if bytes.len() < 20 {
            p.events.set(E::Ipv6Ipv4InIpv6TooSmall);
            return Next::None;
        }
        if bytes[0] >> 4 != 4 {
            p.events.set(E::Ipv6Ipv4InIpv6WrongVersion);
            return Next::None;
        }
        self.counters.bump(Counter::Ipv4InIpv6);
        Next::Carried(TunnelKind::Ipv4InIpv6, Inner::EtherType(ether::IPV4), bytes)
    }

    pub(super) fn ipv6_in_ipv6<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        // Behind extension headers only what is whole is taken for a packet.
        let extended = matches!(&p.net, Net::V6(ip) if !ip.extensions().is_empty());
        if extended && (bytes.len() < 40 || bytes[0] >> 4 != 6) {
            p.events.set(E::Ipv6UnknownNextHeader);
            return Next::None;
        }
        if bytes.len() < 40 {
            p.events.set(E::Ipv6Ipv6InIpv6TooSmall);
            return Next::None;
        }
        if bytes[0] >> 4 != 6 {
            p.events.set(E::Ipv6Ipv6InIpv6WrongVersion);
            return Next::None;
        }
        self.counters.bump(Counter::Ipv6InIpv6);
        Next::Carried(TunnelKind::Ipv6InIpv6, Inner::EtherType(ether::IPV6), bytes)
    }

    /// GRE versions 0 (RFC 2784, RFC 2890, with the routing of RFC 1701) and 1 (PPTP, RFC 2637).
    pub(super) fn gre<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Gre);
        let Some(&[first, second, k0, k1]) = bytes.first_chunk::<4>() else {
            return self.fail(p, E::GrePktTooSmall);
        };
        let kind = u16::from_be_bytes([k0, k1]);
        let checksum = first & 0x80 != 0;
        let routing = first & 0x40 != 0;
        let key = first & 0x20 != 0;
        let sequence = first & 0x10 != 0;
        let strict_route = first & 0x08 != 0;
        let recursion = first & 0x07 != 0;
        let len = match second & 0x07 {
            0 => {
                if recursion {
                    return self.fail(p, E::GreVersion0Recur);
                }
                if second >> 3 != 0 {
                    return self.fail(p, E::GreVersion0Flags);
                }
                let mut len = 4;
                if checksum || routing {
                    len += 4;
                }
                len += 4 * (usize::from(key) + usize::from(sequence));
                if bytes.len() < len {
                    return self.fail(p, E::GreVersion0HdrTooBig);
                }
                if routing {
                    match source_route(bytes, len) {
                        Some(end) => len = end,
                        None => return self.fail(p, E::GreVersion0MalformedSreHdr),
                    }
                }
                len
            }
            1 => {
                let events = [
                    (checksum, E::GreVersion1Chksum),
                    (routing, E::GreVersion1Route),
                    (strict_route, E::GreVersion1Ssr),
                    (recursion, E::GreVersion1Recur),
                    (second & 0x78 != 0, E::GreVersion1Flags),
                    (kind != 0x880b, E::GreVersion1WrongProtocol),
                    (!key, E::GreVersion1NoKey),
                ];
                if let Some((_, event)) = events.into_iter().find(|(wrong, _)| *wrong) {
                    return self.fail(p, event);
                }
                let acknowledged = second & 0x80 != 0;
                8 + 4 * (usize::from(sequence) + usize::from(acknowledged))
            }
            _ => return self.fail(p, E::GreWrongVersion),
        };
        let Some(carried) = bytes.get(len..) else {
            return self
                .fail(p, if second & 7 == 0 { E::GreVersion0HdrTooBig } else { E::GreVersion1HdrTooBig });
        };
        match kind {
            0x880b if carried.is_empty() => Next::None,
            0x880b => Next::Carried(TunnelKind::Gre, Inner::Ppp, carried),
            0x88be if sequence => self.erspan(p, carried, 8, 1),
            0x88be if self.config.erspan_type1 => {
                self.counters.bump(Counter::Erspan);
                Next::Carried(TunnelKind::Erspan, Inner::EtherType(ether::BRIDGED), carried)
            }
            0x22eb => self.erspan(p, carried, 12, 2),
            ether::IPV4
            | ether::IPV6
            | ether::ARP
            | ether::VLAN
            | ether::QINQ
            | ether::BRIDGED
            | ether::MPLS
            | ether::MPLS_MULTICAST
            | ether::NSH => Next::Carried(TunnelKind::Gre, Inner::EtherType(kind), carried),
            _ => Next::None,
        }
    }

    /// ERSPAN types II and III (draft-foschiano-erspan): the header's version says which.
    fn erspan<'a>(
        &mut self,
        p: &mut Packet<'a>,
        bytes: &'a [u8],
        header_len: usize,
        version: u8,
    ) -> Next<'a> {
        self.counters.bump(Counter::Erspan);
        let Some(mut frame) = bytes.get(header_len..) else { return self.fail(p, E::ErspanHeaderTooSmall) };
        if bytes.first().map(|first| first >> 4) != Some(version) {
            // Type III is newer than the event.
            return if version == 1 { self.fail(p, E::ErspanUnsupportedVersion) } else { Next::None };
        }
        // Type III may have eight bytes more for its platform.
        if version == 2 && bytes.get(11).is_some_and(|flags| flags & 1 != 0) {
            let Some(rest) = frame.get(8..) else { return self.fail(p, E::ErspanHeaderTooSmall) };
            frame = rest;
        }
        Next::Carried(TunnelKind::Erspan, Inner::EtherType(ether::BRIDGED), frame)
    }

    /// Tunnels over UDP, known by their ports.
    #[inline]
    pub(super) fn udp_tunnel<'a>(&mut self, p: &mut Packet<'a>, source: u16, destination: u16) -> Next<'a> {
        let teredo = self.config.teredo.holds(destination) || self.config.teredo.holds(source);
        if teredo && let Some(inner) = teredo_payload(p.payload) {
            self.counters.bump(Counter::Teredo);
            return Next::Carried(TunnelKind::Teredo, Inner::EtherType(ether::IPV6), inner);
        }
        if self.config.geneve_ports.contains(&destination) {
            return self.geneve(p);
        }
        if self.config.vxlan_ports.contains(&destination) {
            return self.vxlan(p);
        }
        Next::None
    }

    /// RFC 7348: flags with the I bit, 24 bits of network identifier, then Ethernet.
    fn vxlan<'a>(&mut self, p: &mut Packet<'a>) -> Next<'a> {
        let Some((header, frame)) = p.payload.split_first_chunk::<8>() else { return Next::None };
        if header[0] & 0x08 == 0 {
            return Next::None;
        }
        let Some(kind) = be16(frame, 12) else { return Next::None };
        if !known(kind) {
            p.events.set(E::VxlanUnknownPayloadType);
            return Next::None;
        }
        self.counters.bump(Counter::Vxlan);
        Next::Carried(TunnelKind::Vxlan, Inner::EtherType(ether::BRIDGED), frame)
    }

    /// RFC 8926: version 0, options of four-byte units, an Ethernet type.
    fn geneve<'a>(&mut self, p: &mut Packet<'a>) -> Next<'a> {
        let (Some(&first), Some(kind)) = (p.payload.first(), be16(p.payload, 2)) else { return Next::None };
        if first >> 6 != 0 {
            return Next::None;
        }
        let Some(carried) = p.payload.get(8 + usize::from(first & 0x3f) * 4..) else { return Next::None };
        if !known(kind) {
            p.events.set(E::GeneveUnknownPayloadType);
            return Next::None;
        }
        self.counters.bump(Counter::Geneve);
        Next::Carried(TunnelKind::Geneve, Inner::EtherType(kind), carried)
    }
}

/// An Ethernet type that can be decoded.
fn known(kind: u16) -> bool {
    matches!(
        kind,
        ether::IPV4
            | ether::IPV6
            | ether::ARP
            | ether::VLAN
            | ether::QINQ
            | ether::QINQ_OLD
            | ether::BRIDGED
            | ether::MPLS
            | ether::MPLS_MULTICAST
            | ether::PPPOE_SESSION
            | ether::PPPOE_DISCOVERY
            | ether::NSH
            | ether::I_TAG
            | ether::VN_TAG
            | ether::DCE
    )
}

/// The IPv6 packet in a Teredo payload (RFC 4380, section 5.1.1), where it is plausible: an authentication header and an
/// origin indication may precede it, and its length must be that of what is there.
fn teredo_payload(payload: &[u8]) -> Option<&[u8]> {
    let mut rest = payload;
    if rest.starts_with(&[0, 1]) {
        let (client, auth) = (*rest.get(2)?, *rest.get(3)?);
        rest = rest.get(4 + usize::from(client) + usize::from(auth) + 9..)?;
    }
    if rest.starts_with(&[0, 0]) {
        rest = rest.get(8..)?;
    }
    let header = rest.first_chunk::<40>()?;
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    (header[0] >> 4 == 6 && len + 40 <= rest.len()).then_some(rest)
}

/// The end of a GRE source route that begins at `at` (RFC 1701): entries of family, offset and length, a null one last.
fn source_route(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let family = be16(bytes, at)?;
        let len = usize::from(*bytes.get(at + 3)?);
        be32(bytes, at)?;
        at += 4 + len;
        if bytes.len() < at {
            return None;
        }
        if family == 0 && len == 0 {
            return Some(at);
        }
    }
}

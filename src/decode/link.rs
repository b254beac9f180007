//! Link layers, and what stands between them and IP: VLAN, MPLS, PPP, NSH and the like.

use super::counters::Counter;
use super::decoder::{Decoder, Next, be16, be32, from};
use super::events::DecodeEvent as E;
use super::packet::{Net, Packet};
use crate::capture::LinkType;

pub(super) mod ether {
    //! Ethernet types (IANA "IEEE 802 Numbers").
    pub(in crate::decode) const IPV4: u16 = 0x0800;
    pub(in crate::decode) const ARP: u16 = 0x0806;
    pub(in crate::decode) const BRIDGED: u16 = 0x6558;
    pub(in crate::decode) const VLAN: u16 = 0x8100;
    pub(in crate::decode) const IPV6: u16 = 0x86dd;
    pub(in crate::decode) const MPLS: u16 = 0x8847;
    pub(in crate::decode) const MPLS_MULTICAST: u16 = 0x8848;
    pub(in crate::decode) const PPPOE_DISCOVERY: u16 = 0x8863;
    pub(in crate::decode) const PPPOE_SESSION: u16 = 0x8864;
    pub(in crate::decode) const QINQ: u16 = 0x88a8;
    pub(in crate::decode) const I_TAG: u16 = 0x88e7;
    pub(in crate::decode) const DCE: u16 = 0x8903;
    pub(in crate::decode) const VN_TAG: u16 = 0x8926;
    pub(in crate::decode) const NSH: u16 = 0x894f;
    pub(in crate::decode) const QINQ_OLD: u16 = 0x9100;
}

impl Decoder {
    /// A frame by its link type.
    pub(super) fn link<'a>(&mut self, p: &mut Packet<'a>, link: LinkType, bytes: &'a [u8]) -> Next<'a> {
        match link.0 {
            1 => self.ethernet(p, bytes),
            0 | 108 => self.null(p, bytes, link.0 == 108),
            9 => self.ppp(p, bytes),
            50 | 104 => self.hdlc(p, bytes),
            51 => self.pppoe_session(p, bytes),
            12 | 14 | 101 | 228 | 229 => self.raw(p, bytes),
            113 => self.cooked(p, bytes, 16, 14, Counter::Sll, E::SllPktTooSmall),
            276 => self.cooked(p, bytes, 20, 0, Counter::Sll2, E::Sll2PktTooSmall),
            _ => {
                self.unsupported(link);
                Next::None
            }
        }
    }

    /// Ethernet II (DLT 1, and inside tunnels).
    pub(super) fn ethernet<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Ethernet);
        if !self.enter(p) {
            return Next::None;
        }
        let Some((header, rest)) = bytes.split_first_chunk::<14>() else {
            return self.fail(p, E::EthernetPktTooSmall);
        };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, kind @ ..] = *header;
        p.ethernet = Some([[d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]]);
        self.ether_type(p, u16::from_be_bytes(kind), rest).unwrap_or(Next::None)
    }

    /// What follows an Ethernet type; `None` (and counted) when the type is not known.
    pub(super) fn ether_type<'a>(
        &mut self,
        p: &mut Packet<'a>,
        kind: u16,
        rest: &'a [u8],
    ) -> Option<Next<'a>> {
        Some(match kind {
            ether::IPV4 => self.ipv4(p, rest),
            ether::IPV6 => self.ipv6(p, rest),
            ether::ARP => self.arp(p, rest),
            ether::VLAN | ether::QINQ | ether::QINQ_OLD => self.vlan(p, rest),
            ether::MPLS | ether::MPLS_MULTICAST => self.mpls(p, rest),
            ether::PPPOE_SESSION => self.pppoe_session(p, rest),
            ether::PPPOE_DISCOVERY => self.pppoe_discovery(p, rest),
            ether::NSH => self.nsh(p, rest),
            ether::I_TAG => self.i_tag(p, rest),
            ether::VN_TAG => self.vn_tag(p, rest),
            ether::DCE => self.dce(p, rest),
            ether::BRIDGED => self.ethernet(p, rest),
            _ => {
                self.counters.bump(Counter::UnknownEthertype);
                p.events.set(E::EthernetUnknownEthertype);
                return None;
            }
        })
    }

    fn arp<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Arp);
        p.net = Net::Arp(bytes);
        if bytes.len() < 28 {
            p.events.set(E::ArpPktTooSmall);
            return Next::None;
        }
        for (wrong, event) in [
            (be16(bytes, 0) != Some(1), E::ArpUnsupportedHardware),
            (be16(bytes, 2) != Some(ether::IPV4), E::ArpUnsupportedProtocol),
            (bytes.get(4) != Some(&6), E::ArpInvalidHardwareSize),
            (bytes.get(5) != Some(&4), E::ArpInvalidProtocolSize),
            (!matches!(be16(bytes, 6), Some(1..=10)), E::ArpUnsupportedOpcode),
        ] {
            if wrong {
                p.events.set(event);
            }
        }
        Next::None
    }

    /// IEEE 802.1Q and 802.1ad, three tags at most.
    fn vlan<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(match p.vlans.as_slice().len() {
            0 => Counter::Vlan,
            1 => Counter::VlanQinq,
            _ => Counter::VlanQinqinq,
        });
        if !self.enter(p) {
            return Next::None;
        }
        let (Some(tag), Some(kind)) = (be16(bytes, 0), be16(bytes, 2)) else {
            return self.fail(p, E::VlanHeaderTooSmall);
        };
        if !p.vlans.push(tag) {
            return self.fail(p, E::VlanTooManyLayers);
        }
        match self.ether_type(p, kind, from(bytes, 4)) {
            Some(next) => next,
            None => self.fail(p, E::VlanUnknownType),
        }
    }

    /// IEEE 802.1ah: a service tag, then the customer's frame.
    fn i_tag<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Ieee8021ah);
        if bytes.len() < 18 {
            return self.fail(p, E::Ieee8021ahHeaderTooSmall);
        }
        let Some(kind) = be16(bytes, 16) else { return Next::None };
        if !self.enter(p) {
            return Next::None;
        }
        self.ether_type(p, kind, from(bytes, 18)).unwrap_or(Next::None)
    }

    /// Cisco VN-Tag (IEEE 802.1BR's ancestor): six bytes, the Ethernet type last.
    fn vn_tag<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Vntag);
        if !self.enter(p) {
            return Next::None;
        }
        let Some(kind) = be16(bytes, 4) else { return self.fail(p, E::VntagHeaderTooSmall) };
        match self.ether_type(p, kind, from(bytes, 6)) {
            Some(next) => next,
            None => self.fail(p, E::VntagUnknownType),
        }
    }

    /// Cisco FabricPath (DCE): a tag of two bytes, then the frame.
    fn dce<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        match bytes.get(2..) {
            Some(frame) if frame.len() >= 14 => self.ethernet(p, frame),
            _ => self.fail(p, E::DcePktTooSmall),
        }
    }

    /// MPLS label stack, RFC 3032; what is below it is guessed from its first nibble, as there is no type.
    pub(super) fn mpls<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Mpls);
        if !self.enter(p) {
            return Next::None;
        }
        let mut rest = bytes;
        let label = loop {
            let Some(shim) = be32(rest, 0) else { return self.fail(p, E::MplsHeaderTooSmall) };
            rest = from(rest, 4);
            if shim & 0x100 != 0 {
                break shim >> 12;
            }
        };
        match label {
            0 => return self.ipv4(p, rest),
            1 => return self.fail(p, E::MplsBadLabelRouterAlert),
            2 => return self.ipv6(p, rest),
            3 => return self.fail(p, E::MplsBadLabelImplicitNull),
            4..=15 => return self.fail(p, E::MplsBadLabelReserved),
            _ => {}
        }
        if rest.len() < 4 {
            return self.fail(p, E::MplsPktTooSmall);
        }
        match rest.first().map(|first| first >> 4) {
            Some(4) => self.ipv4(p, rest),
            Some(6) => self.ipv6(p, rest),
            // A pseudo-wire's control word, RFC 4385.
            Some(0) => self.ethernet(p, from(rest, 4)),
            _ => self.fail(p, E::MplsUnknownPayloadType),
        }
    }

    /// Network service header, RFC 8300.
    pub(super) fn nsh<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Nsh);
        if !self.enter(p) {
            return Next::None;
        }
        let Some(&[first, second, third, next_protocol, ..]) = bytes.first_chunk::<8>() else {
            return self.fail(p, E::NshHeaderTooSmall);
        };
        if first >> 6 != 0 {
            return self.fail(p, E::NshUnsupportedVersion);
        }
        let (len, metadata) = (usize::from(second & 0x3f) * 4, third & 0x0f);
        if len < 8 || len > bytes.len() {
            return self.fail(p, E::NshBadHeaderLength);
        }
        match metadata {
            1 if len != 24 => return self.fail(p, E::NshBadHeaderLength),
            1 | 2 => {}
            0 | 15 => return self.fail(p, E::NshReservedType),
            _ => return self.fail(p, E::NshUnsupportedType),
        }
        let rest = from(bytes, len);
        match next_protocol {
            1 => self.ipv4(p, rest),
            2 => self.ipv6(p, rest),
            3 => self.ethernet(p, rest),
            4 => self.nsh(p, rest),
            5 => self.mpls(p, rest),
            _ => self.fail(p, E::NshUnknownPayload),
        }
    }

    /// PPPoE session stage, RFC 2516.
    fn pppoe_session<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Pppoe);
        if !self.enter(p) {
            return Next::None;
        }
        let Some(protocol) = be16(bytes, 6) else { return self.fail(p, E::PppoePktTooSmall) };
        // Compressed protocol fields (one byte, odd) are seen in the wild.
        if protocol & 0x0100 != 0 {
            return self.ppp_payload(p, protocol >> 8, from(bytes, 7));
        }
        self.ppp_payload(p, protocol, from(bytes, 8))
    }

    /// PPPoE discovery stage: only its shape is looked at.
    fn pppoe_discovery<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Pppoe);
        let (Some(&code), Some(len)) = (bytes.get(1), be16(bytes, 4)) else {
            return self.fail(p, E::PppoePktTooSmall);
        };
        // PADI, PADO, PADR, PADS, PADT.
        if !matches!(code, 0x09 | 0x07 | 0x19 | 0x65 | 0xa7) {
            return self.fail(p, E::PppoeWrongCode);
        }
        let tags = from(bytes, 6).get(..usize::from(len));
        let Some(mut tags) = tags else { return self.fail(p, E::PppoeMalformedTags) };
        while let (Some(kind), Some(len)) = (be16(tags, 0), be16(tags, 2)) {
            if kind == 0 {
                return Next::None;
            }
            tags = from(tags, 4 + usize::from(len));
        }
        Next::None
    }

    /// PPP, RFC 1661, with the address and control bytes of RFC 1662 or without them.
    pub(super) fn ppp<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Ppp);
        if !self.enter(p) {
            return Next::None;
        }
        let rest = if bytes.first() == Some(&0xff) { from(bytes, 2) } else { bytes };
        match rest {
            // Cisco's framing where PPP was promised.
            [0x0f | 0x8f, _, _, _, ..] => {
                p.events.set(E::PppUnsupProto);
                Next::None
            }
            [first, rest @ ..] if first & 1 != 0 => self.ppp_payload(p, u16::from(*first), rest),
            [first, second, rest @ ..] => self.ppp_payload(p, u16::from_be_bytes([*first, *second]), rest),
            _ => self.fail(p, E::PppPktTooSmall),
        }
    }

    fn ppp_payload<'a>(&mut self, p: &mut Packet<'a>, protocol: u16, rest: &'a [u8]) -> Next<'a> {
        match protocol {
            0x0021 if rest.len() < 20 => self.fail(p, E::PppIp4PktTooSmall),
            0x0021 => self.ipv4(p, rest),
            0x0057 if rest.len() < 40 => self.fail(p, E::PppIp6PktTooSmall),
            0x0057 => self.ipv6(p, rest),
            // Van Jacobson, uncompressed: an IPv4 header whose protocol field holds a connection number (RFC 1144).
            0x002f if rest.len() < 20 => self.fail(p, E::PppVjuPktTooSmall),
            0x002f if rest.first().is_some_and(|first| first >> 4 == 4) => self.ipv4(p, rest),
            0x002f => Next::None,
            // Protocols that are known (IANA "PPP Numbers") and hold nothing to inspect here.
            0x0023 | 0x0025 | 0x0027 | 0x0029 | 0x002b | 0x002d | 0x0031 | 0x0033 | 0x0035 | 0x0201
            | 0x0231 | 0x0233 | 0x0281 | 0x0283 | 0x8021 | 0x8023 | 0x8025 | 0x8027 | 0x8029 | 0x802b
            | 0x8033 | 0x8035 | 0x8057 | 0x8281 | 0xc021 | 0xc023 | 0xc025 | 0xc223 => {
                p.events.set(E::PppUnsupProto);
                Next::None
            }
            _ => self.fail(p, E::PppWrongType),
        }
    }

    /// Cisco HDLC, or PPP in HDLC-like framing, told apart by the address byte.
    fn hdlc<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        if bytes.starts_with(&[0xff, 0x03]) {
            return self.ppp(p, bytes);
        }
        self.counters.bump(Counter::Chdlc);
        if !self.enter(p) {
            return Next::None;
        }
        let Some(kind) = be16(bytes, 2) else { return self.fail(p, E::ChdlcPktTooSmall) };
        self.ether_type(p, kind, from(bytes, 4)).unwrap_or(Next::None)
    }

    /// BSD loopback: an address family in the byte order of the capturing host, or of the network for `LOOP`.
    fn null<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8], network_order: bool) -> Next<'a> {
        self.counters.bump(Counter::Null);
        if !self.enter(p) {
            return Next::None;
        }
        let Some(family) = be32(bytes, 0) else { return self.fail(p, E::LtnullPktTooSmall) };
        // Families are small numbers: in a foreign byte order only the upper half is used.
        let family = if !network_order && family > 0xffff { family.swap_bytes() } else { family };
        let rest = from(bytes, 4);
        match family {
            2 => self.ipv4(p, rest),
            // Linux, NetBSD/OpenBSD, Solaris, FreeBSD, Darwin.
            10 | 24 | 26 | 28 | 30 => self.ipv6(p, rest),
            _ => self.fail(p, E::LtnullUnsupportedType),
        }
    }

    /// IP without a link layer.
    fn raw<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Raw);
        if !self.enter(p) {
            return Next::None;
        }
        match bytes.first().map(|first| first >> 4) {
            _ if bytes.len() < 20 => self.fail(p, E::Ipv4PktTooSmall),
            Some(4) => self.ipv4(p, bytes),
            Some(6) => self.ipv6(p, bytes),
            _ => self.fail(p, E::IprawInvalidIpVersion),
        }
    }

    /// Linux "cooked" capture: a header of `len` bytes with the Ethernet type at `kind_at`.
    fn cooked<'a>(
        &mut self,
        p: &mut Packet<'a>,
        bytes: &'a [u8],
        len: usize,
        kind_at: usize,
        counter: Counter,
        too_small: E,
    ) -> Next<'a> {
        self.counters.bump(counter);
        if !self.enter(p) {
            return Next::None;
        }
        let (Some(rest), Some(kind)) = (bytes.get(len..), be16(bytes, kind_at)) else {
            return self.fail(p, too_small);
        };
        self.ether_type(p, kind, rest).unwrap_or(Next::None)
    }
}

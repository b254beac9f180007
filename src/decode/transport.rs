//! What IP carries: TCP, UDP, ICMP, SCTP, ESP; tunnels are passed on to their own file.

use super::checksum::Sum;
use super::counters::Counter;
use super::decoder::{Decoder, Next, be16, be32, from};
use super::events::DecodeEvent as E;
use super::packet::{Icmp, Net, Packet, Sctp, Tcp, TcpOptions, Transport, Udp};
use crate::types::Proto;

impl Decoder {
    /// The payload of an IP header. `verify` is false when the checksum cannot be known to be wrong.
    #[inline]
    pub(super) fn transport<'a>(
        &mut self,
        p: &mut Packet<'a>,
        proto: Proto,
        bytes: &'a [u8],
        verify: bool,
    ) -> Next<'a> {
        let verify = verify && self.checksums;
        let v4 = matches!(p.net, Net::V4(_));
        match proto {
            Proto::TCP => self.tcp(p, bytes, verify),
            Proto::UDP => self.udp(p, bytes, verify),
            Proto::ICMP if v4 => self.icmp4(p, bytes, verify),
            Proto::ICMPV6 if !v4 => self.icmp6(p, bytes, verify),
            Proto::ICMP | Proto::ICMPV6 => self.misplaced(p, proto),
            Proto::SCTP => self.sctp(p, bytes),
            Proto::ESP => self.esp(p, bytes),
            Proto::GRE => self.gre(p, bytes),
            Proto::IGMP if v4 => {
                self.counters.bump(Counter::Igmp);
                Next::None
            }
            Proto(4) if v4 => self.ipv4_in_ipv4(bytes),
            Proto(41) if v4 => self.ipv6_in_ipv4(bytes),
            Proto(4) => self.ipv4_in_ipv6(p, bytes),
            Proto(41) => self.ipv6_in_ipv6(p, bytes),
            _ if v4 => Next::None,
            _ => {
                p.events.set(E::Ipv6UnknownNextHeader);
                Next::None
            }
        }
    }

    fn tcp<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8], verify: bool) -> Next<'a> {
        self.counters.bump(Counter::Tcp);
        p.payload = &[];
        let Some(fixed) = bytes.first_chunk::<20>() else { return self.fail(p, E::TcpPktTooSmall) };
        let header_len = usize::from(fixed[12] >> 4) * 4;
        if header_len < 20 {
            return self.fail(p, E::TcpInvalidOptlen);
        }
        let Some((header, payload)) = bytes.split_at_checked(header_len) else {
            return self.fail(p, E::TcpHlenTooSmall);
        };
        let options = if header_len > 20 { tcp_options(p, from(header, 20)) } else { TcpOptions::default() };
        let checksum_ok =
            self.checksum(!verify || pseudo(&p.net, Proto::TCP, bytes.len()).bytes(bytes).is_right());
        if let Some(tcp) = Tcp::new(header, options, checksum_ok) {
            p.transport = Transport::Tcp(tcp);
            p.payload = payload;
        }
        Next::None
    }

    fn udp<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8], verify: bool) -> Next<'a> {
        self.counters.bump(Counter::Udp);
        p.payload = &[];
        let Some(fixed) = bytes.first_chunk::<8>() else { return self.fail(p, E::UdpHlenTooSmall) };
        let len = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        if len < 8 {
            return self.fail(p, E::UdpLenInvalid);
        }
        let Some(datagram) = bytes.get(..len) else { return self.fail(p, E::UdpPktTooSmall) };
        let sent = fixed[6] | fixed[7] != 0;
        let right = !verify || !sent || pseudo(&p.net, Proto::UDP, len).bytes(datagram).is_right();
        let checksum_ok = self.checksum(right);
        let Some(udp) = Udp::new(datagram, checksum_ok) else { return Next::None };
        p.transport = Transport::Udp(udp);
        p.payload = from(datagram, 8);
        self.udp_tunnel(p, udp.source_port(), udp.destination_port())
    }

    fn icmp4<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8], verify: bool) -> Next<'a> {
        self.counters.bump(Counter::Icmpv4);
        p.payload = &[];
        let Some(&[kind, code, ..]) = bytes.first_chunk::<8>() else {
            return self.fail(p, E::Icmpv4PktTooSmall);
        };
        let codes_max = match kind {
            0 | 4 | 8 | 12..=18 => Some(0),
            3 => Some(15),
            5 => Some(3),
            9 => Some(255),
            11 => Some(1),
            _ => None,
        };
        let known = codes_max.is_some_and(|max| code <= max);
        match codes_max {
            None => p.events.set(E::Icmpv4UnknownType),
            Some(_) if !known => p.events.set(E::Icmpv4UnknownCode),
            Some(_) => {}
        }
        // what a code that nobody knows carries is unknown too
        if known && matches!(kind, 3 | 4 | 5 | 11 | 12) {
            let embedded = from(bytes, 8);
            if (1..20).contains(&embedded.len()) {
                p.events.set(E::Icmpv4Ipv4TruncPkt);
            } else if embedded.first().is_some_and(|first| first >> 4 != 4) {
                p.events.set(E::Icmpv4Ipv4UnknownVer);
            }
        }
        let checksum_ok = self.checksum(!verify || Sum::default().bytes(bytes).is_right());
        if let Some(icmp) = Icmp::new(bytes, checksum_ok) {
            p.transport = Transport::Icmp4(icmp);
            p.payload = from(bytes, 8);
        }
        Next::None
    }

    fn icmp6<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8], verify: bool) -> Next<'a> {
        self.counters.bump(Counter::Icmpv6);
        p.payload = &[];
        let Some(&[kind, code, ..]) = bytes.first_chunk::<8>() else {
            return self.fail(p, E::Icmpv6PktTooSmall);
        };
        let codes_max = match kind {
            1 => Some(6),
            2 | 128..=137 | 141..=149 | 154 | 156..=159 => Some(0),
            3 => Some(1),
            4 | 139 | 140 => Some(2),
            138 if code == 255 => None,
            138 => Some(2),
            155 => Some(3),
            150..=153 => None,
            0 | 127 => {
                p.events.set(E::Icmpv6UnknownType);
                None
            }
            100 | 101 | 200 | 201 => {
                p.events.set(E::Icmpv6ExperimentationType);
                None
            }
            _ => {
                p.events.set(E::Icmpv6UnassignedType);
                None
            }
        };
        let code_known = codes_max.is_none_or(|max| code <= max);
        if !code_known {
            p.events.set(E::Icmpv6UnknownCode);
        }
        let hop_limit = if let Net::V6(ip) = &p.net { ip.hop_limit() } else { 0 };
        if matches!(kind, 130..=132) && hop_limit != 1 {
            p.events.set(E::Icmpv6MldMessageWithInvalidHl);
        }
        if matches!(kind, 1..=4) && code_known {
            let embedded = from(bytes, 8);
            if embedded.len() < 40 {
                p.events.set(E::Icmpv6Ipv6TruncPkt);
            } else if embedded[0] >> 4 != 6 {
                p.events.set(E::Icmpv6Ipv6UnknownVersion);
            }
        }
        let right = !verify || pseudo(&p.net, Proto::ICMPV6, bytes.len()).bytes(bytes).is_right();
        let checksum_ok = self.checksum(right);
        if let Some(icmp) = Icmp::new(bytes, checksum_ok) {
            p.transport = Transport::Icmp6(icmp);
            p.payload = from(bytes, 8);
        }
        Next::None
    }

    fn sctp<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Sctp);
        p.payload = &[];
        let Some(sctp) = Sctp::new(bytes) else { return self.fail(p, E::SctpPktTooSmall) };
        p.transport = Transport::Sctp(sctp);
        p.payload = from(bytes, 12);
        Next::None
    }

    fn esp<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Esp);
        p.payload = &[];
        if bytes.len() < 8 {
            return self.fail(p, E::EspPktTooSmall);
        }
        p.payload = from(bytes, 8);
        Next::None
    }

    #[inline]
    fn checksum(&mut self, right: bool) -> bool {
        if !right {
            self.counters.bump(Counter::BadChecksum);
        }
        right
    }
}

/// The pseudo header of a transport checksum (RFC 9293, section 3.1; RFC 8200, section 8.1).
#[inline]
pub(super) fn pseudo(net: &Net<'_>, proto: Proto, len: usize) -> Sum {
    let sum = Sum::default().word(u16::from(proto.0)).word(len as u16).word((len >> 16) as u16);
    match net {
        Net::V4(ip) => sum.bytes(ip.header().get(12..20).unwrap_or(&[])),
        Net::V6(ip) => sum.bytes(&ip.header()[8..40]),
        Net::None | Net::Arp(_) => sum,
    }
}

/// TCP options. What is wrong with them is noted; a broken length ends the reading.
fn tcp_options(p: &mut Packet<'_>, options: &[u8]) -> TcpOptions {
    let mut found = TcpOptions::default();
    // By far the most common: two no-operations and a time stamp.
    if let ([1, 1, 8, 10, ..], 12) = (options, options.len()) {
        found.timestamps = be32(options, 4).zip(be32(options, 8));
        return found;
    }
    let mut rest = options;
    while let Some((&kind, after)) = rest.split_first() {
        match kind {
            0 => break,
            1 => {
                rest = after;
                continue;
            }
            _ => {}
        }
        // A kind alone at the end is passed over.
        let Some(len) = after.first().map(|&len| usize::from(len)) else { break };
        if len < 2 {
            p.events.set(E::TcpOptInvalidLen);
            break;
        }
        let Some(option) = rest.get(..len) else {
            p.events.set(E::TcpOptInvalidLen);
            break;
        };
        match note(&mut found, kind, option) {
            Ok(()) => {}
            Err(event) => p.events.set(event),
        }
        rest = from(rest, len);
    }
    found
}

fn fast_open(found: &mut TcpOptions, cookie_len: usize) -> Result<(), E> {
    if cookie_len > 16 || !cookie_len.is_multiple_of(2) {
        return Err(E::TcpOptInvalidLen);
    }
    if found.fast_open.is_some() {
        return Err(E::TcpOptDuplicate);
    }
    found.fast_open = Some(cookie_len as u8);
    Ok(())
}

fn note(found: &mut TcpOptions, kind: u8, option: &[u8]) -> Result<(), E> {
    let len = option.len();
    let fixed = |wanted| if len == wanted { Ok(()) } else { Err(E::TcpOptInvalidLen) };
    let once = |first: bool| if first { Ok(()) } else { Err(E::TcpOptDuplicate) };
    match kind {
        2 => {
            fixed(4)?;
            once(found.mss.is_none())?;
            found.mss = be16(option, 2);
        }
        3 => {
            fixed(3)?;
            once(found.window_scale.is_none())?;
            // RFC 7323, section 2.3: more than 14 is taken for 14.
            found.window_scale = option.get(2).map(|&shift| shift.min(14));
        }
        4 => {
            fixed(2)?;
            once(!found.sack_permitted)?;
            found.sack_permitted = true;
        }
        5 => {
            if len > 34 || !(len - 2).is_multiple_of(8) {
                return Err(E::TcpOptInvalidLen);
            }
            once(found.sack_blocks == 0)?;
            found.sack_blocks = ((len - 2) / 8) as u8;
        }
        8 => {
            fixed(10)?;
            once(found.timestamps.is_none())?;
            found.timestamps = be32(option, 2).zip(be32(option, 6));
        }
        // RFC 7413: a request without a cookie, or a cookie of an even length; and the experimental form that preceded it.
        34 => fast_open(found, len - 2)?,
        253 | 254 if be16(option, 2) == Some(0xf989) => {
            if !matches!(len, 4 | 12) {
                return Err(E::TcpOptInvalidLen);
            }
            fast_open(found, len - 4)?;
        }
        // Authentication, RFC 5925; experiments, RFC 6994.
        29 | 253 | 254 if len < 4 => return Err(E::TcpOptInvalidLen),
        // MD5 signature, RFC 2385.
        19 => fixed(18)?,
        _ => {}
    }
    Ok(())
}

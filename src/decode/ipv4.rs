//! IPv4 (RFC 791): header, options, fragments.

use super::checksum::Sum;
use super::counters::Counter;
use super::decoder::{Decoder, Next, from};
use super::defrag::{Arrived, Datagram, Outcome};
use super::events::DecodeEvent as E;
use super::packet::{Ipv4, Net, Packet};
use crate::types::Proto;
use crate::verdict::{ExceptionPolicy, Reason, RejectTo, Verdict};

impl Decoder {
    /// From the first byte of an IPv4 header on.
    pub(super) fn ipv4<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Ipv4);
        if !self.enter(p) {
            return Next::None;
        }
        let Some(fixed) = bytes.first_chunk::<20>() else { return self.fail(p, E::Ipv4PktTooSmall) };
        if fixed[0] >> 4 != 4 {
            return self.fail(p, E::Ipv4WrongIpVersion);
        }
        let header_len = usize::from(fixed[0] & 15) * 4;
        let total_len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if header_len < 20 {
            return self.fail(p, E::Ipv4HlenTooSmall);
        }
        if total_len < header_len {
            return self.fail(p, E::Ipv4IplenSmallerThanHlen);
        }
        // What is behind the total length is padding of the link.
        let Some(datagram) = bytes.get(..total_len) else { return self.fail(p, E::Ipv4TruncPkt) };
        let Some(ip) = Ipv4::new(datagram) else { return Next::None };
        let ip = ip.with_checksum(!self.checksums || Sum::default().bytes(ip.header()).is_right());
        if !ip.checksum_ok {
            self.counters.bump(Counter::BadChecksum);
        }
        p.net = Net::V4(ip);
        if header_len > 20 && !options(p, ip.options()) {
            return self.invalid();
        }
        p.payload = from(datagram, header_len);
        if ip.flags() & 1 != 0 || ip.fragment_offset() != 0 {
            self.counters.bump(Counter::DefragIpv4Fragments);
            return self.fragment_v4(p, ip);
        }
        self.transport(p, ip.proto(), p.payload, true)
    }

    fn fragment_v4<'a>(&mut self, p: &mut Packet<'a>, ip: Ipv4<'a>) -> Next<'a> {
        let more = ip.flags() & 1 != 0;
        let data = p.payload;
        // Only the last fragment may have a length that is not a multiple of eight; receivers round the others down.
        let len = if more { data.len() & !7 } else { data.len() };
        let fragment = Arrived {
            offset: ip.fragment_offset(),
            more,
            head: ip.header(),
            next_header_at: 0,
            proto: ip.proto(),
            data: data.get(..len).unwrap_or(data),
        };
        match self.defrag.insert(p, u32::from(ip.id()), &fragment, &mut self.counters) {
            Outcome::Kept => Next::None,
            Outcome::Limited => {
                self.limited();
                Next::None
            }
            Outcome::Complete(datagram) => {
                self.counters.bump(Counter::DefragIpv4Reassembled);
                Next::Datagram(datagram)
            }
        }
    }

    /// What the policy for the defragmenter's memory limit makes of the frame.
    pub(super) fn limited(&mut self) {
        let verdict = match self.config.defrag.memcap_policy {
            ExceptionPolicy::DropPacket | ExceptionPolicy::DropFlow => Verdict::Drop(Reason::DefragMemcap),
            ExceptionPolicy::Reject => Verdict::Reject(Reason::DefragMemcap, RejectTo::Source),
            ExceptionPolicy::Ignore
            | ExceptionPolicy::PassPacket
            | ExceptionPolicy::PassFlow
            | ExceptionPolicy::Bypass => Verdict::Forward,
        };
        self.limited = self.limited.stricter(verdict);
    }

    /// A datagram that was put together.
    pub(super) fn datagram<'a>(&mut self, p: &mut Packet<'a>, datagram: &'a Datagram) -> Next<'a> {
        if datagram.v6 { self.ipv6(p, datagram.ip()) } else { self.ipv4(p, datagram.ip()) }
    }

    /// ICMP inside IPv6 and the like: known by its number, and not allowed there.
    pub(super) fn misplaced<'a>(&mut self, p: &mut Packet<'a>, proto: Proto) -> Next<'a> {
        p.events.set(if proto == Proto::ICMPV6 { E::Ipv4Icmpv6 } else { E::Ipv6Icmpv4 });
        Next::None
    }
}

/// Options: what is wrong with one is noted and the packet goes on; false when the list itself is broken.
fn options(p: &mut Packet<'_>, options: &[u8]) -> bool {
    if !options.len().is_multiple_of(8) {
        p.events.set(E::Ipv4OptPadRequired);
    }
    let mut rest = options;
    let mut seen = [false; 256];
    while let Some((&kind, after)) = rest.split_first() {
        match kind {
            0 => break,
            1 => {
                rest = after;
                continue;
            }
            _ => {}
        }
        let Some(len) = after.first().map(|&len| usize::from(len)) else {
            p.events.set(E::Ipv4OptEolRequired);
            break;
        };
        let Some(option) = rest.get(..len).filter(|option| option.len() >= 2) else {
            p.events.set(E::Ipv4OptInvalidLen);
            return false;
        };
        rest = from(rest, len);
        if !matches!(kind, 7 | 25 | 68 | 130 | 131 | 133 | 134 | 136 | 137 | 148) {
            p.events.set(E::Ipv4OptInvalid);
        } else if seen[usize::from(kind)] {
            p.events.set(E::Ipv4OptDuplicate);
        } else if let Some(event) = option_event(kind, option) {
            p.events.set(event);
        } else {
            seen[usize::from(kind)] = true;
        }
    }
    true
}

/// What is wrong with an option whose kind is known.
fn option_event(kind: u8, option: &[u8]) -> Option<E> {
    let len = option.len();
    let pointer = usize::from(option.get(2).copied().unwrap_or(0));
    let short = |min| (len < min).then_some(E::Ipv4OptInvalidLen);
    // One past the end says that the option is full.
    let pointer_event = |first: usize, entry: usize| {
        let wrong = pointer < first || !(pointer - first).is_multiple_of(entry) || pointer > len + 1;
        wrong.then_some(E::Ipv4OptMalformed)
    };
    match kind {
        // Record route, loose and strict source route: addresses of four bytes behind a pointer of at least 4.
        7 | 131 | 137 => short(3).or_else(|| pointer_event(4, 4)),
        // Time stamp: entries of four bytes, or of eight when its flags ask for addresses.
        68 => short(5).or_else(|| {
            let entry = if matches!(option.get(3).map(|flags| flags & 15), Some(1 | 3)) { 8 } else { 4 };
            pointer_event(5, entry)
        }),
        // Quick start (RFC 4782).
        25 => short(8),
        // Security and extended security (RFC 1108).
        130 | 133 => short(3),
        // Commercial security (draft-ietf-cipso-ipsecurity): tags from the seventh byte on.
        134 => short(10).or_else(|| (!tags_fit(from(option, 6))).then_some(E::Ipv4OptMalformed)),
        // Stream identifier, router alert.
        136 | 148 => (len != 4).then_some(E::Ipv4OptInvalidLen),
        _ => None,
    }
}

/// Whether the tags of a commercial security option are known and follow one another to its end.
fn tags_fit(mut tags: &[u8]) -> bool {
    while let Some(&kind) = tags.first() {
        let len = tags.get(1).map_or(0, |&len| usize::from(len));
        if len < 4 || !matches!(kind, 1 | 2 | 5 | 6 | 7) {
            return false;
        }
        let Some(rest) = tags.get(len..) else { return false };
        tags = rest;
    }
    true
}

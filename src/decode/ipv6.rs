//! IPv6 (RFC 8200): header, extension headers, fragments.

use super::counters::Counter;
use super::decoder::{Decoder, Next, be16, be32, from};
use super::defrag::{Arrived, Outcome};
use super::events::DecodeEvent as E;
use super::packet::{Fragment, Ipv6, Net, Packet};
use crate::types::Proto;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const NONE: u8 = 59;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

/// What was found on the way through the extension headers.
#[derive(Default)]
struct Chain {
    hop_by_hop: bool,
    routing: bool,
    fragment: Option<Fragment>,
    destination: u8,
    authentication: bool,
    /// A routing header names a further destination: the transport checksum is over that one.
    rerouted: bool,
}

impl Decoder {
    /// From the first byte of an IPv6 header on.
    pub(super) fn ipv6<'a>(&mut self, p: &mut Packet<'a>, bytes: &'a [u8]) -> Next<'a> {
        self.counters.bump(Counter::Ipv6);
        if !self.enter(p) {
            return Next::None;
        }
        // Without an event: the one there is for this, `ipv6.pkt_too_small`, is not raised by Suricata 7 either.
        let Some((header, rest)) = bytes.split_first_chunk::<40>() else { return self.invalid() };
        if header[0] >> 4 != 6 {
            return self.fail(p, E::Ipv6WrongIpVersion);
        }
        let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
        // What is behind the payload length is padding of the link.
        let Some(body) = rest.get(..len) else { return self.fail(p, E::Ipv6TruncPkt) };

        let next_header = header[6];
        if matches!(next_header, 6 | 17 | 58) {
            p.net = Net::V6(Ipv6::new(header, &[], Proto(next_header), None));
            p.payload = body;
            return self.transport(p, Proto(next_header), body, true);
        }

        let mut chain = Chain::default();
        // At the front, so that there are addresses when the chain breaks.
        p.net = Net::V6(Ipv6::new(header, &[], Proto(next_header), None));
        let Some((upper, extensions_len)) = self.extensions(p, &mut chain, next_header, body) else {
            return Next::None;
        };
        let Some((extensions, payload)) = body.split_at_checked(extensions_len) else { return Next::None };
        p.payload = payload;
        if let Some(fragment) = chain.fragment
            && (fragment.more || fragment.offset != 0)
        {
            // what a part of a datagram carries is not known before it is whole
            p.net = Net::V6(Ipv6::new(header, extensions, Proto(FRAGMENT), chain.fragment));
            return self.fragment_v6(p, bytes, fragment, upper, extensions_len);
        }
        let headers = bytes.get(..40 + extensions_len).unwrap_or(header);
        p.net = Net::V6(Ipv6::new(header, extensions, upper, chain.fragment).with_headers(headers));
        if upper.0 == NONE {
            if !payload.is_empty() {
                p.events.set(E::Ipv6DataAfterNoneHeader);
            }
            return Next::None;
        }
        self.transport(p, upper, payload, !chain.rerouted)
    }

    /// Walks the extension headers. Returns the protocol behind them and their length, or `None` when they are cut short.
    fn extensions(
        &mut self,
        p: &mut Packet<'_>,
        chain: &mut Chain,
        first: u8,
        body: &[u8],
    ) -> Option<(Proto, usize)> {
        let (mut next, mut at) = (first, 0);
        loop {
            let rest = from(body, at);
            let len = match next {
                HOP_BY_HOP | DESTINATION | ROUTING | MOBILITY | HIP | SHIM6 => {
                    rest.get(1).map(|&units| (usize::from(units) + 1) * 8)
                }
                FRAGMENT => Some(8),
                AUTHENTICATION => rest.get(1).map(|&units| ((usize::from(units) + 2) * 4).max(12)),
                // Something must be behind an extension header, ESP among them.
                upper if (at > 0 || upper == Proto::ESP.0) && upper != NONE && rest.len() < 2 => None,
                _ => return Some((Proto(next), at)),
            };
            let Some(extension) = len.and_then(|len| rest.get(..len)).filter(|e| e.len() >= 8) else {
                self.fail(p, E::Ipv6TruncExthdr);
                return None;
            };
            match next {
                HOP_BY_HOP => {
                    if std::mem::replace(&mut chain.hop_by_hop, true) {
                        p.events.set(E::Ipv6ExthdrDuplHh);
                    } else {
                        options(p, from(extension, 2), true);
                    }
                }
                DESTINATION => {
                    chain.destination = chain.destination.saturating_add(1);
                    // Twice is in order: before a routing header, and last.
                    if chain.destination > 2 {
                        p.events.set(E::Ipv6ExthdrDuplDh);
                    } else {
                        options(p, from(extension, 2), false);
                    }
                }
                ROUTING => {
                    chain.rerouted = extension[3] != 0;
                    if std::mem::replace(&mut chain.routing, true) {
                        p.events.set(E::Ipv6ExthdrDuplRh);
                    } else if extension[2] == 0 {
                        p.events.set(E::Ipv6RhType0);
                    }
                }
                FRAGMENT => {
                    if extension[1] != 0 {
                        p.events.set(E::Ipv6FhNonZeroReservedField);
                    }
                    let word = be16(extension, 2)?;
                    let fragment = Fragment {
                        offset: u32::from(word & !7),
                        more: word & 1 != 0,
                        id: be32(extension, 4)?,
                    };
                    if chain.fragment.is_some() {
                        p.events.set(E::Ipv6ExthdrDuplFh);
                    } else {
                        chain.fragment = Some(fragment);
                    }
                    if fragment.more || fragment.offset != 0 {
                        chain.fragment = Some(fragment);
                        return Some((Proto(extension[0]), at + 8));
                    }
                    p.events.set(E::Ipv6ExthdrUselessFh);
                }
                AUTHENTICATION => {
                    if be16(extension, 2)? != 0 {
                        p.events.set(E::Ipv6ExthdrAhResNotNull);
                    }
                    if std::mem::replace(&mut chain.authentication, true) {
                        p.events.set(E::Ipv6ExthdrDuplAh);
                    }
                }
                _ => {}
            }
            next = extension[0];
            at += extension.len();
        }
    }

    fn fragment_v6<'a>(
        &mut self,
        p: &mut Packet<'a>,
        bytes: &'a [u8],
        fragment: Fragment,
        upper: Proto,
        extensions_len: usize,
    ) -> Next<'a> {
        self.counters.bump(Counter::DefragIpv6Fragments);
        if fragment.more && !p.payload.len().is_multiple_of(8) {
            // RFC 8200, section 4.5: such a fragment is discarded.
            p.events.set(E::Ipv6FragInvalidLength);
            return Next::None;
        }
        // The unfragmentable part ends where the fragment header begins; the byte that announces it is to be replaced.
        let head_len = 40 + extensions_len.saturating_sub(8);
        let Some(head) = bytes.get(..head_len) else { return Next::None };
        let arrived = Arrived {
            offset: fragment.offset,
            more: fragment.more,
            head,
            next_header_at: last_next_header(head),
            proto: upper,
            data: p.payload,
        };
        match self.defrag.insert(p, fragment.id, &arrived, &mut self.counters) {
            Outcome::Kept => Next::None,
            Outcome::Limited => {
                self.limited();
                Next::None
            }
            Outcome::Complete(datagram) => {
                self.counters.bump(Counter::DefragIpv6Reassembled);
                Next::Datagram(datagram)
            }
        }
    }
}

/// Offset of the next-header byte of the last header in an unfragmentable part, which was walked before.
fn last_next_header(head: &[u8]) -> usize {
    let (mut at, mut next_at) = (40, 6);
    while at < head.len() {
        let (Some(&next), Some(&units)) = (head.get(next_at), head.get(at + 1)) else { break };
        next_at = at;
        at += match next {
            AUTHENTICATION => ((usize::from(units) + 2) * 4).max(12),
            FRAGMENT => 8,
            _ => (usize::from(units) + 1) * 8,
        };
    }
    next_at
}

/// Options of a hop-by-hop or destination header (RFC 8200, section 4.2).
fn options(p: &mut Packet<'_>, options: &[u8], hop_by_hop: bool) {
    let mut rest = options;
    let (mut padding, mut other) = (false, false);
    while let Some((&kind, after)) = rest.split_first() {
        if kind == 0 {
            padding = true;
            rest = after;
            continue;
        }
        let Some((&len, value)) = after.split_first() else { break };
        let len_min = match kind {
            // Router alert (RFC 2711), jumbo payload (RFC 2675), home address (RFC 6275).
            5 => 2,
            194 => 4,
            201 => 16,
            _ => 0,
        };
        if usize::from(len) < len_min {
            p.events.set(E::Ipv6ExthdrInvalidOptlen);
            break;
        }
        let there = value.len();
        let Some(value) = value.get(..usize::from(len)) else {
            // One byte too few is forgiven.
            if usize::from(len) > there + 1 {
                p.events.set(E::Ipv6ExthdrInvalidOptlen);
            }
            break;
        };
        match kind {
            // PadN.
            1 => {
                padding = true;
                if value.is_empty() {
                    p.events.set(E::Ipv6ZeroLenPadn);
                }
            }
            194 => {}
            5 | 201 => other = true,
            _ => {
                other = true;
                p.events.set(if hop_by_hop { E::Ipv6HopoptsUnknownOpt } else { E::Ipv6DstoptsUnknownOpt });
            }
        }
        rest = from(after, 1 + value.len());
    }
    if padding && !other {
        p.events.set(if hop_by_hop { E::Ipv6HopoptsOnlyPadding } else { E::Ipv6DstoptsOnlyPadding });
    }
}

//! The decoder: one frame in, its packets out.

use super::config::DecodeConfig;
use super::counters::{Counter, DecodeCounters};
use super::defrag::{Datagram, Defrag};
use super::events::DecodeEvent;
use super::packet::{Net, Origin, Packet, Tunnel, TunnelKind};
use crate::capture::{Frame, LinkType};
use crate::types::Proto;
use crate::verdict::Verdict;

/// Takes frames apart. Holds the defragmenter and the counters; one for each worker.
#[derive(Debug)]
pub struct Decoder {
    pub(super) config: DecodeConfig,
    pub(super) counters: DecodeCounters,
    pub(super) defrag: Defrag,
    /// Layers seen in this frame so far.
    layers: u8,
    /// The packet at hand is malformed.
    invalid: bool,
    /// What the limits of the defragmenter made of this frame.
    pub(super) limited: Verdict,
    /// Checksums of this frame are computed.
    pub(super) checksums: bool,
    unsupported: Option<LinkType>,
}

/// What is to be decoded after a packet was handed over.
pub(super) enum Next<'a> {
    /// Nothing.
    None,
    /// What a tunnel carries.
    Carried(TunnelKind, Inner, &'a [u8]),
    /// A datagram of which this packet brought the last fragment.
    Datagram(Box<Datagram>),
}

/// What the bytes in a tunnel begin with.
#[derive(Clone, Copy)]
pub(super) enum Inner {
    /// What this Ethernet type says; 0x6558 is Ethernet itself.
    EtherType(u16),
    /// PPP.
    Ppp,
}

impl Decoder {
    /// Fragments may take so many bytes from now on.
    pub fn set_defrag_memcap(&mut self, bytes: usize) {
        self.defrag.set_memcap(bytes);
    }

    /// A decoder with nothing seen.
    pub fn new(config: &DecodeConfig) -> Self {
        Decoder {
            defrag: Defrag::new(&config.defrag, config.vlan_tracking),
            config: config.clone(),
            counters: DecodeCounters::default(),
            layers: 0,
            invalid: false,
            limited: Verdict::Bypass,
            checksums: config.checksums,
            unsupported: None,
        }
    }

    /// Decodes a frame and hands each packet in it to `each`: the outer one first, then what its tunnels carry, then the
    /// datagram that it completes. Returns the strictest verdict.
    pub fn decode(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(&Packet<'_>) -> Verdict) -> Verdict {
        self.layers = 0;
        self.invalid = false;
        // the mildest: it changes nothing
        self.limited = Verdict::Bypass;
        self.checksums = self.config.checksums && frame.checksums;
        let len = frame.bytes.len() as u64;
        self.counters.bump(Counter::Pkts);
        self.counters.grow(Counter::Bytes, len);
        self.counters.raise(Counter::MaxPktSize, len);
        let mut packet = Packet::new(frame.number, frame.timestamp, frame.iface, frame.bytes);
        packet.link = frame.link;
        let next = self.link(&mut packet, frame.link, frame.bytes);
        let verdict = self.hand_over(&mut packet, next, each);
        verdict.stricter(self.limited)
    }

    /// What was counted so far.
    pub fn counters(&self) -> &DecodeCounters {
        &self.counters
    }

    /// Turns the computing of checksums on or off from the next frame on: captures taken on the sending host hold checksums
    /// that the network card had yet to fill in.
    pub fn set_checksums(&mut self, checksums: bool) {
        self.config.checksums = checksums;
    }

    /// A link type that a frame had and that is not known here; such frames are handed over without a network layer.
    pub fn unsupported_link(&self) -> Option<LinkType> {
        self.unsupported
    }

    pub(super) fn unsupported(&mut self, link: LinkType) {
        self.counters.bump(Counter::UnsupportedLink);
        self.unsupported = Some(link);
        self.invalid = true;
    }

    fn hand_over<'a>(
        &mut self,
        packet: &mut Packet<'a>,
        next: Next<'a>,
        each: &mut dyn FnMut(&Packet<'_>) -> Verdict,
    ) -> Verdict {
        packet.find_ends();
        self.count(packet);
        let verdict = each(packet);
        match next {
            Next::None => verdict,
            Next::Carried(kind, inner, bytes) => {
                // the ends of what a tunnel carries cannot be told; that it is dropped holds for the outer packet
                let carried = match self.carried(packet, kind, inner, bytes, each) {
                    Verdict::Reject(reason, _) => Verdict::Drop(reason),
                    other => other,
                };
                verdict.stricter(carried)
            }
            Next::Datagram(mut datagram) => {
                datagram.put_before(below_ip(packet));
                let mut whole = Packet::new(packet.number, packet.timestamp, packet.iface, datagram.bytes());
                whole.origin = Origin::Defragmented;
                whole.link = packet.link;
                whole.ethernet = packet.ethernet;
                whole.vlans = packet.vlans;
                whole.tunnel = packet.tunnel;
                let next = self.datagram(&mut whole, &datagram);
                let verdict = verdict.stricter(self.hand_over(&mut whole, next, each));
                self.defrag.recycle(datagram);
                verdict
            }
        }
    }

    #[inline]
    fn count(&mut self, packet: &Packet<'_>) {
        if self.invalid {
            self.invalid = false;
            self.counters.bump(Counter::Invalid);
        }
        if !packet.events.is_empty() {
            for event in packet.events.iter() {
                self.counters.bump_event(event);
            }
        }
    }

    fn carried<'a>(
        &mut self,
        outer: &Packet<'a>,
        kind: TunnelKind,
        inner: Inner,
        bytes: &'a [u8],
        each: &mut dyn FnMut(&Packet<'_>) -> Verdict,
    ) -> Verdict {
        let mut packet = Packet::new(outer.number, outer.timestamp, outer.iface, bytes);
        packet.origin = Origin::Tunnel(kind);
        packet.vlans = outer.vlans;
        packet.link = match inner {
            Inner::EtherType(0x6558) => LinkType::ETHERNET,
            Inner::EtherType(_) => LinkType::RAW_IP,
            Inner::Ppp => LinkType::PPP,
        };
        if let Some((source, destination)) = outer.ends() {
            let depth = outer.tunnel.map_or(0, |tunnel| tunnel.depth).saturating_add(1);
            let proto = outer.proto().unwrap_or(Proto(0));
            packet.tunnel = Some(Tunnel { kind, source, destination, proto, depth });
        }
        let next = match inner {
            Inner::EtherType(kind) => self.ether_type(&mut packet, kind, bytes).unwrap_or(Next::None),
            Inner::Ppp => self.ppp(&mut packet, bytes),
        };
        if self.invalid {
            // What is malformed inside a tunnel is counted; as a packet there is only the outer one.
            self.count(&packet);
            return Verdict::Forward;
        }
        self.hand_over(&mut packet, next, each)
    }

    /// Counts a layer; false, and an event, when there are too many.
    #[inline]
    pub(super) fn enter(&mut self, packet: &mut Packet<'_>) -> bool {
        self.layers = self.layers.saturating_add(1);
        if self.layers <= self.config.recursion_max {
            return true;
        }
        self.counters.bump(Counter::TooManyLayers);
        self.invalid = true;
        packet.events.set(DecodeEvent::TooManyLayers);
        false
    }

    /// The packet cannot be decoded further, and there is no event for why.
    #[cold]
    pub(super) fn invalid<'a>(&mut self) -> Next<'a> {
        self.invalid = true;
        Next::None
    }

    /// The packet cannot be decoded further.
    #[cold]
    pub(super) fn fail<'a>(&mut self, packet: &mut Packet<'_>, event: DecodeEvent) -> Next<'a> {
        packet.events.set(event);
        self.invalid = true;
        Next::None
    }
}

/// The bytes of a packet before its IP header.
fn below_ip<'a>(packet: &Packet<'a>) -> &'a [u8] {
    let header = match &packet.net {
        Net::V4(ip) => ip.header(),
        Net::V6(ip) => ip.header().as_slice(),
        Net::None | Net::Arp(_) => return &[],
    };
    // both lie in the same frame: how far apart says where one begins in the other
    let len = (header.as_ptr() as usize).checked_sub(packet.bytes.as_ptr() as usize);
    len.and_then(|len| packet.bytes.get(..len)).unwrap_or(&[])
}

/// The 16 bits at an offset, network byte order.
#[inline]
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

/// The 32 bits at an offset, network byte order.
#[inline]
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// What is there from an offset on; empty when the bytes end before.
#[inline]
pub(super) fn from(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or(&[])
}

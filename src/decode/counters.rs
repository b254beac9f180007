//! What was decoded, counted under the names of Suricata's `stats` event.

use super::events::DecodeEvent;

macro_rules! counters {
    ($($variant:ident = $name:literal,)*) => {
        /// One counter of the decoder.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Counter { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl Counter {
            /// Every counter, in the order of their numbers.
            pub const ALL: &'static [Counter] = &[$(Counter::$variant),*];

            /// Its full name in the `stats` event.
            pub const fn name(self) -> &'static str {
                match self { $(Counter::$variant => $name,)* }
            }
        }
    };
}

counters! {
    Pkts = "decoder.pkts",
    Bytes = "decoder.bytes",
    Invalid = "decoder.invalid",
    Ipv4 = "decoder.ipv4",
    Ipv6 = "decoder.ipv6",
    Ethernet = "decoder.ethernet",
    Arp = "decoder.arp",
    UnknownEthertype = "decoder.unknown_ethertype",
    Chdlc = "decoder.chdlc",
    Raw = "decoder.raw",
    Null = "decoder.null",
    Sll = "decoder.sll",
    Sll2 = "decoder.sll2",
    Tcp = "decoder.tcp",
    Udp = "decoder.udp",
    Sctp = "decoder.sctp",
    Esp = "decoder.esp",
    Icmpv4 = "decoder.icmpv4",
    Icmpv6 = "decoder.icmpv6",
    Igmp = "decoder.igmp",
    Ppp = "decoder.ppp",
    Pppoe = "decoder.pppoe",
    Geneve = "decoder.geneve",
    Gre = "decoder.gre",
    Vlan = "decoder.vlan",
    VlanQinq = "decoder.vlan_qinq",
    VlanQinqinq = "decoder.vlan_qinqinq",
    Vxlan = "decoder.vxlan",
    Vntag = "decoder.vntag",
    Ieee8021ah = "decoder.ieee8021ah",
    Teredo = "decoder.teredo",
    Ipv4InIpv4 = "decoder.ipv4_in_ipv4",
    Ipv6InIpv4 = "decoder.ipv6_in_ipv4",
    Ipv4InIpv6 = "decoder.ipv4_in_ipv6",
    Ipv6InIpv6 = "decoder.ipv6_in_ipv6",
    Mpls = "decoder.mpls",
    MaxPktSize = "decoder.max_pkt_size",
    Erspan = "decoder.erspan",
    Nsh = "decoder.nsh",
    TooManyLayers = "decoder.too_many_layers",
    UnsupportedLink = "decoder.unsupported_link",
    BadChecksum = "decoder.bad_checksum",
    DefragIpv4Fragments = "defrag.ipv4.fragments",
    DefragIpv4Reassembled = "defrag.ipv4.reassembled",
    DefragIpv6Fragments = "defrag.ipv6.fragments",
    DefragIpv6Reassembled = "defrag.ipv6.reassembled",
    DefragTimeout = "defrag.timeout",
    DefragMaxTrackers = "defrag.max_trackers_reached",
    DefragMaxFragments = "defrag.max_frags_reached",
    DefragMemcap = "defrag.memcap_reached",
}

/// The counters of one decoder.
#[derive(Clone, Debug)]
pub struct DecodeCounters {
    counts: [u64; Counter::ALL.len()],
    events: [u64; DecodeEvent::ALL.len()],
}

impl Default for DecodeCounters {
    fn default() -> Self {
        DecodeCounters { counts: [0; Counter::ALL.len()], events: [0; DecodeEvent::ALL.len()] }
    }
}

impl DecodeCounters {
    /// The value of one.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counts[counter as usize]
    }

    /// Each with its full name (`decoder.pkts`, `defrag.ipv4.fragments`).
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Counter::ALL.iter().map(|&counter| (counter.name(), self.count(counter)))
    }

    /// How many packets carried an event.
    pub fn event(&self, event: DecodeEvent) -> u64 {
        self.events[event as usize]
    }

    /// Each event with the number of packets that carried it; the name in `stats` is `decoder.event.` and its name.
    pub fn events(&self) -> impl Iterator<Item = (DecodeEvent, u64)> + '_ {
        DecodeEvent::ALL.iter().map(|&event| (event, self.event(event)))
    }

    /// Adds another decoder's, as the sum over workers is built.
    pub fn add(&mut self, other: &DecodeCounters) {
        for (at, (mine, theirs)) in self.counts.iter_mut().zip(&other.counts).enumerate() {
            *mine = if at == Counter::MaxPktSize as usize { (*mine).max(*theirs) } else { *mine + theirs };
        }
        for (mine, theirs) in self.events.iter_mut().zip(&other.events) {
            *mine += theirs;
        }
    }

    #[inline]
    pub(super) fn bump(&mut self, counter: Counter) {
        self.counts[counter as usize] += 1;
    }

    #[inline]
    pub(super) fn grow(&mut self, counter: Counter, by: u64) {
        self.counts[counter as usize] += by;
    }

    #[inline]
    pub(super) fn raise(&mut self, counter: Counter, to: u64) {
        let count = &mut self.counts[counter as usize];
        *count = (*count).max(to);
    }

    #[inline]
    pub(super) fn bump_event(&mut self, event: DecodeEvent) {
        self.events[event as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_add_and_the_largest_packet_stays_the_largest() {
        let (mut one, mut two) = (DecodeCounters::default(), DecodeCounters::default());
        one.bump(Counter::Pkts);
        one.raise(Counter::MaxPktSize, 1500);
        two.grow(Counter::Pkts, 2);
        two.raise(Counter::MaxPktSize, 60);
        two.bump_event(DecodeEvent::TcpPktTooSmall);
        one.add(&two);
        assert_eq!(one.count(Counter::Pkts), 3);
        assert_eq!(one.count(Counter::MaxPktSize), 1500);
        assert_eq!(one.event(DecodeEvent::TcpPktTooSmall), 1);
        assert_eq!(one.iter().find(|(name, _)| *name == "decoder.pkts"), Some(("decoder.pkts", 3)));
    }
}

//! The head of a rule as a few numbers: protocol, direction, state, length, ports and addresses, held against what is known of
//! a packet.
//!
//! What a packet is, is found out once ([`Facts`]); a rule asks for it ([`Head`]), so that most rules are told from one line of
//! memory, without looking at the rule itself. Address groups that many rules share are numbered ([`Tables`]): one look up tells of
//! which of them an end of the packet is a member, a bit for each. What all rules of a set ask is asked once ([`Gate`]).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::evaluate::Inspection;
use super::rule::{FlowTest, Header, Rule, RuleProtocol};
use crate::app::ProtocolId;
use crate::decode::{Net, Origin, Packet};
use crate::flow::Flow;
use crate::rules::{AddressSet, PortSet};
use crate::types::{Direction, Endpoint, Proto};

const IP: u32 = 1;
const IPV4: u32 = 1 << 1;
const IPV6: u32 = 1 << 2;
const TCP: u32 = 1 << 3;
const UDP: u32 = 1 << 4;
const ICMP: u32 = 1 << 5;
const ICMPV6: u32 = 1 << 6;
const SCTP: u32 = 1 << 7;
const TO_SERVER: u32 = 1 << 8;
const TO_CLIENT: u32 = 1 << 9;
const ESTABLISHED: u32 = 1 << 10;
const NOT_ESTABLISHED: u32 = 1 << 11;
const FRAGMENT: u32 = 1 << 12;
const WHOLE: u32 = 1 << 13;

/// Protocols that have ports.
const PORTS: u32 = TCP | UDP | SCTP;

/// Protocols that a flow may speak at once: its own, what it began as, and what that carries.
pub(super) const SPOKEN_MAX: usize = 3;

/// What is known of a packet and its flow.
#[derive(Debug, Default)]
pub(super) struct Facts {
    bits: u32,
    /// Bytes of payload, as far as a head can ask for them.
    length: u16,
    /// Source and destination port, where the protocol has some.
    pub(super) ports: Option<(u16, u16)>,
    /// What the flow speaks.
    pub(super) spoken: [Option<ProtocolId>; SPOKEN_MAX],
    apps: u128,
    /// The numbered address groups that source and destination are in, a bit for each; none without an end.
    inside: [u64; 2],
}

impl Facts {
    pub(super) fn new(inspection: &Inspection<'_>, flow: Option<&Flow>, tables: &Tables) -> Self {
        let packet = inspection.packet;
        let mut bits = match packet.net {
            Net::None | Net::Arp(_) => 0,
            Net::V4(_) => IP | IPV4,
            Net::V6(_) => IP | IPV6,
        };
        bits |= match packet.proto() {
            Some(Proto::TCP) => TCP,
            Some(Proto::UDP) => UDP,
            Some(Proto::ICMP) => ICMP,
            Some(Proto::ICMPV6) => ICMPV6,
            Some(Proto::SCTP) => SCTP,
            _ => 0,
        };
        bits |= if packet.origin == Origin::Defragmented { FRAGMENT } else { WHOLE };
        let mut spoken = [None; SPOKEN_MAX];
        if let Some(flow) = flow {
            bits |= match inspection.dir {
                Direction::ToServer => TO_SERVER,
                Direction::ToClient => TO_CLIENT,
            };
            let established = flow.is_established() && !inspection.opening;
            bits |= if established { ESTABLISHED } else { NOT_ESTABLISHED };
            spoken = [flow.app.protocol(), flow.app.original(), flow.app.shown()];
            for later in 1..spoken.len() {
                if spoken[..later].contains(&spoken[later]) {
                    spoken[later] = None;
                }
            }
        }
        let apps = spoken.iter().flatten().fold(0, |apps, id| apps | app_bit(*id));
        // a message about a flow may come from elsewhere
        let own = flow.filter(|flow| packet.proto() == Some(flow.proto));
        let inside = match (own.map(|flow| flow.inspected.members), inspection.dir) {
            (None | Some([0, 0]), _) => tables.ends(packet),
            (Some(known), Direction::ToServer) => known,
            (Some([client, server]), Direction::ToClient) => [server, client],
        };
        debug_assert_eq!(inside, tables.ends(packet));
        let length = u16::try_from(packet.payload.len()).unwrap_or(u16::MAX);
        Facts { bits, length, ports: packet.ports(), spoken, apps, inside }
    }

    /// What [`crate::flow::Inspected::members`] is to be from now on, for a packet of the flow in that direction.
    pub(super) fn members(&self, dir: Direction) -> [u64; 2] {
        let [source, destination] = self.inside;
        match dir {
            Direction::ToServer => [source, destination],
            Direction::ToClient => [destination, source],
        }
    }

    /// Whether the packet goes from the one to the other numbered group.
    #[inline]
    pub(super) fn goes(&self, [source, destination]: Way) -> bool {
        (self.inside[0] >> (source & 63)) & (self.inside[1] >> (destination & 63)) & 1 != 0
    }
}

/// Protocols beyond the last bit share it: what it tells is looked at again.
fn app_bit(id: ProtocolId) -> u128 {
    1 << id.0.min(127)
}

/// What heads refer to by number.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Address groups that are asked for most often; the first is any address.
    groups: Vec<Arc<AddressSet>>,
    /// What is in which of them.
    members: Members,
    /// Sets of application protocols; the first is none.
    apps: Vec<u128>,
}

/// Address groups of source and destination, by number.
pub(super) type Way = [u8; 2];

impl Tables {
    /// The groups that both ends of a packet are in, a bit for each; none when it has no ends.
    fn ends(&self, packet: &Packet<'_>) -> [u64; 2] {
        let inside = |end: Endpoint| self.members.of(end.ip) | 1 << ANY | 1 << OTHER;
        packet.ends().map_or([0; 2], |(source, destination)| [inside(source), inside(destination)])
    }

    /// Whether no packet goes both ways; unknown counts as no.
    pub(super) fn is_exclusive(&self, one: Way, other: Way) -> bool {
        (0..2).any(|end| {
            let group = |number: u8| self.groups.get(usize::from(number));
            let (Some(one), Some(other)) = (group(one[end]), group(other[end])) else { return false };
            let left = one.without(other);
            left.ranges_v4() == one.ranges_v4() && left.ranges_v6() == one.ranges_v6()
        })
    }
}

/// Any address.
const ANY: u8 = 0;
/// A group that has no number: the rule is looked at.
const OTHER: u8 = 63;
/// How many groups have a number.
const GROUPS_MAX: usize = OTHER as usize;

/// The numbered groups of each address, a bit for each: where they change.
#[derive(Debug, Default)]
struct Members {
    v4: Changes<u32>,
    v6: Changes<u128>,
}

impl Members {
    fn new(groups: &[Arc<AddressSet>]) -> Self {
        let numbered = || groups.iter().enumerate().filter(|(number, _)| *number != usize::from(ANY));
        Members {
            v4: Changes::new(numbered().map(|(number, group)| (number, group.ranges_v4())), |last| {
                last.checked_add(1)
            }),
            v6: Changes::new(numbered().map(|(number, group)| (number, group.ranges_v6())), |last| {
                last.checked_add(1)
            }),
        }
    }

    #[inline]
    fn of(&self, ip: IpAddr) -> u64 {
        match ip {
            IpAddr::V4(ip) => self.v4.of(u32::from(ip)),
            IpAddr::V6(ip) => self.v6.of(u128::from(ip)),
        }
    }
}

/// What numbers belong to, from each number on where that changes.
#[derive(Debug, Default)]
struct Changes<T> {
    from: Box<[T]>,
    /// Before the first of `from`, then behind each.
    groups: Box<[u64]>,
}

impl<T: Copy + Ord> Changes<T> {
    /// Of groups by number, and their ranges, which are disjoint.
    fn new<'r>(groups: impl Iterator<Item = (usize, &'r [(T, T)])>, next: impl Fn(T) -> Option<T>) -> Self
    where
        T: 'r,
    {
        let mut changes: BTreeMap<T, u64> = BTreeMap::new();
        for (number, ranges) in groups {
            for &(first, last) in ranges {
                *changes.entry(first).or_default() ^= 1 << number;
                if let Some(behind) = next(last) {
                    *changes.entry(behind).or_default() ^= 1 << number;
                }
            }
        }
        let mut now = 0;
        let after = changes.values().map(|change| {
            now ^= change;
            now
        });
        Changes { groups: std::iter::once(0).chain(after).collect(), from: changes.keys().copied().collect() }
    }

    #[inline]
    fn of(&self, number: T) -> u64 {
        let at = self.from.partition_point(|from| *from <= number);
        self.groups.get(at).copied().unwrap_or(0)
    }
}

/// What a rule asks of [`Facts`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    /// All of these.
    all: u32,
    /// One of these, unless there are none.
    any: u32,
    /// Least and most bytes of payload.
    length: (u16, u16),
    /// Ports lie within, first and last.
    source: (u16, u16),
    destination: (u16, u16),
    /// Address groups of source and destination.
    groups: Way,
    /// One of these application protocols, by number.
    apps: u8,
    /// Ports are asked for.
    ports: bool,
    /// The rule itself is to be looked at, for its protocol or its ends.
    rest: bool,
    /// Tests of the packet stand behind.
    tests: bool,
}

impl Head {
    /// The heads of all rules, and what they refer to; `protocols` is how many application protocols there are.
    pub(super) fn all(rules: &[Arc<Rule>], protocols: usize) -> (Vec<Head>, Tables) {
        let mut asked: HashMap<*const AddressSet, (usize, &Arc<AddressSet>)> = HashMap::new();
        for rule in rules {
            for group in [&rule.header.source, &rule.header.destination] {
                if !group.is_any() {
                    asked.entry(Arc::as_ptr(group)).or_insert((0, group)).0 += 1;
                }
            }
        }
        let mut often: Vec<(usize, &Arc<AddressSet>)> = asked.into_values().collect();
        // by how often, and those alike in an order of their own
        often.sort_by_cached_key(|(times, group)| {
            (std::cmp::Reverse(*times), group.ranges_v4().to_vec(), group.ranges_v6().to_vec())
        });
        often.truncate(GROUPS_MAX - 1);
        let groups: Vec<_> = std::iter::once(Arc::new(AddressSet::any()))
            .chain(often.iter().map(|(_, group)| Arc::clone(group)))
            .collect();
        let numbers: HashMap<*const AddressSet, u8> =
            often.iter().zip(1..).map(|((_, group), number)| (Arc::as_ptr(group), number)).collect();
        let mut tables = Tables { members: Members::new(&groups), groups, apps: vec![0] };
        let heads = rules
            .iter()
            .map(|rule| {
                let number = |group: &Arc<AddressSet>| match group.is_any() {
                    true => ANY,
                    false => numbers.get(&Arc::as_ptr(group)).copied().unwrap_or(OTHER),
                };
                Head::new(rule, protocols, number, &mut tables)
            })
            .collect();
        (heads, tables)
    }

    fn new(
        rule: &Rule,
        protocols: usize,
        number: impl Fn(&Arc<AddressSet>) -> u8,
        tables: &mut Tables,
    ) -> Self {
        let (mut all, any) = match rule.protocol {
            RuleProtocol::Any | RuleProtocol::Other(_) => (0, 0),
            RuleProtocol::Ip(None) => (IP, 0),
            RuleProtocol::Ip(Some(4)) => (IPV4, 0),
            RuleProtocol::Ip(Some(_)) => (IPV6, 0),
            RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => (TCP, 0),
            RuleProtocol::Udp => (UDP, 0),
            RuleProtocol::Icmp(None) => (0, ICMP | ICMPV6),
            RuleProtocol::Icmp(Some(4)) => (ICMP, 0),
            RuleProtocol::Icmp(Some(_)) => (ICMPV6, 0),
            RuleProtocol::Sctp => (SCTP, 0),
            RuleProtocol::App(_) | RuleProtocol::Either(..) => (0, 0),
        };
        all |= flow_bits(rule.flow.unwrap_or_default());
        let is_app = matches!(rule.protocol, RuleProtocol::App(_) | RuleProtocol::Either(..));
        let spoken: Vec<ProtocolId> = (0..protocols)
            .filter_map(|id| u8::try_from(id).ok().map(ProtocolId))
            .filter(|id| rule.speaks(*id))
            .collect();
        let apps: u128 = spoken.iter().fold(0, |apps, id| apps | app_bit(*id));
        let apps = match tables.apps.iter().position(|known| *known == apps && apps != 0) {
            _ if !is_app => 0,
            Some(at) => at,
            None => {
                tables.apps.push(apps);
                tables.apps.len() - 1
            }
        };
        let (apps, many) = u8::try_from(apps).map_or((0, true), |apps| (apps, false));
        let many = many || spoken.iter().any(|id| id.0 >= 127);
        let header = &rule.header;
        let hull = |ports: &PortSet| match ports.ranges() {
            [] => (1, 0),
            [(low, high)] => (*low, *high),
            [(low, _), .., (_, high)] => (*low, *high),
        };
        let single = |ports: &PortSet| ports.ranges().len() <= 1;
        let (mut source, mut destination) = (hull(&header.source_ports), hull(&header.destination_ports));
        let mut groups = [number(&header.source), number(&header.destination)];
        let mut rest = matches!(rule.protocol, RuleProtocol::Other(_))
            || is_app && many
            || !single(&header.source_ports)
            || !single(&header.destination_ports)
            || groups.contains(&OTHER);
        if header.both_ways {
            // which end is which is not known: the rule tells
            (source, destination, groups) = ((0, u16::MAX), (0, u16::MAX), [ANY; 2]);
            rest = true;
        }
        let mut length = (0, u16::MAX);
        for test in &rule.packet_tests {
            let (low, high) = test.lengths();
            // a payload of as much or more than a head can ask for counts as that much
            length.0 = length.0.max(u16::try_from(low).unwrap_or(u16::MAX));
            length.1 = length.1.min(u16::try_from(high).unwrap_or(u16::MAX));
        }
        Head {
            all,
            any,
            length,
            source,
            destination,
            groups,
            apps,
            ports: !(header.source_ports.is_any() && header.destination_ports.is_any()),
            rest,
            tests: !rule.packet_tests.is_empty(),
        }
    }

    /// What can be told without the rule.
    #[inline]
    pub(super) fn may_hold(&self, facts: &Facts, tables: &Tables) -> bool {
        facts.bits & self.all == self.all
            && (self.any == 0 || facts.bits & self.any != 0)
            && self.length.0 <= facts.length
            && facts.length <= self.length.1
            && (self.apps == 0
                || tables.apps.get(usize::from(self.apps)).is_some_and(|apps| facts.apps & apps != 0))
            && (!self.ports || self.ports_may_hold(facts))
            && (self.groups == [ANY; 2] || facts.goes(self.groups))
    }

    /// Of a rule that asks for ports.
    #[inline]
    fn ports_may_hold(&self, facts: &Facts) -> bool {
        let within = |port: u16, (low, high): (u16, u16)| low <= port && port <= high;
        if facts.bits & PORTS == 0 {
            // a protocol without ports has none that could match
            return facts.bits & (ICMP | ICMPV6) != 0;
        }
        // a fragment tells no ports: they count as 0, as in the reference engine
        let (source, destination) = facts.ports.unwrap_or_default();
        within(source, self.source) && within(destination, self.destination)
    }

    /// Whether the head holds, but for tests of the packet.
    #[inline]
    pub(super) fn holds(
        &self,
        rule: &Rule,
        facts: &Facts,
        tables: &Tables,
        packet: &Packet<'_>,
        flow: Option<&Flow>,
    ) -> bool {
        self.may_hold(facts, tables)
            && (!self.rest || protocol_holds(rule, packet, flow) && ends_hold(&rule.header, facts, packet))
    }

    /// The address groups it asks for, when it asks for some and all have a number.
    pub(super) fn way(&self) -> Option<Way> {
        (self.groups != [ANY; 2] && !self.groups.contains(&OTHER)).then_some(self.groups)
    }

    /// What both ask, of heads with the same address groups.
    fn both(self, other: &Head) -> Head {
        let hull = |one: (u16, u16), other: (u16, u16)| (one.0.min(other.0), one.1.max(other.1));
        Head {
            all: self.all & other.all,
            any: if self.any == 0 || other.any == 0 { 0 } else { self.any | other.any },
            length: hull(self.length, other.length),
            source: hull(self.source, other.source),
            destination: hull(self.destination, other.destination),
            groups: self.groups,
            apps: if self.apps == other.apps { self.apps } else { 0 },
            ports: self.ports && other.ports,
            rest: false,
            tests: false,
        }
    }

    /// Whether tests of the packet are left to make.
    pub(super) fn has_tests(&self) -> bool {
        self.tests
    }
}

/// What the rules of a set ask in common: a packet that does not have it meets none of them.
#[derive(Debug, Default)]
pub(super) struct Gate(SmallVec<[Head; 2]>);

impl Gate {
    /// More heads than this are not worth asking.
    const MAX: usize = 4;

    /// Of rules with these heads: those with the same address groups become one.
    pub(super) fn of<'a>(heads: impl Iterator<Item = &'a Head>) -> Self {
        let mut common: SmallVec<[Head; 2]> = SmallVec::new();
        for head in heads {
            match common.iter_mut().find(|known| known.groups == head.groups) {
                Some(known) => *known = known.both(head),
                None => common.push(*head),
            }
        }
        if common.len() > Self::MAX {
            common.clear();
        }
        Gate(common)
    }

    /// Whether some rule of the set may match.
    #[inline]
    pub(super) fn is_open(&self, facts: &Facts, tables: &Tables) -> bool {
        self.0.is_empty() || self.0.iter().any(|head| head.may_hold(facts, tables))
    }
}

/// A packet without a flow has no direction and no state.
fn flow_bits(test: FlowTest) -> u32 {
    let dir = match test.dir {
        None => 0,
        Some(Direction::ToServer) => TO_SERVER,
        Some(Direction::ToClient) => TO_CLIENT,
    };
    let state = match test.established {
        _ if test.stateless => 0,
        None => 0,
        Some(true) => ESTABLISHED,
        Some(false) => NOT_ESTABLISHED,
    };
    let fragments = match test.fragments {
        None => 0,
        Some(true) => FRAGMENT,
        Some(false) => WHOLE,
    };
    dir | state | fragments
}

/// Protocols that no bit tells.
fn protocol_holds(rule: &Rule, packet: &Packet<'_>, flow: Option<&Flow>) -> bool {
    match rule.protocol {
        RuleProtocol::Other(proto) => packet.proto() == Some(proto),
        RuleProtocol::App(_) | RuleProtocol::Either(..) => flow.is_some_and(|flow| {
            let spoken = [flow.app.protocol(), flow.app.original(), flow.app.shown()];
            spoken.into_iter().flatten().any(|id| rule.speaks(id))
        }),
        _ => true,
    }
}

fn ends_hold(header: &Header, facts: &Facts, packet: &Packet<'_>) -> bool {
    let any_port = header.source_ports.is_any() && header.destination_ports.is_any();
    if any_port && header.source.is_any() && header.destination.is_any() {
        return true;
    }
    let Some((source, destination)) = packet.ends() else { return false };
    let has_ports = facts.bits & PORTS != 0;
    // a protocol without ports has none that could match
    if !has_ports && facts.bits & (ICMP | ICMPV6) == 0 && !any_port {
        return false;
    }
    let one_way = |from: Endpoint, to: Endpoint| {
        (!has_ports
            || (header.source_ports.contains(from.port) && header.destination_ports.contains(to.port)))
            && header.source.contains(from.ip)
            && header.destination.contains(to.ip)
    };
    one_way(source, destination) || (header.both_ways && one_way(destination, source))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use ipnet::IpNet;

    use super::*;

    fn set(networks: &[&str]) -> Arc<AddressSet> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network.parse().expect("a network") {
                IpNet::V4(net) => v4.push((u32::from(net.network()), u32::from(net.broadcast()))),
                IpNet::V6(net) => v6.push((u128::from(net.network()), u128::from(net.broadcast()))),
            }
        }
        Arc::new(AddressSet::from_ranges(v4, v6))
    }

    #[test]
    fn members_of_groups_are_told_by_where_groups_begin_and_end() {
        let groups = [
            Arc::new(AddressSet::any()),
            set(&["10.0.0.0/8", "192.168.0.0/16", "fd00::/8"]),
            set(&["10.1.2.3/32", "10.1.2.4/31", "255.255.255.255/32"]),
            Arc::new(set(&["10.0.0.0/8"]).complement()),
            set(&["0.0.0.0/1", "::/1"]),
        ];
        let members = Members::new(&groups);
        let v4 = [
            0u32,
            1,
            0x0a00_0000,
            0x0a01_0202,
            0x0a01_0203,
            0x0a01_0205,
            0x0a01_0206,
            0x0aff_ffff,
            0x0b00_0000,
        ];
        let more = [
            0x7fff_ffff,
            0x8000_0000,
            0xc0a7_ffff,
            0xc0a8_0000,
            0xc0a8_ffff,
            0xc0a9_0000,
            u32::MAX - 1,
            u32::MAX,
        ];
        let v4 = v4.into_iter().chain(more).map(|ip| IpAddr::from(Ipv4Addr::from(ip)));
        let v6 = [0u128, 1 << 127, (1 << 127) - 1, 0xfd << 120, (0xfe << 120) - 1, 0xfe << 120, u128::MAX];
        for ip in v4.chain(v6.map(|ip| IpAddr::from(Ipv6Addr::from(ip)))) {
            let told = members.of(ip);
            for (number, group) in groups.iter().enumerate().skip(1) {
                assert_eq!(told >> number & 1 != 0, group.contains(ip), "{ip} in group {number}");
            }
            assert_eq!(told & (1 << ANY | 1 << OTHER), 0, "these are set for every end");
        }
    }
}

//! The compiled rule set: rules in the order of their evaluation, and the groups in which they are looked for.
//!
//! A rule is in the groups of each direction in which it can match. Groups on payload are split by ports, so that a
//! packet meets only rules whose ports are its own; rules without narrow ports are in a group that all packets meet. A
//! group is the rules without a literal, and a prefilter over the literals of the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::buffer::{BufferId, Kind, Origin, Place};
use super::inspect::ops::{Op, Transform};
use super::keyword::Names;
use super::literal;
use super::prefilter::{Build, Prefilter};
use super::registry::Registry;
use super::rule::{Rule, RuleProtocol};
use crate::app::ProtocolId;
use crate::rules::{Action, PortSet};
use crate::types::{Direction, Proto};

/// How a rule is looked at, as the user guide's "rule types" have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Decoder or stream events: packets that raised some.
    Event,
    /// Addresses alone: once for each direction of a flow.
    Address,
    /// The application protocol alone: once for each direction, when it is known.
    Detection,
    /// Each packet.
    Packet,
    /// The stream, and packets that are in none.
    Stream,
    /// Both the stream and each packet.
    PacketStream,
    /// Transactions, once for each.
    Tx,
}

/// An application buffer with its transforms: what a transaction group scans.
#[derive(Debug)]
pub struct List {
    /// Which buffer.
    pub buffer: BufferId,
    /// What is done to it first.
    pub transforms: Vec<Arc<dyn Transform>>,
}

/// The number of a [`List`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId(pub u16);

/// Rules that are looked for together.
#[derive(Debug, Default)]
pub struct Set {
    /// Without a literal: looked at always.
    pub always: Vec<u32>,
    /// With one: looked at when it is seen.
    pub literals: Option<Literals>,
}

/// Literals and the rules that wait for them.
#[derive(Debug)]
pub struct Literals {
    prefilter: Box<dyn Prefilter>,
    /// Rules of literal `n`: `rules[starts[n]..starts[n + 1]]`.
    starts: Vec<u32>,
    rules: Vec<u32>,
    /// The longest, bytes.
    pub longest: usize,
}

impl Literals {
    fn build(wanted: &mut Vec<(Vec<u8>, u32)>, build: Build) -> Option<Self> {
        if wanted.is_empty() {
            return None;
        }
        wanted.sort();
        wanted.dedup();
        let (mut texts, mut starts, mut rules) = (Vec::<Vec<u8>>::new(), Vec::new(), Vec::new());
        for (text, rule) in wanted.iter() {
            if texts.last() != Some(text) {
                texts.push(text.clone());
                starts.push(rules.len() as u32);
            }
            rules.push(*rule);
        }
        starts.push(rules.len() as u32);
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        Some(Literals { prefilter: build(&texts), starts, rules, longest })
    }

    /// Calls `hit` with rules whose literal is in `bytes`, some more than once.
    pub fn scan(&self, bytes: &[u8], hit: &mut dyn FnMut(u32)) {
        self.prefilter.scan(bytes, &mut |literal| {
            let (Some(&start), Some(&end)) =
                (self.starts.get(literal as usize), self.starts.get(literal as usize + 1))
            else {
                return;
            };
            for rule in &self.rules[start as usize..end as usize] {
                hit(*rule);
            }
        });
    }

    /// Memory of the prefilter, bytes.
    pub fn memory(&self) -> usize {
        self.prefilter.memory()
    }
}

/// Sets by port.
#[derive(Debug, Default)]
pub struct PortIndex {
    /// Segment starts, rising, and the set of each (`u32::MAX`: none).
    segments: Vec<(u16, u32)>,
    sets: Vec<Set>,
}

impl PortIndex {
    /// The set of that port.
    pub fn find(&self, port: u16) -> Option<&Set> {
        let at = self.segments.partition_point(|(start, _)| *start <= port).checked_sub(1)?;
        self.sets.get(self.segments[at].1 as usize)
    }
}

/// Rules on payload or header of one transport and direction.
#[derive(Debug, Default)]
pub struct Group {
    /// Any port.
    pub any: Set,
    /// By destination port.
    pub destination: PortIndex,
    /// By source port, of those without narrow destination ports.
    pub source: PortIndex,
}

impl Group {
    /// The sets that a packet with these ports meets.
    pub fn sets(&self, ports: Option<(u16, u16)>) -> impl Iterator<Item = &Set> {
        let (source, destination) = match ports {
            Some((source, destination)) => (self.source.find(source), self.destination.find(destination)),
            None => (None, None),
        };
        std::iter::once(&self.any).chain(destination).chain(source)
    }
}

/// A buffer that transactions of a group are searched in.
#[derive(Debug)]
pub struct TxList {
    /// Which.
    pub list: ListId,
    /// Where the protocol has it.
    pub place: Place,
    /// The rules that wait for a literal in it.
    pub literals: Literals,
}

/// Rules on transactions of one protocol and direction.
#[derive(Debug, Default)]
pub struct TxGroup {
    /// Without a literal.
    pub always: Vec<u32>,
    /// Buffers, by rising progress.
    pub lists: Vec<TxList>,
}

/// Rules on addresses alone, found by address.
#[derive(Debug, Default)]
pub struct AddressIndex {
    /// Start of each range of IPv4 addresses and its rules.
    v4: Vec<(u32, Vec<u32>)>,
    /// Rules that every packet meets: wide ones and those on IPv6.
    wide: Vec<u32>,
}

impl AddressIndex {
    /// Rules that may match a packet with one end at `address`.
    pub fn find(&self, address: IpAddr) -> impl Iterator<Item = u32> {
        let narrow: &[u32] = match address {
            IpAddr::V4(v4) => {
                let at = self.v4.partition_point(|(start, _)| *start <= u32::from(v4));
                at.checked_sub(1).map_or(&[], |at| &self.v4[at].1)
            }
            IpAddr::V6(_) => &[],
        };
        narrow.iter().copied()
    }
}

/// Transports that payload rules are grouped by.
pub const TRANSPORTS: usize = 4;

/// The group of an IP protocol.
pub fn transport_of(proto: Option<Proto>) -> usize {
    match proto {
        Some(Proto::TCP) => 0,
        Some(Proto::UDP) => 1,
        Some(Proto::ICMP | Proto::ICMPV6) => 2,
        _ => 3,
    }
}

/// Everything the detector needs of the rules. Immutable, shared by all workers.
pub struct RuleSet {
    /// In the order of evaluation: a rule's number is its place here.
    pub rules: Vec<Rule>,
    /// The class of each rule.
    pub classes: Vec<Class>,
    /// The list of each part of each rule.
    pub lists_of: Vec<Vec<ListId>>,
    /// Lists by number.
    pub lists: Vec<List>,
    /// The registry the rules were compiled with.
    pub registry: Arc<Registry>,
    /// Rules that packets with events meet.
    pub events: Vec<u32>,
    /// Rules on addresses alone.
    pub addresses: [AddressIndex; 2],
    /// Rules on the application protocol alone.
    pub detection: Vec<u32>,
    /// Rules on packets.
    pub packets: [[Group; 2]; TRANSPORTS],
    /// Rules on streams.
    pub streams: [Group; 2],
    /// Rules on transactions: by protocol and direction.
    pub txs: Vec<[TxGroup; 2]>,
    /// Rules on packets that test flow variables, by direction, with the transports they cover.
    pub readers: [Vec<(u32, [bool; TRANSPORTS])>; 2],
    /// Flowbit names by number.
    pub flowbit_names: Vec<String>,
    /// Names of flow integers by number.
    pub flowint_names: Vec<String>,
    /// Longest literal of stream groups, bytes: how much of the window before is searched again.
    pub stream_overlap: usize,
}

/// What a rule wants: its class, the directions in which it can match, and its literal.
struct Placed {
    class: Class,
    dirs: [bool; 2],
    /// Part and bytes of its fast pattern.
    literal: Option<(usize, Vec<u8>)>,
}

/// Where a rule is looked for, for those who explain it.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Its class.
    pub class: Class,
    /// The directions in which it can match: to the server, to the client.
    pub dirs: [bool; 2],
    /// Part and bytes of its fast pattern.
    pub literal: Option<(usize, Vec<u8>)>,
}

/// Where the rule is looked for.
pub fn placement(rule: &Rule, registry: &Registry) -> Placement {
    let Placed { class, dirs, literal } = place(rule, registry);
    Placement { class, dirs, literal }
}

impl RuleSet {
    /// Orders and groups the rules.
    pub fn new(
        mut rules: Vec<Rule>,
        registry: Arc<Registry>,
        names: &Names,
        action_order: [Action; 4],
        build: Build,
    ) -> Self {
        let rank = |action: Action| match action {
            Action::Config => 0,
            Action::Reject(_) => {
                1 + action_order.iter().position(|a| matches!(a, Action::Reject(_))).unwrap_or(3)
            }
            other => 1 + action_order.iter().position(|a| *a == other).unwrap_or(3),
        };
        rules.sort_by_key(|rule| {
            (rank(rule.action), var_rank(rule), rule.meta.priority, rule.meta.gid, rule.meta.sid)
        });
        let mut lists = Lists::default();
        let mut placed = Vec::with_capacity(rules.len());
        let mut lists_of = Vec::with_capacity(rules.len());
        for rule in &rules {
            lists_of
                .push(rule.parts.iter().map(|part| lists.intern(part.buffer, &part.transforms)).collect());
            placed.push(place(rule, &registry));
        }
        let mut this = RuleSet {
            classes: placed.iter().map(|p| p.class).collect(),
            lists_of,
            lists: lists.all,
            events: Vec::new(),
            addresses: Default::default(),
            detection: Vec::new(),
            packets: Default::default(),
            streams: Default::default(),
            txs: (0..registry.protocols().len()).map(|_| Default::default()).collect(),
            readers: Default::default(),
            flowbit_names: names.flowbit_names(),
            flowint_names: names.flowint_names(),
            stream_overlap: 0,
            rules,
            registry,
        };
        this.group(&placed, build);
        this
    }

    fn group(&mut self, placed: &[Placed], build: Build) {
        let mut packets: [[Pending; 2]; TRANSPORTS] = Default::default();
        let mut streams: [Pending; 2] = Default::default();
        let mut address: [Vec<u32>; 2] = Default::default();
        let mut txs: HashMap<(usize, usize), TxPending> = HashMap::new();
        for (id, (rule, placed)) in self.rules.iter().zip(placed).enumerate() {
            let id = id as u32;
            match placed.class {
                Class::Event => self.events.push(id),
                Class::Detection => self.detection.push(id),
                Class::Address => {
                    for (rules, _) in address.iter_mut().zip(placed.dirs).filter(|(_, there)| *there) {
                        rules.push(id);
                    }
                }
                Class::Packet | Class::Stream | Class::PacketStream => {
                    let literal = placed.literal.as_ref().map(|(_, text)| text.clone());
                    for dir in 0..2 {
                        if !placed.dirs[dir] {
                            continue;
                        }
                        if placed.class != Class::Stream && !rule.var_tests.is_empty() {
                            let covered = std::array::from_fn(|transport| covers(rule.protocol, transport));
                            self.readers[dir].push((id, covered));
                        }
                        let tcp = covers(rule.protocol, 0);
                        if placed.class != Class::Packet && tcp {
                            streams[dir].add(rule, id, literal.clone());
                        }
                        for (transport, groups) in packets.iter_mut().enumerate() {
                            let streamed = transport == 0 && placed.class == Class::Stream;
                            if covers(rule.protocol, transport) && !streamed {
                                groups[dir].add(rule, id, literal.clone());
                            }
                        }
                    }
                }
                Class::Tx => self.place_tx(id, placed, &mut txs),
            }
        }
        for dir in 0..2 {
            self.streams[dir] = std::mem::take(&mut streams[dir]).build(build);
            let longest = |set: &Set| set.literals.as_ref().map_or(0, |l| l.longest);
            let group = &self.streams[dir];
            let of = |index: &PortIndex| index.sets.iter().map(longest).max().unwrap_or(0);
            self.stream_overlap = self
                .stream_overlap
                .max(longest(&group.any))
                .max(of(&group.destination))
                .max(of(&group.source));
            self.addresses[dir] = address_index(&self.rules, &address[dir]);
        }
        for (transport, groups) in packets.into_iter().enumerate() {
            for (dir, pending) in groups.into_iter().enumerate() {
                self.packets[transport][dir] = pending.build(build);
            }
        }
        for ((protocol, dir), pending) in txs {
            self.txs[protocol][dir] = pending.build(build);
        }
    }

    fn place_tx(&self, id: u32, placed: &Placed, txs: &mut HashMap<(usize, usize), TxPending>) {
        let rule = &self.rules[id as usize];
        for protocol in 0..self.registry.protocols().len() {
            let protocol_id = ProtocolId(protocol as u8);
            if matches!(rule.protocol, RuleProtocol::App(of) if of != protocol_id) {
                continue;
            }
            for dir in Direction::BOTH {
                if !placed.dirs[dir.index()] || !self.fits(rule, protocol_id, dir) {
                    continue;
                }
                let pending = txs.entry((protocol, dir.index())).or_default();
                let list = placed.literal.as_ref().and_then(|(part, text)| {
                    let place = self.place_of(rule.parts[*part].buffer, protocol_id, dir)?;
                    Some((self.lists_of[id as usize][*part], place, text.clone()))
                });
                match list {
                    Some((list, place, text)) => {
                        pending.lists.entry(list).or_insert_with(|| (place, Vec::new())).1.push((text, id))
                    }
                    None => pending.always.push(id),
                }
            }
        }
    }

    /// Whether every application buffer of the rule is there in that protocol and direction.
    fn fits(&self, rule: &Rule, protocol: ProtocolId, dir: Direction) -> bool {
        rule.parts.iter().all(|part| match self.registry.buffer(part.buffer).origin {
            Origin::App(_) => part.absent.is_some() || self.place_of(part.buffer, protocol, dir).is_some(),
            _ => true,
        }) && rule.tx_tests.iter().all(|test| test.progress(protocol, dir).is_some())
    }

    /// Where that protocol has the buffer in that direction.
    pub fn place_of(&self, buffer: BufferId, protocol: ProtocolId, dir: Direction) -> Option<Place> {
        match &self.registry.buffer(buffer).origin {
            Origin::App(sources) => sources
                .iter()
                .find(|s| s.protocol == protocol && s.place.dir == dir)
                .map(|source| source.place),
            _ => None,
        }
    }

    /// Memory of all prefilters, bytes.
    pub fn prefilter_memory(&self) -> usize {
        let set = |set: &Set| set.literals.as_ref().map_or(0, Literals::memory);
        let index = |index: &PortIndex| index.sets.iter().map(set).sum::<usize>();
        let group = |group: &Group| set(&group.any) + index(&group.destination) + index(&group.source);
        self.packets.iter().flatten().map(group).sum::<usize>()
            + self.streams.iter().map(group).sum::<usize>()
            + self.txs.iter().flatten().flat_map(|tx| &tx.lists).map(|l| l.literals.memory()).sum::<usize>()
    }
}

/// Rules that write flow variables come before rules that read them, so that one packet can do both.
fn var_rank(rule: &Rule) -> u8 {
    match (
        rule.var_actions.is_empty() && rule.host_actions.is_empty(),
        rule.var_tests.is_empty() && rule.host_tests.is_empty(),
    ) {
        (false, true) => 0,
        (false, false) => 1,
        (true, false) => 2,
        (true, true) => 3,
    }
}

/// Whether a rule protocol covers a transport group.
fn covers(protocol: RuleProtocol, transport: usize) -> bool {
    match protocol {
        RuleProtocol::Any | RuleProtocol::Ip(_) => true,
        RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => transport == 0,
        RuleProtocol::Udp => transport == 1,
        RuleProtocol::Icmp(_) => transport == 2,
        RuleProtocol::Sctp | RuleProtocol::Other(_) => transport == 3,
        RuleProtocol::App(_) => transport <= 1,
    }
}

fn place(rule: &Rule, registry: &Registry) -> Placed {
    let is_app = |buffer: BufferId| matches!(registry.buffer(buffer).origin, Origin::App(_));
    let has_app = rule.parts.iter().any(|part| is_app(part.buffer)) || !rule.tx_tests.is_empty();
    let payload = rule.parts.iter().find(|part| part.buffer == BufferId::PAYLOAD);
    let flow = rule.flow.unwrap_or_default();
    let needs_packet = rule.packet_payload
        || flow.no_stream
        || matches!(rule.protocol, RuleProtocol::TcpPacket)
        || rule.packet_tests.iter().any(|test| test.needs_packet())
        || rule.parts.iter().any(|p| matches!(registry.buffer(p.buffer).origin, Origin::Packet(_)));
    let stream_only = flow.only_stream || matches!(rule.protocol, RuleProtocol::TcpStream);
    let anchored = payload.is_some_and(|part| {
        part.ops
            .iter()
            .any(|op| matches!(op, Op::Content(c) if c.startswith || c.offset.is_some() || c.depth.is_some()))
    });
    // tests of the flow as it is at this packet (stream_size): the packet is looked at, and the stream too
    let anchored = anchored || !rule.packet_tests.is_empty();
    let class = if rule.packet_tests.iter().any(|test| test.is_event()) {
        Class::Event
    } else if has_app {
        Class::Tx
    } else if payload.is_some() {
        match (needs_packet, stream_only, anchored) {
            (true, ..) => Class::Packet,
            (_, true, _) => Class::Stream,
            (_, _, true) => Class::PacketStream,
            _ => Class::Stream,
        }
    } else if is_detection_only(rule) {
        Class::Detection
    } else if is_address_only(rule) {
        Class::Address
    } else {
        Class::Packet
    };
    let mut dirs = match flow.dir {
        Some(Direction::ToServer) => [true, false],
        Some(Direction::ToClient) => [false, true],
        None => [true, true],
    };
    if flow.dir.is_none() {
        for dir in Direction::BOTH {
            dirs[dir.index()] = rule.parts.iter().all(|part| match &registry.buffer(part.buffer).origin {
                Origin::App(sources) => part.absent.is_some() || sources.iter().any(|s| s.place.dir == dir),
                _ => true,
            });
        }
    }
    Placed { class, dirs, literal: best_literal(rule, class, registry) }
}

/// The literal that serves best: one that the rule asks for, else the rarest; for transactions one of their own buffers.
fn best_literal(rule: &Rule, class: Class, registry: &Registry) -> Option<(usize, Vec<u8>)> {
    let mut best: Option<(bool, u32, usize, Vec<u8>)> = None;
    for (at, part) in rule.parts.iter().enumerate() {
        let fits = match &registry.buffer(part.buffer).origin {
            Origin::App(_) => class == Class::Tx && part.absent.is_none(),
            Origin::Payload => class != Class::Tx,
            Origin::Packet(_) | Origin::Derived => false,
        };
        if !fits {
            continue;
        }
        for op in &part.ops {
            let Op::Content(content) = op else { continue };
            let Some((bytes, asked)) = literal::candidate(content) else { continue };
            let worth = literal::worth(bytes);
            if best.as_ref().is_none_or(|(a, w, ..)| (asked, worth) > (*a, *w)) {
                best = Some((asked, worth, at, bytes.to_ascii_lowercase()));
            }
        }
    }
    best.map(|(_, _, at, bytes)| (at, bytes))
}

fn is_address_only(rule: &Rule) -> bool {
    let ports = rule.header.source_ports.is_any() && rule.header.destination_ports.is_any();
    let protocol = matches!(
        rule.protocol,
        RuleProtocol::Ip(_) | RuleProtocol::Tcp | RuleProtocol::Udp | RuleProtocol::Icmp(_)
    );
    ports
        && protocol
        && rule.flow.is_none()
        && rule.packet_tests.iter().all(|test| test.is_address())
        && rule.var_tests.is_empty()
        && rule.parts.is_empty()
}

fn is_detection_only(rule: &Rule) -> bool {
    !rule.packet_tests.is_empty()
        && rule.packet_tests.iter().all(|test| test.is_detection())
        && rule.var_tests.is_empty()
        && rule.host_tests.is_empty()
        && rule.parts.is_empty()
        && rule.flow.is_none_or(|flow| {
            flow.established.is_none() && !flow.stateless && !flow.no_stream && !flow.only_stream
        })
}

#[derive(Default)]
struct Lists {
    all: Vec<List>,
    known: HashMap<(BufferId, String), ListId>,
}

impl Lists {
    fn intern(&mut self, buffer: BufferId, transforms: &[Arc<dyn Transform>]) -> ListId {
        let identity: String = transforms.iter().map(|t| t.identity() + ";").collect();
        *self.known.entry((buffer, identity)).or_insert_with(|| {
            self.all.push(List { buffer, transforms: transforms.to_vec() });
            ListId((self.all.len() - 1) as u16)
        })
    }
}

/// A group while its rules are collected.
#[derive(Default)]
struct Pending {
    any: SetPending,
    destination: Vec<(PortSet, u32, Option<Vec<u8>>)>,
    source: Vec<(PortSet, u32, Option<Vec<u8>>)>,
}

#[derive(Default)]
struct SetPending {
    always: Vec<u32>,
    literals: Vec<(Vec<u8>, u32)>,
}

impl SetPending {
    fn add(&mut self, id: u32, literal: Option<Vec<u8>>) {
        match literal {
            Some(text) => self.literals.push((text, id)),
            None => self.always.push(id),
        }
    }

    fn build(mut self, build: Build) -> Set {
        Set { always: self.always, literals: Literals::build(&mut self.literals, build) }
    }
}

/// Sets of more ports than this are in the group of any port: their own would be met nearly as often.
const NARROW_PORTS_MAX: u32 = 4096;

impl Pending {
    fn add(&mut self, rule: &Rule, id: u32, literal: Option<Vec<u8>>) {
        let narrow = |ports: &PortSet| {
            !ports.is_any()
                && ports.ranges().iter().map(|r| u32::from(r.1) - u32::from(r.0) + 1).sum::<u32>()
                    <= NARROW_PORTS_MAX
        };
        if rule.header.both_ways {
            self.any.add(id, literal);
        } else if narrow(&rule.header.destination_ports) {
            self.destination.push(((*rule.header.destination_ports).clone(), id, literal));
        } else if narrow(&rule.header.source_ports) {
            self.source.push(((*rule.header.source_ports).clone(), id, literal));
        } else {
            self.any.add(id, literal);
        }
    }

    fn build(self, build: Build) -> Group {
        Group {
            any: self.any.build(build),
            destination: port_index(self.destination, build),
            source: port_index(self.source, build),
        }
    }
}

/// Cuts the ports where some rule's set begins or ends; segments with the same rules share a set.
fn port_index(rules: Vec<(PortSet, u32, Option<Vec<u8>>)>, build: Build) -> PortIndex {
    let mut cuts: Vec<u32> = vec![0];
    for (ports, ..) in &rules {
        for &(low, high) in ports.ranges() {
            cuts.push(u32::from(low));
            cuts.push(u32::from(high) + 1);
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    let mut index = PortIndex::default();
    let mut known: HashMap<Vec<usize>, u32> = HashMap::new();
    for &cut in cuts.iter().filter(|cut| **cut <= 65_535) {
        let port = cut as u16;
        let here: Vec<usize> =
            rules.iter().enumerate().filter(|(_, (p, ..))| p.contains(port)).map(|(at, _)| at).collect();
        if here.is_empty() {
            index.segments.push((port, u32::MAX));
            continue;
        }
        let set = *known.entry(here).or_insert_with_key(|here| {
            let mut pending = SetPending::default();
            for &at in here {
                pending.add(rules[at].1, rules[at].2.clone());
            }
            index.sets.push(pending.build(build));
            (index.sets.len() - 1) as u32
        });
        index.segments.push((port, set));
    }
    index
}

/// Literals and the rule that waits for each.
type Wanted = Vec<(Vec<u8>, u32)>;

#[derive(Default)]
struct TxPending {
    always: Vec<u32>,
    lists: HashMap<ListId, (Place, Wanted)>,
}

impl TxPending {
    fn build(self, build: Build) -> TxGroup {
        let mut lists: Vec<TxList> = self
            .lists
            .into_iter()
            .filter_map(|(list, (place, mut wanted))| {
                Some(TxList { list, place, literals: Literals::build(&mut wanted, build)? })
            })
            .collect();
        lists.sort_by_key(|l| (l.place.progress, l.place.kind == Kind::Body, l.list));
        TxGroup { always: self.always, lists }
    }
}

/// Rules on addresses by their narrower side: a sweep over the bounds of all ranges.
fn address_index(rules: &[Rule], ids: &[u32]) -> AddressIndex {
    let mut index = AddressIndex::default();
    let mut bounds: Vec<(u64, bool, u32)> = Vec::new();
    for &id in ids {
        let header = &rules[id as usize].header;
        // both ends are looked up, so either side may serve
        let side = if header.source.is_any() { &header.destination } else { &header.source };
        if side.is_any() || !side.ranges_v6().is_empty() {
            index.wide.push(id);
            continue;
        }
        for &(low, high) in side.ranges_v4() {
            bounds.push((u64::from(low), true, id));
            bounds.push((u64::from(high) + 1, false, id));
        }
    }
    bounds.sort_unstable();
    let mut active: Vec<u32> = Vec::new();
    let mut at = 0;
    while at < bounds.len() {
        let position = bounds[at].0;
        while at < bounds.len() && bounds[at].0 == position {
            let (_, opens, id) = bounds[at];
            if opens {
                active.push(id);
            } else if let Some(old) = active.iter().position(|a| *a == id) {
                active.swap_remove(old);
            }
            at += 1;
        }
        if let Ok(start) = u32::try_from(position) {
            let mut here = active.clone();
            here.sort_unstable();
            here.dedup();
            index.v4.push((start, here));
        }
    }
    index
}

impl AddressIndex {
    /// Rules that every packet meets.
    pub fn wide(&self) -> &[u32] {
        &self.wide
    }
}

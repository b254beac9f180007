//! The compiled rule set: rules in the order of their evaluation, and the groups in which they are looked for.
//!
//! A rule is in the groups of each direction in which it can match; what groups are inside is told by `super::group`.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::buffer::{BufferId, Kind, Origin, Place};
use super::group::{Group, Patterns, Pending, Wanted};
use super::head::{Head, Tables};
use super::inspect::ops::{Op, Transform};
use super::keyword::Names;
use super::literal;
use super::prefilter::{Build, Region};
use super::registry::Registry;
use super::rule::{Part, Rule, RuleProtocol};
use super::sets::Sets;
use crate::app::{FrameKind, ProtocolId, WantedFrames};
use crate::rules::{Action, AddressSet};
use crate::types::{Direction, Proto};

/// How a rule is looked at, as the user guide's "rule types" have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Decoder or stream events: packets that raised some.
    Event,
    /// Addresses and ports alone: once for each direction of a flow.
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
    /// Frames, once for each.
    Frame,
}

/// An application buffer with its transforms: what a transaction group scans.
#[derive(Debug)]
pub struct List {
    /// Which buffer.
    pub buffer: BufferId,
    /// What is done to it first.
    pub transforms: Vec<Arc<dyn Transform>>,
    /// The number of these transforms: the same for lists with the same.
    chain: u16,
}

/// The number of a [`List`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId(pub u16);

/// A buffer that transactions of a group are searched in.
#[derive(Debug)]
pub struct TxList {
    /// Which.
    pub list: ListId,
    /// Where the protocol has it.
    pub place: Place,
    /// The rules that wait for a literal in it.
    pub patterns: Patterns,
}

/// Rules on transactions of one protocol and direction.
#[derive(Debug, Default)]
pub struct TxGroup {
    /// Without a literal.
    pub always: Vec<u32>,
    /// Of these, those that wait for a literal in the payload beside: it is searched once for all of them.
    pub payload: Patterns,
    /// Buffers, by rising progress.
    pub lists: Vec<TxList>,
}

/// Rules on one type of frame, by direction.
#[derive(Debug)]
pub struct FrameGroup {
    /// Whose.
    pub protocol: ProtocolId,
    /// What.
    pub kind: FrameKind,
    /// The rules.
    pub groups: [Group; 2],
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
    pub rules: Vec<Arc<Rule>>,
    /// The class of each rule.
    pub classes: Vec<Class>,
    /// Whether each rule is in [`TxGroup::payload`].
    pub(super) payload_waits: Vec<bool>,
    /// The head of each rule in a few bits.
    pub(super) heads: Vec<Head>,
    /// What heads refer to.
    pub(super) tables: Tables,
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
    /// Rules on frames, by protocol and type.
    pub frames: Vec<FrameGroup>,
    /// Types of frames that rules want; `None` without such rules.
    pub wanted_frames: Option<Arc<WantedFrames>>,
    /// Rules on packets that test flow variables, by direction, with the transports they cover.
    pub readers: [Vec<(u32, [bool; TRANSPORTS])>; 2],
    /// Flowbit names by number.
    pub flowbit_names: Vec<String>,
    /// Names of flow integers by number.
    pub flowint_names: Vec<String>,
    /// Names of host bits by number.
    pub hostbit_names: Vec<String>,
    /// Data sets.
    pub sets: Sets,
    /// A number of all that has made the rules besides their text ([`super::compile::world`]).
    pub world: u64,
    /// Longest literal of stream groups, bytes: how much of the window before is searched again.
    pub stream_overlap: usize,
    /// What makes prefilters.
    pub(super) build: Build,
}

/// A rule's literal for the prefilter.
#[derive(Clone)]
struct Fast {
    /// The part it is asked of.
    part: usize,
    /// Its bytes, lower case.
    text: Vec<u8>,
    bounds: literal::Bounds,
}

impl Fast {
    fn wanted_by(&self, rule: u32) -> Wanted {
        Wanted { text: self.text.clone(), bounds: self.bounds, rule }
    }
}

/// What a rule wants: its class, the directions in which it can match, and its literal.
struct Placed {
    class: Class,
    dirs: [bool; 2],
    /// Part, bytes and bounds of its fast pattern.
    literal: Option<Fast>,
    /// Of a rule on transactions without one: the literal that it wants in the payload beside.
    payload: Option<Fast>,
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
    /// Of a rule on transactions without one: part and bytes of the literal without which its payload is not looked at.
    pub payload: Option<(usize, Vec<u8>)>,
}

/// Where the rule is looked for.
pub fn placement(rule: &Rule, registry: &Registry) -> Placement {
    let Placed { class, dirs, literal, payload } = place(rule, registry);
    let told = |fast: Fast| (fast.part, fast.text);
    Placement { class, dirs, literal: literal.map(told), payload: payload.map(told) }
}

impl RuleSet {
    /// Orders and groups the rules.
    pub fn new(
        mut rules: Vec<Arc<Rule>>,
        registry: Arc<Registry>,
        names: &Names,
        action_order: [Action; 4],
        build: Build,
        world: u64,
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
        let (heads, tables) = Head::all(&rules, registry.protocols().len());
        let mut this = RuleSet {
            classes: placed.iter().map(|p| p.class).collect(),
            payload_waits: placed.iter().map(|p| p.payload.is_some()).collect(),
            heads,
            tables,
            lists_of,
            lists: lists.all,
            events: Vec::new(),
            addresses: Default::default(),
            detection: Vec::new(),
            packets: Default::default(),
            streams: Default::default(),
            txs: (0..registry.protocols().len()).map(|_| Default::default()).collect(),
            frames: Vec::new(),
            wanted_frames: None,
            readers: Default::default(),
            flowbit_names: names.flowbit_names(),
            hostbit_names: names.hostbit_names(),
            flowint_names: names.flowint_names(),
            sets: names.sets.clone(),
            stream_overlap: 0,
            build,
            world,
            rules,
            registry,
        };
        this.group(&placed, build);
        this.sets.freeze();
        this
    }

    fn group(&mut self, placed: &[Placed], build: Build) {
        let mut packets: [[Pending; 2]; TRANSPORTS] = Default::default();
        let mut streams: [Pending; 2] = Default::default();
        let mut address: [Vec<u32>; 2] = Default::default();
        let mut txs: HashMap<(usize, usize), TxPending> = HashMap::new();
        let mut frames: BTreeMap<(ProtocolId, FrameKind), [Pending; 2]> = BTreeMap::new();
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
                    let literal = placed.literal.as_ref().map(|fast| fast.wanted_by(id));
                    for dir in 0..2 {
                        if !placed.dirs[dir] {
                            continue;
                        }
                        if placed.class != Class::Stream && !rule.var_tests.is_empty() {
                            let covered = std::array::from_fn(|transport| covers(rule.protocol, transport));
                            self.readers[dir].push((id, covered));
                        }
                        let apps = self.apps_of(rule);
                        let tcp = rule_covers(rule, 0);
                        if placed.class != Class::Packet && tcp {
                            streams[dir].add(rule, self.heads[id as usize], id, literal.clone(), &apps);
                        }
                        for (transport, groups) in packets.iter_mut().enumerate() {
                            let streamed = transport == 0 && placed.class == Class::Stream;
                            if rule_covers(rule, transport) && !streamed {
                                let head = self.heads[id as usize];
                                groups[dir].add(rule, head, id, literal.clone(), &apps);
                            }
                        }
                    }
                }
                Class::Tx => self.place_tx(id, placed, &mut txs),
                Class::Frame => {
                    let of = |part: &Part| match self.registry.buffer(part.buffer).origin {
                        Origin::Frame(protocol, kind) => Some((protocol, kind)),
                        _ => None,
                    };
                    let Some(frame) = rule.parts.iter().find_map(of) else { continue };
                    for (set, _) in frames
                        .entry(frame)
                        .or_default()
                        .iter_mut()
                        .zip(placed.dirs)
                        .filter(|(_, there)| *there)
                    {
                        let literal = placed.literal.as_ref().map(|fast| fast.wanted_by(id));
                        set.add(rule, self.heads[id as usize], id, literal, &self.apps_of(rule));
                    }
                }
            }
        }
        for dir in 0..2 {
            self.streams[dir] = std::mem::take(&mut streams[dir]).build(&self.tables, build);
            self.stream_overlap = self.stream_overlap.max(self.streams[dir].longest);
            self.addresses[dir] = address_index(&self.rules, &address[dir]);
        }
        for ((protocol, kind), sets) in frames {
            self.wanted_frames.get_or_insert_default();
            if let Some(wanted) = self.wanted_frames.as_mut().and_then(Arc::get_mut) {
                wanted.add(protocol, kind);
            }
            let groups = sets.map(|pending| pending.build(&self.tables, build));
            let longest = groups.iter().map(|group| group.longest).max();
            self.stream_overlap = self.stream_overlap.max(longest.unwrap_or(0));
            self.frames.push(FrameGroup { protocol, kind, groups });
        }
        for (transport, groups) in packets.into_iter().enumerate() {
            for (dir, pending) in groups.into_iter().enumerate() {
                self.packets[transport][dir] = pending.build(&self.tables, build);
            }
        }
        let mut last = 0;
        let frames = self.frames.iter_mut().flat_map(|frame| &mut frame.groups);
        for group in self.packets.iter_mut().flatten().chain(&mut self.streams).chain(frames) {
            group.number(&mut last);
        }
        for ((protocol, dir), pending) in txs {
            let transformed = |list: ListId| {
                self.lists.get(usize::from(list.0)).is_some_and(|list| !list.transforms.is_empty())
            };
            self.txs[protocol][dir] = pending.build(build, transformed);
        }
    }

    /// The application protocols with which alone the rule can match; none: whatever is spoken.
    fn apps_of(&self, rule: &Rule) -> Vec<ProtocolId> {
        let all = (0..self.registry.protocols().len()).map(|id| ProtocolId(id as u8));
        all.filter(|id| rule.speaks(*id)).collect()
    }

    fn place_tx(&self, id: u32, placed: &Placed, txs: &mut HashMap<(usize, usize), TxPending>) {
        let rule = &self.rules[id as usize];
        for protocol in 0..self.registry.protocols().len() {
            let protocol_id = ProtocolId(protocol as u8);
            let app = matches!(rule.protocol, RuleProtocol::App(_) | RuleProtocol::Either(..));
            let called = self.registry.called(protocol_id);
            if app && !rule.speaks(protocol_id) && !called.is_some_and(|called| rule.speaks(called)) {
                continue;
            }
            for dir in Direction::BOTH {
                if !placed.dirs[dir.index()] || !self.fits(rule, protocol_id, dir) {
                    continue;
                }
                let pending = txs.entry((protocol, dir.index())).or_default();
                let list = placed.literal.as_ref().and_then(|fast| {
                    let place = self.place_of(rule.parts[fast.part].buffer, protocol_id, dir)?;
                    Some((self.lists_of[id as usize][fast.part], place, fast.wanted_by(id)))
                });
                let Some((list, place, wanted)) = list else {
                    pending.always.push(id);
                    pending.payload.extend(placed.payload.as_ref().map(|fast| fast.wanted_by(id)));
                    continue;
                };
                // buffers that are one thing by two names are searched once
                let same = (place, self.lists[usize::from(list.0)].chain);
                pending.lists.entry(same).or_insert_with(|| (list, Vec::new())).1.push(wanted);
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

    /// The rules on frames of that type.
    pub fn frame_group(&self, protocol: ProtocolId, kind: FrameKind) -> Option<&FrameGroup> {
        self.frames
            .binary_search_by_key(&(protocol, kind), |group| (group.protocol, group.kind))
            .ok()
            .map(|at| &self.frames[at])
    }

    /// Memory of all prefilters, bytes.
    pub fn prefilter_memory(&self) -> usize {
        self.packets.iter().flatten().map(Group::memory).sum::<usize>()
            + self.streams.iter().map(Group::memory).sum::<usize>()
            + self.frames.iter().flat_map(|frames| &frames.groups).map(Group::memory).sum::<usize>()
            + self.txs.iter().flatten().flat_map(|tx| &tx.lists).map(|l| l.patterns.memory()).sum::<usize>()
            + self.txs.iter().flatten().map(|tx| tx.payload.memory()).sum::<usize>()
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

/// Whether the rule can match in a transport group.
fn rule_covers(rule: &Rule, transport: usize) -> bool {
    let asked = rule.packet_tests.iter().find_map(|test| test.ip_protocol());
    covers(rule.protocol, transport) && asked.is_none_or(|proto| transport_of(Some(proto)) == transport)
}

/// Whether a rule protocol covers a transport group.
fn covers(protocol: RuleProtocol, transport: usize) -> bool {
    match protocol {
        RuleProtocol::Any | RuleProtocol::Ip(_) => true,
        RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => transport == 0,
        RuleProtocol::Udp => transport == 1,
        RuleProtocol::Icmp(_) => transport == 2,
        RuleProtocol::Sctp | RuleProtocol::Other(_) => transport == 3,
        RuleProtocol::App(_) | RuleProtocol::Either(..) => transport <= 1,
    }
}

fn place(rule: &Rule, registry: &Registry) -> Placed {
    let is_app = |buffer: BufferId| matches!(registry.buffer(buffer).origin, Origin::App(_));
    let has_app = rule.parts.iter().any(|part| is_app(part.buffer)) || !rule.tx_tests.is_empty();
    let has_frame =
        rule.parts.iter().any(|part| matches!(registry.buffer(part.buffer).origin, Origin::Frame(..)));
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
    } else if has_frame {
        Class::Frame
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
    // for transactions one of their own buffers
    let literal = best_literal(rule, |part| match &registry.buffer(part.buffer).origin {
        Origin::App(_) => class == Class::Tx && part.absent.is_none(),
        Origin::Payload => class != Class::Tx && class != Class::Frame,
        Origin::Frame(..) => class == Class::Frame && part.transforms.is_empty(),
        Origin::Packet(_) | Origin::Derived => false,
    });
    let payload = match (class, &literal) {
        (Class::Tx, None) => best_literal(rule, |part| {
            part.buffer == BufferId::PAYLOAD && part.transforms.is_empty() && part.absent.is_none()
        }),
        _ => None,
    };
    let payload = payload.filter(|fast| !literal::is_everywhere(&fast.text));
    Placed { class, dirs, literal, payload }
}

/// The literal that serves best of those parts that are asked ([`literal`]).
fn best_literal(rule: &Rule, asked: impl Fn(&Part) -> bool) -> Option<Fast> {
    let mut best: Option<((bool, u32), Fast)> = None;
    for (at, part) in rule.parts.iter().enumerate().filter(|(_, part)| asked(part)) {
        for op in &part.ops {
            let Op::Content(content) = op else { continue };
            let Some(candidate) = literal::candidate(content) else { continue };
            let rank = candidate.rank();
            if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                let text = candidate.bytes.to_ascii_lowercase();
                best = Some((rank, Fast { part: at, text, bounds: candidate.bounds }));
            }
        }
    }
    best.map(|(_, fast)| fast)
}

fn is_address_only(rule: &Rule) -> bool {
    // a negated address is looked at with every packet
    let plain = !rule.header.source.is_negated() && !rule.header.destination.is_negated();
    let protocol = matches!(
        rule.protocol,
        RuleProtocol::Ip(_) | RuleProtocol::Tcp | RuleProtocol::Udp | RuleProtocol::Icmp(_)
    );
    plain
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
    known: HashMap<(BufferId, u16), ListId>,
    chains: HashMap<String, u16>,
}

impl Lists {
    fn intern(&mut self, buffer: BufferId, transforms: &[Arc<dyn Transform>]) -> ListId {
        let identity: String = transforms.iter().map(|t| t.identity() + ";").collect();
        let next = self.chains.len() as u16;
        let chain = *self.chains.entry(identity).or_insert(next);
        *self.known.entry((buffer, chain)).or_insert_with(|| {
            self.all.push(List { buffer, transforms: transforms.to_vec(), chain });
            ListId((self.all.len() - 1) as u16)
        })
    }
}

#[derive(Default)]
struct TxPending {
    always: Vec<u32>,
    payload: Vec<Wanted>,
    /// By where the protocol has them and what is done to them first.
    lists: HashMap<(Place, u16), (ListId, Vec<Wanted>)>,
}

impl TxPending {
    fn build(self, build: Build, transformed: impl Fn(ListId) -> bool) -> TxGroup {
        let mut lists: Vec<TxList> = self
            .lists
            .into_iter()
            .map(|((place, _), (list, wanted))| {
                // what is transformed piece by piece has no places
                let placed = place.kind != Kind::Body || !transformed(list);
                // what is common in traffic need not be so in a path or a name, and these are short
                let anywhere = if place.kind == Kind::Body { Region::Whole } else { Region::Head };
                TxList { list, place, patterns: Patterns::build(wanted, placed, anywhere, build) }
            })
            .collect();
        lists.sort_by_key(|l| (l.place.progress, l.place.kind == Kind::Body, l.list));
        let payload = Patterns::build(self.payload, false, Region::Whole, build);
        TxGroup { always: self.always, payload, lists }
    }
}

/// Rules on addresses by their narrower side: a sweep over the bounds of all ranges.
fn address_index(rules: &[Arc<Rule>], ids: &[u32]) -> AddressIndex {
    let mut index = AddressIndex::default();
    let mut bounds: Vec<(u64, bool, u32)> = Vec::new();
    for &id in ids {
        let header = &rules[id as usize].header;
        // both ends are looked up, so either side may serve
        let size = |side: &AddressSet| {
            side.ranges_v4().iter().map(|(low, high)| u64::from(high - low) + 1).sum::<u64>()
        };
        let side = match header.source.is_any() || size(&header.destination) < size(&header.source) {
            true => &header.destination,
            false => &header.source,
        };
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

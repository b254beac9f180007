//! The detector of one worker: what a packet, what its stream and what its transactions match.
//!
//! For each packet: rules on events, on addresses, on the protocol, on the packet, on the stream (when enough of it is
//! new), on transactions (when something moved). Every rule is evaluated in full by `Detector::holds`; groups and
//! prefilters only say which rules are worth it.

use std::sync::Arc;

use smallvec::SmallVec;

use super::buffer::{BufferId, Kind, Origin};
use super::group::{Group, Set, Unfiltered};
use super::head::Facts;
use super::inspect::ops::{Op, View};
use super::inspect::{finds, inspect};
use super::merge::{Merges, SETS_MAX};
use super::profile::{Clock, Profile};
use super::rule::{Absent, Beside, PacketView, Part, Rule};
use super::ruleset::{Class, RuleSet, TxList, transport_of};
use crate::app::{DONE, Frame, Frames, ProtocolId, Transaction};
use crate::decode::{Packet, Transport};
use crate::flow::{Flow, Inspected, TxInspected, Vars};
use crate::stream::{Readable, Session, StreamEvents};
use crate::types::Direction;

/// Limits and sizes of inspection.
#[derive(Clone, Copy, Debug)]
pub struct DetectConfig {
    /// Tries of one rule on one buffer (`detect.inspection-recursion-limit`).
    pub recursion_max: u32,
    /// Unseen stream bytes that make an inspection worth it, by direction (`stream.reassembly.to*-chunk-size`).
    pub chunk: [u64; 2],
    /// Inline: every byte is inspected before it goes on.
    pub inline: bool,
    /// Alerts of one packet (`packet-alert-max`).
    pub alerts_max: usize,
    /// Times that sets of rules are met together before they are searched in one pass; at least 1.
    pub merge_after: u32,
}

impl Default for DetectConfig {
    fn default() -> Self {
        DetectConfig {
            recursion_max: 3000,
            chunk: [2560, 2560],
            inline: false,
            alerts_max: 15,
            merge_after: 4096,
        }
    }
}

/// A packet with what the stages before found out about it.
pub struct Inspection<'a> {
    /// The packet.
    pub packet: &'a Packet<'a>,
    /// Its direction in its flow.
    pub dir: Direction,
    /// Stream events that it raised.
    pub stream_events: StreamEvents,
    /// Application events of the flow that are new.
    pub layer_events: &'a [&'static str],
    /// Its payload is part of a stream.
    pub in_stream: bool,
    /// First packet of its direction.
    pub first: bool,
    /// The flow ends: what is left is inspected now.
    pub ending: bool,
    /// The protocol became known, or was given up, since the last packet.
    pub recognised: bool,
    /// A bare acknowledgement that completes the handshake, or the packet with which a session was picked up in its middle: it is
    /// established from the next packet on.
    pub opening: bool,
}

/// A rule that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    /// Which.
    pub rule: u32,
    /// Of which transaction.
    pub tx: Option<u64>,
    /// Of which frame of the packet's direction.
    pub frame: Option<u32>,
    /// On what.
    pub class: Class,
    /// In the stream, not in the packet.
    pub stream: bool,
}

impl PartialOrd for Class {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Class {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (*self as u8).cmp(&(*other as u8))
    }
}

/// Flags of TCP (RFC 9293 section 3.1).
const FIN: u8 = 0x01;
const RST: u8 = 0x04;

/// What a rule says of a transaction that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Match,
    No,
    Later,
}

/// Memory that is used again for each packet and never given back.
struct Scratch {
    /// Rules to look at, each once.
    candidates: Vec<u32>,
    /// Mark of the last collection that added each rule.
    marks: Vec<u32>,
    mark: u32,
    /// Of each rule, the packet that it matched last outside of transactions, and its place in the matches then.
    told: Vec<(u32, u32)>,
    packet: u32,
    vars: Vec<u64>,
    decoded: Vec<u8>,
    /// The byte order of the transaction's numbers.
    little: bool,
    transformed: [Vec<u8>; 2],
}

impl Scratch {
    fn for_rules(rules: usize) -> Self {
        Scratch {
            candidates: Vec::new(),
            marks: vec![0; rules],
            mark: 0,
            told: vec![(0, 0); rules],
            packet: 0,
            vars: Vec::new(),
            decoded: Vec::new(),
            little: true,
            transformed: Default::default(),
        }
    }

    /// No rule has matched yet.
    fn begin_packet(&mut self) {
        self.packet = self.packet.wrapping_add(1);
        if self.packet == 0 {
            self.told.fill((0, 0));
            self.packet = 1;
        }
    }

    /// No rule is a candidate yet.
    fn begin(&mut self) {
        self.candidates.clear();
        self.mark = self.mark.wrapping_add(1);
        if self.mark == 0 {
            self.marks.fill(0);
            self.mark = 1;
        }
    }

    fn add(&mut self, rule: u32) {
        let mark = &mut self.marks[rule as usize];
        if *mark != self.mark {
            *mark = self.mark;
            self.candidates.push(rule);
        }
    }

    /// The place in the matches of this packet of a rule that matched already.
    fn told(&self, rule: u32) -> Option<usize> {
        let (packet, at) = self.told[rule as usize];
        (packet == self.packet).then_some(at as usize)
    }
}

/// Bytes of payload under inspection.
#[derive(Clone, Copy)]
struct Window<'a> {
    bytes: &'a [u8],
    /// Position of the first byte in the stream.
    offset: u64,
    /// Bytes at the front that were inspected before.
    fresh: usize,
    to_end: bool,
    /// Of a raw stream.
    is_stream: bool,
}

/// What inspection changes of a flow.
#[derive(Default)]
struct Memory {
    vars: Vars,
    inspected: Inspected,
    frames: Frames,
}

/// A transaction under inspection.
#[derive(Clone, Copy)]
struct TxView<'a> {
    tx: &'a dyn Transaction,
    protocol: ProtocolId,
    flow: &'a Flow,
}

/// Evaluates a rule set; one per worker.
pub struct Detector {
    set: Arc<RuleSet>,
    state: State,
}

/// What evaluation writes to, apart from the rules that it reads.
struct State {
    config: DetectConfig,
    scratch: Scratch,
    /// Sets that are searched together.
    merges: Merges,
    /// What is known of the packet.
    facts: Facts,
    /// The raw stream was worth inspecting with this packet.
    raw_due: bool,
    matches: Vec<Match>,
    /// What rules cost, when that is measured.
    profile: Option<Box<Profile>>,
}

impl Detector {
    /// A detector over that set.
    pub fn new(set: Arc<RuleSet>, config: DetectConfig) -> Self {
        let scratch = Scratch::for_rules(set.rules.len());
        let state = State {
            config,
            scratch,
            merges: Merges::default(),
            facts: Facts::default(),
            raw_due: false,
            matches: Vec::new(),
            profile: None,
        };
        Detector { set, state }
    }

    /// Measures from now on what each rule costs, with that clock.
    pub fn measure(&mut self, clock: Clock) {
        self.state.profile = Some(Box::new(Profile::new(clock, self.set.rules.len())));
    }

    /// What was measured.
    pub fn profile(&self) -> Option<&Profile> {
        self.state.profile.as_deref()
    }

    /// The rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// Everything that matches, in the order of rules; valid until the next call.
    pub fn packet(&mut self, inspection: &Inspection<'_>, flow: Option<&mut Flow>) -> &[Match] {
        let Detector { set, state } = self;
        state.matches.clear();
        state.scratch.begin_packet();
        state.facts = Facts::new(inspection, flow.as_deref());
        state.raw_due = false;
        match flow {
            Some(flow) => {
                // what inspection changes leaves the flow, so that all else of it can be read meanwhile
                let mut memory = Memory {
                    vars: std::mem::take(&mut flow.vars),
                    inspected: std::mem::take(&mut flow.inspected),
                    frames: std::mem::take(flow.app.frames_mut()),
                };
                state.inspect(set, inspection, Some(flow), &mut memory);
                flow.vars = memory.vars;
                flow.inspected = memory.inspected;
                *flow.app.frames_mut() = memory.frames;
            }
            None => state.inspect(set, inspection, None, &mut Memory::default()),
        }
        let matches = &mut state.matches;
        matches.sort_unstable();
        // a rule on packet and stream tells once of a packet, wherever it matched
        matches.dedup_by(|later, kept| {
            let same = (later.rule, later.tx, later.frame, later.class)
                == (kept.rule, kept.tx, kept.frame, kept.class);
            kept.stream |= same && later.stream;
            same
        });
        matches
    }

    /// Takes what [`Detector::packet`] found, to act on it while other parts of the worker change.
    pub fn take_matches(&mut self) -> Vec<Match> {
        std::mem::take(&mut self.state.matches)
    }

    /// Gives the memory of [`Detector::take_matches`] back.
    pub fn give_back(&mut self, matches: Vec<Match>) {
        self.state.matches = matches;
    }
}

impl State {
    fn begin(&self) -> Option<u64> {
        self.profile.as_ref().map(|profile| profile.begin())
    }

    fn end(&mut self, rule: u32, begun: Option<u64>, matched: bool) {
        if let (Some(begun), Some(profile)) = (begun, &mut self.profile) {
            profile.end(rule, begun, matched);
        }
    }

    fn inspect(
        &mut self,
        set: &RuleSet,
        inspection: &Inspection<'_>,
        flow: Option<&Flow>,
        memory: &mut Memory,
    ) {
        let packet = inspection.packet;
        let eventful = !packet.events.is_empty()
            || !inspection.stream_events.is_empty()
            || !inspection.layer_events.is_empty();
        if eventful {
            self.try_all(set, &set.events, inspection, flow, memory);
        }
        if inspection.first && !inspection.ending {
            self.addresses(set, inspection, flow, memory);
        }
        if let (Some(flow), false) = (flow, memory.inspected.detection[inspection.dir.index()])
            && flow.app.is_side_decided(inspection.dir)
        {
            memory.inspected.detection[inspection.dir.index()] = true;
            self.try_all(set, &set.detection, inspection, Some(flow), memory);
        }
        let payload_allowed = flow.is_none_or(|flow| !flow.no_payload);
        if !inspection.ending {
            self.packet_rules(set, inspection, flow, memory, payload_allowed);
        }
        // an ICMP error about a flow carries nothing of it
        let carries = flow.is_some_and(|flow| packet.proto() == Some(flow.proto));
        if let (Some(flow), true) = (flow, carries) {
            let before = self.matches.len();
            self.stream(set, inspection, flow, memory);
            if !memory.frames.open(inspection.dir).is_empty() {
                self.frames(set, inspection, flow, memory);
            }
            // what the stream changed in the flow's variables is there for rules on this very packet that ask for them
            let changed = |found: &Match| !set.rules[found.rule as usize].var_actions.is_empty();
            if !set.readers[inspection.dir.index()].is_empty()
                && !inspection.ending
                && self.matches.get(before..).is_some_and(|new| new.iter().any(changed))
            {
                self.packet_readers(set, inspection, flow, memory);
            }
            self.transactions(set, inspection, flow, memory);
        }
    }

    /// Rules that are looked at without a literal.
    fn try_all(
        &mut self,
        set: &RuleSet,
        rules: &[u32],
        inspection: &Inspection<'_>,
        flow: Option<&Flow>,
        memory: &mut Memory,
    ) {
        self.scratch.begin();
        rules.iter().for_each(|rule| self.scratch.add(*rule));
        self.try_candidates(set, inspection, flow, memory, None);
    }

    fn addresses(
        &mut self,
        set: &RuleSet,
        inspection: &Inspection<'_>,
        flow: Option<&Flow>,
        memory: &mut Memory,
    ) {
        let index = &set.addresses[inspection.dir.index()];
        self.scratch.begin();
        let (Some(source), Some(destination)) =
            (inspection.packet.source_ip(), inspection.packet.destination_ip())
        else {
            return;
        };
        for rule in index.wide().iter().copied().chain(index.find(source)).chain(index.find(destination)) {
            self.scratch.add(rule);
        }
        self.try_candidates(set, inspection, flow, memory, None);
    }

    fn packet_rules(
        &mut self,
        set: &RuleSet,
        inspection: &Inspection<'_>,
        flow: Option<&Flow>,
        memory: &mut Memory,
        payload_allowed: bool,
    ) {
        let packet = inspection.packet;
        let payload = if payload_allowed && !packet.is_fragment() { packet.payload } else { &[] };
        let group = &set.packets[transport_of(packet.proto())][inspection.dir.index()];
        // rules on payload need some
        let window = Window { bytes: payload, offset: 0, fresh: 0, to_end: true, is_stream: false };
        self.scratch.begin();
        self.collect(set, group, window);
        // a payload that became part of no stream is all that stream rules will see of it
        if matches!(packet.transport, Transport::Tcp(_)) && !inspection.in_stream && !payload.is_empty() {
            self.collect(set, &set.streams[inspection.dir.index()], window);
        }
        let window = Some((window, false)).filter(|_| !payload.is_empty());
        self.try_candidates(set, inspection, flow, memory, window);
    }

    /// Rules on packets that test variables, once more.
    fn packet_readers(
        &mut self,
        set: &RuleSet,
        inspection: &Inspection<'_>,
        flow: &Flow,
        memory: &mut Memory,
    ) {
        self.scratch.begin();
        let transport = transport_of(inspection.packet.proto());
        for &(rule, transports) in &set.readers[inspection.dir.index()] {
            if transports[transport] {
                self.scratch.add(rule);
            }
        }
        let window =
            Window { bytes: inspection.packet.payload, offset: 0, fresh: 0, to_end: true, is_stream: false };
        self.try_candidates(set, inspection, Some(flow), memory, Some((window, false)));
    }

    /// Rules of a group that may match in that window.
    fn collect(&mut self, set: &RuleSet, group: &Group, window: Window<'_>) {
        let (scratch, facts, tables) = (&mut self.scratch, &self.facts, &set.tables);
        let mut searched: SmallVec<[&Set; SETS_MAX]> = SmallVec::new();
        for met in group.sets(facts, tables) {
            let payload: &[Unfiltered] = if window.bytes.is_empty() { &[] } else { &met.payload };
            for unfiltered in met.always.iter().chain(payload) {
                if unfiltered.head.may_hold(facts, tables) {
                    scratch.add(unfiltered.rule);
                }
            }
            if !window.bytes.is_empty() && !met.wanted.is_empty() {
                searched.push(met);
            }
        }
        let hit = &mut |rule: u32| {
            if set.heads.get(rule as usize).is_some_and(|head| head.may_hold(facts, tables)) {
                scratch.add(rule);
            }
        };
        let merged = if searched.len() > 1 {
            self.merges.of(&searched, set.build, self.config.merge_after)
        } else {
            None
        };
        match merged {
            Some(patterns) => patterns.scan_window(window.bytes, window.offset, window.fresh, hit),
            None => searched.iter().for_each(|met| {
                met.patterns.scan_window(window.bytes, window.offset, window.fresh, hit);
            }),
        }
    }

    /// Raw inspection of the packet's side of the stream, when there is enough that is new.
    fn stream(&mut self, set: &RuleSet, inspection: &Inspection<'_>, flow: &Flow, memory: &mut Memory) {
        let Some(session) = &flow.session else { return };
        let (dir, side) = (inspection.dir, inspection.dir.index());
        // every turn moves `inspected.stream` forward, or ends
        loop {
            let from = memory.inspected.stream[side];
            let readable = match session.readable(dir, from) {
                Readable::Nothing => return,
                Readable::Gap(len) => {
                    memory.inspected.stream[side] = from + len;
                    continue;
                }
                Readable::Bytes(bytes) => bytes.len() as u64,
            };
            let ends = |packet: &Packet<'_>| packet.tcp().is_some_and(|tcp| tcp.flags() & (FIN | RST) != 0);
            let due = self.config.inline
                || ends(inspection.packet)
                || inspection.ending
                || memory.inspected.flush[side]
                || readable >= self.config.chunk[side]
                || session.is_ended(dir)
                || session.depth_reached(dir);
            if !due {
                return;
            }
            self.raw_due = true;
            memory.inspected.flush[side] = false;
            memory.inspected.stream[side] = from + readable;
            if flow.no_payload {
                continue;
            }
            // the window reaches back so that a literal over the border is seen, and a match must use a new byte; inline it
            // slides: as much as a chunk is looked at again with every packet, and what is in it matches again
            let back = match self.config.inline {
                true => self.config.chunk[side],
                false => set.stream_overlap.saturating_sub(1) as u64,
            }
            .min(from);
            let (start, bytes) = match session.readable(dir, from - back) {
                Readable::Bytes(bytes) if bytes.len() as u64 >= back + readable => (from - back, bytes),
                _ => match session.readable(dir, from) {
                    Readable::Bytes(bytes) => (from, bytes),
                    _ => return,
                },
            };
            let fresh = if self.config.inline { 0 } else { usize::try_from(from - start).unwrap_or(0) };
            let window = Window { bytes, offset: start, fresh, to_end: true, is_stream: true };
            self.scratch.begin();
            self.collect(set, &set.streams[side], window);
            self.try_candidates(set, inspection, Some(flow), memory, Some((window, true)));
        }
    }

    /// Frames of the packet's side: those that are there to their end, and the others when there is enough that is new.
    fn frames(&mut self, set: &RuleSet, inspection: &Inspection<'_>, flow: &Flow, memory: &mut Memory) {
        let (dir, side) = (inspection.dir, inspection.dir.index());
        for nth in 0..memory.frames.open(dir).len() {
            let Some(&frame) = memory.frames.open(dir).get(nth) else { return };
            if frame.inspected == u64::MAX {
                continue;
            }
            let Some(group) = set.frame_group(frame.protocol, frame.kind) else { continue };
            let overlap = set.stream_overlap.saturating_sub(1) as u64;
            let (upto, found) = match &flow.session {
                Some(session) => {
                    let least = match self.config.inline || inspection.ending {
                        true => 1,
                        false => self.config.chunk[side],
                    };
                    frame_in_stream(&frame, session, dir, overlap, least)
                }
                None => frame_in_datagram(&frame, inspection.packet.payload),
            };
            memory.frames.inspected(dir, nth, upto);
            let Some(window) = found else { continue };
            self.scratch.begin();
            self.collect(set, &group.groups[side], window);
            let mut candidates = std::mem::take(&mut self.scratch.candidates);
            candidates.sort_unstable();
            for &id in &candidates {
                let rule = &set.rules[id as usize];
                let begun = self.begin();
                let held = self.head_holds(set, id, inspection, Some(flow))
                    && self.holds(set, rule, inspection, Some(flow), &memory.vars, Some(window));
                self.end(id, begun, held);
                if held {
                    let found = Match {
                        rule: id,
                        tx: frame.tx,
                        frame: Some(frame.id),
                        class: Class::Frame,
                        stream: flow.session.is_some(),
                    };
                    self.matched(rule, found, memory);
                }
            }
            self.scratch.candidates = candidates;
        }
    }

    /// Evaluates the candidates in the order of rules.
    fn try_candidates(
        &mut self,
        set: &RuleSet,
        inspection: &Inspection<'_>,
        flow: Option<&Flow>,
        memory: &mut Memory,
        payload: Option<(Window<'_>, bool)>,
    ) {
        let mut candidates = std::mem::take(&mut self.scratch.candidates);
        candidates.sort_unstable();
        let (window, stream) = match payload {
            Some((window, stream)) => (Some(window), stream),
            None => (None, false),
        };
        for &id in &candidates {
            // a rule on packets and on the stream says the same thing once, and changes variables once
            if let Some(before) = self.scratch.told(id) {
                let known = !stream || window.is_none() || self.matches.get(before).is_none_or(|m| m.stream);
                let rule = &set.rules[id as usize];
                if !known
                    && self.head_holds(set, id, inspection, flow)
                    && self.holds(set, rule, inspection, flow, &memory.vars, window)
                    && let Some(before) = self.matches.get_mut(before)
                {
                    before.stream = true;
                }
                continue;
            }
            let rule = &set.rules[id as usize];
            let begun = self.begin();
            let held = self.head_holds(set, id, inspection, flow)
                && self.holds(set, rule, inspection, flow, &memory.vars, window);
            self.end(id, begun, held);
            if held {
                let class = set.classes[id as usize];
                self.matched(rule, Match { rule: id, tx: None, frame: None, class, stream }, memory);
            }
        }
        self.scratch.candidates = candidates;
    }

    fn matched(&mut self, rule: &Rule, found: Match, memory: &mut Memory) {
        for action in &rule.var_actions {
            action.act(&mut memory.vars);
        }
        if found.tx.is_none() {
            self.scratch.told[found.rule as usize] = (self.scratch.packet, self.matches.len() as u32);
        }
        self.matches.push(found);
    }

    /// Protocol, addresses, ports, flow and packet tests of a rule.
    #[inline]
    fn head_holds(&self, set: &RuleSet, id: u32, inspection: &Inspection<'_>, flow: Option<&Flow>) -> bool {
        let (head, rule) = (&set.heads[id as usize], &set.rules[id as usize]);
        head.holds(rule, &self.facts, &set.tables, inspection.packet, flow)
            && (!head.has_tests() || packet_tests_hold(rule, inspection, flow))
    }

    /// Payload parts and flow variables of a rule whose head holds.
    fn holds(
        &mut self,
        set: &RuleSet,
        rule: &Rule,
        inspection: &Inspection<'_>,
        flow: Option<&Flow>,
        vars: &Vars,
        payload: Option<Window<'_>>,
    ) -> bool {
        // a look at a bit is cheaper than one at bytes, and nothing between changes the bits
        if !rule.var_tests.is_empty()
            && (flow.is_none() || !rule.var_tests.iter().all(|test| test.test(vars)))
        {
            return false;
        }
        self.clear_vars(rule);
        self.scratch.little = true;
        for part in &rule.parts {
            let held = match &set.registry.buffer(part.buffer).origin {
                Origin::Payload | Origin::Frame(..) => match payload {
                    Some(window) => self.part_holds(part, window),
                    None => false,
                },
                Origin::Packet(bytes) => match bytes(inspection.packet) {
                    Some(bytes) => self.part_holds(
                        part,
                        Window { bytes, offset: 0, fresh: 0, to_end: true, is_stream: false },
                    ),
                    None => part.absent.is_some(),
                },
                Origin::Derived => self.derived_holds(part),
                Origin::App(_) => false,
            };
            if !held {
                return false;
            }
        }
        true
    }

    fn clear_vars(&mut self, rule: &Rule) {
        self.scratch.vars.clear();
        self.scratch.vars.resize(usize::from(rule.vars), 0);
        self.scratch.decoded.clear();
    }

    /// The operations of a part on its bytes, transforms first.
    fn part_holds(&mut self, part: &Part, window: Window<'_>) -> bool {
        if part.absent == Some(Absent::Only) {
            return false;
        }
        if window.is_stream && window.fresh > 0 {
            // the new bytes on their own first: places are counted from where they begin, as the reference engine does, and as
            // the packets' own payloads are
            let bytes = window.bytes.get(window.fresh..).unwrap_or_default();
            let (vars, decoded) = (self.scratch.vars.clone(), self.scratch.decoded.clone());
            if self.part_holds(part, Window { bytes, offset: 0, fresh: 0, ..window }) {
                return true;
            }
            if !finds(&part.ops) {
                return false;
            }
            (self.scratch.vars, self.scratch.decoded) = (vars, decoded);
        }
        let Scratch { vars, decoded, transformed, little, .. } = &mut self.scratch;
        let [one, two] = transformed;
        let bytes = apply(&part.transforms, window.bytes, one, two);
        let mut view = View {
            bytes,
            at: 0,
            offset: if part.transforms.is_empty() { window.offset } else { 0 },
            from_start: window.offset == 0,
            to_end: window.to_end,
            little: *little,
            vars,
            decoded,
        };
        let fresh = if part.transforms.is_empty() { window.fresh } else { 0 };
        inspect(&part.ops, &mut view, fresh, self.config.recursion_max)
    }

    /// A part on what `base64_decode` made.
    fn derived_holds(&mut self, part: &Part) -> bool {
        let decoded = std::mem::take(&mut self.scratch.decoded);
        let held = self.part_holds(
            part,
            Window { bytes: &decoded, offset: 0, fresh: 0, to_end: true, is_stream: false },
        );
        self.scratch.decoded = decoded;
        held
    }

    fn transactions(&mut self, set: &RuleSet, inspection: &Inspection<'_>, flow: &Flow, memory: &mut Memory) {
        let Some(protocol) = flow.app.parser_protocol() else { return };
        let moved = std::mem::take(&mut memory.inspected.moved[inspection.dir.index()]);
        if !moved && !inspection.ending {
            return;
        }
        memory.inspected.unrecorded = true;
        let Some(groups) = set.txs.get(usize::from(protocol.0)) else { return };
        let group = &groups[inspection.dir.index()];
        let Some(transactions) = flow.app.transactions() else { return };
        for nth in 0..transactions.count() {
            let Some(tx) = transactions.at(nth) else { continue };
            if !tx.concerns(inspection.dir) {
                continue;
            }
            let mut inspected = std::mem::take(&mut memory.inspected.tx(tx.id())[inspection.dir.index()]);
            let view = TxView { tx, protocol, flow };
            self.transaction(set, group, inspection, view, memory, &mut inspected);
            memory.inspected.tx(tx.id())[inspection.dir.index()] = inspected;
        }
    }

    fn transaction(
        &mut self,
        set: &RuleSet,
        group: &super::ruleset::TxGroup,
        inspection: &Inspection<'_>,
        view: TxView<'_>,
        memory: &mut Memory,
        inspected: &mut TxInspected,
    ) {
        let TxView { tx, .. } = view;
        let dir = inspection.dir;
        let progress = tx.progress(dir);
        if inspected.done || progress == 0 {
            return;
        }
        let begun = inspected.progress > 0;
        self.scratch.little = tx.is_little_endian(dir);
        self.scratch.begin();
        inspected.matched.iter().for_each(|rule| {
            // matched rules are marked as seen and never tried again
            self.scratch.marks[*rule as usize] = self.scratch.mark;
        });
        if !begun {
            group.always.iter().for_each(|rule| self.scratch.add(*rule));
        }
        for (rule, _) in &inspected.waiting {
            self.scratch.add(*rule);
        }
        for list in &group.lists {
            if list.place.progress > progress {
                break;
            }
            let new = list.place.progress > inspected.progress;
            match list.place.kind {
                Kind::Bytes if new => {
                    if let Some(bytes) = tx.bytes(list.place.slot, 0) {
                        self.scan_list(set, list, bytes, 0);
                    }
                }
                Kind::Multi if new => {
                    let mut nth = 0;
                    while let Some(bytes) = tx.bytes(list.place.slot, nth) {
                        self.scan_list(set, list, bytes, 0);
                        nth += 1;
                    }
                }
                Kind::Bytes | Kind::Multi => {}
                Kind::Body => {
                    let mut nth = 0;
                    while let Some(body) = tx.body(list.place.slot, nth) {
                        let key = (list.list.0, nth as u16);
                        nth += 1;
                        let searched = searched(inspected, key);
                        let end = body.offset + body.bytes.len() as u64;
                        let ready = body.complete
                            || body.bytes.len() >= body.inspect_min
                            || progress == DONE
                            || inspection.ending;
                        if !ready || (end <= *searched && !(new && end == 0)) {
                            continue;
                        }
                        let back = (body.window as u64).max(list.patterns.longest as u64);
                        let start = searched.saturating_sub(back).max(body.offset);
                        *searched = end;
                        let skip = usize::try_from(start - body.offset).unwrap_or(usize::MAX);
                        let bytes = body.bytes.get(skip..).unwrap_or_default();
                        self.scan_list(set, list, bytes, start);
                    }
                }
            }
        }
        inspected.progress = progress;
        let mut candidates = std::mem::take(&mut self.scratch.candidates);
        candidates.sort_unstable();
        let ended = progress == DONE || inspection.ending;
        // both lists rise by rule, and all that waits is a candidate: one walk over both
        let before = std::mem::take(&mut inspected.waiting);
        let mut before = before.into_iter().peekable();
        for &id in &candidates {
            let rule = &set.rules[id as usize];
            let mut held = before.next_if(|(known, _)| *known == id).map_or(0, |(_, held)| held);
            let begun = self.begin();
            let asked = (ended, inspected.files_from(id));
            let outcome = self.tx_rule(set, id, inspection, view, &memory.vars, &mut held, asked);
            self.end(id, begun, outcome == Outcome::Match);
            match outcome {
                Outcome::Match => {
                    // another file of the same transaction is another match
                    if goes_on(id, rule, tx, dir, inspected) {
                        inspected.waiting.push((id, held));
                    } else {
                        inspected.matched.push(id);
                    }
                    let found =
                        Match { rule: id, tx: Some(tx.id()), frame: None, class: Class::Tx, stream: false };
                    self.matched(rule, found, memory);
                }
                Outcome::Later => inspected.waiting.push((id, held)),
                Outcome::No => {}
            }
        }
        self.scratch.candidates = candidates;
        if progress == DONE {
            inspected.done = true;
            inspected.waiting.clear();
        }
    }

    /// Runs the prefilter of a list over its bytes, transforms first; `offset` is where they begin in their buffer.
    fn scan_list(&mut self, set: &RuleSet, list: &TxList, bytes: &[u8], offset: u64) {
        let transforms = &set.lists[usize::from(list.list.0)].transforms;
        if transforms.is_empty() {
            let scratch = &mut self.scratch;
            list.patterns.scan(bytes, Some(offset), &mut |rule| scratch.add(rule));
            return;
        }
        let [mut one, mut two] = std::mem::take(&mut self.scratch.transformed);
        let bytes = apply(transforms, bytes, &mut one, &mut two);
        let scratch = &mut self.scratch;
        // a part of a body that is transformed by itself: no place in it is one of the whole
        let offset = (offset == 0).then_some(0);
        list.patterns.scan(bytes, offset, &mut |rule| scratch.add(rule));
        self.scratch.transformed = [one, two];
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one rule on one transaction")]
    fn tx_rule(
        &mut self,
        set: &RuleSet,
        id: u32,
        inspection: &Inspection<'_>,
        view: TxView<'_>,
        vars: &Vars,
        held: &mut u64,
        (ended, files_from): (bool, usize),
    ) -> Outcome {
        let TxView { tx, protocol, flow } = view;
        let (dir, rule) = (inspection.dir, &set.rules[id as usize]);
        if !self.head_holds(set, id, inspection, Some(flow)) {
            // the next packet may stand better (established)
            return if ended { Outcome::No } else { Outcome::Later };
        }
        // what the bits say now is the last word at the end, and a look at them is cheaper than one at bytes
        if (ended || rule.changes_sets) && !rule.var_tests.iter().all(|test| test.test(vars)) {
            return if ended { Outcome::No } else { Outcome::Later };
        }
        let progress = tx.progress(dir);
        self.clear_vars(rule);
        // parts that pass values on must be evaluated together
        let memo = rule.vars == 0 && rule.parts.iter().all(|part| part.buffer != BufferId::BASE64);
        let mut later = false;
        let beside = Beside { client: flow.client, now: inspection.packet.timestamp };
        for test in &rule.tx_tests {
            if !test.test_beside(tx, dir, beside) {
                match test.progress(protocol, dir) {
                    Some(needed) if needed > progress && !ended => later = true,
                    _ => return Outcome::No,
                }
            }
        }
        if !rule.file_tests.is_empty() && matching_file(rule, tx, dir, files_from).is_none() {
            match ended || progress == DONE {
                true => return Outcome::No,
                false => later = true,
            }
        }
        if later && rule.changes_sets {
            return Outcome::Later;
        }
        for (at, part) in rule.parts.iter().enumerate() {
            let bit = 1u64.checked_shl(at as u32).unwrap_or(0);
            if memo && *held & bit != 0 {
                continue;
            }
            let outcome = match &set.registry.buffer(part.buffer).origin {
                Origin::App(_) => self.tx_part(set, part, inspection, view, ended),
                Origin::Frame(..) => Outcome::No,
                Origin::Payload => self.tx_payload(part, inspection, view, ended),
                Origin::Packet(bytes) => {
                    let held = match bytes(inspection.packet) {
                        Some(bytes) => self.part_holds(
                            part,
                            Window { bytes, offset: 0, fresh: 0, to_end: true, is_stream: false },
                        ),
                        None => part.absent.is_some(),
                    };
                    if held { Outcome::Match } else { Outcome::No }
                }
                Origin::Derived => {
                    if self.derived_holds(part) {
                        Outcome::Match
                    } else {
                        Outcome::No
                    }
                }
            };
            match outcome {
                Outcome::Match => *held |= bit,
                Outcome::No => return Outcome::No,
                // what changes a set waits for what stands before it
                Outcome::Later if rule.changes_sets => return Outcome::Later,
                Outcome::Later => later = true,
            }
        }
        if later {
            return Outcome::Later;
        }
        if rule.var_tests.iter().all(|test| test.test(vars)) {
            Outcome::Match
        } else if ended {
            Outcome::No
        } else {
            Outcome::Later
        }
    }

    fn tx_part(
        &mut self,
        set: &RuleSet,
        part: &Part,
        inspection: &Inspection<'_>,
        view: TxView<'_>,
        ended: bool,
    ) -> Outcome {
        let TxView { tx, protocol, .. } = view;
        let dir = inspection.dir;
        let Some(place) = set.place_of(part.buffer, protocol, dir) else {
            return if part.absent.is_some() { Outcome::Match } else { Outcome::No };
        };
        let progress = tx.progress(dir);
        if progress < place.progress && !ended {
            return Outcome::Later;
        }
        let whole = |bytes| Window { bytes, offset: 0, fresh: 0, to_end: true, is_stream: false };
        match place.kind {
            Kind::Bytes => match tx.bytes(place.slot, 0) {
                Some(bytes) if self.part_holds(part, whole(bytes)) => Outcome::Match,
                None if part.absent.is_some() => Outcome::Match,
                _ => Outcome::No,
            },
            Kind::Multi => {
                let mut nth = 0;
                while let Some(bytes) = tx.bytes(place.slot, nth) {
                    if self.part_holds(part, whole(bytes)) {
                        return Outcome::Match;
                    }
                    nth += 1;
                }
                if nth == 0 && part.absent.is_some() { Outcome::Match } else { Outcome::No }
            }
            Kind::Body => {
                let mut nth = 0;
                let mut open = false;
                while let Some(body) = tx.body(place.slot, nth) {
                    nth += 1;
                    let complete = body.complete || ended;
                    open |= !complete;
                    if !complete && body.bytes.len() < body.inspect_min {
                        continue;
                    }
                    let window = Window {
                        bytes: body.bytes,
                        offset: body.offset,
                        fresh: 0,
                        to_end: body.end_seen,
                        is_stream: false,
                    };
                    if self.part_holds(part, window) {
                        return Outcome::Match;
                    }
                }
                if nth == 0 {
                    return match (part.absent.is_some(), ended) {
                        (true, true) => Outcome::Match,
                        (_, false) => Outcome::Later,
                        (false, true) => Outcome::No,
                    };
                }
                if open || (!ended && progress < DONE) { Outcome::Later } else { Outcome::No }
            }
        }
    }

    /// Payload of a transaction rule: what is there of the stream, or the packet's.
    fn tx_payload(
        &mut self,
        part: &Part,
        inspection: &Inspection<'_>,
        view: TxView<'_>,
        ended: bool,
    ) -> Outcome {
        let TxView { tx, flow, .. } = view;
        // a transaction that is part of a long talk is no reason to look into the raw stream: it waits for one
        if flow.session.is_some() && !self.raw_due && !tx.ends_stream_chunk(inspection.dir) {
            return if ended { Outcome::No } else { Outcome::Later };
        }
        let of_packet =
            Window { bytes: inspection.packet.payload, offset: 0, fresh: 0, to_end: true, is_stream: false };
        let held = match &flow.session {
            Some(session) if inspection.in_stream || session.is_established() => {
                let mut at = session.released_to(inspection.dir);
                let (mut held, mut any) = (false, false);
                // every turn moves `at` forward, or ends
                while !held {
                    match session.readable(inspection.dir, at) {
                        Readable::Bytes(bytes) => {
                            any = true;
                            held = self.part_holds(part, Window { bytes, offset: at, ..of_packet });
                            at += bytes.len() as u64;
                        }
                        Readable::Gap(len) => at += len,
                        Readable::Nothing => break,
                    }
                }
                held || !any && self.part_holds(part, of_packet)
            }
            _ => self.part_holds(part, of_packet),
        };
        if held {
            Outcome::Match
        } else if ended {
            Outcome::No
        } else {
            Outcome::Later
        }
    }
}

/// What is to inspect of a frame now, and the position up to which it is inspected then.
fn frame_in_stream<'s>(
    frame: &Frame,
    session: &'s Session,
    dir: Direction,
    overlap: u64,
    least: u64,
) -> (u64, Option<Window<'s>>) {
    let end = frame.end();
    let mut from = frame.inspected;
    // every turn moves `from` forward, or ends
    loop {
        if end.is_some_and(|end| from >= end) {
            return (from, None);
        }
        let fresh = match session.readable(dir, from) {
            Readable::Nothing => return (from, None),
            Readable::Gap(len) => {
                from += len;
                continue;
            }
            Readable::Bytes(bytes) => bytes,
        };
        let wanted = end.map_or(u64::MAX, |end| end - from);
        let len = (fresh.len() as u64).min(wanted);
        let complete = len == wanted;
        if !complete && len < least && !session.is_ended(dir) && !session.depth_reached(dir) {
            return (from, None);
        }
        // it reaches back so that a literal over the border is seen, and a match must use a new byte
        let back = overlap.min(from - frame.offset);
        let (start, bytes) = match session.readable(dir, from - back) {
            Readable::Bytes(bytes) if bytes.len() as u64 >= back + len => (from - back, bytes),
            _ => (from, fresh),
        };
        let keep = usize::try_from(from - start + len).unwrap_or(usize::MAX);
        let window = Window {
            bytes: bytes.get(..keep).unwrap_or(bytes),
            offset: start - frame.offset,
            fresh: usize::try_from(from - start).unwrap_or(0),
            to_end: complete,
            is_stream: false,
        };
        return (from + len, Some(window));
    }
}

/// The same in a datagram, where a frame is there or not.
fn frame_in_datagram<'p>(frame: &Frame, payload: &'p [u8]) -> (u64, Option<Window<'p>>) {
    let end = frame.end().unwrap_or(u64::MAX);
    if frame.inspected >= end {
        return (end, None);
    }
    let start = usize::try_from(frame.offset).unwrap_or(usize::MAX);
    let stop = usize::try_from(end).unwrap_or(usize::MAX);
    let bytes = payload.get(start..stop.min(payload.len())).unwrap_or_default();
    (end, Some(Window { bytes, offset: 0, fresh: 0, to_end: stop <= payload.len(), is_stream: false }))
}

/// The bytes after all transforms, in one of two buffers that are used in turn; the bytes themselves when there is none.
fn apply<'b>(
    transforms: &[Arc<dyn super::inspect::ops::Transform>],
    bytes: &'b [u8],
    one: &'b mut Vec<u8>,
    two: &'b mut Vec<u8>,
) -> &'b [u8] {
    let Some((first, rest)) = transforms.split_first() else { return bytes };
    one.clear();
    first.apply(bytes, one);
    for transform in rest {
        two.clear();
        transform.apply(one, two);
        std::mem::swap(one, two);
    }
    one
}

/// What a rule that matched on a packet puts into the place of literals of its payload (`replace`).
pub fn replacements(rule: &Rule, payload: &[u8], recursion_max: u32, edits: &mut Vec<(usize, Vec<u8>)>) {
    let replaces = |op: &Op| matches!(op, Op::Content(content) if content.replace.is_some());
    let mut vars = vec![0; usize::from(rule.vars)];
    let mut decoded = Vec::new();
    for part in &rule.parts {
        if part.buffer != BufferId::PAYLOAD || !part.transforms.is_empty() || !part.ops.iter().any(replaces) {
            continue;
        }
        let mut view = View {
            bytes: payload,
            at: 0,
            offset: 0,
            from_start: true,
            to_end: true,
            little: true,
            vars: &mut vars,
            decoded: &mut decoded,
        };
        let found = super::inspect::replacements(&part.ops, &mut view, recursion_max);
        edits.extend(found.into_iter().map(|(at, new)| (at, new.to_vec())));
    }
}

/// The first file from `from` on for which all tests of the rule hold.
fn matching_file(rule: &Rule, tx: &dyn Transaction, dir: Direction, from: usize) -> Option<usize> {
    let files = tx.files(dir);
    (from..files.len()).find(|at| rule.file_tests.iter().all(|test| test.test(&files[*at])))
}

/// Remembers which file a rule on files matched; whether it may match on one that comes later.
fn goes_on(id: u32, rule: &Rule, tx: &dyn Transaction, dir: Direction, inspected: &mut TxInspected) -> bool {
    if rule.file_tests.is_empty() {
        return false;
    }
    let Some(at) = matching_file(rule, tx, dir, inspected.files_from(id)) else { return false };
    inspected.set_files_from(id, at + 1);
    tx.progress(dir) != DONE || at + 1 < tx.files(dir).len()
}

fn searched(inspected: &mut TxInspected, key: (u16, u16)) -> &mut u64 {
    let at = match inspected.searched.iter().position(|(known, _)| *known == key) {
        Some(at) => at,
        None => {
            inspected.searched.push((key, 0));
            inspected.searched.len() - 1
        }
    };
    &mut inspected.searched[at].1
}

/// The tests of a rule that its head's bits do not tell.
fn packet_tests_hold(rule: &Rule, inspection: &Inspection<'_>, flow: Option<&Flow>) -> bool {
    let view = PacketView {
        packet: inspection.packet,
        flow,
        dir: inspection.dir,
        stream_events: inspection.stream_events,
        layer_events: inspection.layer_events,
        first: inspection.first,
    };
    rule.packet_tests.iter().all(|test| test.test(&view))
}

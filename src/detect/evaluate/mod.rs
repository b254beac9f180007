//! The detector of one worker: what a packet, what its stream and what its transactions match.
//!
//! For each packet: rules on events, on addresses, on the protocol, on the packet, on the stream (when enough of it is
//! new), on transactions (when something moved). Every rule is evaluated in full by `State::holds`; groups and
//! prefilters only say which rules are worth it.

mod holds;
mod payload;
mod transactions;

pub use holds::replacements;

use std::sync::Arc;

use super::head::Facts;
use super::merge::Merges;
use super::prefilter::ANYWHERE;
use super::profile::{Clock, Profile};
use super::rule::Rule;
use super::ruleset::{Class, RuleSet};
use crate::app::{Frames, ProtocolId, Transaction};
use crate::decode::Packet;
use crate::flow::{Flow, Inspected, Vars};
use crate::stream::StreamEvents;
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

/// A place that is not known.
const NOWHERE: u32 = u32::MAX;

/// Memory that is used again for each packet and never given back.
struct Scratch {
    /// Rules to look at, each once.
    candidates: Vec<u32>,
    /// Of each rule, the mark of the last collection that added it, and where its literal stands in what was searched then; [`NOWHERE`] if
    /// that is not known.
    marks: Vec<(u32, u32)>,
    mark: u32,
    /// Where the literal of the rule under evaluation may stand.
    hint: usize,
    /// Of each rule, the packet that it matched last outside of transactions, and its place in the matches then.
    told: Vec<(u32, u32)>,
    packet: u32,
    /// Of each rule on transactions that waits for a literal in the payload, the packet with which it was there last.
    seen: Vec<u32>,
    /// The packet with which the payload was searched for these last.
    searched: u32,
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
            marks: vec![(0, NOWHERE); rules],
            mark: 0,
            hint: ANYWHERE,
            told: vec![(0, 0); rules],
            packet: 0,
            seen: vec![0; rules],
            searched: 0,
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
            self.seen.fill(0);
            (self.searched, self.packet) = (0, 1);
        }
    }

    /// No rule is a candidate yet.
    fn begin(&mut self) {
        self.candidates.clear();
        self.mark = self.mark.wrapping_add(1);
        if self.mark == 0 {
            self.marks.fill((0, NOWHERE));
            self.mark = 1;
        }
    }

    fn add(&mut self, rule: u32) {
        self.add_at(rule, ANYWHERE);
    }

    /// With the place of its literal in what is searched.
    fn add_at(&mut self, rule: u32, at: usize) {
        let (mark, place) = &mut self.marks[rule as usize];
        if *mark != self.mark {
            (*mark, *place) = (self.mark, NOWHERE);
            self.candidates.push(rule);
        }
        if *place == NOWHERE {
            *place = u32::try_from(at).unwrap_or(NOWHERE);
        }
    }

    /// The rule is evaluated now.
    fn turn_to(&mut self, rule: u32) {
        self.hint = match self.marks[rule as usize].1 {
            NOWHERE => ANYWHERE,
            place => place as usize,
        };
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

impl Memory {
    /// What is here and what is in the flow change places.
    fn trade(&mut self, flow: &mut Flow) {
        std::mem::swap(&mut self.vars, &mut flow.vars);
        std::mem::swap(&mut self.inspected, &mut flow.inspected);
        std::mem::swap(&mut self.frames, flow.app.frames_mut());
    }
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
    /// Room for what leaves a flow while it is inspected; empty in between.
    memory: Memory,
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
        Detector { set, state, memory: Memory::default() }
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
        let Detector { set, state, memory } = self;
        state.matches.clear();
        state.scratch.begin_packet();
        state.facts = Facts::new(inspection, flow.as_deref(), &set.tables);
        state.raw_due = false;
        match flow {
            Some(flow) => {
                if inspection.packet.proto() == Some(flow.proto) {
                    flow.inspected.members = state.facts.members(inspection.dir);
                }
                // what inspection changes leaves the flow, so that all else of it can be read meanwhile
                memory.trade(flow);
                state.inspect(set, inspection, Some(flow), memory);
                memory.trade(flow);
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
            self.scratch.turn_to(id);
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
}

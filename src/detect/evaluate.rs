//! The detector of one worker: what a packet, what its stream and what its transactions match.
//!
//! For each packet: rules on events, on addresses, on the protocol, on the packet, on the stream (when enough of it is
//! new), on transactions (when something moved). Every rule is evaluated in full by `Detector::holds`; groups and
//! prefilters only say which rules are worth it.

use std::sync::Arc;

use super::buffer::{BufferId, Kind, Origin};
use super::inspect::inspect;
use super::inspect::ops::View;
use super::rule::{Absent, Header, PacketView, Part, Rule, RuleProtocol};
use super::ruleset::{Class, ListId, RuleSet, Set, transport_of};
use crate::app::{DONE, ProtocolId, Transaction};
use crate::decode::{Net, Packet, Transport};
use crate::flow::{Flow, Inspected, TxInspected, Vars};
use crate::stream::{Readable, StreamEvents};
use crate::types::{Direction, Proto};

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
}

impl Default for DetectConfig {
    fn default() -> Self {
        DetectConfig { recursion_max: 3000, chunk: [2560, 2560], inline: false, alerts_max: 15 }
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
    /// A bare acknowledgement that completes the handshake: the session is established from the next packet on.
    pub opening: bool,
}

/// A rule that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    /// Which.
    pub rule: u32,
    /// Of which transaction.
    pub tx: Option<u64>,
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

/// What a rule says of a transaction that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Match,
    No,
    Later,
}

/// Memory that is used again for each packet and never given back.
#[derive(Default)]
struct Scratch {
    /// Rules to look at, each once.
    candidates: Vec<u32>,
    /// Mark of the last collection that added each rule.
    marks: Vec<u32>,
    mark: u32,
    vars: Vec<u64>,
    decoded: Vec<u8>,
    transformed: [Vec<u8>; 2],
}

impl Scratch {
    fn begin(&mut self, rules: usize) {
        self.candidates.clear();
        self.marks.resize(rules, 0);
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
}

/// What inspection changes of a flow.
#[derive(Default)]
struct Memory {
    vars: Vars,
    inspected: Inspected,
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
    config: DetectConfig,
    scratch: Scratch,
    matches: Vec<Match>,
    /// The rule that is looked at.
    current: u32,
}

impl Detector {
    /// A detector over that set.
    pub fn new(set: Arc<RuleSet>, config: DetectConfig) -> Self {
        Detector { set, config, scratch: Scratch::default(), matches: Vec::new(), current: 0 }
    }

    /// The rules.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// Everything that matches, in the order of rules; valid until the next call.
    pub fn packet(&mut self, inspection: &Inspection<'_>, flow: Option<&mut Flow>) -> &[Match] {
        self.matches.clear();
        let set = self.set.clone();
        match flow {
            Some(flow) => {
                // what inspection changes leaves the flow, so that all else of it can be read meanwhile
                let mut memory = Memory {
                    vars: std::mem::take(&mut flow.vars),
                    inspected: std::mem::take(&mut flow.inspected),
                };
                self.inspect(&set, inspection, Some(flow), &mut memory);
                flow.vars = memory.vars;
                flow.inspected = memory.inspected;
            }
            None => self.inspect(&set, inspection, None, &mut Memory::default()),
        }
        self.matches.sort_unstable();
        // a rule on packet and stream tells once of a packet, wherever it matched
        self.matches.dedup_by(|later, kept| {
            let same = (later.rule, later.tx, later.class) == (kept.rule, kept.tx, kept.class);
            kept.stream |= same && later.stream;
            same
        });
        &self.matches
    }

    /// Takes what [`Detector::packet`] found, to act on it while other parts of the worker change.
    pub fn take_matches(&mut self) -> Vec<Match> {
        std::mem::take(&mut self.matches)
    }

    /// Gives the memory of [`Detector::take_matches`] back.
    pub fn give_back(&mut self, matches: Vec<Match>) {
        self.matches = matches;
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
        if let (Some(flow), true) = (flow, payload_allowed && carries) {
            let before = self.matches.len();
            self.stream(set, inspection, flow, memory);
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
        self.scratch.begin(set.rules.len());
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
        self.scratch.begin(set.rules.len());
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
        let ports = packet.ports();
        let payload = if payload_allowed { packet.payload } else { &[] };
        let group = &set.packets[transport_of(packet.proto())][inspection.dir.index()];
        self.scratch.begin(set.rules.len());
        for rules in group.sets(ports) {
            self.collect(rules, payload);
        }
        // a payload that became part of no stream is all that stream rules will see of it
        if matches!(packet.transport, Transport::Tcp(_)) && !inspection.in_stream && !payload.is_empty() {
            for rules in set.streams[inspection.dir.index()].sets(ports) {
                self.collect(rules, payload);
            }
        }
        let window = Window { bytes: payload, offset: 0, fresh: 0, to_end: true };
        self.try_candidates(set, inspection, flow, memory, Some((window, false)));
    }

    /// Rules on packets that test variables, once more.
    fn packet_readers(
        &mut self,
        set: &RuleSet,
        inspection: &Inspection<'_>,
        flow: &Flow,
        memory: &mut Memory,
    ) {
        self.scratch.begin(set.rules.len());
        let transport = transport_of(inspection.packet.proto());
        for &(rule, transports) in &set.readers[inspection.dir.index()] {
            if transports[transport] {
                self.scratch.add(rule);
            }
        }
        let window = Window { bytes: inspection.packet.payload, offset: 0, fresh: 0, to_end: true };
        self.try_candidates(set, inspection, Some(flow), memory, Some((window, false)));
    }

    fn collect(&mut self, rules: &Set, bytes: &[u8]) {
        rules.always.iter().for_each(|rule| self.scratch.add(*rule));
        if let (Some(literals), false) = (&rules.literals, bytes.is_empty()) {
            let scratch = &mut self.scratch;
            literals.scan(bytes, &mut |rule| scratch.add(rule));
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
            let due = self.config.inline
                || inspection.ending
                || memory.inspected.flush[side]
                || readable >= self.config.chunk[side]
                || session.is_ended(dir)
                || session.depth_reached(dir);
            if !due {
                return;
            }
            memory.inspected.flush[side] = false;
            memory.inspected.stream[side] = from + readable;
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
            let window = Window { bytes, offset: start, fresh, to_end: true };
            self.scratch.begin(set.rules.len());
            for rules in set.streams[side].sets(inspection.packet.ports()) {
                self.collect(rules, bytes);
            }
            self.try_candidates(set, inspection, Some(flow), memory, Some((window, true)));
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
            if let Some(before) = self.matches.iter_mut().find(|found| found.rule == id && found.tx.is_none())
            {
                before.stream |= stream && window.is_some();
                continue;
            }
            let rule = &set.rules[id as usize];
            if self.holds(set, rule, inspection, flow, &memory.vars, window) {
                let class = set.classes[id as usize];
                self.matched(rule, Match { rule: id, tx: None, class, stream }, memory);
            }
        }
        self.scratch.candidates = candidates;
    }

    fn matched(&mut self, rule: &Rule, found: Match, memory: &mut Memory) {
        for action in &rule.var_actions {
            action.act(&mut memory.vars);
        }
        self.matches.push(found);
    }

    /// Head, packet tests, payload parts and flow variables of a rule.
    fn holds(
        &mut self,
        set: &RuleSet,
        rule: &Rule,
        inspection: &Inspection<'_>,
        flow: Option<&Flow>,
        vars: &Vars,
        payload: Option<Window<'_>>,
    ) -> bool {
        if !head_holds(rule, inspection, flow) {
            return false;
        }
        self.clear_vars(rule);
        for part in &rule.parts {
            let held = match &set.registry.buffer(part.buffer).origin {
                Origin::Payload => match payload {
                    Some(window) => self.part_holds(part, window),
                    None => false,
                },
                Origin::Packet(bytes) => match bytes(inspection.packet) {
                    Some(bytes) => self.part_holds(part, Window { bytes, offset: 0, fresh: 0, to_end: true }),
                    None => part.absent.is_some(),
                },
                Origin::Derived => self.derived_holds(part),
                Origin::App(_) => false,
            };
            if !held {
                return false;
            }
        }
        flow.is_some() && rule.var_tests.iter().all(|test| test.test(vars)) || rule.var_tests.is_empty()
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
        let Scratch { vars, decoded, transformed, .. } = &mut self.scratch;
        let [one, two] = transformed;
        let bytes = apply(&part.transforms, window.bytes, one, two);
        let mut view = View {
            bytes,
            at: 0,
            offset: if part.transforms.is_empty() { window.offset } else { 0 },
            from_start: window.offset == 0,
            to_end: window.to_end,
            vars,
            decoded,
        };
        let fresh = if part.transforms.is_empty() { window.fresh } else { 0 };
        inspect(&part.ops, &mut view, fresh, self.config.recursion_max)
    }

    /// A part on what `base64_decode` made.
    fn derived_holds(&mut self, part: &Part) -> bool {
        let decoded = std::mem::take(&mut self.scratch.decoded);
        let held = self.part_holds(part, Window { bytes: &decoded, offset: 0, fresh: 0, to_end: true });
        self.scratch.decoded = decoded;
        held
    }

    fn transactions(&mut self, set: &RuleSet, inspection: &Inspection<'_>, flow: &Flow, memory: &mut Memory) {
        let Some(protocol) = flow.app.parser_protocol() else { return };
        let moved = std::mem::take(&mut memory.inspected.moved[inspection.dir.index()]);
        if !moved && !inspection.ending {
            return;
        }
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
        self.scratch.begin(set.rules.len());
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
                        self.scan_list(set, list.list, &list.literals, bytes);
                    }
                }
                Kind::Multi if new => {
                    let mut nth = 0;
                    while let Some(bytes) = tx.bytes(list.place.slot, nth) {
                        self.scan_list(set, list.list, &list.literals, bytes);
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
                        let back = (body.window as u64).max(list.literals.longest as u64);
                        let start = searched.saturating_sub(back).max(body.offset);
                        *searched = end;
                        let skip = usize::try_from(start - body.offset).unwrap_or(usize::MAX);
                        let bytes = body.bytes.get(skip..).unwrap_or_default();
                        self.scan_list(set, list.list, &list.literals, bytes);
                    }
                }
            }
        }
        inspected.progress = progress;
        let mut candidates = std::mem::take(&mut self.scratch.candidates);
        candidates.sort_unstable();
        let ended = progress == DONE || inspection.ending;
        for &id in &candidates {
            let rule = &set.rules[id as usize];
            let waiting = inspected.waiting.iter().position(|(known, _)| *known == id);
            let mut held = waiting.map_or(0, |at| inspected.waiting[at].1);
            self.current = id;
            let files_from = inspected.files_from(id);
            let outcome =
                self.tx_rule(set, rule, inspection, view, &memory.vars, &mut held, (ended, files_from));
            match (outcome, waiting) {
                (Outcome::Match, _) => {
                    if let Some(at) = waiting {
                        inspected.waiting.swap_remove(at);
                    }
                    // another file of the same transaction is another match
                    if !self.goes_on(rule, view, dir, inspected, held) {
                        inspected.matched.push(id);
                    }
                    let found = Match { rule: id, tx: Some(tx.id()), class: Class::Tx, stream: false };
                    self.matched(rule, found, memory);
                }
                (Outcome::No, Some(at)) => {
                    inspected.waiting.swap_remove(at);
                }
                (Outcome::Later, None) => inspected.waiting.push((id, held)),
                (Outcome::Later, Some(at)) => inspected.waiting[at].1 = held,
                (Outcome::No, None) => {}
            }
        }
        self.scratch.candidates = candidates;
        if progress == DONE {
            inspected.done = true;
            inspected.waiting.clear();
        }
    }

    /// Remembers which file a rule on files matched; whether it may match on one that comes later.
    fn goes_on(
        &self,
        rule: &Rule,
        view: TxView<'_>,
        dir: Direction,
        inspected: &mut TxInspected,
        held: u64,
    ) -> bool {
        if rule.file_tests.is_empty() {
            return false;
        }
        let id = self.current;
        let from = inspected.files_from(id);
        let Some(at) = matching_file(rule, view.tx, dir, from) else { return false };
        inspected.set_files_from(id, at + 1);
        if view.tx.progress(dir) == DONE && at + 1 >= view.tx.files(dir).len() {
            return false;
        }
        inspected.waiting.push((id, held));
        true
    }

    /// Runs the prefilter of a list over its bytes, transforms first.
    fn scan_list(&mut self, set: &RuleSet, list: ListId, literals: &super::ruleset::Literals, bytes: &[u8]) {
        let transforms = &set.lists[usize::from(list.0)].transforms;
        if transforms.is_empty() {
            let scratch = &mut self.scratch;
            literals.scan(bytes, &mut |rule| scratch.add(rule));
            return;
        }
        let [mut one, mut two] = std::mem::take(&mut self.scratch.transformed);
        let bytes = apply(transforms, bytes, &mut one, &mut two);
        let scratch = &mut self.scratch;
        literals.scan(bytes, &mut |rule| scratch.add(rule));
        self.scratch.transformed = [one, two];
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one rule on one transaction")]
    fn tx_rule(
        &mut self,
        set: &RuleSet,
        rule: &Rule,
        inspection: &Inspection<'_>,
        view: TxView<'_>,
        vars: &Vars,
        held: &mut u64,
        (ended, files_from): (bool, usize),
    ) -> Outcome {
        let TxView { tx, protocol, flow } = view;
        let dir = inspection.dir;
        if !head_holds(rule, inspection, Some(flow)) {
            // the next packet may stand better (established)
            return if ended { Outcome::No } else { Outcome::Later };
        }
        let progress = tx.progress(dir);
        self.clear_vars(rule);
        // parts that pass values on must be evaluated together
        let memo = rule.vars == 0 && rule.parts.iter().all(|part| part.buffer != BufferId::BASE64);
        let mut later = false;
        for test in &rule.tx_tests {
            if !test.test_between(tx, dir, (flow.client, flow.server)) {
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
        for (at, part) in rule.parts.iter().enumerate() {
            let bit = 1u64.checked_shl(at as u32).unwrap_or(0);
            if memo && *held & bit != 0 {
                continue;
            }
            let outcome = match &set.registry.buffer(part.buffer).origin {
                Origin::App(_) => self.tx_part(set, part, inspection, view, ended),
                Origin::Payload => self.tx_payload(part, inspection, flow, ended),
                Origin::Packet(bytes) => {
                    let held = match bytes(inspection.packet) {
                        Some(bytes) => {
                            self.part_holds(part, Window { bytes, offset: 0, fresh: 0, to_end: true })
                        }
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
        let whole = |bytes| Window { bytes, offset: 0, fresh: 0, to_end: true };
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
                    let window =
                        Window { bytes: body.bytes, offset: body.offset, fresh: 0, to_end: body.end_seen };
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
    fn tx_payload(&mut self, part: &Part, inspection: &Inspection<'_>, flow: &Flow, ended: bool) -> Outcome {
        let window = match &flow.session {
            Some(session) if inspection.in_stream || session.is_established() => {
                let start = session.released_to(inspection.dir);
                match session.readable(inspection.dir, start) {
                    Readable::Bytes(bytes) => Window { bytes, offset: start, fresh: 0, to_end: true },
                    _ => Window { bytes: inspection.packet.payload, offset: 0, fresh: 0, to_end: true },
                }
            }
            _ => Window { bytes: inspection.packet.payload, offset: 0, fresh: 0, to_end: true },
        };
        if self.part_holds(part, window) {
            Outcome::Match
        } else if ended {
            Outcome::No
        } else {
            Outcome::Later
        }
    }
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

/// The first file from `from` on for which all tests of the rule hold.
fn matching_file(rule: &Rule, tx: &dyn Transaction, dir: Direction, from: usize) -> Option<usize> {
    let files = tx.files(dir);
    (from..files.len()).find(|at| rule.file_tests.iter().all(|test| test.test(&files[*at])))
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

/// Protocol, addresses, ports, flow and packet tests.
fn head_holds(rule: &Rule, inspection: &Inspection<'_>, flow: Option<&Flow>) -> bool {
    let packet = inspection.packet;
    if !protocol_holds(rule.protocol, packet, flow) || !ends_hold(&rule.header, packet) {
        return false;
    }
    if let Some(test) = &rule.flow
        && !flow_holds(test, inspection, flow)
    {
        return false;
    }
    if rule.packet_tests.is_empty() {
        return true;
    }
    let view = PacketView {
        packet,
        flow,
        dir: inspection.dir,
        stream_events: inspection.stream_events,
        layer_events: inspection.layer_events,
        first: inspection.first,
    };
    rule.packet_tests.iter().all(|test| test.test(&view))
}

fn protocol_holds(protocol: RuleProtocol, packet: &Packet<'_>, flow: Option<&Flow>) -> bool {
    match protocol {
        RuleProtocol::Any => true,
        RuleProtocol::Ip(None) => !matches!(packet.net, Net::None | Net::Arp(_)),
        RuleProtocol::Ip(Some(4)) => matches!(packet.net, Net::V4(_)),
        RuleProtocol::Ip(Some(_)) => matches!(packet.net, Net::V6(_)),
        RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => {
            packet.proto() == Some(Proto::TCP)
        }
        RuleProtocol::Udp => packet.proto() == Some(Proto::UDP),
        RuleProtocol::Icmp(None) => matches!(packet.proto(), Some(Proto::ICMP | Proto::ICMPV6)),
        RuleProtocol::Icmp(Some(4)) => packet.proto() == Some(Proto::ICMP),
        RuleProtocol::Icmp(Some(_)) => packet.proto() == Some(Proto::ICMPV6),
        RuleProtocol::Sctp => packet.proto() == Some(Proto::SCTP),
        RuleProtocol::Other(proto) => packet.proto() == Some(proto),
        RuleProtocol::App(id) => {
            flow.is_some_and(|flow| flow.app.protocol() == Some(id) || flow.app.original() == Some(id))
        }
    }
}

fn ends_hold(header: &Header, packet: &Packet<'_>) -> bool {
    let any = header.source.is_any()
        && header.destination.is_any()
        && header.source_ports.is_any()
        && header.destination_ports.is_any();
    if any {
        return true;
    }
    let Some((source, destination)) = packet.ends() else { return false };
    let ports = packet.ports().is_some();
    let one_way = |from: crate::types::Endpoint, to: crate::types::Endpoint| {
        header.source.contains(from.ip)
            && header.destination.contains(to.ip)
            && (!ports
                || (header.source_ports.contains(from.port) && header.destination_ports.contains(to.port)))
    };
    one_way(source, destination) || (header.both_ways && one_way(destination, source))
}

fn flow_holds(test: &super::rule::FlowTest, inspection: &Inspection<'_>, flow: Option<&Flow>) -> bool {
    if let Some(wanted) = test.fragments {
        let fragment = inspection.packet.origin == crate::decode::Origin::Defragmented;
        if fragment != wanted {
            return false;
        }
    }
    let Some(flow) = flow else {
        return test.dir.is_none() && test.established.is_none() || test.stateless && test.dir.is_none();
    };
    if test.dir.is_some_and(|dir| dir != inspection.dir) {
        return false;
    }
    if let (Some(wanted), false) = (test.established, test.stateless)
        && (flow.is_established() && !inspection.opening) != wanted
    {
        return false;
    }
    true
}

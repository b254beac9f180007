//! Rules on transactions: what is found now, and what has to wait.

use super::holds::apply;
use super::{Inspection, Match, Memory, Scratch, State, TxView, Window};
use crate::app::{DONE, Transaction};
use crate::detect::buffer::{BufferId, Kind, Origin};
use crate::detect::rule::{Beside, Part, Rule};
use crate::detect::ruleset::{Class, RuleSet, TxGroup, TxList};
use crate::flow::{Flow, TxInspected, Vars};
use crate::stream::Readable;
use crate::types::Direction;

/// What a rule says of a transaction that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Match,
    No,
    Later,
}

impl State {
    pub(super) fn transactions(
        &mut self,
        set: &RuleSet,
        inspection: &Inspection<'_>,
        flow: &Flow,
        memory: &mut Memory,
    ) {
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
            if tx.progress(inspection.dir) == 0 {
                continue;
            }
            let known = &mut memory.inspected.tx(tx.id())[inspection.dir.index()];
            if known.done {
                continue;
            }
            let mut inspected = std::mem::take(known);
            let view = TxView { tx, protocol, flow };
            self.transaction(set, group, inspection, view, memory, &mut inspected);
            memory.inspected.tx(tx.id())[inspection.dir.index()] = inspected;
        }
    }

    fn transaction(
        &mut self,
        set: &RuleSet,
        group: &TxGroup,
        inspection: &Inspection<'_>,
        view: TxView<'_>,
        memory: &mut Memory,
        inspected: &mut TxInspected,
    ) {
        let TxView { tx, .. } = view;
        let dir = inspection.dir;
        let progress = tx.progress(dir);
        let begun = inspected.progress > 0;
        self.scratch.little = tx.is_little_endian(dir);
        self.scratch.begin();
        inspected.matched.iter().for_each(|rule| {
            // matched rules are marked as seen and never tried again
            self.scratch.marks[*rule as usize].0 = self.scratch.mark;
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
                        self.scan_list(set, list, bytes, 0, 0);
                    }
                }
                Kind::Multi if new => {
                    let mut nth = 0;
                    while let Some(bytes) = tx.bytes(list.place.slot, nth) {
                        self.scan_list(set, list, bytes, 0, 0);
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
                        self.scan_list(set, list, body.bytes, skip, start);
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
            self.scratch.turn_to(id);
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

    /// Runs the prefilter of a list over its bytes from `skip` on, transforms first; `offset` is where these begin in their buffer.
    fn scan_list(&mut self, set: &RuleSet, list: &TxList, bytes: &[u8], skip: usize, offset: u64) {
        let transforms = &set.lists[usize::from(list.list.0)].transforms;
        let bytes = bytes.get(skip..).unwrap_or_default();
        if transforms.is_empty() {
            let scratch = &mut self.scratch;
            let hit = &mut |rule, at: usize| scratch.add_at(rule, at.saturating_add(skip));
            list.patterns.scan(bytes, Some(offset), hit);
            return;
        }
        let [mut one, mut two] = std::mem::take(&mut self.scratch.transformed);
        let bytes = apply(transforms, bytes, &mut one, &mut two);
        let scratch = &mut self.scratch;
        // a part of a body that is transformed by itself: no place in it is one of the whole
        let offset = (offset == 0).then_some(0);
        list.patterns.scan(bytes, offset, &mut |rule, at| scratch.add_at(rule, at));
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
                Origin::Payload => self.tx_payload(set, id, part, inspection, view, ended),
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

    /// Whether the literal that the rule wants in the payload may be there. The payload is searched for those of all such rules with the
    /// first that asks.
    fn payload_may_hold(
        &mut self,
        set: &RuleSet,
        id: u32,
        inspection: &Inspection<'_>,
        view: TxView<'_>,
    ) -> bool {
        if !set.payload_waits[id as usize] {
            return true;
        }
        let Scratch { seen, searched, packet, .. } = &mut self.scratch;
        if searched != packet
            && let Some(groups) = set.txs.get(usize::from(view.protocol.0))
        {
            *searched = *packet;
            any_payload(inspection, view.flow, &mut |window| {
                let hit = &mut |rule: u32, _| seen[rule as usize] = *packet;
                groups[inspection.dir.index()].payload.scan(window.bytes, None, hit);
                false
            });
        }
        seen[id as usize] == *packet
    }

    /// Payload of a transaction rule: what is there of the stream, or the packet's.
    fn tx_payload(
        &mut self,
        set: &RuleSet,
        id: u32,
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
        let held = self.payload_may_hold(set, id, inspection, view)
            && any_payload(inspection, flow, &mut |window| self.part_holds(part, window));
        if held {
            Outcome::Match
        } else if ended {
            Outcome::No
        } else {
            Outcome::Later
        }
    }
}

/// Whether something holds of a piece of the payload that transactions are seen with: what is there of the stream, or the packet's.
fn any_payload(inspection: &Inspection<'_>, flow: &Flow, holds: &mut dyn FnMut(Window<'_>) -> bool) -> bool {
    let of_packet =
        Window { bytes: inspection.packet.payload, offset: 0, fresh: 0, to_end: true, is_stream: false };
    let session = flow.session.as_ref();
    let Some(session) = session.filter(|session| inspection.in_stream || session.is_established()) else {
        return holds(of_packet);
    };
    let mut at = session.released_to(inspection.dir);
    let mut any = false;
    // every turn moves `at` forward, or ends
    loop {
        match session.readable(inspection.dir, at) {
            Readable::Bytes(bytes) => {
                any = true;
                if holds(Window { bytes, offset: at, ..of_packet }) {
                    return true;
                }
                at += bytes.len() as u64;
            }
            Readable::Gap(len) => at += len,
            Readable::Nothing => return !any && holds(of_packet),
        }
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

pub(super) fn searched(inspected: &mut TxInspected, key: (u16, u16)) -> &mut u64 {
    let at = match inspected.searched.iter().position(|(known, _)| *known == key) {
        Some(at) => at,
        None => {
            inspected.searched.push((key, 0));
            inspected.searched.len() - 1
        }
    };
    &mut inspected.searched[at].1
}

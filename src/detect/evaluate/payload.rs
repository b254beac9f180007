//! Rules on packets, streams and frames: which of them are worth a look.

use smallvec::SmallVec;

use super::{FIN, Inspection, Match, Memory, RST, State, Window};
use crate::app::Frame;
use crate::decode::{Packet, Transport};
use crate::detect::group::{Group, Set, Unfiltered};
use crate::detect::merge::SETS_MAX;
use crate::detect::ruleset::{Class, RuleSet, transport_of};
use crate::flow::Flow;
use crate::stream::{Readable, Session};
use crate::types::Direction;

impl State {
    pub(super) fn packet_rules(
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
    pub(super) fn packet_readers(
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
        let hit = &mut |rule: u32, at: usize| {
            if set.heads.get(rule as usize).is_some_and(|head| head.may_hold(facts, tables)) {
                scratch.add_at(rule, at);
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
    pub(super) fn stream(
        &mut self,
        set: &RuleSet,
        inspection: &Inspection<'_>,
        flow: &Flow,
        memory: &mut Memory,
    ) {
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
    pub(super) fn frames(
        &mut self,
        set: &RuleSet,
        inspection: &Inspection<'_>,
        flow: &Flow,
        memory: &mut Memory,
    ) {
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
                self.scratch.turn_to(id);
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

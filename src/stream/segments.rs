//! The bytes of one direction: what is in order as a few long runs, what is not as pieces waiting for what is missing.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use super::overlap::{OsPolicy, Span};

/// What a waiting piece costs beside its bytes: an estimate of its share of the map.
const PIECE_COST: u64 = 64;
/// Longest segment of TCP over IP, bytes; spans are not joined beyond it.
const SPAN_LEN_MAX: u32 = 65_535;
/// A run that is empty keeps no more than this, bytes.
const IDLE_CAPACITY_MAX: usize = 16 * 1024;

/// Bytes by their stream offset: 0 is the first data byte of the direction.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Nothing below this is needed any more.
    base: u64,
    /// Settled bytes in order, with a final gap between each two. Usually one.
    runs: VecDeque<Run>,
    /// What waits behind a hole: disjoint pieces, each beyond the end of the last run.
    waiting: BTreeMap<u64, Box<[u8]>>,
    /// Segments as they came, by their start, where who wins an overlap is still open. They may overlap.
    spans: VecDeque<Span>,
    /// Bytes taken from memory, as accounted.
    cost: u64,
}

/// Contiguous bytes.
#[derive(Debug, Default)]
struct Run {
    /// Stream offset of `bytes[front]`.
    start: u64,
    /// How many of `bytes` were released.
    front: usize,
    bytes: Vec<u8>,
}

impl Run {
    fn end(&self) -> u64 {
        self.start + (self.bytes.len() - self.front) as u64
    }

    fn live(&self) -> &[u8] {
        self.bytes.get(self.front..).unwrap_or_default()
    }

    fn live_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.front..).unwrap_or_default()
    }
}

/// How a segment is put in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Who wins overlaps; `None`: what is there stays, and a segment that contradicts it is refused whole.
    pub(super) policy: Option<OsPolicy>,
    /// Without a policy: such a segment is taken where nothing is.
    pub(super) fills: bool,
    /// Bytes below were looked at or acknowledged: they stay.
    pub(super) frozen: u64,
    /// How many pieces and how many spans.
    pub(super) count_max: usize,
    /// How many bytes more may be taken from memory.
    pub(super) budget: u64,
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inserted {
    /// It is, or was already, part of the stream.
    pub(super) accepted: bool,
    /// It lies wholly before what is kept.
    pub(super) before_base: bool,
    /// It brought other bytes for a place that had some.
    pub(super) differs: bool,
    /// A limit of number was reached.
    pub(super) limit: bool,
    /// The limit of memory was reached.
    pub(super) memcap: bool,
}

/// What is at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At<'a> {
    /// Bytes in order from there.
    Bytes(&'a [u8]),
    /// Bytes that never came, up to the next that did.
    Gap(u64),
    /// Nothing yet.
    Nothing,
}

impl Segments {
    /// Gives back memory that holds nothing.
    pub(super) fn shrink(&mut self) {
        for run in &mut self.runs {
            let before = run.bytes.capacity();
            if before == run.bytes.len() && run.front == 0 {
                continue;
            }
            // of bytes that are kept as much as they are
            (run.bytes, run.front) = (run.live().to_vec(), 0);
            self.cost = self.cost.saturating_sub((before - run.bytes.capacity().min(before)) as u64);
        }
        self.runs.shrink_to_fit();
        self.spans.shrink_to_fit();
    }

    /// Bytes taken from memory.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// Where the settled bytes end.
    pub(super) fn tail(&self) -> u64 {
        self.runs.back().map_or(self.base, Run::end).max(self.base)
    }

    /// Where the last byte known ends, holes or not.
    pub(super) fn right_edge(&self) -> u64 {
        let waiting = self.waiting.last_key_value().map_or(0, |(start, bytes)| start + bytes.len() as u64);
        waiting.max(self.tail())
    }

    /// Whether something waits behind a hole.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Puts a segment in.
    pub(super) fn insert(&mut self, start: i64, bytes: &[u8], rules: Rules) -> Inserted {
        let whole = Span { start, len: bytes.len() as u32 };
        if whole.end() <= self.base as i64 {
            return Inserted { before_base: true, ..Inserted::default() };
        }
        let skip = (self.base as i64).saturating_sub(start).max(0) as usize;
        let (start, bytes) = (start.max(self.base as i64) as u64, bytes.get(skip..).unwrap_or_default());
        let end = start + bytes.len() as u64;
        let tail = self.tail();
        if start == tail && self.waiting.is_empty() {
            if !self.fits(bytes.len(), rules) {
                return Inserted { memcap: true, ..Inserted::default() };
            }
            self.append(start, bytes);
            self.note_span(whole, rules);
            return Inserted { accepted: true, ..Inserted::default() };
        }
        let mut outcome = Inserted::default();
        let mut new = Cow::Borrowed(bytes);
        match rules.policy {
            None => {
                self.each_known(start, end, |at, known| {
                    let from = (at - start) as usize;
                    outcome.differs |= new.get(from..from + known.len()) != Some(&*known);
                });
                if outcome.differs && !rules.fills {
                    return outcome;
                }
            }
            Some(policy) => {
                let differs = self.resolve(start, &mut new, whole, policy, rules.frozen);
                // What has the place and length of an earlier segment passes for its repetition.
                outcome.differs = differs && !self.spans.contains(&whole);
            }
        }
        self.fill(start, &new, rules, &mut outcome);
        if outcome.accepted {
            self.note_span(whole, rules);
        }
        outcome
    }

    /// Bytes for the place at `start`, with what is there instead where something is.
    pub(super) fn overlaid(&mut self, start: i64, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let end = start.saturating_add(bytes.len() as i64).max(0) as u64;
        self.each_known(start.max(0) as u64, end, |at, known| {
            let from = usize::try_from(at as i64 - start).unwrap_or(usize::MAX);
            let place = from.checked_add(known.len()).and_then(|to| bytes.get_mut(from..to));
            if let Some(place) = place {
                place.copy_from_slice(known);
            }
        });
        bytes
    }

    /// Moves what no longer waits to the settled bytes: what lies next to them, and everything that begins up to `limit`,
    /// for the holes before it will not be filled any more. Returns how many bytes of holes were given up.
    pub(super) fn settle(&mut self, limit: u64) -> u64 {
        let mut lost = 0;
        while let Some((&start, _)) = self.waiting.first_key_value() {
            let tail = self.tail();
            if start > tail && start > limit {
                break;
            }
            let Some((start, bytes)) = self.waiting.pop_first() else { break };
            self.cost = self.cost.saturating_sub(bytes.len() as u64 + PIECE_COST);
            lost += start.saturating_sub(tail);
            self.append(start, &bytes);
        }
        lost
    }

    /// What is at `from`, up to `limit`.
    pub(super) fn at(&self, from: u64, limit: u64) -> At<'_> {
        if from < self.base {
            return At::Gap(self.base - from);
        }
        let index = self.runs.partition_point(|run| run.end() <= from);
        let Some(run) = self.runs.get(index) else { return At::Nothing };
        if from < run.start {
            return At::Gap(run.start - from);
        }
        let bytes = run.live().get((from - run.start) as usize..).unwrap_or_default();
        let open = usize::try_from(limit.saturating_sub(from)).unwrap_or(usize::MAX);
        match bytes.get(..open.min(bytes.len())) {
            Some(bytes) if !bytes.is_empty() => At::Bytes(bytes),
            _ => At::Nothing,
        }
    }

    /// Bytes below `upto` are not needed any more.
    pub(super) fn release(&mut self, upto: u64) {
        if upto <= self.base {
            return;
        }
        self.base = upto.min(self.right_edge());
        while self.runs.len() > 1 && self.runs.front().is_some_and(|run| run.end() <= self.base) {
            let gone = self.runs.pop_front().map_or(0, |run| run.bytes.capacity());
            self.cost = self.cost.saturating_sub(gone as u64);
        }
        if let Some(run) = self.runs.front_mut() {
            let before = run.bytes.capacity();
            if run.end() <= self.base {
                *run = Run { start: self.base, front: 0, bytes: std::mem::take(&mut run.bytes) };
                run.bytes.clear();
                if before > IDLE_CAPACITY_MAX {
                    run.bytes = Vec::new();
                }
            } else if run.start < self.base {
                run.front += (self.base - run.start) as usize;
                run.start = self.base;
                // Moving costs what is left: worth it when at least as much is won.
                if run.front >= 4096 && run.front >= run.bytes.len() - run.front {
                    run.bytes.drain(..run.front);
                    run.front = 0;
                }
            }
            self.cost -= (before - run.bytes.capacity().min(before)) as u64;
        }
        while let Some((&start, bytes)) = self.waiting.first_key_value() {
            if start >= self.base {
                break;
            }
            let len = bytes.len() as u64;
            self.cost = self.cost.saturating_sub(len + PIECE_COST);
            let Some((start, bytes)) = self.waiting.pop_first() else { break };
            if start + len > self.base {
                let rest = bytes.get((self.base - start) as usize..).unwrap_or_default();
                self.append(self.base, rest);
            }
        }
        self.forget_spans(self.base);
    }

    /// Who wins is decided for everything below `frozen`.
    pub(super) fn forget_spans(&mut self, frozen: u64) {
        while self.spans.front().is_some_and(|span| span.end() <= frozen as i64) {
            self.spans.pop_front();
        }
    }

    /// Gives everything back; what comes later is not kept.
    pub(super) fn clear(&mut self) {
        let base = self.right_edge();
        *self = Segments { base, ..Segments::default() };
    }

    fn fits(&self, len: usize, rules: Rules) -> bool {
        let spare = self.runs.back().map_or(0, |run| run.bytes.capacity() - run.bytes.len());
        // A vector that grows doubles.
        let grow =
            if len <= spare { 0 } else { self.runs.back().map_or(0, |run| run.bytes.capacity()).max(len) };
        grow as u64 <= rules.budget
    }

    /// Adds settled bytes at `start`, at or beyond the tail.
    fn append(&mut self, start: u64, bytes: &[u8]) {
        let fresh = self.runs.back().is_none_or(|run| run.end() != start && !run.live().is_empty());
        if fresh {
            self.runs.push_back(Run { start, ..Run::default() });
        }
        let Some(run) = self.runs.back_mut() else { return };
        if run.live().is_empty() {
            run.start = start;
            run.bytes.clear();
            run.front = 0;
        }
        let before = run.bytes.capacity();
        run.bytes.extend_from_slice(bytes);
        self.cost += (run.bytes.capacity() - before) as u64;
    }

    /// Remembers where a segment lay, for overlaps to come.
    fn note_span(&mut self, span: Span, rules: Rules) {
        if rules.policy.is_none() {
            return;
        }
        self.forget_spans(rules.frozen);
        if self.spans.len() >= rules.count_max {
            // Too many to be exact: what comes in order becomes one.
            if let Some(last) = self.spans.back_mut()
                && last.end() == span.start
                && last.len.saturating_add(span.len) <= SPAN_LEN_MAX
            {
                last.len += span.len;
                return;
            }
            self.spans.pop_front();
        }
        let at = self.spans.partition_point(|known| known.start <= span.start);
        self.spans.insert(at, span);
    }

    /// Decides byte for byte who wins: changes what is stored, or what is new. Says whether there was a difference.
    fn resolve(
        &mut self,
        start: u64,
        new: &mut Cow<'_, [u8]>,
        whole: Span,
        policy: OsPolicy,
        frozen: u64,
    ) -> bool {
        let end = start + new.len() as u64;
        let mut differs = false;
        // Bytes without a span are settled: they stay.
        let mut kept_until = start;
        let mut index = self
            .spans
            .partition_point(|span| span.start.saturating_add(i64::from(SPAN_LEN_MAX)) < start as i64);
        while let Some(span) = self.spans.get(index).copied() {
            index += 1;
            if span.start >= end as i64 {
                break;
            }
            let (from, to) = ((span.start.max(0) as u64).max(start), (span.end().max(0) as u64).min(end));
            if from >= to {
                continue;
            }
            if from > kept_until {
                differs |= self.keep(start, new, kept_until, from);
            }
            if policy.new_wins(&span, &whole) {
                let thaw = from.max(frozen).min(to);
                differs |= self.keep(start, new, from, thaw);
                differs |= self.replace(start, new, thaw, to);
            } else {
                differs |= self.keep(start, new, from, to);
            }
            kept_until = kept_until.max(to);
        }
        differs | self.keep(start, new, kept_until, end)
    }

    /// In `from..to` what is stored stays: copies it over what is new. Says whether they differed.
    fn keep(&mut self, start: u64, new: &mut Cow<'_, [u8]>, from: u64, to: u64) -> bool {
        let mut differs = false;
        self.each_known(from, to, |at, known| {
            let range = (at - start) as usize..(at - start) as usize + known.len();
            if new.get(range.clone()) != Some(&*known) {
                differs = true;
                if let Some(slot) = new.to_mut().get_mut(range) {
                    slot.copy_from_slice(known);
                }
            }
        });
        differs
    }

    /// In `from..to` what is new wins: copies it over what is stored. Says whether they differed.
    fn replace(&mut self, start: u64, new: &[u8], from: u64, to: u64) -> bool {
        let mut differs = false;
        self.each_known(from, to, |at, known| {
            let range = (at - start) as usize..(at - start) as usize + known.len();
            if let Some(bytes) = new.get(range)
                && bytes != known
            {
                differs = true;
                known.copy_from_slice(bytes);
            }
        });
        differs
    }

    /// Calls `f` with each stored stretch of `from..to` and its offset.
    fn each_known(&mut self, from: u64, to: u64, mut f: impl FnMut(u64, &mut [u8])) {
        if from >= to {
            return;
        }
        let first = self.runs.partition_point(|run| run.end() <= from);
        for run in self.runs.iter_mut().skip(first) {
            if run.start >= to {
                break;
            }
            let (a, b) = (run.start.max(from), run.end().min(to));
            let (start, live) = (run.start, run.live_mut());
            if let Some(slice) = live.get_mut((a - start) as usize..(b - start) as usize)
                && !slice.is_empty()
            {
                f(a, slice);
            }
        }
        let before = self.waiting.range(..=from).next_back().map_or(from, |(start, _)| *start);
        for (&start, bytes) in self.waiting.range_mut(before..to) {
            let (a, b) = (start.max(from), (start + bytes.len() as u64).min(to));
            if a < b
                && let Some(slice) = bytes.get_mut((a - start) as usize..(b - start) as usize)
            {
                f(a, slice);
            }
        }
    }

    /// Stores those bytes of a segment whose places beyond the tail are free.
    fn fill(&mut self, start: u64, new: &[u8], rules: Rules, outcome: &mut Inserted) {
        let end = start + new.len() as u64;
        let mut at = start.max(self.tail());
        outcome.accepted = true;
        let mut budget = rules.budget;
        while at < end {
            // The piece that covers `at`, or the next one.
            let covering = self.waiting.range(..=at).next_back().map(|(s, b)| *s + b.len() as u64);
            if let Some(covered) = covering.filter(|covered| *covered > at) {
                at = covered;
                continue;
            }
            let next = self.waiting.range(at..).next().map_or(end, |(s, _)| *s).min(end);
            let bytes = new.get((at - start) as usize..(next - start) as usize).unwrap_or_default();
            let in_order = at == self.tail();
            if in_order {
                if !self.fits(bytes.len(), Rules { budget, ..rules }) {
                    outcome.memcap = true;
                    outcome.accepted = false;
                    return;
                }
                let before = self.cost;
                self.append(at, bytes);
                budget = budget.saturating_sub(self.cost - before);
            } else {
                if self.waiting.len() >= rules.count_max {
                    outcome.limit = true;
                    outcome.accepted = false;
                    return;
                }
                let cost = bytes.len() as u64 + PIECE_COST;
                if cost > budget {
                    outcome.memcap = true;
                    outcome.accepted = false;
                    return;
                }
                budget -= cost;
                self.cost += cost;
                self.waiting.insert(at, bytes.into());
            }
            at = next;
        }
        if self.waiting.first_key_value().is_some_and(|(first, _)| *first == self.tail()) {
            self.settle(0);
        }
    }
}

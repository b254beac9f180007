//! One TCP conversation: what it is told (segments) and what is asked of it (bytes, state).

use std::borrow::Cow;
use std::net::IpAddr;

use smallvec::SmallVec;

use super::config::{Memory, StreamConfig, UrgentPolicy};
use super::events::{StreamEvent, StreamEvents};
use super::handshake::{Opening, Opens};
use super::overlap::OsPolicy;
use super::segments::{At, Inserted, Rules, Segments};
use super::state::State;
use crate::decode::Tcp;
use crate::types::{Direction, Timestamp};
use crate::verdict::{ExceptionPolicy, Reason};

/// Inline, so many bytes that were looked at but not acknowledged are kept to compare what comes again.
const UNACKED_MAX: u64 = 1 << 20;

/// A TCP segment of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Its header.
    pub tcp: &'a Tcp<'a>,
    /// Its data.
    pub payload: &'a [u8],
    /// Which way it goes, as the flow sees it.
    pub dir: Direction,
    /// When it was seen.
    pub timestamp: Timestamp,
}

/// What came of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// What was wrong with it, or noteworthy.
    pub events: StreamEvents,
    /// Its payload became, or was already, part of the stream.
    pub in_stream: bool,
    /// It makes sense where the session stands.
    pub valid: bool,
    /// Inline: it must not go on.
    pub verdict: Option<Reason>,
    /// Inline, where segments are rewritten: it contradicted the stream, and this is what the receiver gets in place of its payload;
    /// with the place in the stream.
    pub rewritten: Option<(u64, Vec<u8>)>,
    /// A limit was reached or the session began in its middle: what the configuration says to do then.
    pub exception: Option<(ExceptionPolicy, Reason)>,
    /// The sender is the server although the flow took it for the client (a SYN/ACK came first): both ends must be swapped,
    /// this segment's direction included.
    pub swap: bool,
    /// The segment opens a new session on the ports of one that is over. This session did not take it: make a new one.
    pub new_session: bool,
    /// The session was picked up in its middle by this segment.
    pub picked_up: bool,
}

impl Default for Handled {
    fn default() -> Self {
        Handled {
            events: StreamEvents::default(),
            in_stream: false,
            valid: true,
            verdict: None,
            rewritten: None,
            exception: None,
            swap: false,
            new_session: false,
            picked_up: false,
        }
    }
}

/// Bytes of a direction that may be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable<'a> {
    /// None now.
    Nothing,
    /// These, in order and without a hole.
    Bytes(&'a [u8]),
    /// So many bytes will never be known.
    Gap(u64),
}

/// One direction of a session: what its sender sent, and what the other end said of it. All numbers are TCP's, mod 2^32.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Initial sequence number.
    pub(super) isn: u32,
    /// What the sender sends next.
    pub(super) next_seq: u32,
    /// The highest acknowledgement by the other end.
    pub(super) last_ack: u32,
    /// The right edge of what the other end allowed to send.
    pub(super) next_win: u32,
    /// What the other end last announced, bytes.
    pub(super) window: u32,
    /// Shift of the windows that the other end announces.
    pub(super) scale: u8,
    /// Last timestamp option, and when it came.
    pub(super) stamp: Option<(u32, Timestamp)>,
    /// Flags seen.
    pub(super) flags: u8,
    /// The sequence number after the last data byte: where the FIN stood.
    pub(super) fin: Option<u32>,
    /// End of a byte sent against a closed window.
    pub(super) probe: Option<u32>,
    /// The sender said RST, and it was believed: the state before.
    pub(super) reset: Option<State>,
    /// That RST was signed (RFC 2385, RFC 5925): without the key its receiver ignores it.
    pub(super) reset_signed: bool,
    /// A sequence number and its offset in the stream, near the present; `None` before the first byte can be placed.
    pub(super) anchor: Option<(u32, u64)>,
    pub(super) segments: Segments,
    /// Nothing more is put together.
    pub(super) stopped: bool,
    pub(super) depth_reached: bool,
    /// Another depth than the configuration's.
    pub(super) depth: Option<u64>,
    pub(super) gap: bool,
    /// Stream offset below which nobody asks for bytes any more.
    pub(super) released: u64,
    /// Urgent bytes taken out of the stream so far: offsets shrink by as many.
    pub(super) urgent: u32,
    /// Where the last urgent byte stands, before any was taken out, and whether it was.
    pub(super) urgent_at: Option<(i64, bool)>,
    /// Closed over by `finish`.
    pub(super) finished: bool,
}

/// One TCP session.
#[derive(Debug)]
pub struct Session {
    pub(super) state: State,
    /// By direction of their data: `[to_server, to_client]`.
    pub(super) sides: [Side; 2],
    /// How the receiver of each direction resolves overlaps.
    pub(super) policies: [OsPolicy; 2],
    pub(super) midstream: bool,
    pub(super) oneside: bool,
    /// Picked up in the middle with one side to be seen so far, and that may be all there is: with its end its bytes are readable.
    pub(super) one_way: Option<Direction>,
    /// Both ends were heard after the handshake.
    pub(super) confirmed: bool,
    /// Both ends use timestamps.
    pub(super) stamps: bool,
    /// Both ends opened at once (or the server answered with a SYN).
    pub(super) four_way: bool,
    /// Data came with the SYN.
    pub(super) fast_open: bool,
    pub(super) openings: SmallVec<[Opening; 1]>,
    pub(super) accounted: bool,
    /// What `Memory` counts as this session's reassembly.
    reassembly_accounted: u64,
    inline: bool,
    over: bool,
    /// What `Memory` said of missed segments when this session began.
    missed: Option<u64>,
    /// Segments of it may have gone on that were not shown to us.
    pub(super) unseen: bool,
    /// The ports had a connection that was dropped, whose sender of the SYN had begun with this number.
    pub(super) after_dropped: Option<u32>,
    /// What the other end acknowledged instead of the SYN: it holds an older connection of these ports.
    pub(super) challenged: Option<u32>,
}

impl Session {
    /// A session about which nothing is known yet. What its ends run decides how overlaps are resolved.
    pub fn new(config: &StreamConfig, server: IpAddr, client: IpAddr) -> Self {
        Session {
            state: State::None,
            sides: Default::default(),
            policies: [config.host_policies.of(server), config.host_policies.of(client)],
            midstream: false,
            oneside: false,
            one_way: None,
            confirmed: false,
            stamps: false,
            four_way: false,
            fast_open: false,
            openings: SmallVec::new(),
            accounted: false,
            reassembly_accounted: 0,
            inline: config.inline,
            over: false,
            missed: None,
            unseen: false,
            after_dropped: None,
            challenged: None,
        }
    }

    /// Says that the ports had a connection that was dropped (see [`Session::reopens`]): until the other end has agreed to a new
    /// one, nothing passes that the old one could take for its own.
    pub fn follows_dropped(&mut self, isn: u32) {
        self.after_dropped = Some(isn);
    }

    /// Whether it was opened behind a dropped connection, and has no answer yet.
    pub fn is_behind_dropped(&self) -> bool {
        self.after_dropped.is_some() && self.state < State::SynRecv
    }

    /// Takes the next segment of the flow, in the order in which they were seen.
    pub fn segment(&mut self, s: &Segment<'_>, config: &StreamConfig, memory: &mut Memory) -> Handled {
        let mut handled = Handled::default();
        if config.checksum_validation && !s.tcp.checksum_ok {
            handled.valid = false;
            return handled;
        }
        if self.one_way == Some(s.dir.opposite()) {
            self.one_way = None;
        }
        self.unseen |= *self.missed.get_or_insert(memory.missed) != memory.missed;
        if config.inline && self.state < State::SynRecv {
            match self.before_an_answer(s) {
                Opens::Aside => return handled,
                Opens::Refused => {
                    handled.valid = false;
                    handled.verdict = Some(Reason::FlowDrop);
                    return handled;
                }
                Opens::Step => {}
            }
        }
        self.step(s, config, memory, &mut handled);
        self.settle_account(memory);
        if config.inline && config.drop_invalid && !handled.valid {
            handled.verdict = handled.verdict.or(Some(Reason::StreamError));
        }
        handled
    }

    /// Whether such a segment opens a new session on the ports of this one, which is over.
    pub fn is_reuse(&self, tcp: &Tcp<'_>, dir: Direction) -> bool {
        tcp.flags() & (Tcp::SYN | Tcp::ACK | Tcp::RST | Tcp::FIN) == Tcp::SYN
            && self.state != State::None
            && self.is_reusable(dir, tcp.seq())
    }

    /// The first number of the old connection, when such a segment may open a new session on the ports of this one, which is being
    /// dropped: its ends may have given it up, but nothing of that goes on to be seen.
    pub fn reopens(&self, tcp: &Tcp<'_>, dir: Direction) -> Option<u32> {
        let isn = self.sides[dir.index()].isn;
        let opens = tcp.flags() & (Tcp::SYN | Tcp::ACK | Tcp::RST | Tcp::FIN) == Tcp::SYN;
        (opens && tcp.seq() != isn).then_some(isn)
    }

    /// Where the session stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the handshake is done (and the session perhaps over).
    pub fn is_established(&self) -> bool {
        self.state >= State::Established
    }

    /// Whether the session was picked up in its middle.
    pub fn midstream(&self) -> bool {
        self.midstream
    }

    /// Whether only one direction was seen.
    pub fn is_oneside(&self) -> bool {
        self.oneside
    }

    /// Whether both ends are done.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// What may be looked at of one direction from stream offset `from` on (0 is its first data byte).
    pub fn readable(&self, dir: Direction, from: u64) -> Readable<'_> {
        let side = &self.sides[dir.index()];
        match side.segments.at(from, self.limit(dir)) {
            At::Bytes(bytes) => Readable::Bytes(bytes),
            At::Gap(len) => Readable::Gap(len),
            At::Nothing => Readable::Nothing,
        }
    }

    /// Whether the direction ended (FIN, RST, or the flow is over) and all its bytes are readable.
    pub fn is_ended(&self, dir: Direction) -> bool {
        let side = &self.sides[dir.index()];
        if side.finished {
            return true;
        }
        let closed = self.state == State::Closed || side.fin.is_some() || self.is_reset();
        closed && !side.segments.has_waiting() && self.limit(dir) >= side.segments.tail() && {
            match side.fin.and_then(|fin| side.offset(fin)) {
                Some(fin) => side.segments.tail() >= fin || self.state == State::Closed || side.stopped,
                None => true,
            }
        }
    }

    /// Bytes of one direction below stream offset `upto` are not needed any more.
    pub fn release(&mut self, dir: Direction, upto: u64, memory: &mut Memory) {
        let keeps = self.inline && !self.oneside && !self.over && self.state != State::Closed;
        let side = &mut self.sides[dir.index()];
        side.released = side.released.max(upto);
        // Inline, what the receiver has not acknowledged may come again: it must be what it was.
        side.segments.release(if keeps { side.kept_from() } else { side.released });
        self.settle_account(memory);
    }

    /// The flow is over (time-out, end of the capture): everything becomes readable, holes become gaps.
    pub fn finish(&mut self) {
        for side in &mut self.sides {
            side.gap |= side.segments.settle(u64::MAX) > 0;
            side.finished = true;
        }
        self.over = true;
    }

    /// Bytes of one direction seen so far, as the `stream_size` keyword counts them: up to the highest sequence number, the SYN
    /// included.
    pub fn seen(&self, dir: Direction) -> u64 {
        let side = &self.sides[dir.index()];
        u64::from(side.next_seq.wrapping_sub(side.isn))
    }

    /// Stream offset after the last byte known of a direction, holes or not.
    pub fn known_to(&self, dir: Direction) -> u64 {
        self.sides[dir.index()].segments.right_edge()
    }

    /// Stream offset below which bytes were released, though some may be kept to compare what comes again.
    pub fn released_to(&self, dir: Direction) -> u64 {
        self.sides[dir.index()].released
    }

    /// Stream offset of a segment's first byte, where its direction has begun. Negative for what lies before.
    pub fn offset_of(&self, dir: Direction, seq: u32) -> Option<i64> {
        self.sides[dir.index()].signed_offset(seq)
    }

    /// How much is reassembled of a direction in place of what the configuration says, bytes, 0 without a limit.
    pub fn set_depth(&mut self, depth: u64) {
        self.sides.iter_mut().for_each(|side| side.depth = Some(depth));
    }

    /// The same of one direction, where it is more than now.
    pub fn deepen(&mut self, dir: Direction, depth: u64) {
        let known = &mut self.sides[dir.index()].depth;
        if known.is_none_or(|known| known != 0 && (depth == 0 || depth > known)) {
            *known = Some(depth);
        }
    }

    /// Whether as much was reassembled of a direction as the configuration allows.
    pub fn depth_reached(&self, dir: Direction) -> bool {
        self.sides[dir.index()].depth_reached
    }

    /// The flow is over but for its timeout: memory that nothing uses now is given back.
    pub fn shrink(&mut self, memory: &mut Memory) {
        // what both ends have acknowledged up to the end comes again for nobody
        let over = matches!(self.state, State::TimeWait | State::Closed);
        for side in &mut self.sides {
            if over {
                side.segments.release(side.released);
            }
            side.segments.shrink();
        }
        self.settle_account(memory);
    }

    /// One direction is not reassembled any more; what was is given back.
    pub fn stop(&mut self, dir: Direction, memory: &mut Memory) {
        let side = &mut self.sides[dir.index()];
        side.segments.clear();
        side.stopped = true;
        self.settle_account(memory);
    }

    /// Whether a direction is not reassembled any more.
    pub fn is_stopped(&self, dir: Direction) -> bool {
        self.sides[dir.index()].stopped
    }

    /// Whether bytes of a direction were lost.
    pub fn has_gap(&self, dir: Direction) -> bool {
        self.sides[dir.index()].gap
    }

    /// All TCP flags seen in a direction.
    pub fn tcp_flags(&self, dir: Direction) -> u8 {
        self.sides[dir.index()].flags
    }

    /// The highest acknowledgement of a direction's bytes by its receiver: a sequence number.
    pub fn last_ack(&self, dir: Direction) -> u32 {
        self.sides[dir.index()].last_ack
    }

    /// The sequence number that a direction's sender uses next.
    pub fn next_seq(&self, dir: Direction) -> u32 {
        self.sides[dir.index()].next_seq
    }

    /// The right edge of what a direction's sender may send, and the window from which it comes.
    pub fn window(&self, dir: Direction) -> (u32, u32) {
        let side = &self.sides[dir.index()];
        (side.next_win, side.window)
    }

    /// Gives all memory back: the session is not used after this.
    pub fn close(&mut self, memory: &mut Memory) {
        for dir in Direction::BOTH {
            self.stop(dir, memory);
        }
        if std::mem::take(&mut self.accounted) {
            memory.used = memory.used.saturating_sub(size_of::<Session>() as u64);
        }
    }

    /// Tells the worker's memory what this session takes now.
    fn settle_account(&mut self, memory: &mut Memory) {
        let cost: u64 = self.sides.iter().map(|side| side.segments.cost()).sum();
        memory.reassembly_used = (memory.reassembly_used + cost).saturating_sub(self.reassembly_accounted);
        self.reassembly_accounted = cost;
    }

    pub(super) fn is_reset(&self) -> bool {
        self.sides.iter().any(|side| side.reset.is_some())
    }

    /// Both ends change places.
    pub fn swap(&mut self) {
        self.sides.swap(0, 1);
        self.policies.swap(0, 1);
        self.one_way = self.one_way.map(Direction::opposite);
    }

    /// Stream offset up to which bytes of a direction may be looked at.
    fn limit(&self, dir: Direction) -> u64 {
        let side = &self.sides[dir.index()];
        let alone = self.one_way == Some(dir) && side.fin.is_some();
        let all = self.inline
            || self.oneside
            || alone
            || self.over
            || self.state == State::Closed
            || self.is_reset();
        if all { u64::MAX } else { side.acked() }
    }

    /// Puts a segment's payload where it belongs, `seq` being that of its first byte.
    pub(super) fn store(
        &mut self,
        s: &Segment<'_>,
        seq: u32,
        config: &StreamConfig,
        memory: &Memory,
        handled: &mut Handled,
    ) {
        let policy = (!config.inline).then_some(self.policies[s.dir.index()]);
        let side = &mut self.sides[s.dir.index()];
        let Some(offset) = side.signed_offset(seq) else { return };
        let Some((offset, payload)) = side.urgent(s, offset, config, handled) else { return };
        if side.stopped || side.finished || payload.is_empty() {
            return;
        }
        let mut bytes: &[u8] = &payload;
        let depth = side.depth.unwrap_or(config.depth);
        if depth != 0 {
            let room = (depth as i64).saturating_sub(offset).max(0);
            if room < bytes.len() as i64 {
                if !side.depth_reached {
                    side.depth_reached = true;
                    handled.events.set(StreamEvent::ReassemblyDepthReached);
                }
                bytes = bytes.get(..room as usize).unwrap_or_default();
                if bytes.is_empty() {
                    return;
                }
            }
        }
        let budget = match config.reassembly_memcap {
            0 => u64::MAX,
            cap => cap.saturating_sub(memory.reassembly_used),
        };
        let (frozen, fills) = (side.acked(), config.rewrites);
        let rules = Rules { policy, fills, frozen, count_max: config.segments_max, budget };
        let inserted = side.segments.insert(offset, bytes, rules);
        if inserted.differs && config.inline && config.rewrites && payload.len() == s.payload.len() {
            let bytes = side.segments.overlaid(offset, &payload);
            handled.rewritten = Some((offset.max(0) as u64, bytes));
        }
        self.report(inserted, config, handled);
    }

    /// What storing a segment means for it.
    fn report(&self, inserted: Inserted, config: &StreamConfig, handled: &mut Handled) {
        let events = &mut handled.events;
        if inserted.before_base && !events.has(StreamEvent::PktSpuriousRetransmission) {
            events.set(StreamEvent::ReassemblySegmentBeforeBaseSeq);
        }
        if inserted.differs {
            events.set(StreamEvent::ReassemblyOverlapDifferentData);
            if config.inline && !config.rewrites {
                handled.verdict = Some(Reason::StreamReassembly);
            }
        }
        if inserted.limit {
            events.set(StreamEvent::ReassemblyInsertLimit);
        }
        if inserted.memcap {
            events.set(StreamEvent::ReassemblyInsertMemcap);
        }
        if inserted.limit || inserted.memcap {
            handled.exception = Some((config.reassembly_memcap_policy, Reason::StreamReassembly));
        }
        handled.in_stream = inserted.accepted || inserted.before_base;
    }

    /// The receiver of `dir` acknowledged: what it has, it has; what we miss of that is a gap.
    pub(super) fn settle(&mut self, dir: Direction, handled: &mut Handled) {
        let reset = self.is_reset();
        let side = &mut self.sides[dir.index()];
        if side.stopped {
            return;
        }
        if side.anchor.is_none() || self.state <= State::SynRecv {
            return;
        }
        let mut limit = side.acked();
        if let Some(fin) = side.fin.and_then(|fin| side.offset(fin)) {
            limit = limit.min(fin);
        }
        let lost = if reset { 0 } else { side.segments.settle(limit) };
        if lost > 0 {
            side.gap = true;
            handled.events.set(StreamEvent::ReassemblySeqGap);
        }
        side.segments.forget_spans(limit);
        if self.inline {
            side.segments.release(side.kept_from());
        }
        side.move_anchor();
    }
}

impl Side {
    /// The direction begins: `seq` is that of its first data byte.
    pub(super) fn begin(&mut self, seq: u32) {
        self.anchor = Some((seq, 0));
    }

    /// Stream offset of a sequence number; negative before the first byte, `None` before the direction began.
    pub(super) fn signed_offset(&self, seq: u32) -> Option<i64> {
        let (anchor, offset) = self.anchor?;
        Some(offset as i64 + i64::from(seq.wrapping_sub(anchor) as i32))
    }

    /// Stream offset of a sequence number, 0 for what lies before.
    pub(super) fn offset(&self, seq: u32) -> Option<u64> {
        self.signed_offset(seq).map(|offset| offset.max(0) as u64)
    }

    /// Stream offset up to which the receiver acknowledged.
    pub(super) fn acked(&self) -> u64 {
        self.offset(self.last_ack).unwrap_or(0)
    }

    /// Inline, bytes below this stream offset need not be kept to compare what comes again.
    fn kept_from(&self) -> u64 {
        self.released.min(self.acked()).max(self.released.saturating_sub(UNACKED_MAX))
    }

    /// Keeps the anchor within reach: sequence numbers are compared within 2^31.
    fn move_anchor(&mut self) {
        let Some((seq, offset)) = self.anchor else { return };
        let near = self.acked().max(self.segments.tail() + u64::from(self.urgent));
        if near > offset + (1 << 20) {
            self.anchor = Some((seq.wrapping_add((near - offset) as u32), near));
        }
    }

    /// What the policy for urgent data leaves of a segment: its offset and payload, or nothing.
    fn urgent<'a>(
        &mut self,
        s: &Segment<'a>,
        offset: i64,
        config: &StreamConfig,
        handled: &mut Handled,
    ) -> Option<(i64, Cow<'a, [u8]>)> {
        let whole = |side: &Self| (offset - i64::from(side.urgent), Cow::Borrowed(s.payload));
        if s.payload.is_empty() || (!s.tcp.has(Tcp::URG) && self.urgent_at.is_none()) {
            return Some(whole(self));
        }
        let pointer = usize::from(s.tcp.urgent_pointer());
        match config.urgent {
            UrgentPolicy::Inline => Some(whole(self)),
            UrgentPolicy::Drop => {
                if config.inline {
                    handled.verdict = Some(Reason::StreamUrgent);
                }
                None
            }
            // only a byte at the end of a segment can be left out without tearing it
            UrgentPolicy::Gap if pointer == 0 || pointer != s.payload.len() => Some(whole(self)),
            UrgentPolicy::Gap => {
                Some((whole(self).0, s.payload.split_last().map_or(s.payload, |(_, rest)| rest).into()))
            }
            UrgentPolicy::Oob => {
                if s.tcp.has(Tcp::URG) {
                    // the byte before the pointer (RFC 6093 section 3.1); it may come later
                    let at = offset.saturating_add(pointer.saturating_sub(1) as i64);
                    if self.urgent_at.is_none_or(|(last, _)| at > last) {
                        self.urgent_at = Some((at, false));
                    }
                }
                let Some((at, taken)) = self.urgent_at else { return Some(whole(self)) };
                // what lies before the last urgent byte, also when it is sent again, is moved by those before alone
                let before = i64::from(self.urgent) - i64::from(taken);
                let Some(inside) = usize::try_from(at - offset).ok() else {
                    return Some((offset - before - 1, Cow::Borrowed(s.payload)));
                };
                if inside >= s.payload.len() {
                    return Some((offset - before, Cow::Borrowed(s.payload)));
                }
                if !taken {
                    self.urgent_at = Some((at, true));
                    self.urgent = self.urgent.saturating_add(1);
                }
                let (first, rest) = s.payload.split_at(inside);
                let behind = rest.get(1..).unwrap_or_default();
                let left = if behind.is_empty() { first.into() } else { [first, behind].concat().into() };
                Some((offset - before, left))
            }
        }
    }
}

//! Frames: named stretches of a stream (a TLS record, an HTTP request) or datagram that the keyword `frame` looks into.
//!
//! A parser says where its frames are, never what is in them: type, place, length when it is known. To give a protocol frames:
//!
//! 1. [`Protocol::frames`](super::Protocol::frames) lists their names; a [`FrameKind`] is the place of a name in that list;
//! 2. the parser has a field `frames: Frames` (`Frames::default()`), and [`Parser::frames`](super::Parser::frames) lends it;
//! 3. one line where a frame begins: `self.frames.report(input.dir, PDU, at, Some(len), None);`, `at` counted in the bytes of the
//!    input. When the length is not known yet, `None`, and later `self.frames.finish(dir, PDU, end)`.
//!
//! Reporting the same frame again (the parser was given the same bytes once more) changes nothing. The frame `stream`, all bytes
//! of a side, is there for every protocol that has others. Without rules that want frames a report is one comparison; with them,
//! only types that some rule wants are kept, at most [`OPEN_MAX`] a side, and those beyond are counted ([`Frames::missed`]).

use smallvec::SmallVec;
use std::sync::Arc;

use super::ProtocolId;
use crate::types::Direction;

/// Frames of one side that wait for their bytes or for their inspection.
pub const OPEN_MAX: usize = 2048;

/// A type of frame: the place of its name in the protocol's list, below 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameKind(pub u8);

impl FrameKind {
    /// All bytes of one side of a stream.
    pub const STREAM: FrameKind = FrameKind(63);

    /// Its name in that protocol's list.
    pub fn name(self, names: &'static [&'static str]) -> &'static str {
        if self == Self::STREAM {
            "stream"
        } else {
            names.get(usize::from(self.0)).copied().unwrap_or("unknown")
        }
    }

    /// The type of that name.
    pub fn named(name: &str, names: &'static [&'static str]) -> Option<FrameKind> {
        match name {
            "stream" if !names.is_empty() => Some(Self::STREAM),
            _ => names.iter().position(|known| *known == name).map(|at| FrameKind(at as u8)),
        }
    }

    const fn bit(self) -> u64 {
        1 << (self.0 & 63)
    }
}

/// Types of frames that rules want, by protocol: one bit a type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedFrames(Vec<u64>);

impl WantedFrames {
    /// Wants that one too.
    pub fn add(&mut self, protocol: ProtocolId, kind: FrameKind) {
        let at = usize::from(protocol.0);
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= kind.bit();
    }

    fn of(&self, protocol: ProtocolId) -> u64 {
        self.0.get(usize::from(protocol.0)).copied().unwrap_or(0)
    }
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whose it is.
    pub protocol: ProtocolId,
    /// What it is.
    pub kind: FrameKind,
    /// Unique in its direction, rising from 1; types that nobody wants count too.
    pub id: u32,
    /// Its first byte in the stream of its direction, or in its datagram.
    pub offset: u64,
    /// Bytes, when known.
    pub len: Option<u64>,
    /// The transaction that it belongs to.
    pub tx: Option<u64>,
    /// Position in the stream up to which it was inspected; no rule wants it where that is the highest.
    pub inspected: u64,
    /// A record is to be written of it.
    pub unrecorded: bool,
}

impl Frame {
    /// Position behind its last byte, when known.
    pub fn end(&self) -> Option<u64> {
        self.len.map(|len| self.offset.saturating_add(len))
    }
}

/// The frames of a flow that are not inspected to their end. Empty and free when no rule wants any.
#[derive(Debug, Default)]
pub struct Frames(Option<Box<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    wanted: Arc<WantedFrames>,
    protocol: Option<ProtocolId>,
    mask: u64,
    /// All are kept until they are recorded.
    recorded: bool,
    sides: [Side; 2],
    missed: u64,
}

#[derive(Debug, Default)]
struct Side {
    /// Position of the first byte of the input that is parsed.
    base: u64,
    made: u32,
    /// Behind the beginning of the last frame of each type.
    latest: SmallVec<[(FrameKind, u64); 4]>,
    open: Vec<Frame>,
}

impl Frames {
    /// Of a flow whose frames some rule may want.
    pub fn watching(wanted: Arc<WantedFrames>) -> Self {
        Frames(Some(Box::new(Watched { wanted, ..Watched::default() })))
    }

    /// The same, and every frame has a record.
    pub fn recording(wanted: Arc<WantedFrames>) -> Self {
        Frames(Some(Box::new(Watched { wanted, recorded: true, ..Watched::default() })))
    }

    /// The frames of a side that a record is to be written of, once.
    pub fn take_unrecorded(&mut self, dir: Direction) -> SmallVec<[Frame; 4]> {
        let mut taken = SmallVec::new();
        let Some(watched) = self.0.as_mut().filter(|watched| watched.recorded) else { return taken };
        for frame in &mut watched.sides[dir.index()].open {
            if std::mem::take(&mut frame.unrecorded) {
                taken.push(*frame);
            }
        }
        taken
    }

    /// A parser of that protocol is about to get bytes that begin at `position` of their stream; `None` for a datagram.
    pub(crate) fn begin(
        &mut self,
        protocol: ProtocolId,
        has_frames: bool,
        dir: Direction,
        position: Option<u64>,
    ) {
        let Some(watched) = &mut self.0 else { return };
        let new = watched.protocol != Some(protocol);
        if new {
            watched.protocol = Some(protocol);
            watched.mask = watched.wanted.of(protocol);
            watched.sides.iter_mut().for_each(|side| side.latest.clear());
        }
        let side = &mut watched.sides[dir.index()];
        match position {
            Some(position) => {
                side.base = position;
                if has_frames && !side.latest.iter().any(|(kind, _)| *kind == FrameKind::STREAM) {
                    self.report(dir, FrameKind::STREAM, 0, None, None);
                }
            }
            None => {
                side.base = 0;
                side.made = 0;
                side.latest.clear();
                side.open.clear();
            }
        }
    }

    /// The parser looks at bytes that it kept from before, in front of its input.
    pub fn behind(&mut self, dir: Direction, kept: usize) {
        if let Some(watched) = &mut self.0 {
            let side = &mut watched.sides[dir.index()];
            side.base = side.base.saturating_sub(kept as u64);
        }
    }

    /// Whether some rule (or the record) wants frames of this protocol: for parsers that have to look for them.
    pub fn are_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|watched| watched.mask != 0 || watched.recorded)
    }

    /// A frame begins at byte `at` of the input.
    pub fn report(
        &mut self,
        dir: Direction,
        kind: FrameKind,
        at: usize,
        len: Option<usize>,
        tx: Option<u64>,
    ) {
        let Some(watched) = &mut self.0 else { return };
        let (Some(protocol), wanted) = (watched.protocol, watched.mask & kind.bit() != 0) else { return };
        let recorded = watched.recorded;
        if watched.mask == 0 && !recorded {
            return;
        }
        let side = &mut watched.sides[dir.index()];
        let offset = side.base.saturating_add(at as u64);
        match side.latest.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, behind)) if offset < *behind => return,
            Some((_, behind)) => *behind = offset + 1,
            None => side.latest.push((kind, offset + 1)),
        }
        side.made = side.made.saturating_add(1);
        if !wanted && !recorded {
            return;
        }
        if side.open.len() >= OPEN_MAX {
            watched.missed += 1;
            return;
        }
        let len = len.map(|len| len as u64);
        let inspected = if wanted { offset } else { u64::MAX };
        let unrecorded = recorded;
        side.open.push(Frame { protocol, kind, id: side.made, offset, len, tx, inspected, unrecorded });
    }

    /// The latest frame of that type ends before byte `at` of the input.
    pub fn finish(&mut self, dir: Direction, kind: FrameKind, at: usize) {
        let Some(watched) = &mut self.0 else { return };
        let side = &mut watched.sides[dir.index()];
        let end = side.base.saturating_add(at as u64);
        if let Some(frame) = side.open.iter_mut().rev().find(|frame| frame.kind == kind)
            && frame.len.is_none()
        {
            frame.len = Some(end.saturating_sub(frame.offset));
        }
    }

    /// Those of a side that are not inspected to their end, oldest first.
    pub fn open(&self, dir: Direction) -> &[Frame] {
        self.0.as_ref().map_or(&[], |watched| &watched.sides[dir.index()].open)
    }

    /// The one of that id.
    pub fn by_id(&self, dir: Direction, id: u32) -> Option<&Frame> {
        self.open(dir).iter().find(|frame| frame.id == id)
    }

    /// The `nth` of [`Frames::open`] was inspected up to that position.
    pub fn inspected(&mut self, dir: Direction, nth: usize, position: u64) {
        if let Some(frame) = self.0.as_mut().and_then(|watched| watched.sides[dir.index()].open.get_mut(nth))
        {
            frame.inspected = position;
        }
    }

    /// Forgets those that were inspected to their end.
    pub fn retire(&mut self, dir: Direction) {
        if let Some(watched) = &mut self.0 {
            watched.sides[dir.index()].open.retain(|frame| {
                // one that no rule wants is of no use once it is recorded
                frame.unrecorded
                    || (frame.inspected < u64::MAX && frame.end().is_none_or(|end| frame.inspected < end))
            });
        }
    }

    /// Nothing of the flow is inspected any more.
    pub fn stop(&mut self) {
        self.0 = None;
    }

    /// Client and server change places.
    pub fn swap(&mut self) {
        if let Some(watched) = &mut self.0 {
            watched.sides.swap(0, 1);
        }
    }

    /// Frames that there was no room for, since the last call.
    pub fn missed(&mut self) -> u64 {
        self.0.as_mut().map_or(0, |watched| std::mem::take(&mut watched.missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TLS: ProtocolId = ProtocolId(2);
    const PDU: FrameKind = FrameKind(1);

    fn watching(kinds: &[FrameKind]) -> Frames {
        let mut wanted = WantedFrames::default();
        kinds.iter().for_each(|kind| wanted.add(TLS, *kind));
        Frames::watching(Arc::new(wanted))
    }

    #[test]
    fn only_wanted_frames_are_kept_and_each_once() {
        let dir = Direction::ToServer;
        let mut frames = watching(&[PDU]);
        frames.begin(TLS, true, dir, Some(10));
        frames.report(dir, FrameKind(0), 0, Some(5), None);
        frames.report(dir, PDU, 0, Some(20), Some(7));
        // the same bytes again, with more behind them
        frames.begin(TLS, true, dir, Some(10));
        frames.report(dir, FrameKind(0), 0, Some(5), None);
        frames.report(dir, PDU, 0, Some(20), Some(7));
        frames.report(dir, PDU, 20, None, None);
        frames.finish(dir, PDU, 33);
        let found: Vec<_> = frames.open(dir).iter().map(|f| (f.id, f.offset, f.len, f.tx)).collect();
        assert_eq!(found, [(3, 10, Some(20), Some(7)), (4, 30, Some(13), None)]);
        frames.inspected(dir, 0, 30);
        frames.retire(dir);
        assert_eq!(frames.open(dir).len(), 1);
        assert!(frames.open(Direction::ToClient).is_empty());
    }

    #[test]
    fn without_rules_nothing_is_kept() {
        let dir = Direction::ToServer;
        for mut frames in [Frames::default(), watching(&[])] {
            frames.begin(TLS, true, dir, Some(0));
            frames.report(dir, PDU, 0, Some(20), None);
            assert!(!frames.are_wanted() && frames.open(dir).is_empty());
        }
    }

    #[test]
    fn all_are_recorded_once_and_only_wanted_ones_stay() {
        let dir = Direction::ToServer;
        let mut wanted = WantedFrames::default();
        wanted.add(TLS, PDU);
        let mut frames = Frames::recording(Arc::new(wanted));
        frames.begin(TLS, true, dir, Some(10));
        frames.report(dir, FrameKind(0), 0, Some(5), None);
        frames.report(dir, PDU, 0, Some(20), Some(7));
        let kinds = |frames: &[Frame]| frames.iter().map(|frame| frame.kind.0).collect::<Vec<_>>();
        frames.retire(dir);
        assert_eq!(kinds(&frames.take_unrecorded(dir)), [63, 0, 1]);
        assert!(frames.take_unrecorded(dir).is_empty());
        frames.retire(dir);
        assert_eq!(kinds(frames.open(dir)), [1]);
    }

    #[test]
    fn too_many_are_counted_and_not_kept() {
        let dir = Direction::ToClient;
        let mut frames = watching(&[PDU]);
        frames.begin(TLS, true, dir, Some(0));
        for at in 0..OPEN_MAX + 3 {
            frames.report(dir, PDU, at, Some(1), None);
        }
        assert_eq!((frames.open(dir).len(), frames.missed()), (OPEN_MAX, 3));
    }

    #[test]
    fn every_datagram_begins_anew() {
        let dir = Direction::ToServer;
        let mut frames = watching(&[PDU]);
        for _ in 0..2 {
            frames.begin(TLS, true, dir, None);
            frames.report(dir, PDU, 0, Some(9), None);
            assert_eq!(frames.open(dir).iter().map(|f| f.id).collect::<Vec<_>>(), [1]);
        }
    }
}

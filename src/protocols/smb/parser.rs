//! The framing of NetBIOS (RFC 1002 section 4.3) and, in it, messages of either version. Data of files is taken as it comes;
//! every other message when it is whole.

use super::config::{Config, MESSAGE_MAX};
use super::state::{Chunk, State};
use super::{probe, smb1, smb2};
use crate::app::{FrameKind, Frames, Input, ParseError, Parsed, Parser, Transactions};
use crate::types::Direction;

const FRAME_LEN: usize = 4;

/// Types of frames: NetBIOS's, and the messages of each version in them, compounds one by one. What is encrypted is `smb3`.
pub(super) const FRAMES: &[&str] = &[
    "nbss.pdu",
    "nbss.hdr",
    "nbss.data",
    "smb1.pdu",
    "smb1.hdr",
    "smb1.data",
    "smb2.pdu",
    "smb2.hdr",
    "smb2.data",
    "smb3.pdu",
    "smb3.hdr",
    "smb3.data",
];

/// Messages of one compound that frames are told of.
const COMPOUND_MAX: usize = 128;

/// Bytes of a message that carries file data before it is taken in parts: all that stands before the data is among them.
const PART_MIN: usize = 512;

/// The parser of one flow. What is incomplete stays with the caller, up to 1 MiB.
pub(super) struct SmbParser {
    state: State,
    sides: [Side; 2],
    frames: Frames,
}

/// What is remembered of one direction.
#[derive(Default)]
struct Side {
    /// Bytes were lost, or were no frame: where messages begin has to be found again.
    lost: bool,
    /// Data of a file that is arriving.
    chunk: Option<Chunk>,
    /// Bytes that are passed over, behind the chunk.
    skip: u64,
    ended: bool,
}

impl SmbParser {
    pub(super) fn new(config: Config) -> Self {
        SmbParser { state: State::new(config), sides: Default::default(), frames: Frames::default() }
    }

    /// Takes what belongs to a message that has begun; gives back how much.
    fn rest_of_message(&mut self, dir: Direction, bytes: &[u8]) -> usize {
        let side = &mut self.sides[dir.index()];
        let mut taken = 0;
        if let Some(mut chunk) = side.chunk.take() {
            taken = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(bytes.len());
            self.state.more(&chunk, &bytes[..taken]);
            chunk.left -= taken as u64;
            chunk.offset = chunk.offset.saturating_add(taken as u64);
            side.chunk = Some(chunk).filter(|chunk| chunk.left > 0);
        }
        if side.chunk.is_none() {
            let skipped = usize::try_from(side.skip).unwrap_or(usize::MAX).min(bytes.len() - taken);
            side.skip -= skipped as u64;
            taken += skipped;
        }
        taken
    }

    /// Three frames: all, header, what is behind it.
    fn frame(&mut self, dir: Direction, first: u8, at: usize, header: usize, len: usize) {
        let parts = [
            (first, at, len),
            (first + 1, at, header.min(len)),
            (first + 2, at + header, len.saturating_sub(header)),
        ];
        for (kind, at, len) in parts {
            if len > 0 {
                self.frames.report(dir, FrameKind(kind), at, Some(len), None);
            }
        }
    }

    /// The frames of what NetBIOS's header at `at` announces, and of as many of its messages as have begun.
    fn frame_all(&mut self, dir: Direction, at: usize, message: &[u8], length: usize) {
        self.frame(dir, 0, at, FRAME_LEN, FRAME_LEN + length);
        let (mut at, mut rest, mut length) = (at + FRAME_LEN, message, length);
        for _ in 0..COMPOUND_MAX {
            let (first, header) = match rest {
                [0xff, b'S', b'M', b'B', ..] => (3, smb1::HEADER_LEN),
                [0xfe, b'S', b'M', b'B', ..] => (6, smb2::HEADER_LEN),
                // MS-SMB2 section 2.2.41
                [0xfd, b'S', b'M', b'B', ..] => (9, 52),
                _ => return,
            };
            let next =
                if first == 6 { rest.get(20..24).and_then(|next| next.first_chunk()) } else { Some(&[0; 4]) };
            let Some(next) = next else { return };
            let next = u32::from_le_bytes(*next) as usize;
            if next < header || next >= length {
                return self.frame(dir, first, at, header, length);
            }
            self.frame(dir, first, at, header, next);
            at += next;
            length -= next;
            rest = rest.get(next..).unwrap_or_default();
        }
    }

    fn whole(&mut self, dir: Direction, message: &[u8]) {
        match message.first() {
            Some(0xff) => smb1::message(&mut self.state, dir, message),
            Some(0xfe) => smb2::message(&mut self.state, dir, message),
            // encrypted: nothing can be read
            _ => {}
        }
    }

    /// The beginning of a message of `length` bytes; true when it was taken, with what follows of it.
    fn part(&mut self, dir: Direction, message: &[u8], length: usize) -> bool {
        let taken = match message.first() {
            Some(0xff) => smb1::partial(&mut self.state, dir, message),
            Some(0xfe) => smb2::partial(&mut self.state, dir, message),
            _ => None,
        };
        let side = &mut self.sides[dir.index()];
        let missing = (length - message.len()) as u64;
        match taken {
            Some((_, Some(mut chunk))) => {
                chunk.left = chunk.left.min(missing);
                side.skip = missing - chunk.left;
                side.chunk = Some(chunk).filter(|chunk| chunk.left > 0);
                true
            }
            Some((_, None)) => {
                side.skip = missing;
                true
            }
            None if length > MESSAGE_MAX => {
                side.skip = missing;
                true
            }
            None => false,
        }
    }
}

impl Parser for SmbParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let dir = input.dir;
        let mut at = 0;
        let parsed = loop {
            at += self.rest_of_message(dir, input.bytes.get(at..).unwrap_or_default());
            let rest = input.bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                break Parsed { consumed: at, ..Parsed::default() };
            }
            if self.sides[dir.index()].lost {
                match probe::resync(rest) {
                    Ok(start) => {
                        self.sides[dir.index()].lost = false;
                        at += start;
                    }
                    Err(skipped) => break Parsed { consumed: at + skipped, ..Parsed::default() },
                }
                continue;
            }
            let Some(&[kind, high, middle, low]) = rest.first_chunk::<FRAME_LEN>() else {
                break Parsed { consumed: at, needs: FRAME_LEN, ..Parsed::default() };
            };
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            let is_message = match kind {
                0 => true,
                // the setting up and keeping up of a session
                0x81..=0x85 => false,
                _ => {
                    self.state.event(dir, "malformed_data");
                    self.sides[dir.index()].lost = true;
                    at += 1;
                    continue;
                }
            };
            let body = rest.get(FRAME_LEN..).unwrap_or_default();
            let (message, whole) = match body.get(..length) {
                Some(message) => (message, true),
                None => (body, false),
            };
            if is_message && message.len() >= 4 && !is_marked(message) {
                self.state.event(dir, "malformed_data");
                self.sides[dir.index()].lost = true;
                at += 1;
                continue;
            }
            if self.frames.are_wanted() {
                self.frame_all(dir, at, message, length);
            }
            if !is_message {
                self.sides[dir.index()].skip = (length - message.len()) as u64;
                at += FRAME_LEN + message.len();
                continue;
            }
            if whole {
                self.whole(dir, message);
                at += FRAME_LEN + length;
                continue;
            }
            let enough = message.len() >= PART_MIN || length > MESSAGE_MAX && message.len() > 64;
            if enough && self.part(dir, message, length) {
                at += FRAME_LEN + message.len();
                continue;
            }
            let needs = if message.len() < PART_MIN { length.min(PART_MIN) } else { length };
            break Parsed { consumed: at, needs: FRAME_LEN + needs, ..Parsed::default() };
        };
        if input.eof && !std::mem::replace(&mut self.sides[dir.index()].ended, true) {
            self.state.ended(dir);
        }
        Ok(parsed)
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let side = &mut self.sides[dir.index()];
        let mut len = len;
        if let Some(mut chunk) = side.chunk.take() {
            let lost = chunk.left.min(len);
            self.state.lost(&chunk, lost);
            chunk.left -= lost;
            chunk.offset = chunk.offset.saturating_add(lost);
            len -= lost;
            side.chunk = Some(chunk).filter(|chunk| chunk.left > 0);
        }
        let skipped = side.skip.min(len);
        if side.chunk.is_none() {
            side.skip -= skipped;
            len -= skipped;
        }
        side.lost = len > 0;
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.state.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.state.transactions
    }

    fn frames(&mut self) -> Option<&mut Frames> {
        Some(&mut self.frames)
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.state.memory()
    }
}

fn is_marked(message: &[u8]) -> bool {
    matches!(message, [0xfc..=0xff, b'S', b'M', b'B', ..])
}

//! Banners (RFC 4253 section 4.2), then binary packets (section 6) until both sides use their keys.

use super::Options;
use super::slots;
use super::transaction::{OVER, SshTx};
use crate::app::{Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::types::Direction;

/// Bytes of a banner, the line end included (RFC 4253 section 4.2).
pub(super) const BANNER_MAX: usize = 255;
/// Bytes of a key exchange message that is read; a longer one is passed over.
pub(super) const RECORD_MAX: usize = 64 << 10;
/// A packet longer than that is none: what was taken for its length is something else.
const LENGTH_MAX: usize = 1 << 20;
/// Lines that a server may send before its banner.
const LINES_MAX: u8 = 64;

/// A line that is no banner.
pub(super) const INVALID_BANNER: &str = "invalid_banner";
/// A banner longer than allowed.
pub(super) const LONG_BANNER: &str = "long_banner";
/// A packet whose length cannot be.
pub(super) const INVALID_RECORD: &str = "invalid_record";

const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;

/// The parser of one flow.
pub(super) struct SshParser {
    options: Options,
    transactions: TxList<SshTx>,
    sides: [Side; 2],
}

/// What is remembered of one direction.
#[derive(Default)]
struct Side {
    stage: Stage,
    /// Bytes of a packet that are passed over.
    skip: usize,
    /// Lines seen before the banner.
    lines: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Banner,
    /// The rest of a line that is too long; with whether the banner was in it.
    LineEnd(bool),
    Packets,
    /// Its keys are in use, or packets cannot be found any more.
    Over,
}

/// What became of some bytes.
enum Step {
    Taken(usize),
    Needs(usize),
}

impl SshParser {
    pub(super) fn new(options: Options) -> Self {
        let mut transactions = TxList::default();
        transactions.push_with(|_| SshTx::default());
        SshParser { options, transactions, sides: [Side::default(), Side::default()] }
    }

    fn tx(&mut self) -> Option<&mut SshTx> {
        self.transactions.by_id_mut(0)
    }

    fn event(&mut self, dir: Direction, name: &'static str) {
        if let Some(tx) = self.tx() {
            tx.event(dir, name);
        }
    }

    fn over(&mut self, dir: Direction) {
        self.sides[dir.index()].stage = Stage::Over;
        if let Some(tx) = self.tx() {
            tx.reach(dir, OVER);
        }
    }

    fn step(&mut self, dir: Direction, rest: &[u8], eof: bool) -> Step {
        match self.sides[dir.index()].stage {
            Stage::Banner => self.banner(dir, rest, eof),
            Stage::LineEnd(found) => match memchr::memchr(b'\n', rest) {
                Some(end) => {
                    self.sides[dir.index()].stage = if found { Stage::Packets } else { Stage::Banner };
                    Step::Taken(end + 1)
                }
                None => Step::Taken(rest.len()),
            },
            Stage::Packets => self.packet(dir, rest),
            Stage::Over => Step::Taken(rest.len()),
        }
    }

    fn banner(&mut self, dir: Direction, rest: &[u8], eof: bool) -> Step {
        let front = rest.get(..BANNER_MAX).unwrap_or(rest);
        let (line, taken, next) = match memchr::memchr(b'\n', front) {
            Some(end) => (front.get(..end).unwrap_or_default(), end + 1, None),
            None if front.len() >= BANNER_MAX => (front, front.len(), Some(())),
            None if eof => (front, front.len(), None),
            None => return Step::Needs(front.len() + 1),
        };
        let found = read_banner(line.trim_ascii_end());
        match found {
            Some((proto, software)) => {
                if next.is_some() {
                    self.event(dir, LONG_BANNER);
                }
                let readable = is_readable(proto);
                if let Some(tx) = self.tx() {
                    let side = &mut tx.sides[dir.index()];
                    side.has_banner = true;
                    side.proto = proto.to_vec();
                    side.software = software.to_vec();
                    tx.reach(dir, slots::BANNER);
                }
                match (next, readable) {
                    (Some(()), true) => self.sides[dir.index()].stage = Stage::LineEnd(true),
                    (None, true) => self.sides[dir.index()].stage = Stage::Packets,
                    // SSH 1 has packets of another kind
                    (_, false) => self.over(dir),
                }
            }
            None => {
                self.event(dir, INVALID_BANNER);
                let side = &mut self.sides[dir.index()];
                side.lines = side.lines.saturating_add(1);
                if side.lines > LINES_MAX || dir == Direction::ToServer {
                    self.over(dir);
                } else if next.is_some() {
                    side.stage = Stage::LineEnd(false);
                }
            }
        }
        Step::Taken(taken)
    }

    fn packet(&mut self, dir: Direction, rest: &[u8]) -> Step {
        let side = &mut self.sides[dir.index()];
        if side.skip > 0 {
            let taken = side.skip.min(rest.len());
            side.skip -= taken;
            return Step::Taken(taken);
        }
        let Some((&[a, b, c, d, _padding, kind], _)) = rest.split_first_chunk::<6>() else {
            return Step::Needs(6);
        };
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(2..=LENGTH_MAX).contains(&len) {
            self.event(dir, INVALID_RECORD);
            self.over(dir);
            return Step::Taken(rest.len());
        }
        let whole = 4 + len;
        match kind {
            KEXINIT if len <= RECORD_MAX => {
                let Some(packet) = rest.get(6..whole) else { return Step::Needs(whole) };
                self.exchange(dir, packet);
            }
            // nothing of it is in use before the message is over, and nothing can be read then
            NEWKEYS => self.over(dir),
            _ => {}
        }
        let side = &mut self.sides[dir.index()];
        let taken = whole.min(rest.len());
        side.skip = whole - taken;
        Step::Taken(taken)
    }

    /// The lists of RFC 4253 section 7.1: which algorithms that side would use, in its order.
    fn exchange(&mut self, dir: Direction, message: &[u8]) {
        let hassh = self.options.hassh;
        let lists = lists(message);
        if lists.is_none() {
            self.event(dir, INVALID_RECORD);
        }
        let Some(tx) = self.tx() else { return };
        if let (Some(lists), true) = (lists, hassh) {
            // key exchange, then what this side sends with: cipher, MAC, compression
            let own = if dir == Direction::ToServer { 2 } else { 3 };
            let text = [lists[0], lists[own], lists[own + 2], lists[own + 4]].join(&b';');
            let side = &mut tx.sides[dir.index()];
            side.hassh.get_or_insert_with(|| (md5_hex(&text), text));
        }
        tx.reach(dir, slots::KEX);
    }
}

/// The ten lists of a KEXINIT, behind its cookie.
fn lists(message: &[u8]) -> Option<[&[u8]; 10]> {
    let mut rest = message.get(16..)?;
    let mut lists = [&[][..]; 10];
    for list in &mut lists {
        let (len, more) = rest.split_first_chunk::<4>()?;
        let len = u32::from_be_bytes(*len) as usize;
        *list = more.get(..len)?;
        rest = more.get(len..)?;
    }
    Some(lists)
}

fn md5_hex(text: &[u8]) -> String {
    use md5::Digest as _;
    md5::Md5::digest(text).iter().fold(String::with_capacity(32), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `SSH-protoversion-softwareversion SP comments`
fn read_banner(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"SSH-")?;
    let dash = rest.iter().position(|byte| *byte == b'-')?;
    let (proto, software) = (rest.get(..dash)?, rest.get(dash + 1..)?);
    Some((proto, software.split(|byte| *byte == b' ').next().unwrap_or_default()))
}

/// SSH 2, or an SSH 1 server that can do both.
fn is_readable(proto: &[u8]) -> bool {
    proto.starts_with(b"2") || proto == b"1.99"
}

impl Parser for SshParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let dir = input.dir;
        let mut at = 0;
        let mut parsed = Parsed::default();
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(dir, rest, input.eof) {
                Step::Taken(taken) => at += taken.max(1),
                Step::Needs(needs) => {
                    parsed.needs = needs;
                    break;
                }
            }
        }
        parsed.consumed = at.min(input.bytes.len());
        if input.eof {
            self.over(dir);
        }
        if self.sides.iter().all(|side| side.stage == Stage::Over) && self.options.opaque {
            parsed.opaque = true;
            parsed.bypass = self.options.bypass;
            parsed.needs = 0;
        }
        Ok(parsed)
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let side = &mut self.sides[dir.index()];
        match usize::try_from(len) {
            // it was within a packet that is passed over
            Ok(len) if side.stage == Stage::Packets && len <= side.skip => side.skip -= len,
            _ => self.over(dir),
        }
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn memory(&self) -> usize {
        self.transactions.iter().map(SshTx::memory).sum()
    }
}

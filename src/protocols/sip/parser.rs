//! SIP over datagrams, one message each, and over streams, where `Content-Length` says how long a body is.

use super::message::{self, BODY_MAX, Broken, HEAD_MAX, Message};
use super::transaction::SipTx;
use crate::app::{FrameKind, Frames, Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::types::{Direction, Proto};

/// Types of frames: a message, and its parts in either direction.
pub(super) const FRAMES: &[&str] = &[
    "pdu",
    "request.line",
    "request.headers",
    "request.body",
    "response.line",
    "response.headers",
    "response.body",
];

/// A body that says it is longer is told of as one of this length.
const FRAME_MAX: usize = 1 << 30;

/// The parser of one flow.
pub(super) struct SipParser {
    stream: bool,
    transactions: TxList<SipTx>,
    sides: [Side; 2],
    frames: Frames,
}

/// What is remembered of one direction of a stream.
#[derive(Clone, Copy, Default)]
struct Side {
    /// Bytes were lost: where messages begin has to be found again.
    lost: bool,
    /// Bytes of a long body that are still to come.
    skip: u64,
    /// Bytes of an unfinished head in which its end was not found.
    searched: usize,
}

impl SipParser {
    pub(super) fn new(transport: Proto) -> Self {
        SipParser {
            stream: transport != Proto::UDP,
            transactions: TxList::default(),
            sides: [Side::default(); 2],
            frames: Frames::default(),
        }
    }

    fn add(&mut self, dir: Direction, message: Message) {
        self.transactions.push_with(|id| SipTx::new(id, dir, message.values));
    }

    /// The frames of a message at `at` of the input, with its head and a body of that length.
    fn frame(&mut self, dir: Direction, at: usize, message: &Message, body: usize) {
        let first = match dir {
            Direction::ToServer => 1,
            Direction::ToClient => 4,
        };
        let (line, head) = (message.line, message.head);
        // the empty line is no header
        let headers = head.saturating_sub(line + 2);
        let parts = [
            (0, at, head + body),
            (first, at, line),
            (first + 1, at + line, headers),
            (first + 2, at + head, body),
        ];
        for (kind, at, len) in parts {
            if len > 0 {
                self.frames.report(dir, FrameKind(kind), at, Some(len), None);
            }
        }
    }

    /// Takes what is at the front of the bytes, which is at `at` of the input: its length, or how many bytes it needs.
    fn step(&mut self, dir: Direction, at: usize, bytes: &[u8]) -> Result<Result<usize, usize>, ParseError> {
        let side = &mut self.sides[dir.index()];
        if side.skip > 0 {
            let taken = usize::try_from(side.skip).unwrap_or(usize::MAX).min(bytes.len());
            side.skip -= taken as u64;
            return Ok(Ok(taken));
        }
        if side.lost {
            return Ok(match message::resync(dir, bytes) {
                Ok(start) => {
                    side.lost = false;
                    if start == 0 { self.step(dir, at, bytes)? } else { Ok(start) }
                }
                Err(skipped) if skipped > 0 => Ok(skipped),
                Err(_) => Err(0),
            });
        }
        // between messages: keep-alives, RFC 5626 section 3.5.1
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 {
            return Ok(Ok(blank));
        }
        let from = side.searched.min(bytes.len());
        if memchr::memmem::find(&bytes[from..], b"\r\n\r\n").is_none() {
            if bytes.len() > HEAD_MAX {
                return Err(ParseError("head_too_long"));
            }
            side.searched = bytes.len().saturating_sub(3);
            return Ok(Err(0));
        }
        side.searched = 0;
        let mut message = match Message::read_head(dir, bytes) {
            Ok(message) => message,
            Err(Broken::Incomplete) => return Err(ParseError("incomplete_data")),
            Err(Broken::Invalid) => return Err(ParseError("invalid_data")),
        };
        let (head, len) = (message.head, message.body.unwrap_or(0));
        self.frame(dir, at, &message, usize::try_from(len).unwrap_or(usize::MAX).min(FRAME_MAX));
        match usize::try_from(len) {
            Ok(len) if len <= BODY_MAX => {
                let Some(body) = bytes.get(head..head + len) else { return Ok(Err(head + len)) };
                message.read_body(body);
                self.add(dir, message);
                Ok(Ok(head + len))
            }
            _ => {
                self.sides[dir.index()].skip = len;
                self.add(dir, message);
                Ok(Ok(head))
            }
        }
    }
}

impl Parser for SipParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        if !self.stream {
            // keep-alives
            if input.bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                return Ok(Parsed::all(&input));
            }
            let message = Message::read(input.dir, input.bytes).map_err(|broken| match broken {
                Broken::Incomplete => ParseError("incomplete_data"),
                Broken::Invalid => ParseError("invalid_data"),
            })?;
            self.frame(input.dir, 0, &message, input.bytes.len().saturating_sub(message.head));
            self.add(input.dir, message);
            return Ok(Parsed::all(&input));
        }
        let mut at = 0;
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(input.dir, at, rest)? {
                Ok(taken) => at += taken,
                Err(needs) => return Ok(Parsed { consumed: at, needs, ..Parsed::default() }),
            }
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let side = &mut self.sides[dir.index()];
        let skipped = side.skip.min(len);
        side.skip -= skipped;
        side.searched = 0;
        side.lost |= len > skipped;
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn frames(&mut self) -> Option<&mut Frames> {
        Some(&mut self.frames)
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.transactions.iter().map(SipTx::memory).sum::<usize>()
    }
}

//! DNS over datagrams, one message each, and over streams, each message behind its length (RFC 1035 section 4.2).

use super::log::Wanted;
use super::message::{Header, Message};
use super::name::Broken;
use super::probe;
use super::transaction::DnsTx;
use crate::app::{FrameKind, Frames, Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::types::{Direction, Proto};

/// Messages of a stream that could not be read, one after the other, before it is given up.
const MALFORMED_MAX: u32 = 8;

/// The parser of one flow. Keeps nothing but the transactions: what is incomplete stays with the caller.
pub(super) struct DnsParser {
    stream: bool,
    wanted: Wanted,
    transactions: TxList<DnsTx>,
    sides: [Side; 2],
    frames: Frames,
}

/// One message, without the length in front of it.
const PDU: FrameKind = FrameKind(0);

/// What is remembered of one direction of a stream.
#[derive(Clone, Copy, Default)]
struct Side {
    /// Bytes were lost: where messages begin has to be found again.
    lost: bool,
    /// Malformed messages in a row.
    malformed: u32,
}

impl DnsParser {
    pub(super) fn new(transport: Proto, wanted: Wanted) -> Self {
        DnsParser {
            stream: transport != Proto::UDP,
            wanted,
            transactions: TxList::default(),
            sides: [Side::default(); 2],
            frames: Frames::default(),
        }
    }

    /// Takes one message; an error says that it was none.
    fn message(&mut self, dir: Direction, bytes: &[u8]) -> Result<(), Broken> {
        let header = Header::read(bytes).ok_or(Broken::Incomplete)?;
        let dir = match dir {
            // A server is not answered.
            Direction::ToServer if header.is_response() => return Err(Broken::Invalid),
            // Between two servers either may ask; a datagram says by itself what it is.
            Direction::ToClient if !self.stream && !header.is_response() => Direction::ToServer,
            dir => dir,
        };
        let message = match dir {
            Direction::ToServer => Message::read_request(bytes)?,
            Direction::ToClient => Message::read_response(bytes)?,
        };
        let wanted = self.wanted.clone();
        self.transactions.push_with(|id| DnsTx::new(id, dir, message, wanted));
        Ok(())
    }

    fn stream(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let side = input.dir.index();
        let mut at = 0;
        if self.sides[side].lost {
            match probe::resync(input.dir, input.bytes) {
                Ok(start) => {
                    self.sides[side].lost = false;
                    at = start;
                }
                Err(skipped) => return Ok(Parsed { consumed: skipped, ..Parsed::default() }),
            }
        }
        loop {
            let rest = input.bytes.get(at..).unwrap_or_default();
            let Some((length, body)) = rest.split_at_checked(2) else {
                let needs = if rest.is_empty() { 0 } else { 2 };
                return Ok(Parsed { consumed: at, needs, ..Parsed::default() });
            };
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            self.frames.report(input.dir, PDU, at + 2, Some(length), None);
            let Some(message) = body.get(..length) else {
                return Ok(Parsed { consumed: at, needs: 2 + length, ..Parsed::default() });
            };
            at += 2 + length;
            if message.is_empty() {
                continue;
            }
            match self.message(input.dir, message) {
                Ok(()) => self.sides[side].malformed = 0,
                // The framing still holds: the next message may be sound.
                Err(_) if self.sides[side].malformed < MALFORMED_MAX => self.sides[side].malformed += 1,
                Err(_) => return Err(ParseError("malformed_data")),
            }
        }
    }
}

impl Parser for DnsParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        if self.stream {
            return self.stream(input);
        }
        self.frames.report(input.dir, PDU, 0, Some(input.bytes.len()), None);
        // A datagram that is no message is passed over; the next one stands for itself.
        let _ = self.message(input.dir, input.bytes);
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, _len: u64) -> Result<(), ParseError> {
        self.sides[dir.index()].lost = true;
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
        size_of::<Self>() + self.transactions.iter().map(DnsTx::memory).sum::<usize>()
    }
}

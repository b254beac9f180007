//! Link frames and transport segments of both streams (IEEE 1815 clauses 8 and 9), put together to application messages.

use super::log::Message;
use super::{crc, objects, slots};
use crate::app::{Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::protocols::single::MessageTx;
use crate::protocols::values::Values;
use crate::types::Direction;

/// A link header with its checksum.
pub(super) const HEADER_LEN: usize = 10;
/// What the link header counts at least: itself from the control byte on.
pub(super) const LENGTH_MIN: u8 = 5;
/// User data between two checksums.
const BLOCK: usize = 16;
/// Bytes of an application message; IEEE 1815 has 2,048 for a fragment.
pub(super) const MESSAGE_MAX: usize = 64 << 10;
/// Transactions alive, after which they are told to be too many.
const LIVE_MAX: usize = 500;

const FIN: u8 = 0x80;
const FIR: u8 = 0x40;

/// The functions of the link that carry user data.
const CONFIRMED_DATA: u8 = 3;
const UNCONFIRMED_DATA: u8 = 4;

/// The parser of one flow.
#[derive(Default)]
pub(super) struct Dnp3Parser {
    transactions: TxList<MessageTx<Message>>,
    sides: [Side; 2],
}

#[derive(Default)]
struct Side {
    /// Segments of a message so far, and the number of the one that comes next.
    message: Option<(Vec<u8>, u8)>,
    /// Bytes were lost: where frames begin has to be found again.
    lost: bool,
}

impl Dnp3Parser {
    fn event(&mut self, dir: Direction, event: &'static str) {
        self.transactions
            .push_with(|id| MessageTx::new(id, dir, Values::default(), Message::default(), &[event]));
    }

    /// A whole link frame: its header, and the blocks behind it.
    fn frame(&mut self, dir: Direction, header: [u8; HEADER_LEN], blocks: &[u8]) {
        let control = header[3];
        if !matches!(control & 15, CONFIRMED_DATA | UNCONFIRMED_DATA) || control & 0x40 == 0 {
            return;
        }
        let mut data = Vec::with_capacity(blocks.len());
        for block in blocks.chunks(BLOCK + 2) {
            if !crc::holds(block) {
                return self.event(dir, "bad_transport_crc");
            }
            data.extend_from_slice(&block[..block.len() - 2]);
        }
        let Some((transport, segment)) = data.split_first() else { return };
        let number = transport & 0x3f;
        let side = &mut self.sides[dir.index()];
        if transport & FIR != 0 {
            side.message = Some((segment.to_vec(), number));
        } else {
            match &mut side.message {
                Some((bytes, expected))
                    if *expected == number && bytes.len() + segment.len() <= MESSAGE_MAX =>
                {
                    bytes.extend_from_slice(segment);
                }
                // not what follows
                _ => side.message = None,
            }
        }
        if let Some((bytes, expected)) = &mut side.message {
            *expected = (number + 1) & 0x3f;
            if transport & FIN != 0 {
                let bytes = std::mem::take(bytes);
                side.message = None;
                self.message(dir, &header, bytes);
            }
        }
    }

    fn message(&mut self, dir: Direction, header: &[u8; HEADER_LEN], bytes: Vec<u8>) {
        let &[control, function, ref rest @ ..] = &bytes[..] else { return };
        let mut message = Message {
            link: Some(header[3]),
            destination: u16::from_le_bytes([header[4], header[5]]),
            source: u16::from_le_bytes([header[6], header[7]]),
            control,
            function,
            ..Message::default()
        };
        let mut values = Values::default();
        let mut rest = rest;
        if matches!(function, 129..=131) {
            let Some((indicators, behind)) = rest.split_first_chunk::<2>() else { return };
            let indicators = u16::from_be_bytes(*indicators);
            values.push_number(slots::INDICATORS, indicators);
            message.indicators = Some(indicators);
            rest = behind;
        }
        values.push_number(slots::FUNCTION, function);
        values.push(slots::DATA, &bytes);
        let mut events = Vec::new();
        // what a confirmation carries is nothing
        (message.objects, message.complete) = objects::read(rest, false);
        if !message.complete {
            events.push("unknown_object");
        }
        for object in &message.objects {
            values.push_number(slots::OBJECT, u16::from_be_bytes([object.group, object.variation]));
        }
        if self.transactions.len() >= LIVE_MAX {
            events.push("flooded");
        }
        self.transactions.push_with(|id| MessageTx::new(id, dir, values, message, &events));
    }
}

impl Parser for Dnp3Parser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let dir = input.dir;
        let mut at = 0;
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.sides[dir.index()].lost {
                match memchr::memchr(0x05, rest) {
                    Some(0) if rest.len() < HEADER_LEN => {
                        return Ok(Parsed { consumed: at, needs: HEADER_LEN, ..Parsed::default() });
                    }
                    Some(0) if rest.starts_with(&[0x05, 0x64]) && crc::holds(&rest[..HEADER_LEN]) => {
                        self.sides[dir.index()].lost = false;
                    }
                    Some(0) => {
                        at += 1;
                        continue;
                    }
                    Some(skipped) => {
                        at += skipped;
                        continue;
                    }
                    None => return Ok(Parsed::all(&input)),
                }
            }
            let Some(header) = rest.first_chunk::<HEADER_LEN>() else {
                return Ok(Parsed { consumed: at, needs: HEADER_LEN, ..Parsed::default() });
            };
            if header[..2] != [0x05, 0x64] {
                self.sides[dir.index()].lost = true;
                continue;
            }
            if header[2] < LENGTH_MIN {
                self.event(dir, "len_too_small");
                return Err(ParseError("len_too_small"));
            }
            if !crc::holds(header) {
                self.event(dir, "bad_link_crc");
                return Err(ParseError("bad_link_crc"));
            }
            let data = usize::from(header[2] - LENGTH_MIN);
            let end = HEADER_LEN + data + 2 * data.div_ceil(BLOCK);
            let Some(blocks) = rest.get(HEADER_LEN..end) else {
                return Ok(Parsed { consumed: at, needs: end, ..Parsed::default() });
            };
            self.frame(dir, *header, blocks);
            at += end;
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, _len: u64) -> Result<(), ParseError> {
        self.sides[dir.index()] = Side { message: None, lost: true };
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn memory(&self) -> usize {
        let begun = self.sides.iter().flat_map(|side| &side.message).map(|(bytes, _)| bytes.capacity());
        size_of::<Self>()
            + begun.sum::<usize>()
            + self.transactions.iter().map(MessageTx::memory).sum::<usize>()
    }
}

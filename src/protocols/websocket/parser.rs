//! Frames of both sides (RFC 6455 section 5), taken as they come and put together to messages.

use super::inflate::{Inflate, Stopped};
use super::keywords::WebSocketRecord;
use super::slots;
use crate::app::{Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::protocols::reader::Reader;
use crate::protocols::single::MessageTx;
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of a message that are kept unless the settings say otherwise, and the most that they may say.
pub(super) const PAYLOAD_MAX: usize = 64 << 10;
pub(super) const PAYLOAD_MOST: usize = 16 << 20;

/// Bytes that a message may inflate to.
pub(super) const INFLATED_MAX: usize = 4 << 20;

/// Bytes of a control frame that are kept; RFC 6455 section 5.5 allows 125.
const CONTROL_MAX: usize = 1 << 10;

/// Frames of a message that are told of.
const FRAMES_MAX: usize = 64;

const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const MASKED: u8 = 0x80;
const CONTROL: u8 = 8;

/// A message that is put together.
#[derive(Default)]
struct Message {
    payload: Vec<u8>,
    values: Values,
    record: Option<WebSocketRecord>,
    frames: usize,
    compressed: bool,
    events: Vec<&'static str>,
    /// It was told already; the rest is passed over.
    told: bool,
}

impl Message {
    fn event(&mut self, name: &'static str) {
        if !self.events.contains(&name) {
            self.events.push(name);
        }
    }

    fn memory(&self) -> usize {
        self.payload.capacity() + self.values.memory()
    }
}

/// A frame of which bytes are still to come.
#[derive(Clone, Copy)]
struct Frame {
    first: u8,
    left: u64,
    mask: Option<[u8; 4]>,
    /// Bytes of it that are taken.
    at: u64,
}

impl Frame {
    fn is_control(&self) -> bool {
        self.first & CONTROL != 0
    }
}

#[derive(Default)]
struct Side {
    frame: Option<Frame>,
    data: Message,
    control: Message,
    inflate: Inflate,
    /// Where frames begin is not known.
    lost: bool,
}

/// The parser of one flow.
pub(super) struct WebSocketParser {
    payload_max: usize,
    sides: [Side; 2],
    transactions: TxList<MessageTx<WebSocketRecord>>,
}

/// The header at the front and its length; `None` when it is not whole.
fn header(bytes: &[u8]) -> Option<(Frame, usize)> {
    let mut reader = Reader(bytes);
    let (first, second) = (reader.u8()?, reader.u8()?);
    let left = match second & !MASKED {
        126 => reader.u16()?.into(),
        127 => reader.u64()?,
        len => len.into(),
    };
    let mask = if second & MASKED != 0 { Some(reader.u32()?.to_be_bytes()) } else { None };
    Some((Frame { first, left, mask, at: 0 }, bytes.len() - reader.0.len()))
}

impl WebSocketParser {
    pub(super) fn new(payload_max: usize) -> Self {
        WebSocketParser { payload_max, sides: Default::default(), transactions: TxList::default() }
    }

    fn begin(&mut self, dir: Direction, frame: Frame) {
        let side = &mut self.sides[dir.index()];
        let opcode = frame.first & 0x0f;
        let message = if frame.is_control() { &mut side.control } else { &mut side.data };
        // one that begins before the other has ended takes its place, as receivers refuse both
        if opcode != 0 && message.frames > 0 && !frame.is_control() {
            message.event("malformed_frame");
        }
        if message.frames == 0 {
            message.compressed = frame.first & COMPRESSED != 0 && !frame.is_control();
        }
        message.frames += 1;
        if message.frames <= FRAMES_MAX && !message.told {
            message.values.push_number(slots::FLAGS, frame.first & 0xf0);
            message.values.push_number(slots::OPCODE, opcode);
            if let Some(mask) = frame.mask {
                message.values.push_number(slots::MASK, u32::from_be_bytes(mask));
            }
        }
        let mask = frame.mask.map(u32::from_be_bytes);
        let record = message.record.get_or_insert(WebSocketRecord { opcode, mask, fin: false });
        record.fin |= frame.first & FIN != 0;
        side.frame = Some(frame);
    }

    /// Bytes of the frame that is open.
    fn payload(&mut self, dir: Direction, bytes: &[u8]) {
        let payload_max = self.payload_max;
        let side = &mut self.sides[dir.index()];
        let Some(frame) = &mut side.frame else { return };
        let (message, max) = match frame.is_control() {
            true => (&mut side.control, CONTROL_MAX.min(payload_max)),
            false => (&mut side.data, payload_max),
        };
        let mask = frame.mask.unwrap_or_default();
        let start = frame.at as usize & 3;
        frame.at += bytes.len() as u64;
        frame.left = frame.left.saturating_sub(bytes.len() as u64);
        let unmasked = |bytes: &[u8]| -> Vec<u8> {
            bytes.iter().zip(mask.iter().cycle().skip(start)).map(|(byte, mask)| byte ^ mask).collect()
        };
        let before = message.payload.len();
        if message.compressed && side.inflate.works() {
            let stopped = side.inflate.add(&unmasked(bytes), &mut message.payload, max, INFLATED_MAX);
            message.note(stopped);
        } else if !message.told {
            let room = max.saturating_sub(before).min(bytes.len());
            message.payload.extend(unmasked(bytes.get(..room).unwrap_or_default()));
        }
        let cut = match message.compressed {
            true => message.payload.len() >= max,
            false => before + bytes.len() > max,
        };
        if cut && !message.told {
            message.event("skip_end_of_payload");
            let control = frame.is_control();
            self.tell(dir, control);
        }
    }

    /// What the frame that is open has is all there.
    fn end(&mut self, dir: Direction) {
        let payload_max = self.payload_max;
        let side = &mut self.sides[dir.index()];
        let Some(frame) = side.frame.take() else { return };
        if frame.first & FIN == 0 {
            return;
        }
        let control = frame.is_control();
        if !control && side.data.compressed && side.inflate.works() {
            let stopped = side.inflate.end(&mut side.data.payload, payload_max, INFLATED_MAX);
            side.data.note(stopped);
        }
        self.tell(dir, control);
        let side = &mut self.sides[dir.index()];
        *(if control { &mut side.control } else { &mut side.data }) = Message::default();
    }

    /// Makes a transaction of what is there, once.
    fn tell(&mut self, dir: Direction, control: bool) {
        let side = &mut self.sides[dir.index()];
        let message = if control { &mut side.control } else { &mut side.data };
        if std::mem::replace(&mut message.told, true) {
            message.payload = Vec::new();
            return;
        }
        let mut values = std::mem::take(&mut message.values);
        values.push(slots::PAYLOAD, &std::mem::take(&mut message.payload));
        let Some(record) = message.record else { return };
        let events = std::mem::take(&mut message.events);
        self.transactions.push_with(|id| MessageTx::new(id, dir, values, record, &events));
    }
}

impl Message {
    fn note(&mut self, stopped: Result<(), Stopped>) {
        match stopped {
            Ok(()) => {}
            Err(Stopped::Limit) => self.event("decompression_limit"),
            Err(Stopped::Broken) => self.event("decompression_failed"),
        }
    }
}

impl Parser for WebSocketParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let dir = input.dir;
        let mut at = 0;
        while let Some(rest) = input.bytes.get(at..) {
            let side = &self.sides[dir.index()];
            if side.lost {
                break;
            }
            match side.frame {
                None if rest.is_empty() => break,
                None => {
                    let Some((frame, len)) = header(rest) else {
                        if input.eof {
                            break;
                        }
                        return Ok(Parsed { consumed: at, needs: rest.len() + 1, ..Parsed::default() });
                    };
                    // section 5.2: the highest bit is 0
                    if frame.left > u64::MAX / 2 {
                        let record = WebSocketRecord { opcode: frame.first & 15, mask: None, fin: false };
                        self.transactions.push_with(|id| {
                            MessageTx::new(id, dir, Values::default(), record, &["malformed_frame"])
                        });
                        return Err(ParseError("malformed_frame"));
                    }
                    at += len;
                    self.begin(dir, frame);
                }
                Some(frame) => {
                    let len = usize::try_from(frame.left).unwrap_or(usize::MAX).min(rest.len());
                    self.payload(dir, rest.get(..len).unwrap_or_default());
                    at += len;
                    let done = self.sides[dir.index()].frame.is_some_and(|frame| frame.left == 0);
                    if done {
                        self.end(dir);
                    } else {
                        break;
                    }
                }
            }
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let side = &mut self.sides[dir.index()];
        let Some(frame) = side.frame.as_mut().filter(|frame| len < frame.left) else {
            side.lost = true;
            side.frame = None;
            (side.data, side.control) = Default::default();
            return Ok(());
        };
        frame.left -= len;
        frame.at += len;
        let control = frame.is_control();
        if !control && side.data.compressed {
            side.inflate.stop();
        }
        // what came before the hole is looked at by itself
        self.tell(dir, control);
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn memory(&self) -> usize {
        let sides = self.sides.iter();
        size_of::<Self>()
            + sides
                .map(|side| side.data.memory() + side.control.memory() + side.inflate.memory())
                .sum::<usize>()
            + self.transactions.iter().map(MessageTx::memory).sum::<usize>()
    }
}

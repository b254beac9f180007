//! Both streams of a connection, frame by frame.

use super::{method, slots};
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes kept of a method, and of a content.
const METHOD_MAX: usize = 16 << 10;
pub(super) const CONTENT_MAX: usize = 16 << 10;
/// Channels of a side with a content that is not whole.
const OPEN_MAX: usize = 32;
/// What a frame may have; brokers take 128 KiB unless told otherwise.
const FRAME_MAX: usize = 64 << 20;

const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
/// The last byte of every frame.
const END: u8 = 0xce;

/// Kinds of frames.
mod kind {
    pub(super) const METHOD: u8 = 1;
    pub(super) const HEADER: u8 = 2;
    pub(super) const BODY: u8 = 3;
    pub(super) const HEARTBEAT: u8 = 8;
}

/// A method whose content is still to come.
#[derive(Debug)]
struct Open {
    channel: u16,
    values: Values,
    /// Bytes that are still to come, once its header was seen.
    left: Option<u64>,
    content: Vec<u8>,
}

/// Both sides of a flow.
#[derive(Debug, Default)]
pub(super) struct Frames {
    open: [Vec<Open>; 2],
}

impl Frames {
    fn method(&mut self, dir: Direction, channel: u16, payload: &[u8], out: &mut Exchanges) {
        let mut values = Values::default();
        values.push_number(slots::CHANNEL, channel);
        let content = method::read(payload, &mut values);
        if content.is_none() {
            values.push(slots::METHOD, b"unknown");
        }
        self.close(dir, channel, out);
        let open = &mut self.open[dir.index()];
        if content == Some(true) && open.len() < OPEN_MAX {
            open.push(Open { channel, values, left: None, content: Vec::new() });
        } else {
            out.single(dir, values);
        }
    }

    /// What waits for its content on that channel has none any more.
    fn close(&mut self, dir: Direction, channel: u16, out: &mut Exchanges) {
        let open = &mut self.open[dir.index()];
        if let Some(at) = open.iter().position(|open| open.channel == channel) {
            let mut done = open.remove(at);
            if !done.content.is_empty() {
                done.values.push(slots::MESSAGE, &done.content);
            }
            out.single(dir, done.values);
        }
    }

    fn content(
        &mut self,
        dir: Direction,
        kind: u8,
        channel: u16,
        payload: &[u8],
        len: usize,
        out: &mut Exchanges,
    ) {
        let Some(open) = self.open[dir.index()].iter_mut().find(|open| open.channel == channel) else {
            return;
        };
        if kind == kind::HEADER {
            // class, weight, then how much content there is
            let size = Reader(payload.get(4..).unwrap_or_default()).u64();
            open.left = size;
            if let Some(size) = size {
                open.values.push_number(slots::SIZE, size);
            }
        } else {
            let room = CONTENT_MAX.saturating_sub(open.content.len());
            open.content.extend_from_slice(payload.get(..room).unwrap_or(payload));
            open.left = open.left.map(|left| left.saturating_sub(len as u64));
        }
        if open.left == Some(0) {
            self.close(dir, channel, out);
        }
    }
}

impl Dialect for Frames {
    const ALONE: bool = true;

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        if bytes.first() == Some(&b'A') {
            // a server that does not speak the version that is wished for answers with its own
            let Some(header) = bytes.get(..HEADER.len()) else { return Ok(Step::Needs(HEADER.len())) };
            return match header == HEADER {
                true => Ok(Step::Took(HEADER.len())),
                false => Err("unknown_version"),
            };
        }
        let mut front = Reader(bytes);
        let (Some(kind), Some(channel), Some(len)) = (front.u8(), front.u16(), front.u32()) else {
            return Ok(Step::Needs(7));
        };
        let len = len as usize;
        if len > FRAME_MAX || !matches!(kind, kind::METHOD..=kind::BODY | kind::HEARTBEAT) {
            return Err("malformed_frame");
        }
        let kept = len.min(if kind == kind::BODY { CONTENT_MAX } else { METHOD_MAX });
        let whole = kept == len;
        let taken = 7 + kept + usize::from(whole);
        let Some(rest) = bytes.get(7..taken) else { return Ok(Step::Needs(taken)) };
        let (payload, end) = rest.split_at(kept);
        if whole && end != [END] {
            return Err("malformed_frame");
        }
        match kind {
            kind::METHOD => self.method(dir, channel, payload, out),
            kind::HEARTBEAT => {}
            kind => self.content(dir, kind, channel, payload, len, out),
        }
        Ok(if whole { Step::Took(taken) } else { Step::Skip(taken, (len - kept) as u64 + 1) })
    }

    fn memory(&self) -> usize {
        let open = self.open.iter().flatten();
        open.map(|open| size_of::<Open>() + open.values.memory() + open.content.capacity()).sum()
    }
}

/// See [`crate::app::Protocol::probe`]: the client's header is enough, frames count on AMQP's port alone.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    if dir == Direction::ToServer {
        let len = bytes.len().min(HEADER.len());
        if bytes.get(..len) == HEADER.get(..len) {
            return if len == HEADER.len() { Probe::Yes } else { Probe::More };
        }
    }
    // connection.start, which no other server begins with
    let mut front = Reader(bytes);
    let (Some(kind), Some(channel), Some(_)) = (front.u8(), front.u16(), front.u32()) else {
        let begins = match dir {
            Direction::ToClient => matches!(bytes, [] | [1] | [1, 0] | [1, 0, 0, ..]),
            Direction::ToServer => usual && matches!(bytes, [] | [1..=3 | 8, ..]),
        };
        return if begins { Probe::More } else { Probe::No };
    };
    match (dir, front.u16(), front.u16()) {
        (Direction::ToClient, Some(10), Some(10)) if kind == 1 && channel == 0 => Probe::Yes,
        _ if !usual => match front.0.len() {
            0 if dir == Direction::ToClient && kind == 1 && channel == 0 && bytes.len() < 11 => Probe::More,
            _ => Probe::No,
        },
        (_, Some(class), _) if kind == 1 && matches!(class, 10..=90) => Probe::Yes,
        _ if matches!(kind, 2 | 3) || kind == 8 && channel == 0 => Probe::Yes,
        _ => Probe::No,
    }
}

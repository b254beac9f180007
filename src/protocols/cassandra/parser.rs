//! Both streams of a session: messages, in version 5 inside of segments.

use super::message::{self, COMPRESSED, HEADER, Header, opcode};
use super::slots;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes kept of a request, and of an answer.
pub(super) const REQUEST_MAX: usize = 64 << 10;
const RESPONSE_MAX: usize = 4096;

/// A segment's header with its checksum, and the checksum behind its payload.
const SEGMENT: usize = 6;
const TRAILER: usize = 4;

/// Both sides of a flow.
#[derive(Debug, Default)]
pub(super) struct Envelopes {
    /// By direction: messages are inside of segments.
    segments: [bool; 2],
    /// Version 5 was agreed on, segments begin behind the server's answer.
    modern: bool,
    /// The client asked for compression.
    packed: bool,
    /// By direction: the segment at the front goes on with the message of the one before; so many bytes.
    rest: [u64; 2],
}

impl Envelopes {
    /// A message, of whose body the beginning is there.
    fn message(&mut self, dir: Direction, header: &Header, body: &[u8], out: &mut Exchanges) {
        let packed = header.flags & COMPRESSED != 0;
        let body = if packed { &[] } else { body };
        // what stands before the body: the trace's id and warnings of an answer, what is the driver's own
        let key = u64::from(header.stream);
        if dir == Direction::ToServer {
            let mut values = Values::default();
            values.push_number(slots::VERSION, header.version);
            values.push_number(slots::OPCODE, header.opcode);
            let body = behind_payload(header, body);
            message::request(header, body, &mut values);
            if header.opcode == opcode::STARTUP {
                self.modern = header.version >= 5;
                self.packed = memchr::memmem::find(body, b"COMPRESSION").is_some();
            }
            out.open(key, values);
        } else {
            if header.opcode != opcode::EVENT {
                if let Some(exchange) = out.waiting(key) {
                    message::response(header, body, &mut exchange.values);
                }
                out.finish(key);
            }
            if self.modern && matches!(header.opcode, opcode::READY | opcode::AUTHENTICATE) {
                self.segments = [true; 2];
            }
        }
        if packed {
            out.event(dir, "compressed");
        }
    }

    fn plain(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let Some(header) = Header::read(bytes) else { return Ok(Step::Needs(HEADER)) };
        check(dir, &header)?;
        let kept = header.len.min(limit(dir));
        let taken = HEADER + kept;
        let Some(body) = bytes.get(HEADER..taken) else { return Ok(Step::Needs(taken)) };
        self.message(dir, &header, body, out);
        Ok(Step::Skip(taken, (header.len - kept) as u64))
    }

    /// A segment: one or several whole messages, or a part of one.
    fn segment(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let Some(&[a, b, c, ..]) = bytes.first_chunk::<SEGMENT>() else { return Ok(Step::Needs(SEGMENT)) };
        let bits = u32::from_le_bytes([a, b, c, 0]);
        let (len, whole) = ((bits & 0x1_ffff) as usize, bits >> 17 & 1 == 1);
        let Some(payload) = bytes.get(SEGMENT..SEGMENT + len) else { return Ok(Step::Needs(SEGMENT + len)) };
        let rest = &mut self.rest[dir.index()];
        if !whole && *rest > 0 {
            *rest = rest.saturating_sub(len as u64);
            return Ok(Step::Skip(SEGMENT + len, TRAILER as u64));
        }
        *rest = 0;
        let mut front = payload;
        while !front.is_empty() {
            let header = Header::read(front).ok_or_else(|| wrong(dir))?;
            check(dir, &header)?;
            let there = front.len().saturating_sub(HEADER);
            let body = front.get(HEADER..HEADER + header.len.min(limit(dir)).min(there)).unwrap_or_default();
            self.message(dir, &header, body, out);
            if header.len > there {
                self.rest[dir.index()] = (header.len - there) as u64;
            }
            front = front.get(HEADER + header.len.min(there)..).unwrap_or_default();
        }
        Ok(Step::Skip(SEGMENT + len, TRAILER as u64))
    }
}

fn limit(dir: Direction) -> usize {
    if dir == Direction::ToServer { REQUEST_MAX } else { RESPONSE_MAX }
}

fn wrong(dir: Direction) -> &'static str {
    if dir == Direction::ToServer { "malformed_request" } else { "malformed_response" }
}

fn check(dir: Direction, header: &Header) -> Result<(), &'static str> {
    if header.is_sound() && header.response == (dir == Direction::ToClient) {
        Ok(())
    } else {
        Err(wrong(dir))
    }
}

/// A request's body behind the driver's own payload, which a flag tells of.
fn behind_payload<'a>(header: &Header, body: &'a [u8]) -> &'a [u8] {
    if header.flags & 4 == 0 {
        return body;
    }
    let mut front = crate::protocols::reader::Reader(body);
    let skip = |front: &mut crate::protocols::reader::Reader<'a>| {
        for _ in 0..front.u16()? {
            let len = front.u16()?;
            front.take(len.into())?;
            let len = front.u32()? as i32;
            front.take(usize::try_from(len).unwrap_or(0))?;
        }
        Some(())
    };
    skip(&mut front).map_or(&[], |()| front.0)
}

impl Dialect for Envelopes {
    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        if !self.segments[dir.index()] {
            return self.plain(dir, bytes, out);
        }
        if self.packed {
            out.event(dir, "compressed");
            return Ok(Step::Opaque(bytes.len()));
        }
        self.segment(dir, bytes, out)
    }
}

/// See [`crate::app::Protocol::probe`]: on Cassandra's port; elsewhere by a client's first message, `OPTIONS` or `STARTUP`.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    let first = bytes.first().copied();
    let version = if dir == Direction::ToServer { 3..=5 } else { 0x83..=0x85 };
    if first.is_some_and(|first| !version.contains(&first)) {
        return Probe::No;
    }
    let Some(header) = Header::read(bytes) else {
        let flags = bytes.get(1).is_none_or(|flags| *flags < 0x20);
        return if flags && bytes.get(4).is_none_or(|code| *code <= 16) { Probe::More } else { Probe::No };
    };
    let sound = header.is_sound() && header.len < 16 << 20;
    let begins = match (header.opcode, dir) {
        (5, Direction::ToServer) => header.len == 0,
        (opcode::STARTUP, Direction::ToServer) => {
            let body = bytes.get(HEADER..).unwrap_or_default();
            match memchr::memmem::find(body, b"CQL_VERSION") {
                None if body.len() < header.len.min(512) => {
                    return if sound { Probe::More } else { Probe::No };
                }
                found => found.is_some(),
            }
        }
        _ => false,
    };
    if sound && (usual || begins) { Probe::Yes } else { Probe::No }
}

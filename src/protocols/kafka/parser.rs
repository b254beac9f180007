//! Both streams of a session: messages with their length in front.

use super::request::{self, Header};
use super::slots;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes kept of a request.
pub(super) const KEPT_MAX: usize = 64 << 10;
/// What a broker takes, unless told otherwise.
const MESSAGE_MAX: usize = 100 << 20;

/// Both sides of a flow.
#[derive(Debug, Default)]
pub(super) struct Requests {}

impl Dialect for Requests {
    const ALONE: bool = true;

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let Some(len) = Reader(bytes).u32() else { return Ok(Step::Needs(4)) };
        let len = len as usize;
        let wrong = if dir == Direction::ToServer { "malformed_request" } else { "malformed_response" };
        if !(4..=MESSAGE_MAX).contains(&len) {
            return Err(wrong);
        }
        let kept = len.min(if dir == Direction::ToServer { KEPT_MAX } else { 4 });
        let Some(message) = bytes.get(4..4 + kept) else { return Ok(Step::Needs(4 + kept)) };
        if dir == Direction::ToClient {
            let key = u64::from(Reader(message).u32().unwrap_or(0));
            if let Some(exchange) = out.waiting(key) {
                exchange.values.push_number(slots::ANSWER_SIZE, len as u64);
            }
            out.finish(key);
            return Ok(Step::Skip(8, len as u64 - 4));
        }
        let (header, front) = Header::read(message).ok_or(wrong)?;
        let mut values = Values::default();
        values.push_number(slots::API_KEY, header.key);
        values.push_number(slots::API_VERSION, header.version);
        if let Some(client) = header.client {
            values.push(slots::CLIENT_ID, client);
        }
        let whole = request::body(&header, front, &mut values).is_some();
        // a message that was cut off ends too soon
        let unreadable = !whole && kept == len;
        // whoever produces may want no answer
        if header.key == 0 && no_acknowledgement(&header, front) {
            out.unanswered(values);
        } else {
            out.open(header.correlation.into(), values);
        }
        if unreadable {
            out.event(dir, "topics_unreadable");
        }
        Ok(Step::Skip(4 + kept, (len - kept) as u64))
    }
}

/// Whether a produce request says that it wants none.
fn no_acknowledgement(header: &Header<'_>, front: Reader<'_>) -> bool {
    let mut front = front;
    if header.version >= 9 {
        front.varint();
        let len = front.varint().unwrap_or(0).saturating_sub(1);
        front.take(usize::try_from(len).unwrap_or(0));
    } else if header.version >= 3 {
        let len = front.u16().map_or(-1, |len| len as i16);
        front.take(usize::try_from(len).unwrap_or(0));
    }
    front.u16() == Some(0)
}

/// See [`crate::app::Protocol::probe`]: on Kafka's port; elsewhere by the first request of a client, which asks for versions.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    let Some(len) = Reader(bytes).u32() else {
        return if bytes.first().is_none_or(|first| *first == 0) { Probe::More } else { Probe::No };
    };
    let message = bytes.get(4..).unwrap_or_default();
    match dir {
        Direction::ToClient if usual && (4..16 << 20).contains(&len) => Probe::Yes,
        Direction::ToClient => Probe::No,
        Direction::ToServer => {
            if !(10..16 << 20).contains(&len) {
                return Probe::No;
            }
            let start = Reader(message.get(..4).unwrap_or(message));
            let (mut key, mut version) = (start, start);
            version.take(2);
            let versions =
                key.u16().is_none_or(|key| if usual { key <= request::KEY_MAX } else { key == 18 });
            if !versions
                || version.u16().is_some_and(|version| version > if usual { request::VERSION_MAX } else { 4 })
            {
                return Probe::No;
            }
            match Header::read(message) {
                Some((header, _)) if usual || header.client.is_some_and(|client| !client.is_empty()) => {
                    Probe::Yes
                }
                Some(_) => Probe::No,
                None if message.len() < (len as usize).min(1024) => Probe::More,
                None => Probe::No,
            }
        }
    }
}

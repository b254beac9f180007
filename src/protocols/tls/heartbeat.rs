//! Heartbeats (RFC 6520) and their abuse: payload lengths that lie, and answers larger than what was asked.

use crate::types::Direction;

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;

/// Type and payload length.
const HEADER_LEN: usize = 3;
/// Least padding.
const PADDING_MIN: usize = 16;

/// What is in flight.
#[derive(Default)]
pub(super) struct Heartbeats {
    /// Who asked, and how long the record was.
    asked: Option<(Direction, usize)>,
}

impl Heartbeats {
    /// Takes one heartbeat record; names what is wrong with it.
    pub(super) fn record(&mut self, dir: Direction, body: &[u8], encrypted: bool) -> Option<&'static str> {
        let response = self.asked.is_some_and(|(asked, _)| asked != dir);
        if encrypted {
            if response {
                let (_, len) = self.asked.take()?;
                return (body.len() > len).then_some("dataleak_heartbeat_mismatch");
            }
            self.asked = Some((dir, body.len()));
            return None;
        }
        let &[kind, high, low] = body.first_chunk::<HEADER_LEN>()?;
        let payload = usize::from(u16::from_be_bytes([high, low]));
        let in_flight = self.asked.is_some_and(|(asked, _)| asked == dir);
        if response {
            self.asked = None;
        }
        if kind != REQUEST && kind != RESPONSE {
            return Some("invalid_heartbeat_message");
        }
        if payload == 0 {
            return None;
        }
        if kind == REQUEST && HEADER_LEN + payload > body.len() {
            return Some("overflow_heartbeat_message");
        }
        if kind == REQUEST && HEADER_LEN + payload + PADDING_MIN > body.len() {
            return Some("invalid_heartbeat_message");
        }
        if kind == RESPONSE {
            return None;
        }
        self.asked = Some((dir, body.len()));
        // A second question before the answer to the first.
        in_flight.then_some("invalid_heartbeat_message")
    }
}

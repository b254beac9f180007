//! Whether a segment makes sense where a session stands: acknowledgement, window, timestamp, reset (RFC 9293 §3.10.7.4, RFC 7323).

use super::config::StreamConfig;
use super::events::StreamEvent;
use super::session::{Handled, Segment, Session, Side};
use super::state::State;
use crate::decode::Tcp;

/// Slack of windows where not all of a session was seen, bytes.
const WINDOW_SLACK: u32 = 65_535;
/// A timestamp may be older than the last one after so many seconds (RFC 7323 §5.5).
const STAMP_AGE_MAX: u64 = 24 * 86_400;

/// `a < b` among sequence numbers.
pub(super) const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// The later of two sequence numbers.
pub(super) const fn later(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

impl Session {
    /// Whether the acknowledgement number can be: not beyond what may have been sent.
    pub(super) fn ack_is_possible(&self, s: &Segment<'_>, handled: &mut Handled) -> bool {
        if !s.tcp.has(Tcp::ACK) {
            return true;
        }
        let other = &self.sides[s.dir.opposite().index()];
        let ack = s.tcp.ack();
        let possible = self.is_loose() || !before(other.next_win, ack) || !before(other.next_seq, ack);
        if !possible {
            handled.events.set(StreamEvent::PktInvalidAck);
        }
        possible
    }

    /// Whether the data lies within what the other end allowed.
    pub(super) fn in_window(&self, s: &Segment<'_>) -> bool {
        let side = &self.sides[s.dir.index()];
        let slack = if self.is_loose() { WINDOW_SLACK } else { 0 };
        let end = s.tcp.seq().wrapping_add(s.payload.len() as u32);
        !before(side.next_win.wrapping_add(slack), end)
    }

    /// Whether windows are not known well.
    pub(super) fn is_loose(&self) -> bool {
        self.midstream || self.oneside
    }

    /// Whether the timestamp option does not go back (PAWS). Takes it, when it does not.
    pub(super) fn stamp_is_current(&mut self, s: &Segment<'_>, handled: &mut Handled) -> bool {
        if !self.stamps || s.tcp.has(Tcp::RST) {
            return true;
        }
        let Some((stamp, _)) = s.tcp.options.timestamps else { return true };
        let side = &mut self.sides[s.dir.index()];
        if let Some((last, at)) = side.stamp
            && before(stamp, last)
            && s.timestamp.seconds_since(at) < STAMP_AGE_MAX
        {
            handled.events.set(StreamEvent::PktInvalidTimestamp);
            return false;
        }
        side.stamp = Some((stamp, s.timestamp));
        true
    }

    /// Whether a reset is to be believed (RFC 5961 §3).
    pub(super) fn reset_is_believed(&self, s: &Segment<'_>, _config: &StreamConfig, handled: &mut Handled) -> bool {
        let side = &self.sides[s.dir.index()];
        let seq = s.tcp.seq();
        let close = if self.state <= State::SynRecv {
            true
        } else {
            !before(seq, side.last_ack) && !before(side.next_win, seq) || seq == side.next_seq
        };
        if !close {
            handled.events.set(StreamEvent::RstInvalidAck);
        }
        close
    }
}

impl Side {
    /// The other end acknowledged up to `ack` and announced a window.
    pub(super) fn acknowledged(&mut self, ack: u32, window: u16) {
        self.last_ack = later(self.last_ack, ack);
        self.next_seq = later(self.next_seq, self.last_ack);
        self.announced(window);
    }

    /// The other end announced a window.
    pub(super) fn announced(&mut self, window: u16) {
        self.window = u32::from(window) << self.scale;
        self.next_win = later(self.next_win, self.last_ack.wrapping_add(self.window));
    }

    /// The sender used sequence numbers up to `end`.
    pub(super) fn sent(&mut self, end: u32) {
        self.next_seq = later(self.next_seq, end);
    }
}

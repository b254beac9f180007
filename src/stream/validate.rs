//! Whether a segment makes sense where a session stands: acknowledgement, window, timestamp, reset (RFC 9293 §3.10.7.4, RFC 7323).

use super::events::StreamEvent;
use super::overlap::OsPolicy;
use super::session::{Handled, Segment, Session, Side};
use super::state::State;
use crate::decode::Tcp;
use crate::types::Direction;

/// Slack of windows where not all of a session was seen, bytes.
const WINDOW_SLACK: u32 = 65_535;
/// The widest window that there is (RFC 7323 §2.3): as far ends may have come while their segments were not shown to us, bytes.
const WINDOW_MAX: u32 = 65_535 << 14;
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
        if self.state == State::Closed {
            return true;
        }
        let refuses = s.tcp.has(Tcp::RST) && s.dir == Direction::ToServer;
        if !s.tcp.has(Tcp::ACK) || self.state < State::SynRecv && !refuses {
            return true;
        }
        let other = &self.sides[s.dir.opposite().index()];
        let ack = s.tcp.ack();
        let stale = !s.payload.is_empty() && before(ack, other.last_ack.wrapping_sub(other.window));
        if self.is_loose() || !before(other.next_win, ack) && !stale {
            return true;
        }
        if let Some(probe) = other.probe
            && ack == probe
        {
            handled.events.set(StreamEvent::EstAckZwpData);
            return true;
        }
        if s.tcp.has(Tcp::RST) {
            handled.events.set(StreamEvent::RstInvalidAck);
        } else {
            handled.events.set(match self.state {
                State::SynSent => return true,
                State::SynRecv if self.four_way => StreamEvent::Whs4InvalidAck,
                State::SynRecv => return true,
                _ if s.tcp.has(Tcp::SYN) => return true,
                State::Established if s.tcp.has(Tcp::FIN) => StreamEvent::FinInvalidAck,
                State::Established | State::None => StreamEvent::EstInvalidAck,
                State::FinWait1 => StreamEvent::Fin1InvalidAck,
                State::FinWait2 => StreamEvent::Fin2InvalidAck,
                State::TimeWait => StreamEvent::TimewaitInvalidAck,
                State::LastAck => StreamEvent::LastackInvalidAck,
                State::CloseWait => StreamEvent::ClosewaitInvalidAck,
                State::Closing => StreamEvent::ClosingInvalidAck,
                State::Closed => return true,
            });
        }
        handled.events.set(StreamEvent::PktInvalidAck);
        false
    }

    /// Whether an answer to the SYN echoes the SYN's timestamp (RFC 7323 §3.2).
    pub(super) fn echo_is_right(&self, s: &Segment<'_>, handled: &mut Handled) -> bool {
        if self.state != State::SynSent || s.dir != Direction::ToClient {
            return true;
        }
        let [client, _] = &self.sides;
        match (client.stamp, s.tcp.options.timestamps) {
            (Some((sent, _)), Some((_, echo))) if echo == sent || echo == 0 => true,
            (_, None) => true,
            _ => {
                handled.events.set(StreamEvent::PktInvalidTimestamp);
                false
            }
        }
    }

    /// Whether a segment is a byte sent against a closed window: it comes again when there is room for it (RFC 9293 §3.8.6.1).
    pub(super) fn is_probe(&mut self, s: &Segment<'_>) -> bool {
        let side = &mut self.sides[s.dir.index()];
        let probe = self.state >= State::Established
            && s.payload.len() == 1
            && side.window == 0
            && s.tcp.flags() & (Tcp::SYN | Tcp::FIN | Tcp::RST) == 0
            && s.tcp.seq() == side.next_seq;
        if probe {
            side.probe = Some(s.tcp.seq().wrapping_add(1));
        }
        probe
    }

    /// Whether the segment only asks whether the other end is still there: the byte before the next, and nothing new.
    pub(super) fn is_keep_alive(&self, s: &Segment<'_>) -> bool {
        let side = &self.sides[s.dir.index()];
        let other = &self.sides[s.dir.opposite().index()];
        s.payload.len() <= 1
            && s.tcp.flags() & (Tcp::SYN | Tcp::FIN | Tcp::RST | Tcp::ACK) == Tcp::ACK
            && s.tcp.seq() == side.next_seq.wrapping_sub(1)
            && s.tcp.ack() == other.last_ack
    }

    /// Whether the segment brings only what was acknowledged before.
    pub(super) fn is_spurious(&self, s: &Segment<'_>) -> bool {
        let side = &self.sides[s.dir.index()];
        !s.payload.is_empty()
            && s.tcp.flags() & (Tcp::SYN | Tcp::RST) == 0
            && !before(side.last_ack, s.tcp.seq().wrapping_add(s.payload.len() as u32))
    }

    /// Whether the segment, spurious, lies before everything that is still of interest.
    pub(super) fn is_before_all(&self, s: &Segment<'_>) -> bool {
        let side = &self.sides[s.dir.index()];
        let end = s.tcp.seq().wrapping_add(s.payload.len() as u32);
        self.state == State::SynSent || side.signed_offset(end).is_some_and(|end| end <= side.released as i64)
    }

    /// Whether the data lies within what the other end allowed.
    pub(super) fn in_window(&self, s: &Segment<'_>) -> bool {
        let side = &self.sides[s.dir.index()];
        let slack = match self.is_loose() {
            _ if self.unseen => WINDOW_MAX,
            true => WINDOW_SLACK,
            false => 0,
        };
        let end = s.tcp.seq().wrapping_add(s.payload.len() as u32);
        !before(side.next_win.wrapping_add(slack), end)
    }

    /// Whether windows are not known well.
    pub(super) fn is_loose(&self) -> bool {
        self.midstream || self.oneside || self.unseen
    }

    /// Whether the timestamp option does not go back (PAWS). Takes it, when it does not and the segment is the next.
    pub(super) fn stamp_is_current(&mut self, s: &Segment<'_>, handled: &mut Handled) -> bool {
        if !self.stamps {
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
        // a segment that came early says nothing of what those before it may carry (RFC 7323 §4.3)
        let in_order = !before(side.last_ack, s.tcp.seq());
        if in_order && !s.tcp.has(Tcp::RST) {
            side.stamp = Some((stamp, s.timestamp));
        }
        true
    }

    /// Whether a reset is believed by the system that receives it (RFC 9293 §3.10.7.4, RFC 5961 §3).
    pub(super) fn reset_is_believed(&self, s: &Segment<'_>) -> bool {
        let side = &self.sides[s.dir.index()];
        let seq = s.tcp.seq();
        if self.is_loose() {
            return true;
        }
        if self.state == State::SynSent && s.dir == Direction::ToClient {
            // Refused: where the server stands is not known, only that it answers this SYN.
            return s.tcp.has(Tcp::ACK) && s.tcp.ack() == self.sides[0].next_seq;
        }
        if self.state == State::SynSent {
            return false;
        }
        match self.policies[s.dir.index()] {
            OsPolicy::Linux | OsPolicy::OldLinux | OsPolicy::Solaris | OsPolicy::OldSolaris => {
                !before(seq, side.last_ack) && !before(side.next_seq.wrapping_add(side.window), seq)
            }
            OsPolicy::Hpux11 => !before(seq, side.next_seq),
            _ => seq == side.next_seq,
        }
    }
}

impl Side {
    /// The other end announced a window.
    pub(super) fn announced(&mut self, window: u16) {
        self.window = u32::from(window) << self.scale;
        self.next_win = self.last_ack.wrapping_add(self.window);
    }

    /// The sender used sequence numbers up to `end`.
    pub(super) fn sent(&mut self, end: u32) {
        self.next_seq = later(self.next_seq, end);
    }
}

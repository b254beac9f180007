//! The states of a session and what moves it from one to the next (RFC 9293 §3.3.2, seen from between the two ends).

use Direction::{ToClient, ToServer};

use super::config::{Memory, StreamConfig};
use super::events::StreamEvent as Event;
use super::options::{is_signed, sacked};
use super::session::{Handled, Segment, Session, Side};
use super::validate::{before, later};
use crate::decode::Tcp;
use crate::types::Direction;

/// Where a session stands, by the names of the RFC, each as seen from the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No handshake was seen, and none is guessed.
    #[default]
    None,
    /// The client sent a SYN.
    SynSent,
    /// The server answered.
    SynRecv,
    /// Data may flow.
    Established,
    /// The server sent a FIN.
    FinWait1,
    /// The client acknowledged it.
    FinWait2,
    /// Both sent a FIN, and the server's came first.
    TimeWait,
    /// Both sent a FIN, and the client's came first.
    LastAck,
    /// The client sent a FIN.
    CloseWait,
    /// Both sent a FIN without having seen the other's.
    Closing,
    /// Over.
    Closed,
}

impl State {
    /// EVE's `tcp.state`.
    pub const fn name(self) -> &'static str {
        match self {
            State::None => "none",
            State::SynSent => "syn_sent",
            State::SynRecv => "syn_recv",
            State::Established => "established",
            State::FinWait1 => "fin_wait1",
            State::FinWait2 => "fin_wait2",
            State::TimeWait => "time_wait",
            State::LastAck => "last_ack",
            State::CloseWait => "close_wait",
            State::Closing => "closing",
            State::Closed => "closed",
        }
    }
}

impl Session {
    /// Moves the session by one segment.
    pub(super) fn step(
        &mut self,
        s: &Segment<'_>,
        config: &StreamConfig,
        memory: &mut Memory,
        handled: &mut Handled,
    ) {
        let flags = s.tcp.flags();
        if !s.tcp.has(Tcp::ACK) && s.tcp.ack() != 0 {
            handled.events.set(Event::PktBrokenAck);
        }
        let keep_alive = self.is_keep_alive(s);
        let spurious = self.state != State::None && !keep_alive && self.is_spurious(s);
        if spurious {
            handled.events.set(Event::PktSpuriousRetransmission);
        }
        if self.state == State::None {
            self.on_none(s, config, memory, handled);
        } else if flags & (Tcp::SYN | Tcp::ACK | Tcp::RST | Tcp::FIN) == Tcp::SYN
            && self.is_reusable(s.dir, s.tcp.seq())
        {
            handled.new_session = true;
            return;
        } else if flags & (Tcp::SYN | Tcp::FIN) == Tcp::SYN | Tcp::FIN {
            handled.events.set(Event::FinSyn);
            handled.valid = false;
        } else if self.is_probe(s) {
            self.store(s, s.tcp.seq(), config, memory, handled);
        } else if keep_alive || spurious && self.is_before_all(s) {
            // Nothing new, and nothing more to say about it.
        } else if !self.echo_is_right(s, handled) || !self.ack_is_possible(s, handled) {
            handled.valid = false;
        } else {
            handled.valid = match self.state {
                State::SynSent => self.on_syn_sent(s, config, memory, handled),
                State::SynRecv => self.on_syn_recv(s, config, memory, handled),
                _ => self.on_open(s, config, memory, handled),
            };
        }
        let dir = if handled.swap { s.dir.opposite() } else { s.dir };
        self.sides[dir.index()].flags |= flags;
        self.settle(dir.opposite(), handled);
        if s.tcp.has(Tcp::FIN) {
            self.settle(dir, handled);
        }
    }

    pub(super) fn is_reusable(&self, dir: Direction, seq: u32) -> bool {
        let again = dir == ToServer && seq == self.sides[0].isn;
        !again && matches!(self.state, State::CloseWait | State::LastAck | State::Closed)
    }

    /// A segment of an open session, or of one that is closing.
    pub(super) fn on_open(
        &mut self,
        s: &Segment<'_>,
        config: &StreamConfig,
        memory: &mut Memory,
        handled: &mut Handled,
    ) -> bool {
        let tcp = s.tcp;
        if self.state == State::Closed && !self.outlives_reset(s, handled) {
            return true;
        }
        if tcp.has(Tcp::RST) {
            return self.stamp_is_current(s, handled) && self.on_reset(s, handled);
        }
        if tcp.has(Tcp::SYN) {
            return self.on_syn_in_session(s, handled);
        }
        self.confirmed |= s.dir == ToClient && tcp.has(Tcp::ACK);
        if !self.stamp_is_current(s, handled) {
            return false;
        }
        let fin = tcp.has(Tcp::FIN);
        let end = tcp.seq().wrapping_add(s.payload.len() as u32);
        let (state, dir) = (self.state, s.dir);
        let side = &mut self.sides[dir.index()];
        let old = before(end, side.last_ack) && before(tcp.seq().wrapping_add(1), side.next_seq);
        if !fin && old && !self.midstream && !self.unseen {
            handled.events.set(match state {
                State::Established => Event::EstPktBeforeLastAck,
                State::CloseWait => Event::ClosewaitPktBeforeLastAck,
                _ => Event::PktRetransmission,
            });
            return false;
        }
        let side = &mut self.sides[dir.index()];
        if state == State::Established && fin && before(tcp.seq(), side.last_ack) {
            handled.events.set(Event::FinOutOfWindow);
            return false;
        }
        if state == State::CloseWait && fin && dir == ToClient && before(tcp.seq(), side.next_seq) {
            handled.events.set(Event::ClosewaitFinOutOfWindow);
            return false;
        }
        if !self.in_window(s) {
            if state == State::Established && !fin {
                self.sides[dir.index()].sent(end);
            }
            handled.events.set(match state {
                State::CloseWait if fin => Event::ClosewaitFinOutOfWindow,
                State::CloseWait => Event::ClosewaitAckOutOfWindow,
                State::FinWait1 if fin => Event::Fin1FinWrongSeq,
                State::FinWait1 => Event::Fin1AckWrongSeq,
                State::FinWait2 if fin => Event::Fin2FinWrongSeq,
                State::FinWait2 => Event::Fin2AckWrongSeq,
                State::LastAck => Event::LastackAckWrongSeq,
                State::Closing => Event::ClosingAckWrongSeq,
                State::TimeWait => Event::TimewaitAckWrongSeq,
                _ if fin => Event::FinOutOfWindow,
                _ => Event::EstPacketOutOfWindow,
            });
            return false;
        }
        self.take(s, config, memory, handled);
        true
    }

    /// Takes a segment that is good.
    pub(super) fn take(
        &mut self,
        s: &Segment<'_>,
        config: &StreamConfig,
        memory: &Memory,
        handled: &mut Handled,
    ) {
        let tcp = s.tcp;
        let fin = tcp.has(Tcp::FIN);
        let end = tcp.seq().wrapping_add(s.payload.len() as u32);
        let (state, dir) = (self.state, s.dir);
        let side = &mut self.sides[dir.index()];
        if fin {
            side.fin = side.fin.or(Some(end));
        }
        match (state, dir) {
            (State::Established, _) if !fin => side.sent(end),
            (State::Established, ToServer) if fin => side.next_seq = end,
            (State::Established, ToClient) if fin => side.next_seq = end.wrapping_add(1),
            (State::FinWait1, ToClient) => {}
            (State::FinWait1 | State::FinWait2 | State::CloseWait, _) if tcp.seq() == side.next_seq => {
                side.sent(end);
            }
            _ => {}
        }
        if self.midstream && side.window == 0 && side.next_win == side.last_ack {
            // The first we hear of this end: what it offers stands for what it is offered.
            side.announced(tcp.window());
        }
        let acks_fin = self.acks_fin(s);
        if tcp.has(Tcp::ACK) {
            let widens = !fin && matches!(state, State::Established | State::FinWait1 | State::FinWait2);
            self.acknowledge(s, widens, acks_fin);
        }
        self.store(s, tcp.seq(), config, memory, handled);
        self.advance(s, acks_fin);
    }

    /// Whether a segment acknowledges the FIN of the other end, and nothing beyond.
    fn acks_fin(&self, s: &Segment<'_>) -> bool {
        let other = &self.sides[s.dir.opposite().index()];
        s.tcp.has(Tcp::ACK) && other.fin.is_some_and(|fin| s.tcp.ack() == fin.wrapping_add(1))
    }

    /// Takes a segment's acknowledgement and window. `widens`: what the other end may send grows with it.
    pub(super) fn acknowledge(&mut self, s: &Segment<'_>, widens: bool, acks_fin: bool) {
        let settled = self.state == State::Established && !s.tcp.has(Tcp::FIN);
        let other = &mut self.sides[s.dir.opposite().index()];
        other.last_ack = later(other.last_ack, s.tcp.ack());
        if acks_fin || self.state != State::FinWait1 || s.dir == ToClient {
            other.window = u32::from(s.tcp.window()) << other.scale;
        }
        if widens {
            // What arrived behind a hole does not fill the window that is announced (RFC 2018).
            let ahead = if s.tcp.options.sack_blocks > 0 { sacked(s.tcp) } else { 0 };
            let edge = other.last_ack.wrapping_add(other.window).wrapping_add(ahead);
            other.next_win = later(other.next_win, edge);
        }
        if !settled {
            other.next_seq = later(other.next_seq, other.last_ack);
        }
    }

    /// FIN and its acknowledgement move the session on.
    fn advance(&mut self, s: &Segment<'_>, acks_fin: bool) {
        let fin = s.tcp.has(Tcp::FIN);
        self.state = match (self.state, s.dir) {
            (State::Established, ToServer) if fin => State::CloseWait,
            (State::Established, ToClient) if fin => State::FinWait1,
            (State::FinWait1, ToServer) if fin && s.tcp.has(Tcp::ACK) => State::TimeWait,
            (State::FinWait1, ToServer) if fin => State::Closing,
            (State::FinWait1, ToServer) if acks_fin => State::FinWait2,
            (State::FinWait2, ToServer) if fin => State::TimeWait,
            (State::CloseWait, ToClient) if fin => State::LastAck,
            (State::LastAck, ToServer) if acks_fin => State::Closed,
            (State::Closing, ToServer) if acks_fin => State::TimeWait,
            (State::TimeWait, _) if acks_fin && !fin => State::Closed,
            (state, _) => state,
        };
    }

    fn on_syn_in_session(&mut self, s: &Segment<'_>, handled: &mut Handled) -> bool {
        let tcp = s.tcp;
        if self.state != State::Established {
            handled.events.set(Event::ShutdownSynResend);
            return false;
        }
        let side = &self.sides[s.dir.index()];
        let other = &self.sides[s.dir.opposite().index()];
        let event = match (tcp.has(Tcp::ACK), s.dir) {
            (true, ToServer) => Event::EstSynackToserver,
            (true, ToClient) if tcp.ack() != other.last_ack => Event::EstSynackResendWithDifferentAck,
            (true, ToClient) if tcp.seq() != side.isn => Event::EstSynackResendWithDiffSeq,
            (true, ToClient) if self.confirmed => Event::EstSynackResend,
            (true, ToClient) => return true,
            (false, ToClient) => Event::EstSynToclient,
            (false, ToServer) if tcp.seq() != side.isn => Event::EstSynResendDiffSeq,
            (false, ToServer) => Event::EstSynResend,
        };
        handled.events.set(event);
        false
    }

    pub(super) fn on_reset(&mut self, s: &Segment<'_>, handled: &mut Handled) -> bool {
        if !self.reset_is_believed(s) {
            return false;
        }
        if !s.payload.is_empty() {
            handled.events.set(Event::RstWithData);
        }
        let side = &mut self.sides[s.dir.index()];
        side.reset = Some(self.state);
        side.reset_signed = is_signed(s.tcp);
        if s.tcp.has(Tcp::ACK) && self.state >= State::SynRecv {
            let other = &mut self.sides[s.dir.opposite().index()];
            other.last_ack = later(other.last_ack, s.tcp.ack());
        }
        self.state = State::Closed;
        true
    }

    /// Whether a session goes on after a reset that its receiver is likely to have ignored: the sender itself sends more.
    fn outlives_reset(&mut self, s: &Segment<'_>, handled: &mut Handled) -> bool {
        let side = &mut self.sides[s.dir.index()];
        let goes_on = side.reset_signed
            && !s.payload.is_empty()
            && !s.tcp.has(Tcp::RST)
            && s.tcp.seq() == side.next_seq;
        if let Some(state) = side.reset.filter(|_| goes_on) {
            side.reset = None;
            side.reset_signed = false;
            self.state = state;
            handled.events.set(Event::SuspectedRstInject);
        }
        goes_on
    }

    /// The sender's side and the other.
    pub(super) fn pair(&mut self, dir: Direction) -> [&mut Side; 2] {
        let [a, b] = &mut self.sides;
        if dir == ToServer { [a, b] } else { [b, a] }
    }
}

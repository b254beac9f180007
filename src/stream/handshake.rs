//! How a session begins: three-way and split handshakes, retransmissions and competitors, fast open, and sessions that are
//! picked up in their middle (RFC 9293 §3.5, RFC 7413).

use Direction::{ToClient, ToServer};

use super::config::{Memory, StreamConfig};
use super::events::StreamEvent as Event;
use super::options::offers_experimental_fast_open;
use super::segments::Segments;
use super::session::{Handled, Segment, Session, Side};
use super::state::State;
use super::validate::before;
use crate::decode::Tcp;
use crate::types::{Direction, Timestamp};
use crate::verdict::Reason;

/// One of several handshakes that compete: which of them counts is known when the client acknowledges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    seq: u32,
    window: u16,
    scale: Option<u8>,
    stamp: Option<(u32, Timestamp)>,
}

/// What becomes of a segment while a SYN has no answer.
pub(super) enum Opens {
    /// It moves the session, as any other.
    Step,
    /// It goes on, and the session stays where it is.
    Aside,
    /// It is dropped.
    Refused,
}

impl Session {
    /// Whether the session may be kept: its own memory is accounted here.
    fn account(&mut self, config: &StreamConfig, memory: &mut Memory, handled: &mut Handled) -> bool {
        let size = size_of::<Session>() as u64;
        if self.accounted {
            return true;
        }
        if config.memcap != 0 && memory.used + size > config.memcap {
            handled.exception = Some((config.memcap_policy, Reason::StreamMemcap));
            return false;
        }
        memory.used += size;
        self.accounted = true;
        true
    }

    /// What becomes of a segment while the SYN has no answer, when we hold the traffic.
    ///
    /// An end that still has an older connection of these ports acknowledges that one (RFC 5961 §4.2), the other end resets it with the
    /// number that it was told (RFC 9293 §3.5.1), and its next SYN is answered. Behind a connection that we dropped an attacker could do
    /// as if: nothing but these segments and those of a handshake goes on until the other end has agreed to a new connection, which it
    /// does only when it has no older one.
    pub(super) fn before_an_answer(&mut self, s: &Segment<'_>) -> Opens {
        let flags = s.tcp.flags() & (Tcp::SYN | Tcp::ACK | Tcp::RST | Tcp::FIN);
        let bare = s.payload.is_empty();
        let opened = self.state == State::SynSent;
        if opened && bare && s.dir == ToClient && flags == Tcp::ACK && s.tcp.ack() != self.sides[0].next_seq {
            self.challenged = Some(s.tcp.ack());
            return Opens::Aside;
        }
        if opened && bare && s.dir == ToServer && flags == Tcp::RST && self.challenged == Some(s.tcp.seq()) {
            return Opens::Aside;
        }
        let Some(old) = self.after_dropped else { return Opens::Step };
        let answers = s.dir == ToClient && (flags == Tcp::SYN | Tcp::ACK || flags & Tcp::RST != 0);
        match flags {
            Tcp::SYN if s.tcp.seq() != old && (!opened || s.dir == ToServer) => Opens::Step,
            _ if opened && answers => Opens::Step,
            _ => Opens::Refused,
        }
    }

    pub(super) fn on_none(
        &mut self,
        s: &Segment<'_>,
        config: &StreamConfig,
        memory: &mut Memory,
        handled: &mut Handled,
    ) {
        let tcp = s.tcp;
        if tcp.has(Tcp::RST) {
            handled.events.set(Event::RstButNoSession);
            handled.valid = false;
        } else if tcp.has(Tcp::FIN) {
            handled.events.set(if tcp.has(Tcp::SYN) { Event::FinSyn } else { Event::FinButNoSession });
            handled.exception = Some((config.midstream_policy, Reason::StreamMidstream));
            handled.valid = false;
        } else if tcp.has(Tcp::SYN | Tcp::ACK) {
            if self.may_pick_up(config, memory, handled) {
                self.pick_up_synack(s, handled);
            }
        } else if tcp.has(Tcp::SYN) {
            if self.account(config, memory, handled) {
                // Whoever sends a SYN is the client.
                let s = &if s.dir == ToClient {
                    self.swap();
                    handled.swap = true;
                    Segment { dir: ToServer, ..*s }
                } else {
                    *s
                };
                self.open(s, config, memory, handled);
            }
        } else if tcp.has(Tcp::ACK) && self.may_pick_up(config, memory, handled) {
            self.pick_up(s, config, memory, handled);
        }
    }

    fn may_pick_up(&mut self, config: &StreamConfig, memory: &mut Memory, handled: &mut Handled) -> bool {
        handled.exception = Some((config.midstream_policy, Reason::StreamMidstream));
        config.midstream && self.account(config, memory, handled)
    }

    /// The client's SYN.
    fn open(&mut self, s: &Segment<'_>, config: &StreamConfig, memory: &Memory, handled: &mut Handled) {
        let options = &s.tcp.options;
        let [client, server] = self.pair(s.dir);
        client.isn = s.tcp.seq();
        client.next_seq = s.tcp.seq().wrapping_add(1);
        client.begin(s.tcp.seq().wrapping_add(1));
        client.stamp = options.timestamps.map(|(stamp, _)| (stamp, s.timestamp));
        server.window = u32::from(s.tcp.window());
        server.scale = options.window_scale.unwrap_or(0).min(14);
        self.stamps = options.timestamps.is_some();
        self.state = State::SynSent;
        if !s.payload.is_empty() && (options.fast_open.is_some() || offers_experimental_fast_open(s.tcp)) {
            self.fast_open = true;
            let end = s.tcp.seq().wrapping_add(1).wrapping_add(s.payload.len() as u32);
            self.sides[s.dir.index()].sent(end);
            self.store(s, s.tcp.seq().wrapping_add(1), config, memory, handled);
        }
    }

    /// A session that we see from its SYN/ACK on: its sender is the server.
    fn pick_up_synack(&mut self, s: &Segment<'_>, handled: &mut Handled) {
        if s.dir == ToServer {
            self.swap();
            handled.swap = true;
        }
        self.midstream = true;
        handled.picked_up = true;
        let options = &s.tcp.options;
        let [server, client] = self.pair(ToClient);
        client.isn = s.tcp.ack().wrapping_sub(1);
        client.next_seq = s.tcp.ack();
        client.begin(s.tcp.ack());
        client.last_ack = s.tcp.ack();
        client.scale = options.window_scale.unwrap_or(0).min(14);
        client.announced(s.tcp.window());
        server.isn = s.tcp.seq();
        server.next_seq = s.tcp.seq().wrapping_add(1);
        server.begin(server.next_seq);
        server.last_ack = server.next_seq;
        server.scale = client.scale;
        server.stamp = options.timestamps.map(|(stamp, _)| (stamp, s.timestamp));
        self.stamps = options.timestamps.is_some();
        self.state = State::SynRecv;
    }

    /// A session that we see from some segment in its middle on.
    fn pick_up(&mut self, s: &Segment<'_>, config: &StreamConfig, memory: &Memory, handled: &mut Handled) {
        self.midstream = true;
        self.one_way = config.async_oneside.then_some(s.dir);
        handled.picked_up = true;
        let [sender, receiver] = self.pair(s.dir);
        // What an end shifts its windows by was said in the handshake: assume the most.
        sender.scale = 14;
        receiver.scale = 14;
        sender.isn = s.tcp.seq().wrapping_sub(1);
        sender.begin(s.tcp.seq());
        sender.last_ack = s.tcp.seq();
        sender.next_seq = s.tcp.seq().wrapping_add(s.payload.len() as u32);
        sender.announced(s.tcp.window());
        receiver.isn = s.tcp.ack().wrapping_sub(1);
        receiver.begin(s.tcp.ack());
        receiver.next_seq = s.tcp.ack();
        receiver.last_ack = s.tcp.ack();
        receiver.next_win = s.tcp.ack();
        sender.stamp = s.tcp.options.timestamps.map(|(stamp, _)| (stamp, s.timestamp));
        if let Some((_, echo)) = s.tcp.options.timestamps {
            receiver.stamp = Some((echo, s.timestamp));
            self.stamps = true;
        }
        self.state = State::Established;
        self.store(s, s.tcp.seq(), config, memory, handled);
    }

    pub(super) fn on_syn_sent(
        &mut self,
        s: &Segment<'_>,
        config: &StreamConfig,
        memory: &mut Memory,
        handled: &mut Handled,
    ) -> bool {
        let tcp = s.tcp;
        if tcp.has(Tcp::RST) {
            return self.on_reset(s, handled);
        }
        if tcp.has(Tcp::FIN) {
            return true;
        }
        if tcp.has(Tcp::SYN | Tcp::ACK) {
            return match s.dir {
                ToServer if self.four_way => self.on_four_way_synack(s, handled),
                ToServer => {
                    handled.events.set(Event::Whs3SynackInWrongDirection);
                    false
                }
                ToClient => self.on_synack(s, config, handled),
            };
        }
        if tcp.has(Tcp::SYN) {
            return match s.dir {
                ToServer => self.on_syn_again(s, config, handled),
                ToClient => {
                    self.on_syn_from_server(s);
                    true
                }
            };
        }
        if tcp.has(Tcp::ACK) {
            if config.async_oneside {
                if s.dir == ToClient || tcp.seq() != self.sides[0].next_seq {
                    handled.events.set(Event::Whs3AsyncWrongSeq);
                    return false;
                }
                self.oneside = true;
                self.state = State::Established;
                let server = &mut self.sides[1];
                server.isn = tcp.ack().wrapping_sub(1);
                server.next_seq = tcp.ack();
                server.last_ack = tcp.ack();
                server.begin(tcp.ack());
                server.next_win = server.last_ack;
                let client = &mut self.sides[0];
                client.last_ack = tcp.seq();
                client.announced(tcp.window());
                client.sent(tcp.seq().wrapping_add(s.payload.len() as u32));
                self.store(s, tcp.seq(), config, memory, handled);
            }
            return true;
        }
        true
    }

    fn on_synack(&mut self, s: &Segment<'_>, _config: &StreamConfig, handled: &mut Handled) -> bool {
        let tcp = s.tcp;
        if let Some(other) = self.opening_for(tcp.ack()) {
            // The server took another of the client's SYNs.
            let client = &mut self.sides[0];
            client.isn = other.seq;
            client.next_seq = other.seq.wrapping_add(1);
            client.begin(client.next_seq);
            client.segments = Segments::default();
        }
        let [server, client] = self.pair(ToClient);
        let first = client.isn.wrapping_add(1);
        let with_data = client.next_seq;
        if tcp.ack() != first && tcp.ack() != with_data {
            handled.events.set(Event::Whs3SynackWithWrongAck);
            return false;
        }
        server.isn = tcp.seq();
        server.next_seq = tcp.seq().wrapping_add(1);
        server.begin(server.next_seq);
        server.last_ack = server.next_seq;
        server.stamp = tcp.options.timestamps.map(|(stamp, _)| (stamp, s.timestamp));
        client.last_ack = tcp.ack();
        match tcp.options.window_scale {
            Some(scale) => client.scale = scale.min(14),
            None => client.scale = 0,
        }
        client.window = u32::from(tcp.window());
        client.next_win = client.last_ack.wrapping_add(client.window);
        server.next_win = server.last_ack.wrapping_add(server.window);
        let ignored = tcp.ack() == first && with_data != first;
        if ignored {
            client.next_seq = client.isn;
            client.segments = Segments::default();
        }
        self.openings.clear();
        self.four_way = false;
        self.stamps &= tcp.options.timestamps.is_some();
        if ignored {
            handled.events.set(Event::Whs3SynackTfoDataIgnored);
        }
        self.state = State::SynRecv;
        true
    }

    /// Another SYN of the client: the same again, or one that competes with it.
    fn on_syn_again(&mut self, s: &Segment<'_>, config: &StreamConfig, handled: &mut Handled) -> bool {
        if s.tcp.seq() != self.sides[0].isn && !self.note_opening(s, config) {
            handled.events.set(Event::Whs3SynFlood);
            return false;
        }
        let [client, server] = self.pair(ToServer);
        client.stamp = s.tcp.options.timestamps.map(|(stamp, _)| (stamp, s.timestamp));
        server.window = u32::from(s.tcp.window());
        server.scale = s.tcp.options.window_scale.unwrap_or(0).min(14);
        true
    }

    /// Remembers one more of several SYNs or SYN/ACKs; false when there are too many.
    fn note_opening(&mut self, s: &Segment<'_>, config: &StreamConfig) -> bool {
        let options = &s.tcp.options;
        let opening = Opening {
            seq: s.tcp.seq(),
            window: s.tcp.window(),
            scale: options.window_scale.map(|scale| scale.min(14)),
            stamp: options.timestamps.map(|(stamp, _)| (stamp, s.timestamp)),
        };
        if self.openings.iter().any(|known| known.seq == opening.seq) {
            return true;
        }
        let room = self.openings.len() < usize::from(config.max_synack_queued);
        if room {
            self.openings.push(opening);
        }
        room
    }

    /// The other of several SYNs or SYN/ACKs, the one that `ack` acknowledges.
    fn opening_for(&self, ack: u32) -> Option<Opening> {
        self.openings.iter().copied().find(|opening| opening.seq.wrapping_add(1) == ack)
    }

    /// The server answers with a SYN of its own: both open at once, or the handshake is split.
    fn on_syn_from_server(&mut self, s: &Segment<'_>) {
        self.four_way = true;
        let [server, client] = self.pair(ToClient);
        server.isn = s.tcp.seq();
        server.next_seq = s.tcp.seq().wrapping_add(1);
        server.begin(server.next_seq);
        let _ = client;
        server.window = u32::from(s.tcp.window());
    }

    /// The client answers the server's SYN.
    fn on_four_way_synack(&mut self, s: &Segment<'_>, handled: &mut Handled) -> bool {
        let [client, server] = self.pair(ToServer);
        if s.tcp.ack() != server.isn.wrapping_add(1) {
            handled.events.set(Event::Whs4SynackWithWrongAck);
            return false;
        }
        if s.tcp.seq() != client.isn {
            handled.events.set(Event::Whs4SynackWithWrongSyn);
            return false;
        }
        server.last_ack = s.tcp.ack();
        server.window = u32::from(s.tcp.window());
        client.last_ack = client.next_seq;
        client.next_win = client.last_ack.wrapping_add(client.window);
        server.next_win = server.last_ack.wrapping_add(server.window);
        self.state = State::SynRecv;
        true
    }

    pub(super) fn on_syn_recv(
        &mut self,
        s: &Segment<'_>,
        config: &StreamConfig,
        memory: &mut Memory,
        handled: &mut Handled,
    ) -> bool {
        let tcp = s.tcp;
        if tcp.has(Tcp::RST) {
            return self.on_reset(s, handled);
        }
        if tcp.has(Tcp::SYN | Tcp::ACK) {
            return self.on_synack_again(s, config, handled);
        }
        if tcp.has(Tcp::SYN) {
            if s.dir == ToClient {
                handled.events.set(Event::Whs3SynToclientOnSynRecv);
                return false;
            }
            if tcp.seq() != self.sides[0].isn {
                handled.events.set(Event::Whs3SynResendDiffSeqOnSynRecv);
                return false;
            }
            return true;
        }
        if tcp.has(Tcp::FIN) || tcp.has(Tcp::ACK) {
            return self.on_third(s, config, memory, handled);
        }
        true
    }

    /// The acknowledgement that completes the handshake, or what stands for it.
    fn on_third(
        &mut self,
        s: &Segment<'_>,
        config: &StreamConfig,
        memory: &mut Memory,
        handled: &mut Handled,
    ) -> bool {
        let tcp = s.tcp;
        if config.inline && s.dir == ToClient && !tcp.has(Tcp::FIN) && !self.four_way && !self.fast_open {
            // Nobody answers before the client has: data here is meant for us, not for the client.
            let fits = tcp.seq() == self.sides[1].next_seq && tcp.ack() == self.sides[0].next_seq;
            if s.payload.is_empty() || !fits {
                handled.events.set(Event::Whs3AckInWrongDir);
            } else {
                handled.events.set(Event::Whs3AckDataInject);
                handled.verdict = Some(Reason::StreamError);
            }
            return false;
        }
        if s.dir == ToServer
            && tcp.ack() != self.sides[1].next_seq
            && let Some(other) = self.opening_for(tcp.ack())
        {
            // The client took another of the server's SYN/ACKs.
            let [client, server] = self.pair(ToServer);
            server.isn = other.seq;
            server.next_seq = tcp.ack();
            server.last_ack = tcp.ack();
            server.begin(tcp.ack());
            server.stamp = other.stamp;
            client.scale = other.scale.unwrap_or(0);
            client.announced(other.window);
        }
        let four_way = self.four_way;
        let loose = self.is_loose();
        let [side, other] = self.pair(s.dir);
        let first = side.isn.wrapping_add(1);
        let within =
            |number: u32, side: &Side| !before(number, side.next_seq) && !before(side.next_win, number);
        let right_seq = tcp.seq() == side.next_seq || tcp.seq() == first;
        let right_ack = tcp.ack() == other.next_seq;
        let right_ack = right_ack || s.dir == ToClient && within(tcp.ack(), other);
        if !loose && !((right_seq || within(tcp.seq(), side)) && right_ack) {
            handled.events.set(match (four_way, right_seq, s.dir) {
                (true, false, _) => Event::Whs4WrongSeq,
                (true, true, _) => Event::Whs4InvalidAck,
                (false, true, ToServer) => Event::Whs3RightSeqWrongAckEvasion,
                (false, ..) => Event::Whs3WrongSeqWrongAck,
            });
            return false;
        }
        if !self.stamp_is_current(s, handled) {
            return false;
        }
        self.state = State::Established;
        let expected = if four_way { ToClient } else { ToServer };
        let [side, other] = self.pair(s.dir);
        if s.dir == expected {
            side.sent(if s.payload.is_empty() { tcp.seq() } else { first });
            other.window = u32::from(tcp.window()) << other.scale;
            other.next_win = other.last_ack.wrapping_add(other.window);
            self.take(s, config, memory, handled);
        } else {
            // The acknowledgement that should have come was lost.
            side.window = u32::from(tcp.window()) << side.scale;
            side.next_win = side.last_ack.wrapping_add(side.window);
            let window = other.window;
            self.take(s, config, memory, handled);
            let [_, other] = self.pair(s.dir);
            other.window = window;
            other.next_win = other.last_ack.wrapping_add(window);
        }
        true
    }

    fn on_synack_again(&mut self, s: &Segment<'_>, config: &StreamConfig, handled: &mut Handled) -> bool {
        if s.dir == ToServer {
            handled.events.set(Event::Whs3SynackToserverOnSynRecv);
            return false;
        }
        let [server, client] = self.pair(ToClient);
        if s.tcp.ack() != client.last_ack {
            handled.events.set(Event::Whs3SynackResendWithDifferentAck);
            return false;
        }
        if s.tcp.seq() != server.isn && !self.note_opening(s, config) {
            handled.events.set(Event::Whs3SynackFlood);
            return false;
        }
        true
    }
}

//! Flows: how a packet finds its own, how they begin and end.

use super::{EXPIRED_PER_PACKET, Findings, Lane, SYN};
use crate::app::Frames;
use crate::decode::{Net, Packet};
use crate::engine::flow_end::EndHeaders;
use crate::engine::records::icmp_of;
use crate::flow::table::Found;
use crate::flow::{AppLayer, Flow, FlowAction, FlowId, FlowKey, Inspected, Side, Vars};
use crate::stream::Session;
use crate::types::{Direction, Proto, Timestamp};

impl Lane {
    /// Ends flows whose time is over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        for _ in 0..EXPIRED_PER_PACKET {
            let Some(flow) = self.flows.take_expired(now) else { return };
            self.end_flow(flow, "timeout");
        }
    }

    /// The flow of a packet, taken out of the table, and the packet's direction in it.
    pub(super) fn flow_of(
        &mut self,
        packet: &Packet<'_>,
    ) -> Option<(crate::flow::table::FlowIndex, Box<Flow>, Direction)> {
        if let Some((key, sender)) = FlowKey::concerned(packet, self.config.flow.use_vlans) {
            let Found::Known(at) = self.flows.find(&key, packet.timestamp) else { return None };
            let flow = self.flows.borrow(at)?;
            let dir = flow.direction_of(sender).opposite();
            return Some((at, flow, dir));
        }
        let key = FlowKey::of(packet, self.config.flow.use_vlans)?;
        let at = match self.flows.find(&key, packet.timestamp) {
            Found::Known(at) => match self.new_session(at, packet) {
                None => at,
                Some(after_dropped) => {
                    if let Some(old) = self.flows.remove(at) {
                        self.end_flow(old, "tcp_reuse");
                    }
                    let at = self.begin_flow(key, packet)?;
                    let session = self.flows.flow(at).and_then(|flow| flow.session.as_mut());
                    if let (Some(session), Some(isn)) = (session, after_dropped) {
                        session.follows_dropped(isn);
                    }
                    at
                }
            },
            Found::TimedOut(at) => {
                if let Some(old) = self.flows.remove(at) {
                    self.end_flow(old, "timeout");
                }
                self.begin_flow(key, packet)?
            }
            Found::New => self.begin_flow(key, packet)?,
        };
        let flow = self.flows.borrow(at)?;
        let dir = direction(&flow, packet);
        Some((at, flow, dir))
    }

    /// A SYN on a session that is over, or that is dropped, begins another flow on the same ports; of a dropped one the first number
    /// comes along.
    fn new_session(&mut self, at: crate::flow::table::FlowIndex, packet: &Packet<'_>) -> Option<Option<u32>> {
        let tcp = packet.tcp().filter(|tcp| tcp.flags() & SYN != 0)?;
        let flow = self.flows.flow(at)?;
        let dir = direction(flow, packet);
        let session = flow.session.as_ref()?;
        if self.config.inline && matches!(flow.action, FlowAction::Drop(_) | FlowAction::Reject(..)) {
            return session.reopens(tcp, dir).map(Some);
        }
        session.is_reuse(tcp, dir).then_some(None)
    }

    fn begin_flow(&mut self, key: FlowKey, packet: &Packet<'_>) -> Option<crate::flow::table::FlowIndex> {
        let (mut client, mut server) = packet.ends()?;
        if let Some((kind, _)) = icmp_of(packet) {
            (client.port, server.port) = (0, 0);
            let _ = kind;
        }
        let proto = packet.proto()?;
        if self.flows.is_full() {
            self.counters.flow_memcap += 1;
            let ends = 1 + usize::from(self.flows.is_over_full());
            for _ in 0..ends {
                let Some(old) = self.flows.take_oldest() else { break };
                self.counters.flows_evicted += 1;
                self.end_flow(old, "forced");
            }
        }
        self.counters.flows += 1;
        self.counters.flows_by_transport[crate::detect::ruleset::transport_of(Some(proto))] += 1;
        let session = packet.tcp().map(|_| {
            self.counters.sessions += 1;
            Box::new(Session::new(&self.config.stream, server.ip, client.ip))
        });
        let flow = Box::new(Flow {
            id: flow_id(&key, packet.timestamp, packet.number),
            parent: None,
            key,
            client,
            server,
            proto,
            vlans: packet.vlans,
            first: packet.timestamp,
            last: packet.timestamp,
            first_number: packet.number,
            sides: [Side::default(); 2],
            session,
            app: match (&self.detector.rules().wanted_frames, self.recorder.config.frames) {
                (wanted, true) => AppLayer::watching(Frames::recording(wanted.clone().unwrap_or_default())),
                (Some(wanted), false) => AppLayer::watching(Frames::watching(wanted.clone())),
                (None, false) => AppLayer::default(),
            },
            vars: Vars::default(),
            inspected: Inspected::default(),
            action: FlowAction::None,
            bypassed: false,
            no_payload: false,
            alerted: false,
            drop_recorded: [false; 2],
            exceptions: Vec::new(),
            tagged: None,
            macs: self.recorder.config.ethernet.then(Default::default),
            tcp_flags: [0; 2],
            icmp: [None; 2],
        });
        self.flows.insert(flow).ok()
    }

    /// Gives back what of the streams was parsed and inspected.
    pub(super) fn release(&mut self, flow: &mut Box<Flow>) {
        if flow.action != FlowAction::None || flow.bypassed {
            flow.app.frames_mut().stop();
        }
        self.counters.frames_missed += flow.app.frames_mut().missed();
        Direction::BOTH.into_iter().for_each(|dir| flow.app.frames_mut().retire(dir));
        let Some(session) = &mut flow.session else { return };
        let overlap = self.detector.rules().stream_overlap as u64;
        for dir in Direction::BOTH {
            let side = dir.index();
            let overlap =
                if self.config.detect.inline { overlap.max(self.config.detect.chunk[side]) } else { overlap };
            let frames = flow.app.frames().open(dir).iter().map(|frame| frame.inspected).min();
            let inspected = flow.inspected.stream[side].min(frames.unwrap_or(u64::MAX));
            let mut upto = inspected.saturating_sub(overlap);
            if flow.action != FlowAction::None || flow.bypassed {
                upto = u64::MAX;
            }
            if flow.app.wants(dir) {
                upto = upto.min(flow.app.position(dir));
            }
            if upto > session.released_to(dir) {
                session.release(dir, upto.min(session.known_to(dir)), &mut self.memory);
            }
        }
    }

    /// A flow is over: what is left of it is inspected and recorded.
    pub(super) fn end_flow(&mut self, mut flow: Box<Flow>, reason: &'static str) {
        let silent = flow.action != FlowAction::None || flow.bypassed;
        if let Some(session) = &mut flow.session {
            session.finish();
        }
        if !silent && flow.session.is_some() {
            let mut findings = Findings::default();
            let now = flow.last;
            for dir in Direction::BOTH {
                // one side after the other: rules on the client's side do not see what only the server's end tells
                self.feed(&mut flow, dir, (dir, true), now, &mut findings);
                let headers = EndHeaders::new(&flow, dir);
                let packet = headers.packet(&flow);
                findings.in_stream = true;
                self.detect(&packet, Some(&mut flow), dir, &findings, true);
                findings.layer_events.clear();
                findings.recognised = false;
            }
        }
        let headers = EndHeaders::new(&flow, Direction::ToServer);
        let packet = headers.packet(&flow);
        self.frames(&packet, &mut flow);
        // what was cut off by a drop is no transaction
        let dropped = matches!(flow.action, FlowAction::Drop(_) | FlowAction::Reject(..));
        if !(dropped && self.config.inline) {
            self.transactions(&packet, &mut flow, None);
        }
        let app = flow.app.protocol().map(|id| self.protocols.name(id));
        *self.counters.ended.entry((app, flow.proto)).or_default() += 1;
        if self.recorder.config.netflow {
            for dir in Direction::BOTH.into_iter().filter(|dir| flow.sides[dir.index()].packets > 0) {
                let line = self.recorder.netflow(&flow, dir, &self.protocols);
                self.batch.push(self.number, line, None);
            }
        }
        if self.recorder.config.flow {
            let line = self.recorder.flow(&flow, reason, &self.protocols);
            self.batch.push_end(self.number, line, flow.id.0);
        }
        if let Some(session) = &mut flow.session {
            session.close(&mut self.memory);
        }
    }
}

/// The packet's direction in its flow.
fn direction(flow: &Flow, packet: &Packet<'_>) -> Direction {
    let Some((mut source, destination)) = packet.ends() else { return Direction::ToServer };
    if let Some((kind, _)) = icmp_of(packet) {
        // ICMP has no ports; an answer to oneself is told by its type
        source.port = 0;
        if source.ip == destination.ip {
            return if matches!(kind, 0 | 129) { Direction::ToClient } else { Direction::ToServer };
        }
    }
    flow.direction_of(source)
}

/// Counts a packet for its side.
pub(super) fn count(flow: &mut Flow, packet: &Packet<'_>, dir: Direction) -> Direction {
    flow.last = flow.last.max(packet.timestamp);
    let side = &mut flow.sides[dir.index()];
    side.packets += 1;
    side.bytes += packet.bytes.len() as u64;
    side.spoke |= packet.proto() == Some(flow.proto);
    let ttl = match &packet.net {
        Net::V4(header) => Some(header.ttl()),
        Net::V6(header) => Some(header.hop_limit()),
        Net::Arp(_) | Net::None => None,
    };
    if let Some(ttl) = ttl {
        side.ttl = Some(side.ttl.map_or((ttl, ttl), |(low, high)| (low.min(ttl), high.max(ttl))));
    }
    if let (Some(macs), Some([destination, source])) = (&mut flow.macs, packet.ethernet) {
        macs.add(dir, source);
        macs.add(dir.opposite(), destination);
    }
    if let Some(tcp) = packet.tcp() {
        flow.tcp_flags[dir.index()] |= tcp.flags();
    }
    if matches!(flow.proto, Proto::ICMP | Proto::ICMPV6) && flow.icmp[dir.index()].is_none() {
        flow.icmp[dir.index()] = icmp_of(packet);
    }
    dir
}

/// The same for any number of workers and any run: made of the key and the first packet. Fits into a JSON number (53 bits).
fn flow_id(key: &FlowKey, first: Timestamp, number: u64) -> FlowId {
    use std::hash::{Hash, Hasher};
    // the hash tells flows apart in a log; nothing is looked up by it, so it needs no secret
    let mut hasher = std::hash::DefaultHasher::new();
    key.hash(&mut hasher);
    first.hash(&mut hasher);
    number.hash(&mut hasher);
    FlowId((hasher.finish() >> 11).max(1))
}

//! What a packet adds to its stream, and what the application protocol makes of it.

use super::{FIN, Findings, Lane, RST, SYN};
use crate::app::DONE;
use crate::decode::{Packet, Transport};
use crate::engine::flow_end::EndHeaders;
use crate::engine::records::exception_verdict;
use crate::flow::{Flow, FlowAction};
use crate::stream::Segment;
use crate::types::{Direction, Proto, Timestamp};
use crate::verdict::{ExceptionPolicy, Reason, Verdict};

impl Lane {
    /// Puts a segment into its stream and feeds the application with what became readable. Returns the packet's direction,
    /// which the stream may have found to be the other one.
    pub(super) fn stream(
        &mut self,
        packet: &Packet<'_>,
        flow: &mut Box<Flow>,
        mut dir: Direction,
        findings: &mut Findings,
    ) -> Direction {
        let (Transport::Tcp(tcp), Some(mut session)) = (&packet.transport, flow.session.take()) else {
            return dir;
        };
        let segment = Segment { tcp, payload: packet.payload, dir, timestamp: packet.timestamp };
        let established = session.is_established();
        let handled = session.segment(&segment, &self.config.stream, &mut self.memory);
        findings.opening =
            !established && (handled.picked_up || packet.payload.is_empty() && !session.midstream());
        findings.stream_events = handled.events;
        findings.in_stream = handled.in_stream;
        if !handled.valid {
            self.counters.stream_invalid += 1;
        }
        if handled.picked_up {
            self.counters.midstream += 1;
        }
        if handled.swap {
            flow.swap();
            dir = dir.opposite();
        }
        if let Some((policy, reason)) = handled.exception {
            self.exception(flow, policy, reason, findings);
        }
        if let Some((at, payload)) = handled.rewritten {
            // it is looked at again, as what the receiver gets
            let inspected = &mut flow.inspected.stream[dir.index()];
            *inspected = at.max(session.released_to(dir)).min(*inspected);
            findings.rewritten = Some(payload);
        }
        if let Some(reason) = handled.verdict {
            findings.verdict = findings.verdict.stricter(Verdict::Drop(reason));
        }
        flow.session = Some(session);
        if !flow.app.is_opaque() {
            // what this packet acknowledges came before it: the other direction first. Its own bytes are readable with it only
            // inline; the end of a side is told at once
            let own =
                self.config.stream.inline || tcp.flags() & (FIN | RST) != 0 || !packet.payload.is_empty();
            let early = tcp.flags() & SYN != 0 && !self.config.stream.inline;
            for side in [dir.opposite(), dir] {
                if !early && (own || side != dir) {
                    let acknowledged = side != dir && tcp.flags() & RST == 0;
                    dir = self.feed(flow, side, (dir, acknowledged), packet.timestamp, findings);
                }
            }
        }
        self.counters.stream_memory_max =
            self.counters.stream_memory_max.max(self.memory.used + self.memory.reassembly_used);
        dir
    }

    /// Feeds one direction of the stream to the application; `acknowledged` as for [`AppLayer::stream`].
    pub(super) fn feed(
        &mut self,
        flow: &mut Box<Flow>,
        side: Direction,
        (mut dir, acknowledged): (Direction, bool),
        now: Timestamp,
        findings: &mut Findings,
    ) -> Direction {
        let Some(mut session) = flow.session.take() else { return dir };
        let ports = (flow.client.port, flow.server.port);
        let mut side = side;
        let announced = session.known_to(side) > 0 && self.announced(flow, now);
        let mut done = flow.app.stream(&self.protocols, &session, side, ports, now, acknowledged);
        if done.reversed {
            if session.midstream() {
                session.swap();
                flow.swap();
                flow.app.swap();
                dir = dir.opposite();
                side = side.opposite();
            }
            let again = flow.app.stream(&self.protocols, &session, side, ports, now, acknowledged);
            done.moved |= again.moved;
            done.error = done.error.or(again.error);
            done.opaque |= again.opaque;
            done.flush |= again.flush;
            done.bypass |= again.bypass;
        }
        done.recognised |= announced;
        if done.recognised
            && let Some(id) = flow.app.protocol()
        {
            if let Some(depth) = self.protocols.stream_depth(id) {
                session.set_depth(depth);
            } else if self.config.depth_for_unknown {
                session.set_depth(0);
            }
            // the other side may have been waiting for the answer
            let other = flow.app.stream(&self.protocols, &session, side.opposite(), ports, now, false);
            if other.moved {
                self.moved(flow, side.opposite());
            }
            done.changed |= other.changed;
            if done.deferred {
                let again = flow.app.stream(&self.protocols, &session, side, ports, now, acknowledged);
                done.moved |= again.moved;
                done.changed |= again.changed;
                done.error = other.error.or(again.error);
                done.opaque |= again.opaque;
            }
            flow.inspected.flush[side.opposite().index()] |= other.flush;
        }
        flow.session = Some(session);
        self.advanced(flow, side, done, findings);
        if done.changed {
            self.work_off(flow);
        }
        dir
    }

    /// Whether another flow has announced this one: then what it speaks is known.
    fn announced(&mut self, flow: &mut Flow, now: Timestamp) -> bool {
        if self.expectations.is_empty() || flow.app.protocol().is_some() || flow.app.original().is_some() {
            return false;
        }
        let Some(announced) = self.expectations.take(flow, now) else { return false };
        let ports = (flow.client.port, flow.server.port);
        flow.parent = Some(announced.parent);
        flow.app.expect(&self.protocols, announced.protocol, &*announced.context, ports, flow.proto);
        true
    }

    /// Waits for what the flow has announced.
    pub(super) fn expect(&mut self, flow: &mut Flow, now: Timestamp) {
        for expected in flow.app.take_expected() {
            if let Some(protocol) = self.protocols.named(expected.protocol) {
                self.counters.expected += 1;
                self.expectations.add(flow, expected, protocol, now);
            }
        }
        self.counters.expected_dropped = self.expectations.dropped;
    }

    /// Another protocol follows: rules see what its transactions have become, and they are recorded, as none of it will be there
    /// when the other protocol's are.
    fn work_off(&mut self, flow: &mut Box<Flow>) {
        let findings = Findings { in_stream: true, ..Findings::default() };
        for dir in Direction::BOTH {
            if flow.action != FlowAction::None || flow.no_payload {
                break;
            }
            let headers = EndHeaders::new(flow, dir);
            let packet = headers.packet(flow);
            self.detect(&packet, Some(flow), dir, &findings, true);
        }
        let headers = EndHeaders::new(flow, Direction::ToServer);
        let packet = headers.packet(flow);
        self.transactions(&packet, flow, None);
        flow.inspected.forget_all();
    }

    /// Takes note of what the application layer did.
    fn advanced(
        &mut self,
        flow: &mut Box<Flow>,
        side: Direction,
        done: crate::flow::app_layer::Advance,
        findings: &mut Findings,
    ) {
        if done.moved {
            self.moved(flow, side);
            self.expect(flow, flow.last);
        }
        flow.inspected.flush[side.index()] |= done.flush;
        if done.recognised {
            findings.recognised = true;
            let name = flow.app.protocol().map_or("failed", |id| self.protocols.name(id));
            *self.counters.protocols.entry(name).or_default() += 1;
        }
        if done.error.is_some() {
            findings.parser_error = true;
            let name = flow.app.protocol().map_or("unknown", |id| self.protocols.name(id));
            *self.counters.parser_errors.entry(name).or_default() += 1;
            // what is let through is let through, well-formed or not
            if flow.action != FlowAction::Pass {
                let policy = self.config.app_error_policy;
                self.exception(flow, policy, Reason::ApplayerError, findings);
            }
        }
        // this packet is still looked at
        flow.bypassed |= done.bypass && self.config.stream.bypass;
        if flow.app.has_events() {
            findings.layer_events.extend(flow.app.take_events().into_iter().map(|(_, event)| event));
        }
    }

    /// Transactions of that side may have moved: they are inspected with the next packet of that side, and when one is
    /// whole the raw stream behind it too.
    pub(super) fn moved(&mut self, flow: &mut Box<Flow>, side: Direction) {
        flow.inspected.moved[side.index()] = true;
        flow.inspected.unrecorded = true;
        let Some(transactions) = flow.app.transactions() else { return };
        for nth in 0..transactions.count() {
            let Some(tx) = transactions.at(nth) else { continue };
            // events are seen by rules on either side, and what one side says may be a step of the other
            let other = side.opposite();
            let stepped =
                tx.concerns(other) && tx.progress(other) > flow.inspected.tx(tx.id())[other.index()].progress;
            flow.inspected.moved[other.index()] |= stepped || !tx.events().is_empty() || tx.is_shared();
            if tx.progress(side) == DONE && tx.concerns(side) && tx.ends_stream_chunk(side) {
                let inspected = &mut flow.inspected.tx(tx.id())[side.index()];
                if !inspected.done {
                    flow.inspected.flush[side.index()] = true;
                }
            }
        }
    }

    /// Feeds a datagram to the application.
    pub(super) fn datagram(
        &mut self,
        packet: &Packet<'_>,
        flow: &mut Box<Flow>,
        mut dir: Direction,
        findings: &mut Findings,
    ) -> Direction {
        if packet.proto() != Some(Proto::UDP) {
            return dir;
        }
        let ports = (flow.client.port, flow.server.port);
        let announced = !packet.payload.is_empty() && self.announced(flow, packet.timestamp);
        let mut done =
            flow.app.datagram(&self.protocols, Proto::UDP, dir, ports, packet.payload, packet.timestamp);
        done.recognised |= announced;
        if done.reversed {
            flow.swap();
            dir = dir.opposite();
        }
        self.advanced(flow, dir, done, findings);
        dir
    }

    fn exception(
        &mut self,
        flow: &mut Box<Flow>,
        policy: ExceptionPolicy,
        reason: Reason,
        findings: &mut Findings,
    ) {
        let (verdict, action, skip) = exception_verdict(policy, reason, self.config.inline);
        findings.verdict = findings.verdict.stricter(verdict);
        findings.skip |= skip || verdict.drops() || policy == ExceptionPolicy::PassPacket;
        if action != FlowAction::None {
            flow.action = action;
        }
        if policy == ExceptionPolicy::Bypass {
            flow.bypassed = true;
        }
        if !flow.exceptions.iter().any(|(known, _)| *known == reason) {
            flow.exceptions.push((reason, policy));
        }
    }
}

/// The bytes of a TCP packet with another payload of the same length and the checksum for it, and where the payload begins.
pub(super) fn rewritten(packet: &Packet<'_>, payload: &[u8]) -> Option<(Vec<u8>, usize)> {
    // both are of one piece of memory, unless the packet was put together
    let at = (packet.payload.as_ptr() as usize).checked_sub(packet.bytes.as_ptr() as usize)?;
    let mut bytes = packet.bytes.to_vec();
    let place = bytes.get_mut(at..at.checked_add(payload.len())?)?;
    if payload.len() != packet.payload.len() || *place != *packet.payload {
        return None;
    }
    place.copy_from_slice(payload);
    let header = packet.tcp()?.header().len();
    let field = at.checked_sub(header)?.checked_add(16)?;
    let sum = |bytes: &[u8]| -> u64 {
        let word = |pair: &[u8]| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low));
        bytes.chunks(2).map(word).sum()
    };
    // RFC 1624: the complement of the sum without the old payload and with the new one
    let known = bytes.get(field..field + 2).map(|known| u64::from(known[0]) << 8 | u64::from(known[1]))?;
    let mut new = (!known & 0xffff) + (0xffff - sum(packet.payload) % 0xffff) + sum(payload) % 0xffff;
    while new > 0xffff {
        new = (new & 0xffff) + (new >> 16);
    }
    bytes.get_mut(field..field + 2)?.copy_from_slice(&(!(new as u16)).to_be_bytes());
    Some((bytes, at))
}

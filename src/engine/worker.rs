//! The way of a packet through all stages, for the flows of one worker.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::collector::{AlertFacts, Batch};
use super::counters::Counters;
use super::flow_end::EndHeaders;
use super::records::{self, AlertEvent, Recorder, exception_verdict, icmp_of, transcript};
use super::renewal::Renewal;
use super::settings::{EngineConfig, Limits};
use crate::app::{DONE, File, FileState, Frames, Transaction};
use crate::capture::{Frame, Interfaces, LinkType, Reply};
use crate::decode::{DecodeEvent, Decoder, Net, Origin, Packet, Transport, change};
use crate::detect::evaluate::replacements;
use crate::detect::host::{Candidate, Hosts, Judgement};
use crate::detect::{Class, Detector, Inspection, Match, RuleSet};
use crate::flow::inspected::{MarkedFiles, StoreMark};
use crate::flow::table::Found;
use crate::flow::{
    AppLayer, Expectations, Flow, FlowAction, FlowId, FlowKey, FlowState, FlowTable, Inspected, Protocols,
    Side, Tagged, Vars,
};
use crate::output::eve::{Anomaly, FileNote, VerdictAction};
use crate::rules::Action;
use crate::stream::{Memory, Segment, Session, StreamEvents};
use crate::types::{Direction, Proto, Timestamp};
use crate::verdict::{ExceptionPolicy, Reason, RejectTo, Verdict, reset};

/// Flows ended by time that are worked off with one packet: enough to keep up, never a pause.
const EXPIRED_PER_PACKET: usize = 8;

/// Packets that tell of rejections and wait to be sent; further rejections are not told.
const REPLIES_MAX: usize = 1024;

/// Hosts that are tagged at once; further ones are not.
const TAGGED_HOSTS_MAX: usize = 4096;

/// Flags of TCP (RFC 9293 section 3.1).
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;

/// One worker: everything here is its own.
pub struct Worker {
    config: Arc<EngineConfig>,
    protocols: Arc<Protocols>,
    decoder: Decoder,
    lane: Lane,
}

/// Everything behind decoding: apart from the decoder, which lends packets to it.
struct Lane {
    config: Arc<EngineConfig>,
    protocols: Arc<Protocols>,
    flows: FlowTable,
    memory: Memory,
    expectations: Expectations,
    detector: Detector,
    recorder: Recorder,
    /// `None`: what spans flows is judged by the collector. Workers on live traffic share one: a match is rare beside packets.
    hosts: Option<Arc<Mutex<Hosts>>>,
    batch: Batch,
    counters: Counters,
    number: u64,
    /// Hosts whose packets a rule wants to see (`tag:host`). Those of flows of this worker: other workers have their own.
    tagged_hosts: HashMap<IpAddr, Tagged, ahash::RandomState>,
    /// Packets that tell the ends of a rejection.
    replies: Vec<Reply>,
    /// What rules put into the place of bytes of this frame, when it can go on so.
    edits: Vec<(usize, Vec<u8>)>,
    /// This frame as it is to go on; empty: as it is.
    changed: Vec<u8>,
    /// It can go on otherwise than it came, and its checksums are whole.
    changeable: (bool, bool),
}

/// What the stages before detection found out about a packet.
#[derive(Default)]
struct Findings {
    stream_events: StreamEvents,
    in_stream: bool,
    recognised: bool,
    layer_events: Vec<&'static str>,
    parser_error: bool,
    verdict: Verdict,
    /// The packet is not inspected.
    skip: bool,
    /// See [`Inspection::opening`].
    opening: bool,
    /// The payload that the packet has from here on.
    rewritten: Option<Vec<u8>>,
}

/// What becomes of an alert and its packet.
#[derive(Clone, Copy)]
struct Fate {
    /// Its rule blocks.
    blocked: bool,
    /// A rule let the packet pass.
    passed: bool,
    /// [`Hosts`] has judged it.
    judged: bool,
    /// What becomes of the packet.
    verdict: Verdict,
}

impl Worker {
    /// A worker over those rules. With `hosts` it judges for itself what spans flows.
    pub fn new(
        config: Arc<EngineConfig>,
        protocols: Arc<Protocols>,
        rules: Arc<RuleSet>,
        hosts: Option<Hosts>,
        capture: Option<String>,
    ) -> Self {
        let recorder = Recorder::new(
            config.records.clone(),
            capture,
            rules.flowbit_names.clone(),
            rules.flowint_names.clone(),
        );
        let mut detector = Detector::new(rules, config.detect);
        if config.profile {
            detector.measure(super::profile::nanoseconds);
        }
        Worker {
            decoder: Decoder::new(&config.decode),
            lane: Lane {
                flows: FlowTable::new(config.flow),
                memory: Memory::default(),
                expectations: Expectations::default(),
                detector,
                recorder,
                hosts: hosts.map(|hosts| Arc::new(Mutex::new(hosts))),
                batch: Batch::default(),
                counters: Counters::default(),
                number: 0,
                tagged_hosts: HashMap::default(),
                replies: Vec::new(),
                edits: Vec::new(),
                changed: Vec::new(),
                changeable: (false, false),
                config: config.clone(),
                protocols: protocols.clone(),
            },
            config,
            protocols,
        }
    }

    /// Takes a frame through all stages.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Verdict {
        let lane = &mut self.lane;
        lane.number = frame.number;
        lane.counters.frames += 1;
        lane.counters.bytes += u64::from(frame.wire_len);
        let time = frame.timestamp.0;
        lane.counters.span =
            Some(lane.counters.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        lane.changeable = (frame.changed.is_some() && self.config.inline, frame.checksums);
        let verdict = self.decoder.decode(frame, &mut |packet| lane.packet(packet));
        if !lane.changed.is_empty() {
            if let (Some(place), false) = (frame.changed, verdict.drops()) {
                place.put(&lane.changed);
                lane.counters.replaced += 1;
            }
            lane.changed.clear();
        }
        verdict
    }

    /// What spans flows is judged together with other workers.
    pub fn share_hosts(&mut self, hosts: Arc<Mutex<Hosts>>) {
        self.lane.hosts = Some(hosts);
    }

    /// Frames are of live traffic: records name these interfaces.
    pub fn live(&mut self, interfaces: Arc<Interfaces>) {
        self.lane.recorder.live(interfaces, self.config.dry_run);
    }

    /// Flows, sessions, what is put together of them, and fragments may take so many bytes from now on.
    pub fn limit(&mut self, limits: Limits) {
        let mut config = EngineConfig::clone(&self.config);
        config.stream.memcap = limits.stream;
        config.stream.reassembly_memcap = limits.reassembly;
        self.config = Arc::new(config);
        self.lane.config = self.config.clone();
        self.lane.flows.set_memcap(limits.flow);
        self.decoder.set_defrag_memcap(usize::try_from(limits.defrag).unwrap_or(usize::MAX));
    }

    /// Frames may have gone on that were not shown to us when this number is another than before.
    pub fn missed(&mut self, number: u64) {
        self.lane.memory.missed = number;
    }

    /// Other rules follow, between two frames. Flows stay, with what rules remembered of them by name.
    pub fn renew(&mut self, renewal: &Renewal) {
        let lane = &mut self.lane;
        let old = lane.detector.rules().clone();
        let rule = |id| renewal.rule(&old, id);
        let bit = |id| renewal.flowbit(&old, id);
        let int = |id| renewal.flowint(&old, id);
        for flow in lane.flows.each_mut() {
            flow.inspected.renew(&rule);
            flow.vars.renew(&bit, &int);
        }
        lane.detector = Detector::new(renewal.rules.clone(), self.config.detect);
        lane.recorder.renew(renewal.rules.flowbit_names.clone(), renewal.rules.flowint_names.clone());
        lane.protocols = renewal.protocols.clone();
        self.protocols = renewal.protocols.clone();
    }

    /// Time goes on without packets: ends flows whose time is over, so many at most.
    pub fn tick(&mut self, now: Timestamp, flows_max: usize) {
        for _ in 0..flows_max {
            let Some(flow) = self.lane.flows.take_expired(now) else { return };
            self.lane.end_flow(flow, "timeout");
        }
    }

    /// Packets that tell the ends of rejections since the last call; emptied by their taker.
    pub fn replies(&mut self) -> &mut Vec<Reply> {
        &mut self.lane.replies
    }

    /// From the next frame on no checksum is looked at.
    pub fn trust_checksums(&mut self) {
        self.decoder.set_checksums(false);
    }

    /// The capture is over: all flows end.
    pub fn finish(&mut self) {
        self.finish_in_turn(&mut |_| {});
    }

    /// The capture is over: all flows end, in the order in which they began. `next` is told the number of the packet that
    /// began the flow whose turn it is.
    pub fn finish_in_turn(&mut self, next: &mut dyn FnMut(u64)) {
        self.lane.number = u64::MAX;
        let mut left: Vec<Box<Flow>> = std::iter::from_fn(|| self.lane.flows.take_any()).collect();
        left.sort_by_key(|flow| flow.first_number);
        for flow in left {
            next(flow.first_number);
            self.lane.end_flow(flow, "shutdown");
        }
    }

    /// Records since the last call; the batch is given back empty by its taker.
    pub fn batch(&mut self) -> &mut Batch {
        &mut self.lane.batch
    }

    /// What rules cost, when that is measured.
    pub fn rule_costs(&self) -> &[crate::detect::profile::RuleCost] {
        self.lane.detector.profile().map_or(&[], |profile| profile.rules())
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.lane.counters
    }

    /// What the decoder counted.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Bytes that streams hold now.
    pub fn stream_memory(&self) -> u64 {
        self.lane.memory.used + self.lane.memory.reassembly_used
    }

    /// Flows that are alive.
    pub fn flow_count(&self) -> usize {
        self.lane.flows.len()
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<EngineConfig> {
        &self.config
    }

    /// The protocols in force.
    pub fn protocols(&self) -> &Arc<Protocols> {
        &self.protocols
    }
}

impl Lane {
    /// The pipeline: flow → stream → application → detection → verdict → output.
    fn packet(&mut self, packet: &Packet<'_>) -> Verdict {
        self.expire(packet.timestamp);
        let Some((at, mut flow, dir)) = self.flow_of(packet) else { return self.without_flow(packet) };
        let dir = count(&mut flow, packet, dir);
        let verdict = match flow.action {
            FlowAction::Drop(_) | FlowAction::Reject(..) if self.config.inline => {
                self.dropped(packet, dir, Some(&mut flow), Reason::FlowDrop, None);
                Verdict::Drop(Reason::FlowDrop)
            }
            _ if flow.bypassed => Verdict::Bypass,
            _ => self.inspected(packet, &mut flow, dir),
        };
        if let Verdict::Reject(_, to) = verdict {
            self.reply(packet, to);
        }
        if self.config.live && flow.state() == FlowState::Closed {
            // it stays for a while, so that what comes late is known
            flow.inspected.shrink();
            flow.app.shrink();
            flow.session.iter_mut().for_each(|session| session.shrink(&mut self.memory));
        }
        self.flows.put_back(at, flow);
        verdict
    }

    /// Makes the packets that tell the ends of a rejection. The ends of what came out of a tunnel are not ours to tell.
    fn reply(&mut self, packet: &Packet<'_>, to: RejectTo) {
        let wanted = self.config.replies && matches!(packet.origin, Origin::Wire | Origin::Defragmented);
        if !wanted || self.replies.len() >= REPLIES_MAX {
            return;
        }
        let (Some(source), Some(destination)) = (packet.source_ip(), packet.destination_ip()) else { return };
        let tcp = packet.tcp().map(|tcp| reset::Segment {
            source: tcp.source_port(),
            destination: tcp.destination_port(),
            seq: tcp.seq(),
            ack: tcp.ack(),
            flags: tcp.flags(),
            len: packet.payload.len() as u32,
        });
        let quoted = match &packet.net {
            Net::V4(_) | Net::V6(_) if packet.link == LinkType::RAW_IP => packet.bytes,
            _ => &[],
        };
        let arrived = !self.config.inline;
        let rejected = reset::Rejected { source, destination, proto: packet.proto(), tcp, quoted, arrived };
        self.replies.extend(reset::replies(&rejected, to).into_iter().map(|bytes| {
            let back = reset::destination(&bytes) == Some(source);
            Reply { iface: packet.iface, back, link: link_header(packet, back), packet: bytes }
        }));
    }

    /// A packet of a flow that is neither dropped nor bypassed.
    fn inspected(&mut self, packet: &Packet<'_>, flow: &mut Box<Flow>, dir: Direction) -> Verdict {
        let mut dir = dir;
        let mut findings = Findings::default();
        flow.no_payload |= flow.app.is_encrypted();
        if let Transport::Tcp(_) = packet.transport {
            dir = self.stream(packet, flow, dir, &mut findings);
        } else {
            dir = self.datagram(packet, flow, dir, &mut findings);
        }
        let bytes = findings.rewritten.take().and_then(|payload| rewritten(packet, &payload));
        let changed = bytes.as_ref().map(|(bytes, at)| {
            let mut changed = packet.clone();
            changed.bytes = bytes;
            changed.payload = bytes.get(*at..*at + packet.payload.len()).unwrap_or_default();
            changed
        });
        let packet = changed.as_ref().unwrap_or(packet);
        let tagged = self.is_tagged(packet, flow);
        let action = flow.action;
        let mut verdict = findings.verdict;
        if flow.action != FlowAction::None || findings.skip {
            // judged before, by a rule or a policy: followed, but not inspected
            if let Some(reason) = verdict.reason() {
                self.dropped(packet, dir, Some(flow), reason, None);
            }
        } else {
            verdict = self.detect(packet, Some(flow), dir, &findings, false);
        }
        if tagged {
            let line = self.recorder.packet(packet, flow);
            self.batch.push(self.number, line, None);
        }
        self.frames(packet, flow);
        self.anomalies(packet, Some(flow), &findings);
        flow.inspected.unrecorded |= flow.action != action || findings.parser_error;
        self.transactions(packet, flow, Some(dir));
        self.release(flow);
        if flow.bypassed && verdict == Verdict::Forward { Verdict::Bypass } else { verdict }
    }

    /// Records the frames that began with this packet.
    fn frames(&mut self, packet: &Packet<'_>, flow: &mut Flow) {
        if !self.recorder.config.frames {
            return;
        }
        for dir in Direction::BOTH {
            for frame in flow.app.frames_mut().take_unrecorded(dir) {
                let line = self.recorder.frame_event(&frame, packet, flow, dir, &self.protocols);
                self.batch.push(self.number, line, None);
            }
        }
    }

    /// Whether a rule before wanted to see this packet.
    fn is_tagged(&mut self, packet: &Packet<'_>, flow: &mut Flow) -> bool {
        let mut wanted = false;
        if let Some(tagged) = flow.tagged {
            flow.tagged = tagged.after(packet.bytes.len(), packet.timestamp);
            wanted = flow.tagged.is_some();
        }
        if !self.tagged_hosts.is_empty() {
            for host in [packet.source_ip(), packet.destination_ip()].into_iter().flatten() {
                let Some(tagged) = self.tagged_hosts.get_mut(&host) else { continue };
                match tagged.after(packet.bytes.len(), packet.timestamp) {
                    Some(left) => {
                        *tagged = left;
                        wanted = true;
                    }
                    None => {
                        self.tagged_hosts.remove(&host);
                    }
                }
            }
        }
        wanted
    }

    /// A packet that belongs to no flow: not IP, a fragment, or no room.
    fn without_flow(&mut self, packet: &Packet<'_>) -> Verdict {
        let findings = Findings::default();
        let mut verdict = self.detect(packet, None, Direction::ToServer, &findings, false);
        // what cannot be looked into, and a receiver takes any number of tags of VLAN 0 for none
        let hidden = packet.events.has(DecodeEvent::VlanTooManyLayers);
        if hidden && self.config.live && self.config.inline && !verdict.drops() {
            verdict = Verdict::Drop(Reason::DecodeError);
            self.dropped(packet, Direction::ToServer, None, Reason::DecodeError, None);
        }
        self.anomalies(packet, None, &findings);
        if let Verdict::Reject(_, to) = verdict {
            self.reply(packet, to);
        }
        verdict
    }

    /// Ends flows whose time is over.
    fn expire(&mut self, now: Timestamp) {
        for _ in 0..EXPIRED_PER_PACKET {
            let Some(flow) = self.flows.take_expired(now) else { return };
            self.end_flow(flow, "timeout");
        }
    }

    /// The flow of a packet, taken out of the table, and the packet's direction in it.
    fn flow_of(
        &mut self,
        packet: &Packet<'_>,
    ) -> Option<(crate::flow::table::FlowIndex, Box<Flow>, Direction)> {
        if let Some((key, sender)) = FlowKey::concerned(packet, self.config.flow.use_vlans) {
            let Found::Known(at) = self.flows.find(&key, packet.timestamp) else { return None };
            let flow = self.flows.borrow(at)?;
            let dir = flow.direction_of(sender).opposite();
            return Some((at, flow, dir));
        }
        let (key, _) = FlowKey::of(packet, self.config.flow.use_vlans)?;
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
        let tcp = packet.tcp()?;
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

    /// Puts a segment into its stream and feeds the application with what became readable. Returns the packet's direction,
    /// which the stream may have found to be the other one.
    fn stream(
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
    fn feed(
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
    fn expect(&mut self, flow: &mut Flow, now: Timestamp) {
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
    fn moved(&mut self, flow: &mut Box<Flow>, side: Direction) {
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
    fn datagram(
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

    /// Detection, what spans flows, actions and alerts.
    fn detect(
        &mut self,
        packet: &Packet<'_>,
        mut flow: Option<&mut Box<Flow>>,
        dir: Direction,
        findings: &Findings,
        ending: bool,
    ) -> Verdict {
        let first = match &mut flow {
            Some(flow) => !std::mem::replace(&mut flow.inspected.addresses[dir.index()], true),
            None => true,
        };
        let before = flow.as_ref().map_or(0, |flow| flow.inspected.stream[dir.index()]);
        let inspection = Inspection {
            packet,
            dir,
            stream_events: findings.stream_events,
            layer_events: &findings.layer_events,
            in_stream: findings.in_stream,
            first,
            ending,
            recognised: findings.recognised,
            opening: findings.opening,
        };
        if self.detector.packet(&inspection, flow.as_deref_mut().map(|flow| &mut **flow)).is_empty() {
            if let Some(reason) = findings.verdict.reason() {
                self.dropped(packet, dir, flow.map(|flow| &mut **flow), reason, None);
            }
            return findings.verdict;
        }
        let matches = self.detector.take_matches();
        let verdict = self.act(packet, flow, dir, &matches, (before, findings.verdict));
        self.detector.give_back(matches);
        verdict
    }

    /// Acts on matches in their order, on top of what the stages before say of the packet.
    fn act(
        &mut self,
        packet: &Packet<'_>,
        mut flow: Option<&mut Box<Flow>>,
        dir: Direction,
        matches: &[Match],
        (stream_before, before): (u64, Verdict),
    ) -> Verdict {
        let rules = self.detector.rules().clone();
        let mut verdict = before;
        let mut passed = false;
        let mut alerts: Vec<(Match, bool, bool)> = Vec::new();
        let mut dropper = None;
        for found in matches {
            let rule = &rules.rules[found.rule as usize];
            let (judged, judgement) = self.judge(found, rule, packet, flow.as_deref().map(|f| &**f));
            let (action, reason) = match judgement {
                Judgement::NoMatch => continue,
                Judgement::Rated(action) => (action, Reason::Threshold),
                Judgement::Alert | Judgement::Silent => (rule.action, Reason::Rules),
            };
            let whole_flow = is_about_flow(rule, found);
            let verdict_of_rule = match action {
                Action::Drop if self.config.inline => Verdict::Drop(reason),
                Action::Reject(kind) => Verdict::Reject(reason, kind.into()),
                Action::Pass | Action::Drop | Action::Alert | Action::Config => Verdict::Forward,
            };
            let blocked = verdict_of_rule.drops();
            if blocked && !verdict.drops() {
                dropper = Some(found.rule);
            }
            verdict = verdict.stricter(verdict_of_rule);
            if let (Some(flow), true) = (&mut flow, whole_flow) {
                match action {
                    Action::Pass if !verdict.drops() => flow.action = FlowAction::Pass,
                    // beside the way of packets nothing is held up, but as nothing more would come of such a flow inline,
                    // nothing more is looked for here
                    Action::Drop | Action::Reject(_) => flow.action = FlowAction::Drop(reason),
                    _ => {}
                }
            }
            if rule.bypass
                && let Some(flow) = &mut flow
            {
                flow.bypassed = true;
            }
            if self.changeable.0 && rule.packet_payload && !found.stream && action != Action::Pass {
                replacements(rule, packet.payload, self.config.detect.recursion_max, &mut self.edits);
            }
            if action == Action::Pass {
                passed = !verdict.drops();
                if passed && rule.alert && !rule.noalert && alerts.len() < self.config.detect.alerts_max {
                    alerts.push((*found, false, judged));
                }
                break;
            }
            if let (true, Some(id), Some(flow)) = (rule.unlogged, found.tx, &mut flow) {
                let recorded = flow.inspected.recorded(id);
                flow.inspected
                    .set_recorded(id, crate::flow::inspected::Recorded { logged: true, ..recorded });
            }
            if let Some(flow) = &mut flow {
                self.mark(rule, found, dir, flow);
            }
            if !rule.noalert && judgement != Judgement::Silent && action != Action::Config {
                if alerts.len() < self.config.detect.alerts_max {
                    alerts.push((*found, blocked, judged));
                } else {
                    self.counters.alerts_overflow += 1;
                }
            }
        }
        if !self.edits.is_empty() {
            // what rules and streams look at stays as it came
            if !verdict.drops()
                && let Some(frame) = change(packet, &self.edits, self.changeable.1)
            {
                self.changed = frame;
            }
            self.edits.clear();
        }
        // what is judged elsewhere is noted there
        if let (Some(flow), true) = (&mut flow, alerts.iter().any(|(_, _, judged)| *judged)) {
            flow.alerted = true;
        }
        if self.recorder.config.alert.is_some_and(|fields| fields.tagged) {
            let mut tags = alerts.iter().map(|(found, ..)| &rules.rules[found.rule as usize].tags);
            for &tag in tags.find(|tags| !tags.is_empty()).into_iter().flatten() {
                let Some(flow) = &mut flow else { break };
                // the packet that matched is the first of them
                let begins = tag_begins(tag, packet.timestamp);
                let begins = begins.after(packet.bytes.len(), packet.timestamp).unwrap_or(Tagged::Packets(0));
                let host = match tag.host {
                    None => None,
                    Some(Direction::ToServer) => packet.source_ip(),
                    Some(Direction::ToClient) => packet.destination_ip(),
                };
                match host {
                    Some(host)
                        if self.tagged_hosts.contains_key(&host)
                            || self.tagged_hosts.len() < TAGGED_HOSTS_MAX =>
                    {
                        self.tagged_hosts.insert(host, begins);
                    }
                    Some(_) => {}
                    None => flow.tagged = Some(begins),
                }
            }
        }
        for (found, blocked, judged) in alerts {
            let rule = &rules.rules[found.rule as usize];
            let fate = Fate { blocked, passed, judged, verdict };
            self.alert(packet, flow.as_deref().map(|flow| &**flow), dir, rule, found, fate, stream_before);
        }
        if !self.config.inline {
            // beside the way of packets the ends are told all the same
            if let Verdict::Reject(_, to) = verdict {
                self.reply(packet, to);
            }
            return Verdict::Forward;
        }
        if let Some(reason) = verdict.reason() {
            let because = dropper.map(|id| (&*rules.rules[id as usize], true));
            self.dropped(packet, dir, flow.map(|flow| &mut **flow), reason, because);
        }
        verdict
    }

    fn judge(
        &mut self,
        found: &Match,
        rule: &crate::detect::Rule,
        packet: &Packet<'_>,
        flow: Option<&Flow>,
    ) -> (bool, Judgement) {
        match &mut self.hosts {
            Some(hosts) => match candidate(found, packet, flow) {
                Some(candidate) => {
                    let mut hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
                    (true, hosts.judge(rule, &candidate))
                }
                None => (true, Judgement::Alert),
            },
            None => (false, Judgement::Alert),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one alert and all that is told of it")]
    fn alert(
        &mut self,
        packet: &Packet<'_>,
        flow: Option<&Flow>,
        dir: Direction,
        rule: &crate::detect::Rule,
        found: Match,
        fate: Fate,
        stream_before: u64,
    ) {
        self.counters.alerts += 1;
        let transactions = flow.and_then(|flow| flow.app.transactions());
        let tx: Option<&dyn Transaction> = found.tx.and_then(|id| {
            let transactions = transactions?;
            (0..transactions.count()).filter_map(|nth| transactions.at(nth)).find(|tx| tx.id() == id)
        });
        let wanted = self.recorder.config.alert.filter(|fields| fields.payload || fields.payload_printable);
        // what a transaction says stands in the stream too
        let in_stream = found.stream || (found.tx.is_some() && packet.tcp().is_some());
        let stream = in_stream.then(|| flow?.session.as_ref()).flatten().map(|session| {
            let max = wanted.map_or(0, |fields| fields.payload_max);
            transcript(session, dir, stream_before.max(session.released_to(dir)), u64::MAX, max)
        });
        // bytes of a stream are most likely of the transaction that came last
        let guessed = transactions
            .filter(|_| tx.is_none() && found.stream && found.frame.is_none())
            .and_then(|transactions| {
                let all = (0..transactions.count()).rev().filter_map(|nth| transactions.at(nth));
                all.into_iter().find(|tx| tx.concerns(dir) && tx.progress(dir) > 0)
            });
        let (tx, tx_guessed) = (tx.or(guessed), guessed.is_some());
        let event = AlertEvent {
            rule,
            packet,
            dir,
            flow,
            tx,
            tx_guessed,
            frame: found.frame.and_then(|id| flow?.app.frames().by_id(dir, id)),
            stream: stream.as_deref(),
            blocked: fate.blocked,
            otherwise: match (fate.passed, self.config.inline) {
                (true, _) => VerdictAction::Pass,
                (false, true) => VerdictAction::Alert,
                (false, false) => VerdictAction::Tap,
            },
            verdict: fate.verdict,
        };
        let facts = AlertFacts {
            candidate: candidate(&found, packet, flow).unwrap_or(Candidate {
                rule: found.rule,
                timestamp: packet.timestamp,
                source: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
                destination: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
                flow: 0,
                tx: found.tx,
                ports: None,
            }),
            judged: fate.judged,
            ends: flow.map(|flow| (flow.client, flow.server)).or(packet.ends()),
            packet_ends: packet.ends(),
            proto: packet.proto(),
            icmp: icmp_of(packet),
            app_proto: flow.and_then(|flow| flow.app.shown()).map(|id| self.protocols.name(id)),
            dropped: fate.blocked,
        };
        let line = self.recorder.alert(&event, &self.protocols).unwrap_or_default();
        self.batch.push(self.number, line, Some(facts));
    }

    /// Counts and records a packet that does not go on.
    fn dropped(
        &mut self,
        packet: &Packet<'_>,
        dir: Direction,
        mut flow: Option<&mut Flow>,
        reason: Reason,
        because: Option<(&crate::detect::Rule, bool)>,
    ) {
        self.counters.dropped += 1;
        let Some(every) = self.recorder.config.drop else { return };
        if let Some(flow) = &mut flow {
            let told = std::mem::replace(&mut flow.drop_recorded[dir.index()], true);
            if told && !every {
                return;
            }
        }
        let line = self.recorder.drop(packet, dir, flow.as_deref(), reason, because);
        self.batch.push(self.number, line, None);
    }

    /// Records of what is odd about a packet.
    fn anomalies(&mut self, packet: &Packet<'_>, flow: Option<&Flow>, findings: &Findings) {
        if packet.events.is_empty() && findings.stream_events.is_empty() && findings.layer_events.is_empty() {
            return;
        }
        for event in findings.stream_events.iter() {
            *self.counters.stream_events.entry(event.name()).or_default() += 1;
        }
        let Some(types) = self.recorder.config.anomaly else { return };
        if types.decode {
            for event in packet.events.iter() {
                let line = self.recorder.anomaly(packet, flow, None, &Anomaly::Decode(event.name()));
                self.batch.push(self.number, line, None);
            }
        }
        if types.stream {
            for event in findings.stream_events.iter() {
                let line = self.recorder.anomaly(packet, flow, None, &Anomaly::Stream(event.name()));
                self.batch.push(self.number, line, None);
            }
        }
        if types.app_layer {
            let app_proto = flow.and_then(|flow| flow.app.protocol()).map(|id| self.protocols.name(id));
            for event in &findings.layer_events {
                let event = event.to_ascii_uppercase();
                let anomaly = Anomaly::App { app_proto, event: &event, layer: "proto_detect" };
                let line = self.recorder.anomaly(packet, flow, None, &anomaly);
                self.batch.push(self.number, line, None);
            }
        }
    }

    /// Records what transactions have become, and removes those that are done and inspected. `dir` is the packet's direction,
    /// `None` when nothing more will come of these transactions.
    fn transactions(&mut self, packet: &Packet<'_>, flow: &mut Box<Flow>, dir: Option<Direction>) {
        let ending = dir.is_none();
        if !ending && !flow.inspected.unrecorded {
            return;
        }
        let Some(id) = flow.app.parser_protocol() else { return };
        let name = self.protocols.name(id);
        let (event_type, logger) = (self.protocols.event_type(id), self.protocols.logger(id));
        let Some(transactions) = flow.app.transactions() else { return };
        // nothing more comes of a direction whose depth is reached: on a long connection what waits for it would grow
        let cut = Direction::BOTH.map(|dir| {
            self.config.live && flow.session.as_ref().is_some_and(|session| session.depth_reached(dir))
        });
        let mut pending = flow.inspected.has_marks();
        let mut done: smallvec::SmallVec<[u64; 4]> = smallvec::SmallVec::new();
        let mut marks: smallvec::SmallVec<[(u64, crate::flow::inspected::Recorded); 4]> =
            smallvec::SmallVec::new();
        for nth in 0..transactions.count() {
            let Some(tx) = transactions.at(nth) else { continue };
            let mut recorded = flow.inspected.recorded(tx.id());
            let finished = Direction::BOTH.map(|dir| {
                tx.progress(dir) == DONE || !tx.concerns(dir) || flow.app.gave_up(dir) || cut[dir.index()]
            });
            self.tx_events(packet, flow, name, tx, &mut recorded);
            for side in Direction::BOTH {
                // files are told of with a packet of the side that sent them
                if dir.is_none_or(|dir| dir == side) {
                    self.files(packet, flow, tx, side, &mut recorded, ending);
                }
                pending |= tx.files(side).len() > usize::from(recorded.files[side.index()]);
            }
            if (finished == [true; 2] || ending || tx.is_told_early()) && !recorded.logged {
                recorded.logged = true;
                *self.counters.transactions.entry(name).or_default() += 1;
                for nth in 0..tx.records() {
                    let other = tx.record_type(nth);
                    let logger = other.unwrap_or(logger);
                    if self.recorder.config.transactions.iter().any(|wanted| wanted == logger) {
                        let line =
                            self.recorder.transaction(packet, flow, tx, nth, other.unwrap_or(event_type));
                        self.batch.push(self.number, line, None);
                    }
                }
            }
            let inspected = Direction::BOTH.iter().all(|dir| {
                !tx.concerns(*dir)
                    // what came whole before the parser failed, or was raised with the failure, is still to be inspected
                    || (flow.app.gave_up(*dir)
                        && tx.progress(*dir) != DONE
                        && !flow.inspected.moved[dir.index()])
                    || flow.inspected.is_done(tx.id(), *dir)
                    || (cut[dir.index()] && !flow.inspected.moved[dir.index()])
                    || flow.action != FlowAction::None
            });
            if finished == [true; 2] && recorded.logged && inspected {
                for side in Direction::BOTH {
                    self.files(packet, flow, tx, side, &mut recorded, true);
                }
                done.push(tx.id());
            } else {
                marks.push((tx.id(), recorded));
            }
        }
        for (id, recorded) in marks {
            flow.inspected.set_recorded(id, recorded);
        }
        let depth = self.config.file_store.as_ref().and_then(|store| store.depth);
        if let (Some(depth), Some(session)) = (depth, &mut flow.session) {
            let carries = |dir| {
                let all = flow.app.transactions().into_iter().flat_map(|transactions| {
                    (0..transactions.count()).filter_map(|nth| transactions.at(nth))
                });
                all.into_iter().any(|tx| !tx.files(dir).is_empty())
            };
            for dir in Direction::BOTH {
                if carries(dir) {
                    session.deepen(dir, depth);
                }
            }
        }
        // nothing changes until something moves, is inspected or is judged
        flow.inspected.unrecorded = !ending && pending;
        for id in done {
            flow.inspected.forget(id);
            if let Some(transactions) = flow.app.transactions_mut() {
                transactions.remove(id);
            }
        }
    }

    fn tx_events(
        &mut self,
        packet: &Packet<'_>,
        flow: &Flow,
        name: &'static str,
        tx: &dyn Transaction,
        recorded: &mut crate::flow::inspected::Recorded,
    ) {
        let events = tx.events();
        let from = usize::from(recorded.events).min(events.len());
        recorded.events = u16::try_from(events.len()).unwrap_or(u16::MAX);
        if !self.recorder.config.anomaly.is_some_and(|types| types.app_layer) {
            return;
        }
        let capitals = flow.app.parser_protocol().is_some_and(|id| self.protocols.events_in_capitals(id));
        for (_, event) in &events[from..] {
            let event = if capitals { event.to_ascii_uppercase() } else { (*event).to_owned() };
            let anomaly = Anomaly::App { app_proto: Some(name), event: &event, layer: "proto_parser" };
            let line = self.recorder.anomaly(packet, Some(flow), Some(tx.id()), &anomaly);
            self.batch.push(self.number, line, None);
        }
    }

    fn files(
        &mut self,
        packet: &Packet<'_>,
        flow: &Flow,
        tx: &dyn Transaction,
        dir: Direction,
        recorded: &mut crate::flow::inspected::Recorded,
        ending: bool,
    ) {
        // what rules want of a file is known once they were asked
        let asked = !flow.inspected.moved[dir.index()]
            || flow.action != FlowAction::None
            || flow.no_payload
            || flow.bypassed;
        if !asked && !ending {
            return;
        }
        for (nth, file) in tx.files(dir).iter().enumerate() {
            if file.state == FileState::Opened && !ending {
                break;
            }
            let told = nth < usize::from(recorded.files[dir.index()]);
            let bit = 1u128.checked_shl(nth as u32).unwrap_or(0);
            let tried = recorded.stored[dir.index()] & bit != 0;
            let mut note = FileNote::default();
            if let Some(store) = &self.config.file_store
                && !tried
            {
                note = records::note(Some(flow), tx.id(), dir, nth, true);
                note.storing |= store.force;
            }
            if told && !note.storing {
                continue;
            }
            if std::mem::take(&mut note.storing) {
                recorded.stored[dir.index()] |= bit;
                note.stored = self.store(file);
            }
            if !told {
                recorded.files[dir.index()] = u16::try_from(nth + 1).unwrap_or(u16::MAX);
            }
            let record = self.recorder.config.files && !told;
            if record || note.stored.is_some() {
                let line = self.recorder.file(packet, flow, dir, tx, (file, &note), &self.protocols);
                if let (Some(id), Some(sha256), Some(store)) =
                    (note.stored, &file.sha256, &self.config.file_store)
                {
                    store.store.info(sha256, packet.timestamp.0 / 1_000_000_000, id, line);
                }
                if record {
                    self.batch.push(self.number, line, None);
                }
            }
        }
    }

    /// Stores a file; its number when it is there now: one more for each, in the order they are stored. What cannot be stored is counted.
    fn store(&mut self, file: &File) -> Option<u64> {
        let store = self.config.file_store.as_ref()?;
        let (Some(content), Some(sha256)) = (&file.content, &file.sha256) else {
            self.counters.files_unstorable += 1;
            return None;
        };
        store.store.store(sha256, content.bytes()).then(|| store.store.number())
    }

    /// Notes the files that a match wants to have stored.
    fn mark(&self, rule: &crate::detect::Rule, found: &Match, dir: Direction, flow: &mut Flow) {
        use crate::detect::rule::{FileDirection, FileScope};
        let (Some(store), Some(tx), true) = (rule.file_store, found.tx, self.config.file_store.is_some())
        else {
            return;
        };
        let toward = match store.dir {
            Some(FileDirection::Matched) => Some(dir),
            Some(FileDirection::Is(dir)) => Some(dir),
            None => None,
        };
        let matched = flow.inspected.tx(tx)[dir.index()].files_from(found.rule).checked_sub(1);
        let one = matched.and_then(|nth| u16::try_from(nth).ok());
        let files = match (store.scope, store.dir, one) {
            (FileScope::File, Some(FileDirection::Matched), Some(nth)) => MarkedFiles::One(tx, nth),
            (FileScope::File | FileScope::Transaction, ..) => MarkedFiles::Transaction(tx),
            (FileScope::Flow, ..) => MarkedFiles::From(tx),
        };
        flow.inspected.mark(StoreMark { dir: toward, files, sid: rule.meta.sid });
    }

    /// Gives back what of the streams was parsed and inspected.
    fn release(&mut self, flow: &mut Box<Flow>) {
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
    fn end_flow(&mut self, mut flow: Box<Flow>, reason: &'static str) {
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

/// Whether what a rule does holds for the whole flow of the packet: when it matched on more than the packet.
fn is_about_flow(rule: &crate::detect::Rule, found: &Match) -> bool {
    if let Some(scope) = rule.scope {
        return scope == crate::rules::Scope::Flow;
    }
    match found.class {
        Class::Tx | Class::Frame | Class::Address | Class::Detection => true,
        Class::Stream | Class::PacketStream => found.stream,
        // a rule that is nothing but its head
        Class::Packet => rule.flow.is_none() && rule.parts.is_empty() && rule.packet_tests.is_empty(),
        Class::Event => false,
    }
}

/// What a `tag` asks for, from now on.
fn tag_begins(tag: crate::detect::rule::Tag, now: Timestamp) -> Tagged {
    use crate::detect::rule::TagMetric;
    match tag.metric {
        TagMetric::Packets => Tagged::Packets(tag.count),
        TagMetric::Bytes => Tagged::Bytes(u64::from(tag.count)),
        TagMetric::Seconds => {
            Tagged::Until(Timestamp(now.0.saturating_add(u64::from(tag.count) * 1_000_000_000)))
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
fn count(flow: &mut Flow, packet: &Packet<'_>, dir: Direction) -> Direction {
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

/// The bytes of a TCP packet with another payload of the same length and the checksum for it, and where the payload begins.
fn rewritten(packet: &Packet<'_>, payload: &[u8]) -> Option<(Vec<u8>, usize)> {
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

/// What hosts are judged by.
fn candidate(found: &Match, packet: &Packet<'_>, flow: Option<&Flow>) -> Option<Candidate> {
    let Match { rule, tx, .. } = *found;
    Some(Candidate {
        rule,
        timestamp: packet.timestamp,
        source: packet.source_ip()?,
        destination: packet.destination_ip()?,
        flow: flow.map_or(0, |flow| flow.id.0),
        tx,
        ports: packet.ports(),
    })
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

/// What stands before a packet of ours that goes the way of that one, or back; empty where that had no link addresses.
fn link_header(packet: &Packet<'_>, back: bool) -> Vec<u8> {
    let Some([destination, source]) = packet.ethernet else { return Vec::new() };
    let (to, from) = if back { (source, destination) } else { (destination, source) };
    let mut header = [to, from].concat();
    for id in packet.vlans.as_slice() {
        header.extend([0x81, 0]);
        header.extend((id & 0x0fff).to_be_bytes());
    }
    header.extend(if matches!(packet.net, Net::V6(_)) { [0x86, 0xdd] } else { [8, 0] });
    header
}

//! The way of a packet through all stages, for the flows of one worker.

mod flows;
mod streams;
mod transactions;
mod verdicts;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::collector::Batch;
use super::counters::Counters;
use super::records::Recorder;
use super::renewal::Renewal;
use super::settings::{EngineConfig, Limits};
use crate::capture::{Frame, Interfaces, LinkType, Reply};
use crate::decode::{DecodeEvent, Decoder, Net, Origin, Packet, Transport};
use crate::detect::host::Hosts;
use crate::detect::{Detector, RuleSet};
use crate::flow::{Expectations, Flow, FlowAction, FlowState, FlowTable, Protocols, Tagged};
use crate::stream::{Memory, StreamEvents};
use crate::types::{Direction, Timestamp};
use crate::verdict::{Reason, RejectTo, Verdict, reset};
use flows::count;
use streams::rewritten;

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

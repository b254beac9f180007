//! What happened, as EVE records: the facts are taken from packet, flow, rule and transaction; the shapes are `output`'s.

use std::sync::Arc;

use super::settings::RecordConfig;
use crate::app::{Frame, RecordEnds, Transaction};
use crate::capture::Interfaces;
use crate::decode::{Net, Origin, Packet, Transport};
use crate::detect::rule::{Rule, Target};
use crate::flow::{Flow, FlowAction, Protocols};
use crate::json::JsonWriter;
use crate::output::eve::{
    AlertRecord, Anomaly, DropRecord, FileNote, FlowInAlert, FlowRecord, FrameRecord, NetflowRecord, Payload,
    TcpRecord, TcpSessionRecord, VerdictAction, rule_metadata, write_alert, write_anomaly, write_drop,
    write_fileinfo, write_files, write_flow_event, write_flow_in_alert, write_frame, write_netflow_event,
    write_payload, write_verdict,
};
use crate::output::event::{write_app_proto, write_direction, write_tunnel};
use crate::output::{AppProto, EventHeader, TunnelInfo, close_event, community_id, pkt_src, write_header};
use crate::stream::{Readable, Session, State};
use crate::types::{Direction, Endpoint, Proto, Timestamp};
use crate::verdict::{ExceptionPolicy, Reason, Verdict};

/// Makes records of one capture.
pub struct Recorder {
    /// Which, and with what in them.
    pub config: RecordConfig,
    out: JsonWriter,
    capture: Option<String>,
    /// Of live traffic: the names of interfaces.
    interfaces: Option<Arc<Interfaces>>,
    dry_run: bool,
    flowbit_names: Vec<String>,
    flowint_names: Vec<String>,
}

/// An alert to be told of.
pub struct AlertEvent<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The packet.
    pub packet: &'a Packet<'a>,
    /// Its direction.
    pub dir: Direction,
    /// Its flow.
    pub flow: Option<&'a Flow>,
    /// The transaction.
    pub tx: Option<&'a dyn Transaction>,
    /// It matched in the stream, and the transaction is the one that these bytes most likely are of.
    pub tx_guessed: bool,
    /// The frame.
    pub frame: Option<&'a Frame>,
    /// It matched in the stream: these bytes of it.
    pub stream: Option<&'a [u8]>,
    /// The rule blocks.
    pub blocked: bool,
    /// What is said of the packet when it is not dropped.
    pub otherwise: VerdictAction,
    /// What becomes of the packet.
    pub verdict: Verdict,
}

impl Recorder {
    /// For that capture.
    pub fn new(
        config: RecordConfig,
        capture: Option<String>,
        flowbit_names: Vec<String>,
        flowint_names: Vec<String>,
    ) -> Self {
        Recorder {
            config,
            out: JsonWriter::new(),
            capture,
            interfaces: None,
            dry_run: false,
            flowbit_names,
            flowint_names,
        }
    }

    /// Packets are of live traffic: records name the interface instead of a number in a capture. `dry_run`: what is said to be
    /// dropped was not.
    pub fn live(&mut self, interfaces: Arc<Interfaces>, dry_run: bool) {
        self.interfaces = Some(interfaces);
        self.dry_run = dry_run;
    }

    /// Other rules follow, with other names.
    pub fn renew(&mut self, flowbit_names: Vec<String>, flowint_names: Vec<String>) {
        self.flowbit_names = flowbit_names;
        self.flowint_names = flowint_names;
    }

    fn begin(&mut self, header: &EventHeader<'_>, packet: &Packet<'_>) {
        let Some(interfaces) = &self.interfaces else { return write_header(header, &mut self.out) };
        // what was made at the end of a flow came from nowhere
        let name = interfaces.name(packet.iface).filter(|_| packet.origin != Origin::StreamEnd);
        write_header(&EventHeader { pcap_cnt: None, in_iface: name.as_deref(), ..*header }, &mut self.out);
    }

    fn finish(&mut self) -> &[u8] {
        if self.dry_run {
            self.out.flag("dry_run", true);
        }
        close_event(self.capture.as_deref(), &mut self.out);
        self.out.as_bytes()
    }

    /// An alert.
    pub fn alert(&mut self, event: &AlertEvent<'_>, protocols: &Protocols) -> Option<&[u8]> {
        let fields = self.config.alert?;
        let AlertEvent { rule, packet, flow, .. } = event;
        self.out.clear();
        let community = self.community_of(packet, *flow);
        let vars = flow.map(|flow| self.vars(flow)).unwrap_or_default();
        let mut header = packet_header(packet, "alert");
        header.ethernet = packet.ethernet.filter(|_| self.config.ethernet);
        header.flow_id = flow.map(|flow| flow.id.0);
        header.parent_id = flow.and_then(|flow| flow.parent).map(|parent| parent.0);
        header.metadata = vars.metadata.as_deref();
        header.traffic = vars.traffic.as_deref();
        header.community_id = community.as_deref();
        header.tx_id = event.tx.map(|tx| tx.id());
        header.tx_guessed = event.tx_guessed;
        self.begin(&header, packet);
        let meta = &rule.meta;
        let metadata = if fields.rule_metadata { rule_metadata(meta.metadata.iter()) } else { None };
        let references: Vec<String> = if fields.references {
            meta.references.iter().map(|(system, id)| format!("{system},{id}")).collect()
        } else {
            Vec::new()
        };
        let source_target = packet.ends().and_then(|(source, destination)| match meta.target? {
            Target::Source => Some((destination, source)),
            Target::Destination => Some((source, destination)),
        });
        let record = AlertRecord {
            blocked: event.blocked,
            gid: meta.gid,
            signature_id: meta.sid,
            rev: meta.rev,
            signature: &meta.msg,
            category: &meta.category,
            severity: meta.priority,
            source_target,
            references: &references,
            metadata: metadata.as_deref(),
            rule: meta.text.as_deref().filter(|_| fields.rule_text),
        };
        write_alert(&record, packet.proto(), &mut self.out);
        self.tunnel(packet);
        if fields.app_layer
            && let Some(tx) = event.tx
        {
            tx.log_in_alert(&mut self.out);
            // what was told in a record of its own is told
            let files = tx.files(event.dir);
            let from =
                flow.map_or(0, |flow| usize::from(flow.inspected.recorded(tx.id()).files[event.dir.index()]));
            let note = |nth: usize| note(*flow, tx.id(), event.dir, from + nth, self.config.stores);
            write_files(files.get(from..).unwrap_or_default(), tx.id(), note, &mut self.out);
        }
        if let Some(flow) = flow {
            write_app_proto(&app_proto(flow, protocols), &mut self.out);
            write_direction(event.dir, &mut self.out);
            if fields.flow {
                write_flow_in_alert(
                    &FlowInAlert {
                        packets: flow.sides.map(|side| side.packets),
                        bytes: flow.sides.map(|side| side.bytes),
                        start: flow.first,
                        client: flow.client,
                        server: flow.server,
                        proto: flow.proto,
                    },
                    &mut self.out,
                );
            }
        }
        if let (Some(frame), Some(flow)) = (event.frame, flow) {
            self.frame(frame, packet, flow, event.dir, protocols);
        }
        let bytes = event.stream.unwrap_or(packet.payload);
        write_payload(
            &Payload {
                base64: fields.payload.then_some(bytes),
                printable: fields.payload_printable.then_some(bytes),
                stream: event.stream.is_some(),
                packet: fields.packet.then_some((packet.bytes, packet.link.0)),
            },
            &mut self.out,
        );
        if fields.verdict {
            write_verdict(event.verdict, event.otherwise, packet.tcp().is_some(), &mut self.out);
        }
        Some(self.finish())
    }

    fn frame(
        &mut self,
        frame: &Frame,
        packet: &Packet<'_>,
        flow: &Flow,
        dir: Direction,
        protocols: &Protocols,
    ) {
        let end = frame.end();
        let (payload, there) = match &flow.session {
            Some(session) => {
                let there = session.known_to(dir);
                (transcript(session, dir, frame.offset, end.unwrap_or(u64::MAX), FRAME_BYTES_MAX), there)
            }
            None => {
                let start = usize::try_from(frame.offset).unwrap_or(usize::MAX);
                let bytes = packet.payload.get(start..).unwrap_or_default();
                let len = frame.len.map_or(usize::MAX, |len| usize::try_from(len).unwrap_or(usize::MAX));
                let len = len.min(FRAME_BYTES_MAX).min(bytes.len());
                (bytes.get(..len).unwrap_or_default().to_vec(), packet.payload.len() as u64)
            }
        };
        let ended = flow.session.as_ref().is_none_or(|session| session.is_ended(dir));
        let record = FrameRecord {
            kind: frame.kind.name(protocols.frames(frame.protocol)),
            id: frame.id,
            dir,
            stream_offset: flow.session.is_some().then_some(frame.offset),
            length: frame.len.unwrap_or_else(|| there.saturating_sub(frame.offset)),
            complete: end.map_or(ended, |end| there >= end),
            tx: frame.tx,
            payload: &payload,
        };
        write_frame(&record, &mut self.out);
    }

    /// A frame, in a record of its own.
    pub fn frame_event(
        &mut self,
        frame: &Frame,
        packet: &Packet<'_>,
        flow: &Flow,
        dir: Direction,
        protocols: &Protocols,
    ) -> &[u8] {
        self.out.clear();
        let header = self.flow_header(packet, flow, "frame", dir);
        self.begin(&header, packet);
        self.out.text("app_proto", protocols.name(frame.protocol));
        self.frame(frame, packet, flow, dir, protocols);
        self.finish()
    }

    /// A packet that a rule's `tag` asked for.
    pub fn packet(&mut self, packet: &Packet<'_>, flow: &Flow) -> &[u8] {
        self.out.clear();
        let mut header = packet_header(packet, "packet");
        header.ethernet = packet.ethernet.filter(|_| self.config.ethernet);
        header.flow_id = Some(flow.id.0);
        self.begin(&header, packet);
        write_payload(
            &Payload { packet: Some((packet.bytes, packet.link.0)), ..Payload::default() },
            &mut self.out,
        );
        self.finish()
    }

    /// A packet that was dropped.
    pub fn drop(
        &mut self,
        packet: &Packet<'_>,
        dir: Direction,
        flow: Option<&Flow>,
        reason: Reason,
        because: Option<(&Rule, bool)>,
    ) -> &[u8] {
        self.out.clear();
        let community = self.community_of(packet, flow);
        let mut header = packet_header(packet, "drop");
        header.ethernet = packet.ethernet.filter(|_| self.config.ethernet);
        header.flow_id = flow.map(|flow| flow.id.0);
        header.parent_id = flow.and_then(|flow| flow.parent).map(|parent| parent.0);
        header.community_id = community.as_deref();
        self.begin(&header, packet);
        write_drop(&DropRecord::of(packet, reason), &mut self.out);
        if let (Some((rule, blocked)), true) = (because, self.config.drop_alerts) {
            let meta = &rule.meta;
            let record = AlertRecord {
                blocked,
                gid: meta.gid,
                signature_id: meta.sid,
                rev: meta.rev,
                signature: &meta.msg,
                category: &meta.category,
                severity: meta.priority,
                ..AlertRecord::default()
            };
            write_alert(&record, packet.proto(), &mut self.out);
        }
        if flow.is_some() {
            write_direction(dir, &mut self.out);
        }
        self.finish()
    }

    /// Something odd about a packet, its stream or its protocol.
    pub fn anomaly(
        &mut self,
        packet: &Packet<'_>,
        flow: Option<&Flow>,
        tx: Option<u64>,
        anomaly: &Anomaly<'_>,
    ) -> &[u8] {
        self.out.clear();
        let community = self.community_of(packet, flow);
        let mut header = packet_header(packet, "anomaly");
        header.ethernet = packet.ethernet.filter(|_| self.config.ethernet);
        header.flow_id = flow.map(|flow| flow.id.0);
        header.parent_id = flow.and_then(|flow| flow.parent).map(|parent| parent.0);
        header.community_id = community.as_deref();
        header.tx_id = tx;
        self.begin(&header, packet);
        write_anomaly(anomaly, &mut self.out);
        self.finish()
    }

    /// The `nth` record of a transaction.
    pub fn transaction(
        &mut self,
        packet: &Packet<'_>,
        flow: &Flow,
        tx: &dyn Transaction,
        nth: usize,
        event_type: &str,
    ) -> &[u8] {
        self.out.clear();
        let community = self.community(flow);
        let vars = self.vars(flow);
        let first = match tx.record_ends() {
            RecordEnds::Flow => Direction::ToServer,
            RecordEnds::Side(dir) => dir,
            // at the end of a flow the answer is what was missing
            RecordEnds::Packet if packet.origin == Origin::StreamEnd => Direction::ToClient,
            RecordEnds::Packet => match packet.ends() {
                Some((source, _)) if source != flow.client && source == flow.server => Direction::ToClient,
                _ => Direction::ToServer,
            },
        };
        let mut header = self.flow_header(packet, flow, event_type, first);
        header.tx_id = tx.record_has_id().then(|| tx.id());
        header.metadata = vars.metadata.as_deref();
        header.traffic = vars.traffic.as_deref();
        header.community_id = community.as_deref();
        self.begin(&header, packet);
        tx.log_record(nth, &mut self.out);
        self.finish()
    }

    /// A file.
    pub fn file(
        &mut self,
        packet: &Packet<'_>,
        flow: &Flow,
        dir: Direction,
        tx: &dyn Transaction,
        (file, note): (&crate::app::File, &FileNote),
        protocols: &Protocols,
    ) -> &[u8] {
        self.out.clear();
        let community = self.community(flow);
        let vars = self.vars(flow);
        let mut header = self.flow_header(packet, flow, "fileinfo", dir);
        header.metadata = vars.metadata.as_deref();
        header.traffic = vars.traffic.as_deref();
        header.community_id = community.as_deref();
        self.begin(&header, packet);
        tx.log_with_file(&mut self.out);
        write_app_proto(&app_proto(flow, protocols), &mut self.out);
        write_fileinfo(file, tx.id(), note, &mut self.out);
        self.finish()
    }

    /// A flow that has ended.
    pub fn flow(&mut self, flow: &Flow, reason: &str, protocols: &Protocols) -> &[u8] {
        self.out.clear();
        let community = self.community(flow);
        let vars = self.vars(flow);
        let header = EventHeader {
            timestamp: flow.last,
            flow_id: Some(flow.id.0),
            parent_id: flow.parent.map(|parent| parent.0),
            event_type: "flow",
            vlan: flow.vlans.as_slice(),
            src: Some(flow.client),
            dest: Some(flow.server),
            proto: Some(flow.proto),
            icmp: flow.icmp[0],
            icmp_response: flow.icmp[1],
            metadata: vars.metadata.as_deref(),
            traffic: vars.traffic.as_deref(),
            ..EventHeader::default()
        };
        write_header(&header, &mut self.out);
        let mut app = app_proto(flow, protocols);
        app.name = app.name.or(Some("failed").filter(|_| flow.app.is_failed()));
        let exceptions: Vec<(&str, &str)> = flow
            .exceptions
            .iter()
            .map(|(reason, policy)| (exception_target(*reason), policy.name()))
            .collect();
        let record = FlowRecord {
            app,
            packets: flow.sides.map(|side| side.packets),
            bytes: flow.sides.map(|side| side.bytes),
            start: flow.first,
            end: flow.last,
            emergency: false,
            state: flow.state().name(),
            reason,
            alerted: flow.alerted,
            action: match flow.action {
                FlowAction::None => None,
                FlowAction::Pass => Some("pass"),
                FlowAction::Drop(_) | FlowAction::Reject(..) => Some("drop"),
            },
            exception_policies: &exceptions,
            macs: macs(flow, Direction::ToServer),
            community_id: community.as_deref(),
            tcp: (flow.proto == Proto::TCP).then(|| {
                let session = flow.session.as_deref().filter(|session| session.state() != State::None);
                TcpRecord {
                    // of packets that belong to no session nothing is told
                    flags: session.map_or([0; 2], |_| flow.tcp_flags),
                    session: session.map(|session| TcpSessionRecord {
                        state: session.state().name(),
                        gap: Direction::BOTH.map(|dir| session.has_gap(dir)),
                        regions_max: [1, 1],
                    }),
                }
            }),
        };
        write_flow_event(&record, &mut self.out);
        self.finish()
    }

    /// One direction of a flow that has ended.
    pub fn netflow(&mut self, flow: &Flow, dir: Direction, protocols: &Protocols) -> &[u8] {
        self.out.clear();
        let community = self.community(flow);
        let vars = self.vars(flow);
        let side = dir.index();
        let header = EventHeader {
            timestamp: flow.last,
            flow_id: Some(flow.id.0),
            parent_id: flow.parent.map(|parent| parent.0),
            event_type: "netflow",
            vlan: flow.vlans.as_slice(),
            src: Some(flow.source(dir)),
            dest: Some(flow.destination(dir)),
            proto: Some(flow.proto),
            icmp: flow.icmp[side],
            metadata: vars.metadata.as_deref(),
            traffic: vars.traffic.as_deref(),
            ..EventHeader::default()
        };
        write_header(&header, &mut self.out);
        let app = app_proto(flow, protocols);
        let own = if dir == Direction::ToServer { app.to_server } else { app.to_client };
        let failed = flow.app.is_failed().then_some("failed");
        let record = NetflowRecord {
            app: own.or(app.name).or(failed).unwrap_or("unknown"),
            packets: flow.sides[side].packets,
            bytes: flow.sides[side].bytes,
            start: flow.first,
            end: flow.last,
            ttl: flow.sides[side].ttl,
            tcp_flags: (flow.proto == Proto::TCP).then_some(flow.tcp_flags[side]),
            macs: macs(flow, dir),
            community_id: community.as_deref(),
        };
        write_netflow_event(&record, &mut self.out);
        self.finish()
    }

    /// Counters.
    pub fn stats(&mut self, timestamp: Timestamp, counters: &[(String, u64)]) -> &[u8] {
        self.out.clear();
        let header = EventHeader { timestamp, event_type: "stats", ..EventHeader::default() };
        write_header(&header, &mut self.out);
        crate::output::stats::write_stats(
            counters.iter().map(|(name, value)| (name.as_str(), *value)),
            &mut self.out,
        );
        close_event(None, &mut self.out);
        self.out.as_bytes()
    }

    /// The header of a record about a flow, with the ends of that direction.
    fn flow_header<'a>(
        &self,
        packet: &'a Packet<'_>,
        flow: &'a Flow,
        event_type: &'a str,
        dir: Direction,
    ) -> EventHeader<'a> {
        let (src, dest) = (flow.source(dir), flow.destination(dir));
        // a record may be about the other direction than the packet that made it
        let turned = packet.ends().is_some_and(|(source, _)| source == dest && source != src);
        let ethernet = packet.ethernet.filter(|_| self.config.ethernet);
        EventHeader {
            timestamp: packet.timestamp,
            flow_id: Some(flow.id.0),
            parent_id: flow.parent.map(|parent| parent.0),
            pcap_cnt: number_of(packet),
            event_type,
            vlan: flow.vlans.as_slice(),
            src: Some(src),
            dest: Some(dest),
            proto: Some(flow.proto),
            pkt_src: Some(pkt_src(packet.origin)),
            ethernet: ethernet.map(|[destination, source]| match turned {
                true => [source, destination],
                false => [destination, source],
            }),
            ..EventHeader::default()
        }
    }

    fn tunnel(&mut self, packet: &Packet<'_>) {
        if let Some(tunnel) = packet.tunnel {
            write_tunnel(
                &TunnelInfo {
                    src: tunnel.source,
                    dest: tunnel.destination,
                    proto: tunnel.proto,
                    depth: tunnel.depth,
                    pcap_cnt: (packet.number > 0 && self.interfaces.is_none()).then_some(packet.number),
                    pkt_src: "wire/pcap",
                },
                &mut self.out,
            );
        }
    }

    fn community(&self, flow: &Flow) -> Option<String> {
        Some(community_id(flow.client, flow.server, flow.proto, self.config.community_id?))
    }

    fn community_of(&self, packet: &Packet<'_>, flow: Option<&Flow>) -> Option<String> {
        match flow {
            Some(flow) => self.community(flow),
            None => {
                let (source, destination) = packet.ends()?;
                Some(community_id(source, destination, packet.proto()?, self.config.community_id?))
            }
        }
    }

    /// Flow bits and integers as JSON objects.
    fn vars(&self, flow: &Flow) -> VarObjects {
        let mut objects = VarObjects::default();
        if !self.config.metadata {
            return objects;
        }
        // bits that name what the traffic is stand in an object of their own
        let (mut bits, mut ids, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for name in flow.vars.bits().filter_map(|bit| self.flowbit_names.get(bit as usize)) {
            match (name.strip_prefix("traffic/id/"), name.strip_prefix("traffic/label/")) {
                (Some(id), _) => ids.push(id),
                (None, Some(label)) => labels.push(label),
                (None, None) => bits.push(name.as_str()),
            }
        }
        if !ids.is_empty() || !labels.is_empty() {
            let mut out = JsonWriter::new();
            out.open();
            array("id", &ids, &mut out);
            array("label", &labels, &mut out);
            out.close();
            objects.traffic = Some(out.take());
        }
        if !bits.is_empty() || !flow.vars.ints().is_empty() {
            let mut out = JsonWriter::new();
            out.open();
            array("flowbits", &bits, &mut out);
            if !flow.vars.ints().is_empty() {
                out.open_object("flowints");
                for (id, value) in flow.vars.ints() {
                    if let Some(name) = self.flowint_names.get(*id as usize) {
                        out.named(name);
                        out.element_number(*value);
                    }
                }
                out.close();
            }
            out.close();
            objects.metadata = Some(out.take());
        }
        objects
    }
}

/// The link addresses of sender and receiver.
fn macs(flow: &Flow, dir: Direction) -> [&[[u8; 6]]; 2] {
    let of = |dir| flow.macs.as_ref().map_or(&[][..], |macs| macs.of(dir));
    [of(dir), of(dir.opposite())]
}

/// Bytes of a frame in a record.
const FRAME_BYTES_MAX: usize = 4095;

/// The readable bytes of a stream from one position to another, for people: what is lost or gone is told by its length.
pub fn transcript(session: &Session, dir: Direction, from: u64, to: u64, max: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let missing = |len: u64, out: &mut Vec<u8>| {
        out.extend_from_slice(format!("[{len} bytes missing]").as_bytes());
    };
    let mut at = from.max(session.released_to(dir)).min(to);
    if at > from {
        missing(at - from, &mut out);
    }
    // every turn moves `at` forward, or ends
    while at < to && out.len() < max {
        match session.readable(dir, at) {
            Readable::Bytes(bytes) => {
                let wanted = usize::try_from(to - at).unwrap_or(usize::MAX).min(max - out.len());
                let bytes = bytes.get(..wanted).unwrap_or(bytes);
                out.extend_from_slice(bytes);
                at += bytes.len() as u64;
            }
            Readable::Gap(len) => {
                let len = len.min(to - at);
                missing(len, &mut out);
                at += len;
            }
            Readable::Nothing => {
                // of a stretch that has its end what is not there is waited for no more
                let there = session.known_to(dir);
                if to != u64::MAX && at < there.min(to) {
                    missing(to - at, &mut out);
                }
                break;
            }
        }
    }
    out.truncate(max);
    out
}

/// What rules remembered of a flow, as records show it.
#[derive(Default)]
struct VarObjects {
    metadata: Option<Vec<u8>>,
    traffic: Option<Vec<u8>>,
}

fn array(key: &'static str, names: &[&str], out: &mut JsonWriter) {
    if names.is_empty() {
        return;
    }
    out.open_array(key);
    for name in names {
        out.element(name.as_bytes());
    }
    out.close_array();
}

/// EVE's name of what an exception policy was applied to.
fn exception_target(reason: Reason) -> &'static str {
    match reason {
        Reason::StreamMidstream => "stream_midstream",
        Reason::StreamMemcap => "stream_memcap",
        Reason::StreamReassembly => "stream_reassembly_memcap",
        Reason::FlowMemcap => "flow_memcap",
        Reason::DefragMemcap => "defrag_memcap",
        Reason::ApplayerError => "app_layer_error",
        _ => "other",
    }
}

/// What rules want of a file; nothing when files are not stored.
pub fn note(flow: Option<&Flow>, tx: u64, dir: Direction, nth: usize, stores: bool) -> FileNote {
    let mut note = FileNote::default();
    let Some(flow) = flow.filter(|flow| stores && flow.inspected.has_marks()) else { return note };
    for mark in flow.inspected.marks_on(tx, dir, nth) {
        note.storing = true;
        if !note.sids.contains(&mark.sid) {
            note.sids.push(mark.sid);
        }
    }
    note
}

/// What the flow speaks, by the names of its protocols.
pub fn app_proto<'p>(flow: &Flow, protocols: &'p Protocols) -> AppProto<'p> {
    let name = |id| protocols.name(id);
    let main = flow.app.protocol();
    let side = |dir| match flow.app.side(dir) {
        Some(id) => Some(name(id)).filter(|_| Some(id) != main),
        None => flow.app.is_side_decided(dir).then_some("failed"),
    };
    AppProto {
        name: match flow.app.shown() {
            Some(id) => Some(name(id)),
            None if flow.app.is_failed() => Some("failed"),
            None => None,
        },
        to_server: side(Direction::ToServer).filter(|_| main.is_some()),
        to_client: side(Direction::ToClient).filter(|_| main.is_some()),
        original: flow.app.original().map(name),
        expected: flow.app.expected().map(name),
    }
}

/// The ICMP type and code of a packet.
pub fn icmp_of(packet: &Packet<'_>) -> Option<(u8, u8)> {
    match &packet.transport {
        Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => Some((icmp.kind(), icmp.code())),
        _ => None,
    }
}

fn number_of(packet: &Packet<'_>) -> Option<u64> {
    // what was made of packets has no number of its own
    (packet.number > 0 && packet.origin == crate::decode::Origin::Wire).then_some(packet.number)
}

fn packet_header<'a>(packet: &'a Packet<'_>, event_type: &'a str) -> EventHeader<'a> {
    let ends: Option<(Endpoint, Endpoint)> = packet.ends();
    EventHeader {
        timestamp: packet.timestamp,
        pcap_cnt: number_of(packet),
        event_type,
        vlan: packet.vlans.as_slice(),
        src: ends.map(|(source, _)| source),
        dest: ends.map(|(_, destination)| destination),
        proto: packet.proto().filter(|_| !matches!(packet.net, Net::None)),
        icmp: icmp_of(packet),
        pkt_src: Some(pkt_src(packet.origin)),
        ..EventHeader::default()
    }
}

/// What an exception policy means for a packet and its flow, in the way of packets or beside it.
pub fn exception_verdict(
    policy: ExceptionPolicy,
    reason: Reason,
    inline: bool,
) -> (Verdict, FlowAction, bool) {
    use crate::verdict::RejectTo;
    match policy {
        ExceptionPolicy::Ignore => (Verdict::Forward, FlowAction::None, false),
        ExceptionPolicy::DropPacket if inline => (Verdict::Drop(reason), FlowAction::None, false),
        ExceptionPolicy::DropFlow if inline => (Verdict::Drop(reason), FlowAction::Drop(reason), false),
        ExceptionPolicy::Reject if inline => {
            (Verdict::Reject(reason, RejectTo::Both), FlowAction::Drop(reason), false)
        }
        ExceptionPolicy::Reject => (Verdict::Forward, FlowAction::None, true),
        ExceptionPolicy::DropPacket | ExceptionPolicy::DropFlow => {
            (Verdict::Forward, FlowAction::None, false)
        }
        ExceptionPolicy::PassPacket => (Verdict::Forward, FlowAction::None, false),
        ExceptionPolicy::PassFlow => (Verdict::Forward, FlowAction::Pass, true),
        ExceptionPolicy::Bypass => (Verdict::Forward, FlowAction::Pass, true),
    }
}

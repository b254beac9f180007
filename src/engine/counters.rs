//! Counters of a worker under the names that Suricata's `stats` records use.

use std::collections::BTreeMap;

use crate::decode::DecodeCounters;
use crate::types::Proto;

/// What a worker counted beside decoding.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Frames.
    pub frames: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// First and last time seen, nanoseconds.
    pub span: Option<(u64, u64)>,
    /// Matches that alerted.
    pub alerts: u64,
    /// Matches beyond `packet-alert-max`.
    pub alerts_overflow: u64,
    /// Frames that there was no room for.
    pub frames_missed: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// Packets that went on with other bytes (`replace`).
    pub replaced: u64,
    /// Flows begun.
    pub flows: u64,
    /// Flows begun, by transport: TCP, UDP, ICMP, other.
    pub flows_by_transport: [u64; 4],
    /// Flows ended early for want of memory.
    pub flows_evicted: u64,
    /// Packets whose flow found no room.
    pub flow_memcap: u64,
    /// TCP sessions, and those picked up in mid-stream.
    pub sessions: u64,
    /// Picked up in mid-stream.
    pub midstream: u64,
    /// Segments that made no sense where their session stood.
    pub stream_invalid: u64,
    /// Highest stream memory, bytes.
    pub stream_memory_max: u64,
    /// Flows that other flows announced, and those of them that found no room to be waited for.
    pub expected: u64,
    /// See there.
    pub expected_dropped: u64,
    /// Files that should have been stored and could not be: too long, with gaps, or without room.
    pub files_unstorable: u64,
    /// Transactions, by protocol.
    pub transactions: BTreeMap<&'static str, u64>,
    /// Flows, by protocol.
    pub protocols: BTreeMap<&'static str, u64>,
    /// Flows that ended, by application protocol and transport.
    pub ended: BTreeMap<(Option<&'static str>, Proto), u64>,
    /// Parsers that gave up, by protocol.
    pub parser_errors: BTreeMap<&'static str, u64>,
    /// Stream events, by name.
    pub stream_events: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Adds another worker's.
    pub fn add(&mut self, other: &Counters) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.span = match (self.span, other.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, two) => one.or(two),
        };
        self.alerts += other.alerts;
        self.alerts_overflow += other.alerts_overflow;
        self.frames_missed += other.frames_missed;
        self.dropped += other.dropped;
        self.replaced += other.replaced;
        self.flows += other.flows;
        for (sum, more) in self.flows_by_transport.iter_mut().zip(other.flows_by_transport) {
            *sum += more;
        }
        self.flows_evicted += other.flows_evicted;
        self.flow_memcap += other.flow_memcap;
        self.sessions += other.sessions;
        self.midstream += other.midstream;
        self.stream_invalid += other.stream_invalid;
        self.stream_memory_max += other.stream_memory_max;
        self.files_unstorable += other.files_unstorable;
        self.expected += other.expected;
        self.expected_dropped += other.expected_dropped;
        for (key, count) in &other.ended {
            *self.ended.entry(*key).or_default() += count;
        }
        for (sums, more) in [
            (&mut self.transactions, &other.transactions),
            (&mut self.protocols, &other.protocols),
            (&mut self.parser_errors, &other.parser_errors),
            (&mut self.stream_events, &other.stream_events),
        ] {
            for (name, count) in more {
                *sums.entry(name).or_default() += count;
            }
        }
    }

    /// All of them with the decoder's, as (dotted name, value).
    pub fn named(&self, decode: &DecodeCounters) -> Vec<(String, u64)> {
        let mut all: Vec<(String, u64)> =
            decode.iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let [tcp, udp, icmp, other] = self.flows_by_transport;
        let fixed = [
            ("flow.total", self.flows),
            ("flow.tcp", tcp),
            ("flow.udp", udp),
            ("flow.icmpv4", icmp),
            ("flow.other", other),
            ("flow.memcap", self.flow_memcap),
            ("flow.evicted", self.flows_evicted),
            ("tcp.sessions", self.sessions),
            ("tcp.midstream_pickups", self.midstream),
            ("tcp.invalid", self.stream_invalid),
            ("tcp.reassembly_memuse_max", self.stream_memory_max),
            ("detect.alert", self.alerts),
            ("detect.alert_queue_overflow", self.alerts_overflow),
            ("app_layer.frames_missed", self.frames_missed),
            ("ips.blocked", self.dropped),
            ("ips.replaced", self.replaced),
            ("app_layer.expectations", self.expected),
            ("app_layer.expectations_dropped", self.expected_dropped),
            ("file_store.unstorable", self.files_unstorable),
        ];
        all.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
        for (section, counts) in [
            ("app_layer.flow", &self.protocols),
            ("app_layer.tx", &self.transactions),
            ("app_layer.error", &self.parser_errors),
            ("stream.event", &self.stream_events),
        ] {
            all.extend(counts.iter().map(|(name, count)| (format!("{section}.{name}"), *count)));
        }
        all
    }
}

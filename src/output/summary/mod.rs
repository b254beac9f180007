//! What a person sees when a replay is over, and the same for scripts.
//!
//! Gathers plain data while events pass, in bounded memory; [`Summary::render_terminal`] makes the table,
//! [`Summary::render_json`] the object of `--json`. No clock: the caller says how long it took.

mod json;
mod rules;
mod terminal;
mod text;

use std::net::IpAddr;

use ahash::AHashMap;

pub use rules::{RuleRow, rule_perf_log};

use crate::types::{Endpoint, Proto, Timestamp};

/// Distinct rows (signature and two addresses) that are kept; further ones count as "other".
pub const ROWS_MAX: usize = 10_000;

/// Distinct application protocols that are kept; further ones count under `other`.
const PROTOCOLS_MAX: usize = 256;

/// Capture faults that are kept with their text.
const FAULTS_MAX: usize = 100;

/// One alert.
#[derive(Clone, Copy, Debug)]
pub struct AlertRow<'a> {
    /// Time of its packet.
    pub timestamp: Timestamp,
    /// Generator.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// 1 (worst) ..=255.
    pub severity: u8,
    /// The rule's `msg`.
    pub signature: &'a str,
    /// Description of its `classtype`; empty for none.
    pub category: &'a str,
    /// MITRE ATT&CK technique from its metadata (`T1610`).
    pub technique: Option<&'a str>,
    /// Who opened the flow; the source of a packet without one.
    pub client: Option<Endpoint>,
    /// The other end.
    pub server: Option<Endpoint>,
    /// Protocol above IP.
    pub proto: Option<Proto>,
    /// Application protocol.
    pub app_proto: Option<&'a str>,
    /// The packet was dropped.
    pub dropped: bool,
}

/// What is known so far. The public fields are the caller's to set before rendering.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What was read, in a few words: `lateral-movement.pcap`, `12 captures`.
    pub source: String,
    /// How long it took, seconds of wall clock.
    pub wall_seconds: f64,
    /// Rules in use, and rules that could not be loaded.
    pub rules: Option<(usize, usize)>,
    /// Where `eve.json` is, and how many records were written to it.
    pub eve: Option<(String, u64)>,
    /// What rules cost, the slowest first; empty unless it was measured.
    pub costs: Vec<RuleRow>,
    packets: u64,
    bytes: u64,
    span: Option<(Timestamp, Timestamp)>,
    alerts: u64,
    dropped: u64,
    /// Alerts beyond [`ROWS_MAX`].
    other: u64,
    signatures: AHashMap<(u32, u32), Signature>,
    rows: AHashMap<RowKey, Row>,
    flows: u64,
    protocols: AHashMap<String, u64>,
    faults: Vec<(String, String)>,
    faults_more: u64,
}

type RowKey = (u32, u32, Option<IpAddr>, Option<IpAddr>);

#[derive(Clone, Debug)]
struct Signature {
    severity: u8,
    message: String,
    category: String,
    technique: Option<String>,
    count: u64,
    dropped: u64,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Clone, Debug)]
struct Row {
    client: Option<Endpoint>,
    server: Option<Endpoint>,
    proto: Option<Proto>,
    app_proto: Option<String>,
    count: u64,
    dropped: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Summary {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One alert. Allocates only for a row that is new.
    pub fn alert(&mut self, alert: &AlertRow<'_>) {
        self.alerts += 1;
        self.dropped += u64::from(alert.dropped);
        let id = (alert.gid, alert.sid);
        if !self.signatures.contains_key(&id) {
            if self.signatures.len() >= ROWS_MAX {
                self.other += 1;
                return;
            }
            self.signatures.insert(id, Signature::of(alert));
        }
        if let Some(signature) = self.signatures.get_mut(&id) {
            signature.count += 1;
            signature.dropped += u64::from(alert.dropped);
            signature.first = signature.first.min(alert.timestamp);
            signature.last = signature.last.max(alert.timestamp);
        }
        let key = (alert.gid, alert.sid, alert.client.map(|end| end.ip), alert.server.map(|end| end.ip));
        if let Some(row) = self.rows.get_mut(&key) {
            row.count += 1;
            row.dropped += u64::from(alert.dropped);
            row.first = row.first.min(alert.timestamp);
            row.last = row.last.max(alert.timestamp);
        } else if self.rows.len() < ROWS_MAX {
            self.rows.insert(key, Row::of(alert));
        } else {
            self.other += 1;
        }
    }

    /// Flows that ended, by their application protocol (`failed` and none are told apart from known ones by name only).
    pub fn flows(&mut self, app_proto: Option<&str>, proto: Proto, count: u64) {
        self.flows += count;
        let name = match app_proto {
            Some(name) if name != "failed" && name != "unknown" => name,
            _ => match proto.name() {
                Some("TCP") => "tcp (other)",
                Some("UDP") => "udp (other)",
                Some(name) => return self.count_protocol(&name.to_ascii_lowercase(), count),
                None => "other",
            },
        };
        self.count_protocol(name, count);
    }

    /// Packets that were read, their bytes on the wire, and the time of the first and the last.
    pub fn packets(&mut self, count: u64, bytes: u64, first: Timestamp, last: Timestamp) {
        self.packets += count;
        self.bytes += bytes;
        if count > 0 {
            self.widen(first, last);
        }
    }

    /// A capture that is not whole: its name and what is wrong with it.
    pub fn fault(&mut self, capture: impl Into<String>, what: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push((capture.into(), what.into()));
        } else {
            self.faults_more += 1;
        }
    }

    /// Adds what another one (of another worker, of another capture) gathered. Public fields stay.
    pub fn merge(&mut self, other: Summary) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        if let Some((first, last)) = other.span {
            self.widen(first, last);
        }
        self.alerts += other.alerts;
        self.dropped += other.dropped;
        self.other += other.other;
        self.flows += other.flows;
        for (id, theirs) in other.signatures {
            if let Some(ours) = self.signatures.get_mut(&id) {
                ours.count += theirs.count;
                ours.dropped += theirs.dropped;
                ours.first = ours.first.min(theirs.first);
                ours.last = ours.last.max(theirs.last);
            } else if self.signatures.len() < ROWS_MAX {
                self.signatures.insert(id, theirs);
            } else {
                self.other += theirs.count;
            }
        }
        for (key, theirs) in other.rows {
            if let Some(ours) = self.rows.get_mut(&key) {
                ours.count += theirs.count;
                ours.dropped += theirs.dropped;
                ours.first = ours.first.min(theirs.first);
                ours.last = ours.last.max(theirs.last);
            } else if self.rows.len() < ROWS_MAX {
                self.rows.insert(key, theirs);
            } else if self.signatures.contains_key(&(key.0, key.1)) {
                self.other += theirs.count;
            }
        }
        for (name, count) in other.protocols {
            self.count_protocol(&name, count);
        }
        for (capture, what) in other.faults {
            self.fault(capture, what);
        }
        self.faults_more += other.faults_more;
    }

    /// Alerts so far.
    pub fn alerts(&self) -> u64 {
        self.alerts
    }

    /// Packets so far.
    pub fn packet_count(&self) -> u64 {
        self.packets
    }

    /// Whether some capture was not whole.
    pub fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    fn count_protocol(&mut self, name: &str, count: u64) {
        if let Some(known) = self.protocols.get_mut(name) {
            *known += count;
        } else {
            let name = if self.protocols.len() < PROTOCOLS_MAX { name } else { "other" };
            *self.protocols.entry(name.to_owned()).or_default() += count;
        }
    }

    fn widen(&mut self, first: Timestamp, last: Timestamp) {
        let (from, to) = self.span.unwrap_or((first, last));
        self.span = Some((from.min(first), to.max(last)));
    }

    /// Time covered by the packets, seconds.
    fn capture_seconds(&self) -> f64 {
        self.span.map_or(0.0, |(first, last)| last.since(first) as f64 / 1e9)
    }

    /// Signatures, worst first, then most frequent, then by number.
    fn signatures_sorted(&self) -> Vec<(&(u32, u32), &Signature)> {
        let mut all: Vec<_> = self.signatures.iter().collect();
        all.sort_by_key(|(id, signature)| (signature.severity, u64::MAX - signature.count, **id));
        all
    }

    /// The rows of all signatures: by signature, then most frequent first, then by address.
    fn rows_sorted(&self) -> Vec<(&RowKey, &Row)> {
        let mut all: Vec<_> = self.rows.iter().collect();
        all.sort_by_key(|(key, row)| ((key.0, key.1), u64::MAX - row.count, **key));
        all
    }

    /// Protocols, most frequent first.
    fn protocols_sorted(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.protocols.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        all.sort_by_key(|(name, count)| (u64::MAX - count, *name));
        all
    }
}

impl Signature {
    fn of(alert: &AlertRow<'_>) -> Self {
        Signature {
            severity: alert.severity,
            message: alert.signature.to_owned(),
            category: alert.category.to_owned(),
            technique: alert.technique.map(str::to_owned),
            count: 0,
            dropped: 0,
            first: alert.timestamp,
            last: alert.timestamp,
        }
    }
}

impl Row {
    fn of(alert: &AlertRow<'_>) -> Self {
        Row {
            client: alert.client,
            server: alert.server,
            proto: alert.proto,
            app_proto: alert.app_proto.map(str::to_owned),
            count: 1,
            dropped: u64::from(alert.dropped),
            first: alert.timestamp,
            last: alert.timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn alert(sid: u32, severity: u8, client: &str, server: &str) -> AlertRow<'static> {
        AlertRow {
            timestamp: Timestamp::new(1_700_000_000 + u64::from(sid), 0),
            gid: 1,
            sid,
            severity,
            signature: "Exposed Docker API: a container is created",
            category: "Attempted Administrator Privilege Gain",
            technique: Some("T1610"),
            client: Some(Endpoint { ip: client.parse().unwrap(), port: 40_000 }),
            server: Some(Endpoint { ip: server.parse().unwrap(), port: 2375 }),
            proto: Some(Proto::TCP),
            app_proto: Some("http"),
            dropped: sid.is_multiple_of(2),
        }
    }

    pub(super) fn sample() -> Summary {
        let mut summary = Summary::new();
        summary.source = "lateral-movement.pcap".to_owned();
        summary.wall_seconds = 0.25;
        summary.rules = Some((124, 1));
        summary.eve = Some(("logs/eve.json".to_owned(), 82));
        summary.packets(
            12_345,
            6_789_012,
            Timestamp::new(1_700_000_000, 0),
            Timestamp::new(1_700_000_075, 500_000_000),
        );
        for _ in 0..12 {
            summary.alert(&alert(9_000_101, 1, "172.18.0.3", "172.18.0.7"));
        }
        summary.alert(&alert(9_000_101, 1, "172.18.0.4", "172.18.0.7"));
        summary.alert(&alert(9_000_102, 2, "fd00::18:3", "fd00:0:0:1:2:3:4:5"));
        summary.alert(&AlertRow {
            signature: "Überlänge 日本語のシグネチャ \u{1b}[31mwith an escape, and a text that goes on and on and on",
            technique: None,
            ..alert(3, 3, "10.0.0.1", "10.0.0.2")
        });
        for _ in 0..20 {
            summary.flows(Some("http"), Proto::TCP, 1);
        }
        for _ in 0..7 {
            summary.flows(Some("dns"), Proto::UDP, 1);
        }
        summary.flows(None, Proto::TCP, 1);
        summary.flows(None, Proto::ICMP, 1);
        summary
    }

    #[test]
    fn rows_are_bounded_and_nothing_is_uncounted() {
        let mut summary = Summary::new();
        for nth in 0..(ROWS_MAX as u32 + 500) {
            let ip = std::net::Ipv4Addr::from(0x0a00_0000 + nth);
            summary.alert(&AlertRow {
                client: Some(Endpoint { ip: IpAddr::V4(ip), port: 1 }),
                ..alert(7, 1, "10.0.0.1", "10.0.0.2")
            });
        }
        assert_eq!((summary.rows.len(), summary.other), (ROWS_MAX, 500));
        assert_eq!(summary.signatures[&(1, 7)].count, ROWS_MAX as u64 + 500);
        for sid in 100..(ROWS_MAX as u32 + 200) {
            summary.alert(&alert(sid, 1, "10.0.0.1", "10.0.0.2"));
        }
        assert!(summary.signatures.len() <= ROWS_MAX && summary.rows.len() <= ROWS_MAX);
        for nth in 0..1000 {
            summary.flows(Some(&format!("made-up-{nth}")), Proto::TCP, 1);
        }
        assert!(summary.protocols.len() <= PROTOCOLS_MAX + 1);
        for _ in 0..1000 {
            summary.fault("a", "b");
        }
        assert_eq!((summary.faults.len(), summary.faults_more), (FAULTS_MAX, 1000 - FAULTS_MAX as u64));
    }

    #[test]
    fn two_workers_together_are_one() {
        let both = {
            let mut both = sample();
            both.merge(sample());
            both
        };
        let one = {
            let mut one = sample();
            let second = sample();
            one.packets(second.packets, second.bytes, second.span.unwrap().0, second.span.unwrap().1);
            for _ in 0..12 {
                one.alert(&alert(9_000_101, 1, "172.18.0.3", "172.18.0.7"));
            }
            one.alert(&alert(9_000_101, 1, "172.18.0.4", "172.18.0.7"));
            one.alert(&alert(9_000_102, 2, "fd00::18:3", "fd00:0:0:1:2:3:4:5"));
            one.alert(&alert(3, 3, "10.0.0.1", "10.0.0.2"));
            (0..20).for_each(|_| one.flows(Some("http"), Proto::TCP, 1));
            (0..7).for_each(|_| one.flows(Some("dns"), Proto::UDP, 1));
            one.flows(Some("failed"), Proto::TCP, 1);
            one.flows(None, Proto::ICMP, 1);
            one
        };
        assert_eq!(both.render_json(), one.render_json());
        assert_eq!(both.render_terminal(120, true), one.render_terminal(120, true));
    }
}

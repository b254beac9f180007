//! Where the output of all workers comes together, in the order of packets.
//!
//! What spans flows (thresholds, host bits) must be judged in that order. With one worker the worker judges for itself,
//! before it acts; with several each hands over what matched, and the collector judges it here: so the alerts are the
//! same for any number of workers.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use crate::detect::RuleSet;
use crate::detect::host::{Candidate, Hosts, Judgement};
use crate::output::fast::FastLine;
use crate::output::{AlertRow, LineSender, Summary};
use crate::types::{Endpoint, Proto};

/// What is known of an alert beside its record.
#[derive(Clone, Debug)]
pub struct AlertFacts {
    /// For [`Hosts`].
    pub candidate: Candidate,
    /// [`Hosts`] has judged it already.
    pub judged: bool,
    /// Client and server, or source and destination of a packet without flow.
    pub ends: Option<(Endpoint, Endpoint)>,
    /// Source and destination of the packet.
    pub packet_ends: Option<(Endpoint, Endpoint)>,
    /// Protocol above IP.
    pub proto: Option<Proto>,
    /// ICMP type and code.
    pub icmp: Option<(u8, u8)>,
    /// Application protocol.
    pub app_proto: Option<&'static str>,
    /// The packet was dropped by it.
    pub dropped: bool,
}

/// What flow records say of alerts.
const NOT_ALERTED: &[u8] = b"\"alerted\":false";
const ALERTED: &[u8] = b"\"alerted\":true";

#[derive(Debug)]
struct Item {
    number: u64,
    line: Range<usize>,
    alert: Option<Box<AlertFacts>>,
    /// The line tells the end of this flow.
    ended: Option<u64>,
}

/// Records of one worker over some packets.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

impl Batch {
    /// Adds a record; `number` is the packet's, `u64::MAX` behind the last one.
    pub fn push(&mut self, number: u64, line: &[u8], alert: Option<AlertFacts>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(line);
        self.items.push(Item {
            number,
            line: start..self.bytes.len(),
            alert: alert.map(Box::new),
            ended: None,
        });
    }

    /// Adds the record of a flow's end.
    pub fn push_end(&mut self, number: u64, line: &[u8], flow: u64) {
        self.push(number, line, None);
        if let Some(item) = self.items.last_mut() {
            item.ended = Some(flow);
        }
    }

    /// Bytes of records held.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The records in the order they came: number of the packet, the line, and what is known of an alert.
    pub fn records(&self) -> impl Iterator<Item = (u64, &[u8], Option<&AlertFacts>)> {
        self.items.iter().map(|item| (item.number, &self.bytes[item.line.clone()], item.alert.as_deref()))
    }

    /// Forgets them; the room stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }
}

/// A file of records.
pub struct EveFile {
    /// Where they go.
    pub sender: LineSender,
    /// The event types that it gets; `None` for all.
    pub wanted: Option<Vec<String>>,
}

impl EveFile {
    fn wants(&self, line: &[u8]) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        event_type(line).is_some_and(|event| wanted.iter().any(|known| known.as_bytes() == event))
    }
}

/// The event type of a record: it stands before anything that comes from traffic.
fn event_type(line: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"\"event_type\":\"";
    let rest = line.get(memchr::memmem::find(line, KEY)? + KEY.len()..)?;
    rest.get(..memchr::memchr(b'"', rest)?)
}

/// Judges, counts and writes.
pub struct Collector {
    rules: Arc<RuleSet>,
    hosts: Hosts,
    /// Flows with an alert that was judged here and whose end has not been told: their workers do not know.
    alerted: HashSet<u64, ahash::RandomState>,
    eve: Vec<EveFile>,
    fast: Option<LineSender>,
    /// What a person is told at the end.
    pub summary: Summary,
    /// Alerts written.
    pub alerts: u64,
    /// Records written.
    pub records: u64,
}

impl Collector {
    /// Writes to these.
    pub fn new(rules: Arc<RuleSet>, eve: Vec<EveFile>, fast: Option<LineSender>) -> Self {
        Collector {
            rules,
            hosts: Hosts::new(Vec::new()),
            alerted: HashSet::default(),
            eve,
            fast,
            summary: Summary::new(),
            alerts: 0,
            records: 0,
        }
    }

    /// Another capture begins: no host is known.
    pub fn begin(&mut self, hosts: Hosts) {
        self.hosts = hosts;
        self.alerted.clear();
    }

    /// Other rules follow.
    pub fn renew(&mut self, rules: Arc<RuleSet>) {
        self.rules = rules;
    }

    /// Hands what was written so far over to the writers.
    pub fn flush(&mut self) {
        self.eve.iter_mut().map(|file| &mut file.sender).chain(&mut self.fast).for_each(LineSender::flush);
    }

    /// Whether writing has failed: what is left to do cannot become whole.
    pub fn output_failed(&self) -> bool {
        self.eve.iter().any(|file| file.sender.failed())
    }

    /// Hands over what is held; what was counted stays.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.eve = Vec::new();
        self.fast = None;
        self
    }

    /// Takes the batches of all workers over the same packets, and empties them.
    pub fn take(&mut self, batches: &mut [Batch]) {
        match &*batches {
            [only] => {
                for item in &only.items {
                    self.item(item, &only.bytes);
                }
            }
            several => {
                let mut order: Vec<(u64, usize, usize)> = Vec::new();
                for (worker, batch) in several.iter().enumerate() {
                    order.extend(batch.items.iter().enumerate().map(|(at, item)| (item.number, worker, at)));
                }
                order.sort_unstable();
                for (_, worker, at) in order {
                    let batch = &several[worker];
                    self.item(&batch.items[at], &batch.bytes);
                }
            }
        }
        batches.iter_mut().for_each(Batch::clear);
    }

    /// Writes a record that belongs to no packet.
    pub fn line(&mut self, line: &[u8]) {
        self.records += 1;
        for file in &mut self.eve {
            if file.wants(line) {
                file.sender.line(line);
            }
        }
    }

    fn item(&mut self, item: &Item, bytes: &[u8]) {
        if let Some(facts) = &item.alert {
            let rule = &self.rules.rules[facts.candidate.rule as usize];
            if !facts.judged
                && !matches!(self.hosts.judge(rule, &facts.candidate), Judgement::Alert | Judgement::Rated(_))
            {
                return;
            }
            if rule.noalert {
                return;
            }
            if !facts.judged && facts.candidate.flow != 0 {
                self.alerted.insert(facts.candidate.flow);
            }
            self.alerts += 1;
            let meta = &rule.meta;
            self.summary.alert(&AlertRow {
                timestamp: facts.candidate.timestamp,
                gid: meta.gid,
                sid: meta.sid,
                severity: meta.priority,
                signature: &meta.msg,
                category: &meta.category,
                technique: meta
                    .metadata
                    .iter()
                    .find(|(key, _)| *key == "mitre_technique_id")
                    .map(|(_, value)| value),
                client: facts.ends.map(|(client, _)| client),
                server: facts.ends.map(|(_, server)| server),
                proto: facts.proto,
                app_proto: facts.app_proto,
                dropped: facts.dropped,
            });
            if let Some(fast) = &mut self.fast {
                let line = FastLine {
                    timestamp: facts.candidate.timestamp,
                    dropped: facts.dropped,
                    rule: (meta.gid, meta.sid, meta.rev),
                    signature: &meta.msg,
                    category: &meta.category,
                    severity: meta.priority,
                    proto: facts.proto,
                    ends: facts.packet_ends,
                    icmp: facts.icmp,
                };
                fast.line(line.to_string().as_bytes());
            }
        }
        if item.ended.is_some_and(|flow| self.alerted.remove(&flow)) {
            let line = &bytes[item.line.clone()];
            if let Some(at) = memchr::memmem::find(line, NOT_ALERTED) {
                let rest = &line[at + NOT_ALERTED.len()..];
                return self.line(&[&line[..at], ALERTED, rest].concat());
            }
        }
        if !item.line.is_empty() {
            self.line(&bytes[item.line.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_an_event_type() {
        let line = br#"{"timestamp":"x","event_type":"dns","dns":{"rrname":"\"event_type\":\"tls\""}}"#;
        assert_eq!(event_type(line), Some(&b"dns"[..]));
        assert_eq!(event_type(b"{}"), None);
        assert_eq!(event_type(b"\"event_type\":\"cut"), None);
    }
}

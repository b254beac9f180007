//! What spans flows: thresholds, suppression, and the bits that hosts carry.
//!
//! Everything here depends on the order of packets over all flows, so it is judged in one place, in that order, whatever
//! the number of workers: [`Hosts::judge`] takes what matched and says what becomes of it. Time is the packet's.

use std::collections::HashMap;
use std::net::IpAddr;

use super::rule::{BitOp, HostBit, PortOf, Rule, Threshold, ThresholdKind, Track};
use crate::rules::Action;
use crate::rules::threshold as file;
use crate::types::Timestamp;

/// Entries of each table beyond which old ones are thrown out.
const ENTRIES_MAX: usize = 1 << 18;

/// Hosts whose ports are remembered (`unique_on`) beyond which all are forgotten.
const PORTS_MAX: usize = 1 << 13;

/// A match as far as hosts are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The rule's number in its set.
    pub rule: u32,
    /// When.
    pub timestamp: Timestamp,
    /// Source of the packet.
    pub source: IpAddr,
    /// Destination of the packet.
    pub destination: IpAddr,
    /// Its flow, 0 for none.
    pub flow: u64,
    /// The transaction it is about.
    pub tx: Option<u64>,
    /// Source and destination port, where there are ports.
    pub ports: Option<(u16, u16)>,
}

/// What becomes of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It did not match after all (`xbits:isset`, `detection_filter`).
    NoMatch,
    /// It acts but tells nobody (`threshold`, `suppress`).
    Silent,
    /// It alerts.
    Alert,
    /// It alerts, and acts as a `rate_filter` says.
    Rated(Action),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    One(IpAddr),
    Two(IpAddr, IpAddr),
    Rule,
    Flow(u64),
    Tx(u64, Option<u64>),
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    since: Timestamp,
    count: u32,
    /// When a rate filter began to act.
    acting: Option<Timestamp>,
    /// The match that alerts next (`backoff`).
    next: u32,
}

impl Counter {
    /// Counts one more; the count begins anew when more than the time is over.
    fn count_within(&mut self, seconds: u32, now: Timestamp) {
        if now.since(self.since) > u64::from(seconds) * 1_000_000_000 {
            self.since = now;
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
    }
}

/// Thresholds and bits of all hosts.
pub struct Hosts {
    /// Lines of the threshold file.
    filters: Vec<file::ThresholdEntry>,
    counters: HashMap<(u32, u8, Who), Counter, ahash::RandomState>,
    /// Ports that were counted (`unique_on`), in order.
    ports: HashMap<(u32, Who), Vec<u16>, ahash::RandomState>,
    /// Names of bits by number: `hostbits:NAME` and `xbits:NAME`.
    names: Vec<String>,
    /// When each bit was set and when it ends.
    bits: HashMap<(u32, Who), Option<Timestamp>, ahash::RandomState>,
}

impl Hosts {
    /// No host is known yet.
    pub fn new(filters: Vec<file::ThresholdEntry>) -> Self {
        Hosts {
            filters,
            counters: HashMap::default(),
            ports: HashMap::default(),
            names: Vec::new(),
            bits: HashMap::default(),
        }
    }

    /// The names of bits, by which a person sets and asks for them.
    pub fn set_names(&mut self, names: &[String]) {
        self.names = names.to_vec();
    }

    /// The numbers of bits of that name: of `hostbits`, of `xbits`, or both.
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = u32> + 'a {
        let is_it = move |known: &str| {
            known.split_once(':').is_some_and(|(kind, rest)| rest == name && !kind.is_empty())
        };
        self.names.iter().zip(0..).filter(move |(known, _)| is_it(known)).map(|(_, id)| id)
    }

    /// Sets a bit of a host by hand, for so many seconds. False when no rule knows a bit of that name, or there is no room for more.
    pub fn add_bit(&mut self, address: IpAddr, name: &str, seconds: u32, now: Timestamp) -> bool {
        let ids: Vec<u32> = self.named(name).collect();
        let until = Timestamp(now.0.saturating_add(u64::from(seconds) * 1_000_000_000));
        for id in &ids {
            if !self.insert_bit((*id, Who::One(address)), Some(until), now) {
                return false;
            }
        }
        !ids.is_empty()
    }

    /// Takes a bit of a host away by hand. False when no rule knows a bit of that name.
    pub fn remove_bit(&mut self, address: IpAddr, name: &str) -> bool {
        let ids: Vec<u32> = self.named(name).collect();
        for id in &ids {
            self.bits.remove(&(*id, Who::One(address)));
        }
        !ids.is_empty()
    }

    /// The bits of a host, and seconds until each ends; `None` for one that does not.
    pub fn bits_of(&self, address: IpAddr, now: Timestamp) -> Vec<(String, Option<u64>)> {
        let found = self.names.iter().zip(0..).filter_map(|(name, id)| {
            let until = *self.bits.get(&(id, Who::One(address)))?;
            let name = name.split_once(':').map_or(name.as_str(), |(_, name)| name);
            match until {
                Some(until) if until < now => None,
                until => Some((name.to_owned(), until.map(|until| until.since(now).div_ceil(1_000_000_000)))),
            }
        });
        let mut all: Vec<(String, Option<u64>)> = Vec::new();
        for (name, seconds) in found {
            // of `hostbits` and `xbits` of the same name, which are set together
            if !all.iter().any(|(known, _)| *known == name) {
                all.push((name, seconds));
            }
        }
        all
    }

    /// Other rules follow: what is remembered for a rule or a bit that is there again stays. `rule` and `bit` give the new number of
    /// an old one.
    pub fn renew(
        &mut self,
        filters: Vec<file::ThresholdEntry>,
        rule: &dyn Fn(u32) -> Option<u32>,
        bit: &dyn Fn(u32) -> Option<u32>,
    ) {
        self.filters = filters;
        let counters = std::mem::take(&mut self.counters).into_iter();
        self.counters =
            counters.filter_map(|((id, table, who), count)| Some(((rule(id)?, table, who), count))).collect();
        let ports = std::mem::take(&mut self.ports).into_iter();
        self.ports = ports.filter_map(|((id, who), seen)| Some(((rule(id)?, who), seen))).collect();
        let bits = std::mem::take(&mut self.bits).into_iter();
        self.bits = bits.filter_map(|((id, who), until)| Some(((bit(id)?, who), until))).collect();
    }

    /// What becomes of a match of `rule`.
    pub fn judge(&mut self, rule: &Rule, found: &Candidate) -> Judgement {
        for bit in &rule.host_tests {
            let is_set = self.bit(bit, found);
            if is_set != (bit.op == BitOp::IsSet) {
                return Judgement::NoMatch;
            }
        }
        let threshold = self.event_filter(rule).or(rule.threshold);
        let mut judgement = Judgement::Alert;
        if let Some(threshold) = threshold {
            judgement = self.threshold(&threshold, 0, found);
            if judgement == Judgement::NoMatch {
                return judgement;
            }
        }
        for bit in &rule.host_actions {
            self.set_bit(bit, found);
        }
        if self.is_suppressed(rule, found) {
            return Judgement::Silent;
        }
        match self.rate(rule, found) {
            Some(action) if judgement == Judgement::Alert => Judgement::Rated(action),
            _ => judgement,
        }
    }

    /// The threshold that the file puts in place of the rule's own.
    fn event_filter(&self, rule: &Rule) -> Option<Threshold> {
        self.filters.iter().rev().filter(|entry| fits(entry, rule)).find_map(|entry| match &entry.kind {
            file::ThresholdKind::EventFilter { kind, track: by, count, seconds } => Some(Threshold {
                kind: match kind {
                    file::FilterType::Limit => ThresholdKind::Limit,
                    file::FilterType::Threshold => ThresholdKind::Threshold,
                    file::FilterType::Both => ThresholdKind::Both,
                },
                track: track(*by),
                count: *count,
                seconds: *seconds,
                multiplier: 0,
                unique: None,
            }),
            _ => None,
        })
    }

    fn threshold(&mut self, threshold: &Threshold, table: u8, found: &Candidate) -> Judgement {
        if let Some(of) = threshold.unique {
            return self.unique(threshold, of, table, found);
        }
        let counter = self.counter(found.rule, table, who(threshold.track, found), found.timestamp);
        if threshold.kind == ThresholdKind::Backoff {
            counter.count = counter.count.saturating_add(1);
            let next = counter.next.max(threshold.count);
            return match counter.count {
                now if now == next => {
                    counter.next = next.saturating_mul(threshold.multiplier);
                    Judgement::Alert
                }
                // before the first alert it has not matched yet
                _ if counter.next == 0 => Judgement::NoMatch,
                _ => Judgement::Silent,
            };
        }
        counter.count_within(threshold.seconds, found.timestamp);
        match threshold.kind {
            ThresholdKind::Limit if counter.count <= threshold.count => Judgement::Alert,
            ThresholdKind::Both if counter.count == threshold.count => Judgement::Alert,
            ThresholdKind::Threshold if counter.count >= threshold.count => {
                counter.count = 0;
                Judgement::Alert
            }
            ThresholdKind::DetectionFilter if counter.count > threshold.count => Judgement::Alert,
            ThresholdKind::DetectionFilter => Judgement::NoMatch,
            ThresholdKind::Threshold => Judgement::NoMatch,
            ThresholdKind::Limit | ThresholdKind::Both if counter.count > threshold.count => {
                Judgement::Silent
            }
            ThresholdKind::Limit | ThresholdKind::Both | ThresholdKind::Backoff => Judgement::NoMatch,
        }
    }

    /// `unique_on`: what is counted is ports, each once within the time.
    fn unique(&mut self, threshold: &Threshold, of: PortOf, table: u8, found: &Candidate) -> Judgement {
        let Some((source, destination)) = found.ports else { return Judgement::NoMatch };
        let port = if of == PortOf::Source { source } else { destination };
        let who = who(threshold.track, found);
        let counter = self.counter(found.rule, table, who, found.timestamp);
        let before = counter.since;
        counter.count_within(threshold.seconds, found.timestamp);
        let anew = counter.since != before;
        if self.ports.len() >= PORTS_MAX {
            self.ports.clear();
        }
        let seen = self.ports.entry((found.rule, who)).or_default();
        if anew {
            seen.clear();
        }
        // one more than is asked for is enough to know
        if let (Err(at), true) = (seen.binary_search(&port), seen.len() <= threshold.count as usize) {
            seen.insert(at, port);
        }
        if seen.len() > threshold.count as usize { Judgement::Alert } else { Judgement::NoMatch }
    }

    fn counter(&mut self, rule: u32, table: u8, who: Who, now: Timestamp) -> &mut Counter {
        if self.counters.len() >= ENTRIES_MAX {
            // room is made by age: half of the range of times goes
            let oldest = self.counters.values().map(|c| c.since).min().unwrap_or(now);
            let middle = Timestamp(oldest.0 + now.since(oldest) / 2);
            self.counters.retain(|_, counter| counter.since > middle);
        }
        self.counters.entry((rule, table, who)).or_insert(Counter {
            since: now,
            count: 0,
            acting: None,
            next: 0,
        })
    }

    /// What a rate filter makes of the rule's action now.
    fn rate(&mut self, rule: &Rule, found: &Candidate) -> Option<Action> {
        let (by, count, seconds, new_action, timeout) =
            self.filters.iter().rev().filter(|entry| fits(entry, rule)).find_map(|entry| {
                match &entry.kind {
                    file::ThresholdKind::RateFilter { track, count, seconds, new_action, timeout } => {
                        Some((*track, *count, *seconds, *new_action, *timeout))
                    }
                    _ => None,
                }
            })?;
        let now = found.timestamp;
        let counter = self.counter(found.rule, 1, who(track(by), found), now);
        if let Some(since) = counter.acting {
            if timeout == 0 || now.seconds_since(since) < u64::from(timeout) {
                return Some(new_action);
            }
            *counter = Counter { since: now, count: 0, acting: None, next: 0 };
        }
        counter.count_within(seconds, now);
        if counter.count <= count {
            return None;
        }
        counter.acting = Some(now);
        Some(new_action)
    }

    fn is_suppressed(&self, rule: &Rule, found: &Candidate) -> bool {
        self.filters.iter().filter(|entry| fits(entry, rule)).any(|entry| match &entry.kind {
            file::ThresholdKind::Suppress(None) => true,
            file::ThresholdKind::Suppress(Some((by, set))) => match by {
                file::SuppressTrack::BySrc => set.contains(found.source),
                file::SuppressTrack::ByDst => set.contains(found.destination),
                file::SuppressTrack::ByEither => {
                    set.contains(found.source) || set.contains(found.destination)
                }
            },
            _ => false,
        })
    }

    fn bit(&mut self, bit: &HostBit, found: &Candidate) -> bool {
        match self.bits.get(&(bit.bit, who(bit.track, found))) {
            Some(Some(until)) => *until > found.timestamp,
            Some(None) => true,
            None => false,
        }
    }

    fn set_bit(&mut self, bit: &HostBit, found: &Candidate) {
        let key = (bit.bit, who(bit.track, found));
        let on = match bit.op {
            BitOp::Set => true,
            BitOp::Unset => false,
            BitOp::Toggle => !self.bit(bit, found),
            BitOp::IsSet | BitOp::IsNotSet => return,
        };
        if !on {
            self.bits.remove(&key);
            return;
        }
        let until = (bit.expire > 0)
            .then(|| Timestamp(found.timestamp.0.saturating_add(u64::from(bit.expire) * 1_000_000_000)));
        self.insert_bit(key, until, found.timestamp);
    }

    /// False when there is no room.
    fn insert_bit(&mut self, key: (u32, Who), until: Option<Timestamp>, now: Timestamp) -> bool {
        if self.bits.len() >= ENTRIES_MAX {
            self.bits.retain(|_, until| until.is_none_or(|until| until > now));
            if self.bits.len() >= ENTRIES_MAX {
                return false;
            }
        }
        self.bits.insert(key, until);
        true
    }
}

fn fits(entry: &file::ThresholdEntry, rule: &Rule) -> bool {
    (entry.gid == 0 || entry.gid == rule.meta.gid) && (entry.sid == 0 || entry.sid == rule.meta.sid)
}

fn track(by: file::Track) -> Track {
    match by {
        file::Track::BySrc => Track::Source,
        file::Track::ByDst => Track::Destination,
        file::Track::ByBoth => Track::Both,
        file::Track::ByRule => Track::Rule,
        file::Track::ByFlow => Track::Flow,
    }
}

fn who(track: Track, found: &Candidate) -> Who {
    match track {
        Track::Source => Who::One(found.source),
        Track::Destination => Who::One(found.destination),
        Track::Both => {
            let (low, high) = if found.source <= found.destination {
                (found.source, found.destination)
            } else {
                (found.destination, found.source)
            };
            Who::Two(low, high)
        }
        Track::Rule => Who::Rule,
        Track::Flow => Who::Flow(found.flow),
        Track::Tx => Who::Tx(found.flow, found.tx),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(threshold: Threshold, matches: &[(u64, u16)]) -> Vec<Judgement> {
        let mut hosts = Hosts::new(Vec::new());
        let judge = |&(second, port): &(u64, u16)| {
            let found = Candidate {
                rule: 0,
                timestamp: Timestamp::new(1000 + second, 0),
                source: IpAddr::from([10, 0, 0, 1]),
                destination: IpAddr::from([10, 0, 0, 2]),
                flow: 7,
                tx: None,
                ports: Some((40_000, port)),
            };
            hosts.threshold(&threshold, 0, &found)
        };
        matches.iter().map(judge).collect()
    }

    #[test]
    fn backoff_alerts_ever_more_rarely() {
        use Judgement::{Alert, NoMatch, Silent};
        let threshold = Threshold {
            kind: ThresholdKind::Backoff,
            track: Track::Flow,
            count: 2,
            seconds: 0,
            multiplier: 3,
            unique: None,
        };
        let matches: Vec<_> = (0..19).map(|second| (second * 1000, 80)).collect();
        let mut expected = vec![NoMatch, Alert, Silent, Silent, Silent, Alert];
        expected.extend([Silent; 11]);
        expected.extend([Alert, Silent]);
        assert_eq!(judged(threshold, &matches), expected);
    }

    #[test]
    fn only_new_ports_count() {
        use Judgement::{Alert, NoMatch};
        let threshold = Threshold {
            kind: ThresholdKind::DetectionFilter,
            track: Track::Source,
            count: 2,
            seconds: 10,
            multiplier: 0,
            unique: Some(PortOf::Destination),
        };
        let matches = [(0, 1), (0, 1), (1, 2), (1, 1), (2, 3), (3, 1), (20, 4), (20, 5), (21, 6)];
        assert_eq!(
            judged(threshold, &matches),
            [NoMatch, NoMatch, NoMatch, NoMatch, Alert, Alert, NoMatch, NoMatch, Alert]
        );
    }
}

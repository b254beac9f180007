//! What spans flows: thresholds, suppression, and the bits that hosts carry.
//!
//! Everything here depends on the order of packets over all flows, so it is judged in one place, in that order, whatever
//! the number of workers: [`Hosts::judge`] takes what matched and says what becomes of it. Time is the packet's.

use std::collections::HashMap;
use std::net::IpAddr;

use super::rule::{BitOp, HostBit, Rule, Threshold, ThresholdKind, Track};
use crate::rules::Action;
use crate::rules::threshold as file;
use crate::types::Timestamp;

/// Entries of each table beyond which old ones are thrown out.
const ENTRIES_MAX: usize = 1 << 18;

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
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    since: Timestamp,
    count: u32,
    /// When a rate filter began to act.
    acting: Option<Timestamp>,
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
    /// When each bit was set and when it ends.
    bits: HashMap<(u32, Who), Option<Timestamp>, ahash::RandomState>,
}

impl Hosts {
    /// No host is known yet.
    pub fn new(filters: Vec<file::ThresholdEntry>) -> Self {
        Hosts { filters, counters: HashMap::default(), bits: HashMap::default() }
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
            }),
            _ => None,
        })
    }

    fn threshold(&mut self, threshold: &Threshold, table: u8, found: &Candidate) -> Judgement {
        let counter = self.counter(found.rule, table, who(threshold.track, found), found.timestamp);
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
            ThresholdKind::Limit | ThresholdKind::Both => Judgement::NoMatch,
        }
    }

    fn counter(&mut self, rule: u32, table: u8, who: Who, now: Timestamp) -> &mut Counter {
        if self.counters.len() >= ENTRIES_MAX {
            // room is made by age: half of the range of times goes
            let oldest = self.counters.values().map(|c| c.since).min().unwrap_or(now);
            let middle = Timestamp(oldest.0 + now.since(oldest) / 2);
            self.counters.retain(|_, counter| counter.since > middle);
        }
        self.counters.entry((rule, table, who)).or_insert(Counter { since: now, count: 0, acting: None })
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
            *counter = Counter { since: now, count: 0, acting: None };
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
        if self.bits.len() >= ENTRIES_MAX {
            self.bits.retain(|_, until| until.is_none_or(|until| until > found.timestamp));
            if self.bits.len() >= ENTRIES_MAX {
                return;
            }
        }
        let until = (bit.expire > 0)
            .then(|| Timestamp(found.timestamp.0.saturating_add(u64::from(bit.expire) * 1_000_000_000)));
        self.bits.insert(key, until);
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
    }
}

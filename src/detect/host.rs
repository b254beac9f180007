//! What spans flows: thresholds, suppression, and the bits that hosts carry.
//!
//! Everything here depends on the order of packets over all flows, so it is judged in one place, in that order, whatever
//! the number of workers: [`Hosts::judge`] takes what matched and says what becomes of it. Time is the packet's.

use std::collections::HashMap;
use std::net::IpAddr;

use super::rule::{BitOp, HostBit, Rule, Threshold, ThresholdKind, Track};
use crate::rules::{AddressSet, FilterType, RateFilter, Suppress, TrackBy};
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
    Rated(crate::rules::Action),
}

/// Rules of a threshold file.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// `suppress`
    pub suppress: Vec<Suppress>,
    /// `event_filter`, `threshold`: replaces the rule's own.
    pub event: Vec<crate::rules::EventFilter>,
    /// `rate_filter`
    pub rate: Vec<RateFilter>,
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

/// Thresholds and bits of all hosts.
pub struct Hosts {
    filters: Filters,
    counters: HashMap<(u32, u8, Who), Counter, ahash::RandomState>,
    /// When each bit was set and when it ends.
    bits: HashMap<(u32, Who), Option<Timestamp>, ahash::RandomState>,
}

impl Hosts {
    /// No host is known yet.
    pub fn new(filters: Filters) -> Self {
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

    fn event_filter(&self, rule: &Rule) -> Option<Threshold> {
        let filter = self
            .filters
            .event
            .iter()
            .rev()
            .find(|f| fits(f.gen_id, f.sig_id, rule))?;
        let kind = match filter.kind {
            FilterType::Limit => ThresholdKind::Limit,
            FilterType::Threshold => ThresholdKind::Threshold,
            FilterType::Both => ThresholdKind::Both,
        };
        Some(Threshold { kind, track: track(filter.track), count: filter.count, seconds: filter.seconds })
    }

    fn threshold(&mut self, threshold: &Threshold, table: u8, found: &Candidate) -> Judgement {
        let counter = self.counter(found.rule, table, who(threshold.track, found), found.timestamp);
        let over = found.timestamp.seconds_since(counter.since) >= u64::from(threshold.seconds)
            && found.timestamp > counter.since;
        if over {
            counter.since = found.timestamp;
            counter.count = 0;
        }
        counter.count = counter.count.saturating_add(1);
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
            ThresholdKind::Limit | ThresholdKind::Both if counter.count > threshold.count => Judgement::Silent,
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

    fn rate(&mut self, rule: &Rule, found: &Candidate) -> Option<crate::rules::Action> {
        let filter = self.filters.rate.iter().rev().find(|f| fits(f.gen_id, f.sig_id, rule))?.clone();
        let counter = self.counter(found.rule, 1, who(track(filter.track), found), found.timestamp);
        if let Some(since) = counter.acting {
            if filter.timeout == 0 || found.timestamp.seconds_since(since) < u64::from(filter.timeout) {
                return Some(filter.new_action);
            }
            counter.acting = None;
            counter.since = found.timestamp;
            counter.count = 0;
        }
        if found.timestamp.seconds_since(counter.since) >= u64::from(filter.seconds) && found.timestamp > counter.since {
            counter.since = found.timestamp;
            counter.count = 0;
        }
        counter.count = counter.count.saturating_add(1);
        if counter.count > filter.count {
            counter.acting = Some(found.timestamp);
            return Some(filter.new_action);
        }
        None
    }

    fn is_suppressed(&self, rule: &Rule, found: &Candidate) -> bool {
        let hit = |set: &Option<AddressSet>, ip: IpAddr| set.as_ref().is_none_or(|set| set.contains(ip));
        self.filters.suppress.iter().any(|suppress| {
            fits(suppress.gen_id, suppress.sig_id, rule)
                && match suppress.track {
                    None => true,
                    Some(TrackBy::Source) => hit(&suppress.addresses, found.source),
                    Some(TrackBy::Destination) => hit(&suppress.addresses, found.destination),
                    Some(_) => hit(&suppress.addresses, found.source) || hit(&suppress.addresses, found.destination),
                }
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

fn fits(gen_id: u32, sig_id: u32, rule: &Rule) -> bool {
    (gen_id == 0 || gen_id == rule.meta.gid) && (sig_id == 0 || sig_id == rule.meta.sid)
}

fn track(by: TrackBy) -> Track {
    match by {
        TrackBy::Source => Track::Source,
        TrackBy::Destination => Track::Destination,
        TrackBy::Both | TrackBy::Either => Track::Both,
        TrackBy::Rule => Track::Rule,
        TrackBy::Flow => Track::Flow,
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

//! How a run is doing, for those who ask: what is counted, which rules are in use, whether everything is in place.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::capture::Interfaces;
use crate::capture::live::now;
use crate::detect::host::Hosts;
use crate::detect::sets::Sets;
use crate::engine::settings::Limits;
use crate::types::Timestamp;

/// The rules in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCounts {
    /// In use.
    pub loaded: u64,
    /// Could not be loaded.
    pub failed: u64,
    /// Left out by themselves (`requires`).
    pub skipped: u64,
    /// When they were read.
    pub read_at: Timestamp,
}

/// What was seen on one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Packets.
    pub packets: u64,
    /// Those of them that ended here.
    pub dropped: u64,
    /// Those of them whose flows are not shown any more.
    pub bypassed: u64,
}

impl Seen {
    pub(super) fn add(&mut self, other: Seen) {
        self.packets += other.packets;
        self.dropped += other.dropped;
        self.bypassed += other.bypassed;
    }
}

/// How a run is doing. Shared: the run writes, whoever is asked reads.
pub struct Status {
    /// `host`, `tap`, …
    pub mode: &'static str,
    /// Traffic goes on while nobody looks at it.
    pub fail_open: bool,
    /// What holds by the configuration, as `key` and `value`.
    pub settings: Vec<(String, String)>,
    interfaces: Arc<Interfaces>,
    started: Timestamp,
    ready: AtomicBool,
    reloads: AtomicU64,
    reloads_failed: AtomicU64,
    rules: Mutex<RuleCounts>,
    limits: Mutex<Option<Limits>>,
    /// Changes with the limits.
    limited: AtomicU64,
    sets: Mutex<Sets>,
    hosts: Mutex<Option<Arc<Mutex<Hosts>>>>,
    counted: Mutex<Option<Counts>>,
}

/// The latest of what workers counted.
#[derive(Clone, Default)]
pub(super) struct Counts {
    /// By dotted name.
    pub(super) named: Vec<(String, u64)>,
    /// By the number of the interface.
    pub(super) seen: Vec<Seen>,
}

impl Status {
    /// Of a run that begins now.
    pub fn new(
        mode: &'static str,
        fail_open: bool,
        settings: Vec<(String, String)>,
        interfaces: Arc<Interfaces>,
    ) -> Self {
        Status {
            mode,
            fail_open,
            settings,
            interfaces,
            started: now(),
            ready: AtomicBool::new(false),
            reloads: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
            rules: Mutex::default(),
            limits: Mutex::default(),
            limited: AtomicU64::new(0),
            sets: Mutex::default(),
            hosts: Mutex::default(),
            counted: Mutex::default(),
        }
    }

    /// Other rules are in use.
    pub fn set_rules(&self, rules: RuleCounts) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// The rules in use.
    pub fn rules(&self) -> RuleCounts {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Limits of memory of each worker, once it runs.
    pub fn limits(&self) -> Option<Limits> {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other limits: workers take them between two looks at the traffic.
    pub fn set_limits(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = Some(limits);
        self.limited.fetch_add(1, Ordering::Release);
    }

    /// The limits, if they are others than those of that number, which is brought up to date.
    pub(super) fn limits_since(&self, known: &mut u64) -> Option<Limits> {
        let latest = self.limited.load(Ordering::Acquire);
        if std::mem::replace(known, latest) == latest {
            return None;
        }
        self.limits()
    }

    /// The data sets of the rules in use.
    pub fn set_sets(&self, sets: &Sets) {
        *self.sets.lock().unwrap_or_else(PoisonError::into_inner) = sets.clone();
    }

    /// Does that with them.
    pub(super) fn with_sets<R>(&self, work: impl FnOnce(&Sets) -> R) -> R {
        work(&self.sets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is known of hosts.
    pub fn set_hosts(&self, hosts: Arc<Mutex<Hosts>>) {
        *self.hosts.lock().unwrap_or_else(PoisonError::into_inner) = Some(hosts);
    }

    /// Does that with what is known of hosts; `None` before anything is.
    pub(super) fn with_hosts<R>(&self, work: impl FnOnce(&mut Hosts) -> R) -> Option<R> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let mut hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Some(work(&mut hosts))
    }

    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Rules are loaded and hooks attached.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(super) fn reloaded(&self, well: bool) {
        let counter = if well { &self.reloads } else { &self.reloads_failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Reloads that went well, and those that did not.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.reloads_failed.load(Ordering::Relaxed))
    }

    /// Seconds since the start.
    pub fn uptime(&self) -> u64 {
        now().since(self.started) / 1_000_000_000
    }

    pub(super) fn count(&self, counts: Counts) {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts);
    }

    /// What was counted, by dotted name; `None` before the first time.
    pub fn counters(&self) -> Option<Vec<(String, u64)>> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.as_ref().map(|counts| counts.named.clone())
    }

    /// The interfaces that something was seen on.
    pub fn interfaces(&self) -> Vec<(String, Seen)> {
        let seen = {
            let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            counted.as_ref().map(|counts| counts.seen.clone()).unwrap_or_default()
        };
        let named = seen.into_iter().zip(0..=u16::MAX).filter(|(seen, _)| seen.packets > 0);
        named
            .filter_map(|(seen, id)| Some((self.interfaces.name(crate::types::IfaceId(id))?, seen)))
            .collect()
    }
}

//! What workers tell, written down in the order in which it comes.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};

use super::status::{Counts, Seen, Status};
use super::{Counted, Sums, clock};
use crate::detect::RuleSet;
use crate::engine::collector::{Batch, Collector};
use crate::engine::records::Recorder;
use crate::types::Timestamp;

/// Bytes of records that a worker keeps while the collector is behind; then they are lost.
const KEPT_MAX: usize = 4 << 20;
/// Lines wait that long for others, at most.
const FLUSH: Duration = Duration::from_millis(100);
/// Counters that come by so much too early are those that were waited for, nanoseconds.
const SLACK: u64 = 500_000_000;

/// From a worker to the collector.
pub(super) enum Message {
    /// Records, and the rules that they speak of.
    Records(Batch, Arc<RuleSet>),
    /// Counters as they are now.
    Counted(Box<Counted>),
    /// Counters at the end.
    Ended(Box<Counted>),
    /// Records that found no room.
    Lost(u64),
}

/// A worker's end of the channel.
pub(super) struct Telling {
    pub(super) worker: usize,
    pub(super) rules: Arc<RuleSet>,
    tell: Sender<Message>,
    recycled: Receiver<Batch>,
    lost: u64,
}

impl Telling {
    pub(super) fn new(
        worker: usize,
        tell: Sender<Message>,
        recycled: Receiver<Batch>,
        rules: Arc<RuleSet>,
    ) -> Self {
        Telling { worker, rules, tell, recycled, lost: 0 }
    }

    /// Hands records over if there is room; keeps some otherwise.
    pub(super) fn batch(&mut self, batch: &mut Batch) {
        if batch.is_empty() {
            return;
        }
        let full = std::mem::replace(batch, self.recycled.try_recv().unwrap_or_default());
        match self.tell.try_send(Message::Records(full, self.rules.clone())) {
            Ok(()) => {
                if self.lost > 0 && self.tell.try_send(Message::Lost(self.lost)).is_ok() {
                    self.lost = 0;
                }
            }
            Err(
                TrySendError::Full(Message::Records(kept, _))
                | TrySendError::Disconnected(Message::Records(kept, _)),
            ) => {
                *batch = kept;
                if batch.len() > KEPT_MAX {
                    self.lost += batch.records().count() as u64;
                    batch.clear();
                }
            }
            Err(_) => {}
        }
    }

    /// Hands over all records, however long it takes.
    pub(super) fn last(&mut self, batch: &mut Batch) {
        let _ = self.tell.send(Message::Records(std::mem::take(batch), self.rules.clone()));
        let _ = self.tell.send(Message::Lost(std::mem::take(&mut self.lost)));
    }

    /// Tells if there is room.
    pub(super) fn tell(&self, message: Message) {
        let _ = self.tell.try_send(message);
    }

    /// Tells, however long it takes.
    pub(super) fn tell_surely(&self, message: Message) {
        let _ = self.tell.send(message);
    }
}

/// What came together.
pub(super) struct Totals {
    pub(super) collector: Collector,
    pub(super) sums: Sums,
    pub(super) lost: u64,
}

/// Takes what workers tell until all have ended.
pub(super) fn gather(
    told: &Receiver<Message>,
    give_back: &Sender<Batch>,
    mut collector: Collector,
    mut recorder: Recorder,
    workers: usize,
    stats_interval: Duration,
    status: &Status,
) -> Totals {
    let mut latest: Vec<Option<Counted>> = (0..workers).map(|_| None).collect();
    let (mut lost, mut flushed, mut recorded) = (0, clock(), clock());
    let mut rules: Option<Arc<RuleSet>> = None;
    loop {
        match told.recv_timeout(FLUSH) {
            Ok(Message::Records(mut batch, of)) => {
                // records speak of rules by number
                if rules.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &of)) {
                    collector.renew(of.clone());
                    rules = Some(of);
                }
                collector.take(std::slice::from_mut(&mut batch));
                let _ = give_back.try_send(batch);
            }
            Ok(Message::Counted(counted)) => {
                let worker = counted.worker;
                if let Some(slot) = latest.get_mut(worker) {
                    *slot = Some(*counted);
                }
                // together, not after each of them
                if worker + 1 == workers && latest.iter().all(Option::is_some) {
                    let counted = named(&sum(&latest), lost);
                    let due = clock().since(recorded) + SLACK >= stats_interval.as_nanos() as u64;
                    if due && !stats_interval.is_zero() {
                        recorded = clock();
                        write(&counted, recorded, &mut recorder, &mut collector);
                    }
                    status.count(Counts { named: counted, seen: seen(&latest) });
                }
            }
            Ok(Message::Ended(counted)) => {
                if let Some(slot) = latest.get_mut(counted.worker) {
                    *slot = Some(*counted);
                }
            }
            Ok(Message::Lost(more)) => lost += more,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let now = clock();
        if told.is_empty() && now.since(flushed) >= FLUSH.as_nanos() as u64 {
            flushed = now;
            collector.flush();
        }
    }
    let sums = sum(&latest);
    if recorder.config.stats {
        write(&named(&sums, lost), clock(), &mut recorder, &mut collector);
    }
    Totals { collector, sums, lost }
}

fn sum(latest: &[Option<Counted>]) -> Sums {
    let mut all = Sums::default();
    for counted in latest.iter().flatten() {
        all.counters.add(&counted.sums.counters);
        all.decoded.add(&counted.sums.decoded);
        all.statistics.add(counted.sums.statistics);
        all.verdicts.add(counted.sums.verdicts);
    }
    all
}

/// By interface, all workers together.
fn seen(latest: &[Option<Counted>]) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    for counted in latest.iter().flatten() {
        if all.len() < counted.seen.len() {
            all.resize(counted.seen.len(), Seen::default());
        }
        all.iter_mut().zip(&counted.seen).for_each(|(sum, more)| sum.add(*more));
    }
    all
}

fn named(Sums { counters, decoded, statistics, verdicts }: &Sums, lost: u64) -> Vec<(String, u64)> {
    let mut named = vec![
        ("capture.kernel_packets".to_owned(), statistics.received),
        ("capture.kernel_drops".to_owned(), statistics.dropped),
        ("capture.truncated".to_owned(), statistics.truncated),
        ("capture.overruns".to_owned(), statistics.overruns),
        ("capture.duplicates".to_owned(), statistics.duplicates),
        ("capture.unsupported".to_owned(), statistics.unsupported),
        ("capture.unsent".to_owned(), statistics.unsent),
        ("capture.unqueued".to_owned(), statistics.unqueued),
        ("frames.forwarded".to_owned(), verdicts.forwarded),
        ("frames.bypassed".to_owned(), verdicts.bypassed),
        ("frames.dropped".to_owned(), verdicts.dropped),
        ("ips.rejected".to_owned(), verdicts.rejected),
        ("records.lost".to_owned(), lost),
    ];
    named.extend(counters.named(decoded));
    named
}

fn write(named: &[(String, u64)], now: Timestamp, recorder: &mut Recorder, collector: &mut Collector) {
    let line = recorder.stats(now, named).to_vec();
    collector.line(&line);
}

//! A worker's thread.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::gather::{Message, Telling};
use super::status::{Seen, Status};
use super::{Counted, Shared, Verdicts, clock};
use crate::capture::LiveCapture;
use crate::capture::raw::RawSender;
use crate::detect::host::Hosts;
use crate::engine::worker::Worker;
use crate::types::IfaceId;
use crate::verdict::Verdict;

/// Frames between two looks at everything else.
const BUDGET: usize = 256;
/// How long a frame is waited for.
const WAIT: Duration = Duration::from_millis(50);
/// Time between two ticks, nanoseconds. Records wait as long for others, so that not every packet wakes who writes them.
const TICK: u64 = 50_000_000;
/// Time between two times that counters are told, nanoseconds.
const COUNT: u64 = 1_000_000_000;
/// Bytes of records that are handed over before.
const RECORDS_MAX: usize = 32 << 10;
/// Flows that end with one tick at most.
const FLOWS_A_TICK: usize = 4096;
/// How long frames that the kernel still holds are taken at the end, nanoseconds.
const DRAIN: u64 = 500_000_000;

/// Takes frames through the worker until the run ends.
pub(super) fn work(
    mut worker: Worker,
    mut capture: Box<dyn LiveCapture>,
    mut telling: Telling,
    shared: &Shared,
    hosts: &Mutex<Hosts>,
    status: &Status,
) {
    // those to begin with are the configuration's
    let (mut generation, mut limited) = (0, 1);
    let mut ticked = clock();
    let mut counted = ticked;
    let mut sender = Sender::default();
    let mut verdicts = Verdicts::default();
    let mut seen: Vec<Seen> = Vec::new();
    while !shared.stop.load(Ordering::Acquire) {
        let polled = capture.wait(WAIT).and_then(|()| {
            capture.poll(BUDGET, &mut |frame| {
                let verdict = worker.frame(&frame);
                verdicts.count(verdict);
                see(&mut seen, frame.iface, verdict);
                verdict
            })
        });
        if let Err(error) = polled {
            shared.fault(format!("frames cannot be read any more: {error}"));
            break;
        }
        worker.missed(capture.missed());
        sender.send(&mut worker, &mut *capture);
        if worker.batch().len() >= RECORDS_MAX {
            telling.batch(worker.batch());
        }
        let now = clock();
        if now.since(ticked) >= TICK {
            ticked = now;
            worker.tick(now, FLOWS_A_TICK);
            telling.batch(worker.batch());
            if now.since(counted) >= COUNT {
                counted = now;
                let counts = Counted::of(telling.worker, &worker, &mut *capture, verdicts, &seen);
                telling.tell(Message::Counted(counts));
            }
        }
        if let Some(limits) = status.limits_since(&mut limited) {
            worker.limit(limits);
        }
        if shared.generation.load(Ordering::Relaxed) != generation {
            generation = shared.generation.load(Ordering::Acquire);
            // records so far speak of the old rules
            telling.last(worker.batch());
            renew(&mut worker, &mut telling, shared, hosts);
        }
    }
    let begun = clock();
    if let Err(error) = capture.stop() {
        shared.fault(format!("the capture cannot be ended: {error}"));
    }
    while clock().since(begun) < DRAIN {
        let polled = capture.wait(Duration::ZERO).and_then(|()| {
            capture.poll(BUDGET, &mut |frame| {
                let verdict = worker.frame(&frame);
                verdicts.count(verdict);
                see(&mut seen, frame.iface, verdict);
                verdict
            })
        });
        if !matches!(polled, Ok(frames) if frames > 0) {
            break;
        }
        sender.send(&mut worker, &mut *capture);
        telling.batch(worker.batch());
    }
    worker.finish();
    telling.last(worker.batch());
    let counts = Counted::of(telling.worker, &worker, &mut *capture, verdicts, &seen);
    telling.tell_surely(Message::Ended(counts));
}

/// Counts by interface.
fn see(seen: &mut Vec<Seen>, iface: IfaceId, verdict: Verdict) {
    let at = usize::from(iface.0);
    if seen.len() <= at {
        seen.resize(at + 1, Seen::default());
    }
    if let Some(seen) = seen.get_mut(at) {
        seen.packets += 1;
        seen.dropped += u64::from(matches!(verdict, Verdict::Drop(_) | Verdict::Reject(..)));
        seen.bypassed += u64::from(verdict == Verdict::Bypass);
    }
}

fn renew(worker: &mut Worker, telling: &mut Telling, shared: &Shared, hosts: &Mutex<Hosts>) {
    let renewal = shared.renewal.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(renewal) = renewal else { return };
    // whoever is first takes what is known of hosts along
    let mut known = hosts.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.taken.load(Ordering::Acquire) == 0 {
        let old = telling.rules.clone();
        known
            .renew(renewal.thresholds.clone(), &|id| renewal.rule(&old, id), &|id| renewal.hostbit(&old, id));
        known.set_names(&renewal.rules.hostbit_names);
    }
    shared.taken.fetch_add(1, Ordering::AcqRel);
    drop(known);
    worker.renew(&renewal);
    telling.rules = renewal.rules.clone();
    drop(renewal);
    // whoever gathers lets go of the old ones too
    telling.last(worker.batch());
}

/// Sends what tells of rejections; opened when first needed.
#[derive(Default)]
struct Sender {
    raw: Option<Option<RawSender>>,
}

impl Sender {
    fn send(&mut self, worker: &mut Worker, capture: &mut dyn LiveCapture) {
        let replies = worker.replies();
        if replies.is_empty() {
            return;
        }
        for reply in replies.drain(..) {
            if !matches!(capture.reply(&reply), Ok(false)) {
                continue;
            }
            // who may not send tells nobody: the packet was dropped all the same
            if let Some(raw) = self.raw.get_or_insert_with(|| RawSender::open().ok()) {
                // no route to an end is no reason to stop
                let _ = raw.send(&reply.packet);
            }
        }
    }
}

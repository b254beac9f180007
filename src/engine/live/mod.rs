//! Live traffic: one thread a capture, from the kernel through all stages and back, without a copy; one that gathers what they
//! tell; one that minds signals, rules and the end; and one for those who ask how it goes ([`control`]).
//!
//! Time is the capture's clock; a tick ends flows that nothing comes for. What workers tell goes through a bounded channel: when
//! it is full, records are dropped and counted, for a packet waits for no disk. Rules are swapped between two polls.

pub mod control;
mod gather;
pub mod notify;
pub mod signals;
mod slice;
pub mod status;
mod work;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::collector::Collector;
use super::counters::Counters;
use super::renewal::Renewal;
use super::settings::EngineConfig;
use super::worker::Worker;
use crate::capture::live::{Attach, now};
use crate::capture::{Fail, Hook, Interfaces, LiveCapture, Opened, Statistics};
use crate::decode::DecodeCounters;
use crate::detect::RuleSet;
use crate::detect::host::Hosts;
use crate::verdict::Verdict;
use control::{Doors, Wish};
use gather::Telling;
use notify::Notify;
use signals::{Signal, Signals};
use status::{Seen, Status};

/// Batches on their way to the collector, for each worker.
const BATCHES_MAX: usize = 64;
/// Wishes of those who ask that wait.
const WISHES_MAX: usize = 16;
/// How often the minding thread looks around.
const LOOK: Duration = Duration::from_millis(200);
/// And while rules are on their way.
const LOOK_SOON: Duration = Duration::from_millis(20);

/// What a run is about.
pub struct Live {
    /// The configuration.
    pub config: Arc<EngineConfig>,
    /// The rules to begin with.
    pub rules: Renewal,
    /// Names of interfaces.
    pub interfaces: Arc<Interfaces>,
    /// What happens to traffic when this run ends other than it should.
    pub fail: Fail,
    /// Time between two records of counters; zero for none.
    pub stats_interval: Duration,
    /// How it is doing.
    pub status: Arc<Status>,
    /// Where others ask for that.
    pub doors: Doors,
    /// Who is told when all is in place.
    pub notify: Notify,
}

/// What a run wants of who started it.
pub trait Host: Sync {
    /// A line for the operator: what goes well, or a warning by its beginning.
    fn say(&self, line: &str);
    /// A line about what does not go well.
    fn complain(&self, line: &str);
    /// Reads rules anew, in a thread of its own. An error leaves the old ones in use.
    fn reload(&self) -> Result<Renewal, String>;
    /// Opens logs anew.
    fn reopen(&self);
    /// Everything is in place.
    fn ready(&self) {}
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// By workers.
    pub counters: Counters,
    /// By their decoders.
    pub decoded: DecodeCounters,
    /// By the kernel.
    pub statistics: Statistics,
    /// What became of frames.
    pub verdicts: Verdicts,
}

/// What became of frames: together as many as there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Went on.
    pub forwarded: u64,
    /// Went on, and their flows need not be shown any more.
    pub bypassed: u64,
    /// Ended here, rejected ones among them.
    pub dropped: u64,
    /// Ended here, and the ends were told.
    pub rejected: u64,
}

impl Verdicts {
    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Forward => self.forwarded += 1,
            Verdict::Bypass => self.bypassed += 1,
            Verdict::Drop(_) => self.dropped += 1,
            Verdict::Reject(..) => {
                self.dropped += 1;
                self.rejected += 1;
            }
        }
    }

    fn add(&mut self, other: Verdicts) {
        self.forwarded += other.forwarded;
        self.bypassed += other.bypassed;
        self.dropped += other.dropped;
        self.rejected += other.rejected;
    }
}

/// What a run came to.
pub struct Outcome {
    /// What was counted.
    pub sums: Sums,
    /// Records that found no room.
    pub lost: u64,
    /// Where everything was written.
    pub collector: Collector,
    /// What went wrong.
    pub faults: Vec<String>,
}

/// What all threads look at.
struct Shared {
    stop: AtomicBool,
    /// A worker has failed: the run ends.
    failed: AtomicBool,
    /// Counts renewals.
    generation: AtomicU64,
    renewal: Mutex<Option<Arc<Renewal>>>,
    /// Workers that have taken the last renewal.
    taken: AtomicU64,
    faults: Mutex<Vec<String>>,
}

impl Shared {
    fn fault(&self, fault: String) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        self.failed.store(true, Ordering::Release);
    }
}

impl Live {
    /// Works until a signal says stop, or a worker fails.
    pub fn run(
        self,
        opened: Opened,
        mut collector: Collector,
        signals: &Signals,
        host: &dyn Host,
    ) -> Outcome {
        let Live { config, rules, interfaces, fail, stats_interval, status, doors, notify } = self;
        let Opened { captures, attach } = opened;
        let count = captures.len();
        let mut hosts = Hosts::new(rules.thresholds.clone());
        hosts.set_names(&rules.rules.hostbit_names);
        let hosts = Arc::new(Mutex::new(hosts));
        status.set_hosts(hosts.clone());
        status.set_limits(config.limits());
        let shared = Shared {
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            renewal: Mutex::new(None),
            taken: AtomicU64::new(count as u64),
            faults: Mutex::new(Vec::new()),
        };
        collector.begin(Hosts::new(Vec::new()));
        let (tell, told) = bounded(count * BATCHES_MAX);
        let (give_back, recycled) = bounded(count * BATCHES_MAX);
        let totals = std::thread::scope(|scope| {
            let mut threads = Vec::with_capacity(count);
            for (nth, capture) in captures.into_iter().enumerate() {
                let mut worker =
                    Worker::new(config.clone(), rules.protocols.clone(), rules.rules.clone(), None, None);
                worker.share_hosts(hosts.clone());
                worker.live(interfaces.clone());
                let telling = Telling::new(nth, tell.clone(), recycled.clone(), rules.rules.clone());
                let (shared, hosts, status) = (&shared, &hosts, &*status);
                let started = std::thread::Builder::new().name(format!("worker-{nth}")).spawn_scoped(
                    scope,
                    move || {
                        let _watch = Watch(shared);
                        slice::shorten();
                        work::work(worker, capture, telling, shared, hosts, status);
                    },
                );
                match started {
                    Ok(thread) => threads.push(thread),
                    Err(error) => shared.fault(format!("worker {nth} cannot be started: {error}")),
                }
            }
            drop((tell, recycled));
            let current = rules.rules.clone();
            // others may follow: nothing holds these but who uses them
            drop(rules);
            super::memory::give_back();
            let recorder =
                super::records::Recorder::new(config.records.clone(), None, Vec::new(), Vec::new());
            let publish = status.clone();
            let gatherer = scope.spawn(move || {
                gather::gather(&told, &give_back, collector, recorder, count, stats_interval, &publish)
            });
            let (wishes, wished) = bounded(WISHES_MAX);
            let asked = doors.are_open().then(|| {
                let (doors, status, stop) = (&doors, &status, &shared.stop);
                let thread = std::thread::Builder::new().name("control".to_owned());
                thread.spawn_scoped(scope, move || control::serve(doors, status, &wishes, stop))
            });
            if let Some(Err(error)) = asked {
                shared.fault(format!("who answers questions cannot be started: {error}"));
            }
            let mut hook = self::attach(attach, &shared, host);
            if hook.is_some() {
                status.set_ready(true);
                notify.ready(&format!("{} rules in use", status.rules().loaded));
            }
            let mut minder =
                Minder { shared: &shared, host, status: &status, notify: &notify, workers: count };
            minder.mind(signals, &wished, current, scope);
            status.set_ready(false);
            notify.stopping();
            match hook.take().flatten() {
                // nobody has asked for an end: what nobody looks at must not pass
                Some(_) if fail == Fail::Closed && shared.failed.load(Ordering::Acquire) => host.complain(
                    "our rules stay in the kernel, as traffic is not to pass unseen: start again, or remove them to let it pass",
                ),
                Some(mut hook) => detach(&mut *hook, &shared, host),
                None => {}
            }
            shared.stop.store(true, Ordering::Release);
            for thread in threads {
                if thread.join().is_err() {
                    shared.fault("a worker has panicked".to_owned());
                }
            }
            match gatherer.join() {
                Ok(totals) => totals,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        let gather::Totals { collector, sums, lost } = totals;
        let faults = shared.faults.into_inner().unwrap_or_else(PoisonError::into_inner);
        Outcome { sums, lost, collector, faults }
    }
}

/// A worker that ends before it is told to has failed, by a panic or otherwise.
struct Watch<'a>(&'a Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.0.stop.load(Ordering::Acquire) {
            self.0.failed.store(true, Ordering::Release);
        }
    }
}

/// Puts hooks in; `None` when that has failed, and within it none where there is none to be put.
fn attach(attach: Attach, shared: &Shared, host: &dyn Host) -> Option<Option<Box<dyn Hook>>> {
    if shared.failed.load(Ordering::Acquire) {
        return None;
    }
    match attach() {
        Ok((hook, lines)) => {
            lines.iter().for_each(|line| host.say(line));
            host.say("ready");
            host.ready();
            Some(hook)
        }
        Err(why) => {
            shared.fault(why);
            None
        }
    }
}

fn detach(hook: &mut dyn Hook, shared: &Shared, host: &dyn Host) {
    match hook.remove() {
        Ok(()) => host.say(hook.gone()),
        Err(error) => shared.fault(format!("our rules are still in the kernel: {error}")),
    }
}

/// Who minds signals and wishes until the end.
struct Minder<'m> {
    shared: &'m Shared,
    host: &'m dyn Host,
    status: &'m Status,
    notify: &'m Notify,
    workers: usize,
}

/// Rules on their way.
#[derive(Default)]
struct Reload<'scope> {
    /// Others are wanted, once those on their way have arrived.
    wanted: bool,
    /// Who waits for these.
    wished: Vec<Sender<Result<(), String>>>,
    /// They are read.
    reading: Option<ScopedJoinHandle<'scope, Result<Renewal, String>>>,
    /// Who waits for those.
    promised: Vec<Sender<Result<(), String>>>,
    /// What was in use before, until nobody uses it any more: it is this thread that takes it apart, for a packet waits for nothing.
    leaving: Option<Arc<RuleSet>>,
}

impl Reload<'_> {
    fn tell(&mut self, result: &Result<(), String>) {
        for waiting in self.promised.drain(..) {
            // who has gone does not want to know any more
            let _ = waiting.try_send(result.clone());
        }
    }
}

impl<'m> Minder<'m> {
    fn mind<'scope>(
        &mut self,
        signals: &Signals,
        wished: &Receiver<Wish>,
        mut current: Arc<RuleSet>,
        scope: &'scope Scope<'scope, '_>,
    ) where
        'm: 'scope,
    {
        let mut reload = Reload::default();
        while !self.shared.failed.load(Ordering::Acquire) {
            let soon = reload.reading.is_some() || reload.leaving.is_some() || !self.settled();
            match signals.next(if soon { LOOK_SOON } else { LOOK }) {
                Some(Signal::Stop) => return,
                Some(Signal::Reload) => reload.wanted = true,
                Some(Signal::Reopen) => self.host.reopen(),
                None => {}
            }
            for wish in wished.try_iter() {
                match wish {
                    Wish::Stop => {
                        self.host.say("the end is asked for on the control socket");
                        return;
                    }
                    Wish::Reload(waiting) => {
                        reload.wanted = true;
                        reload.wished.extend(waiting);
                    }
                    Wish::Reopen => self.host.reopen(),
                }
            }
            self.take(&mut reload, &mut current);
            if reload.wanted && self.settled() && reload.leaving.is_none() && reload.reading.is_none() {
                self.begin(&mut reload, scope);
            }
        }
        // rules that are still being read are waited for by the scope
    }

    /// The last rules are with everybody.
    fn settled(&self) -> bool {
        self.shared.taken.load(Ordering::Acquire) == self.workers as u64
    }

    fn begin<'scope>(&self, reload: &mut Reload<'scope>, scope: &'scope Scope<'scope, '_>)
    where
        'm: 'scope,
    {
        reload.wanted = false;
        reload.promised = std::mem::take(&mut reload.wished);
        self.host.say("reading rules anew");
        self.notify.reloading();
        let host = self.host;
        let thread = std::thread::Builder::new().name("reload".to_owned());
        match thread.spawn_scoped(scope, move || host.reload()) {
            Ok(thread) => reload.reading = Some(thread),
            Err(error) => self.refused(reload, format!("no thread to read new ones: {error}")),
        }
    }

    /// Takes what was read, gives it to workers, and lets go of what was before.
    fn take(&self, reload: &mut Reload<'_>, current: &mut Arc<RuleSet>) {
        if let Some(thread) = reload.reading.take_if(|thread| thread.is_finished()) {
            match thread.join() {
                Ok(Ok(renewal)) => {
                    reload.leaving = Some(std::mem::replace(current, renewal.rules.clone()));
                    self.shared.taken.store(0, Ordering::Release);
                    let mut slot = self.shared.renewal.lock().unwrap_or_else(PoisonError::into_inner);
                    *slot = Some(Arc::new(renewal));
                    self.shared.generation.fetch_add(1, Ordering::Release);
                }
                Ok(Err(why)) => self.refused(reload, why),
                Err(_) => self.refused(reload, "reading the new ones failed".to_owned()),
            }
        }
        // the last renewal must be with everybody before another is made
        if !self.settled() {
            return;
        }
        let given = self.shared.renewal.lock().unwrap_or_else(PoisonError::into_inner).take();
        if given.is_some() {
            self.status.reloaded(true);
            self.host.say("the new rules are in use");
            self.notify.ready(&format!("{} rules in use", self.status.rules().loaded));
            reload.tell(&Ok(()));
        }
        drop(given);
        if reload.leaving.take_if(|old| Arc::strong_count(old) == 1).is_some() {
            super::memory::give_back();
        }
    }

    fn refused(&self, reload: &mut Reload<'_>, why: String) {
        self.status.reloaded(false);
        self.host.complain(&format!("the rules in use stay: {why}"));
        self.notify.ready(&format!("{} rules in use; others were refused", self.status.rules().loaded));
        reload.tell(&Err(why));
        super::memory::give_back();
    }
}

/// What a worker counts at the end and now and then.
struct Counted {
    worker: usize,
    sums: Sums,
    /// By the number of the interface.
    seen: Vec<Seen>,
}

impl Counted {
    fn of(
        worker: usize,
        engine: &Worker,
        capture: &mut dyn LiveCapture,
        verdicts: Verdicts,
        seen: &[Seen],
    ) -> Box<Counted> {
        let sums = Sums {
            counters: engine.counters().clone(),
            decoded: engine.decoder().counters().clone(),
            statistics: capture.statistics(),
            verdicts,
        };
        Box::new(Counted { worker, sums, seen: seen.to_vec() })
    }
}

fn clock() -> crate::types::Timestamp {
    now()
}

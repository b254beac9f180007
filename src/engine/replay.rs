//! Captures through one worker or many.
//!
//! With one worker a frame goes from the file through all stages in one thread, without a copy. With several, this thread
//! spreads frames by the addresses in them, in rounds: every worker answers every round with what it has to tell, and the
//! collector takes the answers of a round together, in the order of packets. Channels are bounded; nothing is ever lost.
//! When rules change data sets, workers ask those in the order of packets too ([`Turns`]); nothing else waits.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::checksums::{self, Trial};
use super::collector::{Batch, Collector};
use super::counters::Counters;
use super::settings::EngineConfig;
use super::worker::Worker;
use crate::capture::{Capture, Frame, LinkType, PcapFile};
use crate::decode::{Counter, DecodeCounters, spread};
use crate::detect::RuleSet;
use crate::detect::host::Hosts;
use crate::detect::profile::RuleCost;
use crate::detect::sets::turns::{Seat, Turns};
use crate::flow::Protocols;
use crate::rules::threshold::ThresholdEntry;
use crate::types::{IfaceId, Timestamp};
use crate::verdict::Verdict;

/// Frames handed over at once.
const ROUND: usize = 2048;
/// Rounds on their way to a worker.
const ROUNDS_MAX: usize = 4;
/// What numbers of packets are raised by when flows end because the capture does: behind every packet.
const FINISH: u64 = 1 << 62;
/// Bytes of records after which they are handed over.
const BATCH_MAX: usize = 64 << 10;

/// What all captures of a run share.
pub struct Replay {
    /// The configuration.
    pub config: Arc<EngineConfig>,
    /// The protocols that are switched on.
    pub protocols: Arc<Protocols>,
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// Lines of the threshold file.
    pub thresholds: Vec<ThresholdEntry>,
    /// How many workers, 1..
    pub workers: usize,
    /// What was counted over all captures.
    pub counters: Counters,
    /// What decoders counted over all captures.
    pub decoded: DecodeCounters,
    /// What rules cost over all captures, by their number; empty unless measured.
    pub costs: Vec<RuleCost>,
}

/// How far a capture is.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Bytes read of the file.
    pub bytes: u64,
    /// Frames read of it.
    pub frames: u64,
    /// Alerts of the run so far.
    pub alerts: u64,
}

impl Replay {
    /// Analyses one capture on its own: fresh flows, fresh hosts. What was readable of a broken capture is analysed, and
    /// the error says what is broken.
    pub fn run(
        &mut self,
        path: &Path,
        collector: &mut Collector,
        watch: &mut dyn FnMut(Position),
    ) -> io::Result<()> {
        let mut file = PcapFile::open(path)?;
        let name = path.to_string_lossy().into_owned();
        if self.workers <= 1 {
            collector.begin(Hosts::new(Vec::new()));
            self.alone(&mut file, name, collector, watch)
        } else {
            collector.begin(Hosts::new(self.thresholds.clone()));
            self.spread(&mut file, &name, collector, watch)
        }
    }

    fn worker(&self, hosts: Option<Hosts>, name: String) -> Worker {
        Worker::new(self.config.clone(), self.protocols.clone(), self.rules.clone(), hosts, Some(name))
    }

    fn count(&mut self, worker: &Worker) {
        self.counters.add(worker.counters());
        self.decoded.add(worker.decoder().counters());
        let costs = worker.rule_costs();
        self.costs.resize(self.costs.len().max(costs.len()), RuleCost::default());
        self.costs.iter_mut().zip(costs).for_each(|(all, one)| all.add(one));
    }

    fn alone(
        &mut self,
        file: &mut PcapFile,
        name: String,
        collector: &mut Collector,
        watch: &mut dyn FnMut(Position),
    ) -> io::Result<()> {
        let mut worker = self.worker(Some(Hosts::new(self.thresholds.clone())), name);
        let auto = self.config.checksums_auto;
        let result = loop {
            let polled = file.poll(ROUND, &mut |frame| {
                let verdict = worker.frame(&frame);
                if auto && worker.counters().frames == checksums::FRAMES {
                    let wrong = worker.decoder().counters().count(Counter::BadChecksum);
                    if checksums::are_offloaded(wrong) {
                        worker.trust_checksums();
                    }
                }
                verdict
            });
            if worker.batch().len() > BATCH_MAX {
                collector.take(std::slice::from_mut(worker.batch()));
            }
            watch(Position {
                bytes: file.progress().0,
                frames: worker.counters().frames,
                alerts: collector.alerts,
            });
            match polled {
                Ok(0) => break unsupported(&worker),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        worker.finish();
        collector.take(std::slice::from_mut(worker.batch()));
        self.count(&worker);
        result
    }

    fn spread(
        &mut self,
        file: &mut PcapFile,
        name: &str,
        collector: &mut Collector,
        watch: &mut dyn FnMut(Position),
    ) -> io::Result<()> {
        let workers: Vec<Worker> = (0..self.workers).map(|_| self.worker(None, name.to_owned())).collect();
        let count = workers.len();
        let turns = self.rules.sets.change().then(|| Turns::new(count));
        let (workers, result) = std::thread::scope(|scope| {
            let mut inboxes = Vec::with_capacity(count);
            let mut outboxes = Vec::with_capacity(count);
            let (give_back, recycled) = bounded::<Frames>(count * (ROUNDS_MAX + 2));
            let threads: Vec<_> = workers
                .into_iter()
                .enumerate()
                .map(|(nth, worker)| {
                    let turns = turns.clone();
                    let (inbox, frames) = bounded(ROUNDS_MAX);
                    let (answers, outbox) = bounded(ROUNDS_MAX);
                    inboxes.push(inbox);
                    outboxes.push(outbox);
                    let give_back = give_back.clone();
                    scope.spawn(move || {
                        let seat = turns.as_ref().map(|turns| turns.seat(nth));
                        work(worker, &frames, &answers, &give_back, seat)
                    })
                })
                .collect();
            let gatherer = scope.spawn(move || gather(&outboxes, collector));
            let trial = Trial::new(&self.config.decode, self.config.checksums_auto);
            let result = dispatch(file, &inboxes, &recycled, trial, watch);
            drop(inboxes);
            let workers: Vec<Worker> = threads.into_iter().map(joined).collect();
            joined(gatherer);
            (workers, result)
        });
        let mut result = result;
        for worker in &workers {
            self.count(worker);
            result = result.and_then(|()| unsupported(worker));
        }
        result
    }
}

/// A thread's result; a panic in it goes on here.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A capture of a link type that nothing here can look into was read in vain: that is a fault to be told.
fn unsupported(worker: &Worker) -> io::Result<()> {
    match worker.decoder().unsupported_link() {
        Some(LinkType(link)) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "frames of link type {link} cannot be looked into; convert the capture to Ethernet or raw IP"
            ),
        )),
        None => Ok(()),
    }
}

/// Frames of one round for one worker.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    frames: Vec<Meta>,
    /// From this frame of the round on no checksum is looked at.
    trusted_from: Option<usize>,
    /// The number of the first frame of the next round.
    next: u64,
}

struct Meta {
    number: u64,
    timestamp: Timestamp,
    iface: IfaceId,
    link: LinkType,
    wire_len: u32,
    len: usize,
}

impl Frames {
    fn push(&mut self, frame: &Frame<'_>) {
        self.bytes.extend_from_slice(frame.bytes);
        self.frames.push(Meta {
            number: frame.number,
            timestamp: frame.timestamp,
            iface: frame.iface,
            link: frame.link,
            wire_len: frame.wire_len,
            len: frame.bytes.len(),
        });
    }
}

/// Reads frames and spreads them, a round at a time.
fn dispatch(
    file: &mut PcapFile,
    inboxes: &[Sender<Frames>],
    recycled: &Receiver<Frames>,
    mut trial: Trial,
    watch: &mut dyn FnMut(Position),
) -> io::Result<()> {
    let (mut frames_read, mut next) = (0, 0);
    loop {
        let mut round: Vec<Frames> =
            inboxes.iter().map(|_| recycled.try_recv().unwrap_or_default()).collect();
        let polled = file.poll(ROUND, &mut |frame| {
            let lane = (spread(&frame) % inboxes.len() as u64) as usize;
            round[lane].push(&frame);
            next = frame.number + 1;
            if trial.frame(&frame) {
                round.iter_mut().for_each(|frames| frames.trusted_from = Some(frames.frames.len()));
            }
            Verdict::Forward
        });
        for (mut frames, inbox) in round.into_iter().zip(inboxes) {
            frames.next = next;
            // a worker that is gone has panicked: its join tells
            let _ = inbox.send(frames);
        }
        match polled {
            Ok(0) => return Ok(()),
            Ok(read) => frames_read += read as u64,
            Err(error) => return Err(error),
        }
        watch(Position { bytes: file.progress().0, frames: frames_read, alerts: 0 });
    }
}

/// A worker's thread: one answer a round, one more at the end.
fn work(
    mut worker: Worker,
    inbox: &Receiver<Frames>,
    answers: &Sender<Batch>,
    give_back: &Sender<Frames>,
    seat: Option<Seat>,
) -> Worker {
    let reached = |number| {
        if let Some(seat) = &seat {
            seat.reached(number);
        }
    };
    for mut round in inbox {
        let mut at = 0;
        for (nth, meta) in round.frames.iter().enumerate() {
            if round.trusted_from == Some(nth) {
                worker.trust_checksums();
            }
            let bytes = round.bytes.get(at..at + meta.len).unwrap_or_default();
            at += meta.len;
            reached(meta.number);
            worker.frame(&Frame {
                number: meta.number,
                timestamp: meta.timestamp,
                iface: meta.iface,
                link: meta.link,
                bytes,
                wire_len: meta.wire_len,
                checksums: true,
                changed: None,
            });
        }
        if round.trusted_from.is_some() {
            worker.trust_checksums();
        }
        // whoever is ahead need not wait for the collector to take this answer
        reached(round.next);
        round.bytes.clear();
        round.frames.clear();
        round.trusted_from = None;
        let _ = give_back.try_send(round);
        let _ = answers.send(std::mem::take(worker.batch()));
    }
    worker.finish_in_turn(&mut |number| reached(FINISH + number));
    drop(seat);
    let _ = answers.send(std::mem::take(worker.batch()));
    worker
}

/// Takes the answers of a round together.
fn gather(outboxes: &[Receiver<Batch>], collector: &mut Collector) {
    loop {
        let mut round: Vec<Batch> = outboxes.iter().filter_map(|outbox| outbox.recv().ok()).collect();
        if round.is_empty() {
            return;
        }
        collector.take(&mut round);
    }
}

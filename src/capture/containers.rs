//! Inline within containers: packets are queued inside the network namespace of each container, whatever lies between
//! containers (any CNI, no br_netfilter).
//!
//! The queues are opened within the namespace; they stay there, and workers read them from outside. A packet
//! between two containers of this host is looked at once, where it comes in: what a container sends to another that we also
//! hold goes on at its sender without a look, and where the kernel knows their addresses (`hook/held.rs`) it is not queued there. So
//! what a container is given was looked at, also when its sender went round its own rules. Packets with the same two addresses come to the same worker, in whichever container they are queued: the kernel
//! spreads them by the same hash everywhere.
//!
//! Containers are looked for when interfaces change and once a second, and let go when no process and no name holds their
//! namespace any more (our queues alone would keep it alive).
//!
//! An address that a container has given itself is believed to be its own: what others send there is held where it comes in, if it
//! does come in here.
//!
//! What it cannot hold: what stays within a namespace (its loopback), and what a container with NET_RAW sends out through packet
//! sockets, past its own OUTPUT; to another container that is held where it comes in. A container with NET_ADMIN can remove the
//! rules in its namespace, or put others before them: that is seen and told, and they are put back, one container every five seconds.
//! Whatever way it goes, a flow that leaves a container and was in no queue is seen from outside and told (`witness.rs`), and the
//! rules of that container are put back at once if it is they that are missing.
//!
//! What is bypassed is marked in each container for itself: a connection between two of them goes on unseen in both once a packet of
//! each direction was.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::links::{self, Addresses, Links};
use super::live::{Backend, Hook, LiveCapture, LiveOptions, Opened, Say, Statistics, now};
use super::namespaces::{self, Found, Namespaces, Netlink, scan};
use super::nfqueue::Queue;
use super::witness::{Shown, Witness};
use super::{Capture, Frame, hook};
use crate::types::{IfaceId, Timestamp};
use crate::verdict::Verdict;
use crate::verdict::reset::destination;

/// `mamparo run --inline containers`
pub const CONTAINERS: Backend = Backend { name: "containers", inline: true, open };

/// How often interfaces that have changed are taken in; five times as long containers are looked for in any case, and 25 times as
/// long the rules of another one are looked after.
const LOOK: Duration = Duration::from_millis(200);
/// Times that a container is tried to be held.
const TRIES: u32 = 5;
/// Messages of a queue read at once: each has room of its own, in every queue of every container.
const BATCH: usize = 8;

fn open(options: &LiveOptions) -> Result<Opened, String> {
    let workers = options.workers.max(1);
    let last = workers.checked_mul(2).and_then(|count| u16::try_from(count).ok());
    if last.is_none_or(|count| options.queue.checked_add(count).is_none()) {
        return Err(format!(
            "queues from {} on are more than there are; give a lower --queue",
            options.queue
        ));
    }
    let links = Links::open().map_err(|error| format!("interfaces cannot be listed (rtnetlink): {error}"))?;
    let mut options = options.clone();
    options.batch = options.batch.min(BATCH);
    let wakers: Vec<OwnedFd> = (0..workers)
        .map(|_| eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("eventfd: {error}"))?;
    let shared = Arc::new(Shared {
        generation: AtomicU64::new(0),
        board: Mutex::new(Board {
            parts: (0..workers).map(|_| Vec::new()).collect(),
            alive: HashSet::new(),
            locals: Arc::default(),
        }),
        wakers,
        shown: Shown::new(workers),
        unseen: AtomicU64::new(0),
    });
    let captures = (0..workers).map(|nth| {
        Box::new(Containers {
            shared: shared.clone(),
            nth,
            generation: 0,
            parts: Vec::new(),
            locals: Arc::default(),
            number: 0,
            elsewhere: 0,
            missed: 0,
            missed_before: 0,
            ended: Statistics::default(),
        }) as Box<dyn LiveCapture>
    });
    let captures = captures.collect();
    let attach = move || {
        let mut manager = Manager {
            links,
            namespaces: Namespaces::default(),
            turned: now(),
            held: BTreeMap::new(),
            cared: 0,
            refused: BTreeMap::new(),
            options,
            workers: workers as u16,
            shared,
        };
        let mut said = manager.look();
        if manager.held.is_empty() && !said.is_empty() {
            manager.end();
            return Err(said.join("\n"));
        }
        said.insert(
            0,
            match manager.held.len() {
                0 => "containers: none is here yet; they are held when they appear".to_owned(),
                count => format!("containers: {count} held; fail {}", manager.options.fail.name()),
            },
        );
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("containers".to_owned())
            .spawn({
                let stop = stop.clone();
                move || manager.follow(&stop)
            })
            .map_err(|error| format!("no thread to follow containers: {error}"))?;
        Ok((Some(Box::new(Following { stop, thread: Some(thread) }) as Box<dyn Hook>), said))
    };
    Ok(Opened { captures, attach: Box::new(attach) })
}

/// What workers and the one who follows containers share.
struct Shared {
    generation: AtomicU64,
    board: Mutex<Board>,
    wakers: Vec<OwnedFd>,
    /// What workers were shown of what leaves containers.
    shown: Shown,
    /// Packets that left one and were in no queue.
    unseen: AtomicU64,
}

struct Board {
    /// Queues that a worker has yet to take.
    parts: Vec<Vec<Part>>,
    /// Containers that are held.
    alive: HashSet<u64>,
    /// Their addresses.
    locals: Arc<HashSet<IpAddr>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is on the board and tells the workers.
    fn change(&self, change: impl FnOnce(&mut Board)) {
        change(&mut self.lock());
        self.generation.fetch_add(1, Ordering::Release);
        for waker in &self.wakers {
            // one that is full wakes as well
            let _ = rustix::io::write(waker, &1u64.to_ne_bytes());
        }
    }
}

/// The queues of one container that one worker reads.
struct Part {
    inode: u64,
    iface: IfaceId,
    incoming: Queue,
    outgoing: Queue,
}

/// Who follows containers.
struct Manager {
    links: Links,
    namespaces: Namespaces,
    /// When it was last begun to forget what leaves containers.
    turned: Timestamp,
    held: BTreeMap<u64, Held>,
    /// The container whose rules were looked after last.
    cared: u64,
    /// Containers that could not be held, and how often that was tried.
    refused: BTreeMap<u64, u32>,
    options: LiveOptions,
    workers: u16,
    shared: Arc<Shared>,
}

/// A container that is held.
struct Held {
    /// The veth that leads to it.
    link: String,
    file: File,
    addresses: Addresses,
    hook: Option<Box<dyn Hook>>,
    /// What the kernel knows there of all of them.
    others: Option<hook::held::Held>,
    /// Who looks at what leaves it.
    witness: Option<Witness>,
}

impl Manager {
    /// Until it is told to stop; then nothing is left in any container.
    fn follow(mut self, stop: &AtomicBool) {
        let mut looks = 0u64;
        while !stop.load(Ordering::Acquire) {
            let changed = links::wait(self.links.socket(), LOOK).unwrap_or(false);
            looks += 1;
            if changed || looks.is_multiple_of(5) {
                let say = self.options.say.clone();
                self.look().iter().for_each(|line| say.line(line));
            }
            self.watch();
            if looks.is_multiple_of(25) {
                self.care();
            }
        }
        self.end();
    }

    /// Holds what has appeared and lets go what has gone. What could not be held is told.
    fn look(&mut self) -> Vec<String> {
        let _ = self.links.update();
        let mut told = Vec::new();
        let found = match scan(&self.links, &mut self.namespaces) {
            Ok(found) => found,
            Err(error) => return vec![format!("warning: containers cannot be looked for: {error}")],
        };
        let gone: Vec<u64> = self.held.keys().filter(|inode| !found.contains_key(inode)).copied().collect();
        for inode in gone {
            if let Some(held) = self.held.remove(&inode) {
                self.shared.change(|board| {
                    board.alive.remove(&inode);
                });
                told.push(format!("containers: the one behind {} is gone", held.link));
                held.release();
            }
        }
        self.refused.retain(|inode, _| found.contains_key(inode));
        for (inode, found) in found {
            let tries = self.refused.get(&inode).copied().unwrap_or(0);
            if self.held.contains_key(&inode) || tries >= TRIES {
                continue;
            }
            let link = found.link.clone();
            match self.hold(found) {
                Ok(()) => told.push(format!("containers: the one behind {link} is held")),
                Err(why) => {
                    self.refused.insert(inode, tries + 1);
                    told.push(format!("warning: the container behind {link} cannot be held: {why}"));
                }
            }
        }
        self.learn();
        told
    }

    fn hold(&mut self, found: Found) -> Result<(), String> {
        let Found { inode, link, index } = found;
        let (first, workers) = (self.options.queue, self.workers);
        let options = &self.options;
        let iface = options.interfaces.id(&link);
        let denied = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "its namespace may not be entered: run as root, or with CAP_SYS_ADMIN".to_owned()
            }
            _ => format!("its namespace cannot be entered: {error}"),
        };
        let file = namespaces::open(inode, &self.namespaces).map_err(denied)?;
        let queue = |number| {
            let socket = namespaces::socket(&file, Netlink::Netfilter).map_err(denied)?;
            Queue::bind_by(socket, number, options)
        };
        let part = |nth| -> Result<Part, String> {
            let (incoming, outgoing) = (queue(first + nth)?, queue(first + workers + nth)?);
            Ok(Part { inode, iface, incoming, outgoing })
        };
        let parts = (0..workers).map(part).collect::<Result<Vec<Part>, String>>()?;
        let addresses = namespaces::socket(&file, Netlink::Route)
            .and_then(Addresses::by)
            .map_err(|error| format!("rtnetlink: {error}"))?;
        // workers first: what is queued from here on is read
        self.shared.change(|board| {
            board.alive.insert(inode);
            board.parts.iter_mut().zip(parts).for_each(|(waiting, part)| waiting.push(part));
        });
        let others = hook::held::Held::open(&file).ok();
        let mut held = Held { link, file, addresses, hook: None, others, witness: None };
        if let Err(why) = held.put(self.plan()) {
            self.shared.change(|board| {
                board.alive.remove(&inode);
            });
            return Err(why);
        }
        match Witness::new(inode, index, now()) {
            Ok(witness) => held.witness = Some(witness),
            Err(error) => options.say.line(&format!(
                "warning: what leaves the container behind {} past our rules will not be noticed: packet socket: {error}",
                held.link
            )),
        }
        self.held.insert(inode, held);
        Ok(())
    }

    fn plan(&self) -> hook::Plan {
        hook::Plan {
            first: self.options.queue,
            last: self.options.queue + (self.workers - 1),
            fail: self.options.fail,
            bypass: self.options.bypass,
            repeat: hook::repeated(self.options.onward),
            set_bridge: false,
            dry_run: self.options.dry_run,
            ends: Some(self.options.queue + self.workers),
        }
    }

    /// Which addresses are those of containers that are held.
    fn learn(&mut self) {
        let mut locals = HashSet::new();
        for held in self.held.values_mut() {
            locals.extend(held.addresses.list().unwrap_or_default());
        }
        if *self.shared.lock().locals != locals {
            self.shared.change(|board| board.locals = Arc::new(locals));
            let locals = self.shared.lock().locals.clone();
            self.held.values().for_each(|held| held.tell(&locals));
        }
    }

    /// Looks at what leaves containers. One that goes round our rules is told, and they are put in again.
    fn watch(&mut self) {
        let now = now();
        let plan = self.plan();
        let locals = self.shared.lock().locals.clone();
        for held in self.held.values_mut() {
            let Some(witness) = &mut held.witness else { continue };
            let unseen = witness.look(&self.shared.shown, &locals, now);
            self.shared.unseen.fetch_add(unseen.packets, Ordering::Relaxed);
            let Some((first, more)) = unseen.tell else { continue };
            let more = match more {
                0 => String::new(),
                1 => ", and one other flow".to_owned(),
                more => format!(", and {more} other flows"),
            };
            self.options.say.line(&format!(
                "warning: packets leave the container behind {} that were in no queue and are not held ({first}{more}): it sends past its own OUTPUT (NET_RAW), forwards for others, or has changed its rules (NET_ADMIN)",
                held.link
            ));
            held.care(plan, &locals, &self.options.say);
        }
        self.shared.shown.tick(&mut self.turned, now);
    }

    /// Puts the rules in again, in one container after the other: where one has removed them, it is held again.
    fn care(&mut self) {
        let plan = self.plan();
        let locals = self.shared.lock().locals.clone();
        let next = self.held.range_mut(self.cared + 1..).next().map(|(inode, held)| (*inode, held));
        match next {
            Some((inode, held)) => {
                self.cared = inode;
                held.care(plan, &locals, &self.options.say);
            }
            None => self.cared = 0,
        }
    }

    fn end(&mut self) {
        for held in std::mem::take(&mut self.held).into_values() {
            held.release();
        }
    }
}

impl Held {
    /// Puts the rules in.
    fn put(&mut self, plan: hook::Plan) -> Result<(), String> {
        self.hook = Some(hook::attach(plan, Some(&self.file))?.0);
        Ok(())
    }

    /// Puts them in again if they are not as they were, and tells so.
    fn care(&mut self, plan: hook::Plan, locals: &HashSet<IpAddr>, say: &Say) {
        if self.hook.as_mut().is_some_and(|hook| hook.stands().unwrap_or(false)) {
            return;
        }
        // what cannot be put in is about to go
        let put = self.put(plan).is_ok();
        self.tell(locals);
        if put {
            say.line(&format!(
                "warning: the rules in the container behind {} were changed by somebody else (NET_ADMIN) and are put back; what it said meanwhile was not held",
                self.link
            ));
        }
    }

    /// Tells the kernel there whom it need not queue for.
    fn tell(&self, locals: &HashSet<IpAddr>) {
        if let Some(others) = &self.others {
            // where there is no such set, both ends queue
            let _ = others.tell(locals);
        }
    }

    fn release(mut self) {
        if let Some(mut hook) = self.hook.take() {
            // a namespace that nobody is in takes its rules along
            let _ = hook.remove();
        }
    }
}

/// The thread that follows containers, to be ended.
struct Following {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hook for Following {
    fn remove(&mut self) -> io::Result<()> {
        self.stop.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => {
                Err(io::Error::other("who follows containers has panicked: rules may be left in them"))
            }
            _ => Ok(()),
        }
    }

    fn gone(&self) -> &'static str {
        "containers: none is held any more: our rules were removed from all of them"
    }
}

/// What one worker reads: its queues of all containers.
struct Containers {
    shared: Arc<Shared>,
    nth: usize,
    generation: u64,
    parts: Vec<Part>,
    locals: Arc<HashSet<IpAddr>>,
    number: u64,
    /// Packets that are looked at elsewhere.
    elsewhere: u64,
    /// What `missed` said last.
    missed: u64,
    /// Times that something may have been missed in containers that have gone.
    missed_before: u64,
    /// What was counted in containers that have gone.
    ended: Statistics,
}

impl Containers {
    /// Takes in what has changed on the board.
    fn renew(&mut self) {
        let latest = self.shared.generation.load(Ordering::Acquire);
        if latest == self.generation {
            return;
        }
        self.generation = latest;
        if let Some(waker) = self.shared.wakers.get(self.nth) {
            let _ = rustix::io::read(waker, &mut [0u8; 8]);
        }
        let mut board = self.shared.lock();
        self.locals = board.locals.clone();
        let alive = &board.alive;
        for part in self.parts.extract_if(.., |part| !alive.contains(&part.inode)) {
            let Part { mut incoming, mut outgoing, .. } = part;
            self.missed_before += incoming.missed() + outgoing.missed();
            self.ended.add(incoming.statistics());
            self.ended.add(outgoing.statistics());
        }
        if let Some(new) = board.parts.get_mut(self.nth) {
            self.parts.append(new);
        }
    }
}

impl Capture for Containers {
    fn poll(&mut self, budget: usize, handle: &mut dyn FnMut(Frame<'_>) -> Verdict) -> io::Result<usize> {
        let Containers { shared, nth, parts, locals, number, elsewhere, .. } = self;
        let mut handed = 0;
        for Part { inode, iface, incoming, outgoing } in parts {
            let mut look = |frame: Frame<'_>| {
                *number += 1;
                handle(Frame { number: *number, iface: *iface, ..frame })
            };
            // one that fails is that of a namespace that ends
            handed += outgoing
                .poll(budget, &mut |frame| {
                    let verdict = match destination(frame.bytes) {
                        // it is looked at where it comes in
                        Some(address) if locals.contains(&address) => {
                            *elsewhere += 1;
                            Verdict::Forward
                        }
                        _ => look(frame),
                    };
                    shared.shown.leaves(*nth, *inode, frame.bytes, verdict, frame.timestamp);
                    verdict
                })
                .unwrap_or(0);
            handed += incoming
                .poll(budget, &mut |frame| {
                    let verdict = look(frame);
                    shared.shown.comes(*inode, frame.bytes, verdict, frame.timestamp);
                    verdict
                })
                .unwrap_or(0);
        }
        Ok(handed)
    }
}

impl LiveCapture for Containers {
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.renew();
        let mut ready = Vec::with_capacity(self.parts.len() * 2);
        {
            let fds: Vec<_> =
                self.parts.iter().flat_map(|part| [part.incoming.fd(), part.outgoing.fd()]).collect();
            let mut all: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            all.extend(self.shared.wakers.get(self.nth).map(|waker| PollFd::new(waker, PollFlags::IN)));
            let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            match poll(&mut all, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            ready.extend(all.iter().map(|one| !one.revents().is_empty()));
        }
        self.read(&ready)
    }

    fn missed(&mut self) -> u64 {
        let parts = self.parts.iter_mut();
        self.missed_before + parts.map(|part| part.incoming.missed() + part.outgoing.missed()).sum::<u64>()
    }

    fn statistics(&mut self) -> Statistics {
        let mut all = self.ended;
        for part in &mut self.parts {
            all.add(part.incoming.statistics());
            all.add(part.outgoing.statistics());
        }
        all.received = all.received.saturating_sub(self.elsewhere);
        if self.nth == 0 {
            all.unqueued = self.shared.unseen.load(Ordering::Relaxed);
        }
        all
    }
}

impl Containers {
    /// Reads the queues that have something.
    fn read(&mut self, ready: &[bool]) -> io::Result<()> {
        let queues = self.parts.iter_mut().flat_map(|part| [&mut part.incoming, &mut part.outgoing]);
        for (queue, _) in queues.zip(ready).filter(|(_, ready)| **ready) {
            let _ = queue.wait(Duration::ZERO);
        }
        let missed = self.missed();
        if std::mem::replace(&mut self.missed, missed) != missed {
            self.shared.shown.is_full(now());
        }
        Ok(())
    }
}

//! Packets that netfilter queues for us (NFQUEUE), in the path of what the host forwards.
//!
//! Packets come as large as the kernel has them (GSO), many with one system call; verdicts go back many at a time too, what is
//! forwarded as one number. What this file may not know: what is inside a packet.
//!
//! Limits: what waits in a queue of the kernel is bounded by [`LiveOptions::queue_max`] packets and [`LiveOptions::buffer`] bytes; a
//! packet is shown up to 65,531 bytes, the rest of a longer one is counted as truncated.

mod message;
mod socket;

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use message::{Answer, Message, Queued};
use socket::{Slots, Socket};

use super::hook;
use super::live::{Backend, Changed, Fail, LiveCapture, LiveOptions, Onward, Opened, Statistics, now};
use super::{Capture, Frame, LinkType};
use crate::types::{IfaceId, Timestamp};
use crate::verdict::{Reason, Verdict};

/// The path of what the host forwards.
pub const HOST: Backend = Backend { name: "host", inline: true, open };

/// Messages received with one system call.
const SLOTS: usize = 32;
/// Bytes of packets whose verdict waits: what is behind is let wait no longer.
const UNANSWERED_MAX: usize = 128 << 10;
/// Interfaces whose names are remembered.
const NAMES_MAX: usize = 4096;
/// Numbers skipped beyond which they were not skipped but begun anew.
const GAP_MAX: u32 = 1 << 24;
/// How long the kernel may take to answer a request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// One queue.
pub struct Queue {
    slots: Slots,
    /// The first message that was not handed out.
    next: usize,
    received_at: Timestamp,
    inner: Inner,
}

/// All but what was received.
struct Inner {
    /// Messages since the queue was last seen empty.
    burst: u32,
    /// Times that it may have been full, or that the kernel had no room for a message, and what came went on unseen.
    missed: u64,
    number: u16,
    socket: Socket,
    /// Verdicts on their way to the kernel.
    out: Vec<u8>,
    /// The last packet that may go on, with those before it, and the mark that all of them get.
    accepted: Option<(u32, Option<u32>)>,
    /// Bytes of packets whose verdict waits.
    waiting: usize,
    /// Number of the last frame.
    frames: u64,
    /// The number that the kernel gave to the last packet.
    last_id: Option<u32>,
    statistics: Statistics,
    names: HashMap<u32, IfaceId, ahash::RandomState>,
    changed: Changed,
    options: LiveOptions,
}

fn open(options: &LiveOptions) -> Result<Opened, String> {
    let mut captures: Vec<Box<dyn LiveCapture>> = Vec::new();
    let mut last = options.queue;
    let count = u16::try_from(options.workers.max(1)).unwrap_or(u16::MAX);
    if let Onward::Route(to) = options.onward
        && (options.queue..options.queue.saturating_add(count)).contains(&to)
    {
        return Err(format!(
            "nfq.route-queue: {to} is a queue of our own; name one that another program reads"
        ));
    }
    for nth in 0..options.workers.max(1) {
        last = u16::try_from(nth).ok().and_then(|nth| options.queue.checked_add(nth)).ok_or_else(|| {
            format!("queues from {} on are more than there are; give a lower --queue", options.queue)
        })?;
        captures.push(Box::new(Queue::bind(last, options)?));
    }
    let plan = hook::Plan {
        first: options.queue,
        last,
        fail: options.fail,
        bypass: options.bypass,
        repeat: hook::repeated(options.onward),
        set_bridge: options.set_bridge,
        dry_run: options.dry_run,
        ends: None,
    };
    let attach = move || {
        let (hook, told) = hook::attach(plan, None)?;
        Ok((Some(hook), told))
    };
    Ok(Opened { captures, attach: Box::new(attach) })
}

impl Queue {
    /// Binds the queue of that number.
    pub fn bind(number: u16, options: &LiveOptions) -> Result<Self, String> {
        let socket = Socket::open().map_err(|error| format!("queue {number}: {}", explained(&error)))?;
        Queue::bind_by(socket, number, options)
    }

    /// The same by a netlink socket of the namespace where it is.
    pub(super) fn bind_by(socket: OwnedFd, number: u16, options: &LiveOptions) -> Result<Self, String> {
        let failed = |error: io::Error| format!("queue {number}: {}", explained(&error));
        let socket = Socket::of(socket, options.buffer).map_err(failed)?;
        let inner = Inner {
            burst: 0,
            missed: 0,
            number,
            socket,
            out: Vec::with_capacity(4096),
            accepted: None,
            waiting: 0,
            frames: 0,
            last_id: None,
            statistics: Statistics::default(),
            names: HashMap::default(),
            changed: Changed::default(),
            options: options.clone(),
        };
        let slots = Slots::new(SLOTS.min(options.batch.max(1)));
        let mut queue = Queue { slots, next: 0, received_at: now(), inner };
        let open = if options.fail == Fail::Open { message::FAIL_OPEN } else { 0 };
        let mut request = Vec::new();
        message::bind(&mut request, number, options.queue_max, open | message::GSO);
        queue.inner.socket.send(&request).map_err(failed)?;
        queue.acknowledged().map_err(failed)?;
        Ok(queue)
    }

    /// What has something to read when packets were queued.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.inner.socket.fd()
    }

    /// Reads until the kernel has answered. Packets that were queued before all was set up go through the hook again.
    fn acknowledged(&mut self) -> io::Result<()> {
        for _ in 0..1000 {
            self.inner.socket.receive(&mut self.slots, ANSWER_TIMEOUT)?;
            if self.slots.len() == 0 {
                break;
            }
            let mut answered = None;
            for nth in 0..self.slots.len() {
                for found in message::each(self.slots.message(nth)) {
                    match found {
                        Message::Answer(code) => answered = Some(code),
                        Message::Packet(packet) => self.inner.single(packet.id, Answer::Repeat, None),
                    }
                }
            }
            self.inner.answer()?;
            self.next = self.slots.len();
            match answered {
                Some(0) => return Ok(()),
                Some(code) => return Err(io::Error::from_raw_os_error(-code)),
                None => {}
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel does not answer"))
    }
}

impl Capture for Queue {
    fn poll(&mut self, budget: usize, handle: &mut dyn FnMut(Frame<'_>) -> Verdict) -> io::Result<usize> {
        let mut handed = 0;
        while handed < budget && self.next < self.slots.len() {
            let message = self.slots.message(self.next);
            self.next += 1;
            for found in message::each(message) {
                // answers to requests were read at the beginning: these are about packets that are gone
                let Message::Packet(packet) = found else { continue };
                handed += 1;
                self.inner.packet(&packet, self.received_at, handle);
                if self.inner.waiting >= UNANSWERED_MAX {
                    self.inner.answer()?;
                }
            }
        }
        self.inner.answer()?;
        Ok(handed)
    }
}

impl LiveCapture for Queue {
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        if self.next < self.slots.len() {
            return Ok(());
        }
        self.next = 0;
        match self.inner.socket.receive(&mut self.slots, timeout) {
            // the kernel had no room for a message: what it was about has gone on, or was dropped, by the policy
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                self.inner.statistics.overruns += 1;
                self.inner.missed += 1;
            }
            other => other?,
        }
        self.inner.count(self.slots.len(), self.slots.room());
        if self.slots.len() > 0 {
            // a clock that is set back does not set back the time of packets
            self.received_at = self.received_at.max(now());
        }
        Ok(())
    }

    fn missed(&mut self) -> u64 {
        // with fail closed what finds no room ends there
        if self.inner.options.fail == Fail::Open { self.inner.missed } else { 0 }
    }

    fn statistics(&mut self) -> Statistics {
        // numbers of interfaces are given anew one day
        self.inner.names.clear();
        let mut statistics = self.inner.statistics;
        statistics.dropped += refused(self.inner.number).unwrap_or(0);
        statistics
    }
}

impl Inner {
    /// Takes note of so many messages. A queue that was full has as many messages to read as it holds before it is empty again;
    /// those that found it full are not among them, and with fail open nobody counts them.
    fn count(&mut self, messages: usize, room: usize) {
        if messages < room {
            self.burst = 0;
            return;
        }
        self.burst = self.burst.saturating_add(messages as u32);
        if self.burst.saturating_add(2 * room as u32) >= self.options.queue_max {
            self.burst = 0;
            self.missed += 1;
        }
    }

    /// Hands a packet to `handle` and notes the verdict.
    fn packet(
        &mut self,
        packet: &Queued<'_>,
        timestamp: Timestamp,
        handle: &mut dyn FnMut(Frame<'_>) -> Verdict,
    ) {
        // numbers are given one by one: those that are missing are packets that we were not shown
        if let Some(last) = self.last_id.replace(packet.id) {
            let missing = packet.id.wrapping_sub(last).wrapping_sub(1);
            self.statistics.dropped += u64::from(if missing < GAP_MAX { missing } else { 0 });
        }
        let Some(payload) = packet.payload else {
            // queued before this socket said what it wants
            return self.single(packet.id, Answer::Repeat, None);
        };
        self.frames += 1;
        self.statistics.received += 1;
        let truncated = packet.len as usize > payload.len();
        self.statistics.truncated += u64::from(truncated);
        let iface = self.iface(packet.iface);
        self.changed.begin();
        let mut verdict = handle(Frame {
            number: self.frames,
            timestamp,
            iface,
            link: LinkType::RAW_IP,
            bytes: payload,
            wire_len: packet.len,
            checksums: packet.checksums,
            changed: Some(&self.changed).filter(|_| !truncated && !self.options.dry_run),
        });
        if truncated && self.options.fail == Fail::Closed {
            verdict = verdict.stricter(Verdict::Drop(Reason::DecodeError));
        }
        if self.options.dry_run {
            verdict = Verdict::Forward;
        }
        self.waiting += payload.len();
        // who was here is known by its mark
        let marked = match self.options.onward {
            Onward::Repeat { mark, mask } => Some(packet.mark & !mask | mark),
            _ => None,
        };
        if !verdict.drops()
            && let Some(bytes) = self.changed.take(payload.len())
        {
            let mark = match (verdict, self.options.bypass) {
                (Verdict::Bypass, Some((bypass, mask))) => {
                    Some(marked.unwrap_or(packet.mark) & !mask | bypass & mask)
                }
                _ => marked,
            };
            let answer = self.onward();
            if let Some((id, mark)) = self.accepted.take() {
                message::verdict_upto(&mut self.out, self.number, id, answer, mark);
            }
            message::verdict_changed(&mut self.out, self.number, packet.id, answer, mark, &bytes);
            // the socket takes only so much at once
            self.waiting = UNANSWERED_MAX;
            return;
        }
        match (verdict, self.options.bypass) {
            (Verdict::Bypass, Some((bypass, mask))) => {
                let mark = marked.unwrap_or(packet.mark) & !mask | bypass & mask;
                self.single(packet.id, self.onward(), Some(mark));
            }
            (Verdict::Forward | Verdict::Bypass, _) => {
                if self.accepted.is_some_and(|(_, other)| other != marked) {
                    self.accept();
                }
                self.accepted = Some((packet.id, marked));
            }
            (Verdict::Drop(_) | Verdict::Reject(..), _) => self.single(packet.id, Answer::Drop, None),
        }
    }

    fn iface(&mut self, index: u32) -> IfaceId {
        if let Some(known) = self.names.get(&index) {
            return *known;
        }
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        let name = socket::interface_name(index).unwrap_or_else(|| format!("if{index}"));
        let id = self.options.interfaces.id(&name);
        self.names.insert(index, id);
        id
    }

    /// A verdict of its own; those before it are accepted first.
    fn single(&mut self, id: u32, answer: Answer, mark: Option<u32>) {
        self.accept();
        message::verdict(&mut self.out, self.number, id, answer, mark);
    }

    fn accept(&mut self) {
        if let Some((id, mark)) = self.accepted.take() {
            let answer = self.onward();
            message::verdict_upto(&mut self.out, self.number, id, answer, mark);
        }
    }

    /// The verdict on what may go on.
    fn onward(&self) -> Answer {
        match self.options.onward {
            Onward::Accept => Answer::Accept,
            Onward::Repeat { .. } => Answer::Repeat,
            Onward::Route(number) => Answer::Queue { number, bypass: self.options.fail == Fail::Open },
        }
    }

    /// Sends all verdicts.
    fn answer(&mut self) -> io::Result<()> {
        self.accept();
        self.waiting = 0;
        if self.out.is_empty() {
            return Ok(());
        }
        let sent = self.socket.send(&self.out);
        self.out.clear();
        match sent {
            // the packet is not there any more: its interface went, or the queue was emptied
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other,
        }
    }
}

/// Packets that the kernel dropped because the queue was full. (With fail open they go on and nobody counts them.)
fn refused(number: u16) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue").ok()?;
    let mut rows = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first().and_then(|first| first.parse().ok()) == Some(number))?;
    row.get(5)?.parse().ok()
}

/// What an error of binding means, and what to do.
fn explained(error: &io::Error) -> String {
    let remedy = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            "run as root, or with the capability NET_ADMIN (in a container: --cap-add NET_ADMIN --network host)"
        }
        Some(libc::EBUSY) => {
            "another program reads this queue: end it, or choose others with --queue (see /proc/net/netfilter/nfnetlink_queue)"
        }
        Some(libc::EINVAL | libc::EPROTONOSUPPORT | libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => {
            "the kernel has no packet queue: modprobe nfnetlink_queue, or build it with CONFIG_NETFILTER_NETLINK_QUEUE"
        }
        _ => "see whether the kernel has nfnetlink_queue",
    };
    format!("{error}; {remedy}")
}

//! Pair: a bump in the wire. What comes in by one interface goes out by the other, unless it is dropped, and the other way round.
//!
//! For where netfilter cannot be used. The two interfaces belong to us alone: no bridge and no address on them, or the host would
//! forward beside us. Frames are handed on as they are, GSO and VLAN tags included. While nobody is here nothing passes: a pair
//! cannot fail open.
//!
//! Not handed on: frames longer than 64 KiB (BIG TCP), and those that are too long for the other interface; both are counted.

mod socket;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::filter;
use super::links::Links;
use super::live::{Backend, Changed, Fail, Hook, LiveCapture, LiveOptions, Opened, Reply, Statistics, now};
use super::ring;
use super::{Capture, Frame, LinkType};
use crate::types::IfaceId;
use crate::verdict::Verdict;
use socket::{Slots, Socket};

/// `mamparo run --inline pair A=B`
pub const PAIR: Backend = Backend { name: "pair", inline: true, open };

/// Frames taken at a time.
const SLOTS: usize = 32;

fn open(options: &LiveOptions) -> Result<Opened, String> {
    let names = match options.names.as_slice() {
        [one] => one.split_once('=').filter(|(a, b)| !a.is_empty() && !b.is_empty() && a != b),
        _ => None,
    };
    let Some((first, second)) = names else {
        return Err("name two interfaces that belong together: --inline pair eth1=eth2".to_owned());
    };
    let links = Links::open().map_err(|error| format!("interfaces cannot be listed (rtnetlink): {error}"))?;
    let mut said = Vec::new();
    let mut ends = Vec::new();
    for name in [first, second] {
        let link =
            links.named(name).ok_or_else(|| format!("there is no interface {name:?}; see 'ip link'"))?;
        if let Some(master) = link.master {
            let master = links.all().get(&master).map_or("another interface", |master| master.name.as_str());
            return Err(format!(
                "{name} belongs to {master}, which would forward beside us: ip link set {name} nomaster"
            ));
        }
        if !link.up {
            said.push(format!("warning: {name} is down: ip link set {name} up"));
        }
        ends.push((link.index, options.interfaces.id(name)));
    }
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "a packet socket is not allowed: run as root, or with CAP_NET_RAW".to_owned()
        }
        _ => format!("packet socket: {error}"),
    };
    let mut sides: [Vec<Socket>; 2] = [Vec::new(), Vec::new()];
    for (side, (index, _)) in sides.iter_mut().zip(&ends) {
        for _ in 0..options.workers.max(1) {
            side.push(Socket::open(*index, options.buffer).map_err(failed)?);
        }
        let sockets: Vec<_> = side.iter().map(Socket::fd).collect();
        if sockets.len() > 1 {
            // in the same order on both sides: both directions of a flow come to the same worker
            ring::spread(&sockets, None, &filter::by_addresses())
                .map_err(|error| format!("frames cannot be spread over workers (PACKET_FANOUT): {error}"))?;
        }
    }
    let mut hook = Passage { sockets: Vec::new() };
    for (side, (index, _)) in sides.iter().zip(&ends) {
        for socket in side {
            hook.sockets.push((socket.fd().try_clone_to_owned().map_err(failed)?, *index));
        }
    }
    let [one, other] = sides;
    let ifaces = [ends.first(), ends.get(1)].map(|end| end.map_or_else(IfaceId::default, |end| end.1));
    let dry_run = options.dry_run;
    let captures = one
        .into_iter()
        .zip(other)
        .map(|(one, other)| {
            Box::new(Pair {
                sockets: [one, other],
                ifaces,
                slots: Slots::new(SLOTS),
                forwarded: Vec::with_capacity(SLOTS),
                number: 0,
                dry_run,
                counted: Statistics::default(),
                changed: Changed::default(),
            }) as Box<dyn LiveCapture>
        })
        .collect();
    said.push(format!("pair: what comes in by {first} goes out by {second}, and the other way round"));
    if options.fail == Fail::Open {
        said.push(
            "warning: pair: nothing passes while Mamparo is not running: this mode cannot fail open"
                .to_owned(),
        );
    }
    let attach = move || {
        hook.begin().map_err(|error| format!("pair: {error}"))?;
        Ok((Some(Box::new(hook) as Box<dyn Hook>), said))
    };
    Ok(Opened { captures, attach: Box::new(attach) })
}

/// The sockets, to begin and to end with.
struct Passage {
    sockets: Vec<(OwnedFd, u32)>,
}

impl Passage {
    fn begin(&self) -> io::Result<()> {
        for (socket, index) in &self.sockets {
            ring::promiscuous(socket.as_fd(), *index, true)?;
            ring::filter(socket.as_fd(), filter::INCOMING)?;
        }
        Ok(())
    }
}

impl Hook for Passage {
    fn remove(&mut self) -> io::Result<()> {
        for (socket, index) in &self.sockets {
            ring::filter(socket.as_fd(), filter::NOTHING)?;
            // of an interface that has gone there is nothing to be undone
            let _ = ring::promiscuous(socket.as_fd(), *index, false);
        }
        Ok(())
    }

    fn gone(&self) -> &'static str {
        "pair: nothing passes between the two interfaces any more"
    }
}

/// Both directions of the flows of one worker.
struct Pair {
    sockets: [Socket; 2],
    ifaces: [IfaceId; 2],
    slots: Slots,
    /// Which of the frames at hand go on.
    forwarded: Vec<usize>,
    number: u64,
    dry_run: bool,
    counted: Statistics,
    changed: Changed,
}

impl Capture for Pair {
    fn poll(&mut self, budget: usize, handle: &mut dyn FnMut(Frame<'_>) -> Verdict) -> io::Result<usize> {
        let Pair { sockets: [one, other], ifaces, slots, forwarded, number, dry_run, counted, changed } =
            self;
        let mut handed = 0;
        for (from, to, iface) in [(&*one, &*other, ifaces[0]), (&*other, &*one, ifaces[1])] {
            from.receive(slots, budget)?;
            if slots.len() == 0 {
                continue;
            }
            let timestamp = now();
            forwarded.clear();
            for nth in 0..slots.len() {
                let Some((frame, bytes)) = slots.frame(nth) else { continue };
                *number += 1;
                handed += 1;
                changed.begin();
                let verdict = handle(Frame {
                    number: *number,
                    timestamp,
                    iface,
                    link: LinkType::ETHERNET,
                    bytes,
                    wire_len: frame.wire_len,
                    checksums: !frame.checksums_settled,
                    changed: Some(&*changed).filter(|_| !frame.truncated && !*dry_run),
                });
                let len = bytes.len();
                if frame.truncated {
                    counted.truncated += 1;
                } else if *dry_run || !verdict.drops() {
                    if let Some(bytes) = changed.take(len) {
                        slots.change(nth, &bytes);
                    }
                    forwarded.push(nth);
                }
            }
            counted.unsent += to.send(slots, forwarded);
        }
        Ok(handed)
    }
}

impl LiveCapture for Pair {
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let [one, other] = &self.sockets;
        let (one, other) = (one.fd(), other.fd());
        let mut sockets = [PollFd::new(&one, PollFlags::IN), PollFd::new(&other, PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut sockets, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn statistics(&mut self) -> Statistics {
        for socket in &self.sockets {
            if let Ok((packets, dropped)) = socket.statistics() {
                self.counted.received += u64::from(packets.saturating_sub(dropped));
                self.counted.dropped += u64::from(dropped);
            }
        }
        self.counted
    }

    fn reply(&mut self, reply: &Reply) -> io::Result<bool> {
        let Some(came) = self.ifaces.iter().position(|iface| *iface == reply.iface) else { return Ok(false) };
        let out = if reply.back { came } else { 1 - came };
        let Some(socket) = self.sockets.get(out) else { return Ok(false) };
        socket.send_own(&[&reply.link[..], &reply.packet].concat())?;
        Ok(true)
    }
}

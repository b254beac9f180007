//! Tap: copies of what crosses interfaces of this host; nothing is held up.
//!
//! One ring for each worker (`ring.rs`), over all interfaces, however many there are. The kernel leaves out those that
//! are not watched; which are is followed as interfaces come and go, and one that has just appeared is seen from its first
//! frame. Frames are spread over workers by their two addresses, so that a flow, its fragments and what it announces stay
//! together (the kernel's own hash would part fragments from their flow, or put them together before anybody saw how they
//! overlap).
//!
//! Each packet is seen once:
//!
//! - Of a port of a watched bridge only what comes in is looked at, and of the bridge only what this host sends by it. What one
//!   port sends to another came in by the first. No interface but one that was named has to be promiscuous: ports are anyway.
//! - What is routed from one watched interface to another shows twice, its hop limit one less. A packet that was seen in the
//!   last second on another interface, byte by byte the same but for that and the header checksum, is left out.
//!
//! Not known again: packets whose addresses were translated between (seen under both, two flows that are each whole), and GSO
//! packets cut into segments between (TCP takes those for what they are, repeated bytes). What two containers that share a
//! network namespace say to each other crosses no interface of the host.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::filter::{self, See};
use super::links::{self, Kind, Link, Links};
use super::live::{Backend, Hook, Interfaces, LiveCapture, LiveOptions, Opened, Statistics};
use super::ring::{self, Ring, Size};
use super::{Capture, Frame, LinkType};
use crate::types::{IfaceId, Timestamp};
use crate::verdict::Verdict;

/// `mamparo run --tap`
pub const TAP: Backend = Backend { name: "tap", inline: false, open };

/// How rings are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapOptions {
    /// Bytes of a block; no frame is longer.
    pub block: usize,
    /// Blocks of each ring.
    pub blocks: usize,
    /// Milliseconds after which a block is read that is not full.
    pub block_timeout: u32,
    /// Number of the group of sockets; `None`: the kernel chooses one.
    pub group: Option<u16>,
    /// Interfaces that were named take in what is addressed to others.
    pub promiscuous: bool,
}

impl Default for TapOptions {
    fn default() -> Self {
        TapOptions { block: 1 << 19, blocks: 64, block_timeout: 10, group: None, promiscuous: true }
    }
}

impl TapOptions {
    /// Ranges of what a ring may be: a block holds the longest frame, a ring 4 GiB at most.
    fn size(&self) -> Size {
        let block = self.block.clamp(1 << 17, 1 << 27).next_power_of_two();
        Size {
            block,
            blocks: self.blocks.clamp(2, (1 << 32) / block),
            block_timeout: self.block_timeout.clamp(1, 1000),
        }
    }
}

fn open(options: &LiveOptions) -> Result<Opened, String> {
    let denied = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "a packet socket is not allowed: run as root, or with CAP_NET_RAW".to_owned()
        }
        io::ErrorKind::OutOfMemory => {
            format!("no memory for the rings ({error}): fewer workers, or a smaller af-packet.ring-size")
        }
        _ => format!("packet socket: {error}"),
    };
    let links = Links::open().map_err(|error| format!("interfaces cannot be listed (rtnetlink): {error}"))?;
    let rings: Vec<Ring> = (0..options.workers.max(1))
        .map(|_| Ring::open(options.tap.size()))
        .collect::<Result<_, _>>()
        .map_err(denied)?;
    if rings.len() > 1 {
        let sockets: Vec<_> = rings.iter().map(Ring::socket).collect();
        ring::spread(&sockets, options.tap.group, &filter::by_addresses())
            .map_err(|error| format!("frames cannot be spread over workers (PACKET_FANOUT): {error}"))?;
    }
    let sockets: Vec<OwnedFd> = rings
        .iter()
        .map(|ring| ring.socket().try_clone_to_owned())
        .collect::<Result<_, _>>()
        .map_err(denied)?;
    let shared = Arc::new(Shared {
        generation: AtomicU64::new(0),
        state: Mutex::new(State {
            links,
            names: options.names.clone(),
            promiscuous: options.tap.promiscuous,
            interfaces: options.interfaces.clone(),
            sockets,
            attached: false,
            sees: BTreeMap::new(),
            members: BTreeSet::new(),
            watch: Arc::default(),
        }),
    });
    let block_timeout = Duration::from_millis(options.tap.size().block_timeout.into());
    let captures = rings
        .into_iter()
        .map(|ring| Box::new(Tap::new(ring, block_timeout, shared.clone())) as Box<dyn LiveCapture>);
    Ok(Opened { captures: captures.collect(), attach: Box::new(move || attach(shared)) })
}

type Attached = Result<(Option<Box<dyn Hook>>, Vec<String>), String>;

fn attach(shared: Arc<Shared>) -> Attached {
    let (said, socket) = {
        let mut state = shared.lock();
        state.attached = true;
        state.links.update().map_err(|error| format!("rtnetlink: {error}"))?;
        state.judge(&shared.generation).map_err(|error| format!("packet filter: {error}"))?;
        let socket = state.links.socket().try_clone_to_owned().map_err(|error| error.to_string())?;
        (state.said(), socket)
    };
    let stop = Arc::new(AtomicBool::new(false));
    let thread = std::thread::Builder::new()
        .name("links".to_owned())
        .spawn({
            let (stop, shared) = (stop.clone(), shared.clone());
            move || follow(&shared, &socket, &stop)
        })
        .map_err(|error| format!("no thread to follow interfaces: {error}"))?;
    Ok((Some(Box::new(Follower { shared, stop, thread: Some(thread) })), said))
}

/// Takes in changes of interfaces until it is stopped.
fn follow(shared: &Shared, socket: &OwnedFd, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let waited = links::wait(socket.as_fd(), Duration::from_millis(200));
        // what fails now is tried again: a worker that meets an unknown interface asks as well
        if waited.and_then(|_| shared.update()).is_err() {
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }
}

/// What was set in motion: the thread that follows interfaces, and the frames that come in.
struct Follower {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hook for Follower {
    fn remove(&mut self) -> io::Result<()> {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let mut state = self.shared.lock();
        state.attached = false;
        state.sockets.iter().try_for_each(|socket| ring::filter(socket.as_fd(), filter::NOTHING))
    }

    fn gone(&self) -> &'static str {
        "tap: nothing is watched any more"
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

/// What workers and the one who follows interfaces share. Workers look at the number for each batch, and at the rest when it
/// has changed or an interface is unknown to them.
struct Shared {
    generation: AtomicU64,
    state: Mutex<State>,
}

struct State {
    links: Links,
    /// Interfaces that were named; none: all bridges, their ports, and all veths.
    names: Vec<String>,
    promiscuous: bool,
    interfaces: Arc<Interfaces>,
    sockets: Vec<OwnedFd>,
    attached: bool,
    /// What is looked at, of every interface that is there.
    sees: BTreeMap<u32, See>,
    /// Interfaces that we made promiscuous.
    members: BTreeSet<u32>,
    watch: Arc<Watch>,
}

/// What a worker must know of interfaces.
#[derive(Debug, Default)]
struct Watch {
    known: HashMap<u32, (See, IfaceId), ahash::RandomState>,
    /// A packet may show on several.
    several: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what changed.
    fn update(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.links.update()? { state.judge(&self.generation) } else { Ok(()) }
    }

    /// The latest, in which that interface is known if it is there at all.
    fn knowing(&self, index: u32) -> Arc<Watch> {
        let mut state = self.lock();
        let tried = match state.links.update() {
            Ok(true) => state.judge(&self.generation),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if tried.is_err() || !state.watch.known.contains_key(&index) {
            // gone again, or more interfaces than we know: not asked for a second time
            let unknown = state.interfaces.id("?");
            let mut watch = Watch { known: state.watch.known.clone(), several: state.watch.several };
            watch.known.insert(index, (See::Nothing, unknown));
            state.watch = Arc::new(watch);
            self.generation.fetch_add(1, Ordering::Release);
        }
        state.watch.clone()
    }
}

impl State {
    /// Decides what is looked at, and tells the kernel and the workers.
    fn judge(&mut self, generation: &AtomicU64) -> io::Result<()> {
        if !self.attached {
            return Ok(());
        }
        let sees = sees(self.links.all(), &self.names);
        let known: HashMap<_, _, ahash::RandomState> = sees
            .iter()
            .map(|(index, see)| {
                // a number is only given to what events can name
                let named = self.links.all().get(index).filter(|_| *see != See::Nothing);
                let iface = named.map_or_else(IfaceId::default, |link| self.interfaces.id(&link.name));
                (*index, (*see, iface))
            })
            .collect();
        if known == self.watch.known {
            return Ok(());
        }
        let program = filter::interfaces(&sees);
        let mut members = BTreeSet::new();
        if self.promiscuous && !self.names.is_empty() {
            let wanted = sees.iter().filter(|(_, see)| **see == See::Both).map(|(index, _)| *index);
            members.extend(wanted);
        }
        if let Some(socket) = self.sockets.first() {
            // of one that has just gone there is nothing to be undone
            for index in members.difference(&self.members) {
                let _ = ring::promiscuous(socket.as_fd(), *index, true);
            }
            for index in self.members.difference(&members) {
                let _ = ring::promiscuous(socket.as_fd(), *index, false);
            }
        }
        self.members = members;
        let ends = sees.values().filter(|see| matches!(see, See::Both | See::Outgoing)).count();
        self.watch = Arc::new(Watch { known, several: ends > 1 });
        self.sees = sees;
        // workers first: what the kernel shows from here on they know
        generation.fetch_add(1, Ordering::Release);
        self.sockets.iter().try_for_each(|socket| ring::filter(socket.as_fd(), &program))
    }

    /// What is watched, for a person.
    fn said(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let name = |index: &u32| self.links.all().get(index).map_or("?", |link| link.name.as_str());
        let watched: Vec<&str> =
            self.sees.iter().filter(|(_, see)| **see != See::Nothing).map(|(index, _)| name(index)).collect();
        match watched.as_slice() {
            [] if self.names.is_empty() => {
                lines.push(
                    "tap: no bridge and no veth is here yet; they are watched when they appear".to_owned(),
                );
            }
            [] => {}
            watched => lines.push(format!("tap: watching {}", shortened(watched))),
        }
        for name in &self.names {
            if self.links.named(name).is_none() {
                lines.push(format!(
                    "warning: tap: there is no interface {name:?} yet; it is watched when it appears"
                ));
            }
        }
        lines
    }
}

/// The first names, and how many more there are.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 16;
    let shown = names.get(..SHOWN).unwrap_or(names).join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What is looked at, of each interface.
fn sees(links: &BTreeMap<u32, Link>, names: &[String]) -> BTreeMap<u32, See> {
    let chosen = |link: &Link| match names {
        [] => link.kind != Kind::Other,
        names => names.contains(&link.name),
    };
    let bridge = |link: &Link| link.kind == Kind::Bridge && chosen(link);
    let port = |link: &Link| link.master.and_then(|master| links.get(&master)).is_some_and(bridge);
    let see = |link: &Link| match link {
        link if port(link) => See::Incoming,
        link if bridge(link) => See::Outgoing,
        link if chosen(link) => See::Both,
        _ => See::Nothing,
    };
    links.values().map(|link| (link.index, see(link))).collect()
}

/// The frames of one worker.
struct Tap {
    ring: Ring,
    block_timeout: Duration,
    shared: Arc<Shared>,
    generation: u64,
    watch: Arc<Watch>,
    recent: Recent,
    number: u64,
    /// Of the latest frame: processors may be a little apart.
    time: Timestamp,
    counted: Statistics,
}

impl Tap {
    fn new(ring: Ring, block_timeout: Duration, shared: Arc<Shared>) -> Tap {
        Tap {
            ring,
            block_timeout,
            shared,
            generation: 0,
            watch: Arc::default(),
            recent: Recent::default(),
            number: 0,
            time: Timestamp::default(),
            counted: Statistics::default(),
        }
    }
}

impl Capture for Tap {
    fn poll(&mut self, budget: usize, handle: &mut dyn FnMut(Frame<'_>) -> Verdict) -> io::Result<usize> {
        let Tap { ring, shared, generation, watch, recent, number, time, counted, .. } = self;
        let latest = shared.generation.load(Ordering::Acquire);
        if latest != *generation {
            (*generation, *watch) = (latest, shared.lock().watch.clone());
        }
        Ok(ring.each(budget, &mut |frame| {
            if !watch.known.contains_key(&frame.index) {
                *watch = shared.knowing(frame.index);
            }
            let Some(&(see, iface)) = watch.known.get(&frame.index) else { return };
            // the kernel has judged already, but not what it had no room for, nor what it did not know
            if !see.holds(frame.outgoing) {
                return;
            }
            let Some(link) = link_type(frame.hardware) else {
                counted.unsupported += 1;
                return;
            };
            *time = (*time).max(Timestamp::new(u64::from(frame.seconds), frame.nanoseconds));
            let timestamp = *time;
            if watch.several && recent.is_repeated(link, frame.bytes, frame.index, timestamp) {
                counted.duplicates += 1;
                return;
            }
            *number += 1;
            counted.received += 1;
            counted.truncated += u64::from((frame.bytes.len() as u64) < u64::from(frame.wire_len));
            handle(Frame {
                number: *number,
                timestamp,
                iface,
                link,
                bytes: frame.bytes,
                wire_len: frame.wire_len,
                checksums: !frame.checksums_settled,
                changed: None,
            });
        }))
    }
}

impl LiveCapture for Tap {
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        links::wait(self.ring.socket(), timeout).map(drop)
    }

    fn stop(&mut self) -> io::Result<()> {
        // the block that is not full is handed over when its time is up
        std::thread::park_timeout(self.block_timeout + Duration::from_millis(5));
        Ok(())
    }

    fn statistics(&mut self) -> Statistics {
        if let Ok((_, dropped, full)) = ring::statistics(self.ring.socket()) {
            self.counted.dropped += u64::from(dropped);
            self.counted.overruns += u64::from(full);
        }
        self.counted
    }
}

/// What a frame begins with, by the kind of hardware (`ARPHRD_*`).
fn link_type(hardware: u16) -> Option<LinkType> {
    match hardware {
        // Ethernet, loopback
        1 | 772 => Some(LinkType::ETHERNET),
        // no header (tun, WireGuard), raw IP, tunnels of IP in IP
        0xfffe | 519 | 768 | 769 | 776 => Some(LinkType::RAW_IP),
        _ => None,
    }
}

/// Packets kept in mind by a worker.
const RECENT: usize = 4096;
/// Nanoseconds for which they are.
const RECENT_TIME: u64 = 1_000_000_000;

/// Packets that were seen a moment ago, by a hash with a key of our own over all their bytes.
struct Recent {
    hasher: ahash::RandomState,
    /// Hash, time, interface; empty until it is needed.
    slots: Vec<(u64, Timestamp, u32)>,
}

impl Default for Recent {
    fn default() -> Self {
        Recent { hasher: ahash::RandomState::new(), slots: Vec::new() }
    }
}

impl Recent {
    /// Was it seen on another interface?
    fn is_repeated(&mut self, link: LinkType, bytes: &[u8], index: u32, now: Timestamp) -> bool {
        if self.slots.is_empty() {
            self.slots = vec![(0, Timestamp::default(), 0); RECENT];
        }
        let hash = fingerprint(&self.hasher, link, bytes);
        let Some(slot) = self.slots.get_mut(hash as usize % RECENT) else { return false };
        if slot.0 == hash && slot.2 != index && now.since(slot.1) < RECENT_TIME {
            return true;
        }
        *slot = (hash, now, index);
        false
    }
}

/// The same for all frames that carry a packet, whoever forwarded it: without link addresses, VLAN tags, padding, the hop
/// limit and the checksum over it.
fn fingerprint(hasher: &ahash::RandomState, link: LinkType, bytes: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    let mut packet = bytes;
    if link == LinkType::ETHERNET {
        packet = bytes.get(12..).unwrap_or_default();
        while let [0x81 | 0x88, 0x00 | 0xa8, _, _, rest @ ..] = packet {
            packet = rest;
        }
        packet = packet.get(2..).unwrap_or_default();
    }
    let end = |len: usize| packet.get(..len).unwrap_or(packet);
    match *packet {
        [0x40..=0x4f, _, high, low, ..] if packet.len() >= 20 => {
            let packet = end(usize::from(u16::from_be_bytes([high, low])).max(20));
            let (first, rest) = packet.split_at(8);
            hasher.write(first);
            // the protocol; the hop limit before it and the checksum behind it change on the way
            hasher.write(rest.get(1..2).unwrap_or_default());
            hasher.write(rest.get(4..).unwrap_or_default());
        }
        [0x60..=0x6f, _, _, _, high, low, ..] if packet.len() >= 40 => {
            let len = usize::from(u16::from_be_bytes([high, low]));
            let packet = if len == 0 { packet } else { end(len + 40) };
            let (first, rest) = packet.split_at(7);
            hasher.write(first);
            hasher.write(rest.get(1..).unwrap_or_default());
        }
        _ => hasher.write(packet),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(rows: &[(u32, &str, Kind, u32)]) -> BTreeMap<u32, Link> {
        let link = |&(index, name, kind, master): &(u32, &str, Kind, u32)| Link {
            index,
            name: name.to_owned(),
            kind,
            master: Some(master).filter(|master| *master != 0),
            up: true,
            peer: None,
            peer_namespace: None,
        };
        rows.iter().map(|row| (row.0, link(row))).collect()
    }

    #[track_caller]
    fn check(names: &[&str], expected: &[See]) {
        let links = links(&[
            (1, "lo", Kind::Other, 0),
            (2, "eth0", Kind::Other, 0),
            (3, "br0", Kind::Bridge, 0),
            (4, "veth4", Kind::Veth, 3),
            (5, "tap5", Kind::Other, 3),
            (6, "cali6", Kind::Veth, 0),
            (7, "veth7", Kind::Veth, 8),
            (8, "ovs-system", Kind::Other, 0),
        ]);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(sees(&links, &names).into_values().collect::<Vec<_>>(), expected, "{names:?}");
    }

    #[test]
    fn what_is_looked_at() {
        use See::{Both, Incoming, Nothing, Outgoing};
        check(&[], &[Nothing, Nothing, Outgoing, Incoming, Incoming, Both, Both, Nothing]);
        check(&["br0"], &[Nothing, Nothing, Outgoing, Incoming, Incoming, Nothing, Nothing, Nothing]);
        check(&["veth4"], &[Nothing, Nothing, Nothing, Both, Nothing, Nothing, Nothing, Nothing]);
        check(
            &["br0", "veth4", "eth0"],
            &[Nothing, Both, Outgoing, Incoming, Incoming, Nothing, Nothing, Nothing],
        );
        check(&["nowhere"], &[Nothing; 8]);
    }

    fn ethernet(kind: &[u8], packet: &[u8]) -> Vec<u8> {
        [&[2; 12][..], kind, packet].concat()
    }

    #[test]
    fn a_packet_is_known_again_on_another_interface() {
        let mut packet = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 9, 9, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([1, 2, 3, 4, 0, 8, 0, 0]);
        let mut recent = Recent::default();
        let mut seen = |bytes: &[u8], index, milliseconds: u64| {
            recent.is_repeated(
                LinkType::ETHERNET,
                bytes,
                index,
                Timestamp((1 << 40) | (milliseconds * 1_000_000)),
            )
        };
        assert!(!seen(&ethernet(&[8, 0], &packet), 1, 0));
        let mut routed = packet.clone();
        (routed[8], routed[10]) = (63, 10);
        let padded = [&routed[..], &[0; 18]].concat();
        assert!(seen(&ethernet(&[8, 0], &padded), 2, 1), "routed");
        assert!(seen(&ethernet(&[0x81, 0, 0, 5, 8, 0], &routed), 3, 1), "routed into a VLAN");
        assert!(!seen(&ethernet(&[8, 0], &packet), 1, 2), "sent again");
        for at in [1, 4, 9, 12, 19, 20, 27] {
            let mut other = routed.clone();
            other[at] ^= 1;
            assert!(!seen(&ethernet(&[8, 0], &other), 2, 3), "byte {at}");
        }
        assert!(!seen(&ethernet(&[8, 0], &packet), 2, 1200), "too late");
    }

    #[test]
    fn a_packet_cut_anywhere_has_a_fingerprint() {
        let hasher = ahash::RandomState::new();
        for kind in [&[8, 0][..], &[0x86, 0xdd], &[0x81, 0, 0, 1, 8, 0], &[8, 6]] {
            for first in [0x45, 0x60, 0] {
                let frame = ethernet(kind, &[first; 60]);
                for end in 0..frame.len() {
                    fingerprint(&hasher, LinkType::ETHERNET, &frame[..end]);
                    fingerprint(&hasher, LinkType::RAW_IP, &frame[..end]);
                }
            }
        }
    }
}

//! What leaves a container, seen from outside of it, held against what its queues were shown.
//!
//! A container with NET_RAW may send past its own OUTPUT, one with NET_ADMIN may take our rules away: what it says then is in no
//! queue, but comes out of the host's end of its veth all the same. Of what comes out there a packet socket shows one packet in
//! sixteen, and each that begins a TCP connection (`filter::LEAVING`). Each must belong to a flow of which the queues were shown
//! something in the last ten to twenty seconds; one that does not is told.
//!
//! A flow is its addresses, protocol and ports, so that it does not matter how packets are cut on their way out. What belongs to a
//! flow that the queues know is not told, whoever sent it, nor is what is not IP, nor what goes to another container that is held: that
//! is looked at where it comes in. Nothing is told where it may be our own doing: of a
//! flow that is bypassed, while a queue may be full, or just after a container is held.
//!
//! Limits: a worker remembers flows in two maps of 128 KiB, each for ten seconds; the more flows there are the less is told (some
//! 60,000 new ones a second leave nothing), but nothing is told that is not so. Bypassed flows: 65,536.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ahash::RandomState;

use super::{filter, ring};
use crate::types::{Proto, Timestamp};
use crate::verdict::Verdict;

/// Words of 64 bits of one map.
const WORDS: usize = 1 << 14;
/// How long a map takes flows in, nanoseconds.
const TURN: u64 = 10_000_000_000;
/// Flows that are bypassed, at most.
const BYPASSED_MAX: usize = 1 << 16;
/// How long it takes until a packet that may not be held is told: by then workers have said whether their queues were full, nanoseconds.
const PATIENCE: u64 = 1_000_000_000;
/// Time around a full queue in which nothing is told, nanoseconds.
const FULL: u64 = 3_000_000_000;
/// Flows of a container that are told together, and packets that wait to be.
const WAITING_MAX: usize = 256;
/// Packets that are looked at, at a time.
const PACKETS_MAX: usize = 4096;
/// Time between two lines about the same container, nanoseconds.
const QUIET: u64 = 60_000_000_000;
/// Extension headers of IPv6 that are stepped over.
const HEADERS_MAX: usize = 8;

/// Who speaks to whom. Ports are 0 where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    v6: bool,
    source: [u8; 16],
    destination: [u8; 16],
    protocol: u8,
    ports: [u16; 2],
}

impl Flow {
    /// The flow of a packet that begins with its IP header; `None` for what is no IP, and for fragments behind the first.
    pub(super) fn of(packet: &[u8]) -> Option<Flow> {
        let (mut source, mut destination) = ([0; 16], [0; 16]);
        let v6 = packet.first()? >> 4 == 6;
        let (protocol, behind) = match packet.first()? {
            first @ 0x45..=0x4f => {
                source[..4].copy_from_slice(packet.get(12..16)?);
                destination[..4].copy_from_slice(packet.get(16..20)?);
                if u16_at(packet, 6)? & 0x1fff != 0 {
                    return None;
                }
                (*packet.get(9)?, usize::from(first & 15) * 4)
            }
            0x60..=0x6f => {
                source.copy_from_slice(packet.get(8..24)?);
                destination.copy_from_slice(packet.get(24..40)?);
                behind_extensions(packet)?
            }
            _ => return None,
        };
        let has_ports = matches!(Proto(protocol), Proto::TCP | Proto::UDP | Proto::SCTP);
        let ports = match has_ports {
            // the beginning of a packet may end before them
            true => [u16_at(packet, behind)?, u16_at(packet, behind + 2)?],
            false => [0; 2],
        };
        Some(Flow { v6, source, destination, protocol, ports })
    }

    fn to(&self) -> IpAddr {
        match (self.v6, self.destination) {
            (true, bytes) => Ipv6Addr::from(bytes).into(),
            (false, [a, b, c, d, ..]) => Ipv4Addr::new(a, b, c, d).into(),
        }
    }

    fn back(self) -> Flow {
        let [source_port, destination_port] = self.ports;
        Flow {
            source: self.destination,
            destination: self.source,
            ports: [destination_port, source_port],
            ..self
        }
    }
}

/// The protocol of an IPv6 packet and where it begins.
fn behind_extensions(packet: &[u8]) -> Option<(u8, usize)> {
    let (mut kind, mut at) = (*packet.get(6)?, 40);
    for _ in 0..HEADERS_MAX {
        match kind {
            // hop by hop, routing, for the destination
            0 | 43 | 60 => {
                let next = *packet.get(at)?;
                at += (usize::from(*packet.get(at + 1)?) + 1) * 8;
                kind = next;
            }
            // fragment
            44 => {
                if u16_at(packet, at + 2)? & 0xfff8 != 0 {
                    return None;
                }
                kind = *packet.get(at)?;
                at += 8;
            }
            // authentication
            51 => {
                let next = *packet.get(at)?;
                at += (usize::from(*packet.get(at + 1)?) + 2) * 4;
                kind = next;
            }
            _ => return Some((kind, at)),
        }
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

impl std::fmt::Display for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = |bytes: [u8; 16]| match (self.v6, bytes) {
            (true, bytes) => format!("[{}]", Ipv6Addr::from(bytes)),
            (false, [a, b, c, d, ..]) => Ipv4Addr::new(a, b, c, d).to_string(),
        };
        let [from, to] = self.ports;
        let protocol = match Proto(self.protocol) {
            Proto::TCP => "TCP".to_owned(),
            Proto::UDP => "UDP".to_owned(),
            Proto::SCTP => "SCTP".to_owned(),
            Proto(number) => {
                return write!(
                    f,
                    "protocol {number}, {} to {}",
                    address(self.source),
                    address(self.destination)
                );
            }
        };
        write!(f, "{protocol}, {}:{from} to {}:{to}", address(self.source), address(self.destination))
    }
}

/// The flows that one worker was shown: written by that worker alone, without a lock.
#[derive(Debug)]
struct Book {
    /// Of each flow three bits of one word.
    maps: [Box<[AtomicU64]>; 2],
    /// The map that takes flows in.
    current: AtomicUsize,
}

impl Book {
    fn new() -> Book {
        let map = || (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        Book { maps: [map(), map()], current: AtomicUsize::new(0) }
    }

    fn add(&self, hash: u64) {
        let (at, bits) = place(hash);
        let map = self.maps.get(self.current.load(Ordering::Acquire));
        if let Some(word) = map.and_then(|map| map.get(at)) {
            let before = word.load(Ordering::Relaxed);
            // nobody else writes
            if before & bits != bits {
                word.store(before | bits, Ordering::Release);
            }
        }
    }

    fn has(&self, hash: u64) -> bool {
        let (at, bits) = place(hash);
        self.maps.iter().filter_map(|map| map.get(at)).any(|word| word.load(Ordering::Acquire) & bits == bits)
    }

    /// The older map is emptied and takes flows in from now on: the worker is not in it since the last turn.
    fn turn(&self) {
        let next = 1 - self.current.load(Ordering::Relaxed).min(1);
        if let Some(map) = self.maps.get(next) {
            map.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        self.current.store(next, Ordering::Release);
    }
}

fn place(hash: u64) -> (usize, u64) {
    let bits = 1 << (hash >> 46 & 63) | 1 << (hash >> 52 & 63) | 1 << (hash >> 58 & 63);
    (hash as usize % WORDS, bits)
}

/// What all workers were shown.
#[derive(Debug)]
pub(super) struct Shown {
    /// Whoever sends does not know it: no flow can be made to look like another.
    hasher: RandomState,
    books: Vec<Book>,
    /// Flows that go on without being shown, both ways, and when they were last seen.
    bypassed: Mutex<HashMap<u64, Timestamp, RandomState>>,
    /// There were more than are remembered.
    forgotten: AtomicBool,
    /// When a queue may have been full, last.
    full: AtomicU64,
}

impl Shown {
    pub(super) fn new(workers: usize) -> Shown {
        Shown {
            hasher: RandomState::new(),
            books: (0..workers).map(|_| Book::new()).collect(),
            bypassed: Mutex::default(),
            forgotten: AtomicBool::new(false),
            full: AtomicU64::new(0),
        }
    }

    /// A packet that leaves that container was shown to that worker, before it goes on.
    pub(super) fn leaves(
        &self,
        worker: usize,
        container: u64,
        packet: &[u8],
        verdict: Verdict,
        now: Timestamp,
    ) {
        if verdict.drops() {
            return;
        }
        let Some(flow) = Flow::of(packet) else { return };
        if let Some(book) = self.books.get(worker) {
            book.add(self.hasher.hash_one((container, flow)));
        }
        if verdict == Verdict::Bypass {
            self.bypass(container, flow, now);
        }
    }

    /// A packet that comes into that container was shown.
    pub(super) fn comes(&self, container: u64, packet: &[u8], verdict: Verdict, now: Timestamp) {
        if verdict == Verdict::Bypass
            && let Some(flow) = Flow::of(packet)
        {
            self.bypass(container, flow.back(), now);
        }
    }

    fn bypass(&self, container: u64, flow: Flow, now: Timestamp) {
        let mut bypassed = self.bypassed.lock().unwrap_or_else(PoisonError::into_inner);
        if bypassed.len() >= BYPASSED_MAX {
            // those that were silent longest, half of the range of times
            let oldest = bypassed.values().min().copied().unwrap_or(now);
            let middle = Timestamp(oldest.0 + now.since(oldest) / 2);
            bypassed.retain(|_, seen| *seen > middle);
            self.forgotten.store(true, Ordering::Relaxed);
        }
        bypassed.insert(self.hasher.hash_one((container, flow)), now);
    }

    /// A queue may be full.
    pub(super) fn is_full(&self, now: Timestamp) {
        self.full.store(now.0, Ordering::Relaxed);
    }

    /// Whether a packet of that flow may leave that container by what the queues were shown.
    fn knows(&self, container: u64, flow: &Flow, now: Timestamp) -> bool {
        let hash = self.hasher.hash_one((container, *flow));
        if self.books.iter().any(|book| book.has(hash)) {
            return true;
        }
        match self.bypassed.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&hash) {
            Some(seen) => {
                *seen = now;
                true
            }
            None => self.forgotten.load(Ordering::Relaxed),
        }
    }

    /// Whether a queue may have been full around then.
    fn was_full(&self, at: Timestamp) -> bool {
        Timestamp(self.full.load(Ordering::Relaxed)).0.saturating_add(FULL) > at.0
    }

    /// To be called more often than once a second.
    pub(super) fn tick(&self, turned: &mut Timestamp, now: Timestamp) {
        if now.since(*turned) >= TURN {
            *turned = now;
            self.books.iter().for_each(Book::turn);
        }
    }
}

/// Who looks at what leaves one container.
#[derive(Debug)]
pub(super) struct Witness {
    socket: OwnedFd,
    container: u64,
    since: Timestamp,
    /// What nobody was shown, and when it was seen.
    waiting: Vec<(Flow, Timestamp)>,
    told: Option<Timestamp>,
}

/// What was seen to leave a container that no queue was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unseen {
    /// Packets, of those that were looked at.
    pub(super) packets: u64,
    /// The first of its flows, and how many more, when it is time to tell.
    pub(super) tell: Option<(String, usize)>,
}

impl Witness {
    /// Of that container, at the interface of this host that leads to it.
    pub(super) fn new(container: u64, interface: u32, now: Timestamp) -> io::Result<Witness> {
        let socket = ring::copies(interface, filter::LEAVING)?;
        Ok(Witness { socket, container, since: now, waiting: Vec::new(), told: None })
    }

    /// Looks at what has left; what is told has waited for a second.
    pub(super) fn look(&mut self, shown: &Shown, held: &HashSet<IpAddr>, now: Timestamp) -> Unseen {
        let mut bytes = [0; filter::LEAVING_BYTES];
        for _ in 0..PACKETS_MAX {
            let Ok((len, _)) =
                rustix::net::recv(&self.socket, &mut bytes[..], rustix::net::RecvFlags::DONTWAIT)
            else {
                break;
            };
            self.saw(bytes.get(..len).unwrap_or_default(), shown, held, now);
        }
        self.judge(shown, now)
    }

    fn saw(&mut self, packet: &[u8], shown: &Shown, held: &HashSet<IpAddr>, now: Timestamp) {
        // what left before the rules were in waits in the socket, too
        if now.since(self.since) < PATIENCE || self.waiting.len() >= WAITING_MAX {
            return;
        }
        if let Some(flow) = Flow::of(packet)
            && !held.contains(&flow.to())
            && !shown.knows(self.container, &flow, now)
        {
            self.waiting.push((flow, now));
        }
    }

    fn judge(&mut self, shown: &Shown, now: Timestamp) -> Unseen {
        let ripe: Vec<(Flow, Timestamp)> =
            self.waiting.extract_if(.., |(_, at)| now.since(*at) >= PATIENCE).collect();
        // a flow of which something was shown since then was only late
        let mut flows: Vec<Flow> = ripe
            .into_iter()
            .filter(|(flow, at)| !shown.was_full(*at) && !shown.knows(self.container, flow, now))
            .map(|(flow, _)| flow)
            .collect();
        let packets = flows.len() as u64;
        let due = self.told.is_none_or(|told| now.since(told) >= QUIET);
        let tell = match flows.first().copied() {
            Some(first) if due => {
                self.told = Some(now);
                flows.sort_unstable_by_key(|flow| (flow.protocol, flow.source, flow.destination, flow.ports));
                flows.dedup();
                Some((first.to_string(), flows.len() - 1))
            }
            _ => None,
        };
        Unseen { packets, tell }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Reason;

    fn v4(protocol: u8, fragment: u16, ports: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 28, 0, 1];
        bytes.extend(fragment.to_be_bytes());
        bytes.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend(ports);
        bytes.extend([0; 4]);
        bytes
    }

    fn v6(extensions: &[u8], first: u8) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0, first, 64];
        bytes.extend([0xfd; 15]);
        bytes.push(1);
        bytes.extend([0xfd; 15]);
        bytes.push(2);
        bytes.extend(extensions);
        bytes.extend([0, 7, 0, 9, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn a_packet_belongs_to_the_same_flow_however_it_is_cut() {
        let whole = Flow::of(&v4(17, 0, [0, 7, 0, 9])).expect("a flow");
        assert_eq!(whole.to_string(), "UDP, 10.0.0.1:7 to 10.0.0.2:9");
        assert_eq!(Flow::of(&v4(17, 0x2000, [0, 7, 0, 9])), Some(whole), "the first fragment");
        assert_eq!(Flow::of(&v4(17, 0x2001, [0, 7, 0, 9])), None, "another");
        assert_eq!(
            Flow::of(&v4(1, 0, [8, 0, 0, 0])).expect("a flow").to_string(),
            "protocol 1, 10.0.0.1 to 10.0.0.2"
        );
        let plain = Flow::of(&v6(&[], 6)).expect("a flow");
        assert!(
            plain.to_string().ends_with(":fd01]:7 to [fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fd02]:9"),
            "{plain}"
        );
        let first = [6, 0, 0, 1, 0, 0, 0, 9];
        assert_eq!(Flow::of(&v6(&first, 44)), Some(plain));
        assert_eq!(Flow::of(&v6(&[6, 0, 1, 8, 0, 0, 0, 9], 44)), None);
        let steps = [43, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Flow::of(&v6(&steps, 0)), Some(plain));
        assert_eq!(plain.back().back(), plain);
        for packet in [v4(6, 0, [1; 4]), v6(&steps, 0), v6(&first, 44), v6(&[0; 64], 0)] {
            for end in 0..packet.len() {
                let _ = Flow::of(&packet[..end]);
            }
        }
    }

    #[test]
    fn what_was_shown_is_known_for_two_turns_and_no_longer() {
        let shown = Shown::new(2);
        let packet = v4(6, 0, [0, 7, 0, 9]);
        let flow = Flow::of(&packet).expect("a flow");
        let (mut turned, mut now) = (Timestamp(1), Timestamp(1));
        assert!(!shown.knows(5, &flow, now));
        shown.leaves(1, 5, &packet, Verdict::Drop(Reason::Rules), now);
        assert!(!shown.knows(5, &flow, now), "it did not leave");
        shown.leaves(1, 5, &packet, Verdict::Forward, now);
        assert!(
            shown.knows(5, &flow, now) && !shown.knows(6, &flow, now) && !shown.knows(5, &flow.back(), now)
        );
        for known in [true, false] {
            now = Timestamp(now.0 + TURN);
            shown.tick(&mut turned, now);
            shown.tick(&mut turned, now);
            assert_eq!(shown.knows(5, &flow, now), known);
        }
        // what is bypassed stays, both ways
        shown.comes(5, &packet, Verdict::Bypass, now);
        now = Timestamp(now.0 + TURN * 9);
        shown.tick(&mut turned, now);
        assert!(shown.knows(5, &flow.back(), now) && !shown.knows(5, &flow, now));
    }

    #[test]
    fn no_more_bypassed_flows_are_remembered_than_there_is_room_for() {
        let shown = Shown::new(1);
        for number in 0..BYPASSED_MAX as u32 + 10 {
            let [a, b, c, d] = number.to_be_bytes();
            shown.leaves(0, 1, &v4(6, 0, [a, b, c, d]), Verdict::Bypass, Timestamp(u64::from(number)));
        }
        assert!(shown.bypassed.lock().unwrap().len() <= BYPASSED_MAX);
        let other = Flow::of(&v4(6, 0, [9; 4])).expect("a flow");
        assert!(shown.knows(1, &other, Timestamp(9)), "it may be one that was forgotten");
    }

    #[test]
    fn many_flows_hide_few_others() {
        let shown = Shown::new(1);
        let flow = |number: u32, last: u8| {
            let mut packet = v4(6, 0, number.to_be_bytes());
            packet[19] = last;
            packet
        };
        for number in 0..50_000 {
            shown.leaves(0, 1, &flow(number, 1), Verdict::Forward, Timestamp(1));
        }
        let knows =
            |number, last| shown.knows(1, &Flow::of(&flow(number, last)).expect("a flow"), Timestamp(1));
        assert!((0..50_000).all(|number| knows(number, 1)));
        let hidden = (0..50_000).filter(|number| knows(*number, 2)).count();
        assert!(hidden < 2_500, "{hidden} of 50,000");
    }
}

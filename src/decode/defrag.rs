//! Fragments → datagrams.
//!
//! Every byte that is kept belongs to one piece; where a new fragment overlaps old pieces, the policy of the destination says
//! whose bytes count, so that what is inspected is what the receiver sees.

use std::collections::VecDeque;
use std::net::IpAddr;

use ahash::AHashMap;

use super::checksum::Sum;
use super::config::{DefragConfig, OverlapPolicy};
use super::counters::{Counter, DecodeCounters};
use super::events::DecodeEvent as E;
use super::packet::{Net, Packet, Vlans};
use crate::types::{Proto, Timestamp};

/// The largest datagram, header included (RFC 791); of IPv6, header excluded (RFC 8200).
const DATAGRAM_MAX: usize = 65_535;
/// Bytes kept for one datagram: more than it can hold means that fragments overlap over and over.
const BYTES_MAX: usize = 2 * DATAGRAM_MAX;
/// Buffers of completed datagrams that are kept for the next.
const POOL_MAX: usize = 8;
/// Expired datagrams that are dropped for one arriving fragment.
const EXPIRE_MAX: usize = 32;

/// One fragment, its bounds checked against the packet.
pub(super) struct Arrived<'a> {
    /// Bytes.
    pub(super) offset: u32,
    /// It is not the last.
    pub(super) more: bool,
    /// The headers before the data, without a fragment header.
    pub(super) head: &'a [u8],
    /// Where in `head` the protocol of the data is named; for IPv6.
    pub(super) next_header_at: usize,
    /// The protocol of the data.
    pub(super) proto: Proto,
    pub(super) data: &'a [u8],
}

/// What became of a fragment.
pub(super) enum Outcome {
    /// It waits for others, or was of no use.
    Kept,
    /// There is no room for it.
    Limited,
    /// It was the missing one.
    Complete(Box<Datagram>),
}

/// A datagram that was put together: headers and data as if it had never been cut.
#[derive(Debug, Default)]
pub(super) struct Datagram {
    bytes: Vec<u8>,
    /// Bytes in front that belong to the link.
    below: usize,
    pub(super) v6: bool,
}

impl Datagram {
    /// The headers of the link and the datagram.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The datagram from its IP header on.
    pub(super) fn ip(&self) -> &[u8] {
        self.bytes.get(self.below..).unwrap_or(&[])
    }

    /// Puts the headers of the link in front, as if the datagram had come in one frame.
    pub(super) fn put_before(&mut self, below: &[u8]) {
        self.bytes.splice(..0, below.iter().copied());
        self.below += below.len();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    proto: u8,
    vlans: Vlans,
    /// Tunnels around it.
    depth: u8,
}

/// The fragments of one datagram.
#[derive(Debug, Default)]
struct Tracker {
    serial: u64,
    begun: Timestamp,
    policy: OverlapPolicy,
    /// Headers of the fragment with offset 0.
    head: Vec<u8>,
    next_header_at: usize,
    proto: Proto,
    /// Disjoint, by offset.
    pieces: Vec<Piece>,
    /// Data as it arrived; pieces point into it.
    bytes: Vec<u8>,
    /// Length of the data, once the last fragment is here.
    end: Option<u32>,
    fragments: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: u32,
    end: u32,
    /// In the bytes that were kept.
    at: u32,
}

/// All datagrams that wait for fragments.
#[derive(Debug)]
pub(super) struct Defrag {
    config: DefragConfig,
    vlan_tracking: bool,
    trackers: AHashMap<Key, Tracker>,
    /// In the order of their beginning, which is that of their timeout.
    queue: VecDeque<(Key, u64, Timestamp)>,
    serial: u64,
    memory: usize,
    #[expect(clippy::vec_box, reason = "a datagram moves through the decoder by pointer")]
    pool: Vec<Box<Datagram>>,
}

impl Defrag {
    /// Fragments may take so many bytes from now on; those that are there stay until they are whole or time out.
    pub(super) fn set_memcap(&mut self, bytes: usize) {
        self.config.memcap = bytes;
    }

    pub(super) fn new(config: &DefragConfig, vlan_tracking: bool) -> Self {
        Defrag {
            config: config.clone(),
            vlan_tracking,
            trackers: AHashMap::new(),
            queue: VecDeque::new(),
            serial: 0,
            memory: 0,
            pool: Vec::new(),
        }
    }

    /// Takes in the fragment that `packet` is. Overlaps and the like become events of the packet.
    pub(super) fn insert(
        &mut self,
        packet: &mut Packet<'_>,
        id: u32,
        fragment: &Arrived<'_>,
        counters: &mut DecodeCounters,
    ) -> Outcome {
        let (Some(source), Some(destination)) = (packet.source_ip(), packet.destination_ip()) else {
            return Outcome::Kept;
        };
        let v6 = matches!(packet.net, Net::V6(_));
        let head_counts = if v6 { 0 } else { fragment.head.len() };
        if fragment.offset as usize + fragment.data.len() + head_counts > DATAGRAM_MAX {
            packet.events.set(if v6 { E::Ipv6FragPktTooLarge } else { E::Ipv4FragPktTooLarge });
            return Outcome::Kept;
        }
        let ignored = if v6 { E::Ipv6FragIgnored } else { E::Ipv4FragIgnored };
        self.expire(packet.timestamp, counters);
        let key = Key {
            source,
            destination,
            id,
            // Receivers of IPv6 tell datagrams apart without the protocol (RFC 8200, section 4.5).
            proto: if v6 { 0 } else { fragment.proto.0 },
            vlans: if self.vlan_tracking { packet.vlans } else { Vlans::default() },
            depth: packet.tunnel.map_or(0, |tunnel| tunnel.depth),
        };
        if self.memory + fragment.data.len() + size_of::<Tracker>() > self.config.memcap {
            counters.bump(Counter::DefragMemcap);
            packet.events.set(ignored);
            return Outcome::Limited;
        }
        if !self.trackers.contains_key(&key) {
            if self.trackers.len() >= self.config.trackers_max {
                counters.bump(Counter::DefragMaxTrackers);
                packet.events.set(ignored);
                return Outcome::Limited;
            }
            self.begin(key, packet.timestamp);
        }
        let Some(tracker) = self.trackers.get_mut(&key) else { return Outcome::Kept };
        let before = tracker.memory();
        if tracker.fragments >= self.config.fragments_max
            || tracker.bytes.len() + fragment.data.len() > BYTES_MAX
        {
            counters.bump(Counter::DefragMaxFragments);
            packet.events.set(ignored);
            return Outcome::Limited;
        }
        if tracker.add(fragment) {
            packet.events.set(if v6 { E::Ipv6FragOverlap } else { E::Ipv4FragOverlap });
        }
        self.memory = self.memory + tracker.memory() - before;
        if !tracker.is_complete() {
            return Outcome::Kept;
        }
        let Some(tracker) = self.trackers.remove(&key) else { return Outcome::Kept };
        self.memory -= tracker.memory();
        let mut datagram = self.pool.pop().unwrap_or_default();
        datagram.v6 = v6;
        datagram.below = 0;
        tracker.write(&mut datagram.bytes, v6);
        Outcome::Complete(datagram)
    }

    /// Gives back the buffer of a datagram that was decoded.
    pub(super) fn recycle(&mut self, datagram: Box<Datagram>) {
        if self.pool.len() < POOL_MAX {
            self.pool.push(datagram);
        }
    }

    fn begin(&mut self, key: Key, now: Timestamp) {
        // Completed datagrams leave their entry behind; swept when they outnumber those that wait.
        if self.queue.len() > 2 * self.trackers.len() + 1024 {
            let trackers = &self.trackers;
            self.queue.retain(|(key, serial, _)| {
                trackers.get(key).is_some_and(|tracker| tracker.serial == *serial)
            });
        }
        self.serial += 1;
        let policy = self.config.policies.lookup(key.destination);
        let tracker = Tracker { serial: self.serial, begun: now, policy, ..Tracker::default() };
        self.memory += tracker.memory();
        self.trackers.insert(key, tracker);
        self.queue.push_back((key, self.serial, now));
    }

    /// Forgets datagrams whose time is over, a bounded number at a time.
    fn expire(&mut self, now: Timestamp, counters: &mut DecodeCounters) {
        for _ in 0..EXPIRE_MAX {
            let Some(&(key, serial, begun)) = self.queue.front() else { return };
            let current = self.trackers.get(&key).is_some_and(|tracker| tracker.serial == serial);
            if current && now.seconds_since(begun) < u64::from(self.config.timeout) {
                return;
            }
            self.queue.pop_front();
            if current && let Some(tracker) = self.trackers.remove(&key) {
                debug_assert_eq!(tracker.begun, begun);
                self.memory -= tracker.memory();
                counters.bump(Counter::DefragTimeout);
            }
        }
    }
}

impl Tracker {
    fn memory(&self) -> usize {
        size_of::<(Key, Tracker)>()
            + size_of::<(Key, u64, Timestamp)>()
            + self.bytes.capacity()
            + self.head.capacity()
            + self.pieces.capacity() * size_of::<Piece>()
    }

    /// Takes in a fragment; true when it overlaps what is there.
    fn add(&mut self, fragment: &Arrived<'_>) -> bool {
        self.fragments += 1;
        let (start, end) = (fragment.offset, fragment.offset + fragment.data.len() as u32);
        if start == 0 && self.head.is_empty() {
            self.head.extend_from_slice(fragment.head);
            self.next_header_at = fragment.next_header_at;
            self.proto = fragment.proto;
        }
        if !fragment.more && self.end.is_none() {
            self.end = Some(end);
        }
        if start == end {
            return false;
        }
        let at = self.bytes.len() as u32;
        let from = self.pieces.partition_point(|piece| piece.end <= start);
        let to = self.pieces.partition_point(|piece| piece.start < end);
        if from >= to {
            self.bytes.extend_from_slice(fragment.data);
            self.pieces.insert(from, Piece { start, end, at });
            return false;
        }
        // The overlapped pieces are replaced by what is left of them and of the new fragment.
        let mut merged = Vec::with_capacity(2 * (to - from) + 1);
        let mut reached = start;
        let mut used = false;
        for old in self.pieces.get(from..to).unwrap_or(&[]) {
            let new_wins = new_wins(self.policy, (old.start, old.end), (start, end));
            if new_wins {
                if old.start < start {
                    merged.push(Piece { end: start, ..*old });
                }
                if old.end > end {
                    used |= reached < end;
                    push(&mut merged, Piece { start: reached, end, at: at + (reached - start) });
                    reached = end;
                    merged.push(Piece { start: end, end: old.end, at: old.at + (end - old.start) });
                }
            } else {
                used |= reached < old.start;
                push(
                    &mut merged,
                    Piece { start: reached, end: old.start, at: at + reached.saturating_sub(start) },
                );
                merged.push(*old);
                reached = reached.max(old.end);
            }
        }
        if reached < end {
            used = true;
            merged.push(Piece { start: reached, end, at: at + (reached - start) });
        }
        if used {
            self.bytes.extend_from_slice(fragment.data);
        }
        self.pieces.splice(from..to, merged);
        true
    }

    fn is_complete(&self) -> bool {
        let Some(end) = self.end else { return false };
        let mut reached = 0;
        for piece in &self.pieces {
            if piece.start > reached {
                return false;
            }
            reached = piece.end;
            if reached >= end {
                return !self.head.is_empty();
            }
        }
        end == 0 && !self.head.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>, v6: bool) {
        let len = self.end.unwrap_or(0);
        out.clear();
        out.extend_from_slice(&self.head);
        for piece in &self.pieces {
            let end = piece.end.min(len);
            if let Some(size) = end.checked_sub(piece.start)
                && let Some(bytes) = self.bytes.get(piece.at as usize..(piece.at + size) as usize)
            {
                out.extend_from_slice(bytes);
            }
        }
        let total = out.len();
        if v6 {
            if let Some(next) = out.get_mut(self.next_header_at) {
                *next = self.proto.0;
            }
            if let Some(field) = out.get_mut(4..6) {
                field.copy_from_slice(&((total - 40).min(DATAGRAM_MAX) as u16).to_be_bytes());
            }
            return;
        }
        if let Some(header) = out.get_mut(..self.head.len()).filter(|header| header.len() >= 20) {
            header[2..4].copy_from_slice(&(total.min(DATAGRAM_MAX) as u16).to_be_bytes());
            header[6] &= 0x40;
            header[7] = 0;
            header[10..12].fill(0);
            let sum = Sum::default().bytes(header).complement();
            header[10..12].copy_from_slice(&sum);
        }
    }
}

fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    if piece.start < piece.end {
        pieces.push(piece);
    }
}

/// Whether the newer of two overlapping ranges counts.
fn new_wins(policy: OverlapPolicy, old: (u32, u32), new: (u32, u32)) -> bool {
    match policy {
        OverlapPolicy::Bsd => old.0 > new.0,
        OverlapPolicy::BsdRight => old.0 <= new.0,
        OverlapPolicy::Linux => old.0 >= new.0,
        OverlapPolicy::First => false,
        OverlapPolicy::Last => true,
        OverlapPolicy::Solaris => new.0 < old.0 && new.1 >= old.1,
        OverlapPolicy::Windows => new.0 < old.0 && new.1 > old.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::IfaceId;

    const HEAD: [u8; 20] = [0x45, 0, 0, 20, 0, 7, 0, 0, 64, 200, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

    struct Bench {
        defrag: Defrag,
        counters: DecodeCounters,
        second: u64,
    }

    impl Bench {
        fn new(config: DefragConfig) -> Self {
            Bench { defrag: Defrag::new(&config, true), counters: DecodeCounters::default(), second: 1 }
        }

        /// Offset in units of eight bytes; returns the data when it is whole, and the events.
        fn add(
            &mut self,
            id: u32,
            offset: u32,
            more: bool,
            data: &[u8],
        ) -> (Option<Vec<u8>>, Vec<&'static str>) {
            let mut packet = Packet::new(1, Timestamp::new(self.second, 0), IfaceId(0), &[]);
            packet.net = crate::decode::Ipv4::new(&HEAD).map(Net::V4).unwrap();
            let fragment =
                Arrived { offset: offset * 8, more, head: &HEAD, next_header_at: 0, proto: Proto(200), data };
            let whole = match self.defrag.insert(&mut packet, id, &fragment, &mut self.counters) {
                Outcome::Complete(datagram) => {
                    let data = datagram.bytes()[20..].to_vec();
                    self.defrag.recycle(datagram);
                    Some(data)
                }
                Outcome::Kept | Outcome::Limited => None,
            };
            (whole, packet.events.iter().map(E::name).collect())
        }
    }

    fn config(policy: OverlapPolicy) -> DefragConfig {
        DefragConfig { policies: crate::decode::PrefixMap::new(policy), ..DefragConfig::default() }
    }

    /// Fragments as (offset, length, letter) in units of eight bytes, then what each policy makes of them, a letter a unit.
    fn check(fragments: &[(u32, usize, u8)], end: u32, expected: &[(OverlapPolicy, &str)]) {
        for (policy, letters) in expected {
            let mut bench = Bench::new(config(*policy));
            bench.add(7, end, false, b"........");
            let mut whole = None;
            for &(offset, len, letter) in fragments {
                whole = bench.add(7, offset, true, &vec![letter; len * 8]).0;
            }
            let whole = whole.unwrap_or_else(|| panic!("{policy:?} is not complete"));
            let seen: String = whole.iter().step_by(8).map(|&byte| char::from(byte)).collect();
            assert_eq!(seen.trim_end_matches('.'), *letters, "{policy:?} {fragments:?}");
            assert_eq!(bench.defrag.memory, 0);
        }
    }

    #[test]
    fn each_policy_favours_its_fragment() {
        use OverlapPolicy::{Bsd, BsdRight, First, Last, Linux, Solaris, Windows};
        let all = |bsd, right, linux, first, last, solaris, windows| {
            [(Bsd, bsd), (BsdRight, right), (Linux, linux), (First, first), (Last, last), (Solaris, solaris)]
                .into_iter()
                .chain([(Windows, windows)])
                .collect::<Vec<_>>()
        };
        // The newer begins later and ends later.
        check(
            &[(0, 3, b'A'), (2, 3, b'B')],
            5,
            &all("AAABB", "AABBB", "AAABB", "AAABB", "AABBB", "AAABB", "AAABB"),
        );
        // The newer begins with the older and is longer.
        check(&[(0, 2, b'A'), (0, 3, b'B')], 3, &all("AAB", "BBB", "BBB", "AAB", "BBB", "AAB", "AAB"));
        // The newer begins earlier, and ends within the older, with it, and after it.
        let behind = |fragment| [(3, 2, b'A'), fragment];
        let with_start = |fragments: [(u32, usize, u8); 2]| [fragments[0], fragments[1], (0, 2, b'S')];
        check(
            &with_start(behind((2, 2, b'B'))),
            5,
            &all("SSBBA", "SSBAA", "SSBBA", "SSBAA", "SSBBA", "SSBAA", "SSBAA"),
        );
        check(
            &with_start(behind((2, 3, b'B'))),
            5,
            &all("SSBBB", "SSBAA", "SSBBB", "SSBAA", "SSBBB", "SSBBB", "SSBAA"),
        );
        check(
            &with_start(behind((2, 4, b'B'))),
            6,
            &all("SSBBBB", "SSBAAB", "SSBBBB", "SSBAAB", "SSBBBB", "SSBBBB", "SSBBBB"),
        );
        // The newer lies within the older.
        check(
            &[(1, 4, b'A'), (2, 2, b'B'), (0, 1, b'S')],
            5,
            &all("SAAAA", "SABBA", "SAAAA", "SAAAA", "SABBA", "SAAAA", "SAAAA"),
        );
    }

    #[test]
    fn overlaps_and_absurd_offsets_are_events() {
        let mut bench = Bench::new(DefragConfig::default());
        assert_eq!(bench.add(1, 0, true, &[1; 16]), (None, vec![]));
        assert_eq!(bench.add(1, 1, true, &[2; 16]).1, ["ipv4.frag_overlap"]);
        assert_eq!(bench.add(1, 8191, true, &[2; 16]).1, ["ipv4.frag_pkt_too_large"]);
        // A last fragment cuts what was beyond it.
        let (whole, _) = bench.add(1, 2, false, &[]);
        assert_eq!(whole.unwrap(), [1; 16]);
    }

    #[test]
    fn time_and_limits_are_kept() {
        let limits = DefragConfig { trackers_max: 2, fragments_max: 3, ..DefragConfig::default() };
        let mut bench = Bench::new(limits);
        bench.add(1, 0, true, &[1; 8]);
        bench.add(2, 0, true, &[1; 8]);
        assert_eq!(bench.add(3, 0, true, &[1; 8]).1, ["ipv4.frag_ignored"]);
        assert_eq!(bench.counters.count(Counter::DefragMaxTrackers), 1);
        bench.add(1, 2, true, &[1; 8]);
        bench.add(1, 4, true, &[1; 8]);
        assert_eq!(bench.add(1, 6, true, &[1; 8]).1, ["ipv4.frag_ignored"]);
        // After a minute both are forgotten: the rest of the first makes no datagram.
        bench.second += 60;
        assert_eq!(bench.add(1, 1, false, &[1; 8]), (None, vec![]));
        assert_eq!(bench.counters.count(Counter::DefragTimeout), 2);
        assert_eq!(bench.defrag.trackers.len(), 1);

        let memcap = 64 << 10;
        let mut bench = Bench::new(DefragConfig { memcap, ..DefragConfig::default() });
        for id in 0..10_000 {
            bench.add(id, id % 100, true, &[0; 1400]);
            assert!(bench.defrag.memory <= memcap + 4096);
        }
        assert!(bench.counters.count(Counter::DefragMemcap) > 9000);
    }

    #[test]
    fn completed_datagrams_leave_nothing_behind() {
        let mut bench = Bench::new(DefragConfig::default());
        // One that never ends keeps the front of the queue.
        bench.add(u32::MAX, 0, true, &[0; 8]);
        for id in 0..10_000 {
            bench.add(id, 0, true, &[0; 8]);
            assert!(bench.add(id, 1, false, &[0; 8]).0.is_some());
        }
        assert!(bench.defrag.queue.len() < 2000);
        assert_eq!(bench.defrag.trackers.len(), 1);
    }
}

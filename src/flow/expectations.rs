//! Flows that other flows have announced, until they come.
//!
//! One table for all protocols: FTP's data connections, TFTP's answers, SIP's media. An announced flow runs between the two
//! addresses of the flow that announced it, so an entry is found by the pair of addresses and the port at one end. Frames
//! are spread over workers by pairs of addresses ([`crate::decode::spread`]): a pair's entries and flows are all in one
//! worker, and what becomes of an entry depends on that pair's packets alone. So the answers are the same for any number of
//! workers.
//!
//! Limits: [`LIFETIME`] in the time of packets, [`PAIR_MAX`] entries a pair (the oldest goes), [`ENTRIES_MAX`] in all (a
//! guard of memory; the pair that was announced first goes, and it is counted).

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::flow::{Flow, FlowId};
use crate::app::{Expected, ProtocolId};
use crate::types::{Endpoint, Proto, Timestamp};

/// How long an announced flow is waited for, nanoseconds.
pub const LIFETIME: u64 = 30_000_000_000;
/// Flows waited for between two addresses.
pub const PAIR_MAX: usize = 16;
/// Flows waited for.
pub const ENTRIES_MAX: usize = 1 << 16;

/// Two addresses in their order, and the VLANs that tell networks apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair {
    low: IpAddr,
    high: IpAddr,
    vlans: [u16; 3],
}

impl Pair {
    fn of(flow: &Flow) -> Self {
        let (one, other) = flow.addresses();
        Pair { low: one.min(other), high: one.max(other), vlans: flow.key.vlans() }
    }
}

/// A flow that is waited for.
struct Entry {
    /// One end of it.
    end: Endpoint,
    transport: Proto,
    protocol: ProtocolId,
    parent: FlowId,
    made: Timestamp,
    context: Arc<dyn Any + Send + Sync>,
}

/// What is known of a flow that was waited for.
pub struct Announced {
    /// What it speaks.
    pub protocol: ProtocolId,
    /// The flow that announced it.
    pub parent: FlowId,
    /// What its parser is told.
    pub context: Arc<dyn Any + Send + Sync>,
}

/// The flows that are waited for, of one worker.
#[derive(Default)]
pub struct Expectations {
    pairs: HashMap<Pair, SmallVec<[Entry; 1]>, ahash::RandomState>,
    /// Pairs in the order of their announcements, with the times; some may be gone from `pairs` already.
    order: VecDeque<(Timestamp, Pair)>,
    count: usize,
    /// Announcements that were dropped for want of room.
    pub dropped: u64,
}

impl Expectations {
    /// Whether none is waited for.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many are waited for.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Waits for a flow that `parent` announced.
    pub fn add(&mut self, parent: &Flow, expected: Expected, protocol: ProtocolId, now: Timestamp) {
        let end = Endpoint { port: expected.port, ..parent.destination(expected.listener) };
        self.insert(
            Pair::of(parent),
            Entry {
                end,
                transport: expected.transport,
                protocol,
                parent: parent.id,
                made: now,
                context: expected.context,
            },
        );
    }

    fn insert(&mut self, pair: Pair, entry: Entry) {
        let now = entry.made;
        self.expire(now);
        while self.order.len() >= ENTRIES_MAX {
            self.forget_first();
            self.dropped += 1;
        }
        let entries = self.pairs.entry(pair).or_default();
        let before = entries.len();
        // the port was announced again: what comes is what was announced last
        entries.retain(|known| (known.end, known.transport) != (entry.end, entry.transport));
        if entries.len() >= PAIR_MAX {
            entries.remove(0);
        }
        entries.push(entry);
        self.count = self.count + entries.len() - before;
        self.order.push_back((now, pair));
    }

    /// Whether that flow is one that is waited for; it is waited for no more then.
    pub fn take(&mut self, flow: &Flow, now: Timestamp) -> Option<Announced> {
        if self.count == 0 {
            return None;
        }
        self.remove(Pair::of(flow), [flow.client, flow.server], flow.proto, flow.id, now)
    }

    fn remove(
        &mut self,
        pair: Pair,
        ends: [Endpoint; 2],
        transport: Proto,
        id: FlowId,
        now: Timestamp,
    ) -> Option<Announced> {
        self.expire(now);
        let entries = self.pairs.get_mut(&pair)?;
        let at = entries.iter().position(|entry| {
            entry.transport == transport
                && ends.contains(&entry.end)
                && entry.parent != id
                && is_alive(entry.made, now)
        })?;
        let entry = entries.remove(at);
        if entries.is_empty() {
            self.pairs.remove(&pair);
        }
        self.count -= 1;
        Some(Announced { protocol: entry.protocol, parent: entry.parent, context: entry.context })
    }

    /// Forgets what was waited for in vain.
    fn expire(&mut self, now: Timestamp) {
        while let Some((made, _)) = self.order.front()
            && !is_alive(*made, now)
        {
            self.forget_first();
        }
    }

    /// Forgets what was announced first.
    fn forget_first(&mut self) {
        let Some((made, pair)) = self.order.pop_front() else { return };
        let Some(entries) = self.pairs.get_mut(&pair) else { return };
        let before = entries.len();
        entries.retain(|entry| entry.made > made);
        self.count -= before - entries.len();
        if entries.is_empty() {
            self.pairs.remove(&pair);
        }
    }
}

fn is_alive(made: Timestamp, now: Timestamp) -> bool {
    now.0 <= made.0.saturating_add(LIFETIME)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn end(last: u8, port: u16) -> Endpoint {
        Endpoint { ip: Ipv4Addr::new(10, 0, 0, last).into(), port }
    }

    fn pair(one: u8, other: u8) -> Pair {
        let (one, other) = (end(one, 0).ip, end(other, 0).ip);
        Pair { low: one.min(other), high: one.max(other), vlans: [0; 3] }
    }

    fn add(table: &mut Expectations, pair: Pair, end: Endpoint, now: u64) {
        table.insert(
            pair,
            Entry {
                end,
                transport: Proto::TCP,
                protocol: ProtocolId(3),
                parent: FlowId(u64::from(end.port)),
                made: Timestamp(now),
                context: Arc::new(()),
            },
        );
    }

    fn take(table: &mut Expectations, pair: Pair, ends: [Endpoint; 2], now: u64) -> Option<u64> {
        table.remove(pair, ends, Proto::TCP, FlowId(0), Timestamp(now)).map(|found| found.parent.0)
    }

    #[test]
    fn a_flow_is_found_once_by_its_pair_and_port() {
        let mut table = Expectations::default();
        add(&mut table, pair(1, 2), end(2, 5000), 0);
        assert_eq!(take(&mut table, pair(1, 3), [end(1, 9), end(3, 5000)], 1), None);
        assert_eq!(take(&mut table, pair(1, 2), [end(1, 5000), end(2, 9)], 1), None);
        assert_eq!(take(&mut table, pair(2, 1), [end(1, 9), end(2, 5000)], 1), Some(5000));
        assert_eq!(take(&mut table, pair(1, 2), [end(1, 9), end(2, 5000)], 1), None);
        assert!(table.is_empty());
    }

    #[test]
    fn nothing_is_waited_for_longer_than_its_time() {
        let mut table = Expectations::default();
        add(&mut table, pair(1, 2), end(2, 5000), 0);
        add(&mut table, pair(1, 2), end(2, 5001), LIFETIME);
        assert_eq!(take(&mut table, pair(1, 2), [end(1, 9), end(2, 5000)], LIFETIME + 1), None);
        assert_eq!(table.len(), 1);
        assert_eq!(take(&mut table, pair(1, 2), [end(1, 9), end(2, 5001)], 2 * LIFETIME), Some(5001));
    }

    #[test]
    fn room_is_bounded() {
        let mut table = Expectations::default();
        for port in 0..100 {
            add(&mut table, pair(1, 2), end(2, port), u64::from(port));
        }
        assert_eq!(table.len(), PAIR_MAX);
        assert_eq!(take(&mut table, pair(1, 2), [end(1, 9999), end(2, 10)], 200), None);
        assert_eq!(take(&mut table, pair(1, 2), [end(1, 9999), end(2, 99)], 200), Some(99));
        let mut table = Expectations::default();
        for nth in 0..2 * ENTRIES_MAX as u32 {
            let ip = IpAddr::V4(Ipv4Addr::from(nth));
            let pair = Pair { low: ip, high: ip, vlans: [0; 3] };
            add(&mut table, pair, Endpoint { ip, port: 1 }, u64::from(nth));
        }
        assert!(table.len() <= ENTRIES_MAX && table.order.len() <= ENTRIES_MAX);
        assert_eq!(table.dropped, ENTRIES_MAX as u64);
        // the same port again and again is one entry
        let mut table = Expectations::default();
        for now in 0..1000 {
            add(&mut table, pair(1, 2), end(2, 7), now);
        }
        assert_eq!(table.len(), 1);
    }
}

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
    pairs: HashMap<Pair, SmallVec<[Entry; 1]>>,
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
        self.expire(now);
        while self.order.len() >= ENTRIES_MAX {
            self.forget_first();
            self.dropped += 1;
        }
        let pair = Pair::of(parent);
        let end = Endpoint { port: expected.port, ..parent.destination(expected.listener) };
        let entries = self.pairs.entry(pair).or_default();
        let before = entries.len();
        // the port was announced again: what comes is what was announced last
        entries.retain(|entry| (entry.end, entry.transport) != (end, expected.transport));
        if entries.len() >= PAIR_MAX {
            entries.remove(0);
        }
        entries.push(Entry {
            end,
            transport: expected.transport,
            protocol,
            parent: parent.id,
            made: now,
            context: expected.context,
        });
        self.count = self.count + entries.len() - before;
        self.order.push_back((now, pair));
    }

    /// Whether that flow is one that is waited for; it is waited for no more then.
    pub fn take(&mut self, flow: &Flow, now: Timestamp) -> Option<Announced> {
        if self.count == 0 {
            return None;
        }
        self.expire(now);
        let pair = Pair::of(flow);
        let entries = self.pairs.get_mut(&pair)?;
        let at = entries.iter().position(|entry| {
            entry.transport == flow.proto
                && (entry.end == flow.server || entry.end == flow.client)
                && entry.parent != flow.id
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

//! The flows that are alive: found by key, forgotten by time.
//!
//! Flows of one protocol and state share a timeout, so each such class is a list in the order of the last packet: what
//! has timed out is always at its head, and nothing is ever scanned. The table is bounded by [`FlowConfig::memcap`].

use hashbrown::HashTable;

use super::flow::{Flow, FlowState};
use super::key::FlowKey;
use crate::types::{Proto, Timestamp};
use crate::verdict::ExceptionPolicy;

/// Seconds without a packet after which a flow has ended, by its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// One side spoke.
    pub new: u64,
    /// Both did.
    pub established: u64,
    /// TCP said goodbye.
    pub closed: u64,
    /// The kernel forwards it.
    pub bypassed: u64,
}

/// Limits of the table. Defaults are those of Suricata's user guide ("flow-timeouts", "flow").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowConfig {
    /// Bytes that flows may take, streams not counted.
    pub memcap: u64,
    /// What happens to a packet whose flow has no room.
    pub memcap_policy: ExceptionPolicy,
    /// VLAN identifiers are part of the key.
    pub use_vlans: bool,
    /// TCP.
    pub tcp: Timeouts,
    /// UDP.
    pub udp: Timeouts,
    /// ICMP and ICMPv6.
    pub icmp: Timeouts,
    /// All others.
    pub other: Timeouts,
}

impl Default for FlowConfig {
    fn default() -> Self {
        FlowConfig {
            memcap: 128 << 20,
            memcap_policy: ExceptionPolicy::Ignore,
            use_vlans: true,
            tcp: Timeouts { new: 60, established: 600, closed: 60, bypassed: 100 },
            udp: Timeouts { new: 30, established: 300, closed: 0, bypassed: 100 },
            icmp: Timeouts { new: 30, established: 300, closed: 0, bypassed: 100 },
            other: Timeouts { new: 30, established: 300, closed: 0, bypassed: 100 },
        }
    }
}

/// A place in the table, valid until the flow is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowIndex(u32);

/// What the table knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    New,
    /// Its flow.
    Known(FlowIndex),
    /// A flow that ended by time before this packet: remove it first.
    TimedOut(FlowIndex),
}

const NONE: u32 = u32::MAX;
const CLASSES: usize = 16;

/// A place for a flow, and what is asked before the flow itself: it is far more often not in the caches than its slot.
struct Slot {
    flow: Option<Box<Flow>>,
    /// Of its key.
    hash: u64,
    /// When its last packet came.
    last: Timestamp,
    previous: u32,
    next: u32,
    class: u8,
}

/// The table. One per worker.
pub struct FlowTable {
    config: FlowConfig,
    /// Slots by the hash of their key.
    index: HashTable<u32>,
    hasher: ahash::RandomState,
    slots: Vec<Slot>,
    free: Vec<u32>,
    heads: [u32; CLASSES],
    tails: [u32; CLASSES],
    /// Before this no flow at the head of a class is over.
    wake: Timestamp,
    flows_max: usize,
    /// What `flows_max` is to come down to.
    flows_wanted: usize,
}

/// Flows for which there is room in so many bytes.
fn flows_in(memcap: u64) -> usize {
    let each = (std::mem::size_of::<Flow>() + std::mem::size_of::<Slot>() + 64) as u64;
    usize::try_from((memcap / each).clamp(16, u64::from(NONE - 1))).unwrap_or(16)
}

impl FlowTable {
    /// An empty table.
    pub fn new(config: FlowConfig) -> Self {
        let flows_max = flows_in(config.memcap);
        FlowTable {
            config,
            index: HashTable::new(),
            hasher: ahash::RandomState::new(),
            slots: Vec::new(),
            free: Vec::new(),
            heads: [NONE; CLASSES],
            tails: [NONE; CLASSES],
            wake: Timestamp(u64::MAX),
            flows_max,
            flows_wanted: flows_max,
        }
    }

    /// Flows may take so many bytes from now on. Where they take more, two end for each that begins until they do not.
    pub fn set_memcap(&mut self, bytes: u64) {
        self.config.memcap = bytes;
        self.flows_wanted = flows_in(bytes);
        self.flows_max = self.flows_wanted.max(self.index.len());
    }

    /// Whether there are more flows than there are to be.
    pub fn is_over_full(&self) -> bool {
        self.index.len() > self.flows_wanted
    }

    /// How many flows are alive.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Whether another flow would break the memory limit.
    pub fn is_full(&self) -> bool {
        self.index.len() >= self.flows_max
    }

    /// What is known of that key at that time.
    pub fn find(&self, key: &FlowKey, now: Timestamp) -> Found {
        let hash = self.hasher.hash_one(key);
        let found = self.index.find(hash, |&at| {
            let slot = &self.slots[at as usize];
            slot.hash == hash && slot.flow.as_ref().is_some_and(|flow| flow.key == *key)
        });
        match found {
            Some(&at) if now >= self.end_of(&self.slots[at as usize]) => Found::TimedOut(FlowIndex(at)),
            Some(&at) => Found::Known(FlowIndex(at)),
            None => Found::New,
        }
    }

    /// Adds a flow; gives it back when the table is full.
    pub fn insert(&mut self, flow: Box<Flow>) -> Result<FlowIndex, Box<Flow>> {
        if self.is_full() {
            return Err(flow);
        }
        let hash = self.hasher.hash_one(flow.key);
        let class = class_of(&flow);
        let slot = Slot { hash, last: flow.last, flow: Some(flow), previous: NONE, next: NONE, class };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.link(at, class);
        self.index.insert_unique(hash, at, |at| self.slots[*at as usize].hash);
        if self.flows_max > self.flows_wanted {
            self.flows_max = self.flows_wanted.max(self.index.len());
        }
        Ok(FlowIndex(at))
    }

    /// The flow at that place.
    pub fn flow(&mut self, at: FlowIndex) -> Option<&mut Flow> {
        self.slots.get_mut(at.0 as usize)?.flow.as_deref_mut()
    }

    /// Takes the flow out for the time of one packet, so that it can be worked on beside the table; [`FlowTable::put_back`] must follow.
    pub fn borrow(&mut self, at: FlowIndex) -> Option<Box<Flow>> {
        self.slots.get_mut(at.0 as usize)?.flow.take()
    }

    /// Puts a borrowed flow back and moves it to the end of its class.
    pub fn put_back(&mut self, at: FlowIndex, flow: Box<Flow>) {
        let class = class_of(&flow);
        let slot = &mut self.slots[at.0 as usize];
        slot.last = flow.last;
        slot.flow = Some(flow);
        // a packet that follows another of its flow finds it there
        if slot.class == class && self.tails[usize::from(class)] == at.0 {
            return;
        }
        self.unlink(at.0);
        self.slots[at.0 as usize].class = class;
        self.link(at.0, class);
    }

    /// Removes a flow that is not borrowed.
    pub fn remove(&mut self, at: FlowIndex) -> Option<Box<Flow>> {
        let slot = self.slots.get_mut(at.0 as usize)?;
        let (flow, hash) = (slot.flow.take()?, slot.hash);
        self.unlink(at.0);
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == at.0) {
            entry.remove();
        }
        self.free.push(at.0);
        Some(flow)
    }

    /// Every flow that is not borrowed.
    pub fn each_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.slots.iter_mut().filter_map(|slot| slot.flow.as_deref_mut())
    }

    /// Removes one flow whose time is over.
    pub fn take_expired(&mut self, now: Timestamp) -> Option<Box<Flow>> {
        if now < self.wake {
            return None;
        }
        self.wake = Timestamp(u64::MAX);
        for class in 0..CLASSES {
            let head = self.heads[class];
            let Some(slot) = self.slots.get(head as usize).filter(|slot| slot.flow.is_some()) else {
                continue;
            };
            if now >= self.end_of(slot) {
                // others may be over too
                self.wake = now;
                return self.remove(FlowIndex(head));
            }
            self.wake = self.wake.min(self.end_of(slot));
        }
        None
    }

    /// Removes the flow that waited longest for a packet, one-sided ones first: to make room.
    pub fn take_oldest(&mut self) -> Option<Box<Flow>> {
        let of = |want: fn(u8) -> bool| {
            self.heads
                .iter()
                .enumerate()
                .filter(|(class, head)| want(*class as u8 % 4) && **head != NONE)
                .map(|(_, head)| (&self.slots[*head as usize], *head))
                .filter_map(|(slot, head)| slot.flow.is_some().then_some((slot.last, head)))
                .min()
                .map(|(_, head)| head)
        };
        let oldest = of(|state| state != 1).or_else(|| of(|_| true))?;
        self.remove(FlowIndex(oldest))
    }

    /// Removes any flow, in the order of classes and last packets: at the end.
    pub fn take_any(&mut self) -> Option<Box<Flow>> {
        let head = self.heads.iter().copied().find(|head| *head != NONE)?;
        self.remove(FlowIndex(head))
    }

    /// When a flow is over unless another packet comes: after a second at least.
    fn end_of(&self, slot: &Slot) -> Timestamp {
        let wait = self.timeout(slot.class).max(1).saturating_mul(1_000_000_000);
        Timestamp(slot.last.0.saturating_add(wait))
    }

    /// Notes when the flow at that place, which became the head of its class, is over.
    fn watch(&mut self, at: u32) {
        if let Some(slot) = self.slots.get(at as usize).filter(|slot| slot.flow.is_some()) {
            self.wake = self.wake.min(self.end_of(slot));
        }
    }

    /// Seconds that flows of that class wait for a packet.
    fn timeout(&self, class: u8) -> u64 {
        let timeouts = match class / 4 {
            0 => &self.config.tcp,
            1 => &self.config.udp,
            2 => &self.config.icmp,
            _ => &self.config.other,
        };
        match class % 4 {
            0 => timeouts.new,
            1 => timeouts.established,
            2 => timeouts.closed,
            _ => timeouts.bypassed,
        }
    }

    fn link(&mut self, at: u32, class: u8) {
        let class = usize::from(class);
        let tail = self.tails[class];
        self.slots[at as usize].previous = tail;
        self.slots[at as usize].next = NONE;
        if tail == NONE {
            self.heads[class] = at;
            self.watch(at);
        } else {
            self.slots[tail as usize].next = at;
        }
        self.tails[class] = at;
    }

    fn unlink(&mut self, at: u32) {
        let Slot { previous, next, class, .. } = self.slots[at as usize];
        let class = usize::from(class);
        if previous == NONE {
            self.heads[class] = next;
            self.watch(next);
        } else {
            self.slots[previous as usize].next = next;
        }
        if next == NONE {
            self.tails[class] = previous;
        } else {
            self.slots[next as usize].previous = previous;
        }
    }
}

/// Protocol times four plus state.
fn class_of(flow: &Flow) -> u8 {
    let proto = match flow.proto {
        Proto::TCP => 0,
        Proto::UDP => 1,
        Proto::ICMP | Proto::ICMPV6 => 2,
        _ => 3,
    };
    let state = match flow.kept_as() {
        FlowState::New => 0,
        FlowState::Established => 1,
        FlowState::Closed => 2,
        FlowState::Bypassed => 3,
    };
    proto * 4 + state
}

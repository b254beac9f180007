//! Transactions: a request and its response, or one message of a protocol that has no pairs.

use std::collections::VecDeque;

use super::file::File;
use crate::json::JsonWriter;
use crate::types::Direction;

/// A buffer or number of a protocol: the protocol's own numbering, shared with its keyword table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// The progress of a direction in which nothing more will come. Smaller values are the protocol's own steps, rising.
pub const DONE: u8 = u8::MAX;

/// A buffer that grows while its message arrives (a body, a file).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Body<'a> {
    /// What is kept of it.
    pub bytes: &'a [u8],
    /// Position of the first kept byte in the whole body.
    pub offset: u64,
    /// Nothing more will come.
    pub complete: bool,
    /// What an `endswith` or a closing anchor may rely on: the end was really seen (not cut by a limit).
    pub end_seen: bool,
    /// Not worth inspecting before this many bytes are there, unless complete.
    pub inspect_min: usize,
    /// When it grows: how many bytes before the new ones are inspected again.
    pub window: usize,
}

/// Whose addresses come first in a record of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordEnds {
    /// The client's: the record is about the flow.
    #[default]
    Flow,
    /// Those of the packet that completed it.
    Packet,
    /// Of whoever sends in that direction.
    Side(Direction),
}

/// One transaction.
pub trait Transaction {
    /// Unique in its flow, rising from 0.
    fn id(&self) -> u64;

    /// How far that direction is: 0 not begun, the protocol's steps, [`DONE`].
    fn progress(&self, dir: Direction) -> u8;

    /// The `nth` buffer of that slot (0 for a slot that has one), or `None` when there is none (yet).
    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]>;

    /// The `nth` number of that slot.
    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        let _ = (slot, nth);
        None
    }

    /// The growing buffer of that slot.
    fn body(&self, slot: Slot, nth: usize) -> Option<Body<'_>> {
        let _ = (slot, nth);
        None
    }

    /// What was wrong with it: names out of [`super::Protocol::events`], in the order found, with the direction they concern.
    fn events(&self) -> &[(Direction, &'static str)] {
        &[]
    }

    /// Files carried in that direction.
    fn files(&self, dir: Direction) -> &[File] {
        let _ = dir;
        &[]
    }

    /// An address that it names, to be compared with those of the flow.
    fn address(&self) -> Option<std::net::IpAddr> {
        None
    }

    /// Whether rules of that direction look at it at all: a protocol whose messages are transactions of their own (DNS)
    /// answers only for the direction the message went.
    fn concerns(&self, dir: Direction) -> bool {
        let _ = dir;
        true
    }

    /// Whether what one side says is looked at by rules of both sides at once: what a request asks for stands on its response
    /// too.
    fn is_shared(&self) -> bool {
        false
    }

    /// The byte order of that side's numbers, for options that leave it to the message (`dce`).
    fn is_little_endian(&self, dir: Direction) -> bool {
        let _ = dir;
        true
    }

    /// Whether the raw stream up to the end of that side of it is inspected at once with it, rather than when there is enough
    /// of it: where a transaction is a message of its own, and not a part of a long talk.
    fn ends_stream_chunk(&self, dir: Direction) -> bool {
        let _ = dir;
        true
    }

    /// Writes its EVE object, key included (`"http":{…}`).
    fn log(&self, out: &mut JsonWriter);

    /// The same, inside an alert; the default is [`Transaction::log`].
    fn log_in_alert(&self, out: &mut JsonWriter) {
        self.log(out);
    }

    /// The same, beside a file; the default is [`Transaction::log_in_alert`].
    fn log_with_file(&self, out: &mut JsonWriter) {
        self.log_in_alert(out);
    }

    /// Whether it deserves a record of its own once done.
    fn logs(&self) -> bool {
        true
    }

    /// Whether its record tells all it will ever tell, though it is not over.
    fn is_told_early(&self) -> bool {
        false
    }

    /// How many records of its own it makes once done; 0 when it does not log. A DNS request makes one a question.
    fn records(&self) -> usize {
        usize::from(self.logs())
    }

    /// Whose addresses come first in its records.
    fn record_ends(&self) -> RecordEnds {
        RecordEnds::Flow
    }

    /// Whether its records have its number (`tx_id`); alerts always do.
    fn record_has_id(&self) -> bool {
        true
    }

    /// The event type of its `nth` record, which is also the entry under `eve-log.types` that switches it on, where it is not its
    /// protocol's.
    fn record_type(&self, nth: usize) -> Option<&'static str> {
        let _ = nth;
        None
    }

    /// Writes the EVE object of its `nth` record, `nth < records()`.
    fn log_record(&self, nth: usize, out: &mut JsonWriter) {
        let _ = nth;
        self.log(out);
    }
}

/// The live transactions of a flow, oldest first.
pub trait Transactions {
    /// How many.
    fn count(&self) -> usize;

    /// The `nth`, `nth < count()`.
    fn at(&self, nth: usize) -> Option<&dyn Transaction>;

    /// Removes the one of that id; later ones keep their order.
    fn remove(&mut self, id: u64);

    /// How many were ever made.
    fn total(&self) -> u64;
}

/// The usual store of transactions.
#[derive(Debug)]
pub struct TxList<T> {
    live: VecDeque<T>,
    made: u64,
}

impl<T> Default for TxList<T> {
    fn default() -> Self {
        TxList { live: VecDeque::new(), made: 0 }
    }
}

impl<T: Transaction> TxList<T> {
    /// Makes one with the next id.
    pub fn push_with(&mut self, make: impl FnOnce(u64) -> T) -> &mut T {
        let id = self.made;
        self.made += 1;
        self.live.push_back(make(id));
        let last = self.live.len() - 1;
        &mut self.live[last]
    }

    /// The live ones, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.live.iter()
    }

    /// The live ones, oldest first, to change.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.live.iter_mut()
    }

    /// The live one of that id.
    pub fn by_id_mut(&mut self, id: u64) -> Option<&mut T> {
        let at = self.place(id)?;
        self.live.get_mut(at)
    }

    /// Ids rise, and removal keeps the order.
    fn place(&self, id: u64) -> Option<usize> {
        self.live.binary_search_by_key(&id, Transaction::id).ok()
    }

    /// The youngest, to change.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.live.back_mut()
    }

    /// How many are alive.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether none is alive.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }
}

impl<T: Transaction> Transactions for TxList<T> {
    fn count(&self) -> usize {
        self.live.len()
    }

    fn at(&self, nth: usize) -> Option<&dyn Transaction> {
        self.live.get(nth).map(|tx| tx as &dyn Transaction)
    }

    fn remove(&mut self, id: u64) {
        if let Some(at) = self.place(id) {
            self.live.remove(at);
        }
    }

    fn total(&self) -> u64 {
        self.made
    }
}

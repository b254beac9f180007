//! A transaction that is one message: done at once, and of the direction it went.

use std::fmt::Debug;

use super::values::Values;
use crate::app::{DONE, RecordEnds, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// What a protocol keeps of a message beside its [`Values`].
pub(super) trait Record: Debug {
    /// Whether it makes a record of its own.
    const LOGS: bool = true;

    /// Writes its EVE object, key included.
    fn log(&self, values: &Values, out: &mut JsonWriter);

    /// The same, inside an alert.
    fn log_in_alert(&self, values: &Values, out: &mut JsonWriter) {
        self.log(values, out);
    }

    /// Whether this one does, when some do.
    fn logs(&self) -> bool {
        Self::LOGS
    }

    /// Whose addresses come first in its record, of a message that went in that direction.
    fn ends(&self, dir: Direction) -> RecordEnds {
        RecordEnds::Side(dir)
    }

    /// Memory held beside itself, bytes.
    fn memory(&self) -> usize {
        0
    }
}

/// One message.
#[derive(Debug)]
pub(super) struct MessageTx<R> {
    id: u64,
    dir: Direction,
    values: Values,
    events: Vec<(Direction, &'static str)>,
    record: R,
}

impl<R: Record> MessageTx<R> {
    pub(super) fn new(id: u64, dir: Direction, values: Values, record: R, events: &[&'static str]) -> Self {
        let events = events.iter().map(|name| (dir, *name)).collect();
        MessageTx { id, dir, values, events, record }
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.values.memory()
            + self.record.memory()
            + self.events.capacity() * size_of::<(Direction, &'static str)>()
    }
}

impl<R: Record> Transaction for MessageTx<R> {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        self.values.text(slot, nth)
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        self.values.number(slot, nth)
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn concerns(&self, dir: Direction) -> bool {
        dir == self.dir
    }

    fn log(&self, out: &mut JsonWriter) {
        self.record.log(&self.values, out);
    }

    fn log_in_alert(&self, out: &mut JsonWriter) {
        self.record.log_in_alert(&self.values, out);
    }

    fn logs(&self) -> bool {
        self.record.logs()
    }

    fn record_ends(&self) -> RecordEnds {
        self.record.ends(self.dir)
    }

    fn record_has_id(&self) -> bool {
        false
    }
}

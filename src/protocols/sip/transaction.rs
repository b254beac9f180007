//! A SIP transaction: one message, request or response.

use super::log;
use crate::app::{DONE, RecordEnds, Slot, Transaction};
use crate::json::JsonWriter;
use crate::protocols::values::Values;
use crate::types::Direction;

/// One message.
#[derive(Debug)]
pub(super) struct SipTx {
    id: u64,
    dir: Direction,
    values: Values,
}

impl SipTx {
    pub(super) fn new(id: u64, dir: Direction, values: Values) -> Self {
        SipTx { id, dir, values }
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.values.memory()
    }
}

impl Transaction for SipTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        self.values.text(slot, nth)
    }

    fn concerns(&self, dir: Direction) -> bool {
        dir == self.dir
    }

    fn log(&self, out: &mut JsonWriter) {
        log::message(&self.values, out);
    }

    fn record_ends(&self) -> RecordEnds {
        RecordEnds::Packet
    }

    fn record_has_id(&self) -> bool {
        false
    }
}

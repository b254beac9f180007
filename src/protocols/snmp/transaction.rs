//! An SNMP transaction: one message.

use super::message::Message;
use super::{log, slots};
use crate::app::{DONE, RecordEnds, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// One message.
#[derive(Debug)]
pub(super) struct SnmpTx {
    id: u64,
    dir: Direction,
    message: Message,
    events: Vec<(Direction, &'static str)>,
}

impl SnmpTx {
    pub(super) fn new(id: u64, dir: Direction, message: Message, mismatch: bool) -> Self {
        let found = [(mismatch, "version_mismatch"), (message.unknown_security, "unknown_security_model")];
        let events = found.into_iter().filter(|(seen, _)| *seen).map(|(_, name)| (dir, name)).collect();
        SnmpTx { id, dir, message, events }
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        let trap = self.message.trap.as_ref().map_or(0, |trap| trap.enterprise.len());
        size_of::<Self>() + self.message.values.memory() + trap
    }
}

impl Transaction for SnmpTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        self.message.values.text(slot, nth)
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        match slot {
            // the flow's, which is that of its first message
            slots::VERSION if nth == 0 => Some(self.message.version.into()),
            slots::VERSION => None,
            _ => self.message.values.number(slot, nth),
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn concerns(&self, dir: Direction) -> bool {
        dir == self.dir
    }

    fn log(&self, out: &mut JsonWriter) {
        log::message(&self.message, out);
    }

    fn record_ends(&self) -> RecordEnds {
        RecordEnds::Packet
    }

    fn record_has_id(&self) -> bool {
        false
    }
}

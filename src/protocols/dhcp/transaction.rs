//! A DHCP transaction: one message.

use super::message::{Message, code};
use super::{log, slots};
use crate::app::{DONE, RecordEnds, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// Message type of an acknowledgement, RFC 2132 section 9.6.
const ACK: u8 = 5;

/// One message.
#[derive(Debug)]
pub(super) struct DhcpTx {
    id: u64,
    dir: Direction,
    message: Message,
    extended: bool,
    events: Vec<(Direction, &'static str)>,
}

impl DhcpTx {
    pub(super) fn new(id: u64, dir: Direction, message: Message, extended: bool) -> Self {
        let found = [(message.truncated, "truncated_options"), (message.malformed, "malformed_options")];
        let events = found.into_iter().filter(|(seen, _)| *seen).map(|(_, name)| (dir, name)).collect();
        DhcpTx { id, dir, message, extended, events }
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.message.memory()
    }
}

impl Transaction for DhcpTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, _slot: Slot, _nth: usize) -> Option<&[u8]> {
        None
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        let code = match slot {
            _ if nth > 0 => return None,
            slots::LEASE_TIME => code::LEASE_TIME,
            slots::RENEWAL_TIME => code::RENEWAL_TIME,
            slots::REBINDING_TIME => code::REBINDING_TIME,
            _ => return None,
        };
        self.message.number(code).map(u64::from)
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn concerns(&self, dir: Direction) -> bool {
        dir == self.dir
    }

    fn logs(&self) -> bool {
        self.extended || self.message.value(code::TYPE) == Some(&[ACK])
    }

    fn log(&self, out: &mut JsonWriter) {
        log::message(&self.message, self.extended, out);
    }

    fn record_ends(&self) -> RecordEnds {
        RecordEnds::Packet
    }

    fn record_has_id(&self) -> bool {
        false
    }
}

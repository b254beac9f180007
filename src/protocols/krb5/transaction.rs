//! A Kerberos transaction: one message.

use super::log;
use super::message::{self, Message};
use crate::app::{DONE, RecordEnds, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// One message.
#[derive(Debug)]
pub(super) struct Krb5Tx {
    id: u64,
    dir: Direction,
    /// `None` for one that could not be read.
    message: Option<Message>,
    /// The kind of the request before it.
    request: Option<u8>,
    events: Vec<(Direction, &'static str)>,
}

impl Krb5Tx {
    pub(super) fn new(id: u64, dir: Direction, message: Option<Message>, request: Option<u8>) -> Self {
        let weak = message.as_ref().and_then(|message| message.encryption).is_some_and(message::is_weak);
        let found = [(message.is_none(), "malformed_data"), (weak, "weak_encryption")];
        let events = found.into_iter().filter(|(seen, _)| *seen).map(|(_, name)| (dir, name)).collect();
        Krb5Tx { id, dir, message, request, events }
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.message.as_ref().map_or(0, Message::memory)
    }
}

impl Transaction for Krb5Tx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        self.message.as_ref()?.values.text(slot, nth)
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        self.message.as_ref()?.values.number(slot, nth)
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn concerns(&self, dir: Direction) -> bool {
        dir == self.dir
    }

    fn logs(&self) -> bool {
        self.message.is_some()
    }

    fn log(&self, out: &mut JsonWriter) {
        match &self.message {
            Some(message) => log::message(message, self.request, out),
            None => {
                out.open_object("krb5");
                out.close();
            }
        }
    }

    fn record_ends(&self) -> RecordEnds {
        RecordEnds::Packet
    }

    fn record_has_id(&self) -> bool {
        false
    }
}

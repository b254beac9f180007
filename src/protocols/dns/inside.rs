//! DNS messages that another protocol carries, request and response beside each other (RFC 8484).

use super::log::Wanted;
use super::message::Message;
use super::transaction::DnsTx;
use crate::app::{Settings, Slot, Transaction as _};
use crate::json::JsonWriter;
use crate::types::Direction;

/// What was asked and answered, by direction; `None` for what is no message.
#[derive(Debug, Default)]
pub(in crate::protocols) struct Carried([Option<Box<DnsTx>>; 2]);

impl Carried {
    /// Reads the messages of a transaction of that number: as they are when it is over.
    pub(in crate::protocols) fn read(id: u64, messages: [Option<&[u8]>; 2]) -> Self {
        let read = |dir: Direction| {
            let bytes = messages[dir.index()]?;
            let message = match dir {
                Direction::ToServer => Message::read_request(bytes),
                Direction::ToClient => Message::read_response(bytes),
            };
            Some(Box::new(DnsTx::new(id, dir, message.ok()?, Wanted::new(&Settings::default()))))
        };
        Carried(Direction::BOTH.map(read))
    }

    fn each(&self) -> impl Iterator<Item = &DnsTx> {
        self.0.iter().flatten().map(|tx| &**tx)
    }

    /// The buffer of one of DNS's slots, of the message in that direction.
    pub(in crate::protocols) fn bytes(&self, dir: Direction, slot: Slot, nth: usize) -> Option<&[u8]> {
        self.0[dir.index()].as_ref()?.bytes(slot, nth)
    }

    /// A number of it.
    pub(in crate::protocols) fn number(&self, dir: Direction, slot: Slot, nth: usize) -> Option<u64> {
        self.0[dir.index()].as_ref()?.number(slot, nth)
    }

    /// How many records both make.
    pub(in crate::protocols) fn records(&self) -> usize {
        self.each().map(|tx| tx.records()).sum()
    }

    /// Writes the `nth` of them.
    pub(in crate::protocols) fn log_record(&self, mut nth: usize, out: &mut JsonWriter) {
        for tx in self.each() {
            match nth.checked_sub(tx.records()) {
                Some(left) => nth = left,
                None => return tx.log_record(nth, out),
            }
        }
    }

    /// Writes `"dns":{…}` of an alert: what was asked, or else what was answered.
    pub(in crate::protocols) fn log_in_alert(&self, out: &mut JsonWriter) {
        if let Some(tx) = self.each().next() {
            tx.log_in_alert(out);
        }
    }

    /// Memory held, bytes.
    pub(in crate::protocols) fn memory(&self) -> usize {
        self.each().map(DnsTx::memory).sum()
    }
}

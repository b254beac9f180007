//! A request and its response.

use super::message::Message;
use super::{log, slots};
use crate::app::{DONE, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// One transaction.
#[derive(Debug)]
pub(super) struct ModbusTx {
    id: u64,
    pub(super) request: Option<Message>,
    pub(super) response: Option<Message>,
    closed: bool,
    events: Vec<(Direction, &'static str)>,
}

impl ModbusTx {
    pub(super) fn new(id: u64, request: Option<Message>, response: Option<Message>) -> Self {
        let mut tx = ModbusTx { id, request: None, response: None, closed: false, events: Vec::new() };
        if let Some(request) = request {
            request.events().for_each(|event| tx.event(Direction::ToServer, event));
            tx.request = Some(request);
        }
        if let Some(response) = response {
            tx.answer(response, false);
        }
        tx
    }

    pub(super) fn answer(&mut self, response: Message, differs: bool) {
        if differs {
            self.event(Direction::ToClient, "value_mismatch");
        }
        let wrong: Vec<_> = response.events().filter(|event| !differs || *event != "invalid_value").collect();
        wrong.into_iter().for_each(|event| self.event(Direction::ToClient, event));
        self.response = Some(response);
    }

    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        self.events.push((dir, name));
    }

    /// Nothing more will come.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_done(&self) -> bool {
        self.closed || self.response.is_some()
    }

    /// EVE counts from one.
    pub(super) fn count(&self) -> u64 {
        self.id + 1
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        let held = |message: &Option<Message>| message.as_ref().map_or(0, Message::memory);
        size_of::<Self>() + held(&self.request) + held(&self.response) + self.events.capacity() * 24
    }
}

impl Transaction for ModbusTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        let done = match dir {
            Direction::ToServer => true,
            Direction::ToClient => self.is_done(),
        };
        if done { DONE } else { 0 }
    }

    fn bytes(&self, _slot: Slot, _nth: usize) -> Option<&[u8]> {
        None
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        slots::number(self.request.as_ref()?, slot, nth)
    }

    fn log(&self, out: &mut JsonWriter) {
        log::object(self, out);
    }

    fn logs(&self) -> bool {
        self.request.is_some() || self.response.is_some()
    }

    fn record_has_id(&self) -> bool {
        false
    }
}

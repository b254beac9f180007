//! The one transaction of an RFB flow: its handshake.

use super::{log, slots};
use crate::app::{DONE, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// How a pixel is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct PixelFormat {
    pub(super) bits: u8,
    pub(super) depth: u8,
    pub(super) big_endian: bool,
    pub(super) true_color: bool,
    /// Of red, green and blue.
    pub(super) max: [u16; 3],
    pub(super) shift: [u8; 3],
}

/// What ServerInit says.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) format: PixelFormat,
    pub(super) name: Vec<u8>,
}

/// A handshake.
#[derive(Debug)]
pub(super) struct RfbTx {
    id: u64,
    /// Major and minor, of the client and of the server.
    pub(super) versions: [Option<([u8; 3], [u8; 3])>; 2],
    pub(super) security: Option<u32>,
    pub(super) challenge: Option<[u8; 16]>,
    pub(super) response: Option<[u8; 16]>,
    pub(super) result: Option<u8>,
    pub(super) reason: Option<Vec<u8>>,
    pub(super) shared: Option<bool>,
    pub(super) screen: Option<Screen>,
    done: bool,
    events: Vec<(Direction, &'static str)>,
}

impl RfbTx {
    pub(super) fn new(id: u64) -> Self {
        RfbTx {
            id,
            versions: [None; 2],
            security: None,
            challenge: None,
            response: None,
            result: None,
            reason: None,
            shared: None,
            screen: None,
            done: false,
            events: Vec::new(),
        }
    }

    /// The handshake is over.
    pub(super) fn finish(&mut self) {
        self.done = true;
    }

    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        self.events.push((dir, name));
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        let name = self.screen.as_ref().map_or(0, |screen| screen.name.len());
        size_of::<Self>() + name + self.reason.as_ref().map_or(0, Vec::len)
    }
}

impl Transaction for RfbTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        if self.done { DONE } else { 1 }
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let wanted = slot == slots::NAME && nth == 0;
        self.screen.as_ref().filter(|_| wanted).map(|screen| &screen.name[..])
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        match slot {
            _ if nth > 0 || !self.done => None,
            slots::SECURITY_TYPE => self.security.map(u64::from),
            slots::SECURITY_RESULT => self.result.map(u64::from),
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn log(&self, out: &mut JsonWriter) {
        log::handshake(self, out);
    }

    fn record_has_id(&self) -> bool {
        false
    }
}

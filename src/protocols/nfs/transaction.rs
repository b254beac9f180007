//! A call and its reply, or a file that is read or written.

use super::rpc::Credentials;
use super::{log, slots};
use crate::app::{Body, DONE, File, RecordEnds, Slot, Transaction};
use crate::json::JsonWriter;
use crate::protocols::assembly::Assembly;
use crate::types::Direction;

/// A file on its way.
#[derive(Debug)]
pub(super) struct Transfer {
    /// To the server when it is written.
    pub(super) dir: Direction,
    pub(super) assembly: Assembly,
    pub(super) last_xid: u32,
    pub(super) chunks: u32,
    pub(super) ended: bool,
}

/// One transaction.
#[derive(Debug)]
pub(super) struct NfsTx {
    id: u64,
    pub(super) xid: u32,
    pub(super) version: u32,
    pub(super) procedure: u32,
    pub(super) credentials: Credentials,
    pub(super) name: Vec<u8>,
    pub(super) rename_to: Option<Vec<u8>>,
    pub(super) handle: Vec<u8>,
    pub(super) is_denied: bool,
    pub(super) status: u32,
    pub(super) done: bool,
    pub(super) transfer: Option<Box<Transfer>>,
    pub(super) events: Vec<(Direction, &'static str)>,
}

impl NfsTx {
    pub(super) fn new(id: u64, xid: u32, version: u32, procedure: u32, credentials: Credentials) -> Self {
        NfsTx {
            id,
            xid,
            version,
            procedure,
            credentials,
            name: Vec::new(),
            rename_to: None,
            handle: Vec::new(),
            is_denied: false,
            status: 0,
            done: false,
            transfer: None,
            events: Vec::new(),
        }
    }

    fn transfer(&self, dir: Direction) -> Option<&Transfer> {
        self.transfer.as_deref().filter(|transfer| transfer.dir == dir)
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        let machine = self.credentials.unix.as_ref().map_or(0, |(machine, ..)| machine.capacity());
        let file =
            self.transfer.as_ref().map_or(0, |transfer| size_of::<Transfer>() + transfer.assembly.kept());
        let texts =
            self.name.capacity() + self.handle.capacity() + self.rename_to.as_ref().map_or(0, Vec::capacity);
        size_of::<Self>() + machine + file + texts + self.events.capacity() * 24
    }
}

impl Transaction for NfsTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        let asked = dir == Direction::ToServer && self.transfer.is_none();
        if self.done || asked { DONE } else { slots::BEGUN }
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let name = |dir| self.transfer(dir).filter(|_| nth == 0).map(|transfer| transfer.assembly.name());
        let magic = |dir| self.files(dir).get(nth)?.magic.as_deref().map(str::as_bytes);
        match slot {
            slots::NAME_WRITTEN => name(Direction::ToServer),
            slots::NAME_READ => name(Direction::ToClient),
            slots::MAGIC_WRITTEN => magic(Direction::ToServer),
            slots::MAGIC_READ => magic(Direction::ToClient),
            _ => None,
        }
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        match slot {
            slots::PROCEDURE if nth == 0 => Some(self.procedure.into()),
            slots::VERSION if nth == 0 => Some(self.version.into()),
            _ => None,
        }
    }

    fn body(&self, slot: Slot, nth: usize) -> Option<Body<'_>> {
        let dir = match slot {
            slots::FILE_WRITTEN => Direction::ToServer,
            slots::FILE_READ => Direction::ToClient,
            _ => return None,
        };
        self.transfer(dir).filter(|_| nth == 0)?.assembly.body()
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn files(&self, dir: Direction) -> &[File] {
        self.transfer(dir).map_or(&[], |transfer| transfer.assembly.files())
    }

    fn ends_stream_chunk(&self, _: Direction) -> bool {
        self.transfer.is_none()
    }

    fn logs(&self) -> bool {
        // what is asked all the time tells nothing
        self.procedure != if self.version == 4 { 9 } else { 1 }
    }

    fn record_ends(&self) -> RecordEnds {
        RecordEnds::Packet
    }

    fn record_has_id(&self) -> bool {
        false
    }

    fn log(&self, out: &mut JsonWriter) {
        log::object(self, out);
    }
}

//! An SMB transaction: a request with its response, a file that is read or written, or a call in a pipe.

use super::ntlmssp::Identity;
use super::{log, slots};
use crate::app::{Body, DONE, File, Slot, Transaction};
use crate::json::JsonWriter;
use crate::protocols::assembly::Assembly;
use crate::protocols::dcerpc::call::Call;
use crate::types::Direction;

/// Events of one transaction; further ones are not told.
const EVENTS_MAX: usize = 1024;

/// What a response is matched to its request by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// 1 or 2.
    pub(super) version: u8,
    pub(super) command: u16,
    /// Number of the message; with that of the process in SMB1.
    pub(super) message: u64,
}

/// A status as its version tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Nt(u32),
    Dos(u8, u16),
}

/// The dialect of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Dialect {
    #[default]
    Unknown,
    Named(std::sync::Arc<[u8]>),
    Number(u16),
}

/// System and LAN manager of one end.
#[derive(Clone, Debug, Default)]
pub(super) struct Native {
    pub(super) os: Vec<u8>,
    pub(super) lm: Vec<u8>,
}

/// Name or number of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fid {
    Short(u16),
    Guid([u8; 16]),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Negotiate {
    pub(super) dialects: Vec<Vec<u8>>,
    pub(super) client_guid: Option<[u8; 16]>,
    pub(super) server_guid: Option<[u8; 16]>,
    /// Largest read and write that the server takes.
    pub(super) sizes: Option<(u32, u32)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct SessionSetup {
    pub(super) identity: Identity,
    pub(super) request: Option<Native>,
    pub(super) response: Option<Native>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct TreeConnect {
    pub(super) name: Vec<u8>,
    pub(super) is_pipe: bool,
    /// SMB2: what the server says it is.
    pub(super) share_type: Option<u8>,
    /// SMB1: the service that was asked for, and that was given.
    pub(super) service: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Create {
    pub(super) name: Vec<u8>,
    pub(super) directory: bool,
    pub(super) disposition: u32,
    pub(super) delete_on_close: bool,
    /// Created, accessed, modified, changed: seconds since 1970.
    pub(super) times: [i64; 4],
    pub(super) size: u64,
    pub(super) fid: Option<Fid>,
}

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) dir: Direction,
    pub(super) fid: Fid,
    pub(super) share: Vec<u8>,
    pub(super) assembly: Assembly,
}

/// What a transaction is about.
#[derive(Debug)]
pub(super) enum Data {
    Generic,
    Negotiate(Negotiate),
    Session(Box<SessionSetup>),
    Tree(TreeConnect),
    Create(Create),
    Transfer(Box<Transfer>),
    Call(Box<Call>),
    Ioctl(u32),
    /// A file that is marked to be deleted when it is closed, or not any more.
    Delete {
        name: Vec<u8>,
        fid: Fid,
        delete: bool,
    },
    Rename {
        from: Vec<u8>,
        to: Vec<u8>,
        fid: Fid,
    },
}

/// One transaction.
#[derive(Debug)]
pub(super) struct SmbTx {
    id: u64,
    pub(super) key: Key,
    pub(super) session: u64,
    pub(super) tree: u32,
    pub(super) status: Option<Status>,
    pub(super) dialect: Dialect,
    pub(super) done: [bool; 2],
    pub(super) data: Data,
    /// The pipe of a call.
    pub(super) fid: Option<Fid>,
    events: Vec<(Direction, &'static str)>,
}

impl SmbTx {
    pub(super) fn new(id: u64, key: Key, session: u64, tree: u32, dialect: Dialect, data: Data) -> Self {
        SmbTx {
            id,
            key,
            session,
            tree,
            status: None,
            dialect,
            done: [false; 2],
            data,
            fid: None,
            events: Vec::new(),
        }
    }

    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if self.events.len() < EVENTS_MAX {
            self.events.push((dir, name));
        }
    }

    fn tree_named(&self, pipe: bool) -> Option<&[u8]> {
        match &self.data {
            Data::Tree(tree) if tree.is_pipe == pipe => Some(&tree.name),
            _ => None,
        }
    }

    fn transfer(&self, dir: Direction) -> Option<&Transfer> {
        match &self.data {
            Data::Transfer(transfer) if transfer.dir == dir => Some(transfer),
            _ => None,
        }
    }
}

impl Transaction for SmbTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        if self.done[dir.index()] { DONE } else { slots::BEGUN }
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let ntlmssp = || match &self.data {
            Data::Session(setup) => setup.identity.ntlmssp.as_ref(),
            _ => None,
        };
        let name = |dir| self.transfer(dir).filter(|_| nth == 0).map(|transfer| transfer.assembly.name());
        let magic = |dir| self.files(dir).get(nth)?.magic.as_deref().map(str::as_bytes);
        match slot {
            slots::SHARE => self.tree_named(false),
            slots::NAMED_PIPE => self.tree_named(true),
            slots::USER => ntlmssp().map(|ntlmssp| &ntlmssp.user[..]).filter(|user| !user.is_empty()),
            slots::DOMAIN => ntlmssp().map(|ntlmssp| &ntlmssp.domain[..]).filter(|domain| !domain.is_empty()),
            slots::FILE_NAME_WRITTEN => name(Direction::ToServer),
            slots::FILE_NAME_READ => name(Direction::ToClient),
            slots::FILE_MAGIC_WRITTEN => magic(Direction::ToServer),
            slots::FILE_MAGIC_READ => magic(Direction::ToClient),
            _ => match &self.data {
                Data::Call(call) => call.bytes(slot, nth),
                _ => None,
            },
        }
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        match (slot, &self.data) {
            (slots::VERSION, _) => Some(self.key.version.into()),
            (_, Data::Call(call)) => call.number(slot, nth),
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

    fn is_shared(&self) -> bool {
        true
    }

    fn ends_stream_chunk(&self, _: Direction) -> bool {
        false
    }

    fn is_little_endian(&self, dir: Direction) -> bool {
        match &self.data {
            Data::Call(call) => call.little[dir.index()],
            _ => true,
        }
    }

    fn record_has_id(&self) -> bool {
        false
    }

    fn log(&self, out: &mut JsonWriter) {
        log::object(self, out);
    }
}

//! What both versions share: transactions, trees, open files, requests that wait for their answer, calls in pipes.

use super::bounded::Bounded;
use super::config::{Config, KEPT_TOTAL_MAX, REMEMBERED_MAX, STUBS_TOTAL_MAX};
use super::transaction::{Data, Dialect, Fid, Key, SmbTx, Status, Transfer};
use crate::app::{Transaction, Transactions as _, TxList};
use crate::protocols::assembly::{Assembly, Queue};
use crate::protocols::dcerpc::call::{Call, Interfaces};
use crate::protocols::dcerpc::pdu::{self, HEADER_LEN, Header};
use crate::types::Direction;

/// A share that a tree is connected to.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) name: Vec<u8>,
    pub(super) is_pipe: bool,
}

/// What is remembered of a request without a transaction of its own.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    Read { fid: Fid, offset: u64 },
    Pipe { fid: Fid },
}

/// Where a message stands: what transactions show of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) session: u64,
    pub(super) tree: u32,
}

/// A piece of a file that is arriving.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) dir: Direction,
    pub(super) fid: Fid,
    pub(super) offset: u64,
    /// Bytes of it that have yet to come.
    pub(super) left: u64,
}

/// The state of one flow.
pub(super) struct State {
    pub(super) config: Config,
    pub(super) transactions: TxList<SmbTx>,
    pub(super) dialect: Dialect,
    /// Dialects that the client of SMB1 offered.
    pub(super) offered: Vec<Vec<u8>>,
    pub(super) trees: Bounded<(u8, u32), Tree>,
    pub(super) names: Bounded<Fid, Vec<u8>>,
    pub(super) pending: Bounded<Key, Pending>,
    /// The transaction of each file that is written or read.
    transfers: Bounded<(Fid, usize), u64>,
    /// By direction: written, read.
    queues: [Queue; 2],
    interfaces: Interfaces,
    /// How many of them the bind asked for that was seen last.
    asked: usize,
    /// The beginning of a unit whose rest is read later.
    parts: Bounded<Fid, Vec<u8>>,
    /// Pipes that a call was written to.
    callers: Bounded<Fid, ()>,
}

impl State {
    pub(super) fn new(config: Config) -> Self {
        let queue = |max| Queue { max, used: (0, 0) };
        State {
            config,
            transactions: TxList::default(),
            dialect: Dialect::Unknown,
            offered: Vec::new(),
            trees: Bounded::new(REMEMBERED_MAX),
            names: Bounded::new(REMEMBERED_MAX),
            pending: Bounded::new(REMEMBERED_MAX),
            transfers: Bounded::new(REMEMBERED_MAX),
            queues: [queue(config.write_queue), queue(config.read_queue)],
            interfaces: Interfaces::default(),
            asked: 0,
            parts: Bounded::new(16),
            callers: Bounded::new(REMEMBERED_MAX),
        }
    }

    /// Whether a file is a pipe that carries calls: its tree is one of pipes (or not known), and its name is that of a service of
    /// Windows, or what is written to it is a call.
    pub(super) fn carries_calls(&self, tree: (u8, u32), fid: Fid, data: &[u8]) -> bool {
        const KNOWN: &[&[u8]] =
            &[b"atsvc", b"lsarpc", b"samr", b"spoolss", b"srvsvc", b"svcctl", b"winreg", b"netlogon"];
        let known = || {
            self.names.get(&fid).is_some_and(|name| {
                let name = name.strip_prefix(b"\\").unwrap_or(name);
                KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known))
            })
        };
        match self.trees.get(&tree) {
            // in SMB1 every pipe
            Some(pipe) if pipe.is_pipe => {
                tree.0 == 1 || known() || self.callers.get(&fid).is_some() || looks_like_call(data)
            }
            Some(_) => false,
            None => known(),
        }
    }

    /// Makes a transaction. When there are too many the oldest open one is given up.
    pub(super) fn begin(&mut self, place: Place, data: Data) -> &mut SmbTx {
        let full = self.transactions.len() >= self.config.tx_max;
        if full && let Some(oldest) = self.transactions.iter_mut().find(|tx| tx.done != [true; 2]) {
            oldest.done = [true; 2];
            oldest.event(Direction::ToServer, "too_many_transactions");
            if let Data::Transfer(transfer) = &mut oldest.data {
                transfer.assembly.close(false, &mut self.queues[transfer.dir.index()]);
            }
        }
        let dialect = self.dialect.clone();
        let Place { key, session, tree } = place;
        self.transactions.push_with(|id| SmbTx::new(id, key, session, tree, dialect, data))
    }

    /// A request that has nothing but its answer.
    pub(super) fn begin_request(&mut self, place: Place, data: Data) -> &mut SmbTx {
        let tx = self.begin(place, data);
        tx.done[0] = true;
        tx
    }

    /// The open transaction that a response with that key belongs to.
    pub(super) fn open(&mut self, key: Key) -> Option<&mut SmbTx> {
        self.transactions.iter_mut().find(|tx| tx.key == key && !tx.done[1])
    }

    /// Something is wrong with the message that was read last.
    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if let Some(tx) = self.transactions.iter_mut().next_back() {
            tx.event(dir, name);
        }
    }

    pub(super) fn set_dialect(&mut self, dialect: Dialect) {
        if self.dialect == dialect {
            return;
        }
        for tx in self.transactions.iter_mut() {
            tx.dialect = dialect.clone();
        }
        self.dialect = dialect;
    }

    /// A piece of a file; what is not there of it yet comes by [`State::more`].
    pub(super) fn piece(&mut self, place: Place, chunk: &Chunk, bytes: &[u8], share: &[u8]) {
        let side = chunk.dir.index();
        let known = self.transfers.get(&(chunk.fid, side)).copied();
        if known.is_none_or(|id| self.transactions.by_id_mut(id).is_none()) {
            let name = self.names.get(&chunk.fid).cloned().unwrap_or_default();
            let assembly = Assembly::new(name, self.config.digests);
            let transfer = Transfer { dir: chunk.dir, fid: chunk.fid, share: share.to_vec(), assembly };
            let id = self.begin(place, Data::Transfer(Box::new(transfer))).id();
            self.transfers.insert((chunk.fid, side), id);
        }
        self.more(chunk, bytes);
    }

    /// Bytes of a piece that has begun.
    pub(super) fn more(&mut self, chunk: &Chunk, bytes: &[u8]) {
        let side = chunk.dir.index();
        let Some(&id) = self.transfers.get(&(chunk.fid, side)) else { return };
        let little = bytes.len() > 1024 && self.kept() > KEPT_TOTAL_MAX;
        let Some(tx) = self.transactions.by_id_mut(id) else { return };
        let Data::Transfer(transfer) = &mut tx.data else { return };
        let added = transfer.assembly.add(chunk.offset, bytes, little, &mut self.queues[side]);
        let (too_large, too_many) = match chunk.dir {
            Direction::ToServer => ("write_queue_size_exceeded", "write_queue_cnt_exceeded"),
            Direction::ToClient => ("read_queue_size_exceeded", "read_queue_cnt_exceeded"),
        };
        for (happened, event) in
            [(added.overlap, "file_overlap"), (added.too_large, too_large), (added.too_many, too_many)]
        {
            if happened {
                tx.event(chunk.dir, event);
            }
        }
    }

    /// Bytes of a piece were lost.
    pub(super) fn lost(&mut self, chunk: &Chunk, len: u64) {
        let Some(&id) = self.transfers.get(&(chunk.fid, chunk.dir.index())) else { return };
        if let Some(SmbTx { data: Data::Transfer(transfer), .. }) = self.transactions.by_id_mut(id) {
            transfer.assembly.gap(len);
        }
    }

    /// The file that was read last has its end there.
    pub(super) fn end_of_file(&mut self, fid: Fid, status: Status) {
        let dir = Direction::ToClient;
        let Some(&id) = self.transfers.get(&(fid, dir.index())) else { return };
        if let Some(tx) = self.transactions.by_id_mut(id) {
            tx.status = Some(status);
            if let Data::Transfer(transfer) = &mut tx.data {
                transfer.assembly.close(true, &mut self.queues[dir.index()]);
            }
        }
    }

    /// A file is closed: what was written to it and read from it is whole.
    pub(super) fn close(&mut self, fid: Fid, status: Option<Status>) {
        for side in 0..2 {
            let Some(id) = self.transfers.remove(&(fid, side)) else { continue };
            let Some(tx) = self.transactions.by_id_mut(id) else { continue };
            tx.done = [true; 2];
            tx.status = status.or(tx.status);
            if let Data::Transfer(transfer) = &mut tx.data {
                transfer.assembly.close(true, &mut self.queues[side]);
            }
        }
        self.parts.remove(&fid);
        self.callers.remove(&fid);
    }

    /// A side has ended: its files will not be whole.
    pub(super) fn ended(&mut self, dir: Direction) {
        for tx in self.transactions.iter_mut() {
            if let Data::Transfer(transfer) = &mut tx.data
                && transfer.dir == dir
            {
                transfer.assembly.close(false, &mut self.queues[dir.index()]);
            }
        }
        if dir == Direction::ToClient {
            self.transfers.drain();
        }
    }

    fn kept(&self) -> usize {
        let kept = |tx: &SmbTx| match &tx.data {
            Data::Transfer(transfer) => transfer.assembly.kept(),
            _ => 0,
        };
        self.transactions.iter().map(kept).sum()
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        let stubs = |tx: &SmbTx| match &tx.data {
            Data::Call(call) => call.memory(),
            _ => 0,
        };
        self.kept()
            + self.queues.iter().map(|queue| queue.used.0 as usize).sum::<usize>()
            + self.transactions.iter().map(|tx| size_of::<SmbTx>() + stubs(tx)).sum::<usize>()
            + (self.trees.len() + self.names.len() + self.pending.len()) * 128
    }

    /// A unit that a client writes to a pipe; false when it is none.
    pub(super) fn call(&mut self, place: Place, fid: Fid, bytes: &[u8]) -> bool {
        let Some(header) = Header::read(bytes) else { return false };
        let body = unit_body(&header, bytes);
        self.callers.insert(fid, ());
        match header.kind {
            pdu::BIND | pdu::ALTER_CONTEXT => {
                let Some(contexts) = pdu::contexts(body, header.little) else {
                    return false;
                };
                if header.kind == pdu::BIND {
                    self.interfaces.clear();
                }
                self.interfaces.add(&contexts);
                self.asked = contexts.len();
                let mut call = Call::asked(&header);
                call.interfaces.add(&contexts);
                call.done[0] = true;
                self.begin_call(place, fid, call);
            }
            pdu::REQUEST => {
                let Some(request) = pdu::request(&header, body) else { return false };
                let interfaces = self.interfaces.clone();
                let room = self.stub_room(request.stub.len());
                let open = |tx: &SmbTx| match &tx.data {
                    Data::Call(call) => tx.fid == Some(fid) && call.id == header.call_id && !call.done[0],
                    _ => false,
                };
                let known = match header.is_first() {
                    true => None,
                    false => self.transactions.iter().find(|tx| open(tx)).map(Transaction::id),
                };
                if let Some(SmbTx { data: Data::Call(call), done, .. }) =
                    known.and_then(|id| self.transactions.by_id_mut(id))
                {
                    call.add_request(&header, &request, &interfaces, room);
                    done[0] = call.done[0];
                } else {
                    let mut call = Call::asked(&header);
                    call.add_request(&header, &request, &interfaces, room);
                    self.begin_call(place, fid, call);
                }
            }
            _ => {
                let mut call = Call::asked(&header);
                call.done[0] = true;
                self.begin_call(place, fid, call);
            }
        }
        true
    }

    fn begin_call(&mut self, place: Place, fid: Fid, call: Call) {
        let done = call.done;
        let tx = self.begin(place, Data::Call(Box::new(call)));
        tx.fid = Some(fid);
        tx.done = done;
    }

    /// A unit that a client reads from a pipe. `more` says that its rest is read later.
    pub(super) fn answer(&mut self, place: Place, status: Status, fid: Fid, bytes: &[u8], more: bool) {
        let part = self.parts.remove(&fid);
        let joined;
        let bytes = match part {
            Some(mut part) => {
                part.extend_from_slice(bytes);
                joined = part;
                &joined[..]
            }
            None => bytes,
        };
        if more && bytes.len() < STUBS_TOTAL_MAX / 16 {
            self.parts.insert(fid, bytes.to_vec());
            return;
        }
        let Some(header) = Header::read(bytes) else {
            self.event(Direction::ToClient, "malformed_data");
            return;
        };
        let body = unit_body(&header, bytes);
        let room = self.stub_room(body.len());
        let answers = |kind| matches!(kind, None | Some(pdu::REQUEST | pdu::BIND | pdu::ALTER_CONTEXT));
        let wanted = |tx: &SmbTx| match &tx.data {
            Data::Call(call) => {
                tx.fid == Some(fid) && call.id == header.call_id && !call.done[1] && answers(call.request)
            }
            _ => false,
        };
        let found = self.transactions.iter().find(|tx| wanted(tx)).map(Transaction::id);
        let id = match found {
            Some(id) => id,
            None => {
                self.begin_call(place, fid, Call::answered(&header));
                self.transactions.total() - 1
            }
        };
        let asked = self.asked;
        let Some(tx) = self.transactions.by_id_mut(id) else { return };
        tx.status = Some(status);
        let Data::Call(call) = &mut tx.data else { return };
        let mut malformed = false;
        match header.kind {
            pdu::BINDACK | pdu::ALTER_CONTEXT_RESP => match pdu::results(body, header.little) {
                Some(results) => {
                    call.response = Some(header.kind);
                    call.done[1] = true;
                    self.interfaces.answer(asked, &results);
                    let own = call.interfaces.list().len();
                    call.interfaces.answer(own, &results);
                }
                None => malformed = true,
            },
            pdu::RESPONSE => match pdu::response(body) {
                Some(stub) => call.add_response(&header, stub, room),
                None => malformed = true,
            },
            pdu::FAULT | pdu::BINDNAK => {
                call.response = Some(header.kind);
                call.done[1] = true;
            }
            kind => {
                call.response = Some(kind);
                malformed = true;
            }
        }
        tx.done[1] = call.done[1];
        if malformed {
            tx.event(Direction::ToClient, "malformed_data");
        }
    }

    /// How much of a stub is kept: all of a small one, of a large one as long as all of the flow's have room.
    fn stub_room(&self, len: usize) -> usize {
        if len <= 4096 {
            return len;
        }
        let stubs = |tx: &SmbTx| match &tx.data {
            Data::Call(call) => call.memory(),
            _ => 0,
        };
        STUBS_TOTAL_MAX.saturating_sub(self.transactions.iter().map(stubs).sum())
    }
}

/// The whole of a unit, by its header.
fn looks_like_call(data: &[u8]) -> bool {
    Header::read(data).is_some_and(|header| {
        header.version.0 == 5 && header.version.1 <= 1 && usize::from(header.length) == data.len()
    })
}

/// What stands behind the header of a unit, as far as it is there.
fn unit_body<'a>(header: &Header, bytes: &'a [u8]) -> &'a [u8] {
    let body = bytes.get(HEADER_LEN..).unwrap_or_default();
    let length = usize::from(header.length).saturating_sub(HEADER_LEN);
    body.get(..length).unwrap_or(body)
}

//! Messages of both streams, put together to calls and files.

use std::collections::VecDeque;

use ahash::AHashMap;

use super::config::{FILES_MAX, MESSAGE_MAX, NAME_MAX, NAMES_MAX, PART_MIN, PENDING_MAX, QUEUE_MAX};
use super::rpc::{self, Credentials, Header, MARK_LEN, PROGRAM, opaque};
use super::transaction::{NfsTx, Transfer};
use super::{compound, names};
use crate::app::file::Digests;
use crate::app::{
    FrameKind, Frames, Input, ParseError, Parsed, Parser, Transaction as _, Transactions, TxList,
};
use crate::protocols::assembly::{Assembly, Queue};
use crate::protocols::reader::Reader;
use crate::types::{Direction, Proto};

/// Types of frames: a message with its mark, its header, what is behind that.
pub(super) const FRAMES: &[&str] = &["rpc.pdu", "rpc.hdr", "rpc.data", "nfs.pdu"];

/// What a call asks for.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    pub(super) procedure: u32,
    pub(super) handle: Option<&'a [u8]>,
    pub(super) name: Option<&'a [u8]>,
    pub(super) rename_to: Option<&'a [u8]>,
    pub(super) offset: u64,
    pub(super) count: u32,
    pub(super) is_stable: bool,
    /// How much is written, and as much as is there of it.
    pub(super) data: Option<(u32, &'a [u8])>,
}

/// What a reply tells.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) status: u32,
    pub(super) handle: Option<&'a [u8]>,
    pub(super) is_end: bool,
    pub(super) data: Option<(u32, &'a [u8])>,
}

/// A call without a reply.
#[derive(Debug)]
struct Pending {
    tx: u64,
    version: u32,
    procedure: u32,
    handle: Vec<u8>,
    name: Vec<u8>,
    offset: u64,
    count: u32,
}

/// File data that is still to come in a message.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    tx: u64,
    offset: u64,
    left: u64,
    /// The file ends with it.
    last: bool,
}

#[derive(Debug, Default)]
struct Side {
    chunk: Option<Chunk>,
    /// Bytes that are passed over, behind the chunk.
    skip: u64,
    lost: bool,
    ended: bool,
}

/// The parser of one flow.
pub(super) struct NfsParser {
    stream: bool,
    digests: Digests,
    transactions: TxList<NfsTx>,
    pending: AHashMap<u32, Pending>,
    order: VecDeque<u32>,
    /// Names by handle.
    names: AHashMap<Vec<u8>, Vec<u8>>,
    /// Open files by direction and handle.
    files: AHashMap<(Direction, Vec<u8>), u64>,
    queue: Queue,
    sides: [Side; 2],
    frames: Frames,
}

fn is_read(version: u32, procedure: u32) -> bool {
    procedure == if version == 4 { 25 } else { 6 }
}

/// As with Suricata, what is written by version 2 is no file.
fn is_write(version: u32, procedure: u32) -> bool {
    matches!((version, procedure), (3, 7) | (4, 38))
}

impl NfsParser {
    pub(super) fn new(transport: Proto, digests: Digests) -> Self {
        NfsParser {
            stream: transport != Proto::UDP,
            digests,
            transactions: TxList::default(),
            pending: AHashMap::new(),
            order: VecDeque::new(),
            names: AHashMap::new(),
            files: AHashMap::new(),
            queue: Queue { max: QUEUE_MAX, used: (0, 0) },
            sides: Default::default(),
            frames: Frames::default(),
        }
    }

    fn malformed(&mut self, dir: Direction) {
        match self.transactions.last_mut() {
            Some(tx) if tx.events.len() < 8 => tx.events.push((dir, "malformed_data")),
            _ => {}
        }
    }

    /// A message, as much as is there of `length` bytes. What is missing is told to the side.
    fn message(&mut self, dir: Direction, at: usize, bytes: &[u8], length: usize) -> bool {
        let mut reader = Reader(bytes);
        let Some(header) = rpc::header(&mut reader) else {
            self.malformed(dir);
            return bytes.len() == length;
        };
        let head = bytes.len() - reader.0.len();
        for (kind, from, len) in
            [(1, 0, head), (2, head, length.saturating_sub(head)), (3, head, length - head)]
        {
            if len > 0 {
                self.frames.report(dir, FrameKind(kind), at + from, Some(len), None);
            }
        }
        match header {
            Header::Call { program, version, .. } if program != PROGRAM || !(2..=4).contains(&version) => {
                true
            }
            Header::Call { xid, version, procedure, credentials, .. } => {
                let asked = match version {
                    4 if procedure == 1 => compound::call(&mut reader),
                    4 => Some(Asked::default()),
                    _ => call(version, procedure, &mut reader),
                };
                let Some(asked) = asked else {
                    self.malformed(dir);
                    self.begin(dir, xid, version, credentials, &Asked { procedure, ..Asked::default() });
                    return bytes.len() == length;
                };
                let tx = self.begin(dir, xid, version, credentials, &asked);
                if let (Some((len, data)), Some(tx)) = (asked.data, tx) {
                    let last = asked.is_stable || version == 2;
                    return self.data(dir, tx, asked.offset, len, data, last, (bytes, length));
                }
                bytes.len() == length || asked.data.is_some()
            }
            Header::Reply { xid, accepted, status } => {
                self.reply(dir, xid, (accepted, status), reader, (bytes, length))
            }
        }
    }

    /// Makes the transaction of a call; answers with that of the file that it reads or writes.
    fn begin(
        &mut self,
        dir: Direction,
        xid: u32,
        version: u32,
        credentials: Credentials,
        asked: &Asked<'_>,
    ) -> Option<u64> {
        let procedure = asked.procedure;
        let (reads, writes) = (is_read(version, procedure), is_write(version, procedure));
        let handle = asked.handle.unwrap_or_default();
        let name = match asked.name {
            Some(name) => name.get(..name.len().min(NAME_MAX)).unwrap_or_default().to_vec(),
            None => self.names.get(handle).cloned().unwrap_or_default(),
        };
        let side = if writes { Direction::ToServer } else { Direction::ToClient };
        let open = (reads || writes).then(|| self.files.get(&(side, handle.to_vec())).copied()).flatten();
        let tx = match open {
            Some(tx) => tx,
            None => {
                let digests = self.digests;
                let made =
                    self.transactions.push_with(|id| NfsTx::new(id, xid, version, procedure, credentials));
                made.name.clone_from(&name);
                made.handle = handle.to_vec();
                made.rename_to = asked.rename_to.map(<[u8]>::to_vec);
                if reads || writes {
                    let assembly = Assembly::new(name.clone(), digests);
                    let transfer = Transfer { dir: side, assembly, last_xid: 0, chunks: 0, ended: false };
                    made.transfer = Some(Box::new(transfer));
                }
                made.id()
            }
        };
        if (reads || writes) && open.is_none() {
            if self.files.len() >= FILES_MAX
                && let Some((key, oldest)) =
                    self.files.iter().min_by_key(|(_, tx)| **tx).map(|(k, tx)| (k.clone(), *tx))
            {
                self.files.remove(&key);
                self.close(oldest, false);
            }
            self.files.insert((side, handle.to_vec()), tx);
        }
        if self.pending.len() >= PENDING_MAX
            && let Some(oldest) = self.order.pop_front()
            && let Some(pending) = self.pending.remove(&oldest)
            && let Some(tx) = self.transactions.by_id_mut(pending.tx)
        {
            tx.events.push((dir, "too_many_transactions"));
            tx.done |= tx.transfer.is_none();
        }
        let pending = Pending {
            tx,
            version,
            procedure,
            handle: handle.to_vec(),
            name,
            offset: asked.offset,
            count: asked.count,
        };
        if self.pending.insert(xid, pending).is_none() {
            self.order.push_back(xid);
            // those that were answered leave it from the front
            while self.order.len() > 2 * PENDING_MAX
                || self.order.front().is_some_and(|xid| !self.pending.contains_key(xid))
            {
                self.order.pop_front();
            }
        }
        (reads || writes).then_some(tx)
    }

    fn reply(
        &mut self,
        dir: Direction,
        xid: u32,
        (accepted, status): (bool, u32),
        mut reader: Reader<'_>,
        (bytes, length): (&[u8], usize),
    ) -> bool {
        let whole = bytes.len() == length;
        // data is read once the call is known; a message that is not whole is asked about again
        let Some(pending) = self.pending.get(&xid) else { return true };
        let (version, procedure) = (pending.version, pending.procedure);
        let told = match (accepted && status == 0, version) {
            (false, _) => Some(Told { status: 0, ..Told::default() }),
            (true, 4) if procedure != 0 => compound::reply(&mut reader),
            (true, _) => reply(version, procedure, &mut reader),
        };
        if !whole && told.as_ref().is_none_or(|told| told.data.is_none()) {
            return false;
        }
        let Some(pending) = self.pending.remove(&xid) else { return true };
        let told = told.unwrap_or_else(|| {
            self.malformed(dir);
            Told::default()
        });
        if let Some(handle) = told.handle
            && !pending.name.is_empty()
        {
            if self.names.len() >= NAMES_MAX {
                self.names.clear();
            }
            self.names.insert(handle.to_vec(), pending.name.clone());
        }
        let mut is_file = false;
        if let Some(tx) = self.transactions.by_id_mut(pending.tx) {
            tx.is_denied = !accepted;
            tx.status = told.status;
            if tx.transfer.is_none() {
                if let Some(handle) = told.handle {
                    tx.handle = if names::procedure(version, procedure) == "LOOKUP" {
                        handle.to_vec()
                    } else {
                        std::mem::take(&mut tx.handle)
                    };
                }
                tx.done = true;
            } else {
                is_file = true;
            }
        }
        // the end of a file that was written
        if matches!((version, procedure), (3, 21) | (4, 4 | 5)) {
            for side in Direction::BOTH {
                if let Some(tx) = self.files.remove(&(side, pending.handle.clone())) {
                    self.close(tx, true);
                }
            }
        }
        if is_file && is_read(version, procedure) {
            match told.data {
                Some((len, data)) => {
                    let last = told.is_end || (version == 2 && len < pending.count);
                    return self.data(dir, pending.tx, pending.offset, len, data, last, (bytes, length));
                }
                None => self.end_file(pending.tx, false),
            }
        } else if is_file
            && self
                .transactions
                .by_id_mut(pending.tx)
                .is_some_and(|tx| tx.transfer.as_ref().is_some_and(|t| t.ended))
        {
            // a write that was to be stable is over with its reply
            self.finish(pending.tx);
        }
        whole
    }

    /// Data of a file; what is missing of it follows in the stream. Always true: the message is taken.
    #[allow(clippy::too_many_arguments, reason = "one piece of a file, and the message it is in")]
    fn data(
        &mut self,
        dir: Direction,
        tx: u64,
        offset: u64,
        len: u32,
        data: &[u8],
        last: bool,
        (bytes, length): (&[u8], usize),
    ) -> bool {
        let chunk = Chunk { tx, offset, left: u64::from(len), last };
        let left = self.add(chunk, data);
        let missing = (length - bytes.len()) as u64;
        let side = &mut self.sides[dir.index()];
        side.chunk = left.filter(|chunk| chunk.left <= missing);
        side.skip = missing - side.chunk.map_or(0, |chunk| chunk.left);
        true
    }

    /// Adds to a file; answers with what is left of the chunk.
    fn add(&mut self, mut chunk: Chunk, data: &[u8]) -> Option<Chunk> {
        if let Some(tx) = self.transactions.by_id_mut(chunk.tx)
            && let Some(transfer) = &mut tx.transfer
        {
            transfer.assembly.add(chunk.offset, data, false, &mut self.queue);
            transfer.chunks += 1;
            transfer.last_xid = tx.xid;
        }
        chunk.offset = chunk.offset.saturating_add(data.len() as u64);
        chunk.left = chunk.left.saturating_sub(data.len() as u64);
        if chunk.left > 0 {
            return Some(chunk);
        }
        if chunk.last {
            self.end_file(chunk.tx, true);
        }
        None
    }

    /// The file is whole, or given up. One that is written waits for its reply.
    fn end_file(&mut self, id: u64, whole: bool) {
        self.files.retain(|_, tx| *tx != id);
        let mut writes = false;
        if let Some(transfer) = self.transactions.by_id_mut(id).and_then(|tx| tx.transfer.as_mut()) {
            transfer.assembly.close(whole, &mut self.queue);
            transfer.ended = true;
            writes = transfer.dir == Direction::ToServer;
        }
        if !writes {
            self.finish(id);
        }
    }

    fn close(&mut self, id: u64, whole: bool) {
        self.end_file(id, whole);
        self.finish(id);
    }

    fn finish(&mut self, id: u64) {
        if let Some(tx) = self.transactions.by_id_mut(id) {
            tx.done = true;
        }
    }

    fn rest(&mut self, dir: Direction, bytes: &[u8]) -> usize {
        let mut taken = 0;
        if let Some(chunk) = self.sides[dir.index()].chunk.take() {
            taken = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(bytes.len());
            let left = self.add(chunk, &bytes[..taken]);
            self.sides[dir.index()].chunk = left;
        }
        let side = &mut self.sides[dir.index()];
        if side.chunk.is_none() {
            let skipped = usize::try_from(side.skip).unwrap_or(usize::MAX).min(bytes.len() - taken);
            side.skip -= skipped as u64;
            taken += skipped;
        }
        taken
    }

    fn end(&mut self) {
        let open: Vec<u64> = self.files.drain().map(|(_, tx)| tx).collect();
        open.into_iter().for_each(|tx| self.close(tx, false));
    }
}

/// What a call of version 2 or 3 asks for.
fn call<'a>(version: u32, procedure: u32, reader: &mut Reader<'a>) -> Option<Asked<'a>> {
    let mut asked = Asked { procedure, ..Asked::default() };
    let handle = |reader: &mut Reader<'a>| if version == 2 { reader.take(32) } else { opaque(reader, 64) };
    if procedure == 0 || version == 2 && matches!(procedure, 3 | 7) {
        return Some(asked);
    }
    asked.handle = Some(handle(reader)?);
    match (version, procedure) {
        // LOOKUP, CREATE, MKDIR, SYMLINK, MKNOD, REMOVE, RMDIR
        (3, 3 | 8..=13) | (2, 4 | 9 | 10 | 13 | 14 | 15) => asked.name = Some(opaque(reader, NAME_MAX)?),
        (3, 14) | (2, 11) => {
            asked.name = Some(opaque(reader, NAME_MAX)?);
            handle(reader)?;
            asked.rename_to = Some(opaque(reader, NAME_MAX)?);
        }
        (3, 6) => (asked.offset, asked.count) = (reader.u64()?, reader.u32()?),
        (2, 6) => (asked.offset, asked.count) = (reader.u32()?.into(), reader.u32()?),
        (3, 7) => {
            (asked.offset, asked.count) = (reader.u64()?, reader.u32()?);
            asked.is_stable = reader.u32()? == 2;
            asked.data = Some(compound::data(reader)?);
        }
        (2, 8) => {
            reader.u32()?;
            asked.offset = reader.u32()?.into();
            reader.u32()?;
            asked.data = Some(compound::data(reader)?);
        }
        _ => {}
    }
    Some(asked)
}

/// What a reply of version 2 or 3 tells.
fn reply<'a>(version: u32, procedure: u32, reader: &mut Reader<'a>) -> Option<Told<'a>> {
    if procedure == 0 {
        return Some(Told::default());
    }
    let mut told = Told { status: reader.u32()?, ..Told::default() };
    if told.status != 0 {
        return Some(told);
    }
    match (version, procedure) {
        (3, 3) => told.handle = Some(opaque(reader, 64)?),
        // a handle follows when a word says so
        (3, 8..=11) if reader.u32()? != 0 => told.handle = Some(opaque(reader, 64)?),
        (2, 4 | 9 | 14) => told.handle = Some(reader.take(32)?),
        (3, 6) => {
            if reader.u32()? != 0 {
                reader.take(84)?;
            }
            reader.u32()?;
            told.is_end = reader.u32()? != 0;
            told.data = Some(compound::data(reader)?);
        }
        (2, 6) => {
            reader.take(68)?;
            told.data = Some(compound::data(reader)?);
        }
        _ => {}
    }
    Some(told)
}

impl Parser for NfsParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let dir = input.dir;
        if !self.stream {
            self.frames.report(dir, FrameKind(0), 0, Some(input.bytes.len()), None);
            self.message(dir, 0, input.bytes, input.bytes.len());
            return Ok(Parsed::all(&input));
        }
        let mut at = 0;
        while !self.sides[dir.index()].lost {
            at += self.rest(dir, input.bytes.get(at..).unwrap_or_default());
            let rest = input.bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let Some(mark) = rest.first_chunk::<MARK_LEN>() else {
                return Ok(Parsed { consumed: at, needs: MARK_LEN, ..Parsed::default() });
            };
            let length = (u32::from_be_bytes(*mark) & 0x7fff_ffff) as usize;
            let body = &rest[MARK_LEN..];
            let (message, whole) = match body.get(..length) {
                Some(message) => (message, true),
                None => (body, false),
            };
            if !whole && message.len() < PART_MIN.min(length)
                || !whole && length <= MESSAGE_MAX && message.len() < PART_MIN
            {
                let needs = MARK_LEN + PART_MIN.min(length);
                return Ok(Parsed { consumed: at, needs, ..Parsed::default() });
            }
            self.frames.report(dir, FrameKind(0), at, Some(MARK_LEN + length), None);
            if self.is_part(dir, message, whole, length) {
                let needs = MARK_LEN + length;
                return Ok(Parsed { consumed: at, needs, ..Parsed::default() });
            }
            self.sides[dir.index()].skip = (length - message.len()) as u64;
            self.message(dir, at + MARK_LEN, message, length);
            at += MARK_LEN + message.len();
        }
        if input.eof
            && !std::mem::replace(&mut self.sides[dir.index()].ended, true)
            && self.sides.iter().all(|side| side.ended)
        {
            self.end();
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let mut len = len;
        if let Some(mut chunk) = self.sides[dir.index()].chunk.take() {
            let lost = chunk.left.min(len);
            if let Some(transfer) = self.transactions.by_id_mut(chunk.tx).and_then(|tx| tx.transfer.as_mut())
            {
                transfer.assembly.gap(lost);
            }
            chunk.left -= lost;
            chunk.offset = chunk.offset.saturating_add(lost);
            len -= lost;
            self.sides[dir.index()].chunk = self.add(chunk, &[]);
        }
        let side = &mut self.sides[dir.index()];
        let skipped = if side.chunk.is_none() { side.skip.min(len) } else { 0 };
        side.skip -= skipped;
        if len > skipped {
            // nothing tells where a message begins
            side.lost = true;
            self.end();
        }
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn frames(&mut self) -> Option<&mut Frames> {
        Some(&mut self.frames)
    }

    fn memory(&self) -> usize {
        let pending =
            self.pending.values().map(|p| size_of::<Pending>() + p.handle.capacity() + p.name.capacity());
        let names = self.names.iter().map(|(handle, name)| handle.capacity() + name.capacity() + 48);
        size_of::<Self>()
            + pending.sum::<usize>()
            + names.sum::<usize>()
            + self.order.capacity() * 4
            + self.files.len() * 128
            + self.queue.used.0 as usize
            + self.transactions.iter().map(NfsTx::memory).sum::<usize>()
    }
}

impl NfsParser {
    /// Whether a message that is not whole has to be waited for: it is short, and carries no file data.
    fn is_part(&self, dir: Direction, message: &[u8], whole: bool, length: usize) -> bool {
        if whole || length > MESSAGE_MAX {
            return false;
        }
        let mut reader = Reader(message);
        let carries = match (dir, rpc::header(&mut reader)) {
            (Direction::ToServer, Some(Header::Call { version, procedure, .. })) => {
                is_write(version, procedure) && version < 4
            }
            (Direction::ToClient, Some(Header::Reply { xid, .. })) => {
                self.pending.get(&xid).is_some_and(|pending| is_read(pending.version, pending.procedure))
            }
            _ => false,
        };
        !carries
    }
}

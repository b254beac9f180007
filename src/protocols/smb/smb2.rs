//! SMB2 and SMB3 (MS-SMB2).

use super::names;
use super::ntlmssp::Identity;
use super::state::{Chunk, Pending, Place, State, Tree};
use super::transaction::{Create, Data, Dialect, Fid, Key, Negotiate, SessionSetup, Status, TreeConnect};
use super::wire::{self, Reader};
use crate::types::Direction;

pub(super) const HEADER_LEN: usize = 64;

const NEGOTIATE: u16 = 0;
const SESSION_SETUP: u16 = 1;
const TREE_CONNECT: u16 = 3;
const TREE_DISCONNECT: u16 = 4;
const CREATE: u16 = 5;
const CLOSE: u16 = 6;
const READ: u16 = 8;
const WRITE: u16 = 9;
const IOCTL: u16 = 11;
const GET_INFO: u16 = 16;
const SET_INFO: u16 = 17;

const RESPONSE: u32 = 1;
const ASYNC: u32 = 2;

const SUCCESS: u32 = 0;
const PENDING: u32 = 0x103;
const BUFFER_OVERFLOW: u32 = 0x8000_0005;
const END_OF_FILE: u32 = 0xc000_0011;

const PIPE_TRANSCEIVE: u32 = 0x0011_c017;

const DELETE_ON_CLOSE: u32 = 0x1000;
const DIRECTORY: u32 = 1;

/// The header, section 2.2.1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    status: u32,
    command: u16,
    flags: u32,
    /// Where the next message of a compound begins, from the start of this one; 0 for the last.
    next: u32,
    message: u64,
    tree: u32,
    session: u64,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let mut reader = Reader(bytes);
        if reader.take(4)? != b"\xfeSMB" {
            return None;
        }
        reader.take(4)?;
        let (status, command) = (reader.u32()?, reader.u16()?);
        reader.take(2)?;
        let (flags, next, message) = (reader.u32()?, reader.u32()?, reader.u64()?);
        let (_, tree) = (reader.u32()?, reader.u32()?);
        let session = reader.u64()?;
        reader.take(16)?;
        // a message that is answered later has a number in place of process and tree
        let tree = if flags & ASYNC != 0 { 0 } else { tree };
        Some(Header { status, command, flags, next, message, tree, session })
    }

    fn is_response(&self) -> bool {
        self.flags & RESPONSE != 0
    }

    fn place(&self) -> Place {
        let key = Key { version: 2, command: self.command, message: self.message };
        Place { key, session: self.session, tree: self.tree }
    }
}

/// The bytes of a message from `offset`, as many as are there of `length`.
fn part(message: &[u8], offset: usize, length: usize) -> &[u8] {
    let rest = message.get(offset..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest)
}

/// The same, when all are there.
fn whole(message: &[u8], offset: u16, length: u16) -> Option<&[u8]> {
    let offset = usize::from(offset);
    message.get(offset..offset + usize::from(length))
}

/// Takes a message, compounds included.
pub(super) fn message(state: &mut State, dir: Direction, mut bytes: &[u8]) {
    // each turn takes at least a header
    while let Some(header) = Header::read(bytes) {
        let next = usize::try_from(header.next).unwrap_or(usize::MAX);
        let (one, rest) = match next {
            0 => (bytes, &[][..]),
            next if next < HEADER_LEN => (bytes, &[][..]),
            next => bytes.split_at_checked(next).unwrap_or((bytes, &[])),
        };
        single(state, dir, &header, one);
        bytes = rest;
    }
}

fn single(state: &mut State, dir: Direction, header: &Header, bytes: &[u8]) {
    match (dir, header.is_response()) {
        (Direction::ToServer, false) => request(state, header, bytes),
        (Direction::ToClient, true) => response(state, header, bytes),
        (Direction::ToServer, true) => state.event(dir, "response_to_server"),
        (Direction::ToClient, false) => state.event(dir, "request_to_client"),
    }
}

/// A message that is not all there: takes what there is of the data of a file, and says where that began and what is missing.
pub(super) fn partial(state: &mut State, dir: Direction, bytes: &[u8]) -> Option<(usize, Option<Chunk>)> {
    let header = Header::read(bytes)?;
    if header.next != 0 || header.is_response() != (dir == Direction::ToClient) {
        return None;
    }
    let (offset, chunk) = match (header.command, header.is_response()) {
        (WRITE, false) => write(state, &header, bytes, true)?,
        (READ, true) => read(state, &header, bytes, true)?,
        _ => return None,
    };
    Some((offset, chunk))
}

fn request(state: &mut State, header: &Header, bytes: &[u8]) {
    let place = header.place();
    let body = Reader(bytes.get(HEADER_LEN..).unwrap_or_default());
    let understood = match header.command {
        NEGOTIATE => negotiate(state, Place { session: 0, tree: 0, ..place }, body),
        SESSION_SETUP => session_setup(state, place, bytes, body),
        TREE_CONNECT => tree_connect(state, place, bytes, body),
        CREATE => create(state, place, bytes, body),
        READ => read_request(state, place, body),
        WRITE => write(state, header, bytes, false).map(|_| ()),
        IOCTL => ioctl(state, place, bytes, body),
        SET_INFO => set_info(state, place, bytes, body),
        CLOSE => close(state, header, body),
        GET_INFO => Some(()),
        TREE_DISCONNECT => {
            state.begin_request(place, Data::Generic);
            Some(())
        }
        _ => {
            state.begin_request(place, Data::Generic);
            Some(())
        }
    };
    if understood.is_none() {
        state.begin_request(place, Data::Generic).event(Direction::ToServer, "malformed_data");
    }
}

fn negotiate(state: &mut State, place: Place, mut body: Reader<'_>) -> Option<()> {
    let (_, count) = (body.u16()?, body.u16()?);
    body.take(8)?;
    let client_guid = body.guid()?;
    body.take(8)?;
    let mut dialects = Vec::new();
    for _ in 0..count.min(64) {
        let dialect = body.u16()?;
        let unknown = || format!("UNKNOWN_{dialect:04x}").into_bytes();
        dialects.push(names::dialect(dialect).map_or_else(unknown, |name| name.as_bytes().to_vec()));
    }
    let negotiate = Negotiate { dialects, client_guid: Some(client_guid), ..Negotiate::default() };
    state.begin_request(place, Data::Negotiate(negotiate));
    Some(())
}

fn session_setup(state: &mut State, place: Place, bytes: &[u8], mut body: Reader<'_>) -> Option<()> {
    body.take(12)?;
    let (offset, length) = (body.u16()?, body.u16()?);
    let blob = whole(bytes, offset, length)?;
    let identity = Identity::read(blob);
    let malformed = identity.malformed;
    let setup = SessionSetup { identity, ..SessionSetup::default() };
    let tx = state.begin_request(place, Data::Session(Box::new(setup)));
    if malformed {
        tx.event(Direction::ToServer, "malformed_ntlmssp_request");
    }
    Some(())
}

fn tree_connect(state: &mut State, place: Place, bytes: &[u8], mut body: Reader<'_>) -> Option<()> {
    body.take(4)?;
    let (offset, length) = (body.u16()?, body.u16()?);
    let name = wire::name(whole(bytes, offset, length)?, true);
    let tree = TreeConnect { name, share_type: Some(0), ..TreeConnect::default() };
    state.begin_request(place, Data::Tree(tree));
    Some(())
}

fn create(state: &mut State, place: Place, bytes: &[u8], mut body: Reader<'_>) -> Option<()> {
    body.take(36)?;
    let (disposition, options) = (body.u32()?, body.u32()?);
    let (offset, length) = (body.u16()?, body.u16()?);
    let name = match length {
        0 => Vec::new(),
        length => wire::name(whole(bytes, offset, length)?, true),
    };
    let create = Create {
        name,
        directory: options & DIRECTORY != 0,
        disposition,
        delete_on_close: options & DELETE_ON_CLOSE != 0,
        ..Create::default()
    };
    state.begin_request(place, Data::Create(create));
    Some(())
}

fn read_request(state: &mut State, place: Place, mut body: Reader<'_>) -> Option<()> {
    body.take(4)?;
    let (length, offset, fid) = (body.u32()?, body.u64()?, Fid::Guid(body.guid()?));
    if state.config.read_max > 0 && u64::from(length) > state.config.read_max {
        state.event(Direction::ToServer, "read_request_too_large");
    }
    state.pending.insert(place.key, Pending::Read { fid, offset });
    Some(())
}

/// Where the data begins, and what of it has yet to come.
type Piece = (usize, Option<Chunk>);

/// A request to write, all there or not.
fn write(state: &mut State, header: &Header, bytes: &[u8], partial: bool) -> Option<Piece> {
    let place = header.place();
    let mut body = Reader(bytes.get(HEADER_LEN..)?);
    body.take(2)?;
    let start = usize::from(body.u16()?);
    let (length, offset, fid) = (body.u32()?, body.u64()?, Fid::Guid(body.guid()?));
    let data = part(bytes, start, usize::try_from(length).ok()?);
    let missing = u64::from(length) - data.len() as u64;
    if start < HEADER_LEN || (missing > 0 && !partial) {
        return None;
    }
    if state.carries_calls((2, header.tree), fid, data) {
        if partial {
            return None;
        }
        state.call(place, fid, data);
        return Some((start, None));
    }
    let too_large = state.config.write_max > 0 && u64::from(length) > state.config.write_max;
    let chunk = Chunk { dir: Direction::ToServer, fid, offset, left: missing };
    state.piece(place, &chunk, data, b"");
    if too_large {
        state.event(Direction::ToServer, "write_request_too_large");
    }
    Some((start, Some(Chunk { offset: offset.saturating_add(data.len() as u64), ..chunk })))
}

fn ioctl(state: &mut State, place: Place, bytes: &[u8], mut body: Reader<'_>) -> Option<()> {
    body.take(4)?;
    let (function, fid) = (body.u32()?, Fid::Guid(body.guid()?));
    let (offset, length) = (body.u32()?, body.u32()?);
    body.take(4 * 4)?;
    let data = part(bytes, usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
    if function == PIPE_TRANSCEIVE
        && state.carries_calls((2, place.tree), fid, data)
        && state.call(place, fid, data)
    {
        state.pending.insert(place.key, Pending::Pipe { fid });
        return Some(());
    }
    state.begin_request(place, Data::Ioctl(function));
    Some(())
}

fn set_info(state: &mut State, place: Place, bytes: &[u8], mut body: Reader<'_>) -> Option<()> {
    const FILE: u8 = 1;
    const RENAME: u8 = 10;
    const DISPOSITION: u8 = 13;
    body.take(2)?;
    let (class, level, length, offset) = (body.u8()?, body.u8()?, body.u32()?, body.u16()?);
    body.take(6)?;
    let fid = Fid::Guid(body.guid()?);
    let buffer = part(bytes, usize::from(offset), usize::try_from(length).ok()?);
    let name = || state.names.get(&fid).cloned().unwrap_or_default();
    let data = match (class, level) {
        (FILE, DISPOSITION) => Data::Delete { name: name(), fid, delete: buffer.first()? & 1 != 0 },
        (FILE, RENAME) => {
            let mut reader = Reader(buffer);
            reader.take(16)?;
            let length = usize::try_from(reader.u32()?).ok()?;
            Data::Rename { from: name(), to: wire::name(reader.take(length)?, true), fid }
        }
        _ => return Some(()),
    };
    state.begin_request(place, data);
    Some(())
}

fn close(state: &mut State, header: &Header, mut body: Reader<'_>) -> Option<()> {
    body.take(8)?;
    let fid = Fid::Guid(body.guid()?);
    state.close(fid, Some(Status::Nt(header.status)));
    state.begin_request(header.place(), Data::Generic);
    Some(())
}

fn response(state: &mut State, header: &Header, bytes: &[u8]) {
    let place = header.place();
    if header.status == PENDING {
        // the answer is yet to come
        if let Some(tx) = state.open(place.key).filter(|tx| matches!(tx.data, Data::Generic)) {
            tx.status = Some(Status::Nt(header.status));
        }
        return;
    }
    let body = Reader(bytes.get(HEADER_LEN..).unwrap_or_default());
    let understood = match header.command {
        NEGOTIATE => return negotiated(state, header, body),
        READ => read(state, header, bytes, false).map(|_| ()),
        IOCTL => pipe_answered(state, header, bytes, body),
        _ => Some(()),
    };
    if understood.is_none() {
        state.event(Direction::ToClient, "malformed_data");
    }
    let success = header.status == SUCCESS;
    let Some(tx) = state.open(place.key).filter(|tx| !matches!(tx.data, Data::Transfer(_))) else { return };
    tx.status = Some(Status::Nt(header.status));
    match &mut tx.data {
        // those are done when the file is closed, the call answered
        Data::Transfer(_) | Data::Call(_) => return,
        Data::Session(_) => tx.session = header.session,
        Data::Tree(tree) => {
            tx.tree = header.tree;
            if let (true, Some(share_type)) = (success, body.0.get(2).copied()) {
                tree.share_type = Some(share_type);
                tree.is_pipe = share_type == 2;
                let tree = Tree { name: tree.name.clone(), is_pipe: tree.is_pipe };
                tx.done[1] = true;
                state.trees.insert((2, header.tree), tree);
                return;
            }
        }
        Data::Create(create) if success => {
            if let Some(()) = created(create, body)
                && let Some(fid) = create.fid
            {
                let name = create.name.clone();
                tx.done[1] = true;
                state.names.insert(fid, name);
                return;
            }
        }
        _ => {}
    }
    tx.done[1] = true;
}

fn created(create: &mut Create, mut body: Reader<'_>) -> Option<()> {
    body.take(8)?;
    for time in &mut create.times {
        *time = wire::seconds(body.u64()?);
    }
    body.take(8)?;
    create.size = body.u64()?;
    body.take(8)?;
    create.fid = Some(Fid::Guid(body.guid()?));
    Some(())
}

fn negotiated(state: &mut State, header: &Header, mut body: Reader<'_>) {
    let mut read = || {
        body.take(4)?;
        let dialect = body.u16()?;
        body.take(2)?;
        let guid = body.guid()?;
        body.take(8)?;
        Some((dialect, guid, body.u32()?, body.u32()?))
    };
    let answer = read();
    if let Some((dialect, ..)) = answer {
        state.set_dialect(Dialect::Number(dialect));
    }
    // SMB1's request for it may have been the question
    let negotiates =
        |tx: &&mut super::transaction::SmbTx| matches!(tx.data, Data::Negotiate(_)) && !tx.done[1];
    let config = state.config;
    let Some(tx) = state.transactions.iter_mut().find(negotiates) else {
        if answer.is_none() {
            state.event(Direction::ToClient, "malformed_data");
        }
        return;
    };
    tx.status = Some(Status::Nt(header.status));
    tx.done[1] = true;
    let Some((_, guid, read_max, write_max)) = answer else {
        if header.status == SUCCESS {
            tx.event(Direction::ToClient, "malformed_data");
        }
        return;
    };
    if let Data::Negotiate(negotiate) = &mut tx.data {
        negotiate.server_guid = Some(guid);
        negotiate.sizes = Some((read_max, write_max));
    }
    if config.read_max > 0 && u64::from(read_max) > config.read_max {
        tx.event(Direction::ToClient, "negotiate_max_read_size_too_large");
    }
    if config.write_max > 0 && u64::from(write_max) > config.write_max {
        tx.event(Direction::ToClient, "negotiate_max_write_size_too_large");
    }
}

/// What was read, all there or not.
fn read(state: &mut State, header: &Header, bytes: &[u8], partial: bool) -> Option<Piece> {
    let place = header.place();
    let pending = match partial {
        true => state.pending.get(&place.key).cloned(),
        false => state.pending.remove(&place.key),
    };
    let Some(Pending::Read { fid, offset }) = pending else { return Some((0, None)).filter(|_| !partial) };
    let status = Status::Nt(header.status);
    if header.status == END_OF_FILE {
        state.end_of_file(fid, status);
        return Some((0, None));
    }
    if header.status != SUCCESS && header.status != BUFFER_OVERFLOW {
        return Some((0, None));
    }
    let mut body = Reader(bytes.get(HEADER_LEN..)?);
    body.take(2)?;
    let start = usize::from(body.u8()?);
    body.take(1)?;
    let length = body.u32()?;
    body.take(8)?;
    let data = part(bytes, start, usize::try_from(length).ok()?);
    let missing = u64::from(length) - data.len() as u64;
    if missing > 0 && !partial {
        return None;
    }
    let tree = state.trees.get(&(2, header.tree)).cloned();
    if state.carries_calls((2, header.tree), fid, &[]) {
        if !partial {
            state.answer(place, status, fid, data, header.status == BUFFER_OVERFLOW);
        }
        return Some((start, None)).filter(|_| !partial);
    }
    if start < HEADER_LEN {
        return None;
    }
    if partial {
        state.pending.remove(&place.key);
    }
    let chunk = Chunk { dir: Direction::ToClient, fid, offset, left: missing };
    state.piece(place, &chunk, data, tree.as_ref().map_or(&b""[..], |tree| &tree.name));
    if state.config.read_max > 0 && u64::from(length) > state.config.read_max {
        state.event(Direction::ToClient, "read_response_too_large");
    }
    Some((start, Some(Chunk { offset: offset.saturating_add(data.len() as u64), ..chunk })))
}

/// The answer to a call that was written and read in one.
fn pipe_answered(state: &mut State, header: &Header, bytes: &[u8], mut body: Reader<'_>) -> Option<()> {
    let place = header.place();
    let Some(Pending::Pipe { fid }) = state.pending.remove(&place.key) else { return Some(()) };
    if header.status != SUCCESS {
        return Some(());
    }
    body.take(4 + 4 + 16 + 8)?;
    let (offset, length) = (body.u32()?, body.u32()?);
    let data = part(bytes, usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
    state.answer(place, Status::Nt(header.status), fid, data, false);
    Some(())
}

//! SMB1 (MS-CIFS, MS-SMB).

use super::ntlmssp::Identity;
use super::state::{Chunk, Pending, Place, State, Tree};
use super::transaction::{
    Create, Data, Dialect, Fid, Key, Native, Negotiate, SessionSetup, Status, TreeConnect,
};
use super::wire::{self, Reader};
use crate::types::Direction;

pub(super) const HEADER_LEN: usize = 32;

const CLOSE: u8 = 0x04;
const READ: u8 = 0x0a;
const WRITE: u8 = 0x0b;
const TRANS: u8 = 0x25;
const READ_ANDX: u8 = 0x2e;
const WRITE_ANDX: u8 = 0x2f;
const TRANS2: u8 = 0x32;
const NEGOTIATE: u8 = 0x72;
const SESSION_SETUP_ANDX: u8 = 0x73;
const TREE_CONNECT_ANDX: u8 = 0x75;
const NT_CREATE_ANDX: u8 = 0xa2;

const RESPONSE: u8 = 0x80;
const NT_STATUS: u16 = 0x4000;
const UNICODE: u16 = 0x8000;

const SUCCESS: u32 = 0;
const BUFFER_OVERFLOW: u32 = 0x8000_0005;

/// Function of a transaction on a pipe: write and read in one.
const TRANSACT_PIPE: u16 = 0x26;

const DELETE_ON_CLOSE: u32 = 0x1000;
const DIRECTORY: u32 = 1;

/// The header, MS-CIFS section 2.2.3.1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    command: u8,
    status: u32,
    flags: u8,
    flags2: u16,
    tree: u16,
    process: u16,
    user: u16,
    multiplex: u16,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let mut reader = Reader(bytes);
        if reader.take(4)? != b"\xffSMB" {
            return None;
        }
        let (command, status, flags, flags2) = (reader.u8()?, reader.u32()?, reader.u8()?, reader.u16()?);
        reader.take(12)?;
        let (tree, process, user, multiplex) = (reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?);
        Some(Header { command, status, flags, flags2, tree, process, user, multiplex })
    }

    fn is_response(&self) -> bool {
        self.flags & RESPONSE != 0
    }

    fn is_unicode(&self) -> bool {
        self.flags2 & UNICODE != 0
    }

    fn status(&self) -> Status {
        match self.flags2 & NT_STATUS {
            0 => {
                let [class, _, low, high] = self.status.to_le_bytes();
                Status::Dos(class, u16::from_le_bytes([low, high]))
            }
            _ => Status::Nt(self.status),
        }
    }

    fn place(&self) -> Place {
        let message = u64::from(self.process) << 16 | u64::from(self.multiplex);
        let key = Key { version: 1, command: self.command.into(), message };
        Place { key, session: self.user.into(), tree: self.tree.into() }
    }
}

/// Words and bytes of a message, MS-CIFS section 2.2.3.2 and 2.2.3.3.
#[derive(Clone, Copy)]
struct Body<'a> {
    message: &'a [u8],
    words: Reader<'a>,
    /// How many words.
    count: u8,
    bytes: Reader<'a>,
    /// Where the bytes begin and end in the message.
    start: usize,
    end: usize,
    unicode: bool,
}

impl<'a> Body<'a> {
    fn read(header: &Header, message: &'a [u8]) -> Option<Body<'a>> {
        let mut reader = Reader(message.get(HEADER_LEN..)?);
        let count = reader.u8()?;
        let words = Reader(reader.take(usize::from(count) * 2)?);
        let length = usize::from(reader.u16().unwrap_or(0));
        let start = message.len() - reader.0.len();
        let bytes = Reader(reader.0.get(..length).unwrap_or(reader.0));
        let end = start + bytes.0.len();
        Some(Body { message, words, count, bytes, start, end, unicode: header.is_unicode() })
    }

    /// A text among the bytes; two-byte characters begin at an even place of the message.
    fn text(&mut self, unicode: bool) -> Vec<u8> {
        if unicode && (self.end - self.bytes.0.len()) % 2 == 1 {
            self.bytes.take(1);
        }
        self.bytes.text(unicode)
    }
}

/// Takes a whole message.
pub(super) fn message(state: &mut State, dir: Direction, bytes: &[u8]) {
    let Some(header) = Header::read(bytes) else { return };
    match (dir, header.is_response()) {
        (Direction::ToServer, false) => request(state, &header, bytes),
        (Direction::ToClient, true) => response(state, &header, bytes),
        (Direction::ToServer, true) => state.event(dir, "response_to_server"),
        (Direction::ToClient, false) => state.event(dir, "request_to_client"),
    }
}

/// As for SMB2.
pub(super) fn partial(state: &mut State, dir: Direction, bytes: &[u8]) -> Option<(usize, Option<Chunk>)> {
    let header = Header::read(bytes)?;
    if header.is_response() != (dir == Direction::ToClient) {
        return None;
    }
    let body = Body::read(&header, bytes)?;
    match (header.command, header.is_response()) {
        (WRITE_ANDX, false) => write_andx(state, &header, body, true),
        (READ_ANDX, true) => read_andx(state, &header, body, true),
        _ => None,
    }
}

fn request(state: &mut State, header: &Header, bytes: &[u8]) {
    let place = header.place();
    let understood = Body::read(header, bytes).and_then(|body| match header.command {
        NEGOTIATE => negotiate(state, Place { session: 0, tree: 0, ..place }, body),
        SESSION_SETUP_ANDX => session_setup(state, place, body),
        TREE_CONNECT_ANDX => tree_connect(state, place, body),
        NT_CREATE_ANDX => create(state, place, body),
        READ_ANDX => read_request(state, place, body),
        WRITE_ANDX => write_andx(state, header, body, false).map(|_| ()),
        WRITE => write(state, header, body),
        TRANS => transaction(state, place, body),
        CLOSE => close(state, place, body),
        // whole protocols of their own, whose transactions would tell nothing
        TRANS2 | READ => Some(()),
        _ => {
            state.begin_request(place, Data::Generic);
            Some(())
        }
    });
    if understood.is_none() {
        state.begin_request(place, Data::Generic).event(Direction::ToServer, "malformed_data");
    }
}

fn negotiate(state: &mut State, place: Place, body: Body<'_>) -> Option<()> {
    let mut dialects = Vec::new();
    let mut malformed = false;
    let mut rest = body.bytes;
    while !rest.0.is_empty() && dialects.len() < 256 {
        if rest.u8() != Some(2) {
            malformed = true;
            break;
        }
        dialects.push(rest.text(false));
    }
    state.offered = dialects.clone();
    let tx = state.begin_request(place, Data::Negotiate(Negotiate { dialects, ..Negotiate::default() }));
    if malformed {
        tx.event(Direction::ToServer, "negotiate_malformed_dialects");
    }
    Some(())
}

fn session_setup(state: &mut State, place: Place, mut body: Body<'_>) -> Option<()> {
    let mut words = body.words;
    words.take(14)?;
    let mut setup = SessionSetup::default();
    match body.count {
        12 => {
            let length = usize::from(words.u16()?);
            let blob = body.bytes.take(length)?;
            setup.identity = Identity::read(blob);
            let os = body.text(body.unicode);
            let lm = body.text(body.unicode);
            setup.request = Some(Native { os, lm });
        }
        _ => setup.request = Some(Native::default()),
    }
    let malformed = setup.identity.malformed;
    let tx = state.begin_request(place, Data::Session(Box::new(setup)));
    if malformed {
        tx.event(Direction::ToServer, "malformed_ntlmssp_request");
    }
    Some(())
}

fn tree_connect(state: &mut State, place: Place, mut body: Body<'_>) -> Option<()> {
    let mut words = body.words;
    words.take(6)?;
    let password = usize::from(words.u16()?);
    body.bytes.take(password)?;
    let mut name = body.text(body.unicode);
    // as the reference engine has it: one of the two at the start
    if name.starts_with(b"\\\\") {
        name.remove(0);
    }
    let service = body.bytes.text(false);
    let tree = TreeConnect { name, service: Some((service, None)), ..TreeConnect::default() };
    state.begin_request(place, Data::Tree(tree));
    Some(())
}

fn create(state: &mut State, place: Place, mut body: Body<'_>) -> Option<()> {
    let mut words = body.words;
    words.take(5)?;
    let length = usize::from(words.u16()?);
    words.take(28)?;
    let (disposition, options) = (words.u32()?, words.u32()?);
    if body.unicode && body.start % 2 == 1 {
        body.bytes.take(1);
    }
    let name = body.bytes.0.get(..length).unwrap_or(body.bytes.0);
    let create = Create {
        name: wire::name(name, body.unicode),
        directory: options & DIRECTORY != 0,
        disposition,
        delete_on_close: options & DELETE_ON_CLOSE != 0,
        ..Create::default()
    };
    state.begin_request(place, Data::Create(create));
    Some(())
}

fn read_request(state: &mut State, place: Place, body: Body<'_>) -> Option<()> {
    let mut words = body.words;
    words.take(4)?;
    let (fid, offset, length) = (Fid::Short(words.u16()?), words.u32()?, words.u16()?);
    words.take(2)?;
    let length_high = words.u32()?;
    words.take(2)?;
    let offset_high = match body.count {
        12 => words.u32()?,
        _ => 0,
    };
    let length = match length_high {
        0xffff_ffff => u64::from(length),
        high => u64::from(high & 0xffff) << 16 | u64::from(length),
    };
    if state.config.read_max > 0 && length > state.config.read_max {
        state.event(Direction::ToServer, "read_request_too_large");
    }
    let offset = u64::from(offset_high) << 32 | u64::from(offset);
    state.pending.insert(place.key, Pending::Read { fid, offset });
    Some(())
}

/// Where the data begins, and what of it has yet to come.
type Piece = (usize, Option<Chunk>);

fn write_andx(state: &mut State, header: &Header, body: Body<'_>, partial: bool) -> Option<Piece> {
    let mut words = body.words;
    if !matches!(body.count, 12 | 14) {
        return None;
    }
    words.take(4)?;
    let (fid, offset) = (Fid::Short(words.u16()?), words.u32()?);
    words.take(4 + 2 + 2)?;
    let (length_high, length, start) = (words.u16()?, words.u16()?, usize::from(words.u16()?));
    let offset_high = match body.count {
        14 => words.u32()?,
        _ => 0,
    };
    let length = u64::from(length_high) << 16 | u64::from(length);
    let offset = u64::from(offset_high) << 32 | u64::from(offset);
    written(state, header, body.message, Written { fid, offset, start, length }, partial)
}

/// What a request writes.
struct Written {
    fid: Fid,
    offset: u64,
    /// Where the data begins in the message.
    start: usize,
    length: u64,
}

fn written(
    state: &mut State,
    header: &Header,
    message: &[u8],
    what: Written,
    partial: bool,
) -> Option<Piece> {
    let Written { fid, offset, start, length } = what;
    let place = header.place();
    let data = message.get(start..)?;
    let data = data.get(..usize::try_from(length).ok()?).unwrap_or(data);
    let missing = length - data.len() as u64;
    if start < HEADER_LEN || (missing > 0 && !partial) {
        return None;
    }
    let tree = state.trees.get(&(1, header.tree.into())).cloned();
    if state.carries_calls((1, header.tree.into()), fid, data) {
        if partial {
            return None;
        }
        state.call(place, fid, data);
        return Some((start, None));
    }
    let share = tree.map_or(Vec::new(), |tree| tree.name);
    let chunk = Chunk { dir: Direction::ToServer, fid, offset, left: missing };
    let nowhere = Place { session: 0, tree: 0, ..place };
    state.piece(nowhere, &chunk, data, &share);
    if state.config.write_max > 0 && length > state.config.write_max {
        state.event(Direction::ToServer, "write_request_too_large");
    }
    Some((start, Some(Chunk { offset: offset.saturating_add(data.len() as u64), ..chunk })))
}

fn write(state: &mut State, header: &Header, body: Body<'_>) -> Option<()> {
    let mut words = body.words;
    let (fid, _, offset) = (Fid::Short(words.u16()?), words.u16()?, words.u32()?);
    let mut bytes = body.bytes;
    bytes.take(1)?;
    let length = bytes.u16()?;
    let start = body.start + 3;
    let what = Written { fid, offset: offset.into(), start, length: length.into() };
    written(state, header, body.message, what, false)?;
    // as the reference engine has it: a transaction of its own beside the call or file
    if state.open(header.place().key).is_none_or(|tx| !matches!(tx.data, Data::Generic)) {
        state.begin_request(header.place(), Data::Generic);
    }
    Some(())
}

fn transaction(state: &mut State, place: Place, body: Body<'_>) -> Option<()> {
    if state.trees.get(&(1, place.tree)).is_some_and(|tree| !tree.is_pipe) {
        return Some(());
    }
    let mut words = body.words;
    words.take(22)?;
    let (length, start) = (usize::from(words.u16()?), usize::from(words.u16()?));
    let setups = words.u8()?;
    words.take(1)?;
    let data = match length {
        0 => &[],
        length => body.message.get(start..)?.get(..length)?,
    };
    if setups < 2 || data.is_empty() {
        return Some(());
    }
    let (function, fid) = (words.u16()?, Fid::Short(words.u16()?));
    if function == TRANSACT_PIPE
        && state.carries_calls((1, place.tree), fid, data)
        && state.call(place, fid, data)
    {
        state.pending.insert(place.key, Pending::Pipe { fid });
    }
    Some(())
}

fn close(state: &mut State, place: Place, body: Body<'_>) -> Option<()> {
    let mut words = body.words;
    state.close(Fid::Short(words.u16()?), None);
    state.begin_request(place, Data::Generic);
    Some(())
}

fn response(state: &mut State, header: &Header, bytes: &[u8]) {
    let place = header.place();
    let body = Body::read(header, bytes);
    let understood = match (header.command, body) {
        (READ_ANDX, Some(body)) => read_andx(state, header, body, false).map(|_| ()),
        (TRANS, Some(body)) => pipe_answered(state, header, body),
        (_, Some(_)) => Some(()),
        (_, None) => None,
    };
    if understood.is_none() {
        state.event(Direction::ToClient, "malformed_data");
    }
    let offered = std::mem::take(&mut state.offered);
    let mut dialect = None;
    let mut opened = None;
    if let Some(tx) = state.open(place.key) {
        if matches!(tx.data, Data::Transfer(_)) {
            state.offered = offered;
            return;
        }
        tx.status = Some(header.status());
        let success = header.status == SUCCESS;
        match (&mut tx.data, body) {
            (Data::Call(_), _) => {
                // a write has a transaction of its own beside its call
                let status = tx.status;
                let own = |tx: &&mut super::transaction::SmbTx| {
                    tx.key == place.key && !tx.done[1] && matches!(tx.data, Data::Generic)
                };
                if let Some(tx) = state.transactions.iter_mut().find(own) {
                    tx.status = status;
                    tx.done[1] = true;
                }
                state.offered = offered;
                return;
            }
            (Data::Negotiate(negotiate), Some(body)) => {
                dialect = negotiated(negotiate, &offered, body);
            }
            (Data::Session(setup), Some(body)) => {
                tx.session = header.user.into();
                setup.response = session_answered(body);
            }
            (Data::Tree(tree), Some(mut body)) => {
                tx.tree = header.tree.into();
                if success && body.count > 0 {
                    let service = body.bytes.text(false);
                    tree.is_pipe = service == b"IPC";
                    if let Some((_, answer)) = &mut tree.service {
                        *answer = Some(service);
                    }
                    let name = tree.name.clone();
                    opened = Some(Opened::Tree(Tree { name, is_pipe: tree.is_pipe }));
                }
            }
            (Data::Create(create), Some(body)) if success => {
                if created(create, body).is_some()
                    && let Some(fid) = create.fid
                {
                    opened = Some(Opened::File(fid, create.name.clone()));
                }
            }
            _ => {}
        }
        tx.done[1] = true;
    }
    state.offered = offered;
    if let Some(dialect) = dialect {
        state.set_dialect(dialect);
    }
    match opened {
        Some(Opened::Tree(tree)) => drop(state.trees.insert((1, header.tree.into()), tree)),
        Some(Opened::File(fid, name)) => drop(state.names.insert(fid, name)),
        None => {}
    }
}

/// What a response lets later messages use.
enum Opened {
    Tree(Tree),
    File(Fid, Vec<u8>),
}

fn negotiated(negotiate: &mut Negotiate, offered: &[Vec<u8>], body: Body<'_>) -> Option<Dialect> {
    let mut words = body.words;
    let chosen = usize::from(words.u16()?);
    let mut bytes = body.bytes;
    negotiate.server_guid = bytes.guid();
    offered.get(chosen).map(|name| Dialect::Named(name.as_slice().into()))
}

fn session_answered(mut body: Body<'_>) -> Option<Native> {
    let mut words = body.words;
    match body.count {
        4 => {
            words.take(6)?;
            let length = usize::from(words.u16()?);
            body.bytes.take(length)?;
        }
        3 => {}
        _ => return None,
    }
    let os = body.text(body.unicode);
    let lm = body.text(body.unicode);
    Some(Native { os, lm })
}

fn created(create: &mut Create, body: Body<'_>) -> Option<()> {
    let mut words = body.words;
    words.take(5)?;
    let fid = words.u16()?;
    words.take(4)?;
    for time in &mut create.times {
        *time = wire::seconds(words.u64()?);
    }
    words.take(4)?;
    // as the reference engine has it: what is allocated, not what is used
    create.size = words.u64()?;
    create.fid = Some(Fid::Short(fid));
    Some(())
}

fn read_andx(state: &mut State, header: &Header, body: Body<'_>, partial: bool) -> Option<Piece> {
    let place = header.place();
    let pending = match partial {
        true => state.pending.get(&place.key).cloned(),
        false => state.pending.remove(&place.key),
    };
    let Some(Pending::Read { fid, offset }) = pending else { return Some((0, None)).filter(|_| !partial) };
    if header.status != SUCCESS && header.status != BUFFER_OVERFLOW {
        return Some((0, None));
    }
    let mut words = body.words;
    words.take(4 + 2 + 2 + 2)?;
    let (length, start, length_high) = (words.u16()?, usize::from(words.u16()?), words.u32()?);
    let length = u64::from(length_high & 0xffff) << 16 | u64::from(length);
    let data = body.message.get(start..)?;
    let data = data.get(..usize::try_from(length).ok()?).unwrap_or(data);
    let missing = length - data.len() as u64;
    if missing > 0 && !partial {
        return None;
    }
    let tree = state.trees.get(&(1, header.tree.into())).cloned();
    if state.carries_calls((1, header.tree.into()), fid, &[]) {
        if !partial {
            state.answer(place, header.status(), fid, data, header.status == BUFFER_OVERFLOW);
        }
        return Some((start, None)).filter(|_| !partial);
    }
    if start < HEADER_LEN {
        return None;
    }
    if partial {
        state.pending.remove(&place.key);
    }
    let share = tree.map_or(Vec::new(), |tree| tree.name);
    let chunk = Chunk { dir: Direction::ToClient, fid, offset, left: missing };
    let nowhere = Place { session: 0, tree: 0, ..place };
    state.piece(nowhere, &chunk, data, &share);
    if state.config.read_max > 0 && length > state.config.read_max {
        state.event(Direction::ToClient, "read_response_too_large");
    }
    Some((start, Some(Chunk { offset: offset.saturating_add(data.len() as u64), ..chunk })))
}

/// The answer to a call that was written and read in one.
fn pipe_answered(state: &mut State, header: &Header, body: Body<'_>) -> Option<()> {
    let place = header.place();
    let Some(Pending::Pipe { fid }) = state.pending.remove(&place.key) else { return Some(()) };
    if header.status != SUCCESS && header.status != BUFFER_OVERFLOW {
        return Some(());
    }
    let mut words = body.words;
    words.take(12)?;
    let (length, start) = (usize::from(words.u16()?), usize::from(words.u16()?));
    let data = body.message.get(start..)?.get(..length)?;
    state.answer(place, header.status(), fid, data, header.status == BUFFER_OVERFLOW);
    Some(())
}

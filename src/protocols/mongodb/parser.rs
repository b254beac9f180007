//! Both streams of a session, message by message (MongoDB documentation, "MongoDB Wire Protocol").

use std::io::Read;

use super::bson::{self, End, Value};
use super::slots;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes kept of a message.
pub(super) const KEPT_MAX: usize = 64 << 10;
/// What a server takes.
const MESSAGE_MAX: usize = 48_000_000 + (16 << 10);
/// Names of fields, texts, bytes of texts that are kept of a request.
const FIELDS_MAX: usize = 256;
const TEXTS_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 32 << 10;

const HEADER: usize = 16;

/// Kinds of messages.
mod opcode {
    pub(super) const REPLY: u32 = 1;
    pub(super) const UPDATE: u32 = 2001;
    pub(super) const INSERT: u32 = 2002;
    pub(super) const QUERY: u32 = 2004;
    pub(super) const GET_MORE: u32 = 2005;
    pub(super) const DELETE: u32 = 2006;
    pub(super) const KILL_CURSORS: u32 = 2007;
    pub(super) const COMPRESSED: u32 = 2012;
    pub(super) const MSG: u32 = 2013;
}

/// No answer follows.
const MORE_TO_COME: u32 = 2;

/// The header of a message.
#[derive(Clone, Copy, Debug)]
struct Header {
    len: usize,
    id: u32,
    answers: u32,
    opcode: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Header> {
        let mut front = Reader(bytes);
        Some(Header {
            len: front.u32_le()? as usize,
            id: front.u32_le()?,
            answers: front.u32_le()?,
            opcode: front.u32_le()?,
        })
    }

    fn is_sound(&self) -> bool {
        (HEADER..=MESSAGE_MAX).contains(&self.len)
            && matches!(self.opcode, opcode::REPLY | opcode::UPDATE..=opcode::KILL_CURSORS | 2010..=opcode::MSG)
    }
}

/// Both sides of a flow.
#[derive(Debug, Default)]
pub(super) struct Messages {}

/// What a request says, as it is read.
struct Request<'v> {
    values: &'v mut Values,
    fields: usize,
    texts: usize,
    bytes: usize,
    event: Option<&'static str>,
}

impl Request<'_> {
    /// A document; what it takes.
    fn document(&mut self, bytes: &[u8], first: bool) -> usize {
        let mut number = 0usize;
        let mut sasl = false;
        let mut in_client = false;
        let end = bson::walk(bytes, &mut |element| {
            let name = element.name.unwrap_or_default();
            if first && element.depth == 0 {
                if number == 0 && name != b"$query" && name != b"query" {
                    self.values.push(slots::COMMAND, name);
                    sasl = name == b"saslStart";
                    if let Value::Text(collection) = element.value {
                        self.values.push(slots::COLLECTION, collection);
                    }
                }
                in_client = name == b"client";
                match (name, &element.value) {
                    (b"$db", Value::Text(database)) => self.values.push(slots::DATABASE, database),
                    (b"collection", Value::Text(collection)) if number > 0 => {
                        self.values.push(slots::COLLECTION, collection);
                    }
                    (b"payload", Value::Binary(payload)) if sasl => {
                        if let Some(user) = user(payload) {
                            self.values.push(slots::USER, user);
                        }
                    }
                    (b"user", Value::Text(user)) => self.values.push(slots::USER, user),
                    _ => {}
                }
            }
            number += 1;
            // {client: {application: {name: …}}}
            if first
                && in_client
                && element.depth == 2
                && name == b"name"
                && self.values.text(slots::APPLICATION, 0).is_none()
                && let Value::Text(text) = element.value
            {
                self.values.push(slots::APPLICATION, text);
            }
            if element.name.is_some() && self.fields < FIELDS_MAX {
                self.fields += 1;
                self.values.push(slots::FIELD, name.get(..256).unwrap_or(name));
            }
            if let Value::Text(text) = element.value
                && self.texts < TEXTS_MAX
                && self.bytes + text.len() <= TEXT_BYTES_MAX
            {
                self.texts += 1;
                self.bytes += text.len();
                self.values.push(slots::STRING, text);
            }
        });
        match end {
            End::Whole(taken) => return taken,
            End::TooDeep => self.event = Some("too_deep"),
            End::Wrong => self.event = Some("malformed_request"),
            // it was cut off, as the message was
            End::Short => {}
        }
        bytes.len()
    }

    /// Every document in these bytes.
    fn documents(&mut self, bytes: &[u8], mut first: bool) {
        let mut rest = bytes;
        while !rest.is_empty() && self.event.is_none() {
            let taken = self.document(rest, first).max(1);
            rest = rest.get(taken..).unwrap_or_default();
            first = false;
        }
    }

    /// The sections of `OP_MSG`, behind its flags.
    fn sections(&mut self, bytes: &[u8]) {
        let mut front = Reader(bytes);
        while let Some(kind) = front.u8() {
            match kind {
                0 => {
                    let taken = self.document(front.0, true);
                    front.take(taken);
                }
                1 => {
                    let Some(len) = Reader(front.0).u32_le() else { return };
                    let len = (len as usize).min(front.0.len());
                    let mut section = Reader(front.take(len).unwrap_or_default());
                    section.u32_le();
                    if let Some(name) = section.text() {
                        self.values.push(slots::FIELD, name.get(..256).unwrap_or(name));
                        self.documents(section.0, false);
                    }
                }
                _ => return,
            }
            if self.event.is_some() {
                return;
            }
        }
    }

    /// `shop.items`: a database and a collection. True when a command is sent to it.
    fn namespace(&mut self, name: &[u8]) -> bool {
        let at = memchr::memchr(b'.', name).unwrap_or(name.len());
        self.values.push(slots::DATABASE, name.get(..at).unwrap_or_default());
        let collection = name.get(at + 1..).unwrap_or_default();
        let command = collection == b"$cmd";
        if !command {
            self.values.push(slots::COLLECTION, collection);
        }
        command
    }

    /// An older message.
    fn legacy(&mut self, code: u32, body: &[u8]) -> Option<()> {
        let mut front = Reader(body);
        front.u32_le()?;
        if code == opcode::KILL_CURSORS {
            self.values.push(slots::COMMAND, b"killCursors");
            return Some(());
        }
        let name = front.text()?;
        let command = self.namespace(name);
        let word: &[u8] = match code {
            opcode::UPDATE => b"update",
            opcode::INSERT => b"insert",
            opcode::DELETE => b"delete",
            opcode::GET_MORE => b"getMore",
            _ => b"find",
        };
        if !command {
            self.values.push(slots::COMMAND, word);
        }
        match code {
            opcode::QUERY => {
                front.take(8)?;
            }
            opcode::UPDATE | opcode::DELETE => {
                front.take(4)?;
            }
            opcode::GET_MORE => return Some(()),
            _ => {}
        }
        self.documents(front.0, command);
        Some(())
    }
}

/// The name in the first message of SCRAM (`n,,n=anna,r=…`) or of PLAIN.
fn user(payload: &[u8]) -> Option<&[u8]> {
    match payload.strip_prefix(b"n,,n=") {
        Some(rest) => rest.split(|byte| *byte == b',').next(),
        None => payload.split(|byte| *byte == 0).nth(1),
    }
}

/// What was compressed, undone up to the bound.
fn undone(compressor: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    match compressor {
        0 => Some(bytes.to_vec()),
        2 => {
            let mut out = Vec::new();
            // of what was cut off the beginning is there
            let _ = flate2::read::ZlibDecoder::new(bytes).take(KEPT_MAX as u64).read_to_end(&mut out);
            Some(out)
        }
        _ => None,
    }
}

/// What an answer says.
fn answer(code: u32, body: &[u8], values: &mut Values) {
    let document = match code {
        opcode::MSG => body.get(5..),
        _ => body.get(20..),
    };
    bson::walk(document.unwrap_or_default(), &mut |element| {
        if element.depth > 0 {
            return;
        }
        match (element.name.unwrap_or_default(), element.value) {
            (b"ok", Value::Number(number)) => values.push_number(slots::OK, number.clamp(0, 1) as u64),
            (b"code", Value::Number(number)) => values.push_number(slots::ERROR_CODE, number.max(0) as u64),
            (b"errmsg" | b"$err", Value::Text(text)) => values.push(slots::ERROR, text),
            _ => {}
        }
    });
}

impl Messages {
    fn message(dir: Direction, header: Header, body: &[u8], out: &mut Exchanges) {
        let mut values = Values::default();
        let mut code = header.opcode;
        let mut unpacked = None;
        if code == opcode::COMPRESSED
            && let Some((&[a, b, c, d, _, _, _, _, compressor], rest)) = body.split_first_chunk::<9>()
        {
            code = u32::from_le_bytes([a, b, c, d]);
            values.push_number(slots::COMPRESSOR, compressor);
            unpacked = Some(undone(compressor, rest));
        }
        let body = match &unpacked {
            Some(Some(body)) => &body[..],
            Some(None) => &[],
            None => body,
        };
        if dir == Direction::ToClient {
            if let Some(exchange) = out.waiting(header.answers.into()) {
                answer(code, body, &mut exchange.values);
            }
            out.finish(header.answers.into());
            return;
        }
        values.push_number(slots::OPCODE, code);
        let mut request = Request { values: &mut values, fields: 0, texts: 0, bytes: 0, event: None };
        let mut answered = matches!(code, opcode::QUERY | opcode::GET_MORE);
        if code == opcode::MSG {
            let flags = Reader(body).u32_le().unwrap_or(0);
            answered = flags & MORE_TO_COME == 0;
            request.sections(body.get(4..).unwrap_or_default());
        } else {
            request.legacy(code, body);
        }
        let event = request.event;
        if answered {
            out.open(header.id.into(), values);
        } else {
            out.unanswered(values);
        }
        if let Some(event) = event {
            out.event(dir, event);
        }
    }
}

impl Dialect for Messages {
    const ALONE: bool = true;

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let Some(header) = Header::read(bytes) else { return Ok(Step::Needs(HEADER)) };
        if !header.is_sound() {
            return Err(if dir == Direction::ToServer { "malformed_request" } else { "malformed_response" });
        }
        let kept = header.len.min(KEPT_MAX);
        let Some(message) = bytes.get(..kept) else { return Ok(Step::Needs(kept)) };
        Self::message(dir, header, message.get(HEADER..).unwrap_or_default(), out);
        Ok(Step::Skip(kept, (header.len - kept) as u64))
    }
}

/// See [`crate::app::Protocol::probe`]. The port does not matter: kind and flags are enough to know it by.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    let Some(header) = Header::read(bytes) else {
        let len = bytes.first_chunk().map(|len| u32::from_le_bytes(*len) as usize);
        let fits = len.is_none_or(|len| (HEADER..=MESSAGE_MAX).contains(&len));
        return if fits && bytes.get(3).is_none_or(|byte| *byte < 3) { Probe::More } else { Probe::No };
    };
    if !header.is_sound() || (dir == Direction::ToServer) != (header.answers == 0) {
        return Probe::No;
    }
    let body = bytes.get(HEADER..).unwrap_or_default();
    let enough = |len: usize, known: bool| match body.len() >= len {
        true if known => Probe::Yes,
        true => Probe::No,
        false => Probe::More,
    };
    match header.opcode {
        // flags, and the kind of a section
        opcode::MSG => {
            let flags = Reader(body).u32_le().unwrap_or(0);
            enough(5, flags & !0x1_0003 == 0 && body.get(4).is_some_and(|kind| *kind < 2))
        }
        // flags, and a name with a dot
        opcode::QUERY => {
            let name = body.get(4..).unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            enough(12, name.iter().all(u8::is_ascii_graphic) && (name.contains(&b'.') || body.len() < 64))
        }
        opcode::COMPRESSED => {
            enough(9, body.get(1..4) == Some(&[7, 0, 0]) && body.get(8).is_some_and(|kind| *kind < 4))
        }
        opcode::REPLY => {
            enough(4, dir == Direction::ToClient && Reader(body).u32_le().is_some_and(|flags| flags < 16))
        }
        _ if usual => Probe::Yes,
        _ => Probe::No,
    }
}

//! Frames (RFC 9113 section 4) of both sides → streams.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use base64::Engine as _;

use super::PREFACE;
use super::body::Decoder;
use super::config::Config;
use super::hpack::{Table, Wrong};
use super::message::{header, note};
use super::transaction::Http2Tx;
use crate::app::{DONE, Input, ParseError, Parsed, Parser, Transaction as _, Transactions, TxList};
use crate::protocols::http::Upgrade;
use crate::types::Direction;

/// Bodies of a flow that are decompressed at once, and of these such as Brotli, which takes much more memory.
pub(super) const DECODERS_MAX: usize = 64;
const BROTLI_MAX: usize = 4;

/// Bodies of a flow that may break before no more are decompressed.
const BROKEN_MAX: u8 = 4;

/// Open bodies from which each is looked at through a small window.
const MANY: usize = 64;

const FRAME_HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

/// The parser of one flow.
pub(super) struct Http2Parser {
    config: Arc<Config>,
    transactions: TxList<Http2Tx>,
    /// The live transaction of each open stream.
    open: HashMap<u32, u64, RandomState>,
    /// The highest stream that was ever open, of odd and of even ones.
    highest: [u32; 2],
    sides: [Side; 2],
    /// Bodies that broke.
    broken: u8,
    /// Some stream has asked for names.
    asks_names: bool,
}

/// What is remembered of one direction.
struct Side {
    table: Table,
    /// The preface was seen, or is not sent by this side.
    begun: bool,
    /// Bytes of a frame that are passed over.
    skip: usize,
    data: Option<Data>,
    block: Option<Block>,
    eof: bool,
}

/// A DATA frame that is arriving.
struct Data {
    stream: u32,
    left: usize,
    padding: usize,
    end_stream: bool,
}

/// A block of headers, perhaps in several frames.
struct Block {
    stream: u32,
    /// Whose headers these are: a promise is a request that the server makes.
    dir: Direction,
    bytes: Vec<u8>,
    end_stream: bool,
    /// It is too long: it is not read.
    lost: bool,
}

/// The front of the input.
#[derive(Clone, Copy)]
struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

impl Http2Parser {
    pub(super) fn new(config: Arc<Config>) -> Self {
        let side = |begun| Side {
            table: Table::new(config.table_max),
            begun,
            skip: 0,
            data: None,
            block: None,
            eof: false,
        };
        let sides = [side(false), side(true)];
        Http2Parser {
            config,
            transactions: TxList::default(),
            open: HashMap::default(),
            highest: [0; 2],
            sides,
            broken: 0,
            asks_names: false,
        }
    }

    /// A transaction about the connection, which is over at once.
    fn about_connection(&mut self, dir: Direction, kind: Option<u8>) -> &mut Http2Tx {
        let tx = self.transactions.push_with(|id| Http2Tx::new(id, 0));
        for side in &mut tx.sides {
            side.progress = DONE;
        }
        if let Some(kind) = kind {
            tx.side(dir).frame(kind);
        }
        tx
    }

    /// The transaction of a stream. A stream that is over is not opened again by a frame that says little.
    fn stream(&mut self, dir: Direction, stream: u32, opens: bool) -> Option<&mut Http2Tx> {
        if let Some(&id) = self.open.get(&stream) {
            return self.transactions.by_id_mut(id);
        }
        let highest = &mut self.highest[(stream & 1) as usize];
        let reused = stream <= *highest;
        if reused && !opens {
            return None;
        }
        *highest = stream.max(*highest);
        let full = self.open.len() >= self.config.streams_max;
        if full {
            self.close_oldest();
        }
        let tx = self.transactions.push_with(|id| Http2Tx::new(id, stream));
        self.open.insert(stream, tx.id());
        if reused {
            tx.event(dir, "stream_id_reuse");
        }
        if full {
            tx.event(dir, "too_many_streams");
        }
        Some(tx)
    }

    /// So that there is room for another.
    fn close_oldest(&mut self) {
        if let Some(tx) = self.transactions.iter_mut().find(|tx| !tx.is_done()) {
            tx.sides.iter_mut().for_each(|side| {
                side.finish(false);
            });
            self.open.remove(&tx.stream);
        } else {
            self.open.clear();
        }
    }

    /// A side of a stream is over.
    fn finish(&mut self, dir: Direction, stream: u32) {
        let Some(tx) = self.open.get(&stream).and_then(|id| self.transactions.by_id_mut(*id)) else { return };
        if !tx.side(dir).finish(true) {
            tx.event(dir, "failed_decompression");
            self.broken = self.broken.saturating_add(1);
        }
        if tx.is_done() {
            self.open.remove(&stream);
        }
    }

    /// Takes what it can off the front; `Err` is how many bytes are needed.
    fn step(&mut self, dir: Direction, rest: &[u8]) -> Result<Result<usize, usize>, ParseError> {
        let side = &mut self.sides[dir.index()];
        if !side.begun {
            let Some(start) = rest.get(..PREFACE.len()) else {
                if PREFACE.starts_with(rest) {
                    return Ok(Err(PREFACE.len()));
                }
                return Err(self.no_preface(dir));
            };
            if start != PREFACE {
                return Err(self.no_preface(dir));
            }
            side.begun = true;
            return Ok(Ok(PREFACE.len()));
        }
        if side.skip > 0 {
            let skipped = side.skip.min(rest.len());
            side.skip -= skipped;
            return Ok(Ok(skipped));
        }
        if side.data.is_some() {
            return Ok(Ok(self.data(dir, rest)));
        }
        let Some((&[high, middle, low, kind, flags, a, b, c, d], behind)) =
            rest.split_first_chunk::<FRAME_HEADER>()
        else {
            return Ok(Err(FRAME_HEADER));
        };
        let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let stream = u32::from_be_bytes([a & 0x7f, b, c, d]);
        if kind == DATA {
            // it is taken as it comes; what says how much of it is padding is waited for
            let (padding, head) = match flags & PADDED != 0 {
                false => (0, 0),
                true if len == 0 => (0, 0),
                true => match behind.first() {
                    Some(&padding) => (usize::from(padding), 1),
                    None => return Ok(Err(FRAME_HEADER + 1)),
                },
            };
            if let Some(tx) = self.stream(dir, stream, false) {
                tx.side(dir).frame(kind);
                if padding + head > len {
                    tx.event(dir, "invalid_frame_data");
                }
            }
            let left = len - head;
            let data = Data { stream, left, padding: padding.min(left), end_stream: flags & END_STREAM != 0 };
            self.sides[dir.index()].data = Some(data);
            return Ok(Ok(FRAME_HEADER + head));
        }
        if len > self.config.block_max {
            self.about_connection(dir, Some(kind)).event(dir, "long_frame_data");
            self.sides[dir.index()].skip = len;
            return Ok(Ok(FRAME_HEADER));
        }
        let Some(payload) = behind.get(..len) else { return Ok(Err(FRAME_HEADER + len)) };
        self.frame(dir, Frame { kind, flags, stream, payload });
        Ok(Ok(FRAME_HEADER + len))
    }

    fn no_preface(&mut self, dir: Direction) -> ParseError {
        self.about_connection(dir, None).event(dir, "invalid_client_magic");
        ParseError("invalid_client_magic")
    }

    /// Bytes of a DATA frame: how many were taken.
    fn data(&mut self, dir: Direction, rest: &[u8]) -> usize {
        let many = self.open.len() > MANY;
        let Some(data) = &mut self.sides[dir.index()].data else { return 0 };
        let taken = data.left.min(rest.len());
        let content = taken.min(data.left.saturating_sub(data.padding));
        data.left -= taken;
        let (stream, over, end_stream) = (data.stream, data.left == 0, data.end_stream);
        if over {
            self.sides[dir.index()].data = None;
        }
        if let Some(tx) = self.open.get(&stream).and_then(|id| self.transactions.by_id_mut(*id))
            && tx.progress(dir) != DONE
            && content > 0
            && !tx.side(dir).data(rest.get(..content).unwrap_or_default(), &self.config, many)
        {
            tx.event(dir, "failed_decompression");
            self.broken = self.broken.saturating_add(1);
        }
        if over && end_stream {
            self.finish(dir, stream);
        }
        taken
    }

    /// One whole frame that is not DATA.
    fn frame(&mut self, dir: Direction, frame: Frame<'_>) {
        let Frame { kind, flags, stream, payload } = frame;
        if self.sides[dir.index()].block.is_some() && kind != CONTINUATION {
            // a block may not be interrupted: what is missing will not come
            self.sides[dir.index()].block = None;
            self.about_connection(dir, Some(kind)).event(dir, "invalid_frame_header");
        }
        match kind {
            HEADERS => self.headers(dir, frame),
            CONTINUATION => {
                if let Some(tx) = self.stream(dir, stream, false) {
                    tx.side(dir).frame(kind);
                }
                self.continuation(dir, flags, payload);
            }
            PUSH_PROMISE => self.promise(dir, frame),
            PRIORITY => {
                let weight = payload.get(4).copied();
                if let Some(tx) = self.stream(dir, stream, false) {
                    tx.side(dir).frame(kind);
                    match weight {
                        Some(weight) if payload.len() == 5 => note(&mut tx.side(dir).priorities, weight),
                        _ => tx.event(dir, "invalid_frame_length"),
                    }
                }
            }
            RST_STREAM => {
                let code = word(payload);
                if let Some(tx) = self.stream(dir, stream, false) {
                    tx.side(dir).frame(kind);
                    match code {
                        Some(code) => note(&mut tx.side(dir).errors, code),
                        None => tx.event(dir, "invalid_frame_length"),
                    }
                    for side in &mut tx.sides {
                        side.finish(false);
                    }
                    self.open.remove(&stream);
                }
            }
            SETTINGS if flags & ACK != 0 => {}
            SETTINGS => {
                let tx = self.about_connection(dir, Some(kind));
                settings(dir, payload, tx);
            }
            WINDOW_UPDATE => {
                let tx = match stream {
                    0 => Some(self.about_connection(dir, Some(kind))),
                    stream => self.stream(dir, stream, false),
                };
                if let Some(tx) = tx {
                    tx.side(dir).frame(kind);
                    match word(payload) {
                        Some(size) => note(&mut tx.side(dir).windows, size & 0x7fff_ffff),
                        None => tx.event(dir, "invalid_frame_length"),
                    }
                }
            }
            PING => {
                if payload.len() != 8 {
                    self.about_connection(dir, Some(kind)).event(dir, "invalid_frame_length");
                } else {
                    self.about_connection(dir, Some(kind));
                }
            }
            GOAWAY => {
                let code = payload.get(4..8).and_then(word);
                let tx = self.about_connection(dir, Some(kind));
                match code {
                    Some(code) => note(&mut tx.side(dir).errors, code),
                    None => tx.event(dir, "invalid_frame_length"),
                }
            }
            // of a later version: passed over, RFC 9113 section 4.1
            _ => {}
        }
    }

    fn headers(&mut self, dir: Direction, frame: Frame<'_>) {
        let unpadded = unpadded(frame);
        let (mut bytes, sound) = (unpadded.unwrap_or_default(), unpadded.is_some());
        let mut weight = None;
        if frame.flags & WITH_PRIORITY != 0 {
            weight = bytes.get(4).copied();
            bytes = bytes.get(5..).unwrap_or_default();
        }
        if let Some(tx) = self.stream(dir, frame.stream, true) {
            let side = tx.side(dir);
            side.frame(HEADERS);
            if let Some(weight) = weight {
                note(&mut side.priorities, weight);
            }
            if !sound {
                tx.event(dir, "invalid_frame_data");
            }
        }
        let end_stream = frame.flags & END_STREAM != 0;
        self.sides[dir.index()].block =
            Some(Block { stream: frame.stream, dir, bytes: Vec::new(), end_stream, lost: false });
        self.continuation(dir, frame.flags, bytes);
    }

    /// The server makes a request itself, and answers it.
    fn promise(&mut self, dir: Direction, frame: Frame<'_>) {
        let bytes = unpadded(frame).unwrap_or_default();
        let (Some(promised), Some(bytes)) = (bytes.get(..4).and_then(word), bytes.get(4..)) else {
            if let Some(tx) = self.stream(dir, frame.stream, false) {
                tx.event(dir, "invalid_frame_length");
            }
            return;
        };
        let promised = promised & 0x7fff_ffff;
        if let Some(tx) = self.stream(dir, promised, true) {
            tx.side(dir).frame(PUSH_PROMISE);
        }
        let block = Block {
            stream: promised,
            dir: Direction::ToServer,
            bytes: Vec::new(),
            end_stream: true,
            lost: false,
        };
        self.sides[dir.index()].block = Some(block);
        self.continuation(dir, frame.flags, bytes);
    }

    /// More of a block; reads it when that was all.
    fn continuation(&mut self, dir: Direction, flags: u8, bytes: &[u8]) {
        let block_max = self.config.block_max;
        let Some(block) = &mut self.sides[dir.index()].block else {
            self.about_connection(dir, Some(CONTINUATION)).event(dir, "invalid_frame_header");
            return;
        };
        if block.lost || block.bytes.len() + bytes.len() > block_max {
            if !std::mem::replace(&mut block.lost, true) {
                block.bytes = Vec::new();
                let stream = block.stream;
                if let Some(tx) = self.stream(dir, stream, false) {
                    tx.event(dir, "reassembly_limit_reached");
                }
            }
        } else if block.bytes.is_empty() && flags & END_HEADERS != 0 {
            // nearly every block is in one frame: no copy
            if let Some(block) = self.sides[dir.index()].block.take() {
                self.block(dir, &block, bytes);
            }
            return;
        } else {
            block.bytes.extend_from_slice(bytes);
        }
        if flags & END_HEADERS != 0
            && let Some(mut block) = self.sides[dir.index()].block.take()
        {
            let bytes = std::mem::take(&mut block.bytes);
            self.block(dir, &block, &bytes);
        }
    }

    /// A whole block of headers that came from `from`.
    fn block(&mut self, from: Direction, block: &Block, bytes: &[u8]) {
        let dir = block.dir;
        let Some(tx) = self.open.get(&block.stream).and_then(|id| self.transactions.by_id_mut(*id)) else {
            // the table must follow all the same
            let _ = self.sides[from.index()].table.read(bytes, &mut |_| {});
            return;
        };
        let message = tx.side(dir);
        let mut fits = true;
        let read = match block.lost {
            true => Ok(()),
            false => self.sides[from.index()].table.read(bytes, &mut |item| fits = fits && message.add(item)),
        };
        match read {
            Ok(()) => {}
            Err(Wrong::Overflow) => tx.event(from, "header_integer_overflow"),
            Err(Wrong::Invalid) => tx.event(from, "invalid_header"),
        }
        if !fits {
            tx.event(from, "reassembly_limit_reached");
        }
        tx.headers_read(dir);
        self.asks_names |= tx.asks_names();
        let coding = tx.side(dir).find("content-encoding").map(<[u8]>::to_vec);
        if let (Some(coding), Decoder::Plain) = (coding, &tx.side(dir).decoder) {
            self.decode(dir, block.stream, &coding);
        }
        if block.end_stream {
            self.finish(dir, block.stream);
        }
    }

    /// The body that follows is compressed.
    fn decode(&mut self, dir: Direction, stream: u32, coding: &[u8]) {
        let decoder = Decoder::new(coding, &self.config.http);
        let working = |tx: &Http2Tx, brotli: bool| {
            let is = |decoder: &Decoder| {
                if brotli { matches!(decoder, Decoder::Brotli(_)) } else { decoder.is_working() }
            };
            tx.sides.iter().filter(|side| is(&side.decoder)).count()
        };
        let count = |brotli| self.transactions.iter().map(|tx| working(tx, brotli)).sum::<usize>();
        let room = match &decoder {
            Decoder::Brotli(_) => count(true) < BROTLI_MAX,
            _ => true,
        } && count(false) < DECODERS_MAX
            && self.broken < BROKEN_MAX;
        let Some(tx) = self.open.get(&stream).and_then(|id| self.transactions.by_id_mut(*id)) else { return };
        if room || !decoder.is_working() {
            tx.side(dir).decoder = decoder;
        } else {
            tx.event(dir, "failed_decompression");
        }
    }

    /// What HTTP/1.1 said before: its request is that of stream 1, with the client's settings in a header.
    fn upgraded(&mut self, upgrade: Upgrade) {
        let tx = self.transactions.push_with(|id| Http2Tx::new(id, 1));
        self.open.insert(1, tx.id());
        self.highest[1] = 1;
        let message = tx.side(Direction::ToServer);
        message.frame(HEADERS);
        message.add(header(b":method", &upgrade.method));
        message.add(header(b":path", &upgrade.target));
        let mut coded = None;
        for (name, value) in &upgrade.headers {
            if name.eq_ignore_ascii_case(b"http2-settings") {
                coded = Some(value);
            } else if name.eq_ignore_ascii_case(b"host") {
                message.add(header(b":authority", value));
            } else {
                message.add(header(name, value));
            }
        }
        tx.headers_read(Direction::ToServer);
        tx.side(Direction::ToServer).finish(true);
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let payload = coded.and_then(|coded| {
            let text: Vec<u8> = coded.iter().copied().filter(|c| *c != b'=').collect();
            engine.decode(text).ok()
        });
        let tx = self.about_connection(Direction::ToServer, Some(SETTINGS));
        match payload {
            Some(payload) => settings(Direction::ToServer, &payload, tx),
            None => tx.event(Direction::ToServer, "invalid_http1_settings"),
        }
    }
}

/// Notes what a SETTINGS frame sets.
fn settings(dir: Direction, payload: &[u8], tx: &mut Http2Tx) {
    for setting in payload.chunks(6) {
        match *setting {
            [a, b, c, d, e, f] => {
                let (key, value) = (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
                note(&mut tx.side(dir).settings, (key, value));
            }
            _ => tx.event(dir, "invalid_frame_length"),
        }
    }
}

/// Four bytes as a number.
fn word(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().map(u32::from_be_bytes).ok()
}

/// A frame's payload without its padding.
fn unpadded(frame: Frame<'_>) -> Option<&[u8]> {
    if frame.flags & PADDED == 0 {
        return Some(frame.payload);
    }
    let (&padding, rest) = frame.payload.split_first()?;
    rest.get(..rest.len().checked_sub(padding.into())?)
}

impl Parser for Http2Parser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let dir = input.dir;
        let mut at = 0;
        let mut needs = 0;
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(dir, rest)? {
                Ok(taken) => at += taken,
                Err(len) => {
                    needs = len;
                    break;
                }
            }
        }
        if input.eof {
            self.sides[dir.index()].eof = true;
            if self.sides.iter().all(|side| side.eof) {
                for tx in self.transactions.iter_mut() {
                    tx.sides.iter_mut().for_each(|side| {
                        side.finish(false);
                    });
                }
                self.open.clear();
            }
        }
        let carries = self.asks_names.then_some("doh2");
        Ok(Parsed { consumed: at, needs, carries, ..Parsed::default() })
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let side = &mut self.sides[dir.index()];
        let lost = usize::try_from(len).ok();
        // lost inside a body: where the next frame begins is known
        if let (Some(data), Some(len)) = (&mut side.data, lost)
            && len < data.left
        {
            data.left -= len;
            data.padding = data.padding.min(data.left);
            let stream = data.stream;
            if let Some(tx) = self.open.get(&stream).and_then(|id| self.transactions.by_id_mut(*id)) {
                let side = tx.side(dir);
                side.body.gap(len as u64);
                side.files.gap(len as u64);
            }
            return Ok(());
        }
        // names and values refer to what was lost
        Err(ParseError("bytes were lost"))
    }

    fn take_over(&mut self, from: Box<dyn std::any::Any + Send>) {
        if let Ok(upgrade) = from.downcast::<Upgrade>() {
            self.upgraded(*upgrade);
        }
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn memory(&self) -> usize {
        let side =
            |side: &Side| side.table.memory() + side.block.as_ref().map_or(0, |block| block.bytes.len());
        size_of::<Self>()
            + self.sides.iter().map(side).sum::<usize>()
            + self.transactions.iter().map(Http2Tx::memory).sum::<usize>()
    }
}

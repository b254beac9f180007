//! The parser of one flow: its transactions, and what the two directions share.

use std::collections::VecDeque;
use std::sync::Arc;

use super::config::Config;
use super::events;
use super::headers::{Added, Header, Read, Reader};
use super::inflate::Inflate;
use super::slots::BODY;
use super::transaction::Tx;
use super::{HEADER_BYTES_MAX, request, response};
use crate::app::{Change, FrameKind, Frames, Input, ParseError, Parsed, Parser, Transaction, Transactions};
use crate::types::Direction;

/// One direction of the connection; `S` says where in a message it is.
#[derive(Debug)]
pub(super) struct Lane<S> {
    pub(super) state: S,
    /// Bytes seen and not understood yet: a line or a header without its end.
    pub(super) pending: Vec<u8>,
    /// The transaction whose message is read.
    pub(super) tx: u64,
    /// Nothing more will come, or nothing more is understood.
    pub(super) ended: bool,
    pub(super) header: Header,
}

impl<S> Lane<S> {
    fn new(state: S) -> Self {
        Lane { state, pending: Vec::new(), tx: 0, ended: false, header: Header::default() }
    }
}

/// Bytes beyond a body that may be lost with it: a line end.
pub(super) const LOST_BEHIND_MAX: u64 = 4;

/// Bodies that were bombs before nothing is decompressed any more in a flow.
pub(super) const BOMBS_MAX: u8 = 3;

/// What a run over some bytes did.
#[derive(Debug, Default)]
pub(super) struct Ran {
    /// Bytes understood.
    pub(super) used: usize,
    /// The rest is to be given again, not kept here.
    pub(super) suspended: bool,
    pub(super) change: Option<Change>,
}

/// A parser of HTTP/1.
#[derive(Debug)]
pub(super) struct HttpParser {
    pub(super) config: Arc<Config>,
    pub(super) store: Store,
    pub(super) request: Lane<request::State>,
    pub(super) response: Lane<response::State>,
    pub(super) request_inflate: Option<Inflate>,
    pub(super) inflate: Option<Inflate>,
    /// Bodies of this flow that were bombs.
    pub(super) bombs: u8,
    /// What HTTP/2, which the connection changes to, must know.
    pub(super) upgrade: Option<super::Upgrade>,
    pub(super) frames: Frames,
}

/// Types of frames, in this order: a request and a response with their bodies.
pub(super) const FRAMES: &[&str] = &["request", "response"];
pub(super) const REQUEST: FrameKind = FrameKind(0);
pub(super) const RESPONSE: FrameKind = FrameKind(1);

impl HttpParser {
    pub(super) fn new(config: Arc<Config>) -> Self {
        HttpParser {
            config,
            store: Store::default(),
            request: Lane::new(request::State::Idle),
            response: Lane::new(response::State::Idle),
            request_inflate: None,
            inflate: None,
            bombs: 0,
            upgrade: None,
            frames: Frames::default(),
        }
    }

    fn run(&mut self, dir: Direction, data: &[u8], eof: bool) -> Result<Ran, ParseError> {
        match dir {
            Direction::ToServer => self.run_request(data, eof),
            Direction::ToClient => self.run_response(data, eof),
        }
    }

    fn pending(&mut self, dir: Direction) -> &mut Vec<u8> {
        match dir {
            Direction::ToServer => &mut self.request.pending,
            Direction::ToClient => &mut self.response.pending,
        }
    }

    /// The direction is over, in good order or not.
    fn end(&mut self, dir: Direction) {
        self.pending(dir).clear();
        match dir {
            Direction::ToServer => {
                self.request.ended = true;
                self.end_request();
            }
            Direction::ToClient => {
                self.response.ended = true;
                self.end_response();
            }
        }
    }
}

impl Parser for HttpParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let dir = input.dir;
        let ended = match dir {
            Direction::ToServer => self.request.ended,
            Direction::ToClient => self.response.ended,
        };
        if ended {
            return Ok(Parsed::all(&input));
        }
        let mut held = std::mem::take(self.pending(dir));
        let before = held.len();
        let (ran, consumed) = if held.is_empty() {
            let ran = self.run(dir, input.bytes, input.eof);
            let used = ran.as_ref().map_or(0, |ran| ran.used);
            let suspended = ran.as_ref().is_ok_and(|ran| ran.suspended);
            if ran.is_ok() && !suspended && !input.eof {
                held.extend_from_slice(input.bytes.get(used..).unwrap_or_default());
                *self.pending(dir) = held;
            }
            (ran, if suspended { used } else { input.bytes.len() })
        } else {
            held.extend_from_slice(input.bytes);
            self.frames.behind(dir, before);
            let ran = self.run(dir, &held, input.eof);
            let used = ran.as_ref().map_or(0, |ran| ran.used);
            let suspended = ran.as_ref().is_ok_and(|ran| ran.suspended);
            if ran.is_ok() && !suspended && !input.eof {
                held.drain(..used.min(held.len()));
                *self.pending(dir) = held;
            }
            (ran, if suspended { used.saturating_sub(before) } else { input.bytes.len() })
        };
        match ran {
            Ok(ran) => {
                if input.eof {
                    self.end(dir);
                }
                Ok(Parsed { consumed, change: ran.change, ..Parsed::default() })
            }
            Err(error) => {
                self.end(dir);
                Err(error)
            }
        }
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let result = match dir {
            Direction::ToServer => self.request_gap(len),
            Direction::ToClient => self.response_gap(len),
        };
        if result.is_err() {
            self.end(dir);
        }
        result
    }

    fn hand_over(&mut self) -> Option<Box<dyn std::any::Any + Send>> {
        self.upgrade.take().map(|upgrade| Box::new(upgrade) as Box<dyn std::any::Any + Send>)
    }

    fn change_refused(&mut self) {
        let id = self.response.tx;
        if let Some(tx) = self.store.by_id(id) {
            tx.event(Direction::ToClient, events::FAILED_PROTOCOL_CHANGE);
        }
    }

    fn shrink(&mut self) {
        self.store.live.shrink_to_fit();
        self.request.pending.shrink_to_fit();
        self.response.pending.shrink_to_fit();
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.store
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.store
    }

    fn frames(&mut self) -> Option<&mut Frames> {
        Some(&mut self.frames)
    }

    fn memory(&self) -> usize {
        size_of::<Self>()
            + self.request.pending.capacity()
            + self.response.pending.capacity()
            + self.request_inflate.as_ref().map_or(0, Inflate::memory)
            + self.inflate.as_ref().map_or(0, Inflate::memory)
            + self.store.live.iter().map(Tx::memory).sum::<usize>()
    }
}

/// The live transactions, oldest first, with ids rising from 0.
#[derive(Debug, Default)]
pub(super) struct Store {
    live: VecDeque<Tx>,
    made: u64,
}

impl Store {
    /// Makes one with the next id; `None` when there are too many alive.
    pub(super) fn make(&mut self, max: usize, make: impl FnOnce(u64) -> Tx) -> Option<&mut Tx> {
        if self.live.len() >= max {
            return None;
        }
        let tx = make(self.made);
        self.made += 1;
        self.live.push_back(tx);
        self.live.back_mut()
    }

    fn place(&self, id: u64) -> Option<usize> {
        self.live.binary_search_by_key(&id, Transaction::id).ok()
    }

    pub(super) fn by_id(&mut self, id: u64) -> Option<&mut Tx> {
        let at = self.place(id)?;
        self.live.get_mut(at)
    }

    /// The oldest live one with that id or a later one.
    pub(super) fn from(&mut self, id: u64) -> Option<&mut Tx> {
        let at = self.live.partition_point(|tx| tx.id() < id);
        self.live.get_mut(at)
    }

    pub(super) fn newest(&mut self) -> Option<&mut Tx> {
        self.live.back_mut()
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Tx> {
        self.live.iter_mut()
    }

    pub(super) fn made(&self) -> u64 {
        self.made
    }
}

impl Transactions for Store {
    fn count(&self) -> usize {
        self.live.len()
    }

    fn at(&self, nth: usize) -> Option<&dyn Transaction> {
        self.live.get(nth).map(|tx| tx as &dyn Transaction)
    }

    fn remove(&mut self, id: u64) {
        if let Some(at) = self.place(id) {
            self.live.remove(at);
        }
        if self.live.is_empty() {
            self.live.shrink_to(16);
        }
    }

    fn total(&self) -> u64 {
        self.made
    }
}

/// How far a header block was read.
pub(super) enum Block {
    /// Its empty line was met.
    End,
    /// More bytes are needed.
    More,
}

/// Reads headers from `data` at `at` into a transaction's message.
pub(super) fn read_headers(
    dir: Direction,
    config: &Config,
    tx: &mut Tx,
    header: &mut Header,
    data: &[u8],
    at: &mut usize,
    eof: bool,
) -> Result<Block, ParseError> {
    let request = dir == Direction::ToServer;
    let reader = Reader { response: !request, complete: eof };
    let pick = |ours, theirs| if request { ours } else { theirs };
    let too_long = pick(events::REQUEST_FIELD_TOO_LONG, events::RESPONSE_FIELD_TOO_LONG);
    loop {
        let rest = data.get(*at..).unwrap_or_default();
        let (used, end) = match reader.next(rest, header) {
            Read::End(used) => (used, true),
            Read::Header(used) => (used, false),
            Read::More if rest.len() > config.field_max => {
                tx.event(dir, too_long);
                return Err(ParseError(too_long));
            }
            Read::More => return Ok(Block::More),
        };
        if used > config.field_max {
            tx.event(dir, too_long);
            return Err(ParseError(too_long));
        }
        let message = if request { &mut tx.request } else { &mut tx.response };
        if message.raw.len() + used > HEADER_BYTES_MAX {
            tx.event(dir, too_long);
            return Err(ParseError(too_long));
        }
        let trailer = message.progress >= BODY;
        message.trailers |= trailer && !end;
        // the empty line behind the last chunk is no header block of its own
        if !end || message.trailers || !trailer {
            message.raw.extend_from_slice(rest.get(..used).unwrap_or_default());
        }
        *at += used;
        if end {
            return Ok(Block::End);
        }
        let is_length = header.name.eq_ignore_ascii_case(b"content-length");
        let ambiguous = is_length
            && message.headers.find("content-length").is_some_and(|first| {
                let (first, second) =
                    (super::line::content_length(first), super::line::content_length(&header.value));
                first.is_none() || first != second
            });
        let added = message.headers.add(
            &header.name,
            &header.value,
            !is_length,
            config.headers_max,
            HEADER_BYTES_MAX,
        );
        let flaws = header.flaws;
        if flaws.no_colon {
            tx.event(dir, pick(events::REQUEST_FIELD_MISSING_COLON, events::RESPONSE_FIELD_MISSING_COLON));
        }
        if flaws.leading_space {
            tx.event(
                dir,
                pick(events::INVALID_REQUEST_FIELD_FOLDING, events::INVALID_RESPONSE_FIELD_FOLDING),
            );
        }
        // responses with odd names are too many to be told
        if flaws.not_token && request {
            tx.event(dir, events::REQUEST_HEADER_INVALID);
        }
        if ambiguous {
            tx.event(
                dir,
                pick(
                    events::DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST,
                    events::DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE,
                ),
            );
        }
        match added {
            Added::TooMany => {
                let name = pick(events::REQUEST_TOO_MANY_HEADERS, events::RESPONSE_TOO_MANY_HEADERS);
                tx.event(dir, name);
                return Err(ParseError(name));
            }
            Added::Excess => {
                tx.event(dir, pick(events::REQUEST_HEADER_REPETITION, events::RESPONSE_HEADER_REPETITION));
            }
            Added::New | Added::Repeated => {}
        }
    }
}

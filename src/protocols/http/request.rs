//! The client's side: request lines, headers and bodies.

use super::config::Config;
use super::events;
use super::inflate::Inflate;
use super::line::{self, Chunk, Version};
use super::multipart::{Multipart, Piece, boundary};
use super::parser::{BOMBS_MAX, Block, HttpParser, LOST_BEHIND_MAX, Lane, REQUEST, Ran, read_headers};
use super::slots::{BODY, HEADERS, LINE, TRAILER};
use super::transaction::Tx;
use super::uri::{normalise, normalise_path, split};
use crate::app::{ParseError, Transaction};
use crate::types::Direction::ToServer;

/// Where in a request the client's stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Between requests.
    Idle,
    Line,
    /// A request line without a protocol was read: what follows tells 0.9 from a forgotten version.
    Old,
    Headers,
    /// A `CONNECT` waits for its answer.
    Connect,
    /// So many bytes of the body are left.
    Body(u64),
    ChunkLength,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    /// The request is complete unless odd bytes follow at once.
    Finish,
    /// Bytes were lost: what follows is passed over up to the next request line.
    Lost,
    /// Nothing that follows is a request.
    Ignore,
}

/// Bytes that wait behind a `CONNECT` before it is taken for a tunnel.
const CONNECT_WAITING_MAX: usize = 64 << 10;

impl HttpParser {
    pub(super) fn run_request(&mut self, data: &[u8], eof: bool) -> Result<Ran, ParseError> {
        let Self { config, store, request: lane, response, request_inflate: inflate, bombs, frames, .. } =
            self;
        let config: &Config = config;
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            if lane.state == State::Idle {
                at += rest.iter().take_while(|c| matches!(c, b'\r' | b'\n')).count();
                if at >= data.len() {
                    break;
                }
                let Some(tx) = store.make(config.tx_max, |id| Tx::new(id, config)) else {
                    if let Some(tx) = store.newest() {
                        tx.event(ToServer, events::TOO_MANY_TX);
                    }
                    return Err(ParseError(events::TOO_MANY_TX));
                };
                if response.ended {
                    tx.response.finish(false);
                }
                lane.tx = tx.id();
                *inflate = None;
                frames.report(ToServer, REQUEST, at, None, Some(lane.tx));
                lane.state = State::Line;
                continue;
            }
            if lane.state == State::Ignore {
                at = data.len();
                break;
            }
            if lane.state == State::Lost {
                at += line::next_request_line(rest).unwrap_or(rest.len());
                if at >= data.len() {
                    break;
                }
                lane.state = State::Idle;
                continue;
            }
            let Some(tx) = store.by_id(lane.tx) else {
                // inspected and gone: only bytes that belong to nothing can follow
                match lane.state {
                    State::Finish => {
                        lane.state = State::Idle;
                        continue;
                    }
                    _ => return Err(ParseError("transaction is gone")),
                }
            };
            match lane.state {
                State::Idle | State::Lost | State::Ignore => break,
                State::Line => {
                    let len = match memchr::memchr(b'\n', rest) {
                        Some(lf) => lf + 1,
                        None if eof => rest.len(),
                        None => 0,
                    };
                    if len > config.field_max || (len == 0 && rest.len() > config.field_max) {
                        tx.event(ToServer, events::REQUEST_FIELD_TOO_LONG);
                        return Err(ParseError(events::REQUEST_FIELD_TOO_LONG));
                    }
                    if len == 0 {
                        break;
                    }
                    at += len;
                    let text = line::chomp(rest.get(..len).unwrap_or_default());
                    if text.iter().all(|&c| line::is_space(c)) {
                        continue;
                    }
                    lane.state = read_line(config, tx, text);
                }
                State::Old => {
                    let text = rest.iter().position(|&c| !line::is_space(c));
                    if text.is_some() {
                        tx.is_http09 = false;
                        tx.event(ToServer, events::REQUEST_LINE_MISSING_PROTOCOL);
                        lane.state = State::Headers;
                    } else {
                        // still 0.9 if the server answers now
                        at = data.len();
                        break;
                    }
                }
                State::Headers => {
                    match read_headers(ToServer, config, tx, &mut lane.header, data, &mut at, eof)? {
                        Block::More => break,
                        Block::End => {}
                    }
                    lane.state = headers_read(tx)?;
                    if matches!(lane.state, State::Body(_) | State::ChunkLength) && *bombs < BOMBS_MAX {
                        let value = tx.request.headers.find_lenient("content-encoding");
                        if let Some(value) = value.map(|(value, _)| value.to_vec()) {
                            *inflate = Inflate::new(&value, config, &mut |event| tx.event(ToServer, event));
                        }
                    }
                    tx.request.reach(HEADERS);
                    if matches!(lane.state, State::Body(_) | State::ChunkLength) {
                        tx.request.reach(BODY);
                    }
                }
                State::Connect => {
                    if eof || rest.len() > CONNECT_WAITING_MAX {
                        tx.request.finish(true);
                        frames.finish(ToServer, REQUEST, at);
                        lane.state = State::Ignore;
                        continue;
                    }
                    return Ok(Ran { used: at, suspended: true, change: None });
                }
                State::Body(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    body(config, tx, inflate, bombs, rest.get(..take).unwrap_or_default());
                    at += take;
                    let left = left - take as u64;
                    lane.state = if left == 0 { finish_body(config, tx, inflate) } else { State::Body(left) };
                    if left > 0 {
                        break;
                    }
                }
                State::ChunkLength => {
                    let Some(lf) = memchr::memchr(b'\n', rest) else {
                        if !line::may_be_chunk_length(rest) || rest.len() > config.field_max {
                            tx.event(ToServer, events::INVALID_REQUEST_CHUNK_LEN);
                            return Err(ParseError(events::INVALID_REQUEST_CHUNK_LEN));
                        }
                        break;
                    };
                    at += lf + 1;
                    tx.request.length += lf as u64 + 1;
                    match line::chunk_length(rest.get(..lf).unwrap_or_default()) {
                        Chunk::Empty => {}
                        Chunk::Length(length, extension) => {
                            if extension {
                                tx.event(ToServer, events::REQUEST_CHUNK_EXTENSION);
                            }
                            lane.state = if length == 0 { State::Trailers } else { State::ChunkData(length) };
                        }
                        Chunk::Invalid => {
                            tx.event(ToServer, events::INVALID_REQUEST_CHUNK_LEN);
                            return Err(ParseError(events::INVALID_REQUEST_CHUNK_LEN));
                        }
                    }
                }
                State::ChunkData(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    if take == 0 {
                        break;
                    }
                    body(config, tx, inflate, bombs, rest.get(..take).unwrap_or_default());
                    at += take;
                    let left = left - take as u64;
                    lane.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                }
                State::ChunkEnd => match memchr::memchr(b'\n', rest) {
                    Some(lf) => {
                        at += lf + 1;
                        lane.state = State::ChunkLength;
                    }
                    None => {
                        at = data.len();
                        break;
                    }
                },
                State::Trailers => {
                    match read_headers(ToServer, config, tx, &mut lane.header, data, &mut at, eof)? {
                        Block::More => break,
                        Block::End => {}
                    }
                    tx.request.headers_changed();
                    lane.state = finish_body(config, tx, inflate);
                }
                State::Finish => {
                    at += finish(config, lane, tx, rest);
                    if lane.state == State::Idle {
                        frames.finish(ToServer, REQUEST, at);
                    }
                }
            }
        }
        Ok(Ran { used: at, suspended: false, change: None })
    }

    /// The client's stream is over.
    pub(super) fn end_request(&mut self) {
        let config: &Config = &self.config;
        let state = std::mem::replace(&mut self.request.state, State::Ignore);
        if let Some(tx) = self.store.by_id(self.request.tx) {
            let whole = matches!(state, State::Finish | State::Old | State::Connect | State::Trailers);
            end_inflate(config, tx, &mut self.request_inflate);
            end_multipart(config, tx);
            tx.request.finish(whole);
        }
        for tx in self.store.all() {
            tx.request.finish(false);
        }
    }

    pub(super) fn request_gap(&mut self, len: u64) -> Result<(), ParseError> {
        let Self { config, store, request: lane, request_inflate: inflate, .. } = self;
        if lane.ended || lane.state == State::Ignore {
            return Ok(());
        }
        let next = match lane.state {
            State::Body(left) if len < left => State::Body(left - len),
            State::Body(left) if len - left <= LOST_BEHIND_MAX => State::Finish,
            State::ChunkData(left) if len < left => State::ChunkData(left - len),
            State::ChunkData(left) if len == left => State::ChunkEnd,
            State::Lost => return Ok(()),
            // what the lost bytes were cannot be told: the request in the works is given up, the next one is looked for
            before => {
                if before != State::Idle
                    && let Some(tx) = store.by_id(lane.tx)
                {
                    finish_body(config, tx, inflate);
                    tx.request.finish(true);
                }
                lane.state = State::Lost;
                lane.pending.clear();
                *inflate = None;
                return Ok(());
            }
        };
        let len = match lane.state {
            State::Body(left) => len.min(left),
            _ => len,
        };
        lane.state = next;
        if let Some(tx) = store.by_id(lane.tx) {
            // a compressed stream does not survive it
            end_inflate(config, tx, inflate);
            open_file(config, tx);
            tx.request.body.gap(len);
            tx.request.files.gap(len);
            tx.request.length += len;
            if next == State::Finish {
                finish_body(config, tx, inflate);
                tx.request.finish(true);
                lane.state = State::Idle;
            }
        }
        Ok(())
    }

    /// The server answers a request that may be of HTTP/0.9: it is one.
    pub(super) fn settle_old_request(&mut self, id: u64) {
        if self.request.state == State::Old
            && self.request.tx == id
            && let Some(tx) = self.store.by_id(id)
        {
            tx.request.reach(HEADERS);
            tx.request.finish(true);
            self.request.state = State::Ignore;
        }
    }

    /// The server's answer to a `CONNECT` came: a tunnel, or requests go on.
    pub(super) fn settle_connect(&mut self, id: u64, tunnel: bool) {
        if self.request.state == State::Connect && self.request.tx == id {
            self.request.state = if tunnel { State::Ignore } else { State::Idle };
            if let Some(tx) = self.store.by_id(id) {
                tx.request.finish(true);
            }
        }
    }

    /// The server refused the request before its body was sent: no body will come.
    pub(super) fn refuse_body(&mut self, id: u64) {
        if self.request.tx != id || !matches!(self.request.state, State::Body(_)) {
            return;
        }
        if let Some(tx) = self.store.by_id(id)
            && tx.request.body.total() == 0
            && tx.request.headers.find("expect").is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"))
        {
            tx.request.finish(true);
            self.request.state = State::Idle;
        }
    }
}

/// Takes a request line apart; what comes next.
fn read_line(config: &Config, tx: &mut Tx, text: &[u8]) -> State {
    let parts = line::request_line(text);
    let range = |part: &[u8]| {
        let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        start..start + part.len()
    };
    tx.method = range(parts.method);
    tx.target = range(parts.target);
    tx.request.protocol = range(parts.protocol);
    tx.request.line = text.to_vec();
    tx.request.version = line::version(parts.protocol);
    tx.is_connect = parts.method == b"CONNECT";
    tx.is_head = parts.method == b"HEAD";
    if parts.leading_space {
        tx.event(ToServer, events::REQUEST_LINE_LEADING_WHITESPACE);
    }
    if parts.odd_method_end {
        tx.event(ToServer, events::METHOD_DELIM_NON_COMPLIANT);
    }
    if parts.odd_target_end {
        tx.event(ToServer, events::URI_DELIM_NON_COMPLIANT);
    }
    if !line::is_method(parts.method) && parts.target.is_empty() {
        tx.event(ToServer, events::REQUEST_LINE_INVALID);
    }
    if tx.is_connect {
        let host = line::host(parts.target);
        if host.invalid {
            tx.event(ToServer, events::REQUEST_URI_HOST_INVALID);
        }
        tx.host = Some(host);
    } else {
        let target = split(parts.target);
        if normalise(&target, &config.decoding, &mut tx.uri).double_encoded {
            tx.event(ToServer, events::DOUBLE_ENCODED_URI);
        }
        tx.path = target.path.map(|path| normalise_path(path, &config.decoding)).unwrap_or_default();
        if let Some(name) = target.host {
            let mut host = line::host(name);
            host.port = target.port.and_then(|port| std::str::from_utf8(port).ok()?.parse().ok());
            if host.invalid || (target.port.is_some() && host.port.is_none()) {
                tx.event(ToServer, events::REQUEST_URI_HOST_INVALID);
            }
            tx.host = Some(host);
        }
    }
    tx.host_in_target = tx.host.is_some();
    tx.request.reach(LINE);
    if parts.protocol.is_empty() {
        tx.is_http09 = true;
        return State::Old;
    }
    State::Headers
}

/// All headers are there: who is asked, and how the body is framed.
fn headers_read(tx: &mut Tx) -> Result<State, ParseError> {
    tx.request_understood = true;
    check_host(tx);
    let unrecognised = |value: &[u8]| {
        !["basic", "digest", "bearer"].iter().any(|scheme| {
            value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
        })
    };
    if tx.request.headers.find_lenient("authorization").is_some_and(|(value, _)| unrecognised(value)) {
        tx.event(ToServer, events::REQUEST_AUTH_UNRECOGNIZED);
    }
    let headers = &tx.request.headers;
    let chunked = headers.find_lenient("transfer-encoding").map(|(value, _)| line::holds(value, "chunked"));
    let length = headers.find_lenient("content-length").map(|(value, _)| line::content_length(value));
    let state = match (chunked, length) {
        (Some(false), _) => {
            tx.event(ToServer, events::INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST);
            return Err(ParseError(events::INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST));
        }
        (Some(true), _) => State::ChunkLength,
        (None, Some(None)) => {
            tx.event(ToServer, events::INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST);
            return Err(ParseError(events::INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST));
        }
        (None, Some(Some(length))) if length > 0 => State::Body(length),
        _ => State::Finish,
    };
    if tx.is_connect {
        return Ok(State::Connect);
    }
    if tx.request.part(&tx.method) == b"POST" {
        let boundary = tx.request.headers.find("content-type").and_then(boundary);
        tx.multipart = boundary.map(|boundary| Multipart::new(&boundary));
    }
    Ok(state)
}

fn check_host(tx: &mut Tx) {
    let Some((value, _)) = tx.request.headers.find_lenient("host") else {
        if tx.request.version >= Version::Http11 {
            tx.event(ToServer, events::MISSING_HOST_HEADER);
        }
        return;
    };
    let host = line::host(value);
    if host.invalid {
        tx.event(ToServer, events::REQUEST_HEADER_HOST_INVALID);
    }
    match &tx.host {
        None => tx.host = Some(host),
        Some(named) => {
            let ports_differ = named.port.is_some() && host.port.is_some() && named.port != host.port;
            if named.name != host.name || ports_differ {
                tx.event(ToServer, events::HOST_HEADER_AMBIGUOUS);
            }
        }
    }
}

/// A body that is a file itself becomes one with its first byte.
fn open_file(config: &Config, tx: &mut Tx) {
    let is_upload = matches!(tx.request.part(&tx.method), b"POST" | b"PUT");
    if is_upload && tx.multipart.is_none() && tx.request.files.list().is_empty() {
        let name = tx.default_file_name();
        tx.request.files.open(name, config.digests, false);
    }
}

/// Bytes of the body as sent.
fn body(config: &Config, tx: &mut Tx, inflate: &mut Option<Inflate>, bombs: &mut u8, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    tx.request.reach(BODY);
    tx.request.length += bytes.len() as u64;
    let Some(inflate) = inflate else {
        plain(config, tx, bytes);
        return;
    };
    // what is beyond the limit needs no decompression
    if !tx.request.body.is_cut() {
        inflate.feed(bytes, &mut |bytes| plain(config, tx, bytes));
    }
    if let Some(event) = inflate.event() {
        *bombs += u8::from(event == events::COMPRESSION_BOMB);
        tx.event(ToServer, event);
    }
}

/// Plain bytes of the body. False when no more are kept.
fn plain(config: &Config, tx: &mut Tx, bytes: &[u8]) -> bool {
    open_file(config, tx);
    let within = tx.request.body.add(bytes, &config.request);
    match tx.multipart.take() {
        Some(mut multipart) => {
            multipart.feed(within, &mut |piece| take_piece(config, tx, piece));
            if tx.request.body.is_cut() {
                multipart.finish(&mut |piece| take_last_piece(config, tx, piece));
            }
            tx.multipart = Some(multipart);
        }
        None => tx.request.files.add(within, &config.request),
    }
    if tx.request.body.is_cut() {
        tx.request.files.close(false);
    }
    !tx.request.body.is_cut()
}

fn end_inflate(config: &Config, tx: &mut Tx, inflate: &mut Option<Inflate>) {
    if let Some(mut inflate) = inflate.take() {
        inflate.finish(&mut |bytes| plain(config, tx, bytes));
        if let Some(event) = inflate.event() {
            tx.event(ToServer, event);
        }
    }
}

fn take_piece(config: &Config, tx: &mut Tx, piece: Piece<'_>) {
    match piece {
        Piece::Open(name) => {
            if !tx.request.files.open(name, config.digests, true) {
                tx.event(ToServer, events::FILE_NAME_TOO_LONG);
            }
        }
        Piece::Data(bytes) => tx.request.files.add(bytes, &config.request),
        Piece::Close => tx.request.files.close(true),
        Piece::Event(name) => tx.event(ToServer, name),
    }
}

/// The same at the end of a body that was cut: what is open is not whole.
fn take_last_piece(config: &Config, tx: &mut Tx, piece: Piece<'_>) {
    match piece {
        Piece::Close => tx.request.files.close(false),
        piece => take_piece(config, tx, piece),
    }
}

fn end_multipart(config: &Config, tx: &mut Tx) {
    if let Some(mut multipart) = tx.multipart.take() {
        multipart.finish(&mut |piece| take_last_piece(config, tx, piece));
        // a body without a part in it stays a multipart body, not a file
        tx.multipart = Some(multipart);
    }
}

/// The body is whole.
fn finish_body(config: &Config, tx: &mut Tx, inflate: &mut Option<Inflate>) -> State {
    end_inflate(config, tx, inflate);
    end_multipart(config, tx);
    tx.request.reach(TRAILER);
    State::Finish
}

/// After a request: ready for the next one, unless what follows at once is not a request at all, which lenient servers take
/// for more body. Returns bytes used.
fn finish(config: &Config, lane: &mut Lane<State>, tx: &mut Tx, rest: &[u8]) -> usize {
    let skip = rest.iter().take_while(|c| matches!(c, b'\r' | b'\n')).count();
    let text = rest.get(skip..).unwrap_or_default();
    let word = text.iter().position(|&c| line::is_space(c)).unwrap_or(text.len());
    let whole_word = word < text.len();
    let word = text.get(..word).unwrap_or_default();
    let is_request = if whole_word {
        line::is_method(word) || {
            let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
            let parts = line::request_line(line::chomp(text.get(..end).unwrap_or_default()));
            line::version(parts.protocol) != Version::Invalid
        }
    } else {
        line::METHODS.iter().any(|method| method.as_bytes().starts_with(word))
    };
    if skip > 0 {
        tx.request.length += skip as u64;
        plain(config, tx, rest.get(..skip).unwrap_or_default());
    }
    if text.is_empty() || is_request {
        tx.request.finish(true);
        lane.state = State::Idle;
        return skip;
    }
    tx.event(ToServer, events::REQUEST_BODY_UNEXPECTED);
    let end = memchr::memchr(b'\n', text).map_or(text.len(), |lf| lf + 1);
    let text = text.get(..end).unwrap_or_default();
    tx.request.length += text.len() as u64;
    plain(config, tx, text);
    skip + end
}

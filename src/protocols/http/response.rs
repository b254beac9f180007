//! The server's side: status lines, headers and bodies.

use super::config::Config;
use super::events;
use super::inflate::Inflate;
use super::line::{self, Chunk, Version};
use super::parser::{BOMBS_MAX, Block, HttpParser, LOST_BEHIND_MAX, RESPONSE, Ran, read_headers};
use super::slots::{BODY, HEADERS, LINE, TRAILER};
use super::transaction::Tx;
use crate::app::{Change, ParseError, Transaction};
use crate::types::Direction::ToClient;

/// Where in a response the server's stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Between responses.
    Idle,
    Line,
    Headers,
    /// The body ends with the stream.
    UntilClose,
    /// So many bytes of the body are left.
    Body(u64),
    ChunkLength,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    /// The response is complete unless odd bytes follow at once.
    Finish,
    /// Bytes were lost: what follows is passed over up to the next status line.
    Lost,
    /// Nothing that follows is a response.
    Ignore,
}

impl HttpParser {
    pub(super) fn run_response(&mut self, data: &[u8], eof: bool) -> Result<Ran, ParseError> {
        let mut at = 0;
        let mut change = None;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            match self.response.state {
                State::Idle => {
                    if rest.is_empty() {
                        break;
                    }
                    self.begin_response(rest)?;
                    self.frames.report(ToClient, RESPONSE, at, None, Some(self.response.tx));
                    continue;
                }
                State::Lost => {
                    at += line::next_status_line(rest).unwrap_or(rest.len());
                    if at == data.len() {
                        break;
                    }
                    self.response.state = State::Idle;
                    continue;
                }
                State::Ignore => {
                    at = data.len();
                    break;
                }
                _ => {}
            }
            let Self { config, store, response: lane, inflate, bombs, frames, .. } = self;
            let config: &Config = config;
            let Some(tx) = store.by_id(lane.tx) else {
                match lane.state {
                    State::Finish => {
                        lane.tx += 1;
                        lane.state = State::Idle;
                        continue;
                    }
                    _ => return Err(ParseError("transaction is gone")),
                }
            };
            match lane.state {
                State::Idle | State::Lost | State::Ignore => break,
                State::Line => {
                    let Some((text, end)) = split_line(rest, eof) else {
                        if rest.len() > config.field_max {
                            tx.event(ToClient, events::RESPONSE_FIELD_TOO_LONG);
                            return Err(ParseError(events::RESPONSE_FIELD_TOO_LONG));
                        }
                        if !rest.is_empty() && !line::may_be_status_line(rest) {
                            junk(config, tx, rest);
                            at = data.len();
                        }
                        break;
                    };
                    if rest.is_empty() {
                        break;
                    }
                    at += end;
                    if text.len() > config.field_max {
                        tx.event(ToClient, events::RESPONSE_FIELD_TOO_LONG);
                        return Err(ParseError(events::RESPONSE_FIELD_TOO_LONG));
                    }
                    if text.iter().all(|&c| line::is_space(c)) {
                        continue;
                    }
                    if !line::is_status_line(text) {
                        // a short line, or one right before a status line, is skipped; other lines are body to browsers
                        if text.len() > 2 && data.get(at) != Some(&b'H') {
                            junk(config, tx, rest.get(..end).unwrap_or_default());
                        }
                        continue;
                    }
                    read_line(tx, text);
                    lane.state = State::Headers;
                }
                State::Headers => {
                    // the status line ended with LF CR
                    if let ([b'\r', next, ..], true) = (rest, tx.response.headers.is_empty())
                        && *next != b'\n'
                    {
                        at += 1;
                    }
                    match read_headers(ToClient, config, tx, &mut lane.header, data, &mut at, eof)? {
                        Block::More => break,
                        Block::End => {}
                    }
                    change = self.headers_read()?.or(change);
                    if matches!(change, Some(Change::To(_))) {
                        // what follows is no HTTP/1
                        break;
                    }
                }
                State::UntilClose => {
                    body(config, tx, inflate, bombs, rest);
                    at = data.len();
                    break;
                }
                State::Body(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    body(config, tx, inflate, bombs, rest.get(..take).unwrap_or_default());
                    at += take;
                    let left = left - take as u64;
                    if left > 0 {
                        lane.state = State::Body(left);
                        break;
                    }
                    finish_body(config, tx, inflate);
                    lane.state = State::Finish;
                }
                State::ChunkLength => {
                    let Some(lf) = memchr::memchr(b'\n', rest) else {
                        let may_be = line::may_be_chunk_length(rest) && rest.len() <= config.field_max;
                        if rest.is_empty() || (may_be && !eof) {
                            break;
                        }
                        tx.event(ToClient, events::INVALID_RESPONSE_CHUNK_LEN);
                        lane.state = State::UntilClose;
                        continue;
                    };
                    match line::chunk_length(rest.get(..lf).unwrap_or_default()) {
                        Chunk::Empty => {}
                        Chunk::Length(length, extension) => {
                            if extension {
                                tx.event(ToClient, events::RESPONSE_CHUNK_EXTENSION);
                            }
                            lane.state = if length == 0 { State::Trailers } else { State::ChunkData(length) };
                        }
                        Chunk::Invalid => {
                            // browsers take the rest as it is
                            tx.event(ToClient, events::INVALID_RESPONSE_CHUNK_LEN);
                            lane.state = State::UntilClose;
                            continue;
                        }
                    }
                    at += lf + 1;
                    tx.response.length += lf as u64 + 1;
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
                State::ChunkEnd => {
                    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
                    at += end;
                    tx.response.length += end as u64;
                    if end == 0 || rest.get(end - 1) != Some(&b'\n') {
                        break;
                    }
                    lane.state = State::ChunkLength;
                }
                State::Trailers => {
                    match read_headers(ToClient, config, tx, &mut lane.header, data, &mut at, eof)? {
                        Block::More => break,
                        Block::End => {}
                    }
                    tx.response.headers_changed();
                    finish_body(config, tx, inflate);
                    lane.state = State::Finish;
                }
                State::Finish => {
                    // what follows at once and is no status line is more body to browsers, a line end too
                    let skip = rest.iter().take_while(|c| matches!(c, b'\r' | b'\n')).count();
                    let text = rest.get(skip..).unwrap_or_default();
                    let over = text.is_empty() || line::may_be_status_line(text);
                    let end = match (over, memchr::memchr(b'\n', text)) {
                        (true, _) => skip,
                        (false, Some(lf)) => skip + lf + 1,
                        (false, None) => rest.len(),
                    };
                    if inflate.is_none() && !tx.is_head {
                        body(config, tx, inflate, bombs, rest.get(..end).unwrap_or_default());
                    }
                    at += end;
                    if over {
                        tx.response.finish(true);
                        frames.finish(ToClient, RESPONSE, at);
                        *inflate = None;
                        lane.tx += 1;
                        lane.state = State::Idle;
                    }
                }
            }
        }
        // what follows an upgrade is for another parser
        Ok(Ran { used: at, suspended: matches!(change, Some(Change::To(_))), change })
    }

    /// A response begins: whose is it?
    fn begin_response(&mut self, rest: &[u8]) -> Result<(), ParseError> {
        let Self { config, store, response: lane, .. } = self;
        // transactions that were taken away before their response came
        let id = match store.from(lane.tx) {
            Some(tx) => tx.id(),
            None => {
                lane.tx = store.made();
                let Some(tx) = store.make(config.tx_max, |id| Tx::without_request(id, config)) else {
                    if let Some(tx) = store.newest() {
                        tx.event(ToClient, events::TOO_MANY_TX);
                    }
                    return Err(ParseError(events::TOO_MANY_TX));
                };
                tx.event(ToClient, events::UNABLE_TO_MATCH_RESPONSE_TO_REQUEST);
                tx.id()
            }
        };
        lane.tx = id;
        lane.state = State::Line;
        if let Some(tx) = store.by_id(id) {
            if tx.request_seen && tx.progress(crate::types::Direction::ToServer) < LINE {
                tx.event(ToClient, events::REQUEST_LINE_INCOMPLETE);
            }
            // a server that answers with a status line did not take the request for 0.9
            if tx.is_http09 && !rest.starts_with(b"HTTP/1.") {
                tx.response.reach(BODY);
                lane.state = State::UntilClose;
            }
        }
        self.settle_old_request(id);
        Ok(())
    }

    /// All headers are there: how the body is framed and coded, and whether the connection changes.
    fn headers_read(&mut self) -> Result<Option<Change>, ParseError> {
        let Self { config, store, response: lane, inflate, bombs, .. } = self;
        let id = lane.tx;
        let Some(tx) = store.by_id(id) else { return Ok(None) };
        let headers = &tx.response.headers;
        let coding = headers.find_lenient("transfer-encoding").map(|(value, _)| value.to_vec());
        let length = headers.find_lenient("content-length").map(|(value, _)| line::content_length(value));
        let unframed = coding.is_none() && length.is_none();
        if tx.is_connect && (200..300).contains(&tx.status) {
            tx.response.reach(HEADERS);
            tx.response.finish(true);
            lane.state = State::Ignore;
            self.settle_connect(id, true);
            return Ok(Some(Change::Probe));
        }
        if tx.status == 101 && unframed {
            let upgrade =
                headers.find_lenient("upgrade").map(|(value, _)| value.to_vec()).unwrap_or_default();
            let h2c = line::holds(&upgrade, "h2c");
            let websocket = line::holds(&upgrade, "websocket");
            tx.response.reach(HEADERS);
            tx.response.finish(true);
            tx.request.finish(true);
            let upgrade = h2c.then(|| super::Upgrade {
                method: tx.request.part(&tx.method).to_vec(),
                target: tx.raw_target().to_vec(),
                headers: tx
                    .request
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_vec(), value.to_vec()))
                    .collect(),
            });
            lane.state = State::Ignore;
            self.request.state = super::request::State::Ignore;
            self.upgrade = upgrade;
            return Ok(match (h2c, websocket) {
                (true, _) => Some(Change::To("http2")),
                (_, true) => Some(Change::To("websocket")),
                _ => None,
            });
        }
        // an interim response: the final one follows (RFC 9110 section 15.2)
        if (100..200).contains(&tx.status) && coding.is_none() && length.flatten().unwrap_or(0) == 0 {
            if tx.status == 100 && tx.continued {
                tx.event(ToClient, events::CONTINUE_ALREADY_SEEN);
            }
            tx.continued = true;
            tx.response.headers.clear();
            // the raw headers go on, with the next status line in them
            tx.response.line.clear();
            lane.state = State::Line;
            return Ok(None);
        }
        let bodiless = tx.is_head || (matches!(tx.status, 204 | 304) && unframed);
        let chunked = coding.as_deref().is_some_and(|value| line::holds(value, "chunked"));
        let state = if bodiless {
            State::Finish
        } else if chunked {
            if coding.as_deref().is_some_and(|value| !value.eq_ignore_ascii_case(b"chunked")) {
                tx.event(ToClient, events::RESPONSE_ABNORMAL_TRANSFER_ENCODING);
            }
            if tx.response.version < Version::Http11 {
                tx.event(ToClient, events::RESPONSE_CHUNKED_OLD_PROTO);
            }
            State::ChunkLength
        } else {
            match length {
                Some(Some(0)) => State::Finish,
                Some(Some(length)) => State::Body(length),
                Some(None) => {
                    tx.event(ToClient, events::INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE);
                    tx.response.reach(HEADERS);
                    return Err(ParseError(events::INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE));
                }
                None => State::UntilClose,
            }
        };
        let headers = &tx.response.headers;
        if state == State::UntilClose
            && headers.find("content-type").is_some_and(|value| line::holds(value, "multipart/byteranges"))
        {
            tx.event(ToClient, events::RESPONSE_MULTIPART_BYTERANGES);
        }
        if let Some(value) = tx.response.headers.find("content-range") {
            tx.content_range = line::content_range(value);
            if tx.content_range.is_none() {
                tx.event(ToClient, events::RANGE_INVALID);
            }
        }
        *inflate = None;
        if state != State::Finish && *bombs < BOMBS_MAX {
            let value = tx.response.headers.find_lenient("content-encoding").map(|(value, _)| value.to_vec());
            if let Some(value) = value {
                *inflate = Inflate::new(&value, config, &mut |event| tx.event(ToClient, event));
            }
        }
        tx.response.reach(HEADERS);
        if state != State::Finish {
            tx.response.reach(BODY);
        }
        let refused = (400..500).contains(&tx.status);
        let connect = tx.is_connect;
        lane.state = state;
        if refused {
            self.refuse_body(id);
        }
        if connect {
            self.settle_connect(id, false);
        }
        Ok(None)
    }

    /// The server's stream is over.
    pub(super) fn end_response(&mut self) {
        let Self { config, store, response: lane, inflate, .. } = self;
        let state = std::mem::replace(&mut lane.state, State::Ignore);
        let whole = matches!(state, State::UntilClose | State::Finish | State::Line | State::Trailers);
        if state != State::Idle
            && state != State::Ignore
            && let Some(tx) = store.by_id(lane.tx)
        {
            if state == State::Headers {
                tx.response.reach(HEADERS);
            }
            if state != State::Finish {
                finish_body(config, tx, inflate);
            }
            tx.response.finish(whole);
        }
        *inflate = None;
        for tx in store.all() {
            tx.response.finish(false);
        }
    }

    pub(super) fn response_gap(&mut self, len: u64) -> Result<(), ParseError> {
        let Self { config, store, response: lane, inflate, .. } = self;
        if lane.ended || lane.state == State::Ignore {
            return Ok(());
        }
        let next = match lane.state {
            State::UntilClose => State::UntilClose,
            State::Body(left) if len < left => State::Body(left - len),
            State::Body(left) if len - left <= LOST_BEHIND_MAX => State::Finish,
            State::ChunkData(left) if len < left => State::ChunkData(left - len),
            State::ChunkData(left) if len == left => State::ChunkEnd,
            State::Lost => return Ok(()),
            // what the lost bytes were cannot be told: the response in the works is given up, the next one is looked for
            _ => {
                if let Some(tx) = store.by_id(lane.tx) {
                    finish_body(config, tx, inflate);
                    tx.response.finish(true);
                }
                lane.tx += 1;
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
            if let Some(inflate) = inflate {
                inflate.finish(&mut |_| false);
            }
            open_file(config, tx);
            tx.response.body.gap(len);
            tx.response.files.gap(len);
            tx.response.length += len;
            if next == State::Finish {
                finish_body(config, tx, inflate);
                tx.response.finish(true);
                lane.tx += 1;
                lane.state = State::Idle;
                *inflate = None;
            }
        }
        Ok(())
    }
}

/// The first line without its end, and its length with it; `None` when the end is not there yet.
fn split_line(data: &[u8], eof: bool) -> Option<(&[u8], usize)> {
    let Some(len) = memchr::memchr2(b'\r', b'\n', data) else {
        return eof.then_some((data, data.len()));
    };
    let end = match (data.get(len), data.get(len + 1)) {
        (Some(b'\r'), Some(b'\n')) => len + 2,
        (Some(b'\r'), None) if !eof => return None,
        _ => len + 1,
    };
    Some((data.get(..len).unwrap_or_default(), end))
}

fn read_line(tx: &mut Tx, text: &[u8]) {
    let parts = line::status_line(text);
    let range = |part: &[u8]| {
        let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        start..start + part.len()
    };
    if !tx.response.raw.is_empty() {
        tx.response.raw.extend_from_slice(text);
        tx.response.raw.extend_from_slice(b"\r\n");
    }
    tx.response.protocol = range(parts.protocol);
    tx.code = range(parts.code);
    tx.message = range(parts.message);
    tx.status = line::status(parts.code);
    tx.response.version = line::version(parts.protocol);
    tx.response.line = text.to_vec();
    if tx.response.version == Version::Invalid {
        tx.event(ToClient, events::RESPONSE_INVALID_PROTOCOL);
    }
    if tx.status == 0 {
        tx.event(ToClient, events::RESPONSE_INVALID_STATUS);
    }
    // an interim response may not be the last: its line is not reported as the response's
    if !(100..200).contains(&tx.status) || tx.status == 101 {
        tx.response.reach(LINE);
    }
}

fn open_file(config: &Config, tx: &mut Tx) {
    if !tx.response.files.list().is_empty() {
        return;
    }
    let disposition = tx.response.headers.find("content-disposition");
    let name = disposition
        .and_then(|value| line::parameter(value, "filename"))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| tx.default_file_name());
    if !tx.response.files.open(name, config.digests, false) {
        tx.event(ToClient, events::FILE_NAME_TOO_LONG);
    }
    if let Some((Some(first), Some(last), Some(size))) = tx.content_range {
        tx.response.files.set_range((first, last, size));
    }
}

/// Plain bytes of the body. False when no more are kept.
fn plain(config: &Config, tx: &mut Tx, bytes: &[u8]) -> bool {
    open_file(config, tx);
    let within = tx.response.body.add(bytes, &config.response);
    if tx.response.files.is_open() {
        tx.response.files.add(within, &config.response);
        if tx.response.body.is_cut() {
            tx.response.files.close(false);
        }
    }
    !tx.response.body.is_cut()
}

/// Bytes of the body as sent.
fn body(config: &Config, tx: &mut Tx, inflate: &mut Option<Inflate>, bombs: &mut u8, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    tx.response.reach(BODY);
    tx.response.length += bytes.len() as u64;
    let Some(inflate) = inflate else {
        plain(config, tx, bytes);
        return;
    };
    // what is beyond the limit needs no decompression
    if !tx.response.body.is_cut() {
        inflate.feed(bytes, &mut |bytes| plain(config, tx, bytes));
    }
    if let Some(event) = inflate.event() {
        *bombs += u8::from(event == events::COMPRESSION_BOMB);
        tx.event(ToClient, event);
    }
}

/// A line that is no status line where one should be: body, as browsers see it.
fn junk(config: &Config, tx: &mut Tx, bytes: &[u8]) {
    tx.response.length += bytes.len() as u64;
    plain(config, tx, bytes);
}

/// The body is whole.
fn finish_body(config: &Config, tx: &mut Tx, inflate: &mut Option<Inflate>) {
    if let Some(inflate) = inflate {
        inflate.finish(&mut |bytes| plain(config, tx, bytes));
        if let Some(event) = inflate.event() {
            tx.event(ToClient, event);
        }
    }
    tx.response.reach(TRAILER);
}

//! A request and its response, and the answers to who asks for their parts.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use super::config::{Config, Records};
use super::files::Files;
use super::headers::Headers;
use super::line::{ContentRange, Host, Version};
use super::log::Shown;
use super::multipart::Multipart;
use super::slots as slot;
use crate::app::body::{BodyLimits, Kept};
use crate::app::{Body, DONE, File, Slot, Transaction};
use crate::json::JsonWriter;
use crate::protocols::views::{self, Seen, Viewed};
use crate::types::Direction;

/// Events kept of one transaction.
const EVENTS_MAX: usize = 64;

/// The target of a response without a request, as Suricata names it.
const NOT_SEEN: &[u8] = b"/libhtp::request_uri_not_seen";

/// What both messages have.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) progress: u8,
    pub(super) line: Vec<u8>,
    pub(super) protocol: Range<usize>,
    pub(super) version: Version,
    pub(super) headers: Headers,
    pub(super) raw: Vec<u8>,
    /// Headers came behind the body.
    pub(super) trailers: bool,
    pub(super) body: Kept,
    pub(super) files: Files,
    /// Bytes behind the headers as framed on the wire.
    pub(super) length: u64,
    derived: Derived,
}

/// Buffers put together when first asked for.
#[derive(Debug, Default)]
struct Derived {
    header: OnceCell<Vec<u8>>,
    names: OnceCell<Vec<u8>>,
    start: OnceCell<Vec<u8>>,
}

impl Message {
    /// The headers changed: what was put together of them is forgotten.
    pub(super) fn headers_changed(&mut self) {
        self.derived = Derived::default();
    }

    pub(super) fn part(&self, range: &Range<usize>) -> &[u8] {
        self.line.get(range.clone()).unwrap_or_default()
    }

    /// The message is over; `whole` when its end was seen. A file that ends with the stream is taken for whole: where it
    /// should end is not always said, and when it is, often wrongly.
    pub(super) fn finish(&mut self, whole: bool) {
        if self.progress == DONE {
            return;
        }
        let whole = whole && !self.body.has_gaps();
        self.files.close(!self.body.is_cut());
        if !self.body.is_complete() {
            self.body.finish(whole);
        }
        self.progress = DONE;
    }

    pub(super) fn reach(&mut self, step: u8) {
        self.progress = self.progress.max(step);
    }

    fn header(&self, without: &str) -> Option<&[u8]> {
        let build = || {
            let mut out = Vec::new();
            for (name, value) in self.headers.iter() {
                if !name.eq_ignore_ascii_case(without.as_bytes()) {
                    put_header(name, value, &mut out);
                }
            }
            out
        };
        self.built(&self.derived.header, build)
    }

    fn names(&self) -> Option<&[u8]> {
        let build = || {
            let mut out = b"\r\n".to_vec();
            for (name, _) in self.headers.iter() {
                out.extend_from_slice(name);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"\r\n");
            out
        };
        if self.headers.is_empty() { None } else { self.built(&self.derived.names, build) }
    }

    fn start(&self) -> Option<&[u8]> {
        let build = || {
            let mut out = self.line.clone();
            out.extend_from_slice(b"\r\n");
            for (name, value) in self.headers.iter() {
                put_header(name, value, &mut out);
            }
            if !self.headers.is_empty() {
                out.extend_from_slice(b"\r\n");
            }
            out
        };
        if self.line.is_empty() { None } else { self.built(&self.derived.start, build) }
    }

    fn built<'a>(&self, cell: &'a OnceCell<Vec<u8>>, build: impl FnOnce() -> Vec<u8>) -> Option<&'a [u8]> {
        if self.progress < slot::HEADERS {
            return None;
        }
        filled(cell.get_or_init(build))
    }

    fn raw(&self) -> Option<&[u8]> {
        if self.progress < slot::HEADERS { None } else { filled(&self.raw) }
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        // a header that is there and empty is an empty buffer
        if self.progress < slot::HEADERS { None } else { self.headers.find(name) }
    }

    fn whole(&self, nth: usize) -> Option<&[u8]> {
        if self.progress < slot::HEADERS { None } else { self.headers.whole(nth) }
    }

    fn memory(&self) -> usize {
        let cells = [&self.derived.header, &self.derived.names, &self.derived.start];
        self.line.capacity()
            + self.headers.memory()
            + self.raw.capacity()
            + self.body.memory()
            + self.files.memory()
            + cells.iter().filter_map(|cell| cell.get()).map(Vec::capacity).sum::<usize>()
    }
}

fn put_header(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// `None` for an empty buffer: there is nothing to inspect.
fn filled(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.is_empty() { None } else { Some(bytes) }
}

/// A request and its response.
#[derive(Debug)]
pub(super) struct Tx {
    id: u64,
    limits: [BodyLimits; 2],
    pub(super) records: Arc<Records>,
    events: Vec<(Direction, &'static str)>,
    pub(super) request: Message,
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    pub(super) uri: Vec<u8>,
    /// The path alone, normalised: the name of a file without one.
    pub(super) path: Vec<u8>,
    pub(super) host: Option<Host>,
    /// The host is the one of an absolute target, not of the header.
    pub(super) host_in_target: bool,
    pub(super) is_connect: bool,
    pub(super) is_head: bool,
    pub(super) is_http09: bool,
    /// The headers were looked at.
    pub(super) request_understood: bool,
    pub(super) request_seen: bool,
    pub(super) multipart: Option<Multipart>,
    pub(super) response: Message,
    pub(super) code: Range<usize>,
    pub(super) message: Range<usize>,
    pub(super) status: u16,
    pub(super) continued: bool,
    pub(super) content_range: Option<ContentRange>,
    view: Seen,
}

impl Tx {
    pub(super) fn new(id: u64, config: &Config) -> Self {
        Tx {
            id,
            limits: [config.request, config.response],
            records: config.records.clone(),
            events: Vec::new(),
            request: Message::default(),
            method: 0..0,
            target: 0..0,
            uri: Vec::new(),
            path: Vec::new(),
            host: None,
            host_in_target: false,
            is_connect: false,
            is_head: false,
            is_http09: false,
            request_understood: false,
            request_seen: true,
            multipart: None,
            response: Message::default(),
            code: 0..0,
            message: 0..0,
            status: 0,
            continued: false,
            content_range: None,
            view: Seen::default(),
        }
    }

    /// One of a response that no request was seen for.
    pub(super) fn without_request(id: u64, config: &Config) -> Self {
        let mut tx = Tx::new(id, config);
        tx.request_seen = false;
        tx.uri = NOT_SEEN.to_vec();
        tx.path = NOT_SEEN.to_vec();
        tx.request.progress = DONE;
        tx
    }

    /// Notes what is wrong, once.
    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if self.events.len() < EVENTS_MAX && !self.events.contains(&(dir, name)) {
            self.events.push((dir, name));
        }
    }

    pub(super) fn raw_target(&self) -> &[u8] {
        if self.request_seen { self.request.part(&self.target) } else { NOT_SEEN }
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Tx>()
            + self.request.memory()
            + self.response.memory()
            + self.uri.capacity()
            + self.path.capacity()
            + self.multipart.as_ref().map_or(0, Multipart::memory)
            + self.view.memory()
    }

    /// The name to be used for a file that gives none itself.
    pub(super) fn default_file_name(&self) -> Vec<u8> {
        self.path.clone()
    }

    fn message(&self, dir: Direction) -> &Message {
        match dir {
            Direction::ToServer => &self.request,
            Direction::ToClient => &self.response,
        }
    }

    fn line_part<'a>(&self, message: &'a Message, range: &Range<usize>) -> Option<&'a [u8]> {
        if message.progress < slot::LINE { None } else { filled(message.part(range)) }
    }

    fn file_magic(&self, dir: Direction, nth: usize) -> Option<&[u8]> {
        self.message(dir).files.list().get(nth)?.magic.as_deref().map(str::as_bytes)
    }

    fn file_name(&self, dir: Direction, nth: usize) -> Option<&[u8]> {
        self.message(dir).files.list().get(nth).and_then(|file| filled(&file.name))
    }
}

impl Transaction for Tx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        self.message(dir).progress
    }

    fn bytes(&self, which: Slot, nth: usize) -> Option<&[u8]> {
        let (request, response) = (&self.request, &self.response);
        match which {
            slot::REQUEST_HEADER => return request.whole(nth),
            slot::RESPONSE_HEADER => return response.whole(nth),
            slot::FILE_NAME_REQUEST => return self.file_name(Direction::ToServer, nth),
            slot::FILE_MAGIC_REQUEST => return self.file_magic(Direction::ToServer, nth),
            slot::FILE_MAGIC_RESPONSE => return self.file_magic(Direction::ToClient, nth),
            Slot(views::FIRST..) => return self.view.text(self, which, nth),
            _ if nth > 0 => return None,
            _ => {}
        }
        match which {
            slot::METHOD => self.line_part(request, &self.method),
            slot::URI if request.progress >= slot::LINE => filled(&self.uri),
            slot::URI_RAW if request.progress >= slot::LINE => filled(self.raw_target()),
            slot::PROTOCOL_REQUEST => self.line_part(request, &request.protocol),
            slot::PROTOCOL_RESPONSE => self.line_part(response, &response.protocol),
            slot::REQUEST_LINE if request.progress >= slot::LINE => filled(&request.line),
            slot::RESPONSE_LINE if response.progress >= slot::LINE => filled(&response.line),
            slot::HEADER_REQUEST => request.header("cookie"),
            slot::HEADER_RESPONSE => response.header("set-cookie"),
            slot::HEADER_RAW_REQUEST => request.raw(),
            slot::HEADER_RAW_RESPONSE => response.raw(),
            slot::HEADER_NAMES_REQUEST => request.names(),
            slot::HEADER_NAMES_RESPONSE => response.names(),
            slot::COOKIE_REQUEST => request.find("cookie"),
            slot::COOKIE_RESPONSE => response.find("set-cookie"),
            slot::USER_AGENT => request.find("user-agent"),
            slot::HOST if request.progress >= slot::HEADERS => {
                self.host.as_ref().and_then(|host| filled(&host.name))
            }
            slot::HOST_RAW if !self.host_in_target => request.find("host"),
            slot::HOST_RAW => self.host.as_ref().and_then(|host| filled(&host.name)),
            slot::ACCEPT => request.find("accept"),
            slot::ACCEPT_ENC => request.find("accept-encoding"),
            slot::ACCEPT_LANG => request.find("accept-language"),
            slot::CONNECTION_REQUEST => request.find("connection"),
            slot::CONNECTION_RESPONSE => response.find("connection"),
            slot::CONTENT_LEN_REQUEST => request.find("content-length"),
            slot::CONTENT_LEN_RESPONSE => response.find("content-length"),
            slot::CONTENT_TYPE_REQUEST => request.find("content-type"),
            slot::CONTENT_TYPE_RESPONSE => response.find("content-type"),
            slot::LOCATION => response.find("location"),
            slot::REFERER => request.find("referer"),
            slot::SERVER => response.find("server"),
            slot::START_REQUEST if self.request_seen => request.start(),
            slot::START_RESPONSE => response.start(),
            slot::STAT_CODE => self.line_part(response, &self.code),
            slot::STAT_MSG => self.line_part(response, &self.message),
            slot::FILE_NAME_RESPONSE => self.file_name(Direction::ToClient, 0),
            _ => None,
        }
    }

    fn number(&self, which: Slot, nth: usize) -> Option<u64> {
        let size = |dir: Direction| self.message(dir).files.list().get(nth).map(|file| file.size);
        match which {
            slot::FILE_SIZE_REQUEST => size(Direction::ToServer),
            slot::FILE_SIZE_RESPONSE => size(Direction::ToClient),
            _ if nth > 0 => None,
            slot::URI_LEN if self.request.progress >= slot::LINE => Some(self.uri.len() as u64),
            slot::URI_RAW_LEN if self.request.progress >= slot::LINE => Some(self.raw_target().len() as u64),
            slot::STATUS if self.response.progress >= slot::LINE => Some(u64::from(self.status)),
            _ => None,
        }
    }

    fn body(&self, which: Slot, nth: usize) -> Option<Body<'_>> {
        let [to_server, to_client] = &self.limits;
        match which {
            slot::REQUEST_BODY if nth == 0 => self.request.body.body(to_server),
            slot::RESPONSE_BODY if nth == 0 => self.response.body.body(to_client),
            slot::FILE_DATA_REQUEST => match self.request.files.kept(nth) {
                Some(kept) => kept.body(to_server),
                None if nth == 0 && !self.request.files.list().is_empty() => {
                    self.request.body.body(to_server)
                }
                None => None,
            },
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn files(&self, dir: Direction) -> &[File] {
        self.message(dir).files.list()
    }

    fn log(&self, out: &mut JsonWriter) {
        super::log::write(self, Shown::Record, out);
        self.view.log(self, out);
    }

    fn log_in_alert(&self, out: &mut JsonWriter) {
        super::log::write(self, Shown::Alert, out);
        self.view.log(self, out);
    }

    fn log_with_file(&self, out: &mut JsonWriter) {
        super::log::write(self, Shown::File, out);
        self.view.log(self, out);
    }
}

impl Viewed for Tx {
    fn request(&self, look: &mut dyn FnMut(&views::Request<'_>)) {
        if self.request_seen && self.request.progress >= slot::HEADERS {
            let header = |name: &str| self.request.headers.find(name);
            let (method, target) = (self.request.part(&self.method), self.raw_target());
            look(&views::Request { method, target, header: &header });
        }
    }

    fn request_body(&self) -> Option<&[u8]> {
        let body = || self.request.body.body(&self.limits[0]).map_or(&b""[..], |body| body.bytes);
        (self.request.progress == DONE).then(body)
    }
}

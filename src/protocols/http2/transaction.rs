//! A stream's request and response, or one frame about the connection.

use super::config::BODY;
use super::message::Message;
use super::slots as own;
use crate::app::{Body, DONE, File, Slot, Transaction};
use crate::json::JsonWriter;
use crate::protocols::dns::inside::Carried;
use crate::protocols::http::line::{Host, host};
use crate::protocols::http::slots as slot;
use crate::protocols::views::{self, Seen, Viewed, doh};
use crate::types::Direction;

use std::cell::OnceCell;

/// Events kept of one transaction.
const EVENTS_MAX: usize = 32;

/// A stream, or a frame about the connection.
#[derive(Debug)]
pub(super) struct Http2Tx {
    id: u64,
    pub(super) stream: u32,
    /// Of the client and of the server.
    pub(super) sides: [Message; 2],
    host: Option<Host>,
    events: Vec<(Direction, &'static str)>,
    view: Seen,
    /// It asks for names.
    asks_names: bool,
    /// What it asks and is told, read when somebody wants it; of both sides once the server's is over.
    names: [OnceCell<Box<Carried>>; 2],
}

impl Http2Tx {
    pub(super) fn new(id: u64, stream: u32) -> Self {
        Http2Tx {
            id,
            stream,
            sides: [Message::default(), Message::default()],
            host: None,
            events: Vec::new(),
            view: Seen::default(),
            asks_names: false,
            names: Default::default(),
        }
    }

    /// Whether it carries messages of DNS.
    pub(super) fn asks_names(&self) -> bool {
        self.asks_names
    }

    fn message(&self, dir: Direction) -> Option<Vec<u8>> {
        let side = &self.sides[dir.index()];
        if side.progress == DONE && doh::is_message(side.find("content-type")) {
            return side.body.body(&BODY).filter(|body| body.offset == 0).map(|body| body.bytes.to_vec());
        }
        let mut asked = None;
        if dir == Direction::ToServer {
            Viewed::request(self, &mut |request| asked = doh::asked_in(request));
        }
        asked
    }

    /// The messages of DNS that it carries, once that side is over.
    fn carried(&self, dir: Direction) -> Option<&Carried> {
        if !self.asks_names || self.sides[dir.index()].progress != DONE {
            return None;
        }
        let read = || {
            let messages = Direction::BOTH.map(|side| (side == dir).then(|| self.message(side)).flatten());
            Box::new(Carried::read(self.id, messages.each_ref().map(Option::as_deref)))
        };
        Some(self.names[dir.index()].get_or_init(read))
    }

    /// Of both sides.
    fn each_carried(&self) -> impl Iterator<Item = &Carried> {
        Direction::BOTH.into_iter().filter_map(|dir| self.carried(dir))
    }

    pub(super) fn side(&mut self, dir: Direction) -> &mut Message {
        &mut self.sides[dir.index()]
    }

    pub(super) fn request(&self) -> &Message {
        &self.sides[0]
    }

    pub(super) fn response(&self) -> &Message {
        &self.sides[1]
    }

    /// Notes what is wrong, once.
    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if self.events.len() < EVENTS_MAX && !self.events.contains(&(dir, name)) {
            self.events.push((dir, name));
        }
    }

    /// All headers of a side are there.
    pub(super) fn headers_read(&mut self, dir: Direction) {
        self.side(dir).headers_read();
        if dir == Direction::ToClient {
            return;
        }
        let authority = self.request().find(":authority").map(<[u8]>::to_vec);
        let header = self.request().find("host").map(<[u8]>::to_vec);
        if let Some(authority) = &authority {
            if authority.contains(&b'@') {
                self.event(dir, "userinfo_in_uri");
            }
            if header.as_ref().is_some_and(|host| !host.eq_ignore_ascii_case(authority)) {
                self.event(dir, "authority_host_mismatch");
            }
        }
        self.host = authority.or(header).map(|value| host(&value));
        let mut asks = doh::is_message(self.request().find("content-type"));
        Viewed::request(self, &mut |request| asks |= doh::asked_in(request).is_some());
        self.asks_names = asks;
    }

    pub(super) fn is_done(&self) -> bool {
        self.sides.iter().all(|side| side.progress == DONE)
    }

    fn request_line(&self) -> &[u8] {
        self.request().line(|| {
            let part = |name| self.request().find(name).unwrap_or_default();
            [part(":method"), b" ", part(":path"), b" HTTP/2\r\n"].concat()
        })
    }

    fn response_line(&self) -> &[u8] {
        self.response()
            .line(|| [b"HTTP/2 ", self.response().find(":status").unwrap_or_default(), b"\r\n"].concat())
    }

    /// The status, when it is a number.
    pub(super) fn status(&self) -> Option<u16> {
        std::str::from_utf8(self.response().find(":status")?).ok()?.parse().ok()
    }

    fn file_magic(&self, dir: Direction, nth: usize) -> Option<&[u8]> {
        self.sides[dir.index()].files.list().get(nth)?.magic.as_deref().map(str::as_bytes)
    }

    /// Memory held, bytes, roughly.
    pub(super) fn memory(&self) -> usize {
        let names = self.names.iter().filter_map(OnceCell::get);
        size_of::<Self>()
            + self.sides.iter().map(Message::memory).sum::<usize>()
            + self.view.memory()
            + names.map(|names| size_of::<Carried>() + names.memory()).sum::<usize>()
    }
}

impl Transaction for Http2Tx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        self.sides[dir.index()].progress
    }

    fn bytes(&self, which: Slot, nth: usize) -> Option<&[u8]> {
        let (request, response) = (self.request(), self.response());
        match which {
            slot::REQUEST_HEADER => return request.whole(nth),
            slot::RESPONSE_HEADER => return response.whole(nth),
            own::NAME_REQUEST => return request.name(nth),
            own::NAME_RESPONSE => return response.name(nth),
            slot::FILE_MAGIC_REQUEST => return self.file_magic(Direction::ToServer, nth),
            slot::FILE_MAGIC_RESPONSE => return self.file_magic(Direction::ToClient, nth),
            Slot(own::DNS_REQUEST..) => {
                let (dir, slot) = of_dns(which);
                return self.carried(dir)?.bytes(dir, slot, nth);
            }
            Slot(views::FIRST..) => return self.view.text(self, which, nth),
            _ if nth > 0 => return None,
            _ => {}
        }
        match which {
            slot::METHOD => request.find(":method"),
            slot::URI | slot::URI_RAW => request.find(":path"),
            slot::PROTOCOL_REQUEST | slot::PROTOCOL_RESPONSE => Some(b"HTTP/2"),
            slot::REQUEST_LINE => Some(self.request_line()),
            slot::RESPONSE_LINE => Some(self.response_line()),
            slot::HEADER_REQUEST | slot::HEADER_RAW_REQUEST => request.header(),
            slot::HEADER_RESPONSE | slot::HEADER_RAW_RESPONSE => response.header(),
            slot::HEADER_NAMES_REQUEST => request.names(),
            slot::HEADER_NAMES_RESPONSE => response.names(),
            slot::COOKIE_REQUEST => request.cookie("cookie"),
            slot::COOKIE_RESPONSE => response.cookie("set-cookie"),
            slot::USER_AGENT => request.find("user-agent"),
            slot::HOST => self.host.as_ref().map(|host| host.name.as_slice()),
            slot::HOST_RAW => request.find(":authority").or_else(|| request.find("host")),
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
            slot::STAT_CODE => response.find(":status"),
            // there is none in HTTP/2, which is not the same as none known
            slot::STAT_MSG => Some(b""),
            _ => None,
        }
    }

    fn number(&self, which: Slot, nth: usize) -> Option<u64> {
        let (request, response) = (self.request(), self.response());
        let path = || request.find(":path").map(|path| path.len() as u64);
        let size = |side: &Message| side.files.list().get(nth).map(|file| file.size);
        match which {
            Slot(own::DNS_REQUEST..) => {
                let (dir, slot) = of_dns(which);
                self.carried(dir)?.number(dir, slot, nth)
            }
            own::FRAME_REQUEST => request.frames.get(nth).map(|kind| u64::from(*kind)),
            own::FRAME_RESPONSE => response.frames.get(nth).map(|kind| u64::from(*kind)),
            own::ERROR_REQUEST => request.errors.get(nth).map(|code| u64::from(*code)),
            own::ERROR_RESPONSE => response.errors.get(nth).map(|code| u64::from(*code)),
            own::PRIORITY_REQUEST => request.priorities.get(nth).map(|weight| u64::from(*weight)),
            own::PRIORITY_RESPONSE => response.priorities.get(nth).map(|weight| u64::from(*weight)),
            own::WINDOW_REQUEST => request.windows.get(nth).map(|size| u64::from(*size)),
            own::WINDOW_RESPONSE => response.windows.get(nth).map(|size| u64::from(*size)),
            own::SIZE_REQUEST => request.sizes.get(nth).copied(),
            own::SIZE_RESPONSE => response.sizes.get(nth).copied(),
            own::SETTING_REQUEST => request.settings.get(nth).map(|(key, _)| u64::from(*key)),
            own::SETTING_RESPONSE => response.settings.get(nth).map(|(key, _)| u64::from(*key)),
            own::VALUE_REQUEST => request.settings.get(nth).map(|(_, value)| u64::from(*value)),
            own::VALUE_RESPONSE => response.settings.get(nth).map(|(_, value)| u64::from(*value)),
            slot::FILE_SIZE_REQUEST => size(request),
            slot::FILE_SIZE_RESPONSE => size(response),
            slot::URI_LEN | slot::URI_RAW_LEN if nth == 0 => path(),
            slot::STATUS if nth == 0 => self.status().map(u64::from),
            _ => None,
        }
    }

    fn body(&self, which: Slot, nth: usize) -> Option<Body<'_>> {
        match which {
            slot::REQUEST_BODY | slot::FILE_DATA_REQUEST if nth == 0 => self.request().body.body(&BODY),
            slot::RESPONSE_BODY if nth == 0 => self.response().body.body(&BODY),
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn files(&self, dir: Direction) -> &[File] {
        self.sides[dir.index()].files.list()
    }

    fn logs(&self) -> bool {
        self.sides.iter().any(|side| {
            !(side.items.is_empty()
                && side.settings.is_empty()
                && side.errors.is_empty()
                && side.priorities.is_empty())
        })
    }

    fn log(&self, out: &mut JsonWriter) {
        super::log::write(self, out);
        self.view.log(self, out);
    }

    fn log_in_alert(&self, out: &mut JsonWriter) {
        self.log(out);
        if let Some(names) = self.each_carried().next() {
            names.log_in_alert(out);
        }
    }

    fn records(&self) -> usize {
        usize::from(self.logs()) + self.each_carried().map(Carried::records).sum::<usize>()
    }

    fn record_type(&self, nth: usize) -> Option<&'static str> {
        (nth >= usize::from(self.logs())).then_some("dns")
    }

    fn log_record(&self, nth: usize, out: &mut JsonWriter) {
        let Some(mut nth) = nth.checked_sub(usize::from(self.logs())) else { return self.log(out) };
        for names in self.each_carried() {
            match nth.checked_sub(names.records()) {
                Some(left) => nth = left,
                None => return names.log_record(nth, out),
            }
        }
    }
}

/// A slot of a message of DNS: in which direction, and which one of DNS's.
fn of_dns(slot: Slot) -> (Direction, Slot) {
    match slot.0.checked_sub(own::DNS_RESPONSE) {
        Some(slot) => (Direction::ToClient, Slot(slot)),
        None => (Direction::ToServer, Slot(slot.0 - own::DNS_REQUEST)),
    }
}

impl Viewed for Http2Tx {
    fn request(&self, look: &mut dyn FnMut(&views::Request<'_>)) {
        let request = self.request();
        if let (Some(method), Some(target)) = (request.find(":method"), request.find(":path")) {
            let header = |name: &str| request.find(name);
            look(&views::Request { method, target, header: &header });
        }
    }

    fn request_body(&self) -> Option<&[u8]> {
        let request = self.request();
        let body = || request.body.body(&BODY).map_or(&b""[..], |body| body.bytes);
        (request.progress == DONE).then(body)
    }
}

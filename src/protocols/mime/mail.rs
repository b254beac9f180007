//! The messages that one exchange carries, in one direction.

use std::sync::Arc;

use super::{Config, Message, email};
use crate::app::{Body, File, Slot};
use crate::detect::{BufferSpec, Kind, Place};
use crate::json::JsonWriter;
use crate::types::Direction;

/// Messages of one exchange that are taken apart; later ones are passed over.
pub(in crate::protocols) const MESSAGES_MAX: usize = 32;

/// The progress of a side in which a message has begun.
pub(in crate::protocols) const BEGUN: u8 = 1;

/// The first slot that is answered here and not by the protocol.
pub(in crate::protocols) const FIRST: Slot = Slot(0xff00);
const FILE_DATA: Slot = FIRST;
const FILE_NAME: Slot = Slot(0xff01);
const FILE_MAGIC: Slot = Slot(0xff02);
const URL: Slot = Slot(0xff03);
const RECEIVED: Slot = Slot(0xff04);
const FROM: Slot = Slot(0xff10);
const TO: Slot = Slot(0xff11);
const CC: Slot = Slot(0xff12);
const SUBJECT: Slot = Slot(0xff13);
const DATE: Slot = Slot(0xff14);
const MESSAGE_ID: Slot = Slot(0xff15);
const X_MAILER: Slot = Slot(0xff16);
/// Slots of headers that stand once in a message.
const HEADERS: &[(Slot, &str)] = &[
    (FROM, "from"),
    (TO, "to"),
    (CC, "cc"),
    (SUBJECT, "subject"),
    (DATE, "date"),
    (MESSAGE_ID, "message-id"),
    (X_MAILER, "x-mailer"),
];

const DONE: u8 = crate::app::DONE;

const fn place(dir: Direction, slot: Slot, progress: u8, kind: Kind) -> Place {
    Place { dir, slot, progress, kind }
}

/// The same slot of messages that the server sends.
const ANSWERED: u16 = 0x40;

const fn in_direction(dir: Direction, slot: Slot, progress: u8, kind: Kind) -> Place {
    match dir {
        Direction::ToServer => place(dir, slot, progress, kind),
        Direction::ToClient => place(dir, Slot(slot.0 + ANSWERED), progress, kind),
    }
}

const fn both(slot: Slot) -> [Place; 2] {
    [
        in_direction(Direction::ToServer, slot, DONE, Kind::Multi),
        in_direction(Direction::ToClient, slot, DONE, Kind::Multi),
    ]
}

const fn buffer(name: &'static str, help: &'static str, places: &'static [Place]) -> BufferSpec {
    BufferSpec { name, aliases: &[], modifier: None, help, places, check: None }
}

/// Rows for the table of a protocol whose messages go in either direction. Where there are several, each has its header.
pub(in crate::protocols) const FILE_DATA_ROW: BufferSpec = BufferSpec {
    name: "file.data",
    aliases: &["file_data"],
    modifier: None,
    help: "the bytes of each file, decompressed",
    places: &[
        in_direction(Direction::ToServer, FILE_DATA, BEGUN, Kind::Body),
        in_direction(Direction::ToClient, FILE_DATA, BEGUN, Kind::Body),
    ],
    check: None,
};
pub(in crate::protocols) const FILE_NAME_ROW: BufferSpec =
    buffer("file.name", "the name of each file", &both(FILE_NAME));
pub(in crate::protocols) const FILE_MAGIC_ROW: BufferSpec =
    buffer("file.magic", "what each file is by its first bytes, in libmagic's words", &both(FILE_MAGIC));
pub(in crate::protocols) const URL_ROW: BufferSpec =
    buffer("email.url", "each URL in the message's text", &both(URL));
pub(in crate::protocols) const RECEIVED_ROW: BufferSpec =
    buffer("email.received", "each of the message's Received", &both(RECEIVED));
pub(in crate::protocols) const FROM_ROW: BufferSpec = buffer("email.from", "the message's From", &both(FROM));
pub(in crate::protocols) const TO_ROW: BufferSpec = buffer("email.to", "the message's To", &both(TO));
pub(in crate::protocols) const CC_ROW: BufferSpec = buffer("email.cc", "the message's Cc", &both(CC));
pub(in crate::protocols) const SUBJECT_ROW: BufferSpec =
    buffer("email.subject", "the message's Subject", &both(SUBJECT));
pub(in crate::protocols) const DATE_ROW: BufferSpec = buffer("email.date", "the message's Date", &both(DATE));
pub(in crate::protocols) const MESSAGE_ID_ROW: BufferSpec =
    buffer("email.message_id", "the message's Message-ID", &both(MESSAGE_ID));
pub(in crate::protocols) const X_MAILER_ROW: BufferSpec =
    buffer("email.x_mailer", "the message's X-Mailer", &both(X_MAILER));

/// Messages, the last of them perhaps still arriving.
#[derive(Debug)]
pub(in crate::protocols) struct Mail {
    dir: Direction,
    config: Arc<Config>,
    messages: Vec<Message>,
    /// There were too many.
    full: bool,
}

impl Mail {
    /// Of that direction; none has begun.
    pub(in crate::protocols) fn new(config: &Arc<Config>, dir: Direction) -> Self {
        Mail { dir, config: Arc::clone(config), messages: Vec::new(), full: false }
    }

    /// Who sends them.
    pub(in crate::protocols) fn dir(&self) -> Direction {
        self.dir
    }

    /// The next message begins.
    pub(in crate::protocols) fn begin(&mut self) {
        self.finish(false);
        self.full = self.messages.len() >= MESSAGES_MAX;
        if !self.full {
            let next = match self.messages.last_mut() {
                Some(last) => last.next(),
                None => Message::new(Arc::clone(&self.config)),
            };
            self.messages.push(next);
        }
    }

    fn open(&mut self) -> Option<&mut Message> {
        self.messages.last_mut().filter(|_| !self.full)
    }

    /// A line of the message, or a part of one: see [`Message::line`].
    pub(in crate::protocols) fn line(&mut self, text: &[u8], start: bool, end: Option<&'static [u8]>) {
        if let Some(message) = self.open() {
            message.line(text, start, end);
        }
    }

    /// Bytes of it were lost.
    pub(in crate::protocols) fn gap(&mut self) {
        if let Some(message) = self.open() {
            message.gap();
        }
    }

    /// It is over; `whole` when its end was seen.
    pub(in crate::protocols) fn finish(&mut self, whole: bool) {
        if let Some(message) = self.open() {
            message.finish(whole);
        }
    }

    /// What was found wrong since the last call.
    pub(in crate::protocols) fn take_events(&mut self) -> Vec<&'static str> {
        self.open().map(Message::take_events).unwrap_or_default()
    }

    /// The slot above that one is, when these messages go in its direction.
    fn own(&self, slot: Slot) -> Option<Slot> {
        let (dir, slot) = match slot.0.checked_sub(FIRST.0 + ANSWERED) {
            Some(nth) => (Direction::ToClient, Slot(FIRST.0 + nth)),
            None => (Direction::ToServer, slot),
        };
        (dir == self.dir).then_some(slot)
    }

    /// The buffer of one of the slots above.
    pub(in crate::protocols) fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let last = self.messages.last()?;
        let slot = self.own(slot)?;
        match slot {
            FILE_NAME => last.files.list().get(nth).map(|file| file.name.as_slice()),
            FILE_MAGIC => last.files.list().get(nth)?.magic.as_deref().map(str::as_bytes),
            URL => last.urls.nth(nth),
            RECEIVED => self.messages.iter().flat_map(|message| message.headers("received")).nth(nth),
            _ => {
                let (_, name) = HEADERS.iter().find(|(known, _)| *known == slot)?;
                self.messages.iter().filter_map(|message| message.header(name)).nth(nth)
            }
        }
    }

    /// The bytes of the `nth` file.
    pub(in crate::protocols) fn body(&self, slot: Slot, nth: usize) -> Option<Body<'_>> {
        match self.own(slot)? {
            FILE_DATA => self.messages.last()?.files.body(nth, &self.config.files),
            _ => None,
        }
    }

    /// Files of all of them.
    pub(in crate::protocols) fn files(&self, dir: Direction) -> &[File] {
        match self.messages.last() {
            Some(message) if dir == self.dir => message.files.list(),
            _ => &[],
        }
    }

    /// Writes `"email":{…}`: of the last message, with the attachments of all.
    pub(in crate::protocols) fn log(&self, own: bool, out: &mut JsonWriter) {
        if let Some(message) = self.messages.last() {
            email(message, own, out);
        }
    }

    /// Memory held, bytes.
    pub(in crate::protocols) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.messages.capacity() * size_of::<Message>()
            + self.messages.iter().map(Message::memory).sum::<usize>()
    }
}

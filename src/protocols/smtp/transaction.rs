//! A mail transaction: from the first command to the end of the message, or to what ends it otherwise.

use std::sync::Arc;

use super::config::Config;
use super::events;
use super::slots as slot;
use crate::app::{Body, DONE, File, Slot, Transaction};
use crate::json::JsonWriter;
use crate::protocols::mime::{Files, Message};
use crate::types::Direction;

/// Recipients of one transaction.
const RECIPIENTS_MAX: usize = 1024;
/// Bytes of them.
const RECIPIENT_BYTES_MAX: usize = 64 << 10;
/// Events kept of one transaction.
const EVENTS_MAX: usize = 64;

/// A mail transaction.
#[derive(Debug)]
pub(super) struct Tx {
    id: u64,
    pub(super) config: Arc<Config>,
    progress: [u8; 2],
    events: Vec<(Direction, &'static str)>,
    pub(super) helo: Option<Vec<u8>>,
    pub(super) mail_from: Option<Vec<u8>>,
    pub(super) rcpt_to: Vec<Vec<u8>>,
    rcpt_bytes: usize,
    pub(super) message: Option<Message>,
    /// The message as one file, when it is not taken apart.
    raw: Option<Files>,
    body_md5: Option<String>,
}

impl Tx {
    /// One of a client that said its name before, or not yet.
    pub(super) fn new(id: u64, config: &Arc<Config>, helo: Option<Vec<u8>>) -> Self {
        let begun = if helo.is_some() { slot::GREETED } else { slot::BEGUN };
        Tx {
            id,
            config: Arc::clone(config),
            progress: [begun, slot::BEGUN],
            events: Vec::new(),
            helo,
            mail_from: None,
            rcpt_to: Vec::new(),
            rcpt_bytes: 0,
            message: None,
            raw: None,
            body_md5: None,
        }
    }

    /// Notes what is wrong.
    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if self.events.len() < EVENTS_MAX {
            self.events.push((dir, name));
        }
    }

    pub(super) fn set_helo(&mut self, name: &[u8]) {
        if self.helo.is_some() {
            self.event(Direction::ToServer, events::DUPLICATE_FIELDS);
            return;
        }
        self.helo = Some(name.to_vec());
        self.reach(slot::GREETED);
    }

    pub(super) fn set_sender(&mut self, sender: &[u8]) {
        if self.mail_from.is_some() {
            self.event(Direction::ToServer, events::DUPLICATE_FIELDS);
            return;
        }
        self.mail_from = Some(sender.to_vec());
        self.reach(slot::SENDER);
    }

    pub(super) fn add_recipient(&mut self, recipient: &[u8]) {
        if self.rcpt_to.len() >= RECIPIENTS_MAX || self.rcpt_bytes + recipient.len() > RECIPIENT_BYTES_MAX {
            return;
        }
        self.rcpt_bytes += recipient.len();
        self.rcpt_to.push(recipient.to_vec());
    }

    /// The message begins.
    pub(super) fn begin_message(&mut self) {
        self.reach(slot::RECIPIENTS);
        if self.config.mime && self.message.is_none() {
            self.message = Some(Message::new(Arc::clone(&self.config.message)));
        }
        if self.config.raw && self.raw.is_none() {
            let mut files = Files::default();
            files.open(b"rawmsg".to_vec(), 0, self.config.message.digests);
            self.raw = Some(files);
        }
    }

    /// A line of the message or a part of one; see [`Message::line`]. `raw` is the same with its first dot.
    pub(super) fn message_line(&mut self, text: &[u8], raw: &[u8], start: bool, end: Option<&'static [u8]>) {
        if let Some(message) = &mut self.message {
            message.line(text, start, end);
            if message.has_headers() {
                self.reach(slot::HEADERS);
            }
        }
        if let Some(files) = &mut self.raw {
            files.add(raw, &self.config.message.files);
            files.add(end.unwrap_or_default(), &self.config.message.files);
        }
        if !self.file_list().is_empty() {
            self.reach(slot::BODY);
        }
        self.take_message_events();
    }

    /// Bytes of the message were lost.
    pub(super) fn message_gap(&mut self) {
        if let Some(message) = &mut self.message {
            message.gap();
        }
        if let Some(files) = &mut self.raw {
            files.gap();
        }
    }

    /// The message is over; `whole` when its end was seen.
    pub(super) fn end_message(&mut self, whole: bool) {
        if let Some(message) = &mut self.message {
            message.finish(whole);
            self.body_md5 = message.body_md5_text();
        }
        if let Some(files) = &mut self.raw {
            files.close(whole);
        }
        self.take_message_events();
    }

    fn take_message_events(&mut self) {
        if let Some(message) = &mut self.message {
            for name in message.take_events() {
                self.event(Direction::ToServer, name);
            }
        }
    }

    /// Nothing more will come from that side.
    pub(super) fn finish(&mut self, dir: Direction) {
        if dir == Direction::ToServer && !self.is_done() {
            self.end_message(false);
        }
        self.progress[dir.index()] = DONE;
    }

    /// The client's part is over.
    pub(super) fn is_done(&self) -> bool {
        self.progress[Direction::ToServer.index()] == DONE
    }

    fn reach(&mut self, step: u8) {
        let progress = &mut self.progress[Direction::ToServer.index()];
        *progress = step.max(*progress);
    }

    /// MD5 of the message's body, hexadecimal.
    fn body_md5(&self) -> Option<&str> {
        self.body_md5.as_deref()
    }

    fn files(&self) -> Option<&Files> {
        self.message.as_ref().map(|message| &message.files).or(self.raw.as_ref())
    }

    fn file_list(&self) -> &[File] {
        self.files().map_or(&[], Files::list)
    }

    pub(super) fn memory(&self) -> usize {
        let text = |text: &Option<Vec<u8>>| text.as_ref().map_or(0, Vec::capacity);
        size_of::<Tx>()
            + text(&self.helo)
            + text(&self.mail_from)
            + self.rcpt_bytes
            + self.rcpt_to.capacity() * size_of::<Vec<u8>>()
            + self.message.as_ref().map_or(0, Message::memory)
            + self.raw.as_ref().map_or(0, Files::memory)
    }
}

impl Transaction for Tx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        self.progress[dir.index()]
    }

    fn bytes(&self, which: Slot, nth: usize) -> Option<&[u8]> {
        match which {
            slot::RCPT_TO => return self.rcpt_to.get(nth).map(Vec::as_slice),
            slot::RECEIVED => return self.message.as_ref()?.headers("received").nth(nth),
            slot::URL => return self.message.as_ref()?.urls.nth(nth),
            slot::FILE_NAME => {
                return self.file_list().get(nth).map(|file| file.name.as_slice());
            }
            slot::FILE_MAGIC => return self.file_list().get(nth)?.magic.as_deref().map(str::as_bytes),
            _ if nth > 0 => return None,
            _ => {}
        }
        let header = |name: &str| self.message.as_ref()?.header(name);
        match which {
            slot::HELO => self.helo.as_deref(),
            slot::MAIL_FROM => self.mail_from.as_deref(),
            slot::FROM => header("from"),
            slot::TO => header("to"),
            slot::CC => header("cc"),
            slot::SUBJECT => header("subject"),
            slot::DATE => header("date"),
            slot::MESSAGE_ID => header("message-id"),
            slot::X_MAILER => header("x-mailer"),
            slot::BODY_MD5 => self.body_md5().map(str::as_bytes),
            _ => None,
        }
    }

    fn body(&self, which: Slot, nth: usize) -> Option<Body<'_>> {
        match which {
            slot::FILE_DATA => self.files()?.body(nth, &self.config.message.files),
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn files(&self, dir: Direction) -> &[File] {
        match dir {
            Direction::ToServer => self.file_list(),
            Direction::ToClient => &[],
        }
    }

    // commands are inspected raw in chunks; a message with files at once with them
    fn ends_stream_chunk(&self, dir: Direction) -> bool {
        dir == Direction::ToServer && !self.file_list().is_empty()
    }

    fn log(&self, out: &mut JsonWriter) {
        super::log::write(self, true, out);
    }

    fn log_in_alert(&self, out: &mut JsonWriter) {
        super::log::write(self, false, out);
    }
}

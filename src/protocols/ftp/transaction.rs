//! A command of FTP and its replies.

use std::net::IpAddr;

use super::slots;
use crate::app::{DONE, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// Lines of replies that are kept of one transaction.
pub(super) const REPLIES_MAX: usize = 256;
/// Bytes of them.
const REPLY_BYTES_MAX: usize = 64 << 10;

/// What is asked of the server, as far as the parser must know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Verb {
    /// Anything else.
    #[default]
    Other,
    /// `PORT`, `EPRT`
    Active,
    /// `PASV`, `EPSV`
    Passive,
    /// `AUTH TLS`
    Tls,
}

/// A command and its replies.
#[derive(Debug, Default)]
pub(super) struct FtpTx {
    id: u64,
    /// Upper case; empty when the server spoke unasked.
    pub(super) command: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) verb: Verb,
    pub(super) truncated: bool,
    codes: Vec<[u8; 3]>,
    replies: Vec<Vec<u8>>,
    reply_bytes: usize,
    pub(super) reply_truncated: bool,
    /// The port of the data connection that it is about.
    pub(super) port: Option<u16>,
    /// The address that the client names in `PORT` or `EPRT`.
    pub(super) address: Option<IpAddr>,
    replied: bool,
    progress: [u8; 2],
    events: Vec<(Direction, &'static str)>,
}

impl FtpTx {
    pub(super) fn new(id: u64) -> Self {
        FtpTx { id, progress: [DONE, 0], ..FtpTx::default() }
    }

    /// Adds a line of a reply.
    pub(super) fn reply(&mut self, code: Option<[u8; 3]>, text: &[u8]) {
        self.progress[1] = self.progress[1].max(slots::REPLY);
        if self.replies.len() >= REPLIES_MAX || self.reply_bytes.saturating_add(text.len()) > REPLY_BYTES_MAX
        {
            self.reply_truncated = true;
            return;
        }
        self.codes.extend(code);
        self.reply_bytes += text.len();
        self.replies.push(text.to_vec());
    }

    /// The reply is whole.
    pub(super) fn finish(&mut self) {
        self.replied = true;
        self.progress = [DONE; 2];
    }

    /// Nothing more will come, whole or not.
    pub(super) fn give_up(&mut self) {
        self.progress = [DONE; 2];
    }

    pub(super) fn is_done(&self) -> bool {
        self.progress[1] == DONE
    }

    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if !self.events.contains(&(dir, name)) {
            self.events.push((dir, name));
        }
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.command.len()
            + self.data.len()
            + self.reply_bytes
            + self.replies.len() * size_of::<Vec<u8>>()
    }
}

impl Transaction for FtpTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        self.progress[dir.index()]
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        match slot {
            slots::REPLIES => return Some(self.replies.get(nth)?),
            slots::CODES => return Some(self.codes.get(nth)?),
            _ if nth > 0 => return None,
            _ => {}
        }
        let filled = |bytes: &'_ [u8]| !bytes.is_empty();
        match slot {
            slots::COMMAND => Some(&*self.command).filter(|bytes| filled(bytes)),
            slots::COMMAND_DATA => Some(&*self.data).filter(|bytes| filled(bytes)),
            _ => None,
        }
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        if nth > 0 {
            return None;
        }
        match (slot, self.verb) {
            (slots::ACTIVE_PORT, Verb::Active) | (slots::PASSIVE_PORT, Verb::Passive) => {
                self.port.map(u64::from)
            }
            (slots::MODE, Verb::Active) => Some(1),
            (slots::MODE, Verb::Passive) => Some(2),
            (slots::REPLIED, _) => Some(u64::from(self.replied)),
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    /// Commands are short: the stream is inspected when there is enough of it.
    fn ends_stream_chunk(&self, _dir: Direction) -> bool {
        false
    }

    fn address(&self) -> Option<IpAddr> {
        self.address
    }

    fn log(&self, out: &mut JsonWriter) {
        out.open_object("ftp");
        if !self.command.is_empty() {
            out.bytes("command", &self.command);
        }
        if !self.data.is_empty() || self.truncated {
            out.bytes("command_data", &self.data);
            out.flag("command_truncated", self.truncated);
        }
        if !self.codes.is_empty() {
            out.open_array("completion_code");
            self.codes.iter().for_each(|code| out.element(code));
            out.close_array();
        }
        if !self.replies.is_empty() {
            out.open_array("reply");
            self.replies.iter().for_each(|line| out.element(line));
            out.close_array();
        }
        if let Some(port) = self.port {
            out.number("dynamic_port", port);
        }
        if self.verb == Verb::Active {
            out.text("mode", if self.port.is_some() { "active" } else { "passive" });
        }
        out.text("reply_received", if self.replied { "yes" } else { "no" });
        out.flag("reply_truncated", self.reply_truncated);
        out.close();
    }

    /// Alerts of Suricata 7 do not show it.
    fn log_in_alert(&self, _out: &mut JsonWriter) {}
}

//! Packets of the binary protocol (memcached documentation, "Binary Protocol Revamped").

use super::slots;
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;

/// The first byte of a request, and of an answer.
pub(super) const REQUEST: u8 = 0x80;
pub(super) const RESPONSE: u8 = 0x81;

/// Bytes of a header.
pub(super) const HEADER: usize = 24;

/// Commands: names, and whether they are quiet.
const COMMANDS: &[(u8, &str, bool)] = &[
    (0x00, "get", false),
    (0x01, "set", false),
    (0x02, "add", false),
    (0x03, "replace", false),
    (0x04, "delete", false),
    (0x05, "incr", false),
    (0x06, "decr", false),
    (0x07, "quit", false),
    (0x08, "flush_all", false),
    (0x09, "get", true),
    (0x0a, "noop", false),
    (0x0b, "version", false),
    (0x0c, "getk", false),
    (0x0d, "getk", true),
    (0x0e, "append", false),
    (0x0f, "prepend", false),
    (0x10, "stats", false),
    (0x11, "set", true),
    (0x12, "add", true),
    (0x13, "replace", true),
    (0x14, "delete", true),
    (0x15, "incr", true),
    (0x16, "decr", true),
    (0x17, "quit", true),
    (0x18, "flush_all", true),
    (0x19, "append", true),
    (0x1a, "prepend", true),
    (0x1b, "verbosity", false),
    (0x1c, "touch", false),
    (0x1d, "gat", false),
    (0x1e, "gat", true),
    (0x20, "sasl_list_mechs", false),
    (0x21, "sasl_auth", false),
    (0x22, "sasl_step", false),
];

/// Names of an answer's status.
const STATUS: &[(u16, &str)] = &[
    (0x00, "OK"),
    (0x01, "NOT_FOUND"),
    (0x02, "EXISTS"),
    (0x03, "TOO_LARGE"),
    (0x04, "INVALID_ARGUMENTS"),
    (0x05, "NOT_STORED"),
    (0x06, "NON_NUMERIC"),
    (0x20, "AUTH_ERROR"),
    (0x21, "AUTH_CONTINUE"),
    (0x81, "UNKNOWN_COMMAND"),
    (0x82, "OUT_OF_MEMORY"),
];

/// The header of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) code: u8,
    key: usize,
    extras: usize,
    kind: u8,
    status: u16,
    /// Bytes behind the header.
    pub(super) body: usize,
    /// What the client gave it to know the answer by.
    pub(super) opaque: u32,
}

impl Header {
    /// `None` without all of it.
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let mut front = Reader(bytes.get(..HEADER)?);
        front.u8()?;
        Some(Header {
            code: front.u8()?,
            key: front.u16()?.into(),
            extras: front.u8()?.into(),
            kind: front.u8()?,
            status: front.u16()?,
            body: usize::try_from(front.u32()?).ok()?,
            opaque: front.u32()?,
        })
    }

    /// Its lengths fit into each other.
    pub(super) fn is_sound(&self) -> bool {
        self.key + self.extras <= self.body && self.kind == 0 && self.body <= 128 << 20
    }

    pub(super) fn is_known(&self) -> bool {
        COMMANDS.iter().any(|(code, ..)| *code == self.code)
    }

    pub(super) fn is_quiet(&self) -> bool {
        COMMANDS.iter().any(|(code, _, quiet)| *code == self.code && *quiet)
    }

    /// A request, of whose body the beginning is there.
    pub(super) fn request(&self, body: &[u8], values: &mut Values) {
        let name = COMMANDS.iter().find(|(code, ..)| *code == self.code).map(|(_, name, _)| *name);
        values.push(slots::COMMAND, name.unwrap_or("unknown").as_bytes());
        values.push_number(slots::BINARY, 1u8);
        if self.key > 0
            && let Some(key) = body.get(self.extras..self.extras + self.key)
        {
            values.push(slots::KEY, key);
        }
        let value = self.body.saturating_sub(self.key + self.extras);
        if value > 0 {
            values.push_number(slots::SIZE, value as u64);
            // who signs in does so with a secret
            if self.code != 0x21 && self.code != 0x22 {
                values.push(slots::STORED, body.get(self.key + self.extras..).unwrap_or_default());
            }
        }
    }

    /// An answer.
    pub(super) fn response(&self, body: &[u8], values: &mut Values) {
        let name = STATUS.iter().find(|(code, _)| *code == self.status).map(|(_, name)| *name);
        values.push(slots::RESPONSE, name.unwrap_or("UNKNOWN").as_bytes());
        if self.status == 0
            && let Some(value) = body.get(self.key + self.extras..).filter(|value| !value.is_empty())
        {
            values.push(slots::ANSWERED, value);
            values.push_number(slots::HITS, 1u8);
        }
    }
}

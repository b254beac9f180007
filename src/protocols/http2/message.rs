//! One side of a stream: its frames, headers and body.

use std::cell::OnceCell;
use std::sync::Arc;

use super::body::Decoder;
use super::config::{BODY, BODY_OF_MANY, Config};
use super::hpack::{Item, Text};
use crate::app::DONE;
use crate::app::body::Kept;
use crate::protocols::http::files::Files;
use crate::protocols::http::slots::{BODY as IN_BODY, HEADERS};

/// Bytes of all headers of a message.
pub(super) const HEADER_BYTES_MAX: usize = 256 << 10;
/// Headers of a message.
pub(super) const HEADERS_MAX: usize = 1024;
/// Frames, settings and the like that are noted of a message.
pub(super) const LISTED_MAX: usize = 64;

/// One side.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) progress: u8,
    pub(super) frames: Vec<u8>,
    pub(super) errors: Vec<u32>,
    pub(super) priorities: Vec<u8>,
    pub(super) windows: Vec<u32>,
    pub(super) sizes: Vec<u64>,
    pub(super) settings: Vec<(u16, u32)>,
    pub(super) items: Vec<Item>,
    header_bytes: usize,
    pub(super) body: Kept,
    pub(super) files: Files,
    pub(super) decoder: Decoder,
    derived: Derived,
}

/// Buffers put together when first asked for.
#[derive(Debug, Default)]
struct Derived {
    header: OnceCell<Vec<u8>>,
    names: OnceCell<Vec<u8>>,
    wholes: OnceCell<Vec<Vec<u8>>>,
    cookie: OnceCell<Option<Vec<u8>>>,
    line: OnceCell<Vec<u8>>,
}

/// Notes one of a list that does not grow without end.
pub(super) fn note<T: PartialEq>(list: &mut Vec<T>, what: T) {
    if list.len() < LISTED_MAX {
        list.push(what);
    }
}

impl Message {
    /// Notes a frame's type, once in a row.
    pub(super) fn frame(&mut self, kind: u8) {
        if self.frames.last() != Some(&kind) {
            note(&mut self.frames, kind);
        }
    }

    pub(super) fn reach(&mut self, step: u8) {
        self.progress = self.progress.max(step);
    }

    /// Adds what a block has. False when it is too much.
    pub(super) fn add(&mut self, item: Item) -> bool {
        match &item {
            Item::Header(name, value) => {
                let bytes = self.header_bytes + name.len() + value.len();
                if bytes > HEADER_BYTES_MAX || self.items.len() >= HEADERS_MAX {
                    return false;
                }
                self.header_bytes = bytes;
            }
            Item::Size(size) => {
                note(&mut self.sizes, *size);
                if self.items.len() >= HEADERS_MAX {
                    return false;
                }
            }
        }
        self.items.push(item);
        true
    }

    /// All headers of a block are there.
    pub(super) fn headers_read(&mut self) {
        self.derived = Derived::default();
        self.reach(HEADERS);
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.items.iter().filter_map(|item| match item {
            Item::Header(name, value) => Some((name, value)),
            Item::Size(_) => None,
        })
    }

    /// The value of the first header of that name, which is in lower case on the wire.
    pub(super) fn find(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers().find(|(known, _)| ***known == *name.as_bytes());
        found.map(|(_, value)| &**value).filter(|_| self.progress >= HEADERS)
    }

    /// `name: value`, line by line.
    pub(super) fn header(&self) -> Option<&[u8]> {
        let build = || {
            let mut out = Vec::with_capacity(self.header_bytes + 4 * self.items.len());
            for (name, value) in self.headers() {
                for part in [name, &b": "[..], value, b"\r\n"] {
                    out.extend_from_slice(part);
                }
            }
            out
        };
        self.filled(self.derived.header.get_or_init(build))
    }

    /// The names, line by line.
    pub(super) fn names(&self) -> Option<&[u8]> {
        let build = || {
            let mut out = b"\r\n".to_vec();
            for (name, _) in self.headers() {
                out.extend_from_slice(name);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"\r\n");
            out
        };
        self.filled(self.derived.names.get_or_init(build)).filter(|_| self.headers().next().is_some())
    }

    /// The `nth` header as `name: value`.
    pub(super) fn whole(&self, nth: usize) -> Option<&[u8]> {
        let build = || self.headers().map(|(name, value)| [name, &b": "[..], value].concat()).collect();
        let wholes = self.derived.wholes.get_or_init(build);
        wholes.get(nth).map(Vec::as_slice).filter(|_| self.progress >= HEADERS)
    }

    /// The name of the `nth` header.
    pub(super) fn name(&self, nth: usize) -> Option<&[u8]> {
        self.headers().nth(nth).map(|(name, _)| &**name).filter(|_| self.progress >= HEADERS)
    }

    /// All values of `cookie` or `set-cookie`, which a client may send in pieces.
    pub(super) fn cookie(&self, header: &str) -> Option<&[u8]> {
        let build = || {
            let all: Vec<&[u8]> = self
                .headers()
                .filter(|(name, _)| ***name == *header.as_bytes())
                .map(|(_, value)| &**value)
                .collect();
            (!all.is_empty()).then(|| all.join(&b"; "[..]))
        };
        self.derived.cookie.get_or_init(build).as_deref().filter(|_| self.progress >= HEADERS)
    }

    /// What HTTP/1 would have begun with.
    pub(super) fn line(&self, build: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.derived.line.get_or_init(build)
    }

    fn filled<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if bytes.is_empty() || self.progress < HEADERS { None } else { Some(bytes) }
    }

    /// Bytes of the body; `many`: a lot of other bodies are open. False when decompression broke just now.
    pub(super) fn data(&mut self, bytes: &[u8], config: &Config, many: bool) -> bool {
        self.reach(IN_BODY);
        let Message { decoder, body, files, .. } = self;
        if files.list().is_empty() {
            files.open(Vec::new(), config.http.digests, false);
        }
        let limits = if many { BODY_OF_MANY } else { BODY };
        decoder.feed(bytes, &mut |plain| {
            body.add(plain, &limits);
            files.add(plain, &limits);
        })
    }

    /// Nothing more comes; `whole` when the end was seen. False when decompression broke just now.
    pub(super) fn finish(&mut self, whole: bool) -> bool {
        if self.progress == DONE {
            return true;
        }
        let Message { decoder, body, files, .. } = self;
        let sound = decoder.finish(&mut |plain| {
            body.add(plain, &BODY);
            files.add(plain, &BODY);
        });
        files.close(whole);
        body.finish(whole);
        self.progress = DONE;
        sound
    }

    /// Memory held, bytes, roughly.
    pub(super) fn memory(&self) -> usize {
        self.body.memory()
            + self.files.memory()
            + self.items.len() * size_of::<Item>()
            + self.header_bytes
            + if self.decoder.is_working() { 64 << 10 } else { 0 }
    }
}

/// Makes a header of bytes that came otherwise.
pub(super) fn header(name: &[u8], value: &[u8]) -> Item {
    Item::Header(Arc::from(name), Arc::from(value))
}

//! HTTP/1 (and 0.9): requests and responses of one TCP connection.
//!
//! What a message says is read the way the most lenient receivers read it, because an attacker picks the receiver: odd line
//! ends, folded and repeated headers, wrong lengths, mislabelled compression, junk before and after messages. Which tolerance
//! exists, and what each message is cut into, follows LibHTP (BSD-3-Clause, `LICENSE-LibHTP` beside this file), the library that
//! Suricata uses; what differs is said where it differs. RFC 9110 and RFC 9112 are the standard that senders should keep to.
//!
//! | file | purpose |
//! | --- | --- |
//! | `parser` | the parser of one flow: transactions, gaps, ends |
//! | `request`, `response` | the state machine of each direction |
//! | `line`, `headers`, `uri`, `bestfit` | the pieces of a message |
//! | `body`, `inflate`, `multipart`, `files` | bodies, what is in them, and what is kept of them |
//! | `transaction`, `log`, `slots`, `events` | what others may ask for |
//! | `config` | settings |
//!
//! Bytes behind a complete message that are not another one are taken for more body when they come at once with its end, as
//! receivers do; then, and only then, it matters how the stream was cut.
//!
//! Limits: a line or header has `meta-field-limit` bytes, a header block [`HEADER_BYTES_MAX`], a flow `max-tx` live
//! transactions, a body `*-body-limit` bytes. The parser knows nothing of rules, of flows and of time.

mod bestfit;
pub(in crate::protocols) mod config;
mod events;
pub(in crate::protocols) mod files;
mod headers;
pub(in crate::protocols) mod inflate;
pub mod keywords;
pub(in crate::protocols) mod line;
mod log;
mod multipart;
mod parser;
mod request;
mod response;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;
mod uri;

use std::sync::Arc;

use self::config::Config;
use self::parser::HttpParser;
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::detect::BufferSpec;
use crate::protocols::views;
use crate::types::{Direction, Proto};

/// Bytes of all headers of one message together.
pub const HEADER_BYTES_MAX: usize = 1 << 20;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &Http,
    buffers: &ALL_BUFFERS,
    numbers: &[],
    keywords: keywords::KEYWORDS,
};

/// Its own buffers, and those of what speaks through it.
static ALL_BUFFERS: [BufferSpec; views::count(keywords::BUFFERS)] = views::with(keywords::BUFFERS);

/// The protocol as the registry lists it.
#[derive(Clone, Copy, Debug)]
pub struct Http;

/// Bytes of white space before a request that are looked past.
const LEADING_MAX: usize = 64;

impl Protocol for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["http1"]
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn probe(&self, transport: Proto, dir: Direction, _port: u16, bytes: &[u8]) -> Probe {
        if transport != Proto::TCP {
            return Probe::No;
        }
        let skip = bytes.iter().take_while(|&&c| line::is_space(c)).count();
        if skip > LEADING_MAX {
            return Probe::No;
        }
        let text = bytes.get(skip..).unwrap_or_default();
        let response = response_start(text);
        match dir {
            Direction::ToServer => match (request_start(text), response) {
                (Probe::Yes, _) => Probe::Yes,
                (_, Probe::Yes) => Probe::Reversed,
                (Probe::More, _) | (_, Probe::More) => Probe::More,
                _ => Probe::No,
            },
            Direction::ToClient => match (response, request_start(text)) {
                (Probe::Yes, _) => Probe::Yes,
                (_, Probe::Yes) => Probe::Reversed,
                (Probe::More, _) | (_, Probe::More) => Probe::More,
                _ => Probe::No,
            },
        }
    }

    fn events(&self) -> &'static [&'static str] {
        events::ALL
    }

    fn events_in_capitals(&self) -> bool {
        true
    }

    fn frames(&self) -> &'static [&'static str] {
        parser::FRAMES
    }

    fn hooks(&self) -> &'static [(&'static str, Direction, u8)] {
        &[
            ("request_line", Direction::ToServer, slots::LINE),
            ("request_headers", Direction::ToServer, slots::HEADERS),
            ("request_body", Direction::ToServer, slots::BODY),
            ("request_trailer", Direction::ToServer, slots::TRAILER),
            ("response_line", Direction::ToClient, slots::LINE),
            ("response_headers", Direction::ToClient, slots::HEADERS),
            ("response_body", Direction::ToClient, slots::BODY),
            ("response_trailer", Direction::ToClient, slots::TRAILER),
        ]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory { config: Arc::new(Config::new(settings)) })
    }
}

/// Bytes of a method that nobody knows, at most.
const METHOD_MAX: usize = 24;
/// Bytes of a request line with such a method that are waited for, at most.
const LINE_MAX: usize = 2048;

/// Whether bytes begin with a known method and white space, or are a request line with a method that nobody knows: servers
/// take many such for GET.
fn request_start(text: &[u8]) -> Probe {
    let len = text.iter().position(|&c| line::is_space(c));
    match len {
        Some(len) if line::is_method(text.get(..len).unwrap_or_default()) => Probe::Yes,
        Some(len) => odd_request_start(text, len),
        None if line::METHODS.iter().any(|method| method.as_bytes().starts_with(text)) => Probe::More,
        None => Probe::No,
    }
}

/// Whether a word that is no method is one all the same: a target and `HTTP/1.` follow on its line.
fn odd_request_start(text: &[u8], len: usize) -> Probe {
    let word = text.get(..len).unwrap_or_default();
    let is_word = |c: &u8| c.is_ascii_alphabetic() || matches!(c, b'-' | b'_');
    if len == 0 || len > METHOD_MAX || !word.iter().all(is_word) || text.get(len) != Some(&b' ') {
        return Probe::No;
    }
    let rest = text.get(len..text.len().min(LINE_MAX)).unwrap_or_default();
    match rest.iter().position(|c| matches!(c, b'\n' | b'\r')) {
        Some(end) => match memchr::memmem::rfind(rest.get(..end).unwrap_or_default(), b" HTTP/1.") {
            Some(at) if at > 1 => Probe::Yes,
            _ => Probe::No,
        },
        None if text.len() < LINE_MAX && !rest.iter().any(u8::is_ascii_control) => Probe::More,
        None => Probe::No,
    }
}

/// Whether bytes begin with `HTTP/`, one digit and a dot, as HTTP/1 responses do.
fn response_start(text: &[u8]) -> Probe {
    const WORD: &[u8] = b"HTTP/";
    let common = text.iter().zip(WORD).take_while(|(a, b)| a == b).count();
    match (common == WORD.len(), common == text.len()) {
        (true, _) => match (text.get(5), text.get(6)) {
            (Some(b'0'..=b'1'), Some(b'.')) => Probe::Yes,
            (None, _) | (Some(b'0'..=b'1'), None) => Probe::More,
            _ => Probe::No,
        },
        (false, true) => Probe::More,
        (false, false) => Probe::No,
    }
}

/// A request that asked for HTTP/2 and got it (RFC 7540 section 3.2).
#[derive(Debug)]
pub(in crate::protocols) struct Upgrade {
    pub(in crate::protocols) method: Vec<u8>,
    pub(in crate::protocols) target: Vec<u8>,
    /// Names as sent, and values.
    pub(in crate::protocols) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

struct Factory {
    config: Arc<Config>,
}

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(HttpParser::new(Arc::clone(&self.config)))
    }
}

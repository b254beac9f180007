//! FTP (RFC 959, RFC 2428, RFC 4217): the control connection. What it announces of data connections is handed to the engine
//! as [`Expected`](crate::app::parser::Expected); the connections themselves are `ftp_data`'s.
//!
//! A transaction is a command with its replies; replies that no command waits for (the greeting) have one of their own.
//! A data connection is announced when a file is asked for (`RETR`, `STOR`) and a port was agreed on before, by `PORT`,
//! `EPRT`, or the answer to `PASV` and `EPSV`. Behind `AUTH TLS` and its 234 the flow speaks TLS.
//!
//! Recognised as Suricata 7 recognises it: by `USER`, `PASS`, `PORT` or `FEAT` at the front of what the client says, or
//! `220 (` from the server.
//!
//! Settings: `max-line-length` (4096), `max-tx` (1024). Bounds: a reply keeps `transaction::REPLIES_MAX` lines.

mod address;
pub mod keywords;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &FTP,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static FTP: Ftp = Ftp;

/// The protocol.
#[derive(Debug)]
pub struct Ftp;

impl Protocol for Ftp {
    fn name(&self) -> &'static str {
        "ftp"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn server_speaks_first(&self) -> bool {
        true
    }

    fn probe(&self, _transport: Proto, dir: Direction, _port: u16, bytes: &[u8]) -> Probe {
        let begins = |words: &[&[u8]]| {
            let same = |word: &&&[u8]| {
                let len = word.len().min(bytes.len());
                word[..len].eq_ignore_ascii_case(&bytes[..len])
            };
            match words.iter().find(same) {
                Some(word) if bytes.len() >= word.len() => Probe::Yes,
                Some(_) => Probe::More,
                None => Probe::No,
            }
        };
        let client = begins(&[b"USER ", b"PASS ", b"PORT ", b"FEAT"]);
        let server = begins(&[b"220 ("]);
        let (own, other) = match dir {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        };
        match (own, other) {
            (Probe::No, Probe::Yes) => Probe::Reversed,
            (Probe::No, other) => other,
            (own, _) => own,
        }
    }

    fn usual_port(&self) -> Option<u16> {
        Some(21)
    }

    fn events(&self) -> &'static [&'static str] {
        &[parser::REQUEST_TOO_LONG, parser::RESPONSE_TOO_LONG]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        let size = |key: &str, default: u64, range: std::ops::RangeInclusive<u64>| {
            settings.size(key).unwrap_or(default).clamp(*range.start(), *range.end()) as usize
        };
        Box::new(Options {
            line_max: size("max-line-length", 4096, 32..=1 << 16),
            tx_max: size("max-tx", 1024, 1..=1 << 16),
        })
    }
}

/// What the settings say, once.
#[derive(Clone, Copy, Debug)]
struct Options {
    line_max: usize,
    tx_max: usize,
}

impl ParserFactory for Options {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::FtpParser::new(*self))
    }
}

//! SMTP (RFC 5321) and the messages that it carries (RFC 5322, MIME): mail transactions of one TCP connection.
//!
//! A transaction reaches from the first command to the end of a message, the answer to RSET, or the end of the connection. The
//! name that the client gave itself goes on into later ones. Messages come with DATA or with BDAT (RFC 3030); their
//! attachments are files (`super::mime`).
//!
//! A message that begins before the server has agreed to DATA is read as a message all the same, as servers do: it begins with
//! the first line that is no command.
//!
//! | file | purpose |
//! | --- | --- |
//! | `parser`, `command` | the parser of one flow: lines, commands and replies |
//! | `transaction`, `log`, `slots`, `events` | what others may ask for |
//! | `config` | settings |
//!
//! Settings: `raw-extraction`, `mime.*`, `inspected-tracker.*`, `max-tx`; and `eve.extended`, `eve.custom`, `eve.md5` as
//! under `outputs.eve-log.types.smtp`.
//!
//! Limits: a line has 4096 bytes (lines of a message any number, read in pieces of 8192), 1024 commands may wait for their
//! replies; messages have those of `super::mime`. The parser knows nothing of rules, of flows
//! and of time.

mod command;
mod config;
mod events;
pub mod keywords;
mod log;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use std::sync::Arc;

use self::config::Config;
use self::parser::SmtpParser;
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &Smtp, buffers: keywords::BUFFERS, numbers: &[], keywords: &[] };

/// The protocol as the registry lists it.
#[derive(Clone, Copy, Debug)]
pub struct Smtp;

/// What a client begins with. The server's welcome does not tell SMTP from others (FTP has the same codes).
const FIRST_WORDS: [&[u8]; 3] = [b"EHLO", b"HELO", b"QUIT"];

impl Protocol for Smtp {
    fn name(&self) -> &'static str {
        "smtp"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn probe(&self, transport: Proto, dir: Direction, _port: u16, bytes: &[u8]) -> Probe {
        if transport != Proto::TCP || dir == Direction::ToClient {
            return Probe::No;
        }
        let matches = |word: &&[u8]| word.iter().zip(bytes).all(|(a, b)| a.eq_ignore_ascii_case(b));
        match FIRST_WORDS.iter().any(matches) {
            true if bytes.len() >= 4 => Probe::Yes,
            true => Probe::More,
            false => Probe::No,
        }
    }

    fn server_speaks_first(&self) -> bool {
        true
    }

    fn ends_when_acknowledged(&self) -> bool {
        true
    }

    fn events(&self) -> &'static [&'static str] {
        events::ALL
    }

    fn events_in_capitals(&self) -> bool {
        true
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory { config: Arc::new(Config::new(settings)) })
    }
}

struct Factory {
    config: Arc<Config>,
}

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(SmtpParser::new(Arc::clone(&self.config)))
    }
}

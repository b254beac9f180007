//! SSH (RFC 4253): the banners, and the key exchange as far as it is in the clear.
//!
//! One transaction a flow, id 0. Behind NEWKEYS of both sides everything is encrypted and the parser says so. HASSH is the
//! MD5 of the algorithms that a side offers, in the order it offers them.
//!
//! Settings: `hassh` (`yes`, `no`, `auto`: made when rules ask for it), `encryption-handling` (`default`, `bypass`, `full`:
//! with `full` the flow never becomes opaque). Bounds: a banner has `parser::BANNER_MAX` bytes, a key exchange message
//! `parser::RECORD_MAX`; other messages are passed over.

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
    protocol: &SSH,
    buffers: keywords::BUFFERS,
    numbers: &[],
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static SSH: Ssh = Ssh;

/// The protocol.
#[derive(Debug)]
pub struct Ssh;

impl Protocol for Ssh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn probe(&self, _transport: Proto, _dir: Direction, _port: u16, bytes: &[u8]) -> Probe {
        const MARK: &[u8] = b"SSH-";
        match bytes.get(..MARK.len()) {
            Some(front) if front == MARK => Probe::Yes,
            None if MARK.starts_with(bytes) => Probe::More,
            _ => Probe::No,
        }
    }

    fn usual_port(&self) -> Option<u16> {
        Some(22)
    }

    fn events(&self) -> &'static [&'static str] {
        &[parser::INVALID_BANNER, parser::LONG_BANNER, parser::INVALID_RECORD]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        let used = ["hassh", "hassh-string", "hassh-server", "hassh-server-string"]
            .iter()
            .any(|buffer| settings.flag(&format!("used.ssh-{buffer}")).unwrap_or(false));
        let handling = settings.text("encryption-handling");
        Box::new(Options {
            hassh: settings.flag("hassh").unwrap_or(used),
            opaque: handling != Some("full"),
            bypass: handling == Some("bypass"),
        })
    }
}

/// What the settings say, once.
#[derive(Clone, Copy, Debug)]
struct Options {
    /// Fingerprints are made.
    hassh: bool,
    /// The parser lets go of the flow when both sides are encrypted.
    opaque: bool,
    /// So does the engine.
    bypass: bool,
}

impl ParserFactory for Options {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::SshParser::new(*self))
    }
}

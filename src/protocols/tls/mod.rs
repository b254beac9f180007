//! TLS from SSLv3 to 1.3, and SSLv2 hellos: the handshake as far as it is in the clear.
//!
//! One transaction a flow, id 0: hellos, certificates, fingerprints. Once both sides are encrypted the handshake is done
//! and the parser says that the rest is opaque. Bounds: a handshake message is kept up to 64 KiB a direction, a chain up
//! to 32 certificates; a record is asked for whole, at most 18,431 bytes.
//!
//! Settings: `ja3-fingerprints`, `ja4-fingerprints` (`yes`, `no`, `auto`: computed, shown when `used.ja3`, `used.ja4`
//! say that rules look at them), `encryption-handling` (`default`, `bypass`, `full`: with `full` the flow never becomes
//! opaque), `eve.extended`, `eve.session-resumption`, `eve.ja4` (as under `outputs.eve-log.types.tls`).

mod certificate;
mod dates;
mod heartbeat;
pub mod keywords;
mod log;
mod parser;
mod probe;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{DONE, Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &TLS,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static TLS: Tls = Tls;

/// The protocol.
#[derive(Debug)]
pub struct Tls;

impl Protocol for Tls {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["ssl"]
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn probe(&self, _transport: Proto, dir: Direction, _port: u16, bytes: &[u8]) -> Probe {
        probe::probe(dir, bytes)
    }

    fn events(&self) -> &'static [&'static str] {
        EVENTS
    }

    fn events_in_capitals(&self) -> bool {
        true
    }

    fn frames(&self) -> &'static [&'static str] {
        parser::FRAMES
    }

    fn hooks(&self) -> &'static [(&'static str, Direction, u8)] {
        &[
            ("client_in_progress", Direction::ToServer, slots::HELLO),
            ("client_hello_done", Direction::ToServer, slots::HELLO),
            ("client_cert_done", Direction::ToServer, slots::CERTIFICATE),
            ("client_finished", Direction::ToServer, DONE),
            ("server_in_progress", Direction::ToClient, slots::HELLO),
            ("server_hello", Direction::ToClient, slots::HELLO),
            ("server_cert_done", Direction::ToClient, slots::CERTIFICATE),
            ("server_finished", Direction::ToClient, DONE),
        ]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Options {
            wanted: log::Wanted::new(settings),
            opaque: settings.text("encryption-handling") != Some("full"),
            bypass: settings.text("encryption-handling") == Some("bypass"),
        })
    }
}

/// What the settings say, once.
#[derive(Clone, Copy, Debug)]
struct Options {
    wanted: log::Wanted,
    /// The parser lets go of the flow when both sides are encrypted.
    opaque: bool,
    /// Even when rules want frames of what is encrypted.
    bypass: bool,
}

impl ParserFactory for Options {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::TlsParser::new(*self))
    }
}

const EVENTS: &[&str] = &[
    "invalid_sslv2_header",
    "invalid_tls_header",
    "invalid_record_version",
    "invalid_record_type",
    "invalid_record_length",
    "invalid_handshake_message",
    "invalid_certificate",
    "certificate_missing_element",
    "certificate_unknown_element",
    "certificate_invalid_length",
    "certificate_invalid_version",
    "certificate_invalid_serial",
    "certificate_invalid_algorithmidentifier",
    "certificate_invalid_x509name",
    "certificate_invalid_date",
    "certificate_invalid_extensions",
    "certificate_invalid_der",
    "certificate_invalid_subject",
    "certificate_invalid_issuer",
    "certificate_invalid_validity",
    "error_message_encountered",
    "invalid_ssl_record",
    "heartbeat_message",
    "overflow_heartbeat_message",
    "invalid_heartbeat_message",
    "dataleak_heartbeat_mismatch",
    "multiple_sni_extensions",
    "invalid_sni_type",
    "invalid_sni_length",
    "handshake_invalid_length",
    "too_many_records_in_packet",
];

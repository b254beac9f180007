//! MQTT 3.1, 3.1.1 and 5.0 over TCP.
//!
//! A transaction is an exchange: a message and those that acknowledge it, or one that nobody acknowledges. It concerns the
//! direction of its first message, and rules look at it once it is whole. Bounds: a message is read up to `max-msg-length`, of a
//! longer one only that it was there is told; exchanges that wait for their end up to `max-tx`, 65,536 alive in all;
//! 256 properties and 1024 topics of a message.
//!
//! Settings: `detection-ports.dp` (1883), `max-msg-length` (1 MiB), `max-tx` (4096), `subscribe-topic-match-limit` and
//! `unsubscribe-topic-match-limit` (100: topics of a message that rules look at), `eve.passwords` (yes).

pub mod keywords;
mod log;
mod message;
mod parser;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &MQTT,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static MQTT: Mqtt = Mqtt;

const PORT: u16 = 1883;

/// The protocol.
#[derive(Debug)]
pub struct Mqtt;

impl Protocol for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if port != PORT {
            return Probe::No;
        }
        match message::Header::read(bytes) {
            Ok(Some(header)) if header.kind != 0 => Probe::Yes,
            Ok(None) if bytes.first().is_none_or(|first| first >> 4 != 0) => Probe::More,
            _ => Probe::No,
        }
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "missing_connect",
            "missing_publish",
            "missing_subscribe",
            "missing_unsubscribe",
            "double_connect",
            "unintroduced_message",
            "invalid_qos_level",
            "missing_msg_id",
            "unassigned_msg_type",
            "too_many_transactions",
            "malformed_traffic",
        ]
    }

    fn frames(&self) -> &'static [&'static str] {
        parser::FRAMES
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        let size = |key: &str, otherwise: usize| {
            settings.size(key).map_or(otherwise, |size| usize::try_from(size).unwrap_or(usize::MAX))
        };
        Box::new(Options {
            message_max: size("max-msg-length", 1 << 20),
            transactions_max: size("max-tx", 4096),
            topics_max: [
                size("subscribe-topic-match-limit", 100),
                size("unsubscribe-topic-match-limit", 100),
            ],
            passwords: settings.flag("eve.passwords").unwrap_or(true),
        })
    }
}

/// What the settings say, once.
#[derive(Clone, Copy, Debug)]
struct Options {
    message_max: usize,
    transactions_max: usize,
    /// Of subscriptions, and of their ends.
    topics_max: [usize; 2],
    passwords: bool,
}

impl ParserFactory for Options {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::MqttParser::new(*self))
    }
}

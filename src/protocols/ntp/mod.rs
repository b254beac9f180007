//! NTP (RFC 5905) on its port: recognised, and malformed messages told.
//!
//! Keywords: `ntp.version`, `ntp.mode`, `ntp.stratum`, `ntp.reference_id`. As with Suricata there are no records. Bounds: of a message
//! these four are kept, and what was wrong.
//!
//! Settings: `detection-ports.dp` (123).

mod keywords;
#[cfg(test)]
mod tests;

use crate::app::{
    Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, Settings, Transactions, TxList,
};
use crate::json::JsonWriter;
use crate::protocols::single::{MessageTx, Record};
use crate::protocols::values::Values;
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &NTP,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static NTP: Ntp = Ntp;

const PORT: u16 = 123;

/// The protocol.
#[derive(Debug)]
pub struct Ntp;

impl Protocol for Ntp {
    fn name(&self) -> &'static str {
        "ntp"
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if port == PORT && is_message(bytes) { Probe::Yes } else { Probe::No }
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_data"]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

/// Versions 3 and 4: a whole header (RFC 5905 section 7.3), or the control and private messages of modes 6 and 7.
fn is_message(bytes: &[u8]) -> bool {
    let Some(first) = bytes.first() else { return false };
    match (first >> 3 & 7, first & 7) {
        (3 | 4, 1..=5) => bytes.len() >= 48,
        (2..=4, 6) => bytes.len() >= 12,
        (2..=4, 7) => bytes.len() >= 8,
        _ => false,
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(NtpParser::default())
    }
}

#[derive(Debug)]
struct Nothing;

impl Record for Nothing {
    const LOGS: bool = false;

    fn log(&self, _values: &Values, _out: &mut JsonWriter) {}
}

/// The parser of one flow.
#[derive(Default)]
struct NtpParser {
    transactions: TxList<MessageTx<Nothing>>,
}

impl Parser for NtpParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let events: &[&'static str] = if is_message(input.bytes) { &[] } else { &["malformed_data"] };
        let values = keywords::values(input.bytes);
        self.transactions.push_with(|id| MessageTx::new(id, input.dir, values, Nothing, events));
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, _dir: Direction, _len: u64) -> Result<(), ParseError> {
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.transactions.iter().map(MessageTx::memory).sum::<usize>()
    }
}

//! Telnet (RFC 854) on its port: recognised, and read as a stream.
//!
//! A session has no messages, so there are no transactions, no buffers of its own and no records; rules on `telnet` look at
//! payload and stream. What is on the port and nobody else's is telnet's, be it with options or without. Bounds: nothing is kept.

#[cfg(test)]
mod tests;

use crate::app::{
    DONE, Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, Settings, Slot, Transaction,
    Transactions, TxList,
};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto};

/// What the list of protocols holds. It stands last there: its recognition asks for little.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &TELNET, buffers: &[], numbers: &[], keywords: &[] };

/// The registry's entry.
pub static TELNET: Telnet = Telnet;

const PORT: u16 = 23;

/// The protocol.
#[derive(Debug)]
pub struct Telnet;

impl Protocol for Telnet {
    fn name(&self) -> &'static str {
        "telnet"
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
        match bytes {
            _ if port != PORT => Probe::No,
            [] | [_] => Probe::More,
            _ => Probe::Yes,
        }
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(TelnetParser::default())
    }
}

#[derive(Default)]
struct TelnetParser {
    none: TxList<Never>,
}

impl Parser for TelnetParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, _dir: Direction, _len: u64) -> Result<(), ParseError> {
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.none
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.none
    }
}

/// The transaction that there is none of.
enum Never {}

impl Transaction for Never {
    fn id(&self) -> u64 {
        0
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, _slot: Slot, _nth: usize) -> Option<&[u8]> {
        None
    }

    fn log(&self, _out: &mut JsonWriter) {}
}

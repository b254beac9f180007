//! SNMP versions 1, 2c and 3 over UDP (RFC 1157, 1901, 3412, 3414).
//!
//! Every message is a transaction of its own, done at once, and concerns only the direction it went. What is encrypted is told to
//! be. SNMP is looked for on its ports only; the version of a flow's first message is that of the flow. What cannot be read is
//! an error of its datagram. Bounds: one message (65,535 bytes), 1024 variables of it.
//!
//! Settings: `detection-ports.dp` (161, 162).

pub mod keywords;
mod log;
mod message;
pub mod slots;
#[cfg(test)]
mod tests;
mod transaction;

use crate::app::{
    Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, Settings, Transactions, TxList,
};
use crate::types::{Direction, Proto};
use message::Message;
use transaction::SnmpTx;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &SNMP,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: &[],
};

/// The registry's entry.
pub static SNMP: Snmp = Snmp;

const PORTS: [u16; 2] = [161, 162];

/// The protocol.
#[derive(Debug)]
pub struct Snmp;

impl Protocol for Snmp {
    fn name(&self) -> &'static str {
        "snmp"
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORTS[0])
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if PORTS.contains(&port) && message::version(bytes).is_ok() { Probe::Yes } else { Probe::No }
    }

    fn events(&self) -> &'static [&'static str] {
        &["unknown_security_model", "version_mismatch"]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(SnmpParser::default())
    }
}

/// The parser of one flow.
#[derive(Default)]
struct SnmpParser {
    version: Option<u8>,
    transactions: TxList<SnmpTx>,
}

impl Parser for SnmpParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let mut message = Message::read(input.bytes).map_err(|_| ParseError("malformed_data"))?;
        let flow = *self.version.get_or_insert(message.version);
        let mismatch = flow != message.version;
        message.version = flow;
        self.transactions.push_with(|id| SnmpTx::new(id, input.dir, message, mismatch));
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
        size_of::<Self>() + self.transactions.iter().map(SnmpTx::memory).sum::<usize>()
    }
}

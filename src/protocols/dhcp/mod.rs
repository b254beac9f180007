//! DHCP and BOOTP for IPv4 (RFC 2131, 2132) over UDP.
//!
//! Every message is a transaction of its own, done at once, and concerns only the direction it went. DHCP is looked for on its ports
//! only. Options are read up to their end, or to the first that is cut off. Bounds: one message (65,535 bytes).
//!
//! Settings: `eve.extended` (no: records of acknowledgements alone, without their options).

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
use transaction::DhcpTx;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &DHCP, buffers: &[], numbers: keywords::NUMBERS, keywords: &[] };

/// The registry's entry.
pub static DHCP: Dhcp = Dhcp;

const PORTS: [u16; 2] = [67, 68];

/// The protocol.
#[derive(Debug)]
pub struct Dhcp;

impl Protocol for Dhcp {
    fn name(&self) -> &'static str {
        "dhcp"
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP]
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if PORTS.contains(&port) && Message::read(bytes).is_some() { Probe::Yes } else { Probe::No }
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_options", "truncated_options"]
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory { extended: settings.flag("eve.extended").unwrap_or(false) })
    }
}

struct Factory {
    extended: bool,
}

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(DhcpParser { extended: self.extended, transactions: TxList::default() })
    }
}

/// The parser of one flow.
struct DhcpParser {
    extended: bool,
    transactions: TxList<DhcpTx>,
}

impl Parser for DhcpParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let message = Message::read(input.bytes).ok_or(ParseError("malformed_data"))?;
        let extended = self.extended;
        self.transactions.push_with(|id| DhcpTx::new(id, input.dir, message, extended));
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
        size_of::<Self>() + self.transactions.iter().map(DhcpTx::memory).sum::<usize>()
    }
}

//! IKE versions 1 and 2 over UDP (RFC 2408, 2409, 7296).
//!
//! Every message is a transaction of its own. What both sides have said of an exchange (what the responder chose, keys, nonces)
//! is told with each message that follows. Payloads that are encrypted are named, not read. IKE is looked for on its port only.
//! Bounds: one message (65,535 bytes), `message::PAYLOADS_MAX` payloads and as many attributes of it.
//!
//! Settings: `detection-ports.dp` (500), `eve.extended`.

pub mod keywords;
mod log;
mod message;
mod names;
pub mod slots;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::app::{
    Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, Settings, Transactions, TxList,
};
use crate::protocols::single::MessageTx;
use crate::types::{Direction, Proto};
use message::{Message, Shared};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &IKE,
    buffers: keywords::BUFFERS,
    numbers: keywords::NUMBERS,
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static IKE: Ike = Ike;

const PORT: u16 = 500;

/// The protocol.
#[derive(Debug)]
pub struct Ike;

impl Protocol for Ike {
    fn name(&self) -> &'static str {
        "ike"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["ikev1", "ikev2"]
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
        if port == PORT && message::is_message(bytes) { Probe::Yes } else { Probe::No }
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "malformed_data",
            "no_encryption",
            "weak_crypto_enc",
            "weak_crypto_prf",
            "weak_crypto_dh",
            "weak_crypto_auth",
            "weak_crypto_no_dh",
            "weak_crypto_no_auth",
            "invalid_proposal",
            "unknown_proposal",
            "payload_extra_data",
            "multiple_server_proposal",
        ]
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
        Box::new(IkeParser { extended: self.extended, ..IkeParser::default() })
    }
}

/// The parser of one flow.
#[derive(Default)]
struct IkeParser {
    extended: bool,
    shared: Arc<Shared>,
    transactions: TxList<MessageTx<Message>>,
}

impl Parser for IkeParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let read = Message::read(input.dir, input.bytes, &mut self.shared, self.extended);
        let (values, message, events) = read.ok_or(ParseError("malformed_data"))?;
        self.transactions.push_with(|id| MessageTx::new(id, input.dir, values, message, &events));
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
        size_of::<Self>()
            + self.shared.memory()
            + self.transactions.iter().map(MessageTx::memory).sum::<usize>()
    }
}

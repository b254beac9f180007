//! BitTorrent's distributed hash table over UDP (BEP 5): queries, responses and errors, on any port.
//!
//! Every message is a transaction of its own. It is told by the way a message begins; what cannot be read is an event of its
//! datagram (`malformed_packet`). Bounds: one datagram, nesting of `bencode::DEPTH_MAX`, `message::NODES_MAX` nodes and as many
//! peers of it.
//!
//! Settings: none.

mod bencode;
mod message;
#[cfg(test)]
mod tests;

use crate::app::{
    Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, Settings, Transactions, TxList,
};
use crate::protocols::single::MessageTx;
use crate::protocols::values::Values;
use crate::types::{Direction, Proto};
use message::Message;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &BITTORRENT_DHT, buffers: &[], numbers: &[], keywords: &[] };

/// The registry's entry.
pub static BITTORRENT_DHT: BittorrentDht = BittorrentDht;

/// The protocol.
#[derive(Debug)]
pub struct BittorrentDht;

impl Protocol for BittorrentDht {
    fn name(&self) -> &'static str {
        "bittorrent-dht"
    }

    fn event_type(&self) -> &'static str {
        "bittorrent_dht"
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP]
    }

    fn probe(&self, _transport: Proto, _dir: Direction, _port: u16, bytes: &[u8]) -> Probe {
        const STARTS: [&[u8]; 5] = [b"d1:ad2:id20:", b"d1:rd2:id20:", b"d2:ip4:", b"d2:ip6:", b"d1:el"];
        let found = bytes.first() == Some(&b'd') && STARTS.iter().any(|start| bytes.starts_with(start));
        if found { Probe::Yes } else { Probe::No }
    }

    fn events(&self) -> &'static [&'static str] {
        &["malformed_packet"]
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(DhtParser::default())
    }
}

/// The parser of one flow.
#[derive(Default)]
struct DhtParser {
    transactions: TxList<MessageTx<Message>>,
}

impl Parser for DhtParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let (message, is_whole) = Message::read(input.bytes);
        let events: &[&'static str] = if is_whole { &[] } else { &["malformed_packet"] };
        self.transactions.push_with(|id| MessageTx::new(id, input.dir, Values::default(), message, events));
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

//! What speaks as DNS does, over datagrams, and says so by its port: mDNS (RFC 6762) and LLMNR (RFC 4795).
//!
//! Every message is a transaction of its own, and concerns the direction it went: one that is sent to a group goes to the server,
//! question or answer. What cannot be read whole is told as an event. Bounds are those of DNS messages.

use super::log;
use super::message::{Message, Record};
use super::name::Name;
use super::slots;
use super::transaction::response_name;
use crate::app::{
    DONE, Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, RecordEnds, Settings, Slot,
    Transaction, Transactions, TxList,
};
use crate::detect::{Kind, Place};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto};

/// A protocol that is read as DNS is, and is known by its port.
#[derive(Debug)]
pub(in crate::protocols) struct Relative {
    /// As rules and records name it.
    pub(in crate::protocols) name: &'static str,
    /// The port of the group.
    pub(in crate::protocols) port: u16,
}

impl Protocol for Relative {
    fn name(&self) -> &'static str {
        self.name
    }

    fn stands_alone(&self, transport: Proto) -> bool {
        transport == Proto::UDP
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(self.port)
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        if port == self.port { probe(bytes) } else { Probe::No }
    }

    fn events(&self) -> &'static [&'static str] {
        EVENTS
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory(self.name))
    }
}

struct Factory(&'static str);

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(RelativeParser::new(self.0))
    }
}

/// What each of them has among its events.
const EVENTS: &[&str] = &["malformed_data", "name_too_long", "infinite_loop", "too_many_labels"];

/// Names of that section, in messages of either side.
pub(in crate::protocols) const fn places(slot: Slot) -> [Place; 2] {
    [
        Place { dir: Direction::ToServer, slot, progress: DONE, kind: Kind::Multi },
        Place { dir: Direction::ToClient, slot, progress: DONE, kind: Kind::Multi },
    ]
}

/// Whether the datagram is a whole message.
fn probe(bytes: &[u8]) -> Probe {
    match Message::read_whole(bytes) {
        Ok((message, end)) if end == bytes.len() && message.header.opcode() == 0 => Probe::Yes,
        _ => Probe::No,
    }
}

/// Tells each question of a message: its name and type; `false` when it is no message.
pub(in crate::protocols) fn questions(bytes: &[u8], each: &mut dyn FnMut(&[u8], String)) -> bool {
    let Ok((message, _)) = Message::read_whole(bytes) else { return false };
    for question in &message.questions {
        each(message.names.text(question.name), question.rrtype.to_string());
    }
    !message.questions.is_empty()
}

/// The parser of one flow.
struct RelativeParser {
    name: &'static str,
    transactions: TxList<RelativeTx>,
}

impl RelativeParser {
    /// Records have that name.
    pub(in crate::protocols) fn new(name: &'static str) -> Self {
        RelativeParser { name, transactions: TxList::default() }
    }
}

impl Parser for RelativeParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let (name, dir) = (self.name, input.dir);
        let read = Message::read_whole(input.bytes);
        let (message, mut events) = match read {
            Ok((message, _)) => (Some(message), Vec::new()),
            Err(_) => (None, vec![(dir, "malformed_data")]),
        };
        if let Some(message) = &message {
            let odd = message.names.odd;
            let found = [
                (odd.truncated, "name_too_long"),
                (odd.infinite_loop, "infinite_loop"),
                (odd.too_many_labels, "too_many_labels"),
            ];
            events.extend(found.into_iter().filter(|(seen, _)| *seen).map(|(_, event)| (dir, event)));
        }
        self.transactions.push_with(|id| RelativeTx { id, name, dir, message, events });
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
        size_of::<Self>() + self.transactions.iter().map(RelativeTx::memory).sum::<usize>()
    }
}

/// One message.
#[derive(Debug)]
struct RelativeTx {
    id: u64,
    name: &'static str,
    dir: Direction,
    /// `None` for one that could not be read.
    message: Option<Message>,
    events: Vec<(Direction, &'static str)>,
}

impl RelativeTx {
    fn memory(&self) -> usize {
        size_of::<Self>() + self.message.as_ref().map_or(0, Message::memory) + self.events.capacity() * 24
    }
}

impl Transaction for RelativeTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let message = self.message.as_ref()?;
        let owner = |records: &[Record]| records.get(nth).map(|record| record.name);
        let name: Option<Name> = match slot {
            slots::QUERIES_RRNAME => message.questions.get(nth).map(|question| question.name),
            slots::ANSWERS_RRNAME => owner(&message.answers),
            slots::AUTHORITIES_RRNAME => owner(&message.authorities),
            slots::ADDITIONALS_RRNAME => owner(&message.additionals),
            slots::RESPONSE_RRNAME if message.header.is_response() => response_name(message, nth),
            _ => None,
        };
        name.map(|name| message.names.text(name))
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn concerns(&self, dir: Direction) -> bool {
        dir == self.dir
    }

    fn logs(&self) -> bool {
        self.message.is_some()
    }

    fn log(&self, out: &mut JsonWriter) {
        out.open_object(self.name);
        if let Some(message) = &self.message {
            let response = message.header.is_response();
            out.text("type", if response { "response" } else { "request" });
            out.number("tx_id", self.id);
            log::header(message, out);
            if response {
                log::rcode(message, out);
            }
            log::queries(message, out);
            for (key, records) in [
                ("answers", &message.answers),
                ("authorities", &message.authorities),
                ("additionals", &message.additionals),
            ] {
                if !records.is_empty() {
                    log::records(key, message, records, out);
                }
            }
        }
        out.close();
    }

    fn record_ends(&self) -> RecordEnds {
        RecordEnds::Side(self.dir)
    }

    fn record_has_id(&self) -> bool {
        false
    }
}

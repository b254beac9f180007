//! One message (BEP 5, BEP 32), and its record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bencode::{Item, item, items, members};
use crate::json::JsonWriter;
use crate::protocols::reader::{Reader, hex};
use crate::protocols::single::Record;
use crate::protocols::values::Values;

/// Nodes, and peers, of a message that are kept.
pub(super) const NODES_MAX: usize = 128;

/// A query's arguments or a response's values.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    texts: Vec<(&'static str, Vec<u8>)>,
    implied_port: Option<i64>,
    port: Option<i64>,
    nodes: [Vec<(Vec<u8>, IpAddr, u16)>; 2],
    peers: Vec<(IpAddr, u16)>,
}

/// What is kept of a message.
#[derive(Debug, Default)]
pub(super) struct Message {
    transaction: Vec<u8>,
    client: Option<Vec<u8>>,
    query: Option<Vec<u8>>,
    request: Option<Box<Arguments>>,
    response: Option<Box<Arguments>>,
    error: Option<(i64, Vec<u8>)>,
}

impl Message {
    /// Reads a datagram; whether it was a whole message.
    pub(super) fn read(bytes: &[u8]) -> (Message, bool) {
        let mut message = Message::default();
        let whole = message.fill(bytes).is_some();
        (message, whole)
    }

    fn fill(&mut self, bytes: &[u8]) -> Option<()> {
        let (Item::Dictionary(inner), _) = item(bytes, 0)? else { return None };
        let (mut kind, mut arguments, mut values, mut has_transaction) = (None, None, None, false);
        for (name, value) in members(inner) {
            match (name, value) {
                (b"t", Item::Text(text)) => {
                    self.transaction = text.to_vec();
                    has_transaction = true;
                }
                (b"v", Item::Text(text)) => self.client = Some(text.to_vec()),
                (b"y", Item::Text(text)) => kind = text.first().copied(),
                (b"q", Item::Text(text)) => self.query = Some(text.to_vec()),
                (b"a", Item::Dictionary(inner)) => arguments = Some(Box::new(Arguments::read(inner))),
                (b"r", Item::Dictionary(inner)) => values = Some(Box::new(Arguments::read(inner))),
                (b"e", Item::List(inner)) => {
                    let mut parts = items(inner);
                    if let (Some(Item::Number(number)), Some(Item::Text(text))) = (parts.next(), parts.next())
                    {
                        self.error = Some((number, text.to_vec()));
                    }
                }
                _ => {}
            }
        }
        (self.request, self.response) = (arguments, values);
        let sound = match kind? {
            b'q' => self.query.is_some() && self.request.as_ref().is_some_and(|request| request.has_id()),
            b'r' => self.response.as_ref().is_some_and(|response| response.has_id()),
            b'e' => self.error.is_some(),
            _ => false,
        };
        (sound && has_transaction).then_some(())
    }
}

impl Arguments {
    fn read(inner: &[u8]) -> Arguments {
        const TEXTS: [&str; 4] = ["id", "target", "info_hash", "token"];
        let mut found = Arguments::default();
        for (name, value) in members(inner) {
            match (name, value) {
                (b"implied_port", Item::Number(number)) => found.implied_port = Some(number),
                (b"port", Item::Number(number)) => found.port = Some(number),
                (b"nodes", Item::Text(text)) => found.nodes[0] = nodes(text, false),
                (b"nodes6", Item::Text(text)) => found.nodes[1] = nodes(text, true),
                (b"values", Item::List(inner)) => {
                    let texts = items(inner).take(NODES_MAX).filter_map(|item| match item {
                        Item::Text(text) => Some(text),
                        _ => None,
                    });
                    found.peers = texts.filter_map(|text| end(&mut Reader(text), text.len() > 6)).collect();
                }
                (name, Item::Text(text)) => {
                    if let Some(key) = TEXTS.iter().find(|key| key.as_bytes() == name) {
                        found.texts.push((key, text.to_vec()));
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn has_id(&self) -> bool {
        self.texts.iter().any(|(name, _)| *name == "id")
    }

    fn log(&self, out: &mut JsonWriter) {
        let text = |name: &'static str, out: &mut JsonWriter| {
            if let Some((_, text)) = self.texts.iter().find(|(known, _)| *known == name) {
                out.text(name, &hex(text));
            }
        };
        ["id", "target", "info_hash"].into_iter().for_each(|name| text(name, out));
        for (key, nodes) in ["nodes", "nodes6"].into_iter().zip(&self.nodes) {
            if !nodes.is_empty() {
                out.open_array(key);
                for (id, address, port) in nodes {
                    out.open();
                    out.text("id", &hex(id));
                    out.plain("ip", address);
                    out.number("port", *port);
                    out.close();
                }
                out.close_array();
            }
        }
        if !self.peers.is_empty() {
            out.open_array("values");
            for (address, port) in &self.peers {
                out.open();
                out.plain("ip", address);
                out.number("port", *port);
                out.close();
            }
            out.close_array();
        }
        text("token", out);
        for (key, number) in [("implied_port", self.implied_port), ("port", self.port)] {
            if let Some(number) = number {
                out.number(key, number);
            }
        }
    }

    fn memory(&self) -> usize {
        let nodes =
            self.nodes.iter().map(|nodes| nodes.capacity() * (size_of::<(Vec<u8>, IpAddr, u16)>() + 20));
        let texts = self.texts.iter().map(|(_, text)| text.capacity() + 48);
        nodes.sum::<usize>() + texts.sum::<usize>() + self.peers.capacity() * size_of::<(IpAddr, u16)>() + 256
    }
}

/// An address and a port.
fn end(reader: &mut Reader<'_>, v6: bool) -> Option<(IpAddr, u16)> {
    let address = if v6 {
        Ipv6Addr::from(*reader.take(16)?.first_chunk::<16>()?).into()
    } else {
        Ipv4Addr::from(reader.u32()?).into()
    };
    Some((address, reader.u16()?))
}

fn nodes(text: &[u8], v6: bool) -> Vec<(Vec<u8>, IpAddr, u16)> {
    let mut reader = Reader(text);
    let one = || {
        let id = reader.take(20)?.to_vec();
        let (address, port) = end(&mut reader, v6)?;
        Some((id, address, port))
    };
    std::iter::from_fn(one).take(NODES_MAX).collect()
}

impl Record for Message {
    fn log(&self, _values: &Values, out: &mut JsonWriter) {
        out.open_object("bittorrent_dht");
        out.text("transaction_id", &hex(&self.transaction));
        if let Some(client) = &self.client {
            out.text("client_version", &hex(client));
        }
        if let Some(query) = &self.query {
            out.bytes("request_type", query);
        }
        if let Some((number, text)) = &self.error {
            out.open_object("error");
            out.number("num", *number);
            out.bytes("msg", text);
            out.close();
        }
        for (key, arguments) in [("request", &self.request), ("response", &self.response)] {
            if let Some(arguments) = arguments {
                out.open_object(key);
                arguments.log(out);
                out.close();
            }
        }
        out.close();
    }

    fn memory(&self) -> usize {
        let texts = self.transaction.capacity()
            + [&self.client, &self.query].into_iter().flatten().map(Vec::capacity).sum::<usize>()
            + self.error.as_ref().map_or(0, |(_, text)| text.capacity());
        texts + [&self.request, &self.response].into_iter().flatten().map(|all| all.memory()).sum::<usize>()
    }
}

//! Datagrams → packets → transactions, and what is remembered of a connection in between.

use super::crypto_stream::{CryptoStream, TooLong};
use super::frames;
use super::google;
use super::header::{Broken, Kind, Long, Public, is_long};
use super::keys::Keys;
use super::log::Wanted;
use super::transaction::QuicTx;
use super::version::Version;
use crate::app::{Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::protocols::hello::messages::{ClientHello, ServerHello};
use crate::types::Direction;

/// Packets read of one datagram.
pub(super) const PACKETS_MAX: usize = 32;

/// The parser of one flow.
pub(super) struct QuicParser {
    wanted: Wanted,
    transactions: TxList<QuicTx>,
    keys: Option<Box<Keys>>,
    /// The id that the server chose for itself.
    server: Vec<u8>,
    sides: [Side; 2],
}

/// What is remembered of one direction.
#[derive(Debug, Default)]
struct Side {
    handshake: CryptoStream,
    /// Its hello was seen: what follows cannot be read.
    greeted: bool,
}

impl QuicParser {
    pub(super) fn new(wanted: Wanted) -> Self {
        QuicParser {
            wanted,
            transactions: TxList::default(),
            keys: None,
            server: Vec::new(),
            sides: [Side::default(), Side::default()],
        }
    }

    fn push(&mut self, dir: Direction, version: Version, long: bool) -> &mut QuicTx {
        let wanted = self.wanted;
        self.transactions.push_with(|id| QuicTx::new(id, wanted, dir, version, long))
    }

    /// Takes the packets of a datagram one after the other, as far as they can be read.
    fn datagram(&mut self, dir: Direction, bytes: &[u8]) -> Result<(), Broken> {
        let mut rest = bytes;
        for nth in 0..PACKETS_MAX {
            let Some(&first) = rest.first() else { break };
            if !is_long(first) {
                // what speaks as the IETF wrote has no such header
                if nth == 0
                    && !self.sides[dir.index()].greeted
                    && let Some(public) = Public::read(rest)?
                {
                    let hello = google::hello(public.version, public.number_len, public.body);
                    self.push(dir, public.version, false).google =
                        hello.filter(|_| dir == Direction::ToServer);
                }
                break;
            }
            let packet = Long::read(rest)?;
            if !self.packet(dir, &packet) {
                break;
            }
            rest = rest.get(packet.packet.len()..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes one packet; false when what is behind it in the datagram is not worth reading.
    fn packet(&mut self, dir: Direction, packet: &Long<'_>) -> bool {
        if self.sides[dir.index()].greeted && !self.begins_anew(dir, packet) {
            return false;
        }
        if dir == Direction::ToClient && matches!(packet.kind, Kind::Initial | Kind::Handshake) {
            packet.source.clone_into(&mut self.server);
        }
        match packet.kind {
            Kind::Initial => {
                self.initial(dir, packet);
                return true;
            }
            Kind::Retry => {
                self.push(dir, packet.version, true);
                if dir == Direction::ToClient {
                    // the client begins again, with an id that other keys follow from
                    self.reset();
                }
            }
            Kind::Google => {
                // behind the number, which has four bytes here
                let hello = packet.body().get(4..).and_then(|body| google::hello(packet.version, 4, body));
                self.push(dir, packet.version, true).google = hello.filter(|_| dir == Direction::ToServer);
            }
            Kind::ZeroRtt | Kind::Handshake | Kind::Negotiation => {
                self.push(dir, packet.version, true);
            }
        }
        false
    }

    /// Nothing is known any more but that it is QUIC.
    fn reset(&mut self) {
        self.keys = None;
        self.server.clear();
        self.sides = [Side::default(), Side::default()];
    }

    /// A client that has sent its hello begins another connection between the same ports: its keys say so.
    fn begins_anew(&mut self, dir: Direction, packet: &Long<'_>) -> bool {
        let known = |keys: &Keys| keys.version == packet.version && keys.connection == packet.destination;
        if dir == Direction::ToClient
            || packet.kind != Kind::Initial
            || packet.destination == self.server
            || self.keys.as_deref().is_none_or(known)
        {
            return false;
        }
        let Some(keys) = Keys::new(packet.version, packet.destination) else { return false };
        if keys.open(dir, packet.packet, packet.number_at).is_none() {
            return false;
        }
        self.reset();
        self.keys = Some(Box::new(keys));
        true
    }

    /// The payload of an Initial packet. A client's may also be the first that is seen of a connection.
    fn open(&mut self, dir: Direction, packet: &Long<'_>) -> Option<Vec<u8>> {
        let known = self.keys.as_deref().filter(|keys| keys.version == packet.version);
        if let Some(payload) = known.and_then(|keys| keys.open(dir, packet.packet, packet.number_at)) {
            return Some(payload);
        }
        if dir == Direction::ToClient {
            return None;
        }
        let keys = Keys::new(packet.version, packet.destination)?;
        let payload = keys.open(dir, packet.packet, packet.number_at)?;
        self.reset();
        self.keys = Some(Box::new(keys));
        Some(payload)
    }

    fn initial(&mut self, dir: Direction, packet: &Long<'_>) {
        if packet.version.secrets().is_none() || packet.body().is_empty() {
            self.push(dir, packet.version, true);
            return;
        }
        if dir == Direction::ToClient && self.keys.is_none() {
            // the client was not seen: nobody can tell
            self.push(dir, packet.version, true);
            return;
        }
        let Some(payload) = self.open(dir, packet) else {
            self.push(dir, packet.version, true).event("failed_decrypt");
            return;
        };
        let Ok(frames) = frames::crypto(&payload) else {
            self.push(dir, packet.version, true).event("error_on_data");
            return;
        };
        let side = &mut self.sides[dir.index()];
        let mut too_long = false;
        for frame in frames {
            too_long |= side.handshake.add(frame) == Err(TooLong);
        }
        let mut hellos = (None, None);
        let mut broken = false;
        match side.handshake.message() {
            Some((1, body)) => {
                hellos.0 = Some(ClientHello::read(body)).filter(|hello| !hello.is_malformed());
            }
            Some((2, body)) => hellos.1 = ServerHello::read(body).ok(),
            Some(_) => broken = true,
            None => {}
        }
        side.greeted = hellos.0.is_some() || hellos.1.is_some();
        if broken || side.greeted {
            side.handshake = CryptoStream::default();
        }
        let tx = self.push(dir, packet.version, true);
        if let Some(hello) = hellos.0 {
            tx.client_hello(hello);
        }
        if let Some(hello) = hellos.1 {
            tx.server_hello(hello);
        }
        if too_long {
            tx.event("crypto_frag_too_long");
        }
        if broken {
            tx.event("error_on_data");
        }
    }
}

impl Parser for QuicParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        // a datagram that cannot be read is passed over; the next one stands for itself
        let _ = self.datagram(input.dir, input.bytes);
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
            + self.keys.as_ref().map_or(0, |keys| keys.memory())
            + self.sides.iter().map(|side| side.handshake.memory()).sum::<usize>()
            + self.transactions.iter().map(QuicTx::memory).sum::<usize>()
    }
}

//! Both sides, message by message, up to the end of the connection's beginning.

use x509_parser::prelude::{FromDer, X509Certificate};

use super::log::RdpRecord;
use super::message::{self, Message};
use super::slots;
use crate::app::{Input, ParseError, Parsed, Parser, Probe, Transactions, TxList};
use crate::protocols::reader::{Reader, hex};
use crate::protocols::single::MessageTx;
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of TPKT's header (RFC 1006), and of it with X.224's (class 0).
const TPKT: usize = 4;
const FIXED: usize = 11;

/// Bytes of the server's handshake that are looked through.
pub(super) const HANDSHAKE_MAX: usize = 64 << 10;

const CERTIFICATES_MAX: usize = 32;

/// Kinds of X.224 messages.
mod kind {
    pub(super) const REQUEST: u8 = 0xe0;
    pub(super) const CONFIRM: u8 = 0xd0;
    pub(super) const DATA: u8 = 0xf0;
}

/// The parser of one flow.
#[derive(Default)]
pub(super) struct RdpParser {
    transactions: TxList<MessageTx<RdpRecord>>,
    /// All is said that is told, by direction.
    done: [bool; 2],
    /// Handshake messages of the server's TLS so far.
    handshake: Vec<u8>,
}

impl RdpParser {
    fn tell(&mut self, dir: Direction, message: Option<Message>, events: &[&'static str]) {
        let mut values = Values::default();
        match &message {
            Some(Message::InitialRequest(request)) => {
                if let Some(cookie) = &request.cookie {
                    values.push(slots::COOKIE, cookie);
                }
            }
            Some(Message::ConnectRequest(client)) => {
                if let Some(core) = &client.core {
                    values.push(slots::CLIENT_NAME, core.name.as_bytes());
                }
                client.channels.iter().flatten().for_each(|name| values.push(slots::CHANNEL, name));
            }
            _ => {}
        }
        self.transactions
            .push_with(|id| MessageTx::new(id, dir, values, RdpRecord { count: id + 1, message }, events));
    }

    fn end(&mut self, dir: Direction) {
        self.done[dir.index()] = true;
        self.handshake = Vec::new();
    }

    /// One message of X.224 without TPKT's header.
    fn message(&mut self, dir: Direction, bytes: &[u8]) {
        match (bytes, dir) {
            ([_, kind::REQUEST, _, _, _, _, _, rest @ ..], Direction::ToServer) => {
                self.tell(dir, Some(Message::InitialRequest(message::initial_request(rest))), &[]);
            }
            ([_, kind::CONFIRM, _, _, _, _, _, rest @ ..], Direction::ToClient) => {
                self.tell(dir, Some(Message::InitialResponse(message::initial_response(rest))), &[]);
            }
            ([_, kind::DATA, _, 0x7f, 0x65, rest @ ..], Direction::ToServer) => {
                match message::client(rest) {
                    Some(client) => self.tell(dir, Some(Message::ConnectRequest(Box::new(client))), &[]),
                    None => self.tell(dir, None, &["malformed_message"]),
                }
                self.end(dir);
            }
            ([_, kind::DATA, _, 0x7f, 0x66, ..], Direction::ToClient) => {
                self.tell(dir, Some(Message::ConnectResponse), &[]);
                self.end(dir);
            }
            _ => {}
        }
    }

    /// A record of TLS.
    fn record(&mut self, dir: Direction, kind: u8, bytes: &[u8]) {
        let room = HANDSHAKE_MAX.saturating_sub(self.handshake.len());
        if kind != 22 || dir == Direction::ToServer || bytes.len() > room {
            self.end(dir);
            return;
        }
        self.handshake.extend_from_slice(bytes);
        let mut reader = Reader(&self.handshake);
        while let (Some(kind), Some(high), Some(low)) = (reader.u8(), reader.u8(), reader.u16()) {
            let Some(body) = reader.take(usize::from(high) << 16 | usize::from(low)) else { break };
            if kind == 11 {
                let serials = serials(body);
                self.tell(dir, Some(Message::TlsHandshake(serials)), &[]);
                self.end(dir);
                return;
            }
        }
    }
}

/// Serial numbers in a Certificate message (RFC 5246 section 7.4.2).
fn serials(body: &[u8]) -> Vec<String> {
    let mut serials = Vec::new();
    let mut reader = Reader(body.get(3..).unwrap_or_default());
    while let (Some(high), Some(low)) = (reader.u8(), reader.u16()) {
        let Some(der) = reader.take(usize::from(high) << 16 | usize::from(low)) else { break };
        if serials.len() >= CERTIFICATES_MAX {
            break;
        }
        if let Ok((_, certificate)) = X509Certificate::from_der(der) {
            serials.push(hex(certificate.raw_serial()));
        }
    }
    serials
}

impl Parser for RdpParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let dir = input.dir;
        let mut at = 0;
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.done[dir.index()] {
                break;
            }
            let more = |needs| Ok(Parsed { consumed: at, needs, ..Parsed::default() });
            let (header, len) = match rest {
                [3, _, high, low, ..] => {
                    (TPKT, usize::from(u16::from_be_bytes([*high, *low])).wrapping_sub(TPKT))
                }
                [20..=23, 3, _, high, low, ..] => (5, usize::from(u16::from_be_bytes([*high, *low]))),
                [3 | 20..=23, ..] if rest.len() < 5 && !input.eof => return more(rest.len() + 1),
                _ => (0, usize::MAX),
            };
            if len > usize::from(u16::MAX) {
                self.tell(dir, None, &["malformed_message"]);
                return Err(ParseError("malformed_message"));
            }
            let Some(bytes) = rest.get(header..header + len) else {
                if input.eof {
                    break;
                }
                return more(header + len);
            };
            match header {
                TPKT => self.message(dir, bytes),
                _ => self.record(dir, rest.first().copied().unwrap_or_default(), bytes),
            }
            at += header + len;
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, _len: u64) -> Result<(), ParseError> {
        self.end(dir);
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
            + self.handshake.capacity()
            + self.transactions.iter().map(MessageTx::memory).sum::<usize>()
    }
}

/// See [`crate::app::Protocol::probe`]: a connection request or its confirmation. Others use X.224 too, with parameters that RDP
/// does not have.
pub(super) fn probe(dir: Direction, usual: bool, bytes: &[u8]) -> Probe {
    let wanted = match dir {
        Direction::ToServer => kind::REQUEST,
        Direction::ToClient => kind::CONFIRM,
    };
    // version, length, length of X.224's header, kind
    let begins = match bytes {
        [] | [3] | [3, 0] | [3, 0, 0] => true,
        [3, 0, 0, len] => usize::from(*len) >= FIXED,
        [3, 0, high, low, inner, rest @ ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            len >= FIXED && usize::from(*inner) + 5 == len && rest.first().is_none_or(|kind| *kind == wanted)
        }
        _ => false,
    };
    if !begins {
        return Probe::No;
    }
    let ([_, _, high, low, ..], Some(rest)) = (bytes, bytes.get(FIXED..)) else { return Probe::More };
    match (rest, dir) {
        _ if [*high, *low] == [0, FIXED as u8] && usual => Probe::Yes,
        _ if [*high, *low] == [0, FIXED as u8] => Probe::No,
        ([], _) => Probe::More,
        // neither a cookie nor a negotiation, but a line without one
        ([b'\r', ..], Direction::ToServer) if usual => Probe::Yes,
        ([1 | b'C', ..], Direction::ToServer) | ([2 | 3, ..], Direction::ToClient) => Probe::Yes,
        _ => Probe::No,
    }
}

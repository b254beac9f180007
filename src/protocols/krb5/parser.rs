//! Kerberos over datagrams, one message each, and over streams, each message behind its length (RFC 4120 section 7.2).

use super::message::{AS_REQ, Message, TGS_REQ};
use super::transaction::Krb5Tx;
use crate::app::{Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::types::{Direction, Proto};

/// Bytes of one message over TCP; tickets with many groups are some tens of KiB.
pub(super) const MESSAGE_MAX: usize = 1 << 20;

/// The parser of one flow.
pub(super) struct Krb5Parser {
    stream: bool,
    /// The last request: what an error answers.
    request: Option<u8>,
    transactions: TxList<Krb5Tx>,
    /// Bytes were lost, by direction: lengths cannot be found again.
    lost: [bool; 2],
}

impl Krb5Parser {
    pub(super) fn new(transport: Proto) -> Self {
        Krb5Parser {
            stream: transport != Proto::UDP,
            request: None,
            transactions: TxList::default(),
            lost: [false; 2],
        }
    }

    fn message(&mut self, dir: Direction, bytes: &[u8]) {
        let message = Message::read(bytes).ok();
        let request = self.request;
        match message.as_ref().map(|message| message.kind) {
            Some(kind @ (AS_REQ | TGS_REQ)) => self.request = Some(kind),
            Some(_) => self.request = None,
            None => {}
        }
        self.transactions.push_with(|id| Krb5Tx::new(id, dir, message, request));
    }
}

/// The length in front of a message over TCP, and what is behind it.
pub(super) fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*len) as usize, rest))
}

impl Parser for Krb5Parser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        if !self.stream {
            self.message(input.dir, input.bytes);
            return Ok(Parsed::all(&input));
        }
        if self.lost[input.dir.index()] {
            return Ok(Parsed::all(&input));
        }
        let mut at = 0;
        while let Some(bytes) = input.bytes.get(at..).filter(|bytes| !bytes.is_empty()) {
            let Some((len, rest)) = length(bytes) else {
                return Ok(Parsed { consumed: at, needs: 4, ..Parsed::default() });
            };
            if len > MESSAGE_MAX {
                return Err(ParseError("malformed_data"));
            }
            let Some(message) = rest.get(..len) else {
                return Ok(Parsed { consumed: at, needs: 4 + len, ..Parsed::default() });
            };
            if len > 0 {
                self.message(input.dir, message);
            }
            at += 4 + len;
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, _len: u64) -> Result<(), ParseError> {
        self.lost[dir.index()] = true;
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.transactions.iter().map(Krb5Tx::memory).sum::<usize>()
    }
}

//! Both streams, message by message, put together to transactions.

use super::message::{HEADER_LEN, LENGTH_MAX, LENGTH_MIN, Message, flaw};
use super::transaction::ModbusTx;
use crate::app::{Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::types::Direction;

/// Most transactions alive that the settings may allow.
pub(super) const LIVE_MAX: usize = 4096;

/// The parser of one flow.
pub(super) struct ModbusParser {
    flood: usize,
    transactions: TxList<ModbusTx>,
    lost: [bool; 2],
}

impl ModbusParser {
    pub(super) fn new(flood: usize) -> Self {
        ModbusParser { flood, transactions: TxList::default(), lost: [false; 2] }
    }

    fn request(&mut self, message: Message) {
        let flooded = self.transactions.iter().filter(|tx| tx.response.is_none()).count() >= self.flood;
        if flooded && let Some(tx) = self.transactions.iter_mut().find(|tx| !tx.is_done()) {
            tx.event(Direction::ToServer, "flooded");
            tx.close();
        }
        self.transactions.push_with(|id| ModbusTx::new(id, Some(message), None));
    }

    fn response(&mut self, mut message: Message) {
        let asked = |tx: &&ModbusTx| {
            tx.response.is_none()
                && tx.request.as_ref().is_some_and(|request| {
                    request.transaction == message.transaction && request.raw & 0x7f == message.raw & 0x7f
                })
        };
        let found = self.transactions.iter().find(asked).map(crate::app::Transaction::id);
        match found.and_then(|id| self.transactions.by_id_mut(id)) {
            Some(tx) => {
                let differs = message.raw & 0x80 == 0
                    && tx.request.as_ref().is_some_and(|request| !message.answers(request));
                if differs {
                    message.flaws |= flaw::DATA_VALUE;
                }
                tx.answer(message, differs);
            }
            None => {
                let tx = self.transactions.push_with(|id| ModbusTx::new(id, None, Some(message)));
                tx.event(Direction::ToClient, "unsolicited_response");
            }
        }
    }

    fn wrong(&mut self, dir: Direction, event: &'static str) -> ParseError {
        let tx = self.transactions.push_with(|id| ModbusTx::new(id, None, None));
        tx.event(dir, event);
        tx.close();
        ParseError(event)
    }
}

impl Parser for ModbusParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        if self.lost[input.dir.index()] {
            return Ok(Parsed::all(&input));
        }
        let mut at = 0;
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(&[t1, t0, p1, p0, l1, l0]) = rest.first_chunk::<HEADER_LEN>() else {
                return Ok(Parsed { consumed: at, needs: HEADER_LEN, ..Parsed::default() });
            };
            if [p1, p0] != [0, 0] {
                return Err(self.wrong(input.dir, "invalid_protocol_id"));
            }
            let length = usize::from(u16::from_be_bytes([l1, l0]));
            if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
                return Err(self.wrong(input.dir, "invalid_length"));
            }
            let end = HEADER_LEN + length;
            let Some(body) = rest.get(HEADER_LEN..end) else {
                return Ok(Parsed { consumed: at, needs: end, ..Parsed::default() });
            };
            if let Some(message) = Message::read(input.dir, u16::from_be_bytes([t1, t0]), body) {
                match input.dir {
                    Direction::ToServer => self.request(message),
                    Direction::ToClient => self.response(message),
                }
            }
            at += end;
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, _len: u64) -> Result<(), ParseError> {
        // nothing tells where a message begins
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
        size_of::<Self>() + self.transactions.iter().map(ModbusTx::memory).sum::<usize>()
    }
}

//! DCERPC over a stream, one unit behind the other, and over datagrams.

use super::call::{Call, Interfaces};
use super::pdu::{self, DATAGRAM_HEADER_LEN, DatagramHeader, HEADER_LEN, Header};
use super::probe;
use super::transaction::DcerpcTx;
use crate::app::{Input, ParseError, Parsed, Parser, Transaction, Transactions, TxList};
use crate::types::{Direction, Proto};

/// Calls that wait for an answer; the oldest is given up beyond.
const TX_MAX: usize = 1024;

/// Bytes of all calls of a flow.
const STUBS_TOTAL_MAX: usize = 16 << 20;

/// The parser of one flow. Bytes of a unit that is not whole stay with the caller, which keeps 64 KiB at most.
pub(super) struct DcerpcParser {
    stream: bool,
    transactions: TxList<DcerpcTx>,
    interfaces: Interfaces,
    /// How many of them the bind asked for that was seen last.
    asked: usize,
    /// A third message of authentication was seen: the raw stream is inspected by its length alone from there on, as the reference
    /// engine does.
    authenticated: bool,
    /// Bytes were lost: where units begin has to be found again.
    lost: [bool; 2],
    /// The client says nothing more.
    ended: bool,
}

impl DcerpcParser {
    pub(super) fn new(transport: Proto) -> Self {
        DcerpcParser {
            stream: transport != Proto::UDP,
            transactions: TxList::default(),
            interfaces: Interfaces::default(),
            asked: 0,
            authenticated: false,
            lost: [false; 2],
            ended: false,
        }
    }

    fn begin(&mut self, call: Call, version: Option<(u8, u8)>) -> &mut DcerpcTx {
        if self.transactions.len() >= TX_MAX
            && let Some(oldest) = self.transactions.iter_mut().find(|tx| tx.call.done != [true; 2])
        {
            oldest.call.done = [true; 2];
        }
        let wants_stream = !self.authenticated;
        self.transactions.push_with(|id| DcerpcTx::new(id, call, version, wants_stream))
    }

    /// How much of a stub is kept: all of a small one, of a large one as long as all of the flow's have room.
    fn room(&self, len: usize) -> usize {
        match len {
            0..=4096 => len,
            _ => STUBS_TOTAL_MAX.saturating_sub(self.transactions.iter().map(|tx| tx.call.memory()).sum()),
        }
    }

    /// Takes one whole unit.
    fn unit(&mut self, header: &Header, unit: &[u8]) {
        let whole = unit.get(HEADER_LEN..).unwrap_or_default();
        let version = Some(header.version);
        match header.kind {
            pdu::BIND | pdu::ALTER_CONTEXT => {
                let contexts = pdu::contexts(whole, header.little).unwrap_or_default();
                if header.kind == pdu::BIND {
                    self.interfaces.clear();
                }
                self.interfaces.add(&contexts);
                self.asked = contexts.len();
                let mut call = Call::asked(header);
                call.interfaces.add(&contexts);
                call.done[0] = true;
                self.begin(call, version);
            }
            pdu::REQUEST => {
                let Some(request) = pdu::request(header, whole) else { return };
                let interfaces = self.interfaces.clone();
                let room = self.room(request.stub.len());
                let open = |tx: &DcerpcTx| {
                    tx.call.id == header.call_id && tx.call.request == Some(pdu::REQUEST) && !tx.call.done[0]
                };
                let known = if header.is_first() { None } else { self.find(open) };
                let call = match known.and_then(|id| self.transactions.by_id_mut(id)) {
                    Some(tx) => &mut tx.call,
                    None => &mut self.begin(Call::asked(header), version).call,
                };
                call.add_request(header, &request, &interfaces, room);
            }
            pdu::BINDACK | pdu::BINDNAK | pdu::ALTER_CONTEXT_RESP => {
                let results = match header.kind {
                    pdu::BINDNAK => Vec::new(),
                    _ => pdu::results(whole, header.little).unwrap_or_default(),
                };
                self.interfaces.answer(self.asked, &results);
                self.answered(header, |call| {
                    call.response = Some(header.kind);
                    call.done[1] = true;
                    let asked = call.interfaces.list().len();
                    call.interfaces.answer(asked, &results);
                });
            }
            pdu::RESPONSE | pdu::FAULT => {
                // as the reference engine has it: of a response over TCP, all behind the common header
                let stub = if header.kind == pdu::RESPONSE { whole } else { &[] };
                let room = self.room(stub.len());
                self.answered(header, |call| call.add_response(header, stub, room));
            }
            pdu::AUTH3 => self.authenticated = true,
            _ => {}
        }
    }

    /// Changes the call that a response belongs to, or a new one when its request was lost.
    fn answered(&mut self, header: &Header, change: impl FnOnce(&mut Call)) {
        let wanted = |tx: &DcerpcTx| tx.call.id == header.call_id && !tx.call.done[1];
        let known = self.find(wanted);
        match known.and_then(|id| self.transactions.by_id_mut(id)) {
            Some(tx) => change(&mut tx.call),
            None => {
                // that its request is lost is known once the client's bytes are, or are known not to come
                let lost = self.lost[0] || self.ended;
                let call = &mut self.begin(Call::answered(header), Some(header.version)).call;
                call.done[0] = lost;
                change(call);
            }
        }
    }

    /// Requests of answers that came without one will not come.
    fn give_up_requests(&mut self) {
        for tx in self.transactions.iter_mut().filter(|tx| tx.call.request.is_none()) {
            tx.call.done[0] = true;
        }
    }

    /// The oldest call that is so.
    fn find(&self, wanted: impl Fn(&DcerpcTx) -> bool) -> Option<u64> {
        self.transactions.iter().find(|tx| wanted(tx)).map(Transaction::id)
    }

    fn datagram(&mut self, dir: Direction, bytes: &[u8]) {
        let Some(header) = DatagramHeader::read(bytes) else { return };
        let body = bytes.get(DATAGRAM_HEADER_LEN..).unwrap_or_default();
        let body = body.get(..usize::from(header.length)).unwrap_or(body);
        let key = (header.activity, header.sequence);
        let side = dir.index();
        let room = self.room(body.len());
        let known = self.find(|tx| tx.activity == key && !tx.call.done[side]);
        let tx = match known.and_then(|id| self.transactions.by_id_mut(id)) {
            Some(tx) => tx,
            None => {
                let tx = self.begin(Call::default(), None);
                tx.activity = key;
                tx
            }
        };
        match dir {
            Direction::ToServer => tx.call.request = Some(header.kind),
            Direction::ToClient => tx.call.response = Some(header.kind),
        }
        tx.call.add_datagram(side, &header, body, room);
        tx.call.done[side] |= !header.more;
    }
}

impl Parser for DcerpcParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        if !self.stream {
            self.datagram(input.dir, input.bytes);
            return Ok(Parsed::all(&input));
        }
        let side = input.dir.index();
        let mut at = 0;
        if input.dir == Direction::ToServer && (input.eof || !input.bytes.is_empty()) {
            self.ended |= input.eof;
            self.give_up_requests();
        }
        if self.lost[side] {
            match probe::resync(input.bytes) {
                Ok(start) => {
                    self.lost[side] = false;
                    at = start;
                }
                Err(skipped) => return Ok(Parsed { consumed: skipped, ..Parsed::default() }),
            }
        }
        loop {
            let rest = input.bytes.get(at..).unwrap_or_default();
            let Some(header) = Header::read(rest) else {
                let needs = if rest.is_empty() { 0 } else { HEADER_LEN };
                return Ok(Parsed { consumed: at, needs, ..Parsed::default() });
            };
            let length = usize::from(header.length);
            if header.version.0 != 5 || length < HEADER_LEN {
                return Err(ParseError("malformed_data"));
            }
            let Some(unit) = rest.get(..length) else {
                return Ok(Parsed { consumed: at, needs: length, ..Parsed::default() });
            };
            self.unit(&header, unit);
            at += length;
        }
    }

    fn gap(&mut self, dir: Direction, _len: u64) -> Result<(), ParseError> {
        self.lost[dir.index()] = true;
        if dir == Direction::ToServer && self.stream {
            self.give_up_requests();
        }
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
            + self.transactions.iter().map(|tx| size_of::<DcerpcTx>() + tx.call.memory()).sum::<usize>()
    }
}

//! Both streams of a session, message by message.

use std::collections::VecDeque;

use super::Options;
use super::message::{self, STARTUP_MAX, Start, text_of, u16_of, u32_of};
use super::transaction::{PgsqlTx, Request};
use crate::app::{Change, Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::types::Direction;

/// Bytes that are kept of one message; the rest is skipped.
pub(super) const KEPT_MAX: usize = 256 << 10;

/// The number of no transaction.
const NOBODY: u64 = u64::MAX;

/// Statements that were parsed and have a name, by which they are bound later.
#[derive(Default)]
struct Prepared(VecDeque<(Vec<u8>, Vec<u8>)>);

impl Prepared {
    /// Statements that are remembered, and bytes of each.
    const MAX: usize = 32;
    const TEXT_MAX: usize = 4 << 10;

    fn add(&mut self, name: &[u8], query: &[u8]) {
        self.0.retain(|(known, _)| known != name);
        if self.0.len() >= Self::MAX {
            self.0.pop_front();
        }
        let head = |text: &[u8]| text.get(..Self::TEXT_MAX).unwrap_or(text).to_vec();
        self.0.push_back((head(name), head(query)));
    }

    fn query(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, query)| &query[..])
    }

    fn memory(&self) -> usize {
        self.0.iter().map(|(name, query)| 48 + name.len() + query.len()).sum()
    }
}

/// What a message of type `p` is, by what the server asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Password,
    Sasl,
    SaslResponse,
    Other,
}

/// The parser of one flow.
pub(super) struct PgsqlParser {
    options: Options,
    transactions: TxList<PgsqlTx>,
    /// Requests that wait for their answer, oldest first.
    open: VecDeque<u64>,
    /// Requests behind those that have no transaction: there were too many.
    unowned: u64,
    /// The session has begun: messages have types.
    begun: bool,
    /// The next byte of the server is the answer to a request for encryption.
    encryption: Option<&'static str>,
    asked: Asked,
    sides: [Side; 2],
    /// The extended query whose messages come, up to a `Sync`. It is none of ours where there were too many.
    extended: Option<u64>,
    prepared: Prepared,
}

#[derive(Clone, Copy, Default)]
struct Side {
    /// Bytes of a long message that are still to come.
    skip: u64,
    /// Bytes were lost where messages begin: nothing can be found again.
    lost: bool,
}

/// What is at the front of the bytes.
enum Step {
    /// It was taken, so many bytes.
    Took(usize),
    /// So many bytes are needed.
    Needs(usize),
    /// It was taken; the flow speaks another protocol, or a secret one, behind it.
    Change(usize, Option<Change>),
}

impl PgsqlParser {
    pub(super) fn new(options: Options) -> Self {
        PgsqlParser {
            options,
            transactions: TxList::default(),
            open: VecDeque::new(),
            unowned: 0,
            begun: false,
            encryption: None,
            asked: Asked::Other,
            sides: [Side::default(); 2],
            extended: None,
            prepared: Prepared::default(),
        }
    }

    /// A request that is answered, or ends the session. Its transaction's number, if it has one.
    fn request(&mut self, request: Request, answered: bool) -> Option<u64> {
        if self.unowned > 0 || self.transactions.len() >= self.options.transactions_max {
            if let Some(last) = self.transactions.last_mut() {
                last.event(Direction::ToServer, "too_many_transactions");
            }
            self.unowned += u64::from(answered);
            return None;
        }
        let passwords = self.options.passwords;
        let tx = self.transactions.push_with(|id| PgsqlTx::new(id, request, passwords));
        let id = tx.id;
        if answered {
            self.open.push_back(id);
        } else {
            tx.finish();
        }
        Some(id)
    }

    /// A statement that is parsed, or bound, is part of the extended query.
    fn statement(&mut self, name: &[u8], query: Option<&[u8]>) {
        if let Some(query) = query {
            self.prepared.add(name, query);
        }
        let known = self.prepared.query(name).unwrap_or_default().to_vec();
        let open = self.extended.and_then(|id| self.transactions.by_id_mut(id));
        match open.map(|tx| (tx.id, tx.add_query(&known))) {
            // asked already: rules have looked at it. Its answer is told with the one that follows
            Some((id, false)) => {
                let next = self.transactions.len() < self.options.transactions_max;
                if let (true, Some(tx)) = (next, self.transactions.by_id_mut(id)) {
                    tx.finish();
                    self.open.retain(|open| *open != id);
                    let id = self.request(Request::Extended { queries: vec![known] }, true);
                    self.extended = Some(id.unwrap_or(NOBODY));
                }
            }
            Some((_, true)) => {}
            None if self.extended.is_none() => {
                let id = self.request(Request::Extended { queries: vec![known] }, true);
                self.extended = Some(id.unwrap_or(NOBODY));
            }
            None => {}
        }
    }

    /// The oldest request without an answer.
    fn current(&mut self) -> Option<&mut PgsqlTx> {
        self.transactions.by_id_mut(*self.open.front()?)
    }

    /// It has its answer.
    fn answered(&mut self) {
        match self.open.pop_front() {
            Some(id) => {
                if let Some(tx) = self.transactions.by_id_mut(id) {
                    tx.finish();
                }
            }
            None => self.unowned = self.unowned.saturating_sub(1),
        }
    }

    fn malformed(&mut self, dir: Direction) -> ParseError {
        let name = if dir == Direction::ToServer { "malformed_request" } else { "malformed_response" };
        if let Some(last) = self.transactions.last_mut() {
            last.event(dir, name);
        }
        ParseError(name)
    }

    fn step(&mut self, dir: Direction, bytes: &[u8]) -> Result<Step, ParseError> {
        let side = &mut self.sides[dir.index()];
        if side.lost {
            return Ok(Step::Took(bytes.len()));
        }
        if side.skip > 0 {
            let taken = usize::try_from(side.skip).unwrap_or(usize::MAX).min(bytes.len());
            side.skip -= taken as u64;
            return Ok(Step::Took(taken));
        }
        if dir == Direction::ToServer && !self.begun && bytes.first() == Some(&0) {
            return self.start(bytes);
        }
        if dir == Direction::ToClient
            && let Some(what) = self.encryption
            && let Some(answer @ (b'S' | b'N' | b'G')) = bytes.first()
        {
            let accepted = *answer != b'N';
            self.encryption = None;
            if let Some(tx) = self.current() {
                tx.flag(what, accepted);
            }
            self.answered();
            return Ok(match (accepted, *answer) {
                (true, b'S') => Step::Change(1, Some(Change::Probe)),
                (true, _) => Step::Change(1, None),
                (false, _) => Step::Took(1),
            });
        }
        let (kind, len) = match message::header(bytes) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(Step::Needs(5)),
            Err(()) => return Err(self.malformed(dir)),
        };
        self.begun = true;
        // of rows only the count of columns is needed
        let kept = len.min(if kind == b'D' && dir == Direction::ToClient { 2 } else { KEPT_MAX });
        let Some(body) = bytes.get(5..5 + kept) else { return Ok(Step::Needs(5 + kept)) };
        self.sides[dir.index()].skip = (len - kept) as u64;
        match dir {
            Direction::ToServer => self.frontend(kind, body),
            Direction::ToClient => self.backend(kind, body, len),
        }
        Ok(Step::Took(5 + kept))
    }

    /// A message without a type.
    fn start(&mut self, bytes: &[u8]) -> Result<Step, ParseError> {
        let Some((len, rest)) = u32_of(bytes) else { return Ok(Step::Needs(4)) };
        let len = len as usize;
        if !(8..=STARTUP_MAX).contains(&len) {
            return Err(self.malformed(Direction::ToServer));
        }
        let Some(body) = rest.get(..len - 4) else { return Ok(Step::Needs(len)) };
        match Start::read(body) {
            Some(Start::Ssl) => {
                self.encryption = Some("ssl_accepted");
                self.request(Request::Ssl, true);
            }
            Some(Start::Gss) => {
                self.encryption = Some("gssenc_accepted");
                self.request(Request::Gss, true);
            }
            Some(Start::Cancel { process, secret }) => {
                self.request(Request::Cancel { process, secret }, false);
            }
            Some(Start::Session(major, minor, parameters)) => {
                self.begun = true;
                let mut pairs = Vec::new();
                let mut rest = parameters;
                while let Some((name, behind)) = text_of(rest)
                    && !name.is_empty()
                    && let Some((value, behind)) = text_of(behind)
                {
                    pairs.push((name.to_vec(), value.to_vec()));
                    rest = behind;
                }
                // the user first, as records tell it by itself
                if let Some(at) = pairs.iter().position(|(name, _)| name == b"user") {
                    let user = pairs.remove(at);
                    pairs.insert(0, user);
                }
                self.request(Request::Startup { major, minor, parameters: pairs }, true);
            }
            None => return Err(self.malformed(Direction::ToServer)),
        }
        Ok(Step::Took(len))
    }

    fn frontend(&mut self, kind: u8, body: &[u8]) {
        match kind {
            b'Q' => {
                let query = text_of(body).map_or(body, |(query, _)| query);
                self.request(Request::Query(query.to_vec()), true);
            }
            b'X' => {
                self.request(Request::Terminate, false);
            }
            b'p' => {
                let request = match self.asked {
                    Asked::Password => {
                        Request::Password(text_of(body).map_or(body, |(text, _)| text).to_vec())
                    }
                    Asked::Sasl => {
                        let (mechanism, rest) = text_of(body).unwrap_or((body, b""));
                        let parameter = u32_of(rest).map(|(_, parameter)| parameter.to_vec());
                        Request::Sasl {
                            mechanism: mechanism.to_vec(),
                            parameter: parameter.unwrap_or_default(),
                        }
                    }
                    Asked::SaslResponse => Request::SaslResponse(body.to_vec()),
                    Asked::Other => Request::Token,
                };
                self.request(request, true);
            }
            b'P' => {
                if let Some((name, rest)) = text_of(body) {
                    let query = text_of(rest).map_or(rest, |(query, _)| query);
                    self.statement(name, Some(query));
                }
            }
            b'B' => {
                if let Some((_portal, rest)) = text_of(body)
                    && let Some((name, _)) = text_of(rest)
                {
                    self.statement(name, None);
                }
            }
            // it is asked: by `Execute`, or because answers so far are wanted
            b'E' | b'H' => {
                if let Some(tx) = self.extended.and_then(|id| self.transactions.by_id_mut(id)) {
                    tx.ask();
                }
            }
            b'S' => match self.extended.take() {
                Some(id) => {
                    if let Some(tx) = self.transactions.by_id_mut(id) {
                        tx.ask();
                    }
                }
                // nothing but the server's being ready is asked for
                None if self.open.len() < self.options.transactions_max => self.open.push_back(NOBODY),
                None => self.unowned += 1,
            },
            // COPY, function calls
            _ => {}
        }
    }

    fn backend(&mut self, kind: u8, body: &[u8], len: usize) {
        match kind {
            b'R' => self.authentication(body),
            b'Z' => self.answered(),
            b'E' => {
                // before the session stands there is no ReadyForQuery behind an error
                let last = self.current().is_some_and(|tx| tx.error(body) && !tx.is_query());
                if last {
                    self.answered();
                }
            }
            _ => {
                let Some(tx) = self.current() else { return };
                match kind {
                    b'S' => {
                        if let Some((name, rest)) = text_of(body)
                            && let Some((value, _)) = text_of(rest)
                        {
                            tx.parameter(name, value);
                        }
                    }
                    b'K' => {
                        if let Some((process, rest)) = u32_of(body)
                            && let Some((secret, _)) = u32_of(rest)
                        {
                            tx.response.key = Some((process, secret));
                        }
                    }
                    b'T' => tx.response.fields = u16_of(body).map(|(count, _)| count).or(tx.response.fields),
                    b'D' => {
                        let columns = u16_of(body).map_or(0, |(count, _)| u64::from(count));
                        tx.response.rows += 1;
                        tx.response.size += (len as u64).saturating_sub(2 + 4 * columns);
                    }
                    b'C' => {
                        let text = text_of(body).map_or(body, |(text, _)| text);
                        tx.response.command = Some(text.to_vec());
                    }
                    // notices and notifications belong to no request
                    _ => {}
                }
            }
        }
    }

    fn authentication(&mut self, body: &[u8]) {
        let Some((code, rest)) = u32_of(body) else { return };
        self.asked = match code {
            3 | 5 => Asked::Password,
            10 => Asked::Sasl,
            11 => Asked::SaslResponse,
            _ => Asked::Other,
        };
        let Some(tx) = self.current() else { return };
        let message = match code {
            0 => "authentication_ok",
            2 => "authentication_kerberos_v5",
            3 => "authentication_cleartext_password",
            5 => return self.salted(rest),
            7 => "authentication_gss",
            8 => "authentication_gss_continue",
            9 => "authentication_sspi",
            10 => "authentication_sasl",
            11 => "authentication_sasl_continue",
            12 => return tx.text("authentication_sasl_final", rest),
            _ => "authentication_unknown",
        };
        tx.text("message", message.as_bytes());
        if code != 0 {
            self.answered();
        }
    }

    fn salted(&mut self, salt: &[u8]) {
        if let Some(tx) = self.current() {
            tx.text("authentication_md5_password", salt);
        }
        self.answered();
    }
}

impl Parser for PgsqlParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let mut at = 0;
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(input.dir, rest)? {
                Step::Took(taken) => at += taken,
                Step::Needs(needs) => return Ok(Parsed { consumed: at, needs, ..Parsed::default() }),
                Step::Change(taken, change) => {
                    let opaque = change.is_none();
                    return Ok(Parsed { consumed: at + taken, change, opaque, ..Parsed::default() });
                }
            }
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let side = &mut self.sides[dir.index()];
        let skipped = side.skip.min(len);
        side.skip -= skipped;
        side.lost |= len > skipped;
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
            + self.prepared.memory()
            + self.open.len() * size_of::<u64>()
            + self.transactions.iter().map(PgsqlTx::memory).sum::<usize>()
    }
}

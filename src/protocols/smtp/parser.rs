//! The parser of one flow: commands and replies, what belongs to which transaction, and where messages begin and end.

use std::collections::VecDeque;
use std::sync::Arc;

use super::command::{Command, Reply, command, split_end};
use super::config::Config;
use super::events;
use super::transaction::Tx;
use crate::app::{Change, Input, ParseError, Parsed, Parser, Transaction, Transactions, TxList};
use crate::types::Direction::{self, ToClient, ToServer};

/// Bytes of a command or of a line of a reply; what follows is passed over.
const LINE_MAX: usize = 4096;
/// Bytes of a line of a message that are read at once.
const MESSAGE_LINE_MAX: usize = 8192;
/// Commands that wait for their reply.
const PENDING_MAX: usize = 1024;

/// A command that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Other,
    /// DATA of that transaction.
    Data(u64),
    /// RSET of that transaction.
    Reset(u64),
    /// STARTTLS in that transaction.
    StartTls(u64),
}

/// What the client is sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Commands,
    /// A message up to a line that is a dot; `early`: the server has not agreed yet.
    Message {
        early: bool,
    },
    /// That many bytes of a message (RFC 3030).
    Chunk {
        left: u64,
        last: bool,
    },
}

/// A line that is not whole yet.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    /// The rest of the line is passed over.
    skip: bool,
    /// The line's beginning was taken.
    begun: bool,
}

/// The parser of one flow.
pub(super) struct SmtpParser {
    config: Arc<Config>,
    transactions: TxList<Tx>,
    /// The transaction that commands belong to.
    current: Option<u64>,
    helo: Option<Vec<u8>>,
    mode: Mode,
    /// The message of chunks has begun in this transaction.
    chunks: bool,
    pending: VecDeque<Pending>,
    /// Commands beyond those in `pending`.
    untracked: u64,
    /// DATA or STARTTLS waits for its reply: nothing may follow before (RFC 2920 section 3.1).
    waits: bool,
    /// Something did, and was told of.
    piped: bool,
    /// BDAT gave a length that cannot be read: what follows is beyond the chunk.
    bad_chunk: bool,
    /// A reply that belongs to no command was seen: the server's welcome.
    welcomed: bool,
    /// The server has asked for more of what AUTH began.
    credentials: bool,
    held: [Held; 2],
    /// The same of a message in chunks: its lines may go over their borders.
    chunk_held: Held,
    eof: [bool; 2],
    /// The line of the server at hand is too long and no reply: it counts when its end is there.
    garbled: bool,
    /// Given up.
    dead: bool,
}

impl SmtpParser {
    pub(super) fn new(config: Arc<Config>) -> Self {
        SmtpParser {
            config,
            transactions: TxList::default(),
            current: None,
            helo: None,
            mode: Mode::Commands,
            chunks: false,
            pending: VecDeque::new(),
            untracked: 0,
            waits: false,
            piped: false,
            bad_chunk: false,
            welcomed: false,
            credentials: false,
            held: Default::default(),
            chunk_held: Held::default(),
            eof: [false; 2],
            garbled: false,
            dead: false,
        }
    }

    fn current(&mut self) -> Option<&mut Tx> {
        let id = self.current?;
        self.latest().filter(|tx| tx.id() == id && !tx.is_done())
    }

    /// The last one that was made, done or not.
    fn latest(&mut self) -> Option<&mut Tx> {
        self.transactions.iter_mut().next_back()
    }

    fn event(&mut self, dir: Direction, name: &'static str) {
        if let Some(tx) = self.latest() {
            tx.event(dir, name);
        }
    }

    /// The whole conversation cannot be understood any more.
    fn give_up(&mut self, why: &'static str) -> ParseError {
        self.dead = true;
        for tx in self.transactions.iter_mut() {
            tx.finish(ToServer);
            tx.finish(ToClient);
        }
        ParseError(why)
    }

    fn begin(&mut self, command: Command<'_>) -> Result<(), ParseError> {
        // what only ends the session begins no other while the last one is still at hand
        let ends = matches!(command, Command::Quit | Command::Reset);
        if self.current().is_some() || (ends && self.latest().is_some()) {
            return Ok(());
        }
        if self.transactions.len() >= self.config.tx_max {
            return Err(self.give_up("too_many_tx"));
        }
        self.chunks = false;
        self.chunk_held = Held::default();
        let (config, helo, eof) = (&self.config, self.helo.clone(), self.eof);
        let tx = self.transactions.push_with(|id| Tx::new(id, config, helo));
        if eof[ToClient.index()] {
            tx.finish(ToClient);
        }
        self.current = Some(tx.id());
        Ok(())
    }

    fn push(&mut self, pending: Pending) {
        if self.pending.len() < PENDING_MAX && self.untracked == 0 {
            self.pending.push_back(pending);
        } else {
            self.untracked += 1;
        }
    }

    /// The current transaction is over.
    fn end(&mut self) {
        if let Some(tx) = self.current() {
            tx.finish(ToServer);
            tx.finish(ToClient);
        }
        self.current = None;
    }

    fn client(&mut self, mut bytes: &[u8]) -> Result<(), ParseError> {
        while !bytes.is_empty() && !self.dead {
            if let Mode::Chunk { left, last } = self.mode {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (chunk, rest) = bytes.split_at(take);
                bytes = rest;
                self.chunk(chunk);
                self.chunk_taken(left - take as u64, last);
                continue;
            }
            let (max, in_message) = match self.mode {
                Mode::Message { .. } => (MESSAGE_LINE_MAX, true),
                _ => (LINE_MAX, false),
            };
            let Some((line, rest)) = self.held[ToServer.index()].next(bytes, max) else { break };
            bytes = rest;
            match in_message {
                true => self.message_line(&line),
                false => self.command_line(&line)?,
            }
        }
        Ok(())
    }

    fn command_line(&mut self, line: &Taken) -> Result<(), ParseError> {
        let Taken { bytes, start, ended } = line;
        if !start {
            return Ok(());
        }
        let text = split_end(bytes).0;
        let credentials = std::mem::take(&mut self.credentials);
        let command = if credentials { Command::Other } else { command(text) };
        self.begin(command)?;
        if !ended {
            self.event(ToServer, events::TRUNCATED_LINE);
        }
        if !self.welcomed {
            self.event(ToServer, events::NO_SERVER_WELCOME_MESSAGE);
        }
        if std::mem::take(&mut self.bad_chunk) {
            self.event(ToServer, events::BDAT_CHUNK_LEN_EXCEEDED);
        }
        if self.waits {
            if !std::mem::replace(&mut self.piped, true) {
                self.event(ToServer, events::INVALID_PIPELINED_SEQUENCE);
            }
            let data = self.pending.iter().any(|pending| matches!(pending, Pending::Data(_)));
            if data && command == Command::Unknown && self.current().is_some() {
                // no command: the message has begun before the server agreed
                self.mode = Mode::Message { early: true };
                self.message_line(line);
                return Ok(());
            }
        }
        let id = self.current.unwrap_or_default();
        match command {
            Command::Hello(name) => {
                if let Some(tx) = self.current() {
                    tx.set_helo(name);
                }
                if self.helo.is_none() {
                    self.helo = Some(name.to_vec());
                }
                self.push(Pending::Other);
            }
            Command::Mail(sender) => {
                if let Some(tx) = self.current() {
                    tx.set_sender(sender);
                }
                self.push(Pending::Other);
            }
            Command::Recipient(recipient) => {
                if let Some(tx) = self.current() {
                    tx.add_recipient(recipient);
                }
                self.push(Pending::Other);
            }
            Command::Data => {
                if let Some(tx) = self.current() {
                    if tx.message.is_some() {
                        tx.event(ToServer, events::UNPARSABLE_CONTENT);
                    }
                    tx.begin_message();
                }
                self.wait(Pending::Data(id));
            }
            Command::StartTls => self.wait(Pending::StartTls(id)),
            Command::Reset => self.push(Pending::Reset(id)),
            Command::Chunk(length, last) => {
                self.push(Pending::Other);
                match length.filter(|_| *ended) {
                    Some(left) => {
                        if let (false, Some(tx)) = (self.chunks, self.current()) {
                            tx.begin_message();
                        }
                        self.chunks = true;
                        self.mode = Mode::Chunk { left, last };
                        self.chunk_taken(left, last);
                    }
                    None => self.bad_chunk = true,
                }
            }
            Command::Quit | Command::Other | Command::Unknown => self.push(Pending::Other),
        }
        Ok(())
    }

    /// Nothing may follow before the reply.
    fn wait(&mut self, pending: Pending) {
        self.push(pending);
        self.waits = true;
        self.piped = false;
    }

    fn message_line(&mut self, line: &Taken) {
        let (text, end) = split_end(&line.bytes);
        let end = line.ended.then_some(end);
        if line.start && line.ended && text == b"." {
            if let Some(tx) = self.current() {
                tx.end_message(true);
            }
            self.end();
            self.mode = Mode::Commands;
            self.push(Pending::Other);
            return;
        }
        let unstuffed = match text {
            [b'.', rest @ ..] if line.start => rest,
            text => text,
        };
        if let Some(tx) = self.current() {
            tx.message_line(unstuffed, text, line.start, end);
        }
    }

    fn chunk(&mut self, mut bytes: &[u8]) {
        while let Some((line, rest)) = self.chunk_held.next(bytes, MESSAGE_LINE_MAX) {
            bytes = rest;
            self.chunk_line(&line);
        }
    }

    fn chunk_line(&mut self, line: &Taken) {
        let (text, end) = split_end(&line.bytes);
        let end = line.ended.then_some(end);
        if let Some(tx) = self.current() {
            tx.message_line(text, text, line.start, end);
        }
    }

    fn chunk_taken(&mut self, left: u64, last: bool) {
        if left > 0 {
            self.mode = Mode::Chunk { left, last };
            return;
        }
        self.mode = Mode::Commands;
        if last {
            if let Some(line) = self.chunk_held.rest() {
                self.chunk_line(&line);
            }
            if let Some(tx) = self.current() {
                tx.end_message(true);
            }
            self.end();
        }
    }

    /// Takes the server's bytes; what is behind the reply that changes the protocol is left.
    fn server(&mut self, input: &[u8]) -> Result<Parsed, ParseError> {
        let mut bytes = input;
        while !bytes.is_empty() && !self.dead {
            let Some((line, rest)) = self.held[ToClient.index()].next(bytes, LINE_MAX) else { break };
            bytes = rest;
            if !line.start {
                if line.ended {
                    self.event(ToClient, events::INVALID_REPLY);
                    if std::mem::take(&mut self.garbled) {
                        return Err(self.give_up("invalid_reply"));
                    }
                }
                continue;
            }
            if !line.ended {
                self.event(ToClient, events::TRUNCATED_LINE);
                if Reply::read(&line.bytes).is_none() {
                    self.garbled = true;
                    continue;
                }
            }
            if self.reply(split_end(&line.bytes).0)? {
                let consumed = input.len() - bytes.len();
                return Ok(Parsed { consumed, change: Some(Change::Expect("tls")), ..Parsed::default() });
            }
        }
        Ok(Parsed { consumed: input.len(), ..Parsed::default() })
    }

    /// True when the connection is TLS from here on.
    fn reply(&mut self, text: &[u8]) -> Result<bool, ParseError> {
        let Some(reply) = Reply::read(text) else {
            self.event(ToClient, events::INVALID_REPLY);
            return Err(self.give_up("invalid_reply"));
        };
        if !reply.is_known() {
            self.event(ToClient, events::INVALID_REPLY);
        }
        if self.pending.is_empty() && self.untracked == 0 {
            if !std::mem::replace(&mut self.welcomed, true) && reply.code != 220 && reply.is_known() {
                self.event(ToClient, events::INVALID_REPLY);
            }
            return Ok(false);
        }
        if !reply.last {
            return Ok(false);
        }
        self.credentials = reply.code == 334;
        match self.pending.pop_front() {
            Some(Pending::Data(id)) => {
                self.waits = false;
                self.data_answered(id, reply.code == 354);
            }
            Some(Pending::StartTls(id)) => {
                self.waits = false;
                if reply.code == 220 {
                    return Ok(true);
                }
                if let Some(tx) = self.transactions.by_id_mut(id) {
                    tx.event(ToClient, events::TLS_REJECTED);
                }
            }
            Some(Pending::Reset(id))
                if self.current == Some(id) && self.mode == Mode::Commands && !self.waits =>
            {
                self.end();
            }
            Some(_) => {}
            None => self.untracked -= 1,
        }
        Ok(false)
    }

    fn data_answered(&mut self, id: u64, agreed: bool) {
        let ours = self.current == Some(id);
        match (agreed, self.mode) {
            (true, Mode::Commands) if ours => self.mode = Mode::Message { early: false },
            (true, Mode::Message { .. }) if ours => self.mode = Mode::Message { early: false },
            (true, _) => {}
            (false, mode) => {
                if let Mode::Message { early: true } = mode
                    && ours
                {
                    self.mode = Mode::Commands;
                }
                if let Some(tx) = self.transactions.by_id_mut(id) {
                    tx.event(ToClient, events::DATA_COMMAND_REJECTED);
                }
            }
        }
    }

    fn end_of(&mut self, dir: Direction) {
        if std::mem::replace(&mut self.eof[dir.index()], true) {
            return;
        }
        if dir == ToServer {
            if let (Some(line), Mode::Message { .. }) = (self.held[dir.index()].rest(), self.mode) {
                self.message_line(&line);
            }
            if let Some(line) = self.chunk_held.rest() {
                self.chunk_line(&line);
            }
        }
        for tx in self.transactions.iter_mut() {
            tx.finish(dir);
        }
        if dir == ToServer {
            self.current = None;
        }
    }
}

impl Parser for SmtpParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        if self.dead {
            return Ok(Parsed::all(&input));
        }
        let parsed = match input.dir {
            ToServer => {
                self.client(input.bytes)?;
                Parsed::all(&input)
            }
            ToClient => self.server(input.bytes)?,
        };
        if input.eof && parsed.consumed == input.bytes.len() && parsed.change.is_none() {
            self.end_of(input.dir);
        }
        if parsed.change.is_some() {
            // what is encrypted from here on belongs to no mail
            for tx in self.transactions.iter_mut() {
                tx.finish(ToServer);
                tx.finish(ToClient);
            }
            self.current = None;
        }
        Ok(parsed)
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let held = self.held[dir.index()].rest();
        self.held[dir.index()].skip = true;
        if dir == ToClient {
            // which reply belongs to which command is not known any more
            let current = self.current;
            let data = self.pending.iter().any(|p| matches!(p, Pending::Data(id) if Some(*id) == current));
            if data && self.mode == Mode::Commands {
                self.mode = Mode::Message { early: false };
            }
            self.pending.clear();
            self.untracked = 0;
            self.waits = false;
            self.welcomed = true;
            return Ok(());
        }
        match self.mode {
            Mode::Commands => {}
            Mode::Message { .. } => {
                if let Some(line) = held {
                    self.message_line(&line);
                }
                if let Some(tx) = self.current() {
                    tx.message_gap();
                }
            }
            Mode::Chunk { left, last } => {
                if let Some(line) = self.chunk_held.rest() {
                    self.chunk_line(&line);
                }
                if let Some(tx) = self.current() {
                    tx.message_gap();
                }
                self.chunk_held.skip = true;
                self.held[dir.index()].skip = len > left;
                self.chunk_taken(left.saturating_sub(len), last);
            }
        }
        Ok(())
    }

    fn change_refused(&mut self) {
        self.event(ToClient, events::FAILED_PROTOCOL_CHANGE);
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn memory(&self) -> usize {
        size_of::<Self>()
            + self.transactions.iter().map(Tx::memory).sum::<usize>()
            + self.held.iter().map(|held| held.bytes.capacity()).sum::<usize>()
            + self.pending.capacity() * size_of::<Pending>()
    }
}

/// A line or a part of one, its line end included.
struct Taken {
    bytes: Vec<u8>,
    /// It is the beginning of the line.
    start: bool,
    /// It is the end of the line.
    ended: bool,
}

impl Held {
    /// The next line of held and new bytes, or `max` bytes of it, and what is left of the new bytes; `None` when there is none
    /// yet, and all bytes are held.
    fn next<'b>(&mut self, mut bytes: &'b [u8], max: usize) -> Option<(Taken, &'b [u8])> {
        loop {
            if bytes.is_empty() {
                return None;
            }
            let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
            if self.skip {
                bytes = bytes.get(end?..).unwrap_or_default();
                *self = Held::default();
                continue;
            }
            let room = max.saturating_sub(self.bytes.len());
            let take = end.unwrap_or(bytes.len()).min(room.max(1));
            let (line, rest) = bytes.split_at(take.min(bytes.len()));
            let ended = end == Some(take);
            self.bytes.extend_from_slice(line);
            if !ended && self.bytes.len() < max {
                return None;
            }
            let taken = Taken { bytes: std::mem::take(&mut self.bytes), start: !self.begun, ended };
            self.begun = !ended;
            return Some((taken, rest));
        }
    }

    /// What is held of a line that will not be whole.
    fn rest(&mut self) -> Option<Taken> {
        let held = std::mem::take(self);
        (!held.bytes.is_empty()).then_some(Taken { bytes: held.bytes, start: !held.begun, ended: false })
    }
}

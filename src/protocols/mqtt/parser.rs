//! Both streams, message by message, put together to exchanges.

use ahash::AHashMap;

use super::Options;
use super::message::{Body, Header, Malformed, Message, kind};
use super::transaction::MqttTx;
use crate::app::{FrameKind, Frames, Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::types::Direction;

/// Exchanges alive, whole or not, after which the stream is given up: a packet holds so many only in bad faith.
pub(super) const LIVE_MAX: usize = 64 << 10;

/// Types of frames: a message, its fixed header, and what is behind that.
pub(super) const FRAMES: &[&str] = &["pdu", "header", "data"];
const FRAME_PDU: FrameKind = FrameKind(0);
const FRAME_HEADER: FrameKind = FrameKind(1);
const FRAME_DATA: FrameKind = FrameKind(2);

/// What an exchange is about; each has its own identifiers, in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum About {
    Publish,
    Subscribe,
    Unsubscribe,
}

/// The parser of one flow.
pub(super) struct MqttParser {
    options: Options,
    /// As the client named it.
    version: u8,
    /// CONNACK was seen behind CONNECT.
    connected: bool,
    transactions: TxList<MqttTx>,
    /// Exchanges that are not whole.
    open: AHashMap<(About, Direction, u16), u64>,
    /// The CONNECT without an answer.
    connect: Option<u64>,
    sides: [Side; 2],
    frames: Frames,
}

#[derive(Clone, Copy, Default)]
struct Side {
    /// Bytes of a long message that are still to come.
    skip: u64,
    /// Bytes were lost where messages begin: nothing can be found again.
    lost: bool,
}

impl MqttParser {
    pub(super) fn new(options: Options) -> Self {
        MqttParser {
            options,
            version: 0,
            connected: false,
            transactions: TxList::default(),
            open: AHashMap::new(),
            connect: None,
            sides: [Side::default(); 2],
            frames: Frames::default(),
        }
    }

    /// A new exchange.
    fn begin(&mut self, dir: Direction) -> &mut MqttTx {
        let (options, version) = (self.options, self.version);
        self.transactions.push_with(|id| MqttTx::new(id, dir, version, options))
    }

    /// One that is whole with its first message.
    fn single(&mut self, dir: Direction, message: Message, event: Option<&'static str>) {
        let tx = self.begin(dir);
        tx.add(message);
        tx.finish();
        if let Some(event) = event {
            tx.event(dir, event);
        }
    }

    /// One that waits for an acknowledgement.
    fn waiting(&mut self, about: About, dir: Direction, id: u16, message: Message) -> u64 {
        if self.open.len() >= self.options.transactions_max {
            let tx = self.begin(dir);
            tx.add(message);
            tx.finish();
            tx.event(dir, "too_many_transactions");
            return tx.id;
        }
        let tx = self.begin(dir);
        tx.add(message);
        let made = tx.id;
        self.open.insert((about, dir, id), made);
        made
    }

    /// Adds an acknowledgement to its exchange, or makes one of it alone.
    fn acknowledge(
        &mut self,
        key: (About, Direction, u16),
        dir: Direction,
        message: Message,
        last: bool,
        missing: &'static str,
    ) {
        let found = if last { self.open.remove(&key) } else { self.open.get(&key).copied() };
        match found.and_then(|id| self.transactions.by_id_mut(id)) {
            Some(tx) => {
                tx.add(message);
                if last {
                    tx.finish();
                }
            }
            None => self.single(dir, message, Some(missing)),
        }
    }

    fn message(&mut self, dir: Direction, message: Message) {
        let answered = dir.opposite();
        let before = self.transactions.total();
        let qos = message.qos();
        match (message.kind, &message.body) {
            (_, Body::Skipped(_)) => self.single(dir, message, None),
            (kind::CONNECT, Body::Connect(connect)) => {
                self.version = connect.version;
                let connected = self.connected;
                let tx = self.begin(dir);
                tx.add(message);
                if connected {
                    tx.event(dir, "double_connect");
                }
                self.connect = Some(tx.id);
                return;
            }
            (kind::CONNACK, _) => {
                match self.connect.take().and_then(|id| self.transactions.by_id_mut(id)) {
                    Some(tx) => {
                        tx.add(message);
                        tx.finish();
                        self.connected = true;
                    }
                    None => self.single(dir, message, Some("missing_connect")),
                }
                return;
            }
            (kind::PUBLISH, Body::Publish { id, .. }) => {
                let id = *id;
                match (qos, id) {
                    (0, _) => self.single(dir, message, None),
                    (_, Some(id)) => {
                        let made = self.waiting(About::Publish, dir, id, message);
                        if qos == 3
                            && let Some(tx) = self.transactions.by_id_mut(made)
                        {
                            tx.event(dir, "invalid_qos_level");
                        }
                    }
                    (_, None) => self.single(dir, message, Some("missing_msg_id")),
                }
            }
            (kind::SUBSCRIBE, &Body::Subscribe { id, .. }) => match qos {
                0 => self.single(dir, message, None),
                _ => _ = self.waiting(About::Subscribe, dir, id, message),
            },
            (kind::UNSUBSCRIBE, &Body::Unsubscribe { id, .. }) => match qos {
                0 => self.single(dir, message, None),
                _ => _ = self.waiting(About::Unsubscribe, dir, id, message),
            },
            // of the one who published: PUBREL; of the other: the rest
            (kind::PUBACK | kind::PUBCOMP, &Body::Acknowledge { id, .. }) => {
                self.acknowledge((About::Publish, answered, id), dir, message, true, "missing_publish");
            }
            (kind::PUBREC, &Body::Acknowledge { id, .. }) => {
                self.acknowledge((About::Publish, answered, id), dir, message, false, "missing_publish");
            }
            (kind::PUBREL, &Body::Acknowledge { id, .. }) => {
                self.acknowledge((About::Publish, dir, id), dir, message, false, "missing_publish");
            }
            (kind::SUBACK, &Body::Suback { id, .. }) => {
                self.acknowledge((About::Subscribe, answered, id), dir, message, true, "missing_subscribe");
            }
            (kind::UNSUBACK, &Body::Unsuback { id, .. }) => {
                self.acknowledge(
                    (About::Unsubscribe, answered, id),
                    dir,
                    message,
                    true,
                    "missing_unsubscribe",
                );
            }
            _ => self.single(dir, message, None),
        }
        if !self.connected
            && self.transactions.total() > before
            && let Some(tx) = self.transactions.last_mut()
        {
            tx.event(dir, "unintroduced_message");
        }
    }

    fn malformed(&mut self, dir: Direction) -> ParseError {
        let tx = self.begin(dir);
        tx.finish();
        tx.event(dir, "malformed_traffic");
        ParseError("malformed_traffic")
    }

    /// Takes what is at the front of the bytes, which is at `at` of the input: its length, or how many bytes it needs.
    fn step(&mut self, dir: Direction, at: usize, bytes: &[u8]) -> Result<Result<usize, usize>, ParseError> {
        let side = &mut self.sides[dir.index()];
        if side.lost {
            return Ok(Ok(bytes.len()));
        }
        if side.skip > 0 {
            let taken = usize::try_from(side.skip).unwrap_or(usize::MAX).min(bytes.len());
            side.skip -= taken as u64;
            return Ok(Ok(taken));
        }
        if self.transactions.len() >= LIVE_MAX {
            return Err(ParseError("too_many_transactions"));
        }
        let header = match Header::read(bytes) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(Err(bytes.len() + 1)),
            Err(Malformed) => return Err(self.malformed(dir)),
        };
        self.frames.report(dir, FRAME_PDU, at, Some(header.head + header.len), None);
        self.frames.report(dir, FRAME_HEADER, at, Some(header.head), None);
        if header.len > 0 {
            self.frames.report(dir, FRAME_DATA, at + header.head, Some(header.len), None);
        }
        if header.len > self.options.message_max {
            self.sides[dir.index()].skip = header.len as u64;
            let body = Body::Skipped(header.head + header.len);
            self.message(dir, Message { kind: header.kind, flags: header.flags, body });
            return Ok(Ok(header.head));
        }
        let end = header.head + header.len;
        let Some(body) = bytes.get(header.head..end) else { return Ok(Err(end)) };
        if header.kind == 0 {
            let tx = self.begin(dir);
            tx.finish();
            tx.event(dir, "unassigned_msg_type");
            return Ok(Ok(end));
        }
        match Message::read(header, body, self.version) {
            Ok(message) => self.message(dir, message),
            Err(Malformed) => return Err(self.malformed(dir)),
        }
        Ok(Ok(end))
    }
}

impl Parser for MqttParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let mut at = 0;
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(input.dir, at, rest)? {
                Ok(taken) => at += taken,
                Err(needs) => return Ok(Parsed { consumed: at, needs, ..Parsed::default() }),
            }
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let side = &mut self.sides[dir.index()];
        let skipped = side.skip.min(len);
        side.skip -= skipped;
        if len > skipped {
            // exchanges are of both sides: with a hole in one, the other's would be taken for odd
            self.sides.iter_mut().for_each(|side| side.lost = true);
        }
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn frames(&mut self) -> Option<&mut Frames> {
        Some(&mut self.frames)
    }

    fn memory(&self) -> usize {
        let open = self.open.capacity() * size_of::<((About, Direction, u16), u64)>();
        size_of::<Self>() + open + self.transactions.iter().map(MqttTx::memory).sum::<usize>()
    }
}

//! The record layer (RFC 8446 section 5) and, above it, handshake messages: cut by records, several in one, in the clear
//! until a side changes to encryption. SSLv2 hellos are read as far as their lengths go.

use super::Options;
use super::heartbeat::Heartbeats;
use super::slots;
use super::transaction::TlsTx;
use crate::app::{FrameKind, Frames, Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::protocols::hello::messages::{ClientHello, Cursor, Malformed, ServerHello};
use crate::protocols::hello::version::Version;
use crate::types::Direction;

/// The longest handshake message put together, bytes; longer ones are passed over.
const MESSAGE_MAX: usize = 64 << 10;

/// Records must be shorter: 2^14 and what encryption may add, RFC 5246 section 6.2.3.
const RECORD_END: usize = (1 << 14) + 2048;

const HEADER_LEN: usize = 5;

/// The length field of an SSLv2 record, and the type of its message.
const SSL2_HEADER_LEN: usize = 3;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// The parser of one flow.
pub(super) struct TlsParser {
    options: Options,
    transactions: TxList<TlsTx>,
    sides: [Side; 2],
    heartbeats: Heartbeats,
    /// The server asked for another client hello.
    retried: bool,
    done: bool,
    /// A record was taken in the last call.
    progressed: bool,
    frames: Frames,
}

/// Types of frames, in the order of [`FRAMES`]: a record, its header, what is behind that, and the content of an alert.
pub(super) const FRAMES: &[&str] = &["pdu", "hdr", "data", "alert", "ssl2.hdr", "ssl2.pdu"];
const FRAME_PDU: FrameKind = FrameKind(0);
const FRAME_HDR: FrameKind = FrameKind(1);
const FRAME_DATA: FrameKind = FrameKind(2);
const FRAME_ALERT: FrameKind = FrameKind(3);
const FRAME_SSL2_HDR: FrameKind = FrameKind(4);
const FRAME_SSL2_PDU: FrameKind = FrameKind(5);

/// What is remembered of one direction.
#[derive(Default)]
struct Side {
    /// The beginning of a handshake message that records cut.
    message: Vec<u8>,
    /// Bytes of the record, and of the handshake message, that are passed over.
    skip_record: usize,
    skip_message: usize,
    /// A record was seen: it is no SSLv2 any more.
    begun: bool,
    /// It changed its cipher: what follows cannot be read.
    changed: bool,
    /// Application data was seen.
    data: bool,
    /// Where records begin is not known (any more): what comes is passed over.
    lost: bool,
    eof: bool,
}

impl Side {
    fn is_encrypted(&self) -> bool {
        self.changed || self.data
    }
}

impl TlsParser {
    pub(super) fn new(options: Options) -> Self {
        let mut transactions = TxList::default();
        transactions.push_with(|id| TlsTx::new(id, options.wanted));
        TlsParser {
            options,
            transactions,
            sides: [Side::default(), Side::default()],
            heartbeats: Heartbeats::default(),
            retried: false,
            done: false,
            progressed: false,
            frames: Frames::default(),
        }
    }

    /// The handshake, unless it was logged and removed.
    fn tx(&mut self) -> Option<&mut TlsTx> {
        self.transactions.by_id_mut(0)
    }

    fn event(&mut self, dir: Direction, name: &'static str) {
        if let Some(tx) = self.tx() {
            tx.event(dir, name);
        }
    }

    /// Ends the parsing. A flow picked up in its middle may begin anywhere in a record, which is nobody's fault: that
    /// side is passed over instead.
    fn fail(&mut self, dir: Direction, name: &'static str) -> Result<Step, ParseError> {
        let greeted = self.tx().is_none_or(|tx| tx.client.is_some() || tx.server.is_some());
        let side = &mut self.sides[dir.index()];
        if !side.begun && !greeted {
            side.lost = true;
            return Ok(Step::Taken(0));
        }
        self.event(dir, name);
        self.finish();
        Err(ParseError(name))
    }

    fn finish(&mut self) {
        self.done = true;
        if let Some(tx) = self.tx() {
            tx.finish();
        }
    }

    /// Takes one record, or says how many bytes it needs.
    fn record(&mut self, dir: Direction, rest: &[u8]) -> Result<Step, ParseError> {
        let side = &mut self.sides[dir.index()];
        if !side.begun {
            match sslv2(dir, rest) {
                Sslv2::No => {}
                Sslv2::More(needs) => return Ok(Step::Needs(needs)),
                Sslv2::Hello { version, len } => {
                    if let Some(tx) = self.tx() {
                        tx.versions[dir.index()] = version;
                        tx.state = if dir == Direction::ToServer {
                            slots::STATE_CLIENT_HELLO
                        } else {
                            slots::STATE_SERVER_HELLO
                        };
                        tx.reach(dir, slots::HELLO);
                    }
                    self.sides[dir.index()].begun = true;
                    if dir == Direction::ToClient {
                        // A server that answers so goes on so; one that speaks TLS answers with records.
                        self.finish();
                        self.sides.iter_mut().for_each(|side| side.lost = true);
                    }
                    return Ok(Step::Taken(len));
                }
                Sslv2::Broken => return self.fail(dir, "invalid_sslv2_header"),
            }
        }
        let Some((&[kind, major, minor, high, low], body)) = rest.split_first_chunk::<HEADER_LEN>() else {
            return Ok(Step::Needs(HEADER_LEN));
        };
        let version = Version(u16::from_be_bytes([major, minor]));
        let len = usize::from(u16::from_be_bytes([high, low]));
        if !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind) {
            return self.fail(dir, "invalid_record_type");
        }
        // Drafts of TLS 1.3 put their number here.
        if major != 3 && !version.is_tls13() {
            return self.fail(dir, "invalid_ssl_record");
        }
        if len == 0 || len >= RECORD_END {
            return self.fail(dir, "invalid_record_length");
        }
        let side = &mut self.sides[dir.index()];
        if !side.begun {
            side.begun = true;
            // of a flow picked up in its middle nobody said which version it is
            if let (Some(tx), true) = (self.tx(), kind != APPLICATION_DATA) {
                tx.versions[dir.index()] = version;
            }
        }
        if kind == APPLICATION_DATA {
            let side = &mut self.sides[dir.index()];
            side.data = true;
            side.skip_record = len;
            self.encrypted(dir);
            return Ok(Step::Taken(HEADER_LEN));
        }
        let Some(body) = body.get(..len) else { return Ok(Step::Needs(HEADER_LEN + len)) };
        match kind {
            CHANGE_CIPHER_SPEC => {
                let side = &mut self.sides[dir.index()];
                side.changed = true;
                side.message = Vec::new();
                side.skip_message = 0;
                self.encrypted(dir);
            }
            HANDSHAKE if !self.sides[dir.index()].is_encrypted() || self.repeats_hello(dir, body) => {
                self.handshake(dir, body);
            }
            HEARTBEAT => {
                let encrypted = self.sides[dir.index()].is_encrypted();
                if let Some(event) = self.heartbeats.record(dir, body, encrypted) {
                    self.event(dir, event);
                }
            }
            // An alert tells nothing that is kept; what is encrypted cannot be read.
            ALERT | HANDSHAKE => {}
            _ => {}
        }
        Ok(Step::Taken(HEADER_LEN + len))
    }

    /// The frames of the record at `at` of the input, whole or not.
    fn report(&mut self, dir: Direction, at: usize, rest: &[u8], begun: bool, step: &Step) {
        if self.sides[dir.index()].lost && matches!(step, Step::Taken(0)) {
            return;
        }
        let frames = &mut self.frames;
        if let (false, Some(0x80..), Step::Taken(len)) = (begun, rest.first(), step) {
            frames.report(dir, FRAME_SSL2_HDR, at, Some(SSL2_HEADER_LEN), None);
            frames.report(dir, FRAME_SSL2_PDU, at, Some(*len), None);
            return;
        }
        let Some(&[kind, _, _, high, low]) = rest.first_chunk::<HEADER_LEN>() else { return };
        let len = usize::from(u16::from_be_bytes([high, low]));
        frames.report(dir, FRAME_HDR, at, Some(HEADER_LEN), None);
        frames.report(dir, FRAME_PDU, at, Some(HEADER_LEN + len), None);
        frames.report(dir, FRAME_DATA, at + HEADER_LEN, Some(len), None);
        if kind == ALERT {
            frames.report(dir, FRAME_ALERT, at + HEADER_LEN, Some(len), None);
        }
    }

    /// After a retry request the client's second hello is in the clear, behind a change of cipher that changes nothing.
    fn repeats_hello(&self, dir: Direction, body: &[u8]) -> bool {
        dir == Direction::ToServer && self.retried && body.first() == Some(&1)
    }

    /// That side speaks in secret from here on; once both do, the handshake is over.
    fn encrypted(&mut self, dir: Direction) {
        let over = self.sides.iter().all(Side::is_encrypted);
        if let Some(tx) = self.tx() {
            tx.reach(dir, slots::CERTIFICATE);
        }
        if over && !self.done {
            self.finish();
        }
    }

    /// Handshake messages out of one record.
    fn handshake(&mut self, dir: Direction, mut body: &[u8]) {
        loop {
            let side = &mut self.sides[dir.index()];
            let skipped = side.skip_message.min(body.len());
            side.skip_message -= skipped;
            body = &body[skipped..];
            if body.is_empty() {
                return;
            }
            if side.message.is_empty() {
                // Nearly every message is whole in its record: no copy.
                match split(body) {
                    Split::Whole(message, rest) => {
                        body = rest;
                        self.message(dir, message);
                    }
                    Split::Long(len) => side.skip_message = len,
                    Split::Part(_) => {
                        side.message.extend_from_slice(body);
                        return;
                    }
                }
                continue;
            }
            let wanted = match split(&side.message) {
                Split::Part(missing) => missing,
                Split::Whole(..) | Split::Long(_) => 0,
            };
            let (more, rest) = body.split_at(wanted.min(body.len()));
            side.message.extend_from_slice(more);
            body = rest;
            match split(&side.message) {
                Split::Whole(..) => {
                    let message = std::mem::take(&mut side.message);
                    self.message(dir, &message);
                }
                Split::Long(len) => {
                    side.skip_message = len - side.message.len();
                    side.message = Vec::new();
                }
                Split::Part(_) => {}
            }
        }
    }

    /// One whole handshake message, its header included.
    fn message(&mut self, dir: Direction, message: &[u8]) {
        let (Some(&kind), Some(body)) = (message.first(), message.get(4..)) else { return };
        if kind == 2 && dir == Direction::ToClient {
            match ServerHello::read(body) {
                Ok(hello) => {
                    self.retried |= hello.is_retry();
                    if let Some(tx) = self.tx() {
                        tx.server_hello(hello);
                    }
                }
                Err(Malformed) => {
                    // The version at least is told.
                    if let (Ok(version), Some(tx)) = (Cursor(body).u16(), self.tx()) {
                        tx.versions[1] = Version(version);
                        tx.reach(dir, slots::HELLO);
                    }
                    self.event(dir, "handshake_invalid_length");
                }
            }
            return;
        }
        let Some(tx) = self.transactions.by_id_mut(0) else { return };
        match kind {
            1 if dir == Direction::ToServer => tx.client_hello(ClientHello::read(body)),
            11 => tx.certificates(dir, body),
            12 => {
                tx.state = slots::STATE_SERVER_KEYX;
                tx.reach(dir, slots::CERTIFICATE);
            }
            16 => {
                tx.state = slots::STATE_CLIENT_KEYX;
                tx.reach(dir, slots::CERTIFICATE);
            }
            13 if dir == Direction::ToClient => tx.client_asked = true,
            14 => tx.reach(dir, slots::CERTIFICATE),
            // Known and of no interest (IANA "TLS HandshakeType").
            0..=6 | 8..=10 | 13 | 15 | 17 | 18 | 20..=26 | 67 => {}
            _ => {
                tx.state = slots::STATE_UNKNOWN;
                tx.event(dir, "invalid_handshake_message");
            }
        }
    }
}

enum Step {
    Taken(usize),
    Needs(usize),
}

/// The front of some handshake bytes.
enum Split<'a> {
    /// A whole message and what follows.
    Whole(&'a [u8], &'a [u8]),
    /// Too long to keep: its length, header included.
    Long(usize),
    /// A beginning: how many bytes to add before asking again.
    Part(usize),
}

fn split(bytes: &[u8]) -> Split<'_> {
    let Some(&[_, high, middle, low]) = bytes.first_chunk::<4>() else { return Split::Part(4 - bytes.len()) };
    let len = 4 + (usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low));
    match bytes.split_at_checked(len) {
        Some((message, rest)) => Split::Whole(message, rest),
        None if len > MESSAGE_MAX => Split::Long(len),
        None => Split::Part(len - bytes.len()),
    }
}

enum Sslv2 {
    No,
    More(usize),
    Hello { version: Version, len: usize },
    Broken,
}

/// An SSLv2 hello at the very beginning of a side (RFC 5246 appendix E.2): two length bytes with the high bit set, the
/// message type, the version.
fn sslv2(dir: Direction, bytes: &[u8]) -> Sslv2 {
    let Some(&first) = bytes.first() else { return Sslv2::More(1) };
    if first & 0x80 == 0 {
        return Sslv2::No;
    }
    let Some(&[high, low, kind]) = bytes.first_chunk::<3>() else { return Sslv2::More(3) };
    let len = 2 + (usize::from(high & 0x7f) << 8 | usize::from(low));
    let (wanted, least, at) = match dir {
        Direction::ToServer => (1, 9, 3),
        Direction::ToClient => (4, 11, 5),
    };
    if kind != wanted || len < 2 + least {
        return Sslv2::Broken;
    }
    if bytes.len() < len {
        return Sslv2::More(len);
    }
    let version = match bytes.get(at..at + 2) {
        Some(&[high, low]) => Version(u16::from_be_bytes([high, low])),
        _ => return Sslv2::Broken,
    };
    if version == Version::SSL2 || version.0 >> 8 == 3 {
        Sslv2::Hello { version, len }
    } else {
        Sslv2::Broken
    }
}

impl Parser for TlsParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let dir = input.dir;
        let mut at = 0;
        let mut needs = 0;
        while at < input.bytes.len() {
            if self.sides[dir.index()].lost {
                at = input.bytes.len();
                break;
            }
            let rest = &input.bytes[at..];
            let side = &mut self.sides[dir.index()];
            let skipped = side.skip_record.min(rest.len());
            if skipped > 0 {
                side.skip_record -= skipped;
                at += skipped;
                continue;
            }
            let begun = side.begun;
            let step = self.record(dir, rest)?;
            if self.frames.are_wanted() {
                self.report(dir, at, rest, begun, &step);
            }
            match step {
                Step::Taken(len) => {
                    at += len;
                    self.progressed = true;
                }
                Step::Needs(len) => {
                    needs = len;
                    break;
                }
            }
        }
        if input.eof {
            self.sides[dir.index()].eof = true;
            if self.sides.iter().all(|side| side.eof) {
                self.finish();
            }
        }
        let wanted = !self.options.bypass && self.frames.are_wanted();
        let unread = self.is_encrypted() || self.sides.iter().all(|side| side.lost);
        let opaque = self.done && self.options.opaque && unread && !wanted;
        Ok(Parsed { consumed: at, needs, opaque, ..Parsed::default() })
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let side = &mut self.sides[dir.index()];
        match usize::try_from(len) {
            // Lost inside application data: the next record's place is known.
            Ok(len) if len <= side.skip_record => side.skip_record -= len,
            _ => {
                side.lost = true;
                side.message = Vec::new();
                // It is not known what was lost: nothing is waited for.
                if let Some(tx) = self.tx() {
                    tx.reach(dir, slots::CERTIFICATE);
                }
            }
        }
        Ok(())
    }

    fn follows(&mut self, protocol: &'static str) {
        if let Some(tx) = self.tx() {
            tx.from_protocol = Some(protocol);
        }
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn is_encrypted(&self) -> bool {
        self.options.opaque && self.sides.iter().any(|side| side.data)
    }

    fn flushes(&mut self) -> bool {
        std::mem::take(&mut self.progressed)
    }

    fn frames(&mut self) -> Option<&mut Frames> {
        Some(&mut self.frames)
    }

    fn memory(&self) -> usize {
        let pending: usize = self.sides.iter().map(|side| side.message.capacity()).sum();
        size_of::<Self>() + pending + self.transactions.iter().map(TlsTx::memory).sum::<usize>()
    }
}

//! What the tests of protocols share: a parser that is fed as a flow feeds it, and what every parser must stand.

use std::sync::Arc;

use crate::app::{
    Change, FileState, FrameKind, Frames, Input, ParseError, Parser, ProtocolId, Settings, Slot, Transaction,
    WantedFrames,
};
use crate::detect::ProtocolEntry;
use crate::json::JsonWriter;
use crate::types::{Direction, Proto, Timestamp};

/// Who said what.
pub(super) type Turns<'a> = &'a [(Direction, &'a [u8])];

/// A parser with the bytes that it left.
pub(super) struct Talk {
    parser: Box<dyn Parser>,
    transport: Proto,
    pending: [Vec<u8>; 2],
    needs: [usize; 2],
    pub(super) failed: [bool; 2],
    pub(super) opaque: bool,
    pub(super) change: Option<Change>,
    /// Bytes taken of each side, and the names of frames, when they are watched.
    taken: [u64; 2],
    watched: &'static [&'static str],
}

impl Talk {
    pub(super) fn new(entry: &ProtocolEntry, transport: Proto, port: u16, settings: &str) -> Self {
        let settings = Settings::new(serde_yaml::from_str(settings).ok());
        Talk {
            parser: entry.protocol.factory(&settings).parser(transport, 40_000, port),
            transport,
            pending: Default::default(),
            needs: [0; 2],
            failed: [false; 2],
            opaque: false,
            change: None,
            taken: [0; 2],
            watched: &[],
        }
    }

    /// The same, with rules that want every type of frame.
    pub(super) fn watching(entry: &ProtocolEntry, transport: Proto, port: u16) -> Self {
        let mut talk = Talk::new(entry, transport, port, "{}");
        talk.watched = entry.protocol.frames();
        let mut wanted = WantedFrames::default();
        (0..talk.watched.len()).for_each(|kind| wanted.add(ProtocolId(0), FrameKind(kind as u8)));
        *talk.parser.frames().unwrap() = Frames::watching(Arc::new(wanted));
        talk
    }

    /// The frames of that side: type, place and length.
    pub(super) fn frames(&mut self, dir: Direction) -> Vec<(&'static str, u64, Option<u64>)> {
        let open = self.parser.frames().unwrap().open(dir);
        open.iter().map(|frame| (frame.kind.name(self.watched), frame.offset, frame.len)).collect()
    }

    /// A segment, or a datagram.
    pub(super) fn say(&mut self, dir: Direction, bytes: &[u8]) -> Result<(), ParseError> {
        self.pending[dir.index()].extend_from_slice(bytes);
        self.feed(dir, false)
    }

    /// All of them, until one side fails.
    pub(super) fn all(&mut self, turns: Turns<'_>) -> Result<(), ParseError> {
        turns.iter().try_for_each(|(dir, bytes)| self.say(*dir, bytes))
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        for dir in Direction::BOTH {
            let _ = self.feed(dir, true);
        }
    }

    pub(super) fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        // what was not taken is lost with it
        let held = std::mem::take(&mut self.pending[dir.index()]).len() as u64;
        self.needs[dir.index()] = 0;
        self.parser.gap(dir, held + len)
    }

    fn feed(&mut self, dir: Direction, eof: bool) -> Result<(), ParseError> {
        let side = dir.index();
        loop {
            if self.failed[side] || self.opaque || self.change.is_some() {
                return Ok(());
            }
            let bytes = &self.pending[side];
            if !eof && (bytes.is_empty() || bytes.len() < self.needs[side]) {
                return Ok(());
            }
            if let Some(frames) = self.parser.frames().filter(|_| !self.watched.is_empty()) {
                let position = (self.transport != Proto::UDP).then_some(self.taken[side]);
                frames.begin(ProtocolId(0), true, dir, position);
            }
            let parsed = match self.parser.parse(Input { dir, bytes, eof, timestamp: Timestamp(0) }) {
                Ok(parsed) => parsed,
                Err(error) => {
                    if self.transport == Proto::UDP {
                        self.pending[side].clear();
                    } else {
                        self.failed[side] = true;
                    }
                    return Err(error);
                }
            };
            assert!(parsed.consumed <= bytes.len());
            self.needs[side] = parsed.needs;
            self.opaque |= parsed.opaque;
            self.change = self.change.or(parsed.change);
            if self.transport == Proto::UDP {
                assert_eq!(parsed.consumed, bytes.len(), "datagrams are taken whole");
            }
            self.pending[side].drain(..parsed.consumed);
            self.taken[side] += parsed.consumed as u64;
            if parsed.consumed == 0 || eof {
                return Ok(());
            }
        }
    }

    pub(super) fn each(&self) -> Vec<&dyn Transaction> {
        let transactions = self.parser.transactions();
        (0..transactions.count()).filter_map(|nth| transactions.at(nth)).collect()
    }

    pub(super) fn records(&self) -> Vec<String> {
        let records = self.each().into_iter().flat_map(|tx| (0..tx.records()).map(move |nth| (tx, nth)));
        records.map(|(tx, nth)| written(|out| tx.log_record(nth, out))).collect()
    }

    pub(super) fn events(&self) -> Vec<&'static str> {
        self.each().into_iter().flat_map(|tx| tx.events().iter().map(|(_, name)| *name)).collect()
    }

    pub(super) fn memory(&self) -> usize {
        self.parser.memory()
    }

    /// Removes the transactions that are done, as a flow does.
    pub(super) fn forget_done(&mut self) {
        let done: Vec<u64> = self
            .each()
            .into_iter()
            .filter(|tx| Direction::BOTH.iter().all(|dir| tx.progress(*dir) == crate::app::DONE))
            .map(|tx| tx.id())
            .collect();
        for id in done {
            self.parser.transactions_mut().remove(id);
        }
    }
}

/// What a piece of EVE looks like.
pub(super) fn written(write: impl Fn(&mut JsonWriter)) -> String {
    let mut out = JsonWriter::new();
    write(&mut out);
    String::from_utf8(out.take()).unwrap()
}

/// A stream in pieces of every size makes the same records as in one, and every beginning of it may be one.
#[track_caller]
pub(super) fn check_pieces(entry: &ProtocolEntry, port: u16, settings: &str, turns: Turns<'_>) {
    check_cut(entry, port, settings, turns);
    // no beginning of it is refused, nor taken for another protocol
    if let Some((dir, bytes)) = turns.first() {
        for end in 0..=bytes.len() {
            let probe = entry.protocol.probe(Proto::TCP, *dir, port, &bytes[..end]);
            assert_ne!(probe, crate::app::Probe::No, "the first {end} bytes");
        }
    }
}

/// A stream in pieces of every size makes the same records as in one.
#[track_caller]
pub(super) fn check_cut(entry: &ProtocolEntry, port: u16, settings: &str, turns: Turns<'_>) {
    let mut whole = Talk::new(entry, Proto::TCP, port, settings);
    whole.all(turns).unwrap();
    let longest = turns.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(1);
    for size in 1..=longest {
        let mut cut = Talk::new(entry, Proto::TCP, port, settings);
        for (dir, bytes) in turns {
            for piece in bytes.chunks(size) {
                cut.say(*dir, piece).unwrap();
            }
        }
        assert_eq!(cut.records(), whole.records(), "pieces of {size}");
        assert_eq!(cut.events(), whole.events(), "pieces of {size}");
    }
}

/// A message with an attachment of 14 bytes, `att.bin`, a URL, and a line that begins with a dot.
pub(super) const MESSAGE: &[u8] = b"From: ann\r\nSubject: hello\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\n\
    .see http://evil.example/x\r\n--B\r\nContent-Type: x/y; name=att.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    YXR0YWNoZWQg\r\nYnl0ZXM=\r\n--B--\r\n";

/// What is known of the files of all transactions: name, size, state, bytes.
pub(super) fn files(talk: &Talk, dir: Direction, slot: Slot) -> Vec<(String, u64, FileState, String)> {
    let each = talk.each().into_iter().flat_map(|tx| {
        tx.files(dir).iter().enumerate().map(move |(nth, file)| {
            let bytes = tx.body(slot, nth).map(|body| body.bytes.to_vec()).unwrap_or_default();
            (file.name.escape_ascii().to_string(), file.size, file.state, bytes.escape_ascii().to_string())
        })
    });
    each.collect()
}

/// Frames of a stream in pieces of every size are those of the stream in one.
#[track_caller]
pub(super) fn check_frames(
    entry: &ProtocolEntry,
    port: u16,
    turns: Turns<'_>,
    expected: &[(Direction, &str, u64, Option<u64>)],
) {
    let longest = turns.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(1);
    for size in (1..=longest).rev() {
        let mut talk = Talk::watching(entry, Proto::TCP, port);
        for (dir, bytes) in turns {
            for piece in bytes.chunks(size) {
                talk.say(*dir, piece).unwrap();
            }
        }
        let mut found = Vec::new();
        for dir in Direction::BOTH {
            let frames = talk.frames(dir);
            found.extend(frames.into_iter().map(|(name, at, len)| (dir, name, at, len)));
        }
        // types may be told in another order when the bytes come in other pieces
        let order =
            |frame: &(Direction, &str, u64, Option<u64>)| (frame.0.index(), frame.2, frame.1.to_owned());
        let mut wanted = expected.to_vec();
        wanted.sort_by_key(order);
        found.sort_by_key(order);
        assert_eq!(found, wanted, "pieces of {size}");
    }
}

/// However long a flow is, what is kept of it stays below `most` bytes: the same talk many times over, whole, of the client alone, and
/// with bytes lost now and then.
#[track_caller]
pub(super) fn check_bounded(
    entry: &ProtocolEntry,
    transport: Proto,
    port: u16,
    turns: Turns<'_>,
    most: usize,
) {
    for (alone, lossy) in [(false, false), (true, false), (false, true)] {
        let mut talk = Talk::new(entry, transport, port, "{}");
        for round in 0..600 {
            for (nth, (dir, bytes)) in turns.iter().enumerate() {
                if alone && *dir == Direction::ToClient {
                    continue;
                }
                if lossy && transport == Proto::TCP && (round + nth) % 11 == 7 {
                    let _ = talk.gap(*dir, bytes.len() as u64);
                    continue;
                }
                let _ = talk.say(*dir, bytes);
            }
            talk.forget_done();
            let memory = talk.memory();
            assert!(memory > 0 && memory <= most, "{memory} bytes in round {round}");
        }
    }
}

/// Whatever the bytes are: no panic, valid records, and memory in proportion.
pub(super) fn check_mutations(entry: &ProtocolEntry, transport: Proto, port: u16, turns: Turns<'_>) {
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below.max(1) as u64) as usize
    };
    for round in 0..2000 {
        let mut talk = Talk::new(entry, transport, port, "{}");
        let mut given = 0;
        for (dir, bytes) in turns {
            let mut bytes = bytes.to_vec();
            if round % 4 != 3 || random(turns.len()) == 0 {
                for _ in 0..random(5) {
                    let at = random(bytes.len());
                    match random(5) {
                        _ if bytes.is_empty() => {}
                        0 => bytes[at] = random(256) as u8,
                        1 => bytes[at] = if random(2) == 0 { 0xff } else { 0 },
                        2 => bytes.truncate(at),
                        3 => bytes.insert(at, random(256) as u8),
                        _ => bytes[at] ^= 1 << random(8),
                    }
                }
            }
            let dir = if random(40) == 0 { dir.opposite() } else { *dir };
            given += bytes.len();
            for probed in [port, 4000] {
                entry.protocol.probe(transport, dir, probed, &bytes);
            }
            if transport == Proto::UDP {
                let _ = talk.say(dir, &bytes);
            } else {
                let size = 1 + random(bytes.len().max(1) * 2);
                for piece in bytes.chunks(size) {
                    let _ = talk.say(dir, piece);
                }
                if random(20) == 0 {
                    let _ = talk.gap(dir, 1 + random(100) as u64);
                }
            }
        }
        talk.end();
        for tx in talk.each() {
            ask(entry, tx);
        }
        assert!(talk.memory() < 64 * given + (128 << 10), "{} for {given} bytes", talk.memory());
        for record in talk.records() {
            let _: serde_json::Value = serde_json::from_str(&format!("{{{record}}}")).unwrap();
        }
    }
}

/// Asks a transaction for everything that rules can ask for.
fn ask(entry: &ProtocolEntry, tx: &dyn Transaction) {
    for place in entry.buffers.iter().flat_map(|buffer| buffer.places) {
        for nth in [0, 1, 2, usize::MAX] {
            tx.bytes(place.slot, nth);
        }
    }
    for place in entry.numbers.iter().flat_map(|number| number.places) {
        for nth in [0, 1, 2, usize::MAX] {
            tx.number(place.slot, nth);
        }
    }
    for (_, event) in tx.events() {
        assert!(entry.protocol.events().contains(event), "{event}");
    }
    let alert = written(|out| tx.log_in_alert(out));
    let _: serde_json::Value = serde_json::from_str(&format!("{{{alert}}}")).unwrap();
}

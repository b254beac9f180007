//! What parsers make of dialogues out of captures: the same in whatever pieces the bytes come, nothing that was not said where some are
//! lost, and no more memory for a long flow than for a short one.
//!
//! `MAMPARO_CAPTURES=DIR` takes the captures from there: `MAMPARO_CAPTURES=… tests/run dialogues`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use mamparo::app::{DONE, Input, Parser, Settings, Transaction};
use mamparo::detect::ProtocolEntry;
use mamparo::json::JsonWriter;
use mamparo::protocols::ALL;
use mamparo::types::{Direction, Proto, Timestamp};

use super::allocations::held;
use super::support::engine::readable;
use super::support::{Random, captures};

/// As many dialogues of a protocol are taken, the shortest of each capture first.
const DIALOGUES: usize = 12;
/// Up to so many bytes a dialogue is cut at every one of them.
const SHORT: usize = 1500;
/// Longer ones are cut so often at places drawn at random.
const CUTS: usize = 40;
/// What is taken of a dialogue, bytes.
const BYTES: usize = 64 << 10;
/// What a flow may hold, bytes, whatever it carries.
const HELD_MAX: i64 = 8 << 20;

/// What both ends of a flow said, in the order in which it was said.
struct Dialogue {
    entry: &'static ProtocolEntry,
    transport: Proto,
    /// Of client and server.
    ports: (u16, u16),
    pieces: Vec<(Direction, Vec<u8>)>,
    /// Where it is from.
    from: String,
}

impl Dialogue {
    fn len(&self) -> usize {
        self.pieces.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    fn parser(&self) -> Box<dyn Parser> {
        let factory = self.entry.protocol.factory(&Settings::new(None));
        factory.parser(self.transport, self.ports.0, self.ports.1)
    }

    /// The same bytes, each piece cut where `cut` says.
    fn told(&self, cut: impl Fn(usize) -> bool) -> Vec<String> {
        let mut talk = Talk::new(self);
        let mut at = 0;
        for (dir, bytes) in &self.pieces {
            let mut start = 0;
            for end in 1..=bytes.len() {
                if end == bytes.len() || cut(at + end) {
                    talk.give(*dir, &bytes[start..end], false);
                    start = end;
                }
            }
            at += bytes.len();
        }
        talk.end().to_vec()
    }
}

/// A parser that is given a dialogue.
struct Talk<'d> {
    dialogue: &'d Dialogue,
    parser: Box<dyn Parser>,
    /// What was given and not taken, by side.
    left: [Vec<u8>; 2],
    /// Not called before as much is there.
    needs: [usize; 2],
    given_up: [bool; 2],
    /// What follows is not this protocol's.
    over: bool,
    /// What was told of the transactions that are done.
    told: Vec<String>,
    /// What both sides said in them.
    said: BTreeSet<String>,
}

impl<'d> Talk<'d> {
    fn new(dialogue: &'d Dialogue) -> Self {
        Talk {
            dialogue,
            parser: dialogue.parser(),
            left: Default::default(),
            needs: [0; 2],
            given_up: [false; 2],
            over: false,
            told: Vec::new(),
            said: BTreeSet::new(),
        }
    }

    fn give(&mut self, dir: Direction, bytes: &[u8], eof: bool) {
        let side = dir.index();
        let stream = self.dialogue.transport == Proto::TCP;
        if self.over || self.given_up[side] {
            return;
        }
        if !stream {
            self.left[side].clear();
        }
        self.left[side].extend_from_slice(bytes);
        if stream && !eof && self.left[side].len() < self.needs[side] {
            return;
        }
        match self.parser.parse(Input { dir, bytes: &self.left[side], eof, timestamp: Timestamp(0) }) {
            Ok(parsed) => {
                assert!(parsed.consumed <= self.left[side].len(), "{}", self.dialogue.from);
                self.left[side].drain(..parsed.consumed);
                let rest = self.left[side].len();
                self.needs[side] = if rest > 0 || parsed.needs > 0 { parsed.needs.max(rest + 1) } else { 0 };
                self.over = parsed.opaque || parsed.change.is_some();
            }
            Err(_) => self.given_up[side] = stream,
        }
        self.parser.take_expected();
        self.collect(false);
    }

    /// A piece is lost.
    fn lose(&mut self, dir: Direction, bytes: &[u8]) {
        let side = dir.index();
        if self.over || self.given_up[side] || self.dialogue.transport != Proto::TCP {
            return;
        }
        let lost = std::mem::take(&mut self.left[side]).len() + bytes.len();
        self.needs[side] = 0;
        self.given_up[side] = self.parser.gap(dir, lost as u64).is_err();
        self.collect(false);
    }

    /// Takes what is done, or all.
    fn collect(&mut self, all: bool) {
        let transactions = self.parser.transactions_mut();
        let mut gone = Vec::new();
        for tx in (0..transactions.count()).filter_map(|nth| transactions.at(nth)) {
            let progress = [Direction::ToServer, Direction::ToClient].map(|dir| tx.progress(dir));
            if all || progress == [DONE; 2] {
                self.told.push(format!("{progress:?} {}", text(self.dialogue.entry, tx)));
                self.said.extend(said(self.dialogue.entry, tx));
                gone.push(tx.id());
            }
        }
        gone.into_iter().for_each(|id| transactions.remove(id));
    }

    /// Both sides end; what was told of all transactions, sorted.
    fn end(&mut self) -> &[String] {
        if self.dialogue.transport == Proto::TCP {
            self.give(Direction::ToServer, b"", true);
            self.give(Direction::ToClient, b"", true);
        }
        self.collect(true);
        // those that are done with one piece are told in their order, not in that of their ends
        self.told.sort();
        &self.told
    }
}

/// All that can be asked of a transaction but what grows, which is handed out in pieces.
fn text(entry: &ProtocolEntry, tx: &dyn Transaction) -> String {
    let mut out = JsonWriter::new();
    out.open();
    (0..tx.records()).for_each(|nth| tx.log_record(nth, &mut out));
    tx.log_in_alert(&mut out);
    out.close();
    let record = String::from_utf8_lossy(out.as_bytes());
    format!("{:?} {record} {}", tx.events(), said(entry, tx).join(" "))
}

/// Its buffers and numbers, each with its name.
fn said(entry: &ProtocolEntry, tx: &dyn Transaction) -> Vec<String> {
    let buffers =
        entry.buffers.iter().flat_map(|buffer| buffer.places.iter().map(|place| (buffer.name, place)));
    let numbers =
        entry.numbers.iter().flat_map(|number| number.places.iter().map(|place| (number.name, place)));
    let mut all = Vec::new();
    for nth in 0..3 {
        for (name, place) in buffers.clone() {
            let bytes = tx.bytes(place.slot, nth);
            all.extend(bytes.map(|bytes| format!("{name}={:?}", String::from_utf8_lossy(bytes))));
        }
        for (name, place) in numbers.clone() {
            all.extend(tx.number(place.slot, nth).map(|number| format!("{name}={number}")));
        }
    }
    all
}

/// A flow that is being put together.
struct Flow {
    client: SocketAddr,
    server: SocketAddr,
    transport: Proto,
    /// The next number of each side.
    next: [Option<u32>; 2],
    pieces: Vec<(Direction, Vec<u8>)>,
    /// Bytes of it are missing from here on.
    broken: bool,
}

impl Flow {
    /// The dialogue, when some protocol says that it is its own by the first words of either side.
    fn dialogue(mut self, from: String) -> Option<Dialogue> {
        let mut room = BYTES;
        self.pieces.retain_mut(|(_, bytes)| {
            bytes.truncate(room);
            room -= bytes.len();
            !bytes.is_empty()
        });
        let first = |dir| self.pieces.iter().find(|(of, _)| *of == dir);
        let begins = self.pieces.first()?.0;
        let words: Vec<_> = [begins, begins.opposite()].into_iter().filter_map(first).collect();
        let entry = words.iter().find_map(|(dir, bytes)| {
            ALL.iter().filter(|entry| entry.protocol.transports().contains(&self.transport)).find(|entry| {
                let probed = entry.protocol.probe(self.transport, *dir, self.server.port(), bytes);
                probed == mamparo::app::Probe::Yes
            })
        })?;
        let ports = (self.client.port(), self.server.port());
        Some(Dialogue { entry, transport: self.transport, ports, pieces: self.pieces, from })
    }

    /// Takes a segment; what came before is not taken again.
    fn segment(&mut self, dir: Direction, seq: u32, payload: &[u8]) {
        let next = *self.next[dir.index()].get_or_insert(seq);
        let again = next.wrapping_sub(seq) as i32;
        self.broken |= again < 0;
        if let (false, Some(new)) = (self.broken, payload.get(again as usize..))
            && !new.is_empty()
        {
            self.next[dir.index()] = Some(next.wrapping_add(new.len() as u32));
            self.pieces.push((dir, new.to_vec()));
        }
    }
}

/// The flows of a capture that protocols know, by what they speak.
fn flows(path: &std::path::Path) -> Vec<Dialogue> {
    let Ok(bytes) = std::fs::read(path) else { return Vec::new() };
    let mut open: BTreeMap<(bool, BTreeSet<SocketAddr>), Flow> = BTreeMap::new();
    let mut over = Vec::new();
    for packet in readable(path, bytes) {
        let Ok(sliced) = SlicedPacket::from_ethernet(&packet.bytes) else { continue };
        let ends: Option<(IpAddr, IpAddr)> = match &sliced.net {
            Some(NetSlice::Ipv4(ip)) if !ip.is_payload_fragmented() => {
                Some((ip.header().source_addr().into(), ip.header().destination_addr().into()))
            }
            Some(NetSlice::Ipv6(ip)) if !ip.is_payload_fragmented() => {
                Some((ip.header().source_addr().into(), ip.header().destination_addr().into()))
            }
            _ => None,
        };
        let (Some((source, destination)), Some(transport)) = (ends, &sliced.transport) else { continue };
        let (proto, ports) = match transport {
            TransportSlice::Tcp(tcp) => (Proto::TCP, (tcp.source_port(), tcp.destination_port())),
            TransportSlice::Udp(udp) => (Proto::UDP, (udp.source_port(), udp.destination_port())),
            _ => continue,
        };
        let (source, destination) = (SocketAddr::new(source, ports.0), SocketAddr::new(destination, ports.1));
        let key = (proto == Proto::TCP, BTreeSet::from([source, destination]));
        let begins = matches!(transport, TransportSlice::Tcp(tcp) if tcp.syn() && !tcp.ack());
        if begins {
            over.extend(open.remove(&key));
        }
        let flow = open.entry(key).or_insert_with(|| Flow {
            client: source,
            server: destination,
            transport: proto,
            next: [None; 2],
            pieces: Vec::new(),
            broken: false,
        });
        let dir = if flow.client == source { Direction::ToServer } else { Direction::ToClient };
        match transport {
            TransportSlice::Tcp(tcp) if tcp.syn() => {
                flow.next[dir.index()] = Some(tcp.sequence_number().wrapping_add(1));
            }
            TransportSlice::Tcp(tcp) => flow.segment(dir, tcp.sequence_number(), tcp.payload()),
            TransportSlice::Udp(udp) if !udp.payload().is_empty() => {
                flow.pieces.push((dir, udp.payload().to_vec()))
            }
            _ => {}
        }
    }
    over.extend(open.into_values());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    over.into_iter()
        .filter_map(|flow| {
            let from = format!("{name}: {} to {}", flow.client, flow.server);
            flow.dialogue(from)
        })
        .collect()
}

/// Dialogues of all protocols that captures have, some of each over each transport.
fn dialogues() -> Vec<Dialogue> {
    let files: Vec<PathBuf> = match std::env::var_os("MAMPARO_CAPTURES") {
        Some(folder) => mamparo::capture::files::expand(&[folder.into()]).expect("a folder of captures"),
        None => captures(),
    };
    let mut taken: BTreeMap<(&str, bool), BTreeSet<usize>> = BTreeMap::new();
    let mut all = Vec::new();
    for path in files {
        let mut found = flows(&path);
        found.sort_by_key(Dialogue::len);
        for dialogue in found {
            // those of one length are mostly the same
            let key = (dialogue.entry.protocol.name(), dialogue.transport == Proto::TCP);
            let lengths = taken.entry(key).or_default();
            if lengths.len() < DIALOGUES && lengths.insert(dialogue.len()) {
                all.push(dialogue);
            }
        }
    }
    all
}

/// What is told otherwise, and rightly so, when something else is missing.
fn is_owed(protocol: &str, said: &str) -> bool {
    match protocol {
        // the field's usual name of a request that was not seen
        "http" => said.contains("/libhtp::request_uri_not_seen"),
        // all headers of a message, of which trailers are missing
        "http2" => said.starts_with("http.header"),
        // whether a share is one of pipes stands in the answer; a file whose opening was not seen has no name
        "smb" => said.starts_with("smb.share=") || said.starts_with("file.name="),
        // parts of a text that was longer
        "ftp" => said.starts_with("ftp.reply="),
        "imap" => said.starts_with("imap.response="),
        // part of a sign-in is a command for rules, in no record; parts of a mail
        "pop3" => said.starts_with("pop3.command=") || said.starts_with("email."),
        // no certificate was seen
        "tls" => said == "tls.cert_chain_len=0",
        _ => false,
    }
}

/// Says what was seen, by protocol, and that it was enough.
fn report<const N: usize>(what: &str, counts: &BTreeMap<&str, [usize; N]>, least: usize) {
    let _ = writeln!(std::io::stderr(), "{what}: {counts:?}");
    assert!(counts.len() >= least, "{what}: only {} protocols", counts.len());
}

#[test]
fn in_whatever_pieces_a_dialogue_comes_the_same_is_told() {
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (nth, dialogue) in dialogues().iter().filter(|dialogue| dialogue.transport == Proto::TCP).enumerate()
    {
        let expected = dialogue.told(|_| false);
        let len = dialogue.len();
        let mut same = true;
        let mut check = |how: &str, told: Vec<String>| {
            if same && told != expected {
                same = false;
                let differs = expected.iter().zip(&told).find(|(one, other)| one != other);
                wrong.push(format!(
                    "{} {}, {how}: {} then {} transactions, {differs:#?}",
                    dialogue.entry.protocol.name(),
                    dialogue.from,
                    expected.len(),
                    told.len()
                ));
            }
        };
        check("byte by byte", dialogue.told(|_| true));
        if len <= SHORT {
            (1..len).for_each(|place| check(&format!("cut at {place}"), dialogue.told(|at| at == place)));
        } else {
            for seed in 0..CUTS {
                let mut random = Random::new((nth * CUTS + seed) as u64);
                let places: BTreeSet<usize> = (0..1 + seed % 4).map(|_| random.below(len)).collect();
                check(&format!("cut at {places:?}"), dialogue.told(|at| places.contains(&at)));
            }
        }
        let count = counts.entry(dialogue.entry.protocol.name()).or_default();
        *count = [count[0] + 1, count[1] + expected.len(), count[2] + len];
    }
    report("dialogues, transactions, bytes", &counts, 20);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn where_bytes_are_lost_nothing_is_told_that_was_not_said() {
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for dialogue in dialogues().iter().filter(|dialogue| dialogue.transport == Proto::TCP) {
        for lost in 0..dialogue.pieces.len().min(64) {
            let (mut talk, mut whole) = (Talk::new(dialogue), Talk::new(dialogue));
            let mut before = 0;
            for (nth, (dir, bytes)) in dialogue.pieces.iter().enumerate() {
                if nth == lost {
                    before = whole.told.len();
                    assert_eq!(talk.told, whole.told, "{}: what came before the gap", dialogue.from);
                    talk.lose(*dir, bytes);
                } else {
                    talk.give(*dir, bytes, false);
                }
                whole.give(*dir, bytes, false);
            }
            let ended = talk.given_up != whole.given_up || talk.over != whole.over;
            // the first behind the gap may have lost bytes; the others have not
            let behind: Vec<String> = whole.told.iter().skip(before + 1).cloned().collect();
            let (told, _) = (talk.end(), whole.end());
            let kept = behind.iter().filter(|text| told.contains(text)).count();
            let name = dialogue.entry.protocol.name();
            let count = counts.entry(name).or_default();
            *count = [count[0] + 1, count[1] + usize::from(ended), count[2] + behind.len(), count[3] + kept];
            let made_up: Vec<_> =
                talk.said.difference(&whole.said).filter(|said| !is_owed(name, said)).collect();
            if !made_up.is_empty() {
                wrong.push(format!("{name} {}, piece {lost}: {made_up:#?}", dialogue.from));
            }
        }
    }
    report("gaps, given up, transactions behind, those told", &counts, 20);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_long_flow_holds_no_more_than_a_short_one() {
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for dialogue in &dialogues() {
        // both sides, and either alone: questions without answers, answers without questions
        for only in [None, Some(Direction::ToServer), Some(Direction::ToClient)] {
            let before = held();
            let mut talk = Talk::new(dialogue);
            let mut most = 0;
            let (mut given, mut rounds) = (0, 0);
            while given < 4 << 20 && rounds < 4000 {
                for (dir, bytes) in &dialogue.pieces {
                    if only.is_none_or(|only| only == *dir) {
                        talk.give(*dir, bytes, false);
                        talk.told.clear();
                        talk.said.clear();
                        given += bytes.len();
                    }
                }
                rounds += 1;
                most = most.max(held() - before);
                if talk.over || talk.given_up == [true; 2] || given == 0 {
                    break;
                }
            }
            let name = dialogue.entry.protocol.name();
            let count = counts.entry(name).or_default();
            *count = [count[0] + 1, count[1].max(rounds), count[2].max(most as usize)];
            if most > HELD_MAX {
                let told = talk.parser.memory();
                wrong.push(format!(
                    "{name} {} {only:?}: {most} bytes after {given}, {told} by its count",
                    dialogue.from
                ));
            }
        }
    }
    report("flows, rounds, bytes held", &counts, 25);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

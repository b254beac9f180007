//! Whole connections: what the parser makes of them, however the bytes are cut.

use std::collections::BTreeMap;

use super::keywords::BUFFERS;
use super::slots as slot;
use crate::detect::Kind;
use super::*;
use crate::app::{Change, DONE, Input, ParseError, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction::{self, ToClient, ToServer};
use crate::types::Timestamp;

/// What one side sends, in turn.
type Turn<'a> = (Direction, &'a [u8]);

/// All buffers of a connection: keyword and direction to what each transaction has there.
type Buffers = BTreeMap<(u64, &'static str, &'static str), Vec<Vec<u8>>>;

struct Seen {
    buffers: Buffers,
    events: Vec<(u64, &'static str)>,
    files: Vec<(u64, Direction, String, u64, &'static str)>,
    records: Vec<String>,
    change: Option<Change>,
    error: Option<ParseError>,
    count: usize,
}

fn parser(yaml: &str) -> Box<dyn Parser> {
    let settings = Settings::new(serde_yaml::from_str(yaml).ok());
    Http.factory(&settings).parser(Proto::TCP, 40000, 80)
}

fn collect(parser: &dyn Parser, seen: &mut Seen) {
    let list = parser.transactions();
    seen.count = list.count();
    for nth in 0..list.count() {
        let tx = list.at(nth).unwrap();
        collect_tx(tx, seen);
    }
}

fn collect_tx(tx: &dyn Transaction, seen: &mut Seen) {
    for (spec, place) in BUFFERS.iter().flat_map(|spec| spec.places.iter().map(move |place| (spec, place))) {
        let mut values = Vec::new();
        for nth in 0..64 {
            let value = match place.kind {
                Kind::Bytes | Kind::Multi => tx.bytes(place.slot, nth).map(<[u8]>::to_vec),
                Kind::Body => tx.body(place.slot, nth).map(|body| body.bytes.to_vec()),
            };
            match value {
                Some(value) => values.push(value),
                None => break,
            }
        }
        if !values.is_empty() {
            seen.buffers.insert((tx.id(), place.dir.name(), spec.name), values);
        }
    }
    seen.events.extend(tx.events().iter().map(|(_, name)| (tx.id(), *name)));
    for dir in Direction::BOTH {
        for file in tx.files(dir) {
            let name = file.name.escape_ascii().to_string();
            seen.files.push((tx.id(), dir, name, file.size, file.state.name()));
        }
    }
    let mut json = JsonWriter::new();
    json.open();
    tx.log(&mut json);
    json.close();
    seen.records.push(String::from_utf8_lossy(json.as_bytes()).into_owned());
}

/// Feeds a connection, each turn cut into pieces of `step` bytes, and closes it.
fn feed(parser: &mut dyn Parser, turns: &[Turn<'_>], step: usize) -> Seen {
    let mut seen = Seen {
        buffers: Buffers::new(),
        events: Vec::new(),
        files: Vec::new(),
        records: Vec::new(),
        change: None,
        error: None,
        count: 0,
    };
    let mut dead = [false; 2];
    let mut give = |parser: &mut dyn Parser, dir: Direction, bytes: &[u8], eof: bool| {
        if dead[dir.index()] {
            return;
        }
        match parser.parse(Input { dir, bytes, eof, timestamp: Timestamp(0) }) {
            Ok(parsed) => {
                assert!(parsed.consumed <= bytes.len());
                seen.change = seen.change.or(parsed.change);
            }
            Err(error) => {
                dead[dir.index()] = true;
                seen.error = Some(error);
            }
        }
    };
    for (dir, bytes) in turns {
        for piece in bytes.chunks(step.max(1)) {
            give(parser, *dir, piece, false);
        }
    }
    for dir in Direction::BOTH {
        give(parser, dir, b"", true);
    }
    collect(parser, &mut seen);
    seen
}

fn run(turns: &[Turn<'_>]) -> Seen {
    feed(&mut *parser(""), turns, usize::MAX)
}

/// Compares with buffers recorded elsewhere: `HTTP_STREAMS` names a file of turns, the answer goes to standard output.
#[test]
#[ignore = "a tool for comparisons"]
fn dump() {
    let path = std::env::var("HTTP_STREAMS").unwrap();
    let yaml = std::env::var("HTTP_YAML").unwrap_or_default();
    let text = std::fs::read_to_string(path).unwrap();
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    for line in text.lines() {
        let mut parser = parser(&yaml);
        let step = 1460;
        let mut out = Vec::new();
        let mut dead = [false; 2];
        let mut turns = line.split(' ');
        let name = turns.next().unwrap();
        for turn in turns {
            let dir = if turn.starts_with('c') { ToServer } else { ToClient };
            if dead[dir.index()] {
                continue;
            }
            if let Some(gap) = turn[1..].strip_prefix("gap") {
                dead[dir.index()] = parser.gap(dir, gap.parse().unwrap()).is_err();
                continue;
            }
            let eof = &turn[1..] == "eof";
            let bytes = if eof { Vec::new() } else { unhex(&turn[1..]) };
            if eof {
                let input = Input { dir, bytes: b"", eof: true, timestamp: Timestamp(0) };
                let _ = parser.parse(input);
            }
            for piece in bytes.chunks(step) {
                if let Err(error) = parser.parse(Input { dir, bytes: piece, eof: false, timestamp: Timestamp(0) }) {
                    out.push(format!("ERROR {}", error.0));
                    dead[dir.index()] = true;
                    break;
                }
            }
        }
        let mut seen = Seen {
            buffers: Buffers::new(),
            events: Vec::new(),
            files: Vec::new(),
            records: Vec::new(),
            change: None,
            error: None,
            count: 0,
        };
        collect(&*parser, &mut seen);
        for ((tx, dir, keyword), values) in &seen.buffers {
            for value in values {
                out.push(format!("B {tx} {dir} {keyword} {}", hex(value)));
            }
        }
        for (tx, name) in &seen.events {
            out.push(format!("E {tx} {name}"));
        }
        for (tx, dir, name, size, state) in &seen.files {
            out.push(format!("F {tx} {} {size} {state} {name}", dir.name()));
        }
        for record in &seen.records {
            out.push(format!("R {record}"));
        }
        eprintln!("== {name}\n{}", out.join("\n"));
    }
}

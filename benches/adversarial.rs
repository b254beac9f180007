//! Traffic and rules made to be the worst for the engine, beside traffic of the same size that is not: what a byte costs, and how many
//! times as much as a plain one, and as one of real conversations (those of `pcaps/`, with the built-in signatures).
//! `cargo bench --bench adversarial`; the ratios are told first.

#![expect(missing_docs, reason = "criterion's macro makes a function without documentation")]
#![expect(clippy::print_stdout, reason = "ratios are told beside the times")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "../tests/support/engine.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod engine;

use std::fmt::Write as _;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::{Engine, Make, Packet, rules};
use etherparse::PacketBuilder;
use mamparo::capture::LinkType;
use mamparo::detect::Tables;
use mamparo::detect::prefilter::WindowFilter;
use mamparo::detect::tables::Files;
use mamparo::types::Timestamp;

/// Bytes of payload of each case.
const SIZE: usize = 1 << 20;

/// What carries a payload.
#[derive(Clone, Copy)]
enum Carrier {
    /// Datagrams of 1,400 bytes.
    Datagrams,
    /// One connection.
    Stream,
    /// Questions for a name, of [`QUESTION`] bytes each.
    Questions,
}

/// Bytes of a question: its header, three labels, type and class (RFC 1035 section 4.1).
const QUESTION: usize = 12 + 1 + 12 + 1 + 7 + 1 + 3 + 1 + 4;

/// Entries of the data set.
const ENTRIES: u64 = 1_000_000;

/// A rule set and the payload that it is to meet.
struct Case {
    name: &'static str,
    rules: String,
    payload: Vec<u8>,
    carrier: Carrier,
}

/// The name of a question; one in two is in the data set.
fn name(number: u64) -> String {
    format!("{number:012}.example.com")
}

/// Questions for names that are drawn at random.
fn questions() -> Vec<u8> {
    let mut all = Vec::with_capacity(SIZE + QUESTION);
    for number in numbers(17, 2 * ENTRIES) {
        if all.len() >= SIZE {
            break;
        }
        // number, recursion desired, one question
        all.extend([number as u8, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in name(number).split('.') {
            all.push(label.len() as u8);
            all.extend(label.as_bytes());
        }
        all.extend([0, 0, 1, 0, 1]);
    }
    all
}

/// Every file is the data set.
struct Million;

impl Files for Million {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        use base64::Engine as _;
        let line = |number| base64::engine::general_purpose::STANDARD.encode(name(number)) + "\n";
        Ok((0..ENTRIES).map(line).collect::<String>().into_bytes())
    }
}

/// A fixed sequence of numbers below `bound`.
fn numbers(mut seed: u64, bound: u64) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        Some(seed % bound)
    })
}

/// Words that no two are alike, of lower-case letters.
fn words(count: u64) -> Vec<String> {
    let letters = b"etaoinsrhldcumfpgwybvkxjqz";
    (0..count)
        .map(|nth| {
            let mut picks = numbers(nth.wrapping_mul(0x9e37_79b9) + 7, 26);
            (0..10).filter_map(|_| picks.next()).map(|at| char::from(letters[at as usize])).collect()
        })
        .collect()
}

fn rule_of(head: &str, options: &str, sid: usize) -> String {
    format!("alert {head} (msg:\"a\"; {options} sid:{};)\n", sid + 1)
}

fn filled(text: &[u8]) -> Vec<u8> {
    text.iter().copied().cycle().take(SIZE).collect()
}

fn cases() -> Vec<Case> {
    const UDP: &str = "udp any any -> any any";
    let words = words(1000);
    let literals = |head: &str| -> String {
        words
            .iter()
            .enumerate()
            .map(|(sid, word)| rule_of(head, &format!("content:\"{word}\";"), sid))
            .collect()
    };
    let noise: Vec<u8> =
        numbers(99, 26).take(SIZE).map(|at| b"etaoinsrhldcumfpgwybvkxjqz"[at as usize]).collect();
    // all but the last letter of each literal
    let near: String = words.iter().map(|word| format!("{}.", &word[..9])).collect();
    let mut same_port = String::new();
    let mut bits = String::new();
    for sid in 0..5000 {
        let number = sid % 1000;
        let options = format!("content:\"common text\"; content:\"{}{sid}\"; distance:0;", words[number]);
        same_port.push_str(&rule_of("udp any any -> any 9999", &options, sid));
        let set = format!("content:\"{}\"; flowbits:set,b{sid}; noalert;", words[number]);
        bits.push_str(&rule_of(UDP, &set, 2 * sid));
        let ask = format!("flowbits:isset,b{sid}; content:\"common text\"; content:\"never{sid}\";");
        bits.push_str(&rule_of(UDP, &ask, 2 * sid + 1));
    }
    let bombs = [
        "content:\"aaaa\"; pcre:\"/(a+)+$/\";",
        "content:\"aaaa\"; pcre:\"/(a|aa)+b/\";",
        "content:\"aaaa\"; pcre:\"/^(?=(a+)+c)/\";",
        "content:\"aaaa\"; pcre:\"/(a*)*\\1d/\";",
        "content:\"a\"; content:\"a\"; distance:0; content:\"a\"; distance:0; content:\"e\"; distance:0;",
    ];
    let tcp = "tcp any any -> any any";
    let bombs = |head: &str| -> String {
        bombs.iter().enumerate().map(|(sid, options)| rule_of(head, options, sid)).collect()
    };
    let mut all = vec![
        Case { name: "plain", rules: literals(UDP), payload: noise.clone(), carrier: Carrier::Datagrams },
        Case { name: "plain, a stream", rules: literals(tcp), payload: noise, carrier: Carrier::Stream },
        Case {
            name: "plain, questions",
            rules: literals("dns any any -> any any"),
            payload: questions(),
            carrier: Carrier::Questions,
        },
        Case {
            name: "questions, a million names are asked for",
            rules: rule_of(
                "dns any any -> any any",
                "dns.query; dataset:isset,names,type string,load names.lst;",
                1,
            ),
            payload: questions(),
            carrier: Carrier::Questions,
        },
        Case {
            name: "near misses",
            rules: literals(UDP),
            payload: filled(near.as_bytes()),
            carrier: Carrier::Datagrams,
        },
        Case {
            name: "near misses, a stream",
            rules: literals(tcp),
            payload: filled(near.as_bytes()),
            carrier: Carrier::Stream,
        },
        Case {
            name: "expressions that explode",
            rules: bombs(UDP),
            payload: filled(b"a"),
            carrier: Carrier::Datagrams,
        },
        Case {
            name: "expressions that explode, a stream",
            rules: bombs(tcp),
            payload: filled(b"a"),
            carrier: Carrier::Stream,
        },
        Case {
            name: "5,000 rules wait for one text",
            rules: same_port,
            payload: filled(&mixed(40)),
            carrier: Carrier::Datagrams,
        },
    ];
    let every = words.join(" ") + " common text ";
    all.push(Case {
        name: "10,000 rules on flow bits",
        rules: bits,
        payload: filled(every.as_bytes()),
        carrier: Carrier::Datagrams,
    });
    all
}

/// Text in which `common text` stands once in so many letters.
fn mixed(letters: usize) -> Vec<u8> {
    let mut out = b"common text ".to_vec();
    out.extend(numbers(5, 26).take(letters * 36).map(|at| b'a' + at as u8));
    out
}

/// A conversation that carries the payload in pieces of 1,400 bytes.
fn traffic(case: &Case) -> Vec<Packet> {
    let mut out = Vec::new();
    let mut add = |build: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        build(&mut bytes);
        let timestamp = Timestamp::new(1_700_000_000, out.len() as u32 * 1000);
        out.push(Packet { timestamp, link: LinkType::ETHERNET, bytes });
    };
    let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let from_client = || PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4(client, server, 64);
    let from_server = || PacketBuilder::ethernet2([2; 6], [1; 6]).ipv4(server, client, 64);
    let (size, port) = match case.carrier {
        Carrier::Questions => (QUESTION, 53),
        Carrier::Datagrams | Carrier::Stream => (1400, 9999),
    };
    if !matches!(case.carrier, Carrier::Stream) {
        for piece in case.payload.chunks(size) {
            add(&|bytes| from_client().udp(40_000, port).write(bytes, piece).expect("a packet"));
        }
        return out;
    }
    add(&|bytes| from_client().tcp(40_000, 9999, 1000, 60_000).syn().write(bytes, &[]).expect("a packet"));
    add(&|bytes| {
        from_server().tcp(9999, 40_000, 5000, 60_000).syn().ack(1001).write(bytes, &[]).expect("a packet")
    });
    let mut seq = 1001u32;
    for piece in case.payload.chunks(size) {
        add(&|bytes| {
            from_client().tcp(40_000, 9999, seq, 60_000).ack(5001).write(bytes, piece).expect("a packet")
        });
        seq += piece.len() as u32;
        add(&|bytes| {
            from_server().tcp(9999, 40_000, 5001, 60_000).ack(seq).write(bytes, &[]).expect("a packet")
        });
    }
    out
}

fn time(engine: &Engine, packets: &[Packet]) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        black_box(engine.run(packets).alerts.len());
        best = best.min(begun.elapsed());
    }
    best
}

/// Nanoseconds for each byte of the captures of `pcaps/`.
fn real() -> f64 {
    let engine = Make { prefilter: WindowFilter::build, ..Make::default() }.engine();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps");
    let files = std::fs::read_dir(folder).expect("the captures are there");
    let paths = files.map(|file| file.expect("a readable folder").path());
    let captures: Vec<Vec<Packet>> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "pcap" || end == "pcapng"))
        .map(|path| engine::read(&path))
        .collect();
    let bytes: usize = captures.iter().flatten().map(|packet| packet.bytes.len()).sum();
    let took: Duration = captures.iter().map(|packets| time(&engine, packets)).sum();
    took.as_nanos() as f64 / bytes as f64
}

fn adversarial(c: &mut Criterion) {
    let mut group = c.benchmark_group("adversarial");
    group.throughput(Throughput::Bytes(SIZE as u64)).sample_size(10);
    let (mut told, mut plain) = (String::new(), [Duration::ZERO; 3]);
    let real = real();
    let _ = writeln!(told, "{:42} {real:8.2} ns a byte", "real conversations");
    for case in cases() {
        let tables = Tables { files: Box::new(Million), ..Tables::default() };
        let make =
            Make { sources: rules(&case.rules), prefilter: WindowFilter::build, tables, ..Make::default() };
        let (engine, packets) = (make.engine(), traffic(&case));
        let took = time(&engine, &packets);
        let beside = &mut plain[case.carrier as usize];
        if case.name.starts_with("plain") {
            *beside = took;
        }
        let ratio = took.as_secs_f64() / beside.as_secs_f64().max(1e-9);
        let each = took.as_nanos() as f64 / SIZE as f64;
        let beside = each / real;
        let _ = writeln!(
            told,
            "{:42} {each:8.2} ns a byte, {ratio:6.2} times a plain one, {beside:5.2} times a real one, {} alerts",
            case.name,
            engine.run(&packets).alerts.len()
        );
        group.bench_function(case.name, |b| b.iter(|| black_box(engine.run(&packets).alerts.len())));
    }
    println!("{told}");
    group.finish();
}

criterion_group!(all, adversarial);
criterion_main!(all);

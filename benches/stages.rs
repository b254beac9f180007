//! One bench a stage of the way of a packet. `cargo bench` runs all, `cargo bench -- output` those of one stage.
//!
//! Figures worth keeping go into benches/RESULTS.md, as ratios to a run of the commit before on the same machine.

#![expect(missing_docs, reason = "criterion's macro makes a function without documentation")]

#[path = "../tests/support/engine.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod engine;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mamparo::app::{Input, Settings};
use mamparo::decode::{Decoder, Origin, Tcp, TcpOptions};
use mamparo::detect::prefilter::{Automaton, Build, Region, WindowFilter, Wish};
use mamparo::json::JsonWriter;
use mamparo::output::eve::{
    AlertRecord, FlowInAlert, FlowRecord, TcpRecord, rule_metadata, write_alert, write_flow_event,
    write_flow_in_alert,
};
use mamparo::output::event::{EventHeader, close_event, pkt_src, write_direction, write_header};
use mamparo::output::{AlertRow, LineWriter, Summary, WriterOptions, community_id};
use mamparo::stream::{Memory, Readable, Segment, Session, StreamConfig};
use mamparo::types::{Direction, Endpoint, Proto, Timestamp};
use mamparo::verdict::Verdict;
use mamparo::{protocols, signatures};

const CLIENT: Endpoint = Endpoint { ip: IpAddr::V4(Ipv4Addr::new(172, 18, 0, 3)), port: 40_000 };
const SERVER: Endpoint = Endpoint { ip: IpAddr::V4(Ipv4Addr::new(172, 18, 0, 7)), port: 2375 };

fn header(event_type: &str) -> EventHeader<'_> {
    EventHeader {
        timestamp: Timestamp::new(1_700_000_000, 123_456_000),
        flow_id: Some(1_820_727_534_299_066),
        pcap_cnt: Some(7),
        event_type,
        src: Some(CLIENT),
        dest: Some(SERVER),
        proto: Some(Proto::TCP),
        pkt_src: Some(pkt_src(Origin::Wire)),
        ..EventHeader::default()
    }
}

fn write_whole_alert(metadata: Option<&[u8]>, out: &mut JsonWriter) {
    write_header(&header("alert"), out);
    let alert = AlertRecord {
        gid: 1,
        signature_id: 9_000_101,
        rev: 1,
        signature: "Exposed Docker API: a container is created",
        category: "Attempted Administrator Privilege Gain",
        severity: 1,
        metadata,
        ..AlertRecord::default()
    };
    write_alert(&alert, Some(Proto::TCP), out);
    write_direction(Direction::ToServer, out);
    let flow = FlowInAlert {
        packets: [3, 1],
        bytes: [263, 62],
        start: Timestamp::new(1_700_000_000, 0),
        client: CLIENT,
        server: SERVER,
        proto: Proto::TCP,
    };
    write_flow_in_alert(&flow, out);
    close_event(None, out);
}

fn output(c: &mut Criterion) {
    let mut group = c.benchmark_group("output");
    group.throughput(Throughput::Elements(1));
    let metadata = rule_metadata([("mitre_technique_id", "T1610"), ("created_at", "2026_11_23")]);
    let mut out = JsonWriter::new();
    group.bench_function("alert record", |b| {
        b.iter(|| {
            out.clear();
            write_whole_alert(black_box(metadata.as_deref()), &mut out);
            black_box(out.as_bytes().len())
        });
    });
    group.bench_function("flow record", |b| {
        let flow = FlowRecord {
            state: "closed",
            reason: "timeout",
            tcp: Some(TcpRecord { flags: [0x1b, 0x1b], session: None }),
            ..FlowRecord::default()
        };
        b.iter(|| {
            out.clear();
            write_header(&header("flow"), &mut out);
            write_flow_event(black_box(&flow), &mut out);
            close_event(None, &mut out);
            black_box(out.as_bytes().len())
        });
    });
    group.bench_function("community_id", |b| {
        b.iter(|| community_id(black_box(CLIENT), black_box(SERVER), Proto::TCP, 0));
    });
    group.bench_function("summary of an alert", |b| {
        let mut summary = Summary::new();
        let alert = AlertRow {
            timestamp: Timestamp::new(1_700_000_000, 0),
            gid: 1,
            sid: 9_000_101,
            severity: 1,
            signature: "Exposed Docker API: a container is created",
            category: "Attempted Administrator Privilege Gain",
            technique: Some("T1610"),
            client: Some(CLIENT),
            server: Some(SERVER),
            proto: Some(Proto::TCP),
            app_proto: Some("http"),
            dropped: false,
        };
        b.iter(|| summary.alert(black_box(&alert)));
    });
    group.bench_function("line to the writer", |b| {
        let writer = LineWriter::open(WriterOptions::new("/dev/null")).expect("/dev/null can be opened");
        let mut sender = writer.sender();
        let line = [b'x'; 600];
        b.iter(|| sender.line(black_box(&line)));
        drop(sender);
        writer.close().expect("/dev/null takes everything");
    });
    group.finish();
}

/// All frames of the captures in `pcaps/`.
fn frames() -> Vec<engine::Packet> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps");
    let files = mamparo::capture::files::expand(&[folder]).expect("pcaps/ has captures");
    files.iter().flat_map(|path| engine::read(path)).collect()
}

fn bytes_of(packets: &[engine::Packet]) -> Throughput {
    Throughput::Bytes(packets.iter().map(|packet| packet.bytes.len() as u64).sum())
}

fn decode(c: &mut Criterion) {
    let packets = frames();
    let mut group = c.benchmark_group("decode");
    group.throughput(bytes_of(&packets));
    group.bench_function("all captures", |b| {
        let mut decoder = Decoder::new(&Default::default());
        b.iter(|| {
            let mut seen = 0;
            for (nth, packet) in packets.iter().enumerate() {
                decoder.decode(&engine::frame(packet, nth as u64 + 1), &mut |packet| {
                    seen += packet.payload.len();
                    Verdict::Forward
                });
            }
            black_box(seen)
        });
    });
    group.finish();
}

/// Segments of 1,460 bytes in order, each acknowledged, read and released.
fn stream(c: &mut Criterion) {
    const SEGMENTS: u32 = 1000;
    let payload = [0x5a; 1460];
    let header = |to_server: bool, syn: bool, seq: u32, ack: Option<u32>| {
        let (from, to) = if to_server { (40_000, 80) } else { (80, 40_000) };
        let mut header = etherparse::TcpHeader::new(from, to, seq, 64_000);
        header.syn = syn;
        header.ack = ack.is_some();
        header.acknowledgment_number = ack.unwrap_or(0);
        header.to_bytes().to_vec()
    };
    let mut segments = vec![
        (Direction::ToServer, header(true, true, 1000, None), &payload[..0]),
        (Direction::ToClient, header(false, true, 5000, Some(1001)), &payload[..0]),
        (Direction::ToServer, header(true, false, 1001, Some(5001)), &payload[..0]),
    ];
    for nth in 0..SEGMENTS {
        let seq = 1001 + nth * 1460;
        segments.push((Direction::ToServer, header(true, false, seq, Some(5001)), &payload[..]));
        segments.push((Direction::ToClient, header(false, false, 5001, Some(seq + 1460)), &payload[..0]));
    }
    let config = StreamConfig::default();
    let mut group = c.benchmark_group("stream");
    group.throughput(Throughput::Bytes(u64::from(SEGMENTS) * 1460));
    group.bench_function("segments in order", |b| {
        b.iter(|| {
            let mut memory = Memory::default();
            let mut session = Session::new(&config, SERVER.ip, CLIENT.ip);
            let mut position = 0;
            for (dir, header, payload) in &segments {
                let tcp = Tcp::new(header, TcpOptions::default(), true).expect("a header");
                let segment = Segment { tcp: &tcp, payload, dir: *dir, timestamp: Timestamp(position) };
                session.segment(&segment, &config, &mut memory);
                if let Readable::Bytes(bytes) = session.readable(Direction::ToServer, position) {
                    position += bytes.len() as u64;
                }
                session.release(Direction::ToServer, position, &mut memory);
            }
            assert_eq!(position, u64::from(SEGMENTS) * 1460);
            session.close(&mut memory);
        });
    });
    group.finish();
}

/// Literals of the built-in rules, searched in the bytes of all captures.
fn prefilter(c: &mut Criterion) {
    let packets = frames();
    let mut literals: Vec<Vec<u8>> = signatures::RULES
        .iter()
        .flat_map(|(_, text)| text.split("content:\"").skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|literal| literal.len() >= 4 && !literal.contains(['|', '\\']))
        .map(|literal| literal.as_bytes().to_vec())
        .collect();
    literals.sort();
    literals.dedup();
    let mut group = c.benchmark_group("prefilter");
    group.throughput(bytes_of(&packets));
    let all = [
        ("aho-corasick", Automaton::build as Build),
        ("windows", WindowFilter::build),
        ("windows, portable", WindowFilter::build_portable),
    ];
    for (name, build) in all {
        let filter = build(&literals, Region::Whole);
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut hits = 0;
                for packet in &packets {
                    filter.scan(&packet.bytes, 0, &mut |_, _| {
                        hits += 1;
                        Wish::Enough
                    });
                }
                black_box(hits)
            });
        });
    }
    group.finish();
}

fn http(c: &mut Criterion) {
    const REQUEST: &[u8] =
        b"GET /index.html?a=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\r\n";
    const RESPONSE: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\n01234567890123456789";
    let factory = protocols::http::ENTRY.protocol.factory(&Settings::new(None));
    let mut group = c.benchmark_group("http");
    group.throughput(Throughput::Bytes(100 * (REQUEST.len() + RESPONSE.len()) as u64));
    group.bench_function("requests and answers", |b| {
        b.iter(|| {
            let mut parser = factory.parser(Proto::TCP, 40_000, 80);
            for nth in 0..100 {
                for (dir, bytes) in [(Direction::ToServer, REQUEST), (Direction::ToClient, RESPONSE)] {
                    let input = Input { dir, bytes, eof: false, timestamp: Timestamp(nth) };
                    black_box(parser.parse(input)).expect("it is HTTP");
                }
                while let Some(id) = parser.transactions().at(0).map(|tx| tx.id()) {
                    parser.transactions_mut().remove(id);
                }
            }
        });
    });
    group.finish();
}

/// Everything: all captures with the built-in signatures.
fn worker(c: &mut Criterion) {
    let packets = frames();
    let engine = engine::Make::default().engine();
    let mut group = c.benchmark_group("worker");
    group.sample_size(10);
    group.throughput(bytes_of(&packets));
    group.bench_function("all captures", |b| b.iter(|| black_box(engine.run(&packets).alerts.len())));
    group.finish();
}

criterion_group!(stages, decode, stream, prefilter, http, worker, output);
criterion_main!(stages);

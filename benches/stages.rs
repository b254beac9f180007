//! One bench a stage of the way of a packet. `cargo bench` runs all, `cargo bench -- output` those of one stage.
//!
//! Figures worth keeping go into benches/RESULTS.md, as ratios to a run of the commit before on the same machine.

#![expect(missing_docs, reason = "criterion's macro makes a function without documentation")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mamparo::decode::Origin;
use mamparo::json::JsonWriter;
use mamparo::output::eve::{
    AlertRecord, FlowInAlert, FlowRecord, TcpRecord, rule_metadata, write_alert, write_flow_event,
    write_flow_in_alert,
};
use mamparo::output::event::{EventHeader, close_event, pkt_src, write_direction, write_header};
use mamparo::output::{AlertRow, LineWriter, Summary, WriterOptions, community_id};
use mamparo::types::{Direction, Endpoint, Proto, Timestamp};

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

criterion_group!(stages, output);
criterion_main!(stages);

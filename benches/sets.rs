//! Data sets and reputation lists of a million entries: how long they take to load, and to be asked.

#![expect(missing_docs, reason = "criterion's macro makes a function without documentation")]
#![expect(clippy::print_stdout, reason = "memory is told beside criterion's times")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mamparo::detect::reputation::Builder;
use mamparo::detect::sets::Kind;
use mamparo::detect::sets::table::Table;
use mamparo::detect::sets::text;

const ENTRIES: u32 = 1_000_000;

fn host(n: u32) -> String {
    format!("host-{n:x}.example-{}.com", n % 977)
}

fn hosts() -> String {
    (0..ENTRIES).map(|n| STANDARD.encode(host(n)) + "\n").collect()
}

fn digests() -> String {
    (0..ENTRIES).map(|n| format!("{:064x}\n", u128::from(n) << 64 | 0x1234)).collect()
}

fn loaded(kind: Kind, lines: &str) -> Table {
    let mut table = Table::default();
    let told = text::read(kind, lines.as_bytes(), &mut table, u64::from(u32::MAX));
    assert!(told.bad == 0 && table.len() == ENTRIES as usize);
    table.shrink();
    table
}

fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group("sets/load");
    group.throughput(Throughput::Elements(u64::from(ENTRIES))).sample_size(10);
    for (name, kind, lines) in [("string", Kind::String, hosts()), ("sha256", Kind::Sha256, digests())] {
        let table = loaded(kind, &lines);
        let text: usize = table.entries().map(|(bytes, _)| bytes.len()).sum();
        let each = (table.memory() - text) as f64 / f64::from(ENTRIES);
        println!("sets/load/{name}: {each:.1} bytes an entry beside its text");
        group.bench_function(name, |b| b.iter(|| loaded(kind, &lines)));
    }
    group.finish();
}

fn lookup(c: &mut Criterion) {
    let table = loaded(Kind::String, &hosts());
    let mut group = c.benchmark_group("sets/lookup");
    group.throughput(Throughput::Elements(1));
    let mut n = 0u32;
    let mut next = move || {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        host(n % ENTRIES)
    };
    group.bench_function("there", |b| {
        b.iter_batched(&mut next, |value| table.contains(black_box(value.as_bytes())), BatchSize::SmallInput);
    });
    group.bench_function("not there", |b| {
        b.iter_batched(
            || next() + "x",
            |value| table.contains(black_box(value.as_bytes())),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn reputation(c: &mut Criterion) {
    let list: String = (0..ENTRIES)
        .map(|n| format!("{},1,{}\n", Ipv4Addr::from(n.wrapping_mul(2_654_435_761)), n % 128))
        .collect();
    let build = || {
        let mut builder = Builder::default();
        builder.categories(b"1,bad,Bad hosts");
        assert!(builder.list(list.as_bytes()).is_empty());
        builder.build()
    };
    let mut group = c.benchmark_group("sets/reputation");
    group.sample_size(10);
    group.bench_function("load", |b| b.iter(build));
    let built = build();
    let bad = built.category("bad").expect("it is there");
    let mut n = 0u32;
    group.bench_function("lookup", |b| {
        b.iter(|| {
            n = n.wrapping_add(2_654_435_761);
            built.score(bad, black_box(IpAddr::V4(Ipv4Addr::from(n))))
        });
    });
    group.finish();
}

criterion_group!(benches, load, lookup, reputation);
criterion_main!(benches);

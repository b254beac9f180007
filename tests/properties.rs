//! What must hold for any traffic, tried on every capture in `pcaps/` with the built-in signatures.

use std::path::Path;
use std::sync::Arc;

use mamparo::detect::prefilter::{Everything, Naive};
use mamparo::detect::{Class, Keyword, ProtocolEntry, Registry};
use mamparo::{keywords, protocols};

use super::support::engine::{Alert, Engine, Make, Packet, read};
use super::support::frames::{cut, duplicate, reorder};
use super::support::{Random, captures};

/// A rule on single packets of TCP sees other packets when the streams are cut elsewhere: it may answer otherwise.
fn is_about_segments(engine: &Engine, sid: u32) -> bool {
    let at = engine.rules.rules.iter().position(|rule| rule.meta.sid == sid).expect("a rule");
    matches!(engine.rules.classes[at], Class::Packet)
}

/// Alerts on streams and transactions are the same whatever `change` does to the segments.
fn alerts_survive(change: impl Fn(&[Packet], &mut Random) -> Vec<Packet>) {
    // the checksums of changed segments are not made again
    let engine = Make { checksums: false, ..Make::default() }.engine();
    let of_streams = |alerts: Vec<Alert>| -> Vec<Alert> {
        alerts.into_iter().filter(|(sid, _)| !is_about_segments(&engine, *sid)).collect()
    };
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (nth, path) in captures().iter().enumerate() {
        let packets = read(path);
        let expected = of_streams(engine.run(&packets).alert_set());
        seen += expected.len();
        for seed in 0..4 {
            let changed = change(&packets, &mut Random::new(nth as u64 * 100 + seed + 1));
            let found = of_streams(engine.run(&changed).alert_set());
            wrong.extend(differences(path, &expected, &found));
        }
    }
    assert!(seen > 300, "{seen} alerts were compared");
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn differences<T: PartialEq + std::fmt::Debug>(path: &Path, expected: &[T], found: &[T]) -> Vec<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lost =
        expected.iter().filter(|item| !found.contains(item)).map(|item| format!("{name}: lost {item:?}"));
    let more =
        found.iter().filter(|item| !expected.contains(item)).map(|item| format!("{name}: new {item:?}"));
    lost.chain(more).collect()
}

#[test]
fn streams_cut_elsewhere_give_the_same_alerts() {
    alerts_survive(|packets, random| cut(packets, 3, random));
}

#[test]
fn streams_in_single_bytes_give_the_same_alerts() {
    alerts_survive(|packets, random| {
        let short: Vec<Packet> = packets.iter().filter(|packet| packet.bytes.len() < 1600).cloned().collect();
        if short.len() == packets.len() { cut(packets, 400, random) } else { cut(packets, 40, random) }
    });
}

#[test]
fn segments_in_another_order_give_the_same_alerts() {
    alerts_survive(|packets, random| {
        let pieces = cut(packets, 3, random);
        reorder(&pieces, random)
    });
}

#[test]
fn segments_that_come_twice_give_the_same_alerts() {
    alerts_survive(|packets, random| {
        let pieces = cut(packets, 1, random);
        duplicate(&pieces, random)
    });
}

/// Every record is the same with that engine as with the usual one.
fn records_are_the_same(other: &Engine) {
    let usual = Make::default().engine();
    let mut wrong = Vec::new();
    for path in captures() {
        let packets = read(&path);
        let (mut expected, mut found) = (usual.run(&packets).lines, other.run(&packets).lines);
        expected.sort();
        found.sort();
        if expected != found {
            wrong.extend(differences(&path, &expected, &found));
            wrong.push(format!("{}: {} records, then {}", path.display(), expected.len(), found.len()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn without_a_prefilter_the_records_are_the_same() {
    records_are_the_same(&Make { prefilter: Everything::build, ..Make::default() }.engine());
}

#[test]
fn with_the_simplest_prefilter_the_records_are_the_same() {
    records_are_the_same(&Make { prefilter: Naive::build, ..Make::default() }.engine());
}

#[test]
fn shuffled_lists_give_the_same_records() {
    for seed in 1..4 {
        let mut random = Random::new(seed);
        let mut words: Vec<&'static dyn Keyword> = keywords::ALL.to_vec();
        let mut entries: Vec<ProtocolEntry> = protocols::ALL.to_vec();
        random.shuffle(&mut words);
        random.shuffle(&mut entries);
        if seed == 1 {
            entries = protocols::ALL.iter().rev().copied().collect();
        }
        let registry = Arc::new(Registry::new(&words, keywords::PACKET_BUFFERS, &entries));
        assert_eq!(registry.duplicates(), &[] as &[&str]);
        records_are_the_same(&Make { registry, ..Make::default() }.engine());
    }
}

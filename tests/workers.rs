//! One worker or many: the same records.

use std::collections::BTreeMap;

use serde_json::Value;

use super::support::binary::{events, run};
use super::support::{TempDir, root};

/// Records of all captures in `pcaps/`, with so many workers.
fn records(workers: usize) -> Vec<Value> {
    let dir = TempDir::new(&format!("workers-{workers}"));
    let pcaps = root("pcaps");
    let count = workers.to_string();
    let arguments = ["replay", "--workers", &count, "-l", "out", pcaps.to_str().expect("UTF-8")];
    run(dir.path(), arguments).check(0, &[]);
    let mut records = events(&dir.path().join("out/eve.json"));
    // counters of memory are a worker's own
    records.retain(|record| record["event_type"] != "stats");
    records
}

/// Records that belong to a packet, by capture, in their order.
fn of_packets(records: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut by_capture = BTreeMap::<String, Vec<String>>::new();
    for record in records.iter().filter(|record| record["pcap_cnt"].is_u64()) {
        let name = record["pcap_filename"].as_str().expect("records name their capture").to_owned();
        by_capture.entry(name).or_default().push(record.to_string());
    }
    by_capture
}

#[test]
fn any_number_of_workers_tells_the_same() {
    let one = records(1);
    assert!(one.iter().filter(|record| record["event_type"] == "alert").count() > 300);
    let sorted = |records: &[Value]| {
        let mut lines: Vec<String> = records.iter().map(Value::to_string).collect();
        lines.sort();
        lines
    };
    for workers in [2, 3] {
        let several = records(workers);
        let (expected, found) = (sorted(&one), sorted(&several));
        let lost: Vec<_> =
            expected.iter().filter(|line| found.binary_search(line).is_err()).take(5).collect();
        let more: Vec<_> =
            found.iter().filter(|line| expected.binary_search(line).is_err()).take(5).collect();
        assert!(lost.is_empty() && more.is_empty(), "{workers} workers: lost {lost:#?}, more {more:#?}");
        assert_eq!(expected.len(), found.len(), "{workers} workers");
        // what is told at the end of a flow may be told at another time; what belongs to a packet may not
        let (expected, found) = (of_packets(&one), of_packets(&several));
        for (capture, lines) in &expected {
            assert!(found.get(capture) == Some(lines), "{workers} workers: {capture}: another order");
        }
    }
}

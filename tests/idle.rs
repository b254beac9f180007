//! A flow whose protocol nobody wants is recognised, and not parsed further.

use serde_json::Value;

use super::mail::conversation;
use super::support::engine::{Make, frame, read, rules};
use super::support::{TempDir, root};

/// Protocols of the captures whose parsers have nothing to say but transactions.
const ALONE: [&str; 4] = ["memcached", "mongodb", "kafka", "amqp"];

/// Rules on the raw stream of what those carry.
const RAW: &str = r#"
alert tcp any any -> any any (msg:"a"; content:"stats"; sid:1;)
alert tcp any any -> any any (msg:"b"; flow:established,to_server; content:"shell"; nocase; sid:2;)
alert tcp any any -> any any (msg:"c"; flow:to_client; content:"ok"; sid:3;)
alert tcp any any -> any any (msg:"d"; app-layer-protocol:mongodb; content:"|dd 07 00 00|"; sid:4;)
"#;

struct Seen {
    /// Transactions counted, by protocol.
    transactions: Vec<(String, u64)>,
    /// Flow records, without what differs from run to run.
    flows: Vec<String>,
    alerts: Vec<(u32, String)>,
}

impl Seen {
    fn of(&self, protocol: &str) -> u64 {
        self.transactions.iter().find(|(name, _)| name == protocol).map_or(0, |(_, count)| *count)
    }
}

/// The captures of the data tier with those rules, and those types of records.
fn run(text: &str, types: &str, more: &str) -> Seen {
    let folder = TempDir::new("idle");
    let path = folder.path().join("mamparo.yaml");
    let yaml = format!(
        "%YAML 1.1\n---\noutputs:\n  - eve-log:\n      enabled: yes\n      filename: eve.json\n      types:\n{types}\n{more}\n"
    );
    std::fs::write(&path, yaml).expect("it can be written");
    let engine = Make { sources: rules(text), config: Some(&path), ..Make::default() }.engine();
    let mut seen = Seen { transactions: Vec::new(), flows: Vec::new(), alerts: Vec::new() };
    for capture in ["attacks-data-tier.pcap", "benign-data-tier.pcap"] {
        let packets = read(&root("pcaps").join(capture));
        let outcome = engine.run(&packets);
        for line in &outcome.lines {
            let record: Value = serde_json::from_str(line).expect("JSON");
            if record["event_type"] == "flow" {
                seen.flows.push(format!(
                    "{} {} {}",
                    record["src_port"], record["app_proto"], record["app_proto_tc"]
                ));
            }
        }
        seen.alerts.extend(outcome.alerts.iter().map(|(sid, ends)| (*sid, format!("{ends:?}"))));
        let mut worker = engine.worker();
        for (nth, packet) in packets.iter().enumerate() {
            worker.frame(&frame(packet, nth as u64 + 1));
            worker.batch().clear();
        }
        worker.finish();
        for (name, count) in &worker.counters().transactions {
            match seen.transactions.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += count,
                None => seen.transactions.push(((*name).to_string(), *count)),
            }
        }
    }
    seen.alerts.sort();
    seen
}

const FLOWS: &str = "        - flow\n        - alert:\n            metadata: no";

#[test]
fn what_nobody_wants_is_recognised_and_not_parsed() {
    let all = run(RAW, &format!("{FLOWS}\n        - stats"), "");
    for protocol in ALONE {
        assert!(all.of(protocol) > 0, "{protocol} is in the captures");
    }
    let idle = run(RAW, FLOWS, "");
    for protocol in ALONE {
        assert_eq!(idle.of(protocol), 0, "{protocol}");
    }
    // what a parser says beyond its transactions counts: PSYNC, a change to TLS
    assert_eq!((idle.of("redis"), idle.of("mysql")), (all.of("redis"), all.of("mysql")));
    assert_eq!(idle.flows, all.flows, "flows name their protocols all the same");
    assert!(!idle.alerts.is_empty());
    assert_eq!(idle.alerts, all.alerts, "rules on the raw stream match what they match");
}

#[test]
fn a_rule_or_a_record_of_its_own_is_enough() {
    let ruled = run(
        &format!("{RAW}alert kafka any any -> any any (kafka.topic; content:\"no such\"; sid:9;)\n"),
        FLOWS,
        "",
    );
    assert!(ruled.of("kafka") > 0 && ruled.of("amqp") == 0);
    let event = run(
        &format!("{RAW}alert tcp any any -> any any (app-layer-event:amqp.too_many_transactions; sid:9;)\n"),
        FLOWS,
        "",
    );
    assert!(event.of("amqp") > 0 && event.of("kafka") == 0, "{:?}", event.transactions);
    let recorded = run(RAW, &format!("{FLOWS}\n        - mongodb"), "");
    assert!(recorded.of("mongodb") > 0 && recorded.of("kafka") == 0);
}

#[test]
fn what_is_about_all_protocols_keeps_all_of_them_parsed() {
    for (types, more) in [
        ("        - stats", ""),
        ("        - anomaly", ""),
        ("        - files", ""),
        ("        - frame", ""),
        ("        - alert", ""),
        ("        - flow", "  - stats:\n      enabled: yes"),
        ("        - flow", "  - file-store:\n      enabled: yes\n      version: 2"),
    ] {
        let seen = run(RAW, types, more);
        for protocol in ALONE {
            assert!(seen.of(protocol) > 0, "{protocol} with {types} {more}");
        }
    }
    let files = run(&format!("{RAW}alert ip any any -> any any (filemagic:\"none\"; sid:9;)\n"), FLOWS, "");
    assert!(ALONE.iter().all(|protocol| files.of(protocol) > 0));
}

#[test]
fn a_transport_may_be_switched_off() {
    let query = b"\0\x1e\0\x07\x01\0\0\x01\0\0\0\0\0\0\x04evil\x07example\0\0\x10\0\x01";
    let mut packets = read(&root("pcaps").join("dns-mixed.pcap"));
    packets.extend(conversation(53, &[(true, query)]));
    let asked = |set: &[(&str, &str)]| {
        let outcome = Make { sources: rules(""), set, ..Make::default() }.engine().run(&packets);
        let over = |proto: &str| {
            let dns = |line: &&String| line.contains("\"event_type\":\"dns\"") && line.contains(proto);
            outcome.lines.iter().filter(dns).count()
        };
        (over("\"proto\":\"TCP\"") > 0, over("\"proto\":\"UDP\"") > 0)
    };
    assert_eq!(asked(&[]), (true, true));
    assert_eq!(asked(&[("app-layer.protocols.dns.tcp.enabled", "no")]), (false, true));
    assert_eq!(asked(&[("app-layer.protocols.dns.udp.enabled", "no")]), (true, false));
    assert_eq!(asked(&[("app-layer.protocols.dns.enabled", "no")]), (false, false));
}

//! What is asked and answered, whole, byte by byte, and too much of it.

use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, bounded};
use serde_json::{Value, json};

use super::super::status::{Counts, RuleCounts, Seen};
use super::*;
use crate::capture::Interfaces;
use crate::detect::host::Hosts;
use crate::detect::sets::{By, Kind as SetKind, Sets, Settings, Wanted};
use crate::detect::tables::NoFiles;
use crate::engine::settings::Limits;

fn status() -> Status {
    let interfaces = Arc::new(Interfaces::default());
    interfaces.id("quiet0");
    interfaces.id("ve\"th1");
    let settings = vec![("a.b".to_owned(), "c".to_owned())];
    let status = Status::new("host", true, settings, interfaces);
    let limits =
        Limits { stream: 64 << 20, reassembly: 256 << 20, flow: 128 << 20, defrag: (32 << 20) + 1024 };
    status.set_limits(limits);
    let mut hosts = Hosts::new(Vec::new());
    hosts.set_names(&["hostbits:seen", "hostbits:other", "xbits:seen"].map(str::to_owned));
    status.set_hosts(Arc::new(Mutex::new(hosts)));
    let mut sets = Sets::default();
    for (name, kind) in [("names", SetKind::String), ("hashes", SetKind::Md5)] {
        let wanted =
            Wanted { name: name.to_owned(), kind: Some(kind), memcap: Some(1000), ..Wanted::default() };
        let opened = sets.open(&wanted, By::Config, &Settings::default(), &NoFiles);
        opened.expect("a set").0.used(name == "names");
    }
    sets.freeze();
    status.set_sets(&sets);
    status.set_rules(RuleCounts { loaded: 3, failed: 2, skipped: 1, ..RuleCounts::default() });
    status.count(Counts {
        named: vec![("flow.total".to_owned(), 7), ("tcp.reassembly_memuse_max".to_owned(), 9)],
        seen: vec![Seen::default(), Seen { packets: 5, dropped: 2, bypassed: 1 }],
    });
    status
}

fn http(request: &[u8], status: &Status) -> String {
    let mut input = request.to_vec();
    match http::request(&mut input, status) {
        Step::Last(bytes) => String::from_utf8(bytes).expect("text"),
        _ => panic!("an answer"),
    }
}

#[test]
fn health_readiness_and_counters_are_told() {
    let status = status();
    assert!(http(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", &status).starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(http(b"GET /readyz HTTP/1.1\r\n\r\n", &status).starts_with("HTTP/1.1 503 "));
    status.set_ready(true);
    assert!(http(b"GET /readyz?a=b HTTP/1.0\n\n", &status).ends_with("\r\n\r\nready\n"));
    assert!(http(b"HEAD /readyz HTTP/1.1\r\n\r\n", &status).ends_with("\r\n\r\n"));
    assert!(http(b"POST /metrics HTTP/1.1\r\n\r\n", &status).starts_with("HTTP/1.1 405 "));
    assert!(http(b"GET /other HTTP/1.1\r\n\r\n", &status).starts_with("HTTP/1.1 404 "));
    assert!(http(b"GET /a b HTTP/1.1\r\n\r\n", &status).starts_with("HTTP/1.1 400 "));
    let metrics = http(b"GET /metrics HTTP/1.1\r\n\r\n", &status);
    for line in [
        "mamparo_ready 1",
        "mamparo_rules{state=\"loaded\"} 3",
        "mamparo_flow_total 7",
        "# TYPE mamparo_tcp_reassembly_memuse_max gauge",
        "mamparo_interface_packets_total{interface=\"ve\\\"th1\"} 5",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}:\n{metrics}");
    }
}

#[test]
fn a_head_is_taken_however_it_is_cut() {
    let (status, whole) = (status(), b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    for cut in 0..whole.len() {
        let mut input = whole[..cut].to_vec();
        assert!(matches!(http::request(&mut input, &status), Step::More), "{cut}");
        input.extend_from_slice(&whole[cut..]);
        assert!(matches!(http::request(&mut input, &status), Step::Last(_)), "{cut}");
    }
}

struct Client {
    status: Status,
    greeted: bool,
    wishes: Sender<Wish>,
    wished: Receiver<Wish>,
}

impl Client {
    fn new() -> Client {
        let (wishes, wished) = bounded(1);
        let mut client = Client { status: status(), greeted: false, wishes, wished };
        assert_eq!(client.ask("{\"version\": \"0.2\"}")["return"], "OK");
        client
    }

    fn step(&mut self, bytes: &[u8]) -> Step {
        commands::request(&mut bytes.to_vec(), &mut self.greeted, &self.status, &self.wishes)
    }

    fn ask(&mut self, text: &str) -> Value {
        match self.step(text.as_bytes()) {
            Step::Answer(bytes) | Step::Last(bytes) => serde_json::from_slice(&bytes).expect("JSON"),
            _ => panic!("an answer to {text}"),
        }
    }

    fn command(&mut self, name: &str) -> Value {
        self.ask(&format!("{{\"command\": \"{name}\"}}\n"))
    }
}

#[test]
fn commands_are_answered_as_suricatasc_wants_it() {
    let mut client = Client::new();
    for (command, expected) in [
        ("running-mode", r#"{"message":"workers","return":"OK"}"#),
        ("capture-mode", r#"{"message":"NFQ","return":"OK"}"#),
        ("iface-list", r#"{"message":{"count":1,"ifaces":["ve\"th1"]},"return":"OK"}"#),
        (
            "ruleset-stats",
            r#"{"message":[{"id":0,"rules_loaded":3,"rules_failed":2,"rules_skipped":1}],"return":"OK"}"#,
        ),
        ("nonsense", r#"{"message":"Unknown command","return":"NOK"}"#),
        ("conf-get", r#"{"message":"Unable to get value","return":"NOK"}"#),
    ] {
        assert_eq!(client.command(command), serde_json::from_str::<Value>(expected).expect("JSON"));
    }
    let get = r#"{"command": "conf-get", "arguments": {"variable": "a.b"}}"#;
    assert_eq!(client.ask(get)["message"], "c");
    let stat = r#"{"command": "iface-stat", "arguments": {"iface": "ve\"th1"}}"#;
    assert_eq!(client.ask(stat)["message"]["pkts"], 5);
    assert_eq!(client.command("dump-counters")["message"]["flow"]["total"], 7);
    assert_eq!(client.command("help")["message"]["commands"][0], "shutdown");
    assert_eq!(client.command("ruleset-reload-nonblocking")["return"], "OK");
    // the run has not come to it yet: more wishes than fit are refused
    assert_eq!(client.command("shutdown")["return"], "NOK");
    assert!(matches!(client.wished.try_recv(), Ok(Wish::Reload(None))));
    assert_eq!(client.command("shutdown")["return"], "OK");
    assert!(matches!(client.wished.try_recv(), Ok(Wish::Stop)));
}

impl Client {
    /// The message and whether it went well.
    fn with(&mut self, command: &str, arguments: Value) -> (String, bool) {
        let answer = self.ask(&json!({"command": command, "arguments": arguments}).to_string());
        let message = match &answer["message"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (message, answer["return"] == "OK")
    }
}

#[test]
fn limits_of_memory_are_told_and_changed() {
    let mut client = Client::new();
    for (command, arguments, message, well) in [
        ("memcap-show", json!({"config": "flow"}), r#"{"value":"128mb"}"#, true),
        (
            "memcap-set",
            json!({"config": "flow", "memcap": "256mb"}),
            "memcap value for 'flow' updated: 268435456",
            true,
        ),
        (
            "memcap-set",
            json!({"config": "flow", "memcap": "abc"}),
            "error parsing memcap specified, value not changed",
            false,
        ),
        ("memcap-set", json!({"config": "flow"}), "memcap value is not a string", false),
        (
            "memcap-set",
            json!({"config": "no", "memcap": "1mb"}),
            "Memcap value not found. Use 'memcap-list' to show all",
            false,
        ),
        (
            "memcap-show",
            json!({"config": "no"}),
            "Memcap value not found. Use 'memcap-list' to show all",
            false,
        ),
        (
            "memcap-list",
            json!({}),
            r#"[{"name":"stream","value":"64mb"},{"name":"stream-reassembly","value":"256mb"},{"name":"flow","value":"256mb"},{"name":"defrag","value":"32769kb"}]"#,
            true,
        ),
    ] {
        assert_eq!(client.with(command, arguments), (message.to_owned(), well));
    }
    assert!(
        !client.with("memcap-set", json!({"config": "flow", "memcap": "0"})).1,
        "without a limit nothing is"
    );
    let mut known = 1;
    assert_eq!(client.status.limits_since(&mut known).map(|limits| limits.flow), Some(256 << 20));
    assert_eq!(client.status.limits_since(&mut known), None);
}

#[test]
fn bits_of_hosts_are_set_by_hand() {
    let mut client = Client::new();
    let (one, two) = ("10.0.0.1", "fd00::1");
    for (command, arguments, message, well) in [
        ("list-hostbit", json!({"ipaddress": one}), "host not found", false),
        ("add-hostbit", json!({"ipaddress": one, "hostbit": "seen", "expire": 60}), "hostbit added", true),
        ("add-hostbit", json!({"ipaddress": one, "hostbit": "other", "expire": 90}), "hostbit added", true),
        ("add-hostbit", json!({"ipaddress": two, "hostbit": "seen", "expire": 60}), "hostbit added", true),
        ("add-hostbit", json!({"ipaddress": one, "hostbit": "no", "expire": 60}), "hostbit not found", false),
        (
            "add-hostbit",
            json!({"ipaddress": "10.0.0.300", "hostbit": "seen", "expire": 60}),
            "invalid address string",
            false,
        ),
        (
            "add-hostbit",
            json!({"ipaddress": one, "hostbit": "seen", "expire": "60"}),
            "expire is not an integer",
            false,
        ),
        ("add-hostbit", json!({"ipaddress": one, "hostbit": "seen"}), "expire is not an integer", false),
        (
            "list-hostbit",
            json!({"ipaddress": one}),
            r#"{"count":2,"hostbits":[{"name":"seen","expire":60},{"name":"other","expire":90}]}"#,
            true,
        ),
        ("remove-hostbit", json!({"ipaddress": one, "hostbit": "seen"}), "hostbit removed", true),
        ("remove-hostbit", json!({"ipaddress": one, "hostbit": "seen"}), "hostbit removed", true),
        ("remove-hostbit", json!({"ipaddress": "10.0.0.9", "hostbit": "seen"}), "host not found", false),
        ("remove-hostbit", json!({"ipaddress": "10.0.0.9", "hostbit": "no"}), "hostbit not found", false),
        (
            "list-hostbit",
            json!({"ipaddress": one}),
            r#"{"count":1,"hostbits":[{"name":"other","expire":90}]}"#,
            true,
        ),
        ("list-hostbit", json!({"ipaddress": "zzz"}), "invalid address string", false),
    ] {
        assert_eq!(client.with(command, arguments), (message.to_owned(), well));
    }
}

#[test]
fn data_sets_are_changed_by_hand_also_those_that_no_rule_changes() {
    let mut client = Client::new();
    let (name, md5) = ("ZXZpbC5jb20=", "00112233445566778899aabbccddeeff");
    let with =
        |set: &str, kind: &str, value: &str| json!({"setname": set, "settype": kind, "datavalue": value});
    for (command, arguments, message, well) in [
        ("dataset-add", with("names", "string", name), "data added", true),
        ("dataset-add", with("names", "string", name), "data already in set", true),
        ("dataset-add", with("names", "string", "evil.com"), "failed to add data", false),
        ("dataset-add", with("no", "string", name), "set not found or wrong type", false),
        ("dataset-add", with("names", "md5", md5), "set not found or wrong type", false),
        ("dataset-add", with("names", "no", name), "unknown settype", false),
        ("dataset-add", json!({"setname": "names", "settype": "string"}), "datavalue is not string", false),
        ("dataset-add", with("hashes", "md5", md5), "data added", true),
        ("dataset-add", with("hashes", "md5", "zz"), "failed to add data", false),
        ("dataset-lookup", with("names", "string", name), "item found in set", true),
        ("dataset-lookup", with("names", "string", "bmV2aWwuY29t"), "item not found in set", false),
        ("dataset-lookup", with("hashes", "md5", md5), "item found in set", true),
        ("dataset-remove", with("names", "string", name), "data removed", true),
        ("dataset-remove", with("names", "string", name), "failed to remove data", false),
        ("dataset-clear", with("hashes", "string", ""), "set not found or wrong type", false),
        ("dataset-clear", with("hashes", "md5", ""), "dataset cleared", true),
        ("dataset-lookup", with("hashes", "md5", md5), "item not found in set", false),
        ("dataset-dump", json!({}), "datasets dump done", true),
    ] {
        assert_eq!(client.with(command, arguments), (message.to_owned(), well), "{command}");
    }
    // what rules see
    let found =
        |client: &Client| client.status.with_sets(|sets| sets.named("hashes").unwrap().contains(&[7; 16]));
    assert_eq!(found(&client), Some(false));
    client.with("dataset-add", with("hashes", "md5", &"07".repeat(16)));
    assert_eq!(found(&client), Some(true));
    // its limit holds
    let added =
        (0..1000u32).filter(|n| client.with("dataset-add", with("hashes", "md5", &format!("{n:032x}"))).1);
    assert!(added.count() < 40);
}

#[test]
fn a_reload_is_answered_when_it_is_done() {
    let mut client = Client::new();
    let Step::Later(when) = client.step(b"{\"command\":\"reload-rules\"}\n") else { panic!("later") };
    let Ok(Wish::Reload(Some(done))) = client.wished.try_recv() else { panic!("a wish") };
    done.send(Err("no".to_owned())).expect("somebody waits");
    let answer = commands::done(when.try_recv().expect("done"));
    assert_eq!(answer, b"{\"message\":\"no\",\"return\":\"NOK\"}\n");
}

#[test]
fn messages_are_taken_however_they_are_cut_and_nonsense_ends_it() {
    let mut client = Client::new();
    let whole = b"{\"command\": \"uptime\"}\n";
    for cut in 0..whole.len() - 2 {
        assert!(matches!(client.step(&whole[..cut]), Step::More), "{cut}");
    }
    for nonsense in
        ["garbage\n", "[]\n", "{}\n", "{\"command\": 5}\n", "\u{0}}\n", "{\"command\":\"iface-stat\"}\n"]
    {
        assert!(matches!(client.step(nonsense.as_bytes()), Step::Hang), "{nonsense:?}");
    }
    client.greeted = false;
    assert!(matches!(client.step(b"{\"command\": \"uptime\"}"), Step::Last(_)));
    assert!(matches!(client.step(b"{\"version\": \"9\"}"), Step::Last(_)));
    let deep = "[".repeat(60_000) + "\n";
    assert!(matches!(client.step(deep.as_bytes()), Step::Hang));
}

#[test]
fn whatever_comes_does_no_harm() {
    let mut client = Client::new();
    let seeds: [&[u8]; 4] = [
        b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
        b"{\"version\": \"0.2\"}",
        b"{\"command\": \"iface-stat\", \"arguments\": {\"iface\": \"lo\"}}\n",
        b"{\"command\": \"conf-get\", \"arguments\": {\"variable\": \"a.b\"}}\n",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, b"\"{}[]:\\\n\r\0 "[next(11)]),
                _ => bytes[at] = next(256) as u8,
            }
        }
        let before = bytes.len();
        let mut input = bytes.clone();
        let _ = http::request(&mut input, &client.status);
        assert!(input.len() <= before);
        client.greeted = round % 3 != 0;
        let mut input = bytes;
        let _ = commands::request(&mut input, &mut client.greeted, &client.status, &client.wishes);
        assert!(input.len() <= before);
        let _ = client.wished.try_recv();
    }
}

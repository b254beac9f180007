//! Inline within containers, on real namespaces: what is dropped does not arrive, each packet is looked at once, and containers
//! are followed as they come and go.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::io::ErrorKind;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::TempDir;
use crate::support::binary::{alerts, events};
use crate::support::netns::{Namespace, container, many, missing, node, say};
use crate::support::running::Running;

const RULES: &str = "drop tcp any any -> any 8201:8209 (msg:\"dropped\"; content:\"attack\"; sid:1;)\n\
    alert tcp any any -> any 8200:8209 (msg:\"begun\"; flags:S; sid:2;)\n";

/// An attack, split.
fn attack() -> Vec<Vec<u8>> {
    vec![b"first ".to_vec(), b"att".to_vec(), b"ack".to_vec(), b" end".to_vec()]
}

/// The attack does not get further than its beginning.
#[track_caller]
fn is_dropped(from: &Namespace, to: &Namespace, there: &str) {
    let (arrived, back) = say(from, to, there, attack(), Vec::new());
    let arrived = String::from_utf8_lossy(&arrived).into_owned();
    assert_eq!((arrived.as_str(), back), ("first att", Err(ErrorKind::WouldBlock)), "{there}");
}

/// Our rules in a namespace.
fn rules(namespace: &Namespace) -> String {
    let script = "nft list ruleset 2>/dev/null | grep -i mamparo; iptables-legacy-save 2>/dev/null | grep MAMPARO; true";
    let output = Command::new("ip").args(["netns", "exec", &namespace.name, "sh", "-c", script]).output();
    String::from_utf8_lossy(&output.expect("ip").stdout).into_owned()
}

/// Until that is so, within five seconds.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn containers_are_held_from_within() {
    if missing("containers_are_held_from_within") {
        return;
    }
    let node = node();
    let (one, two) = (container(&node, 1), container(&node, 2));
    let folder = TempDir::new("containers");
    let running = Running::start(&node, folder.path(), RULES, "--inline containers --workers 2");
    assert!(
        running.said.iter().any(|line| line.contains("containers: 2 held; fail open")),
        "{:?}",
        running.said
    );
    // between two of them, over both families: what is good arrives whole, what is not does not arrive
    for there in ["10.77.0.2:8200", "[fd77::2]:8200"] {
        let (arrived, back) = say(&one, &two, there, vec![many(1)], many(2));
        assert!(arrived == many(1), "{} bytes arrived", arrived.len());
        assert!(back.expect("an answer") == many(2));
    }
    is_dropped(&one, &two, "10.77.0.2:8201");
    is_dropped(&two, &one, "[fd77::1]:8202");
    // to and from the node, which nobody holds
    is_dropped(&node, &one, "10.77.0.1:8203");
    is_dropped(&two, &node, "10.77.0.254:8204");
    // one that appears
    let three = container(&node, 3);
    until("the third is held", || !rules(&three).is_empty());
    is_dropped(&three, &two, "10.77.0.2:8205");
    is_dropped(&one, &three, "10.77.0.3:8206");
    // one that goes: nothing of ours keeps it (connections of the third, which cannot end, would)
    let four = container(&node, 4);
    until("the fourth is held", || !rules(&four).is_empty());
    drop(four);
    let there = || Command::new("ip").args(["-n", &node.name, "link", "show", "veth4"]).output().expect("ip");
    until("the fourth is gone", || !there().status.success());
    let said = running.end();
    assert_eq!((rules(&one), rules(&two)), (String::new(), String::new()), "nothing is left: {said}");
    let eve = folder.path().join("eve.json");
    // each connection begins once
    assert_eq!(alerts(&eve), [(1, 6), (2, 8)].into(), "{said}");
    let events = events(&eve);
    let found = |port: u64| {
        let mut found =
            events.iter().filter(|event| event["event_type"] == "alert" && event["dest_port"] == port);
        found.next().map(|event| event["in_iface"].clone()).unwrap_or_default()
    };
    // where it was looked at: at the receiver, or at a sender whose receiver is not held
    assert_eq!([found(8201), found(8202), found(8203), found(8204)], ["veth2", "veth1", "veth1", "veth2"]);
    for event in events.iter().filter(|event| event["event_type"] == "flow" && event["dest_port"] == 8200) {
        let seen = event["flow"]["bytes_toserver"].as_u64().unwrap_or(0);
        assert!((10_000_000..13_000_000).contains(&seen), "every packet once: {event}");
    }
    // nobody is there: everything passes
    let (arrived, _) = say(&one, &two, "10.77.0.2:8201", attack(), Vec::new());
    assert_eq!(String::from_utf8_lossy(&arrived), "first attack end");
}

//! Inline within containers, on real namespaces: what is dropped does not arrive, each packet is looked at once, and containers
//! are followed as they come and go.

#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::process::Command;

use crate::support::TempDir;
use crate::support::binary::{alerts, events};
use crate::support::netns::{Namespace, attack, container, is_dropped, many, missing, node, say, until};
use crate::support::raw::Raw;
use crate::support::running::Running;

const RULES: &str = "drop tcp any any -> any 8201:8209 (msg:\"dropped\"; content:\"attack\"; sid:1;)\n\
    alert tcp any any -> any 8200:8209 (msg:\"begun\"; flags:S; sid:2;)\n";

/// Packets that were queued where they leave that container: of its queues, the upper half.
fn left(container: &Namespace) -> u64 {
    let queues = container.shell("cat /proc/net/netfilter/nfnetlink_queue");
    let mut queues: Vec<(u64, u64)> = queues
        .lines()
        .map(|line| {
            let columns: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            (columns[0], columns[7])
        })
        .collect();
    queues.sort_unstable();
    assert_eq!(queues.len(), 4, "{queues:?}");
    queues[2..].iter().map(|(_, count)| *count).sum()
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
    assert!(running.said().contains("containers: 2 held; fail open"), "{}", running.said());
    // who is held is known in each, so that what goes to another one is not queued where it leaves
    let known = |name: &str| {
        one.shell(&format!(
            "nft list set inet mamparo {name} 2>/dev/null || nft list set inet mamparo_held {name}"
        ))
    };
    until("both are known", 5, || known("held4").contains("10.77.0.2") && known("held6").contains("fd77::2"));
    let before = left(&one);
    // between two of them, over both families: what is good arrives whole, what is not does not arrive
    for there in ["10.77.0.2:8200", "[fd77::2]:8200"] {
        let (arrived, back) = say(&one, &two, there, vec![many(1)], many(2));
        assert!(arrived == many(1), "{} bytes arrived", arrived.len());
        assert!(back.expect("an answer") == many(2));
    }
    // but what goes to nobody alone, as questions for neighbours do
    assert!(left(&one) < before + 10, "packets were queued where they leave");
    is_dropped(&one, &two, "10.77.0.2:8201");
    is_dropped(&two, &one, "[fd77::1]:8202");
    // to and from the node, which nobody holds
    is_dropped(&node, &one, "10.77.0.1:8203");
    is_dropped(&two, &node, "10.77.0.254:8204");
    // one that appears
    let three = container(&node, 3);
    until("the third is held", 5, || !three.hooks().is_empty());
    until("the third is known", 5, || known("held4").contains("10.77.0.3"));
    is_dropped(&three, &two, "10.77.0.2:8205");
    is_dropped(&one, &three, "10.77.0.3:8206");
    // one that goes: nothing of ours keeps it (connections of the third, which cannot end, would)
    let four = container(&node, 4);
    until("the fourth is held", 5, || !four.hooks().is_empty());
    drop(four);
    let there = || Command::new("ip").args(["-n", &node.name, "link", "show", "veth4"]).output().expect("ip");
    until("the fourth is gone", 5, || !there().status.success());
    until("the fourth is not known any more", 5, || !known("held4").contains("10.77.0.4"));
    assert!(known("held4").contains("10.77.0.3"), "{}", known("held4"));
    let said = running.end();
    assert_eq!((one.hooks(), two.hooks()), (String::new(), String::new()), "nothing is left: {said}");
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

#[test]
fn what_is_bypassed_goes_on_without_us_in_every_container() {
    if missing("what_is_bypassed_goes_on_without_us_in_every_container") {
        return;
    }
    let node = node();
    let (one, two) = (container(&node, 1), container(&node, 2));
    let folder = TempDir::new("containers-bypass");
    let rules = "alert tcp any any -> any 8220 (msg:\"enough\"; flow:to_server,established; content:\"enough\"; bypass; sid:4;)\n";
    let running = Running::start(&node, folder.path(), rules, "--inline containers --workers 1");
    let parts = || {
        let mut parts = vec![b"enough".to_vec()];
        parts.extend(vec![b"more".to_vec(); 300]);
        parts.push(b"end".to_vec());
        parts
    };
    let whole = parts().concat();
    let (arrived, back) = say(&one, &two, "10.77.0.2:8220", parts(), b"answer".to_vec());
    assert!(arrived == whole && back == Ok(b"answer".to_vec()), "{} bytes arrived", arrived.len());
    let said = running.end();
    let eve = folder.path().join("eve.json");
    assert_eq!(alerts(&eve), [(4, 1)].into(), "{said}");
    let stats = events(&eve).into_iter().rfind(|event| event["event_type"] == "stats").expect("counters");
    let frames = &stats["stats"]["frames"];
    assert!(frames["bypassed"].as_u64() >= Some(1), "{frames}");
    let seen = frames["forwarded"].as_u64().unwrap_or(0) + frames["bypassed"].as_u64().unwrap_or(0);
    assert!(seen < 100, "{seen} packets came to us");
    assert_eq!((one.hooks(), two.hooks()), (String::new(), String::new()), "nothing is left: {said}");
}

#[test]
fn rules_that_a_container_has_changed_are_told_and_put_back() {
    if missing("rules_that_a_container_has_changed_are_told_and_put_back") {
        return;
    }
    let node = node();
    let (one, two) = (container(&node, 1), container(&node, 2));
    let folder = TempDir::new("containers-changed");
    let mut running = Running::start(&node, folder.path(), RULES, "--inline containers --workers 1");
    // without what is counted
    let rules = || two.hooks().replace(|letter: char| letter.is_ascii_digit(), "");
    let whole = rules();
    is_dropped(&one, &two, "10.77.0.2:8201");
    // as one with NET_ADMIN may: a rule before ours, by whichever means ours were put in
    two.shell(
        "if iptables-legacy-save 2>/dev/null | grep -q MAMPARO; then iptables-legacy -t mangle -I INPUT -j ACCEPT; \
         elif nft list table inet mamparo 2>/dev/null; then nft flush table inet mamparo; \
         else iptables-nft -t mangle -I INPUT -j ACCEPT; fi",
    );
    running.wait_for("veth2 were changed by somebody else (NET_ADMIN) and are put back").expect("it is told");
    is_dropped(&one, &two, "10.77.0.2:8202");
    // all of them
    two.shell(
        "if iptables-legacy-save 2>/dev/null | grep -q MAMPARO; then iptables-legacy -t mangle -F; iptables-legacy -t mangle -X; \
         else nft flush ruleset; fi",
    );
    assert_ne!(rules(), whole);
    // each container has its turn every five seconds
    until("they are there again", 25, || rules() == whole);
    is_dropped(&one, &two, "10.77.0.2:8203");
    let said = running.end();
    assert_eq!((one.hooks(), two.hooks()), (String::new(), String::new()), "nothing is left: {said}");
    assert_eq!(said.matches("were changed by somebody else").count(), 2, "{said}");
}

/// An Ethernet frame with a packet from 10.77.0.`from` to the node, in which the container's own OUTPUT has no part.
fn past(from: u8, protocol: u8, port: u16, to_port: u16) -> Vec<u8> {
    let mut body = [port.to_be_bytes(), to_port.to_be_bytes()].concat();
    match protocol {
        6 => body.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]),
        _ => body.extend([0, 8, 0, 0]),
    }
    let mut ip = vec![0x45, 0, 0, 20 + body.len() as u8, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 77, 0, from];
    ip.extend([10, 77, 0, 254]);
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    ip[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    [&[0xff; 6][..], &[2, 0, 0, 0, 0, from, 8, 0], &ip, &body].concat()
}

#[test]
fn what_leaves_a_container_past_its_queues_is_told() {
    if missing("what_leaves_a_container_past_its_queues_is_told") {
        return;
    }
    const TOLD: &str = "that were in no queue and are not held";
    let node = node();
    let (one, two) = (container(&node, 1), container(&node, 2));
    let folder = TempDir::new("containers-past");
    let mut running = Running::start(&node, folder.path(), RULES, "--inline containers --workers 2");
    // what goes by the queues is never told, whatever it is, and however long it takes
    for there in ["10.77.0.2:8210", "[fd77::2]:8210", "10.77.0.254:8210", "[fd77::fe]:8210"] {
        let to = if there.contains("254") || there.contains("fe]") { &node } else { &two };
        let (arrived, back) = say(&one, to, there, vec![many(1)], many(2));
        assert!(arrived == many(1) && back.is_ok_and(|back| back == many(2)), "{there}");
    }
    one.shell(
        "ping -c 40 -i 0.01 10.77.0.254; ping -c 40 -i 0.01 fd77::fe; ping -c 3 -s 4000 10.77.0.254; ping -c 3 -s 4000 fd77::fe",
    );
    one.within(|| {
        let socket = std::net::UdpSocket::bind("10.77.0.1:8211").expect("a port");
        for _ in 0..300 {
            socket.send_to(&[0x55; 4000], "10.77.0.254:8211").expect("sent, in fragments");
        }
    });
    is_dropped(&one, &node, "10.77.0.254:8201");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(!running.said().contains(TOLD), "{}", running.said());
    // one SYN is enough; more of it is not told again and again
    two.within(|| {
        let raw = Raw::open("eth0");
        for port in 4000..4004 {
            raw.send(&past(2, 6, port, 8231));
        }
    });
    running.wait_for(TOLD).expect("it is told");
    let said = running.said();
    assert!(said.contains("the container behind veth2 that were in no queue and are not held (TCP, 10.77.0.2:4000 to 10.77.0.254:8231, and 3 other flows)"), "{said}");
    two.within(|| Raw::open("eth0").send(&past(2, 6, 4010, 8231)));
    // of datagrams one in sixteen is looked at
    one.within(|| {
        let raw = Raw::open("eth0");
        for _ in 0..200 {
            raw.send(&past(1, 17, 5000, 8232));
        }
    });
    running
        .wait_for(
            "behind veth1 that were in no queue and are not held (UDP, 10.77.0.1:5000 to 10.77.0.254:8232)",
        )
        .expect("it is told");
    let begun = std::time::Instant::now();
    let stats = || events(&running.eve()).into_iter().rfind(|event| event["event_type"] == "stats");
    let unqueued = || stats().and_then(|event| event["stats"]["capture"]["unqueued"].as_u64());
    until("it is counted", 20, || unqueued() >= Some(5));
    assert!(begun.elapsed().as_secs() < 20);
    let said = running.end();
    assert_eq!(said.matches(TOLD).count(), 2, "{said}");
    assert_eq!((one.hooks(), two.hooks()), (String::new(), String::new()), "nothing is left: {said}");
    // the one that looks at packets may do no more than with any other mode
    for line in ["landlock: files are written below", "capabilities: only NET_ADMIN, NET_RAW are kept"] {
        assert!(said.contains(line) || said.contains("warning: landlock"), "{line}: {said}");
    }
}

#[test]
fn a_container_without_rules_is_held_again_as_soon_as_it_speaks() {
    if missing("a_container_without_rules_is_held_again_as_soon_as_it_speaks") {
        return;
    }
    let node = node();
    let one = container(&node, 1);
    let folder = TempDir::new("containers-speaks");
    let mut running = Running::start(&node, folder.path(), RULES, "--inline containers --workers 1");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    one.shell(
        "if iptables-legacy-save 2>/dev/null | grep -q MAMPARO; then iptables-legacy -t mangle -F; iptables-legacy -t mangle -X; \
         else nft flush ruleset; fi",
    );
    let (arrived, _) = say(&one, &node, "10.77.0.254:8201", attack(), Vec::new());
    assert_eq!(String::from_utf8_lossy(&arrived), "first attack end", "nobody holds it");
    running.wait_for("veth1 were changed by somebody else (NET_ADMIN) and are put back").expect("it is told");
    is_dropped(&one, &node, "10.77.0.254:8202");
    let said = running.end();
    assert!(said.contains("behind veth1 that were in no queue and are not held (TCP, 10.77.0.1:"), "{said}");
}

//! Pair, on real interfaces: frames are handed on whole between two interfaces, and what is dropped does not arrive.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::live_tap::Watching;
use crate::support::TempDir;
use crate::support::binary::{alerts, events};
use crate::support::netns::{Namespace, address, many, missing, say};
use crate::support::raw::Raw;
use crate::support::running::Running;

/// Two containers on two interfaces of a node that has no way between them.
fn wire() -> (Namespace, Namespace, Namespace) {
    let node = Namespace::new("node");
    let mut ends = [("a0", 1), ("b0", 2)].map(|(name, number)| {
        let end = Namespace::new(name);
        node.ip(&format!("link add {name} type veth peer name eth0 netns {}", end.name));
        node.ip(&format!("link set {name} up"));
        end.ip(&format!("addr add 10.76.0.{number}/24 dev eth0"));
        end.ip(&format!("addr add fd76::{number}/64 dev eth0 nodad"));
        end.ip("link set eth0 up");
        Some(end)
    });
    (node, ends[0].take().expect("one"), ends[1].take().expect("two"))
}

const RULES: &str = "drop tcp any any -> any 8101 (msg:\"dropped\"; content:\"attack\"; sid:1;)\n\
    rejectboth tcp any any -> any 8102 (msg:\"rejected\"; content:\"attack\"; sid:2;)\n";

#[test]
fn a_pair_hands_frames_on_whole_and_drops_what_must_be() {
    if missing("a_pair_hands_frames_on_whole_and_drops_what_must_be") {
        return;
    }
    let (node, one, two) = wire();
    let folder = TempDir::new("pair");
    let running = Running::start(&node, folder.path(), RULES, "--inline pair a0=b0 --workers 2");
    // ten megabytes each way, intact, over both families
    for there in ["10.76.0.2:8100", "[fd76::2]:8100"] {
        let (arrived, back) = say(&one, &two, there, vec![many(1)], many(2));
        assert!(arrived == many(1), "{} bytes arrived", arrived.len());
        assert!(back.expect("an answer") == many(2));
    }
    // an attack, split
    let parts = || vec![b"first ".to_vec(), b"att".to_vec(), b"ack".to_vec(), b" end".to_vec()];
    let (arrived, back) = say(&one, &two, "10.76.0.2:8101", parts(), Vec::new());
    assert_eq!((String::from_utf8_lossy(&arrived).as_ref(), back), ("first att", Err(ErrorKind::WouldBlock)));
    // one that is rejected: both ends are told at once
    let begun = Instant::now();
    let (arrived, back) = say(&two, &one, "10.76.0.1:8102", parts(), Vec::new());
    assert!(!arrived.ends_with(b"end"));
    assert!(matches!(back, Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)), "{back:?}");
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    // frames that are no IP, and tags
    let frames: Vec<Vec<u8>> =
        [&[0x88, 0xb5][..], &[0x81, 0, 0x60, 7, 0x88, 0xb5], &[0x88, 0xa8, 0, 9, 0x81, 0, 0, 7, 0x88, 0xb5]]
            .iter()
            .map(|kind| [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], *kind, &[0x5a; 60]].concat())
            .collect();
    // what arrives is looked at with a tap: a plain socket is shown no outer tag
    let receiver = Watching::new(&two, &["eth0"], 1);
    let sent = frames.clone();
    one.within(move || {
        let raw = Raw::open("eth0");
        sent.iter().for_each(|frame| raw.send(frame));
    });
    std::thread::sleep(Duration::from_millis(200));
    let (arrived, _) = receiver.end();
    let arrived: Vec<&[u8]> = arrived.iter().map(|seen| seen.bytes.as_slice()).collect();
    for frame in &frames {
        assert!(arrived.contains(&frame.as_slice()), "{:02x?} did not arrive", &frame[12..24]);
    }
    let said = running.end();
    assert!(said.contains("pair: what comes in by a0 goes out by b0"), "{said}");
    let packets: u64 = said
        .lines()
        .find_map(|line| line.strip_prefix("mamparo: ")?.split_once(" packets: ")?.0.parse().ok())
        .unwrap_or_else(|| panic!("{said}"));
    assert!(
        packets < 40_000_000 / 1460,
        "segments that are cut later are handed on whole: {packets} packets"
    );
    let eve = folder.path().join("eve.json");
    assert_eq!(alerts(&eve), [(1, 1), (2, 1)].into(), "{said}");
    let events = events(&eve);
    let blocked =
        events.iter().filter(|event| event["event_type"] == "alert" && event["alert"]["action"] == "blocked");
    let places: Vec<_> = blocked.map(|event| event["in_iface"].clone()).collect();
    assert_eq!(places, ["a0", "b0"]);
    // nobody is there: nothing passes
    let there = address("10.76.0.2:8103");
    let _listener = two.within(move || TcpListener::bind(there)).expect("a listener");
    assert!(one.within(move || TcpStream::connect_timeout(&there, Duration::from_millis(500))).is_err());
}

#[test]
fn a_literal_is_replaced_in_the_frame_that_is_handed_on() {
    if missing("a_literal_is_replaced_in_the_frame_that_is_handed_on") {
        return;
    }
    let (node, one, two) = wire();
    let folder = TempDir::new("pair-replace");
    let rules = "alert tcp any any -> any any (msg:\"other\"; flow:to_server; content:\"secret\"; replace:\"public\"; sid:5;)\n";
    let running = Running::start(&node, folder.path(), rules, "--inline pair a0=b0 --workers 1");
    for there in ["10.76.0.2:8110", "[fd76::2]:8110"] {
        let parts = |word: &str| {
            let mut long = vec![b'.'; 50_000];
            long[30_000..30_006].copy_from_slice(word.as_bytes());
            vec![format!("a {word} here").into_bytes(), long, b"end".to_vec()]
        };
        let (arrived, back) = say(&one, &two, there, parts("secret"), b"secret".to_vec());
        let wanted = parts("public").concat();
        let first = arrived.iter().zip(&wanted).position(|(a, b)| a != b);
        assert!(arrived == wanted, "{there}: {} bytes, other from {first:?} on", arrived.len());
        assert_eq!(back, Ok(b"secret".to_vec()), "{there}: what is not asked for stays");
    }
    let said = running.end();
    let eve = folder.path().join("eve.json");
    let stats = events(&eve).into_iter().rfind(|event| event["event_type"] == "stats").expect("counters");
    assert!(stats["stats"]["ips"]["replaced"].as_u64() >= Some(4), "{said}: {stats}");
}

#[test]
fn what_makes_no_pair_is_told() {
    if missing("what_makes_no_pair_is_told") {
        return;
    }
    let (node, _one, _two) = wire();
    node.ip("link add br0 type bridge");
    node.ip("link add c0 type veth peer name c1");
    node.ip("link set c0 master br0");
    let folder = TempDir::new("no-pair");
    let rules = folder.path().join("test.rules");
    std::fs::write(&rules, RULES).expect("rules");
    for (pair, word) in [
        ("a0", "--inline pair eth1=eth2"),
        ("a0=a0", "--inline pair eth1=eth2"),
        ("a0=nowhere", "there is no interface \"nowhere\""),
        ("a0=c0", "ip link set c0 nomaster"),
    ] {
        let output = Command::new("ip")
            .args([
                "netns",
                "exec",
                &node.name,
                env!("CARGO_BIN_EXE_mamparo"),
                "run",
                "--inline",
                "pair",
                pair,
                "-S",
            ])
            .arg(&rules)
            .arg("-l")
            .arg(folder.path())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(word), "{pair}: {said}");
    }
}

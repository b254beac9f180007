//! Tap, on real interfaces: what containers say to each other is seen once, whole, from the first packet on.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mamparo::capture::tap::TAP;
use mamparo::capture::{Fail, Hook, Interfaces, LiveOptions, Statistics};
use mamparo::verdict::Verdict;

use crate::support::TempDir;
use crate::support::binary::{alerts, events};
use crate::support::netns::{Namespace, container, missing, node};
use crate::support::raw::Raw;
use crate::support::running::Running;

/// A frame, kept.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    iface: String,
    pub(crate) bytes: Vec<u8>,
    checksums: bool,
    worker: usize,
}

impl Seen {
    /// What it says, if it is TCP over IPv4 to or from that port.
    fn tcp(&self, port: u16) -> Option<Segment> {
        let [8, 0, packet @ ..] = self.bytes.get(12..)? else { return None };
        let pair = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let segment = packet.get(20..usize::from(pair(packet, 2))).filter(|_| packet[9] == 6)?;
        let (from, to) = (pair(segment, 0), pair(segment, 2));
        [from, to].contains(&port).then(|| Segment {
            from,
            id: pair(packet, 4),
            sequence: u32::from_be_bytes([segment[4], segment[5], segment[6], segment[7]]),
            flags: segment[13],
            len: segment.len() - usize::from(segment[12] >> 4) * 4,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Segment {
    from: u16,
    /// Another one when it is sent again.
    id: u16,
    sequence: u32,
    flags: u8,
    len: usize,
}

/// A tap that is open in a namespace.
pub(crate) struct Watching {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<(Vec<Seen>, Statistics)>>,
    hook: Option<Box<dyn Hook>>,
    said: Vec<String>,
}

impl Watching {
    pub(crate) fn new(node: &Namespace, names: &[&str], workers: usize) -> Watching {
        let interfaces = Arc::new(Interfaces::default());
        let options = LiveOptions {
            workers,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            interfaces: interfaces.clone(),
            fail: Fail::Open,
            ..LiveOptions::default()
        };
        let opened = node.within(move || (TAP.open)(&options)).expect("a tap");
        let stop = Arc::new(AtomicBool::new(false));
        let threads = opened.captures.into_iter().enumerate().map(|(worker, mut capture)| {
            let (stop, interfaces) = (stop.clone(), interfaces.clone());
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                while !stop.load(Ordering::Acquire) {
                    capture.wait(Duration::from_millis(50)).expect("a socket");
                    while capture
                        .poll(64, &mut |frame| {
                            assert_eq!(frame.bytes.len(), frame.wire_len as usize, "whole");
                            let iface = interfaces.name(frame.iface).expect("a name");
                            let (bytes, checksums) = (frame.bytes.to_vec(), frame.checksums);
                            seen.push(Seen { iface, bytes, checksums, worker });
                            Verdict::Forward
                        })
                        .expect("a ring")
                        > 0
                    {}
                }
                (seen, capture.statistics())
            })
        });
        let threads = threads.collect();
        let (hook, said) = (opened.attach)().expect("it is attached");
        Watching { stop, threads, hook, said }
    }

    /// Ends it once blocks that are not full were handed over.
    pub(crate) fn end(mut self) -> (Vec<Seen>, Statistics) {
        std::thread::sleep(Duration::from_millis(100));
        self.hook.take().expect("a hook").remove().expect("removed");
        std::thread::sleep(Duration::from_millis(100));
        self.stop.store(true, Ordering::Release);
        let (mut all, mut sum) = (Vec::new(), Statistics::default());
        for thread in self.threads {
            let (seen, statistics) = thread.join().expect("no panic");
            all.extend(seen);
            sum.add(statistics);
        }
        (all, sum)
    }
}

/// A conversation: so many bytes there, so many back.
fn talk(from: &Namespace, to: &Namespace, address: &str, there: usize, back: usize) {
    let address: SocketAddr = address.parse().expect("an address");
    let listener = to.within(move || TcpListener::bind(address)).expect("a listener");
    let server = to.thread(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut bytes = Vec::new();
        (&mut stream).take(there as u64).read_to_end(&mut bytes).expect("what was said");
        stream.write_all(&vec![b'b'; back]).expect("an answer");
        bytes.len()
    });
    let client = from.thread(move || {
        let mut stream = connect(address);
        stream.write_all(&vec![b'a'; there]).expect("something to say");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer");
        bytes.len()
    });
    assert_eq!((server.join().expect("a server"), client.join().expect("a client")), (there, back));
}

/// As soon as the way is open.
fn connect(address: SocketAddr) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
            Ok(stream) => return stream,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{address}: {error}"),
        }
    }
}

const SYN: u8 = 2;
const FIN: u8 = 1;
const ACK: u8 = 16;

/// Each packet of the one conversation on that port, once: the handshake, and every byte of both.
#[track_caller]
fn check(seen: &[Seen], port: u16, bytes: usize) {
    let mut segments: Vec<Segment> = seen.iter().filter_map(|seen| seen.tcp(port)).collect();
    for (flags, what) in [(SYN, "SYN"), (SYN | ACK, "SYN and ACK")] {
        assert!(segments.iter().any(|segment| segment.flags & (SYN | ACK) == flags), "{what}");
    }
    segments.sort_unstable();
    let twice: Vec<_> = segments.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let mut ends: Vec<u16> = segments.iter().filter(|one| one.flags & FIN != 0).map(|one| one.from).collect();
    ends.sort_unstable();
    ends.dedup();
    assert_eq!(ends.len(), 2, "an end each");
    // what was sent again counts once
    let first =
        |from| segments.iter().find(|one| one.from == from && one.flags & SYN != 0).map(|one| one.sequence);
    let mut pieces: Vec<(u16, u64, u64)> = segments
        .iter()
        .filter(|one| one.len > 0)
        .map(|one| {
            let begin = u64::from(one.sequence.wrapping_sub(first(one.from).unwrap_or(0)));
            (one.from, begin, begin + one.len as u64)
        })
        .collect();
    pieces.sort_unstable();
    let (mut sum, mut reached) = (0, (0, 0));
    for (from, begin, end) in pieces {
        let begin = if reached.0 == from { begin.max(reached.1) } else { begin };
        sum += end.saturating_sub(begin);
        reached = (from, end.max(begin));
    }
    assert_eq!(sum, bytes as u64, "every byte");
}

#[test]
fn two_containers_on_a_bridge_are_seen_once_and_whole() {
    if missing("two_containers_on_a_bridge_are_seen_once_and_whole") {
        return;
    }
    let node = node();
    let (one, two) = (container(&node, 1), container(&node, 2));
    for workers in [1, 3] {
        let tap = Watching::new(&node, &[], workers);
        assert_eq!(tap.said, ["tap: watching br0, veth1, veth2"]);
        talk(&one, &two, "10.77.0.2:8001", 3_000_000, 1_000_000);
        let (seen, statistics) = tap.end();
        check(&seen, 8001, 4_000_000);
        let ours: Vec<&Seen> = seen.iter().filter(|seen| seen.tcp(8001).is_some()).collect();
        let mut ifaces: Vec<&str> = ours.iter().map(|seen| seen.iface.as_str()).collect();
        ifaces.sort_unstable();
        ifaces.dedup();
        assert_eq!(ifaces, ["veth1", "veth2"], "each where it came in");
        assert!(ours.iter().any(|seen| seen.bytes.len() > 20_000), "segments that are cut later come whole");
        // a segment that is sent again may have its checksum
        let settled = ours.iter().filter(|seen| !seen.checksums).count();
        assert!(
            settled * 2 > ours.len(),
            "between veths nobody computes checksums: {settled} of {}",
            ours.len()
        );
        assert!(ours.iter().all(|seen| seen.worker == ours[0].worker), "one flow, one worker");
        assert_eq!((statistics.dropped, statistics.truncated, statistics.duplicates), (0, 0, 0));
    }
}

#[test]
fn a_tag_that_the_kernel_took_off_is_put_back() {
    if missing("a_tag_that_the_kernel_took_off_is_put_back") {
        return;
    }
    let node = node();
    let one = container(&node, 1);
    let tap = Watching::new(&node, &["br0"], 1);
    let frames: Vec<Vec<u8>> =
        [&[0x81, 0, 0xa0, 5, 8, 0][..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 5, 8, 0], &[8, 0]]
            .iter()
            .map(|tags| {
                let mut frame = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1];
                frame.extend_from_slice(tags);
                frame.extend([0x45, 0, 0, 40, 0, 1, 0, 0, 64, 99, 0, 0, 10, 77, 0, 1, 10, 77, 0, 9]);
                frame.extend(0..20);
                frame
            })
            .collect();
    let sent = frames.clone();
    one.within(move || {
        let raw = Raw::open("eth0");
        sent.iter().for_each(|frame| raw.send(frame));
    });
    let (seen, _) = tap.end();
    let ours = |seen: &&Seen| seen.bytes.starts_with(&[2, 0, 0, 0, 0, 9]);
    assert_eq!(seen.iter().filter(ours).map(|seen| seen.bytes.clone()).collect::<Vec<_>>(), frames);
    assert!(
        seen.iter().filter(ours).all(|seen| seen.checksums),
        "what was not left to hardware can be judged"
    );
}

#[test]
fn what_is_routed_between_watched_interfaces_is_seen_once() {
    if missing("what_is_routed_between_watched_interfaces_is_seen_once") {
        return;
    }
    let node = node();
    let one = container(&node, 1);
    let outside = Namespace::new("out");
    node.ip(&format!("link add up0 type veth peer name eth0 netns {}", outside.name));
    node.ip("addr add 10.79.0.254/24 dev up0");
    node.ip("link set up0 up");
    outside.ip("addr add 10.79.0.1/24 dev eth0");
    outside.ip("link set eth0 up");
    outside.ip("route add default via 10.79.0.254");
    node.command("sysctl -qw net.ipv4.ip_forward=1");
    let tap = Watching::new(&node, &[], 2);
    talk(&one, &outside, "10.79.0.1:8003", 300_000, 300_000);
    // with the node itself as well
    talk(&one, &node, "10.77.0.254:8004", 1000, 50_000);
    let (seen, statistics) = tap.end();
    check(&seen, 8003, 600_000);
    check(&seen, 8004, 51_000);
    assert!(statistics.duplicates > 0, "{statistics:?}");
}

#[test]
fn an_interface_that_appears_is_seen_from_its_first_packet() {
    if missing("an_interface_that_appears_is_seen_from_its_first_packet") {
        return;
    }
    let node = node();
    let one = container(&node, 1);
    let tap = Watching::new(&node, &[], 2);
    for round in 0..3 {
        let two = container(&node, 2);
        talk(&two, &one, &format!("10.77.0.1:{}", 8010 + round), 1000, 1000);
        // ends are said asynchronously
        std::thread::sleep(Duration::from_millis(100));
        node.ip("link del veth2");
    }
    // a bridge of its own, and a port that leaves one
    node.ip("link add br1 type bridge forward_delay 0");
    node.ip("addr add 10.80.0.254/24 dev br1");
    node.ip("link set br1 up");
    let three = container(&node, 3);
    node.ip("link set veth3 master br1");
    three.ip("addr add 10.80.0.3/24 dev eth0");
    talk(&three, &node, "10.80.0.254:8020", 1000, 1000);
    node.ip("link set veth3 nomaster");
    node.ip("addr add 10.81.0.254/24 dev veth3");
    three.ip("addr add 10.81.0.3/24 dev eth0");
    talk(&node, &three, "10.81.0.3:8021", 1000, 1000);
    let (seen, _) = tap.end();
    for port in [8010, 8011, 8012, 8020, 8021] {
        check(&seen, port, 2000);
    }
}

#[test]
fn an_attack_between_two_containers_alerts_once() {
    if missing("an_attack_between_two_containers_alerts_once") {
        return;
    }
    let node = node();
    let (one, two) = (container(&node, 1), container(&node, 2));
    let folder = TempDir::new("tap-alert");
    let rules = "alert tcp any any -> any 8030 (msg:\"there\"; content:\"attack-there\"; sid:1;)\n\
        alert tcp any 8030 -> any any (msg:\"back\"; content:\"attack-back\"; sid:2;)\n";
    let running = Running::start(&node, folder.path(), rules, "--tap --workers 2");
    for address in ["10.77.0.2:8030", "[fd77::2]:8030"] {
        let address: SocketAddr = address.parse().expect("an address");
        let listener = two.within(move || TcpListener::bind(address)).expect("a listener");
        let server = two.thread(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut bytes = [0; 12];
            stream.read_exact(&mut bytes).expect("a question");
            stream.write_all(b"attack-back").expect("an answer");
        });
        let answer = one.within(move || {
            let mut stream = connect(address);
            stream.write_all(b"attack-").expect("a beginning");
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(b"there").expect("an end");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            answer
        });
        server.join().expect("a server");
        assert_eq!(answer, "attack-back", "nothing is held up");
    }
    std::thread::sleep(Duration::from_millis(200));
    let said = running.end();
    assert!(said.contains("tap: watching br0, veth1, veth2"), "{said}");
    assert!(said.contains(" 0 not shown to us"), "{said}");
    let path = folder.path().join("eve.json");
    assert_eq!(alerts(&path), [(1, 2), (2, 2)].into(), "{said}");
    let events = events(&path);
    for event in events.iter().filter(|event| event["event_type"] == "alert") {
        let from = if event["alert"]["signature_id"] == 1 { "veth1" } else { "veth2" };
        assert_eq!(event["in_iface"], from, "{event}");
        assert_eq!(event["alert"]["action"], "allowed", "{event}");
    }
    let flows = events.iter().filter(|event| event["event_type"] == "flow" && event["dest_port"] == 8030);
    for flow in flows {
        assert!(flow["flow"]["pkts_toserver"].as_u64() <= Some(9), "each packet once: {flow}");
    }
}

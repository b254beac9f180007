//! More than there is room for, through the host hook: memory stays under its cap, what was there before lives, and what is shed
//! is counted where an operator sees it. The order of shedding is in the README.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mamparo::capture::LinkType;
use mamparo::engine::settings::Limits;
use mamparo::types::Timestamp;
use serde_json::Value;

use crate::support::binary::{alerts, events};
use crate::support::engine::{Make, Packet, frame};
use crate::support::lab::{At, Ips, Lab};
use crate::support::netns::Namespace;
use crate::support::raw::Raw;

const ATTACK: &str =
    "drop http any any -> any any (msg:\"attack\"; flow:to_server; http.uri; content:\"/attack\"; sid:1;)\n";
/// Caps so small that a flood of seconds reaches them.
const CAPS: &[&str] = &[
    "--workers",
    "1",
    "--set",
    "flow.memcap=4mb",
    "--set",
    "defrag.memcap=2mb",
    "--set",
    "stream.memcap=4mb",
    "--set",
    "stats.interval=1",
];
/// What the caps, the buffers of queues and the program itself come to, at most, over what it has before: bytes.
const MORE_MAX: u64 = 64 << 20;
const FLOOD: Duration = Duration::from_secs(3);
/// How long a transfer may stand still: what is lost is sent again later and later.
const PATIENCE: Duration = Duration::from_secs(10);

/// A question and an answer, again and again, over one connection that was there before.
struct Talk {
    client: TcpStream,
    server: TcpStream,
}

impl Talk {
    fn new(lab: &Lab, port: u16) -> Talk {
        let listener = lab.listen(At::Two, false, port);
        let client = lab.connect(At::One, At::Two, false, port).expect("a connection");
        let server = listener.accept().expect("a client").0;
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("no delay");
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        }
        Talk { client, server }
    }

    /// How long the slowest of these took.
    fn slowest(&mut self, until: &AtomicBool) -> (Duration, usize) {
        let (mut slowest, mut count) = (Duration::ZERO, 0);
        while !until.load(Ordering::Relaxed) || count == 0 {
            let begun = Instant::now();
            let mut room = [0; 4];
            self.client.write_all(b"ping").expect("the connection lives");
            self.server.read_exact(&mut room).expect("the connection lives");
            self.server.write_all(b"pong").expect("the connection lives");
            self.client.read_exact(&mut room).expect("the connection lives");
            slowest = slowest.max(begun.elapsed());
            count += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        (slowest, count)
    }
}

/// Resident bytes of a process, now.
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) << 10
}

/// Frames as fast as they can be sent, from that number on, each made by its number.
fn flood(from: &Namespace, first: u32, make: impl Fn(u32) -> Vec<u8> + Send) -> u32 {
    from.within(move || {
        let raw = Raw::open("eth0");
        let begun = Instant::now();
        let mut number = first;
        while begun.elapsed() < FLOOD {
            for _ in 0..64 {
                raw.push(&make(number));
                number = number.wrapping_add(1);
            }
        }
        number.wrapping_sub(first)
    })
}

/// SYNs and datagrams in turn, each of a flow of its own, many a system call, on the first processor, until that is so.
fn flood_together(from: &Namespace, links: [u8; 12], until: &AtomicBool) {
    from.within(move || {
        stay_on(0);
        let raw = Raw::open("eth0");
        let mut frames: Vec<Vec<u8>> = (0..128).flat_map(|_| [syn(links, 1), datagram(links, 1)]).collect();
        for frame in &mut frames {
            // with the two words that are to change left out: they come to all ones together
            frame[18..20].fill(0);
            frame[24..26].fill(0);
            frame[28..30].fill(0);
            let sum = checksum(&frame[14..34]);
            frame[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        let mut number = 0u32;
        while !until.load(Ordering::Relaxed) {
            for frame in &mut frames {
                number = number.wrapping_add(1);
                let source = 0x8000 | (number >> 14) as u16 & 0x7fff;
                frame[18..20].copy_from_slice(&(!source).to_be_bytes());
                frame[28..30].copy_from_slice(&source.to_be_bytes());
                frame[34..36].copy_from_slice(&(1024 + (number % (1 << 14)) as u16).to_be_bytes());
            }
            raw.push_all(&frames);
        }
    });
}

/// Keeps this thread on that processor: what the kernel has to do for it is done there, too.
fn stay_on(processor: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    // where that may not be said it is as it comes
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// What flows over a connection that was there before, each byte by its place, until that is so. How much of it arrived, and the
/// longest time that nothing of it did: [`PATIENCE`] when it has come to a stop.
fn transfer(mut client: TcpStream, mut server: TcpStream, until: &AtomicBool) -> (u64, Duration) {
    let last = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    client.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    server.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            stay_on(last);
            let block: Vec<u8> = (0..251u8).cycle().take(251 * 64).collect();
            while !until.load(Ordering::Relaxed) && client.write_all(&block).is_ok() {
                // a stream, not a flood of its own
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        stay_on(last);
        let (mut room, mut count, mut longest) = (vec![0; 64 << 10], 0u64, Duration::ZERO);
        loop {
            let begun = Instant::now();
            let len = match server.read(&mut room) {
                Ok(0) => return (count, longest),
                Ok(len) => len,
                Err(_) => return (count, PATIENCE),
            };
            longest = longest.max(begun.elapsed());
            for byte in &room[..len] {
                assert_eq!(u64::from(*byte), count % 251, "byte {count}");
                count += 1;
            }
        }
    })
}

/// The addresses of links.
fn links(lab: &Lab) -> [u8; 12] {
    let read = |at: At| -> Vec<u8> {
        let text = lab.namespace(at).shell("cat /proc/self/net/arp >/dev/null; ip -br link show eth0");
        let word = text.split_whitespace().find(|word| word.matches(':').count() == 5).expect("an address");
        word.split(':').map(|pair| u8::from_str_radix(pair, 16).expect("a byte")).collect()
    };
    let mut all = [0; 12];
    all[..6].copy_from_slice(&read(At::Two));
    all[6..].copy_from_slice(&read(At::One));
    all
}

/// An IPv4 packet from an address by its number to container two.
fn packet(links: [u8; 12], number: u32, fragment: u16, protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut ip = vec![0x45, 0];
    ip.extend(((20 + body.len()) as u16).to_be_bytes());
    ip.extend((number as u16).to_be_bytes());
    ip.extend(fragment.to_be_bytes());
    ip.extend([64, protocol, 0, 0]);
    ip.extend([10, 20, (number >> 20) as u8 | 0x80, (number >> 12) as u8]);
    ip.extend([10, 20, 0, 12]);
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    [&links[..], &[8, 0], &ip, body].concat()
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks(2).map(|pair| (u32::from(pair[0]) << 8) | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A SYN, with a checksum that nobody looks at.
fn syn(links: [u8; 12], number: u32) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(20);
    tcp.extend((1024 + (number % 60_000) as u16).to_be_bytes());
    tcp.extend(8080u16.to_be_bytes());
    tcp.extend(number.to_be_bytes());
    tcp.extend([0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    packet(links, number, 0, 6, &tcp)
}

/// A flow of one datagram.
fn datagram(links: [u8; 12], number: u32) -> Vec<u8> {
    let mut udp = Vec::with_capacity(12);
    udp.extend((1024 + (number % 60_000) as u16).to_be_bytes());
    udp.extend([0, 53, 0, 12, 0, 0]);
    udp.extend(b"once");
    packet(links, number, 0, 17, &udp)
}

/// A first fragment of a packet that never becomes whole.
fn fragment(links: [u8; 12], number: u32) -> Vec<u8> {
    packet(links, number, 0x2000, 17, &[0x55; 1024])
}

/// The counters of the last record, all of it.
fn counters(ips: &Ips) -> Value {
    let last = events(&ips.eve()).into_iter().rfind(|event| event["event_type"] == "stats");
    last.expect("counters")["stats"].take()
}

/// Floods, while one talk goes on; counters at the end.
fn overload(test: &str, more: &[&str], make: fn([u8; 12], u32) -> Vec<u8>) -> Option<(Value, u32)> {
    let lab = Lab::new(test)?;
    if !lab.bridged {
        crate::support::skip(test, "this kernel has no br_netfilter");
        return None;
    }
    // nobody answers what nobody has asked for
    lab.namespace(At::Two).shell(
        "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all",
    );
    let mut ips = Ips::start(&lab, "overload", ATTACK, &[CAPS, more].concat())?;
    let mut talk = Talk::new(&lab, 8400);
    let done = AtomicBool::new(false);
    talk.slowest(&AtomicBool::new(true));
    let before = resident(ips.pid());
    let links = links(&lab);
    let (sent, most, (slowest, count)) = std::thread::scope(|scope| {
        let talking = scope.spawn(|| talk.slowest(&done));
        let watching = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(resident(ips.pid()));
                std::thread::sleep(Duration::from_millis(20));
            }
            most
        });
        let sent = flood(lab.namespace(At::One), 1, move |number| make(links, number));
        done.store(true, Ordering::Relaxed);
        (sent, watching.join().expect("no panic"), talking.join().expect("the talk goes on"))
    });
    assert!(most < before + MORE_MAX, "{before} bytes before, {most} while {sent} frames came");
    // a packet may be lost to a full queue and sent again
    assert!(count >= 5 && slowest < Duration::from_secs(3), "{count} talks, the slowest took {slowest:?}");
    // rules hold as before, soon
    let begun = Instant::now();
    let server = lab.listen(At::Two, false, 8401);
    let mut client = lab.connect(At::One, At::Two, false, 8401).expect("new connections begin");
    let mut peer = server.accept().expect("a client").0;
    client.write_all(b"GET /attack HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    peer.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    assert!(peer.read(&mut [0; 100]).is_err(), "attacks are dropped");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let stopping = Instant::now();
    ips.stop();
    assert!(stopping.elapsed() < Duration::from_secs(10), "it ends soon: {:?}", stopping.elapsed());
    assert_eq!(lab.hooks(), "");
    assert_eq!(alerts(&ips.eve()).get(&1), Some(&1));
    let counters = counters(&ips);
    let frames = &counters["frames"];
    let count = |name: &str| frames[name].as_u64().unwrap_or(0);
    assert_eq!(
        counters["capture"]["kernel_packets"].as_u64(),
        Some(count("forwarded") + count("bypassed") + count("dropped")),
        "{counters}"
    );
    Some((counters, sent))
}

#[test]
fn a_flood_of_connections_that_begin_stays_within_bounds() {
    let Some((counters, sent)) = overload("overload syn", &[], syn) else { return };
    assert!(sent > 30_000, "{sent}");
    assert!(counters["flow"]["memcap"].as_u64() >= Some(1), "{counters}");
}

#[test]
fn many_flows_of_one_datagram_stay_within_bounds() {
    let Some((counters, sent)) = overload("overload flows", &[], datagram) else { return };
    assert!(sent > 30_000, "{sent}");
    assert!(counters["flow"]["memcap"].as_u64() >= Some(1), "{counters}");
}

#[test]
fn a_flood_of_fragments_stays_within_bounds() {
    let Some((counters, sent)) = overload("overload fragments", &[], fragment) else { return };
    assert!(sent > 30_000, "{sent}");
    assert!(counters["defrag"]["memcap_reached"].as_u64() >= Some(1), "{counters}");
}

/// SYNs and datagrams in turn, each a flow of its own, as fast as they can be sent. What rate that was is printed, not asked for:
/// about 150,000 a second on two cores that also sent them.
#[test]
fn new_flows_as_fast_as_they_can_be_sent_end_no_transfer() {
    let test = "overload rate";
    let Some(lab) = Lab::new(test) else { return };
    if !lab.bridged {
        return crate::support::skip(test, "this kernel has no br_netfilter");
    }
    // nobody answers, which would be a second flood
    lab.namespace(At::Two).shell("ip route add blackhole 10.20.128.0/17");
    let Some(mut ips) = Ips::start(&lab, "rate", ATTACK, CAPS) else { return };
    let listener = lab.listen(At::Two, false, 8420);
    let client = lab.connect(At::One, At::Two, false, 8420).expect("a connection");
    let server = listener.accept().expect("a client").0;
    let links = links(&lab);
    let arrived = || -> u64 {
        let count = lab.namespace(At::Node).shell("ip -s -j link show one | grep -o '\"rx\":{[^}]*}'");
        let after = count.split("\"packets\":").nth(1).unwrap_or_default();
        after.split(',').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let done = AtomicBool::new(false);
    let (before, arrived_before) = (resident(ips.pid()), arrived());
    let (most, rate, (moved, longest)) = std::thread::scope(|scope| {
        let moving = scope.spawn(|| transfer(client, server, &done));
        scope.spawn(|| flood_together(lab.namespace(At::One), links, &done));
        let (begun, mut most) = (Instant::now(), 0);
        while begun.elapsed() < FLOOD {
            most = most.max(resident(ips.pid()));
            std::thread::sleep(Duration::from_millis(10));
        }
        let rate = (arrived() - arrived_before) * 1000 / begun.elapsed().as_millis() as u64;
        done.store(true, Ordering::Relaxed);
        (most, rate, moving.join().expect("the transfer goes on"))
    });
    ips.stop();
    assert_eq!(lab.hooks(), "");
    let counters = counters(&ips);
    let _ = writeln!(
        std::io::stderr(),
        "{rate} new flows a second came to the host, {} of them were taken up, {} were looked at in all; memory: {} MiB before, {} MiB at most; {} KiB of a transfer went by meanwhile, which waited {longest:?} at most",
        counters["flow"]["total"],
        counters["capture"]["kernel_packets"],
        before >> 20,
        most >> 20,
        moved >> 10,
    );
    assert!(most < before + MORE_MAX, "{before} bytes before, {most} at most");
    assert!(moved > 251 * 64 && longest < PATIENCE, "{moved} bytes arrived; {counters}");
}

#[test]
fn flows_that_trickle_cost_little_and_are_inspected_to_their_end() {
    let Some(lab) = Lab::new("overload trickle") else { return };
    let Some(mut ips) = Ips::start(&lab, "trickle", ATTACK, CAPS) else { return };
    let listener = lab.listen(At::Two, false, 8410);
    let mut ends: Vec<(TcpStream, TcpStream)> = (0..200)
        .map(|_| {
            let client = lab.connect(lab.client(), At::Two, false, 8410).expect("a connection");
            (client, listener.accept().expect("a client").0)
        })
        .collect();
    let before = resident(ips.pid());
    let request = b"GET /attack HTTP/1.1\r\nHost: a\r\n\r\n";
    for byte in request.chunks(1) {
        for (client, _) in &mut ends {
            client.write_all(byte).expect("sent");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(resident(ips.pid()) < before + MORE_MAX);
    for (_, peer) in &mut ends {
        peer.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
        let mut all = Vec::new();
        let _ = peer.read_to_end(&mut all);
        assert!(all.len() <= b"GET /attack HTTP/1.1\r".len(), "{}", String::from_utf8_lossy(&all));
    }
    ips.stop();
    assert_eq!(alerts(&ips.eve()).get(&1), Some(&200));
}

#[test]
fn a_limit_of_flows_that_is_lowered_holds_soon() {
    let engine = Make::default().engine();
    let mut worker = engine.worker();
    let mut number = 0u64;
    let mut flows = |worker: &mut mamparo::engine::worker::Worker, count: u32| {
        for _ in 0..count {
            number += 1;
            let bytes = datagram([2; 12], number as u32);
            let packet = Packet { timestamp: Timestamp(number), link: LinkType::ETHERNET, bytes };
            worker.frame(&frame(&packet, number));
            worker.batch().clear();
        }
    };
    flows(&mut worker, 5000);
    assert_eq!(worker.flow_count(), 5000);
    worker.limit(Limits { flow: 256 << 10, ..engine.config.limits() });
    flows(&mut worker, 2500);
    assert_eq!(worker.flow_count(), 2500, "two end for each that begins");
    flows(&mut worker, 2500);
    assert!((16..600).contains(&worker.flow_count()), "{}", worker.flow_count());
    worker.limit(engine.config.limits());
    flows(&mut worker, 1000);
    assert!(worker.flow_count() > 1000);
}

//! `mamparo run --inline host` on real traffic: namespaces made here, the kernel's own queues, and what arrives is counted at the
//! receiver.
#![expect(clippy::disallowed_methods, reason = "traffic takes its time: deadlines and pauses are real ones")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::binary::{alerts, events};
use crate::support::lab::{At, Ips, Lab};
use crate::support::raw::Raw;

const ATTACK: &str =
    "drop http any any -> any any (msg:\"attack\"; flow:to_server; http.uri; content:\"/attack\"; sid:1;)\n";
const REJECT: &str = "rejectboth http any any -> any any (msg:\"attack\"; flow:to_server; http.uri; content:\"/attack\"; sid:2;)\n";
const DATAGRAM: &str = "drop udp any any -> any any (msg:\"datagram\"; content:\"forbidden\"; sid:3;)\n";
const SOON: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_millis(300);

/// What a receiver gets within a moment.
fn received(stream: &mut TcpStream, moment: Duration) -> (Vec<u8>, std::io::Result<()>) {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let deadline = Instant::now() + moment;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return (all, Ok(()));
        }
        stream.set_read_timeout(Some(left)).expect("a timeout");
        match stream.read(&mut buffer) {
            Ok(0) => return (all, Ok(())),
            Ok(len) => all.extend_from_slice(&buffer[..len]),
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                return (all, Ok(()));
            }
            Err(error) => return (all, Err(error)),
        }
    }
}

#[test]
fn a_request_over_several_segments_is_cut_where_it_matches() {
    let Some(lab) = Lab::new("live segments") else { return };
    let Some(mut ips) = Ips::start(&lab, "segments", ATTACK, &["--fail", "open"]) else { return };
    let paths = if lab.bridged { vec![At::One, At::Outside] } else { vec![At::Outside] };
    let mut tried = 0;
    for (nth, (from, v6)) in paths.iter().flat_map(|from| [(*from, false), (*from, true)]).enumerate() {
        let port = 8000 + nth as u16;
        let server = lab.listen(At::Two, v6, port);
        // what is harmless comes whole
        let mut client = lab.connect(from, At::Two, v6, port).expect("a connection");
        let mut peer = server.accept().expect("a client").0;
        client.write_all(b"GET /harmless HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        assert!(received(&mut peer, MOMENT).0.ends_with(b"\r\n\r\n"), "{from:?} v6 {v6}");
        // what is not comes as far as it was forwarded before the match, and never further
        let pieces = [&b"GET /att"[..], b"ack HT", b"TP/1.1\r\nHost: a\r\n\r\n", b"and more"];
        let mut client = lab.connect(from, At::Two, v6, port).expect("a connection");
        let mut peer = server.accept().expect("a client").0;
        let mut got = Vec::new();
        for piece in pieces {
            client.write_all(piece).expect("sent");
            got.extend(received(&mut peer, Duration::from_millis(100)).0);
        }
        got.extend(received(&mut peer, Duration::from_millis(500)).0);
        let whole = pieces.concat();
        assert!(whole.starts_with(&got), "{from:?} v6 {v6}: {}", String::from_utf8_lossy(&got));
        // the piece that completes the request line is the first that can match; the one before completes the name
        assert!(got.len() <= 14, "{from:?} v6 {v6}: {} bytes arrived", got.len());
        tried += 1;
    }
    ips.stop();
    assert_eq!(alerts(&ips.eve()).get(&1), Some(&tried));
    assert_eq!(lab.hooks(), "", "nothing is left in the kernel");
    let drops = events(&ips.eve()).into_iter().filter(|event| event["event_type"] == "drop");
    assert!(drops.count() as u64 >= tried);
}

/// A connection whose own end is `own`, which resets what it has open when it is closed.
fn connect_as(lab: &Lab, from: At, own: SocketAddr, there: SocketAddr) -> std::io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};
    let stream = lab.at(from, move || -> std::io::Result<TcpStream> {
        let family = if own.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let fd = socket(family, SocketType::STREAM, None)?;
        sockopt::set_socket_reuseaddr(&fd, true)?;
        sockopt::set_socket_linger(&fd, Some(Duration::ZERO))?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Send, Some(Duration::from_secs(10)))?;
        bind(&fd, &own)?;
        connect(&fd, &there)?;
        Ok(TcpStream::from(fd))
    })?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[test]
fn the_ports_of_a_dropped_connection_are_free_for_another() {
    let Some(lab) = Lab::new("live ports again") else { return };
    let Some(mut ips) = Ips::start(&lab, "ports", ATTACK, &["--fail", "open"]) else { return };
    let from = lab.client();
    for v6 in [false, true] {
        let server = lab.listen(At::Two, v6, 8300);
        let there = SocketAddr::new(lab.address(At::Two, v6), 8300);
        let own = SocketAddr::new(lab.address(from, v6), 34_567);
        let mut held = Vec::new();
        for round in 0..3 {
            let mut attacker = connect_as(&lab, from, own, there).expect("a connection");
            let mut peer = server.accept().expect("a client").0;
            attacker.write_all(b"GET /attack HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
            assert_eq!(received(&mut peer, Duration::from_millis(100)).0, b"", "v6 {v6}, round {round}");
            // its reset does not arrive either: the server still holds the old connection when the ports are used again
            drop(attacker);
            let mut client =
                connect_as(&lab, from, own, there).expect("another connection on the same ports");
            let mut other = server.accept().expect("a client").0;
            let request = b"GET /harmless HTTP/1.1\r\nHost: a\r\n\r\n";
            client.write_all(request).expect("sent");
            assert_eq!(received(&mut other, MOMENT).0, request, "v6 {v6}, round {round}");
            held.push((peer, other));
        }
    }
    ips.stop();
    assert_eq!(alerts(&ips.eve()).get(&1), Some(&6));
}

/// A split attack there: what was forwarded before the segment that makes it match arrives, and nothing behind it.
#[track_caller]
fn split(lab: &Lab, from: At, to: At, there: &str) {
    let there: SocketAddr = there.parse().expect("an address");
    let server = lab.at(to, move || TcpListener::bind(there).expect("a port"));
    let whole = b"GET /harmless HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = lab.connect_to(from, there).expect("a connection");
    let mut peer = server.accept().expect("a client").0;
    client.write_all(whole).expect("sent");
    assert_eq!(received(&mut peer, MOMENT).0, whole, "{there}");
    let mut client = lab.connect_to(from, there).expect("a connection");
    let mut peer = server.accept().expect("a client").0;
    for piece in [&b"GET /att"[..], b"ack HTTP/1.1\r\nHost: a\r\n\r\n", b"and more"] {
        client.write_all(piece).expect("sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(received(&mut peer, MOMENT).0, b"GET /att", "{there}");
}

#[test]
fn tagged_frames_on_a_bridge_are_held_where_the_kernel_is_told_to_show_them() {
    let Some(lab) = Lab::new("live tags") else { return };
    if !lab.bridged {
        return crate::support::skip("live tags", "this kernel has no br_netfilter");
    }
    // as a machine has it that nobody has told anything
    let tags = "/proc/sys/net/bridge/bridge-nf-filter-vlan-tagged";
    lab.namespace(At::Node).shell(&format!("echo 0 > {tags}"));
    let receiver = lab.udp(At::Two, false, 8300);
    receiver.set_read_timeout(Some(MOMENT)).expect("a timeout");
    let links = [At::Two, At::One].map(|end| link_address(&lab, end));
    // a receiver takes tags of VLAN 0, which tell a priority alone, for none
    let send = |tags: &[u16], text: &str| {
        let mut frame = links.concat();
        tags.iter().for_each(|kind| frame.extend([(kind >> 8) as u8, *kind as u8, 0x60, 0]));
        frame.extend([8, 0]);
        frame.extend(datagram(text.as_bytes()));
        lab.at(At::One, || Raw::open("eth0").send(&frame));
        let mut room = [0; 100];
        receiver.recv(&mut room).is_ok()
    };
    let Some(mut ips) = Ips::start(&lab, "tags", DATAGRAM, &[]) else { return };
    for words in
        ["warning: frames with a VLAN tag", "warning: bridged frames with two VLAN tags go on unseen"]
    {
        assert!(ips.said().contains(words), "{}", ips.said());
    }
    assert!(send(&[], "fine") && !send(&[], "forbidden"));
    assert!(send(&[0x8100], "forbidden"), "as it was told: not held");
    ips.stop();
    ips.restart(&lab, &["--set", "inline.br-netfilter=set"]);
    for words in
        ["bridge-nf-filter-vlan-tagged was set to 1", "two VLAN tags, which no hook is shown, are dropped"]
    {
        assert!(ips.said().contains(words), "{}", ips.said());
    }
    assert!(send(&[0x8100], "fine") && !send(&[0x8100], "forbidden"));
    assert!(send(&[0x88a8], "fine") && !send(&[0x88a8], "forbidden"));
    assert!(!send(&[0x8100, 0x8100], "forbidden") && !send(&[0x88a8, 0x8100, 0x8100], "forbidden"));
    ips.stop();
    assert_eq!(lab.hooks(), "", "nothing is left");
    assert!(send(&[0x8100, 0x8100], "forbidden"), "nobody is there: everything passes");
}

/// The link address of an end.
fn link_address(lab: &Lab, end: At) -> Vec<u8> {
    let said = lab.namespace(end).shell("ip -br link show eth0");
    let word = said.split_whitespace().find(|word| word.matches(':').count() == 5).expect("an address");
    word.split(':').map(|pair| u8::from_str_radix(pair, 16).expect("a byte")).collect()
}

/// A datagram from container one to port 8300 of container two.
fn datagram(data: &[u8]) -> Vec<u8> {
    let len = (28 + data.len()) as u16;
    let mut packet = vec![0x45, 0, (len >> 8) as u8, len as u8, 0, 1, 0, 0, 64, 17, 0, 0];
    packet.extend([10, 20, 0, 11, 10, 20, 0, 12]);
    let mut sum: u32 = packet.chunks(2).map(|pair| (u32::from(pair[0]) << 8) | u32::from(pair[1])).sum();
    sum = (sum & 0xffff) + (sum >> 16);
    packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    packet.extend([0x20, 0, 0x20, 0x6c]);
    packet.extend((len - 20).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(data);
    packet
}

#[test]
fn what_is_in_a_tunnel_on_a_bridge_is_held() {
    let Some(lab) = Lab::new("live vxlan") else { return };
    if !lab.bridged {
        return crate::support::skip("live vxlan", "this kernel has no br_netfilter");
    }
    for (end, last, other) in [(At::One, 11, 12), (At::Two, 12, 11)] {
        let end = lab.namespace(end);
        end.ip(&format!("link add vx0 type vxlan id 42 remote 10.20.0.{other} dstport 4789 dev eth0"));
        end.ip("link set vx0 up");
        end.ip(&format!("addr add 10.40.0.{last}/24 dev vx0"));
        end.ip(&format!("addr add fd40::{last}/64 dev vx0 nodad"));
    }
    let Some(mut ips) = Ips::start(&lab, "vxlan", ATTACK, &[]) else { return };
    split(&lab, At::One, At::Two, "10.40.0.12:8310");
    split(&lab, At::Two, At::One, "[fd40::11]:8311");
    ips.stop();
    assert_eq!(alerts(&ips.eve()).get(&1), Some(&2));
    let all = events(&ips.eve());
    let alert = all.iter().find(|event| event["event_type"] == "alert").expect("an alert");
    assert_eq!(alert["dest_ip"], "10.40.0.12", "{alert}");
}

#[test]
fn a_datagram_over_several_fragments_is_dropped() {
    let Some(lab) = Lab::new("live fragments") else { return };
    let Some(mut ips) = Ips::start(&lab, "fragments", DATAGRAM, &[]) else { return };
    for v6 in [false, true] {
        let receiver = lab.udp(At::Two, v6, 9000);
        receiver.set_read_timeout(Some(SOON)).expect("a timeout");
        let sender = lab.udp(lab.client(), v6, 9001);
        let to = receiver.local_addr().expect("an address");
        let mut buffer = [0; 8192];
        let mut datagram = vec![b'x'; 4000];
        sender.send_to(&datagram, to).expect("sent");
        assert_eq!(receiver.recv(&mut buffer).expect("what is harmless arrives"), 4000);
        // over the border of the first two fragments
        for at in [1440, 1475, 2000, 3900] {
            datagram.fill(b'x');
            datagram[at..at + 9].copy_from_slice(b"forbidden");
            sender.send_to(&datagram, to).expect("sent");
        }
        receiver.set_read_timeout(Some(MOMENT)).expect("a timeout");
        assert!(receiver.recv(&mut buffer).is_err(), "v6 {v6}: nothing of it arrives");
    }
    ips.stop();
    assert_eq!(alerts(&ips.eve()).get(&3), Some(&8));
}

#[test]
fn a_rejected_connection_closes_at_both_ends_at_once() {
    let Some(lab) = Lab::new("live reject") else { return };
    let Some(mut ips) = Ips::start(&lab, "reject", REJECT, &["--fail", "open"]) else { return };
    for v6 in [false, true] {
        let server = lab.listen(At::Two, v6, 8080);
        let mut client = lab.connect(lab.client(), At::Two, v6, 8080).expect("a connection");
        let mut peer = server.accept().expect("a client").0;
        let begun = Instant::now();
        client.write_all(b"GET /attack HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        let (at_client, closed) = received(&mut client, SOON);
        assert!(at_client.is_empty() && closed.is_err(), "v6 {v6}: the client is told: {closed:?}");
        let (at_server, closed) = received(&mut peer, SOON);
        assert!(at_server.is_empty() && closed.is_err(), "v6 {v6}: the server is told: {closed:?}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    ips.stop();
    assert_eq!(alerts(&ips.eve()).get(&2), Some(&2));
}

/// A transfer that goes on until it is told to stop: what arrives is held against what was sent.
struct Transfer<'a> {
    arrived: &'a AtomicU64,
    stop: &'a AtomicBool,
}

impl Transfer<'_> {
    fn run<'scope>(
        &'scope self,
        scope: &'scope std::thread::Scope<'scope, '_>,
        mut from: TcpStream,
        mut to: TcpStream,
    ) {
        scope.spawn(move || {
            from.set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            let mut at = 0u64;
            let mut piece = vec![0; 16 << 10];
            while !self.stop.load(Ordering::Relaxed) {
                piece.iter_mut().enumerate().for_each(|(nth, byte)| *byte = expected(at + nth as u64));
                from.write_all(&piece).expect("the connection lives");
                at += piece.len() as u64;
                // not as fast as it can be: other tests run beside
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        scope.spawn(move || {
            to.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            let mut buffer = vec![0; 64 << 10];
            let mut at = 0u64;
            loop {
                match to.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(len) => {
                        let right = buffer[..len]
                            .iter()
                            .enumerate()
                            .all(|(nth, byte)| *byte == expected(at + nth as u64));
                        assert!(right, "what arrives is what was sent");
                        at += len as u64;
                        self.arrived.store(at, Ordering::Relaxed);
                    }
                    Err(error) => panic!("the connection lives: {error}"),
                }
            }
        });
    }

    /// More arrives, soon.
    #[track_caller]
    fn goes_on(&self, when: &str) {
        let before = self.arrived.load(Ordering::Relaxed);
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.arrived.load(Ordering::Relaxed) < before + (256 << 10) {
            assert!(Instant::now() < deadline, "{when}: nothing arrives any more");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Stops transfers also when an assertion fails, so that their threads end.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn expected(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9) >> 13) as u8
}

#[test]
fn what_was_established_lives_through_start_reloads_stop_and_a_crash() {
    let Some(lab) = Lab::new("live life") else { return };
    let server = lab.listen(At::Two, false, 7000);
    let from = lab.connect(lab.client(), At::Two, false, 7000).expect("a connection");
    let to = server.accept().expect("a client").0;
    let (arrived, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let transfer = Transfer { arrived: &arrived, stop: &stop };
    std::thread::scope(|scope| {
        let _end = StopAtEnd(&stop);
        transfer.run(scope, from, to);
        transfer.goes_on("before");
        let Some(mut ips) = Ips::start(&lab, "life", ATTACK, &["--fail", "open"]) else { return };
        transfer.goes_on("after the start");
        for nth in 1..=20 {
            std::fs::write(
                &ips.rules,
                format!("{ATTACK}alert tcp any any -> any any (content:\"none{nth}\"; sid:{};)\n", 100 + nth),
            )
            .expect("rules");
            ips.signal(Signal::USR2);
            let deadline = Instant::now() + Duration::from_secs(10);
            while ips.said().matches("the new rules are in use").count() < nth {
                assert!(Instant::now() < deadline, "{}", ips.said());
                std::thread::sleep(Duration::from_millis(5));
            }
            transfer.goes_on("after a reload");
        }
        // a broken file keeps the rules that are in use
        std::fs::write(&ips.rules, "drop http any any -> any any (content:\"a\"; nonsense; sid:9;)\n")
            .expect("rules");
        ips.signal(Signal::USR2);
        ips.wait_for("the rules in use stay").expect("it says so");
        transfer.goes_on("after a reload that failed");
        std::fs::write(&ips.rules, ATTACK).expect("rules");
        let attacked = attacked(&lab);
        assert!(attacked.is_empty(), "the old rules still drop: {attacked:?}");
        ips.stop();
        transfer.goes_on("after the stop");
        assert_eq!(lab.hooks(), "");
        ips.restart(&lab, &["--fail", "open"]);
        transfer.goes_on("after another start");
        ips.signal(Signal::KILL);
        ips.ended();
        transfer.goes_on("after a crash");
        assert!(!lab.hooks().is_empty(), "a crash leaves the hooks");
        ips.restart(&lab, &["--fail", "open"]);
        transfer.goes_on("after a start behind a crash");
        ips.stop();
        assert_eq!(lab.hooks(), "", "what was left was adopted, and is removed");
        transfer.goes_on("at the end");
    });
}

/// What an attack brings to a server of its own.
fn attacked(lab: &Lab) -> Vec<u8> {
    let server = lab.listen(At::Two, false, 7001);
    let mut client = lab.connect(lab.client(), At::Two, false, 7001).expect("a connection");
    let mut peer = server.accept().expect("a client").0;
    client.write_all(b"GET /attack HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    received(&mut peer, MOMENT).0
}

#[test]
fn fail_closed_lets_nothing_pass_while_nobody_looks() {
    let Some(lab) = Lab::new("live closed") else { return };
    let closed = ["--fail", "closed"];
    let Some(mut ips) = Ips::start(&lab, "closed", ATTACK, &closed) else { return };
    let server = lab.listen(At::Two, false, 7002);
    let mut client = lab.connect(lab.client(), At::Two, false, 7002).expect("a connection");
    let mut peer = server.accept().expect("a client").0;
    client.write_all(b"first").expect("sent");
    assert_eq!(received(&mut peer, MOMENT).0, b"first");
    ips.signal(Signal::KILL);
    ips.ended();
    client.write_all(b"second").expect("it is sent, and does not arrive");
    assert_eq!(received(&mut peer, Duration::from_millis(700)).0, b"", "nothing passes");
    assert!(lab.connect(lab.client(), At::Two, false, 7003).is_err(), "nothing new begins");
    ips.restart(&lab, &closed);
    // what waited is sent again by its sender
    assert_eq!(received(&mut peer, Duration::from_secs(5)).0.get(..6), Some(&b"second"[..]));
    assert!(attacked(&lab).is_empty());
    ips.stop();
    assert_eq!(lab.hooks(), "");
}

#[test]
fn a_dry_run_says_what_it_would_drop_and_drops_nothing() {
    let Some(lab) = Lab::new("live dry run") else { return };
    let Some(mut ips) = Ips::start(&lab, "dry", ATTACK, &["--dry-run"]) else { return };
    assert!(attacked(&lab).ends_with(b"\r\n\r\n"), "it arrives");
    ips.stop();
    let events = events(&ips.eve());
    let drop = events.iter().find(|event| event["event_type"] == "drop").expect("a record of it");
    assert_eq!(drop["dry_run"], true);
    assert_eq!(alerts(&ips.eve()).get(&1), Some(&1));
}

#[test]
fn time_goes_on_without_packets_and_logs_are_opened_anew() {
    let Some(lab) = Lab::new("live time") else { return };
    let times = ["--set", "flow-timeouts.udp.new=1"];
    let Some(mut ips) = Ips::start(&lab, "time", DATAGRAM, &times) else { return };
    let to = lab.udp(At::Two, false, 9100).local_addr().expect("an address");
    lab.udp(lab.client(), false, 9101).send_to(b"alone", to).expect("sent");
    let ended = |path: &std::path::Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .any(|line| line.contains("\"dest_port\":9100") && line.contains("\"reason\":\"timeout\""))
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ended(&ips.eve()) {
        assert!(Instant::now() < deadline, "the flow ends by itself");
        std::thread::sleep(Duration::from_millis(50));
    }
    let moved = ips.folder.path().join("eve.old");
    std::fs::rename(ips.eve(), &moved).expect("moved");
    ips.signal(Signal::HUP);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ips.eve().exists() {
        assert!(Instant::now() < deadline, "another file is begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    ips.stop();
    assert!(!events(&ips.eve()).is_empty() && !events(&moved).is_empty());
}

#[test]
fn the_kernel_forwards_what_is_bypassed_without_us() {
    let Some(lab) = Lab::new("live bypass") else { return };
    let rules = "alert tcp any any -> any 7200 (msg:\"enough\"; flow:to_server,established; content:\"enough\"; bypass; sid:4;)\n";
    let Some(mut ips) = Ips::start(&lab, "bypass", rules, &[]) else { return };
    let server = lab.listen(At::Two, false, 7200);
    let mut client = lab.connect(lab.client(), At::Two, false, 7200).expect("a connection");
    let mut peer = server.accept().expect("a client").0;
    client.write_all(b"enough").expect("sent");
    assert_eq!(received(&mut peer, MOMENT).0, b"enough");
    for _ in 0..300 {
        client.write_all(b"more").expect("sent");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(received(&mut peer, MOMENT).0.len(), 1200, "it arrives");
    ips.stop();
    let stats =
        events(&ips.eve()).into_iter().rfind(|event| event["event_type"] == "stats").expect("counters");
    let frames = &stats["stats"]["frames"];
    assert_eq!(alerts(&ips.eve()).get(&4), Some(&1));
    assert!(frames["bypassed"].as_u64() >= Some(1), "{frames}");
    let seen = frames["forwarded"].as_u64().unwrap_or(0) + frames["bypassed"].as_u64().unwrap_or(0);
    assert!(seen < 100, "{seen} packets came to us");
    assert_eq!(lab.hooks(), "");
}

#[test]
fn a_literal_is_replaced_in_the_packet_that_goes_on() {
    let Some(lab) = Lab::new("live replace") else { return };
    let rules = "alert tcp any any -> any any (msg:\"other\"; flow:to_server; content:\"GET /\"; content:\"secret\"; distance:0; replace:\"public\"; sid:5;)\n\
        alert udp any any -> any any (msg:\"other\"; content:\"forbidden\"; replace:\"permitted\"; sid:6;)\n\
        alert http any any -> any any (msg:\"as it was sent\"; flow:to_server; http.uri; content:\"/secret\"; sid:7;)\n";
    let Some(mut ips) = Ips::start(&lab, "replace", rules, &["--fail", "open"]) else { return };
    for (nth, v6) in [false, true].into_iter().enumerate() {
        let port = 8500 + nth as u16;
        let server = lab.listen(At::Two, v6, port);
        let mut client = lab.connect(lab.client(), At::Two, v6, port).expect("a connection");
        let mut peer = server.accept().expect("a client").0;
        client.write_all(b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        assert_eq!(received(&mut peer, MOMENT).0, b"GET /public HTTP/1.1\r\nHost: a\r\n\r\n", "v6 {v6}");
        // the connection goes on, and what is not about it is as it was
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").expect("sent");
        assert!(received(&mut client, MOMENT).0.ends_with(b"secret"), "v6 {v6}");
        // a packet larger than any on a wire: segments that are yet to be cut
        let mut large = vec![b'.'; 60_000];
        large[..6].copy_from_slice(b"GET / ");
        large[40_000..40_006].copy_from_slice(b"secret");
        client.write_all(&large).expect("sent");
        let arrived = received(&mut peer, Duration::from_secs(1)).0;
        large[40_000..40_006].copy_from_slice(b"public");
        assert_eq!(arrived.len(), large.len(), "v6 {v6}: it is not lost to a wrong checksum");
        // where the literal is in another packet than the one that the rule asks for, it stays
        let same = arrived == large || arrived.get(40_000..40_006) == Some(b"secret");
        assert!(same, "v6 {v6}: {:?}", arrived.get(40_000..40_006));
        let receiver = lab.udp(At::Two, v6, port);
        receiver.set_read_timeout(Some(SOON)).expect("a timeout");
        let sender = lab.udp(lab.client(), v6, port + 100);
        let mut room = [0; 100];
        for (sent, there) in
            [("all is forbidden", "all is permitted"), ("odd forbidden!", "odd permitted!"), ("fine", "fine")]
        {
            sender.send_to(sent.as_bytes(), receiver.local_addr().expect("an address")).expect("sent");
            let len = receiver.recv(&mut room).expect("it arrives");
            assert_eq!(room[..len], *there.as_bytes(), "v6 {v6}");
        }
    }
    ips.stop();
    let alerts = alerts(&ips.eve());
    assert_eq!((alerts.get(&6), alerts.get(&7)), (Some(&4), Some(&2)), "{alerts:?}");
    assert!(alerts.get(&5) >= Some(&2), "{alerts:?}");
    let stats =
        events(&ips.eve()).into_iter().rfind(|event| event["event_type"] == "stats").expect("counters");
    assert!(stats["stats"]["ips"]["replaced"].as_u64() >= Some(6), "{stats}");
    let dry = ips.folder.path().join("eve.json");
    std::fs::remove_file(dry).expect("removed");
    // nothing is changed when nothing is to be done
    ips.restart(&lab, &["--dry-run"]);
    let server = lab.listen(At::Two, false, 8510);
    let mut client = lab.connect(lab.client(), At::Two, false, 8510).expect("a connection");
    let mut peer = server.accept().expect("a client").0;
    client.write_all(b"GET /secret HTTP/1.1\r\n").expect("sent");
    assert_eq!(received(&mut peer, MOMENT).0, b"GET /secret HTTP/1.1\r\n");
    ips.stop();
}

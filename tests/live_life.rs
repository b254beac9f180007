//! How a run lives on a host: what it gives up, what it tells those who ask, how it is told what to do, what it holds in memory.
#![expect(clippy::disallowed_methods, reason = "what is started is waited for")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mamparo::capture::nfqueue::Queue;
use mamparo::capture::{Capture as _, LiveCapture as _, LiveOptions};
use mamparo::verdict::Verdict;
use rustix::process::Signal;

use crate::support::binary::events;
use crate::support::lab::{At, Ips, Lab};
use crate::support::skip;

const ATTACK: &str = "drop http any any -> any any (msg:\"attack\"; http.uri; content:\"/attack\"; sid:1;)\n";
const SOON: Duration = Duration::from_secs(10);

/// What a request brings to a server of its own.
fn arrives(lab: &Lab, port: u16, path: &str) -> Vec<u8> {
    let server = lab.listen(At::Two, false, port);
    let mut client = lab.connect(lab.client(), At::Two, false, port).expect("a connection");
    let mut peer = server.accept().expect("a client").0;
    client.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("sent");
    peer.set_read_timeout(Some(Duration::from_millis(400))).expect("a timeout");
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(len @ 1..) = peer.read(&mut buffer) {
        all.extend_from_slice(&buffer[..len]);
    }
    all
}

/// The values of that field, of every thread.
fn of_threads(pid: i32, field: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("status")).ok())
        .filter_map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix(field).map(str::to_owned))?;
            Some(line.trim_start_matches(':').trim().to_owned())
        })
        .collect()
}

fn reload(ips: &mut Ips, nth: usize) {
    ips.signal(Signal::USR2);
    let deadline = Instant::now() + SOON;
    while ips.said().matches("the new rules are in use").count() < nth {
        assert!(Instant::now() < deadline, "{}", ips.said());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_not_needed_is_given_up_and_all_goes_on() {
    let Some(lab) = Lab::new("live sandbox") else { return };
    let Some(mut ips) = Ips::start(&lab, "sandbox", ATTACK, &[]) else { return };
    let said = ips.said();
    assert!(said.contains("capabilities: only NET_ADMIN, NET_RAW are kept"), "{said}");
    let all = |field, wanted: &str| {
        let values = of_threads(ips.pid(), field);
        assert!(values.len() >= 3 && values.iter().all(|value| value == wanted), "{field}: {values:?}");
    };
    all("NoNewPrivs", "1");
    for field in ["CapEff", "CapPrm", "CapBnd"] {
        all(field, "0000000000003000");
    }
    match said.contains("warning: seccomp") {
        true => skip("live sandbox", "this kernel has no seccomp"),
        false => all("Seccomp", "2"),
    }
    assert!(arrives(&lab, 8300, "/attack").is_empty());
    // another file in its place, as editors do it
    let beside = ips.folder.path().join("new.rules");
    std::fs::write(&beside, ATTACK.replace("/attack", "/other")).expect("rules");
    std::fs::rename(&beside, &ips.rules).expect("renamed");
    reload(&mut ips, 1);
    assert!(arrives(&lab, 8301, "/other").is_empty());
    assert!(!arrives(&lab, 8302, "/attack").is_empty());
    ips.stop();
    assert_eq!(lab.hooks(), "", "rules are taken out of the kernel all the same");
}

#[test]
fn files_are_written_where_logs_are_and_nowhere_else() {
    let Some(lab) = Lab::new("live landlock") else { return };
    let outside = crate::support::TempDir::new("outside");
    let rules = format!(
        "{ATTACK}alert http any any -> any any (http.host; dataset:set,inside,type string,state inside.lst; sid:2;)\n\
         alert http any any -> any any (http.host; dataset:set,outside,type string,state {}; sid:3;)\n",
        outside.path().join("outside.lst").display()
    );
    let allowed = ["--set", "datasets.rules.allow-absolute-filenames=yes"];
    let Some(mut ips) = Ips::start(&lab, "landlock", &rules, &allowed) else { return };
    if ips.said().contains("warning: landlock") {
        skip("live landlock", "this kernel has no Landlock");
        return;
    }
    assert!(!arrives(&lab, 8310, "/harmless").is_empty());
    reload(&mut ips, 1);
    assert!(!arrives(&lab, 8311, "/harmless").is_empty());
    ips.signal(Signal::TERM);
    assert_eq!(ips.ended(), Some(1), "what could not be written is a failure");
    let said = ips.said();
    assert!(said.contains("set 'outside' could not be saved") && said.contains("ermission denied"), "{said}");
    assert!(!outside.path().join("outside.lst").exists());
    let kept = std::fs::read_to_string(ips.folder.path().join("inside.lst")).expect("it was saved");
    assert_eq!(kept.lines().count(), 1, "{kept}");
}

#[test]
fn without_the_sandbox_nothing_is_given_up_and_it_is_said() {
    let Some(lab) = Lab::new("live unconfined") else { return };
    let without = [
        "--set",
        "security.landlock=no",
        "--set",
        "security.seccomp=no",
        "--set",
        "security.capabilities=keep",
    ];
    let Some(mut ips) = Ips::start(&lab, "unconfined", ATTACK, &without) else { return };
    for line in ["landlock: not used", "seccomp: not used", "capabilities: all are kept"] {
        assert!(ips.said().contains(line), "{line}: {}", ips.said());
    }
    assert!(of_threads(ips.pid(), "Seccomp").iter().all(|mode| mode == "0"));
    assert!(arrives(&lab, 8320, "/attack").is_empty());
    ips.stop();
    assert_eq!(lab.hooks(), "");
}

/// Asks over HTTP within the node: status and body.
fn asked(lab: &Lab, port: u16, path: &str) -> Option<(u16, String)> {
    lab.at(At::Node, || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(SOON)).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).ok()?;
        let mut all = String::new();
        stream.read_to_string(&mut all).ok()?;
        let (head, body) = all.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    })
}

#[test]
fn health_and_counters_are_told_and_hostile_clients_cut_off() {
    let Some(lab) = Lab::new("live metrics") else { return };
    let Some(mut ips) = Ips::start(&lab, "metrics", ATTACK, &["--metrics", "127.0.0.1:9177"]) else { return };
    assert_eq!(asked(&lab, 9177, "/healthz"), Some((200, "ok\n".to_owned())));
    assert_eq!(asked(&lab, 9177, "/readyz"), Some((200, "ready\n".to_owned())));
    assert!(arrives(&lab, 8330, "/attack").is_empty());
    let deadline = Instant::now() + SOON;
    loop {
        let (status, body) = asked(&lab, 9177, "/metrics").expect("an answer");
        assert_eq!(status, 200);
        assert!(body.contains("mamparo_rules{state=\"loaded\"} 1\n"), "{body}");
        if body.contains("mamparo_ips_blocked_total") && !body.contains("mamparo_ips_blocked_total 0\n") {
            assert!(body.contains("mamparo_interface_dropped_total{interface="), "{body}");
            break;
        }
        assert!(Instant::now() < deadline, "{body}");
        std::thread::sleep(Duration::from_millis(100));
    }
    // who says nothing keeps nobody from asking, and is not kept for long; who says too much neither
    let idle: Vec<TcpStream> = lab.at(At::Node, || {
        let connect = || TcpStream::connect(("127.0.0.1", 9177)).expect("a connection");
        (0..40).map(|_| connect()).collect()
    });
    let begun = Instant::now();
    while asked(&lab, 9177, "/readyz").is_none() {
        assert!(begun.elapsed() < SOON, "it answers again");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(idle);
    let cut = lab.at(At::Node, || {
        let mut stream = TcpStream::connect(("127.0.0.1", 9177)).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        let _ = stream.write_all(&[b'a'; 100_000]);
        !matches!(stream.read(&mut [0; 16]), Ok(1..))
    });
    assert!(cut);
    ips.stop();
    let dropped = events(&ips.eve()).into_iter().filter(|event| event["event_type"] == "drop");
    assert!(dropped.count() >= 1);
}

#[test]
fn suricatasc_can_talk_to_it() {
    if Command::new("suricatasc").arg("-h").output().is_err() {
        skip("suricatasc", "suricatasc is not installed");
        return;
    }
    let Some(lab) = Lab::new("live commands") else { return };
    let Some(mut ips) = Ips::start(&lab, "commands", ATTACK, &["--unix-socket", "ctl/sock"]) else { return };
    let socket = ips.folder.path().join("ctl/sock");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&socket).expect("a socket"));
    assert_eq!(mode & 0o777, 0o600);
    let ask = |command: &str| -> serde_json::Value {
        let output = Command::new("suricatasc").args(["-c", command]).arg(&socket).output().expect("it runs");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{command}: {error}: {output:?}"))
    };
    assert_eq!(ask("capture-mode")["message"], "NFQ");
    assert_eq!(ask("ruleset-stats")["message"][0]["rules_loaded"], 1);
    // what rules remember
    let sets = "drop http any any -> any any (msg:\"listed\"; http.uri; dataset:isset,uris,type string; sid:2;)\n\
        drop http any any -> any any (msg:\"marked\"; flow:to_server; http.uri; content:\"/some\"; hostbits:isset,bad,src; sid:3;)\n\
        alert http any any -> any any (msg:\"mark\"; http.uri; content:\"/never\"; hostbits:set,bad,src; sid:4;)\n";
    std::fs::write(&ips.rules, sets).expect("rules");
    assert_eq!(ask("reload-rules")["message"], "done");
    assert!(!arrives(&lab, 8341, "/listed").is_empty() && !arrives(&lab, 8342, "/some").is_empty());
    // base64 of "/listed"
    assert_eq!(ask("dataset-add uris string L2xpc3RlZA==")["message"], "data added");
    assert_eq!(ask("dataset-lookup uris string L2xpc3RlZA==")["message"], "item found in set");
    assert!(arrives(&lab, 8343, "/listed").is_empty(), "it is known to rules at once");
    let client = lab.address(lab.client(), false);
    assert_eq!(ask(&format!("add-hostbit {client} bad 60"))["message"], "hostbit added");
    assert_eq!(ask(&format!("list-hostbit {client}"))["message"]["hostbits"][0]["name"], "bad");
    assert!(arrives(&lab, 8344, "/some").is_empty());
    assert_eq!(ask(&format!("remove-hostbit {client} bad"))["message"], "hostbit removed");
    assert!(!arrives(&lab, 8345, "/some").is_empty());
    assert_eq!(ask("dataset-remove uris string L2xpc3RlZA==")["message"], "data removed");
    assert!(!arrives(&lab, 8346, "/listed").is_empty());
    assert_eq!(ask("memcap-set flow 1mb")["return"], "OK");
    assert_eq!(ask("memcap-show flow")["message"]["value"], "1mb");
    std::fs::write(&ips.rules, ATTACK.replace("/attack", "/other")).expect("rules");
    assert_eq!(ask("reload-rules")["message"], "done");
    assert!(arrives(&lab, 8340, "/other").is_empty(), "they are in use when it is answered");
    std::fs::write(&ips.rules, "nonsense\n").expect("rules");
    let refused = ask("ruleset-reload-rules");
    assert_eq!(refused["return"], "NOK", "{refused}");
    std::thread::sleep(Duration::from_millis(1500));
    let list = ask("iface-list");
    let iface = list["message"]["ifaces"][0].as_str().expect("an interface").to_owned();
    assert!(ask(&format!("iface-stat {iface}"))["message"]["pkts"].as_u64() >= Some(1));
    assert!(ask("dump-counters")["message"]["flow"]["total"].as_u64() >= Some(1));
    assert_eq!(ask("shutdown")["return"], "OK");
    assert_eq!(ips.ended(), Some(0), "{}", ips.said());
    assert!(!socket.exists());
    assert_eq!(lab.hooks(), "");
}

#[test]
fn packets_go_through_the_hook_again_with_their_mark() {
    let Some(lab) = Lab::new("live repeat") else { return };
    let repeat =
        ["--set", "nfq.mode=repeat", "--set", "nfq.repeat-mark=0x20", "--set", "nfq.repeat-mask=0x20"];
    let Some(mut ips) = Ips::start(&lab, "repeat", ATTACK, &repeat) else { return };
    assert!(!arrives(&lab, 8350, "/harmless").is_empty());
    assert!(arrives(&lab, 8351, "/attack").is_empty());
    ips.stop();
    let last =
        events(&ips.eve()).into_iter().rfind(|event| event["event_type"] == "stats").expect("counters");
    // each once: those that were looked at do not come again
    let forwarded = last["stats"]["frames"]["forwarded"].as_u64().unwrap_or(0);
    assert!((5..60).contains(&forwarded), "{last}");
}

#[test]
fn packets_go_on_to_another_queue() {
    let Some(lab) = Lab::new("live route") else { return };
    let route = ["--set", "nfq.mode=route", "--set", "nfq.route-queue=4321"];
    let Some(mut ips) = Ips::start(&lab, "route", ATTACK, &route) else { return };
    // with fail open they go on where nobody reads it
    assert!(!arrives(&lab, 8360, "/harmless").is_empty());
    let options = LiveOptions { buffer: 1 << 20, queue_max: 1024, batch: 32, ..LiveOptions::default() };
    let mut queue = lab.at(At::Node, || Queue::bind(4321, &options)).expect("a queue");
    let (seen, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                queue.wait(Duration::from_millis(50)).expect("it can be read");
                let polled = queue.poll(64, &mut |_| {
                    seen.fetch_add(1, Ordering::Relaxed);
                    Verdict::Forward
                });
                polled.expect("it can be read");
            }
        });
        let (harmless, attack) = (arrives(&lab, 8361, "/harmless"), arrives(&lab, 8362, "/attack"));
        stop.store(true, Ordering::Relaxed);
        assert!(!harmless.is_empty() && attack.is_empty());
    });
    assert!(seen.into_inner() >= 5);
    ips.stop();
}

#[test]
fn what_a_data_set_has_learned_lives_through_reloads() {
    let Some(lab) = Lab::new("live sets") else { return };
    let rules = "alert http any any -> any any (msg:\"new\"; flow:to_server; http.uri; dataset:set,uris,type string; sid:5;)\n";
    let Some(mut ips) = Ips::start(&lab, "sets", rules, &[]) else { return };
    for (nth, port) in (1..=3).zip(8370..) {
        assert!(!arrives(&lab, port, "/same").is_empty());
        std::fs::write(&ips.rules, format!("{rules}# {nth}\n")).expect("rules");
        reload(&mut ips, nth);
    }
    ips.stop();
    let alerts = events(&ips.eve()).into_iter().filter(|event| event["event_type"] == "alert");
    assert_eq!(alerts.count(), 1, "it is new once");
}

/// KiB that the process holds, or has held at most since that was last forgotten.
fn memory(pid: i32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    line.trim_start_matches(':')
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

#[test]
fn a_reload_takes_little_more_memory_than_the_rules_in_use() {
    let Some(lab) = Lab::new("live memory") else { return };
    // as large as real sets of rules are
    let rules: String = (0..20_000u64)
        .map(|nth| {
            let word = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!(
                "alert http any any -> any any (msg:\"rule {nth}\"; flow:established,to_server; http.uri; content:\"/{word:016x}/\"; fast_pattern; http.header; content:\"x-{nth}|3a| \"; pcre:\"/x-{nth}\\x3a [a-z]{{4,20}}/\"; reference:url,example.org/{nth}; classtype:trojan-activity; metadata:created_at 2024_01_01, former_category MALWARE; sid:{}; rev:1;)\n",
                1000 + nth
            )
        })
        .collect();
    let Some(mut ips) = Ips::start(&lab, "memory", &rules, &[]) else { return };
    std::thread::sleep(Duration::from_millis(500));
    let steady = memory(ips.pid(), "VmRSS");
    for nth in 1..=3 {
        std::fs::write(
            &ips.rules,
            format!("{rules}alert tcp any any -> any any (content:\"none{nth}\"; sid:1;)\n"),
        )
        .expect("rules");
        std::fs::write(format!("/proc/{}/clear_refs", ips.pid()), "5").expect("the peak is forgotten");
        reload(&mut ips, nth);
        std::thread::sleep(Duration::from_millis(500));
        let (peak, after) = (memory(ips.pid(), "VmHWM"), memory(ips.pid(), "VmRSS"));
        // the text of the rules, and one of them after the other taken apart: a set by itself takes little more than that
        assert!(peak * 10 <= steady * 15, "reload {nth}: {steady} KiB in use, {peak} at most");
        assert!(after * 10 <= steady * 12, "reload {nth}: {steady} KiB in use, {after} afterwards");
    }
    ips.stop();
}

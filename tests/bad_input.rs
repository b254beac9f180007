//! What is wrong with what a person gives us: one clear message with the remedy, the right exit status, and nothing lost of
//! what was already written.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::full_disk::SmallDisk;
use super::support::binary::{Ran, alerts, events, run, run_with_input};
use super::support::{TempDir, root, skip};

/// The capture of the README, and how many alerts it gives.
const CAPTURE: &str = "pcaps/lateral-movement.pcap";

/// A folder of its own, with `capture.pcap` and some files in it.
fn folder(name: &str, files: &[(&str, &[u8])]) -> TempDir {
    let dir = TempDir::new(name);
    fs::copy(root(CAPTURE), dir.path().join("capture.pcap")).expect("the capture can be copied");
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).expect("a file can be written");
    }
    dir
}

/// Runs in such a folder; holds status and message; whatever was written is whole lines.
#[track_caller]
fn check(
    name: &str,
    files: &[(&str, &[u8])],
    arguments: &[&str],
    status: i32,
    words: &[&str],
) -> (TempDir, Ran) {
    let dir = folder(name, files);
    let ran = run(dir.path(), arguments);
    ran.check(status, words);
    let eve = dir.path().join("out/eve.json");
    if eve.exists() {
        events(&eve);
    }
    (dir, ran)
}

/// Some alerts are there.
#[track_caller]
fn has_alerts(dir: &TempDir) {
    assert!(!alerts(&dir.path().join("out/eve.json")).is_empty(), "alerts were written");
}

const BROKEN_RULES: &[u8] = b"alert tcp any any -> any any (msg:\"good\"; content:\"GET\"; sid:1;)\n\
    alert tcp any any -> any any (msg:\"broken\"; contentt:\"GET\"; sid:2;)\n";

#[test]
fn a_broken_rule_is_told_with_its_place_and_the_others_load() {
    let words = ["broken.rules:2:45: unknown keyword 'contentt'", "did you mean 'content'?", "^^^^^^^^"];
    let files = [("broken.rules", BROKEN_RULES)];
    let replay = ["replay", "-S", "broken.rules", "-l", "out", "capture.pcap"];
    let (dir, _) = check("broken-rule", &files, &replay, 0, &words);
    has_alerts(&dir);
    let fatal = ["replay", "--init-errors-fatal", "-S", "broken.rules", "-l", "out", "capture.pcap"];
    check("broken-rule-fatal", &files, &fatal, 1, &["--init-errors-fatal"]);
    let dir = folder("broken-rule-check", &files);
    let ran = run(dir.path(), ["check", "-S", "broken.rules"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    for word in words {
        assert!(ran.stdout.contains(word) || ran.stderr.contains(word), "{word}: {ran:?}");
    }
}

#[test]
fn rules_that_are_missing_or_empty() {
    let missing = ["replay", "-S", "nope.rules", "-l", "out", "capture.pcap"];
    check("missing-rules", &[], &missing, 1, &["nope.rules", "give the path of a rule file with -S"]);
    let empty = ["replay", "-S", "empty.rules", "-l", "out", "capture.pcap"];
    check("empty-rules", &[("empty.rules", b"# nothing yet\n")], &empty, 0, &["no rule is in use", "-S"]);
}

#[test]
fn configurations_that_are_wrong() {
    let with = |name: &str, text: &str, extra: &[&str], status: i32, words: &[&str]| {
        let mut arguments = vec!["replay", "-c", "c.yaml", "-l", "out"];
        arguments.extend(extra);
        arguments.push("capture.pcap");
        check(name, &[("c.yaml", text.as_bytes())], &arguments, status, words);
    };
    with("unknown-key", "streem:\n  midstream: true\n", &[], 0, &["have no effect", "-v"]);
    with(
        "unknown-key-v",
        "streem:\n  midstream: true\n",
        &["-v"],
        0,
        &["c.yaml:1: streem", "did you mean stream?"],
    );
    with("bad-value", "stream:\n  memcap: 64 elephants\n", &[], 1, &["c.yaml:2: stream.memcap", "32mb"]);
    with("not-yaml", "stream: [\n", &[], 1, &["c.yaml:2"]);
    with(
        "bad-network",
        "vars:\n  address-groups:\n    HOME_NET: \"[10.0.0.0/33]\"\n",
        &[],
        1,
        &["HOME_NET", "10.0.0.0/33"],
    );
    let missing = ["replay", "-c", "nope.yaml", "-l", "out", "capture.pcap"];
    check("no-config", &[], &missing, 1, &["nope.yaml", "give the right path with -c"]);
}

#[test]
fn arguments_that_are_wrong() {
    for (name, arguments, words) in [
        ("no-command", &[][..], &["no command given", "mamparo --help"][..]),
        ("no-capture", &["replay"], &["no capture given", "standard input"]),
        ("odd-command", &["frobnicate"], &["frobnicate", "--help"]),
        ("no-workers", &["replay", "--workers", "0", "capture.pcap"], &["1..=256"]),
        ("odd-set", &["replay", "--set", "nokey", "capture.pcap"], &["KEY=VALUE"]),
    ] {
        check(name, &[], arguments, 2, words);
    }
}

#[test]
fn captures_that_are_none() {
    let replay = |file| ["replay", "-l", "out", file];
    check("missing", &[], &replay("nope.pcap"), 1, &["nope.pcap", "give the path of a capture"]);
    let mut photo = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01".to_vec();
    photo.resize(5000, 0x5a);
    let words = ["photo.jpg: not a capture", "JPEG", "expected pcap, pcapng"];
    check("jpeg", &[("photo.jpg", &photo)], &replay("photo.jpg"), 1, &words);
    check("empty", &[("empty.pcap", b"")], &replay("empty.pcap"), 1, &["empty.pcap: empty", "expected pcap"]);
    check("folder", &[], &replay("/proc/self/fdinfo"), 1, &["a folder without captures"]);
    // one that is none does not keep the others from being analysed
    let both = ["replay", "-l", "out", "photo.jpg", "capture.pcap"];
    let (dir, _) = check("jpeg-and-capture", &[("photo.jpg", &photo)], &both, 1, &words);
    has_alerts(&dir);
}

#[test]
fn a_capture_cut_short_is_analysed_as_far_as_it_goes() {
    let whole = fs::read(root(CAPTURE)).expect("the capture");
    let files = [("cut.pcap", &whole[..20_000])];
    let (dir, _) = check(
        "cut",
        &files,
        &["replay", "-l", "out", "cut.pcap"],
        1,
        &["cut.pcap: at byte", "cut short in packet"],
    );
    has_alerts(&dir);
    let tolerant = ["replay", "--tolerate-broken", "-l", "out", "cut.pcap"];
    let (dir, _) = check("cut-tolerated", &files, &tolerant, 0, &["cut short in packet"]);
    has_alerts(&dir);
}

#[test]
fn folders_that_cannot_be_written() {
    let words = ["choose another directory with -l"];
    check("log-file", &[("log", b"")], &["replay", "-l", "log", "capture.pcap"], 1, &words);
    check("log-proc", &[], &["replay", "-l", "/proc/nowhere", "capture.pcap"], 1, &words);
}

#[test]
fn a_full_disk_ends_the_run_and_what_is_written_stays_whole() {
    let dir = folder("replay-full-disk", &[]);
    let log = dir.path().join("log");
    fs::create_dir(&log).expect("a folder");
    let Some(_disk) = SmallDisk::mount(&log) else {
        return skip("bad_input::a_full_disk", "needs the right to mount a tmpfs");
    };
    let ran = run(dir.path(), [Path::new("replay"), Path::new("-l"), &log, &root("pcaps")]);
    ran.check(1, &["eve.json", "free space there"]);
    assert!(events(&log.join("eve.json")).len() > 50);
}

#[test]
fn captures_come_compressed_in_folders_and_through_standard_input() {
    let dir = folder("ways-in", &[]);
    let whole = fs::read(root(CAPTURE)).expect("the capture");
    let expected = {
        run(dir.path(), ["replay", "-l", "plain", "capture.pcap"]).check(0, &[]);
        alerts(&dir.path().join("plain/eve.json"))
    };
    let many = dir.path().join("many/below");
    fs::create_dir_all(&many).expect("a folder");
    let gz = {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(&whole).expect("memory");
        writer.finish().expect("memory")
    };
    let xz = {
        let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
        writer.write_all(&whole).expect("memory");
        writer.finish().expect("memory")
    };
    let zst = zstd::bulk::compress(&whole, 1).expect("memory");
    for (name, bytes) in
        [("a.pcap.gz", &gz), ("b.pcap.xz", &xz), ("below/c.pcap.zst", &zst), ("d.pcap", &whole)]
    {
        let path = dir.path().join("many").join(name);
        fs::write(&path, bytes).expect("a file");
        let out = format!("out-{}", name.replace('/', "-"));
        run(dir.path(), ["replay".as_ref(), "-l".as_ref(), Path::new(&out), &path]).check(0, &[]);
        assert_eq!(alerts(&dir.path().join(out).join("eve.json")), expected, "{name}");
        run_with_input(dir.path(), ["replay", "-l", "piped", "-"], bytes).check(0, &[]);
        assert_eq!(alerts(&dir.path().join("piped/eve.json")), expected, "{name} through a pipe");
    }

    // each capture of a folder on its own, beside one named by itself
    run(dir.path(), ["replay", "-l", "all", "capture.pcap", "many"]).check(0, &[]);
    let mut by_capture = std::collections::BTreeMap::<String, u64>::new();
    for event in events(&dir.path().join("all/eve.json")) {
        if event["event_type"] == "alert" {
            let name = event["pcap_filename"].as_str().expect("alerts name their capture").to_owned();
            *by_capture.entry(name).or_default() += 1;
        }
    }
    let each = expected.values().sum::<u64>();
    assert_eq!(by_capture.len(), 5, "{by_capture:?}");
    assert!(by_capture.values().all(|count| *count == each), "{by_capture:?}, expected {each} each");
}

#[test]
fn the_summary_goes_where_it_is_asked_for() {
    let dir = folder("summary", &[]);
    let ran = run(dir.path(), ["replay", "--json", "-l", "out", "capture.pcap"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let summary: Value = serde_json::from_str(&ran.stdout).expect("the summary is JSON");
    assert_eq!(summary["source"], "capture.pcap");
    let total: u64 = alerts(&dir.path().join("out/eve.json")).values().sum();
    assert!(total > 20 && summary["packets"].as_u64() > Some(300), "{summary}");
    let listed = summary["signatures"].as_array().or(summary["alerts"].as_array());
    let counted: u64 = listed.into_iter().flatten().filter_map(|row| row["count"].as_u64()).sum();
    assert_eq!(counted, total, "{summary}");
}

#[test]
fn listings_go_into_a_pipe_and_a_reader_may_leave_early() {
    let dir = folder("listings", &[]);
    for (argument, word) in
        [("--list-keywords", "http.uri"), ("--list-protocols", "dns"), ("--dump-config", "stream.memcap")]
    {
        let ran = run(dir.path(), [argument]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains(word), "{argument}: {}", ran.stdout);
    }
    let script = format!("'{}' --list-keywords | head -n 1", env!("CARGO_BIN_EXE_mamparo"));
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

//! The binary as a person runs it: no terminal, its own folder.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs it in `dir`, which must be there.
pub(crate) fn run(dir: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    run_with_input(dir, arguments, &[])
}

/// The same with something on standard input.
pub(crate) fn run_with_input(
    dir: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    input: &[u8],
) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mamparo"))
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        // one that does not read its input closes the pipe
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("it ends")
    });
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is said is UTF-8");
    let status = output.status.code().expect("no signal ended it");
    Ran { status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ran {
    /// Held against what is expected: the status, nothing on a pipe, words in the message.
    #[track_caller]
    pub(crate) fn check(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.stdout, "", "nothing of a summary goes into a pipe");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in:\n{}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// The records of an eve.json; each line is whole.
#[track_caller]
pub(crate) fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// How often each rule alerted.
#[track_caller]
pub(crate) fn alerts(path: &Path) -> std::collections::BTreeMap<u64, u64> {
    let mut counts = std::collections::BTreeMap::new();
    for event in events(path) {
        if event["event_type"] == "alert" {
            *counts.entry(event["alert"]["signature_id"].as_u64().expect("a sid")).or_default() += 1;
        }
    }
    counts
}

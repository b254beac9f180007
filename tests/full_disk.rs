//! A disk that fills up under the writer of lines: a real one, small, made for the test.

use std::path::Path;
use std::process::Command;

use mamparo::output::{LineWriter, WriterOptions};

use super::support::{TempDir, skip};

/// A file system in memory of 64 KiB.
pub(crate) struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    pub(crate) fn mount(at: &'a Path) -> Option<Self> {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "mamparo-test"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        done.then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn what_was_written_before_the_disk_was_full_is_whole_lines() {
    let dir = TempDir::new("full-disk");
    let Some(_disk) = SmallDisk::mount(dir.path()) else {
        return skip("full_disk", "needs the right to mount a tmpfs");
    };
    let path = dir.path().join("logs/eve.json");
    let writer =
        LineWriter::open(WriterOptions { batch_max: 5000, ..WriterOptions::new(&path) }).expect("it opens");
    let mut sender = writer.sender();
    let total = 2000;
    for nth in 0..total {
        sender.line(format!(r#"{{"event_type":"alert","nth":{nth},"pad":"{:060}"}}"#, 0).as_bytes());
    }
    drop(sender);
    let error = writer.close().expect_err("a disk of 64 KiB cannot hold 200 KB");
    assert_eq!(error.cause.kind(), std::io::ErrorKind::StorageFull);
    assert!(error.to_string().contains("free space there"), "{error}");

    let text = std::fs::read_to_string(&path).expect("it can be read");
    assert!(text.ends_with("}\n"), "the last line is whole");
    let mut lines = 0;
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("every line is whole");
        assert_eq!(event["nth"], lines);
        lines += 1;
    }
    assert!(lines > 300, "the space there was used: {lines} lines");
    assert_eq!(error.lost(), total - lines, "every line is written or counted as lost");
}

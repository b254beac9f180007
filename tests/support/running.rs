//! `mamparo run` in a namespace of a test, until it is told to end.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::netns::Namespace;

/// A run that is ready.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    /// What it said.
    pub(crate) said: Vec<String>,
}

impl Running {
    /// Starts it in the namespace and waits until it is ready. `-S` names a file with those rules, `-l` the folder.
    #[track_caller]
    pub(crate) fn start(node: &Namespace, folder: &Path, rules: &str, arguments: &str) -> Running {
        let file = folder.join("test.rules");
        std::fs::write(&file, rules).expect("rules");
        let mut child = Command::new("ip")
            .args(["netns", "exec", &node.name, env!("CARGO_BIN_EXE_mamparo"), "run"])
            .args(arguments.split_whitespace())
            .arg("-S")
            .arg(&file)
            .arg("-l")
            .arg(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stderr = child.stderr.take().expect("a pipe");
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut running = Running { child, lines, said: Vec::new() };
        running.wait_for("mamparo: ready");
        running
    }

    /// Until it says that.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, wanted: &str) {
        let begun = Instant::now();
        while !self.said.iter().any(|line| line.contains(wanted)) {
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Timeout) if begun.elapsed() < Duration::from_secs(30) => {}
                Err(_) => panic!("{wanted:?} was not said:\n{}", self.said.join("\n")),
            }
        }
    }

    /// Tells it to end; everything it said. It must end well.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
        let status = self.child.wait().expect("it ends");
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.said.push(line);
        }
        let said = std::mem::take(&mut self.said).join("\n");
        assert!(status.success(), "{status}:\n{said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

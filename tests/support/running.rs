//! `mamparo run` in a namespace of a test, until it is told to end.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::netns::Namespace;

/// A run, begun and ready. What it says goes to `console`, what it finds to `eve.json` in the folder.
pub(crate) struct Running {
    child: Child,
    folder: PathBuf,
    /// The file with its rules.
    pub(crate) rules: PathBuf,
}

impl Running {
    /// Starts it in the namespace and waits until it is ready. `-S` names a file with those rules, `-l` the folder.
    #[track_caller]
    pub(crate) fn start(node: &Namespace, folder: &Path, rules: &str, arguments: &str) -> Running {
        Running::attempt(node, folder, rules, arguments).unwrap_or_else(|said| panic!("not ready:\n{said}"))
    }

    /// The same; the error is what it said.
    pub(crate) fn attempt(
        node: &Namespace,
        folder: &Path,
        rules: &str,
        arguments: &str,
    ) -> Result<Running, String> {
        let file = folder.join("test.rules");
        std::fs::write(&file, rules).expect("rules");
        let child = spawn(node, folder, arguments);
        let mut running = Running { child, folder: folder.to_owned(), rules: file };
        running.wait_for("mamparo: ready\n").map(|()| running)
    }

    /// The same again after it has ended.
    #[track_caller]
    pub(crate) fn restart(&mut self, node: &Namespace, arguments: &str) {
        self.child = spawn(node, &self.folder, arguments);
        self.wait_for("mamparo: ready\n").expect("it is ready again");
    }

    /// What it has said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join("console")).unwrap_or_default()
    }

    /// Until it has said that; the error is what it said instead.
    pub(crate) fn wait_for(&mut self, words: &str) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let ended = matches!(self.child.try_wait(), Ok(Some(_)));
            if self.said().contains(words) {
                return Ok(());
            }
            if ended {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(self.said())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is there");
    }

    /// Its number.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end; its status, `None` when a signal ended it.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("it was started").code()
    }

    /// Tells it to end; everything it said. It must end well.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> String {
        self.signal(Signal::TERM);
        let status = self.ended();
        let said = self.said();
        assert_eq!(status, Some(0), "{said}");
        said
    }

    /// The same, and it is not needed any more.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        self.stop()
    }

    pub(crate) fn eve(&self) -> PathBuf {
        self.folder.join("eve.json")
    }
}

/// `ip netns exec` becomes the program itself: signals to the child reach it.
fn spawn(node: &Namespace, folder: &Path, arguments: &str) -> Child {
    let console = std::fs::File::create(folder.join("console")).expect("the console");
    Command::new("ip")
        .args(["netns", "exec", &node.name, env!("CARGO_BIN_EXE_mamparo"), "run"])
        .args(arguments.split_whitespace())
        .args(["-l", "."])
        // a configuration names rules itself
        .args(if arguments.contains("-c ") { &[][..] } else { &["-S", "test.rules"][..] })
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(console)
        .spawn()
        .expect("ip")
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Network namespaces that a test makes for itself: a node with a bridge, and containers on it. Everything goes with it.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Says why not, when no namespaces can be made here.
pub(crate) fn missing(test: &str) -> bool {
    let why = if !rustix::process::geteuid().is_root() {
        "needs root, to make network namespaces"
    } else if Command::new("ip").arg("-V").output().is_err() {
        "needs ip (iproute2)"
    } else {
        return false;
    };
    super::skip(test, why);
    true
}

/// A network namespace; removed with everything in it.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// `what` ends its name.
    pub(crate) fn new(what: &str) -> Namespace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mmt{}-{count}-{what}", std::process::id());
        run("ip", &format!("netns add {name}"));
        let namespace = Namespace { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// `ip` within it.
    #[track_caller]
    pub(crate) fn ip(&self, arguments: &str) {
        run("ip", &format!("-n {} {arguments}", self.name));
    }

    /// A command within it.
    #[track_caller]
    pub(crate) fn command(&self, line: &str) {
        run("ip", &format!("netns exec {} {line}", self.name));
    }

    /// A thread within it.
    pub(crate) fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let file = std::fs::File::open(format!("/run/netns/{}", self.name)).expect("the namespace is there");
        std::thread::spawn(move || {
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))
                .expect("a thread of its own may move");
            work()
        })
    }

    /// What that answers, done within it.
    pub(crate) fn within<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.thread(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
    }
}

/// A node with bridge `br0`, 10.77.0.254 and fd77::fe.
pub(crate) fn node() -> Namespace {
    let node = Namespace::new("node");
    node.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0");
    node.ip("addr add 10.77.0.254/24 dev br0");
    node.ip("addr add fd77::fe/64 dev br0 nodad");
    node.ip("link set br0 up");
    node
}

/// A container on the node's bridge: `veth{number}` there, `eth0` here, 10.77.0.{number}, fd77::{number}.
pub(crate) fn container(node: &Namespace, number: u8) -> Namespace {
    let container = Namespace::new(&format!("c{number}"));
    node.ip(&format!("link add veth{number} type veth peer name eth0 netns {}", container.name));
    node.ip(&format!("link set veth{number} master br0 up"));
    container.ip(&format!("addr add 10.77.0.{number}/24 dev eth0"));
    container.ip(&format!("addr add fd77::{number}/64 dev eth0 nodad"));
    container.ip("link set eth0 up");
    container.ip("route add default via 10.77.0.254");
    container
}

#[track_caller]
fn run(program: &str, arguments: &str) {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

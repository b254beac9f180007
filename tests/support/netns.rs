//! Network namespaces that a test makes for itself: a node with a bridge, and containers on it. Everything goes with it.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

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

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Says that to a listener over there; what arrived there, and what came back here.
pub(crate) fn say(
    from: &Namespace,
    to: &Namespace,
    there: &str,
    what: Vec<Vec<u8>>,
    answer: Vec<u8>,
) -> (Vec<u8>, Result<Vec<u8>, ErrorKind>) {
    let there = address(there);
    let listener = to.within(move || TcpListener::bind(there)).expect("a listener");
    let server = to.thread(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
        let (mut arrived, mut room) = (Vec::new(), vec![0; 1 << 16]);
        while let Ok(len @ 1..) = stream.read(&mut room) {
            arrived.extend_from_slice(&room[..len]);
            if arrived.ends_with(b"end") {
                let _ = stream.write_all(&answer);
                break;
            }
        }
        arrived
    });
    let back = from.within(move || {
        let mut stream = TcpStream::connect_timeout(&there, Duration::from_secs(5)).expect("a way");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
        for part in what {
            if let Err(error) = stream.write_all(&part) {
                return Err(error.kind());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut back = Vec::new();
        stream.read_to_end(&mut back).map(|_| back).map_err(|error| error.kind())
    });
    (server.join().expect("a server"), back)
}

/// Ten megabytes that look like nothing, and an end.
pub(crate) fn many(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes: Vec<u8> = (0..10_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    bytes.extend(b"end");
    bytes
}

#[track_caller]
fn run(program: &str, arguments: &str) {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

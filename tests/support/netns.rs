//! Network namespaces that a test makes for itself: a node with a bridge, and containers on it. Everything goes with it.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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

/// A network namespace. One that was made here is removed with everything in it.
pub(crate) struct Namespace {
    /// Its name for `ip`; empty for one that others made.
    pub(crate) name: String,
    path: PathBuf,
}

impl Namespace {
    /// `what` ends its name.
    pub(crate) fn new(what: &str) -> Namespace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mmt{}-{count}-{what}", std::process::id());
        run("ip", &format!("netns add {name}"));
        let path = Path::new("/run/netns").join(&name);
        let namespace = Namespace { name, path };
        namespace.ip("link set lo up");
        namespace
    }

    /// One that others made and will remove.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Namespace {
        Namespace { name: String::new(), path: path.into() }
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

    /// What a line for the shell says, run within it.
    pub(crate) fn shell(&self, line: &str) -> String {
        let inside = format!("--net={}", self.path.display());
        let output = Command::new("nsenter").args([&inside, "sh", "-c", line]).output().expect("nsenter");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Our rules in it, in the kernel's words; empty when there are none.
    pub(crate) fn hooks(&self) -> String {
        self.shell(
            "nft list ruleset 2>/dev/null | grep -i mamparo; iptables-legacy-save 2>/dev/null | grep MAMPARO; true",
        )
    }

    /// A thread within it.
    pub(crate) fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let file = std::fs::File::open(&self.path).expect("the namespace is there");
        std::thread::spawn(move || {
            enter(&file);
            work()
        })
    }

    /// What that answers, done within it.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = std::fs::File::open(&self.path).expect("the namespace is there");
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                enter(&file);
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

fn enter(namespace: &std::fs::File) {
    move_into_link_name_space(std::os::fd::AsFd::as_fd(namespace), Some(LinkNameSpaceType::Network))
        .expect("a thread of its own may move");
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
        }
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
    say_by(from, to, there, there, what, answer)
}

/// The same where the listener's own address is another one than it is known by.
pub(crate) fn say_by(
    from: &Namespace,
    to: &Namespace,
    known_as: SocketAddr,
    own: SocketAddr,
    what: Vec<Vec<u8>>,
    answer: Vec<u8>,
) -> (Vec<u8>, Result<Vec<u8>, ErrorKind>) {
    let listener = to.within(move || TcpListener::bind(own)).expect("a listener");
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
        let mut stream = TcpStream::connect_timeout(&known_as, Duration::from_secs(5)).expect("a way");
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

/// An attack, split; dropped by `content:"attack"`.
pub(crate) fn attack() -> Vec<Vec<u8>> {
    vec![b"first ".to_vec(), b"att".to_vec(), b"ack".to_vec(), b" end".to_vec()]
}

/// The attack does not get further than its beginning.
#[track_caller]
pub(crate) fn is_dropped(from: &Namespace, to: &Namespace, there: &str) {
    let (arrived, back) = say(from, to, there, attack(), Vec::new());
    let arrived = String::from_utf8_lossy(&arrived).into_owned();
    assert_eq!((arrived.as_str(), back), ("first att", Err(ErrorKind::WouldBlock)), "{there}");
}

/// Until that is so, within so many seconds.
#[track_caller]
pub(crate) fn until(what: &str, seconds: u64, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(seconds), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
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

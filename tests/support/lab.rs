//! Two containers on a bridge and a host outside, with `mamparo run --inline host` in between.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use super::TempDir;
use super::netns::{Namespace, missing};
use super::running::Running;

/// Who is who: the node holds the bridge, one and two hang on it, outside is reached by routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Node,
    One,
    Two,
    Outside,
}

/// The namespaces.
pub(crate) struct Lab {
    node: Namespace,
    one: Namespace,
    two: Namespace,
    outside: Namespace,
    pub(crate) bridged: bool,
}

impl Lab {
    /// Makes them; `None`, told as a skip, where that cannot be done.
    pub(crate) fn new(test: &str) -> Option<Lab> {
        if missing(test) {
            return None;
        }
        let [node, one, two, outside] = ["node", "one", "two", "out"].map(Namespace::new);
        // addresses are good at once: nobody is asked whether they are taken
        for namespace in [&node, &one, &two, &outside] {
            namespace.shell("for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $file; done");
        }
        node.ip("link add br0 type bridge forward_delay 0");
        node.ip("link set br0 up");
        node.ip("addr add 10.20.0.1/24 dev br0");
        node.ip("addr add fd20::1/64 dev br0 nodad");
        for (end, port, last) in [(&one, "one", 11), (&two, "two", 12)] {
            node.ip(&format!("link add {port} type veth peer name eth0 netns {}", end.name));
            node.ip(&format!("link set {port} master br0 up"));
            addresses(
                end,
                &format!("10.20.0.{last}/24"),
                &format!("fd20::{last}/64"),
                "10.20.0.1",
                "fd20::1",
            );
        }
        node.ip(&format!("link add out0 type veth peer name eth0 netns {}", outside.name));
        node.ip("link set out0 up");
        node.ip("addr add 10.21.0.1/24 dev out0");
        node.ip("addr add fd21::1/64 dev out0 nodad");
        addresses(&outside, "10.21.0.2/24", "fd21::2/64", "10.21.0.1", "fd21::1");
        node.shell(
            "for key in ipv4/ip_forward ipv6/conf/all/forwarding bridge/bridge-nf-call-iptables bridge/bridge-nf-call-ip6tables; do \
             if [ -e /proc/sys/net/$key ]; then echo 1 > /proc/sys/net/$key; fi; done",
        );
        let bridged = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists();
        Some(Lab { node, one, two, outside, bridged })
    }

    pub(crate) fn namespace(&self, at: At) -> &Namespace {
        match at {
            At::Node => &self.node,
            At::One => &self.one,
            At::Two => &self.two,
            At::Outside => &self.outside,
        }
    }

    /// Does something in one of them: sockets made there stay there.
    pub(crate) fn at<T: Send>(&self, at: At, what: impl FnOnce() -> T + Send) -> T {
        self.namespace(at).within(what)
    }

    pub(crate) fn address(&self, at: At, v6: bool) -> IpAddr {
        let text = match (at, v6) {
            (At::Node, false) => "10.20.0.1",
            (At::One, false) => "10.20.0.11",
            (At::Two, false) => "10.20.0.12",
            (At::Outside, false) => "10.21.0.2",
            (At::Node, true) => "fd20::1",
            (At::One, true) => "fd20::11",
            (At::Two, true) => "fd20::12",
            (At::Outside, true) => "fd21::2",
        };
        text.parse().expect("an address")
    }

    pub(crate) fn listen(&self, at: At, v6: bool, port: u16) -> TcpListener {
        let address = SocketAddr::new(self.address(at, v6), port);
        self.at(at, move || TcpListener::bind(address).expect("a port"))
    }

    pub(crate) fn connect(&self, from: At, to: At, v6: bool, port: u16) -> std::io::Result<TcpStream> {
        self.connect_to(from, SocketAddr::new(self.address(to, v6), port))
    }

    pub(crate) fn connect_to(&self, from: At, address: SocketAddr) -> std::io::Result<TcpStream> {
        let stream = self.at(from, move || TcpStream::connect_timeout(&address, Duration::from_secs(5)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub(crate) fn udp(&self, at: At, v6: bool, port: u16) -> UdpSocket {
        let address = SocketAddr::new(self.address(at, v6), port);
        self.at(at, move || UdpSocket::bind(address).expect("a port"))
    }

    /// Where clients of a test that is content with any path stand.
    pub(crate) fn client(&self) -> At {
        if self.bridged { At::One } else { At::Outside }
    }

    /// What our chains and tables are in the kernel's words; empty when there are none.
    pub(crate) fn hooks(&self) -> String {
        self.node.hooks()
    }
}

fn addresses(end: &Namespace, v4: &str, v6: &str, gateway4: &str, gateway6: &str) {
    end.ip("link set eth0 up");
    end.ip(&format!("addr add {v4} dev eth0"));
    end.ip(&format!("addr add {v6} dev eth0 nodad"));
    end.ip(&format!("route add default via {gateway4}"));
    end.ip(&format!("-6 route add default via {gateway6}"));
}

/// `mamparo run --inline host` at the node.
pub(crate) struct Ips {
    running: Running,
    pub(crate) folder: TempDir,
    pub(crate) rules: PathBuf,
}

impl Ips {
    /// Starts it and waits until it is ready; `None`, told as a skip, where the kernel has no packet queue.
    pub(crate) fn start(lab: &Lab, test: &str, rules: &str, more: &[&str]) -> Option<Ips> {
        let folder = TempDir::new(&format!("{test}-{}", lab.node.name));
        match Running::attempt(&lab.node, folder.path(), rules, &arguments(more)) {
            Ok(running) => Some(Ips { rules: running.rules.clone(), running, folder }),
            Err(said) if said.contains("no way to queue") || said.contains("no packet queue") => {
                super::skip(test, said.trim());
                None
            }
            Err(said) => panic!("it is not ready: {said}"),
        }
    }

    /// The same again after it has ended.
    pub(crate) fn restart(&mut self, lab: &Lab, more: &[&str]) {
        self.running.restart(&lab.node, &arguments(more));
    }

    /// What it has said.
    pub(crate) fn said(&self) -> String {
        self.running.said()
    }

    /// Waits until it has said that.
    pub(crate) fn wait_for(&mut self, words: &str) -> Result<(), String> {
        self.running.wait_for(words)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.running.pid().as_raw_nonzero().get()
    }

    /// Waits for its end; its status, `None` when a signal ended it.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.running.ended()
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) {
        self.running.stop();
    }

    pub(crate) fn eve(&self) -> PathBuf {
        self.running.eve()
    }
}

fn arguments(more: &[&str]) -> String {
    format!("--inline host {}", more.join(" "))
}

//! Two containers on a bridge and a host outside, made of network namespaces, with `mamparo run` in between. Everything is removed
//! at the end, also of a test that fails.
#![allow(
    unsafe_code,
    reason = "setns and kill, which the standard library has no words for; each block says why it is sound"
)]
#![expect(clippy::disallowed_methods, reason = "what is started is waited for")]

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::TempDir;

static LABS: AtomicU32 = AtomicU32::new(0);

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
    name: String,
    pub(crate) bridged: bool,
}

impl Lab {
    /// Makes them; `None`, told as a skip, where that cannot be done.
    pub(crate) fn new(test: &str) -> Option<Lab> {
        // SAFETY: no pointer is passed.
        if unsafe { libc::geteuid() } != 0 {
            super::skip(test, "network namespaces need root");
            return None;
        }
        let nth = LABS.fetch_add(1, Ordering::Relaxed);
        let lab = Lab {
            name: format!("mmp{}-{nth}", std::process::id()),
            bridged: Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists(),
        };
        let [node, one, two, outside] = [At::Node, At::One, At::Two, At::Outside].map(|at| lab.namespace(at));
        let mut text = String::new();
        for name in [&node, &one, &two, &outside] {
            // addresses are good at once: nobody is asked whether they are taken
            text += &format!(
                "ip netns add {name}; ip -n {name} link set lo up\n\
                 ip netns exec {name} sh -c 'for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $file; done'\n"
            );
        }
        text += &format!(
            "ip -n {node} link add br0 type bridge; ip -n {node} link set br0 up\n\
             ip -n {node} addr add 10.20.0.1/24 dev br0; ip -n {node} addr add fd20::1/64 dev br0 nodad\n"
        );
        for (name, port, last) in [(&one, "one", 11), (&two, "two", 12)] {
            text += &format!(
                "ip -n {node} link add {port} type veth peer name eth0 netns {name}\n\
                 ip -n {node} link set {port} master br0 up; ip -n {name} link set eth0 up\n\
                 ip -n {name} addr add 10.20.0.{last}/24 dev eth0; ip -n {name} addr add fd20::{last}/64 dev eth0 nodad\n\
                 ip -n {name} route add default via 10.20.0.1; ip -n {name} -6 route add default via fd20::1\n"
            );
        }
        text += &format!(
            "ip -n {node} link add out0 type veth peer name eth0 netns {outside}\n\
             ip -n {node} link set out0 up; ip -n {outside} link set eth0 up\n\
             ip -n {node} addr add 10.21.0.1/24 dev out0; ip -n {node} addr add fd21::1/64 dev out0 nodad\n\
             ip -n {outside} addr add 10.21.0.2/24 dev eth0; ip -n {outside} addr add fd21::2/64 dev eth0 nodad\n\
             ip -n {outside} route add default via 10.21.0.1; ip -n {outside} -6 route add default via fd21::1\n"
        );
        let forwarding = "for key in net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables; do file=/proc/sys/$(echo $key | tr . /); if [ -e $file ]; then echo 1 > $file; fi; done";
        text += &format!("ip netns exec {node} sh -c '{forwarding}'\n");
        let made = Command::new("sh").args(["-e", "-c", &text]).output().expect("a shell");
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            super::skip(test, &format!("namespaces cannot be made: {said}"));
            return None;
        }
        Some(lab)
    }

    pub(crate) fn namespace(&self, at: At) -> String {
        let end = match at {
            At::Node => "node",
            At::One => "one",
            At::Two => "two",
            At::Outside => "out",
        };
        format!("{}-{end}", self.name)
    }

    /// Does something in one of them: sockets made there stay there.
    pub(crate) fn at<T: Send>(&self, at: At, what: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.namespace(at));
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let file = fs::File::open(&path).expect("the namespace");
                // SAFETY: the descriptor is open; only this thread changes its namespace, and it ends here.
                let entered = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(entered, 0, "{path}: {}", std::io::Error::last_os_error());
                what()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
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
        let address = SocketAddr::new(self.address(to, v6), port);
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
        let script = "nft list ruleset 2>/dev/null | grep -i mamparo; iptables-legacy-save 2>/dev/null | grep MAMPARO; true";
        let output = Command::new("ip")
            .args(["netns", "exec", &self.namespace(At::Node), "sh", "-c", script])
            .output();
        String::from_utf8_lossy(&output.expect("ip").stdout).into_owned()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for at in [At::Node, At::One, At::Two, At::Outside] {
            let name = self.namespace(at);
            let _ = Command::new("ip").args(["netns", "del", &name]).stderr(Stdio::null()).status();
        }
    }
}

/// `mamparo run --inline host` at the node.
pub(crate) struct Ips {
    child: Child,
    pub(crate) folder: TempDir,
    console: PathBuf,
    pub(crate) rules: PathBuf,
}

impl Ips {
    /// Starts it and waits until it is ready; `None`, told as a skip, where the kernel has no packet queue.
    pub(crate) fn start(lab: &Lab, test: &str, rules: &str, more: &[&str]) -> Option<Ips> {
        let folder = TempDir::new(&format!("{test}-{}", lab.name));
        let path = folder.path().join("test.rules");
        fs::write(&path, rules).expect("the rules");
        let mut ips = Ips {
            child: spawn(lab, folder.path(), more),
            console: folder.path().join("console"),
            rules: path,
            folder,
        };
        match ips.wait_for("mamparo: ready\n") {
            Ok(()) => Some(ips),
            Err(said) if said.contains("no way to queue") || said.contains("no packet queue") => {
                super::skip(test, said.trim());
                None
            }
            Err(said) => panic!("it is not ready: {said}"),
        }
    }

    /// The same again after it has ended.
    pub(crate) fn restart(&mut self, lab: &Lab, more: &[&str]) {
        self.child = spawn(lab, self.folder.path(), more);
        self.wait_for("mamparo: ready\n").expect("it is ready again");
    }

    /// What it has said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.console).unwrap_or_default()
    }

    /// Waits until it has said that.
    pub(crate) fn wait_for(&mut self, words: &str) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if self.said().contains(words) {
                return Ok(());
            }
            if let Ok(Some(_)) = self.child.try_wait() {
                return Err(self.said());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(self.said())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, number: i32) {
        // SAFETY: no pointer is passed; the process is our child and was not waited for.
        let sent = unsafe { libc::kill(self.child.id() as libc::pid_t, number) };
        assert_eq!(sent, 0);
    }

    /// Waits for its end; its status, `None` when a signal ended it.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("it was started").code()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) {
        self.signal(libc::SIGTERM);
        assert_eq!(self.ended(), Some(0), "{}", self.said());
    }

    pub(crate) fn eve(&self) -> PathBuf {
        self.folder.path().join("eve.json")
    }
}

fn spawn(lab: &Lab, folder: &Path, more: &[&str]) -> Child {
    let console = fs::File::create(folder.join("console")).expect("the console");
    Command::new("ip")
        .args(["netns", "exec", &lab.namespace(At::Node), env!("CARGO_BIN_EXE_mamparo")])
        .args(["run", "--inline", "host", "-l", "."])
        // a configuration names rules itself
        .args(if more.contains(&"-c") { &[][..] } else { &["-S", "test.rules"][..] })
        .args(more)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(console)
        .spawn()
        .expect("ip")
}

impl Drop for Ips {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

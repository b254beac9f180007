//! Real containers of a real Docker: the host hook beside Docker's own rules, and the hook within containers. Requests that are
//! harmless are answered, attacks do not arrive; what arrived is what the servers in the containers say they were asked for.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use crate::support::TempDir;
use crate::support::binary::{alerts, events};
use crate::support::docker::Docker;
use crate::support::netns::{Namespace, address, attack, is_dropped, say_by, until};
use crate::support::running::Running;

const RULES: &str = "drop http any any -> any any (msg:\"attack\"; flow:to_server; http.uri; content:\"/attack\"; sid:1;)\n\
     drop tcp any any -> any 81 (msg:\"split\"; flow:to_server; content:\"attack\"; sid:2;)\n";

/// Two networks of Docker, each with a server that is published and a client; and somebody outside.
struct Lab {
    docker: Docker,
    outside: Namespace,
    _wire: Namespace,
    /// Pages that each server was asked for by those who may.
    asked: usize,
    /// Attacks by `wget`, and split ones.
    attacks: u64,
    splits: u64,
}

const OUTSIDE: [&str; 2] = ["10.97.0.1", "[fd97::1]"];

impl Lab {
    fn new(test: &str) -> Option<Lab> {
        let docker = Docker::start(test)?;
        // a wire in between, so that what is outside is nobody's container
        let [outside, wire] = ["out", "wire"].map(Namespace::new);
        docker.host.ip(&format!("link add out0 type veth peer name w0 netns {}", wire.name));
        outside.ip(&format!("link add eth0 type veth peer name w1 netns {}", wire.name));
        wire.ip("link add br0 type bridge forward_delay 0");
        for port in ["w0", "w1"] {
            wire.ip(&format!("link set {port} master br0 up"));
        }
        wire.ip("link set br0 up");
        docker.host.ip("link set out0 up");
        docker.host.ip("addr add 10.97.0.1/24 dev out0");
        docker.host.ip("addr add fd97::1/64 dev out0 nodad");
        outside.ip("link set eth0 up");
        outside.ip("addr add 10.97.0.2/24 dev eth0");
        outside.ip("addr add fd97::2/64 dev eth0 nodad");
        docker.docker("network create --ipv6 --subnet 10.98.0.0/24 --subnet fd98::/64 own");
        docker.server("first", "-p 8080:80 -p 8181:81");
        docker.server("second", "--network own -p 8081:80 -p 8182:81");
        docker.docker("run -d --name client lab /bin/busybox sleep 1000");
        docker.docker("run -d --name neighbour --network own lab /bin/busybox sleep 1000");
        Some(Lab { docker, outside, _wire: wire, asked: 0, attacks: 0, splits: 0 })
    }

    /// A page from outside.
    fn get(&self, url: &str) -> String {
        self.outside
            .shell(&format!("busybox timeout 2 busybox wget -q -O - {url} 2>/dev/null"))
            .trim()
            .to_owned()
    }

    /// Every way, each family: what is harmless is answered, an attack is not.
    fn try_all(&mut self) {
        let docker = &self.docker;
        for (server, client) in [("first", "client"), ("second", "neighbour")] {
            for own in docker.network(server).1 {
                assert_eq!(docker.get(client, &format!("http://{own}/index.html")), "hello", "{own}");
                assert_eq!(docker.get(client, &format!("http://{own}/attack")), "", "{own}");
                self.attacks += 1;
            }
        }
        for port in [8080, 8081] {
            for host in OUTSIDE {
                assert_eq!(self.get(&format!("http://{host}:{port}/index.html")), "hello", "{host}:{port}");
                assert_eq!(self.get(&format!("http://{host}:{port}/attack")), "", "{host}:{port}");
                self.attacks += 1;
            }
        }
        self.asked += 4;
        for server in ["first", "second"] {
            let asked = self.docker.asked(server);
            assert_eq!(asked, vec!["/index.html".to_owned(); self.asked], "{server}");
        }
    }

    /// Split over segments, byte by byte counted where it should not arrive: what was forwarded before the match, and no more.
    fn split(&mut self) {
        for (server, client) in [("first", "client"), ("second", "neighbour")] {
            let ((server, addresses), (client, _)) =
                (self.docker.network(server), self.docker.network(client));
            for own in addresses {
                is_dropped(&client, &server, &format!("{own}:81"));
                self.splits += 1;
            }
        }
        for (server, port) in [("first", 8181), ("second", 8182)] {
            let (server, addresses) = self.docker.network(server);
            for (own, host) in addresses.iter().zip(OUTSIDE) {
                let (own, published) = (address(&format!("{own}:81")), address(&format!("{host}:{port}")));
                let (arrived, back) = say_by(&self.outside, &server, published, own, attack(), Vec::new());
                let arrived = String::from_utf8_lossy(&arrived).into_owned();
                assert_eq!(
                    (arrived.as_str(), back),
                    ("first att", Err(ErrorKind::WouldBlock)),
                    "{published}"
                );
                self.splits += 1;
            }
        }
    }

    /// Each attack is told once, and blocked.
    #[track_caller]
    fn is_told(&self, eve: &std::path::Path, said: &str) {
        assert_eq!(alerts(eve), [(1, self.attacks), (2, self.splits)].into(), "{said}");
        let all = events(eve);
        let alerts = all.iter().filter(|event| event["event_type"] == "alert");
        for alert in alerts {
            assert_eq!(alert["alert"]["action"], "blocked", "{alert}");
            // the container's own, not the one that it is published under
            let to: IpAddr = alert["dest_ip"].as_str().and_then(|ip| ip.parse().ok()).expect("an address");
            assert!(matches!(alert["dest_port"].as_u64(), Some(80 | 81)), "{alert}");
            assert!(!OUTSIDE.contains(&SocketAddr::new(to, 0).to_string().trim_end_matches(":0")), "{alert}");
        }
    }
}

#[test]
fn the_host_hook_stands_beside_the_rules_of_docker() {
    let Some(mut lab) = Lab::new("live docker host") else { return };
    let before = lab.docker.rules();
    assert!(before.iter().any(|rule| rule.contains("DNAT")), "{before:?}");
    let folder = TempDir::new("docker-host");
    let running = Running::start(&lab.docker.host, folder.path(), RULES, "--inline host --fail open");
    assert!(!lab.docker.host.hooks().is_empty());
    lab.try_all();
    lab.split();
    // what we let pass still meets Docker's own rules: its networks are apart
    let (_, [second, _]) = lab.docker.network("second");
    assert_eq!(lab.docker.get("client", &format!("http://{second}/index.html")), "");
    // what Docker makes while we run is held too
    lab.docker.server("third", "--network own");
    let (_, addresses) = lab.docker.network("third");
    for own in addresses {
        assert_eq!(lab.docker.get("neighbour", &format!("http://{own}/index.html")), "hello", "{own}");
        assert_eq!(lab.docker.get("neighbour", &format!("http://{own}/attack")), "", "{own}");
        lab.attacks += 1;
    }
    lab.docker.docker("rm -f third");
    let said = running.end();
    lab.is_told(&folder.path().join("eve.json"), &said);
    assert_eq!(lab.docker.host.hooks(), "");
    assert_eq!(lab.docker.rules(), before, "Docker's rules are what they were");
    // nobody looks: everything passes
    let (_, [first, _]) = lab.docker.network("first");
    lab.docker.get("client", &format!("http://{first}/attack"));
    assert_eq!(lab.docker.asked("first").last().map(String::as_str), Some("/attack"));
}

#[test]
fn containers_of_docker_are_held_from_within() {
    let Some(mut lab) = Lab::new("live docker containers") else { return };
    let before = lab.docker.rules();
    let folder = TempDir::new("docker-containers");
    let mut running =
        Running::start(&lab.docker.host, folder.path(), RULES, "--inline containers --workers 2");
    // four containers, and the wire: a veth leads there too
    running.wait_for("containers: 5 held; fail open").unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(lab.docker.host.hooks(), "", "nothing of ours is on the host");
    lab.try_all();
    lab.split();
    // one that Docker starts while we run
    lab.docker.server("third", "--network own");
    let (third, addresses) = lab.docker.network("third");
    until("the new one is held", 5, || !third.hooks().is_empty());
    for own in addresses {
        assert_eq!(lab.docker.get("neighbour", &format!("http://{own}/index.html")), "hello", "{own}");
        assert_eq!(lab.docker.get("neighbour", &format!("http://{own}/attack")), "", "{own}");
        lab.attacks += 1;
    }
    lab.docker.docker("rm -f third");
    let said = running.end();
    lab.is_told(&folder.path().join("eve.json"), &said);
    for name in ["first", "second", "client", "neighbour"] {
        assert_eq!(lab.docker.network(name).0.hooks(), "", "{name}: {said}");
    }
    assert_eq!(lab.docker.rules(), before, "Docker's rules are what they were");
}

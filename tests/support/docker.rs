//! A Docker daemon that a test starts for itself: network, mounts, processes, images and sockets of its own, all gone with it.
#![expect(clippy::disallowed_methods, reason = "what is started is waited for")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::TempDir;
use super::netns::Namespace;

/// A daemon that answers, with an image `lab` of nothing but a static busybox and a page.
pub(crate) struct Docker {
    /// Its network: what is the host's elsewhere.
    pub(crate) host: Namespace,
    folder: TempDir,
    child: Child,
    /// The daemon's number, as we see it.
    pid: Pid,
}

/// Where its containers are among control groups.
fn group() -> String {
    format!("mamparo-test-{}", std::process::id())
}

impl Docker {
    /// Starts it; `None`, told as a skip, where there is none to be started. `docker0` is 10.99.0.1 and fd99::1.
    pub(crate) fn start(test: &str) -> Option<Docker> {
        if super::netns::missing(test) {
            return None;
        }
        for (program, package) in
            [("dockerd", "docker.io"), ("docker", "docker.io"), ("unshare", "util-linux")]
        {
            if Command::new(program).arg("--version").output().is_err() {
                super::skip(test, &format!("needs {program} ({package})"));
                return None;
            }
        }
        let Some(busybox) = busybox() else {
            super::skip(test, "needs a busybox that needs no library (busybox-static)");
            return None;
        };
        let folder = TempDir::new(&format!("docker-{}", test.replace(' ', "-")));
        let at = folder.path().display();
        let host = Namespace::new("docker");
        std::fs::write(folder.path().join("none.json"), "{}").expect("a file");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        // its own process is the first of a process namespace: with it everything ends that it has started
        let line = format!(
            "mkdir -p /run/containerd && mount -t tmpfs none /run/containerd && exec nsenter --net=/run/netns/{} dockerd \
             --config-file {at}/none.json --data-root {at}/data --exec-root {at}/run --pidfile {at}/pid --host unix://{at}/socket \
             --storage-driver vfs --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent {} \
             --experimental --ip6tables --ipv6 --fixed-cidr-v6 fd99::/64 --bip 10.99.0.1/24",
            host.name,
            group(),
        );
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", &line])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("unshare");
        let deadline = Instant::now() + Duration::from_secs(30);
        let said = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        while !folder.path().join("socket").exists() || call(folder.path(), &["version"]).is_err() {
            let ended = matches!(child.try_wait(), Ok(Some(_)));
            if ended || Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                let said = said();
                let why: Vec<&str> = said.lines().rev().take(3).collect();
                super::skip(test, &format!("dockerd does not start: {}", why.join("; ")));
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let children = std::fs::read_to_string(children).expect("what unshare has started");
        let pid = children.trim().parse().ok().and_then(Pid::from_raw).expect("the daemon");
        let docker = Docker { host, folder, child, pid };
        docker.image(&busybox);
        Some(docker)
    }

    fn image(&self, busybox: &Path) {
        let root = self.folder.path().join("root");
        for folder in ["bin", "www"] {
            std::fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        std::fs::copy(busybox, root.join("bin/busybox")).expect("busybox");
        std::fs::write(root.join("www/index.html"), "hello\n").expect("a page");
        let (root, archive) = (root.display(), self.folder.path().join("root.tar"));
        let tar = format!("tar -C {root} -cf {} .", archive.display());
        assert!(Command::new("sh").args(["-c", &tar]).status().expect("tar").success());
        self.docker(&format!("import {} lab", archive.display()));
    }

    /// `docker` with that; what it says. It must go well.
    #[track_caller]
    pub(crate) fn docker(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        call(self.folder.path(), &words).unwrap_or_else(|said| panic!("docker {line}: {said}"))
    }

    /// A container with a server of pages at port 80, which keeps a log of what it is asked for.
    pub(crate) fn server(&self, name: &str, how: &str) {
        self.docker(&format!("run -d --name {name} {how} lab /bin/busybox httpd -f -vv -p [::]:80 -h /www"));
    }

    /// What that server was asked for.
    pub(crate) fn asked(&self, name: &str) -> Vec<String> {
        let output = Command::new("docker")
            .arg("--host")
            .arg(socket(self.folder.path()))
            .args(["logs", name])
            .output()
            .expect("docker");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        said.lines().filter_map(|line| Some(line.split_once("url:")?.1.trim().to_owned())).collect()
    }

    /// What a container gets when it asks for that page; nothing when nothing comes within two seconds.
    pub(crate) fn get(&self, name: &str, url: &str) -> String {
        // (wget's own time limit ends a static busybox)
        let words =
            ["exec", name, "/bin/busybox", "timeout", "2", "/bin/busybox", "wget", "-q", "-O", "-", url];
        call(self.folder.path(), &words).unwrap_or_default()
    }

    /// A container's network, and its addresses of both families, as in a URL.
    pub(crate) fn network(&self, name: &str) -> (Namespace, [String; 2]) {
        let words = "{{.NetworkSettings.SandboxKey}} {{range .NetworkSettings.Networks}}{{.IPAddress}} [{{.GlobalIPv6Address}}]{{end}}";
        let said = call(self.folder.path(), &["inspect", "-f", words, name]).expect("it is there");
        let mut words = said.split_whitespace();
        let mut word = || words.next().expect("a word").to_owned();
        let sandbox = word();
        // its mounts are its own
        let path = format!("/proc/{}/root{sandbox}", self.pid.as_raw_nonzero());
        (Namespace::at(path), [word(), word()])
    }

    /// The rules of iptables that are not ours, of both families, without what was counted.
    pub(crate) fn rules(&self) -> Vec<String> {
        let said = self.host.shell("iptables-save; ip6tables-save");
        let mut table = "";
        let mut rules = Vec::new();
        for line in said.lines() {
            if line.starts_with('*') {
                table = line;
            }
            // tables that somebody has looked at stay, with nothing in them
            if line.starts_with('-') || line.starts_with(':') && table != "*mangle" {
                let line = line.split(" [").next().unwrap_or(line);
                rules.push(format!("{table} {line}"));
            }
        }
        rules
    }
}

/// The static busybox of this machine.
fn busybox() -> Option<PathBuf> {
    ["/bin/busybox", "/usr/bin/busybox"].iter().map(PathBuf::from).find(|path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        is_static(&bytes).unwrap_or(false)
    })
}

/// Whether an ELF program of 64 bits names nobody to load libraries (`PT_INTERP`).
fn is_static(bytes: &[u8]) -> Option<bool> {
    let number = |at: usize| Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let headers = u64::from_le_bytes(*bytes.get(32..)?.first_chunk()?) as usize;
    let (size, count) = (number(54)?, number(56)?);
    let kinds = (0..count).map(|nth| bytes.get(headers + nth * size..).and_then(|header| header.first()));
    Some(bytes.starts_with(b"\x7fELF") && !kinds.into_iter().any(|kind| kind == Some(&3)))
}

fn socket(folder: &Path) -> String {
    format!("unix://{}/socket", folder.display())
}

fn call(folder: &Path, words: &[&str]) -> Result<String, String> {
    let output = Command::new("docker")
        .arg("--host")
        .arg(socket(folder))
        .args(words)
        .env("DOCKER_CONFIG", folder)
        .stdin(Stdio::null())
        .output()
        .expect("docker");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if let Ok(names) = call(self.folder.path(), &["ps", "-aq"]) {
            let names: Vec<&str> = names.split_whitespace().collect();
            let _ = call(self.folder.path(), &[&["rm", "-f"][..], &names[..]].concat());
        }
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = self.child.wait();
        // control groups have no owner that they would go with
        let _ = Command::new("find")
            .args(["/sys/fs/cgroup", "-depth", "-type", "d", "-path", &format!("*/{}*", group())])
            .args(["-exec", "rmdir", "{}", ";"])
            .stderr(Stdio::null())
            .status();
        // empty where it is nobody else's
        let _ = std::fs::remove_dir("/run/containerd");
    }
}

"""A small network of namespaces around one bridge, with a capture on the bridge.

Everything carries this process's id in its name. `Lab` is a context manager: whatever happens inside,
the processes it started are ended, its namespaces are deleted and its scratch folder is removed.
Nothing is added to the namespace the machine lives in.
"""

import ctypes
import os
import shutil
import signal
import socket as net
import subprocess
import tempfile
import threading
import time

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def sh(*argv, check=True, **kw):
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.STDOUT)
    done = subprocess.run([str(a) for a in argv], **kw)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stdout}")
    return done


class Host:
    """One container's worth of network: a namespace with eth0 on the bridge."""

    def __init__(self, lab, name, number):
        self.lab, self.name, self.number = lab, name, number
        self.ns = f"{lab.prefix}{name}"
        self.ip = f"10.77.0.{number}"
        self.ip6 = f"fd77::{number:x}"
        sh("ip", "netns", "add", self.ns)
        lab.namespaces.append(self.ns)
        self.port = f"v{name}"[:15]
        sh("ip", "link", "add", self.port, "netns", lab.switch, "type", "veth", "peer", "name", "eth0", "netns", self.ns)
        # Without this the capture shows checksums that the kernel meant to fill in later, and segments larger than the wire.
        for ns, dev in ((self.ns, "eth0"), (lab.switch, self.port)):
            lab.enter(ns, "ethtool", "-K", dev, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off", check=False)
        lab.quiet(self.ns)
        sh("ip", "-n", self.ns, "link", "set", "lo", "up")
        sh("ip", "-n", self.ns, "link", "set", "eth0", "address", f"02:77:00:00:00:{number:02x}")
        sh("ip", "-n", self.ns, "link", "set", "eth0", "up")
        sh("ip", "-n", lab.switch, "link", "set", self.port, "master", "br0", "up")
        sh("ip", "-n", self.ns, "addr", "add", f"{self.ip}/24", "dev", "eth0")
        sh("ip", "-n", self.ns, "addr", "add", f"{self.ip6}/64", "dev", "eth0", "nodad")
        sh("ip", "-n", self.ns, "route", "add", "default", "dev", "eth0")
        sh("ip", "-n", self.ns, "-6", "route", "add", "default", "dev", "eth0", check=False)

    def also(self, address):
        """A further address, reached by the others on the link (the world outside, a metadata service)."""
        nodad = ["nodad"] if ":" in address else []
        sh("ip", "-n", self.ns, "addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "eth0", *nodad)
        return self

    def run(self, *argv, timeout=20, stdin=None, env=None):
        """Run to the end; a failing client is often the point, so the exit status is not checked."""
        if isinstance(stdin, str):
            stdin = stdin.encode()
        try:
            return subprocess.run(
                self.lab.inside(self.ns, argv), input=stdin if stdin is not None else b"", timeout=timeout,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, start_new_session=True, cwd=self.lab.tmp,
            ).stdout
        except subprocess.TimeoutExpired as late:
            return late.output or b""

    def start(self, *argv, port=None, udp=False, wait=10, env=None, stdin=subprocess.DEVNULL, prefix=()):
        """Start a server and, if told its port, wait until it listens."""
        log = open(os.path.join(self.lab.tmp, f"{self.name}-{os.path.basename(str(argv[0]))}-{len(self.lab.processes)}.log"), "wb")
        p = subprocess.Popen(
            list(prefix) + self.lab.inside(self.ns, argv), stdin=stdin, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})}, start_new_session=True, cwd=self.lab.tmp,
        )
        p.log = log.name
        self.lab.processes.append(p)
        if port:
            self.wait_port(port, udp, wait, p)
        return p

    def wait_port(self, port, udp=False, wait=10, p=None):
        until = time.time() + wait
        while time.time() < until:
            listed = self.lab.enter(self.ns, "ss", "-Hlun" if udp else "-Hltn", check=False).stdout.decode()
            if any(line.split()[3].endswith(f":{port}") for line in listed.splitlines() if len(line.split()) > 3):
                return
            if p is not None and p.poll() is not None and p.returncode:
                break
            time.sleep(0.1)
        said = open(p.log, "rb").read()[-1500:].decode(errors="replace") if p is not None else ""
        raise RuntimeError(f"{self.name}: nothing listens on {port}: {said}")

    def socket(self, family=net.AF_INET, kind=net.SOCK_STREAM, proto=0):
        """A socket that lives in this namespace, used from this process."""
        with self.lab.moving:
            ours, theirs = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{self.ns}", os.O_RDONLY)
            try:
                if libc.setns(theirs, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                try:
                    s = net.socket(family, kind, proto)
                finally:
                    libc.setns(ours, CLONE_NEWNET)
            finally:
                os.close(ours)
                os.close(theirs)
        s.settimeout(8)
        return s

    def connect(self, to, port):
        s = self.socket(net.AF_INET6 if ":" in to else net.AF_INET)
        s.setsockopt(net.IPPROTO_TCP, net.TCP_NODELAY, 1)
        s.connect((to, port))
        return s

    def talk(self, to, port, *sent, answer=True, pause=0.0):
        """Send each piece and read one answer after it; returns what came back."""
        s, back = self.connect(to, port), []
        try:
            for piece in sent:
                s.sendall(piece)
                if pause:
                    time.sleep(pause)
                if answer:
                    try:
                        back.append(s.recv(65536))
                    except OSError:
                        break
        finally:
            s.close()
        return back

    def listen(self, port, handle, family=net.AF_INET, address=""):
        """A stand-in server: `handle(socket)` in a thread a connection."""
        s = self.socket(family)
        s.setsockopt(net.SOL_SOCKET, net.SO_REUSEADDR, 1)
        s.bind((address, port))
        s.listen(64)
        s.settimeout(None)
        self.lab.sockets.append(s)

        def one(c):
            try:
                c.settimeout(8)
                c.setsockopt(net.IPPROTO_TCP, net.TCP_NODELAY, 1)
                handle(c)
            except OSError:
                pass
            finally:
                c.close()

        def loop():
            while True:
                try:
                    c, _ = s.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(c,), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()


class Lab:
    def __init__(self, name):
        self.name = name
        self.prefix = f"mam{os.getpid()}-"
        self.switch = f"{self.prefix}sw"
        self.namespaces, self.processes, self.sockets, self.files, self.hosts = [], [], [], [], {}
        self.made, self.closing = [], False  # folders that a server insists on, to be removed again
        self.moving = threading.Lock()
        self.dump = None

    def __enter__(self):
        self.tmp = tempfile.mkdtemp(prefix=f"mamparo-record-{os.getpid()}-")
        os.chmod(self.tmp, 0o755)
        try:
            sh("ip", "netns", "add", self.switch)
            self.namespaces.append(self.switch)
            self.quiet(self.switch)
            sh("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            sh("ip", "-n", self.switch, "link", "set", "br0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop_capture()
        self.closing = True
        for fd in self.files:
            os.close(fd)
        for s in self.sockets:
            try:
                s.shutdown(net.SHUT_RDWR)
            except OSError:
                pass
            s.close()
        for how in (signal.SIGTERM, signal.SIGKILL):
            for p in reversed(self.processes):
                if p.poll() is None:
                    try:
                        os.killpg(p.pid, how)
                    except ProcessLookupError:
                        pass
            until = time.time() + 5
            while time.time() < until and any(p.poll() is None for p in self.processes):
                time.sleep(0.05)
        # What those left behind lives in namespaces of ours and of nobody else.
        for ns in reversed(self.namespaces):
            for pid in sh("ip", "netns", "pids", ns, check=False).stdout.split():
                if int(pid) != os.getpid():
                    try:
                        os.kill(int(pid), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            sh("ip", "netns", "del", ns, check=False)
        self.namespaces.clear()
        with open("/proc/self/mounts") as mounts:
            below = [m.split()[1] for m in mounts if m.split()[1].startswith(self.tmp)]
        for m in sorted(below, key=len, reverse=True):
            sh("umount", "-l", m, check=False)
        for path in [self.tmp, *self.made]:
            shutil.rmtree(path, ignore_errors=True)

    def quiet(self, ns):
        """No router solicitations and no address detection: they are noise in a capture."""
        self.enter(ns, "sh", "-c", "for d in all default; do cd /proc/sys/net/ipv6/conf/$d && echo 0 >accept_ra; echo 0 >accept_dad; echo 0 >router_solicitations; done", check=False)

    def inside(self, ns, argv):
        return ["nsenter", f"--net=/run/netns/{ns}", "--"] + [str(a) for a in argv]

    def enter(self, ns, *argv, check=True):
        return sh(*self.inside(ns, argv), check=check)

    def host(self, name, number):
        h = self.hosts[name] = Host(self, name, number)
        return h

    def path(self, *parts):
        return os.path.join(self.tmp, *parts)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def capture(self, out, what="not icmp6", interface="br0", ns=None):
        """Record what crosses the bridge, each packet once."""
        err = open(self.path("tcpdump.log"), "w+b")
        self.out, self.raw = out, self.path("out.pcap")
        self.dump = subprocess.Popen(
            self.inside(ns or self.switch, ["tcpdump", "-i", interface, "-s", "0", "-B", "16384", "--immediate-mode", "-U", "-Z", "root", "-w", self.raw, what]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, start_new_session=True,
        )
        until = time.time() + 10
        while time.time() < until:
            if b"listening on" in open(err.name, "rb").read():
                return
            time.sleep(0.05)
        raise RuntimeError("tcpdump did not start: " + open(err.name).read())

    def stop_capture(self):
        if self.dump is None:
            return
        time.sleep(0.6)
        self.dump.send_signal(signal.SIGINT)
        self.dump.wait(10)
        self.dump = None
        shutil.copyfile(self.raw, self.out)

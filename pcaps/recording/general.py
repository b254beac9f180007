"""Captures without an attack as their subject: HTTP, DNS, TLS, fragments, tunnels and IPv6 as real software speaks them."""

import fcntl
import os
import struct
import threading
import time

from .common import begin
from .lab import net, sh
from .scenes import scene
from .web import curl, reply, site

DNS = dict(dnsmasq="dnsmasq", dig="dnsutils")


def nginx(lab, host, servers, http=""):
    for d in ("www", "up"):
        os.makedirs(lab.path(d), exist_ok=True)
    temp = " ".join(f"{k}_temp_path {lab.path('up', k)};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = lab.write("nginx.conf", f"daemon off; user root; worker_processes 1; pid {lab.path('nginx.pid')}; error_log {lab.path('nginx.err')};\nevents {{ worker_connections 128; }}\n"
                     f"http {{ access_log off; {temp} types {{ text/html html; text/plain txt; image/png png; application/octet-stream bin; }} {http}\n{servers} }}\n")
    return host.start("nginx", "-c", conf, "-p", lab.tmp, port=80)


@scene("http-mixed", nginx="nginx")
def http(lab):
    """nginx and curl: gzip, chunked, keep-alive, pipelining, uploads, 100-continue, HEAD, ranges, redirects, large bodies, odd framing"""
    user, web = lab.host("user", 30), lab.host("web", 20)
    nginx(lab, web, f"server {{ listen 80; server_name shop.example; root {lab.path('www')}; location /old {{ return 301 /index.html; }} location /private {{ return 401 'no'; }} "
          f"location /up {{ root {lab.path('up')}; dav_methods PUT DELETE; create_full_put_path on; client_max_body_size 2m; }} location /form {{ return 200 'thanks'; }} }}",
          "gzip on; gzip_min_length 100; gzip_types text/plain;")
    lab.write("www/index.html", "<html><body>" + "<p>welcome to the shop</p>" * 60 + "</body></html>")
    lab.write("www/page.txt", "".join(f"line {i} of a text that compresses well\n" for i in range(400)))
    lab.write("www/picture.png", b"\x89PNG\r\n\x1a\n" + bytes((i * 73 + (i >> 3)) & 255 for i in range(9000)))
    lab.write("www/large.bin", bytes((i * 31 + (i >> 5)) & 255 for i in range(90000)))
    begin(lab)
    u = f"http://{web.ip}"
    site_name = ["Host: shop.example"]
    curl(user, f"{u}/index.html", headers=site_name)
    curl(user, f"{u}/page.txt", more=["--compressed"])
    curl(user, f"{u}/page.txt", more=["-r", "100-299"])
    curl(user, f"{u}/large.bin", more=["-r", "0-99,1000-1099"])
    curl(user, f"{u}/large.bin")
    curl(user, f"{u}/index.html", method="HEAD")
    curl(user, f"{u}/old", more=["-L"])
    curl(user, f"{u}/missing")
    curl(user, f"{u}/private", more=["-u", "anna:inert"])
    curl(user, f"{u}/form", "a=1&b=two+words&c=%E2%82%AC")
    curl(user, f"{u}/up/notes.txt", "x" * 3000, method="PUT", headers=["Expect: 100-continue"])
    curl(user, f"{u}/up/notes.txt", method="DELETE")
    user.run("curl", "-s", "-o", "/dev/null", "-F", f"file=@{lab.path('www/picture.png')};type=image/png", "-F", "note=a picture", f"{u}/form")
    user.run("curl", "-s", "-o", "/dev/null", "-H", "Transfer-Encoding: chunked", "-T", "-", f"{u}/up/stream.txt", stdin="y" * 20000)
    user.run("curl", "-s", "-o", "/dev/null", f"{u}/index.html", f"{u}/picture.png", f"{u}/page.txt")
    user.run("curl", "-s", "-o", "/dev/null", "-0", f"{u}/index.html")
    # pipelined requests, a request in pieces, absolute and odd forms, nonsense
    user.talk(web.ip, 80, b"".join(b"GET /index.html?n=%d HTTP/1.1\r\nHost: shop.example\r\n\r\n" % i for i in range(5)) + b"GET /missing HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n", pause=0.2)
    s = user.connect(web.ip, 80)
    for piece in (b"GE", b"T /index.html HTTP/1.1\r\nHo", b"st: shop.example\r\nX-Folded: one\r\n two\r\n", b"Connection: close\r\n\r\n"):
        s.sendall(piece)
        time.sleep(0.05)
    s.recv(65536)
    s.close()
    user.talk(web.ip, 80, b"GET http://shop.example/index.html HTTP/1.1\nHost: shop.example\nConnection: close\n\n")
    user.talk(web.ip, 80, b"POST /form HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n")
    user.talk(web.ip, 80, b"\x16\x03\x01 this is not HTTP\r\n\r\n")


@scene("dns-mixed", **DNS)
def dns(lab):
    """dnsmasq and dig over UDP and TCP: A, AAAA, TXT, MX, SRV, PTR, CAA, a CNAME chain, EDNS, truncation, NXDOMAIN, refusals"""
    user, server = lab.host("user", 30), lab.host("dns", 53)
    conf = lab.write("dnsmasq.conf", "\n".join([
        "no-hosts", "no-resolv", "bind-interfaces", "user=root", "pid-file=" + lab.path("dnsmasq.pid"), "auth-ttl=60", "local=/shop.example/", "local-ttl=30",
        "host-record=web.shop.example,10.77.0.20,fd77::14", "host-record=db.shop.example,10.77.0.40", "cname=www.shop.example,front.shop.example", "cname=front.shop.example,web.shop.example",
        "mx-host=shop.example,mail.shop.example,10", "mx-host=shop.example,mail2.shop.example,20", "host-record=mail.shop.example,10.77.0.25", "srv-host=_http._tcp.shop.example,web.shop.example,80,1,5",
        'txt-record=shop.example,"v=spf1 mx -all"', *("txt-record=long.shop.example," + ",".join('"' + ch * 240 + '"' for ch in part) for part in ("abc", "def", "gh")), "caa-record=shop.example,0,issue,ca.example",
        "ptr-record=20.0.77.10.in-addr.arpa,web.shop.example", "edns-packet-max=1232"]) + "\n")
    server.start("dnsmasq", "-k", "-C", conf, port=53, udp=True)
    begin(lab)

    def dig(*argv):
        user.run("dig", "+tries=1", "+time=1", f"@{server.ip}", *argv)

    for argv in (["web.shop.example"], ["AAAA", "web.shop.example"], ["www.shop.example"], ["MX", "shop.example"], ["SRV", "_http._tcp.shop.example"], ["TXT", "shop.example"], ["CAA", "shop.example"],
                 ["-x", "10.77.0.20"], ["missing.shop.example"], ["NS", "shop.example"], ["elsewhere.example"], ["ANY", "shop.example"], ["CH", "TXT", "version.bind"]):
        dig(*argv)
    dig("+tcp", "www.shop.example")
    dig("+tcp", "+keepopen", "web.shop.example", "db.shop.example", "TXT", "long.shop.example")
    dig("+noedns", "TXT", "long.shop.example")
    dig("+bufsize=4096", "+dnssec", "+cookie", "TXT", "long.shop.example")
    dig("+subnet=10.1.0.0/16", "+nsid", "web.shop.example")
    dig("WeB.ShOp.ExAmPlE")
    user.run("dig", "+tries=1", "+time=1", f"@{server.ip6}", "web.shop.example")
    s = user.socket(net.AF_INET, net.SOCK_DGRAM)
    s.settimeout(0.3)
    for packet in (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x04shop\x07example\x00\x00\x01\x00\x01" * 1, b"\x12\x35\x28\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04shop\x07example\x00\x00\x06\x00\x01", b"\x12\x36\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"):
        s.sendto(packet, (server.ip, 53))
        try:
            s.recvfrom(4096)
        except OSError:
            pass
    s.close()


@scene("tls-mixed", nginx="nginx", openssl="openssl")
def tls(lab):
    """nginx and openssl: TLS 1.2 and 1.3, SNI, ALPN, RSA and ECDSA chains, client certificate, resumption, wrong protocol, alerts"""
    user, web = lab.host("user", 30), lab.host("web", 20)
    p = lab.path

    def openssl(*argv):
        sh("openssl", *argv)

    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"]
    openssl("req", "-x509", *ec, p("ca.key"), "-out", p("ca.pem"), "-days", "3650", "-subj", "/O=Mamparo test/CN=Test CA")
    for name, key, subject in (("shop", ec, "/O=Shop/CN=shop.example"), ("rsa", ["-newkey", "rsa:2048", "-nodes", "-keyout"], "/C=ES/O=Shop/CN=rsa.shop.example"), ("anna", ec, "/O=Shop/CN=anna")):
        openssl("req", *key, p(f"{name}.key"), "-out", p(f"{name}.csr"), "-subj", subject)
        ext = lab.write(f"{name}.ext", f"subjectAltName=DNS:{subject.split('CN=')[1]},DNS:*.{subject.split('CN=')[1]}\n")
        openssl("x509", "-req", "-in", p(f"{name}.csr"), "-CA", p("ca.pem"), "-CAkey", p("ca.key"), "-CAcreateserial", "-days", "825", "-extfile", ext, "-out", p(f"{name}.crt"))
        with open(p(f"{name}.pem"), "w") as out:
            out.write(open(p(f"{name}.crt")).read() + open(p("ca.pem")).read())

    def server(name, cert, more):
        return f"server {{ listen 443 ssl http2; server_name {name}; ssl_certificate {p(cert + '.pem')}; ssl_certificate_key {p(cert + '.key')}; {more} location / {{ return 200 'hello over TLS'; }} }}\n"

    nginx(lab, web, "server { listen 80; return 200 'plain'; }\n" + server("shop.example", "shop", "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:1m; ssl_session_tickets on;")
          + server("rsa.shop.example", "rsa", "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:1m;")
          + server("staff.shop.example", "shop", f"ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:1m; ssl_client_certificate {p('ca.pem')}; ssl_verify_client on;"))
    begin(lab)

    def get(name, *more):
        user.run("curl", "-s", "-o", "/dev/null", "-m", "5", "--cacert", p("ca.pem"), "--resolve", f"{name}:443:{web.ip}", *more, f"https://{name}/")

    get("shop.example")
    get("shop.example", "--tls-max", "1.2")
    get("shop.example", "--http1.1", "--tlsv1.3")
    get("rsa.shop.example", "--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256")
    get("rsa.shop.example")
    get("staff.shop.example", "--cert", p("anna.pem"), "--key", p("anna.key"), "--tls-max", "1.2")
    get("staff.shop.example", "--cert", p("anna.pem"), "--key", p("anna.key"))
    get("staff.shop.example")
    user.run("curl", "-s", "-o", "/dev/null", "-k", f"https://{web.ip}/")
    user.run("curl", "-s", "-o", "/dev/null", "-m", "3", f"https://{web.ip}/")
    client = ["openssl", "s_client", "-connect", f"{web.ip}:443", "-servername", "shop.example", "-CAfile", p("ca.pem"), "-quiet", "-no_ign_eof"]
    ask = b"GET / HTTP/1.0\r\nHost: shop.example\r\n\r\n"
    for version in ("-tls1_2", "-tls1_3"):
        for session in (["-sess_out", p("session")], ["-sess_in", p("session")]):
            user.run("sh", "-c", "(printf 'GET / HTTP/1.0\\r\\nHost: shop.example\\r\\n\\r\\n'; sleep 0.4) | " + " ".join(client + [version] + session), timeout=6)
    user.run(*client, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", stdin=ask, timeout=4)
    user.run(*client, "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305", "-alpn", "h2,http/1.1", stdin=ask, timeout=4)
    curl(user, f"http://{web.ip}:443/")
    user.talk(web.ip, 443, b"SSH-2.0-OpenSSH_9.2\r\n")


@scene("fragments", ping="iputils-ping")
def fragments(lab):
    """large UDP and ICMP in IPv4 and IPv6 fragments, in order, reversed, doubled; a request in TCP segments that arrive in fragments"""
    a, b = lab.host("a", 30), lab.host("b", 20)
    site(b, 80, [(r"", reply(200, "ok", "text/plain"))])
    lab.capture(lab.target, "not (ip6 and ip6[6] = 0)")
    a.run("ping", "-c", "2", "-i", "0.1", "-s", "4000", b.ip)
    a.run("ping", "-6", "-c", "2", "-i", "0.1", "-s", "4000", b.ip6)
    for family, to in ((net.AF_INET, b.ip), (net.AF_INET6, b.ip6)):
        echo = b.socket(family, net.SOCK_DGRAM)
        echo.bind((("" if family == net.AF_INET else "::"), 7))
        s = a.socket(family, net.SOCK_DGRAM)
        s.connect((to, 7))
        s.send(bytes(i & 255 for i in range(5000)))
        data, who = echo.recvfrom(65536)
        echo.sendto(data[::-1], who)
        s.recv(65536)
        s.send(b"small")
        s.close(), echo.close()
    # IPv4 fragments made by hand: the same datagram in order, reversed, with the second piece twice
    raw = a.socket(net.AF_INET, net.SOCK_RAW, net.IPPROTO_RAW)
    text = b"GET /.env in pieces: " + bytes(range(65, 91)) * 6
    udp = struct.pack("!HHHH", 4000, 9999, 8 + len(text), 0) + text
    sink = b.socket(net.AF_INET, net.SOCK_DGRAM)
    sink.bind(("", 9999))
    for number, order in ((0x1001, (0, 1, 2)), (0x1002, (2, 1, 0)), (0x1003, (0, 1, 1, 2))):
        pieces = [(i, udp[i:i + 64], i + 64 < len(udp)) for i in range(0, len(udp), 64)]
        for at in order:
            i, part, more = pieces[at] if at < 2 else (128, udp[128:], False)
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(part), number, (0x2000 if more else 0) | i // 8, 64, 17, 0, net.inet_aton(a.ip), net.inet_aton(b.ip))
            raw.sendto(head + part, (b.ip, 0))
        sink.recv(65536)
    raw.close(), sink.close()
    # a path with a smaller MTU and no discovery: TCP segments are fragmented on the way out
    sh("ip", "-n", a.ns, "route", "add", b.ip, "dev", "eth0", "mtu", "lock", "600")
    big = a.socket(net.AF_INET, net.SOCK_DGRAM)
    big.setsockopt(net.IPPROTO_IP, 10, 0)
    sink = b.socket(net.AF_INET, net.SOCK_DGRAM)
    sink.bind(("", 9998))
    big.sendto(b"many small pieces " * 120, (b.ip, 9998))
    sink.recv(65536)
    big.close(), sink.close()
    curl(a, f"http://{b.ip}/form", "field=" + "v" * 4000)


# Tunnels. VXLAN is the kernel's. The others are spoken by these endpoints, because not every kernel has the devices;
# what goes through them is real: the kernel's packets from a TUN or TAP device in the namespace.

TUNSETIFF, IFF_TUN, IFF_TAP, IFF_NO_PI = 0x400454CA, 1, 2, 0x1000


def device(lab, host, name, tap, mac=None):
    with lab.moving:
        from .lab import CLONE_NEWNET, libc
        ours, theirs = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{host.ns}", os.O_RDONLY)
        try:
            libc.setns(theirs, CLONE_NEWNET)
            fd = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), (IFF_TAP if tap else IFF_TUN) | IFF_NO_PI))
        finally:
            libc.setns(ours, CLONE_NEWNET)
            os.close(ours), os.close(theirs)
    if mac:
        sh("ip", "-n", host.ns, "link", "set", name, "address", mac)
    sh("ip", "-n", host.ns, "link", "set", name, "mtu", "1300", "up")
    return fd


def endpoint(lab, host, peer, number, kind):
    """One end of a tunnel: device tN with 192.168.N.x, wrapped towards `peer` and unwrapped from it."""
    last = 1 if host.number < peer.number else 2
    name, tap = f"t{number}", kind in ("geneve", "vlan", "qinq", "gretap")
    mac = f"02:99:00:00:{number:02x}:{last:02x}" if tap else None
    fd = device(lab, host, name, tap, mac)
    lab.files.append(fd)
    if kind == "sit":
        sh("ip", "-n", host.ns, "addr", "add", f"fd{number:02d}::{last}/64", "dev", name, "nodad")
    else:
        sh("ip", "-n", host.ns, "addr", "add", f"192.168.{number}.{last}/24", "dev", name)
    gre = {"gre": b"\x00\x00\x08\x00", "gretap": b"\x20\x00\x65\x58\x00\x00\x00\x05"}
    if kind in ("vlan", "qinq"):
        s = host.socket(net.AF_PACKET, net.SOCK_RAW, net.htons(3))
        s.bind(("eth0", 3))
        # the kernel takes the outer tag off before a packet socket sees it
        tag = {"vlan": b"\x81\x00\x00\x0a", "qinq": b"\x88\xa8\x00\x64\x81\x00\x00\x14"}[kind]
        send = lambda d: s.send(d[:12] + tag + d[12:])  # noqa: E731
        ours = bytes.fromhex(mac.replace(":", ""))

        def receive():
            d = s.recv(65536)
            if d[:6] != ours and not (d[0] & 1 and d[6:11] == ours[:5] and d[6:12] != ours):
                return b""
            while d[12:14] in (b"\x81\x00", b"\x88\xa8"):
                d = d[:12] + d[16:]
            return d
    elif kind == "geneve":
        s = host.socket(net.AF_INET, net.SOCK_DGRAM)
        s.bind(("", 6081))
        send = lambda d: s.sendto(b"\x00\x00\x65\x58\x00\x00\x2a\x00" + d, (peer.ip, 6081))  # noqa: E731
        receive = lambda: s.recv(65536)[8:]  # noqa: E731
    else:
        s = host.socket(net.AF_INET, net.SOCK_RAW, {"gre": 47, "gretap": 47, "ipip": 4, "sit": 41}[kind])
        head = gre.get(kind, b"")
        send = lambda d: s.sendto(head + d, (peer.ip, 0))  # noqa: E731

        def receive():
            d = s.recv(65536)
            d = d[(d[:1] or b"\0")[0] % 16 * 4:]
            return d[len(head):] if d.startswith(head) else b""
    s.settimeout(None)
    lab.sockets.append(s)

    def outwards():
        while True:
            try:
                send(os.read(fd, 65536))
            except OSError:
                return

    def inwards():
        while True:
            try:
                d = receive()
                if lab.closing:
                    return
                if d:
                    os.write(fd, d)
            except OSError:
                return

    for loop in (outwards, inwards):
        threading.Thread(target=loop, daemon=True).start()


@scene("tunnels", ping="iputils-ping")
def tunnels(lab):
    """ping and HTTP (with a request for /.env) inside VXLAN (kernel), GRE, GRE with Ethernet, IP-in-IP, 6in4, Geneve, VLAN and QinQ (own endpoints)"""
    a, b = lab.host("a", 30), lab.host("b", 20)
    kinds = ["gre", "gretap", "ipip", "sit", "geneve", "vlan", "qinq"]
    for number, kind in enumerate(kinds, 11):
        endpoint(lab, a, b, number, kind)
        endpoint(lab, b, a, number, kind)
    for host, peer, last in ((a, b, 2), (b, a, 1)):
        sh("ip", "-n", host.ns, "link", "add", "vx0", "type", "vxlan", "id", "77", "dstport", "4789", "remote", peer.ip, "dev", "eth0", "noudpcsum")
        lab.enter(host.ns, "ethtool", "-K", "vx0", "tx", "off", "tso", "off", "gso", "off", "gro", "off", check=False)
        sh("ip", "-n", host.ns, "addr", "add", f"192.168.10.{last}/24", "dev", "vx0")
        sh("ip", "-n", host.ns, "link", "set", "vx0", "mtu", "1400", "up")
    page = [(r"", reply(200, "<html>inside</html>"))]
    site(b, 80, page)
    s = b.socket(net.AF_INET6)
    s.setsockopt(net.IPPROTO_IPV6, net.IPV6_V6ONLY, 1)
    s.close()
    site(b, 8080, page, family=net.AF_INET6)
    begin(lab, "not icmp6 and not (ip6 and ip6[6] = 0)")
    for number in [10, *range(11, 11 + len(kinds))]:
        if number - 11 == kinds.index("sit"):
            at = f"fd{number}::1" if b.number < a.number else f"fd{number}::2"
            a.run("ping", "-6", "-c", "1", "-W", "1", at)
            curl(a, f"http://[{at}]:8080/.env")
        else:
            at = f"192.168.{number}.1"
            a.run("ping", "-c", "1", "-W", "1", at)
            curl(a, f"http://{at}/index.html")
            curl(a, f"http://{at}/.env")


@scene("ipv6", nginx="nginx", ping="iputils-ping", **DNS)
def ipv6(lab):
    """neighbour discovery, ping, HTTP and DNS over IPv6; extension headers before UDP; a request for /.env"""
    a, b = lab.host("a", 30), lab.host("b", 20)
    site(b, 80, [(r"", reply(200, "<html>six</html>"))], family=net.AF_INET6)
    b.start("dnsmasq", "-k", "-h", "-R", "-u", "root", "--bind-interfaces", "--pid-file=" + lab.path("dnsmasq.pid"), "--host-record=web.shop.example,10.77.0.20,fd77::14", port=53, udp=True)
    lab.capture(lab.target, "ip6")
    a.run("ping", "-6", "-c", "2", "-i", "0.1", b.ip6)
    a.run("ping", "-6", "-c", "1", "ff02::1%eth0")
    curl(a, f"http://[{b.ip6}]/index.html")
    curl(a, f"http://[{b.ip6}]/.env")
    a.run("dig", "+tries=1", "+time=1", f"@{b.ip6}", "AAAA", "web.shop.example")
    a.run("dig", "+tries=1", "+time=1", "+tcp", f"@{b.ip6}", "A", "web.shop.example")
    s = a.socket(net.AF_INET6, net.SOCK_DGRAM)
    s.sendto(b"to a closed port", (b.ip6, 9))
    # hop-by-hop and destination options, as the kernel writes them for a socket that asks for them
    option = b"\x11\x00\x01\x04\x00\x00\x00\x00"
    for number in (54, 59):
        s.setsockopt(net.IPPROTO_IPV6, number, option)
        s.sendto(b"behind options", (b.ip6, 9))
    s.close()

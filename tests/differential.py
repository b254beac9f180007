#!/usr/bin/env python3
"""Compares the alerts of two engines over made-up conversations and made-up rules.

    tests/differential.py --ours target/debug/mamparo [--rounds 20] [--rules 100] [--seed 1] [--keep DIR]

Each round makes one capture (TCP and UDP conversations cut, repeated, reordered and with holes, in both directions) and a file of
random rules over what is said in it, runs this project and Suricata on both, and compares the multiset of (sid, packet). Nothing
of either engine is in here: the other one is run as a black box, when it is installed; without it the reason is printed and
nothing is compared. What differs is printed with the rule; tests/differences.md says which differences are known.
"""

import argparse
import collections
import json
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

FIN, SYN, PSH, ACK = 1, 2, 8, 16
WORDS = [b"alpha", b"bravo", b"charlie", b"delta", b"echo", b"GET", b"a", b"\x00\x01", b"zz", b"==", b"\xff\xfe\xfd", b"lima"]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, proto, payload):
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, proto, 0) + ends
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


class Capture:
    """Packets of raw IPv4, a millisecond apart."""

    def __init__(self):
        self.packets = []

    def add(self, packet):
        self.packets.append(packet)

    def write(self, path):
        with open(path, "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
            for at, packet in enumerate(self.packets):
                out.write(struct.pack("<IIII", 1_700_000_000 + at // 1000, at % 1000 * 1000, len(packet), len(packet)))
                out.write(packet)


class Tcp:
    """One session: `send` appends to a side's bytes, `piece` puts any part of them on the wire."""

    def __init__(self, capture, client, server):
        self.capture, self.ends = capture, [client, server]
        self.base, self.said = [1001, 5001], [0, 0]
        self.segment(0, SYN, seq=1000, ack=0)
        self.segment(1, SYN | ACK, seq=5000, ack=1001)
        self.segment(0, ACK)

    def segment(self, side, flags, data=b"", seq=None, ack=None):
        (source, sport), (destination, dport) = self.ends[side], self.ends[1 - side]
        seq = self.base[side] + self.said[side] if seq is None else seq
        ack = self.base[1 - side] + self.said[1 - side] if ack is None else ack
        header = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 65535, 0, 0)
        pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, 6, 20 + len(data))
        header = header[:16] + struct.pack("!H", checksum(pseudo + header + data)) + header[18:]
        self.capture.add(ipv4(source, destination, 6, header + data))

    def send(self, side, data, rng):
        start, at, pieces = self.said[side], 0, []
        while at < len(data):
            size = rng.choice([1, 3, 20, 200, 700, 1460])
            pieces.append((at, data[at : at + size]))
            at += size
        kind = rng.random()
        if kind < 0.1 and len(pieces) > 2:
            del pieces[rng.randrange(1, len(pieces) - 1)]
        elif kind < 0.2:
            at = rng.randrange(len(pieces))
            pieces.insert(at, pieces[at])
        elif kind < 0.3 and len(pieces) > 1:
            at = rng.randrange(len(pieces) - 1)
            pieces[at], pieces[at + 1] = pieces[at + 1], pieces[at]
        told = 0
        for at, piece in pieces:
            self.segment(side, PSH | ACK, piece, seq=self.base[side] + start + at)
            told = max(told, at + len(piece))
            if rng.random() < 0.6:
                self.said[side] = start + told
                self.segment(1 - side, ACK)
        self.said[side] = start + len(data)
        self.segment(1 - side, ACK)

    def finish(self):
        for side in (0, 1):
            self.segment(side, FIN | ACK)
            self.said[side] += 1
        self.segment(0, ACK)


def udp(source, destination, data):
    header = struct.pack("!HHHH", source[1], destination[1], 8 + len(data), 0)
    return ipv4(source[0], destination[0], 17, header + data)


def text(rng):
    return b"".join(rng.choice([*WORDS, b"." * rng.randrange(1, 60)]) for _ in range(rng.randrange(1, 60)))


def conversations(rng):
    capture = Capture()
    for number in range(4):
        client, server = (f"10.1.1.{number + 1}", 40000 + number), ("10.2.2.2", rng.choice([80, 9999, 4444]))
        session = Tcp(capture, client, server)
        for _ in range(rng.randrange(1, 5)):
            side, body = rng.randrange(2), text(rng)
            if server[1] == 80:
                path = rng.choice(WORDS[:5])
                session.send(0, b"GET /" + path + b" HTTP/1.1\r\nHost: a.example\r\nX-A: " + path + b"\r\n\r\n", rng)
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                session.send(1, head + body, rng)
            else:
                session.send(side, body, rng)
        if rng.random() < 0.7:
            session.finish()
        for _ in range(2):
            ends = (client[0], 5000 + number), (server[0], 6000)
            capture.add(udp(*ends, text(rng)))
            capture.add(udp(*reversed(ends), text(rng)))
    return capture


def literal(data):
    return "".join(chr(b) if chr(b).isalnum() else f"|{b:02X}|" for b in data)


def rule(rng, sid):
    proto = rng.choice(["tcp", "udp", "tcp-pkt", "tcp-stream", "http", "ip"])
    port = rng.choice(["any", "any", "80", "9999", "!80"])
    options = []
    flow = rng.choice([None, "to_server", "to_client", "established", "established,to_server"])
    if flow and proto != "ip":
        options.append(f"flow:{flow}")
    if proto == "http" and rng.random() < 0.6:
        options.append(rng.choice(["http.uri", "file.data", "http.header", "http.request_line"]))
        if rng.random() < 0.3:
            options.append(rng.choice(["to_lowercase", "strip_whitespace", "compress_whitespace"]))
    for nth in range(rng.randrange(1, 4)):
        word = rng.choice(WORDS)
        negated = nth > 0 and rng.random() < 0.2
        options.append(f'content:{"!" if negated else ""}"{literal(word)}"')
        if rng.random() < 0.2:
            options.append("nocase")
        if nth > 0 and not negated and rng.random() < 0.5:
            options.append(f"distance:{rng.randrange(0, 30)}")
            if rng.random() < 0.5:
                options.append(f"within:{len(word) + rng.randrange(0, 60)}")
        elif rng.random() < 0.3:
            offset = rng.randrange(0, 50)
            options.append(f"offset:{offset}")
            if rng.random() < 0.5:
                options.append(f"depth:{len(word) + rng.randrange(0, 50)}")
    extra = rng.random()
    if extra < 0.1:
        options.append(f"isdataat:{'!' if rng.random() < 0.5 else ''}{rng.randrange(1, 80)},relative")
    elif extra < 0.2:
        options.append(f"byte_test:1,{rng.choice('<>=&')},{rng.randrange(256)},{rng.randrange(20)},relative")
    elif extra < 0.3:
        options.append('pcre:"/[a-e]{5}/"')
    return f'alert {proto} any any -> any {port} (msg:"{sid}"; {"; ".join(options)}; sid:{sid};)'


def alerts(command, out):
    done = subprocess.run(command, capture_output=True, text=True)
    found = collections.Counter()
    path = pathlib.Path(out) / "eve.json"
    if not path.exists():
        sys.exit(f"{command[0]} wrote no eve.json:\n{done.stderr[-2000:]}")
    for line in open(path):
        event = json.loads(line)
        if event["event_type"] == "alert":
            found[event["alert"]["signature_id"], event.get("pcap_cnt")] += 1
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--ours", default="target/debug/mamparo")
    arguments.add_argument("--peer", default="suricata")
    arguments.add_argument("--config", default="/etc/suricata/suricata.yaml")
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--rules", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--keep", help="folder for captures and rules that differ")
    options = arguments.parse_args()
    if not shutil.which(options.peer):
        print(f"skipped: {options.peer} is not installed")
        return
    rules_total = agree = 0
    for turn in range(options.rounds):
        rng = random.Random(options.seed * 1_000_003 + turn)
        with tempfile.TemporaryDirectory() as folder:
            pcap, rules = f"{folder}/x.pcap", f"{folder}/x.rules"
            conversations(rng).write(pcap)
            texts = {sid: rule(rng, sid) for sid in range(1, options.rules + 1)}
            pathlib.Path(rules).write_text("\n".join(texts.values()) + "\n")
            more = ["--set", "packet-alert-max=255"]
            for name in ("peer", "ours"):
                pathlib.Path(folder, name).mkdir()
            peer = [options.peer, "--runmode=single", "-k", "none", "-c", options.config, "-S", rules, "-r", pcap, *more]
            ours = [options.ours, "replay", "-k", "none", "-c", options.config, "-S", rules, *more]
            theirs = alerts([*peer, "-l", f"{folder}/peer"], f"{folder}/peer")
            mine = alerts([*ours, "-l", f"{folder}/ours", pcap], f"{folder}/ours")
            differing = {sid for sid, _ in (theirs - mine) | (mine - theirs)}
            rules_total += len(texts)
            agree += len(texts) - len(differing)
            for sid in sorted(differing):
                only = [sorted((str(n), c) for (s, n), c in (a - b).items() if s == sid) for a, b in ((theirs, mine), (mine, theirs))]
                print(f"round {turn}: peer only {only[0]}, ours only {only[1]}\n    {texts[sid]}")
            if differing and options.keep:
                kept = pathlib.Path(options.keep)
                kept.mkdir(parents=True, exist_ok=True)
                shutil.copy(pcap, kept / f"{options.seed}-{turn}.pcap")
                shutil.copy(rules, kept / f"{options.seed}-{turn}.rules")
    print(f"{agree} of {rules_total} rules gave the same alerts on the same packets")


if __name__ == "__main__":
    main()

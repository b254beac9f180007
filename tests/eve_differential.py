#!/usr/bin/env python3
"""Compares the EVE records of two engines over captures, field by field.

    tests/eve_differential.py --ours target/debug/mamparo [--only REGEX] [--config FILE] [--rules FILE] [--show N] FOLDER…

Runs this project and Suricata (a black box, where it is installed) on each capture, pairs the records of each type by packet, ends
and transaction, and counts what one has and the other has not: whole records, and fields of paired records, by path. Statistics,
identifiers that are each engine's own and the order of records are left out. The commonest differences come first, each with
captures to look at.
"""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# each engine's own, or told by nobody
OWN = re.compile(
    r"^(flow_id|pcap_filename|metadata\.|stats\.|parent_id|app_proto_(orig|expected)$|files\[\]\.file_id|file_id|fileinfo\.file_id"
    r"|flow\.(start|end|age|reason)$|alert\.metadata|community_id)"
)


def flat(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from flat(inner, path + "[]")
    else:
        yield path, value


def records(path):
    out = []
    try:
        for line in path.read_text(errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if record.get("event_type") != "stats":
                out.append(record)
    except OSError:
        pass
    return out


def key(record):
    kind = record.get("event_type")
    ends = tuple(record.get(name) for name in ("src_ip", "src_port", "dest_ip", "dest_port", "proto"))
    if kind in ("flow", "netflow"):
        return (kind, *ends)
    inner = record.get("fileinfo", {}).get("filename")
    what = record.get("anomaly", {}).get("event") or record.get("alert", {}).get("signature_id")
    dns = record.get("dns", {}) if isinstance(record.get("dns"), dict) else {}
    return (kind, *ends, record.get("pcap_cnt"), record.get("tx_id"), inner, what, dns.get("type"))


def loose(record):
    """Without the packet: a record that is only told at another moment is paired all the same."""
    whole = key(record)
    return whole[:6] + whole[7:] if len(whole) > 6 else whole


def compare(peer, ours, where, tally):
    left = collections.defaultdict(list)
    for record in ours:
        left[loose(record)].append(record)
    for record in peer:
        same = left[loose(record)]
        kind = record.get("event_type")
        exact = next((at for at, other in enumerate(same) if key(other) == key(record)), None)
        if exact is None and not same:
            tally[(kind, "record missing", json.dumps(key(record)[-2:]) if kind in ("anomaly", "alert") else "")].append(where)
            continue
        other = same.pop(exact or 0)
        theirs, mine = collections.Counter(), collections.Counter()
        values = collections.defaultdict(lambda: ([], []))
        for side, of in enumerate((record, other)):
            for path, value in flat(of):
                if not OWN.match(path):
                    values[path][side].append(value)
        for path, (a, b) in values.items():
            if a == b or sorted(map(str, a)) == sorted(map(str, b)) and [type(v) for v in a] == [type(v) for v in b]:
                continue
            what = "field missing" if not b else "field extra" if not a else "field differs"
            tally[(kind, what, path)].append((where, str(a)[:90], str(b)[:90]))
    for same in left.values():
        for record in same:
            kind = record.get("event_type")
            tally[(kind, "record extra", json.dumps(key(record)[-2:]) if kind in ("anomaly", "alert") else "")].append(where)


def run(capture, options):
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)
        commands = {
            "peer": ["suricata", "--runmode=single", "-k", "none", "-c", options.config, "-S", options.rules, "--set",
                     "stream.reassembly.randomize-chunk-size=no"],
            "ours": [options.ours, "replay", "-k", "none", "-c", options.config, "-S", options.rules, "--tolerate-broken"],
        }
        found = {}
        for name, command in commands.items():
            (here / name).mkdir()
            tail = ["-l", str(here / name)] + (["-r", str(capture)] if name == "peer" else [str(capture)])
            try:
                subprocess.run(command + tail, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=False)
            except subprocess.TimeoutExpired:
                return capture, None, None
            found[name] = records(here / name / "eve.json")
        return capture, found["peer"], found["ours"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--config", default="/etc/suricata/suricata.yaml")
    parser.add_argument("--rules", default="/dev/null")
    parser.add_argument("--only", default=".")
    parser.add_argument("--most", type=int, default=2_000_000, help="bytes of the largest capture that is looked at")
    parser.add_argument("--show", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    if not shutil.which("suricata"):
        sys.exit("suricata is not installed: nothing to compare with (apt-get install suricata)")
    wanted = re.compile(options.only)
    captures = sorted(
        path
        for folder in options.folders
        for path in ([folder] if folder.is_file() else folder.rglob("*"))
        if path.is_file() and path.suffix in (".pcap", ".pcapng", ".cap") and path.stat().st_size <= options.most
        and wanted.search(str(path))
    )
    tally, count = collections.defaultdict(list), 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for capture, peer, ours in pool.map(lambda path: run(path, options), captures):
            if peer is None:
                print(f"too slow: {capture}")
                continue
            count += len(peer)
            compare(peer, ours, str(capture), tally)
    print(f"{len(captures)} captures, {count} records of the peer, {sum(map(len, tally.values()))} differences")
    for (kind, what, path), where in sorted(tally.items(), key=lambda item: -len(item[1]))[: options.show]:
        print(f"{len(where):6} {kind} {what} {path}  e.g. {where[0]}" + (f" | {where[len(where) // 2]}" if len(where) > 1 else ""))


if __name__ == "__main__":
    main()

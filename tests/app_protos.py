#!/usr/bin/env python3
"""Compares what flows are taken for with a manifest of captures.

    tests/app_protos.py FOLDER --cmd "target/release/mamparo replay -k none -l {out} {pcap}"

FOLDER has a `manifest.jsonl`: a line for each capture with `file` and `app_protos`, the number of flows by protocol ("-" for none). Each
capture is replayed, the `flow` records are counted, and the share of flows with the same protocol is printed, with the captures where they
differ. Exit status 1 when the share is below --least.
"""

import argparse
import collections
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile


def counted(command, capture):
    with tempfile.TemporaryDirectory() as out:
        words = [word.format(out=out, pcap=capture) for word in shlex.split(command)]
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        found = collections.Counter()
        records = pathlib.Path(out, "eve.json")
        if records.exists():
            for line in records.open():
                record = json.loads(line)
                if record["event_type"] == "flow":
                    found[record.get("app_proto", "-")] += 1
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--cmd", required=True)
    parser.add_argument("--only", default="", help="captures whose name contains it")
    parser.add_argument("--least", type=float, default=98.0, help="per cent")
    options = parser.parse_args()
    same = total = 0
    pairs = collections.Counter()
    for line in (options.folder / "manifest.jsonl").open():
        row = json.loads(line)
        if options.only not in row["file"]:
            continue
        expected = collections.Counter(row["app_protos"])
        found = counted(options.cmd, options.folder / row["file"])
        both = sum((expected & found).values())
        same += both
        total += sum(expected.values())
        if expected != found:
            missing, more = expected - found, found - expected
            print(f"{row['file']}: not {dict(missing)}, but {dict(more)}")
            for name, count in missing.items():
                pairs[name] += count
    share = 100.0 * same / max(total, 1)
    print(f"{same} of {total} flows the same, {share:.2f} %; missing by protocol: {dict(pairs)}")
    return share < options.least


if __name__ == "__main__":
    sys.exit(main())

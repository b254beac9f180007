#!/usr/bin/env python3
"""Compares what flows are taken for with a manifest of captures.

    tests/app_protos.py FOLDER --cmd "target/release/mamparo replay -S {rules} -k none --tolerate-broken -l {out} {pcaps}"

FOLDER has a `manifest.jsonl`: a line for each capture with `file` and `app_protos`, the number of flows by protocol: "-" for a flow without
`app_proto`, "failed" where nothing was recognised. The engine is started once for all captures (with a rule file that is empty), the
`flow` records are counted for each `pcap_filename`, and printed are the captures where they differ, which protocol stands here for which
there, and the share of the manifest's flows with the same protocol. A protocol that the manifest has nowhere is one that its engine
does not look for: a flow named so here counts for the same as one without a name there. Exit status 1 when the share is below --least.
"""

import argparse
import collections
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

NONE = ("-", "failed")


def counted(command, folder, names):
    """Flows by protocol of each capture."""
    found = {name: collections.Counter() for name in names}
    with tempfile.TemporaryDirectory() as out:
        rules = pathlib.Path(out, "empty.rules")
        rules.touch()
        words = []
        for word in shlex.split(command):
            if word == "{pcaps}":
                words += [str(folder / name) for name in names]
            else:
                words.append(word.format(out=out, rules=rules))
        done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            print(done.stderr.decode(errors="replace")[-2000:], f"exit status {done.returncode}", file=sys.stderr)
        for line in pathlib.Path(out, "eve.json").open():
            record = json.loads(line)
            if record["event_type"] == "flow":
                name = str(pathlib.Path(record["pcap_filename"]).resolve().relative_to(folder))
                found[name][record.get("app_proto", "-")] += 1
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--cmd", required=True)
    parser.add_argument("--only", default="", help="captures whose name contains it")
    parser.add_argument("--least", type=float, default=98.0, help="per cent")
    options = parser.parse_args()
    folder = options.folder.resolve()
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").open()]
    rows = [row for row in rows if options.only in row["file"] and (folder / row["file"]).exists()]
    found = counted(options.cmd, folder, [row["file"] for row in rows])
    known = {name for row in rows for name in row["app_protos"]}
    same = total = beyond = flows = 0
    instead = collections.Counter()
    for row in rows:
        expected, have = collections.Counter(row["app_protos"]), found[row["file"]]
        total += expected.total()
        flows += have.total()
        both = expected & have
        same += both.total()
        missing, more = expected - both, have - both
        for name in sorted(set(more) - known):
            for other in NONE:
                count = min(more[name], missing[other])
                beyond += count
                more[name] -= count
                missing[other] -= count
        missing, more = +missing, +more
        if missing or more:
            print(f"{row['file']}: not {dict(missing)}, but {dict(more)}")
            instead[" ".join(sorted(missing) or ["nothing"]) + " → " + " ".join(sorted(more) or ["nothing"])] += max(missing.total(), more.total())
    share = 100.0 * (same + beyond) / max(total, 1)
    for what, count in instead.most_common():
        print(f"{count:6}  {what}")
    print(f"{same} of {total} flows the same, {beyond} with a protocol that is looked for here only: {share:.2f} %; {flows} flows here")
    return share < options.least


if __name__ == "__main__":
    sys.exit(main())

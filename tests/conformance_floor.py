#!/usr/bin/env python3
"""Holds a report of the conformance kit against the committed floor.

    conformance_floor.py FLOOR REPORT            fails when a category has fewer passes than the floor says
    conformance_floor.py --write FLOOR REPORT    writes the floor from the report

Counted are the cases in which some alert is expected and all alerts are as they should be (the kit's column "alerts,
expected"). A line of the floor is a category and a number; `total` is all of them; `#` begins a comment.
"""
import collections
import json
import sys

HEADER = """# Cases of the conformance kit with all alerts as expected ("alerts, expected"), by category: CI fails below these numbers.
# Raise them when they rise: tests/conformance_floor.py --write tests/conformance-floor REPORT
"""


def passes(path):
    counts = collections.Counter(total=0)
    with open(path, encoding="utf-8") as report:
        for case in json.load(report)["cases"]:
            if case["positive"]:
                good = case["alerts"] == "pass"
                counts[case["category"]] += good
                counts["total"] += good
    return counts


def floor(path):
    numbers = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if words:
                numbers[words[0]] = int(words[1])
    return numbers


def main(arguments):
    write = "--write" in arguments
    files = [word for word in arguments if word != "--write"]
    if len(files) != 2:
        sys.exit(__doc__)
    counts = passes(files[1])
    if write:
        with open(files[0], "w", encoding="utf-8") as out:
            out.write(HEADER)
            for name, number in sorted(counts.items(), key=lambda item: (item[0] != "total", item[0])):
                out.write("%s %d\n" % (name, number))
        return 0
    wanted = floor(files[0])
    below = [(name, number) for name, number in sorted(wanted.items()) if counts[name] < number]
    above = [(name, number) for name, number in sorted(wanted.items()) if counts[name] > number]
    for name, number in below:
        print("conformance: %s: %d cases pass, the floor is %d" % (name, counts[name], number))
    for name, number in above:
        print("conformance: %s rose from %d to %d: raise the floor" % (name, number, counts[name]))
    print("conformance: %d cases pass, the floor is %d" % (counts["total"], wanted.get("total", 0)))
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

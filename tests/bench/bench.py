#!/usr/bin/env python3
"""bench.py - the table of BENCHMARKS.md: gmrelayd, the bare disk measured in the
same run, a server that stores nothing, and Postfix where it is installed (as
root). Run by `make bench`; loopback only, everything below one directory.

Environment:
  ROUNDS    rounds of each measurement, in turn; medians are printed (3)
  ONLY      names of measurements, with commas (all)
  PEERS     disk-appends, disk-files, nothing, gmrelayd, postfix,
            postfix-reuse (those that can be run)
  MESSAGES  a measurement of rates takes so many (10000)
  SIZE      octets of a message (4096)
  BACKLOG   messages of the backlog that leaves (20000)
  QUEUE     messages of the long queue (100000)
  BENCH_DIR where spools lie: the disk that is measured (the build directory)
"""
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

# what the others in this directory need stands in the path from here on
from cases import CASES  # noqa: E402
from peers import PEERS  # noqa: E402

from lib.pki import Pki  # noqa: E402

# One measurement with one peer, whatever goes wrong.
MEASURE_SECONDS = 1200


def number(name, default):
    text = os.environ.get(name, str(default))
    if not text.isdigit() or int(text) == 0:
        sys.exit("%s takes a number above 0, not %r" % (name, text))
    return int(text)


def chosen(name, all_of_them):
    names = [x for x in os.environ.get(name, "").split(",") if x]
    wrong = [x for x in names if x not in all_of_them]
    if wrong:
        sys.exit("%s: there is no %s; there are %s" % (
            name, ", ".join(wrong), ", ".join(all_of_them)))
    return names or list(all_of_them)


class Ended(Exception):
    """By a signal: what was started is ended on the way out."""


def on_term(_number, _frame):
    raise Ended("ended from outside")


def on_alarm(_number, _frame):
    raise AssertionError("not within %d s" % MEASURE_SECONDS)


class Bench:
    """Sizes, a directory, certificates."""

    def __init__(self, folder):
        self.folder = folder
        self.messages = number("MESSAGES", 10000)
        self.size = number("SIZE", 4096)
        self.backlog = number("BACKLOG", 20000)
        self.queue = number("QUEUE", 100000)
        self.pki = Pki(os.path.join(folder, "pki"))
        self.count = 0

    def new_folder(self, name):
        self.count += 1
        folder = os.path.join(self.folder, "%s%d" % (name, self.count))
        os.mkdir(folder, 0o755)
        return folder


def measure(bench, case, peers, figures):
    """One round of a case with each peer: figures[row][peer] grows."""
    for peer in peers:
        if not case.applies_to(peer):
            continue
        started = time.monotonic()
        signal.alarm(MEASURE_SECONDS)
        try:
            found = case.run(bench, peer)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            print("%s, %s: %s" % (case.name, peer.name, error),
                  file=sys.stderr)
            continue
        finally:
            signal.alarm(0)
        for row, value in found.items():
            figures.setdefault(row, {}).setdefault(peer.name, []).append(value)
        print("%s, %s (%.0f s): %s" % (
            case.name, peer.name, time.monotonic() - started, ", ".join(
                "%s %.4g" % pair for pair in found.items())),
            file=sys.stderr, flush=True)


def shown(value):
    return "%.0f" % value if value >= 100 else "%.3g" % value


def print_table(figures, peers):
    names = [peer.name for peer in peers]
    ours = {row: statistics.median(by["gmrelayd"])
            for row, by in figures.items() if by.get("gmrelayd")}
    print("| | " + " | ".join(
        name if name == "gmrelayd" else "%s (gmrelayd is so many times that)"
        % name for name in names) + " |")
    print("|---|" + "---|" * len(names))
    for row, by_peer in figures.items():
        cells = []
        for name in names:
            if name not in by_peer:
                cells.append("")
                continue
            value = statistics.median(by_peer[name])
            cell = shown(value)
            if name != "gmrelayd" and row in ours and value > 0:
                cell += " (%.3g)" % (ours[row] / value)
            cells.append(cell)
        print("| %s | %s |" % (row, " | ".join(cells)))


def main():
    rounds = number("ROUNDS", 3)
    names = chosen("ONLY", [case.name for case in CASES])
    wanted = chosen("PEERS", [peer.name for peer in PEERS])
    parent = os.environ.get("BENCH_DIR", os.environ.get("top_builddir", "."))
    folder = tempfile.mkdtemp(prefix="bench-", dir=parent)
    os.chmod(folder, 0o755)
    figures = {}
    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGALRM, on_alarm)
    try:
        bench = Bench(folder)
        peers = []
        for peer in PEERS:
            reason = peer.missing() if peer.name in wanted else "not wanted"
            if reason:
                print("%s is left out: %s" % (peer.name, reason),
                      file=sys.stderr)
            else:
                peers.append(peer)
        for case in CASES:
            for _ in range(rounds if case.name in names else 0):
                measure(bench, case, peers, figures)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print_table(figures, peers)


if __name__ == "__main__":
    main()

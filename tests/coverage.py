"""coverage.py - line coverage of what a build with --enable-coverage has run.

    coverage.py BUILD_DIR MINIMUM DIRECTORY...

Prints a line for each file below the DIRECTORIES of src/, with the lines that
were never run, one for each directory and one for all. Exit status 1 if all
together have less than MINIMUM percent.
"""
import collections
import gzip
import json
import os
import subprocess
import sys
import tempfile

RANGE_MAX = 12  # so many are named


def notes(build, directory):
    """The files that the compiler left beside the objects."""
    folder = os.path.join(os.path.abspath(build), "src", directory)
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if name.endswith(".gcno"))


def lines_of(note):
    """{(source, line): times}, by gcov's own words."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcov", "--json-format", note], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        found = {}
        for name in os.listdir(folder):
            with gzip.open(os.path.join(folder, name)) as file:
                for source in json.load(file)["files"]:
                    for line in source["lines"]:
                        key = source["file"], line["line_number"]
                        found[key] = found.get(key, 0) + line["count"]
        return found


def ranges(numbers):
    """[1, 2, 3, 7] -> "1-3 7"."""
    spans = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    words = ["%d" % a if a == b else "%d-%d" % (a, b) for a, b in spans]
    if len(words) > RANGE_MAX:
        words[RANGE_MAX:] = ["..."]
    return " ".join(words)


def main():
    build, minimum, directories = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    files = collections.defaultdict(dict)
    for directory in directories:
        for note in notes(build, directory):
            for (source, line), count in lines_of(note).items():
                place = "src/%s/" % directory
                if place in source:
                    name = place + source.rpartition(place)[2]
                    files[name][line] = files[name].get(line, 0) + count
    totals = collections.defaultdict(lambda: [0, 0])
    for name, lines in sorted(files.items()):
        missed = sorted(line for line, count in lines.items() if not count)
        print("%5.1f %% %s %s" % (100 - 100 * len(missed) / len(lines), name,
                                  ranges(missed)))
        for key in (os.path.dirname(name), "all"):
            totals[key][0] += len(lines) - len(missed)
            totals[key][1] += len(lines)
    for key, (run, count) in sorted(totals.items(), reverse=True):
        print("coverage of %s: %d of %d lines, %.1f %%" % (
            key, run, count, 100 * run / count))
    run, count = totals["all"]
    return 0 if 100 * run >= minimum * count else 1


if __name__ == "__main__":
    sys.exit(main())

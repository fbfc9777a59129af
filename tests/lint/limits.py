#!/usr/bin/env python3
"""limits.py DIR... - files of at most 600 lines, functions of at most 60 (from
the brace that opens them to the one that closes them), no banned call, no event
of ours that is added without a look at whether it was."""
import os
import re
import sys

FILE_MAX = 600
FUNCTION_MAX = 60
BANNED = re.compile(
    r"\b(strcpy|strcat|sprintf|vsprintf|alloca|gets|strtok|atoi)\s*\(")
# a statement, and no part of a condition
UNSEEN = re.compile(
    r"^\s*(?:\(void\)\s*)?(event_add|evtimer_add|evconnlistener_enable)\s*\(")
GOES_ON = ("|", "&", "(", ",", "=", "!", "?", ":")
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")[:-1]


def without_text(line):
    """The line without string literals and one-line comments."""
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    return re.sub(r"/\*.*?\*/", "", line)


def check_c(path, lines):
    wrong = []
    start = None
    in_comment = False
    before = ""
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > FUNCTION_MAX:
                wrong.append("%s:%d: a function of %d lines, %d are allowed" %
                             (path, start, number - start - 1, FUNCTION_MAX))
            start = None
        code = without_text(line)
        in_comment = (in_comment or "/*" in code) and "*/" not in code
        if not in_comment and BANNED.search(code):
            wrong.append("%s:%d: a call that is banned here: %s" %
                         (path, number, BANNED.search(code)[1]))
        if path.startswith("src/") and UNSEEN.search(code) and \
                not before.endswith(GOES_ON):
            wrong.append("%s:%d: %s() can fail: base/loop.h" %
                         (path, number, UNSEEN.search(code)[1]))
        before = code.rstrip()
        if TODO.search(line):
            wrong.append("%s:%d: no %s is left behind" %
                         (path, number, TODO.search(line)[1]))
    return wrong


def check(path):
    lines = read(path)
    wrong = []
    if len(lines) > FILE_MAX:
        wrong.append("%s:%d: a file of %d lines, %d are allowed" %
                     (path, FILE_MAX, len(lines), FILE_MAX))
    if path.endswith((".c", ".h")):
        wrong += check_c(path, lines)
    return wrong


def main():
    wrong = []
    for top in sys.argv[1:]:
        for folder, _, names in sorted(os.walk(top)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".py")):
                    wrong += check(os.path.join(folder, name))
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

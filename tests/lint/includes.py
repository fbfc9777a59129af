#!/usr/bin/env python3
"""includes.py DIR - who may include whom (ARCHITECTURE.md), checked.

base < proto < {spool, submit} < {receiver, relay, parent, ctl, sendmail}; the
roles never include each other, and the parent knows only their entries. proto
is pure: no libevent, no OpenSSL, no descriptor, no clock, no log. Only a few
files know OpenSSL. The files that a header says it is used by are there.
"""
import glob
import os
import re
import sys

MAY = {
    "base": {"base"},
    "proto": {"proto", "base"},
    "spool": {"spool", "proto", "base"},
    "receiver": {"receiver", "spool", "proto", "base"},
    "relay": {"relay", "spool", "submit", "proto", "base"},
    "parent": {"parent", "spool", "proto", "base"},
    "ctl": {"ctl", "spool", "submit", "proto", "base"},
    "submit": {"submit", "proto", "base"},
    "sendmail": {"sendmail", "submit", "proto", "base"},
    "": {"parent", "base"},
}
# single headers across that order
ALSO = {
    "parent": {"receiver/receiver.h", "relay/relay.h"},
    "ctl": {# `password` makes a line that the users file's parser takes
            "receiver/users.h",
            # doctor looks at the certificate and the users as the daemon does
            "receiver/receiver.h"},
}
# what a pure parser has no use for
PROTO_SYSTEM_NEVER = re.compile(
    r"^(event2/|openssl/|sys/(socket|stat|epoll|time|uio|mman)\.h|unistd\.h|"
    r"fcntl\.h|time\.h|pthread\.h|syslog\.h|poll\.h|netdb\.h|signal\.h|"
    r"confuse\.h|jansson\.h)")
PROTO_OURS_NEVER = {"base/log.h", "base/worker.h", "base/conf.h",
                    "base/counters.h", "base/channel.h", "base/role.h",
                    "base/credential.h"}
# libraries, and the directories that may know them
LIBRARY = (
    (re.compile(r"^openssl/"), {"receiver", "relay", "ctl"}),
    (re.compile(r"^event2/bufferevent_ssl\.h"), {"relay"}),
    (re.compile(r"^confuse\.h"), {"base"}),
    (re.compile(r"^crypt\.h"), {"base"}),
    (re.compile(r"^jansson\.h"), {"relay", "ctl"}),
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# in the comment at a header's head, up to the next "Word:"
USED_BY = re.compile(r"^ \* Used by:(.*?)(?=^ \*/|^ \* [A-Z]\w*:)",
                     re.DOTALL | re.MULTILINE)
MODULE = re.compile(r"\b(?:%s)/[a-z][a-z0-9_]*" % "|".join(filter(None, MAY)))


def layer(path):
    return path.split("/")[0] if "/" in path else ""


def judge(path, quoted, name):
    """Returns what is wrong with this include in this file, or None."""
    here = layer(path)
    if quoted and "/" in name:
        there = layer(name)
        if there not in MAY:
            return "includes a directory unknown to this check"
        if name in ALSO.get(here, ()):
            return None
        if there not in MAY.get(here, set()):
            return "%s may not include %s" % (here or "main", there)
        if here == "proto" and name in PROTO_OURS_NEVER:
            return "proto is pure: not this header"
        return None
    if quoted:
        return None if name == "config.h" else \
            "name the directory as well: \"dir/file.h\""
    if here == "proto" and PROTO_SYSTEM_NEVER.match(name):
        return "proto is pure: no descriptor, clock, event loop or library"
    for pattern, allowed in LIBRARY:
        if pattern.match(name) and here not in allowed:
            return "only %s may know this library" % ", ".join(sorted(allowed))
    return None


def check_file(top, path):
    wrong = []
    with open(os.path.join(top, path), encoding="utf-8") as file:
        found = [(number, match) for number, match in
                 ((n, INCLUDE.match(line)) for n, line in enumerate(file, 1))
                 if match]
    if path.endswith(".c") and (not found or found[0][1][2] != "config.h"):
        wrong.append("%s/%s:1: \"config.h\" comes first" % (top, path))
    for number, match in found:
        complaint = judge(path, match[1] == '"', match[2])
        if complaint:
            wrong.append("%s/%s:%d: %s: %s" %
                         (top, path, number, match[2], complaint))
    return wrong


def check_head(top, path):
    with open(os.path.join(top, path), encoding="utf-8") as file:
        found = USED_BY.search(file.read())
    return ["%s/%s: used by %s, which is not there" % (top, path, module)
            for module in MODULE.findall(found[1] if found else "")
            if not glob.glob(os.path.join(top, module) + "*.[ch]")]


def main():
    top = sys.argv[1].rstrip("/")
    wrong = []
    for folder, _, names in sorted(os.walk(top)):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                path = os.path.relpath(os.path.join(folder, name), top)
                wrong += check_file(top, path)
                wrong += check_head(top, path) if path.endswith(".h") else []
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

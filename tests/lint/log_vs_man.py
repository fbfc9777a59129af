#!/usr/bin/env python3
"""log_vs_man.py [TOP] - a line of the log is an event, of one to three words,
and pairs key=value; gmrelayd(8), section LOG, has the same events and keys as
the source. Prints what differs; exits 1 then. Debugging lines are left out."""
import os
import re
import sys

MANUAL = "man/gmrelayd.8"
LOGGER = "src/base/log.c"

CALL = re.compile(r"\blog_(?:err|warn|info)\(")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
KEY = re.compile(r"(?:^|[ ])([a-z][a-z0-9-]*)=")
WORD = re.compile(r"[a-z]+(?:-[a-z]+)*$")
EVENT_WORDS_MAX = 3
# what a format leaves open: (file, its first word) -> events, further keys
OPEN = {
    ("src/parent/parent.c", "ready"):
        (["ready"], ["listen", "control", "submit", "reloaded"]),
    ("src/receiver/mail.c", "%s"): (["rejected", "deferred"], []),
    ("src/relay/account.c", "account-%s"):
        (["account-throttled", "account-over-quota", "account-held"], []),
    ("src/relay/dispatch_verdict.c", "%s"):
        (["delivered", "failed", "deferred"], ["next"]),
}


def read(top, name):
    with open(os.path.join(top, name), encoding="utf-8") as file:
        return file.read()


def sources(top):
    for folder, _, names in os.walk(os.path.join(top, "src")):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), top)
            if name.endswith(".c") and path != LOGGER:
                yield path


def arguments(text, start):
    """Those of the call whose parenthesis opens before start."""
    depth, i = 1, start
    while depth > 0:
        if text[i] == '"':
            i = STRING.match(text, i).end()
            continue
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        i += 1
    return text[start:i - 1]


def unescape(text):
    return text.replace('\\"', '"')


def format_of(call):
    """The string literals before the first comma, as one."""
    parts, at = [], 0
    for string in STRING.finditer(call):
        if "," in call[at:string.start()]:
            break
        parts.append(unescape(string[1]))
        at = string.end()
    return "".join(parts)


def take_call(path, text, found):
    """Notes the event and the keys of one call. Returns what is wrong."""
    line = format_of(text)
    words = re.sub(r'"[^"]*"', "", line).split(" ")
    event = []
    while words and "=" not in words[0]:
        event.append(words.pop(0))
    events, keys = OPEN.get((path, event[0] if event else ""), (None, []))
    if events is None:
        events = [" ".join(event)]
        if not event or len(event) > EVENT_WORDS_MAX or not all(
                WORD.match(word) for word in event):
            return "no event at the beginning of: %s" % line
        if not all("=" in word for word in words if word):
            return "words without a key in: %s" % line
    for name in events:
        found[0].setdefault(name, path)
    for string in STRING.finditer(text):
        bare = re.sub(r'"[^"]*"?', "", unescape(string[1]))
        keys = keys + KEY.findall(bare)
    for key in keys + KEY.findall(re.sub(r'"[^"]*"', "", line)):
        found[1].setdefault(key, path)
    return None


def from_source(top):
    """({event: file}, {key: file}), [what is wrong]"""
    found, wrong = ({}, {}), []
    for path in sorted(sources(top)):
        text = read(top, path)
        for call in CALL.finditer(text):
            problem = take_call(path, arguments(text, call.end()), found)
            if problem:
                wrong.append("%s:%d: %s" % (
                    path, text.count("\n", 0, call.start()) + 1, problem))
    return found, wrong


def from_manual(text):
    """The events and the keys, by the subsections of LOG."""
    lists = {"Events": set(), "Keys": set()}
    section = part = None
    for line in text.split("\n"):
        if line.startswith(".Sh "):
            section, part = line[4:], None
        elif line.startswith(".Ss ") and section == "LOG":
            part = line[4:]
        elif line.startswith(".It Sy ") and part in lists:
            lists[part] |= {x.strip('"') for x in line[7:].split(" , ")}
    return lists["Events"], lists["Keys"]


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else "."
    found, wrong = from_source(top)
    told = from_manual(read(top, MANUAL))
    for kind, ours, theirs in zip(("event", "key"), found, told):
        wrong += ["%s: the %s \"%s\" is not in %s, LOG" % (
            path, kind, name, MANUAL) for name, path in sorted(ours.items())
            if name not in theirs]
        wrong += ["%s: the %s \"%s\" is in no line of the log" % (
            MANUAL, kind, name) for name in sorted(theirs - set(ours))]
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


main()

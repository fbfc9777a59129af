#!/usr/bin/env python3
"""conf_vs_man.py [TOP] - every setting is a row of the schema in conf.c, an .It
entry of gmrelayd.conf(5) and a line of etc/gmrelayd.conf, in the same kind of
section and with the same default; the guide gmrelayd-clients(7) names no other.
Prints what differs; exits 1 then."""
import os
import re
import sys

SCHEMA = "src/base/conf.c"
MANUAL = "man/gmrelayd.conf.5"
SAMPLE = "etc/gmrelayd.conf"
GUIDE = "man/gmrelayd-clients.7"

ROW = re.compile(
    r'^\t\{"([^"]+)",\s*"([^"]*)",\s*(ONE|LIST),\s*'
    r'(GLOBAL|ACCOUNT|CLIENT)\(', re.MULTILINE)
SIDES = {"GLOBAL": "", "ACCOUNT": "account", "CLIENT": "client"}
# the man page's sections, and of which kind their settings are
SECTIONS = {"GLOBAL SETTINGS": "", "ACCOUNT SETTINGS": "account",
            "CLIENT SETTINGS": "client"}


def read(top, name):
    with open(os.path.join(top, name), encoding="utf-8") as file:
        return file.read()


def from_schema(text):
    table = re.search(r"conf_setting schema\[\] = \{\n(.*?)\n\};", text,
                      re.DOTALL)
    if not table:
        sys.exit("%s: no table \"schema\"" % SCHEMA)
    rows = ROW.findall(table[1])
    # a row that the pattern misses must not go unnoticed
    if len(rows) != len(re.findall(r'^\t\{"', table[1], re.MULTILINE)):
        sys.exit("%s: a row that this check cannot read" % SCHEMA)
    return {(SIDES[side], name): fallback.split(", ") if kind == "LIST"
            else [fallback] for name, fallback, kind, side in rows}


def values(text):
    """The values behind "=", of a list or of one."""
    if text.strip() == "{}":
        return [""]
    quoted = re.findall(r'"([^"]*)"', text)
    return quoted if quoted else [text.strip()]


def from_manual(text):
    found = {}
    side = None
    for line in text.split("\n"):
        if line.startswith(".Sh "):
            side = SECTIONS.get(line[4:])
        match = re.match(r"\.It Ic (\S+) No = ?(.*)$", line)
        if match and side is not None:
            found[side, match[1]] = values(match[2].replace("\\(dq", '"'))
        elif line.startswith(".It ") and side is not None:
            sys.exit("%s: cannot read \"%s\"; write: .It Ic NAME No = "
                     "\\(dqDEFAULT\\(dq" % (MANUAL, line))
    return found


def from_sample(text):
    found = {}
    side = ""
    for line in text.split("\n"):
        begun = re.match(r"#?(account|client) \{", line)
        if begun:
            side = begun[1]
        elif re.match("#?}", line):
            side = ""
        # a whole section may be behind hash signs
        match = re.match(r"(?:\s*#?|#\t)([a-z][a-z-]*) = (.*)$", line)
        if match:
            found[side, match[1]] = values(match[2])
    return found


def title(key):
    return key[1] + (" in " + key[0] if key[0] else "")


def compare(schema, other, name):
    wrong = ["%s: \"%s\" is missing" % (name, title(key))
             for key in schema if key not in other]
    wrong += ["%s: \"%s\" is no setting" % (name, title(key))
              for key in other if key not in schema]
    wrong += ["%s: \"%s\" has the default %s, the program has %s" %
              (name, title(key), ", ".join(other[key]) or '""',
               ", ".join(schema[key]) or '""')
              for key in schema if key in other and other[key] != schema[key]]
    return wrong


def unknown_in_guide(schema, text):
    """Settings that the guide names and that there are not."""
    known = {name for _, name in schema} | {"account", "client"}
    return ["%s: there is no setting %s" % (GUIDE, name)
            for name in re.findall(r"^\.Ic (\S+)", text, re.MULTILINE)
            if name not in known]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../..")
    schema = from_schema(read(top, SCHEMA))
    wrong = compare(schema, from_manual(read(top, MANUAL)), MANUAL)
    wrong += compare(schema, from_sample(read(top, SAMPLE)), SAMPLE)
    wrong += unknown_in_guide(schema, read(top, GUIDE))
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

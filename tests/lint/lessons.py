"""lessons.py - the tests that SECURITY.md names for its lessons exist."""
import os
import re
import sys


def main():
    with open("SECURITY.md", encoding="utf-8") as file:
        rows = re.findall(r"(?m)^\| [^|]+ \| (`[^|]+) \|$", file.read())
    missing, count = [], 0
    for row in rows:
        for name, tests in re.findall(r"`([\w.]+)`((?:(?:: |, )\w+\b(?!`))*)",
                                      row):
            folder = "integration" if name.endswith(".py") else "unit"
            path = os.path.join("tests", folder, name)
            if not os.path.exists(path):
                missing.append(path)
                continue
            with open(path, encoding="utf-8") as file:
                source = file.read()
            for test in re.findall(r"\w+", tests):
                count += 1
                if not re.search(r"(?:def |refusal\(\"|void )%s\b" % test,
                                 source):
                    missing.append("%s in %s" % (test, path))
    for what in missing:
        print("SECURITY.md names a test that is not there: %s" % what)
    if not rows or not count:
        print("SECURITY.md has no table of lessons and tests")
    return 1 if missing or not count else 0


sys.exit(main())

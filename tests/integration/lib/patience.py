"""patience.py - how long a wait may take. All deadlines say what is generous for
programs as they were built; behind a command such as valgrind they are many
times slower, and all waits longer by one factor. None is longer than it must
be: they end when what they wait for is there.
"""
import os
import shlex

# a command that becomes each program: `make check-valgrind`
WRAPPER = shlex.split(os.environ.get("GMRELAY_WRAPPER", ""))
PATIENCE = 10 if WRAPPER else 1

"""syscalls.py - the system calls of one process in the order they happened, by
strace(1)."""
import re
import signal
import subprocess

from .daemon import wait_for

CALL = re.compile(r"(?s)^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"(?s)^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
RESULT = re.compile(r"= (-?\d+|\?)[^=]*$")
UNFINISHED = " <unfinished ...>"
STRING_MAX = 65536


class Call:
    """began and ended are places in one order over all threads; ended is None
    where the trace ends first."""

    def __init__(self, tid, name, text, began):
        self.tid = tid
        self.name = name
        self.text = text
        self.began = began
        self.ended = None
        self.result = None

    @property
    def path(self):
        """What the descriptor in the first argument stands for."""
        match = re.match(r"\d+<([^>]*)>", self.text)
        return match[1] if match else ""

    def finish(self, text, ended):
        self.text += text
        self.ended = ended
        match = RESULT.search(text)
        if match and match[1] != "?":
            self.result = int(match[1])

    def __repr__(self):
        return "%d-%s %s(%s)" % (self.began, self.ended, self.name,
                                 self.text[:120])


def parse(lines):
    """Calls in the order they began."""
    calls, open_calls = [], {}
    for number, line in enumerate(lines):
        match = RESUMED.match(line)
        if match:
            call = open_calls.pop(match[1], None)
            if call:
                call.finish(match[3], number)
            continue
        match = CALL.match(line)
        if not match:
            continue
        tid, name, text = match.groups()
        if text.endswith(UNFINISHED):
            call = Call(tid, name, text[:-len(UNFINISHED)], number)
            open_calls[tid] = call
        else:
            call = Call(tid, name, "", number)
            call.finish(text, number)
        calls.append(call)
    return calls


class Strace:
    """strace of a process and its threads, from now until stop(). Skips the
    scenario where it is not allowed."""

    def __init__(self, t, pid, *options):
        t.need("strace")
        self.file = t.path("strace.%d" % pid)
        self.process = subprocess.Popen(
            ["strace", "-f", "-o", self.file, *options, "-p", str(pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        t.at_end.append(self.stop)
        first = self.process.stderr.readline()
        if "attached" not in first:
            t.skip("strace may not look: %s" % first.strip())

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        self.process.stderr.close()


class Trace(Strace):
    """The calls of these names, until end()."""

    def __init__(self, t, pid, names):
        super().__init__(t, pid, "-y", "-s", str(STRING_MAX), "-e",
                         "trace=" + ",".join(names))

    def wait_for_text(self, text, deadline=20):
        def written():
            with open(self.file, errors="replace") as file:
                return text in file.read()

        wait_for(written, deadline, "%r in the trace" % text)

    def end(self):
        """Lets the process go; returns its calls."""
        self.stop()
        with open(self.file, errors="replace") as file:
            return parse(file.read().split("\n"))

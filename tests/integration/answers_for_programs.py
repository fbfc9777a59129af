"""With --json there is one document whatever happens, an exit status that
means something, and nothing is lost when whoever reads it is slow."""
import base64
import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import termios
import threading

from lib.daemon import GMRELAYCTL
from lib.harness import main, scenario, wait_for
from lib.mail import without_received
from lib.smtpclient import message

MANUAL = os.path.join(os.environ.get("top_srcdir") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../.."), "man/gmrelayctl.8")
NOBODY = "00000000000000ff"
CLIENTS_MAX = 32


def document(t, done, what):
    """Its stdout is one document; told is what it holds."""
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise AssertionError("%s: no document in %r (%s)" % (
            what, done.stdout, done.stderr)) from None


def failed(t, daemon, *command, status):
    done = daemon.ctl_run(*command)
    t.equal(done.returncode, status, "status of %s: %s" % (command, done))
    told = document(t, done, command)
    t.true(told["error"]["kind"] and told["error"]["text"],
           "%s: %r" % (command, told))
    t.true(told["error"]["text"] in done.stderr, "for people as well")
    return told["error"]["text"]


def keys_of(value):
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(keys_of, value.values()))


@scenario
def every_key_is_in_the_manual(t):
    daemon = t.daemon(t.fake()).start()
    daemon.ask("account.pause", all=True)
    number = daemon.send(message())
    told = [document(t, daemon.ctl_run(*command), command) for command in (
        ["queue", "list"], ["queue", "show", number], ["queue", "cat", number],
        ["queue", "hold", number, NOBODY], ["account", "list"], ["clients"],
        ["account", "resume", "--all"], ["test", "person@example.net"],
        ["reload"], ["doctor"], ["spool", "check"], ["status"])]
    for counter in ("receiver", "relay"):  # there are many, they may change
        del told[-1]["counters"][counter]
    with open(MANUAL, encoding="utf-8") as file:
        said = set(re.findall(r"\w+", file.read()))
    t.equal(set().union(*map(keys_of, told)) - said, set(), "unsaid")


@scenario
def a_failure_is_a_document_too(t):
    daemon = t.daemon(t.fake())
    everywhere = (["status"], ["account", "list"], ["account", "pause", "x"],
                  ["queue", "list"], ["queue", "show", NOBODY],
                  ["queue", "cat", NOBODY], ["queue", "hold", NOBODY],
                  ["queue", "flush"], ["reload"],
                  ["spool", "check", "--spool", "/nowhere"])
    for command in everywhere:
        failed(t, daemon, *command, status=2)
    daemon.start()
    for command in (["queue", "show", NOBODY], ["queue", "cat", NOBODY],
                    ["account", "pause", "nobody"]):
        failed(t, daemon, *command, status=1)
    good = daemon.config_text()
    daemon.write_config(text="nonsense = 1\n" + good)
    text = failed(t, daemon, "reload", status=1)
    t.true(":1:" in text, "the line: %s" % text)
    daemon.write_config(text=good)


@scenario
def wrong_usage_is_told_apart(t):
    daemon = t.daemon(t.fake()).start()
    number = daemon.send(message())
    for wrong in ("1", "nonsense", NOBODY.upper(), NOBODY + "0", "-"):
        for command in (["queue", "show"], ["queue", "cat"],
                        ["queue", "hold", number], ["queue", "delete"]):
            text = failed(t, daemon, *command, wrong, status=2)
            t.true(wrong in text and "no id" in text, text)
    text = failed(t, daemon, "queue", status=2)
    t.true("queue wants one of: list, show" in text, text)
    text = failed(t, daemon, "queue", "remove", status=2)
    t.true("there is no queue remove" in text and "delete" in text, text)
    text = failed(t, daemon, "queues", status=2)
    t.true("there is no command queues" in text, text)
    for wrong, words in ((["--bad"], "--bad is no option of queue list;"),
                         (["-x"], "-x is no option of queue list;"),
                         (["--failed=no"], "--failed=no is no option of"),
                         (["--timeout"], "--timeout wants a value;")):
        text = failed(t, daemon, "queue", "list", *wrong, status=2)
        t.true(words in text, text)
        done = daemon.ctl_run("queue", "list", *wrong)
        t.equal(len(done.stderr.splitlines()), 1, "lines: " + done.stderr)
    daemon.fake.wait_messages(1)  # it was not held


@scenario
def cat_is_a_document_with_the_message(t):
    daemon = t.daemon(t.fake()).start()
    daemon.ask("account.pause", all=True)
    sent = message() + b"".join(
        "Zeile %d: ä\r\n".encode() % i for i in range(40000))
    number = daemon.send(sent)
    told = daemon.ctl("queue", "cat", number)
    t.equal(told["id"], number, "id")
    t.equal(without_received(base64.b64decode(told["data"])), sent, "bytes")


class Closing:
    """A daemon of old that answers one request a connection and hangs up, as
    the real one does when nothing is asked for a minute."""

    def __init__(self, path, pages):
        self.pages = pages
        self.asked = []
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(path)
        self.server.listen()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            with sock, sock.makefile("rb") as lines:
                request = json.loads(lines.readline())
                self.asked.append(request)
                sock.sendall(self.answer(request))

    def answer(self, request):
        ends = [page and page[-1]["id"] for page in self.pages]
        at = ends.index(request["after"]) + 1 if "after" in request else 0
        if self.pages[at] is None:
            return b'{"error":{"kind":"system","text":"no more"},"done":true}\n'
        lines = [{"message": row} for row in self.pages[at]]
        lines.append({"more": at + 1 < len(self.pages), "done": True})
        return "".join(json.dumps(x) + "\n" for x in lines).encode()

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(20)


def pages_of(count, size):
    return [[{"id": "%016x" % (p * size + i + 1), "state": "waiting",
              "recipients": 1, "to": ["a@b.c"]} for i in range(size)]
            for p in range(count)]


def listed(path, *options):
    return subprocess.run(
        [GMRELAYCTL, "-s", path, *options, "queue", "list"],
        capture_output=True, text=True, timeout=60)


@scenario
def a_list_goes_on_where_the_daemon_hung_up(t):
    pages = pages_of(4, 100)
    path = t.path("closing.sock")
    old = Closing(path, pages)
    t.at_end.append(old.close)
    done = listed(path)
    t.equal(done.returncode, 0, "status: %s" % done.stderr)
    ids = [x.split()[0] for x in done.stdout.splitlines()
           if not x.startswith("ID")]
    t.equal(ids, [row["id"] for page in pages for row in page], "rows")
    done = listed(path, "--json")
    t.equal([x["id"] for x in json.loads(done.stdout)], ids, "for programs")
    t.equal([x.get("after") for x in old.asked[:4]],
            [None] + [page[-1]["id"] for page in pages[:3]], "pages asked for")


@scenario
def a_list_that_is_cut_short_says_so(t):
    path = t.path("closing.sock")
    old = Closing(path, pages_of(1, 3) + [None])
    t.at_end.append(old.close)
    done = listed(path, "--json")
    t.equal(done.returncode, 2, "status")
    rows = document(t, done, "the list")
    t.equal(len(rows), 4, "rows: %r" % rows)
    t.equal(rows[-1]["error"]["text"], "no more", "the last one")


@scenario
def what_the_daemon_refuses_is_a_document(t):
    path = t.path("refusing.sock")
    old = Closing(path, [None])
    t.at_end.append(old.close)
    for command in (["status"], ["clients"], ["account", "list"],
                    ["account", "pause", "x"], ["queue", "list"],
                    ["queue", "show", NOBODY], ["queue", "cat", NOBODY],
                    ["queue", "flush"]):
        done = subprocess.run([GMRELAYCTL, "-s", path, "--json", *command],
                              capture_output=True, text=True, timeout=60)
        t.true(done.returncode in (1, 2), "status of %s" % command)
        told = document(t, done, command)
        t.equal(told["error"]["text"], "no more", "%s" % command)


class Silent(Closing):
    """Ends when it is asked to reload; what comes then says nothing."""

    def answer(self, request):
        if request["command"] == "ping":
            self.released.wait(60)
        return b""

    def __init__(self, path):
        self.released = threading.Event()
        super().__init__(path, [])

    def close(self):
        self.released.set()
        super().close()


@scenario
def a_reload_is_waited_for_no_longer_than_said(t):
    path = t.path("silent.sock")
    old = Silent(path)
    t.at_end.append(old.close)
    # each answer of the daemon's could take half a minute
    done = subprocess.run(
        [GMRELAYCTL, "-s", path, "reload", "--timeout", "3"],
        capture_output=True, text=True, timeout=25)
    t.equal(done.returncode, 1, "status")
    t.true("within 3 s: gmrelayd does not answer" in done.stderr, done.stderr)


@scenario
def a_slow_reader_keeps_no_answer_waiting(t):
    """The daemon has given its answer, and is done with the client, before
    the first octet of a large message is read."""
    daemon = t.daemon(t.fake()).start()
    daemon.ask("account.pause", all=True)
    sent = message() + b"".join(b"line %d\r\n" % i for i in range(400000))
    number = daemon.send(sent)

    def clients():
        with open("/proc/net/unix", encoding="ascii") as table:
            return sum(line.rstrip().endswith(daemon.control) and
                       " 03 " in line for line in table)

    with subprocess.Popen(
            [GMRELAYCTL, "-c", daemon.config_file, "queue", "cat", number],
            stdout=subprocess.PIPE) as cat:
        # nothing is read yet, so it cannot write on when the pipe is full
        wait_for(lambda: unread(cat.stdout) >= 4096, what="the first octets")
        t.equal(clients(), 0, "connections that wait for it")
        got = cat.stdout.read()
    t.equal(cat.returncode, 0, "status")
    t.equal(without_received(got), sent, "bytes")


def unread(pipe):
    """The octets that wait in it."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"...."))[0]


@scenario
def too_many_clients_are_no_reason_for_a_restart(t):
    daemon = t.daemon(t.fake()).start()
    idle = []
    for _ in range(CLIENTS_MAX):
        idle.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        idle[-1].connect(daemon.control)
        t.at_end.append(idle[-1].close)
    wait_for(lambda: daemon.ctl_run("status").returncode == 2, what="it full")
    t.true("too many clients" in failed(t, daemon, "status", status=2),
           "status says why")
    failed(t, daemon, "clients", status=2)
    done = daemon.ctl_run("doctor")
    told = {x["where"]: x for x in document(t, done, "doctor")["findings"]}
    t.equal(told["daemon"]["status"], "unknown", "doctor on the daemon")
    t.true("too many clients" in told["daemon"]["text"], told["daemon"])
    t.true("restart" not in told["daemon"]["advice"], told["daemon"])
    t.equal(done.returncode, 2, "status of doctor")


main()

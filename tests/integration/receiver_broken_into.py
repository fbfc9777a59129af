"""Whoever runs code in the receiver's place has what it holds, and no way to
more: no file, no connection, no program, no other process."""
import os

from lib import proc
from lib.daemon import TOP
from lib.harness import main, scenario
from lib.smtpclient import message

INTRUDER = os.path.join(TOP, "tests/crash/intruder.so")
# by the change of root, the user or the descriptor's mode
OTHER_WALLS = {"read_held_files"}


def need_filter(t):
    with open(os.path.join(TOP, "config.h"), encoding="utf-8") as file:
        if "#define HAVE_SECCOMP 1" not in file.read():
            t.skip("built without libseccomp (sanitizers forbid it)")


@scenario
def it_gets_nowhere(t):
    need_filter(t)
    fake = t.fake()
    daemon = t.daemon(fake)
    daemon.environment["LD_PRELOAD"] = INTRUDER
    daemon.start()
    daemon.send(message(body=b"x" * 70 + b"\r\n" + b"text\r\n" * 20000))
    fake.wait_messages(1)
    with daemon.client() as client:
        client.send(b"XINTRUDE\r\n")
        tried = {}
        line = client.line()
        while line != ".":
            name, number = line.split()
            tried[name] = int(number)
            line = client.line()
    t.true(len(tried) > 20, "attempts: %s" % tried)
    t.equal([x for x in tried if tried[x] == 0], [], "attempts that worked")
    t.equal({x: tried[x] for x in tried if tried[x] != 1 and
             x not in OTHER_WALLS}, {}, "attempts that got beyond EPERM")


@scenario
def both_roles_have_a_filter(t):
    need_filter(t)
    daemon = t.daemon(t.fake()).start()
    for role, pid in daemon.wait_roles().items():
        status = proc.status(pid)
        t.equal((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"),
                "filter and no new privileges of the %s" % role)


main()

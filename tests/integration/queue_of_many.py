"""A hundred thousand messages wait (fewer in the short form): the start is soon
over, memory stays small, lists and new mail do not wait, and all of them leave,
each once."""
import os
import re

from lib import proc
from lib.daemon import wait_for
from lib.harness import LONG, SANITIZED, main, print_comment, scenario
from lib.smtpclient import message

COUNT = 100000 if LONG else 500 if SANITIZED else 2000
ENTRY_MAX = 200  # octets of memory a message, with what the heap adds
BASE_MAX_KB = 12 * 1024


def peak_kb(pid):
    return int(proc.status(pid)["VmHWM"].split()[0])


def multiply(folder, name):
    """One file of queue/ becomes COUNT, each with an id and Message-ID of its
    own."""
    with open(os.path.join(folder, name), "rb") as file:
        data = file.read()
    owner = os.stat(os.path.join(folder, name))
    os.unlink(os.path.join(folder, name))
    old = re.search(rb"Message-ID: <([^>]*)>", data)[1]
    for number in range(COUNT):
        new = "%016x" % (number * 0x9e3779b97f4a7c15 % (1 << 64) | 1)
        path = os.path.join(folder, new)
        with open(path, "wb") as file:
            file.write(data.replace(name.encode(), new.encode()).replace(
                old, (b"%0" + b"%d" % len(old) + b"d") % number))
        os.chmod(path, 0o600)
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)


@scenario(seconds=3000 if LONG else 300)
def many_wait_and_leave(t):
    fake = t.fake()
    later = fake.rule("RCPT", "451 4.3.0 Later", match="later@")
    daemon = t.daemon(fake, retry=["1h"], account={
        "messages_per_connection": 1000000}).start()
    daemon.send(message(), ["later@example.net"])
    folder = os.path.join(daemon.spool, "queue")
    name = wait_for(lambda: [x for x in os.listdir(folder)
                             if not x.startswith(".")], 20, "queue/")[0]
    idle = peak_kb(daemon.wait_roles()["relay"])
    daemon.stop()
    multiply(folder, name)
    daemon.start()
    relay = daemon.wait_roles()["relay"]
    # new mail does not wait for the start
    daemon.send(message())
    fake.wait_messages(1)
    wait_for(lambda: not daemon.status()["queue"]["starting"], 120,
             "the start")
    t.equal(daemon.queued(), COUNT, "queued messages")
    t.equal(len(daemon.ask("queue.list", limit=10)), 11, "a page of them")
    waiting = peak_kb(relay)
    t.true(SANITIZED or waiting < max(idle, BASE_MAX_KB) +
           COUNT * ENTRY_MAX // 1024, "memory: %d KiB" % waiting)
    with fake.changed:
        fake.rules.remove(later)
    daemon.ask("queue.flush")
    fake.wait_messages(1 + COUNT, 2400 if LONG else 240)
    daemon.wait_queue_empty(120)
    t.equal(len({x.header("Message-ID")[0] for x in fake.messages}), 1 + COUNT,
            "different messages")
    t.equal(len(fake.messages), 1 + COUNT, "messages")
    t.equal(daemon.wait_roles()["relay"], relay, "the relay")
    print_comment("%d queued: peak %d KiB (idle %d), at the end %d; 0 missing, "
                  "0 repeats" % (COUNT, waiting, idle, peak_kb(relay)))


if __name__ == "__main__":
    main()

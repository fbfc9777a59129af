"""What a message costs in system calls, on each way it takes. A bound is what
a message needs that comes alone; where many come at once fewer are needed, so
a slow or busy machine stays below it too."""
import re

from lib import bench
from lib.harness import SANITIZED, main, print_comment, scenario
from lib.syscalls import Strace

ROW = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", re.M)

# Each part of a message may come or go in more pieces than it has to.
SLACK = 1.25
# What has no part in any message: a connection upstream with its TLS, a new
# segment, a look at the clock's time zone.
ONCE = 300

# A message of 4 KiB from a program that connects for it. Seven replies (the
# greeting, EHLO, MAIL, RCPT, DATA, the message, QUIT) and a statement: sendto.
# As often it waits, and once for the sync: epoll_wait. To let somebody in: two
# accept4, the second finds nobody, two epoll_ctl, one close. One write to the
# journal, one sync; two of futex and of the eventfd between loop and thread,
# one line of log, an id.
ACCEPT = {"sendto": 8, "recvfrom": 6, "epoll_wait": 9, "accept4": 2,
          "epoll_ctl": 2, "close": 1, "pwrite64": 1, "fdatasync": 1,
          "futex": 3, "read": 1, "write": 2, "getrandom": 1}
# On the relay's side: a statement (and nothing behind it), the record is read.
TAKE_UP = {"recvmsg": 2, "epoll_wait": 2, "pread64": 1}
# To a near server: the record; one flight, with the RSET of a message ahead, in
# one TLS record; the answer to it, of which each TLS record is read in two
# parts; a mark, a line of log; the loop's arming of its socket, and its waits.
# Marks are synced once a second: then four are delivered a second at least.
DELIVER = {"pread64": 1, "write": 2, "read": 4, "epoll_ctl": 2,
           "epoll_wait": 3, "pwrite64": 1, "fdatasync": 0.25}

LARGE = 4 << 20
PIECE = 64 << 10    # what a client's bytes are taken and written by
SEGMENT = 16 << 10  # the least of them that a loopback hands on at once
TLS_RECORD = 16 << 10
# A body file is made ahead, its names synced, handed over; the rest is as for
# a small one.
ACCEPT_LARGE = dict(ACCEPT, recvfrom=6 + LARGE // SEGMENT,
                    epoll_wait=9 + LARGE // SEGMENT, fdatasync=2, sendto=12,
                    pwrite64=2 + LARGE // PIECE, futex=12, recvmsg=6,
                    read=2, write=4, close=3)
DELIVER_LARGE = {"pread64": 4 + LARGE // TLS_RECORD,
                 "write": 6 + LARGE // TLS_RECORD * 17 // 16,
                 "epoll_ctl": 8 + LARGE // TLS_RECORD,
                 "epoll_wait": 10 + LARGE // TLS_RECORD,
                 "read": 20, "futex": 12, "recvmsg": 8, "sendmsg": 2,
                 "openat": 6, "close": 6, "pwrite64": 1, "unlinkat": 1,
                 "fsync": 2, "fdatasync": 2}


class Count(Strace):
    """How many calls of each name there are, until end()."""

    def __init__(self, t, pid):
        super().__init__(t, pid, "-c")

    def end(self):
        self.stop()
        with open(self.file, encoding="ascii") as table:
            return {name: int(count) for count, name in
                    ROW.findall(table.read()) if name != "total"}


def check(t, what, counts, messages, *parts):
    """The sum, and what is dear by itself, against the parts' sum."""
    bound = {}
    for part in parts:
        for name, count in part.items():
            bound[name] = bound.get(name, 0) + count
    print_comment("%s: %.2f a message, at most %d: %s" % (
        what, sum(counts.values()) / messages, sum(bound.values()),
        ", ".join("%s %.2f" % (name, count / messages) for name, count in
                  sorted(counts.items(), key=lambda row: -row[1])
                  if count / messages >= 0.05)))
    t.true(sum(counts.values()) <=
           ONCE + SLACK * messages * sum(bound.values()),
           "%s: %d system calls for %d messages" % (
               what, sum(counts.values()), messages))
    for name in ("fdatasync", "fsync", "openat", "pwrite64", "sendto"):
        t.true(counts.get(name, 0) <= ONCE / 10 +
               messages * bound.get(name, 0),
               "%s: %d %s for %d messages" % (
                   what, counts.get(name, 0), name, messages))


class Stage:
    """A daemon whose upstream comes later."""

    def __init__(self, t):
        if SANITIZED:
            t.skip("sanitizers make system calls of their own")
        fake = t.fake()  # for its certificates, and a port
        self.t, self.pki = t, fake.pki
        self.port = bench.free_port()
        self.daemon = t.daemon(
            account=bench.account(self.port, fake.ca_file),
            backoff=["600s", "600s"])
        self.daemon.write_password("secret")
        self.daemon.start()
        self.roles = self.daemon.wait_roles()
        self.taken = 0

    def take(self, messages, **how):
        bench.load(self.daemon.port, messages=messages, **how)
        self.taken += messages
        self.t.wait_for(lambda: self.daemon.queued() == self.taken, 60,
                        "what was taken in the queue")

    def come(self):
        """The upstream is there."""
        sink = bench.Sink(self.pki, self.port)
        self.t.at_end.append(sink.stop)
        self.daemon.ask("queue.flush")
        return sink


@scenario
def accepting_small_mail(t):
    stage = Stage(t)
    # what is done once is done: the first segments, the first try upstream
    stage.take(20)
    for clients, messages in ((1, 200), (20, 400)):
        counts = [Count(t, stage.roles[role])
                  for role in ("receiver", "relay")]
        stage.take(messages, clients=clients)
        receiver, relay = (count.end() for count in counts)
        what = "accepting from %d at once" % clients
        check(t, what + ", receiver", receiver, messages, ACCEPT)
        check(t, what + ", relay", relay, messages, TAKE_UP)


@scenario
def delivering_small_mail(t):
    messages = 400
    stage = Stage(t)
    stage.take(messages, clients=20)
    count = Count(t, stage.roles["relay"])
    sink = stage.come()
    sink.wait_messages(messages)
    stage.daemon.wait_queue_empty()
    check(t, "delivering, relay", count.end(), messages, DELIVER)
    t.equal(sink.figures()["connections"], 1, "connections upstream")


@scenario
def large_mail_in_and_out(t):
    messages = 10
    stage = Stage(t)
    stage.take(2, size=LARGE)
    counts = [Count(t, stage.roles[role]) for role in ("receiver", "relay")]
    stage.take(messages, size=LARGE)
    check(t, "accepting 4 MiB, receiver", counts[0].end(), messages,
          ACCEPT_LARGE)
    sink = stage.come()
    sink.wait_messages(stage.taken)
    stage.daemon.wait_queue_empty()
    check(t, "taking up and delivering 4 MiB, relay", counts[1].end(),
          stage.taken, DELIVER_LARGE, TAKE_UP)


if __name__ == "__main__":
    main()

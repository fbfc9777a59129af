"""A full disk: new mail is refused for now with 452, mail that is in gets on,
and all is well again when there is room. On a small file system, as root."""
import os

from lib.daemon import wait_for
from lib.harness import main, print_comment, scenario
from lib.mail import base64_lines, key_of
from lib.smalldisk import MIB, SmallDisk
from lib.smtpclient import message

RESERVE = 64 * MIB  # kept free for queue/
SMALL = base64_lines(1, 60000)
LARGE = base64_lines(2, 3000000)
DISK_MIB = 160


def ready(t, **settings):
    fake = t.fake()
    # so that it is known what room a body may take
    daemon = t.daemon(fake, message_size="4M", retry=["2s"],
                      account={"messages_per_connection": 1000}, **settings)
    disk = SmallDisk(t, daemon, DISK_MIB)
    closed = fake.rule("BANNER", "421 4.7.0 Try again later, closing "
                       "connection.")
    daemon.start()

    def upstream_opens():
        with fake.changed:
            fake.rules.remove(closed)
        daemon.ask("queue.flush")

    return fake, daemon, disk, upstream_opens


def arrivals(fake):
    return sorted((x.header("Message-ID")[0], y)
                  for x in list(fake.messages) for y in x.recipients
                  if not x.header("Auto-Submitted"))


class Sender:
    """One connection, and what was accepted on it: [(key, recipient)]."""

    def __init__(self, daemon):
        self.client = daemon.client(timeout=60)
        self.client.ehlo()
        self.accepted = []
        self.people = ["ok@example.net", "later@example.net",
                       "bad@example.net"]

    def one(self, body):
        data = message(body=body)
        who = self.people[len(self.accepted) % len(self.people)]
        # each has one of its own, so that reports come singly
        reply = self.client.mail("sender%d@example.org" % len(self.accepted),
                                 [who], data)
        if reply.code == 250:
            self.accepted.append((key_of(data), who))
        return reply

    def until_452(self, t, body, most):
        for _ in range(most):
            reply = self.one(body)
            if reply.code != 250:
                t.equal((reply.code, reply.enhanced), (452, "4.3.1"),
                        "the refusal")
                return
        raise AssertionError("%d messages were taken" % most)


def goods(accepted):
    """Those that must arrive."""
    return sorted(x for x in accepted if not x[1].startswith("bad@"))


def check_all(t, fake, daemon, sender):
    due = goods(sender.accepted)
    bad = [key for key, who in sender.accepted if who.startswith("bad@")]

    def reports():
        return [x for x in fake.messages if x.header("Auto-Submitted")]

    fake.wait(lambda: len(arrivals(fake)) >= len(due) and
              len(reports()) >= len(bad), 120,
              "%d arrivals and %d reports" % (len(due), len(bad)))
    daemon.wait_queue_empty(60)
    t.equal(arrivals(fake), due, "arrivals, each once")
    t.equal(len(reports()), len(bad), "reports")
    t.equal(daemon.status()["queue"]["failed"], len(bad), "failed messages")


@scenario
def mail_fills_the_disk_to_the_reserve_and_gets_on(t):
    fake, daemon, disk, upstream_opens = ready(t)
    sender = Sender(daemon)
    sender.until_452(t, LARGE, 60)
    large = len(sender.accepted)
    sender.until_452(t, SMALL, 3000)
    print_comment("%d large and %d small messages were taken, %d MiB are left"
                  % (large, len(sender.accepted) - large,
                     disk.free() // MIB))
    t.true(large >= 3 and len(sender.accepted) - large > 100,
           "there was room for some")
    t.true(disk.free() >= RESERVE, "the reserve is kept: %d" % disk.free())
    daemon.wait_log("spool-full")
    log = daemon.log_now()
    t.equal(log.count("spool-full"), log.count("spool-has-room") + 1,
            "told once, each time it happens")
    t.equal(sender.client.cmd("NOOP").code, 250, "NOOP")
    t.equal(daemon.queued(), len(sender.accepted), "queued")
    # what needs room now is in the reserve: queue/, failed/, reports
    fake.rule("RCPT", "550 5.1.1 No such user", match="bad@")
    fake.rule("RCPT", "451 4.3.0 Later", match="later@",
              times=sum(x[1].startswith("later@") for x in sender.accepted))
    upstream_opens()
    check_all(t, fake, daemon, sender)
    t.true("spool-write-failed" not in daemon.log_now(), "no write failed")
    wait_for(lambda: sender.one(LARGE).code == 250, 60, "room for large mail")
    t.true(sender.one(SMALL).code == 250, "small mail is taken")
    daemon.wait_log("spool-has-room")
    check_all(t, fake, daemon, sender)


def learnt(t, size, disk_mib):
    """A daemon that has heard its upstream's SIZE and now keeps its mail."""
    fake = t.fake()
    fake.behaviour.size = size
    daemon = t.daemon(fake)
    disk = SmallDisk(t, daemon, disk_mib)
    daemon.start()
    daemon.send(message())
    daemon.wait_queue_empty()
    daemon.ask("account.pause", all=True)
    return daemon, disk


def offered(daemon):
    with daemon.client() as client:
        return int(client.ehlo()["SIZE"])


@scenario
def the_reserve_is_kept_with_a_size_that_was_learnt(t):
    daemon, disk = learnt(t, 60 * MIB, 340)
    wait_for(lambda: offered(daemon) == 60 * MIB - 4096, 20, "SIZE is offered")
    sender = Sender(daemon)
    sender.until_452(t, base64_lines(3, 59 * MIB), 8)
    print_comment("%d were taken, %d MiB are left" % (
        len(sender.accepted), disk.free() // MIB))
    t.true(sender.accepted, "there was room for one")
    t.true(disk.free() >= RESERVE, "the reserve is kept: %d" % disk.free())


@scenario
def a_size_is_offered_when_there_is_room_for_it(t):
    daemon, disk = learnt(t, 60 * MIB, 200)
    known = offered(daemon)
    t.true(known < 36000000, "the size before it was learnt: %d" % known)
    t.equal(daemon.account_state()["upstream_size"], 60 * MIB, "it is known")
    disk.grow(400)

    def is_offered():
        daemon.send(message())  # something for the journal to do
        return offered(daemon) == 60 * MIB - 4096

    wait_for(is_offered, 20, "the larger size is offered")


@scenario
def a_disk_without_any_room_loses_nothing(t):
    fake, daemon, disk, upstream_opens = ready(t)
    sender = Sender(daemon)
    for _ in range(6):
        t.equal(sender.one(SMALL).code, 250, "small, before")
        t.equal(sender.one(LARGE).code, 250, "large, before")
    disk.fill()
    t.equal(disk.free(), 0, "octets free")
    reply = sender.one(LARGE)
    t.equal((reply.code, reply.enhanced), (452, "4.3.1"), "a large one")
    t.equal(sender.one(SMALL).code, 250, "a small one, into its segment")
    fake.rule("RCPT", "550 5.1.1 No such user", match="bad@")
    fake.rule("RCPT", "451 4.3.0 Later", match="later@", times=4)
    upstream_opens()
    at_once = [x for x in sender.accepted if x[1].startswith("ok@")]
    fake.wait(lambda: len(arrivals(fake)) >= len(at_once), 60,
              "what is delivered at once")
    daemon.wait_log("mark-failed|mark-sync-failed|spool-write-failed")
    t.equal(sender.one(SMALL).code, 250, "a small one, with all this")
    disk.empty()
    daemon.ask("queue.flush")
    check_all(t, fake, daemon, sender)
    wait_for(lambda: sender.one(LARGE).code == 250, 60, "room for large mail")
    check_all(t, fake, daemon, sender)
    daemon.stop()
    daemon.start()
    other = Sender(daemon)
    other.accepted = sender.accepted
    t.equal(other.one(SMALL).code, 250, "a small one after a restart")
    check_all(t, fake, daemon, other)


@scenario
def a_start_on_a_full_disk_delivers(t):
    fake, daemon, disk, upstream_opens = ready(t)
    sender = Sender(daemon)
    sender.people = ["ok@example.net"]
    for _ in range(6):
        t.equal(sender.one(SMALL).code, 250, "small, before")
        t.equal(sender.one(LARGE).code, 250, "large, before")
    sender.client.close()
    daemon.stop()
    disk.fill()
    daemon.start()
    upstream_opens()
    fake.wait(lambda: len(arrivals(fake)) >= len(sender.accepted), 60,
              "all of them")
    other = Sender(daemon)
    other.people = sender.people
    other.accepted = sender.accepted
    t.true(other.one(SMALL).code in (250, 452), "a small one")
    disk.empty()
    wait_for(lambda: other.one(SMALL).code == 250, 60, "small mail")
    wait_for(lambda: other.one(LARGE).code == 250, 60, "large mail")
    check_all(t, fake, daemon, other)
    t.true(os.listdir(os.path.join(daemon.spool, "queue")) == [], "queue/")


if __name__ == "__main__":
    main()

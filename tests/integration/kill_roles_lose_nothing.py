"""kill -9 of any process at any moment under load: nothing that got its 250 is
missing upstream, nothing partial is sent, repeats are counted."""
import collections
import os
import random
import threading
import time

from lib.daemon import free_port
from lib.harness import SANITIZED, main, print_comment, scenario, wait_for
from lib.lives import Load
from lib.mail import base64_lines, key_of, without_received
from lib.smtpclient import message

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "0")) or (8 if SANITIZED else 50)
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1 << 32)
# a role that dies again and again is started with growing delays; a new
# parent begins anew
DEATHS_A_PARENT = 3
DEFERRED_A_ROUND = 10
BODIES = [base64_lines(i, size) for i, size in enumerate(
    (100, 3000, 60000, 70000, 300000))]


class Senders(Load):
    """They remember what was acknowledged: {id: (recipients, body)}."""

    def __init__(self, daemon):
        super().__init__(daemon, SEED, most=5)
        self.lock = threading.Lock()
        self.tried = 0
        self.taken = {}
        self.start()

    def one(self, client, rng):
        people = ["p%d@example.net" % i for i in range(rng.randint(1, 3))]
        data = message(body=rng.choice(BODIES))
        with self.lock:
            self.tried += 1
        if client.mail("a@example.org", people, data).code == 250:
            with self.lock:
                self.taken[key_of(data)] = (people, data)


def kill_parent(daemon):
    """Returns when another parent serves on the same port. The roles of the
    first end by themselves."""
    os.kill(daemon.pid, 9)
    daemon.process.wait(20)
    daemon.process = None
    daemon.start(60)


def arrivals(fake):
    """{(Message-ID, recipient): how often}"""
    counts = {}
    for got in list(fake.messages):
        key = got.header("Message-ID")[0]
        for recipient in got.recipients:
            counts[key, recipient] = counts.get((key, recipient), 0) + 1
    return counts


def judge(t, daemon, fake, load):
    """Every acknowledged message, for each of its recipients, whole."""
    due = [(key, recipient) for key, (people, _) in load.taken.items()
           for recipient in people]
    daemon.ask("queue.flush")
    try:  # as long as anything comes
        while set(due) - set(arrivals(fake)):
            fake.wait(lambda seen=len(fake.messages):
                      len(fake.messages) > seen, 120)
    except AssertionError:
        print_comment("the queue: %r %r" % (daemon.status()["queue"],
                                            daemon.queue()[:5]))
    counts = arrivals(fake)
    missing = [x for x in due if x not in counts]
    wrong = [key for got in fake.messages
             for key in got.header("Message-ID") if key in load.taken and
             without_received(got.data) != load.taken[key][1]]
    repeats = sum(count - 1 for count in counts.values() if count > 1)
    print_comment("seed %d: %d tried, %d acknowledged, %d arrived, %d missing,"
                  " %d repeats" % (SEED, load.tried, len(load.taken),
                                   len(fake.messages), len(missing), repeats))
    t.equal(wrong, [], "messages that differ")
    t.equal(missing, [], "acknowledged, but not upstream")
    t.equal([x.recipients for x in fake.messages
             if x.header("Auto-Submitted")], [], "reports")
    daemon.wait_queue_empty(60)


def rounds(t, victims, count):
    fake = t.fake()
    # some go by way of queue/, for some of their recipients
    fake.rule("RCPT", "451 4.3.0 Try again later", match="p2@",
              times=DEFERRED_A_ROUND * count)
    # a fixed port: another parent has to find it
    daemon = t.daemon(fake, listen=["127.0.0.1:%d" % free_port()],
                      account={"messages_per_connection": 1000}).start()
    load = Senders(daemon)
    rng = random.Random(SEED)
    deaths, kills = 0, collections.Counter()
    try:
        for _ in range(count):
            before = load.tried
            wait_for(lambda: load.tried > before + 5, 60, "traffic")
            time.sleep(rng.random() * 0.2)  # at any moment
            victim = rng.choice(victims)
            if victim == "parent" or deaths == DEATHS_A_PARENT:
                kill_parent(daemon)
                deaths = 0
                kills["parent"] += 1
            else:
                pid = daemon.kill_role(victim)
                daemon.wait_role_again(victim, pid, 60)
                deaths += 1
                kills[victim] += 1
    finally:
        load.stop()
    print_comment("killed: %s" % dict(kills))
    judge(t, daemon, fake, load)
    t.clean(fake)


@scenario(seconds=60 + 30 * ROUNDS)
def all_of_them_at_random(t):
    rounds(t, ["receiver", "relay", "parent"], ROUNDS)


@scenario(seconds=900)
def both_roles_at_once(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    load = Senders(daemon)
    try:
        for _ in range(3):
            before = len(load.taken)
            wait_for(lambda: len(load.taken) > before + 20, 60, "traffic")
            roles = daemon.wait_roles()
            for pid in roles.values():
                os.kill(pid, 9)
            for role, pid in roles.items():
                daemon.wait_role_again(role, pid, 60)
    finally:
        load.stop()
    judge(t, daemon, fake, load)


@scenario
def roles_end_with_their_parent(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    roles = daemon.wait_roles()
    os.kill(daemon.pid, 9)
    daemon.process.wait(20)
    wait_for(lambda: not any(os.path.exists("/proc/%d" % x)
                             for x in roles.values()), 30,
             "the end of the roles")
    daemon.process = None
    daemon.start()
    daemon.send(message())
    fake.wait_messages(1)


@scenario
def mail_is_taken_while_the_relay_is_dead(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    sent = []
    pid = daemon.wait_roles()["relay"]
    for _ in range(3):  # the last restart is a second away
        pid = daemon.kill_role("relay")
        sent.append(message())
        daemon.send(sent[-1])
        daemon.wait_role_again("relay", pid, 60)
    # what was in the air at a kill may come twice
    fake.wait(lambda: {without_received(x.data) for x in fake.messages} ==
              set(sent), 30, "all of them")


if __name__ == "__main__":
    main()

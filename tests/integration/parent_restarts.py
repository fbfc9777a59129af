"""A role that dies is started again; the other one goes on, with what it
knows, and so does the mail."""
import os
import signal
import threading
import time

from lib import proc
from lib.harness import main, scenario, wait_for
from lib.smtpclient import message

RESTART = r"role restarts role=%s delay=(\d+)s"
FORGIVEN_S = 60  # so long a life, and a role's death counts as its first


def subjects(fake):
    return sorted(x.header("Subject")[0] for x in fake.messages)


def upstream(t, fake, expected):
    """Waits until all these are there, and checks that nothing else is."""
    fake.wait(lambda: len(fake.messages) >= len(expected), 30,
              "%s upstream" % expected)
    t.equal(subjects(fake), sorted(expected), "upstream")


def in_doubt(fake):
    """Repeats upstream: what was in the air when a relay was killed."""
    return len(fake.messages) - len(set(subjects(fake)))


@scenario
def a_dead_receiver_is_replaced(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message("before"))
    upstream(t, fake, ["before"])
    relay = daemon.roles()["relay"]
    port, sessions = daemon.port, len(fake.sessions)
    old = daemon.kill_role("receiver")
    daemon.wait_role_again("receiver", old)
    t.equal(daemon.wait_roles()["relay"], relay, "the relay")
    daemon.send(message("after"))
    upstream(t, fake, ["after", "before"])
    t.equal(daemon.port, port, "the port")
    t.equal(len(fake.sessions), sessions, "the relay's own connection is kept")
    wait_for(lambda: daemon.status()["counters"]["relay"]["delivered"] == 2,
             10, "2 delivered, by the relay's count")
    t.equal(daemon.status()["counters"]["receiver"]["accepted"], 2,
            "counted over the death")
    wait_for(lambda: daemon.status()["counters"]["receiver"][
        "open_sessions"] == 0, 10, "the end of all sessions, by the count")


@scenario
def a_dead_receiver_refuses_no_connection(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    # what the kernel took while nobody accepts waits for the next one
    pid = daemon.wait_roles()["receiver"]
    os.kill(pid, signal.SIGSTOP)
    clients = [daemon.client(greet=False) for _ in range(5)]
    os.kill(pid, signal.SIGKILL)
    for number, client in enumerate(clients):
        t.equal(client.reply().code, 220, "the greeting")
        t.equal(client.mail("a@example.org", ["b@example.net"],
                            message(str(number))).code, 250, "a message")
        client.close()
    upstream(t, fake, list("01234"))


@scenario
def a_dead_relay_is_replaced(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message("before"))
    daemon.wait_log("delivered id=")
    receiver = daemon.roles()["receiver"]
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org>", 250)
        client.expect("RCPT TO:<b@example.net>", 250)
        old = daemon.kill_role("relay")
        daemon.wait_role_again("relay", old)
        # the receiver's session has not noticed
        client.expect("RCPT TO:<c@example.net>", 250)
        client.expect("DATA", 354)
        client.send(message("open") + b".\r\n")
        t.equal(client.reply().code, 250, "the transaction over the death")
    t.equal(daemon.wait_roles()["receiver"], receiver, "the receiver")
    daemon.send(message("after"))
    upstream(t, fake, ["after", "before", "open"])
    t.equal(fake.messages[1].recipients, ["b@example.net", "c@example.net"],
            "its recipients")


@scenario
def without_a_relay_mail_is_taken(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message("0"))
    daemon.wait_log("delivered id=")
    # the third death in a row waits a second, the next one two
    for _ in range(2):
        daemon.wait_role_again("relay", daemon.kill_role("relay"))
    daemon.kill_role("relay")
    daemon.wait_log(RESTART % "relay", count=3)
    for number in range(1, 4):  # into the segments that the receiver has
        daemon.send(message(str(number)))
    t.equal(list(daemon.roles()), ["receiver"], "roles meanwhile")
    upstream(t, fake, list("0123"))


@scenario
def both_dead_at_once(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    stall = fake.rule("MAIL", action="stall", times=1)
    daemon.send(message("waiting"))
    fake.wait(lambda: stall.used, what="the message on its way")
    old = daemon.wait_roles()
    for pid in old.values():
        os.kill(pid, signal.SIGKILL)
    for role, pid in old.items():
        daemon.wait_role_again(role, pid)
    stall.release()
    daemon.send(message("after"))
    upstream(t, fake, ["after", "waiting"])


@scenario
def each_in_turn_under_traffic(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.wait_roles()
    taken, ending = [], threading.Event()

    def traffic():
        number = 0
        while not ending.is_set():
            number += 1
            try:
                daemon.send(message("t%d" % number))
                taken.append("t%d" % number)
            except Exception:  # noqa: the receiver died under it
                pass

    thread = threading.Thread(target=traffic, daemon=True)
    thread.start()
    for role in ("receiver", "relay", "receiver", "relay"):
        before = len(taken)
        wait_for(lambda: len(taken) > before + 5, 30, "traffic")
        daemon.wait_role_again(role, daemon.kill_role(role))
    ending.set()
    thread.join(60)
    fake.wait(lambda: set(taken) <= set(subjects(fake)), 60,
              "all that was acknowledged, upstream")
    t.true(in_doubt(fake) <= 2, "%d repeats of two kills" % in_doubt(fake))


def three_deaths(daemon, numbers, earlier):
    """Kills the relay by each signal as soon as it is ready; earlier deaths
    are in the log already. Returns the waits that were told, and whether no
    relay lived so long that its death was forgiven."""
    quick, born = True, None
    for count, number in enumerate(numbers, 1):
        pid = daemon.wait_roles(60)["relay"]
        daemon.wait_log(r"role ready role=relay pid=%d\b" % pid, 60)
        killed = time.monotonic()
        os.kill(pid, number)
        daemon.wait_log(r"role died role=relay pid=%d signal=%d" % (
            pid, number), 60)
        daemon.wait_log(RESTART % "relay", 60, count=earlier + count)
        # it was born when the one before had died; the first has no past
        quick = quick and (born is None or
                           time.monotonic() - born < FORGIVEN_S)
        born = killed
    told = daemon.wait_log(RESTART % "relay", count=earlier + len(numbers))
    return [x[1] for x in told][earlier:], quick


@scenario(seconds=900)
def the_waits_before_a_restart_grow(t):
    daemon = t.daemon(t.fake()).start()
    daemon.crashes_expected = True
    # of those that crashes have, a sanitizer would make its own
    numbers = (signal.SIGKILL, signal.SIGQUIT, signal.SIGALRM)
    waits, quick = three_deaths(daemon, numbers, 0)
    # a life of 60 s forgives: on a machine that is so slow, from the start
    tries = 1
    while not quick and tries < 5:
        daemon.reload(60)
        waits, quick = three_deaths(daemon, numbers, 3 * tries)
        tries += 1
    t.true(quick, "this machine is too slow to let a role die in time")
    t.equal(waits, ["0", "1", "2"], "the delays")
    # the other one's account is its own
    old = daemon.kill_role("receiver")
    daemon.wait_role_again("receiver", old, 60)
    t.equal(daemon.wait_log(RESTART % "receiver")[0][1], "0",
            "the receiver's first delay")


@scenario
def a_reload_starts_a_waiting_role_at_once(t):
    daemon = t.daemon(t.fake()).start()
    for _ in range(3):
        pid = daemon.wait_roles()["relay"]
        daemon.wait_log(r"role ready role=relay pid=%d\b" % pid)
        os.kill(pid, signal.SIGKILL)
        daemon.wait_log(r"role died role=relay pid=%d\b" % pid)
    pid = daemon.wait_roles()["relay"]
    daemon.wait_log(r"role ready role=relay pid=%d\b" % pid)
    os.kill(pid, signal.SIGKILL)
    daemon.wait_log(r"role restarts role=relay delay=4s")
    daemon.reload()
    t.equal(len(daemon.wait_roles()), 2, "roles")
    # and its account starts anew
    daemon.kill_role("relay")
    daemon.wait_log(RESTART % "relay", count=5)
    t.equal(daemon.wait_log(RESTART % "relay", count=5)[4][1], "0",
            "the delay after the reload")


@scenario
def no_role_at_all_is_no_end(t):
    """The parent itself has nothing to lose: it goes on trying."""
    daemon = t.daemon(t.fake()).start()
    parent = daemon.pid
    for _ in range(2):
        for pid in daemon.wait_roles().values():
            daemon.wait_log(r"role ready role=\w+ pid=%d\b" % pid)
        for pid in daemon.wait_roles().values():
            os.kill(pid, signal.SIGKILL)
            daemon.wait_log(r"role died role=\w+ pid=%d\b" % pid)
    daemon.wait_log(RESTART % "relay", count=2)
    t.true(proc.is_alive(parent), "the parent lives")
    daemon.send(message())
    daemon.fake.wait_messages(1)


if __name__ == "__main__":
    main()

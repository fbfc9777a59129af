"""The machine is in trouble: no names, dead addresses, no descriptors, no memory,
a clock that jumps. The daemon goes on afterwards, and nothing is lost."""
import errno
import os
import re
import signal
import socket
import time

from lib.faults import OPEN, RESOLVE, SOCKET, Faults
from lib.harness import SANITIZED, main, scenario, wait_for
from lib.mail import base64_lines, without_received
from lib.sendmail import Sendmail
from lib.smtpclient import message

NAME = "smtp.gmail.test"    # the certificate is for it, too
DAY = 24 * 3600


class Named:
    """A daemon whose server has a name, and addresses as the test likes."""

    def __init__(self, t, addresses="127.0.0.1", account=None, **settings):
        self.t = t
        self.fake = t.fake()
        section = {"host": NAME, "connect_timeout": "1s"}
        section.update(account or {})
        self.daemon = t.daemon(self.fake, account=section, **settings)
        self.faults = Faults(self.daemon)
        self.daemon.environment["GMRELAY_ADDRESSES"] = "%s %s" % (
            NAME, addresses)
        self.sent = []

    def start(self):
        self.daemon.start()
        return self

    def send(self, **how):
        self.sent.append(message(**how))
        return self.daemon.send(self.sent[-1])

    def untouched(self, count):
        rows = self.daemon.queue()
        self.t.equal(len(rows), count, "queued messages")
        self.t.equal({x["attempts"] for x in rows}, {0}, "attempts counted")
        self.t.equal(self.daemon.queue(failed=True), [], "failed messages")

    def all_arrive(self):
        self.daemon.ask("queue.flush")
        self.daemon.wait_queue_empty()
        got = sorted(without_received(x.data) for x in self.fake.messages)
        self.t.true(got == sorted(self.sent), "each message once")
        self.t.equal(self.daemon.queue(failed=True), [], "failed messages")
        self.t.clean(self.fake)


# --- names and addresses


@scenario
def a_dead_resolver_is_waited_for(t):
    it = Named(t).start()
    rule = it.faults.fail("", RESOLVE, errno.EAGAIN)
    for _ in range(5):
        it.send()
    rule.wait_entered(3)
    it.untouched(5)
    account = it.daemon.account_state()
    t.equal(account["state"], "active", "the account")
    t.true("cannot look up" in account["reason"], account["reason"])
    t.true("name servers" in account["reason"], account["reason"])
    rule.end()
    it.all_arrive()


@scenario
def a_slow_resolver_holds_up_nothing_else(t):
    it = Named(t).start()
    rule = it.faults.stop("", RESOLVE)
    it.send()
    rule.wait_entered()
    # no look-up at the same time, however often it is asked
    for _ in range(3):
        it.daemon.ask("queue.flush")
        it.send()
    t.equal(it.daemon.queued(), 4, "queued messages")
    t.equal(rule.entered, 1, "look-ups under way")
    rule.end()
    it.all_arrive()


@scenario
def a_stop_does_not_wait_for_the_resolver(t):
    it = Named(t).start()
    rule = it.faults.stop("", RESOLVE)
    it.send()
    rule.wait_entered()
    it.daemon.signal(signal.SIGTERM)
    t.equal(it.daemon.wait_exit(15), 0, "status")
    it.faults.clear()
    it.daemon.start()
    it.all_arrive()


@scenario
def an_address_that_fails_is_looked_up_anew(t):
    it = Named(t).start()
    looked = it.faults.delay("", RESOLVE, 0)
    it.send()
    it.daemon.wait_queue_empty()
    # that of its own name may be one, too
    before = looked.entered
    t.true(before >= 1, "look-ups")
    it.fake.rule("BANNER", action="drop")
    it.daemon.ask("account.pause", all=True)
    wait_for(lambda: it.daemon.account_state()["connections"] == 0, 20, "no "
             "connection")
    it.send()
    it.daemon.ask("account.resume", all=True)
    it.daemon.wait_log("connection-trouble")
    t.equal(looked.entered, before, "look-ups: the old one was good")
    it.daemon.ask("queue.flush")
    looked.wait_entered(before + 1)
    it.untouched(1)
    it.fake.clear_rules()
    it.all_arrive()


class Hole:
    """An address that never answers: its queue of connections is full."""

    def __init__(self, t, address, port):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((address, port))
        self.sock.listen(0)
        self.fill = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((address, port))
            self.fill.append(filler)
        t.at_end.append(self.close)

    def close(self):
        for sock in self.fill + [self.sock]:
            sock.close()


def dead_first(t, first, hole=False):
    it = Named(t, first + " 127.0.0.1",
               account={"messages_per_connection": 1})
    if hole:
        Hole(t, first, it.fake.port)
    it.start()
    for _ in range(3):
        it.send()
    it.daemon.wait_queue_empty()
    t.equal(len(it.fake.messages), 3, "messages")
    t.true("connection-trouble" not in it.daemon.log_now(),
           "one dead address is no trouble")
    it.all_arrive()


@scenario
def a_refusing_ipv6_address_is_passed_by(t):
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        t.skip("no IPv6")
    dead_first(t, "::1")


@scenario
def an_unreachable_ipv6_address_is_passed_by(t):
    dead_first(t, "100::1")     # RFC 6666: the discard prefix


@scenario
def a_refusing_address_is_passed_by(t):
    dead_first(t, "127.0.0.2")


@scenario
def a_silent_address_is_passed_by(t):
    dead_first(t, "127.0.0.3", hole=True)


@scenario
def the_address_that_worked_is_tried_first(t):
    it = Named(t, "127.0.0.4 127.0.0.1",
               account={"messages_per_connection": 1})
    first = socket.create_server(("127.0.0.4", it.fake.port))
    t.at_end.append(first.close)
    it.start()
    it.send()
    connection, _ = first.accept()
    connection.close()
    it.daemon.wait_queue_empty()
    for _ in range(3):
        it.send()
        it.daemon.wait_queue_empty()
    first.setblocking(False)
    try:
        first.accept()
        raise AssertionError("the dead address was tried again")
    except BlockingIOError:
        pass
    it.all_arrive()


@scenario
def every_address_is_tried_in_every_round(t):
    """One that failed at first is there when the other one is not."""
    it = Named(t, "127.0.0.5 127.0.0.1",
               account={"messages_per_connection": 1}).start()
    it.send()
    it.daemon.wait_queue_empty()
    it.fake.rule("BANNER", action="drop")
    other = t.fake(address="127.0.0.5", ports=(it.fake.port, 0))
    it.daemon.send(message())
    other.wait_messages(1)
    it.daemon.wait_queue_empty()
    t.true("connection-trouble" not in it.daemon.log_now(), "no trouble")


@scenario
def a_server_of_another_name_gets_nothing(t):
    """Whoever answers at that address has to show the name's certificate."""
    it = Named(t)
    it.fake.behaviour.certificate = "wrong_name"
    it.start()
    it.send()
    it.daemon.wait_log("connection-trouble")
    t.equal(it.fake.logins, [], "logins")
    it.untouched(1)
    it.fake.behaviour.certificate = "valid"
    it.all_arrive()


# --- descriptors and memory


@scenario
def without_descriptors_mail_waits(t):
    it = Named(t, account={"connections": 3}).start()
    daemon = it.daemon
    relay = daemon.wait_roles()["relay"]
    it.send()
    daemon.wait_queue_empty()
    daemon.ask("account.pause", all=True)
    for i in range(3):
        it.send()
        it.send(body=base64_lines(i, 200000))
    wait_for(lambda: daemon.queued() == 6, 20, "all known")
    wait_for(lambda: daemon.account_state()["connections"] == 0, 20, "no "
             "connection")
    # the control socket first: it has to be asked meanwhile
    none = it.faults.fail("gmrelayd-relay", SOCKET, errno.EMFILE, first=2)
    daemon.ask("account.resume", all=True)
    none.wait_entered(1)
    it.daemon.wait_log("(connection-trouble|accept failed).*open files")
    none.wait_entered(3)
    none.end()
    it.untouched(6)
    # and for files alone
    none = it.faults.fail("gmrelayd-relay", OPEN, errno.EMFILE)
    daemon.ask("queue.flush")
    daemon.wait_log("spool-read-failed.*open files")
    t.equal(daemon.queue(failed=True), [], "failed messages")
    none.end()

    def is_empty():
        daemon.ask("queue.flush")
        return daemon.queued() == 0

    wait_for(is_empty, 30, "an empty queue")
    it.all_arrive()
    t.equal(daemon.wait_roles()["relay"], relay, "it was never restarted")


def dropped_without_descriptors(t, number):
    """The first call is for drop/ itself, the second one for a file."""
    it = Named(t).start()
    sendmail = Sendmail(t, it.daemon)
    none = it.faults.fail("gm-drop", OPEN, errno.EMFILE, first=number, times=1)
    sendmail.ok("person@example.net", text=b"Subject: hello\n\ntext\n",
                env={"GMRELAY_SUBMIT": "/nonexistent"})
    none.wait_entered()
    it.daemon.wait_log("drop-waits file=.*open files")
    t.equal(it.fake.wait_messages(1)[0].header("Subject"), ["hello"],
            "the message")
    wait_for(lambda: not os.listdir(sendmail.drop), 20, "an empty drop/")


@scenario
def a_drop_directory_that_cannot_be_read_is_read_again(t):
    dropped_without_descriptors(t, 1)


@scenario
def a_dropped_file_that_cannot_be_read_just_now_is_no_stranger(t):
    dropped_without_descriptors(t, 2)


@scenario
def a_receiver_without_descriptors_serves_again(t):
    it = Named(t).start()
    receiver = it.daemon.wait_roles()["receiver"]
    none = it.faults.fail("gmrelayd-recv", SOCKET, errno.EMFILE)
    waiting = socket.create_connection(("127.0.0.1", it.daemon.port))
    t.at_end.append(waiting.close)
    it.daemon.wait_log("accept failed")
    # it does not try all the time
    seen = none.entered
    t.true(seen < 20, "%d tries" % seen)
    none.end()
    it.send()
    it.daemon.wait_queue_empty()
    t.equal(it.daemon.wait_roles()["receiver"], receiver, "never restarted")
    it.all_arrive()


def memory_kb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as source:
        return int(re.search(r"VmSize:\s+(\d+)", source.read())[1])


def lacks_memory(daemon):
    return bool(re.search("out of memory|Cannot allocate memory",
                          daemon.log_now()))


def little_memory(t, more_kb, enough=False):
    """All roles may have so much more than a relay has that has nothing to
    do. One that needs more ends, and another one begins."""
    if SANITIZED:
        t.skip("sanitizers need all the addresses there are")
    t.need("prlimit")
    fake = t.fake()
    daemon = t.daemon(fake).start()
    idle = memory_kb(daemon.wait_roles()["relay"])
    daemon.ask("account.pause", all=True)
    sent = [message(body=base64_lines(1, 8 * 1000 * 1000))] + \
        [message(body=base64_lines(i, 60000)) for i in range(10)]
    for data in sent:
        daemon.send(data)
    daemon.stop()
    daemon.crashes_expected = True
    daemon.wrapper = ["prlimit", "--as=%d" % ((idle + more_kb) * 1024)]
    daemon.start(wait=False)
    wait_for(lambda: resumed(daemon) or lacks_memory(daemon), 20,
             "a relay that has mail to send")
    wait_for(lambda: has_nothing(daemon) or lacks_memory(daemon), 20,
             "an end, or its end")
    t.equal(lacks_memory(daemon), not enough, "no memory")
    daemon.kill_all()
    daemon.wrapper = []
    daemon.start()
    wait_for(lambda: resumed(daemon), 20, "the account can send")
    daemon.wait_queue_empty()
    got = [without_received(x.data) for x in fake.messages]
    t.true(set(got) == set(sent), "every message, whole")
    # it was killed: what was in the air then may come again
    t.true(len(got) <= len(sent) + 2, "%d arrivals" % len(got))
    t.equal(daemon.queue(failed=True), [], "failed messages")


def resumed(daemon):
    try:
        daemon.ask("account.resume", all=True)
        return True
    except OSError:     # between one relay and the next
        return False


def has_nothing(daemon):
    try:
        queue = daemon.status()["queue"]
        return queue["queued"] == 0 and not queue["starting"]
    except OSError:
        return False


@scenario
def a_large_message_needs_little_memory(t):
    little_memory(t, 16 * 1024, enough=True)


@scenario
def with_too_little_memory_nothing_is_lost(t):
    little_memory(t, 512)


@scenario
def with_hardly_any_memory_nothing_is_lost(t):
    little_memory(t, 64)


# --- clocks


def jumps(name, seconds):
    def run(t):
        it = Named(t, retry=["1h"], expire="2h", delay_notice="1h")
        it.fake.rule("RCPT", "450 4.2.9 Not now.", match="later@")
        quota = it.fake.rule("FINAL", "421 4.3.0 Temporary System Problem.",
                             match="Subject: pause")
        it.start()
        daemon = it.daemon
        waiting = daemon.send(message(), ["later@example.net"])
        wait_for(lambda: daemon.queue() and daemon.queue()[0]["attempts"] == 1,
                 20, "it is put off")
        it.send(subject="pause")
        daemon.wait_account("throttled")
        used = quota.used
        before = daemon.account_state()["next_ms"]
        it.faults.move_clock(seconds)
        # something to do, with the new time
        it.send()
        wait_for(lambda: daemon.queued() == 3, 20, "all known")
        nothing_happened(t, it, waiting, quota, used)
        after = daemon.account_state()["next_ms"]
        t.true(before - 30000 <= after <= before, "the pause goes on: %d" %
               after)
        # nor does a restart expire anything, or wait for ever
        daemon.stop()
        daemon.start()
        wait_for(lambda: daemon.queued() == 3 and
                 not daemon.status()["queue"]["starting"], 20, "all is read")
        rows = {x["id"]: x for x in daemon.queue()}
        t.true(rows[waiting]["next_ms"] <= 3600 * 1000, "a retry within the "
               "hour: %r" % rows[waiting])
        # where the new time is behind its end a probe doubles it
        after = daemon.account_state()["next_ms"]
        longest = 70 if quota.used == used else 140
        t.true(after <= longest * 1000, "the pause: %d" % after)
        t.equal(daemon.queue(failed=True), [], "failed messages")
        # and back
        it.faults.move_clock(0)
        it.send()
        wait_for(lambda: daemon.queued() >= 2, 20, "known")
        it.fake.clear_rules()
        daemon.ask("account.resume", all=True)
        daemon.ask("queue.flush")
        daemon.wait_queue_empty()
        got = [x for x in it.fake.messages
               if x.recipients == ["later@example.net"]]
        t.equal(len(got), 1, "the one that waited")
        t.equal(len(it.fake.messages), len(it.sent) + 1, "messages")
        t.true(not [x for x in it.fake.messages
                    if x.header("Auto-Submitted")], "no reports")

    run.__name__ = name
    scenario(run)


def nothing_happened(t, it, waiting, quota, used):
    """For a moment: neither a retry, nor a probe, nor a report."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        rows = {x["id"]: x for x in it.daemon.queue()}
        t.equal(rows[waiting]["attempts"], 1, "attempts")
        t.equal(quota.used, used, "probes")
        t.equal(it.daemon.queue(failed=True), [], "failed messages")
        t.equal(it.fake.messages, [], "messages and reports")
        time.sleep(0.1)


jumps("a_day_forward_expires_nothing", DAY)
jumps("a_day_back_stops_nothing", -DAY)


@scenario
def what_became_due_while_the_machine_slept_goes_at_once(t):
    it = Named(t, retry=["2h"])
    it.fake.rule("RCPT", "450 4.2.9 Not now.", match="later@", times=1)
    it.start()
    daemon = it.daemon
    daemon.send(message(), ["later@example.net"])
    wait_for(lambda: daemon.queue() and daemon.queue()[0]["attempts"] == 1,
             20, "it is put off")
    t.true(daemon.queue()[0]["next_ms"] > 3600 * 1000, "for long")
    it.faults.suspend(3 * 3600)
    daemon.status()
    it.fake.wait_messages(1)
    daemon.wait_queue_empty()
    # and an account that pauses
    it.fake.rule("FINAL", "421 4.7.28 Unusual rate of mail.", times=1)
    it.send()
    daemon.wait_account("throttled")
    t.true(daemon.account_state()["next_ms"] > 1800 * 1000, "for long")
    it.faults.suspend(6 * 3600)
    daemon.status()
    it.fake.wait_messages(2)
    daemon.wait_queue_empty()
    t.equal(daemon.account_state()["state"], "active", "the account")


@scenario
def a_clock_that_jumps_does_not_stop_a_daily_limit_for_ever(t):
    it = Named(t, account={"daily_messages": 2})
    it.start()
    for _ in range(2):
        it.send()
    it.daemon.wait_queue_empty()
    it.daemon.wait_account("over-quota")
    for seconds in (DAY, -DAY):
        it.faults.move_clock(seconds)
        it.send()
        told = it.daemon.wait_account("over-quota")
        t.true(told["next_ms"] <= (DAY + 600) * 1000, "a day at most: %r" %
               told)
    # after a restart as well, with a ledger that is of tomorrow then
    it.daemon.stop()
    it.daemon.start()
    told = it.daemon.wait_account("over-quota")
    t.true(told["next_ms"] <= (DAY + 600) * 1000, "a day at most: %r" % told)
    t.equal(len(it.fake.messages), 2, "messages")
    it.daemon.stop()
    it.faults.move_clock(2 * DAY)
    it.daemon.start()
    it.all_arrive()


if __name__ == "__main__":
    main()

"""Messages above 64 KiB: a file each from arrival to end, whole or not at all,
none left over, and no memory for them."""
import errno
import os
import random
import threading

from lib import proc
from lib.daemon import wait_for
from lib.faults import FDATASYNC, PWRITE, Faults
from lib.harness import SANITIZED, main, print_comment, scenario
from lib.mail import base64_lines, without_received
from lib.smtpclient import Client, message, stuff

MIB = 1024 * 1024
CLIENTS = 20
EACH = 5 * MIB
LEAVES_EVERY = 4  # of the clients, that many leave midway
IN_STOCK = 2      # empty bodies, ready for the next
HUGE = 35000000
GROWTH_KB = 12 * 1024


def large_dir(daemon):
    return os.path.join(daemon.spool, "large")


def bodies(daemon):
    return os.listdir(large_dir(daemon))


def filled(daemon):
    """Bodies with something in them."""
    found = set()
    for name in bodies(daemon):
        try:
            if os.path.getsize(os.path.join(large_dir(daemon), name)) > 0:
                found.add(name)
        except FileNotFoundError:
            continue
    return found


def wait_only_stock(daemon):
    def only_stock():
        return len(bodies(daemon)) <= IN_STOCK and not filled(daemon)

    try:
        wait_for(only_stock, 30, "only empty bodies in large/")
    except AssertionError as error:
        raise AssertionError("%s: %r" % (error, bodies(daemon))) from None


class Bundle:
    """Clients that send at once; some leave in the middle, each differently."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.accepted = []
        self.left = 0
        self.wrong = []
        threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                   for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)

    def _run(self, number):
        try:
            with Client(("127.0.0.1", self.daemon.port), timeout=90) as client:
                self._one(client, number)
        except Exception as error:  # noqa: told by the scenario
            self.wrong.append("%d: %r" % (number, error))

    def _one(self, client, number):
        data = message(body=base64_lines(number, EACH))
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org>", 250)
        client.expect("RCPT TO:<b@example.net>", 250)
        client.expect("DATA", 354)
        if number % LEAVES_EVERY == 0:
            share = random.Random(number).random()
            client.send(stuff(data)[:int(len(data) * share)])
            self.left += 1
            return
        client.send(stuff(data) + b".\r\n")
        reply = client.reply()
        if reply.code != 250:
            raise AssertionError(repr(reply))
        self.accepted.append(data)


@scenario
def many_at_once_some_leave(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    bundle = Bundle(daemon)
    t.equal(bundle.wrong, [], "what went wrong")
    t.equal(len(bundle.accepted) + bundle.left, CLIENTS, "clients")
    got = fake.wait_messages(len(bundle.accepted), 120)
    daemon.wait_queue_empty()
    t.equal(sorted(without_received(x.data) for x in got),
            sorted(bundle.accepted), "messages")
    wait_only_stock(daemon)
    t.clean(fake)


@scenario
def they_wait_in_their_files_and_leave_them(t):
    """The same with upstream away and a restart in between."""
    fake = t.fake()
    closed = fake.rule("BANNER", action="drop")
    daemon = t.daemon(fake).start()
    bundle = Bundle(daemon)
    t.equal(bundle.wrong, [], "what went wrong")
    count = len(bundle.accepted)
    wait_for(lambda: len(bodies(daemon)) <= count + IN_STOCK, 30,
             "the end of the files of those who left")
    daemon.stop()
    t.true(len(bodies(daemon)) >= count, "a file for each message")
    with fake.changed:
        fake.rules.remove(closed)
    daemon.start()
    got = fake.wait_messages(count, 120)
    daemon.wait_queue_empty()
    t.equal(sorted(without_received(x.data) for x in got),
            sorted(bundle.accepted), "messages")
    wait_only_stock(daemon)


@scenario
def a_body_without_its_record_goes(t):
    """Written in whole, or in part, when the receiver dies; and one that lies
    about when everything starts."""
    fake = t.fake()
    daemon = t.daemon(fake)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    data = message(body=base64_lines(1, 300000))
    moments = [("body-syncer", FDATASYNC, 1), ("gmrelayd-recv", PWRITE, 3)]
    for who, call, first in moments:
        rule = faults.stop(who, call, first=first)
        with daemon.client() as client:
            client.ehlo()
            client.expect("MAIL FROM:<a@example.org>", 250)
            client.expect("RCPT TO:<b@example.net>", 250)
            client.expect("DATA", 354)
            client.send(stuff(data) + b".\r\n")
            rule.wait_entered()
            written = filled(daemon)
            t.equal(len(written), 1, "bodies with something in them")
            pid = daemon.kill_role("receiver")
            t.true(client.is_closed(), "the client has no answer")
        faults.clear()
        daemon.wait_role_again("receiver", pid)
        wait_for(lambda: not written & set(bodies(daemon)), 30,
                 "the end of the body")
    daemon.stop()
    stray = os.path.join(large_dir(daemon), "0123456789abcdef")
    with open(stray, "wb") as file:
        file.write(b"x" * 100000)
    os.chown(stray, os.stat(large_dir(daemon)).st_uid, -1)
    daemon.start()
    wait_for(lambda: not os.path.exists(stray), 30, "the end of the stray")
    daemon.send(data)
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 1, "messages upstream")
    wait_only_stock(daemon)


@scenario
def a_failed_message_keeps_its_body(t):
    """queue/ and failed/ name it; it goes with them."""
    fake = t.fake()
    fake.rule("RCPT", "550 5.1.1 No such user", match="bad@", times=1)
    daemon = t.daemon(fake).start()
    data = message(body=base64_lines(1, 300000))
    message_id = daemon.send(data, ["bad@example.net"])
    wait_for(lambda: daemon.status()["queue"]["failed"] == 1, 20,
             "the message in failed/")
    fake.wait_messages(1)  # the report
    daemon.stop()
    daemon.start()
    daemon.wait_queue_empty()
    daemon.send(message())  # all is read and swept
    fake.wait_messages(2)
    daemon.ask("queue.retry", id=message_id)
    got = fake.wait_messages(3)
    t.equal(without_received(got[2].data), data, "the message, from failed/")
    daemon.wait_queue_empty()
    wait_only_stock(daemon)


@scenario
def one_that_vanished_or_changed_is_told_and_the_rest_goes_on(t):
    fake = t.fake()
    closed = fake.rule("BANNER", action="drop")
    daemon = t.daemon(fake).start()
    ids, names = {}, {}
    for how in ("gone", "short", "changed", "longer", "link", "whole"):
        before = filled(daemon)
        ids[how] = daemon.send(message(body=base64_lines(len(ids), 200000)))
        names[how] = os.path.join(large_dir(daemon),
                                  (filled(daemon) - before).pop())
    daemon.stop()
    spoil(names)
    with fake.changed:
        fake.rules.remove(closed)
    daemon.start()
    for how in ("gone", "short", "changed", "link"):
        daemon.wait_log("id=%s|%s" % (ids[how], os.path.basename(
            names[how])))
    daemon.send(message())
    fake.wait_messages(3 + 4)  # the four are reported
    got = [x for x in fake.messages if not x.header("Auto-Submitted")]
    t.equal(sorted(x.data.count(b"\r\n") > 1000 for x in got),
            [False, True, True], "whole, longer and the small one")
    for how in ("gone", "short", "changed", "link"):
        t.true(not any(ids[how].encode() in x.data for x in got),
               "%s is not sent" % how)
    with open(t.path("target"), "rb") as target:
        t.equal(target.read(), b"not ours", "what the link led to")
    daemon.wait_queue_empty()
    t.equal(sorted(x["id"] for x in daemon.queue(failed=True)),
            sorted(ids[x] for x in ("gone", "short", "changed", "link")),
            "those four are set aside, and only they")


def spoil(names):
    os.unlink(names["gone"])
    os.truncate(names["short"], 100000)
    with open(names["changed"], "r+b") as file:
        file.seek(150000)
        file.write(b"X")
    with open(names["longer"], "ab") as file:
        file.write(b"and more\r\n")
    os.unlink(names["link"])
    target = os.path.join(os.path.dirname(names["link"]), "../../../target")
    with open(target, "wb") as file:
        file.write(b"not ours")
    os.symlink(target, names["link"])


def memory_kb(pid, field):
    return int(proc.status(pid)[field].split()[0])


@scenario
def a_huge_message_costs_little_memory(t):
    if SANITIZED:
        t.skip("sanitizers keep what was freed")
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message(body=base64_lines(1, 300000)))
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    roles = daemon.wait_roles()
    idle = {role: memory_kb(pid, "VmRSS") for role, pid in roles.items()}
    data = message(body=base64_lines(2, HUGE))
    daemon.send(data)
    got = fake.wait_messages(2, 120)
    t.true(without_received(got[1].data) == data, "the same upstream")
    for role, pid in roles.items():
        peak = memory_kb(pid, "VmHWM")
        print_comment("%s: %d KiB idle, %d KiB at most" % (
            role, idle[role], peak))
        t.true(peak < idle[role] + GROWTH_KB,
               "the %s grew by %d KiB" % (role, peak - idle[role]))
    wait_only_stock(daemon)


@scenario
def a_full_body_disk_is_452_for_its_message_alone(t):
    fake = t.fake()
    daemon = t.daemon(fake)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org>", 250)
        client.expect("RCPT TO:<b@example.net>", 250)
        client.expect("DATA", 354)
        data = message(body=base64_lines(1, 1000000))
        client.send(stuff(data)[:200000])
        wait_for(lambda: filled(daemon), 20, "the first of it in its file")
        rule = faults.fail("gmrelayd-recv", PWRITE, errno.ENOSPC, times=1)
        client.send(stuff(data)[200000:] + b".\r\n")
        reply = client.reply()
        t.equal((reply.code, reply.enhanced), (452, "4.3.1"), "the reply")
        t.equal(rule.left, 1, "failed writes")
        t.equal(client.mail("a@example.org", ["b@example.net"], data).code,
                250, "once more")
    got = fake.wait_messages(1)
    daemon.wait_queue_empty()
    t.true(without_received(got[0].data) == data, "the message")
    wait_only_stock(daemon)


if __name__ == "__main__":
    main()

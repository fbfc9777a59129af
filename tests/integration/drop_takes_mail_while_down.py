"""Mail handed to the command while the daemon is down waits in drop/, and arrives
once the daemon runs."""
import fcntl
import os
import random
import re
import signal
import stat

from lib.drop import (OTHER_UID, TEXT, TO, down, names, put, subjects,
                      wait_empty, whole)
from lib.harness import as_ordinary_user, main, scenario
from lib.mail import base64_lines, without_received
from lib.sendmail import TEMPFAIL, USER_UID, Script, Sendmail


@scenario
def it_arrives_when_the_daemon_is_back(t):
    fake, daemon, sendmail = down(t)
    sendmail.ok("-fa@example.org", TO, "b@example.net", text=TEXT)
    sendmail.ok("-t", text=b"To: %s\nBcc: c@example.net\n\nx\n" % TO.encode())
    t.equal(len(names(sendmail)), 2, "files")
    for name in names(sendmail):
        t.true(re.fullmatch("[0-9a-f]{16}", name), name)
        st = os.stat(os.path.join(sendmail.drop, name))
        t.equal((stat.S_IMODE(st.st_mode), st.st_uid),
                (0o640, os.getuid()), "mode and owner")
    daemon.start()
    fake.wait_messages(2)
    t.equal(sorted(sorted(x.recipients) for x in fake.messages),
            [["b@example.net", TO], ["c@example.net", TO]], "recipients")
    for got in fake.messages:
        t.true("(uid %d)" % os.getuid() in got.header("Received")[0],
               got.header("Received"))
    wait_empty(t, sendmail)
    t.equal(len(daemon.wait_log(r"drop-taken file=\w{16} uid=%d nrcpt=2" %
                                os.getuid(), count=2)), 2, "log lines")
    daemon.reload()
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 2, "messages after a reload")
    t.clean(fake)


@scenario
def every_byte_arrives(t):
    fake, daemon, sendmail = down(t)
    head = (b"From: a@example.org\nDate: Sun, 22 Nov 2026 04:05:06 +0000\n"
            b"Message-ID: <%d@example.org>\nSubject: x\n\n")
    bodies = [b"", b".\n..\n", b"\n\nMAIL FROM:<x@example.net>\n.\nQUIT\n",
              b"250 ok\nBDAT 5 LAST\n", b"\xff\xfe \xc3\xbc\n",
              base64_lines(1, 5000000).replace(b"\r\n", b"\n")]
    for i, body in enumerate(bodies):
        sendmail.ok("-i", TO, text=head % i + body)
    daemon.start()
    got = {x.header("Message-ID")[0]: x
           for x in fake.wait_messages(len(bodies), deadline=60)}
    for i, body in enumerate(bodies):
        data = without_received(got["<%d@example.org>" % i].data)
        t.true(data == (head % i + body).replace(b"\n", b"\r\n"),
               "message %d differs" % i)
    t.clean(fake)


@scenario
def date_and_id_are_of_the_time_it_was_left(t):
    fake, daemon, sendmail = down(t)
    sendmail.ok(TO, text=TEXT)
    with open(os.path.join(sendmail.drop, names(sendmail)[0]), "rb") as file:
        left = file.read()
    daemon.start()
    got = fake.wait_messages(1)[0]
    for name in ("Date", "Message-ID"):
        t.true(("%s: %s\n" % (name, got.header(name)[0])).encode() in left,
               "%s is not that of drop/" % name)


@scenario
def it_is_seen_while_the_daemon_runs(t):
    """The command did not reach it for a moment; and no thread stays."""
    fake = t.fake()
    daemon = t.daemon(fake).start()
    sendmail = Sendmail(t, daemon)
    for i in range(3):
        sendmail.ok(TO, text=TEXT, env={"GMRELAY_SUBMIT": "/nonexistent"})
        fake.wait_messages(i + 1)
        wait_empty(t, sendmail)
    relay = daemon.wait_roles()["relay"]

    def threads():
        found = []
        for task in os.listdir("/proc/%d/task" % relay):
            with open("/proc/%d/task/%s/comm" % (relay, task),
                      encoding="ascii") as file:
                found.append(file.read().strip())
        return found

    t.wait_for(lambda: "gm-drop" not in threads(), 10, "the thread's end")


@scenario
def many_recipients_in_several_transactions(t):
    fake, daemon, sendmail = down(t, max_recipients=3)
    people = ["p%d@example.net" % i for i in range(10)]
    sendmail.ok(*people, text=TEXT)
    daemon.start()
    fake.wait_messages(4)
    wait_empty(t, sendmail)
    t.equal(sorted(x for m in fake.messages for x in m.recipients), people,
            "recipients")


@scenario
def what_is_left_over_waits_alone(t):
    """Some recipients were taken, the others are for later: the file is the
    daemon's then, and still the user's mail."""
    fake = t.fake()
    daemon = t.daemon(fake).start()
    sendmail = Sendmail(t, daemon)
    uid = OTHER_UID if os.geteuid() == 0 else os.getuid()
    name = "0123456789abcdef"
    os.rename(daemon.submit, daemon.submit + ".away")
    script = Script(t, [("RCPT", ["250 ok"] + ["451 4.3.0 later"] * 99)],
                    daemon.submit)
    put(sendmail, name, whole(b"from a@example.org\nto %s\n"
        b"to b@example.net\nto c@example.net\nnotify DELAY\n" % TO.encode()),
        uid=uid)
    daemon.wait_log("drop-waits file=%s uid=%d reason=.*451" % (name, uid))
    with open(os.path.join(sendmail.drop, name), "rb") as file:
        t.equal(file.read(), whole(b"from a@example.org\n"
                b"to b@example.net\nto c@example.net\nuid %d\n"
                b"notify DELAY\n" % uid), "the file")
    script.close()
    t.at_end.remove(script.close)
    os.rename(daemon.submit + ".away", daemon.submit)
    got = fake.wait_messages(1)[0]
    t.equal(sorted(got.recipients), ["b@example.net", "c@example.net"],
            "recipients")
    t.true("(uid %d)" % uid in got.header("Received")[0], "Received")
    wait_empty(t, sendmail)
    t.equal(len([x for x in script.lines if x.startswith("BDAT")]), 1,
            "messages the script took")


@scenario
def what_could_not_be_handed_in_is_tried_again(t):
    """Without anything new in drop/."""
    fake = t.fake()
    daemon = t.daemon(fake).start()
    sendmail = Sendmail(t, daemon)
    os.rename(daemon.submit, daemon.submit + ".away")
    put(sendmail, "0123456789abcdef", whole())
    daemon.wait_log("drop-waits file=0123456789abcdef ")
    os.rename(daemon.submit + ".away", daemon.submit)
    fake.wait_messages(1)
    wait_empty(t, sendmail)


@scenario
def what_is_refused_for_now_keeps_nobody_waiting(t):
    """However many are, and wherever they stand in the directory."""
    daemon = t.daemon(t.fake()).start()
    sendmail = Sendmail(t, daemon)
    os.rename(daemon.submit, daemon.submit + ".away")
    good = ["%016x" % i for i in range(5)]
    refused = ["%016x" % (1000 + i) for i in range(200)]
    for name in good[1:] + refused:
        put(sendmail, name, whole(b"from a@example.org\nto %s\n" % (
            TO.encode() if name in good else b"later@example.net")))
    script = Script(t, [("RCPT TO:<later@", "451 4.3.0 later")],
                    daemon.submit)
    put(sendmail, good[0], whole())
    t.wait_for(lambda: names(sendmail) == refused, 60, "the others")
    t.equal(len([x for x in script.lines if x.startswith("BDAT")]),
            len(good), "messages")
    daemon.wait_log("drop-waits file=.*451 4.3.0", count=len(refused))


@scenario
def a_flush_ends_the_waits(t):
    """Without, eight of them would take some twenty minutes."""
    daemon = t.daemon(t.fake()).start()
    sendmail = Sendmail(t, daemon)
    os.rename(daemon.submit, daemon.submit + ".away")
    script = Script(t, [("RCPT", "451 4.3.0 later")], daemon.submit)
    put(sendmail, "0123456789abcdef", whole())
    for i in range(8):
        t.wait_for(lambda n=i: sum(
            x.startswith("RCPT") for x in script.lines) > n, 60, "an attempt")
        if i % 2:
            daemon.signal(signal.SIGUSR1)
        else:
            daemon.ask("queue.flush")
    t.equal(len(daemon.wait_log("drop-waits file=")), 1, "told once")


@scenario
def local_names_mean_what_they_mean(t):
    fake, daemon, sendmail = down(t, postmaster="owner@example.com")
    sendmail.ok("-froot", "root", text=TEXT)
    daemon.start()
    t.equal(fake.wait_messages(1)[0].recipients, ["owner@example.com"],
            "recipients")


@scenario
def whom_it_is_refused_for_is_told(t):
    fake, daemon, sendmail = down(t, message_size="20K",
                                  postmaster="owner@example.com")
    sendmail.ok("-fa@example.org", TO, text=TEXT + b"x\n" * 20000)
    sendmail.ok("-fb@example.org", "nobody-knows", TO, text=TEXT)
    sendmail.ok("-fcron", "nobody-knows", text=TEXT)
    daemon.start()
    fake.wait_messages(4)
    wait_empty(t, sendmail)
    daemon.wait_queue_empty()
    got = {x.recipients[0]: x for x in fake.messages}
    t.equal(sorted(got), ["a@example.org", "b@example.org",
                          "owner@example.com", TO], "who got something")
    for who, words in (("a@example.org", "552 5.3.4 message too big"),
                       ("b@example.org", "550 5.1.1"),
                       ("owner@example.com", "550 5.1.1")):
        text = got[who].data.decode()
        t.true("multipart/report" in text and words in text and
               "Subject: hello" in text, text)
        t.true("queue show" not in text and "x\r\nx" not in text, text)
    t.equal(len(daemon.wait_log("drop-refused file=", count=3)), 3, "log")


@scenario
def a_report_is_not_reported(t):
    """Without a sender nobody is told; the message stays, and the log says."""
    _, daemon, sendmail = down(t, message_size="20K")
    sendmail.ok("-f", "<>", TO, text=TEXT + b"x\n" * 20000)
    name = names(sendmail)[0]
    daemon.start()
    daemon.wait_log("drop-set-aside file=%s .*552 5.3.4" % name)
    t.equal(names(sendmail), [name + ".refused"], "files")
    daemon.reload()
    t.equal(daemon.log_now().count("drop-set-aside"), 1, "told once")
    daemon.stop()
    daemon.start()
    t.equal(names(sendmail), [name + ".refused"], "files")


@scenario
def what_was_cut_short_is_not_sent(t):
    """As some file systems leave it behind a power cut."""
    fake, daemon, sendmail = down(t)
    sendmail.ok(TO, text=TEXT + b"x\n" * 1000)
    name = names(sendmail)[0]
    path = os.path.join(sendmail.drop, name)
    size = os.stat(path).st_size
    sendmail.ok(TO, text=TEXT)
    os.truncate(path, size - 1)
    daemon.start()
    daemon.wait_log("drop-set-aside file=%s .*its message has" % name)
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    t.equal(names(sendmail), [name + ".refused"], "files")
    t.equal((os.stat(path + ".refused").st_size, len(fake.messages)),
            (size - 1, 1), "what is left, and messages")
    t.equal(daemon.status()["drop"]["refused"], 1, "status")


@scenario
def it_waits_while_the_receiver_has_no_time(t):
    fake, daemon, sendmail = down(t, max_clients=1)
    daemon.start()
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org>", 250)
        sendmail.ok(TO, text=TEXT)  # 421, so it goes to drop/
        daemon.wait_log("drop-waits file=.*421 4.3.2")
        t.equal(fake.messages, [], "messages")
        t.equal(len(names(sendmail)), 1, "files")
        client.cmd("QUIT")
    fake.wait_messages(1)
    wait_empty(t, sendmail)
    t.equal(daemon.log_now().count("drop-waits"), 1, "told once")


@scenario
def kills_lose_nothing(t):
    """kill -9 of either role or all, in the midst of it: every message arrives;
    a kill repeats at most what was in the air."""
    fake, daemon, sendmail = down(t)
    daemon.crashes_expected = True
    rng = random.Random(7)
    count, kills = 60, 6
    for i in range(count):
        sendmail.ok(TO, text=b"Subject: %04d\n\n%s" % (
            i, base64_lines(i, rng.choice([10, 1000, 200000]))))
    wanted = ["%04d" % i for i in range(count)]
    for i in range(kills):
        daemon.start()
        t.wait_for(lambda: len(names(sendmail)) <
                   count - i * count // (kills + 2) or
                   not names(sendmail), 30, "progress")
        if i % 3 == 0:
            daemon.kill_all()
            continue
        role = ("relay", "receiver")[i % 2]
        old = daemon.kill_role(role)
        daemon.wait_role_again(role, old)
        daemon.stop()
    daemon.start()
    t.wait_for(lambda: set(wanted) <= set(subjects(fake)), 60, "all of them")
    wait_empty(t, sendmail)
    daemon.wait_queue_empty()
    ids = {}
    for got in fake.messages:
        ids.setdefault(got.header("Subject")[0], set()).add(
            got.header("Message-ID")[0])
    t.true(all(len(x) == 1 for x in ids.values()),
           "a repeated message has another Message-ID")
    t.true(len(fake.messages) <= count + 4 * kills,
           "%d messages arrived" % len(fake.messages))


@scenario
def what_was_not_finished_is_swept(t):
    """The command was killed while it wrote; another one still writes."""
    fake, daemon, sendmail = down(t)
    # of others: nobody has them locked
    for i in range(3):
        put(sendmail, "tmp.%016x" % i, whole(), uid=os.getuid())
    held = os.open(os.path.join(sendmail.drop, "tmp.%016x" % 9),
                   os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        os.fchown(held, os.getuid(), os.stat(sendmail.drop).st_gid)
        fcntl.flock(held, fcntl.LOCK_EX)
        daemon.start()
        t.wait_for(lambda: names(sendmail) == ["tmp.%016x" % 9], 20,
                   "the sweep")
        t.equal(fake.messages, [], "messages")
    finally:
        os.close(held)


@scenario
def one_user_for_all(t):
    """A daemon of an ordinary user: the same, with one uid."""
    fake = t.fake()
    daemon = t.daemon(fake)
    how = as_ordinary_user(t, daemon)
    daemon.start(**how)
    daemon.stop()
    sendmail = Sendmail(t, daemon)
    sendmail.ok(TO, text=TEXT, **how)
    t.equal(len(names(sendmail)), 1, "files")
    daemon.start(**how)
    uid = how.get("user", os.getuid())
    t.true("(uid %d)" % uid in fake.wait_messages(1)[0].header(
        "Received")[0], "Received")
    wait_empty(t, sendmail)
    if how:
        done = sendmail.run(TO, text=TEXT, user=USER_UID, group=USER_UID,
                            extra_groups=[],
                            env={"GMRELAY_SUBMIT": "/nonexistent"})
        t.equal(done.returncode, TEMPFAIL, "somebody else's status")


if __name__ == "__main__":
    main()

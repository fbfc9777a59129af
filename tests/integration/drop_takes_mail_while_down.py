"""Mail handed to the command while the daemon is down waits in drop/, arrives
once the daemon runs, and no user can touch that of another."""
import fcntl
import os
import random
import re
import stat
import subprocess

from lib import proc
from lib.harness import as_ordinary_user, main, scenario
from lib.mail import base64_lines, without_received
from lib.sendmail import (TEMPFAIL, USER_UID, Installed, Script, Sendmail,
                          install_setgid, make_spool)
from lib.smtpclient import Client

TO = "person@example.net"
TEXT = b"Subject: hello\n\ntext\n"
OTHER_UID = USER_UID + 1
HEAD = b"gmrelay-drop 1\n"
GOOD = HEAD + b"from a@example.org\nto %s\n\n" % TO.encode()


def down(t, **settings):
    """A daemon that has run once, and does not now."""
    fake = t.fake()
    daemon = t.daemon(fake, **settings).start()
    daemon.stop()
    return fake, daemon, Sendmail(t, daemon)


def names(sendmail):
    return sorted(os.listdir(sendmail.drop))


def wait_empty(t, sendmail):
    t.wait_for(lambda: not names(sendmail), 30, "an empty drop/")


def subjects(fake):
    return sorted(x.header("Subject")[0] for x in fake.messages)


def put(sendmail, name, data, uid=USER_UID, mode=0o640):
    """A file as the holder of the group could make it."""
    path = os.path.join(sendmail.drop, name)
    temporary = path + ".new"
    with open(temporary, "wb") as out:
        out.write(data)
    os.chown(temporary, uid, os.stat(sendmail.drop).st_gid)
    os.chmod(temporary, mode)
    os.rename(temporary, path)
    return path


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
    put(sendmail, name, HEAD + b"from a@example.org\nto %s\n"
        b"to b@example.net\nto c@example.net\nnotify DELAY\n\n%s" % (
            TO.encode(), TEXT), uid=uid)
    daemon.wait_log("drop-waits file=%s uid=%d reason=.*451" % (name, uid))
    with open(os.path.join(sendmail.drop, name), "rb") as file:
        t.equal(file.read(), HEAD + b"from a@example.org\n"
                b"to b@example.net\nto c@example.net\nuid %d\n"
                b"notify DELAY\n\n%s" % (uid, TEXT), "the file")
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
    put(sendmail, "0123456789abcdef", HEAD + b"from a@example.org\n"
        b"to b@example.net\n\n" + TEXT)
    daemon.wait_log("drop-waits file=0123456789abcdef ")
    os.rename(daemon.submit + ".away", daemon.submit)
    fake.wait_messages(1)
    wait_empty(t, sendmail)


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
        put(sendmail, "tmp.%016x" % i, GOOD + TEXT, uid=os.getuid())
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


# --- as it is installed ------------------------------------------------------

def installed(t, **settings):
    t.need_root()
    fake = t.fake()
    daemon = t.daemon(fake, **settings)
    return fake, daemon, Installed(t, daemon)


@scenario
def users_leave_mail_that_nobody_else_can_touch(t):
    fake, daemon, sendmail = installed(t)
    sendmail.ok(TO, text=b"Subject: first\n\nsecret\n")
    sendmail.by(OTHER_UID).ok(TO, text=b"Subject: second\n\nsecret\n")
    mine, = [x for x in names(sendmail) if os.stat(os.path.join(
        sendmail.drop, x)).st_uid == USER_UID]
    path = os.path.join(sendmail.drop, mine)
    st = os.stat(path)
    t.equal((stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid),
            (0o640, USER_UID, Installed.GID), "mode, owner, group")
    # without the group there is not even a way to it
    for who in (USER_UID, OTHER_UID):
        for script in ("ls %s" % sendmail.drop, "cat %s" % path,
                       "rm -f %s" % path, "echo x >>%s" % path,
                       "ln %s %s.link" % (path, sendmail.drop),
                       "mv %s %s.moved" % (path, path),
                       ">%s/0123456789abcdef" % sendmail.drop):
            done = subprocess.run(
                ["sh", "-c", script], user=who, group=who, extra_groups=[],
                capture_output=True, text=True)
            t.true(done.returncode != 0 and "denied" in done.stderr,
                   "%s by %d: %s" % (script, who, done.stderr))
    daemon.start()
    fake.wait_messages(2)
    t.equal(subjects(fake), ["first", "second"], "subjects")
    t.equal(sorted(re.search(r"\(uid (\d+)\)", x.header("Received")[0])[1]
                   for x in fake.messages),
            [str(USER_UID), str(OTHER_UID)], "uids in Received")
    wait_empty(t, sendmail)
    # and while it runs, over the socket
    sendmail.ok(TO, text=TEXT)
    fake.wait_messages(3)
    t.equal(proc.status(daemon.wait_roles()["relay"])["Groups"].split(),
            [str(Installed.GID)], "the relay's groups")
    t.equal(proc.status(daemon.wait_roles()["receiver"])["Groups"].split(),
            [], "the receiver's groups")


@scenario
def the_program_gives_its_rights_to_nobody(t):
    install_setgid(t, Installed.GID)  # or leave it out
    _, daemon, sendmail = installed(t)
    daemon.start()
    for hostile in ({"GMRELAY_DROP": "/tmp", "GMRELAY_SUBMIT": "/x"},
                    {"GMRELAY_CTL": "/bin/sh"}, {"TZ": "/etc/shadow"}, {"TMPDIR": sendmail.drop}):
        sendmail.ok(TO, text=TEXT, env=hostile)
    sendmail.ok(TO, text=b"Subject: zone\n\nx\n", env={"TZ": "XYZ-11:17"})
    got = daemon.fake.wait_messages(5)[4]
    t.true("+1117" not in got.header("Date")[0], got.header("Date")[0])
    # what it runs has the user's group alone
    fake_ctl = t.path("ctl-shows-ids")
    with open(fake_ctl, "w", encoding="ascii") as out:
        out.write("#!/bin/sh\ngrep -E '^(Gid|Groups)' /proc/self/status\n")
    os.chmod(fake_ctl, 0o755)
    with open(sendmail.program, "rb") as file:
        target = re.search(rb"(/[^\0]+/gmrelayctl)\0",
                           file.read())[1].decode()
    sendmail.places[target] = fake_ctl
    done = sendmail.run("-bp")
    t.equal(set(re.findall(r"\d+", done.stdout)), {str(USER_UID)}, "groups")


@scenario
def limits_of_the_caller_leave_nothing_behind(t):
    """Tiny files, no descriptors, closed ones, signals."""
    _, _, sendmail = installed(t)
    big = TEXT + b"x\n" * 100000
    for limit in ("ulimit -f 1", "ulimit -n 4", "ulimit -v 20000",
                  "exec 1>&- 2>&-", "exec 0<&-"):
        done = subprocess.run(
            sendmail.inside("sh", "-c", limit + '; exec "$0" "$@"',
                            sendmail.program, TO), input=big,
            capture_output=True, timeout=60, env=sendmail.environment())
        whole = names(sendmail)
        t.true(done.returncode in (0, 1, 71, 72, 74, TEMPFAIL, 126, 127, 139),
               "%s: status %d %s" % (limit, done.returncode, done.stderr))
        t.equal([x for x in whole if x.startswith("tmp.")], [],
                "left by %s" % limit)
        for name in whole:
            with open(os.path.join(sendmail.drop, name), "rb") as file:
                data = file.read()
            t.true(data.startswith(HEAD) and (
                data.endswith(b"x\n") or limit == "exec 0<&-"),
                   "a partial message by %s" % limit)
            t.true(b"gmrelay-sendmail:" not in data,
                   "an error in a message by %s" % limit)
            os.unlink(os.path.join(sendmail.drop, name))
    t.equal(names(sendmail), [], "files")


@scenario
def one_user_cannot_fill_it_for_the_others(t):
    _, _, sendmail = installed(t)
    for i in range(1000):
        put(sendmail, "%016x" % i, GOOD)
    line = sendmail.fails(TEMPFAIL, TO, text=TEXT)
    t.true("1000 of them yours" in line, line)
    sendmail.by(OTHER_UID).ok(TO, text=TEXT)
    for name in names(sendmail):
        os.unlink(os.path.join(sendmail.drop, name))
    for i in range(2):
        path = put(sendmail, "%016x" % i, GOOD)
        os.truncate(path, 128 * 1024 * 1024)  # sparse
    line = sendmail.fails(TEMPFAIL, TO, text=TEXT)
    t.true("256 MiB" in line, line)
    sendmail.by(OTHER_UID).ok(TO, text=TEXT)


@scenario
def a_disk_that_is_nearly_full_is_left_to_the_queue(t):
    t.need_root()
    sendmail = Sendmail(t, t.daemon(t.fake()))
    full = t.path("full")
    os.mkdir(full)
    for size, status in ((100, TEMPFAIL), (200, 0)):
        done = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "sh", "-c",
             "mount -t tmpfs -o size=%dm tmpfs %s && exec \"$@\"" % (
                 size, full), "sh"] + sendmail.argv(TO),
            input=TEXT, capture_output=True, timeout=60,
            env=dict(sendmail.environment(), GMRELAY_DROP=full))
        if b"permission denied" in done.stderr.lower():
            t.skip("mounts of one's own are refused here")
        t.equal(done.returncode, status, done.stderr)
        t.equal(b"the disk is nearly full" in done.stderr, status != 0,
                "what it says")


@scenario
def a_stolen_group_harms_only_its_thief(t):
    """The worst: somebody runs code with the group of drop/."""
    fake, daemon, sendmail = installed(t)
    sendmail.by(OTHER_UID).ok(TO, text=b"Subject: honest\n\nx\n")
    honest = os.path.join(sendmail.drop, names(sendmail)[0])
    thief = dict(user=USER_UID, group=Installed.GID, extra_groups=[])

    def steal(script, fails=False):
        done = subprocess.run(["sh", "-c", "cd %s; umask 0; %s" % (
            sendmail.drop, script)], capture_output=True, text=True, **thief)
        t.equal(done.returncode != 0, fails, "%s: %s" % (
            script, done.stderr))

    for script in ("rm -f %s", "mv %s /tmp/x", "mv %s 0000000000000000",
                   "echo x >>%s", ">%s", "chmod 777 %s",
                   "ln %s 1111111111111111",
                   "echo x >x; mv x %s", "ln -sf /etc/passwd %s"):
        if "ln %s" in script:
            with open("/proc/sys/fs/protected_hardlinks",
                      encoding="ascii") as file:
                if file.read().strip() != "1":
                    continue
        steal(script % honest, fails=True)
    steal("rm -f x")
    secret = t.path("secret")
    with open(secret, "wb") as out:
        out.write(GOOD + b"Subject: of root\n\nsecret\n")
    os.chmod(secret, 0o600)
    steal("ln -s %s aaaaaaaaaaaaaaa1" % secret)
    steal("ln -s /dev/zero aaaaaaaaaaaaaaa2")
    steal("mkfifo aaaaaaaaaaaaaaa3")
    steal("mkdir aaaaaaaaaaaaaaa4")
    steal(">aaaaaaaaaaaaaaa5")
    steal("ln aaaaaaaaaaaaaaa5 aaaaaaaaaaaaaaa6")
    steal("ln -s . aaaaaaaaaaaaaaa7; ln -s nowhere aaaaaaaaaaaaaaa8")
    steal("mkfifo tmp.1; ln -s %s tmp.2; mkdir tmp.3" % secret)
    steal(">stray; mkdir .hidden; >'new\nline'; >0123456789ABCDEF")
    bad = [
        b"", b"\n", b"\0" * 5000, HEAD, GOOD[:-1], b"x" * 100000,
        HEAD + b"from " + b"a" * 100000 + b"@b\n\n",
        HEAD + b"from a@example.org\n" + b"to a@b\n" * 10001 + b"\n",
        HEAD + b"from a@example.org>\r\nRCPT TO:<evil@example.net\nto " +
        TO.encode() + b"\n\n",
        HEAD + b"from a@example.org> XUID=0 <\nto %s\n\n" % TO.encode(),
        HEAD + b"from a@example.org\nto evil@example.net>\rRSET\n\n",
        HEAD + b"from a@example.org\nuid 0\nto evil@example.net\n\n",
        HEAD + b"from a@example.org\nto %s\nret FULL XUID=0\n\n" %
        TO.encode(),
        HEAD + b"from a@example.org\nto %s\nenvid a\r\nRSET\n\n" %
        TO.encode(),
    ]
    for i, data in enumerate(bad):
        put(sendmail, "%016x" % (0xbbbb0000 + i), data)
    put(sendmail, "%016x" % 0xcccc0000, GOOD + TEXT, mode=0)
    huge = put(sendmail, "%016x" % 0xcccc0001, GOOD)
    os.truncate(huge, 200 * 1024 * 1024)
    # and one that is all right, with commands in its text
    put(sendmail, "%016x" % 0xcccc0002, GOOD + (
        b"Subject: thief\n\n.\r\nMAIL FROM:<x@example.net> XUID=0\r\n"
        b"BDAT 0 LAST\r\n"))
    daemon.start()
    fake.wait_messages(2)
    expected = len(bad) + 2 + 8
    daemon.wait_log("drop-set-aside file=", count=expected)
    daemon.wait_queue_empty()
    t.equal(subjects(fake), ["honest", "thief"], "what arrived")
    t.equal([x.recipients for x in fake.messages], [[TO], [TO]],
            "recipients")
    t.true("(uid 0)" not in str([x.data for x in fake.messages]), "a uid")
    t.equal(daemon.log_now().count("drop-set-aside"), expected, "set aside")
    t.equal(daemon.log_now().count("foreign-file dir=drop"), 1, "strays told")
    t.true("evil" not in daemon.log_now(), "a smuggled address got in")
    with open(secret, "rb") as file:
        t.true(b"of root" in file.read(), "the link's target was changed")
    left = [x for x in names(sendmail) if not x.endswith(".refused")]
    t.equal(sorted(left), sorted([
        ".hidden", "0123456789ABCDEF", "new\nline", "stray", "tmp.1",
        "tmp.2", "tmp.3"]), "left alone")
    # it still works, for honest people
    sendmail.by(OTHER_UID).ok(TO, text=TEXT)
    daemon.stop()
    sendmail.by(OTHER_UID).ok(TO, text=b"Subject: later\n\nx\n")
    daemon.start()
    t.wait_for(lambda: "later" in subjects(fake), 20, "the next message")
    t.equal(daemon.log_now().count("drop-set-aside"), 0, "told again")


@scenario
def nobody_else_speaks_for_others(t):
    daemon = t.daemon(t.fake()).start()
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org> XUID=5", 555)
        client.expect("MAIL FROM:<a@example.org>", 250)
    if os.geteuid() == 0:  # else the relay is of our own user
        with Client(daemon.submit) as client:
            client.cmd("EHLO x")
            client.expect("MAIL FROM:<a@example.org> XUID=5", 555)


@scenario
def a_closed_spool_is_told(t):
    t.need_root()
    daemon = t.daemon(t.fake())
    make_spool(daemon, Installed.GID)
    os.chmod(daemon.spool, 0o750)
    daemon.start()
    daemon.wait_log("spool closed spool=%s .*chmod o.x" % daemon.spool)
    t.equal(os.stat(daemon.spool).st_mode & 0o7777, 0o750, "mode of the spool")


if __name__ == "__main__":
    main()

"""What waits in drop/ is closed to other users, whatever they try, and can be no
burden to them nor to the queue."""
import os
import re
import stat
import subprocess

from lib import proc
from lib.drop import (HEAD, OTHER_UID, TEXT, TO, names, put, subjects,
                      wait_empty, whole)
from lib.harness import main, scenario
from lib.sendmail import (TEMPFAIL, USER_UID, Installed, Sendmail,
                          install_setgid, make_spool)
from lib.smtpclient import Client


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
        put(sendmail, "%016x" % i, whole())
    line = sendmail.fails(TEMPFAIL, TO, text=TEXT)
    t.true("1000 of them yours" in line, line)
    sendmail.by(OTHER_UID).ok(TO, text=TEXT)
    for name in names(sendmail):
        os.unlink(os.path.join(sendmail.drop, name))
    for i in range(2):
        path = put(sendmail, "%016x" % i, whole())
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
        if done.stderr.startswith((b"unshare:", b"mount:")):
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
        out.write(whole(text=b"Subject: of root\n\nsecret\n"))
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
        b"", b"\n", b"\0" * 5000, HEAD, whole(text=b"")[:-1], b"x" * 100000,
        whole()[:-1], whole() + b"x", whole().replace(b"size ", b"size 1"),
    ] + [whole(lines, b"") for lines in (
        b"from " + b"a" * 100000 + b"@b\n",
        b"from a@example.org\n" + b"to a@b\n" * 10001,
        b"from a@example.org>\r\nRCPT TO:<evil@example.net\nto %s\n" %
        TO.encode(),
        b"from a@example.org> XUID=0 <\nto %s\n" % TO.encode(),
        b"from a@example.org\nto evil@example.net>\rRSET\n",
        b"from a@example.org\nuid 0\nto evil@example.net\n",
        b"from a@example.org\nto %s\nret FULL XUID=0\n" % TO.encode(),
        b"from a@example.org\nto %s\nenvid a\r\nRSET\n" % TO.encode())]
    for i, data in enumerate(bad):
        put(sendmail, "%016x" % (0xbbbb0000 + i), data)
    put(sendmail, "%016x" % 0xcccc0000, whole(), mode=0)
    huge = put(sendmail, "%016x" % 0xcccc0001, whole())
    os.truncate(huge, 200 * 1024 * 1024)
    # and one that is all right, with commands in its text
    put(sendmail, "%016x" % 0xcccc0002, whole(text=
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

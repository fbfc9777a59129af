"""The sendmail command: every option, exit status and way to name recipients."""
import errno
import os
import pwd
import re
import subprocess

from lib.faults import OPEN, Faults
from lib.harness import main, scenario
from lib.mail import base64_lines, without_received
from lib.sendmail import (DATAERR, NOUSER, TEMPFAIL, USAGE, USER_UID, Script,
                          Sendmail, install_setgid)

HOST = "relay.example.org"  # the daemon's, see lib/daemon.py
SENDER = "%s@%s" % (pwd.getpwuid(os.getuid()).pw_name, HOST)
TO = "person@example.net"
TEXT = b"Subject: hello\n\ntext\n"


def ready(t, **settings):
    fake = t.fake()
    daemon = t.daemon(fake, **settings).start()
    return fake, daemon, Sendmail(t, daemon)


def head(text):
    return text.split(b"\r\n\r\n")[0]


@scenario
def a_message_arrives(t):
    fake, daemon, sendmail = ready(t)
    sendmail.ok(TO, "other@example.net", text=TEXT)
    got = fake.wait_messages(1)[0]
    t.equal(sorted(got.recipients), ["other@example.net", TO], "recipients")
    t.equal(got.body, b"text\r\n", "body")
    t.equal(got.header("Subject"), ["hello"], "Subject")
    t.true(SENDER in got.header("From")[0], got.header("From"))
    t.true("(uid %d)" % os.getuid() in got.header("Received")[0],
           got.header("Received"))
    t.equal(len(got.header("Date") + got.header("Message-ID")), 2, "added")
    line = daemon.wait_log("accepted id=.*")[0][0]
    t.true("from=%s " % SENDER in line, line)
    t.true('peer="uid %d"' % os.getuid() in line, line)
    t.true("repairs=from-repaired " in line, line)  # it got a domain
    t.clean(fake)


@scenario
def nothing_is_changed_in_a_whole_message(t):
    fake, _, sendmail = ready(t)
    text = (b"From: a@example.org\nDate: Sun, 22 Nov 2026 04:05:06 +0000\n"
            b"Message-ID: <1@example.org>\n\n..two dots\n.one\n\xc3\xbc\n")
    sendmail.ok("-i", TO, text=text)
    sendmail.ok("-i", TO, text=text.replace(b"\n", b"\r\n"))
    for got in fake.wait_messages(2):
        t.equal(without_received(got.data), text.replace(b"\n", b"\r\n"),
                "message")


@scenario
def recipients_from_the_header(t):
    fake, _, sendmail = ready(t)
    sendmail.ok("-t", "also@example.net", text=(
        b"To: Mary <mary@x.test.example.net>, \"a, b\" <ab@example.net>,\n"
        b"\tA Group:Ed (the one) <ed@example.net>,joe@example.net;,\n"
        b" =?utf-8?q?J=2C?= <\"j j\"@example.net>,"
        b" <@gone.example.net:route@example.net>\n"
        b"Cc: Pete(A nice \\) chap) <pete(his account)@example.net>,\n"
        b" spread . out @ example . net, undisclosed:;\n"
        b"Bcc: secret@example.net\nSubject: x\n\ntext\n"))
    got = fake.wait_messages(1)[0]
    t.equal(sorted(got.recipients), sorted([
        "mary@x.test.example.net", "ab@example.net", "ed@example.net",
        "joe@example.net", "\"j j\"@example.net", "route@example.net",
        "pete@example.net", "spread.out@example.net", "secret@example.net",
        "also@example.net"]), "recipients")
    t.true(b"secret" not in got.data, "Bcc is visible")
    t.clean(fake)


@scenario
def local_names(t):
    """Whom they mean is the daemon's to say."""
    fake, daemon, sendmail = ready(t, default_domain="example.com",
                                   postmaster="owner@example.com")
    sendmail.ok("-t", "-fjan", "ann", text=b"To: root, Bob <bob>\n\ntext\n")
    got = fake.wait_messages(1)[0]
    t.equal(sorted(got.recipients), ["%s@example.com" % x for x in (
        "ann", "bob", "root")], "recipients")
    t.equal(got.header("From"), ["jan@example.com"], "From")
    daemon.write_config(default_domain="")
    daemon.reload()
    line = sendmail.fails(NOUSER, "root", "bob", text=TEXT)
    t.true("not sent to bob: gmrelayd says 550 5.1.1" in line, line)
    t.equal(fake.wait_messages(2)[1].recipients, ["owner@example.com"],
            "recipients")


@scenario
def resent_goes_to_whom_it_is_resent(t):
    fake, _, sendmail = ready(t)
    sendmail.ok("-t", text=(
        b"Resent-From: a@example.org\nResent-To: b@example.net\n"
        b"Resent-Bcc: c@example.net\nFrom: d@example.org\n"
        b"To: e@example.net\n\ntext\n"))
    got = fake.wait_messages(1)[0]
    t.equal(sorted(got.recipients), ["b@example.net", "c@example.net"],
            "recipients")
    t.true(b"Resent-Bcc" not in got.data, "Resent-Bcc is visible")


@scenario
def a_lone_dot_ends_it_unless_told(t):
    fake, _, sendmail = ready(t)
    text = b"Subject: x\n\none\n.\ntwo\n"
    for options, body in (
            ([], b"one\r\n"), (["-i"], b"one\r\n.\r\ntwo\r\n"),
            (["-oi"], b"one\r\n.\r\ntwo\r\n"),
            (["-O", "IgnoreDots=true"], b"one\r\n.\r\ntwo\r\n")):
        sendmail.ok(*options, TO, text=text)
        t.equal(fake.wait_messages(1)[-1].body, body, "with %s" % options)
        fake.messages.clear()


@scenario
def the_sender(t):
    fake, daemon, sendmail = ready(t)
    expected = []
    for options, sender in (
            (["-fa@example.org"], "a@example.org"),
            (["-f", "b@example.org"], "b@example.org"),
            (["-rc@example.org"], "c@example.org"),
            (["-r", "D <d@example.org>"], "d@example.org"),
            (["-f", "<e@example.org>"], "e@example.org"),
            (["-f", "local"], "local@" + HOST),
            (["-f", "<>"], '""'), (["-f", ""], '""'), ([], SENDER)):
        sendmail.ok(*options, TO, text=TEXT)
        expected.append(sender)
    found = [x[1] for x in daemon.wait_log(
        "accepted id=.* from=(\\S+)", count=len(expected))]
    t.equal(found, expected, "senders")
    for got, sender in zip(fake.wait_messages(len(expected)), expected):
        if "@example" in sender:
            t.equal(got.header("From"), [sender], "From")


@scenario
def the_full_name(t):
    fake, _, sendmail = ready(t)
    sendmail.ok("-F", 'The "Boss"', "-fa@example.org", TO, text=TEXT)
    sendmail.ok("-FNobody", TO, text=b"From: x@example.org\n" + TEXT)
    first, second = fake.wait_messages(2)
    t.equal(first.header("From"), ['"The \\"Boss\\"" <a@example.org>'], "From")
    t.equal(second.header("From"), ["x@example.org"], "From that was there")


@scenario
def options_that_mean_nothing_here(t):
    fake, _, sendmail = ready(t)
    sets = (["-Am", "-B8BITMIME", "-c", "-d0-99.1", "-em", "-G", "-h3"],
            ["-A", "c", "-B", "7BIT", "-C", "/nowhere", "-D", "/nowhere"],
            ["-Lx", "-Mvx", "-m", "-n", "-s", "-T", "-U", "-x"],
            ["-oem", "-odi", "-oA/x", "-om", "-pUUCP:x", "-X", "/nowhere"],
            # of a message that is delivered, nothing of this is heard
            ["-N", "failure,delay", "-Rhdrs", "-VQQ1"], ["-NNEVER"])
    for options in sets:
        sendmail.ok(*options, TO, text=TEXT)
    fake.wait_messages(len(sets))
    # behind the recipients, too, but not behind --
    sendmail.ok(TO, "-fz@example.org", text=TEXT)
    t.equal(fake.wait_messages(len(sets) + 1)[-1].header("From"),
            ["z@example.org"], "From")
    done = sendmail.run(TO, "--", "-fz@example.org", text=TEXT)
    t.equal(done.returncode, 0, done.stderr)
    t.equal(sorted(fake.wait_messages(len(sets) + 2)[-1].recipients),
            ["-fz@example.org", TO], "recipients")


@scenario
def what_is_wrong_is_said(t):
    fake, _, sendmail = ready(t)
    for options in ([], ["-i"], ["--"]):
        line = sendmail.fails(USAGE, *options, text=TEXT)
        t.true("no recipients" in line, line)
    line = sendmail.fails(USAGE, "-t", text=TEXT)
    t.true("no recipients" in line, line)
    for options, what in (
            (["-z"], "unknown option -z"), (["-f"], "-f wants an argument"),
            (["-bd"], "gmrelayd(8)"), (["-bz", TO], "-bz"),
            (["-N", "maybe", TO], "-N"), (["-R", "x", TO], "-R"),
            (["-V", "a b", TO], "-V"), (["-f", "a b c", TO], "-f")):
        line = sendmail.fails(USAGE, *options, text=TEXT)
        t.true(what in line, line)
    t.equal(fake.messages, [], "messages")


@scenario
def a_bad_recipient_does_not_keep_the_others_from_it(t):
    fake, _, sendmail = ready(t)
    line = sendmail.fails(NOUSER, "a@@b", TO, text=TEXT)
    t.true("not sent to a@@b" in line, line)
    line = sendmail.fails(NOUSER, "-t", text=b"To: John Doe, %s\n\nx\n" %
                          TO.encode())
    t.true("not sent to John Doe" in line, line)
    for got in fake.wait_messages(2):
        t.equal(got.recipients, [TO], "recipients")
    line = sendmail.fails(NOUSER, "@", text=TEXT)
    t.equal(len(fake.messages), 2, "messages")


@scenario
def a_line_end_brings_no_address_in(t):
    """What stands behind it is somebody else's."""
    fake, _, sendmail = ready(t)
    for end in ("\n", "\r", "\r\n", "\n\n", "\v", "\f", "\x7f"):
        for text in ("a@example.org%sb@example.org",
                     "a@example.org>%sRCPT TO:<b@example.org", "%sb@x.org",
                     "A <a@example.org>,%s b@example.org"):
            text %= end
            line = sendmail.fails(USAGE, "-f", text, TO, text=TEXT)
            t.true("-f is followed by one address" in line, line)
            line = sendmail.fails(NOUSER, text, text=TEXT)
            t.true("not sent to " in line and "line end" in line, line)
            t.true("RCPT" not in line and "b@" not in line, line)
    t.equal(fake.transactions, [], "transactions")
    # the others have it
    sendmail.fails(NOUSER, TO, "a@example.org\nb@example.org", text=TEXT)
    # what a script forgot to take off leads to nobody else
    sendmail.ok("-f", "c@example.org\n", TO + "\r\n", text=TEXT)
    got = fake.wait_messages(2)
    t.equal([x.recipients for x in got], [[TO], [TO]], "recipients")
    t.equal(got[1].sender, "c@example.org", "sender")


@scenario
def a_bad_message_is_refused(t):
    _, daemon, sendmail = ready(t, message_size="20K")
    line = sendmail.fails(DATAERR, TO, text=TEXT + b"x\n" * 20000)
    t.true("552 5.3.4" in line and "20480" in line, line)
    line = sendmail.fails(DATAERR, TO, text=TEXT + b"\0\n")
    t.true("554 5.6.0" in line and "NUL" in line, line)
    line = sendmail.fails(DATAERR, "-t", text=b"To: a@example.net\nX: " +
                          b"x " * 300000 + b"\n\n")
    t.true("header" in line and "too large" in line, line)
    t.true(not os.path.exists(sendmail.drop) or
           os.listdir(sendmail.drop) == [], "refused mail was dropped")
    t.true("accepted" not in daemon.log_now(), "something was accepted")


@scenario
def a_large_message(t):
    fake, _, sendmail = ready(t)
    text = (b"From: a@example.org\nDate: Sun, 22 Nov 2026 04:05:06 +0000\n"
            b"Message-ID: <1@example.org>\nTo: %s\n\n" % TO.encode() +
            base64_lines(1, 9000000).replace(b"\r\n", b"\n"))
    sendmail.ok("-ti", text=text)
    sendmail.ok("-t", text=text)
    for got in fake.wait_messages(2, deadline=60):
        t.true(without_received(got.data) == text.replace(b"\n", b"\r\n"),
               "the message differs")


@scenario
def a_large_message_where_each_file_has_a_name(t):
    """Some file systems make none without."""
    fake, daemon, sendmail = ready(t)
    faults = Faults(daemon)
    # the first one is /dev/null
    none = faults.fail("gmrelayd", OPEN, errno.EOPNOTSUPP, first=2, times=2)
    before = set(os.listdir("/var/tmp") + os.listdir("/tmp"))
    text = TEXT + base64_lines(1, 3000000).replace(b"\r\n", b"\n")
    sendmail.ok("-i", TO, text=text, env={
        x: daemon.environment[x] for x in ("LD_PRELOAD", "GMRELAY_FAULTS",
                                           "ASAN_OPTIONS")})
    t.equal(none.entered, 2, "/var/tmp and /tmp")
    t.true(fake.wait_messages(1, 60)[0].body ==
           text.split(b"\n\n", 1)[1].replace(b"\n", b"\r\n"), "the body")
    left = set(os.listdir("/var/tmp") + os.listdir("/tmp")) - before
    t.equal([x for x in left if x.startswith("gmrelay-sendmail")], [], "left")


@scenario
def more_recipients_than_one_transaction_takes(t):
    fake, daemon, sendmail = ready(t, max_recipients=3)
    people = ["p%d@example.net" % i for i in range(8)]
    sendmail.ok(*people, text=TEXT)
    got = fake.wait_messages(3)
    t.equal(sorted(x for m in got for x in m.recipients), people, "recipients")
    t.equal(len(daemon.wait_log("accepted id=")), 3, "transactions")


@scenario
def verbose_says_the_id(t):
    _, daemon, sendmail = ready(t)
    done = sendmail.run("-v", TO, text=TEXT)
    t.equal(done.returncode, 0, done.stderr)
    found = re.search(r"queued as (\w{16})", done.stdout)
    t.true(found and "id=" + found[1] in daemon.log_now(), done.stdout)


@scenario
def smtp_on_standard_input(t):
    fake, daemon, sendmail = ready(t)
    process = subprocess.Popen(
        sendmail.argv("-bs"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=sendmail.environment())

    def says(code):
        line = process.stdout.readline().decode()
        while line[3:4] == "-":
            line = process.stdout.readline().decode()
        t.equal(line[:3], code, "reply %r" % line)

    says("220")
    for line, code in (
            ("EHLO here", "250"), ("MAIL FROM:<a@example.org>", "250"),
            ("RCPT TO:<%s>" % TO, "250"), ("NOOP", "250"), ("DATA", "354"),
            ("Subject: x\r\n\r\n..dot\r\n.", "250"), ("VRFY x", "252"),
            ("BOGUS", "500"), ("QUIT", "221")):
        process.stdin.write(line.encode() + b"\r\n")
        process.stdin.flush()
        says(code)
    t.equal(process.stdout.read(), b"", "behind QUIT")
    t.equal(process.wait(20), 0, "status")
    process.stdin.close()
    process.stdout.close()
    t.equal(fake.wait_messages(1)[0].body, b".dot\r\n", "body")
    t.true("(uid %d)" % os.getuid() in
           fake.messages[0].header("Received")[0], "Received")


@scenario
def smtp_all_at_once(t):
    """Programs write all of it and close; nothing is cut off, however much the
    answers pile up."""
    fake, _, sendmail = ready(t)
    body = base64_lines(2, 3000000)
    done = sendmail.run("-bs", text=(
        b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n"
        b"Subject: x\r\n\r\n%s.\r\n" % (TO.encode(), body) +
        b"NOOP\r\n" * 20000 + b"QUIT\r\n"))
    t.equal((done.returncode, done.stderr), (0, ""), "status, stderr")
    t.equal(done.stdout.splitlines()[-1][:4], "221 ", "the last word")
    t.equal(done.stdout.count("\r\n250 2.0.0 ok"), 20000, "answers")
    t.true(fake.wait_messages(1)[0].body == body, "the body differs")


@scenario
def smtp_while_it_is_down(t):
    daemon = t.daemon(t.fake())
    done = Sendmail(t, daemon).run("-bs", text=b"QUIT\r\n")
    t.equal(done.returncode, TEMPFAIL, "status")
    t.equal(done.stdout[:10], "421 4.3.2 ", "what it says")


@scenario
def neither_daemon_nor_drop(t):
    sendmail = Sendmail(t, t.daemon(t.fake()))
    line = sendmail.fails(TEMPFAIL, TO, text=TEXT)
    for what in ("not taken", "submit.sock", "drop"):
        t.true(what in line, line)


@scenario
def mailq(t):
    fake, daemon, sendmail = ready(t)
    sendmail.ok("-fa@example.org", TO, text=TEXT)
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    empty = sendmail.run(name="mailq").stdout
    fake.behaviour.password = "another"
    daemon.write_password("wrong")
    daemon.reload()
    sendmail.ok("-fa@example.org", TO, text=TEXT)
    t.wait_for(lambda: daemon.queue(), 20, "a message that waits")
    for how in (dict(name="mailq"), dict(name="sendmail"),):
        done = sendmail.run(*([] if how["name"] == "mailq" else ["-bp"]),
                            **how)
        t.equal(done.returncode, 0, done.stderr)
        t.true(TO in done.stdout and TO not in empty, done.stdout)


@scenario
def newaliases_and_flush(t):
    _, daemon, sendmail = ready(t)
    for args, name in (([], "newaliases"), (["-bi"], "sendmail"),
                       (["-I"], "sendmail")):
        before = daemon.log_now().count("ready listen=")
        done = sendmail.run(*args, name=name)
        t.equal(done.returncode, 0, done.stderr)
        t.true("aliases" in done.stdout, done.stdout)
        t.wait_for(lambda: daemon.log_now().count("ready listen=") > before,
                   20, "a reload")
    for args in (["-q"], ["-q30m"], ["-q", "30m"]):
        t.equal(sendmail.run(*args).returncode, 0, "status of %s" % args)


@scenario
def an_ordinary_user(t):
    t.need_root()
    fake, _, sendmail = ready(t)
    who = dict(user=USER_UID, group=USER_UID, extra_groups=[])
    sendmail.ok(TO, text=TEXT, **who)
    got = fake.wait_messages(1)[0]
    t.true("(uid %d)" % USER_UID in got.header("Received")[0], "Received")
    t.equal(got.header("From"), ["uid%d@%s" % (USER_UID, HOST)], "From")
    done = sendmail.run(name="mailq", **who)
    t.true(done.returncode != 0 and "run this as root" in done.stderr,
           done.stderr)
    done = sendmail.run(name="newaliases", **who)
    t.true(done.returncode != 0 and "run this as root" in done.stderr,
           done.stderr)
    sendmail.ok("-q", **who)


@scenario
def standard_descriptors_that_are_closed(t):
    fake, _, sendmail = ready(t)
    for closed in ("1>&-", "2>&-", "1>&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", '"$0" "$@" ' + closed] + sendmail.bare_argv(TO),
            input=TEXT, env=sendmail.environment(), timeout=60,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        t.equal(done.returncode, 0, closed)
    done = subprocess.run(
        ["sh", "-c", '"$0" "$@" <&-'] + sendmail.bare_argv(TO), timeout=60,
        env=sendmail.environment(), capture_output=True)
    t.equal(done.returncode, 0, "no input at all is an empty message")
    bodies = [x.body for x in fake.wait_messages(4)]
    t.equal(bodies, [b"text\r\n"] * 3 + [b""], "bodies")


@scenario
def dsn_is_asked_for_where_it_is_offered(t):
    sendmail = Sendmail(t, t.daemon(t.fake()))
    script = Script(t, [("EHLO", "250-x\n250-SIZE\n250 DSN")])
    how = dict(env={"GMRELAY_SUBMIT": script.path})
    sendmail.ok("-N", "delay,failure", "-Rfull", "-VQQ1", "-fa@b", TO,
                text=TEXT, **how)
    mail = [x for x in script.lines if x.startswith("MAIL")]
    t.true(mail[0].startswith("MAIL FROM:<a@b> SIZE=") and
           mail[0].endswith(" RET=FULL ENVID=QQ1"), mail)
    t.true("RCPT TO:<%s> NOTIFY=DELAY,FAILURE" % TO in script.lines,
           script.lines)
    script.replies[0] = ("EHLO", "250 x")
    script.lines.clear()
    sendmail.ok("-N", "delay", "-Rfull", "-VQQ1", TO, text=TEXT, **how)
    t.true(not re.search("NOTIFY|RET|ENVID", " ".join(script.lines)),
           script.lines)


@scenario
def refusals_of_each_kind(t):
    """What the daemon could say, at each step."""
    sendmail = Sendmail(t, t.daemon(t.fake()))
    script = Script(t, [])
    how = dict(env={"GMRELAY_SUBMIT": script.path})
    for replies, status, what in (
            ([("MAIL", "550 5.1.7 bad sender")], NOUSER, "bad sender"),
            ([("MAIL", "552 5.3.4 too big")], DATAERR, "too big"),
            ([("RCPT", "550 5.1.1 nobody")], NOUSER, "nobody"),
            ([("BDAT", "554 5.6.0 no")], DATAERR, "5.6.0"),
            ([("greeting", "421 4.3.2 stopping")], TEMPFAIL, "stopping"),
            ([("greeting", "554 go away")], TEMPFAIL, "go away"),
            ([("EHLO", "421 4.3.2 stopping")], TEMPFAIL, "stopping"),
            ([("MAIL", "451 4.3.0 later")], TEMPFAIL, "later"),
            ([("RCPT", "450 4.3.0 later")], TEMPFAIL, "later"),
            ([("BDAT", "452 4.3.1 no room")], TEMPFAIL, "no room"),
            ([("BDAT", "421 4.3.2 stopping")], TEMPFAIL, "stopping"),
            ([("greeting", "nonsense")], TEMPFAIL, "does not speak SMTP")):
        script.replies = replies
        line = sendmail.fails(status, TO, text=TEXT, **how)
        t.true(what in line, line)


@scenario
def with_raised_rights_the_environment_is_nothing(t):
    """As it is installed: nobody else's socket or program is believed."""
    copy = install_setgid(t, USER_UID + 1)
    _, daemon, sendmail = ready(t)
    environment = sendmail.environment()

    def run(*args):
        return subprocess.run(
            [copy, *args], input=TEXT, env=environment, timeout=60,
            capture_output=True, user=USER_UID, group=USER_UID,
            extra_groups=[])

    done = run(TO)
    if done.returncode == 0:
        t.skip("a gmrelayd is installed and running here")
    t.equal(done.returncode, TEMPFAIL, "status")
    t.true(b"/run/gmrelayd/submit.sock" in done.stderr and
           daemon.submit.encode() not in done.stderr, done.stderr)
    t.true(b"accepted" not in daemon.log_now().encode(), "it was accepted")
    environment["GMRELAY_CTL"] = "/bin/echo"
    t.true(b"queue" not in run("-bp").stdout, "another program was run")


if __name__ == "__main__":
    main()

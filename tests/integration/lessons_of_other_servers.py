"""What went wrong in other mail servers does not in this one. Each scenario is
one lesson; SECURITY.md has a table of all, with those that are tested
elsewhere."""
import base64
import re
import socket

from lib import proc
from lib.harness import SANITIZED, main, scenario
from lib.mail import without_received
from lib.sendmail import Sendmail
from lib.smtpclient import Refused, message
from lib.wire import Wire

TO = "person@example.net"
# by which words are slipped in where a line is expected
LINE_ENDS = ("\r\n", "\n", "\r", "\0", "\v", "\f", "\x85", "\u2028", "%0d%0a",
             "\\r\\n")


def ready(t, **settings):
    fake = t.fake()
    fake.behaviour.keep_wire = True
    account = {"messages_per_connection": 1000}
    account.update(settings.pop("account", {}))
    return fake, t.daemon(fake, account=account, **settings).start()


def wires(t, fake):
    """All messages that left, by a parser without mercy."""
    found = []
    for session in fake.sessions:
        wire = Wire(session.wire)
        t.equal(wire.wrong, [], "on the wire")
        found += wire.messages
    return found


def field_names(data):
    """Names of the header fields of a message, in order."""
    head = data.split(b"\r\n\r\n")[0].decode("utf-8", "replace")
    return [x.split(":")[0] for x in re.sub(r"\r\n[ \t]", " ", head).split(
        "\r\n")]


def try_all(client, commands):
    """Says commands whose answers do not matter."""
    codes = []
    for command in commands:
        client.send(command if isinstance(command, bytes) else
                    command.encode())
        client.send(b"\r\n")
        codes.append(client.reply().code)
    return codes


# --- injection ---------------------------------------------------------------


@scenario
def no_command_comes_in_by_an_address(t):
    fake, daemon = ready(t)
    evil = "RCPT TO:<evil@example.org>"
    shapes = ('a%s%s@example.org', '"a%s%s"@example.org', "a@example.org>%s%s<",
              '"a%s%s\\\\"@example.org', "a@[1.2.3.4%s%s]")
    for end in LINE_ENDS[3:]:  # the first three are other commands, by right
        for shape in shapes:
            address = shape % (end, evil)
            with daemon.client() as client:
                client.ehlo()
                try_all(client, [
                    "MAIL FROM:<%s>" % address, "RSET",
                    "MAIL FROM:<a@example.org>", "RCPT TO:<%s>" % address,
                    "RCPT TO:<%s>" % TO])
                client.expect("DATA", 354)
                client.send(message(subject="one") + b".\r\n")
                client.reply()
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    for _, recipients, _, _ in wires(t, fake):
        t.true(b"evil@example.org" not in recipients, "%r" % recipients)
    t.clean(fake)


@scenario
def no_command_or_field_comes_in_by_a_reply(t):
    """What the provider says goes into reports, the queue and the log."""
    fake, daemon = ready(t)
    nasty = "550 5.1.1 no\rSubject: evil\x00\x1b[2J <a@b>\x85\u2028" \
            "Bcc: evil@example.org \"quoted\" \\ ; (comment"
    fake.rule("RCPT", [nasty, nasty, nasty], match="gone@", times=1)
    daemon.send(message(), ["gone@example.net"], sender="me@example.org")
    report = fake.wait_messages(1, deadline=30)[0]
    t.equal(report.recipients, ["me@example.org"], "whom it is reported to")
    names = field_names(report.data)
    t.equal(names.count("Subject"), 1, "Subject fields")
    t.true("Bcc" not in names, "fields: %s" % names)
    t.true(not re.search(rb"[\0\x1b]", report.data), "control characters")
    t.equal([x[1] for x in wires(t, fake) if x[3]][-1:],
            [[b"me@example.org"]], "on the wire")
    shown = daemon.ctl_run("queue", "list", "--failed", json_output=False)
    t.true(not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", shown.stdout),
           "shown: %r" % shown.stdout)
    t.clean(fake)


@scenario
def no_field_comes_in_by_helo_or_envelope(t):
    fake, daemon = ready(t)
    sent = 0
    for end in LINE_ENDS[1:]:
        for command in ("EHLO x%sBcc: evil@example.org", "HELO (%sBcc: e@x.org",
                        "EHLO x); id%s\tevil\\"):
            with daemon.client() as client:
                if client.cmd((command % end).encode()).code != 250:
                    continue  # that was two commands, or a bad one
                if client.buffer:
                    continue
                sent += client.mail("me@example.org", [TO],
                                    message()).code == 250
    t.true(sent > 0, "some were taken")
    for got in fake.wait_messages(sent):
        names = field_names(got.data)
        t.equal(names, ["Received", "Date", "From", "To", "Subject",
                        "Message-ID"], "fields")
        t.true(re.fullmatch(r"from [A-Za-z0-9._:?\[\]-]+ \(\[127\.0\.0\.1\]\) "
                            r"by relay\.example\.org .*",
                            got.header("Received")[0]),
               "Received: %s" % got.header("Received"))
    wires(t, fake)
    t.clean(fake)


@scenario
def no_field_comes_in_by_a_name_or_a_variable(t):
    """The name of the user, -F, $LOGNAME and the like."""
    fake, daemon = ready(t)
    sendmail = Sendmail(t, daemon)
    bad = "X\r\nBcc: evil@example.org\r\n\r\nevil"
    names = ("X\nBcc: evil@example.org", bad, "\"X\" <evil@example.org>",
             "X\\", "=?utf-8?q?X=0D=0ABcc:_evil@example.org?=", "X" * 5000)
    for name in names:
        sendmail.ok("-F", name, "-f", "me@example.org", TO, text=b"\nx\n",
                    env={"LOGNAME": bad, "USER": bad, "NAME": bad,
                         "HOSTNAME": bad, "REPLYTO": bad, "MAILHOST": bad})
    for got in fake.wait_messages(len(names)):
        t.equal(sorted(set(field_names(got.data))), [
            "Date", "From", "Message-ID", "Received"], "fields")
        t.equal(len(got.header("From")), 1, "From")
        t.true(got.header("From")[0].endswith("<me@example.org>"),
               got.header("From"))
        t.equal(got.body, b"x\r\n", "body")
    wires(t, fake)
    t.clean(fake)


@scenario
def no_field_comes_in_by_the_configuration(t):
    """default-sender, hostname and aliases are written by hand or by programs;
    what would break a line is refused, or no address."""
    fake = t.fake()
    aliases = t.path("aliases")
    with open(aliases, "w", encoding="utf-8") as file:
        file.write('root: "a\rRCPT TO:<evil@example.org>"@example.net\n'
                   "bob: bob@example.net\x0bevil@example.org\n"
                   "ann: ann@example.net\n")
    daemon = t.daemon(fake)
    for end in ("\n", "\r", "\x0b", "\x7f"):
        for settings in (
                {"hostname": "relay%sBcc: x.example.org" % end},
                {"postmaster": "me%s@example.org" % end},
                {"default_domain": "example%s.org" % end}):
            daemon.write_config(**settings)
            status, said = daemon.check_config()
            t.equal(status, 1, "-t of %r, which said %s" % (settings, said))
            daemon.settings.update(
                {x.replace("_", "-"): None for x in settings})
        other = t.daemon(fake, clients=[{
            "networks": ["127.0.0.0/8"],
            "default-sender": "me%sevil@example.org" % end}])
        t.equal(other.check_config()[0], 1, "default-sender with %r" % end)
    daemon.settings["hostname"] = "relay.example.org"
    daemon.write_config(aliases=aliases)
    if daemon.check_config()[0] == 0:
        daemon.start()
        with daemon.client() as client:
            client.ehlo()
            client.expect("MAIL FROM:<me@example.org>", 250)
            try_all(client, ["RCPT TO:<root>", "RCPT TO:<bob>"])
            client.expect("RCPT TO:<ann>", 250)
            client.expect("DATA", 354)
            client.send(message() + b".\r\n")
            t.equal(client.reply().code, 250, "the message")
        t.true(b"evil@example.org" not in str(
            fake.wait_messages(1)[0].recipients).encode(), "recipients")
        t.clean(fake)


# --- numbers -----------------------------------------------------------------

NUMBERS = [2 ** n + d for n in (15, 16, 31, 32, 63, 64) for d in (-1, 0, 1)]
NUMBERS += [10 ** 29, int("9" * 30), int("1" * 400)]


@scenario
def sizes_beyond_all_integers(t):
    fake, daemon = ready(t)
    with daemon.client() as client:
        limit = int(client.ehlo()["SIZE"])
        for number in NUMBERS:
            code = client.cmd("MAIL FROM:<a@example.org> SIZE=%d" %
                              number).code
            t.equal(code, 552 if number > limit else 250,
                    "SIZE=%d" % number)
            client.expect("RSET", 250)
        client.expect("MAIL FROM:<a@example.org> SIZE=00000000000000000000000"
                      "000000000005", 250)
    for number in NUMBERS:
        if number <= limit:
            continue
        for begin in (b"", b"BDAT 10\r\n0123456789"):
            with daemon.client() as client:
                client.ehlo()
                client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\n"
                            % TO.encode() + begin + b"BDAT %d LAST\r\n" %
                            number + b"Subject: evil\r\n\r\nx\r\n" * 10)
                client.sock.shutdown(socket.SHUT_WR)
                codes = []
                try:
                    while True:
                        codes.append(client.reply().code)
                except (Refused, OSError):
                    pass
                t.true(all(x in (250, 501, 552) for x in codes) and
                       len(codes) <= 4, "BDAT %d: %s" % (number, codes))
    daemon.send(message(subject="good"))
    t.equal([x.header("Subject") for x in fake.wait_messages(1)], [["good"]],
            "what arrives")
    t.clean(fake)


@scenario
def a_provider_that_takes_more_than_all_integers(t):
    for number in [0] + NUMBERS[-9:]:
        fake = t.fake()
        fake.behaviour.size = number
        daemon = t.daemon(fake).start()
        daemon.send(message())
        if number:
            fake.wait_messages(1)
        else:  # no limit, says RFC 1870; the fake takes nothing
            fake.wait(lambda: fake.sessions and fake.sessions[0].commands, 20)
        with daemon.client() as client:
            offered = int(client.ehlo()["SIZE"])
        t.true(1000000 < offered < 2 ** 63, "SIZE=%d leads to %d" % (
            number, offered))
        daemon.stop()


# --- life and death ----------------------------------------------------------


@scenario
def nothing_is_used_after_rset(t):
    """RSET, EHLO, QUIT and the end of the connection wherever something is under
    way: in chunks, behind a message that waits for the disk, in a login."""
    fake, daemon = ready(t, clients=[
        {"networks": ["127.0.0.0/8"], "auth": "any"}])
    paths = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\n" % TO.encode()
    data = message(subject="taken")
    large = message(subject="large", body=b"x" * 70 + b"\r\n" * 40000)
    begun = (paths, paths + b"BDAT 5\r\nSubje", paths + b"BDAT 0\r\n",
             paths + b"BDAT %d\r\n" % len(large) + large,
             paths + b"BDAT %d LAST\r\n" % len(data) + data,
             paths + b"BDAT %d LAST\r\n" % len(large) + large,
             paths + b"BDAT 99999999\r\n" + b"x" * 100000)
    then = (b"RSET\r\n", b"EHLO again\r\n", b"QUIT\r\n", b"BDAT 3\r\nabc",
            b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\nRSET\r\n*\r\n",
            paths, b"DATA\r\n", b"")
    tried = 0
    for first in begun:
        for second in then:
            for third in then:
                tried += 1
                with daemon.client() as client:
                    client.ehlo()
                    client.send(first + second + third)
                    if tried % 3 == 0:
                        continue  # leaves without a look
                    client.sock.shutdown(socket.SHUT_WR)
                    client.is_closed()
    daemon.send(message(subject="last"))
    t.wait_for(lambda: ["last"] in [x.header("Subject")
                                    for x in list(fake.messages)], 60,
               "the last one")
    daemon.wait_queue_empty(60)
    subjects = {x.header("Subject")[0] for x in fake.messages}
    t.true(subjects <= {"taken", "large", "last"}, "subjects: %s" % subjects)
    t.equal(daemon.crashes(), [], "crashes")
    wires(t, fake)
    print("# %d ways to break off" % tried)


@scenario
def silence_within_chunks_and_logins_ends(t):
    fake, daemon = ready(t, client_timeout="1s", clients=[
        {"networks": ["127.0.0.0/8"], "auth": "any"}])
    begun = (b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"
             b"BDAT 100\r\nSubject: half", b"AUTH LOGIN\r\n",
             b"AUTH LOGIN\r\nbWU=\r\n", b"AUTH PLAIN\r\nAG1l", b"AUTH PLA")
    clients = []
    for words in begun:
        client = daemon.client()
        client.ehlo()
        client.send(words)
        clients.append(client)
    for client in clients:
        t.true(client.is_closed(30), "it closes")
        t.true(b"421 4.4.2" in client.buffer, "said %r" % client.buffer)
        client.close()
    daemon.wait_queue_empty()
    t.equal(fake.messages, [], "messages")


@scenario
def replies_take_no_memory_without_bound(t):
    """An answer without an end, lines without an end, a thousand capabilities:
    left as soon as that is clear, long before reply-timeout."""
    fake, daemon = ready(t, account={"messages_per_connection": 1})
    daemon.send(message(subject="first"))
    fake.wait_messages(1)
    relay = daemon.wait_roles()["relay"]
    before = proc.pss_anon_kb(relay) or 0
    for phase, raw in (("EHLO", b"250-AUTH PLAIN\r\n" * 1000),
                       ("EHLO", b"250-" + b"X" * 100000),
                       ("MAIL", b"250-2.1.0 and more\r\n" * 1000),
                       ("RCPT", b"550-5.1.1 " + b"y" * 100000),
                       ("FINAL", b"450-4.2.1 z\r\n" * 1000)):
        rule = fake.rule(phase, raw=raw, endless=True)
        count = len(fake.sessions)
        daemon.send(message(subject="later"))
        fake.wait(lambda: rule.used > 0 and fake.sessions[-1].ended, 60,
                  "%s: the end of an answer without one" % phase)
        t.true(len(fake.sessions) >= count, "sessions")
        fake.clear_rules()
        daemon.ask("queue.flush")
    grown = (proc.pss_anon_kb(relay) or 0) - before
    print("# endless answers: the relay grew by %d KiB" % grown)
    if not SANITIZED:
        t.true(grown < 8 * 1024, "the relay grew by %d KiB" % grown)
    daemon.wait_queue_empty(60)


@scenario
def dots_at_the_borders_of_buffers(t):
    """One dot more or less where a buffer ends, on the way in and out."""
    borders = [n * 1024 + d for n in (4, 8, 16, 32, 64, 68, 128)
               for d in range(-3, 4)]
    bodies = []
    for border in borders:
        head = message(subject="border %d" % border, body=b"")
        fill = border - len(head)
        lines = (b"x" * 62 + b"\r\n") * (fill // 64) + b"y" * (fill % 64)
        bodies.append(head + lines + b"\r\n.\r\n..\r\n...a\r\n.b\r\n" +
                      b".c\r\n" * 500)
    for strip in ({"CHUNKING"}, set()):
        fake, daemon = ready(t)
        fake.behaviour.strip = strip
        with daemon.client() as client:
            client.ehlo()
            for i, data in enumerate(bodies):
                if i % 2 == 0:
                    code = client.mail("a@example.org", [TO], data).code
                else:
                    client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\n"
                                b"BDAT %d LAST\r\n" % (TO.encode(), len(data)) +
                                data)
                    code = [client.reply().code for _ in range(3)][-1]
                t.equal(code, 250, "border %d" % borders[i])
        got = {x.header("Subject")[0]: x for x in fake.wait_messages(
            len(bodies), deadline=60)}
        for border, data in zip(borders, bodies):
            t.equal(without_received(got["border %d" % border].data), data,
                    "border %d" % border)
        wires(t, fake)
        t.clean(fake)
        daemon.stop()


# --- logins ------------------------------------------------------------------


@scenario
def base64_of_every_length(t):
    """Around each limit of a line and of a name, whole and torn."""
    fake, daemon = ready(t, clients=[
        {"networks": ["127.0.0.0/8"], "auth": "any"}])
    lengths = (0, 1, 2, 3, 4, 5, 190, 191, 192, 193, 254, 255, 256, 257, 510,
               511, 512, 1022, 1023, 1024, 3068, 3069, 3070, 3071, 3072, 9000,
               70000)
    answers = []
    for length in lengths:
        text = base64.b64encode(b"\0" + b"u" * length + b"\0" + b"p" * length)
        answers += [text, text[:-1], text[:-2] + b"==", text + b"=",
                    text[:-1] + b"\xff", b"=" * length, b"A" * length]
    for answer in answers:
        for start in (b"AUTH PLAIN " + answer, b"AUTH PLAIN\r\n" + answer,
                      b"AUTH LOGIN " + answer + b"\r\n" + answer,
                      b"AUTH LOGIN\r\n" + answer + b"\r\n" + answer):
            with daemon.client() as client:
                client.ehlo()
                # one may be an answer in the dialogue, which the other ends
                client.send(start + b"\r\n*\r\nQUIT\r\nQUIT\r\n")
                client.is_closed()
                codes = re.findall(rb"(?m)^(\d{3}) ", client.buffer)
                t.true(set(codes) <= {b"235", b"334", b"500", b"501", b"503",
                                      b"502", b"504", b"535", b"221", b"555"},
                       "%r... was answered %r" % (start[:40], client.buffer))
    t.equal(daemon.crashes(), [], "crashes")
    daemon.send(message())
    fake.wait_messages(1)
    print("# %d logins" % (4 * len(answers)))


@scenario
def no_second_mail_and_no_login_in_a_transaction(t):
    fake, daemon = ready(t, clients=[
        {"networks": ["127.0.0.0/8"], "auth": "any"}])
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org>", 250)
        client.expect("MAIL FROM:<evil@example.org>", 503)
        client.expect("AUTH PLAIN AGEAYg==", 503)
        client.expect("RCPT TO:<%s>" % TO, 250)
        client.expect("MAIL FROM:<evil@example.org>", 503)
        client.expect("AUTH LOGIN", 503)
        client.expect("STARTTLS", 502)
        client.expect("DATA", 354)
        client.send(message() + b".\r\n")
        t.equal(client.reply().code, 250, "the message")
        client.expect("AUTH PLAIN AGEAYg==", 235)
        client.expect("AUTH PLAIN AGEAYg==", 503)
    got = fake.wait_messages(1)[0]
    t.equal((got.sender, got.recipients), ("a@example.org", [TO]), "envelope")


if __name__ == "__main__":
    main()

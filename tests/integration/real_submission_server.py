"""Not only our own sandbox takes it: Postfix with STARTTLS and a login, or TLS
from the first byte, gets every byte for every recipient. Needs root."""
import re

from lib.harness import main, scenario
from lib.mail import base64_lines, split_received
from lib.plainsink import PlainSink
from lib.postfix import Postfix
from lib.smtpclient import message

PASSWORD = "abcd efgh ijkl mnop"
SECRET = PASSWORD.replace(" ", "")

BODIES = {
    "plain": b"Hello.\r\n",
    "empty": b"",
    "dots": b".\r\n..\r\n.x\r\n\r\n.\r\n...\r\nend.\r\n",
    "blank lines": b"\r\n\r\n \r\n\t\r\n\r\n",
    "commands": b"QUIT\r\nMAIL FROM:<a>\r\nRSET\r\nFrom here\r\n",
    "a line of 998": b"x" * 998 + b"\r\n",
    "long lines": b"y" * 5000 + b"\r\n" + b"z" * 60000 + b"\r\n.\r\n",
    "200 KB": base64_lines(1, 200_000),
    "5 MB": base64_lines(2, 5_000_000),
}


def server(t, **how):
    sink = PlainSink()
    t.at_end.append(sink.stop)
    return sink, Postfix(t, sink, SECRET, **how).start()


def relay(t, postfix, password=PASSWORD, **account):
    daemon = t.daemon(account=postfix.account(**account))
    daemon.write_password(password)
    return daemon.start()


def original(t, data):
    """Without what Postfix and the daemon put in front."""
    by_postfix, rest = split_received(data)
    t.true("submission.example.org (Postfix)" in by_postfix, by_postfix)
    t.true("with ESMTPSA" in by_postfix or "with UTF8SMTPSA" in by_postfix,
           "over TLS and logged in: %s" % by_postfix)
    by_us, rest = split_received(rest)
    t.true("relay.example.org" in by_us, by_us)
    return rest


def by_subject(t, messages):
    found = {}
    for taken in messages:
        data = original(t, taken.data)
        subject = re.search(rb"(?m)^Subject: (.*)\r$", data)[1].decode()
        t.true(subject not in found, "%r came twice" % subject)
        found[subject] = (taken, data)
    return found


def every_byte(t, daemon, sink):
    sent = {name: message(name, body=body) for name, body in BODIES.items()}
    for name, data in sent.items():
        daemon.send(data, ["one@example.net", "two@example.org"],
                    "device@example.com")
    got = by_subject(t, sink.wait_messages(len(sent)))
    t.equal(sorted(got), sorted(sent), "subjects")
    for name, (taken, data) in got.items():
        t.equal(data, sent[name], "the bytes of %r" % name)
        t.equal(taken.recipients, ["one@example.net", "two@example.org"],
                "recipients of %r" % name)
        t.equal(taken.sender, "device@example.com", "sender of %r" % name)
    daemon.wait_queue_empty()
    t.equal(daemon.queue(failed=True), [], "failed messages")


@scenario
def every_byte_by_starttls_and_chunks(t):
    sink, postfix = server(t)
    every_byte(t, relay(t, postfix), sink)
    t.true(re.search(r"smtpd.*disconnect from .* starttls=1 auth=1 mail=\d+ "
                     r"rcpt=\d+ bdat=\d+ ", wait_end(t, postfix)),
           "by BDAT, on one connection: %s" % postfix.log())


@scenario
def every_byte_by_data(t):
    sink, postfix = server(t, discard="chunking")
    every_byte(t, relay(t, postfix), sink)
    t.true(re.search(r"smtpd.*disconnect from .* auth=1 mail=\d+ rcpt=\d+ "
                     r"data=\d+ ", wait_end(t, postfix)),
           "by DATA, on one connection: %s" % postfix.log())


@scenario
def every_byte_without_pipelining(t):
    sink, postfix = server(t, discard="chunking, pipelining, size, dsn")
    every_byte(t, relay(t, postfix), sink)


@scenario
def every_byte_by_implicit_tls(t):
    sink, postfix = server(t)
    every_byte(t, relay(t, postfix, port=postfix.implicit_port,
                        tls="implicit"), sink)
    t.true("starttls=" not in wait_end(t, postfix).partition(
        "auth=1")[0].rpartition("\n")[2], "no STARTTLS: %s" % postfix.log())


def wait_end(t, postfix):
    """Postfix's log once the relay has left, which the end of it brings."""
    for daemon in t.daemons:
        daemon.stop()
    t.wait_for(lambda: re.search(r"disconnect from .*auth=1", postfix.log()),
               20, "the end of the connection")
    return postfix.log()


@scenario
def it_makes_the_reports_that_are_asked_for(t):
    """It offers DSN, so we pass on what was asked, and report nothing."""
    sink, postfix = server(t)
    daemon = relay(t, postfix)
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<device@example.com> RET=HDRS ENVID=a+2B1",
                      250)
        client.expect("RCPT TO:<one@example.net> NOTIFY=SUCCESS "
                      "ORCPT=rfc822;first+3D@example.net", 250)
        client.expect("RCPT TO:<two@example.org>", 250)
        client.expect("DATA", 354)
        client.send(message() + b".\r\n")
        t.equal(client.reply().code, 250, "DATA")
    got = sink.wait_messages(2)
    daemon.wait_queue_empty()
    found = [x for x in got if x.sender == ""]
    t.equal([x.recipients for x in found], [["device@example.com"]],
            "who is told")
    for line in (b"Reporting-MTA: dns; submission.example.org",
                 b"Original-Envelope-Id: a+1", b"Action: relayed",
                 b"Original-Recipient: rfc822;first=@example.net"):
        t.true(line in found[0].data, "%r is not in %r" % (line, found[0].data))


@scenario
def thirty_megabytes(t):
    sink, postfix = server(t)
    daemon = relay(t, postfix)
    data = message("30 MB", body=base64_lines(3, 30_000_000))
    daemon.send(data)
    got = by_subject(t, sink.wait_messages(1, 120))
    t.true(got["30 MB"][1] == data, "the bytes")


@scenario
def eight_bits_and_utf8_addresses(t):
    sink, postfix = server(t)
    daemon = relay(t, postfix)
    data = message("8", body="Grüße, 日本\r\n".encode(), extra=(
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n"))
    daemon.send(data, params=" BODY=8BITMIME")
    utf8 = message("utf8", to="jörg@example.net", body=b"x\r\n")
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<gerät@example.org> SMTPUTF8", 250)
        client.expect("RCPT TO:<jörg@example.net>", 250)
        client.expect("DATA", 354)
        client.send(utf8 + b".\r\n")
        t.equal(client.reply().code, 250, "a message with UTF-8 addresses")
    got = by_subject(t, sink.wait_messages(2))
    t.equal(got["8"][1], data, "8-bit bytes")
    t.true("BODY=8BITMIME" in got["8"][0].parameters, "BODY=8BITMIME")
    t.equal(got["utf8"][1], utf8, "a header in UTF-8")
    t.equal((got["utf8"][0].sender, got["utf8"][0].recipients),
            ("gerät@example.org", ["jörg@example.net"]), "addresses in UTF-8")
    t.true("SMTPUTF8" in got["utf8"][0].parameters, "SMTPUTF8")


@scenario
def many_recipients(t):
    sink, postfix = server(t)
    daemon = relay(t, postfix)
    recipients = ["r%d@example.net" % i for i in range(250)]
    data = message("many")
    daemon.send(data, recipients)
    t.wait_for(lambda: sum(len(x.recipients) for x in sink.messages) >= 250,
               60, "all recipients")
    t.equal(sorted(sum((x.recipients for x in sink.messages), [])),
            sorted(recipients), "recipients, each once")
    for taken in sink.messages:
        t.equal(original(t, taken.data), data, "the bytes")


@scenario
def refused_and_deferred_recipients(t):
    sink, postfix = server(t)
    daemon = relay(t, postfix)
    data = message("mixed")
    message_id = daemon.send(data, ["one@example.net", "refused@example.net",
                                    "later@example.net"])
    # the message for the one; the report of the other is another matter
    def arrived():
        return [x for x in sink.messages
                if x.recipients == ["one@example.net"]]

    t.wait_for(arrived, 20, "the message for the one")
    got = by_subject(t, arrived())
    t.equal(got["mixed"][1], data, "the bytes")
    t.equal(got["mixed"][0].recipients, ["one@example.net"], "recipients")
    daemon.wait_log(r"id=%s.* deferred=1" % message_id)
    t.wait_for(lambda: daemon.recipients(message_id)["one@example.net"][
        "state"] == "delivered", 20, "the first is delivered")
    states = daemon.recipients(message_id)
    t.equal(states["refused@example.net"]["state"], "failed", "the second")
    t.true("550 5.1.1 " in states["refused@example.net"]["reply"],
           "with Postfix's words: %r" % states)
    t.equal(states["later@example.net"]["state"], "pending", "the third")
    daemon.ctl("queue", "delete", message_id)


@scenario
def a_wrong_password_keeps_it_all(t):
    sink, postfix = server(t)
    daemon = relay(t, postfix, password="not the right one")
    for number in range(5):
        daemon.send(message(str(number)))
    daemon.wait_account("held")
    t.equal(daemon.queued(), 5, "queued")
    daemon.write_password(PASSWORD)
    daemon.reload()
    got = by_subject(t, sink.wait_messages(5))
    t.equal(sorted(got), list("01234"), "subjects")
    daemon.wait_queue_empty()
    t.equal(len(sink.messages), 5, "each once")


@scenario
def it_goes_and_comes_back(t):
    sink, postfix = server(t)
    daemon = relay(t, postfix)
    daemon.send(message("before"))
    # Postfix itself would send it again if it had to end before
    t.wait_for(lambda: "/qmgr[" in postfix.log() and
               ": removed" in postfix.log(), 20, "Postfix to be done with it")
    postfix.stop()
    daemon.send(message("meanwhile"))
    daemon.wait_log("connection-trouble")
    postfix.start()
    sink.wait_messages(2)
    daemon.send(message("after"))
    got = by_subject(t, sink.wait_messages(3))
    t.equal(sorted(got), ["after", "before", "meanwhile"], "subjects")


if __name__ == "__main__":
    main()

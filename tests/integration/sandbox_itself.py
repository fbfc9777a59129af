"""The sandbox upstream and the harness are what they claim to be: tried with
Python's own smtplib and by hand, without the daemon."""
import base64
import smtplib
import socket
import ssl
import struct

from lib.daemon import quoted
from lib.fakegmail import HOST, PASSWORD, SNI, USER
from lib.harness import main, scenario, wait_for
from lib.smtpclient import Client, Refused, message, stuff

PLAIN = base64.b64encode(("\0%s\0%s" % (USER, PASSWORD)).encode()).decode()


def context(fake):
    return ssl.create_default_context(cafile=fake.ca_file)


def secure(fake, host=HOST):
    """A raw client behind STARTTLS."""
    client = Client(("127.0.0.1", fake.port))
    client.ehlo()
    client.expect("STARTTLS", 220)
    client.sock = context(fake).wrap_socket(client.sock, server_hostname=host)
    return client


def logged_in(fake):
    client = secure(fake)
    client.ehlo()
    client.expect("AUTH PLAIN " + PLAIN, 235)
    return client


@scenario
def takes_mail_from_smtplib_on_both_ports(t):
    fake = t.fake()
    data = message(body=b".dot\r\n..\r\nend.\r\n", to="x@example.net")
    with smtplib.SMTP(HOST, fake.port) as client:
        client.starttls(context=context(fake))
        client.login(USER, PASSWORD)
        client.sendmail("a@example.org", ["x@example.net"], data)
    with smtplib.SMTP_SSL(HOST, fake.implicit_port,
                          context=context(fake)) as client:
        client.login(USER, PASSWORD)
        client.sendmail("b@example.org", ["x@example.net", "y@example.net"],
                        data)
    first, second = fake.wait_messages(2)
    t.equal(first.data, data, "bytes of the first")
    t.equal(second.data, data, "bytes of the second")
    t.equal(second.recipients, ["x@example.net", "y@example.net"],
            "recipients")
    t.equal((first.tls, first.sni, first.user, first.sender),
            ("TLSv1.3", SNI, USER, "a@example.org"), "session")
    t.equal(fake.logins, [(USER, True, "TLSv1.3")] * 2, "logins")
    t.clean(fake)


@scenario
def speaks_like_gmail(t):
    fake = t.fake()
    with Client(("127.0.0.1", fake.port)) as client:
        t.true(client.greeting.text.startswith("smtp.gmail.com ESMTP "),
               "greeting")
        offered = client.ehlo()
        t.equal(sorted(offered), sorted([
            "SIZE", "8BITMIME", "STARTTLS", "ENHANCEDSTATUSCODES",
            "PIPELINING", "CHUNKING", "SMTPUTF8"]), "offered in clear")
        t.equal(offered["SIZE"], "35882577", "SIZE")
        t.equal(client.cmd("MAIL FROM:<a@example.org>").text.split(".")[0],
                "5", "MAIL before TLS")
    with secure(fake) as client:
        offered = client.ehlo()
        t.true("STARTTLS" not in offered, "no STARTTLS within TLS")
        t.equal(offered["AUTH"].split()[:2], ["LOGIN", "PLAIN"], "AUTH")
        t.equal(client.cmd("MAIL FROM:<a@example.org>").code, 530,
                "MAIL without login")
        t.equal(client.cmd("AUTH PLAIN AGEAYg==").enhanced, "5.7.8",
                "a wrong password")
        t.equal(client.cmd("AUTH LOGIN").lines, ["VXNlcm5hbWU6"], "LOGIN")
        t.equal(client.cmd(base64.b64encode(USER.encode())).lines,
                ["UGFzc3dvcmQ6"], "LOGIN")
        client.expect(base64.b64encode(PASSWORD.encode()), 235)
        client.expect("MAIL FROM:<a@example.org>", 250)
        t.equal(client.cmd("RCPT TO:<bad@@example.net>").enhanced, "5.1.3",
                "a bad recipient")
        t.equal(client.cmd("RCPT TO:<>").code, 555, "an empty recipient")
        client.expect("RCPT TO:<x@example.net>", 250)
        t.equal(client.expect("DATA", 354).lines[0][:10], " Go ahead ",
                "two spaces")
        client.send(stuff(message()) + b".\r\n")
        t.equal(client.reply().enhanced, "2.0.0", "the end")
        client.expect("QUIT", 221)
    t.equal([x[1] for x in fake.logins], [False, True], "logins")
    t.equal(len(fake.messages[0].refused), 1, "refused recipients")


@scenario
def takes_pipelined_chunks(t):
    fake = t.fake()
    data = message(body=b".a\r\n..b\r\n" + b"x" * 70000 + b"\r\n")
    with logged_in(fake) as client:
        client.send(b"MAIL FROM:<a@example.org> SIZE=%d\r\n"
                    b"RCPT TO:<x@example.net>\r\nBDAT 10\r\n" % len(data) +
                    data[:10] + b"BDAT %d LAST\r\n" % (len(data) - 10) +
                    data[10:] + b"NOOP\r\n")
        codes = [client.reply().code for _ in range(5)]
    t.equal(codes, [250] * 5, "replies")
    t.equal((fake.messages[0].data, fake.messages[0].via), (data, "BDAT"),
            "the message")
    t.clean(fake)


@scenario
def only_the_right_certificate_is_right(t):
    fake = t.fake()
    for kind in ("wrong_name", "expired", "unknown_ca", "self_signed"):
        fake.behaviour.certificate = kind
        try:
            secure(fake)
        except ssl.SSLCertVerificationError:
            continue
        raise AssertionError("certificate %s was taken" % kind)
    fake.behaviour.certificate = "valid"
    secure(fake).close()


@scenario
def old_tls_is_old(t):
    fake = t.fake()
    fake.behaviour.max_tls = "TLSv1.1"
    try:
        secure(fake)
    except ssl.SSLError:
        pass
    else:
        raise AssertionError("TLS 1.2 where 1.1 is the best")
    fake.behaviour.max_tls = "TLSv1.2"
    with secure(fake) as client:
        t.equal(client.sock.version(), "TLSv1.2", "version")


@scenario
def strips_and_injects(t):
    fake = t.fake()
    fake.behaviour.strip = {"STARTTLS", "PIPELINING"}
    with Client(("127.0.0.1", fake.port)) as client:
        t.equal([x for x in client.ehlo() if x in fake.behaviour.strip], [],
                "what is stripped")
        client.send(b"NOOP\r\nNOOP\r\n")
        client.reply(), client.reply()
        t.true("not offered" in fake.violations[0], "pipelining is noted")
    fake.behaviour.strip = set()
    fake.behaviour.after_220 = b"250 injected\r\n"
    fake.behaviour.after_ehlo = b"250 early\r\n"
    with Client(("127.0.0.1", fake.port)) as client:
        client.ehlo()
        t.equal(client.reply().text, "early", "behind EHLO")
        client.expect("STARTTLS", 220)
        t.equal(client.reply().text, "injected", "behind the 220")


@scenario
def rules_override_every_phase(t):
    fake = t.fake()
    fake.rule("MAIL", "421 4.7.0 Try again later", nth=2, times=1)
    fake.rule("RCPT", "550 5.1.1 no such user", match="^TO:<b@")
    fake.rule("RCPT", "450 4.2.1 slowly", match="^TO:<c@")
    fake.rule("FINAL", ["550 5.7.1 line one", "550 5.7.1 line two"],
              match="Subject: bad")
    with logged_in(fake) as client:
        client.expect("MAIL FROM:<a@example.org>", 250)
        codes = [client.cmd("RCPT TO:<%s@example.net>" % x).code
                 for x in "abc"]
        t.equal(codes, [250, 550, 450], "replies to RCPT")
        client.expect("DATA", 354)
        client.send(stuff(message(subject="bad")) + b".\r\n")
        t.equal(client.reply().lines, ["5.7.1 line one", "5.7.1 line two"],
                "the final answer")
        client.expect("MAIL FROM:<a@example.org>", 421)
        t.true(client.is_closed(), "421 closes")
    with logged_in(fake) as client:
        t.equal(client.mail("a@example.org", ["a@example.net"],
                            message()).code, 250, "the rule is used up")
    t.equal([x.taken for x in fake.transactions], [False, True], "taken")
    t.equal(len(fake.transactions[0].refused), 2, "refused")


@scenario
def drops_resets_and_stalls(t):
    fake = t.fake()
    fake.rule("FINAL", action="drop", taken=True, times=1)
    with logged_in(fake) as client:
        try:
            client.mail("a@example.org", ["a@example.net"], message())
        except Refused:
            pass
        else:
            raise AssertionError("an answer where none was due")
    t.equal([x.reply for x in fake.wait_messages(1)], [None], "taken")
    fake.rule("MIDDATA", "421 4.3.0 in the middle", after_bytes=1000, times=1)
    with logged_in(fake) as client:
        client.expect("MAIL FROM:<a@example.org>", 250)
        client.expect("RCPT TO:<a@example.net>", 250)
        client.expect("DATA", 354)
        client.send(message() + b"x" * 2000)
        t.equal(client.reply().code, 421, "in mid-DATA")
        t.true(client.is_closed(), "it closes")
    fake.rule("BANNER", action="reset", times=1)
    try:
        Client(("127.0.0.1", fake.port))
    except (ConnectionResetError, Refused):
        pass
    else:
        raise AssertionError("a greeting in place of a reset")
    stall = fake.rule("EHLO", action="stall")
    with Client(("127.0.0.1", fake.port)) as client:
        client.send(b"EHLO x.example\r\n")
        client.sock.settimeout(0.2)
        try:
            client.reply()
        except socket.timeout:
            pass
        else:
            raise AssertionError("an answer in place of a stall")
        client.sock.settimeout(20)
        stall.release()
        t.equal(client.reply().code, 250, "after release()")


@scenario
def trickles(t):
    fake = t.fake()
    fake.behaviour.trickle = 0.001
    with Client(("127.0.0.1", fake.port)) as client:
        t.equal(len(client.ehlo()), 7, "extensions")


@scenario
def notes_what_is_wrong(t):
    fake = t.fake()
    with Client(("127.0.0.1", fake.port)) as client:
        client.cmd("AUTH PLAIN " + PLAIN)
    wait_for(lambda: len(fake.leaks) == 2, 20, "the leak")
    with logged_in(fake) as client:
        client.expect("MAIL FROM: <a@example.org>", 555)
        client.expect("MAIL FROM:<a@example.org> SIZE=3", 250)
        client.expect("RCPT TO:<a@example.net>", 250)
        client.send(b"DATA\r\nearly")
        t.equal(client.reply().code, 354, "DATA")
        client.send(b": x\r\nBcc: b@x\r\nTo: \xff\n\r\n.single\r\n.\r\n")
        t.equal(client.reply().code, 250, "the end")
    found = "\n".join(fake.violations)
    for word in ("not canonical", "bytes behind DATA", "bare LF",
                 "single dot", "without SMTPUTF8", "without BODY=8BITMIME",
                 "0 Date", "0 Message-ID", "Bcc", "SIZE=3"):
        t.true(word in found, "%r is not among: %s" % (word, found))


@scenario
def a_client_that_resets_does_no_harm(t):
    fake = t.fake()
    for _ in range(3):
        client = Client(("127.0.0.1", fake.port))
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        client.close()
    with logged_in(fake) as client:
        client.expect("NOOP", 250)


@scenario
def the_harness_keeps_deadlines_and_quotes(t):
    try:
        wait_for(lambda: False, 0.05, "what never comes")
    except AssertionError as error:
        t.true("what never comes" in str(error), "the reason is named")
    else:
        raise AssertionError("a deadline that was none")
    t.equal(quoted(["a\"b", "\\"]), '{"a\\"b", "\\\\"}', "a quoted list")
    fake = t.fake()
    text = t.daemon(fake, max_clients=3, account={"tls": "implicit"}) \
        .config_text()
    for line in ('listen = {"127.0.0.1:0"}', "max-clients = 3",
                 '  tls = "implicit"', '  host = "%s"' % HOST,
                 "  port = %d" % fake.port):
        t.true(line + "\n" in text, "%r is not in:\n%s" % (line, text))


if __name__ == "__main__":
    main()

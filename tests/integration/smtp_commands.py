"""The commands of RFC 5321, their order and their codes; and what is tolerated
from clients that are allowed."""
from lib.harness import main, scenario
from lib.mail import stuff_raw
from lib.smtpclient import Client, message

PATHS = "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.net>"


def dialogue(t, daemon, steps):
    """steps: (command, code, enhanced code or None)."""
    with daemon.client() as client:
        for command, code, enhanced in steps:
            reply = client.cmd(command)
            t.equal(reply.code, code, "the answer to %r (%r)" % (
                command, reply))
            if enhanced is not None:
                t.equal(reply.enhanced, enhanced, "the enhanced code of the "
                        "answer to %r (%r)" % (command, reply))


def ready(t):
    fake = t.fake()
    return fake, t.daemon(fake).start()


@scenario
def greeting_helo_ehlo(t):
    _, daemon = ready(t)
    with daemon.client() as client:
        t.equal(client.greeting.code, 220, "greeting")
        t.true(client.greeting.text.startswith("relay.example.org ESMTP"),
               "greeting: %r" % client.greeting)
        offered = client.ehlo()
        t.equal(sorted(offered), sorted([
            "SIZE", "8BITMIME", "SMTPUTF8", "PIPELINING",
            "ENHANCEDSTATUSCODES", "CHUNKING", "DSN"]), "extensions")
        t.equal(len(client.expect("HELO client.example", 250).lines), 1,
                "HELO's answer is one line")


@scenario
def the_order_of_a_transaction(t):
    _, daemon = ready(t)
    dialogue(t, daemon, [
        ("RCPT TO:<b@example.net>", 503, "5.5.1"),
        ("DATA", 503, "5.5.1"),
        ("EHLO client.example", 250, None),
        ("DATA", 503, "5.5.1"),
        (PATHS[0], 250, "2.1.0"),
        ("MAIL FROM:<other@example.org>", 503, "5.5.1"),
        ("DATA", 503, "5.5.1"),
        (PATHS[1], 250, "2.1.5"),
        ("RSET", 250, "2.0.0"),
        ("DATA", 503, "5.5.1"),
        (PATHS[0], 250, "2.1.0"),
        (PATHS[1], 250, "2.1.5"),
        ("EHLO client.example", 250, None),  # resets: RFC 5321 4.1.4
        ("DATA", 503, "5.5.1"),
        ("QUIT", 221, "2.0.0"),
    ])


@scenario
def the_other_commands(t):
    _, daemon = ready(t)
    dialogue(t, daemon, [
        ("NOOP", 250, "2.0.0"),
        ("NOOP with words", 250, "2.0.0"),
        ("VRFY person", 252, None),
        ("EXPN list", 502, "5.5.1"),
        ("HELP", 214, None),
        ("HELP MAIL", 214, None),
        ("ETRN x", 502, None),
        ("TURN", 502, None),
        ("NONSENSE", 500, "5.5.2"),
        ("noop", 250, "2.0.0"),
        ("quit", 221, "2.0.0"),
    ])


@scenario
def what_is_no_address_is_refused(t):
    _, daemon = ready(t)
    dialogue(t, daemon, [
        ("EHLO client.example", 250, None),
        ("MAIL", 501, None),
        ("MAIL FROM:<a@@example.org>", 501, None),
        ("MAIL FROM:<>", 250, "2.1.0"),
        ("RCPT TO:<>", 501, None),
        ("RCPT TO:", 501, None),
        ("RCPT TO:<@>", 501, None),
        ("RCPT TO:<b@exa mple.net>", 501, None),
        (PATHS[1], 250, "2.1.5"),
    ])


@scenario
def a_lax_client_is_understood_and_upstream_is_canonical(t):
    fake, daemon = ready(t)
    lax = [
        ["MAIL FROM:a@example.org", "RCPT TO:b@example.net"],
        ["mail from: <a@example.org>", "rcpt to: <b@example.net>"],
        ["MAIL FROM:<a@example.org> X-UNKNOWN=1 FOO", PATHS[1]],
        ["MAIL FROM:<a@example.org> SIZE=", PATHS[1]],
        ["MAIL FROM:<a@example.org> SIZE=abc", PATHS[1]],
        ["MAIL FROM: a@example.org ", "RCPT TO: b@example.net "],
        ["MAIL FROM:<a@example.org", "RCPT TO:b@example.net>"],
        ["Mail From:<@relay.example,@other.example:a@example.org>",
          PATHS[1]],
        ["HELO", PATHS[0], PATHS[1]],
        ["EHLO not_a.valid host!", PATHS[0], PATHS[1]],
    ]
    for commands in lax:
        with daemon.client() as client:
            for command in commands:
                client.expect(command, 250)
            client.expect("DATA", 354)
            client.send(stuff_raw(message()))
            t.equal(client.reply().code, 250, "after %r" % commands)
    for got in fake.wait_messages(len(lax)):
        t.equal((got.sender, got.recipients),
                ("a@example.org", ["b@example.net"]), "upstream")
    t.clean(fake)


@scenario
def the_null_sender_is_taken(t):
    fake, daemon = ready(t)
    daemon.send(message(), sender="")
    t.equal(fake.wait_messages(1)[0].recipients, ["person@example.net"],
            "recipients")


@scenario
def unusual_addresses_arrive_as_they_are(t):
    fake, daemon = ready(t)
    unusual = ["o'brien+tag=x@example.net", '"quoted local"@example.net',
               "user@[192.0.2.1]", "MixedCase@Example.NET",
               "!#$%&'*+/=?^_`{|}~-@example.net"]
    daemon.send(message(), unusual)
    t.equal(fake.wait_messages(1)[0].recipients, unusual, "recipients")


@scenario
def bdat_keeps_its_rules(t):
    _, daemon = ready(t)
    with daemon.client() as client:
        client.ehlo()
        client.send(b"BDAT 4 LAST\r\nabcd")
        t.equal(client.reply().code, 503, "BDAT before MAIL")
        for command in PATHS:
            client.expect(command, 250)
        client.send(b"BDAT 20\r\nSubject: x\r\n\r\nabcdef")
        t.equal(client.reply().code, 250, "a chunk")
        t.equal(client.cmd("DATA").code, 503, "DATA after BDAT")
        client.expect("RSET", 250)
        for command in PATHS:
            client.expect(command, 250)
        client.send(b"BDAT 0 LAST\r\n")
        t.equal(client.reply().code, 250, "an empty message")


@scenario
def browsers_and_tls_clients_are_told(t):
    _, daemon = ready(t)
    with daemon.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n")
        t.true(client.reply().code >= 400, "HTTP is refused")
        t.true(client.is_closed(), "and closed")
    with Client(("127.0.0.1", daemon.port)) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        t.true(client.is_closed(), "TLS is closed")
    daemon.wait_log("TLS")


@scenario
def authentication_and_tls_are_not_needed(t):
    _, daemon = ready(t)
    dialogue(t, daemon, [
        ("EHLO client.example", 250, None),
        ("STARTTLS", 502, "5.5.1"),
        ("AUTH PLAIN AHgAeQ==", 235, "2.7.0"),
        (PATHS[0], 250, None),
    ])


@scenario
def a_dot_that_is_no_end_is_told(t):
    _, daemon = ready(t)
    for text in (b"Subject: x\n\nhi\n.\n", b"Subject: x\r\n\r\nhi\r\n"):
        with daemon.client() as client:
            client.ehlo()
            for command in PATHS:
                client.expect(command, 250)
            client.expect("DATA", 354)
            client.send(text)
    lines = [daemon.wait_log(r"discarded .*size=20 .*"),
             daemon.wait_log(r"discarded .*size=18 .*")]
    t.equal(["lf-dot" in x[0][0] for x in lines], [True, False], "advice")


@scenario
def text_behind_a_refused_data_is_no_commands(t):
    _, daemon = ready(t)
    injected = (b"Subject: outer\r\n\r\nx\r\nRSET\r\nMAIL FROM:<e@example.org>\r\n"
                b"RCPT TO:<x@example.net>\r\nDATA\r\n\r\ny\r\n.\r\nQUIT\r\n")
    commands = (b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<nobody-here>\r\n",
                b"DATA\r\n")
    whole = b"".join(commands)
    for hello, first, later in ((b"HELO x\r\n", whole + injected, b""),
                                (b"EHLO x\r\n", whole + injected, b""),
                                (b"EHLO x\r\n", commands[2] + injected, b""),
                                # by itself, from one that waits for nothing
                                (b"HELO x\r\n", whole, injected)):
        with daemon.client() as client:
            client.send(hello)
            client.reply()
            client.send(first)
            while client.reply().code not in (503, 554):
                pass
            try:
                client.send(later)
            except OSError:
                pass  # closed already
            t.true(client.is_closed(), "closed after %r" % first)
    daemon.wait_log("closed .*DATA that was refused", count=4)
    with daemon.client() as client:
        client.ehlo()
        client.send(b"".join(commands))
        t.equal([client.reply().code for _ in commands], [250, 550, 554],
                "one that waits for the answer to DATA")
        client.expect("NOOP", 250)
    t.true("accepted id=" not in daemon.log_now(), "the text was obeyed")


@scenario
def the_local_socket_takes_mail_too(t):
    fake, daemon = ready(t)
    data = message()
    with Client(daemon.submit) as client:
        client.ehlo()
        t.equal(client.mail("a@example.org", ["b@example.net"], data).code,
                250, "by the submit socket")
    t.true(fake.wait_messages(1)[0].data.endswith(data), "the message")


if __name__ == "__main__":
    main()

"""What a program hands in over plain SMTP arrives upstream, every byte and
every recipient, and only what must be repaired is changed."""
import re

from lib.fakegmail import SNI
from lib.harness import main, scenario
from lib.mail import (base64_lines, normal_body, random_body, split_received,
                      stuff_raw, without_received)
from lib.smtpclient import message


def pair(t, **settings):
    fake = t.fake()
    return fake, t.daemon(fake, **settings).start()


def send_raw(client, head, body):
    """One transaction of bytes as they are."""
    client.expect("MAIL FROM:<device@example.org>", 250)
    client.expect("RCPT TO:<person@example.net>", 250)
    client.expect("DATA", 354)
    client.send(stuff_raw(head + body))
    return client.reply()


@scenario
def a_message_arrives_as_it_was(t):
    fake, daemon = pair(t)
    data = message(body=b"Hello\r\n.dot\r\n..\r\n\r\n\ttab \r\nend\r\n")
    daemon.send(data, ["a@example.net", "b@example.net"],
                sender="printer@example.org")
    got = fake.wait_messages(1)[0]
    received, rest = split_received(got.data)
    t.equal(rest, data, "the message below its Received line")
    t.equal(got.sender, "printer@example.org", "reverse-path")
    t.equal(got.recipients, ["a@example.net", "b@example.net"], "recipients")
    t.equal((got.tls, got.sni, got.user),
            ("TLSv1.3", SNI, fake.behaviour.user), "the connection")
    t.equal(got.ehlo, "relay.example.org", "EHLO name")
    t.true("127.0.0.1" in received, "the client's address is in %r" % received)
    t.equal(len(got.header("Received")), 1, "one Received line is added")
    daemon.wait_queue_empty()
    t.clean(fake)


@scenario
def the_hostname_is_said_as_it_is_written(t):
    for name in ("[192.0.2.77]", "[IPv6:2001:db8::1]", "printer"):
        fake = t.fake()
        daemon = t.daemon(fake, hostname=name).start()
        daemon.send(message())
        got = fake.wait_messages(1)[0]
        t.equal(got.ehlo, name, "EHLO name")
        t.true("by %s " % name in got.header("Received")[0],
               "Received: %r" % got.header("Received"))
        doctor = daemon.ctl("doctor")
        t.true("EHLO name is %s (as configured)" % name in
               [x["text"] for x in doctor["findings"]], "doctor: %r" % doctor)
        daemon.stop()


@scenario
def all_kinds_of_bodies_arrive(t):
    fake, daemon = pair(t)
    bodies = [b"", b"\r\n", b".\r\n", b"\r\n\r\n\r\n", b"no line end",
              b".", b"x" * 998 + b"\r\n", b"y" * 65536 + b"\r\n",
              "Grüße, 你好\r\n".encode(), bytes(range(128, 256)) + b"\r\n",
              b"\x01\x02\x7f\x1b[31m\r\n", b"QUIT\r\n.QUIT\r\n"]
    with daemon.client() as client:
        client.ehlo()
        for i, body in enumerate(bodies):
            head = message(subject="kind %d" % i, body=b"")
            reply = send_raw(client, head, body)
            t.equal(reply.code, 250, "body %r" % body[:40])
    got = {x.header("Subject")[0]: x for x in fake.wait_messages(len(bodies))}
    for i, body in enumerate(bodies):
        if body and not body.endswith(b"\r\n"):
            body += b"\r\n"
        t.equal(got["kind %d" % i].body, body, "body %d" % i)
    t.clean(fake)


@scenario
def random_bodies_are_normalised_and_nothing_else(t):
    fake, daemon = pair(t, account={"messages_per_connection": 1000})
    count = 150
    with daemon.client() as client:
        client.ehlo()
        for seed in range(count):
            head = message(subject="seed %d" % seed, body=b"")
            t.equal(send_raw(client, head, random_body(seed)).code, 250,
                    "seed %d" % seed)
    for got in fake.wait_messages(count, deadline=60):
        seed = int(got.header("Subject")[0].split()[1])
        body = random_body(seed)
        if body and not body.endswith(b"\r\n"):
            body += b"\r\n"
        t.equal(got.body, normal_body(body), "the body of seed %d" % seed)
    t.clean(fake)


@scenario
def chunks_arrive_as_they_were(t):
    fake, daemon = pair(t)
    data = message(body=b".a\r\n.\r\n..b\r\n" + base64_lines(1, 200000))
    with daemon.client() as client:
        t.true("CHUNKING" in client.ehlo(), "CHUNKING is offered")
        client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"
                    b"BDAT 100\r\n" + data[:100] + b"BDAT 0\r\n" +
                    b"BDAT 150001\r\n" + data[100:150101] +
                    b"BDAT %d LAST\r\n" % (len(data) - 150101) +
                    data[150101:])
        t.equal([client.reply().code for _ in range(6)], [250] * 6, "replies")
    t.equal(without_received(fake.wait_messages(1)[0].data), data, "message")
    t.clean(fake)


def upstream_without(*extensions):
    def run(t):
        fake = t.fake()
        fake.behaviour.strip = set(extensions)
        daemon = t.daemon(fake).start()
        sent = [message(body=b".x\r\n.\r\n"),
                message(body=base64_lines(2, 300000))]
        for data in sent:
            daemon.send(data, ["a@example.net", "b@example.net"])
        got = fake.wait_messages(2)
        t.equal(sorted(without_received(x.data) for x in got), sorted(sent),
                "messages")
        t.equal([len(x.recipients) for x in got], [2, 2], "recipients")
        t.clean(fake)

    run.__name__ = "upstream_without_" + "_".join(extensions).lower()
    scenario(run)


upstream_without("CHUNKING")
upstream_without("PIPELINING")
upstream_without("CHUNKING", "PIPELINING", "SIZE", "ENHANCEDSTATUSCODES")


@scenario
def tls_from_the_first_byte(t):
    fake = t.fake()
    daemon = t.daemon(fake, account={"tls": "implicit",
                                     "port": fake.implicit_port}).start()
    data = message()
    daemon.send(data)
    got = fake.wait_messages(1)[0]
    t.equal(without_received(got.data), data, "message")
    t.equal(got.sni, SNI, "SNI")
    t.clean(fake)


@scenario
def login_where_only_login_is_offered(t):
    fake = t.fake()
    fake.behaviour.mechanisms = "LOGIN XOAUTH2"
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait_messages(1)
    t.clean(fake)


@scenario
def big_messages_arrive(t):
    fake, daemon = pair(t)
    sizes = (70000, 5000000, 30000000)
    sent = {}
    for size in sizes:
        data = message(subject="big %d" % size, body=base64_lines(size, size))
        sent["big %d" % size] = data
        daemon.send(data, params=" SIZE=%d" % len(data))
    for got in fake.wait_messages(len(sizes), deadline=120):
        name = got.header("Subject")[0]
        t.true(without_received(got.data) == sent[name], "%s differs" % name)
    daemon.wait_queue_empty()
    t.clean(fake)


@scenario
def two_hundred_on_one_connection(t):
    fake, daemon = pair(t, account={"messages_per_connection": 1000})
    sent = [message(subject="n%d" % i) for i in range(200)]
    with daemon.client() as client:
        client.ehlo()
        for i, data in enumerate(sent):
            reply = client.mail("a@example.org", ["to%d@example.net" % i],
                                data)
            t.equal(reply.code, 250, "message %d" % i)
    got = fake.wait_messages(200, deadline=60)
    t.equal(sorted(without_received(x.data) for x in got), sorted(sent),
            "messages")
    t.equal(sorted(x.recipients[0] for x in got),
            sorted("to%d@example.net" % i for i in range(200)), "recipients")
    t.equal(len({x.session for x in got}), 1, "connections upstream")
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 200, "no message twice")
    t.clean(fake)


@scenario
def a_connection_is_left_after_so_many_messages(t):
    fake, daemon = pair(t, account={"messages_per_connection": 5})
    for _ in range(12):
        daemon.send(message())
    got = fake.wait_messages(12)
    per_session = {}
    for x in got:
        per_session[x.session] = per_session.get(x.session, 0) + 1
    t.true(max(per_session.values()) <= 5, "messages a connection: %r" %
           per_session)
    t.clean(fake)


@scenario
def what_is_missing_is_added_once(t):
    fake, daemon = pair(t)
    daemon.send(b"Subject: bare\r\nTo: x@example.net\r\n"
                b"Bcc: secret@example.net,\r\n other@example.net\r\n"
                b"\r\nbody\r\n", sender="scanner@example.org")
    got = fake.wait_messages(1)[0]
    t.equal([len(got.header(x)) for x in ("Date", "Message-ID", "From")],
            [1, 1, 1], "added fields")
    t.true("scanner@example.org" in got.header("From")[0], "From: %r" %
           got.header("From"))
    t.true(re.fullmatch(r"<[^<>@ ]+@[^<>@ ]+>", got.header("Message-ID")[0]),
           "Message-ID: %r" % got.header("Message-ID"))
    t.true(b"secret@" not in got.data and b"other@" not in got.data, "no Bcc")
    t.equal(got.header("Subject"), ["bare"], "Subject")
    t.equal(got.body, b"body\r\n", "body")
    t.clean(fake)


@scenario
def headers_are_repaired_for_gmail(t):
    fake, daemon = pair(t)
    long = b"X-Long: " + b"word " * 400
    data = message(extra=b"X-Name: " + "Prüfer".encode() + b"\r\n" +
                   b"Comments: " + b"caf\xe9" + b"\r\n" + long + b"\r\n")
    daemon.send(data)
    got = fake.wait_messages(1)[0]
    head = got.data.split(b"\r\n\r\n")[0]
    t.true(head.isascii(), "the header is ASCII")
    t.true(max(map(len, head.split(b"\r\n"))) <= 998, "no long header line")
    t.equal(got.header("X-Long")[0].split(), ["word"] * 400, "folded words")
    for name, charset in (("X-Name", "utf-8"), ("Comments", "iso-8859-1")):
        t.true(got.header(name)[0].lower().startswith("=?%s?" % charset),
               "%s: %r" % (name, got.header(name)))
    t.clean(fake)


@scenario
def international_addresses_need_smtputf8(t):
    fake, daemon = pair(t)
    address = "jürgen@exämple.net"
    with daemon.client() as client:
        t.true("SMTPUTF8" in client.ehlo(), "SMTPUTF8 is offered")
        client.expect("MAIL FROM:<a@example.org> SMTPUTF8", 250)
        client.expect(("RCPT TO:<%s>" % address).encode(), 250)
        client.expect("DATA", 354)
        client.send(stuff_raw(message(to="j@example.net")))
        t.equal(client.reply().code, 250, "the end")
    got = fake.wait_messages(1)[0]
    t.equal(got.recipients, [address], "recipient")
    t.true("SMTPUTF8" in got.params, "SMTPUTF8 upstream: %r" % got.params)
    daemon.send(message())
    plain = fake.wait_messages(2)[1]
    t.true("SMTPUTF8" not in plain.params, "only where it is needed")
    t.clean(fake)


def without(t, *extensions):
    fake = t.fake()
    fake.behaviour.strip = set(extensions)
    return fake, t.daemon(fake).start()


def submit(daemon, data, recipients, sender="owner@example.org"):
    """By a client that asks for SMTPUTF8."""
    with daemon.client() as client:
        client.ehlo()
        client.expect(("MAIL FROM:<%s> SMTPUTF8" % sender).encode(), 250)
        for recipient in recipients:
            client.expect(("RCPT TO:<%s>" % recipient).encode(), 250)
        client.expect("DATA", 354)
        client.send(stuff_raw(data))
        return daemon.id_of(client.reply())


@scenario
def smtputf8_that_is_not_needed_is_not_asked_for(t):
    for extensions in ((), ("SMTPUTF8",)):
        fake, daemon = without(t, *extensions)
        data = message()
        submit(daemon, data, ["a@example.net"])
        got = fake.wait_messages(1)[0]
        t.equal(without_received(got.data), data, "message")
        t.true("SMTPUTF8" not in got.params, "upstream: %r" % got.params)
        t.clean(fake)


@scenario
def only_who_needs_smtputf8_fails_without_it(t):
    fake, daemon = without(t, "SMTPUTF8")
    ident = submit(daemon, message(), ["a@example.net", "jürgen@example.net",
                                       "b@example.net"])
    got = fake.wait_messages(2)
    t.equal(got[0].recipients, ["a@example.net", "b@example.net"], "who got it")
    # the report about it needs no SMTPUTF8 itself
    t.equal(got[1].recipients, ["owner@example.org"], "who is told")
    t.true(b"\\x{FC}rgen@example.net" in got[1].data and
           b"does not offer SMTPUTF8" in got[1].data, "what is told")
    daemon.wait_queue_empty()
    states = {k: v["state"] for k, v in daemon.recipients(ident).items()}
    t.equal(states, {"a@example.net": "delivered", "b@example.net":
                     "delivered", "jürgen@example.net": "failed"}, "states")
    t.clean(fake)


@scenario
def a_header_in_utf8_fails_without_smtputf8(t):
    fake, daemon = without(t, "SMTPUTF8")
    submit(daemon, message(to="jürgen@example.net"), ["a@example.net"])
    got = fake.wait_messages(1)[0]
    t.equal(got.recipients, ["owner@example.org"], "who is told")
    t.true(b"5.6.9" in got.data, "what is told")
    daemon.wait_queue_empty()
    t.equal(len(daemon.queue(failed=True)), 1, "failed messages")
    t.clean(fake)


@scenario
def eight_bit_text_fails_without_8bitmime(t):
    fake, daemon = without(t, "8BITMIME")
    daemon.send(message(body="Grüße\r\n".encode()), ["a@example.net"],
                sender="owner@example.org")
    got = fake.wait_messages(1)[0]
    t.equal(got.recipients, ["owner@example.org"], "who is told")
    t.true(got.data.isascii() and b"5.6.3" in got.data and
           b"quoted-printable" in got.data, "what is told")
    data = message()
    daemon.send(data, ["a@example.net"], params=" BODY=8BITMIME")
    t.equal(without_received(fake.wait_messages(2)[1].data), data,
            "7-bit text, whatever was announced")
    daemon.wait_queue_empty()
    t.clean(fake)


@scenario
def more_than_a_hundred_recipients_are_split(t):
    fake, daemon = pair(t)
    people = ["p%03d@example.net" % i for i in range(250)]
    data = message()
    daemon.send(data, people)
    fake.wait(lambda: sum(len(x.recipients) for x in fake.messages) >= 250)
    t.equal(sorted(y for x in fake.messages for y in x.recipients), people,
            "everybody, once")
    t.true(max(len(x.recipients) for x in fake.messages) <= 100,
           "at most 100 a transaction")
    for got in fake.messages:
        t.equal(without_received(got.data), data, "the same for everybody")
        t.equal(got.refused, [], "nobody refused")
    t.clean(fake)


@scenario
def the_local_250_needs_no_upstream(t):
    fake = t.fake()
    stall = fake.rule("BANNER", action="stall")
    daemon = t.daemon(fake).start()
    sent = [message() for _ in range(20)]
    for data in sent:
        daemon.send(data)
    t.equal(fake.messages, [], "nothing is upstream yet")
    stall.release()
    fake.clear_rules()
    got = fake.wait_messages(20)
    t.equal(sorted(without_received(x.data) for x in got), sorted(sent),
            "messages")


@scenario
def a_restart_delivers_what_was_queued(t):
    fake = t.fake()
    stall = fake.rule("BANNER", action="stall")
    daemon = t.daemon(fake).start()
    sent = [message(body=base64_lines(i, i * 20000)) for i in range(10)]
    for data in sent:
        daemon.send(data)
    daemon.stop()
    stall.release()
    fake.clear_rules()
    daemon.start()
    got = fake.wait_messages(10)
    t.equal(sorted(without_received(x.data) for x in got), sorted(sent),
            "messages")
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 10, "no message twice")


if __name__ == "__main__":
    main()

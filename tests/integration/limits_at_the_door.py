"""Everything a client can make large or many is bounded, each with its reply,
and the daemon serves on."""
import resource
import time

from lib.harness import main, scenario, wait_for
from lib.mail import stuff_raw
from lib.smtpclient import Client, Refused, message


def ready(t, **settings):
    fake = t.fake()
    return fake, t.daemon(fake, **settings).start()


def serves(t, daemon):
    """It still takes a message."""
    t.true(daemon.send(message()), "a message after all this")


def begun(client):
    client.expect("MAIL FROM:<a@example.org>", 250)
    client.expect("RCPT TO:<b@example.net>", 250)


@scenario
def size_is_offered_and_kept(t):
    fake, daemon = ready(t, message_size="100K")
    with daemon.client() as client:
        limit = int(client.ehlo()["SIZE"])
        t.equal(limit, 100 * 1024, "SIZE")
        reply = client.cmd("MAIL FROM:<a@example.org> SIZE=%d" % (limit + 1))
        t.equal((reply.code, reply.enhanced), (552, "5.3.4"), "at MAIL")
        client.expect("MAIL FROM:<a@example.org> SIZE=%d" % limit, 250)
        client.expect("RSET", 250)
        begun(client)
        client.expect("DATA", 354)
        client.send(stuff_raw(message(body=b"x" * 60 + b"\r\n" * 60000)))
        reply = client.reply()
        t.equal((reply.code, reply.enhanced), (552, "5.3.4"), "at the end")
        begun(client)
        client.send(b"BDAT 200000 LAST\r\n" + b"x" * 200000)
        reply = client.reply()
        t.equal((reply.code, reply.enhanced), (552, "5.3.4"), "by BDAT")
        t.equal(client.mail("a@example.org", ["b@example.net"],
                            message()).code, 250, "the same connection")
    fake.wait_messages(1)


@scenario
def size_is_what_upstream_takes_less_what_we_add(t):
    fake, daemon = ready(t)
    with daemon.client() as client:
        before = int(client.ehlo()["SIZE"])
    t.equal(before, 35882577 - 4096, "Gmail's, until it is known")
    fake.behaviour.size = 1000000
    daemon.send(message())
    fake.wait_messages(1)

    def learnt():
        with daemon.client() as other:
            return int(other.ehlo()["SIZE"]) == 1000000 - 4096

    wait_for(learnt, 20, "the SIZE learnt upstream")


@scenario
def recipients_are_counted(t):
    fake, daemon = ready(t, max_recipients=3)
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org>", 250)
        for i in range(3):
            client.expect("RCPT TO:<p%d@example.net>" % i, 250)
        reply = client.cmd("RCPT TO:<p3@example.net>")
        t.equal((reply.code, reply.enhanced), (452, "4.5.3"), "the fourth")
        client.expect("DATA", 354)
        client.send(stuff_raw(message()))
        t.equal(client.reply().code, 250, "for the first three")
    t.equal(fake.wait_messages(1)[0].recipients,
            ["p%d@example.net" % i for i in range(3)], "recipients")


@scenario
def lines_are_bounded(t):
    fake, daemon = ready(t)
    with daemon.client() as client:
        t.equal(client.cmd("NOOP " + "x" * 100000).code, 500, "a command")
        client.ehlo()
        for body, what in ((b"x" * 65537 + b"\r\n", "a text line"),
                           (b"a\0b\r\n", "a NUL")):
            begun(client)
            client.expect("DATA", 354)
            client.send(stuff_raw(message(body=body)))
            reply = client.reply()
            t.equal((reply.code, reply.enhanced), (554, "5.6.0"), what)
        begun(client)
        client.expect("DATA", 354)
        client.send(stuff_raw(message(
            extra=b"".join(b"X-%d: %s\r\n" % (i, b"y" * 900)
                           for i in range(600)))))
        reply = client.reply()
        t.equal((reply.code, reply.enhanced), (554, "5.6.0"), "the header")
        t.equal(client.mail("a@example.org", ["b@example.net"],
                            message(subject="good")).code, 250, "after that")
    t.equal(fake.wait_messages(1)[0].header("Subject"), ["good"], "arrived")


@scenario
def a_loop_is_ended(t):
    fake, daemon = ready(t)

    def hops(count):
        return message(extra=b"Received: from a by b; Mon, 05 Jan 2026 "
                       b"12:00:00 +0100\r\n" * count)

    with daemon.client() as client:
        client.ehlo()
        t.equal(client.mail("a@example.org", ["b@example.net"],
                            hops(30)).code, 250, "30 hops")
        reply = client.mail("a@example.org", ["b@example.net"], hops(31))
        t.equal((reply.code, reply.enhanced), (554, "5.4.6"), "31 hops")
    fake.wait_messages(1)


@scenario
def errors_are_counted(t):
    _, daemon = ready(t)
    with daemon.client() as client:
        codes = []
        try:
            for _ in range(200):
                codes.append(client.cmd("NONSENSE"))
        except (Refused, ConnectionError):
            pass
        t.true(len(codes) < 200, "there is an end to it")
        t.equal((codes[-1].code, codes[-1].enhanced), (421, "4.7.0"),
                "the last word")
    serves(t, daemon)


@scenario
def who_says_nothing_is_sent_away(t):
    _, daemon = ready(t, client_timeout="1s")
    started = time.monotonic()
    with daemon.client() as client:
        t.equal(client.reply().code, 421, "after client-timeout")
        t.true(client.is_closed(), "it closes")
    t.true(time.monotonic() - started > 0.9, "not before")
    with daemon.client() as client:
        client.ehlo()
        begun(client)
        client.expect("DATA", 354)
        client.send(b"Subject: half")
        t.equal(client.reply().code, 421, "in the middle of a message")
    daemon.wait_queue_empty()
    serves(t, daemon)


@scenario
def each_large_message_has_a_descriptor(t):
    """More clients with large messages than there are descriptors for: as many
    are served as can have two."""
    fake = t.fake()
    daemon = t.daemon(fake).start(preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (250, 250)))
    daemon.wait_log("files limited.*: 61 clients are served")
    receiver = daemon.wait_roles()["receiver"]
    clients, late = [], []
    for _ in range(130):
        client = daemon.client()
        t.at_end.append(client.close)
        if client.greeting.code != 220:
            late.append(client.greeting.code)
            continue
        client.ehlo()
        begun(client)
        client.expect("DATA", 354)
        client.send(message(body=(b"x" * 78 + b"\r\n") * 1280))
        clients.append(client)
    t.equal(late, [421] * 69, "those who came late")
    for client in clients:
        client.send(b".\r\n")
    t.equal([x.reply().code for x in clients], [250] * 61, "the others")
    t.equal(daemon.wait_roles()["receiver"], receiver, "it never ended")
    fake.wait_messages(61, 60)
    daemon.wait_queue_empty()
    serves(t, daemon)


@scenario
def when_full_the_longest_idle_goes(t):
    _, daemon = ready(t, max_clients=5)
    clients = [daemon.client() for _ in range(5)]
    for client in clients:
        client.ehlo()
    busy = clients[0]
    busy.expect("MAIL FROM:<a@example.org>", 250)
    for client in clients[2:]:
        client.expect("NOOP", 250)
    newcomer = daemon.client()
    t.equal(newcomer.greeting.code, 220, "the newcomer's greeting")
    reply = clients[1].reply()
    t.equal((reply.code, reply.enhanced), (421, "4.3.2"), "the idle one")
    t.true(clients[1].is_closed(), "it is closed")
    busy.expect("RCPT TO:<b@example.net>", 250)
    for client in clients[2:] + [newcomer]:
        client.expect("NOOP", 250)
    for client in clients + [newcomer]:
        client.close()
    serves(t, daemon)


@scenario
def loopback_is_exempt_from_the_limit_of_one_address(t):
    _, daemon = ready(t, max_clients_per_address=2)
    clients = [daemon.client() for _ in range(10)]
    for client in clients:
        client.expect("NOOP", 250)
        client.close()


@scenario
def who_leaves_in_the_middle_leaves_nothing(t):
    fake, daemon = ready(t)
    for size in (10, 1000, 200000):
        with daemon.client() as client:
            client.ehlo()
            begun(client)
            client.expect("DATA", 354)
            client.send(message() + b"x" * size)
    with daemon.client() as client:
        client.ehlo()
        begun(client)
        client.send(b"BDAT 1000 LAST\r\n" + b"x" * 500)
    daemon.send(message(subject="whole"))
    t.equal([x.header("Subject") for x in fake.wait_messages(1)], [["whole"]],
            "what arrives")
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 1, "messages")


@scenario
def pipelining_far_ahead_is_answered_in_order(t):
    fake, daemon = ready(t, account={"messages_per_connection": 1000})
    client = Client(("127.0.0.1", daemon.port))
    client.ehlo()
    one = (b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"
           b"BDAT %d LAST\r\n")
    flight = b""
    for _ in range(100):
        data = message()
        flight += one % len(data) + data + b"VRFY x\r\n"
    client.send(flight + b"QUIT\r\n")
    codes = [client.reply().code for _ in range(401)]
    t.equal(codes, [250, 250, 250, 252] * 100 + [221], "replies")
    client.close()
    fake.wait_messages(100, deadline=60)


if __name__ == "__main__":
    main()

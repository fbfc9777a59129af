"""Behind a proxy that speaks the PROXY protocol it is the client's own address
that counts; and nobody but a proxy may name one."""
import socket
import struct

from lib.harness import main, scenario
from lib.smtpclient import Client, Refused, message

PROXY = "127.0.0.50"
CLIENT = "192.168.77.31"
STRANGER = "198.51.100.9"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source, family="TCP4"):
    return ("PROXY %s %s %s 54321 25\r\n" % (
        family, source, "10.0.0.5" if family == "TCP4" else "::1")).encode()


def v2(source, command=0x21, tlv=b""):
    version = 6 if ":" in source else 4
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    address = socket.inet_pton(family, source)
    body = address * 2 + struct.pack("!HH", 54321, 25) + tlv
    return SIGNATURE + bytes([command, 0x21 if version == 6 else 0x11]) + \
        struct.pack("!H", len(body)) + body


def proxied(daemon, header, source=PROXY, behind=b""):
    """A connection of the proxy, the header said; no greeting read yet."""
    client = Client(("127.0.0.1", daemon.port), source=source, greet=False)
    client.send(header + behind)
    return client


def start(t, **settings):
    settings.setdefault("allow", ["127.0.0.1", "192.168.77.0/24", "fd77::/64"])
    fake = t.fake()
    return fake, t.daemon(fake, proxy=[PROXY], **settings).start()


@scenario
def the_named_client_counts(t):
    fake, daemon = start(t)
    headers = (v1(CLIENT), v2(CLIENT), v2(CLIENT, tlv=b"\x04\0\x02ab"),
               v1("fd77::7", "TCP6"), v2("fd77::7"))
    for header in headers:
        with proxied(daemon, header) as client:
            t.equal(client.reply().code, 220, "greeting after %r" % header)
            client.ehlo()
            t.equal(client.mail("device@example.org", ["person@example.net"],
                                message()).code, 250, "its message")
            client.cmd("QUIT")
    fake.wait_messages(len(headers))
    t.true(CLIENT in fake.messages[0].header("Received")[0],
           "Received names it: %s" % fake.messages[0].header("Received"))
    t.equal({x["client"]: x["accepted"] for x in daemon.ctl("clients")},
            {CLIENT: 3, "fd77::7": 2}, "clients")
    t.clean(fake)


@scenario
def a_named_stranger_is_one(t):
    _, daemon = start(t)
    for header in (v1(STRANGER), v2(STRANGER), v1("2001:db8::1", "TCP6"),
                   v2("2001:db8::1"), v1("PROXY".lower()),
                   b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x21\0\0\0",
                   SIGNATURE + b"\x21\x31\0\0",
                   # itself: it may not send, for allow does not say so
                   SIGNATURE + b"\x20\0\0\0"):
        with proxied(daemon, header) as client:
            try:
                t.equal(client.reply().code, 554, "answer to %r" % header)
            except (Refused, ConnectionError):
                pass
            t.true(client.is_closed(), "closed after %r" % header)
    t.true(STRANGER in daemon.wait_log(r"refused peer=%s" % STRANGER)[0][0],
           "the log names it")
    t.equal(daemon.ctl("clients"), [], "clients")


@scenario
def a_proxy_must_say_for_whom(t):
    _, daemon = start(t, allow=["127.0.0.0/8"])
    with Client(("127.0.0.1", daemon.port), source=PROXY,
                greet=False) as client:
        t.true(client.is_closed(), "one that waits for a greeting is closed")
        t.equal(client.buffer, b"", "what it was told")
    for said in (b"EHLO x\r\nMAIL FROM:<a@b.org>\r\n", b"\x16\x03\x01",
                 b"PROXY TCP4 1.2.3.4\r\n"):
        with proxied(daemon, said) as client:
            t.true(client.is_closed(), "closed after %r" % said)
            t.equal(client.buffer, b"", "what it was told")
    daemon.wait_log(r"refused peer=%s .*setting=proxy" % PROXY, count=4)


@scenario
def nobody_else_may_name_one(t):
    fake, daemon = start(t)
    for header in (v1(CLIENT), v2(CLIENT)):
        # a stranger stays one
        with Client(("127.0.0.1", daemon.port), source="127.0.0.99",
                    greet=False) as client:
            try:
                client.send(header)
                t.equal(client.reply().code, 554, "a stranger's greeting")
                t.true(client.is_closed(), "it is closed")
            except (Refused, ConnectionError):
                pass
        # to a client it is a command that is none
        with Client(("127.0.0.1", daemon.port)) as client:
            client.send(header)
            t.equal(client.reply().code, 500, "answer to a client")
    t.equal(daemon.ctl("clients")[0]["client"], "127.0.0.1", "who it was")
    t.equal(len(daemon.ctl("clients")), 1, "clients")
    t.equal(fake.messages, [], "messages upstream")


@scenario
def what_follows_the_header_is_the_clients(t):
    fake, daemon = start(t)
    text = b"EHLO x\r\nMAIL FROM:<a@example.org>\r\n"
    for header in (v1(CLIENT), v2(CLIENT)):
        with proxied(daemon, header, behind=text) as client:
            t.equal([client.reply().code for _ in range(3)], [220, 250, 250],
                    "replies to what came with the header")
        with proxied(daemon, b"") as client:
            for at in range(len(header)):
                client.send(header[at:at + 1])
            client.send(text)
            t.equal([client.reply().code for _ in range(3)], [220, 250, 250],
                    "replies to single octets")
    t.clean(fake)


@scenario
def limits_hold_for_the_named_client(t):
    _, daemon = start(t, max_clients_per_address=2, clients=[
        {"networks": [CLIENT], "syntax": "strict"}])
    open_ones = [proxied(daemon, v2(CLIENT)) for _ in range(2)]
    for client in open_ones:
        t.equal(client.reply().code, 220, "greeting")
    with proxied(daemon, v2(CLIENT)) as client:
        t.equal(client.reply().code, 421, "one too many")
    with proxied(daemon, v2("192.168.77.32")) as client:
        t.equal(client.reply().code, 220, "another client")
        t.equal(client.cmd("EHLO").code, 250, "and its profile")
    t.equal(open_ones[0].cmd("EHLO").code, 501, "its own profile")
    # on the proxy's machine is not on this one
    with proxied(daemon, v2("127.0.0.1")) as client:
        t.equal(client.reply().code, 220, "loopback by a proxy here")
    for client in open_ones:
        client.close()


if __name__ == "__main__":
    main()

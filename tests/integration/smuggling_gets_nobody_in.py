"""A message that holds what some server takes for an end of data, and a second
message behind it, arrives as one message or is refused: handed in by DATA or
BDAT, sent on by DATA or BDAT. What leaves is read from the wire by a parser of
its own (lib/wire.py)."""
from lib.harness import main, scenario
from lib.smtpclient import message
from lib.wire import Wire

PERSON = "person@example.net"
# what some server or other has taken for the end (SMTP smuggling, 2023), and
# what looks like it
ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.LF": b"\r.\n",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "LF.CR": b"\n.\r",
    "CR.CRCRLF": b"\r.\r\r\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n",
    "LFCR.LFCR": b"\n\r.\n\r",
    "CRLFCR.CRLF": b"\r\n\r.\r\n",
    "LFLF.CRLF": b"\n\n.\r\n",
    "CRLF NUL.CRLF": b"\r\n\0.\r\n",
    "CRLF.NUL CRLF": b"\r\n.\0\r\n",
    "NUL CRLF. NUL CRLF": b"\0\r\n.\0\r\n",
    "CRLF space.CRLF": b"\r\n .\r\n",
    "CRLF.space CRLF": b"\r\n. \r\n",
    "CRLF..CRLF": b"\r\n..\r\n",
    "CRLF..LF": b"\r\n..\n",
    "LF..LF": b"\n..\n",
    "VT.VT": b"\v.\v",
    "NEL.NEL": "\u0085.\u0085".encode(),
}
# a true end by the rules of DATA; by those of BDAT it is text
DATA_ENDS = {"CRLF.CRLF": b"\r\n.\r\n", "CRCRLF.CRLF": b"\r\r\n.\r\n"}
SMUGGLED = (b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.net>\r\n"
            b"DATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n")
BY_BDAT = (b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.net>\r\n"
           b"BDAT 22 LAST\r\nSubject: smuggled\r\n\r\n")


def outer(name, end, inner):
    return message(subject=name, body=b"before" + end + inner)


def was_read(client):
    """The daemon has taken all that the client sent so far off its socket, so
    what comes next is read by itself."""
    here, there = client.sock.getsockname(), client.sock.getpeername()
    wanted = "0100007F:%04X 0100007F:%04X" % (there[1], here[1])
    with open("/proc/net/tcp") as table:
        for line in table:
            if wanted in line:
                return line.split()[4].endswith(":00000000")
    return True


def say(t, client, data, split=None):
    """Sends data whole, or in two parts that are read one by one."""
    if split is not None:
        client.send(data[:split])
        t.wait_for(lambda: was_read(client), 20, "the first part read")
        data = data[split:]
    client.send(data)


def begin(client):
    client.expect("MAIL FROM:<device@example.org>", 250)
    client.expect("RCPT TO:<%s>" % PERSON, 250)


def alone(t, client, what):
    """One answer has come, and the connection is where it was: no command that
    stood in the message was heard."""
    reply = client.reply()
    t.true(reply.code in (250, 554), "%s was answered %r" % (what, reply))
    t.true(not client.buffer, "more behind: %r" % client.buffer)
    t.equal(client.cmd("VRFY x").code, 252, "the answer behind %s" % what)
    return reply.code == 250


def by_data(t, client, name, end, split):
    begin(client)
    client.expect("DATA", 354)
    data = outer(name, end, SMUGGLED)
    place = data.index(b"before") + len(b"before")
    say(t, client, data + b"\r\n.\r\n",
        None if split is None else place + split)
    return alone(t, client, "%s by DATA" % name)


def by_bdat(t, client, name, end, split):
    """split is where a chunk ends, as well."""
    begin(client)
    data = outer(name, end, BY_BDAT if split is None else SMUGGLED)
    if split is None:
        client.send(b"BDAT %d LAST\r\n" % len(data) + data)
    else:
        place = data.index(b"before") + len(b"before") + split
        say(t, client, b"BDAT %d\r\n" % place + data[:place])
        first = client.reply().code
        client.send(b"BDAT %d LAST\r\n" % (len(data) - place) + data[place:])
        if first != 250:  # for the NUL in it; the rest is not looked at
            t.equal((first, client.reply().code), (554, 503), name)
            client.expect("RSET", 250)
            return False
    return alone(t, client, "%s by BDAT" % name)


def hand_in(t, daemon, how, ends):
    """Every end, whole and split before each byte and behind the last; returns
    how many were sent and how many taken."""
    sent = taken = 0
    for name, end in ends.items():
        with daemon.client() as client:
            client.ehlo()
            for split in [None] + list(range(len(end) + 1)):
                sent += 1
                taken += how(t, client, name, end, split)
    return sent, taken


def check_wire(t, fake, count, via):
    """What left: so many messages, each to one person and with the smuggled
    one as its text."""
    seen = []
    for session in fake.sessions:
        wire = Wire(session.wire)
        t.equal(wire.wrong, [], "on the wire")
        seen += wire.messages
    t.equal(len(seen), count, "messages on the wire")
    for sender, recipients, data, how in seen:
        t.equal((sender, recipients, how),
                (b"device@example.org", [PERSON.encode()], via), "envelope")
        t.true(b"MAIL FROM:<evil@example.org>" in data,
               "the text has the smuggled one in it: %r" % data)
    t.equal(len(fake.messages), count, "messages upstream")
    t.equal({tuple(x.recipients) for x in fake.messages}, {(PERSON,)},
            "recipients upstream")
    t.equal([x for x in fake.messages if x.header("Subject") == ["smuggled"]],
            [], "smuggled messages")


def run(t, via):
    fake = t.fake()
    fake.behaviour.keep_wire = True
    if via == "DATA":
        fake.behaviour.strip = {"CHUNKING"}
    daemon = t.daemon(fake, account={"messages_per_connection": 1000}).start()
    sent, taken = hand_in(t, daemon, by_data, ENDS)
    more = hand_in(t, daemon, by_bdat, dict(ENDS, **DATA_ENDS))
    sent, taken = sent + more[0], taken + more[1]
    fake.wait_messages(taken, deadline=120)
    daemon.wait_queue_empty()
    check_wire(t, fake, taken, via)
    t.clean(fake)
    print("# %d messages with a second one in them, %d refused, %d sent by %s: "
          "smuggled 0" % (sent, sent - taken, taken, via))


@scenario
def nothing_comes_in_and_leaves_by_data(t):
    run(t, "DATA")


@scenario
def nothing_comes_in_and_leaves_by_bdat(t):
    run(t, "BDAT")


@scenario
def what_follows_a_true_end_is_another_command(t):
    """As a control: the same text behind CRLF.CRLF is a second message, from a
    client who may send one."""
    fake = t.fake()
    daemon = t.daemon(fake).start()
    with daemon.client() as client:
        client.ehlo()
        begin(client)
        client.expect("DATA", 354)
        client.send(outer("first", b"\r\n.\r\n", SMUGGLED) + b".\r\n")
        codes = [client.reply().code for _ in range(5)]
        t.equal(codes, [250, 250, 250, 354, 250], "answers")
    got = fake.wait_messages(2)
    t.equal(sorted(x.header("Subject")[0] for x in got), ["first", "smuggled"],
            "messages")


@scenario
def with_lf_dot_nothing_behind_the_end_is_obeyed(t):
    """For a device that ends its messages with a bare line feed: what comes at
    once is text, what comes after the answer ends the connection."""
    fake = t.fake()
    fake.behaviour.keep_wire = True
    daemon = t.daemon(fake, account={"messages_per_connection": 1000}, clients=[
        {"networks": ["127.0.0.0/8"], "lf-dot": True}]).start()
    sent, taken = hand_in(t, daemon, by_data, {
        x: ENDS[x] for x in ("LF.LF", "LF.CRLF", "CRLF.LF", "CR.CR",
                             "CRLF NUL.CRLF")})
    late = []
    for name in ("LF.LF", "LF.CRLF", "CRLF.LF"):
        client = daemon.client()
        client.ehlo()
        begin(client)
        client.expect("DATA", 354)
        client.send(outer(name, b"\r\n" + b"MAIL FROM:<evil@example.org>\r\nx",
                          ENDS[name]))
        late.append(client)
    for client in late:
        t.equal(client.reply().code, 250, "after the wait")
        client.send(SMUGGLED + b".\r\n")
        t.true(client.is_closed(), "it closes")
        t.true(client.buffer.startswith(b"421 4.3.2") and
               client.buffer.count(b"\r\n") == 1, "said %r" % client.buffer)
        client.close()
    fake.wait_messages(taken + len(late), deadline=60)
    daemon.wait_queue_empty()
    check_wire(t, fake, taken + len(late), "BDAT")
    print("# lf-dot: %d messages, smuggled 0" % (sent + len(late)))


if __name__ == "__main__":
    main()

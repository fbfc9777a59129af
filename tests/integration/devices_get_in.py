"""Devices are served as they are, each by the settings of its own section, and
people see what each one does."""
from lib.harness import main, scenario
from lib.smtpclient import Client, Refused, message

DEVICE = "127.0.0.31"
OTHER = "127.0.0.32"
STRANGER = "127.0.0.99"


def connect(daemon, source, **how):
    return Client(("127.0.0.1", daemon.port), source=source, **how)


def hand_in(client, sender="device@example.org", data=None):
    """A transaction; the reply to its end."""
    return client.mail(sender, ["person@example.net"], data or message())


def seen(daemon):
    """What gmrelayctl clients says, by client."""
    return {x["client"]: x for x in daemon.ctl("clients")}


def quirks_of(daemon, client):
    return {x["name"] for x in seen(daemon)[client]["quirks"]}


def talk_like_a_scanner(daemon, source):
    """A dialogue as firmware has it. Returns the codes of its replies."""
    codes = []
    with connect(daemon, source) as client:
        for line in (b"HELO\n", b"mail from: scanner@example.org\n",
                     b"rcpt to:<<person@example.net>> NOTIFY=NEVER\n",
                     b"data\n", b"Subject: scan\n\nline\nend\r\n.\r\n"):
            client.send(line)
            try:
                codes.append(client.reply().code)
            except (Refused, ConnectionError):
                break
            if codes[-1] >= 400:
                break
    return codes


@scenario
def what_a_device_does_is_overlooked_and_shown(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    t.equal(daemon.ctl_run("clients", json_output=False).stdout,
            "nobody yet\n", "the list of nobody")
    t.equal(talk_like_a_scanner(daemon, DEVICE), [250, 250, 250, 354, 250],
            "replies")
    daemon.send(message())
    t.wait_for(lambda: len(seen(daemon)) == 2, what="both are known")
    t.wait_for(lambda: "no-quit" in quirks_of(daemon, DEVICE),
               what="the session is over")
    t.equal(quirks_of(daemon, DEVICE),
            {"empty-helo", "lower-case", "stray-space", "no-brackets",
             "doubled-brackets", "unknown-parameter", "bare-lf", "no-date",
             "no-message-id", "no-from", "no-quit"}, "what it did")
    t.equal(quirks_of(daemon, "127.0.0.1"), set(), "what the other did")
    device = seen(daemon)[DEVICE]
    t.equal((device["accepted"], device["refused"]), (1, 0), "its messages")
    t.true(device["first_s"] <= device["last_s"], "when it was seen")
    text = daemon.ctl_run("clients", json_output=False).stdout
    t.true("%s: HELO without name, no angle brackets, " % DEVICE in text,
           "for people: %s" % text)
    t.true("127.0.0.1: nothing unusual\n    1 accepted" in text,
           "and of the other: %s" % text)
    # what arrives is in order
    found = t.wait_for(lambda: [x for x in fake.messages
                                if x.header("Subject") == ["scan"]])[0]
    t.true(found.header("Date") and found.header("From") and
           found.header("Message-ID"), "fields that were missing")
    t.true(b"\r\nline\r\n" in found.data, "its line ends")
    t.clean(fake)


@scenario
def a_strict_one_is_refused_the_same(t):
    fake = t.fake()
    daemon = t.daemon(fake, clients=[
        {"name": "strict", "networks": [DEVICE], "syntax": "strict"}]).start()
    t.equal(talk_like_a_scanner(daemon, DEVICE), [500], "replies")
    t.equal(talk_like_a_scanner(daemon, OTHER), [250, 250, 250, 354, 250],
            "to another one")
    with connect(daemon, DEVICE) as client:
        client.ehlo()
        t.equal(hand_in(client).code, 250, "the standard is enough")
        reply = client.cmd("MAIL FROM: <a@example.org>")
        t.equal((reply.code, "space after the colon" in reply.text),
                (501, True), "the reply says what is wrong")
        client.cmd("QUIT")
    t.wait_for(lambda: seen(daemon)[DEVICE]["accepted"] == 1)
    t.true("bare-lf" in quirks_of(daemon, DEVICE), "refused, and known")


@scenario
def a_stranger_is_overlooked_nothing(t):
    fake = t.fake()
    daemon = t.daemon(fake, allow=[DEVICE]).start()
    try:
        codes = talk_like_a_scanner(daemon, STRANGER)
    except ConnectionError:
        codes = []
    t.true(codes in ([], [554]), "replies to a stranger: %s" % codes)
    with connect(daemon, STRANGER) as client:
        t.equal(client.greeting.code, 554, "its greeting")
    talk_like_a_scanner(daemon, DEVICE)
    t.wait_for(lambda: DEVICE in seen(daemon))
    t.equal(list(seen(daemon)), [DEVICE], "who is known")


@scenario
def what_is_known_outlives_the_receiver(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    with connect(daemon, DEVICE) as client:
        client.ehlo()
        hand_in(client)
        client.cmd("QUIT")
    daemon.reload()
    with connect(daemon, DEVICE) as client:
        client.ehlo()
        hand_in(client)
        client.cmd("QUIT")
    t.wait_for(lambda: seen(daemon)[DEVICE]["accepted"] == 2,
               what="both messages are counted")


if __name__ == "__main__":
    main()

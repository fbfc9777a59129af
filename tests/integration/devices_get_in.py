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
                     b"rcpt to:<<person@example.net>> X-JOB=7\n",
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


def two_accounts(t):
    """Two upstreams, an account at each; DEVICE sends by the second."""
    fakes = t.fake(), t.fake()
    daemon = t.daemon(fakes[0], clients=[
        {"name": "office", "networks": [DEVICE], "account": "second"}])
    daemon.accounts.append(daemon.account(
        name="second", port=fakes[1].port, **{"ca-file": fakes[1].ca_file}))
    daemon.write_config()
    return fakes, daemon


def subjects(fake):
    return sorted(x.header("Subject")[0] for x in fake.messages)


@scenario
def each_by_its_own_account(t):
    fakes, daemon = two_accounts(t)
    daemon.start()
    for source, subject in ((DEVICE, "by-second"), (OTHER, "by-first")):
        with connect(daemon, source) as client:
            client.ehlo()
            hand_in(client, data=message(subject=subject))
    for fake in fakes:
        fake.wait_messages(1)
    daemon.wait_queue_empty()
    t.equal([subjects(x) for x in fakes], [["by-first"], ["by-second"]],
            "what each upstream got")
    with Client(daemon.submit) as client:
        client.ehlo()
        hand_in(client, data=message(subject="by-submit"))
    fakes[0].wait_messages(2)
    daemon.wait_queue_empty()
    t.equal(len(fakes[1].messages), 1, "the second has no more")


@scenario
def a_held_account_holds_up_no_other(t):
    fakes, daemon = two_accounts(t)
    daemon.start()
    daemon.ctl("account", "pause", "default")
    with connect(daemon, DEVICE) as client:
        client.ehlo()
        hand_in(client, data=message(subject="by-second"))
    fakes[1].wait_messages(1)
    daemon.ctl("account", "pause", "second")
    with connect(daemon, DEVICE) as client:
        client.ehlo()
        hand_in(client, data=message(subject="later"))
    daemon.ctl("account", "resume", "default")
    daemon.send(message(subject="by-first"))
    fakes[0].wait_messages(1)
    t.wait_for(lambda: [x["account"] for x in daemon.ctl("queue", "list")] ==
               ["second"], what="what waits: the second account's message")
    listed = daemon.ctl("queue", "list")
    # a start does not mix them up: in the journal or in queue/
    daemon.ctl("queue", "hold", listed[0]["id"])
    daemon.stop()
    daemon.start()
    daemon.ctl("queue", "release", listed[0]["id"])
    daemon.ctl("account", "resume", "second")
    fakes[1].wait_messages(2)
    daemon.wait_queue_empty()
    t.equal([subjects(x) for x in fakes],
            [["by-first"], ["by-second", "later"]], "what each upstream got")


@scenario
def an_account_that_is_gone_is_told_once(t):
    fakes, daemon = two_accounts(t)
    daemon.start()
    daemon.ctl("account", "pause", "--all")
    for subject in ("one", "two"):
        with connect(daemon, DEVICE) as client:
            client.ehlo()
            hand_in(client, data=message(subject=subject))
    daemon.stop()
    del daemon.accounts[1]
    daemon.clients = []
    daemon.write_config()
    daemon.start()
    daemon.ctl("account", "resume", "default")
    fakes[0].wait_messages(2)
    daemon.wait_queue_empty()
    t.equal(subjects(fakes[0]), ["one", "two"], "the first one's")
    t.equal(len(daemon.wait_log(r"no-account name=second")), 1, "told")


@scenario
def a_sender_for_devices_without_one(t):
    fake = t.fake()
    daemon = t.daemon(fake, clients=[
        {"networks": [DEVICE], "default-sender": "scanner@example.com",
         "message-size": "2K"}]).start()
    with connect(daemon, DEVICE) as client:
        t.equal(client.ehlo()["SIZE"], "2048", "its own limit")
        t.equal(hand_in(client, sender="", data=b"Subject: x\r\n\r\n.").code,
                250, "mail without a sender")
    with connect(daemon, OTHER) as client:
        t.true(int(client.ehlo()["SIZE"]) > 1000000, "that of others")
    fake.wait_messages(1)
    t.true("scanner@example.com" in fake.messages[0].header("From")[0],
           "its From: %s" % fake.messages[0].header("From"))


@scenario
def one_that_sends_too_much_is_put_off(t):
    fake = t.fake()
    daemon = t.daemon(fake, clients=[
        {"name": "mad", "networks": [DEVICE, OTHER],
         "messages-per-hour": 2}]).start()
    for _ in range(3):
        with connect(daemon, DEVICE) as client:
            client.ehlo()
            for _ in range(3):
                reply = client.cmd("MAIL FROM:<device@example.org>")
                if reply.code != 250:
                    break
                client.cmd("RSET")
                hand_in(client)
            client.cmd("QUIT")
    t.equal((reply.code, reply.enhanced), (451, "4.7.1"), "one too many")
    daemon.reload()  # is no way around it
    with connect(daemon, DEVICE) as client:
        t.equal(client.cmd("MAIL FROM:<device@example.org>").code, 451,
                "after a reload")
    # the others are served
    with connect(daemon, OTHER) as client:
        t.equal(hand_in(client).code, 250, "another one of the section")
    daemon.send(message())
    t.equal(seen(daemon)[DEVICE]["accepted"], 2, "what it got in")
    fake.wait_messages(4)
    t.true(len(daemon.wait_log(r"too-many-messages peer=%s " % DEVICE)) <= 2,
           "told of once by each receiver")


if __name__ == "__main__":
    main()

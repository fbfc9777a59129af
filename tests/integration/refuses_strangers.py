"""Only clients of `allow` may send; the others are told so, once."""
import re

from lib.fakegmail import HOST
from lib.harness import main, scenario
from lib.smtpclient import Client, Refused, message


@scenario
def a_stranger_is_turned_away_at_the_greeting(t):
    fake = t.fake()
    daemon = t.daemon(fake, allow=["127.0.0.2/32"]).start()
    with Client(("127.0.0.1", daemon.port), source="127.0.0.3") as stranger:
        t.equal((stranger.greeting.code, stranger.greeting.enhanced),
                (554, "5.7.1"), "greeting")
        t.true("allow" in stranger.greeting.text, "it names the setting")
        t.true(stranger.is_closed(), "it closes")
    line = daemon.wait_log(r"^.*127\.0\.0\.3.*$")[0][0]
    t.true("allow" in line, "the log line names the setting: %r" % line)
    t.equal(len(re.findall(r"(?m)^.*127\.0\.0\.3.*$", daemon.log_now())), 1,
            "log lines about it")
    t.equal(daemon.status()["counters"]["receiver"]["refused"], 1, "counter")


@scenario
def a_stranger_that_talks_on_sends_nothing(t):
    fake = t.fake()
    daemon = t.daemon(fake, allow=["127.0.0.2/32"]).start()
    with Client(("127.0.0.1", daemon.port), greet=False) as stranger:
        try:
            stranger.send(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n"
                          b"RCPT TO:<c@d.example>\r\nDATA\r\nhi\r\n.\r\n")
            while True:
                t.equal(stranger.reply().code, 554, "the only reply")
        except (Refused, ConnectionError):
            pass
    with Client(("127.0.0.1", daemon.port), source="127.0.0.2") as friend:
        t.equal(friend.greeting.code, 220, "a friend's greeting")
        friend.ehlo()
        t.equal(friend.mail("a@example.org", ["b@example.net"],
                            message(subject="friend")).code, 250, "a friend")
    t.equal([x.header("Subject") for x in fake.wait_messages(1)],
            [["friend"]], "messages upstream")
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 1, "messages upstream")


@scenario
def an_open_relay_is_no_configuration(t):
    for networks in (["0.0.0.0/0"], ["::/0"], ["0.0.0.0/7"], ["2000::/3"],
                     ["128.0.0.0/1", "0.0.0.0/1"]):
        daemon = t.daemon(t.fake(), allow=networks)
        status, text = daemon.check_config()
        t.equal(status, 1, "-t with allow = %s" % networks)
        t.true(re.search(r"gmrelayd\.conf:\d+: .*", text),
               "it names file and line: %r" % text)
    daemon = t.daemon(t.fake(), allow=["127.0.0.0/8", "198.51.100.0/24"])
    status, text = daemon.check_config()
    t.equal(status, 0, "-t with a public range: %s" % text)
    t.true("198.51.100.0/24" in text, "but it warns: %r" % text)


@scenario
def an_upstream_that_is_ourselves_is_refused(t):
    for host in ("127.0.0.1", HOST):
        daemon = t.daemon(t.fake(), listen=["127.0.0.1:2525"],
                          account={"host": host, "port": 2525})
        status, text = daemon.check_config()
        t.equal(status, 1, "-t with host = %s" % host)
        t.true(re.search(r"gmrelayd\.conf:\d+: .*", text),
               "it names file and line: %r" % text)


if __name__ == "__main__":
    main()

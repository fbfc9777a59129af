"""While the answer to a message is awaited the next one is on its way, if the
account asks for no gap; however the first ends, each is judged by its own
answer, and only what may have arrived is in doubt."""
from lib.harness import main, scenario, wait_for
from lib.smtpclient import message


class Pair:
    """A message whose answer is held back, and one behind it."""

    def __init__(self, t, second=None, account=None, expect=2, reply=None):
        self.t = t
        self.fake = t.fake()
        self.rule = self.fake.rule("FINAL", reply, match="Subject: first",
                                   action="stall", times=1)
        self.daemon = t.daemon(self.fake, account=account or {}).start()
        self.daemon.ask("account.pause", all=True)
        self.first = self.daemon.send(message(subject="first"))
        self.second = self.daemon.send(second or message(subject="second"))
        self.daemon.ask("account.resume", all=True)
        self.fake.wait(lambda: self.rule.used, what="the first message")
        wait_for(lambda: self.sending() == expect,
                 what="%d messages under way" % expect)

    def sending(self):
        return self.daemon.status()["queue"]["sending"]

    def break_connection(self):
        self.fake.sessions[0].abort()
        self.rule.release()
        self.flush_until_empty()

    def flush_until_empty(self, command="queue.flush", **arguments):
        def is_empty():  # connection trouble waits for seconds
            self.daemon.ask(command, **arguments)
            return self.daemon.queued() == 0

        wait_for(is_empty, 30, "an empty queue")

    def doubts(self):
        return self.daemon.status()["counters"]["relay"]["in_doubt"]

    def arrived(self):
        return sorted(x.header("Subject")[0] for x in self.fake.messages)

    def check(self, arrived, doubts, connections=None):
        self.t.equal(self.arrived(), arrived, "messages upstream")
        self.t.equal(self.doubts(), doubts, "in doubt")
        self.t.equal(self.fake.violations, [], "violations of the protocol")
        if connections is not None:
            self.t.equal(len(self.fake.sessions), connections, "connections")


def commands(fake):
    """What the first connection was asked from the first message on."""
    texts = [text for text, _ in fake.sessions[0].commands]
    start = next(i for i, x in enumerate(texts) if x.startswith("MAIL"))
    return [x.split()[0] for x in texts[start:]]


@scenario
def both_arrive_on_one_connection(t):
    pair = Pair(t)
    pair.rule.release()
    pair.daemon.wait_queue_empty()
    pair.check(["first", "second"], 0, connections=1)
    t.equal(commands(pair.fake)[:7], ["MAIL", "RCPT", "BDAT", "RSET", "MAIL",
                                      "RCPT", "BDAT"], "commands")


@scenario
def a_broken_connection_puts_both_in_doubt(t):
    pair = Pair(t)
    pair.break_connection()
    pair.check(["first", "first", "second"], 2)


@scenario
def nothing_goes_ahead_of_one_that_ends_the_connection(t):
    """After the first time: else both were due at the same time for ever."""
    fake = t.fake()
    rule = fake.rule("FINAL", match="Subject: first", action="drop")
    daemon = t.daemon(fake, retry=["1s"]).start()
    daemon.ask("account.pause", all=True)
    for subject in ("first", "second"):
        daemon.send(message(subject=subject))
    daemon.ask("account.resume", all=True)
    fake.wait_messages(1, deadline=60)
    t.equal(fake.messages[0].header("Subject"), ["second"], "what arrived")
    t.true(rule.used > 1, "the first one was tried again")
    fake.clear_rules()
    daemon.wait_queue_empty()


@scenario
def a_refused_first_message_is_its_own_matter(t):
    pair = Pair(t, reply="552 5.7.0 This message was blocked because its "
                "content presents a potential security issue.")
    pair.rule.release()
    pair.daemon.wait_queue_empty()
    t.true("second" in pair.arrived() and "first" not in pair.arrived(),
           "the second alone: %s" % pair.arrived())
    t.equal(pair.fake.violations, [], "violations")
    t.equal(pair.doubts(), 0, "in doubt")


@scenario
def trouble_with_the_account_still_hears_the_second_answer(t):
    pair = Pair(t, reply="550 5.4.5 Daily user sending limit exceeded.")
    pair.rule.release()
    pair.flush_until_empty("account.resume", all=True)
    pair.check(["first", "second"], 0)


@scenario
def a_goodbye_puts_nothing_in_doubt(t):
    pair = Pair(t, reply="421 4.7.0 Try again later, closing connection.")
    pair.rule.release()
    pair.flush_until_empty()
    pair.check(["first", "second"], 0, connections=2)


@scenario
def a_second_refused_recipient_is_the_seconds_matter(t):
    fake_reply = "550 5.1.1 The email account does not exist."
    pair = Pair(t)
    pair.fake.rule("RCPT", fake_reply, times=1)
    pair.rule.release()
    wait_for(lambda: pair.daemon.status()["queue"]["failed"] == 1,
             what="the second's failure")
    pair.daemon.wait_queue_empty()
    t.true("first" in pair.arrived() and "second" not in pair.arrived(),
           "the first alone: %s" % pair.arrived())
    t.equal(pair.fake.violations, [], "violations")


@scenario
def a_refused_reset_ends_the_connection(t):
    pair = Pair(t)
    pair.fake.rule("RSET", "502 5.5.1 Unimplemented command.", times=1)
    pair.rule.release()
    pair.flush_until_empty()
    t.equal(pair.arrived().count("first"), 1, "the first, judged before")
    t.true("second" in pair.arrived(), "the second: %s" % pair.arrived())


@scenario
def a_large_one_waits_for_its_turn(t):
    large = message(subject="second", body=b"0123456789\r\n" * 20000)
    pair = Pair(t, second=large)
    t.equal(commands(pair.fake), ["MAIL", "RCPT", "BDAT"], "nothing ahead")
    pair.rule.release()
    pair.daemon.wait_queue_empty()
    pair.check(["first", "second"], 0, connections=1)


@scenario
def a_large_one_that_waits_is_never_in_doubt(t):
    large = message(subject="second", body=b"0123456789\r\n" * 20000)
    pair = Pair(t, second=large)
    pair.break_connection()
    pair.check(["first", "first", "second"], 1)


@scenario
def with_a_gap_nothing_goes_ahead(t):
    pair = Pair(t, account={"message-gap": "1s"}, expect=1)
    t.equal(commands(pair.fake), ["MAIL", "RCPT", "BDAT"], "nothing ahead")
    pair.break_connection()
    pair.check(["first", "first", "second"], 1)


@scenario
def a_connection_that_may_be_opened_is_opened_instead(t):
    pair = Pair(t, account={"connections": 2}, expect=1)
    pair.fake.wait_messages(1)
    t.equal(pair.arrived(), ["second"], "by the other connection")
    t.equal(len(pair.fake.sessions), 2, "connections")
    pair.rule.release()
    pair.daemon.wait_queue_empty()
    pair.check(["first", "second"], 0)


@scenario
def many_connections_are_opened_at_once(t):
    fake = t.fake()
    daemon = t.daemon(fake, account={"connections": 8}).start()
    hold = fake.rule("FINAL", action="stall")
    daemon.ask("account.pause", all=True)
    for i in range(6):
        daemon.send(message(subject="m%d" % i))
    daemon.ask("account.resume", all=True)
    fake.wait(lambda: hold.used == 6, what="six messages at a time")
    t.equal(len(fake.sessions), 6, "connections, for six messages")
    hold.release()
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 6, "messages")


main()

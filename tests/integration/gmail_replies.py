"""What each reply of Gmail does to a message and to the account, at whatever
moment it comes: nothing is failed by the account's trouble, or by anything
said up to the login; a pause is as long as the reply deserves; and a person is
told what was said and what to do."""
import collections
import itertools
import os
import re
import threading

from lib.fakegmail import Behaviour
from lib.gmailreplies import (AGAIN, BETWEEN, MESSAGE, MINUTE, MOMENTS, RETRY,
                              ROWS, START)
from lib.harness import main, scenario, wait_for
from lib.smtpclient import message

WORKERS = 3             # daemons, each with its share of the cases

Case = collections.namedtuple("Case", "row moment outcome times")


def all_cases():
    cases = []
    for row, moment in itertools.product(ROWS, MOMENTS):
        cases.append(Case(row, moment, row.outcome(moment), 1))
        if moment in row.twice:
            cases.append(Case(row, moment, row.twice[moment], 2))
    return cases


# what a log line or a reason names as the moment
PHASES = {"FINAL-DATA": "FINAL", "MAIL-REUSED": "MAIL"}
TARGET, OTHER = "target@example.net", "other@example.net"


def reply_rule(fake, case, subject):
    how = {"times": case.times}
    phase = PHASES.get(case.moment, case.moment)
    if phase == "RCPT":
        how["match"] = "target@"
    elif phase == "MAIL":
        how["match"] = "FROM:<device@"
    elif phase == "FINAL":
        how["match"] = "Subject: " + subject
    elif phase == "READY":
        return fake.rule("FINAL", times=1, match="Subject: before",
                         behind=case.row.lines)
    # what says goodbye without a 421
    if case.row.reply.startswith("451 4.4.2") or (
            phase == "EHLO" and "closing connection" in case.row.reply):
        how["action"] = "drop"
    return fake.rule(phase, case.row.lines, **how)


class Worker:
    """One daemon, and cases one after the other."""

    serial = itertools.count(1)

    def __init__(self, t):
        self.t = t
        self.fake = t.fake()
        self.daemon = t.daemon(
            self.fake, retry=["%ds" % RETRY], backoff=["5m", "5m"],
            account={"final-timeout": "30s"}).start()
        self.done = 0
        self.case = self.subject = self.id = None
        self.log_at = 0

    # -- seeing ------------------------------------------------------------

    def log(self):
        return self.daemon.log_now()[self.log_at:]

    def account(self):
        return self.daemon.account_state()

    def row(self):
        rows = [x for x in self.daemon.queue() if x["id"] == self.id]
        return rows[0] if rows else None

    def got(self):
        """Recipients of each arrival of the message under test."""
        return [x.recipients for x in list(self.fake.messages)
                if x.header("Subject") == [self.subject]]

    def wait(self, predicate, what):
        return wait_for(predicate, 30, what)

    def wait_log(self, pattern):
        return self.wait(lambda: re.search(pattern, self.log(), re.M),
                         "a log line like %r" % pattern)

    def is_gone(self):
        return self.row() is None

    # -- a case ------------------------------------------------------------

    def sender(self):
        """One of its own, so that its reports come singly."""
        return "device@%s.example.org" % self.subject

    def run(self, case):
        self.case = case
        self.subject = "case-%d" % next(self.serial)
        self.prepare()
        getattr(self, "expect_" + case.outcome.kind.replace("-", "_"))()
        self.finish()
        self.done += 1

    def prepare(self):
        fake, daemon, moment = self.fake, self.daemon, self.case.moment
        daemon.ask("account.pause", all=True)
        self.wait(lambda: self.account()["connections"] == 0, "no connection")
        behaviour = Behaviour()
        behaviour.user = fake.behaviour.user
        behaviour.password = fake.behaviour.password
        if moment in ("DATA", "FINAL-DATA"):
            behaviour.strip = {"CHUNKING"}
        fake.behaviour = behaviour
        daemon.ask("account.resume", all=True)
        if moment in AGAIN + ("READY", "RSET"):
            self.go_before(moment)
        else:
            self.set_rule()
        self.sessions = len(fake.sessions)
        self.id = daemon.send(message(subject=self.subject),
                              [TARGET, OTHER], sender=self.sender())

    def set_rule(self):
        self.log_at = len(self.daemon.log_now())
        self.rule = reply_rule(self.fake, self.case, self.subject)

    def go_before(self, moment):
        """A message for the connection to be reused, or to be reset."""
        refusal = None
        if moment == "RSET":
            refusal = self.fake.rule("RCPT", "550 5.1.1 No such user.",
                                     match="nobody@", times=1)
        if moment not in AGAIN:
            self.set_rule()
        ident = self.daemon.send(message(subject="before"),
                                 ["nobody@example.net"], sender="")
        self.wait(lambda: ident not in [
            x["id"] for x in self.daemon.queue()], "the message before")
        if refusal is not None:
            self.wait(lambda: ident in [
                x["id"] for x in self.daemon.queue(failed=True)],
                "the message before has failed")
            self.daemon.ask("queue.delete", id=ident)
        if moment in AGAIN:
            self.set_rule()
        elif moment == "RSET":
            self.wait(lambda: self.rule.used, "RSET")
        else:  # the next message must not meet it on its way
            self.wait(lambda: self.account()["connections"] == 0,
                      "the end of the connection that was told unasked")

    # -- outcomes ----------------------------------------------------------

    def phase(self):
        return PHASES.get(self.case.moment, self.case.moment)

    def untouched(self, tried=0):
        """The message waits, and nothing is held against it."""
        row = self.wait(self.row, "the message in the queue")
        self.t.equal(row["attempts"], tried, "attempts counted")
        states = self.daemon.recipients(self.id)
        self.t.equal(states[TARGET]["state"], "pending", "the recipient")
        if tried == 0:
            self.t.equal(states[TARGET]["reply"], None, "its reply")

    def says(self, text, what):
        """It quotes the server, and tells what to do."""
        row = self.case.row
        last = re.sub(r"^[\d.]+ ", "", row.lines[-1][4:])[-20:]
        self.t.true(str(row.code) in text and last in text,
                    "%s quotes the reply: %r" % (what, text))
        if row.cure and self.case.moment in row.outcomes:
            self.t.true(row.cure in text, "%s says %r: %r" % (
                what, row.cure, text))

    def expect_pause(self):
        outcome = self.case.outcome
        account = self.wait(
            lambda: self.account()["state"] == outcome.state and
            self.account(), "the account %s" % outcome.state)
        first = outcome.first * 1000
        self.t.true(first - 10000 < account["next_ms"] <= first * 1.126,
                    "%d s until a probe: %r" % (outcome.first, account))
        self.says(account["reason"], "the reason")
        self.t.true("said at " + self.phase() in account["reason"],
                    "where: %r" % account["reason"])
        self.wait_log(r"account-%s account=default next=\d+s reason=" %
                      outcome.state)
        self.untouched()
        self.t.true("connection-trouble" not in self.log(),
                    "nothing else is blamed")
        self.fake.clear_rules()
        self.daemon.ask("account.resume", all=True)
        self.arrives()

    def expect_back_off(self):
        self.wait(lambda: self.account()["backing_off"], "it backs off")
        account = self.account()
        self.t.equal(account["state"], "active", "the account")
        self.t.true(account["next_ms"] > 4 * MINUTE * 1000, "it waits")
        self.t.true(account["reason"], "a reason is given")
        self.says(self.wait_log(r"connection-trouble .*phase=%s.*" %
                                self.phase())[0].replace("\\", ""),
                  "the log")
        self.alarms()
        self.untouched()
        self.fake.clear_rules()
        self.daemon.ask("queue.flush")
        self.arrives()

    def alarms(self):
        """A line at error level, where nothing else says that somebody should
        look."""
        row = self.case.row
        if self.case.moment in row.alarm:
            said = self.wait_log(r" error: alarm .*%d.*" % row.code)
            self.t.true("advice=" in said[0], "advice: %r" % said[0])
        elif not row.alarm:
            self.t.true(" alarm " not in self.log(), "no alarm")

    def expect_reconnect(self):
        self.arrives()
        self.t.true(len(self.fake.sessions) > self.sessions,
                    "a new connection")
        self.t.equal(self.rule.used, 1, "times the reply was given")

    def expect_other_way(self):
        self.arrives()

    def expect_split(self):
        self.arrives()
        self.t.equal(self.got(), [[OTHER], [TARGET]], "two transactions")

    def alone(self):
        return self.case.moment == "RCPT"

    def expect_later(self):
        outcome = self.case.outcome
        row = self.wait(lambda: self.row() and self.row()["attempts"] == 1 and
                        self.row()["next_ms"] > 0 and self.row(),
                        "it is put off")
        wait = outcome.first * 1000
        self.t.true(wait - 20000 < row["next_ms"] <= wait,
                    "%d s until the next try: %r" % (outcome.first, row))
        self.judged("pending", "deferred")
        self.untouched(tried=1)
        self.fake.clear_rules()
        self.daemon.ask("queue.retry", id=self.id)
        self.arrives(attempt=2)

    def expect_fail(self):
        self.wait(lambda: self.id in [
            x["id"] for x in self.daemon.queue(failed=True)], "it fails")
        self.judged("failed", "failed")
        loops = self.case.row.cure == "loop"
        if loops:
            # a report might go round like the message
            self.wait_log(r"no-report id=%s" % self.id)
        else:
            self.says(self.report(), "the report")
        self.t.equal(self.got(), [[OTHER]] if self.alone() else [],
                     "arrivals")
        self.t.equal(self.account()["state"], "active", "the account")
        self.daemon.ask("queue.delete", id=self.id)
        # several that failed alike might tell of the account
        self.daemon.send(message(subject="after"))

    def report(self):
        def found():
            for x in list(self.fake.messages):
                if self.id.encode() in x.data and x.header("Auto-Submitted"):
                    self.t.equal(x.recipients, [self.sender()],
                                 "who gets the report")
                    return x
            return None

        report = self.wait(found, "a report")
        return re.sub(r"\s+", " ", report.data.decode())

    def judged(self, state, event):
        """The reply is kept with those it was about."""
        states = self.daemon.recipients(self.id)
        self.t.equal(states[TARGET]["state"], state, "the recipient")
        self.t.true(states[TARGET]["reply"].startswith(
            str(self.case.row.code)), "the reply: %r" % states)
        self.t.equal(states[OTHER]["state"],
                     "delivered" if self.alone() else state,
                     "the other recipient")
        self.wait_log(r"%s id=%s .*reply=\"?%d" % (
            event, self.id, self.case.row.code))
        self.t.equal(self.account()["state"], "active", "the account")
        self.t.true("connection-trouble" not in self.log(),
                    "nothing is wrong with the connection")
        self.alarms()

    def arrives(self, attempt=1):
        """At each recipient, once."""
        self.wait(self.is_gone, "it leaves the queue")
        got = self.got()
        self.t.equal(sorted(x for to in got for x in to), [OTHER, TARGET],
                     "who got it")
        # what was refused to everybody counts as one attempt
        said = self.wait_log(r"delivered id=%s .*attempt=\d+" % self.id)[0]
        self.t.true("attempt=%d" % attempt in said, "attempt: %r" % said)
        if self.case.outcome.kind not in ("back-off",):
            self.t.true("connection-trouble" not in self.log(),
                        "no trouble is told")
        account = self.account()
        self.t.equal((account["state"], account["backing_off"]),
                     ("active", False), "the account in the end")

    def finish(self):
        self.fake.clear_rules()
        self.daemon.ask("queue.flush")
        self.daemon.wait_queue_empty()
        self.t.equal(self.daemon.queue(failed=True), [], "failed messages")
        self.t.clean(self.fake)


def run_cases(t, cases):
    """By several daemons; the first failures are told."""
    todo = iter(cases)
    lock = threading.Lock()
    wrong = []

    def work():
        worker = Worker(t)
        while len(wrong) < 10:
            with lock:
                case = next(todo, None)
            if case is None:
                return
            try:
                worker.run(case)
            except Exception as error:  # noqa: told below
                wrong.append("%r at %s%s, %s: %s" % (
                    case.row.lines[0][:60], case.moment,
                    " twice" if case.times > 1 else "", case.outcome.kind,
                    error))
                if not recovers(worker):
                    return

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise AssertionError("\n".join(wrong))
    t.equal(next(todo, None), None, "cases left out")


def recovers(worker):
    """For the cases behind one that failed."""
    try:
        worker.fake.clear_rules()
        worker.fake.violations.clear()
        worker.daemon.ask("account.resume", all=True)
        worker.daemon.ask("queue.flush")
        worker.daemon.wait_queue_empty()
        for row in worker.daemon.queue(failed=True):
            worker.daemon.ask("queue.delete", id=row["id"])
    except Exception:  # noqa: it does not
        return False
    return True


def part(name, moments):
    def run(t):
        cases = [x for x in all_cases() if x.moment in moments]
        chosen = os.environ.get("REPLY")
        if chosen:
            cases = [x for x in cases if x.row.reply.startswith(chosen)]
        run_cases(t, cases)
        print("# %d replies, %d cases" % (len({x.row for x in cases}),
                                          len(cases)))

    run.__name__ = name
    scenario(run)


part("up_to_the_login_no_reply_is_a_messages_fault", START + ("AUTH",))
part("replies_within_a_transaction", MESSAGE)
part("replies_to_a_connection_that_is_reused", AGAIN + BETWEEN)


@scenario
def every_row_of_the_table_has_a_case(t):
    """Of the one in the source: its code, its enhanced code, its words."""
    path = os.path.join(os.environ.get("top_srcdir", "."),
                        "src/relay/gmail.c")
    with open(path, encoding="ascii") as source:
        table = source.read().split("rules[] =")[1].split("\n};")[0]
    rows = re.findall(r'\{(\d+), ([0245]), (NULL|"[^"]*"), (NULL|"[^"]*"),',
                      re.sub(r"\s+", " ", table))
    t.true(len(rows) > 90, "%d rows" % len(rows))
    for code, group, enhanced, words in rows:
        def fits(row):
            return (code in ("0", str(row.code)) and
                    group in ("0", str(row.code)[0]) and
                    (enhanced == "NULL" or enhanced[1:-1] in row.reply) and
                    (words == "NULL" or
                     words[1:-1].lower() in row.reply.lower()))

        if group != "2" and not any(fits(row) for row in ROWS):
            raise AssertionError("no case for %s" % [code, enhanced, words])


if __name__ == "__main__":
    main()

"""Every step of the dialogue upstream, with every fault: when the fault has
ended, each message has arrived once at each recipient, or its sender was told.
The only repeat is one whose answer to the last byte was lost, and the log says
so. No login leaves before the right certificate was seen.

Cases run on many accounts at a time, each with a server of its own."""
import collections
import itertools
import os
import re
import threading
import time

from lib.control import Refused
from lib.fakegmail import Behaviour
from lib.harness import main, scenario, wait_for
from lib.mail import base64_lines, key_of, without_received
from lib.smtpclient import message

ACCOUNTS = 10
DEADLINE = 60
LARGE = 300 * 1000
BAD_CERTIFICATES = ("expired", "wrong_name", "self_signed", "unknown_ca")
# handshake_failure, as a record of its own: in clear in the midst of a dialogue
# it is nonsense beneath TLS
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
SLOW = 0.2      # seconds a byte: beyond the second that an answer may take
PEOPLE = ["p1@example.net", "p2@example.net", "p3@example.net"]


def faults(right, tls=True):
    """name -> how a Rule does it; right is the code that should come."""
    right = str(right)
    found = {
        "drop": {"action": "drop"},
        "reset": {"action": "reset"},
        "stall": {"action": "stall"},
        "421": {"reply": "421 4.9.9 Going away."},
        "4xx": {"reply": "451 4.9.9 Not now."},
        "5xx": {"reply": "554 5.9.9 Never."},
        "garbage": {"raw": b"\xff\xfe What? \x80\x81\r\n"},
        "endless": {"raw": right.encode() + b"-and more\r\n", "endless": True},
        "endless nonsense": {"raw": b"\x80", "endless": True},
        "over-long line": {"raw": right.encode() + b" " + b"x" * 200000},
        "wrong 1yz": {"reply": "150 Wait."},
        "wrong 2yz": {"reply": "299 Good."},
        "wrong 3yz": {"reply": "399 Go on."},
        "NUL": {"raw": right.encode() + b" 2.0.0 O\0K\0\r\n"},
        "no code": {"raw": b"OK\r\n"},
        "two codes": {"raw": right.encode() + b"-OK\r\n554 No.\r\n"},
        "one byte a second": {"raw": right.encode() + b" 2.0.0 This comes.\r\n",
                              "trickle": SLOW},
    }
    if tls:
        found["TLS alert"] = {"raw": ALERT, "under": True}
    return found


def handshake_faults():
    found = faults(220, tls=False)
    for how in found.values():
        if "reply" in how:
            how["raw"] = how.pop("reply").encode() + b"\r\n"
    found["TLS alert"] = {"raw": ALERT}
    found["NUL"] = {"raw": b"\0" * 512}
    found["over-long record"] = {"raw": b"\x16\x03\x03\xff\xff" + b"x" * 70000}
    found["one byte a second"] = {"raw": b"\x16\x03\x03\x00\x50\x02",
                                  "trickle": SLOW}
    for name in BAD_CERTIFICATES:
        found["certificate " + name] = {"certificate": name}
    return found


def starttls_faults():
    found = faults(220, tls=False)
    found["injected"] = {"raw": b"220 Go.\r\n250 2.0.0 injected\r\n"}
    found["injected login"] = {
        "raw": b"220 Go.\r\n250-x\r\n250 AUTH PLAIN\r\n235 2.7.0 Accepted\r\n"}
    return found


def connect_faults():
    return {name: how for name, how in faults(220).items()
            if name in ("drop", "reset", "stall")}


def body_faults():
    """A yes to a message that has all left for the server's kernel cannot be
    told from one to all of it: see an_early_yes_is_no_answer."""
    found = faults(354)
    del found["wrong 2yz"]
    return found


def behind_faults():
    """Said behind the 250 that the message got."""
    found = {}
    for name, how in faults(250).items():
        how = dict(how)
        if "action" in how and how["action"] == "stall":
            continue  # nothing is waited for
        if how.pop("endless", False):
            how["raw"] *= 300 * 1000 // len(how["raw"])
        how.pop("trickle", None)
        how["behind"] = how.pop("raw", None) or how.pop("reply", None)
        how["reply"] = "250 2.0.0 OK"
        found[name] = how
    return found


def taken(found):
    """The server has the message, whatever becomes of its answer."""
    for name, how in found.items():
        if name not in ("421", "4xx", "5xx"):
            how["taken"] = True
    return found


Case = collections.namedtuple("Case", "step fault via how")

# step -> (phase, faults, what more the rule needs)
STEPS = {
    "connect": ("CONNECT", connect_faults, {}),
    "greeting": ("BANNER", lambda: faults(220, tls=False), {}),
    "EHLO": ("EHLO", lambda: faults(250, tls=False), {}),
    "STARTTLS": ("STARTTLS", starttls_faults, {}),
    "handshake": ("TLS", handshake_faults, {}),
    "EHLO after TLS": ("EHLO", lambda: faults(250), {"nth": 2}),
    "AUTH": ("AUTH", lambda: faults(235), {}),
    "MAIL": ("MAIL", lambda: faults(250), {"match": "FROM:<device@"}),
    "RCPT 2": ("RCPT", lambda: faults(250), {"match": "<p2@"}),
    "DATA": ("DATA", lambda: faults(354), {}),
    "body": ("MIDDATA", body_faults, {"after_bytes": LARGE // 3}),
    "last byte": ("FINAL", lambda: taken(faults(250)),
                  {"match": "Subject: first\r"}),
    "after it": ("FINAL", behind_faults, {"match": "Subject: first\r"}),
    "RSET": ("RSET", lambda: faults(250), {}),
    "QUIT": ("QUIT", lambda: faults(221), {}),
}
# and where the next message is on its way already
AHEAD = {
    "last byte, one ahead": ("FINAL", lambda: taken(faults(250)),
                             {"match": "Subject: first\r"}),
    "after it, one ahead": ("FINAL", behind_faults,
                            {"match": "Subject: first\r"}),
    "RSET ahead": ("RSET", lambda: faults(250), {}),
    "MAIL ahead": ("MAIL", lambda: faults(250), {"nth": 2}),
    "RCPT 2 ahead": ("RCPT", lambda: faults(250), {"match": "<p2@", "nth": 2}),
    "last byte ahead": ("FINAL", lambda: taken(faults(250)),
                        {"match": "Subject: second\r"}),
}


# Where the answer to the last byte can be lost. What goes out in one flight with
# its envelope is whole with the server before the answer to MAIL is read.
LOSES_ANSWER = {
    "DATA": {"last byte"},
    "BDAT": {"MAIL", "RCPT 2", "last byte"} | set(AHEAD),
}


def on_the_tls_port():
    """Those steps that come in another order there."""
    return [x._replace(how=dict(x.how, nth=1)) for x in all_cases()
            if x.via == "BDAT" and x.step in (
                "connect", "handshake", "greeting", "EHLO after TLS", "AUTH")]


def all_cases():
    cases = []
    for step, (phase, make, more) in list(STEPS.items()) + list(AHEAD.items()):
        for via in ("DATA", "BDAT"):
            if (step == "DATA" and via == "BDAT") or (
                    step in AHEAD and via == "DATA"):
                continue
            for name, how in make().items():
                cases.append(Case(step, name, via,
                                  dict(how, phase=phase, times=1, **more)))
    return cases


class Sent:
    """One message on its way, and whom it must reach."""

    def __init__(self, ident, data):
        self.ident = ident
        self.data = data
        self.key = key_of(data)


class Lane:
    """One account with its server, and cases one after the other."""

    def __init__(self, t, daemon, fake, number):
        self.t = t
        self.daemon = daemon
        self.fake = fake
        self.name = "a%d" % number
        self.source = "127.0.0.%d" % (20 + number)
        self.repeats = 0
        self.gone_ahead = 0

    # -- the daemon --------------------------------------------------------

    def account(self, what):
        self.daemon.ask("account." + what, name=self.name)

    def state(self):
        return self.daemon.account_state(self.name)

    def send(self, subject, recipients, sender="device@example.org",
             large=False):
        body = base64_lines(7, LARGE) if large else b"Hello.\r\n"
        data = message(subject=subject, body=body)
        with self.daemon.client(source=self.source) as client:
            client.ehlo()
            reply = client.mail(sender, recipients, data)
            client.cmd("QUIT")
        return Sent(self.daemon.id_of(reply), data)

    def show(self, sent):
        """The message's row, or None when it is gone."""
        try:
            return self.daemon.ask("queue.show", id=sent.ident)[0]["message"]
        except Refused:
            return None

    def settled(self, sent):
        """Out of the queue; helps where the account waits for somebody."""
        row = self.show(sent)
        if row is None:
            # it may be on its way from the receiver
            return re.search(r"(delivered|failed) id=" + sent.ident,
                             self.daemon.log_now())
        if row["state"] == "failed":
            return True
        state = self.state()
        if state["state"] != "active" or state["backing_off"]:
            self.account("resume")
        return False

    # -- a case ------------------------------------------------------------

    def run(self, case):
        fake = self.fake
        self.account("pause")
        wait_for(lambda: self.state()["connections"] == 0, DEADLINE,
                 "no connection")
        fake.behaviour = Behaviour()
        if case.via == "DATA":
            fake.behaviour.strip = {"CHUNKING"}
        self.start = len(fake.messages), len(fake.sessions)
        if case.step in ("RSET", "QUIT"):
            sent = self.run_behind(case)
        else:
            self.rule = fake.rule(**case.how)
            sent = self.hand_in(case)
            self.account("resume")
        fake.wait(lambda: self.rule.used, DEADLINE, "the fault's moment")
        for one in sent:
            wait_for(lambda: self.settled(one), DEADLINE,  # noqa: B023
                     "the end of message %s" % one.ident)
        fake.clear_rules()
        self.check(case, sent)

    def hand_in(self, case):
        sent = [self.send("first", PEOPLE, large=case.step == "body")]
        if case.step in AHEAD:
            # the second one is written before the first one's answer
            self.rule.delay = 0.05
            self.fake.rule("FINAL", match="Subject: first\r", delay=0.05,
                           times=1)
            sent.append(self.send("second", PEOPLE))
        return sent

    def run_behind(self, case):
        """At the end of another message, or of the connection."""
        fake = self.fake
        self.account("resume")
        if case.step == "RSET":
            fake.rule("RCPT", "550 5.1.1 No such user.", match="nobody@",
                      times=1)
        self.rule = fake.rule(**case.how)
        before = self.send("before", ["nobody@example.net"], sender="")
        wait_for(lambda: self.settled(before), DEADLINE, "the one before")
        if case.step == "RSET":
            self.daemon.ask("queue.delete", id=before.ident)
        else:
            self.account("pause")
        fake.wait(lambda: self.rule.used, DEADLINE, "the fault's moment")
        sent = [self.send("first", PEOPLE)]
        self.account("resume")
        return sent

    # -- what has come of it -----------------------------------------------

    def check(self, case, sent):
        fake, t = self.fake, self.t
        sessions = fake.sessions[self.start[1]:]
        # a fault that stalls may still take what it has read
        wait_for(lambda: all(x.ended for x in sessions[:-1]), DEADLINE,
                 "the end of broken connections")
        refused = case.fault == "5xx" and case.step.startswith("RCPT 2")
        bad = sent[-1] if refused else None
        for one in sent:
            self.check_arrivals(case, one, one is bad)
        if bad:
            self.check_report(bad)
        t.true(len(sessions) <= 12, "%d connections" % len(sessions))
        t.clean(fake)
        self.check_secrecy(case, sessions)
        if case.step in AHEAD:
            self.gone_ahead += any(went_ahead(x) for x in sessions)

    def check_arrivals(self, case, one, refused):
        got = [x for x in self.fake.messages[self.start[0]:]
               if x.header("Message-ID") == [one.key]]
        count = collections.Counter(
            to for x in got for to in x.recipients)
        people = [x for x in PEOPLE if not (refused and x == PEOPLE[1])]
        self.t.equal(sorted(count), people, "who got it")
        for x in got:
            self.t.true(without_received(x.data) == one.data, "octet by octet")
        most = max(count.values())
        if most == 1:
            return
        self.repeats += 1
        self.t.equal(most, 2, "times it arrived")
        self.t.true(case.step in LOSES_ANSWER[case.via] or
                    # all of it lies in the server's kernel
                    (case.step, case.fault) == ("body", "stall"), "a repeat")
        self.t.true("in-doubt id=" + one.ident in self.daemon.log_now(),
                    "a repeat is told as in doubt")

    def check_report(self, sent):
        def reports():
            return [x for x in list(self.fake.messages)
                    if x.header("Auto-Submitted") and
                    sent.ident.encode() in x.data]

        wait_for(reports, DEADLINE, "a report")
        self.t.equal([x.recipients for x in reports()],
                     [["device@example.org"]], "reports")
        states = self.daemon.recipients(sent.ident)
        self.t.equal(states[PEOPLE[1]]["state"], "failed", "who failed")
        self.daemon.ask("queue.delete", id=sent.ident)

    def check_secrecy(self, case, sessions):
        """What was said in clear, and to a server that is not the right one."""
        for x in sessions:
            clear = {text.split()[0] for text, secure in x.commands
                     if not secure}
            self.t.true(clear <= {"EHLO", "STARTTLS", "QUIT"},
                        "in clear: %s" % clear)
        if case.step in ("connect", "greeting", "EHLO", "STARTTLS",
                         "handshake") and case.fault != "NUL":
            first = sessions[0]
            self.t.equal(first.user, None, "a login")
            self.t.true(all(x.session != first.number
                            for x in self.fake.transactions), "a message")


def went_ahead(session):
    verbs = [text.split()[0] for text, _ in session.commands]
    return any(a == "BDAT" and b == "RSET"
               for a, b in zip(verbs, verbs[1:]))


def make_lanes(t, tls):
    fakes = [t.fake() for _ in range(ACCOUNTS)]
    daemon = t.daemon(
        fakes[0], retry=["1s"], backoff=["1s", "1s"],
        clients=[{"networks": ["127.0.0.%d" % (20 + i)], "account": "a%d" % i}
                 for i in range(ACCOUNTS)])
    daemon.accounts = [
        dict(daemon.account(connect_timeout="1s", reply_timeout="1s",
                            final_timeout="1s", messages_per_connection=1000),
             name="a%d" % i, tls=tls,
             port=fake.port if tls == "starttls" else fake.implicit_port)
        for i, fake in enumerate(fakes)]
    daemon.write_config()
    daemon.start()
    return [Lane(t, daemon, fake, i) for i, fake in enumerate(fakes)]


def run_cases(t, cases, tls="starttls"):
    chosen = os.environ.get("FAULT")
    if chosen:
        cases = [x for x in cases if chosen in "%s/%s/%s" % x[:3]]
    lanes = make_lanes(t, tls)
    started = time.monotonic()
    todo = iter(cases)
    lock = threading.Lock()
    wrong = []

    def work(lane):
        while len(wrong) < 20:
            with lock:
                case = next(todo, None)
            if case is None:
                return
            try:
                lane.run(case)
            except Exception as error:  # noqa: told below
                wrong.append("%s at %s by %s, account %s: %s" % (
                    case.fault, case.step, case.via, lane.name, error))
                return

    threads = [threading.Thread(target=work, args=(x,)) for x in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise AssertionError("\n".join(wrong))
    lanes[0].daemon.wait_queue_empty()
    t.true("All is well" not in lanes[0].daemon.log_now(),
           "nothing is well where a connection ended")
    ahead = sum(x.step in AHEAD for x in cases)
    gone = sum(x.gone_ahead for x in lanes)
    t.true(gone >= ahead * 9 // 10, "%d of %d went ahead" % (gone, ahead))
    print("# cases=%d repeats=%d in-doubt=%d lost=0 seconds=%.0f" % (
        len(cases), sum(x.repeats for x in lanes),
        lanes[0].daemon.log_now().count("in-doubt id="),
        time.monotonic() - started))


@scenario
def each_step_with_each_fault(t):
    run_cases(t, all_cases())


@scenario
def each_step_with_each_fault_on_the_tls_port(t):
    run_cases(t, on_the_tls_port(), "implicit")


def early_yes(t, strip):
    fake = t.fake()
    fake.behaviour.strip = strip
    rule = fake.rule("MIDDATA", "250 2.0.0 OK", after_bytes=1000, times=1)
    daemon = t.daemon(fake, account={"reply_timeout": "5s"}).start()
    data = message(body=base64_lines(1, 20 * 1000 * 1000))
    daemon.send(data)
    daemon.wait_queue_empty()
    t.equal(rule.used, 1, "early answers")
    t.equal(len(fake.messages), 1, "messages")
    t.true(without_received(fake.messages[0].data) == data, "octet by octet")
    t.clean(fake)


@scenario
def an_early_yes_is_no_answer(t):
    early_yes(t, set())


@scenario
def an_early_yes_is_no_answer_to_data_either(t):
    early_yes(t, {"CHUNKING"})


if __name__ == "__main__":
    main()

"""How long an account pauses, how it wakes, and who sees it: pauses grow from one
probe to the next, outlive a restart, and end with the first success."""
import os
import re

from lib.faults import FSYNC, Faults
from lib.gmailreplies import HOUR, MINUTE
from lib.harness import main, scenario, wait_for
from lib.smtpclient import message


def next_probe(daemon, state, before):
    """Waits until the account is paused anew; for how long, in seconds, less
    the random part."""
    def paused():
        found = re.findall(r"account-%s account=default next=(\d+)s" % state,
                           daemon.log())
        return found if len(found) > before else None

    return int(wait_for(paused, 30, "pause %d" % (before + 1))[-1])


def pauses(t, reply, state, steps, probe):
    """The reply is said to every probe; returns fake and daemon."""
    fake = t.fake()
    fake.rule("AUTH" if reply.startswith("53") else "FINAL", reply)
    daemon = t.daemon(fake).start()
    daemon.send(message(subject="probe"))
    for i, step in enumerate(steps):
        wait = next_probe(daemon, state, i)
        t.true(step <= wait <= step * 1.126, "pause %d: %d s, not %d" % (
            i, wait, step))
        if i + 1 < len(steps):
            probe(daemon)
    t.equal(daemon.queue()[0]["attempts"], 0, "attempts counted")
    t.equal(daemon.queue(failed=True), [], "failed messages")
    fake.clear_rules()
    return fake, daemon


def flush(daemon):
    daemon.ask("queue.flush")


def end_pause(daemon):
    """As if the daemon had been down until then."""
    daemon.stop()
    path = os.path.join(daemon.spool, "state/default")
    with open(path, encoding="ascii") as source:
        text = source.read()
    with open(path, "w", encoding="ascii") as out:
        out.write(re.sub(r"(?m)^until .*$", "until 1", text))
    daemon.start()


@scenario
def a_throttled_account_pauses_longer_each_time(t):
    steps = [min(MINUTE * 2 ** i, 30 * MINUTE) for i in range(7)]
    fake, daemon = pauses(t, "421 4.3.0 Temporary System Problem.",
                          "throttled", steps, flush)
    daemon.ask("queue.flush")
    daemon.wait_queue_empty()
    t.equal(daemon.account_state()["state"], "active", "the account")
    # a success begins anew
    fake.rule("FINAL", "421 4.3.0 Temporary System Problem.", times=1)
    daemon.send(message())
    t.true(next_probe(daemon, "throttled", len(steps)) < 2 * MINUTE,
           "a short pause again")


@scenario
def an_account_over_its_quota_is_probed_ever_more_rarely(t):
    _, daemon = pauses(t, "550 5.4.5 Daily user sending limit exceeded.",
                       "over-quota", [x * HOUR for x in (1, 2, 4, 4)],
                       end_pause)
    daemon.ask("account.resume", all=True)
    daemon.wait_queue_empty()
    t.equal(daemon.account_state()["state"], "active", "the account")


@scenario
def a_held_account_is_probed_after_an_hour_and_then_twice_a_day(t):
    fake = t.fake()
    fake.rule("AUTH", "535 5.7.8 Username and Password not accepted.")
    daemon = t.daemon(fake).start()
    daemon.send(message())
    t.true(next_probe(daemon, "held", 0) < 1.2 * HOUR, "an hour first")
    flush(daemon)
    used = len(fake.logins)
    for i in range(2):
        end_pause(daemon)
        t.true(12 * HOUR <= next_probe(daemon, "held", i + 1) < 14 * HOUR,
               "twelve hours then")
    t.equal(len(fake.logins), used + 2, "logins: none by a flush")
    fake.clear_rules()
    daemon.stop()
    daemon.start()
    t.equal(daemon.account_state()["state"], "held", "after a restart")
    daemon.ask("account.resume", all=True)
    daemon.wait_queue_empty()


@scenario
def one_probe_wakes_an_account(t):
    fake = t.fake()
    fake.rule("FINAL", "421 4.3.0 Temporary System Problem.", times=2)
    daemon = t.daemon(fake, account={"connections": 5}).start()
    daemon.ask("account.pause", all=True)
    for i in range(8):
        daemon.send(message(subject="m%d" % i))
    hold = fake.rule("FINAL", action="stall", nth=1, times=1)
    daemon.ask("account.resume", all=True)
    daemon.wait_account("throttled")
    wait_for(lambda: daemon.account_state()["connections"] == 0, 20, "an end")
    while not hold.used:
        daemon.ask("queue.flush")
        wait_for(lambda: hold.used or
                 daemon.account_state()["connections"] == 0, 20, "a probe")
    t.equal(daemon.status()["queue"]["sending"], 1, "messages on their way")
    hold.release()
    daemon.wait_queue_empty()
    t.equal(sorted(x.header("Subject")[0] for x in fake.messages),
            ["m%d" % i for i in range(8)], "messages")


@scenario
def states_that_are_being_saved_hold_up_no_mail(t):
    fake = t.fake()
    daemon = t.daemon(fake)
    faults = Faults(daemon)
    daemon.start()
    faults.delay("mover", FSYNC, 20)
    for _ in range(20):
        daemon.ask("account.pause", all=True)
        daemon.ask("account.resume", all=True)
    daemon.send(message())
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    t.true(faults.count == 1, "the disk was slow")


@scenario
def three_messages_taken_for_spam_pause_the_account(t):
    fake = t.fake()
    fake.rule("FINAL", "550 5.7.1 Our system has detected that this message "
              "is likely unsolicited mail.", match=r"\AReceived:[^\0]*Subject: spam\r",
              times=3)
    daemon = t.daemon(fake).start()
    for i in range(3):
        t.equal(daemon.account_state()["state"], "active", "message %d" % i)
        daemon.send(message(subject="spam"))
        wait_for(lambda: len(daemon.queue(failed=True)) > i, 20, "a failure")
        # the reports go through, which says nothing about the rest
    account = daemon.wait_account("throttled")
    t.true(50 * MINUTE * 1000 < account["next_ms"] <= 1.13 * HOUR * 1000,
           "an hour: %r" % account)
    t.true("unwanted" in account["reason"], account["reason"])
    daemon.send(message(subject="good"))
    flush(daemon)
    daemon.wait_queue_empty()
    t.equal(daemon.account_state()["state"], "active", "the account")
    t.equal(len([x for x in fake.messages if x.header("Auto-Submitted")]), 3,
            "reports")


@scenario
def what_quit_is_answered_is_nothing(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    for how in ({"reply": "421 4.7.0 x"}, {"reply": "550 5.4.5 x"},
                {"reply": "535 5.7.8 x"}, {"action": "drop"},
                {"action": "reset"}, {"action": "stall"}):
        rule = fake.rule("QUIT", times=1, **how)
        daemon.send(message())
        daemon.wait_queue_empty()
        daemon.ask("account.pause", all=True)
        fake.wait(lambda: rule.used, 20, "QUIT")  # noqa: B023
        daemon.ask("account.resume", all=True)
        daemon.send(message())
        daemon.wait_queue_empty()
        t.equal(daemon.account_state()["state"], "active", "the account")
        fake.clear_rules()
    t.true("connection-trouble" not in daemon.log_now(), "trouble in the log")
    t.equal(len(fake.messages), 12, "messages")


@scenario
def a_person_and_a_program_see_a_paused_account(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    t.equal(daemon.ctl_run("status").returncode, 0, "status")
    for status, phase, reply in (
            (0, "FINAL", "421 4.3.0 Temporary System Problem."),
            (1, "FINAL", "550 5.4.5 Daily limit exceeded."),
            (1, "AUTH", "534 5.7.9 Please log in with your web browser.")):
        fake.rule(phase, reply, times=1)
        daemon.send(message())
        wait_for(lambda: daemon.account_state()["state"] != "active", 20,
                 "a pause")
        done = daemon.ctl_run("status", json_output=False)
        t.equal(done.returncode, status, "gmrelayctl status for %r" % reply)
        t.true(reply[4:20] in done.stdout, "it quotes: %r" % done.stdout)
        daemon.ask("account.resume", all=True)
        daemon.wait_queue_empty()
        daemon.ask("account.pause", all=True)  # the next one logs in
        wait_for(lambda: daemon.account_state()["connections"] == 0, 20,
                 "an end")
        daemon.ask("account.resume", all=True)
    t.equal(daemon.ctl_run("status").returncode, 0, "status")


if __name__ == "__main__":
    main()

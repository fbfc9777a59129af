"""An account's state outlives whoever knew it: held, throttled, over its quota,
by hand and by its own count, also when the relay is killed. Nothing is sent
before its time, one probe wakes it, and the next pause is as long as if nobody
had died."""
import os

from lib.gmailreplies import HOUR, MINUTE
from lib.harness import main, scenario, wait_for
from lib.smtpclient import message

# name, where and what Gmail says, the state, the second pause
REPLIES = [
    ("held", "AUTH", "535 5.7.8 Username and Password not accepted.", "held",
     12 * HOUR),
    ("held_for_the_web", "AUTH", "534 5.7.9 Please log in with your web "
     "browser and then try again.", "held", 12 * HOUR),
    ("throttled", "FINAL", "421 4.3.0 Temporary System Problem.", "throttled",
     2 * MINUTE),
    ("throttled_at_login", "AUTH", "454 4.7.0 Too many login attempts, please "
     "try again later.", "throttled", 30 * MINUTE),
    ("over_its_quota", "FINAL", "550 5.4.5 Daily user sending limit exceeded.",
     "over-quota", 2 * HOUR),
]


def saved_state(daemon):
    try:
        with open(os.path.join(daemon.spool, "state/default"),
                  encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def wait_saved(daemon, state):
    wait_for(lambda: "state %s\n" % state in saved_state(daemon), 20,
             "%s on disk" % state)


def kill(daemon):
    pid = daemon.kill_role("relay")
    daemon.wait_role_again("relay", pid)


def restart(daemon):
    daemon.stop()
    daemon.start()


def kill_all(daemon):
    daemon.kill_all()
    daemon.start()


def outlives(name, phase, reply, state, second):
    def run(t):
        fake = t.fake()
        rule = fake.rule(phase, reply)
        daemon = t.daemon(fake).start()
        daemon.send(message(subject="first"))
        before = daemon.wait_account(state)
        wait_saved(daemon, state)
        used, sessions = rule.used, len(fake.sessions)
        for die in (kill, restart, kill_all):
            die(daemon)
            after = daemon.account_state()
            t.equal((after["state"], after["reason"]),
                    (state, before["reason"]), "after %s" % die.__name__)
            t.true(0 < after["next_ms"] <= before["next_ms"] + 1000 and
                   after["next_ms"] > before["next_ms"] - 60 * 1000,
                   "the rest of the pause: %r" % after)
            daemon.send(message(subject="more"))
        # four messages wait, and nobody has tried
        t.equal(daemon.queued(), 4, "queued messages")
        t.equal((rule.used, len(fake.sessions)), (used, sessions),
                "replies and connections")
        # the probe that then goes fails: the pause has grown, as ever
        wait_probe(daemon, fake, rule, used)
        grown = wait_for(
            lambda: daemon.account_state()["next_ms"] > 30 * 1000
            and daemon.account_state(), 20, "a pause anew")
        t.equal(grown["state"], state, "the state")
        t.true(second * 1000 - 10000 < grown["next_ms"] <=
               second * 1126, "its length: %r" % grown)
        t.equal(rule.used, used + 1, "probes")
        fake.clear_rules()
        daemon.ask("account.resume", all=True)
        daemon.wait_queue_empty()
        t.equal(len(fake.messages), 4, "messages")
        wait_saved(daemon, "active")
        kill(daemon)
        t.equal(daemon.account_state()["state"], "active", "the account")
        t.clean(fake)

    run.__name__ = "%s_outlives_kills" % name
    scenario(run)


def wait_probe(daemon, fake, rule, used):
    """The pause is over while nobody lives."""
    daemon.stop()
    path = os.path.join(daemon.spool, "state/default")
    text = saved_state(daemon)
    with open(path, "w", encoding="utf-8") as file:
        for line in text.splitlines(keepends=True):
            file.write("until 1\n" if line.startswith("until ") else line)
    daemon.start()
    fake.wait(lambda: rule.used > used, 20, "a probe")


for _reply in REPLIES:
    outlives(*_reply)


@scenario
def a_pause_by_hand_outlives_kills(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.ask("account.pause", all=True, why="for a test")
    wait_saved(daemon, "held")
    daemon.send(message())
    for die in (kill, restart, kill_all):
        die(daemon)
        account = daemon.account_state()
        t.equal((account["state"], account["paused_by_hand"],
                 account["reason"]), ("held", True, "for a test"),
                "after %s" % die.__name__)
    t.equal(fake.sessions, [], "connections")
    daemon.ask("account.resume", all=True)
    fake.wait_messages(1)


@scenario
def its_own_daily_count_outlives_kills(t):
    fake = t.fake()
    daemon = t.daemon(fake, account={"daily_messages": 2}).start()
    for _ in range(3):
        daemon.send(message())
    daemon.wait_account("over-quota")
    wait_saved(daemon, "over-quota")
    for die in (kill, restart, kill_all):
        die(daemon)
        account = daemon.account_state()
        t.equal((account["state"], account["messages_day"]),
                ("over-quota", 2), "after %s" % die.__name__)
    t.equal(len(fake.messages), 2, "messages")


@scenario
def one_probe_at_a_time_whatever_the_state(t):
    """Never two messages on the wire before the first one's result: neither by
    another connection nor ahead on the same."""
    for reply, state, connections in (
            ("421 4.3.0 Temporary System Problem.", "throttled", 4),
            ("421 4.3.0 Temporary System Problem.", "throttled", 1),
            ("550 5.4.5 Daily user sending limit exceeded.", "over-quota", 1),
            ("550 5.7.0 Mail relay denied [192.0.2.1].", "held", 1)):
        fake = t.fake()
        fake.rule("FINAL", reply, times=1)
        daemon = t.daemon(fake, account={"connections": connections}).start()
        daemon.send(message(subject="m0"))
        daemon.wait_account(state)
        wait_saved(daemon, state)
        for i in range(1, 8):
            daemon.send(message(subject="m%d" % i))
        probe = fake.rule("FINAL", action="stall", times=1)
        wait_probe(daemon, fake, probe, 0)
        # as many as it likes could go by now
        daemon.ask("queue.flush")
        t.equal(daemon.status()["queue"]["sending"], 1,
                "messages on their way while %s" % state)
        t.equal(len(fake.messages), 0, "messages")
        logged_in = [x for x in fake.sessions if x.user and not x.ended]
        t.equal(len(logged_in), 1, "connections while %s" % state)
        probe.release()
        daemon.wait_queue_empty()
        t.equal(sorted(x.header("Subject")[0] for x in fake.messages),
                ["m%d" % i for i in range(8)], "messages")
        t.equal(daemon.account_state()["state"], "active", "the account")
        daemon.stop()


@scenario
def being_slowed_down_makes_it_slower(t):
    """And what goes through makes it as fast as it was."""
    fake = t.fake()
    daemon = t.daemon(fake, account={"connections": 4,
                                     "messages_per_connection": 1000}).start()
    t.equal(daemon.account_state()["gap_ms"], 0, "gap")
    for step, gap in enumerate((1000, 2000), 1):
        fake.rule("FINAL", "421 4.3.0 Temporary System Problem.", times=2)
        daemon.send(message())
        daemon.wait_log("account-throttled", count=2 * step - 1)
        daemon.ask("queue.flush")
        daemon.wait_log("account-throttled", count=2 * step)
        # the probe heard the same: that is one trouble
        t.equal(daemon.account_state()["gap_ms"], gap, "gap of trouble %d" %
                step)
        daemon.ask("queue.flush")
        daemon.wait_queue_empty()
        t.equal(daemon.account_state()["gap_ms"], gap, "gap thereafter")
    daemon.ask("account.resume", all=True)
    t.equal(daemon.account_state()["gap_ms"], 0, "gap after a person's word")


def sender_refused(fake, match):
    return fake.rule("MAIL", "553 5.1.7 The sender address is not a valid RFC "
                     "5321 address.", match=match)


@scenario
def a_refused_sender_is_changed_for_the_accounts(t):
    fake = t.fake()
    sender_refused(fake, "FROM:<device@")
    daemon = t.daemon(fake).start()
    ident = daemon.send(message())
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    t.equal(fake.messages[0].sender, fake.behaviour.user, "sender")
    t.equal(daemon.queue(failed=True), [], "failed messages")
    daemon.wait_log("sender-refused id=%s from=device@example.org reply="
                    % ident)
    t.clean(fake)


@scenario
def an_account_whose_own_sender_is_refused_fails_nothing(t):
    fake = t.fake()
    sender_refused(fake, "FROM:")
    daemon = t.daemon(fake, account={"from": "auto"}).start()
    sent = [daemon.send(message()) for _ in range(3)]
    account = daemon.wait_account("throttled")
    t.true("nothing is given up" in account["reason"], account["reason"])
    t.equal(daemon.queue(failed=True), [], "failed messages")
    fake.clear_rules()
    daemon.ask("account.resume", all=True)
    daemon.ask("queue.flush")
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), len(sent), "messages")


if __name__ == "__main__":
    main()

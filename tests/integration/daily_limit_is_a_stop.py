"""A daily limit is a stop: nothing goes out beyond it, whatever is waiting and
whoever flushes; and to raise it is enough to go on."""
import re
import signal

from lib.harness import main, scenario, wait_for
from lib.smtpclient import message

DAILY_LIMIT = ("550 5.4.5 Daily user sending limit exceeded. For more "
               "information on Gmail sending limits go to")


def people(count):
    return ["p%d@example.net" % i for i in range(count)]


def sent(fake):
    """Recipients that were delivered to."""
    return sum(len(x.recipients) for x in list(fake.messages))


def settle(daemon):
    """All that was asked before has been looked at: one more message has come
    in, and the relay knows it."""
    ident = daemon.send(message(), ["after@example.net"])
    wait_for(lambda: ident in [x["id"] for x in daemon.queue()], 20,
             "the message is in the queue")
    return daemon.account_state()


def limited(t, **account):
    fake = t.fake()
    return fake, t.daemon(fake, account=account).start()


@scenario
def no_recipient_goes_out_beyond_the_limit(t):
    fake, daemon = limited(t, daily_recipients=100)
    for _ in range(3):
        daemon.send(message(), people(99))
    daemon.wait_account("over-quota")
    t.equal(sent(fake), 100, "recipients sent to")
    t.equal(daemon.queued(), 2, "messages that wait")
    wait_for(lambda: sorted(x["pending"] for x in daemon.queue()) == [98, 99],
             20, "recipients that wait")
    t.clean(fake)


@scenario
def what_is_under_way_counts_for_all_connections(t):
    fake = t.fake()
    # all four have begun before the first one has its answer
    fake.rule("FINAL", delay=0.3, reply="250 2.0.0 OK")
    daemon = t.daemon(fake, account={"daily_messages": 6, "connections": 4})
    daemon.start()
    for _ in range(12):
        daemon.send(message())
    daemon.wait_account("over-quota")
    t.equal(len(fake.messages), 6, "messages sent")
    t.equal(settle(daemon)["messages_day"], 6, "messages counted")


@scenario
def a_flush_does_not_lift_the_own_limit(t):
    fake, daemon = limited(t, daily_messages=2)
    for _ in range(4):
        daemon.send(message())
    daemon.wait_account("over-quota")
    sessions = len(fake.sessions)
    daemon.ask("queue.flush")
    t.equal(settle(daemon)["state"], "over-quota", "after queue flush")
    daemon.signal(signal.SIGUSR1)
    t.equal(settle(daemon)["state"], "over-quota", "after USR1")
    t.equal(len(fake.messages), 2, "messages sent")
    t.equal(len(fake.sessions), sessions, "connections")


@scenario
def a_flush_does_not_probe_gmails_limit(t):
    fake = t.fake()
    rule = fake.rule("FINAL", DAILY_LIMIT)
    daemon = t.daemon(fake).start()
    daemon.send(message())
    account = daemon.wait_account("over-quota")
    t.true(account["next_ms"] > 10 * 60 * 1000, "it waits: %r" % account)
    daemon.ask("queue.flush")
    account = settle(daemon)
    t.equal(account["state"], "over-quota", "after queue flush")
    t.true(account["next_ms"] > 10 * 60 * 1000, "it waits on: %r" % account)
    t.equal(rule.used, 1, "attempts")
    fake.clear_rules()
    daemon.ask("account.resume", name="default")
    daemon.wait_queue_empty()


def raised(name, again):
    def run(t):
        fake, daemon = limited(t, daily_recipients=5)
        for _ in range(8):
            daemon.send(message())
        daemon.wait_account("over-quota")
        t.equal(sent(fake), 5, "recipients sent to")
        daemon.accounts[0]["daily-recipients"] = 100
        daemon.write_config()
        again(daemon)
        daemon.wait_queue_empty()
        t.equal(sent(fake), 8, "recipients sent to")
        t.equal(daemon.account_state()["state"], "active", "the account")

    run.__name__ = name
    scenario(run)


def restart(daemon):
    daemon.stop()
    daemon.start()


raised("a_raised_limit_and_a_reload_go_on", lambda daemon: daemon.reload())
raised("a_raised_limit_and_a_restart_go_on", restart)


@scenario
def a_pause_by_hand_is_more_than_the_limit(t):
    """It stays when there is room again."""
    fake, daemon = limited(t, daily_messages=1)
    for _ in range(2):
        daemon.send(message())
    daemon.wait_account("over-quota")
    daemon.ask("account.pause", all=True, why="by me")
    daemon.accounts[0]["daily-messages"] = 100
    daemon.write_config()
    restart(daemon)
    account = daemon.account_state()
    t.equal((account["state"], account["reason"]), ("held", "by me"),
            "the account")
    t.equal(len(fake.messages), 1, "messages sent")
    daemon.ask("account.resume", all=True)
    daemon.wait_queue_empty()


@scenario
def a_limit_that_stays_reached_is_told_once(t):
    fake, daemon = limited(t, daily_recipients=5)
    for _ in range(7):
        daemon.send(message())
    daemon.wait_account("over-quota")
    daemon.accounts[0]["daily-recipients"] = 4
    daemon.write_config()
    daemon.reload()
    account = settle(daemon)
    t.equal(account["state"], "over-quota", "the account")
    t.true("5 recipients" in account["reason"] and
           re.search(r"limit is \d+ and 4:", account["reason"]),
           "the reason: %s" % account["reason"])
    t.equal(len(re.findall("account-over-quota", daemon.log())), 1,
            "lines in the log")
    t.equal(sent(fake), 5, "recipients sent to")


@scenario
def resume_tells_what_still_stops_the_account(t):
    fake, daemon = limited(t, daily_recipients=1)
    done = daemon.ctl_run("account", "resume", "default", json_output=False)
    t.equal((done.returncode, done.stdout), (0, ""), "resume of an active one")
    for _ in range(2):
        daemon.send(message())
    daemon.wait_account("over-quota")
    done = daemon.ctl_run("account", "resume", "default", json_output=False)
    t.equal(done.returncode, 1, "exit status")
    t.true("over-quota" in done.stdout and "daily-recipients" in done.stdout,
           "what it says: %r" % done.stdout)
    answer = daemon.ask("account.resume", all=True)[-1]
    t.equal([x["state"] for x in answer["accounts"]], ["over-quota"],
            "the answer")
    t.equal(settle(daemon)["state"], "over-quota", "the account")
    t.equal(sent(fake), 1, "recipients sent to")


@scenario
def a_test_message_tells_of_the_pause_at_once(t):
    fake, daemon = limited(t, daily_messages=1)
    daemon.send(message())
    daemon.wait_queue_empty()
    daemon.send(message())
    daemon.wait_account("over-quota")
    for _ in range(15):
        done = daemon.ctl_run("test", "--timeout", 5, "me@example.net")
        t.equal(done.returncode, 1, "exit status")
        t.true('"paused"' in done.stdout, "what it says: %r %r" % (
            done.stdout, done.stderr))
    t.equal(len(fake.messages), 1, "messages sent")


if __name__ == "__main__":
    main()

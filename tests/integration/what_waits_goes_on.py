"""What waits is not forgotten for what happens beside it: a retry keeps its timer,
a clock runs on, a pause lasts."""
from lib.harness import main, scenario, wait_for
from lib.mail import base64_lines
from lib.smtpclient import message

# more than what is on its way at a time
LARGE = base64_lines(1, 12000000)
LATER = "450 4.3.9 Not now."
BUSY = "421 4.3.0 Temporary System Problem. Try again later (10)."


def put_off(fake, daemon):
    """A message that is refused once."""
    fake.rule("RCPT", LATER, match="<later@", times=1)
    daemon.send(message(), ["later@example.net"])
    wait_for(lambda: [x["attempts"] for x in daemon.queue()] == [1], 20,
             "it is put off")


def no_connection(daemon):
    wait_for(lambda: daemon.account_state()["connections"] == 0, 20,
             "no connection")


def arrives(t, fake, daemon, count):
    """All by itself: it is asked for nothing meanwhile."""
    got = fake.wait_messages(count, deadline=30)
    t.equal(got[-1].recipients, ["later@example.net"], "the last to arrive")
    daemon.wait_queue_empty()


@scenario
def a_retry_keeps_its_timer_while_others_are_delivered(t):
    """Over a connection that asks for nothing more."""
    fake = t.fake()
    daemon = t.daemon(fake, account={"messages_per_connection": 1},
                      retry=["4s"]).start()
    put_off(fake, daemon)
    daemon.send(message())
    arrives(t, fake, daemon, 2)


@scenario
def a_retry_keeps_its_timer_when_another_is_deleted(t):
    fake = t.fake()
    daemon = t.daemon(fake, retry=["4s"]).start()
    put_off(fake, daemon)
    daemon.ask("account.pause", all=True)
    no_connection(daemon)
    ident = daemon.send(message())
    wait_for(lambda: daemon.queued() == 2, 20, "both are known")
    daemon.ask("queue.delete", id=ident)
    daemon.ask("account.resume", all=True)
    arrives(t, fake, daemon, 1)


@scenario
def a_server_that_hangs_up_after_each_refusal_stops_no_clock(t):
    """A second of back-off is no pause until the next attempt."""
    fake = t.fake()
    fake.rule("RCPT", LATER, match="<later@", action="drop")
    daemon = t.daemon(fake, retry=["3s"], backoff=["1s", "1s"],
                      expire="2s").start()
    daemon.send(message(), ["later@example.net"], sender="")
    wait_for(lambda: daemon.queue(failed=True), 60, "it is given up")


@scenario
def a_pause_outlasts_what_was_under_way(t):
    """A success that was on its way before says nothing about it."""
    fake = t.fake()
    slow = fake.rule("FINAL", action="stall", times=1)
    fake.rule("FINAL", BUSY, times=1)
    daemon = t.daemon(fake, account={"connections": 2}).start()
    daemon.ask("account.pause", all=True)
    for _ in range(3):
        daemon.send(message())
    daemon.ask("account.resume", all=True)
    pause = daemon.wait_account("throttled")["next_ms"]
    slow.release()
    fake.wait_messages(1)
    wait_for(lambda: daemon.queued() == 2, 20, "one is gone")
    no_connection(daemon)
    account = daemon.account_state()
    t.equal(account["state"], "throttled", "the account")
    t.true(0 < account["next_ms"] <= pause, "the same pause: %r" % account)
    t.equal(len(fake.sessions), 2, "connections")
    daemon.ask("queue.flush")
    daemon.wait_queue_empty()
    t.equal(daemon.account_state()["state"], "active", "the account")


@scenario
def a_message_that_ends_every_connection_is_given_up(t):
    """Others go through: it is not the connection's fault."""
    fake = t.fake()
    rule = fake.rule("MIDDATA", action="reset", after_bytes=1000,
                     match="Subject: poison")
    daemon = t.daemon(fake, expire="2s", retry=["3s"],
                      backoff=["1s", "1s"]).start()
    poison = daemon.send(message(subject="poison", body=LARGE), sender="")
    count = 0
    while not daemon.queue(failed=True):
        t.true(count < 12, "still there after %d others" % count)
        used = rule.used
        daemon.send(message())
        count += 1
        fake.wait_messages(count)
        wait_for(lambda: daemon.queue(failed=True) or
                 rule.used > used, 20, "an attempt")  # noqa: B023
    t.equal([x["id"] for x in daemon.queue(failed=True)], [poison], "failed")
    told = daemon.recipients(poison)["person@example.net"]["reply"]
    t.true("connection" in told, told)


@scenario
def a_server_that_takes_no_more_connections_is_left_in_peace(t):
    """The one that is open goes on."""
    fake = t.fake()
    fake.rule("CONNECT", nth=2, action="reset")
    daemon = t.daemon(fake, backoff=["5m", "5m"],
                      account={"connections": 5}).start()
    daemon.ask("account.pause", all=True)
    for _ in range(30):
        daemon.send(message())
    daemon.ask("account.resume", all=True)
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 30, "messages")
    told = daemon.wait_log("no-more-connections account=default .*open=1 ")
    t.equal(len(told), 1, "told once")
    t.equal(daemon.account_state()["backing_off"], False, "backing off")
    count = len(fake.sessions)
    t.true(count < 10, "%d connections" % count)
    # a person who knows better
    fake.clear_rules()
    daemon.ask("account.pause", all=True)
    for _ in range(30):
        daemon.send(message())
    daemon.ask("account.resume", all=True)
    daemon.wait_queue_empty()
    fake.wait(lambda: len(fake.sessions) > count + 2, 20, "more of them")


@scenario
def why_an_account_is_held_is_told_beside_other_trouble(t):
    fake = t.fake()
    slow = fake.rule("FINAL", action="stall", times=1)
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait(lambda: slow.used, 20, "the last byte")
    daemon.ask("account.pause", all=True, why="the garden party")
    fake.sessions[-1].abort()
    no_connection(daemon)
    daemon.wait_log("connection-trouble")
    account = daemon.account_state()
    t.equal((account["state"], account["reason"]),
            ("held", "the garden party"), "the account")
    told = daemon.ctl_run("status", json_output=False).stdout
    t.true("garden party" in told, told)
    daemon.ask("account.resume", all=True)
    daemon.wait_queue_empty()


@scenario
def a_pause_by_hand_outlives_a_restart_whatever_it_is_for(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    for why, told in (("first line\nstate active\n\tend", "first line state "
                       "active  end"), ("x" * 5000, "x" * 599)):
        daemon.ask("account.pause", all=True, why=why)
        daemon.stop()
        daemon.start()
        account = daemon.account_state()
        t.equal((account["state"], account["reason"]), ("held", told),
                "the account")
        t.equal(account["paused_by_hand"], True, "by hand")
        daemon.ask("account.resume", all=True)
    t.true("state-damaged" not in daemon.log(), "its file is right")


if __name__ == "__main__":
    main()

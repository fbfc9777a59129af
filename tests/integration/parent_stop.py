"""A stop lets what is under way end, waits 5 s at most for it, and loses
nothing."""
import os
import signal
import time

from lib import proc
from lib.harness import main, scenario, wait_for
from lib.mail import base64_lines, without_received
from lib.smtpclient import message

# 5 s for the transactions, 2 s until a role that does not end is killed, and
# what a slow machine needs.
STOP_S = 5 + 2 + 3


def stopped(t, daemon, number=signal.SIGTERM):
    """Signals the parent and returns how long it took to end well."""
    started = time.monotonic()
    os.kill(daemon.pid, number)
    return ended(t, daemon, started)


def ended(t, daemon, started):
    session = daemon.pid
    t.equal(daemon.wait_exit(60), 0, "exit status")
    took = time.monotonic() - started
    t.equal(proc.session_members(session), [], "left running")
    return took


@scenario
def idle_it_stops_at_once(t):
    for number in (signal.SIGTERM, signal.SIGINT):
        daemon = t.daemon(t.fake()).start()
        t.true(stopped(t, daemon, number) < 4, "it waited for nothing")
        log = daemon.log_now()
        t.true("stopping reason=\"%s\"" % number.name in log, log)
        t.equal(log.count("role ended role="), 2, "roles that ended well")
        t.true("stopped status=0" in log, log)


@scenario
def a_clients_transaction_may_end(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    idle, busy = daemon.client(), daemon.client()
    idle.ehlo()
    busy.ehlo()
    busy.expect("MAIL FROM:<a@example.org>", 250)
    started = time.monotonic()
    daemon.signal(signal.SIGTERM)
    t.equal(idle.reply().code, 421, "who has no transaction")
    t.true(idle.is_closed(), "and is let go")
    busy.expect("RCPT TO:<b@example.net>", 250)
    busy.expect("DATA", 354)
    data = message()
    busy.send(data + b".\r\n")
    t.equal(busy.reply().code, 250, "the message")
    t.equal(busy.reply().code, 421, "then it is told to go")
    t.true(busy.is_closed(), "and the connection ends")
    t.true(ended(t, daemon, started) < STOP_S, "in time")
    daemon.start()
    t.equal(without_received(fake.wait_messages(1)[0].data), data,
            "upstream, now or after the next start")


@scenario
def all_transactions_get_their_files(t):
    """A large message needs a file from the relay, which must still be there
    when it has nothing else to do."""
    fake = t.fake()
    daemon = t.daemon(fake).start()
    clients = [daemon.client() for _ in range(6)]
    for client in clients:
        client.expect("MAIL FROM:<a@example.org>", 250)
        client.expect("RCPT TO:<b@example.net>", 250)
    started = time.monotonic()
    daemon.signal(signal.SIGTERM)
    daemon.wait_log("stopping reason=")
    for client in clients:
        client.expect("DATA", 354)
    for number, client in enumerate(clients):
        client.send(message(str(number), body=base64_lines(number, 200000)) +
                    b".\r\n")
    for client in clients:
        t.equal(client.reply().code, 250, "a large message")
    t.true(ended(t, daemon, started) < STOP_S, "in time")
    daemon.start()
    got = fake.wait_messages(len(clients))
    t.equal(sorted(x.header("Subject")[0] for x in got), list("012345"),
            "upstream after the next start")


@scenario
def a_clients_slow_transaction_is_cut(t):
    daemon = t.daemon(t.fake()).start()
    client = daemon.client()
    client.expect("MAIL FROM:<a@example.org>", 250)
    client.expect("RCPT TO:<b@example.net>", 250)
    client.expect("DATA", 354)
    client.send("Subject: never complete\r\n\r\n")
    took = stopped(t, daemon)
    t.true(took < STOP_S, "it took %.1f s" % took)
    t.equal(client.reply().code, 421, "what the client hears")
    daemon.start()
    daemon.wait_queue_empty()
    t.equal(daemon.fake.messages, [], "half a message was sent")


@scenario
def a_transaction_upstream_may_end(t):
    fake = t.fake()
    slow = fake.rule("FINAL", delay=1.5)
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait(lambda: slow.used, what="the last byte upstream")
    took = stopped(t, daemon)
    t.true(took < STOP_S, "it took %.1f s" % took)
    t.true("delivered id=" in daemon.log_now(), "its 250 was heard")
    t.equal(len(fake.messages), 1, "messages")
    daemon.start()
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 1, "messages after the next start")
    wait_for(lambda: any(x.quit for x in fake.sessions), 10,
             "a goodbye upstream")


@scenario
def a_stuck_transaction_upstream_is_cut(t):
    fake = t.fake()
    stall = fake.rule("FINAL", action="stall", times=1)
    daemon = t.daemon(fake).start()
    message_id = daemon.send(message())
    fake.wait(lambda: stall.used, what="the last byte upstream")
    took = stopped(t, daemon)
    t.true(took < STOP_S, "it took %.1f s" % took)
    stall.release()
    daemon.start()
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    t.true("id=%s" % message_id in daemon.log_now(), "the same message")


@scenario
def a_role_that_hangs_is_killed(t):
    for role in ("receiver", "relay"):
        daemon = t.daemon(t.fake()).start()
        pid = daemon.wait_roles()[role]
        os.kill(pid, signal.SIGSTOP)
        took = stopped(t, daemon)
        t.true(took < STOP_S, "it took %.1f s" % took)
        t.true("role killed role=%s pid=%d reason=\"did not end in time\"" %
               (role, pid) in daemon.log_now(), "the log says so")


@scenario
def control_c_reaches_the_whole_group(t):
    fake = t.fake()
    slow = fake.rule("FINAL", delay=1)
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait(lambda: slow.used, what="the last byte upstream")
    started = time.monotonic()
    os.killpg(daemon.pid, signal.SIGINT)
    os.killpg(daemon.pid, signal.SIGTERM)
    t.true(ended(t, daemon, started) < STOP_S, "in time")
    t.equal(daemon.log_now().count("role ended role="), 2, "ended well")
    t.equal(len(fake.messages), 1, "delivered")


@scenario
def a_stop_during_a_reload(t):
    daemon = t.daemon(t.fake()).start()
    client = daemon.client()
    client.expect("MAIL FROM:<a@example.org>", 250)
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("reload config=")
    t.true(stopped(t, daemon) < STOP_S, "in time")
    t.true("reloaded=yes" not in daemon.log_now(), "no new roles")
    client.close()


@scenario
def a_stop_while_a_role_waits_for_its_restart(t):
    daemon = t.daemon(t.fake()).start()
    for _ in range(3):
        daemon.wait_role_again("relay", daemon.kill_role("relay"))
    daemon.kill_role("relay")
    daemon.wait_log("role restarts role=relay delay=4s")
    t.true(stopped(t, daemon) < 4, "it did not wait")
    t.equal(daemon.log_now().count("role started role=relay"), 4, "relays")


@scenario
def by_the_control_socket(t):
    daemon = t.daemon(t.fake()).start()
    started = time.monotonic()
    daemon.ask("stop")
    t.true(ended(t, daemon, started) < STOP_S, "in time")
    t.true("stopping reason=\"asked by the relay\"" in daemon.log_now(),
           "the log says by whom")


if __name__ == "__main__":
    main()

"""Under systemd: sockets that it passes, matched by address; readiness,
reloads, the end and the state told; signs of life where they are asked for."""
import os
import signal
import socket
import time

from lib.control import ask
from lib.harness import main, scenario
from lib.smtpclient import Client, message
from lib.systemd import Notify, listener, name, start_with_sockets


def refused(address):
    try:
        with socket.create_connection(address, timeout=10):
            return False
    except ConnectionRefusedError:
        return True


# --- sockets -----------------------------------------------------------------


@scenario
def passed_sockets_are_matched_by_address(t):
    fake = t.fake()
    other, mine = listener(t), listener(t)  # not in the order of `listen`
    daemon = t.daemon(fake, listen=[name(mine)])
    # who comes before the daemon is up waits, and is served
    early = Client(mine.getsockname(), greet=False)
    start_with_sockets(daemon, [other, mine])
    t.equal(early.reply().code, 220, "the early client's greeting")
    t.equal(early.mail("a@example.org", ["b@example.net"],
                       message("early")).code, 250, "its message")
    early.close()
    t.equal(daemon.port, mine.getsockname()[1], "the port")
    fake.wait_messages(1)
    warnings = daemon.wait_log(r"sockets unused count=(\d+) "
                               r"first=(\S+)")
    t.equal(warnings[0].groups(), ("1", name(other)), "the warning")
    daemon.stop()
    t.true(not refused(mine.getsockname()), "it shut systemd's socket down")


@scenario
def what_systemd_does_not_pass_is_bound(t):
    mine = listener(t)
    daemon = t.daemon(t.fake(), listen=[name(mine), "127.0.0.1:0"])
    start_with_sockets(daemon, [mine])
    ports = [int(x[1]) for x in daemon.addresses]
    t.equal(len(ports), 2, "ports")
    t.equal(ports[0], mine.getsockname()[1], "systemd's")
    for port in ports:
        with Client(("127.0.0.1", port)) as client:
            client.expect("NOOP", 250)
    t.true("that no setting names" not in daemon.log_now(), "a warning")


@scenario
def the_same_port_of_another_address_is_not_taken(t):
    mine = listener(t)
    port = mine.getsockname()[1]
    daemon = t.daemon(t.fake(), listen=["127.0.0.2:%d" % port],
                      allow=["127.0.0.0/8"])
    start_with_sockets(daemon, [mine])
    with Client(("127.0.0.2", port)) as client:
        client.expect("NOOP", 250)
    daemon.wait_log("sockets unused count=1 first=127.0.0.1:%d" % port)


@scenario
def unix_sockets_are_passed_too(t):
    daemon = t.daemon(t.fake())
    control = listener(t, daemon.control)
    submit = listener(t, daemon.submit)
    start_with_sockets(daemon, [submit, control])
    t.equal(ask(daemon.control, "status")[-1]["pid"],
            daemon.wait_roles()["relay"], "who answers")
    with Client(daemon.submit) as client:
        t.equal(client.mail("a@example.org", ["b@example.net"],
                            message()).code, 250, "submitted")
    daemon.fake.wait_messages(1)
    daemon.stop()
    t.true(os.path.exists(daemon.control) and os.path.exists(daemon.submit),
           "systemd's sockets stay")


@scenario
def sockets_for_another_process_are_left(t):
    daemon = t.daemon(t.fake())
    daemon.environment.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
    daemon.start()
    daemon.send(message())
    daemon.fake.wait_messages(1)


@scenario
def what_is_no_listening_socket_is_refused(t):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.bind(("127.0.0.1", 0))
            daemon = t.daemon(t.fake())
            start_with_sockets(daemon, [sock], wait=False)
            t.equal(daemon.wait_exit(10), 1, "exit status")
            t.true("descriptor 3 passed by systemd is no listening stream "
                   "socket: use ListenStream=" in daemon.log(), daemon.log())


@scenario
def a_reload_goes_from_one_passed_socket_to_another(t):
    first, second = listener(t), listener(t)
    daemon = t.daemon(t.fake(), listen=[name(first)])
    start_with_sockets(daemon, [first, second])
    for sock in (second, first, second):
        daemon.write_config(listen=[name(sock)])
        daemon.reload()
        with Client(sock.getsockname()) as client:
            client.expect("NOOP", 250)
    t.equal(daemon.log_now().count("reloaded=yes"), 3, "reloads")


# --- what is told ------------------------------------------------------------


@scenario
def readiness_is_told_when_it_serves(t):
    daemon = t.daemon(t.fake())
    notify = Notify(t, daemon)
    daemon.start()
    number = notify.wait("READY")
    t.equal(number, 0, "the first word is that it is ready")
    t.true(notify.told[0][1]["STATUS"].startswith(
        ("Serving, listen=127.0.0.1:%d" % daemon.port,
         "Relaying, listen=127.0.0.1:%d" % daemon.port)), notify.told)
    daemon.stop()
    number = notify.wait("STOPPING")
    t.equal(notify.told[number][1]["STOPPING"], "1", "the end")
    t.equal(notify.count("READY"), 1, "READY is told once")


@scenario
def what_cannot_start_is_never_ready(t):
    daemon = t.daemon(t.fake())
    notify = Notify(t, daemon)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        daemon.write_config(listen=["127.0.0.1:%d" % taken.getsockname()[1]])
        daemon.start(wait=False)
        t.equal(daemon.wait_exit(10), 1, "exit status")
    t.equal(notify.count("READY"), 0, "READY")


@scenario
def a_reload_is_told(t):
    daemon = t.daemon(t.fake())
    notify = Notify(t, daemon)
    daemon.start()
    notify.wait("READY")
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    daemon.reload()
    begun = notify.wait("RELOADING", after=1)
    # Type=notify-reload: when it began, so that an old READY does not count
    stamp = int(notify.told[begun][1]["MONOTONIC_USEC"])
    t.true(before * 1e6 <= stamp <=
           time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6, "MONOTONIC_USEC")
    done = notify.wait("READY", after=1)
    t.true(begun < done, "the order")
    # one that is refused ends, too, and says why
    daemon.write_config("nonsense = 1\n")
    daemon.signal(signal.SIGHUP)
    refused_at = notify.wait("READY", after=done + 1)
    t.true("reload refused" in notify.told[refused_at][1]["STATUS"],
           notify.told[refused_at])
    t.true(notify.wait("RELOADING", after=done + 1) < refused_at, "the order")


@scenario
def a_role_that_dies_is_in_the_status(t):
    daemon = t.daemon(t.fake())
    notify = Notify(t, daemon)
    daemon.start()
    for role in ("relay", "receiver"):
        seen = len(notify.read())
        old = daemon.kill_role(role)
        told = notify.wait("STATUS", "the %s died" % role, after=seen)
        daemon.wait_role_again(role, old)
        notify.wait("STATUS", "^Relaying, listen=", after=told + 1)
    t.equal(notify.count("READY"), 1, "READY is told once")


@scenario
def an_account_in_trouble_is_in_the_status(t):
    fake = t.fake()
    daemon = t.daemon(fake)
    daemon.write_password("wrong")
    notify = Notify(t, daemon)
    daemon.start()
    daemon.send(message())
    trouble = notify.wait("STATUS", "^Account default held: ")
    # a receiver that dies and comes again does not make it well
    old = daemon.kill_role("receiver")
    told = notify.wait("STATUS", "the receiver died", after=trouble)
    daemon.wait_role_again("receiver", old)
    notify.wait("STATUS", "^Account default held: ", after=told)
    daemon.write_password(fake.behaviour.password)
    daemon.reload()
    daemon.wait_queue_empty()
    notify.wait("STATUS", "^Relaying, listen=", after=told)


# --- signs of life -----------------------------------------------------------


@scenario
def signs_of_life_where_they_are_asked_for(t):
    daemon = t.daemon(t.fake())
    notify = Notify(t, daemon, WATCHDOG_USEC="1500000")
    daemon.start()
    seen = notify.wait("READY")
    times = [time.monotonic()]
    for _ in range(4):
        seen = notify.wait("WATCHDOG", after=seen + 1)
        times.append(notify.told[seen][0])
    # a slow machine may make it late; so late that systemd would act, no
    gaps = [b - a for a, b in zip(times, times[1:])]
    t.true(max(gaps) < 1.5, "between two signs of life: %r" % gaps)


@scenario
def no_signs_of_life_of_its_own_accord(t):
    daemon = t.daemon(t.fake())
    # of another process: an inherited environment
    notify = Notify(t, daemon, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    daemon.start()
    daemon.send(message())
    daemon.wait_queue_empty()
    daemon.reload()
    t.equal(notify.count("WATCHDOG"), 0, "for another process")
    daemon.stop()
    del daemon.environment["WATCHDOG_USEC"]
    del daemon.environment["WATCHDOG_PID"]
    daemon.start()
    daemon.send(message())
    daemon.wait_queue_empty()
    daemon.reload()
    t.equal(notify.count("WATCHDOG"), 0, "unasked")


@scenario
def a_role_that_hangs_ends_the_signs_of_life(t):
    for role in ("receiver", "relay"):
        daemon = t.daemon(t.fake())
        notify = Notify(t, daemon, WATCHDOG_USEC="900000")
        daemon.start()
        seen = notify.wait("WATCHDOG")
        pid = daemon.wait_roles()[role]
        os.kill(pid, signal.SIGSTOP)
        try:
            # three intervals of 0.3 s and what is on its way
            deadline = time.monotonic() + 30
            while True:
                seen = len(notify.read())
                last = notify.told[-1][0]
                notify.read(0.9 + 0.3)
                if len(notify.told) == seen:
                    break
                t.true(time.monotonic() < deadline,
                       "the %s hangs, but all is well" % role)
            t.true(time.monotonic() - last >= 0.9, "systemd acts by now")
        finally:
            os.kill(pid, signal.SIGCONT)
        # had systemd not acted: it is well again
        notify.wait("WATCHDOG", after=seen)


if __name__ == "__main__":
    main()

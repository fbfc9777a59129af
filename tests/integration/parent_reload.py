"""A reload: what can be taken is taken at once, what cannot changes nothing
and is told; sockets come and go as the configuration says."""
import os
import signal
import socket

from lib import proc
from lib.daemon import free_port
from lib.harness import main, scenario, wait_for
from lib.smtpclient import Client, message


def refused(t, daemon, *words):
    """HUP; it must be refused in these words, and change nothing."""
    roles = daemon.wait_roles()
    start = len(daemon.log_now())
    daemon.signal(signal.SIGHUP)

    def told():
        return "reload refused" in daemon.log_now()[start:]

    wait_for(told, 20, "word of the refused reload")
    said = daemon.log_now()[start:]
    for word in words:
        t.true(word in said, "%r is not in %s" % (word, said))
    t.true("the old configuration stays in force" in said, said)
    t.equal(daemon.roles(), roles, "the roles")
    count = len(daemon.fake.messages)
    daemon.send(message())
    daemon.fake.wait_messages(count + 1)


def greets(port, host="127.0.0.1"):
    with Client((host, port)) as client:
        return client.greeting.code == 220


def closed(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=10):
            return False
    except ConnectionRefusedError:
        return True


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


@scenario
def what_is_wrong_with_the_file(t):
    daemon = t.daemon(t.fake()).start()
    good = daemon.config_text()
    daemon.write_config(good + "bogus = 1\n")
    refused(t, daemon, "%s:%d: " % (daemon.config_file,
                                    good.count("\n") + 1), "bogus")
    os.unlink(daemon.config_file)
    refused(t, daemon, "No such file")
    daemon.write_config()
    daemon.reload()


@scenario
def what_is_wrong_with_the_password(t):
    daemon = t.daemon(t.fake()).start()
    os.chmod(daemon.password_file, 0o604)
    refused(t, daemon, "password-file", "chmod 600")
    os.unlink(daemon.password_file)
    refused(t, daemon, "password-file", "No such file")
    daemon.write_password(daemon.fake.behaviour.password)
    daemon.reload()


@scenario
def a_port_that_is_taken(t):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        daemon = t.daemon(t.fake()).start()
        before = list(daemon.settings["listen"])
        daemon.write_config(listen=before + ["127.0.0.1:%d" % port])
        refused(t, daemon, "port %d is in use" % port)
    daemon.write_config(listen=before)
    daemon.reload()


@scenario
def one_address_for_all_needs_a_restart(t):
    port = free_port()
    daemon = t.daemon(t.fake(), listen=["127.0.0.1:%d" % port]).start()
    daemon.write_config(listen=["*:%d" % port],
                        allow=["127.0.0.0/8", "::1", "192.168.7.0/24"])
    refused(t, daemon, "port %d is held by this daemon's own" % port,
            "systemctl restart gmrelayd")
    daemon.stop()
    daemon.start()


@scenario
def another_spool(t):
    daemon = t.daemon(t.fake()).start()
    daemon.write_config(spool=daemon.spool + "2")
    refused(t, daemon, "spool cannot change", daemon.spool)
    t.true(not os.path.exists(daemon.spool + "2"), "it was made")


@scenario
def a_user_that_is_not_there(t):
    t.need_root()
    daemon = t.daemon(t.fake()).start()
    daemon.write_config(user="nobody-of-that-name")
    refused(t, daemon, "user = nobody-of-that-name: no such user")


@scenario
def listeners_come_and_go(t):
    daemon = t.daemon(t.fake()).start()
    first = daemon.port
    daemon.write_config(listen=["127.0.0.1:0", "127.0.0.2:0"])
    daemon.reload()
    daemon.wait_ready()
    ports = addresses(daemon)
    t.equal(ports[0], ("127.0.0.1", first), "the first one stays")
    t.true(greets(ports[1][1], "127.0.0.2"), "the new one serves")
    daemon.write_config(listen=["127.0.0.1:0"])
    daemon.reload()
    t.true(greets(first), "the first one still")
    t.true(closed(ports[1][1], "127.0.0.2"), "the other one is closed")
    if has_ipv6():
        daemon.write_config(listen=["[::1]:0"])
        daemon.reload()
        host, port = addresses(daemon)[0]
        t.true(greets(port, host.strip("[]")), "over IPv6")
        t.true(closed(first), "the first one is gone")


def addresses(daemon):
    """[(address, port)] of the last ready line."""
    listen = daemon.wait_log(r"\bready listen=(\S+)")[-1][1]
    pairs = [x.rpartition(":") for x in listen.split(",")]
    return [(host, int(port)) for host, _, port in pairs]


@scenario
def unix_sockets_come_and_go(t):
    daemon = t.daemon(t.fake()).start()
    old_control, old_submit = daemon.control, daemon.submit
    daemon.control = os.path.join(daemon.folder, "c2.sock")
    daemon.submit = os.path.join(daemon.folder, "s2.sock")
    daemon.write_config(control=daemon.control, submit=daemon.submit)
    daemon.reload()
    t.equal(daemon.status()["pid"], daemon.wait_roles()["relay"],
            "who answers at the new place")
    t.true(not os.path.exists(old_control), "the old control socket is gone")
    t.true(not os.path.exists(old_submit), "the old submit socket is gone")
    with Client(daemon.submit) as client:
        client.expect("NOOP", 250)
    # the one stays, the other goes back
    daemon.write_config(submit=old_submit)
    daemon.reload()
    t.true(not os.path.exists(daemon.submit), "the second one is gone")
    with Client(old_submit) as client:
        client.expect("NOOP", 250)
    daemon.status()


@scenario
def a_reload_keeps_sockets_by_number(t):
    """Nothing of the kernel's is made anew: who waits to be accepted by the
    old roles is served by the new ones."""
    daemon = t.daemon(t.fake()).start()
    pid = daemon.wait_roles()["receiver"]
    os.kill(pid, signal.SIGSTOP)
    waiting = [daemon.client(greet=False) for _ in range(5)]
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("reload config=")
    os.kill(pid, signal.SIGCONT)
    for client in waiting:
        reply = client.reply()  # 421 from the one that drains is an answer
        t.true(reply.code in (220, 421), "the greeting: %r" % reply)
        client.close()
    daemon.wait_log("reloaded=yes")
    t.true(greets(daemon.port), "the port still")


@scenario
def many_reloads_at_once_are_few(t):
    daemon = t.daemon(t.fake()).start()
    client = daemon.client()
    client.expect("MAIL FROM:<a@example.org>", 250)
    for _ in range(50):
        daemon.signal(signal.SIGHUP)
    daemon.wait_log("reload config=")
    for _ in range(50):
        daemon.signal(signal.SIGHUP)
    client.expect("RSET", 250)
    client.close()
    daemon.wait_log("reloaded=yes")
    daemon.reload()  # none is waiting any more when this one is done
    count = daemon.log_now().count("reload config=")
    t.true(count <= 4, "%d reloads" % count)
    daemon.send(message())
    daemon.fake.wait_messages(1)


@scenario
def a_reload_leaves_no_process(t):
    daemon = t.daemon(t.fake()).start()
    for _ in range(5):
        old = daemon.wait_roles()
        daemon.reload()
        new = daemon.wait_roles()
        t.equal(set(old.values()) & set(new.values()), set(), "old roles")
        t.equal([x for x in old.values() if proc.is_alive(x)], [],
                "old roles that live on")
    t.equal(len(proc.children(daemon.pid)), 2, "children")
    fds = len(os.listdir("/proc/%d/fd" % daemon.pid))
    for _ in range(5):
        daemon.reload()
    t.equal(len(os.listdir("/proc/%d/fd" % daemon.pid)), fds,
            "the parent's descriptors")


if __name__ == "__main__":
    main()

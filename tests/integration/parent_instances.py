"""Of one spool there is one daemon at a time, and a new one waits until the
roles of one before have ended."""
import os
import signal
import socket
import stat

from lib import proc
from lib.harness import main, scenario, wait_for
from lib.smtpclient import message


def twin(t, daemon, **settings):
    """A second instance on the same spool, with sockets of its own."""
    return t.daemon(daemon.fake, spool=daemon.spool, **settings)


def kill_parent(t, daemon):
    """kill -9 of the parent alone. Returns the pids of the roles it leaves,
    which are ended with the scenario."""
    roles = list(daemon.wait_roles().values())
    t.at_end.append(lambda: daemon._kill(x for x in roles if proc.is_alive(x)))
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.process.wait(10)
    daemon.process = None
    return roles


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@scenario
def a_second_instance_is_refused_at_once(t):
    daemon = t.daemon(t.fake()).start()
    roles = daemon.wait_roles()
    second = twin(t, daemon).start(wait=False)
    t.equal(second.wait_exit(5), 1, "exit status")
    said = second.log()
    t.true("in use by another gmrelayd, pid %d" % daemon.pid in said,
           "it says by whom: %s" % said)
    t.true("role started" not in said, "no role was started: %s" % said)
    t.true(not os.path.exists(second.control), "it left a control socket")
    t.equal(daemon.roles(), roles, "the first one's roles")
    daemon.send(message())
    daemon.fake.wait_messages(1)


@scenario
def a_control_socket_in_use_is_left_alone(t):
    daemon = t.daemon(t.fake()).start()
    other = t.daemon(daemon.fake, control=daemon.control).start(wait=False)
    t.equal(other.wait_exit(10), 1, "exit status")
    t.true("somebody answers on %s" % daemon.control in other.log(),
           other.log())
    daemon.status()  # still the first one's
    t.equal(daemon.status()["pid"], daemon.roles()["relay"], "who answers")


@scenario
def what_lies_at_a_sockets_path_is_not_removed(t):
    daemon = t.daemon(t.fake())
    with open(daemon.submit, "w") as file:
        file.write("mine\n")
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(10), 1, "exit status")
    t.true("%s exists and is no socket" % daemon.submit in daemon.log(),
           daemon.log())
    with open(daemon.submit) as file:
        t.equal(file.read(), "mine\n", "the file")


@scenario
def sockets_have_their_modes_and_go_with_the_daemon(t):
    daemon = t.daemon(t.fake()).start()
    t.equal(mode_of(daemon.control), 0o660, "control")
    t.equal(mode_of(daemon.submit), 0o666, "submit")
    if os.geteuid() == 0:
        t.equal(os.stat(daemon.control).st_gid,
                int(daemon.settings["relay-user"]), "control's group")
    daemon.stop()
    t.true(not os.path.exists(daemon.control), "control is left")
    t.true(not os.path.exists(daemon.submit), "submit is left")


@scenario
def the_roles_end_with_their_parent(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message("before"))  # the receiver has room for more
    fake.wait_messages(1)
    with daemon.client() as client:
        client.expect("MAIL FROM:<a@example.org>", 250)
        client.expect("RCPT TO:<b@example.net>", 250)
        roles = kill_parent(t, daemon)
        # what has begun may end
        client.expect("DATA", 354)
        client.send(message("first") + b".\r\n")
        t.equal(client.reply().code, 250, "the transaction under way")
    wait_for(lambda: not any(proc.is_alive(x) for x in roles), 15,
             "the end of the roles")
    t.true(os.path.exists(daemon.control), "a stale socket is there")
    # the next one takes over what was left: spool, sockets, mail
    daemon.start()
    daemon.send(message("second"))
    # the first relay may have had to go before it heard of its 250: twice
    fake.wait(lambda: {x.header("Subject")[0] for x in fake.messages} ==
              {"before", "first", "second"}, what="all messages upstream")
    t.equal(daemon.status()["pid"], daemon.roles()["relay"], "who answers")
    with daemon.client() as client:
        client.expect("NOOP", 250)


@scenario
def a_new_parent_waits_for_old_roles(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.wait_roles()
    roles = kill_roles_hard_to_stop(t, daemon)
    daemon.start(wait=False)
    daemon.wait_log("waiting reason=")
    t.true("role started" not in daemon.log_now(), "roles overlap")
    for pid in roles:
        os.kill(pid, signal.SIGCONT)
    daemon.wait_ready()
    t.true(not any(proc.is_alive(x) for x in roles), "old roles live on")
    daemon.send(message())
    fake.wait_messages(1)


def kill_roles_hard_to_stop(t, daemon):
    """kill -9 of the parent; its roles cannot notice, as they are stopped."""
    for pid in daemon.wait_roles().values():
        os.kill(pid, signal.SIGSTOP)
    return kill_parent(t, daemon)


@scenario
def one_that_waits_can_be_stopped(t):
    daemon = t.daemon(t.fake()).start()
    kill_roles_hard_to_stop(t, daemon)
    daemon.start(wait=False)
    daemon.wait_log("waiting reason=")
    daemon.signal(signal.SIGTERM)
    t.equal(daemon.wait_exit(3), 0, "exit status")


@scenario
def it_does_not_wait_for_ever(t):
    daemon = t.daemon(t.fake()).start()
    kill_roles_hard_to_stop(t, daemon)
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(30), 1, "exit status")
    t.true("roles of an earlier gmrelayd still run" in daemon.log_now(),
           "why: %s" % daemon.log_now())
    t.true("role started" not in daemon.log_now(), "roles overlap")


@scenario
def a_port_in_use_is_explained(t):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        daemon = t.daemon(t.fake(), listen=["127.0.0.1:%d" % port])
        daemon.start(wait=False)
        t.equal(daemon.wait_exit(10), 1, "exit status")
        t.true("listen 127.0.0.1:%d: port %d is in use, probably by another "
               "mail server (exim4, postfix): stop it or choose another "
               "listen" % (port, port) in daemon.log(), daemon.log())
        t.true(not os.path.exists(daemon.control), "control is left")
    daemon.start()  # it is free now


@scenario
def an_address_of_another_machine_is_explained(t):
    daemon = t.daemon(t.fake(), listen=["192.0.2.1:2525"],
                      allow=["127.0.0.0/8", "192.168.0.0/16"])
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(10), 1, "exit status")
    t.true("listen 192.0.2.1:2525: this machine has no such address" in
           daemon.log(), daemon.log())


if __name__ == "__main__":
    main()

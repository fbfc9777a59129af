"""The systemd unit gives the daemon what it needs and no more: its exposure is
low, and with its capabilities, system calls, address families and read-only
files everything works."""
import os
import random
import re
import signal
import socket
import subprocess

from lib import proc
from lib.daemon import GMRELAYD, RELAY_UID
from lib.harness import SANITIZED, main, scenario
from lib.smtpclient import Client, message
from lib.unit import UNIT, settings, words, wrapper

EXPOSURE_MAX = 2.2


def prepare(daemon):
    """ExecStartPre=+: before, with all rights."""
    done = subprocess.run([GMRELAYD, "-p", "-c", daemon.config_file],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def free_low_port(t):
    """A loopback address whose port 25 is nobody's."""
    for _ in range(100):
        address = "127.%d.%d.%d" % tuple(
            random.randrange(2, 250) for _ in range(3))
        with socket.socket() as probe:
            try:
                probe.bind((address, 25))
                return address
            except OSError:
                continue
    return t.skip("port 25 is taken everywhere")


def in_the_unit(t, fake, **settings_of_it):
    if SANITIZED:
        t.skip("sanitizers make system calls of their own")
    daemon = t.daemon(fake, **settings_of_it)
    daemon.wrapper = wrapper(t, daemon.folder)
    t.equal(prepare(daemon), (0, ""), "gmrelayd -p")
    return daemon


@scenario
def its_exposure_is_low(t):
    t.need("systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", "security", "--offline=true", UNIT],
        capture_output=True, text=True, timeout=60)
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)",
                      done.stdout)
    if not match:
        t.skip("systemd-analyze cannot: %s" % done.stderr.strip()[:200])
    print("# exposure of the unit: %s, at most %s is wanted" % (
        match[1], EXPOSURE_MAX))
    t.true(float(match[1]) <= EXPOSURE_MAX, "exposure %s:\n%s" % (
        match[1], "\n".join(x for x in done.stdout.splitlines()
                            if "\u2713" not in x)))


@scenario
def with_its_rights_mail_goes_in_and_out(t):
    t.need_root()
    fake = t.fake()
    address = free_low_port(t)
    daemon = in_the_unit(t, fake, listen=[address + ":25"])
    # the relay's own file, which root without CAP_DAC_OVERRIDE may not read
    os.chown(daemon.password_file, RELAY_UID, RELAY_UID)
    daemon.start()
    status = proc.status(daemon.pid)
    t.equal(bin(int(status["CapEff"], 16)).count("1"),
            len(words(settings(), "CapabilityBoundingSet")),
            "capabilities of the parent")
    with Client((address, 25)) as client:
        client.ehlo()
        t.equal(client.mail("a@example.org", ["b@example.net"],
                            message()).code, 250, "the first message")
    fake.wait_messages(1)
    for role, pid in daemon.wait_roles().items():
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            t.equal(int(proc.status(pid)[name], 16), 0,
                    "%s of the %s" % (name, role))
    info = os.stat(daemon.control)
    t.equal((info.st_uid, info.st_gid, info.st_mode & 0o7777),
            (0, RELAY_UID, 0o660), "the control socket")
    daemon.reload()
    for role in ("receiver", "relay"):
        daemon.wait_role_again(role, daemon.kill_role(role))
    with Client((address, 25)) as client:
        t.equal(client.mail("a@example.org", ["b@example.net"],
                            message(body=b"x\r\n" * 100000)).code, 250,
                "a large message")
    fake.wait_messages(2)
    t.equal(daemon.status()["accounts"][0]["state"], "active", "the account")
    daemon.wait_queue_empty()
    t.clean(fake)


@scenario
def with_its_rights_a_role_that_hangs_is_killed(t):
    """By a root who may not signal other users' processes."""
    t.need_root()
    daemon = in_the_unit(t, t.fake()).start()
    os.kill(daemon.wait_roles()["receiver"], signal.SIGSTOP)
    daemon.signal(signal.SIGTERM)
    t.equal(daemon.wait_exit(30), 0, "exit status")
    t.true("role killed role=receiver" in daemon.log_now(), daemon.log_now())


@scenario
def with_its_rights_the_alert_command_runs(t):
    t.need_root()
    fake = t.fake()
    place = t.path("d0/alerts")
    daemon = in_the_unit(t, fake, alert_command=[
        "/bin/sh", "-c", "id -u >%s/told; exec sleep 600" % place])
    os.mkdir(place)
    os.chown(place, RELAY_UID, RELAY_UID)
    daemon.write_password("wrong")
    daemon.start()
    daemon.send(message())
    t.wait_for(lambda: read(place + "/told") == "%d\n" % RELAY_UID, 30,
               "the command, as the relay's user")
    # the parent ends it with itself, though it is the relay's
    daemon.stop()


@scenario
def what_is_missing_is_made_before(t):
    t.need_root()
    if SANITIZED:
        t.skip("sanitizers make system calls of their own")
    fake = t.fake()
    daemon = t.daemon(fake)
    daemon.wrapper = wrapper(t, daemon.folder)
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(20), 1, "a start without it")
    t.true("gmrelayd -p" in daemon.log_now(), daemon.log_now())
    t.equal(prepare(daemon), (0, ""), "gmrelayd -p")
    owners = {name: os.stat(os.path.join(daemon.spool, name)).st_uid
              for name in os.listdir(daemon.spool)}
    t.equal(owners, {"empty": 0, "drop": RELAY_UID, "failed": RELAY_UID,
                     "journal": RELAY_UID, "large": RELAY_UID,
                     "queue": RELAY_UID, "state": RELAY_UID}, "owners")
    t.equal(prepare(daemon), (0, ""), "a second time")
    daemon.start()
    daemon.send(message())
    fake.wait_messages(1)
    # what is wrong is told in advance as well
    daemon.stop()
    daemon.write_config(user="nobody-of-that-name")
    status, said = prepare(daemon)
    t.equal(status, 1, "with a wrong configuration")
    t.true("no such user" in said, said)


if __name__ == "__main__":
    main()

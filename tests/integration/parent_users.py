"""Started as root, each role becomes its own user, given by name or number;
started by an ordinary user, all are that user."""
import grp
import os
import pwd

from lib import proc
from lib.daemon import GMRELAYD, RECEIVER_UID, RELAY_UID
from lib.harness import ORDINARY_UID, as_ordinary_user, main, scenario
from lib.smtpclient import message


def works(t, daemon, count=1):
    daemon.send(message())
    daemon.fake.wait_messages(count)


def ids(pid):
    """(uid, gid, groups), all four of each must be the same."""
    status = proc.status(pid)
    uids, gids = set(status["Uid"].split()), set(status["Gid"].split())
    assert len(uids) == 1 and len(gids) == 1, (uids, gids)
    return int(uids.pop()), int(gids.pop()), status["Groups"].split()


def two_users(t):
    """Two that every Debian has, of groups of their own."""
    found = []
    for name in ("daemon", "bin", "sys", "mail", "news", "games"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0 and entry.pw_gid not in (
                [0] + [x.pw_gid for x in found]):
            found.append(entry)
    if len(found) < 2:
        t.skip("no two users to become")
    return found[:2]


def refused(t, daemon, *words):
    status, said = daemon.check_config()
    t.equal(status, 1, "exit status of -t, which said: %s" % said)
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(10), 1, "exit status of a start")
    for word in words:
        t.true(word in said, "%r is not in what -t said: %s" % (word, said))
        t.true(word in daemon.log_now(), "%r is not in the log" % word)
    t.true("role started" not in daemon.log_now(), "a role was started")


@scenario
def users_by_name(t):
    t.need_root()
    receiver, relay = two_users(t)
    daemon = t.daemon(t.fake(), user=receiver.pw_name,
                      relay_user=relay.pw_name).start()
    works(t, daemon)
    roles = daemon.wait_roles()
    t.equal(ids(roles["receiver"]), (receiver.pw_uid, receiver.pw_gid, []),
            "the receiver")
    t.equal(ids(roles["relay"]), (relay.pw_uid, relay.pw_gid, []), "the relay")
    info = os.stat(daemon.control)
    t.equal((info.st_gid, info.st_mode & 0o7777), (relay.pw_gid, 0o660),
            "group and mode of the control socket")


@scenario
def users_by_number(t):
    t.need_root()
    # of somebody: with his group; of nobody: the number is the group's, too
    known, _ = two_users(t)
    daemon = t.daemon(t.fake(), user=str(known.pw_uid),
                      relay_user=str(RELAY_UID)).start()
    works(t, daemon)
    roles = daemon.wait_roles()
    t.equal(ids(roles["receiver"]), (known.pw_uid, known.pw_gid, []),
            "the receiver")
    t.equal(ids(roles["relay"]), (RELAY_UID, RELAY_UID, []), "the relay")


@scenario
def roots_groups_are_left_behind(t):
    t.need_root()
    group = next(x.gr_gid for x in grp.getgrall() if x.gr_gid != 0)
    daemon = t.daemon(t.fake()).start(extra_groups=[0, group])
    for role, pid in daemon.wait_roles().items():
        t.equal(ids(pid)[2], [], "groups of the %s" % role)
    t.equal(ids(daemon.pid)[2], [str(x) for x in sorted([0, group])],
            "groups of the parent")


@scenario
def a_name_that_does_not_exist(t):
    t.need_root()
    for setting in ("user", "relay-user"):
        daemon = t.daemon(t.fake())
        daemon.write_config(**{setting: "nobody-of-that-name"})
        refused(t, daemon, daemon.config_file,
                "%s = nobody-of-that-name: no such user" % setting,
                "systemd-sysusers", "useradd --system")


@scenario
def numbers_that_are_none(t):
    t.need_root()
    for number in ("4294967295", "4294967296", "99999999999999999999"):
        daemon = t.daemon(t.fake(), user=number)
        refused(t, daemon, "user = %s: no number of a user" % number)


@scenario
def root_is_refused(t):
    t.need_root()
    for setting in ("user", "relay-user"):
        for value in ("0", "root", "00"):
            daemon = t.daemon(t.fake())
            daemon.write_config(**{setting: value})
            refused(t, daemon, setting, "root")


@scenario
def one_user_for_both_is_refused(t):
    t.need_root()
    known, _ = two_users(t)
    for settings in ({"user": str(RELAY_UID)},
                     {"user": known.pw_name,
                      "relay_user": str(known.pw_uid)}):
        daemon = t.daemon(t.fake(), **settings)
        refused(t, daemon, "name two users")
        for said in (daemon.check_config()[1], daemon.log_now()):
            t.equal(said.count("two users"), 1, "told once: %s" % said)


@scenario
def another_relay_user_needs_its_spool(t):
    t.need_root()
    daemon = t.daemon(t.fake()).start()
    daemon.stop()
    daemon.write_config(relay_user=str(RELAY_UID + 7))
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(10), 1, "exit status")
    said = daemon.log_now()
    t.true("belongs to uid %d and must be uid %d's: `chown -R" % (
        RELAY_UID, RELAY_UID + 7) in said, said)


@scenario
def a_spool_that_the_relay_cannot_reach(t):
    t.need_root()
    closed = t.path("closed")
    os.mkdir(closed, 0o700)
    daemon = t.daemon(t.fake(), spool=os.path.join(closed, "spool"))
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(10), 1, "exit status")
    t.true("relay-user cannot reach the spool" in daemon.log_now() and
           "does a directory above it lack x" in daemon.log_now(),
           daemon.log_now())


@scenario
def an_ordinary_user_runs_it_all(t):
    # the users named need not even exist
    daemon = t.daemon(t.fake(), user="nobody-of-that-name",
                      relay_user="nobody-of-that-name-either")
    uid = ORDINARY_UID if os.geteuid() == 0 else os.geteuid()
    daemon.start(**as_ordinary_user(t, daemon))
    works(t, daemon)
    for role, pid in daemon.wait_roles().items():
        t.equal(ids(pid)[0], uid, "the %s's user" % role)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            t.equal(int(proc.status(pid)[name], 16), 0, name)
        t.equal(proc.status(pid)["NoNewPrivs"], "1", "NoNewPrivs")
        # what is not dumpable is root's: proc(5), /proc/PID
        t.equal(os.stat("/proc/%d/environ" % pid).st_uid, 0,
                "owner of /proc/PID of the %s" % role)
    warnings = daemon.wait_log(r"users missing uid=%d reason=.not started "
                               r"as root" % uid)
    t.equal(len(warnings), 1, "warnings")
    t.equal(os.stat(daemon.control).st_mode & 0o7777, 0o660, "control")
    t.equal(os.stat(daemon.submit).st_mode & 0o7777, 0o666, "submit")
    daemon.reload()
    works(t, daemon, 2)
    for role in ("receiver", "relay"):
        old = daemon.kill_role(role)
        daemon.wait_role_again(role, old)
    works(t, daemon, 3)


@scenario
def an_ordinary_user_has_no_port_25(t):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
        if int(file.read()) <= 25:
            t.skip("port 25 is everybody's here")
    daemon = t.daemon(t.fake(), listen=["127.0.0.9:25"])
    how = as_ordinary_user(t, daemon)
    daemon.start(wait=False, **how)
    t.equal(daemon.wait_exit(10), 1, "exit status")
    t.true("listen 127.0.0.9:25: port 25 is for root only: start as root, use "
           "gmrelayd.socket, or choose a port from 1024 up" in
           daemon.log_now(), daemon.log_now())


@scenario
def the_receivers_user_does_not_matter_to_the_spool(t):
    """After a change of `user` all goes on: nothing on disk is its."""
    t.need_root()
    daemon = t.daemon(t.fake()).start()
    works(t, daemon)
    daemon.write_config(user=str(RECEIVER_UID + 7))
    daemon.reload()
    works(t, daemon, 2)
    t.equal(ids(daemon.wait_roles()["receiver"])[0], RECEIVER_UID + 7,
            "the receiver")
    for folder, _, names in os.walk(daemon.spool):
        for name in names:
            uid = os.lstat(os.path.join(folder, name)).st_uid
            t.true(uid in (0, RELAY_UID), "%s is uid %d's" % (name, uid))


if __name__ == "__main__":
    main()

"""Who parses strangers' bytes has no credential, no file and no way to get
one; who has the credentials listens to nobody. Needs root, for users."""
import os
import subprocess
import sys

from lib import proc
from lib.daemon import RECEIVER_UID, RELAY_UID
from lib.harness import main, scenario
from lib.smtpclient import message


def ready(t):
    t.need_root()
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait_messages(1)
    return daemon, daemon.wait_roles()


def descriptors(pid):
    """[(number, what it is, access mode)] of a process."""
    found = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            with open("/proc/%d/fdinfo/%s" % (pid, fd)) as info:
                flags = int(next(line for line in info
                                 if line.startswith("flags:")).split()[1], 8)
        except OSError:
            continue
        found.append((int(fd), target, flags & os.O_ACCMODE))
    return found


def listening_inodes():
    """Inodes of all listening TCP sockets."""
    found = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(name):
            continue
        with open(name) as table:
            for line in list(table)[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    found.add("socket:[%s]" % fields[9])
    return found


def may_read(uid, path):
    """Can a process of this user open the file? Asked in its own process."""
    script = ("import sys\ntry:\n open(sys.argv[1], 'rb').read(1)\n"
              "except OSError as e:\n sys.exit(3)\n")
    done = subprocess.run([sys.executable, "-S", "-c", script, path],
                          user=uid, group=uid, extra_groups=[],
                          capture_output=True, cwd="/")
    return done.returncode


@scenario
def two_users_and_nothing_to_gain(t):
    daemon, roles = ready(t)
    for role, uid in (("receiver", RECEIVER_UID), ("relay", RELAY_UID)):
        status = proc.status(roles[role])
        t.equal(status["Uid"].split(), [str(uid)] * 4, "%s: Uid" % role)
        t.equal(status["Gid"].split(), [str(uid)] * 4, "%s: Gid" % role)
        t.equal(status["Groups"].split(), [], "%s: groups" % role)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            t.equal(int(status[name], 16), 0, "%s: %s" % (role, name))
        t.equal(status["NoNewPrivs"], "1", "%s: NoNewPrivs" % role)


@scenario
def the_receiver_has_no_file_system(t):
    daemon, roles = ready(t)
    pid = roles["receiver"]
    root = os.readlink("/proc/%d/root" % pid)
    t.true(root != "/", "its root is %s" % root)
    t.equal(os.listdir("/proc/%d/root/" % pid), [], "names in its root")
    info = os.stat("/proc/%d/root/" % pid)
    t.true(info.st_uid != RECEIVER_UID and not info.st_mode & 0o022,
           "it can write into its root: %o" % info.st_mode)
    t.equal(os.readlink("/proc/%d/cwd" % pid), root, "its working directory")


@scenario
def the_receiver_holds_nothing_readable(t):
    daemon, roles = ready(t)
    found = descriptors(roles["receiver"])
    files = [(fd, target) for fd, target, access in found
             if target.startswith("/") and access != os.O_WRONLY and
             not target.startswith("/dev/null") and
             not os.path.isdir(target) and target != daemon.log_file and
             os.path.getsize(target) > 0]  # spool/roles: a lock, empty
    t.equal(files, [], "files it can read")
    directories = [x for x in found if os.path.isdir(x[1])]
    t.equal([x for x in directories if os.listdir(x[1])], [],
            "directories with something in them")
    journal = [x for x in found if "/journal/" in x[1]]
    t.true(journal, "it has a segment: %r" % found)


@scenario
def the_relay_listens_to_no_network(t):
    daemon, roles = ready(t)
    listening = listening_inodes()
    relay = {target for _, target, _ in descriptors(roles["relay"])}
    receiver = {target for _, target, _ in descriptors(roles["receiver"])}
    t.equal(relay & listening, set(), "the relay's listening sockets")
    t.true(receiver & listening, "the receiver's listening sockets")


@scenario
def the_relays_memory_and_files_are_closed_to_the_receiver(t):
    daemon, roles = ready(t)
    relay = roles["relay"]
    for name in ("mem", "maps", "environ", "auxv", "smaps_rollup"):
        t.equal(may_read(RECEIVER_UID, "/proc/%d/%s" % (relay, name)), 3,
                "the receiver's user reads /proc/RELAY/%s" % name)
    t.equal(may_read(RECEIVER_UID, daemon.password_file), 3,
            "the receiver's user reads the password")
    checked = 0
    for folder, _, names in os.walk(daemon.spool):
        for name in names:
            t.equal(may_read(RECEIVER_UID, os.path.join(folder, name)), 3,
                    "the receiver's user reads %s/%s" % (folder, name))
            checked += 1
    t.true(checked >= 3, "files in the spool: %d" % checked)
    # the probe itself works
    t.equal(may_read(RECEIVER_UID, "/proc/self/status"), 0, "the probe")


@scenario
def no_core_no_debugger(t):
    _, roles = ready(t)
    for role, pid in roles.items():
        with open("/proc/%d/limits" % pid) as limits:
            line = next(x for x in limits if x.startswith("Max core"))
        t.equal(line.split()[4:6], ["0", "0"], "%s: core size" % role)
        # what is not dumpable is root's: proc(5), /proc/PID
        t.equal(os.stat("/proc/%d/environ" % pid).st_uid, 0,
                "%s: owner of /proc/PID" % role)
        with open("/proc/%d/coredump_filter" % pid) as _:
            pass


@scenario
def the_spool_is_the_relays(t):
    daemon, _ = ready(t)
    for name in ("journal", "large", "queue", "failed", "state"):
        info = os.stat(os.path.join(daemon.spool, name))
        t.equal((info.st_uid, info.st_mode & 0o777), (RELAY_UID, 0o700),
                "owner and mode of %s" % name)
    info = os.stat(daemon.control)
    t.equal(info.st_mode & 0o777, 0o660, "mode of the control socket")
    info = os.stat(daemon.submit)
    t.equal(info.st_mode & 0o777, 0o666, "mode of the submit socket")


@scenario
def a_user_that_does_not_exist_is_told(t):
    t.need_root()
    daemon = t.daemon(t.fake(), user="nobody-of-that-name")
    status, text = daemon.check_config()
    t.equal(status, 1, "-t")
    t.true("nobody-of-that-name" in text, "it names the user: %r" % text)


@scenario
def one_user_for_both_is_refused(t):
    t.need_root()
    daemon = t.daemon(t.fake(), user=str(RELAY_UID))
    t.equal(daemon.check_config()[0], 1, "-t")


if __name__ == "__main__":
    main()

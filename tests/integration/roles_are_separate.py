"""Who parses strangers' bytes has no credential, no file and no way to get
one; who has the credentials listens to nobody. Needs root, for users."""
import ctypes
import errno
import os
import re
import socket

from lib import proc
from lib.daemon import RECEIVER_UID, RELAY_UID
from lib.harness import SANITIZED, main, scenario
from lib.smtpclient import message

PTRACE_SEIZE = 0x4206
CLOSED = (errno.EACCES, errno.EPERM)


def ready(t, **how):
    t.need_root()
    fake = t.fake(**how)
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


def asked_as(uid, question, root=None):
    """Runs question() in a process of this user, in this root directory.
    Returns its number: 0 for done, else errno."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            if root:
                os.chdir(root)
                os.chroot(".")
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            question()
            status = 0
        except OSError as error:
            status = error.errno
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def read(path):
    return lambda: os.read(os.open(path, os.O_RDONLY), 1)


def trace(pid):
    """ptrace(2), as a debugger does."""
    def attach():
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(ctypes.c_long(PTRACE_SEIZE), ctypes.c_long(pid),
                       None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    return attach


def memory_has(pid, word):
    """Is word somewhere in the memory of this process? Asked as root."""
    with open("/proc/%d/maps" % pid) as maps:
        ranges = re.findall(r"(?m)^(\w+)-(\w+) r", maps.read())
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for start, end in ranges:
            try:
                data = os.pread(memory.fileno(), int(end, 16) - int(start, 16),
                                int(start, 16))
            except (OSError, OverflowError):  # [vvar], [vsyscall]
                continue
            if word in data:
                return True
    return False


@scenario
def two_users_and_nothing_to_gain(t):
    daemon, roles = ready(t)
    for role, uid in (("receiver", RECEIVER_UID), ("relay", RELAY_UID)):
        status = proc.status(roles[role])
        t.equal(status["Uid"].split(), [str(uid)] * 4, "%s: Uid" % role)
        t.equal(status["Gid"].split(), [str(uid)] * 4, "%s: Gid" % role)
        t.equal(status["Groups"].split(), [], "%s: groups" % role)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
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
def the_receivers_root_gives_nothing(t):
    """What code in the receiver's place can do: its user, its root."""
    daemon, roles = ready(t)
    root = "/proc/%d/root" % roles["receiver"]

    def ask(question):
        return asked_as(RECEIVER_UID, question, root)

    for path in ("/etc/passwd", "/dev/null", "/proc/self/mem", daemon.spool,
                 daemon.password_file, "../../../../etc/passwd", "/tmp"):
        t.equal(ask(read(path)), errno.ENOENT, "opening %s" % path)
    for what, question in (
            ("a file", lambda: os.open("/new", os.O_CREAT | os.O_WRONLY)),
            ("a directory", lambda: os.mkdir("/new")),
            ("a link", lambda: os.symlink("/", "/new")),
            ("a device", lambda: os.mknod("/new", 0o20600, os.makedev(1, 1))),
            ("another root", lambda: os.chroot("/")),
            ("root's user", lambda: os.setresuid(0, 0, 0)),
            ("root's group", lambda: os.setresgid(0, 0, 0))):
        t.true(ask(question) in CLOSED, "it can have %s" % what)
    t.equal(ask(lambda: os.stat("/")), 0, "the probe itself works")


@scenario
def the_receiver_holds_nothing_readable(t):
    """Sockets, the loop's own, and files that it can only write."""
    daemon, roles = ready(t)
    own = re.compile(r"socket:|pipe:|anon_inode:\[?(eventpoll|eventfd)")
    kinds = (
        (os.O_RDWR, re.escape("/dev/null")),
        (os.O_WRONLY, re.escape(daemon.log_file)),
        # the lock that tells that a role lives: empty
        (os.O_RDWR, re.escape(daemon.spool) + "/roles"),
        (os.O_WRONLY, re.escape(daemon.spool) + r"/journal/[0-9a-f.]+"),
        (os.O_WRONLY, re.escape(daemon.spool) + r"/large/[0-9a-f]+"),
    )
    journal = 0
    for fd, target, access in descriptors(roles["receiver"]):
        t.true(own.match(target) or any(
            access == mode and re.fullmatch(name, target)
            for mode, name in kinds),
            "descriptor %d: %s, access %d" % (fd, target, access))
        journal += "/journal/" in target
    t.true(journal >= 1, "it has a segment")
    t.equal(os.path.getsize(os.path.join(daemon.spool, "roles")), 0,
            "size of spool/roles")


@scenario
def of_the_others_counters_it_has_a_view(t):
    """Shared memory: each role writes its own page and reads the other's."""
    _, roles = ready(t)
    for pid in roles.values():
        with open("/proc/%d/maps" % pid) as maps:
            shared = re.findall(r"(?m)^\S+ (\S\S\S)s .* (/memfd:\S+)",
                                maps.read())
        t.equal(len({name for _, name in shared}), 2, "pages: %r" % shared)
        t.equal(sorted(mode for mode, _ in shared), ["r--", "rw-"],
                "access to them")
    writable = []
    for pid in roles.values():
        with open("/proc/%d/maps" % pid) as maps:
            writable += re.findall(r"(?m)^\S+ rw-s .* (/memfd:\S+)",
                                   maps.read())
    t.equal(len(set(writable)), 2, "pages with two writers: %r" % writable)


@scenario
def the_password_is_in_the_relay_alone(t):
    if SANITIZED:
        t.skip("a sanitizer's memory is too large to be searched")
    # no alphabet: those are in every program
    daemon, roles = ready(t, password="qzwjxkvbhgfdytrm")
    word = daemon.fake.behaviour.password.encode()
    t.true(memory_has(roles["relay"], word), "the relay has it")
    t.true(not memory_has(roles["receiver"], word), "the receiver has it")
    t.true(not memory_has(daemon.pid, word), "the parent has kept it")
    daemon.reload()
    roles = daemon.wait_roles()
    t.true(memory_has(roles["relay"], word), "the new relay has it")
    t.true(not memory_has(roles["receiver"], word), "the new receiver has it")
    t.true(not memory_has(daemon.pid, word), "the parent has kept it")


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

    def ask(question):
        return asked_as(RECEIVER_UID, question)

    for name in ("mem", "maps", "environ", "auxv", "smaps_rollup", "stack"):
        path = "/proc/%d/%s" % (relay, name)
        if os.path.exists(path):
            t.true(ask(read(path)) in CLOSED, "it reads %s" % path)
    for name in ("fd", "task/%d/fd" % relay, "cwd", "root"):
        path = "/proc/%d/%s" % (relay, name)
        t.true(ask(lambda: os.listdir(path)) in CLOSED, "it lists " + path)
    t.true(ask(read(daemon.password_file)) in CLOSED, "it reads the password")
    checked = 0
    for folder, _, names in os.walk(daemon.spool):
        for name in names:
            path = os.path.join(folder, name)
            t.true(ask(read(path)) in CLOSED, "it reads %s" % path)
            t.true(ask(lambda: os.open(path, os.O_WRONLY)) in CLOSED,
                   "it writes %s" % path)
            checked += 1
    t.true(checked >= 3, "files in the spool: %d" % checked)
    t.equal(ask(read("/proc/self/status")), 0, "the probe itself works")


@scenario
def nor_can_it_trace_signal_or_ask_it(t):
    daemon, roles = ready(t)

    def connect():
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(daemon.control)

    for pid in (roles["relay"], daemon.pid):
        t.true(asked_as(RECEIVER_UID, trace(pid)) in CLOSED, "it may trace")
        t.true(asked_as(RECEIVER_UID, lambda: os.kill(pid, 0)) in CLOSED,
               "it may signal")
    t.true(asked_as(RECEIVER_UID, connect) in CLOSED, "it may give orders")
    # and one role's user has no power over the role's own process
    for role, uid in (("receiver", RECEIVER_UID), ("relay", RELAY_UID)):
        pid = roles[role]
        t.true(asked_as(uid, trace(pid)) in CLOSED, "the %s's user may trace "
               "it" % role)
        t.true(asked_as(uid, read("/proc/%d/mem" % pid)) in CLOSED,
               "the %s's user may read its memory" % role)
    t.equal(asked_as(RELAY_UID, connect), 0, "the probe itself works")


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


if __name__ == "__main__":
    main()

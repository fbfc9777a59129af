"""unit.py - the systemd unit as a program finds it, played: where no systemd
runs, a daemon is started with the capabilities, system calls, address families
and read-only files of the unit that was built, and with no more.
"""
import ctypes
import ctypes.util
import os
import re
import subprocess
import sys

UNIT = os.path.join(os.environ.get("top_builddir") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../../build"),
    "systemd/gmrelayd.service")

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 0x40000, 0x1000
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
MOUNT_SETATTR, MOUNT_ATTR_RDONLY = 442, 1
ALLOW, REFUSE = 0x7fff0000, 0x00050000  # of libseccomp; with an errno
EPERM, EAFNOSUPPORT = 1, 97
EQUAL = 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16,
            "AF_PACKET": 17}
FAMILY_MAX = 45
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID "
    "SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW "
    "IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD "
    "LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()


def settings(path=UNIT):
    """{"SystemCallFilter": ["@system-service chroot", "~@resources"]}"""
    found = {}
    with open(path, encoding="utf-8") as unit:
        for line in unit:
            match = re.match(r"(\w+)=(.*)", line)
            if match:
                found.setdefault(match[1], []).append(match[2].strip())
    return found


def words(unit, name):
    return " ".join(unit.get(name, [])).split()


def calls_of(name):
    """The system calls of @set, or of one name."""
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", name],
        capture_output=True, text=True, check=True).stdout
    found = set()
    for line in text.splitlines()[1:]:
        word = line.strip()
        if word and not word.startswith("#"):
            found |= calls_of(word)
    return found


def allowed_calls(unit):
    """What SystemCallFilter leaves, with what systemd adds by itself."""
    found = calls_of("@default")
    for line in unit["SystemCallFilter"]:
        for word in line.lstrip("~").split():
            if line.startswith("~"):
                found -= calls_of(word)
            else:
                found |= calls_of(word)
    return sorted(found)


def wrapper(t, folder):
    """For Daemon.wrapper; what is below folder may be written to."""
    t.need_root()
    t.need("systemd-analyze")
    t.true(ctypes.util.find_library("seccomp") or t.skip("no libseccomp"), "")
    unit = settings()
    families = words(unit, "RestrictAddressFamilies")
    capabilities = [x[4:] for x in words(unit, "CapabilityBoundingSet")]
    t.true(set(capabilities) < set(CAPABILITIES), "%s" % capabilities)
    probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs",
                            "/run"], capture_output=True)
    if probe.returncode != 0:
        t.skip("mounts of one's own are refused here")
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), folder,
            ",".join(capabilities), ",".join(families),
            ",".join(allowed_calls(unit))]


# --- the process that becomes the daemon -------------------------------------

libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


class MountAttributes(ctypes.Structure):
    _fields_ = [("set", ctypes.c_uint64), ("clear", ctypes.c_uint64),
                ("propagation", ctypes.c_uint64), ("userns", ctypes.c_uint64)]


def change_mounts(path, flags, **attributes):
    how = MountAttributes(**attributes)
    must(libc.syscall(MOUNT_SETATTR, AT_FDCWD, path.encode(), flags,
                      ctypes.byref(how), ctypes.sizeof(how)),
         "mount_setattr " + path)


def only_this_is_writable(folder):
    """ProtectSystem=strict, ReadWritePaths=."""
    place = folder.encode()
    must(libc.unshare(CLONE_NEWNS), "unshare")
    must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private")
    must(libc.mount(place, place, None, MS_BIND, None), "bind")
    change_mounts("/", AT_RECURSIVE, set=MOUNT_ATTR_RDONLY)
    for path in (folder, "/dev", "/proc"):
        change_mounts(path, 0, clear=MOUNT_ATTR_RDONLY)


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def load_filter(default, rules):
    """rules: [(call, action, Compare or None)]"""
    lib = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
        ctypes.c_void_p]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    context = lib.seccomp_init(default)
    for name, action, compare in rules:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # not of this machine
            continue
        must(lib.seccomp_rule_add_array(
            context, action, number, 1 if compare else 0,
            ctypes.byref(compare) if compare else None), name)
    must(lib.seccomp_load(context), "seccomp_load")


def become(folder, capabilities, families, calls, command):
    only_this_is_writable(folder)
    for number, name in enumerate(CAPABILITIES):
        if name not in capabilities:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    mine = {FAMILIES[x] for x in families}
    load_filter(ALLOW, [
        ("socket", REFUSE | EAFNOSUPPORT, Compare(0, EQUAL, number, 0))
        for number in range(FAMILY_MAX + 1) if number not in mine])
    load_filter(REFUSE | EPERM, [(x, ALLOW, None) for x in calls])
    os.execv(command[0], command)


if __name__ == "__main__":
    become(sys.argv[1], *(x.split(",") for x in sys.argv[2:5]), sys.argv[5:])

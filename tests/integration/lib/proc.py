"""proc.py - what /proc tells of processes."""
import os


def _read(pid, file):
    try:
        with open("/proc/%d/%s" % (pid, file), "rb") as source:
            return source.read()
    except OSError:
        return b""


def _stat(pid):
    """Fields of /proc/PID/stat from the state on: state, ppid, pgrp, session."""
    return _read(pid, "stat").rpartition(b")")[2].split()


def all_pids():
    return [int(x) for x in os.listdir("/proc") if x.isdigit()]


def is_alive(pid):
    fields = _stat(pid)
    return bool(fields) and fields[0] not in (b"Z", b"X")


def children(pid):
    """Living children, oldest first."""
    found = []
    for child in all_pids():
        fields = _stat(child)
        if len(fields) > 3 and fields[0] not in (b"Z", b"X") and \
                int(fields[1]) == pid:
            found.append(child)
    return sorted(found)


def session_members(session):
    """Living processes of a session."""
    found = []
    for pid in all_pids():
        fields = _stat(pid)
        if len(fields) > 3 and fields[0] not in (b"Z", b"X") and \
                int(fields[3]) == session:
            found.append(pid)
    return found


def name(pid):
    """comm and command line, for recognising and for messages."""
    return "%s %s" % (_read(pid, "comm").decode(errors="replace").strip(),
                      _read(pid, "cmdline").replace(b"\0", b" ").decode(
                          errors="replace").strip())


def status(pid):
    """/proc/PID/status as {"Uid": "0\\t0\\t0\\t0"}."""
    lines = _read(pid, "status").decode(errors="replace").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def uid(pid):
    """The effective user."""
    return int(status(pid).get("Uid", "-1 -1").split()[1])


def voluntary_switches(pid):
    """Voluntary context switches of all threads, {tid: count}."""
    found = {}
    try:
        tasks = os.listdir("/proc/%d/task" % pid)
    except OSError:
        return found
    for task in tasks:
        text = _read(pid, "task/%s/status" % task).decode()
        for line in text.splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                found[int(task)] = int(line.split()[1])
    return found


def cpu_s(pid):
    """Processor time of a process and of its children that have ended."""
    fields = _stat(pid)
    ticks = sum(int(x) for x in fields[11:15]) if len(fields) > 14 else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def pss_anon_kb(pid):
    """Pss_Anon of /proc/PID/smaps_rollup in KiB; None where it is closed."""
    for line in _read(pid, "smaps_rollup").decode().splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1])
    return None


def memory(pid):
    """All that the process may write to, as it is now. Root only."""
    found = []
    with open("/proc/%d/mem" % pid, "rb") as mem:
        for line in _read(pid, "maps").decode().splitlines():
            place, rights = line.split()[:2]
            begin, end = (int(x, 16) for x in place.split("-"))
            if not rights.startswith("rw"):
                continue
            mem.seek(begin)
            try:
                found.append(mem.read(end - begin))
            except OSError:
                pass  # what belongs to the kernel
    return b"".join(found)

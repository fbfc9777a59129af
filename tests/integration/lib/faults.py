"""faults.py - a slow or failing disk or resolver for one daemon, and a clock that
jumps, by tests/crash/shim.c, which is preloaded into it. Rules may be changed
while it runs.

    faults = Faults(daemon)         # before daemon.start()
    rule = faults.delay("committer", FDATASYNC, 2000)
    rule = faults.fail("mover", FSYNC, errno.EIO, times=1)
    rule.entered, rule.left         # calls it was for: begun, behind it
    faults.clear()

A rule is for a thread, that of a kill for all threads of a process:
    parent      gmrelayd
    receiver    gmrelayd-recv (the loop), committer, body-syncer
    relay       gmrelayd-relay (the loop), segment-maker, mark-syncer, mover
"""
import mmap
import os
import struct

from .daemon import TOP, wait_for

SHIM = os.path.join(TOP, "tests/crash/shim.so")

FDATASYNC = 1
FSYNC = 2
PWRITE = 4
WRITE = 8
OPEN = 16
RENAME = 32
UNLINK = 64
LINK = 128
STATVFS = 256
SOCKET = 1024   # socket, accept4, eventfd
RESOLVE = 512   # of names; it fails with EAI_AGAIN, whatever the errno
SENDMSG = 2048  # between the processes
FTRUNCATE = 4096
FALLOCATE = 8192
MKDIR = 16384
FSTATAT = 32768
CALL_NAMES = {FDATASYNC: "fdatasync", FSYNC: "fsync", PWRITE: "pwrite",
              WRITE: "write", OPEN: "open", RENAME: "rename",
              UNLINK: "unlink", LINK: "link", STATVFS: "fstatvfs",
              SOCKET: "socket", RESOLVE: "getaddrinfo", SENDMSG: "sendmsg",
              FTRUNCATE: "ftruncate", FALLOCATE: "fallocate", MKDIR: "mkdir",
              FSTATAT: "fstatat"}

# instead of an errno
SHORT = 100000          # half of the bytes are written
KILL_BEFORE = 100001    # the process dies at once, as by kill -9
KILL_HALF = 100002      # behind half of the bytes
KILL_AFTER = 100003     # behind the call

RULES = 8
# active, calls, error, delay_ms, first, times, seen, entered, left, hit, who,
# process
LAYOUT = struct.Struct("=10I16s16s")
# behind the rules, in seconds: how far the wall clock is ahead, and how long the
# machine was suspended
WALL = BOOT = struct.Struct("=q")
WALL_AT = RULES * LAYOUT.size
BOOT_AT = WALL_AT + WALL.size
COUNTERS_AT = struct.calcsize("=7I")
COUNTERS = struct.Struct("=2I")
HIT_AT = struct.calcsize("=9I")
SEEN_AT = struct.calcsize("=6I")
SEEN = struct.Struct("=I")
FOREVER_MS = 600 * 1000


class FaultRule:
    def __init__(self, page, at):
        self.page = page
        self.at = at

    @property
    def seen(self):
        """Calls it looked at."""
        return SEEN.unpack_from(self.page, self.at + SEEN_AT)[0]

    @property
    def entered(self):
        return COUNTERS.unpack_from(self.page, self.at + COUNTERS_AT)[0]

    @property
    def left(self):
        return COUNTERS.unpack_from(self.page, self.at + COUNTERS_AT)[1]

    @property
    def hit(self):
        """The name of the last call it was for."""
        return CALL_NAMES.get(SEEN.unpack_from(self.page,
                                               self.at + HIT_AT)[0])

    def wait_entered(self, count=1, deadline=20):
        wait_for(lambda: self.entered >= count, deadline,
                 "call %d of those a fault is for" % count)

    def end(self):
        """Calls that wait go on."""
        struct.pack_into("=I", self.page, self.at, 0)


class Faults:
    def __init__(self, daemon):
        if not os.access(SHIM, os.R_OK):
            raise AssertionError("%s is not built: `make check` does" % SHIM)
        path = os.path.join(daemon.folder, "faults")
        with open(path, "w+b") as file:
            file.truncate(BOOT_AT + BOOT.size)
            self.page = mmap.mmap(file.fileno(), BOOT_AT + BOOT.size)
        self.count = 0
        daemon.environment.update({
            "LD_PRELOAD": SHIM,
            "GMRELAY_FAULTS": path,
            "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0",
        })

    def delay(self, who, calls, ms, **when):
        return self._add(who, calls, 0, ms, **when)

    def fail(self, who, calls, error, **when):
        return self._add(who, calls, error, 0, **when)

    def kill(self, process, calls, how, who="", **when):
        """The process ends itself at one of its calls, in whatever thread, or
        that one. how: KILL_BEFORE, KILL_HALF, KILL_AFTER."""
        return self._add(who, calls, how, 0, process=process, times=1, **when)

    def stop(self, who, calls, **when):
        """The call is not made before the rule ends: a moment to look, or to
        kill its process."""
        return self._add(who, calls, 0, FOREVER_MS, **when)

    def move_clock(self, seconds):
        """The wall clock, from the real one; certificates keep theirs."""
        WALL.pack_into(self.page, WALL_AT, seconds)

    def suspend(self, seconds):
        """As if the machine had slept for so long in all: the clock went on
        that counts that, and timers stood still. A process hears of it when it
        looks at that clock the next time."""
        BOOT.pack_into(self.page, BOOT_AT, seconds)

    def clear(self):
        """Ends all rules."""
        for at in range(0, RULES * LAYOUT.size, LAYOUT.size):
            struct.pack_into("=I", self.page, at, 0)
        self.count = 0

    def _add(self, who, calls, error, delay_ms, first=1, times=0, process=""):
        """For the first-th call from now on, and so many (0: all)."""
        if self.count == RULES:
            raise AssertionError("too many rules at a time")
        at = self.count * LAYOUT.size
        self.count += 1
        LAYOUT.pack_into(self.page, at, 0, calls, error, delay_ms, first,
                         times, 0, 0, 0, 0, who.encode(), process.encode())
        struct.pack_into("=I", self.page, at, 1)
        return FaultRule(self.page, at)

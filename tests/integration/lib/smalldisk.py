"""smalldisk.py - a small file system for one spool, which nobody else sees:
the test's own process moves to a mount namespace of its own. Needs root."""
import ctypes
import os
import subprocess

from .harness import Test

CLONE_NEWNS = 0x00020000
MIB = 1024 * 1024
_state = {"private": False}


def _private(t):
    """Of the calling thread, and of what it starts."""
    if _state["private"]:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        t.skip("no mount namespace: %s" % os.strerror(ctypes.get_errno()))
    done = subprocess.run(["mount", "--make-rprivate", "/"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        t.skip("no private mounts: %s" % done.stderr.strip())
    _state["private"] = True


class SmallDisk:
    """A tmpfs of so many MiB in the place of daemon.spool."""

    def __init__(self, t: Test, daemon, size_mib):
        t.need_root()
        t.need("mount", "umount")
        _private(t)
        self.path = daemon.spool
        self.filler = os.path.join(self.path, "filler")
        os.mkdir(self.path, 0o755)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=%dm,mode=0755" % size_mib,
             "tmpfs", self.path], capture_output=True, text=True)
        if done.returncode != 0:
            t.skip("no tmpfs: %s" % done.stderr.strip())

        def end():
            if not t.stop_well:
                daemon.kill_all()
            daemon.stop()
            subprocess.run(["umount", "-l", self.path], check=True)

        t.at_end.append(end)

    def grow(self, size_mib):
        subprocess.run(["mount", "-o", "remount,size=%dm" % size_mib,
                        self.path], check=True)

    def free(self):
        """Octets."""
        st = os.statvfs(self.path)
        return st.f_bavail * st.f_frsize

    def fill(self):
        """To the last octet."""
        with open(self.filler, "ab", buffering=0) as file:
            for size in (MIB, 4096):
                piece = bytes(size)
                try:
                    while True:
                        file.write(piece)
                except OSError:
                    continue

    def empty(self):
        os.unlink(self.filler)

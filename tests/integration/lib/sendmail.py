"""sendmail.py - the command under test, pointed at a daemon of this test."""
import os
import shutil
import socket
import subprocess
import threading

from .daemon import GMRELAYCTL, GMRELAYD, RELAY_UID
from .patience import PATIENCE, WRAPPER

SANITIZED = os.environ.get("SANITIZED") == "yes"
SENDMAIL = os.environ.get("GMRELAY_SENDMAIL") or os.path.join(
    os.path.dirname(GMRELAYD), "gmrelay-sendmail")
USER_UID = 64600
OK, USAGE, DATAERR, NOUSER, TEMPFAIL = 0, 64, 65, 67, 75


class Sendmail:
    """Runs it. Without raised rights it believes the environment."""

    def __init__(self, t, daemon):
        self.t = t
        self.daemon = daemon
        self.folder = t.path("bin")
        os.makedirs(self.folder, exist_ok=True)
        # the build directory may be root's alone, the user is not
        self.program, ctl = (os.path.join(self.folder, os.path.basename(x))
                             for x in (SENDMAIL, GMRELAYCTL))
        for here, there in ((self.program, SENDMAIL), (ctl, GMRELAYCTL)):
            if not os.path.exists(here):
                shutil.copy(there, here)
        for name in ("sendmail", "mailq", "newaliases"):
            link = os.path.join(self.folder, name)
            if not os.path.lexists(link):
                os.symlink(self.program, link)
        self.ctl = os.path.join(self.folder, "ctl")
        with open(self.ctl, "w", encoding="ascii") as out:
            out.write('#!/bin/sh\nexec %s -c %s -s %s "$@"\n' % (
                ctl, daemon.config_file, daemon.control))
        os.chmod(self.ctl, 0o755)
        self.drop = os.path.join(daemon.spool, "drop")

    def environment(self):
        environment = {key: value for key, value in os.environ.items()
                       if key.startswith(("ASAN_", "UBSAN_"))}
        environment.update(
            PATH="/usr/sbin:/usr/bin:/sbin:/bin", GMRELAY_CTL=self.ctl,
            GMRELAY_SUBMIT=self.daemon.submit, GMRELAY_DROP=self.drop)
        return environment

    def argv(self, *args, name="sendmail"):
        return WRAPPER + self.bare_argv(*args, name=name)

    def bare_argv(self, *args, name="sendmail"):
        """For what no wrapper stands, such as no standard error."""
        return [os.path.join(self.folder, name)] + [str(x) for x in args]

    def run(self, *args, text=b"", name="sendmail", env=None, **how):
        """A CompletedProcess; stdout and stderr as text."""
        done = subprocess.run(
            self.argv(*args, name=name), input=text,
            timeout=120 * PATIENCE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(self.environment(), **(env or {})), **how)
        done.stdout = done.stdout.decode("utf-8", "replace")
        done.stderr = done.stderr.decode("utf-8", "replace")
        return done

    def ok(self, *args, **how):
        """As run(); it must say nothing and exit 0."""
        done = self.run(*args, **how)
        self.t.equal((done.returncode, done.stdout, done.stderr),
                     (0, "", ""), "sendmail %s" % (args,))
        return done

    def fails(self, status, *args, **how):
        """As run(); it must exit with this status and one line on stderr, which
        is returned."""
        done = self.run(*args, **how)
        self.t.equal(done.returncode, status, "status of sendmail %s: %s" % (
            args, done.stderr))
        lines = done.stderr.splitlines()
        self.t.equal(len(lines), 1, "lines on stderr: %r" % done.stderr)
        return lines[0]


def install_setgid(t, gid):
    """A copy with the rights that make install gives it."""
    t.need_root()
    if SANITIZED:
        t.skip("LeakSanitizer cannot look into a program with raised rights, "
               "and may not be told so")
    if os.statvfs(t.folder).f_flag & os.ST_NOSUID:
        t.skip("%s is mounted nosuid" % t.folder)
    path = t.path("gmrelay-sendmail")
    shutil.copy(SENDMAIL, path)
    os.chown(path, 0, gid)
    os.chmod(path, 0o2755)
    return path


def make_spool(daemon, gid):
    """The spool as tmpfiles.d makes it: drop/ is of a group of its own."""
    os.makedirs(daemon.spool, exist_ok=True)
    os.chown(daemon.spool, 0, RELAY_UID)
    os.chmod(daemon.spool, 0o751)
    drop = os.path.join(daemon.spool, "drop")
    os.makedirs(drop, exist_ok=True)
    os.chown(drop, RELAY_UID, gid)
    os.chmod(drop, 0o1770)
    return drop


class Installed(Sendmail):
    """As it is installed: set-group-ID, with the paths it is built with. Each
    run has a mount namespace of its own, where these are the daemon's, and
    what is in places ({path: file}) lies over what is there."""

    GID = USER_UID + 50

    def __init__(self, t, daemon, uid=USER_UID, places=None):
        super().__init__(t, daemon)
        # LeakSanitizer fails in a program with raised rights: there the user
        # has the group without them
        self.gid = self.GID if SANITIZED else None
        if not SANITIZED:
            self.program = install_setgid(t, self.GID)
        self.drop = make_spool(daemon, self.GID)
        self.uid = uid
        self.places = places or {}
        probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs",
                                "tmpfs", "/run"], capture_output=True)
        if probe.returncode != 0:
            t.skip("mounts of one's own are refused here")

    @staticmethod
    def room():
        """What lies over the directories in which ours are made."""
        return ["mount -t tmpfs -o mode=755 tmpfs " + path
                for path in ("/var/spool", "/run")]

    def script(self):
        """Mounts, then becomes the user."""
        lines = ["set -e"] + self.room()
        for path, here in (("/var/spool", self.daemon.spool),
                           ("/run", self.daemon.folder)):
            lines += ["mkdir -p %s/gmrelayd" % path,
                      "mount --bind %s %s/gmrelayd" % (here, path)]
        for path, file in self.places.items():
            lines += ["if ! [ -e %s ]; then d=%s" % (path, path),
                      'until [ -d "$d" ]; do d=$(dirname "$d"); done',
                      'mount -t tmpfs -o mode=755 tmpfs "$d"',
                      "mkdir -p $(dirname %s); >%s; fi" % (path, path),
                      "mount --bind %s %s" % (file, path)]
        lines.append('exec "$@"' if self.uid == 0 else
                     'exec setpriv --reuid %d --regid %d --clear-groups "$@"'
                     % (self.uid, self.gid or self.uid))
        return "\n".join(lines)

    def inside(self, *argv):
        """argv, run by the user among these mounts."""
        return ["unshare", "-m", "--propagation", "private", "sh", "-c",
                self.script(), "sh"] + [str(x) for x in argv]

    def argv(self, *args, name="sendmail"):
        return self.inside(*WRAPPER, self.program, *args)

    def by(self, uid):
        """The same program, run by another user."""
        other = object.__new__(Installed)
        other.__dict__.update(self.__dict__, uid=uid)
        return other


class Script:
    """A daemon that says what it is told, on a Unix socket: replies is a list of
    (what the line begins with, reply); the first match counts, each once where
    the reply is in a list. lines is what came."""

    def __init__(self, t, replies, path=None):
        self.path = path or t.path("script.sock")
        self.replies = replies
        self.lines = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(5)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        t.at_end.append(self.close)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        os.unlink(self.path)

    def answer(self, line):
        for start, reply in self.replies:
            if not line.upper().startswith(start.upper()):
                continue
            if isinstance(reply, str):
                return reply
            if reply:
                return reply.pop(0)
        return "250 ok"

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                with connection, connection.makefile("rwb") as file:
                    self.talk(file)
            except OSError:
                pass

    def talk(self, file):
        self.say(file, self.answer("greeting"))
        for line in file:
            line = line.decode("utf-8", "replace").rstrip("\r\n")
            self.lines.append(line)
            if line.startswith("BDAT"):
                file.read(int(line.split()[1]))
            reply = self.answer(line)
            if line != "QUIT":
                self.say(file, reply)
            if line == "QUIT" or reply.startswith("421"):
                return

    @staticmethod
    def say(file, reply):
        file.write(reply.replace("\n", "\r\n").encode() + b"\r\n")
        file.flush()

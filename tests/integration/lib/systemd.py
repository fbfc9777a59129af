"""systemd.py - what a daemon sees of systemd, played: sockets that it is
handed (sd_listen_fds(3)) and a place where it tells its state (sd_notify(3)).
"""
import os
import re
import socket
import sys
import time

from .patience import PATIENCE

# Becomes the command, with the descriptors from 3 on; LISTEN_PID must be its.
# argv: the descriptors, commas between; the command.
HAND_OVER = """
import fcntl, os, sys
fds = [int(x) for x in sys.argv[1].split(",")]
fds = [fcntl.fcntl(x, fcntl.F_DUPFD, 3 + len(fds)) for x in fds]
for number, fd in enumerate(fds, 3):
    os.dup2(fd, number)
os.closerange(3 + len(fds), 1024)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(fds))
os.execv(sys.argv[2], sys.argv[2:])
"""


def start_with_sockets(daemon, sockets, **how):
    """daemon.start(), with these sockets as systemd passes them."""
    fds = [x.fileno() for x in sockets]
    daemon.wrapper = [sys.executable, "-I", "-S", "-c", HAND_OVER,
                      ",".join(map(str, fds))]
    return daemon.start(pass_fds=fds, **how)


def listener(t, address=("127.0.0.1", 0)):
    """A listening socket; a path makes one of the Unix kind."""
    unix = isinstance(address, str)
    sock = socket.socket(socket.AF_UNIX if unix else
                         socket.AF_INET6 if ":" in address[0] else
                         socket.AF_INET, socket.SOCK_STREAM)
    t.at_end.append(sock.close)
    sock.bind(address)
    sock.listen()
    return sock


def name(sock):
    """As it stands in listen."""
    host, port = sock.getsockname()[:2]
    return ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)


class Notify:
    """$NOTIFY_SOCKET. Holds what was told, in order: (time, {"READY": "1"})."""

    def __init__(self, t, daemon, **environment):
        path = os.path.join(daemon.folder, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        t.at_end.append(self.sock.close)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        daemon.environment.update(environment, NOTIFY_SOCKET=path)
        self.told = []

    def read(self, seconds=0):
        """Takes in what is there, or comes within the time; returns all."""
        self.sock.settimeout(max(seconds, 0.001))
        try:
            text = self.sock.recv(65536).decode()
        except TimeoutError:
            return self.told
        fields = dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", text))
        self.told.append((time.monotonic(), fields))
        return self.read()

    def wait(self, key, pattern="", deadline=20, after=0):
        """Waits for KEY=...pattern... among what was told from number after
        on; returns its number."""
        end = time.monotonic() + deadline * PATIENCE
        while True:
            for number, (_, fields) in enumerate(self.told):
                if number >= after and key in fields and \
                        re.search(pattern, fields[key]):
                    return number
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError("no %s=%s told; told: %r" % (
                    key, pattern, [x[1] for x in self.told]))
            self.read(left)

    def count(self, key):
        return sum(key in fields for _, fields in self.read())

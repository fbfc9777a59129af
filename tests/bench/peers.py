"""peers.py - what bench.py measures: relays that are started on a free port with
an upstream, and what stands beside them as a limit."""
import os
import subprocess

from lib import bench, proc
from lib.daemon import GMRELAYD, Daemon
from lib.postfix import Instance

CONNECTIONS = 20
STOP_SECONDS = 60


class Relay:
    """A relay that runs, below folder; upstream is a port."""

    relays = True  # it takes mail, keeps it and sends it on

    def __init__(self, folder, pki, upstream):
        self.folder, self.pki, self.upstream = folder, pki, upstream
        self.port = None

    def members(self):
        """Its processes."""
        raise NotImplementedError

    def cpu_s(self):
        """Processor time of all of them and of those that have ended."""
        return sum(proc.cpu_s(pid) for pid in self.members())

    def memory_mb(self):
        sizes = [proc.pss_anon_kb(pid) for pid in self.members()]
        return sum(size or 0 for size in sizes) / 1024

    def switches(self):
        return sum(sum(proc.voluntary_switches(pid).values())
                   for pid in self.members())


class Gmrelayd(Relay):
    name = "gmrelayd"

    @staticmethod
    def missing():
        return None if os.access(GMRELAYD, os.X_OK) else "it is not built"

    def __init__(self, *args):
        super().__init__(*args)
        self.daemon = Daemon(
            self.folder, backoff=["5s", "5m"], retry=["1m"],
            account=bench.account(self.upstream, self.pki.ca_file,
                                  CONNECTIONS))
        self.daemon.write_password("secret")

    def start(self):
        self.daemon.start(deadline=120)
        self.port = self.daemon.port

    def stop(self):
        self.daemon.stop(STOP_SECONDS)

    def kill(self):
        self.daemon.kill_all()

    def flush(self):
        self.daemon.ask("queue.flush")

    def members(self):
        return proc.session_members(self.daemon.pid)


POSTFIX_MAIN = """\
myhostname = relay.example.org
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:%(upstream)d
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = localhost
smtp_tls_CAfile = %(ca_file)s
smtp_tls_session_cache_database = btree:%(folder)s/data/sessions
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_password_maps =
    inline:{ { [127.0.0.1]:%(upstream)d = someone@gmail.com:secret } }
minimal_backoff_time = 5s
queue_run_delay = 5s
"""
REUSE = """\
smtp_tls_connection_reuse = yes
smtp_destination_concurrency_limit = %d
initial_destination_concurrency = %d
""" % (CONNECTIONS, CONNECTIONS)
POSTFIX_MASTER = """\
pickup unix n - n 60 1 pickup
tlsproxy unix - - n - 0 tlsproxy
showq unix n - n - - showq
"""


class Postfix(Instance, Relay):
    """An instance of our own that relays."""

    name = "postfix"
    more = ""

    def __init__(self, *args):
        Relay.__init__(self, *args)
        values = {"folder": self.folder, "upstream": self.upstream,
                  "ca_file": self.pki.ca_file}
        Instance.__init__(self, self.folder, POSTFIX_MAIN % values + self.more,
                          POSTFIX_MASTER)

    def flush(self):
        subprocess.run(["postqueue", "-c", self.path("etc"), "-f"],
                       stdin=subprocess.DEVNULL, capture_output=True,
                       check=True, timeout=STOP_SECONDS)


class PostfixReuse(Postfix):
    """With its documented settings for much mail to one server."""

    name = "postfix-reuse"
    more = REUSE


class Nothing(Relay):
    """A server that takes mail and stores nothing: the ceiling of accepting."""

    name = "nothing"
    relays = False

    @staticmethod
    def missing():
        return None

    def __init__(self, *args):
        super().__init__(*args)
        self.sink = None

    def start(self):
        self.sink = bench.Sink()
        self.port = self.sink.port

    def stop(self):
        self.sink.stop()

    kill = stop


class DiskLog:
    """The bare disk: appends, one sync for as many as there are clients."""

    name = "disk-appends"
    relays = False
    option = "-l"
    measured = (1, 20, 100)

    @staticmethod
    def missing():
        return None

    @classmethod
    def rate(cls, folder, size, clients):
        done = subprocess.run(
            [os.path.join(bench.PROGRAMS, "disk"), "-s", str(size),
             cls.option, str(clients), folder],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=True, timeout=STOP_SECONDS)
        return float(done.stdout.split("rate=")[1])


class DiskFiles(DiskLog):
    """The bare disk: a file a message, by so many threads."""

    name = "disk-files"
    option = "-f"
    measured = (1, 20)


def running(peer, folder, pki, upstream):
    """A peer that was started, as a context."""
    return _Running(peer(folder, pki, upstream))


class _Running:
    def __init__(self, relay):
        self.relay = relay

    def __enter__(self):
        self.relay.start()
        return self.relay

    def __exit__(self, kind, *_):
        if kind is None:
            self.relay.stop()
        else:
            self.relay.kill()


# limits first: each round begins with them
PEERS = [DiskLog, DiskFiles, Nothing, Gmrelayd, Postfix, PostfixReuse]

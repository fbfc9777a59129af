"""peers.py - what bench.py measures: relays that are started on a free port with
an upstream, and what stands beside them as a limit."""
import grp
import os
import pwd
import signal
import subprocess

from lib import bench, proc
from lib.daemon import GMRELAYD, Daemon, free_port, wait_for
from lib.postfix import DAEMONS, QUEUES

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


MAIN_CF = """\
compatibility_level = 3.6
queue_directory = %(folder)s/queue
data_directory = %(folder)s/data
daemon_directory = %(daemons)s
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = %(folder)s/log
maillog_file_prefixes = %(folder)s
import_environment = MAIL_CONFIG
myhostname = relay.example.org
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
message_size_limit = 36000000
smtpd_client_connection_count_limit = 0
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
%(more)s
"""
REUSE = """\
smtp_tls_connection_reuse = yes
smtp_destination_concurrency_limit = %d
initial_destination_concurrency = %d
""" % (CONNECTIONS, CONNECTIONS)
MASTER_CF = """\
127.0.0.1:%(port)d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Relay):
    """An instance of our own, whatever the system's is doing."""

    name = "postfix"
    more = ""

    @staticmethod
    def missing():
        if os.geteuid() != 0:
            return "it needs root"
        if not os.access(DAEMONS + "/master", os.X_OK):
            return "it is not installed"
        return None

    def __init__(self, *args):
        super().__init__(*args)
        self.port = free_port()
        self.process = None
        self._make_folders()
        values = {"folder": self.folder, "daemons": DAEMONS, "port": self.port,
                  "upstream": self.upstream, "ca_file": self.pki.ca_file,
                  "more": self.more}
        for name, text in (("main.cf", MAIN_CF), ("master.cf", MASTER_CF)):
            with open(self._path("etc/" + name), "w", encoding="ascii") as out:
                out.write(text % values)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _make_folders(self):
        owner = pwd.getpwnam("postfix").pw_uid
        dropper = grp.getgrnam("postdrop").gr_gid
        rows = [("etc", 0o755, 0, 0), ("queue", 0o755, 0, 0),
                ("queue/pid", 0o755, 0, 0), ("data", 0o700, owner, 0),
                ("queue/maildrop", 0o730, owner, dropper),
                ("queue/public", 0o710, owner, dropper)]
        rows += [("queue/" + name, 0o700, owner, 0) for name in QUEUES]
        for name, mode, uid, gid in rows:
            os.mkdir(self._path(name))
            os.chown(self._path(name), uid, gid)
            os.chmod(self._path(name), mode)

    def start(self):
        self.process = subprocess.Popen(
            [DAEMONS + "/master", "-c", self._path("etc"), "-d"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for(self._answers, 60, "Postfix")

    def _answers(self):
        assert self.process.poll() is None, "Postfix ended at its start"
        try:
            return bench.greeting(self.port).startswith(b"220")
        except OSError:
            return False

    def stop(self):
        if self.process is None:
            return
        pid = self.process.pid
        os.killpg(pid, signal.SIGTERM)
        self.process.wait(STOP_SECONDS)
        wait_for(lambda: not proc.session_members(pid), STOP_SECONDS,
                 "the end of Postfix")
        self.process = None

    def kill(self):
        if self.process is None:
            return
        for pid in self.members():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(STOP_SECONDS)
        self.process = None

    def flush(self):
        subprocess.run(["postqueue", "-c", self._path("etc"), "-f"],
                       stdin=subprocess.DEVNULL, capture_output=True,
                       check=True, timeout=STOP_SECONDS)

    def members(self):
        return proc.session_members(self.process.pid)


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

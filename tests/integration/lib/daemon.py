"""daemon.py - the real gmrelayd in a directory of its own, on a free port.

As root the roles run as two users made of numbers, so that privileges are
really dropped; as an ordinary user all are that user.
"""
import json
import os
import random
import re
import signal
import smtplib
import socket
import subprocess
import time

from . import proc
from .control import Control
from .fakegmail import HOST
from .patience import PATIENCE, WRAPPER
from .smtpclient import Client

TOP = os.environ.get("top_builddir") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../../build")
GMRELAYD = os.environ.get("GMRELAYD") or os.path.join(TOP, "src/gmrelayd")
GMRELAYCTL = os.environ.get("GMRELAYCTL") or os.path.join(
    os.path.dirname(GMRELAYD), "gmrelayctl")
COMMAND_SECONDS = 60 * PATIENCE
RECEIVER_UID, RELAY_UID = 64501, 64502
READY = re.compile(r"(?m)\bready listen=(\S+)")
SANITIZER_REPORT = re.compile(
    r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|"
    r"VALGRIND-ERROR")
CRASH = re.compile(r"role died role=\w+ pid=\d+ signal=(?!9 ).*")


def wait_for(predicate, deadline=20, what="it"):
    """Polls until predicate() is true and returns what it gave."""
    deadline *= PATIENCE
    end = time.monotonic() + deadline
    pause = 0.002
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("%s: not within %d s" % (what, deadline))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def free_port():
    """A port below those that connections out get, so that it stays free."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def quoted(value):
    """A setting's value as it stands in the file."""
    if isinstance(value, (list, tuple)):
        return "{%s}" % ", ".join(quoted(x) for x in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


class Daemon(Control):
    """settings are those of gmrelayd.conf(5), with _ for -; account likewise,
    laid over three lines that point at the fake Gmail; clients are the
    sections of that name."""

    def __init__(self, folder, fake=None, account=None, accounts=None,
                 clients=(), **settings):
        self.folder = folder
        self.fake = fake
        self.config_file = os.path.join(folder, "gmrelayd.conf")
        self.password_file = os.path.join(folder, "password")
        self.spool = os.path.join(folder, "spool")
        self.control = os.path.join(folder, "control.sock")
        self.submit = os.path.join(folder, "submit.sock")
        self.log_file = os.path.join(folder, "gmrelayd.log")
        self.process = None
        self.addresses = []
        self.port = None
        self.environment = {}
        self.options = []  # of the command line, beside -c
        self.wrapper = list(WRAPPER)  # a command that becomes the daemon
        self.log_start = 0
        self.crashes_expected = False
        self.settings = {
            "hostname": "relay.example.org",
            "spool": self.spool,
            "listen": ["127.0.0.1:0"],
            "control": self.control,
            "submit": self.submit,
            "retry": ["1s"],
            "backoff": ["1s", "2s"],
            # not what this machine happens to have
            "aliases": "",
        }
        if os.geteuid() == 0:
            self.settings["user"] = str(RECEIVER_UID)
            self.settings["relay-user"] = str(RELAY_UID)
        self.settings.update(
            (key.replace("_", "-"), value)
            for key, value in settings.items())
        self.accounts = accounts or [self.account(**(account or {}))]
        self.clients = [{key.replace("_", "-"): value
                         for key, value in section.items()}
                        for section in clients]
        if fake:
            self.write_password(fake.behaviour.password)
        self.write_config()

    # -- configuration ------------------------------------------------------

    def account(self, **over):
        """The section that leads to the fake Gmail."""
        section = {
            "username": "someone@gmail.com",
            "password-file": self.password_file,
            "message-gap": "0s",
            # what arrives is compared octet by octet
            "from": "keep",
        }
        if self.fake:
            section.update({
                "username": self.fake.behaviour.user,
                "host": HOST,
                "port": self.fake.port,
                "ca-file": self.fake.ca_file,
            })
        section.update((key.replace("_", "-"), value)
                       for key, value in over.items())
        return section

    def write_password(self, word, mode=0o600):
        """A new file each time: it is never there half written."""
        temporary = self.password_file + ".new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as out:
            out.write(word + "\n")
        os.chmod(temporary, mode)
        os.rename(temporary, self.password_file)

    def config_text(self):
        lines = ["%s = %s" % (key, quoted(value))
                 for key, value in self.settings.items() if value is not None]
        for name, section in [("account", x) for x in self.accounts] + \
                [("client", x) for x in self.clients]:
            lines.append(name + " {")
            lines += ["  %s = %s" % (key, quoted(value))
                      for key, value in section.items() if value is not None]
            lines.append("}")
        return "\n".join(lines) + "\n"

    def write_config(self, text=None, **settings):
        self.settings.update((key.replace("_", "-"), value)
                             for key, value in settings.items())
        with open(self.config_file, "w", encoding="utf-8") as out:
            out.write(text if text is not None else self.config_text())

    def check_config(self):
        """gmrelayd -t: (exit status, what it said)."""
        done = subprocess.run(WRAPPER +
                              [GMRELAYD, "-t", "-c", self.config_file],
                              capture_output=True, text=True,
                              timeout=COMMAND_SECONDS,
                              env=self._environment())
        return done.returncode, done.stdout + done.stderr

    # -- life ---------------------------------------------------------------

    def _environment(self):
        environment = dict(os.environ, **self.environment)
        # Leaks are looked for in the unit tests: a process that forbids
        # ptrace cannot be searched by LeakSanitizer.
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        return environment

    def start(self, deadline=30, wait=True, **popen):
        """Starts it and waits until it says that it is ready."""
        assert self.process is None, "the daemon runs already"
        if not os.access(GMRELAYD, os.X_OK):
            raise AssertionError("%s is not built" % GMRELAYD)
        with open(self.log_file, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                self.wrapper + [GMRELAYD, "-c", self.config_file] +
                self.options,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=self.folder,
                env=self._environment(), **popen)
        if wait:
            self.wait_ready(deadline)
        return self

    def wait_ready(self, deadline=30):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError("gmrelayd ended with status %d at its "
                                     "start" % self.process.returncode)
            return re.search(READY, self.log_now())

        listen = wait_for(ready, deadline, "`ready listen=...`")[1]
        self.addresses = re.findall(r"([0-9.]+|\[[0-9a-f:]+\]):(\d+)", listen)
        if self.addresses:
            self.port = int(self.addresses[0][1])

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, deadline=20):
        """Waits for the end by itself; returns the status."""
        status = self.process.wait(deadline * PATIENCE)
        self.process = None
        return status

    def stop(self, deadline=20):
        """Stops it by TERM; it must end well and leave nothing running."""
        if self.process is None:
            return
        pid = self.pid
        self.signal(signal.SIGTERM)
        try:
            status = self.wait_exit(deadline)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError("no end within %d s of TERM" %
                                 (deadline * PATIENCE)) from None
        left = proc.session_members(pid)
        self._kill(left)
        assert status == 0, "gmrelayd ended with status %d" % status
        assert not left, "left running: %s" % [proc.name(x) for x in left]

    def kill_all(self):
        """kill -9 of the parent and of whatever is left of its session."""
        if self.process is None:
            return
        pid = self.pid
        self._kill(proc.session_members(pid))
        self.process.wait(10)
        self.process = None
        wait_for(lambda: not proc.session_members(pid), 10,
                 "the end of the roles")

    @staticmethod
    def _kill(pids):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def reload(self, deadline=20):
        """HUP; returns when the new roles are ready."""
        before = len(READY.findall(self.log_now()))
        self.signal(signal.SIGHUP)
        wait_for(lambda: len(READY.findall(self.log_now())) > before,
                 deadline, "ready after the reload")

    def wait_queue_empty(self, deadline=30):
        """Until every message the relay knows has left the queue. It may hear
        of the last ones a moment after their 250."""
        def empty():
            queue = self.status()["queue"]
            return queue["queued"] == 0 and not queue["starting"]

        try:
            wait_for(empty, deadline, "an empty queue")
        except AssertionError as error:
            raise AssertionError("%s; %r; the first rows: %r" % (
                error, self.status()["queue"], self.queue()[:5])) from None

    def wait_account(self, state, deadline=20, name="default"):
        return wait_for(
            lambda: self.account_state(name)["state"] == state and
            self.account_state(name), deadline, "account %s: %s" % (
                name, state))

    # -- roles --------------------------------------------------------------

    def roles(self):
        """{"receiver": pid, "relay": pid} of those that live now."""
        found = {}
        for pid in proc.children(self.pid):
            role = self._role_of(pid)
            if role:
                found[role] = pid
        return found

    def _role_of(self, pid):
        """By user, else by what the log says."""
        if os.geteuid() == 0:
            role = {RECEIVER_UID: "receiver",
                    RELAY_UID: "relay"}.get(proc.uid(pid))
            if role:
                return role
        found = re.findall(r"role=(receiver|relay) pid=%d\b" % pid,
                           self.log_now())
        return found[-1] if found else None

    def wait_roles(self, deadline=20):
        return wait_for(lambda: len(self.roles()) == 2 and self.roles(),
                        deadline, "both roles running")

    def kill_role(self, role):
        """kill -9; returns the pid that was."""
        pid = self.wait_roles()[role]
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_role_again(self, role, old_pid, deadline=30):
        """Waits until another process than old_pid serves as this role."""
        def ready():
            pids = re.findall(r"role ready role=%s pid=(\d+)" % role,
                              self.log_now())
            return pids and int(pids[-1]) != old_pid and int(pids[-1])

        return wait_for(ready, deadline, "another %s" % role)

    # -- log ----------------------------------------------------------------

    def log(self):
        """All of it, earlier runs as well."""
        try:
            with open(self.log_file, encoding="utf-8",
                      errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def log_now(self):
        """That of this run."""
        try:
            with open(self.log_file, "rb") as log:
                log.seek(self.log_start)
                return log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, deadline=20, count=1):
        """Waits for count matches in this run's log; returns the matches."""
        def found():
            matches = list(re.finditer(pattern, self.log_now(), re.M))
            return matches if len(matches) >= count else None

        return wait_for(found, deadline, "a log line like %r" % pattern)

    def sanitizer_reports(self):
        return SANITIZER_REPORT.findall(self.log())

    def crashes(self):
        """Lines about roles that died by a signal nobody here sent."""
        return [] if self.crashes_expected else CRASH.findall(self.log())

    # -- mail, and the commands ---------------------------------------------

    def client(self, **how):
        """A raw connection (smtpclient.Client)."""
        return Client(("127.0.0.1", self.port), **how)

    def send(self, data, recipients=("person@example.net",),
             sender="device@example.org", params=""):
        """Hands in one message; returns its id, from the 250."""
        with self.client() as client:
            client.ehlo()
            reply = client.mail(sender, recipients, data, params)
            client.cmd("QUIT")
        assert reply.code == 250, "the message was answered %r" % reply
        return self.id_of(reply)

    @staticmethod
    def id_of(reply):
        """"2.0.0 queued as 0123456789abcdef" -> the id."""
        match = re.search(r"queued as (\S+)", reply.text)
        assert match, "no id in %r" % reply
        return match[1]

    def smtplib(self, **how):
        return smtplib.SMTP("127.0.0.1", self.port,
                            timeout=60 * PATIENCE, **how)

    def ctl_command(self, *args):
        return WRAPPER + [GMRELAYCTL, "-c", self.config_file, "-s",
                          self.control] + [str(x) for x in args]

    def ctl_run(self, *args, timeout=COMMAND_SECONDS, json_output=True):
        """gmrelayctl as it is: a CompletedProcess."""
        return subprocess.run(
            self.ctl_command(*(["--json"] if json_output else []), *args),
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, env=self._environment())

    def ctl(self, *args, **how):
        """gmrelayctl --json: what it printed, parsed; it must exit 0."""
        done = self.ctl_run(*args, **how)
        assert done.returncode == 0, "gmrelayctl %s: status %d: %s" % (
            " ".join(map(str, args)), done.returncode,
            (done.stderr or done.stdout).strip())
        return json.loads(done.stdout) if done.stdout.strip() else None

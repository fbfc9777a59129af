"""harness.py - scenarios: small functions that start what they need, poll with
deadlines, and are counted one by one (TAP: "ok 1 - name").

    from lib.harness import main, scenario

    @scenario
    def a_promise_in_words(t):
        fake = t.fake()
        daemon = t.daemon(fake).start()
        ...
        t.equal(left, right, "what should be equal")

    main()

FILE.py NAME... runs these only; FILE.py --list lists them. Exit status: 0 all
well, 1 not, 77 all were left out.
"""
import faulthandler
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

from . import proc
from .daemon import GMRELAYD, Daemon, wait_for
from .fakegmail import FakeGmail
from .patience import PATIENCE
from .pki import Pki

SANITIZED = os.environ.get("SANITIZED") == "yes"
# make check-long
LONG = os.environ.get("GMRELAY_LONG") == "yes"
# valgrind, sanitizers and small boards are slow: all deadlines are generous,
# and this one is for a whole scenario
SCENARIO_SECONDS = int(os.environ.get("SCENARIO_SECONDS", "300"))
LOG_TAIL_LINES = 60
ORDINARY_UID = 64503
_scenarios = []


class Skip(Exception):
    """Raised by Test.skip()."""


class Overdue(Exception):
    """A scenario took longer than SCENARIO_SECONDS."""


class Test:
    """What a scenario gets: a directory, helpers, and their end."""

    shared_pki = None

    def __init__(self, name):
        self.name = name
        # short: the sockets in it may have paths of 107 bytes only
        self.folder = tempfile.mkdtemp(prefix="gm-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.daemons = []
        self.fakes = []
        self.at_end = []
        self.logs = []  # of other programs, shown when it fails
        self.stop_well = True  # daemons still running must stop with status 0

    # -- what a scenario works with -----------------------------------------

    def fake(self, **how):
        if Test.shared_pki is None:
            folder = tempfile.mkdtemp(prefix="gm-pki-", dir="/tmp")
            os.chmod(folder, 0o755)
            Test.shared_pki = Pki(folder)
        fake = FakeGmail(self.folder, pki=Test.shared_pki, **how)
        self.fakes.append(fake)
        return fake

    def daemon(self, fake=None, name="d", **settings):
        """A Daemon, not started yet."""
        folder = os.path.join(self.folder, "%s%d" % (name, len(self.daemons)))
        os.mkdir(folder, 0o755)
        daemon = Daemon(folder, fake, **settings)
        self.daemons.append(daemon)
        return daemon

    def path(self, name):
        return os.path.join(self.folder, name)

    def skip(self, reason):
        raise Skip(reason)

    def need(self, *commands):
        for command in commands:
            if not shutil.which(command):
                self.skip("%s is not installed" % command)

    def need_root(self):
        if os.geteuid() != 0:
            self.skip("needs root")

    # -- what it expects ----------------------------------------------------

    wait_for = staticmethod(wait_for)

    @staticmethod
    def equal(left, right, what):
        if left != right:
            raise AssertionError("%s: %s, but it should be %s" % (
                what, brief(left), brief(right)))

    @staticmethod
    def true(value, what):
        if not value:
            raise AssertionError(what)

    def clean(self, fake):
        """The upstream has nothing to complain of and saw no secret."""
        self.equal(fake.violations, [], "breaches of the protocol upstream")
        self.equal(fake.leaks, [], "credentials in clear text upstream")

    # -- its end ------------------------------------------------------------

    def finish(self):
        """Stops everything. Raises what was wrong with the end."""
        wrong = []
        for step in reversed(self.at_end):
            attempt(wrong, step)
        for daemon in self.daemons:
            if self.stop_well:
                attempt(wrong, daemon.stop)
            daemon.kill_all()
            if daemon.sanitizer_reports():
                wrong.append("a sanitizer's report in %s" % daemon.log_file)
            wrong += daemon.crashes()
        for fake in self.fakes:
            attempt(wrong, fake.stop)
        strays = proc.children(os.getpid())
        if strays:
            wrong.append("left running: %s" % [proc.name(x) for x in strays])
        if wrong:
            raise AssertionError("; ".join(wrong))


def as_ordinary_user(t, daemon):
    """Arguments for start(): as somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    folder = os.path.dirname(os.path.abspath(GMRELAYD))
    while folder != "/":
        if not os.stat(folder).st_mode & 0o001:
            t.skip("the build directory is root's alone")
        folder = os.path.dirname(folder)
    for path in (daemon.folder, daemon.password_file, daemon.config_file,
                 daemon.log_file):
        if os.path.exists(path):
            os.chown(path, ORDINARY_UID, ORDINARY_UID)
    return {"user": ORDINARY_UID, "group": ORDINARY_UID, "extra_groups": []}


def attempt(wrong, step):
    try:
        step()
    except Exception as error:  # noqa: the rest has to be ended as well
        wrong.append(str(error) or repr(error))


def brief(value):
    text = repr(value)
    return text if len(text) < 400 else "%s... (%d characters)" % (
        text[:400], len(text))


def scenario(function=None, seconds=SCENARIO_SECONDS):
    """Registers a function; seconds is how long it may take."""
    def register(f):
        f.seconds = max(seconds, SCENARIO_SECONDS) * PATIENCE
        _scenarios.append(f)
        return f

    return register(function) if function else register


def explain(test, error):
    """Why it failed, and the ends of the logs, as TAP comments."""
    lines = traceback.format_exception(error)
    print_comment("".join(lines))
    for daemon in test.daemons:
        print_comment("--- %s" % daemon.log_file)
        print_comment("\n".join(daemon.log().splitlines()[-LOG_TAIL_LINES:]))
    for path in filter(os.path.exists, test.logs):
        print_comment("--- %s" % path)
        with open(path, encoding="utf-8", errors="replace") as log:
            print_comment("\n".join(log.read().splitlines()[
                -LOG_TAIL_LINES:]))
    for fake in test.fakes:
        for session in fake.sessions[-5:]:
            print_comment("--- upstream session %d: tls=%s user=%s %s" % (
                session.number, session.tls, session.user,
                brief([x[0] for x in session.commands[-12:]])))
        if fake.violations:
            print_comment("upstream complains: %s" % brief(fake.violations))
    print_comment("kept: %s" % test.folder)


def print_comment(text):
    for line in text.rstrip("\n").split("\n"):
        print("# " + line, flush=True)


def run(number, function):
    """Returns "ok", "not ok" or "skip", and says it."""
    name = function.__name__
    test = Test(name)
    verdict, error, reason = "ok", None, ""
    started = time.monotonic()
    signal.alarm(function.seconds)
    try:
        function(test)
    except Skip as skip:
        verdict, reason = "skip", str(skip)
    except Exception as caught:  # noqa: whatever it was, it failed
        verdict, error = "not ok", caught
        test.stop_well = False
    except BaseException:  # ended from outside: leave nothing behind
        test.stop_well = False
        test.finish()
        raise
    finally:
        signal.alarm(0)
    try:
        test.finish()
    except AssertionError as caught:
        if verdict != "not ok":
            verdict, error = "not ok", caught
    if error:
        explain(test, error)
    else:
        shutil.rmtree(test.folder, ignore_errors=True)
    if verdict == "skip":
        print("ok %d - %s # SKIP %s" % (number, name, reason), flush=True)
    else:
        print("%s %d - %s" % (verdict, number, name), flush=True)
    print_comment("%s took %.1f s" % (name, time.monotonic() - started))
    return verdict


def on_alarm(_number, _frame):
    faulthandler.dump_traceback(all_threads=True)
    raise Overdue("the scenario took too long")


def main():
    chosen = _scenarios
    if sys.argv[1:] == ["--list"]:
        print("\n".join(x.__name__ for x in chosen))
        return
    if sys.argv[1:]:
        chosen = [x for x in chosen if x.__name__ in sys.argv[1:]]
    signal.signal(signal.SIGALRM, on_alarm)
    # a scenario that is ended from outside must not leave daemons behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # a shell's background job inherits these ignored, and so would the daemons
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    print("1..%d" % len(chosen), flush=True)
    verdicts = [run(i, function) for i, function in enumerate(chosen, 1)]
    if Test.shared_pki:
        shutil.rmtree(Test.shared_pki.folder, ignore_errors=True)
    left_threads = [x for x in threading.enumerate()
                    if getattr(x, "fake", None)]
    if left_threads:
        print_comment("%d threads left" % len(left_threads))
    sys.stdout.flush()
    # daemon threads of a stuck fake must not hold up the end
    os._exit(1 if "not ok" in verdicts else
             77 if set(verdicts) == {"skip"} else 0)

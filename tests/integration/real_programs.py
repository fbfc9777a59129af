"""Programs that call /usr/sbin/sendmail deliver, while the daemon runs and while
it does not: the real ones, among mounts of their own."""
import os
import re
import shlex
import signal
import subprocess

from lib.harness import main, scenario
from lib.sendmail import USER_UID, Installed

TO = "person@example.net"
OWNER = "owner@example.com"
UNPACKED = os.environ.get("GMRELAY_PROGRAMS", "")
USER = "tester"
PROGRAM_SECONDS = 60


class Programs(Installed):
    """Installed, with the packages of ./check laid over /usr, /etc and /var
    (nothing of them is installed), and our command as sendmail."""

    def __init__(self, t, daemon, uid=0):
        super().__init__(t, daemon, uid=uid)
        self.layer = t.path("layer")
        os.makedirs(self.layer, exist_ok=True)

    def room(self):
        lines = ["mount -t tmpfs -o mode=755 tmpfs " + x
                 for x in (self.layer, "/run")]
        for name in ("usr", "etc", "var"):
            here = os.path.join(self.layer, name)
            lower = os.path.join(UNPACKED, name)
            if not UNPACKED or not os.path.isdir(lower):
                lower = here + "/none"
            lines += ["mkdir -p %s/up %s/work %s/none" % (here, here, here),
                      "mount -t overlay -o lowerdir=%s:/%s,upperdir=%s/up,"
                      "workdir=%s/work overlay /%s" % (
                          lower, name, here, here, name)]
        lines += [
            "echo '%s:x:%d:%d:Test Er,,,:/tmp:/bin/sh' >>/etc/passwd" % (
                USER, USER_UID, USER_UID),
            "echo crontab:x:%d: >>/etc/group" % (USER_UID + 1),
            "[ -e /usr/bin/mail ] || ln -s bsd-mailx /usr/bin/mail",
            "for f in /usr/sbin/sendmail /usr/lib/sendmail; do",
            "  rm -f $f; >$f; mount --bind %s $f" % self.program,
            "done"]
        return lines

    def has(self, path):
        return os.path.exists(path) or os.path.exists(UNPACKED + path)

    def start(self, command, **how):
        return subprocess.Popen(
            self.inside("sh", "-c", command), env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp",
                "LC_ALL": "C.UTF-8", "USER": "root", "LOGNAME": "root",
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, **how)


def ready(t, program, uid=0):
    t.need_root()
    fake = t.fake()
    daemon = t.daemon(fake, account={"from": "auto"}, postmaster=OWNER,
                      aliases="")
    programs = Programs(t, daemon, uid)
    if not programs.has(program):
        t.skip("%s is neither unpacked nor installed" % program)
    probe = subprocess.run(programs.inside("true"), capture_output=True)
    if b"mount" in probe.stderr:
        t.skip("mounts are refused here: %s" % probe.stderr.decode().strip())
    return fake, daemon, programs


def run(t, programs, command, text=b"", until=None):
    """Runs it to its end or, a daemon, until something is true."""
    process = programs.start(command)
    if until is None:
        said, _ = process.communicate(text, timeout=PROGRAM_SECONDS)
        t.equal(process.returncode, 0, "%s: %s" % (
            command, said.decode("utf-8", "replace")[-1000:]))
        return
    process.stdin.close()
    try:
        t.wait_for(until, PROGRAM_SECONDS, "mail by %s" % command)
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read().decode("utf-8", "replace")
        process.stdout.close()
        process.wait(PROGRAM_SECONDS)
        print("# " + "\n# ".join(said.splitlines()[-5:]))


def deliver(t, program, command, text=b"", uid=0, serves=False):
    """Both ways; returns the two messages, of equal sender and recipients."""
    fake, daemon, programs = ready(t, program, uid)
    daemon.start()
    run(t, programs, command, text,
        (lambda: fake.messages) if serves else None)
    fake.wait_messages(1)
    daemon.stop()
    run(t, programs, command, text,
        (lambda: has_mail(programs.drop)) if serves else None)
    daemon.start()
    got = fake.wait_messages(2)
    t.equal(got[0].recipients, got[1].recipients, "recipients, down")
    t.equal(os.listdir(programs.drop), [], "left in drop/")
    t.clean(fake)
    for x in got:
        t.true("(uid %d)" % uid in x.header("Received")[0],
               x.header("Received"))
        # what Gmail keeps
        t.equal(len(x.header("From")), 1, "From")
        t.true("<%s>" % fake.behaviour.user in x.header("From")[0] or
               x.header("From")[0] == fake.behaviour.user, x.header("From"))
    return got


def has_mail(drop):
    return any(re.fullmatch("[0-9a-f]{16}", x) for x in os.listdir(drop))


def check(t, got, recipients, subject, words):
    for x in got:
        t.equal(sorted(x.recipients), sorted(recipients), "recipients")
        t.true(subject in x.header("Subject")[0], x.header("Subject"))
        t.true(words in x.data.decode("utf-8", "replace"), x.data)


@scenario
def cron(t):
    got = deliver(t, "/usr/sbin/cron", "printf '%s\\n' '@reboot root echo "
                  "it has run' >/etc/cron.d/test; rm -f /etc/crontab "
                  "/etc/cron.*/[!t]*; exec cron -f", serves=True)
    check(t, got, [OWNER], "Cron <root@", "it has run")
    for x in got:
        t.true("Cron Daemon" in x.header("From")[0], x.header("From"))


@scenario
def at(t):
    got = deliver(t, "/usr/bin/at", "cd /var/spool/cron/atjobs && >.SEQ && "
                  "chown daemon:daemon .SEQ && echo 'echo it has run' | "
                  "at now && exec atd -f -b 1", serves=True)
    check(t, got, [OWNER], "Output from your job", "it has run")


@scenario
def bsd_mailx(t):
    got = deliver(t, "/usr/bin/bsd-mailx",
                  "bsd-mailx -s 'Prüfung eins' -c b@example.net "
                  "-b c@example.net " + TO, "Grüße\n.dot\n\nend\n".encode(),
                  uid=USER_UID)
    check(t, got, [TO, "b@example.net", "c@example.net"], "", "end")
    for x in got:
        t.true("Test Er" in x.header("From")[0] or
               USER in x.header("From")[0], x.header("From"))
        t.true(b"\r\n.dot\r\n" in x.data, x.data)


@scenario
def bsd_mailx_to_a_local_user(t):
    got = deliver(t, "/usr/bin/bsd-mailx", "bsd-mailx -s alarm root",
                  b"help\n")
    check(t, got, [OWNER], "alarm", "help")


@scenario
def s_nail(t):
    got = deliver(t, "/usr/bin/s-nail",
                  "s-nail -:/ -Sv15-compat -Smta=/usr/sbin/sendmail "
                  "-Sttycharset=utf-8 -r jan@example.org -s Prüfung -a "
                  "/etc/passwd -. " + TO, "Grüße\n".encode(), uid=USER_UID)
    check(t, got, [TO], "=?utf-8?", "passwd")


@scenario
def mutt(t):
    got = deliver(t, "/usr/bin/mutt",
                  "mutt -n -F /dev/null -e 'set copy=no' -s 'Prüfung' "
                  "-b c@example.net -a /etc/passwd -- " + TO,
                  "Grüße\n".encode(), uid=USER_UID)
    check(t, got, [TO, "c@example.net"], "=?", "filename=passwd")


@scenario
def logwatch(t):
    got = deliver(t, "/usr/sbin/logwatch",
                  "mkdir -p /var/cache/logwatch; logwatch --output mail "
                  "--mailto root --service zz-sys --range all")
    check(t, got, [OWNER], "Logwatch", "Logwatch End")


@scenario
def php_mail(t):
    program = next((x for x in ("/usr/bin/php8.2", "/usr/bin/php")
                    if os.path.exists(x) or os.path.exists(UNPACKED + x)),
                   "/usr/bin/php")
    script = ('exit(mail("%s", "Form", "line one\\nline two\\n", "From: Web '
              'Form <www@localhost>\\r\\nBcc: b@example.net", '
              '"-fwww-data@localhost") ? 0 : 1);' % TO)
    got = deliver(t, program, "%s -r %s" % (program, shlex.quote(script)),
                  uid=USER_UID)
    check(t, got, [TO, "b@example.net"], "Form", "line one\r\nline two\r\n")
    for x in got:
        t.true("Web Form" in x.header("From")[0], x.header("From"))


@scenario
def git_send_email(t):
    got = deliver(
        t, "/usr/lib/git-core/git-send-email",
        "cd $(mktemp -d) && git init -q . && git config user.name Jan && "
        "git config user.email jan@example.org && echo 1 >file && git add "
        "file && git commit -q -m 'Add a file' && git send-email -q -1 --to "
        + TO + " --cc b@example.net --confirm=never --quiet", uid=USER_UID)
    check(t, got, [TO, "b@example.net", "jan@example.org"],
          "[PATCH] Add a file", "+++ b/file")


@scenario
def unattended_upgrades(t):
    """What it does when it has something to tell; both of its ways."""
    script = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.SourceFileLoader("u",
                                              "/usr/bin/unattended-upgrade")
spec = importlib.util.spec_from_loader("u", loader)
u = importlib.util.module_from_spec(spec)
loader.exec_module(u)
sys.exit(getattr(u, sys.argv[1])("root", "root", "upgrades: x", "Packages"))
"""
    for way in ("_send_mail_using_sendmail", "_send_mail_using_mailx"):
        got = deliver(t, "/usr/bin/unattended-upgrade",
                      "/usr/bin/python3 -B -c %s %s" % (
                          shlex.quote(script), way))
        check(t, got, [OWNER], "upgrades: x", "Packages")


@scenario
def smartd(t):
    """Its script for warnings, as the daemon runs it for -M test."""
    got = deliver(t, "/usr/share/smartmontools/smartd_warning.sh",
                  "SMARTD_MAILER=mail SMARTD_ADDRESS=root "
                  "SMARTD_MESSAGE='TEST EMAIL from smartd' "
                  "SMARTD_FAILTYPE=EmailTest SMARTD_TFIRST=now "
                  "SMARTD_PREVCNT=0 SMARTD_NEXTDAYS= "
                  "SMARTD_DEVICEINFO=disk SMARTD_DEVICE=/dev/sda "
                  "SMARTD_DEVICESTRING=/dev/sda SMARTD_DEVICETYPE=auto "
                  "/usr/share/smartmontools/smartd_warning.sh")
    check(t, got, [OWNER], "SMART error (EmailTest)", "TEST EMAIL")


@scenario
def mdadm(t):
    """The message that mdadm --monitor pipes into "sendmail -t": it cannot be
    run itself without an array."""
    got = deliver(t, "/bin/sh", "exec /usr/sbin/sendmail -t", (
        b"From: mdadm monitoring <root>\nTo: root\n"
        b"Subject: TestMessage event on /dev/md0:web1\n\n"
        b"This is an automatically generated mail message.\n"))
    check(t, got, [OWNER], "TestMessage event", "automatically")
    for x in got:
        t.true("mdadm monitoring" in x.header("From")[0], x.header("From"))


@scenario
def a_large_attachment(t):
    got = deliver(t, "/usr/bin/mutt",
                  "head -c 6000000 /dev/zero >/tmp/$$.bin; mutt -n -F "
                  "/dev/null -e 'set copy=no' -s big -a /tmp/$$.bin -- %s; "
                  "s=$?; rm /tmp/$$.bin; exit $s" % TO, uid=USER_UID)
    check(t, got, [TO], "big", "A" * 72)


if __name__ == "__main__":
    main()

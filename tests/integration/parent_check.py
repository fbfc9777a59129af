"""gmrelayd -t, and the password file: what is wrong is told with FILE:LINE and
the cure, before anything is started."""
import os
import re
import socket
import subprocess

from lib.daemon import GMRELAYD, RECEIVER_UID, RELAY_UID
from lib.harness import main, scenario
from lib.smtpclient import Client, message

APP_PASSWORD = "abcdefghijklmnop"
PERSON = "admin@example.org"


def findings(t, daemon, status):
    """What -t says, by line; its exit status must be this one."""
    got, said = daemon.check_config()
    t.equal(got, status, "exit status of -t, which said: %s" % said)
    return said.splitlines()


def refused(t, daemon, *words):
    """-t must refuse it, in one line that has all the words; and so must a
    start."""
    lines = findings(t, daemon, 1)
    t.true(any(all(word in line for word in words) for line in lines),
           "no line has %r: %r" % (words, lines))
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(10), 1, "exit status of a start")
    t.true(words[-1] in daemon.log_now(), "a start tells the same")


def line_of(daemon, pattern):
    """The number of the line of the configuration that matches."""
    lines = daemon.config_text().splitlines()
    return next(i for i, x in enumerate(lines, 1) if re.search(pattern, x))


def run(*options):
    return subprocess.run([GMRELAYD, *options], capture_output=True, text=True,
                          timeout=60, env=dict(os.environ,
                                               ASAN_OPTIONS="detect_leaks=0"))


# --- -t ----------------------------------------------------------------------


@scenario
def a_good_one_is_summed_up(t):
    daemon = t.daemon(t.fake(), listen=["127.0.0.1:2525", "[::1]:2525"],
                      postmaster="admin@example.org")
    daemon.write_config(allow=["127.0.0.0/8", "::1", "192.168.7.0/24"])
    done = run("-t", "-c", daemon.config_file)
    t.equal(done.returncode, 0, "exit status: %s" % done.stderr)
    for word in ("configuration is good", "account default: someone@gmail.com",
                 "port %d, STARTTLS" % daemon.fake.port,
                 "listen: 127.0.0.1:2525 [::1]:2525", "192.168.7.0/24",
                 "spool: " + daemon.spool):
        t.true(word in done.stdout, "%r is not in %s" % (word, done.stdout))
    t.true("allow names other machines" in done.stderr and
           "(a warning)" in done.stderr, "a warning: %s" % done.stderr)
    t.true(not os.path.exists(daemon.spool), "-t has made a spool")


@scenario
def every_problem_is_told_with_its_line(t):
    daemon = t.daemon(t.fake())
    daemon.write_config(
        "# a comment, /* and */ more\n"
        "hostnam = \"x\"\n"                        # 2
        "max-clients = many\n"                     # 3
        "retry = {\"1m\",\n"
        "         \"soon\"}\n"                     # 5
        "listen = {\"127.0.0.1:70000\"}\n"         # 6
        "allow = {\"10.0.0.0/7\"}\n"               # 7
        "account {\n"
        "  usrname = \"a@gmail.com\"\n"            # 9
        "}\n")
    lines = findings(t, daemon, 1)
    for number, word in ((2, "hostname"), (3, "max-clients"), (5, "soon"),
                         (6, "70000"), (7, "10.0.0.0/7"), (9, "username")):
        place = "%s:%d: " % (daemon.config_file, number)
        t.true(any(x.startswith(place) and word in x for x in lines),
               "nothing at line %d with %r: %r" % (number, word, lines))


@scenario
def a_start_tells_them_in_its_log(t):
    daemon = t.daemon(t.fake(), account={"password_file": "/nowhere"})
    stamp = r"\d{4}-\d\d-\d\dT\S+Z parent %s: %s "
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(10), 1, "exit status")
    lines = daemon.log_now().splitlines()
    t.true(any(re.match(stamp % ("error", "config wrong") +
                        r'reason="%s:\d+: .*/nowhere' % daemon.config_file,
                        line) for line in lines), "the error: %r" % lines)
    t.true(re.match(stamp % ("error", "start failed"), lines[-1]),
           "the last line: %r" % lines)
    t.equal([x for x in lines if not re.match(stamp % (r"\w+", ".*"), x)], [],
            "lines of another form")
    fine = t.daemon(t.fake(), postmaster="").start()
    t.true(re.search(stamp % ("warning", "config warning") +
                     r'reason="%s:\d+: postmaster' % fine.config_file,
                     fine.log_now()), "the warning: %s" % fine.log_now())


@scenario
def the_examples_of_the_guide_are_good(t):
    top = os.environ.get("top_srcdir") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "../..")
    with open(os.path.join(top, "man/gmrelayd-clients.7"),
              encoding="utf-8") as file:
        blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", file.read(),
                            re.MULTILINE | re.DOTALL)
    blocks = [x for x in blocks if "client {" in x]
    t.true(len(blocks) >= 2, "examples with a client: %d" % len(blocks))
    for block in blocks:
        daemon = t.daemon(t.fake(), postmaster=PERSON,
                          listen=None if "listen =" in block else ["*:2525"])
        daemon.write_config(block + daemon.config_text())
        done = run("-t", "-c", daemon.config_file)
        t.equal((done.returncode, done.stderr), (0, ""), block)


@scenario
def a_file_that_is_not_there(t):
    done = run("-t", "-c", t.path("none.conf"))
    t.equal(done.returncode, 1, "exit status")
    t.true(t.path("none.conf") in done.stderr, done.stderr)
    t.true("No such file" in done.stderr, done.stderr)


@scenario
def wrong_options_are_told(t):
    for options in (("-x",), ("-c",), ("-t", "left-over")):
        done = run(*options)
        t.equal(done.returncode, 2, "exit status of %r" % (options,))
        t.true("usage: gmrelayd" in done.stderr, done.stderr)
    for option, word in (("-h", "usage: gmrelayd"), ("-V", "gmrelayd ")):
        done = run(option)
        t.equal(done.returncode, 0, "exit status of %s" % option)
        t.true(done.stdout.startswith(word), done.stdout)


@scenario
def an_upstream_that_is_ourselves_is_refused(t):
    loops = (
        ({"host": "127.0.0.1"}, ["127.0.0.1:2525"]),
        ({"host": "localhost"}, ["127.0.0.1:2525"]),
        ({"host": "LocalHost"}, ["[::1]:2525"]),
        ({"host": "::1"}, ["[::1]:2525"]),
        ({"host": "127.0.0.1"}, ["127.0.0.1:2626", "0.0.0.0:2525"]),
        ({"host": "relay.example.org"}, ["0.0.0.0:2525"]),
        ({"host": "localhost.localdomain"}, ["0.0.0.0:2525"]),
        ({"host": "ip6-localhost"}, ["[::1]:2525"]),
        ({"host": socket.gethostname()}, ["0.0.0.0:2525"]),
    )
    for account, listen in loops:
        daemon = t.daemon(None, account=dict(account, port=2525),
                          listen=listen,
                          allow=["127.0.0.0/8", "::1", "192.168.7.0/24"])
        daemon.write_password(APP_PASSWORD)
        refused(t, daemon, "%s:%d: " % (daemon.config_file,
                                        line_of(daemon, "^ *host =")),
                "is this relay itself")
    # next door on this machine is somebody else, as stunnel
    daemon = t.daemon(None, account={"host": "127.0.0.1", "port": 2525},
                      listen=["127.0.0.2:2525"])
    daemon.write_password(APP_PASSWORD)
    t.equal(daemon.check_config()[0], 0, "-t of another loopback address")
    # another port of this machine is somebody else
    daemon = t.daemon(None, account={"host": "127.0.0.1", "port": 2526},
                      listen=["127.0.0.1:2525"])
    daemon.write_password(APP_PASSWORD)
    t.equal(daemon.check_config()[0], 0, "-t of another port")


@scenario
def certificates_to_trust_are_looked_at(t):
    fake = t.fake()
    path = t.path("ca.pem")
    daemon = t.daemon(fake, account={"ca_file": path})

    def write(text, mode):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, mode)

    write("no certificate\n", 0o644)
    refused(t, daemon, "ca-file " + path, "no certificate in PEM form")
    with open(fake.ca_file, encoding="ascii") as file:
        good = file.read()
    write(good, 0o644)
    t.equal(daemon.check_config()[0], 0, "-t of a good one")
    if os.geteuid() == 0:
        # root reads it, and the relay would not
        os.chmod(path, 0o600)
        refused(t, daemon, "ca-file " + path, "chmod 644")
    os.chmod(path, 0o644)
    daemon.start()
    write("no certificate\n", 0o644)
    done = daemon.ctl_run("reload", json_output=False)
    t.equal(done.returncode, 1, "a reload: %s" % done)
    t.true("no certificate in PEM form" in done.stderr, done.stderr)


@scenario
def nobody_may_be_listened_to(t):
    fake = t.fake()
    daemon = t.daemon(fake, listen=[])
    t.equal(daemon.check_config()[0], 0, "-t")
    daemon.start(wait=False)
    daemon.wait_log(r"ready listen=none control=\S+ submit=\S+")
    with Client(daemon.submit) as client:
        t.equal(client.mail("device@example.org", ["person@example.net"],
                            message()).code, 250, "a message by submit")
    fake.wait_messages(1)
    t.equal(daemon.ctl_run("test", "person@example.net").returncode, 0,
            "gmrelayctl test")
    daemon.reload()
    daemon.stop()


# --- password files ----------------------------------------------------------


@scenario
def any_bit_for_others_is_refused(t):
    daemon = t.daemon(t.fake())
    for bit in range(6):
        daemon.write_password(APP_PASSWORD, mode=0o600 | 1 << bit)
        if os.geteuid() == 0:
            # group-read is good only with the relay's own group
            os.chown(daemon.password_file, 0, RECEIVER_UID)
        place = "%s:%d: " % (daemon.config_file, line_of(daemon, "account {"))
        refused(t, daemon, place, "password-file: ", "chmod 600")
    for mode in (0o600, 0o400, 0o700):
        daemon.write_password(APP_PASSWORD, mode=mode)
        t.equal(daemon.check_config()[0], 0, "-t with mode %o" % mode)


@scenario
def group_read_is_for_the_relays_group_and_roots_file(t):
    t.need_root()
    daemon = t.daemon(t.fake())
    cases = (
        ((0, RELAY_UID), 0o640, True),
        ((0, RELAY_UID), 0o440, True),
        ((0, RECEIVER_UID), 0o640, False),
        ((0, 0), 0o640, False),
        ((RELAY_UID, RELAY_UID), 0o640, False),
        ((0, RELAY_UID), 0o660, False),
        ((0, RELAY_UID), 0o650, False),
        ((0, RELAY_UID), 0o644, False),
    )
    for owner, mode, good in cases:
        daemon.write_password(APP_PASSWORD)
        os.chown(daemon.password_file, *owner)
        os.chmod(daemon.password_file, mode)
        t.equal(daemon.check_config()[0], 0 if good else 1,
                "-t with owner %r, mode %o" % (owner, mode))
    daemon.write_password(APP_PASSWORD)
    os.chown(daemon.password_file, 0, RELAY_UID)
    os.chmod(daemon.password_file, 0o640)
    daemon.start()
    daemon.send(message())
    daemon.fake.wait_messages(1)


@scenario
def what_is_no_password_file_is_refused(t):
    daemon = t.daemon(t.fake())
    os.unlink(daemon.password_file)
    refused(t, daemon, daemon.password_file, "No such file")
    os.mkdir(daemon.password_file)
    refused(t, daemon, daemon.password_file, "is not a regular file")
    os.rmdir(daemon.password_file)
    os.mkfifo(daemon.password_file, 0o600)  # must not hang
    refused(t, daemon, daemon.password_file, "is not a regular file")
    os.unlink(daemon.password_file)
    for text, word in ((b"", "is empty"), (b" \n", "is empty"),
                       (b"x" * 5000, "is longer than"),
                       (b"a\0b\n", "has a NUL"),
                       (b"\xef\xbb\xbfabc\n", "byte order mark")):
        with open(daemon.password_file, "wb") as file:
            file.write(text)
        os.chmod(daemon.password_file, 0o600)
        refused(t, daemon, daemon.password_file, word)


@scenario
def the_password_itself_is_never_shown(t):
    """People write it where the file's name belongs."""
    daemon = t.daemon(t.fake(), account={
        "password_file": "abcd efgh ijkl mnop"})
    _, said = daemon.check_config()
    t.true("efgh" not in said, "it is shown: %s" % said)
    refused(t, daemon, "password-file")
    t.true("efgh" not in daemon.log(), "it is in the log")


@scenario
def white_space_of_an_app_password_goes(t):
    for written in ("abcd efgh ijkl mnop", "  abcd\tefgh  ijkl mnop \r",
                    "abcd\u00a0efgh\u00a0ijkl\u00a0mnop", APP_PASSWORD + "  "):
        fake = t.fake(password=APP_PASSWORD)
        daemon = t.daemon(fake)
        daemon.write_password(written)
        daemon.start()
        daemon.send(message())
        fake.wait_messages(1)
        t.equal([x[1] for x in fake.logins], [True], "logins")
        daemon.stop()


@scenario
def other_passwords_keep_theirs(t):
    for word in ("pass word", "abcd efgh ijkl mno", "abcd efgh ijkl mn0p"):
        fake = t.fake(password=word)
        daemon = t.daemon(fake).start()
        daemon.send(message())
        fake.wait_messages(1)
        t.equal([x[1] for x in fake.logins], [True], "logins with %r" % word)
        daemon.stop()


@scenario
def what_looks_like_no_app_password_is_warned_of(t):
    def said(host, password):
        daemon = t.daemon(t.fake(), account={"host": host}, postmaster=PERSON)
        daemon.write_password(password)
        result = daemon.ctl_run("doctor", json_output=False)
        found = [x for x in result.stdout.splitlines() if "password of" in x]
        return findings(t, daemon, 0), found[0]

    own = "correct horse"
    lines, found = said("smtp.gmail.com", own)
    t.true(any("password-file: " in x and "app password" in x and
               "(a warning)" in x for x in lines), "-t: %r" % lines)
    t.true(found.startswith("WARNING"), "doctor: %s" % found)
    t.true(own not in "".join(lines) + found, "the password is shown")
    for host, password in (("smtp.gmail.com", "abcd efgh ijkl mnop"),
                           ("smtp.example.com", own)):
        lines, found = said(host, password)
        t.true(not any("app password" in x for x in lines), "%r" % lines)
        t.true(found.startswith("ok"), "doctor: %s" % found)


@scenario
def systemds_credentials_are_found_by_name(t):
    fake = t.fake()
    folder = t.path("credentials")
    os.mkdir(folder)
    daemon = t.daemon(fake, account={"password_file": "gmail"})
    # -t runs in an administrator's shell, which does not see it
    lines = findings(t, daemon, 0)
    t.true(any("password-file: " in x and "only the daemon sees" in x and
               "(a warning)" in x for x in lines), "a warning: %r" % lines)
    daemon.start(wait=False)
    t.equal(daemon.wait_exit(10), 1, "exit status of a start without it")
    t.true("$CREDENTIALS_DIRECTORY is not set" in daemon.log_now(), "why")
    daemon.environment["CREDENTIALS_DIRECTORY"] = folder
    refused(t, daemon, os.path.join(folder, "gmail"), "No such file")
    with open(os.path.join(folder, "gmail"), "w") as file:
        file.write(fake.behaviour.password + "\n")
    # systemd's right to read for the service shows as group-read
    os.chmod(os.path.join(folder, "gmail"), 0o440)
    t.equal(daemon.check_config()[0], 0, "-t")
    daemon.start()
    daemon.send(message())
    fake.wait_messages(1)
    # a role that is started again reads it again
    old = daemon.kill_role("relay")
    daemon.wait_role_again("relay", old)
    daemon.send(message())
    fake.wait_messages(2)
    daemon.stop()
    daemon.accounts[0]["password-file"] = "../gmail"
    daemon.write_config()
    refused(t, daemon, "password-file: ", "not the path of a file")


if __name__ == "__main__":
    main()

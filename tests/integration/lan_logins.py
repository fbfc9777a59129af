"""Devices that insist on a login get one, users show their password under TLS
alone, whoever guesses must wait, and nothing of it is kept or logged."""
import base64
import os
import shutil
import smtplib
import ssl
import subprocess

from lib import proc
from lib.fakegmail import PASSWORD
from lib.harness import SANITIZED, main, scenario
from lib.smtpclient import message

ANY, USERS, NONE, STRICT = ["127.0.0.%d" % x for x in range(21, 25)]
CLIENTS = [
    {"name": "any", "networks": [ANY], "auth": "any"},
    {"name": "users", "networks": [USERS], "auth": "users"},
    {"name": "none", "networks": [NONE]},
    {"name": "strict", "networks": [STRICT], "syntax": "strict"},
]
SECRET = "a-secret-word"
WRONG = "quite-another-word"
# of SECRET, by another program: SHA-512 with few rounds, and yescrypt
SHA512 = ("$6$rounds=1000$abcdefgh$"
          "esV.BDRldLjTeV7u6hp4FmbhSWRCsG2wRcHm/R0qp0KZ"
          "Me.D.AzoZaXX3mEE4RUCiFaWYtI.99RJ0/E.1ZWMp/")
YESCRYPT = "$y$j75$abcdefgh$zTmd1E29jYrth0OKjeClJK.m9Fr1WS.1KDbDFhM63J1"
USERS_TEXT = "# devices\nscanner:%s\nprinter:%s\n" % (SHA512, YESCRYPT)


def ready(t, text=USERS_TEXT, **how):
    fake = t.fake()
    certificate, key = fake.pki.pair("valid")
    shutil.copy(key, t.path("key.pem"))
    daemon = t.daemon(fake, clients=CLIENTS, tls_cert=certificate,
                      tls_key=t.path("key.pem"), users_file=t.path("users"),
                      **how)
    write_users(t, text)
    return fake, daemon


def write_users(t, text, mode=0o600):
    with open(t.path("users"), "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(t.path("users"), mode)


def plain(user, word):
    return base64.b64encode(("\0%s\0%s" % (user, word)).encode()).decode()


def b64(text):
    return base64.b64encode(text.encode()).decode()


def trusting(fake):
    return ssl.create_default_context(cafile=fake.ca_file)


def forms(word):
    """The ways a password could show itself."""
    return [word, b64(word), b64(word)[:-4], plain("scanner", word)[-16:],
            word.encode().hex()]


def holds_none(t, text, what):
    for word in (SECRET, WRONG):
        for form in forms(word):
            t.true(form not in text, "%s holds %r" % (what, form))


def log_in(daemon, user, word, source=USERS):
    """AUTH PLAIN from there; the reply."""
    with daemon.client(source=source) as client:
        client.ehlo()
        return client.cmd("AUTH PLAIN " + plain(user, word))


@scenario
def any_login_is_right_and_nothing_is_kept(t):
    fake, daemon = ready(t)
    daemon.options = ["-v"]
    daemon.start()
    for dialogue in (
            [("AUTH PLAIN " + plain("scanner", WRONG), 235)],
            [("AUTH PLAIN", 334), (plain("scanner", WRONG), 235)],
            [("AUTH LOGIN", 334), (b64("scanner"), 334), (b64(WRONG), 235)],
            [("AUTH LOGIN " + b64("scanner"), 334), (b64(WRONG), 235)],
            [("AUTH LOGIN", 334), ("*", 501)],
            [("AUTH LOGIN", 334), (WRONG, 334), (WRONG, 235)],
            [("AUTH CRAM-MD5", 504), ("AUTH PLAIN x", 235)]):
        with daemon.client(source=ANY) as client:
            t.equal(client.ehlo().get("AUTH"), "PLAIN LOGIN", "offered")
            for text, code in dialogue:
                t.equal(client.cmd(text).code, code, text)
            client.mail("device@example.org", ["p@example.net"], message())
    for x in fake.wait_messages(7):
        got = " ".join(x.header("Received")[0].split())
        t.true(" with ESMTP id " in got, got)
    daemon.stop()
    holds_none(t, daemon.log(), "the log")
    for folder, _, names in os.walk(daemon.spool):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                holds_none(t, file.read().decode("latin-1"), name)
    t.clean(fake)


@scenario
def a_login_that_nobody_asked_for(t):
    fake, daemon = ready(t)
    daemon.start()
    for source in (None, NONE):
        with daemon.client(source=source) as client:
            t.true("AUTH" not in client.ehlo(), "it is not offered")
            client.expect("AUTH LOGIN", 334)
            client.expect(b64("camera"), 334)
            client.expect(b64(WRONG), 235)
            client.mail("device@example.org", ["p@example.net"], message())
    with daemon.client(source=STRICT) as client:
        t.true("AUTH" not in client.ehlo(), "it is not offered")
        t.equal(client.cmd("AUTH LOGIN").code, 502, "where syntax is strict")
        client.mail("device@example.org", ["p@example.net"], message())
    fake.wait_messages(3)
    holds_none(t, daemon.log(), "the log")


@scenario
def users_and_no_others(t):
    fake, daemon = ready(t)
    daemon.options = ["-v"]
    daemon.start()
    for user, word, code in (("scanner", SECRET, 235),
                             ("printer", SECRET, 235),
                             ("scanner", WRONG, 535),
                             ("nobody", SECRET, 535), ("", "", 535)):
        t.equal(log_in(daemon, user, word).code, code, user)
    with daemon.client(source=USERS) as client:
        t.equal(client.ehlo().get("AUTH"), "PLAIN LOGIN", "offered")
        t.equal(client.cmd("MAIL FROM:<a@example.org>").code, 530, "before")
        client.starttls(trusting(fake))
        client.ehlo()
        t.equal(client.cmd("MAIL FROM:<a@example.org>").code, 530, "before")
        client.expect("AUTH LOGIN", 334)
        client.expect(b64("printer"), 334)
        t.equal(client.cmd(b64(SECRET)).code, 235, "AUTH LOGIN")
        t.equal(client.cmd("AUTH PLAIN " + plain("printer", SECRET)).code,
                503, "once more")
        client.mail("device@example.org", ["p@example.net"], message())
    got = " ".join(fake.wait_messages(1)[0].header("Received")[0].split())
    t.true(" with ESMTPSA (TLS" in got, got)
    daemon.stop()
    holds_none(t, daemon.log(), "the log")
    t.true("abcdefgh" not in daemon.log(), "a hash is in the log")
    t.true("user=nobody" not in daemon.log(), "a name of nobody's is logged")


@scenario
def what_was_logged_in_before_tls_is_not_after_it(t):
    fake, daemon = ready(t)
    daemon.start()
    with daemon.client(source=USERS) as client:
        client.ehlo()
        client.expect("AUTH PLAIN " + plain("scanner", SECRET), 235)
        client.starttls(trusting(fake))
        client.ehlo()
        t.equal(client.cmd("MAIL FROM:<a@example.org>").code, 530,
                "the login was said in clear")


@scenario
def five_wrong_passwords_and_the_address_waits(t):
    fake, daemon = ready(t)
    for client in daemon.clients:
        if client["name"] == "users":
            client["networks"] = [USERS, "127.0.0.26"]
    daemon.write_config()
    daemon.start()
    for _ in range(5):
        t.equal(log_in(daemon, "scanner", WRONG).enhanced, "5.7.8", "wrong")
    daemon.wait_log("login held peer=" + USERS.replace(".", r"\."))
    for word in (WRONG, SECRET):
        t.equal(log_in(daemon, "scanner", word).enhanced, "4.7.0", "it waits")
    # nobody else does: neither who logs in, nor who needs no login
    t.equal(log_in(daemon, "scanner", SECRET, "127.0.0.26").code, 235,
            "another address")
    for source in (ANY, None):
        with daemon.client(source=source) as client:
            client.expect("AUTH PLAIN " + plain("scanner", WRONG), 235)
            client.mail("device@example.org", ["p@example.net"], message())
    fake.wait_messages(2)


@scenario
def many_at_once_do_not_stop_the_others(t):
    """Hashes are computed off the loop: mail goes on meanwhile."""
    fake, daemon = ready(t)
    daemon.start()
    clients = []
    for _ in range(60):
        client = daemon.client(source=USERS)
        client.ehlo()
        clients.append(client)
    for client in clients:
        client.send("AUTH PLAIN " + plain("printer", SECRET) + "\r\n")
    daemon.send(message())
    codes = [client.reply().code for client in clients]
    for client in clients:
        client.close()
    t.true(set(codes) <= {235, 454} and 235 in codes, "replies: %r" % codes)
    fake.wait_messages(1)
    t.equal(log_in(daemon, "printer", SECRET).code, 235, "afterwards")


@scenario
def the_users_file_is_read_anew(t):
    _, daemon = ready(t)
    daemon.start()
    t.equal(log_in(daemon, "printer", SECRET).code, 235, "before")
    write_users(t, "other:%s\n" % YESCRYPT)
    daemon.reload()
    t.equal(log_in(daemon, "printer", SECRET).code, 535, "gone")
    t.equal(log_in(daemon, "other", SECRET).code, 235, "new")
    # a bad one changes nothing
    write_users(t, "other:%s\nbroken\n" % YESCRYPT)
    daemon.signal(1)
    daemon.wait_log("line 2: there is no colon")
    t.equal(log_in(daemon, "other", SECRET).code, 235, "still there")


@scenario
def a_bad_users_file_is_told(t):
    _, daemon = ready(t)
    t.equal(daemon.check_config()[0], 0, "a good one")
    for text, mode, words in (
            (USERS_TEXT, 0o644, "others may use it"),
            (USERS_TEXT, 0o620, "others may use it"),
            ("", 0o600, "no user in it"),
            ("scanner:%s\n" % SECRET, 0o600, "line 1: behind the colon"),
            (USERS_TEXT + "x y:%s\n" % SHA512, 0o600, "line 4: the name"),
            (USERS_TEXT + "scanner:%s\n" % SHA512, 0o600,
             "line 4: this user stands in line 2")):
        write_users(t, text, mode)
        code, said = daemon.check_config()
        t.equal(code, 1, said)
        t.true(words in said, "%r is said: %s" % (words, said))
        holds_none(t, said, "what -t says")
        t.true("abcdefgh" not in said, "no hash is shown")
    os.unlink(t.path("users"))
    t.true("No such file" in daemon.check_config()[1], "a missing one")


@scenario
def gmrelayctl_makes_the_line(t):
    _, daemon = ready(t)
    line = subprocess.run(
        daemon.ctl_command("password", "camera"), input=SECRET + "\n",
        capture_output=True, text=True, timeout=60)
    t.equal(line.returncode, 0, line.stderr)
    t.true(line.stdout.startswith("camera:$y$"), line.stdout)
    holds_none(t, line.stdout + line.stderr, "its output")
    write_users(t, line.stdout)
    daemon.start()
    t.equal(log_in(daemon, "camera", SECRET).code, 235, "right")
    t.equal(log_in(daemon, "camera", WRONG).code, 535, "wrong")
    for name, word in (("a b", SECRET), ("a:b", SECRET), ("", SECRET),
                       ("x" * 129, SECRET), ("camera", ""),
                       ("camera", "x" * 512)):
        done = subprocess.run(daemon.ctl_command("password", name),
                              input=word + "\n", capture_output=True,
                              text=True, timeout=60)
        t.true(done.returncode != 0 and done.stdout == "",
               "%r with %r: %r" % (name, word[:20], done))


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60,
                          check=False)


@scenario
def swaks(t):
    t.need("swaks")
    if subprocess.run(["perl", "-MNet::SSLeay", "-e1"], check=False,
                      capture_output=True).returncode != 0:
        t.skip("swaks knows no TLS without libnet-ssleay-perl")
    fake, daemon = ready(t)
    daemon.start()
    count = 0
    for mechanism in ("PLAIN", "LOGIN"):
        for tls in ([], ["--tls"], ["--tls-on-connect"]):
            for source in (ANY, USERS):
                command = [
                    "swaks", "--server", "127.0.0.1", "--port",
                    str(daemon.port), "--local-interface", source,
                    "--auth", mechanism, "--auth-user", "scanner",
                    "--auth-password", SECRET, "--from", "a@example.org",
                    "--to", "b@example.net"] + tls
                done = run(command)
                if done.returncode != 0 and tls == ["--tls-on-connect"]:
                    # too slow for the first wait: the next one is longer
                    daemon.wait_log("began with TLS, but late")
                    done = run(command)
                t.equal(done.returncode, 0, done.stdout[-1500:])
                count += 1
    fake.wait_messages(count)
    daemon.stop()
    holds_none(t, daemon.log(), "the log")


@scenario
def curl(t):
    t.need("curl")
    fake, daemon = ready(t)
    daemon.start()
    with open(t.path("m.eml"), "wb") as file:
        file.write(message())
    for scheme, more in (("smtp", ["--ssl-reqd"]), ("smtps", [])):
        for mechanism in ("PLAIN", "LOGIN"):
            done = subprocess.run(
                ["curl", "-sS", "%s://localhost:%d/c" % (scheme, daemon.port),
                 "-4", "--interface", USERS, "--cacert", fake.ca_file,
                 "--user", "scanner:" + SECRET, "--login-options",
                 "AUTH=" + mechanism, "--mail-from", "a@example.org",
                 "--mail-rcpt", "b@example.net", "-T", t.path("m.eml")] + more,
                capture_output=True, text=True, timeout=60)
            t.equal(done.returncode, 0, done.stderr)
    fake.wait_messages(4)


@scenario
def msmtp(t):
    t.need("msmtp")
    fake, daemon = ready(t)
    daemon.start()
    for starttls in ("on", "off"):
        for mechanism in ("plain", "login"):
            done = subprocess.run(
                ["msmtp", "-C", "/dev/null", "--host=localhost",
                 "--source-ip=" + USERS, "--port=%d" % daemon.port,
                 "--tls=on", "--tls-starttls=" + starttls,
                 "--tls-trust-file=" + fake.ca_file, "--auth=" + mechanism,
                 "--user=printer", "--passwordeval=echo " + SECRET,
                 "--from=a@example.org", "b@example.net"],
                input=message(), capture_output=True, timeout=60)
            t.equal(done.returncode, 0, done.stderr.decode())
    fake.wait_messages(4)


@scenario
def python(t):
    fake, daemon = ready(t)
    daemon.start()
    source = (USERS, 0)
    with smtplib.SMTP("localhost", daemon.port, timeout=30,
                      source_address=source) as client:
        client.starttls(context=trusting(fake))
        client.login("scanner", SECRET)
        client.sendmail("a@example.org", ["b@example.net"], message())
    with smtplib.SMTP_SSL("localhost", daemon.port, timeout=30,
                          context=trusting(fake),
                          source_address=source) as client:
        client.login("printer", SECRET)
        client.sendmail("a@example.org", ["b@example.net"], message())
        client.quit()
    with smtplib.SMTP("localhost", daemon.port, timeout=30,
                      source_address=source) as client:
        try:
            client.login("printer", WRONG)
            t.true(False, "it was let in")
        except smtplib.SMTPAuthenticationError as error:
            t.equal(error.smtp_code, 535, "refused")
    fake.wait_messages(2)


@scenario
def the_receiver_knows_no_upstream_password(t):
    if SANITIZED:
        t.skip("sanitizers have memory of their own, and far too much of it")
    fake, daemon = ready(t)
    daemon.start()
    t.equal(log_in(daemon, "scanner", SECRET).code, 235, "a login")
    daemon.send(message())
    fake.wait_messages(1)
    if os.geteuid() != 0:
        t.skip("only root may look into a process like that")
    receiver = daemon.roles()["receiver"]
    memory = proc.memory(receiver)
    t.true(len(memory) > 100000, "its memory was read")
    t.true(PASSWORD.encode() not in memory, "the app password is in it")
    for word in (SECRET, plain("scanner", SECRET)):
        t.true(word.encode() not in memory, "a client's login is in it")
    t.equal(os.readlink("/proc/%d/root" % receiver),
            os.path.join(daemon.spool, "empty"), "its root directory")


if __name__ == "__main__":
    main()

"""gmrelayctl tells people and programs how things are, and does what they say:
with the right exit status, and nothing raw from strangers on the terminal."""
import json
import os
import re
import signal
import socket
import subprocess

from lib.daemon import GMRELAYCTL
from lib.faults import FSYNC, Faults
from lib.harness import main, scenario, wait_for
from lib.mail import without_received
from lib.smtpclient import message

MANUAL = os.path.join(os.environ.get("top_srcdir") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../.."), "man/gmrelayctl.8")
REFUSED = "550 5.1.1 no such user"


def paused(t, **settings):
    """A daemon whose account is paused by hand: mail stays in the queue."""
    fake = t.fake()
    daemon = t.daemon(fake, **settings).start()
    daemon.ask("account.pause", all=True)
    return fake, daemon


def run(t, daemon, *args, status=0, **how):
    """gmrelayctl for people; its stdout."""
    done = daemon.ctl_run(*args, json_output=False, **how)
    t.equal(done.returncode, status, "status of %s (%s%s)" % (
        " ".join(args), done.stdout, done.stderr))
    return done.stdout


def run_json(t, daemon, *args, status=0):
    done = daemon.ctl_run(*args)
    t.equal(done.returncode, status, "status of %s (%s%s)" % (
        " ".join(args), done.stdout, done.stderr))
    return json.loads(done.stdout)


@scenario
def status_says_when_somebody_is_needed(t):
    fake, daemon = paused(t)
    told = run_json(t, daemon, "status", status=1)
    t.equal(told["needs_person"], True, "a held account needs somebody")
    t.equal(told["accounts"][0]["state"], "held", "the account")
    t.true("held" in run(t, daemon, "status", status=1), "said in words")
    run(t, daemon, "account", "resume", "--all")
    told = run_json(t, daemon, "status")
    t.equal(told["needs_person"], False, "all is well again")
    fake.rule("RCPT", REFUSED)
    daemon.send(message(), sender="root@nowhere")
    wait_for(lambda: daemon.status()["queue"]["failed"] == 1, what="a failure")
    t.true("nobody has looked at" in run(t, daemon, "status", status=1),
           "a failed message is told of")
    run_json(t, daemon, "queue", "list", "--failed")
    run(t, daemon, "status", status=1)
    # a person who reads the list has seen it
    t.true("no such user" in run(t, daemon, "queue", "list", "--failed"),
           "why it failed")
    wait_for(lambda: daemon.status()["queue"]["failed_unseen"] == 0,
             what="it to be noted")
    run(t, daemon, "status")


@scenario
def numbers_and_nouns_agree(t):
    fake = t.fake()
    daemon = t.daemon(fake, account={"daily_messages": 500}).start()
    t.true("accepted  0 messages; 0 clients open" in run(t, daemon, "status"),
           "none")
    daemon.send(message())
    daemon.wait_queue_empty()
    text = run(t, daemon, "status")
    for words in ("accepted  1 message; ", "delivered 1 message to 1 "
                  "recipient, "):
        t.true(words in text, text)
    t.true("; in 24 h 1 of 500 messages, 1 recipient\n" in text, text)
    text = run(t, daemon, "account", "list")
    t.true(re.search(r" active +- +1 of 500 +1 +-$", text, re.M), text)


@scenario
def a_daemon_out_of_reach_is_status_2(t):
    daemon = t.daemon(t.fake())
    for command in (["status"], ["queue", "list"], ["reload"],
                    ["account", "resume", "--all"],
                    ["test", "a@example.net"]):
        done = daemon.ctl_run(*command)
        t.equal(done.returncode, 2, "status of %s" % command)
        t.true("not running" in done.stderr, "said why: %s" % done.stderr)


@scenario
def bad_usage_is_status_2(t):
    fake, daemon = paused(t)
    for command in ([], ["nonsense"], ["queue"], ["queue", "show"],
                    ["queue", "show", "1", "2"], ["queue", "hold"],
                    ["queue", "hold", "--failed"], ["queue", "list", "x"],
                    ["queue", "delete", "--all", "0000000000000001"],
                    ["account", "pause"], ["account", "pause", "a", "--all"],
                    ["test", "no address"], ["test", "a@b.c", "--timeout", "0"],
                    ["status", "--wrong"], ["spool", "export"]):
        done = daemon.ctl_run(*command)
        t.equal(done.returncode, 2, "status of %s" % command)
        t.true(done.stderr, "something is said to %s" % command)


@scenario
def help_names_every_command(t):
    daemon = t.daemon(t.fake())
    text = run(t, daemon, "help")
    for word in ("status", "queue list", "queue show", "queue cat",
                 "queue hold", "queue release", "queue retry", "queue delete",
                 "queue flush", "account list", "account pause",
                 "account resume", "clients", "reload", "test", "doctor",
                 "spool check", "spool export"):
        t.true(re.search(r"(?m)^  %s " % word, text), "help on %s" % word)
    with open(MANUAL, encoding="utf-8") as file:
        manual = re.findall(r"(?m)^\.It Cm (.*)", file.read())
    t.true(len(manual) >= 20, "commands in the manual: %r" % manual)
    for line in manual:
        command = re.match(r"\w+(?: (?:%s)\b)?" % "|".join((
            "list", "show", "cat", "hold", "release", "retry", "delete",
            "flush", "pause", "resume", "check", "export")), line)[0]
        said = re.search(r"(?m)^  %s\b.*" % command, text)[0]
        for option in re.findall(r"Fl \\-(\w+)", line):
            t.true("--" + option in said, "help on %s: --%s" % (
                command, option))


@scenario
def a_queue_is_listed_page_by_page(t):
    fake, daemon = paused(t)
    with daemon.client() as client:
        client.ehlo()
        for i in range(230):
            client.mail("device@example.org", ["person@example.net"],
                        message(subject="m%d" % i))
    wait_for(lambda: daemon.queued() == 230, what="the queue")
    rows = run_json(t, daemon, "queue", "list")
    ids = [row["id"] for row in rows]
    t.equal(len(ids), 230, "rows")
    t.equal(ids, sorted(set(ids)), "each once, in order")
    lines = run(t, daemon, "queue", "list").splitlines()
    t.equal([x.split()[0] for x in lines if not x.startswith("ID")], ids,
            "the same for people")
    run(t, daemon, "queue", "delete", "--all")
    wait_for(lambda: daemon.queued() == 0, what="an empty queue")
    run(t, daemon, "account", "resume", "default")
    t.equal(fake.messages, [], "what was deleted is not sent")


@scenario
def a_message_tells_when_it_waits_for_its_account(t):
    fake, daemon = paused(t)
    daemon.send(message())
    row = wait_for(lambda: run_json(t, daemon, "queue", "list"))[0]
    t.equal((row["state"], row["account_waits"]), ("waiting", "held"), "row")
    t.true("account held" in run(t, daemon, "queue", "list"), "the list")
    t.true(re.search("(?m)^next +account held$",
                     run(t, daemon, "queue", "show", row["id"])), "the message")
    run(t, daemon, "queue", "hold", row["id"])
    t.true("account held" not in run(t, daemon, "queue", "list"),
           "one that is held itself")
    run(t, daemon, "account", "resume", "--all")
    row = run_json(t, daemon, "queue", "list")[0]
    t.equal((row["state"], row["account_waits"]), ("held", None), "resumed")
    fake.rule("CONNECT", action="drop")
    run(t, daemon, "queue", "release", row["id"])
    wait_for(lambda: "account unreachable" in run(t, daemon, "queue", "list"),
             what="a connection that fails")


@scenario
def the_oldest_counts_from_its_arrival(t):
    """Not from the last attempt, nor from the last start; in queue/ and in the
    journal alike."""
    for refusal in ("450 4.2.1 later", None):
        fake = t.fake()
        if refusal:
            fake.rule("RCPT", refusal)
        daemon = t.daemon(fake, retry=["1h"]).start()
        if not refusal:
            daemon.ask("account.pause", all=True)
        daemon.send(message(), sender="")

        def waited():
            return daemon.status()["queue"]["oldest_ms"]

        wait_for(lambda: waited() >= 4000, 20, "four seconds")
        if refusal:
            daemon.ask("queue.flush")
            wait_for(lambda: daemon.queue()[0]["attempts"] == 2, 20,
                     "another attempt")
            t.true(waited() >= 2000, "after an attempt: %d" % waited())
        daemon.stop()
        daemon.start()
        wait_for(lambda: daemon.queued() == 1 and
                 not daemon.status()["queue"]["starting"], 20, "a start")
        t.true(waited() >= 2000, "after a start: %d" % waited())
        t.true(waited() < 60000, "not too much: %d" % waited())


@scenario
def show_and_cat_give_the_whole_message(t):
    fake, daemon = paused(t)
    body = b"".join(b"line %d of it\r\n" % i for i in range(30000))
    sent = message(subject="long") + body
    recipients = ["p%d@example.net" % i for i in range(120)]
    number = daemon.send(sent, recipients)
    told = run_json(t, daemon, "queue", "show", number)
    t.equal([x["address"] for x in told["recipients"]], recipients,
            "recipients")
    t.equal(told["state"], "waiting", "state")
    t.true("p119@example.net" in run(t, daemon, "queue", "show", number),
           "for people")
    got = subprocess.run(
        [GMRELAYCTL, "-c", daemon.config_file, "queue", "cat",
         number], capture_output=True, timeout=60, check=True).stdout
    t.equal(without_received(got), sent, "bytes")
    done = daemon.ctl_run("queue", "cat", "0123456789abcdef",
                          json_output=False)
    t.equal(done.returncode, 1, "one that is not there")
    t.equal(done.stdout, "", "nothing printed")


@scenario
def show_tells_what_was_asked_of_reports(t):
    fake, daemon = paused(t)
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org> RET=HDRS ENVID=QQ+2B314", 250)
        client.expect("RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY "
                      "ORCPT=rfc822;b+40example.net", 250)
        client.expect("RCPT TO:<c@example.net>", 250)
        client.expect("DATA", 354)
        client.send(message() + b".\r\n")
        number = daemon.id_of(client.reply())
    told = run_json(t, daemon, "queue", "show", number)
    t.equal((told["envid"], told["ret"]), ("QQ+314", "HDRS"), "message")
    t.equal([(x["notify"], x["orcpt"]) for x in told["recipients"]],
            [("SUCCESS,DELAY", "rfc822;b@example.net"), (None, None)],
            "recipients")
    text = run(t, daemon, "queue", "show", number)
    for line in (r"envid +QQ\+314", "ret +HDRS",
                 r"to +b@example\.net: pending\n  notify +SUCCESS,DELAY\n"
                 r"  orcpt +rfc822;b@example\.net\n"
                 r"to +c@example\.net: pending"):
        t.true(re.search("^%s$" % line, text, re.M), text)


@scenario
def hold_release_retry_delete(t):
    fake, daemon = paused(t)
    kept, gone = [daemon.send(message(subject=x)) for x in ("kept", "gone")]
    t.equal(run_json(t, daemon, "queue", "hold", kept)["changed"], [kept],
            "held")
    t.equal(run_json(t, daemon, "queue", "show", kept)["state"], "held",
            "state")
    told = run_json(t, daemon, "queue", "delete", gone, "00000000000000ff",
                    status=1)
    t.equal(told["changed"], [gone], "deleted")
    t.equal([x["id"] for x in told["problems"]], ["00000000000000ff"],
            "not there")
    run(t, daemon, "account", "resume", "default")
    run(t, daemon, "queue", "flush")
    t.equal(run_json(t, daemon, "queue", "show", kept)["state"], "held",
            "a flush leaves it held")
    t.equal(fake.messages, [], "nothing was sent")
    run(t, daemon, "queue", "release", kept)
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    daemon.ask("account.pause", all=True)
    kept = daemon.send(message(subject="held again"))
    run(t, daemon, "queue", "hold", kept)
    run(t, daemon, "account", "resume", "default")
    # to try it now means that it is held no more
    run(t, daemon, "queue", "retry", kept)
    fake.wait_messages(2)
    daemon.wait_queue_empty()


@scenario
def what_failed_is_sent_again_by_retry(t):
    fake = t.fake()
    daemon = t.daemon(fake, retry=["1s"]).start()
    fake.rule("RCPT", "451 4.3.0 later", times=1)
    fake.rule("RCPT", REFUSED)
    number = daemon.send(message(subject="again"), sender="root@nowhere")
    wait_for(lambda: daemon.status()["queue"]["failed"] == 1, what="a failure")
    text = run(t, daemon, "queue", "show", number)
    t.true("deferred   1 time\n" in text and "attempts" not in text, text)
    fake.clear_rules()
    told = run_json(t, daemon, "queue", "retry", "--failed")
    t.equal(told["changed"], [number], "retried")
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    t.equal(daemon.queue(failed=True), [], "failed messages")


@scenario
def test_follows_a_message_to_gmails_250(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    told = run_json(t, daemon, "test", "person@example.net")
    t.equal(told["delivered"], True, "delivered")
    t.equal([x["step"] for x in told["steps"]][-1], "delivered", "last step")
    t.equal(len(fake.messages), 1, "messages upstream")
    t.equal(fake.messages[0].recipients, ["person@example.net"], "recipient")
    text = run(t, daemon, "test", "person@example.net")
    t.true("250 2.0.0" in text, "Gmail's words: %s" % text)
    t.clean(fake)


@scenario
def test_says_why_not(t):
    fake = t.fake()
    daemon = t.daemon(fake)
    daemon.write_password("wrong-word")
    daemon.start()
    for _ in range(2):  # refused now, and held from now on
        done = daemon.ctl_run("test", "person@example.net", json_output=False)
        t.equal(done.returncode, 1, "status")
        t.true("password" in (done.stdout + done.stderr).lower(),
               "the cause: %s%s" % (done.stdout, done.stderr))
    t.equal(len(fake.logins), 1, "logins tried")


@scenario
def test_judges_the_account_that_would_send(t):
    """The first account is held: that the second one could send is of no use,
    for the message would lie in the queue of the first."""
    fake = t.fake()
    daemon = t.daemon(fake)
    daemon.accounts = [daemon.account(name="first"),
                       daemon.account(name="second",
                                      username="other@gmail.com")]
    daemon.write_config()
    daemon.start()
    daemon.ask("account.pause", name="first")
    told = run_json(t, daemon, "test", "person@example.net", status=1)
    t.true("the account first is held, nothing was sent" in
           told["steps"][-1]["text"], told)
    t.equal(daemon.queued(), 0, "messages in the queue")
    daemon.ask("account.resume", name="first")
    told = run_json(t, daemon, "test", "person@example.net")
    t.true("first (%s): active" % fake.behaviour.user in
           [x["text"] for x in told["steps"] if x["step"] == "account"], told)
    # the other one is of no importance
    daemon.ask("account.pause", name="second")
    run_json(t, daemon, "test", "person@example.net")


@scenario
def test_says_beforehand_that_the_account_waits(t):
    fake = t.fake()
    daemon = t.daemon(fake, account={"daily_messages": 1}).start()
    daemon.send(message())
    fake.wait_messages(1)
    daemon.send(message())
    daemon.wait_account("over-quota")
    done = daemon.ctl_run("test", "person@example.net", "--timeout", "30",
                          json_output=False)
    t.equal(done.returncode, 1, "status")
    account = [x for x in done.stdout.splitlines() if
               x.startswith("account ")]
    t.equal(len(account), 1, "lines about it in %s" % done.stdout)
    t.true("default (%s): over-quota" % fake.behaviour.user in account[0] and
           "next try in" in account[0], account[0])
    t.true(done.stdout.index("account ") < done.stdout.index("accepted "),
           "said before: %s" % done.stdout)


@scenario
def test_tells_a_refused_recipient(t):
    fake = t.fake()
    fake.rule("RCPT", REFUSED)
    daemon = t.daemon(fake).start()
    told = run_json(t, daemon, "test", "lost@example.net", status=1)
    t.equal(told["steps"][-1]["step"], "failed", "last step")
    t.true("no such user" in told["steps"][-1]["text"], "Gmail's words")
    text = run(t, daemon, "test", "lost@example.net", status=1)
    t.true("stays in the queue" not in text and "queue list --failed" in text,
           "what comes next: %s" % text)


@scenario
def test_asks_while_the_end_is_written(t):
    """Its end was told before anybody asked; the disk is slow to keep it."""
    fake = t.fake()
    fake.rule("RCPT", REFUSED, match="lost@", times=1)
    daemon = t.daemon(fake)
    faults = Faults(daemon)
    daemon.start()
    slow = faults.stop("mover", FSYNC)
    ident = daemon.send(message(), ["lost@example.net"])
    slow.wait_entered()
    told = daemon.ask("follow", id=ident)
    t.equal(told[-2]["event"], "failed", "what is told: %r" % told)
    faults.clear()
    # put back, it is not over any more
    wait_for(lambda: daemon.queue(failed=True), 20, "it in failed/")
    daemon.ask("account.pause", all=True)
    daemon.ask("queue.retry", id=ident)
    wait_for(lambda: daemon.queue(), 20, "it in queue/")
    done = daemon.ctl_run("queue", "show", ident)
    t.equal(done.returncode, 0, done.stderr)
    daemon.ask("account.resume", all=True)
    told = daemon.ask("follow", id=ident)
    t.equal(told[-2]["event"], "delivered", "what is told then: %r" % told)


@scenario
def test_gives_up_in_time(t):
    fake = t.fake()
    stalled = fake.rule("FINAL", action="stall")
    daemon = t.daemon(fake).start()
    done = daemon.ctl_run("test", "person@example.net", "--timeout", "5")
    t.equal(done.returncode, 1, "status")
    t.true("not delivered within 5 s" in done.stderr, done.stderr)
    stalled.release()


@scenario
def test_waits_no_longer_for_a_receiver_that_hangs(t):
    daemon = t.daemon(t.fake()).start()
    receiver = daemon.wait_roles()["receiver"]
    os.kill(receiver, signal.SIGSTOP)
    try:
        done = daemon.ctl_run("test", "person@example.net", "--timeout", "1")
    finally:
        os.kill(receiver, signal.SIGCONT)
    t.equal(done.returncode, 1, "status")
    t.true("did not say within 1 s that it has the message" in done.stderr,
           done.stderr)


@scenario
def doctor_is_content(t):
    fake = t.fake()
    daemon = t.daemon(fake, postmaster="owner@example.org").start()
    told = run_json(t, daemon, "doctor")
    t.equal(told["fail"], 0, "failures in %s" % told)
    t.equal(told["unknown"], 0, "unknown in %s" % told)
    where = [x["where"] for x in told["findings"] if x["status"] == "ok"]
    for part in ("configuration", "spool", "daemon", "default: IPv4 connect",
                 "default: IPv4 tls", "default: IPv4 login"):
        t.true(part in where, "%s is looked at: %s" % (part, where))
    t.true("all well" in run(t, daemon, "doctor"), "for people")
    t.equal(fake.messages, [], "doctor sends no mail")
    t.clean(fake)


@scenario
def doctor_finds_a_wrong_password_with_one_login(t):
    fake = t.fake()
    daemon = t.daemon(fake)
    daemon.write_password("wrong-word")
    daemon.start()
    told = run_json(t, daemon, "doctor", status=1)
    failed = [x for x in told["findings"] if x["status"] == "fail"]
    t.equal([x["where"] for x in failed], ["default: IPv4 login"], "failures")
    t.true("535" in failed[0]["text"], "Gmail's words: %s" % failed)
    t.true("password" in failed[0]["advice"].lower(), "the cure: %s" % failed)
    t.equal(len(fake.logins), 1, "logins tried")
    t.equal(daemon.account_state()["state"], "active",
            "looking changes nothing")


@scenario
def doctor_finds_what_is_wrong_with_the_machine(t):
    fake = t.fake()
    daemon = t.daemon(fake)
    told = run_json(t, daemon, "doctor", status=1)
    t.true("daemon" in [x["where"] for x in told["findings"]
                        if x["status"] == "fail"], "no daemon: %s" % told)
    daemon.write_password("secret-word", mode=0o644)
    told = run_json(t, daemon, "doctor", status=1)
    failed = [x["where"] for x in told["findings"] if x["status"] == "fail"]
    t.true("password of default" in failed, "an open file: %s" % failed)
    t.true("secret-word" not in json.dumps(told), "it is not told")
    daemon.write_config(text="account {\n  username = \"x\"\n}\n")
    told = run_json(t, daemon, "doctor", status=1)
    t.true(any(x["where"] == "configuration" and ":2" in x["text"]
               for x in told["findings"]), "the line: %s" % told)


@scenario
def systemds_credential_is_the_daemons_alone(t):
    """gmrelayctl runs without $CREDENTIALS_DIRECTORY and works all the same:
    also without -s, since it can read the configuration."""
    fake = t.fake()
    daemon = t.daemon(fake, account={"password_file": "gmail"},
                      postmaster="owner@example.org")
    os.mkdir(t.path("credentials"), 0o700)
    os.rename(daemon.password_file, t.path("credentials/gmail"))
    daemon.environment["CREDENTIALS_DIRECTORY"] = t.path("credentials")
    daemon.start()
    daemon.environment.clear()
    t.true("reloaded" in run(t, daemon, "reload"), "reload")
    told = run_json(t, daemon, "doctor")
    told = {x["where"]: x for x in told["findings"]}
    t.equal(told["configuration"]["status"], "ok", "the configuration")
    t.equal(told["password of default"]["status"], "ok", "the password")
    t.true("LoadCredential" in told["password of default"]["text"], told)
    for command in (["status"], ["test", "a@example.net"], ["spool", "check"]):
        if command[0] == "spool":
            daemon.stop()  # what is being made is no segment yet
        done = subprocess.run(
            [GMRELAYCTL, "-c", daemon.config_file, *command],
            capture_output=True, text=True, timeout=60)
        t.equal(done.returncode, 0, "%s: %s" % (command, done))
    status, said = daemon.check_config()
    t.equal(status, 0, "-t: %s" % said)


@scenario
def reload_tells_whether_it_was_taken(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    before = daemon.ask("ping")[-1]["pid"]
    t.true("reloaded" in run(t, daemon, "reload"), "said so")
    t.true(daemon.ask("ping")[-1]["pid"] != before, "a new relay")
    daemon.write_config(text="nonsense = 1\n")
    done = daemon.ctl_run("reload")
    # the socket is known by -s, the configuration's fault by its line
    t.equal(done.returncode, 1, "status")
    t.true(":1:" in done.stderr, "the line: %s" % done.stderr)
    daemon.send(message())
    fake.wait_messages(1)


@scenario
def reload_tells_why_the_daemon_refuses(t):
    """What gmrelayctl cannot see, or does not look at."""
    daemon = t.daemon(t.fake()).start()
    taken = socket.socket()
    t.at_end.append(taken.close)
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    wrong = [({"listen": ["127.0.0.1:%d" % port]}, "port %d is in use" % port),
             ({"spool": daemon.spool + "2"}, "spool cannot change")]
    if os.geteuid() == 0:
        wrong.append(({"user": "nobody-of-that-name"}, "no such user"))
    for settings, words in wrong:
        before = dict(daemon.settings)
        daemon.write_config(**settings)
        done = daemon.ctl_run("reload", timeout=20)
        t.equal(done.returncode, 1, "status: %s" % done)
        for text in (done.stderr, json.loads(done.stdout)["error"]["text"]):
            t.true(words in text and "old configuration" in text, text)
        daemon.settings = before
        daemon.write_config()
    os.chmod(daemon.password_file, 0o644)
    done = daemon.ctl_run("reload", json_output=False)
    t.equal(done.returncode, 1, "status: %s" % done)
    t.true("chmod 600" in done.stderr, "the cure: %s" % done.stderr)
    os.chmod(daemon.password_file, 0o600)
    t.true("reloaded" in run(t, daemon, "reload"), "it is taken after all")


@scenario
def reload_finds_a_control_socket_that_moved(t):
    daemon = t.daemon(t.fake()).start()
    new = os.path.join(daemon.folder, "new.sock")
    daemon.write_config(control=new)
    done = subprocess.run(
        [GMRELAYCTL, "-c", daemon.config_file, "reload"],
        capture_output=True, text=True, timeout=60)
    t.equal(done.returncode, 2, "status without -s: %s" % done)
    t.true("-s names the old socket" in done.stderr, done.stderr)
    t.true("reloaded" in run(t, daemon, "reload"), "by -s and the old name")
    daemon.control = new
    daemon.status()


@scenario
def strangers_text_does_not_reach_the_terminal_raw(t):
    fake = t.fake()
    fake.rule("RCPT", b"450 4.2.1 \x1b[2J\x9b2J later".decode("latin-1"))
    daemon = t.daemon(fake, retry=["1h"]).start()
    number = daemon.send(message())
    wait_for(lambda: daemon.queue()[0]["attempts"] == 1, what="an attempt")
    for command in (["queue", "list"], ["queue", "show", number],
                    ["queue", "list", "--json"]):
        done = subprocess.run(
            [GMRELAYCTL, "-c", daemon.config_file, *command],
            capture_output=True, timeout=60, check=True)
        t.true(b"later" in done.stdout, "it is shown: %r" % done.stdout)
        t.true(b"\x1b" not in done.stdout, "raw: %r" % done.stdout)
        t.true(b"\x9b" not in done.stdout, "raw: %r" % done.stdout)


main()

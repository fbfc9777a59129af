"""A spool can be read, checked and emptied into files without the daemon; and
looking never changes it."""
import hashlib
import json
import os

from lib.harness import main, scenario, wait_for
from lib.mail import without_received
from lib.smtpclient import message

REFUSED = "550 5.1.1 no such user"


def ctl(t, daemon, *args, status=0):
    done = daemon.ctl_run("spool", *args)
    t.equal(done.returncode, status, "status of spool %s (%s%s)" % (
        " ".join(args), done.stdout, done.stderr))
    return json.loads(done.stdout) if done.stdout else None


def digest(folder):
    """What lies below the folder: names, bytes, times."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            with open(path, "rb") as file:
                found[path] = (hashlib.sha256(file.read()).hexdigest(),
                               os.stat(path).st_mtime_ns)
    return found


def filled(t):
    """A stopped daemon with mail in journal/, queue/, large/ and failed/.
    Returns it and {id: bytes} of what is not delivered."""
    fake = t.fake()
    daemon = t.daemon(fake).start()
    fake.rule("RCPT", REFUSED, match="lost@")
    failed = message(subject="failed")
    failed_id = daemon.send(failed, ["lost@example.net"],
                            sender="root@nowhere")
    daemon.send(message(subject="delivered"))
    fake.wait_messages(1)
    wait_for(lambda: daemon.status()["queue"]["failed"] == 1, what="a failure")
    daemon.ask("account.pause", all=True)
    sent = {}
    for i in range(3):
        data = message(subject="m%d" % i) + b"x%d\r\n" % i
        sent[daemon.send(data)] = data
    held = sorted(sent)[0]
    data = message(subject="large") + b"0123456789\r\n" * 20000
    sent[daemon.send(data)] = data
    daemon.ask("queue.hold", id=held)
    wait_for(lambda: os.path.exists(os.path.join(daemon.spool, "queue", held)),
             what="the queue file")
    daemon.kill_all()
    return daemon, sent, {failed_id: failed}


@scenario
def check_counts_what_is_there_and_changes_nothing(t):
    daemon, sent, _ = filled(t)
    before = digest(daemon.spool)
    told = ctl(t, daemon, "check")
    t.equal(told["damaged"], 0, "damaged: %s" % told)
    t.equal((told["journal"], told["queue"], told["failed"]), (3, 1, 1),
            "messages in journal, queue, failed")
    t.equal(sorted(x["id"] for x in told["messages"]
                   if x["place"] != "failed"), sorted(sent), "ids")
    t.equal(told["daemon_runs"], False, "the daemon")
    t.equal(digest(daemon.spool), before, "the spool, byte for byte")
    t.true(os.access(daemon.spool, os.W_OK), "though it could have been")


@scenario
def export_writes_what_is_not_delivered(t):
    daemon, sent, failed = filled(t)
    before = digest(daemon.spool)
    out = t.path("out")
    told = ctl(t, daemon, "export", out)
    t.equal(told["exported"], len(sent), "exported")
    t.equal(sorted(os.listdir(out)),
            sorted(x + end for x in sent for end in (".eml", ".envelope")),
            "files")
    for number, data in sent.items():
        with open(os.path.join(out, number + ".eml"), "rb") as file:
            t.equal(without_received(file.read()), data, "bytes of a message")
        with open(os.path.join(out, number + ".envelope"),
                  encoding="utf-8") as file:
            text = file.read()
        t.true("id %s\n" % number in text and
               "\nto person@example.net\n" in text, "its envelope: %s" % text)
        t.equal(os.stat(os.path.join(out, number + ".eml")).st_mode & 0o777,
                0o600, "mode")
    t.equal(digest(daemon.spool), before, "the spool, byte for byte")
    # nothing is written over
    told = ctl(t, daemon, "export", out, status=1)
    t.equal(told["exported"], 0, "exported again")
    told = ctl(t, daemon, "export", "--failed", t.path("all"))
    t.equal(told["exported"], len(sent) + len(failed), "with what failed")


@scenario
def a_spool_elsewhere_is_named(t):
    daemon, sent, _ = filled(t)
    moved = t.path("moved")
    os.rename(daemon.spool, moved)
    ctl(t, daemon, "check", status=2)
    told = ctl(t, daemon, "check", "--spool", moved)
    t.equal(len(told["messages"]), len(sent) + 1, "messages")


def damage(path, old, new):
    with open(path, "r+b") as file:
        data = file.read()
        at = data.find(old)
        assert at >= 0, "%r is not in %s" % (old, path)
        file.seek(at)
        file.write(new)


def segment_with(daemon, text):
    folder = os.path.join(daemon.spool, "journal")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            if text in file.read():
                return os.path.join(folder, name)
    raise AssertionError("no segment holds %r" % text)


@scenario
def damage_in_the_journal_is_found_and_costs_what_it_hit(t):
    daemon, sent, _ = filled(t)
    journal = [x["id"] for x in ctl(t, daemon, "check")["messages"]
               if x["place"] == "journal"]
    small = [x for x in journal if len(sent[x]) < 10000]
    # m1 stands before the large one's record, so whole records follow it
    hit = next(x for x in small if sent[x].endswith(b"x1\r\n") or
               sent[x].endswith(b"x2\r\n"))
    damage(segment_with(daemon, sent[hit][-20:]), sent[hit][-20:], b"?" * 20)
    told = ctl(t, daemon, "check", status=1)
    t.equal(told["damaged"], 1, "damaged: %s" % told["problems"])
    out = t.path("out")
    told = ctl(t, daemon, "export", out, status=1)
    t.equal(sorted(os.listdir(out)),
            sorted(x + end for x in sent if x != hit
                   for end in (".eml", ".envelope")), "all others")


@scenario
def damage_in_a_body_and_a_queue_file_is_found(t):
    daemon, sent, _ = filled(t)
    large = next(x for x in sent if len(sent[x]) > 100000)
    for name in os.listdir(os.path.join(daemon.spool, "large")):
        path = os.path.join(daemon.spool, "large", name)
        if os.path.getsize(path) > 100000:
            damage(path, b"0123456789", b"0123456780")
    told = ctl(t, daemon, "check", status=1)
    t.equal(told["damaged"], 1, "damaged: %s" % told["problems"])
    held = next(x for x in os.listdir(os.path.join(daemon.spool, "queue"))
                if x != large)
    path = os.path.join(daemon.spool, "queue", held)
    os.truncate(path, os.path.getsize(path) - 3)
    out = t.path("out")
    told = ctl(t, daemon, "export", out, status=1)
    t.equal(told["damaged"], 2, "damaged: %s" % told["problems"])
    t.equal(sorted(os.listdir(out)),
            sorted(x + end for x in sent if x not in (large, held)
                   for end in (".eml", ".envelope")), "all others")


@scenario
def strangers_files_are_noted(t):
    daemon, _, _ = filled(t)
    for part in ("journal", "queue", "failed", "large"):
        with open(os.path.join(daemon.spool, part, "README"), "w",
                  encoding="utf-8") as file:
            file.write("not ours\n")
    told = ctl(t, daemon, "check")
    t.equal(told["notes"], 4, "notes: %s" % told["problems"])
    t.equal(told["damaged"], 0, "damaged")


main()

"""What the sendmail command left behind, and nobody takes in, is seen."""
import os

from lib.drop import whole
from lib.harness import main, scenario
from lib.sendmail import Sendmail

TO = "person@example.net"
TEXT = b"Subject: hello\n\ntext\n"


def names(sendmail):
    return sorted(os.listdir(sendmail.drop))


def put(sendmail, name, data):
    """A whole file appears, as the command makes them."""
    path = os.path.join(sendmail.drop, name)
    with open(path + ".new", "wb") as out:
        out.write(data)
    os.chmod(path + ".new", 0o640)
    os.rename(path + ".new", path)


@scenario
def status_tells_what_waits(t):
    daemon = t.daemon(t.fake(), max_clients=1).start()
    sendmail = Sendmail(t, daemon)
    nothing = {"waiting": 0, "oldest_ms": 0, "refused": 0, "more": False}
    t.equal(daemon.status()["drop"], nothing, "an empty drop/")
    t.true("drop" not in daemon.ctl_run("status", json_output=False).stdout,
           "nothing is said of it")
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org>", 250)
        sendmail.ok(TO, text=TEXT)  # 421, so it goes to drop/
        sendmail.ok(TO, text=TEXT)
        path = os.path.join(sendmail.drop, names(sendmail)[0])
        # all that come while the receiver has no time: none makes it later
        for i in range(4):
            put(sendmail, "another%d" % i, whole())
        then = os.stat(path).st_mtime - 600
        os.utime(path, (then, then))
        put(sendmail, "0123456789abcdef.refused", whole())
        drop = daemon.status()["drop"]
        t.equal((drop["waiting"], drop["refused"], drop["more"]),
                (2, 1, False), "counts")
        t.true(600 <= drop["oldest_ms"] / 1000 < 700, "age: %r" % drop)
        done = daemon.ctl_run("status", json_output=False)
        t.equal(done.returncode, 1, "status: one was set aside")
        t.true("2 left by the sendmail command wait" in done.stdout and
               "the oldest for 10m" in done.stdout and
               "1 set aside in the spool's drop/" in done.stdout,
               "status: %r" % done.stdout)
        client.cmd("QUIT")
    t.wait_for(lambda: daemon.status()["drop"]["waiting"] == 0, 30,
               "they are taken in")
    os.unlink(os.path.join(sendmail.drop, "0123456789abcdef.refused"))
    t.equal(daemon.ctl_run("status").returncode, 0, "status")
    # with very many it is enough to know that they are
    for i in range(1100):
        put(sendmail, "%016x.refused" % i, b"")
    drop = daemon.status()["drop"]
    t.true(drop["more"] and 990 <= drop["refused"] <= 1000, "very many: %r" %
           drop)


main()

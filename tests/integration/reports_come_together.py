"""No storm of reports: the first of an hour come one by one, what there is to
tell beyond comes in one digest, and whoever dies meanwhile leaves nobody out."""
import email
import email.policy
import errno
import os
import re
import time

from lib.faults import FSYNC, LINK, PWRITE, RENAME, WRITE, Faults
from lib.harness import main, print_comment, scenario, wait_for
from lib.patience import PATIENCE
from lib.sendmail import Sendmail
from lib.smtpclient import message

NO_SUCH = "550 5.1.1 The email account that you tried to reach does not exist"
LATER = "450 4.3.9 Not now."
SINGLES = 10    # REPORT_CAP_SINGLES
HOUR = 3600
NAMED = 100     # DIGEST_MESSAGES_MAX
OWNER = "owner@example.org"
STRICT = email.policy.default.clone(raise_on_defect=True)

# (call of the mover, which one of them): while messages go to failed/, some
# with a report before them, others without
FAILING_MOMENTS = [(WRITE, 1), (FSYNC, 2), (LINK, 10), (RENAME, 1),
                   (RENAME, 11), (FSYNC, 43), (WRITE, 23), (RENAME, 14)]
# while a digest is written, then its messages marked
DIGEST_MOMENTS = [(WRITE, 1), (FSYNC, 1), (LINK, 1), (FSYNC, 2), (WRITE, 2),
                  (RENAME, 1), (FSYNC, 4), (RENAME, 3)]


class Reports:
    """What the upstream got of them."""

    def __init__(self, fake):
        self.fake = fake

    def all(self):
        return [x for x in list(self.fake.messages)
                if x.header("Auto-Submitted")]

    def digests(self):
        return [x for x in self.all() if re.match(
            r"Undelivered: \d+ messages?$", x.header("Subject")[0])]

    def singles(self):
        digests = self.digests()
        return [x for x in self.all() if x not in digests]

    def wait_digests(self, count=1):
        self.fake.wait(lambda: len(self.digests()) >= count, 30,
                       "digest %d" % count)
        return self.digests()

    def name(self, ident):
        """How many tell of the message of this id."""
        text = re.compile(rb"(queue show|Id:)[ =\r\n]+" + ident.encode())
        return sum(bool(text.search(x.data)) for x in self.all())


def refusing(t, **settings):
    fake = t.fake()
    fake.rule("RCPT", NO_SUCH, match="^TO:<lost")
    return fake, Reports(fake), t.daemon(fake, **settings)


def send_lost(daemon, count, sender=OWNER):
    with daemon.client() as client:
        client.ehlo()
        return [daemon.id_of(client.mail(
            sender, ["lost%d@example.net" % i], message(subject="no %d" % i)))
            for i in range(count)]


def failed_ids(daemon):
    return {x["id"] for x in daemon.queue(failed=True)}


def untold(daemon):
    return daemon.status()["queue"]["failed_untold"]


def wait_failed(daemon, count):
    wait_for(lambda: daemon.status()["queue"]["failed"] >= count and
             daemon.queued() == 0, 40, "%d failed messages" % count)


def stop_for_the_hour(daemon, left=0):
    """The daemon is down until so many seconds before the hour of what failed
    is over."""
    daemon.stop()
    folder = os.path.join(daemon.spool, "failed")
    then = time.time() - HOUR + left
    for name in os.listdir(folder):
        os.utime(os.path.join(folder, name), (then, then))


def hour_passes(daemon, left=0):
    stop_for_the_hour(daemon, left)
    daemon.start()


def wait_all_told(daemon):
    wait_for(lambda: not daemon.status()["queue"]["starting"] and
             untold(daemon) == 0 and daemon.queued() == 0, 30,
             "all told of")


def check_digest(t, got, ids):
    """It tells of these messages, so that program and person understand."""
    t.equal(got.recipients, [OWNER], "who is told")
    report = email.message_from_bytes(got.data, policy=STRICT)
    t.equal(report["Subject"], "Undelivered: %d messages" % len(ids),
            "Subject")
    t.equal(report["Auto-Submitted"], "auto-replied", "Auto-Submitted")
    parts = list(report.iter_parts())
    t.equal([x.get_content_type() for x in parts],
            ["text/plain", "message/delivery-status"], "parts")
    words = parts[0].get_content()
    for what in ("%d of your messages" % len(ids), "does not exist",
                 "What to do:", "gmrelayctl queue list --failed",
                 "Subject: no "):
        t.true(what in words, "%r in %r" % (what, words))
    named = set(re.findall(r"Id: ([0-9a-f]{16})", words))
    t.equal(len(named), min(len(ids), NAMED), "messages named")
    t.true(named <= set(ids), "they are those that it is about")
    fields = parts[1].get_payload()
    t.equal({x["X-Gmrelayd-Id"] for x in fields[1:]}, named, "fields")
    t.equal({(x["Action"], x["Status"]) for x in fields[1:]},
            {("failed", "5.1.1")}, "Action and Status")


@scenario
def ten_reports_then_a_digest_also_after_restarts(t):
    fake, reports, daemon = refusing(t)
    daemon.start()
    ids = send_lost(daemon, 25)
    wait_failed(daemon, 25)
    t.equal(len(reports.all()), SINGLES, "reports")
    t.equal(untold(daemon), 15, "messages not told of")
    rows = daemon.queue(failed=True)
    t.equal(sum(x["untold"] for x in rows), 15, "recipients not told of")
    shown = daemon.ctl_run("status", json_output=False).stdout
    t.true("one report will tell of 15" in shown, "status: %r" % shown)
    daemon.wait_log("report-later id=[0-9a-f]{16} to=%s" % OWNER, count=15)
    # a restart is no new allowance
    daemon.stop()
    daemon.start()
    ids += send_lost(daemon, 5)
    wait_failed(daemon, 30)
    t.equal(len(reports.all()), SINGLES, "reports after a restart")
    t.equal(untold(daemon), 20, "messages not told of after a restart")
    left = {x["id"] for x in daemon.queue(failed=True) if x["untold"]}
    hour_passes(daemon)
    check_digest(t, reports.wait_digests()[0], left)
    wait_all_told(daemon)
    t.equal([reports.name(x) for x in ids], [1] * 30, "reports of each")
    daemon.wait_log(r"digest id=[0-9a-f]{16} to=%s messages=20" % OWNER)
    # and never again
    hour_passes(daemon)
    wait_all_told(daemon)
    t.equal(len(reports.all()), SINGLES + 1, "reports in the end")
    t.equal(failed_ids(daemon), set(ids), "what is kept")
    t.clean(fake)


@scenario
def a_digest_goes_out_when_the_hour_is_over(t):
    _fake, reports, daemon = refusing(t)
    daemon.start()
    send_lost(daemon, SINGLES + 2)
    wait_failed(daemon, SINGLES + 2)
    hour_passes(daemon, left=4 * PATIENCE)
    send_lost(daemon, 3)
    wait_for(lambda: untold(daemon) == 5, 20, "five not told of")
    got = reports.wait_digests()
    t.equal(got[0].header("Subject"), ["Undelivered: 5 messages"], "digest")
    wait_all_told(daemon)
    t.equal(len(reports.singles()), SINGLES, "reports")
    # a new hour has begun
    send_lost(daemon, 1)
    wait_failed(daemon, SINGLES + 6)
    daemon.wait_queue_empty()
    t.equal(len(reports.singles()), SINGLES + 1, "reports of the new hour")
    t.equal(len(reports.digests()), 1, "digests")


@scenario
def each_address_has_its_own_hour(t):
    _fake, reports, daemon = refusing(t)
    daemon.start()
    ids = {who: send_lost(daemon, 12, who)
           for who in (OWNER, "other@example.org", "Owner@Example.org")}
    wait_failed(daemon, 36)
    t.equal(len(reports.singles()), 2 * SINGLES, "reports")
    hour_passes(daemon)
    reports.wait_digests(2)
    wait_all_told(daemon)
    t.equal(sorted(x.header("Subject")[0] for x in reports.digests()),
            ["Undelivered: 14 messages", "Undelivered: 2 messages"],
            "digests")
    t.equal([reports.name(x) for x in sum(ids.values(), [])], [1] * 36,
            "reports of each")


@scenario
def a_queue_that_expires_at_once_is_few_reports(t):
    fake = t.fake()
    fake.rule("RCPT", LATER, match="^TO:<lost")
    reports = Reports(fake)
    daemon = t.daemon(fake, expire="1s").start()
    count = NAMED + 2 * SINGLES
    ids = send_lost(daemon, count)
    wait_failed(daemon, count)
    t.equal(len(reports.all()), SINGLES, "reports")
    hour_passes(daemon)
    got = reports.wait_digests()[0]
    wait_all_told(daemon)
    words = email.message_from_bytes(got.data, policy=STRICT).get_body(
        ("plain",)).get_content()
    t.true("%d of the %d messages:" % (NAMED, count - SINGLES) in words,
           "it says how many: %r" % words[:1500])
    t.true("given up after the time set by expire" in words, "why")
    t.equal(len(re.findall("Id: ", words)), NAMED, "messages named")
    t.equal(len(reports.all()), SINGLES + 1, "reports in the end")
    t.equal(failed_ids(daemon), set(ids), "failed messages")


@scenario
def delay_notices_beyond_are_left_out(t):
    fake = t.fake()
    fake.rule("RCPT", LATER, match="^TO:<lost")
    reports = Reports(fake)
    daemon = t.daemon(fake, delay_notice="1s").start()
    ids = send_lost(daemon, SINGLES + 4)
    daemon.wait_log(r"no-notice id=[0-9a-f]{16} to=%s reason=" % OWNER,
                    count=4)
    fake.wait(lambda: len(reports.all()) >= SINGLES, 20, "the notices")
    wait_for(lambda: all(x["notified"] for x in daemon.queue()), 20,
             "none is made up for")
    fake.clear_rules()
    daemon.ask("queue.flush")
    daemon.wait_queue_empty()
    t.equal(len(reports.all()), SINGLES, "notices")
    t.equal(len(fake.messages), len(ids) + SINGLES, "all arrive")


@scenario
def what_waits_for_others_is_told_of_in_the_end(t):
    fake, reports, daemon = refusing(t)
    waiting = fake.rule("RCPT", LATER, match="^TO:<slow")
    daemon.start()
    send_lost(daemon, SINGLES)
    wait_failed(daemon, SINGLES)
    both = daemon.send(message(), ["lost@example.net", "slow@example.net"],
                       sender=OWNER)
    wait_for(lambda: daemon.queue() and daemon.queue()[0]["untold"] == 1 and
             daemon.queue()[0]["attempts"] > 1, 20, "lost@ has failed")
    with fake.changed:
        fake.rules.remove(waiting)
    daemon.ask("queue.flush")
    wait_failed(daemon, SINGLES + 1)
    t.equal((reports.name(both), untold(daemon)), (0, 1), "not told of")
    hour_passes(daemon)
    check_digest_of_one(t, reports, both)
    wait_all_told(daemon)


def check_digest_of_one(t, reports, ident):
    got = reports.wait_digests()
    t.equal(got[0].header("Subject"), ["Undelivered: 1 message"], "digest")
    t.true(b"slow@" not in got[0].data, "who got it is not named")
    t.equal(reports.name(ident), 1, "it is told of")


@scenario
def what_a_person_deals_with_is_not_told_of(t):
    fake, reports, daemon = refusing(t)
    daemon.start()
    send_lost(daemon, SINGLES + 3)
    wait_failed(daemon, SINGLES + 3)
    again, gone, kept = sorted(
        x["id"] for x in daemon.queue(failed=True) if x["untold"])
    daemon.ctl_run("queue", "show", kept)  # seen: told of all the same
    fake.clear_rules()
    daemon.ask("queue.retry", id=again)
    daemon.ask("queue.delete", id=gone)
    wait_for(lambda: untold(daemon) == 1, 20, "one is left")
    hour_passes(daemon)
    reports.wait_digests()
    wait_all_told(daemon)
    t.equal([reports.name(x) for x in (again, gone, kept)], [0, 0, 1],
            "who is told of")


@scenario
def a_digest_that_cannot_be_written_is_not_lost(t):
    _fake, reports, daemon = refusing(t)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    send_lost(daemon, SINGLES + 4)
    wait_failed(daemon, SINGLES + 4)
    faults.fail("mover", LINK, errno.ENOSPC)
    hour_passes(daemon)
    daemon.wait_log("digest-failed id=[0-9a-f]{16} reason=.* retry=60s")
    t.equal(untold(daemon), 4, "messages not told of")
    faults.clear()
    # marks that fail: told of once more, at worst
    faults.fail("mover", RENAME, errno.EIO)
    hour_passes(daemon)
    daemon.wait_log("digest-failed reason=.*Input/output")
    wait_all_told(daemon)
    t.equal(len(reports.wait_digests()), 1, "digests")
    faults.clear()
    hour_passes(daemon)
    wait_all_told(daemon)
    t.true(len(reports.wait_digests()) <= 2, "digests")
    hour_passes(daemon)
    wait_all_told(daemon)
    t.true(len(reports.digests()) <= 2, "digests in the end")


@scenario
def what_is_not_marked_yet_when_a_digest_is_due_is_told_of(t):
    """It is in failed/, and the mark on its record waits for the disk, when the
    hour of a start that comes late is over."""
    _fake, reports, daemon = refusing(t)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    send_lost(daemon, SINGLES)
    wait_failed(daemon, SINGLES)
    faults.fail("gmrelayd-relay", PWRITE, errno.EIO)
    last = send_lost(daemon, 1)[0]
    wait_for(lambda: os.path.exists(os.path.join(
        daemon.spool, "failed", last)), 20, "it is in failed/")
    hour_passes(daemon)
    wait_for(lambda: not daemon.status()["queue"]["starting"] and
             untold(daemon) == 1, 20, "all is read")
    t.equal(daemon.status()["queue"]["failed_untold"], 1, "nobody is told")
    faults.clear()
    check_digest_of_one(t, reports, last)
    wait_all_told(daemon)


@scenario
def marks_share_the_sync_of_their_names(t):
    fold = 16
    _fake, reports, daemon = refusing(t)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    send_lost(daemon, SINGLES + fold)
    wait_failed(daemon, SINGLES + fold)
    stop_for_the_hour(daemon)
    syncs = faults.delay("mover", FSYNC, 0)
    daemon.start()
    reports.wait_digests()
    wait_all_told(daemon)
    # the digest's two; each file's; one for eight names; and what else the
    # mover does: the digest's removal, an account's state
    most = 2 + fold + fold // 8 + 8
    t.true(fold < syncs.entered <= most, "%d syncs" % syncs.entered)
    print_comment("%d syncs for %d messages in a digest" % (
        syncs.entered, fold))


@scenario
def what_is_refused_from_drop_is_set_aside(t):
    fake, reports, daemon = refusing(t)
    daemon.start()
    daemon.stop()
    sendmail = Sendmail(t, daemon)
    for _ in range(SINGLES + 2):
        sendmail.ok("-f", OWNER, "nobody-knows", text=b"Subject: x\n\nx\n")
    daemon.start()
    wait_for(lambda: daemon.status()["drop"]["waiting"] == 0, 30,
             "an end of drop/")
    fake.wait(lambda: len(reports.all()) >= SINGLES, 20, "reports")
    daemon.wait_queue_empty()
    t.equal(len(reports.all()), SINGLES, "reports")
    t.equal(daemon.status()["drop"]["refused"], 2, "set aside")
    t.equal(daemon.ctl_run("status").returncode, 1, "gmrelayctl status")


def finally_told(t, daemon, reports, ids):
    """Everybody was told of each message, or will be; nobody too often."""
    hour_passes(daemon)
    wait_all_told(daemon)
    t.equal(failed_ids(daemon), set(ids), "failed messages")
    left_out = [x for x in ids if reports.name(x) == 0]
    t.equal(left_out, [], "messages nobody was told of")
    repeats = sum(reports.name(x) - 1 for x in ids)
    # two lives, each with its ten and its digest
    t.true(len(reports.all()) <= 2 * (SINGLES + 1), "reports: %d" %
           len(reports.all()))
    return repeats


def dies_failing(t, call, which):
    _fake, reports, daemon = refusing(t)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    rule = faults.stop("mover", call, first=which)
    ids = send_lost(daemon, SINGLES + 5)
    rule.wait_entered()
    pid = daemon.kill_role("relay")
    faults.clear()
    daemon.wait_role_again("relay", pid)
    wait_failed(daemon, len(ids))
    repeats = finally_told(t, daemon, reports, ids)
    daemon.stop()
    return repeats


def dies_telling(t, call, which):
    _fake, reports, daemon = refusing(t)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    ids = send_lost(daemon, SINGLES + 5)
    wait_failed(daemon, len(ids))
    stop_for_the_hour(daemon)
    rule = faults.stop("mover", call, first=which)
    daemon.start()
    rule.wait_entered()
    pid = daemon.kill_role("relay")
    faults.clear()
    daemon.wait_role_again("relay", pid)
    repeats = finally_told(t, daemon, reports, ids)
    daemon.stop()
    return repeats


def at_all_moments(t, how, moments):
    total = 0
    for call, which in moments:
        try:
            repeats = how(t, call, which)
        except AssertionError as error:
            raise AssertionError("call %d, number %d: %s" % (
                call, which, error)) from error
        total += repeats
    print_comment("%d kills, %d messages told of once more" % (
        len(moments), total))


@scenario(seconds=600)
def a_relay_that_dies_failing_leaves_nobody_out(t):
    at_all_moments(t, dies_failing, FAILING_MOMENTS)


@scenario(seconds=600)
def a_relay_that_dies_telling_leaves_nobody_out(t):
    at_all_moments(t, dies_telling, DIGEST_MOMENTS)


if __name__ == "__main__":
    main()

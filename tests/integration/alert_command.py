"""When an account can send nothing for hours, the user's own command hears of
it, once; and once more when it can again."""
import os

from lib import proc
from lib.daemon import RELAY_UID
from lib.harness import main, scenario, wait_for
from lib.smtpclient import message

WRONG_PASSWORD = ("535-5.7.8 Username and Password not accepted. For more "
                  "information, go to", "535 5.7.8  https://support.google.com")

TELL = """#!/bin/sh
{ printf '%%s|' "$@" "$GMRELAY_ACCOUNT" "$GMRELAY_STATE" "$(id -u)" "$HOME"
  printf '%%s' "$GMRELAY_REASON" | tr '\\n' ' '; echo; } >>%s
%s
"""


class Told:
    def __init__(self, t, fake, then=""):
        self.t = t
        folder = t.path("told")
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        self.file = os.path.join(folder, "lines")
        script = t.path("tell")
        with open(script, "w", encoding="utf-8") as file:
            file.write(TELL % (self.file, then))
        os.chmod(script, 0o755)
        self.daemon = t.daemon(fake, alert_command=[script, "to me"]).start()

    def lines(self):
        try:
            with open(self.file, encoding="utf-8") as file:
                return [x.rstrip("\n").split("|") for x in file
                        if x.endswith("\n")]
        except FileNotFoundError:
            return []

    def wait(self, count):
        wait_for(lambda: len(self.lines()) >= count, what="%d alerts" % count)
        return self.lines()


def account(daemon):
    return daemon.status()["accounts"][0]


def wait_saved(daemon, state):
    """The state file says so."""
    path = os.path.join(daemon.spool, "state", "default")

    def saved():
        if not os.path.exists(path):
            return False
        with open(path, encoding="utf-8") as file:
            return "state %s\n" % state in file.read()

    wait_for(saved, what="%s on disk" % state)


@scenario
def a_hold_and_its_end_are_told_once_each(t):
    fake = t.fake()
    refusal = fake.rule("AUTH", list(WRONG_PASSWORD))
    told = Told(t, fake)
    told.daemon.send(message())
    first = told.wait(1)[0]
    t.equal(first[0], "to me", "the argument that was written")
    t.true(first[1].startswith("gmrelayd: account default is held: ") and
           "app password" in first[1], "a sentence: %r" % first[1])
    t.equal(first[2:4], ["default", "held"], "account and state")
    t.equal(first[4], str(RELAY_UID if os.geteuid() == 0 else os.geteuid()),
            "whose process it is")
    t.equal(first[5], "", "nothing of our environment")
    t.true("app password" in first[6], "the reason")
    used = refusal.used
    told.daemon.ask("account.resume", all=True)  # active, then held again
    fake.wait(lambda: refusal.used > used, what="another login")
    wait_for(lambda: account(told.daemon)["state"] == "held", what="the hold")
    fake.clear_rules()
    told.daemon.ask("account.resume", all=True)
    fake.wait_messages(1)
    wait_for(lambda: told.lines()[-1][3] == "active", what="the good news")
    states = [x[3] for x in told.lines()]
    t.true(all(a != b for a, b in zip(states, states[1:])),
           "nothing is told twice: %s" % states)


@scenario
def a_days_limit_is_told(t):
    fake = t.fake()
    fake.rule("FINAL", "550 5.4.5 Daily user sending limit exceeded.", times=1)
    told = Told(t, fake)
    told.daemon.send(message())
    t.equal(told.wait(1)[0][3], "over-quota", "state")


@scenario
def a_pause_of_an_hour_is_told_too(t):
    fake = t.fake()
    fake.rule("FINAL", "421 4.7.28 Our system has detected an unusual rate of "
              "unsolicited mail.", times=2)
    told = Told(t, fake)
    daemon = told.daemon
    daemon.send(message())
    t.equal(told.wait(1)[0][3], "throttled", "state")
    t.equal(daemon.ctl_run("status").returncode, 1, "gmrelayctl status")
    daemon.wait_log("error: account-throttled ")
    # a probe that fails is no news, and is at another level
    daemon.ask("queue.flush")
    daemon.wait_log("warning: account-throttled ")
    daemon.ask("queue.flush")
    fake.wait_messages(1)
    wait_for(lambda: told.lines()[-1][3] == "active", what="the good news")
    t.equal([x[3] for x in told.lines()], ["throttled", "active"], "alerts")
    t.equal(daemon.log_now().count("error: account-throttled "), 1,
            "lines at error level")
    t.equal(daemon.ctl_run("status").returncode, 0, "gmrelayctl status")


@scenario
def a_name_that_is_turned_away_three_times_is_told(t):
    fake = t.fake()
    rule = fake.rule("EHLO", "421 4.7.0 Try again later, closing connection. "
                     "(EHLO)")
    told = Told(t, fake)
    daemon = told.daemon
    daemon.send(message())
    for i in range(2):
        wait_for(lambda: daemon.log_now().count("account-throttled ") > i,
                 what="pause %d" % (i + 1))
        t.true(not account(daemon)["lasting"], "no alert yet")
        daemon.ask("queue.flush")
    line = told.wait(1)[0]
    t.equal(line[3], "throttled", "state")
    t.true("Set hostname" in line[6], "the reason: %r" % line[6])
    t.equal(rule.used, 3, "times it was turned away")
    t.equal(daemon.ctl_run("status").returncode, 1, "gmrelayctl status")
    fake.clear_rules()
    daemon.ask("queue.flush")
    fake.wait_messages(1)
    t.equal([x[3] for x in told.wait(2)], ["throttled", "active"], "alerts")


@scenario
def what_a_restart_changes_is_told_once(t):
    fake = t.fake()
    fake.rule("AUTH", list(WRONG_PASSWORD))
    told = Told(t, fake)
    daemon = told.daemon
    daemon.send(message())
    told.wait(1)
    wait_saved(daemon, "held")
    # the same after restarts of the relay and of all: no news
    pid = daemon.kill_role("relay")
    daemon.wait_role_again("relay", pid)
    t.equal(account(daemon)["state"], "held", "the account")
    daemon.stop()
    daemon.start()
    t.equal(account(daemon)["state"], "held", "the account")
    # a new password ends the hold
    fake.clear_rules()
    fake.behaviour.password = "another-secret"
    daemon.write_password("another-secret")
    daemon.reload()
    fake.wait_messages(1)
    t.equal([x[3] for x in told.wait(2)], ["held", "active"], "alerts")


@scenario
def a_pause_by_hand_and_a_short_one_are_not_told(t):
    fake = t.fake()
    told = Told(t, fake)
    told.daemon.ask("account.pause", all=True)
    told.daemon.ask("account.resume", all=True)
    fake.rule("MAIL", "421 4.7.0 Temporary System Problem. Try again later.",
              times=1)
    told.daemon.send(message())
    wait_for(lambda: account(told.daemon)["state"] == "throttled",
             what="a short pause")
    fake.rule("MAIL", "550 5.4.5 Daily user sending limit exceeded.", times=1)
    told.daemon.ask("queue.flush")
    t.equal([x[3] for x in told.wait(1)], ["over-quota"], "alerts")


@scenario
def one_that_hangs_is_killed_and_the_next_one_runs(t):
    fake = t.fake()
    fake.rule("AUTH", list(WRONG_PASSWORD), times=1)
    told = Told(t, fake, then="[ $GMRELAY_STATE = active ] || sleep 1000")
    told.daemon.send(message())
    told.wait(1)
    told.daemon.ask("account.resume", all=True)
    fake.wait_messages(1)
    told.daemon.wait_log("alert-failed reason=\"it did not end within")
    told.daemon.wait_log("alert-failed command=.* signal=9")
    t.equal([x[3] for x in told.wait(2)], ["held", "active"], "alerts")


@scenario
def a_stop_does_not_wait_for_it(t):
    fake = t.fake()
    fake.rule("AUTH", list(WRONG_PASSWORD))
    told = Told(t, fake, then="echo $$; exec sleep 1000")
    told.daemon.send(message())
    told.wait(1)
    pid = int(told.daemon.wait_log(r"^[0-9]+$")[0][0])
    told.daemon.stop()
    wait_for(lambda: not proc.is_alive(pid), what="the end of the command")


@scenario
def one_that_cannot_start_is_told_in_the_log(t):
    fake = t.fake()
    fake.rule("AUTH", list(WRONG_PASSWORD))
    daemon = t.daemon(fake, alert_command=["/nonexistent/tell"]).start()
    daemon.send(message())
    daemon.wait_log("alert-failed command=/nonexistent/tell reason=\"cannot")
    daemon.wait_log("alert-failed command=/nonexistent/tell status=")


main()

"""A refused login is the account's trouble, never a message's: everything
stays queued, gently, until the password is right."""
import re

from lib.fakegmail import PASSWORD
from lib.harness import main, scenario, wait_for
from lib.mail import without_received
from lib.smtpclient import message

REFUSALS = {
    "wrong_password": None,  # the sandbox's own 535
    "application_password_needed": [
        "534 5.7.9 Application-specific password required. For more "
        "information, go to",
        "534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor"],
    "browser_login_needed": [
        "534 5.7.14 <https://accounts.google.com/signin/continue?x> Please "
        "log in via your web browser and",
        "534 5.7.14 then try again.",
        "534 5.7.14  https://support.google.com/mail/answer/78754"],
    "authentication_required": [
        "530 5.7.0 Authentication Required. For more information, go to",
        "530 5.7.0  https://support.google.com/mail/?p=WantAuthError"],
}


def held_with_queue(t, refusal, count=5):
    """A daemon whose account is held and that has count messages."""
    fake = t.fake()
    if refusal:
        fake.rule("AUTH", refusal)
    daemon = t.daemon(fake)
    daemon.write_password("wrong-word")
    daemon.start()
    sent = [message(subject="m%d" % i) for i in range(count)]
    for data in sent:
        daemon.send(data)
    state = daemon.wait_account("held")
    t.true(state["reason"], "the reason is told")
    t.equal(daemon.queued(), count, "queued messages")
    return fake, daemon, sent


def all_arrive(t, fake, daemon, sent):
    got = fake.wait_messages(len(sent))
    t.equal(sorted(without_received(x.data) for x in got), sorted(sent),
            "messages")
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), len(sent), "no message twice")
    t.equal(daemon.queue(failed=True), [], "failed messages")
    t.equal(daemon.account_state()["state"], "active", "the account")
    t.equal([x.header("Auto-Submitted") for x in fake.messages],
            [[]] * len(sent), "no reports")


def hold_scenario(name, refusal):
    def run(t):
        fake, daemon, sent = held_with_queue(t, refusal)
        t.equal(len(fake.logins), 1, "logins tried")
        found = re.findall(r"(?m)^.*\b(?:held|hold)\b.*$", daemon.log_now())
        t.equal(len(found), 1, "log lines about the hold: %r" % found)
        fake.clear_rules()
        daemon.write_password(PASSWORD)
        daemon.reload()
        all_arrive(t, fake, daemon, sent)
        t.clean(fake)

    run.__name__ = "%s_holds_until_new_credentials" % name
    scenario(run)


for _name, _refusal in REFUSALS.items():
    hold_scenario(_name, _refusal)


@scenario
def mail_is_taken_while_the_account_is_held(t):
    fake, daemon, sent = held_with_queue(t, None)
    more = [message(subject="later %d" % i) for i in range(20)]
    for data in more:
        daemon.send(data)
    t.equal(daemon.queued(), len(sent + more), "queued messages")
    t.equal(len(fake.logins), 1, "no login for each message")
    daemon.write_password(PASSWORD)
    daemon.reload()
    all_arrive(t, fake, daemon, sent + more)


@scenario
def the_hold_outlives_a_restart(t):
    fake, daemon, sent = held_with_queue(t, None)
    daemon.stop()
    daemon.start()
    t.equal(daemon.account_state()["state"], "held", "the account")
    wait_for(lambda: daemon.queued() == len(sent), 20, "the queue")
    t.equal(len(fake.logins), 1, "the same password is not tried again")
    daemon.stop()
    daemon.write_password(PASSWORD)
    daemon.start()
    all_arrive(t, fake, daemon, sent)


@scenario
def resume_tries_at_once(t):
    fake, daemon, sent = held_with_queue(t, REFUSALS["browser_login_needed"])
    daemon.ask("account.resume", name="default")
    fake.wait(lambda: len(fake.logins) == 2, 20, "another login")
    daemon.wait_account("held")
    # somebody made the word that we have the right one
    fake.clear_rules()
    fake.behaviour.password = "wrong-word"
    daemon.ask("account.resume", all=True)
    all_arrive(t, fake, daemon, sent)


@scenario
def a_flush_does_not_wake_a_held_account(t):
    fake, daemon, sent = held_with_queue(t, None)
    daemon.ask("queue.flush")
    t.equal(daemon.account_state()["state"], "held", "the account")
    t.equal(len(fake.logins), 1, "logins tried")
    daemon.write_password(PASSWORD)
    daemon.reload()
    all_arrive(t, fake, daemon, sent)


@scenario
def too_many_logins_pause_and_keep_the_queue(t):
    fake = t.fake()
    fake.rule("AUTH", "454 4.7.0 Too many login attempts, please try again "
              "later.", times=1)
    daemon = t.daemon(fake).start()
    sent = [message() for _ in range(3)]
    for data in sent:
        daemon.send(data)
    state = daemon.wait_account("throttled")
    t.true(state["next_ms"] > 60 * 1000, "it waits for long: %r" % state)
    t.equal(daemon.queued(), 3, "queued messages")
    daemon.ask("queue.flush")
    all_arrive(t, fake, daemon, sent)


@scenario
def an_app_password_may_be_written_in_groups(t):
    fake = t.fake()
    daemon = t.daemon(fake)
    word = fake.behaviour.password
    daemon.write_password(" ".join(
        word[i:i + 4] for i in range(0, 16, 4)) + "  ")
    daemon.start()
    daemon.send(message())
    fake.wait_messages(1)


@scenario
def a_password_file_open_to_others_is_refused(t):
    for mode in (0o644, 0o604, 0o640, 0o601):
        daemon = t.daemon(t.fake())
        daemon.write_password(PASSWORD, mode=mode)
        status, text = daemon.check_config()
        t.equal(status, 1, "-t with mode %o" % mode)
        t.true(daemon.password_file in text, "it names the file: %r" % text)
        t.true(PASSWORD not in text, "and not what is in it")


if __name__ == "__main__":
    main()

"""One line a fact, in printable characters, and never a secret: not in the log,
not in arguments, environment, configuration or spool."""
import base64
import os
import re
import unicodedata

from lib import proc
from lib.fakegmail import PASSWORD, USER
from lib.harness import main, scenario, wait_for
from lib.smtpclient import message

WRONG = "wrong-secret-word"


def forms(word):
    """The ways a password could show itself."""
    plain = base64.b64encode(("\0%s\0%s" % (USER, word)).encode()).decode()
    return [word, plain, plain[-20:], base64.b64encode(word.encode()).decode(),
            word.encode().hex(), " ".join(word[i:i + 4]
                                          for i in range(0, len(word), 4))]


def holds_none(t, text, what):
    for word in (PASSWORD, WRONG):
        for form in forms(word):
            t.true(form not in text, "%s holds %r" % (what, form))


def read(path):
    with open(path, "rb") as file:
        return file.read().decode("latin-1")


@scenario
def no_secret_anywhere(t):
    fake = t.fake()
    daemon = t.daemon(fake)
    daemon.write_password(WRONG)
    daemon.options = ["-v"]  # all there is to log
    daemon.start()
    daemon.send(message())
    daemon.wait_account("held")
    fake.behaviour.mechanisms = "LOGIN"
    daemon.write_password(PASSWORD)
    daemon.reload()
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    for pid in proc.session_members(daemon.pid):
        for name in ("cmdline", "environ"):
            try:
                holds_none(t, read("/proc/%d/%s" % (pid, name)), name)
            except PermissionError:
                pass  # closed even to its own user
    holds_none(t, str(daemon.status()), "status")
    daemon.stop()
    holds_none(t, daemon.log(), "the log")
    holds_none(t, daemon.config_text(), "the configuration")
    for folder, _, names in os.walk(daemon.spool):
        for name in names:
            holds_none(t, read(os.path.join(folder, name)), name)


@scenario
def strangers_text_is_escaped(t):
    fake = t.fake()
    daemon = t.daemon(fake, allow=["127.0.0.1/32"])
    daemon.options = ["-v"]
    daemon.start()
    nasty = (b"x\x1b[31mred\x07\x7f", b"x\r2026 fake=line", b"x\xff\xfe\x85",
             b"\"quoted\\ \xe2\x80\xa8x\"", b"x\xe2\x80\xaegro.live", b"x" * 900)
    for text in nasty:
        with daemon.client() as client:
            for command in (b"EHLO " + text, b"NOOP " + text, text,
                            b"MAIL FROM:<" + text + b"@example.org>",
                            b"RCPT TO:<" + text + b"@example.net>"):
                client.cmd(command)
    fake.rule("RCPT", "550 5.1.1 evil\x1b[2J \x07\xff \u202e\u2028 text")
    daemon.send(message(), ["b@example.net"])
    with daemon.client() as client:
        client.ehlo()
        client.mail("a@example.org", ["x\u202e\u2028@example.net"],
                    message(), " SMTPUTF8")
    wait_for(lambda: daemon.queue(failed=True), 30, "failed/")
    daemon.stop()
    with open(daemon.log_file, "rb") as log:
        data = log.read()
    bad = re.findall(rb"[^\n]*[\x00-\x09\x0b-\x1f\x7f][^\n]*", data)
    t.equal(bad, [], "lines with control characters")
    text = data.decode("utf-8")  # valid UTF-8 throughout
    t.equal(sorted({x for x in text if x != "\n" and unicodedata.category(x)
                    in ("Cc", "Cf", "Zl", "Zp")}), [],
            "characters that nobody sees")
    t.true("\\xe2\\x80\\xae" in text, "they are shown by their octets")
    t.true(b"\n2026 fake=line" not in data, "no line of a stranger's making")


@scenario
def one_line_a_fact_with_the_same_keys(t):
    fake = t.fake()
    fake.rule("RCPT", "450 4.0.0 later", match="^TO:<slow@", times=1)
    fake.rule("RCPT", "550 5.1.1 nobody", match="^TO:<lost@")
    daemon = t.daemon(fake).start()
    quick = daemon.send(message(), ["quick@example.net"])
    slow = daemon.send(message(), ["slow@example.net"])
    lost = daemon.send(message(), ["lost@example.net"])
    wait_for(lambda: daemon.queue(failed=True), 30, "failed/")
    daemon.wait_queue_empty()

    def events(message_id):
        return re.findall(r"(?m)\b(accepted|delivered|deferred|failed) "
                          r"(?:.* )?id=%s\b" % message_id, daemon.log_now())

    t.equal(events(quick), ["accepted", "delivered"], "a quick one's lines")
    t.equal(events(slow), ["accepted", "deferred", "delivered"],
            "a slow one's lines")
    t.equal(events(lost), ["accepted", "failed"], "a lost one's lines")
    line = re.search(r"(?m)^.*\baccepted .*id=%s.*$" % quick,
                     daemon.log_now())[0]
    for key in ("from=", "to=", "size=", "peer="):
        t.true(key in line, "%s is not in %r" % (key, line))
    line = re.search(r"(?m)^.*\bdelivered .*id=%s.*$" % quick,
                     daemon.log_now())[0]
    for key in ("reply=", "delay="):
        t.true(key in line, "%s is not in %r" % (key, line))


if __name__ == "__main__":
    main()

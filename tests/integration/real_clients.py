"""Programs people use deliver through it: every byte and every recipient."""
import email
import email.policy
import os
import smtplib
import subprocess
from email.message import EmailMessage

from lib.harness import main, scenario
from lib.mail import base64_lines, without_received
from lib.smtpclient import message

PEOPLE = ["a@example.net", "b@example.net"]
SENDER = "owner@example.org"
BIG = 5000000


def run(t, command, **how):
    done = subprocess.run([str(x) for x in command], capture_output=True,
                          timeout=120, **how)
    t.equal(done.returncode, 0, "%s: %s%s" % (
        command[0], done.stdout.decode("utf-8", "replace")[-500:],
        done.stderr.decode("utf-8", "replace")[-500:]))
    return done


def ready(t, *commands):
    t.need(*commands)
    fake = t.fake()
    return fake, t.daemon(fake).start()


def write(t, name, data):
    path = t.path(name)
    with open(path, "wb") as out:
        out.write(data)
    return path


def text_of(got):
    return got.get_body().get_content().replace("\r\n", "\n")


def arrived(t, fake, count=1):
    got = fake.wait_messages(count, deadline=60)
    for x in got:
        t.equal((x.sender, sorted(x.recipients)), (SENDER, PEOPLE),
                "envelope")
    t.clean(fake)
    return got


@scenario
def swaks(t):
    fake, daemon = ready(t, "swaks")
    small = message(body=b".dot\r\ntext\r\n")
    big = message(body=base64_lines(1, BIG))
    for data in (small, big):
        run(t, ["swaks", "--server", "127.0.0.1:%d" % daemon.port, "--from",
                SENDER, "--to", ",".join(PEOPLE), "--data",
                "@" + write(t, "m.eml", data.replace(b"\r\n", b"\n")),
                "--hide-all"])
    got = arrived(t, fake, 2)
    for x, data in zip(got, (small, big)):
        # swaks ends what it sends with an empty line
        t.equal(without_received(x.data).rstrip(), data.rstrip(), "message")


@scenario
def swaks_pipelining(t):
    fake, daemon = ready(t, "swaks")
    run(t, ["swaks", "--server", "127.0.0.1:%d" % daemon.port, "--pipeline",
            "--from", SENDER, "--to", ",".join(PEOPLE), "--hide-all",
            "--header", "Subject: piped", "--body", "hello"])
    t.equal(arrived(t, fake)[0].header("Subject"), ["piped"], "Subject")


@scenario
def curl(t):
    fake, daemon = ready(t, "curl")
    sent = [message(body=b".dot\r\ntext\r\n"),
            message(body=base64_lines(2, BIG))]
    for data in sent:
        run(t, ["curl", "-sS", "smtp://127.0.0.1:%d/client.example" %
                daemon.port, "--mail-from", SENDER, "--mail-rcpt", PEOPLE[0],
                "--mail-rcpt", PEOPLE[1], "-T", write(t, "m.eml", data)])
    got = arrived(t, fake, 2)
    t.equal([without_received(x.data) for x in got], sent, "messages")


@scenario
def msmtp(t):
    fake, daemon = ready(t, "msmtp")
    sent = [message(body=b".dot\r\ntext\r\n"),
            message(body=base64_lines(3, BIG))]
    for data in sent:
        run(t, ["msmtp", "--file=/dev/null", "--host=127.0.0.1", "--port=%d" %
                daemon.port, "--tls=off", "--auth=off", "--from=" + SENDER] +
            PEOPLE, input=data.replace(b"\r\n", b"\n"))
    got = arrived(t, fake, 2)
    t.equal([without_received(x.data) for x in got], sent, "messages")


@scenario
def s_nail(t):
    fake, daemon = ready(t, "s-nail")
    body = "Grüße\n.\n.dot\nFrom here\n"
    attachment = write(t, "data.bin", bytes(range(256)) * 4000)
    run(t, ["s-nail", "-:/", "-Sv15-compat", "-Smta=smtp://127.0.0.1:%d"
            % daemon.port, "-Ssmtp-auth=none", "-Sfrom=" + SENDER,
            "-Shostname=client.example", "-Sttycharset=utf-8",
            "-SDEAD=/dev/null", "-s", "Prüfung", "-a", attachment,
             "-."] + PEOPLE, input=body.encode(), env=dict(os.environ, HOME=t.folder,
                                              LC_ALL="C.UTF-8"))
    got = email.message_from_bytes(arrived(t, fake)[0].data,
                                   policy=email.policy.default)
    t.equal(got["Subject"], "Prüfung", "Subject")
    t.equal(text_of(got), body, "text")
    with open(attachment, "rb") as file:
        t.true(next(got.iter_attachments()).get_content() == file.read(),
               "the attachment differs")


@scenario
def python_smtplib(t):
    fake, daemon = ready(t)
    sent = EmailMessage()
    sent["From"], sent["To"] = SENDER, ", ".join(PEOPLE)
    sent["Subject"] = "Prüfung"
    sent.set_content("Grüße\n.\n")
    sent.add_attachment(bytes(range(256)) * 20000, maintype="application",
                        subtype="octet-stream", filename="data.bin")
    with daemon.smtplib() as client:
        t.equal(client.send_message(sent), {}, "refused recipients")
        code, _ = client.noop()
        t.equal(code, 250, "NOOP")
        for data in (message(), message(body=base64_lines(4, BIG))):
            client.sendmail(SENDER, PEOPLE, data)
    got = email.message_from_bytes(arrived(t, fake, 3)[0].data,
                                   policy=email.policy.default)
    t.equal(got["Subject"], "Prüfung", "Subject")
    t.equal(text_of(got), "Grüße\n.\n", "text")
    t.true(next(got.iter_attachments()).get_content() ==
           bytes(range(256)) * 20000, "the attachment differs")


@scenario
def python_smtplib_sees_refusals(t):
    _, daemon = ready(t)
    with daemon.smtplib() as client:
        refused = client.sendmail(SENDER, [PEOPLE[0], "bad@@x"], message())
        t.equal(list(refused), ["bad@@x"], "refused recipients")
        try:
            client.sendmail(SENDER, PEOPLE, b"x" * 40000000)
        except (smtplib.SMTPResponseException,
                smtplib.SMTPRecipientsRefused) as error:
            t.equal(error.smtp_code, 552, "too large a message")
        else:
            raise AssertionError("40 MB were taken")


@scenario
def perl_net_smtp(t):
    fake, daemon = ready(t, "perl")
    probe = subprocess.run(["perl", "-MNet::SMTP", "-e", "1"],
                           capture_output=True)
    if probe.returncode != 0:
        t.skip("Perl's Net::SMTP is not installed")
    sent = [message(body=b".dot\r\ntext\r\n"),
            message(body=base64_lines(5, BIG))]
    script = """
use strict; use Net::SMTP;
my ($port, $from, $file, @to) = @ARGV;
open(my $in, '<', $file) or die; binmode $in; local $/; my $data = <$in>;
my $smtp = Net::SMTP->new('127.0.0.1', Port => $port, Timeout => 60) or die;
$smtp->mail($from) or die $smtp->message;
$smtp->to(@to) or die $smtp->message;
$smtp->data() or die $smtp->message;
$smtp->datasend($data) or die $smtp->message;
$smtp->dataend() or die $smtp->message;
$smtp->quit;
"""
    for data in sent:
        run(t, ["perl", "-e", script, daemon.port, SENDER, write(
            t, "m.eml", data.replace(b"\r\n", b"\n"))] + PEOPLE)
    got = arrived(t, fake, 2)
    t.equal([without_received(x.data) for x in got], sent, "messages")


if __name__ == "__main__":
    main()

"""dsn.py - mail with what DSN asks, and the reports about it, taken apart."""
import collections
import email
import email.policy

from .smtpclient import message, stuff

# a defect anywhere is an exception
STRICT = email.policy.default.clone(raise_on_defect=True)
REFUSAL = "550 5.1.1 The email account that you tried to reach does not exist"
LATER = "450 4.0.0 later"


def hand_in(daemon, recipients, sender="owner@example.org", params="",
            data=None):
    """recipients: what follows RCPT TO:. Returns the message's id."""
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<%s>%s" % (sender, params), 250)
        for recipient in recipients:
            client.expect("RCPT TO:" + recipient, 250)
        client.expect("DATA", 354)
        client.send(stuff(data or message()) + b".\r\n")
        reply = client.reply()
        client.cmd("QUIT")
    return daemon.id_of(reply)


class Report:
    """One as it arrived, taken apart by a parser that overlooks nothing."""

    def __init__(self, got):
        self.to = got.recipients
        self.raw = got.data
        self.mail = email.message_from_bytes(got.data, policy=STRICT)
        for part in self.mail.walk():
            assert not part.defects, part.defects
        parts = list(self.mail.iter_parts())
        self.words = parts[0].get_content()
        self.fields, *self.rows = parts[1].get_payload()
        self.returned = parts[2] if len(parts) > 2 else None

    def actions(self):
        """{recipient: Action}"""
        return {row["Final-Recipient"].split("; ")[1]: row["Action"]
                for row in self.rows}


def reports(fake):
    return [Report(x) for x in list(fake.messages)
            if x.header("Auto-Submitted")]


def told(fake):
    """{sender: [Action, ...]} of all reports."""
    found = collections.defaultdict(list)
    for report in reports(fake):
        for action in report.actions().values():
            found[report.to[0]].append(action)
    return found


def wait_report(fake, deadline=30):
    fake.wait(lambda: reports(fake), deadline, "a report")
    return reports(fake)[0]


def sort(found):
    return {key: sorted(value) for key, value in found.items() if value}

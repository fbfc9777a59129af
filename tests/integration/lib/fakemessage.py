"""fakemessage.py - a transaction as the fake Gmail saw it, and what a strict
server could hold against it."""
import re
import time


class Message:
    """One transaction that came to its end.

    sender, params        of MAIL: text inside <>, {"SIZE": "12", ...}
    recipients            accepted ones, text inside <>
    rcpt_params           {recipient: {"NOTIFY": "NEVER", ...}}
    refused               [(recipient, reply)]
    data                  exact bytes, unstuffed; None if none were sent
    via                   "DATA" or "BDAT"
    reply, taken          the last answer, and whether it was a 2xx
    tls, sni, user, ehlo  of the connection
    session, started, ended
    """

    def __init__(self, session, sender, params):
        self.sender = sender
        self.params = params
        self.recipients = []
        self.rcpt_params = {}
        self.refused = []
        self.data = None
        self._fields = None
        self.via = None
        self.reply = None
        self.taken = False
        self.tls = session.tls
        self.sni = session.sni
        self.user = session.user
        self.ehlo = session.ehlo
        self.session = session.number
        self.started = time.monotonic()
        self.ended = None

    def header(self, name):
        """Values of a header field, unfolded. They are looked for once: some
        scenarios ask thousands of messages again and again."""
        if self._fields is None:
            head = self.data.split(b"\r\n\r\n", 1)[0] + b"\r\n"
            head = re.sub(rb"\r\n(?=[ \t])", b"", head)
            self._fields = {}
            for key, value in re.findall(rb"(?m)^([^:\r\n]+):[ \t]*(.*?)\r$",
                                         head):
                self._fields.setdefault(
                    key.decode("utf-8", "replace").lower(), []).append(
                        value.decode("utf-8", "replace"))
        return self._fields.get(name.lower(), [])

    @property
    def body(self):
        return self.data.split(b"\r\n\r\n", 1)[1]


def complaints(message, how):
    """What is wrong with the message itself, as a list of texts."""
    data = message.data
    head = data.split(b"\r\n\r\n", 1)[0]
    eight_bit = message.params.get("BODY", "").upper() == "8BITMIME"
    size = message.params.get("SIZE")
    checks = (
        (re.search(rb"(?<!\r)\n", data), "a bare LF in the message"),
        (re.search(rb"\r(?!\n)", head), "a bare CR in the header"),
        (not data.endswith(b"\r\n"), "a message that does not end in CRLF"),
        (b"\0" in data, "a NUL in the message"),
        (any(len(line) > 998 for line in head.split(b"\r\n")),
         "a header line of over 998 octets"),
        (not head.isascii() and "SMTPUTF8" not in message.params,
         "8-bit bytes in the header without SMTPUTF8"),
        (not data.isascii() and not eight_bit and
         "8BITMIME" not in how.strip, "8-bit bytes without BODY=8BITMIME"),
        (message.header("Bcc"), "a Bcc field"),
        (size is not None and int(size) < len(data),
         "SIZE=%s, but %d octets came" % (size, len(data))),
    )
    found = [text for wrong, text in checks if wrong]
    for name in ("Date", "From", "Message-ID"):
        count = len(message.header(name))
        if count != 1:
            found.append("%d %s fields" % (count, name))
    return found

"""wire.py - what went over a connection to a server, byte for byte, read by a
parser that shares nothing with the daemon nor with the fake server, and that
knows no mercy."""
import re

LINE_MAX = 512
# a quoted local part may hold anything but a control character (RFC 5321 4.1.2)
PATH = rb"(?:\"(?:\\.|[^\"\\])*\"@[^<>\" ]+|[^<>\" ]+)"


class Wire:
    """The client's side of one SMTP connection, from EHLO on.

    messages  [(sender, [recipients], data, "DATA" or "BDAT")]
    wrong     what no server should have to bear, as texts
    """

    def __init__(self, sent):
        self.rest = bytes(sent)
        self.messages = []
        self.wrong = []
        self.sender = None
        self.recipients = []
        self.chunks = []
        while self.rest:
            self.step()

    def complain(self, what):
        self.wrong.append(what)

    def step(self):
        line, found, rest = self.rest.partition(b"\r\n")
        if not found:
            self.complain("the last line has no end: %r" % line[:80])
        self.rest = rest
        if len(line) > LINE_MAX:
            self.complain("a command of %d octets" % len(line))
        if re.search(rb"[\0-\x1f\x7f]", line):
            self.complain("control characters in %r" % line[:80])
        self.command(line)

    def command(self, line):
        if match := re.fullmatch(rb"MAIL FROM:<(" + PATH + rb"?)>( [!-~]+)*",
                                 line):
            if self.sender is not None:
                self.complain("MAIL within a transaction")
            self.sender, self.recipients, self.chunks = match[1], [], []
        elif match := re.fullmatch(rb"RCPT TO:<(" + PATH + rb")>", line):
            self.recipients.append(match[1])
        elif match := re.fullmatch(rb"BDAT ([0-9]+)( LAST)?", line):
            self.take(int(match[1]), bool(match[2]))
        elif line == b"DATA":
            self.finish(self.dotted(), "DATA")
        elif line == b"RSET":
            self.sender = None
        elif not re.fullmatch(rb"EHLO [!-~]+|NOOP|QUIT|AUTH PLAIN [!-~]+|"
                              rb"AUTH LOGIN|[A-Za-z0-9+/]+=*", line):
            self.complain("what is %r" % line[:80])

    def take(self, count, last):
        if len(self.rest) < count:
            self.complain("%d octets of %d" % (len(self.rest), count))
        self.chunks.append(self.rest[:count])
        self.rest = self.rest[count:]
        if last:
            self.finish(b"".join(self.chunks), "BDAT")

    def dotted(self):
        """The lines before the lone dot, with what the stuffing added gone."""
        lines = []
        while True:
            line, found, self.rest = self.rest.partition(b"\r\n")
            if not found:
                self.complain("a message without an end")
            if not found or line == b".":
                return b"".join(x + b"\r\n" for x in lines)
            if line.startswith(b".") and not line.startswith(b".."):
                self.complain("a dot that is not doubled: %r" % line[:80])
            lines.append(line[1:] if line.startswith(b".") else line)

    def finish(self, data, via):
        if self.sender is None or not self.recipients:
            self.complain("a message for nobody")
        if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", data):
            self.complain("a bare CR or LF, or a NUL: %r" % re.findall(
                rb".{0,20}(?:\r(?!\n)|(?<!\r)\n|\0).{0,20}", data, re.S)[:3])
        self.messages.append((self.sender, self.recipients, data, via))
        self.sender = None

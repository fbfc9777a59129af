"""smtpclient.py - a raw SMTP client for tests: says exactly what it is told."""
import socket
import time

from .patience import PATIENCE


class Refused(Exception):
    """The connection was closed."""


class Reply:
    def __init__(self, code, lines):
        self.code = code
        self.lines = lines
        self.text = "\n".join(lines)

    @property
    def enhanced(self):
        """"5.7.1" of the last line, or "" where there is none."""
        word = self.lines[-1].split(" ")[0]
        return word if word.count(".") == 2 and word[0] in "245" else ""

    def __repr__(self):
        return "%d %s" % (self.code, " / ".join(self.lines))


class Client:
    """One connection. greeting is the Reply it began with."""

    def __init__(self, address, timeout=20, source=None, greet=True):
        self.timeout = timeout = timeout * PATIENCE
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(
                address, timeout, (source, 0) if source else None)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.greeting = self.reply() if greet else None

    def starttls(self, context):
        """STARTTLS and the handshake."""
        self.expect("STARTTLS", 220)
        self.sock = context.wrap_socket(self.sock,
                                        server_hostname="localhost")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        while b"\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise Refused("closed after %r" % self.buffer)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "replace")

    def reply(self):
        lines = []
        while True:
            line = self.line()
            if not line[:3].isdigit() or line[3:4] not in ("", " ", "-"):
                raise AssertionError("no SMTP reply: %r" % line)
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), lines)

    def cmd(self, text):
        """Sends a line, returns its Reply."""
        self.send((text if isinstance(text, bytes) else text.encode()) +
                  b"\r\n")
        return self.reply()

    def expect(self, text, code):
        """As cmd(); the reply must have this code."""
        reply = self.cmd(text)
        if reply.code != code:
            raise AssertionError("%r was answered %r, not %s" % (
                text[:80], reply, code))
        return reply

    def is_closed(self, deadline=20):
        """True if the server closes within the deadline; what it still says
        stays in buffer."""
        end = time.monotonic() + deadline * PATIENCE
        try:
            while time.monotonic() < end:
                self.sock.settimeout(max(0.05, end - time.monotonic()))
                data = self.sock.recv(65536)
                if not data:
                    return True
                self.buffer += data
        except ConnectionResetError:
            return True
        except socket.timeout:
            pass
        finally:
            self.sock.settimeout(self.timeout)
        return False

    def ehlo(self, name="client.example"):
        """Returns {"SIZE": "123", "8BITMIME": ""}."""
        reply = self.expect("EHLO " + name, 250)
        words = [line.partition(" ") for line in reply.lines[1:]]
        return {word[0].upper(): word[2] for word in words}

    def mail(self, sender, recipients, data, params=""):
        """A whole transaction by DATA; data is stuffed here. Returns the
        Reply to the final dot."""
        self.expect("MAIL FROM:<%s>%s" % (sender, params), 250)
        for recipient in recipients:
            self.expect("RCPT TO:<%s>" % recipient, 250)
        self.expect("DATA", 354)
        self.send(stuff(data) + b".\r\n")
        return self.reply()


def stuff(data):
    """Dot-stuffs CRLF lines, and ends the last one."""
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    data = data.replace(b"\r\n.", b"\r\n..")
    return b"." + data if data.startswith(b".") else data


def message(subject="test", sender="device@example.org",
            to="person@example.net", body=b"Hello.\r\n", extra=b""):
    """A complete message of clean CRLF lines, with a Message-ID of its own."""
    message.count += 1
    head = ("Date: Mon, 05 Jan 2026 12:00:00 +0100\r\n"
            "From: %s\r\nTo: %s\r\nSubject: %s\r\n"
            "Message-ID: <%d.%d@test.example>\r\n" % (
                sender, to, subject, time.time_ns(), message.count))
    return head.encode() + extra + b"\r\n" + body


message.count = 0

"""fakesession.py - one connection to the fake Gmail: commands and replies."""
import base64
import binascii
import re
import socket
import ssl
import struct
import time

from .fakefaults import put, send_raw
from .fakemessage import Message, complaints

LINGER_S = 2        # for what a client still sends at our end
LINE_MAX = 12288    # RFC 4954 4: a line of AUTH
COMMAND_MAX = 2048  # generous: MAIL and RCPT with parameters


class Ended(Exception):
    """The connection is over, by either side's doing."""


class Session:
    def __init__(self, server, sock, peer, number, implicit):
        self.server = server
        self.how = server.behaviour
        self.sock = sock
        self.peer = peer
        self.number = number
        self.implicit = implicit
        self.buffer = bytearray()
        self.tls = None
        self.sni = None
        self.user = None
        self.ehlo = None
        self.ended = False
        self.quit = False
        self.commands = []      # (command line without secrets, in TLS?)
        self.clear_bytes = bytearray()
        self.wire = bytearray()  # what came in TLS, see Behaviour.keep_wire
        self.message = None     # the transaction under way
        self.chunks = None      # of BDAT
        self.last_reply = ""
        self.mid_done = False
        self.id = "%x-fake%d.%d" % (int(time.time()), number, peer[1] % 1000)

    # -- bytes --------------------------------------------------------------

    def run(self):
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.moment("CONNECT")
            if self.implicit:
                self.start_tls()
            self.server.tell(self, "connect", "port=%s" % (
                "implicit" if self.implicit else "starttls"))
            self.step("BANNER", "", ["220 smtp.gmail.com ESMTP %s - gsmtp" %
                                     self.id])
            while True:
                self.command(self.read_line())
        except (Ended, OSError):
            pass
        except ValueError as error:
            self.complain("a command that makes no sense: %s" % error)
        finally:
            self.ended = True
            self.close()
            self.server.tell(self, "close", "quit=%s" % self.quit)

    # socket.socket's own methods: a TLS socket's would forget its state while
    # another thread still reads from it.

    def abort(self):
        """Ends the connection from another thread."""
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        """Says goodbye and takes in what is still on its way: closing at once
        would make the kernel reset the connection, and the client could lose
        our last reply."""
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            socket.socket.settimeout(self.sock, LINGER_S)
            while socket.socket.recv(self.sock, 65536):
                pass
        except OSError:
            pass
        self.sock.close()

    def reset(self):
        """RST instead of FIN: what was sent may be lost as well."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()
        raise Ended

    def fill(self):
        data = self.sock.recv(262144)
        if not data:
            raise Ended
        if not self.tls:
            self.clear_bytes += data
        elif self.how.keep_wire:
            self.wire += data
        self.buffer += data

    def read_line(self):
        start = 0
        while True:
            end = self.buffer.find(b"\n", start)
            if end >= 0:
                break
            start = len(self.buffer)
            if start > LINE_MAX:
                self.complain("a command line of over %d bytes" % LINE_MAX)
                raise Ended
            self.fill()
        line = bytes(self.buffer[:end + 1])
        del self.buffer[:end + 1]
        if not line.endswith(b"\r\n"):
            self.complain("a command line that ends in bare LF")
        return line.rstrip(b"\r\n")

    def read_exactly(self, count):
        while len(self.buffer) < count:
            self.mid_data()
            self.fill()
        self.mid_data()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_dotted(self):
        """Up to CRLF.CRLF, unstuffed. Nothing else ends it."""
        start = 0
        while True:
            if self.buffer.startswith(b".\r\n"):
                data, rest = b"", 3
                break
            end = self.buffer.find(b"\r\n.\r\n", start)
            if end >= 0:
                data, rest = bytes(self.buffer[:end + 2]), end + 5
                break
            start = max(0, len(self.buffer) - 4)
            self.fill()
            self.mid_data()
        del self.buffer[:rest]
        for line in re.findall(rb"(?:^|\r\n)\.[^.]", data):
            self.complain("a line that begins with a single dot: %r" % line)
        data = data.replace(b"\r\n..", b"\r\n.")
        return data[1:] if data.startswith(b"..") else data

    def send(self, data, trickle=0):
        trickle = trickle or self.how.trickle
        if not trickle:
            self.sock.sendall(data)
            return
        for byte in data:
            self.sock.sendall(bytes([byte]))
            self.server.ending.wait(trickle)

    # -- replies and rules --------------------------------------------------

    def complain(self, what):
        self.server.note(self.server.violations,
                         "session %d: %s" % (self.number, what))

    def step(self, phase, text, normal):
        """Says the normal reply, or what a rule has instead. Returns whether
        what was said is a success."""
        rule = self.server.pick_rule(phase, text)
        reply = normal
        if rule:
            self.server.ending.wait(rule.delay)
            if rule.raw is not None:
                return self.say_raw(rule)
            if rule.action == "stall" or (rule.reply is None and
                                          not rule.behind):
                self.act(rule)
            reply = rule.reply or normal
        self.say_lines(reply, rule.trickle if rule else 0)
        if rule:
            self.say_behind(rule)
            self.act(rule)
        if reply[-1].startswith("421"):
            raise Ended
        return reply[-1][0] in "23"

    def moment(self, phase):
        """Where nothing is said by itself."""
        rule = self.server.pick_rule(phase, "")
        if rule is None:
            return None
        self.server.ending.wait(rule.delay)
        if rule.raw is not None:
            self.say_raw(rule)
            raise Ended
        self.act(rule)
        return rule

    def say_raw(self, rule):
        self.last_reply = repr(rule.raw[:80])
        send_raw(self, rule)
        self.act(rule)
        return rule.raw[:1] in (b"2", b"3")

    def say_lines(self, reply, trickle=0):
        self.last_reply = "\r\n".join(
            line[:3] + (" " if i == len(reply) - 1 else "-") + line[4:]
            for i, line in enumerate(reply))
        self.send(self.last_reply.encode() + b"\r\n", trickle)

    def say(self, text):
        self.say_lines(["%s %s - gsmtp" % (text, self.id)])

    def say_behind(self, rule):
        if not rule.behind:
            return
        if isinstance(rule.behind, bytes):
            put(self, rule.behind, rule.under)
            return
        said = self.last_reply
        self.say_lines(rule.behind)
        self.last_reply = said
        if rule.behind[-1].startswith("421"):
            raise Ended

    def act(self, rule):
        if rule.action == "drop":
            raise Ended
        if rule.action == "reset":
            self.reset()
        if rule.action == "stall":
            rule.released.wait()
            if self.server.ending.is_set():
                raise Ended

    def mid_data(self):
        """In the middle of a message: is there a rule whose time has come?"""
        if self.mid_done or not self.server.mid_rule_due(len(self.buffer)):
            return
        self.mid_done = True
        rule = self.server.pick_rule("MIDDATA", bytes(self.buffer))
        if rule is None:
            return
        if rule.raw is not None:
            self.say_raw(rule)
        if rule.reply:
            self.say_lines(rule.reply, rule.trickle)
        self.act(rule)
        if rule.reply or rule.raw is not None:
            raise Ended

    # -- commands -----------------------------------------------------------

    def command(self, line):
        if len(line) > COMMAND_MAX and not line.upper().startswith(b"AUTH"):
            self.complain("a command line of %d bytes" % len(line))
        if any(byte > 127 for byte in line) and not (
                self.message and "SMTPUTF8" in self.message.params) and \
                b"SMTPUTF8" not in line.upper():
            self.complain("8-bit bytes in a command without SMTPUTF8")
        text = line.decode("utf-8", "replace")
        verb, _, rest = text.partition(" ")
        verb = verb.upper()
        self.commands.append(("AUTH ***" if verb == "AUTH" else text,
                              self.tls is not None))
        if self.buffer and "PIPELINING" in self.how.strip and verb != "BDAT":
            self.complain("%s was pipelined, which was not offered" % verb)
        handler = getattr(self, "on_" + verb.lower(), None)
        if handler is None or not verb.isalpha():
            self.complain("an unknown command: %r" % text[:80])
            self.say("502 5.5.1 Unrecognized command.")
            return
        handler(rest)

    def extensions(self):
        offered = ["SIZE %d" % self.how.size, "8BITMIME",
                   "ENHANCEDSTATUSCODES", "PIPELINING", "CHUNKING",
                   "SMTPUTF8"]
        if self.tls:
            offered.insert(2, "AUTH " + self.how.mechanisms)
        else:
            offered.insert(2, "STARTTLS")
        if self.how.dsn:
            offered.append("DSN")
        return [x for x in offered if x.split()[0] not in self.how.strip]

    def on_ehlo(self, rest):
        self.ehlo = rest
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|"
                            r"\[[0-9A-Fa-f.:IPv]+\]", rest):
            self.complain("a bad EHLO name: %r" % rest)
        if rest.lower().startswith("localhost"):
            self.complain("an EHLO name that says nothing: %r" % rest)
        self.drop_transaction()
        greeting = "250 smtp.gmail.com at your service, [%s]" % self.peer[0]
        self.step("EHLO", rest, [greeting] +
                  ["250 " + x for x in self.extensions()])
        if self.how.after_ehlo and not self.tls:
            self.send(self.how.after_ehlo)

    def on_helo(self, rest):
        self.ehlo = rest
        self.drop_transaction()
        self.step("EHLO", rest, ["250 smtp.gmail.com at your service"])

    def on_starttls(self, rest):
        if self.tls or "STARTTLS" in self.how.strip:
            self.complain("STARTTLS where it is not offered")
            return self.say("454 5.5.1 STARTTLS may not be repeated")
        if self.buffer:
            self.complain("commands pipelined behind STARTTLS")
            return self.say("454 4.5.0 SMTP protocol violation, no commands "
                            "allowed to pipeline after STARTTLS, see RFC 3207")
        if self.how.after_220:
            self.send(b"220 2.0.0 Ready to start TLS\r\n" +
                      self.how.after_220)
        elif not self.step("STARTTLS", rest,
                           ["220 2.0.0 Ready to start TLS"]):
            return None
        self.start_tls()
        return None

    def start_tls(self):
        def on_sni(_sock, name, _context):
            self.sni = name

        rule = self.moment("TLS")
        context = self.server.tls_context(on_sni, rule and rule.certificate)
        try:
            self.sock = context.wrap_socket(self.sock, server_side=True,
                                            do_handshake_on_connect=False)
            self.sock.do_handshake()
        except (ssl.SSLError, OSError) as error:
            self.server.tell(self, "tls-failed", str(error))
            raise Ended from error
        self.tls = self.sock.version()
        self.ehlo = None
        self.server.tell(self, "tls", "version=%s sni=%s" % (
            self.tls, self.sni))

    # -- AUTH ---------------------------------------------------------------

    def on_auth(self, rest):
        mechanism, _, initial = rest.partition(" ")
        if not self.tls:
            return self.say("530 5.7.0 Must issue a STARTTLS command first.")
        if self.user:
            self.complain("a second AUTH")
            return self.say("503 5.7.0 No identity changes permitted.")
        if not self.ehlo:
            self.complain("AUTH before EHLO")
        if mechanism.upper() not in self.how.mechanisms.split():
            self.complain("AUTH %s was not offered" % mechanism)
        try:
            login = self.auth_dialogue(mechanism.upper(), initial)
        except (binascii.Error, UnicodeDecodeError):
            return self.say("501 5.5.2 Cannot Decode response")
        if login is None:
            return self.say("504 5.7.4 Unrecognized Authentication Type")
        right = login == (self.how.user, self.how.password)
        bad = ["535 5.7.8 Username and Password not accepted. For more "
               "information, go to",
               "535 5.7.8  https://support.google.com/mail/?p=BadCredentials "
               "%s - gsmtp" % self.id]
        self.server.note(self.server.logins, (login[0], right, self.tls))
        accepted = self.step("AUTH", mechanism,
                             ["235 2.7.0 Accepted"] if right else bad)
        if accepted:
            self.user = login[0]
        self.server.tell(self, "login", "user=%s accepted=%s" % (
            login[0], "yes" if accepted else "no"))
        return None

    def auth_dialogue(self, mechanism, initial):
        def ask(challenge):
            self.send(b"334 " + challenge + b"\r\n")
            return self.read_line().decode()

        if mechanism == "PLAIN":
            answer = initial or ask(b"")
            parts = base64.b64decode(answer, validate=True).split(b"\0")
            if len(parts) != 3:
                raise binascii.Error
            return parts[1].decode(), parts[2].decode()
        if mechanism == "LOGIN":
            name = initial or ask(b"VXNlcm5hbWU6")
            word = ask(b"UGFzc3dvcmQ6")
            return (base64.b64decode(name, validate=True).decode(),
                    base64.b64decode(word, validate=True).decode())
        return None

    def leaks(self):
        """What of the login came in clear text."""
        user, word = self.how.user.encode(), self.how.password.encode()
        forms = {
            "the password": word,
            "AUTH PLAIN's answer": base64.b64encode(
                b"\0" + user + b"\0" + word),
            "AUTH LOGIN's password": base64.b64encode(word),
            "AUTH LOGIN's user": base64.b64encode(user),
        }
        found = [what for what, form in forms.items()
                 if form in self.clear_bytes]
        if re.search(rb"(?im)^AUTH ", self.clear_bytes):
            found.append("AUTH")
        return ["session %d: %s in clear text" % (self.number, what)
                for what in found]

    # -- transactions -------------------------------------------------------

    def drop_transaction(self):
        self.message = None
        self.chunks = None

    def path(self, rest, keyword):
        """Splits "FROM:<a@b> X=1" into path and parameters."""
        match = re.fullmatch(r"%s:<([^<>]*|\"(?:\\.|[^\"\\])*\"@[^<>]*)>"
                             r"((?: [^ ]+)*)" % keyword, rest, re.IGNORECASE)
        if not match:
            return None, None
        params = {}
        for word in match[2].split():
            name, _, value = word.partition("=")
            params[name.upper()] = value
        return match[1], params

    def on_mail(self, rest):
        if not self.tls:
            return self.say("530 5.7.0 Must issue a STARTTLS command first.")
        if not self.user:
            self.complain("MAIL without login")
            return self.say_lines([
                "530 5.7.0 Authentication Required. For more information, "
                "go to", "530 5.7.0  https://support.google.com/mail/"
                "?p=WantAuthError %s - gsmtp" % self.id])
        if self.message:
            self.complain("MAIL within a transaction")
            return self.say("503 5.5.1 MAIL first.")
        sender, params = self.path(rest, "FROM")
        if sender is None:
            self.complain("not canonical: MAIL %r" % rest)
            return self.say("555 5.5.2 Syntax error, goodbye.")
        for name in params:
            if {"BODY": "8BITMIME"}.get(name, name) in self.how.strip:
                self.complain("MAIL's %s was not offered" % name)
            elif name not in ("SIZE", "BODY", "SMTPUTF8", "AUTH") and \
                    not (self.how.dsn and name in ("RET", "ENVID")):
                self.complain("MAIL's %s is not offered" % name)
        if int(params.get("SIZE") or 0) > self.how.size:
            return self.say_lines([
                "552 5.3.4 Your message exceeded Google's message size "
                "limits. %s - gsmtp" % self.id])
        message = Message(self, sender, params)
        if self.step("MAIL", rest, ["250 2.1.0 OK %s - gsmtp" % self.id]):
            self.message = message
        return None

    def on_rcpt(self, rest):
        if not self.message:
            return self.say("503 5.5.1 MAIL first.")
        recipient, params = self.path(rest, "TO")
        if not recipient or set(params) - (
                {"NOTIFY", "ORCPT"} if self.how.dsn else set()):
            self.complain("not canonical: RCPT %r" % rest)
            return self.say("555 5.5.2 Syntax error, goodbye.")
        normal = ["250 2.1.5 OK %s - gsmtp" % self.id]
        if recipient.count("@") > 1 and '"' not in recipient:
            normal = ["553 5.1.3 The recipient address <%s> is not a valid "
                      "RFC 5321 address. For more" % recipient,
                      "553 5.1.3 information, go to",
                      "553 5.1.3  https://support.google.com/a/answer/3221692 "
                      "and review RFC 5321",
                      "553 5.1.3 specifications. %s - gsmtp" % self.id]
        elif len(self.message.recipients) >= self.how.recipients:
            normal = ["452 4.5.3 Your message has too many recipients. %s - "
                      "gsmtp" % self.id]
        if self.step("RCPT", rest, normal):
            self.message.recipients.append(recipient)
            self.message.rcpt_params[recipient] = params
        else:
            self.message.refused.append((recipient, self.last_reply))
        return None

    def on_data(self, rest):
        if not self.message or self.chunks is not None:
            return self.say("503 5.5.1 RCPT first.")
        if not self.message.recipients:
            return self.say("503 5.5.1 RCPT first.")
        if self.buffer:
            self.complain("bytes behind DATA before its 354")
        if not self.step("DATA", rest, ["354  Go ahead %s - gsmtp" %
                                        self.id]):
            self.drop_transaction()
            return None
        self.mid_done = False
        self.message.via = "DATA"
        self.finish(self.read_dotted())
        return None

    def on_bdat(self, rest):
        match = re.fullmatch(r"([0-9]+)( LAST)?", rest, re.IGNORECASE)
        if not match:
            self.complain("not canonical: BDAT %r" % rest)
            self.say("501 5.5.4 Syntax error")
            raise Ended
        if "CHUNKING" in self.how.strip:
            self.complain("BDAT was not offered")
        self.mid_done = False
        data = self.read_exactly(int(match[1]))
        if not self.message or not self.message.recipients:
            return self.say("503 5.5.1 RCPT first.")
        if self.chunks is None:
            self.chunks = []
        self.chunks.append(data)
        if match[2]:
            self.message.via = "BDAT"
            self.finish(b"".join(self.chunks))
        elif not self.step("BDAT", rest, ["250 2.0.0 OK %s - gsmtp" %
                                          self.id]):
            self.drop_transaction()
        return None

    def finish(self, data):
        """The last byte is in: judge, keep, answer."""
        message, self.message, self.chunks = self.message, None, None
        message.data = data
        message.ended = time.monotonic()
        for what in complaints(message, self.how):
            self.complain(what)
        normal = ["250 2.0.0 OK  %d %s - gsmtp" % (time.time(), self.id)]
        if len(data) > self.how.size:
            normal = ["552 5.3.4 Your message exceeded Google's message size "
                      "limits. %s - gsmtp" % self.id]
        rule = self.server.pick_rule("FINAL", data)
        if rule is None:
            return self.answer(message, normal)
        self.server.ending.wait(rule.delay)
        if rule.raw is not None or (rule.reply is None and
                                    rule.action in ("drop", "reset") and
                                    not rule.behind):
            message.taken = rule.taken
            self.keep(message)
            if rule.raw is not None:
                self.say_raw(rule)
            self.act(rule)
            return None
        if rule.action == "stall":
            self.act(rule)
        self.answer(message, rule.reply or normal, rule)
        self.say_behind(rule)
        self.act(rule)
        return None

    def answer(self, message, reply, rule=None):
        """Kept first: a test that saw the reply finds the message."""
        message.taken = reply[-1][0] == "2" or bool(rule and rule.taken)
        message.reply = " ".join(reply)
        self.keep(message)
        self.say_lines(reply, rule.trickle if rule else 0)
        if reply[-1].startswith("421"):
            raise Ended

    def keep(self, message):
        self.server.note(self.server.transactions, message)
        if not message.taken:
            return
        self.server.note(self.server.messages, message)
        self.server.tell(self, "message", "from=<%s> to=<%s> size=%d via=%s" % (
            message.sender, ">,<".join(message.recipients),
            len(message.data), message.via))

    # -- the rest -----------------------------------------------------------

    def on_rset(self, rest):
        self.drop_transaction()
        self.step("RSET", rest, ["250 2.1.5 Flushed %s - gsmtp" % self.id])

    def on_noop(self, rest):
        self.step("NOOP", rest, ["250 2.0.0 OK %s - gsmtp" % self.id])

    def on_quit(self, rest):
        self.quit = True
        self.step("QUIT", rest, ["221 2.0.0 closing connection %s - gsmtp" %
                                 self.id])
        raise Ended

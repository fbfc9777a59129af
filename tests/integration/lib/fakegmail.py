"""fakegmail.py - a submission server that behaves like smtp.gmail.com as seen
from outside, written apart from the daemon it tests. STARTTLS on one port, TLS
from the first byte on another, both on loopback. It says what Gmail says, keeps
what it was sent, byte for byte, notes every breach of the protocol, and
misbehaves on request (see Rule and Behaviour).

As a program, from tests/integration: python3 -m lib.fakegmail --help
"""
import argparse
import os
import re
import signal
import socket
import ssl
import threading

from .fakesession import Session
from .patience import PATIENCE
from .pki import Pki

def resolves(name):
    try:
        return bool(socket.getaddrinfo(name, None))
    except OSError:
        return False


# Its name, so that SNI is seen; a bare chroot has no /etc/hosts.
HOST = "localhost" if resolves("localhost") else "127.0.0.1"
SNI = HOST if HOST == "localhost" else None
USER = "someone@gmail.com"
PASSWORD = "abcdefghijklmnop"


def as_lines(text):
    return [text] if isinstance(text, str) else text


class Rule:
    """One misbehaviour.

    phase   CONNECT BANNER EHLO STARTTLS TLS AUTH MAIL RCPT DATA BDAT MIDDATA
            FINAL RSET NOOP QUIT. CONNECT is before anything is said, TLS
            instead of the handshake. FINAL is the answer to the last byte of a
            message, MIDDATA a moment inside of it, after_bytes in. A phase
            counts once for each command (MIDDATA: once for each message).
    match   regular expression to be found in the command line; for MIDDATA and
            FINAL in the message so far (bytes).
    nth     from this matching time on (1: the first).
    times   so often (None: always).
    reply   what is said instead, a text or a list of texts (lines). 2xx and
            354 are meant: the command is carried out. After 421 the
            connection ends.
    action  instead of, or after, a reply: "drop" (close), "reset" (RST),
            "stall" (no answer until release() or the end).
    raw     bytes that are sent instead of a reply, as they are; those that
            begin like a success are one.
    endless the same again and again, until the client goes.
    trickle seconds between the single bytes of reply or raw.
    under   raw goes to the socket beneath TLS.
    certificate  for this handshake; see pki.Pki.
    behind  a text or a list of texts said right behind the usual reply, which
            nobody asked for.
    taken   FINAL without a proper answer: was the message kept?
    delay   seconds before anything happens.
    """

    def __init__(self, phase, reply=None, action=None, match=None, nth=1,
                 times=None, taken=False, delay=0, after_bytes=0, behind=None,
                 raw=None, endless=False, trickle=0, under=False,
                 certificate=None):
        self.phase = phase
        self.reply = as_lines(reply)
        self.behind = behind if isinstance(behind, bytes) else \
            as_lines(behind)
        self.raw = raw
        self.endless = endless
        self.trickle = trickle
        self.under = under
        self.certificate = certificate
        self.action = action
        self.match = match
        self.nth = nth
        self.times = times
        self.taken = taken
        self.delay = delay
        self.after_bytes = after_bytes
        self.seen = 0
        self.used = 0
        self.released = threading.Event()

    def applies(self, phase, text):
        """Counts this moment and says whether the rule has its turn."""
        if phase != self.phase:
            return False
        if self.match is not None:
            pattern = self.match
            if isinstance(text, bytes) and isinstance(pattern, str):
                pattern = pattern.encode()
            if not re.search(pattern, text, re.IGNORECASE):
                return False
        self.seen += 1
        if self.seen < self.nth:
            return False
        if self.times is not None and self.used >= self.times:
            return False
        self.used += 1
        return True

    def release(self):
        self.released.set()


class Behaviour:
    """What the server offers; change it any time, the next connection sees it.

    strip         extensions not offered: {"PIPELINING", "STARTTLS", ...}
    mechanisms    behind AUTH
    after_220     bytes sent in clear right behind STARTTLS's 220
    after_ehlo    bytes sent in clear right behind the first EHLO's answer
    certificate   see pki.Pki
    max_tls       "TLSv1.1" and the like
    trickle       seconds between the single bytes of every reply
    size          SIZE offered
    recipients    accepted a transaction
    keep_wire     every byte that came in TLS is kept, in Session.wire
    dsn           DSN is offered, as other servers than Gmail do
    """

    def __init__(self):
        self.strip = set()
        self.mechanisms = ("LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN "
                           "OAUTHBEARER XOAUTH")
        self.after_220 = b""
        self.after_ehlo = b""
        self.certificate = "valid"
        self.max_tls = None
        self.trickle = 0
        self.size = 35882577
        self.recipients = 100
        self.keep_wire = False
        self.dsn = False
        self.user = USER
        self.password = PASSWORD


class FakeGmail:
    """The server. Attributes for tests, all in order of arrival:

    messages      taken messages (fakesession.Message)
    transactions  all that reached their end, taken or not
    sessions      connections, ended ones too (fakesession.Session)
    logins        (user, right?, TLS version)
    violations    what a strict server could complain of
    leaks         credentials seen in clear text
    """

    def __init__(self, folder, pki=None, user=USER, password=PASSWORD,
                 ports=(0, 0), address="127.0.0.1"):
        self.pki = pki or Pki(os.path.join(folder, "pki"))
        self.ca_file = self.pki.ca_file
        self.behaviour = Behaviour()
        self.behaviour.user = user
        self.behaviour.password = password
        self.rules = []
        self.messages = []
        self.transactions = []
        self.sessions = []
        self.logins = []
        self.violations = []
        self.on_event = None  # (session number, kind, text); for ./demo
        self.changed = threading.Condition()
        self.ending = threading.Event()
        self._listeners = []
        self.port = self._listen(address, ports[0], implicit=False)
        self.implicit_port = self._listen(address, ports[1], implicit=True)

    # -- for tests ----------------------------------------------------------

    @property
    def leaks(self):
        return [leak for session in list(self.sessions)
                for leak in session.leaks()]

    def rule(self, phase, reply=None, **how):
        """Adds a Rule and returns it; an earlier one goes first."""
        rule = Rule(phase, reply, **how)
        with self.changed:
            self.rules.append(rule)
        return rule

    def clear_rules(self):
        with self.changed:
            for rule in self.rules:
                rule.release()
            self.rules = []

    def wait(self, condition, deadline=20, what="the upstream to see it"):
        """Waits until condition() holds; raises AssertionError if not."""
        deadline *= PATIENCE
        with self.changed:
            if not self.changed.wait_for(condition, deadline):
                raise AssertionError("%s: not within %d s (%d messages, "
                                     "%d transactions, %d logins)" % (
                                         what, deadline, len(self.messages),
                                         len(self.transactions),
                                         len(self.logins)))

    def wait_messages(self, count, deadline=20):
        self.wait(lambda: len(self.messages) >= count, deadline,
                  "%d messages upstream" % count)
        return list(self.messages)

    def stop(self):
        """Ends all connections and listeners, and all threads."""
        self.ending.set()
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
        self.clear_rules()
        for session in list(self.sessions):
            session.abort()
        for thread in [x for x in threading.enumerate()
                       if getattr(x, "fake", None) is self]:
            thread.join(10)
        for listener in self._listeners:
            listener.close()

    # -- for sessions -------------------------------------------------------

    def pick_rule(self, phase, text):
        with self.changed:
            for rule in self.rules:
                if rule.applies(phase, text):
                    self.changed.notify_all()  # rule.used
                    return rule
        return None

    def mid_rule_due(self, count):
        """Is there a MIDDATA rule for a message of which count bytes came?"""
        with self.changed:
            return any(rule.phase == "MIDDATA" and count >= rule.after_bytes
                       for rule in self.rules)

    def note(self, where, fact):
        """Appends to one of the lists and wakes those who wait."""
        with self.changed:
            where.append(fact)
            self.changed.notify_all()

    def tell(self, session, kind, text):
        with self.changed:
            self.changed.notify_all()
        if self.on_event:
            self.on_event(session.number, kind, text)

    def tls_context(self, on_sni, certificate=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pki.pair(
            certificate or self.behaviour.certificate))
        context.sni_callback = on_sni
        if self.behaviour.max_tls:
            # OpenSSL 3 speaks what is old at security level 0 only
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = getattr(
                ssl.TLSVersion, self.behaviour.max_tls.replace(".", "_"))
        return context

    # -- threads ------------------------------------------------------------

    def _listen(self, address, port, implicit):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
        self._listeners.append(listener)
        self._start(self._accept, listener, implicit)
        return listener.getsockname()[1]

    def _start(self, function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        thread.fake = self
        thread.start()

    def _accept(self, listener, implicit):
        while not self.ending.is_set():
            try:
                sock, peer = listener.accept()
            except OSError:
                return
            with self.changed:
                session = Session(self, sock, peer, len(self.sessions) + 1,
                                  implicit)
                self.sessions.append(session)
                self.changed.notify_all()
            self._start(session.run)


def run_as_program():
    parser = argparse.ArgumentParser(
        description="a sandbox that answers like smtp.gmail.com")
    parser.add_argument("--dir", required=True,
                        help="certificates and messages go here")
    parser.add_argument("--user", default=USER)
    parser.add_argument("--password-file", required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with open(options.password_file) as file:
        password = "".join(file.read().split())

    def on_event(number, kind, text):
        if kind == "message":
            message = server.messages[-1]
            name = os.path.join(options.dir, "message-%d.eml" %
                                len(server.messages))
            with open(name, "wb") as out:
                out.write(message.data)
            text = "%s file=%s" % (text, name)
        print("upstream session=%d %s %s" % (number, kind, text), flush=True)

    server = FakeGmail(options.dir, user=options.user, password=password,
                       ports=(options.port, 0))
    server.on_event = on_event
    print("ready port=%d implicit-port=%d ca=%s" % (
        server.port, server.implicit_port, server.ca_file), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    server.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {
        signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    run_as_program()

"""plainsink.py - where a real server takes what it was given: an SMTP server
without TLS or login that keeps every message, byte for byte."""
import re
import socket
import threading


class Taken:
    """One transaction. data: as it came, unstuffed."""

    def __init__(self, sender, parameters):
        self.sender = sender
        self.parameters = parameters  # of MAIL
        self.recipients = []
        self.data = b""


class PlainSink:
    EXTENSIONS = ("8BITMIME", "SMTPUTF8", "SIZE 0")

    def __init__(self):
        self.messages = []
        self.changed = threading.Condition()
        self.connections = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._start(self._accept)

    def wait_messages(self, count, deadline=60):
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.messages) >= count,
                                         deadline):
                raise AssertionError("behind the real server are %d messages "
                                     "of %d" % (len(self.messages), count))
            return list(self.messages)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in list(self.connections):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _start(self, function, *args):
        threading.Thread(target=function, args=args, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self._start(self._serve, sock)

    def _serve(self, sock):
        self.connections.add(sock)
        try:
            with sock, sock.makefile("rwb") as stream:
                self._session(stream)
        except OSError:
            pass
        finally:
            self.connections.discard(sock)

    def _session(self, stream):
        taken = None
        self._say(stream, "220 sink")
        for line in stream:
            text = line.decode("utf-8").strip()
            verb = text[:4].upper()
            if verb == "EHLO":
                self._say(stream, "250-sink", *[
                    "250-" + x for x in self.EXTENSIONS], "250 HELP")
                continue
            if verb == "MAIL":
                match = re.match(r"MAIL FROM:<(.*?)>\s*(.*)", text, re.I)
                taken = Taken(match[1], match[2])
            elif verb == "RCPT":
                taken.recipients.append(
                    re.match(r"RCPT TO:<(.*?)>", text, re.I)[1])
            elif verb == "DATA":
                self._say(stream, "354 go on")
                taken.data = self._read_dotted(stream)
                with self.changed:
                    self.messages.append(taken)
                    self.changed.notify_all()
            elif verb == "QUIT":
                self._say(stream, "221 bye")
                return
            self._say(stream, "250 ok")

    @staticmethod
    def _say(stream, *lines):
        stream.write("".join(x + "\r\n" for x in lines).encode())
        stream.flush()

    @staticmethod
    def _read_dotted(stream):
        lines = []
        for line in stream:
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)
        raise OSError("the message has no end")

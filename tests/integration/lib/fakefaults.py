"""fakefaults.py - what the fake Gmail says instead of a reply: bytes that are
none, without end, or beneath TLS."""
import socket

CHUNK = 64 * 1024


def send_raw(session, rule):
    """The rule's bytes, as they are."""
    data = rule.raw
    if rule.endless:
        # the client has to end it, and for that it must not choke on it
        data *= max(1, CHUNK // len(data))
        while not session.server.ending.is_set():
            put(session, data, rule.under)
    elif rule.trickle:
        for byte in data:
            put(session, bytes([byte]), rule.under)
            session.server.ending.wait(rule.trickle)
    else:
        put(session, data, rule.under)


def put(session, data, under):
    if under:
        # a TLS socket's own method would encrypt
        while data:
            data = data[socket.socket.send(session.sock, data):]
    else:
        session.sock.sendall(data)

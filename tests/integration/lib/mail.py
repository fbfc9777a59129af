"""mail.py - what a message should look like after the daemon had it."""
import random
import re


def split_received(data):
    """(value of the first Received field, the message without it). The daemon
    puts exactly one in front."""
    match = re.match(rb"Received:[ \t]*((?:[^\r\n]*\r\n)(?:[ \t][^\r\n]*\r\n)*)",
                     data)
    assert match, "no Received field in front: %r" % data[:120]
    value = re.sub(rb"\r\n[ \t]*", b" ", match[1]).strip()
    return value.decode(), data[match.end():]


def without_received(data):
    return split_received(data)[1]


def key_of(data):
    """Its Message-ID, which is its own."""
    return re.search(rb"Message-ID: (<[^>]*>)", data)[1].decode()


def normal_body(body):
    """Line ends as the daemon makes them: CRLF for CRLF, LF and CR..CR LF, and
    for any other CR."""
    body = re.sub(rb"\r*\n", b"\r\n", body)
    return re.sub(rb"\r(?!\n)", b"\r\n", body)


def stuff_raw(data):
    """Dot-stuffs bytes whose lines may end in bare LF, and ends them with the
    final dot."""
    data = re.sub(rb"(^|\n)\.", rb"\1..", data)
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    return data + b".\r\n"


def random_body(seed):
    """Bytes that are hard on line handling: dots, CRs, LFs, 8-bit bytes."""
    rng = random.Random(seed)
    pieces = [b"\r\n", b"\n", b".", b"..", b"\r\n.", b"\n.", b"\r", b"\r\r\n",
              b"text", b"\xff\xfe", "ü".encode(), b" ", b"\t", b"\r\n.\n",
              b"\n.\r", b"x" * 997, b"From here", b"MAIL FROM:<a>\r\n"]
    return b"".join(rng.choice(pieces) for _ in range(rng.randint(0, 200)))


def base64_lines(seed, size):
    """About size bytes that look like an attachment: 76 a line."""
    alphabet = (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                b"0123456789+/")
    rng = random.Random(seed)
    table = bytes(alphabet[i % 64] for i in range(256))
    data = rng.randbytes(size // 78 * 76).translate(table)
    return b"".join(data[i:i + 76] + b"\r\n"
                    for i in range(0, len(data), 76))

"""Whatever is set, who is not allowed sends nothing. Every setting of the
schema in the program is walked with its extreme values; a new one is walked by
the way its value is read."""
import base64
import os
import random
import re
import shutil
import socket
import ssl
import struct

from lib.harness import main, scenario
from lib.smtpclient import Client, message

TOP = os.environ.get("top_srcdir", ".")
FRIEND = "127.0.0.2"
STRANGERS = ("127.0.0.3", "127.0.0.99", "127.255.255.254")
SETTLED = 3  # seconds for an answer: strangers are closed at once
SEED = 20260105

ROW = re.compile(
    r'^\t\{"([^"]+)",\s*"[^"]*",\s*(ONE|LIST),\s*(GLOBAL|ACCOUNT|CLIENT)\('
    r'[^)]*\),\s*conf_read_(\w+),\s*([^{}]+?)\},', re.MULTILINE)

# What is tried where the table has no range. None of it makes a stranger of
# this test an allowed client, or its address that of a proxy.
WORDS = {
    "hostname": ["", "relay.example.org", "[127.0.0.99]", "[IPv6:::1]"],
    "path": [],  # the spool's: nothing to choose from
    "listen": [[], ["127.0.0.1:0", "[::1]:0"],
               ["127.0.0.1:0"] * 16 + ["[::1]:0"] * 16,
               ["0.0.0.0:0"], ["[::]:0"], ["*:0"]],
    "allow": [[], ["127.0.0.2"], ["127.0.0.98/32", "127.0.0.100/30"],
              ["127.0.0.96/31"], ["10.0.0.0/8"], ["::1"], ["::/16"],
              ["127.0.0.2"] + ["10.0.%d.0/24" % x for x in range(255)],
              # refused, all of them
              ["0.0.0.0/0"], ["::/0"], ["0.0.0.0/7"], ["127.0.0.99/0"],
              ["::ffff:0:0/96"], ["*"], ["all"], [""], ["127.0.0.99/33"],
              ["127.0.0.99 "], ["localhost"]],
    "networks": [["127.0.0.50"], ["127.0.0.98/32"], ["127.0.0.50", "::5"],
                 ["127.0.0.50"] + ["10.1.%d.0/24" % x for x in range(255)],
                 ["0.0.0.0/0"], ["::/0"], ["::ffff:127.0.0.99"]],
    "socket": [],
    "user": [],
    "retry": [["1s"], ["1d"] * 16],
    "backoff": [["1s", "1s"], ["1d", "1d"]],
    "postmaster": ["", "someone@example.com", "postmaster@[127.0.0.1]"],
    "alert_command": [[], ["/bin/true"]],
    "optional_path": [""],
    "aliases": ["", "ALIASES"],
    "default_domain": ["", "example.org"],
    "name": ["default", "a" * 64],
    "optional_name": ["", "default"],
    "username": [],
    "password_file": [],
    "host": [],
    "tls": ["starttls", "implicit"],
    "ca_file": [""],
    "from": ["auto", "keep", "account"],
    "send_as": [[], ["a%d@example.org" % x for x in range(100)]],
    "auth": ["none", "any", "users"],
    "client_tls": ["none", "offer", "require"],
    "min_tls": ["1.0", "1.1", "1.2", "1.3"],
    "syntax": ["tolerant", "strict"],
    "flag": ["true", "false"],
    "default_sender": ["", "scanner@example.com"],
}
# these are read as numbers; their ranges are the table's
RANGES = {"number": str, "port": str, "size": str,
          "duration": lambda ms: "%ds" % (ms // 1000)}


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as file:
        return file.read()


def constants():
    """What the ranges of the table are written with."""
    found = {"SECOND": 1000, "MINUTE": 60000, "HOUR": 3600000,
             "DAY": 86400000, "KIB": 1024, "MIB": 1048576}
    for name, value in re.findall(r"#define (CONF_\w+)\s+(\d+)\b",
                                  read("src/base/conf.h")):
        found[name] = int(value)
    return found


def settings():
    """[(side, name, values)] of the whole schema."""
    text = re.search(r"conf_setting schema\[\] = \{\n(.*?)\n\};",
                     read("src/base/conf.c"), re.DOTALL)[1]
    rows = ROW.findall(text)
    assert len(rows) == len(re.findall(r'^\t\{"', text, re.MULTILINE)), \
        "a row of the schema that this test cannot read"
    known = constants()
    found = []
    for name, _, side, reader, limits in rows:
        if reader in RANGES:
            low, high = [eval(x, {}, known)  # our own source
                         for x in limits.split(",")]
            values = [RANGES[reader](x) for x in (low, high)]
            values += ["0"] if low > 0 and reader == "size" else []
        else:
            assert reader in WORDS, \
                "conf_read_%s is not known here: add extreme values" % reader
            values = WORDS[reader]
        found.append((side, name, values))
    return found


def prepare(t, fake):
    """Files that settings name."""
    certificate, key = fake.pki.pair("valid")
    shutil.copy(certificate, t.path("cert.pem"))
    shutil.copy(key, t.path("key.pem"))
    os.chmod(t.path("key.pem"), 0o600)
    with open(t.path("users"), "w", encoding="utf-8") as out:
        out.write("scanner:$6$rounds=1000$abcdefgh$"
                  "esV.BDRldLjTeV7u6hp4FmbhSWRCsG2wRcHm/R0qp0KZ"
                  "Me.D.AzoZaXX3mEE4RUCiFaWYtI.99RJ0/E.1ZWMp/\n")
    os.chmod(t.path("users"), 0o600)
    with open(t.path("aliases"), "w", encoding="utf-8") as out:
        out.write("root: someone@example.com\n")


def make(t, fake, chosen):
    """A daemon with the chosen {(side, name): value} over a base that lets
    FRIEND in alone."""
    sides = {"GLOBAL": {}, "ACCOUNT": {}, "CLIENT": {}}
    for (side, name), value in chosen.items():
        if value == "ALIASES":
            value = t.path("aliases")
        sides[side][name] = value
    sides["GLOBAL"].setdefault("allow", [FRIEND])
    client = dict({"networks": ["127.0.0.50"]}, **sides["CLIENT"])
    if client.get("auth") == "users" or client.get("tls") in ("require",
                                                               "offer"):
        sides["GLOBAL"].update({"tls-cert": t.path("cert.pem"),
                                "tls-key": t.path("key.pem")})
    if client.get("auth") == "users":
        sides["GLOBAL"]["users-file"] = t.path("users")
    daemon = t.daemon(fake, account=sides["ACCOUNT"], clients=[client])
    daemon.settings.update(sides["GLOBAL"])
    daemon.write_config()
    return daemon


# --- what a stranger tries ---------------------------------------------------

TRY = (b"EHLO x\r\nAUTH PLAIN " + base64.b64encode(b"\0a\0b") +
       b"\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<victim@example.net>\r\n"
       b"DATA\r\nSubject: relayed\r\n\r\nx\r\n.\r\n")
V1 = ("PROXY TCP4 %s 127.0.0.1 1 25\r\n" % FRIEND).encode()
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + \
    socket.inet_aton(FRIEND) + socket.inet_aton("127.0.0.1") + \
    struct.pack("!HH", 1, 25)
V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


def answer(sock, text):
    """What is said to text, until the connection ends or is silent."""
    heard = b""
    sock.settimeout(SETTLED)
    try:
        sock.sendall(text)
        while True:
            data = sock.recv(65536)
            if not data:
                break
            heard += data
    except OSError:
        pass
    return heard


def connect(address, source):
    """A socket, or None where nobody listens."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(SETTLED)
        if source:
            sock.bind((source, 0))
        sock.connect(address)
        return sock
    except OSError:
        sock.close()
        return None


def under_tls(sock):
    """The same under TLS from the first byte, or None."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(sock)
    except (ssl.SSLError, OSError):
        return None


def attempts(daemon, quick):
    """(who, what was said to him) for each way of trying."""
    for host, port in daemon.addresses:
        address = (host.strip("[]"), int(port))
        six = ":" in address[0]
        if address[0] in ("0.0.0.0", "::"):
            address = ("::1" if six else "127.0.0.1", address[1])
        for source in [None] if six else STRANGERS[:1 if quick else None]:
            for prefix in (b"", V1) if quick else (b"", V1, V2, V2_LOCAL,
                                                   b"HELO\n", b"\r\n\0"):
                sock = connect(address, source)
                if sock is None:
                    continue
                with sock:
                    yield source or "::1", answer(sock, prefix + TRY)
            sock = None if quick else connect(address, source)
            wrapped = sock and under_tls(sock)
            if wrapped:
                with wrapped:
                    yield source or "::1", answer(wrapped, TRY)
            elif sock:
                sock.close()


def check(t, fake, chosen, quick=True):
    """Starts a daemon and tries. Returns False where -t refuses it."""
    daemon = make(t, fake, chosen)
    if daemon.check_config()[0] != 0:
        return False
    six_allowed = any("::" in x for x in daemon.settings["allow"])
    daemon.start()
    for who, heard in attempts(daemon, quick):
        if who == "::1" and six_allowed:
            continue
        for word in (b"354", b"queued as", b"250"):
            t.true(word not in heard, "%s was told %r with %s" % (
                who, heard, chosen))
    counters = daemon.status()["counters"]["receiver"]
    t.equal(counters["accepted"], 0, "messages accepted with %s" % chosen)
    t.equal(fake.messages, [], "messages upstream with %s" % chosen)
    daemon.stop()
    return True


@scenario(seconds=1200)
def every_setting_at_its_extremes(t):
    fake = t.fake()
    prepare(t, fake)
    ran = refused = 0
    for side, name, values in settings():
        for value in values:
            if check(t, fake, {(side, name): value}):
                ran += 1
            else:
                refused += 1
    t.true(ran > 60, "configurations that run: %d" % ran)
    t.true(refused > 10, "configurations that are refused: %d" % refused)


@scenario(seconds=600)
def settings_together(t):
    """Random choices, the same every time."""
    fake = t.fake()
    prepare(t, fake)
    chance = random.Random(SEED)
    walked = [(side, name, [x for x in values if name != "listen" or
                            all("127." in y or "[::1]" in y for y in x)])
              for side, name, values in settings() if values]
    ran = tried = 0
    while ran < 12 and tried < 400:
        tried += 1
        chosen = {(side, name): chance.choice(values)
                  for side, name, values in
                  chance.sample(walked, chance.randint(3, 12))}
        ran += check(t, fake, chosen)
    t.true(ran >= 12, "configurations that run: %d of %d" % (ran, tried))


@scenario
def every_way_of_trying(t):
    fake = t.fake()
    prepare(t, fake)
    for chosen in ({},
                   {("GLOBAL", "listen"): ["127.0.0.1:0", "[::1]:0"]},
                   {("GLOBAL", "proxy"): ["127.0.0.98", "127.0.0.100"]},
                   {("CLIENT", "auth"): "any", ("CLIENT", "tls"): "offer"},
                   {("CLIENT", "auth"): "users"}):
        t.true(check(t, fake, chosen, quick=False), "runs with %s" % chosen)


@scenario
def without_a_listener_there_is_submit(t):
    fake = t.fake()
    daemon = make(t, fake, {("GLOBAL", "listen"): []}).start()
    t.equal(daemon.addresses, [], "addresses")
    with Client(daemon.submit) as client:
        client.ehlo()
        t.equal(client.mail("a@example.org", ["b@example.net"],
                            message()).code, 250, "by submit")
    fake.wait_messages(1)


@scenario
def the_friend_is_served(t):
    """So that the others fail for the right reason."""
    fake = t.fake()
    daemon = make(t, fake, {}).start()
    with Client(("127.0.0.1", daemon.port), source=FRIEND) as client:
        client.ehlo()
        t.equal(client.mail("a@example.org", ["b@example.net"],
                            message()).code, 250, "a friend's message")
    fake.wait_messages(1)


if __name__ == "__main__":
    main()

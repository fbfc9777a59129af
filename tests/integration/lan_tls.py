"""Devices get TLS: by STARTTLS or at once, old versions where that is allowed,
and nothing that was said in clear counts as said under it."""
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time
import warnings

from lib.harness import main, scenario, wait_for
from lib.smtpclient import Client, message

OFFER, REQUIRE, NEVER, OLD, NEW = ["127.0.0.%d" % x for x in range(11, 16)]
CLIENTS = [
    {"name": "offer", "networks": [OFFER]},
    {"name": "require", "networks": [REQUIRE], "tls": "require"},
    {"name": "never", "networks": [NEVER], "tls": "none"},
    {"name": "old", "networks": [OLD], "min_tls": "1.0"},
    {"name": "new", "networks": [NEW], "min_tls": "1.3"},
]


def ready(t, kind="valid", **how):
    """A daemon with a certificate of its own kind, in files of its own."""
    fake = t.fake()
    daemon = t.daemon(fake, clients=CLIENTS, tls_cert=t.path("cert.pem"),
                      tls_key=t.path("key.pem"), **how)
    use_pair(t, fake, kind)
    return fake, daemon


def use_pair(t, fake, kind, mode=0o600):
    certificate, key = fake.pki.pair(kind)
    shutil.copy(certificate, t.path("cert.pem"))
    shutil.copy(key, t.path("key.pem"))
    os.chmod(t.path("key.pem"), mode)


def trusting(fake):
    return ssl.create_default_context(cafile=fake.ca_file)


warnings.filterwarnings("ignore", message="ssl.TLSVersion.TLSv1")


def careless(least=None, most=None, level=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if level is not None:
        context.set_ciphers("ALL:@SECLEVEL=%d" % level)
    if least:
        context.minimum_version = least
    if most:
        context.maximum_version = most
    return context


def received(got):
    return " ".join(got.header("Received")[0].split())


@scenario
def starttls(t):
    fake, daemon = ready(t)
    daemon.start()
    for source in (None, OFFER, REQUIRE, OLD, NEW):
        with daemon.client(source=source) as client:
            t.true("STARTTLS" in client.ehlo(), "%s: is offered" % source)
            client.starttls(trusting(fake))
            t.true("STARTTLS" not in client.ehlo(), "is not offered again")
            t.equal(client.cmd("STARTTLS").code, 503, "STARTTLS once more")
            client.mail("device@example.org", ["p@example.net"], message())
            client.expect("QUIT", 221)
    got = fake.wait_messages(5)
    for x in got:
        t.true(" with ESMTPS (TLSv1.3 TLS_" in received(x), received(x))
    t.clean(fake)


@scenario
def in_clear_it_stays_as_it_was(t):
    fake, daemon = ready(t)
    daemon.start()
    for source in (None, OFFER, NEVER, OLD):
        with daemon.client(source=source) as client:
            offered = client.ehlo()
            t.equal("STARTTLS" in offered, source != NEVER, "is offered")
            client.mail("device@example.org", ["p@example.net"], message())
    for x in fake.wait_messages(4):
        t.true(" with ESMTP id " in received(x), received(x))
    with daemon.client(source=NEVER) as client:
        t.equal(client.cmd("STARTTLS").enhanced, "5.5.1", "where it is none")


@scenario
def where_it_is_required_nothing_goes_without(t):
    fake, daemon = ready(t)
    daemon.start()
    with daemon.client(source=REQUIRE) as client:
        for command, code in (
                ("MAIL FROM:<a@example.org>", 530),
                ("EHLO x", 250), ("MAIL FROM:<a@example.org>", 530),
                ("RCPT TO:<b@example.net>", 503), ("DATA", 503),
                ("NOOP", 250), ("RSET", 250), ("VRFY x", 252)):
            t.equal(client.cmd(command).code, code, command)
        client.send("BDAT 5 LAST\r\nhello")
        t.equal(client.reply().code, 503, "BDAT")
        client.starttls(trusting(fake))
        client.mail("device@example.org", ["p@example.net"], message())
    # the machine's own programs come by a socket of their own
    with daemon.client() as client:
        client.mail("device@example.org", ["p@example.net"], message())
    t.equal(len(fake.wait_messages(2)), 2, "messages")


@scenario
def what_was_said_in_clear_is_forgotten(t):
    fake, daemon = ready(t)
    daemon.start()
    with daemon.client() as client:
        client.ehlo("in-clear.example")
        client.expect("MAIL FROM:<a@example.org>", 250)
        t.equal(client.cmd("STARTTLS").code, 503, "in a transaction")
        client.expect("RSET", 250)
        t.equal(client.cmd("STARTTLS now").code, 501, "with an argument")
        client.starttls(trusting(fake))
        t.equal(client.cmd("RCPT TO:<b@example.net>").code, 503, "RCPT")
        client.mail("device@example.org", ["p@example.net"], message())
    got = received(fake.wait_messages(1)[0])
    t.true("from unknown (" in got and " with SMTP " in got, got)


@scenario
def words_slipped_in_behind_starttls(t):
    fake, daemon = ready(t)
    daemon.start()
    inject = (b"RSET\r\nMAIL FROM:<evil@example.org>\r\n"
              b"RCPT TO:<p@example.net>\r\n")
    for more in (inject, b"\r\n", b"x", b"EHLO again\r\n",
                 bytes.fromhex("16030100"), b"NOOP\r\n" * 5000):
        with daemon.client() as client:
            client.ehlo()
            client.send(b"STARTTLS\r\n" + more)
            t.equal(client.reply().code, 503, "the answer")
            t.true(client.is_closed(), "it is closed")
    # what comes a moment later is the handshake's to refuse
    with daemon.client() as client:
        client.ehlo()
        client.expect("STARTTLS", 220)
        client.send(inject)
        t.true(client.is_closed(), "it is closed")
        t.true(b"250" not in client.buffer, "nothing was answered")
    daemon.wait_log("behind STARTTLS", count=6)
    daemon.send(message())
    t.equal([x.sender for x in fake.wait_messages(1)],
            ["device@example.org"], "who sent something")


def begin_with_tls(daemon, context, source):
    """Connects and begins with TLS; returns the greeting's code."""
    sock = socket.create_connection(("127.0.0.1", daemon.port), 20,
                                    (source, 0))
    with context.wrap_socket(sock, server_hostname="localhost") as tls:
        greeting = tls.recv(1000)
        tls.sendall(b"EHLO x\r\nMAIL FROM:<device@example.org>\r\n"
                    b"RCPT TO:<p@example.net>\r\nDATA\r\n")
        data = b""
        while b"354 " not in data:
            data += tls.recv(1000)
        tls.sendall(message() + b".\r\nQUIT\r\n")
        while b"221 " not in data:
            data += tls.recv(1000)
    return greeting[:4]


@scenario
def a_client_that_begins_with_tls(t):
    fake, daemon = ready(t)
    daemon.start()
    for source in (OFFER, REQUIRE, OLD):
        t.equal(begin_with_tls(daemon, trusting(fake), source), b"220 ",
                "the greeting, under TLS")
    for x in fake.wait_messages(3):
        t.true(" with ESMTPS (TLSv1.3 " in received(x), received(x))


@scenario
def openssl_s_client_on_the_plain_port(t):
    fake, daemon = ready(t)
    daemon.start()
    for words in ([], ["-starttls", "smtp"]):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", "127.0.0.1:%d" % daemon.port,
             "-bind", OFFER + ":0", "-CAfile", fake.ca_file, "-quiet",
             "-verify_return_error", "-ign_eof"] + words,
            # its own commands are in capitals
            input=b"noop\r\nquit\r\n", capture_output=True, timeout=60)
        t.true(b"250 2.0.0" in done.stdout and b"221 " in done.stdout,
               "it is served: %r" % done)
    with daemon.client(source=OFFER) as client:
        client.expect("QUIT", 221)


@scenario
def one_that_was_too_slow_is_waited_for_next_time(t):
    fake, daemon = ready(t)
    daemon.start()

    def slowly():
        """What a device with a slow processor does."""
        with socket.create_connection(("127.0.0.1", daemon.port), 20,
                                      (OFFER, 0)) as sock:
            time.sleep(0.7)  # the device's, not a wait for the daemon
            hello = ssl.MemoryBIO()
            tls = careless().wrap_bio(ssl.MemoryBIO(), hello)
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            sock.sendall(hello.read())
            return sock.recv(5)

    t.equal(slowly()[:4], b"220 ", "the first time it was greeted")
    daemon.wait_log("began with TLS, but late")
    t.equal(slowly()[:3], b"\x16\x03\x03", "the second time it gets TLS")
    # and nobody else waits for it
    begun = time.monotonic()
    with daemon.client(source=REQUIRE):
        pass
    t.true(time.monotonic() - begun < 2.5, "others are greeted soon")


@scenario
def without_a_certificate_there_is_a_hint(t):
    fake = t.fake()
    daemon = t.daemon(fake, clients=[{"name": "devices",
                                      "networks": [OFFER]}]).start()
    with daemon.client(source=OFFER) as client:
        t.true("STARTTLS" not in client.ehlo(), "nothing is offered")
        t.equal(client.cmd("STARTTLS").code, 502, "STARTTLS")
    with daemon.client(source=OFFER) as client:
        client.send(bytes.fromhex("1603010200010001fc0303"))
        t.true(client.is_closed(), "it is closed")
    daemon.wait_log("expects TLS on this port")


@scenario
def gmrelayctl_makes_a_certificate(t):
    fake = t.fake()
    for base, options in (("ec", []), ("rsa", ["--rsa", "--days", "20"])):
        daemon = t.daemon(fake, clients=CLIENTS)
        made = daemon.ctl("certificate", *options, "--name", "localhost",
                          "--name", "127.0.0.1", t.path(base))
        t.equal((made["cert"], made["key"], made["names"]),
                (t.path(base + ".pem"), t.path(base + ".key"),
                 ["localhost", "127.0.0.1"]), "what was made")
        t.equal([os.stat(made[x]).st_mode & 0o777 for x in ("cert", "key")],
                [0o644, 0o600], "modes")
        again = daemon.ctl_run("certificate", t.path(base))
        t.true(again.returncode == 1 and "nothing is overwritten" in
               again.stderr, "it does not overwrite: %r" % again)
        daemon.write_config(tls_cert=made["cert"], tls_key=made["key"])
        daemon.start()
        for name in ("localhost", "127.0.0.1"):
            context = ssl.create_default_context(cafile=made["cert"])
            with daemon.client() as client:
                client.ehlo()
                client.expect("STARTTLS", 220)
                client.sock = context.wrap_socket(client.sock,
                                                  server_hostname=name)
                client.ehlo()
                digest = hashlib.sha256(
                    client.sock.getpeercert(binary_form=True)).hexdigest()
        t.equal(made["fingerprint"].replace(":", "").lower(), digest,
                "the fingerprint")
        t.equal(version_of(daemon, careless(ssl.TLSVersion.TLSv1,
                                            ssl.TLSVersion.TLSv1, 0), OLD),
                "TLSv1", "an old device")
        daemon.stop()
    # for people: the two lines, to be copied
    said = daemon.ctl_run("certificate", t.path("plain"),
                          json_output=False).stdout
    t.true('tls-cert = "%s"\ntls-key = "%s"\n' % (
        t.path("plain.pem"), t.path("plain.key")) in said, said)
    for arguments in (["--name", "a,b", t.path("x")], [t.path("no/x")],
                      ["--name", "", t.path("x")], [t.folder + "/"],
                      ["--days", "0", t.path("x")], []):
        done = daemon.ctl_run("certificate", *arguments)
        t.true(done.returncode != 0, "%r: %r" % (arguments, done))
    t.true(not os.path.exists(t.path("x.key")), "nothing was made")


def version_of(daemon, context, source):
    """The version agreed upon, or None."""
    with daemon.client(source=source) as client:
        client.ehlo()
        try:
            client.starttls(context)
            client.ehlo()
        except (ssl.SSLError, ConnectionResetError):
            return None
        return client.sock.version()


@scenario
def old_versions_where_they_are_allowed(t):
    versions = ssl.TLSVersion
    _, daemon = ready(t)
    daemon.start()
    for version, name, taken in (
            (versions.TLSv1, "TLSv1", [OLD]),
            (versions.TLSv1_1, "TLSv1.1", [OLD]),
            (versions.TLSv1_2, "TLSv1.2", [OLD, OFFER]),
            (versions.TLSv1_3, "TLSv1.3", [OLD, OFFER, NEW])):
        context = careless(version, version, 0)
        for source in (OLD, OFFER, NEW):
            t.equal(version_of(daemon, context, source),
                    name if source in taken else None,
                    "%s from %s" % (name, source))
    daemon.wait_log("TLS versions that are too old", count=5)


@scenario
def weak_ciphers_only_with_old_versions(t):
    _, daemon = ready(t)
    daemon.start()
    for cipher in ("NULL", "aNULL", "eNULL"):
        context = careless(most=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(cipher + ":@SECLEVEL=0")
        for source in (OLD, OFFER):
            t.equal(version_of(daemon, context, source), None, cipher)


@scenario
def a_new_certificate_after_a_reload(t):
    fake, daemon = ready(t, "self_signed")
    daemon.start()

    def issuer():
        with daemon.client() as client:
            client.ehlo()
            client.starttls(careless())
            return client.sock.getpeercert(binary_form=True)

    def der_of(kind):
        with open(fake.pki.pair(kind)[0], encoding="ascii") as file:
            return ssl.PEM_cert_to_DER_cert(file.read())

    t.equal(issuer(), der_of("self_signed"), "the first one")
    with daemon.client() as old:
        old.ehlo()
        use_pair(t, fake, "valid")
        daemon.reload()
    t.equal(issuer(), der_of("valid"), "the new one")
    # a bad one changes nothing
    shutil.copy(fake.pki.pair("self_signed")[1], t.path("key.pem"))
    daemon.signal(1)
    daemon.wait_log("is not the key of the first certificate")
    t.equal(issuer(), der_of("valid"), "still the good one")


@scenario
def bad_certificates_and_keys_are_told(t):
    fake, daemon = ready(t)
    t.equal(daemon.check_config()[0], 0, "a good pair")

    def refused(words, status=1):
        code, said = daemon.check_config()
        t.equal(code, status, said)
        t.true(words in said, "%r is said: %s" % (words, said))

    for mode in (0o604, 0o644, 0o660, 0o666):
        use_pair(t, fake, "valid", mode)
        refused("others may use it")
    use_pair(t, fake, "valid")
    shutil.copy(fake.pki.pair("expired")[1], t.path("key.pem"))
    refused("is not the key of the first certificate")
    use_pair(t, fake, "expired")
    refused("has expired on 2020-02-01", 0)
    for path, words in ((t.path("key.pem"), "holds no private key"),
                        (t.path("cert.pem"), "holds no certificate")):
        use_pair(t, fake, "valid")
        with open(path, "w", encoding="ascii") as file:
            file.write("nothing\n")
        refused(words)
        os.unlink(path)
        refused("No such file")
    use_pair(t, fake, "valid")
    subprocess.run(["openssl", "pkey", "-in", t.path("key.pem"), "-aes128",
                    "-passout", "pass:x", "-out", t.path("locked.pem")],
                   check=True, capture_output=True)
    os.rename(t.path("locked.pem"), t.path("key.pem"))
    refused("has a passphrase")
    t.true(daemon.check_config()[1].count("PRIVATE KEY") == 0, "no key shown")


@scenario
def doctor_looks_at_the_certificate(t):
    fake, daemon = ready(t)
    daemon.start()

    def finding():
        told = json.loads(daemon.ctl_run("doctor").stdout)
        return [x for x in told["findings"]
                if x["where"] == "certificate and users"][0]

    t.equal(finding()["status"], "ok", "a good one")
    use_pair(t, fake, "expired")
    t.equal(finding()["status"], "warn", "an expired one")
    use_pair(t, fake, "valid", 0o644)
    t.equal(finding()["status"], "fail", "a key for everybody")


@scenario
def on_port_465_there_is_time_for_tls(t):
    t.need_root()
    fake, daemon = ready(t)
    # of its own, so that scenarios do not meet there
    address = "127.%d.%d.%d" % tuple(random.randrange(1, 250)
                                     for _ in range(3))
    daemon.write_config(listen=["127.0.0.1:0", address + ":465"])
    daemon.start()
    with socket.create_connection((address, 465), 20) as sock:
        time.sleep(0.7)  # the client's, longer than any greeting waits
        with trusting(fake).wrap_socket(
                sock, server_hostname="localhost") as tls:
            t.equal(tls.recv(1000)[:4], b"220 ", "the greeting, under TLS")
    # one that does not know is greeted all the same, when it says something
    with Client((address, 465), greet=False) as client:
        client.send("EHLO x\r\n")
        t.equal(client.reply().code, 220, "the greeting")
        t.equal(client.reply().code, 250, "EHLO")


@scenario
def a_reload_in_the_midst_of_it(t):
    """Neither a held greeting nor a handshake holds it up, or is answered in
    clear."""
    fake, daemon = ready(t)
    daemon.start()
    shaking = daemon.client()
    shaking.expect("STARTTLS", 220)
    shaking.send(bytes.fromhex("1603010200"))
    talking = daemon.client()
    talking.starttls(trusting(fake))
    talking.expect("EHLO x", 250)
    before = daemon.roles()["receiver"]
    daemon.reload()
    t.true(daemon.roles()["receiver"] != before, "another receiver")
    t.true(shaking.is_closed() and shaking.buffer == b"", "nothing was said")
    t.equal(talking.reply().code, 421, "under TLS it is told")
    t.equal(talking.sock.recv(10), b"", "a clean end of TLS")


@scenario
def handshakes_that_do_not_end_leave_others_served(t):
    fake, daemon = ready(t)
    daemon.start()
    half = []
    for i in range(100):
        client = daemon.client(source=None if i % 2 else OFFER,
                               greet=bool(i % 2))
        if i % 2:
            client.ehlo()
            client.expect("STARTTLS", 220)
        client.send(bytes.fromhex("1603010200010001fc0303") + b"x" * (i % 50))
        half.append(client)
    with daemon.client(source=REQUIRE) as client:
        client.ehlo()
        client.starttls(trusting(fake))
        client.mail("device@example.org", ["p@example.net"], message())
    daemon.send(message())
    t.equal(len(fake.wait_messages(2)), 2, "messages")
    for client in half:
        client.close()
    wait_for(lambda: daemon.status()["counters"]["receiver"][
        "open_sessions"] == 0, 20, "the end of all")


@scenario
def much_and_byte_by_byte(t):
    fake, daemon = ready(t)
    daemon.start()
    body = b"".join(b"%06d %s\r\n" % (i, b"x" * 60) for i in range(40000))
    with daemon.client() as client:
        client.ehlo()
        client.starttls(trusting(fake))
        reply = client.mail("device@example.org", ["p@example.net"],
                            message(body=body))
        t.equal(reply.code, 250, "a large one")
        for byte in b"NOOP\r\nMAIL FROM:<a@example.org>\r\n":
            client.send(bytes([byte]))  # a record each
        t.equal([client.reply().code, client.reply().code], [250, 250],
                "records of a byte")
        client.send(b"NOOP\r\n" * 20000)  # answered while it is still sent
        for _ in range(20000):
            t.equal(client.reply().code, 250, "NOOP")
        client.send("QUIT\r\n")
        t.equal(client.reply().code, 221, "QUIT")
        client.sock.settimeout(20)
        t.equal(client.sock.recv(10), b"", "a clean end of TLS")
    t.true(fake.wait_messages(1)[0].data.endswith(body), "every byte")


@scenario
def what_tls_has_read_ahead_is_not_forgotten(t):
    """The receiver looks at 77824 octets in a turn. What is beyond, of the last
    record, waits inside of TLS, where the socket does not show it."""
    fake, daemon = ready(t)
    daemon.start()
    receiver = daemon.roles()["receiver"]
    line = b"NOOP " + b"x" * 500 + b"\r\n"
    for count in (154, 160):
        with daemon.client() as client:
            client.ehlo()
            client.starttls(trusting(fake))
            client.ehlo()
            os.kill(receiver, signal.SIGSTOP)  # so that all of it is there
            try:
                client.send(line * count)
            finally:
                os.kill(receiver, signal.SIGCONT)
            for _ in range(count):
                t.equal(client.reply().code, 250, "NOOP")


if __name__ == "__main__":
    main()

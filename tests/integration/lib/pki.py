"""pki.py - a throw-away certificate authority, by the openssl command."""
import os
import subprocess
import threading

CA_CONFIG = """\
[ca]
default_ca = it
[it]
new_certs_dir = %(dir)s
database = %(dir)s/index
serial = %(dir)s/serial
certificate = %(dir)s/ca.pem
private_key = %(dir)s/ca.key
default_md = sha256
default_days = 30
policy = any
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
"""
NAMES = "DNS:localhost,DNS:smtp.gmail.test,IP:127.0.0.1,IP:::1"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Pki:
    """Makes ca.pem and, by name, pairs of certificate and key:

    valid        for localhost, 127.0.0.1, ::1 and smtp.gmail.test
    wrong_name   for another host
    expired      right in all but time
    unknown_ca   right, from an authority nobody was told of
    self_signed  by itself
    name_in_cn   the right name, but in CN, where it is none (RFC 6125)
    nul_in_name  the right name, a NUL, and another one behind it
    """

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, mode=0o755, exist_ok=True)
        self.ca_file = self._make_ca("ca")
        self._make_ca("other")
        self.pairs = {}
        self.making = threading.Lock()

    def path(self, name):
        return os.path.join(self.folder, name)

    def pair(self, kind):
        """Returns (certificate file, key file); made at the first call."""
        with self.making:
            if kind not in self.pairs:
                self.pairs[kind] = self._make_pair(kind)
            return self.pairs[kind]

    def _run(self, *args):
        done = subprocess.run(["openssl"] + list(args), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError("openssl %s: %s" % (args[0], done.stderr))

    def _make_ca(self, name):
        """A CA in its own directory, but its certificate in ours."""
        folder = self.path(name + ".d")
        os.makedirs(folder, mode=0o755, exist_ok=True)
        certificate = os.path.join(folder, "ca.pem")
        self._run("req", "-x509", *KEY, "-keyout",
                  os.path.join(folder, "ca.key"), "-out", certificate,
                  "-days", "30", "-subj", "/CN=throw-away %s" % name)
        for file, text in (("index", ""), ("index.attr", ""),
                           ("serial", "01\n"),
                           ("config", CA_CONFIG % {"dir": folder})):
            with open(os.path.join(folder, file), "w") as out:
                out.write(text)
        return certificate

    def _make_pair(self, kind):
        certificate, key = self.path(kind + ".pem"), self.path(kind + ".key")
        names, subject = NAMES, "/CN=throw-away " + kind
        if kind in ("wrong_name", "name_in_cn"):
            names = "DNS:elsewhere.example"
        if kind == "name_in_cn":
            subject = "/CN=localhost"
        if kind == "nul_in_name":
            name = b"localhost\0.elsewhere.example"
            names = "DER:" + (bytes([0x30, len(name) + 2, 0x82, len(name)]) +
                              name).hex(":")
        if kind == "self_signed":
            self._run("req", "-x509", *KEY, "-keyout", key, "-out",
                      certificate, "-days", "30", "-subj", "/CN=localhost",
                      "-addext", "subjectAltName=" + names)
            return certificate, key
        request, extra = self.path(kind + ".req"), self.path(kind + ".ext")
        self._run("req", *KEY, "-keyout", key, "-out", request,
                  "-subj", subject)
        with open(extra, "w") as out:
            out.write("subjectAltName=%s\nbasicConstraints=CA:FALSE\n" % names)
        when = []
        if kind == "expired":
            when = ["-startdate", "20200101000000Z",
                    "-enddate", "20200201000000Z"]
        ca = self.path("other.d" if kind == "unknown_ca" else "ca.d")
        self._run("ca", "-batch", "-notext", "-config",
                  os.path.join(ca, "config"), "-in", request, "-out",
                  certificate, "-extfile", extra, *when)
        return certificate, key

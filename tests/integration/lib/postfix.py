"""postfix.py - a Postfix of our own as the upstream: STARTTLS on one port, TLS
from the first byte on another, login by Cyrus SASL, all below one directory.
What it takes it gives to a lib.plainsink.PlainSink. Needs root."""
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess

from .daemon import free_port, wait_for
from .fakegmail import HOST
from .pki import Pki

DAEMONS = "/usr/lib/postfix/sbin"
REALM = "submission.example.org"
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
          "incoming", "private", "saved", "trace")

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = %(folder)s/queue
data_directory = %(folder)s/data
daemon_directory = %(daemons)s
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = %(log)s
maillog_file_prefixes = %(folder)s
import_environment = MAIL_CONFIG

myhostname = submission.example.org
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
message_size_limit = 36000000
smtpd_client_connection_count_limit = 0

smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = %(certificate)s
smtpd_tls_key_file = %(key)s
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = %(realm)s
cyrus_sasl_config_path = %(folder)s/etc/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
    check_recipient_access inline:{
        { refused@example.net = 550 5.1.1 no such person here }
        { later@example.net = 450 4.2.0 not now } }
smtpd_discard_ehlo_keywords = %(discard)s

# it shall change nothing
local_header_rewrite_clients =
always_add_missing_headers = no
message_drop_headers =
receive_override_options = no_address_mappings, no_header_body_checks
smtp_line_length_limit = 0

relayhost = [127.0.0.1]:%(sink)d
smtp_dns_support_level = disabled
smtp_host_lookup = native
default_destination_recipient_limit = 1000
minimal_backoff_time = 1s
"""

MASTER_CF = """\
127.0.0.1:%(port)d inet n - n - - smtpd
127.0.0.1:%(implicit)d inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

SASL_CONF = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: %(folder)s/sasldb2
mech_list: PLAIN LOGIN
"""


class Postfix:
    """user and password are those of the one account; sink is where its mail
    goes; discard names extensions that it shall not offer."""

    user = "someone@" + REALM

    def __init__(self, t, sink, password, discard=""):
        t.need_root()
        if not os.access(DAEMONS + "/master", os.X_OK):
            t.skip("postfix is not installed")
        t.need("saslpasswd2", "openssl")
        self.folder = t.path("postfix")
        self.log_file = os.path.join(self.folder, "log")
        t.logs.append(self.log_file)
        self.password = password
        self.port, self.implicit_port = free_port(), free_port()
        self.process = None
        pki = Pki(os.path.join(self.folder, "pki"))
        self.ca_file = pki.ca_file
        certificate, key = pki.pair("valid")
        self._make_folders()
        self._write(folder=self.folder, daemons=DAEMONS, log=self.log_file,
                    realm=REALM, port=self.port, discard=discard,
                    implicit=self.implicit_port, certificate=certificate,
                    key=key, sink=sink.port)
        self.set_password(password)
        t.at_end.append(self.stop)

    def account(self, **over):
        """The account section that leads here, for Test.daemon()."""
        return dict({"username": self.user, "host": HOST, "port": self.port,
                     "ca_file": self.ca_file}, **over)

    def set_password(self, password):
        database = os.path.join(self.folder, "sasldb2")
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", database, "-u", REALM,
                        "someone"], input=password.encode(), check=True,
                       capture_output=True)
        shutil.chown(database, "postfix")

    def start(self):
        self.process = subprocess.Popen(
            [DAEMONS + "/master", "-c", os.path.join(self.folder, "etc"),
             "-d"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for(lambda: self._answers(self.port), 30, "Postfix")
        return self

    def stop(self):
        """master ends all that it has started."""
        if self.process is None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process = None

    def log(self):
        try:
            with open(self.log_file, errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def _answers(self, port):
        if self.process.poll() is not None:
            raise AssertionError("Postfix ended: %s" % self.log())
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as sock:
                return sock.recv(3) == b"220"
        except OSError:
            return False

    def _make_folders(self):
        owner = pwd.getpwnam("postfix").pw_uid
        dropper = grp.getgrnam("postdrop").gr_gid

        def make(path, mode, uid=0, gid=0):
            path = os.path.join(self.folder, path)
            os.mkdir(path)
            os.chown(path, uid, gid)
            os.chmod(path, mode)

        for name in ("etc", "etc/sasl", "queue"):
            make(name, 0o755)
        make("data", 0o700, owner)
        for name in QUEUES:
            make("queue/" + name, 0o700, owner)
        make("queue/maildrop", 0o730, owner, dropper)
        make("queue/public", 0o710, owner, dropper)
        make("queue/pid", 0o755)

    def _write(self, **values):
        for name, text in (("etc/main.cf", MAIN_CF),
                           ("etc/master.cf", MASTER_CF),
                           ("etc/sasl/smtpd.conf", SASL_CONF)):
            with open(os.path.join(self.folder, name), "w") as out:
                out.write(text % values)

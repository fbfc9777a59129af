"""postfix.py - a Postfix of our own, all of it below one directory; and one as
the upstream: STARTTLS on one port, TLS from the first byte on another, login by
Cyrus SASL. What it takes it gives to a lib.plainsink.PlainSink. Needs root."""
import grp
import os
import pwd
import shutil
import signal
import subprocess

from . import proc
from .bench import greeting
from .daemon import free_port, wait_for
from .fakegmail import HOST
from .pki import Pki

DAEMONS = "/usr/lib/postfix/sbin"
REALM = "submission.example.org"
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
          "incoming", "private", "saved", "trace")
START_SECONDS = 60
STOP_SECONDS = 60

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = %(folder)s/queue
data_directory = %(folder)s/data
daemon_directory = %(daemons)s
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = %(folder)s/log
maillog_file_prefixes = %(folder)s
import_environment = MAIL_CONFIG
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
message_size_limit = 36000000
smtpd_client_connection_count_limit = 0
"""

MASTER_CF = """\
127.0.0.1:%(port)d inet n - n - - smtpd
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


class Instance:
    """Below folder, on a free port, whatever the system's is doing. main and
    master: what stands in main.cf and master.cf beside what each needs."""

    def __init__(self, folder, main, master):
        self.folder = folder
        self.port = free_port()
        self.process = None
        self._make_folders()
        values = {"folder": folder, "daemons": DAEMONS, "port": self.port}
        self.write("etc/main.cf", MAIN_CF % values + main)
        self.write("etc/master.cf", MASTER_CF % values + master)

    @staticmethod
    def missing():
        """Why there can be none; None when there can."""
        if os.geteuid() != 0:
            return "Postfix needs root"
        if not os.access(DAEMONS + "/master", os.X_OK):
            return "Postfix is not installed"
        return None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as out:
            out.write(text)

    def _make_folders(self):
        owner = pwd.getpwnam("postfix").pw_uid
        dropper = grp.getgrnam("postdrop").gr_gid
        rows = [("etc", 0o755, 0, 0), ("queue", 0o755, 0, 0),
                ("queue/pid", 0o755, 0, 0), ("data", 0o700, owner, 0),
                ("queue/maildrop", 0o730, owner, dropper),
                ("queue/public", 0o710, owner, dropper)]
        rows += [("queue/" + name, 0o700, owner, 0) for name in QUEUES]
        for name, mode, uid, gid in rows:
            os.mkdir(self.path(name))
            os.chown(self.path(name), uid, gid)
            os.chmod(self.path(name), mode)

    def start(self):
        self.process = subprocess.Popen(
            [DAEMONS + "/master", "-c", self.path("etc"), "-d"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for(self._answers, START_SECONDS, "Postfix")
        return self

    def _answers(self):
        assert self.process.poll() is None, "Postfix ended: %s" % self.log()
        try:
            return greeting(self.port).startswith(b"220")
        except OSError:
            return False

    def log(self):
        try:
            with open(self.path("log"), errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def members(self):
        return proc.session_members(self.process.pid)

    def stop(self):
        """master ends all that it has started."""
        if self.process is None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
            wait_for(lambda: not self.members(), STOP_SECONDS,
                     "the end of Postfix")
        finally:
            self.kill()

    def kill(self):
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(STOP_SECONDS)
        self.process = None


UPSTREAM_MAIN = """\
myhostname = submission.example.org
local_recipient_maps =
mynetworks =

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

UPSTREAM_MASTER = """\
127.0.0.1:%(implicit)d inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
"""

SASL_CONF = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: %(folder)s/sasldb2
mech_list: PLAIN LOGIN
"""


class Postfix(Instance):
    """user and password are those of the one account; sink is where its mail
    goes; discard names extensions that it shall not offer."""

    user = "someone@" + REALM

    def __init__(self, t, sink, password, discard=""):
        reason = self.missing()
        if reason:
            t.skip(reason)
        t.need("saslpasswd2", "openssl")
        folder = t.path("postfix")
        self.password = password
        self.implicit_port = free_port()
        pki = Pki(os.path.join(folder, "pki"))
        self.ca_file = pki.ca_file
        certificate, key = pki.pair("valid")
        values = {"folder": folder, "realm": REALM, "discard": discard,
                  "implicit": self.implicit_port, "certificate": certificate,
                  "key": key, "sink": sink.port}
        super().__init__(folder, UPSTREAM_MAIN % values,
                         UPSTREAM_MASTER % values)
        os.mkdir(self.path("etc/sasl"), 0o755)
        self.write("etc/sasl/smtpd.conf", SASL_CONF % values)
        self.set_password(password)
        t.logs.append(self.path("log"))
        t.at_end.append(self.stop)

    def account(self, **over):
        """The account section that leads here, for Test.daemon()."""
        return dict({"username": self.user, "host": HOST, "port": self.port,
                     "ca_file": self.ca_file}, **over)

    def set_password(self, password):
        database = self.path("sasldb2")
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", database, "-u", REALM,
                        "someone"], input=password.encode(), check=True,
                       capture_output=True)
        shutil.chown(database, "postfix")

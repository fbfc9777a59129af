"""A reload changes the configuration of a daemon at work: no connection is
refused, nothing is lost, and what is wrong changes nothing."""
import os
import signal
import threading
import time

from lib.harness import main, scenario, wait_for
from lib.mail import without_received
from lib.smtpclient import Client, Refused, message


class Senders:
    """Threads that send messages until told to stop. taken holds what got its
    250, by Message-ID; refused_connections what must never happen."""

    def __init__(self, daemon, count=4):
        self.address = ("127.0.0.1", daemon.port)
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.taken = {}
        self.refused_connections = []
        self.threads = [threading.Thread(target=self._run, args=(i,),
                                         daemon=True) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, number):
        turn = 0
        while not self.ending.is_set():
            turn += 1
            try:
                self._session("s%d-%d" % (number, turn))
            except ConnectionRefusedError as error:
                self.refused_connections.append(str(error))
            except (Refused, OSError, AssertionError):
                pass  # 421, or closed in between: it will come again
            time.sleep(0.005)

    def _session(self, subject):
        data = message(subject=subject)
        with Client(self.address) as client:
            client.ehlo()
            if client.mail("a@example.org", ["b@example.net"],
                           data).code == 250:
                with self.lock:
                    self.taken[subject] = data

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(60)


@scenario(seconds=600)
def reloads_under_load_lose_and_refuse_nothing(t):
    fake = t.fake()
    daemon = t.daemon(fake, account={"messages_per_connection": 1000}).start()
    senders = Senders(daemon)
    for _ in range(5):
        before = len(senders.taken)
        wait_for(lambda: len(senders.taken) > before + 20, 60, "traffic")
        daemon.reload(60)
    senders.stop()
    t.equal(senders.refused_connections, [], "refused connections")
    fake.wait_messages(len(senders.taken), deadline=120)
    daemon.wait_queue_empty(60)
    got = {x.header("Subject")[0]: x for x in fake.messages}
    t.equal([x for x in senders.taken if x not in got], [], "missing mail")
    for subject, data in senders.taken.items():
        t.equal(without_received(got[subject].data), data, subject)
    t.clean(fake)


@scenario
def an_open_transaction_may_end(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    client = daemon.client()
    client.ehlo()
    client.expect("MAIL FROM:<a@example.org>", 250)
    client.expect("RCPT TO:<b@example.net>", 250)
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("reload")
    client.expect("DATA", 354)
    client.send(message() + b".\r\n")
    t.equal(client.reply().code, 250, "the message of before the reload")
    fake.wait_messages(1)
    client.close()
    wait_for(lambda: "reloaded=yes" in daemon.log_now(), 30, "the reload")


@scenario
def new_settings_count(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    port = daemon.port
    daemon.write_config(message_size="50K", max_recipients=1)
    daemon.reload()
    t.equal(daemon.port, port, "the port")
    with daemon.client() as client:
        t.equal(client.ehlo()["SIZE"], "51200", "SIZE")
        client.expect("MAIL FROM:<a@example.org>", 250)
        client.expect("RCPT TO:<b@example.net>", 250)
        client.expect("RCPT TO:<c@example.net>", 452)


@scenario
def a_new_upstream_counts_for_what_waits(t):
    first, second = t.fake(), t.fake()
    stall = first.rule("BANNER", action="stall")
    daemon = t.daemon(first).start()
    data = message()
    daemon.send(data)
    daemon.accounts[0]["port"] = second.port
    daemon.write_config()
    daemon.reload(60)
    t.equal(without_received(second.wait_messages(1)[0].data), data,
            "by the new one")
    stall.release()
    t.equal(first.messages, [], "not by the old one")


@scenario
def a_bad_configuration_changes_nothing(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    roles = daemon.wait_roles()
    for text in ("nonsense = 1\n", "", "account {\n",
                 daemon.config_text().replace("hostname", "hostnam")):
        log_before = daemon.log_now().count("refused")
        daemon.write_config(text)
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: daemon.log_now().count("refused") > log_before, 20,
                 "word of the bad configuration")
        t.equal(daemon.roles(), roles, "the roles")
        daemon.send(message())
    t.true("hostname" in daemon.log_now(), "the nearest right name is told")
    fake.wait_messages(4)
    daemon.write_config()
    daemon.reload()
    daemon.send(message())
    fake.wait_messages(5)


@scenario
def a_setting_that_is_missing_has_file_and_line(t):
    daemon = t.daemon(t.fake())
    for text, words in (
            ("hostnam = \"x\"\n", ("gmrelayd.conf:1:", "hostname")),
            ("# one\n\nlisten = {\"127.0.0.1:99999\"}\n",
             ("gmrelayd.conf:3:", "listen")),
            ("hostname = \"a\"\nhostname = \"b\"\n",
             ("gmrelayd.conf:2:", "hostname")),
            ("retry = {\"soon\"}\n", ("gmrelayd.conf:1:", "retry")),
            ("spool = \"${HOME}\"\n", ("gmrelayd.conf:1:",)),
            ("account {\n  username = \"bare\"\n}\n",
             ("gmrelayd.conf:2:", "username"))):
        daemon.write_config(text)
        status, said = daemon.check_config()
        t.equal(status, 1, "-t of %r" % text)
        for word in words:
            t.true(word in said, "%r is not in what -t says of %r: %s" % (
                word, text, said))
    daemon.write_config()
    t.equal(daemon.check_config()[0], 0, "-t of a good one")


@scenario
def reload_may_be_asked_for_by_the_control_socket(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.write_config(max_recipients=1)
    daemon.ask("reload")
    daemon.wait_log("reloaded=yes", 30)
    with daemon.client() as client:
        client.expect("MAIL FROM:<a@example.org>", 250)
        client.expect("RCPT TO:<b@example.net>", 250)
        client.expect("RCPT TO:<c@example.net>", 452)


@scenario
def a_second_instance_is_refused(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    second = t.daemon(fake, spool=daemon.spool)
    second.start(wait=False)
    t.true(second.wait_exit() != 0, "exit status")
    t.true(str(daemon.pid) in second.log(), "it names the first's pid")
    daemon.send(message())
    fake.wait_messages(1)


@scenario
def stop_ends_within_its_time(t):
    for number in (signal.SIGTERM, signal.SIGINT):
        fake = t.fake()
        stall = fake.rule("FINAL", action="stall")
        daemon = t.daemon(fake).start()
        daemon.send(message())
        fake.wait(lambda: stall.used, 20, "a message in the air")
        client = daemon.client()
        client.expect("MAIL FROM:<a@example.org>", 250)
        started = time.monotonic()
        os.kill(daemon.pid, number)
        t.equal(daemon.wait_exit(20), 0, "exit status")
        t.true(time.monotonic() - started < 9, "it took too long")
        client.close()
        stall.release()


if __name__ == "__main__":
    main()

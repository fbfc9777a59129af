"""bench.py - the programs of tests/bench: load hands in mail, sink takes it."""
import os
import signal
import socket
import subprocess

from .daemon import free_port, wait_for
from .fakegmail import HOST

PROGRAMS = os.path.join(os.environ.get("top_builddir", "."), "tests", "bench")


def greeting(port):
    """The first octets of a server's greeting."""
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        return sock.recv(3)


def parse(line):
    """"messages=3 rate=2.5" -> {"messages": 3.0, "rate": 2.5}"""
    return {key: float(value) for key, value in
            (word.split("=") for word in line.split())}


class Sink:
    """An upstream that counts. pki: a lib.pki.Pki; without it there is no TLS.
    how: options, as round_trip_ms=30."""

    OPTIONS = {"round_trip_ms": "-r", "work_ms": "-w", "arrivals": "-l"}

    def __init__(self, pki=None, port=None, **how):
        self.port = port or free_port()
        command = [os.path.join(PROGRAMS, "sink"), "-p", str(self.port)]
        if pki:
            certificate, key = pki.pair("valid")
            command += ["-c", certificate, "-k", key]
        for name, value in how.items():
            command += [self.OPTIONS[name], str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().startswith("ready")

    def figures(self):
        self.process.send_signal(signal.SIGUSR1)
        return parse(self.process.stdout.readline())

    def wait_messages(self, count, deadline=120):
        wait_for(lambda: self.figures()["messages"] >= count, deadline,
                 "%d messages upstream" % count)
        return self.figures()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process.stdout.close()
        self.process = None


def account(port, ca_file, connections=1):
    """What leads to a Sink, without any gap or daily limit."""
    return {"username": "someone@gmail.com", "host": HOST, "port": port,
            "ca_file": ca_file, "connections": connections,
            "messages_per_connection": 100000}


def load(port, clients=1, messages=100, size=4096, keep=False, arrivals=None,
         rate=None, timeout=600):
    """Hands in messages; returns load's figures. All must be taken."""
    command = [os.path.join(PROGRAMS, "load"), "-p", str(port), "-c",
               str(clients), "-m", str(messages), "-s", str(size)]
    command += ["-k"] if keep else []
    command += ["-a", arrivals] if arrivals else []
    command += ["-r", str(rate)] if rate else []
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=timeout)
    assert done.returncode == 0, "load: %s%s" % (done.stdout, done.stderr)
    return parse(done.stdout)

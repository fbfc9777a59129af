"""cases.py - what bench.py measures, one class a measurement: run() starts a
peer in a new folder, measures once and returns {row of the table: value}."""
import os
import time

from lib import bench as programs
from lib.daemon import free_port, wait_for

from peers import Gmrelayd, Nothing, running

DRAIN_SECONDS = 600
IDLE_SECONDS = 10
SETTLE_SECONDS = 3
FAR_MESSAGES = 400
FAR = {"round_trip_ms": 30, "work_ms": 300}
LATENCY_MESSAGES = 150
LATENCY_RATE = 20
SMALL = 1024


class Accept:
    """Nothing is upstream: what is taken is stored."""

    def __init__(self, clients):
        self.clients = clients
        self.name = "accept%d" % clients
        self.row = "accepted messages/s, %d client%s" % (
            clients, "s" if clients > 1 else "")

    def applies_to(self, peer):
        return peer.relays or peer is Nothing or \
            self.clients in getattr(peer, "measured", ())

    def run(self, bench, peer):
        folder = bench.new_folder(peer.name)
        if not peer.relays and peer is not Nothing:
            return {self.row: peer.rate(folder, bench.size, self.clients)}
        messages = bench.messages if self.clients > 1 else \
            max(bench.messages // 4, 1)
        with running(peer, folder, bench.pki, free_port()) as relay:
            found = programs.load(relay.port, self.clients, messages,
                                  bench.size)
        return {self.row: found["rate"]}


class RelayCase:
    @staticmethod
    def applies_to(peer):
        return peer.relays


class Deliver(RelayCase):
    """From the first connection of a client to the last 250 upstream."""

    name = "deliver"

    def run(self, bench, peer):
        sink = programs.Sink(bench.pki)
        try:
            with running(peer, bench.new_folder(peer.name), bench.pki,
                         sink.port) as relay:
                before = relay.cpu_s()
                found = programs.load(relay.port, 20, bench.messages,
                                      bench.size)
                end = sink.wait_messages(bench.messages, DRAIN_SECONDS)
                cpu_s = relay.cpu_s() - before
        finally:
            sink.stop()
        return {"delivered messages/s, near upstream":
                bench.messages / (end["last"] - found["begin"]),
                "CPU a message, ms": cpu_s / bench.messages * 1e3}


class Far(RelayCase):
    """To a server 30 ms away that works 300 ms on a message: 20 connections
    take 66 a second at most."""

    name = "far"

    def run(self, bench, peer):
        sink = programs.Sink(bench.pki, **FAR)
        try:
            with running(peer, bench.new_folder(peer.name), bench.pki,
                         sink.port) as relay:
                found = programs.load(relay.port, 20, FAR_MESSAGES, bench.size)
                end = sink.wait_messages(FAR_MESSAGES, DRAIN_SECONDS)
        finally:
            sink.stop()
        return {"delivered messages/s, far upstream":
                FAR_MESSAGES / (end["last"] - found["begin"])}


class Latency(RelayCase):
    """One message at a time."""

    name = "latency"

    def run(self, bench, peer):
        folder = bench.new_folder(peer.name)
        arrivals = os.path.join(bench.folder, "arrivals%d" % bench.count)
        sink = programs.Sink(bench.pki, arrivals=arrivals)
        try:
            with running(peer, folder, bench.pki, sink.port) as relay:
                found = programs.load(relay.port, 1, LATENCY_MESSAGES, SMALL,
                                      rate=LATENCY_RATE, arrivals=arrivals)
        finally:
            sink.stop()
        assert found["arrived"] == LATENCY_MESSAGES, "not all have arrived"
        return {"arrival upstream after the 250, median, ms":
                found["arrival_p50_ms"],
                "arrival upstream after the 250, 99 %, ms":
                found["arrival_p99_ms"]}


class Idle(RelayCase):
    name = "idle"

    def run(self, bench, peer):
        with running(peer, bench.new_folder(peer.name), bench.pki,
                     free_port()) as relay:
            time.sleep(SETTLE_SECONDS)
            memory, before = relay.memory_mb(), relay.switches()
            time.sleep(IDLE_SECONDS)
            woken = relay.switches() - before
        return {"memory idle (Pss_Anon), MB": memory,
                "wake-ups a minute, idle": woken * 60 / IDLE_SECONDS}


class Backlog(RelayCase):
    """What was taken while nothing was upstream leaves after a restart."""

    name = "backlog"

    def run(self, bench, peer):
        port = free_port()
        with running(peer, bench.new_folder(peer.name), bench.pki,
                     port) as relay:
            programs.load(relay.port, 20, bench.backlog, SMALL)
            relay.stop()
            sink = programs.Sink(bench.pki, port)
            try:
                relay.start()
                relay.flush()
                end = sink.wait_messages(bench.backlog, DRAIN_SECONDS)
            finally:
                sink.stop()
        return {"a backlog of %d leaves, messages/s" % bench.backlog:
                bench.backlog / (end["last"] - end["first"])}


class Queue:
    """A long queue: gmrelayd alone, for others take very long to be given it.
    The time is that from the start of the program to the first 250."""

    name = "queue"

    @staticmethod
    def applies_to(peer):
        return peer is Gmrelayd

    def run(self, bench, peer):
        port = free_port()
        folder = bench.new_folder(peer.name)
        arrivals = os.path.join(bench.folder, "arrivals%d" % bench.count)
        with running(peer, folder, bench.pki, port) as relay:
            programs.load(relay.port, 20, bench.queue, SMALL)
            wait_for(lambda: relay.daemon.queued() == bench.queue,
                     DRAIN_SECONDS, "a long queue")
            memory = relay.memory_mb()
            relay.stop()
            sink = programs.Sink(bench.pki, port, arrivals=arrivals)
            try:
                begin = time.monotonic()
                relay.start()
                sink.wait_messages(1, DRAIN_SECONDS)
                sink.stop()
            finally:
                sink.stop()
        with open(arrivals, encoding="ascii") as lines:
            first = float(lines.readline().split()[0])
        return {"memory with %d queued (Pss_Anon), MB" % bench.queue: memory,
                "first delivery after a restart with %d queued, s" %
                bench.queue: first - begin}


CASES = [Accept(1), Accept(20), Accept(100), Deliver(), Far(), Latency(),
         Idle(), Backlog(), Queue()]

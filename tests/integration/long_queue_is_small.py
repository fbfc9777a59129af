"""A long queue costs little memory: 160 octets a message in the relay, nothing in
the receiver; and nothing more for listing it or for starting with it."""
import os

from lib import bench, proc
from lib.harness import SANITIZED, main, print_comment, scenario

# QUEUE=100000, or 1000000, to see the real thing
MESSAGES = int(os.environ.get("QUEUE", "20000"))
OCTETS_A_MESSAGE = 160
# buffers that grew with what came at once, and what malloc keeps
MORE_KB = 1024
TOTAL_KB = 2048
CLIENTS = 50
PAGE = 200


def sizes(t, daemon):
    """{"receiver": KiB, "relay": KiB}"""
    found = {role: proc.pss_anon_kb(pid)
             for role, pid in daemon.wait_roles().items()}
    if None in found.values():
        t.skip("smaps_rollup of the roles can be read by root only")
    return found


def count_pages(daemon):
    """The rows of all pages, each asked for by the last id of the one before."""
    rows, more, after = 0, True, {}
    while more:
        *page, end = daemon.ask("queue.list", limit=PAGE, **after)
        rows += len(page)
        more = end.get("more")
        after = {"after": page[-1]["message"]["id"]} if page else {}
    return rows


@scenario(seconds=600)
def memory_of_a_long_queue(t):
    if SANITIZED:
        t.skip("sanitizers have memory of their own")
    daemon = t.daemon(
        account=bench.account(bench.free_port(), t.fake().ca_file),
        backoff=["600s", "600s"])
    daemon.write_password("secret")
    daemon.start()
    sizes(t, daemon)
    bench.load(daemon.port, CLIENTS, MESSAGES, 600, keep=True)
    most = MESSAGES * OCTETS_A_MESSAGE // 1024
    for when in ("taken", "listed", "started with"):
        t.wait_for(lambda: daemon.queued() == MESSAGES and
                   not daemon.status()["queue"]["starting"], 120,
                   "all of them in the queue")
        if when == "listed":
            t.equal(count_pages(daemon), MESSAGES, "rows on all pages")
        now = sizes(t, daemon)
        print_comment("%d messages %s: %s" % (MESSAGES, when, now))
        t.true(now["relay"] <= MORE_KB + most,
               "the relay, %s: %r KiB" % (when, now))
        t.true(now["receiver"] <= TOTAL_KB,
               "the receiver, %s: %r KiB" % (when, now))
        if when == "listed":
            daemon.stop(60)
            daemon.start(60)


if __name__ == "__main__":
    main()

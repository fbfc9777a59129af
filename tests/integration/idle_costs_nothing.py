"""An idle daemon with an empty queue never wakes up and is small."""
import os
import time

from lib import proc
from lib.harness import SANITIZED, main, print_comment, scenario, wait_for
from lib.smtpclient import message

IDLE_SECONDS = int(os.environ.get("IDLE_SECONDS", "60"))
# Measured: 1330 after the start, 1840 after some mail. A third of the first is
# what the linker writes into libcrypto, more or less of it elsewhere.
PSS_ANON_START_MAX_KB = 1792
PSS_ANON_MAX_KB = 2048


def everybody(daemon):
    return proc.session_members(daemon.pid)


def switches(daemon):
    """{(pid, thread): voluntary context switches} of all processes."""
    return {(pid, thread): count for pid in everybody(daemon)
            for thread, count in proc.voluntary_switches(pid).items()}


def measure(t, daemon, what):
    before = switches(daemon)
    t.true(len(before) >= 3, "a parent and two roles are seen: %r" % before)
    time.sleep(IDLE_SECONDS)  # the measure itself, not a wait
    after = switches(daemon)
    woken = {key: count - before.get(key, 0) for key, count in after.items()
             if count != before.get(key, 0)}
    t.equal(woken, {}, "%s: wake-ups of %s in %d s" % (
        what, [proc.name(pid) for pid, _ in woken], IDLE_SECONDS))


def settle(daemon):
    """Until nothing happened for five seconds: connections end, threads go."""
    def still():
        before = switches(daemon)
        time.sleep(5)
        return switches(daemon) == before

    wait_for(still, 120, "rest")


def saved_since(daemon, when):
    """Was the account's ledger saved? It is, once, a minute after work."""
    folder = os.path.join(daemon.spool, "state")
    return any(os.stat(os.path.join(folder, name)).st_mtime >= when
               for name in os.listdir(folder))


def size_kb(daemon):
    sizes = [proc.pss_anon_kb(pid) for pid in everybody(daemon)]
    return None if None in sizes else sum(sizes)


@scenario(seconds=600)
def no_wake_up_after_the_start_and_after_work(t):
    if SANITIZED:
        t.skip("it is the same without sanitizers")
    fake = t.fake()
    daemon = t.daemon(fake).start()
    settle(daemon)
    measure(t, daemon, "after the start")
    for _ in range(20):
        daemon.send(message())
    fake.wait_messages(20)
    daemon.wait_queue_empty()
    done = time.time()
    wait_for(lambda: saved_since(daemon, done), 120, "the saved ledger")
    fake.wait(lambda: all(x.ended for x in fake.sessions), 90,
              "the end of the connection upstream")
    settle(daemon)
    measure(t, daemon, "after some mail")


@scenario(seconds=600)
def idle_memory_is_small(t):
    if SANITIZED:
        t.skip("sanitizers have memory of their own")
    fake = t.fake()
    daemon = t.daemon(fake).start()
    settle(daemon)
    size = size_kb(daemon)
    if size is None:
        t.skip("smaps_rollup of the relay can be read by root only")
    print_comment("Pss_Anon after the start: %d KiB" % size)
    t.true(size <= PSS_ANON_START_MAX_KB,
           "Pss_Anon after the start: %d KiB" % size)
    for _ in range(20):
        daemon.send(message())
    fake.wait_messages(20)
    fake.wait(lambda: all(x.ended for x in fake.sessions), 90,
              "the end of the connection upstream")
    settle(daemon)
    size = size_kb(daemon)
    print_comment("Pss_Anon after some mail: %d KiB" % size)
    t.true(size <= PSS_ANON_MAX_KB, "Pss_Anon after some mail: %d KiB" % size)


if __name__ == "__main__":
    main()

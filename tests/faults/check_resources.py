"""Descriptors, threads and room on the disk that are exhausted, and directories that cannot be written
or are gone."""

import resource
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import check_memory
import inject
import world
from harness import check, equal, mount_over, wait_for
from sweep import said, sweep

# More than a bounce may have in memory: it goes to /var/tmp.
LARGE = check_memory.BOUNCE.replace(
    b"Subject: hello\r\n", b"".join(b"X-%d: %s\r\n" % (i, b"y" * 900) for i in range(400)))


def large_bounce(_):
    return lambda d: world.send(d, session=check_memory.OWN, sender="", rcpts=["<a@b.example>"],
                                headers=[check_memory.BOUNCE_TYPE, ("MIME-Version", "1.0")], body=LARGE)


def wants(d, fresh, what):
    """A message that requires TLS for each kind of domain; what each was told."""
    return {kind: world.send(d, params=["REQUIRETLS"],
                             rcpts=[f"<b@{kind if '.' in kind else fresh(kind)}>"]) for kind in what}


RIGHT = {"dane": ("accepted", "deferred"), "plain": ("refused", "deferred"),
         "sts.test": ("accepted", "deferred")}


def all_right(outcomes):
    for kind, outcome in outcomes.items():
        check(outcome[0] in RIGHT[kind], f"{kind}: {outcome}")


def all_well(d, our_world, seconds=30):
    """Waits until the daemon serves as if nothing had been."""
    def served():
        got = wants(d, our_world.fresh, ("dane", "plain"))
        return got["dane"][0] == "accepted" and got["plain"][0] == "refused"
    wait_for(served, "all to be as before", seconds)


def few_descriptors(table, our_world):
    """RLIMIT_NOFILE of the running daemon, from what it has open to that and some more."""
    told = {}
    with world.Daemon(our_world) as d:
        all_well(d, our_world)
        limits = resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE)
        for more in range(0, 9):
            world.purge(d, "sts.test")
            used = {int(fd.name) for fd in Path(f"/proc/{d.process.pid}/fd").iterdir()}
            free = [number for number in range(1024) if number not in used]
            resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (free[more], limits[1]))
            got = wants(d, our_world.fresh, ("dane", "plain", "sts.test") if more else ("dane",))
            resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, limits)
            check(d.process.poll() is None, f"the daemon ended:\n{d.log()[-3000:]}")
            all_right(got)
            for outcome in got.values():
                told[outcome[0]] = told.get(outcome[0], 0) + 1
            all_well(d, our_world)
        table.row("no descriptor left, to 8 left (RLIMIT_NOFILE)", str(told)[1:-1].replace("'", ""),
                  said(d, "(error|warning):"), "as soon as there are some")


def few_threads(table, our_world):
    """No thread for another client: libmilter, which has some in stock, lets the others wait."""
    with world.Daemon(our_world) as d:
        all_well(d, our_world)
        d.injector.arm(inject.THREAD, 1, lasting=True)
        d.answer_s = 5
        got = together(d, our_world, 24)
        asked = world.ask(d, f"enforce {our_world.fresh('dane')}")
        _, failed = d.injector.disarm()
        check(failed > 0, "no thread was wanted")
        told = {}
        for outcomes in got:
            for kind, outcome in outcomes.items():
                told[outcome[0]] = told.get(outcome[0], 0) + 1
                # Who waits for a thread waits as long as the MTA lets it.
                check(outcome[0] in (*RIGHT[kind], "nothing"), f"{kind}: {outcome}")
        d.answer_s = 30
        equal(asked, ("answered", "OK dane-only"), "the map, which needs no thread")
        all_well(d, our_world)
        table.row("no thread for another client", str(told)[1:-1].replace("'", "") + " within 5 s; maps are served",
                  said(d, "(error|warning):"), "as soon as there are some")


def together(d, our_world, count):
    """So many clients at once."""
    got = []
    clients = [threading.Thread(target=lambda: got.append(
        wants(d, our_world.fresh, ("dane", "plain")))) for _ in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return got


class SmallDisk:
    """A tmpfs, seen by this test alone; over a directory, or one of its own."""

    def __init__(self, size, path=None):
        self.path = Path(path or tempfile.mkdtemp(prefix="rtls-disk-"))
        self.mine = path is None
        self.size = size

    def __enter__(self):
        subprocess.run(["sh", "-ec", mount_over(self.path, "-o", f"size={self.size},mode=1777")], check=True)
        return self

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True)

    def fill(self):
        with open(self.path / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)
        if self.mine:
            self.path.rmdir()


def no_room_for_bounces(table, our_world):
    """/var/tmp is full: a large bounce waits, its body is not sent."""
    with SmallDisk("64k", "/var/tmp") as disk, world.Daemon(our_world) as d:
        disk.fill()
        got = large_bounce(None)(d)
        equal(got[0], "deferred", got)
        small = check_memory.bounce(None)(d)
        equal(small[0], "accepted", "one that fits into memory")
        disk.remount("size=8m")
        got = large_bounce(None)(d)
        equal((got[0], b"secret" in str(got).encode()), ("accepted", False))
        table.row("no room for a bounce's body", "deferred", said(d, "(error|warning):"), "at once")


def store_is_full(table, our_world):
    """The store's disk is full: no mail waits for it, and policies are kept in memory."""
    with SmallDisk("64k") as disk:
        with world.Daemon(our_world, f"[cache]\nstore = sqlite:{disk.path}/cache.db\n") as d:
            disk.fill()
            got = [world.send(d, params=["REQUIRETLS"], rcpts=["<b@sts.test>"]) for _ in range(2)]
            check(all(o[0] == "accepted" for o in got), got)
            wait_for(lambda: d.logged("disk is full"), "the warning")
            all_well(d, our_world)
            (disk.path / "filler").unlink()
            disk.remount("size=8m")
            world.purge(d, "sts.test")
            got = world.send(d, params=["REQUIRETLS"], rcpts=["<b@sts.test>"])
            equal(got[0], "accepted", got)
            table.row("no room for the store", "as without", said(d, "(error|warning):"), "at once")
        kept_over_restart(our_world, disk.path / "cache.db")


def kept_over_restart(our_world, path):
    """A policy that was saved is in force although its host says nothing more."""
    our_world.policy_host.hold = "tls"
    try:
        with world.Daemon(our_world, f"[cache]\nstore = sqlite:{path}\n") as d:
            got = world.send(d, params=["REQUIRETLS"], rcpts=["<b@sts.test>"])
            equal(got[0], "accepted", f"a policy from the store: {got}")
    finally:
        our_world.policy_host.hold = None


def store_is_read_only(table, our_world):
    with SmallDisk("8m") as disk:
        path = disk.path / "cache.db"
        config = f"[cache]\nstore = sqlite:{path}\n"
        with world.Daemon(our_world, config) as d:
            equal(world.send(d, params=["REQUIRETLS"], rcpts=["<b@sts.test>"])[0], "accepted")
        disk.remount("ro")
        with world.Daemon(our_world, config) as d:
            for _ in range(2):
                equal(world.send(d, params=["REQUIRETLS"], rcpts=["<b@sts.test>"])[0], "accepted")
            world.purge(d, "sts.test")
            equal(world.send(d, params=["REQUIRETLS"], rcpts=["<b@sts.test>"])[0], "accepted")
            wait_for(lambda: d.logged("readonly database"), "the warning")
            all_well(d, our_world)
            table.row("the store's directory is read-only", "as without", said(d, "(error|warning):"),
                      "at the next start")
        disk.remount("rw")
        kept_over_restart(our_world, path)


def store_is_gone(table, our_world):
    """Its directory is taken away under the running daemon."""
    directory = Path(tempfile.mkdtemp(prefix="rtls-store-"))
    with world.Daemon(our_world, f"[cache]\nstore = sqlite:{directory}/cache.db\n") as d:
        shutil.rmtree(directory)
        for _ in range(2):
            equal(world.send(d, params=["REQUIRETLS"], rcpts=["<b@sts.test>"])[0], "accepted")
        all_well(d, our_world)
        table.row("the store's directory is gone", "as without", said(d, "(error|warning):"),
                  "at the next start")


def sockets_are_gone(table, our_world):
    """The directory of the sockets is taken away: no client reaches the daemon, which a restart mends."""
    with world.Daemon(our_world) as d:
        d.path.unlink()  # the file is the only way to it
        try:
            d.session()
        except OSError as error:
            told = type(error).__name__
        else:
            raise AssertionError("a socket that is not there")
        d.stop()
        d.log_path.unlink()
        d.start()
        all_well(d, our_world)
        table.row("the milter's socket is removed", f"{told}: the MTA defers", said(d, "(error|warning):"),
                  "at the next start")


# The calls of each kind are few: all of them are tried each time.
SWEEPS = [
    (inject.DESCRIPTOR, ("a message that can be sent", "dane", check_memory.asks, ("accepted", None))),
    (inject.DESCRIPTOR, ("a message that cannot", "plain", check_memory.asks, ("refused", "550 5.7.10"))),
    (inject.DESCRIPTOR, ("a message by an MTA-STS policy", "sts", check_memory.asks, ("accepted", None))),
    (inject.DESCRIPTOR, ("a bounce of 360 kB", None, large_bounce, ("accepted", None))),
    (inject.DISK, ("a bounce of 360 kB", None, large_bounce, ("accepted", None))),
]


def run(suite, table, our_world, full):
    for what, case in SWEEPS:
        suite.run(f"resources: {['memory', 'descriptors', 'threads', 'disk'][what]}, {case[0]}", sweep,
                  table, our_world, what, 1 << 30 if full else 40, case,
                  "(error|warning):")
    for name, function in (("descriptors are exhausted", few_descriptors),
                           ("threads are exhausted", few_threads),
                           ("no room for bounces", no_room_for_bounces),
                           ("the store's disk is full", store_is_full),
                           ("the store is read-only", store_is_read_only),
                           ("the store's directory is gone", store_is_gone),
                           ("the milter's socket is gone", sockets_are_gone)):
        suite.run("resources: " + name, function, table, our_world)

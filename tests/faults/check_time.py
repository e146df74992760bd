"""The wall clock a year ahead or back, while the daemon runs and at a start; and signals at random
under load."""

import random
import signal
import tempfile
import threading
import time
from pathlib import Path

import world
from check_resources import all_well
from harness import check, equal
from sweep import said

YEAR_S = 365 * 86400


def clock(table, our_world, offset_s, text):
    directory = tempfile.mkdtemp(prefix="rtls-clock-")
    store = f"[cache]\nstore = sqlite:{directory}/cache.db\n"
    sts = {"params": ["REQUIRETLS"], "rcpts": ["<b@sts.test>"]}
    with world.Daemon(our_world, store) as d:
        equal(world.send(d, **sts)[0], "accepted")
        d.injector.clock(offset_s)
        all_well(d, our_world)
        equal(world.send(d, **sts)[0], "accepted", "a policy in force")
        our_world.policy_host.hold = "tls"
        equal(world.send(d, **sts)[0], "accepted", "a policy in force, whose host is away")
        our_world.policy_host.hold = None
        world.purge(d, "sts.test")
        running = world.send(d, **sts)
        check(running[0] in ("accepted", "deferred"), running)
        all_well(d, our_world)
    with world.Daemon(our_world, store) as d:
        d.injector.clock(-offset_s)  # what was saved is now of another time
        world.purge(d, "sts.test")
        got = world.send(d, **sts)
        check(got[0] in ("accepted", "deferred"), got)
        d.injector.clock(0)
        all_well(d, our_world)
        log = said(d, "(error|warning):")
    # A start at another time: the store's policies, and certificates that are not yet valid.
    with world.Daemon(our_world, store, offset_s=offset_s) as d:
        got = world.send(d, **sts)
        check(got[0] in ("accepted", "deferred"), got)
        all_well(d, our_world)
        table.row(f"the wall clock jumps {text}",
                  f"as without; a policy that must be fetched: {running[0]}; after a start: {got[0]}",
                  log, "at once")


class Load(threading.Thread):
    """A client that sends and sends; what it was told is right or deferred."""

    def __init__(self, d, our_world, kind, over):
        super().__init__(daemon=True)
        self.d, self.our_world, self.kind, self.over = d, our_world, kind, over
        self.told = {}
        self.wrong = []

    def run(self):
        while not self.over.is_set():
            domain = self.our_world.fresh(self.kind)
            got = ("deferred", "no connection")
            try:
                got = world.send(self.d, params=["REQUIRETLS"], rcpts=[f"<b@{domain}>"])
            except OSError:
                time.sleep(0.02)
            right = "accepted" if self.kind == "dane" else "refused"
            self.told[got[0]] = self.told.get(got[0], 0) + 1
            if got[0] not in (right, "deferred"):
                self.wrong.append(got)


def signals(table, our_world, rounds):
    """Each round: load, and TERM, USR1 or KILL at a random moment; after TERM and KILL a start."""
    rand = random.Random(9)
    over = threading.Event()
    with world.Daemon(our_world) as d:
        clients = [Load(d, our_world, kind, over) for kind in ("dane", "plain") * 4]
        for client in clients:
            client.start()
        sent = {}
        for number in [signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL] * rounds:
            time.sleep(rand.random() * 0.3)
            sent[number.name] = sent.get(number.name, 0) + 1
            d.signal(number)
            if number == signal.SIGUSR1:
                continue
            if number == signal.SIGTERM and rand.random() < 0.3:
                d.signal(signal.SIGTERM)  # the second hurries
            d.ended(0 if number == signal.SIGTERM else -signal.SIGKILL)
            d.log_path.unlink()
            d.start()
        over.set()
        for client in clients:
            client.join(60)
        told = {}
        for client in clients:
            check(not client.wrong, client.wrong[:5])
            for what, count in client.told.items():
                told[what] = told.get(what, 0) + count
        all_well(d, our_world)
        table.row("under load: " + ", ".join(f"{n} {name}" for name, n in sent.items()),
                  ", ".join(f"{n} {what}" for what, n in told.items()), said(d, "(error|warning):"),
                  "after a start")


def run(suite, table, our_world, full):
    suite.run("time: the wall clock jumps a year ahead", clock, table, our_world, YEAR_S,
              "a year ahead")
    suite.run("time: the wall clock jumps a year back", clock, table, our_world, -YEAR_S, "a year back")
    suite.run("time: signals at random under load", signals, table, our_world, 40 if full else 5)

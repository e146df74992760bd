"""Two hundred sessions at once through each Postfix, with reloads and stops in the middle.

Every client gets the right reply, what was accepted arrives exactly once, nothing is left in the
queue, and the milter is afterwards what it was before.
"""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import layout
import procs
from held import HeldResolver
from load import CONFIG, Load
from scenario import check, expect, scenario

BOTH = ("3.11", "3.7")
ROUNDS = 3
GROWTH_KB = 1500  # what the allocator may keep more after the last round than after the second


def sanitized(pid):
    """Whether that process has a sanitizer in it, which needs memory for its own bookkeeping."""
    return "san.so" in Path(f"/proc/{pid}/maps").read_text()


def footprint(pid):
    """Threads, open files, resident kilobytes of a process."""
    status = dict(line.split(":", 1) for line in
                  Path(f"/proc/{pid}/status").read_text().splitlines())
    return (int(status["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir())),
            int(status["VmRSS"].split()[0]))


def good(load):
    faults, arrived = load.check()
    check(not faults, f"{len(faults)} faults; " + "; ".join(faults[:8]))
    check(arrived > load.sessions / 2, f"only {arrived} copies were to arrive")


def each(name):
    def register(function):
        for mta_name in BOTH:
            scenario(f"parallel {mta_name}: {name}")(
                lambda lab, mta_name=mta_name: function(lab, lab.mtas[mta_name]))
        return function
    return register


@each("200 sessions, several rounds, and nothing grows")
def _(lab, mta):
    running = lab.milter(CONFIG, fresh=True)
    pid = running.process.pid
    procs.wait_for(lambda: ": ready" in running.log(), "all its threads")
    before = footprint(pid)
    seen = []
    for number in range(2 if sanitized(pid) else ROUNDS):
        good(Load(lab, mta, running.slot, seed=number).run())
        # Postfix lets go of its connections, and libmilter of its threads, within seconds.
        procs.wait_for(lambda: footprint(pid)[1] <= before[1] + 2
                       and footprint(pid)[0] <= before[0] + 4, "files and threads to be given back")
        seen.append(footprint(pid))
    if not sanitized(pid):
        check(seen[-1][2] <= seen[1][2] + GROWTH_KB, f"threads, files, kB: {before}, {seen}")


@each("reloads in the middle, every other file bad")
def _(lab, mta):
    running = lab.milter(CONFIG, fresh=True)
    good_files = itertools.cycle((CONFIG + "[rule one]\nnexthop = one.test\nlevel = disable\n",
                                  CONFIG + "[rule two]\nnexthop = two.test\nlevel = disable\n"))
    # Taken over, this would let pass what must be refused.
    bad = CONFIG + "[default]\nlevel = disable\non_undecided = log\nno_such_key = 1\n"
    counted = 0

    def reload_often(over):
        nonlocal counted
        while not over():
            running.reload(next(good_files) if counted % 2 else bad)
            counted += 1
            time.sleep(0.2)
        counted += counted % 2
        running.reload(CONFIG + "[rule last]\nnexthop = plain.test\nlevel = disable\n")

    good(Load(lab, mta, running.slot, messages=6).run(reload_often))
    check(counted >= 6, f"only {counted} reloads")
    log = running.log()
    check(log.count("no_such_key") >= 2, "no bad file was read")
    check(log.count("reloaded ") >= 2, "no good file was taken over")
    procs.wait_for(lambda: lab.ask(mta, "bob@plain.test", running.slot).ok,
                   "the last file to be in force")


def at_the_end(lab, mta, running, pool, hops):
    """A client for each hop, whose message waits at its end; the futures of their replies."""
    clients = []
    for hop in hops:
        client = lab.client(mta, running.slot)
        client.ehlo()
        client.starttls()
        client.mail("alice@sender.test", "REQUIRETLS")
        expect(client.rcpt(f"bob@{hop}"), (250,), f"RCPT of {hop}")
        clients.append(client)
    return [pool.submit(c.data, lab.message(lab.token())) for c in clients]


HELD = f"""
[milter]
rcpt_wait = 1ms
eom_wait = 120s
[mta_sts]
enable = no
[dns]
resolvers = {layout.RESOLVER_HELD}
timeout = 60s
"""
HOPS = ("dane.test", "plain.test", "dane-ta.test", "nullmx.test")
TOLD = {"dane.test": 250, "plain.test": 550, "dane-ta.test": 250, "nullmx.test": 556}


@each("SIGTERM while messages wait at their end: they are let end")
def _(lab, mta):
    with HeldResolver(*HOPS) as resolver, ThreadPoolExecutor(64) as pool:
        running = lab.milter(HELD, fresh=True)
        late = lab.client(mta, running.slot)
        late.ehlo()
        late.starttls()
        hops = HOPS * 12
        told = at_the_end(lab, mta, running, pool, hops)
        running.ask_to_stop()
        procs.wait_for(lambda: f"waiting for {len(hops)} messages" in running.log(), "the drain")
        expect(late.mail("alice@sender.test"), (451, "4.3.2"), "a message that begins now")
        check(not any(f.done() for f in told), "some did not wait")
        resolver.release()
        wait(told, 60)
        expect([f.result(1).code for f in told], [TOLD[h] for h in hops], "their replies")
        expect(running.process.wait(30), 0, "the exit status")
        procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
        expect(len(lab.arrivals.all()), 24, "arrivals")


@each("a second SIGTERM while messages wait: they are deferred, with an answer")
def _(lab, mta):
    with HeldResolver(*HOPS) as resolver, ThreadPoolExecutor(64) as pool:
        running = lab.milter(HELD, fresh=True)
        hops = HOPS * 12
        told = at_the_end(lab, mta, running, pool, hops)
        running.ask_to_stop()
        procs.wait_for(lambda: f"waiting for {len(hops)} messages" in running.log(), "the drain")
        running.process.terminate()
        wait(told, 60)
        for future in told:
            expect(future.result(1), (451, "4.3.2", "is being restarted"), "data")
        expect(running.process.wait(30), 0, "the exit status")
        resolver.release()
        expect((mta.queued(), lab.arrivals.all()), ({}, []), "queue and arrivals")

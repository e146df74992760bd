"""One message or request, with a call of the daemon failing: each call of a kind in turn, once or from
there on. Nobody may be told better than without the fault, and the daemon goes on."""

import collections
import json
import re
import time

import inject
import world
from harness import Failure, check

RECOVERY_S = 30
NAMES = {inject.MEMORY: "allocation", inject.DESCRIPTOR: "descriptor", inject.THREAD: "thread",
         inject.DISK: "write"}


def plausible(outcome, wanted):
    if outcome[0] != wanted[0]:
        return False
    return wanted[1] is None or outcome[1] == wanted[1] or (
        isinstance(wanted[1], str) and outcome[1].startswith(wanted[1]))


def from_json(outcome):
    """The answers of all maps, which an object of JSON holds, in place of its text."""
    if outcome[0] != "answered" or not outcome[1].startswith("OK {"):
        return outcome
    answers = json.loads(outcome[1][3:])["answers"]
    if any(answer is None or answer.startswith("TEMP ") for answer in answers.values()):
        return ("deferred", "an object that says so")
    return ("answered", "OK {" + str(answers))


def comparable(outcome):
    """Without what differs from lookup to lookup."""
    return re.sub(r"(dane|plain|broken)-\d+\.test", "DOMAIN", repr(outcome))


class Sweep:
    """One case, failing at each allocation of its path."""

    def __init__(self, d, what, kind, make, wanted, others=()):
        self.d, self.what = d, what
        self.kind, self.make, self.wanted, self.others = kind, make, wanted, others
        self.told = collections.Counter()
        self.troubles = []
        self.baseline = None

    def domain(self):
        if self.kind == "sts":
            world.purge(self.d, "sts.test")
            return "sts.test"
        return self.d.world.fresh(self.kind) if self.kind else "b.example"

    def once(self, fail_at, lasting):
        """Returns the calls counted and those that failed."""
        domain = self.domain()
        made = self.make(domain)

        def run(d):
            return from_json(made(d))
        self.d.injector.arm(self.what, fail_at, lasting)
        outcome = run(self.d)
        counted = self.d.injector.disarm()
        where = f"{NAMES[self.what]} {fail_at}{' and all later' if lasting else ''}"
        if self.d.process.poll() is not None:
            raise Failure(f"{where}: the daemon ended with {self.d.process.poll()}\n"
                          f"{self.d.log()[-6000:]}")
        if fail_at == 0:
            self.baseline = self.baseline or comparable(outcome)
            if not plausible(outcome, self.wanted):
                raise Failure(f"without a fault: {outcome}")
        self.judge(where, outcome, comparable(outcome))
        if fail_at:
            again = run(self.d)
            self.judge(where + ", asked again", again, comparable(again), "again ")
        return counted

    def judge(self, where, outcome, text, when=""):
        if text == self.baseline:
            self.told[when + "as without"] += 1
        elif outcome[0] == "deferred":
            self.told[when + "deferred"] += 1
        elif text in self.others:
            self.told[when + text] += 1
        else:
            self.told[when + outcome[0]] += 1
            self.troubles.append(f"{where}: {outcome}")

    def run(self, most):
        self.once(0, False)
        total, _ = self.once(0, False)
        for lasting in (False, True):
            step = max(1, total // most)
            at = 1
            while True:
                _, failed = self.once(at, lasting)
                if failed == 0 and at > total:
                    break
                at += step
        return total

    def recover(self):
        """Seconds until all is as before; what was lost may take a while to be found again."""
        begin = time.monotonic()
        while True:
            try:
                self.once(0, False)
                return time.monotonic() - begin
            except Failure:
                if time.monotonic() - begin > RECOVERY_S:
                    raise
            time.sleep(0.2)


def said(d, pattern):
    """The lines of the log that match, most frequent first, numbers apart."""
    lines = (re.sub(r"\d+", "N", line.split(": ", 1)[-1]) for line in d.log().splitlines()
             if re.search(pattern, line))
    return "; ".join(text[:80] for text, _ in collections.Counter(lines).most_common(2)) or "-"


def sweep(table, our_world, what, most, case, log, **options):
    """what: a kind of inject.py. case: see check_memory.CASES. log: a pattern of the lines for the
    table."""
    name, kind, make, wanted, *others = case
    with world.Daemon(our_world, **options) as d:
        s = Sweep(d, what, kind, make, wanted, others)
        total = s.run(most)
        seconds = s.recover()
        told = ", ".join(f"{n} {text}" for text, n in s.told.most_common())
        table.row(f"{NAMES[what]} 1 to {total} fails: {name}", told, said(d, log),
                  f"within {seconds:.1f} s")
        check(not s.troubles, "\n     ".join(s.troubles[:20]))

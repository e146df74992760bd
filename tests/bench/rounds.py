"""Two programs measured in turn, in many short rounds, so that whatever else the machine does hits
both alike."""

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import time

INSIDE = "RTLS_BENCH_INSIDE"


@contextlib.contextmanager
def started(*command):
    """A server that ends when the context does."""
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def alone(script, words):
    """Goes on in a network namespace of its own, before what else this machine does."""
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, script, *words])
    try:  # what else this machine does waits, for a fraction of a second each time
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError as error:
        print(f"at ordinary priority, so the machine should be idle: {error}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main(script, measure, usage, defaults=("0.2", "40", "0")):
    """Runs measure(BUILD_DIR, SECONDS, ROUNDS), with a script's arguments or the defaults for SECONDS,
    ROUNDS and LEAST, in a network namespace of its own. It gives (what, ratio, goal) of each comparison.

    With the argument LEAST at the end, each ratio is checked against that part of its goal.
    """
    words = sys.argv[1:]
    if not 1 <= len(words) <= 4:
        print(usage, file=sys.stderr)
        return 64
    alone(script, words)
    seconds, count, least = (float(w) for w in (words[1:] + list(defaults)[len(words) - 1:]))
    short = 0
    results = measure(os.path.realpath(words[0]), seconds, int(count))
    for what, ratio, goal in results:
        if ratio < least * goal:
            short += 1
            print(f"FAIL {what}: {ratio:.2f}, less than {least} of {goal}")
    if least:
        print(f"{len(results) - short} passed, {short} failed")
    return 1 if short else 0


def head(what, unit):
    print(f"{what:27} {'':12} {unit:>10} {'median us':>10} {'99 % us':>10} {'CPU us':>10}")


def cpu_s(pid):
    """Seconds of processor time that a process and the load generators so far have used."""
    clock = (~pid << 3) | 2  # as clock_getcpuclockid(3) makes it; threads that have ended count too
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.clock_gettime(clock) + ours.ru_utime + ours.ru_stime


def _round(pid, load, seconds):
    """Rate, median and 99th percentile in us, processor time in us for each answer."""
    before = cpu_s(pid)
    rate, median, worst = load()
    return rate, median, worst, (cpu_s(pid) - before) / (rate * seconds) * 1e6


def compare(title, programs, seconds, rounds):
    """programs: two names, each with a server's pid and a function that loads it for so long, which
    gives rate, median and 99th percentile.

    Prints the medians of each, and two ratios of the second to the first: of rates, and of what an
    answer costs in processor time, load generator included. Each is the median of the rounds', with
    its quarters. Where nobody else takes turns with us they agree; else the second holds. Now one
    is first, now the other. Returns the second ratio.
    """
    seen = {name: [] for name in programs}
    for number in range(rounds):
        for name in list(programs)[::-1 if number % 2 else 1]:
            seen[name].append(_round(*programs[name], seconds))
    for name, rows in seen.items():
        columns = [statistics.median(column) for column in zip(*rows)]
        print(f"{title:27} {name:12} {columns[0]:10.0f} {columns[1]:10.1f} {columns[2]:10.1f} "
              f"{columns[3]:10.2f}")
    pairs = list(zip(*seen.values()))
    print_ratio(title, "rates", [b[0] / a[0] for a, b in pairs])
    return print_ratio(title, "CPU", [a[3] / b[3] for a, b in pairs])


def print_ratio(title, what, ratios):
    """The median, with its quarters."""
    low, ratio, high = statistics.quantiles(ratios, n=4)
    print(f"{title:27} {'ratio, ' + what:12} {ratio:10.2f} ({low:.2f} to {high:.2f})", flush=True)
    return ratio

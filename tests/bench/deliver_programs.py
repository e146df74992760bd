"""The programs that tests/bench/deliver measures: the agent as it is configured for that, the bare client, and
the server that takes what they send. What a program costs is its own processor time, without that of the
load generator and of the server."""
import contextlib
import resource
import statistics
import subprocess
import time

import dnsserver
import rounds
import suite

# host number and kind of each domain's server, see smtp_sink.c
DOMAINS = {"tickets.test": (1, "tickets"), "full.test": (2, "full"), "hang.test": (3, "hang"),
           "cached.test": (4, "tickets"), "uncached.test": (5, "tickets"), "agent.test": (6, "tickets")}


def process_s(pid):
    """Seconds of processor time of a process, its threads that have ended included."""
    return time.clock_gettime((~pid << 3) | 2)


def address(domain):
    return f"192.0.2.{DOMAINS[domain][0]}"


@contextlib.contextmanager
def sinks(programs):
    """A server for each domain, with DANE; port 25."""
    certificate = suite.CERTIFICATES.good
    dnsserver.Server(("10.25.0.1", 53)).names = suite.NAMES.names  # Postfix knows no other port
    with contextlib.ExitStack() as stack:
        for domain, (number, kind) in DOMAINS.items():
            suite.publish(domain, f"mx.{domain}", number)
            process = stack.enter_context(subprocess.Popen(
                [programs / "smtp_sink", address(domain), "25", certificate, kind], stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            if process.stdout.readline() != "listens\n":
                raise RuntimeError("smtp_sink does not listen")
        yield


@contextlib.contextmanager
def agent(*lines):
    with suite.agent("\n".join(["max_sessions = 4000", "per_host = 4000", *lines])) as running:
        yield running


@contextlib.contextmanager
def started(*command):
    process = subprocess.Popen([str(word) for word in command])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def settled_mib(running, descriptors):
    """The agent's memory, as soon as it has so many descriptors and nothing more to do."""
    suite.wait_for(lambda: running.counts()[0] >= descriptors, f"{descriptors} descriptors", 120)
    used, before = process_s(running.process.pid), 0
    while used - before > 0.01:
        time.sleep(1)
        before, used = used, process_s(running.process.pid)
    return running.counts()[2] / 1024


def content():
    """A message of 4 kB, as sendmail(1) takes it."""
    fields = "".join(f"X-Field-{number}: the figures for the third quarter, for all\n" for number in range(10))
    line = "The figures of each month, and what was said of them, in 62 octets\n"
    return "Subject: figures\n" + fields + "\n" + line * 50


def run(*command):
    """What a program prints: rate, median and 99th percentile in us."""
    out = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True,
                         timeout=600)
    return [float(word) for word in out.stdout.split()]


def send_by_agent(programs, running, connections, messages, domain):
    """Rate, median, 99th percentile, and microseconds of the agent's processor time for a message."""
    before = process_s(running.process.pid)
    figures = run(programs / "lmtp_load", running.dir / "require", connections, messages, domain)
    return [*figures, (process_s(running.process.pid) - before) / messages * 1e6]


def send_by_floor(programs, connections, messages, domain, under=()):
    """The same of the bare client."""
    def used():
        ours = resource.getrusage(resource.RUSAGE_CHILDREN)
        return ours.ru_utime + ours.ru_stime

    before = used()
    figures = run(*suite.Agent.namespace, *under, programs / "smtp_floor", address(domain), connections, messages,
                  f"mx.{domain}", suite.CERTIFICATES.spki(suite.CERTIFICATES.good))
    return [*figures, (used() - before) / messages * 1e6]


def turns(title, programs, count):
    """programs: two names, each with a function that sends so many messages and gives what send_by_agent() gives.
    Prints the medians of each, and the ratios of the second to the first; above 1 the second is better. Returns
    the ratios of rates and of processor time."""
    seen = {name: [] for name in programs}
    for send in programs.values():  # caches are filled, and connections made where they are kept
        send()
    for number in range(count):
        for name in list(programs)[::-1 if number % 2 else 1]:
            seen[name].append(programs[name]())
    for name, rows in seen.items():
        rate, *times = [f"{statistics.median(column):.1f}" if column[0] is not None else "-" for column in zip(*rows)]
        print(f"{title:27} {name:12} {rate:>10} {times[0]:>10} {times[1]:>10} {times[2]:>10}")
    pairs = list(zip(*seen.values()))
    return (rounds.print_ratio(title, "rates", [b[0] / a[0] for a, b in pairs]),
            rounds.print_ratio(title, "CPU", [a[3] / b[3] for a, b in pairs]))

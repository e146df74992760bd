"""Many probes at once: a thousand callers for one next-hop, and five hundred next-hops whose servers let every
connection time out. Nobody else may wait for those."""

import fcntl
import hashlib
import os
import re
import struct
import subprocess

import ca
import connections
import dnsd
import domains
import layout
import plan
import procs
import slowlink
import tools
import zones
from scenario import check, expect, scenario

UNREACHABLE = 500
GOOD = ("dane.test", "dane-ta.test", "dane-no-requiretls.test", "sts.test")
SINK = "198.18.{}.{}"  # what is sent there is read by nobody

# What an answer may take on a busy machine, beside the two seconds for which a probe may wait for a slot.
SLOTS_MS, SLACK_MS = 2000, 1500

_sink = None  # the descriptor that keeps the interface up, once it is made


def _zone():
    digest = hashlib.sha256(b"unreachable").hexdigest()
    for n in range(UNREACHABLE):
        address = SINK.format(n // 250, 1 + n % 250)
        yield from (f"d{n} MX 10 mx.d{n}", f"mx.d{n} A {address}", f"_25._tcp.mx.d{n} TLSA 3 1 1 {digest}")


def _ensure():
    """Fills the zone, and makes the network, once for a lab."""
    global _sink
    if _sink is not None:
        return
    domain = next(d for d in domains.BULK if d.name == "bulk-unreachable.test")
    domain.extra = tuple(_zone())
    zones.publish(domain, zones.Key())
    dnsd.reload_domain(domain)
    sink = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(sink, slowlink.TUNSETIFF, struct.pack("16sH22x", b"sink0", slowlink.IFF_TUN | slowlink.IFF_NO_PI))
    for words in ("address add 198.19.0.1/32 dev sink0", "link set sink0 up", "route add 198.18.0.0/16 dev sink0"):
        procs.run("ip", *words.split())
    _sink = sink


def _run(names, *options):
    """`name: (verdict, milliseconds, [result])`, and the figures."""
    words = (tools.path("probe_load"), "-r", layout.RESOLVER, "-a", ca.ca_file(), *options)
    done = subprocess.run([str(w) for w in words], input="\n".join(names) + "\n", text=True,
                          capture_output=True, check=False)
    expect(done.returncode, 0, done.stderr)
    lines = [line.split() for line in done.stdout.splitlines()]
    figures = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", " ".join(lines[-1]))}
    print(f"     {figures} {done.stderr.strip()}", flush=True)
    return {line[0]: (line[1], int(line[2]), line[3:]) for line in lines[:-1]}, figures, done.stderr


def _host(domain):
    return [host for host in plan.HOSTS if host.name == f"mx.{domain}"]


@scenario("probe load: a thousand callers for one next-hop cause one connection")
def _(_):
    host = _host("dane-no-requiretls.test")
    with connections.Connections(host) as seen:
        answers, figures, _ = _run(["dane-no-requiretls.test"], "-c", 1000)
        expect(len(seen.seen()), 1, "connections")
    expect(figures["probes"], 1, "probes")
    expect(answers["dane-no-requiretls.test"][::2], ("unsatisfied", ["no-requiretls"]), "answer")


def _check_others(answers):
    slow = {name: answers[name] for name in GOOD if answers[name][1] > SLOTS_MS + SLACK_MS}
    expect(slow, {}, "answers that others have delayed")
    for n in range(UNREACHABLE):
        expect(answers[f"d{n}.bulk-unreachable.test"][0], "satisfied", f"verdict of d{n}")


@scenario("probe load: five hundred next-hops whose servers cannot be reached delay no other verdict")
def _(_):
    _ensure()
    bad = [f"d{n}.bulk-unreachable.test" for n in range(UNREACHABLE)]
    # As configured: so many in a minute, and the others are answered at once.
    answers, figures, log = _run([*bad, *GOOD])
    _check_others(answers)
    expect(figures["probes"], 60, "probes begun in a minute")
    check(figures["ms"] < 25_000, "nobody waits for longer than two time-outs of 10 s")
    expect((figures["rests"], "in a row could not be reached" in log), (1, True), "a rest, and its warning")
    # Without a limit for a minute: what is slow gives up its slot.
    answers, figures, _ = _run([*bad[:30], *GOOD, *bad[30:]], "-m", 100_000)
    _check_others(answers)
    expect({name: answers[name][2] for name in GOOD},
           {"dane.test": ["ok"], "dane-ta.test": ["ok"], "dane-no-requiretls.test": ["no-requiretls"],
            "sts.test": ["ok"]}, "what the servers in between have shown")

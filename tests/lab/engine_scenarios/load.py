"""Many domains at once: ten thousand cold ones, a thousand callers for one, a hundred thousand that
are cached. Times and sizes are printed; what must hold is that every answer is right and that
sockets and memory stay within their bounds."""

import hashlib
import re
import subprocess
from pathlib import Path

import ca
import dnsd
import domains
import layout
import procs
import tools
import zones
from scenario import check, expect, scenario

RESOLVER, RESOLVER_LOCAL = "192.0.2.41", "192.0.2.42"
POLICY_HOST = "203.0.113.250"

DANE, PLAIN, STS, NULL, ABSENT = 5000, 4500, 300, 100, 100
CACHED = 100_000
CACHED_KB = 60 * 1024

# One socket for each of 64 channels of the resolver (policy/dns/upstream_channels.c) and each of 200 fetches
# (policy/sts/sts_fetch.c); and what the engine has open itself.
SOCKETS_MAX = 64 + 200 + 16

UNBOUND = """
    extended-statistics: yes
    msg-cache-size: 64m
    rrset-cache-size: 128m
    outgoing-range: 4000
    num-queries-per-thread: 2000
    cache-max-negative-ttl: 600
"""
LOCAL = """
    local-zone: "bulk.example." redirect
    local-data: "bulk.example. 3600 IN SOA ns.bulk.example. root.bulk.example. 1 2 3 4 3600"
    local-data: "bulk.example. 3600 IN MX 10 mail-gateway.customer.bulk.example."
    local-data: "bulk.example. 3600 IN A 198.51.100.9"
"""

_ready = False


def _dane_zone():
    for n in range(DANE):
        digest = hashlib.sha256(str(n).encode()).hexdigest()
        yield from (f"d{n} MX 10 mx.d{n}", f"mx.d{n} A 198.51.100.9",
                    f"_25._tcp.mx.d{n} TLSA 3 1 1 {digest}")


def _plain_zone():
    for n in range(PLAIN):
        yield from (f"d{n} MX 10 mx.d{n}", f"mx.d{n} A 198.51.100.9")
    yield from (f"null{n} MX 0 ." for n in range(NULL))


def _sts_zone():
    for n in range(STS):
        yield from (f"d{n} MX 10 mx.d{n}", f"mx.d{n} A 198.51.100.9",
                    f'_mta-sts.d{n} TXT "v=STSv1; id=1;"', f"mta-sts.d{n} A {POLICY_HOST}")


def _policy_host():
    """One nginx for all policy hosts; one certificate with all their names."""
    where = layout.RUN / "https-bulk"
    (where / "root/.well-known").mkdir(parents=True)
    (where / "root/.well-known/mta-sts.txt").write_text(
        "version: STSv1\nmode: enforce\nmx: *.d0.bulk-sts.test\nmax_age: 86400\n" +
        "".join(f"mx: mx.d{n}.bulk-sts.test\n" for n in range(STS)))
    ca.make("bulk-sts", [f"mta-sts.d{n}.bulk-sts.test" for n in range(STS)], "good")
    server = procs.render("nginx-server.conf", address=POLICY_HOST, name="bulk",
                          pem=ca.chain("bulk-sts"), root=where / "root",
                          location="types { } default_type text/plain;")
    (where / "nginx.conf").write_text(procs.render("nginx.conf", where=where, servers=server))
    process = procs.start("nginx-bulk", "nginx", "-c", where / "nginx.conf", "-e",
                          where / "error.log")
    procs.ready("nginx-bulk", process, lambda: procs.connects(POLICY_HOST, 443))


def _ensure():
    """Fills the zones and starts the servers, once for a lab."""
    global _ready
    if _ready:
        return
    key = zones.Key()
    for domain, lines in zip(domains.BULK, (_dane_zone(), _plain_zone(), _sts_zone())):
        domain.extra = tuple(lines)
        zones.publish(domain, key)
        dnsd.reload_domain(domain)
    for address in (RESOLVER, RESOLVER_LOCAL, POLICY_HOST):
        procs.run("ip", "addr", "add", f"{address}/32", "dev", "lo")
    for name, address, extra in (("unbound-bulk", RESOLVER, UNBOUND),
                                 ("unbound-local", RESOLVER_LOCAL, UNBOUND + LOCAL)):
        process = dnsd.start_unbound(name, address, extra=extra)
        procs.ready(name, process, lambda a=address: procs.connects(a, 53))
    _policy_host()
    _ready = True


def _run(names, *options):
    """Answers, figures, and the most file descriptors that were open, counted from outside."""
    _ensure()
    lists = layout.RUN / "load-names"
    lists.write_text("\n".join(names) + "\n")
    out = layout.RUN / "load-out"
    with open(lists, "rb") as source, open(out, "wb") as to:
        process = subprocess.Popen([str(w) for w in (tools.path("engine_load"), "-a", ca.ca_file(),
                                                     *options)],
                                   stdin=source, stdout=to, stderr=subprocess.PIPE)
    most = 0
    while process.poll() is None:
        try:
            most = max(most, len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
        except OSError:
            pass
    expect(process.returncode, 0, process.stderr.read().decode())
    text = out.read_text()
    figures = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", text)}
    return [tuple(line.split()) for line in text.splitlines() if "=" not in line], figures, most


def _queries(server):
    """Questions about domains: without SOA, by which the engine checks whether its resolver
    validates, once or twice in a lookup as the answers come."""
    stats = dnsd.control("stats_noreset", server=server)
    checks = re.search(r"num\.query\.type\.SOA=(\d+)", stats)
    return int(re.search(r"total\.num\.queries=(\d+)", stats)[1]) - int(checks[1] if checks else 0)


def _say(figures, **more):
    print("     " + ", ".join(f"{k} {v}" for k, v in {**figures, **more}.items()), flush=True)


@scenario("load: ten thousand cold domains at once are all answered, and rightly")
def _(_):
    wanted = {f"d{n}.bulk-dane.test": ("dane", "satisfied") for n in range(DANE)}
    wanted |= {f"d{n}.bulk-plain.test": ("none", "unsatisfied") for n in range(PLAIN)}
    wanted |= {f"d{n}.bulk-sts.test": ("sts-enforce", "satisfied") for n in range(STS)}
    wanted |= {f"null{n}.bulk-plain.test": ("none", "unsatisfied") for n in range(NULL)}
    wanted |= {f"absent{n}.bulk-plain.test": ("none", "not-applicable") for n in range(ABSENT)}
    expect(len(wanted), 10_000, "domains")
    # A stride spreads the kinds among each other.
    order = sorted(wanted, key=lambda name: hashlib.sha256(name.encode()).digest())
    answers, figures, sockets = _run(order, "-r", RESOLVER)
    _say(figures, descriptors=sockets)
    expect(figures["answered"], len(wanted), "answers")
    expect(figures["lookups"], len(wanted), "lookups")
    wrong = [a for a in answers if wanted[a[0]] != a[1:3]]
    expect((len(wrong), wrong[:5]), (0, []), "wrong answers")
    check(sockets <= SOCKETS_MAX, f"{sockets} descriptors, of {SOCKETS_MAX}")


@scenario("load: a thousand callers for one cold domain cause one lookup")
def _(_):
    _ensure()
    asked = []
    for callers in (1, 1000):
        dnsd.control("flush_zone", "bulk-sts.test", server="unbound-bulk")
        before = _queries("unbound-bulk")
        _, figures, _ = _run(["d7.bulk-sts.test"], "-r", RESOLVER, "-c", callers)
        asked.append(_queries("unbound-bulk") - before)
        expect((figures["answered"], figures["lookups"], figures["fetches"]), (callers, 1, 1),
               "answers, lookups, fetches")
    _say({}, questions=asked)
    expect(asked[1], asked[0], "questions that the resolver got")


@scenario("load: a hundred thousand plain domains are cached in 60 MB")
def _(_):
    names = [f"d{n}.customer.bulk.example" for n in range(CACHED)]
    _, figures, sockets = _run(names, "-r", RESOLVER_LOCAL, "-o", 1000, "-m")
    _say(figures, descriptors=sockets)
    expect((figures["answered"], figures["cached"]), (CACHED, CACHED), "answered, cached")
    kb = figures["after_kb"] - figures["before_kb"]
    print(f"     {kb} kB more than before, {kb * 1024 / CACHED:.0f} octets for each")
    check(kb <= CACHED_KB, f"{kb} kB")

"""Daemons that share what they learn, on a real Redis and a real Valkey server (etc/MANY-HOSTS): what one has
fetched protects the others from their first message on; whatever becomes of the server costs no mail and no
verdict; and rows that are not right count for nothing.
"""

import time

import procs
import sharedrow
import sharedserver
import sharing
from scenario import check, expect, scenario
from sharing import Host, policy_host_down, record_fails, record_is

STS = "sts.test"
FETCHED = ("satisfied", "enforce", "fresh")
SHARED = ("satisfied", "enforce", "shared")
CACHED = ("satisfied", "enforce", "cached")
POLICY_KEY = f"requiretls:1:policy:{STS}"
# Beyond what is measured: the machine has other things to do.
SLACK_S = 2


def _server(kind="redis", *options):
    sharing.prepare(sharedserver.PASSWORD)
    return sharedserver.Server(kind, *options)


def _fetch(lab, server):
    """A host that has fetched the policy and shared it."""
    first = Host(lab, server.url).is_up()
    expect(first.sees(STS), FETCHED, "the first host")
    server.row(POLICY_KEY)
    return first


for KIND in sharedserver.KINDS:
    @scenario(f"shared {KIND}: what one host has fetched another has in its first answer")
    def _(lab, kind=KIND):
        with _server(kind) as server:
            _fetch(lab, server)
            with policy_host_down(STS):
                alone = Host(lab, "")
                expect(alone.sees(STS)[0], "undecided", "a host of its own, without the policy host")
                expect(Host(lab, server.url).is_up().sees(STS), SHARED, "without the policy host")
                with record_is(STS, ""):
                    expect(Host(lab, "").sees(STS)[0], "unsatisfied", "a host of its own, without the record")
                    expect(Host(lab, server.url).is_up().sees(STS), SHARED, "without the record")
                with record_fails(STS):
                    expect(Host(lab, "").sees(STS)[0], "undecided", "a host of its own, without DNS")
                    expect(Host(lab, server.url).is_up().sees(STS), SHARED, "without DNS")
                with record_is(STS, "v=STSv1; id=another;"):
                    verdict = Host(lab, server.url).is_up().sees(STS)
                    check(verdict[2] != "shared", f"{verdict} under another id")

    @scenario(f"shared {KIND}: hosts and server are restarted")
    def _(lab, kind=KIND):
        with _server(kind) as server:
            first = _fetch(lab, server)
            second = Host(lab, server.url).is_up()
            expect(second.sees(STS), SHARED, "the second host")
            first.stop()
            with policy_host_down(STS):
                third = Host(lab, server.url).is_up()
                expect(third.sees(STS), SHARED, "after a restart, which forgets all")
            server.kill()
            expect(second.sees(STS)[0], "satisfied", "while the server is down")
            server.start()
            second.is_up()
            third.is_up()
            expect(server.keys(), [], "rows after the server's restart, which forgets all")
            expect([h.sees(STS)[0] for h in (second, third)], ["satisfied"] * 2, "after the server's restart")
            fourth = Host(lab, server.url).is_up()
            expect(fourth.sees(STS), FETCHED, "a host that finds no row")
            server.row(POLICY_KEY)


@scenario("shared: a host with a store of its own keeps what it had from others when the server is gone")
def _(lab):
    with _server() as server:
        store = sharing.WHERE / "store"
        store.mkdir()
        procs.run("chown", "nobody", store)
        more = f"store = sqlite:{store}/cache.db"
        _fetch(lab, server)
        second = Host(lab, server.url, more=more).is_up()
        expect(second.sees(STS), SHARED, "the second host")
        second.stop()
        server.kill()
        with policy_host_down(STS):
            expect(Host(lab, server.url, more=more).sees(STS)[0], "satisfied", "after its restart, alone")


def _full(server):
    server.do("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.do("CONFIG", "SET", "maxmemory", "1")


@scenario("shared: a server that is down, stopped, slow, full, without sense or of another password costs no verdict")
def _(lab):
    with _server() as server, _server_of_another_password() as other, sharedserver.slow(server, 3) as slow, \
            sharedserver.nonsense() as nonsense, sharedserver.huge() as huge, sharedserver.silent() as silent, \
            sharedserver.Server("redis", "--replicaof", "127.0.0.1", str(server.port)) as replica:
        wanted, usual = _verdicts(Host(lab, ""))
        dead = sharedserver.Server("redis")
        server.do("SET", POLICY_KEY, "no row")  # a fault must not hide behind a row that helps
        places = {"down": dead, "slow": slow, "nonsense": nonsense, "huge": huge, "silent": silent,
                  "another password": other, "a replica": replica}
        for name, place in places.items():
            _as_without(name, Host(lab, place.url), wanted, usual).stop()
        with server.stopped():
            _as_without("stopped", Host(lab, server.url), wanted, usual).stop()
        host = Host(lab, server.url).is_up()
        with server.stopped():
            _as_without("stopped later", host, wanted, usual)
            check(host.metric("requiretls_shared_requests_total", result="late") > 0, "nothing was late")
        host.is_up().stop()
        host = Host(lab, server.url).is_up()
        server.do("FLUSHALL")  # so that it has a row to write
        _full(server)
        _as_without("full", host, wanted, usual)
        procs.wait_for(lambda: host.shared()["state"] == "read-only", "the host to see it", 20)
        check(host.metric("requiretls_shared_requests_total", result="not_written") > 0, "all was written")
        host.stop()
        host = Host(lab, server.url)
        server.kill()
        _as_without("killed", host, wanted, usual)
        procs.wait_for(lambda: host.metric("requiretls_shared_up") == 0, "the metric to say so")


def _server_of_another_password():
    return sharedserver.Server("redis", password="another password")


def _verdicts(host):
    """What a host that knows nothing yet finds out of domains of each kind, and how long that took at most."""
    looks = [host.look(domain) for domain in (STS, "dane.test", "plain.test", "sts-testing.test")]
    return [(seen[0], seen[1]) for seen, _ in looks], max(took for _, took in looks)


def _as_without(name, host, wanted, usual):
    """The host sees what one without a shared cache does, hardly later; the host."""
    seen, longest = _verdicts(host)
    expect(seen, wanted, f"{name}: verdicts")
    check(longest < usual + sharing.TIMEOUT_S + SLACK_S, f"{name}: an answer took {longest:.2f} s")
    return host


@scenario("shared: rows that are forged, replayed, cut, of another version or of no sense are ignored and counted")
def _(lab):
    with _server() as server, policy_host_down(STS):
        host = Host(lab, server.url).is_up()
        keys, now = sharing.keys(), int(time.time())
        body = f"version: STSv1\r\nmode: enforce\r\nmx: mx.{STS}\r\nmax_age: 86400\r\n"
        ident = "20240101"
        good = sharedrow.policy(STS, ident, body, now)

        def row(octets):
            host.ask(f"PURGE {STS}")
            server.do("SET", POLICY_KEY, octets)
            return host.sees(STS)

        def of(payload):
            return sharedrow.row(keys, sharedrow.POLICY, STS, payload, now, now + 3600)

        rows = [*(f for f in sharedrow.forgeries(keys, sharedrow.POLICY, STS, good, now, 3600)
                  if f.octets),  # an empty value is no row, and so none that is rejected
                *sharedrow.policy_forgeries(keys, STS, ident, body, now, 3600),
                sharedrow.Forgery("too large", of(sharedrow.policy(STS, ident, body + "x" * 70000, now)), "too_large"),
                sharedrow.Forgery("no policy", of(sharedrow.policy(STS, ident, "nothing", now)), "content"),
                sharedrow.Forgery("its max_age is over", of(sharedrow.policy(STS, ident, body, now - 86401)),
                                  "expired")]
        for forgery in rows:
            def count(reason=forgery.reason):
                return host.metric("requiretls_shared_rejected_total", reason=reason)
            before = count()
            seen = row(forgery.octets)
            expect(seen[0], "undecided", forgery.name)
            expect(count() - before, 1, f"{forgery.name}: rows rejected as {forgery.reason}")
        expect(row(of(good)), SHARED, "a row that is right")
        print(f"     {len(rows)} rows", flush=True)


@scenario("shared: a key is changed without a gap, and a host with another key shares nothing")
def _(lab):
    with _server() as server:
        first = _fetch(lab, server)
        with policy_host_down(STS):
            stranger = Host(lab, server.url, key=sharing.OTHER_KEY).is_up()
            expect(stranger.sees(STS)[0], "undecided", "a host with another key")
            expect(stranger.metric("requiretls_shared_rejected_total", reason="mac"), 1, "rows rejected")
            old = sharing.OTHER_KEY.read_text()
            sharing.OTHER_KEY.write_text(old + sharing.KEY.read_text())
            stranger.milter.forget()
            stranger.milter.reload(stranger.milter.text)
            procs.wait_for(lambda: "reloaded" in stranger.milter.log(), "the reload")
            forget = stranger.ask(f"PURGE {STS}")
            check(forget.startswith(("OK", "NOTFOUND")), forget)
        first.ask(f"PURGE {STS}")
        expect(first.sees(STS), FETCHED, "the first host, again")
        server.row(POLICY_KEY)
        with policy_host_down(STS):
            expect(stranger.is_up().sees(STS), SHARED, "with both keys")


@scenario("shared: PURGE forgets the row too, and says if it could not")
def _(lab):
    with _server() as server:
        host = _fetch(lab, server)
        other = Host(lab, server.url).is_up()
        expect(other.sees(STS), SHARED, "the other host")
        expect(host.ask(f"PURGE {STS}"), "OK forgotten", "PURGE")
        expect(server.keys(), [], "rows after it")
        expect(host.sees(STS), FETCHED, "afterwards")
        server.row(POLICY_KEY)
        with server.stopped():
            begin = time.monotonic()
            reply = host.ask(f"PURGE {STS}")
            check("shared cache" in reply, f"of a server that is stopped: {reply}")
            check(time.monotonic() - begin < sharing.TIMEOUT_S + SLACK_S, "it took too long")
        check(POLICY_KEY in server.keys() or server.keys() == [], str(server.keys()))


@scenario("shared: a server is probed by one host, and what it showed holds on the others")
def _(lab):
    with _server() as server:
        first, second = Host(lab, server.url).is_up(), Host(lab, server.url).is_up()
        for domain, told in (("dane.test", "continue"), ("dane-no-requiretls.test", "550")):
            check(first.rcpt(f"bob@{domain}").startswith(told), f"{domain}: the first host")
            procs.wait_for(lambda d=domain: any(d in k for k in server.keys("requiretls:1:probe:*")), "a row", 20)
            check(second.rcpt(f"bob@{domain}").startswith(told), f"{domain}: the second host")
        expect([h.metric("requiretls_probe_total", result=r) for h in (first, second) for r in ("ok", "no-requiretls")],
               [1, 1, 0, 0], "probes made")
        check(second.metric("requiretls_shared_requests_total", result="found") >= 2, "found in the shared cache")


@scenario("shared: of two servers the first that takes rows is used, and the next when it is down")
def _(lab):
    with _server() as primary, sharedserver.Server("redis", "--replicaof", "127.0.0.1", str(primary.port)) as replica:
        procs.wait_for(lambda: "master_link_status:up" in replica.do("INFO", "replication").decode(), "the replica")
        both = f"{replica.url}, {primary.url}"
        host = Host(lab, both).is_up(primary.url)
        expect(host.sees(STS), FETCHED, "the first host")
        primary.row(POLICY_KEY)
        replica.row(POLICY_KEY)
        primary.kill()
        procs.wait_for(lambda: host.shared()["state"] == "read-only", "the replica's turn")
        expect(host.shared()["server"], replica.url, "the server that is asked")
        with policy_host_down(STS):
            late = Host(lab, both)
            procs.wait_for(lambda: late.shared()["state"] == "read-only", "the replica's turn")
            expect(late.sees(STS), SHARED, "from the replica")
        replica.do("REPLICAOF", "NO", "ONE")
        host.is_up(replica.url)


@scenario("shared: the log says once that the server went and came, and never the password")
def _(lab):
    with _server() as server:
        host = Host(lab, server.url).is_up()
        host.sees(STS)
        host.milter.forget()

        def lines():
            return [line for line in host.milter.log().splitlines() if "shared cache" in line]

        server.kill()
        procs.wait_for(lambda: host.metric("requiretls_shared_up") == 0, "the host to see it")
        for domain in ("plain.test", "dane.test"):
            host.sees(domain)
        time.sleep(1.5)  # a try or two more
        expect(len(lines()), 1, f"that it went: {lines()}")
        server.start()
        host.is_up().sees("signed.test")  # which it answers
        procs.wait_for(lambda: len(lines()) > 1, "a line that it came", 20)
        expect(len(lines()), 2, f"that it went and came: {lines()}")
        check(sharedserver.PASSWORD not in host.milter.whole_log(), "the password is in the log")

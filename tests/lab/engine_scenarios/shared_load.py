"""A hundred thousand policies in the shared cache, and a host that knows none of them: how long it takes it to be
told all, what that costs it and the server in memory, and that it fetches nothing.
"""

import re
import selectors
import socket
import time
from pathlib import Path

import dnsd
import milter
import procs
import sharedrow
import sharedserver
import sharing
from scenario import check, expect, scenario

POLICIES = 100_000
CONNECTIONS = 200
RESOLVER = "192.0.2.43"
ZONE = "shared.example"
IDENT = "20240101"
UNBOUND = f"""
    msg-cache-size: 256m
    rrset-cache-size: 256m
    num-queries-per-thread: 4000
    outgoing-range: 4000
    so-rcvbuf: 4m
    local-zone: "{ZONE}." redirect
    local-data: "{ZONE}. 3600 IN SOA ns.{ZONE}. root.{ZONE}. 1 2 3 4 3600"
    local-data: "{ZONE}. 3600 IN MX 10 mail.{ZONE}."
    local-data: "{ZONE}. 3600 IN A 198.51.100.9"
    local-data: '{ZONE}. 3600 IN TXT "v=STSv1; id={IDENT};"'
"""
# Octets of the daemon's memory for each policy that it has from others, with the findings of its domain.
EACH_OCTETS = 4096


def _rows(server):
    keys, now = sharing.keys(), int(time.time())
    body = f"version: STSv1\r\nmode: enforce\r\nmx: mail.{ZONE}\r\nmax_age: 604800\r\n"
    with sharedserver.Connection(server.port) as connection:
        for begin in range(0, POLICIES, 1000):
            names = [f"d{n}.{ZONE}" for n in range(begin, begin + 1000)]
            connection.do("MSET", *(word for name in names for word in (
                sharedrow.row_key(sharedrow.POLICY, name),
                sharedrow.row(keys, sharedrow.POLICY, name, sharedrow.policy(name, IDENT, body, now), now,
                              now + 604800))))


def _ask_all(path):
    """The map `enforce` of each domain, over many connections; replies and how often each was seen."""
    seen, asked = {}, iter(range(POLICIES))
    select = selectors.DefaultSelector()

    def ask(connection):
        number = next(asked, None)
        if number is None:
            select.unregister(connection)
            connection.close()
            return
        request = f"enforce d{number}.{ZONE}".encode()
        connection.sendall(b"%d:%s," % (len(request), request))

    for _ in range(CONNECTIONS):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        select.register(connection, selectors.EVENT_READ)
        ask(connection)
    while select.get_map():
        for key, _ in select.select(60):
            reply = key.fileobj.recv(4096).split(b":", 1)[1].rstrip(b",").decode()
            seen[reply] = seen.get(reply, 0) + 1
            ask(key.fileobj)
    return seen


def _rss_kb(host):
    status = Path(f"/proc/{host.milter.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def _start(lab, servers):
    # No answer is to be late on a busy machine: it is not the time-out that is looked at.
    return sharing.Host(lab, servers, more=f"[dns]\nresolvers = {RESOLVER}\n[mta_sts]\nconnect_timeout = 1s\n",
                        timeout="2s")


@scenario("shared load: a host that begins with nothing has a hundred thousand policies from the others")
def _(lab):
    procs.run("ip", "addr", "replace", f"{RESOLVER}/32", "dev", "lo")
    resolver = dnsd.start_unbound("unbound-shared", RESOLVER, extra=UNBOUND)
    sharing.prepare(sharedserver.PASSWORD)
    with sharedserver.Server("redis") as server:
        procs.ready("unbound-shared", resolver, lambda: procs.connects(RESOLVER, 53))
        before = int(re.search(r"used_memory:(\d+)", server.do("INFO", "memory").decode())[1])
        _rows(server)
        after = int(re.search(r"used_memory:(\d+)", server.do("INFO", "memory").decode())[1])
        host = _start(lab, server.url).is_up()
        cold_kb, began = _rss_kb(host), time.monotonic()
        seen = _ask_all(host.sock)
        cold_s = time.monotonic() - began
        full_kb = _rss_kb(host)
        began = time.monotonic()
        again = _ask_all(host.sock)
        cached_s = time.monotonic() - began
        found = host.metric("requiretls_shared_requests_total", result="found")
        fetched = sum(host.metric("requiretls_sts_fetch_total", result=r) for r in ("ok", "invalid", "refused", "failed"))
        print(f"     {POLICIES} policies: {cold_s:.1f} s from nothing, {cached_s:.1f} s from memory; the host takes"
              f" {(full_kb - cold_kb) // 1024} MB more, {(full_kb - cold_kb) * 1024 // POLICIES} octets each; the server"
              f" {(after - before) >> 20} MB, {(after - before) // POLICIES} octets each", flush=True)
        expect(len(seen), 1, f"different answers: {seen}")
        check(next(iter(seen)).startswith("OK secure"), f"answers: {seen}")
        expect(again, seen, "answers from memory")
        expect((found, fetched), (POLICIES, 0), "found in the shared cache, fetched")
        if b"__asan_init" not in milter.program().read_bytes():  # which has memory of its own
            check((full_kb - cold_kb) * 1024 < POLICIES * EACH_OCTETS, "the host's memory")
    resolver.kill()
    resolver.wait()

"""Clients that are broken, slow or mean: the server stays up, bounded, and serves the others."""

import random
import resource
import signal
import socket
import struct
import threading
import time

import daemon
from suite import check, equal, grown_less, name_server, running, scenario, wait_for

GOOD = ("QUERY dane.test", "OK dane-only")


def serves(server, address=None):
    with server.client(address) as client:
        equal(client.ask(GOOD[0]), GOOD[1], "a good client")


@scenario
def malformed():
    """Malformed requests: the connection is closed, everybody else served"""
    bad = [b"x", b":", b",", b"-1:a,", b"+1:a,", b" 1:a,", b"01:a,", b"00:,", b"0x1:a,", b"1;a,",
           b"2:abc,", b"3:abc;", b"2049:", b"65536:", b"2147483648:", b"4294967297:",
           b"9223372036854775808:", b"18446744073709551617:a,", b"9" * 100, b"1" * 4000,
           b"\0", b"\xff" * 64, b"GET /metrics HTTP/1.1\r\n\r\n", b"EHLO x\r\n",
           b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]
    with running() as server:
        for address in (server.map_path, server.inet):
            for data in bad:
                with server.client(address) as client:
                    client.send(data)
                    equal(client.reply(), None, repr(data[:30]))
            serves(server, address)
        equal(server.metric("requiretls_socketmap_malformed_total"), 2 * len(bad), "counted")


@scenario
def binary_keys():
    """Keys of any octets are answered, and no answer holds a foreign octet"""
    rand = random.Random(1)
    keys = [bytes([c]) for c in range(256)]
    keys += [b"a" * n for n in (63, 64, 253, 254, 2000)] + [b"." * 300, b"[" * 300, b"xn--", b"xn--a"]
    keys += [rand.randbytes(rand.randrange(1, 200)) for _ in range(300)]
    with running() as server, server.client() as client:
        for key in keys:
            for name in (b"QUERY", b"enforce", b"sts", b"requiretls", b"JSON", b"access", b"x"):
                client.send(daemon.netstring(name + b" " + key))
                reply = client.reply()
                check(reply is not None, f"{name} {key!r}: closed")
                check(all(0x20 <= ord(c) < 0x7f for c in reply), f"{name} {key!r}: {reply!r}")
                check(reply.split(" ")[0] in ("OK", "NOTFOUND", "TEMP", "PERM"), reply)
        for data in (b"", b" ", b"QUERY", b"QUERY\0x", rand.randbytes(2048)):
            check(client.ask(data) is not None, repr(data[:20]))
        equal(client.ask(GOOD[0]), GOOD[1])


@scenario
def garbage():
    """Two thousand connections of random octets, and requests with octets changed"""
    rand = random.Random(2)
    good = daemon.netstring("enforce dane.test")
    with running() as server:
        for i in range(2000):
            with server.client() as client:
                if i % 2:
                    data = rand.randbytes(rand.randrange(1, 3000))
                else:
                    data = bytearray(good * 3)
                    for _ in range(rand.randrange(1, 4)):
                        data[rand.randrange(len(data))] = rand.randrange(256)
                try:
                    client.send(bytes(data))
                    client.socket.shutdown(socket.SHUT_WR)
                    while client.socket.recv(65536):
                        pass
                except (BrokenPipeError, ConnectionResetError):
                    pass
        serves(server)
        wait_for(lambda: server.metric("requiretls_socketmap_connections") == 0, "no connection left")


@scenario
def half_open():
    """Half a request, one octet at a time or none: closed after ten seconds, a long silence is not"""
    with running() as server:
        quiet, idle, trickle = server.client(), server.client(), server.client()
        equal(idle.ask(GOOD[0]), GOOD[1])
        quiet.send(b"15:QUERY da")
        begin = time.monotonic()
        closed = {}

        def drip():
            try:
                for octet in b"200:" + b"a" * 200:
                    trickle.send(bytes([octet]))
                    time.sleep(0.5)
            except (BrokenPipeError, ConnectionResetError):
                pass
            closed["trickle"] = time.monotonic() - begin

        thread = threading.Thread(target=drip)
        thread.start()
        equal(quiet.reply(), None)
        check(9 < time.monotonic() - begin < 13, f"closed after {time.monotonic() - begin} s")
        thread.join()
        check(9 < closed["trickle"] < 14, f"trickle closed after {closed['trickle']} s")
        equal(idle.ask(GOOD[0]), GOOD[1], "an idle client")


@scenario
def thousand_idle():
    """A thousand idle connections: others are served, memory stays bounded, all goes back"""
    with running() as server:
        serves(server)
        before, descriptors = server.rss_kb(), server.descriptors()
        idle = [server.client() for _ in range(1000)]
        serves(server)
        equal(server.metric("requiretls_socketmap_connections"), 1000)
        for client in idle:
            client.send(b"2000:" + b"a" * 1999)
        serves(server)
        grown_less(server, before, 16000)
        for client in idle:
            client.close()
        wait_for(lambda: server.descriptors() <= descriptors + 1, "descriptors given back")


@scenario
def too_many():
    """Beyond max_connections the one idle for longest makes room; busy ones keep theirs"""
    with running(max_connections=50) as server:
        idle = [server.client() for _ in range(50)]
        for client in idle:
            client.send(daemon.netstring(GOOD[0]))
        for client in idle:
            equal(client.reply(), GOOD[1])
        with server.client() as early:
            equal(early.reply(), None, "none has been idle for a second")
        time.sleep(1.5)
        equal(idle[0].ask(GOOD[0]), GOOD[1])
        for _ in range(30):
            with server.client() as late:
                equal(late.ask(GOOD[0]), GOOD[1])
        equal(idle[0].ask(GOOD[0]), GOOD[1], "the one that was used")
        check(server.metric("requiretls_socketmap_connections") <= 50)


@scenario
def never_reads():
    """Clients that ask and never read: not read from, closed after ten seconds, memory bounded"""
    with running() as server:
        serves(server)
        before = server.rss_kb()
        deaf = []
        flood = daemon.netstring(GOOD[0]) * 500
        for _ in range(50):
            client = server.client()
            client.socket.setblocking(False)
            sent = 0
            try:
                while sent < 50_000_000:
                    sent += client.socket.send(flood)
                    time.sleep(0)
            except BlockingIOError:
                pass
            check(sent < 10_000_000, f"took {sent} octets")
            deaf.append(client)
        serves(server)
        grown_less(server, before, 40000)
        wait_for(lambda: server.metric("requiretls_socketmap_connections") == 0, "all closed", 25)


@scenario
def dump_never_read():
    """DUMP of a big cache that nobody reads: made piece by piece"""
    names = name_server()
    with running() as server:
        with server.client() as client:
            for i in range(1500):
                names.dane(f"d{i}.dump.test", hosts=3, ttl=3600)
                equal(client.ask(f"QUERY d{i}.dump.test"), "OK dane-only")
        before = server.rss_kb()
        deaf = [server.client() for _ in range(50)]
        for client in deaf:
            client.send(daemon.netstring("DUMP"))
        refused = 'requiretls_socketmap_requests_total{map="DUMP",result="temp"}'
        wait_for(lambda: server.metric(refused) == 42, "all but eight to be refused")
        serves(server)
        grown_less(server, before, 40000)
        for client in deaf:
            client.close()
        wait_for(lambda: server.metric("requiretls_socketmap_connections") == 0, "all closed")
        replies = []
        with server.client(server.inet) as client:
            reply = client.ask("DUMP")
            while reply != "OK ":
                replies.append(reply)
                reply = client.reply()
            equal(client.ask(GOOD[0]), GOOD[1], "after the dump")
        check(len(replies) >= 1501, f"{len(replies)} entries")


@scenario
def slow_lookup():
    """A slow lookup: TEMP before Postfix gives up, the result for who asks again, one lookup for all"""
    names = name_server()
    names.dane("slow.test", delay=9, ttl=3600)
    with running(dns_timeout="20s") as server:
        clients = [server.client() for _ in range(200)]
        begin, queries = time.monotonic(), names.queries
        for client in clients:
            client.send(daemon.netstring("QUERY slow.test"))
        serves(server)
        for client in clients:
            reply = client.reply()
            check(reply.startswith("TEMP "), reply)
        took = time.monotonic() - begin
        check(7.4 < took < 9.8, f"answered after {took} s")
        wait_for(lambda: server.ask("QUERY slow.test") == "OK dane-only", "the lookup", 20)
        asked = sum(1 for n in names.names if n.endswith("slow.test"))
        check(names.queries - queries < 30, f"{names.queries - queries} queries for {asked} names")


@scenario
def slow_policy_host():
    """A policy host that never answers: QUERY goes on without its policy, enforce is deferred"""
    names = name_server()
    names.dane("late.test", tlsa=False, signed=False)
    names.add("_mta-sts.late.test").txt("v=STSv1; id=1;")
    names.add("mta-sts.late.test").a("127.0.0.1")
    waits = "[mta_sts]\nconnect_timeout = 60s\ntimeout = 60s"
    with running(more=waits) as server, socket.create_server(("127.0.0.1", 443)):
        asked = {request: server.client() for request in ("QUERY", "enforce")}
        begin = time.monotonic()
        for request, client in asked.items():
            client.send(daemon.netstring(f"{request} late.test"))
        equal(asked["QUERY"].reply(), "NOTFOUND ")
        reply = asked["enforce"].reply()
        check(reply.startswith("TEMP "), reply)
        took = time.monotonic() - begin
        check(7.4 < took < 9.8, f"answered after {took} s")
        equal(server.ask("QUERY late.test"), "NOTFOUND ", "who asks later")


@scenario
def vanishing():
    """Clients that ask for slow domains and go away: no connection, descriptor or memory stays"""
    names = name_server()
    for i in range(600):
        names.dane(f"v{i}.vanish.test", delay=1)
    with running() as server:
        serves(server)
        before, descriptors = server.rss_kb(), server.descriptors()
        for i in range(600):
            client = server.client()
            client.send(daemon.netstring(f"QUERY v{i}.vanish.test"))
            if i % 3 == 0:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))
            client.close()
        serves(server)
        wait_for(lambda: server.metric("requiretls_socketmap_connections") == 0, "all gone", 30)
        wait_for(lambda: server.descriptors() <= descriptors + 20, "descriptors", 30)
        grown_less(server, before, 30000)


@scenario
def vanishing_crowd():
    """Clients that wait for a slow domain and go away make room at once, those that wait do not"""
    name_server().dane("crowd.test", delay=60)
    with running(max_connections=50, dns_timeout="60s") as server:
        waits = server.client()
        waits.send(daemon.netstring("QUERY crowd.test"))
        waits.socket.shutdown(socket.SHUT_WR)
        begin = time.monotonic()
        for _ in range(49):
            with server.client() as client:
                client.send(daemon.netstring("QUERY crowd.test"))
        wait_for(lambda: server.metric("requiretls_socketmap_connections") <= 1, "room")
        answered = server.metric('requiretls_socketmap_requests_total{map="QUERY",result="temp"}')
        check(answered <= 1, f"{answered} were kept until they could be answered")
        serves(server)
        reply = waits.reply()
        check(reply.startswith("TEMP "), reply)
        check(time.monotonic() - begin > 7.4, "answered early")


@scenario
def pipelined():
    """Ten thousand requests in one go, answered in order"""
    maps = ("QUERY dane.test", "requiretls x.test", "QUERY .dane.test", "nonsense x")
    wanted = ("OK dane-only", "OK enforce", "NOTFOUND ", "PERM no such map")
    with running() as server, server.client() as client:
        sender = threading.Thread(target=client.send, args=(
            b"".join(daemon.netstring(maps[i % 4]) for i in range(10000)),))
        sender.start()
        for i in range(10000):
            equal(client.reply(), wanted[i % 4], f"reply {i}")
        sender.join()


@scenario
def half_closed():
    """Requests and at once the end of input: every answer, then the end, and no waiting for it"""
    names = name_server()
    names.dane("soon.test", delay=0.3, ttl=1)
    with running() as server:
        serves(server)
        begin = time.monotonic()
        for address in (server.map_path, server.inet):
            for count in range(0, 300, 3):  # around the size of a buffer, and several of them
                with server.client(address) as client:
                    rest = b"15:QUERY da" if count % 2 else b""
                    client.send(daemon.netstring(GOOD[0]) * count + rest)
                    client.socket.shutdown(socket.SHUT_WR)
                    equal([client.reply() for _ in range(count + 1)], [GOOD[1]] * count + [None])
            with server.client(address) as client:
                client.send(daemon.netstring("QUERY soon.test") + daemon.netstring(GOOD[0]))
                client.socket.shutdown(socket.SHUT_WR)
                equal([client.reply() for _ in range(3)], ["OK dane-only", GOOD[1], None])
        check(time.monotonic() - begin < 60, "one of them waited for a time-out")
        wait_for(lambda: server.metric("requiretls_socketmap_connections") == 0, "all gone", 5)


@scenario
def reload_under_load():
    """Reloads under load: every request is answered"""
    with running() as server:
        stop = threading.Event()
        errors = []

        def ask():
            with server.client() as client:
                while not stop.is_set():
                    for request, wanted in (GOOD, ("requiretls x.test", "OK enforce")):
                        reply = client.ask(request)
                        if reply != wanted:
                            errors.append(reply)
                            return

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            server.process.send_signal(signal.SIGUSR1)
            time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
        equal(errors, [])
        check(server.log().count("reloaded") > 0, "reloaded")


@scenario
def no_descriptors():
    """Out of descriptors: no spinning, no death, service again afterwards"""
    with running() as server:
        serves(server)
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (server.descriptors() + 10, hard))
        crowd = [server.client() for _ in range(60)]
        time.sleep(1)
        busy = server.process_cpu()
        time.sleep(2)
        check(server.process_cpu() - busy < 0.5, "spins")
        serves(server)  # in the place of one that has been idle
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
        for client in crowd:
            client.close()
        wait_for(lambda: server.ask(GOOD[0]) == GOOD[1], "service")


@scenario
def stopping():
    """SIGTERM with connections open and lookups in flight ends the daemon"""
    names = name_server()
    names.dane("slow2.test", delay=60)
    with running(dns_timeout="60s") as server:
        clients = [server.client() for _ in range(20)]
        for client in clients:
            client.send(daemon.netstring("QUERY slow2.test"))
        wait_for(lambda: server.metric("requiretls_dns_outstanding") > 0, "the look-up")
        begin = time.monotonic()
        equal(server.stop(), 0)
        check(time.monotonic() - begin < 20, "slow to stop")
        for client in clients:
            equal(client.reply(), None)
        check(not server.map_path.exists(), "the socket is removed")
        server.process.poll = lambda: None

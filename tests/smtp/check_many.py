"""Many connections at once."""
import contextlib
import resource

import servers
import suite
from servers import good
from suite import check, scenario

COUNT = 1000


def all_at_once(server, judge, **options):
    before = suite.CLIENT.status()
    jobs = [suite.CLIENT.probe(server, **options) for _ in range(COUNT)]
    results = [suite.CLIENT.result(job, seconds=60) for job in jobs]
    wrong = [str(result) for result in results if not judge(result)]
    check(not wrong, f"{len(wrong)} of {COUNT}, the first: {wrong[:1]}")
    return (suite.CLIENT.status()["peak"] - before["rss"]) / COUNT


@scenario
def half_open():
    """1,000 connections to a server that says nothing end in time, and take 16 kB each at most."""
    with suite.serving(servers.hang) as server:
        each = all_at_once(server, lambda result: result.word == "failed" and
                           result.seconds < 4 + 3 * suite.SLACK, timeout=4000)
        check(each < 16 or suite.CLIENT.sanitized, f"{each:.0f} kB each")


@scenario
def backlog():
    """1,000 connections to a server that does not accept them end in time."""
    with contextlib.closing(servers.Server(suite.CERTIFICATES, None, backlog=0)) as server:
        all_at_once(server, lambda result: result.word in ("failed", "unreachable") and
                    result.seconds < 2 + 3 * suite.SLACK, timeout=2000)


@scenario
def in_tls():
    """1,000 connections that are stuck in the handshake end in time, and take 64 kB each at most."""
    def act(peer):
        peer.read()  # the ClientHello
        peer.send(b"\x16\x03\x03\x00\x80\x02")
        peer.hang()

    with suite.serving(good("handshake", act)) as server:
        each = all_at_once(server, lambda result: result.word == "failed" and
                           result.seconds < 5 + 3 * suite.SLACK, timeout=5000)
        check(each < 64 or suite.CLIENT.sanitized, f"{each:.0f} kB each")


@scenario
def no_descriptors():
    """without descriptors a probe says nothing of the server; the others go on."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))

    client = suite.Client(suite.CLIENT.program, suite.CLIENT.ca, preexec_fn=few)
    try:
        with suite.serving(good()) as server:
            jobs = [client.probe(server, timeout=10000) for _ in range(60)]
            results = [client.result(job) for job in jobs]
        words = {(result.word, result.local) for result in results}
        check(words == {("ok", "0"), ("failed", "1")}, words)
    finally:
        client.process.stdin.close()
        client.process.wait()

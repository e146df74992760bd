"""TLS that gets no further, or is more than it should be."""
import time

import servers
import suite
from check_replies import at_once, in_time
from servers import good
from suite import check, scenario, side_by_side

# Octets of the server's first messages: within the record header, the ServerHello, the certificate.
COUNTS = (0, 1, 5, 6, 40, 100, 130, 200, 500)


@scenario
def stuck():
    """a handshake that gets stuck after any octet ends in time."""
    side_by_side(suite.CLIENT.probe,
                 {count: good("handshake", servers.stall_tls_after(count)) for count in COUNTS},
                 in_time("TLS handshake: timed out"))


@scenario
def dripping():
    """a handshake that comes an octet at a time ends in time."""
    act = servers.stall_tls_after(100000, seconds=0.1)
    side_by_side(suite.CLIENT.probe, {"drip": good("handshake", act)},
                 in_time("TLS handshake: timed out"))


@scenario
def closed():
    """a handshake that is closed after any octet says nothing of the server."""
    side_by_side(suite.CLIENT.probe,
                 {count: good("handshake", servers.stall_tls_after(count, servers.close))
                  for count in COUNTS},
                 at_once("connection closed during the TLS handshake", "reset by peer"))


def after_hello(act):
    """When the client has begun the handshake: before that it would be plaintext out of turn."""
    def script(peer):
        peer.read()
        act(peer)

    return script


@scenario
def no_tls():
    """octets that are no TLS instead of a handshake."""
    scripts = {
        "zeros": servers.flood(b"\0"),
        "text": servers.flood(b"250 ok\r\n"),
        "alert": lambda peer: (peer.send(b"\x15\x03\x03\x00\x02\x02\x28"), peer.hang()),
        "records without end": servers.flood(b"\x16\x03\x03\x40\x00" + b"\1" * 16384),
    }
    side_by_side(suite.CLIENT.probe, {name: good("handshake", after_hello(act)) for name, act in scripts.items()},
                 at_once("TLS handshake failed"))


@scenario
def flooded():
    """a handshake of HelloRequests, or of warnings, without end is left, and others are served meanwhile."""
    hello = after_hello(servers.flood(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"))
    warning = after_hello(servers.flood(b"\x15\x03\x03\x00\x02\x01\x5a"))
    with suite.serving(good("handshake", hello)) as first, suite.serving(good("handshake", warning)) as \
            second, suite.serving(good()) as third:
        jobs = [suite.CLIENT.probe(server, timeout=20000) for server in (first, second)]
        result = suite.CLIENT.result(suite.CLIENT.probe(third, timeout=20000))
        check(result.word == "ok", result)
        for job in jobs:
            result = suite.CLIENT.result(job)
            check(result.word == "failed" and result.seconds < 14, result)


@scenario
def certificates():
    """a certificate of 100 kB is read, and a larger one refused."""
    large, huge = suite.CERTIFICATES.large, suite.CERTIFICATES.huge
    check(large.stat().st_size > 80000 and huge.stat().st_size > 250000, "sizes")
    suite.probe(good(certificate=large), "not-authenticated", "name of the server")
    suite.probe(good(certificate=huge), "failed", "TLS handshake failed")


@scenario
def renegotiation():
    """a renegotiation is not taken part in."""
    with suite.serving(good("handshake", servers.renegotiate)) as server:
        result = suite.CLIENT.result(suite.CLIENT.probe(server, timeout=15000))
        check("EHLO, then renegotiation" in server.commands, f"{result}, {server.commands}")
        check(result.word == "failed" and result.seconds < 14, result)


@scenario
def tickets():
    """session tickets are no replies, and those without end are an end."""
    suite.probe(good(tickets=30), "ok")
    result = suite.probe(good("EHLO over TLS", servers.hang, tickets=10000), "failed", "Message too long",
                         timeout=15000)
    check(result.seconds < 14, result)


@scenario
def tls_closed():
    """close_notify without a close of the connection is an end."""
    def notify(peer):
        peer.connection.setblocking(False)
        try:
            peer.connection.unwrap()
        except OSError:
            pass
        time.sleep(3)

    side_by_side(suite.CLIENT.probe, {"EHLO over TLS": good("EHLO over TLS", notify)},
                 at_once("connection lost"))

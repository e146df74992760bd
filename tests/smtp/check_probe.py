"""What a probe says of servers that do nothing hostile."""
import ssl

import servers
import suite
from servers import good
from suite import check, probe, scenario


@scenario
def ok():
    """a server that does all that is demanded is ok, by its TLSA record and by the Web PKI."""
    certificates = suite.CERTIFICATES
    result = probe(good(), "ok")
    check(result.starttls == result.requiretls == result.pipelining == "1", result)
    check(result.web_pki == "ok" and result.dane == "not-tried", result)
    check(result.protocol == "TLSv1.3" and result.names == "1" and result.text == "", result)
    dane = f"dane:mx.test:{certificates.spki(certificates.good)}"
    result = probe(good(), "ok", demand=dane)
    check(result.dane == result.web_pki == "ok", result)
    other = f"dane:mx.test:{certificates.spki(certificates.self_signed)}"
    result = probe(good(certificate=certificates.self_signed), "ok", demand=other)
    check(result.dane == "ok" and result.web_pki == "failed", result)


@scenario
def web_pki_is_told():
    """where no certificate is demanded, the probe tells what the Web PKI says of it."""
    for certificate, word in (("good", "ok"), ("other", "failed"), ("self_signed", "failed")):
        server = good(certificate=getattr(suite.CERTIFICATES, certificate))
        result = probe(server, "ok", demand="encrypt")
        check(result.web_pki == word and result.dane == "not-tried", result)


@scenario
def commands():
    """a probe says EHLO, STARTTLS, EHLO and QUIT, and nothing of a message."""
    with suite.serving(good()) as server:
        suite.CLIENT.result(suite.CLIENT.probe(server))
        suite.wait_for(lambda: "QUIT" in server.commands, server.commands)
        check(server.commands == ["EHLO client.test", "STARTTLS", "EHLO client.test", "QUIT"],
              server.commands)


@scenario
def ipv6():
    """a server on IPv6."""
    with suite.serving(good(), address="fd00:25::1") as server:
        result = suite.CLIENT.result(suite.CLIENT.probe(server))
        check(result.word == "ok", result)


@scenario
def not_authenticated():
    """a certificate that the demand does not allow is a definite no, whatever else is offered."""
    certificates = suite.CERTIFICATES
    result = probe(good(certificate=certificates.other), "not-authenticated", "name of the server")
    check(result.requiretls == "1" and result.web_pki == "failed", result)
    probe(good(certificate=certificates.unnamed), "not-authenticated")
    probe(good(certificate=certificates.self_signed), "not-authenticated", "not trusted")
    dane = f"dane:mx.test:{certificates.spki(certificates.other)}"
    result = probe(good(), "not-authenticated", "no TLSA record matches", demand=dane)
    check(result.dane == "failed" and result.web_pki == "ok", result)
    probe(good(version=ssl.TLSVersion.TLSv1_1), "not-authenticated", "TLS version too old")
    # What comes afterwards does not make it less definite.
    probe(good("EHLO over TLS", servers.close, certificate=certificates.other), "not-authenticated")


@scenario
def no_starttls():
    """STARTTLS that is not offered, or is refused with 5yz, is a definite no."""
    result = probe(good(starttls=False), "no-starttls", "STARTTLS not offered")
    check(result.starttls == "0", result)
    result = probe(good("STARTTLS", servers.say("502 5.5.1 not here")), "no-starttls",
                   "STARTTLS: 502 5.5.1 not here")
    check(result.starttls == "1", result)


@scenario
def no_requiretls():
    """REQUIRETLS that is not offered after STARTTLS is a definite no."""
    result = probe(good(tls_offers=("SIZE 1000",)), "no-requiretls", "REQUIRETLS not offered")
    check(result.pipelining == "1" and result.requiretls == "0", result)
    # What was offered in plaintext does not count.
    probe(good(offers=("REQUIRETLS", "PIPELINING"), tls_offers=()), "ok")
    probe(good(tls_offers=("requiretls",)), "ok")


@scenario
def no_pipelining():
    """an EHLO reply without PIPELINING says nothing of what it does not offer."""
    probe(good(offers=("8BITMIME",), tls_offers=("DSN",)), "failed", "neither REQUIRETLS nor PIPELINING")
    probe(good(offers=("8BITMIME",), starttls=False), "failed", "neither STARTTLS nor PIPELINING")
    probe(good(offers=("8BITMIME",)), "ok")


@scenario
def refused():
    """4yz in any state, and 5yz to the connection or to EHLO, say nothing of what a server can do."""
    for state in ("greeting", "EHLO", "STARTTLS", "EHLO over TLS"):
        probe(good(state, servers.say("450 4.3.2 not now")), "failed", "450 4.3.2 not now")
        probe(good(state, servers.say("421 4.3.2 too busy")), "failed", "421 4.3.2 too busy")
        if state != "STARTTLS":
            probe(good(state, servers.say("554 5.7.1 not you")), "failed", "554 5.7.1 not you")


class Nowhere:
    def __init__(self, address, port=25):
        self.address, self.port = address, port


@scenario
def unreachable():
    """no connection: refused, no route, or not in time, is unreachable."""
    for address, text in (("127.0.0.1", "Connection refused"), ("10.26.0.1", "No route to host"),
                          ("fd00:99::1", "Network is unreachable")):
        result = suite.CLIENT.result(suite.CLIENT.probe(Nowhere(address)))
        check(result.word == "unreachable" and text in result.text, result)
        check(result.local == "0", result)
    result = suite.CLIENT.result(suite.CLIENT.probe(Nowhere("10.25.0.9"), timeout=500))
    check(result.word == "unreachable" and "timed out" in result.text, result)
    check(0.5 <= result.seconds < 0.5 + suite.SLACK, result)

"""What is demanded of a connection: not an octet of a message goes to a host that does not meet it."""
import ssl

import agent_suite
import servers
from agent_suite import CHECKS, Host, check, domain_of, hosts, nothing_said, scenario  # noqa: F401
from servers import good


def send(*all_hosts, words=("mx=secure",), **options):
    return agent_suite.AGENT.send(domain_of(*all_hosts, words=words), **options)


def expect(result, status, enhanced, text=""):
    check((result.status, result.enhanced) == (status, enhanced) and text in result.text,
          f"{result}, wanted {status} {enhanced} {text}")


@scenario
def dane():
    """a message that requires TLS goes to a host with DANE that offers REQUIRETLS, with REQUIRETLS"""
    with hosts(Host(good(tls_offers=("REQUIRETLS", "DSN")))) as (host,):
        result = send(host)
        expect(result, "sent", "2.0.0")
        mail = next(line for line in host.commands if line.startswith("MAIL"))
        check("REQUIRETLS" in mail and "RET=HDRS" in mail, mail)
        check(host.received == 1000, f"received {host.received}")
        check(result.tls == "dane-only/requiretls" and result.auth == "Verified", result)


UNFIT = {
    "a key that no TLSA record names": (lambda c: good(certificate=c.other), "bounced", "5.7.10"),
    "no REQUIRETLS after STARTTLS": (lambda c: good(tls_offers=()), "bounced", "5.7.30"),
    "REQUIRETLS in plaintext alone": (
        lambda c: good(offers=("PIPELINING", "REQUIRETLS"), tls_offers=(), starttls=False), "bounced",
        "5.7.30"),
    "no STARTTLS": (lambda c: good(starttls=False), "bounced", "5.7.30"),
    "neither PIPELINING nor REQUIRETLS": (lambda c: good(offers=(), tls_offers=()), "deferred", "4.7.30"),
    "neither PIPELINING nor STARTTLS": (lambda c: good(offers=(), starttls=False), "deferred", "4.7.30"),
    "STARTTLS refused with 5yz": (lambda c: good("STARTTLS", servers.say("554 5.7.0 no")), "bounced",
                                  "5.7.10"),
    "STARTTLS refused with 4yz": (lambda c: good("STARTTLS", servers.say("454 4.7.0 not now")), "deferred",
                                  "4.7.10"),
    "plaintext behind the reply to STARTTLS": (
        lambda c: good("STARTTLS", servers.say("220 go ahead", "250 mx.test")), "deferred", "4.7.5"),
    "TLS 1.1": (lambda c: good(version=ssl.TLSVersion.TLSv1_1), None, None),
    "a handshake that is broken off": (lambda c: good("handshake", servers.close), "deferred", "4.7.5"),
}


@scenario
def unfit_hosts():
    """a host that fails any demand is told nothing of the message, and another that meets it gets it"""
    for name, (script, status, enhanced) in UNFIT.items():
        script = script(agent_suite.CERTIFICATES)
        with hosts(Host(script, preference=5), Host(good(), preference=10)) as (bad, fit):
            result = send(bad, fit)
            check(result.status == "sent" and result.host == fit.name, f"{name}: {result}")
            nothing_said(bad)
            check(bad.connections >= 1 and fit.received == 1000, f"{name}: {bad.connections}")
        with hosts(Host(script)) as (bad,):
            result = send(bad)
            nothing_said(bad)
            check(result.status != "sent", f"{name}: {result}")
            if status is not None:
                check((result.status, result.enhanced) == (status, enhanced), f"{name}: {result}")


@scenario
def uncounted_hosts():
    """a host that does not count is not even connected to"""
    with hosts(Host(good(), preference=5, tlsa=False), Host(good(), preference=10)) as (plain, dane_host):
        result = send(plain, dane_host)
        check(result.host == dane_host.name, result)
        check(plain.connections == 0, "it was connected to")


@scenario
def unsigned():
    """where nothing authenticates the servers a message that requires TLS is refused at once"""
    with hosts(Host(good(), tlsa=False)) as (host,):
        expect(send(host, words=("mx=insecure",)), "bounced", "5.7.10", "MX records are not signed")
        check(host.connections == 0, "it was connected to")


@scenario
def web_pki():
    """under signed MX records without TLSA the Web PKI and the host's name count"""
    c = agent_suite.CERTIFICATES
    with hosts(Host(good(), name="mx.test", tlsa=False)) as (host,):
        expect(send(host), "sent", "2.0.0")
    for certificate in (c.other, c.self_signed, c.unnamed):
        with hosts(Host(good(certificate=certificate), name="mx.test", tlsa=False)) as (host,):
            expect(send(host), "bounced", "5.7.10")
            nothing_said(host)


@scenario
def sts():
    """by MTA-STS a certificate has the name of the MX host, and no other host is connected to"""
    c = agent_suite.CERTIFICATES
    inside, outside = Host(good(), name="mx.test", tlsa=False), Host(good(), tlsa=False, preference=5)
    with hosts(inside, outside):
        name = "sts.test"
        agent_suite.AGENT.findings(name, "mx=insecure", "sts=enforce", outside.word(), inside.word() + ",match")
        for request in ("require", "none"):
            result = agent_suite.AGENT.send(name, request=request)
            expect(result, "sent", "2.0.0")
            check(result.host == "mx.test" and outside.connections == 0, result)
    with hosts(Host(good(certificate=c.other), name="mx.test", tlsa=False)) as (host,):
        agent_suite.AGENT.findings(name, "mx=insecure", "sts=enforce", host.word() + ",match")
        for request in ("require", "none"):
            check(agent_suite.AGENT.send(name, request=request).status != "sent", request)
        nothing_said(host)


@scenario
def without_offer():
    """with require_offer = no a server that authenticates itself gets the message without REQUIRETLS"""
    with hosts(Host(good(tls_offers=()))) as (host,):
        result = send(host, offer=0)
        expect(result, "sent", "2.0.0")
        check(result.tls == "dane-only/requiretls:none", result)
        check("REQUIRETLS" not in " ".join(host.commands), host.commands)


@scenario
def starttls_level():
    """opportunistic+starttls never sends in plaintext, and says REQUIRETLS where it is offered"""
    level = "opportunistic+starttls"
    with hosts(Host(good(certificate=agent_suite.CERTIFICATES.other), tlsa=False)) as (host,):
        result = send(host, words=("mx=insecure",), level=level)
        expect(result, "sent", "2.0.0")
        check(result.tls == "encrypt/requiretls:nocertmatch", result)
        check(any("REQUIRETLS" in line for line in host.commands), host.commands)
    for script in (good(starttls=False), good("handshake", servers.close)):
        with hosts(Host(script, tlsa=False)) as (host,):
            check(send(host, words=("mx=insecure",), level=level).status == "deferred", "sent")
            nothing_said(host)


@scenario
def plaintext():
    """mail that asks nothing goes in plaintext where TLS is not to be had or breaks, but not with DANE"""
    broken = {
        "no STARTTLS": good(starttls=False),
        "refused": good("STARTTLS", lambda peer: peer.say("454 4.7.0 not now")),
        "broken off": None,
    }
    for name, script in broken.items():
        script = script or breaks_tls_once()
        if name == "refused":
            script = refuses_starttls
        for request in ("none", "optional"):
            with hosts(Host(script, tlsa=False)) as (host,):
                result = send(host, words=("mx=insecure",), request=request)
                check(result.status == "sent" and result.tls.startswith("may"), f"{name}: {result}")
                check(host.received == 1000, name)
    for script in (good(starttls=False), breaks_tls_once(), refuses_starttls,
                   good(certificate=agent_suite.CERTIFICATES.other)):
        with hosts(Host(script)) as (host,):
            check(send(host, request="none").status == "deferred", "DANE was not demanded")
            nothing_said(host)
            check(send(host, request="optional").status == "sent", "TLS-Required: No")


def breaks_tls_once():
    """A server whose handshake never works, and which takes mail in plaintext."""

    def script(peer):
        peer.say("220 mx.test ESMTP")
        peer.line("EHLO")
        peer.say("250-mx.test", "250-PIPELINING", "250 STARTTLS")
        if peer.line().upper().startswith("STARTTLS"):
            peer.say("220 go ahead")
            servers.close(peer)
        take_mail(peer, peer.server.commands[-1])

    return script


def refuses_starttls(peer):
    peer.say("220 mx.test ESMTP")
    peer.line("EHLO")
    peer.say("250-mx.test", "250-PIPELINING", "250 STARTTLS")
    command = peer.line()
    if command.upper().startswith("STARTTLS"):
        peer.say("454 4.7.0 TLS not available")
        command = peer.line()
    take_mail(peer, command)


def take_mail(peer, command):
    while True:
        verb = command.upper().split(":")[0].split(" ")[0]
        if verb == "DATA":
            peer.say("354 go ahead")
            peer.server.received = peer.content()
        peer.say("221 bye" if verb == "QUIT" else "250 2.0.0 ok")
        if verb == "QUIT":
            return
        command = peer.line()


@scenario
def fallback():
    """a fallback sends at the lower level what no host could meet, and only then; it is told of"""
    before = len(agent_suite.AGENT.errors)
    with hosts(Host(good(certificate=agent_suite.CERTIFICATES.other))) as (host,):
        for level, tls in (("encrypt", True), ("may", True)):
            result = send(host, fallback=level)
            # DANE binds below enforce, too.
            check(result.status == "deferred" and not host.said("MAIL"), result)
    with hosts(Host(good(tls_offers=()))) as (host,):
        result = send(host, fallback="encrypt")
        expect(result, "sent", "2.0.0")
        check(result.fell_back == "1" and result.level == "opportunistic+starttls", result)
    with hosts(Host(good(starttls=False), tlsa=False)) as (host,):
        check(send(host, words=("mx=insecure",), fallback="encrypt").status != "sent", "plaintext")
        nothing_said(host)
        result = send(host, words=("mx=insecure",), fallback="may")
        check(result.status == "sent" and result.tls == "may:none/requiretls:none", result)
    with hosts(Host(good("MAIL", servers.say("450 4.7.1 not now")))) as (host,):
        result = send(host, fallback="may")
        check(result.status == "deferred" and result.fell_back == "0", result)
    agent_suite.wait_for(lambda: any("WARN" in e.upper() or "fall" in e for e in
                                     agent_suite.AGENT.errors[before:]), "a warning")


@scenario
def null_sender():
    """mail from <> is never stricter than opportunistic"""
    with hosts(Host(good(starttls=False), tlsa=False)) as (host,):
        expect(send(host, words=("mx=insecure",), sender="<>"), "sent", "2.0.0")


@scenario
def own_policy():
    """a tls_policy of a rule takes the place of what is published"""
    c = agent_suite.CERTIFICATES
    good_key = ":".join(c.spki(c.good)[i:i + 2] for i in range(0, 64, 2)).upper()
    cases = [
        (f"fingerprint,match={good_key}", c.good, "sent"),
        (f"fingerprint,match={good_key}", c.other, None),
        ("secure,match=mx.test", c.good, "sent"),
        ("secure,match=mx.test", c.other, None),
        ("secure,match=mx.test", c.self_signed, None),
        ("verify,match=other.test", c.other, "sent"),
        ("encrypt", c.self_signed, None),  # authenticates nobody
    ]
    for policy, certificate, status in cases:
        with hosts(Host(good(certificate=certificate), tlsa=False)) as (host,):
            result = send(host, words=("mx=insecure",), policy=policy)
            check((result.status == "sent") == (status == "sent"), f"{policy}: {result}")
            if status is None:
                nothing_said(host)
    before = len(agent_suite.AGENT.errors)
    for level in ("enforce", "opportunistic"):
        with hosts(Host(good())) as (host,):
            result = send(host, policy="secure,tafile=/etc/ca.pem", level=level)
            expect(result, "deferred", "4.3.5")
            nothing_said(host)
    agent_suite.wait_for(lambda: any("cannot be honoured" in e for e in agent_suite.AGENT.errors[before:]),
                         "a warning")


@scenario
def literals():
    """an address literal can be authenticated by nothing, and takes mail that asks nothing"""
    with hosts(Host(good())) as (host,):
        name = f"[{host.address}]"
        agent_suite.AGENT.findings(name, "mx=not-asked")
        result = agent_suite.AGENT.send(name)
        check(result.status == "bounced" and host.connections == 0, result)
        result = agent_suite.AGENT.send(name, request="none")
        check(result.status == "sent" and host.received == 1000, result)

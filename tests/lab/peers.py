"""Domains that are there for their servers: certificates, TLSA records that name them and do not, STARTTLS
that fails in every way, addresses that differ. Rows of domains.py, which has others of the kind; what is
found out about each is in verification.py and in mail_scenarios/probes.py.
"""

from domains import Domain, Mx, Sts


def dane(name, about, tlsa="ee", **mx):
    """A signed domain whose one host has these TLSA records."""
    return Domain(f"{name}.test", about, True, (Mx(tlsa=tuple(tlsa.split()), **mx),))


def sts(name, about, **mx):
    return Domain(f"{name}.test", about, mx=(Mx(**mx),), sts=Sts())


def signed(name, about, **mx):
    """Signed without TLSA: for the Web PKI."""
    return Domain(f"{name}.test", about, True, (Mx(**mx),), postfix_policy=f"secure match=mx.{name}.test")


PEERS = (
    # DANE-EE: the key alone counts, whatever else the certificate says (RFC 7671 section 5.1).
    dane("dane-cert", "DANE with the certificate (3 0 1)", "ee-cert"),
    dane("dane-cert-full", "DANE with the whole certificate (3 0 0)", "ee-cert-full"),
    dane("dane-sha512", "DANE with SHA-512 (3 1 2)", "ee-512"),
    dane("dane-several", "several TLSA records, the last one matches", "wrong ta-other ee"),
    dane("dane-agility", "of two digests the weaker matches (RFC 7671 section 9)", "wrong-512 ee"),
    dane("dane-name", "DANE-EE, a certificate of another name", cert="wrong-name"),
    dane("dane-other-ca", "DANE-EE, a certificate of an unknown CA", cert="other-ca"),
    dane("dane-self-signed", "DANE-EE, a self-signed certificate", cert="self-signed"),
    # DANE-TA: names and dates count, the chain must have the anchor (RFC 7671 section 5.2).
    dane("dane-ta-key", "DANE by the trust anchor's key (2 1 1)", "ta-key"),
    dane("dane-ta-wildcard", "DANE by trust anchor, a wildcard certificate", "ta", cert="wildcard"),
    dane("dane-ta-common-name", "DANE by trust anchor, a name in the subject alone", "ta", cert="common-name"),
    dane("dane-ta-next-hop", "DANE by trust anchor, the name of the next-hop", "ta", cert="next-hop"),
    dane("dane-ta-no-anchor", "DANE by trust anchor, which the chain lacks", "ta", anchor=False),
    dane("dane-ta-full", "DANE by trust anchor, which DNS has and the chain lacks (2 0 0)", "ta-full", anchor=False),
    dane("dane-ta-name", "DANE by trust anchor, another name", "ta", cert="wrong-name"),
    dane("dane-ta-expired", "DANE by trust anchor, expired", "ta", cert="expired"),
    dane("dane-ta-other", "DANE by trust anchor, a certificate of another CA", "ta", cert="other-ca"),
    # The Web PKI: a DNS-ID, a whole label for a wildcard (RFC 8461 section 4.1, RFC 6125).
    sts("sts-other-ca", "STS enforce, a certificate of an unknown CA", cert="other-ca"),
    sts("sts-self-signed", "STS enforce, a self-signed certificate", cert="self-signed"),
    sts("sts-no-anchor", "STS enforce, a chain without the CA's own certificate", anchor=False),
    sts("sts-wildcard-cert", "STS enforce, a wildcard certificate", cert="wildcard"),
    sts("sts-partial-wildcard", "STS enforce, a wildcard for a part of a label", cert="partial-wildcard"),
    sts("sts-common-name", "STS enforce, a name in the subject alone", cert="common-name"),
    signed("signed-expired", "signed without TLSA, an expired certificate", cert="expired"),
    signed("signed-other-ca", "signed without TLSA, a certificate of an unknown CA", cert="other-ca"),
    # STARTTLS and what comes before and after it.
    dane("dane-454", "STARTTLS is offered and answered with 454", requiretls=False, fault="454"),
    dane("dane-500", "STARTTLS is offered and answered with 500", requiretls=False, fault="500"),
    dane("dane-no-certificate", "the handshake is broken off: the server's certificate cannot be read",
         requiretls=False, fault="no-certificate"),
    dane("dane-no-cipher", "no cipher suits both: the handshake is broken off", requiretls=False, fault="no-cipher"),
    dane("dane-client-cert", "clients must have a certificate", requiretls=False, fault="client-cert"),
    dane("dane-tls11", "TLS 1.1 alone", requiretls=False, fault="tls1.1"),
    dane("dane-silent", "accepts connections, and never says a word", fault="silent"),
    # Address families, and two hosts.
    dane("dane-v6-no-requiretls", "IPv6 alone, no REQUIRETLS announced", v4=False, v6=True, requiretls=False),
    dane("dane-v4-down", "nothing listens at its IPv4 address, no REQUIRETLS at the other", v6=True, v4_up=False,
         requiretls=False),
    Domain("dane-one.test", "two MX hosts with DANE, the second announces REQUIRETLS", True, (
        Mx("mx1", 10, tlsa=("ee",), requiretls=False), Mx("mx2", 20, tlsa=("ee",)))),
    Domain("dane-neither.test", "one MX host without REQUIRETLS, one with a wrong certificate", True, (
        Mx("mx1", 10, tlsa=("wrong",)), Mx("mx2", 20, tlsa=("ee",), requiretls=False))),
    Domain("dane-one-down.test", "one MX host without REQUIRETLS, one that is down", True, (
        Mx("mx1", 10, tlsa=("ee",), requiretls=False), Mx("mx2", 20, tlsa=("ee",), up=False))),
)

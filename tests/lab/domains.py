"""The lab's internet in one table: what each domain publishes and how its servers behave.

To add a domain, add a line to DOMAINS; zones, addresses, certificates, policy hosts and receiving
servers follow from it (plan.py). What is to be found out about it stands in mail_scenarios/verdicts.py
and engine_scenarios/query.py. Domains whose servers matter rather than their DNS are in peers.py. Names without a
dot are below the domain.
"""

from dataclasses import dataclass


@dataclass
class Mx:
    """A receiving host, named in the MX record of its domain (or, `apex`, the domain itself)."""

    name: str = "mx"
    pref: int = 10
    tlsa: tuple = ()  # of those that tlsa.py knows: ee ta wrong...
    cert: str = "good"  # good wrong-name expired other-ca self-signed..., see ca.py
    anchor: bool = True  # its chain has the CA's certificate
    starttls: bool = True
    fault: str = None  # what goes wrong at STARTTLS or before: see FAULTS in postfix.py, or "silent"
    requiretls: bool = True  # announced: then it is Postfix 3.11 that receives
    v4: bool = True
    v6: bool = False
    up: bool = True  # False: nothing listens there
    v4_up: bool = True  # False: nothing listens at its IPv4 address
    extra_names: tuple = ()  # more names in its certificate


@dataclass
class Sts:
    """An MTA-STS record and its policy host. Text given here is published as it stands."""

    mode: str = "enforce"
    mx: tuple = ("mx",)
    max_age: int = 86400
    record: str = "v=STSv1; id=20240101;"  # "" for none; several: a tuple
    body: str = None  # instead of the policy made of mode, mx and max_age
    http: str = "ok"  # ok 404 500 redirect type oversize hang refused
    cert: str = "good"  # as for Mx


@dataclass
class Domain:
    name: str
    about: str
    signed: bool = False
    mx: tuple = (Mx(),)  # Mx, or "10 other.host.test" for a host defined elsewhere
    apex: Mx = None  # implicit MX: a receiving host at the domain's own name
    sts: Sts = None
    extra: tuple = ()  # more records of the zone, in zone file text
    delegated: str = "secure"  # a signed zone's DS: secure, insecure (none), wrong
    signatures: str = "valid"  # valid, expired
    server: str = None  # a behaviour of the crooked responder, None: knot answers itself
    postfix_policy: str = None  # for the static TLS policy map; STS enforce gets one unasked


def enforced(domain, *more, mx=("mx",)):
    """A policy's text in mode enforce, with more lines."""
    lines = ["version: STSv1", "mode: enforce", *(f"mx: {name}.{domain}" for name in mx),
             "max_age: 86400", *more]
    return "".join(f"{line}\r\n" for line in lines)


DOMAINS = (
    # Where the senders live, and the machines under test.
    Domain("sender.test", "an ordinary sender; bounces arrive here"),
    Domain("lab.test", "the machines under test", signed=True, mx=(), extra=(
        "mta311 A 192.0.2.11", "mta37 A 192.0.2.7", "mtasm A 192.0.2.25", "mta A 192.0.2.11")),
    Domain("local.test", "a virtual mailbox domain of the machines under test", signed=True, mx=(
        "10 mta311.lab.test", "10 mta37.lab.test")),

    # DANE.
    Domain("dane.test", "DANE for its MX host", True, (Mx(tlsa=("ee",)),)),
    Domain("dane-ta.test", "DANE by trust anchor", True, (Mx(tlsa=("ta",)),)),
    Domain("dane-full.test", "DANE with the whole public key (3 1 0)", True, (
        Mx(tlsa=("ee-full",)),)),
    Domain("dane-private-ca.test", "DANE-EE with an expired certificate of an unknown CA", True, (
        Mx(tlsa=("ee",), cert="expired"),)),
    Domain("dane-wrong.test", "DANE that does not match the certificate", True, (
        Mx(tlsa=("wrong",)),)),
    Domain("dane-mixed.test", "one MX host with DANE, one without", True, (
        Mx("mx1", 10, tlsa=("ee",)), Mx("mx2", 20))),
    Domain("dane-mixed-sts.test", "one MX host with DANE, one without, STS enforce", True, (
        Mx("mx1", 10, tlsa=("ee",)), Mx("mx2", 20)), sts=Sts(mx=("mx1", "mx2"))),
    Domain("dane-half-wrong.test", "two MX hosts with DANE, the preferred one's is wrong", True, (
        Mx("mx1", 10, tlsa=("wrong",)), Mx("mx2", 20, tlsa=("ee",)))),
    Domain("dane-unusable.test", "TLSA records that none can use (PKIX-EE)", True, (
        Mx(tlsa=("pkix",)),)),
    Domain("dane-badlen.test", "a TLSA record of the wrong length beside a good one", True, (
        Mx(tlsa=("badlen", "ee")),)),
    Domain("dane-no-requiretls.test", "DANE, but the host does not announce REQUIRETLS", True, (
        Mx(tlsa=("ee",), requiretls=False),)),
    Domain("dane-no-starttls.test", "DANE, but the host offers no STARTTLS", True, (
        Mx(tlsa=("ee",), starttls=False),)),
    Domain("dane-down.test", "DANE, but nothing listens", True, (Mx(tlsa=("ee",), up=False),)),
    Domain("dane-v6.test", "DANE, host with IPv6 only", True, (
        Mx(tlsa=("ee",), v4=False, v6=True),)),
    Domain("dane-both.test", "DANE, host with both address families", True, (
        Mx(tlsa=("ee",), v6=True),)),
    Domain("dane-ghost.test", "two MX hosts, the preferred one does not exist", True, (
        "5 nowhere.dane-ghost.test", Mx(tlsa=("ee",)))),
    Domain("dane-sts.test", "DANE and STS enforce", True, (Mx(tlsa=("ee",)),), sts=Sts()),
    Domain("dane-wrong-sts.test", "DANE that fails, while STS would not", True, (
        Mx(tlsa=("wrong",)),), sts=Sts()),
    Domain("dane-cname.test", "the MX host is an alias of a host in a signed zone", True, (
        "10 mx.dane-cname.test",), extra=("mx CNAME mx.dane.test.",)),
    Domain("dane-cname-out.test", "a signed alias of a host in an unsigned zone", True, (
        "10 mx.dane-cname-out.test",), extra=("mx CNAME mx.plain.test.",)),
    Domain("insecure-mx.test", "unsigned, its MX host is DANE's", mx=("10 mx.dane.test",)),
    Domain("insecure-mx-wrong.test", "unsigned, its MX host has wrong TLSA records", mx=(
        "10 mx.dane-wrong.test",)),
    Domain("hosted.test", "signed, its MX host in an unsigned zone", True, ("10 mx.plain.test",)),
    Domain("hosted-dane.test", "signed, its MX host is DANE's", True, ("10 mx.dane.test",)),

    # MTA-STS.
    Domain("sts.test", "STS enforce", sts=Sts()),
    Domain("sts-wildcard.test", "STS enforce with a wildcard", mx=(Mx("a.mx"),), sts=Sts(
        mx=("*.mx.sts-wildcard.test",))),
    Domain("sts-badcert.test", "STS enforce, the MX host's certificate has another name", mx=(
        Mx(cert="wrong-name"),), sts=Sts()),
    Domain("sts-expired.test", "STS enforce, the MX host's certificate has expired", mx=(
        Mx(cert="expired"),), sts=Sts()),
    Domain("sts-no-requiretls.test", "STS enforce, no REQUIRETLS announced", mx=(
        Mx(requiretls=False),), sts=Sts()),
    Domain("sts-no-starttls.test", "STS enforce, no STARTTLS", mx=(
        Mx(starttls=False),), sts=Sts()),
    Domain("sts-nomatch.test", "STS enforce that names other MX hosts", sts=Sts(
        mx=("mail.elsewhere.test",))),
    Domain("sts-some.test", "STS enforce that names one of two MX hosts", mx=(
        Mx("mx1", 10), Mx("mx2", 20)), sts=Sts(mx=("mx2",))),
    Domain("sts-testing.test", "STS testing", sts=Sts("testing")),
    Domain("sts-none.test", "STS none", sts=Sts("none", mx=())),
    Domain("sts-record.test", "an invalid STS record", sts=Sts(record="v=STSv12; id=1;")),
    Domain("sts-records.test", "two STS records", sts=Sts(
        record=("v=STSv1; id=1;", "v=STSv1; id=2;"))),
    Domain("sts-norecord.test", "a policy host, but no STS record", sts=Sts(record="")),
    Domain("sts-policy.test", "an invalid STS policy", sts=Sts(
        body="version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\n")),
    Domain("sts-hostile.test", "STS enforce, a policy file that tries to change Postfix's syntax",
           sts=Sts(body="version: STSv1\r\nmode: enforce\r\nmx: mx.sts-hostile.test\r\n"
                        "max_age: 86400\r\nx: } policy_failure=validation-failure { y\r\n"
                        "z: {{{\r\nw: a, b = c policy_type=tlsa match=nexthop\r\n")),
    Domain("sts-404.test", "the policy is not there", sts=Sts(http="404")),
    Domain("sts-500.test", "the policy host has an error", sts=Sts(http="500")),
    Domain("sts-redirect.test", "the policy host redirects", sts=Sts(http="redirect")),
    Domain("sts-type.test", "the policy has another content type", sts=Sts(http="type")),
    Domain("sts-oversize.test", "a policy of 100 kilobytes", sts=Sts(http="oversize")),
    Domain("sts-hang.test", "the policy host never answers", sts=Sts(http="hang")),
    Domain("sts-refused.test", "the policy host refuses the connection", sts=Sts(http="refused")),
    Domain("sts-webpki.test", "the policy host's certificate has another name", sts=Sts(
        cert="wrong-name")),
    Domain("sts-webpki-ca.test", "the policy host's certificate is of an unknown CA", sts=Sts(
        cert="other-ca")),
    Domain("sts-webpki-expired.test", "the policy host's certificate has expired", sts=Sts(
        cert="expired")),
    Domain("signed-sts.test", "signed without TLSA, STS enforce", True, sts=Sts()),
    Domain("signed-sts-nomatch.test", "signed without TLSA, STS enforce that names others", True,
           sts=Sts(mx=("mail.elsewhere.test",))),

    # MTA-STS policies whose text would be something else where it is quoted.
    Domain("sts-braces.test", "a policy with braces", sts=Sts(body=enforced(
        "sts-braces.test", "a: { policy_string = b }", "b: {{{", "c: } policy_type=tlsa {",
        "d: }", "e: a } { b"))),
    Domain("sts-blanks.test", "a policy with blanks and tabs wherever they may be", sts=Sts(
        body=enforced("sts-blanks.test", "a:   b  c  d  ", "b:\te").replace(
            "mx: ", "mx: \t ").replace("mode: enforce", "mode:enforce \t"))),
    Domain("sts-attributes.test", "a policy with what looks like attributes of Postfix", sts=Sts(
        body=enforced("sts-attributes.test", "policy_type: no-policy-found",
                      "a: policy_failure=validation-failure", "match: evil.test",
                      "b: secure match=evil.test servername=evil.test", "c: , d = ; \\ \" '"))),
    Domain("sts-utf8.test", "a policy with UTF-8", sts=Sts(body=enforced(
        "sts-utf8.test", "a: Gr\u00fc\u00dfe \u2028 \u202e", "b: \u00a0"))),
    Domain("sts-control.test", "control characters make a policy invalid", sts=Sts(body=enforced(
        "sts-control.test", "a: b\x01c\x7f"))),
    Domain("sts-tab.test", "so does a tab within a value", sts=Sts(body=enforced(
        "sts-tab.test", "a: b\tc"))),
    Domain("sts-newline.test", "and a bare CR", sts=Sts(body=enforced(
        "sts-newline.test", "a: b\rmode: none"))),
    Domain("sts-words.test", "a policy whose patterns are words of Postfix", sts=Sts(body=enforced(
        "sts-words.test", "mx: hostname", "mx: nexthop", "mx: dot-nexthop"))),
    Domain("sts-only-words.test", "and none besides", sts=Sts(body=enforced(
        "sts-only-words.test", "mx: hostname", mx=()))),
    Domain("sts-many.test", "a policy with hundreds of patterns and long lines", sts=Sts(
        body=enforced("sts-many.test", *(f"x{n}: {'y' * 2000}" for n in range(8)),
                      mx=("mx", *(f"a-rather-long-host-name-{n}" for n in range(600)))))),

    # Signed, no TLSA: only the Web PKI can tell.
    Domain("signed.test", "signed without TLSA", True,
           postfix_policy="secure match=mx.signed.test"),
    Domain("signed-badcert.test", "signed without TLSA, a certificate of another name", True, (
        Mx(cert="wrong-name"),), postfix_policy="secure match=mx.signed-badcert.test"),
    Domain("signed-no-starttls.test", "signed without TLSA, no STARTTLS", True, (
        Mx(starttls=False),)),
    Domain("signed-no-requiretls.test", "signed without TLSA, no REQUIRETLS announced", True, (
        Mx(requiretls=False),)),
    Domain("implicit-signed.test", "no MX record: the signed domain is the host", True, (),
           apex=Mx(), postfix_policy="secure match=implicit-signed.test"),
    Domain("implicit-dane.test", "no MX record, DANE at the domain itself", True, (), apex=Mx(
        tlsa=("ee",))),

    # Nothing published.
    Domain("plain.test", "neither signed nor STS"),
    Domain("plain2.test", "another such"),
    Domain("plain-no-starttls.test", "and without STARTTLS", mx=(Mx(starttls=False),)),
    Domain("plain-no-requiretls.test", "and without REQUIRETLS", mx=(Mx(requiretls=False),)),
    Domain("plain-badcert.test", "and a certificate that proves nothing", mx=(
        Mx(cert="self-signed"),)),
    Domain("implicit.test", "no MX record: the domain itself is the host", mx=(), apex=Mx()),
    Domain("implicit-v6.test", "the same with IPv6 only", mx=(), apex=Mx(v4=False, v6=True)),
    Domain("island.test", "signed, but its parent does not say so", True, (
        Mx(tlsa=("ee",)),), delegated="insecure"),
    Domain("backup.test", "this host is its second MX", True, (
        Mx(pref=10, tlsa=("ee",)), "20 mta311.lab.test", "20 mta37.lab.test")),
    Domain("backup-plain.test", "this host is its second MX, the first proves nothing", mx=(
        Mx(pref=10), "20 mta311.lab.test", "20 mta37.lab.test", "30 mx.dane.test")),
    Domain("big.test", "thirty MX hosts: the answer does not fit into UDP", True, tuple(
        ["10 mx.big.test"] + [f"{20 + n} a-rather-long-host-name-{n}.big.test"
                              for n in range(29)]), extra=("mx CNAME mx.dane.test.",)),

    # Where no mail goes.
    Domain("nullmx.test", "null MX", mx=(), extra=("@ MX 0 .",)),
    Domain("nullmx-signed.test", "null MX, signed", True, (), extra=("@ MX 0 .",)),
    Domain("nomail.test", "neither MX nor address", mx=()),

    # Names that cannot be looked up.
    Domain("mx-servfail.test", "its server answers SERVFAIL", server="servfail"),
    Domain("mx-refused.test", "its server answers REFUSED", server="refused"),
    Domain("mx-lame.test", "its server knows nothing of it", server="lame"),
    Domain("mx-silent.test", "its server never answers", server="silent"),
    Domain("mx-bogus.test", "its MX record's signature is wrong", True, server="bogus-mx"),
    Domain("mx-expired.test", "its signatures have expired", True, signatures="expired"),
    Domain("mx-wrong-ds.test", "its keys are not those its parent names", True,
           delegated="wrong"),
    Domain("tlsa-servfail.test", "TLSA queries get SERVFAIL", True, (Mx(tlsa=("ee",)),),
           server="servfail-tlsa"),
    Domain("tlsa-bogus.test", "TLSA answers have a wrong signature", True, (Mx(tlsa=("ee",)),),
           server="bogus-tlsa"),
    Domain("tlsa-silent.test", "TLSA queries get no answer", True, (Mx(tlsa=("ee",)),),
           server="silent-tlsa"),
    Domain("tlsa-servfail-plain.test", "unsigned, TLSA queries get SERVFAIL", mx=(Mx(),),
           server="servfail-tlsa"),
    Domain("aaaa-servfail.test", "DANE, AAAA queries get SERVFAIL", True, (Mx(tlsa=("ee",)),),
           server="servfail-aaaa"),
    Domain("txt-servfail.test", "DANE and STS, TXT queries get SERVFAIL", True, (
        Mx(tlsa=("ee",)),), sts=Sts(), server="servfail-txt"),
    Domain("txt-servfail-plain.test", "STS enforce, TXT queries get SERVFAIL", sts=Sts(),
           server="servfail-txt"),
    Domain("truncated.test", "DANE, every UDP answer is truncated", True, (Mx(tlsa=("ee",)),),
           server="truncate"),
    Domain("slow.test", "DANE, every answer takes 300 ms", True, (Mx(tlsa=("ee",)),),
           server="slow"),
)


# Zones for thousands of domains, filled by those who need them (engine/load.py).
BULK = (
    Domain("bulk-dane.test", "domains with DANE", True, ()),
    Domain("bulk-plain.test", "domains with nothing", mx=()),
    Domain("bulk-sts.test", "domains with STS enforce", mx=()),
    Domain("bulk-unreachable.test", "domains with DANE whose servers never answer", True, ()),
)


def by_name(name):
    for domain in DOMAINS:
        if domain.name == name:
            return domain
    raise KeyError(name)

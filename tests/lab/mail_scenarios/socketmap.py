"""What Postfix does with the answers of the socketmap server: by its own log, and by what arrives.

Each row: a domain, whether the message asks for REQUIRETLS, what becomes of it, what 3.11 logs as
tls=. A message that is deferred or bounced must not have arrived anywhere.
"""

import re

import domains
from maillog import Log
from milter import IMPATIENT
from scenario import check, expect, scenario

PORT = 8461
CONFIG = IMPATIENT + f"""
[socketmap]
listen = inet:127.0.0.1:{PORT}

[rule relaxed]
nexthop = plain2.test
level = opportunistic
"""

# domain, asks for REQUIRETLS, status, tls= of 3.11 (a pattern)
QUERY = (
    ("dane.test", False, "sent", "dane-only"),
    ("dane.test", True, "sent", "dane-only/requiretls"),
    ("dane-ta.test", False, "sent", "dane-only"),
    ("dane-private-ca.test", False, "sent", "dane-only"),
    ("dane-wrong.test", False, "deferred", None),
    ("dane-wrong-sts.test", False, "deferred", None),  # MTA-STS does not override DANE
    ("dane-mixed.test", False, "sent", "dane"),
    ("dane-mixed-sts.test", False, "sent", "dane-only"),
    ("dane-no-starttls.test", False, "deferred", None),
    ("insecure-mx.test", False, "sent", "halfdane|dane"),
    ("sts.test", False, "sent", "secure"),
    ("sts.test", True, "sent", "secure/requiretls"),
    ("sts-wildcard.test", False, "sent", "secure"),
    ("sts-some.test", False, "sent", "secure"),
    ("sts-hostile.test", False, "sent", "secure"),
    ("sts-badcert.test", False, "deferred", None),
    ("sts-expired.test", False, "deferred", None),
    ("sts-nomatch.test", False, "deferred", None),
    ("sts-testing.test", False, "sent", "may"),
    ("sts-none.test", False, "sent", "may"),
    ("sts-policy.test", False, "sent", "may"),
    ("sts-404.test", False, "sent", "may"),
    ("sts-webpki.test", False, "sent", "may"),
    ("signed-sts.test", False, "sent", "secure"),
    ("plain.test", False, "sent", "may"),
    ("plain-no-starttls.test", False, "sent", "may:none"),
    ("mx-servfail.test", False, "deferred", None),
    ("tlsa-servfail.test", False, "deferred", None),
)

# The map that a transport for REQUIRETLS mail asks: nothing unauthenticated goes out.
ENFORCE = (
    ("dane.test", "sent", "dane-only/requiretls"),
    ("dane-mixed.test", "sent", "dane-only/requiretls"),
    ("sts.test", "sent", "secure/requiretls"),
    ("sts-some.test", "sent", "secure/requiretls"),
    ("signed.test", "sent", "secure/requiretls"),
    ("implicit-signed.test", "sent", "secure/requiretls"),
    ("signed-badcert.test", "refused", None),
    ("signed-sts-nomatch.test", "refused", None),
    ("sts-nomatch.test", "refused", None),
    ("sts-badcert.test", "refused", None),
    ("sts-testing.test", "refused", None),
    ("insecure-mx.test", "refused", None),  # Postfix alone would send it
    ("dane-wrong.test", "refused", None),
    ("dane-no-starttls.test", "refused", None),
    ("plain.test", "refused", None),
    ("mx-servfail.test", "deferred", None),
)


def table(name):
    return f"socketmap:inet:127.0.0.1:{PORT}:{name}"


# What Postfix warns of where an answer is temporary, or a host outside the policy is left out.
EXPECTED = re.compile(r"socketmap server temporary error: |lookup error|TLS policy lookup for |"
                      r"does not match STS MX pattern")


def no_complaints(mta, start):
    """Postfix took every answer as it was: no word about attributes, levels or patterns in it."""
    for line in Log(mta.maillog).lines()[start:]:
        if "postfix/smtp[" in line and "warning: " in line:
            check(EXPECTED.search(line), line)


def outcome(lab, mta, domain, parameters, wanted, tls):
    sent = lab.send(mta, f"bob@{domain}", parameters=parameters)
    expect(sent.replies[f"bob@{domain}"].code, 250, "RCPT")
    delivery = sent.deliveries(timeout_s=60)[f"bob@{domain}"]
    if wanted == "refused":
        check(delivery.status in ("bounced", "deferred"), str(delivery))
    else:
        expect(delivery.status, wanted, str(delivery))
    if wanted == "sent":
        arrival = sent.arrived(f"bob@{domain}")
        check(arrival.tls or tls == "may:none", str(arrival))
    else:
        expect(sent.arrivals_elsewhere(), [], f"{domain} arrived")
    if tls and mta.modern:
        check(re.fullmatch(tls, delivery.tls), f"tls={delivery.tls}: {delivery}")
    return delivery


def run_query(lab, version, name):
    mta = lab.mtas[version]
    lab.milter(CONFIG, fresh=True)
    start = len(Log(mta.maillog).lines())
    settings = {"smtp_tls_policy_maps": table(name)}
    if mta.modern:
        settings["smtp_requiretls_policy"] = f"{table('requiretls')}, enforce"
    with mta.configured(**settings):
        for domain, asks, wanted, tls in QUERY:
            if asks and not mta.modern:
                continue
            outcome(lab, mta, domain, ["REQUIRETLS"] if asks else [], wanted, tls)
        if mta.modern:
            # The level comes from the rule for that next-hop, and from none for the other.
            outcome(lab, mta, "plain2.test", ["REQUIRETLS"], "sent", "may/requiretls.*")
            delivery = outcome(lab, mta, "plain.test", ["REQUIRETLS"], "bounced", None)
            expect(delivery.dsn, "5.7.10", str(delivery))
    no_complaints(mta, start)


@scenario("socketmap: TLSRPT attributes of every policy of the lab, in Postfix's own words",
          machines=["3.11"])
def _(lab):
    mta = lab.mtas["3.11"]
    lab.milter(CONFIG, fresh=True)
    policies = [d for d in domains.DOMAINS if d.sts]
    keys = "".join(f"{d.name}\n" for d in policies)
    lines = mta.run("postmap", "-q", "-", table("QUERYwithTLSRPT"), input=keys).splitlines()
    seen = dict.fromkeys(keys.split(), "") | dict(line.split("\t", 1) for line in lines)
    hostile = seen["sts-hostile.test"]
    expect(hostile, "secure match=mx.sts-hostile.test servername=hostname policy_type=sts "
           "policy_domain=sts-hostile.test mx_host_pattern=mx.sts-hostile.test "
           "{ policy_string = version: STSv1 } { policy_string = mode: enforce } "
           "{ policy_string = mx: mx.sts-hostile.test } { policy_string = max_age: 86400 }"
           " { policy_string = w: a, b = c policy_type=tlsa match=nexthop }", "hostile")
    check("policy_type=sts" in seen["sts.test"], seen["sts.test"])
    for name in ("sts-testing.test", "sts-none.test", "sts-policy.test", "dane-sts.test"):
        check("policy_type" not in seen[name], f"{name}: {seen[name]}")


@scenario("socketmap 3.11: QUERYwithTLSRPT and requiretls")
def _(lab):
    run_query(lab, "3.11", "QUERYwithTLSRPT")


@scenario("socketmap 3.11: QUERY")
def _(lab):
    run_query(lab, "3.11", "QUERY")


@scenario("socketmap 3.7: QUERY")
def _(lab):
    run_query(lab, "3.7", "QUERY")


@scenario("socketmap 3.7: postfix")
def _(lab):
    run_query(lab, "3.7", "postfix")


def run_enforce(lab, version):
    mta = lab.mtas[version]
    lab.milter(CONFIG, fresh=True)
    start = len(Log(mta.maillog).lines())
    with mta.configured(smtp_tls_policy_maps=table("enforce")):
        for domain, wanted, tls in ENFORCE:
            delivery = outcome(lab, mta, domain, ["REQUIRETLS"], wanted, tls)
            if domain == "plain.test" and mta.modern:
                expect((delivery.status, delivery.dsn), ("bounced", "5.7.10"), str(delivery))
    no_complaints(mta, start)


@scenario("socketmap 3.11: enforce")
def _(lab):
    run_enforce(lab, "3.11")


@scenario("socketmap 3.7: enforce")
def _(lab):
    run_enforce(lab, "3.7")

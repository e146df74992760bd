"""What sendmail does with mail to the domains of the lab, by the snippets in etc/sendmail: ordinary
mail by FEATURE(`sts'), mail that requires TLS by the rules of requiretls.m4, all through the daemon's
socketmap."""

import smrouted
from scenario import check, expect, scenario
from smrouted import routed

REFUSED = "550 5.7.10"
BOUNCED = "bounced 5.7.10"
LATER = "deferred 4.7.0"
NAME_LATER = "deferred 4.2.0 OK"  # sendmail makes its own of a refusal at RCPT

# domain -> what becomes of ordinary mail, of mail that requires TLS
BECOMES = {
    "dane": ("sent OK", "sent OK"),
    "dane-ta": ("sent OK", "sent OK"),
    "dane-mixed": ("sent OK", "sent OK"),
    "dane-sts": ("sent OK", "sent OK"),
    # sendmail before 8.18 knows no DANE: its own answer is that of the Web PKI.
    "dane-private-ca": ("sent FAIL", f"{BOUNCED} FAIL"),
    "dane-no-starttls": ("sent", BOUNCED),
    "hosted-dane": ("sent OK", "sent OK"),
    "insecure-mx": ("sent OK", REFUSED),
    "sts": ("sent OK", "sent OK"),
    "sts-wildcard": ("sent OK", "sent OK"),
    "sts-badcert": (NAME_LATER, f"{BOUNCED} OK"),  # a trust chain, but another name
    "sts-expired": (f"{LATER} FAIL", f"{BOUNCED} FAIL"),
    "sts-no-starttls": (LATER, BOUNCED),
    "sts-nomatch": (NAME_LATER, REFUSED),
    "sts-testing": ("sent OK", REFUSED),
    "sts-some": ("sent OK", "sent OK"),  # at the second MX host, which the policy names
    "signed": ("sent OK", "sent OK"),
    "signed-sts": ("sent OK", "sent OK"),
    "signed-badcert": ("sent OK", f"{BOUNCED} OK"),
    "signed-no-starttls": ("sent", BOUNCED),
    "hosted": ("sent OK", "sent OK"),
    "implicit-signed": ("sent OK", "sent OK"),
    "plain": ("sent OK", REFUSED),
    "plain-badcert": ("sent FAIL", REFUSED),
    "plain-no-starttls": ("sent", REFUSED),
}


@scenario("sendmail delivery: ordinary mail and mail that requires TLS, domain by domain",
          setting="snippets")
def _(lab):
    mta = lab.machines["sendmail"]
    smrouted.daemon(lab)
    sent = {}
    for name in BECOMES:  # all at once; then what became of them
        to = f"bob@{name}.test"
        sent[name] = smrouted.submit(lab, mta, to, ()), smrouted.submit(lab, mta, to)
    wrong = []
    for name, wanted in BECOMES.items():
        seen = tuple(map(smrouted.outcome, sent[name]))
        if seen != wanted:
            wrong.append(f"{name}.test: wanted {wanted}, saw {seen}")
    check(not wrong, "\n".join(wrong))
    for name, (_, asked) in BECOMES.items():
        strict = sent[name][1]
        if asked.startswith("sent"):
            expect(strict.arrived(timeout_s=60).tls, "TLSv1.3", f"{name}, TLS")
        else:
            expect(strict.arrivals_elsewhere(), [], f"{name}, arrived all the same")


@routed("an MX host that the STS policy does not name bounces at delivery as well", more="""
[rule keep]
recipient = sts-nomatch.test
mixed = keep
""")
def _(lab, mta, _):
    sent = smrouted.submit(lab, mta, ["bob@sts-nomatch.test", "bob@sts.test"])
    found = smrouted.ends(sent, 2)
    expect({to: smrouted.how(d) for to, d in found.items()},
           {"bob@sts-nomatch.test": f"{BOUNCED} OK", "bob@sts.test": "sent OK"}, "deliveries")
    check("is no server by which sts-nomatch.test can be verified"
          in "\n".join(mta.log.lines()), "the reason in the log")


@routed("the names of a policy of the administrator's own are what counts", more="""
[rule own]
nexthop = plain.test
tls_policy = secure match=.plain.test

[rule other]
nexthop = plain2.test
tls_policy = secure match=mx.plain.test

[rule skip]
nexthop = plain-no-starttls.test
tls_policy = skip
""")
def _(lab, mta, _):
    sent = [smrouted.submit(lab, mta, f"bob@{name}.test")
            for name in ("plain", "plain2", "plain-no-starttls")]
    expect([smrouted.outcome(s) for s in sent], ["sent OK", f"{BOUNCED} OK", "sent"], "outcome")


@scenario("sendmail delivery: a policy server that is down defers, and refuses nothing",
          setting="snippets")
def _(lab):
    mta = lab.machines["sendmail"]
    # The filter runs, but its maps are elsewhere.
    elsewhere = smrouted.configuration().replace("policy.sock", "elsewhere.sock")
    lab.milter(elsewhere, listens=smrouted.MILTER)
    to = ["bob@dane.test", "bob@sts.test", "bob@signed.test"]
    strict, ordinary = smrouted.submit(lab, mta, to), smrouted.submit(lab, mta, to, ())
    found = smrouted.ends(strict, 3)
    expect({d.status for d in found.values()}, {"deferred"}, "mail that requires TLS")
    expect({d.dsn for d in found.values()}, {"4.4.3"}, "its status")
    found = ordinary.deliveries()
    expect({d.status for d in found.values()}, {"deferred"}, "ordinary mail")
    expect((strict.arrivals_elsewhere(), ordinary.arrivals_elsewhere()), ([], []), "arrivals")
    smrouted.daemon(lab)  # in its place
    mta.flush()
    for recipient in to:
        for sent in (strict, ordinary):
            expect(sent.arrived(recipient).tls, "TLSv1.3", recipient)


@scenario("sendmail delivery: what cannot be looked up is tried again, never sent on trust",
          setting="snippets")
def _(lab):
    mta = lab.machines["sendmail"]
    smrouted.daemon(lab, "\n[rule log]\nsender = alice@sender.test\non_undecided = log\n")
    names = ("tlsa-servfail", "tlsa-bogus")
    sent = [smrouted.submit(lab, mta, f"bob@{name}.test") for name in names]
    for name, each in zip(names, sent):
        expect(smrouted.outcome(each)[:14], "deferred 4.4.3", name)
        expect(each.arrivals_elsewhere(), [], f"{name}, arrived all the same")


@scenario("sendmail delivery: a queue run keeps apart what servers have shown of themselves",
          setting="snippets, queued")
def _(lab):
    mta = lab.machines["sendmail"]
    smrouted.daemon(lab)
    # To each server twice, another one's certificate in between, by one process.
    names = ("sts", "dane", "signed") * 2
    before = len(mta.log.lines())
    sent = [smrouted.submit(lab, mta, f"bob@{name}.test", headers)
            for headers in ((), smrouted.ASK) for name in names]
    for _ in range(2):  # to the listeners, and out
        mta.flush()
    expect([smrouted.outcome(s) for s in sent], ["sent OK"] * len(sent), "outcome")
    refused = [line for line in mta.log.lines()[before:] if "reject=" in line]
    expect(refused, [], "taken for another server")


@routed("a sender without a domain is held to its word, a bounce to nobody's")
def _(lab, mta, _):
    bad, good, bounce = (
        smrouted.submit(lab, mta, f"bob@{name}.test", sender=sender)
        for name, sender in (("signed-badcert", "root"), ("signed", "root"), ("signed-badcert", "")))
    expect([smrouted.outcome(s) for s in (bad, good, bounce)],
           [f"{BOUNCED} OK", "sent OK", "sent OK"], "outcome")
    expect(bad.arrivals_elsewhere(), [], "arrived all the same")

"""Postfix 3.7 holds mail to what its sender asked, by the snippets in etc/postfix-older."""

from routed import NO, ask, become, become_all, bounce_of, post, require, routes
from scenario import check, expect

SURE = ("dane.test", "sts.test", "signed.test", "implicit-dane.test", "dane-both.test",
        "hosted-dane.test", "sts-some.test")


@routes("mail that requires TLS goes where it can be sure")
def _(lab, mta, running):
    sent = {d: require(lab, mta, f"bob@{d}") for d in SURE}
    for domain, each in sent.items():
        become(each, {f"bob@{domain}": "requiretls sent Verified"})
        arrival = each.arrived(f"bob@{domain}")
        check(arrival.tls, f"in plaintext: {arrival}")
        expect(arrival.header("X-REQUIRETLS-Route") + arrival.header("Require-TLS-ESMTP"), [],
               "our own fields")
        expect(running.decisions()[f"bob@{domain}"]["route"], "strict", "the last line's route")


@routes("what the server then shows to be wrong bounces at once, with 5.7.10 and without the body")
def _(lab, mta, _):
    domains = ("dane-wrong.test", "sts-badcert.test", "sts-expired.test", "dane-no-starttls.test")
    sent = {d: require(lab, mta, f"bob@{d}", parameters=["RET=FULL"]) for d in domains}
    for domain, each in sent.items():
        to = f"bob@{domain}"
        found = become(each, {to: "requiretls bounced 5.7.10"})
        bounce = bounce_of(each, found[to], "alice@sender.test")
        check(b"A secret line" not in bounce.bytes(), "the bounce holds the body")
        check(b"Sender requested REQUIRETLS: " in bounce.body, "the bounce does not say why")
        expect(each.arrivals_elsewhere(), [], "it arrived all the same")


@routes("what cannot be sure is refused before it is taken")
def _(lab, mta, _):
    for domain in ("plain.test", "insecure-mx.test", "signed-sts-nomatch.test", "sts-testing.test"):
        expect(ask(lab, mta, f"bob@{domain}"), (550, "5.7.10", domain), domain)


@routes("TLS-Required: No goes where nothing can be sure, over TLS where that is offered")
def _(lab, mta, _):
    become_all(lab, {
        "plain-badcert.test": "Untrusted", "dane-wrong.test": "Trusted", "dane.test": "Trusted",
        "sts-badcert.test": "Trusted", "plain.test": "Trusted", "plain-no-starttls.test": "",
        "dane-no-starttls.test": "", "tlsa-servfail.test": "Trusted",
    }, lambda to: post(lab, mta, to, headers=NO), "requiretls-optional sent")


@routes("REQUIRETLS beats TLS-Required: No")
def _(lab, mta, _):
    sent = require(lab, mta, "bob@dane-wrong.test", headers=NO)
    become(sent, {"bob@dane-wrong.test": "requiretls bounced 5.7.10"})


@routes("mail without a request takes no route, and is delivered once")
def _(lab, mta, running):
    sent = post(lab, mta, ["bob@dane.test", "bob@plain.test", "bob@local.test"])
    found = sent.deliveries()
    expect({d.service for d in found.values()}, {"postfix/smtp", "postfix/virtual"}, "services")
    expect(running.decisions(), {}, "lines")

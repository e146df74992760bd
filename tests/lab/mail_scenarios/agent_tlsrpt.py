"""What a collector of TLS reports is told by the delivery agent, of real servers, TLSA records and policies."""

import agent
import layout
import procs
import tlsrpt
from routed import NO, post, require
from scenario import check, expect

SOCKET = layout.RUN / "tlsrpt-agent"
# What this sender requires is held to no more than what all mail is given.
WEAK = "weak@sender.test"
RULE = f"\n[rule weak]\nsender = {WEAK}\nlevel = opportunistic\n"
COLLECTOR = f"\n[tlsrpt]\nsocket = unix:{SOCKET}\n"

TLSA, STS, NO_POLICY = 1, 2, 9
# Of each domain, the reports of one message: policy type, failure and its reason, verdict (1: failed).
ENFORCE = {
    "dane.test": [(TLSA, None, None, 0)],
    "dane-wrong.test": [(TLSA, 203, "no matching DANE TLSA records", 1)],
    "dane-no-starttls.test": [(TLSA, 201, None, 1)],
    "dane-no-requiretls.test": [(TLSA, None, None, 0)],
    "sts.test": [(STS, None, None, 0)],
    "sts-some.test": [(STS, 205, "mtasts-policy-mx-mismatch", 1), (STS, None, None, 0)],
    "sts-badcert.test": [(STS, 202, None, 1)],
    "sts-expired.test": [(STS, 204, None, 1)],
    "signed.test": [(NO_POLICY, None, None, 0)],
}
OPPORTUNISTIC = {
    "plain.test": [(NO_POLICY, None, None, 0)],
    "plain-badcert.test": [(NO_POLICY, None, None, 0)],
    "plain-no-starttls.test": [(NO_POLICY, 201, None, 1)],
    "dane-unusable.test": [(TLSA, 304, None, 1)],
    "sts-404.test": [(STS, 301, None, 0)],
    "sts-refused.test": [(STS, 301, None, 0)],
    "sts-policy.test": [(STS, 302, None, 0)],
    "sts-webpki.test": [(STS, 303, None, 0)],
    "sts-testing.test": [(STS, None, None, 0)],
}
POLICY_FAILURES = (301, 302, 303)  # whose reasons are prose


def seen(report):
    """A report as the tables have it."""
    policy, = report["policies"]
    details = policy.get("failure-details", [{}])
    expect(policy["t"], len(policy.get("failure-details", [])), f"t of {report}")
    code = details[0].get("c")
    return policy["policy-type"], code, None if code in POLICY_FAILURES else details[0].get("f"), policy["f"]


@agent.delivers("TLS reports of each kind, with the failure that the server or the policy shows", RULE, COLLECTOR)
def _(lab, mta, _filter, _agent):
    collector = tlsrpt.Reports(SOCKET)
    wanted = {**{domain: (reports, "alice@sender.test") for domain, reports in ENFORCE.items()},
              **{domain: (reports, WEAK) for domain, reports in OPPORTUNISTIC.items()}}
    sent = {domain: require(lab, mta, f"bob@{domain}", sender=sender)
            for domain, (_, sender) in wanted.items()}
    optional = post(lab, mta, "bob@dane-both.test", headers=NO)
    for each in (*sent.values(), optional):
        each.deliveries(timeout_s=90)
    for domain, (reports, _) in wanted.items():
        procs.wait_for(lambda: len(collector.about(domain)) >= len(reports), f"reports about {domain}")
        expect([seen(report) for report in collector.about(domain)], reports, domain)
    for report in collector.got:
        expect(report["pr"], "v=TLSRPTv1; rua=mailto:tls@sender.test", "the record")
        check("policy-domain" in report["policies"][0], report)
    expect(collector.about("dane-both.test"), [], "TLS-Required: No")
    policy = collector.of("sts.test")["policies"][0]
    expect((policy["policy-domain"], policy["mx-host"]), ("sts.test", ["mx.sts.test"]), "the policy")
    check("mode: enforce" in policy["policy-string"], policy)
    failure = collector.of("sts-badcert.test")["policies"][0]["failure-details"][0]
    expect(failure["n"], "mx.sts-badcert.test", "the MX host")
    check(all(failure.get(key) for key in "shr") and " " not in failure["h"], failure)

"""What requiretls-query finds out about each domain of the table with a real resolver: summary,
security of the MX records, the verdict at level enforce, the state of MTA-STS, and each host's
addresses and TLSA records. Bogus and expired signatures, aliases, servers that fail: real ones.
"""

import json
import subprocess

import ca
import dnsquery
import domains
import layout
import tools
from scenario import check, expect, scenario

CONFIG = """
[dns]
resolvers = {resolver}
timeout = 1s
tries = 2

[mta_sts]
ca_file = {ca}
connect_timeout = 1s
timeout = 2s

[cache]
store = memory
"""

# domain: (summary, security, enforce, sts, hosts: A, AAAA, TLSA)
FINDINGS = {
    "sender.test": ("none", "insecure", "unsatisfied", "none no-record", "insecure absent none"),
    "lab.test": ("none", "absent", "unsatisfied", "none no-record", "absent absent none"),
    "local.test": ("dnssec-pki", "secure", "unsatisfied", "none no-record",
        "2 x secure absent none"),
    "dane.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "dane-ta.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "dane-full.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "dane-private-ca.test": ("dane", "secure", "satisfied", "none no-record",
        "secure absent usable"),
    "dane-wrong.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "dane-mixed.test": ("dane-partial", "secure", "satisfied", "none no-record",
        "secure absent usable, secure absent none"),
    "dane-mixed-sts.test": ("dane-partial", "secure", "satisfied", "policy enforce",
        "secure absent usable, secure absent none"),
    "dane-half-wrong.test": ("dane", "secure", "satisfied", "none no-record",
        "2 x secure absent usable"),
    "dane-unusable.test": ("dane-unusable", "secure", "unsatisfied", "none no-record",
        "secure absent unusable"),
    "dane-badlen.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "dane-no-requiretls.test": ("dane", "secure", "satisfied", "none no-record",
        "secure absent usable"),
    "dane-no-starttls.test": ("dane", "secure", "satisfied", "none no-record",
        "secure absent usable"),
    "dane-down.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "dane-v6.test": ("dane", "secure", "satisfied", "none no-record", "absent secure usable"),
    "dane-both.test": ("dane", "secure", "satisfied", "none no-record", "secure secure usable"),
    "dane-ghost.test": ("dane", "secure", "satisfied", "none no-record",
        "absent absent none, secure absent usable"),
    "dane-sts.test": ("dane", "secure", "satisfied", "policy enforce", "secure absent usable"),
    "dane-wrong-sts.test": ("dane", "secure", "satisfied", "policy enforce",
        "secure absent usable"),
    "dane-cname.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "dane-cname-out.test": ("dnssec-pki", "secure", "unsatisfied", "none no-record",
        "insecure absent none"),
    "insecure-mx.test": ("dane-insecure-mx", "insecure", "unsatisfied", "none no-record",
        "secure absent usable"),
    "insecure-mx-wrong.test": ("dane-insecure-mx", "insecure", "unsatisfied", "none no-record",
        "secure absent usable"),
    "hosted.test": ("dnssec-pki", "secure", "unsatisfied", "none no-record",
        "insecure absent none"),
    "hosted-dane.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "sts.test": ("sts-enforce", "insecure", "satisfied", "policy enforce", "insecure absent none"),
    "sts-wildcard.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-badcert.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-expired.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-no-requiretls.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-no-starttls.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-nomatch.test": ("sts-enforce", "insecure", "unsatisfied", "policy enforce",
        "insecure absent none"),
    "sts-some.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "2 x insecure absent none"),
    "sts-testing.test": ("sts-testing", "insecure", "unsatisfied", "policy testing",
        "insecure absent none"),
    "sts-none.test": ("none", "insecure", "unsatisfied", "policy none", "insecure absent none"),
    "sts-record.test": ("none", "insecure", "unsatisfied", "none no-record",
        "insecure absent none"),
    "sts-records.test": ("none", "insecure", "unsatisfied", "none invalid-record",
        "insecure absent none"),
    "sts-norecord.test": ("none", "insecure", "unsatisfied", "none no-record",
        "insecure absent none"),
    "sts-policy.test": ("none", "insecure", "unsatisfied", "none sts-policy-invalid",
        "insecure absent none"),
    "sts-hostile.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-404.test": ("none", "insecure", "unsatisfied", "none sts-policy-fetch-error",
        "insecure absent none"),
    "sts-500.test": ("none", "insecure", "undecided", "failed sts-policy-fetch-error",
        "insecure absent none"),
    "sts-redirect.test": ("none", "insecure", "unsatisfied", "none sts-policy-fetch-error",
        "insecure absent none"),
    "sts-type.test": ("none", "insecure", "unsatisfied", "none sts-policy-fetch-error",
        "insecure absent none"),
    "sts-oversize.test": ("none", "insecure", "unsatisfied", "none sts-policy-fetch-error",
        "insecure absent none"),
    "sts-hang.test": ("none", "insecure", "undecided", "failed sts-policy-fetch-error",
        "insecure absent none"),
    "sts-refused.test": ("none", "insecure", "undecided", "failed sts-policy-fetch-error",
        "insecure absent none"),
    "sts-webpki.test": ("none", "insecure", "undecided", "failed sts-webpki-invalid",
        "insecure absent none"),
    "sts-webpki-ca.test": ("none", "insecure", "undecided", "failed sts-webpki-invalid",
        "insecure absent none"),
    "sts-webpki-expired.test": ("none", "insecure", "undecided", "failed sts-webpki-invalid",
        "insecure absent none"),
    "sts-braces.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-blanks.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-attributes.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-utf8.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-words.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-only-words.test": ("sts-enforce", "insecure", "unsatisfied", "policy enforce",
        "insecure absent none"),
    "sts-many.test": ("sts-enforce", "insecure", "satisfied", "policy enforce",
        "insecure absent none"),
    "sts-control.test": ("none", "insecure", "unsatisfied", "none sts-policy-invalid",
        "insecure absent none"),
    "sts-tab.test": ("none", "insecure", "unsatisfied", "none sts-policy-invalid",
        "insecure absent none"),
    "sts-newline.test": ("none", "insecure", "unsatisfied", "none sts-policy-invalid",
        "insecure absent none"),
    "signed-sts.test": ("sts-enforce", "secure", "satisfied", "policy enforce",
        "secure absent none"),
    "signed-sts-nomatch.test": ("sts-enforce", "secure", "unsatisfied", "policy enforce",
        "secure absent none"),
    "signed.test": ("dnssec-pki", "secure", "unsatisfied", "none no-record", "secure absent none"),
    "signed-badcert.test": ("dnssec-pki", "secure", "unsatisfied", "none no-record",
        "secure absent none"),
    "signed-no-starttls.test": ("dnssec-pki", "secure", "unsatisfied", "none no-record",
        "secure absent none"),
    "signed-no-requiretls.test": ("dnssec-pki", "secure", "unsatisfied", "none no-record",
        "secure absent none"),
    "implicit-signed.test": ("pki", "absent", "unsatisfied", "none no-record",
        "secure absent none"),
    "implicit-dane.test": ("dane", "absent", "satisfied", "none no-record",
        "secure absent usable"),
    "plain.test": ("none", "insecure", "unsatisfied", "none no-record", "insecure absent none"),
    "plain2.test": ("none", "insecure", "unsatisfied", "none no-record", "insecure absent none"),
    "plain-no-starttls.test": ("none", "insecure", "unsatisfied", "none no-record",
        "insecure absent none"),
    "plain-no-requiretls.test": ("none", "insecure", "unsatisfied", "none no-record",
        "insecure absent none"),
    "plain-badcert.test": ("none", "insecure", "unsatisfied", "none no-record",
        "insecure absent none"),
    "implicit.test": ("pki", "absent", "unsatisfied", "none no-record", "insecure absent none"),
    "implicit-v6.test": ("pki", "absent", "unsatisfied", "none no-record", "absent insecure none"),
    "island.test": ("none", "insecure", "unsatisfied", "none no-record", "insecure absent none"),
    "backup.test": ("dane-partial", "secure", "satisfied", "none no-record",
        "secure absent usable, 2 x secure absent none"),
    "backup-plain.test": ("dane-insecure-mx", "insecure", "unsatisfied", "none no-record",
        "insecure absent none, 2 x secure absent none, secure absent usable"),
    "big.test": ("dane", "secure", "satisfied", "none no-record",
        "secure absent usable, 29 x absent absent none"),
    "nullmx.test": ("none", "null-mx", "unsatisfied", "none no-record", ""),
    "nullmx-signed.test": ("none", "null-mx", "unsatisfied", "none no-record", ""),
    "nomail.test": ("none", "absent", "unsatisfied", "none no-record", "absent absent none"),
    "mx-servfail.test": ("failed", "failed", "undecided", "failed dns-error", ""),
    "mx-refused.test": ("failed", "failed", "undecided", "failed dns-error", ""),
    "mx-lame.test": ("failed", "failed", "undecided", "failed dns-error", ""),
    "mx-silent.test": ("failed", "failed", "undecided", "failed dns-error", ""),
    "mx-bogus.test": ("failed", "failed", "undecided", "none no-record", ""),
    "mx-expired.test": ("failed", "failed", "undecided", "failed dns-error", ""),
    "mx-wrong-ds.test": ("failed", "failed", "undecided", "failed dns-error", ""),
    "tlsa-servfail.test": ("failed", "secure", "undecided", "none no-record",
        "secure absent failed"),
    "tlsa-bogus.test": ("failed", "secure", "undecided", "none no-record", "secure absent failed"),
    "tlsa-silent.test": ("failed", "secure", "undecided", "none no-record",
        "secure absent failed"),
    "tlsa-servfail-plain.test": ("none", "insecure", "unsatisfied", "none no-record",
        "insecure absent none"),
    "aaaa-servfail.test": ("dane", "secure", "satisfied", "none no-record",
        "secure failed usable"),
    "txt-servfail.test": ("dane", "secure", "satisfied", "failed dns-error",
        "secure absent usable"),
    "txt-servfail-plain.test": ("none", "insecure", "undecided", "failed dns-error",
        "insecure absent none"),
    "truncated.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "slow.test": ("dane", "secure", "satisfied", "none no-record", "secure absent usable"),
    "nosuch.test": ("none", "nxdomain", "not-applicable", "none no-record", ""),
}

# What opportunistic+starttls, opportunistic and disable come to, where it is not `satisfied`.
OTHER_LEVELS = {
    "null-mx": ("unsatisfied", "satisfied", "satisfied"),
    "nxdomain": ("not-applicable", "satisfied", "satisfied"),
}

# Where the resolver does not validate nothing counts as signed, and what needs that is undecided.
UNKNOWN = {
    "dane.test": ("unknown", "unknown", "undecided"),
    "dane-sts.test": ("sts-enforce", "unknown", "satisfied"),
    "signed.test": ("unknown", "unknown", "undecided"),
    "sts.test": ("sts-enforce", "unknown", "satisfied"),
    "plain.test": ("unknown", "unknown", "undecided"),
    "nullmx.test": ("none", "null-mx", "undecided"),
    "mx-servfail.test": ("failed", "failed", "undecided"),
}

_findings = {}  # resolver -> name -> object


def _query(resolver, names):
    """Exit status and the objects of one run of the tool."""
    config = layout.RUN / f"query-{resolver}.conf"
    config.write_text(CONFIG.format(resolver=resolver, ca=ca.ca_file()))
    done = subprocess.run([tools.path("requiretls-query"), "-c", config, "--json", *names],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def _found(resolver, name, names):
    """The findings of one name, out of one run for all of them."""
    if resolver not in _findings:
        _, objects = _query(resolver, names)
        expect([o["name"] for o in objects], list(names), "names, in order")
        _findings[resolver] = {o["name"]: o for o in objects}
    return _findings[resolver][name]


def _words(*parts):
    return " ".join(p for p in parts if p)


def _hosts(found):
    """Equal neighbours are counted."""
    texts = [_words(h["a"], h["aaaa"], h["tlsa_state"]) for h in found["mx"]]
    runs = []
    for text in texts:
        if runs and runs[-1][0] == text:
            runs[-1][1] += 1
        else:
            runs.append([text, 1])
    return ", ".join(text if count == 1 else f"{count} x {text}" for text, count in runs)


def _row(name, wanted):
    def run(_):
        found = _found(layout.RESOLVER, name, FINDINGS)
        sts = found["sts"]
        expect((found["summary"], found["security"], found["verdict"]["enforce"]["verdict"],
                _words(sts["state"], sts["mode"], sts["failure"]), _hosts(found)), wanted,
               json.dumps(found))
        check(found["security_known"], "security is not known")
        others = OTHER_LEVELS.get(wanted[1], ("satisfied",) * 3)
        expect(tuple(found["verdict"][level]["verdict"] for level in
                     ("opportunistic+starttls", "opportunistic", "disable")), others, "levels")
    scenario(f"query: {name} is {wanted[0]}, {wanted[2]}")(run)


def _unknown_row(name, wanted):
    def run(_):
        found = _found(layout.RESOLVER_NO_AD, name, UNKNOWN)
        expect((found["summary"], found["security"], found["verdict"]["enforce"]["verdict"]),
               wanted, json.dumps(found))
        check(not found["security_known"], "security is known")
    scenario(f"query, resolver without AD: {name} is {wanted[0]}, {wanted[2]}")(run)


for domain, row in FINDINGS.items():
    _row(domain, row)
for domain, row in UNKNOWN.items():
    _unknown_row(domain, row)


@scenario("query: every domain of the table has its row")
def _(_):
    expect(sorted(d.name for d in domains.DOMAINS if d.name not in FINDINGS), [], "missing")


@scenario("query: the exit status is the worst of all names")
def _(_):
    for names, wanted in ((["dane.test"], 0), (["dane.test", "plain.test", "mx-bogus.test"], 1),
                          (["dane.test", "mx-bogus.test"], 75), (["plain.test"], 1)):
        status, _ = _query(layout.RESOLVER, names)
        expect(status, wanted, str(names))


@scenario("query: an alias's TLSA records are those of its target, an MX host's its own")
def _(_):
    for name, base in (("dane-cname.test", "mx.dane.test"), ("dane.test", "mx.dane.test"),
                       ("implicit-dane.test", "implicit-dane.test")):
        expect(_found(layout.RESOLVER, name, FINDINGS)["mx"][0]["tlsa_base"], base, name)


@scenario("query: an answer that UDP cannot carry comes whole")
def _(_):
    check(dnsquery.ask("big.test", "MX").tc, "the resolver's answer is not truncated")
    expect(len(_found(layout.RESOLVER, "big.test", FINDINGS)["mx"]), 30, "MX hosts")

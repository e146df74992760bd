"""Levels below enforce, and what is done when a next-hop cannot be sure, on the routes of Postfix
3.7."""

import itertools

import layout
import procs
import snippets
from routed import NO, ask, become, bounce_of, post, require, routes
from scenario import check, expect

PARTNERS = """
[rule encrypt]
nexthop = plain.test, plain-badcert.test, plain-no-starttls.test, dane-mixed.test, insecure-mx.test
level = opportunistic+starttls

[rule free]
nexthop = plain2.test
level = opportunistic
"""


def setting(line):
    return lambda text: text.replace("[default]", f"[default]\n{line}")


@routes("opportunistic+starttls by a rule: encrypted, or bounced", more=PARTNERS)
def _(lab, mta, running):
    wanted = {"bob@plain.test": "requiretls-encrypt sent Trusted",
              "bob@plain-badcert.test": "requiretls-encrypt sent Untrusted",
              "bob@plain-no-starttls.test": "requiretls-encrypt bounced 5.7.10",
              "bob@dane-mixed.test": "requiretls-encrypt sent Verified",
              "bob@insecure-mx.test": "requiretls-encrypt sent Trusted",
              "bob@dane.test": "requiretls sent Verified",
              "bob@plain2.test": "smtp sent Trusted"}
    become(require(lab, mta, list(wanted)), wanted)
    expect({to: line["route"] for to, line in running.decisions().items()},
           {to: words.split()[0].replace("requiretls-", "").replace("requiretls", "strict")
            .replace("smtp", "-") for to, words in wanted.items()}, "routes of the last lines")


@routes("fallback = encrypt: encrypted, or bounced", change=setting("fallback = encrypt"))
def _(lab, mta, _):
    wanted = {"bob@plain.test": "requiretls-encrypt sent Trusted",
              "bob@plain-no-starttls.test": "requiretls-encrypt bounced 5.7.10",
              "bob@dane.test": "requiretls sent Verified"}
    become(require(lab, mta, list(wanted)), wanted)


@routes("fallback = may: as any mail", change=setting("fallback = may"))
def _(lab, mta, _):
    wanted = {"bob@plain.test": "smtp sent Trusted", "bob@plain-no-starttls.test": "smtp sent",
              "bob@dane.test": "requiretls sent Verified"}
    become(require(lab, mta, list(wanted)), wanted)


@routes("on_unsatisfied = log: as any mail", change=setting("on_unsatisfied = log"))
def _(lab, mta, _):
    wanted = {"bob@plain.test": "smtp sent Trusted", "bob@dane.test": "requiretls sent Verified"}
    become(require(lab, mta, list(wanted)), wanted)


@routes("a rule's request, and its tls_policy", more="""
[rule department]
sender = alice@sender.test
request = require

[rule relay]
nexthop = plain.test
tls_policy = secure match=mx.plain.test

[rule wrong]
nexthop = plain2.test
tls_policy = secure match=another.test

[rule exempt]
nexthop = plain-badcert.test
tls_policy = skip
""")
def _(lab, mta, _):
    wanted = {"bob@plain.test": "requiretls sent Verified",
              "bob@plain2.test": "requiretls bounced 5.7.10",
              "bob@plain-badcert.test": "requiretls sent Untrusted"}
    become(post(lab, mta, list(wanted)), wanted)


@routes("TLS-Required: No beside what only servers of this host can believe")
def _(lab, mta, _):
    # Not believed from a stranger, it is removed, so that it is not believed when reinjected.
    sent = post(lab, mta, "bob@dane.test", headers=[*NO, "Require-TLS-ESMTP: yes"])
    become(sent, {"bob@dane.test": "requiretls-optional sent Trusted"})
    check(sent.arrived().tls, "in plaintext")


@routes("on_unsatisfied = quarantine: released, it is still held to its sender's word",
        change=setting("on_unsatisfied = quarantine"))
def _(lab, mta, _):
    sent = require(lab, mta, ["bob@plain.test", "bob@dane.test"])
    expect(mta.queued(), {sent.queue_id: "hold"}, "the queue")
    mta.run("postsuper", "-H", sent.queue_id)
    mta.run("postqueue", "-i", sent.queue_id)
    lab.arrivals.wait(sent.token, "bob@dane.test")
    held = procs.wait_for(lambda: {k for k, v in mta.queued().items()
                                   if v == "hold" and k != sent.queue_id}, "it to be held again")
    mta.run("postsuper", "-H", *held)
    mta.run("postqueue", "-i", *held)
    found = become(sent, {"bob@plain.test": "requiretls bounced 5.7.10",
                          "bob@dane.test": "requiretls sent Verified"})
    bounce = bounce_of(sent, found["bob@plain.test"], "alice@sender.test")
    check(b"A secret line" not in bounce.body, "the bounce holds the body")


def for_customers(text):
    """The rules and the route that etc/postfix-older/README shows, for this lab's customers, without the
    agent."""
    lines = snippets.etc("postfix-older", "README").read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.strip() == "[rule customers]")
    shown = itertools.takewhile(lambda line: not line or line.startswith("        "), lines[first:])
    shown = "\n".join(line.strip() for line in shown).replace("192.0.2.0/24", layout.CUSTOMERS)
    return text + shown.replace("route = deliver", "route = strict") + "\n"


@routes("a level for certain clients, by a service of its own", change=for_customers,
        setting="snippets, a service for customers")
def _(lab, mta, running):
    wanted = {"bob@plain.test": "requiretls-encrypt sent Trusted",
              "bob@dane.test": "requiretls-encrypt sent Verified", "bob@local.test": "virtual sent"}
    become(require(lab, mta, list(wanted)), wanted)
    check("looks at the client" in running.whole_log(), "nothing is said of the client's rule")
    sent = require(lab, mta, ["bob@backup.test", "bob@backup-plain.test"], net=layout.STRANGER)
    expect(sent.replies["bob@backup-plain.test"], (550, "5.7.10"), "RCPT of a stranger")
    become(sent, {"bob@backup.test": "requiretls sent Verified"})


@routes("require_offer = yes: these routes cannot pass REQUIRETLS on, and the client is told so",
        change=setting("require_offer = yes"))
def _(lab, mta, _):
    for to in ("bob@dane.test", "bob@sts.test", "bob@signed.test"):
        expect(ask(lab, mta, to), (550, "5.7.30", "cannot pass REQUIRETLS on"), to)
    expect(ask(lab, mta, "bob@local.test"), (250,), "a recipient of this host")

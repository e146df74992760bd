"""Postfix 3.11 learns by a second smtpd what rules ask for, by the snippets in etc/postfix-3.11."""

import functools
import re

import arrivals
import procs
from reinjected import DANE, DEPARTMENT, HEADER, RULES, STS, left_with_requiretls
from routed import ASK, NO, become, bounce_of, ends, how, post, routes
from scenario import Sent, check, expect

routes311 = functools.partial(routes, version="3.11")

NO_REQUIRETLS = "requiretls bounced 5.7.30 {}/!requiretls:none"
NO_MATCH = "requiretls bounced 5.7.10 !{}/!requiretls:nocertmatch"


@routes311("whoever asks, by parameter, header or rule: it leaves with REQUIRETLS", more=RULES)
def _(lab, mta, running):
    ways = {"parameter": {"parameters": ASK}, "header": {"headers": HEADER},
            "rule": {"sender": DEPARTMENT}, "all": {"sender": DEPARTMENT, "headers": HEADER,
                                                    "parameters": ASK}}
    seen = {"dane.test": DANE, "sts.test": STS, "signed.test": STS, "implicit-signed.test": STS,
            "relay.test": DANE, "smarthost-port.test": DANE}
    sent = {(name, domain): post(lab, mta, f"bob@{domain}", **how_)
            for name, how_ in ways.items() for domain in seen}
    for (_, domain), each in sent.items():
        become(each, {f"bob@{domain}": seen[domain]})
        left_with_requiretls(lab, each, f"bob@{domain}")
    expect(running.log().count("route=loop"), len(sent), "times reinjected")
    expect(running.log().count("route=strict"), len(sent), "times on the transport")


@routes311("require_offer = yes: these routes pass REQUIRETLS on, whoever asks", more=RULES,
           change=lambda text: text.replace("[default]", "[default]\nrequire_offer = yes"))
def _(lab, mta, _):
    for how_ in ({"parameters": ASK}, {"headers": HEADER}, {"sender": DEPARTMENT}):
        sent = post(lab, mta, "bob@dane.test", **how_)
        become(sent, {"bob@dane.test": DANE})
        left_with_requiretls(lab, sent, "bob@dane.test")


@routes311("a level that the map does not know is enforced on the transport, and skip exempts", more="""
[rule strict-sender]
sender = department@sender.test
request = require
level = enforce
[rule lower]
nexthop = dane-no-requiretls.test
level = opportunistic
[rule exempt]
nexthop = plain-badcert.test
tls_policy = skip
""")
def _(lab, mta, _):
    become(post(lab, mta, "bob@dane-no-requiretls.test", sender=DEPARTMENT),
           {"bob@dane-no-requiretls.test": NO_REQUIRETLS.format("dane-only")})
    become(post(lab, mta, "bob@plain-badcert.test", parameters=ASK),
           {"bob@plain-badcert.test": "requiretls-may sent may/requiretls:nocertmatch"})


@routes311("mail of this host's programs", more=RULES)
def _(lab, mta, running):
    for sender, headers in ((DEPARTMENT, ()), ("alice@sender.test", HEADER)):
        sent = Sent(lab, mta, lab.token())
        message = lab.message(sent.token, headers).removesuffix(".\n")
        mta.sendmail(message, "-i", "-f", sender, "bob@dane.test")
        left_with_requiretls(lab, sent, "bob@dane.test")
    expect(running.decisions()["bob@dane.test"]["route"], "strict", "the last line's route")


@routes311("what the server then shows to be wrong bounces, without the body", more=RULES)
def _(lab, mta, _):
    wanted = {
        "dane-no-requiretls.test": NO_REQUIRETLS.format("dane-only"),
        "sts-no-requiretls.test": NO_REQUIRETLS.format("secure"),
        "dane-wrong.test": NO_MATCH.format("dane-only"),
        "sts-badcert.test": NO_MATCH.format("secure"),
        "signed-badcert.test": NO_MATCH.format("secure"),
        "dane-no-starttls.test": "requiretls bounced 5.7.30 !dane-only/!requiretls:nostarttls",
    }
    sent = {domain: post(lab, mta, f"bob@{domain}", sender=DEPARTMENT, parameters=("RET=FULL",),
                         headers=NO) for domain in wanted}
    sent["dane.test"] = post(lab, mta, "nobody@dane.test", sender=DEPARTMENT, headers=NO,
                             parameters=(*ASK, "RET=FULL"))
    for domain, each in sent.items():
        to = each.accepted[0]
        delivery = ends(each)[to]
        expect(how(delivery), wanted.get(domain, "requiretls bounced 5.1.1 dane-only/requiretls"),
               to)
        bounce = bounce_of(each, delivery, DEPARTMENT)
        check(b"A secret line" not in bounce.body, "the bounce holds the body")
        check(each.token.encode() in bounce.body, "the bounce does not hold the header")
        expect((bounce.header("TLS-Required"), bounce.header("Require-TLS-ESMTP"),
                "REQUIRETLS" in bounce.parameters), ([], [], False), "what the bounce asks for")
        expect(each.arrivals_elsewhere(), [], "arrived all the same")


# Recipients of every kind; an alias is known by its recipients.
MIXED = {
    "bob@local.test": "virtual sent",
    "bob@dane.test": DANE,
    "eve@dane.test": DANE,
    "bob@sts.test": STS,
    "bob@relay.test": DANE,
    "bob@dane-wrong.test": NO_MATCH.format("dane-only"),
    "bob@plain2.test": "requiretls-encrypt sent encrypt/requiretls:nocertmatch",
}
ALIASES = {
    "local@alias.test": {"carol@local.test": "virtual sent"},
    "team@alias.test": {"frank@dane.test": DANE,
                        "carol@plain.test": "requiretls-loop bounced 5.7.10 none"},
}
ALIAS_MAP = ("inline:{ {local@alias.test = carol@local.test} "
             "{team@alias.test = frank@dane.test, carol@plain.test} }")


def copies(lab, mta, sent, to):
    if to.endswith("@local.test"):
        return sum(sent.token.encode() in m for m in arrivals.mailbox(mta, to.split("@")[0]))
    return sum(to in a.recipients for a in lab.arrivals.of(sent.token) if a.sender)


@routes311("recipients of every kind: each once, or a bounce", more=RULES)
def _(lab, mta, _):
    wanted = dict(MIXED, **{to: what for each in ALIASES.values() for to, what in each.items()})
    with mta.configured(virtual_alias_maps=ALIAS_MAP):
        sent = [post(lab, mta, [*MIXED, *ALIASES, "bob@plain.test"], **by)
                for by in ({"sender": DEPARTMENT}, {"parameters": ASK})]
        for each in sent:
            expect(each.replies["bob@plain.test"], (550, "5.7.10", "plain.test"), "RCPT")
            become(each, wanted)
    procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
    for each in sent:
        for to, becomes in wanted.items():
            if " sent" in becomes and not to.endswith("@local.test"):
                lab.arrivals.wait(each.token, to)
            expect(copies(lab, mta, each, to), int(" sent" in becomes), f"copies for {to}")


@routes311("aliases alone, of the table and of local(8), bind all that they become", more=RULES)
def _(lab, mta, _):
    with mta.configured(alias_maps="inline:{ {list = bob@dane.test, bob@plain.test} }",
                        virtual_alias_maps=ALIAS_MAP):
        by_table = post(lab, mta, "team@alias.test", sender=DEPARTMENT)
        become(by_table, ALIASES["team@alias.test"])
        by_local = post(lab, mta, "list@mta311.lab.test", sender=DEPARTMENT)
        here, = ends(by_local).values()
        # What local(8) makes of it is a message of its own, which no filter sees.
        forwarded = re.search(r"forwarded as (\w+)", here.text)[1]
        expect({d.to: how(d) for d in by_local.log.settled(forwarded, 2)},
               {"bob@dane.test": "smtp sent dane-only/requiretls",
                "bob@plain.test": "smtp bounced 5.7.10 may?/!requiretls:nocertmatch"}, "copies")
        left_with_requiretls(lab, by_local, "bob@dane.test")


@routes311("copies that Postfix adds, once each; Bcc stays hidden", more=RULES)
def _(lab, mta, _):
    with mta.configured(always_bcc="carol@local.test",
                        recipient_bcc_maps="inline:{ {bob@dane.test = audit@sts.test} }"):
        sent = post(lab, mta, ["bob@dane.test", "blind@dane.test"], sender=DEPARTMENT,
                    headers=("Bcc: blind@dane.test",))
        wanted = {"bob@dane.test": DANE, "blind@dane.test": DANE, "audit@sts.test": STS,
                  "carol@local.test": "virtual sent"}
        become(sent, wanted)
    procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
    for to in wanted:
        if not to.endswith("@local.test"):
            arrival = left_with_requiretls(lab, sent, to)
            check(arrival.recipients == [to] and not arrival.header("Bcc"), str(arrival.headers))
            check(to == "blind@dane.test" or b"blind" not in arrival.bytes(), "Bcc shows")
        expect(copies(lab, mta, sent, to), 1, f"copies for {to}")


ENCRYPT = "requiretls-encrypt sent encrypt/requiretls:nocertmatch"
MAY = "requiretls-may sent may/requiretls:nocertmatch"
PLAINTEXT = "requiretls-encrypt bounced 5.7.30 !encrypt/!requiretls:nostarttls"


@routes311("levels below enforce, whichever rule sets them", more=RULES)
def _(lab, mta, running):
    wanted = {"bob@plain2.test": ENCRYPT, "bob@plain-no-starttls.test": PLAINTEXT,
              "bob@plain-badcert.test": MAY}
    for by in ({"sender": DEPARTMENT}, {"parameters": ASK}):
        become(post(lab, mta, list(wanted), **by), wanted)
    sent = post(lab, mta, ["bob@plain.test", "bob@dane.test", "bob@plain-no-starttls.test"],
                sender="lenient@sender.test", parameters=ASK)
    become(sent, {"bob@plain.test": ENCRYPT, "bob@plain-no-starttls.test": PLAINTEXT,
                  "bob@dane.test": "requiretls-encrypt sent dane-only/requiretls"})
    sent = post(lab, mta, ["bob@plain.test", "bob@plain-no-starttls.test"],
                sender="easy@sender.test", parameters=ASK)
    become(sent, {"bob@plain.test": MAY, "bob@plain-no-starttls.test": PLAINTEXT})
    expect("route=strict" in running.log(), False, "on the strict transport")


@routes311("fallback = encrypt: over TLS where nothing can be sure, with a warning", more=RULES)
def _(lab, mta, running):
    sent = post(lab, mta, ["bob@plain.test", "bob@dane.test", "bob@plain-no-starttls.test"],
                sender="audit@sender.test", parameters=ASK)
    become(sent, {"bob@plain.test": ENCRYPT, "bob@dane.test": DANE,
                  "bob@plain-no-starttls.test": PLAINTEXT})
    expect(running.decisions()["bob@plain.test"]["fallback"], "opportunistic+starttls", "fallback")
    sent = post(lab, mta, ["bob@signed-badcert.test", "bob@plain.test"],
                sender="audit-may@sender.test", parameters=ASK)
    become(sent, {"bob@signed-badcert.test": NO_MATCH.format("secure"), "bob@plain.test": MAY})


@routes311("TLS-Required: No, by header and by rule: any server will do", more=RULES)
def _(lab, mta, _):
    optional = "requiretls-optional sent {}"
    for by in ({"headers": NO}, {"sender": "anyprice@sender.test"}):
        sent = post(lab, mta, ["bob@plain-no-starttls.test", "bob@dane-wrong.test",
                               "bob@sts-badcert.test", "bob@local.test", "one@alias.test"], **by)
        become(sent, {"bob@plain-no-starttls.test": optional.format("may:none"),
                      "bob@dane-wrong.test": optional.format("may"),
                      "bob@sts-badcert.test": optional.format("may"),
                      "bob@dane.test": optional.format("may"), "bob@local.test": "virtual sent"})
        check(lab.arrivals.wait(sent.token, "bob@dane-wrong.test")[0].tls, "in plaintext")


@routes311("mail without a request takes no route, and is delivered once", more=RULES)
def _(lab, mta, running):
    sent = post(lab, mta, ["bob@dane.test", "bob@plain.test", "bob@local.test"])
    become(sent, {"bob@dane.test": "smtp sent dane-only", "bob@plain.test": "smtp sent may",
                  "bob@local.test": "virtual sent"})
    check("loop" not in running.log(), running.log())

"""Each decision that the configuration can make, as the client and the receivers see it.

Postfix 3.7 enforces nothing by itself, so what it delivers shows the milter's decision alone; rows
on 3.11 show where its own enforcement comes in.
"""

import re

import layout
from scenario import Failure, check, expect, scenario

SOFT = """
[route soft]
method = none
can = dane, sts, fallback
[default]
route = soft
"""
HEADER = ("Require-TLS-ESMTP: yes",)
BELIEVE = "[milter]\naccept_header = any\n"
DELIVERED = "sent"


def decide(name, config, to, told=None, becomes=None, logged=None, mta="3.7",
           parameters=("REQUIRETLS",), **how):
    """Registers a scenario: one message.

    told: recipient, "mail" or "data" -> (code, words); all others 250.
    becomes: recipient -> delivery status; these and no others.
    logged: recipient -> fields of the milter's line.
    """
    to = [to] if isinstance(to, str) else to

    def run(lab):
        running = lab.milter(config)
        sent = lab.send(lab.mtas[mta], to, slot=running.slot, parameters=parameters, **how)
        for what, reply in sent.replies.items():
            expect(reply, (told or {}).get(what, (250,)), what)
        for what in told or {}:
            check(what in sent.replies, f"never came to {what}")
        if becomes is None:
            check(not sent.queue_id, "it was accepted")
        else:
            found = {to: d.status for to, d in sent.deliveries(len(becomes)).items()}
            expect(found, becomes, "deliveries")
        check_logged(running, logged or {})
        return sent
    scenario(f"decision {mta}: {name}")(run)


def check_logged(running, logged):
    decisions = running.decisions()
    for recipient, fields in logged.items():
        check(recipient in decisions, f"no line for {recipient}")
        for key, wanted in fields.items():
            seen = decisions[recipient].get(key)
            if seen is None or not re.search(wanted, seen):
                raise Failure(f"line for {recipient}: wanted {key}={wanted}, saw {seen}")


def plain(status=DELIVERED):
    return {"bob@plain.test": status}


# What is done when it cannot be satisfied.

decide("fallback = encrypt, on a route that can", SOFT + "fallback = encrypt", "bob@plain.test",
       becomes=plain(), logged={"bob@plain.test": {
           "verdict": "unsatisfied", "action": "accept",
           "fallback": "opportunistic.starttls", "reason": "plain.test publishes neither"}})
decide("fallback = may, on a route that can", SOFT + "fallback = may", "bob@plain.test",
       becomes=plain(), logged={"bob@plain.test": {"fallback": "^opportunistic$"}})
decide("fallback on a route that cannot is none", "[default]\nfallback = encrypt",
       "bob@plain.test", {"bob@plain.test": (550, "5.7.10")})
decide("no fallback for what was not found out", SOFT + "fallback = encrypt",
       "bob@mx-servfail.test", {"bob@mx-servfail.test": (451, "4.4.3")})
decide("no fallback for a null MX", SOFT + "fallback = may", "bob@nullmx.test",
       {"bob@nullmx.test": (556, "5.1.10")})
decide("on_unsatisfied = tempfail", "[default]\non_unsatisfied = tempfail", "bob@plain.test",
       {"bob@plain.test": (451, "4.7.10", "plain.test")})
decide("on_unsatisfied = log", "[default]\non_unsatisfied = log", "bob@plain.test",
       becomes=plain(), logged={"bob@plain.test": {"verdict": "unsatisfied", "action": "log"}})
decide("on_undecided = log", "[default]\non_undecided = log", "bob@mx-servfail.test",
       becomes={"bob@mx-servfail.test": "deferred"},
       logged={"bob@mx-servfail.test": {"verdict": "undecided", "action": "log"}})
decide("on_unsatisfied = log, but 3.11 enforces by itself", "[default]\non_unsatisfied = log",
       "bob@plain.test", becomes=plain("bounced"), mta="3.11")


def _quarantine(mta_name):
    def run(lab):
        running = lab.milter("[default]\non_unsatisfied = quarantine")
        mta = lab.mtas[mta_name]
        sent = lab.send(mta, ["bob@plain.test", "bob@dane.test"], slot=running.slot,
                        parameters=["REQUIRETLS"])
        expect(sent.replies["data"], (250,), "data")
        expect(mta.queued(), {sent.queue_id: "hold"}, "the queue")
        check_logged(running, {"bob@plain.test": {"action": "quarantine",
                                                  "verdict": "unsatisfied"}})
        held = " ".join(line for line in sent.log.lines(sent.queue_id) if "milter-hold" in line)
        if mta.modern:  # 3.7 says only that a milter asked for it
            check("plain.test publishes neither" in held, f"the log does not say why: {held}")
        # Released by hand: Postfix 3.7 sends it, 3.11 keeps the sender's word all the same.
        mta.run("postsuper", "-H", sent.queue_id)
        mta.run("postqueue", "-i", sent.queue_id)
        expect({d.to: d.status for d in sent.deliveries(2).values()},
               {"bob@plain.test": "bounced" if mta.modern else "sent", "bob@dane.test": "sent"},
               "deliveries after the release")
    scenario(f"decision {mta_name}: on_unsatisfied = quarantine puts the message on hold")(run)


for name in ("3.11", "3.7"):
    _quarantine(name)


# Several recipients; a request that only the header makes is settled at the end of the message.

BOTH = ("bob@dane.test", "carol@plain.test")
decide("mixed recipients by parameter: the one is refused at RCPT", "", BOTH,
       {"carol@plain.test": (550, "5.7.10")}, {"bob@dane.test": DELIVERED})
decide("mixed recipients by header, mixed = reject", BELIEVE, BOTH,
       {"data": (550, "5.7.10", "carol@plain.test")}, parameters=(), headers=HEADER)
decide("mixed recipients by header, mixed = keep", BELIEVE + "[default]\nmixed = keep", BOTH, {},
       {"bob@dane.test": DELIVERED, "carol@plain.test": "bounced"}, parameters=(),
       headers=HEADER, mta="3.11")
decide("all recipients bad by header, mixed = keep", BELIEVE + "[default]\nmixed = keep",
       "bob@plain.test", {"data": (550, "5.7.10", "bob@plain.test")}, parameters=(),
       headers=HEADER)
decide("undecided by header", BELIEVE, "bob@mx-servfail.test",
       {"data": (451, "4.4.3", "mx-servfail.test")}, parameters=(), headers=HEADER)

# Which next-hop: aliases, local mailboxes, error mailers, relaying, literals.

decide("a virtual alias is not applicable", "", "one@alias.test",
       becomes={"bob@dane.test": DELIVERED}, logged={"one@alias.test": {
           "verdict": "not-applicable"}})
decide("what an alias expands to is enforced by 3.11 itself", "", "team@alias.test",
       becomes={"bob@dane.test": DELIVERED, "carol@plain.test": "bounced"}, mta="3.11")
decide("an unknown local user is Postfix's to refuse", "", "nobody@local.test",
       {"nobody@local.test": (550, "5.1.1")})
decide("the error mailer is Postfix's", "", "bob@error.test", {"bob@error.test": (550, "5.7.0")})
decide("local delivery is not applicable", "", "bob@local.test",
       becomes={"bob@local.test": DELIVERED},
       logged={"bob@local.test": {"verdict": "not-applicable"}})
decide("local delivery with a rule for its mailer", """
[milter]
my_mx_names = another.lab.test
[rule locals]
mailer = virtual
level = enforce
""", "bob@local.test", {"bob@local.test": (550, "5.7.10")})
decide("local delivery among others", "", ("bob@local.test", "bob@dane.test"),
       becomes={"bob@local.test": DELIVERED, "bob@dane.test": DELIVERED})
decide("relay domain with a next-hop that has DANE", "", "bob@relay.test",
       becomes={"bob@relay.test": DELIVERED},
       logged={"bob@relay.test": {"nexthop": r"^\[mx.dane.test\]$", "findings": "dane"}})
decide("[host] with DANE", "", "bob@smarthost.test", becomes={"bob@smarthost.test": DELIVERED},
       logged={"bob@smarthost.test": {"nexthop": r"^\[mx.dane.test\]$"}})
decide("[host]:port with DANE", "", "bob@smarthost-port.test",
       becomes={"bob@smarthost-port.test": DELIVERED})
for through in ("3.11", "3.7"):
    decide("we are the second MX, and the first has DANE", "", "bob@backup.test",
           becomes={"bob@backup.test": DELIVERED}, mta=through, net=layout.STRANGER,
           logged={"bob@backup.test": {"findings": "dane", "verdict": "satisfied"}})
    decide("we are the second MX, the first proves nothing and the third does not count", "",
           "bob@backup-plain.test", {"bob@backup-plain.test": (550, "5.7.10")}, mta=through,
           net=layout.STRANGER)
decide("a smart host's own MX records", "", "bob@smarthost-mx.test",
       becomes={"bob@smarthost-mx.test": DELIVERED},
       logged={"bob@smarthost-mx.test": {"nexthop": "^dane.test$"}})
decide("[host] without DANE, the route cannot check by the Web PKI", "",
       "bob@smarthost-plain.test", {"bob@smarthost-plain.test": (550, "5.7.10", "mx.plain.test")})
decide("[host] without DANE, on a route that can", """
[default]
route = web
[route web]
method = none
can = dane, sts, web_pki
""", "bob@smarthost-plain.test", becomes={"bob@smarthost-plain.test": DELIVERED})
decide("a literal as next-hop is opportunistic", "", "bob@literal.test",
       becomes={"bob@literal.test": DELIVERED},
       logged={"bob@literal.test": {"level": "^opportunistic$"}})
decide("a literal at enforce can publish nothing", "[default]\nlevel = enforce",
       "bob@literal.test", {"bob@literal.test": (550, "5.7.10")})
decide("an address literal as recipient", "", "bob@[198.51.100.250]",
       becomes={"bob@[198.51.100.250]": "deferred"},
       logged={"bob@[198.51.100.250]": {"level": "^opportunistic$"}})
decide("a tagged address from outside", "", "bob@dane.test.requiretls.invalid",
       {"bob@dane.test.requiretls.invalid": (550, "5.1.2")})
decide("a tagged address in mail that asks for nothing", "", "bob@dane.test.requiretls.invalid",
       {"bob@dane.test.requiretls.invalid": (550, "5.1.2")}, parameters=())

# Levels and rules.

decide("level opportunistic+starttls by a rule", """
[rule partner]
nexthop = plain.test
level = opportunistic+starttls
""", "bob@plain.test", becomes=plain())
decide("level disable by a rule on a parent domain", """
[rule test]
nexthop = .test
level = disable
""", "bob@plain.test", becomes=plain(), logged={"bob@plain.test": {"level": "disable"}})
decide("the first rule wins", """
[rule strict]
recipient = bob@plain.test
level = enforce
[rule loose]
nexthop = plain.test
level = opportunistic
""", ("bob@plain.test", "eve@plain.test"), {"bob@plain.test": (550, "5.7.10")},
       {"eve@plain.test": DELIVERED})
decide("REQUIRETLS by a rule on the sender", """
[rule department]
sender = alice@sender.test
request = require
""", "bob@plain.test", {"bob@plain.test": (550, "5.7.10", "requires TLS")}, parameters=())
decide("REQUIRETLS by a rule on a header", """
[rule confidential]
header = Sensitivity: company-confidential
request = require
""", "bob@plain.test", {"data": (550, "5.7.10", "plain.test")}, parameters=(),
       headers=("Sensitivity: company-confidential",))
decide("request = ignore", """
[rule ignored]
sender = alice@sender.test
request = ignore
""", "bob@plain.test", becomes=plain())
decide("tls_policy that authenticates", """
[rule private]
nexthop = plain-badcert.test
tls_policy = fingerprint match=00:11:22:33
""", "bob@plain-badcert.test", becomes={"bob@plain-badcert.test": DELIVERED})
decide("tls_policy that does not authenticate", """
[rule private]
nexthop = plain.test
tls_policy = encrypt
""", "bob@plain.test", {"bob@plain.test": (550, "5.7.10")})
decide("tls_policy = skip", """
[rule private]
nexthop = plain.test
tls_policy = skip
""", "bob@plain.test", becomes=plain())
decide("web_pki = no", """
[dane]
web_pki = no
[default]
route = web
[route web]
method = none
can = dane, sts, web_pki
""", "bob@signed.test", {"bob@signed.test": (550, "5.7.10")})
decide("accept_testing = yes", """
[mta_sts]
accept_testing = yes
[default]
route = web
[route web]
method = none
can = dane, sts, web_pki
""", "bob@sts-testing.test", becomes={"bob@sts-testing.test": DELIVERED})
decide("accept_testing = yes, but all that the MTA is asked to demand is the map QUERY",
       "[mta_sts]\naccept_testing = yes", "bob@sts-testing.test",
       {"bob@sts-testing.test": (550, "5.7.10")})
decide("MTA-STS off", "[mta_sts]\nenable = no", "bob@sts.test",
       {"bob@sts.test": (550, "5.7.10")})
decide("DANE off", "[dane]\nenable = no", "bob@dane.test", {"bob@dane.test": (550, "5.7.10")})

# The null sender; what is not ours to say.

decide("mail from <> is never refused for REQUIRETLS", "", "bob@plain.test", becomes=plain(),
       sender="")
decide("mail from <> in plaintext is not refused either", "", "bob@plain.test", becomes=plain(),
       sender="", tls=False)
decide("a domain that does not exist", "", "bob@nosuch.test",
       becomes={"bob@nosuch.test": "bounced"})
decide("REQUIRETLS with a value is refused by Postfix itself", "", "bob@dane.test",
       {"mail": (555, "5.5.4")}, mta="3.11", parameters=("REQUIRETLS=yes",))
decide("REQUIRETLS with a value does not become the marker", "", "bob@dane.test",
       {"mail": (555, "5.5.4")}, parameters=("REQUIRETLS=yes",))
decide("the marker with a value is not the marker", "", "bob@plain.test", becomes=plain(),
       parameters=("SIZE=8689",))

# A resolver that shows no AD: the security of every answer is unknown.

UNKNOWN = f"[dns]\nresolvers = {layout.RESOLVER_NO_AD}\ntrust_ad = yes\n"
decide("security unknown: DANE", UNKNOWN, "bob@dane.test", {"bob@dane.test": (451, "4.4.3")})
decide("security unknown: nothing published", UNKNOWN, "bob@plain.test",
       {"bob@plain.test": (451, "4.4.3")})
decide("security unknown: MTA-STS is enough", UNKNOWN, "bob@sts.test",
       becomes={"bob@sts.test": DELIVERED})
decide("security unknown: null MX", UNKNOWN, "bob@nullmx.test",
       {"bob@nullmx.test": (451, "4.4.3")})
decide("a resolver that is not trusted", f"[dns]\nresolvers = {layout.RESOLVER}\ntrust_ad = no\n",
       "bob@dane.test", {"bob@dane.test": (451, "4.4.3")})

# Where the request comes from.

ORIGINS = {
    # accept_header: is it believed from a stranger, an authenticated client, a trusted client?
    "any": (True, True, True),
    "authenticated": (False, True, True),
    "trusted": (False, False, True),
    "no": (False, False, False),
}


def _origins(setting, believed):
    def run(lab):
        running = lab.milter(f"[milter]\naccept_header = {setting}\n")
        ways = ({"net": layout.STRANGER}, {"net": layout.STRANGER, "login": "alice"},
                {"net": layout.LOCAL})
        for way, wanted in zip(ways, believed):
            sent = lab.send(lab.mtas["3.7"], "bob@backup-plain.test", slot=running.slot,
                            headers=HEADER, **way)
            expect(sent.replies["data"].code, 550 if wanted else 250, str(way))
    scenario(f"decision 3.7: accept_header = {setting}")(run)


for key, value in ORIGINS.items():
    _origins(key, value)

decide("a trusted client may ask in plaintext", "", "bob@dane.test",
       becomes={"bob@dane.test": DELIVERED}, net=layout.LOCAL, tls=False)

# TLS-Required.

# The third is what Postfix 3.11 does by itself: it does not see through folding, and takes the
# first of several for the only one.
FORMS = (
    ("TLS-Required: No", "optional", "may"),
    ("tls-required:nO", "optional", "may"),
    ("TLS-Required:\n \t no ", "optional", "dane"),
    ("TLS-Required: (really) No", None, "dane"),
    ("TLS-Required: Yes", None, "dane"),
    ("TLS-Required: No, No", None, "dane"),
    ("TLS-Required: No\nTLS-Required: No", None, "may"),
    ("TLS-Required: No\nTLS-Required: Yes", None, "may"),
    ("X-TLS-Required: No", None, "dane"),
)


def _form(mta_name, form, request, native):
    def run(lab):
        running = lab.milter("")
        sent = lab.send(lab.mtas[mta_name], "bob@dane.test", slot=running.slot,
                        headers=form.split("\n") if "\n " not in form else [form])
        delivery = sent.deliveries()["bob@dane.test"]
        expect(delivery.status, "sent", "delivery")
        line = running.decisions().get("bob@dane.test")
        expect(line and line["request"], request, "request")
        if lab.mtas[mta_name].modern:
            expect(delivery.tls, native, "the TLS level that Postfix used")
    scenario(f"decision {mta_name}: {form!r} is {request}")(run)


for row in FORMS:
    for through in ("3.11", "3.7"):
        _form(through, *row)

decide("REQUIRETLS beats TLS-Required: No", "", "bob@plain.test",
       {"bob@plain.test": (550, "5.7.10")}, headers=("TLS-Required: No",))
decide("by header as well", BELIEVE, "bob@plain.test", {"data": (550, "5.7.10")}, parameters=(),
       headers=(*HEADER, "TLS-Required: No"))

# How long it waits.

HURRY = """
[milter]
rcpt_wait = 300ms
eom_wait = 1s
[dns]
timeout = 2s
tries = 2
"""
decide("what takes longer than rcpt_wait is settled at the end of the message", HURRY,
       "bob@mx-silent.test", {"data": (451, "4.4.3", "mx-silent.test")})
decide("one budget for all recipients", HURRY,
       [f"{n}@mx-silent.test" for n in "abcdefgh"], {"data": (451, "4.4.3")})
decide("slow, but in time", "", "bob@slow.test", becomes={"bob@slow.test": DELIVERED})


# A trial over all mail: it passes, and the log tells what would be. The domain has no TLS at all.
OBSERVE = "[default]\nrequest = observe\n"
OBSERVED = {"request": "^observe$", "level": "enforce", "action": "^accept$"}
decide("observe: mail to a domain without TLS passes at once", OBSERVE, "bob@plain.test", parameters=(),
       becomes={"bob@plain.test": DELIVERED},
       logged={"bob@plain.test": dict(OBSERVED, verdict="^unsatisfied$", findings="none")})
decide("observe: what could be sent as if it had asked", OBSERVE, "bob@dane.test", parameters=(),
       becomes={"bob@dane.test": DELIVERED},
       logged={"bob@dane.test": dict(OBSERVED, verdict="^satisfied$", findings="dane")})
decide("observe: a request is one all the same", OBSERVE, "bob@plain.test",
       told={"bob@plain.test": (550, "5.7.10")}, logged={"bob@plain.test": {"request": "^require$"}})


OFFER = "[default]\nrequire_offer = yes\n"
NO_OFFER = (550, "5.7.30", "this host cannot pass REQUIRETLS on to the mail servers of")
# Postfix says its version by the macro v when it connects.
decide("require_offer = yes: refused, as this Postfix cannot pass it on", OFFER, "bob@dane.test",
       told={"bob@dane.test": NO_OFFER})
decide("require_offer = yes: mail that requires nothing is no matter", OFFER, "bob@dane.test",
       parameters=(), becomes={"bob@dane.test": DELIVERED})
decide("require_offer = yes: this Postfix passes it on", OFFER, "bob@dane.test", mta="3.11",
       becomes={"bob@dane.test": DELIVERED})
decide("require_offer = yes: what a rule asks, Postfix does not know",
       OFFER + "[rule all]\nsender = sender.test\nrequest = require\n", "bob@dane.test", mta="3.11",
       parameters=(), told={"bob@dane.test": NO_OFFER})

# By the map QUERY, `dane`, Postfix goes to a host without TLSA records too; 3.11 refuses that itself.
decide("DANE on some hosts, and the map QUERY lets mail go to the others too", "",
       "bob@dane-mixed.test", {"bob@dane-mixed.test": (550, "5.7.10", "only some mail servers")})
decide("DANE on some hosts, where MTA-STS forbids the others", "", "bob@dane-mixed-sts.test",
       becomes={"bob@dane-mixed-sts.test": DELIVERED})
decide("DANE on some hosts, of which Postfix keeps to those", "", "bob@dane-mixed.test", mta="3.11",
       becomes={"bob@dane-mixed.test": DELIVERED})

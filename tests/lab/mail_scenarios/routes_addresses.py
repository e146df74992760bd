"""Addresses of every form, and next-hops that are not the recipient's domain."""

import procs
from routed import NO, become, ends, flushed, how, post, require, routes, submit
from scenario import check, expect

VERIFIED = "requiretls sent Verified"


@routes("extensions, quoted and source-routed local parts")
def _(lab, mta, _):
    forms = {"bob+ext@dane.test": None, '"bob smith"@dane.test': None, '"a@b"@dane.test': None,
             "bob=x+y/z!@sts.test": None, "@relay.test,@sts.test:eve@dane.test": "eve@dane.test",
             "BOB.Cased@Dane.TEST": None}
    sent = require(lab, mta, list(forms))
    for to, reply in sent.replies.items():
        expect(reply, (250,), to)
    wanted = {address or to for to, address in forms.items()}
    arrived = {}
    for to, delivery in ends(sent, len(forms)).items():
        expect(how(delivery), VERIFIED, to)
    for to in wanted:
        arrival, = lab.arrivals.wait(sent.token, to)
        arrived[to] = arrival.recipients
    expect(arrived, {to: [to] for to in wanted}, "recipients as they arrived")


@routes("address extensions here and of aliases")
def _(lab, mta, _):
    with mta.configured(recipient_delimiter="+", virtual_alias_maps=(
            "inline:{ {one@alias.test = bob@dane.test} {two@alias.test = carol@local.test} }")):
        sent = require(lab, mta, ["bob+ext@local.test", "one+x@alias.test", "two+y@alias.test"])
        become(sent, {"bob+ext@local.test": "virtual sent", "bob+x@dane.test": VERIFIED,
                      "carol+y@local.test": "virtual sent"})
        lab.arrivals.wait(sent.token, "bob+x@dane.test")


@routes("addresses that are not ASCII")
def _(lab, mta, _):
    sent = require(lab, mta, ["b\u00f6b@dane.test", "eve@dane.test"], parameters=["SMTPUTF8"],
                   headers=["X-Note: gr\u00fc\u00dfe"])
    become(sent, {"b\u00f6b@dane.test": VERIFIED, "eve@dane.test": VERIFIED})
    for to in ("b\u00f6b@dane.test", "eve@dane.test"):
        arrival, = lab.arrivals.wait(sent.token, to)
        check("SMTPUTF8" in arrival.parameters, str(arrival))
        expect(arrival.header("X-Note"), ["gr\u00fc\u00dfe"], "the header")


@routes("[host]:port, [host] and a smart host's MX records, by transport maps")
def _(lab, mta, _):
    sent = require(lab, mta, ["bob@smarthost.test", "bob@smarthost-port.test",
                              "bob@smarthost-mx.test", "bob@smarthost-plain.test"])
    wanted = {f"bob@smarthost{s}.test": VERIFIED for s in ("", "-port", "-mx", "-plain")}
    become(sent, wanted)
    for to in wanted:
        expect(sent.arrived(to).server,
               "mx.plain.test" if "plain" in to else "mx.dane.test", f"the server of {to}")


@routes("of a list of next-hops the one that can be sure")
def _(lab, mta, _):
    with mta.configured(transport_maps="inline:{ {list.test = smtp:plain.test, dane.test} }"):
        sent = require(lab, mta, "bob@list.test")
        become(sent, {"bob@list.test": VERIFIED})
        expect(sent.arrived().server, "mx.dane.test", "the server")


@routes("a relay host is kept by all: strict, optional, and locally submitted mail")
def _(lab, mta, _):
    with mta.configured(relayhost="[mx.dane.test]:25"):
        sent = require(lab, mta, ["bob@sts.test", "eve@plain.test", "bob@local.test"])
        become(sent, {"bob@sts.test": VERIFIED, "eve@plain.test": VERIFIED,
                      "bob@local.test": "virtual sent"})
        for to in ("bob@sts.test", "eve@plain.test"):
            expect(sent.arrived(to).server, "mx.dane.test", f"the server of {to}")
        sent = post(lab, mta, "bob@plain.test", headers=NO)
        become(sent, {"bob@plain.test": "requiretls-optional sent Trusted"})
        expect(sent.arrived().server, "mx.dane.test", "the server, TLS-Required: No")
        sent = submit(lab, mta, "bob@plain.test", ["Require-TLS-ESMTP: yes"])
        become(sent, {"bob@plain.test": VERIFIED})
        expect(sent.arrived().server, "mx.dane.test", "the server, locally submitted mail")


@routes("a relay host that cannot be sure: refused, or bounced")
def _(lab, mta, _):
    with mta.configured(relayhost="plain.test"):
        sent = require(lab, mta, "bob@dane.test")
        expect(sent.replies["bob@dane.test"], (550, "5.7.10"), "RCPT")
    with mta.configured(relayhost="[mx.dane-wrong.test]"):
        # Without a bounce, which would have to go the same way.
        sent = require(lab, mta, "bob@dane.test", rcpt_parameters=["NOTIFY=NEVER"])
        found = become(sent, {"bob@dane.test": "requiretls bounced 5.7.10"})["bob@dane.test"]
        # It is in the queue until the bounce is seen to; a reload amid that has it tried once more.
        procs.wait_for(lambda: sent.log.finished(found.queue_id), "the end of the message", 60)
    procs.wait_for(lambda: flushed(mta), "the queue to be empty", 60)
    expect([str(a) for a in lab.arrivals.all()], [], "arrived, or bounced")


@routes("locally submitted mail, to recipients of every kind")
def _(lab, mta, _):
    wanted = {"bob@local.test": "virtual sent", "bob@dane.test": VERIFIED,
              "bob@relay.test": VERIFIED, "carol@dane.test": VERIFIED}
    with mta.configured(virtual_alias_maps="inline:{one@alias.test=carol@dane.test}"):
        sent = submit(lab, mta, ["bob@local.test", "bob@dane.test", "bob@relay.test",
                                 "one@alias.test", "eve@plain.test"], ["Require-TLS-ESMTP: yes"])
        become(sent, wanted | {"eve@plain.test": "requiretls-loop bounced 5.7.10"})
    for to in wanted:
        if to != "bob@local.test":
            lab.arrivals.wait(sent.token, to)


@routes("a sender whom this host does not know is no reason to stop at the second smtpd")
def _(lab, mta, _):
    with mta.configured(smtpd_reject_unlisted_sender="yes"):
        sent = submit(lab, mta, "bob@dane.test", ["Require-TLS-ESMTP: yes"], "ghost@local.test")
        become(sent, {"bob@dane.test": VERIFIED})


@routes("a rule for an address holds for it in every spelling", more="""
[rule partner]
recipient = bob@plain.test
request = require
[rule department]
sender = department@sender.test
request = require
""")
def _(lab, mta, _):
    for to in ("bob@plain.test", '"bob"@plain.test', r'"b\ob"@plain.test', "bob@plain.test.",
               "bob%plain.test", "plain.test!bob"):
        expect(post(lab, mta, to).replies[to], (550, "5.7.10", "plain.test"), to)
    for sender in ("department@sender.test", '"department"@sender.test', "department%sender.test",
                   "@x.test:department@sender.test"):
        sent = post(lab, mta, "bob@plain2.test", sender=sender)
        expect(sent.replies["bob@plain2.test"], (550, "5.7.10", "plain2.test"), sender)

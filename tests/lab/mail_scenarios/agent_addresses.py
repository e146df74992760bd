"""Addresses of every form with the delivery agent: a ticket is for one sender and recipient, and the agent
must find them as the filter has seen them."""

from agent import delivers
from routed import NO, become, post, require
from scenario import check, expect

SENT = "requiretls-deliver sent"


def arrive(lab, sent, wanted):
    become(sent, {to: SENT for to in wanted})
    for to in wanted:
        arrival, = lab.arrivals.wait(sent.token, to)
        expect(arrival.recipients, [to], "recipients as they arrived")
        expect(arrival.header("X-REQUIRETLS-Ticket"), [], "tickets")
        check("REQUIRETLS" in arrival.parameters, f"{arrival}")


@delivers("tickets of quoted, extended and source-routed addresses")
def _(lab, mta, _, __):
    forms = {"bob+ext@dane.test": None, '"bob smith"@dane.test': None, '"a@b"@dane.test': None,
             '"bob"@sts.test': "bob@sts.test", "bob=x+y/z!@sts.test": None,
             "@relay.test,@sts.test:eve@dane.test": "eve@dane.test", "BOB.Cased@Dane.TEST": None}
    sent = require(lab, mta, list(forms))
    arrive(lab, sent, {address or to for to, address in forms.items()})


@delivers("tickets of addresses that are not ASCII")
def _(lab, mta, _, __):
    arrive(lab, require(lab, mta, ["b\u00f6b@dane.test", "eve@dane.test"], parameters=["SMTPUTF8"]),
           ["b\u00f6b@dane.test", "eve@dane.test"])


@delivers("tickets of senders of every form, rewritten ones and the null sender")
def _(lab, mta, _, __):
    with mta.configured(sender_canonical_maps="inline:{ {old@sender.test = new@sender.test} }"):
        for sender in ("old@sender.test", '"al ice"@sender.test', '"alice"@sender.test',
                       "Alice+x@Sender.TEST"):
            arrive(lab, require(lab, mta, "bob@dane.test", sender=sender), ["bob@dane.test"])
        sent = post(lab, mta, "bob@dane.test", sender="", headers=NO)
        become(sent, {"bob@dane.test": SENT})
        expect(sent.arrived("bob@dane.test").sender, "", "the null sender")

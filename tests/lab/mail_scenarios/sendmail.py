"""The machine that is sendmail: what it does with ordinary mail, the filter in place."""

import arrivals
import procs
from scenario import check, expect, scenario


def on_sendmail(name, **options):
    """A scenario of (lab, machine)."""
    def register(function):
        scenario(f"sendmail: {name}", **options)(
            lambda lab: function(lab, lab.machines["sendmail"]))
        return function
    return register


@on_sendmail("ordinary mail to all kinds of recipients, with the filter in place")
def _(lab, mta):
    slot = lab.milter().slot
    sent = lab.send(mta, ["bob@dane.test", "bob@plain-no-starttls.test", "one@alias.test",
                          "carol@local.test", "x@smarthost-plain.test", "forward@mtasm.lab.test"],
                    slot=slot)
    expect(len(sent.accepted), 6, "recipients accepted")
    found = sent.deliveries()
    expect({to: d.status for to, d in found.items()}, dict.fromkeys(
        ("bob@dane.test", "bob@plain-no-starttls.test", "carol@local.test",
         "x@smarthost-plain.test", "bob@plain.test"), "sent"), "deliveries")
    expect((found["bob@dane.test"].server, found["bob@plain-no-starttls.test"].server),
           ("OK", ""), "verify=")
    expect(sent.arrived("x@smarthost-plain.test").server, "mx.plain.test", "the smart host")
    expect(sent.arrived("bob@dane.test").tls, "TLSv1.3", "TLS")
    check(any(sent.token.encode() in m for m in arrivals.mailbox(mta, "carol")), "carol's mailbox")


@on_sendmail("submission: who has no login may not, who has one may, and the filter is told")
def _(lab, mta):
    running = lab.milter("[milter]\naccept_header = authenticated")
    header = ["Require-TLS-ESMTP: yes"]
    reply = lab.send(mta, "bob@plain.test", slot=running.slot, login="alice", headers=header)
    expect(reply.replies["data"], (550, "5.7.10"), "with a login the header is believed")
    sent = lab.send(mta, "bob@plain.test", slot=running.slot, headers=header)
    expect(sent.deliveries()["bob@plain.test"].status, "sent", "without, it is not")
    with lab.client(mta, running.slot, port=587) as client:
        client.ehlo()
        client.starttls()
        expect(client.mail("alice@sender.test"), (530, "5.7.0"), "MAIL without a login")


@on_sendmail("locally submitted mail, the filter in place")
def _(lab, mta):
    token = lab.token()
    mta.sendmail(lab.message(token), "-f", "alice@sender.test", "bob@dane.test")
    expect(lab.arrivals.wait(token, "bob@dane.test")[0].sender, "alice@sender.test", "sender")


@on_sendmail("the MAIL parameter REQUIRETLS is refused by sendmail itself")
def _(lab, mta):
    sent = lab.send(mta, "bob@dane.test", slot=lab.milter().slot, parameters=["REQUIRETLS"])
    expect(sent.replies["mail"], (555, "5.5.4", "REQUIRETLS"), "MAIL")


@on_sendmail("what cannot be delivered bounces, what cannot be delivered now is kept")
def _(lab, mta):
    slot = lab.milter().slot
    sent = lab.send(mta, ["nobody@dane.test", "later@dane.test"], slot=slot)
    found = sent.deliveries()
    expect((found["nobody@dane.test"].status, found["nobody@dane.test"].dsn,
            found["later@dane.test"].status), ("bounced", "5.1.1", "deferred"), "deliveries")
    bounce = sent.bounce("alice@sender.test")
    expect(bounce.sender, "", "the bounce's sender")
    procs.wait_for(lambda: mta.queued() == {sent.queue_id: "deferred"}, "the queue")

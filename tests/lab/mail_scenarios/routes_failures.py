"""What is down on the way: mail waits, and is delivered once it is back."""

import procs
from routed import LOOP, NO, become, ends, flushed, how, post, require, routes
from scenario import check, expect

LATER = "4.7.5"


@routes("the daemon is down when the message is reinjected")
def _(lab, mta, running):
    with mta.configured(defer_transports="requiretls-loop"):
        sent = require(lab, mta, ["bob@dane.test", "bob@local.test"])
        found = sent.deliveries()
        expect({d.status for d in found.values()}, {"deferred"}, "held back")
        running.stop()
    try:
        mta.run("postqueue", "-f")
        tried = procs.wait_for(lambda: [d for d in sent.log.deliveries(sent.queue_id)
                                        if d.service == LOOP], "an attempt", 60)
        expect((tried[0].status, tried[0].dsn), ("deferred", "4.7.1"), tried[0].text)
    finally:
        running.start()
    procs.wait_for(lambda: flushed(mta), "the queue to be empty", 60)
    lab.arrivals.wait(sent.token, "bob@dane.test")
    become(Last(sent), {"bob@dane.test": "requiretls sent Verified",
                        "bob@local.test": "virtual sent"})
    expect(len(lab.arrivals.of(sent.token)), 1, "copies, and no bounce")


class Last:
    """A message that was tried several times, by its last attempts."""

    def __init__(self, sent):
        self.sent, self.log, self.lab = sent, sent.log, sent.lab

    def deliveries(self, count=None, timeout_s=60):
        return last_attempts(self.log, self.sent.queue_id)


def last_attempts(log, queue_id):
    """Recipient -> the last Delivery of a message, once the log says that it has left the queue."""
    procs.wait_for(lambda: log.finished(queue_id), f"the end of {queue_id}")
    return {d.to: d for d in log.deliveries(queue_id)}


@routes("the policy server is down when the message is to go out")
def _(lab, mta, running):
    with mta.configured(defer_transports="requiretls"):
        sent = {to: require(lab, mta, to) for to in ("bob@dane.test", "bob@sts.test")}
        found = {to: ends(each)[to] for to, each in sent.items()}
        expect({d.status for d in found.values()}, {"deferred"}, "held back")
        running.stop()
    try:
        for to in sent:
            mta.run("postqueue", "-i", found[to].queue_id)
            tried = procs.wait_for(
                lambda to=to: [d for d in sent[to].log.deliveries(found[to].queue_id)
                               if d.service == "postfix/requiretls/smtp"], "an attempt", 60)
            expect((tried[-1].status, tried[-1].dsn), ("deferred", LATER), tried[-1].text)
        expect(lab.arrivals.all(), [], "arrived, or bounced")
    finally:
        running.start()
    procs.wait_for(lambda: flushed(mta), "the queue to be empty", 60)
    for to, each in sent.items():
        lab.arrivals.wait(each.token, to, timeout_s=60)
        expect(how(last_attempts(each.log, found[to].queue_id)[to]), "requiretls sent Verified", to)


@routes("a lookup that fails by then is a deferral, not a bounce")
def _(lab, mta, running):
    sent = post(lab, mta, "bob@mx-servfail.test", headers=NO)
    found = ends(sent)["bob@mx-servfail.test"]
    expect((how(found)), "requiretls-optional deferred 4.4.3", found.text)
    reply = require(lab, mta, "bob@mx-servfail.test").replies["bob@mx-servfail.test"]
    expect(reply, (451, "4.4.3"), "RCPT")
    mta.run("postsuper", "-d", found.queue_id)


@routes("a server that is down is tried again")
def _(lab, mta, _):
    sent = require(lab, mta, "bob@dane-down.test")
    found = ends(sent)["bob@dane-down.test"]
    expect(how(found), "requiretls deferred 4.4.1", found.text)
    check(found.queue_id in mta.queued(), "it does not wait")
    mta.run("postsuper", "-d", found.queue_id)


@routes("a rule before those for reinjected mail defers it, and lets nothing out",
        change=lambda text: text.replace("[rule loop]", "[rule early]\nsender = alice@sender.test\n"
                                         "route = loop\n\n[rule loop]", 1))
def _(lab, mta, running):
    sent = require(lab, mta, "bob@dane.test")
    found = sent.deliveries()["bob@dane.test"]
    expect((found.service, found.status), (LOOP, "deferred"), found.text)
    check("must come first" in running.log(), "the log does not say why")
    expect(sent.arrivals_elsewhere(), [], "arrived all the same")
    mta.run("postsuper", "-d", sent.queue_id)

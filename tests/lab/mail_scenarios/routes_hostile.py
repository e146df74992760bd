"""What comes from outside cannot choose a route, and nothing is reinjected twice."""

import re

import layout
import procs
import smtpclient
from operation import symptom
from routed import ASK, NO, become, how, post, require, routes
from scenario import check, expect, queue_id_of

FORGED = ("X-REQUIRETLS-Route: optional", "x-requiretls-route : strict",
          "X-REQUIRETLS-Route:\n\tstrict [mx.plain.test]", "X-REQUIRETLS-Route: loop")


@routes("routing fields from outside are removed and route nothing")
def _(lab, mta, _):
    sent = require(lab, mta, "bob@dane.test", headers=FORGED)
    become(sent, {"bob@dane.test": "requiretls sent Verified"})
    expect(sent.arrived().header("X-REQUIRETLS-Route"), [], "fields that arrived")
    sent = post(lab, mta, ["bob@dane.test", "bob@local.test"], headers=FORGED)
    become(sent, {"bob@dane.test": "smtp sent Verified", "bob@local.test": "virtual sent"})
    arrival = sent.arrived("bob@dane.test")
    expect([n for n, _ in arrival.headers if "requiretls" in n.lower()], [], "fields that arrived")
    sent = post(lab, mta, "bob@plain.test", headers=[*FORGED, *NO])
    become(sent, {"bob@plain.test": "requiretls-optional sent Trusted"})
    expect(sent.arrived().header("X-REQUIRETLS-Route"), [], "fields that arrived")


@routes("a stranger's Require-TLS-ESMTP is not believed when reinjected either")
def _(lab, mta, _):
    sent = post(lab, mta, "bob@plain.test", headers=["Require-TLS-ESMTP: yes"])
    become(sent, {"bob@plain.test": "smtp sent Trusted"})


@routes("tagged addresses are refused")
def _(lab, mta, _):
    for to in ("bob@dane.test.requiretls.invalid", "bob@dane.test.strict.requiretls.invalid",
               "bob@dane.test.LOOP.RequireTLS.Invalid."):
        for parameters in (ASK, ()):
            sent = post(lab, mta, to, parameters=parameters)
            expect(sent.replies[to], (550, "5.1.2"), to)


@routes("the loop's services listen on this host alone, and serve nobody else")
def _(lab, mta, _):
    for port in (8689, 8690):
        try:
            smtpclient.Client(mta.address, port)
        except ConnectionRefusedError:
            pass
        else:
            check(False, f"port {port} of {mta.address} is open")
        client = smtpclient.Client("127.0.0.1", port, layout.client(None))
        lab.clients.append(client)
        client.ehlo()
        expect(client.mail("alice@sender.test"), (250,), "MAIL")
        expect(client.rcpt("bob@dane.test"), (554, "5.7.1"), "RCPT of another client")


@routes("mail handed to the loop's services is delivered, not reinjected")
def _(lab, mta, _):
    for port, headers, way in ((8689, (), "requiretls sent Verified"),
                               (8690, NO, "requiretls-optional sent Trusted"),
                               (8690, (), "smtp sent Verified")):
        token = lab.token()
        client = smtpclient.Client("127.0.0.1", port, "127.0.0.1")
        lab.clients.append(client)
        client.ehlo()
        expect(client.mail("alice@sender.test"), (250,), "MAIL")
        expect(client.rcpt("bob@dane.test"), (250,), "RCPT")
        reply = client.data(lab.message(token, headers))
        expect(reply, (250,), "data")
        delivery, = mta.log.settled(queue_id_of(reply))
        expect(how(delivery), way, "the way")
        arrival, = lab.arrivals.wait(token, "bob@dane.test")
        expect(len(arrival.header("Received")), 1, "hops")
    client = smtpclient.Client("127.0.0.1", 8689, "127.0.0.1")
    lab.clients.append(client)
    client.ehlo()
    expect(client.mail("alice@sender.test"), (250,), "MAIL")
    expect(client.rcpt("bob@plain.test"), (550, "5.7.10"), "RCPT where nothing is sure")


def without_rules(text):
    """As an administrator would have it who forgot the rules."""
    return re.sub(r"\[rule loop.*?(?=\n\[route|\n# Of mail)", "", text, flags=re.S)


@routes("without rules for reinjected mail the message is deferred: no mail loop, no delivery", change=lambda
        text: without_rules(text).replace("add_header = no", "add_header = yes"))
def _(lab, mta, running):
    check("daemon =" not in running.text, running.text)
    sent = require(lab, mta, "bob@dane.test")
    found, = sent.deliveries().values()
    expect(how(found), "requiretls-loop deferred 4.3.0", found.text)
    missing = "no rule with `daemon` and `route` gives mail of this listener an exit route"
    check(missing in running.log(), running.log())
    expect(lab.arrivals.of(sent.token), [], "arrived all the same")
    # What it says of itself lets no other message out either.
    again = lab.token()
    received = f"Received: from x by mta37.lab.test (Postfix) with ESMTP id {sent.queue_id}; now"
    message = f"{received}\n{lab.message(again, ['Require-TLS-ESMTP: yes'])}".removesuffix(".\n")
    mta.sendmail(message, "-i", "-f", "alice@sender.test", "bob@dane.test")
    procs.wait_for(lambda: running.log().count(missing) > 1, "sendmail(1)")
    expect(lab.arrivals.of(again), [], "arrived all the same")
    mta.run("postsuper", "-d", "ALL")


@routes("add_header = yes: the header goes out once",
        change=lambda text: text.replace("add_header = no", "add_header = yes"))
def _(lab, mta, _):
    sent = require(lab, mta, ["bob@dane.test", "bob@local.test"])
    become(sent, {"bob@dane.test": "requiretls sent Verified", "bob@local.test": "virtual sent"})
    expect(sent.arrived("bob@dane.test").header("Require-TLS-ESMTP"), ["yes"], "the header")
    sent = require(lab, mta, "bob@dane.test", headers=["Require-TLS-ESMTP: yes"])
    become(sent, {"bob@dane.test": "requiretls sent Verified"})
    expect(sent.arrived("bob@dane.test").header("Require-TLS-ESMTP"), ["yes"], "the header")


@routes("mail from <> takes no route, whatever it asks")
def _(lab, mta, _):
    sent = require(lab, mta, "bob@plain.test", sender="")
    become(sent, {"bob@plain.test": "smtp sent Trusted"})


@routes("a route that requiretls_routes does not know: the message waits", more="""
[route elsewhere]
method = header
local = refuse
""", change=lambda text: text.replace("route = loop\n", "route = elsewhere\n", 1))
def _(lab, mta, _):
    sent = require(lab, mta, "bob@dane.test")
    found, = sent.deliveries().values()
    expect((found.status, found.dsn), ("deferred", "4.3.5"), found.text)
    line, = [line for line in sent.log.lines(sent.queue_id) if " status=" in line]
    check(re.search(symptom("no line for the route"), line), line)
    mta.run("postsuper", "-d", sent.queue_id)

"""Postfix 3.7 with the delivery agent, by the snippets in etc/postfix-older: what its sender asked is
passed on to the next server."""

import agent
import procs
from agent import delivers
from routed import NO, OLDER, ask, become, become_all, bounce_of, ends, how, post, require, submit
from scenario import check, expect

OURS = ("X-REQUIRETLS-Route", "X-REQUIRETLS-Ticket")
SENT = "requiretls-deliver sent"
# domain -> what the agent logs of the server
SURE = {"dane.test": "dane/requiretls", "sts.test": "secure/requiretls", "signed.test": "secure/requiretls",
        "implicit-dane.test": "dane/requiretls", "dane-both.test": "dane/requiretls",
        "sts-some.test": "secure/requiretls"}


def whole(arrival):
    """Nothing of ours is in it."""
    expect([v for name in OURS for v in arrival.header(name)], [], f"our fields in {arrival}")


@delivers("REQUIRETLS arrives at servers that are verified and offer it")
def _(lab, mta, running, sender):
    sent = {domain: require(lab, mta, f"bob@{domain}") for domain in SURE}
    for domain, each in sent.items():
        to = f"bob@{domain}"
        become(each, {to: SENT})
        arrival = each.arrived(to)
        check(arrival.tls and "REQUIRETLS" in arrival.parameters, f"{arrival}")
        check("RET=HDRS" in arrival.parameters, f"{arrival}")
        whole(arrival)
        expect(running.decisions()[to]["route"], "deliver", "the filter's last line")
        line = agent.lines(sender)[to]
        expect((line["request"], line["level"], line["status"].split()[0]), ("require", "enforce", "sent"), to)
        check(line["tls"].endswith("/requiretls") and line["nexthop"] == domain, f"{line}")


@delivers("the next Postfix 3.11 holds the message to it, and its bounce has the header alone",
          machines={OLDER, "3.11"})
def _(lab, mta, _, __):
    peer = lab.mtas["3.11"]
    with mta.configured(transport_maps="inline:{ {relay.test = relay:[mta311.lab.test]} }"):
        sent = require(lab, mta, ["bob@relay.test", "nobody@relay.test"])
        found = ends(sent, 2)
        expect({to: how(d) for to, d in found.items()},
               {"bob@relay.test": SENT, "nobody@relay.test": SENT}, "what became of them")
        arrival = sent.arrived("bob@relay.test")
        check("REQUIRETLS" in arrival.parameters, f"{arrival}")
        whole(arrival)
        bounce = procs.wait_for(lambda: next((a for a in lab.arrivals.of(sent.token) if not a.sender), None),
                                "the bounce of 3.11")
        check(b"A secret line" not in bounce.bytes(), "its bounce holds the body")
        tried = peer.log.tried(sent.token, "nobody@relay.test")
        check(any("requiretls" in line for line in tried), f"3.11 says nothing of REQUIRETLS: {tried}")


# What the body of a message may be.
BODIES = {
    "8-bit octets": bytes(c for c in range(1, 256) if c not in b"\r\n") + b"\r\n",
    "dots": b".\r\n..\r\n...\r\n.a\r\na.\r\n.\r\n",
    "long lines": (b"x" * 3000 + b"\r\n") * 3,
    "empty lines": b"\r\n" * 50,
    "no lines": b"",
    "line ends of LF": b"a\nb\n.c\n",
    "3 MB": b"0123456789abcde\r\n" * 180000,
}


@delivers("a body of every kind arrives as Postfix's own client sends it")
def _(lab, mta, _, __):
    def message(body):
        return lambda token: f"Subject: x\r\n folded\r\nMessage-ID: <{token}>\r\n\r\n".encode() + body

    def seen(arrival):
        others = ("received", "message-id", "require-tls-esmtp")  # which the filter writes for the second pass
        head = [(n, v) for n, v in arrival.headers if n.lower() not in others]
        return head, [p for p in arrival.parameters if p.startswith("BODY")], arrival.body

    for name, body in BODIES.items():
        how = {"message": message(body), "parameters": ["BODY=8BITMIME"]}
        own = post(lab, mta, "bob@dane.test", **how)
        ours = require(lab, mta, "bob@dane.test", **how)
        expect(own.deliveries()["bob@dane.test"].service, "postfix/smtp", name)
        become(ours, {"bob@dane.test": SENT})
        arrived = seen(ours.arrived("bob@dane.test")), seen(own.arrived("bob@dane.test"))
        check(arrived[0] == arrived[1], f"{name}: {str(arrived[0])[:500]}, Postfix's own: {str(arrived[1])[:500]}")


@delivers("servers that do not offer it are refused at RCPT, where a probe tells", more="[probe]\nenable = yes\n")
def _(lab, mta, _, __):
    for domain in ("dane-no-requiretls.test", "sts-no-requiretls.test"):
        expect(ask(lab, mta, f"bob@{domain}"), (550, "5.7.30", f"mx.{domain}", "REQUIRETLS"), domain)
    become(require(lab, mta, "bob@dane.test"), {"bob@dane.test": SENT})


@delivers("what a server does not keep bounces at once, without the body", more="[probe]\nenable = no\n")
def _(lab, mta, _, sender):
    wanted = {"dane-no-requiretls.test": "5.7.30", "sts-no-requiretls.test": "5.7.30",
              "dane-no-starttls.test": "5.7.30", "dane-wrong.test": "5.7.10", "sts-badcert.test": "5.7.10",
              "sts-expired.test": "5.7.10"}
    sent = {domain: require(lab, mta, f"bob@{domain}", parameters=["RET=FULL"]) for domain in wanted}
    for domain, each in sent.items():
        to = f"bob@{domain}"
        found = become(each, {to: f"requiretls-deliver bounced {wanted[domain]}"})
        check(f"mx.{domain}" in found[to].text, found[to].text)
        bounce = bounce_of(each, found[to], "alice@sender.test")
        check(b"A secret line" not in bounce.bytes(), "the bounce holds the body")
        check(not any(name.encode() in bounce.bytes() for name in OURS), "the bounce shows fields of ours")
        expect(each.arrivals_elsewhere(), [], "it arrived all the same")
        expect(agent.lines(sender)[to]["status"].split()[0], "bounced", to)


@delivers("what cannot be sure is refused before it is taken")
def _(lab, mta, _, __):
    for domain in ("plain.test", "insecure-mx.test", "signed-sts-nomatch.test", "sts-testing.test"):
        expect(ask(lab, mta, f"bob@{domain}"), (550, "5.7.10", domain), domain)


@delivers("opportunistic+starttls goes over TLS alone, and says REQUIRETLS where it is offered",
          more="[rule starttls]\nnexthop = .test\nlevel = opportunistic+starttls\n[probe]\nenable = no\n")
def _(lab, mta, _, __):
    for domain, offered in (("plain.test", True), ("dane-no-requiretls.test", False)):
        sent = require(lab, mta, f"bob@{domain}")
        become(sent, {f"bob@{domain}": SENT})
        arrival = sent.arrived(f"bob@{domain}")
        check(arrival.tls and ("REQUIRETLS" in arrival.parameters) == offered, f"{arrival}")
    sent = require(lab, mta, "bob@plain-no-starttls.test")
    found = ends(sent)["bob@plain-no-starttls.test"]
    check(found.status != "sent", f"{found}")
    expect(sent.arrivals_elsewhere(), [], "it arrived all the same")
    mta.empty_queue()


@delivers("TLS-Required: No arrives where nothing can be sure")
def _(lab, mta, _, __):
    become_all(lab, dict.fromkeys(("plain-badcert.test", "dane-wrong.test", "dane.test", "sts-badcert.test",
                                   "plain.test", "plain-no-starttls.test", "dane-no-starttls.test"), ""),
               lambda to: post(lab, mta, to, headers=NO), SENT)
    for arrival in lab.arrivals.all():
        expect(arrival.header("TLS-Required"), ["No"], f"{arrival}")
        whole(arrival)


@delivers("mail without a request does not meet the agent, and is delivered once")
def _(lab, mta, running, sender):
    sent = post(lab, mta, ["bob@dane.test", "bob@plain.test", "bob@local.test"])
    found = sent.deliveries()
    expect({d.service for d in found.values()}, {"postfix/smtp", "postfix/virtual"}, "services")
    expect((running.decisions(), agent.lines(sender)), ({}, {}), "lines")
    for to in ("bob@dane.test", "bob@plain.test"):
        check("REQUIRETLS" not in sent.arrived(to).parameters, "somebody asked")


@delivers("a ticket from outside counts for nothing, and goes no further")
def _(lab, mta, _, sender):
    forged = "X-REQUIRETLS-Ticket: 1; request=optional; nexthop=plain.test; mac=00"
    sent = post(lab, mta, "bob@plain.test", headers=[forged])
    expect(sent.deliveries()["bob@plain.test"].service, "postfix/smtp", "its transport")
    whole(sent.arrived("bob@plain.test"))
    sent = require(lab, mta, "bob@dane.test", headers=[forged])
    become(sent, {"bob@dane.test": SENT})
    whole(sent.arrived("bob@dane.test"))
    expect(agent.lines(sender)["bob@dane.test"]["request"], "require", "the agent")


@delivers("a message that has lost its route leaves without its ticket")
def _(lab, mta, _, __):
    with mta.configured(defer_transports="requiretls-deliver"):
        sent = require(lab, mta, "bob@dane.test")
        held = ends(sent)["bob@dane.test"]
        expect(held.status, "deferred", "held back")
    mta.run("postsuper", "-r", held.queue_id)
    whole(sent.arrived("bob@dane.test", 150))  # pickup(8) looks once a minute


@delivers("the next-hop is Postfix's: relay hosts and ports, not the recipient's domain")
def _(lab, mta, _, sender):
    for to, nexthop in (("bob@smarthost.test", "[mx.dane.test]"), ("bob@smarthost-mx.test", "dane.test"),
                        ("bob@smarthost-port.test", "[mx.dane.test]")):
        sent = require(lab, mta, to)
        become(sent, {to: SENT})
        check("REQUIRETLS" in sent.arrived(to).parameters, to)
        check(agent.lines(sender)[to]["nexthop"].startswith(nexthop), f"{agent.lines(sender)[to]}")


@delivers("every copy of an alias is held to the request, and local copies stay here")
def _(lab, mta, _, __):
    with mta.configured(virtual_alias_maps="inline:{ {both@alias.test = bob@dane.test bob@local.test "
                                           "bob@dane-no-starttls.test} }"):
        sent = require(lab, mta, "both@alias.test")
        become(sent, {"bob@dane.test": SENT, "bob@local.test": "virtual sent",
                      "bob@dane-no-starttls.test": "requiretls-deliver bounced 5.7.30"})


@delivers("locally submitted mail that asks by its header goes by the agent too")
def _(lab, mta, _, __):
    sent = submit(lab, mta, "bob@dane.test", ["Require-TLS-ESMTP: yes"])
    become(sent, {"bob@dane.test": SENT})
    check("REQUIRETLS" in sent.arrived("bob@dane.test").parameters, "it does not require TLS any more")


@delivers("the same through Postfix 3.11, whose own enforcement stands aside", version="3.11", setting="snippets",
          more="[probe]\nenable = no\n")
def _(lab, mta, _, sender):
    for domain in ("dane.test", "sts.test", "signed.test"):
        sent = require(lab, mta, f"bob@{domain}")
        become(sent, {f"bob@{domain}": f"{SENT} none"})  # TLS within this host
        arrival = sent.arrived(f"bob@{domain}")
        check("REQUIRETLS" in arrival.parameters, f"{arrival}")
        whole(arrival)
    for domain, code in (("dane-no-requiretls.test", "5.7.30"), ("dane-wrong.test", "5.7.10")):
        sent = require(lab, mta, f"bob@{domain}")
        become(sent, {f"bob@{domain}": f"requiretls-deliver bounced {code} none"})
    sent = post(lab, mta, "bob@dane-wrong.test", headers=NO)
    become(sent, {"bob@dane-wrong.test": f"{SENT} none"})
    expect(agent.lines(sender)["bob@dane-wrong.test"]["request"], "optional", "the agent")

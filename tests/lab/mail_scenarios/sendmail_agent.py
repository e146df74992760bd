"""sendmail with the delivery agent, by etc/sendmail: REQUIRETLS is passed on, DANE is verified."""

import agent
import procs
import sendmail
import smrouted
from scenario import check, expect
from smrouted import ends, routed, submit


def delivers(name, more="", change=lambda text: text, **options):
    """Registers a scenario of (lab, sendmail, running filter, running agent).

    more: lines at the end of the filter's configuration; change: of the agent's.
    """
    def register(function):
        def run(lab, mta, _):
            running = lab.milter(agent.sendmail_filter(more), listens=smrouted.MILTER)
            text = change(agent.sendmail_configuration())
            for socket in ("strict", "encrypt", "may", "optional"):
                check(f"{sendmail.AGENT_SOCKETS}/{socket}.sock" in text, f"no socket {socket}")
            function(lab, mta, running, lab.milter(text, listens=sendmail.AGENT_SOCKETS / "strict.sock"))
        routed(f"agent: {name}", setting="snippets, agent", **options)(run)
        return function
    return register


@delivers("REQUIRETLS arrives at servers that are verified, by DANE too, and offer it")
def _(lab, mta, _, running):
    for domain in ("dane.test", "dane-private-ca.test", "sts.test", "signed.test"):
        to = f"bob@{domain}"
        sent = submit(lab, mta, to)
        expect(ends(sent)[to].status, "sent", to)
        arrival = sent.arrived(to)
        check(arrival.tls and {"REQUIRETLS", "RET=HDRS"} <= set(arrival.parameters), f"{arrival}")
        check(agent.lines(running)[to]["tls"].endswith("/requiretls"), f"{agent.lines(running)[to]}")
        smrouted.check_untagged(sent)


def by_the_next(text):
    """All that requires TLS goes to Postfix 3.11, as by SMART_HOST."""
    return text.replace("[deliver strict]\n", "[deliver strict]\nnexthop = [mta311.lab.test]\n")


@delivers("the next Postfix 3.11 holds the message to it, and its bounce has the header alone", change=by_the_next,
          machines={"sendmail", "3.11"})
def _(lab, mta, _, __):
    peer = lab.mtas["3.11"]
    for to in ("bob@dane.test", "nobody@dane.test"):
        sent = submit(lab, mta, to)
        expect(ends(sent)[to].status, "sent", to)
        tried = procs.wait_for(lambda: peer.log.tried(sent.token, to), "3.11 to deliver it")
        check(all("/requiretls" in line for line in tried), f"3.11 says: {tried}")
        smrouted.check_untagged(sent)
    bounce = procs.wait_for(lambda: next((a for a in lab.arrivals.of(sent.token) if not a.sender), None),
                            "the bounce of 3.11")
    check(b"A secret line" not in bounce.bytes(), "its bounce holds the body")


@delivers("servers that do not offer it are refused before the message is taken")
def _(lab, mta, _, __):
    for domain in ("dane-no-requiretls.test", "sts-no-requiretls.test"):
        expect(smrouted.outcome(submit(lab, mta, f"bob@{domain}")), "550 5.7.30", domain)


@delivers("what a server does not keep bounces, with the header alone", more="[probe]\nenable = no\n")
def _(lab, mta, _, __):
    for domain, code in (("dane-no-requiretls.test", "5.7.30"), ("dane-wrong.test", "5.7.10")):
        to = f"bob@{domain}"
        sent = submit(lab, mta, to)
        found = ends(sent)[to]
        expect((found.status, found.dsn), ("bounced", code), f"{found}")
        bounce = smrouted.bounce_of(sent, found)
        check(b"A secret line" not in bounce.bytes(), "the bounce holds the body")
        smrouted.check_untagged(sent, [bounce])


@delivers("TLS-Required: No arrives where nothing can be sure, over TLS where that is offered")
def _(lab, mta, _, __):
    for domain, tls in (("dane-wrong.test", True), ("plain.test", True), ("plain-no-starttls.test", False)):
        to = f"bob@{domain}"
        sent = submit(lab, mta, to, smrouted.NO)
        expect(ends(sent)[to].status, "sent", to)
        arrival = sent.arrived(to)
        expect((bool(arrival.tls), arrival.header("TLS-Required")), (tls, ["No"]), f"{arrival}")


@delivers("the level opportunistic: REQUIRETLS is said where it is offered, and nothing is demanded",
          more="[rule opportunistic]\nnexthop = .test\nlevel = opportunistic\n")
def _(lab, mta, _, running):
    for domain, seen in (("plain.test", (True, True)), ("plain-badcert.test", (True, True)),
                         ("plain-no-requiretls.test", (True, False)), ("plain-no-starttls.test", (False, False))):
        to = f"bob@{domain}"
        sent = submit(lab, mta, to)
        expect(ends(sent)[to].status, "sent", to)
        arrival = sent.arrived(to)
        expect((bool(arrival.tls), "REQUIRETLS" in arrival.parameters), seen, to)
        expect(agent.lines(running)[to]["level"], "opportunistic", to)
        smrouted.check_untagged(sent)
    check("REQUIRETLS" not in submit(lab, mta, "bob@plain.test", ()).arrived("bob@plain.test").parameters,
          "nobody asked")


@delivers("the level opportunistic+starttls, and mail that asks for nothing",
          more="[rule starttls]\nnexthop = plain.test\nlevel = opportunistic+starttls\n")
def _(lab, mta, _, running):
    sent = submit(lab, mta, "bob@plain.test")
    expect(ends(sent)["bob@plain.test"].status, "sent", "opportunistic+starttls")
    arrival = sent.arrived("bob@plain.test")
    check(arrival.tls and "REQUIRETLS" in arrival.parameters, f"{arrival}")
    running.forget()
    sent = submit(lab, mta, "bob@plain.test", ())
    expect(ends(sent)["bob@plain.test"].status, "sent", "mail that asks for nothing")
    expect(agent.lines(running), {}, "the agent's lines")

"""sendmail with the delivery agent, by etc/sendmail: REQUIRETLS is passed on, DANE is verified."""

import agent
import sendmail
import smrouted
import snippets
from scenario import check, expect
from smrouted import ends, routed, submit

CAN = "can = dane, sts, web_pki, requiretls"


def delivers(name, more=""):
    """Registers a scenario of (lab, sendmail, running filter, running agent)."""
    def register(function):
        def run(lab, mta, _):
            text = smrouted.configuration(more)
            changed = text.replace("\ncan = sts, web_pki\n", f"\n{CAN}\n")
            check(changed != text, "the snippet's [route strict] has another `can`")
            running = lab.milter(changed, listens=smrouted.MILTER)
            conf = snippets.etc("sendmail", "requiretls-deliver.conf").read_text()
            for socket in ("strict", "encrypt", "optional"):
                check(f"{sendmail.AGENT_SOCKETS}/{socket}.sock" in conf, f"no socket {socket}")
            text = agent.configuration(conf)
            function(lab, mta, running, lab.milter(text, listens=sendmail.AGENT_SOCKETS / "strict.sock"))
        routed(f"agent: {name}", setting="snippets, agent")(run)
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

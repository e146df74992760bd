"""Exim with the delivery agent, by the files of etc/exim: a header field becomes REQUIRETLS."""

import agent
import snippets
from exim import Exim
from scenario import check, expect, scenario

SENDER = "alice@sender.test"
ASK = ("Require-TLS-ESMTP: yes",)


def behind_exim(name, fresh=False):
    """Registers a scenario of (lab, Exim, a function that sends, the agent)."""
    def register(function):
        def run(lab):
            running = lab.milter(agent.configuration(snippets.etc("exim", "requiretls-deliver.conf").read_text()), fresh,
                                 listens=agent.KEYS / "policy.sock")
            exim = Exim()

            def send(to, headers=()):
                token = lab.token()
                exim.submit(lab.message(token, headers).removesuffix(".\n"), SENDER, to)
                return token
            try:
                function(lab, exim, send, running)
            finally:
                exim.empty_queue()
        scenario(f"exim: {name}", machines=set())(run)
        return function
    return register


@behind_exim("a header field becomes REQUIRETLS, at servers that are verified and offer it")
def _(lab, exim, send, running):
    for domain in ("dane.test", "sts.test", "signed.test"):
        to = f"bob@{domain}"
        arrival = lab.arrivals.wait(send(to, ASK), to)[0]
        check(arrival.tls and "REQUIRETLS" in arrival.parameters, f"{arrival}")
        check(agent.lines(running)[to]["tls"].endswith("/requiretls"), f"{agent.lines(running)[to]}")
        check(f"=> {to} R=requiretls_deliver T=requiretls_deliver" in exim.log(), exim.log())
    expect(exim.queued(), 0, "messages in the queue")


@behind_exim("what no server can meet bounces, with the header alone")
def _(lab, exim, send, _):
    for domain, code in (("dane-no-requiretls.test", b"5.7.30"), ("dane-wrong.test", b"5.7.10"),
                         ("plain.test", b"5.7.10")):
        token = send(f"bob@{domain}", ASK)
        bounce = lab.arrivals.wait(token, SENDER)[0]
        expect(bounce.sender, "", "the bounce's sender")
        check(code in bounce.bytes(), f"{domain}: {bounce.bytes()}")
        check(b"A secret line" not in bounce.bytes(), "the bounce holds the body")
        expect([a for a in lab.arrivals.of(token) if a.sender], [], "it arrived all the same")


@behind_exim("TLS-Required: No arrives where nothing can be sure")
def _(lab, _, send, __):
    for domain in ("dane-wrong.test", "plain-no-starttls.test", "sts-badcert.test"):
        arrival = lab.arrivals.wait(send(f"bob@{domain}", ["TLS-Required: No"]), f"bob@{domain}")[0]
        expect(arrival.header("TLS-Required"), ["No"], f"{arrival}")


@behind_exim("mail that asks for nothing does not meet the agent")
def _(lab, exim, send, running):
    lab.arrivals.wait(send("bob@plain.test"), "bob@plain.test")
    check("=> bob@plain.test R=dnslookup T=remote_smtp" in exim.log(), exim.log())
    expect(agent.lines(running), {}, "the agent's lines")


@behind_exim("while the agent is away mail waits", fresh=True)
def _(lab, exim, send, running):
    running.stop()
    token = send("bob@dane.test", ASK)
    expect(exim.queued(), 1, "messages in the queue")
    running.start()
    exim.retry()
    check("REQUIRETLS" in lab.arrivals.wait(token, "bob@dane.test")[0].parameters, "REQUIRETLS is lost")

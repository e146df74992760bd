"""What a fallback lets pass, and what it does not: DANE binds mail without a request, too."""
import suite
from suite import check, equal, scenario

RULES = """
[default]
fallback = {}
[rule meanwhile]
nexthop = meanwhile.test, meanwhile-plain.test
level = opportunistic+starttls
tls_policy = encrypt
"""


def mismatched(name, **options):
    """A domain whose TLSA records are of another certificate."""
    return suite.domain(name, tlsa="wrong", **options)


@scenario
def dane_mismatch():
    """TLSA records that do not match hold mail back whatever the fallback, as they do mail without a request."""
    for fallback in ("encrypt", "may"):
        name = f"mismatch-{fallback}.test"
        with suite.agent(more=RULES.format(fallback)) as agent, mismatched(name) as server:
            reply, = agent.send([f"bob@{name}"])
            check(reply.is_(451, "4.7.5"), reply)
            reply, = agent.send([f"bob@{name}"], socket="header")
            check(reply.is_(451, "4.7.5"), f"without a request: {reply}")
            equal(server.messages, [])


@scenario
def by_rule():
    """a rule with tls_policy = encrypt at opportunistic+starttls sends to them over TLS, and never in plaintext."""
    with suite.agent(more=RULES.format("none")) as agent, mismatched("meanwhile.test") as server, \
            mismatched("meanwhile-plain.test", starttls=False) as plain:
        reply, = agent.send(["bob@meanwhile.test"])
        check(reply.is_(250, "2.0.0"), reply)
        message, = server.messages
        check(message.tls and "REQUIRETLS" in message.mail, message.mail)
        reply, = agent.send(["bob@meanwhile-plain.test"])
        check(reply.code == 451, reply)
        equal(plain.messages, [])

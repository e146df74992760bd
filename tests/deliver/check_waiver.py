"""TLS-Required: No in a message that requires TLS: without a filter the agent sees to it."""
import receiver
import suite
from suite import check, equal, scenario

WAIVER = b"TLS-Required: No\r\n"
HEADER = b"From: a@own.test\r\n"
BODY = b"Subject: x\r\n\r\nTLS-Required: No\r\n"
SIGNATURE = b"DKIM-Signature: v=1; h=from:tls-required; b=x\r\n"
OFFER = """
[rule offer]
nexthop = deaf.test
require_offer = no
"""


@scenario
def left_out():
    """TLS-Required is left out where REQUIRETLS is not said, and only there; not where it is signed, nor of bounces."""
    with suite.agent(more=OFFER) as agent, suite.domain("hears.test") as hears, \
            suite.domain("deaf.test", tls_offers=receiver.Receiver.DEFAULT) as deaf:
        def sent(server, header, **options):
            name = "hears.test" if server is hears else "deaf.test"
            reply, = agent.send([f"bob@{name}"], header + BODY, **options)
            check(reply.is_(250, "2.0.0"), reply)
            return server.messages[-1]

        equal(sent(deaf, HEADER + WAIVER).content, HEADER + BODY)
        equal(sent(deaf, WAIVER + HEADER + WAIVER).content, HEADER + BODY)
        for server, header, options in ((hears, HEADER + WAIVER, {}),
                                        (deaf, SIGNATURE + WAIVER, {}),
                                        (deaf, HEADER + WAIVER, {"sender": ""}),
                                        (deaf, HEADER + WAIVER, {"socket": "header"}),
                                        (deaf, HEADER + WAIVER, {"socket": "optional"})):
            message = sent(server, header, **options)
            equal(message.content, header + BODY, options)
            equal("REQUIRETLS" in message.mail, server is hears)
        message = sent(deaf, HEADER + WAIVER + b"Require-TLS-ESMTP: yes\r\n", socket="header")
        equal(message.content, HEADER + b"Require-TLS-ESMTP: yes\r\n" + BODY, "REQUIRETLS beats TLS-Required")

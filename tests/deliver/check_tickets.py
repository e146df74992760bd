"""Tickets: a recipient is treated as its ticket says, without one it is not sent; none leaves."""
import hashlib
import hmac
import time
from pathlib import Path

import suite
from suite import check, equal, scenario

NAME = b"X-REQUIRETLS-Ticket"
KEY = bytes(range(32))
CONTENT = b"Subject: x\r\n\r\nX-REQUIRETLS-Ticket: of the body\r\n"


def ticket(recipient, nexthop, sender="alice@own.test", key=KEY, made=None, queue_id="4bXYZ", **terms):
    """A field; its text as milter/ticket/ticket.c has it, made here anew."""
    says = {"r": "require", "l": "enforce", "o": "yes", "f": "none", **terms}
    text = f"v=1;q={queue_id};r={says['r']};l={says['l']};o={says['o']};f={says['f']};n={nexthop};t={made or int(time.time())}"
    signed = b"".join(b"%d:%b," % (len(part), part) for part in (text.encode(), sender.encode(), recipient.encode()))
    return NAME + b": " + f"{text};m={hmac.new(key, signed, hashlib.sha256).hexdigest()}".encode() + b"\r\n"


def keyed(*keys, **options):
    """An agent with these keys."""
    path = Path(suite.PLACE) / "ticket.key"
    path.write_text("".join(f"{key.hex()}\n" for key in keys))
    path.chmod(0o640)
    return suite.agent(f"ticket_key = {path}", **options)


@scenario
def as_it_says():
    """a recipient is treated as its ticket says: request and next-hop; the log has its queue id."""
    with keyed(KEY) as agent, suite.domain("ticket.test") as server, suite.domain("relay.test") as relay:
        cases = (("b@ticket.test", ticket("b@ticket.test", "ticket.test"), server, True),
                 ("b@ticket.test", ticket("b@ticket.test", "ticket.test", r="optional", o="no"), server, False),
                 ("b@elsewhere.test", ticket("b@elsewhere.test", "relay.test"), relay, True),
                 ("B@Ticket.TEST", ticket("B@ticket.test", "ticket.test"), server, True))
        for recipient, field, host, requiretls in cases:
            reply, = agent.send([recipient], b"A: b\r\n" + field + b"C: d\r\n" + CONTENT, socket="tickets")
            check(reply.is_(250, "2.0.0"), (reply, field, agent.log()[-500:]))
            equal(host.messages[-1].content, b"A: b\r\nC: d\r\n" + CONTENT, field)
            equal("REQUIRETLS" in host.messages[-1].mail, requiretls, field)
        equal(len(agent.logged(r" 4bXYZ: to=<")), len(cases))


@scenario
def several():
    """each of several recipients has its own ticket, and none of them leaves."""
    with keyed(KEY) as agent, suite.domain("each.test") as server:
        names = [f"{n}@each.test" for n in range(20)]
        fields = b"".join(ticket(name, "each.test") for name in names[1:])
        replies = agent.send(names, fields + CONTENT, socket="tickets")
        check(replies[0].is_(451, "4.3.5"), replies[0])
        check(all(reply.is_(250, "2.0.0") for reply in replies[1:]), replies)
        equal([len(message.rcpts) for message in server.messages], [19])
        equal(server.messages[0].content, CONTENT)


@scenario
def none_valid():
    """without a valid ticket a recipient is 451 4.3.5 with a warning, and nothing is sent."""
    good = ticket("b@invalid.test", "invalid.test")
    cases = {
        "none": b"",
        "another recipient's": ticket("c@invalid.test", "invalid.test"),
        "another sender's": ticket("b@invalid.test", "invalid.test", sender="eve@own.test"),
        "another key's": ticket("b@invalid.test", "invalid.test", key=bytes(32)),
        "changed": good.replace(b"r=require", b"r=none"),
        "cut": good[:-8] + b"\r\n",
        "expired": ticket("b@invalid.test", "invalid.test", made=int(time.time()) - 40 * 86400),
        "of tomorrow": ticket("b@invalid.test", "invalid.test", made=int(time.time()) + 86400),
        "in the body": b"Subject: x\r\n\r\n" + good,
    }
    with keyed(KEY) as agent, suite.domain("invalid.test") as server:
        for name, field in cases.items():
            reply, = agent.send(["b@invalid.test"], field + CONTENT, socket="tickets")
            check(reply.is_(451, "4.3.5"), f"{name}: {reply}")
        equal(server.commands, [])
        equal(len(agent.logged(r"warning: deliver tickets: to=<b@invalid.test>: no valid")), len(cases))
        reply, = agent.send(["b@invalid.test"], good + CONTENT, socket="tickets")
        check(reply.is_(250, "2.0.0"), reply)


@scenario
def keys():
    """every key of the file verifies; after a reload those that it has then."""
    old, new = bytes(32 * [1]), bytes(32 * [2])
    with keyed(new, old) as agent, suite.domain("keys.test"):
        for key, wanted in ((old, 250), (new, 250), (KEY, 451)):
            reply, = agent.send(["b@keys.test"], ticket("b@keys.test", "keys.test", key=key) + CONTENT,
                                socket="tickets")
            equal(reply.code, wanted)
        (Path(suite.PLACE) / "ticket.key").write_text(f"{new.hex()}\n")
        agent.reload(agent.configuration())
        for key, wanted in ((old, 451), (new, 250)):
            reply, = agent.send(["b@keys.test"], ticket("b@keys.test", "keys.test", key=key) + CONTENT,
                                socket="tickets")
            equal(reply.code, wanted)


@scenario
def not_wanted():
    """on a socket without tickets = yes a ticket counts for nothing, and does not leave either."""
    with keyed(KEY) as agent, suite.domain("unwanted.test") as server:
        field = ticket("b@unwanted.test", "elsewhere.test", r="none")
        reply, = agent.send(["b@unwanted.test"], field + CONTENT)
        check(reply.is_(250, "2.0.0"), reply)
        check("REQUIRETLS" in server.messages[-1].mail)
        equal(server.messages[-1].content, CONTENT)

"""Several recipients, and what a message needs of a server."""
import time

import agent_suite
from agent_suite import Host, check, domain_of, hosts, scenario
from servers import good

THREE = ("a@rcpt.test", "b@rcpt.test", "c@rcpt.test")


def send(*all_hosts, rcpts=THREE, **options):
    results, _ = agent_suite.AGENT.results(agent_suite.AGENT.deliver(domain_of(*all_hosts), rcpts=rcpts,
                                                                     **options))
    return results


def replies(table, at_most=None, dot=lambda: None):
    """A server that answers RCPT by the local part, else 250; and takes at most so many recipients in a
    transaction."""

    def script(peer):
        taken = [0]

        def rcpt(p):
            local = p.server.commands[-1].split("<")[1].split("@")[0]
            if local in table:
                p.say(table[local])
                raise Skip
            if at_most is not None and taken[0] == at_most:
                p.say("452 4.5.3 too many recipients")
                raise Skip
            taken[0] += 1

        run(peer, rcpt, taken, dot)

    return script


class Skip(Exception):
    """The reply was said already."""


def run(peer, rcpt, taken, dot):
    peer.say("220 mx.test ESMTP")
    peer.line("EHLO")
    peer.say("250-mx.test", "250-PIPELINING", "250 STARTTLS")
    peer.line("STARTTLS")
    peer.say("220 go ahead")
    peer.tls()
    peer.line("EHLO")
    peer.say("250-mx.test", "250-PIPELINING", "250 REQUIRETLS")
    while True:
        command = peer.line().upper()
        if command.startswith("RCPT"):
            try:
                rcpt(peer)
            except Skip:
                continue
            peer.say("250 2.1.5 ok")
        elif command.startswith("DATA"):
            if taken[0] == 0:
                peer.say("503 5.5.1 no recipients")
                continue
            peer.say("354 go ahead")
            peer.server.received = (getattr(peer.server, "received", None) or 0) + peer.content()
            dot()
            peer.say("250 2.0.0 taken")
            taken[0] = 0
        elif command.startswith("QUIT"):
            peer.say("221 bye")
            return
        else:
            taken[0] = 0
            peer.say("250 2.0.0 ok")


@scenario
def each_its_own():
    """each recipient is told what the server said of it"""
    with hosts(Host(replies({"b": "550 5.1.1 no such user", "c": "450 4.2.1 mailbox busy"}))) as (host,):
        a, b, c = send(host)
        check(a.status == "sent", a)
        check((b.status, b.enhanced) == ("bounced", "5.1.1") and "no such user" in b.text, b)
        check((c.status, c.enhanced) == ("deferred", "4.2.1") and "mailbox busy" in c.text, c)
        check(host.received == 1000, host.received)


@scenario
def the_others_go_on():
    """who was answered by one host is not given to the next"""
    with hosts(Host(replies({"b": "550 5.1.1 no such user", "c": "450 4.2.1 mailbox busy"}), preference=5),
               Host(replies({}), preference=10)) as (first, second):
        a, b, c = send(first, second)
        check((a.status, a.host, b.status, c.status, c.host) ==
              ("sent", first.name, "bounced", "sent", second.name), f"{a}\n{b}\n{c}")
        given = [line for line in second.commands if line.upper().startswith("RCPT")]
        check(len(given) == 1 and "<c@" in given[0], given)


@scenario
def too_many():
    """452 to a later recipient begins another transaction on the same connection"""
    rcpts = [f"r{i}@rcpt.test" for i in range(25)]
    with hosts(Host(replies({}, at_most=10))) as (host,):
        results = send(host, rcpts=rcpts)
        check(all(r.status == "sent" for r in results), [str(r) for r in results])
        check(host.connections == 1 and host.received == 3000, f"{host.connections}, {host.received}")
    with hosts(Host(replies({}, at_most=0))) as (host,):
        results = send(host)
        check(all((r.status, r.enhanced) == ("deferred", "4.5.3") for r in results), [str(r) for r in results])
        check(host.received is None, "a message without recipients")


@scenario
def too_many_for_the_time():
    """data_timeout holds for all the transactions of a message together"""
    rcpts = [f"r{i}@rcpt.test" for i in range(20)]
    with agent_suite.agent(data_timeout="3s") as agent, \
            hosts(Host(replies({}, at_most=1, dot=lambda: time.sleep(0.5)))) as (host,):
        results, seconds = agent.results(agent.deliver(domain_of(host), rcpts=rcpts))
        sent = sum(r.status == "sent" for r in results)
        check(2 <= sent <= 8 and all(r.status != "bounced" for r in results), [str(r) for r in results])
        check(2.9 < seconds < 3 + agent_suite.SLACK, f"{seconds} s")


@scenario
def lacks():
    """what a message needs and a server lacks: the next host, at the end a definite no"""
    size = good(offers=("PIPELINING", "8BITMIME", "SIZE 500"))
    cases = {
        "5.6.7": (good(), {"options": ("utf8",)}),
        "5.6.3": (good(offers=("PIPELINING",)), {"options": ("8bit",)}),
        "5.3.4": (size, {}),
    }
    for enhanced, (script, options) in cases.items():
        able = good(offers=("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 5000"))
        with hosts(Host(script, preference=5), Host(able, preference=10)) as (lacking, other):
            (result,) = send(lacking, rcpts=THREE[:1], **options)
            check((result.status, result.enhanced) == ("bounced", enhanced), result)
            (result,) = send(lacking, other, rcpts=THREE[:1], **options)
            check(result.status == "sent" and result.host == other.name, result)
            check(not lacking.said("MAIL"), lacking.commands)


@scenario
def large():
    """a large message, of which memory holds little, arrives whole"""
    with hosts(Host(good())) as (host,):
        (result,) = send(host, rcpts=THREE[:1], octets=20000000)
        check(result.status == "sent" and host.received == 20000000, f"{result}: {host.received}")


def auth_server(certificate, reply="235 2.7.0 ok", offer=True):
    def script(peer):
        peer.say("220 mx.test ESMTP")
        peer.line("EHLO")
        peer.say("250-mx.test", "250-PIPELINING", "250-AUTH PLAIN", "250 STARTTLS")
        peer.line("STARTTLS")
        peer.say("220 go ahead")
        peer.tls(certificate=certificate)
        peer.line("EHLO")
        peer.say("250-mx.test", "250-PIPELINING", *(["250-AUTH PLAIN LOGIN"] if offer else []),
                 "250 REQUIRETLS")
        while True:
            command = peer.line().upper()
            if command.startswith("AUTH"):
                peer.say(reply)
            elif command.startswith("DATA"):
                peer.say("354 go ahead")
                peer.server.received = peer.content()
                peer.say("250 2.0.0 taken")
            elif command.startswith("QUIT"):
                return peer.say("221 bye")
            else:
                peer.say("250 2.0.0 ok")
    return script


@scenario
def credentials():
    """credentials are said to a verified server alone, where they are needed also for mail that asks nothing"""
    plain = "AUTH PLAIN"
    path = agent_suite.PLACE / "credentials"
    c = agent_suite.CERTIFICATES

    path.write_text("relay.test user:secret\n")
    path.chmod(0o600)
    cases = [(auth_server(c.good), "sent", True), (auth_server(c.other), "deferred", False),
             (auth_server(c.good, "535 5.7.8 no"), "deferred", True),
             (auth_server(c.good, offer=False), "deferred", False)]
    with agent_suite.agent(credentials=path) as agent:
        for request in ("none", "require"):
            for script, status, is_said in cases:
                with hosts(Host(script, name="mx.test", tlsa=False)) as (host,):
                    agent.findings("relay.test", "mx=secure", host.word())
                    result = agent.send("relay.test", request=request)
                    wanted = status if request == "none" or result.status != "bounced" else "bounced"
                    check(result.status == wanted, f"{request}: {result}")
                    check(any(line.upper().startswith(plain) for line in host.commands) == is_said,
                          f"{request}: {host.commands}")
                    check(host.said("MAIL") == (status == "sent"), f"{request}: {host.commands}")


@scenario
def credentials_unsigned():
    """where unsigned MX records lead to a server it gets no password, unless it has the next-hop's own name"""
    path = agent_suite.PLACE / "credentials.unsigned"
    c = agent_suite.CERTIFICATES
    path.write_text("relay.test user:secret\nmx.test user:secret\n[mx.test] user:secret\n")
    path.chmod(0o600)
    cases = [("relay.test", "mx=insecure", False), ("relay.test", "mx=insecure", True),
             ("mx.test", "mx=insecure", False), ("[mx.test]", "mx=not-asked", False)]
    with agent_suite.agent(credentials=path) as agent:
        for nexthop, mx, tlsa in cases:
            with hosts(Host(auth_server(c.good), name="mx.test", tlsa=tlsa)) as (host,):
                agent.findings(nexthop, mx, host.word())
                result = agent.send(nexthop, request="none")
                trusted = nexthop != "relay.test"
                check((result.status == "sent") == trusted, f"{nexthop}: {result}")
                check(any(line.upper().startswith("AUTH") for line in host.commands) == trusted,
                      f"{nexthop}: {host.commands}")


@scenario
def credentials_policy():
    """a tls_policy that takes the name of whatever host unsigned MX records lead to gets no password said"""
    path = agent_suite.PLACE / "credentials.policy"
    c = agent_suite.CERTIFICATES
    path.write_text("relay.test user:secret\n")
    path.chmod(0o600)
    cases = [("verify", "mx=insecure", False), ("secure,match=nexthop:hostname", "mx=insecure", False),
             ("secure,match=mx.test", "mx=insecure", True), ("verify", "mx=secure", True)]
    with agent_suite.agent(credentials=path) as agent:
        for policy, mx, trusted in cases:
            with hosts(Host(auth_server(c.good), name="mx.test", tlsa=False)) as (host,):
                agent.findings("relay.test", mx, host.word())
                result = agent.send("relay.test", policy=policy)
                check((result.status == "sent") == trusted, f"{policy}, {mx}: {result}")
                check(any(line.upper().startswith("AUTH") for line in host.commands) == trusted,
                      f"{policy}, {mx}: {host.commands}")

"""Connections that are kept, and limits."""
import os
import resource
import threading
import time

import agent_suite
import servers
from agent_suite import SLACK, Host, check, domain_of, hosts, scenario, wait_for
from servers import good


def send(name, agent=None, **options):
    result = (agent or agent_suite.AGENT).send(name, **options)
    check(result.status == "sent", result)
    return result


@scenario
def used_again():
    """a verified connection is used for the next message with the same address and demand"""
    with hosts(Host(good())) as (host,):
        one, two = domain_of(host), domain_of(host)
        for name in (one, one, one):
            send(name)
        check(host.connections == 1, f"{host.connections} connections")
        check(host.verbs.count("MAIL") == 3 and host.verbs.count("STARTTLS") == 1, host.verbs)
        # DANE-TA has the next-hop among its names, so another domain is another demand.
        send(two)
        check(host.connections == 2, f"{host.connections} connections")


@scenario
def other_demands():
    """a connection is never used for a message that demands something else"""
    with hosts(Host(good(), name="mx.test", tlsa=False)) as (host,):
        name = "demands.test"
        agent = agent_suite.AGENT
        agent.findings(name, "mx=insecure", host.word())
        send(name, request="none")  # nothing is verified
        check(host.connections == 1, "one")
        agent.findings(name, "mx=secure", host.word())
        send(name)  # the Web PKI
        check(host.connections == 2, f"the unverified connection was used: {host.commands}")
        send(name, offer=0)  # REQUIRETLS is not demanded
        check(host.connections == 3, host.connections)
        send(name)
        check(host.connections == 3, host.connections)
        send(name, policy="secure,match=mx.test")
        check(host.connections == 4, host.connections)


@scenario
def failed_is_not_used():
    """a connection that failed a demand is not used by anybody"""
    with hosts(Host(good(certificate=agent_suite.CERTIFICATES.other), name="mx.test", tlsa=False)) as (host,):
        name = "failed.test"
        agent_suite.AGENT.findings(name, "mx=secure", host.word())
        for _ in range(2):
            check(agent_suite.AGENT.send(name).status == "bounced", "sent")
        check(host.connections == 2 and not host.said("MAIL"), host.commands)


@scenario
def plaintext_is_not_kept():
    """a connection without TLS is not kept"""
    with hosts(Host(good(starttls=False), tlsa=False)) as (host,):
        name = domain_of(host, words=("mx=insecure",))
        send(name, request="none")
        send(name, request="none")
        check(host.connections == 2, host.connections)


def closes_after(count, say=()):
    """A server that closes the connection after so many messages, at once and without being asked."""

    def script(peer):
        peer.messages = 0
        inner = good("MAIL", lambda p: None)

        def dot_done(p):
            p.messages += 1
            if p.messages == count:
                p.say("250 2.0.0 taken")
                if say:
                    p.say(*say)
                servers.close(p)

        inner = good("dot", dot_done)
        inner(peer)

    return script


@scenario
def closed_meanwhile():
    """a kept connection that the server has closed, with 421 or without, is replaced by a new one"""
    for say in ((), ("421 4.4.2 idle for too long",)):
        with hosts(Host(closes_after(1, say))) as (host,):
            name = domain_of(host)
            for _ in range(3):
                send(name)
            check(host.connections == 3 and host.verbs.count("DATA") == 3, host.commands)


@scenario
def closed_at_mail():
    """a kept connection that the server closes when it hears MAIL is replaced, and the message sent once"""
    def script(peer):
        seen = []

        def mail(p):
            seen.append(True)
            if len(seen) == 2:
                servers.close(p)

        good("MAIL", mail)(peer)

    with hosts(Host(script)) as (host,):
        name = domain_of(host)
        for _ in range(2):
            send(name)
        check(host.connections == 2 and host.verbs.count("DATA") == 2, host.commands)


@scenario
def idle():
    """a connection is kept for `idle`, then ended by QUIT; for `reuse` messages at most"""
    with agent_suite.agent(idle="1s", reuse=2) as agent, hosts(Host(good())) as (host,):
        name = domain_of(host)
        for _ in range(3):
            send(name, agent)
        check(host.connections == 2, f"reuse: {host.connections}")
        wait_for(lambda: host.verbs.count("QUIT") == 2, "QUIT")
        send(name, agent)
        check(host.connections == 3, f"idle: {host.connections}")


@scenario
def after_reload():
    """a reload ends the kept connections: the CA certificates may be others"""
    with hosts(Host(good(), name="mx.test", tlsa=False)) as (host,):
        with agent_suite.agent() as agent:
            name = domain_of(host)
            send(name, agent)
            kept = agent.status()["fds"]
            other = agent_suite.CERTIFICATES.self_signed
            check(agent.ask(f"reload {agent.configure(ca_file=other)}")[1] == "done", "reload")
            check(agent.status()["fds"] == kept - 1, "it is kept")
            check(agent.send(name).status == "bounced", "the old CA certificate counts")
            check(agent.ask(f"reload {agent.configure(ca_file='/none.pem')}")[1] == "failed", "reload")
            check(agent.send(name).status == "bounced", "after a reload that failed")


@scenario
def per_host():
    """at most per_host connections go to one address; 200 messages at once wait for them, and all are sent"""
    counts = Together()
    with agent_suite.agent(max_sessions=1600, command_timeout="60s", setup_timeout="60s") as agent, \
            hosts(Host(good("dot", counts.at_dot)), Host(good("MAIL", servers.hang)),
                  Host(good())) as (host, hole, other):
        name = domain_of(host)
        stuck = [agent.deliver(domain_of(hole)) for _ in range(60)]
        wait_for(lambda: hole.verbs.count("MAIL") == 20, "a server that is silent")
        jobs = [agent.deliver(name) for _ in range(200)]
        check(agent.send(domain_of(other)).status == "sent", "another next-hop")
        results = [agent.result(job) for job in jobs]
        check(all(r.status == "sent" for r in results), {str(r) for r in results if r.status != "sent"})
        check(agent.seconds < 10, f"{agent.seconds} s")
        check(2 <= counts.most <= 20 and host.connections <= 20, f"{counts.most}, {host.connections}")
        check(hole.connections == 20, hole.connections)
        check(not any(agent.is_done(job) for job in stuck[:20]), "some have ended")
        agent.write("cancel all")


class Together:
    """How many connections wait for the reply to the final dot at the same time."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def at_dot(self, _):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self.lock:
            self.now -= 1


@scenario
def waits_in_line():
    """who waits for a connection is served in the order of coming, also where none is used twice or fits"""
    with agent_suite.agent(per_host=1, command_timeout="30s") as agent, \
            hosts(Host(good("dot", lambda p: time.sleep(0.2)))) as (host,):
        for reuse in (True, False):
            words = ("mx=secure", "cached")  # so they come in this order
            names = [domain_of(host, words=words) for _ in range(2 if reuse else 1)]
            jobs, took = [agent.deliver(names[i % len(names)]) for i in range(8)], []
            for job in jobs:
                check(agent.result(job).status == "sent", "not sent")
                took.append(agent.seconds)
            check(took == sorted(took), took)
            check(took[-1] > 1.4, f"{took}: more than one at once")
            agent.ask(f"reload {agent.configure(per_host=1, reuse=1)}")


@scenario
def waits_for_two_names():
    """two hosts of a domain that have one address: a delivery waits for it, and is sent once"""
    with agent_suite.agent(per_host=1, command_timeout="30s", reuse=2) as agent, \
            hosts(Host(good("dot", lambda p: time.sleep(0.2))), Host(None, up=False)) as (host, same):
        same.address = host.address
        name = domain_of(host, same)
        jobs = [agent.deliver(name) for _ in range(8)]
        check(all(agent.result(job).status == "sent" for job in jobs), "not sent")
        check(host.verbs.count("DATA") == 8, host.commands)


def processor_time(agent):
    with open(f"/proc/{agent.process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@scenario
def waits_ten_seconds():
    """who finds no connection to a server that hangs is 451 4.3.2 after ten seconds, or at setup_timeout"""
    with agent_suite.agent(per_host=1, data_timeout="40s", setup_timeout="30s") as agent, \
            hosts(Host(good("dot", servers.hang)), Host(good())) as (host, free):
        name = domain_of(host)
        agent.deliver(name)
        wait_for(lambda: host.said("DATA"), "the first")
        both = agent.deliver(domain_of(host, free))
        late = agent.deliver(name)
        check(agent.result(both).host == free.name, "a host that is free was not preferred")
        check(agent.seconds < 3, f"{agent.seconds} s")
        gone = agent.deliver(name)
        agent.write(f"cancel {gone}")
        before = processor_time(agent)
        result = agent.result(late)
        check(processor_time(agent) - before < 1, f"{processor_time(agent) - before} s of processor time")
        check(result.status == "deferred" and result.enhanced == "4.3.2", result)
        check(10 <= agent.seconds < 10 + SLACK, f"{agent.seconds} s")
        path = agent.configure(per_host=1, data_timeout="40s", setup_timeout="2s")
        check(agent.ask(f"reload {path}")[1] == "done", "reload")
        result = agent.send(name)
        check(result.status == "deferred" and result.enhanced == "4.3.2", result)
        check(2 <= agent.seconds < 8, f"{agent.seconds} s")
        check(host.connections == 1, host.connections)
        agent.write("cancel all")


@scenario
def waits_and_is_cancelled():
    """a delivery that is cancelled while it waits for a connection leaves the line to the next"""
    with agent_suite.agent(per_host=1, command_timeout="30s", setup_timeout="30s") as agent, \
            hosts(Host(good("dot", lambda p: time.sleep(1)))) as (host,):
        name = domain_of(host)
        first, second, third, last = (agent.deliver(name) for _ in range(4))
        wait_for(lambda: host.said("DATA"), "the first")
        agent.write(f"cancel {second}")
        check(agent.result(first).status == "sent", "the first")
        agent.write(f"cancel {third}")  # whether it waits or sends by now
        check(agent.result(last).status == "sent", "the last")
        check(agent.seconds < 6, f"{agent.seconds} s")


@scenario
def makes_room():
    """a connection that is kept for another demand makes room for one that is needed"""
    with agent_suite.agent(per_host=1) as agent, hosts(Host(good())) as (host,):
        one, two = domain_of(host), domain_of(host)
        for name in (one, two, one):
            send(name, agent)
        check(host.connections == 3, host.connections)


@scenario
def no_descriptors():
    """without descriptors a message is deferred, 4.3.0, whatever it demands, and goes when there are some"""
    with agent_suite.agent() as agent, hosts(Host(good())) as (host,):
        name = domain_of(host)
        limit = (agent.status()["fds"] - 3, 20000)  # that of the directory, `.` and `..` are among them
        resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, limit)
        for request in ("require", "none"):
            result = agent.send(name, request=request)
            check((result.status, result.enhanced) == ("deferred", "4.3.0"), result)
        check(host.connections == 0, host.connections)
        resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (20000, 20000))
        send(name, agent)


@scenario
def share():
    """a next-hop gets a quarter of max_sessions; what is over waits, and is told when it is slow; others are served"""
    with agent_suite.agent(max_sessions=8) as agent:
        with hosts(Host(good("EHLO", lambda p: time.sleep(20))), Host(good())) as (slow, quick):
            name, other = domain_of(slow), domain_of(quick)
            jobs = [agent.deliver(name) for _ in range(5)]
            check(agent.send(other).status == "sent", "the other")
            check(agent.seconds < 3, f"{agent.seconds} s")
            for job in jobs[2:]:
                result = agent.result(job)
                check(result.status == "deferred" and result.enhanced == "4.3.2", result)
                check(2 < agent.seconds < 3 + SLACK, f"{agent.seconds} s")
            result = agent.send(name)
            check(result.enhanced == "4.3.2" and agent.seconds < 2, f"{result}, {agent.seconds} s: at once by now")
            check(slow.connections == 2, slow.connections)
            agent.write("cancel all")


@scenario
def share_of_quick():
    """deliveries beyond the share of a quick next-hop wait for it, and are all sent; one may be cancelled there"""
    with agent_suite.agent(max_sessions=8) as agent, hosts(Host(good("dot", lambda p: time.sleep(0.2)))) as (host,):
        name = domain_of(host)
        jobs = [agent.deliver(name) for _ in range(12)]
        agent.write(f"cancel {jobs.pop(4)}")
        check(all(agent.result(job).status == "sent" for job in jobs), "not sent")
        check(host.verbs.count("DATA") == 11 and host.connections <= 2, host.commands)


@scenario
def no_leak():
    """after all of this no descriptor is left"""
    with agent_suite.agent(reuse=1) as agent:
        before = agent.status()["fds"]
        with hosts(Host(good()), Host(good("MAIL", servers.close)), Host(good(tls_offers=()))) as all_hosts:
            for host in all_hosts:
                for _ in range(3):
                    agent.send(domain_of(host))
        wait_for(lambda: agent.status()["fds"] == before, "descriptors to be closed")

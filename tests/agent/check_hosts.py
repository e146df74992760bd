"""Which host is tried next, and when none is: whatever a server does in each state of the session."""
import time

import agent_suite
import servers
from agent_suite import SLACK, Host, check, domain_of, hosts, nothing_said, scenario, wait_for
from servers import SEND_STATES, good

# Before the content another host may have the message; once it was begun none may.
EARLY = SEND_STATES[:-1]


def pair(script):
    return Host(script, preference=5), Host(good(), preference=10)


def send_all(cases):
    """cases: name: script of a first host. Side by side; gives name, first host, second, result."""
    jobs, every = {}, []
    try:
        for name, script in cases.items():
            both = pair(script)
            every += both
            jobs[name] = (agent_suite.AGENT.deliver(domain_of(*both)), both)
        for name, (job, (first, second)) in jobs.items():
            yield name, first, second, agent_suite.AGENT.result(job)
    finally:
        for host in every:
            host.close()


@scenario
def dies_early():
    """a server that dies in any state before the content: the next host gets the message"""
    acts = {"close": servers.close, "reset": servers.reset, "hang": servers.hang,
            "421": servers.say_and_close("421 4.3.2 going down"), "noise": servers.say_and_close("what?"),
            "flood": servers.flood(b"250-x\r\n")}
    cases = {f"{act} at {state}": good(state, acts[act]) for act in acts for state in EARLY}
    for name, first, second, result in send_all(cases):
        check(result.status == "sent" and result.host == second.name, f"{name}: {result}")
        check(second.received == 1000, f"{name}: {second.received}")
        check(first.received is None, f"{name}: the first has received {first.received}")


@scenario
def dies_late():
    """a server that dies with the content or after the final dot: no other host gets the message"""
    acts = {"close": servers.close, "reset": servers.reset, "hang": servers.hang,
            "421": servers.say_and_close("421 4.3.2 going down")}
    cases = {f"{act} at {state}": good(state, acts[act]) for act in acts for state in ("content", "dot")}
    for name, first, second, result in send_all(cases):
        check(result.status == "deferred", f"{name}: {result}")
        check(second.connections == 0, f"{name}: the second was connected to")


@scenario
def refuses():
    """4yz before the content: the next host; 5yz to MAIL, RCPT, DATA, any to the dot: an answer"""
    replies = {"4yz": ("451 4.3.0 not now", "4.3.0"), "5yz": ("554 5.3.0 never", "5.3.0")}
    cases = {(state, kind): good(state, servers.say(text)) for state in SEND_STATES if state != "handshake"
             for kind, (text, _) in replies.items()}
    for (state, kind), first, second, result in send_all(cases):
        answer = state == "dot" or (kind == "5yz" and state in ("MAIL", "RCPT", "DATA"))
        what = f"{kind} to {state}: {result}"
        if not answer:
            check(result.status == "sent" and result.host == second.name, what)
            continue
        check(second.connections == 0, f"{what}: the second was connected to")
        check(result.status == ("deferred" if kind == "4yz" else "bounced"), what)
        check(result.enhanced == replies[kind][1] and " said: " in result.text, what)
        check(result.host == first.name, what)


@scenario
def last_word():
    """when no host is left the MTA is told what the last server that was asked has said"""
    with hosts(Host(good("RCPT", servers.say("450 4.2.0 greylisted")), preference=5),
               Host(good(), preference=10, up=False)) as (first, down):
        result = agent_suite.AGENT.send(domain_of(first, down))
        check(result.status == "deferred" and result.enhanced == "4.2.0", result)
        check("greylisted" in result.text and result.host == first.name, result)


@scenario
def none_reached():
    """no server of a next-hop can be reached: 4.4.1"""
    with hosts(Host(None, up=False), Host(None, up=False)) as (first, second):
        result = agent_suite.AGENT.send(domain_of(first, second))
        check((result.status, result.enhanced) == ("deferred", "4.4.1"), result)


@scenario
def two_addresses():
    """a host's other address is tried where one is not reached, of either family"""
    for ipv6 in (False, True):
        with hosts(Host(good(), ipv6=ipv6)) as (host,):
            down = f"127.2.0.{host.number % 250 + 1}"
            name = f"two{host.number}.test"
            agent_suite.AGENT.findings(name, "mx=secure", host.word(down))
            for _ in range(3):
                result = agent_suite.AGENT.send(name)
                check(result.status == "sent" and host.address in result.relay, result)


@scenario
def both_families():
    """both address families are used, in turn"""
    with agent_suite.agent(reuse=1) as agent, \
            hosts(Host(good(), name="mx.test"), Host(good(), ipv6=True)) as (four, six):
        name = "families.test"
        agent.findings(name, "mx=secure", "cached", four.word(six.address))
        for _ in range(20):
            check(agent.send(name).status == "sent", "not sent")
        check(four.connections >= 3 and six.connections >= 3, f"{four.connections}, {six.connections}")


@scenario
def black_hole():
    """a black hole is waited for once in a minute while another host is left, and holds up no other"""
    with hosts(Host(None, up=False, preference=5), Host(good(), preference=10), Host(good())) as \
            (hole, second, quick):
        hole.address = "10.25.0.99"
        name = domain_of(hole, second)
        slow = agent_suite.AGENT.deliver(name)
        begun = time.monotonic()
        check(agent_suite.AGENT.send(domain_of(quick)).status == "sent", "the quick one")
        check(time.monotonic() - begun < 1.5 or agent_suite.AGENT.is_done(slow), "held up")
        check(agent_suite.AGENT.result(slow).host == second.name, "the second")
        check(agent_suite.AGENT.seconds > 1.5, "the first was not waited for")
        check(agent_suite.AGENT.send(name).status == "sent", "the second message")
        check(agent_suite.AGENT.seconds < 1.5, f"{agent_suite.AGENT.seconds} s: it was tried again")


@scenario
def many_slow():
    """500 deliveries to servers that say nothing hold up no other, and take 100 kB each at most"""
    with agent_suite.agent(command_timeout="60s", setup_timeout="60s") as agent:
        slow = [Host(good("EHLO over TLS", servers.hang)) for _ in range(25)]
        with hosts(Host(good()), *slow) as (quick, *_):
            name = domain_of(quick)
            check(agent.send(name).status == "sent", "the quick one, before")
            before = memory(agent)
            jobs = [agent.deliver(domain_of(slow[i % 25])) for i in range(500)]
            wait_for(lambda: sum(h.verbs.count("EHLO") for h in slow) == 1000, "500 stuck deliveries", 60)
            took = memory(agent) - before
            check(agent.send(domain_of(quick)).status == "sent", "the quick one")
            check(agent.seconds < 3, f"{agent.seconds} s")
            sanitized = b"__asan_init" in agent_suite.PROGRAM.read_bytes() or \
                b"__tsan_init" in agent_suite.PROGRAM.read_bytes()
            check(took < 500 * 100 or sanitized, f"{took} kB")
            check(not any(agent.is_done(job) for job in jobs), "some have ended")
            agent.write("cancel all")
            wait_for(lambda: agent.status()["deliveries"] == 0, "the end of all")


def memory(agent):
    """Resident, in kB."""
    with open(f"/proc/{agent.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@scenario
def source():
    """connections begin at the address of `source`, of each family its own"""
    seen = []

    def greet(peer):
        seen.append(peer.connection.getpeername()[0])

    with agent_suite.agent(source="127.9.9.9, fd00:25::9:9", reuse=1) as agent, \
            hosts(Host(good("greeting", greet)), Host(good("greeting", greet), ipv6=True)) as all_hosts:
        for host in all_hosts:
            check(agent.send(domain_of(host)).status == "sent", host.address)
        check(seen == ["127.9.9.9", "fd00:25::9:9"], seen)
    with agent_suite.agent(source="192.0.2.99") as agent, hosts(Host(good())) as (host,):
        result = agent.send(domain_of(host))
        check((result.status, result.enhanced) == ("deferred", "4.3.0"), result)


@scenario
def setup_timeout():
    """everything before the content ends within setup_timeout, for all hosts together"""
    with agent_suite.agent(setup_timeout="4s", command_timeout="3s") as agent:
        with hosts(*[Host(good("EHLO", servers.hang), preference=i) for i in range(5)]) as all_hosts:
            result = agent.send(domain_of(*all_hosts))
            check((result.status, result.enhanced) == ("deferred", "4.4.2"), result)
            check(3.9 < agent.seconds < 4 + SLACK, f"{agent.seconds} s")
            check(all_hosts[4].connections == 0, "the last was tried")
        agent.findings("never.test", "never")
        result = agent.send("never.test")
        check((result.status, result.enhanced) == ("deferred", "4.4.3"), result)
        check(3.9 < agent.seconds < 4 + SLACK, f"{agent.seconds} s")


@scenario
def data_timeout():
    """the content and the reply to it end within data_timeout, however slowly they come"""
    def slowly(peer):
        while True:
            peer.connection.recv(1)
            time.sleep(0.02)

    with agent_suite.agent(data_timeout="3s") as agent, \
            hosts(Host(good("content", slowly)), Host(good("dot", servers.drip))) as (first, second):
        for host in (first, second):
            result = agent.send(domain_of(host), octets=30000000 if host is first else 1000)
            check((result.status, result.enhanced) == ("deferred", "4.4.2"), result)
            check(2.9 < agent.seconds < 3 + SLACK, f"{agent.seconds} s")


@scenario
def max_addresses():
    """at most max_addresses are tried that do not answer"""
    with agent_suite.agent(max_addresses=3) as agent, \
            hosts(*[Host(good("greeting", servers.close), preference=i) for i in range(6)]) as all_hosts:
        check(agent.send(domain_of(*all_hosts)).status == "deferred", "sent")
        check(sum(host.connections for host in all_hosts) == 3, [host.connections for host in all_hosts])


@scenario
def all_say_no():
    """that no host offers REQUIRETLS is permanent once each has said so, and only then"""
    with agent_suite.agent(max_addresses=2) as agent:
        with hosts(*[Host(good(tls_offers=()), preference=i) for i in range(4)]) as all_hosts:
            result = agent.send(domain_of(*all_hosts))
            check((result.status, result.enhanced) == ("bounced", "5.7.30"), result)
            check(all(host.connections == 1 for host in all_hosts), "each was asked once")
        # One address of a family is enough for that, and the other family has a word of its own.
        with hosts(*[Host(good(tls_offers=()), ipv6=i == 2) for i in range(3)]) as (one, two, six):
            agent.findings("many.test", "mx=secure", one.word(two.address, six.address))
            result = agent.send("many.test")
            check((result.status, result.enhanced) == ("bounced", "5.7.30"), result)
            check(one.connections + two.connections == 1 and six.connections == 1,
                  [host.connections for host in (one, two, six)])
        with hosts(Host(good(tls_offers=())), Host(None, up=False)) as both:
            result = agent.send(domain_of(*both))
            check((result.status, result.enhanced) == ("deferred", "4.7.30"), result)


@scenario
def no_findings():
    """null MX, no such domain, a failed lookup, an engine that cannot be asked"""
    cases = {"null": ("bounced", "5.1.10"), "nxdomain": ("bounced", "5.1.2"), "failed": ("deferred", "4.4.3")}
    for mx, (status, enhanced) in cases.items():
        agent_suite.AGENT.findings(f"{mx}.test", f"mx={mx}")
        for request in ("require", "none"):
            result = agent_suite.AGENT.send(f"{mx}.test", request=request)
            check((result.status, result.enhanced) == (status, enhanced), f"{mx}: {result}")
    agent_suite.AGENT.findings("nothing.test", "nothing")
    result = agent_suite.AGENT.send("nothing.test")
    check((result.status, result.enhanced) == ("deferred", "4.4.3"), result)


@scenario
def loops():
    """mail for a domain whose best server is this host itself would loop: 5.4.6; [host] means that host"""
    with agent_suite.agent(port=25) as agent, hosts(Host(None, up=False)) as (own,):
        for request in ("require", "none"):
            result = agent.send(domain_of(own), request=request)
            check((result.status, result.enhanced) == ("bounced", "5.4.6"), result)
        agent.findings("[own.test]", "mx=not-asked", own.word())
        result = agent.send("[own.test]")
        check((result.status, result.enhanced) == ("deferred", "4.4.1"), result)


@scenario
def cancelled():
    """when the MTA has gone before the final dot it is not sent; nothing is left of the delivery"""
    for state in ("EHLO", "EHLO over TLS", "MAIL", "DATA"):
        reached = []

        def stop(peer):
            reached.append(True)
            peer.hang()

        with hosts(Host(good(state, stop))) as (host,):
            job = agent_suite.AGENT.deliver(domain_of(host))
            wait_for(lambda: reached, state)
            agent_suite.AGENT.write(f"cancel {job}")
            wait_for(lambda: agent_suite.AGENT.status()["deliveries"] == 0, "its end")
            check(host.received is None and not agent_suite.AGENT.is_done(job), state)


@scenario
def cancelled_content():
    """when the MTA has gone in the middle of the content the final dot is not sent"""
    begun = []

    def slowly(peer):
        begun.append(True)
        time.sleep(1)

    with hosts(Host(good("content", slowly))) as (host,):
        job = agent_suite.AGENT.deliver(domain_of(host), octets=30000000)
        wait_for(lambda: begun, "the content")
        agent_suite.AGENT.write(f"cancel {job}")
        time.sleep(2)
        check(host.received is None, f"the dot was sent: {host.received}")


@scenario
def cancelled_late():
    """when the MTA has gone after the final dot no other host gets the message, and nothing is left"""
    with hosts(Host(good("dot", servers.hang), preference=5), Host(good())) as (first, second):
        job = agent_suite.AGENT.deliver(domain_of(first, second))
        wait_for(lambda: first.received is not None, "the final dot")
        agent_suite.AGENT.write(f"cancel {job}")
        wait_for(lambda: agent_suite.AGENT.status()["deliveries"] == 0, "its end")
        check(second.connections == 0 and not agent_suite.AGENT.is_done(job), "it went on")


@scenario
def cancelled_lookup():
    """when the MTA has gone while the engine is asked nothing is left of the delivery"""
    agent_suite.AGENT.findings("waits.test", "never")
    agent_suite.AGENT.findings("comes.test", "mx=null")
    for name in ("waits.test", "comes.test") * 20:
        agent_suite.AGENT.write(f"cancel {agent_suite.AGENT.deliver(name)}")
    check(agent_suite.AGENT.status()["deliveries"] == 0, "deliveries are left")

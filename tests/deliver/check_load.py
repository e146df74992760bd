"""Many sessions at once: what they take, and what they cost others."""
import contextlib
import time

import lmtp_client
import suite
from receiver import hang
from suite import check, scenario, wait_for


@scenario
def many_sessions():
    """1,000 sessions that wait for slow servers take less than 100 MiB, and cost a quick one nothing."""
    slow, each = 5, 190  # a next-hop has a quarter of the sessions
    with suite.agent("max_sessions = 1000\nper_host = 250") as agent, contextlib.ExitStack() as stack:
        servers = [stack.enter_context(suite.domain(f"slow{n}.test", answers={"MAIL": hang})) for n in range(slow)]
        stack.enter_context(suite.domain("prompt.test"))
        clients = []
        for number in range(slow * each):
            client = stack.enter_context(contextlib.closing(agent.connect(greet=False)))
            client.write(f"LHLO x\r\nMAIL FROM:<a@own.test>\r\nRCPT TO:<b@slow{number % slow}.test>\r\nDATA\r\n")
            clients.append(client)
        for client in clients:
            check([client.reply().code for _ in range(5)] == [220, 250, 250, 250, 354])
            client.write(lmtp_client.stuff(b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 250))
        wait_for(lambda: sum(server.hanging for server in servers) == slow * each, "all deliveries", 120)
        for _ in range(1000 - slow * each - 10):
            stack.enter_context(contextlib.closing(agent.connect()))
        begin = time.monotonic()
        reply, = agent.send(["b@prompt.test"])
        check(reply.is_(250, "2.0.0"), reply)
        check(time.monotonic() - begin < 3, f"{time.monotonic() - begin} s")
        kb = agent.counts()[2]
        check(kb < 100 * 1024 or agent.sanitized(), f"{kb} kB")


@scenario
def black_hole():
    """messages for a server that never answers give up at setup_timeout, together, and hold up nobody."""
    with suite.agent("setup_timeout = 4s\nmax_sessions = 400\nper_host = 100") as agent, \
            suite.domain("hole.test", answers={"greeting": hang}), suite.domain("lively.test"), \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(agent.connect())) for _ in range(90)]
        for client in clients:
            client.envelope(["b@hole.test"])
            client.command("DATA")
        begin = time.monotonic()
        for client in clients:
            client.write(b".\r\n")
        slowest = 0
        while time.monotonic() - begin < 3:
            start = time.monotonic()
            reply, = agent.send(["b@lively.test"])
            check(reply.is_(250, "2.0.0"), reply)
            slowest = max(slowest, time.monotonic() - start)
        check(slowest < 2, f"{slowest} s")
        for client in clients:
            reply = client.reply()
            check(reply.code // 100 == 4 and reply.enhanced == "4.4.2", reply)
        check(time.monotonic() - begin < 12, f"{time.monotonic() - begin} s")


@scenario
def burst():
    """200 messages at once for one quick host, beside one that hangs, are all sent, over per_host connections."""
    with suite.agent("max_sessions = 1000\nsetup_timeout = 60s") as agent, suite.domain("burst.test") as quick, \
            suite.domain("stuck.test", answers={"MAIL": hang}) as slow, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(agent.connect())) for _ in range(230)]
        for number, client in enumerate(clients):
            client.envelope(["b@stuck.test" if number < 30 else "b@burst.test"])
            client.command("DATA")
            client.write(b"Subject: x\r\n\r\nbody\r\n")
        begin = time.monotonic()
        for client in clients:
            client.write(b".\r\n")
        replies = [client.reply() for client in clients[30:]]
        check(all(reply.is_(250, "2.0.0") for reply in replies), {str(r) for r in replies if r.code != 250})
        check(time.monotonic() - begin < 10, f"{time.monotonic() - begin} s")
        check(len(quick.messages) == 200 and quick.connections <= 20, f"{len(quick.messages)}, {quick.connections}")
        check(slow.connections == 20, slow.connections)
        replies = [client.reply() for client in clients[20:30]]
        check(all(reply.is_(451, "4.3.2") for reply in replies), [str(reply) for reply in replies])
        check(9 < time.monotonic() - begin < 25, f"{time.monotonic() - begin} s")


@scenario
def soak():
    """3,000 messages by one session leave no memory behind."""
    with suite.agent() as agent, suite.domain("soak.test") as server, contextlib.closing(agent.connect()) as client:
        before = None
        for number in range(3000):
            reply, = client.send(["b@soak.test"], b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 100)
            check(reply.is_(250, "2.0.0"), reply)
            if number == 500:
                before = agent.counts()[2]
        grown = agent.counts()[2] - before
        check(grown < 1000 or agent.sanitized(), f"{grown} kB more")
        check(len(server.messages) == 3000)
        check(server.connections < 100, f"{server.connections} connections: none is used again")

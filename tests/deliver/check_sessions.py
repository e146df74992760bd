"""Sessions with the MTA: limits, time-outs, faults of this host, and the end of the agent."""
import contextlib
import re
import signal
import subprocess
import time

import harness
import lmtp_client
import suite
from receiver import hang
from suite import check, equal, scenario, wait_for

CONTENT = b"Subject: x\r\n\r\nbody\r\n"


def begin(client, recipients, content=CONTENT):
    """A message without its replies."""
    client.envelope(recipients)
    client.command("DATA")
    client.write(lmtp_client.stuff(content))


@scenario
def too_many():
    """beyond max_sessions a client is taken as soon as another ends, and 421 4.3.2 after ten seconds."""
    with suite.agent("max_sessions = 4") as agent, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(agent.connect())) for _ in range(4)]
        first = stack.enter_context(contextlib.closing(agent.connect(greet=False)))
        time.sleep(1)
        clients[1].command("QUIT")
        equal(first.reply().code, 220)
        equal(agent.logged("a client was turned away"), [])
        more, start = agent.connect(greet=False), time.monotonic()
        check(more.reply().is_(421, "4.3.2"))
        check(9 < time.monotonic() - start < 25, f"{time.monotonic() - start} s")
        check(more.is_closed())
        more.close()
        clients[0].command("QUIT")
        check(clients[0].is_closed())
        with contextlib.closing(agent.connect()) as client:
            equal(client.greeting.code, 220)
        equal(len(agent.logged("a client was turned away")), 1)


@scenario
def share():
    """a slow next-hop has a quarter of the sessions: what is over is 451 4.3.2 at RCPT, others have theirs."""
    with suite.agent("max_sessions = 8") as agent, suite.domain("share.test", answers={"MAIL": hang}) as slow, \
            suite.domain("beside.test") as quick, contextlib.ExitStack() as stack:
        for _ in range(2):
            begin(stack.enter_context(contextlib.closing(agent.connect())), ["b@share.test"])
        wait_for(lambda: slow.hanging == 2, "two deliveries")
        start = time.monotonic()
        reply, = agent.send(["b@share.test"])  # waits until that shows
        check(reply.is_(451, "4.3.2"), reply)
        check(1 < time.monotonic() - start < 9, f"{time.monotonic() - start} s")
        with contextlib.closing(agent.connect()) as client:
            reply, = client.envelope(["b@share.test"])
            check(reply.is_(451, "4.3.2"), reply)
        equal(slow.connections, 2)
        reply, = agent.send(["b@beside.test"])
        check(reply.is_(250, "2.0.0"), reply)
        equal(len(quick.messages), 1)


@scenario
def share_of_quick():
    """mail for a quick next-hop beyond its quarter of the sessions waits for it, first come, first served."""
    with suite.agent("max_sessions = 41\nper_host = 5") as agent, \
            suite.domain("quick.test", answers={"dot": lambda peer, _: time.sleep(0.1)}) as quick, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(agent.connect())) for _ in range(40)]
        for number, client in enumerate(clients):
            client.envelope([f"b{number}@quick.test"])
            client.command("DATA")
        other = stack.enter_context(contextlib.closing(agent.connect()))
        for client in clients:
            client.write(b"Subject: x\r\n\r\n.\r\n")
            other.command("NOOP")  # the agent has read what was written before it
        for client in clients:
            reply = client.reply()
            check(reply.is_(250, "2.0.0"), reply)
        order = [int(re.search(r"<b(\d+)@", message.rcpts[0])[1]) for message in quick.messages]
        equal(sorted(order), list(range(40)))
        check(max(order[:10]) < 30, order)


@scenario
def silent():
    """a client that says nothing for command_timeout is 421 4.4.2, in every state but while it is delivered."""
    with suite.agent("command_timeout = 3s\ndata_timeout = 60s") as agent, \
            suite.domain("silent.test", answers={"dot": lambda peer, _: time.sleep(6)}) as server:
        waiting = agent.connect()
        begin(waiting, ["b@silent.test"])
        clients = {"greeting": agent.connect(greet=False), "LHLO": agent.connect(), "RCPT": agent.connect(),
                   "content": agent.connect()}
        clients["greeting"].reply()
        clients["RCPT"].envelope(["b@silent.test"])
        clients["content"].envelope(["b@silent.test"])
        clients["content"].command("DATA")
        clients["content"].write("Subject: x\r\n")
        for state, client in clients.items():
            reply = client.reply()
            check(reply.is_(421, "4.4.2"), f"{state}: {reply}")
            check(client.is_closed(), state)
            client.close()
        check(waiting.reply().is_(250, "2.0.0"))
        waiting.close()
        equal(len(server.messages), 1)


@scenario
def gone():
    """a client that goes before the final dot, or before its reply: nothing is sent that was not."""
    with suite.domain("gone.test") as server, suite.domain("gone-slow.test", answers={"DATA": hang}) as slow:
        client = suite.AGENT.connect()
        client.envelope(["b@gone.test"])
        client.command("DATA")
        client.write(b"Subject: x\r\n\r\nhalf of it\r\n")
        client.close()
        time.sleep(0.5)
        equal([command for command in server.commands if command.startswith("MAIL")], [])
        client = suite.AGENT.connect()
        begin(client, ["b@gone-slow.test"])
        wait_for(lambda: slow.hanging, "DATA")
        client.close()
        wait_for(lambda: slow.hung_up, "the connection to end")
        equal(slow.messages, [])


@scenario
def disk_full():
    """no room for a large message is 451 4.3.0; small ones need none, and the next finds room again."""
    command = f'{harness.mount_over("/var/tmp", "-o", "size=64k")} && exec "$@"'
    with suite.agent(under=("unshare", "-m", "sh", "-c", command, "sh")) as agent, \
            suite.domain("disk.test") as server:
        large = CONTENT + b"0123456789abcde\r\n" * 100000
        reply, = agent.send(["b@disk.test"], large)
        check(reply.is_(451, "4.3.0"), reply)
        reply, = agent.send(["b@disk.test"])
        check(reply.is_(250, "2.0.0"), reply)
        equal(len(server.messages), 1)
        check(agent.logged("a message cannot be kept in /var/tmp: No space left on device"), agent.log())


@scenario
def no_descriptors():
    """without descriptors clients wait, nothing is lost, and the agent goes on."""
    with suite.agent() as agent, suite.domain("fds.test") as server, contextlib.ExitStack() as stack:
        agent.send(["b@fds.test"])
        used = agent.counts()[0]
        subprocess.run(["prlimit", "--pid", str(agent.process.pid), f"--nofile={used + 4}:"], check=True)
        clients = [stack.enter_context(contextlib.closing(agent.connect(greet=False))) for _ in range(8)]
        wait_for(lambda: agent.logged("cannot accept connections"), "a pause")
        for client in clients[:6]:
            client.close()
        client = clients[6]
        equal(client.reply().code, 220)
        clients[7].close()
        client.command("LHLO x")
        reply, = client.send(["b@fds.test"], CONTENT)
        check(reply.code in (250, 451), reply)
        subprocess.run(["prlimit", "--pid", str(agent.process.pid), "--nofile=4096:"], check=True)
        reply, = agent.send(["b@fds.test"])
        check(reply.is_(250, "2.0.0"), reply)
        check(server.messages)


@scenario
def stopped():
    """SIGTERM: what is being delivered ends, other sessions get 421 4.3.2."""
    with suite.agent() as agent, \
            suite.domain("stop.test", answers={"dot": lambda peer, _: time.sleep(2)}) as server:
        idle, envelope, waiting = agent.connect(), agent.connect(), agent.connect()
        envelope.envelope(["b@stop.test"])
        begin(waiting, ["b@stop.test"])
        wait_for(lambda: "DATA" in server.commands, "DATA")
        agent.signal(signal.SIGTERM)
        for client in (idle, envelope):
            check(client.reply().is_(421, "4.3.2"))
            check(client.is_closed())
        check(waiting.reply().is_(250, "2.0.0", "taken"))
        check(waiting.reply().is_(421, "4.3.2"))
        agent.ended()
        equal(len(server.messages), 1)
        for client in (idle, envelope, waiting):
            client.close()


@scenario
def stopped_beside_black_hole():
    """SIGTERM: a server that says nothing holds nobody up; its messages are 451 4.3.2, and quick ones end."""
    with suite.agent() as agent, suite.domain("stop-hole.test", answers={"greeting": hang}) as hole, \
            suite.domain("stop-late.test", answers={"dot": lambda peer, _: time.sleep(8)}) as late, \
            contextlib.ExitStack() as stack:
        stuck, said = (stack.enter_context(contextlib.closing(agent.connect())) for _ in range(2))
        begin(stuck, ["b@stop-hole.test"])
        begin(said, ["b@stop-late.test"])
        wait_for(lambda: hole.hanging and "DATA" in late.commands, "both")
        start = time.monotonic()
        agent.signal(signal.SIGTERM)
        reply = stuck.reply()
        check(reply.is_(451, "4.3.2") and "stopping" in str(reply), reply)
        check(time.monotonic() - start < 7, f"{time.monotonic() - start} s")
        check(said.reply().is_(250, "2.0.0", "taken"))  # it was being given the content
        agent.ended()
        equal(len(late.messages), 1)


@scenario
def stopped_young():
    """SIGTERM: a session that has just begun may send its message."""
    with suite.agent() as agent, suite.domain("stop-young.test") as server:
        for _ in range(20):  # as when the MTA has tried an old session with RSET
            with contextlib.closing(agent.connect()) as client:
                check(client.send(["b@stop-young.test"], CONTENT)[0].is_(250, "2.0.0"))
        young = agent.connect()
        agent.signal(signal.SIGTERM)
        wait_for(lambda: agent.logged("stopping: waiting"), "the drain")
        check(young.send(["b@stop-young.test"], CONTENT)[0].is_(250, "2.0.0"))
        check(young.reply().is_(421, "4.3.2"))
        young.close()
        agent.ended()
        equal(len(server.messages), 21)


@scenario
def killed():
    """SIGKILL in every state: the client hears of no success, and the server has no partial message."""
    for state in ("greeting", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "dot"):
        with suite.domain(f"killed-{state.lower()}.test", answers={state: hang}) as server, suite.agent() as agent:
            client = agent.connect()
            begin(client, [f"b@killed-{state.lower()}.test"])
            wait_for(lambda: server.hanging, state)
            agent.signal(signal.SIGKILL)
            agent.process.wait()
            with contextlib.suppress(lmtp_client.Closed, OSError):
                reply = client.reply()
                check(False, f"{state}: {reply}")
            client.close()
            equal(server.messages, [], state)
            agent.log_path.unlink()
            agent.start()
            server.answers = {}
            reply, = agent.send([f"b@killed-{state.lower()}.test"])
            check(reply.is_(250, "2.0.0"), f"{state}: {reply}")


@scenario
def reloaded():
    """a reload holds for the next transaction, and no session ends by it."""
    with suite.agent() as agent, suite.domain("reload.test") as server, contextlib.closing(agent.connect()) as client:
        client.send(["b@reload.test"], CONTENT)
        check("REQUIRETLS" in server.messages[-1].mail)
        agent.more = "[rule all]\nrecipient = reload.test\nrequest = ignore"
        agent.reload(agent.configuration())
        client.send(["b@reload.test"], CONTENT)
        check("REQUIRETLS" not in server.messages[-1].mail, server.messages[-1].mail)

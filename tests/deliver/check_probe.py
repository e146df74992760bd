"""What the agent sees of a server counts as a probe for the filter in the same process."""
import contextlib
import json
import socket

import harness
import receiver
import suite
from suite import check, equal, scenario

LACKS = receiver.Receiver.DEFAULT  # no REQUIRETLS
POSTFIX = "Postfix 3.11.0"  # its own client passes REQUIRETLS on, so the filter looks whether servers do


class Both(suite.Agent):
    """A daemon that is filter, socketmap server and agent. Connections are not kept."""

    def __init__(self, deliver="", **options):
        super().__init__(f"reuse = 1\n{deliver}", **options)

    def configuration(self):
        return (super().configuration()
                .replace("[milter]\nsocket =\n", f"[milter]\nsocket = {self.address}\n")
                .replace("[socketmap]\nlisten =\n", f"[socketmap]\nlisten = unix:{self.dir}/map\n"))

    def connect(self, socket=None, **options):
        """An LMTP session, or without a name one of the filter's clients."""
        return super().connect(socket, **options) if socket else harness.Daemon.connect(self, **options)

    def rcpt(self, name):
        """What RCPT is answered for bob@NAME, of a message that requires TLS."""
        with contextlib.closing(self.session(login="alice", version=POSTFIX)) as m:
            reply, = harness.message(m, "<alice@own.test>", ["REQUIRETLS"], [f"<bob@{name}>"])["rcpt"]
        return reply

    def probes(self, name):
        """Those that the map JSON shows, of the first host."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(f"{self.dir}/map")
            client.settimeout(harness.WAIT_S)
            request = f"JSON {name}"
            client.sendall(f"{len(request)}:{request},".encode())
            got = b""
            while not got.endswith(b","):
                got += client.recv(65536)
        return json.loads(got[got.index(b"OK ") + 3:-1])["mx"][0].get("probe", [])


def delivered(agent, name, socket="require", code=250):
    reply, = agent.send([f"bob@{name}"], socket=socket)
    equal(reply.code, code, str(reply))
    return reply


def note(agent, name, result):
    """The engine's thread has taken what the agent saw."""
    suite.wait_for(lambda: [probe["result"] for probe in agent.probes(name)] == [result], f"{result} of {name}")


@scenario
def known():
    """a server that the agent has sent to is known to the filter and the maps without a probe."""
    with Both() as agent, suite.domain("seen.test") as seen, suite.domain("unseen.test") as unseen:
        delivered(agent, "seen.test")
        note(agent, "seen.test", "ok")
        equal(agent.rcpt("seen.test").action, "continue")
        equal(seen.connections, 1)
        probe, = agent.probes("seen.test")
        equal((probe["result"], probe["requiretls"], probe["dane"]), ("ok", True, "ok"), probe)
        equal(agent.rcpt("unseen.test").action, "continue")
        equal(unseen.connections, 1, "the filter probes what the agent has not seen")


@scenario
def lost():
    """a server that has lost REQUIRETLS, STARTTLS or its certificate is refused at the next RCPT, without a probe."""
    losses = {
        "requiretls": (lambda server: setattr(server, "tls_offers", LACKS), "5.7.30", "no-requiretls"),
        "starttls": (lambda server: setattr(server, "starttls", False), "5.7.30", "no-starttls"),
        "certificate": (lambda server: setattr(server, "tls", {"certificate": suite.CERTIFICATES.other}), "5.7.10",
                        "not-authenticated"),
    }
    with Both() as agent:
        for label, (lose, enhanced, result) in losses.items():
            name = f"lost-{label}.test"
            with suite.domain(name) as server:
                delivered(agent, name)
                note(agent, name, "ok")
                equal(agent.rcpt(name).action, "continue", name)
                lose(server)
                equal(delivered(agent, name, code=550).enhanced, enhanced, name)
                note(agent, name, result)
                refusal = agent.rcpt(name)
                check(refusal.text.startswith(f"550 {enhanced}"), f"{name}: {refusal}")
                equal(server.connections, 2, name)


@scenario
def found_again():
    """a server that has got REQUIRETLS meanwhile is accepted at the next RCPT, without a probe."""
    with Both() as agent, suite.domain("got.test", tls_offers=LACKS) as server:
        delivered(agent, "got.test", code=550)
        note(agent, "got.test", "no-requiretls")
        check(agent.rcpt("got.test").text.startswith("550 5.7.30"))
        server.tls_offers = (*LACKS, "REQUIRETLS")
        delivered(agent, "got.test")
        note(agent, "got.test", "ok")
        equal(agent.rcpt("got.test").action, "continue")
        equal(server.connections, 2)


@scenario
def other_demand():
    """what was seen where nothing was demanded is not what a message that requires TLS demands."""
    with Both() as agent, suite.domain("unverified.test") as server, \
            suite.domain("plain.test", starttls=False) as plain:
        delivered(agent, "unverified.test", socket="optional")
        equal(agent.rcpt("unverified.test").action, "continue")
        equal(server.connections, 2, "a probe")
        delivered(agent, "plain.test", socket="optional")
        note(agent, "plain.test", "no-starttls")
        check(agent.rcpt("plain.test").text.startswith("550 5.7.30"), "no STARTTLS, whatever is demanded")
        equal(plain.connections, 1)


@scenario
def indefinite():
    """a server that announces little, or breaks off, has shown nothing."""
    with Both() as agent, suite.domain("little.test", tls_offers=("8BITMIME",)) as little, \
            suite.domain("broken.test", answers={"STARTTLS": lambda peer, _: False}) as broken:
        for name, server in (("little.test", little), ("broken.test", broken)):
            delivered(agent, name, code=451)
            before = server.connections
            equal(agent.rcpt(name).action, "continue", name)
            equal(server.connections, before + 1, f"{name}: a probe")


@scenario
def second_try():
    """a second try in plaintext, after a handshake that the server broke off, has shown nothing."""
    def broken(peer, _):
        peer.say("220 2.0.0 go ahead")
        server.answers, server.starttls = {}, False  # it offers STARTTLS to nobody for a while
        return False

    with Both() as agent, suite.domain("second.test") as server:
        server.answers = {"STARTTLS": broken}
        delivered(agent, "second.test", socket="optional")
        equal((server.connections, server.messages[-1].tls), (2, False))
        server.starttls = True
        equal(agent.rcpt("second.test").action, "continue")
        equal(server.connections, 3, "a probe")


@scenario
def not_ours():
    """from another address than probes come from, or with probing turned off, the agent notes nothing."""
    with Both(deliver="source = 10.25.0.2") as agent, suite.domain("source.test") as server:
        delivered(agent, "source.test")
        equal(agent.rcpt("source.test").action, "continue")
        equal(server.connections, 2, "a probe")
    with Both(deliver="source = 10.25.0.2", more="[probe]\nsource = 10.25.0.2") as agent, \
            suite.domain("source2.test") as server:
        delivered(agent, "source2.test")
        note(agent, "source2.test", "ok")
        equal(agent.rcpt("source2.test").action, "continue")
        equal(server.connections, 1)
    with Both(more="[probe]\nenable = no") as agent, suite.domain("off.test", tls_offers=LACKS) as server:
        delivered(agent, "off.test", code=550)
        equal(agent.rcpt("off.test").action, "continue")
        equal((server.connections, agent.probes("off.test")), (1, []))

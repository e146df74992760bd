"""A message by the transport: what the content and its server do to time and memory."""
import time

import servers
import suite
from check_replies import TIMEOUT
from servers import SEND_STATES, good
from suite import check, scenario

MEGABYTE = 1000000


def send(script, **options):
    with suite.serving(script) as server:
        result = suite.CLIENT.result(suite.CLIENT.send(server, **options), seconds=40)
        check(not server.problems, server.problems)
        return result, server


@scenario
def sent():
    """a message is sent, with TLS and without."""
    for options in ({}, {"tls": "never", "demand": "may"}, {"tls": "offered", "demand": "may"}):
        for octets in (0, 1, 100, 16384, 16385, 5 * MEGABYTE):
            result, server = send(good(), octets=octets, timeout=20000, **options)
            check(result.word == "sent", result)
            # The last line is ended, and the CRLF before the dot is not counted.
            check(octets - 2 <= server.received <= octets, f"{server.received} of {octets}")


@scenario
def unverified():
    """a server that does not meet the demand hears nothing of the message."""
    result, server = send(good(certificate=suite.CERTIFICATES.other))
    check(result.word == "failed", result)
    check(server.commands == ["EHLO client.test", "STARTTLS"], server.commands)


@scenario
def slow_reader():
    """a server that takes the content slowly: the time counts from one piece to the next, and the limit ends it."""
    def trickle(peer):
        while True:
            time.sleep(0.1)
            peer.read()

    result, _ = send(good("content", trickle), octets=20 * MEGABYTE, timeout=TIMEOUT, limit=5000)
    check(result.word == "failed" and result.state == "message content", result)
    check(5 <= result.seconds < 5 + suite.SLACK, result)


@scenario
def no_reader():
    """a server that takes no content any more: the piece is overdue."""
    result, _ = send(good("content", lambda peer: time.sleep(30)), octets=20 * MEGABYTE, timeout=TIMEOUT)
    check(result.word == "failed" and result.state == "message content", result)
    check("timed out" in result.text and result.seconds < TIMEOUT / 1000 * 2 + suite.SLACK, result)


@scenario
def bounded():
    """the memory for a message does not depend on its length, however slowly it is taken."""
    def slowly(peer):
        time.sleep(1)

    send(good("content", slowly), octets=MEGABYTE, timeout=20000)
    before = suite.CLIENT.status()["rss"]
    result, _ = send(good("content", slowly), octets=50 * MEGABYTE, timeout=20000)
    grown = suite.CLIENT.status()["peak"] - before
    check(result.word == "sent", result)
    check(grown < 1000 or suite.CLIENT.sanitized, f"50 MB took {grown} kB")


@scenario
def refused_midway():
    """a reply in the middle of the content ends the session; its words are known."""
    def stop(peer):
        peer.read()
        peer.say("552 5.3.4 enough")
        servers.reset(peer)

    result, _ = send(good("content", stop), octets=20 * MEGABYTE)
    check(result.word == "failed" and result.state == "message content", result)
    check(result.text == "message content: reply before its command: 552 5.3.4 enough", result)


@scenario
def paused():
    """while the caller has no content yet, no time of the server's passes, and its end is heard."""
    result, server = send(good(), octets=100000, timeout=1000, end="pause")
    check(result.word == "sent" and result.seconds >= 3, result)
    result, server = send(good("content", gone_for_good), octets=100000, timeout=4 * TIMEOUT, end="pause")
    check(result.word == "failed" and result.text == "message content: 421 4.4.2 too long", result)


def gone_for_good(peer):
    time.sleep(TIMEOUT / 1000 * 2)
    servers.say_and_close("421 4.4.2 too long")(peer)


@scenario
def kept():
    """a connection that is kept has no time of its own, and the server's end of it is heard."""
    with suite.serving(after_messages(3, gone_for_good)) as server:
        result = suite.CLIENT.result(suite.CLIENT.send(server, timeout=TIMEOUT, limit=2 * TIMEOUT, messages=3,
                                                       end="wait"))
        check(result.word == "sent" and result.seconds >= TIMEOUT / 1000 * 2, result)
        check(result.text == "idle: 421 4.4.2 too long", result)
        check([line.split(":")[0] for line in server.commands[3:]] == ["MAIL FROM", "RCPT TO", "DATA"] * 3,
              server.commands)


def after_messages(count, act):
    """A good server that does something of its own when it has taken so many messages."""
    taken = []

    def dot(peer):
        taken.append(peer)
        if len(taken) == count:
            peer.say("250 2.0.0 taken")
            act(peer)

    return good("dot", dot)


@scenario
def source():
    """a connection comes from the address that it is to come from; one that this host has not says nothing of the server."""
    seen = []
    with suite.serving(good("greeting", lambda peer: seen.append(peer.connection.getpeername()[0]))) as server:
        result = suite.CLIENT.result(suite.CLIENT.send(server, source="127.0.0.7"))
        check(result.word == "sent" and seen == ["127.0.0.7"], f"{result}, {seen}")
        result = suite.CLIENT.result(suite.CLIENT.send(server, source="192.0.2.7"))
        check(result.connection == "3" and "Cannot assign" in result.text, result)
    check(server.connections == 1, server.connections)


@scenario
def cancelled():
    """cancelled in any state, a job calls nobody any more, and its connection is closed."""
    for begin, states in ((suite.CLIENT.probe, servers.PROBE_STATES),
                          (suite.CLIENT.send, [*SEND_STATES, "content", "QUIT"])):
        gone = []

        def wait(peer):
            peer.server.reached = True
            try:
                peer.hang()
            finally:
                gone.append(peer)  # noqa: B023

        opened = {state: servers.Server(suite.CERTIFICATES, good(state, wait)) for state in states}
        jobs = {state: begin(server, timeout=20000) for state, server in opened.items()}
        suite.wait_for(lambda: all(hasattr(server, "reached") for server in opened.values()),  # noqa: B023
                       "each state")
        for job in jobs.values():
            suite.CLIENT.cancel(job)
        suite.wait_for(lambda: len(gone) == len(states), "closed connections")  # noqa: B023
        left = [state for state in states if suite.CLIENT.has_result(jobs[state])]
        check(not left, f"results of {left}")
        for server in opened.values():
            server.close()

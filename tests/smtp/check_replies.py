"""Hostile replies in each state: nothing hangs past its time, and none leads to more than `failed`."""
import time

import servers
import suite
from servers import PROBE_STATES, SEND_STATES, good
from suite import CLIENT, check, scenario, side_by_side  # noqa: F401

TIMEOUT = 1500  # milliseconds, of a probe and of each step of a message, where it runs out
LONG = 15000  # where it does not


def everywhere(act, states=PROBE_STATES, **options):
    return {state: good(state, act, **options) for state in states}


def failed_by(seconds, timeout, words):
    """Judges: failed, in time, with one of these words in the text."""

    def judge(name, result, server):
        check(result.word == "failed", f"{result}")
        check(result.seconds < seconds, f"{result}, wanted before {seconds} s")
        check(any(word in result.text for word in words), f"{result}, wanted {words}")

    judge.timeout = timeout
    return judge


def at_once(*words):
    return failed_by(LONG / 1000 - 1, LONG, words)


def in_time(*words):
    return failed_by(TIMEOUT / 1000 + suite.SLACK, TIMEOUT, words)


def probes(act, judge, states=PROBE_STATES):
    side_by_side(suite.CLIENT.probe, everywhere(act, states), judge)


def messages(act, judge, states=SEND_STATES, **options):
    side_by_side(suite.CLIENT.send, everywhere(act, states), judge, **options)


@scenario
def close_everywhere():
    """the connection is closed in each state."""
    probes(servers.close, at_once("connection lost", "connection closed"))
    messages(servers.close, at_once("connection lost", "connection closed"))


@scenario
def reset_everywhere():
    """the connection is reset in each state."""
    probes(servers.reset, at_once("connection lost", "reset by peer"))
    messages(servers.reset, at_once("connection lost", "reset by peer"))


@scenario
def silence_everywhere():
    """silence in each state."""
    probes(servers.hang, in_time("timed out"))
    messages(servers.hang, in_time("timed out"))


@scenario
def drip_everywhere():
    """an octet now and then, in each state, does not prolong the time of a reply."""
    states = [state for state in SEND_STATES if state != "handshake"]
    probes(servers.drip, in_time("timed out"), [state for state in states if state in PROBE_STATES])
    messages(servers.drip, in_time("timed out"), states)


@scenario
def endless_everywhere():
    """an endless reply in each state."""
    act = servers.flood(b"250-and so on\r\n")
    words = ("reply too long", "malformed", "TLS handshake")
    probes(act, at_once(*words))
    messages(act, at_once(*words))


@scenario
def endless_banner():
    """an endless banner of lines, of one line, and of empty lines."""
    for octets in (b"220-welcome\r\n", b"220 welcome", b"\r\n", b"\0", b"a", b"\n"):
        result = suite.probe(good("greeting", servers.flood(octets)), "failed")
        check("timed out" not in result.text, result)


@scenario
def long_line_everywhere():
    """a line of 100 kB in each state."""
    probes(servers.say("250 " + "x" * 100000), at_once("too long", "TLS handshake"))
    messages(servers.say("250 " + "x" * 100000), at_once("too long", "TLS handshake"))


@scenario
def no_smtp_everywhere():
    """NUL, other octets and other protocols in each state."""
    for line in ("250 a\0b", "\0", "\x80\xff\xfe", "SSH-2.0-OpenSSH_9.2", "HTTP/1.1 400 Bad Request", "99 a",
                 "600 a", "250", "250-a\r\n251 b", "250 a\rb"):
        probes(servers.say(line), no_way)


def no_way(name, result, server):
    """A bare code is a reply like any other, which then lacks something."""
    check(result.word in ("failed", "no-starttls", "no-requiretls"), f"{result}")
    check(result.word == "failed", f"{result}")
    check(result.seconds < TIMEOUT / 1000 + suite.SLACK, f"{result}")


no_way.timeout = TIMEOUT  # an end of a line is no TLS record yet


@scenario
def wrong_class_everywhere():
    """3yz, or 354, where it has no meaning, in each state."""
    probes(servers.say("354 go ahead"), at_once("malformed", "TLS handshake"))
    messages(servers.say("334 go ahead"), at_once("malformed", "TLS handshake"),
             [state for state in SEND_STATES if state != "DATA"])


@scenario
def early_replies():
    """a reply that comes before its command ends the session, in each state."""
    scripts = {
        "all replies at once": good("greeting", servers.say(
            "220 a", "250-a", "250-PIPELINING", "250 STARTTLS", "220 go", "250 REQUIRETLS")),
        "two greetings": good("greeting", servers.say("220 a", "220 b")),
        "EHLO's twice": good("EHLO", servers.say("250-a", "250-PIPELINING", "250 STARTTLS", "250 a")),
        "over TLS": good("EHLO over TLS", servers.say(
            "250-a", "250-PIPELINING", "250 REQUIRETLS", "221 bye")),
    }
    side_by_side(suite.CLIENT.probe, scripts,
                 at_once("before its command", "malformed", "plaintext"))
    messages(servers.say("250 ok", "250 ok", "250 ok", "250 ok"),
             at_once("before its command", "malformed"), ["MAIL", "RCPT"])


@scenario
def injected_plaintext():
    """plaintext behind the reply to STARTTLS ends the session, in one piece with it or later."""
    replies = "250-mx.test\r\n250-PIPELINING\r\n250 REQUIRETLS\r\n"

    def in_one(peer):
        peer.send(f"220 go ahead\r\n{replies}".encode())
        peer.tls()
        peer.server.problems.append("the client went on")

    def later(peer):
        peer.say("220 go ahead")
        time.sleep(0.3)
        peer.send(replies.encode())
        peer.hang()

    def half(peer):
        peer.send(b"220 go ahead\r\n2")
        peer.tls()
        peer.server.problems.append("the client went on")

    for begin in (suite.CLIENT.probe, suite.CLIENT.send):
        side_by_side(begin, {"in one piece": good("STARTTLS", in_one), "an octet": good("STARTTLS", half)},
                     at_once("plaintext after the reply to STARTTLS"))
        side_by_side(begin, {"later": good("STARTTLS", later)},
                     at_once("plaintext after the reply to STARTTLS", "TLS handshake"))


@scenario
def last_words():
    """what a server says before it closes counts more than that it closed."""
    words = "421 4.7.0 you talk too much"
    probes(servers.say_and_close(words), at_once(words),
           [state for state in PROBE_STATES if state != "handshake"])
    messages(servers.say_and_close(words), at_once(words),
             [state for state in SEND_STATES if state != "handshake"])

"""Memory that runs out while a message or a request is on its way: at each allocation in turn, once or
from there on. Nobody may be told better than without the fault, and the daemon goes on."""

import inject
import world
from sweep import sweep

BOUNCE_TYPE = ("Content-Type", 'multipart/report; boundary="B"')
OWN = {"client": "127.0.0.1", "port": 0, "name": "localhost", "tls": False}
BOUNCE = (b"--B\r\n\r\nIt bounced.\r\n\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\n"
          b"X-Postfix-Queue-ID: 4bOld\r\n\r\n--B\r\nContent-Type: message/rfc822\r\n\r\n"
          b"Require-TLS-ESMTP: yes\r\nSubject: hello\r\n\r\nA secret line.\r\n" +
          b"More of it.\r\n" * 200 + b"\r\n--B--\r\n")


def asks(domain):
    return lambda d: world.send(d, params=["REQUIRETLS"], rcpts=[f"<b@{domain}>"])


def by_header(domain):
    return lambda d: world.send(d, rcpts=[f"<b@{domain}>"],
                                headers=[("Subject", "x"), ("Require-TLS-ESMTP", "yes")])


def logged_in(domain):
    """It is believed only of a client that has logged in, which a macro says."""
    return lambda d: world.send(d, session={"login": "alice"}, rcpts=[f"<b@{domain}>"],
                                headers=[("Require-TLS-ESMTP", "yes")])


def relayed(domain):
    """The relay host, which a macro says, cannot be authenticated, unlike the recipient's domain."""
    relay = domain.replace("dane", "plain")
    return lambda d: world.send(d, params=["REQUIRETLS"], rcpts=[f"<b@{domain}>"],
                                rcpt_macros={"{rcpt_host}": relay, "{rcpt_mailer}": "smtp"})


def waives(domain):
    return lambda d: world.send(d, rcpts=[f"<b@{domain}>"], headers=[("TLS-Required", "No")])


def ordinary(domain):
    return lambda d: world.send(d, rcpts=[f"<b@{domain}>"], headers=[("Subject", "x")])


def bounce(_):
    return lambda d: world.send(d, session=OWN, sender="", rcpts=["<a@b.example>"],
                                headers=[BOUNCE_TYPE, ("MIME-Version", "1.0")], body=BOUNCE)


def request(map_name):
    return lambda domain: lambda d: world.ask(d, f"{map_name} {domain}")


# name, kind of domain, what is done, what comes of it without a fault (of a text, its beginning), what
# else may come of it
CASES = [
    ("a message that can be sent", "dane", asks, ("accepted", None)),
    ("a message that cannot", "plain", asks, ("refused", "550 5.7.10")),
    ("a message whose domain cannot be known", "broken", asks, ("deferred", "451 4.4.3")),
    ("a message by an MTA-STS policy", "sts", asks, ("accepted", None)),
    ("a request by header that cannot be met", "plain", by_header, ("refused", "550 5.7.10")),
    ("a request by header of who has logged in", "plain", logged_in, ("refused", "550 5.7.10")),
    ("a recipient with a relay host", "dane", relayed, ("refused", "550 5.7.10")),
    ("TLS-Required: No", "plain", waives, ("accepted", None)),
    ("an ordinary message", "plain", ordinary, ("accepted", ())),
    ("a bounce that is cut", None, bounce, ("accepted", None)),
    ("the map QUERY", "dane", request("QUERY"), ("answered", "OK dane-only")),
    # A policy that cannot be fetched is none, for all mail; not for mail that requires TLS.
    ("the map QUERY, an MTA-STS policy", "sts", request("QUERY"), ("answered", "OK secure"),
     "('answered', 'NOTFOUND ')"),
    ("the map enforce, an MTA-STS policy", "sts", request("enforce"), ("answered", "OK secure match")),
    ("the map enforce", "plain", request("enforce"), ("answered", "OK secure")),
    ("JSON", "dane", request("JSON"), ("answered", 'OK {')),
]


def run(suite, table, our_world, full):
    for case in CASES:
        believed = "authenticated" if case[2] is logged_in else "any"
        suite.run("memory: " + case[0], lambda c=case, b=believed: sweep(
            table, our_world, inject.MEMORY, 1 << 30 if full else 12, c, "(error|warning):",
            accept_header=b))

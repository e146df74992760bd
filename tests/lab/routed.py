"""Mail that goes through a machine under test twice, as the snippets for older Postfix have it: from
the first queue id to what became of each recipient in the end."""

import json
import re

import layout
import procs
import snippets
from scenario import Sent, check, expect, scenario

ASK = ("REQUIRETLS",)
NO = ("TLS-Required: No",)
LOOP = "postfix/requiretls-loop/smtp"


def _older():
    """The Postfix that etc/postfix-older is tried on: 3.7, or 3.10 where the lab has that instead."""
    made = layout.RUN / "lab.json"
    mtas = json.loads(made.read_text())["mtas"] if made.exists() else ()
    return "3.10" if "3.10" in mtas and "3.7" not in mtas else "3.7"


OLDER = _older()


def routes(name, more="", change=None, setting="snippets", version=OLDER, **options):
    """Registers a scenario of (lab, machine, running daemon) on that Postfix with the snippets, without
    the delivery agent.

    more: lines at the end of requiretls-milter.conf; change: a function of its whole text.
    """
    def register(function):
        def run(lab):
            mta = lab.mtas[version]
            function(lab, mta, daemon(lab, mta, more, change))
            procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
        scenario(f"routes {version}: {name}", setting=setting, **options)(run)
        return function
    return register


def daemon(lab, mta, more="", change=None):
    """The daemon of the snippets at their sockets."""
    text = snippets.daemon_configuration(mta, more)
    return lab.milter(change(text) if change else text,
                      listens=snippets.sockets(mta) / "milter.sock")


def post(lab, mta, to, **how):
    """Sends a message through the filter of the snippets."""
    return lab.send(mta, to, slot="own", **how)


def require(lab, mta, to, **how):
    return post(lab, mta, to, parameters=(*ASK, *how.pop("parameters", ())), **how)


def submit(lab, mta, to, headers, sender="alice@sender.test"):
    """Hands a message to sendmail(1)."""
    sent = Sent(lab, mta, lab.token())
    sent.accepted = [to] if isinstance(to, str) else list(to)
    lab.sent.append(sent)
    mta.sendmail(lab.message(sent.token, headers).removesuffix(".\n"), "-i", "-f", sender,
                 *sent.accepted)
    taken = re.compile(rf" (\w+): message-id=<{re.escape(sent.token)}>")
    sent.queue_id = procs.wait_for(lambda: taken.findall("\n".join(sent.log.lines())),
                                   "the queue to take the message")[0]
    return sent


def second(delivery):
    """The queue id that a message got when it was reinjected, or None."""
    found = re.search(r"queued as (\w+)$", delivery.text)
    return found[1] if found and delivery.service == LOOP else None


def ends(sent, count=None, timeout_s=60):
    """Recipient -> its last delivery, by whatever way it went there."""
    found = {}
    for to, delivery in sent.deliveries(count, timeout_s).items():
        again = second(delivery)
        if again:
            expect(delivery.relay.split("[")[0], "127.0.0.1", "where the loop leads")
            last, = sent.log.settled(again, 1, timeout_s)
            expect(last.to, to, "the recipient when reinjected")
            check(not second(last), f"{to} is reinjected once more")
            delivery = last
        check(to not in found, f"{to} twice")
        found[to] = delivery
    return found


def how(delivery):
    """Transport, status and what is known of the server: 3.11's `tls=`, or what older Postfix says of
    the certificate where it sent the message (elsewhere versions differ in the word)."""
    service = delivery.service.removeprefix("postfix/").removesuffix("/smtp").removesuffix("/lmtp")
    if delivery.status == "sent":
        return f"{service} sent {delivery.tls or delivery.server}".strip()
    return f"{service} {delivery.status} {delivery.dsn} {delivery.tls}".strip()


def become(sent, wanted, timeout_s=60):
    """Checks recipient -> how() of all; returns the deliveries."""
    found = ends(sent, len(wanted), timeout_s)
    expect({to: how(d) for to, d in found.items()}, wanted, "what became of them")
    return found


def flushed(mta):
    """Has the queue tried again; True if nothing is left."""
    if mta.queued():
        mta.run("postqueue", "-f")
    return not mta.queued()


def bounce_of(sent, delivery, to):
    """The bounce that a delivery made, to its sender."""
    made = sent.log.bounce_of(delivery.queue_id).encode()
    return procs.wait_for(lambda: next((a for a in sent.lab.arrivals.of(sent.token)
                                        if (a.sender, a.recipients) == ("", [to])
                                        and made in a.bytes()), None), f"the bounce to {to}")


def become_all(lab, wanted, send, way):
    """One message to bob at each domain; wanted: domain -> what is known of its server."""
    sent = {f"bob@{domain}": (send(f"bob@{domain}"), seen) for domain, seen in wanted.items()}
    for to, (each, seen) in sent.items():
        become(each, {to: f"{way} {seen}".strip()})
        check(lab.arrivals.wait(each.token, to), "it did not arrive")


def ask(lab, mta, to):
    """The reply to RCPT of a message that requires TLS."""
    return lab.ask(mta, to, "own")

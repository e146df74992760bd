"""Mail through sendmail with the snippets of etc/sendmail: it may come in twice; from the first queue
id to what became of each recipient in the end."""

import re

import procs
import sendmail
import snippets
from scenario import check, scenario

ASK = ("Require-TLS-ESMTP: yes",)
NO = ("TLS-Required: No",)
TAG = b"requiretls.invalid"
MILTER = sendmail.SOCKETS / "milter.sock"


def routed(name, more="", setting="snippets", **options):
    """Registers a scenario of (lab, sendmail, running daemon) with the snippets.

    more: lines at the end of requiretls-milter.conf.
    """
    def register(function):
        def run(lab):
            mta = lab.machines["sendmail"]
            function(lab, mta, daemon(lab, more))
            procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
        scenario(f"sendmail routes: {name}", setting=setting, **options)(run)
        return function
    return register


def configuration(more=""):
    return snippets.etc("sendmail", "requiretls-milter.conf").read_text() + more


def daemon(lab, more="", fresh=False):
    """The daemon of the snippets at their sockets, in the place of whichever is there."""
    return lab.milter(configuration(more), fresh, listens=MILTER)


def submit(lab, mta, to, headers=ASK, **how):
    """Sends a message as a user of this host does, by default one that requires TLS."""
    return lab.send(mta, to, slot="own", login="alice", headers=headers, **how)


def ends(sent, count=None, timeout_s=60):
    """Recipient -> its last delivery, by whatever way it went there. count: after aliases."""
    found = {}

    def add(deliveries):
        for delivery in deliveries:
            check(delivery.to not in found, f"{delivery.to} twice")
            found[delivery.to] = delivery
    again = {}
    for delivery in sent.deliveries(timeout_s=timeout_s).values():
        if delivery.service.startswith("rtls"):
            id2 = re.search(r"\((\w+) Message accepted", delivery.text)
            check(id2, f"it was not reinjected: {delivery}")
            again.setdefault(id2[1], []).append(delivery)
        else:
            add([delivery])
    for queue_id, those in again.items():
        add(sent.log.settled(queue_id, count or len(those), timeout_s))
    return found


def how(delivery):
    """Status and verify= in a word or two each."""
    words = [delivery.status]
    if delivery.status != "sent":
        words.append(delivery.dsn)
    return " ".join([*words, "" if delivery.is_local else delivery.server]).strip()


def outcome(sent):
    """What the client was told of the message, or what became of its one recipient."""
    last = list(sent.replies.values())[-1]
    if not last.ok:
        return f"{last.code} {last.text.split()[0]}"
    return how(next(iter(ends(sent).values())))


def bounce_of(sent, delivery, to="alice@sender.test", timeout_s=60):
    """The bounce that a delivery made, to its sender."""
    again = sent.log.bounce_of(delivery.queue_id, timeout_s).encode()
    return procs.wait_for(lambda: next((a for a in sent.lab.arrivals.of(sent.token)
                                        if (a.sender, a.recipients) == ("", [to])
                                        and again in a.bytes()), None), f"the bounce to {to}",
                          timeout_s)


def check_untagged(sent, bounces=()):
    """No copy that arrived, and no bounce, shows a tag."""
    for arrival in [*sent.lab.arrivals.of(sent.token), *bounces]:
        seen = arrival.bytes() + repr((arrival.mail, arrival.rcpt)).encode()
        check(TAG not in seen, f"the tag is in {arrival}: {arrival.bytes()!r}")

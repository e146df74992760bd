"""What waits for lookups, for how long, and how many at once.

The resolver gives its answers when the scenario says so (held.py): what is seen before that is
what happens while a lookup is under way.
"""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor, wait

import layout
import procs
from held import HeldResolver
from scenario import check, expect, scenario

DNS = f"""
[dns]
resolvers = {layout.RESOLVER_HELD}
timeout = 20s
tries = 2
[mta_sts]
enable = no
"""
BOTH = ("3.11", "3.7")
BUSY = (451, "4.3.2", "too many messages are waiting")


class Crowd:
    """Clients that do what they are told at the same time, each in a thread of its own."""

    def __init__(self, lab, mta, running, resolver):
        self.lab, self.mta, self.running, self.resolver = lab, mta, running, resolver
        self.pool = ThreadPoolExecutor(max_workers=64)

    def client(self, to=None):
        """One that has said MAIL with REQUIRETLS and, if `to` is given, been granted that RCPT."""
        client = self.lab.client(self.mta, self.running.slot)
        client.ehlo()
        client.starttls()
        expect(client.mail("alice@sender.test", "REQUIRETLS"), (250,), "MAIL")
        if to:
            expect(client.rcpt(to), (250,), f"RCPT of {to}")
        return client

    def rcpt(self, client, to):
        return self.pool.submit(client.rcpt, to)

    def data(self, client):
        return self.pool.submit(client.data, self.lab.message(self.lab.token()))


@contextlib.contextmanager
def crowd(lab, mta_name, config, *held):
    """A milter of its own whose lookups of the domains `held` wait for release()."""
    with HeldResolver(*held) as resolver:
        running = lab.milter(f"[milter]\n{config}\n{DNS}", fresh=True)
        found = Crowd(lab, lab.mtas[mta_name], running, resolver)
        try:
            yield found
        finally:
            resolver.release()
            found.pool.shutdown()
            for client in lab.clients:
                client.close()


def settled(futures, count, timeout_s=60):
    """Waits until `count` of these have their reply; returns those that have."""
    deadline = time.monotonic() + timeout_s
    while sum(f.done() for f in futures) < count and time.monotonic() < deadline:
        wait(futures, timeout=0.05)
    done = [f for f in futures if f.done()]
    check(len(done) == count, f"{len(done)} of {len(futures)} have their reply, not {count}")
    return done


def replies(futures):
    return [f.result(timeout=30) for f in futures]


def each(name):
    def register(function):
        for mta_name in BOTH:
            scenario(f"waiting {mta_name}: {name}")(
                lambda lab, mta_name=mta_name: function(lab, mta_name))
        return function
    return register


@each("an eighth of max_waiting may wait for one next-hop at RCPT, others go on")
def _(lab, mta_name):
    with crowd(lab, mta_name, "max_waiting = 16\nrcpt_wait = 9s", "plain.test",
               "dane.test") as c:
        clients = [c.client() for _ in range(5)]
        first = [c.rcpt(client, "bob@plain.test") for client in clients]
        # Two wait. The others are not held up: they learn it at end-of-message.
        expect([r.code for r in replies(settled(first, 3))], [250] * 3, "those beyond the share")
        # Another next-hop has a share of its own, and one that is not slow is not slow.
        other = c.rcpt(c.client(), "bob@dane.test")
        expect(c.client("bob@dane-ta.test").quit().code, 221, "a next-hop that is not slow")
        c.resolver.wait_asked("plain.test", "dane.test")
        check(not other.done(), "another next-hop did not wait")
        expect(sum(f.done() for f in first), 3, "replies before the answer")
        c.resolver.release()
        expect(other.result(timeout=30), (250,), "another next-hop")
        expect(sorted(r.code for r in replies(first)), [250] * 3 + [550] * 2, "RCPT")
        for client, future in zip(clients, first):
            if future.result().ok:
                expect(client.data(lab.message(lab.token())), (550, "5.7.10", "plain.test"),
                       "data")


@each("max_waiting is the cap on all: what is beyond is deferred, and at once")
def _(lab, mta_name):
    hops = [f"{n}.dane.test" for n in "abcdef"]
    with crowd(lab, mta_name, "max_waiting = 4\nrcpt_wait = 1ms\neom_wait = 60s",
               "dane.test") as c:
        clients = [c.client(f"bob@{hop}") for hop in hops]
        sent = [c.data(client) for client in clients]
        for reply in replies(settled(sent, 2)):
            expect(reply, BUSY, "beyond the cap")
        c.resolver.release()
        # None of these names exists: Postfix says so better, and the message is accepted.
        expect(sorted(r.code for r in replies(sent)), [250] * 4 + [451] * 2, "data")


@each("half of max_waiting may wait for one next-hop at end-of-message")
def _(lab, mta_name):
    with crowd(lab, mta_name, "max_waiting = 6\nrcpt_wait = 1ms\neom_wait = 60s",
               "dane.test", "plain.test") as c:
        clients = [c.client("bob@dane.test") for _ in range(5)]
        sent = [c.data(client) for client in clients]
        for reply in replies(settled(sent, 2)):
            expect(reply, BUSY, "beyond the share")
        other = c.data(c.client("bob@plain.test"))
        c.resolver.wait_asked("plain.test")
        check(not other.done(), "the other next-hop did not wait")
        c.resolver.release()
        expect(other.result(timeout=30), (550, "5.7.10"), "the other next-hop")
        expect(sorted(r.code for r in replies(sent)), [250] * 3 + [451] * 2, "data")


@each("a reload changes max_waiting for messages that come then")
def _(lab, mta_name):
    with crowd(lab, mta_name, "max_waiting = 1\nrcpt_wait = 1ms\neom_wait = 60s",
               "dane.test") as c:
        clients = [c.client(f"{user}@dane.test") for user in ("bob", "carol", "eve", "frank")]
        one = [c.data(client) for client in clients[:2]]
        reply, = replies(settled(one, 1))
        expect(reply, BUSY, "beyond the one place")
        c.running.reload(f"[milter]\nmax_waiting = 4\nrcpt_wait = 1ms\n{DNS}")
        procs.wait_for(lambda: "reloaded " in c.running.log(), "the reload")
        # Two may wait for one next-hop then: there is room for one more.
        more = [c.data(client) for client in clients[2:]]
        reply, = replies(settled(more, 1))
        expect(reply, BUSY, "beyond the two places")
        c.resolver.release()
        expect(sorted(r.code for r in replies(one + more)), [250] * 2 + [451] * 2, "data")


@each("rcpt_wait is one budget for all recipients of a message")
def _(lab, mta_name):
    hops = [f"{n}.plain.test" for n in "abcdefgh"]
    with crowd(lab, mta_name, "rcpt_wait = 2s\neom_wait = 60s", "plain.test") as c:
        client = c.client()
        began = time.monotonic()
        for hop in hops:
            expect(client.rcpt(f"bob@{hop}"), (250,), f"RCPT of {hop}")
        seconds = time.monotonic() - began
        # Eight budgets would be sixteen seconds.
        check(1.9 <= seconds <= 12, f"eight recipients waited {seconds:.1f} s")
        c.resolver.wait_asked(*hops)
        # The next message has a budget of its own.
        expect(client.command("RSET"), (250,), "RSET")
        client.mail("alice@sender.test", "REQUIRETLS")
        again = c.rcpt(client, "bob@z.plain.test")
        c.resolver.wait_asked("z.plain.test")
        check(not again.done(), "no wait for the next message")
        c.resolver.release()
        expect(again.result(timeout=30), (250,), "RCPT")


@each("eom_wait ends the wait")
def _(lab, mta_name):
    with crowd(lab, mta_name, "rcpt_wait = 1ms\neom_wait = 1s", "dane.test") as c:
        reply = c.data(c.client("bob@dane.test")).result(timeout=30)
        expect(reply, (451, "4.4.3", "lookups for dane.test are not finished"), "data")


@each("a client that goes away while it waits leaves nothing behind")
def _(lab, mta_name):
    with crowd(lab, mta_name, "max_waiting = 2\nrcpt_wait = 9s", "plain.test", "dane.test") as c:
        client = c.client()
        client.send("RCPT TO:<bob@plain.test>")
        c.resolver.wait_asked("plain.test")
        client.close()
        other = c.rcpt(c.client(), "bob@dane.test")
        c.resolver.wait_asked("dane.test")
        c.resolver.release()
        expect(other.result(timeout=30), (250,), "another client")


@scenario("waiting: progress keeps a Postfix with a short milter_content_timeout waiting",
          machines=["3.7"])
def _(lab):
    mta = lab.mtas["3.7"]
    with mta.configured(milter_content_timeout="5s"), \
            crowd(lab, "3.7", "rcpt_wait = 1ms\neom_wait = 60s", "dane.test") as c:
        sent = c.data(c.client("bob@dane.test"))
        wait([sent], timeout=8)
        check(not sent.done(), "it did not wait")
        c.resolver.release()
        expect(sent.result(timeout=30), (250,), "data")

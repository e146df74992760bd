"""Slow lookups: the name server takes queries and never answers. Who waits how long, who is turned
away, and what the MTA hears meanwhile."""

import itertools
import re
import signal
import threading
import time

from harness import Daemon, check, equal, matches, message, silent_resolver, slow_resolver, wait_for
from operation import symptom

SLOW = "[dns]\ntimeout = 60s\ntries = 1\n"
UNFINISHED = "Sender requested REQUIRETLS, but the lookups for {0} are not finished; try again later"
BUSY = ("Sender requested REQUIRETLS, but too many messages are waiting for lookups, of {0} or "
        "others; try again later")
STOPPING = "Sender requested REQUIRETLS, but this service is being restarted; try again later"


def ask(m, domain="slow.example", queue_id="4bXyZ"):
    return message(m, params=["REQUIRETLS"], rcpts=[f"<a@{domain}>"], queue_id=queue_id)


def left_to_the_end():
    with silent_resolver(), Daemon("[milter]\nrcpt_wait = 200ms\neom_wait = 1s\n" + SLOW) as d:
        with d.session() as m:
            began = time.monotonic()
            got = ask(m)
            check(time.monotonic() - began >= 1.1, "it did not wait")
            equal(got["rcpt"][0].action, "continue")
            equal(got["eom"].text, "451 4.4.3 <a@slow.example>: " + UNFINISHED.format("slow.example"))
            (line,) = d.lines("4bXyZ")
            matches(line, r"verdict=undecided, action=tempfail, route=native, wait=1\.[1-9]")


def one_budget():
    """Ten slow recipients do not wait ten times rcpt_wait."""
    with silent_resolver(), Daemon("[milter]\nrcpt_wait = 1s\neom_wait = 1s\n" + SLOW) as d:
        with d.session() as m:
            m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
            began = time.monotonic()
            for i in range(10):
                equal(m.rcpt(f"<a@slow{i}.example>").action, "continue")
            took = time.monotonic() - began
            check(0.9 <= took < 5, f"ten recipients took {took:.1f} s")


def progress():
    """sendmail gives up after 10 s without a sign of life."""
    with silent_resolver(), Daemon("[milter]\nrcpt_wait = 100ms\neom_wait = 8s\n" + SLOW) as d:
        with d.session() as m:
            answer = ask(m)["eom"]
            equal(answer.code, "451")
            check(answer.progress >= 2, f"{answer.progress} signs of life in 8 s")


def progress_of_many():
    """Many short waits add up: the MTA hears of them as of one long one."""
    with slow_resolver(), Daemon("[milter]\naccept_header = any\neom_wait = 30s\n"
                                 "[dns]\ntimeout = 30s\ntries = 1\n") as d:
        with d.session() as m:
            rcpts = [f"<a@wait-{ms}.example>" for ms in range(1500, 9000, 1500)]
            got = message(m, rcpts=rcpts, headers=[("Require-TLS-ESMTP", "yes")])["eom"]
            matches(got.text, "the MX lookup for wait-7500.example failed")
            check(got.progress >= 2, f"{got.progress} signs of life in 7.5 s")


def header_request():
    """A request by header costs no wait before end-of-message."""
    with silent_resolver(), Daemon("[milter]\naccept_header = any\nrcpt_wait = 20s\neom_wait = 1s\n"
                                   + SLOW) as d:
        with d.session() as m:
            began = time.monotonic()
            got = message(m, rcpts=["<a@slow.example>"], headers=[("Require-TLS-ESMTP", "yes")])
            check(time.monotonic() - began < 15, "it waited at RCPT")
            equal(got["eom"].code, "451")


class Sender(threading.Thread):
    """One message on a connection of its own, in the background."""

    def __init__(self, d, domain, queue_id="4bXyZ"):
        super().__init__(daemon=True)
        self.d, self.domain, self.queue_id = d, domain, queue_id
        self.answer = self.session = None
        self.start()

    def waits(self):
        """Whether it is known to wait at end-of-message."""
        return self.session and self.session.signs_of_life > 0

    def run(self):
        with self.d.session() as m:
            self.session = m
            self.answer = ask(m, self.domain, self.queue_id)

    def text(self):
        self.join(60)
        return self.answer["eom"].text if self.answer and "eom" in self.answer else repr(self.answer)


def shares():
    """max_waiting = 8: one next-hop may have one at RCPT, four in all; another has its own."""
    with silent_resolver(), Daemon("[milter]\nmax_waiting = 8\nrcpt_wait = 2s\neom_wait = 6s\n"
                                   + SLOW) as d:
        same = [Sender(d, "slow.example") for _ in range(10)]
        wait_for(lambda: sum(s.answer is not None for s in same) >= 6, "those turned away")
        other = Sender(d, "other.example")
        texts = sorted(s.text() for s in same)
        busy = "451 4.3.2 <a@slow.example>: " + BUSY.format("slow.example")
        slow = "451 4.4.3 <a@slow.example>: " + UNFINISHED.format("slow.example")
        equal(texts, [busy] * 6 + [slow] * 4)
        matches(busy, "^" + symptom("too many messages"))
        equal(other.text(), "451 4.4.3 <a@other.example>: " + UNFINISHED.format("other.example"))


def others_pass():
    """While as many wait as may, mail that needs no lookup passes."""
    with silent_resolver(), Daemon("[milter]\nmax_waiting = 2\nrcpt_wait = 1s\neom_wait = 10s\n"
                                   + SLOW) as d:
        senders = [Sender(d, f"slow{i}.example") for i in range(3)]
        wait_for(lambda: any(s.answer for s in senders), "one to be turned away")
        with d.session() as m:
            equal(message(m)["eoh"].action, "accept")
            equal(message(m, params=["REQUIRETLS"])["eom"].action, "continue")
            got = message(m, sender="<>", params=["REQUIRETLS"], rcpts=["<a@slow0.example>"])
            equal(got["eom"].action, "continue", "the null sender does not wait")
            got = ask(m, "slow9.example")
            equal(got["eom"].text[:9], "451 4.3.2", "one more does not get a place")
        equal(sorted(s.text()[:9] for s in senders), ["451 4.3.2", "451 4.4.3", "451 4.4.3"])


def gone():
    """An MTA that went away does not keep its place."""
    with silent_resolver(), Daemon("[milter]\nmax_waiting = 1\nrcpt_wait = 100ms\neom_wait = 60s\n"
                                   + SLOW) as d:
        m = d.session()
        m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
        m.rcpt("<a@slow.example>")
        m.eoh()
        m.send("E")
        m.close()

        def has_place():
            with d.session() as n:
                n.mail("<a@b.example>", "REQUIRETLS", macros=n.mail_macros)
                n.rcpt("<a@other.example>")
                n.eoh()
                n.send("E")
                command, data = n.receive()  # progress, or the refusal at once
                check(command == "p" or b"4.3.2" in data, data)
                return command == "p"
        wait_for(has_place, "the place")
        d.signal(signal.SIGTERM)
        wait_for(lambda: d.logged("waiting for|stopped"), "draining")
        d.stop()


def stops_while_waiting():
    with silent_resolver(), Daemon("[milter]\nrcpt_wait = 100ms\neom_wait = 60s\n" + SLOW) as d:
        sender = Sender(d, "slow.example")
        wait_for(sender.waits, "its wait at the end")
        d.signal(signal.SIGTERM)
        wait_for(lambda: d.logged("waiting for 1 messages"), "draining")
        d.signal(signal.SIGTERM)
        equal(sender.text(), "451 4.3.2 <a@slow.example>: " + STOPPING)
        d.ended()


def too_many_lookups():
    """20,000 at once: for more a temporary failure, and one warning."""
    with silent_resolver(), Daemon("[milter]\nrcpt_wait = 1ms\neom_wait = 1ms\nmax_waiting = 100\n"
                                   "[dns]\ntimeout = 60s\ntries = 3\n") as d:
        def ask(m, name):
            return re.sub(r"\d+-\d+", "N", m.rcpt(f"<a@{name}.example>").text)
        refused = ("451 4.4.3 <a@manyN.example>: Sender requested REQUIRETLS, but manyN.example cannot "
                   "be looked up at present; try again later")
        told = set()
        for number in range(3):
            with d.session() as m:
                m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
                told |= {ask(m, f"many{number}-{i}") for i in range(7000)}
        equal(told - {refused}, {""})
        # The engine may begin lookups later than they are asked for.
        later = itertools.count()
        with d.session() as m:
            m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
            wait_for(lambda: ask(m, f"many3-{next(later)}") == refused, "the refusal of one too many")
        warnings = re.findall("warning: " + symptom("lookups are under way"), d.log())
        equal(len(warnings), 1, d.log()[-2000:])


def failed_lookup():
    """When the lookup itself gives up, the answer is that, not a time-out of ours."""
    with silent_resolver(), Daemon("[milter]\nrcpt_wait = 20s\n[dns]\ntimeout = 200ms\ntries = 1\n"
                                   ) as d:
        with d.session() as m:
            got = ask(m)
            matches(got["rcpt"][0].text,
                    r"^451 4\.4\.3 <a@slow\.example>: Sender requested REQUIRETLS, but "
                    r"the MX lookup for slow\.example failed")
        with d.session() as m:
            matches(ask(m)["rcpt"][0].text, r"^451 4\.4\.3 ")


def no_resolver_at_all():
    """Nobody listens at the resolver's address: temporary, never a refusal, never an accept."""
    with Daemon("[milter]\nrcpt_wait = 20s\n[dns]\ntimeout = 200ms\ntries = 1\n") as d:
        with d.session() as m:
            matches(ask(m)["rcpt"][0].text, r"^451 4\.4\.3 ")
            got = message(m, params=["REQUIRETLS"], rcpts=["<a@slow.example>"],
                          rcpt_macros={"{rcpt_host}": "[host.example]", "{rcpt_mailer}": "relay"})
            matches(got["rcpt"][0].text, r"^451 4\.4\.3 .*host\.example")


def run(suite):
    for name, function in (
            ("a slow recipient is left to the end of the message", left_to_the_end),
            ("rcpt_wait is one budget for all recipients", one_budget),
            ("progress while waiting", progress),
            ("progress while waiting for many", progress_of_many),
            ("a request by header waits at the end only", header_request),
            ("shares of max_waiting", shares),
            ("mail that need not wait passes", others_pass),
            ("an MTA that went away", gone),
            ("a stop while waiting", stops_while_waiting),
            ("more lookups than there may be at once", too_many_lookups),
            ("a lookup that fails", failed_lookup),
            ("no resolver", no_resolver_at_all)):
        suite.run(f"waiting: {name}", function)

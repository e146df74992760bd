"""Many SMTP sessions at once, each with several messages that ask for different things.

Every message is one of KINDS, which says what its client must be told and who must get it; check()
compares that with what happened: every reply, and every copy that arrived.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass

import layout
import procs
import smtpclient

CONFIG = """
[milter]
accept_header = any
rcpt_wait = 9s
[dns]
timeout = 1s
tries = 2
"""
REQUIRE = ("REQUIRETLS",)
HEADER = ("Require-TLS-ESMTP: yes",)
SESSION_S = 150
QUEUE_S = 120


@dataclass
class Kind:
    """One kind of message."""

    to: dict  # recipient -> what RCPT is told
    told: int = 250  # at the end of the message; None: it never comes to that
    parameters: tuple = REQUIRE
    headers: tuple = ()
    ends: str = "."  # or "RSET" after RCPT, or "close" in the middle of the message

    @property
    def required(self):
        return "REQUIRETLS" in self.parameters or HEADER[0] in self.headers

    def arrives(self):
        return [r for r, code in self.to.items() if code == 250] if self.told == 250 else []


KINDS = (
    Kind({"bob@dane.test": 250}),
    Kind({"bob@sts.test": 250}),
    Kind({"bob@plain.test": 550}, None),
    Kind({"bob@slow.test": 250}),
    Kind({"bob@mx-servfail.test": 451}, None),
    Kind({"bob@plain2.test": 250, "carol@dane.test": 250}, parameters=()),
    Kind({"bob@nullmx.test": 556}, None),
    Kind({"bob@dane.test": 250, "bob@plain.test": 550, "bob@sts.test": 250}),
    Kind({"bob@dane-ta.test": 250}, parameters=(), headers=HEADER),
    Kind({"bob@plain.test": 250}, parameters=(), headers=("TLS-Required: No",)),
    Kind({"bob@dane.test": 250, "bob@plain.test": 250}, 550, (), HEADER),
    Kind({"bob@tlsa-servfail.test": 451, "bob@dane-both.test": 250}),
    Kind({"bob@dane.test": 250}, None, ends="RSET"),
    Kind({"bob@plain.test": 250}, parameters=()),
    Kind({"bob@tlsa-silent.test": 451}, None),
    Kind({"bob@slow.test": 250, "bob@plain2.test": 550}),
    Kind({"bob@dane.test": 250}, None, ends="close"),
)


class Load:
    """`sessions` sessions through one machine, `messages` messages each."""

    def __init__(self, lab, mta, slot, sessions=200, messages=4, seed=0):
        self.lab, self.mta, self.slot = lab, mta, slot
        self.sessions, self.messages, self.seed = sessions, messages, seed
        self.faults = []
        self.expected = {}  # token -> (sender, kind)
        self.replies = Counter()
        self.barrier = threading.Barrier(sessions)

    def run(self, meanwhile=None):
        """All sessions, to their end; meanwhile(over) is called until over() says so."""
        threads = [threading.Thread(target=self._guarded, args=(n,), daemon=True)
                   for n in range(self.sessions)]
        for thread in threads:
            thread.start()
        if meanwhile:
            meanwhile(lambda: not any(t.is_alive() for t in threads))
        deadline = time.monotonic() + SESSION_S
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
            if thread.is_alive():
                self.faults.append("a session is not over")
        return self

    def _guarded(self, number):
        try:
            self._session(number)
        except (OSError, smtpclient.Closed, threading.BrokenBarrierError) as error:
            self.barrier.abort()
            self.faults.append(f"session {number}: {type(error).__name__} {error}")

    def _session(self, number):
        with smtpclient.Client(self.mta.address, 25, layout.client(self.slot),
                               SESSION_S) as client:
            client.ehlo()
            client.starttls()
            self.barrier.wait(SESSION_S)  # all of them are connected before the first says MAIL
            for n in range(self.messages):
                kind = KINDS[(number + n * 5 + self.seed) % len(KINDS)]
                self._message(client, number, n, kind)
                if kind.ends == "close":
                    return
            client.quit()

    def _told(self, what, reply, wanted):
        self.replies[reply.code] += 1
        if reply.code != wanted:
            self.faults.append(f"{what}: wanted {wanted}, was told {reply}")

    def _message(self, client, number, n, kind):
        token = self.lab.token()
        sender = f"s{number}.{n}@sender.test"
        self.expected[token] = (sender, kind)
        self._told("MAIL", client.mail(sender, *kind.parameters), 250)
        for recipient, code in kind.to.items():
            self._told(f"RCPT {recipient}", client.rcpt(recipient), code)
        if kind.ends == "RSET" or kind.told is None and kind.ends != "close":
            self._told("RSET", client.command("RSET"), 250)
        elif kind.ends == "close":
            self._told("DATA", client.command("DATA"), 354)
            client.send("Subject: never finished", "")
        else:
            reply = client.data(self.lab.message(token, kind.headers))
            self._told(f"data to {', '.join(kind.to)}", reply, kind.told)

    def check(self):
        """What is not as it should be, in words; waits until the machine's queue is empty."""
        try:
            procs.wait_for(lambda: not self.mta.queued(), "the queue to be empty", QUEUE_S)
        except procs.LabError as error:
            self.faults.append(f"{error}: {self.mta.queued()}")
        wanted = Counter((token, sender, recipient, kind.required and self.mta.modern)
                         for token, (sender, kind) in self.expected.items()
                         for recipient in kind.arrives())
        seen = Counter((arrival.header("Message-ID")[0].strip("<>"), arrival.sender, recipient,
                        "REQUIRETLS" in arrival.parameters)
                       for arrival in self.lab.arrivals.all() if arrival.header("Message-ID")
                       for recipient in arrival.recipients)
        seen = Counter({k: n for k, n in seen.items() if k[0] in self.expected or not k[1]})
        self.faults += [f"missing: {k}" for k in wanted - seen]
        self.faults += [f"not expected, or too often: {k}" for k in seen - wanted]
        return self.faults, sum(wanted.values())

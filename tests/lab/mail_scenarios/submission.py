"""Locally submitted mail, through non_smtpd_milters: sendmail(1), and Postfix's own bounces.

There is nobody to tell at RCPT: what is refused bounces to its submitter, and what
is deferred stays with pickup, which tries again.
"""

import re

import procs
from milter import without_smtp
from scenario import Sent, check, expect, scenario

REQUIRE = ("Require-TLS-ESMTP: yes",)
DEPARTMENT = """
[rule department]
sender = department@sender.test
request = require
"""


def submit(lab, mta, to, headers=(), sender="alice@sender.test"):
    """Hands one message to sendmail(1); its queue id is known when this returns."""
    sent = Sent(lab, mta, lab.token())
    sent.accepted = [to] if isinstance(to, str) else list(to)
    lab.sent.append(sent)
    message = lab.message(sent.token, headers).removesuffix(".\n")
    mta.sendmail(message, "-i", "-f", sender, *sent.accepted)
    sent.queue_id = procs.wait_for(lambda: taken_as(sent), "the queue to take the message")
    return sent


def taken_as(sent):
    found = re.findall(rf" (\S+): message-id=<{re.escape(sent.token)}>",
                       "\n".join(sent.log.lines()))
    return found[0] if found else None


def decided(running, recipient, **fields):
    seen = procs.wait_for(lambda: running.decisions().get(recipient), f"a line for {recipient}")
    for key, wanted in fields.items():
        expect(seen.get(key), wanted, f"{key} for {recipient}")
    return seen


def comes_back(running, sent, sender, recipients, status, words):
    """Checks the bounce, the status of each recipient, and that nothing else arrived."""
    found = sent.deliveries()
    expect({r: (found[r].status, found[r].dsn) for r in recipients},
           {r: ("bounced", status) for r in recipients}, "what became of it")
    bounce = sent.bounce(sender)
    text = " ".join(bounce.body.decode().split())
    for word in (*words, f"Status: {status}", *recipients):
        check(word in text, f"the bounce does not say {word!r}: {text}")
    check("A secret line" not in text, "the bounce holds the body")
    check(sent.token in text, "the bounce does not hold the header")
    expect(sent.arrivals_elsewhere(), [], "it arrived all the same")
    expect(running.decisions().keys() & {sender}, set(), "lines for the bounce itself")


def _submission(version, name, config):
    """Registers a function of (lab, machine with the milter, milter)."""
    def register(function):
        def run(lab):
            running = lab.milter(config)
            mta = lab.mtas[version]
            with without_smtp(running):
                function(lab, mta, running)
                procs.wait_for(lambda: set(mta.queued().values()) <= {"maildrop"},
                               "the queue to be empty")
        scenario(f"submission {version}: {name}")(run)
        return function
    return register


def each(name, config=""):
    def register(function):
        for version in ("3.11", "3.7"):
            _submission(version, name, config)(function)
        return function
    return register


@each("the header is believed, and mail to DANE is delivered")
def _(lab, mta, running):
    sent = submit(lab, mta, "bob@dane.test", REQUIRE)
    expect(sent.deliveries()["bob@dane.test"].status, "sent", "delivery")
    arrival = sent.arrived("bob@dane.test")
    expect("REQUIRETLS" in arrival.parameters, mta.modern, str(arrival))
    expect(arrival.header("Require-TLS-ESMTP"), ["yes"], "the header")
    decided(running, "bob@dane.test", request="require", verdict="satisfied", action="accept")


@each("the header, to a domain that publishes nothing: a bounce without the body")
def _(lab, mta, running):
    sent = submit(lab, mta, "bob@plain.test", REQUIRE)
    comes_back(running, sent, "alice@sender.test", ["bob@plain.test"], "5.7.10",
               ["Sender requested REQUIRETLS, but plain.test publishes neither DANE nor MTA-STS"])
    decided(running, "bob@plain.test", request="require", level="enforce", verdict="unsatisfied",
            action="reject", queue_id=sent.queue_id)


@each("the header, one recipient of two cannot be reached securely: all of it bounces")
def _(lab, mta, running):
    both = ["bob@dane.test", "carol@plain.test"]
    sent = submit(lab, mta, both, REQUIRE)
    comes_back(running, sent, "alice@sender.test", both, "5.7.10", ["carol@plain.test"])
    decided(running, "bob@dane.test", verdict="satisfied", action="reject",
            reason='"refused for another recipient\'s sake"')


@each("a rule on the sender, delivered", DEPARTMENT)
def _(lab, mta, running):
    sent = submit(lab, mta, "bob@dane.test", sender="department@sender.test")
    expect(sent.deliveries()["bob@dane.test"].status, "sent", "delivery")
    decided(running, "bob@dane.test", request="require", verdict="satisfied", action="accept")


@each("a rule on the sender, refused: a bounce, not a message that waits for ever", DEPARTMENT)
def _(lab, mta, running):
    both = ["bob@dane.test", "carol@plain.test"]
    sent = submit(lab, mta, both, sender="department@sender.test")
    comes_back(running, sent, "department@sender.test", both, "5.7.10",
               ["carol@plain.test", "This message requires TLS, but plain.test"])
    decided(running, "carol@plain.test", request="require", verdict="unsatisfied",
            action="reject", queue_id=sent.queue_id)
    procs.wait_for(lambda: not mta.queued(), "the queue and pickup's to be empty")


@each("a null MX")
def _(lab, mta, running):
    sent = submit(lab, mta, "bob@nullmx.test", REQUIRE)
    comes_back(running, sent, "alice@sender.test", ["bob@nullmx.test"], "5.1.10",
               ["nullmx.test accepts no mail"])


@each("what cannot be decided stays with pickup", DEPARTMENT)
def _(lab, mta, running):
    for sender, headers in (("alice@sender.test", REQUIRE), ("department@sender.test", ())):
        running.forget()
        submit(lab, mta, "bob@mx-servfail.test", headers, sender)
        decided(running, "bob@mx-servfail.test", verdict="undecided", action="tempfail")
    procs.wait_for(lambda: sorted(mta.queued().values()) == ["maildrop"] * 2,
                   "both messages in pickup's queue")
    check(not any(a.sender == "" for a in lab.arrivals.all()), "a bounce for a passing failure")


@each("TLS-Required: No")
def _(lab, mta, running):
    sent = submit(lab, mta, "bob@dane-wrong.test" if mta.modern else "bob@plain.test",
                  ("TLS-Required: No",))
    delivery, = sent.deliveries().values()
    expect((delivery.status, delivery.tls), ("sent", "may" if mta.modern else ""), str(delivery))
    decided(running, delivery.to, request="optional", action="accept")


@each("plain mail leaves no line")
def _(lab, mta, running):
    sent = submit(lab, mta, "bob@plain.test")
    expect(sent.deliveries()["bob@plain.test"].status, "sent", "delivery")
    expect(running.decisions(), {}, "lines")


def _accept_header(setting, trusted, believed):
    config = f"[milter]\naccept_header = {setting}\n{trusted}"

    def run(lab, running):
        # Postfix 3.11 would enforce the header by itself; 3.7 shows the milter's answer alone.
        with without_smtp(running):
            sent = submit(lab, lab.mtas["3.7"], "bob@plain.test", REQUIRE)
            status = "bounced" if believed else "sent"
            expect(sent.deliveries()["bob@plain.test"].status, status, "delivery")
    scenario(f"submission 3.7: accept_header = {setting}"
             f"{', locally submitted mail is not trusted' if trusted else ''}")(
        lambda lab: run(lab, lab.milter(config)))


NOT_LOCAL = "trusted_clients = 192.0.2.200\n"
for row in (("any", "", True), ("authenticated", "", True), ("trusted", "", True),
            ("no", "", False), ("any", NOT_LOCAL, True), ("authenticated", NOT_LOCAL, False),
            ("trusted", NOT_LOCAL, False)):
    _accept_header(*row)


@each("bounces of its own pass untouched, and are not held to the original's request",
      "[rule all]\nclient = local\nrequest = require\nlevel = enforce\n")
def _(lab, mta, running):
    # Its own bounce goes to a domain that publishes nothing, and a rule asks REQUIRETLS of all.
    sent = lab.send(mta, "nobody@dane.test", sender="alice@plain.test",
                    parameters=["REQUIRETLS"] if mta.modern else [])
    expect(sent.deliveries()["nobody@dane.test"].status, "bounced", "delivery")
    bounce = sent.bounce("alice@plain.test")
    expect(bounce.parameters.count("REQUIRETLS"), 0, "REQUIRETLS of the bounce")
    expect(bounce.header("Require-TLS-ESMTP") + bounce.header("TLS-Required"), [], "its headers")
    expect(bounce.header("Content-Type")[0].split(";")[0], "multipart/report", "its type")
    expect(b"A secret line" in bounce.body, not mta.modern, "the original's body")
    check(b"Status: 5.1.1" in bounce.body, "no delivery status")
    line = decided(running, "alice@plain.test", request="require", verdict="not-applicable",
                   action="accept", reason='"the reverse-path is empty"')
    expect(line["queue_id"], sent.log.bounce_of(sent.queue_id), "the bounce's queue id")

"""What Postfix's own bounces hold: never the body of a REQUIRETLS message, else all of it.

The originals come by a listener without the milter, so that nothing but the bounce itself shows
what was asked; `alice@sender.test` gets the bounces.
"""

import contextlib
import email
import email.policy
import re

import procs
from milter import without_smtp
from scenario import check, expect, scenario

TO = "nobody@dane.test"  # refused by its server
ASKED = ("Require-TLS-ESMTP: yes",)
FULL = ("RET=FULL",)
SECRET = b"A secret line"


def bounced(lab, mta, **how):
    sent = lab.send(mta, TO, **how)
    expect(sent.deliveries()[TO].status, "bounced", "delivery")
    return sent, sent.bounce("alice@sender.test")


def each(name, stands=True):
    def register(function):
        for version in ("3.11", "3.7"):
            def run(lab, version=version):
                running = lab.milter()
                with without_smtp(running) if stands else contextlib.nullcontext():
                    function(lab, lab.mtas[version], running)
                procs.wait_for(lambda: not lab.mtas[version].queued(), "the queue to be empty")
            scenario(f"bounce {version}: {name}")(run)
        return function
    return register


def redacted(running):
    """Whether the milter had to: Postfix 3.11 does it by itself."""
    return "took the returned message's body out of a bounce" in running.log()


def well_formed(bounce):
    parsed = email.message_from_bytes(bounce.bytes(), policy=email.policy.default)
    expect(parsed.get_content_type(), "multipart/report", "the bounce's type")
    check(not any(p.defects for p in parsed.walk()), "the bounce is not well-formed")
    return [p.get_content_type() for p in parsed.iter_parts()]


@each("REQUIRETLS by header, RET=FULL asked for")
def _(lab, mta, running):
    sent, bounce = bounced(lab, mta, headers=ASKED, parameters=FULL)
    check(SECRET not in bounce.bytes(), "the bounce holds the body")
    check(sent.token.encode() in bounce.body, "the bounce does not hold the header")
    expect(well_formed(bounce), ["text/plain", "message/delivery-status", "text/rfc822-headers"],
           "its parts")
    expect(bounce.header("Require-TLS-ESMTP") + bounce.header("TLS-Required"), [], "its header")
    expect(redacted(running), not mta.modern, "it was the milter that did it")


@each("REQUIRETLS by parameter, with TLS-Required: No and RET=FULL")
def _(lab, mta, running):
    sent, bounce = bounced(lab, mta, slot=running.slot, headers=("TLS-Required: No",),
                           parameters=("REQUIRETLS", *FULL))
    check(SECRET not in bounce.bytes(), "the bounce holds the body")
    check(sent.token.encode() in bounce.body, "the bounce does not hold the header")
    expect(bounce.header("TLS-Required"), [], "TLS-Required of the bounce")


@each("what the postmaster is told of one that bounces itself")
def _(lab, mta, running):
    notices = {"notify_classes": "bounce, 2bounce, delay",
               "2bounce_notice_recipient": "alice@sender.test"}
    with mta.configured(**notices):
        for headers, whole in ((ASKED, False), ((), True)):
            sent = lab.send(mta, TO, sender="", headers=headers, parameters=FULL)
            arrived, = lab.arrivals.wait(sent.token, "alice@sender.test")
            check(arrived.sender.startswith("double-bounce@"), f"from {arrived.sender}")
            check(sent.token.encode() in arrived.body, "the notice does not hold the header")
            expect(SECRET in arrived.bytes(), whole, f"{headers}: the body is in the notice")


@each("REQUIRETLS, internationalized")
def _(lab, mta, running):
    sent = lab.send(mta, TO, parameters=("SMTPUTF8", "BODY=8BITMIME", *FULL), sender="\u00e5@sender.test",
                    message=lab.message(token := lab.token(), ASKED, "gr\u00fc\u00dfe"))
    expect(sent.deliveries()[TO].status, "bounced", "delivery")
    bounce, = lab.arrivals.wait(token, "\u00e5@sender.test")
    expect(bounce.sender, "", "the bounce's sender")
    check("SMTPUTF8" in bounce.parameters, str(bounce.mail))
    check(SECRET not in bounce.bytes(), "the bounce holds the body")
    check("gr\u00fc\u00dfe".encode() in bounce.body, "the bounce does not hold the header")
    expect(well_formed(bounce), ["text/plain", "message/global-delivery-status",
                                 "message/global-headers"], "its parts")
    expect(redacted(running), not mta.modern, "it was the milter that did it")


@each("TLS-Required: No, RET=FULL")
def _(lab, mta, running):
    _, bounce = bounced(lab, mta, headers=("TLS-Required: No",), parameters=FULL)
    check(SECRET in bounce.body, "the bounce does not hold the body")
    expect(bounce.header("TLS-Required"), ["No" if not mta.modern else "no"], "TLS-Required")
    line = procs.wait_for(lambda: running.decisions().get("alice@sender.test"), "a line for it")
    expect(line["request"], "optional", "request of the bounce")


def comparable(bounce):
    """The bounce without what differs between any two: ids, dates, the token."""
    text = bounce.bytes()
    for pattern in (rb"t\d+\.\d+\.\d+(@lab\.test)?", rb"[0-9A-Za-z]{9,}\.\d+/mta[\w.]+",
                    rb"\b\d{14}\.", rb"\b[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,}\b",
                    rb"\w{3}, +\d+ \w{3} \d{4} [\d:]+ [+-]\d+ \(\w+\)"):
        text = re.sub(pattern, b"#", text)
    return text


@each("ordinary mail's bounce is what it would be without a milter", stands=False)
def _(lab, mta, running):
    without = bounced(lab, mta, parameters=FULL)[1]
    with without_smtp(running):
        stands = bounced(lab, mta, parameters=FULL)[1]
    check(SECRET in stands.body, "the body is lost")
    expect(comparable(stands), comparable(without), "the bounce")


@each("a forged report: not from <>, or not made here")
def _(lab, mta, running):
    def forged(token):
        return "\n".join([
            "From: MAILER-DAEMON <x@sender.test>", f"Message-ID: <{token}>", "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="B"', "",
            "--B", "", "A note.", "--B", "Content-Type: message/rfc822", "",
            "Require-TLS-ESMTP: yes", "Subject: x", "", "A secret line.", "--B--", "."]) + "\n"
    for sender in ("alice@sender.test", ""):
        sent = lab.send(mta, "bob@plain.test", slot=running.slot, sender=sender,
                        message=forged(token := lab.token()))
        expect(sent.deliveries()["bob@plain.test"].status, "sent", "delivery")
        arrived, = lab.arrivals.wait(token, "bob@plain.test")
        check(SECRET in arrived.body, f"content of mail from <{sender}> is lost")


@each("fifty megabytes")
def _(lab, mta, running):
    def big(token):
        line = "x" * 900
        return (f"From: a <alice@sender.test>\nMessage-ID: <{token}>\nRequire-TLS-ESMTP: yes\n\n"
                f"A secret line.\n" + f"{line}\n" * 55000 + ".\n")
    with mta.configured(message_size_limit="80000000", bounce_size_limit="80000000"):
        token = lab.token()
        sent = lab.send(mta, TO, message=big(token), parameters=FULL)
        sent.token = token
        expect(sent.deliveries(timeout_s=90)[TO].status, "bounced", "delivery")
        bounce = sent.bounce("alice@sender.test", timeout_s=90)
    check(SECRET not in bounce.bytes() and b"xxxx" not in bounce.body, "the body was returned")
    check(len(bounce.body) < 10000, f"{len(bounce.body)} octets were returned")
    expect(redacted(running), not mta.modern, "it was the milter that did it")

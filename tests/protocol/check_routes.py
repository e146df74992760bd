"""Routes: the exact commands by which a message gets onto its way."""

from harness import Daemon, equal, matches, message
from operation import symptom

FINE = "[rule fine]\nnexthop = .fine\ntls_policy = secure match=mx.fine\n"
BOTH = """
[default]
route = strict
optional_route = optional
[route strict]
method = {0}
[route optional]
method = {0}
"""
HEADER = FINE + BOTH.format("header")
RECIPIENT = FINE + BOTH.format("recipient")
AGAIN = FINE + ("[default]\nroute = again\n[route again]\nmethod = header\nlocal = reinject\n"
                "[milter]\naccept_header = any\n")
REINJECT = RECIPIENT.replace("= recipient", "= recipient\nlocal = reinject")
ASK = ["REQUIRETLS", "RET=HDRS"]
NO = [("TLS-Required", "No")]
LOCAL = {"client": "127.0.0.1", "tls": False}


def via(value):
    return [("addheader", "X-REQUIRETLS-Route", f" {value}"),
            ("chgheader", 1, "X-REQUIRETLS-Route", "")]


def mark(address, tag, params):
    local, domain = address.rsplit("@", 1)
    return [("addrcpt_par", f"<{local}@{domain}.{tag}>", params), ("delrcpt", f"<{address}>")]


TAG = "requiretls.invalid"
# name, configuration, session, message, the changes
CASES = [
    ("by header", HEADER, {}, {"params": ASK, "rcpts": ["<a@b.fine>", "<c@d.fine>"]},
     via("strict")),
    ("by header, TLS-Required: No", HEADER, {}, {"headers": NO, "rcpts": ["<a@b.test>"]},
     via("optional")),
    ("by header, a forged field", HEADER, {},
     {"params": ASK, "rcpts": ["<a@b.fine>"], "headers": [("X-REQUIRETLS-Route", "optional")]},
     [("chgheader", 1, "X-REQUIRETLS-Route", "")] + via("strict")),
    ("by header, a relay host", HEADER, {},
     {"params": ASK, "rcpts": ["<a@b.test>", "<c@d.test>"],
      "rcpt_macros": {"{rcpt_host}": "[relay.fine]:587", "{rcpt_mailer}": "smtp"}},
     via("strict [relay.fine]:587")),
    ("by recipient", RECIPIENT, {}, {"params": ASK, "rcpts": ["<a+x@b.fine>", "<b@own.example>"]},
     mark("a+x@b.fine", TAG, "ORCPT=rfc822;a+2Bx@b.fine")),
    ("by recipient, TLS-Required: No", RECIPIENT, {}, {"headers": NO, "rcpts": ["<a@b.test>"]},
     mark("a@b.test", "optional." + TAG, "ORCPT=rfc822;a@b.test")),
    ("by recipient, a quoted local part", RECIPIENT, {},
     {"params": ASK, "rcpts": ['<"a b@c"@b.fine>']},
     mark('"a b@c"@b.fine', TAG, 'ORCPT=rfc822;"a+20b@c"@b.fine')),
    ("by recipient, not ASCII", RECIPIENT, {}, {"params": ASK, "rcpts": ["<\u00e9@b.fine>"]},
     mark("\u00e9@b.fine", TAG, "ORCPT=utf-8;\\x{E9}@b.fine")),
    ("by recipient, an alias without a domain", REINJECT, {"own_host": "mx.own.example"},
     {"params": ASK, "rcpts": ["<all>"],
      "rcpt_macros": {"{rcpt_mailer}": "local", "{rcpt_addr}": "all"}},
     [("addrcpt_par", f"<all@mx.own.example.{TAG}>", "ORCPT=rfc822;all@mx.own.example"),
      ("delrcpt", "<all>")]),
    ("a bounce is on no strict route", HEADER, {}, {"sender": "<>", "params": ASK}, []),
    ("a bounce that Postfix 3.11 would discard", HEADER.replace(
        "[route optional]", "opportunistic = optional\n[route optional]"),
     {"version": "Postfix 3.11.7"}, {"sender": "<>", "params": ASK, "rcpts": ["<a@b.fine>"]}, via("optional")),
    ("a bounce that another MTA would not", HEADER.replace(
        "[route optional]", "opportunistic = optional\n[route optional]"),
     {"version": "Postfix 3.10.2"}, {"sender": "<>", "params": ASK}, []),
    ("Require-TLS-ESMTP with blanks, re-injected", AGAIN, {},
     {"params": ["RET=HDRS"], "rcpts": ["<a@b.fine>"],
      "headers": [("Require-TLS-ESMTP", " no"), ("Require-TLS-ESMTP", " yes ")]},
     [("chgheader", 2, "Require-TLS-ESMTP", " yes")] + via("again")),
    ("Require-TLS-ESMTP that is not believed", HEADER, {},
     {"headers": [("Require-TLS-ESMTP", " yes"), ("Subject", " x"), ("require-tls-esmtp", " yes ")]},
     [("chgheader", 2, "Require-TLS-ESMTP", ""), ("chgheader", 1, "Require-TLS-ESMTP", "")]),
    ("TLS-Required of what requires TLS", HEADER, {},
     {"params": ASK, "rcpts": ["<a@b.fine>"], "headers": NO},
     [("chgheader", 1, "TLS-Required", "")] + via("strict")),
    ("TLS-Required that is signed, of what requires TLS", HEADER, {},
     {"params": ASK, "rcpts": ["<a@b.fine>"],
      "headers": [("DKIM-Signature", " v=1;\n\th=from:tls-required; b=x"), *NO]}, via("strict")),
    ("one recipient's copy requires TLS, another's waives it",
     HEADER + "[rule r]\nnexthop = b.fine\nrequest = require\n", {},
     {"params": ["RET=HDRS"], "rcpts": ["<a@b.fine>", "<c@d.fine>"], "headers": NO},
     [("chgheader", 1, "TLS-Required", "")] + via("strict")),
    ("re-injection", AGAIN, {}, {"params": ASK, "rcpts": ["<a@b.fine>"]},
     [("addheader", "Require-TLS-ESMTP", " yes")] + via("again")),
]


def route(config, session, mail, changes):
    with Daemon(config) as d, d.session(**session) as m:
        got = message(m, **mail)["eom"]
        equal((got.action, got.changes), ("continue", changes))


def keeps_parameters():
    with Daemon(RECIPIENT) as d, d.session() as m:
        m.mail("<a@b.example>", *ASK, macros=m.mail_macros)
        m.rcpt("<x@b.fine>", "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;y@z.example", macros={})
        m.rcpt("<y@b.fine>", "NOTIFY=NEVER", "ORCPT=bad value", macros={})
        m.eoh(macros={"i": "4bX"})
        equal(m.eom(macros={"i": "4bX"}).changes,
              mark("x@b.fine", TAG, "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;y@z.example") +
              mark("y@b.fine", TAG, "NOTIFY=NEVER ORCPT=rfc822;y@b.fine"))


def local_and_remote(local, wanted):
    config = HEADER.replace("[route optional]", f"local = {local}\n[route optional]")
    with Daemon(config) as d, d.session() as m:
        m.mail("<a@b.example>", *ASK, macros=m.mail_macros)
        m.rcpt("<x@b.fine>", macros={"{rcpt_mailer}": "smtp", "{rcpt_host}": "b.fine"})
        m.rcpt("<y@here.test>", macros={"{rcpt_mailer}": "virtual", "{rcpt_host}": "here.test"})
        m.eoh(macros={"i": "4bX"})
        got = m.eom(macros={"i": "4bX"})
        if isinstance(wanted, str):
            matches(got.text, wanted)
        else:
            equal(got.changes, wanted)


def no_loop():
    with Daemon(AGAIN) as d:
        with d.session() as m:
            equal(len(message(m, params=ASK, rcpts=["<a@b.fine>"])["eom"].changes), 3)
        back = {"params": ["RET=HDRS"], "rcpts": ["<a@b.fine>"], "headers": [
            ("Received", "from c (c [192.0.2.9])\n\tby mail.own.example (Postfix) with ESMTPS id "
                         "4bXyZ\n\tfor <a@b.fine>; Sat, 1 Jan 2026"),
            ("Require-TLS-ESMTP", "yes")]}
        with d.session(**LOCAL) as m:
            equal(message(m, queue_id="4bTwo", **back)["eom"].text[:9], "451 4.3.0", "no rule")
            matches(d.log(), "4bTwo: " + symptom("message deferred: it is reinjected"))
        with d.session(**LOCAL, version="Postfix 3.11.7") as m:
            equal(message(m, queue_id="4bTwo", **back)["eom"].changes, [], "left to the MTA")
        for what, session in (("from a stranger", {}), ("sendmail(1)", {**LOCAL, "port": 0})):
            with d.session(**session) as m:
                equal(message(m, **back)["eom"].changes, via("again"), what)
        early = "[rule early]\nsender = a@b.example\nroute = again\n"
        out = "[rule out]\ndaemon = second\nroute = out\n[route out]\nmethod = header\n"
        d.reload(AGAIN + early + out)
        with d.session(**LOCAL, daemon_name="second") as m:
            equal(message(m, queue_id="4bTwo", **back)["eom"].text[:9], "451 4.3.0", "a rule before it")
            matches(d.log(), "4bTwo: " + symptom("a rule reinjects it once more"))
        d.reload(AGAIN + out + early)
        with d.session(**LOCAL, daemon_name="second") as m:
            equal(message(m, queue_id="4bTwo", **back)["eom"].changes, via("out"), "behind it")
        d.reload(AGAIN + "[rule out]\ndaemon = second\nroute = out\n[route out]\nmethod = header\n")
        with d.session(**LOCAL, daemon_name="second") as m:
            equal(message(m, queue_id="4bTwo", **back)["eom"].changes, via("out"), "by its listener")


def bcc_may_not_leave():
    rule = "[rule out]\ndaemon = second\nrequest = require\nroute = out\n[route out]\nmethod = header\n"
    lost = (r"warning: 4bX: the copy for <archive@none\.test> is refused, and nobody is told "
            r"\(NOTIFY=NEVER\): this host's own policy for none\.test")
    with Daemon(rule + "[rule none]\nnexthop = none.test\ntls_policy = encrypt\n") as d:
        for session, notify, warnings in (({}, "NEVER", 0), (LOCAL, "FAILURE", 0),
                                          (LOCAL, "NEVER", 1)):
            with d.session(**session, daemon_name="second") as m:
                m.mail("<a@b.example>", macros=m.mail_macros)
                got = m.rcpt("<archive@none.test>", f"NOTIFY={notify}", macros={"i": "4bX"})
                matches(got.text, r"^550 5\.7\.10 ")
                equal(len(d.logged(lost)), warnings, notify)
        matches(d.log(), symptom("and nobody is told"))


def run(suite):
    for name, *case in CASES:
        suite.run(f"route: {name}", route, *case)
    for name, function, *args in (
            ("NOTIFY and ORCPT are kept", keeps_parameters),
            ("local and remote, local = recipient", local_and_remote, "recipient",
             mark("x@b.fine", TAG, "ORCPT=rfc822;x@b.fine")),
            ("local and remote, local = refuse", local_and_remote, "refuse",
             r"^550 5\.7\.10 This message requires TLS, but its recipients take different ways"),
            ("a copy without notices that may not leave is a warning", bcc_may_not_leave),
            ("mail loop: reinjected mail without an exit route is deferred", no_loop)):
        suite.run(f"route: {name}", function, *args)

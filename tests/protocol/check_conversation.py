"""What clients are told and what MTAs are asked to change, for destinations that need no lookup:
the administrator's own policies, local mailers, our own domain, literals, the null sender."""

import milter_client as mc
from harness import Daemon, check, equal, matches, message

# `.refused` has servers that cannot be authenticated, `.fine` servers that can.
POLICIES = """
[rule refused]
nexthop = .refused
tls_policy = encrypt

[rule fine]
nexthop = .fine
tls_policy = secure match=mx.fine
"""
NO = ("Sender requested REQUIRETLS, but this host's own policy for b.refused (encrypt) does not "
      "authenticate its servers")
OFFER = "[default]\nrequire_offer = yes\n"
NO_OFFER = ("Sender requested REQUIRETLS, but this host cannot pass REQUIRETLS on to the mail "
            "servers of b.fine")


def answer_of(got):
    """The last answer of a message, in the words of the tables."""
    for stage in ("eom", "eoh"):
        if stage in got:
            return got[stage]
    return got["rcpt"][-1] if got["rcpt"] else got["mail"]


def shown(answer):
    return answer.text if answer.action == "replycode" else answer.action


# name, configuration, session, message, the last answer, the changes
CASES = [
    ("plain mail is let go at the end of the header", "", {}, {}, "accept", []),
    ("plain mail to where REQUIRETLS could not go", "", {}, {"rcpts": ["<a@b.refused>"]},
     "accept", []),
    ("REQUIRETLS in plaintext", "", {"tls": False}, {"params": ["REQUIRETLS"]},
     "530 5.7.10 REQUIRETLS needs an encrypted session: use STARTTLS", []),
    ("REQUIRETLS in plaintext, authenticated", "", {"tls": False, "login": "bob"},
     {"params": ["REQUIRETLS"]},
     "530 5.7.10 REQUIRETLS needs an encrypted session: use STARTTLS", []),
    ("REQUIRETLS in plaintext from a trusted client", "", {"tls": False, "client": "127.0.0.9"},
     {"params": ["REQUIRETLS"]}, "continue", [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("REQUIRETLS in plaintext from ::1", "", {"tls": False, "client": "::1"},
     {"params": ["REQUIRETLS"]}, "continue", [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("REQUIRETLS=yes", "", {}, {"params": ["REQUIRETLS=yes"]},
     "501 5.5.4 REQUIRETLS takes no value", []),
    ("REQUIRETLS, own policy that authenticates", "", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.fine>"]}, "continue",
     [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("REQUIRETLS, own policy that does not", "", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.refused>"]}, f"550 5.7.10 <a@b.refused>: {NO}", []),
    ("the marker", "", {}, {"params": ["SIZE=00000000000000008689", "SIZE=10"],
                            "rcpts": ["<a@b.refused>"]}, f"550 5.7.10 <a@b.refused>: {NO}", []),
    ("another marker", "[milter]\nmarker = XRTLS\n", {},
     {"params": ["XRTLS"], "rcpts": ["<a@b.refused>"]}, f"550 5.7.10 <a@b.refused>: {NO}", []),
    ("no marker", "[milter]\nmarker =\n", {},
     {"params": ["SIZE=00000000000000008689"], "rcpts": ["<a@b.refused>"]}, "accept", []),
    ("on_unsatisfied = tempfail", "[default]\non_unsatisfied = tempfail\n", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.refused>"]},
     f"451 4.7.10 <a@b.refused>: {NO}; try again later", []),
    ("on_unsatisfied = log", "[default]\non_unsatisfied = log\n", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.refused>"]}, "continue",
     [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("on_unsatisfied = quarantine", "[default]\non_unsatisfied = quarantine\n", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.refused>"]}, "continue",
     [("chgfrom", "<a@b.example>", "RET=HDRS"),
      ("quarantine", "this host's own policy for b.refused (encrypt) does not authenticate its "
       "servers")]),
    ("fallback = may", "[route native]\nmethod = none\ncan = dane, sts, fallback\n"
     "[default]\nfallback = may\n", {}, {"params": ["REQUIRETLS"], "rcpts": ["<a@b.refused>"]},
     "continue", [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("an address literal", "", {}, {"params": ["REQUIRETLS"], "rcpts": ["<a@[192.0.2.1]>"]},
     "continue", [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("an enforced address literal", "[rule x]\nnexthop = 192.0.2.0/24\nlevel = enforce\n", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@[192.0.2.1]>"]},
     "550 5.7.10 <a@[192.0.2.1]>: Sender requested REQUIRETLS, but [192.0.2.1] is an address and "
     "can publish neither DANE nor MTA-STS", []),
    ("a local mailer", "", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.refused>"],
      "rcpt_macros": {"{rcpt_host}": "b.refused", "{rcpt_mailer}": "local"}}, "continue",
     [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("the error mailer", "", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.refused>"],
      "rcpt_macros": {"{rcpt_host}": "5.1.1 User unknown", "{rcpt_mailer}": "error"}}, "continue",
     [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("a smart host", "", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.fine>"],
      "rcpt_macros": {"{rcpt_host}": "[b.refused]:587", "{rcpt_mailer}": "relay"}},
     "550 5.7.10 <a@b.fine>: Sender requested REQUIRETLS, but this host's own policy for "
     "[b.refused]:587 (encrypt) does not authenticate its servers", []),
    ("the null sender", "", {},
     {"sender": "<>", "params": ["REQUIRETLS"], "rcpts": ["<a@b.refused>"]}, "continue", []),
    ("a bounce of Postfix's own", "", {"client": "127.0.0.1", "port": 0, "name": "localhost",
                                       "tls": False},
     {"sender": "", "rcpts": ["a@b.refused"], "headers": [("Require-TLS-ESMTP", "yes")]},
     "continue", []),
    ("TLS-Required: No", "", {}, {"headers": [("TLS-Required", "No")], "rcpts": ["<a@b.refused>"]},
     "accept", []),
    ("TLS-Required twice", "", {}, {"headers": [("TLS-Required", "No")] * 2}, "accept", []),
    ("REQUIRETLS with TLS-Required: No", "", {},
     {"params": ["REQUIRETLS"], "headers": [("TLS-Required", "No")], "rcpts": ["<a@b.fine>"]},
     "continue", [("chgheader", 1, "TLS-Required", ""), ("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("the same where Postfix 3.11 passes REQUIRETLS on", "", {"version": "Postfix 3.11.7"},
     {"params": ["REQUIRETLS"], "headers": [("TLS-Required", "No")], "rcpts": ["<a@b.fine>"]},
     "continue", [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("Require-TLS-ESMTP of a stranger", "", {},
     {"headers": [("Require-TLS-ESMTP", "yes")], "rcpts": ["<a@b.refused>"]},
     "continue", [("chgheader", 1, "Require-TLS-ESMTP", "")]),
    ("Require-TLS-ESMTP of a stranger, signed", "", {},
     {"headers": [("Require-TLS-ESMTP", "yes"), ("DKIM-Signature", " h=from:Require-TLS-ESMTP")],
      "rcpts": ["<a@b.refused>"]}, "accept", []),
    ("Require-TLS-ESMTP of an authenticated client", "", {"login": "bob"},
     {"headers": [("Require-TLS-ESMTP", "yes")], "rcpts": ["<a@b.refused>"]},
     f"550 5.7.10 <a@b.refused>: {NO}", []),
    ("Require-TLS-ESMTP of locally submitted mail", "",
     {"client": "127.0.0.1", "port": 0, "name": "localhost", "tls": False},
     {"headers": [("Require-TLS-ESMTP", "yes")], "rcpts": ["a@b.refused"]},
     f"550 5.7.10 <a@b.refused>: {NO}", []),
    ("the same, not trusted", "[milter]\ntrusted_clients = 127.0.0.0/8\n",
     {"client": "127.0.0.1", "port": 0, "name": "localhost", "tls": False},
     {"headers": [("Require-TLS-ESMTP", "yes")], "rcpts": ["a@b.refused"]},
     "continue", [("chgheader", 1, "Require-TLS-ESMTP", "")]),
    ("Require-TLS-ESMTP, accept_header = any", "[milter]\naccept_header = any\n", {},
     {"headers": [("Require-TLS-ESMTP", "yes")], "rcpts": ["<a@b.refused>"]},
     f"550 5.7.10 <a@b.refused>: {NO}", []),
    ("a rule by header", "[rule c]\nheader = Sensitivity: company-*\nrequest = require\n", {},
     {"headers": [("sensitivity", "Company-Confidential")], "rcpts": ["<a@b.refused>"]},
     "550 5.7.10 <a@b.refused>: This message requires TLS, but this host's own policy for b.refused "
     "(encrypt) does not authenticate its servers", []),
    ("a rule by daemon", "[rule c]\ndaemon = submission\nrequest = require\n",
     {"daemon_name": "submission"}, {"rcpts": ["<a@b.refused>"]},
     "550 5.7.10 <a@b.refused>: This message requires TLS, but this host's own policy for b.refused "
     "(encrypt) does not authenticate its servers", []),
    ("a rule by client name", "[rule c]\nclient = .dept.example\nrequest = require\n",
     {"name": "pc1.dept.example"}, {"rcpts": ["<a@b.refused>"]},
     "550 5.7.10 <a@b.refused>: This message requires TLS, but this host's own policy for b.refused "
     "(encrypt) does not authenticate its servers", []),
    ("a tagged recipient", "", {}, {"rcpts": ["<a@b.fine.requiretls.invalid>"]},
     "550 5.1.2 <a@b.fine.requiretls.invalid>: Recipient address rejected: reserved domain", []),
    ("a tagged recipient from a trusted client", "",
     {"client": "127.0.0.1", "name": "localhost", "tls": False},
     {"rcpts": ["<a@b.fine.requiretls.invalid>"]},
     "550 5.1.2 <a@b.fine.requiretls.invalid>: Recipient address rejected: reserved domain", []),
    ("a tagged recipient by {rcpt_mailer} and {rcpt_host}",
     "[route strict]\nmethod = recipient\n", {},
     {"rcpts": ["<a@own.example>"], "rcpt_macros": {
         "{rcpt_mailer}": "rtlsstrict", "{rcpt_host}": "requiretls.invalid"}},
     "550 5.1.2 <a@own.example>: Recipient address rejected: reserved domain", []),
    ("a tagged sender", "", {}, {"sender": "<a@b.fine.requiretls.invalid>"},
     "550 5.1.8 Sender address rejected: reserved domain", []),
    ("forged routing headers", "", {},
     {"headers": [("X-REQUIRETLS-Route", "strict"), ("Subject", "x"),
                  ("x-requiretls-route", "optional")]}, "continue",
     [("chgheader", 2, "X-REQUIRETLS-Route", ""), ("chgheader", 1, "X-REQUIRETLS-Route", "")]),
    ("RET=FULL and ENVID", "", {},
     {"params": ["RET=FULL", "ENVID=x+3D1", "REQUIRETLS"], "rcpts": ["<a@b.fine>"]}, "continue",
     [("chgfrom", "<a@b.example>", "RET=HDRS ENVID=x+3D1")]),
    ("BODY is repeated for sendmail", "", {"version": "8.17.1.9/8.17.1.9/Debian-2"},
     {"params": ["RET=FULL", "BODY=8BITMIME", "REQUIRETLS"], "rcpts": ["<a@b.fine>"]}, "continue",
     [("chgfrom", "<a@b.example>", "RET=HDRS BODY=8BITMIME")]),
    ("and not for Postfix, which would complain", "", {"version": "Postfix 3.7.11"},
     {"params": ["RET=FULL", "BODY=8BITMIME", "REQUIRETLS"], "rcpts": ["<a@b.fine>"]}, "continue",
     [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("RET=HDRS already", "", {}, {"params": ["RET=HDRS", "REQUIRETLS"], "rcpts": ["<a@b.fine>"]},
     "continue", []),
    ("add_header = yes", "[milter]\nadd_header = yes\n", {},
     {"params": ["RET=HDRS", "REQUIRETLS"], "rcpts": ["<a@b.fine>"]}, "continue",
     [("addheader", "Require-TLS-ESMTP", " yes")]),
    ("require_offer = yes, an older Postfix", OFFER, {"version": "Postfix 3.7.11"},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.fine>"]}, f"550 5.7.30 <a@b.fine>: {NO_OFFER}", []),
    ("require_offer = yes, an MTA of which nothing is known", OFFER, {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.fine>"]}, f"550 5.7.30 <a@b.fine>: {NO_OFFER}", []),
    ("require_offer = yes, Postfix 3.11", OFFER, {"version": "Postfix 3.11.7"},
     {"params": ["REQUIRETLS"], "rcpts": ["<a@b.fine>"]}, "continue",
     [("chgfrom", "<a@b.example>", "RET=HDRS")]),
    ("require_offer = yes, Postfix 3.11, a rule asks",
     OFFER + "[rule all]\nsender = b.example\nrequest = require\n", {"version": "Postfix 3.11.7"},
     {"rcpts": ["<a@b.fine>"]}, f"550 5.7.30 <a@b.fine>: "
     f"{NO_OFFER.replace('Sender requested REQUIRETLS', 'This message requires TLS')}", []),
    ("require_offer = yes, a route that can", OFFER + "route = strict\n[route strict]\n"
     "method = header\ncan = dane, requiretls\n", {"version": "Postfix 3.7.11"},
     {"params": ["REQUIRETLS", "RET=HDRS"], "rcpts": ["<a@b.fine>"]}, "continue",
     [("addheader", "X-REQUIRETLS-Route", " strict"),
      ("chgheader", 1, "X-REQUIRETLS-Route", "")]),
    ("require_offer = yes of a rule, for its next-hop alone",
     "[rule offer]\nnexthop = b.fine\nrequire_offer = yes\n", {},
     {"params": ["REQUIRETLS", "RET=HDRS"], "rcpts": ["<a@c.fine>", "<a@b.fine>"]},
     "continue", []),
    ("require_offer = yes, mail without a request", OFFER, {}, {"rcpts": ["<a@b.fine>"]}, "accept",
     []),
    ("a percent sign in an address", "", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a%s%n@b.refused>"]},
     f"550 5.7.10 <a%%s%%n@b.refused>: {NO}", []),
    ("control characters in an address", "", {},
     {"params": ["REQUIRETLS"], "rcpts": ["<a\x1b[2J\r\n250 ok@b.refused>"]},
     f"550 5.7.10 <a?[2J??250 ok@b.refused>: {NO}", []),
    ("an address of 2000 octets", "", {},
     {"params": ["REQUIRETLS"], "rcpts": [f"<{'x' * 2000}@b.refused>"]},
     f"550 5.1.2 <{'x' * 126}...>: Sender requested REQUIRETLS, but the address has no valid domain "
     "name", []),
]


def conversation(config, session, mail, answer, changes):
    with Daemon(config + POLICIES) as d:
        with d.session(**session) as m:
            got = answer_of(message(m, **mail))
            equal(shown(got), answer)
            equal(got.changes, changes)


def several_messages():
    """One connection, many messages, of every kind and in any order; nothing carries over."""
    with Daemon(POLICIES) as d:
        with d.session() as m:
            for _ in range(3):
                equal(message(m)["eoh"].action, "accept")
                got = message(m, params=["REQUIRETLS"], rcpts=["<a@b.refused>", "<a@b.fine>"])
                equal([a.action for a in got["rcpt"]], ["replycode", "continue"])
                equal(got["eom"].changes, [("chgfrom", "<a@b.example>", "RET=HDRS")])
                equal(message(m, params=["REQUIRETLS=1"])["mail"].code, "501")
                equal(message(m, headers=[("TLS-Required", "No")])["eoh"].action, "accept")


def abort_anywhere():
    with Daemon(POLICIES) as d:
        with d.session() as m:
            def begin():
                m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
            begin()
            m.abort()
            begin()
            m.rcpt("<a@b.fine>", macros={})
            m.abort()
            m.abort()
            begin()
            m.rcpt("<a@b.fine>", macros={})
            m.header("Subject", "x")
            m.abort()
            begin()  # and MAIL without an end of the last message
            begin()
            equal(message(m)["eoh"].action, "accept")


def mixed(keep, version=None):
    config = "[milter]\naccept_header = any\n" + ("[default]\nmixed = keep\n" if keep else "")
    with Daemon(config + POLICIES) as d:
        with d.session(version=version) as m:
            got = message(m, rcpts=["<x@b.fine>", "<a@b.refused>", "<c@b.refused>"],
                          headers=[("Require-TLS-ESMTP", "yes")])["eom"]
            lines = d.lines("4bXyZ")
            equal(len(lines), 3, "log lines")
            if keep and version:
                equal((got.action, got.changes),
                      ("continue", [("chgfrom", "<a@b.example>", "RET=HDRS")]))
                check(any("to=<a@b.refused>" in x and "action=log" in x for x in lines), lines)
            else:
                equal(got.text, f"550-5.7.10 <a@b.refused>: {NO}\r\n550 5.7.10 <c@b.refused>: {NO}")
                check(all("action=reject" in x for x in lines), lines)


def log_lines():
    with Daemon(POLICIES + "[rule low]\nnexthop = .low\nlevel = opportunistic\n") as d:
        with d.session() as m:
            message(m, params=["REQUIRETLS"], rcpts=["<a@b.refused>"])
            message(m, params=["REQUIRETLS"], rcpts=["<a@b.fine>", "<a@x.low>", "<a@own.example>"],
                    queue_id="4bAAA")
            message(m, headers=[("TLS-Required", "No")], rcpts=["<a@b.refused>"], queue_id="4bBBB")
            message(m, rcpts=["<a@b.refused>"], queue_id="4bCCC")
        with d.session(tls=False) as m:
            message(m, params=["REQUIRETLS"])
        matches(d.log(), r"NOQUEUE: to=<a@b\.refused>, from=<a@b\.example>, nexthop=b\.refused, request=require, "
                r"level=enforce, findings=policy, verdict=unsatisfied, action=reject, route=native, "
                r'wait=0\.000, reason="this host\'s own policy for b\.refused \(encrypt\) does not '
                r'authenticate its servers"')
        one, two, three = d.lines("4bAAA")
        matches(one, r"4bAAA: to=<a@b\.fine>, from=<a@b\.example>, nexthop=b\.fine, request=require, level=enforce, "
                r"findings=policy, expect=secure/requiretls, verdict=satisfied, action=accept, "
                r"route=native, wait=0\.000$")
        matches(two, r"to=<a@x\.low>, from=<a@b\.example>, nexthop=x\.low, request=require, level=opportunistic, "
                r"findings=-, expect=may/requiretls:nocertmatch, verdict=satisfied, action=accept, "
                r"route=native")
        matches(three, r"to=<a@own\.example>.*level=opportunistic, .*action=accept")
        (line,) = d.lines("4bBBB")
        matches(line, r"4bBBB: to=<a@b\.refused>, from=<a@b\.example>, nexthop=b\.refused, request=optional, "
                r"findings=-, expect=may, verdict=not-applicable, action=accept, route=native")
        equal(d.lines("4bCCC"), [], "lines for a message that asks for nothing")
        matches(d.log(), r"NOQUEUE: from=<a@b\.example>, client=192\.0\.2\.9, request=require, "
                r'action=reject, reason="REQUIRETLS needs an encrypted session: use STARTTLS"')


def json_log():
    import json
    with Daemon("[log]\nformat = json\n" + POLICIES) as d:
        with d.session() as m:
            message(m, params=["REQUIRETLS"], rcpts=["<a\x01\"@b.fine>"], queue_id="4bJJJ")
        objects = [json.loads(x[x.index("{"):], object_pairs_hook=list) for x in d.log().splitlines() if "4bJJJ" in x]
        equal(len(objects), 1)
        line = dict(objects[0])
        equal(len(line), len(objects[0]), "members of the same name")
        equal((line["priority"], line["queue_id"], line["level"], line["action"]), ("info", "4bJJJ", "enforce", "accept"))


def header_rules_wait_for_the_header():
    """A level that a header can change is not decided at RCPT."""
    config = "[rule h]\nheader = X-Low: yes\nlevel = disable\n"
    with Daemon(config + POLICIES) as d:
        with d.session() as m:
            for headers, wanted in (([("X-Low", "yes")], "continue"), ([], "replycode")):
                # The policy of `.refused` counts at enforce only.
                got = message(m, params=["REQUIRETLS"], rcpts=["<a@b.refused>"], headers=headers)
                equal(got["rcpt"][0].action, "continue")
                equal(got["eom"].action, wanted)


def run(suite):
    for name, *case in CASES:
        suite.run(f"conversation: {name}", conversation, *case)
    for name, function, *args in (
            ("several messages on one connection", several_messages),
            ("ABORT anywhere", abort_anywhere),
            ("mixed = reject names who is the reason", mixed, False),
            ("mixed = keep leaves them to an MTA that enforces", mixed, True, "Postfix 3.11.7"),
            ("mixed = keep needs a route that enforces", mixed, True),
            ("log lines", log_lines),
            ("log lines in JSON", json_log),
            ("a level by header waits for the header", header_rules_wait_for_the_header)):
        suite.run(f"conversation: {name}", function, *args)

"""The routes of etc/sendmail from end to end: who goes where, what the parameters of the envelope
become, what a bounce holds, and that nobody sees a tag."""

import re

import arrivals
import procs
import senderfilter
import smrouted
from scenario import check, expect
from smrouted import NO, bounce_of, check_untagged, ends, how, routed, submit


@routed("local and remote recipients, aliases and a smart host: each once, each by its own route")
def _(lab, mta, _):
    to = ["bob@dane.test", "carol@local.test", "team@alias.test", "forward@mtasm.lab.test",
          "x@smarthost.test", "bob@sts-badcert.test"]
    sent = submit(lab, mta, to)
    expect(len(sent.accepted), len(to), "accepted")
    # `team` is Bob at dane.test again and Carol at plain.test, `forward` Bob at plain.test: copies
    # that the filter never saw are held to the same.
    found = ends(sent, 6)
    expect({to: how(d) for to, d in found.items()}, {
        "bob@dane.test": "sent OK", "carol@local.test": "sent", "x@smarthost.test": "sent OK",
        "carol@plain.test": "bounced 5.7.10 OK", "bob@plain.test": "bounced 5.7.10 OK",
        "bob@sts-badcert.test": "bounced 5.7.10 OK"}, "deliveries")
    bounce = bounce_of(sent, found["carol@plain.test"])
    for name in ("carol@plain.test", "bob@plain.test", "bob@sts-badcert.test", "5.7.10"):
        check(name.encode() in bounce.bytes(), f"{name} is not in the bounce")
    mails = [m for m in arrivals.mailbox(mta, "carol") if sent.token.encode() in m]
    expect(len(mails), 1, "in carol's mailbox")
    check(smrouted.TAG not in mails[0], mails[0].decode())
    copies = [a for a in lab.arrivals.of(sent.token) if a.sender]
    expect(sorted(r for a in copies for r in a.recipients), ["bob@dane.test", "x@smarthost.test"],
           "who got it")
    check_untagged(sent, [bounce])


@routed("NOTIFY, ORCPT and ENVID are kept, RET=FULL is not")
def _(lab, mta, _):
    sent = submit(lab, mta, "bob@dane.test", parameters=("RET=FULL", "ENVID=one+2Btwo"),
                  rcpt_parameters=("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;orig+2B1@example.org"))
    arrival = sent.arrived("bob@dane.test")
    expect(set(arrival.parameters) - {p for p in arrival.parameters if p.startswith("SIZE=")},
           {"RET=HDRS", "ENVID=one+2Btwo"}, "MAIL")
    expect(set(arrival.rcpt[0][1:]), {"NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;orig+2B1@example.org"},
           "RCPT")
    check_untagged(sent)
    sent = submit(lab, mta, ["bob@sts-badcert.test", "bob@dane.test"],
                  rcpt_parameters=("NOTIFY=NEVER",))
    expect(how(ends(sent, 2)["bob@sts-badcert.test"]), "bounced 5.7.10 OK", "delivery")
    sent.arrived("bob@dane.test")
    expect([a for a in lab.arrivals.of(sent.token) if not a.sender], [], "bounces")


@routed("a bounce goes to a sender without TLS, with the header only, though RET=FULL was asked for")
def _(lab, mta, _):
    sent = submit(lab, mta, "bob@sts-badcert.test", sender="alice@plain-no-starttls.test",
                  parameters=("RET=FULL",))
    bounce = bounce_of(sent, ends(sent)["bob@sts-badcert.test"], "alice@plain-no-starttls.test")
    text = bounce.bytes().decode()
    expect(bounce.tls, "", "TLS")
    check(f"A secret line, {sent.token.split('@')[0]}." not in text, text)
    for part in ("text/rfc822-headers", "Status: 5.7.10", "Subject: a test",
                 "Final-Recipient: RFC822; bob@sts-badcert.test"):
        check(part in text, f"no {part} in {text}")
    check_untagged(sent, [bounce])


@routed("TLS-Required: No goes where nothing can be verified, and is not held to MTA-STS")
def _(lab, mta, _):
    names = ("sts-badcert", "sts-no-starttls", "plain", "dane-wrong", "sts-nomatch")
    sent = [submit(lab, mta, f"bob@{name}.test", NO) for name in names]
    for name, each in zip(names, sent):
        expect(ends(each)[f"bob@{name}.test"].status, "sent", name)
        arrival = each.arrived()
        expect(arrival.header("TLS-Required"), ["No"], name)
        check_untagged(each)


@routed("opportunistic+starttls: TLS to whoever it is, never without", more="""
[rule partners]
nexthop = plain.test, plain-badcert.test, plain-no-starttls.test
level = opportunistic+starttls
""")
def _(lab, mta, _):
    names = ("plain", "plain-badcert", "plain-no-starttls")
    sent = [submit(lab, mta, f"bob@{name}.test") for name in names]
    expect([smrouted.outcome(s) for s in sent], ["sent OK", "sent FAIL", "bounced 5.7.10"],
           "what became of them")
    for each in sent[:2]:
        expect(each.arrived().tls, "TLSv1.3", "TLS")
    expect(sent[2].arrivals_elsewhere(), [], "without TLS")


@routed("a rule asks for it; strangers' headers and tagged addresses do nothing", more="""
[rule legal]
sender = legal@sender.test
request = require
""")
def _(lab, mta, _):
    reply = lab.send(mta, "bob@plain.test", slot="own", sender="legal@sender.test").replies
    expect(reply["bob@plain.test"], (550, "5.7.10"), "RCPT by the rule")
    sent = lab.send(mta, "bob@dane.test", slot="own", sender="legal@sender.test")
    expect(how(ends(sent)["bob@dane.test"]), "sent OK", "by the rule")
    sent = lab.send(mta, "bob@plain.test", slot="own", headers=smrouted.ASK)
    expect(sent.deliveries()["bob@plain.test"].service, "esmtp", "a stranger's header")
    reply = lab.send(mta, "bob@plain.test.requiretls.invalid", slot="own").replies
    expect(reply["bob@plain.test.requiretls.invalid"], (550, "5.1.2"), "a tag from outside")


@routed("mail of this host's own programs and users, whose address has no domain")
def _(lab, mta, running):
    token = lab.token()
    mta.sendmail(lab.message(token, smrouted.ASK), "-f", "alice@sender.test", "bob@dane.test")
    expect(lab.arrivals.wait(token, "bob@dane.test")[0].tls, "TLSv1.3", "TLS")
    expect(running.decisions()["bob@dane.test"]["route"], "strict", "route")
    sent = submit(lab, mta, "bob@sts-badcert.test", sender="carol")
    expect(how(ends(sent)["bob@sts-badcert.test"]), "bounced 5.7.10 OK", "delivery")
    mails = procs.wait_for(lambda: [m for m in arrivals.mailbox(mta, "carol")
                                    if sent.token.encode() in m], "the bounce")
    check(smrouted.TAG not in mails[0] and b"5.7.10" in mails[0], mails[0].decode())


@routed("two domains with the same MX host in one message are judged each for itself", more="""
[rule keep]
recipient = insecure-mx.test
mixed = keep
""")
def _(lab, mta, _):
    sent = submit(lab, mta, ["bob@dane.test", "bob@insecure-mx.test", "bob@hosted-dane.test"])
    found = ends(sent, 3)
    expect({to: how(d) for to, d in found.items()},
           {"bob@dane.test": "sent OK", "bob@hosted-dane.test": "sent OK",
            # By the time of RCPT sendmail makes a status of its own.
            "bob@insecure-mx.test": "bounced 5.5.2 OK"}, "deliveries")
    bounce = bounce_of(sent, found["bob@insecure-mx.test"])
    check(b"5.7.10 <bob@insecure-mx.test>... REQUIRETLS: " in bounce.bytes(), "the bounce")


@routed("addresses and bodies arrive as they were")
def _(lab, mta, _):
    to = ["bob+x@dane.test", '"a b"@dane.test', "Bob.B=c@dane.test", "b_o-b#'@sts.test"]
    body = lab.message(lab.token()).replace("A secret line", "Gr\u00fc\u00dfe")
    body = body.replace("\n", "\r\n").encode()
    sent = submit(lab, mta, to, message=body, parameters=("BODY=8BITMIME",))
    expect({how(d) for d in ends(sent, 4).values()}, {"sent OK"}, "deliveries")
    found = procs.wait_for(lambda: [a for a in lab.arrivals.all() if a.sender] if sum(
        len(a.recipients) for a in lab.arrivals.all()) == len(to) else None, "all to arrive")
    expect(sorted(r for a in found for r in a.recipients), sorted(to), "recipients")
    for arrival in found:
        check("BODY=8BITMIME" in arrival.parameters, str(arrival))
        expect(arrival.body, body.split(b"\r\n\r\n", 1)[1], "the body")
        check(smrouted.TAG not in arrival.bytes(), arrival.bytes().decode())


@routed("a queue run judges each message by the server it goes to, not by one it has seen before",
        setting="snippets, queued")
def _(lab, mta, _):
    to = ["bob@dane.test", "bob@sts.test"]
    sent = [submit(lab, mta, to, headers) for headers in ((), smrouted.ASK, smrouted.ASK)]
    mta.flush()  # to the listener
    mta.flush()  # and out
    for each in sent:
        expect({how(d) for d in ends(each, 2).values()}, {"sent OK"}, "deliveries")


NAMES = (
    # server, names in its certificate, verify= -> whether it will do
    ("mx.a.test", "mx.a.test", "OK", True),
    ("mx.a.test", "other.test mx.a.test", "TRUSTED", True),
    ("mx.a.test", "*.a.test", "OK", True),
    ("MX.a.test", "mx.A.test", "OK", True),
    ("x.mx.a.test", "*.a.test", "OK", False),
    ("a.test", "*.a.test", "OK", False),
    ("mx.a.test", "a.test other.test", "OK", False),
    ("mx.a.test", "", "OK", False),
    ("mx.a.test", "mx.a.test", "FAIL", False),
    ("mx.a.test", "mx.a.test", "NONE", False),
    ("mx.a.test", "mx.a.test", "SOFTWARE", False),
    ("mx.a.test", "mx.a.test", "", False),
)


@routed("which names of a certificate are a server's")
def _(lab, mta, _):
    for server, names, verify, good in NAMES:
        lines = [f".D{{server_name}}{server}", f".D{{verify}}{verify}",
                 f".C{{cert_altnames}}{names}", "RequireTLS_certificate x"]
        text = mta.run("/usr/sbin/sendmail", "-bt", "-C/etc/mail/main.cf",
                       input="\n".join(lines) + "\n")
        found = re.search(r"RequireTLS_\w* +returns: (.*)", text)
        check(found, text)
        expect(found[1].replace(" ", "") == "$#OK", good, f"{server}, {names}, {verify}: {found[1]}")
        check(good or "5 . 7 . 10" in found[1], found[1])


@routed("a report of success, and mail from <>, which no route takes")
def _(lab, mta, _):
    sent = submit(lab, mta, "carol@local.test", rcpt_parameters=("NOTIFY=SUCCESS",))
    expect(how(ends(sent)["carol@local.test"]), "sent", "delivery")
    report = lab.arrivals.wait(sent.token, "alice@sender.test")[0]
    check(b"Action: delivered" in report.bytes(), report.bytes().decode())
    check_untagged(sent, [report])
    sent = submit(lab, mta, "bob@plain.test", sender="")
    expect(sent.deliveries()["bob@plain.test"].service, "esmtp", "where mail from <> goes")


@routed("a smart host for all, without FEATURE(`sts')", setting="snippets, smart host")
def _(lab, mta, _):
    # The server is mx.signed.test, whoever the recipient is; it proves what it must for mail that
    # requires TLS.
    for to in ("bob@dane.test", "bob@plain.test", "bob@sts-badcert.test"):
        for headers in (smrouted.ASK, ()):
            sent = submit(lab, mta, to, headers)
            expect(how(ends(sent)[to]), "sent OK", to)
            expect(sent.arrived(to).server, "mx.signed.test", to)


@routed("of a list of next-hops one must do")
def _(lab, mta, _):
    # plain.test comes first, and is passed over; a host that the administrator names need only
    # prove that name.
    for name, server in (("list", "mx.dane.test"), ("list-hosts", "mx.plain.test")):
        sent = submit(lab, mta, f"bob@{name}.test")
        expect(how(ends(sent)[f"bob@{name}.test"]), "sent OK", name)
        expect(sent.arrived().server, server, name)
    expect(smrouted.outcome(submit(lab, mta, "bob@list-bad.test")), "550 5.7.10", "none will do")


@routed("beside an access table of the administrator's own", setting="snippets, access table")
def _(lab, mta, _):
    names = ("dane", "signed", "sts-badcert", "dane-no-starttls", "plain")
    sent = [submit(lab, mta, f"bob@{name}.test") for name in names]
    expect([smrouted.outcome(s) for s in sent],
           ["sent OK", "sent OK", "bounced 5.7.10 OK", "bounced 5.7.10", "550 5.7.10"], "outcome")
    sent = submit(lab, mta, "bob@sts-badcert.test", smrouted.NO)
    expect(how(ends(sent)["bob@sts-badcert.test"]), "sent OK", "TLS-Required: No")
    sent = submit(lab, mta, "bob@plain-no-starttls.test", ())
    expect(smrouted.outcome(sent), "sent", "ordinary mail")


@routed("MTA-STS by the access map too", setting="access map")
def _(lab, mta, running):
    names = ("sts", "dane", "plain", "plain-no-starttls", "sts-expired", "dane-no-starttls")
    sent = [lab.send(mta, f"bob@{name}.test", slot="own") for name in names]
    expect([smrouted.outcome(s) for s in sent],
           ["sent OK", "sent OK", "sent OK", "sent", "deferred 4.2.0 FAIL", "deferred 4.2.0"],
           "ordinary mail")
    mta.empty_queue()
    running.process.kill()
    running.process.wait()
    running.process = None  # it need not end well
    lab.milter(smrouted.configuration().replace("policy.sock", "elsewhere.sock"), fresh=True,
               listens=smrouted.MILTER)
    # sendmail asks the access map for clients, senders and recipients too: all are told to wait.
    expect(smrouted.outcome(lab.send(mta, "bob@sts.test", slot="own"))[:6], "451 4.", "no map")


@routed("the sender stays as an earlier filter has set it", setting="snippets, sender filter")
def _(lab, mta, _):
    with senderfilter.SenderFilter("alice+changed@sender.test"):
        sent = submit(lab, mta, "bob@dane.test", parameters=("RET=FULL", "ENVID=one+2Btwo"))
        expect(how(ends(sent)["bob@dane.test"]), "sent OK", "outcome")
        arrival = sent.arrived()
        expect(arrival.sender, "alice+changed@sender.test", "sender")
        check({"RET=HDRS", "ENVID=one+2Btwo"} <= set(arrival.parameters), str(arrival.parameters))

"""What the sender asks about notices and the body goes along to the next host, and notices name the
addresses that the sender used."""

from routed import NO, bounce_of, become, post, require, routes
from scenario import check, expect

ASKED = ("ENVID=QQ314159", "RET=FULL", "BODY=8BITMIME")
EIGHT_BIT = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
             "Content-Transfer-Encoding: 8bit", "X-Note: eight")


def eight_bit(lab, token, headers=EIGHT_BIT):
    return lab.message(token, headers).replace("A secret line", "Gr\u00fc\u00dfe, A secret line")


def said(arrival, word):
    """The values of a parameter of MAIL and RCPT."""
    return [p.partition("=")[2] for words in (arrival.mail, *arrival.rcpt) for p in words[1:]
            if p.upper().startswith(f"{word}=")]


def sent_with(lab, mta, to, sender=require, parameters=ASKED, rcpt=(), headers=EIGHT_BIT):
    token = lab.token()
    sent = sender(lab, mta, to, parameters=parameters, rcpt_parameters=rcpt,
                  message=eight_bit(lab, token, headers))
    sent.token = token
    return sent


@routes("ENVID, NOTIFY, ORCPT and BODY arrive; RET becomes HDRS")
def _(lab, mta, _):
    sent = sent_with(lab, mta, "bob@dane.test",
                     rcpt=("NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;first+2Bx@elsewhere.test"))
    become(sent, {"bob@dane.test": "requiretls sent Verified"})
    arrival = sent.arrived("bob@dane.test")
    expect([said(arrival, w) for w in ("ENVID", "RET", "BODY", "NOTIFY", "ORCPT")],
           [["QQ314159"], ["HDRS"], ["8BITMIME"], ["SUCCESS,DELAY"],
            ["rfc822;first+2Bx@elsewhere.test"]], "parameters")
    check("Gr\u00fc\u00dfe".encode() in arrival.body, "the body has changed")


@routes("TLS-Required: No changes none of them")
def _(lab, mta, _):
    sent = sent_with(lab, mta, "bob@plain.test", post, rcpt=("NOTIFY=NEVER",),
                     headers=("TLS-Required: No", *EIGHT_BIT))
    become(sent, {"bob@plain.test": "requiretls-optional sent Trusted"})
    arrival = sent.arrived("bob@plain.test")
    expect([said(arrival, w) for w in ("ENVID", "RET", "BODY", "NOTIFY")],
           [["QQ314159"], ["FULL"], ["8BITMIME"], ["NEVER"]], "parameters")


@routes("each of several recipients keeps its own")
def _(lab, mta, _):
    own = {"bob@dane.test": "NEVER", "eve@dane.test": "FAILURE,DELAY", "bob@sts.test": None}
    token = lab.token()
    with lab.client(mta, "own") as client:
        client.ehlo()
        client.starttls()
        expect(client.mail("alice@sender.test", "REQUIRETLS", "ENVID=e+2Bf"), (250,), "MAIL")
        for to, notify in own.items():
            words = [f"NOTIFY={notify}"] if notify else []
            expect(client.rcpt(to, *words, f"ORCPT=rfc822;was-{to}"), (250,), "RCPT")
        expect(client.data(lab.message(token)), (250,), "data")
        client.quit()
    for to, notify in own.items():
        arrival, = lab.arrivals.wait(token, to)
        expect([said(arrival, w) for w in ("ENVID", "RET", "NOTIFY", "ORCPT")],
               [["e+2Bf"], ["HDRS"], [notify] if notify else [], [f"rfc822;was-{to}"]], to)


@routes("NOTIFY=SUCCESS: one notice for each, by whoever delivers it, of the sender's own address")
def _(lab, mta, _):
    aliases = "inline:{ {one@alias.test = carol@local.test} }"
    with mta.configured(virtual_alias_maps=aliases):
        sent = require(lab, mta, ["bob@local.test", "one@alias.test", "bob@dane.test"],
                       rcpt_parameters=["NOTIFY=SUCCESS"])
        become(sent, {"bob@local.test": "virtual sent", "carol@local.test": "virtual sent",
                      "bob@dane.test": "requiretls sent Verified"})
        notices = lab.arrivals.wait(sent.token, "alice@sender.test", count=2)
    expect(said(sent.arrived("bob@dane.test"), "NOTIFY"), ["SUCCESS"], "the next host is asked")
    named = set()
    for notice in notices:
        text = notice.body.decode()
        check("A secret line" not in text, "a notice holds the body")
        named.add(tuple(line for line in text.splitlines()
                        if line.startswith(("Original-Recipient", "Final-Recipient", "Action"))))
    expect(named, {("Final-Recipient: rfc822; bob@local.test",
                    "Original-Recipient: rfc822;bob@local.test", "Action: delivered"),
                   # An alias is Postfix's to report, and then its recipients are not.
                   ("Final-Recipient: rfc822; one@alias.test",
                    "Original-Recipient: rfc822;one@alias.test", "Action: expanded")}, "notices")
    expect(len([a for a in lab.arrivals.all() if a.sender == ""]), 2, "notices")


@routes("NOTIFY=NEVER: what cannot be sure is dropped without a word")
def _(lab, mta, _):
    sent = require(lab, mta, ["bob@dane-wrong.test", "team@alias.test"],
                   rcpt_parameters=["NOTIFY=NEVER"])
    become(sent, {"bob@dane-wrong.test": "requiretls bounced 5.7.10",
                  "bob@dane.test": "requiretls sent Verified",
                  "carol@plain.test": "requiretls-loop bounced 5.7.10"})
    lab.arrivals.wait(sent.token, "bob@dane.test")
    expect([str(a) for a in lab.arrivals.all() if a.sender == ""], [], "bounces")


@routes("a bounce has ENVID and ORCPT, the header, and nothing of the body")
def _(lab, mta, _):
    sent = sent_with(lab, mta, "bob@dane-wrong.test", rcpt=("ORCPT=rfc822;bobby@elsewhere.test",))
    found = become(sent, {"bob@dane-wrong.test": "requiretls bounced 5.7.10"})
    bounce = bounce_of(sent, found["bob@dane-wrong.test"], "alice@sender.test")
    text = bounce.body.decode()
    for line in ("Original-Envelope-Id: QQ314159", "Original-Recipient: rfc822;bobby@elsewhere.test",
                 "Final-Recipient: rfc822; bob@dane-wrong.test", "Status: 5.7.10", "X-Note: eight"):
        check(line in text, f"the bounce has no {line}: {text}")
    check("A secret line" not in text and "X-REQUIRETLS" not in text, text)


@routes("a bounce of mail with TLS-Required: No takes that route")
def _(lab, mta, running):
    # DANE of its sender's domain fails: without that way the bounce would stay.
    sent = post(lab, mta, "nobody@dane.test", sender="alice@dane-wrong.test", headers=NO)
    become(sent, {"nobody@dane.test": "requiretls-optional bounced 5.1.1"})
    bounce, = (a for a in lab.arrivals.wait(sent.token, "alice@dane-wrong.test") if not a.sender)
    expect(bounce.header("TLS-Required"), ["No"], "the bounce's header")
    check(b"A secret line" in bounce.body, "the bounce has no body")
    expect(running.decisions()["alice@dane-wrong.test"]["route"], "optional", "its last route")


@routes("a message of the greatest size that Postfix takes is not too big when it is reinjected")
def _(lab, mta, _):
    limit = 40000
    with mta.configured(message_size_limit=str(limit)):
        for size in range(limit, limit - 3000, -150):  # less than the hop's Received field
            token = lab.token()
            message = lab.message(token)
            lines, rest = divmod(size - len(message) - message.count("\n"), 78)
            message += ("x" * 76 + "\n") * lines + "y" * rest + "\n"
            sent = require(lab, mta, "bob@dane.test", message=message)
            if sent.replies["data"].ok:
                break
            expect(sent.replies["data"], (552, "5.3.4"), "data")
        sent.token = token
        become(sent, {"bob@dane.test": "requiretls sent Verified"})

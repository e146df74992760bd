"""The recipients that sendmail takes beside user@domain: none is a way round what mail asks for.

plain.test publishes nothing: mail that requires TLS must not get there.
"""

import arrivals
import layout
import procs
import smrouted
from scenario import check, expect
from smrouted import ends, how, routed, submit

TAGGED = "bob@plain.test.optional.requiretls.invalid"
HOST = "mtasm.lab.test"
AS_IT_COMES = "snippets, as sendmail comes"


def nothing_leaves(sent):
    expect(sent.arrivals_elsewhere(), [], f"what left of the mail to {list(sent.replies)[1]}")


@routed("an alias without a domain, or at an address of this host, is held to the request",
        setting=AS_IT_COMES)
def _(lab, mta, running):
    for to in ("forward", f"forward@[{mta.address}]", "FORWARD", '"forward"',
               f'"forward"@[{mta.address}]'):
        sent = submit(lab, mta, to)
        expect({to: how(d) for to, d in ends(sent).items()}, {"bob@plain.test": "bounced 5.7.10 OK"},
               to)
        nothing_leaves(sent)
    # Of several copies each goes by its own way.
    sent = submit(lab, mta, ["team", "bob", f"carol@[{mta.address}]"])
    found = ends(sent, 4)
    expect({to: how(d) for to, d in found.items()},
           {"bob@dane.test": "sent OK", "carol@plain.test": "bounced 5.7.10 OK",
            f"bob@{HOST}": "sent", f"carol@{HOST}": "sent"}, "deliveries")
    sent.arrived("bob@dane.test")
    for user in ("bob", "carol"):
        mails = [m for m in arrivals.mailbox(mta, user)
                 if sent.token.encode() in m and b"report" not in m]
        expect(len(mails), 1, f"in {user}'s mailbox")
        check(smrouted.TAG not in mails[0], mails[0].decode())
    expect(running.decisions()["team"]["route"], "strict", "route")
    # Mail that asks for nothing needs none of it.
    sent = submit(lab, mta, "forward", ())
    expect(how(ends(sent)["bob@plain.test"]), "sent OK", "ordinary mail")


@routed("an alias without a domain in mail of this host's own programs")
def _(lab, mta, _):
    for words in (["forward"], ["-t"]):
        token = lab.token()
        text = "To: forward\n" + lab.message(token, smrouted.ASK)
        mta.sendmail(text, "-f", "carol", *words)
        mails = procs.wait_for(lambda: [m for m in arrivals.mailbox(mta, "carol")
                                        if token.encode() in m], "the bounce")
        check(b"5.7.10" in mails[0] and smrouted.TAG not in mails[0], mails[0].decode())
        expect([str(a) for a in lab.arrivals.of(token)], [], "what left")


# What sendmail makes bob@plain.test of, or might.
SPELLINGS = ("bob%plain.test", f"bob%plain.test@{HOST}", '"bob@plain.test"', "bob@plain.test(c)",
             "bob@plain.test(x@dane.test)", "(x@dane.test)bob@plain.test", "bob @ plain.test",
             f"@{HOST}:bob@plain.test", f"@{HOST},@dane.test:bob@plain.test", "bob@plain.test.",
             'bob@"plain.test"', f'bob@"{TAGGED.partition("@")[2]}"', '"bob"@plain.test', "Bob <bob@plain.test>",
             "bob@dane.test <bob@plain.test>", "b(x)ob@plain.test", "bob@plain.test,bob@dane.test",
             f"plain.test!bob@{HOST}", "plain.test!bob", f"bob@plain.test@{HOST}", "bob@plain.test;", "\\bob@plain.test",
             ":bob@plain.test", "group:bob@plain.test;")


@routed("no spelling of a recipient evades the request", setting=AS_IT_COMES)
def _(lab, mta, _):
    sent = [submit(lab, mta, to) for to in SPELLINGS]
    for each in sent:
        if each.queue_id:
            procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
        nothing_leaves(each)
    refused = sum(each.queue_id is None for each in sent)
    check(refused > len(SPELLINGS) / 2, "most are refused at once")


def spelt(tagged):
    """A tagged address in all the ways that sendmail reads."""
    local, _, domain = tagged.partition("@")
    return [tagged, tagged + ".", tagged.upper(), f"{local}%{domain}", f"{local}%{domain}@{HOST}",
            f'"{tagged}"', f"{tagged}(c)", f"{local}@(c){domain}", f"@{HOST}:{tagged}",
            f"@dane.test,@{HOST}:{tagged}", f"{tagged}@{HOST}",
            f"Bob <{tagged}>", f"{local} @ {domain}", f"{domain}!{local}@{HOST}",
            f"{domain}!{local}",
            f"{local}@dane.test,{tagged}", f"{local}@{domain.replace('invalid', '(x)invalid')}"]


@routed("tagged addresses are refused from everybody, however they are spelt", setting=AS_IT_COMES)
def _(lab, mta, running):
    forms = [form for tagged in ("bob@plain.test.requiretls.invalid", TAGGED)
             for form in spelt(tagged)]
    for headers in (smrouted.ASK, ()):
        for to in forms:
            sent = submit(lab, mta, to, headers)
            reply = sent.replies[to]
            check(not reply.ok, f"{to}: {reply}")
            nothing_leaves(sent)
    # From this host itself, a trusted client, and from one that has its mail relayed.
    with lab.client(mta, "own", layout.LOCAL) as client:
        client.ehlo()
        client.mail("alice@sender.test")
        expect(client.rcpt(TAGGED), (550, "5.1.2"), "this host's own")
        client.quit()
    expect(lab.send(mta, TAGGED, slot="own").replies[TAGGED], (550, "5.1.2"), "relayed")
    # By sendmail(1), with its own queue and without.
    for words, dialogue in ((("-Ac", "-bs"), True), (("-Am", "-bs"), True), (("-Ac",), False)):
        token = lab.token()
        text = lab.message(token, smrouted.ASK)
        if dialogue:
            text = "\r\n".join(["EHLO x", "MAIL FROM:<carol>", f"RCPT TO:<{TAGGED}>", "DATA",
                                *text.splitlines(), ".", "QUIT", ""])
            mta.run("sh", "-c", f"/usr/sbin/sendmail {' '.join(words)}; :", input=text)
        else:
            mta.run("sh", "-c", f"/usr/sbin/sendmail -i -f carol {TAGGED}; :", input=text)
        procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
        expect([str(a) for a in lab.arrivals.of(token)], [], f"by sendmail {words}")
    check("optional" not in [d.get("route") for d in running.decisions().values()], "route")


@routed("a tagged address that an alias names is refused to mail that has come by a route")
def _(lab, mta, _):
    sent = submit(lab, mta, f"tagged@{HOST}")
    bounce = procs.wait_for(lambda: next((a for a in lab.arrivals.of(sent.token)
                                          if not a.sender), None), "the bounce")
    check(b"Status: 5.1.2" in bounce.bytes(), bounce.bytes().decode())
    nothing_leaves(sent)

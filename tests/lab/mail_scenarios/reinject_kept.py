"""What must not get lost, change or loop on the way through the second smtpd of
Postfix 3.11, by the snippets in etc/postfix-3.11."""

import contextlib
import functools
import re

import layout
import procs
from reinjected import DANE, DEPARTMENT, HEADER, RULES, STS, left_with_requiretls
from routed import ASK, become, post, routes
from scenario import check, expect

routes311 = functools.partial(routes, version="3.11")

ENVELOPE = ("ENVID=abc+2Bdef", "RET=FULL", "BODY=8BITMIME")


@routes311("ENVID, RET, BODY, NOTIFY and ORCPT are kept; RET becomes HDRS", more=RULES)
def _(lab, mta, _):
    # Of an alias Postfix itself reports the success, and goes on with the rest of NOTIFY.
    for notify in ("NOTIFY=SUCCESS,FAILURE", "NOTIFY=FAILURE,DELAY", "NOTIFY=NEVER"):
        kept = [notify, "ORCPT=rfc822;first+2Bone@orig.test"]
        to = ["carol@sts.test", "one@alias.test" if "SUCCESS" not in notify else "bob@dane.test"]
        sent = post(lab, mta, to, sender=DEPARTMENT, parameters=ENVELOPE, rcpt_parameters=kept)
        become(sent, {"bob@dane.test": DANE, "carol@sts.test": STS})
        for arrival in lab.arrivals.wait(sent.token, count=2):
            mail = {p for p in arrival.parameters if not p.startswith("SIZE=")}
            expect(mail, {"ENVID=abc+2Bdef", "RET=HDRS", "BODY=8BITMIME", *ASK}, "MAIL")
            expect([set(words[1:]) for words in arrival.rcpt], [set(kept)], "RCPT")


@routes311("NOTIFY=SUCCESS tells of the delivery, not of the reinjection; NEVER of nothing", more=RULES)
def _(lab, mta, _):
    sent = post(lab, mta, ["carol@local.test"], sender=DEPARTMENT,
                rcpt_parameters=("NOTIFY=SUCCESS",))
    silent = post(lab, mta, ["nobody@dane.test"], sender=DEPARTMENT,
                  rcpt_parameters=("NOTIFY=NEVER",))
    become(sent, {"carol@local.test": "virtual sent"})
    become(silent, {"nobody@dane.test": "requiretls bounced 5.1.1 dane-only/requiretls"})
    procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
    notice, = [a for a in lab.arrivals.wait(sent.token, DEPARTMENT) if not a.sender]
    check(b"Action: delivered" in notice.body and b"secret line" not in notice.body,
          notice.body.decode())
    expect(lab.arrivals.of(silent.token), [], "arrived")


@routes311("every octet of the message; addresses that are not ASCII", more=RULES)
def _(lab, mta, _):
    token = lab.token()
    head = (f"From: \u00c4lice <\u00e4lice@sender.test>\r\nMessage-ID: <{token}>\r\n"
            "Subject: gr\u00fc\u00dfe\r\n\tand more \r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
    body = ("A dot:\r\n.\r\n..\r\n" + "x" * 990 + "\r\n\u00e4\u00f6 \t\r\nFrom here\r\n\x01\x7f\r\n"
            "no end").encode()
    sent = post(lab, mta, "b\u00f6b@dane.test", sender=DEPARTMENT.replace("@", "\u00e4@"),
                parameters=("SMTPUTF8", "BODY=8BITMIME", *ASK),
                message=(head + "\r\n").encode() + body)
    sent.token = token
    become(sent, {"b\u00f6b@dane.test": DANE})
    arrival = left_with_requiretls(lab, sent, "b\u00f6b@dane.test")
    check("SMTPUTF8" in arrival.parameters, str(arrival.mail))
    expect(arrival.body, body + b"\r\n", "body")
    kept = "".join(f"{n}:{v}\n" for n, v in arrival.headers
                   if n not in ("Received", "Require-TLS-ESMTP", "Date"))
    expect(kept, head.replace("\r\n", "\n").replace("To: ", ""), "header")


@routes311("the largest message that is taken comes through", more=RULES)
def _(lab, mta, _):
    with mta.configured(message_size_limit="50000"):
        for size in range(50000, 40000, -200):  # the header fields that are added count as well
            message = lab.message(lab.token()).removesuffix(".\n") + ("y" * 98 + "\n") * 600
            message = message.replace("\n", "\r\n")[:size - 2]
            sent = post(lab, mta, "bob@dane.test", sender=DEPARTMENT, message=message)
            if sent.queue_id:
                break
            expect(sent.replies["data"], (552, "5.3.4"), "data")
        become(sent, {"bob@dane.test": DANE})


# --- no circles --------------------------------------------------------------------------------

def without_reinjection_rules(text):
    """As if nobody had written rules for reinjected mail: by [default] it is the loop once more."""
    return re.sub(r"\[rule loop(-optional)?\]\n(?:.+\n)+", "", text)


@routes311("without a rule for reinjected mail it is reinjected once all the same",
           change=lambda text: without_reinjection_rules(text) + RULES)
def _(lab, mta, running):
    wanted = {"bob@dane.test": DANE.replace("requiretls ", "smtp ", 1), "bob@local.test":
              "virtual sent"}
    for by in ({"sender": DEPARTMENT}, {"parameters": ASK}, {"headers": HEADER}):
        sent = post(lab, mta, list(wanted), **by)
        become(sent, wanted)  # which fails when one is reinjected twice
        left_with_requiretls(lab, sent, "bob@dane.test")
    expect(running.log().count("route=loop,"), 6, "times reinjected")


def _restarted(name, change, passes, way):
    @routes311(f"the daemon is started anew meanwhile and remembers nothing: {name}", change=change)
    def _(lab, mta, running):
        with mta.configured(defer_transports="requiretls-loop"):
            sent = post(lab, mta, "bob@dane.test", sender=DEPARTMENT)
            procs.wait_for(lambda: "deferred" in mta.queued().values(), "it to wait")
            running.stop()
            running.start()
        mta.run("postqueue", "-f")
        left_with_requiretls(lab, sent, "bob@dane.test")
        received = lab.arrivals.of(sent.token)[0].header("Received")
        expect(len(received), passes, f"times it came in: {received}")
        expect(running.decisions()["bob@dane.test"]["route"], way, "the last way")


_restarted("the rule for reinjected mail knows it by its smtpd", lambda text: text + RULES, 2,
           "strict")
_restarted("without that rule once more, not for ever",
           lambda text: without_reinjection_rules(text) + RULES, 3, "-")


@routes311("a second smtpd without the filter", more=RULES, setting="snippets, no second filter")
def _(lab, mta, running):
    wanted = {"bob@dane.test": "smtp sent dane-only/requiretls",
              "bob@sts.test": "smtp sent secure/requiretls", "bob@local.test": "virtual sent",
              "bob@dane-no-requiretls.test": "smtp bounced 5.7.30 dane-only/!requiretls:none",
              # Beyond Postfix's own enforcement there is only the transport `requiretls`.
              "bob@signed.test": "smtp bounced 5.7.10 may?/!requiretls:nocertmatch"}
    for by in ({"sender": DEPARTMENT}, {"parameters": ASK}):
        sent = post(lab, mta, list(wanted), **by)
        become(sent, wanted)
        left_with_requiretls(lab, sent, "bob@dane.test")
    expect(running.log().count("to=<bob@dane.test>"), 2, "times the filter was asked")


def with_less(text):
    """As the README of the snippet has it under that title."""
    text = text.replace("[default]\nroute = loop\noptional_route = loop-optional\n",
                        "[default]\nroute = native\noptional_route = native\n")
    rules = RULES.replace("request = require\n", "request = require\nroute = loop\n")
    return text + rules.replace("request = optional\n",
                                "request = optional\noptional_route = loop-optional\n")


@routes311("with less: reinjected for rules only", change=with_less)
def _(lab, mta, running):
    native = post(lab, mta, ["bob@dane.test", "bob@local.test", "bob@plain2.test"], parameters=ASK)
    become(native, {"bob@dane.test": "smtp sent dane-only/requiretls", "bob@local.test":
                    "virtual sent", "bob@plain2.test": "smtp sent may/requiretls:nocertmatch"})
    left_with_requiretls(lab, native, "bob@dane.test")
    expect(lab.ask(mta, "bob@signed.test", "own"), (550, "5.7.10"), "RCPT: the Web PKI alone")
    no = post(lab, mta, "bob@dane-wrong.test", headers=("TLS-Required: No",))
    become(no, {"bob@dane-wrong.test": "smtp sent may"})
    expect("route=loop" in running.log(), False, "reinjected")
    by_rule = post(lab, mta, ["bob@dane.test", "bob@signed.test", "bob@local.test"],
                   sender=DEPARTMENT)
    become(by_rule, {"bob@dane.test": DANE, "bob@signed.test": STS, "bob@local.test":
                     "virtual sent"})
    left_with_requiretls(lab, by_rule, "bob@dane.test")
    price = post(lab, mta, "bob@dane-wrong.test", sender="anyprice@sender.test")
    become(price, {"bob@dane-wrong.test": "requiretls-optional sent may"})


# --- what comes from outside -------------------------------------------------------------------

@routes311("routing fields from outside are removed and lead nowhere; marked addresses are refused",
           more=RULES)
def _(lab, mta, _):
    forged = [f"X-REQUIRETLS-Route: {route}" for route in ("loop", "strict", "optional", "strict "
                                                           "[mx.dane.test]")]
    for net in (layout.CUSTOMER, layout.STRANGER):
        to = "bob@plain.test" if net == layout.CUSTOMER else "carol@local.test"
        sent = post(lab, mta, to, headers=forged, net=net)
        become(sent, {to: "smtp sent may" if net == layout.CUSTOMER else "virtual sent"})
    arrival = lab.arrivals.wait(lab.sent[0].token)[0]
    expect(arrival.header("X-REQUIRETLS-Route"), [], "its header")
    sent = post(lab, mta, "bob@dane.test", headers=forged, parameters=ASK)
    become(sent, {"bob@dane.test": DANE})
    left_with_requiretls(lab, sent, "bob@dane.test")
    expect(lab.ask(mta, "bob@dane.test.strict.requiretls.invalid", "own", parameters=()),
           (550, "5.1.2"), "RCPT of a marked address")


@routes311("only this host reaches the second smtpd")
def _(lab, mta, _):
    for port in (8691, 8692):
        for address in (mta.address, mta.address6):
            check(not procs.connects(address, port), f"{address}:{port} listens")
        check(procs.connects("127.0.0.1", port), f"127.0.0.1:{port} does not listen")
    with contextlib.closing(lab.client(mta, None)) as client:
        client.ehlo()
        check("XCLIENT" not in client.extensions and "XFORWARD" not in client.extensions,
              str(client.extensions))


def asked(running, to):
    return procs.wait_for(lambda: running.decisions().get(to), f"a line for {to}")["request"]


@routes311("accept_header = any: Postfix and filter believe anyone's header", more=RULES)
def _(lab, mta, running):
    with mta.configured(virtual_alias_maps="inline:{ {to@alias.test = bob@dane.test} }"):
        for net in (layout.CUSTOMER, layout.STRANGER):
            sent = post(lab, mta, "to@alias.test", headers=HEADER, net=net)
            become(sent, {"bob@dane.test": DANE})
            left_with_requiretls(lab, sent, "bob@dane.test")
            expect(asked(running, "to@alias.test"), "require", "request")


def authenticated_only(text):
    return re.sub("\naccept_header = any\n", "\naccept_header = authenticated\n", text) + RULES


@routes311("requiretls_esmtp_header = no: neither believes a stranger's; authenticated users' and "
           "rules' mail requires TLS", change=authenticated_only)
def _(lab, mta, running):
    with mta.configured(requiretls_esmtp_header="no"):
        sent = lab.send(mta, "bob@plain2.test", headers=HEADER, slot="own")
        become(sent, {"bob@plain2.test": "smtp sent may"})
        expect("request=require" in running.log(), False, "a stranger's request")
        arrival, = lab.arrivals.wait(sent.token)
        expect("REQUIRETLS" in arrival.parameters, False, "REQUIRETLS")
        sent = [post(lab, mta, "bob@dane.test", headers=HEADER, login="alice"),
                post(lab, mta, "bob@dane.test", sender=DEPARTMENT),
                post(lab, mta, "bob@dane.test", parameters=ASK)]
        for each in sent:
            become(each, {"bob@dane.test": DANE})
            left_with_requiretls(lab, each, "bob@dane.test")
        refused = post(lab, mta, "bob@plain.test", headers=HEADER, login="alice")
        expect(refused.replies["data"], (550, "5.7.10"), "data")

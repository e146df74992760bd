"""What a message asks for, header by header, on its way through the second smtpd of Postfix 3.11; and
the copies that Postfix adds there, of which nobody is told."""

import functools

import senderfilter
from reinjected import DANE, DEPARTMENT, HEADER, RULES, STS, left_with_requiretls
from routed import ASK, OLDER, become, post, require, routes
from scenario import check, expect

routes311 = functools.partial(routes, version="3.11")

ENCRYPT = "requiretls-encrypt sent encrypt/requiretls:nocertmatch"


@routes311("mail from <> with REQUIRETLS is reinjected, and not discarded", more=RULES)
def _(lab, mta, running):
    wanted = {"bob@dane.test": "requiretls-may sent dane-only/requiretls",
              "bob@plain.test": "requiretls-may sent may/requiretls:nocertmatch",
              "bob@plain-no-starttls.test": "requiretls-may sent may:none/requiretls:none",
              "bob@local.test": "virtual sent"}
    sent = post(lab, mta, list(wanted), sender="", parameters=ASK)
    become(sent, wanted)
    for to in wanted:
        if not to.endswith("@local.test"):
            arrival, = lab.arrivals.wait(sent.token, to)
            expect(("REQUIRETLS" in arrival.parameters, arrival.header("Require-TLS-ESMTP")),
                   ("no-starttls" not in to, ["yes"]), to)
    expect(running.decisions()["bob@plain.test"]["route"], "may", "its route")
    # By header alone, as reinjected mail that came by parameter, in all forms that Postfix reads.
    for header in (*HEADER, "Require-TLS-ESMTP: YES", "Require-TLS-ESMTP:   yes"):
        become(post(lab, mta, "bob@plain.test", sender="", headers=(header,)),
               {"bob@plain.test": wanted["bob@plain.test"]})


@routes311("mail from <> without REQUIRETLS takes no route", more=RULES)
def _(lab, mta, running):
    sent = post(lab, mta, ["bob@plain.test", "bob@local.test"], sender="")
    become(sent, {"bob@plain.test": "smtp sent may", "bob@local.test": "virtual sent"})
    check("route=loop" not in running.log(), running.log())


@routes311("Require-TLS-ESMTP with blanks: Postfix reads it all the same when reinjected", more=RULES)
def _(lab, mta, _):
    for value in ("yes", " yes", "yes ", "\tyes\t", "YES", "\n yes\n\t"):
        for to, way in (("bob@dane.test", DANE), ("bob@sts.test", STS)):
            sent = post(lab, mta, to, headers=(f"Require-TLS-ESMTP: {value}",))
            become(sent, {to: way})
            left_with_requiretls(lab, sent, to)


@routes311("TLS-Required stays where REQUIRETLS goes along, and goes where it may not", more=RULES)
def _(lab, mta, _):
    for to, stays in (("bob@dane.test", ["No"]), ("bob@plain2.test", [])):
        sent = post(lab, mta, to, sender=DEPARTMENT, headers=("TLS-Required: No",))
        become(sent, {to: DANE if stays else ENCRYPT})
        arrival, = lab.arrivals.wait(sent.token, to)
        expect(arrival.header("TLS-Required"), stays, to)


@routes311("a rule for one recipient, TLS-Required: No for another: both require TLS", more="""
[rule one]
recipient = eve@dane.test
request = require
""")
def _(lab, mta, _):
    sent = post(lab, mta, ["eve@dane.test", "bob@sts.test"], headers=("TLS-Required: No",))
    become(sent, {"eve@dane.test": DANE, "bob@sts.test": STS})
    sent = post(lab, mta, ["eve@dane.test", "bob@plain.test"], headers=("TLS-Required: No",))
    expect(sent.replies["data"], (550, "5.7.10", "plain.test"), "who is the reason")


ARCHIVE = """
[rule archive]
recipient = archive@plain.test
level = opportunistic+starttls
"""
LOST = "the copy for <archive@plain.test> is refused, and nobody is told (NOTIFY=NEVER)"


def _archive(version, here, sent_by):
    @routes("a copy for an archive that may not leave is a warning; the sample rule has it leave",
            version=version)
    def _(lab, mta, running):
        with mta.configured(always_bcc="archive@plain.test"):
            sent = require(lab, mta, "bob@dane.test")
            become(sent, {"bob@dane.test": here,
                          "archive@plain.test": "requiretls-loop bounced 5.7.10" + " none" *
                                                (version == "3.11")})
            check(LOST in running.log(), running.log())
            expect([a.recipients for a in lab.arrivals.of(sent.token)], [["bob@dane.test"]], "arrived")
            running.reload(running.text + ARCHIVE)
            sent = require(lab, mta, "bob@dane.test")
            become(sent, {"bob@dane.test": here, "archive@plain.test": sent_by})
            expect(running.log().count(LOST), 1, "warnings")


_archive(OLDER, "requiretls sent Verified", "requiretls-encrypt sent Trusted")
_archive("3.11", DANE, ENCRYPT)


@routes("TLS-Required is removed from what requires TLS, unless it is signed")
def _(lab, mta, _):
    signed = "DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=From:\n\ttls-required; bh=x; b=x"
    for headers, stays in ((("TLS-Required: No",), []), ((signed, "TLS-Required: No"), ["No"])):
        sent = require(lab, mta, "bob@dane.test", headers=headers)
        become(sent, {"bob@dane.test": "requiretls sent Verified"})
        expect(sent.arrived().header("TLS-Required"), stays, "what arrived")


@routes("a stranger's Require-TLS-ESMTP is removed, unless it is signed")
def _(lab, mta, _):
    signed = "DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=From:Require-TLS-ESMTP; bh=x; b=x"
    fields = ("Require-TLS-ESMTP: yes", "require-tls-esmtp:  Yes ", "Require-TLS-ESMTP : yes")
    for headers, stays in ((fields, 0), ((*fields, signed), 3)):
        sent = post(lab, mta, "bob@plain.test", headers=headers)
        become(sent, {"bob@plain.test": "smtp sent Trusted"})
        names = [n.strip().lower() for n, _ in sent.arrived().headers]
        expect(names.count("require-tls-esmtp"), stays, "fields that arrived")


@routes("a filter that changes the sender stands behind this one", setting="snippets alone")
def _(lab, mta, _):
    ours = mta.run("postconf", "-h", "smtpd_milters").strip()
    with senderfilter.SenderFilter("alice+changed@sender.test"), mta.configured(
            smtpd_milters=f"{ours}, inet:127.0.0.1:{senderfilter.PORT}"):
        sent = require(lab, mta, "bob@dane.test", parameters=("RET=FULL", "ENVID=one+2Btwo"))
        become(sent, {"bob@dane.test": "requiretls sent Verified"})
    arrival = sent.arrived()
    expect(arrival.sender, "alice+changed@sender.test", "sender")
    check({"RET=HDRS", "ENVID=one+2Btwo"} <= set(arrival.parameters), str(arrival.parameters))


SIGNED = "DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=From:Require-TLS-ESMTP; bh=x; b=x"


@routes("a stranger's Require-TLS-ESMTP is not believed when reinjected, though it is signed")
def _(lab, mta, _):
    sent = post(lab, mta, "bob@plain.test",
                headers=("TLS-Required: No", "Require-TLS-ESMTP: yes", SIGNED))
    become(sent, {"bob@plain.test": "requiretls-optional sent Trusted"})


@routes311("without add_header TLS-Required: No does not lower what a rule requires", more=RULES,
           change=lambda text: text.replace("[milter]\n", "[milter]\nadd_header = no\n", 1))
def _(lab, mta, running):
    sent = post(lab, mta, "bob@dane.test", sender=DEPARTMENT, headers=("TLS-Required: No",))
    become(sent, {"bob@dane.test": "requiretls sent dane-only"})
    expect(sent.arrived().header("TLS-Required"), [], "what arrived")
    signed = SIGNED.replace("Require-TLS-ESMTP", "TLS-Required")
    sent = post(lab, mta, "bob@dane.test", sender=DEPARTMENT, headers=(signed, "TLS-Required: No"))
    become(sent, {"bob@dane.test": "requiretls-loop deferred 4.3.0 none"})
    check("Postfix would lower TLS for its TLS-Required: No" in running.log(), running.log())
    mta.run("postsuper", "-d", "ALL")

"""Messages with recipients of every kind at once: each gets it once, by the way that is its own."""

import arrivals
import procs
from routed import become, bounce_of, post, require, routes
from scenario import check, expect

PARTNER = """
[rule plain2]
nexthop = plain2.test
level = opportunistic
"""
# Each recipient, and what becomes of it; an alias is known by its recipients.
MIXED = {
    "bob@local.test": "virtual sent",
    "bob@dane.test": "requiretls sent Verified",
    "eve@dane.test": "requiretls sent Verified",
    "bob@sts.test": "requiretls sent Verified",
    "bob@signed.test": "requiretls sent Verified",
    "bob@relay.test": "requiretls sent Verified",
    "bob@smarthost-port.test": "requiretls sent Verified",
    "bob@plain2.test": "smtp sent Trusted",
    "bob@dane-wrong.test": "requiretls bounced 5.7.10",
}
ALIASES = {
    "local@alias.test": {"carol@local.test": "virtual sent"},
    "team@alias.test": {"frank@dane.test": "requiretls sent Verified",
                        "carol@plain.test": "requiretls-loop bounced 5.7.10"},
}
ALIAS_MAP = ("inline:{ {local@alias.test = carol@local.test} "
             "{team@alias.test = frank@dane.test, carol@plain.test} "
             "{sales@relay.test = bob@local.test} {eve@sts.test = carol@local.test, x@dane.test} }")


def once(lab, mta, sent, wanted):
    """Those who are to have it have it once, the others not at all."""
    procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
    for to, becomes in wanted.items():
        count = sum(to in a.recipients for a in lab.arrivals.of(sent.token) if a.sender)
        if to.endswith("@local.test"):
            found = [m for m in arrivals.mailbox(mta, to.split("@")[0])
                     if sent.token.encode() in m]
            check(all(b"X-REQUIRETLS" not in m and b"ESMTP:" not in m for m in found),
                  f"our own fields: {found}")
            count = len(found)
        expect(count, int(" sent" in becomes), f"copies for {to}")


@routes("local, aliases, relay domains, smart hosts, enforced and not, refused and bounced",
        more=PARTNER)
def _(lab, mta, running):
    wanted = dict(MIXED)
    for expanded in ALIASES.values():
        wanted.update(expanded)
    here = f"here@{mta.host}"
    with mta.configured(virtual_alias_maps=ALIAS_MAP, alias_maps="inline:{ {here = /dev/null} }"):
        sent = require(lab, mta, [*MIXED, *ALIASES, here, "bob@plain.test"])
        expect(sent.replies["bob@plain.test"], (550, "5.7.10", "plain.test"), "RCPT")
        found = become(sent, wanted | {here: "local sent"})
    for to, becomes in wanted.items():
        if " sent" in becomes and not to.endswith("@local.test"):
            lab.arrivals.wait(sent.token, to)
    once(lab, mta, sent, wanted)
    texts = {to: bounce_of(sent, found[to], "alice@sender.test").body.decode()
             for to in ("bob@dane-wrong.test", "carol@plain.test")}
    check("plain.test publishes neither DANE nor MTA-STS" in
          " ".join(texts["carol@plain.test"].split()), texts["carol@plain.test"])
    for to, text in texts.items():
        check(f"Final-Recipient: rfc822; {to}" in text and ".invalid" not in text, text)
    check("Original-Recipient: rfc822;team@alias.test" in texts["carol@plain.test"],
          texts["carol@plain.test"])
    expect(running.decisions()["bob@plain2.test"]["route"], "-", "the last line's route")


@routes("an alias within a relay domain, or for an address elsewhere, is what Postfix makes of it")
def _(lab, mta, _):
    with mta.configured(virtual_alias_maps=ALIAS_MAP):
        wanted = {"bob@local.test": "virtual sent", "carol@local.test": "virtual sent",
                  "x@dane.test": "requiretls sent Verified",
                  "bob@relay.test": "requiretls sent Verified"}
        sent = require(lab, mta, ["sales@relay.test", "eve@sts.test", "bob@relay.test"])
        become(sent, wanted)
        lab.arrivals.wait(sent.token, "x@dane.test")
        lab.arrivals.wait(sent.token, "bob@relay.test")
        once(lab, mta, sent, wanted)


@routes("an alias alone, all of whose recipients must be sure")
def _(lab, mta, _):
    sent = require(lab, mta, "team@alias.test")
    become(sent, {"bob@dane.test": "requiretls sent Verified",
                  "carol@plain.test": "requiretls-loop bounced 5.7.10"})


@routes("copies that Postfix adds: always_bcc and recipient_bcc_maps")
def _(lab, mta, _):
    # carol@plain.test's copy is refused, and nobody is told of it: Postfix asks for no notice.
    with mta.configured(always_bcc="carol@local.test", recipient_bcc_maps=(
            "inline:{ {bob@dane.test = archive@sts.test} {bob@sts.test = hidden@plain.test} }")):
        sent = require(lab, mta, ["bob@dane.test", "bob@sts.test"])
        wanted = {"bob@dane.test": "requiretls sent Verified",
                  "bob@sts.test": "requiretls sent Verified",
                  "archive@sts.test": "requiretls sent Verified",
                  "hidden@plain.test": "requiretls-loop bounced 5.7.10",
                  "carol@local.test": "virtual sent"}
        become(sent, wanted)
        for to in ("bob@dane.test", "bob@sts.test", "archive@sts.test"):
            lab.arrivals.wait(sent.token, to)
        once(lab, mta, sent, wanted)
        sent = require(lab, mta, "bob@local.test")
        wanted = {"bob@local.test": "virtual sent", "carol@local.test": "virtual sent"}
        become(sent, wanted)
        once(lab, mta, sent, wanted)
    expect([str(a) for a in lab.arrivals.all() if a.sender == ""], [], "bounces")


@routes("TLS-Required: No to recipients of every kind")
def _(lab, mta, _):
    wanted = {"bob@local.test": "virtual sent", "bob@relay.test": "requiretls-optional sent Trusted",
              "bob@dane-wrong.test": "requiretls-optional sent Trusted",
              "carol@plain.test": "requiretls-optional sent Trusted",
              "bob@dane.test": "requiretls-optional sent Trusted"}
    sent = post(lab, mta, ["bob@local.test", "bob@relay.test", "bob@dane-wrong.test",
                           "team@alias.test"], headers=["TLS-Required: No"])
    become(sent, wanted)
    for to in wanted:
        if not to.endswith("@local.test"):
            lab.arrivals.wait(sent.token, to)
    once(lab, mta, sent, wanted)


@routes("a rule that asks for some recipients binds all copies of the message", more="""
[rule confidential]
recipient = dane.test
request = require
""")
def _(lab, mta, _):
    sent = post(lab, mta, ["bob@dane.test", "bob@local.test", "bob@sts.test"])
    become(sent, {"bob@dane.test": "requiretls sent Verified", "bob@local.test": "virtual sent",
                  "bob@sts.test": "requiretls sent Verified"})


@routes("refused at the end of the message: the header asks, one of several cannot be sure",
        change=lambda text: text.replace("[milter]", "[milter]\naccept_header = any"))
def _(lab, mta, _):
    header = ["Require-TLS-ESMTP: yes"]
    sent = post(lab, mta, ["bob@dane.test", "bob@local.test", "bob@plain.test"], headers=header)
    expect(sent.replies["data"], (550, "5.7.10", "plain.test"), "data")
    sent = post(lab, mta, ["bob@dane.test", "bob@local.test"], headers=header)
    become(sent, {"bob@dane.test": "requiretls sent Verified", "bob@local.test": "virtual sent"})
    expect(sent.arrived("bob@dane.test").header("Require-TLS-ESMTP"), ["yes"], "the sender's header")


@routes("mixed = keep: the one that cannot be sure bounces, the others are delivered",
        change=lambda text: text.replace("[milter]", "[milter]\naccept_header = any")
        .replace("[default]", "[default]\nmixed = keep"))
def _(lab, mta, _):
    sent = post(lab, mta, ["bob@dane.test", "bob@local.test", "bob@plain.test"],
                headers=["Require-TLS-ESMTP: yes"])
    found = become(sent, {"bob@dane.test": "requiretls sent Verified",
                          "bob@local.test": "virtual sent",
                          "bob@plain.test": "requiretls-loop bounced 5.7.10"})
    bounce = bounce_of(sent, found["bob@plain.test"], "alice@sender.test")
    check(b"A secret line" not in bounce.bytes(), "the bounce holds the body")

"""What a client is told at RCPT that asks for REQUIRETLS to each domain of the table.

On the native route, which can enforce DANE and MTA-STS, and on one that can check by the Web PKI.
"""

import domains
from milter import IMPATIENT
from scenario import check, expect, scenario

CONFIG = IMPATIENT + """
[milter]
accept_header = any
rcpt_wait = 9s

[route web-pki]
method = none
can = dane, sts, web_pki

[rule carol]
sender = carol@sender.test
route = web-pki
"""

OK, NO, WAIT, NULL = 250, 550, 451, 556

# domain: (native, with the Web PKI)
VERDICTS = {
    "sender.test": (NO, NO),
    "lab.test": (OK, OK),  # our own domain: the level is opportunistic
    "local.test": (OK, OK),  # delivered here
    "dane.test": (OK, OK),
    "dane-ta.test": (OK, OK),
    "dane-full.test": (OK, OK),
    "dane-private-ca.test": (OK, OK),
    "dane-wrong.test": (OK, OK),  # nobody can see that before delivery
    "dane-mixed.test": (OK, OK),
    "dane-mixed-sts.test": (OK, OK),
    "dane-half-wrong.test": (OK, OK),
    "dane-unusable.test": (NO, OK),
    "dane-badlen.test": (OK, OK),
    "dane-no-requiretls.test": (OK, OK),
    "dane-no-starttls.test": (OK, OK),
    "dane-down.test": (OK, OK),
    "dane-v6.test": (OK, OK),
    "dane-both.test": (OK, OK),
    "dane-ghost.test": (OK, OK),
    "dane-sts.test": (OK, OK),
    "dane-wrong-sts.test": (OK, OK),
    "dane-cname.test": (OK, OK),
    "dane-cname-out.test": (NO, OK),
    "insecure-mx.test": (NO, NO),
    "insecure-mx-wrong.test": (NO, NO),
    "hosted.test": (NO, OK),
    "hosted-dane.test": (OK, OK),
    "sts.test": (OK, OK),
    "sts-wildcard.test": (OK, OK),
    "sts-badcert.test": (OK, OK),
    "sts-expired.test": (OK, OK),
    "sts-no-requiretls.test": (OK, OK),
    "sts-no-starttls.test": (OK, OK),
    "sts-nomatch.test": (NO, NO),
    "sts-some.test": (OK, OK),
    "sts-hostile.test": (OK, OK),
    "sts-testing.test": (NO, NO),
    "sts-none.test": (NO, NO),
    "sts-record.test": (NO, NO),
    "sts-records.test": (NO, NO),
    "sts-norecord.test": (NO, NO),
    "sts-policy.test": (NO, NO),
    "sts-404.test": (NO, NO),
    "sts-500.test": (WAIT, WAIT),
    "sts-redirect.test": (NO, NO),
    "sts-type.test": (NO, NO),
    "sts-oversize.test": (NO, NO),
    "sts-hang.test": (WAIT, WAIT),
    "sts-refused.test": (WAIT, WAIT),
    "sts-webpki.test": (WAIT, WAIT),
    "sts-webpki-ca.test": (WAIT, WAIT),
    "sts-webpki-expired.test": (WAIT, WAIT),
    "sts-braces.test": (OK, OK),
    "sts-blanks.test": (OK, OK),
    "sts-attributes.test": (OK, OK),
    "sts-utf8.test": (OK, OK),
    "sts-control.test": (NO, NO),
    "sts-tab.test": (NO, NO),
    "sts-newline.test": (NO, NO),
    "sts-words.test": (OK, OK),
    "sts-only-words.test": (NO, NO),
    "sts-many.test": (OK, OK),
    "signed-sts.test": (OK, OK),
    "signed-sts-nomatch.test": (NO, NO),
    "signed.test": (NO, OK),
    "signed-badcert.test": (NO, OK),  # nobody can see that before delivery
    "signed-no-starttls.test": (NO, OK),
    "signed-no-requiretls.test": (NO, OK),
    "implicit-signed.test": (NO, OK),
    "implicit-dane.test": (OK, OK),
    "plain.test": (NO, NO),
    "plain2.test": (NO, NO),
    "plain-no-starttls.test": (NO, NO),
    "plain-no-requiretls.test": (NO, NO),
    "plain-badcert.test": (NO, NO),
    "implicit.test": (NO, OK),
    "implicit-v6.test": (NO, OK),
    "island.test": (NO, NO),
    "backup.test": (OK, OK),
    "backup-plain.test": (NO, NO),  # only hosts preferred over ourselves count
    "big.test": (OK, OK),
    "nullmx.test": (NULL, NULL),
    "nullmx-signed.test": (NULL, NULL),
    "nomail.test": (NO, NO),  # it exists, but has no host to send to
    "mx-servfail.test": (WAIT, WAIT),
    "mx-refused.test": (WAIT, WAIT),
    "mx-lame.test": (WAIT, WAIT),
    "mx-silent.test": (WAIT, WAIT),
    "mx-bogus.test": (WAIT, WAIT),
    "mx-expired.test": (WAIT, WAIT),
    "mx-wrong-ds.test": (WAIT, WAIT),
    "tlsa-servfail.test": (WAIT, WAIT),
    "tlsa-bogus.test": (WAIT, WAIT),
    "tlsa-silent.test": (WAIT, WAIT),
    "tlsa-servfail-plain.test": (NO, NO),
    "aaaa-servfail.test": (OK, OK),
    "txt-servfail.test": (OK, OK),
    "txt-servfail-plain.test": (WAIT, WAIT),
    "truncated.test": (OK, OK),
    "slow.test": (OK, OK),
    "nosuch.test": (OK, OK),  # it does not exist: Postfix says it better
}

# Postfix 3.7 goes to the servers without DANE as well.
OLDER = {"dane-mixed.test": NO}

STATUS = {OK: "2.1.5", NO: "5.7.10", WAIT: "4.4.3", NULL: "5.1.10"}


def _row(mta_name, domain, wanted, sender, route):
    def run(lab):
        slot = lab.milter(CONFIG).slot
        reply = lab.ask(lab.mtas[mta_name], f"bob@{domain}", slot, sender)
        expect(reply, (wanted, STATUS[wanted]), "RCPT")
        check(reply.ok or domain in reply.text, f"the reply does not name {domain}: {reply}")
    scenario(f"verdict {mta_name}: {domain} on the {route} route is {wanted}")(run)


for name, (native, web_pki) in VERDICTS.items():
    _row("3.11", name, native, "alice@sender.test", "native")
    _row("3.7", name, OLDER.get(name, native), "alice@sender.test", "native")
    _row("3.11", name, web_pki, "carol@sender.test", "web-pki")


@scenario("verdict: every domain of the table has its row")
def _(_):
    expect(sorted(d.name for d in domains.DOMAINS if d.name not in VERDICTS), [], "missing")

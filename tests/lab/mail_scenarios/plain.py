"""Postfix alone, without the milter: the lab itself must be right before anything is tested in it.

Each row: what is sent, what the client is told, what becomes of it by Postfix 3.11's own log.
"""

import layout
from scenario import check, expect, scenario

# name, recipient, MAIL parameters, status, tls= as logged by 3.11, DSN status code
ROWS = (
    ("DANE", "bob@dane.test", "REQUIRETLS", "sent", "dane/requiretls", "2.0.0"),
    ("DANE by trust anchor", "bob@dane-ta.test", "REQUIRETLS", "sent", "dane/requiretls", "2.0.0"),
    ("DANE with an expired certificate", "bob@dane-private-ca.test", "REQUIRETLS", "sent",
     "dane/requiretls", "2.0.0"),
    ("STS enforce", "bob@sts.test", "REQUIRETLS", "sent", "secure/requiretls", "2.0.0"),
    ("signed, Web PKI", "bob@signed.test", "REQUIRETLS", "sent", "secure/requiretls", "2.0.0"),
    ("signed, wrong certificate", "bob@signed-badcert.test", "REQUIRETLS", "bounced",
     "!secure/!requiretls:nocertmatch", "5.7.10"),
    ("nothing published", "bob@plain.test", "REQUIRETLS", "bounced",
     "may?/!requiretls:nocertmatch", "5.7.10"),
    ("REQUIRETLS not announced", "bob@dane-no-requiretls.test", "REQUIRETLS", "bounced",
     "dane/!requiretls:none", "5.7.30"),
    ("plain mail", "bob@plain.test", "", "sent", "may", "2.0.0"),
    ("plain mail to DANE", "bob@dane.test", "", "sent", "dane", "2.0.0"),
    ("plain mail, DANE wrong", "bob@dane-wrong.test", "", "deferred", None, "4.7.5"),
    ("plain mail without STARTTLS", "bob@plain-no-starttls.test", "", "sent", "may:none", "2.0.0"),
    ("IPv6 only", "bob@dane-v6.test", "REQUIRETLS", "sent", "dane/requiretls", "2.0.0"),
    ("implicit MX", "bob@implicit.test", "", "sent", "may", "2.0.0"),
    ("MX lookup fails", "bob@mx-servfail.test", "", "deferred", None, "4.4.3"),
    ("bogus MX", "bob@mx-bogus.test", "", "deferred", None, "4.4.3"),
    ("expired signatures", "bob@mx-expired.test", "", "deferred", None, "4.4.3"),
    ("null MX", "bob@nullmx.test", "", "bounced", None, "5.1.0"),
    ("no such domain", "bob@nosuch.test", "", "bounced", None, "5.4.4"),
)


def _row(name, recipient, parameter, status, tls, dsn):
    def run(lab):
        sent = lab.send(lab.mtas["3.11"], recipient, parameters=[parameter] if parameter else [])
        expect(sent.replies[recipient].code, 250, "RCPT")
        delivery = sent.deliveries()[recipient]
        expect((delivery.status, delivery.dsn), (status, dsn), str(delivery))
        if tls:
            expect(delivery.tls, tls, str(delivery))
        if status == "sent":
            arrival = sent.arrived(recipient)
            expect("REQUIRETLS" in arrival.parameters, bool(parameter), str(arrival))
        if status == "bounced":
            bounce = sent.bounce("alice@sender.test")
            expect(b"A secret line" in bounce.body, not parameter, "the bounce holds the body")
    scenario(f"plain 3.11: {name}")(run)


for row in ROWS:
    _row(*row)


@scenario("plain 3.7: the marker's filter lets REQUIRETLS pass, and mail is delivered")
def _(lab):
    sent = lab.send(lab.mtas["3.7"], "bob@dane.test", parameters=["REQUIRETLS", "BODY=8BITMIME"])
    expect(sent.replies["mail"], (250,), "MAIL")
    expect(sent.deliveries()["bob@dane.test"].status, "sent", "delivery")
    check(sent.arrived().tls.startswith("TLSv1"), "no TLS")


@scenario("plain 3.11: REQUIRETLS in plaintext is refused")
def _(lab):
    sent = lab.send(lab.mtas["3.11"], "bob@dane.test", parameters=["REQUIRETLS"], tls=False)
    expect(sent.replies["mail"], (555, "5.5.4"), "MAIL")


@scenario("plain: local mailboxes and SASL work on both", machines=["3.11", "3.7"])
def _(lab):
    for mta in lab.mtas.values():
        sent = lab.send(mta, "bob@local.test", net=layout.STRANGER)
        expect(sent.deliveries()["bob@local.test"].status, "sent", mta.name)
        sent = lab.send(mta, "bob@plain.test", net=layout.STRANGER)
        expect(sent.replies["bob@plain.test"], (554, "5.7.1"), "relaying for strangers")
        sent = lab.send(mta, "bob@plain.test", net=layout.STRANGER, login="alice")
        expect(sent.deliveries()["bob@plain.test"].status, "sent", mta.name)


@scenario("plain: what arrives is what was sent, byte for byte", machines=["3.11"])
def _(lab):
    body = "From: a@sender.test\nSubject: =?utf-8?q?=C3=A9?=\n folded\n\n.dot\n..dots\n\ntail  \n"
    sent = lab.send(lab.mtas["3.11"], "bob@plain.test", message=body, headers=())
    sent.deliveries()
    arrival = next(a for a in lab.arrivals.all() if a.recipients == ["bob@plain.test"])
    expect(arrival.body, b".dot\r\n..dots\r\n\r\ntail  \r\n", "body")
    expect(dict(arrival.headers)["Subject"], " =?utf-8?q?=C3=A9?=\n folded", "header")

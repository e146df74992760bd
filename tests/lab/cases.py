"""The messages of the quickstart: `lab demo` shows them, mail_scenarios/quickstart.py checks them."""

from dataclasses import dataclass

import routed

# Postfix 3.11 believes the header Require-TLS-ESMTP from anyone, so the milter must as well.
CONFIG = """
[milter]
accept_header = any

# Carol's mail takes a route that can check a certificate by the Web PKI (here: the table of TLS
# policies that this Postfix uses has a line for signed.test).
[route web-pki]
method = none
can = dane, sts, web_pki

[rule carol]
sender = carol@sender.test
route = web-pki

# Look at mail servers before mail for them is accepted, whoever sends it; by default only for clients who
# have logged in.
[probe]
enable = yes
"""

# With the delivery agent the filter has the configuration of etc/postfix-older; this is added.
AGENT_CONFIG = """
[probe]
enable = yes
"""

REQUIRETLS = ("REQUIRETLS",)
BOTH = ("3.11", "3.7")


@dataclass
class Case:
    """A message, what its client should be told, and what should become of it."""

    title: str
    to: tuple
    told: dict  # "mail" or a recipient -> (code, words of the reply...); others: 250
    becomes: dict  # recipient -> (status, Postfix 3.11's tls=); nobody else gets it
    sender: str = "alice@sender.test"
    parameters: tuple = REQUIRETLS
    headers: tuple = ()
    tls: bool = True
    mtas: tuple = BOTH
    agent: bool = False  # through the filter and the delivery agent of etc/postfix-older


CASES = (
    Case("REQUIRETLS to a domain with DANE", ("bob@dane.test",), {},
         {"bob@dane.test": ("sent", "dane/requiretls")}),
    Case("REQUIRETLS to a domain with DANE, whose server does not offer REQUIRETLS",
         ("bob@dane-no-requiretls.test",),
         {"bob@dane-no-requiretls.test": (550, "5.7.30", "mx.dane-no-requiretls.test", "REQUIRETLS")}, {},
         mtas=("3.11",)),
    Case("REQUIRETLS to a domain with MTA-STS in mode enforce", ("bob@sts.test",), {},
         {"bob@sts.test": ("sent", "secure/requiretls")}),
    Case("REQUIRETLS to a signed domain without TLSA, the route cannot check by the Web PKI",
         ("bob@signed.test",), {"bob@signed.test": (550, "5.7.10", "signed.test", "Web PKI")}, {}),
    Case("the same, on a route that can", ("bob@signed.test",), {},
         {"bob@signed.test": ("sent", "secure/requiretls")}, sender="carol@sender.test"),
    Case("REQUIRETLS to a domain that publishes nothing", ("bob@plain.test",),
         {"bob@plain.test": (550, "5.7.10", "<bob@plain.test>", "neither DANE nor MTA-STS")}, {}),
    Case("REQUIRETLS to a domain whose MX lookup fails", ("bob@mx-servfail.test",),
         {"bob@mx-servfail.test": (451, "4.4.3", "mx-servfail.test")}, {}),
    Case("REQUIRETLS to a domain that accepts no mail (null MX)", ("bob@nullmx.test",),
         {"bob@nullmx.test": (556, "5.1.10", "nullmx.test")}, {}),
    Case("REQUIRETLS to two recipients, one of whom cannot be reached securely",
         ("bob@dane.test", "bob@plain.test"), {"bob@plain.test": (550, "5.7.10", "plain.test")},
         {"bob@dane.test": ("sent", "dane/requiretls")}),
    Case("REQUIRETLS in plaintext (Postfix 3.11 itself refuses)", ("bob@dane.test",),
         {"mail": (555, "5.5.4")}, {}, tls=False, mtas=("3.11",)),
    Case("REQUIRETLS in plaintext", ("bob@dane.test",), {"mail": (530, "5.7.10", "STARTTLS")}, {},
         tls=False, mtas=("3.7",)),
    Case("TLS-Required: No to a domain whose DANE is wrong", ("bob@dane-wrong.test",), {},
         {"bob@dane-wrong.test": ("sent", "may")}, parameters=(), headers=("TLS-Required: No",),
         mtas=("3.11",)),
    Case("TLS-Required: No", ("bob@plain.test",), {}, {"bob@plain.test": ("sent", "may")},
         parameters=(), headers=("TLS-Required: No",), mtas=("3.7",)),
    Case("plain mail", ("bob@plain.test",), {}, {"bob@plain.test": ("sent", "may")},
         parameters=()),
)


# Postfix 3.7 cannot say REQUIRETLS itself: the delivery agent sends for it.
AGENT_CASES = tuple(Case(title, to, told, becomes, mtas=("3.7",), agent=True, **how) for title, to, told, becomes, how in (
    ("REQUIRETLS to a domain with DANE: the next server, a Postfix 3.11, is told REQUIRETLS",
     ("bob@dane.test",), {}, {"bob@dane.test": ("sent", "")}, {}),
    ("REQUIRETLS to a domain with DANE, whose server does not offer REQUIRETLS", ("bob@dane-no-requiretls.test",),
     {"bob@dane-no-requiretls.test": (550, "5.7.30", "mx.dane-no-requiretls.test", "REQUIRETLS")}, {}, {}),
    ("REQUIRETLS to a signed domain without TLSA: the agent can check by the Web PKI", ("bob@signed.test",), {},
     {"bob@signed.test": ("sent", "")}, {}),
    ("TLS-Required: No to a domain whose DANE is wrong", ("bob@dane-wrong.test",), {},
     {"bob@dane-wrong.test": ("sent", "")}, {"parameters": (), "headers": ("TLS-Required: No",)}),
    ("plain mail, which does not meet the agent", ("bob@plain.test",), {}, {"bob@plain.test": ("sent", "")},
     {"parameters": ()}),
))


def deliveries(case, sent, count=None):
    """Recipient -> its last delivery."""
    return routed.ends(sent, count) if case.agent else sent.deliveries(count)


def send(lab, mta_name, case, slot):
    return lab.send(lab.mtas[mta_name], case.to, slot=slot, sender=case.sender,
                    parameters=case.parameters, headers=case.headers, tls=case.tls)


def faults(mta_name, case, sent):
    """What is not as it should be, in words; waits for the deliveries."""
    found = []
    for name, reply in sent.replies.items():
        wanted = case.told.get(name, (250,))
        if reply.code != wanted[0] or not all(w in reply.text for w in wanted[1:]):
            found.append(f"{name}: wanted {' ... '.join(map(str, wanted))}, was told {reply}")
    missing = [name for name in case.told if name not in sent.replies]
    found += [f"{name}: never got that far" for name in missing]
    if not case.becomes:
        return found + (["it was accepted"] if sent.queue_id else [])
    if not sent.queue_id:
        return found + ["it was not accepted"]
    ends = deliveries(case, sent, max(len(case.becomes), len(sent.accepted)))
    for recipient, (status, tls) in case.becomes.items():
        delivery = ends.get(recipient)
        if not delivery or delivery.status != status or mta_name == "3.11" and delivery.tls != tls:
            found.append(f"{recipient}: wanted {status} tls={tls}, became {delivery}")
        elif status == "sent":
            arrival = sent.arrived(recipient)
            asks = "REQUIRETLS" in arrival.parameters
            if asks != ("REQUIRETLS" in case.parameters and (case.agent or mta_name == "3.11")):
                found.append(f"{recipient}: arrived with {arrival.mail}")
    found += [f"{r}: got it too" for r in ends if r not in case.becomes]
    return found

"""The probe through Postfix 3.11: what a client is told at RCPT that asks for REQUIRETLS, for each server of
peers.py and those of domains.py that are of the kind; what the log says; and what becomes of the message
where nothing is probed, so that it shows whether one was refused that would have been delivered.
"""

import re
from concurrent.futures import ThreadPoolExecutor

import connections
import peers
import plan
from operation import symptom
from scenario import check, expect, scenario

CONFIG = """
[milter]
accept_header = any
rcpt_wait = 25s

[probe]
enable = {enable}
timeout = {timeout}s
per_minute = 1000

[route web-pki]
method = none
can = dane, sts, web_pki, requiretls

[rule carol]
sender = carol@sender.test
route = web-pki
"""
SENDERS = 8  # messages on their way in at a time
BUSY_S, SILENCE_S = 20, 3  # how long a probe may take, of servers that answer on a busy machine, and of the other

ACCEPTED = ()
# The reply's code and enhanced code, the host that it names, below the domain, and what is wrong there.
NO_REQUIRETLS = ("5.7.30", "mx", "does not support REQUIRETLS")
NO_STARTTLS = ("5.7.30", "mx", "does not offer STARTTLS")
REFUSED = ("5.7.10", "mx", "refuses STARTTLS")
NO_MATCH = ("5.7.10", "mx", "no TLSA record matches the certificate")
NAME = ("5.7.10", "mx", "certificate does not have the name of the server")
EXPIRED = ("5.7.10", "mx", "certificate has expired")
UNTRUSTED = ("5.7.10", "mx", "certificate not trusted")
VERSION = ("5.7.10", "mx", "TLS version too old")

SENT, NO_CERTIFICATE, NONE_OFFERED = "sent", "bounced 5.7.10", "bounced 5.7.30"
# The handshake broke off, the server is silent, or none was reached.
BROKEN, SILENT, UNREACHED = "deferred 4.7.5", "deferred 4.4.2", "deferred 4.4.1"
LAST_TRIED = (NONE_OFFERED, UNREACHED)  # of two addresses, at random

# domain: what is told at RCPT, what Postfix 3.11 makes of the message where nothing is probed
ROWS = {
    "dane": (ACCEPTED, SENT),
    "dane-ta": (ACCEPTED, SENT),
    "dane-full": (ACCEPTED, SENT),
    "dane-private-ca": (ACCEPTED, SENT),
    "dane-cert": (ACCEPTED, SENT),
    "dane-cert-full": (ACCEPTED, SENT),
    "dane-sha512": (ACCEPTED, SENT),
    "dane-several": (ACCEPTED, SENT),
    "dane-name": (ACCEPTED, SENT),
    "dane-other-ca": (ACCEPTED, SENT),
    "dane-self-signed": (ACCEPTED, SENT),
    "dane-ta-key": (ACCEPTED, SENT),
    "dane-ta-wildcard": (ACCEPTED, SENT),
    "dane-ta-common-name": (ACCEPTED, SENT),
    "dane-ta-next-hop": (ACCEPTED, SENT),
    "dane-ta-full": (ACCEPTED, SENT),
    "dane-agility": (NO_MATCH, SENT),
    "dane-wrong": (NO_MATCH, NO_CERTIFICATE),
    "dane-ta-no-anchor": (NO_MATCH, NO_CERTIFICATE),
    "dane-ta-name": (NAME, NO_CERTIFICATE),
    "dane-ta-expired": (EXPIRED, NO_CERTIFICATE),
    "dane-ta-other": (NO_MATCH, NO_CERTIFICATE),
    "sts": (ACCEPTED, SENT),
    "sts-no-anchor": (ACCEPTED, SENT),
    "sts-wildcard-cert": (ACCEPTED, SENT),
    "sts-badcert": (NAME, NO_CERTIFICATE),
    "sts-expired": (EXPIRED, NO_CERTIFICATE),
    "sts-other-ca": (UNTRUSTED, NO_CERTIFICATE),
    "sts-self-signed": (UNTRUSTED, NO_CERTIFICATE),
    "sts-partial-wildcard": (NAME, NO_CERTIFICATE),
    "sts-common-name": (NAME, SENT),
    "sts-no-requiretls": (NO_REQUIRETLS, NONE_OFFERED),
    "sts-no-starttls": (NO_STARTTLS, NONE_OFFERED),
    "signed": (ACCEPTED, SENT),
    "signed-expired": (EXPIRED, NO_CERTIFICATE),
    "signed-other-ca": (UNTRUSTED, NO_CERTIFICATE),
    "dane-no-requiretls": (NO_REQUIRETLS, NONE_OFFERED),
    "dane-no-starttls": (NO_STARTTLS, NONE_OFFERED),
    "dane-500": (REFUSED, NO_CERTIFICATE),
    "dane-454": (ACCEPTED, NO_CERTIFICATE),
    "dane-no-certificate": (ACCEPTED, BROKEN),
    "dane-no-cipher": (ACCEPTED, BROKEN),
    "dane-client-cert": (ACCEPTED, "deferred 4.7.1"),
    "dane-tls11": (VERSION, BROKEN),
    "dane-silent": (ACCEPTED, SILENT),
    "dane-down": (ACCEPTED, UNREACHED),
    "dane-v6": (ACCEPTED, SENT),
    "dane-both": (ACCEPTED, SENT),
    "dane-v6-no-requiretls": (NO_REQUIRETLS, NONE_OFFERED),
    "dane-v4-down": (NO_REQUIRETLS, LAST_TRIED),
    "dane-one": (ACCEPTED, SENT),
    "dane-half-wrong": (ACCEPTED, SENT),
    "dane-neither": (("5.7.30", "mx2", "do not support REQUIRETLS"), NONE_OFFERED),
    "dane-one-down": (ACCEPTED, UNREACHED),
}

# Refused, while Postfix 3.11 would have sent it. A raw public key (RFC 7250) matches the weaker digest,
# which RFC 7671 section 9 has nobody look at; and a name in the subject alone is none for MTA-STS
# (RFC 8461 section 4.1).
STRICTER = {"dane-agility", "sts-common-name"}


def configuration(enable, name=None):
    return CONFIG.format(enable=enable, timeout=SILENCE_S if name == "dane-silent" else BUSY_S)


def sender_for(name):
    """Carol's route can check by the Web PKI, for domains that have nothing else."""
    return ("carol" if name.startswith("signed") else "alice") + "@sender.test"


def refusal(name):
    """What the reply must be, for expect()."""
    told = ROWS[name][0]
    return (550, told[0], f"{told[1]}.{name}.test", told[2]) if told else (250, "2.1.5")


def as_in_operation(reply):
    """A refusal is one of those that etc/OPERATION explains."""
    quoted = ("not support REQUIRETLS", "not offer STARTTLS", "cannot be authenticated", "refuse..STARTTLS")
    found = [words for words in quoted if re.match(symptom(words), str(reply))]
    expect(len(found), 1, f"symptoms of OPERATION that {reply} is")


def _outcome(lab, name, slot):
    recipient = f"bob@{name}.test"
    sent = lab.send(lab.mtas["3.11"], recipient, slot, sender_for(name), ["REQUIRETLS"])
    delivery = sent.deliveries(timeout_s=60)[recipient]
    return delivery.status if delivery.status == "sent" else f"{delivery.status} {delivery.dsn}"


@scenario("probe 3.11: where nothing is probed, each server's mail is sent, or comes back")
def _(lab):
    slot = lab.milter(configuration("no")).slot
    with ThreadPoolExecutor(SENDERS) as pool:
        seen = dict(zip(ROWS, pool.map(lambda name: _outcome(lab, name, slot), ROWS)))
    for name, (_, wanted) in ROWS.items():
        outcomes = wanted if isinstance(wanted, tuple) else (wanted,)
        check(seen[name] in outcomes, f"{name}: {seen[name]}, wanted {wanted}")


@scenario("probe: no message is refused that would have been sent, but for two that RFCs refuse")
def _(_):
    expect({name for name, (told, outcome) in ROWS.items() if told and outcome == SENT}, STRICTER, "refused")


@scenario("probe: every domain of the table has its row")
def _(_):
    expect([d.name for d in peers.PEERS if d.name.removesuffix(".test") not in ROWS], [], "missing")


# What the log says of a refusal, and what is told at RCPT, each server for itself.

def _row(name):
    @scenario(f"probe 3.11: {name} is " + (f"refused with {ROWS[name][0][0]}" if ROWS[name][0] else "accepted"))
    def _(lab):
        running = lab.milter(configuration("yes", name))
        running.forget()
        recipient = f"bob@{name}.test"
        reply = lab.ask(lab.mtas["3.11"], recipient, running.slot, sender_for(name))
        expect(reply, refusal(name), "RCPT")
        if ROWS[name][0]:
            as_in_operation(reply)
            line = running.decisions()[recipient]
            expect((line["verdict"], line["action"]), ("unsatisfied", "reject"), str(line))
            check(f"{ROWS[name][0][1]}.{name}.test" in line["reason"], str(line))


for each in ROWS:
    _row(each)


# Who causes a connection to port 25, and who does not.

LOOKED_AT = ("dane", "dane-no-requiretls", "dane-down", "sts-no-requiretls", "dane-v4-down")


def _connected(lab, enable, send, more=""):
    """The domains whose servers somebody connected to, while mail that requires TLS came for each."""
    slot = lab.milter(configuration(enable) + more, fresh=True).slot
    with connections.Connections(plan.HOSTS) as seen:
        for name in LOOKED_AT:
            send(lab, slot, f"bob@{name}.test")
        addresses = set(seen.seen())
    return sorted({h.domain.name.removesuffix(".test") for h in plan.HOSTS if addresses & set(h.addresses())})


def _customer(lab, slot, recipient, **options):
    return lab.ask(lab.mtas["3.11"], recipient, slot, **options)


def _user(lab, slot, recipient):
    """Says who he is, and takes the recipient back before anything is sent."""
    client = lab.client(lab.mtas["3.11"], slot, port=587)
    client.ehlo()
    client.starttls()
    client.login("alice")
    client.mail("alice@sender.test", "REQUIRETLS")
    client.rcpt(recipient)
    client.quit()


@scenario("probe 3.11: with enable = no nothing connects to port 25")
def _(lab):
    expect(_connected(lab, "no", _customer), [], "customer")
    expect(_connected(lab, "no", _user), [], "user who has logged in")
    expect(_connected(lab, "yes", _customer), sorted(LOOKED_AT), "with enable = yes")


@scenario("probe 3.11: with enable = auto mail of those who have logged in is probed for, that of others is not")
def _(lab):
    expect(_connected(lab, "auto", _customer), [], "customer")
    expect(_connected(lab, "auto", _user), sorted(LOOKED_AT), "user who has logged in")


@scenario("probe 3.11: mail that does not require TLS, and what is observed, is not probed for")
def _(lab):
    expect(_connected(lab, "yes", lambda *args: _customer(*args, parameters=())), [], "nothing asked")
    expect(_connected(lab, "yes", lambda *args: _customer(*args, parameters=()), "[default]\nrequest = observe"),
           [], "observed")

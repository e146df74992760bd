"""The lab itself: its names, signatures and policy hosts are what the table of domains says."""

import http.client
import socket
import ssl

import ca
import https
import layout
import plan
import procs
from dnsquery import Answer, ask
from scenario import check, expect, scenario

FAILED = Answer("SERVFAIL", False, False, 0)


def _row(name, kind, wanted):
    def run(_):
        expect(ask(name, kind), wanted, f"{kind} of {name}")
    scenario(f"lab: {kind} of {name} is {wanted.rcode}{' with AD' if wanted.ad else ''}")(run)


for row in (
    ("com", "SOA", Answer("NOERROR", True, False, 1)),
    ("dane.test", "MX", Answer("NOERROR", True, False, 1)),
    ("_25._tcp.mx.dane.test", "TLSA", Answer("NOERROR", True, False, 1)),
    ("_25._tcp.mx.signed.test", "TLSA", Answer("NXDOMAIN", True, False, 0)),
    ("mx.dane.test", "AAAA", Answer("NOERROR", True, False, 0)),
    ("mx.dane-v6.test", "AAAA", Answer("NOERROR", True, False, 1)),
    ("nosuch.test", "MX", Answer("NXDOMAIN", True, False, 0)),
    ("plain.test", "MX", Answer("NOERROR", False, False, 1)),
    ("_mta-sts.sts.test", "TXT", Answer("NOERROR", False, False, 1)),
    ("_mta-sts.sts-records.test", "TXT", Answer("NOERROR", False, False, 2)),
    ("island.test", "MX", Answer("NOERROR", False, False, 1)),
    ("big.test", "MX", Answer("NOERROR", True, True, 0)),
    ("nullmx.test", "MX", Answer("NOERROR", False, False, 1)),
    ("mx-servfail.test", "MX", FAILED),
    ("mx-refused.test", "MX", FAILED),
    ("mx-lame.test", "MX", FAILED),
    ("mx-bogus.test", "MX", FAILED),
    ("mx-expired.test", "MX", FAILED),
    ("mx-wrong-ds.test", "MX", FAILED),
    ("tlsa-servfail.test", "MX", Answer("NOERROR", True, False, 1)),
    ("_25._tcp.mx.tlsa-servfail.test", "TLSA", FAILED),
    ("_25._tcp.mx.tlsa-bogus.test", "TLSA", FAILED),
    ("mx.tlsa-bogus.test", "A", Answer("NOERROR", True, False, 1)),
    ("_25._tcp.mx.tlsa-servfail-plain.test", "TLSA", FAILED),
    ("mx.aaaa-servfail.test", "AAAA", FAILED),
    ("_mta-sts.txt-servfail.test", "TXT", FAILED),
    ("truncated.test", "MX", Answer("NOERROR", True, False, 1)),
    ("slow.test", "MX", Answer("NOERROR", True, False, 1)),
    ("mx.dane-cname.test", "A", Answer("NOERROR", True, False, 2)),
    ("mx.dane-cname-out.test", "A", Answer("NOERROR", False, False, 2)),
):
    _row(*row)


@scenario("lab: the second resolver knows no AD")
def _(_):
    expect(ask("dane.test", "MX", layout.RESOLVER_NO_AD), Answer("NOERROR", False, False, 1), "MX")


def _get(host, context, timeout_s):
    """Status and body of a policy host's answer."""
    connection = http.client.HTTPSConnection(host.address, timeout=timeout_s, context=context)
    # The name in the certificate and in SNI is the policy host's, the address is known.
    connection._create_connection = lambda _, *args: socket.create_connection(
        (host.address, 443), timeout=timeout_s)
    connection.host = host.name
    try:
        connection.request("GET", "/.well-known/mta-sts.txt", headers={"Host": host.name})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _fetch(host, timeout_s):
    try:
        return _get(host, ssl.create_default_context(cafile=str(ca.ca_file())), timeout_s)
    except ssl.SSLCertVerificationError as error:
        return "certificate", error.verify_message
    except ConnectionRefusedError:
        return "refused", b""
    except TimeoutError:
        return "hang", b""


def _policy_row(host):
    sts = host.domain.sts
    wanted = {"ok": 200, "type": 200, "oversize": 200, "404": 404, "500": 500, "redirect": 301,
              "hang": "hang", "refused": "refused"}[sts.http]
    if sts.cert != "good":
        wanted = "certificate"

    def run(_):
        status, body = _fetch(host, 2 if wanted == "hang" else procs.READY_S)
        expect(status, wanted, host.name)
        if wanted == 200:
            expect(body.decode(), https.policy_text(host.domain), "the policy")
    scenario(f"lab: {host.name} answers {wanted}")(run)


for each in plan.POLICY_HOSTS:
    _policy_row(each)


@scenario("lab: every receiving host of the table listens, with its own certificate")
def _(lab):
    for host in plan.HOSTS:
        for address in host.served() if not host.mx.fault else []:
            with lab.receiver(address) as client:
                client.ehlo()
                expect("STARTTLS" in client.extensions, host.mx.starttls, host.name)
                if not host.mx.starttls:
                    continue
                client.starttls()
                expect("REQUIRETLS" in client.extensions, host.mx.requiretls, host.name)
                expect(client.socket.getpeercert(binary_form=True), ca.der(host.cert_name),
                       host.name)
    check(len({d.name for d in plan.ALL}) == len(plan.ALL), "a domain twice")

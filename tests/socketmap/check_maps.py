"""What each map answers, as Postfix itself hears it, and who may ask what."""

import json
import stat
import subprocess

import time

from suite import check, equal, name_server, running, scenario, wait_for

RULES = """
[rule partner]
nexthop = partner.test, .partner.test
level = opportunistic+starttls

[rule exempt]
nexthop = exempt.test
tls_policy = skip

[rule relay]
nexthop = relay.test
tls_policy = secure match=relay.test tafile=/etc/ca.pem

[rule lawyers]
sender = legal.test
level = disable
"""


@scenario
def broken_for_a_moment():
    """A validator that is broken for a moment: nothing signed is refused or unsigned, nor later"""
    names = name_server()
    names.dane("partner.test", ttl=1)
    for host in ("mx1.partner.test", "_25._tcp.mx1.partner.test"):
        names.names[host].ttl = 1
    names.dane("stranger.test")
    with running() as server:
        equal(server.ask("QUERY partner.test"), "OK dane-only")
        time.sleep(1.2)
        names.validates = False
        try:
            for domain in ("partner.test", "stranger.test", "signed.test"):
                for name in ("QUERY", "enforce"):
                    reply = server.ask(f"{name} {domain}")
                    check(reply.startswith("TEMP "), f"{name} {domain}: {reply}")
        finally:
            names.validates = True
        check("does not validate DNSSEC now" in server.log(), "it is said")
        # What failed is remembered for ten seconds.
        wait_for(lambda: server.ask("QUERY stranger.test") == "OK dane-only", "DANE again")
        wait_for(lambda: server.ask("QUERY partner.test") == "OK dane-only", "DANE again")
        wait_for(lambda: server.ask("QUERY signed.test") == "NOTFOUND ", "no DANE there")
        check("DNS security is unknown" not in server.log(), "it was for a moment only")


@scenario
def answers():
    """Every map's answer to every kind of domain"""
    table = (
        # key, QUERY, enforce
        ("dane.test", "OK dane-only", "OK dane-only"),
        ("two.test", "OK dane-only", "OK dane-only"),
        ("mixed.test", "OK dane", "OK dane-only"),
        ("halfdane.test", "OK dane", "OK secure match=requiretls-unsatisfied.invalid"),
        ("signed.test", "NOTFOUND ", "OK secure match=mx1.signed.test servername=hostname"),
        ("plain.test", "NOTFOUND ", "OK secure match=requiretls-unsatisfied.invalid"),
        ("nullmx.test", "NOTFOUND ", "OK secure match=requiretls-unsatisfied.invalid"),
        ("nosuch.test", "NOTFOUND ", "OK secure match=requiretls-unsatisfied.invalid"),
        ("[192.0.2.1]", "NOTFOUND ", "OK secure match=requiretls-unsatisfied.invalid"),
        ("[mx1.dane.test]", "OK dane-only", "OK dane-only"),
        ("[mx1.signed.test]:25", "NOTFOUND ", "OK secure match=mx1.signed.test "
         "servername=hostname"),
        ("broken.test", "TEMP MX lookup failed: SERVFAIL",
         "TEMP the MX lookup for broken.test failed (SERVFAIL)"),
        (".dane.test", "NOTFOUND ", "NOTFOUND "),
        ("exempt.test", "NOTFOUND ", "OK may"),
        ("relay.test", "OK secure match=relay.test tafile=/etc/ca.pem",
         "OK secure match=relay.test tafile=/etc/ca.pem"),
    )
    with running(more=RULES) as server, server.client() as client:
        for key, query, enforce in table:
            for name in ("QUERY", "query", "QUERYwithTLSRPT", "postfix", "opportunistic"):
                equal(client.ask(f"{name} {key}"), query, f"{name} {key}")
            if key != "relay.test":  # sendmail knows of the names alone, see below
                equal(client.ask(f"sts {key}"), query, f"sts {key}")
            equal(client.ask(f"enforce {key}"), enforce, f"enforce {key}")
            if not key.startswith(".") and key != "exempt.test":
                starttls = {"NOTFOUND ": "OK encrypt", "OK dane": "OK encrypt"}.get(query, query)
                if key == "mixed.test":  # some hosts have DANE: only those
                    starttls = "OK dane-only"
                equal(client.ask(f"opportunistic+starttls {key}"), starttls, key)
        reply = client.ask("QUERY tlsafails.test")
        check(reply.startswith("TEMP "), reply)


@scenario
def levels():
    """requiretls: the level from rules that look at the next-hop alone"""
    with running(more=RULES) as server, server.client() as client:
        for key, level in (("dane.test", "enforce"), ("partner.test", "opportunistic+starttls"),
                           ("a.partner.test", "opportunistic+starttls"), ("192.0.2.1",
                            "opportunistic"), ("localhost", "opportunistic"),
                           ("legal.test", "enforce")):
            equal(client.ask(f"requiretls {key}"), f"OK {level}", key)


@scenario
def postfix_asks():
    """postmap(1) understands the answers"""
    with running(more=RULES) as server:
        etc = server.place / "postfix"  # the package alone leaves the machine without a main.cf
        etc.mkdir()
        (etc / "main.cf").write_text("compatibility_level = 3.6\n")
        postmap = ("postmap", "-c", etc, "-q")
        for key, answer in (("dane.test", "dane-only"), ("plain.test", ""), ("relay.test",
                            "secure match=relay.test tafile=/etc/ca.pem")):
            for address in (f"unix:{server.map_path}", "inet:127.0.0.1:8461"):
                done = subprocess.run([*postmap, key, f"socketmap:{address}:QUERY"],
                                      capture_output=True, text=True, timeout=30)
                equal(done.stdout.strip(), answer, key)
                equal(done.returncode, 0 if answer else 1, key)
        done = subprocess.run([*postmap, "broken.test", f"socketmap:unix:{server.map_path}:QUERY"],
                              capture_output=True, text=True, timeout=30)
        check(done.returncode != 0 and "MX lookup failed" in done.stderr, done.stderr)


@scenario
def sendmail_asks():
    """sendmail's maps: always a blank after OK and NOTFOUND; what REQUIRETLS mail demands, without DANE"""
    with running(more=RULES) as server, server.client() as client:
        for request, reply in (
                ("sts plain.test", "NOTFOUND "),
                ("sts relay.test", "OK secure match=relay.test servername=hostname"),
                ("enforce_pki plain.test.", "OK secure match=requiretls-unsatisfied.invalid"),
                ("enforce_pki signed.test.", "OK secure match=mx1.signed.test servername=hostname"),
                ("enforce_pki dane.test.", "OK secure match=mx1.dane.test servername=hostname"),
                ("enforce_pki [192.0.2.1]", "OK secure match=requiretls-unsatisfied.invalid"),
                ("access TLS_Rcpt:bob@plain.test", "NOTFOUND "),
                ("access TLS_Rcpt:bob@dane.test", "OK TEMP+ENCR:128"),
                ("access TLS_Rcpt:dane.test", "NOTFOUND "),
                ("access Connect:192.0.2.1", "NOTFOUND ")):
            equal(client.ask(request), reply, request)


@scenario
def administrators():
    """JSON for all, DUMP for this host, PURGE and STATUS for unix sockets"""
    with running() as server, server.client() as unix, server.client(server.inet) as inet:
        seen = json.loads(inet.ask("JSON dane.test")[3:])
        equal(seen["summary"], "dane")
        equal(inet.ask("PURGE dane.test"), "PERM PURGE is for unix sockets only")
        equal(inet.ask("STATUS "), "PERM STATUS is for unix sockets only")
        check(unix.ask("STATUS ").startswith('OK {"version":'))
        check(inet.ask("DUMP").startswith("OK {"))
        equal(inet.reply(), "OK ")
        equal(unix.ask("PURGE dane.test"), "OK forgotten")
        equal(unix.ask("PURGE dane.test"), "NOTFOUND ")
        equal(unix.ask("DUMP"), "OK ")


@scenario
def socket_mode():
    """The unix socket has its mode before anybody can connect; a stale one is replaced"""
    with running() as server:
        equal(stat.S_IMODE(server.map_path.stat().st_mode), 0o660)
        server.process.kill()
        server.process.wait()
        check(server.map_path.exists(), "left behind")
        again = type(server)(server.binary, server.place)
        equal(again.ask("QUERY dane.test"), "OK dane-only")
        equal(again.stop(), 0)
        server.process = again.process
        server.process.poll = lambda: None

"""What both Postfixes do with mail to every domain of the table, by the snippets in etc/.

Five deliveries to each: by Postfix 3.11 without and with REQUIRETLS, and with it by the transport of
the snippet (the map `enforce`); by Postfix 3.7, which has no REQUIRETLS of its own, as plain mail
and by its transport. The filter is asked by none of them: what is seen is what the maps do.
"""

import re
from concurrent.futures import ThreadPoolExecutor

import domains
import https
import layout
import reinjected
import routed
import snippets
import tlsrpt
from maillog import Log
from scenario import check, expect, scenario

ASK = ("REQUIRETLS",)
BOTH = ("3.11", "3.7")
# machine, sender (`enforce` takes the transport), MAIL parameters
WAYS = (("3.11", "alice", ()), ("3.11", "alice", ASK), ("3.11", "enforce", ASK),
        ("3.7", "alice", ()), ("3.7", "enforce", ()))

# What becomes of the five: `tls=` of 3.11's log, or what 3.7's says of the server's certificate;
# before that, of mail that is not sent, its status.
NO = "bounced 5.7.10"
SOFT = f"{NO} may?/!requiretls:nocertmatch"
NO_MATCH = f"{NO} !secure/!requiretls:nocertmatch"
NOT_DANE = f"{NO} !dane-only/!requiretls:nocertmatch"
NO_STARTTLS = "bounced 5.7.30 !{}/!requiretls:nostarttls"
LATER = "deferred 4.7.5"
UNTRUSTED = f"{LATER} Untrusted"
REFUSED = f"{NO} Untrusted"

DANE = ("dane-only", "dane-only/requiretls", "dane-only/requiretls", "Verified", "Verified")
DANE_FAILS = (f"{LATER} !dane-only", NOT_DANE, NOT_DANE, UNTRUSTED, REFUSED)
STS = ("secure", "secure/requiretls", "secure/requiretls", "Verified", "Verified")
STS_FAILS = (f"{LATER} !secure", NO_MATCH, NO_MATCH, UNTRUSTED, REFUSED)
# Postfix skips hosts that the attributes do not name, and says so with a deferral.
STS_NO_MATCH = ("deferred 4.3.0 secure?", "deferred 4.3.0 secure?/requiretls?", NO_MATCH, UNTRUSTED,
                REFUSED)
STS_UNKNOWN = ("may", SOFT, f"{LATER} unknown?/requiretls?", "Trusted", LATER)
WEB_PKI = ("may", SOFT, "secure/requiretls", "Trusted", "Verified")
NOTHING = ("may", SOFT, NO_MATCH, "Trusted", REFUSED)
TLSA_FAILS = (f"{LATER} unknown?", f"{LATER} unknown?/requiretls?", f"{LATER} unknown?/requiretls?",
              LATER, LATER)
MX_FAILS = ("deferred 4.4.3",) * 5
NULL_MX = ("bounced 5.1.0",) * 5
NO_HOST = ("bounced 5.4.4",) * 5

BECOMES = {
    DANE: "dane dane-ta dane-full dane-private-ca dane-mixed-sts dane-half-wrong dane-badlen dane-v6 "
          "dane-both dane-ghost dane-sts dane-cname hosted-dane implicit-dane backup big "
          "aaaa-servfail txt-servfail truncated slow",
    DANE_FAILS: "dane-wrong dane-wrong-sts",
    # REQUIRETLS goes where the others may not: to the host with DANE alone.
    ("dane", "dane/requiretls", "dane-only/requiretls", "Verified", "Verified"): "dane-mixed",
    ("encrypt", f"{NO} encrypt?/!requiretls:nocertmatch", "secure/requiretls", "Trusted",
     "Verified"): "dane-unusable",
    # Only Postfix 3.11 knows whether a server announces REQUIRETLS.
    ("dane-only", "bounced 5.7.30 dane-only/!requiretls:none",
     "bounced 5.7.30 dane-only/!requiretls:none", "Verified", "Verified"): "dane-no-requiretls",
    ("deferred 4.7.4 !dane-only", NO_STARTTLS.format("dane-only"), NO_STARTTLS.format("dane-only"),
     "deferred 4.7.4", NO): "dane-no-starttls",
    ("deferred 4.4.1 dane-only?", "deferred 4.4.1 dane-only?/requiretls?",
     "deferred 4.4.1 dane-only?/requiretls?", "deferred 4.4.1", "deferred 4.4.1"): "dane-down",
    # Whoever forges the MX records chooses the host: Postfix's own enforcement takes it, `enforce`
    # does not.
    ("halfdane", "halfdane/requiretls", NO_MATCH, "Trusted", REFUSED): "insecure-mx",
    (f"{LATER} !halfdane", f"{NO} !halfdane/!requiretls:nocertmatch", NO_MATCH, UNTRUSTED,
     REFUSED): "insecure-mx-wrong",
    STS: "sts sts-wildcard sts-some sts-hostile signed-sts sts-braces sts-blanks sts-attributes "
         "sts-utf8 sts-words sts-many",
    STS_FAILS: "sts-badcert sts-expired sts-only-words",
    ("secure", "bounced 5.7.30 secure/!requiretls:none", "bounced 5.7.30 secure/!requiretls:none",
     "Verified", "Verified"): "sts-no-requiretls",
    ("may", SOFT, "bounced 5.7.30 secure/!requiretls:none", "Trusted",
     "Verified"): "signed-no-requiretls",
    ("deferred 4.7.4 !secure", NO_STARTTLS.format("secure"), NO_STARTTLS.format("secure"),
     "deferred 4.7.4", NO): "sts-no-starttls",
    STS_NO_MATCH: "sts-nomatch signed-sts-nomatch",
    STS_UNKNOWN: "sts-500 sts-hang sts-refused sts-webpki sts-webpki-ca sts-webpki-expired "
                 "txt-servfail-plain",
    WEB_PKI: "hosted signed implicit-signed implicit implicit-v6",
    NOTHING: "sender dane-cname-out sts-testing sts-none sts-record sts-records sts-norecord "
             "sts-policy sts-404 sts-redirect sts-type sts-oversize sts-control sts-tab sts-newline "
             "signed-badcert plain plain2 plain-no-requiretls island backup-plain "
             "tlsa-servfail-plain",
    ("may", SOFT, NO_MATCH, "Untrusted", REFUSED): "plain-badcert",
    ("may:none", SOFT, NO_STARTTLS.format("secure"), "", NO): "plain-no-starttls signed-no-starttls",
    NULL_MX: "nullmx nullmx-signed",
    NO_HOST: "lab nomail",
    MX_FAILS: "mx-servfail mx-refused mx-lame mx-silent mx-bogus mx-expired mx-wrong-ds",
    TLSA_FAILS: "tlsa-servfail tlsa-bogus tlsa-silent",
}
# Delivered here; the transport is for what leaves.
HERE = {"local.test"}

# What Postfix may warn of: a lookup that failed, a host that the policy does not name. Anything
# else would be a complaint about an answer.
EXPECTED_WARNING = re.compile(
    r"socketmap server temporary error: |lookup error|client TLS configuration problem|"
    r"does not match STS MX pattern|no TLSA records found|TLSRPT support: policy lookup failed|"
    r"connect to requiretls-milter/policy.sock: |open active \w+: No such file|"
    r"unusable TLSA RR|unsupported TLSA certificate usage|Sender requested REQUIRETLS, but ")

_reports = {}


def reports(mta):
    """TLS reports of that machine; its socket is there from the first time on."""
    if mta.name not in _reports:
        _reports[mta.name] = tlsrpt.Reports(mta.spool / snippets.TLSRPT_SOCKET)
    return _reports[mta.name]


def outcome(delivery):
    seen = delivery.tls or delivery.server
    if delivery.status == "sent":
        return seen
    return f"{delivery.status} {delivery.dsn} {seen}".strip()


def warnings(mta, start):
    return [line for line in Log(mta.maillog).lines()[start:]
            if re.search(r"/smtp\[\d+\]: (?:warning|error|fatal): ", line)
            and not EXPECTED_WARNING.search(line)]


def every_daemon(lab):
    """The daemons of the snippets, and who takes TLS reports."""
    reports(lab.mtas["3.11"])
    for mta in lab.mtas.values():
        lab.milter(snippets.daemon_configuration(mta), listens=snippets.sockets(mta) / "milter.sock")


def deliver(lab, domain, wanted, ways=WAYS):
    """One message for each way, all at once; then what became of them."""
    lines = {mta: len(Log(mta.maillog).lines()) for mta in lab.mtas.values()}
    sent = [lab.send(lab.mtas[mta], f"bob@{domain}", sender=f"{sender}@sender.test",
                     parameters=parameters) for mta, sender, parameters in ways]
    seen = [each.deliveries(timeout_s=60)[f"bob@{domain}"] for each in sent]
    expect(tuple(outcome(d) for d in seen), wanted, domain)
    for (_, _, parameters), each, delivery in zip(ways, sent, seen):
        if delivery.status != "sent":
            expect(each.arrivals_elsewhere(), [], "arrived all the same")
            continue
        arrival = each.arrived(f"bob@{domain}")
        expect("REQUIRETLS" in arrival.parameters, parameters == ASK, str(arrival))
        check(arrival.tls or wanted[0] == "may:none", f"in plaintext: {arrival}")
    for mta, start in lines.items():
        expect(warnings(mta, start), [], f"{mta.name} complains")


def reported_lines(domain):
    """The lines of a policy as they may stand in a report: printable, without braces."""
    text = https.policy_text(domain).encode()
    lines = [re.sub(rb"[^ -~]", b"?", line.strip().replace(b"\t", b" ")).decode()
             for line in text.splitlines()]
    return [line for line in lines if not re.search("[{}]", line) and len(line) <= 1000]


def check_report(mta, domain):
    """What the TLS report about an STS domain says of the policy is what the policy says."""
    report = reports(mta).of(domain.name)["policies"][0]
    expect((report["policy-type"], report["policy-domain"]), (2, domain.name), "policy")
    lines = reported_lines(domain)
    if domain.name == "sts-many.test":  # no room for all of them
        check(set(report["policy-string"]) <= set(lines) and len(report["policy-string"]) > 50,
              str(report)[:2000])
    else:
        expect(report["policy-string"], lines, "policy-string")
    patterns = [line.split(":")[1].strip() for line in lines if line.startswith("mx:")]
    expect(report["mx-host"], [p for p in patterns if "." in p], "mx-host")


def _row(name, wanted):
    @scenario(f"delivery: {name}", setting="snippets", machines=BOTH)
    def _(lab):
        domain = domains.by_name(name)
        every_daemon(lab)
        deliver(lab, name, wanted)
        if domain.sts and wanted in (STS, STS_FAILS) and name != "sts-only-words.test":
            check_report(lab.mtas["3.11"], domain)


for becomes, names in BECOMES.items():
    for each_name in names.split():
        _row(f"{each_name}.test", becomes)


@scenario("delivery: every domain of the table has its row")
def _(_):
    have = {f"{name}.test" for names in BECOMES.values() for name in names.split()} | HERE
    expect({d.name for d in domains.DOMAINS}, have, "domains")


# What of it the snippets alone do not show.

@scenario("delivery: requiretls-unsatisfied.invalid is what both versions are told, and neither can meet",
          setting="snippets", machines=BOTH)
def _(lab):
    every_daemon(lab)
    told = "secure match=requiretls-unsatisfied.invalid"
    for name, mta in lab.mtas.items():
        where = f"socketmap:unix:/var/spool/postfix/{snippets.SOCKETS}/policy.sock:enforce"
        for domain in ("plain.test", "insecure-mx.test", "sts-testing.test", "[192.0.2.1]"):
            expect(mta.run("postmap", "-q", domain, where).strip(), told, f"{name}, {domain}")
    deliver(lab, "plain.test", (NO_MATCH, REFUSED), (WAYS[2], WAYS[4]))


@scenario("delivery: a policy server that is down defers, and refuses nothing", setting="snippets",
          machines=BOTH)
def _(lab):
    for mta in lab.mtas.values():
        running = lab.kept.pop(snippets.daemon_configuration(mta), None)
        if running:
            lab.stop_milter(running)
    later = f"{LATER} unknown?"
    # What the transport carries is at level enforce, whether the map `requiretls` answers or not.
    deliver(lab, "dane.test", (later, later, f"{later}/requiretls?", LATER, LATER))


@scenario("delivery: the sockets are reached from within a chroot and from without",
          setting="snippets, chrooted", machines=BOTH)
def _(lab):
    every_daemon(lab)
    for mta in lab.mtas.values():
        chroots = re.findall(r"^(?:smtp|requiretls)\s+unix\s+\S+\s+\S+\s+(\S)",
                             (mta.etc / "master.cf").read_text(), re.M)
        expect(chroots, ["y", "y"], mta.name)
    deliver(lab, "dane.test", DANE)
    deliver(lab, "sts.test", STS)
    deliver(lab, "signed.test", WEB_PKI)
    deliver(lab, "plain.test", NOTHING)


@scenario("delivery: the filter of the snippets, by its socket", setting="snippets", machines=BOTH)
def _(lab):
    every_daemon(lab)
    for name, mta in lab.mtas.items():
        for domain, code, status in (("dane.test", 250, "2.1.5"), ("sts.test", 250, "2.1.5"),
                                     ("plain.test", 550, "5.7.10"),
                                     ("insecure-mx.test", 550, "5.7.10")):
            reply = lab.ask(mta, f"bob@{domain}", "own")
            expect(reply, (code, status), f"{name}, {domain}")


@scenario("delivery: opportunistic+starttls never sends in plaintext",
          setting="opportunistic+starttls", machines=BOTH)
def _(lab):
    lab.milter(f"[socketmap]\nlisten = inet:127.0.0.1:{layout.SOCKETMAP_PORT}", fresh=True)
    plain = WAYS[0], WAYS[3]
    deliver(lab, "dane.test", ("dane-only", "Verified"), plain)
    deliver(lab, "sts.test", ("secure", "Verified"), plain)
    deliver(lab, "plain.test", ("encrypt", "Trusted"), plain)
    deliver(lab, "plain-badcert.test", ("encrypt", "Untrusted"), plain)
    deliver(lab, "plain-no-starttls.test", ("deferred 4.7.4 !encrypt", "deferred 4.7.4"), plain)


# Those who come from other policy servers: their lines of main.cf, without anything of the snippets.

MOVED = (("dane.test", ("dane-only", "Verified")), ("sts.test", ("secure", "Verified")),
         ("sts-nomatch.test", None), ("plain.test", ("may", "Trusted")),
         ("sts-badcert.test", (f"{LATER} !secure", UNTRUSTED)))


def _moved(setting, port, no_match):
    @scenario(f"delivery: {setting}", setting=setting, machines=BOTH)
    def _(lab):
        lab.milter(f"[socketmap]\nlisten = inet:127.0.0.1:{port}", fresh=True)
        for domain, wanted in MOVED:
            deliver(lab, domain, wanted or (no_match, UNTRUSTED), (WAYS[0], WAYS[3]))


_moved("from postfix-tlspol", 8642, "deferred 4.3.0 secure?")
_moved("from postfix-mta-sts-resolver", 8461, f"{LATER} !secure")


@scenario("delivery: with smtp_tls_security_level = may the maps' answers count, `dane` too",
          setting="from postfix-mta-sts-resolver, may", machines=BOTH)
def _(lab):
    lab.milter("[socketmap]\nlisten = inet:127.0.0.1:8461", fresh=True)
    for domain, wanted in (*MOVED, ("insecure-mx-wrong.test", (f"{LATER} !halfdane", UNTRUSTED))):
        deliver(lab, domain, wanted or (f"{LATER} !secure", UNTRUSTED), (WAYS[0], WAYS[3]))


@scenario("delivery: with that level alone Postfix 3.7.11 does not verify hosts of unsigned MX records",
          setting="from postfix-mta-sts-resolver, may alone", machines=BOTH)
def _(lab):
    lab.milter("[socketmap]\nlisten = inet:127.0.0.1:8461", fresh=True)
    deliver(lab, "dane.test", ("dane-only", "Verified"), (WAYS[0], WAYS[3]))
    deliver(lab, "insecure-mx-wrong.test", (f"{LATER} !halfdane", "Trusted"), (WAYS[0], WAYS[3]))


@scenario("delivery: without smtp_dns_support_level, [dane] enable = no keeps a resolver's user going",
          setting="from postfix-mta-sts-resolver, without DNSSEC", machines=BOTH)
def _(lab):
    lab.milter("[socketmap]\nlisten = inet:127.0.0.1:8461\n[dane]\nenable = no", fresh=True)
    deliver(lab, "sts.test", ("secure", "Verified"), (WAYS[0], WAYS[3]))
    deliver(lab, "dane.test", ("may", "Trusted"), (WAYS[0], WAYS[3]))
    deliver(lab, "plain.test", ("may", "Trusted"), (WAYS[0], WAYS[3]))


# What the filter's log expects, beside what Postfix 3.11 logs of a message that it sent: by the routes of
# the snippets, by Postfix itself, and at the levels below enforce.
EXPECTED = {
    "at enforce": {},
    "by Postfix itself": {"change": lambda text: text.replace("\nroute = loop\n", "\nroute = native\n")},
    "at opportunistic+starttls": {"sender": "lenient@sender.test"},
    "at opportunistic": {"sender": "easy@sender.test"},
}
# How much is demanded of a server, by the word before the slash; `may:none` fell from one to the other.
DEMANDS = ("may", "encrypt", "halfdane", "dane", "dane-only", "secure")
# Held to opportunistic+starttls by a rule for the next-hop, which Postfix knows by smtp_requiretls_policy.
BY_ITSELF = "plain2.test"


def demand(tls):
    return DEMANDS.index(tls.partition("/")[0].partition(":")[0])


def _expected(what, change=None, sender="alice@sender.test"):
    @scenario(f"delivery 3.11: expect= of the filter's log and what Postfix logs of each domain, {what}",
              setting="snippets")
    def _(lab):
        mta = lab.mtas["3.11"]
        running = routed.daemon(lab, mta, reinjected.RULES, change)
        running.forget()
        with ThreadPoolExecutor(8) as pool:
            sent = dict(pool.map(lambda d: (d.name, routed.require(lab, mta, f"bob@{d.name}", sender=sender)),
                                 domains.DOMAINS))
        ends = {name: routed.ends(each)[f"bob@{name}"] for name, each in sent.items() if each.queue_id}
        lines = running.decisions()
        seen = {name: (lines[f"bob@{name}"].get("expect"), delivery.tls) for name, delivery in ends.items()
                if delivery.status == "sent" and not delivery.is_local}
        check(len(seen) > 20, f"{len(seen)} domains only")
        if what == "at enforce":
            wrong = {name: pair for name, pair in seen.items() if pair[0] != pair[1]}
        else:
            if change:
                expect(seen.pop(BY_ITSELF), ("encrypt/requiretls:nocertmatch", "may/requiretls:nocertmatch"),
                       BY_ITSELF)
            wrong = {name: pair for name, pair in seen.items() if demand(pair[0]) > demand(pair[1])}
        expect(wrong, {}, "expected, logged")


for each_way, each_how in EXPECTED.items():
    _expected(each_way, **each_how)

"""requiretls-milter beside scanners, as etc/PLACEMENT tells, on both Postfixes."""

import re

import arrivals
import checksetup
import layout
import procs
import snippets
from reinjected import DEPARTMENT, HEADER, RULES
from routed import ASK, NO, daemon, how, post
from scanner import Scanner
from scenario import Sent, check, expect, scenario

BOTH = ("3.11", "3.7")
# By Postfix 3.11 and by 3.7: what routed.how() says of a delivery.
SURE = {"3.11": "requiretls sent dane-only/requiretls", "3.7": "requiretls sent Verified"}
WEB_PKI = {"3.11": "requiretls sent secure/requiretls", "3.7": "requiretls sent Verified"}
WRONG = {"3.11": "requiretls bounced 5.7.10 !dane-only/!requiretls:nocertmatch",
         "3.7": "requiretls bounced 5.7.10"}
PLAIN = {"3.11": "smtp sent may", "3.7": "smtp sent Trusted"}
OPTIONAL = {"3.11": "requiretls-optional sent may", "3.7": "requiretls-optional sent Trusted"}
VIRUS = "EICAR\n"


def beside(title, name, change=None, versions=BOTH, setting=None, more=RULES, writes=False):
    """Registers a scenario of (lab, machine, daemon, scanner) with a section of etc/PLACEMENT.

    change: of requiretls-milter.conf, instead of what that section says; writes: the scanner writes
    a MAIL of its own.
    """
    def changed(text):
        if change:
            return change(text)
        return snippets.merged_ini(text, snippets.placement(title, "requiretls-milter.conf"))

    def register(function):
        for version in versions:
            def run(lab, version=version):
                mta = lab.mtas[version]
                ports = [snippets.scanner_port(mta, port) for port in (10024, 10025)]
                with Scanner(*ports, writes) as scanner:
                    function(lab, mta, daemon(lab, mta, more, changed), scanner)
                    procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
            scenario(f"filters {version}: {title.lower()}, {name}",
                     setting=setting or title.lower())(run)
        return function
    return register


def version(mta):
    return "3.11" if mta.modern else "3.7"


def followed(log, queue_id, count, timeout_s):
    """(Recipient, its last delivery, the ports that it came by on this host) of a message."""
    for delivery in log.settled(queue_id, count, timeout_s):
        again = re.search(r"queued as (\w+)$", delivery.text)
        here = re.match(r"127\.0\.0\.1\[127\.0\.0\.1\]:(\d+)$", delivery.relay)
        if not here or not again:
            yield delivery.to, delivery, []
            continue
        rest = sum(d.text == delivery.text for d in log.deliveries(queue_id))
        for to, last, ports in followed(log, again[1], rest, timeout_s):
            if to == delivery.to:
                yield to, last, [here[1], *ports]


def become(sent, wanted, timeout_s=60):
    """Checks recipient -> how() of all in the end; returns the last deliveries."""
    check(sent.queue_id, f"not accepted: {sent.replies}")
    found = list(followed(sent.log, sent.queue_id, len(wanted), timeout_s))
    expect(sorted((to, how(d)) for to, d, _ in found), sorted(wanted.items()), "what became of them")
    return {to: d for to, d, _ in found}


def arrived(lab, mta, sent, to):
    """The copy for a recipient, scanned once; on Postfix 3.11 with REQUIRETLS, if asked for."""
    arrival, = lab.arrivals.wait(sent.token, to)
    expect((arrival.header("X-Scanned"), arrival.header("X-REQUIRETLS-Route")), (["yes"], []),
           f"header for {to}")
    return arrival


def require_ways(mta):
    """How a message can ask for REQUIRETLS."""
    return {"parameter": {"parameters": ASK}, "rule": {"sender": DEPARTMENT},
            "header": {"headers": HEADER, **({} if mta.modern else {"login": "alice"})}}


def whoever_asks(lab, mta, _, scanner):
    for name, by in require_ways(mta).items():
        login = {"login": by["login"]} if "login" in by else {}
        sent = post(lab, mta, ["bob@dane.test", "bob@signed.test", "carol@local.test",
                               "local@alias.test"], **by)
        wanted = {"bob@dane.test": SURE[version(mta)], "bob@signed.test": WEB_PKI[version(mta)],
                  "carol@local.test": "virtual sent", "bob@local.test": "virtual sent"}
        become(sent, wanted)
        expect(scanner.saw(sent.token), 1, f"times scanned, by {name}")
        arrival = arrived(lab, mta, sent, "bob@dane.test")
        expect("REQUIRETLS" in arrival.parameters, mta.modern, f"REQUIRETLS, by {name}")
        for user in ("bob", "carol"):
            found = sum(sent.token.encode() in m for m in arrivals.mailbox(mta, user))
            expect(found, 1, f"copies for {user}")
        refused = post(lab, mta, "bob@plain.test", **{**by, **login})
        reply = refused.replies.get("data") or refused.replies["bob@plain.test"]
        expect(reply, (550, "5.7.10", "plain.test"), f"refusal, by {name}")


def others_go_their_way(lab, mta, running, scanner):
    sent = post(lab, mta, ["bob@plain.test", "bob@local.test"])
    become(sent, {"bob@plain.test": PLAIN[version(mta)], "bob@local.test": "virtual sent"})
    optional = post(lab, mta, ["bob@dane-wrong.test", "bob@local.test"], headers=NO)
    become(optional, {"bob@dane-wrong.test": OPTIONAL[version(mta)], "bob@local.test":
                      "virtual sent"})
    for each, to in ((sent, "bob@plain.test"), (optional, "bob@dane-wrong.test")):
        expect(scanner.saw(each.token), 1, "times scanned")
        arrived(lab, mta, each, to)
    expect("request=require" in running.log(), False, "a request that nobody made")


def body_of(sent):
    return [a for a in sent.lab.arrivals.wait(sent.token) if a.sender == ""]


def wrong_in_the_end(lab, mta, _, scanner):
    for by in require_ways(mta).values():
        sent = post(lab, mta, "bob@dane-wrong.test", **{**by, "parameters":
                                                        (*by.get("parameters", ()), "RET=FULL")})
        become(sent, {"bob@dane-wrong.test": WRONG[version(mta)]})
        bounce, = body_of(sent)
        check(b"A secret line" not in bounce.body, "the bounce holds the body")
        expect((scanner.saw(sent.token), sent.arrivals_elsewhere()), (1, []), "scanned, arrived")


def wrong_at_once(lab, mta, *_):
    """The filter sees the scanner as a client that it trusts. A proxy passes the refusal on to the client, for
    a content filter the message bounces; what is known then is told to the next client at once."""
    for by in require_ways(mta).values():
        sent = post(lab, mta, "bob@dane-wrong.test", **{**by, "parameters":
                                                        (*by.get("parameters", ()), "RET=FULL")})
        if sent.queue_id:
            (_, last, _), = followed(sent.log, sent.queue_id, 1, 60)
            check("mx.dane-wrong.test" in last.text and how(last).startswith("smtp bounced 5.7.10"), str(last))
            bounce, = body_of(sent)
            check(b"A secret line" not in bounce.body, "the bounce holds the body")
        else:
            reply = sent.replies.get("data") or sent.replies["bob@dane-wrong.test"]
            expect(reply, (550, "5.7.10", "mx.dane-wrong.test"), "refusal")
        expect(sent.arrivals_elsewhere(), [], "arrived")


FILTER, PROXY = "Behind a content filter", "Behind a proxy filter"


def same_for_both(title):
    beside(title, "whoever asks")(whoever_asks)
    beside(title, "TLS-Required: No, and mail without a request")(others_go_their_way)
    beside(title, "what the server then shows to be wrong bounces without the body",
           more=f"{RULES}[probe]\nenable = no\n")(wrong_in_the_end)
    beside(title, "what a probe shows to be wrong is not sent", versions=("3.11",))(wrong_at_once)


def checked(lab, mta, placed, change=None, writes=False):
    """What the set-up check says, with the scanner there."""
    daemon(lab, mta, "", placed)
    copy = checksetup.Copy(mta)
    copy.configure(smtpd_milter_maps="", **change or {})  # the lab's, see snippets.py
    with Scanner(*(snippets.scanner_port(mta, port) for port in (10024, 10025)), writes):
        return checksetup.check(copy, checksetup.configuration(mta, placed))


def in_order(title, setting, change=None, wanted=frozenset()):
    """The set-up check has nothing to say to it, or what does not work."""
    def placed(text):
        return snippets.merged_ini(text, snippets.placement(title, "requiretls-milter.conf"))

    @scenario(f"check-setup: {setting}{' and more' if change else ''}", setting=setting,
              machines=BOTH)
    def _(lab):
        for mta in lab.mtas.values():
            report = checked(lab, mta, placed, change)
            if wanted and mta.modern:
                expect(report.names("error", "warning", "unknown"), wanted, str(report))
            else:
                checksetup.in_order(report, mta.name)


same_for_both(FILTER)
in_order(FILTER, "behind a content filter")
in_order(FILTER, "behind a content filter", {"requiretls_esmtp_header": "no"}, {"scanner-header"})
in_order(FILTER, "behind a content filter, its own cleanup", {"requiretls_esmtp_header": "no"})


@beside(FILTER, "what the scanner refuses bounces, without the body")
def _(lab, mta, _, scanner):
    token = lab.token()
    sent = post(lab, mta, "bob@dane.test", sender=DEPARTMENT, parameters=("RET=FULL",),
                message=lab.message(token).removesuffix(".\n") + VIRUS)
    sent.token = token
    delivery, = sent.deliveries().values()
    expect((delivery.status, delivery.dsn), ("bounced", "5.7.1"), str(delivery))
    bounce, = body_of(sent)
    check(b"EICAR" not in bounce.body and b"A secret line" not in bounce.body, "it holds the body")
    expect((scanner.saw(token), sent.arrivals_elsewhere()), (1, []), "scanned, arrived")


@beside(FILTER, "mail of this host's programs")
def _(lab, mta, _, scanner):
    sent = Sent(lab, mta, lab.token())
    mta.sendmail(lab.message(sent.token).removesuffix(".\n"), "-i", "-f", DEPARTMENT,
                 "bob@dane.test")
    arrival = arrived(lab, mta, sent, "bob@dane.test")
    expect("REQUIRETLS" in arrival.parameters, mta.modern, "REQUIRETLS")
    expect(scanner.saw(sent.token), 1, "times scanned")


# --- Postfix 3.11 by itself ---------------------------------------------------------------------

def leave_out_routes(text):
    """Without the last two sections of what etc/PLACEMENT shows."""
    shown = snippets.placement(FILTER, "requiretls-milter.conf")
    return snippets.merged_ini(text, shown.partition("[route native]")[0])


@beside(FILTER, "without routes", leave_out_routes, ("3.11",))
def _(lab, mta, running, scanner):
    for by in require_ways(mta).values():
        sent = post(lab, mta, ["bob@dane.test", "local@alias.test"], **by)
        become(sent, {"bob@dane.test": "smtp sent dane-only/requiretls",
                      "bob@local.test": "virtual sent"})
        expect("REQUIRETLS" in arrived(lab, mta, sent, "bob@dane.test").parameters, True, "MAIL")
        expect(scanner.saw(sent.token), 1, "times scanned")
    expect("route=loop" in running.log(), False, "a route")


# What does not work, as etc/PLACEMENT says.

@beside(FILTER, "routes before it: the scanner is skipped", lambda text: text)
def _(lab, mta, _, scanner):
    sent = post(lab, mta, "bob@dane.test", parameters=ASK)
    become(sent, {"bob@dane.test": SURE[version(mta)]})
    expect(scanner.saw(sent.token), 0, "times scanned")


@beside(FILTER, "requiretls_esmtp_header = no: what the scanner gives back requires nothing",
        leave_out_routes, ("3.11",))
def _(lab, mta, _, scanner):
    with mta.configured(requiretls_esmtp_header="no"):
        sent = post(lab, mta, "bob@dane.test", parameters=ASK)
        become(sent, {"bob@dane.test": "smtp sent dane-only"})
        expect("REQUIRETLS" in arrived(lab, mta, sent, "bob@dane.test").parameters, False, "MAIL")


@beside(FILTER, "requiretls_esmtp_header = no, but for the scanner's way back", leave_out_routes,
        ("3.11",), setting="behind a content filter, its own cleanup")
def _(lab, mta, _, scanner):
    with mta.configured(requiretls_esmtp_header="no"):
        sent = post(lab, mta, "bob@dane.test", parameters=ASK)
        become(sent, {"bob@dane.test": "smtp sent dane-only/requiretls"})
        expect("REQUIRETLS" in arrived(lab, mta, sent, "bob@dane.test").parameters, True, "MAIL")


# --- a proxy --------------------------------------------------------------------------------------

same_for_both(PROXY)
in_order(PROXY, "behind a proxy filter")


@beside(PROXY, "what the scanner refuses the client is told")
def _(lab, mta, _, scanner):
    token = lab.token()
    sent = post(lab, mta, "bob@dane.test", sender=DEPARTMENT,
                message=lab.message(token).removesuffix(".\n") + VIRUS)
    expect(sent.replies["data"], (550, "5.7.1"), "data")
    expect((scanner.saw(token), lab.arrivals.of(token)), (1, []), "scanned, arrived")


@beside(PROXY, "with speed_adjust", versions=("3.7",))
def _(lab, mta, _, scanner):
    with mta.configured(smtpd_proxy_options="speed_adjust"):
        for by in require_ways(mta).values():
            sent = post(lab, mta, ["bob@dane.test", "bob@signed.test"], **by)
            become(sent, {"bob@dane.test": SURE["3.7"], "bob@signed.test": WEB_PKI["3.7"]})
            expect(scanner.saw(sent.token), 1, "times scanned")
        refused = post(lab, mta, "bob@plain.test", **require_ways(mta)["header"])
        expect(refused.replies["data"], (550, "5.7.10", "plain.test"), "data")


@beside(PROXY, "REQUIRETLS without TLS is refused by the first smtpd")
def _(lab, mta, _, scanner):
    sent = lab.send(mta, "bob@dane.test", slot="own", parameters=ASK, tls=False,
                    net=layout.CUSTOMER)
    reply = sent.replies["mail"]
    expect(reply, (555, "5.5.4") if mta.modern else (530, "5.7.10"), "MAIL")


@beside(PROXY, "the filter before it alone puts nothing on a route",
        setting="behind a proxy filter, the filter before it alone")
def _(lab, mta, running, scanner):
    sent = post(lab, mta, "bob@dane.test", parameters=ASK)
    become(sent, {"bob@dane.test": "smtp sent dane-only/requiretls" if mta.modern else
                  "smtp sent Verified"})
    header = post(lab, mta, "bob@plain.test", **require_ways(mta)["header"])
    expect(running.log().count("to=<bob@plain.test>"), 0, "lines for a request by header")
    become(header, {"bob@plain.test": "smtp bounced 5.7.10 may?/!requiretls:nocertmatch"
                    if mta.modern else PLAIN["3.7"]})
    expect((scanner.saw(sent.token), scanner.saw(header.token)), (1, 1), "times scanned")


# One that writes a MAIL of its own loses the marker, as etc/PLACEMENT says.

WRITES = "behind a proxy filter that writes its own MAIL"


@beside(PROXY, "one that writes its own MAIL loses the request, of which the set-up check tells",
        versions=("3.7",), writes=True)
def _(lab, mta, running, scanner):
    sent = post(lab, mta, "bob@dane.test", parameters=ASK)
    become(sent, {"bob@dane.test": "smtp sent Verified"})
    expect((scanner.saw(sent.token), running.decisions()), (1, {}), "scanned, lines of the filter")
    scanner.shutdown()
    scanner.server_close()
    report = checked(lab, mta, lambda text: text, writes=True)
    expect((report.code, report.names("error", "unknown")), (1, {"proxy-marker"}), str(report))
    check("smtpd_command_filter=" in report.remedies("proxy-marker")[0], str(report))


@beside(PROXY, "one that writes its own MAIL, where the parameter is refused", versions=("3.7",),
        setting=WRITES, writes=True)
def _(lab, mta, running, scanner):
    refused = post(lab, mta, "bob@dane.test", parameters=ASK)
    expect(refused.replies["mail"], (555, "5.5.4"), "MAIL")
    ways = require_ways(mta)
    for by in (ways["header"], ways["rule"]):
        sent = post(lab, mta, "bob@dane.test", **by)
        become(sent, {"bob@dane.test": SURE["3.7"]})
        expect(scanner.saw(sent.token), 1, "times scanned")


@scenario("check-setup: " + WRITES, setting=WRITES, machines=BOTH)
def _(lab):
    for mta in lab.mtas.values():
        checksetup.in_order(checked(lab, mta, lambda text: text, writes=True), mta.name)


@scenario("check-setup 3.7: a proxy filter that is down", setting="behind a proxy filter")
def _(lab):
    mta = lab.mtas["3.7"]
    daemon(lab, mta, "")
    copy = checksetup.Copy(mta)
    copy.configure(smtpd_milter_maps="")
    report = checksetup.check(copy)
    expect((report.code, report.names("error", "unknown")), (75, {"proxy-marker"}), str(report))

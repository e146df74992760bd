"""The symptoms of etc/OPERATION that show at a client or in Postfix's log, provoked, with the text that
stands there, and then the remedy. What the daemon says without an MTA is in tests/protocol."""

import re

import layout
import operation
import procs
import snippets
from milter import IMPATIENT
from operation import symptom
from routed import OLDER, become, daemon, ends, post, require, routes
from scenario import check, expect, scenario


def told(reply, words):
    check(re.match(symptom(words), str(reply)), f"{reply} is not what OPERATION says of {words}")


def logged(lines, words, what):
    check(re.search(symptom(words), "\n".join(lines)), f"{what}: no line has what OPERATION says")


def last_line(sent, queue_id=None):
    """The line of Postfix's log that has what became of the message's one recipient, as it stands."""
    if not queue_id:
        sent.deliveries()
    return [line for line in sent.log.lines(queue_id or sent.queue_id) if " status=" in line][-1:]


# recipient, what stands in OPERATION, lines of the configuration that are its remedy
TOLD = (
    ("plain.test", "publishes neither", "[rule all]\nnexthop = plain.test\nlevel = opportunistic+starttls\n"),
    ("signed.test", "route cannot use the Web PKI", None),
    ("sts-nomatch.test", "matches its MTA-STS policy", None),
    ("mx-servfail.test", "the MX lookup for", None),
    ("sts-500.test", "cannot be looked up at present", None),
)


@scenario("operation 3.7: what a client is told, and a rule that makes an exception")
def _(lab):
    mta = lab.mtas["3.7"]
    running = lab.milter(IMPATIENT, fresh=True)
    for domain, words, remedy in TOLD:
        told(lab.ask(mta, f"bob@{domain}", running.slot), words)
        if remedy:
            running.reload(IMPATIENT + remedy)
            procs.wait_for(lambda: "reloaded" in running.log(), "the reload")
            expect(lab.ask(mta, f"bob@{domain}", running.slot), (250,), "with the remedy")


@scenario("operation 3.7: no resolver validates")
def _(lab):
    running = lab.milter(f"[dns]\nresolvers = {layout.RESOLVER_NO_AD}\ntrust_ad = yes\n", fresh=True)
    told(lab.ask(lab.mtas["3.7"], "bob@dane.test", running.slot), "no resolver that validates")
    logged([running.whole_log()], "DNS security is unknown", "log")
    expect(lab.ask(lab.mtas["3.7"], "bob@sts.test", running.slot), (250,), "MTA-STS goes on")


@scenario("operation 3.7: REQUIRETLS without STARTTLS; require_offer = yes, and auto")
def _(lab):
    mta = lab.mtas["3.7"]

    def mail(running):
        return lab.send(mta, "bob@dane.test", slot=running.slot, parameters=("REQUIRETLS",), tls=False)
    running = lab.milter("", fresh=True)
    told(mail(running).replies["mail"], "needs an encrypted session")
    running.reload(f"[milter]\ntrusted_clients = {layout.client(running.slot)}\n"
                   "[default]\nrequire_offer = yes\n")
    procs.wait_for(lambda: "reloaded" in running.log(), "the reload")
    sent = mail(running)
    expect(sent.replies["mail"], (250,), "with trusted_clients")
    told(sent.replies["bob@dane.test"], "this host cannot pass REQUIRETLS on")
    running.forget()
    running.reload("[default]\nrequire_offer = auto\n")
    procs.wait_for(lambda: "reloaded" in running.log(), "the reload")
    expect(lab.ask(mta, "bob@dane.test", running.slot), (250,), "require_offer = auto")


@scenario("operation: Postfix refuses the parameter itself", machines=("3.11", "3.7"))
def _(lab):
    for name, tls, spoilt in (("3.7", True, {"smtpd_command_filter": ""}),
                              ("3.11", False, {"smtpd_tls_security_level": "none"})):
        mta = lab.mtas[name]
        with mta.configured(**spoilt):
            sent = lab.send(mta, "bob@dane.test", parameters=("REQUIRETLS",), tls=tls)
            told(sent.replies["mail"], "Unsupported option")
        sent = lab.send(mta, "bob@dane.test", parameters=("REQUIRETLS",))
        expect(sent.replies["mail"], (250,), f"{name} with the remedy")
        sent.deliveries()


@scenario("operation: accepted, then bounced; for 5.7.30 opportunistic+starttls", setting="snippets",
          machines=("3.11", "3.7"))
def _(lab):
    for name, to, words in (("3.11", "bob@dane-no-requiretls.test", "dsn=5.7.30"),
                            ("3.11", "bob@dane-wrong.test", "dsn=5.7.10"),
                            ("3.7", "bob@dane-wrong.test", "dsn=5.7.10")):
        mta = lab.mtas[name]
        rule = "\n[rule ready]\nnexthop = dane-no-requiretls.test\nlevel = opportunistic+starttls\n"
        for more in ("", rule) if "5.7.30" in words else ("",):
            daemon(lab, mta, more)
            sent = require(lab, mta, to)
            expect(sent.replies[to], (250,), "RCPT")
            found = ends(sent)[to]
            if more:
                expect(found.status, "sent", "with the remedy")
            else:
                logged(last_line(sent, found.queue_id), words, found)


@routes("operation: the daemon is down, and up again", version=OLDER)
def _(lab, mta, running):
    to = "bob@dane.test"
    policies = f"socketmap:unix:/var/spool/postfix/{snippets.SOCKETS}/policy.sock:QUERY"

    def asked_in_vain(domain):
        try:
            return check(False, mta.run("postmap", "-q", domain, policies))
        except procs.LabError as error:
            return str(error)
    running.stop()
    try:
        with lab.client(mta, "own") as client:
            client.ehlo()
            told(client.command("STARTTLS"), "454 4.3.0")
            told(client.mail("alice@sender.test"), "451 4.7.1")
        check(any("connect to Milter service" in line for line in mta.log.lines()[-20:]), "the log")
        sent = lab.send(mta, to)  # that asks no filter
        logged(last_line(sent), "client TLS configuration problem", sent.queue_id)
        token = lab.token()
        mta.sendmail(lab.message(token).removesuffix(".\n"), "-i", "-f", "alice@sender.test", to)
        procs.wait_for(lambda: "maildrop" in mta.queued().values(), "mail of this host to wait in maildrop")
        check("No such file or directory" in asked_in_vain("dane.test"), "postmap")
    finally:
        running.start()
    expect(mta.run("postmap", "-q", "dane.test", policies).strip(), "dane-only", "the map")
    said = asked_in_vain("tlsa-servfail.test")
    check("socketmap server temporary error: " in said, said)
    mta.run("postqueue", "-f")
    lab.arrivals.wait(sent.token, to, timeout_s=60)
    lab.arrivals.wait(token, to, timeout_s=90)


# What becomes of REQUIRETLS then.
BY_ITSELF = {"bob@dane.test": "smtp sent dane/requiretls",
             "bob@plain.test": "smtp bounced 5.7.10 may?/!requiretls:nocertmatch",
             "bob@dane-no-requiretls.test": "smtp bounced 5.7.30 dane/!requiretls:none"}


def taken_out(lab, mta, running):
    commands = [line.split("#") for line in re.findall(r"^    (postconf -.*)$", operation.FILE.read_text(), re.M)]
    before = {file: (mta.etc / file).read_text() for file in ("main.cf", "master.cf")}
    running.stop()
    try:
        with lab.client(mta) as client:
            client.ehlo()
            told(client.command("STARTTLS"), "454 4.3.0")
        for command, *which in commands:
            if not which or ("3.11" in which[0]) == mta.modern:
                mta.run("sh", "-ec", command)
        mta.reload()
        check("requiretls_command" not in (mta.etc / "master.cf").read_text(), "a service takes REQUIRETLS still")
        become(lab.send(mta, "bob@plain.test"), {"bob@plain.test": "smtp sent " + (
            "may" if mta.modern else "Trusted")})
        for to, way in BY_ITSELF.items():
            sent = lab.send(mta, to, parameters=("REQUIRETLS",))
            if mta.modern:
                become(sent, {to: way})
            else:
                told(sent.replies["mail"], "Unsupported option")
    finally:
        for file, text in before.items():
            procs.replace(mta.etc / file, text)
        mta.reload()
        running.start()


for each in (OLDER, "3.11"):
    routes("operation: the daemon is down for long, and is taken out of Postfix", version=each,
           setting="snippets alone")(taken_out)


@routes("operation: the services of the loop are missing, and added",
        setting="snippets, no services of the loop")
def _(lab, mta, _):
    to = "bob@dane.test"
    sent = require(lab, mta, to)
    logged(last_line(sent), "postfix/requiretls-loop/smtp", sent.queue_id)
    lab.use("snippets")
    daemon(lab, mta)
    mta.run("postqueue", "-f")
    lab.arrivals.wait(sent.token, to, timeout_s=60)


@routes("operation: Postfix's resolver does not validate, and does again")
def _(lab, mta, _):
    to, file = "bob@dane.test", mta.spool / "etc/resolv.conf"  # that of the chroot
    right = file.read_text()
    file.write_text(right.replace(layout.RESOLVER, layout.RESOLVER_NO_AD))
    try:
        mta.reload()
        sent = post(lab, mta, to)
        logged(last_line(sent), "non DNSSEC destination", sent.queue_id)
    finally:
        file.write_text(right)
        mta.reload()
    mta.run("postqueue", "-f")
    lab.arrivals.wait(sent.token, to, timeout_s=60)


@routes("operation: smtp_dns_support_level is not dnssec, and is again")
def _(lab, mta, _):
    to = "bob@dane.test"
    with mta.configured(smtp_dns_support_level="enabled"):
        sent = post(lab, mta, to)
        logged(last_line(sent), "client TLS configuration problem", sent.queue_id)
        logged(mta.log.lines()[-20:], "dnssec lookups disabled", sent.queue_id)
    mta.run("postqueue", "-f")
    lab.arrivals.wait(sent.token, to, timeout_s=60)

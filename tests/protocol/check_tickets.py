"""Tickets: what the filter tells the delivery agent, as a reader of its own finds it, and what becomes of
fields that come in."""

import hashlib
import hmac
import time

from harness import Daemon, equal, matches, message
from operation import symptom

KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
FINE = "[rule fine]\nnexthop = .fine\ntls_policy = secure match=mx.fine\n"
ROUTES = ("[default]\nroute = deliver\noptional_route = deliver\n"
          "[route deliver]\nmethod = header\nlocal = refuse\nagent = yes\n")
ASK = ["REQUIRETLS", "RET=HDRS"]
NAME = "X-REQUIRETLS-Ticket"
VIA = [("addheader", "X-REQUIRETLS-Route", " deliver"), ("chgheader", 1, "X-REQUIRETLS-Route", "")]


def configured(d, more="", routes=ROUTES):
    return f"{FINE}{more}{routes}[deliver]\nticket_key = {d.dir}/ticket.key\n"


def put_key(d, text=KEY + "\n", mode=0o640):
    path = d.dir / "ticket.key"
    path.write_text(text)
    path.chmod(mode)


def netstring(text):
    return f"{len(text.encode())}:{text},".encode()


def sign(terms, sender, recipient):
    covered = netstring(terms) + netstring(sender) + netstring(recipient)
    return hmac.new(bytes.fromhex(KEY), covered, hashlib.sha256).hexdigest()


def read(value, sender, recipient):
    """The terms of a ticket for this envelope without version and time; None: it is not for it."""
    terms, mac = value.strip().split(";m=")
    if not hmac.compare_digest(mac, sign(terms, sender, recipient)):
        return None
    version, *terms, made = [term.partition("=")[::2] for term in terms.split(";")]
    equal(version, ("v", "1"))
    equal(made[0], "t")
    equal(abs(time.time() - int(made[1])) < 60, True, "the time")
    return " ".join(f"{name}={value}" for name, value in terms)


def make(sender, recipient, made=None):
    terms = (f"v=1;q=4bOld;r=optional;l=opportunistic;o=no;f=none;n=example.org;"
             f"t={int(time.time()) if made is None else made}")
    return f"{terms};m={sign(terms, sender, recipient)}"


def tickets(changes):
    return [change[2] for change in changes if change[:2] == ("addheader", NAME)]


def others(changes):
    return [change for change in changes if change[:2] != ("addheader", NAME)]


def written():
    relay = {"{rcpt_host}": "[relay.fine]:587", "{rcpt_mailer}": "smtp"}
    low = ("[rule low]\nrecipient = e@x.fine\nlevel = opportunistic+starttls\nfallback = may\n"
           "[rule fall]\nrecipient = c@d.fine\nfallback = encrypt\n")
    d = Daemon()
    put_key(d)
    d.write(configured(d, low))
    with d, d.session() as m:
        m.mail("<Al.Ice@B.example>", *ASK, macros=m.mail_macros)
        for rcpt, macros in (("<a@b.fine>", {}), ("<c@D.fine>", relay), ("<e@x.fine>", {"{rcpt_host}": "x.fine", "{rcpt_mailer}": "smtp"})):
            equal(m.rcpt(rcpt, macros=macros).action, "continue")
        m.eoh(macros={"i": "4bXyZ"})
        changes = m.eom(macros={"i": "4bXyZ"}).changes
        equal(others(changes), VIA)
        wanted = {"a@b.fine": "q=4bXyZ r=require l=enforce o=yes f=none n=b.fine",
                  "c@d.fine": "q=4bXyZ r=require l=enforce o=yes f=encrypt n=[relay.fine]:587",
                  "e@x.fine": "q=4bXyZ r=require l=opportunistic+starttls o=no f=may n=x.fine"}
        got = {rcpt: [text for text in (read(value, "Al.Ice@b.example", rcpt)
                                        for value in tickets(changes)) if text] for rcpt in wanted}
        equal(got, {rcpt: [text] for rcpt, text in wanted.items()})
        for value in tickets(changes):
            equal([name for name in ("a@b", "c@d", "e@x", "Al.Ice") if name in value], [], value)


def optional():
    d = Daemon()
    put_key(d)
    d.write(configured(d))
    with d, d.session() as m:
        changes = message(m, rcpts=["<a@b.test>"], headers=[("TLS-Required", "No")])["eom"].changes
        equal(others(changes), VIA)
        equal([read(value, "a@b.example", "a@b.test") for value in tickets(changes)],
              ["q=4bXyZ r=optional l=opportunistic o=no f=none n=b.test"])


def foreign():
    forged = [(NAME, " v=1;nonsense"), ("Subject", " x"),
              (NAME.lower(), " " + make("a@b.example", "a@b.fine"))]
    gone = [("chgheader", 2, NAME, ""), ("chgheader", 1, NAME, "")]
    with Daemon(FINE) as d, d.session() as m:
        equal(message(m, headers=forged)["eom"].changes, gone, "no agent, no request")
        equal("eom" in message(m, headers=forged[1:2]), False, "without such a field: let go")
    d = Daemon()
    put_key(d)
    second = "[rule second]\ndaemon = second\nroute = deliver\noptional_route = deliver\n"
    d.write(configured(d, second))
    with d:
        with d.session() as m:
            equal(message(m, rcpts=["<a@b.fine>"], headers=forged)["eom"].changes, gone,
                  "no request")
        with d.session() as m:
            changes = message(m, params=ASK, rcpts=["<a@b.fine>"], headers=forged)["eom"].changes
            equal(others(changes), gone + VIA, "with one")
            equal(len(tickets(changes)), 1)
        with d.session(client="127.0.0.1", tls=False, daemon_name="second") as m:
            old = (NAME, " " + make("a@b.example", "a@b.fine", 1))
            equal(message(m, rcpts=["<a@b.fine>"], headers=forged + [old])["eom"].changes,
                  [("chgheader", 3, NAME, ""), ("chgheader", 1, NAME, "")], "reinjected")
        with d.session(client="192.0.2.1", daemon_name="second") as m:
            equal(message(m, rcpts=["<a@b.fine>"], headers=forged)["eom"].changes, gone,
                  "not from this host")


def no_key():
    d = Daemon()
    put_key(d, mode=0o644)  # others can read it: it is none
    d.write(configured(d))
    with d, d.session() as m:
        matches(d.log(), r"error: .*: ticket_key: .*/ticket\.key: mode 0644")
        got = message(m, params=ASK, rcpts=["<a@b.fine>"])["eom"]
        equal(got.changes, [])
        matches(got.text, "^" + symptom("451 4.3.5"))
        matches(d.log(), r"warning: 4bXyZ: message deferred: it goes to the delivery agent, and there is no key")
        got = message(m, rcpts=["<a@b.test>"], headers=[("TLS-Required", "No")])["eom"]
        matches(got.text, r"^451 4\.3\.5")
        equal("eom" in message(m), False, "mail without a request goes on")


def made_and_reloaded():
    d = Daemon()
    d.write(configured(d, routes="[default]\nroute = deliver\n[route deliver]\nmethod = header\n"))
    with d:
        equal((d.dir / "ticket.key").exists(), False, "no route leads to the agent")
        d.reload(configured(d))
        first = (d.dir / "ticket.key").read_text()
        equal((d.dir / "ticket.key").stat().st_mode & 0o777, 0o640)
        with d.session() as m:
            equal(len(tickets(message(m, params=ASK, rcpts=["<a@b.fine>"])["eom"].changes)), 1)
            put_key(d, KEY + "\n" + first)
            d.reload(configured(d))
            values = tickets(message(m, params=ASK, rcpts=["<a@b.fine>"])["eom"].changes)
            equal([read(value, "a@b.example", "a@b.fine") for value in values],
                  ["q=4bXyZ r=require l=enforce o=yes f=none n=b.fine"])
            (d.dir / "ticket.key").chmod(0o666)  # the keys of before stay, and all else
            d.reload(configured(d))
            matches(d.log(), r"error: .*: ticket_key: .*mode 0666")
            matches(d.log(), "was not taken over")
            values = tickets(message(m, params=ASK, rcpts=["<a@b.fine>"])["eom"].changes)
            equal([read(value, "a@b.example", "a@b.fine") is not None for value in values], [True])


def run(suite):
    for name, function in (
            ("written for each recipient, as was decided", written),
            ("for TLS-Required: No", optional),
            ("from outside, removed from any message", foreign),
            ("without a key a message that needs one is deferred", no_key),
            ("a key that comes with a reload", made_and_reloaded)):
        suite.run(f"ticket: {name}", function)

"""Bounces that other hosts made and that pass through here.

By default they are left alone. With `redact_dsn = all` those of REQUIRETLS messages lose the body of
what they return, and nothing else; all other mail arrives as it was sent, byte for byte.
"""

from scenario import check, expect, scenario

CONFIG = "[milter]\nredact_dsn = all\naccept_header = any\n"
TO = "alice@sender.test"
SECRET = "Ein geheimer Satz: grün.\r\n"
FIELDS = "From: Alice <alice@sender.test>\r\nSubject: the original\r\nMessage-ID: <o@sender.test>\r\n"
REQUIRE = "Require-TLS-ESMTP: yes\r\n"


def original(fields="", body=SECRET * 3):
    return FIELDS + fields + "\r\n" + body


def report(returned, kind="message/rfc822", more="", top="multipart/report; report-type=delivery-status"):
    """The header's last field and the body of a bounce."""
    return (f"Content-Type: {top};\r\n\tboundary=\"=_b/1\"\r\n\r\n"
            "This is a report.\r\n\r\n--=_b/1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            "It bounced.  \r\n\r\n--=_b/1\r\nContent-Type: message/delivery-status\r\n\r\n"
            "Reporting-MTA: dns; mx.elsewhere.test\r\n\r\nFinal-Recipient: rfc822; bob@b.test\r\n"
            "Action: failed\r\nStatus: 5.1.1\r\n\r\n"
            f"--=_b/1\r\nContent-Description: what was returned\r\nContent-Type: {kind}\r\n{more}\r\n"
            f"{returned}\r\n--=_b/1--\r\n")


def passes(lab, mta, running, content, sender=""):
    """Sends a message that ends like this; returns what was sent and what arrived."""
    token = lab.token()
    whole = ("From: MAILER-DAEMON@elsewhere.test (Mail Delivery System)\r\n"
             f"Message-ID: <{token}>\r\nSubject: Undelivered Mail\r\nMIME-Version: 1.0\r\n"
             f"Content-Transfer-Encoding: 8bit\r\n{content}").encode()
    sent = lab.send(mta, TO, slot=running.slot, sender=sender, parameters=("BODY=8BITMIME",),
                    message=whole)
    expect(sent.deliveries()[TO].status, "sent", "delivery")
    return whole, lab.arrivals.wait(token, TO)[0].bytes()


def unchanged(lab, mta, running, content, sender=""):
    whole, arrived = passes(lab, mta, running, content, sender)
    check(arrived.endswith(b"\r\n" + whole), f"it is not as it was sent: {arrived.decode()}")


def each(name, config=CONFIG):
    def register(function):
        for version in ("3.11", "3.7"):
            def run(lab, version=version):
                running = lab.milter(config)
                function(lab, lab.mtas[version], running)
            scenario(f"relayed bounce {version}: {name}")(run)
        return function
    return register


def cut(lab, mta, running, before, after):
    whole, arrived = passes(lab, mta, running, before)
    wanted = whole.split(b"Content-Type:", 1)[0] + after.encode()
    check(arrived.endswith(b"\r\n" + wanted), f"not cut as it should be: {arrived.decode()}")
    check(b"geheim" not in arrived, "the body is still there")
    check("took the returned message's body out of a bounce" in running.log(), "nothing is logged")


@each("of a REQUIRETLS message: the body goes, everything else stays")
def _(lab, mta, running):
    cut(lab, mta, running, report(original(REQUIRE)),
        report(original(REQUIRE, ""), "text/rfc822-headers").replace("\r\n\r\n\r\n--", "\r\n\r\n--"))


@each("of a REQUIRETLS message, internationalized")
def _(lab, mta, running):
    cut(lab, mta, running, report(original(REQUIRE), "message/global", "X-Part: 1\r\n"),
        report(original(REQUIRE, ""), "message/global-headers", "X-Part: 1\r\n").replace(
            "\r\n\r\n\r\n--", "\r\n\r\n--"))


@each("of a REQUIRETLS message that this host had sent on, known by its queue id")
def _(lab, mta, running):
    token = lab.token()
    first = lab.send(mta, "bob@dane.test", slot=running.slot, parameters=("REQUIRETLS",),
                     message=lab.message(token))
    expect(first.deliveries()["bob@dane.test"].status, "sent", "delivery")
    # The next host strips the header when it hands the message on, but names the id in its report.
    status = f"Reporting-MTA: dns; mx.elsewhere.test\r\nX-Postfix-Queue-ID: {first.queue_id}\r\n"

    def named(text):
        return text.replace("Reporting-MTA: dns; mx.elsewhere.test\r\n", status)
    cut(lab, mta, running, named(report(original())),
        named(report(original("", ""), "text/rfc822-headers")).replace(
            "\r\n\r\n\r\n--", "\r\n\r\n--"))


@each("of other messages: byte for byte")
def _(lab, mta, running):
    unchanged(lab, mta, running, report(original()))
    unchanged(lab, mta, running, report(original(body=REQUIRE + SECRET)))  # the body may say so
    unchanged(lab, mta, running, report(original(), "message/global"))
    unchanged(lab, mta, running, report(original("Require-TLS-ESMTP: no\r\n")))
    unchanged(lab, mta, running, report(original(REQUIRE, ""), "text/rfc822-headers"))


@each("by default: byte for byte, whatever they hold", "[milter]\naccept_header = no\n")
def _(lab, mta, running):
    unchanged(lab, mta, running, report(original(REQUIRE)))


@each("what only looks like one: byte for byte")
def _(lab, mta, running):
    forged = report(original(REQUIRE))
    # Mail that somebody sent: the sender gets no delivery status, and loses nothing.
    unchanged(lab, mta, running, forged, sender="mallory@sender.test")
    # From <>, but no report: an automatic answer, a forwarded message, a text that quotes one.
    unchanged(lab, mta, running, report(original(REQUIRE), top="multipart/mixed"))
    unchanged(lab, mta, running, f"Content-Type: message/rfc822\r\n\r\n{original(REQUIRE)}")
    unchanged(lab, mta, running, f"Content-Type: text/plain; charset=utf-8\r\n\r\n{forged}")

"""Bounces: the body of a REQUIRETLS message is not returned, everything else is."""

import itertools
import os
import re
import tempfile
import time
from pathlib import Path

import milter_client as mc
from harness import Daemon, check, equal, matches, message, mount_over
from operation import FILE, symptom

OWN = {"client": "127.0.0.1", "port": 0, "name": "localhost", "tls": False}
TYPE = ("Content-Type", 'multipart/report; report-type=delivery-status;\n\tboundary="B"')
VERSION = ("MIME-Version", "1.0")


def report(fields="", body=b"A secret line.\r\n", kind="message/rfc822"):
    return (b"This is a MIME-encapsulated message.\r\n\r\n--B\r\n\r\nIt bounced.\r\n\r\n"
            b"--B\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n"
            b"X-Postfix-Queue-ID: 4bOld\r\n\r\n--B\r\nContent-Type: " + kind.encode() +
            b"\r\n\r\nSubject: hello\r\n" + fields.encode() + b"\r\n" + body + b"\r\n--B--\r\n")


def redacted(fields):
    whole = report(fields, b"", "text/rfc822-headers")
    return whole.replace(b"\r\n\r\n\r\n--B--", b"\r\n\r\n--B--")


def bounce(m, body, sender="", headers=(TYPE, VERSION), **more):
    return message(m, sender=sender, rcpts=["a@b.example"], headers=headers, body=body, **more)


def new_body(answer):
    return b"".join(data for name, *data in answer.changes if name == "replacebody"
                    for data in data)


def others(answer):
    return [c for c in answer.changes if c[0] != "replacebody"]


ASKED = "Require-TLS-ESMTP: yes\r\n"
# name, session, configuration, sender, fields of the original, the body is replaced, other changes
CASES = [
    ("REQUIRETLS", OWN, "", "", ASKED, True, []),
    ("REQUIRETLS, sender <>", OWN, "", "<>", ASKED, True, []),
    ("REQUIRETLS and TLS-Required: No", OWN, "", "", ASKED + "TLS-Required: No\r\n", True, []),
    ("TLS-Required: No", OWN, "", "", "TLS-Required: No\r\n", False,
     [("addheader", "TLS-Required", " No")]),
    ("TLS-Required twice", OWN, "", "", "TLS-Required: No\r\n" * 2, False, []),
    ("ordinary mail", OWN, "", "", "", False, None),
    ("not from <>", OWN, "", "<x@b.example>", ASKED, False, None),
    ("to the postmaster", OWN, "", "double-bounce@b.example", ASKED, True, []),
    ("from outside, as if to the postmaster", {}, "[milter]\nredact_dsn = all\n",
     "<double-bounce@b.example>", ASKED, False, None),
    ("relayed", {}, "", "<>", ASKED, False, None),
    ("relayed, redact_dsn = all", {}, "[milter]\nredact_dsn = all\n", "<>", ASKED, True, []),
    ("redact_dsn = no", OWN, "[milter]\nredact_dsn = no\n", "", ASKED, False, None),
]


def redaction(session, config, sender, fields, replaced, changes):
    with Daemon(config) as d, d.session(**session) as m:
        got = bounce(m, report(fields), sender)
        if changes is None:  # let go at the end of the header, or untouched
            check(got["eoh"].action == "accept" or not got["eom"].changes, got)
            return
        equal(got["eom"].action, "continue")
        equal(new_body(got["eom"]), redacted(fields) if replaced else b"")
        equal(others(got["eom"]), changes)
        equal(len(d.logged("4bXyZ: took the returned message's body")), int(replaced))


def known_by_queue_id():
    with Daemon() as d:
        with d.session() as m:
            equal(message(m, params=["REQUIRETLS"], queue_id="4bOld")["eom"].action, "continue")
        with d.session(**OWN) as m:
            equal(new_body(bounce(m, report())["eom"]), redacted(""))
        with d.session() as m:
            equal(message(m, queue_id="4bOld")["eoh"].action, "accept", "the id is used again")
        with d.session(**OWN) as m:
            equal(bounce(m, report())["eom"].changes, [])


def known_after_restart():
    """However the daemon ended; what it could not write is a warning and no more."""
    with tempfile.TemporaryDirectory() as directory:
        ids = Path(directory) / "queue-ids"
        config = f"[cache]\nstore = sqlite:{directory}/cache.db\n"

        def again(kill, asks, queue_id="4bOld"):
            """Another daemon; one message to it, and the end it has."""
            with Daemon(config) as d:
                with d.session(**OWN) as m:
                    got = new_body(bounce(m, report())["eom"])
                with d.session() as m:
                    message(m, params=["REQUIRETLS"] if asks else [], queue_id=queue_id)
                    if kill:
                        d.process.kill()
                        d.process.wait()
                        d.process = None
                return got, d.log()
        equal(again(True, True)[0], b"", "before")
        equal(again(True, True, "4bNew")[0], redacted(""), "killed")
        equal(again(False, True, "4bNewer")[0], redacted(""), "killed twice")
        equal(again(False, False)[0], redacted(""), "stopped")
        equal(again(False, True)[0], b"", "the id was used again by ordinary mail")
        # A file that is damaged gives what it has.
        with open(ids, "r+b") as file:
            file.seek(os.path.getsize(ids) - 64)
            file.write(b"\xff" * 200)
        got, log = again(False, True)
        matches(log, "warning: .*/queue-ids is damaged in part: set aside as .*queue-ids.set-aside.1")
        matches(log, symptom("set aside as"))
        got, log = again(False, True)
        check("queue-ids" not in log, log)
        equal(got, redacted(""), "after the damage")
        ids.write_bytes(b"something else")
        got, log = again(False, True)
        matches(log, "warning: .*/queue-ids is no file of this program's.*set-aside.2")
        equal(got, b"", "lost")
        equal(again(False, True)[0], redacted(""), "and begun again")
        named = re.search(r"^    /var/lib/requiretls-milter/\n((?: {6}.*\n)+)", FILE.read_text(), re.M)
        files = {re.sub(r"\.set-aside\.\d$", "", name) for name in os.listdir(directory)}
        equal({name for name in files if f" {name}" not in named[1]}, set(), "not in etc/OPERATION")
        # One that cannot be written holds nothing up.
        ids.unlink()
        ids.mkdir()
        before = time.monotonic()
        got, log = again(False, True)
        matches(log, "warning: .*/queue-ids cannot be opened: Is a directory: queue ids")
        matches(log, symptom("queue ids of messages"))
        check(time.monotonic() - before < 10, "it took too long")


def many_on_one_connection():
    """What one bounce was found to be says nothing of the next."""
    with Daemon() as d, d.session(**OWN) as m:
        for _ in range(3):
            check(new_body(bounce(m, report(ASKED))["eom"]), "not redacted")
            equal(bounce(m, report())["eom"].changes, [])
            m.mail("", macros=m.mail_macros)
            m.rcpt("a@b.example", macros={})
            m.header(*TYPE, macros={})
            m.eoh(macros={"i": "4bX"})
            m.body(report(ASKED)[:200])
            m.abort()


def nothing_kept():
    """An environment in which the address sanitizer keeps little of what was freed."""
    return {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}


def huge():
    """50 MB that go, and 50 MB that stay, in memory that does not grow with them."""
    line = b"x" * 998 + b"\r\n"
    with Daemon(env=nothing_kept()) as d, d.session(**OWN) as m:
        bounce(m, report(ASKED))
        before = d.counts()[2]
        got = bounce(m, report(ASKED, line * 50000))
        equal(new_body(got["eom"]), redacted(ASKED))
        big = report("", line * 50000)
        equal(bounce(m, big)["eom"].changes, [])
        # Another part as big: the new body is long, and handed over in pieces from a file.
        long = big.replace(b"It bounced.\r\n", b"It bounced.\r\n" + line * 50000, 1)
        long = long.replace(b"Subject: hello\r\n", b"Subject: hello\r\n" + ASKED.encode())
        got = bounce(m, long)
        wanted = redacted(ASKED).replace(b"It bounced.\r\n", b"It bounced.\r\n" + line * 50000)
        check(new_body(got["eom"]) == wanted, "the long body is not what it should be")
        check(max(len(c[1]) for c in got["eom"].changes) <= 65535, "too long a piece")
        check(d.counts()[2] - before < 20000, f"{d.counts()[2] - before} kB more than before")
    check(not [n for n in os.listdir("/var/tmp") if n.startswith("requiretls")], "files left behind")


def in_pieces(m, pieces):
    """One bounce whose body comes piece by piece; the answer to its end, or to what ended it."""
    m.mail("", macros=m.mail_macros)
    m.rcpt("a@b.example", macros={})
    for name, value in (TYPE, VERSION):
        m.header(name, value, macros={})
    equal(m.eoh(macros={"i": "4bXyZ"}).action, "continue")
    for piece in pieces:
        answer = m.body(piece)
        if answer.action != "continue":
            m.abort()
            return answer
    answer = m.eom(macros={"i": "4bXyZ"})
    m.abort()
    return answer


def gigabyte():
    """1 GB of a REQUIRETLS message's body goes; under a sanitizer, which is slow, less of it."""
    line = b"A secret line, and more of it.".ljust(74, b"x") + b"\r\n"
    piece = line * (65535 // len(line))
    head, tail = report(ASKED, b"@").split(b"@")
    with Daemon(env=nothing_kept()) as d, d.session(**OWN) as m:
        pieces = (1 << (25 if d.sanitized() else 30)) // len(piece) + 1
        bounce(m, report(ASKED))
        before = d.peak_kb()
        got = in_pieces(m, itertools.chain([head], itertools.repeat(piece, pieces), [tail]))
        equal(got.action, "continue")
        equal(new_body(got), redacted(ASKED))
        more = d.peak_kb() - before
        check(more < (20000 if d.sanitized() else 4000), f"{more} kB more than for a small one")


def no_room(*under):
    """What is kept of a long bounce finds no room: it is to come again, and the next one is served."""
    kept = b"It bounced.\r\n" + b"x" * 998 + b"\r\n"
    long = report(ASKED).replace(b"It bounced.\r\n", kept * 2000)
    with Daemon(under=under) as d, d.session(**OWN) as m:
        for _ in range(2):
            answer = in_pieces(m, [long[i:i + 65535] for i in range(0, len(long), 65535)])
            matches(answer.text, "^451 4.3.0 ")
            equal(new_body(in_pieces(m, [report(ASKED)])), redacted(ASKED))
        equal(len(d.logged("a bounce is deferred, its redacted body cannot be kept in /var/tmp: ")), 2)


def full_disk():
    no_room("unshare", "--mount", "sh", "-c",
            mount_over("/var/tmp", "-o", "size=1m") + ' && exec "$0" "$@"')


def file_size_limit():
    no_room("prlimit", "--fsize=1000000")


def old_connection():
    """A connection from before redaction was turned on hands over no bodies: it is to come again."""
    with Daemon("[milter]\nredact_dsn = no\n") as d:
        with d.session(**OWN) as m:
            equal(bounce(m, report())["eoh"].action, "accept")
            d.reload("[milter]\nredact_dsn = own\n")
            matches(m.mail("", macros=m.mail_macros).text, "^451 4.3.0 ")
        with d.session(**OWN) as m:
            check(new_body(bounce(m, report(ASKED))["eom"]), "not redacted")


def no_body_change():
    with Daemon() as d, d.session(actions=mc.ALL_ACTIONS & ~mc.CHGBODY, **OWN) as m:
        matches(bounce(m, report(ASKED))["eom"].text, "^451 4.3.0 ")
        equal(bounce(m, report())["eom"].action, "continue")


def mail_goes_on_without_its_body():
    with Daemon() as d, d.session() as m:
        got = message(m, params=["REQUIRETLS"], body=b"x" * 200000)
        equal([a.action for a in got["body"]], ["skip"])
        equal(got["eom"].action, "continue")


def tickets():
    ticket, headers = "X-REQUIRETLS-Ticket: v=1;q=4bOld;m=0\r\n", "text/rfc822-headers"
    no = "TLS-Required: No\r\n"
    with Daemon() as d, d.session(**OWN) as m:
        got = bounce(m, report(ticket + ASKED))["eom"]
        equal(new_body(got), redacted(ASKED), "with the body")
        equal(len(d.logged("took the returned message's body")), 1)
        got = bounce(m, report(ticket + no, b"", headers))["eom"]
        equal((new_body(got), others(got)), (report(no, b"", headers), [("addheader", "TLS-Required", " No")]),
              "a header alone")
        equal(bounce(m, report(ticket, b"", headers))["eom"].changes,
              [("replacebody", report("", b"", headers))], "no request")
        got = bounce(m, report(ticket + no))["eom"]
        equal((new_body(got), others(got)), (report(no), [("addheader", "TLS-Required", " No")]), "content that stays")
        large = b"0123456789abcde\r\n" * 30000  # more than is kept in memory
        equal(new_body(bounce(m, report(ticket, large))["eom"]), report("", large), "no request, in full")
        equal(bounce(m, report("", large))["eom"].changes, [], "no ticket")
        equal(len(d.logged("took the returned message's body")), 1)


def run(suite):
    for name, *case in CASES:
        suite.run(f"bounce: {name}", redaction, *case)
    for name, function in (("known by its queue id", known_by_queue_id),
                           ("known by its queue id after a restart, a SIGKILL, a damaged file",
                            known_after_restart),
                           ("many on one connection", many_on_one_connection),
                           ("50 MB", huge),
                           ("1 GB", gigabyte),
                           ("a full disk", full_disk),
                           ("a limit on the size of files", file_size_limit),
                           ("a connection older than the configuration", old_connection),
                           ("an MTA that cannot change bodies", no_body_change),
                           ("a ticket is not returned", tickets),
                           ("other mail's body is not asked for", mail_goes_on_without_its_body)):
        suite.run(f"bounce: {name}", function)

"""tests/MATRIX: what the cells of matrix.py become, in words, equal ones in one row.

A block for each machine and request; a row for each outcome: the levels and destinations that have
it, what the client was told, how it left, what arrived, what bounced.
"""

import itertools
import re
import textwrap

import layout
from matrix import DESTINATIONS, LEVELS, MACHINES, REQUESTS

PATH = layout.TREE / "tests/MATRIX"
LETTERS = dict(zip(LEVELS, "esod"))
COLUMNS = ("level", "destination", "told", "left", "arrived", "bounce")
WIDTHS = (5, 31, 15, 48, 19, 0)
TITLES = {(m.key, r.name): f"{m.title}: {r.title}" for m in MACHINES.values() for r in REQUESTS.values()}

HEAD = """\
What becomes of a message: by the machine that has requiretls-milter, by how its sender asks, by
what its destination is and by the level of policy. Machines have the snippets of etc/ as they
stand, without and with the delivery agent; every message asks for RET=FULL. `tests/lab/lab matrix`
writes this file anew, `tests/lab/lab matrix --mta 3.10` the part of that Postfix; the scenarios
`matrix` compare each row with what they see, and what leaves by the agent with Postfix 3.11's row.

level        e enforce, s opportunistic+starttls, o opportunistic, d disable
destination  dane, sts (mode enforce), signed (its MX records, without TLSA; for the Web PKI) and
             plain (nothing), and what is wrong with the server; local: a mailbox of the machine.
             The wrong certificate of dane is one of the Web PKI that its TLSA records do not name:
             good enough for sendmail 8.17, which knows nothing of DANE
told         what the client read: `accepted`, or the reply and to which command
             (on Postfix 3.11 servers are probed for a client who has logged in)
left         Postfix 3.11: its own word (smtp_log_tls_feature_status); by the delivery agent: tls= of
             its line, in the same words; else the transport or mailer, and what is logged of the
             server's certificate (Postfix: Verified, Trusted: by a CA, but maybe another's,
             Untrusted; sendmail: verify=OK, which is the same as Trusted, or FAIL), `no TLS` for
             plaintext. What was not sent is `bounced` or `deferred`, with the status
arrived      `same`: byte for byte as it was sent, below the fields Received; `+ field`: the same
             and the field Require-TLS-ESMTP: yes; `- field`: without that; `- No`: without the
             field TLS-Required: No; REQUIRETLS: in MAIL FROM of the next server
bounce       `header`: a bounce with the header alone; `all`: with the body
"""


def told(cell):
    if not cell.refused:
        return "accepted"
    command, reply = cell.refused
    return f"{reply.code} {reply.lines[0].split()[0]} {command}"


def left(cell):
    if not cell.last:
        return "-"
    if cell.agent:
        status = cell.agent["status"].split(" ")[0]
        words = [] if status == "sent" else [status, cell.agent["dsn"]]
        return " ".join(w for w in (*words, cell.agent.get("tls", "")) if w)
    last = cell.last
    transport = re.sub("^postfix/|/smtp$", "", last.service)
    words = [] if last.status == "sent" else [last.status, last.dsn]
    if last.tls:
        words.append(last.tls)
    elif transport in ("virtual", "local"):
        words.append("local")
    elif cell.machine.key != "3.11" and not transport.startswith("rtlsdeliver"):
        words += [transport, last.server or ("no TLS" if last.status == "sent" else "")]
    return " ".join(w for w in words if w)


def fields(data):
    """The header's fields, each with its line ends, and the body."""
    head, _, body = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    return re.findall(rb"[^\n]+(?:\n[ \t][^\n]*)*", head), body


def changes(cell, data):
    """`same`, or what differs from the message that was sent."""
    (was, body), (now, new_body) = fields(cell.sent), fields(data)
    while now and re.match(rb"(?i)(Received|Return-Path|Delivered-To|X-Original-To):", now[0]):
        now.pop(0)
    more = [f for f in now if f not in was]
    less = [f for f in was if f not in now]
    words = [f"+{f.decode(errors='replace')}" for f in more]
    words += [f"-{f.decode(errors='replace')}" for f in less]
    if [f for f in now if f in was] != [f for f in was if f in now]:
        words.append("header in another order")
    if body != new_body:
        words.append("another body")
    text = ", ".join(words).replace("Require-TLS-ESMTP: yes", " field")
    return text.replace("-TLS-Required: No", "- No") or "same"


def arrived(cell):
    copies = []
    for copy in cell.arrived:
        words = [changes(cell, copy.bytes())]
        if "REQUIRETLS" in copy.parameters:
            words.insert(0, "REQUIRETLS")
        if not copy.tls:
            words.insert(0, "plaintext")
        copies.append(", ".join(words))
    copies += [f"{changes(cell, data)}" for data in cell.mailbox]
    return " and ".join(copies) or "-"


def came_back(cell):
    words = []
    for bounce in cell.bounces:
        words.append("all" if b"secret end" in bounce.body else "header")
        words += [f"TLS-Required: {v}" for v in bounce.header("TLS-Required")]
    return ", ".join(words) or "-"


def outcome(cell):
    return told(cell), left(cell), arrived(cell), came_back(cell)


def _row(columns):
    """A row; a long list of destinations goes on below."""
    names = textwrap.wrap(columns[1], WIDTHS[1]) or [""]
    first = "  ".join(f"{text:{width}}" for text, width in
                      zip((columns[0], names[0], *columns[2:]), WIDTHS)).rstrip()
    return [first] + [f"{'':{WIDTHS[0]}}  {name}" for name in names[1:]]


def block(cells):
    """The lines of one machine and request."""
    by_place = {}  # destination -> outcome -> levels
    for cell in cells:
        levels = by_place.setdefault(cell.to.name, {}).setdefault(outcome(cell), "")
        by_place[cell.to.name][outcome(cell)] = levels + LETTERS[cell.level]
    rows = {}  # (levels, outcome) -> destinations
    for name, seen in by_place.items():
        for what, levels in seen.items():
            rows.setdefault((levels, what), []).append(name)
    order = sorted(rows, key=lambda row: ["esod".index(letter) for letter in row[0]])
    lines = _row(COLUMNS)
    for levels, what in order:
        lines += _row((levels, "; ".join(rows[levels, what]), *what))
    return lines


def text(blocks):
    """The whole file; blocks: (machine, request's name) -> lines. Equal ones are written once."""
    parts, left_over = [HEAD], dict(blocks)
    while left_over:
        machine, lines = next((key[0], lines) for key, lines in left_over.items())
        keys = [k for k, v in left_over.items() if k[0] == machine and v == lines]
        titles = [TITLES[key] for key in keys]
        parts.append("\n".join([*titles, "-" * max(map(len, titles)), *lines]) + "\n")
        left_over = {k: v for k, v in left_over.items() if k not in keys}
    return "\n".join(parts)


def rows(lines):
    """(level, destination) -> outcome(), of a block's lines."""
    found, names = {}, {d.name for d in DESTINATIONS}
    whole = []  # the columns of each row, its destinations on one line
    for line in lines[1:]:
        if line.startswith(" "):
            whole[-1][1] += f" {line.strip()}"
        else:
            whole.append(re.split(" {2,}", line))
    for letters, places, *what in whole:
        for name in places.split("; "):
            if name not in names or len(what) != 4:
                raise ValueError(f"{PATH}: {letters} {places}: {what}")
            found.update({(level, name): tuple(what) for level in LEVELS if LETTERS[level] in letters})
    return found


def read():
    """(machine, request's name) -> the lines of its block."""
    found = {}
    keys = {title: key for key, title in TITLES.items()}
    for part in PATH.read_text().split("\n\n") if PATH.exists() else ():
        lines = part.rstrip("\n").split("\n")
        titles = list(itertools.takewhile(lambda line: line in keys, lines))
        for title in titles:
            found[keys[title]] = lines[len(titles) + 1:]
    return found


def tables():
    """(machine, request's name) -> rows() of its block."""
    return {key: rows(lines) for key, lines in read().items()}

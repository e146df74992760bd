"""What holds for every cell of the matrix, whatever tests/MATRIX says of it."""

import re

import sendmail
from matrix import BODY, HEADER, REQUESTS
from matrix_table import arrived, changes, outcome

# Words of ours that nobody outside may see: tags, routes, the marker.
OURS = re.compile(rb"(?i)x-requiretls|requiretls\.invalid|0008689|requiretls-loop")
SECRETS = [line.encode() for line in BODY if "ecret" in line]


def requires(cell):
    """REQUIRETLS holds for it, whoever asked."""
    if cell.request.name == "stranger":  # Postfix 3.11 believes anyone, the others nobody
        return cell.mta.modern
    return cell.request.name in ("parameter", "both", "header", "rule")


def is_sendmail(cell):
    return cell.mta.name == sendmail.NAME


def authentic(cell):
    return cell.to.authentic or cell.to.web_pki and is_sendmail(cell)


def is_local(cell):
    return cell.to.name == "local"


# Each rule is a generator of what is wrong with a cell.

def authenticated_only(cell):
    if requires(cell) and cell.level == "enforce":
        for copy in cell.arrived:
            if not authentic(cell):
                yield f"it arrived at a server that cannot be authenticated: {copy}"
            if not copy.tls:
                yield f"it arrived in plaintext: {copy}"


def announced_only(cell):
    """The parameter is passed on wherever it can be, and mail that has it goes nowhere without."""
    if requires(cell) and cell.mta.modern:
        for copy in cell.arrived if cell.level != "disable" else ():
            if cell.to.announces != ("REQUIRETLS" in copy.parameters) and copy.tls:
                yield f"REQUIRETLS is announced: {cell.to.announces}, but {copy}"
            if cell.level == "enforce" and "REQUIRETLS" not in copy.parameters:
                yield f"without REQUIRETLS: {copy}"


def nothing_asked(cell):
    if not requires(cell):
        for copy in cell.arrived:
            if "REQUIRETLS" in copy.parameters:
                yield f"nobody asked for it: {copy}"


def no_body_comes_back(cell):
    for bounce in cell.bounces:
        found = [line for line in SECRETS if line in bounce.bytes()]
        redacted = requires(cell)
        if redacted and found:
            yield f"the bounce holds {found}"
        if not redacted and found != SECRETS:
            yield f"the bounce lacks the body that RET=FULL asks for, but for {found}"
        no = REQUESTS["optional"].headers[0].lower() in bounce.bytes().decode(
            errors="replace").lower().split("\r\n\r\n")[0]
        # No filter sees the bounces that sendmail makes.
        if no != (cell.request.name == "optional" and not is_sendmail(cell)):
            yield f"TLS-Required: No of the bounce: {no}"
        if bounce.header("Require-TLS-ESMTP") or "REQUIRETLS" in bounce.parameters:
            yield "the bounce is held to REQUIRETLS"


def removed(cell):
    """A header field that must not go on: who is not believed, or who requires TLS and would waive
    it at a server that may not be told REQUIRETLS."""
    if not requires(cell) and cell.request.headers == HEADER:
        return "- field"
    told = cell.mta.modern and (cell.level == "enforce" or is_local(cell))
    return "- No" if cell.request.name == "both" and not told else None


def byte_for_byte(cell):
    gone = removed(cell)
    for data in [copy.bytes() for copy in cell.arrived] + cell.mailbox:
        what = changes(cell, data)
        words = [word for word in what.split(", ") if word != "same"]
        if gone and gone not in words:
            yield f"{gone} is wanted, seen {what}"
        if set(words) - {gone, "+ field"}:
            yield f"it was changed on its way: {what}"
        if "+ field" in words and not requires(cell):
            yield f"nobody asked for {what}"


def envelope(cell):
    """RET=FULL counts for nothing where the message requires TLS; the rest is as it was."""
    wanted = {"RET=HDRS" if requires(cell) else "RET=FULL", "BODY=8BITMIME"}
    for copy in cell.arrived:
        seen = {p for p in copy.parameters if not p.startswith("SIZE=")} - {"REQUIRETLS"}
        if seen != wanted:
            yield f"MAIL with {sorted(seen)} instead of {sorted(wanted)}"


def nothing_of_ours(cell):
    for copy in cell.arrived + cell.bounces:
        envelope = " ".join([*copy.mail, *(w for r in copy.rcpt for w in r), copy.helo]).encode()
        seen = OURS.findall(copy.bytes() + envelope)
        if seen:
            yield f"{seen} in {copy}"
    for data in cell.mailbox:
        if OURS.search(data):
            yield f"{OURS.findall(data)} in the mailbox"


def once(cell):
    copies, bounces = len(cell.arrived) + len(cell.mailbox), len(cell.bounces)
    if cell.refused:
        if copies or bounces:
            yield f"refused, but {copies} arrived and {bounces} bounced"
        return
    wanted = {"sent": (1, 0), "bounced": (0, 1), "deferred": (0, 0)}[cell.last.status]
    if (copies, bounces) != wanted:
        yield f"{cell.last.status}, but {copies} arrived and {bounces} bounced"
    if cell.arrived and cell.arrived[0].recipients != [cell.to.recipient]:
        yield f"for {cell.to.recipient}, but arrived for {cell.arrived[0].recipients}"
    if cell.arrived and cell.arrived[0].sender != cell.request.sender:
        yield f"from {cell.request.sender}, but arrived from {cell.arrived[0].sender}"
    if cell.last.status == "sent" and is_local(cell) == bool(cell.arrived):
        yield f"a copy at the wrong place: {arrived(cell)}"


def never_refused(cell):
    if cell.request.name in ("optional", "none") and cell.refused:
        yield f"refused: {cell.refused[1]}"


def as_expected(cell):
    """The daemon's `expect=` is what Postfix then logs."""
    if not (requires(cell) and cell.mta.modern and cell.level == "enforce" and cell.arrived):
        return
    expected = (cell.decision or {}).get("expect")
    if expected != cell.last.tls:
        yield f"expect={expected}, but tls={cell.last.tls}"


def logged(cell):
    """A line for each message with a request, none for others."""
    asked = requires(cell) or cell.request.name == "optional"
    known = asked and (not cell.refused or cell.refused[0] != "MAIL")
    if bool(cell.decision) != known:
        yield f"the daemon's line: {cell.decision}"


RULES = (authenticated_only, announced_only, nothing_asked, no_body_comes_back, byte_for_byte,
         envelope, nothing_of_ours, once, never_refused, as_expected, logged)


def broken(cells):
    """Lines about the cells that break a rule."""
    return [f"{cell.where}: {what}" for cell in cells for rule in RULES for what in rule(cell)]


def differing(cells, unfiltered):
    """Lines about mail that asks for nothing, where the filter makes a difference."""
    without = {cell.to: outcome(cell) for cell in unfiltered}
    return [f"{cell.where}: {outcome(cell)}, without the filter {without[cell.to]}"
            for cell in cells if outcome(cell) != without[cell.to]]

"""What holds for every cell of the matrix, whatever tests/MATRIX says of it."""

import re

from matrix import BODY, HEADER, REQUESTS, has_agent
from matrix_table import arrived, changes, outcome

# Words of ours that nobody outside may see: tags, routes, the marker.
OURS = re.compile(rb"(?i)x-requiretls|requiretls\.invalid|0008689|requiretls-loop")
SECRETS = [line.encode() for line in BODY if "ecret" in line]


def requires(cell):
    """REQUIRETLS holds for it, whoever asked."""
    if cell.request.name == "stranger":  # Postfix 3.11 believes anyone, the others nobody
        return is_native(cell)
    return cell.request.name in ("parameter", "both", "header", "rule")


def is_native(cell):
    """Postfix 3.11, which knows REQUIRETLS itself."""
    return cell.machine.key == "3.11"


def is_sendmail(cell):
    return cell.machine.is_sendmail


def is_local(cell):
    return cell.to.name == "local"


def is_310(cell):
    return cell.machine.name == "3.10"


def waived_by_postfix(cell):
    """REQUIRETLS is not looked at, so nothing stands against the other field: Postfix 3.10 goes by it."""
    return is_310(cell) and cell.request.name == "both" and cell.level == "disable" and not is_local(cell)


def by_agent(cell):
    """It leaves by the delivery agent, if it is accepted. Mail at the level disable takes no route."""
    asked = requires(cell) and cell.level != "disable" or cell.request.name == "optional"
    return cell.machine.agent and asked and not is_local(cell)


def passes_on(cell):
    """REQUIRETLS is said to the next server."""
    return is_native(cell) or by_agent(cell)


def authentic(cell):
    return cell.to.authentic or cell.to.web_pki and is_sendmail(cell) and not by_agent(cell)


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
    if requires(cell) and passes_on(cell):
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
        if no != (cell.request.name == "optional" and not is_sendmail(cell) or waived_by_postfix(cell)):
            yield f"TLS-Required: No of the bounce: {no}"
        # sendmail's bounces go the way of their message: the agent says it where it is offered, and a server that
        # is told adds the field.
        told = is_sendmail(cell) and by_agent(cell) and requires(cell)
        if (bool(bounce.header("Require-TLS-ESMTP")), "REQUIRETLS" in bounce.parameters) != (told, told):
            yield f"the bounce and REQUIRETLS: {bounce}"


def removed(cell):
    """A header field that must not go on: who is not believed, or who requires TLS and would waive
    it at a server that may not be told REQUIRETLS."""
    if not requires(cell) and cell.request.headers == HEADER:
        return "- field"
    told = passes_on(cell) and cell.level == "enforce" or is_native(cell) and is_local(cell)
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
    """The daemon's `expect=` is what Postfix or the agent then logs."""
    if not (requires(cell) and passes_on(cell) and cell.level == "enforce" and cell.arrived):
        return
    expected, seen = (cell.decision or {}).get("expect"), (cell.agent or {}).get("tls", cell.last.tls)
    if expected != seen:
        yield f"expect={expected}, but tls={seen}"


def as_the_agent_said(cell):
    """The agent has what is its own and nothing else, and the MTA goes by its answer."""
    wanted = by_agent(cell) and not cell.refused and not (is_sendmail(cell) and cell.last.dsn == "4.4.3")
    if bool(cell.agent) != wanted or cell.last and has_agent(cell.last) != wanted:
        yield f"the agent's line is {cell.agent}, the MTA's {cell.last}"
    elif cell.agent:
        said = cell.agent["status"].split(" ")[0], cell.agent["dsn"]
        if said != (cell.last.status, cell.last.dsn):
            yield f"the agent says {said}, the MTA {cell.last}"


def logged(cell):
    """A line for each message with a request, none for others."""
    asked = requires(cell) or cell.request.name == "optional"
    known = asked and (not cell.refused or cell.refused[0] != "MAIL")
    if bool(cell.decision) != known:
        yield f"the daemon's line: {cell.decision}"


RULES = (authenticated_only, announced_only, nothing_asked, no_body_comes_back, byte_for_byte,
         envelope, nothing_of_ours, once, never_refused, as_expected, as_the_agent_said,
         logged)


def broken(cells):
    """Lines about the cells that break a rule."""
    return [f"{cell.where}: {what}" for cell in cells for rule in RULES for what in rule(cell)]


def differing(cells, unfiltered):
    """Lines about mail that asks for nothing, where the filter makes a difference."""
    without = {cell.to: outcome(cell) for cell in unfiltered}
    return [f"{cell.where}: {outcome(cell)}, without the filter {without[cell.to]}"
            for cell in cells if outcome(cell) != without[cell.to]]


# What leaves by the agent becomes what Postfix 3.11 makes of it, but for these differences. Each: why it is one;
# where it is, of (cell, the outcome so far); what the outcome then is. They are applied in this order, and what is
# then said of a cell is what must be seen there: no less of a difference either.

def _starttls_missing(cell, row):
    return cell.level == "opportunistic+starttls" and row[1].startswith("bounced 5.7.30") and (
        "/!requiretls:nostarttls" in row[1])


def _without_field(text):
    words = [word for word in text.split(", ") if word not in ("same", "+ field")]
    return ", ".join(words if "- No" in words else [*words, "same"])


DIFFERENCES = (
    ("no Require-TLS-ESMTP is added (add_header in etc/postfix-older, etc/sendmail), as a Postfix 3.11 that gets the "
     "message later would require TLS of everyone's copy; a server that is told REQUIRETLS adds it itself",
     lambda cell, row: "+ field" in row[2] and "REQUIRETLS" not in row[2],
     lambda cell, row: (*row[:2], _without_field(row[2]), row[3])),
    ("requiretls-deliver(8) calls it dane where a host has TLSA records under unsigned MX records",
     lambda cell, row: "halfdane" in row[1],
     lambda cell, row: (row[0], row[1].replace("halfdane", "dane"), *row[2:])),
    ("below enforce a server without STARTTLS is a passing failure for the agent (requiretls-deliver(8), 4.7.4)",
     _starttls_missing,
     lambda cell, row: (row[0], row[1].replace("bounced 5.7.30", "deferred 4.7.4"), row[2], "-")),
    ("Postfix 3.11 writes TLS-Required in a bounce in its own way, the filter as RFC 8689 has it",
     lambda cell, row: "TLS-Required: no" in row[3] and not cell.machine.is_sendmail,
     lambda cell, row: (*row[:3], row[3].replace("TLS-Required: no", "TLS-Required: No"))),
    ("no filter sees the bounces that sendmail makes",
     lambda cell, row: "TLS-Required: no" in row[3] and cell.machine.is_sendmail,
     lambda cell, row: (*row[:3], row[3].replace(", TLS-Required: no", ""))),
    # Of what is not the agent's: Postfix 3.10 against 3.7.
    ("Postfix 3.10 calls a certificate with another name Trusted, if its CA is known",
     lambda cell, row: is_310(cell) and cell.to.name == "sts, wrong certificate" and row[1].endswith("smtp Untrusted"),
     lambda cell, row: (row[0], row[1].replace("Untrusted", "Trusted"), *row[2:])),
    ("Postfix 3.10 sees TLS-Required: No before the filter takes it away, and itself waives TLS where the message "
     "takes no route (tls_required_enable)",
     lambda cell, row: waived_by_postfix(cell),
     lambda cell, row: (row[0], row[1].replace("requiretls-optional", "smtp"), row[2].replace("same", "- No"),
                        row[3].replace("all, TLS-Required: No", "header, TLS-Required: no"))),
)


def _base(cell, tables):
    """The rows that a cell's is to be found in: Postfix 3.11's, or those of the machine without the agent."""
    if by_agent(cell) and not (is_sendmail(cell) and "REQUIRETLS" in cell.request.parameters):  # it refuses that
        return tables["3.11", cell.request.name]
    return tables[cell.machine.like, "optional" if waived_by_postfix(cell) else cell.request.name]


def wanted(cell, tables, differences=DIFFERENCES):
    """The outcome of a cell of a machine with the agent, and the reasons why it is not as in _base().

    tables: (key of a machine, name of a request) -> its rows as tests/MATRIX has them.
    """
    row, reasons = _base(cell, tables)[cell.level, cell.to.name], []
    for reason, where, becomes in differences:
        if where(cell, row):
            row = becomes(cell, row)
            reasons.append(reason)
    return row, reasons


def unlike(cell, seen, tables, differences=DIFFERENCES):
    """Lines about a cell of a machine with the agent that is not what Postfix 3.11 would make of it."""
    should, reasons = wanted(cell, tables, differences)
    if seen != should:
        model = "Postfix 3.11" if by_agent(cell) else f"{cell.machine.like} without the agent"
        yield (f"{cell.where}: {seen}, but by the row of {model} it is {should}"
               f"{''.join(f'; {reason}' for reason in reasons)}")

"""tests/VERIFICATION: what the implementations of verification.py find, a row for each server and way to
verify it, and why they differ where they do.
"""

import textwrap

import layout
from verification import DANE, OURS, POSTTLS37, POSTTLS311, S_CLIENT, TOOLS, WEB_PKI

PATH = layout.TREE / "tests/VERIFICATION"
COLUMNS = ("server", "by", *TOOLS, "REQUIRETLS")
WIDTHS = (35, 7, 16, 15, 15, 15, 0)

HEAD = """\
How servers are verified by requiretls-query --probe, by `openssl s_client` of OpenSSL 3.0, and by posttls-finger
of Postfix 3.7 and of 3.11: the servers of the lab, by DANE where they have TLSA records, and by the Web PKI
with their own name. `tests/lab/lab verification` writes this file anew; the scenario
`verification` compares each row with what it sees. What servers are: tests/lab/peers.py and domains.py.

ok           authenticated
no match     no TLSA record matches, or the chain does not lead to what one names
name         the certificate has not the name
expired      it is outside its dates
untrusted    its chain does not end at a CA that is trusted
no STARTTLS  it is not offered
refused      it is offered, and answered with 4xx or 5xx
handshake    the handshake is broken off
version      likewise, for want of a version of TLS that both speak
unreachable  no connection
silent       a connection, and no word
REQUIRETLS   offered behind STARTTLS, as requiretls-query and posttls-finger see it; - where nobody came
             as far
"""

# Why one of the others says something else than requiretls-query.
NOTES = {
    "a": "Asks for a raw public key (RFC 7250), and compares it with every record of usage 3 and selector 1. "
         "Where a certificate is shown the records of the strongest digest alone count (RFC 7671 section 9), "
         "which is what the others do.",
    "b": "Takes a name from the subject where there is no DNS name. MTA-STS wants a DNS name "
         "(RFC 8461 section 4.1); only DANE allows the other (RFC 7672 section 3.2.3).",
    "c": "Takes a wildcard for a part of a label, unless it is told not to, which has no option here. "
         "RFC 8461 section 4.1 and RFC 7672 section 3.2.3 have whole labels alone.",
    "d": "Does not read the reply to STARTTLS, and begins the handshake whatever it is.",
    "e": "Begins with TLS 1.1 as well, and breaks off at the server's SHA-1 signature.",
}
EXPLAINED = {
    ("mx.dane-agility.test", DANE): {POSTTLS311: "a"},
    ("mx.sts-common-name.test", WEB_PKI): {S_CLIENT: "b", POSTTLS37: "b", POSTTLS311: "b"},
    ("mx.dane-ta-common-name.test", WEB_PKI): {S_CLIENT: "b", POSTTLS37: "b", POSTTLS311: "b"},
    ("mx.sts-partial-wildcard.test", WEB_PKI): {S_CLIENT: "c"},
    **{(f"mx.dane-{code}.test", by): {S_CLIENT: "d"} for code in ("454", "500") for by in (DANE, WEB_PKI)},
    **{("mx.dane-tls11.test", by): {POSTTLS37: "e"} for by in (DANE, WEB_PKI)},
}


def notes(look):
    """Tool -> the letter of the note that explains why it differs."""
    return EXPLAINED.get((look.title, look.by), {})


def unexplained(look, found):
    """What is wrong with a row, in words."""
    wrong = []
    for tool in TOOLS[1:]:
        differs = found[tool].word != found[OURS].word
        if differs != (tool in notes(look)):
            wrong.append(f"{look.title} by {look.by}: {tool} says {found[tool].word!r}, requiretls-query says "
                         f"{found[OURS].word!r}: " + ("nothing explains that" if differs else "a note is too many"))
    for tool in (POSTTLS37, POSTTLS311):
        for what in ("requiretls", "spki"):
            ours, theirs = getattr(found[OURS], what), getattr(found[tool], what)
            if ours != theirs:
                wrong.append(f"{look.title} by {look.by}: {what}: {tool} says {theirs!r}, requiretls-query "
                             f"{ours!r}")
    return wrong


def _row(columns):
    return "  ".join(f"{text:{width}}" for text, width in zip(columns, WIDTHS)).rstrip()


def row(look, found):
    words = []
    for tool in TOOLS:
        note = notes(look).get(tool)
        words.append(found[tool].word + (f" ({note})" if note else ""))
    offered = {True: "yes", False: "no", None: "-"}[found[OURS].requiretls]
    return _row((look.title, look.by, *words, offered))


def text(rows):
    """The whole file; rows: (look, what each of TOOLS found)."""
    lines = [_row(COLUMNS), *(row(look, found) for look, found in rows)]
    wrapped = "\n".join(_note(letter, why) for letter, why in NOTES.items())
    return HEAD + "\n" + "\n".join(lines) + "\n\n" + wrapped + "\n"


def _note(letter, why):
    return textwrap.fill(why, 106, initial_indent=f"({letter}) ", subsequent_indent="    ")

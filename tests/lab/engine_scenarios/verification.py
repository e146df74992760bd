"""How requiretls-query --probe verifies each server, beside `openssl s_client` and posttls-finger: as
tests/VERIFICATION has it, which explains every difference."""

import difflib

import verification
import verification_table
from scenario import Failure, check, expect, scenario

_rows = []


def _compared():
    """Looked at once, for all scenarios."""
    if not _rows:
        _rows.extend(verification.compare())
    return _rows


@scenario("verification: as s_client and posttls-finger see each server, but for what is explained")
def _(_):
    wrong = [text for look, found in _compared() for text in verification_table.unexplained(look, found)]
    if wrong:
        raise Failure("\n".join(wrong))


@scenario("verification: tests/VERIFICATION says what is seen")
def _(_):
    seen = verification_table.text(_compared()).splitlines()
    wrong = list(difflib.unified_diff(verification_table.PATH.read_text().splitlines(), seen, "tests/VERIFICATION",
                                      "seen", n=0, lineterm=""))
    if wrong:
        raise Failure("\n".join(wrong))


@scenario("verification: each word that a server can be found with is found")
def _(_):
    words = {found[verification.OURS].word for _, found in _compared()}
    check(len(words) >= 11, f"only {sorted(words)}")
    expect({found[verification.OURS].requiretls for _, found in _compared()}, {True, False, None}, "REQUIRETLS")

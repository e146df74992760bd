"""What etc/OPERATION quotes, for the tests that provoke it: they look for what stands there, so that a
text that is no longer printed, or is printed otherwise than it stands there, is found.

tests/check-requirements looks whether every one is provoked by a test.
"""

import re
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "etc/OPERATION"
TITLE = "Symptom, cause, remedy"


def entries():
    """The lines at the margin with which the entries begin; one that goes on is one line."""
    section = FILE.read_text().split(f"\n{TITLE}\n", 1)[1]
    section = re.split(r"\n\n\n", section, maxsplit=1)[0].split("\n\n", 2)[-1]
    return [" ".join(lines.split()) for lines in re.findall(r"^(\S.*(?:\n\S.*)*)", section, re.M)]


def quoted():
    """The texts that they quote: what stands between ` and `, or all of it."""
    return [text for entry in entries() for text in re.findall("`(.*?)`", entry) or [entry]]


def symptom(words):
    """A pattern: the one text that has these words, `..` being any."""
    found = [text for text in quoted() if words in text]
    if len(found) != 1:
        raise ValueError(f"etc/OPERATION quotes {words!r} {len(found)} times")
    return ".+".join(re.escape(part) for part in found[0].split(".."))

"""What arrived at the receiving hosts (recorder.py) and in local mailboxes."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import layout
import procs

WHERE = layout.RUN / "arrivals"


@dataclass
class Arrival:
    """A message with its envelope, as a receiving host got it."""

    number: int
    server: str  # the receiving host's name
    address: str
    client: str
    tls: str  # "" or e.g. TLSv1.3
    mail: list  # the address in <>, then the parameters
    rcpt: list  # of such lists
    headers: list  # of (name, value with its leading space)
    body: bytes
    queue_id: str
    helo: str
    cipher: str

    @property
    def sender(self):
        return self.mail[0].strip("<>")

    @property
    def parameters(self):
        return self.mail[1:]

    @property
    def recipients(self):
        return [r[0].strip("<>") for r in self.rcpt]

    def header(self, name):
        """The values of every header of that name, without white space around them."""
        return [v.strip() for n, v in self.headers if n.lower() == name.lower()]

    def bytes(self):
        """The whole message with CRLF line ends."""
        head = "".join(f"{n}:{v}\n" for n, v in self.headers)
        return head.encode("utf-8", "surrogateescape").replace(b"\n", b"\r\n") + b"\r\n" + self.body

    def __str__(self):
        words = " ".join(self.mail[1:])
        return (f"{', '.join(self.recipients)} at {self.server} over {self.tls or 'plaintext'}"
                + (f" with {words}" if words else ""))


def _load(path):
    record = json.loads(path.read_text())
    record.pop("time")
    record["body"] = base64.b64decode(record["body"])
    return Arrival(**record)


class Arrivals:
    """The messages that have arrived since this was made."""

    def __init__(self):
        self.seen = set(self._paths())

    @staticmethod
    def _paths():
        return sorted(WHERE.glob("[0-9]*.json"))

    def all(self):
        return [_load(p) for p in self._paths() if p not in self.seen]

    def of(self, token):
        """Those with the token in header or body (a bounce holds its original's header)."""
        return [a for a in self.all() if token.encode() in a.bytes()]

    def wait(self, token, recipient=None, count=1, timeout_s=procs.READY_S):
        """Waits until so many such messages, for that recipient, are there."""
        def found():
            some = [a for a in self.of(token) if not recipient or recipient in a.recipients]
            return some if len(some) >= count else None
        return procs.wait_for(found, f"{count} message(s) {token} for {recipient or 'anyone'}",
                              timeout_s)


def mailbox(instance, user):
    """The messages in a local user's maildir, as bytes."""
    return [p.read_bytes() for p in sorted(Path(instance.where / "mail" / user / "new").glob("*"))]

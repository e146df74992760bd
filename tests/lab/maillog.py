"""Postfix's log as data: what became of each recipient of a message."""

import re
from dataclasses import dataclass

import procs

_LINE = re.compile(r"^(?P<time>\S+ +\S+ \S+|\S+) \S+ (?P<service>postfix\S*)\[(?P<pid>\d+)\]: "
                   r"(?P<queue_id>[0-9A-Za-z]+): (?P<rest>.*)$")
_FIELD = re.compile(r"([a-z_]+)=(<[^>]*>|[^,]*)")
_TLS = re.compile(r"\[(?P<pid>\d+)\]: (?P<what>\w+) TLS connection established to ")
_BOUNCE = re.compile(r"sender (?:non-)?delivery (?:status )?notification: (\S+)")


@dataclass
class Delivery:
    """One `status=` line."""

    queue_id: str
    service: str
    to: str
    relay: str
    dsn: str
    status: str  # sent, bounced, deferred
    text: str  # in parentheses
    tls: str  # smtp_log_tls_feature_status, "" before Postfix 3.11
    server: str  # what smtp_tls_loglevel 1 says of its certificate: Verified, Trusted... "": no TLS
    orig_to: str

    @property
    def is_local(self):
        return self.relay.startswith(("local", "virtual")) or self.service == "local"

    def __str__(self):
        tls = f" tls={self.tls}" if self.tls else ""
        return f"{self.to} {self.status} {self.dsn}{tls} ({self.text})"


class Log:
    """A maillog file, read as it grows."""

    def __init__(self, path):
        self.path = path

    def lines(self, queue_id=None):
        try:
            text = self.path.read_text(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if not queue_id or f" {queue_id}: " in line]

    def tried(self, token, to):
        """The lines on deliveries to a recipient of the message with that token, by whatever queue id."""
        lines = self.lines()
        ids = {found[1] for line in lines
               if token in line and (found := re.search(r"]: (\w+): message-id=", line))}
        return [line for line in lines
                if (found := re.search(r"]: (\w+): to=<", line)) and found[1] in ids and f"to=<{to}>" in line]

    def deliveries(self, queue_id):
        found, servers, fresh = [], {}, {}
        for line in self.lines():
            # Most lines are neither: looked for by words first, as this is done again and again.
            made = " TLS connection established to " in line and _TLS.search(line)
            if made:  # by this process, for the message whose delivery it logs next
                fresh[made["pid"]] = made["what"]
            match = " status=" in line and _LINE.match(line)
            if not match:
                continue
            session = match["pid"], match["queue_id"]
            if match["pid"] in fresh:
                servers[session] = fresh.pop(match["pid"])
            if match["queue_id"] != queue_id:
                continue
            head, _, text = match["rest"].partition(" (")
            fields = dict(_FIELD.findall(head))
            found.append(Delivery(queue_id, match["service"], fields.get("to", "").strip("<>"),
                                  fields.get("relay", ""), fields.get("dsn", ""),
                                  fields.get("status", "").split()[0], text.rstrip(")"),
                                  fields.get("tls", ""), servers.get(session, ""),
                                  fields.get("orig_to", "").strip("<>")))
        return found

    def finished(self, queue_id):
        """True when the message has left the queue."""
        return any(line.endswith(f" {queue_id}: removed") for line in self.lines(queue_id))

    def settled(self, queue_id, recipients=1, timeout_s=procs.READY_S):
        """Waits until each recipient has had a delivery attempt; returns the deliveries."""
        def done():
            finished = self.finished(queue_id)  # before the deliveries, which may come meanwhile
            found = self.deliveries(queue_id)
            if finished or len({d.to for d in found}) >= recipients:
                return found or [None]
            return None
        found = procs.wait_for(done, f"{queue_id} in {self.path} to be delivered", timeout_s)
        return [d for d in found if d]

    def _bounced(self, line, _):
        """The queue id of the bounce that this line is about, or None."""
        match = _BOUNCE.search(line)
        return match and match[1]

    def bounce_of(self, queue_id, timeout_s=procs.READY_S):
        """The queue id of the bounce that a message caused."""
        def found():
            return next(filter(None, (self._bounced(line, queue_id)
                                      for line in self.lines(queue_id))), None)
        return procs.wait_for(found, f"the bounce of {queue_id}", timeout_s)

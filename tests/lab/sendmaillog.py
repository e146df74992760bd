"""sendmail's log as data, in the words of maillog.py."""

import re

from maillog import Delivery, Log

_LINE = re.compile(r"^\S+ \S+ (?:sendmail|sm-mta)\S*\[(?P<pid>\d+)\]: (?P<queue_id>[0-9A-Za-z]{14,}): "
                   r"(?P<rest>.*)$")
_TLS = re.compile(r"\[(?P<pid>\d+)\]: STARTTLS=client, relay=(?P<relay>[^,]*), .*verify=(?P<verify>\w+)")
_TAG = re.compile(r"(?:\.optional)?\.requiretls\.invalid$")


def _status(dsn, text):
    if text.startswith("queued") and dsn[:1] != "4":
        return None  # not tried yet
    return {"2": "sent", "4": "deferred"}.get(dsn[:1], "bounced")


def _deliveries(queue_id, rest, verified):
    """Those of one `to=` line; a recipient's routing tag is left out."""
    head, _, text = rest.partition(", stat=")
    fields = dict(re.findall(r"(\w+)=(.*?)(?:, (?=\w+=)|$)", head))
    dsn = fields.get("dsn", "")
    status = _status(dsn, text)
    if not status:
        return []
    relay = fields.get("relay", "")
    server = verified.get(relay.split(" ")[0], "")
    return [Delivery(queue_id, fields.get("mailer", ""), _TAG.sub("", to.strip("<>")), relay, dsn,
                     status, text, "", server, "")
            for to in fields["to"].split(",")]


class SendmailLog(Log):
    """A maillog of sendmail at LogLevel 11.

    Of a Delivery, `service` is the mailer and `server` what `verify=` says of the server's
    certificate: OK, FAIL... "": no TLS.
    """

    def deliveries(self, queue_id):
        found, verified = [], {}
        for line in self.lines():
            made = "STARTTLS=client" in line and _TLS.search(line)
            if made:
                verified.setdefault(made["pid"], {})[made["relay"]] = made["verify"]
            match = queue_id in line and _LINE.match(line)
            if match and match["queue_id"] == queue_id and match["rest"].startswith("to="):
                found += _deliveries(queue_id, match["rest"], verified.get(match["pid"], {}))
        return found

    def finished(self, queue_id):
        return any(f" {queue_id}: done; " in line for line in self.lines(queue_id))

    def _bounced(self, line, queue_id):
        match = re.search(rf" {queue_id}: (\w{{14,}}): (?:DSN|return to sender|sender notify)", line)
        return match and match[1]

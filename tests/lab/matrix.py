"""One message for every combination of a machine under test, a way to ask, a destination and a
level; and everything that became of it. What it should be stands in tests/MATRIX, and what holds
whatever stands there in matrix_rules.py.

The machines have the snippets of etc/ as they stand. The level is a rule for every next-hop, put at
the end of requiretls-milter.conf; between two levels the daemon reads its file anew.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import arrivals
import layout
import procs
import sendmail
import smrouted
import smtpclient
import snippets

LEVELS = ("enforce", "opportunistic+starttls", "opportunistic", "disable")
SETTING = "snippets, strangers may relay"
SENDERS = 8  # messages on their way in at a time
SETTLE_S = 120


@dataclass(frozen=True)
class Destination:
    name: str  # of the row
    domain: str
    user: str = "bob"
    authentic: bool = False  # its server can be authenticated, and is the one it should be
    web_pki: bool = False  # it can be by the Web PKI, for those who know nothing of DANE
    announces: bool = True  # its server announces REQUIRETLS

    @property
    def recipient(self):
        return f"{self.user}@{self.domain}"


def _each(kind, **proven):
    """The four servers that a kind of domain may have."""
    return (Destination(kind, f"{kind}.test", **proven),
            Destination(f"{kind}, no REQUIRETLS", f"{kind}-no-requiretls.test", announces=False,
                        **proven),
            Destination(f"{kind}, no STARTTLS", f"{kind}-no-starttls.test"))


DESTINATIONS = (
    *_each("dane", authentic=True),
    Destination("dane, wrong certificate", "dane-wrong.test", web_pki=True),
    *_each("sts", authentic=True),
    Destination("sts, wrong certificate", "sts-badcert.test"),
    *_each("signed", authentic=True),
    Destination("signed, wrong certificate", "signed-badcert.test"),
    *_each("plain"),
    Destination("plain, wrong certificate", "plain-badcert.test"),
    # Who forges the MX records of an unsigned domain can name a host that proves itself.
    Destination("unsigned MX to dane", "insecure-mx.test"),
    Destination("dane, recipient unknown", "dane.test", user="nobody", authentic=True),
    Destination("no answer from DNS", "mx-servfail.test"),
    Destination("local", "local.test"),
)


@dataclass(frozen=True)
class Request:
    name: str
    title: str
    sender: str = "alice@sender.test"
    parameters: tuple = ()
    headers: tuple = ()
    login: str = None
    net: str = layout.CUSTOMER
    filtered: bool = True


HEADER = ("Require-TLS-ESMTP: yes",)
NO = ("TLS-Required: No",)
REQUESTS = {r.name: r for r in (
    Request("parameter", "REQUIRETLS in MAIL FROM", parameters=("REQUIRETLS",)),
    Request("both", "REQUIRETLS in MAIL FROM, and TLS-Required: No in the header",
            parameters=("REQUIRETLS",), headers=NO),
    Request("header", "Require-TLS-ESMTP: yes in the header, of a client who has logged in",
            headers=HEADER, login="alice"),
    Request("stranger", "Require-TLS-ESMTP: yes in the header, of a client whom nobody knows",
            headers=HEADER, net=layout.STRANGER),
    Request("rule", "a rule for the sender", sender="department@sender.test"),
    Request("optional", "TLS-Required: No in the header", headers=NO),
    Request("none", "nothing asked"),
)}
UNFILTERED = Request("unfiltered", "nothing asked, no filter", filtered=False)

RULES = """
[rule department]
sender = department@sender.test
request = require

[rule level]
nexthop = .test
level = {level}
"""

# Whatever might not pass unchanged: folded and odd headers, dots, blanks at the end, octets with
# the highest bit set. The words of BODY are looked for in bounces.
HEADERS = ("From: Alice <alice@sender.test>", "To: Bob <bob@example.test>",
           "Subject: a folded\n\tsubject,\n  twice", "Date: Tue, 02 Jan 2024 03:04:05 +0000",
           "Message-ID: <{token}>", "MIME-Version: 1.0",
           "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit",
           "X-Tight:no blank", "X-Odd:   three blanks, two after  ")
BODY = ("A secret line.", "", ".", "..", ".secret dots", "From secret", "secret blanks   ",
        "\tsecret \u00fcml\u00e4ute", "", "-- ", "secret end")


def message(token, headers):
    head = "\n".join((*HEADERS, *headers)).format(token=token)
    return (head + "\n\n" + "\n".join(BODY) + "\n").replace("\n", "\r\n").encode()


@dataclass
class Cell:
    """A message, and what became of it."""

    mta: object
    request: Request
    level: str
    to: Destination
    token: str
    sent: bytes = b""
    replies: list = field(default_factory=list)  # (MAIL, RCPT or DATA, Reply), to the first refusal
    transcript: list = field(default_factory=list)
    queue_id: str = None
    last: object = None  # the Delivery that ended it
    arrived: list = field(default_factory=list)
    bounces: list = field(default_factory=list)
    mailbox: list = field(default_factory=list)
    decision: dict = None  # the daemon's line

    @property
    def where(self):
        return f"{self.mta.name}, {self.request.name}, {self.to.name}, {self.level}"

    @property
    def refused(self):
        """The command and reply that ended it, or None."""
        command, reply = self.replies[-1]
        return None if reply.ok else (command, reply)


def slot(request):
    """The milter that is asked: that of the snippets, or none."""
    return "own" if request.filtered else None


def send(cell, port):
    """As an ordinary client would, as far as the server lets it."""
    request = cell.request
    client = smtpclient.Client(cell.mta.address, port, layout.client(slot(request), request.net))
    cell.transcript = client.transcript
    steps = (
        ("MAIL", lambda: client.mail(request.sender, *request.parameters, "RET=FULL",
                                     "BODY=8BITMIME")),
        ("RCPT", lambda: client.rcpt(cell.to.recipient)),
        ("DATA", lambda: client.data(cell.sent)))
    with client:
        client.ehlo()
        client.starttls()
        if request.login:
            client.login(request.login)
        for command, step in steps:
            cell.replies.append((command, step()))
            if cell.refused:
                break
        else:
            cell.queue_id = queued_as(cell.replies[-1][1].text)
        client.quit()


def queued_as(text):
    """The queue id in the reply to a whole message, None if there is none."""
    found = re.search(r"queued as (\w+)|\b(\w{14}) Message accepted for delivery", text)
    return found and (found[1] or found[2])


def tail(mta):
    """Of a machine's log what comes from now on, read once for all who ask between two refresh()es."""
    class Tail(type(mta.log)):
        start, text = mta.maillog.stat().st_size, []

        def refresh(self):
            with open(self.path, "rb") as file:
                file.seek(self.start)
                self.text = file.read().decode(errors="replace").splitlines()

        def lines(self, queue_id=None):
            return [line for line in self.text if not queue_id or f" {queue_id}: " in line]
    return Tail(mta.maillog)


def follow(log, cell):
    """True once the message has had its first attempt, by whatever way it went there."""
    queue_id = cell.queue_id
    while queue_id:
        found = log.deliveries(queue_id)
        if not found:
            return False
        cell.last, queue_id = found[0], None
        if "[127.0.0.1]" in cell.last.relay:  # reinjected
            queue_id = queued_as(cell.last.text)
    return cell.last.status == "deferred" or log.finished(cell.last.queue_id)


def quiet(mta, cells):
    """Nothing is under way there: what is left has been deferred."""
    later = {c.last.queue_id for c in cells if c.last and c.last.status == "deferred"}
    return all(queue == "deferred" or name in later for name, queue in mta.queued().items())


def settle(cells, mta, log):
    """Waits until nothing more will become of them."""
    def done():
        log.refresh()
        return all(follow(log, cell) for cell in cells if cell.queue_id)
    procs.wait_for(done, f"{mta.name}'s first attempts", SETTLE_S)
    procs.wait_for(lambda: quiet(mta, cells), f"{mta.name}'s queue to be quiet", SETTLE_S)


def collect(cells, got, mta, decisions):
    """What arrived for each of them."""
    mailbox, everything = arrivals.mailbox(mta, "bob"), got.all()
    for cell in cells:
        mine = [a for a in everything if cell.token.encode() in a.bytes()]
        cell.arrived = [a for a in mine if a.sender]
        cell.bounces = [a for a in mine if not a.sender]
        cell.mailbox = [m for m in mailbox if cell.token.encode() in m]
        cell.decision = decisions.get(cell.to.recipient)


def daemon(lab, mta):
    """That of the snippets, at their sockets. A new one, which knows nothing yet of servers that are probed
    for clients who have logged in."""
    path = (sendmail.SOCKETS if mta.name == sendmail.NAME else snippets.sockets(mta)) / "milter.sock"
    for running in [r for r in lab.milters if r.listens == path and r not in lab.kept.values()]:
        lab.stop_milter(running)
    return lab.milter(configuration(mta, LEVELS[0]), fresh=True, listens=path)


def configuration(mta, level):
    rules = RULES.format(level=level)
    if mta.name == sendmail.NAME:
        return smrouted.configuration(rules)
    return snippets.daemon_configuration(mta, rules)


def set_level(running, mta, level):
    running.forget()
    running.reload(configuration(mta, level))
    try:
        procs.wait_for(lambda: "reloaded " in running.log(), "the reload", SETTLE_S)
    except procs.LabError as error:
        raise procs.LabError(f"{error}:\n{running.whole_log()[-4000:]}") from None
    running.forget()


def run(lab, mta, request, levels=LEVELS):
    """A Cell for each destination and level."""
    running, found = daemon(lab, mta), []
    port = mta.port(slot(request), 587 if request.login else 25)
    for level in levels:
        set_level(running, mta, level)
        got, log = arrivals.Arrivals(), tail(mta)
        cells = [Cell(mta, request, level, to, lab.token()) for to in DESTINATIONS]
        for cell in cells:
            cell.sent = message(cell.token, request.headers)
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(lambda cell: send(cell, port), cells))
        settle(cells, mta, log)
        collect(cells, got, mta, running.decisions())
        mta.empty_queue()
        found += cells
    return found

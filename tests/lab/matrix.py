"""One message for every combination of a machine under test, a way to ask, a destination and a
level; and everything that became of it. What it should be stands in tests/MATRIX, and what holds
whatever stands there in matrix_rules.py.

The machines have the snippets of etc/ as they stand, without and with the delivery agent. The level is
a rule for every next-hop, put at the end of requiretls-milter.conf; between two levels the daemon reads
its file anew.
"""

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import agent
import arrivals
import dnsd
import layout
import procs
import sendmail
import smrouted
import smtpclient
import snippets

LEVELS = ("enforce", "opportunistic+starttls", "opportunistic", "disable")
SENDERS = 8  # messages on their way in at a time
SETTLE_S = 120


@dataclass(frozen=True)
class Machine:
    """A machine under test, and whether its mail with a request leaves by the delivery agent."""

    key: str  # of its scenarios
    name: str  # in the lab
    title: str
    agent: bool = False
    like: str = None  # the key of the same without the agent, as etc/ has one configuration for both

    @property
    def setting(self):
        return sendmail.STRANGERS_AGENT if self.is_sendmail and self.agent else sendmail.STRANGERS

    @property
    def is_sendmail(self):
        return self.name == "sendmail"


MACHINES = {m.key: m for m in (
    Machine("3.11", "3.11", "Postfix 3.11"),
    Machine("3.7", "3.7", "Postfix 3.7"),
    Machine("3.7 with the agent", "3.7", "Postfix 3.7 with the delivery agent", True, "3.7"),
    Machine("3.10 with the agent", "3.10", "Postfix 3.10 with the delivery agent", True, "3.7"),
    Machine("sendmail", "sendmail", "sendmail"),
    Machine("sendmail with the agent", "sendmail", "sendmail with the delivery agent", True, "sendmail"),
)}


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

    machine: Machine
    request: Request
    level: str
    to: Destination
    token: str = ""
    mta: object = None  # that of the lab
    sent: bytes = b""
    replies: list = field(default_factory=list)  # (MAIL, RCPT or DATA, Reply), to the first refusal
    transcript: list = field(default_factory=list)
    queue_id: str = None
    last: object = None  # the Delivery that ended it
    arrived: list = field(default_factory=list)
    bounces: list = field(default_factory=list)
    mailbox: list = field(default_factory=list)
    decision: dict = None  # the daemon's line
    agent: dict = None  # the delivery agent's, where it had the message

    @property
    def where(self):
        return f"{self.machine.key}, {self.request.name}, {self.to.name}, {self.level}"

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
        if "[127.0.0.1]" in cell.last.relay and not has_agent(cell.last):  # reinjected
            queue_id = queued_as(cell.last.text)
    return cell.last.status == "deferred" or log.finished(cell.last.queue_id)


def quiet(mta, cells):
    """Nothing is under way there: what is left has been deferred."""
    later = {c.last.queue_id for c in cells if c.last and c.last.status == "deferred"}
    return all(queue == "deferred" or name in later for name, queue in mta.queued().items())


def settle(cells, mta, log, agent_lines):
    """Waits until nothing more will become of them."""
    def done():
        log.refresh()
        seen = agent_lines()
        return all(follow(log, cell) and (not has_agent(cell.last) or cell.to.recipient in seen)
                   for cell in cells if cell.queue_id)
    procs.wait_for(done, f"{mta.name}'s first attempts", SETTLE_S)
    procs.wait_for(lambda: quiet(mta, cells), f"{mta.name}'s queue to be quiet", SETTLE_S)


def has_agent(delivery):
    """It was the delivery agent's. sendmail looks for MX records first, and where that fails asks nobody."""
    return bool(delivery.relay) and bool(re.match(r"postfix/requiretls-deliver/|rtlsdeliver", delivery.service))


def collect(cells, got, mta, decisions, agent_lines):
    """What arrived for each of them."""
    mailbox, everything = arrivals.mailbox(mta, "bob"), got.all()
    for cell in cells:
        mine = [a for a in everything if cell.token.encode() in a.bytes()]
        cell.arrived = [a for a in mine if a.sender]
        cell.bounces = [a for a in mine if not a.sender]
        cell.mailbox = [m for m in mailbox if cell.token.encode() in m]
        cell.decision = decisions.get(cell.to.recipient)
        cell.agent = agent_lines.get(cell.to.recipient)


class Daemons:
    """Those of the snippets, at their sockets: new ones, which know nothing yet of servers."""

    def __init__(self, lab, machine):
        self.lab, self.machine, self.mta = lab, machine, lab.machines[machine.name]
        sockets = sendmail.SOCKETS if machine.is_sendmail else snippets.sockets(self.mta)
        self.filter = self._new(self._configuration(LEVELS[0]), sockets / "milter.sock")
        self.agent = self._new_agent() if machine.agent else None

    def _new(self, text, path):
        lab = self.lab
        for running in [r for r in lab.milters if r.listens == path and r not in lab.kept.values()]:
            lab.stop_milter(running)
        return lab.milter(text, fresh=True, listens=path)

    def _new_agent(self):
        if self.machine.is_sendmail:
            return self._new(agent.sendmail_configuration(), sendmail.AGENT_SOCKETS / "strict.sock")
        agent.wait_for_key()
        return self._new(agent.postfix_configuration(self.mta), snippets.agent_socket(self.mta))

    def _configuration(self, level):
        rules = RULES.format(level=level)
        if self.machine.is_sendmail:
            return (agent.sendmail_filter if self.machine.agent else smrouted.configuration)(rules)
        if self.machine.agent:
            return agent.filter_configuration(self.mta, rules)
        return snippets.daemon_configuration(self.mta, rules)

    def set_level(self, level):
        running = self.filter
        running.forget()
        running.reload(self._configuration(level))
        try:
            procs.wait_for(lambda: "reloaded " in running.log(), "the reload", SETTLE_S)
        except procs.LabError as error:
            raise procs.LabError(f"{error}:\n{running.whole_log()[-4000:]}") from None
        running.forget()
        if self.agent:
            self.agent.forget()

    def agent_lines(self):
        """recipient -> the fields of the agent's line, since set_level()."""
        return agent.lines(self.agent) if self.agent else {}


@contextlib.contextmanager
def lasting_negatives():
    """That a host has no address of a family is known from the first lookup to the end: what is known of its server
    without a lookup counts at every level alike."""
    dnsd.control("set_option", "cache-max-negative-ttl:", "60")
    dnsd.control("flush_negative")
    try:
        yield
    finally:
        dnsd.control("set_option", "cache-max-negative-ttl:", "5")


def run(lab, machine, request, levels=LEVELS):
    """A Cell for each destination and level."""
    with lasting_negatives():
        return _run(lab, machine, request, levels)


def _run(lab, machine, request, levels):
    daemons, found, mta = Daemons(lab, machine), [], lab.machines[machine.name]
    port = mta.port(slot(request), 587 if request.login else 25)
    for level in levels:
        daemons.set_level(level)
        got, log = arrivals.Arrivals(), tail(mta)
        cells = [Cell(machine, request, level, to, lab.token(), mta) for to in DESTINATIONS]
        for cell in cells:
            cell.sent = message(cell.token, request.headers)
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(lambda cell: send(cell, port), cells))
        settle(cells, mta, log, daemons.agent_lines)
        collect(cells, got, mta, daemons.filter.decisions(), daemons.agent_lines())
        mta.empty_queue()
        found += cells
    return found

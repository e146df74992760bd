"""A restart of the delivery agent with 1,000 messages in Postfix's queue for it, 300 of them for a server that
accepts connections and never says a word: what that costs the others."""

import collections
import json
import time

import arrivals
import procs
from service import AGENT, AGENT_OWNERS, check, equal

HOLE = "dane-silent.test"
# One has more than a quarter of max_sessions.
QUICK = {"dane.test": 300, "dane-ta.test": 100, "dane-full.test": 100, "dane-cert.test": 100, "dane-sha512.test": 100}
HELD = 300
EACH = 50  # recipients of a message; each gets a message of its own at the second smtpd
BEFORE = 100  # messages that have arrived when the agent is restarted
MAY_TAKE_S = 30  # on a machine that has much else to do
QUEUED_S = 240


def addresses():
    """All recipients, the slow ones among the quick."""
    quick = [f"q{n}@{domain}" for domain, count in QUICK.items() for n in range(count)]
    held = [f"h{n}@{HOLE}" for n in range(HELD)]
    order = sorted([(n / len(quick), a) for n, a in enumerate(quick)] + [(n / HELD, a) for n, a in enumerate(held)])
    return [address for _, address in order], set(quick), set(held)


def send(mail, recipients):
    with mail.client() as client:
        for at in range(0, len(recipients), EACH):
            equal(client.mail("alice@sender.test", "REQUIRETLS").code, 250)
            for address in recipients[at:at + EACH]:
                reply = client.rcpt(address)
                equal(reply.code, 250, str(reply))
            reply = client.data("From: alice@sender.test\nSubject: one of many\n\ntext\n")
            equal(reply.code, 250, str(reply))


def queue(machine):
    """The recipients of each message in the queue."""
    lines = machine.run("postqueue", "-j").splitlines()
    return [[r["address"] for r in json.loads(line)["recipients"]] for line in lines]


class Arrived:
    """When messages arrived, by recipient; those of before are not looked at."""

    def __init__(self):
        self.seen = set(arrivals.WHERE.glob("[0-9]*.json"))
        self.times = collections.defaultdict(list)

    def look(self):
        """How many recipients have theirs."""
        for path in arrivals.WHERE.glob("[0-9]*.json"):
            if path in self.seen:
                continue
            self.seen.add(path)
            record = json.loads(path.read_text())
            for words in record["rcpt"]:
                self.times[words[0].strip("<>")].append(record["time"])
        return len(self.times)


def hold(machine, value):
    machine.run("postconf", "-e", f"defer_transports={value}")
    machine.run("postfix", "reload")


def deferred(machine, domain):
    """Postfix's lines of messages that the agent was given, or could not be."""
    log = machine.run("journalctl", "--boot", "--no-pager", "--output=cat").splitlines()
    return [line for line in log if f"@{domain}>" in line and "relay=" in line and AGENT in line
            and "status=deferred" in line and "deferred transport" not in line]


def restart_beside_black_hole(checks):
    """Nothing is lost or sent twice, none but the silent server's messages are deferred, and the others wait for
    seconds, not for minimal_backoff_time."""
    m = checks.m
    backoff = m.run("postconf", "-h", "minimal_backoff_time").strip()
    equal(backoff, "300s")
    recipients, quick, held = addresses()
    before = {domain: len(deferred(m, domain)) for domain in QUICK}
    arrived = Arrived()
    hold(m, AGENT)
    send(checks.mail, recipients)
    procs.wait_for(lambda: sorted(queue(m)) == sorted([a] for a in recipients), "all messages in the queue", QUEUED_S)
    hold(m, "")
    time.sleep(1)  # postqueue asks the queue manager that runs
    m.run("postqueue", "-f")
    procs.wait_for(lambda: arrived.look() >= BEFORE, f"{BEFORE} messages", MAY_TAKE_S)
    m.run("systemctl", "reset-failed", AGENT)
    began = time.time()
    m.run("systemctl", "restart", AGENT)
    took = time.time() - began
    left = len(quick) - arrived.look()
    try:
        procs.wait_for(lambda: arrived.look() >= len(quick), "the others", MAY_TAKE_S)
    finally:
        late = {domain: deferred(m, domain)[count:] for domain, count in before.items()}
        equal({domain: lines for domain, lines in late.items() if lines}, {}, f"deferred, after {took:.1f} s")
    waits = [when - began for times in arrived.times.values() for when in times if when > began]
    print(f"     the restart took {took:.1f} s; {len(waits)} messages arrived after it began, the last after "
          f"{max(waits, default=0):.1f} s", flush=True)
    check(took < MAY_TAKE_S, f"the restart took {took:.1f} s")
    check(left > 0, "all messages had arrived before the restart")
    check(max(waits) < MAY_TAKE_S, f"{max(waits):.1f} s")
    time.sleep(2)  # for what should not come
    arrived.look()
    equal({a: len(times) for a, times in arrived.times.items() if a not in quick or len(times) != 1}, {}, "not once")
    equal(set(arrived.times), quick)
    equal(sorted(queue(m)), sorted([a] for a in held), "in the queue")
    check(deferred(m, HOLE), "the silent server answers")
    m.run("postsuper", "-d", "ALL")
    m.run("sh", "-c", f"systemctl reset-failed {AGENT}; systemctl restart {AGENT}")
    checks.owners(AGENT_OWNERS)
    checks.passed_on()

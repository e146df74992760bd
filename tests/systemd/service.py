"""A Debian with systemd that runs the daemon (machine.py), and what must be true there at any time: the
base of tests/systemd/checks.py and tests/package/package_checks.py.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

import arrivals  # noqa: E402
import layout  # noqa: E402
import machine  # noqa: E402
import procs  # noqa: E402
import smtpclient  # noqa: E402

UNIT = "requiretls-milter"
CONFIGURATION = "/etc/requiretls-milter/requiretls-milter.conf"
SOCKETS = "/var/spool/postfix/requiretls-milter"
STATE = "/var/lib/requiretls-milter"
USER = "requiretls-milter"

# Everything that the daemon's user must have, and Postfix reach.
OWNERS = {
    SOCKETS: f"{USER}:postfix 2750",
    f"{SOCKETS}/milter.sock": f"{USER}:postfix 660",
    f"{SOCKETS}/policy.sock": f"{USER}:postfix 660",
    f"/run/{UNIT}": f"{USER}:{USER} 755",
    STATE: f"{USER}:{USER} 750",
    f"{STATE}/cache.db": f"{USER}:{USER} 600",
}


AGENT = "requiretls-deliver"
AGENT_CONFIGURATION = f"/etc/requiretls-milter/{AGENT}.conf"
AGENT_SOCKETS = f"/var/spool/postfix/{AGENT}"
# Everything that the delivery agent's user must have, and what it may read of the filter's.
AGENT_OWNERS = {
    AGENT_SOCKETS: f"{AGENT}:postfix 2750",
    f"{AGENT_SOCKETS}/lmtp.sock": f"{AGENT}:postfix 660",
    f"/run/{AGENT}": f"{AGENT}:{AGENT} 755",
    f"/var/lib/{AGENT}": f"{AGENT}:{AGENT} 750",
    f"/var/lib/{AGENT}/cache.db": f"{AGENT}:{AGENT} 600",
    f"{STATE}/ticket.key": f"{USER}:{USER} 640",
}


class Wrong(Exception):
    """A check that does not hold."""


def check(condition, text):
    if not condition:
        raise Wrong(text)


def equal(got, wanted, what=""):
    check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


class Mail:
    """Messages from a customer of this machine, each with a word of its own."""

    def __init__(self):
        self.arrivals = arrivals.Arrivals()
        self.number = 0

    def client(self):
        client = smtpclient.Client(machine.ADDRESS, source=layout.client(None))
        client.ehlo()
        client.starttls()
        return client

    def send(self, recipient, *parameters):
        """Returns the word and the reply that decided. While the filter is down that can be STARTTLS's, and
        without TLS Postfix 3.11 does not offer REQUIRETLS."""
        self.number += 1
        word = f"word-{self.number}-"
        with smtpclient.Client(machine.ADDRESS, source=layout.client(None)) as client:
            client.ehlo()
            reply = client.starttls()
            if reply.ok:
                reply = client.mail("alice@sender.test", *parameters)
            if reply.ok:
                reply = client.rcpt(recipient)
            if reply.ok:
                reply = client.data(f"From: alice@sender.test\nSubject: {word}\n\ntext\n")
            client.quit()
        return word, reply

    def check(self):
        """REQUIRETLS is refused where it cannot be met, and delivered over TLS where it can."""
        _, reply = self.send("bob@plain.test", "REQUIRETLS")
        equal((reply.code, reply.text[:6]), (550, "5.7.10"), f"plain.test, {reply}")
        word, reply = self.send("bob@dane.test", "REQUIRETLS")
        equal(reply.code, 250, f"dane.test, {reply}")
        arrived = self.arrivals.wait(word, "bob@dane.test")[0]
        check(arrived.tls, f"{arrived}")


class Service:
    """The unit on one machine, and mail through it."""

    def __init__(self, tree, snippet="postfix-older"):
        self.m = machine.Machine(tree, snippet)
        self.mail = Mail()

    def owners(self, wanted=OWNERS):
        done = self.m.command("stat", "--format=%n %U:%G %a", *wanted)
        equal(dict(line.split(" ", 1) for line in done.stdout.splitlines()), wanted, done.stderr)

    def show(self, name, unit=UNIT):
        return self.m.run("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def store(self):
        """The daemon has it open, and did not complain."""
        files = self.m.run("sh", "-c", f"readlink /proc/{self.show('MainPID')}/fd/*")
        check(f"{STATE}/cache.db" in files.split(), f"the store is not open: {self.m.log()[-2000:]}")

    def in_order(self):
        """Who has what, the store is open, and mail is decided."""
        self.owners()
        equal(self.show("ActiveState"), "active")
        self.store()
        self.mail.check()

    def setup(self):
        """What --check-setup finds: state by name, the worst of each."""
        done = self.m.command("requiretls-query", "--check-setup", "--json", timeout=300)
        found = {}
        order = ("ok", "unknown", "warning", "error")
        for f in json.loads(done.stdout)["findings"]:
            state = found.get(f["name"], ("ok",))[0]
            if order.index(f["state"]) >= order.index(state):
                found[f["name"]] = (f["state"], f["text"])
        return found

    def setup_in_order(self):
        """--check-setup finds no error, and what it must reach it reaches."""
        found = self.setup()
        wrong = {name: f for name, f in found.items() if f[0] == "error"}
        equal(wrong, {})
        for name in ("store", "milter-socket"):
            equal(found[name][0], "ok", name)


def play(checks, table, words):
    """Calls the functions of the table in their order; the first, which makes all others possible, always.
    Returns how many passed and how many failed."""
    passed = failed = 0
    for n, (name, function) in enumerate(table):
        if n > 0 and words and not any(word in name for word in words):
            continue
        began = time.monotonic()
        try:
            function(checks)
        except (Wrong, procs.LabError, OSError, subprocess.SubprocessError, KeyError, ValueError,
                smtpclient.Closed) as error:
            failed += 1
            print(f"FAIL {name}\n     {type(error).__name__}: {error}", flush=True)
            if n == 0:
                break  # nothing runs
        else:
            passed += 1
            print(f"ok   {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return passed, failed


def run(checks, table, words, passed=0, failed=0):
    """Plays the table on a machine, and ends that; prints the closing line, with what passed and failed before.
    Returns the exit status."""
    try:
        done = play(checks, table, words)
    finally:
        checks.m.halt()
    passed, failed = passed + done[0], failed + done[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0

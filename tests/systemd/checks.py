"""What an administrator does with the daemon on a Debian with systemd, and what is to be seen after it.
Runs within the lab; tests/systemd/run starts it."""

import json
import re
import subprocess
import sys
import threading
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
RELOADS = 20
RESTART_S = 5  # a few seconds at most, on a machine that has much else to do
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
        """Returns the word and the reply that decided."""
        self.number += 1
        word = f"word-{self.number}-"
        with self.client() as client:
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


class Checks:
    """In their order: each begins with what the one before left."""

    def __init__(self, build, tree):
        self.build = build
        self.m = machine.Machine(tree)
        self.mail = Mail()

    # --- what is right at any time

    def owners(self):
        done = self.m.command("stat", "--format=%n %U:%G %a", *OWNERS)
        equal(dict(line.split(" ", 1) for line in done.stdout.splitlines()), OWNERS, done.stderr)

    def show(self, name):
        return self.m.run("systemctl", "show", f"--property={name}", "--value", UNIT).strip()

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

    # --- the checks

    def install(self):
        """As README says."""
        subprocess.run(["meson", "install", "--no-rebuild", "--quiet", "-C", self.build, "--destdir",
                        self.m.root], check=True, stdin=subprocess.DEVNULL, timeout=120)
        snippet = (machine.SNIPPET / "requiretls-milter.conf").read_text()
        self.m.write(CONFIGURATION, snippet)
        self.m.boot()
        readme = (layout.TREE / "README").read_text()
        steps = re.search(r"^ +meson setup.*ninja -C build install\n((?: +.*\n)+)", readme, re.M)[1]
        for step in steps.splitlines():
            if "etc/requiretls-milter.conf" not in step:  # that of the snippet is there
                self.m.run("sh", "-c", step)
        self.in_order()

    def runs_as_its_user(self):
        status = self.m.run("cat", f"/proc/{self.show('MainPID')}/status")
        uid, gid = self.m.id_of(USER)
        equal(re.search(r"^Uid:(.*)$", status, re.M)[1].split(), [str(uid)] * 4)
        equal(re.search(r"^Groups:(.*)$", status, re.M)[1].split(), [str(gid)])
        equal(re.search(r"^CapBnd:\s+(\S+)$", status, re.M)[1].strip("0"), "")

    def exposure(self):
        done = self.m.command("systemd-analyze", "security", "--no-pager", "--threshold=20", UNIT)
        equal(done.returncode, 0, done.stdout[-400:] + done.stderr)

    def check_setup(self):
        found = self.setup()
        wrong = {name: f for name, f in found.items() if f[0] == "error"}
        equal(wrong, {})
        for name in ("store", "milter-socket"):
            equal(found[name][0], "ok", name)

    def reloads(self):
        """20, while mail comes in: none fails, no message is deferred."""
        deferred, over = [], threading.Event()

        def keep_sending():
            mail = Mail()
            mail.number = 1000
            while not over.is_set():
                for recipient, parameters in (("bob@dane.test", ["REQUIRETLS"]), ("bob@plain.test", [])):
                    _, reply = mail.send(recipient, *parameters)
                    if reply.code != 250:
                        deferred.append(str(reply))
            sent.append(mail.number - 1000)

        sent = []
        sender = threading.Thread(target=keep_sending)
        sender.start()
        try:
            for n in range(1, RELOADS + 1):
                self.m.run("systemctl", "reload", UNIT)
                self.owners()
                procs.wait_for(lambda n=n: self.m.log().count(f"reloaded {CONFIGURATION}") >= n,
                               f"reload {n}")
                self.owners()
        finally:
            over.set()
            sender.join()
        equal(deferred, [], "deferred")
        check(sent[0] > RELOADS, f"only {sent} messages came meanwhile")
        self.in_order()

    def restart(self):
        """With one client in the middle of an ordinary message: soon over, and it is not lost."""
        with self.mail.client() as client:
            check(client.mail("alice@sender.test").ok and client.rcpt("bob@dane.test").ok, "refused")
            equal(client.command("DATA").code, 354)
            client.send("Subject: half", "", "half of it")
            began = time.monotonic()
            self.m.run("systemctl", "restart", UNIT)
            took = time.monotonic() - began
            self.in_order()
            client.send("the rest", ".")
            reply = client.read()
            equal(reply.code // 100, 4, f"the client in the middle is told: {reply}")
        check(took < RESTART_S, f"a restart took {took:.1f} s")

    def stop(self):
        """Nothing is left of its sockets, and mail is deferred until it is there again."""
        self.m.run("systemctl", "stop", UNIT)
        equal(self.m.run("ls", SOCKETS), "")
        _, reply = self.mail.send("bob@dane.test", "REQUIRETLS")
        equal(reply.code // 100, 4, str(reply))
        self.m.run("systemctl", "start", UNIT)
        self.in_order()

    def reboot(self):
        self.m.reboot()
        self.in_order()
        self.check_setup()

    def root_owned(self):
        """As an earlier unit of root's left them: mended by systemd and tmpfiles."""
        self.m.run("systemctl", "stop", UNIT)
        self.m.run("chown", "-R", "root:root", STATE, SOCKETS)
        self.m.run("systemd-tmpfiles", "--create")
        self.m.run("systemctl", "start", UNIT)
        self.in_order()

    def store_of_another(self):
        self.m.run("systemctl", "stop", UNIT)
        self.m.run("sh", "-c", f"chown root:root {STATE}/cache.db*; chmod 600 {STATE}/cache.db*")
        self.m.run("systemctl", "start", UNIT)
        state, text = self.setup()["store"]
        equal((state, "cache.db" in text), ("error", True), text)
        self.m.run("systemctl", "stop", UNIT)
        self.m.run("sh", "-c", f"chown {USER}:{USER} {STATE}/cache.db*")
        self.m.run("systemctl", "start", UNIT)
        self.in_order()

    def sockets_out_of_reach(self):
        for spoil, mend in ((f"chmod 0700 {SOCKETS}", "systemd-tmpfiles --create"),
                            (f"chown root:root {SOCKETS} {SOCKETS}/*; chmod 0600 {SOCKETS}/*",
                             f"systemd-tmpfiles --create; rm {SOCKETS}/*; systemctl restart {UNIT}")):
            self.m.run("sh", "-c", spoil)
            found = self.setup()
            equal((found["milter-socket"][0], found["map-socket"][0]), ("error", "error"), f"{spoil}: {found}")
            self.m.run("sh", "-c", mend)
            self.in_order()


TABLE = (
    ("installed as README says", Checks.install),
    ("it runs as its user, without any capability", Checks.runs_as_its_user),
    ("its exposure is 2.0 at most", Checks.exposure),
    ("--check-setup finds store and sockets in order", Checks.check_setup),
    ("20 reloads under mail", Checks.reloads),
    ("a restart with a client in the middle of a message", Checks.restart),
    ("stopped and started", Checks.stop),
    ("a reboot", Checks.reboot),
    ("what an earlier unit gave to root is its user's again", Checks.root_owned),
    ("--check-setup finds a store that is another's", Checks.store_of_another),
    ("--check-setup finds sockets that Postfix cannot reach", Checks.sockets_out_of_reach),
)


def run(words, build, tree):
    checks = Checks(build, tree)
    passed = failed = 0
    try:
        for n, (name, function) in enumerate(TABLE):
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
    finally:
        checks.m.halt()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[3:], sys.argv[1], sys.argv[2]))

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

import layout  # noqa: E402
import operation  # noqa: E402
import procs  # noqa: E402
import queued  # noqa: E402
import service  # noqa: E402
from service import (AGENT, AGENT_CONFIGURATION, AGENT_OWNERS, AGENT_SOCKETS, CONFIGURATION, SOCKETS, STATE,  # noqa: E402
                     UNIT, USER, check, equal)

RELOADS = 20
RESTART_S = 5  # a few seconds at most, on a machine that has much else to do


class Checks(service.Service):
    """In their order: each begins with what the one before left."""

    def __init__(self, build, tree):
        super().__init__(tree)
        self.build = build

    def install(self):
        """As README says."""
        subprocess.run(["meson", "install", "--no-rebuild", "--quiet", "-C", self.build, "--destdir",
                        self.m.root], check=True, stdin=subprocess.DEVNULL, timeout=120)
        self.take("requiretls-milter-without-agent.conf", CONFIGURATION)
        self.m.boot()
        readme = (layout.TREE / "README").read_text()
        steps = re.search(r"^ +meson setup.*ninja -C build install\n((?: +.*\n)+)", readme, re.M)[1]
        for step in steps.splitlines():
            if "etc/requiretls-milter.conf" not in step:  # that of the snippet is there
                self.m.run("sh", "-c", step)
        self.in_order()

    def take(self, name, path):
        """A file of the snippet."""
        self.m.write(path, (self.m.snippet / name).read_text())

    def runs_as_its_user(self, user=USER, groups=(USER,), unit=UNIT):
        status = self.m.run("cat", f"/proc/{self.show('MainPID', unit)}/status")
        uid, _ = self.m.id_of(user)
        equal(re.search(r"^Uid:(.*)$", status, re.M)[1].split(), [str(uid)] * 4)
        equal(sorted(re.search(r"^Groups:(.*)$", status, re.M)[1].split()),
              sorted(str(self.m.id_of(group)[1]) for group in groups))
        equal(re.search(r"^CapBnd:\s+(\S+)$", status, re.M)[1].strip("0"), "")

    def runs_nothing_else(self, unit=UNIT, places=(STATE, f"/run/{UNIT}", SOCKETS)):
        """Whoever has taken over the daemon finds no program that can be run."""
        pid = self.show("MainPID", unit)
        where = ["nsenter", "--target", pid, "--mount"]
        self.m.run(*where, "/bin/kill", "-0", pid)
        for program in ("/bin/sh", "/usr/bin/env", "/lib64/ld-linux-x86-64.so.2 /bin/true"):
            done = self.m.command(*where, *program.split())
            check(done.returncode != 0 and re.search("denied|failed to map", done.stderr), f"{program}: {done}")
        for place in (*places, "/tmp", "/var/tmp"):
            made = f"/proc/{pid}/root{place}/true"
            self.m.run("install", "-m", "0755", "/bin/true", made)
            done = self.m.command(*where, f"{place}/true")
            self.m.run("rm", made)
            check(done.returncode != 0 and "Permission denied" in done.stderr, f"{place}: {done}")

    def exposure(self, unit=UNIT):
        done = self.m.command("systemd-analyze", "security", "--no-pager", "--threshold=20", unit)
        equal(done.returncode, 0, done.stdout[-400:] + done.stderr)

    def journal(self):
        """Lines have their priority, and one header: the journal's."""
        self.mail.send("bob@plain.test", "REQUIRETLS")
        out = self.m.run("journalctl", "--boot", "--no-pager", "--output=json", "--unit", UNIT,
                         "SYSLOG_IDENTIFIER=requiretls-milter")
        lines = [json.loads(line) for line in out.splitlines()]
        told = [line for line in lines if "to=<bob@plain.test>" in line["MESSAGE"]]
        equal([told[-1][key] for key in ("PRIORITY", "SYSLOG_FACILITY")], ["6", "2"], told[-1])
        check(re.match(r"\S+: to=<bob@plain.test>, from=<alice@sender.test>, nexthop=", told[-1]["MESSAGE"]),
              told[-1]["MESSAGE"])
        odd = [line["MESSAGE"] for line in lines if re.match(r"<\d>|\d{4}-", line["MESSAGE"])]
        equal(odd, [], "with another header")

    def reloads(self):
        """20, while mail comes in: none fails, no message is deferred."""
        deferred, over = [], threading.Event()

        def keep_sending():
            mail = service.Mail()
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
        self.setup_in_order()

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
            equal(found["milter-socket"][0], "error", f"{spoil}: {found}")  # the map's follows from it
            self.m.run("sh", "-c", mend)
            self.in_order()

    def does_not_start(self):
        """What etc/OPERATION has of it, and its remedies."""
        config = operation.symptom("status=78/CONFIG")
        socket = operation.symptom("cannot open the socket")
        tmpfiles = "systemd-tmpfiles --create"
        for spoil, said, mend in (
                (f"echo rcpt_wait = x >>{CONFIGURATION}", (config,), f"sed -i '$d' {CONFIGURATION}"),
                (f"rm -r {SOCKETS}", (config, socket), tmpfiles),
                (f"chown root:root {SOCKETS}", ("status=77/NOPERM", socket), tmpfiles)):
            self.m.run("sh", "-c", f"systemctl stop {UNIT}; {spoil}; systemctl reset-failed {UNIT}")
            check(self.m.command("systemctl", "start", UNIT).returncode != 0, f"{spoil}: it starts")
            text = self.m.command("systemctl", "status", UNIT).stdout
            check(all(re.search(each, text) for each in said), f"{spoil}: {text}")
            named = self.m.command("requiretls-milter", "-t").stderr
            equal(bool(re.search(rf"{CONFIGURATION}:\d+: ", named)), "rcpt_wait" in spoil, named)
            self.m.run("sh", "-c", f"{mend}; systemctl start {UNIT}")
            self.in_order()


    # --- the delivery agent

    def passed_on(self, count=1):
        """Mail that requires TLS leaves by the agent, with REQUIRETLS, and none of it waits."""
        for _ in range(count):
            word, reply = self.mail.send("bob@dane.test", "REQUIRETLS")
            equal(reply.code, 250, str(reply))
            arrived = self.mail.arrivals.wait(word, "bob@dane.test")[0]
            check("REQUIRETLS" in arrived.parameters, f"{arrived}")
            equal(arrived.header("X-REQUIRETLS-Ticket"), [])

    def agent(self):
        """As the README of the snippet says."""
        self.take("requiretls-milter.conf", CONFIGURATION)
        self.take("requiretls-deliver.conf", AGENT_CONFIGURATION)
        readme = (self.m.snippet / "README").read_text()
        steps = re.search(r"^2\.  requiretls-milter.conf and .*:?\n\n((?: {8}.*\n)+)", readme, re.M)[1]
        for step in steps.splitlines():
            self.m.run("sh", "-c", step)
        procs.wait_for(lambda: self.show("ActiveState", AGENT) == "active", "the agent")
        self.owners(AGENT_OWNERS)
        self.passed_on()

    def agent_set_up(self):
        """--check-setup tries its socket, and reads the key of tickets as its user does."""
        def states():
            found = self.setup()
            return tuple(found[name][0] for name in ("agent-socket", "ticket-key"))

        equal(states(), ("ok", "ok"))
        self.m.run("gpasswd", "-d", AGENT, USER)
        try:
            equal(states(), ("ok", "error"))
        finally:
            self.m.run("usermod", "-a", "-G", USER, AGENT)
        self.m.run("systemctl", "stop", f"{AGENT}.socket", f"{AGENT}.service")
        equal(states(), ("error", "ok"))
        self.m.run("systemctl", "enable", "--now", f"{AGENT}.socket", f"{AGENT}.service")
        equal(states(), ("ok", "ok"))

    def agent_is_apart(self):
        """It has a user and groups of its own, can run nothing, and sees none of the filter's sockets."""
        self.runs_as_its_user(AGENT, (AGENT, USER), AGENT)
        self.runs_nothing_else(AGENT, (f"/var/lib/{AGENT}", f"/run/{AGENT}", AGENT_SOCKETS))
        self.exposure(AGENT)
        for path in (SOCKETS, f"/run/{UNIT}"):
            done = self.m.command("ls", f"/proc/{self.show('MainPID', AGENT)}/root{path}/")
            equal(done.stdout.split(), [], f"{path} as the agent sees it")

    def agent_before_key(self):
        """It runs, says what is missing, and has the key as soon as it is there."""
        self.m.run("systemctl", "stop", UNIT, f"{AGENT}.socket", f"{AGENT}.service")
        self.m.run("rm", f"{STATE}/ticket.key")
        self.m.run("systemctl", "start", f"{AGENT}.socket", f"{AGENT}.service")
        equal(self.show("ActiveState", AGENT), "active")
        check("there is none yet" in self.m.log(AGENT), self.m.log(AGENT)[-500:])
        status = ("requiretls-query", "--status", "-c", AGENT_CONFIGURATION)
        shown = self.m.command(*status)
        check(shown.returncode == 1 and "ticket_key" in shown.stdout, shown)
        self.m.run("systemctl", "start", UNIT)
        procs.wait_for(lambda: "is there: what needs a ticket is delivered" in self.m.log(AGENT), "the key")
        equal(self.show("NRestarts", AGENT), "0")
        self.owners(AGENT_OWNERS)
        self.passed_on()

    def agent_restarts(self):
        """Ten times while mail is on its way: it waits for the socket, and is not deferred."""
        over = threading.Event()

        def keep_restarting():
            for _ in range(10):
                self.m.run("sh", "-c", f"systemctl reset-failed {AGENT}; systemctl restart {AGENT}")
                time.sleep(0.2)
            over.set()

        restarter = threading.Thread(target=keep_restarting)
        restarter.start()
        try:
            while not over.is_set():
                self.passed_on()
        finally:
            restarter.join()
        deferred = [line for line in self.m.run("journalctl", "--boot", "--no-pager").splitlines()
                    if "requiretls-deliver/lmtp" in line and "status=deferred" in line]
        equal(deferred, [], "deferred")
        self.owners(AGENT_OWNERS)

    def agent_stopped(self):
        """Without its socket mail waits, and leaves when it is back."""
        self.m.run("systemctl", "stop", f"{AGENT}.socket", f"{AGENT}.service")
        word, reply = self.mail.send("bob@dane.test", "REQUIRETLS")
        equal(reply.code, 250, str(reply))
        procs.wait_for(lambda: "deferred" in self.m.run("sh", "-c", "postqueue -j"), "it to be deferred")
        self.m.run("systemctl", "start", AGENT)  # by itself: it makes its socket
        self.owners(AGENT_OWNERS)
        self.m.run("postqueue", "-f")
        check("REQUIRETLS" in self.mail.arrivals.wait(word, "bob@dane.test")[0].parameters, "REQUIRETLS is lost")
        self.passed_on()


TABLE = (
    ("installed as README says", Checks.install),
    ("it runs as its user, without any capability", Checks.runs_as_its_user),
    ("nothing else can be run in its place", Checks.runs_nothing_else),
    ("its exposure is 2.0 at most", Checks.exposure),
    ("--check-setup finds store and sockets in order", Checks.setup_in_order),
    ("lines in the journal have a priority, and no other header", Checks.journal),
    ("20 reloads under mail", Checks.reloads),
    ("a restart with a client in the middle of a message", Checks.restart),
    ("stopped and started", Checks.stop),
    ("a reboot", Checks.reboot),
    ("what an earlier unit gave to root is its user's again", Checks.root_owned),
    ("--check-setup finds a store that is another's", Checks.store_of_another),
    ("--check-setup finds sockets that Postfix cannot reach", Checks.sockets_out_of_reach),
    ("it does not start: what is said, and the remedies", Checks.does_not_start),
    ("the delivery agent as the README of the snippet says", Checks.agent),
    ("--check-setup finds the delivery agent's socket, and its key", Checks.agent_set_up),
    ("the delivery agent is apart from the filter", Checks.agent_is_apart),
    ("the delivery agent is started before the filter has made the key of tickets", Checks.agent_before_key),
    ("ten restarts of the delivery agent under mail", Checks.agent_restarts),
    ("a restart of the delivery agent with 1,000 messages queued beside a server that says nothing",
     queued.restart_beside_black_hole),
    ("the delivery agent stopped and started without its socket unit", Checks.agent_stopped),
)


if __name__ == "__main__":
    sys.exit(service.run(Checks(sys.argv[1], sys.argv[2]), TABLE, sys.argv[3:]))

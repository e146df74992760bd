"""A Debian that boots with its own systemd as process 1, in the lab's network: systemd-nspawn(1) on
the tree of tree.py, with everything that is written to it in a layer of its own."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import ca
import layout
import procs
import snippets

HOST = "mta37.lab.test"
ADDRESS = layout.MTA_ADDRESSES["3.7"][0]  # no such machine is in this lab
BOOT_S = 120
CGROUP2_ONLY = 258  # the systemd that no longer boots with cgroups of version 1, which this machine may have
REBOOT = 133  # how systemd-nspawn ends for whom it is told to start it again
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MAIN_CF = f"""
compatibility_level = 3.6
myhostname = {HOST}
mydomain = lab.test
mydestination = $myhostname, localhost
mynetworks = 127.0.0.0/8, {layout.CUSTOMERS}
inet_interfaces = {ADDRESS}, 127.0.0.1
smtp_bind_address = {ADDRESS}
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/postfix/machine.pem
alias_maps =
alias_database =
enable_long_queue_ids = yes
smtpd_client_connection_rate_limit = 0
"""


class Machine:
    """One, from its making to its end. Paths are those in it; path() has them from outside."""

    def __init__(self, tree, snippet):
        self.where = layout.RUN / "machine"
        self.root = self.where / "root"
        self.process = None
        self.snippet = snippets.etc(snippet)
        for part in ("root", "upper", "work"):
            (self.where / part).mkdir(parents=True)
        procs.run("mount", "-t", "overlay", "overlay", "-o",
                  f"lowerdir={tree},upperdir={self.where / 'upper'},workdir={self.where / 'work'}",
                  self.root)
        self._name()
        self._postfix()

    def path(self, inside):
        return self.root / str(inside).lstrip("/")

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def _name(self):
        self.path("/etc/resolv.conf").unlink(missing_ok=True)
        self.write("/etc/resolv.conf", f"nameserver {layout.RESOLVER}\noptions trust-ad edns0\n")
        self.write("/etc/hostname", f"{HOST}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
        shutil.copy(ca.ca_file(), self.path("/etc/ssl/certs/ca-certificates.crt"))
        self.path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)

    def _postfix(self):
        """As the snippet says, on Debian's own master.cf."""
        ca.make("machine", [HOST], "good")
        shutil.copy(ca.chain("machine"), self.path("/etc/postfix/machine.pem"))
        self.write("/etc/postfix/main.cf",
                   snippets.merged(MAIN_CF, (self.snippet / "main.cf").read_text()))
        lines = self.path("/etc/postfix/master.cf.proto").read_text().splitlines(keepends=True)
        at = next(n for n, line in enumerate(lines) if line.split()[:2] == ["smtp", "inet"])
        if self.snippet.name == "postfix-older":
            lines.insert(at + 1, snippets.command_filter())
        self.write("/etc/postfix/master.cf", "".join(lines) + (self.snippet / "master.cf").read_text())
        for table in self.snippet.glob("requiretls_*"):
            shutil.copy(table, self.path("/etc/postfix"))

    # --- life

    def _systemd(self):
        """The version of its systemd."""
        found = next(self.root.glob("usr/lib/*/systemd/libsystemd-shared-*.so"))
        return int(re.search(r"-shared-(\d+)", found.name)[1])

    def boot(self):
        """Starts it and waits until it is up."""
        environment = dict(os.environ)
        if self._systemd() >= CGROUP2_ONLY:
            environment["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1"
        with open(self.where / "console", "ab") as console:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory",
                 self.root, "--resolv-conf=off", "--timezone=off", "--link-journal=no",
                 f"--hostname={HOST}", "--boot"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env=environment)
        self.wait_up()

    def leader(self):
        """The pid of its process 1, None while it has none."""
        if self.process.poll() is not None:
            raise procs.LabError(f"the machine has ended:\n{self.console()}")
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(found[-1]) if found else None

    def console(self):
        return (self.where / "console").read_text(errors="replace")[-3000:]

    def wait_up(self):
        """Waits until all services have been started."""
        def up():
            state = self.leader() and self.command("systemctl", "is-system-running").stdout.strip()
            return state if state in ("running", "degraded") else None
        state = procs.wait_for(up, "the machine to be up", BOOT_S)
        if state != "running":
            raise procs.LabError("not all of the machine is up:\n"
                                 + self.command("systemctl", "--failed").stdout)

    def reboot(self):
        self.command("systemctl", "reboot")
        status = self.process.wait(BOOT_S)
        if status != REBOOT:
            raise procs.LabError(f"the machine has ended with status {status}:\n{self.console()}")
        self.boot()

    def halt(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)  # nspawn has it power off
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    # --- in it

    def command(self, *words, timeout=120, **options):
        """Runs words in it; returns what subprocess.run does, output as text."""
        leader = self.leader()
        enter = ["nsenter", "--target", str(leader), "--mount", "--uts", "--ipc", "--pid",
                 "--root", "--wd", "--", "env", "-i", f"PATH={PATH}", "LANG=C.UTF-8", "PAGER="]
        return subprocess.run([*enter, *map(str, words)], stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=timeout, **options)

    def run(self, *words, **options):
        """The same, where a failure is an error; returns what it wrote."""
        done = self.command(*words, **options)
        if done.returncode != 0:
            raise procs.LabError(f"{' '.join(map(str, words))}: status {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done.stdout

    def log(self, unit="requiretls-milter"):
        return self.run("journalctl", "--boot", "--no-pager", "--output=cat", "--unit", unit)

    def id_of(self, user):
        for line in self.path("/etc/passwd").read_text().splitlines():
            name, _, uid, gid = line.split(":")[:4]
            if name == user:
                return int(uid), int(gid)
        raise procs.LabError(f"there is no user {user}")

    def owner(self, inside):
        """`user:group mode` of a file in it, as the machine sees it."""
        return self.run("stat", "--format=%U:%G %a", inside).strip()

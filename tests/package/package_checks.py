"""What an administrator does with the package on a Debian with systemd, and what is to be seen after it.
Runs within the lab; tests/package/run starts it."""

import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "systemd"), str(TESTS / "lab")]

import procs  # noqa: E402
import service  # noqa: E402
from service import CONFIGURATION, SOCKETS, STATE, UNIT, USER, check, equal  # noqa: E402

RESTARTS = 4
BETWEEN_S = 2.6  # systemd lets a unit start five times in ten seconds
CHANGE = "\n# the administrator's\n[cache]\nmax_ttl = 12h\n"
# What lives without the package: accounts and the copies of their files, Postfix's queue, caches of others.
OTHERS = re.compile(r"/(etc/(\.pwd\.lock|(passwd|group|shadow|gshadow|subuid|subgid)-?)|var/(log|cache|tmp)/.*"
                    r"|var/lib/(dpkg|systemd|postfix|apt)/.*"
                    r"|var/spool/postfix/(?!requiretls).*)")


class Checks(service.Service):
    """In their order: each begins with what the one before left."""

    def __init__(self, tree, package, snippet):
        super().__init__(tree, snippet)
        self.package = package
        self.versions = 0
        self.m.boot()
        self.before = self.files()

    def files(self):
        found = self.m.run("find", "/", "-xdev", "(", "-path", "/run", "-o", "-path", "/tmp", "-o", "-path", "/proc",
                           "-o", "-path", "/sys", "-o", "-path", "/dev", ")", "-prune", "-o", "-print")
        return set(found.splitlines())

    def dpkg(self, *words):
        done = self.m.command("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *words)
        equal(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def install(self, package):
        shutil.copy(package, self.m.path("/root/package.deb"))
        said = self.dpkg("--force-confdef", "--force-confold", "--install", "/root/package.deb")
        self.m.path("/root/package.deb").unlink()
        return said

    def higher(self):
        """The same package with a higher version and another default configuration."""
        self.versions += 1
        work = self.m.where / f"higher-{self.versions}"
        procs.run("dpkg-deb", "--raw-extract", self.package, work)
        control = work / "DEBIAN/control"
        control.write_text(re.sub("^(Version: .*)", rf"\1+{self.versions}", control.read_text(), flags=re.M))
        conf = work / CONFIGURATION.lstrip("/")
        conf.write_text(conf.read_text() + f"\n# default {self.versions}\n")
        procs.run("dpkg-deb", "--root-owner-group", "--build", work, f"{work}.deb")
        return f"{work}.deb"

    def configuration(self, name=CONFIGURATION):
        return self.m.path(name).read_text()

    def change(self):
        """As the administrator does, once."""
        if CHANGE not in self.configuration():
            self.m.path(CONFIGURATION).write_text(self.configuration() + CHANGE)

    def pid(self):
        return self.show("MainPID")

    def arrived(self, recipient):
        """The words of all messages that arrived for it: they can be thousands, and are read once."""
        return {arrival.header("Subject")[0] for arrival in self.mail.arrivals.all() if recipient in arrival.recipients}

    # --- the checks

    def installed(self):
        """By apt, as README says, but without the resolver that it recommends: the lab has one."""
        shutil.copy(self.package, self.m.path("/var/tmp"))
        self.m.run("apt", "install", "--yes", "--no-install-recommends", f"/var/tmp/{Path(self.package).name}")
        self.in_order()
        equal(self.show("UnitFileState"), "enabled")
        equal(self.m.owner(CONFIGURATION), "root:root 644")
        equal(self.m.run("dpkg", "--verify", UNIT), "")
        if self.m.snippet.name == "postfix-3.11":
            self.accept_header()

    def accept_header(self):
        """What this Postfix needs besides, as --check-setup and the package's configuration say."""
        equal({name for name, found in self.setup().items() if found[0] == "error"}, {"accept-header"})
        line = re.search("^# *(accept_header = any)$", self.configuration(), re.M)
        self.m.path(CONFIGURATION).write_text(self.configuration().replace(line[0], line[1]))
        self.m.run("systemctl", "restart", UNIT)
        self.in_order()

    def exposure(self):
        done = self.m.command("systemd-analyze", "security", "--no-pager", "--threshold=20", UNIT)
        equal(done.returncode, 0, done.stdout[-400:] + done.stderr)
        print("    ", done.stdout.strip().splitlines()[-1])

    def reload(self):
        before = self.pid()
        self.change()
        self.m.run("systemctl", "reload", UNIT)
        procs.wait_for(lambda: f"reloaded {CONFIGURATION}" in self.m.log(), "the reload")
        equal(self.pid(), before)
        self.in_order()

    def restarts(self):
        """Under mail: what must not pass never does, what was accepted arrives, and the rest is deferred."""
        wrong, accepted, over = [], [], threading.Event()

        def keep_sending(number):
            mail = service.Mail()
            mail.number = number * 10000
            while not over.is_set():
                _, reply = mail.send("bob@plain.test", "REQUIRETLS")
                if reply.code != 550 and reply.code // 100 != 4:
                    wrong.append(f"plain.test with REQUIRETLS: {reply}")
                for parameters in (["REQUIRETLS"], []):
                    word, reply = mail.send("bob@dane.test", *parameters)
                    if reply.code == 250:
                        accepted.append(word)
                    elif reply.code // 100 != 4:
                        wrong.append(f"dane.test: {reply}")

        senders = [threading.Thread(target=keep_sending, args=(n,)) for n in (1, 2)]
        for sender in senders:
            sender.start()
        try:
            for _ in range(RESTARTS):
                time.sleep(BETWEEN_S)
                self.m.run("systemctl", "restart", UNIT)
        finally:
            time.sleep(1)
            over.set()
            for sender in senders:
                sender.join()
        equal(wrong, [])
        check(len(accepted) > RESTARTS, f"only {len(accepted)} messages were accepted")
        procs.wait_for(lambda: not set(accepted) - self.arrived("bob@dane.test"), "what was accepted to arrive")
        time.sleep(BETWEEN_S)
        self.in_order()

    def upgrade(self):
        """The administrator's file is kept, the new default lies beside it; a new daemon has the old cache."""
        self.change()
        before, inode = self.pid(), self.m.run("stat", "--format=%i", f"{STATE}/cache.db")
        self.install(self.higher())
        check(CHANGE in self.configuration(), "the administrator's change is lost")
        check("# default 1" in self.configuration(f"{CONFIGURATION}.dpkg-dist"), "no new default")
        check(self.pid() != before, "the old daemon runs on")
        equal(self.m.run("stat", "--format=%i", f"{STATE}/cache.db"), inode, "the store")
        self.in_order()
        self.setup_in_order()

    def bad_configuration(self):
        """An upgrade with it succeeds, and the old daemon runs on."""
        before, good = self.pid(), self.configuration()
        self.m.path(CONFIGURATION).write_text(good + "nonsense = yes\n")
        said = self.install(self.higher())
        check("nonsense" in said and "is not restarted" in said, said)
        equal(self.pid(), before)
        self.mail.check()
        self.m.path(CONFIGURATION).write_text(good)
        self.m.run("systemctl", "restart", UNIT)
        self.in_order()

    def postfix_later(self):
        """The directory of the sockets is made when Postfix comes after the package."""
        self.m.run("systemctl", "stop", UNIT)
        self.m.run("rm", "-r", SOCKETS)
        self.m.run("dpkg-trigger", "--no-await", "--by-package=postfix", "/usr/lib/postfix/sbin/master")
        self.dpkg("--triggers-only", "--pending")
        self.in_order()

    def reboot(self):
        self.m.reboot()
        self.in_order()

    def remove(self):
        """Mail is deferred; what is the administrator's stays, and serves when the package is back."""
        self.change()
        self.dpkg("--remove", UNIT)
        equal(self.show("ActiveState"), "inactive")
        _, reply = self.mail.send("bob@dane.test", "REQUIRETLS")
        equal(reply.code // 100, 4, str(reply))
        check(CHANGE in self.configuration() and self.m.path(f"{STATE}/cache.db").exists(), "it is gone")
        check(not self.m.path("/usr/sbin/requiretls-milter").exists(), "the program is there")
        self.install(self.package)
        check(CHANGE in self.configuration(), "the administrator's change is lost")
        self.in_order()

    def purge(self):
        """Nothing is left but the user."""
        self.dpkg("--purge", UNIT)
        left = sorted(path for path in self.files() - self.before if not OTHERS.fullmatch(path))
        equal(left, [])
        equal(self.m.command("ls", f"/run/{UNIT}", STATE, SOCKETS).stdout, "")
        check(self.m.id_of(USER)[0] < 1000, "the user")
        equal(self.m.run("systemctl", "--failed", "--plain", "--no-legend"), "")


TABLE = (
    ("installed: it runs, and mail is refused and delivered", Checks.installed),
    ("the exposure of the package's unit is 2.0 at most", Checks.exposure),
    ("--check-setup finds the package in order", Checks.setup_in_order),
    ("a reload with a changed configuration", Checks.reload),
    ("restarts under mail: nothing is lost or wrongly accepted", Checks.restarts),
    ("an upgrade keeps a changed configuration and the cache", Checks.upgrade),
    ("an upgrade with a bad configuration", Checks.bad_configuration),
    ("Postfix comes after the package", Checks.postfix_later),
    ("a reboot with the package", Checks.reboot),
    ("removed, and installed anew", Checks.remove),
    ("a purge leaves nothing", Checks.purge),
)


def main():
    tree, package, snippet, passed, failed, *words = sys.argv[1:]
    return service.run(Checks(tree, package, snippet), TABLE, words, int(passed), int(failed))


if __name__ == "__main__":
    sys.exit(main())

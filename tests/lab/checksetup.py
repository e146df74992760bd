"""`requiretls-query --check-setup` run where a machine under test lives.

Those in a chroot may have another C library there: the tool goes in with the libraries that it was
built with, and runs the MTA's own commands as it finds them there.
"""

import json
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import layout
import milter
import procs
import snippets
from scenario import expect

LIMIT_S = 300
HOST = "/run/host"  # in the chroot: this machine's own programs and libraries
STORE = layout.RUN / "check-setup-store"


class Report:
    """What the tool said."""

    def __init__(self, done):
        self.code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        try:
            self.findings = json.loads(done.stdout)["findings"]
        except ValueError:
            raise procs.LabError(f"no JSON: {done.stdout}{done.stderr}") from None

    def names(self, *states):
        return {f["name"] for f in self.findings if f["state"] in states}

    def wrong(self):
        """The findings of what is not in order, without those that follow from another."""
        return [f for f in self.findings if f["state"] != "ok"]

    def remedies(self, name):
        return ["\n".join([f["remedy"] or "", *f["commands"]]) for f in self.wrong()
                if f["name"] == name]

    def __str__(self):
        lines = []
        for f in self.findings:
            lines.append(f"{f['state']} {f['name']}: {f['text']} -> {f['remedy']}")
            lines += [f"    {command}" for command in f["commands"]]
            lines += [f"    follows {g['state']} {g['name']}: {g['text']}" for g in f["follows"]]
        return "\n".join([f"exit status {self.code}", *lines, self.stderr])


def tool():
    return milter.program().with_name("requiretls-query")


def _mount_into(root):
    """This machine's /usr and the build directory, once a lab."""
    for source, target in (("/usr", "usr"), (tool().parent, "build")):
        place = root / HOST.lstrip("/") / target
        if not place.is_mount():
            place.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", source, place], check=True, timeout=60)


def _through_loader():
    """The tool's command line in the chroot: by its own dynamic loader, with its own libraries."""
    found = procs.run("ldd", tool())
    libraries = {str(Path(os.path.realpath(path)).parent)
                 for path in re.findall(r"(/\S+) \(0x", found)}
    loader = next(os.path.realpath(path)
                  for path in re.findall(r"^\s*(/\S*/ld-\S+) \(0x", found, re.M))
    return [HOST + loader, "--library-path", ":".join(HOST + path for path in sorted(libraries)),
            f"{HOST}/build/{tool().name}"]


def command(mta):
    if mta.root == Path("/"):
        return [str(tool())]
    _mount_into(mta.root)
    return ["chroot", str(mta.root), *_through_loader()]


def configuration(mta, change=lambda text: text, more="", agent=False):
    """The snippet's requiretls-milter.conf as it stands, with or without the delivery agent, with what the lab
    adds to every one."""
    directory = snippets.DIRECTORIES.get(mta.name, "sendmail")
    text = snippets.configuration_of(directory, agent)
    if not STORE.exists():
        STORE.mkdir()
        STORE.chmod(0o750)
        os.chown(STORE, pwd.getpwnam("nobody").pw_uid, -1)
    more += f"\n[cache]\nstore = sqlite:{STORE}/cache.db\n"
    more += f"[probe]\nsource = {mta.address}, {mta.address6}\n"  # where the lab's Postfix sends from
    return milter.configuration(change(text) + more, 0)


EXAMPLES = Path("usr/local/share/doc/requiretls-milter/examples")  # as `meson install` has them


def furnish(mta):
    """Puts the snippets where the tool believes them to be installed, once a lab."""
    place = mta.root / EXAMPLES
    if not place.is_mount():
        share = mta.root / "usr/local/share"
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", share], check=True, timeout=60)
        place.mkdir(parents=True)
        subprocess.run(["mount", "--bind", snippets.etc(), place], check=True, timeout=60)


# What it says of every set-up that is in order.
LOOKED_AT = {"mta", "milter-socket", "map-socket", "route", "mta-ca", "resolver"}


def in_order(report, what, routes=True):
    """It has nothing to complain of, and has looked; routes: the configuration has some."""
    looked_at = LOOKED_AT if routes else LOOKED_AT - {"route"}
    expect((report.code, report.names("error", "warning", "unknown"),
            looked_at - report.names("ok")), (0, set(), set()), f"{what}\n{report}")


class Copy:
    """A machine with a copy of its /etc/postfix, to be broken: Postfix itself goes on with its own."""

    def __init__(self, mta):
        self.mta = mta
        self.etc = mta.where / "check-setup"
        shutil.rmtree(self.etc, ignore_errors=True)
        shutil.copytree(mta.etc, self.etc)
        for name in ("main.cf", "master.cf"):
            file = self.etc / name
            file.write_text(self._here(file.read_text()))

    def __getattr__(self, name):
        return getattr(self.mta, name)

    def _here(self, text):
        return text.replace("/etc/postfix/", f"{self.etc}/")

    def postconf(self, *words):
        """postconf(1) of this copy."""
        self.cool()
        self.mta.run("postconf", "-c", self.etc, *map(self._here, words))

    def configure(self, **parameters):
        """Changes main.cf; None takes a parameter out."""
        gone = [name for name, value in parameters.items() if value is None]
        if gone:
            self.postconf("-X", *gone)
        changed = [f"{name} = {v}" for name, v in parameters.items() if v is not None]
        if changed:
            self.postconf("-e", *changed)

    def cool(self):
        """Postfix's programs wait for seconds before they read a file that has just been written."""
        for file in self.etc.iterdir():
            if file.is_file():
                os.utime(file, (1, 1))


def run(mta, *words, prefix=()):
    """The tool with these words; of a copy, with that one's configuration."""
    if isinstance(mta, Copy):
        mta.cool()
        words = [*words, "--mta", f"postfix:{mta.etc}"]
    return subprocess.run([*prefix, *command(mta), *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=LIMIT_S)


def check(mta, text=None, words=(), prefix=()):
    """Checks the set-up with that configuration, by default the snippet's."""
    file = layout.RUN / f"check-setup-{mta.name}.conf"
    file.write_text(configuration(mta) if text is None else text)
    return Report(run(mta, "-c", str(file), "--check-setup", "--json", *words, prefix=prefix))


def carry_out_twice(made, report):
    """What is pasted a second time changes nothing."""
    made.carry_out(report)
    once = made.texts()
    made.carry_out(report)
    for name, text in made.texts().items():
        expect(text, once[name], f"{name}, pasted twice:\n{report}")

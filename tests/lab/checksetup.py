"""`requiretls-query --check-setup` run where a machine under test lives.

Those in a chroot may have another C library there: the tool goes in with the libraries that it was
built with, and runs the MTA's own commands as it finds them there.
"""

import contextlib
import json
import os
import pwd
import re
import subprocess
from pathlib import Path

import layout
import milter
import procs
import snippets

LIMIT_S = 60
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

    def remedies(self, name):
        return [f["remedy"] or "" for f in self.findings if f["name"] == name and f["state"] != "ok"]

    def __str__(self):
        lines = [f"{f['state']} {f['name']}: {f['text']} -> {f['remedy']}" for f in self.findings]
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


def configuration(mta, change=lambda text: text, more=""):
    """The snippet's requiretls-milter.conf as it stands, with what the lab adds to every one."""
    directory = snippets.DIRECTORIES.get(mta.name, "sendmail")
    text = snippets.etc(directory, "requiretls-milter.conf").read_text()
    if not STORE.exists():
        STORE.mkdir()
        STORE.chmod(0o750)
        os.chown(STORE, pwd.getpwnam("nobody").pw_uid, -1)
    more += f"\n[cache]\nstore = sqlite:{STORE}/cache.db\n"
    return milter.configuration(change(text) + more, 0)


def _cool(mta):
    """Postfix's programs wait for seconds before they read a file that has just been written."""
    for file in mta.etc.iterdir():
        if file.is_file():
            os.utime(file, (1, 1))


def run(mta, *words, prefix=()):
    """The tool with these words."""
    _cool(mta)
    return subprocess.run([*prefix, *command(mta), *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=LIMIT_S)


def check(mta, text=None, words=(), prefix=()):
    """Checks the set-up with that configuration, by default the snippet's."""
    file = layout.RUN / f"check-setup-{mta.name}.conf"
    file.write_text(configuration(mta) if text is None else text)
    return Report(run(mta, "-c", str(file), "--check-setup", "--json", *words, prefix=prefix))


@contextlib.contextmanager
def files(mta):
    """main.cf and master.cf may be changed; Postfix is not told, and finds them as they were."""
    kept = {name: (mta.etc / name).read_text() for name in ("main.cf", "master.cf")}
    try:
        yield
    finally:
        for name, text in kept.items():
            (mta.etc / name).write_text(text)
        _cool(mta)

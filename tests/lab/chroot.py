"""Small Debians, made by debootstrap and kept for reuse: a testing with its Postfix (3.11 or newer)
for the lab, a Debian 13 with 3.10 for those who ask for that, one of this machine's own release with
sendmail, whose packages and Postfix's exclude each other, and others for whoever asks
(tests/debian-testing/run).

The mirror is the one that this machine's apt uses. Nothing in the lab's chroot is written by the
lab afterwards: each lab mounts its own directories over it (namespace.py).
"""

import subprocess
from pathlib import Path

import cache
import layout
import procs

POSTFIX = "postfix-testing"
POSTFIX310 = "postfix-trixie"
SENDMAIL = "sendmail"
SENDMAIL_PACKAGES = ("sendmail-bin", "sendmail-cf", "sensible-mda", "sasl2-bin",
                     "libsasl2-modules", "ca-certificates")
MAKE_S = 1200
SCRIPT = "/usr/share/debootstrap/scripts/sid"


def directory(name=POSTFIX):
    return layout.cache_dir() / name


def log_file(name):
    return layout.cache_dir() / f"{name}.log"


def own_release():
    """The code name of this machine's Debian."""
    return procs.run("sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME").strip()


def _mirror():
    """The first Debian archive in apt's own sources."""
    codename = own_release()
    found = procs.run("apt-get", "indextargets", "--format", "$(REPO_URI)",
                      "Created-By: Packages", f"Codename: {codename}").split()
    if not found:
        raise procs.LabError("apt knows no Debian archive to take Debian testing from")
    return found[0]


def _install(root, packages, log):
    """Packages into the new chroot; runs in namespaces of its own, for /proc."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    # What this machine's administrator told apt about proxies, certificates and release dates
    # holds for the same mirror here.
    told = procs.run("apt-config", "dump", "Acquire")
    (root / "etc/apt/apt.conf.d/90machine").write_text(told)
    script = """
        set -e
        mount --bind /proc "$0/proc"
        echo 'postfix postfix/main_mailer_type select No configuration' |
            chroot "$0" debconf-set-selections
        export DEBIAN_FRONTEND=noninteractive
        chroot "$0" apt-get update
        chroot "$0" apt-get install -y --no-install-recommends "$@"
        chroot "$0" apt-get clean
    """
    subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
                    "sh", "-c", script, root, *packages],
                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, timeout=MAKE_S)


def _make(new, packages, suite, log_path):
    with open(log_path, "wb") as log:
        subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", suite,
                        new, _mirror(), SCRIPT],
                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
                       timeout=MAKE_S)
        _install(new, packages, log)


def ensure(say=print, name=POSTFIX, packages=("postfix",), suite="testing"):
    """Makes the chroot if it is missing."""
    def make(new):
        say(f"making a Debian {suite} chroot, {name}; once, it takes a minute or two")
        try:
            _make(new, packages, suite, log_file(name))
        except subprocess.SubprocessError as error:
            raise procs.LabError(f"{error}\nsee {log_file(name)}") from error
    cache.ensure(directory(name), make)


def version():
    text = (directory() / "var/lib/dpkg/status").read_text()
    return text.split("\nPackage: postfix\n", 1)[1].split("\nVersion: ", 1)[1].split("\n")[0]


def uid_of(user, name=POSTFIX):
    for line in (directory(name) / "etc/passwd").read_text().splitlines():
        name, _, uid, gid = line.split(":")[:4]
        if name == user:
            return int(uid), int(gid)
    raise KeyError(user)


def sample(name):
    """A file of the chroot's own /etc/postfix."""
    return Path(directory() / "etc/postfix" / name)

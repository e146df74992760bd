"""Small Debians, made by debootstrap and kept for reuse: a testing with its Postfix (3.11 or newer)
for the lab, a Debian 13 with 3.10 for those who ask for that, one of this machine's own release with
sendmail, whose packages and Postfix's exclude each other, and others for whoever asks
(tests/debian-testing/run).

The mirror is the one that this machine's apt uses. Nothing in the lab's chroot is written by the
lab afterwards: each lab mounts its own directories over it (namespace.py).
"""

import hashlib
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
INSTALL_DEPS = layout.TREE / "etc/install-deps"


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


# The first process of namespaces of its own: its mounts and whatever it starts end with it. $0 the
# chroot, $1 a directory for what is written to it, $2 the source tree, $3 what is /build, $4 the script.
# A root of its own, not a mere chroot: tests make mount namespaces themselves.
OUTSIDE = """
set -e
mkdir -p "$1/root" "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=$0,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mkdir -p tree build
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs run
mount --bind "$2" tree
mount -o remount,bind,ro tree
mount --bind "$3" build
pivot_root . mnt
umount -l /mnt
cd /tree
exec /bin/sh -ec "$4" inside
"""


def run_in(root, written, build, script, timeout, **options):
    """Runs a shell script in a chroot, the source tree at /tree and the directory `build` at /build. What it
    writes elsewhere is in `written`, for the next one that is given that. Returns what subprocess.run does."""
    written.mkdir(parents=True, exist_ok=True)
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--propagation",
               "private", "--", "sh", "-c", OUTSIDE, root, written, layout.TREE, build, script]
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                   "HOME": "/root", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([str(word) for word in command], env=environment, check=False,
                          stdin=subprocess.DEVNULL, timeout=timeout, **options)


def _install_deps(root, groups, log):
    """As README says, with the script of the source tree, in a chroot that has nothing else."""
    script = """
        set -e
        mount --bind /proc "$0/proc"
        mount -t tmpfs tmpfs "$0/mnt"
        cp "$1" "$0/mnt/install-deps"
        shift
        chroot "$0" /mnt/install-deps "$@"
        chroot "$0" apt-get clean
    """
    subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
                    "sh", "-c", script, root, INSTALL_DEPS, *groups],
                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, timeout=MAKE_S)


def builder(suite, groups, say=print):
    """A minimal Debian with a compiler cache, and what etc/install-deps brings for these groups, each put on the
    tree of those before it; returns its path."""
    base = builder(suite, groups[:-1], say) if len(groups) > 1 else None
    mark = hashlib.sha256(INSTALL_DEPS.read_bytes() + " ".join(groups).encode()).hexdigest()[:8]
    name = f"build-{suite}-{mark}"

    def make(new):
        say(f"making a Debian {suite} chroot, {name}, with what install-deps {' '.join(groups)} brings")
        try:
            if base:
                procs.run("cp", "-a", base, new, timeout=MAKE_S)
            else:
                _make(new, ("ccache",), suite, log_file(name))
            with open(log_file(name), "ab") as log:
                _install_deps(new, groups[-1:], log)
        except subprocess.SubprocessError as error:
            raise procs.LabError(f"{error}\nsee {log_file(name)}") from error
    cache.ensure(directory(name), make)
    return directory(name)


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

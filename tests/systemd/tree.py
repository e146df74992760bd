"""A small Debian, of this machine's own release or another, with systemd, Postfix and the libraries that the
programs need: made once by debootstrap, kept with the lab's chroots (chroot.py), never written
afterwards. Another list of packages makes another one."""

import hashlib
import os
import re
from pathlib import Path

import chroot
import layout
import procs

PROGRAMS = ("requiretls-milter", "requiretls-query")
PACKAGES = ("systemd", "systemd-sysv", "dbus", "procps", "postfix", "ca-certificates")


def libraries(build):
    """The packages that the built programs' shared libraries come from."""
    files = set()
    for name in PROGRAMS:
        listed = procs.run("ldd", Path(build) / "milter" / name)
        files |= {os.path.realpath(path) for path in re.findall(r"=> (/\S+)", listed)}
    # dpkg may know a file below / by its name before the directories of / became those of /usr.
    known = procs.run("sh", "-c", 'dpkg-query --search "$@" 2>/dev/null || true', "sh",
                      *files, *(path.removeprefix("/usr") for path in files))
    return {line.split(":")[0] for line in known.splitlines()}


def ensure(more, release=None, say=print):
    """Makes the tree with more packages, and of another release, if it is missing; returns its path."""
    release = release or chroot.own_release()
    packages = sorted(set(more) | set(PACKAGES))
    mark = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    name = f"systemd-{release}-{mark}"
    chroot.ensure(say, name, packages, release)
    return layout.cache_dir() / name

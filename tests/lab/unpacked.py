"""Debian packages that are unpacked, not installed: nothing of them is started, no user is made.

Like the chroot they are kept in BUILD/lab-cache. Inside the lab there is no network to fetch from:
ensure() is called before, directory() within.
"""

import subprocess

import cache
import layout
import procs

FETCH_S = 300


def directory(package):
    """The root that the package's files lie below."""
    return layout.cache_dir() / package


def program(package, path):
    """A program of an unpacked package."""
    found = directory(package) / path
    if not found.exists():
        raise procs.LabError(f"{found} does not exist: the package {package} was not unpacked")
    return found


def _fetch(package, place):
    """The package's file, from the archive that apt knows, which may have to be asked for its list."""
    def download():
        procs.run("apt-get", "-o", "APT::Sandbox::User=root", "download", package, cwd=place,
                  timeout=FETCH_S)
    try:
        download()
    except procs.LabError:
        procs.run("apt-get", "update", "-qq", timeout=FETCH_S)
        download()
    return next(place.glob("*.deb"))


def ensure(package, say=print):
    """Unpacks the package if that was not done before."""
    def make(new):
        say(f"unpacking the package {package}; once")
        new.mkdir()
        try:
            found = _fetch(package, new)
            procs.run("dpkg-deb", "-x", found, new, timeout=FETCH_S)
            found.unlink()
        except (OSError, subprocess.SubprocessError) as error:
            raise procs.LabError(f"{package}: {error}") from error
    cache.ensure(directory(package), make)

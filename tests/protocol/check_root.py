"""What the daemon does while it is root, in directories that its user can change under its hands."""

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Daemon, check, equal, matches, message

NOBODY = 65534
STARTS = 40

# As the daemon's user: puts a link to somebody else's file where a socket appears, again and again.
SWAP = """
import os, stat, sys
target, *sockets = sys.argv[1:]
os.setgroups([]); os.setgid(65534); os.setuid(65534)

while True:
    for path in sockets:
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.symlink(target, path + ".link")
                os.rename(path + ".link", path)
        except FileNotFoundError:
            pass
        except FileExistsError:
            os.unlink(path + ".link")
"""


@contextlib.contextmanager
def of_its_user():
    """A directory that is the daemon's user's, and a file beside it that is root's alone."""
    with tempfile.TemporaryDirectory(prefix="rtls-root-") as top:
        os.chmod(top, 0o755)
        own, secret = Path(top) / "own", Path(top) / "secret"
        own.mkdir(mode=0o755)
        os.chown(own, NOBODY, NOBODY)
        secret.write_text("root's")
        secret.chmod(0o600)
        yield own, secret


def tell(path):
    st = path.lstat()
    return st.st_uid, st.st_gid, oct(stat.S_IMODE(st.st_mode))


def follows_no_link():
    """Its user puts links to root's file in the place of fresh sockets; nothing is given away."""
    with of_its_user() as (own, secret):
        paths = [own / "milter.sock", own / "policy.sock", own / "metrics.sock"]
        before = tell(secret)
        swapped = 0
        swapper = subprocess.Popen([sys.executable, "-c", SWAP, secret, *paths])
        try:
            for _ in range(STARTS):
                for path in paths:
                    with contextlib.suppress(FileNotFoundError):
                        path.unlink()
                d = Daemon(f"[milter]\nuser = nobody\nsocket = unix:{paths[0]}\nsocket_group = mail\n"
                           f"[socketmap]\nlisten = unix:{paths[1]}\nsocket_group = mail\n")
                d.launch()
                deadline = time.monotonic() + 30
                while d.process.poll() is None and not d.logged("ready$"):
                    check(time.monotonic() < deadline, d.log())
                    time.sleep(0.005)
                swapped += any(path.is_symlink() for path in paths)
                d.process.kill()
                d.process.wait()
                d.remove()
                equal(tell(secret), before, "owner, group and mode of root's file")
        finally:
            swapper.kill()
            swapper.wait()
        check(swapped > STARTS / 4, f"links took the place of sockets at {swapped} of {STARTS} starts")


def leads_nowhere_else():
    """A directory that was swapped for a link to one of root's gets no socket, and loses none."""
    with of_its_user() as (own, _):
        elsewhere = own.parent / "elsewhere"
        elsewhere.mkdir(mode=0o755)
        (own / "way").symlink_to(elsewhere)
        os.lchown(own / "way", NOBODY, NOBODY)
        for name in ("milter", "policy"):
            places = {other: own / f"{other}.sock" for other in ("milter", "policy")}
            places[name] = own / "way" / f"{name}.sock"
            d = Daemon(f"[milter]\nuser = nobody\nsocket = unix:{places['milter']}\n"
                       f"[socketmap]\nlisten = unix:{places['policy']}\n")
            try:
                status, output = d.run()
            finally:
                d.process.kill()
                d.process.wait()
                d.remove()
            check(status != 0, f"{name}: it started")
            matches(output, "Permission denied")
            equal(list(elsewhere.iterdir()), [], name)


def gives_sockets():
    """In a directory of root's and in one of its user's alike a socket is the user's, with the group
    and the mode of the configuration."""
    import grp
    mail = grp.getgrnam("mail").gr_gid
    with of_its_user() as (own, _):
        for place in (own, own.parent):
            milter, maps = place / "milter.sock", place / "policy.sock"
            with Daemon(f"[milter]\nuser = nobody\nsocket = unix:{milter}\nsocket_group = mail\n"
                        f"socket_mode = 0620\n[socketmap]\nlisten = unix:{maps}\nsocket_group = mail\n"
                        "socket_mode = 0666\n") as d:
                equal(tell(milter), (NOBODY, mail, "0o620"), f"{milter}")
                equal(tell(maps), (NOBODY, mail, "0o666"), f"{maps}")
                d.path = milter
                with d.session() as m:
                    equal(message(m)["eoh"].action, "accept")


def takes_the_directorys_group():
    """Without root: in a directory with the set-group-ID bit the socket has the directory's group,
    though the daemon's user is not in it."""
    import grp
    mail = grp.getgrnam("mail").gr_gid
    with of_its_user() as (own, _):
        os.chown(own, NOBODY, mail)
        own.chmod(0o2750)
        maps = own / "policy.sock"
        d = Daemon(f"[milter]\nsocket = unix:{own}/milter.sock\nsocket_group = mail\n"
                   f"[socketmap]\nlisten = unix:{maps}\nsocket_group = mail\n")
        start_as_nobody(d)
        equal(tell(maps), (NOBODY, mail, "0o660"))
        equal(tell(own / "milter.sock"), (NOBODY, mail, "0o660"))
        d.stop()
        d.remove()
        own.chmod(0o750)
        d = Daemon(f"[milter]\nsocket = unix:{own}/milter.sock\nsocket_group = mail\n")
        start_as_nobody(d)
        status = d.process.wait(30)
        matches(d.log(), f"cannot give {own}/milter.sock the group mail: Operation not permitted")
        equal(status, 77)
        check(not (own / "milter.sock").exists(), "it left the socket")
        d.remove()


def start_as_nobody(d):
    with open(d.log_path, "ab") as log:
        d.process = subprocess.Popen([Daemon.program, "-f", "-c", str(d.file)], stdout=log,
                                     stderr=log, user=NOBODY, group=NOBODY, extra_groups=[],
                                     env=d.env)
    deadline = time.monotonic() + 30
    while d.process.poll() is None and not d.logged("ready$"):
        check(time.monotonic() < deadline, d.log())
        time.sleep(0.005)


def run(suite):
    for name, function in (
            ("no link in its user's directory is followed", follows_no_link),
            ("a link in its user's directory leads nowhere", leads_nowhere_else),
            ("sockets are its user's", gives_sockets),
            ("without root a socket has its directory's group", takes_the_directorys_group)):
        suite.run(f"root: {name}", function)

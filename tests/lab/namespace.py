"""The lab's own network, mount, process and host name namespaces.

One process, the first of the process namespace, holds them all: when it ends, for whatever reason,
the kernel ends every program of the lab and the network goes with it. Its pid in the world outside
is in the state directory; entering is nsenter(1).
"""

import ctypes
import os
import shutil
import signal
import subprocess
from pathlib import Path

import chroot
import layout
import plan
import sendmail

PR_SET_PDEATHSIG = 1
HOST_NAME = "mta.lab.test"


def unshare_command(*command):
    return ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork",
            "--kill-child=KILL", "--propagation", "private", "--", *map(str, command)]


def die_with_parent():
    """For preexec_fn: a lab made for one run must not outlive it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start_time(pid):
    """When a process began, in clock ticks since boot: with the pid it names one process only."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rsplit(")", 1)[1].split()[19]


def note_self(state):
    """Called by the first process, while /proc is still that of the world outside."""
    pid = int(os.readlink("/proc/self"))
    (state / "init.pid").write_text(f"{pid} {start_time(pid)}\n")


def find(state):
    """The pid of the lab that lives in this state directory, None if none does."""
    try:
        pid, began = (state / "init.pid").read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == began else None


def enter_command(pid, *command):
    return ["nsenter", "--target", str(pid), "--net", "--mount", "--pid", "--uts", "--ipc", "--",
            *map(str, command)]


def inside():
    """True in a process that runs within a lab."""
    return os.environ.get("REQUIRETLS_LAB") == "inside"


def inner_environment(**more):
    """The environment for programs of the lab: nothing that could point them elsewhere."""
    keep = {k: v for k, v in os.environ.items()
            if k in ("TERM", "LANG", "BUILD_DIR", "HOME") or k.endswith("SAN_OPTIONS")}
    keep.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                REQUIRETLS_LAB="inside", PYTHONDONTWRITEBYTECODE="1", **more)
    return keep


def mount(*args):
    subprocess.run(["mount", *map(str, args)], check=True, timeout=60)


def _bind(source, target):
    mount("--bind", source, target)


def _resolv_conf():
    """The lab's resolver for every program: over /etc/resolv.conf, or where that points to."""
    ours = layout.RUN / "resolv.conf"
    ours.write_text(f"nameserver {layout.RESOLVER}\noptions trust-ad edns0\n")
    target = Path("/etc/resolv.conf").resolve()
    if not target.exists():  # it pointed below /run, which is ours now
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _bind(ours, target)


def _hosts():
    """The host's own name, which some programs look up before there is a resolver to answer."""
    ours = layout.RUN / "hosts"
    ours.write_text(f"127.0.0.1 localhost\n::1 localhost\n"
                    f"{layout.MTA_ADDRESSES['3.11'][0]} {HOST_NAME}\n")
    _bind(ours, "/etc/hosts")
    subprocess.run(["hostname", HOST_NAME], check=True, timeout=10)


def _groups(roots):
    """More groups: `postfix311` for what the chroot knows as postfix, and the like."""
    ours = layout.RUN / "group"
    more = "".join(f"postfix{number}:x:{chroot.uid_of('postfix', name)[1]}:\n"
                   for number, name in roots.items())
    ours.write_text(Path("/etc/group").read_text() + more)
    _bind(ours, "/etc/group")


def _machine(root, state):
    """Postfix's directories of one machine under test, over the real ones of that root."""
    state.mkdir()
    shutil.copytree(root / "etc/postfix", state / "etc", symlinks=True)
    for part, place in (("etc", "etc/postfix"), ("spool", "var/spool/postfix"),
                        ("data", "var/lib/postfix")):
        (state / part).mkdir(exist_ok=True)
        _bind(state / part, root / place)


def _roots(mtas):
    """The chroots with a Postfix: number of the version -> name."""
    return {"311": chroot.POSTFIX, **({"310": chroot.POSTFIX310} if "3.10" in mtas else {})}


def _chroot(root, name, state):
    """A Debian of its own, as a machine under test."""
    root.mkdir(exist_ok=True)
    _bind(chroot.directory(name), root)
    _bind("/proc", root / "proc")
    _bind("/dev", root / "dev")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "run")
    (root / "run" / "lab").mkdir()
    _bind(layout.RUN, root / "run" / "lab")
    _bind(layout.RUN / "resolv.conf", root / "etc" / "resolv.conf")
    _machine(root, state)


def trust(certificates, mtas):
    """For all programs of the lab, these are the system's certification authorities."""
    roots = [Path("/"), *(layout.RUN / f"root{number}" for number in _roots(mtas))]
    if "sendmail" in mtas:
        roots.append(sendmail.ROOT)
    for root in roots:
        _bind(certificates, root / "etc/ssl/certs/ca-certificates.crt")


def furnish(state, mtas):
    """Mounts and network; nothing of it is seen outside of the namespaces."""
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    layout.RUN.mkdir()
    _bind(state, layout.RUN)
    mount("-t", "proc", "proc", "/proc")
    _resolv_conf()
    _hosts()
    _groups(_roots(mtas))
    _machine(Path("/"), layout.RUN / "mta37")
    for number, name in _roots(mtas).items():
        _chroot(layout.RUN / f"root{number}", name, layout.RUN / f"mta{number}")
    if "sendmail" in mtas:
        sendmail.furnish(_bind, mount)
    _network()


def _network():
    """Receiving hosts are others than this host, whose interfaces have not their addresses: a route leads to them."""
    Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1\n")  # that they can listen there
    lines = ["link set lo up"]
    for address in plan.receiving_addresses():
        lines.append(f"route add local {address}/{128 if ':' in address else 32} dev lo")
    for address in plan.addresses():
        lines.append(f"addr add {address}/128 dev lo nodad" if ":" in address
                     else f"addr add {address}/32 dev lo")
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True,
                   timeout=60)

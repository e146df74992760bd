"""Making a lab: the first process of its namespaces, and the steps that fill them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import traceback

import ca
import chroot
import dnsd
import https
import layout
import namespace
import plan
import postfix
import procs
import sendmail

UP_S = 120


def _build(mtas):
    """Everything that runs, in the order in which one needs the other."""
    ca.make_authorities()
    namespace.trust(ca.ca_file(), mtas)
    postfix.make_host_certificates()
    started = dnsd.start()
    started.update(https.start())
    started["recorder"] = procs.start("recorder", "/usr/bin/python3",
                                      layout.SOURCE / "recorder.py")
    started["helpers"] = procs.start("helpers", "/usr/bin/python3", layout.SOURCE / "helpers.py",
                                     *mtas)
    procs.ready("recorder", started["recorder"],
                lambda: procs.connects("127.0.0.1", layout.RECORDER_PORT))
    procs.ready("helpers", started["helpers"],
                lambda: procs.connects("127.0.0.1", layout.AUTH_PORT)
                and procs.connects("127.0.0.1", layout.LOCAL_MILTER_PORT))
    services = {name: process.pid for name, process in started.items()}
    services.update(postfix.start([name for name in mtas if name in postfix.MTAS]))
    if "sendmail" in mtas:
        services.update(sendmail.start())
    procs.remember(services)
    (layout.RUN / "lab.json").write_text(json.dumps({"mtas": list(mtas)}) + "\n")


def first_process(state, mtas, ready_fd):
    """Runs as process 1 of the lab: has it built, says so on ready_fd, then collects the dead."""
    namespace.note_self(state)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    builder = os.fork()
    if builder == 0:
        os._exit(_builder(state, mtas, ready_fd))
    os.close(ready_fd)
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            signal.pause()  # nothing left to collect; nsenter's processes may still come
            continue
        if pid == builder and status != 0:
            return 1


def _builder(state, mtas, ready_fd):
    with os.fdopen(ready_fd, "w", encoding="utf-8") as ready:
        try:
            os.environ.clear()
            os.environ.update(namespace.inner_environment())
            namespace.furnish(state, mtas)
            _build(mtas)
        except (procs.LabError, OSError, subprocess.SubprocessError) as error:
            output = getattr(error, "stderr", None) or ""
            if isinstance(output, bytes):
                output = output.decode(errors="replace")
            traceback.print_exc(file=sys.stderr)
            ready.write(f"{error}\n{output}")
            return 1
        ready.write("ready\n")
        return 0


def up(state, mtas, script, for_this_process, say=print):
    """Makes a lab in an empty state directory; returns the pid of its first process.

    for_this_process: it ends when this process does.
    """
    chroot.ensure(say)
    if "3.10" in mtas:
        chroot.ensure(say, chroot.POSTFIX310, suite="trixie")
    if "sendmail" in mtas:
        chroot.ensure(say, chroot.SENDMAIL, chroot.SENDMAIL_PACKAGES, chroot.own_release())
    read_fd, write_fd = os.pipe()
    command = namespace.unshare_command("/usr/bin/python3", script, "_init", "--dir", state,
                                        "--mta", ",".join(mtas) or "none", "--ready-fd", write_fd)
    with open(state / "init.log", "ab") as log:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                         pass_fds=[write_fd], start_new_session=True,
                         preexec_fn=namespace.die_with_parent if for_this_process else None)
    os.close(write_fd)
    with os.fdopen(read_fd, encoding="utf-8") as ready:
        answer = _read_bounded(ready)
    if answer != "ready":
        raise procs.LabError(f"the lab did not come up: {answer or 'it ended early'}\n"
                             f"see {state}/init.log and {state}/log/")
    return namespace.find(state)


def run_within(state, script, *words):
    """Runs a Python script in a lab without an MTA that is made for it; returns its exit status."""
    if namespace.find(state):
        down(state)  # of a run that was killed
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True, mode=0o755)
    up(state, [], layout.SOURCE / "lab", for_this_process=True)
    try:
        return subprocess.call(
            namespace.enter_command(namespace.find(state), "/usr/bin/python3", script, *words),
            env=namespace.inner_environment())
    finally:
        down(state)


def _read_bounded(stream):
    """The answer's first line if it is `ready` (unshare keeps the pipe open then), else all."""
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(UP_S)
    try:
        first = stream.readline()
        return "ready" if first == "ready\n" else (first + stream.read()).strip()
    finally:
        signal.alarm(0)


def _too_late(*_):
    raise procs.LabError(f"the lab was not up after {UP_S} s")


def down(state):
    """Ends the lab of this state directory; returns False if there was none."""
    pid = namespace.find(state)
    if not pid:
        return False
    os.kill(pid, signal.SIGKILL)
    procs.wait_for(lambda: namespace.find(state) is None, "the lab to end")
    return True


def describe():
    """Name, address and pid of everything that runs, for `lab status` (inside the lab)."""
    services = json.loads((layout.RUN / "services.json").read_text())
    lines = []
    for name, pid in services.items():
        alive = os.path.exists(f"/proc/{pid}")
        lines.append(f"{name:16} {'running' if alive else 'DEAD':8} pid {pid}")
    lines.append(f"{len(plan.HOSTS)} receiving hosts, {len(plan.POLICY_HOSTS)} policy hosts")
    return "\n".join(lines)

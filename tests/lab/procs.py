"""Starting programs, waiting until they are ready, and remembering their process ids.

Nothing here sleeps for a fixed time: a wait polls its condition often and ends at a deadline, which
is there for what never comes: a machine that has much else to do must not reach it.
"""

import json
import socket
import subprocess
import time

import layout

READY_S = 60
POLL_S = 0.02


class LabError(Exception):
    """Something that the lab needs did not happen; the text is for people."""


def wait_for(condition, what, timeout_s=READY_S):
    """Polls condition() until it gives something true, which is returned."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise LabError(f"after {timeout_s} s still waiting for {what}")
        time.sleep(POLL_S)


def seen_twice(look):
    """What is in a queue by one look at it or another, as a dictionary.

    A look goes from part to part: a bounce, or a reinjected message, may be where it has been
    already, when what caused it is gone from where it goes next.
    """
    return {**look(), **look()}


def connects(address, port):
    """True when something accepts connections there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(1)
        return s.connect_ex((address, port)) == 0


def connects_unix(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        return s.connect_ex(str(path)) == 0


def log_path(name):
    return layout.RUN / "log" / f"{name}.log"


def start(name, *command, **options):
    """Starts a daemon in the foreground of its own session, output to log/NAME.log."""
    log_path(name).parent.mkdir(exist_ok=True)
    with open(log_path(name), "ab") as log:
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, start_new_session=True, **options)
    return process


def ready(name, process, condition, timeout_s=READY_S):
    """Waits for condition(); a process that ends before it is true is an error with its log."""
    def state():
        if process.poll() is not None:
            raise LabError(f"{name} ended with status {process.returncode}:\n{tail(name)}")
        return condition()
    wait_for(state, name, timeout_s)


def tail(name, lines=20):
    try:
        return "\n".join(log_path(name).read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def run(*command, **options):
    """Runs a command to its end; a failure is an error with its output."""
    options.setdefault("timeout", 120)
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, check=False,
                          **options)
    if done.returncode != 0:
        raise LabError(f"{' '.join(map(str, command))}: status {done.returncode}\n"
                       f"{done.stdout}{done.stderr}")
    return done.stdout


def remember(services):
    """Notes name -> pid for `lab status`; pids as the lab's own process namespace counts them."""
    (layout.RUN / "services.json").write_text(json.dumps(services, indent=1) + "\n")


def replace(path, text):
    """Writes a file that others may be reading: they see all of the old one or all of the new."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def render(template, **values):
    """A file of templates/ with each @NAME@ replaced; one that is left over is an error."""
    text = (layout.SOURCE / "templates" / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    for word in text.split():
        if word.startswith("@") and word.endswith("@") and len(word) > 2:
            raise LabError(f"templates/{template}: {word} has no value")
    return text

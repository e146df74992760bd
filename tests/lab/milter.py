"""requiretls-milter in the lab: started with a configuration of the scenario's own, and stopped.

Each runs in a slot: slot n listens on port MILTER_PORT + n, and Postfix asks it for clients that
connect from layout.client(n). So many configurations can be tried without touching Postfix's.
"""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import ca
import layout
import procs

STOP_S = 60
SANITIZER = re.compile("(?:ERROR|WARNING|SUMMARY): [A-Z][a-z]+Sanitizer.*|runtime error: .*")

# What the lab adds to every configuration, unless that has the key itself.
BASICS = {
    "milter": {"user": "nobody", "mydomain": "lab.test",
               "my_mx_names": "mta311.lab.test, mta37.lab.test, mtasm.lab.test"},
    "mta_sts": {"ca_file": str(ca.ca_file())},
    "cache": {"store": "memory"},
    "socketmap": {"listen": ""},
}


# For scenarios that ask servers which never answer: it soon gives those up, though not so soon that
# servers which do answer come too late on a busy machine.
IMPATIENT = """
[dns]
timeout = 2s
tries = 2

[mta_sts]
connect_timeout = 3s
timeout = 3s
"""


class NoMilter(procs.LabError):
    """It has not been built."""


def program():
    path = Path(os.environ.get("LAB_BUILD") or layout.build_dir()) / "milter/requiretls-milter"
    if not path.exists():
        raise NoMilter(f"{path} does not exist: build it, or give --build")
    return path


def built():
    try:
        return bool(program())
    except NoMilter:
        return False


def configuration(text, slot):
    """The scenario's configuration and the basics that it does not set itself."""
    sections, current = {}, []
    sections[None] = current
    for line in text.strip().splitlines():
        line = line.strip() if line[:1] not in " \t" else line
        match = re.match(r"\[(.+)\]$", line.strip())
        if match:
            current = sections.setdefault(match[1], [])
        else:
            current.append(line)
    basics = {name: dict(keys) for name, keys in BASICS.items()}
    basics["milter"]["socket"] = f"inet:{layout.MILTER_PORT + slot}@127.0.0.1"
    for name, keys in basics.items():
        lines = sections.setdefault(name, [])
        have = {line.split("=")[0].strip() for line in lines if "=" in line}
        lines += [f"{k} = {v}" for k, v in keys.items() if k not in have]
    out = "\n".join(sections.pop(None))
    for name, lines in sections.items():
        out += f"\n[{name}]\n" + "\n".join(lines) + "\n"
    return out


class Milter:
    """One running daemon. Use as a context, or start() and stop()."""

    def __init__(self, config="", slot=0, listens=None):
        self.listens = listens  # the path of a unix socket, None: the slot's port
        self.slot, self.name = slot, f"milter-{slot}"
        self.text = configuration(config, slot)
        self.file = layout.RUN / f"{self.name}.conf"
        self.process = None
        self.asked = False
        self.first = self.log_start = 0

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._end_predecessor()
        self.asked = False
        self.file.write_text(self.text)
        self.forget()
        self.first = self.log_start
        self.process = procs.start(self.name, program(), "-f", "-c", self.file)
        procs.ready(self.name, self.process, self._answers)
        self.pid_file.write_text(str(self.process.pid))
        return self

    def _answers(self):
        if self.listens:
            return procs.connects_unix(self.listens)
        return procs.connects("127.0.0.1", layout.MILTER_PORT + self.slot)

    @property
    def pid_file(self):
        return layout.RUN / f"milter-{self.slot}.pid"

    def _end_predecessor(self):
        """Ends one that was left running in this slot, by `lab demo --stay`."""
        try:
            pid = int(self.pid_file.read_text())
            os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError):
            return
        procs.wait_for(lambda: not os.path.exists(f"/proc/{pid}"), f"{self.name} to end")

    def ask_to_stop(self):
        """SIGTERM, without waiting; stop() then has less to wait for."""
        if self.process and not self.asked:
            self.asked = True  # a second SIGTERM would cut short what the first lets end
            self.process.send_signal(signal.SIGTERM)
            self.pid_file.unlink(missing_ok=True)

    def stop(self):
        """Ends it as an administrator would; one that does not end, or ends badly, is an error."""
        if not self.process:
            return
        self.ask_to_stop()
        try:
            status = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise procs.LabError(f"{self.name} did not end within {STOP_S} s of SIGTERM:\n"
                                 f"{self.log()}") from None
        complaint = SANITIZER.search(self.whole_log())
        if status != 0 or complaint:
            raise procs.LabError(f"{self.name} ended with status {status}"
                                 f"{' after ' + complaint[0] if complaint else ''}:\n"
                                 f"{self.whole_log()[-8000:]}")

    def reload(self, config):
        """Writes another configuration and has it read (SIGUSR1)."""
        self.text = configuration(config, self.slot)
        new = self.file.with_suffix(".new")  # never half a file, however often this is done
        new.write_text(self.text)
        os.rename(new, self.file)
        self.process.send_signal(signal.SIGUSR1)

    def _read_log(self, start):
        try:
            return procs.log_path(self.name).read_bytes()[start:].decode(errors="replace")
        except OSError:
            return ""

    def log(self):
        """Its log since start(), or since forget()."""
        return self._read_log(self.log_start)

    def whole_log(self):
        return self._read_log(self.first)

    def forget(self):
        """Lets log() begin here."""
        path = procs.log_path(self.name)
        self.log_start = path.stat().st_size if path.exists() else 0

    def decisions(self):
        """recipient -> the fields of its decision line, since start() or forget()."""
        found = {}
        for line in self.log().splitlines():
            match = re.search(r"(\S+): to=<([^>]*)>, (.*)", line)
            if match:
                fields = dict(re.findall(r'([a-z]+)=("[^"]*"|[^,]*)', match[3]))
                found[match[2]] = dict(fields, queue_id=match[1])
        return found


@contextlib.contextmanager
def without_smtp(running):
    """The milter stands before locally submitted mail, Postfix's own bounces included."""
    layout.LOCAL_MILTER.write_text(str(layout.MILTER_PORT + running.slot))
    try:
        yield
    finally:
        layout.LOCAL_MILTER.unlink()

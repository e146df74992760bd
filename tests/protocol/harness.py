"""The real daemon for protocol tests: a configuration, a directory, a process, its log, and a table
of checks that ends with `N passed, N failed`. Runs in a network namespace without the world."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import milter_client as mc

WAIT_S = 30
# What the tests' configurations have in common; a case may give the section itself.
BASICS = {
    "milter": {"user": "root", "mydomain": "own.example", "my_mx_names": "mail.own.example"},
    "dns": {"resolvers": "127.0.0.1:5399"},
    "cache": {"store": "memory"},
    "socketmap": {"listen": ""},
}


class Failure(Exception):
    """A check that does not hold."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(got, wanted, what=""):
    if got != wanted:
        raise Failure(f"{what + ': ' if what else ''}got {got!r}, wanted {wanted!r}")


def matches(text, pattern):
    if not re.search(pattern, text):
        raise Failure(f"{text!r} does not match {pattern!r}")


def wait_for(condition, what, timeout=WAIT_S):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited in vain for {what}")
        time.sleep(0.02)


def configuration(text, socket_address):
    """The case's text and the basics that it does not set itself."""
    sections, order = {"": []}, [""]
    current = ""
    for line in text.splitlines():
        match = re.match(r"\[(.+)\]$", line.strip())
        if match:
            current = match[1]
            if current not in sections:
                sections[current] = []
                order.append(current)
        else:
            sections[current].append(line)
    basics = {name: dict(keys) for name, keys in BASICS.items()}
    basics["milter"]["socket"] = socket_address
    for name, keys in basics.items():
        if name not in sections:
            sections[name] = []
            order.append(name)
        have = {line.split("=")[0].strip() for line in sections[name] if "=" in line}
        sections[name] += [f"{k} = {v}" for k, v in keys.items() if k not in have]
    out = ""
    for name in order:
        out += (f"[{name}]\n" if name else "") + "".join(f"{x}\n" for x in sections[name])
    return out


def mount_over(place, *options):
    """A shell command, for a mount namespace of its own: an empty file system over a directory. The programs
    under test stay where they are, should they lie below it."""
    programs = Path(Daemon.program).resolve().parent
    over = f"mount -t tmpfs {' '.join(options)} tmpfs {place}"
    if not programs.is_relative_to(place):
        return over
    return (f"mount --bind '{programs}' /mnt && {over} && mkdir -p '{programs}' && "
            f"mount --move /mnt '{programs}'")


class Daemon:
    """One daemon in the foreground. Use as a context."""

    program = None  # set by the runner

    def __init__(self, config="", options=("-f",), raw=False, env=None, notify=False, under=()):
        self.dir = Path(tempfile.mkdtemp(prefix="rtls-"))
        self.dir.chmod(0o755)
        self.path = self.dir / "milter.sock"
        self.file = self.dir / "test.conf"
        self.log_path = self.dir / "log"
        self.raw = raw
        self.under = under  # a command that execs the daemon
        self.options = options
        self.env = dict(os.environ, **(env or {}))
        # libmilter destroys a mutex of its own in exit(3), while its threads still run.
        self.env["TSAN_OPTIONS"] = (os.environ.get("TSAN_OPTIONS", "")
                                    + ":ignore_noninstrumented_modules=1")
        self.process = None
        self.notify = None
        if notify:
            self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.notify.bind(str(self.dir / "notify"))
            self.notify.settimeout(WAIT_S)
            self.env["NOTIFY_SOCKET"] = str(self.dir / "notify")
        self.write(config)

    @property
    def address(self):
        return f"unix:{self.path}"

    def write(self, config):
        self.file.write_text(config if self.raw else configuration(config, self.address))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        try:
            if self.process and self.process.poll() is None:
                self.stop()
        finally:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.remove()

    def remove(self):
        if self.notify:
            self.notify.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def launch(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.under, self.program, *self.options, "-c", str(self.file)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=self.env)
        return self

    def start(self):
        self.launch()
        wait_for(lambda: self.process.poll() is not None or self.logged(r'ready("})?$'), "the daemon")
        check(self.process.poll() is None, f"the daemon ended at once:\n{self.log()}")
        return self

    def stop(self, wanted=0, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.ended(wanted)

    def ended(self, wanted=0, timeout=60):
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"the daemon did not end:\n{self.log()}") from None
        equal(status, wanted, f"exit status, with the log\n{self.log()}\n")

    def run(self):
        """Starts it where it is expected to end by itself; returns status and output."""
        self.launch()
        status = self.process.wait(WAIT_S)
        return status, self.log()

    def signal(self, number):
        self.process.send_signal(number)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def logged(self, pattern):
        return re.findall(pattern, self.log(), re.MULTILINE)

    def lines(self, queue_id):
        return [line for line in self.log().splitlines() if f" {queue_id}: " in line]

    def reload(self, config):
        before = len(self.logged("reloaded|was not taken over"))
        self.write(config)
        self.signal(signal.SIGUSR1)
        wait_for(lambda: len(self.logged("reloaded|was not taken over")) > before, "the reload")

    def connect(self, **negotiation):
        return mc.Milter(str(self.path)).negotiate(**negotiation)

    def session(self, tls=True, login=None, client="192.0.2.9", port=40000, name="client.example",
                daemon_name=None, version=None, own_host=None, **negotiation):
        """A connection up to where MAIL may come."""
        m = self.connect(**negotiation)
        m.base = {"{daemon_name}": daemon_name or "smtpd"}
        if version:
            m.base["v"] = version
        if own_host or version:  # an MTA that says what it is says where, too
            m.base["j"] = own_host or "mail.own.example"
        m.mail_macros = dict(m.base)
        if tls:
            m.mail_macros["{tls_version}"] = "TLSv1.3"
        if login:
            m.mail_macros["{auth_authen}"] = login
        m.greeting = [m.connect(name, client, port, family="6" if ":" in client else "4",
                                macros=m.base),
                      m.helo(macros=m.mail_macros)]
        return m

    def counts(self):
        """Open descriptors, threads, resident kB."""
        pid = self.process.pid
        status = Path(f"/proc/{pid}/status").read_text()
        return (len(os.listdir(f"/proc/{pid}/fd")),
                int(re.search(r"Threads:\s+(\d+)", status)[1]),
                int(re.search(r"VmRSS:\s+(\d+)", status)[1]))

    def peak_kb(self):
        """The most memory that was ever resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])

    def sanitized(self):
        """Whether it is built with a sanitizer: slow, and with memory of its own."""
        return re.search(rb"__[at]san_init", Path(self.program).read_bytes()) is not None

    def notified(self):
        return self.notify.recv(4096).decode()


def message(m, sender="<a@b.example>", params=(), rcpts=("<b@own.example>",), headers=(),
            queue_id="4bXyZ", rcpt_macros=None, body=b""):
    """One whole message; returns the answers by stage. Ends early at a refusal, as an MTA would."""
    answers = {"mail": m.mail(sender, *params, macros=m.mail_macros), "rcpt": []}
    if answers["mail"].action != "continue":
        return answers
    accepted = 0
    always = {name: value for name, value in m.base.items() if name in ("j", "v")}
    for rcpt in rcpts:
        macros = {**always, "i": queue_id} if accepted else dict(always)
        macros.update(rcpt_macros or {})
        answer = m.rcpt(rcpt, macros=macros)
        answers["rcpt"].append(answer)
        accepted += answer.action == "continue"
    if not accepted:
        m.abort()
        return answers
    goes_on = ("continue", "not-sent", "no-reply", "skip")
    answers["early"] = [m.data(macros={"i": queue_id})]
    for name, value in headers:
        if answers["early"][-1].action in goes_on:
            answers["early"].append(m.header(name, value, macros={"i": queue_id}))
    if answers["early"][-1].action not in goes_on:
        m.abort()
        return answers
    answers["eoh"] = m.eoh(macros={"i": queue_id})
    answers["body"] = []
    if answers["eoh"].action == "continue":
        for at in range(0, len(body), 65535):
            answers["body"].append(m.body(body[at:at + 65535]))
            if answers["body"][-1].action != "continue":
                break
    if answers["body"] and answers["body"][-1].action not in goes_on:
        m.abort()
        return answers
    if answers["eoh"].action == "continue":
        answers["eom"] = m.eom(macros={"i": queue_id})
    m.abort()  # as Postfix does after every message
    return answers


class Suite:
    """Named checks, run in order."""

    def __init__(self, words):
        self.words = words
        self.passed = self.failed = 0

    def run(self, name, function, *args):
        if self.words and not any(word in name for word in self.words):
            return
        try:
            function(*args)
        except (Failure, mc.Closed, OSError, subprocess.SubprocessError, ValueError) as error:
            self.failed += 1
            print(f"FAIL {name}\n     {type(error).__name__}: {error}", flush=True)
        else:
            self.passed += 1
            print(f"ok   {name}", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0


@contextlib.contextmanager
def slow_resolver(port=5399):
    """A name server that fails every query: those for `wait-MS.*` after so many milliseconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))

        def answer(query, client):
            with contextlib.suppress(OSError):  # the test has ended
                udp.sendto(query[:2] + b"\x81\x82" + query[4:], client)

        def serve():
            while not over.is_set():
                try:
                    query, client = udp.recvfrom(4096)
                except TimeoutError:
                    continue
                wait = re.search(rb"wait-(\d+)", query)
                timer = threading.Timer(int(wait[1]) / 1000 if wait else 0, answer, (query, client))
                timer.daemon = True
                timer.start()

        over = threading.Event()
        udp.settimeout(0.1)  # a thread that waits in it would keep the port
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextlib.contextmanager
def silent_resolver(port=5399):
    """A name server that takes queries and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        yield udp


@contextlib.contextmanager
def signed_resolver(records, port=5399):
    """A name server on this host that validates all and has these records: {(name, type): [rdata]}.
    What it says of `wait-MS.*` comes after so many milliseconds."""
    def name_of(query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
            at += 1 + query[at]
        return ".".join(labels), at + 5

    def reply(query):
        name, end = name_of(query)
        rdata = records.get((name, int.from_bytes(query[end - 4:end - 2], "big")), [])
        answers = b"".join(b"\xc0\x0c" + query[end - 4:end] + (300).to_bytes(4, "big")
                           + len(data).to_bytes(2, "big") + data for data in rdata)
        return (query[:2] + b"\x81\xa0\0\x01" + len(rdata).to_bytes(2, "big") + bytes(4)
                + query[12:end] + answers)

    def answer(query, client):
        with contextlib.suppress(OSError):  # the test has ended
            udp.sendto(reply(query), client)

    def serve():
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                query, client = udp.recvfrom(4096)
                wait = re.search(rb"wait-(\d+)", query)
                timer = threading.Timer(int(wait[1]) / 1000 if wait else 0, answer, (query, client))
                timer.daemon = True
                timer.start()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        udp.settimeout(0.1)  # a thread that waits in it would keep the port
        over = threading.Event()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

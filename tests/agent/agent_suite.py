"""The agent under test, hosts for it to deliver to, and a table of checks that ends with
`N passed, N failed`."""
import contextlib
import functools
import itertools
import re
import subprocess
import threading
import time
import traceback

import servers

PORT = 2525  # own addresses are a mail loop on port 25
CERTIFICATES = None  # set by begin
AGENT = None
PROGRAM = None
PLACE = None

# A loaded machine is slow: what must end at its time ends this many seconds later at most.
SLACK = 8

DEFAULTS = {"helo_name": "client.test", "connect_timeout": "2s", "command_timeout": "3s",
            "setup_timeout": "20s", "data_timeout": "5s", "idle": "5s"}


class Failure(Exception):
    """A check that does not hold."""


def check(condition, text="condition"):
    if not condition:
        raise Failure(text)


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"waited in vain for {what}")
        time.sleep(0.02)


class Result:
    """Of one recipient: `status code enhanced`, relay, tls, auth, level, fell_back, text."""

    def __init__(self, line):
        line, _, self.text = line.partition(" text=")
        words = line.split(" ")
        self.status, self.code, self.enhanced = words[3], int(words[4]), words[5]
        for word in words[6:]:
            name, _, value = word.partition("=")
            setattr(self, name, value)
        self.host = self.relay.partition("[")[0]

    def __str__(self):
        return (f"{self.status} {self.code} {self.enhanced} relay={self.relay} tls={self.tls} "
                f"auth={self.auth} level={self.level} fell_back={self.fell_back}: {self.text}")


class Agent:
    """build/.../agent_client with a configuration."""

    numbers = itertools.count(1)

    def __init__(self, **settings):
        self.errors = []
        self.lines, self.done, self.words = {}, {}, []
        self.lock = threading.Condition()
        self.process = subprocess.Popen([PROGRAM, self.configure(**settings)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        for target in (self.listen, self.listen_errors):
            threading.Thread(target=target, daemon=True).start()

    @staticmethod
    def configure(**settings):
        path = PLACE / f"{next(Agent.numbers)}.conf"
        keys = {**DEFAULTS, "port": PORT, "ca_file": CERTIFICATES.ca, **settings}
        path.write_text(f"[deliver test]\nlisten = unix:{PLACE}/none.sock\n[deliver]\n" +
                        "".join(f"{name} = {value}\n" for name, value in keys.items()))
        return path

    def listen(self):
        for line in self.process.stdout:
            words = line.rstrip("\n").split(" ")
            with self.lock:
                if words[0] in ("status", "reload"):
                    self.words.append(words)
                elif words[1] == "rcpt":
                    self.lines.setdefault(words[0], []).append(Result(line.rstrip("\n")))
                else:
                    self.done[words[0]] = int(words[2]) / 1000
                self.lock.notify_all()

    def listen_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip("\n"))

    def write(self, text):
        try:
            self.process.stdin.write(f"{text}\n")
        except OSError:
            raise Failure(f"the agent is gone: {self.errors[-20:]}") from None

    def ask(self, command):
        self.write(command)
        end = time.monotonic() + 10
        with self.lock:
            while not self.words:
                check(self.lock.wait(end - time.monotonic()) and self.process.poll() is None,
                      f"no answer to {command}: {self.errors[-20:]}")
            return self.words.pop(0)

    def status(self):
        return {name: int(value) for name, value in
                (word.split("=") for word in self.ask("status")[1:])}

    def findings(self, nexthop, *words):
        self.write(f"findings {nexthop} {' '.join(words)}")

    def deliver(self, nexthop, request="require", level="enforce", offer=1, fallback="none",
                sender="alice@sender.test", rcpts=("bob@rcpt.test",), octets=1000, policy="-", options=()):
        number = f"j{next(Agent.numbers)}"
        self.write(" ".join(map(str, ["deliver", number, nexthop, request, level, offer, fallback, sender,
                                      ",".join(rcpts), octets, policy, *options])))
        return number

    def results(self, job, seconds=60):
        """Of all recipients, and how long it took."""
        end = time.monotonic() + seconds
        with self.lock:
            while job not in self.done:
                left = end - time.monotonic()
                check(left > 0 and self.process.poll() is None, f"{job}: no result: {self.errors[-20:]}")
                self.lock.wait(left)
            return self.lines.pop(job), self.done.pop(job)

    def result(self, job, seconds=60):
        results, self.seconds = self.results(job, seconds)
        check(len(results) == 1, f"{len(results)} results")
        return results[0]

    def send(self, nexthop, **options):
        return self.result(self.deliver(nexthop, **options))

    def is_done(self, job):
        with self.lock:
            return job in self.done

    def close(self):
        """It must end by itself, and without a word of a sanitizer."""
        self.process.stdin.close()
        check(self.process.wait(20) == 0, f"ended with {self.process.returncode}: {self.errors[-40:]}")


def begin(program, place, certificates):
    global PROGRAM, PLACE, CERTIFICATES
    PROGRAM, PLACE, CERTIFICATES = program, place, certificates


@functools.cache
def good_key():
    """SHA-256 of the public key that servers have."""
    return CERTIFICATES.spki(CERTIFICATES.good)


ADDRESSES = itertools.count(1)


class Host:
    """A server at an address of its own. With ipv6 at one of that family."""

    def __init__(self, script, name=None, ipv6=False, up=True, preference=10, tlsa=True):
        self.number = next(ADDRESSES)
        self.address = f"fd00:25::{self.number:x}" if ipv6 else f"127.1.{self.number // 250}.{self.number % 250 + 1}"
        self.name = name or f"mx{self.number}.test"
        self.preference, self.tlsa = preference, tlsa
        self.server = servers.Server(CERTIFICATES, script, address=self.address, port=PORT) if up else None

    @property
    def commands(self):
        return self.server.commands

    @property
    def connections(self):
        return self.server.connections

    @property
    def verbs(self):
        return [re.split("[ :]", command)[0].upper() for command in self.commands]

    def said(self, *verbs):
        return any(verb in self.verbs for verb in verbs)

    @property
    def received(self):
        return getattr(self.server, "received", None)

    def word(self, *more_addresses):
        """For `findings`."""
        parts = [self.name, str(self.preference), self.address, *more_addresses]
        if self.tlsa:
            parts.append(f"tlsa={good_key() if self.tlsa is True else self.tlsa}")
        return "host=" + ",".join(parts)

    def close(self):
        if self.server is not None:
            self.server.close()


DOMAINS = itertools.count(1)


@contextlib.contextmanager
def hosts(*all_hosts):
    try:
        yield all_hosts
    finally:
        for host in all_hosts:
            host.close()
    for host in all_hosts:
        if host.server is not None:
            check(not host.server.problems, host.server.problems)


def domain_of(*all_hosts, words=("mx=secure",)):
    """A domain with these hosts, by the preference that each has."""
    name = f"domain{next(DOMAINS)}.test"
    AGENT.findings(name, *words, *[host.word() for host in sorted(all_hosts, key=lambda h: h.preference)])
    return name


@contextlib.contextmanager
def agent(**settings):
    """Another agent than that of the other checks, for these settings."""
    global AGENT
    before, AGENT = AGENT, Agent(**settings)
    try:
        yield AGENT
        AGENT.close()
    finally:
        AGENT.process.kill()
        AGENT.process.wait()
        AGENT = before


def nothing_said(host):
    """Not an octet of a message, nor of its envelope."""
    check(not host.said("MAIL", "RCPT", "DATA", "BDAT"), f"{host.name} was told {host.commands}")
    check(host.received is None, f"{host.name} has received content")


CHECKS = []


def scenario(function):
    """Registers a check; its name is its docstring's first line."""
    CHECKS.append(function)
    return function


def name_of(function):
    return " ".join(function.__doc__.strip().split()).rstrip(".")


def run(words):
    global AGENT
    passed = failed = 0
    AGENT = Agent()
    for function in CHECKS:
        name = name_of(function)
        if words and not any(word in name or word in function.__module__ for word in words):
            continue
        start = time.monotonic()
        try:
            function()
            wait_for(lambda: AGENT.status()["deliveries"] == 0, "the end of all deliveries")
            passed += 1
            outcome = "ok  "
        except Exception as error:  # a check must not take the others along
            failed += 1
            outcome = "FAIL"
            if not isinstance(error, Failure):
                traceback.print_exc()
            name += f"\n     {error}"
            if AGENT.process.poll() is not None:
                print("\n".join(AGENT.errors[-60:]))
                AGENT = Agent()
        print(f"{outcome} {time.monotonic() - start:5.1f} s  {name}", flush=True)
    try:
        AGENT.close()
    except Failure as failure:
        failed += 1
        print(f"FAIL {failure}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1

"""What the checks use: domains with servers, the agent (the daemon, with a configuration), LMTP clients; and
a table of checks that ends with `N passed, N failed`.

    @scenario
    def taken():
        \"\"\"a message is taken by a host with DANE.\"\"\"
        host = suite.domain("taken.test")
        replies = suite.AGENT.send(["bob@taken.test"])
        ...

AGENT runs for all checks; one that needs its own configuration has `with suite.agent(text) as agent`. Each
check has domains of its own: what is known of one stays in the agent's cache."""
import contextlib
import itertools
import secrets
import time
import traceback
from pathlib import Path

import dnsserver
import harness
import lmtp_client
import receiver
import servers

CERTIFICATES = None  # tests/smtp/servers.py
NAMES = None  # tests/socketmap/dnsserver.py
AGENT = None
PLACE = None

Failure = harness.Failure
wait_for = harness.wait_for

CONFIGURATION = """
[milter]
socket =
user = root
mydomain = own.test
my_mx_names = mail.own.test
[socketmap]
listen =
[dns]
resolvers = 10.25.0.1:5399
trust_ad = yes
[mta_sts]
enable = no
[cache]
store = memory
[deliver]
ca_file = {ca}
helo_name = agent.test
{deliver}
[deliver require]
listen = unix:{dir}/require
[deliver header]
listen = unix:{dir}/header
request = header
[deliver optional]
listen = unix:{dir}/optional
request = optional
[deliver tickets]
listen = unix:{dir}/tickets
tickets = yes
{more}
"""


def check(condition, text="condition"):
    if not condition:
        raise Failure(str(text))


def equal(got, wanted, what=""):
    check(got == wanted, f"{what}{what and ': '}{got!r}, wanted {wanted!r}")


class Agent(harness.Daemon):
    """The daemon. `deliver`: lines for [deliver]; `more`: other sections."""

    namespace = ()  # set by the runner: a command that runs another in the agent's network namespace

    def __init__(self, deliver="", more="", under=(), **options):
        super().__init__("", raw=True, under=(*Agent.namespace, *under), **options)
        self.deliver, self.more = deliver, more
        self.write(self.configuration())

    def configuration(self):
        """An own ticket key, unless the case has one."""
        deliver = self.deliver
        if "ticket_key" not in deliver:
            key = Path(self.dir) / "ticket.key"
            if not key.exists():  # the filter makes it, and there is none
                key.write_text(f"{secrets.token_hex(32)}\n")
                key.chmod(0o640)
            deliver += f"\nticket_key = {key}"
        return CONFIGURATION.format(ca=CERTIFICATES.ca, dir=self.dir, deliver=deliver, more=self.more)

    def connect(self, socket="require", **options):
        """An LMTP session, greeted."""
        return lmtp_client.Client(f"{self.dir}/{socket}", **options)

    def send(self, recipients, content=b"Subject: x\r\n\r\nbody\r\n", socket="require", sender="alice@own.test",
             parameters="", **options):
        """One message; the replies for its recipients in order. `recipients`: addresses, or
        (address, parameters)."""
        with contextlib.closing(self.connect(socket, **options)) as client:
            return client.send(recipients, content, sender, parameters)


agent = Agent


ADDRESSES = itertools.count(1)


def address():
    """The next unused number: 192.0.2.N and 2001:db8::N."""
    number = next(ADDRESSES)
    check(number <= 200, "out of addresses: tests/deliver/run has made 200")
    return number


def publish(name, host, number, certificate=None, signed=True, tlsa=True, ipv6=False, preference=10):
    """An MX host of a domain, with a TLSA record 3 1 1 (tlsa: True, False, "wrong")."""
    entry = NAMES.names.get(name) or NAMES.add(name, signed=signed)
    entry.mx(preference, host)
    host_entry = NAMES.add(host, signed=signed).a(f"192.0.2.{number}")
    if ipv6:
        host_entry.records.append((dnsserver.AAAA, bytes.fromhex("20010db8") + bytes(8) + number.to_bytes(4, "big")))
    if tlsa:
        digest = bytes(32) if tlsa == "wrong" else bytes.fromhex(CERTIFICATES.spki(certificate or CERTIFICATES.good))
        NAMES.add(f"_25._tcp.{host}", signed=signed).tlsa(3, 1, 1, digest)


@contextlib.contextmanager
def domain(name, tlsa=True, signed=True, host=None, script=None, **options):
    """A domain with one MX host, mx.NAME, whose server does as it should; `options` as receiver.Receiver has
    them. Yields the server."""
    number = address()
    publish(name, host or f"mx.{name}", number, options.get("certificate"), signed, tlsa)
    server = receiver.Receiver(CERTIFICATES, f"192.0.2.{number}", script=script, **options)
    try:
        yield server
    finally:
        server.close()


CHECKS = []


def scenario(function):
    """Registers a check; its name is its docstring's first line."""
    CHECKS.append(function)
    return function


def name_of(function):
    return function.__doc__.strip().splitlines()[0].rstrip(".")


def begin(program, place, namespace):
    global CERTIFICATES, NAMES, PLACE
    harness.Daemon.program = str(program)
    Agent.namespace = namespace
    PLACE = Path(place)
    CERTIFICATES = servers.Certificates(place)
    NAMES = dnsserver.Server(("10.25.0.1", 5399))


def quiet(before):
    """Nothing is left of a check: descriptors, but for connections that are kept for a short time."""
    wait_for(lambda: AGENT.counts()[0] <= before, f"descriptors to be closed, {AGENT.counts()[0]} of {before}", 20)


def run(words):
    global AGENT
    passed = failed = 0
    with Agent() as AGENT:
        for function in CHECKS:
            name = name_of(function)
            if words and not any(word in name or word in function.__module__ for word in words):
                continue
            start, before = time.monotonic(), AGENT.counts()[0] + 4  # timers, sockets of lookups
            try:
                function()
                check(AGENT.process.poll() is None, "the agent is gone")
                quiet(before)
                passed += 1
                outcome = "ok  "
            except Exception as error:  # a check must not take the others along
                failed += 1
                outcome = "FAIL"
                if not isinstance(error, Failure):
                    traceback.print_exc()
                name += f"\n     {error}"
                if AGENT.process.poll() is not None:
                    print(f"FAIL the agent is gone\n{AGENT.log()}\n{passed} passed, {failed + 1} failed")
                    return 1
            print(f"{outcome} {time.monotonic() - start:5.1f} s  {name}", flush=True)
        log = AGENT.log()
    sanitizer = [line for line in log.splitlines() if "ERROR: " in line or "runtime error" in line]
    if sanitizer:
        failed += 1
        print("FAIL a sanitizer found something", *sanitizer, sep="\n     ")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1

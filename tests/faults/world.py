"""What the faults are tried in: a name server, an HTTPS host with policies, a daemon whose calls can
be made to fail, and the messages that are sent while they do."""

import contextlib
import random
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import daemon as socketmap
import dnsserver
import harness
import inject
import milter_client as mc
from harness import Failure, check, message

POLICY_HOST = "10.9.0.1"
POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: *.sts.test\r\nmax_age: 864000\r\n"
TAKEN_S = 8
LIBRARY = None  # set by run: inject.c

CONFIG = """
[milter]
user = {user}
accept_header = {accept_header}
rcpt_wait = 1s
eom_wait = 2s
[dns]
resolvers = 127.0.0.1:5399
trust_ad = yes
timeout = 300ms
tries = 2
[mta_sts]
ca_file = {ca}
connect_timeout = 1s
timeout = 2s
[socketmap]
listen = unix:{place}/map
[metrics]
listen = inet:127.0.0.1:9461
[default]
route = strict
optional_route = optional
[route strict]
method = header
[route optional]
method = header
{more}
"""


def name_of(name):
    """What names of the pattern KIND-NUMBER.test and below publish; each lookup can have its own."""
    match = re.fullmatch(r"(.*?)(dane|plain|broken)-\d+\.test", name)
    if not match:
        return None
    below, kind = match[1], match[2]
    entry = dnsserver.Name(signed=kind == "dane")
    if kind == "broken":
        entry.rcode = dnsserver.SERVFAIL
    elif not below:
        entry.mx(10, "mx1." + name)
    elif below == "mx1.":
        entry.a("192.0.2.1")
    elif below == "_25._tcp.mx1." and kind == "dane":
        entry.tlsa()
    else:
        entry.rcode = dnsserver.NXDOMAIN
    return entry


class PolicyHost:
    """HTTPS for mta-sts.sts.test. hold: at which stage it says nothing more (connect, tls, header,
    body), or None."""

    def __init__(self, directory):
        self.hold = None
        self.ca = directory / "ca.pem"
        key = directory / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", self.ca,
                        "-days", "3650", "-subj", "/CN=mta-sts.sts.test", "-addext",
                        "subjectAltName=DNS:mta-sts.sts.test"],
                       check=True, stderr=subprocess.DEVNULL)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.ca, key)
        subprocess.run(["ip", "address", "add", f"{POLICY_HOST}/32", "dev", "lo"], check=True)
        self.socket = socket.create_server((POLICY_HOST, 443), backlog=64)
        self.held = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        client.settimeout(20)
        with contextlib.suppress(OSError):
            if self.hold == "tls":
                return self._keep(client)
            tls = self.context.wrap_socket(client, server_side=True)
            tls.recv(4096)
            if self.hold == "header":
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty")
                return self._keep(tls)
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                        b"Content-Length: %d\r\n\r\n" % len(POLICY))
            if self.hold == "body":
                tls.sendall(POLICY[:20])
                return self._keep(tls)
            tls.sendall(POLICY)
            tls.close()

    def _keep(self, client):
        self.held.append(client)


class Resolver(dnsserver.Server):
    """A name server with a mode: None, or how it fails."""

    mode = None

    def _take(self, packet, peer):
        if self.mode == "gone":
            return
        if self.mode == "garbage":
            self.socket.sendto(packet[:2] + random.randbytes(random.randrange(400)), peer)
        elif self.mode == "empty":
            self.socket.sendto(b"", peer)
        elif self.mode == "servfail":
            self.socket.sendto(packet[:2] + b"\x81\x82" + packet[4:], peer)
        elif self.mode == "slow":
            threading.Timer(9, super()._take, (packet, peer)).start()
        else:
            self.validates = self.mode != "no-ad"
            super()._take(packet, peer)


class World:
    """Made once for all checks."""

    def __init__(self, directory):
        self.directory = directory
        directory.chmod(0o755)  # the daemon may be another user
        self.names = Resolver(("127.0.0.1", 5399))
        self.names.default = name_of
        self.names.dane("sts.test", tlsa=False, signed=False)
        self.names.add("_mta-sts.sts.test").txt("v=STSv1; id=1;")
        self.names.add("mta-sts.sts.test").a(POLICY_HOST)
        self.policy_host = PolicyHost(directory)
        self.number = 0

    def fresh(self, kind):
        """A domain of that kind that nobody has asked for."""
        self.number += 1
        return f"{kind}-{self.number}.test"


class NotTaken(TimeoutError):
    """The daemon does not take a connection; MTAs do not wait for that for ever."""


class Daemon(harness.Daemon):
    """The daemon with the injector in it."""

    answer_s = 30  # so long its answers are waited for

    def __init__(self, world, more="", accept_header="any", user="root", offset_s=0,
                 **options):
        self.world = world
        self.place = Path(tempfile.mkdtemp(prefix="rtls-faults-"))
        self.place.chmod(0o755)
        self.injector = inject.Injector(LIBRARY, self.place / "control")
        self.injector.clock(offset_s)
        env = {**self.injector.env,
               "ASAN_OPTIONS": "verify_asan_link_order=0:allocator_may_return_null=1:"
                               "detect_stack_use_after_return=1"}
        super().__init__(CONFIG.format(ca=world.policy_host.ca, place=self.place, more=more,
                                       accept_header=accept_header, user=user),
                         env=env, **options)

    def start(self):
        super().start()
        harness.wait_for(lambda: self.logged("DNS security is known"), "the resolver's check")
        return self

    def stop(self, wanted=0, number=harness.signal.SIGTERM):
        super().stop(wanted, number)
        for word in ("AddressSanitizer", "runtime error", "LeakSanitizer"):
            harness.check(word not in self.log(), self.log())

    def remove(self):
        super().remove()
        harness.shutil.rmtree(self.place, ignore_errors=True)

    def connect(self, **negotiation):
        m = mc.Milter(str(self.path), timeout=TAKEN_S)
        try:
            m.negotiate(**negotiation)
        except TimeoutError:
            m.close()
            raise NotTaken from None
        m.sock.settimeout(self.answer_s)
        return m

    def map(self):
        return socketmap.Client(self.place / "map", timeout=30)


# --- messages and requests --------------------------------------------------------------------------

def final(answers):
    """What became of a message: (result, text or changes)."""
    last = None
    for stage in ("connect", "mail", "rcpt", "early", "eoh", "body", "eom"):
        for answer in answers.get(stage, []) if isinstance(answers.get(stage), list) else [
                answers.get(stage)]:
            if answer is None:
                continue
            last = answer
            if answer.action in ("tempfail", "connection-failure", "shutdown"):
                return ("deferred", answer.action)
            if answer.action == "reject":
                return ("refused", answer.action)
            if answer.action == "replycode":
                return ("deferred" if answer.text.startswith("4") else "refused", answer.text)
            if answer.action in ("accept", "discard"):
                return (answer.action + "ed", ())
    if last is None or "eom" not in answers:
        return ("unfinished", str(answers))
    return ("accepted", tuple(map(tuple, last.changes)))


def send(d, **mail):
    """One message in a session of its own, as an MTA would send it; what became of it."""
    try:
        session = {"version": "Postfix 3.7.11", "own_host": "mail.own.example",
                   **mail.get("session", {})}
        with d.session(**session) as m:
            early = {"connect": m.greeting}
            if final({**early, "eom": m.greeting[-1]})[0] != "accepted":
                return final(early)
            return final({**early, **message(m, **{k: v for k, v in mail.items() if k != "session"})})
    except (mc.Closed, ConnectionError):
        return ("deferred", "connection closed")
    except NotTaken:
        return ("deferred", f"not taken within {TAKEN_S} s")
    except TimeoutError:
        return ("nothing", "no answer within 30 s")


def ask(d, request):
    try:
        with d.map() as client:
            reply = client.ask(request)
    except ConnectionError:
        reply = None
    except TimeoutError:
        return ("nothing", "no answer within 30 s")
    if reply is None:
        return ("deferred", "connection closed")
    if reply.startswith("TEMP"):
        return ("deferred", reply)
    return ("answered", reply)


def purge(d, name):
    """So that the next message finds nothing in the cache."""
    for _ in range(50):  # a fault may last a moment longer than it is made
        got = ask(d, f"PURGE {name}")
        if got[0] == "answered":
            return
        check(d.process.poll() is None, f"the daemon ended with {d.process.poll()}")
        time.sleep(0.2)
    raise Failure(f"PURGE {name}: {got}")

"""Mail servers that do not do what DNS says of them: what the filter tells the client of them, and when
it connects to them at all. The servers are in a network namespace of their own, beside the daemon's."""

import contextlib
import ctypes
import ipaddress
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness import Daemon, check, equal, matches, message, signed_resolver, wait_for
from operation import symptom

sys.path.append(str(Path(__file__).resolve().parent.parent / "smtp"))

import servers  # noqa: E402
from servers import good, hang  # noqa: E402

PORT = 2525
OURS = 1  # this host on the network of Elsewhere
CLONE_NEWNET = 0x40000000
A, MX, TLSA = 1, 15, 52
NETWORK = "192.0.2"
# Port 2525, as the probe goes where delivery would.
PROBE = f"[probe]\nport = {PORT}\nhelo_name = mail.own.example\n"
POSTFIX = {"login": "alice", "version": "Postfix 3.11.0"}
STRANGER = {"version": "Postfix 3.11.0"}


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class Elsewhere:
    """Another host on this one's network: a namespace with a veth to ours."""

    def __enter__(self):
        # It ends with its input, and so with this process.
        self.holder = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE)
        wait_for(lambda: self.inode(self.holder.pid) != self.inode("self"), "a network namespace")
        for command in (f"link add probed type veth peer name prober netns {self.holder.pid}",
                        f"addr add {NETWORK}.1/24 dev probed", "link set probed up"):
            subprocess.run(["ip", *command.split()], check=True)
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "prober", "up")
        return self

    def __exit__(self, *_):
        self.holder.stdin.close()
        self.holder.wait()
        # The namespace goes, and both ends of the veth with it, when nobody uses it any more.
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["ip", "link", "del", "probed"], check=True, capture_output=True)

    @staticmethod
    def inode(pid):
        return os.stat(f"/proc/{pid}/ns/net").st_ino

    def run(self, *command):
        subprocess.run(["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *command], check=True)

    def listen(self, script, certificates, address):
        """A server there, whose socket is made by a thread that is there."""
        made = []

        def make():
            with open(f"/proc/{self.holder.pid}/ns/net") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0:
                    made.append(servers.Server(certificates, script, address=address, port=PORT))

        self.run("ip", "addr", "add", f"{address}/24", "dev", "prober")
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        check(made, "no server in the namespace")
        return made[0]


def here(script, certificates, address):
    return servers.Server(certificates, script, address=address, port=PORT)


class Net:
    """Domains with signed MX hosts, each with a TLSA record for the certificate `good`: a script is that
    of the only host, mx.DOMAIN; or there is {first label: script}, by preference. None: no server."""

    def __init__(self, scripts):
        self.scripts = scripts
        self.stack = contextlib.ExitStack()
        self.servers = {}

    def __enter__(self):
        directory = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="rtls-"))
        certificates = servers.Certificates(directory)
        elsewhere = self.stack.enter_context(Elsewhere())
        digest = bytes.fromhex(certificates.spki(certificates.good))
        records = {}
        hosts = [(name, label, script) for name, scripts in self.scripts.items()
                 for label, script in (scripts if isinstance(scripts, dict) else {"mx": scripts}).items()]
        for number, (name, label, script) in enumerate(hosts, 10):
            host = f"{label}.{name}"
            address = f"{NETWORK}.{OURS if label == 'own' else number}"
            records.setdefault((name, MX), []).append(bytes([0, number]) + wire(host))
            records[host, A] = [ipaddress.ip_address(address).packed]
            records[f"_25._tcp.{host}", TLSA] = [b"\x03\x01\x01" + digest]
            if callable(script):
                script = script(certificates) if script.__name__ == "with_certificates" else script
                listen = here if label == "own" else elsewhere.listen
                self.servers[host] = listen(script, certificates, address)
                self.stack.callback(self.servers[host].close)
        self.stack.enter_context(signed_resolver(records))
        return self

    def __exit__(self, *_):
        self.stack.close()

    def connections(self, name):
        return self.servers.get(name, self.servers.get(f"mx.{name}")).connections


def other_certificate():
    def with_certificates(certificates):
        return good(certificate=certificates.other)
    return with_certificates


def ask(m, *domains):
    return message(m, params=["REQUIRETLS"], rcpts=[f"<bob@{domain}>" for domain in domains])


def answered(d, domain, **session):
    """What RCPT, or end-of-message, says."""
    with d.session(**(session or POSTFIX)) as m:
        got = ask(m, domain)
    rcpt = got["rcpt"][0]
    return rcpt.text if rcpt.action == "replycode" else got["eom"].text or got["eom"].action


def sentence(domain, code, what):
    return (f"550 {code} <bob@{domain}>: Sender requested REQUIRETLS, but the mail server of {domain} "
            f"{what.format(f'mx.{domain}[{NETWORK}.10]')}")


def no_requiretls():
    with Net({"none.example": good(tls_offers=())}) as net, Daemon(PROBE) as d:
        text = answered(d, "none.example")
        equal(text, sentence("none.example", "5.7.30", "does not support REQUIRETLS ({})"))
        matches(text, "^" + symptom("not support REQUIRETLS"))
        # Two recipients of a message, and what is said once more, cost no more connections.
        with d.session(**POSTFIX) as m:
            for answer in ask(m, "none.example", "none.example")["rcpt"]:
                equal(answer.code, "550")
        equal(net.connections("none.example"), 1, "connections")
        matches(d.log(), r"findings=dane, verdict=unsatisfied, action=reject, route=native, wait=0\.\d+, "
                         r'reason="the mail server of none.example does not support REQUIRETLS')
        commands = net.servers["mx.none.example"].commands
        equal(commands, ["EHLO mail.own.example", "STARTTLS", "EHLO mail.own.example", "QUIT"])


def no_starttls():
    with Net({"plain.example": good(starttls=False)}), Daemon(PROBE) as d:
        text = answered(d, "plain.example")
        equal(text, sentence("plain.example", "5.7.30", "does not offer STARTTLS ({})"))
        matches(text, "^" + symptom("not offer STARTTLS"))


def wrong_certificate():
    with Net({"wrong.example": other_certificate()}), Daemon(PROBE) as d:
        text = answered(d, "wrong.example")
        check(text.startswith(sentence("wrong.example", "5.7.10", "cannot be authenticated ({}")[:-1]), text)
        matches(text, r": no TLSA record matches")
        matches(text, "^" + symptom("cannot be authenticated"))


def does_all():
    with Net({"able.example": good()}) as net, Daemon(PROBE) as d:
        equal(answered(d, "able.example"), "continue")
        equal(net.connections("able.example"), 1, "connections")
        matches(d.log(), "expect=dane-only/requiretls, verdict=satisfied, action=accept")


def several_servers():
    """All must say no; one that does all settles it, and one that is not reached leaves it open."""
    none = good(tls_offers=())
    with Net({"none.example": {"mx1": none, "mx2": good(starttls=False)},
              "one.example": {"mx1": none, "mx2": good()},
              "open.example": {"mx1": none, "mx2": good("greeting", servers.close)}}) as net, Daemon(PROBE) as d:
        equal(answered(d, "none.example"),
              "550 5.7.30 <bob@none.example>: Sender requested REQUIRETLS, but the mail servers of "
              f"none.example do not support REQUIRETLS (mx1.none.example[{NETWORK}.10])")
        equal(answered(d, "one.example"), "continue")
        equal(answered(d, "open.example"), "continue")
        for host in net.servers:
            equal(net.connections(host), 1, f"connections to {host}")


def this_host():
    """A stranger's DNS does not make the daemon connect to the host that it runs on, and nothing is said of
    what was not looked at."""
    none = good(starttls=False)
    with Net({"both.example": {"mx1": none, "own": none}}) as net, Daemon(PROBE) as d:
        equal(answered(d, "both.example"), "continue")
        equal(net.connections("mx1.both.example"), 1, "connections to the other")
        equal(net.connections("own.both.example"), 0, "connections to this host")


def a_host_that_is_found_late():
    """DANE is known of one host, and makes the verdict; the lookups of the other take a second more. Its no
    waits for them; that it does all does not."""
    none = good(tls_offers=())
    with Net({"none.example": {"mx1": none, "wait-1000": none},
              "late.example": {"mx1": none, "wait-1000": good()},
              "early.example": {"mx1": good(), "wait-6000": none}}) as net, \
            Daemon(f"{PROBE}[milter]\nrcpt_wait = 9s\n[dns]\ntimeout = 8s\n") as d:
        equal(answered(d, "none.example")[:10], "550 5.7.30")
        equal(answered(d, "late.example"), "continue")
        equal(net.connections("wait-1000.late.example"), 1, "connections to the later host")
        began = time.monotonic()
        equal(answered(d, "early.example"), "continue")
        check(time.monotonic() - began < 4, "it waited for the other host")


def too_slow():
    """The client hears nothing of it, but it takes its time: rcpt_wait, then the probe's own."""
    with Net({"slow.example": good("greeting", hang)}) as net, \
            Daemon(f"{PROBE}timeout = 2s\n[milter]\nrcpt_wait = 300ms\n") as d:
        began = time.monotonic()
        equal(answered(d, "slow.example"), "continue")
        took = time.monotonic() - began
        check(1.5 <= took < 20, f"it took {took:.1f} s")
        equal(net.connections("slow.example"), 1, "connections")
        # That it was slow is known, and not tried again at once.
        began = time.monotonic()
        equal(answered(d, "slow.example"), "continue")
        check(time.monotonic() - began < 1.5, "it waited again")
        equal(net.connections("slow.example"), 1, "connections")


def slower_than_eom_wait():
    with Net({"slow.example": good("greeting", hang)}), \
            Daemon(f"{PROBE}timeout = 60s\n[milter]\nrcpt_wait = 200ms\neom_wait = 500ms\n") as d:
        began = time.monotonic()
        equal(answered(d, "slow.example"), "continue")
        took = time.monotonic() - began
        check(0.6 <= took < 20, f"it took {took:.1f} s")
        matches(d.log(), "verdict=satisfied, action=accept")
        d.stop()


def unreachable():
    with Net({"gone.example": None}), Daemon(f"{PROBE}timeout = 1s\n") as d:
        equal(answered(d, "gone.example"), "continue")


def neither_authenticated_nor_trusted():
    with Net({"none.example": good(tls_offers=())}) as net, Daemon(PROBE) as d:
        equal(answered(d, "none.example", **STRANGER), "continue")
        equal(net.connections("none.example"), 0, "connections")
        equal(answered(d, "none.example", client="127.0.0.1", **STRANGER)[:10], "550 5.7.30")
        equal(net.connections("none.example"), 1, "connections")
        # What is known is known.
        equal(answered(d, "none.example", **STRANGER)[:10], "550 5.7.30")
        equal(net.connections("none.example"), 1, "connections")


def enable_yes():
    with Net({"none.example": good(tls_offers=())}), Daemon(f"{PROBE}enable = yes\n") as d:
        equal(answered(d, "none.example", **STRANGER)[:10], "550 5.7.30")


def enable_no():
    """Nothing connects, and a reload that turns probing off forgets what was known."""
    with Net({"none.example": good(tls_offers=())}) as net:
        with Daemon(f"{PROBE}enable = no\n") as d:
            for session in (POSTFIX, {"client": "127.0.0.1", **STRANGER}):
                equal(answered(d, "none.example", **session), "continue")
            equal(net.connections("none.example"), 0, "connections")
            d.reload(PROBE)
            equal(answered(d, "none.example")[:10], "550 5.7.30")
            equal(net.connections("none.example"), 1, "connections")
            d.reload(f"{PROBE}enable = no\n")
            equal(answered(d, "none.example"), "continue")
            equal(net.connections("none.example"), 1, "connections")


def no_need():
    """An MTA that does not pass REQUIRETLS on, other levels, mail that asks for nothing, observe."""
    with Net({"none.example": good(tls_offers=())}) as net:
        with Daemon(PROBE) as d:
            equal(answered(d, "none.example", login="alice", version="Postfix 3.7.11"), "continue")
            with d.session(**POSTFIX) as m:
                equal(message(m, rcpts=["<bob@none.example>"])["eoh"].action, "accept")
        with Daemon(f"{PROBE}[default]\nrequire_offer = no\n") as d:
            equal(answered(d, "none.example"), "continue")
        with Daemon(f"{PROBE}[default]\nlevel = opportunistic+starttls\n") as d:
            equal(answered(d, "none.example"), "continue")
        with Daemon(f"{PROBE}[default]\nrequest = observe\n") as d:
            with d.session(**POSTFIX) as m:
                message(m, rcpts=["<bob@none.example>"])
            wait_for(lambda: d.logged("request=observe.*verdict=satisfied"), "the line of the observer")
        equal(net.connections("none.example"), 0, "connections")


def fallback():
    """What a rule's fallback says, where the server lacks REQUIRETLS; and encryption it must have."""
    config = (f"{PROBE}[route strict]\nmethod = header\ncan = dane, requiretls, fallback\n"
              "[default]\nroute = strict\nfallback = encrypt\n")
    with Net({"none.example": good(tls_offers=()), "plain.example": good(starttls=False)}), \
            Daemon(config) as d:
        equal(answered(d, "none.example"), "continue")
        matches(d.log(), r"expect=encrypt/requiretls:nocertmatch, verdict=unsatisfied, action=accept")
        equal(answered(d, "plain.example")[:10], "550 5.7.30")


def stop_while_probing():
    """A second request to stop ends the wait: what is known lets the recipient pass."""
    with Net({"slow.example": good("greeting", hang)}) as net, \
            Daemon(f"{PROBE}timeout = 60s\n[milter]\nrcpt_wait = 9s\n") as d:
        with d.session(**POSTFIX) as m:
            m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
            answer = []
            thread = threading.Thread(target=lambda: answer.append(m.rcpt("<bob@slow.example>",
                                                                          macros=m.base)))
            thread.start()
            wait_for(lambda: net.connections("slow.example"), "the connection")
            began = time.monotonic()
            d.signal(signal.SIGTERM)
            wait_for(lambda: d.logged("waiting for 1 messages"), "draining")
            d.signal(signal.SIGTERM)
            thread.join()
            check(time.monotonic() - began < 7, "the stop waited for a probe")
            equal(answer[0].action, "continue")
        d.ended()


def run(suite):
    for name, function in (
            ("a server without REQUIRETLS: 550 5.7.30 at RCPT, one connection", no_requiretls),
            ("a server without STARTTLS: 550 5.7.30", no_starttls),
            ("a server with another certificate: 550 5.7.10", wrong_certificate),
            ("a server that does all", does_all),
            ("several servers", several_servers),
            ("the mail server that DNS names is this host", this_host),
            ("a server whose host is found late", a_host_that_is_found_late),
            ("a server that is too slow for the probe changes nothing", too_slow),
            ("a probe that takes longer than eom_wait changes nothing", slower_than_eom_wait),
            ("a server that cannot be reached changes nothing", unreachable),
            ("a client that is neither authenticated nor trusted causes no probe",
             neither_authenticated_nor_trusted),
            ("enable = yes, any client", enable_yes),
            ("enable = no, nothing connects", enable_no),
            ("what needs no probe causes none", no_need),
            ("fallback", fallback),
            ("a stop while a probe is awaited", stop_while_probing)):
        suite.run(f"probing: {name}", function)

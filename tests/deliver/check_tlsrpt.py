"""What a collector of TLS reports is told (RFC 8460), and that it delays nothing."""
import contextlib
import json
import os
import socket
import threading
import time

import servers
import suite
from suite import check, equal, scenario

RECORD = "v=TLSRPTv1; rua=mailto:tls@reports.test"


class Collector:
    """The datagrams that come to a socket."""

    def __init__(self):
        self.path = f"{suite.PLACE}/collector"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.got = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        with contextlib.suppress(OSError):
            while datagram := self.socket.recv(1 << 20):
                self.got.append(json.loads(datagram.decode()))

    def of(self, domain):
        return [report for report in self.got if report["d"] == domain]

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def collected(**options):
    """A collector, and an agent that tells it."""
    with contextlib.closing(Collector()) as collector, \
            suite.agent(more=f"[tlsrpt]\nsocket = unix:{collector.path}", **options) as agent:
        yield collector, agent


def wants_reports(name, *records):
    entry = suite.NAMES.add(f"_smtp._tls.{name}")
    for record in records or (RECORD,):
        entry.txt(record)


def told(collector, name):
    """The one policy of the one report about a domain."""
    suite.wait_for(lambda: collector.of(name), f"a report about {name}")
    report, = collector.of(name)
    equal(report["dpv"], "1")
    equal(report["pr"], RECORD)
    policy, = report["policies"]
    equal(policy["t"], len(policy.get("failure-details", [])), name)
    return policy


def expired():
    """A certificate for mx.test that has expired."""
    c = suite.CERTIFICATES
    path, key = c.dir / "expired.pem", c.dir / "good.key"
    c.openssl("x509", "-req", "-in", c.dir / "good.csr", "-CA", c.ca, "-CAkey", c.key, "-days", "-1",
              "-CAcreateserial", "-out", path, "-extfile", c.dir / "good.ext")
    c.join(path, key)
    return path


def hang_up(peer, _):
    peer.say("220 2.0.0 go ahead")
    servers.close(peer)


def inject(peer, _):
    peer.say("220 2.0.0 go ahead", "250 and more")
    peer.hang()


def require(name, wanted, **options):
    return name, "require", wanted, options


def none(name, wanted, **options):
    return name, "header", wanted, options


def situations():
    """(name, socket, (type, code, reason, f, whether it arrives), options of the domain). Without TLSA records the
    MX records are signed, so that the Web PKI counts, where the message requires TLS."""
    c = suite.CERTIFICATES
    pki = {"tlsa": False, "host": "mx.test"}
    plain = {"tlsa": False, "signed": False}
    return [
        require("dane", (1, None, None, 0, True)),
        require("pki", (9, None, None, 0, True), **pki),
        none("plain", (9, None, None, 0, True), **plain),
        require("no-starttls", (1, 201, None, 1, False), starttls=False),
        none("plaintext", (9, 201, None, 1, True), starttls=False, **plain),
        require("refused", (1, 201, None, 1, False), answers={"STARTTLS": "454 4.7.0 not now"}),
        require("name", (9, 202, None, 1, False), tlsa=False),
        require("expired", (9, 204, None, 1, False), certificate=expired(), **pki),
        require("self-signed", (9, 205, "self-signed certificate", 1, False), certificate=c.self_signed, **pki),
        require("no-match", (1, 203, "no matching DANE TLSA records", 1, False), tlsa="wrong"),
        require("broken", (1, 205, "tls-handshake-failure", 1, False), answers={"STARTTLS": hang_up}),
        require("injected", (1, 205, "tls-handshake-failure", 1, False), answers={"STARTTLS": inject}),
        none("broken-plain", (9, 205, "tls-handshake-failure", 1, True), answers={"STARTTLS": hang_up}, **plain),
        require("no-requiretls", (1, None, None, 0, False), tls_offers=("PIPELINING",)),
    ]


@scenario
def codes():
    """a collector gets one report of each connection, with the failure that the server has shown."""
    with collected() as (collector, agent):
        for name, front, (kind, code, reason, fails, arrives), options in situations():
            domain = f"{name}.tlsrpt.test"
            wants_reports(domain)
            with suite.domain(domain, **options) as server:
                reply, = agent.send([f"bob@{domain}"], socket=front)
                equal(reply.code == 250, arrives, f"{name}: {reply}")
                policy = told(collector, domain)
                details = policy.get("failure-details", [{}])[0]
                equal((policy["policy-type"], details.get("c"), details.get("f"), policy["f"]),
                      (kind, code, reason, fails), name)
                equal(policy["policy-domain"], domain if kind == 9 else f"mx.{domain}", name)
                if code:
                    equal((details["n"], details["r"], details["h"]),
                          (options.get("host", f"mx.{domain}"), server.address, "mx.test"), name)
                    equal(details["s"], "10.25.0.2", name)
        time.sleep(0.5)
        for name, *_ in situations():
            equal(len(collector.of(f"{name}.tlsrpt.test")), 1, name)


@scenario
def tlsa_strings():
    """the policy of a report is the TLSA records as published; with none that is usable it is 304."""
    good = bytes.fromhex(suite.CERTIFICATES.spki(suite.CERTIFICATES.good))
    with collected() as (collector, agent):
        wants_reports("records.tlsrpt.test")
        with suite.domain("records.tlsrpt.test") as server:
            suite.NAMES.names["_25._tcp.mx.records.tlsrpt.test"].tlsa(3, 0, 1, bytes(32)).tlsa(0, 0, 1, bytes(32))
            check(agent.send(["bob@records.tlsrpt.test"])[0].code == 250)
            equal(told(collector, "records.tlsrpt.test")["policy-string"],
                  ["0 0 1 " + "00" * 32, "3 0 1 " + "00" * 32, "3 1 1 " + good.hex().upper()])
            equal(len(server.messages), 1)
        wants_reports("unusable.tlsrpt.test")
        with suite.domain("unusable.tlsrpt.test", tlsa=False):
            suite.NAMES.add("_25._tcp.mx.unusable.tlsrpt.test", signed=True).tlsa(0, 0, 1, bytes(32))
            check(agent.send(["bob@unusable.tlsrpt.test"], socket="header")[0].code == 250)
            policy = told(collector, "unusable.tlsrpt.test")
            equal((policy["policy-type"], policy["failure-details"][0]["c"], policy["f"]), (1, 304, 1))


@scenario
def not_told():
    """nothing is told of domains without one valid record, of TLS-Required: No, of connections used again or not made."""
    with collected() as (collector, agent):
        wants_reports("two.tlsrpt.test", RECORD, f"{RECORD};")
        wants_reports("broken-record.tlsrpt.test", "v=TLSRPTv1; rua=nowhere")
        wants_reports("optional.tlsrpt.test")
        for name, front in (("none", "require"), ("two", "require"), ("broken-record", "require"),
                            ("optional", "optional")):
            with suite.domain(f"{name}.tlsrpt.test"):
                check(agent.send([f"bob@{name}.tlsrpt.test"], socket=front)[0].code == 250, name)
        wants_reports("unreached.tlsrpt.test")
        suite.publish("unreached.tlsrpt.test", "mx.unreached.tlsrpt.test", suite.address())
        equal(agent.send(["bob@unreached.tlsrpt.test"])[0].enhanced, "4.4.1")
        wants_reports("kept.tlsrpt.test")
        with suite.domain("kept.tlsrpt.test") as server:
            for _ in range(3):
                check(agent.send(["bob@kept.tlsrpt.test"])[0].code == 250)
            equal((server.connections, len(server.messages)), (1, 3))
            told(collector, "kept.tlsrpt.test")
        time.sleep(0.5)
        equal([report["d"] for report in collector.got], ["kept.tlsrpt.test"])


def seconds_for(agent, name, count=25):
    """How long so many messages take, each by a connection of its own."""
    wants_reports(name)
    with suite.domain(name) as server:
        begin = time.monotonic()
        for _ in range(count):
            check(agent.send([f"bob@{name}"])[0].code == 250)
        took = time.monotonic() - begin
        equal(server.connections, count)
    return took


def fill(path):
    """A socket that takes no datagram any more. Returns it."""
    full, ours = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    full.bind(path)
    ours.setblocking(False)
    with contextlib.closing(ours), contextlib.suppress(BlockingIOError):
        while True:
            ours.sendto(b"x", path)
    return full


@scenario
def delays_nothing():
    """a collector that is full or away, or a resolver that is slow, delays no message; one warning tells of it."""
    with suite.agent("reuse = 1") as agent:
        usual = seconds_for(agent, "usual.tlsrpt.test")
    path = f"{suite.PLACE}/full"
    with contextlib.closing(fill(path)), \
            suite.agent("reuse = 1", f"[tlsrpt]\nsocket = unix:{path}") as agent:
        took = seconds_for(agent, "full.tlsrpt.test")
        check(took < 2 * usual + 1, f"full: {took:.2f} s, {usual:.2f} s without")
        suite.wait_for(lambda: "Resource temporarily unavailable" in agent.log(), "a warning")
        equal(agent.log().count("TLSRPT: "), 1, "warnings")
    with suite.agent("reuse = 1", f"[tlsrpt]\nsocket = unix:{suite.PLACE}/missing") as agent:
        took = seconds_for(agent, "missing.tlsrpt.test")
        check(took < 2 * usual + 1, f"missing: {took:.2f} s, {usual:.2f} s without")
        suite.wait_for(lambda: "No such file or directory" in agent.log(), "a warning")
        equal(agent.log().count("TLSRPT: "), 1, "warnings")
    with collected(deliver="reuse = 1") as (collector, agent):
        suite.NAMES.add("_smtp._tls.slow.tlsrpt.test", delay=1.8).txt(RECORD)
        with suite.domain("slow.tlsrpt.test"):
            begin = time.monotonic()
            check(agent.send(["bob@slow.tlsrpt.test"])[0].code == 250)
            check(time.monotonic() - begin < 1.8, "it waits for the record")
            equal(collector.got, [])
            told(collector, "slow.tlsrpt.test")

"""Hosts that share a cache: daemons beside each other, what each finds out, and ways to take from the world what
they look up: a policy host, an MTA-STS record."""

import contextlib
import dataclasses
import json
import re
import shutil
import socket
import sys
import time
import urllib.request

import dnsd
import layout
import plan
import procs
import sharedrow
import zones

sys.path.append(str(layout.TREE / "tests/protocol"))

import milter_client  # noqa: E402

WHERE = layout.RUN / "shared"
KEY = WHERE / "key"
OTHER_KEY = WHERE / "other-key"
PASSWORD = WHERE / "password"
TIMEOUT_S = 0.3  # shared_timeout, where a scenario measures it

CONFIG = """
[milter]
accept_header = any

[socketmap]
listen = unix:{sock}

[metrics]
listen = inet:127.0.0.1:{port}

[cache]
shared = {servers}
shared_timeout = {timeout}
shared_key = {key}
shared_password = {password}
{more}
"""
ALONE = """
[socketmap]
listen = unix:{sock}

[metrics]
listen = inet:127.0.0.1:{port}
"""


def prepare(server_password):
    """The directory with the files of keys and password, for the daemon's user."""
    shutil.rmtree(WHERE, ignore_errors=True)
    WHERE.mkdir()
    for file, text in ((KEY, "# keys of this site\n" + "k" * 40 + "\n"), (OTHER_KEY, "o" * 40 + "\n"),
                       (PASSWORD, server_password + "\n")):
        file.write_text(text)
        shutil.chown(file, "nobody")
        file.chmod(0o600)
    shutil.chown(WHERE, "nobody")


def keys():
    return sharedrow.keys_of(KEY)


class Host:
    """A daemon that shares what it learns on those servers; none: it is alone."""

    def __init__(self, lab, servers, key=KEY, password=PASSWORD, more="", timeout="300ms"):
        slot = lab.free_slots[-1]
        self.sock, self.port = WHERE / f"maps-{slot}", layout.METRICS_PORT + slot
        config = CONFIG if servers else ALONE
        self.milter = lab.milter(config.format(sock=self.sock, port=self.port, servers=servers, key=key, more=more,
                                               password=password, timeout=timeout), fresh=True)
        self.lab = lab
        if servers:
            # A first look at its servers has ended.
            procs.wait_for(lambda: self.shared()["state"] != "down" or self.shared()["failure"], "a first look")

    def stop(self):
        self.lab.stop_milter(self.milter)

    def ask(self, request, timeout_s=60):
        """One request of the socketmap and its reply, without `OK `."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout_s)
            s.connect(str(self.sock))
            data = request.encode()
            s.sendall(b"%d:%s," % (len(data), data))
            stream = s.makefile("rb")
            size = b""
            while (octet := stream.read(1)).isdigit():
                size += octet
            return stream.read(int(size) + 1)[:-1].decode()

    def look(self, domain):
        """What it finds out about a domain: (verdict at enforce, mode and source of its MTA-STS policy), and how
        long that took."""
        begin = time.monotonic()
        reply = self.ask(f"JSON {domain}")
        took = time.monotonic() - begin
        found = json.loads(reply.removeprefix("OK "))
        return (found["verdict"]["enforce"]["verdict"], found["sts"]["mode"], found["sts"]["source"]), took

    def sees(self, domain):
        return self.look(domain)[0]

    def shared(self):
        """What its status says of the shared cache."""
        return json.loads(self.ask("STATUS ").removeprefix("OK "))["shared_cache"]

    def is_up(self, server=None):
        """Waits until the shared cache is in use, and takes rows."""
        procs.wait_for(lambda: self.shared()["state"] == "up" and server in (None, self.shared()["server"]),
                       f"the shared cache of {self.milter.name}", 60)
        return self

    def metric(self, name, **labels):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as response:
            text = response.read().decode()
        wanted = ",".join(f'{k}="{v}"' for k, v in labels.items())
        line = rf"^{name}\{{{wanted}\}} (\d+)" if wanted else rf"^{name} (\d+)"
        return int(re.search(line, text, re.M)[1])

    def rcpt(self, to):
        """What a client is told that asks for REQUIRETLS, as an MTA passes it on that can: `continue`, or the
        reply."""
        with milter_client.Milter(("127.0.0.1", layout.MILTER_PORT + self.milter.slot), 60) as m:
            m.negotiate()
            macros = {"{daemon_name}": "smtpd", "v": "Postfix 3.11.0", "j": "mta.lab.test"}
            secure = {**macros, "{tls_version}": "TLSv1.3", "{auth_authen}": "alice"}
            m.connect(macros=macros)
            m.helo(macros=secure)
            m.mail("<alice@sender.test>", "REQUIRETLS", macros=secure)
            reply = m.rcpt(f"<{to}>", macros={"j": "mta.lab.test", "v": "Postfix 3.11.0"})
            m.quit()
        return reply.text or reply.action


@contextlib.contextmanager
def policy_host_down(domain):
    """Nobody reaches the domain's policy host."""
    address = next(h.address for h in plan.POLICY_HOSTS if h.domain.name == domain)
    procs.run("ip", "addr", "del", f"{address}/32", "dev", "lo")
    try:
        yield
    finally:
        procs.run("ip", "addr", "add", f"{address}/32", "dev", "lo")


def _publish(domain):
    zones.publish(domain, zones.Key() if domain.signed else None)
    dnsd.reload_domain(domain)


@contextlib.contextmanager
def record_is(domain, text):
    """The domain's MTA-STS record is another; "": it has none."""
    was = next(d for d in plan.ALL if d.name == domain)
    record, was.sts = was.sts, dataclasses.replace(was.sts, record=text)
    try:
        _publish(was)
        yield
    finally:
        was.sts = record
        _publish(was)


@contextlib.contextmanager
def record_fails(domain):
    """The lookup of the domain's MTA-STS record fails."""
    dnsd.control("local_zone", f"_mta-sts.{domain}", "refuse")
    dnsd.control("flush_zone", domain)
    try:
        yield
    finally:
        dnsd.control("local_zone_remove", f"_mta-sts.{domain}")
        dnsd.control("flush_zone", domain)

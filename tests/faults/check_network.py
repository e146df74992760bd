"""A resolver that is gone, slow, without AD or answers garbage, a policy host that stops at each
stage, and mail servers that cannot be reached. Nobody is refused or let through for it, what is known already holds, and all is well again by
itself."""

import contextlib
import socket
import re
import subprocess
import urllib.request

import world
from check_resources import all_well
from harness import check, equal, wait_for
from sweep import said

SILENT = "10.9.0.2"  # an address that nothing is heard of: see silent_host()


def silent_host():
    """A server that never takes a connection, with its queue full: more are not even answered."""
    subprocess.run(["ip", "address", "add", f"{SILENT}/32", "dev", "lo"], check=True)
    server = socket.socket()
    server.bind((SILENT, 443))
    server.listen(0)
    clients = [socket.socket() for _ in range(4)]
    for client in clients:
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.connect((SILENT, 443))
    return [server, *clients]


def told(d, our_world, kind="dane"):
    return world.send(d, params=["REQUIRETLS"], rcpts=[f"<b@{our_world.fresh(kind)}>"])


def resolver(table, our_world, mode, text):
    names = our_world.names
    with world.Daemon(our_world) as d:
        known = {kind: our_world.fresh(kind) for kind in ("dane", "plain")}

        def ask_known(kind):
            return world.send(d, params=["REQUIRETLS"], rcpts=[f"<b@{known[kind]}>"])
        before = {kind: ask_known(kind) for kind in known}
        equal((before["dane"][0], before["plain"][0]), ("accepted", "refused"))
        names.mode = mode
        try:
            for kind in ("dane", "plain"):
                got = told(d, our_world, kind)
                equal(got[0], "deferred", f"{kind}, {mode}: {got}")
                check(got[1].startswith("451 4.4.3"), got)
            equal(ask_known("dane"), before["dane"], "what was found securely before")
            ordinary = world.send(d, rcpts=[f"<b@{our_world.fresh('plain')}>"])
            equal(ordinary, ("accepted", ()), "ordinary mail")
            asked = world.ask(d, f"enforce {our_world.fresh('plain')}")
            equal(asked[0], "deferred", f"enforce: {asked}")
        finally:
            names.mode = None
        all_well(d, our_world)
        table.row(f"the resolver {text}", f"{got[1][:9]}; what is known and ordinary mail: as before",
                  said(d, "(error|warning):"), "by itself, within 30 s")


def policy_host(table, our_world, stage):
    """At each stage: deferred within the time of eom_wait and rcpt_wait, never refused."""
    host = our_world.policy_host
    address = our_world.names.names["mta-sts.sts.test"]
    records, silent = address.records, []
    with world.Daemon(our_world) as d:
        if stage == "connect":
            silent = silent_host()
            address.records = []
            address.a(SILENT)
        host.hold = stage
        try:
            got = world.send(d, params=["REQUIRETLS"], rcpts=["<b@sts.test>"])
            equal(got[0], "deferred", f"{stage}: {got}")
            check(got[1].startswith("451 4.4.3"), got)
            ordinary = world.send(d, rcpts=["<b@sts.test>"])
            equal(ordinary, ("accepted", ()), "ordinary mail")
        finally:
            host.hold = None
            address.records = records
            for end in silent:
                end.close()
            while host.held:
                host.held.pop().close()
        world.purge(d, "sts.test")

        def served():
            return world.send(d, params=["REQUIRETLS"], rcpts=["<b@sts.test>"])[0] == "accepted"
        wait_for(served, "the policy")
        table.row(f"the policy host stops: {stage}", f"{got[1][:9]}; ordinary mail: as before",
                  said(d, "sts.test"), "after min_retry or PURGE")


PROBED = """
[probe]
enable = yes
[route told]
method = none
can = dane, requiretls
[rule told]
nexthop = !sts.test
route = told
"""
ROW = 20  # hosts that could not be reached, until probing rests


def metric(series):
    with urllib.request.urlopen("http://127.0.0.1:9461/metrics", timeout=30) as response:
        return float(re.search(rf"^{re.escape(series)} (\S+)$", response.read().decode(), re.M)[1])


def accepted(d, our_world):
    """A message to one more domain with DANE; on a busy machine a lookup may come too late."""
    for _ in range(8):
        got = told(d, our_world)
        if got[0] != "deferred":
            break
    equal(got[0], "accepted", str(got))


def no_mail_server(table, our_world):
    """There is no way to the addresses of mail servers: what a probe could say is left to delivery."""
    unreachable = 'requiretls_probe_total{result="unreachable"}'
    with world.Daemon(our_world, PROBED) as d:
        for number in range(ROW):
            equal(metric('requiretls_warning{name="probe_rests"}'), 0, f"after {number} servers")
            accepted(d, our_world)
            equal(metric(unreachable), number + 1, "probes")
        equal(metric('requiretls_warning{name="probe_rests"}'), 1, f"after {ROW} servers")
        accepted(d, our_world)
        equal(metric(unreachable), ROW, "probes while it rests")
        check(metric("requiretls_probe_left_out_total") > 0, "left out")
        equal(len(re.findall(f"warning: probe: {ROW} mail servers in a row could not be reached", d.log())), 1,
              "warnings")
        table.row("no mail server can be reached", "250, as without probes", said(d, "warning: probe: "),
                  "after 10 minutes")


RESOLVERS = {"gone": "is gone", "slow": "takes 9 s", "no-ad": "does not validate (no AD)",
             "garbage": "answers garbage", "empty": "answers with empty packets",
             "servfail": "answers SERVFAIL to all"}


def run(suite, table, our_world, full):
    for mode, text in RESOLVERS.items():
        suite.run(f"network: the resolver {text}", resolver, table, our_world, mode, text)
    for stage in ("connect", "tls", "header", "body"):
        suite.run(f"network: the policy host stops: {stage}", policy_host, table, our_world, stage)
    suite.run("network: no mail server can be reached", no_mail_server, table, our_world)

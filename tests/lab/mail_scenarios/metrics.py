"""The metrics under real traffic, as Prometheus and Grafana see them.

promtool reads the daemon's own output; a real Prometheus scrapes the daemon while mail, bounces and
socketmap clients make every kind of event happen, and then answers every query of every panel of
etc/grafana-dashboard.json.
"""

import json
import math
import re
import socket
import time
import urllib.request

import layout
import procs
import prometheus
import sharedrow
import sharedserver
import sharing
from milter import IMPATIENT, without_smtp
from scenario import check, expect, scenario

MAPS = ("127.0.0.1", layout.SOCKETMAP_PORT)
RATE_INTERVAL = "15m"  # longer than the scenario may take: nothing drops out of it
CONFIG = IMPATIENT + f"""
[milter]
accept_header = any

[socketmap]
listen = inet:{MAPS[0]}:{MAPS[1]}

[metrics]
listen = inet:127.0.0.1:{layout.METRICS_PORT}

[cache]
shared = @SHARED@
shared_key = {sharing.KEY}
shared_password = {sharing.PASSWORD}

[deliver counted]
listen = inet:127.0.0.1:{layout.DELIVER_PORT}

[probe]
enable = yes

[route probed]
method = none
can = dane, sts, requiretls

[rule probed]
nexthop = dane.test, dane-no-requiretls.test
route = probed

[rule held]
sender = held@sender.test
on_unsatisfied = quarantine

[rule observed]
sender = observed@sender.test
request = observe

[rule lenient]
nexthop = plain2.test
level = opportunistic+starttls
"""
# REQUIRETLS messages, as mail() sends them; those refused at RCPT are messages too.
COUNTED = {"accept": 2, "reject": 4, "tempfail": 2, "quarantine": 1}
REQUIRE = ("Require-TLS-ESMTP: yes",)
# Looked up by the map QUERY: between them every summary, and every result of a policy fetch.
DOMAINS = ("dane.test", "dane-mixed.test", "insecure-mx.test", "dane-unusable.test", "sts.test",
           "sts-testing.test", "signed.test", "implicit.test", "plain.test", "mx-servfail.test",
           "sts-policy.test", "sts-404.test", "sts-webpki.test", "sts-500.test", "nosuch.test")
REQUESTS = ("QUERYwithTLSRPT sts.test", "postfix sts.test", "enforce sts.test",
            "opportunistic+starttls plain.test", "opportunistic plain.test", "requiretls plain.test",
            "JSON dane.test", "nonsense dane.test", "PURGE dane.test", "STATUS ")

# Panel and legend -> what must have happened, as the labels of series above zero, or one bound on
# the value of the only series. A query that has no line here fails the scenario.
HAPPENED = {
    ("DNSSEC", "validating resolver"): lambda v: v == 1,
    ("Cached next-hops", "entries"): lambda v: v >= len(DOMAINS) - 2,
    ("Memory of findings and lookups", "cache"): lambda v: v > 0,
    ("Memory of findings and lookups", "lookups in progress"): lambda v: v >= 0,
    ("Memory of findings and lookups", "results of probes"): lambda v: v > 0,
    ("Probes of mail servers", "{{result}}"): {"ok", "no-requiretls"},
    ("Probes of mail servers", "left out"): lambda v: v == 0,
    ("Probe duration", "median"): lambda v: 0 < v < 10,
    ("Probe duration", "95 %"): lambda v: 0 < v < 10,
    ("Probe duration", "mean"): lambda v: 0 < v < 10,
    ("Probes kept and in progress", "kept"): lambda v: v >= 2,
    ("Probes kept and in progress", "in progress"): lambda v: v >= 0,
    ("Socketmap connections", "open"): lambda v: v == 1,
    ("Version", "{{version}}"): lambda v: v == 1,
    ("Messages by request and action", "{{request}} {{action}}"): {
        "none accept", "optional accept", "require accept", "require reject", "require tempfail",
        "require quarantine"},
    ("Recipients that require TLS, by verdict", "{{level}} {{verdict}}"): {
        "enforce satisfied", "enforce unsatisfied", "enforce undecided",
        "opportunistic+starttls satisfied"},
    ("What next-hops publish", "{{summary}}"): {
        "dane", "dane-partial", "dane-insecure-mx", "dane-unusable", "sts-enforce", "sts-testing",
        "dnssec-pki", "pki", "none", "failed"},
    ("Failed lookups", "share that failed"): lambda v: 0 < v < 1,
    ("Lookup duration", "median"): lambda v: 0 < v < 10,
    ("Lookup duration", "95 %"): lambda v: 0 < v < 20,
    ("Lookup duration", "99 %"): lambda v: 0 < v < 20,
    ("Lookup duration", "mean"): lambda v: 0 < v < 10,
    ("Cache hits", "hits"): lambda v: 0 < v < 1,
    ("DNS queries", "{{type}} {{result}}"): {
        "MX found", "MX nodata", "MX nxdomain", "MX failed", "A found", "AAAA nodata", "TLSA found",
        "TLSA nxdomain", "TXT found", "TXT nxdomain"},
    ("DNS queries", "not answered yet"): lambda v: v >= 0,
    ("DNS queries", "not sent yet"): lambda v: v >= 0,
    ("MTA-STS policy fetches", "{{result}}"): {"ok", "invalid", "refused", "webpki", "failed"},
    ("Socketmap requests by map", "{{map}}"): {
        "QUERY", "QUERYwithTLSRPT", "postfix", "enforce", "opportunistic+starttls",
        "opportunistic", "requiretls", "JSON", "PURGE", "DUMP", "STATUS", "unknown"},
    ("Socketmap results", "{{result}}"): {"ok", "notfound", "temp", "perm"},
    ("Socketmap results", "malformed"): lambda v: v > 0,
    ("Bounces cut to their header", "redacted"): lambda v: v > 0,
    ("Recipients observed, by verdict", "{{level}} {{verdict}}"): {"enforce unsatisfied"},
    ("Recipients observed, by verdict", "not looked at"): lambda v: v == 0,
    ("Deliveries by request and status", "{{request}} {{status}}"): {
        "require sent", "require bounced", "require deferred"},
    ("Delivery duration", "median"): lambda v: 0 < v < 20,
    ("Delivery duration", "95 %"): lambda v: 0 < v < 30,
    ("Delivery duration", "mean"): lambda v: 0 < v < 20,
    ("TLS sessions of deliveries", "{{auth}} {{result}}"): {"dane ok"},
    ("Connections of the delivery agent", "{{state}}"): set(),  # they are kept for some seconds alone
    ("Connections of the delivery agent", "LMTP sessions"): lambda v: v == 1,
    ("Store", "store"): lambda v: v == 1,
    ("Shared cache", "{{result}}"): {"found", "missing", "rejected", "written"},
    ("Shared cache", "rejected: {{reason}}"): {"rejected: mac"},
    ("Shared cache servers", "shared cache"): lambda v: v == 1,
    ("Warnings that stand", "{{name}}"): {"configuration_changed"},
}


class Map:
    """A socketmap client."""

    def __init__(self):
        self.stream = socket.create_connection(MAPS, 20).makefile("rwb")

    def ask(self, request):
        data = request.encode()
        self.stream.write(b"%d:%s," % (len(data), data))
        self.stream.flush()
        return self.reply()

    def reply(self):
        length = b""
        while (octet := self.stream.read(1)).isdigit():
            length += octet
        check(octet == b":", f"no netstring: {length + octet}")
        return self.stream.read(int(length) + 1)[:-1].decode()

    def end(self):
        """Whether the server has closed."""
        return self.stream.read(1) == b""

    def send(self, data):
        self.stream.write(data)
        self.stream.flush()


def mail(lab, mta, running):
    """Messages of each request, with each outcome."""
    def send(to, code=250, **how):
        sent = lab.send(mta, to, slot=running.slot, **how)
        expect(sent.replies.get("data", sent.replies.get(to)), (code,), f"the end of {to}, {how}")
        return sent
    send("bob@plain.test")
    send("bob@plain.test", headers=("TLS-Required: No",))
    send("bob@dane.test", parameters=("REQUIRETLS",))
    send("bob@plain2.test", parameters=("REQUIRETLS",))
    send("bob@dane-no-requiretls.test", 550, parameters=("REQUIRETLS",))
    send("bob@plain.test", 550, parameters=("REQUIRETLS",))
    send("bob@plain.test", 550, headers=REQUIRE)
    lab.send(mta, ["bob@plain.test", "bob@mx-servfail.test"], slot=running.slot,
             parameters=("REQUIRETLS",))
    send("bob@mx-servfail.test", 451, parameters=("REQUIRETLS",))
    send("bob@mx-servfail.test", 451, headers=REQUIRE)
    send("bob@plain.test", sender="held@sender.test", parameters=("REQUIRETLS",))
    send("bob@plain.test", sender="observed@sender.test")


def bounce(lab, mta, running):
    """Postfix returns a REQUIRETLS message in full, and the daemon cuts it."""
    to = "nobody@dane.test"
    with without_smtp(running):
        sent = lab.send(mta, to, headers=REQUIRE, parameters=("RET=FULL",))
        expect(sent.deliveries()[to].status, "bounced", "delivery")
        sent.bounce("alice@sender.test")
        procs.wait_for(lambda: sent.queue_id not in mta.queued(), "the queue to be empty")


def maps(client):
    """Every map, every kind of reply, and a peer that does not speak the protocol."""
    for domain in DOMAINS:
        client.ask(f"QUERY {domain}")
    reply = client.ask("JSON dane-no-requiretls.test")
    for part in ('"result":"no-requiretls"', '"requiretls":false', '"verdict":"unsatisfied"', '"probed":true'):
        check(part in reply, f"{part} is not in {reply}: what the filter's probe has seen")
    for request in REQUESTS:
        client.ask(request)
    client.send(b"5:DUMP ,")
    while client.reply() != "OK ":  # what ends a dump
        pass
    stranger = Map()
    stranger.send(b"hello\n")
    check(stranger.end(), "it was not shown the door")


class Agent:
    """A session of an MTA with the delivery agent."""

    def __init__(self):
        self.stream = socket.create_connection(("127.0.0.1", layout.DELIVER_PORT), 60).makefile("rwb")
        self.reply()

    def reply(self):
        while (line := self.stream.readline())[3:4] == b"-":
            pass
        return int(line[:3])

    def say(self, line):
        self.stream.write(line.encode() + b"\r\n")
        self.stream.flush()
        return self.reply()


def deliver(agent):
    """Mail that requires TLS, by LMTP: taken by the server, not to be sent so, not to be looked up."""
    agent.say("LHLO client.test")
    for to, code in (("bob@dane.test", 250), ("bob@plain.test", 550), ("bob@mx-servfail.test", 451)):
        replies = [agent.say(line) for line in ("MAIL FROM:<alice@sender.test>", f"RCPT TO:<{to}>", "DATA",
                                                "Subject: x\r\n\r\nx\r\n.")]
        expect(replies, [250, 250, 354, code], to)


def raw():
    with urllib.request.urlopen(f"http://127.0.0.1:{layout.METRICS_PORT}/metrics",
                                timeout=20) as response:
        return response.read().decode()


def legend(template, labels):
    """The legend of a series, as Grafana writes it; a label that is missing shows as it stands."""
    return re.sub(r"\{\{(\w+)\}\}", lambda m: labels.get(m[1], m[0]), template)


def evaluate(target, variables, begin, end):
    """Legend -> the values of a query over that time, as a panel draws it."""
    query = target["expr"]
    for name, value in variables.items():
        query = query.replace(f"${name}", value)
    check("$" not in query, f"a variable is left: {query}")
    data = prometheus.api("query_range", query=query, start=begin, end=end, step=1)
    expect(data["resultType"], "matrix", query)
    drawn = {}
    for series in data["result"]:
        name = legend(target["legendFormat"], series["metric"])
        check("{{" not in name and name.strip(), f"{query}: a series has no {name}")
        check(name not in drawn, f"{query}: two series named {name}")
        values = [float(value) for _, value in series["values"]]
        drawn[name] = [v for v in values if not math.isnan(v)]  # 0/0, before anything happened
    return drawn


def judge(panel, target, drawn):
    """Complaints about one query's result."""
    wanted = HAPPENED.get((panel["title"], target["legendFormat"]))
    if wanted is None:
        return ["nobody says what it should show"]
    if callable(wanted):
        if len(drawn) != 1:
            return [f"one series is wanted, there are {sorted(drawn)}"]
        values = next(iter(drawn.values()))
        return [] if values and wanted(values[-1]) else [f"it ends with {values[-5:]}"]
    above = {name for name, values in drawn.items() if values and values[-1] > 0}
    return [f"nothing seen of {', '.join(sorted(wanted - above))}"] if wanted - above else []


@scenario("metrics: promtool finds no fault, and every query of the dashboard has an answer",
          machines=["3.7"])
def _(lab):
    mta = lab.mtas["3.7"]
    sharing.prepare(sharedserver.PASSWORD)
    with sharedserver.Server("redis") as server:
        shares(server)
        count(lab, mta, lab.milter(CONFIG.replace("@SHARED@", server.url), fresh=True))


def shares(server):
    """What other hosts, and one that is none, have written to the shared cache."""
    now = int(time.time())
    for name, keys in (("sts.test", sharing.keys()), ("sts-testing.test", [b"not a key of ours"])):
        body = f"version: STSv1\r\nmode: enforce\r\nmx: mx.{name}\r\nmax_age: 86400\r\n"
        server.do("SET", sharedrow.row_key(sharedrow.POLICY, name), sharedrow.row(
            keys, sharedrow.POLICY, name, sharedrow.policy(name, "20240101", body, now), now, now + 3600))


def count(lab, mta, running):
    board = json.loads((layout.TREE / "etc/grafana-dashboard.json").read_text())
    panels = [p for p in board["panels"] if p["type"] != "row"]
    with prometheus.scraping(layout.METRICS_PORT):
        begin = time.time()
        client = Map()  # it stays: a connection to count
        mail(lab, mta, running)
        maps(client)
        bounce(lab, mta, running)
        agent = Agent()  # it stays: a session to count
        deliver(agent)
        running.file.touch()  # a warning that stands
        prometheus.wait_for_scrapes()
        end = time.time()

        numbers = raw()
        for action, count in COUNTED.items():
            line = f'requiretls_messages_total{{request="require",action="{action}"}} {count}'
            check(line in numbers.splitlines(), f"not counted: {line}")
        said = prometheus.promtool("check", "metrics", text=numbers)
        expect(said, "", "promtool")
        instances = prometheus.api("label/instance/values", **{"match[]": "requiretls_build_info"})
        expect(instances, [f"127.0.0.1:{layout.METRICS_PORT}"], "the variable `instance`")
        wrong, count = [], 0
        for choice in (instances[0], ".*"):  # one, and All
            variables = {"instance": choice, "__rate_interval": RATE_INTERVAL}
            for panel in panels:
                check(panel.get("targets"), f"{panel['title']} asks nothing")
                for target in panel["targets"]:
                    count += 1
                    drawn = evaluate(target, variables, begin, end)
                    wrong += [f"{panel['title']}, {target['legendFormat']}: {complaint}"
                              for complaint in judge(panel, target, drawn)]
        check(count >= 2 * len(HAPPENED), f"{count} queries for {len(HAPPENED)} lines")
        expect(wrong, [], "panels")

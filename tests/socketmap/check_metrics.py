"""The metrics listener: the format to the letter, the bounds, and that the dashboard asks for what
there is."""

import json
import re
import socket
import urllib.error
import urllib.request
from pathlib import Path

from suite import check, equal, running, scenario

URL = "http://127.0.0.1:9461"
ETC = Path(__file__).resolve().parents[2] / "etc"
DASHBOARD = ETC / "grafana-dashboard.json"
MANUAL = ETC / "man/requiretls-milter.8"
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*",?)*)\})?'
                    r' (-?[0-9.]+(?:e[+-]?[0-9]+)?|\+Inf|NaN)$')


def parse(text):
    """Family -> (type, {series: value}); raises on anything Prometheus would refuse."""
    families, current, done = {}, None, set()
    check(text.endswith("\n"), "ends with a newline")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            check(current not in done, f"{current} twice")
            check(len(line.split(" ", 3)) == 4, f"no help: {line}")
            families[current] = [None, {}]
            done.add(current)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            equal(name, current, "TYPE follows HELP")
            check(kind in ("counter", "gauge", "histogram"), kind)
            families[current][0] = kind
        else:
            match = SAMPLE.match(line)
            check(match, f"no sample: {line!r}")
            name, series = match[1], line.rsplit(" ", 1)[0]
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            owner = current if name == current or (
                families[current][0] == "histogram" and base == current) else None
            check(owner, f"{name} under {current}")
            check(series not in families[owner][1], f"{series} twice")
            families[owner][1][series] = float(match[3])
    return families


@scenario
def metrics_format():
    """Prometheus' text format: types, names, labels, histogram"""
    with running() as server:
        server.ask("QUERY dane.test")
        server.ask("enforce plain.test")
        with urllib.request.urlopen(URL + "/metrics", timeout=10) as response:
            equal(response.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
            families = parse(response.read().decode())
        for name, (kind, series) in families.items():
            check(name.startswith("requiretls_"), name)
            equal(name.endswith("_total"), kind == "counter", name)
            check(series, f"{name} has no series")
            for one in series:
                for value in re.findall(r'="([^"]*)"', one):
                    check(value, f"an empty label in {one}")
        buckets = [(float(re.search(r'le="([^"]+)"', s)[1].replace("+Inf", "inf")), v)
                   for s, v in families["requiretls_lookup_seconds"][1].items() if "_bucket" in s]
        equal(buckets, sorted(buckets), "buckets in order, cumulative")
        equal([v for _, v in buckets], sorted(v for _, v in buckets))
        equal(buckets[-1][0], float("inf"))
        equal(buckets[-1][1],
              families["requiretls_lookup_seconds"][1]["requiretls_lookup_seconds_count"])
        for wanted in ("messages_total", "recipients_total", "findings_total", "lookup_seconds",
                       "cache_entries", "cache_bytes", "lookup_bytes", "cache_requests_total", "dns_queries_total",
                       "sts_fetch_total", "socketmap_requests_total", "dsn_redacted_total",
                       "build_info"):
            check(f"requiretls_{wanted}" in families, f"no {wanted}")
        equal(server.metric('requiretls_findings_total{summary="dane"}'), 1)
        equal(server.metric('requiretls_socketmap_requests_total{map="enforce",result="ok"}'), 1)


def evaluate(expression, families):
    """Not PromQL: whether every selector in the expression names series that exist."""
    names = re.findall(r"requiretls_[a-z_]+(?:\{[^}]*\})?", expression)
    check(names, f"no metric in {expression}")
    for selector in names:
        name, _, labels = selector.partition("{")
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        family = families.get(name) or families.get(base)
        check(family, f"{name} does not exist: {expression}")
        for label, operator, value in re.findall(r'(\w+)(=~|!=|!~|=)"([^"]*)"', labels):
            if label in ("instance", "job"):
                continue
            values = {re.search(rf'{label}="([^"]*)"', s)[1] for s in family[1]
                      if f'{label}="' in s}
            check(values, f"{name} has no label {label}: {expression}")
            if operator in ("=", "!="):
                check(value in values, f"{label} is never {value}: {expression}")
            else:
                check(any(re.fullmatch(value, v) for v in values), f"{label} never matches {value}")
    for group in re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", expression):
        for label in (x.strip() for x in group.split(",")):
            check(any(f'{label}="' in s for f in families.values() for s in f[1]) or
                  label in ("le", "instance", "job"), f"no label {label}: {expression}")


@scenario
def dashboard():
    """Every query of the Grafana dashboard finds its series, and every metric is shown"""
    board = json.loads(DASHBOARD.read_text())
    with running() as server:
        server.ask("QUERY dane.test")
        families = parse(server.metrics())
        expressions = [target["expr"] for panel in board["panels"] for target in
                       panel.get("targets", ())]
        check(len(expressions) > 8, f"{len(expressions)} queries")
        for expression in expressions:
            evaluate(expression, families)
        for name in families:
            check(any(re.search(rf"\b{name}(_bucket|_sum|_count)?\b", e) for e in expressions),
                  f"{name} is not on the dashboard")


@scenario
def manual():
    """The manual names every metric with its labels, and no other"""
    text = MANUAL.read_text().partition(".Ss Metrics\n")[2].partition("\n.Sh ")[0]
    named = {}
    for names, about in re.findall(r"^\.It Li (.*)\n((?:(?!\.It ).*\n)*)", text, re.M):
        named.update({name: set(re.findall(r"^\.Li (\w+)", about, re.M))
                      for name in names.split(" , ")})
    with running() as server:
        families = parse(server.metrics())
    labels = {name: {label for s in series for label in re.findall(r'(\w+)="', s)} - {"le"}
              for name, (_, series) in families.items()}
    equal(named, labels)


@scenario
def http():
    """The listener answers GET /metrics and refuses the rest; mean clients do not block others"""
    with running() as server:
        for target, code in (("/", 404), ("/metricsx", 404), ("/metrics/", 404)):
            try:
                urllib.request.urlopen(URL + target, timeout=10)
                check(False, target)
            except urllib.error.HTTPError as error:
                equal(error.code, code, target)
        crowd = [socket.create_connection(("127.0.0.1", 9461)) for _ in range(100)]
        for one in crowd[80:90]:
            one.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        equal(server.ask("QUERY dane.test"), "OK dane-only")

        check("requiretls_build_info" in server.metrics(),
              "a scrape beside a hundred connections that hang")
        equal(crowd[0].recv(1), b"", "the oldest, for whom there is no room")
        crowd[85].settimeout(15)
        equal(crowd[85].recv(1), b"", "the end of a half request")
        for one in crowd:
            one.close()

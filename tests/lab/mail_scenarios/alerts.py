"""The alert rules of etc/prometheus-alerts.yml, as Prometheus itself reads and plays them.

promtool plays the time series of prometheus_alerts_test.yml and says which alerts fire; a real
Prometheus that scrapes the daemon loads the rules, and finds the metrics that they name.
"""

import re
import urllib.request

import layout
import procs
import prometheus
from milter import IMPATIENT
from scenario import check, expect, scenario

RULES = layout.TREE / "etc/prometheus-alerts.yml"
TESTS = layout.SOURCE / "prometheus_alerts_test.yml"
NAMES = re.findall(r"^  - alert: (\w+)$", RULES.read_text(), re.M)
CONFIG = IMPATIENT + f"""
[metrics]
listen = inet:127.0.0.1:{layout.METRICS_PORT}
"""


def untested(tests):
    """Alerts that no test expects to fire, or none expects to be silent."""
    silent = set(re.findall(r"- \{eval_time: \w+, alertname: (\w+)\}", tests))
    firing = set(re.findall(r"alertname: (\w+)\n +exp_alerts:", tests))
    return [name for name in NAMES if name not in silent or name not in firing]


@scenario("alerts: promtool takes the rules, and each fires when it should and only then", machines=[])
def _(lab):
    del lab
    check(len(NAMES) > 8, f"alerts: {NAMES}")
    said = prometheus.promtool("check", "rules", RULES)
    check(f"{len(NAMES)} rules found" in said, said)
    text = TESTS.read_text()
    expect(untested(text), [], "alerts without a test")
    played = layout.RUN / "prometheus_alerts_test.yml"
    played.write_text(text.replace("@RULES@", str(RULES)))
    said = prometheus.promtool("test", "rules", played)
    check("SUCCESS" in said and "FAILED" not in said, said)


@scenario("alerts: a Prometheus that scrapes the daemon has each metric, and is at rest", machines=[])
def _(lab):
    lab.milter(CONFIG, fresh=True)
    with urllib.request.urlopen(f"http://127.0.0.1:{layout.METRICS_PORT}/metrics",
                                timeout=20) as response:
        numbers = response.read().decode()
    named = set(re.findall(r"\brequiretls_\w+", "".join(
        line for line in RULES.read_text().splitlines(True) if not line.lstrip().startswith("#"))))
    absent = [name for name in sorted(named) if not re.search(rf"^{name}(\{{| )", numbers, re.M)]
    expect(absent, [], "metrics that the daemon does not have")
    with prometheus.scraping(layout.METRICS_PORT, RULES):
        def judged():
            groups = prometheus.api("rules")["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            return rules if all(rule["health"] != "unknown" for rule in rules) else None
        rules = procs.wait_for(judged, "Prometheus to judge every rule", 60)
        expect(sorted(rule["name"] for rule in rules), sorted(NAMES), "rules")
        expect([(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"],
               [], "rules that cannot be judged")
        expect([rule["name"] for rule in rules if rule["alerts"]], [], "alerts")

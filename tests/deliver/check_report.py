"""What is told of deliveries: the lines of the log, in text and JSON, the administrator's own (audit_template),
metrics, status; and what etc/OPERATION quotes of the agent."""
import contextlib
import json
import re
import socket
import sys
import threading
from pathlib import Path

import suite
from suite import check, equal, scenario, wait_for

sys.path.append(str(Path(__file__).resolve().parents[1] / "lab"))
from operation import symptom  # noqa: E402

# The example of Postfix's branch tlsfallback.
TEMPLATE = ("tlsaudit: relay=${relay}${auth?, auth=${auth}}${level?, level=${level}}${policy?, policy=${policy}}"
            "${protocol?, protocol=${protocol}}${cipher?, cipher=${cipher}}")
SOFT = """
[rule hard]
nexthop = hard-report.test
fallback = none
[default]
fallback = encrypt
"""


def relay_of(server):
    return rf"relay=mx\.[a-z-]+\.test\[{re.escape(server.address)}\]:25"


def logged(agent, pattern):
    """The line of the log that has it; the agent's log is written after the reply."""
    wait_for(lambda: re.search(pattern, agent.log()), f"a line with {pattern}")
    return next(line for line in agent.log().splitlines() if re.search(pattern, line))


@scenario
def line():
    """a delivery is one line of the log, with server, demand, what came of it, and the reply"""
    with suite.domain("line-report.test") as server:
        reply = suite.AGENT.send(["bob@line-report.test"])[0]
        check(reply.code == 250, reply)
        said = logged(suite.AGENT, "to=<bob@line-report")
        check(re.search(r": -: to=<bob@line-report\.test>, " + relay_of(server) + ", nexthop=line-report.test, "
                        r"request=require, level=enforce, tls=dane-only/requiretls, protocol=TLSv1\.3, "
                        r"delay=\d+\.\d\d, dsn=2\.\d\.\d, status=sent \(250 2\.\d\.\d [^()]*\)$", said), said)
        equal(suite.AGENT.log().count("to=<bob@line-report.test>"), 1, "lines")
        check("tlsaudit" not in suite.AGENT.log(), "a line that nobody asked for")


@scenario
def json_lines():
    """the lines of deliveries and fallbacks in JSON"""
    with suite.domain("json-report.test", tlsa=False) as server, \
            suite.agent("audit_template = $auth", SOFT + "[log]\nformat = json\n") as agent:
        equal(agent.send(["bob@json-report.test"])[0].code, 250)
        one = json.loads(logged(agent, '"to":"bob@json-report.test"'))
        equal([one[key] for key in ("queue_id", "nexthop", "request", "level", "fallback", "status", "protocol")],
              ["-", "json-report.test", "require", "enforce", "opportunistic+starttls", "sent", "TLSv1.3"])
        check(re.fullmatch(relay_of(server), "relay=" + one["relay"]), one)
        check(one["reply"].startswith("250 ") and one["delay_ms"] >= 0 and one["cipher"], one)
        warning = json.loads(logged(agent, '"reason":'))
        equal([warning[key] for key in ("priority", "nexthop", "level")], ["warning", "json-report.test", "enforce"])
        equal(json.loads(logged(agent, '"audit":'))["audit"], "Untrusted")


@scenario
def audit():
    """audit_template: the example of Postfix's branch gives its lines, with and without a fallback"""
    with suite.domain("good-report.test") as good, suite.domain("soft-report.test", tlsa=False) as soft, \
            suite.domain("hard-report.test", tlsa=False) as hard, \
            suite.domain("lack-report.test", tls_offers=("PIPELINING",)) as lack, \
            suite.agent(f"audit_template = {TEMPLATE}", SOFT) as agent:
        equal(agent.send(["bob@good-report.test"])[0].code, 250)
        said = logged(agent, "tlsaudit: .*good-report")
        check(re.search(r": -: tlsaudit: " + relay_of(good) + r", auth=Verified, level=dane-only, "
                        r"protocol=TLSv1\.3, cipher=TLS_[A-Z0-9_]+$", said), said)
        equal(agent.send(["bob@soft-report.test"])[0].code, 250)
        said = logged(agent, "tlsaudit: .*soft-report")
        check(re.search(r": -: tlsaudit: " + relay_of(soft) + r", auth=Untrusted, level=encrypt, policy=secure, "
                        r"protocol=TLSv1\.3, cipher=TLS_[A-Z0-9_]+$", said), said)
        said = logged(agent, "to=<bob@soft-report")
        check("level=enforce, fallback=opportunistic+starttls, tls=encrypt" in said, said)
        said = logged(agent, ": -: nexthop=soft-report.test, ")
        check(re.search(symptom("fallback=.."), said), said)
        check('reason="550 5.7.10 ' in said, said)
        # the level of TLS is the same, and REQUIRETLS is not offered
        equal(agent.send(["bob@lack-report.test"])[0].code, 250)
        said = logged(agent, "tlsaudit: .*lack-report")
        check("auth=Verified, level=dane-only, policy=dane-only, " in said, said)
        check("REQUIRETLS" not in lack.messages[0].mail, lack.messages[0].mail)
        # a rule that withstands it
        reply = agent.send(["bob@hard-report.test"])[0]
        check(reply.is_(550, "5.7.10"), reply)
        check("tlsaudit: relay=mx.hard" not in agent.log(), "a message that was not transferred")
        equal(hard.messages, [])


@scenario
def metrics():
    """deliveries, TLS sessions, connections and sessions are counted"""
    path = suite.PLACE / "metrics"

    def numbers():
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(20)
            connection.connect(str(path))
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = connection.makefile("rb").read().decode().partition("\r\n\r\n")[2]
        return dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")

    with suite.domain("ok-count.test"), suite.domain("bad-count.test", tlsa="wrong"), \
            suite.domain("plain-count.test", starttls=False), \
            suite.domain("refuse-count.test", answers={"STARTTLS": "454 4.7.0 not now"}), \
            suite.agent("", f"[metrics]\nlisten = unix:{path}\n") as agent:
        before = numbers()
        agent.send(["bob@ok-count.test"])
        agent.send(["bob@bad-count.test"])
        agent.send(["bob@plain-count.test"])
        agent.send(["bob@refuse-count.test"])
        agent.send(["bob@ok-count.test"], socket="optional")
        agent.send(["bob@ok-count.test"], socket="tickets")
        for name, wanted in (
                ('deliveries_total{request="require",status="sent"}', 1),
                ('deliveries_total{request="require",status="bounced"}', 2),
                ('deliveries_total{request="require",status="deferred"}', 1),
                ('deliveries_total{request="optional",status="sent"}', 1),
                ('deliveries_total{request="none",status="deferred"}', 1),
                ("delivery_seconds_count", 6),
                ('tls_sessions_total{auth="dane",result="ok"}', 1),
                ('tls_sessions_total{auth="dane",result="no-tlsa-match"}', 1),
                ('tls_sessions_total{auth="dane",result="no-starttls"}', 2),
                ('tls_sessions_total{auth="may",result="ok"}', 1)):
            name = f"requiretls_{name}"
            equal(int(numbers()[name]) - int(before[name]), wanted, name)
        with contextlib.closing(agent.connect()):
            equal(numbers()["requiretls_lmtp_sessions"], "1")
        wait_for(lambda: numbers()["requiretls_lmtp_sessions"] == "0", "the session to be over")
        wait_for(lambda: all(numbers()[f'requiretls_connections{{state="{state}"}}'] == "0"
                             for state in ("setup", "active", "idle")), "connections to be closed", 20)


@scenario
def symptoms():
    """what etc/OPERATION quotes of deliveries stands in the log"""
    agent = suite.AGENT
    with suite.domain("lacks-report.test", tls_offers=("PIPELINING", "8BITMIME")):
        agent.send(["bob@lacks-report.test"])
        check(re.search(symptom("status=bounced (550 5.7.30"), logged(agent, "to=<bob@lacks-report")), "5.7.30")
    with suite.domain("wrong-report.test", tlsa="wrong"):
        agent.send(["bob@wrong-report.test"])
        check(re.search(symptom("status=bounced (550 5.7.10"), logged(agent, "to=<bob@wrong-report")), "5.7.10")
    suite.publish("away-report.test", "mx.away-report.test", suite.address())
    agent.send(["bob@away-report.test"])
    check(re.search(symptom("status=deferred (451 4.4.1"), logged(agent, "to=<bob@away-report")), "4.4.1")
    agent.send(["bob@ticket-report.test"], socket="tickets")
    said = logged(agent, "to=<bob@ticket-report.test>: ")
    check(re.search("warning: .*" + symptom("X-REQUIRETLS-Ticket field"), said), said)


@scenario
def symptoms_of_limits():
    """what etc/OPERATION quotes of limits stands in the log"""
    go_on = threading.Event()

    def slowly(_peer, _command):
        go_on.wait(30)

    with suite.domain("slow-report.test", answers={"dot": slowly}), \
            suite.agent("max_sessions = 4") as agent, contextlib.ExitStack() as stack:
        client = stack.enter_context(contextlib.closing(agent.connect()))
        client.envelope(["bob@slow-report.test"])
        client.command("DATA")
        client.write(b"Subject: x\r\n\r\n.\r\n")

        def refused():
            reply = agent.send(["carol@slow-report.test"])[0]
            return reply.is_(451, "4.3.2") and reply
        wait_for(refused, "the share of a next-hop to be used")
        said = logged(agent, "to=<carol@slow-report")
        check(re.search(symptom("status=deferred (451 4.3.2"), said), said)
        clients = [stack.enter_context(contextlib.closing(agent.connect())) for _ in range(3)]
        full = stack.enter_context(contextlib.closing(agent.connect(greet=False)))
        check(full.reply().is_(421, "4.3.2"), "one more session")
        said = logged(agent, "turned away")
        check(re.search("warning: .*" + symptom("there are max_sessions"), said), said)
        go_on.set()
        check(client.reply().is_(250, "2.0.0"), "the slow one")
        equal(len(clients), 3)

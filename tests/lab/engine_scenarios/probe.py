"""What `requiretls-query --probe` says of each server of peers.py, and of those of domains.py that are of the
kind: the result of each address, what the verdict at level enforce comes to, and the exit status.
"""

import json
import signal
import subprocess
import time

import ca
import layout
import peers
import plan
import tlsa
import tools
from scenario import check, expect, scenario

CONFIG = """
[milter]
my_mx_names = {own}

[dns]
resolvers = {resolver}
timeout = 10s

[mta_sts]
ca_file = {ca}

[cache]
store = memory

[probe]
enable = no
timeout = 4s

[route web-pki]
method = none
can = dane, sts, web_pki, requiretls

[route without]
method = none
can = dane, sts, web_pki

[rule without]
recipient = without@dane-no-requiretls.test, without@dane-wrong.test
route = without

[rule exempt]
recipient = exempt@dane-no-requiretls.test
tls_policy = skip

[default]
route = web-pki
"""

SATISFIED, UNSATISFIED, UNDECIDED, NOT_APPLICABLE = ("satisfied", 0), ("unsatisfied", 1), ("undecided", 75), (
    "not-applicable", 1)
OK, NO_REQUIRETLS, NO_STARTTLS = "ok", "no-requiretls", "no-starttls"
WRONG, FAILED, UNREACHABLE = "not-authenticated", "failed", "unreachable"
NOT_LOOKED_AT = ""

# name: the verdict at enforce with the exit status, whether servers decide it, the result of each address
ROWS = {
    "dane": (SATISFIED, False, OK),
    "dane-ta": (SATISFIED, False, OK),
    "dane-full": (SATISFIED, False, OK),
    "dane-private-ca": (SATISFIED, False, OK),
    "dane-cert": (SATISFIED, False, OK),
    "dane-cert-full": (SATISFIED, False, OK),
    "dane-sha512": (SATISFIED, False, OK),
    "dane-several": (SATISFIED, False, OK),
    "dane-agility": (UNSATISFIED, True, WRONG),
    "dane-name": (SATISFIED, False, OK),
    "dane-other-ca": (SATISFIED, False, OK),
    "dane-self-signed": (SATISFIED, False, OK),
    "dane-ta-key": (SATISFIED, False, OK),
    "dane-ta-wildcard": (SATISFIED, False, OK),
    "dane-ta-common-name": (SATISFIED, False, OK),
    "dane-ta-next-hop": (SATISFIED, False, OK),
    "dane-ta-full": (SATISFIED, False, OK),
    "dane-ta-no-anchor": (UNSATISFIED, True, WRONG),
    "dane-ta-name": (UNSATISFIED, True, WRONG),
    "dane-ta-expired": (UNSATISFIED, True, WRONG),
    "dane-ta-other": (UNSATISFIED, True, WRONG),
    "dane-wrong": (UNSATISFIED, True, WRONG),
    "sts": (SATISFIED, False, OK),
    "sts-badcert": (UNSATISFIED, True, WRONG),
    "sts-expired": (UNSATISFIED, True, WRONG),
    "sts-other-ca": (UNSATISFIED, True, WRONG),
    "sts-self-signed": (UNSATISFIED, True, WRONG),
    "sts-no-anchor": (SATISFIED, False, OK),
    "sts-wildcard-cert": (SATISFIED, False, OK),
    "sts-partial-wildcard": (UNSATISFIED, True, WRONG),
    "sts-common-name": (UNSATISFIED, True, WRONG),
    "sts-no-requiretls": (UNSATISFIED, True, NO_REQUIRETLS),
    "sts-no-starttls": (UNSATISFIED, True, NO_STARTTLS),
    "signed": (SATISFIED, False, OK),
    "signed-expired": (UNSATISFIED, True, WRONG),
    "signed-other-ca": (UNSATISFIED, True, WRONG),
    "plain": (UNSATISFIED, False, OK),
    "plain-badcert": (UNSATISFIED, False, OK),
    "plain-no-requiretls": (UNSATISFIED, False, NO_REQUIRETLS),
    "plain-no-starttls": (UNSATISFIED, False, NO_STARTTLS),
    "dane-no-requiretls": (UNSATISFIED, True, NO_REQUIRETLS),
    "dane-no-starttls": (UNSATISFIED, True, NO_STARTTLS),
    "dane-454": (SATISFIED, False, FAILED),
    "dane-500": (UNSATISFIED, True, NO_STARTTLS),
    "dane-no-certificate": (SATISFIED, False, FAILED),
    "dane-no-cipher": (SATISFIED, False, FAILED),
    "dane-client-cert": (SATISFIED, False, FAILED),
    "dane-tls11": (UNSATISFIED, True, WRONG),
    "dane-silent": (SATISFIED, False, FAILED),
    "dane-down": (SATISFIED, False, UNREACHABLE),
    "dane-v6": (SATISFIED, False, OK),
    "dane-both": (SATISFIED, False, f"{OK} {OK}"),
    "dane-v6-no-requiretls": (UNSATISFIED, True, NO_REQUIRETLS),
    "dane-v4-down": (UNSATISFIED, True, f"{UNREACHABLE} {NO_REQUIRETLS}"),
    "dane-one": (SATISFIED, False, f"{NO_REQUIRETLS}, {OK}"),
    "dane-neither": (UNSATISFIED, True, f"{WRONG}, {NO_REQUIRETLS}"),
    "dane-one-down": (SATISFIED, False, f"{NO_REQUIRETLS}, {UNREACHABLE}"),
    "nullmx": (UNSATISFIED, False, NOT_LOOKED_AT),
    "nosuch": (NOT_APPLICABLE, False, NOT_LOOKED_AT),
    "mx-servfail": (UNDECIDED, False, NOT_LOOKED_AT),
}
# Names of other kinds.
MORE = {
    "[mx.dane.test]": (SATISFIED, False, OK),
    "[mx.dane-wrong.test]": (UNSATISFIED, True, WRONG),
    "[mx.dane.test]:2525": (SATISFIED, False, UNREACHABLE),
    "[192.0.2.99]": (UNSATISFIED, False, NOT_LOOKED_AT),
    "without@dane-no-requiretls.test": (SATISFIED, False, NO_REQUIRETLS),
    "without@dane-wrong.test": (UNSATISFIED, True, WRONG),
    "exempt@dane-no-requiretls.test": (SATISFIED, False, NO_REQUIRETLS),
}
OWN = {"dane-one.test": ("mx2.dane-one.test", "mx1.dane-one.test"), "dane.test": ("mx.dane.test", "")}

_seen = {}


def _command(own="mx.self.test"):
    config = layout.RUN / f"query-probe-{own}.conf"
    config.write_text(CONFIG.format(resolver=layout.RESOLVER, ca=ca.ca_file(), own=own))
    return [tools.path("requiretls-query"), "-c", config, "--probe"]


def _query(*names, own="mx.self.test", words=("--json",)):
    return subprocess.run([*_command(own), *words, *names], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)


def _objects():
    """Looked at once, for all scenarios."""
    if not _seen:
        names = [f"{name}.test" for name in ROWS] + list(MORE)
        done = _query("--explain", *names)
        for name, line in zip(names, done.stdout.splitlines()):
            _seen[name] = json.loads(line)
    return _seen


def _probes(found):
    return [probe for host in found["mx"] for probe in host["probe"]]


def _results(found):
    return ", ".join(" ".join(p["result"] for p in h["probe"]) for h in found["mx"] if h["probe"])


def _row(name, wanted):
    def run(_):
        (verdict, _), probed, results = wanted
        found = _objects()[name]
        enforce = found["verdict"]["enforce"]
        expect((enforce["verdict"], enforce["probed"], _results(found)), (verdict, probed, results),
               json.dumps(found))
        for probe in _probes(found):
            check(probe["failure"] if probe["result"] != OK else probe["failure"] is None, json.dumps(probe))
    scenario(f"query --probe: {name} is {wanted[0][0]}: {wanted[2] or 'nothing to look at'}")(run)


for row in ROWS:
    _row(f"{row}.test", ROWS[row])
for row in MORE:
    _row(row, MORE[row])


@scenario("query --probe: every domain that is there for its servers has its row")
def _(_):
    expect([d.name for d in peers.PEERS if d.name.removesuffix(".test") not in ROWS], [], "missing")


@scenario("query --probe: the exit status is that of the verdict at enforce")
def _(_):
    for name in ("dane", "dane-no-requiretls", "dane-wrong", "dane-454", "nullmx", "mx-servfail"):
        expect(_query(f"{name}.test").returncode, ROWS[name][0][1], name)
    expect(_query("dane.test", "dane-no-requiretls.test", "mx-servfail.test").returncode, 1, "the worst")


@scenario("query --probe: the certificate is the server's: names, end, SPKI digest; TLS as OpenSSL names it")
def _(_):
    for host in plan.HOSTS:
        name = host.domain.name
        if ROWS.get(name.removesuffix(".test"), (None, None, None))[2] not in (OK, NO_REQUIRETLS, WRONG):
            continue
        if name == "dane-tls11.test":
            continue
        probe, = _probes(_objects()[name])
        expect(probe["address"], host.addresses()[0], name)
        expect(probe["spki_sha256"], tlsa.rdata("ee", host.cert_name).split()[-1].lower(), name)
        expect((probe["protocol"], probe["starttls"], probe["port"]), ("TLSv1.3", True, 25), name)
        check(probe["names"] and probe["not_after"].endswith("Z") and probe["cipher"].startswith("TLS_"), probe)


@scenario("query --probe: DANE and the Web PKI are each told, with OpenSSL's reason")
def _(_):
    for name, wanted in {
            "dane": ("ok", None, "ok", None),
            "dane-self-signed": ("ok", None, "failed", "self-signed certificate"),
            "dane-wrong": ("failed", "no matching DANE TLSA records", "ok", None),
            "dane-ta-expired": ("failed", "certificate has expired", "failed", "certificate has expired"),
            "sts-badcert": (None, None, "failed", "hostname mismatch"),
            "plain": (None, None, "ok", None),
            "plain-badcert": (None, None, "failed", "self-signed certificate"),
            "dane-silent": (None, None, None, None)}.items():
        probe, = _probes(_objects()[f"{name}.test"])
        expect(tuple(probe[key] for key in ("dane", "dane_failure", "web_pki", "web_pki_failure")), wanted, name)


@scenario("query --probe: what was not asked is null, and not no")
def _(_):
    for name, wanted in {"dane": (True, True), "dane-no-requiretls": (True, False), "dane-no-starttls": (False, None),
                         "dane-500": (True, None), "dane-wrong": (True, True), "dane-down": (None, None),
                         "dane-silent": (None, None)}.items():
        probe, = _probes(_objects()[f"{name}.test"])
        expect((probe["starttls"], probe["requiretls"]), wanted, name)


@scenario("query --probe: --explain says what the filter would do")
def _(_):
    for name, wanted in {"dane-no-requiretls.test": "reject: 550 5.7.30", "dane-wrong.test": "reject: 550 5.7.10",
                         "dane-454.test": "accept", "dane.test": "accept"}.items():
        found = json.loads(_query("--require", f"bob@{name}").stdout)
        check(found["explain"]["decision"].startswith(wanted), found["explain"])


@scenario("query --probe: hosts that are not preferred over ourselves are not looked at")
def _(_):
    for name, (own, looked_at) in OWN.items():
        found = json.loads(_query(name, own=own).stdout)
        expect(" ".join(h["host"] for h in found["mx"] if h["probe"]), looked_at, name)


@scenario("query --probe: the text has it all, and says where there was nothing to look at")
def _(_):
    text = _query("dane-no-requiretls.test", words=()).stdout
    for wanted in (":25 no-requiretls: REQUIRETLS not offered\n",
                   "  STARTTLS, TLSv1.3, TLS_AES_256_GCM_SHA384, no REQUIRETLS\n",
                   "  certificate for mx.dane-no-requiretls.test, until 2", "  SPKI SHA-256 ", "  DANE ok, Web PKI ok\n",
                   "unsatisfied: the mail server of dane-no-requiretls.test does not support REQUIRETLS",
                   "the map answers by what is published, not by what the servers did\n"):
        check(wanted in text, f"no {wanted!r} in {text}")
    check("by what is published alone" not in text, text)
    text = _query("dane-one-down.test", words=()).stdout
    check("publishes DANE\n                          by what is published alone: no server was seen to do all of it\n" in text, text)
    text = _query("[192.0.2.99]", words=()).stdout
    check("MX records              not-asked\n" in text, text)
    for name, own in (("nullmx.test", "mx.self.test"), ("[192.0.2.99]", "mx.self.test")):
        check("\n  probe                   there is no server to look at\n" in _query(name, own=own, words=()).stdout, name)
    check("\n  probe                   no server was looked at: " in _query("dane.test", own="mx.dane.test", words=()).stdout,
          "our own domain")


@scenario("query --probe: what the maps answer is the same as without it")
def _(_):
    names = [f"{name}.test" for name in ROWS if name != "dane-silent"]
    plain = [word for word in _command() if word != "--probe"]
    done = subprocess.run([*plain, "--json", *names], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120)
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        expect(_objects()[name]["answers"], json.loads(line)["answers"], name)


@scenario("query --probe: an address to connect from that this host does not have is told as the cause")
def _(_):
    command = _command()
    config = layout.RUN / "query-probe-source.conf"
    config.write_text(command[2].read_text().replace("timeout = 4s", "timeout = 4s\nsource = 203.0.113.77"))
    done = subprocess.run([command[0], "-c", config, "--probe", "--json", "dane.test"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    probe, = _probes(json.loads(done.stdout))
    expect((probe["result"], probe["failure"]), (FAILED, "no connection: Cannot assign requested address"), "source")


@scenario("query --probe: a silent server is waited for as long as `timeout` says, and costs others nothing")
def _(_):
    begin = time.monotonic()
    done = _query("dane-silent.test", "dane.test", "dane-down.test")
    took = time.monotonic() - begin
    expect([_results(json.loads(line)) for line in done.stdout.splitlines()], [FAILED, OK, UNREACHABLE], "results")
    check(3.5 < took < 15, f"{took} s")


@scenario("query --probe: Ctrl-C ends it at once")
def _(_):
    # Who runs this in the background may have it ignored.
    run = subprocess.Popen([*_command(), "dane-silent.test"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    time.sleep(1.5)
    begin = time.monotonic()
    run.send_signal(signal.SIGINT)
    expect(run.wait(10), -signal.SIGINT, "status")
    check(time.monotonic() - begin < 1, "it took its time")

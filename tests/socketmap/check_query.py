"""requiretls-query against the real engine and the real daemon."""

import json
import os
import pty
import re
import subprocess
import time
from pathlib import Path

import suite
from suite import check, equal, name_server, path, scenario


MANUAL = Path(__file__).resolve().parents[2] / "etc/man/requiretls-query.1"


def running(**options):
    """With a long timeout: each run of the tool checks anew whether the resolver validates, and one answer
    that comes too late, as on a busy machine, makes it say that it does not know."""
    return suite.running(dns_timeout="20s", **options)


def query(server, *words, timeout=60):
    return subprocess.run([path("milter/requiretls-query"), "-c", server.config, *words],
                          capture_output=True, text=True, timeout=timeout)


def objects(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def timeless(value):
    """Without what passes with time."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in ("age", "ttl")}
    if isinstance(value, list):
        return [timeless(v) for v in value]
    return value


@scenario
def same_view():
    """The tool's own lookup and the daemon's view are the same object"""
    names = ["dane.test", "mixed.test", "signed.test", "plain.test", "nullmx.test", "nosuch.test",
             "broken.test", "[mx1.dane.test]:25", "halfdane.test", "bob@dane.test"]
    with running() as server:
        own = objects(query(server, "--json", *names))
        for socket in (["--socket", f"unix:{server.map_path}"], ["--socket=inet:127.0.0.1:8461"],
                       ["--socket"]):  # the configured one
            asked = objects(query(server, "--json", *socket, *names))
            equal(timeless(asked), timeless(own))
        equal([o["name"] for o in own], names, "order")
        for one in own:
            check(set(one) >= {"nexthop", "summary", "security", "mx", "sts", "verdict", "answers",
                               "age", "ttl"}, one)


@scenario
def order():
    """Many names at once: in parallel, shown in the order given"""
    names = name_server()
    slow = [f"o{i}.order.test" for i in range(300)]
    for i, name in enumerate(slow):
        names.dane(name, delay=0.2 + 0.4 * (i % 3))
    with running() as server:
        begin = time.monotonic()
        seen = objects(query(server, "--json", *slow))
        took = time.monotonic() - begin
        equal([o["name"] for o in seen], slow)
        equal({o["summary"] for o in seen}, {"dane"})
        check(took < 40, f"{took} s for {len(slow)} names")


@scenario
def very_many():
    """More names than are looked up at once: the others wait their turn"""
    names = [f"[127.0.{i // 250}.{1 + i % 250}]" for i in range(21000)]
    with running() as server:
        done = query(server, "--json", "[mx1.dane.test]:25", *names, "dane.test")
        seen = objects(done)
        equal([o["name"] for o in seen], ["[mx1.dane.test]:25", *names, "dane.test"])
        equal(seen[-1]["summary"], "dane")


@scenario
def exit_codes():
    """Exit codes: 0, 1, 75, 64, 78, and the worst of several"""
    with running() as server:
        for words, code in ((("dane.test",), 0), (("plain.test",), 1), (("broken.test",), 75),
                            (("dane.test", "broken.test"), 75),
                            (("broken.test", "plain.test", "dane.test"), 1),
                            (("nosuch.test",), 1), ((), 64), (("not a name",), 64),
                            (("--nonsense", "dane.test"), 64),
                            (("--require", "--optional", "dane.test"), 64),
                            (("--socket=nonsense", "dane.test"), 64),
                            (("--socket", "unix:/nonexistent", "dane.test"), 75)):
            done = query(server, *words)
            equal(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        broken = server.place / "broken"
        broken.write_text("[milter]\nnonsense = 1\n")
        done = subprocess.run([path("milter/requiretls-query"), "-c", broken, "dane.test"],
                              capture_output=True, text=True, timeout=60)
        equal(done.returncode, 78)
        check(f"{broken}:2:" in done.stderr, done.stderr)


def _of_manual(text):
    """The options of requiretls-query(1), as --long or -s, and its exit statuses."""
    options = set()
    for line in re.findall(r"^\.It Fl (.*)", text, re.M):
        options |= {f"-{word}" for word in re.findall(r"(-?[a-zA-Z-]+)(?: ,)?", re.split(" Ar| Op", line)[0])}
    statuses = text.partition(".Sh EXIT STATUS\n")[2].partition("\n.Sh ")[0]
    return options, set(re.findall(r"^\.It (\d+)", statuses, re.M))


@scenario
def help_and_manual():
    """--help explains each option and exit status, and the manual the same ones"""
    done = subprocess.run([path("milter/requiretls-query"), "--help"], capture_output=True,
                          text=True, timeout=60)
    equal(done.returncode, 0)
    usage, _, explained = done.stdout.partition("\n\n")
    listed = set(re.findall(r"(?:^  |, )(--?[a-zA-Z-]+)", explained, re.M))
    options, statuses = _of_manual(MANUAL.read_text())
    equal(listed, options)
    equal(set(re.findall(r"^  (\d+) ", explained, re.M)), statuses)
    for option in options - {"--version", "--help", "--config"}:
        check(option in usage, f"{option} is not in the usage")


@scenario
def idn():
    """Names in other scripts: in and out"""
    names = name_server()
    names.dane("xn--mller-kva.test")
    with running() as server:
        one, = objects(query(server, "--json", "M\u00dcLLER.test"))
        equal(one["nexthop"], "xn--mller-kva.test")
        equal(one["unicode"], "m\u00fcller.test")
        done = subprocess.run([path("milter/requiretls-query"), "-c", server.config,
                               "m\u00fcller.test"], capture_output=True, timeout=60,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})
        check(done.stdout.decode().startswith("m\u00fcller.test (xn--mller-kva.test): dane\n"),
              done.stdout)
        done = subprocess.run([path("milter/requiretls-query"), "-c", server.config,
                               "m\u00fcller.test"], capture_output=True, timeout=60,
                              env={**os.environ, "LC_ALL": "C"})
        check(done.stdout.decode().startswith("xn--mller-kva.test: dane\n"), done.stdout)


@scenario
def explained():
    """--explain names the rule behind every setting, and what would be done"""
    rules = """
[rule lawyers]
sender = legal.test
request = require

[rule partner]
nexthop = plain.test
level = opportunistic+starttls

[default]
on_undecided = log
"""
    with running(more=rules) as server:
        one, = objects(query(server, "--json", "--explain", "--from", "a@legal.test",
                             "bob@plain.test"))
        explain = one["explain"]
        equal(explain["request"], {"value": "require", "origin": "[rule lawyers]",
                                   "undecided": False})
        equal(explain["level"], {"value": "opportunistic+starttls", "origin": "[rule partner]",
                                 "undecided": False})
        equal(explain["on_undecided"]["origin"], "[default]")
        equal(explain["mixed"]["origin"], "built in")
        equal(explain["require_offer"], {"value": "auto", "origin": "built in", "undecided": False},
              "require_offer")
        check(explain["decision"].startswith("accept"), explain)
        one, = objects(query(server, "--json", "--explain", "bob@plain.test"))
        check(one["explain"]["request"]["undecided"], "without --from the sender is not known")
        one, = objects(query(server, "--json", "--header", "Require-TLS-ESMTP: yes",
                             "bob@signed.test"))
        check(one["explain"]["decision"].startswith("reject: 550 5.7.10 <bob@signed.test>: "),
              one["explain"])
        one, = objects(query(server, "--json", "--require", "--from", "<>", "bob@signed.test"))
        check(one["explain"]["decision"].startswith("accept"), one["explain"])
        done = query(server, "--require", "bob@signed.test")
        check("\n  level                   enforce (built in)\n" in done.stdout, done.stdout)
    rules = """
[rule second]
daemon = again
route = native
level = opportunistic

[rule without-smtp]
client = local
level = opportunistic+starttls

[rule staff]
authenticated = yes
sender = legal.test
request = require
"""
    with running(more=rules) as server:
        one, = objects(query(server, "--json", "--require", "--from", "a@legal.test",
                             "bob@signed.test"))
        explain = one["explain"]
        equal(explain["level"], {"value": "enforce", "origin": "built in", "undecided": True},
              "the client is not known")
        check(explain["decision"].startswith("reject: 550 5.7.10"), explain)
        equal(one["answers"]["requiretls"], "enforce", "the map knows no message")
        equal(explain["route"], {"value": "native", "origin": "built in", "undecided": False})
        one, = objects(query(server, "--json", "--explain", "--from", "a@legal.test",
                             "bob@signed.test"))
        check(one["explain"]["request"]["undecided"], "nor is the login")
        done = query(server, "--explain", "bob@signed.test")
        check("enforce (built in; [rule without-smtp], which comes earlier, looks at what is not known here)\n"
              in done.stdout, done.stdout)
        check("decision " not in done.stdout, "it asks for nothing")


def drain(terminal):
    """What was written to a terminal whose other side is closed."""
    seen = b""
    while True:
        try:
            data = os.read(terminal, 10000)
        except OSError:
            data = b""
        if not data:
            os.close(terminal)
            return seen.decode()
        seen += data


@scenario
def progress():
    """A progress line on a terminal when it takes long, and none elsewhere"""
    names = name_server()
    names.dane("crawl.test", delay=1.5)
    with running() as server:
        command = [path("milter/requiretls-query"), "-c", server.config, "dane.test", "crawl.test"]
        master, slave = pty.openpty()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=slave, text=True, timeout=60)
        os.close(slave)
        seen = drain(master)
        check("1 of 2 names looked up" in seen and seen.endswith("\r\x1b[K"), repr(seen))
        check("names looked up" not in done.stdout)
        equal(query(server, "dane.test", "crawl.test").stderr, "")

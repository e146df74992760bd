"""The daemon as a service: without a configuration file, and what it says of itself."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from harness import Daemon, check, equal, matches, message, mount_over, silent_resolver, wait_for
from operation import symptom

CONFIG = 78
USUAL = "etc/requiretls-milter/requiretls-milter.conf"

# A host whose /etc, /run and /var/lib can be changed, without a configuration; then what follows, as
# a user who is not root.
BARE_HOST = """
set -e
mount -t tmpfs none "$0"
mkdir "$0/upper" "$0/work"
mount -t overlay overlay -o lowerdir=/etc,upperdir="$0/upper",workdir="$0/work" /etc
rm -rf /etc/requiretls-milter
mkdir /etc/requiretls-milter
{run}
{lib}
for d in /run/requiretls-milter /var/lib/requiretls-milter; do
    mkdir "$d"
    chown nobody "$d"
done
{before}
exec setpriv --reuid nobody --regid nogroup --clear-groups "$@"
"""


@contextlib.contextmanager
def bare_host(*options, before=""):
    """The daemon with the file at the usual place, which is not there; gives the process, how to read
    its log, and its root directory."""
    with tempfile.TemporaryDirectory() as top, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(["unshare", "-m", "sh", "-c", BARE_HOST.format(
            before=before, run=mount_over("/run"), lib=mount_over("/var/lib")), top, Daemon.program, *options],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def read():
            log.seek(0)
            return log.read()

        try:
            yield process, read, Path(f"/proc/{process.pid}/root")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def run_program(d, *options):
    ran = subprocess.run([d.program, *options, "-c", str(d.file)], capture_output=True, text=True,
                         timeout=30)
    return ran.returncode, ran.stdout + ran.stderr


def no_file_at_the_usual_place():
    with bare_host("-t") as (process, log, _):
        equal(process.wait(30), 0, log())
        matches(log(), f"/{USUAL} is in order: there is no such file, the defaults hold and no rule is in force")
    with bare_host("-f") as (process, log, root):
        wait_for(lambda: process.poll() is not None or "ready\n" in log(), "the daemon")
        equal(process.poll(), None, log())
        matches(log(), f"(?m)^.* warning: /{USUAL}: there is no such file, the defaults hold and no rule is in force$")
        check((root / "run/requiretls-milter/milter.sock").is_socket(), "no socket")
        (root / USUAL).write_text("[milter]\nrcpt_wait = x\n")
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: f"{USUAL}:2: rcpt_wait" in log(), "an error")
        (root / USUAL).write_text("[milter]\nrcpt_wait = 1s\n")
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "reloaded" in log(), "a reload")
        # Rules that are gone would let mail out that they held.
        (root / USUAL).unlink()
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "there is no such file any more" in log(), "an error")
        wait_for(lambda: log().count("was not taken over") == 2, "no reload")
        process.terminate()
        equal(process.wait(30), 0, log())
    with bare_host("-f", before=f">/{USUAL}") as (process, log, _):  # an empty one is meant
        wait_for(lambda: process.poll() is not None or "ready\n" in log(), "the daemon")
        check("no such file" not in log(), log())


def check_directories():
    """-t: a socket in a directory that is not there, with the command that makes it."""
    d = Daemon("[milter]\nsocket = unix:/nowhere/a/milter.sock\nuser = nobody\nsocket_group = mail\n"
               "[socketmap]\nlisten = unix:/etc/passwd/policy.sock, unix:/tmp/policy.sock\n"
               "[metrics]\nlisten = unix:/nowhere/metrics.sock\n")
    status, output = run_program(d, "-t")
    d.remove()
    equal(status, CONFIG)
    equal(re.findall("there is no directory (.*)", output),
          ["/nowhere/a: install -d -o nobody -g mail -m 2750 /nowhere/a",
           "/etc/passwd: install -d -o nobody -m 0755 /etc/passwd",
           "/nowhere: install -d -o nobody -m 0755 /nowhere"])
    matches(output, rf"(?m)^requiretls-milter: {d.file}: \[socketmap\] listen: /etc/passwd/policy.sock: ")


def check_runtime_directory():
    """The directory that systemd makes when the unit starts is none that is missing."""
    with bare_host("-t", before="rmdir /run/requiretls-milter") as (process, log, _):
        equal(process.wait(30), CONFIG, log())
        matches(log(), "no directory /run/requiretls-milter: install -d")
    with bare_host("-t", before="rmdir /run/requiretls-milter; mkdir -p /run/systemd/system") as (
            process, log, _):
        equal(process.wait(30), 0, log())
    # That of the delivery agent's unit.
    agent = f"printf '[deliver a]\\nlisten = unix:/run/requiretls-deliver/a.sock\\n' > /{USUAL}"
    with bare_host("-t", before=agent) as (process, log, _):
        equal(process.wait(30), CONFIG, log())
        matches(log(), r"\[deliver\] listen: .*: there is no directory /run/requiretls-deliver: install -d")
    with bare_host("-t", before=f"{agent}; mkdir -p /run/systemd/system") as (process, log, _):
        equal(process.wait(30), 0, log())


def check_enforced():
    """-t: a rule asks for TLS, and no route enforces it. The daemon starts all the same."""
    rule = "[rule a]\nsender = a.example\nrequest = require\n"
    d = Daemon(rule)
    status, output = run_program(d, "-t")
    d.remove()
    equal(status, CONFIG)
    matches(output, rf"{d.file}:1: request = require of \[rule a\]: \[route native\] does not enforce")
    with Daemon(rule):
        pass
    for lower, word in (("[rule b]\nsender = a.example\nlevel = opportunistic\n", None),
                        ("[rule b]\nmailer = smtp\nlevel = opportunistic\n", "warning")):
        d = Daemon(rule + lower)
        status, output = run_program(d, "-t")
        d.remove()
        equal(status, 0, output)
        if word is None:
            check("request = require" not in output, output)
        else:
            matches(output, rf"{word}: {d.file}:1: request = require of \[rule a\]: \[route native\] does not "
                    "enforce it when the message leaves, where no other rule lowers the level")


def journal():
    """Under the unit: the journal has a header of its own, and wants the priority."""
    d = Daemon("[rule a]\nnexthop = b.example\nlevel = opportunistic\n[rule b]\nnexthop = c.example\n")
    d.log_path.touch()
    st = d.log_path.stat()
    d.env["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
    with d:
        with d.session() as m:
            message(m, params=["REQUIRETLS"], rcpts=["<a@b.example>"])
        d.reload("[milter]\nrcpt_wait = x\n")
        lines = d.log().splitlines()
        matches(lines[0], rf"^<4>warning: {d.file}:4: \[rule b\] sets nothing$")
        check("<6>ready" in lines, lines)
        check("<6>4bXyZ: to=<a@b.example>, from=<a@b.example>, nexthop=b.example, request=require, "
              "level=opportunistic, findings=-, expect=may/requiretls:nocertmatch, verdict=satisfied, "
              "action=accept, route=native, wait=0.000" in lines, lines)
        matches(d.log(), rf"(?m)^<3>error: {d.file}:2: rcpt_wait = x")
    check(all(re.match("<[346]>", line) for line in lines), lines)
    with Daemon(env={"JOURNAL_STREAM": "1:2"}) as d:
        matches(d.log(), r"(?m)^\d{4}-\d\d-\d\dT[0-9:.]+Z requiretls-milter\[\d+\]: ready$")


def syslog():
    """Each line once, with the facility mail, the name and the process id."""
    with tempfile.TemporaryDirectory() as top, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        os.chmod(top, 0o755)
        log.bind(f"{top}/log")
        os.chmod(f"{top}/log", 0o666)
        log.settimeout(30)
        with bare_host("-f", before=f"""
                mkdir "$0/dev"; mount --rbind /dev "$0/dev"; mount -t tmpfs none /dev
                for n in null zero random urandom; do touch /dev/$n; mount --bind "$0/dev/$n" /dev/$n; done
                ln -s {top}/log /dev/log
                printf '[log]\ntarget = syslog\n' >/{USUAL}""") as (process, _, _):
            lines = []
            while not lines or not lines[-1].endswith(": ready"):
                lines.append(log.recv(4096).decode().rstrip("\0"))
            for line in lines:
                matches(line, rf"^<2[0-3]>\w\w\w [ 0-9]\d \d\d:\d\d:\d\d requiretls-milter\[{process.pid}\]: ")
            matches(lines[-1], r"^<22>")


def ask_status(d, *options):
    """Exit status of requiretls-query --status, and what it says."""
    tool = Path(d.program).parent / "requiretls-query"
    ran = subprocess.run([tool, "-c", str(d.file), "--status", *options], capture_output=True, text=True,
                         timeout=30)
    return ran.returncode, ran.stdout + ran.stderr


def standing(d):
    """The names of the warnings that stand, as --status has them; the exit status agrees."""
    code, text = ask_status(d, "--json")
    status = json.loads(text)
    names = {w["name"] for w in status["warnings"]}
    equal(code, 1 if names else 0, text)
    return names, status


def status_question():
    """Each warning comes with its cause and goes with it. Without a resolver DNSSEC is unknown."""
    d = Daemon()
    maps = d.dir / "maps"
    base = f"[socketmap]\nlisten = inet:127.0.0.1:8462, unix:{maps}\n"
    d.write(base)
    code, text = ask_status(d)
    equal(code, 75, text)
    matches(text, f"^requiretls-query: no daemon answers: unix:{maps}: No such file or directory")
    with d:
        names, status = standing(d)
        equal(names, {"dnssec_unknown"})
        matches(d.log(), "warning: " + symptom("DNS security is unknown"))
        equal((status["pid"], status["sessions"], status["configuration"]["file"]),
              (d.process.pid, 0, str(d.file)))
        equal([status["store"]["state"], status["resolvers"][0]["address"][:9]], ["off", "127.0.0.1"])
        equal(status["probe"], {"enabled": True, "in_progress": 0, "entries": 0, "resting": False})
        equal(status["deliver"], {"enabled": False, "sessions": 0, "setup": 0, "active": 0, "idle": 0})
        with d.session():
            equal(standing(d)[1]["sessions"], 1)
        wait_for(lambda: standing(d)[1]["sessions"] == 0, "the end of the session")
        code, text = ask_status(d)
        equal(code, 1, text)
        matches(text, rf"(?m)^configuration  {d.file}, read \d{{4}}-[0-9T:-]+Z$")
        matches(text, "(?m)^probe          0 in progress, 0 results kept$")
        matches(text, "(?m)^delivery       off$")
        matches(text, "(?m)^warning        dnssec_unknown: no trusted resolver")

        with d.session() as m:  # the file has changed, is refused, is right, needs a restart
            d.write("[milter]\nrcpt_wait = x\n" + base)
            code, text = ask_status(d, "--socket", f"unix:{maps}")
            matches(text, rf"(?m)^configuration  {d.file}, read .*, changed since$")
            d.reload("[milter]\nrcpt_wait = x\n" + base)
            code, text = ask_status(d)
            equal(code, 1, text)
            matches(text, rf"(?m)^requiretls-query: {d.file}:2: ")
            matches(text, rf"(?m)^configuration  {d.file}, read .*, changed since$")
            matches(text, "(?m)^warning        configuration_refused: ")
            text = ask_status(d, "--socket", f"unix:{maps}")[1]
            matches(text, "(?m)^warning        configuration_refused: ")
            d.reload(base + f"[cache]\nstore = sqlite:{d.dir}/cache.db\n")
            names, status = standing(d)
            equal(names, {"dnssec_unknown", "restart_needed"})
            equal(status["store"]["path"], None, "the store is that of the start")
            d.reload("[log]\nlevel = debug\n" + base + f"[cache]\nstore = sqlite:{d.dir}/cache.db\n")
            equal(standing(d)[0], {"dnssec_unknown", "restart_needed"}, "after one more reload")
            d.reload("[probe]\nenable = no\n" + base)
            matches(ask_status(d)[1], "(?m)^probe          off$")
            d.reload(base)
            equal(standing(d)[0], {"dnssec_unknown"})
            equal(message(m)["eoh"].action, "accept")
        d.write("nonsense\n")
        equal(ask_status(d)[0], CONFIG, "where it listens is not known")
        code, text = ask_status(d, "--socket", "inet:127.0.0.1:8462")
        equal(code, 75)
        matches(text, "does not tell its status: PERM STATUS is for unix sockets only")


def status_of_the_store():
    with tempfile.TemporaryDirectory(prefix="rtls-store-") as top:
        d = Daemon()
        d.write(f"[cache]\nstore = sqlite:{top}/not/there.db\n[socketmap]\nlisten = unix:{d.dir}/maps\n"
                f"[metrics]\nlisten = unix:{d.dir}/metrics\n")
        with d:
            names, status = standing(d)
            equal(names, {"dnssec_unknown", "store_down", "queue_ids_down"})
            matches(d.log(), symptom("MTA-STS policies are kept in memory"))
            matches(d.log(), symptom("queue ids of messages"))
            equal(status["store"]["state"], "down")
            check(status["store"]["failure"], status)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(f"{d.dir}/metrics")
                client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                text = client.makefile().read()
            for line in ("requiretls_store_up 0", 'requiretls_warning{name="store_down"} 1',
                         'requiretls_warning{name="queue_ids_down"} 1',
                         'requiretls_warning{name="restart_needed"} 0'):
                check(line in text.splitlines(), line)


OBSERVE = "[default]\nrequest = observe\n[dns]\ntimeout = 60s\ntries = 1\n"


def observed():
    """Nothing waits for what is observed; the line follows, when the time for it is over at the latest."""
    with silent_resolver(), Daemon(OBSERVE + "[milter]\neom_wait = 1s\n") as d:
        with d.session() as m:
            began = time.monotonic()
            for i in range(20):
                equal(message(m, rcpts=[f"<a@slow{i}.example>"], queue_id=f"4b{i}")["eoh"].action, "accept")
            took = time.monotonic() - began
            check(took < 1, f"20 messages took {took:.1f} s")
            equal(d.logged("request=observe"), [], "told too early")
            wait_for(lambda: len(d.logged("request=observe")) == 20, "the lines")
            (line,) = d.lines("4b7")
            matches(line, r" 4b7: to=<a@slow7.example>, from=<a@b.example>, nexthop=slow7.example, "
                    r"request=observe, level=enforce, findings=-, verdict=undecided, action=accept, "
                    r'reason="the lookups for slow7.example are not finished"$')
            equal(message(m, rcpts=["<a@own.example>"])["eoh"].action, "accept")
            matches(d.log(), "nexthop=own.example, request=observe, level=opportunistic, .*satisfied")


def observed_at_reload_and_stop():
    """With observations waiting: a reload, then a stop, both at once; each line is told once."""
    with silent_resolver(), Daemon(OBSERVE) as d:
        with d.session() as m:
            for i in range(50):
                message(m, rcpts=[f"<a@slow{i}.example>"], queue_id=f"4b{i}")
            d.reload("[dns]\ntimeout = 60s\n")
            message(m, rcpts=["<a@slow.example>"], queue_id="4bNOT")
        began = time.monotonic()
        d.stop()
        check(time.monotonic() - began < 5, "it took long to stop")
        equal(len(d.logged("request=observe, .*verdict=undecided, action=accept")), 50)
        equal(d.lines("4bNOT"), [])


def observed_flood():
    """Many more than may wait: those are counted, memory is bounded, others' requests are decided."""
    with silent_resolver(), Daemon(OBSERVE + "[rule own]\nnexthop = b.fine\ntls_policy = secure\n"
                                   "[metrics]\nlisten = inet:127.0.0.1:8463\n") as d:
        with d.session() as m:
            message(m, rcpts=["<a@first.example>"])
            before = d.counts()
            for i in range(3000):
                equal(message(m, rcpts=[f"<a@flood{i}.example>"])["eoh"].action, "accept")
            got = message(m, params=["REQUIRETLS"], rcpts=["<a@b.fine>"])
            equal(got["rcpt"][0].action, "continue")
            after = d.counts()
            check(after[1] <= before[1] + 1, f"threads: {before} {after}")
            if not d.sanitized():
                check(after[2] - before[2] < 40000, f"kB: {before} {after}")
        with urllib.request.urlopen("http://127.0.0.1:8463/metrics", timeout=20) as response:
            text = response.read().decode()
        matches(text, "(?m)^requiretls_observed_skipped_total 2501$")


def run(suite):
    for name, function, *args in (
            ("no configuration file at the usual place", no_file_at_the_usual_place),
            ("-t, a socket's directory is missing: 78, and the command", check_directories),
            ("-t, the directory that systemd makes", check_runtime_directory),
            ("-t, a request that no route enforces: 78", check_enforced),
            ("lines to the journal: the priority, and no other header", journal),
            ("lines to syslog: its header alone", syslog),
            ("--status: what runs, and the warnings that stand", status_question),
            ("--status: a store that is down", status_of_the_store),
            ("observe: nothing waits, and the line follows", observed),
            ("observe: a reload and a stop meanwhile", observed_at_reload_and_stop),
            ("observe: a flood", observed_flood)):
        suite.run(f"service: {name}", function, *args)

"""Postfix 3.11 for tests/bench/deliver: the one in the lab's cache (tests/lab), with a queue of its own, over which
everything that is written lies, and one transport for each way that is measured.

Messages are put into its incoming queue as finished queue files, copies of one that cleanup(8) has made, and the
queue manager is told: what is measured begins there, and ends when the queue files are gone."""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import deliver_programs
import suite

sys.path.append(str(Path(__file__).resolve().parent.parent / "lab"))
import chroot  # noqa: E402

WAIT_S = 120

MAIN = """
compatibility_level = 3.11
myhostname = mta.bench.test
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
smtp_dns_support_level = dnssec
smtp_host_lookup = dns
smtp_tls_security_level = dane
maillog_file = /var/log/maillog
transport_maps = inline:{{
    cached.test=cached:, uncached.test=uncached:, agent.test=agent:unix:/agent/require }}
default_process_limit = {limit}
default_destination_concurrency_limit = {limit}
initial_destination_concurrency = {limit}
# No process ends while it is measured.
max_use = 10000000
max_idle = 1h
in_flow_delay = 0
"""

MASTER = """
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
    -o header_checks=static:HOLD
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
scache    unix  -       -       n       -       1       scache
tlsproxy  unix  -       -       n       -       0       tlsproxy
postlog   unix-dgram n  -       n       -       1       postlogd
cached    unix  -       -       n       -       -       smtp
    -o smtp_tls_connection_reuse=yes
    -o smtp_connection_cache_destinations=cached.test
uncached  unix  -       -       n       -       -       smtp
    -o smtp_connection_cache_on_demand=no
agent     unix  -       -       n       -       -       lmtp
    -o lmtp_tls_security_level=none
"""

# Programs that send: what stands in the place of the agent.
SENDING = ("smtp", "tlsproxy", "scache")


class Postfix:
    def __init__(self, place, limit, agent_dir):
        self.root = place / "root"
        self.queue = self.root / "var/spool/postfix"
        self.process = None
        self.number = 0
        for name in ("upper", "work", "root"):
            (place / name).mkdir()
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={chroot.directory()},"
                        f"upperdir={place}/upper,workdir={place}/work", self.root], check=True)
        (self.root / "agent").mkdir()
        subprocess.run(["mount", "--bind", agent_dir, self.root / "agent"], check=True)
        subprocess.run(["mount", "--bind", "/dev", self.root / "dev"], check=True)
        (self.root / "etc/postfix/main.cf").write_text(MAIN.format(limit=limit))
        (self.root / "etc/postfix/master.cf").write_text(MASTER)
        (self.root / "etc/resolv.conf").write_text("nameserver 10.25.0.1\noptions trust-ad\n")

    def run(self, *words, **options):
        return subprocess.run([*suite.Agent.namespace, "chroot", self.root, *words], check=True, text=True,
                              stdout=subprocess.PIPE, **options).stdout

    def start(self):
        self.run("postfix", "check")
        self.process = subprocess.Popen([*suite.Agent.namespace, "chroot", self.root,
                                         "/usr/lib/postfix/sbin/master", "-d", "-c", "/etc/postfix"])
        suite.wait_for(lambda: (self.queue / "public/qmgr").exists(), "Postfix")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        for place in ("dev", "agent", "."):
            subprocess.run(["umount", "-l", self.root / place], check=True)

    def log(self):
        with contextlib.suppress(OSError):
            return (self.root / "var/log/maillog").read_text(errors="replace")
        return ""

    def check_log(self):
        """That what was compared is what was meant: DANE, and a connection cache only where there should be one."""
        sent = [line for line in self.log().splitlines() if "status=sent" in line]
        cached, uncached, through = ([line for line in sent if f"@{name}.test>" in line]
                                     for name in ("cached", "uncached", "agent"))
        direct = cached + uncached
        if not all(" tls=dane" in line for line in direct) or not all("mx.agent.test[" in line for line in through):
            raise RuntimeError("not sent as was meant\n" + "\n".join(sent[-3:]))
        if sum(" conn_use=" in line for line in cached) < len(cached) / 2 or any("conn_use=" in x for x in uncached):
            raise RuntimeError("the connection cache was not used as was meant\n" + "\n".join(direct[-3:]))

    def message(self, domain, content):
        """A queue file of a message to that domain."""
        self.run("sendmail", "-i", "-f", "alice@own.test", f"bob@{domain}", input=content)
        path, = suite.wait_for(lambda: list((self.queue / "hold").iterdir()), "a message on hold")
        suite.wait_for(lambda: path.stat().st_mode & 0o100, "the whole message")
        kept = self.root / f"{domain}.message"
        shutil.move(path, kept)
        return kept

    def send(self, message, count):
        """Puts in copies of a message, and waits until all of them have gone; seconds from the first word to
        the queue manager."""
        owner = message.stat()
        for _ in range(count):
            self.number += 1
            path = self.queue / f"incoming/{0xA000000000 + self.number:X}"
            shutil.copy(message, path)
            os.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(0o700)
        begin = time.monotonic()
        with socket.socket(socket.AF_UNIX) as trigger:
            trigger.connect(str(self.queue / "public/qmgr"))
            trigger.send(b"I")
            while any(os.scandir(self.queue / "incoming")) or any(os.scandir(self.queue / "active")):
                time.sleep(0.004)
                if time.monotonic() - begin > WAIT_S:
                    raise RuntimeError("messages stay in the queue\n" + self.log()[-3000:])
        if any(path.is_file() for path in (self.queue / "deferred").rglob("*")):
            raise RuntimeError("messages were deferred\n" + self.log()[-3000:])
        return time.monotonic() - begin

    def used_s(self):
        """Seconds of processor time, by the name of the program."""
        pid, used = self.process.pid, {}
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in [pid, *map(int, children)]:
            with contextlib.suppress(OSError):
                name = Path(f"/proc/{each}/comm").read_text().strip()
                used[name] = used.get(name, 0) + deliver_programs.process_s(each)
        return used

    def measured(self, message, count, agent=None):
        """Rate, and microseconds of processor time for a message by the name of the program."""
        def used():
            return {**self.used_s(), "agent": deliver_programs.process_s(agent.process.pid) if agent else 0}

        before = used()
        seconds = self.send(message, count)
        return count / seconds, {name: (s - before.get(name, 0)) / count * 1e6 for name, s in used().items()}


@contextlib.contextmanager
def postfix(place, limit, agent_dir):
    """Needs a file system at `place` that an overlay may write to."""
    found = Postfix(place, limit, agent_dir)
    try:
        found.start()
        yield found
    finally:
        found.stop()

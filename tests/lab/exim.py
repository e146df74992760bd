"""Exim with the files of etc/exim, for mail that a program of its host submits. It is unpacked, not installed: its
configuration, its user and a library are there in a mount namespace of its own."""

import os
import shutil

import layout
import procs
import unpacked

PACKAGE, LIBRARY = "exim4-daemon-light", "libidn12"
USER, NUMBER = "Debian-exim", 64999
LIB = "usr/lib/x86_64-linux-gnu"

CONFIG = """
primary_hostname = mtaexim.lab.test
exim_path = {program}
spool_directory = {where}/spool
log_file_path = {where}/log/%slog
keep_environment =
domainlist local_domains = @ : localhost
hostlist relay_from_hosts = 127.0.0.1
acl_smtp_rcpt = acl_check_rcpt
acl_smtp_data = acl_check_data
bounce_return_body = false
begin acl
acl_check_rcpt:
  accept
acl_check_data:
.include /etc/exim4/requiretls/acl
  accept
begin routers
.include /etc/exim4/requiretls/router
dnslookup:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote_smtp
  no_more
begin transports
.include /etc/exim4/requiretls/transport
remote_smtp:
  driver = smtp
begin retry
.include /etc/exim4/requiretls/retry
* * F,2h,15m
"""

# $0: the directory with etc/ to lay over /etc, $1: that with the library. Then a command.
INSIDE = """
set -e
mount -t overlay overlay -o lowerdir=/etc,upperdir="$0/etc",workdir="$0/etc.work" /etc
mount -t overlay overlay -o lowerdir="$1":/{lib} /{lib}
shift
exec "$@"
"""


def ensure(say=print):
    """Before the lab is made."""
    for package in (PACKAGE, LIBRARY):
        unpacked.ensure(package, say)


class Exim:
    """One Exim. Each message is delivered by the program that submits it."""

    def __init__(self):
        self.where = layout.RUN / "exim"
        self.program = unpacked.program(PACKAGE, "usr/sbin/exim4")
        if not self.where.exists():
            self._make()

    def _make(self):
        etc = self.where / "etc"
        shutil.copytree(layout.TREE / "etc/exim", etc / "exim4/requiretls")
        (etc / "exim4/exim4.conf").write_text(CONFIG.format(program=self.program, where=self.where))
        for name, line in (("passwd", f"{USER}:x:{NUMBER}:{NUMBER}::/nonexistent:/usr/sbin/nologin"),
                           ("group", f"{USER}:x:{NUMBER}:")):
            with open(f"/etc/{name}", encoding="utf-8") as file:
                (etc / name).write_text(f"{file.read()}{line}\n")
        for name in ("resolv.conf", "hosts"):
            shutil.copy(layout.RUN / name, etc)
        for name in ("etc.work", "spool", "log"):
            (self.where / name).mkdir()
        for name in ("spool", "log"):
            os.chown(self.where / name, NUMBER, NUMBER)
        self.where.chmod(0o755)

    def run(self, *words, **options):
        return procs.run("unshare", "--mount", "sh", "-c", INSIDE.format(lib=LIB), self.where,
                         unpacked.directory(LIBRARY) / LIB, self.program, *words, **options)

    def submit(self, message, sender, *recipients):
        """Submits a message and waits until each recipient was tried."""
        self.run("-i", "-odi", "-f", sender, *recipients, input=message)

    def retry(self):
        """Tries all that is in the queue."""
        self.run("-qff")

    def queued(self):
        return int(self.run("-bpc"))

    def log(self):
        path = self.where / "log/mainlog"
        return path.read_text(errors="replace") if path.exists() else ""

    def empty_queue(self):
        shutil.rmtree(self.where / "spool/input", ignore_errors=True)

"""The Postfix instances: two that receive (with and without REQUIRETLS) and those under test.

The machines under test use their root's own /etc/postfix, /var/spool/postfix and /var/lib/postfix
(other directories are mounted there), so that snippets work on them as they stand; the receivers
have a configuration directory each. Postfix 3.11 and newer lives in a chroot.
"""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ca
import chroot
import domains
import layout
import plan
import procs
import snippets
from maillog import Log

ROOT311 = layout.RUN / "root311"
ROOTS = {None: Path("/"), chroot.POSTFIX: ROOT311, chroot.POSTFIX310: layout.RUN / "root310"}


class Instance:
    """One Postfix: where it is, how its commands are run."""

    def __init__(self, name, modern, address=None, address6=None, loopback=None, host=None,
                 config=None, debian=None):
        self.name = name
        self.modern = modern  # 3.11 or newer
        self.debian = chroot.POSTFIX if modern else debian  # its chroot, None: it has none
        self.root = ROOTS[self.debian]
        self.where = layout.RUN / name
        self.config = config or Path("/etc/postfix")
        self.own_directories = config is None
        self.address, self.address6, self.loopback = address, address6, loopback
        self.host = host

    @property
    def etc(self):
        """Its configuration directory as seen from outside of the chroot."""
        return self.where / "etc"

    @property
    def maillog(self):
        return self.where / "maillog"

    def command(self, *words):
        """A Postfix command line for this instance, e.g. command("postqueue", "-j")."""
        program, *rest = map(str, words)
        if not self.own_directories:
            rest = ["-c", str(self.config), *rest]
        prefix = ["chroot", str(self.root)] if self.debian else []
        return [*prefix, program, *rest]

    def run(self, *words, **options):
        return procs.run(*self.command(*words), **options)

    @property
    def log(self):
        return Log(self.maillog)

    def port(self, _, port=25):
        """The port to connect to: whatever the slot, which goes by the client's address."""
        return port

    def empty_queue(self):
        """Takes out all that scenarios left in the queue."""
        self.run("postsuper", "-d", "ALL")

    def apply(self, setting):
        """Gives it that setting, see snippets.py; the lab's own where it is one of sendmail's."""
        snippets.apply(self, setting if setting in snippets.SETTINGS else None)

    def sendmail(self, message, *words):
        """Submits a message as a local program does: sendmail(1) with these words."""
        self.run("sendmail", *words, input=message)

    def configure(self, **parameters):
        """Changes main.cf; None takes a parameter out. Takes effect with reload()."""
        gone = [k for k, v in parameters.items() if v is None]
        if gone:
            self.run("postconf", "-X", *gone)
        changed = [f"{k} = {v}" for k, v in parameters.items() if v is not None]
        if changed:
            self.run("postconf", "-e", *changed)

    def reload(self):
        """As `postfix reload`, and waits until nothing runs with the old configuration."""
        before = set(self._children())
        os.kill(self.pid(), signal.SIGHUP)
        procs.wait_for(lambda: not before & set(self._children()), f"{self.name} to reload")
        self.wait_ready()

    def _children(self):
        """The processes that take mail in and send it; between scenarios they have nothing to do."""
        pid = self.pid()
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [p for p in found if _program(p) in ("smtpd", "cleanup", "smtp", "lmtp")]

    @contextlib.contextmanager
    def configured(self, **parameters):
        """With main.cf changed as by configure(), and back again."""
        main = self.etc / "main.cf"
        before = main.read_text()
        self.configure(**parameters)
        self.reload()
        try:
            yield self
        finally:
            procs.replace(main, before)
            self.reload()

    def flush(self):
        """Tries everything that is queued once more."""
        self.run("postqueue", "-f")

    def queued(self):
        """queue id -> the name of the queue it is in: active, deferred, hold."""
        return procs.seen_twice(self._queued)

    def _queued(self):
        found = (json.loads(line) for line in self.run("postqueue", "-j").splitlines())
        return {message["queue_id"]: message["queue_name"] for message in found}

    def wait_ready(self):
        address = self.address or next(a for h in self.served() for a in h.served())
        procs.wait_for(lambda: procs.connects(address, 25), self.name)

    def served(self):
        """The receiving hosts that this instance is."""
        if self.own_directories:
            return []
        return [h for h in plan.HOSTS if h.mx.fault != "silent" and h.mx.requiretls == self.modern]

    def version(self):
        return "Postfix " + self.run("postconf", "-h", "mail_version").strip()

    def pid(self):
        return int((self.spool / "pid/master.pid").read_text())

    @property
    def spool(self):
        return self.where / "spool"

    @property
    def group(self):
        """What this machine calls the group `postfix` of that Postfix, see namespace.py."""
        return f"postfix{self.name.removeprefix('mta')}" if self.debian else "postfix"

    def owner(self, user):
        if self.debian:
            return chroot.uid_of(user, self.debian)
        entry = pwd.getpwnam(user)
        return entry.pw_uid, entry.pw_gid


def _program(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


MTA311 = Instance("mta311", True, *layout.MTA_ADDRESSES["3.11"], layout.MTA_LOOPBACK["3.11"],
                  "mta311.lab.test")
MTA37 = Instance("mta37", False, *layout.MTA_ADDRESSES["3.7"], layout.MTA_LOOPBACK["3.7"],
                 "mta37.lab.test")
MTA310 = Instance("mta310", False, *layout.MTA_ADDRESSES["3.10"], layout.MTA_LOOPBACK["3.10"],
                  "mta310.lab.test", debian=chroot.POSTFIX310)
RX311 = Instance("rx311", True, config=layout.RUN / "rx311/etc")
RX37 = Instance("rx37", False, config=layout.RUN / "rx37/etc")

# 3.10 only where it is asked for, and then not beside 3.7: they share ports of 127.0.0.1.
MTAS = {"3.11": MTA311, "3.7": MTA37, "3.10": MTA310}


def _master_cf(instance, services):
    """Debian's own, without its SMTP service, and with ours."""
    lines = Path(instance.etc / "master.cf.proto").read_text().splitlines()
    kept = [line for line in lines
            if line and not line.startswith("#") and not re.match(r"smtp\s+inet\s", line)]
    if not any(line.startswith("postlog") for line in kept):
        kept.append("postlog unix-dgram n - n - 1 postlogd")
    (instance.etc / "master.cf").write_text("\n".join(kept) + "\n" + services)


def _prepare(instance):
    for part in ("etc", "spool", "data"):
        (instance.where / part).mkdir(parents=True, exist_ok=True)
    if not instance.own_directories:
        model = MTA311 if instance.modern else MTA37
        shutil.copy(model.etc / "master.cf.proto", instance.etc)
    os.chown(instance.where / "data", *instance.owner("postfix"))


# What a receiving host does wrong at STARTTLS: its service's parameters.
FAULTS = {
    "454": ("smtpd_tls_chain_files=/dev/null",),  # offered, but answered with 454: there is no key
    "500": ("smtpd_command_filter=inline:{ {STARTTLS=NOTTLS} }",),  # offered, but answered with 500
    # Answered with 220, and then the handshake is broken off: there is no certificate, or no cipher
    # suits both.
    "no-certificate": ("smtpd_tls_chain_files=/nonexistent",),
    "no-cipher": ("smtpd_tls_protocols=TLSv1.2", "smtpd_tls_ciphers=high",
                  "tls_high_cipherlist=ECDHE-RSA-AES256-GCM-SHA384"),
    # A client that has no certificate hears 421 after the handshake.
    "client-cert": ("smtpd_tls_security_level=encrypt", "smtpd_tls_req_ccert=yes"),
    "tls1.1": ("smtpd_tls_protocols=TLSv1.1", "smtpd_tls_ciphers=high",
               "tls_high_cipherlist=ALL:@SECLEVEL=0"),
}


def _receiver_service(host):
    """A master.cf entry for one receiving host and each of its addresses."""
    options = [f"myhostname={host.name}"]
    if host.mx.starttls:
        options.append(f"smtpd_tls_chain_files={ca.chain(host.cert_name)}")
    else:
        options.append("smtpd_tls_security_level=none")
    options += FAULTS.get(host.mx.fault, ())
    text = ""
    for address in host.served():
        place = f"[{address}]" if ":" in address else address
        text += f"{place}:25 inet n - n - - smtpd\n"
        text += "".join(f"  -o {{ {option} }}\n" for option in options)
    return text


def _start_receiver(instance):
    _prepare(instance)
    (instance.etc / "main.cf").write_text(procs.render(
        "main-receiver.cf", where=instance.where, recorder=layout.RECORDER_PORT))
    _master_cf(instance, "".join(_receiver_service(h) for h in instance.served()))
    instance.run("postconf", "-F", "*/*/chroot = n")
    instance.run("postfix", "start")


def make_host_certificates():
    """For the receiving hosts; zones need them before anything starts."""
    def make(host):
        ca.make(host.cert_name, [host.name, *host.mx.extra_names], host.mx.cert, host.mx.anchor)
    with ThreadPoolExecutor() as pool:
        list(pool.map(make, plan.HOSTS))


def _fill_spool(instance):
    """What services that run chrooted read below the queue directory; as Debian's start script."""
    etc = instance.spool / "etc"
    etc.mkdir()
    for name in ("resolv.conf", "services", "hosts", "nsswitch.conf", "host.conf"):
        shutil.copy(instance.root / "etc" / name, etc)


def _start_mta(instance):
    _prepare(instance)
    mail = instance.where / "mail"
    mail.mkdir()
    os.chown(mail, *instance.owner("nobody"))
    ca.make(f"mta-{instance.name}", [instance.host], "good")
    nobody = instance.owner("nobody")
    (instance.etc / "main.cf").write_text(procs.render(
        "main-mta.cf", host=instance.host, address=instance.address, address6=instance.address6,
        where=instance.where, customers=layout.CUSTOMERS, pem=ca.chain(f"mta-{instance.name}"),
        ca=ca.ca_file(), milter=layout.milter_address(0),
        localmilter=layout.LOCAL_MILTER_PORT, auth=layout.AUTH_PORT,
        uid=nobody[0], gid=nobody[1]))
    if not instance.modern:
        instance.configure(smtpd_command_filter="regexp:/etc/postfix/requiretls_command")
        (instance.etc / "requiretls_command").write_text(
            procs.render("requiretls_command"))
    _master_cf(instance, procs.render("master-mta.cf", address=instance.address,
                                      address6=instance.address6,
                                      loopback=instance.loopback))
    if not instance.debian:
        # What Debian's own start script does for the services that it runs chrooted.
        procs.run("/usr/lib/postfix/configure-instance.sh", "-")
    elif not instance.modern:
        _fill_spool(instance)
    instance.run("postfix", "start")


def write_tables():
    """Tables that all machines under test read."""
    policy = [f"{d.name} {p}" for d in plan.ALL if (p := plan.postfix_policy(d))]
    (layout.RUN / "tls_policy").write_text("\n".join(policy) + "\n")
    lines = []
    for net in (layout.CUSTOMER, layout.STRANGER, layout.LOCAL):
        lines.append(f"{layout.client(None, net)} DISABLE")
        lines += [f"{layout.client(slot, net)} {layout.milter_address(slot)}"
                  for slot in range(layout.MILTER_SLOTS)]
    (layout.RUN / "milter_map").write_text("\n".join(lines) + "\n")
    literal = plan.host("mx.plain.test").v4
    for name in ("transport", "virtual_alias", "virtual_mailbox", "aliases"):
        (layout.RUN / name).write_text(procs.render(name, literal=literal))


def start(mtas):
    """Starts the receivers and the machines under test; returns name -> master's pid."""
    write_tables()
    steps = [(_start_receiver, RX311), (_start_receiver, RX37)]
    steps += [(_start_mta, MTAS[name]) for name in mtas]
    with ThreadPoolExecutor() as pool:  # `postfix start` takes a second or two
        for done in [pool.submit(*step) for step in steps]:
            done.result()
    for _, instance in steps:
        instance.wait_ready()
    return {instance.name: instance.pid() for _, instance in steps}

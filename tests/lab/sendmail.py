"""sendmail as a machine under test: Debian's, in a chroot of its own (chroot.py).

sendmail chooses a milter by the listener that takes the connection, not by the client's address:
so the daemon of port 25 has the filter of its setting, if that has one, and for each slot that a
scenario uses there is one more daemon with that slot's milter, at a port of its own. They share
queue, log and tables. Their processes are known by pid files: a lab that stays up is used by many
processes.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
from pathlib import Path

import ca
import chroot
import layout
import procs
import senderfilter
import snippets
from sendmaillog import SendmailLog

ROOT = layout.RUN / "rootsm"
SOCKETS = Path("/run/requiretls-milter")  # those of the snippets, in and out of the chroot
AGENT_SOCKETS = Path("/run/requiretls-deliver")  # likewise
NAME = "mtasm"
MAIN = "main"  # the daemon of port 25
SLOT_PORT, SLOT_LOGIN_PORT = 20000, 30000  # + slot
NO_SLOT = layout.MILTER_SLOTS
USERS = ("bob", "carol")


def _pid_of(path):
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _program(pid):
    """The command line of a process, "" if there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


class Machine:
    """The one sendmail. As far as scenarios go it is used like postfix.Instance."""

    name = NAME
    modern = False  # knows nothing of REQUIRETLS
    root = ROOT
    host = "mtasm.lab.test"

    def __init__(self):
        self.address, self.address6 = layout.MTA_ADDRESSES["sendmail"]
        self.loopback = layout.MTA_LOOPBACK["sendmail"]
        self.where = layout.RUN / NAME
        self.etc = self.where / "etc"  # /etc/mail
        self.spool = self.where / "mqueue"
        self.maillog = self.where / "maillog"

    # --- commands ---------------------------------------------------------------------------------

    def command(self, *words):
        return ["chroot", str(ROOT), *map(str, words)]

    def run(self, *words, **options):
        return procs.run(*self.command(*words), **options)

    def sendmail(self, message, *words):
        """Submits a message as a local program does: sendmail(1), which hands it to port 25."""
        return self.run("/usr/sbin/sendmail", "-Ac", "-i", *words, input=message)

    def version(self):
        return "sendmail " + re.search(r"Version (\S+)", self.run(
            "/usr/sbin/sendmail", f"-C/etc/mail/{MAIN}.cf", "-d0.1", "-bt", input=""))[1]

    def owner(self, user):
        return chroot.uid_of(user, chroot.SENDMAIL)

    @property
    def log(self):
        return SendmailLog(self.maillog)

    def flush(self):
        """Tries everything that is queued once more; its status tells of the deliveries."""
        self.run("sh", "-c", f"/usr/sbin/sendmail -C/etc/mail/{MAIN}.cf -OMinQueueAge=0 -qf; :")

    def queued(self):
        """queue id -> active or deferred, of what has not left the queue."""
        return procs.seen_twice(self._queued)

    def _queued(self):
        found = {}
        for path in self.spool.glob("qf*"):
            with contextlib.suppress(OSError):
                tried = re.search(r"^N([1-9])", path.read_text(errors="replace"), re.M)
                found[path.name[2:]] = "deferred" if tried else "active"
        return found

    def empty_queue(self):
        """Takes out all that scenarios left in the queue."""
        for path in self.spool.iterdir():
            with contextlib.suppress(OSError):
                path.unlink()

    # --- daemons ----------------------------------------------------------------------------------

    def _pid_file(self, name):
        return self.where / f"{name}.pid"

    def pid(self, name=MAIN):
        pid = _pid_of(self._pid_file(name))
        return pid if pid and "sendmail" in _program(pid) else None

    def _start(self, name):
        self.run("/usr/sbin/sendmail", "-bd", f"-C/etc/mail/{name}.cf")
        procs.wait_for(lambda: self.pid(name), f"sendmail {name}")

    def _stop(self, name):
        pid = self.pid(name)
        if pid:
            os.kill(pid, signal.SIGTERM)
            procs.wait_for(lambda: "sendmail" not in _program(pid), f"sendmail {name} to end")
        self._pid_file(name).unlink(missing_ok=True)

    def _names(self):
        return [path.stem for path in self.where.glob("*.pid")]

    def port(self, slot, port=25):
        """The port where the milter of that slot is asked, see Lab.client(); starts its daemon.

        "own": the filter of the setting. None: no filter.
        """
        if slot == "own" or slot is None and not self.setting():
            return port
        number = NO_SLOT if slot is None else slot
        name = f"slot{number}"
        if not self.pid(name):
            self._configure(name, f"""
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=0.0.0.0, Port={SLOT_PORT + number}')dnl
DAEMON_OPTIONS(`Name=MSA, Family=inet, Addr=0.0.0.0, Port={SLOT_LOGIN_PORT + number}, M=Ea')dnl
""", "" if slot is None else f"inet:{layout.MILTER_PORT + slot}@127.0.0.1")
            self._start(name)
            procs.wait_for(lambda: procs.connects(self.address, SLOT_LOGIN_PORT + number), name)
        return (SLOT_PORT if port == 25 else SLOT_LOGIN_PORT) + number

    def reload(self):
        """With what is now in sendmail.mc; daemons of slots start anew when they are asked for."""
        for name in self._names():
            self._stop(name)
        self._configure(MAIN, f"""
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr={self.address}, Port=25')dnl
DAEMON_OPTIONS(`Name=MTA6, Family=inet6, Addr={self.address6}, Port=25')dnl
DAEMON_OPTIONS(`Name=MTAlo, Family=inet, Addr={self.loopback}, Port=25')dnl
DAEMON_OPTIONS(`Name=MSA, Family=inet, Addr={self.address}, Port=587, M=Ea')dnl
""")
        submit = (ROOT / "etc/mail/submit.mc").read_text()
        # However busy the machine is, a local program's message goes to port 25 at once.
        (self.etc / "submit.mc").write_text(submit.replace("127.0.0.1", self.loopback)
                                            + "define(`confQUEUE_LA', `1000')dnl\n")
        self._make_cf("submit")
        self._start(MAIN)
        procs.wait_for(lambda: procs.connects(self.address, 25), "sendmail")

    # --- configuration ----------------------------------------------------------------------------

    def setting(self):
        note = self.where / "setting"
        return note.read_text() if note.exists() else ""

    def apply(self, setting):
        """Gives it that setting (SETTINGS), if it has another; it then runs with it."""
        setting = setting if setting in SETTINGS else ""
        if self.setting() == setting and self.pid():
            return
        (self.where / "setting").write_text(setting)
        stranger = [layout.client("own", layout.STRANGER)] if setting in (STRANGERS, STRANGERS_AGENT) else []
        (self.etc / "relay-domains").write_text("\n".join([*RELAYS, *stranger]) + "\n")
        self.reload()

    def _configure(self, name, daemons, milter=None):
        """Writes NAME.cf. milter: instead of the setting's own; "" for none."""
        text = SETTINGS[self.setting()]()
        if milter is not None:  # a daemon for a slot: nothing of what the main daemon listens for
            text = re.sub(r"^(?:DAEMON_OPTIONS|INPUT_MAIL_FILTER)\(.*\n", "", text, flags=re.M)
        if milter:
            text += f"INPUT_MAIL_FILTER(`requiretls', `S={milter}, F=T, T=S:10s;R:60s')dnl\n"
        (self.etc / f"{name}.m4").write_text(text)
        snippet = f"include(`/etc/mail/{name}.m4')dnl"
        (self.etc / f"{name}.mc").write_text(procs.render(
            "sendmail.mc", name=name, host=self.host, where=self.where, address=self.address,
            address6=self.address6, daemons=daemons.strip(), snippet=snippet))
        self._make_cf(name)

    def _make_cf(self, name):
        self.run("sh", "-c", f"m4 /etc/mail/{name}.mc > /etc/mail/{name}.cf")

    def write_tables(self):
        """Those of templates/ that Postfix reads, in sendmail's words."""
        (self.etc / "virtusertable").write_text(procs.render("sendmail-virtusertable"))
        (self.etc / "lab-aliases").write_text(procs.render("sendmail-aliases"))
        (self.etc / "mailertable").write_text(_mailertable())
        # Debian's own refuses the networks that are the lab's.
        (self.etc / "access").write_text("Connect:127\tRELAY\n")
        for name in ("mailertable", "virtusertable", "access"):
            self.run("sh", "-c", f"makemap hash /etc/mail/{name} < /etc/mail/{name}")


# Hosts that are tried in turn, in the form that only sendmail has.
LISTS = """
list.test	esmtp:plain.test:dane.test
list-hosts.test	esmtp:[mx.plain.test]:[mx.dane.test]
list-bad.test	esmtp:plain.test:plain2.test
list-failing.test	esmtp:plain.test:mx-servfail.test
"""


def _mailertable():
    """transport_maps for sendmail: `smtp:` and `relay:` are its esmtp and relay."""
    text = (layout.RUN / "transport").read_text()
    lines = []
    for line in text.splitlines():
        domain, where = line.split(None, 1)
        mailer, _, host = where.partition(":")
        mailer = {"smtp": "esmtp"}.get(mailer, mailer)
        if mailer == "error":
            host = f"5.7.0:550 {host.split(' ', 1)[1]}"
        elif mailer == "discard":
            host = "discard"
        elif host.endswith(":25"):
            host = host[:-3]
        lines.append(f"{domain}\t{mailer}:{host}")
    return "\n".join(lines) + LISTS


def _plain():
    return ""


def _snippet():
    """etc/sendmail, as it stands."""
    return snippets.etc("sendmail", "requiretls.m4").read_text()


def _agent():
    """The same with the delivery agent."""
    return _snippet() + snippets.etc("sendmail", "requiretls-deliver.m4").read_text()


def _queued():
    """The same; nothing is delivered before flush()."""
    return _snippet() + "define(`confDELIVERY_MODE', `queueonly')dnl\n"


def _behind_sender_filter():
    """The same behind another filter, that of senderfilter.py."""
    return (f"INPUT_MAIL_FILTER(`before', `S=inet:{senderfilter.PORT}@127.0.0.1, F=T')dnl\n" +
            _snippet())


def _as_it_comes():
    """The same where sendmail knows the addresses of this host as its own, and UUCP's paths, as it
    does unless it is told not to (confDONT_PROBE_INTERFACES, FEATURE(`nouucp'))."""
    return f"undefine(`_NO_UUCP_')dnl\n{_snippet()}\nLOCAL_CONFIG\nCw[{SENDMAIL.address}]\n"


def _smart_host():
    """The same without FEATURE(`sts'), as its README tells, for all mail to one host."""
    lines = [line for line in _snippet().splitlines() if not line.startswith("FEATURE(`sts'")]
    return "\n".join(lines) + "\ndefine(`SMART_HOST', `esmtp:[mx.signed.test]')dnl\n"


def _beside_access_table():
    """The snippet in a sendmail.mc that has an access table, as Debian's has."""
    return "FEATURE(`access_db', `hash -T<TMPF> -o /etc/mail/access', `skip')dnl\n" + _snippet()


def _access_map():
    """What requiretls-maps(5) shows of the access map, and the filter."""
    page = snippets.etc("man", "requiretls-maps.5").read_text()
    line = re.search(r"^FEATURE\(`access_db'.*\n", page, re.M)[0]
    return line + f"INPUT_MAIL_FILTER(`requiretls', `S=unix:{SOCKETS}/milter.sock, F=T')dnl\n"


STRANGERS = "snippets, strangers may relay"
STRANGERS_AGENT = "snippets, agent, strangers may relay"
RELAYS = ("127.0.0", "192.0.2", "relay.test", "backup.test", "backup-plain.test")

# name -> what gives a setting's part of sendmail.mc
SETTINGS = {"": _plain, "snippets": _snippet, "snippets, queued": _queued,
            "snippets, agent": _agent,
            "snippets, as sendmail comes": _as_it_comes,
            "snippets, sender filter": _behind_sender_filter,
            "snippets, smart host": _smart_host, "snippets, access table": _beside_access_table,
            "access map": _access_map, STRANGERS: _snippet, STRANGERS_AGENT: _agent}

SENDMAIL = Machine()


def furnish(bind, mount):
    """Its root: the chroot, and over it the directories of this lab. For namespace.furnish()."""
    ROOT.mkdir(exist_ok=True)
    bind(chroot.directory(chroot.SENDMAIL), ROOT)
    bind("/proc", ROOT / "proc")
    _devices(mount, bind)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", ROOT / "run")
    for path in (SOCKETS, AGENT_SOCKETS):
        path.mkdir(mode=0o755)
        os.chown(path, pwd.getpwnam("nobody").pw_uid, 0)
    for path in (layout.RUN, SOCKETS, AGENT_SOCKETS):
        (ROOT / path.relative_to("/")).mkdir()
        bind(path, ROOT / path.relative_to("/"))
    for name in ("resolv.conf", "hosts"):
        bind(layout.RUN / name, ROOT / "etc" / name)
    machine = SENDMAIL
    machine.where.mkdir()
    (machine.where / "sasl").mkdir()
    bind(machine.where / "sasl", ROOT / "usr/lib/sasl2")
    for ours, place in ((machine.etc, "etc/mail"), (machine.spool, "var/spool/mqueue"),
                        (machine.where / "client", "var/spool/mqueue-client")):
        shutil.copytree(ROOT / place, ours, symlinks=True)
        shutil.copystat(ROOT / place, ours)
        found = (ROOT / place).stat()
        os.chown(ours, 0, found.st_gid)
        bind(ours, ROOT / place)


def _devices(mount, bind):
    """A /dev of its own, for its /dev/log (logd.py)."""
    dev = ROOT / "dev"
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", dev)
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        (dev / name).touch()
        bind(f"/dev/{name}", dev / name)


def start():
    """Starts the daemon of port 25; returns name -> pid."""
    machine = SENDMAIL
    mail = machine.where / "mail"
    mail.mkdir()
    os.chown(mail, pwd.getpwnam("nobody").pw_uid, -1)
    ca.make(f"mta-{NAME}", [machine.host], "good")
    tls = machine.etc / "tls"
    for kind in ("crt", "key"):  # sendmail refuses a key that others may read
        shutil.copy(ca.directory() / f"mta-{NAME}.{kind}", tls / f"lab.{kind}")
        (tls / f"lab.{kind}").chmod(0o600)
        os.chown(tls / f"lab.{kind}", 0, 0)
    (machine.etc / "local-host-names").write_text(f"localhost\n{machine.host}\n")
    (machine.where / "sasl/Sendmail.conf").write_text(
        f"pwcheck_method: saslauthd\nsaslauthd_path: {layout.SASLAUTHD}/mux\nmech_list: PLAIN\n")
    deliver = machine.etc / "lab-deliver"
    deliver.write_text(procs.render("sendmail-deliver", where=machine.where))
    deliver.chmod(0o755)
    machine.write_tables()
    machine.apply("")
    return {NAME: machine.pid()}

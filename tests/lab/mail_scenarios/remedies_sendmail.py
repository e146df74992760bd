"""requiretls-query --check-setup on a Debian sendmail as it was installed, and on the mistakes that an
administrator of one makes: what it says, carried out once by a shell as it stands, leads to a set-up
that is in order and filters mail."""

import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

import checksetup
import layout
import procs
import sendmail
import smrouted
import snippets
from scenario import check, expect, scenario

NAME = "sendmail"  # of its .mc, .cf and .pid
RESTART = "/etc/init.d/sendmail restart"
DAEMON = "systemctl restart requiretls-milter"
TEMPLATE = layout.TREE / "tests/lab/templates/sendmail.mc"
TLS = """define(`confSERVER_CERT', `/etc/mail/tls/lab.crt')dnl
define(`confSERVER_KEY', `/etc/mail/tls/lab.key')dnl
define(`confCACERT', `/etc/ssl/certs/ca-certificates.crt')dnl
"""
INCLUDE = "include(`/etc/mail/requiretls.m4')dnl\n"
BARE = "\n[milter]\nsocket = unix:/run/requiretls-milter/milter.sock\n" \
       "[socketmap]\nlisten = unix:/run/requiretls-milter/policy.sock\n"


class Site:
    """The machine under test with Debian's own sendmail.mc, and a daemon; remedies may change both.

    In the place of Debian's m4/provider.m4, which is empty, stand the lab's addresses, users, log and
    times; the rest of the file is as Debian has it.
    """

    def __init__(self, lab, mta):
        self.lab, self.mta, self.running = lab, mta, None
        self.starts = True
        self.file = layout.RUN / "remedies-sendmail.conf"
        self.mc, self.rules = mta.etc / f"{NAME}.mc", mta.etc / "requiretls.m4"
        self.lines = mta.etc / "m4/provider.m4"

    def install(self):
        """Debian's sendmail, and the daemon with a configuration that has nothing but its sockets."""
        mta = self.mta
        text = self.mc.read_text()
        text, count = re.subn(r"Addr=127\.0\.0\.1'", f"Addr={mta.address}'", text)
        expect(count, 2, "listeners of Debian's")
        self.mc.write_text(text)
        ours = procs.render("sendmail.mc", name=NAME, host=mta.host, where=mta.where,
                            address=mta.address, address6=mta.address6, daemons="", snippet="")
        ours = ours[ours.index("define(`confDOMAIN_NAME'"):ours.index("FEATURE(`no_default_msa')")]
        ours = "".join(line for line in ours.splitlines(True)
                       if not re.match(r"define\(`conf(CACERT'|SERVER|CLIENT|TLS)", line))
        self.lines.write_text(ours)
        self.file.write_text(checksetup.configuration(mta, lambda _: BARE))

    def complete(self):
        """The same with the snippets, in order."""
        shutil.copy(snippets.etc("sendmail", "requiretls.m4"), self.rules)
        text = self.mc.read_text()
        check("MAILER_DEFINITIONS\n" in text, text)
        self.mc.write_text(text.replace("MAILER_DEFINITIONS\n", INCLUDE + "MAILER_DEFINITIONS\n"))
        self.lines.write_text(self.lines.read_text() + TLS)
        self.file.write_text(checksetup.configuration(self.mta))

    def run(self):
        """As it is now configured."""
        self.mta.run("make", "-C", "/etc/mail", "sendmail.cf")
        if self.starts:
            self.restart_sendmail()
        self.restart_daemon()

    def restart_sendmail(self):
        pid = self.mta.pid(NAME)
        if pid:
            os.kill(pid, signal.SIGTERM)
            procs.wait_for(lambda: not self.mta.pid(NAME), "sendmail to end")
        (self.mta.where / f"{NAME}.pid").unlink(missing_ok=True)
        self.mta.run("/usr/sbin/sendmail", "-bd", f"-C/etc/mail/{NAME}.cf")
        procs.wait_for(lambda: self.mta.pid(NAME), "sendmail")
        procs.wait_for(lambda: procs.connects(self.mta.address, 587), "its port")

    def restart_daemon(self):
        self.stop()
        text = self.file.read_text()
        socket = re.search(r"^socket = unix:(.*)", text, re.M)[1]
        self.running = self.lab.milter(text, fresh=True, listens=Path(socket))

    def stop(self):
        if self.running:
            self.lab.stop_milter(self.running)
        self.running = None

    def check(self):
        return checksetup.Report(checksetup.run(self.mta, "-c", str(self.file), "--check-setup",
                                                "--json"))

    def texts(self):
        """What remedies write."""
        return {file.name: file.read_text() for file in (self.file, self.mc, self.rules)}

    def carry_out(self, report):
        """All that the findings say, in their order, by a shell on the mail host. There is no service
        manager in the lab."""
        for finding in report.wrong():
            check(finding["commands"], f"no commands: {report}")
            for command in finding["commands"]:
                if command == DAEMON:
                    self.restart_daemon()
                elif command == RESTART:
                    self.restart_sendmail()
                else:
                    check("systemctl" not in command and command[0] != "#", command)
                    self.mta.run("sh", "-ec", command)

    def filters(self):
        """What cannot be held to TLS is refused, the rest is verified, other mail goes as ever."""
        sent = [smrouted.submit(self.lab, self.mta, f"bob@{name}.test", headers)
                for name, headers in (("plain", smrouted.ASK), ("sts", smrouted.ASK),
                                      ("plain", ()))]
        expect([smrouted.outcome(s)[:10] for s in sent], ["550 5.7.10", "sent OK", "sent OK"],
               "outcome")
        smrouted.check_untagged(sent[1])


@contextlib.contextmanager
def site(lab):
    mta = lab.machines["sendmail"]
    lab.use("")
    checksetup.furnish(mta)
    kept = mta.where / "remedies-kept"
    procs.run("rm", "-rf", kept)
    procs.run("cp", "-a", mta.etc, kept)
    for name in mta._names():
        mta._stop(name)
    made = Site(lab, mta)
    try:
        made.install()
        yield made
        procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
    finally:
        made.stop()
        for name in ("open", "own"):
            shutil.rmtree(sendmail.SOCKETS / name, ignore_errors=True)
        mta._stop(NAME)
        procs.run("find", mta.etc, "-mindepth", "1", "-delete")
        procs.run("cp", "-a", f"{kept}/.", mta.etc)
        mta.reload()


def mended(made, findings):
    report = made.check()
    expect(sorted({f["name"] for f in report.wrong()}), sorted(findings), str(report))
    checksetup.carry_out_twice(made, report)
    checksetup.in_order(made.check(), f"mended:\n{report}")
    made.filters()


@scenario("check-setup remedy sendmail: Debian's sendmail as it is installed")
def _(lab):
    with site(lab) as made:
        check(not made.rules.exists(), "there is something of ours")
        made.mta.run("make", "-C", "/etc/mail", "sendmail.cf")
        made.restart_sendmail()
        mended(made, {"milter-service", "daemon", "smtpd-tls", "mta-ca"})
        mc = made.mc.read_text()
        expect(mc.count(INCLUDE), 1, mc)
        check(mc.index(INCLUDE) < mc.index("MAILER"), mc)


@scenario("check-setup remedy sendmail: the package's configuration, which is for Postfix")
def _(lab):
    with site(lab) as made:
        packaged = snippets.etc("debian", "requiretls-milter.conf").read_text()
        made.file.write_text(checksetup.configuration(made.mta, lambda _: packaged))
        made.mta.run("make", "-C", "/etc/mail", "sendmail.cf")
        made.restart_sendmail()
        mended(made, {"milter-directory", "milter-service", "daemon", "smtpd-tls", "mta-ca"})


@scenario("check-setup remedy sendmail: no directory for the sockets")
def _(lab):
    with site(lab) as made:
        made.complete()
        for file in (made.rules, made.file):
            _sub(file, re.escape(f"unix:{sendmail.SOCKETS}/"), f"unix:{sendmail.SOCKETS}/own/")
        made.mta.run("make", "-C", "/etc/mail", "sendmail.cf")
        made.restart_sendmail()
        mended(made, {"milter-directory", "daemon"})


@scenario("check-setup remedy sendmail: no Makefile beside sendmail.mc")
def _(lab):
    with site(lab) as made:
        made.complete()
        rules(" F=T,", "")(made)
        made.run()
        (made.mta.etc / "Makefile").unlink()
        mended(made, {"milter-default-action"})
        check(not (made.mta.etc / f"{NAME}.cf.new").exists(), "sendmail.cf.new is still there")


# The mistakes: how one is made in a set-up that is in order.

def rules(pattern, new):
    return lambda made: _sub(made.rules, pattern, new)


def mc(pattern, new):
    return lambda made: _sub(made.mc, pattern, new)


def ours(pattern, new):
    return lambda made: _sub(made.file, pattern, new)


def _sub(file, pattern, new):
    changed, count = re.subn(pattern, lambda _: new, file.read_text(), flags=re.M)
    check(count > 0, f"no {pattern!r} in {file}")
    file.write_text(changed)


def own_filter(made):
    """No snippet, but a filter and a map by hand, with a mistake in each."""
    mc(re.escape(INCLUDE), "INPUT_MAIL_FILTER(`requiretls', `S=local:/run/requiretls.sock')dnl\n"
       "FEATURE(`sts', `socket -d10 -T<TMPF> unix:/run/elsewhere.sock')dnl\n")(made)


def open_directory(made):
    """The sockets are where everybody may put some: sendmail does not even start."""
    made.starts = False
    place = sendmail.SOCKETS / "open"
    place.mkdir(exist_ok=True)
    place.chmod(0o777)
    for file in (made.rules, made.file):
        _sub(file, re.escape(f"unix:{sendmail.SOCKETS}/"), f"unix:{place}/")


ROUTE = {"route-tag"}

# name -> (the mistake, the findings)
MISTAKES = {
    "the rules are not included": (mc(re.escape(INCLUDE), ""), {"milter-service"}),
    "a filter and a map by hand": (own_filter, {"milter-service", "map-policy", *ROUTE}),
    "no INPUT_MAIL_FILTER": (rules(r"^INPUT_MAIL_FILTER\([^)]*\)dnl\n", ""), {"milter-service"}),
    "MAIL_FILTER": (rules("^INPUT_MAIL_FILTER", "MAIL_FILTER"), {"milter-service"}),
    "another list of filters": (mc("^MAILER_DEFINITIONS", "define(`confINPUT_MAIL_FILTERS', `')dnl\n"
                                   "MAILER_DEFINITIONS"), {"milter-service"}),
    "a listener with a list of its own": (
        mc("Port=submission, M=Ea, Addr=192", "Port=submission, M=Ea, InputMailFilters=, Addr=192"),
        {"milter-service"}),
    "another socket of the filter": (
        rules("S=unix:/run/requiretls-milter/", "S=unix:/run/elsewhere/"), {"milter-service"}),
    "sockets in a directory that is open to all": (open_directory, {"milter-directory"}),
    "no F=T": (rules(" F=T,", ""), {"milter-default-action"}),
    "F=R": (rules("F=T", "F=R"), {"milter-default-action"}),
    "time-outs that are too short": (rules("R:60s;E:5m", "R:2s;E:3s"), {"milter-timeout"}),
    "no socket map": (rules(r"^(FEATURE\(`sts'|Kenforce_pki).*$", "dnl"), {"map-policy"}),
    "another socket of the maps": (rules("unix:/run/requiretls-milter/policy", "unix:/run/policy"),
                                   {"map-policy"}),
    "another socket of one map": (
        rules("^Kenforce_pki .*", "Kenforce_pki socket -d10 -T<TMPF> unix:/run/policy.sock"),
        {"map-policy"}),
    "a map of a name that there is not": (rules("enforce_pki", "enforce_pik"), {"map-name"}),
    "no authorities": (lambda made: _sub(made.lines, ".*confCACERT'.*", "dnl"), {"mta-ca"}),
    "no certificate": (lambda made: _sub(made.lines, ".*confSERVER_.*", "dnl"), {"smtpd-tls"}),
    "tags that the rules do not know": (rules(r"requiretls \. invalid", "other . invalid"), ROUTE),
    "the tag stays": (rules("R=RequireTLS_untag", "R=EnvToSMTP"), ROUTE),
    "no listeners for routes": (rules(r"^DAEMON_OPTIONS.*\n", ""), {"route-reinjection"}),
    "no rules for servers": (rules(r"^(SLocal_tls_rcpt\nR).*$", "SLocal_tls_rcpt"), {"route-can"}),
    "connections are kept": (mc(r"\Z", "define(`confMCI_CACHE_SIZE', `2')dnl\n"),
                             {"route-connections"}),
    "noreceipts": (mc("nobodyreturn,authwarnings", "noreceipts,authwarnings"), {"route-bounce"}),
    "routes for Postfix": (ours("method = recipient\nlocal = reinject\ncan",
                                "method = header\ncan"), {"route-header"}),
    "a tag of another domain": (ours(r"^\[milter\]$", "[milter]\ntag = tags.invalid"), ROUTE),
    "a tag that the mailer does not take off": (
        ours(r"^\[route strict\]$", "[route strict]\ntag = strict.requiretls.invalid"), ROUTE),
    "a route that can requiretls": (ours("can = sts, web_pki", "can = sts, web_pki, requiretls"),
                                    {"route-can"}),
}


def mistake(name, make, findings):
    @scenario(f"check-setup remedy sendmail: {name}")
    def _(lab):
        with site(lab) as made:
            made.complete()
            make(made)
            made.run()
            mended(made, findings)


for name, (make, findings) in MISTAKES.items():
    mistake(name, make, findings)

"""requiretls-query --check-setup on the mistakes that a new administrator makes: each is one finding,
and what it says, carried out by a shell as it stands, leads to a set-up that is in order.
"""

import contextlib
import os
import re
import shutil
from pathlib import Path

import checksetup
import layout
import milter
import snippets
from scenario import check, expect, scenario

# What main.cf of the snippets has that stays out of a bare Postfix; the rest is where the lab is.
ADDED = ("smtpd_milters", "non_smtpd_milters", "internal_mail_filter_classes", "milter_default_action",
         "milter_header_checks", "smtp_dns_support_level", "smtp_tls_security_level",
         "smtp_tls_policy_maps", "smtp_requiretls_policy")

DAEMON = "systemctl {} requiretls-milter"


class Site:
    """A machine under test with its own Postfix and a daemon, which remedies may change."""

    def __init__(self, lab, mta):
        self.lab, self.mta = lab, mta
        self.file = layout.RUN / f"remedies-{mta.name}.conf"
        self.running = None

    def outside(self, text):
        """The configuration as the daemon needs it, which lives outside of Postfix's root."""
        root = str(self.mta.root).rstrip("/")
        text = text.replace("/var/spool/postfix", str(self.mta.spool))
        text = text.replace("unix:/run/requiretls-milter", f"unix:{root}/run/requiretls-milter")
        if self.mta.debian:
            text = text.replace("socket_group = postfix", f"socket_group = {self.mta.group}")
        return text

    def systemctl(self, verb):
        """The service manager of the lab."""
        if verb == "reload":
            self.running.reload(self.outside(self.file.read_text()))
            return
        check(verb in ("start", "restart"), verb)
        self.stop()
        text = self.outside(self.file.read_text())
        socket = next(line.split("unix:")[1] for line in text.splitlines()
                      if line.startswith("socket = unix:"))
        (self.mta.root / "run/requiretls-milter").mkdir(exist_ok=True)  # the unit's RuntimeDirectory
        shutil.chown(self.mta.root / "run/requiretls-milter", "nobody")
        self.running = self.lab.milter(text, fresh=True, listens=Path(socket))

    def stop(self):
        if self.running:
            self.lab.stop_milter(self.running)
        self.running = None

    def check(self):
        return checksetup.Report(checksetup.run(self.mta, "-c", str(self.file), "--check-setup",
                                                "--json"))

    def texts(self):
        """What remedies write, but for comments, which postconf -P moves and sets blank lines around."""
        files = [self.file, *self.mta.etc.glob("*.cf"), *self.mta.etc.glob("requiretls_*")]
        return {file.name: re.sub(r"^(#.*|\s*)\n", "", file.read_text(), flags=re.M) for file in files}

    def carry_out(self, report):
        """All that the findings say, in their order, by a shell on the mail host."""
        for finding in report.wrong():
            check(finding["commands"], f"no commands: {report}")
            for command in finding["commands"]:
                if command.startswith("systemctl "):
                    expect(command, DAEMON.format(command.split()[1]), str(report))
                    self.systemctl(command.split()[1])
                else:
                    self.mta.run("sh", "-ec", command)
        self.mta.reload()  # waits until nothing runs with what was before


@contextlib.contextmanager
def site(lab, mta):
    """In order; and afterwards as it was."""
    lab.use("snippets alone")
    checksetup.furnish(mta)
    made = Site(lab, mta)
    made.file.write_text(checksetup.configuration(mta))
    kept = mta.where / "remedies-kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(mta.etc, kept)
    sockets, resolv = snippets.sockets(mta), Path("/etc/resolv.conf")
    before, resolv_before = sockets.stat(), resolv.read_text()
    copy = mta.spool / "etc/resolv.conf"
    try:
        yield made
    finally:
        made.stop()
        for file in kept.iterdir():
            if file.is_file():
                (mta.etc / file.name).write_bytes(file.read_bytes())
        resolv.write_text(resolv_before)
        if copy.exists():
            copy.write_text(resolv_before)
        sockets.mkdir(exist_ok=True)
        os.chown(sockets, before.st_uid, before.st_gid)
        sockets.chmod(before.st_mode & 0o7777)
        mta.reload()


# The mistakes: what was done to a configuration that is in order.

def main(**parameters):
    return lambda made: made.mta.configure(**parameters)


def services(*settings):
    def make(made):
        for setting in settings:
            made.mta.run("postconf", "-P", setting)
    return make


def ours(*changes):
    def make(made):
        text = made.file.read_text()
        for old, new in changes:
            check(old in text, f"no {old!r} in {made.file}")
            text = text.replace(old, new)
        made.file.write_text(text)
    return make


def sockets_below_run(made):
    """The daemon has its sockets where it has them by default."""
    ours(("unix:/var/spool/postfix/requiretls-milter/", "unix:/run/requiretls-milter/"),
         ("socket_group = postfix\n", ""))(made)
    shutil.rmtree(snippets.sockets(made.mta))


def default_sockets(made):
    """The same, and main.cf names them so."""
    sockets_below_run(made)
    main(smtpd_milters="unix:/run/requiretls-milter/milter.sock",
         non_smtpd_milters="unix:/run/requiretls-milter/milter.sock",
         smtp_tls_policy_maps="socketmap:unix:/run/requiretls-milter/policy.sock:QUERY")(made)
    services("smtp/unix/smtp_tls_policy_maps=socketmap:unix:/run/requiretls-milter/policy.sock:QUERY")(made)
    made.mta.run("postconf", "-F", "*/inet/chroot = y", "smtp/unix/chroot = y")


def no_group(made):
    """Nothing gives the sockets Postfix's group."""
    ours(("socket_group = postfix\n", ""))(made)
    os.chown(snippets.sockets(made.mta), -1, 65534)
    snippets.sockets(made.mta).chmod(0o755)


def no_command_filter(made):
    """REQUIRETLS is refused before the filter sees it."""
    mta = made.mta
    for place in (f"{mta.address}:25", f"[{mta.address6}]:25", f"{mta.address}:587"):
        services(f"{place}/inet/smtpd_command_filter=")(made)
    (mta.etc / "requiretls_command").unlink()


def of_a_provider(made):
    """The resolver is one that does not validate."""
    text = Path("/etc/resolv.conf").read_text().replace(layout.RESOLVER, layout.RESOLVER_NO_AD)
    check(layout.RESOLVER_NO_AD in text, text)
    Path("/etc/resolv.conf").write_text(text)
    (made.mta.spool / "etc/resolv.conf").write_text(text)


def no_routes(made):
    """The filter and the maps, and nothing of what the snippets have for routes."""
    text = made.file.read_text()
    head, rest = text.split("[default]\n", 1)
    made.file.write_text(head + rest[rest.index("[cache]"):])
    master = (made.mta.etc / "master.cf").read_text()
    (made.mta.etc / "master.cf").write_text(master[:master.index("\nrequiretls unix ") + 1])
    made.mta.configure(milter_header_checks=None, **{
        "requiretls-loop_destination_recipient_limit": None})
    for table in made.mta.etc.glob("requiretls_[rs]*"):
        table.unlink()


def bare(made):
    """Nothing of the snippets is in main.cf and master.cf."""
    mta = made.mta
    no_routes(made)
    mta.run("postconf", "-X", *(name for name, _ in snippets.parameters(
        snippets.etc(snippets.DIRECTORIES[mta.name], "main.cf").read_text())
        if name in ADDED and f"\n{name} = " in f"\n{(mta.etc / 'main.cf').read_text()}"))
    master = (mta.etc / "master.cf").read_text()
    (mta.etc / "master.cf").write_text(re.sub(r"^\s+-o smtpd_command_filter=.*\n", "", master,
                                              flags=re.M))
    (mta.etc / "requiretls_command").unlink(missing_ok=True)


BOTH = ("3.11", "3.7")

# name -> (the mistake, on which machines, the finding)
MISTAKES = {
    "the default sockets, and services in a chroot": (default_sockets, BOTH, "milter-socket"),
    "sockets of a group that Postfix is not in": (no_group, BOTH, "milter-socket"),
    "milter_default_action = accept": (main(milter_default_action="accept"), BOTH,
                                       "milter-default-action"),
    "no policy map, and Debian's smtp_tls_security_level": (
        main(smtp_tls_policy_maps=None, smtp_tls_security_level="may"), BOTH, "map-policy"),
    "no smtp_dns_support_level": (main(smtp_dns_support_level=None), BOTH, "dns-support-level"),
    "a provider's resolver": (of_a_provider, BOTH, "resolver"),
    "no internal_mail_filter_classes": (main(internal_mail_filter_classes=None), BOTH, "bounces"),
    "no milter in main.cf": (main(smtpd_milters=None, non_smtpd_milters=None), BOTH,
                             "milter-service"),
    "headers that only Postfix believes": (ours(("accept_header = any\n", "")), ("3.11",),
                                           "accept-header"),
    "no smtpd_command_filter": (
        no_command_filter, ("3.7",), "marker"),
    "no routes": (no_routes, ("3.7",), "route-native"),
    "probes from another address than mail": (ours(("[probe]\nsource = ", "# ")), ("3.11",), "probe"),
}


def mistake(name, mta_name):
    make, _, finding = MISTAKES[name]

    @scenario(f"check-setup remedy {mta_name}: {name}", setting="snippets alone",
              machines=[mta_name])
    def _(lab):
        mta = lab.mtas[mta_name]
        with site(lab, mta) as made:
            make(made)
            mta.reload()
            made.systemctl("start")
            mended(made, finding)


def mended(made, finding):
    report = made.check()
    expect([f["name"] for f in report.wrong()], [finding], str(report))
    checksetup.carry_out_twice(made, report)
    checksetup.in_order(made.check(), f"mended:\n{report}")


for name, (_, mta_names, _) in MISTAKES.items():
    for mta_name in mta_names:
        mistake(name, mta_name)


def from_bare(mta_name, sockets, make, more=frozenset()):
    @scenario(f"check-setup remedy {mta_name}: a bare Postfix, {sockets}", setting="snippets alone",
              machines=[mta_name])
    def _(lab):
        mta = lab.mtas[mta_name]
        with site(lab, mta) as made:
            make(made)
            mta.reload()
            made.systemctl("start")
            report = made.check()
            wanted = NEEDED | {"marker", "route-native"} if mta_name == "3.7" else NEEDED
            expect({f["name"] for f in report.wrong()}, wanted | more, str(report))
            checksetup.carry_out_twice(made, report)
            checksetup.in_order(made.check(), f"mended:\n{report}", routes=mta_name == "3.7")


def bare_in_chroot(made):
    """As Debian 12 has Postfix, and the daemon's sockets where they are by default."""
    sockets_below_run(made)
    bare_with_package(made)


def bare_with_package(made):
    """As Debian has Postfix, and the configuration of the package."""
    bare(made)
    made.mta.run("postconf", "-F", "*/inet/chroot = y", "smtp/unix/chroot = y", "cleanup/unix/chroot = y")


def bare_without_chroot(made):
    """As Debian has had Postfix since 13, and sockets where Postfix may not get to them."""
    sockets_below_run(made)
    bare(made)
    made.mta.run("postconf", "-F", "*/inet/chroot = n", "smtp/unix/chroot = n", "cleanup/unix/chroot = n")


# What there is to say of a Postfix that has nothing of the snippets.
NEEDED = {"milter-service", "bounces", "map-policy", "dns-support-level", "tls-security-level"}
for mta_name in BOTH:
    from_bare(mta_name, "sockets of another group", bare_without_chroot,
              {"milter-socket"})
    from_bare(mta_name, "the sockets of the package", bare_with_package)
    from_bare(mta_name, "the default sockets", bare_in_chroot)


@scenario("check-setup remedy: the daemon is not started", setting="snippets alone", machines=BOTH)
def _(lab):
    for mta in lab.mtas.values():
        with site(lab, mta) as made:
            mended(made, "daemon")
        with site(lab, mta) as made:
            shutil.rmtree(snippets.sockets(mta))
            mended(made, "daemon")

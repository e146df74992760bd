"""requiretls-query --check-setup: nothing to complain of in the snippets, and one thing in each of
many ways to get them wrong.
"""

import contextlib
import os
import re
import signal
import socketserver
import threading

import agent
import ca
import checksetup
import layout
import procs
import sharing
import snippets
from checksetup import in_order
from scenario import check, expect, scenario

BOTH = ("3.11", "3.7")


def daemon(lab, mta):
    return lab.milter(snippets.daemon_configuration(mta),
                      listens=snippets.sockets(mta) / "milter.sock")


def with_agent(mta):
    return checksetup.configuration(mta, more=agent.ticket_key(), agent=True)


@scenario("check-setup: the snippets as they stand are in order", setting="snippets alone", machines=BOTH)
def _(lab):
    for mta in lab.mtas.values():
        daemon(lab, mta)
        in_order(checksetup.check(mta), mta.name)


@scenario("check-setup 3.7: the snippets with the delivery agent as they stand are in order",
          setting="snippets alone")
def _(lab):
    mta = lab.mtas["3.7"]
    agent.start_filter(lab, mta)
    agent.start(lab, mta)
    report = checksetup.check(mta, with_agent(mta))
    # The lab's Postfix has addresses of its own to send from, as the agent of this lab has.
    expect({f["name"] for f in report.wrong()}, {"agent-settings"}, str(report))
    said, = [f["text"] for f in report.wrong()]
    check("smtp_bind_address (here: source)" in said, said)
    check({"agent-socket", "ticket-key"} <= report.names("ok"), str(report))


# How to break it: functions of the machine that are contexts, and give the configuration of the
# filter if that is what they break.

def main(**parameters):
    """main.cf with other values; None takes a parameter out."""
    @contextlib.contextmanager
    def break_it(mta):
        mta.configure(**parameters)
        yield None
    return break_it


def service(*settings):
    """master.cf with other parameters of services: `smtp/unix/name=value`."""
    @contextlib.contextmanager
    def break_it(mta):
        mta.postconf("-P", *(s.replace("PUBLIC6", f"[{mta.address6}]:25")
                             .replace("PUBLIC", f"{mta.address}:25")
                             .replace("SUBMIT", f"{mta.address}:587") for s in settings))
        yield None
    return break_it


def ours(old, new):
    """The filter's configuration with one thing for another."""
    @contextlib.contextmanager
    def break_it(mta):
        text = checksetup.configuration(mta)
        check(old in text, f"no {old!r} in the filter's configuration")
        yield text.replace(old, new)
    return break_it


def section(more, parameters=(), table=""):
    """The filter's configuration with more sections, beside main.cf with more parameters."""
    @contextlib.contextmanager
    def break_it(mta):
        (mta.etc / "requiretls_extra").write_text(table)
        mta.configure(**dict(parameters))
        yield checksetup.configuration(mta, more=more)
    return break_it


def routes(old, new):
    """The table of routes with one thing for another."""
    @contextlib.contextmanager
    def break_it(mta):
        file = mta.etc / "requiretls_routes"
        text = file.read_text()
        check(old in text, f"no {old!r} in {file}")
        file.write_text(text.replace(old, new))
        yield None
    return break_it


@contextlib.contextmanager
def _owned(path, uid, gid, mode):
    before = path.stat()
    os.chown(path, uid, gid)
    path.chmod(mode)
    try:
        yield None
    finally:
        os.chown(path, before.st_uid, before.st_gid)
        path.chmod(before.st_mode & 0o7777)


def owned(name, mode=0o660):
    """A socket, or with "" their directory, that belongs to another group."""
    return lambda mta: _owned(snippets.sockets(mta) / name, -1, 0, mode)


@contextlib.contextmanager
def outside(mta):
    """A socket that Postfix would find if it were not in its chroot."""
    mta.configure(smtpd_milters="unix:/run/requiretls-milter/milter.sock")
    text = checksetup.configuration(mta)
    yield text.replace("/var/spool/postfix/requiretls-milter/milter.sock",
                       "/run/requiretls-milter/milter.sock")


@contextlib.contextmanager
def not_loaded(mta):
    """Services that are in master.cf, but that the Postfix that runs does not have."""
    for name in ("master.cf", "requiretls_routes"):
        file = mta.etc / name
        file.write_text(file.read_text().replace("127.0.0.1:86", "127.0.0.1:76")
                        .replace("[127.0.0.1]:86", "[127.0.0.1]:76"))
    yield None


@contextlib.contextmanager
def tlsrpt_postfix(mta):
    mta.configure(smtp_tls_policy_maps=f"{SOCKETMAP}:postfix")
    yield checksetup.configuration(mta).replace("[socketmap]", "[socketmap]\ntlsrpt = yes")


@contextlib.contextmanager
def native_alone(mta):
    """Mail that requires TLS takes no route, and Postfix does not heed the header."""
    mta.configure(requiretls_esmtp_header="no")
    yield checksetup.configuration(mta).replace("\nroute = loop\n", "\nroute = native\n")


@contextlib.contextmanager
def old_table(mta):
    """requiretls_command as it once was."""
    (mta.etc / "requiretls_command").write_text(
        r"/^(MAIL\s+FROM:\s*<[^>]*>)(.*)\s+REQUIRETLS(\s.*)?$/ "
        "${1} SIZE=00000000000000008689${2}${3}\n")
    yield None


@contextlib.contextmanager
def without_resolv_conf(mta):
    file = mta.spool / "etc/resolv.conf"
    file.rename(file.with_suffix(".away"))
    try:
        yield None
    finally:
        file.with_suffix(".away").rename(file)


@contextlib.contextmanager
def unvalidated(mta):
    """Postfix's chroot has another resolver than this host, which does not validate."""
    file = mta.spool / "etc/resolv.conf"
    text = file.read_text()
    file.write_text(text.replace(layout.RESOLVER, layout.RESOLVER_NO_AD))
    try:
        yield None
    finally:
        file.write_text(text)


MILTER = "unix:requiretls-milter/milter.sock"
SOCKETMAP = "socketmap:unix:requiretls-milter/policy.sock"
RECIPIENT_ROUTE = "[route tagged]\nmethod = recipient\ncan = dane, sts\n"
EXTRA = "regexp:/etc/postfix/requiretls_extra"

# name -> (how to break it, on which machines, what is found to be wrong, a part of the remedy)
BREAKS = {
    "default action accept": (main(milter_default_action="accept"), BOTH,
                              {"milter-default-action"}, "tempfail"),
    "no filter": (main(smtpd_milters="", non_smtpd_milters=MILTER), BOTH, {"milter-service"}, "smtpd_milters = unix:"),
    "no milters": (main(receive_override_options="no_milters"), BOTH, {"milter-service"},
                   "take no_milters out"),
    "protocol 4": (main(milter_protocol="4"), BOTH, {"milter-protocol"}, "milter_protocol = 6"),
    "a timeout that is too short": (main(milter_command_timeout="3s"), BOTH, {"milter-timeout"},
                                    "milter_command_timeout = 30s"),
    "socket outside of the chroot": (outside, BOTH, {"milter-socket"}, "below the queue directory"),
    "socket of another group": (owned("milter.sock"), BOTH, {"milter-socket"}, "-g postfix -m 2750"),
    "map's socket of another group": (owned("policy.sock"), BOTH, {"map-socket"}, "-g postfix -m 2750"),
    "directory of another group": (owned("", 0o750), BOTH, {"milter-socket"},
                                   "-g postfix -m 2750"),
    "no such map": (main(smtp_tls_policy_maps=f"{SOCKETMAP}:nonsense"), BOTH,
                    {"map-name"}, "names of the maps"),
    "a map for something else": (main(smtp_tls_policy_maps=f"{SOCKETMAP}:requiretls"), BOTH,
                                 {"map-name"}, "QUERY"),
    "a map without its name": (main(smtp_tls_policy_maps=SOCKETMAP), BOTH, {"map-policy"},
                               f"{SOCKETMAP}:QUERY"),
    "no map": (main(smtp_tls_policy_maps=None), BOTH, {"map-policy"}, f"{SOCKETMAP}:QUERY"),
    "TLSRPT attributes": (main(smtp_tls_policy_maps=f"{SOCKETMAP}:QUERYwithTLSRPT"), ("3.7",),
                          {"map-tlsrpt"}, "QUERY"),
    "TLSRPT attributes of the map postfix": (tlsrpt_postfix, ("3.7",), {"map-tlsrpt"},
                                             "tlsrpt = no"),
    "no bounces": (main(internal_mail_filter_classes=None), ("3.7",), {"bounces"}, "bounce"),
    "no filter for locally submitted mail": (main(non_smtpd_milters=None), ("3.7",), {"non-smtpd-milters"},
                               "non_smtpd_milters = unix:"),
    "others' milters alone": (
        main(smtpd_milters="inet:localhost:8891, unix:requiretls-milter/milter.sokc",
             non_smtpd_milters="$smtpd_milters"),
        ("3.7",), {"milter-service"}, f"{MILTER}, inet:localhost:8891'"),
    "no DNSSEC": (main(smtp_dns_support_level=None), BOTH, {"dns-support-level"}, "dnssec"),
    "no TLS": (main(smtp_tls_security_level="none"), BOTH, {"tls-security-level"}, "dane"),
    "no CA": (main(smtp_tls_CAfile=None), BOTH, {"mta-ca"}, "ca-certificates.crt"),
    "a CA file that is not there": (main(smtp_tls_CAfile="/etc/ssl/nothing.crt"), BOTH,
                                    {"mta-ca"}, "ca-certificates.crt"),
    "a CA file without certificates": (main(smtp_tls_CAfile="/etc/postfix/main.cf"), BOTH,
                                       {"mta-ca"}, "ca-certificates.crt"),
    "no certificate": (main(smtpd_tls_chain_files=None), BOTH, {"smtpd-tls"}, "chain_files"),
    "no STARTTLS": (service("PUBLIC/inet/smtpd_tls_security_level=none"), BOTH, {"smtpd-tls"},
                    "smtpd_tls_security_level = may"),
    "the filter's CA": (ours(str(ca.ca_file()), "/etc/ssl/nothing.crt"), BOTH, {"filter-ca"},
                        "ca_file"),
    "no marker": (service(*(f"{place}/inet/smtpd_command_filter="
                            for place in ("PUBLIC", "PUBLIC6", "SUBMIT"))),
                  ("3.7",), {"marker"}, "requiretls_command"),
    "swallowed: a command filter in main.cf": (
        main(smtpd_command_filter="regexp:/etc/postfix/requiretls_command"), ("3.7",),
        {"marker-swallowed"}, "-X 'smtpd_command_filter'"),
    "swallowed: by a service with no_milters": (
        service("SUBMIT/inet/receive_override_options=no_milters"), ("3.7",),
        {"milter-service"}, "receive_override_options="),
    "swallowed: by a service with other milters": (
        service("SUBMIT/inet/smtpd_milters=inet:localhost:8891"), ("3.7",), {"marker-swallowed"},
        "smtpd_milters=unix:requiretls-milter/milter.sock,inet:localhost:8891"),
    "swallowed: a client that smtpd_milter_maps names": (
        section("", {"smtpd_milter_maps": "cidr:/etc/postfix/requiretls_extra"},
                "# not for our own\n192.0.2.0/24\n   DISABLE\n"),
        ("3.7",), {"marker-swallowed"}, "smtpd_milter_maps"),
    "a command filter that cuts quoted local parts": (old_table, ("3.7",), {"marker"},
                                                      "requiretls_command"),
    "another marker": (ours("[milter]\n", "[milter]\nmarker = SIZE=0001\n"), ("3.7",), {"marker"},
                       "marker"),
    "a marker for who knows REQUIRETLS": (
        section("", {"smtpd_command_filter": EXTRA},
                "/^(MAIL FROM:<[^>]*>) REQUIRETLS$/ ${1} SIZE=00000000000000008689\n"),
        ("3.11",), {"marker"}, "before 3.11"),
    "headers that only Postfix believes": (
        ours("accept_header = any", "accept_header = authenticated"), ("3.11",), {"accept-header"},
        "requiretls_esmtp_header = no"),
    "REQUIRETLS turned off": (main(requiretls_enable="no"), ("3.11",), {"requiretls-enable"},
                              "requiretls_enable = yes"),
    "levels that Postfix does not know": (
        section("[rule partners]\nnexthop = partner.example\nlevel = opportunistic\n",
                {"smtp_requiretls_policy": None}),
        ("3.11",), {"requiretls-policy"}, f"{SOCKETMAP}:requiretls, enforce"),
    "a proxy filter": (service("PUBLIC/inet/smtpd_proxy_filter=127.0.0.1:10025"), BOTH,
                       {"proxy-filter"}, "hands the mail back"),
    "FILTER beside content_filter": (main(content_filter="scan:[127.0.0.1]:10025"), BOTH,
                                     {"content-filter"}, "behind the scanner"),
    "routes that Postfix does not know": (main(milter_header_checks=None), BOTH, {"route-header"},
                                          "FILTER requiretls:"),
    "routes in a table that is not there": (
        main(milter_header_checks="regexp:/etc/postfix/nothing"), BOTH, {"route-header"},
        "mend the table"),
    "a route without a line": (section("[route extra]\nmethod = header\n"), BOTH,
                               {"route-header"}, "before the one that catches all"),
    "a route to no transport": (routes("FILTER requiretls:", "FILTER lost:"), BOTH,
                                {"route-transport"}, "master.cf"),
    "a route that cannot": (routes("strict$/           FILTER requiretls:",
                                   "strict$/           FILTER smtp:"), BOTH, {"route-can"},
                            "the map enforce"),
    "a table of status that is not there": (
        service("requiretls/unix/smtp_delivery_status_filter=regexp:/etc/postfix/nothing"), BOTH,
        {"route-status"}, "smtp_delivery_status_filter="),
    "an exit route that demands too much": (
        routes("FILTER requiretls-optional:", "FILTER requiretls:"), BOTH, {"route-can"},
        "another transport"),
    "a reinjection route to nobody": (routes("[127.0.0.1]:86", "[127.0.0.1]:76"), BOTH,
                             {"route-reinjection"}, "add that smtpd"),
    "a reinjection route that nobody has loaded": (not_loaded, BOTH, {"route-reinjection"}, "does not run as master.cf"),
    "a reinjection route to another host": (routes("requiretls-loop:[127.0.0.1]:", "smtp:[192.0.2.99]:"), BOTH,
                                  {"route-reinjection"}, "127.0.0.1"),
    "reinjected mail, without its rule": (ours("daemon = requiretls-loop\n", "daemon = other\n"),
                                          BOTH, {"route-reinjection"}, "a [rule] with `daemon"),
    "reinjected mail, nothing says that it requires TLS": (
        ours("daemon = requiretls-loop\nrequest = require\n", "daemon = requiretls-loop\n"),
        ("3.7",), {"route-reinjection"}, "`request = require`"),
    "reinjected mail, a route that does not enforce": (
        ours("request = require\nroute = strict\n", "request = require\nroute = native\n"),
        ("3.7",), {"route-reinjection"}, "`route = strict`"),
    "reinjected mail, without an exit route for TLS-Required: No": (
        ours("route = strict\noptional_route = optional\n", "route = strict\n"), BOTH,
        {"route-reinjection"}, "`optional_route = optional`"),
    "reinjected mail, from an address of another network": (
        service("requiretls-loop/unix/smtp_bind_address=192.0.2.7"), BOTH, {"route-reinjection"},
        "smtp_bind_address=127.0.0.1"),
    "reinjected mail, Postfix does not mark it": (
        service("requiretls-cleanup/unix/requiretls_esmtp_header=no"), ("3.11",),
        {"route-reinjection"}, "requiretls_esmtp_header = yes"),
    "local_mailers with smtp(8) in it": (
        ours("[milter]\n", "[milter]\nlocal_mailers = local, virtual, error, retry, discard, rel*\n"),
        BOTH, {"local-mailers"}, "take it out of local_mailers"),
    "local_mailers without a transport in use": (
        ours("[milter]\n", "[milter]\nlocal_mailers = local, virtual, error, retry\n"), BOTH,
        {"local-mailers"}, "add discard to local_mailers"),
    "tags that Postfix does not know": (section(RECIPIENT_ROUTE), BOTH, {"route-tag"},
                                        "transport_maps"),
    "tags that are seen outside": (
        section(RECIPIENT_ROUTE, {"transport_maps": EXTRA},
                "/@(.*)\\.tagged\\.requiretls\\.invalid$/ requiretls:$1\n"),
        BOTH, {"route-tag"}, "regexp table"),
    "no AD": (ours("[cache]", f"[dns]\nresolvers = {layout.RESOLVER_NO_AD}\n[cache]"), BOTH,
              {"resolver"}, "resolvers = 127.0.0.1"),
    "no AD for Postfix": (unvalidated, ("3.7",), {"mta-resolver"}, "validates"),
    "no resolv.conf in the chroot": (without_resolv_conf, ("3.7",), {"mta-resolver"}, "install -D"),
    "no such user": (ours("user = nobody", "user = nobody-here"), BOTH, {"user"}, "useradd"),
    "a store that cannot be written": (ours(f"{checksetup.STORE}/", "/etc/"), BOTH, {"store"},
                                       "install -d"),
}


def mend(mta, report):
    """Carries out what it says, where that is about Postfix's configuration alone."""
    commands = [command for f in report.wrong() for command in f["commands"]]
    if all(c.startswith("postfix ") for c in commands) or any(not c.startswith(("postconf ", "install -m 0644 ", "postfix "))
                           for c in commands):
        return False
    checksetup.furnish(mta)
    for command in commands:
        if not command.startswith("postfix "):  # that runs with its own, not with the copy
            mta.run("sh", "-ec", command)
    return True


def broken(lab, mta, name):
    break_it, _, names, remedy = BREAKS[name]
    mta = checksetup.Copy(mta)
    with break_it(mta) as text:
        report = checksetup.check(mta, text)
        what = f"{name}\n{report}"
        expect((report.code, report.names("error", "unknown")), (1, names), what)
        check(any(remedy in r for each in names for r in report.remedies(each)),
              f"no remedy with {remedy!r}: {what}")
        if mend(mta, report):
            in_order(checksetup.check(mta, text), f"{name}, mended")


def each(name, mta_name):
    @scenario(f"check-setup {mta_name}: {name}", setting="snippets alone")
    def _(lab):
        daemon(lab, lab.mtas[mta_name])
        broken(lab, lab.mtas[mta_name], name)


for name, (_, mta_names, _, _) in BREAKS.items():
    for mta_name in mta_names:
        each(name, mta_name)


def both(name):
    def register(function):
        for mta_name in BOTH:
            scenario(f"check-setup {mta_name}: {name}", setting="snippets alone")(
                lambda lab, mta_name=mta_name: function(lab, lab.mtas[mta_name]))
        return function
    return register


@both("daemon down, or somebody else in its place")
def _(lab, mta):
    running = daemon(lab, mta)
    path = snippets.sockets(mta) / "milter.sock"
    running.stop()
    try:
        report = checksetup.check(mta)
        expect((report.code, report.names("error", "unknown")), (1, {"daemon"}), str(report))
        check("systemctl restart" in report.remedies("daemon")[0], str(report))
        expect({f["name"] for f in report.wrong()[0]["follows"]}, {"milter-socket", "map-socket"},
               str(report))
        with socketserver.ThreadingUnixStreamServer(str(path), Greeter) as server:
            path.chmod(0o777)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            report = checksetup.check(mta)
            server.shutdown()
        check("milter-socket" in report.names("error"), str(report))
        check(all("it is not requiretls-milter" in r for r in report.remedies("milter-socket")),
              str(report))
        path.unlink()
    finally:
        running.start()
    in_order(checksetup.check(mta), "started again")
    running.process.kill()
    running.process.wait()
    try:
        report = checksetup.check(mta)
        check("Connection refused" in str(report), str(report))
        expect((report.code, report.names("error", "unknown")), (1, {"daemon"}), str(report))
    finally:
        running.start()


@scenario("check-setup 3.7: the delivery agent is stopped, out of reach, or has no key",
          setting="snippets alone")
def _(lab):
    mta = lab.mtas["3.7"]
    agent.start_filter(lab, mta)
    running = agent.start(lab, mta)
    socket, key = snippets.agent_socket(mta), agent.KEYS / "ticket.key"

    def remedy(name):
        report = checksetup.check(mta, with_agent(mta))
        expect((report.code, report.names("error", "unknown")), (1, {name}), str(report))
        found, = report.remedies(name)
        return found

    for path, mode, wanted in ((socket, 0o660, "chgrp postfix"), (socket.parent, 0o700, "-g postfix -m 2750")):
        with _owned(path, -1, 0, mode):
            check(wanted in remedy("agent-socket"), wanted)
    with _owned(key, 0, 0, 0o640):
        check(f"chown nobody '{key}'" in remedy("ticket-key"), "another's key")
    with _owned(key, -1, -1, 0o644):
        check(f"chmod 0640 '{key}'" in remedy("ticket-key"), "a key for all to read")
    start = "systemctl enable --now requiretls-deliver.socket requiretls-deliver.service"
    agent.killed(running)
    try:
        check(start in remedy("agent-socket"), "killed: the socket is there")
        socket.unlink()
        check(start in remedy("agent-socket"), "stopped: no socket")
    finally:
        running.start()


@scenario("check-setup 3.7: the configuration of the delivery agent alone", setting="snippets alone")
def _(lab):
    mta = lab.mtas["3.7"]
    agent.start_filter(lab, mta)
    running = agent.start(lab, mta)
    report = checksetup.Report(checksetup.run(mta, "-c", str(running.file), "--check-setup", "--json"))
    expect((report.names("error"), report.names("unknown")), (set(), {"mta"}), str(report))
    check("run this check without -c" in report.remedies("mta")[0], str(report))
    check("requiretls-milter/" not in "".join(c for f in report.findings for c in f["commands"]), str(report))


@scenario("check-setup 3.7: the file has changed since the daemon read it", setting="snippets alone")
def _(lab):
    mta = lab.mtas["3.7"]
    running = daemon(lab, mta)

    def state():
        report = checksetup.Report(checksetup.run(mta, "-c", str(running.file), "--check-setup", "--json"))
        return [(f["state"], f["commands"]) for f in report.findings if f["name"] == "daemon-configuration"]

    expect(state(), [("ok", [])], "as it was read")
    running.file.touch()
    expect(state(), [("warning", ["systemctl reload requiretls-milter"])], "changed")
    running.process.send_signal(signal.SIGUSR1)
    procs.wait_for(lambda: "reloaded" in running.log(), "the reload")
    expect(state(), [("ok", [])], "read anew")


class Greeter(socketserver.BaseRequestHandler):
    """Something that is no milter."""

    def handle(self):
        self.request.sendall(b"220 this is something else entirely\r\n")


@scenario("check-setup 3.7: who is not root learns what cannot be known", setting="snippets alone")
def _(lab):
    mta = lab.mtas["3.7"]
    daemon(lab, mta)
    report = checksetup.check(mta, prefix=["setpriv", "--reuid", "nobody", "--clear-groups"])
    expect((report.code, report.names("error"), report.names("unknown")),
           (75, set(), {"milter-socket"}), str(report))
    check("as root" in report.remedies("milter-socket")[0], str(report))


@contextlib.contextmanager
def without_shared_server(mta):
    """A shared cache whose key is in order, and whose server is not there."""
    sharing.prepare("a password")
    keys = f"[cache]\nshared = redis://127.0.0.1:1\nshared_key = {sharing.KEY}\nshared_password = {sharing.PASSWORD}\n"
    with ours("[cache]\n", keys)(mta) as text:
        yield text


# What is not wrong, but not as good as it could be: exit status 0, and a warning.
WARNED = {
    "default action quarantine": (main(milter_default_action="quarantine"), BOTH,
                                  {"milter-default-action"}),
    "no bounces": (main(internal_mail_filter_classes=None), ("3.11",), {"bounces"}),
    "no filter for locally submitted mail": (main(non_smtpd_milters=None), ("3.11",), {"non-smtpd-milters"}),
    "another policy server": (main(smtp_tls_policy_maps="socketmap:unix:other/socket:QUERY"), BOTH,
                              {"map-policy"}),
    "an smtpd without the filter": (
        service("PUBLIC/inet/smtpd_milters=", "PUBLIC/inet/smtpd_command_filter="), BOTH,
        {"milter-service"}),
    "relayed mail by the map enforce": (
        service(f"relay/unix/smtp_tls_policy_maps={SOCKETMAP}:enforce"), BOTH, {"map-enforce"}),
    "a header that only the filter heeds": (native_alone, ("3.11",), {"accept-header"}),
    "recipients that are reinjected together": (
        main(**{"requiretls-loop_destination_recipient_limit": None}), BOTH, {"route-reinjection"}),
    "a milter that may sign before the filter": (
        main(non_smtpd_milters=f"inet:localhost:8891, {MILTER}"), ("3.7",), {"milter-order"}),
    "no table of status": (service("requiretls/unix/smtp_delivery_status_filter="), ("3.7",),
                           {"route-status"}),
    "REQUIRETLS, and no route for it": (ours("\nroute = loop\n", "\nroute = native\n"), ("3.7",),
                                        {"route-native"}),
    "probes that leave from another address": (ours("[probe]\nsource = ", "[probe]\n# "), ("3.11",), {"probe"}),
    "a shared cache without a server": (without_shared_server, BOTH, {"shared-cache"}),
    "policies in memory": (ours("[cache]\nstore = sqlite:", "[cache]\nstore = memory\n# "), BOTH,
                           {"store"}),
}


@scenario("check-setup: what could be better is a warning, and no error", setting="snippets alone",
          machines=BOTH)
def _(lab):
    for name, (break_it, mta_names, names) in WARNED.items():
        for mta in (lab.mtas[mta_name] for mta_name in mta_names):
            daemon(lab, mta)
            copy = checksetup.Copy(mta)
            with break_it(copy) as text:
                report = checksetup.check(copy, text)
            expect((report.code, report.names("warning", "error", "unknown")), (0, names),
                   f"{mta.name}, {name}\n{report}")


def misread(name, old, new, says, known, left_out):
    """An error in the file: says, how it is named; known, what is looked at all the same; left_out: the
    start of what is not."""
    @scenario(f"check-setup: an error in the configuration file, {name}", setting="snippets alone",
              machines=BOTH)
    def _(lab):
        for mta in lab.mtas.values():
            daemon(lab, mta)
            copy = checksetup.Copy(mta)
            copy.configure(milter_default_action="accept", smtp_dns_support_level=None)
            text = checksetup.configuration(copy)
            check(old in text, f"no {old!r} in the filter's configuration")
            report = checksetup.check(copy, text.replace(old, new, 1))
            expect(report.code, 78, str(report))
            first = report.findings[0]
            expect((first["state"], first["name"]), ("error", "configuration"), str(report))
            check(says in first["text"] and first["remedy"], str(report))
            expect({f["name"] for f in report.wrong()},
                   {"configuration", "milter-default-action", "dns-support-level"}, str(report))
            expect(known - report.names("ok"), set(), str(report))
            said = [f["text"] for f in first["follows"] if f["name"] == "not-examined"]
            for words in left_out:
                check(any(text.startswith(words) for text in said), f"{words}\n{report}")
            expect(bool(said), bool(left_out), str(report))


misread("of a key", "[milter]\n", "[milter]\nrcpt_wait = soon\n", ":4: rcpt_wait = soon",
        {"milter-socket", "map-socket", "mta", "mta-ca", "store", "resolver"}, ["milter-timeout:"])
misread("of the socket", "socket = unix:", "socket = somewhere:", ": socket = somewhere:",
        {"milter-socket", "mta", "mta-ca", "store", "resolver"}, ["map-name", "route"])
misread("of a section", "[socketmap]\n", "[socket map]\n", "[socket map]",
        {"milter-socket", "mta", "mta-ca"}, ["marker", "map-name", "user", "resolver", "probe:"])
misread("of the probe", "[probe]\n", "[probe]\nttl = soon\n", ": ttl = soon",
        {"milter-socket", "map-socket", "route", "store", "resolver"}, ["probe:"])
misread("of what is for the log", "[milter]\n", "[log]\nfacility = house\n[milter]\n", ":4: facility = house",
        {"milter-socket", "map-socket", "route", "store", "resolver"}, [])


@scenario("check-setup 3.7: an error in the configuration file, and no daemon", setting="snippets alone",
          machines=["3.7"])
def _(lab):
    mta = lab.mtas["3.7"]
    copy = checksetup.Copy(mta)
    text = checksetup.configuration(copy).replace("[milter]\n", "[milter]\nrcpt_wait = soon\n")
    running = daemon(lab, mta)
    running.stop()
    try:
        copy.configure(internal_mail_filter_classes=None)
        report = checksetup.check(copy, text.replace("[cache]\n", "[cache]\nmax_ttl = x\n"))
        expect((report.code, [f["name"] for f in report.wrong()]),
               (78, ["configuration", "configuration", "bounces"]), str(report))
        expect({f["name"] for f in report.findings[1]["follows"]},
               {"daemon", "milter-socket", "map-socket", "not-examined"}, str(report))
    finally:
        running.start()


@scenario("check-setup 3.7: an error in the configuration file, and another to mend by it",
          setting="snippets alone", machines=["3.7"])
def _(lab):
    mta = lab.mtas["3.7"]
    daemon(lab, mta)
    text = checksetup.configuration(mta).replace("[milter]\n", "[milter]\nrcpt_wait = soon\n")
    report = checksetup.check(mta, re.sub(r"store = .*", "store = memory", text))
    file = layout.RUN / f"check-setup-{mta.name}.conf"
    check(f"requiretls-milter -t -c '{file}' && systemctl restart requiretls-milter"
          in report.remedies("store")[0], str(report))


@scenario("check-setup: usage, and text for people", setting="snippets alone", machines=["3.7"])
def _(lab):
    mta = lab.mtas["3.7"]
    daemon(lab, mta)
    where = ["-c", str(layout.RUN / f"check-setup-{mta.name}.conf"), "--check-setup"]
    checksetup.check(mta)  # writes the file
    for words, code in ((["--mta", "exim"], 64), (["example.org"], 64), (["--explain"], 64),
                        (["--mta", "postfix:/nowhere"], 75), (["-c", "/nowhere"], 78),
                        (["--mta", "postfix:/etc/postfix"], 0), ([], 0)):
        done = checksetup.run(mta, *where, *words)
        expect(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
    expect(done.stdout.splitlines()[-1], "all in order", done.stdout)
    copy = checksetup.Copy(mta)
    copy.configure(milter_default_action="accept")
    text = checksetup.run(copy, *where).stdout
    check("\nerror    milter-default-action: accept in main.cf" in "\n" + text, text)
    check("\n         -> as root:\n"
          f"            postconf -c '{copy.etc}' -e 'milter_default_action = tempfail'\n"
          f"            postfix -c '{copy.etc}' reload\n" in text, text)


@scenario("check-setup: what postmap and postconf warn of is no finding", setting="snippets alone",
          machines=BOTH)
def _(lab):
    for mta in lab.mtas.values():
        daemon(lab, mta)
        copy = checksetup.Copy(mta)
        main = copy.etc / "main.cf"
        main.write_text(main.read_text() + "in_flow_delay = 1\nin_flow_delay = 0\nno_such_parameter = 1\n")
        copy.cool()
        done = copy.run("sh", "-c", f"postmap -c {copy.etc} -q x static:y 2>&1; postconf -c {copy.etc} -x 2>&1")
        check(": warning: " in done, done)
        in_order(checksetup.check(copy), mta.name)


@both("reinjected mail, without the filter")
def _(lab, mta):
    daemon(lab, mta)
    copy = checksetup.Copy(mta)
    for port in (8689, 8690, 8691, 8692):
        if f"127.0.0.1:{port} " in (copy.etc / "master.cf").read_text():
            copy.postconf("-P", f"127.0.0.1:{port}/inet/smtpd_milters=")
    report = checksetup.check(copy)
    names = set() if mta.modern else {"route-reinjection"}  # 3.11 knows its own mark
    expect((report.code, report.names("error", "unknown")), (1 if names else 0, names), str(report))


@both("with and without chroots")
def _(lab, mta):
    daemon(lab, mta)
    for chroot in "yn":
        copy = checksetup.Copy(mta)
        copy.postconf("-F", *(f"{service}/chroot = {chroot}" for service in (
            "*/inet", "cleanup/unix", "smtp/unix", "relay/unix", "requiretls/unix")))
        in_order(checksetup.check(copy), f"chroot {chroot}")

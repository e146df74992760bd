"""Configurations of the machines under test made of the snippets in etc/, merged as an administrator
would merge them, and taken as they stand but for what is named here.

A setting is a configuration of Postfix by name; scenarios say which one they want (scenario.py):
None is the lab's own, with a static policy map; `snippets` is that of etc/. For the others see
SETTINGS.
"""

import os
import pwd
import re

import layout
import procs

DIRECTORIES = {"mta311": "postfix-3.11", "mta310": "postfix-older", "mta37": "postfix-older"}
SOCKETS = "requiretls-milter"  # below the queue directory
AGENT_SOCKETS = "requiretls-deliver"  # likewise
TLSRPT_SOCKET = "lab-tlsrpt"  # likewise; see tlsrpt.py

# The lab's own lines beside the snippet. The sender `enforce@` stands for a route to the transport of
# the snippet; TLS reports go to a socket of the lab.
ALWAYS = """
smtpd_sender_restrictions = inline:{ {enforce@sender.test = FILTER requiretls:} }
"""
ONLY311 = f"""
smtp_tlsrpt_enable = yes
smtp_tlsrpt_socket_name = {TLSRPT_SOCKET}
smtp_tlsrpt_skip_reused_handshakes = no
"""
# A stranger whom the machine relays for, but who is not trusted.
STRANGERS = f"""
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated,
    check_client_access inline:{{ {{{layout.client("own", layout.STRANGER)} = OK}} }},
    reject_unauth_destination
"""


def etc(*parts):
    return layout.TREE.joinpath("etc", *parts)


def parameters(text):
    """main.cf as a list of (name, its lines); comments and blank lines are left out."""
    found = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":
            found[-1][1].append(line)
        else:
            found.append((line.partition("=")[0].strip(), [line]))
    return found


def merged(base, *added):
    """main.cf with other lines added; a parameter given twice counts as given last."""
    whole = {}
    for text in (base, *added):
        whole.update(parameters(text))
    return "\n".join(line for lines in whole.values() for line in lines) + "\n"


def moving(section):
    """The lines of main.cf that etc/MOVING shows in a section of that title."""
    lines = [line.strip() for line in section_of("MOVING", section).splitlines()
             if re.match(r"    smtp_\S+ = ", line)]
    if not lines:
        raise procs.LabError(f"{section} of etc/MOVING shows no line of main.cf")
    return "\n".join(lines) + "\n"


def section_of(file, title):
    """The text below a title of a file in etc/, up to the next title."""
    part = re.search(rf"^{re.escape(title)}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)",
                     etc(file).read_text(), re.M | re.S)
    if not part:
        raise procs.LabError(f"etc/{file} has no section {title}")
    return part[1]


def placement(title, file):
    """What a section of etc/PLACEMENT shows for main.cf, master.cf or requiretls-milter.conf."""
    part = re.search(rf"^In {re.escape(file)}\b[^:]*:\n\n((?: {{4}}.*\n|\n)+)",
                     section_of("PLACEMENT", title), re.M)
    return re.sub("^    ", "", part[1], flags=re.M) if part else ""


def scanner_port(instance, port):
    """The two machines share their loopback interface."""
    return port if instance.modern else port + 10


def _ports(instance, text):
    return re.sub(r"\b(1002[45])\b", lambda m: str(scanner_port(instance, int(m[1]))), text)


def _placed(title, change=lambda added: added, whole=lambda master: master):
    """The snippets with what a section of etc/PLACEMENT says; change: of its part of master.cf, whole:
    of all of that."""
    def make(instance, main, master):
        main, master = _with_snippet()(instance, main, master)
        main = merged(main, _ports(instance, placement(title, "main.cf")))
        added = _ports(instance, placement(title, "master.cf"))
        own = re.match(r"smtp\s+inet .*\n((?:\s+-o .*\n)+)", added)
        if own:  # the service smtp of an ordinary master.cf; the lab's go by addresses
            added = added[own.end():]
            master = _for_others(master, own[1])
        return main, whole(master + change(added))
    return make


def _refused(master):
    """master.cf after what etc/PLACEMENT has for a proxy that writes its own MAIL."""
    setting = re.search(r"^ +postconf -P 'smtp/inet/(smtpd_command_filter=)'$",
                        section_of("PLACEMENT", "Behind a proxy filter"), re.M)
    if not setting:
        raise procs.LabError("etc/PLACEMENT takes REQUIRETLS before every proxy")
    return master.replace(command_filter(), f"    -o {setting[1]}\n")


def merged_ini(text, added):
    """requiretls-milter.conf with sections and keys of another put in or in the place of its own."""
    sections = {}
    for part in (text, added):
        title = None
        for line in part.splitlines():
            if line.startswith("["):
                title = line
            key = line.partition("=")[0].strip() if re.match(r"\w+ *=", line) else line
            if line.strip() and not line.startswith("#"):
                sections.setdefault(title, {})[key] = line
    return "\n\n".join("\n".join(lines.values()) for lines in sections.values()) + "\n"


def _chroot(programs, value):
    """Sets the chroot column of master.cf for the services that run these programs."""
    def change(master):
        return re.sub(rf"^(\S+\s+(?:unix|inet)\s+\S+\s+\S+\s+)[yn-](\s.*\s(?:{programs})\n)",
                      rf"\g<1>{value}\2", master, flags=re.M)
    return change


def _no_second_filter(master):
    """master.cf without the filter on the smtpd by which mail is reinjected."""
    return re.sub(r"(-o smtpd_milters=)unix:\S+", r"\1", master)


def _no_services(master):
    """master.cf without the smtpds by which mail is reinjected."""
    return re.sub(r"^127\.0\.0\.1:86\d\d .*\n(?:    .*\n)+", "", master, flags=re.M)


def _one_map(name):
    """smtp_tls_policy_maps is that map, by inet."""
    return f"smtp_tls_policy_maps = socketmap:inet:127.0.0.1:{layout.SOCKETMAP_PORT}:{name}\n"


def _for_others(master, options):
    """master.cf with more lines for the services that take mail from others."""
    return re.sub(r"^(\S+:(?:25|587)\s+inet\s.*\n)", lambda m: m[1] + options, master, flags=re.M)


def command_filter():
    """What etc/postfix-older/README has an administrator set with postconf -P, as lines of master.cf."""
    found = re.findall(r"^ +postconf -P 'smtp/inet/(\S+)'$", etc("postfix-older", "README").read_text(),
                       re.M)
    if not found:
        raise procs.LabError("etc/postfix-older/README sets nothing for the service smtp")
    return "".join(f"    -o {setting}\n" for setting in found)


def _with_snippet(more="", change=lambda master: master):
    """The snippets of etc/, and more."""
    def make(instance, main, master):
        directory = etc(DIRECTORIES[instance.name])
        main = re.sub(r"^smtpd_command_filter\s*=.*\n", "", main, flags=re.M)  # the lab's own
        main = merged(main, (directory / "main.cf").read_text(), ALWAYS,
                      ONLY311 if instance.modern else "", more)
        if not instance.modern:
            master = _for_others(master, command_filter())
        master += (directory / "master.cf").read_text()
        for table in directory.glob("requiretls_*"):
            (instance.etc / table.name).write_text(table.read_text())
        for name in (SOCKETS, AGENT_SOCKETS):
            where = instance.spool / name
            where.mkdir(exist_ok=True)
            os.chown(where, pwd.getpwnam("nobody").pw_uid, instance.owner("postfix")[1])
            where.chmod(0o750)
        return main, change(master)
    return make


def _sent_to(instance, main, master):
    """The snippets for older Postfix; 3.11 is as it is without a filter, a next-hop for the others."""
    return (main, master) if instance.modern else _with_snippet()(instance, main, master)


def _moved(section, without=(), **others):
    """The lab's main.cf with the lines of a section of etc/MOVING and nothing else of ours."""
    def make(instance, main, master):
        lines = moving(section)
        if not instance.modern:  # as etc/MOVING tells
            lines = lines.replace("QUERYwithTLSRPT", "QUERY")
        lines += "".join(f"{name} = {value}\n" for name, value in others.items())
        main = "\n".join(line for line in main.splitlines() if line.split(" =")[0] not in without)
        return merged(main, *(line for line in lines.splitlines()
                              if line.split(" =")[0] not in without)), master
    return make


# name -> what makes main.cf and master.cf of the lab's own
def _for_customers(master):
    """One more service for reinjected messages, as etc/postfix-older/README has it."""
    service = re.search(r"^127\.0\.0\.1:8689 .*\n(?:    -o .*\n)+", master, re.M)
    if not service:
        return master
    return master + service[0].replace("8689", "8693").replace(
        "daemon_name=requiretls-loop", "daemon_name=requiretls-loop-customers")


# Services of an administrator's own that ask no filter: port -> what keeps it from that.
UNFILTERED = {2525: "receive_override_options=no_milters", 2526: "smtpd_milters="}


def _unfiltered(master):
    """Those beside the others that master.cf has for other hosts."""
    address = re.search(r"^(\d\S+):25\s", master, re.M)[1]
    return master + "".join(f"{address}:{port} inet n - y - - smtpd\n    -o {option}\n"
                            for port, option in UNFILTERED.items())


CUSTOMERS = """
milter_header_checks =
    regexp:{ {/^X-REQUIRETLS-Route: loop-customers$$/ FILTER requiretls-loop:[127.0.0.1]:8693} }
    regexp:/etc/postfix/requiretls_routes
"""

SETTINGS = {
    "snippets": _with_snippet(),
    "agent": _sent_to,
    # Without the lab's way to choose a milter, or none, by the client's address.
    "snippets alone": _with_snippet("smtpd_milter_maps =\n"),
    "snippets, services without the filter": _with_snippet(change=_unfiltered),
    "snippets, a service for customers": _with_snippet(CUSTOMERS, _for_customers),
    "snippets, chrooted": _with_snippet(change=_chroot("smtpd|cleanup|smtp", "y")),
    "snippets, not chrooted": _with_snippet(change=_chroot("smtpd|cleanup|smtp", "n")),
    "snippets, no services of the loop": _with_snippet(change=_no_services),
    "snippets, no second filter": _with_snippet(change=_no_second_filter),
    "snippets, strangers may relay": _with_snippet(STRANGERS),
    "behind a content filter": _placed("Behind a content filter"),
    "behind a content filter, its own cleanup": _placed("Behind a content filter", lambda added:
        added + "    -o cleanup_service_name=requiretls-cleanup\n"),
    "behind a proxy filter": _placed("Behind a proxy filter"),
    "behind a proxy filter that writes its own MAIL": _placed("Behind a proxy filter", whole=_refused),
    "behind a proxy filter, the filter before it alone": _placed("Behind a proxy filter",
                                                                 _no_second_filter),
    "opportunistic+starttls": _with_snippet(_one_map("opportunistic+starttls")),
    "from postfix-tlspol": _moved("From postfix-tlspol"),
    "from postfix-mta-sts-resolver": _moved("From postfix-mta-sts-resolver"),
    "from postfix-mta-sts-resolver, may": _moved(
        "From postfix-mta-sts-resolver", smtp_tls_security_level="may"),
    "from postfix-mta-sts-resolver, may alone": _moved(
        "From postfix-mta-sts-resolver", ("smtp_tls_dane_insecure_mx_policy",), smtp_tls_security_level="may"),
    "from postfix-mta-sts-resolver, without DNSSEC": _moved(
        "From postfix-mta-sts-resolver", ("smtp_dns_support_level",), smtp_tls_security_level="may"),
}


def apply(instance, setting):
    """Gives a machine under test that setting, if it has another; it then runs with it."""
    note = instance.where / "setting"
    current = note.read_text() if note.exists() else ""
    if current == (setting or ""):
        return
    kept = instance.where / "own"
    if not kept.exists():
        kept.mkdir()
        for name in ("main.cf", "master.cf"):
            (kept / name).write_text((instance.etc / name).read_text())
    main, master = (kept / "main.cf").read_text(), (kept / "master.cf").read_text()
    if setting:
        main, master = SETTINGS[setting](instance, main, master)
    procs.replace(instance.etc / "main.cf", main)
    procs.replace(instance.etc / "master.cf", master)
    instance.reload()
    note.write_text(setting or "")


def sockets(instance):
    """Where the snippets' sockets are, as seen from outside of Postfix's chroots."""
    return instance.spool / SOCKETS


def _on(instance, text):
    """A configuration of a snippet with this machine's paths and groups."""
    text = text.replace("/var/spool/postfix", str(instance.spool))
    if instance.debian:  # whose group `postfix` has a number of its own
        text = text.replace("socket_group = postfix", f"socket_group = {instance.group}")
    return text


def configuration_of(directory, agent=False):
    """The requiretls-milter.conf of a snippet, with or without the delivery agent."""
    names = [f"requiretls-milter-{'with' if agent else 'without'}-agent.conf", "requiretls-milter.conf"]
    files = [etc(directory, name) for name in names]
    return next(file for file in files if file.exists()).read_text()


def daemon_configuration(instance, more="", agent=False):
    """The snippet's requiretls-milter.conf for this machine, with more lines at its end.

    agent: that for the delivery agent; a snippet has one with and one without it.
    """
    return _on(instance, configuration_of(DIRECTORIES[instance.name], agent)) + more


def agent_configuration(instance):
    """The snippet's requiretls-deliver.conf for this machine."""
    return _on(instance, etc(DIRECTORIES[instance.name], "requiretls-deliver.conf").read_text())


def agent_socket(instance):
    return instance.spool / AGENT_SOCKETS / "lmtp.sock"

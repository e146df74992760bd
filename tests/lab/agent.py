"""The delivery agent in the lab: a process of its own with the requiretls-deliver.conf of a snippet, beside
the filter, which writes tickets for it."""

import os
import pwd
import re
import signal

import layout
import procs
import smrouted
import snippets
from routed import OLDER
from scenario import scenario

KEYS = layout.RUN / "tickets"
# Where it connects from: an address that machines under test know as a customer's, and take mail of without a
# filter.
SOURCE = layout.client(None)


def ticket_key():
    if not KEYS.exists():
        KEYS.mkdir(mode=0o700)
        os.chown(KEYS, pwd.getpwnam("nobody").pw_uid, -1)
    return f"\n[deliver]\nticket_key = {KEYS}/ticket.key\n"


def filter_configuration(mta, more=""):
    return snippets.daemon_configuration(mta, ticket_key() + more, agent=True)


def configuration(text, more=""):
    """A requiretls-deliver.conf as it can be used here."""
    text = text.replace("user = requiretls-deliver", "user = nobody")
    text = re.sub(r"/(run|var/lib)/requiretls-deliver/(policy.sock|cache.db)", f"{KEYS}/\\2", text)
    return text + ticket_key() + f"source = {SOURCE}\n" + more


def start_filter(lab, mta, more=""):
    return lab.milter(filter_configuration(mta, more), listens=snippets.sockets(mta) / "milter.sock")


def wait_for_key():
    """That of tickets, which the filter makes and the agent reads."""
    procs.wait_for((KEYS / "ticket.key").exists, "the key of tickets")


def postfix_configuration(mta, more=""):
    return configuration(snippets.agent_configuration(mta), more)


def start(lab, mta, more="", fresh=False):
    """After the filter."""
    wait_for_key()
    return lab.milter(postfix_configuration(mta, more), fresh, listens=snippets.agent_socket(mta))


def sendmail_filter(more=""):
    """etc/sendmail's requiretls-milter.conf, changed for the agent as it says itself."""
    text = smrouted.configuration(more)
    lines = re.findall(r"^# {5}(\w+ = .*)$", text, re.M)
    changed = re.sub(r"^can = sts, web_pki$", "\n".join(lines), text, flags=re.M)
    if not [line for line in lines if line.startswith("can = ")] or changed == text:
        raise procs.LabError("etc/sendmail/requiretls-milter.conf has another `can` in [route strict]")
    return changed


def sendmail_configuration(more=""):
    """etc/sendmail's requiretls-deliver.conf as it can be used here."""
    return configuration(snippets.etc("sendmail", "requiretls-deliver.conf").read_text(), more)


def delivers(name, more="", agent_more="", fresh=False, version=OLDER, setting="agent", **options):
    """Registers a scenario of (lab, machine, running filter, running agent) with the snippets.

    more, agent_more: lines at the end of their configurations; fresh: the agent is the scenario's own.
    """
    def register(function):
        def run(lab):
            mta = lab.mtas[version]
            running = start_filter(lab, mta, more)
            function(lab, mta, running, start(lab, mta, agent_more, fresh))
            procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
        scenario(f"agent {version}: {name}", setting=setting, **options)(run)
        return function
    return register


def killed(running):
    """Ends it without a chance to do anything about it."""
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
    running.process = None


def lines(running):
    """recipient -> the fields of the agent's delivery line."""
    return running.decisions()

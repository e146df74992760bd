#!/usr/bin/python3
"""Runs the scenarios of a directory: what a user would see, one function or table row each.

Runs inside a lab (`lab run`). A scenario is a function of one argument, the lab as it sees it
(`Lab` below), registered by the decorator `scenario`; it fails by an exception, best by check().
"""

import importlib.util
import itertools
import json
import os
import re
import signal
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import arrivals
import layout
import milter
import postfix
import procs
import sendmail
import smtpclient
import snippets

LIMIT_S = 600
_SCENARIOS = []
_serial = itertools.count(1)


class Failure(Exception):
    """What was seen is not what should be seen."""


class Entry(NamedTuple):
    """A scenario that is registered."""

    name: str
    function: object
    setting: str
    machines: frozenset  # under test, that must be up


def scenario(name, setting=None, machines=None):
    """Registers a function as the scenario of that name.

    setting: the configuration of the machines under test that it wants, see snippets.py and
    sendmail.py; those that do not know it have the lab's own.
    machines: those that it needs; by default those that its name begins with, as `routes 3.7: `.
    """
    if setting not in (None, *snippets.SETTINGS, *sendmail.SETTINGS):
        raise ValueError(f"{name}: no machine has the setting {setting!r}")
    if machines is None:
        machines = set(name.partition(":")[0].split()) & layout.MTA_ADDRESSES.keys()

    def register(function):
        _SCENARIOS.append(Entry(name, function, setting, frozenset(machines)))
        return function
    return register


def check(truth, what):
    if not truth:
        raise Failure(what)


def expect(seen, wanted, what):
    """seen must be wanted; a wanted of (code, text...) also matches an SMTP reply in part."""
    if isinstance(wanted, tuple) and isinstance(seen, smtpclient.Reply):
        code, *parts = wanted
        good = seen.code == code and all(p in seen.text for p in parts)
    else:
        good = seen == wanted
    if not good:
        raise Failure(f"{what}: wanted {wanted!r}, saw {str(seen)!r}")


def queue_id_of(reply):
    """The queue id in the reply to a message's end, None if it was not accepted."""
    found = re.search(r"queued as (\S+)$|^2\.0\.0 (\S+) Message accepted for delivery", reply.text)
    return found and (found[1] or found[2])


class Sent:
    """A message that was handed to a machine under test, and everything that is known of it."""

    def __init__(self, lab, mta, token):
        self.lab, self.mta, self.token = lab, mta, token
        self.replies = {}  # mail, each recipient, data
        self.queue_id = None
        self.accepted = []
        self.transcript = []

    @property
    def log(self):
        return self.mta.log

    def deliveries(self, count=None, timeout_s=procs.READY_S):
        """Recipient -> Delivery, once each has had its attempt.

        count: of recipients after aliases; by default those that were accepted.
        """
        check(self.queue_id, "the message was not accepted")
        found = self.log.settled(self.queue_id, count or len(self.accepted), timeout_s)
        return {d.to: d for d in found}

    def arrived(self, recipient=None, timeout_s=procs.READY_S):
        """The copy that arrived at a receiving host."""
        return self.lab.arrivals.wait(self.token, recipient, timeout_s=timeout_s)[0]

    def arrivals_elsewhere(self):
        """Copies that arrived anywhere, bounces apart."""
        return [str(a) for a in self.lab.arrivals.of(self.token) if a.sender]

    def bounce(self, to, timeout_s=procs.READY_S):
        """The bounce that its sender got."""
        self.log.bounce_of(self.queue_id, timeout_s)
        return procs.wait_for(lambda: next((a for a in self.lab.arrivals.of(self.token)
                                            if (a.sender, a.recipients) == ("", [to])), None),
                              f"the bounce to {to}", timeout_s)


class Lab:
    """What a scenario works with."""

    def __init__(self, mtas):
        machines = {**postfix.MTAS, "sendmail": sendmail.SENDMAIL}
        self.machines = {name: machines[name] for name in mtas}
        # The Postfixes; most scenarios are for them alone, since sendmail knows no REQUIRETLS.
        self.mtas = {name: machines[name] for name in mtas if name in postfix.MTAS}
        self.kept = {}  # configuration -> running milter, for all scenarios that ask for it
        self.free_slots = list(range(layout.MILTER_SLOTS - 1, -1, -1))
        self.setting = "unknown"  # an earlier run may have left another
        self.begin()

    def begin(self):
        """Forgets what earlier scenarios left."""
        self.arrivals = arrivals.Arrivals()
        self.clients, self.sent, self.milters = [], [], []
        for running in self.kept.values():
            running.forget()
        self.log_starts = {i: len(i.log.lines()) for i in self.machines.values()}

    def end(self):
        """Takes away what is the scenario's own, all of it, whatever goes wrong with a part."""
        errors = []
        for client in self.clients:
            client.close()
        for running in list(self.milters):
            if running not in self.kept.values():
                try:
                    self.stop_milter(running)
                except procs.LabError as error:
                    errors.append(str(error))
        for mta in self.machines.values():
            mta.empty_queue()
        if errors:
            raise procs.LabError("\n".join(errors))

    def use(self, setting):
        """Gives the machines under test that configuration, if they have another.

        Milters at paths of the machines' own go with the old one.
        """
        if setting == self.setting:
            return
        self.setting = setting
        for config, running in list(self.kept.items()):
            if running.listens:
                del self.kept[config]
                self.stop_milter(running)
        with ThreadPoolExecutor() as pool:  # a reload takes a second or two
            list(pool.map(lambda mta: mta.apply(setting), self.machines.values()))

    def client(self, mta, slot=None, net=layout.CUSTOMER, port=25):
        """A connection to a machine under test, seen by the milter of that slot (None: none)."""
        address = mta.loopback if net == layout.LOCAL else mta.address
        made = smtpclient.Client(address, mta.port(slot, port), layout.client(slot, net))
        self.clients.append(made)
        return made

    def receiver(self, address):
        """A connection to a receiving host."""
        self.clients.append(smtpclient.Client(address, 25))
        return self.clients[-1]

    def milter(self, config="", fresh=False, listens=None):
        """A running milter with that configuration, at its slot's port or the path `listens`.

        It is one that all scenarios share, or a fresh one that is stopped when the scenario ends.
        One that has the path with another configuration is stopped first.
        """
        for other, running in list(self.kept.items()):
            if listens and running.listens == listens and (fresh or other != config):
                del self.kept[other]
                self.stop_milter(running)
        running = None if fresh else self.kept.get(config)
        if not running:
            running = milter.Milter(config, self.free_slots.pop(), listens)
            self.milters.append(running)
            running.start()
            if not fresh:
                self.kept[config] = running
        elif running not in self.milters:
            self.milters.append(running)
        return running

    def stop_milter(self, running):
        """Once for each: its slot may be another's from then on."""
        if running in self.milters:
            self.milters.remove(running)
        self.free_slots.append(running.slot)
        running.stop()

    def stop_kept(self):
        """Stops the shared milters; the errors of those that did not end well."""
        errors = []
        for running in self.kept.values():
            running.ask_to_stop()
        for running in self.kept.values():
            try:
                running.stop()
            except procs.LabError as error:
                errors.append(str(error))
        self.kept = {}
        return errors

    def message(self, token, headers=(), subject="a test"):
        """A small message with a Message-ID that is its token."""
        lines = ["From: Alice <alice@sender.test>", "To: someone <someone@example.test>",
                 f"Subject: {subject}", f"Message-ID: <{token}>", *headers, "",
                 f"A secret line, {token.split('@')[0]}.", "."]
        return "\n".join(lines) + "\n"

    def token(self):
        return f"t{os.getpid()}.{next(_serial)}.{time.time_ns()}@lab.test"

    def send(self, mta, to, slot=None, sender="alice@sender.test", parameters=(), headers=(),
             tls=True, rcpt_parameters=(), login=None, net=layout.CUSTOMER, message=None):
        """Sends one message as an ordinary client would, as far as the server lets it.

        With a login, to the submission port. message: octets, or a function of the token that makes them.
        """
        sent = Sent(self, mta, self.token())
        self.sent.append(sent)
        with self.client(mta, slot, net, 587 if login else 25) as client:
            sent.transcript = client.transcript
            client.ehlo()
            if tls:
                client.starttls()
            if login:
                client.login(login)
            sent.replies["mail"] = client.mail(sender, *parameters)
            if sent.replies["mail"].ok:
                for recipient in [to] if isinstance(to, str) else to:
                    reply = client.rcpt(recipient, *rcpt_parameters)
                    sent.replies[recipient] = reply
                    if reply.ok:
                        sent.accepted.append(recipient)
            if sent.accepted:
                if callable(message):
                    message = message(sent.token)
                reply = client.data(message or self.message(sent.token, headers))
                sent.replies["data"] = reply
                sent.queue_id = queue_id_of(reply)
            client.quit()
        return sent

    def ask(self, mta, recipient, slot, sender="alice@sender.test", parameters=("REQUIRETLS",)):
        """The reply to RCPT (or to MAIL, if that fails); nothing is sent."""
        with self.client(mta, slot) as client:
            client.ehlo()
            client.starttls()
            reply = client.mail(sender, *parameters)
            if reply.ok:
                reply = client.rcpt(recipient)
            client.quit()
        return reply

    def story(self):
        """Transcripts and logs of the scenario, for one that failed."""
        parts = []
        for client in self.clients:
            parts.append("--- client\n" + "\n".join(client.transcript))
        for instance, start in self.log_starts.items():
            lines = instance.log.lines()[start:]
            parts.append(f"--- {instance.name}'s maillog\n" + "\n".join(lines[-80:]))
        for running in self.milters:
            parts.append(f"--- {running.name}\n{running.log()[-8000:]}")
        for arrival in self.arrivals.all():
            parts.append(f"--- arrived: {arrival}")
        return "\n".join(parts)


def load(directory):
    """Imports every file of a directory; their decorators register them."""
    for path in sorted(Path(layout.SOURCE / directory).glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"scenario_{path.stem}", path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _alarm(*_):
    raise Failure("it takes too long")


def run_one(lab, name, function, setting, _):
    """True if it passed."""
    began = time.monotonic()
    lab.begin()
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(LIMIT_S)
    error = None
    try:
        lab.use(setting)
        function(lab)
    except Exception as caught:  # noqa: BLE001, whatever it is, it is this scenario's failure
        error = caught
    signal.alarm(0)
    try:
        lab.end()
    except procs.LabError as caught:
        error = error or caught
    seconds = time.monotonic() - began
    print(f"{'FAIL' if error else 'ok  '} {name} ({seconds:.1f} s)", flush=True)
    if error:
        where = traceback.extract_tb(error.__traceback__)
        place = next((f for f in reversed(where)
                      if Path(f.filename).parent.name in ("mail_scenarios", "engine_scenarios")), None)
        line = f" ({Path(place.filename).name}:{place.lineno})" if place else ""
        print(f"  {type(error).__name__}: {error}{line}")
        print("\n".join("  | " + part for part in lab.story().splitlines()), flush=True)
    return not error


def choose(patterns, mtas):
    """The scenarios of those names (`!NAME`: without those) for machines that are up; says which there
    are besides."""
    without = [p[1:] for p in patterns if p.startswith("!")]
    among = [p for p in patterns if not p.startswith("!")]
    named = [s for s in _SCENARIOS if (not among or any(p in s.name for p in among))
             and not any(p in s.name for p in without)]
    chosen = [s for s in named if s.machines <= set(mtas)]
    missing = sorted(set().union(*(s.machines for s in named)) - set(mtas))
    if missing:
        print(f"{len(named) - len(chosen)} more are for machines that are not up: "
              f"{', '.join(missing)}")
    if not chosen:
        print("no scenario has such a name" if not named else "no scenario is left")
    return chosen


def main(directory, patterns, mtas):
    # So that a scenario file's `from scenario import` finds this module, not a second copy.
    sys.modules["scenario"] = sys.modules[__name__]
    load(directory)
    chosen = choose(patterns, mtas)
    lab = Lab(mtas)
    results = [run_one(lab, *each) for each in chosen]
    if lab.kept:
        errors = lab.stop_kept()
        print("\n".join(["FAIL every milter ended well"] + errors if errors
                        else ["ok   every milter ended well"]))
        results.append(not errors)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    made = json.loads((layout.RUN / "lab.json").read_text())
    sys.exit(main(sys.argv[1], sys.argv[2:], made["mtas"]))

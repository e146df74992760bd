#!/usr/bin/python3
"""`lab demo`: messages through a real Postfix with the milter, and what became of each."""

import json
import sys
import textwrap

import agent
import cases
import layout
import procs
import scenario

WIDTH = 100


def row(label, text):
    return textwrap.fill(text, WIDTH, initial_indent=f"     {label:9}",
                         subsequent_indent=" " * 14, break_long_words=False,
                         break_on_hyphens=False)


def told(sent):
    """Every reply that says something about the message."""
    words = []
    for name, reply in sent.replies.items():
        if not reply.ok or name == "data" or name == "mail" and len(sent.replies) == 1:
            words.append(f"{name.upper() if name in ('mail', 'data') else 'RCPT'}: {reply}")
        elif name != "mail":
            words.append(f"RCPT: {reply.code} for <{name}>")
    return words


def became(case, sent):
    if not sent.queue_id:
        return ["nothing was accepted, nothing arrived"]
    lines = []
    for recipient, delivery in cases.deliveries(case, sent).items():
        line = str(delivery)
        if delivery.status == "sent":
            tls = f", Postfix's log: tls={delivery.tls}" if delivery.tls else ""
            line = f"{sent.arrived(recipient)}{tls}"
        lines.append(line)
    return lines


def show(lab, running, number, mta_name, case, sender=None):
    """Sends one message and prints its rows; True if all is as it should be. sender: the delivery agent."""
    logs = [("milter", running, len(running.log()))]
    if sender:
        logs.append(("agent", sender, len(sender.log())))
    sent = cases.send(lab, mta_name, case, "own" if sender else running.slot)
    wrong = cases.faults(mta_name, case, sent)
    print(f"{number:3}  {case.title}")
    for text in told(sent):
        print(row("told", text))
    for text in became(case, sent):
        print(row("arrived", text))
    for name, process, before in logs:
        lines = [line for line in process.log()[before:].splitlines() if "=<" in line]
        for text in lines or ["(no line: nothing was asked of it)"]:
            print(row(name, text))
    for text in wrong:
        print(row("WRONG", text))
    print(flush=True)
    return not wrong


def chosen(mta_names, everything):
    """(machine, case): all cases of the first machine, those that only another one can show."""
    for mta_name in mta_names:
        for case in cases.CASES:
            if mta_name in case.mtas and (everything or mta_name == mta_names[0]
                                          or mta_names[0] not in case.mtas):
                yield mta_name, case


def main(words):
    mta_names = json.loads((layout.RUN / "lab.json").read_text())["mtas"]
    lab = scenario.Lab(mta_names)
    running = lab.milter(cases.CONFIG)
    shown = good = 0
    through = None
    try:
        for mta_name, case in chosen(mta_names, "--all" in words):
            if through != mta_name:
                through = mta_name
                print(f"Through {lab.mtas[mta_name].version()} with requiretls-milter:\n")
            shown += 1
            good += show(lab, running, shown, mta_name, case)
        if "3.7" in mta_names:
            print(f"Through {lab.mtas['3.7'].version()} with requiretls-milter and its delivery agent, "
                  "by etc/postfix-older:\n")
            lab.use("agent")
            mta = lab.mtas["3.7"]
            by_route, sender = agent.start_filter(lab, mta, cases.AGENT_CONFIG), agent.start(lab, mta)
            for case in cases.AGENT_CASES:
                shown += 1
                good += show(lab, by_route, shown, "3.7", case, sender)
    finally:
        lab.end()
        if "--stay" not in words:
            good -= len(lab.stop_kept())
    print(f"{good} of {shown} messages went as they should.")
    return 0 if good == shown else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except procs.LabError as error:
        sys.exit(f"lab: {error}")

"""The milter killed in the middle of a message, on sendmail with the snippets (F=T, see killed.py); and
the daemon away between the filter's word and the delivery."""

import killed
import smrouted
from scenario import expect
from smrouted import ends, routed, submit

# Who asks for it: RCPT waits for the lookups then.
RULE = """
[rule alice]
sender = alice@sender.test
request = require
"""


def _killed(function):
    words = function.__name__.replace("_", " ")

    def run(lab):
        text = smrouted.configuration(RULE + killed.HELD).replace(
            "[milter]\n", "[milter]\naccept_header = any\nrcpt_wait = 9s\n")
        killed.try_step(lab, lab.machines["sendmail"], function, slot="own", parameters=(),
                        start=lambda: lab.milter(text, fresh=True, listens=smrouted.MILTER))
    smrouted.scenario(f"sendmail killed {words}: deferred, not lost, not accepted",
                      setting="snippets")(run)


for each_function in killed.STEPS:
    _killed(each_function)


@routed("killed once it has said yes: mail waits for the maps, and goes when they are back",
        setting="snippets, queued")
def _(lab, mta, running):
    sent = submit(lab, mta, ["bob@dane.test", "bob@sts-badcert.test", "carol@local.test"])
    expect(list(mta.queued()), [sent.queue_id], "the queue")
    running.process.kill()
    running.process.wait()
    running.process = None  # it need not end well
    mta.flush()  # to the listener
    mta.flush()  # and out
    found = ends(sent, 3)
    expect({to: (d.status, d.dsn) for to, d in found.items()}, {
        "bob@dane.test": ("deferred", "4.4.3"), "bob@sts-badcert.test": ("deferred", "4.4.3"),
        "carol@local.test": ("sent", "2.0.0")}, "while it is away")
    expect(sent.arrivals_elsewhere(), [], "arrived")
    running.start()
    mta.flush()
    expect(sent.arrived("bob@dane.test", 60).tls, "TLSv1.3", "TLS")
    bounce = lab.arrivals.wait(sent.token, "alice@sender.test", timeout_s=60)[0]
    expect(bounce.sender, "", "a bounce")

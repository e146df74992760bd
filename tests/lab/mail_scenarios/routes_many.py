"""Many recipients of one message."""

import procs
from routed import require, routes
from scenario import expect


@routes("more than a hundred recipients of one message, each once")
def _(lab, mta, _):
    to = [f"u{n}@{domain}" for n in range(40) for domain in ("dane.test", "sts.test", "relay.test")]
    sent = require(lab, mta, [*to, "bob@local.test"])
    expect(len(sent.accepted), 121, "accepted")
    procs.wait_for(lambda: not mta.queued(), "the queue to be empty", 120)
    lab.arrivals.wait(sent.token, count=120, timeout_s=60)
    got = sorted(r for a in lab.arrivals.of(sent.token) for r in a.recipients)
    expect(got, sorted(to), "recipients")

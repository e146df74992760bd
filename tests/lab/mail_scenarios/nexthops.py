"""Several next-hops in one route: what the milter says of them is what Postfix does with them.

The table has one row for each list: the milter's answer to RCPT, and what becomes of the message
where no milter stands in the way and the map `enforce` is asked at delivery. Both are as one would
want if Postfix tries the next-hops in turn, each under its own policy.
"""

import re

import layout
from milter import IMPATIENT
from scenario import check, expect, scenario

PORT = 8461
CONFIG = IMPATIENT + f"""
[socketmap]
listen = inet:127.0.0.1:{PORT}
"""
NO = (550, "5.7.10", "plain.test publishes neither DANE nor MTA-STS")

# list, answer to RCPT, status at delivery, enhanced status code, the server that took it
LISTS = (
    ("plain.test, dane.test", (250,), "sent", "2.0.0", "mx.dane.test"),
    ("dane.test, plain.test", (250,), "sent", "2.0.0", "mx.dane.test"),
    ("plain.test dane.test", (250,), "sent", "2.0.0", "mx.dane.test"),
    ("[mx.plain.test]:25,[mx.dane.test]:smtp", (250,), "sent", "2.0.0", None),
    ("nx.invalid, dane.test", (250,), "sent", "2.0.0", "mx.dane.test"),
    ("mx-servfail.test, dane.test", (250,), "sent", "2.0.0", "mx.dane.test"),
    ("plain.test, plain2.test", NO + ("none of 2 next-hops",), "refused", None, None),
    ("plain.test, mx-servfail.test", (451, "4.4.3", "mx-servfail.test"), "deferred", "4.4.3", None),
    # What the last one lacks decides, though another could not even be looked up.
    ("mx-servfail.test, plain.test", (451, "4.4.3", "mx-servfail.test"), "refused", None, None),
)


def run(lab, version):
    mta = lab.mtas[version]
    running = lab.milter(CONFIG, fresh=True)
    table = layout.RUN / f"nexthops-{mta.name}"
    to = [f"list{i}@list.test" for i in range(len(LISTS))]
    table.write_text("".join(f"{t} smtp:{row[0]}\n" for t, row in zip(to, LISTS)))
    with mta.configured(transport_maps=f"texthash:{table}", smtp_tls_policy_maps=
                        f"socketmap:inet:127.0.0.1:{PORT}:enforce"):
        for recipient, row in zip(to, LISTS):
            expect(lab.ask(mta, recipient, running.slot), row[1], row[0])
        sent = lab.send(mta, to, parameters=["REQUIRETLS"])
        found = sent.deliveries(timeout_s=60)
    for recipient, (hops, _, status, dsn, server) in zip(to, LISTS):
        delivery = found[recipient]
        wanted = ("bounced" if mta.modern else "deferred") if status == "refused" else status
        expect(delivery.status, wanted, f"{hops}: {delivery}")
        check(dsn in (None, delivery.dsn), f"{hops}: {delivery}")
        check(server is None or delivery.relay.startswith(server), f"{hops}: {delivery.relay}")
        if mta.modern and status == "sent":
            check(re.fullmatch(r"(dane-only|secure)/requiretls", delivery.tls), f"{hops}: {delivery}")


@scenario("next-hops sendmail: its lists are read as well, and each is tried in turn")
def _(lab):
    mta = lab.machines["sendmail"]
    slot = lab.milter("[rule all]\nsender = alice@sender.test\nrequest = require\n").slot
    wanted = {"bob@list.test": (250,), "bob@list-hosts.test": (250,),
              "bob@list-bad.test": (550, "5.7.10", "plain.test publishes neither", "none of 2"),
              "bob@list-failing.test": (451, "4.4.3", "mx-servfail.test", "one of 2")}
    for recipient, reply in wanted.items():
        expect(lab.ask(mta, recipient, slot, parameters=()), reply, recipient)
    sent = lab.send(mta, ["bob@list.test", "bob@list-hosts.test"])
    expect({d.status for d in sent.deliveries().values()}, {"sent"}, "deliveries")
    expect(sent.arrived("bob@list.test").server, "mx.plain.test", "the first of the list")


@scenario("next-hops 3.11: each of a list is tried in turn, under its own policy")
def _(lab):
    run(lab, "3.11")


@scenario("next-hops 3.7: each of a list is tried in turn, under its own policy")
def _(lab):
    run(lab, "3.7")

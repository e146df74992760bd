"""What any user of this host can do who connects to the ports that reinject mail: as the READMEs
of etc/postfix-older and etc/postfix-3.11 say, and no more."""

import re

import smtpclient
from reinjected import HEADER
from routed import NO, how, routes
from scenario import Sent, check, expect, queue_id_of


def by_port(lab, mta, port, to, headers=(), size=0):
    """A message that a program of this host brings to that port."""
    sent = Sent(lab, mta, lab.token())
    lab.sent.append(sent)
    lab.clients.append(smtpclient.Client("127.0.0.1", port))
    client = lab.clients[-1]
    client.ehlo()
    expect(client.mail("anybody@sender.test"), (250,), "MAIL")
    sent.replies["rcpt"] = client.rcpt(to)
    if sent.replies["rcpt"].ok:
        sent.accepted.append(to)
        text = lab.message(sent.token, headers).removesuffix(".\n")
        sent.replies["data"] = client.data(text + ("x" * 900 + "\n") * (size // 900))
        sent.queue_id = queue_id_of(sent.replies["data"])
    client.quit()
    return sent


def left(sent, wanted):
    delivery, = sent.deliveries().values()
    check(re.fullmatch(wanted, how(delivery)), f"wanted {wanted}, saw {how(delivery)}")


def what_users_can_do(lab, mta, strict, optional, unasked):
    sure = "requiretls sent dane-only/requiretls" if mta.modern else "requiretls sent Verified"
    left(by_port(lab, mta, strict, "bob@dane.test", HEADER if mta.modern else ()), sure)
    for headers in ((), NO):
        refused = by_port(lab, mta, strict, "bob@plain.test", headers)
        expect(refused.replies["rcpt"], (550, "5.7.10"), "the port for what requires TLS")
    left(by_port(lab, mta, optional, "bob@plain.test"), unasked)
    left(by_port(lab, mta, optional, "bob@dane-wrong.test", NO), "requiretls-optional sent .*")
    limit = int(mta.run("postconf", "-h", "message_size_limit"))
    sent = by_port(lab, mta, optional, "bob@plain.test", size=limit + 1000)
    expect(sent.replies["data"], (250,), "a message beyond message_size_limit")


@routes("what any user of this host can do by the loop's ports")
def _(lab, mta, _):
    what_users_can_do(lab, mta, 8689, 8690, "smtp sent .*")


@routes("what any user of this host can do by the loop's ports", version="3.11")
def _(lab, mta, _):
    what_users_can_do(lab, mta, 8691, 8692, "requiretls-optional sent .*")

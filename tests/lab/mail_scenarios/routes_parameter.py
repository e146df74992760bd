"""REQUIRETLS in MAIL FROM on Postfix before 3.11: taken where the filter follows, and nowhere else."""

import layout
from routed import ASK, become, post, require, routes
from scenario import check, expect

REFUSED = (555, "5.5.4")
WITHOUT = "snippets, services without the filter"


def sendmail_bs(mta, *commands):
    """What `sendmail -bs` answers to these commands, line by line."""
    talk = "".join(f"{command}\r\n" for command in ("EHLO client.test", *commands, "QUIT"))
    return mta.run("sendmail", "-bs", input=talk).splitlines()


@routes("sendmail -bs, which asks no filter, refuses REQUIRETLS")
def _(lab, mta, _):
    said = sendmail_bs(mta, "MAIL FROM:<alice@sender.test> REQUIRETLS")
    check(any(line.startswith("555 5.5.4") for line in said), str(said))
    said = sendmail_bs(mta, "MAIL FROM:<alice@sender.test>")
    check(any(line.startswith("250 2.1.0") for line in said), str(said))


def services(name, port):
    @routes(f"a service with {name} refuses REQUIRETLS", setting=WITHOUT)
    def _(lab, mta, running):
        for parameters, reply in ((ASK, REFUSED), ((), (250,))):
            with lab.client(mta, "own", port=port) as client:
                client.ehlo()
                client.starttls()
                expect(client.mail("alice@sender.test", *parameters), reply, f"{name}, {parameters}")
        sent = require(lab, mta, "bob@dane.test")
        become(sent, {"bob@dane.test": "requiretls sent Verified"})


services("no_milters", 2525)
services("other smtpd_milters", 2526)


@routes("a client from which smtpd_milter_maps takes the filter: its request is lost, of which the "
        "set-up check tells")
def _(lab, mta, running):
    sent = lab.send(mta, "bob@plain.test", parameters=ASK, net=layout.CUSTOMER)  # DISABLE
    become(sent, {"bob@plain.test": "smtp sent Trusted"})
    expect(running.decisions(), {}, "lines of the filter")


@routes("a quoted local part with > in it keeps its address")
def _(lab, mta, _):
    sender = '"a>b"@sender.test'
    sent = require(lab, mta, "bob@dane.test", sender=sender)
    become(sent, {"bob@dane.test": "requiretls sent Verified"})
    expect(sent.arrived("bob@dane.test").sender, sender, "the sender that arrived")
    refused = require(lab, mta, "bob@plain.test", sender=sender)
    expect(refused.replies["bob@plain.test"], (550, "5.7.10", "plain.test"), "RCPT")
    other = post(lab, mta, "bob@plain.test", sender=sender)
    become(other, {"bob@plain.test": "smtp sent Trusted"})

"""The snippets with and without chroots, on both Postfixes: sockets, tables, the second smtpd."""

import re

from reinjected import DEPARTMENT, RULES
from routed import ASK, NO, become, post, routes
from scenario import expect

SERVICE = re.compile(r"^(\S+)\s+(?:unix|inet)\s+\S+\s+\S+\s+(\S)\s.*\s(?:smtpd|cleanup|smtp)$", re.M)


def each(version, word, value):
    @routes(f"every service {word}", more=RULES, version=version, setting=f"snippets, {word}")
    def _(lab, mta, _):
        services = dict(SERVICE.findall((mta.etc / "master.cf").read_text()))
        expect(set(services.values()), {value}, "chroots")
        expect({"smtp", "cleanup", "requiretls", "requiretls-loop", "requiretls-cleanup"} -
               services.keys(), set(), "services")
        sure = {"bob@dane.test": "requiretls sent dane-only/requiretls" if mta.modern else
                "requiretls sent Verified",
                "bob@signed.test": "requiretls sent secure/requiretls" if mta.modern else
                "requiretls sent Verified"}
        for by in ({"parameters": ASK}, {"sender": DEPARTMENT}):
            sent = post(lab, mta, [*sure, "bob@plain.test", "local@alias.test"], **by)
            expect(sent.replies["bob@plain.test"], (550, "5.7.10"), "RCPT")
            become(sent, {**sure, "bob@local.test": "virtual sent"})
        optional = post(lab, mta, "bob@dane-wrong.test", headers=NO)
        become(optional, {"bob@dane-wrong.test": "requiretls-optional sent may" if mta.modern else
                          "requiretls-optional sent Trusted"})
        mta.sendmail(lab.message(token := lab.token()).removesuffix(".\n"), "-i", "-f", DEPARTMENT,
                     "bob@dane.test")
        arrival, = lab.arrivals.wait(token, "bob@dane.test")
        expect("REQUIRETLS" in arrival.parameters, mta.modern, "sendmail(1)")


for each_word, each_value in (("chrooted", "y"), ("not chrooted", "n")):
    for each_version in ("3.11", "3.7"):
        each(each_version, each_word, each_value)

"""requiretls-query --check-setup beside sendmail: nothing to complain of in the snippets, and one
thing in each of some ways to get them wrong."""

import re

import checksetup
import sendmail
import smrouted
from checksetup import in_order
from scenario import check, expect, scenario

# Copies of what sendmail runs with and of what that is made from, in its /etc/mail.
CF, MC = "check-setup.cf", "check-setup.mc"


def examine(mta, change=lambda cf: cf, ours=lambda text: text):
    """With another sendmail.cf, and another configuration of the filter."""
    text = (mta.etc / f"{sendmail.MAIN}.cf").read_text()
    changed = change(text)
    (mta.etc / CF).write_text(changed)
    (mta.etc / MC).write_text((mta.etc / f"{sendmail.MAIN}.mc").read_text())
    text = checksetup.configuration(mta, ours)
    return checksetup.check(mta, text, words=["--mta", f"sendmail:/etc/mail/{CF}"])


def on_sendmail(name):
    def register(function):
        def run(lab):
            function(lab, lab.machines["sendmail"], smrouted.daemon(lab))
        scenario(f"check-setup sendmail: {name}", setting="snippets")(run)
        return function
    return register


@on_sendmail("the snippets as they stand are in order")
def _(_, mta, __):
    report = examine(mta)
    in_order(report, "snippets")
    check("sendmail 8." in str(report), str(report))


def sub(pattern, new):
    """sendmail.cf with every place that fits replaced; there must be one."""
    def change(text):
        changed, count = re.subn(pattern, new, text, flags=re.M)
        check(count > 0, f"no {pattern!r} in sendmail.cf")
        return changed
    return {"change": change}


def ours(old, new):
    return {"ours": lambda text: text.replace(old, new)}


# name -> (how to break it, what is found to be wrong, a part of the remedy)
BREAKS = {
    "no F=T": (sub(", F=T,", ","), {"milter-default-action"}, "F=T"),
    "no filter": (sub("^Xrequiretls.*$", ""), {"milter-service"}, "requiretls.m4"),
    "a filter that no daemon asks": (sub("^O InputMailFilters=.*$", ""), {"milter-service"},
                                     "confINPUT_MAIL_FILTERS"),
    "a time-out that is too short": (sub("R:60s", "R:2s"), {"milter-timeout"}, "R:60s;"),
    "another socket": (sub("^(Xrequiretls, S=)[^,]*", r"\1unix:/run/elsewhere/milter.sock"),
                       {"milter-service"}, "S=unix:/run/requiretls-milter/milter.sock"),
    "no map": (sub("^K(?:sts|enforce_pki) socket.*$", ""), {"map-policy"}, "requiretls.m4"),
    "a map that does not exist": (sub("^Ksts socket", "Knonsense socket"), {"map-name"},
                                  "names of the maps"),
    "no authorities": (sub("^O CACertFile=.*$", ""), {"mta-ca"}, "confCACERT"),
    "a tag that the rules do not know": (sub(r"requiretls \. invalid", "other . invalid"),
                                         {"route-tag"}, "requiretls.m4"),
    "a tag that the mailer leaves": (sub("R=RequireTLS_untag", "R=EnvToSMTP"), {"route-tag"},
                                     "requiretls.m4"),
    "no way back in": (sub("^O DaemonPortOptions=Name=requiretls.*$", ""), {"route-reinjection"},
                       "requiretls.m4"),
    "a way back in that sendmail does not run with": (
        sub(r"86(9[567])\b", r"76\1"), {"route-reinjection"}, "restart sendmail"),
    "nothing is demanded of servers": (sub("^(SLocal_tls_rcpt\n)R.*$", r"\1"), {"route-can"},
                                       "requiretls.m4"),
    "routes for Postfix": (ours("method = recipient", "method = header"), {"route-header"},
                           "method = recipient"),
}


@on_sendmail("one thing wrong")
def _(_, mta, __):
    for name, (how, names, remedy) in BREAKS.items():
        report = examine(mta, **how)
        expect((report.code, report.names("error", "unknown")), (1, names), f"{name}\n{report}")
        check(any(remedy in r for each in names for r in report.remedies(each)),
              f"no remedy with {remedy!r}: {name}\n{report}")
    in_order(examine(mta), "afterwards")


@on_sendmail("daemon down; which MTA is here; a file that is not there")
def _(_, mta, running):
    running.stop()
    try:
        report = examine(mta)
        expect((report.code, report.names("error", "unknown")), (1, {"daemon"}),
               str(report))
    finally:
        running.start()
    in_order(examine(mta), "started again")
    # Debian's own sendmail.cf, which has no filter.
    report = checksetup.check(mta, checksetup.configuration(mta))
    check("sendmail 8." in str(report), str(report))
    check("milter-service" in report.names("error"), str(report))
    report = checksetup.check(mta, words=["--mta", "sendmail:/etc/mail/nothing.cf"])
    expect((report.code, report.names("unknown")), (75, {"mta"}), str(report))

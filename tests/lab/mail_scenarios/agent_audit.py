"""The administrator's own line of each transfer, and fallbacks, as Postfix's branch tlsfallback has them."""

import re

import agent
import procs
from agent import delivers
from routed import become, require
from scenario import check, expect

# The example of that branch.
TEMPLATE = ("tlsaudit: relay=${relay}${auth?, auth=${auth}}${level?, level=${level}}${policy?, policy=${policy}}"
            "${protocol?, protocol=${protocol}}${cipher?, cipher=${cipher}}")
RULES = """
[probe]
enable = no
[rule hard]
nexthop = dane-wrong.test, signed-expired.test
fallback = none
[rule soft]
nexthop = .test
fallback = encrypt
"""
# domain -> what is said of its server, and the level that the message falls back from
SENT = {
    "dane.test": ("auth=Verified, level=dane-only", None),
    "sts.test": ("auth=Verified, level=secure", None),
    "signed-badcert.test": ("auth=Untrusted, level=encrypt, policy=secure", "5.7.10"),
    "dane-no-requiretls.test": ("auth=Verified, level=dane-only, policy=dane-only", "5.7.30"),
}


@delivers("audit_template: a line for each transfer; a fallback is a warning, and a rule withstands it", more=RULES,
          agent_more=f"audit_template = {TEMPLATE}\n", fresh=True)
def _(lab, mta, _, sender):
    for domain, (audit, reason) in SENT.items():
        sender.forget()
        to = f"bob@{domain}"
        sent = require(lab, mta, to)
        become(sent, {to: "requiretls-deliver sent"})
        line = agent.lines(sender)[to]
        said = procs.wait_for(lambda: re.search(r"(\S+): tlsaudit: (.*)", sender.log()), f"an audit line of {to}")
        expect(said[1], line["queue_id"], f"{to}: the queue id")
        check(re.fullmatch(rf"relay=mx\.{re.escape(domain)}\[[0-9a-f.:]+\]:25, {audit}, "
                           r"protocol=TLSv1\.3, cipher=TLS_[A-Z0-9_]+", said[2]), f"{to}: {said[2]}")
        told = re.search(r"(\S+): nexthop=(\S+), request=require, level=enforce, "
                         r'fallback=opportunistic\+starttls, reason="550 (\S+) ', sender.log())
        expect(told and told.groups(), reason and (line["queue_id"], domain, reason), f"{to}: the warning")
        expect(line.get("fallback"), reason and "opportunistic+starttls", f"{to}: the line of the recipient")
    for domain in ("dane-wrong.test", "signed-expired.test"):
        sender.forget()
        to = f"bob@{domain}"
        become(require(lab, mta, to), {to: "requiretls-deliver bounced 5.7.10"})
        check("tlsaudit" not in sender.log() and "fallback" not in sender.log(), f"{to}: {sender.log()}")

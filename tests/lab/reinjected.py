"""What scenarios of Postfix 3.11 with the snippets have in common."""

from scenario import check, expect

DEPARTMENT = "department@sender.test"
# Settings that the snippets leave to the administrator.
RULES = """
[rule department]
sender = department@sender.test, department\u00e4@sender.test
request = require
[rule price]
sender = anyprice@sender.test
request = optional
[rule partner]
nexthop = plain2.test, plain-no-starttls.test
level = opportunistic+starttls
[rule own]
nexthop = plain-badcert.test
level = opportunistic
[rule lenient]
sender = lenient@sender.test
level = opportunistic+starttls
[rule audit]
sender = audit@sender.test
fallback = encrypt
[rule easy]
sender = easy@sender.test
level = opportunistic
[rule audit-may]
sender = audit-may@sender.test
fallback = may
"""
HEADER = ("Require-TLS-ESMTP: yes",)

# What becomes of them: transport, status, `tls=`; see routed.how().
DANE = "requiretls sent dane-only/requiretls"
STS = "requiretls sent secure/requiretls"


def left_with_requiretls(lab, sent, to):
    """The copy that arrived, asked for once in the envelope and once in the header."""
    arrival, = lab.arrivals.wait(sent.token, to)
    expect((arrival.parameters.count("REQUIRETLS"), arrival.header("Require-TLS-ESMTP"),
            arrival.header("X-REQUIRETLS-Route"), bool(arrival.tls)), (1, ["yes"], [], True),
           str(arrival))
    check(not any(".invalid" in str(line) for line in (*arrival.headers, *arrival.rcpt)),
          f"a mark of ours: {arrival.headers}")
    return arrival

"""Negotiation: the daemon asks for what it needs and nothing else, whatever the MTA can do."""

import milter_client as mc
from harness import Daemon, check, equal, matches, message

WANTED_ACTIONS = (mc.ADDHDRS | mc.CHGHDRS | mc.CHGBODY | mc.QUARANTINE | mc.CHGFROM |
                  mc.ADDRCPT_PAR | mc.DELRCPT | mc.SETSYMLIST)
WANTED_OPTIONS = (mc.NOHELO | mc.SKIP | mc.NOUNKNOWN | mc.NODATA | mc.NR_CONN | mc.NR_HELO |
                  mc.NR_HDR | mc.HDR_LEADSPC)
MACROS = {"connect": ["v", "j", "{daemon_name}"],
          "mail": ["v", "j", "i", "f", "{auth_authen}", "{tls_version}", "{daemon_name}", "{mail_addr}"],
          "rcpt": ["j", "i", "{rcpt_host}", "{rcpt_mailer}", "{rcpt_addr}"],
          "eoh": ["i"], "eom": ["i", "f"]}


def full():
    with Daemon() as d:
        for _ in range(3):
            with d.connect() as m:
                equal(m.actions, WANTED_ACTIONS, "actions")
                equal(f"{m.options:#x}", f"{WANTED_OPTIONS:#x}", "options")
                equal(m.symlists, MACROS, "macros")


def no_bodies():
    """Bodies are asked for only if bounces may be redacted."""
    with Daemon("[milter]\nredact_dsn = no\n") as d:
        with d.connect() as m:
            equal(f"{m.options:#x}", f"{WANTED_OPTIONS & ~mc.SKIP | mc.NOBODY:#x}", "options")


def no_macro_lists():
    """TLS is then told at HELO, so HELO is asked for."""
    with Daemon() as d:
        with d.session(actions=mc.ALL_ACTIONS & ~mc.SETSYMLIST) as m:
            equal(m.symlists, {})
            check(not m.options & mc.NOHELO, "HELO was not asked for")
            m.mail_macros = {}  # only HELO has told
            got = message(m, params=["REQUIRETLS"])
            equal(got["mail"].action, "continue")
        with d.session(tls=False, actions=mc.ALL_ACTIONS & ~mc.SETSYMLIST) as m:
            equal(message(m, params=["REQUIRETLS"])["mail"].code, "530")


def old_mta():
    """Version 2: no options to leave anything unanswered, no macro lists, no CHGFROM."""
    with Daemon() as d:
        with d.connect(actions=0x1F, options=0x7F, version=2) as m:
            m.mail_macros = {}
            equal(m.actions, mc.ADDHDRS | mc.CHGHDRS | mc.CHGBODY | mc.DELRCPT)
            equal(m.options, 0)
            equal(m.connect(macros={}).action, "continue")
            equal(m.helo(macros={"{tls_version}": "TLSv1.2"}).action, "continue")
            equal(m.mail("<a@b.example>", "REQUIRETLS").action, "continue")
            equal(m.rcpt("<b@own.example>").action, "continue")
            equal(m.header("Subject", "x").action, "continue")
            equal(m.eoh().action, "continue")
            for _ in range(3):
                equal(m.body("x" * 1000).action, "continue", "a body that cannot be skipped")
            answer = m.eom()
            equal((answer.action, answer.changes), ("continue", []))


def too_little():
    with Daemon() as d:
        with d.session(actions=mc.ADDRCPT) as m:
            equal(m.actions, 0)
            for _ in range(2):
                equal(m.mail("<a@b.example>").text, "451 4.3.0 Temporary failure of a filter; try "
                      "again later", "deferred, whatever the MTA does with broken filters")
        matches(d.log(), "the MTA offers too few milter actions")
        with d.session() as m:
            equal(message(m)["eoh"].action, "accept", "others are served")


def no_quarantine():
    with Daemon("[default]\non_unsatisfied = quarantine\n[rule x]\nnexthop = .example\n"
                "tls_policy = may\n") as d:
        with d.session(actions=mc.ALL_ACTIONS & ~mc.QUARANTINE) as m:
            got = message(m, params=["REQUIRETLS"], rcpts=["<b@other.example>"])
            matches(got["eom"].text, r"^451 4\.7\.10 This message cannot be held here")
            check(d.logged("error: 4bXyZ: message deferred: the MTA offers no quarantine"), d.log())


def lead_space():
    """An added header must come out right whether or not the MTA keeps the leading blank."""
    for options, value in ((mc.ALL_OPTIONS, " yes"), (mc.ALL_OPTIONS & ~mc.HDR_LEADSPC, "yes")):
        with Daemon("[milter]\nadd_header = yes\n") as d:
            with d.session(options=options) as m:
                got = message(m, params=["REQUIRETLS", "RET=HDRS"])
                equal(got["eom"].changes, [("addheader", "Require-TLS-ESMTP", value)])


def run(suite):
    for name, function in (
            ("only what is needed, the same every time", full),
            ("no bodies without redaction", no_bodies),
            ("an MTA that takes no macro lists", no_macro_lists),
            ("an MTA of version 2", old_mta),
            ("an MTA that can do too little", too_little),
            ("an MTA that cannot quarantine", no_quarantine),
            ("added headers with and without leading blank", lead_space)):
        suite.run(f"negotiation: {name}", function)

"""Postfix 3.7 holds mail to what its sender asked, by the snippets in etc/postfix-older."""

from routed import NO, become, post, require, routes


@routes("mail that requires TLS goes where it can be sure")
def _(lab, mta, _):
    for domain in ("dane.test", "sts.test", "signed.test", "implicit-dane.test"):
        sent = require(lab, mta, f"bob@{domain}")
        become(sent, {f"bob@{domain}": "requiretls sent Verified"})


@routes("TLS-Required: No goes where nothing can be sure")
def _(lab, mta, _):
    for domain, seen in (("plain-badcert.test", "Untrusted"), ("dane-wrong.test", "Trusted")):
        sent = post(lab, mta, f"bob@{domain}", headers=NO)
        become(sent, {f"bob@{domain}": f"requiretls-optional sent {seen}"})

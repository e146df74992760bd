"""What follows from the domain table: receiving hosts, policy hosts and their addresses."""

from dataclasses import dataclass

import domains
import layout
from peers import PEERS

CROOKED = (
    "servfail", "refused", "lame", "silent", "bogus-mx", "servfail-tlsa", "bogus-tlsa",
    "silent-tlsa", "servfail-aaaa", "servfail-txt", "truncate", "slow",
)

ALL = domains.DOMAINS + PEERS


@dataclass
class Host:
    """A receiving host: one smtpd service at an address of its own."""

    name: str
    domain: domains.Domain
    mx: domains.Mx
    v4: str
    v6: str

    @property
    def cert_name(self):
        return f"host-{self.name}"

    def addresses(self):
        return [a for a in (self.v4, self.v6) if a]

    def served(self):
        """Those at which something listens."""
        return [a for a in self.addresses() if self.mx.up and (a != self.v4 or self.mx.v4_up)]


@dataclass
class PolicyHost:
    """The HTTPS server of one domain's MTA-STS policy."""

    name: str
    domain: domains.Domain
    address: str

    @property
    def cert_name(self):
        return f"host-{self.name}"


def absolute(name, domain):
    """mx -> mx.example.test; names with two dots or more stand as they are."""
    if name == "@":
        return domain.name
    return name if name.endswith(domain.name) or name.count(".") > 1 else f"{name}.{domain.name}"


def _make_hosts():
    hosts, number = [], 10
    for domain in ALL:
        found = [(absolute(m.name, domain), m) for m in domain.mx if isinstance(m, domains.Mx)]
        if domain.apex:
            found.append((domain.name, domain.apex))
        for name, mx in found:
            number += 1
            hosts.append(Host(name, domain, mx,
                              layout.MX_NET4.format(number) if mx.v4 else None,
                              layout.MX_NET6.format(number) if mx.v6 else None))
    return hosts


def _make_policy_hosts():
    found = [d for d in ALL if d.sts]
    return [PolicyHost(f"mta-sts.{d.name}", d, layout.STS_NET.format(10 + n))
            for n, d in enumerate(found)]


HOSTS = _make_hosts()
POLICY_HOSTS = _make_policy_hosts()


def crooked_address(behaviour):
    return layout.CROOKED_NET.format(layout.CROOKED_FIRST + CROOKED.index(behaviour))


def host(name):
    return next(h for h in HOSTS if h.name == name)


def host_at(address):
    """The receiving host at that address, or None."""
    return next((h for h in HOSTS if address in h.addresses()), None)


def postfix_policy(domain):
    """The line for Postfix's static TLS policy map, None for none."""
    if domain.postfix_policy:
        return domain.postfix_policy
    sts = domain.sts
    if sts and sts.mode == "enforce" and sts.http == "ok" and sts.cert == "good" \
            and not sts.body and not domain.server and sts.record == domains.Sts.record \
            and not any(m.tlsa for m in domain.mx if isinstance(m, domains.Mx)):
        names = ":".join(p.lstrip("*") if p.startswith("*.") else absolute(p, domain)
                         for p in sts.mx)
        return f"secure match={names} servername=hostname"
    return None


def receiving_addresses():
    return [address for h in HOSTS for address in h.addresses()]


def addresses():
    """The addresses of the lab for the loopback interface of its namespace: all but receiving_addresses."""
    found = [layout.NS_PARENTS, layout.NS_DOMAINS, layout.RESOLVER_NO_AD]
    for pair in layout.MTA_ADDRESSES.values():
        found += pair
    found += [crooked_address(b) for b in CROOKED]
    found += [p.address for p in POLICY_HOSTS]
    for slot in [None, "own", *range(layout.MILTER_SLOTS)]:
        found += [layout.client(slot), layout.client(slot, layout.STRANGER)]
    return found

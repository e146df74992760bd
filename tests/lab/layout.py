"""Where everything is: directories, addresses and ports of the lab.

Inside the lab's namespaces the state directory is mounted at /run/lab, in the Postfix 3.11 chroot
as well, so that every configuration file names the same short paths wherever the checkout lies.
"""

import os
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
TREE = SOURCE.parent.parent
RUN = Path("/run/lab")

# Name servers. Each behaviour of the crooked responder has an address of its own, see crooked.py.
NS_PARENTS = "192.0.2.53"  # the root and the top-level domains
NS_DOMAINS = "192.0.2.54"  # everything below them
CROOKED_NET = "192.0.2.{}"
CROOKED_FIRST = 60

RESOLVER = "127.0.0.1"  # validates
RESOLVER_NO_AD = "127.0.0.2"  # does not: every answer's security is unknown
RESOLVER_HELD = "127.0.0.3"  # made by scenarios, see held.py

# Receiving hosts, policy hosts, in the order of the domain table.
MX_NET4 = "198.51.100.{}"
MX_NET6 = "2001:db8:100::{:x}"
STS_NET = "203.0.113.{}"

# The machines under test.
MTA_ADDRESSES = {"3.11": ("192.0.2.11", "2001:db8::11"), "3.7": ("192.0.2.7", "2001:db8::7"),
                 "3.10": ("192.0.2.10", "2001:db8::10"),
                 "sendmail": ("192.0.2.25", "2001:db8::25")}
MTA_LOOPBACK = {"3.11": "127.0.0.11", "3.7": "127.0.0.7", "3.10": "127.0.0.10", "sendmail": "127.0.0.25"}

RECORDER_PORT = 8890
AUTH_PORT = 8891
LOCAL_MILTER_PORT = 8892  # for locally submitted mail, see helpers.py
DELIVER_PORT = 8894  # of a delivery agent that a scenario talks to itself
SASLAUTHD = RUN / "saslauthd"  # who sendmail asks for passwords, see logd.py
LOCAL_MILTER = RUN / "local_milter"  # names the port of the milter in use; absent: none

# Clients. Those of the customers' network may relay, strangers may not. The last octet chooses the
# milter: NO_MILTER none at all, OWN_MILTER that of main.cf, MILTER_FIRST + n the one of slot n (milter.py).
CUSTOMER = "192.0.2.{}"
CUSTOMERS = "192.0.2.128/25"
STRANGER = "203.0.113.{}"
LOCAL = "127.0.0.{}"  # this host's own programs, which connect to the loopback listener
NO_MILTER = 128
OWN_MILTER = 129  # the one that main.cf names, whichever that is
MILTER_FIRST = 130
MILTER_SLOTS = 100
MILTER_PORT = 9000  # + slot
SOCKETMAP_PORT = 8470
METRICS_PORT = 9461


def build_dir():
    """The directory for what is made: BUILD_DIR as for tests/run, or build/ in the tree."""
    return Path(os.environ.get("BUILD_DIR") or TREE / "build").resolve()


def cache_dir():
    """What is slow to make and the same for every lab: the chroot with the newest Postfix."""
    return build_dir() / "lab-cache"


def milter_address(slot):
    return f"inet:127.0.0.1:{MILTER_PORT + slot}"


def client(slot, net=CUSTOMER):
    """The address of that net to connect from to get the milter of that slot.

    None: no milter; "own": that of main.cf.
    """
    if slot == "own":
        return net.format(OWN_MILTER)
    return net.format(NO_MILTER if slot is None else MILTER_FIRST + slot)

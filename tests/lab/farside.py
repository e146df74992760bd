"""The far side: a network namespace from which the lab is reached over a link with a delay, and a
resolver of its own for those who ask from there."""

import dnsd
import layout
import procs

NAMESPACE = "far"
DELAY_MS = 50
ROUND_TRIP_MS = 2 * DELAY_MS
HERE, THERE = "10.50.0.1", "10.50.0.2"
RESOLVER = "192.0.2.40"
_made = False


def ensure():
    """Makes it, once for a lab."""
    global _made
    if _made:
        return
    procs.run("ip", "netns", "add", NAMESPACE)
    link = procs.start("slowlink", "/usr/bin/python3", layout.SOURCE / "slowlink.py", HERE,
                       NAMESPACE, THERE, DELAY_MS)
    procs.ready("slowlink", link, lambda: "ready" in procs.tail("slowlink"))
    for words in ("link set lo up", f"route add default via {HERE} dev slow0"):
        procs.run("ip", "-n", NAMESPACE, *words.split())
    procs.run("ip", "addr", "add", f"{RESOLVER}/32", "dev", "lo")
    unbound = dnsd.start_unbound("unbound-far", RESOLVER)
    procs.ready("unbound-far", unbound, lambda: procs.connects(RESOLVER, 53))
    _made = True


def command(*words):
    """The same command, run on the far side."""
    return ["nsenter", f"--net=/run/netns/{NAMESPACE}", "--", *map(str, words)]


def run(*words):
    return procs.run(*command(*words))


CONNECT = """
import socket, time
def connect():
    began = time.monotonic()
    socket.create_connection(("%s", 53), 5).close()
    return time.monotonic() - began
print(1000 * min(connect() for _ in range(5)))
"""


def round_trip_ms():
    """The link as it is: the best of a few TCP connections."""
    return float(run("/usr/bin/python3", "-c", CONNECT % RESOLVER))

"""One question to the lab's resolver, with EDNS and the AD bit, and the little of the answer that
scenarios look at."""

import secrets
import socket
import struct
from dataclasses import dataclass

import layout
import zones

TYPES = {"A": 1, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
RCODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
TIMEOUT_S = 20


@dataclass
class Answer:
    rcode: str
    ad: bool  # authenticated data
    tc: bool  # truncated
    count: int  # of records in the answer section


def ask(name, kind, server=layout.RESOLVER):
    """Asks by UDP. A resolver that gives no answer in time is a TimeoutError."""
    ident = secrets.randbits(16)
    query = struct.pack("!HHHHHH", ident, 0x0120, 1, 0, 0, 1) + zones.wire(name) \
        + struct.pack("!HH", TYPES[kind], 1) + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(TIMEOUT_S)
        s.connect((server, 53))
        s.send(query)
        reply = s.recv(4096)
    got, flags, _, count = struct.unpack_from("!HHHH", reply)
    if got != ident:
        raise ValueError("an answer to another question")
    return Answer(RCODES.get(flags & 15, str(flags & 15)), bool(flags & 0x20), bool(flags & 0x200),
                  count)

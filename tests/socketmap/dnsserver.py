"""A name server of a few dozen names that answers as a validating resolver would: for tests that
need the real engine, but no internet. Each name says for itself whether it is signed, fails, or
takes its time. UDP only; runs in a thread."""

import ipaddress
import socket
import struct
import threading
import time

A, SOA, MX, TXT, AAAA, TLSA = 1, 6, 15, 16, 28, 52
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def encode_name(name):
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def decode_name(packet, at):
    labels = []
    while packet[at]:
        length = packet[at]
        labels.append(packet[at + 1:at + 1 + length].decode("latin-1").lower())
        at += 1 + length
    return ".".join(labels), at + 1


class Name:
    """What one name publishes."""

    def __init__(self, signed=False, rcode=NOERROR, delay=0, ttl=300, fail=()):
        self.signed = signed
        self.rcode = rcode
        self.delay = delay
        self.ttl = ttl
        self.fail = fail  # types that get SERVFAIL
        self.records = []  # (type, rdata)

    def mx(self, preference, host):
        self.records.append((MX, struct.pack("!H", preference) + encode_name(host)))
        return self

    def a(self, address):
        self.records.append((A, ipaddress.ip_address(address).packed))
        return self

    def tlsa(self, usage=3, selector=1, matching=1, data=b"\x5a" * 32):
        self.records.append((TLSA, bytes([usage, selector, matching]) + data))
        return self

    def txt(self, text):
        self.records.append((TXT, bytes([len(text)]) + text.encode()))
        return self


class Server:
    def __init__(self, address=("127.0.0.1", 53)):
        self.names = {"com": Name(signed=True)}
        self.queries = 0
        self.validates = True  # else nothing has AD
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Hundreds of queries come at once; the default buffer would drop some.
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.socket.bind(address)
        self.default = None  # a function of a name that is not in the table, or None
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, name, **options):
        entry = self.names[name] = Name(**options)
        return entry

    def dane(self, domain, hosts=1, tlsa=True, signed=True, **options):
        """A domain with MX hosts of its own."""
        entry = self.add(domain, signed=signed, **options)
        for i in range(hosts):
            host = f"mx{i + 1}.{domain}"
            entry.mx(10 * (i + 1), host)
            self.add(host, signed=signed).a(f"192.0.2.{i + 1}")
            record = self.add(f"_25._tcp.{host}", signed=signed)
            if tlsa is True or (tlsa == "some" and i == 0):
                record.tlsa()

    def _run(self):
        while True:
            packet, peer = self.socket.recvfrom(4096)
            try:
                self._take(packet, peer)
            except (IndexError, struct.error):
                continue

    def _take(self, packet, peer):
        self.queries += 1
        name, at = decode_name(packet, 12)
        qtype, = struct.unpack("!H", packet[at:at + 2])
        question = packet[12:at + 4]
        entry = self.names.get(name) or (self.default(name) if self.default else None)
        if entry is None:
            # A copy: the checks add names meanwhile.
            known = any(other.endswith("." + name) for other in list(self.names))
            entry = Name(rcode=NOERROR if known else NXDOMAIN)
        answer = bytearray(self._answer(packet[:2], question, entry, qtype))
        if not self.validates:
            answer[3] &= ~0x20
        if entry.delay:
            threading.Timer(entry.delay, self.socket.sendto, (answer, peer)).start()
        else:
            self.socket.sendto(answer, peer)

    @staticmethod
    def _answer(ident, question, entry, qtype):
        rcode = SERVFAIL if qtype in entry.fail else entry.rcode
        records = [r for t, r in entry.records if t == qtype] if rcode == NOERROR else []
        flags = 0x8180 | rcode | (0x20 if entry.signed and rcode != SERVFAIL else 0)
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", qtype, 1, entry.ttl, len(r)) + r
                        for r in records)
        authority = b""
        if not records and rcode != SERVFAIL:
            rdata = b"\0\0" + struct.pack("!IIIII", 1, 3600, 600, 86400, entry.ttl)
            authority = b"\0" + struct.pack("!HHIH", SOA, 1, entry.ttl, len(rdata)) + rdata
        opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
        return (ident + struct.pack("!HHHHH", flags, 1, len(records), 1 if authority else 0, 1) +
                question + body + authority + opt)


if __name__ == "__main__":
    server = Server(("127.0.0.1", 5399))
    server.dane("dane.test")
    server.dane("mixed.test", hosts=2, tlsa="some")
    server.dane("signed.test", tlsa=False)
    server.dane("plain.test", tlsa=False, signed=False)
    server.add("nullmx.test", signed=True).mx(0, "")
    server.add("broken.test", rcode=SERVFAIL)
    server.dane("slow.test", delay=9)
    while True:
        time.sleep(60)

"""Zone files: made from the domain table, signed offline by ldns-signzone.

Offline, because that can also sign for a time long past. One key signs every zone: the lab tests
what validation says, not how keys are kept.
"""

import base64
import hashlib
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import domains
import layout
import plan
import tlsa

TTL = 300
TOP_LEVEL = ("com", "net", "org", "test")
DAY = 86400


def directory():
    return layout.RUN / "dns"


def zone_file(zone):
    return directory() / f"zone-{zone.rstrip('.') or 'root'}.signed"


class Key:
    """The lab's one key: its files as ldns-signzone wants them, and the DS records that name it."""

    def __init__(self):
        where = directory()
        made = [path.stem for path in where.glob("K.+013+*.key")]
        stem = made[0] if made else subprocess.run(
            ["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "."], cwd=where, check=True,
            capture_output=True, text=True, timeout=60).stdout.strip()
        record = (where / f"{stem}.key").read_text()
        self.dnskey = record.split("DNSKEY", 1)[1].split(";")[0].strip()
        self.private = (where / f"{stem}.private").read_text()
        flags, protocol, algorithm, key = self.dnskey.split(None, 3)
        self.rdata = struct.pack("!HBB", int(flags), int(protocol), int(algorithm)) \
            + base64.b64decode(key)

    def tag(self):
        """RFC 4034 appendix B."""
        total = sum(b << 8 if i % 2 == 0 else b for i, b in enumerate(self.rdata))
        return (total + (total >> 16)) & 0xFFFF

    def ds(self, zone):
        return f"{self.tag()} 13 2 {hashlib.sha256(wire(zone) + self.rdata).hexdigest()}"

    def stem_for(self, zone):
        """Writes the key under the zone's name; returns what ldns-signzone calls it."""
        stem = directory() / f"K{zone}+013+{self.tag():05d}"
        stem.with_name(stem.name + ".key").write_text(f"{zone} IN DNSKEY {self.dnskey}\n")
        stem.with_name(stem.name + ".private").write_text(self.private)
        return stem


def wire(name):
    """A name in wire format."""
    labels = [part for part in name.rstrip(".").split(".") if part]
    return b"".join(bytes([len(p)]) + p.encode() for p in labels) + b"\0"


def header(zone, server):
    """SOA and NS. The name servers' names are all below ns.test, outside of the zones tested."""
    return [f"$ORIGIN {zone}", f"$TTL {TTL}",
            f"@ SOA {server}.ns.test. hostmaster.ns.test. 1 3600 600 86400 60",
            f"@ NS {server}.ns.test."]


def _txt(text):
    return "TXT " + " ".join(f'"{text[i:i + 200]}"' for i in range(0, len(text), 200))


def domain_records(domain):
    """The records of one domain of the table."""
    lines = []
    for mx in domain.mx:
        if isinstance(mx, str):
            lines.append(f"@ MX {mx}.")
        else:
            lines.append(f"@ MX {mx.pref} {plan.absolute(mx.name, domain)}.")
    for host in (h for h in plan.HOSTS if h.domain is domain):
        if host.v4:
            lines.append(f"{host.name}. A {host.v4}")
        if host.v6:
            lines.append(f"{host.name}. AAAA {host.v6}")
        for kind in host.mx.tlsa:
            lines.append(f"_25._tcp.{host.name}. TLSA {tlsa.rdata(kind, host.cert_name)}")
    if domain.sts:
        records = domain.sts.record
        for record in (records,) if isinstance(records, str) else records:
            if record:
                lines.append(f"_mta-sts {_txt(record)}")
        host = next(p for p in plan.POLICY_HOSTS if p.domain is domain)
        lines.append(f"{host.name}. A {host.address}")
    lines.append(f"_smtp._tls {_txt('v=TLSRPTv1; rua=mailto:tls@sender.test')}")
    return lines + list(domain.extra)


def write_zone(zone, lines, key, expired=False):
    """Writes and, with a key, signs a zone file."""
    plain = directory() / f"zone-{zone.rstrip('.') or 'root'}"
    plain.write_text("\n".join(lines) + "\n")
    if not key:
        zone_file(zone).write_text(plain.read_text())
        return
    now = int(time.time())
    begin, end = (now - 60 * DAY, now - 30 * DAY) if expired else (now - DAY, now + 30 * DAY)
    subprocess.run(["ldns-signzone", "-i", str(begin), "-e", str(end), "-o", zone,
                    "-f", zone_file(zone), plain, key.stem_for(zone)],
                   check=True, capture_output=True, timeout=60)


def publish(domain, key):
    """Writes the zone of one domain; knot must be told to reload it."""
    name = f"{domain.name}."
    server = domain.server or "domains"
    write_zone(name, header(name, server) + domain_records(domain),
               key if domain.signed else None, domain.signatures == "expired")


def _delegation(domain, key):
    name = f"{domain.name}."
    lines = [f"{name} NS {domain.server or 'domains'}.ns.test."]
    if domain.signed and domain.delegated != "insecure":
        digest = key.ds(name)
        if domain.delegated == "wrong":
            digest = digest[:-8] + "00000000"
        lines.append(f"{name} DS {digest}")
    return lines


def write_all(key):
    """Every zone; returns the names of those for each of the two servers."""
    root = header(".", "parents") + [f"parents.ns.test. A {layout.NS_PARENTS}"]
    for top in TOP_LEVEL:
        root += [f"{top}. NS parents.ns.test.", f"{top}. DS {key.ds(top + '.')}"]
    write_zone(".", root, key)
    for top in TOP_LEVEL:
        lines = header(f"{top}.", "parents")
        if top == "test":
            lines += [f"parents.ns.test. A {layout.NS_PARENTS}",
                      f"domains.ns.test. A {layout.NS_DOMAINS}"]
            lines += [f"{b}.ns.test. A {plan.crooked_address(b)}" for b in plan.CROOKED]
        for domain in plan.ALL + domains.BULK:
            if domain.name.endswith(f".{top}"):
                lines += _delegation(domain, key)
        write_zone(f"{top}.", lines, key)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda domain: publish(domain, key), plan.ALL + domains.BULK))
    (directory() / "anchor").write_text(f". IN DS {key.ds('.')}\n")
    return [".", *(f"{t}." for t in TOP_LEVEL)], [f"{d.name}." for d in plan.ALL + domains.BULK]

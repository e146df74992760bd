"""Rows of the shared cache, written and read without the project's own code: for scenarios that put rows
on a server which no daemon would put there. tests/unit/shared_row_codec.py holds it to the C code.

    keys = keys_of("/etc/requiretls-milter/shared.key")
    name = "example.org"
    server.set(row_key(POLICY, name), row(keys, POLICY, name, policy(name, "1", BODY, now), now, now + 86400))
    for forgery in forgeries(keys, POLICY, name, payload, now, 86400): ...
"""

import hashlib
import hmac
import re
import secrets
import socket
import struct
from dataclasses import dataclass, field

VERSION = 1
POLICY, PROBE = 1, 2
KINDS = {POLICY: b"policy", PROBE: b"probe"}
EARLY_S = 300  # how far ahead of the reader's clock a row, or a fetch, may be
NAME_MAX = 511
MAC_LEN = 32
HEAD = struct.Struct(">4sBBqqI")  # magic, version, kind, written at, ends at, length of the payload
MAGIC = b"RTLS"


class Rejected(Exception):
    """A row that is not used. Its text is the reason, as in requiretls_shared_rejected_total."""


def keys_of(path):
    """The keys of a file as [cache] shared_key names it, in their order."""
    with open(path, "rb") as file:
        lines = [line.rstrip(b" \t\r\n") for line in file]
    return [line for line in lines if line and not line.startswith(b"#")]


def row_key(kind, name):
    """The key under which a server has the row of a policy domain, or of a probe."""
    return b"requiretls:1:" + KINDS[kind] + b":" + _octets(name)


def row(keys, kind, name, payload, written_at, ends_at, version=VERSION, row_of=None):
    """A row, signed by the first of the keys for the row key of kind and name. It says that it is of
    `version`, and of kind `row_of` if that is another."""
    head = HEAD.pack(MAGIC, version, row_of or kind, written_at, ends_at, len(payload)) + payload
    return head + hmac.new(keys[0], head + row_key(kind, name), hashlib.sha256).digest()


def signed(keys, kind, name, octets):
    """Any octets with a right MAC behind them."""
    return octets + hmac.new(keys[0], octets + row_key(kind, name), hashlib.sha256).digest()


@dataclass
class Row:
    written_at: int
    ends_at: int
    payload: bytes


def read(keys, kind, name, octets, now, max_payload=1 << 20):
    """The row that a server had, or Rejected."""
    if len(octets) > HEAD.size + MAC_LEN + max_payload:
        raise Rejected("too_large")
    if len(octets) < 5:
        raise Rejected("truncated")
    if octets[:4] != MAGIC or octets[4] != VERSION:
        raise Rejected("version")
    if len(octets) < HEAD.size + MAC_LEN:
        raise Rejected("truncated")
    _, _, row_kind, written_at, ends_at, payload_len = HEAD.unpack_from(octets)
    if len(octets) != HEAD.size + payload_len + MAC_LEN:
        raise Rejected("truncated")
    covered, mac = octets[:-MAC_LEN], octets[-MAC_LEN:]
    if not any(hmac.compare_digest(hmac.new(key, covered + row_key(kind, name), hashlib.sha256).digest(), mac)
               for key in keys):
        raise Rejected("mac")
    if row_kind != kind:
        raise Rejected("kind")
    if written_at < 0 or ends_at <= written_at:
        raise Rejected("content")
    if ends_at <= now:
        raise Rejected("expired")
    if written_at - EARLY_S > now:
        raise Rejected("future")
    return Row(written_at, ends_at, covered[HEAD.size:])


# ---- Policies ----

def policy(domain, policy_id, body, fetched_at):
    """The payload of a policy: its file as it was served, for the id of its TXT record."""
    domain, policy_id, body = _octets(domain), _octets(policy_id), _octets(body)
    return (bytes([len(policy_id)]) + policy_id + bytes([len(domain)]) + domain
            + struct.pack(">qI", fetched_at, len(body)) + body)


@dataclass
class Policy:
    id: str
    fetched_at: int
    body: bytes


def read_policy(payload, domain, now, max_body=1 << 20):
    """The policy of a payload, or Rejected."""
    try:
        policy_id, rest = payload[1:1 + payload[0]], payload[1 + payload[0]:]
        of, rest = rest[1:1 + rest[0]], rest[1 + rest[0]:]
        fetched_at, body_len = struct.unpack_from(">qI", rest)
    except (IndexError, struct.error):
        raise Rejected("content") from None
    body = rest[12:]
    if not re.fullmatch(rb"[A-Za-z0-9]{1,32}", policy_id) or of != _octets(domain) or fetched_at < 0 \
            or len(body) != body_len or not body:
        raise Rejected("content")
    if body_len > max_body:
        raise Rejected("too_large")
    if fetched_at - EARLY_S > now:
        raise Rejected("future")
    return Policy(policy_id.decode(), fetched_at, body)


# ---- Probes ----

RESULTS = ["ok", "no-starttls", "not-authenticated", "no-requiretls", "unreachable", "failed"]
CHECKS = ["not-tried", "ok", "failed"]


@dataclass
class Probe:
    """What a probe has shown, as the daemon keeps it in its store and shares it."""
    result: str = "ok"
    address: str = "192.0.2.1"
    port: int = 25
    checked_at: int = 0
    not_after: int = 0
    dane: str = "not-tried"
    web_pki: str = "not-tried"
    starttls: bool = False
    requiretls: bool = False
    pipelining: bool = False
    spki: bytes | None = None
    failure: str | None = None
    protocol: str | None = None
    cipher: str | None = None
    dane_why: str | None = None
    web_pki_why: str | None = None
    names: list[str] = field(default_factory=list)


def probe(p, version=1):
    """The payload of a probe."""
    family = socket.AF_INET6 if ":" in p.address else socket.AF_INET
    flags = p.starttls | p.requiretls << 1 | p.pipelining << 2 | (p.spki is not None) << 3
    texts = [p.failure, p.protocol, p.cipher, p.dane_why, p.web_pki_why]
    present = sum(1 << i for i, text in enumerate(texts) if text is not None)
    return (struct.pack(">BBBBBBHqq16s32sBB", version, RESULTS.index(p.result),
                        6 if family == socket.AF_INET6 else 4, CHECKS.index(p.dane), CHECKS.index(p.web_pki),
                        flags, p.port, p.checked_at, p.not_after, socket.inet_pton(family, p.address),
                        p.spki or b"", present, len(p.names))
            + b"".join(_octets(text) + b"\0" for text in [*texts, *p.names] if text is not None))


# ---- Forgeries ----

@dataclass
class Forgery:
    name: str
    octets: bytes
    reason: str  # for which it is rejected


def forgeries(keys, kind, name, payload, now, life):
    """One row for each reason that whoever can write to the server can bring about with rows of `payload`,
    and for those that only a host with a key can. None of them may be used."""
    good = row(keys, kind, name, payload, now, now + life)
    other_kind = PROBE if kind == POLICY else POLICY
    flipped = bytearray(good)
    flipped[HEAD.size] ^= 1
    yield Forgery("nothing", b"", "truncated")
    yield Forgery("what another program wrote", b"a value of another program", "version")
    yield Forgery("the payload alone", payload, "truncated" if len(payload) < 5 else "version")
    yield Forgery("signed by a key that is not ours",
                  row([secrets.token_bytes(32)], kind, name, payload, now, now + life), "mac")
    yield Forgery("without a MAC", good[:-MAC_LEN] + bytes(MAC_LEN), "mac")
    yield Forgery("one bit changed", bytes(flipped), "mac")
    yield Forgery("replayed from another name", row(keys, kind, "another.test", payload, now, now + life), "mac")
    yield Forgery("replayed from another kind", row(keys, other_kind, name, payload, now, now + life), "mac")
    yield Forgery("its life made longer", HEAD.pack(*HEAD.unpack_from(good)[:4], now + 2 * life, len(payload))
                  + good[HEAD.size:], "mac")
    yield Forgery("truncated by an octet", good[:-1], "truncated")
    yield Forgery("truncated to its head", good[:HEAD.size], "truncated")
    yield Forgery("an octet too many", good + b"\0", "truncated")
    yield Forgery("of the next version", row(keys, kind, name, payload, now, now + life, version=VERSION + 1),
                  "version")
    yield Forgery("signed, of another kind", row(keys, kind, name, payload, now, now + life, row_of=other_kind),
                  "kind")
    yield Forgery("signed, of a kind that is none", row(keys, kind, name, payload, now, now + life, row_of=99), "kind")
    yield Forgery("signed, written in the future",
                  row(keys, kind, name, payload, now + 3600, now + 3600 + life), "future")
    yield Forgery("signed, ended", row(keys, kind, name, payload, now - life - 60, now - 60), "expired")
    yield Forgery("signed, ends before it is written", row(keys, kind, name, payload, now + 60, now + 59), "content")


def policy_forgeries(keys, domain, policy_id, body, now, life):
    """Signed rows of POLICY with a payload that is none."""
    good = policy(domain, policy_id, body, now)
    for name, payload, reason in [
            ("no payload", b"", "content"),
            ("the payload cut", good[:-1], "content"),
            ("more behind the file", good + b"\n", "content"),
            ("of another domain", policy("another.test", policy_id, body, now), "content"),
            ("an id that is none", policy(domain, "not-an-id", body, now), "content"),
            ("no id", policy(domain, "", body, now), "content"),
            ("no file", policy(domain, policy_id, b"", now), "content"),
            ("fetched in the future", policy(domain, policy_id, body, now + 3600), "future")]:
        yield Forgery(name, row(keys, POLICY, domain, payload, now, now + life), reason)


def _octets(text):
    return text.encode() if isinstance(text, str) else text

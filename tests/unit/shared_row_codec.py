#!/usr/bin/python3
"""The two codecs of the shared cache's rows agree, the program's (tests/tools/shared_row) and that of the lab
(tests/lab/sharedrow.py): shared_row_codec.py PROGRAM, TAP. Neither knows the other, so that a mistake in one of
them shows.
"""
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))
import sharedrow  # noqa: E402

NOW, LIFE = 1764407000, 86400
KEYS = [b"a key that signs, which is 40 octets long", b"0123456789abcdef0123456789abcdef"]
BODY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 604800\r\n"
NAMES = {sharedrow.POLICY: b"example.org", sharedrow.PROBE: b"mx.example.org 192.0.2.1:25 *"}


def hexed(octets):
    return octets.hex() or "-"


class Program:
    def __init__(self, path, keys):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for key in keys:
            assert self.ask("key", hexed(key)) == "ok"

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer.endswith("\n"), f"the program has ended: {words}"
        return answer[:-1]

    def read(self, kind, name, octets, now=NOW, max_payload=1 << 20):
        return self.ask("read", kind, hexed(name), now, max_payload, hexed(octets))

    def read_policy(self, payload, domain, now=NOW, max_body=1 << 20):
        return self.ask("read-policy", hexed(domain), now, max_body, hexed(payload))


def ours_read(keys, kind, name, octets, now=NOW, max_payload=1 << 20):
    try:
        row = sharedrow.read(keys, kind, name, octets, now, max_payload)
    except sharedrow.Rejected as reason:
        return str(reason)
    return f"ok {row.written_at} {row.ends_at} {hexed(row.payload)}"


def ours_read_policy(payload, domain, now=NOW, max_body=1 << 20):
    try:
        policy = sharedrow.read_policy(payload, domain, now, max_body)
    except sharedrow.Rejected as reason:
        return str(reason)
    return f"ok {policy.id} {policy.fetched_at} {hexed(policy.body)}"


def equal(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what}: {got[:200]} and not {expected[:200]}")


def changed(rng, octets):
    """Some of the octets changed, left out, or put in twice."""
    octets = bytearray(octets)
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(octets) + 1)
        match rng.randrange(4):
            case 0:
                octets[at:at + 1] = bytes([rng.choice((0, 1, 2, 0x7f, 0x80, 0xff, rng.randrange(256)))])
            case 1:
                del octets[at:at + rng.randint(1, 8)]
            case 2:
                octets[at:at] = octets[at:at + rng.randint(1, 8)]
            case _:
                del octets[at:]
    return bytes(octets)


class Agreement:
    """Each method is a test."""

    def __init__(self, program):
        self.program = program

    def same_octets(self):
        for kind, name in NAMES.items():
            for payload in (b"", b"\0", BODY, bytes(range(256)) * 300):
                for written, ends in ((0, 1), (NOW, NOW + LIFE), (NOW, 2 ** 63 - 1)):
                    equal(self.program.ask("write", kind, hexed(name), written, ends, hexed(payload)),
                          sharedrow.row(KEYS, kind, name, payload, written, ends).hex(), f"{name} {len(payload)}")

    def same_policies(self):
        for domain, policy_id in ((b"example.org", b"1"), (b"d" * 253, b"Z" * 32)):
            payload = sharedrow.policy(domain, policy_id, BODY, NOW)
            equal(self.program.ask("write-policy", hexed(domain), hexed(policy_id), NOW, hexed(BODY)),
                  payload.hex(), domain)
            equal(self.program.read_policy(payload, domain), f"ok {policy_id.decode()} {NOW} {BODY.hex()}", domain)

    def every_key_verifies(self):
        for key in KEYS:
            octets = sharedrow.row([key], sharedrow.POLICY, "example.org", b"x", NOW, NOW + 1)
            equal(self.program.read(sharedrow.POLICY, b"example.org", octets), f"ok {NOW} {NOW + 1} 78", key)

    def forgeries(self):
        """Each is rejected for the reason that it is named with, and without what was forged it is not."""
        for kind, name in NAMES.items():
            good = sharedrow.row(KEYS, kind, name, BODY, NOW, NOW + LIFE)
            equal(self.program.read(kind, name, good), f"ok {NOW} {NOW + LIFE} {BODY.hex()}", "no forgery")
            for forgery in sharedrow.forgeries(KEYS, kind, name, BODY, NOW, LIFE):
                equal(self.program.read(kind, name, forgery.octets), forgery.reason, forgery.name)
                equal(ours_read(KEYS, kind, name, forgery.octets), forgery.reason, forgery.name)
        equal(self.program.read(kind, name, good, max_payload=len(BODY)),
              f"ok {NOW} {NOW + LIFE} {BODY.hex()}", "largest")
        equal(self.program.read(kind, name, good, max_payload=len(BODY) - 1), "too_large", "too large")

    def policy_forgeries(self):
        domain = NAMES[sharedrow.POLICY]
        for forgery in sharedrow.policy_forgeries(KEYS, domain, b"1", BODY, NOW, LIFE):
            row = sharedrow.read(KEYS, sharedrow.POLICY, domain, forgery.octets, NOW)
            equal(self.program.read(sharedrow.POLICY, domain, forgery.octets),
                  f"ok {NOW} {NOW + LIFE} {hexed(row.payload)}", f"{forgery.name}: its row")
            equal(self.program.read_policy(row.payload, domain), forgery.reason, forgery.name)
            equal(ours_read_policy(row.payload, domain), forgery.reason, forgery.name)
        payload = sharedrow.policy(domain, b"1", BODY, NOW)
        equal(self.program.read_policy(payload, domain, max_body=len(BODY) - 1), "too_large", "too large")

    def agree_on_rows(self):
        """Of any row, signed after it was changed or before it, both say the same."""
        rng, seen = random.Random(8461), set()
        for number in range(4000):
            kind, name = rng.choice(list(NAMES.items()))
            times = (0, 1, NOW - LIFE, NOW - 1, NOW, NOW + 1, NOW + 300, NOW + 301, NOW + LIFE,
                     -1, 2 ** 63 - 1, -2 ** 63)
            octets = sharedrow.row(KEYS, kind, name, rng.randbytes(rng.randrange(40)), rng.choice(times),
                                   rng.choice(times), row_of=rng.choice((1, 1, 1, 2, 2, 3, 255)))
            if rng.random() < 0.5:
                octets = changed(rng, octets)
            if rng.random() < 0.5:
                octets = sharedrow.signed([rng.choice(KEYS)], kind, name, octets[:-sharedrow.MAC_LEN])
            limit = rng.choice((20, 1 << 20))
            expected = ours_read(KEYS, kind, name, octets, max_payload=limit)
            equal(self.program.read(kind, name, octets, max_payload=limit), expected,
                  f"row {number}, {octets.hex()}")
            seen.add(expected.split()[0])
        equal(" ".join(sorted(seen)), "content expired future kind mac ok too_large truncated version",
              "what was seen")

    def agree_on_policies(self):
        rng, seen = random.Random(8689), set()
        for number in range(4000):
            domain = rng.choice((b"example.org", b"a.test"))
            payload = sharedrow.policy(rng.choice((domain, domain, b"x")),
                                       rng.choice((b"1", b"Aa9" * 10, b"", b"a.b")),
                                       rng.randbytes(rng.randrange(30)),
                                       rng.choice((0, NOW, NOW + 300, NOW + 301, -1, 2 ** 63 - 1)))
            if rng.random() < 0.5:
                payload = changed(rng, payload)
            limit = rng.choice((10, 1 << 20))
            expected = ours_read_policy(payload, domain, max_body=limit)
            equal(self.program.read_policy(payload, domain, max_body=limit), expected,
                  f"payload {number}, {payload.hex()}")
            seen.add(expected.split()[0])
        equal(" ".join(sorted(seen)), "content future ok too_large", "what was seen")

    def probes(self):
        def said(p):
            family = 6 if ":" in p.address else 4
            octets = sharedrow.socket.inet_pton(
                sharedrow.socket.AF_INET6 if family == 6 else sharedrow.socket.AF_INET, p.address)
            texts = [p.failure, p.protocol, p.cipher, p.dane_why, p.web_pki_why]
            return "|".join(["ok", p.result, p.dane, p.web_pki, *(str(int(flag)) for flag in (
                p.starttls, p.requiretls, p.pipelining, p.spki is not None)), str(p.port), str(p.checked_at),
                str(p.not_after), str(family), octets.ljust(16, b"\0").hex(), (p.spki or bytes(32)).hex(),
                *(text if text is not None else "(none)" for text in texts), *p.names])

        full = dict(starttls=True, requiretls=True, pipelining=True, spki=bytes(range(32)), protocol="TLSv1.3",
                    cipher="TLS_AES_256_GCM_SHA384", checked_at=NOW, not_after=NOW + LIFE,
                    names=["mx.example.org", "*.example.org"])
        cases = [sharedrow.Probe(**full, dane="ok", web_pki="failed", web_pki_why="self-signed certificate"),
                 sharedrow.Probe(**full, address="2001:db8::25", port=2525, web_pki="ok"),
                 *(sharedrow.Probe(result=result, failure="why") for result in sharedrow.RESULTS)]
        for p in cases:
            equal(self.program.ask("read-probe", hexed(sharedrow.probe(p))), said(p), p.result)
        equal(self.program.ask("read-probe", hexed(sharedrow.probe(cases[0], version=2))), "none",
              "another version")
        equal(self.program.ask("read-probe", hexed(sharedrow.probe(cases[0])[:-1])), "none", "cut")


def main():
    names = [name for name in vars(Agreement) if not name.startswith("_")]
    failed = 0
    print(f"1..{len(names)}")
    for number, name in enumerate(names, 1):
        program = Program(sys.argv[1], KEYS)
        try:
            getattr(Agreement(program), name)()
            print(f"ok {number} - {name}")
        except AssertionError as why:
            failed += 1
            print(f"not ok {number} - {name}")
            print(f"# {why}")
        program.process.stdin.close()
        program.process.wait()
    return failed != 0


sys.exit(main())

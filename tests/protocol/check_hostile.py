"""Whatever comes over the milter socket, the daemon lives on and forgets it."""

import contextlib
import os
import random
import socket
import struct

import milter_client as mc
from harness import Daemon, check, equal, matches, message, wait_for
from operation import symptom

COMMANDS = "ABCDEHKLMNOQRTU"


def still_serves(d):
    check(d.process.poll() is None, f"it died:\n{d.log()[-3000:]}")
    with d.session() as m:
        equal(message(m)["eoh"].action, "accept")
        equal(message(m, params=["REQUIRETLS=1"])["mail"].code, "501")


def at_rest(d):
    """What a daemon holds that has served: what it opens with the first session counts too."""
    still_serves(d)
    return d.counts()


def settled(d, before):
    """No descriptor is left of the connections that came and went."""
    wait_for(lambda: d.counts()[0] <= before[0], f"descriptors to be closed, {before[0]} before")


def raw(d, data, then_read=True):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(d.path))
        s.settimeout(0.3)
        with contextlib.suppress(OSError):
            s.sendall(data)
            while then_read and s.recv(65536):
                pass


def packet(command, data=b""):
    return struct.pack("!I", len(data) + 1) + command.encode("latin-1") + data


NEGOTIATE = packet("O", struct.pack("!III", 6, mc.ALL_ACTIONS, mc.ALL_OPTIONS))
CONNECT = packet("C", b"x.example\x004" + struct.pack("!H", 25) + b"192.0.2.1\0")


def lengths():
    with Daemon() as d:
        before = at_rest(d)
        for data in (b"", b"\0", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xffO",
                     struct.pack("!I", 65536) + b"M" * 65536, packet("O", b"\0"),
                     packet("O", struct.pack("!III", 0, 0, 0)),
                     packet("O", struct.pack("!III", 99, 0xffffffff, 0xffffffff)),
                     NEGOTIATE + b"\0\0", NEGOTIATE * 5):
            raw(d, data)
        settled(d, before)
        still_serves(d)


def without_terminators():
    """Arguments that do not end, are empty, or are missing."""
    with Daemon() as d:
        before = at_rest(d)
        for data in (b"", b"x", b"\0", b"\0\0\0", b"x" * 60000, b"\xff" * 100 + b"\0"):
            for command in COMMANDS:
                raw(d, NEGOTIATE + CONNECT + packet("D", b"M") + packet("M", b"<a@b>\0")
                    + packet(command, data), then_read=False)
        settled(d, before)
        still_serves(d)


def out_of_order():
    with Daemon("[rule f]\nnexthop = .fine\ntls_policy = secure\n") as d:
        before = at_rest(d)
        rng = random.Random(8689)
        parts = {"M": b"<a@b.example>\0REQUIRETLS\0", "R": b"<a@b.fine>\0", "L": b"TLS-Required\0 No\0",
                 "C": CONNECT[5:], "H": b"x\0", "D": b"M{tls_version}\0TLSv1.3\0", "U": b"x\0",
                 "B": b"body", "O": NEGOTIATE[5:]}
        for _ in range(300):
            commands = rng.choices("CHDMMRRRLNBEATK", k=rng.randrange(1, 14))
            raw(d, NEGOTIATE + b"".join(packet(c, parts.get(c, b"")) for c in commands),
                then_read=False)
        settled(d, before)
        still_serves(d)


def random_octets():
    with Daemon() as d:
        before = at_rest(d)
        rng = random.Random(5321)
        for _ in range(300):
            data = NEGOTIATE + CONNECT
            for _ in range(rng.randrange(6)):
                command = rng.choice(COMMANDS) if rng.random() < 0.9 else chr(rng.randrange(256))
                data += packet(command, rng.randbytes(rng.choice((0, 1, 8, 64, 1000))))
            raw(d, data, then_read=False)
        settled(d, before)
        still_serves(d)


def hostile_strings():
    """Addresses and header fields that no MTA would let through."""
    rng = random.Random(5322)
    pieces = ["<", ">", "@", "\"", "\\", ":", "[", "]", "a", ".", "..", "\x01", "\r\n", "%n", "\xff",
              "ä", "xn--", "x" * 300, ",", ";", " ", "=", "IPv6:", "1.2.3.4"]

    def text(n):
        return "".join(rng.choice(pieces) for _ in range(rng.randrange(n)))

    with Daemon("[milter]\naccept_header = any\n[default]\nlevel = opportunistic\n") as d:
        with d.session() as m:
            for _ in range(500):
                message(m, sender=text(8), params=[text(6), "REQUIRETLS"],
                        rcpts=[text(10) for _ in range(3)] + ["<b@own.example>"],
                        headers=[("X" + text(4), text(20)), ("TLS-Required", text(3)),
                                 ("Require-TLS-ESMTP", "yes")],
                        rcpt_macros={"{rcpt_host}": text(8), "{rcpt_mailer}": text(3)},
                        queue_id=text(6))
        log = d.log()
        check(all(32 <= ord(c) < 127 or c == "\n" for c in log),
              "the log holds octets that are not printable ASCII")
        still_serves(d)


def broken_off():
    """The connection ends in the middle of everything."""
    stream = NEGOTIATE + CONNECT + packet("D", b"M{tls_version}\0TLSv1.3\0") \
        + packet("M", b"<a@b.example>\0REQUIRETLS\0") + packet("R", b"<b@own.example>\0") \
        + packet("L", b"Subject\0 x\0") + packet("N") + packet("E")
    with Daemon() as d:
        before = at_rest(d)
        for end in range(0, len(stream), 3):
            raw(d, stream[:end], then_read=False)
        settled(d, before)
        still_serves(d)


def idle_connections():
    """Many connections that say nothing do not keep others out."""
    with Daemon() as d:
        before = at_rest(d)
        idle = []
        for _ in range(200):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(d.path))
            idle.append(s)
        still_serves(d)
        for s in idle:
            s.close()
        settled(d, before)


def unreadable_socket_directory():
    """The socket can be removed under the daemon; stopping it is then no error."""
    with Daemon() as d:
        os.unlink(d.path)
        d.path.write_text("somebody else's")
        d.stop()
        check(d.path.exists(), "it removed what it had not made")


def headers_without_end():
    """More than rules can look at: deferred, and the log says why."""
    with Daemon("[rule x]\nheader = X-Level: *\nlevel = disable\n") as d:
        with d.session() as m:
            got = message(m, headers=[("X-Level", str(i)) for i in range(501)])
            matches(got["eoh"].text, symptom("451 4.3.0 Temporary"))
            check(d.logged("warning: 4bXyZ: message deferred: more header fields"), d.log())
            equal(message(m, headers=[("X-Level", "1")] * 500)["eoh"].action, "accept")


def recipients_without_end():
    """As many as etc/OPERATION says; for the next one the client is told to split the message."""
    with Daemon() as d, d.session() as m:
        m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
        told = [m.rcpt(f"<a{i}@own.example>") for i in range(10001)]
        equal({answer.action for answer in told[:-1]}, {"continue"})
        equal(told[-1].text, "452 4.5.3 Too many recipients")


def run(suite):
    for name, function in (
            ("packet lengths", lengths),
            ("arguments without end", without_terminators),
            ("commands out of order", out_of_order),
            ("random octets", random_octets),
            ("hostile strings", hostile_strings),
            ("header fields without end", headers_without_end),
            ("recipients without end", recipients_without_end),
            ("connections broken off anywhere", broken_off),
            ("idle connections", idle_connections),
            ("the socket replaced under the daemon", unreadable_socket_directory)):
        suite.run(f"hostile: {name}", function)

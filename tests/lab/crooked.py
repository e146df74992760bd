#!/usr/bin/python3
"""Name servers that misbehave, each behaviour at an address of its own.

knot cannot be made to answer SERVFAIL for one type, to be silent, or to spoil one signature, so
this small forwarder stands before it: it passes queries on to knot and changes the responses.
The domain table names a behaviour as `server`; plan.CROOKED lists them.
"""

import socket
import struct
import sys
import threading
import time

import layout
import plan
import zones

NS, MX, TXT, AAAA, RRSIG, TLSA = 2, 15, 16, 28, 46, 52
SERVFAIL, REFUSED = 2, 5
UPSTREAM_S = 5
SLOW_S = 0.3


def question_type(query):
    return struct.unpack_from("!H", query, question_end(query) - 4)[0]


def question_end(message):
    return skip_name(message, 12) + 4


def skip_name(message, at):
    while message[at]:
        if message[at] & 0xC0 == 0xC0:
            return at + 2
        at += message[at] + 1
    return at + 1


def refusal(query, rcode, bits=0):
    """An answer without records."""
    ident, flags = struct.unpack_from("!HH", query)
    head = struct.pack("!HHHHHH", ident, 0x8000 | bits | (flags & 0x7900) | rcode, 1, 0, 0, 0)
    return head + query[12:question_end(query)]


def referral_up(query):
    """What a server says that knows nothing of the zone: ask the root."""
    reply = bytearray(refusal(query, 0))
    struct.pack_into("!H", reply, 8, 1)
    name = zones.wire("parents.ns.test")
    return bytes(reply) + b"\0" + struct.pack("!HHIH", NS, 1, 300, len(name)) + name


def spoil_signatures(answer):
    """Changes the last octet of every RRSIG in the answer section."""
    spoilt = bytearray(answer)
    at = question_end(answer)
    for _ in range(struct.unpack_from("!H", answer, 6)[0]):
        at = skip_name(answer, at)
        kind, _, _, length = struct.unpack_from("!HHIH", answer, at)
        at += 10 + length
        if kind == RRSIG:
            spoilt[at - 1] ^= 0xFF
    return bytes(spoilt)


def upstream(query, stream):
    """Knot's own answer."""
    kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as s:
        s.settimeout(UPSTREAM_S)
        s.connect((layout.NS_DOMAINS, 53))
        if not stream:
            s.send(query)
            return s.recv(65535)
        s.sendall(struct.pack("!H", len(query)) + query)
        return read_stream(s)


def read_stream(s):
    head = read_exactly(s, 2)
    return read_exactly(s, struct.unpack("!H", head)[0])


def read_exactly(s, count):
    data = b""
    while len(data) < count:
        part = s.recv(count - len(data))
        if not part:
            raise OSError("closed")
        data += part
    return data


TYPES = {"mx": MX, "tlsa": TLSA, "aaaa": AAAA, "txt": TXT}


def respond(behaviour, query, stream):
    """The answer to send, None for silence."""
    what, _, of = behaviour.partition("-")
    if of and question_type(query) != TYPES[of]:
        return upstream(query, stream)
    if what == "servfail":
        return refusal(query, SERVFAIL)
    if what == "refused":
        return refusal(query, REFUSED)
    if what == "lame":
        return referral_up(query)
    if what == "silent":
        return None
    if what == "bogus":
        return spoil_signatures(upstream(query, stream))
    if what == "truncate":
        return upstream(query, stream) if stream else refusal(query, 0, bits=0x0600)
    if what == "slow":
        time.sleep(SLOW_S)
        return upstream(query, stream)
    raise ValueError(behaviour)


def quietly(function, *args):
    """A resolver that goes away, or a query cut short, must not end the responder."""
    try:
        function(*args)
    except (OSError, IndexError, struct.error):
        pass


def serve_udp(behaviour, sock):
    def answer(query, client):
        reply = respond(behaviour, query, False)
        if reply:
            sock.sendto(reply, client)
    while True:
        query, client = sock.recvfrom(65535)
        threading.Thread(target=quietly, args=(answer, query, client), daemon=True).start()


def serve_tcp(behaviour, sock):
    def session(conn):
        with conn:
            conn.settimeout(UPSTREAM_S)
            while True:
                reply = respond(behaviour, read_stream(conn), True)
                if reply:
                    conn.sendall(struct.pack("!H", len(reply)) + reply)
    while True:
        conn, _ = sock.accept()
        threading.Thread(target=quietly, args=(session, conn), daemon=True).start()


def main():
    threads = []
    for behaviour in plan.CROOKED:
        place = (plan.crooked_address(behaviour), 53)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(place)
        tcp = socket.create_server(place, backlog=64)
        for function, sock in ((serve_udp, udp), (serve_tcp, tcp)):
            threads.append(threading.Thread(target=function, args=(behaviour, sock)))
            threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    sys.exit(main())

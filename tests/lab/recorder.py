#!/usr/bin/python3
"""What the receiving servers got: a milter that writes each message to a file and discards it.

It sees the message byte for byte as the receiving Postfix would deliver it, with the whole envelope
(every MAIL and RCPT parameter) and the TLS session, none of which a mailbox would show. One JSON
file per message in arrivals/, see arrivals.py. Addresses that begin with one of REPLIES are refused
as told there.
"""

import base64
import json
import os
import socket
import struct
import sys
import threading
import time

import layout

WHERE = layout.RUN / "arrivals"
REPLIES = {"nobody": "550 5.1.1 No such user here", "later": "451 4.2.1 Come back later"}
# Protocol steps: all of them, header values with their leading space.
VERSION, STEPS = 6, 0x100000

_count_lock = threading.Lock()
_count = 0


def next_number():
    global _count
    with _count_lock:
        _count += 1
        return _count


class Session:
    """One SMTP session as a milter sees it."""

    def __init__(self, conn):
        self.conn = conn
        self.macros = {}
        self.client = self.helo = None
        self.message = None

    def receive(self):
        head = self._read(4)
        data = self._read(struct.unpack("!I", head)[0])
        return chr(data[0]), data[1:]

    def _read(self, count):
        data = b""
        while len(data) < count:
            part = self.conn.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def reply(self, code, data=b""):
        self.conn.sendall(struct.pack("!I", len(data) + 1) + code.encode() + data)

    def run(self):
        with self.conn:
            try:
                while self.step(*self.receive()):
                    pass
            except (EOFError, OSError):
                pass

    def step(self, command, data):
        """Handles one packet; False ends the session."""
        if command == "O":
            offered = struct.unpack("!III", data[:12])
            self.reply("O", struct.pack("!III", VERSION, 0, STEPS & offered[2]))
        elif command == "D":
            words = text(data[1:]).split("\0")
            self.macros.update(zip(words[0::2], words[1::2]))
        elif command == "A":
            self.message = None
        elif command == "Q":
            return False
        elif command == "K":
            self.macros, self.message = {}, None
        else:
            self.event(command, data)
        return True

    def event(self, command, data):
        if command == "C":
            self.client = client_address(data)
        elif command == "H":
            self.helo = text(data).rstrip("\0")
        elif command == "M":
            self.message = {"mail": words_of(data), "rcpt": [], "headers": [], "body": b""}
        elif command == "R":
            self.message["rcpt"].append(words_of(data))
            for start, reply in REPLIES.items():
                if words_of(data)[0].strip("<>").startswith(start):
                    self.message["rcpt"].pop()
                    self.reply("y", reply.encode() + b"\0")
                    return
        elif command == "L":
            name, value = text(data).split("\0")[:2]
            self.message["headers"].append([name, value])
        elif command == "B":
            self.message["body"] += data
        elif command == "E":
            self.message["body"] += data
            self.store()
            self.reply("d")
            return
        self.reply("c")

    def store(self):
        """Writes the message; the file appears whole or not at all."""
        number = next_number()
        m = self.macros
        record = dict(
            self.message, number=number, time=time.time(), server=m.get("j"),
            address=m.get("{daemon_addr}"), client=self.client, helo=self.helo,
            tls=m.get("{tls_version}", ""), cipher=m.get("{cipher}", ""), queue_id=m.get("i"),
            body=base64.b64encode(self.message["body"]).decode())
        new = WHERE / f".{number:06d}"
        new.write_text(json.dumps(record, indent=1) + "\n")
        os.rename(new, WHERE / f"{number:06d}.json")


def client_address(data):
    """From the connect packet: host name, NUL, family, port (2 octets), address, NUL."""
    rest = data[data.index(b"\0") + 1:]
    return text(rest[3:].rstrip(b"\0"))


def text(data):
    return data.decode("utf-8", "surrogateescape")


def words_of(data):
    return [w for w in text(data).split("\0") if w]


def main():
    WHERE.mkdir(exist_ok=True)
    server = socket.create_server(("127.0.0.1", layout.RECORDER_PORT), backlog=256)
    while True:
        conn, _ = server.accept()
        threading.Thread(target=Session(conn).run, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())

"""The MTA's side of the milter protocol, version 6: enough to drive a filter as Postfix and
sendmail do, to see every reply and every modification, and to send what no MTA would.

Python standard library only. One Milter is one connection; it is not thread-safe.
"""

import socket
import struct

# Actions (SMFIF_*) that an MTA of version 6 offers.
ADDHDRS, CHGBODY, ADDRCPT, DELRCPT, CHGHDRS = 0x01, 0x02, 0x04, 0x08, 0x10
QUARANTINE, CHGFROM, ADDRCPT_PAR, SETSYMLIST = 0x20, 0x40, 0x80, 0x100
ALL_ACTIONS = 0x1FF

# Protocol options (SMFIP_*).
NOCONNECT, NOHELO, NOMAIL, NORCPT, NOBODY, NOHDRS, NOEOH = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
NR_HDR, NOUNKNOWN, NODATA, SKIP, RCPT_REJ = 0x80, 0x100, 0x200, 0x400, 0x800
NR_CONN, NR_HELO, NR_MAIL, NR_RCPT, NR_DATA = 0x1000, 0x2000, 0x4000, 0x8000, 0x10000
NR_UNKN, NR_EOH, NR_BODY, HDR_LEADSPC = 0x20000, 0x40000, 0x80000, 0x100000
ALL_OPTIONS = 0x1FFFFF

# The macro lists that the filter may replace, by the number that the protocol gives the stage.
STAGES = {0: "connect", 1: "helo", 2: "mail", 3: "rcpt", 4: "data", 5: "eom", 6: "eoh"}

FINAL = {"c": "continue", "a": "accept", "r": "reject", "t": "tempfail", "d": "discard",
         "s": "skip", "y": "replycode", "f": "connection-failure", "4": "shutdown"}


class Closed(Exception):
    """The filter closed the connection or broke the protocol."""


class Reply:
    """A final answer: action (a value of FINAL), text of a replycode, and what came before it."""

    def __init__(self, action, text=""):
        self.action = action
        self.text = text
        self.changes = []
        self.progress = 0

    @property
    def code(self):
        return self.text[:3]

    def __repr__(self):
        shown = self.action if self.action != "replycode" else self.text
        return f"<{shown}{' ' + repr(self.changes) if self.changes else ''}>"


def cstrings(data):
    return [s.decode("utf-8", "surrogateescape") for s in data.split(b"\0")[:-1]]


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


class Milter:
    def __init__(self, address, timeout=30):
        if isinstance(address, tuple):
            self.sock = socket.create_connection(address, timeout=timeout)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)  # blocking: a full backlog is waited for
            self.sock.settimeout(timeout)
        self.options = 0
        self.actions = 0
        self.symlists = {}
        self.macros = {}
        self.signs_of_life = 0  # progress packets so far

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Packets: four octets of length, one of command, data.

    def send(self, command, data=b""):
        self.sock.sendall(struct.pack("!I", len(data) + 1) + to_bytes(command) + data)

    def _read(self, count):
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise Closed("end of file")
            data += piece
        return data

    def receive(self):
        (length,) = struct.unpack("!I", self._read(4))
        if not 1 <= length <= 1 << 20:
            raise Closed(f"packet of {length} octets")
        data = self._read(length)
        return data[:1].decode("latin-1"), data[1:]

    # Negotiation.

    def negotiate(self, actions=ALL_ACTIONS, options=ALL_OPTIONS, version=6):
        self.send("O", struct.pack("!III", version, actions, options))
        command, data = self.receive()
        if command != "O":
            raise Closed(f"negotiation answered by {command!r}")
        _, self.actions, self.options = struct.unpack("!III", data[:12])
        rest = data[12:]
        while rest:
            (stage,) = struct.unpack("!I", rest[:4])
            names, rest = rest[4:].split(b"\0", 1)
            self.symlists[STAGES[stage]] = names.decode().split()
        return self

    # Commands. Each sends its macros first, as far as the filter asked for them, and waits for the
    # answer unless none was negotiated.

    def _macros(self, command, stage, macros):
        wanted = self.symlists.get(stage)
        data = b""
        for name, value in (macros or {}).items():
            bare = name.strip("{}")
            if wanted is not None and name not in wanted and bare not in wanted \
                    and "{" + bare + "}" not in wanted:
                continue
            data += to_bytes(name) + b"\0" + to_bytes(value) + b"\0"
        self.send("D", to_bytes(command) + data)

    def _command(self, command, stage, data, macros, skip_option, quiet_option):
        if skip_option and self.options & skip_option:
            return Reply("not-sent")
        if stage:
            self._macros(command, stage, macros)
        self.send(command, data)
        if quiet_option and self.options & quiet_option:
            return Reply("no-reply")
        return self.answer()

    def answer(self):
        """Reads up to the final answer; collects modifications and progress."""
        changes, progress = [], 0
        while True:
            command, data = self.receive()
            if command == "p":
                progress += 1
                self.signs_of_life += 1
                continue
            if command in FINAL:
                reply = Reply(FINAL[command],
                              data.rstrip(b"\0").decode("utf-8", "surrogateescape")
                              if command == "y" else "")
                reply.changes, reply.progress = changes, progress
                return reply
            changes.append(self._change(command, data))

    @staticmethod
    def _change(command, data):
        if command == "h":
            return ("addheader", *cstrings(data))
        if command in "im":
            (index,) = struct.unpack("!I", data[:4])
            return ({"i": "insheader", "m": "chgheader"}[command], index, *cstrings(data[4:]))
        if command == "b":
            return ("replacebody", data)
        names = {"+": "addrcpt", "2": "addrcpt_par", "-": "delrcpt", "e": "chgfrom",
                 "q": "quarantine"}
        if command not in names:
            raise Closed(f"unknown answer {command!r}")
        return (names[command], *cstrings(data))

    def connect(self, host="client.example", address="192.0.2.9", port=40000, family="4",
                macros=None):
        data = to_bytes(host) + b"\0" + to_bytes(family)
        if family != "U":
            data += struct.pack("!H", port) + to_bytes(address) + b"\0"
        return self._command("C", "connect", data, macros, NOCONNECT, NR_CONN)

    def helo(self, name="client.example", macros=None):
        return self._command("H", "helo", to_bytes(name) + b"\0", macros, NOHELO, NR_HELO)

    def mail(self, sender, *params, macros=None):
        data = b"".join(to_bytes(a) + b"\0" for a in (sender, *params))
        return self._command("M", "mail", data, macros, NOMAIL, NR_MAIL)

    def rcpt(self, recipient, *params, macros=None):
        data = b"".join(to_bytes(a) + b"\0" for a in (recipient, *params))
        return self._command("R", "rcpt", data, macros, NORCPT, NR_RCPT)

    def data(self, macros=None):
        return self._command("T", "data", b"", macros, NODATA, NR_DATA)

    def header(self, name, value, macros=None):
        # With HDR_LEADSPC the white space after the colon belongs to the value.
        if self.options & HDR_LEADSPC:
            value = to_bytes(" ") + to_bytes(value)
        return self._command("L", "header" if macros is not None else None,
                             to_bytes(name) + b"\0" + to_bytes(value) + b"\0", macros,
                             NOHDRS, NR_HDR)

    def eoh(self, macros=None):
        return self._command("N", "eoh", b"", macros, NOEOH, NR_EOH)

    def body(self, data):
        return self._command("B", None, to_bytes(data), None, NOBODY, NR_BODY)

    def eom(self, macros=None):
        return self._command("E", "eom", b"", macros, 0, 0)

    def abort(self):
        self.send("A")

    def quit(self):
        self.send("Q")

    def quit_new_connection(self):
        self.send("K")

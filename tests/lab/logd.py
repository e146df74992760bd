"""The syslog of the machine that is sendmail, and the passwords it asks for.

sendmail logs to /dev/log only, and asks Cyrus SASL, which asks saslauthd, whether a password is
right: here it is when it is the user's name.
"""

import datetime
import os
import re
import socket
import struct
import threading

import layout

_MESSAGE = re.compile(rb"<\d+>(?:\w{3} [ \d]\d \d\d:\d\d:\d\d )?(.*)", re.S)


def log(path, maillog, host):
    """Takes syslog messages at a socket and writes them to a file, as syslogd does."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(str(path))
    os.chmod(path, 0o666)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    with open(maillog, "ab", buffering=0) as out:
        while True:
            text = _MESSAGE.match(server.recv(65536))[1].rstrip(b"\n\0")
            now = datetime.datetime.now().isoformat(timespec="milliseconds")
            out.write(f"{now} {host} ".encode() + text.replace(b"\n", b" ") + b"\n")


def _field(conn):
    length = struct.unpack("!H", conn.recv(2, socket.MSG_WAITALL))[0]
    return conn.recv(length, socket.MSG_WAITALL) if length else b""


def _password(conn):
    with conn:
        user, password, _, _ = (_field(conn) for _ in range(4))
        answer = b"OK" if user and user == password else b"NO"
        conn.sendall(struct.pack("!H", len(answer)) + answer)


def passwords():
    """saslauthd's protocol."""
    layout.SASLAUTHD.mkdir()
    path = layout.SASLAUTHD / "mux"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    os.chmod(path, 0o666)
    server.listen(64)
    while True:
        conn, _ = server.accept()
        threading.Thread(target=_password, args=(conn,), daemon=True).start()


def start():
    """Both, in threads of this process."""
    import sendmail  # noqa: E402, which in the end needs what only the lab has
    machine = sendmail.SENDMAIL
    threading.Thread(target=log, args=(sendmail.ROOT / "dev/log", machine.maillog, "mtasm"),
                     daemon=True).start()
    threading.Thread(target=passwords, daemon=True).start()

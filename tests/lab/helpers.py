#!/usr/bin/python3
"""Small servers: policy hosts that never answer, and two for the machines under test.

The SASL server speaks as much of Dovecot's auth protocol as Postfix's smtpd needs: PLAIN, and any
user whose password is the user's name.

The third stands where Postfix looks for the milter of locally submitted mail: it passes the
connection on to the milter that a scenario names, and asks for nothing where none does. So
scenarios need not reconfigure Postfix, which takes seconds.
"""

import base64
import itertools
import socket
import struct
import sys
import threading

import https
import layout
import logd
import plan


def authenticate(line):
    """The answer to one AUTH line."""
    fields = line.split("\t")
    ident = fields[1]
    response = next((f[5:] for f in fields if f.startswith("resp=")), "")
    _, user, password = (base64.b64decode(response).decode().split("\0") + ["", "", ""])[:3]
    if user and user == password:
        return f"OK\t{ident}\tuser={user}\n"
    return f"FAIL\t{ident}\tuser={user}\n"


def auth_session(conn, number):
    with conn, conn.makefile("rw", newline="\n") as stream:
        stream.write(f"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t{number}\n"
                     "COOKIE\t0123456789abcdef0123456789abcdef\nDONE\n")
        stream.flush()
        for line in stream:
            if line.startswith("AUTH\t"):
                stream.write(authenticate(line.rstrip("\n")))
                stream.flush()


def pump(source, target):
    """Passes on what comes until it ends."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def uninterested(conn):
    """A milter that wants no event, and accepts at end-of-message, which nobody can decline."""
    with conn.makefile("rb") as stream:
        while head := stream.read(4):
            command = stream.read(*struct.unpack("!I", head))[:1]
            if command == b"O":
                conn.sendall(struct.pack("!IcIII", 13, b"O", 6, 0, 0x37F))
            elif command == b"E":
                conn.sendall(struct.pack("!Ic", 1, b"a"))


def milter_session(conn, _):
    """To the milter in use, if there is one."""
    with conn:
        if not layout.LOCAL_MILTER.exists():
            uninterested(conn)
            return
        with socket.create_connection(("127.0.0.1", int(layout.LOCAL_MILTER.read_text()))) as to:
            threading.Thread(target=pump, args=(to, conn), daemon=True).start()
            pump(conn, to)


def serve(port, session):
    server = socket.create_server(("127.0.0.1", port), backlog=64)
    for number in itertools.count(1):
        conn, _ = server.accept()
        threading.Thread(target=session, args=(conn, number), daemon=True).start()


def silent_hosts():
    """Sockets of mail servers that accept connections, in the backlog, and never say a word."""
    return [socket.create_server((address, 25), backlog=128) for host in plan.HOSTS
            if host.mx.fault == "silent" for address in host.served()]


def main():
    if "sendmail" in sys.argv[1:]:
        logd.start()
    hanging = https.hanging_listeners() + silent_hosts()
    threading.Thread(target=serve, args=(layout.LOCAL_MILTER_PORT, milter_session)).start()
    serve(layout.AUTH_PORT, auth_session)
    return len(hanging)


if __name__ == "__main__":
    sys.exit(main())

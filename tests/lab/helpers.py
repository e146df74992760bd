#!/usr/bin/python3
"""Two small servers: policy hosts that never answer, and SASL for the machines under test.

The SASL server speaks as much of Dovecot's auth protocol as Postfix's smtpd needs: PLAIN, and any
user whose password is the user's name.
"""

import base64
import itertools
import socket
import sys
import threading

import https
import layout


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


def main():
    hanging = https.hanging_listeners()
    server = socket.create_server(("127.0.0.1", layout.AUTH_PORT), backlog=64)
    for number in itertools.count(1):
        conn, _ = server.accept()
        threading.Thread(target=auth_session, args=(conn, number), daemon=True).start()
    return len(hanging)


if __name__ == "__main__":
    sys.exit(main())

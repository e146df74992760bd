"""Servers of the shared cache: the real ones, Debian's redis-server and the valkey-server of Debian testing, and
what may stand in their place: one that is slow, one that answers nonsense, one that never answers.
"""

import contextlib
import itertools
import os
import signal
import socket
import threading
import time

import chroot
import layout
import procs

VALKEY = "valkey-testing"  # a chroot
KINDS = ("redis", "valkey")
PASSWORD = "a password"
_ports = itertools.count(6390)


def ensure(say=print):
    """Makes the chroot with valkey-server, before the lab; redis-server is this machine's own."""
    chroot.ensure(say, VALKEY, ("valkey-server",), "testing")


class Connection:
    """A client of such a server: commands and replies (RESP 2), and the octets of values as they are."""

    def __init__(self, port, password=PASSWORD, timeout=20):
        self.stream = socket.create_connection(("127.0.0.1", port), timeout).makefile("rwb")
        if password:
            self.do("AUTH", password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def do(self, *words):
        """One command; an error that it is answered with is an exception."""
        octets = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.stream.write(b"*%d\r\n" % len(octets) + b"".join(b"$%d\r\n%s\r\n" % (len(o), o) for o in octets))
        self.stream.flush()
        return self._reply()

    def _reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise procs.LabError("the server has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise procs.LabError(f"the server says {rest.decode()}")
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.stream.read(int(rest) + 2)[:-2]
        return [self._reply() for _ in range(int(rest))]


class Server:
    """A server that runs, from start() to the end of the with block. It writes nothing to a disk."""

    def __init__(self, kind, *options, password=PASSWORD):
        self.kind, self.port, self.password = kind, next(_ports), password
        self.options = options
        self.process = None

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def start(self):
        program = ("redis-server",) if self.kind == "redis" else ("chroot", chroot.directory(VALKEY), "valkey-server")
        words = ["--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/",
                 "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-diskless-load", "swapdb",
                 *self.options]
        if self.password:
            words += ["--requirepass", self.password, "--masterauth", self.password]
        self.process = procs.start(f"{self.kind}-{self.port}", *program, *words)
        procs.ready(self.kind, self.process, self._answers)
        return self

    def _answers(self):
        try:
            return self.do("PING") == "PONG"
        except (OSError, procs.LabError):
            return False

    def do(self, *words):
        with Connection(self.port, self.password) as connection:
            return connection.do(*words)

    def keys(self, pattern="requiretls:1:p*"):
        return sorted(key.decode() for key in self.do("KEYS", pattern))

    def row(self, key):
        """The row under that key, once it is there."""
        return procs.wait_for(lambda: self.do("GET", key), f"a row {key}", 20)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()

    @contextlib.contextmanager
    def stopped(self):
        """It keeps its connections, and takes and says nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)


class Odd:
    """Something that listens in the place of a server. `answer` gets what a client has sent, and gives what it is
    answered; None: nothing. `delay_s` comes before each answer."""

    def __init__(self, answer, delay_s=0):
        self.answer, self.delay_s, self.port = answer, delay_s, next(_ports)
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.open = [self.listener]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in self.open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError, procs.LabError):
            while data := client.recv(1 << 16):
                answer = self.answer(data)
                time.sleep(self.delay_s)
                if answer is not None:
                    client.sendall(answer)


def slow(server, delay_s):
    """The real server, but each of its answers comes so late."""
    def ask(data):
        with socket.create_connection(("127.0.0.1", server.port), 20) as real:
            # A connection for each question: who asks has said the password to us.
            real.sendall(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(server.password), server.password.encode()))
            real.recv(100)
            real.sendall(data)
            return real.recv(1 << 16)
    return Odd(ask, delay_s)


def nonsense():
    return Odd(lambda data: b"*9\r\n$-7\r\n\xff\x00:x\r\n" + data[::-1])


def huge():
    """It promises the longest answer that there can be, and begins with it."""
    return Odd(lambda data: b"+OK\r\n" if b"GET" not in data else b"$536870912\r\n" + bytes(1 << 16))


def silent():
    return Odd(lambda data: None)

"""SMTP servers for the client's tests: one that does as it should, and what it may do instead in each
state of a session. A thread for each connection."""
import contextlib
import hashlib
import socket
import ssl
import struct
import subprocess
import threading
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.1 is meant

# The states in which a server's word is awaited, as they follow each other in one session.
PROBE_STATES = ["greeting", "EHLO", "STARTTLS", "handshake", "EHLO over TLS"]
SEND_STATES = [*PROBE_STATES, "MAIL", "RCPT", "DATA", "dot"]


class Certificates:
    """A CA and what it has issued, as PEM files with the key."""

    def __init__(self, directory):
        self.dir = Path(directory)
        self.ca = self.dir / "ca.pem"
        self.key = self.dir / "ca.key"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", self.key, "-out", self.ca, "-days", "30", "-subj", "/CN=smtp CA",
                     "-addext", "basicConstraints=critical,CA:TRUE")
        self.good = self.issue("good", "DNS:mx.test")
        self.other = self.issue("other", "DNS:other.test")
        self.unnamed = self.issue("unnamed", "")
        # Longer than OpenSSL takes (100 kB), and just shorter.
        self.large = self.issue("large", ",".join(f"DNS:{i:05}.large.mx.test" for i in range(4000)))
        self.huge = self.issue("huge", ",".join(f"DNS:{i:05}.huge.mx.test" for i in range(12000)))
        self.self_signed = self.dir / "self.pem"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", self.dir / "self.key", "-out", self.self_signed, "-days", "30",
                     "-subj", "/CN=self", "-addext", "subjectAltName=DNS:mx.test")
        self.join(self.self_signed, self.dir / "self.key")

    @staticmethod
    def openssl(*arguments, **kwargs):
        return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                              **kwargs).stdout

    @staticmethod
    def join(path, key):
        path.write_text(path.read_text() + key.read_text())

    def issue(self, name, sans):
        request, path, key = (self.dir / f"{name}.{end}" for end in ("csr", "pem", "key"))
        extensions = self.dir / f"{name}.ext"
        extensions.write_text(f"subjectAltName={sans}\n" if sans else "basicConstraints=CA:FALSE\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key, "-days", "20",
                     "-CAcreateserial", "-out", path, "-extfile", extensions)
        self.join(path, key)
        return path

    def spki(self, path):
        """SHA-256 of the public key, as a TLSA record 3 1 1 has it."""
        public = self.openssl("x509", "-in", path, "-noout", "-pubkey")
        return hashlib.sha256(self.openssl("pkey", "-pubin", "-outform", "DER", input=public)).hexdigest()


class Gone(Exception):
    """The client has closed the connection."""


class Peer:
    """The server's side of one connection."""

    def __init__(self, connection, server):
        self.connection = connection
        self.server = server
        self.buffer = b""

    def send(self, octets):
        try:
            self.connection.sendall(octets)
        except (OSError, ValueError) as error:
            raise Gone from error

    def say(self, *lines):
        self.send("".join(f"{line}\r\n" for line in lines).encode("latin-1"))

    def read(self):
        try:
            octets = self.connection.recv(65536)
        except (OSError, ValueError) as error:
            raise Gone from error
        if not octets:
            raise Gone
        return octets

    def line(self, verb=""):
        while b"\n" not in self.buffer:
            self.buffer += self.read()
        line, _, self.buffer = self.buffer.partition(b"\n")
        text = line.decode("latin-1").rstrip("\r")
        self.server.commands.append(text)
        if not text.upper().startswith(verb):
            self.server.problems.append(f"{text!r} where {verb} was awaited")
            raise Gone
        return text

    def content(self):
        """Reads to the final dot; returns how many octets."""
        size, self.buffer = -2, b"\r\n" + self.buffer
        while b"\r\n.\r\n" not in self.buffer:
            size += max(len(self.buffer) - 4, 0)
            self.buffer = self.buffer[-4:] + self.read()
        before, _, self.buffer = self.buffer.partition(b"\r\n.\r\n")
        return size + len(before)

    def tls(self, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.get("certificate", self.server.certificates.good))
        if "version" in options:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = options["version"]
        if "tickets" in options:
            context.num_tickets = options["tickets"]
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except (OSError, ValueError) as error:
            raise Gone from error

    def hang(self):
        """Until the client goes."""
        while True:
            self.read()

    def reset(self):
        """Closes with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise Gone


class Server:
    """Listens on an address of this host. `script`: a function of a Peer, run for each connection;
    None: connections are not accepted."""

    def __init__(self, certificates, script, address="127.0.0.1", backlog=2000, port=0):
        self.certificates = certificates
        self.script = script
        self.commands = []  # that were read
        self.problems = []  # what no client may do
        self.connections = 0
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port))
        self.socket.listen(backlog)
        self.address, self.port = address, self.socket.getsockname()[1]
        if script is not None:
            threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        peer = Peer(connection, self)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(60)
        with contextlib.suppress(Gone):
            self.script(peer)
        with contextlib.suppress(OSError):
            peer.connection.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def good(state=None, act=None, offers=("PIPELINING", "8BITMIME"), tls_offers=("REQUIRETLS",), starttls=True,
         **tls):
    """A script of a server that does as it should, but in `state` does act(peer) instead of what it
    should say there. An act that returns is followed by the right reply."""

    def ehlo(peer, *more):
        lines = ["mx.test", *offers, *more]
        peer.say(*[f"250-{line}" for line in lines[:-1]], f"250 {lines[-1]}")

    def script(peer):
        def reach(now):
            if now == state:
                act(peer)

        reach("greeting")
        peer.say("220 mx.test ESMTP")
        peer.line("EHLO")
        reach("EHLO")
        if starttls:
            ehlo(peer, "STARTTLS")
        else:
            ehlo(peer)
        if peer.line().upper().startswith("STARTTLS"):
            reach("STARTTLS")
            peer.say("220 go ahead")
            reach("handshake")
            peer.tls(**tls)
            peer.line("EHLO")
            reach("EHLO over TLS")
            ehlo(peer, *tls_offers)
            command = peer.line()
        else:
            command = peer.server.commands[-1]
        while True:
            verb = command.upper().split(":")[0].split(" ")[0]
            reach(verb)
            if verb == "DATA":
                peer.say("354 go ahead")
                reach("content")
                peer.server.received = peer.content()
                reach("dot")
                peer.say("250 2.0.0 taken")
            elif verb == "QUIT":
                peer.say("221 bye")
                return
            elif verb in ("MAIL", "RCPT", "RSET"):
                peer.say("250 2.0.0 ok")
            else:
                peer.say("502 5.5.1 what?")
            command = peer.line()

    return script


# What a server may do instead of its reply.

def close(peer):
    with contextlib.suppress(OSError):
        peer.connection.shutdown(socket.SHUT_RDWR)
    peer.connection.close()
    raise Gone


def reset(peer):
    peer.reset()


def hang(peer):
    peer.hang()


def drip(peer, octets=b"250-" + b"a" * 1000, seconds=0.1):
    """An octet now and then, of a reply that never ends."""
    for octet in octets:
        peer.send(bytes([octet]))
        time.sleep(seconds)
    peer.hang()


def flood(octets):
    """The same again and again, as fast as it is taken."""

    def act(peer):
        block = octets * max(1, 65536 // len(octets))
        while True:
            peer.send(block)

    return act


def say(*lines):
    def act(peer):
        peer.say(*lines)
        peer.hang()

    return act


def say_and_close(*lines):
    def act(peer):
        peer.say(*lines)
        close(peer)

    return act


def stall_tls_after(count, then=hang, seconds=0.0):
    """A handshake of which only `count` octets go to the client, with `seconds` between them."""

    def act(peer):
        ours, theirs = socket.socketpair()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(peer.server.certificates.good)

        def shake():
            with contextlib.suppress(OSError, ValueError):
                context.wrap_socket(theirs, server_side=True)
            theirs.close()

        def forward():
            with contextlib.suppress(Gone, OSError):
                while True:
                    ours.sendall(peer.read())

        threading.Thread(target=shake, daemon=True).start()
        threading.Thread(target=forward, daemon=True).start()
        left = count
        with contextlib.suppress(OSError):
            while left > 0:
                octets = ours.recv(1 if seconds else left)
                if not octets:
                    break
                peer.send(octets)
                left -= len(octets)
                time.sleep(seconds)
        try:
            then(peer)
        finally:
            ours.close()

    return act


def renegotiate(peer):
    """An `openssl s_server` behind the reply to STARTTLS that asks for a renegotiation of TLS 1.2 where
    the client awaits a reply."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["openssl", "s_server", "-tls1_2", "-crlf", "-naccept", "1", "-accept", f"127.0.0.1:{port}",
         "-cert", str(peer.server.certificates.good)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    try:
        while b"ACCEPT" not in server.stdout.readline():
            pass
        inner = socket.create_connection(("127.0.0.1", port))

        def forward():
            with contextlib.suppress(Gone, OSError):
                while True:
                    inner.sendall(peer.read())

        def ask():
            with contextlib.suppress(OSError, ValueError):
                for line in server.stdout:
                    if line.startswith(b"EHLO"):
                        peer.server.commands.append("EHLO, then renegotiation")
                        server.stdin.write(b"r\n250-mx.test\n250-PIPELINING\n250 REQUIRETLS\n")
                        server.stdin.flush()

        threading.Thread(target=forward, daemon=True).start()
        threading.Thread(target=ask, daemon=True).start()
        while octets := inner.recv(65536):
            peer.send(octets)
    finally:
        server.kill()
        server.wait()
    raise Gone

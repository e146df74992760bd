"""An SMTP client that says exactly what it is told and remembers every word of both sides."""

import base64
import socket
import ssl
from dataclasses import dataclass

import ca

TIMEOUT_S = 60


@dataclass
class Reply:
    code: int
    lines: tuple  # without the code

    @property
    def text(self):
        return " ".join(self.lines)

    @property
    def ok(self):
        return 200 <= self.code < 400

    def __str__(self):
        return f"{self.code} {self.text}"


class Closed(Exception):
    """The server ended the connection."""


class Client:
    """One connection; every line goes to `transcript` as `C: ...` or `S: ...`."""

    def __init__(self, address, port=25, source=None, timeout_s=TIMEOUT_S):
        self.transcript = []
        self.extensions = {}
        self.tls = None
        self.socket = socket.create_connection(
            (address, port), timeout=timeout_s, source_address=(source, 0) if source else None)
        self.buffer = b""
        self.greeting = self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *lines):
        """Sends lines in one piece, as a pipelining client does, and waits for nothing."""
        for line in lines:
            self.transcript.append(f"C: {line}")
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                self.transcript.append("S: (closed)")
                raise Closed
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        text = line.rstrip(b"\r").decode(errors="replace")
        self.transcript.append(f"S: {text}")
        return text

    def read(self):
        """One reply."""
        lines = []
        while True:
            line = self._line()
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), tuple(lines))

    def command(self, line):
        self.send(line)
        return self.read()

    def ehlo(self, name="client.test"):
        reply = self.command(f"EHLO {name}")
        self.extensions = {}
        for line in reply.lines[1:]:
            word, _, rest = line.partition(" ")
            self.extensions[word.upper()] = rest
        return reply

    def starttls(self, verify_name=None):
        """STARTTLS and another EHLO."""
        reply = self.command("STARTTLS")
        if not reply.ok:
            return reply
        context = ssl.create_default_context(cafile=str(ca.ca_file()))
        if not verify_name:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname=verify_name)
        self.buffer = b""
        self.tls = self.socket.version()
        self.transcript.append(f"-- {self.tls}")
        return self.ehlo()

    def login(self, user):
        """SASL PLAIN; in the lab a user's password is the user's name."""
        word = base64.b64encode(f"\0{user}\0{user}".encode()).decode()
        return self.command(f"AUTH PLAIN {word}")

    def mail(self, sender, *parameters):
        return self.command(" ".join([f"MAIL FROM:<{sender}>", *parameters]))

    def rcpt(self, recipient, *parameters):
        return self.command(" ".join([f"RCPT TO:<{recipient}>", *parameters]))

    def data(self, message):
        """DATA and the message, bytes with CRLF line ends or str with any."""
        reply = self.command("DATA")
        return self.body(message) if reply.code == 354 else reply

    def body(self, message):
        if isinstance(message, str):
            message = message.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        if not message.endswith(b"\r\n"):
            message += b"\r\n"
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self.transcript.append(f"C: ({len(message)} octets)")
        self.socket.sendall(stuffed + b".\r\n")
        return self.read()

    def quit(self):
        try:
            return self.command("QUIT")
        except (Closed, OSError):
            return None
        finally:
            self.close()

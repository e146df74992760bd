"""An LMTP client, as an MTA's: one command after the other, or as many as the server lets it."""
import contextlib
import socket
import time


class Reply:
    """`.code`, `.enhanced`, `.text` (lines joined by blanks), `.seconds` since it was waited for."""

    def __init__(self, lines, seconds):
        self.lines = lines
        self.code = int(lines[-1][:3])
        words = lines[-1][4:].split(" ", 1)
        is_enhanced = words[0].count(".") == 2 and words[0].replace(".", "").isdigit()
        self.enhanced = words[0] if is_enhanced else ""
        self.text = " ".join(line[4:] for line in lines)
        self.seconds = seconds

    def __repr__(self):
        return f"<{self.code} {self.text}>"

    def is_(self, code, enhanced, *words):
        """Whether it has code, enhanced code and these words."""
        return self.code == code and self.enhanced == enhanced and all(word in self.text for word in words)


class Closed(Exception):
    """The server has closed the connection."""


def stuff(content):
    """As it follows DATA; the last line is ended."""
    if content and not content.endswith(b"\r\n"):
        content += b"\r\n"
    return (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


class Client:
    def __init__(self, path, greet=True, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)  # with a time-out it would not wait for room in the backlog
        self.socket.settimeout(timeout)
        self.buffer = b""
        if greet:
            self.greeting = self.reply()
            self.hello = self.command("LHLO client.test")

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

    def write(self, octets):
        self.socket.sendall(octets if isinstance(octets, bytes) else octets.encode("utf-8", "surrogateescape"))

    def line(self):
        while b"\r\n" not in self.buffer:
            octets = self.socket.recv(65536)
            if not octets:
                raise Closed(self.buffer)
            self.buffer += octets
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("ascii")

    def reply(self):
        begin = time.monotonic()
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return Reply(lines, time.monotonic() - begin)

    def command(self, line):
        self.write(f"{line}\r\n")
        return self.reply()

    def is_closed(self):
        """Waits for it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def envelope(self, recipients, sender="alice@own.test", parameters=""):
        """MAIL and RCPT; the replies to RCPT. Ends at a MAIL that is refused, with its reply."""
        reply = self.command(f"MAIL FROM:<{sender}>{parameters and ' '}{parameters}")
        if reply.code != 250:
            return [reply]
        replies = []
        for recipient in recipients:
            to, more = recipient if isinstance(recipient, tuple) else (recipient, "")
            replies.append(self.command(f"RCPT TO:<{to}>{more and ' '}{more}"))
        return replies

    def send(self, recipients, content, sender="alice@own.test", parameters=""):
        """One message; for each recipient the reply that counts."""
        replies = self.envelope(recipients, sender, parameters)
        if all(reply.code != 250 for reply in replies):
            return replies
        reply = self.command("DATA")
        if reply.code != 354:
            return [reply]
        self.write(stuff(content))
        return [self.reply() if reply.code == 250 else reply for reply in replies]

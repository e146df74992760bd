"""A scanner as content filters are: it takes mail by SMTP, looks at it, and gives it to another smtpd.

It passes on each command and each reply as it comes, so it serves as an after-queue filter
(content_filter) and as a proxy within a session (smtpd_proxy_filter). A message with the word
EICAR in its body is refused; others go on with `X-Scanned: yes` at the top of the header. It can also
write a MAIL of its own, as amavisd does: with the parameters that it knows, and no others.
"""

import socket
import socketserver
import threading

VIRUS = b"EICAR"
KNOWN = (b"BODY=", b"RET=", b"ENVID=", b"SMTPUTF8")  # parameters that it writes itself
HIDDEN = (b"STARTTLS", b"CHUNKING", b"PIPELINING", b"BDAT")  # what it does not offer itself


class _Session(socketserver.StreamRequestHandler):
    """One client; `self.back` is the smtpd behind."""

    def handle(self):
        with socket.create_connection(("127.0.0.1", self.server.behind), 60) as conn, \
             conn.makefile("rwb") as self.back:
            self.answer()
            while line := self.rfile.readline():
                self.tell(self.own(line) if self.server.writes else line)
                word = line.split(None, 1)[:1]
                reply = self.answer(hide=word == [b"EHLO"])
                if word == [b"DATA"] and reply.startswith(b"354"):
                    self.message()
                if word == [b"QUIT"]:
                    break

    def tell(self, line):
        self.back.write(line)
        self.back.flush()

    def own(self, line):
        """MAIL as it writes it."""
        if not line.upper().startswith(b"MAIL"):
            return line
        end = line.rindex(b">") + 1
        kept = [word for word in line[end:].split() if word.upper().startswith(KNOWN)]
        return b" ".join([line[:end], *kept]) + b"\r\n"

    def reply(self):
        """One reply of the smtpd behind, as a list of lines."""
        lines = []
        while line := self.back.readline():
            lines.append(line)
            if line[3:4] != b"-":
                return lines
        raise ConnectionError("the smtpd behind is gone")

    def answer(self, hide=False):
        lines = self.reply()
        if hide:
            lines = [line for line in lines if not line[4:].strip().upper().startswith(HIDDEN)]
            lines = [line[:3] + b"-" + line[4:] for line in lines]
            lines[-1] = lines[-1][:3] + b" " + lines[-1][4:]
        self.wfile.write(b"".join(lines))
        return lines[-1]

    def message(self):
        lines = [b"X-Scanned: yes\r\n"]
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionError("the client is gone")
            lines.append(line)
        text = b"".join(lines)
        self.server.seen.append(text)
        if VIRUS in text:
            # Nothing of it goes on: the smtpd behind learns that its client has gone.
            self.wfile.write(b"550 5.7.1 Message content rejected: virus\r\n")
            raise ConnectionAbortedError
        self.tell(text + b".\r\n")
        self.answer()


class Scanner(socketserver.ThreadingTCPServer):
    """Use as a context; `seen` holds every message that came by. writes: a MAIL of its own."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port, behind, writes=False):
        self.behind, self.writes, self.seen = behind, writes, []
        super().__init__(("127.0.0.1", port), _Session)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A session that ends early is the business of its two ends."""

    def saw(self, token):
        return sum(token.encode() in text for text in self.seen)

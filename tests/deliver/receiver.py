"""An SMTP server that takes messages and keeps them, or answers a command otherwise."""
import hashlib
import threading

import servers

KEPT = 4 << 20  # octets of a content that are kept; of larger ones size and hash


class Message:
    """What a server was given. `.mail` and `.rcpts` are whole commands; `.content` as it stood on the wire, without
    the final dot."""

    def __init__(self, mail, rcpts, tls):
        self.mail, self.rcpts, self.tls = mail, rcpts, tls
        self.size, self.hash, self.wire = 0, hashlib.sha256(), b""

    def add(self, octets):
        self.size += len(octets)
        self.hash.update(octets)
        if self.size <= KEPT:
            self.wire += octets

    @property
    def content(self):
        """Without the dots that were stuffed."""
        return (b"\r\n" + self.wire).replace(b"\r\n..", b"\r\n.")[2:]


def read_content(peer, message):
    """Reads up to CRLF . CRLF, of which the first CRLF is that of the last line, or of DATA."""
    pending, made_up = b"\r\n" + peer.buffer, 2

    def add(octets):
        nonlocal made_up
        message.add(octets[made_up:])
        made_up -= min(made_up, len(octets))

    while b"\r\n.\r\n" not in pending:
        add(pending[:-4])
        pending = pending[-4:] + peer.read()
    before, _, peer.buffer = pending.partition(b"\r\n.\r\n")
    add(before + b"\r\n")


def hang(peer, _):
    """An answer: none, until the client goes."""
    peer.server.hanging += 1
    try:
        peer.hang()
    finally:
        peer.server.hung_up += 1


class Receiver(servers.Server):
    """Listens on port 25 of an address. `offers` and `tls_offers`: EHLO keywords before and after STARTTLS;
    `certificate`; `answers`: {beginning of a command, "greeting", "dot": a reply, or a function of the peer and
    the command, which returns whether the session goes on, or None: then the usual reply follows}. `messages` are
    those that were taken, `commands` all that was said."""

    DEFAULT = ("PIPELINING", "8BITMIME", "SIZE 0", "DSN", "SMTPUTF8", "ENHANCEDSTATUSCODES")

    def __init__(self, certificates, address, script=None, starttls=True, offers=DEFAULT,
                 tls_offers=(*DEFAULT, "REQUIRETLS"), answers=None, port=25, **tls):
        self.starttls, self.offers, self.tls_offers = starttls, offers, tls_offers
        self.answers, self.tls = answers or {}, tls
        self.messages = []
        self.hanging = self.hung_up = 0
        self.lock = threading.Condition()
        super().__init__(certificates, script or self.talk, address, port=port)

    def special(self, peer, key):
        """The answer of the case. Returns whether the session goes on; None: there was none."""
        for beginning, answer in self.answers.items():
            if not key.startswith(beginning):
                continue
            if callable(answer):
                return answer(peer, key)
            peer.say(answer)
            return not answer.startswith("421")
        return None

    def ehlo(self, peer, offers, more=()):
        lines = ["mx.test", *offers, *more]
        peer.say(*[f"250-{line}" for line in lines[:-1]], f"250 {lines[-1]}")

    def talk(self, peer):
        goes_on, message, over_tls = self.special(peer, "greeting"), None, False
        if goes_on is None:
            peer.say("220 mx.test ESMTP")
        while goes_on is not False:
            command = peer.line()
            verb = command.split(":")[0].split(" ")[0].upper()
            goes_on = self.special(peer, command)
            if goes_on is not None:
                continue
            if verb == "EHLO":
                self.ehlo(peer, self.tls_offers if over_tls else self.offers,
                          ("STARTTLS",) if self.starttls and not over_tls else ())
            elif verb == "STARTTLS" and self.starttls:
                peer.say("220 2.0.0 go ahead")
                peer.tls(**self.tls)
                over_tls = True
            elif verb == "MAIL":
                message = Message(command, [], over_tls)
                peer.say("250 2.1.0 ok")
            elif verb == "RCPT" and message:
                message.rcpts.append(command)
                peer.say("250 2.1.5 ok")
            elif verb == "DATA" and message and message.rcpts:
                peer.say("354 go ahead")
                read_content(peer, message)
                goes_on = self.take(peer, message)
                message = None
            elif verb == "RSET":
                message = None
                peer.say("250 2.0.0 ok")
            elif verb == "QUIT":
                peer.say("221 2.0.0 bye")
                return
            else:
                peer.say("503 5.5.1 what?")

    def take(self, peer, message):
        goes_on = self.special(peer, "dot")
        if goes_on is not None:
            return goes_on
        with self.lock:
            self.messages.append(message)
            self.lock.notify_all()
        peer.say("250 2.0.0 taken")
        return True

"""A resolver that keeps back its answers about chosen domains until it is told to give them.

So a scenario decides when a lookup ends, and can look at what happens before. All other questions
it passes on to the lab's resolver at once. UDP only: the lab's own answers fit.
"""

import contextlib
import socket
import threading

import layout
import procs

UPSTREAM_S = 5


def _name(query):
    """The name that is asked for, in lower case, without its last dot."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace").lower())
        at += 1 + query[at]
    return ".".join(labels)


class HeldResolver:
    """Listens at layout.RESOLVER_HELD while the context lasts."""

    def __init__(self, *domains):
        self.domains = domains
        self.lock = threading.Lock()
        self.waiting = []  # (query, client)
        self.asked = set()  # the domains of which something was asked
        self.released = False

    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((layout.RESOLVER_HELD, 53))
        self.reader = threading.Thread(target=self._serve, daemon=True)
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.release()
        with contextlib.suppress(OSError):  # it is not connected, but its reader wakes up
            self.socket.shutdown(socket.SHUT_RDWR)
        self.reader.join()
        self.socket.close()

    def _held(self, query):
        name = _name(query)
        for domain in self.domains:
            if name == domain or name.endswith("." + domain):
                self.asked.add(name)
                return not self.released
        return False

    def _serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            with self.lock:
                held = self._held(query)
                if held:
                    self.waiting.append((query, client))
            if not held:
                threading.Thread(target=self._answer, args=(query, client), daemon=True).start()

    def _answer(self, query, client):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(UPSTREAM_S)
            s.connect((layout.RESOLVER, 53))
            try:
                s.send(query)
                self.socket.sendto(s.recv(65535), client)
            except OSError:
                pass  # who asked asks again

    def wait_asked(self, *domains):
        """Until a question about each of these names is held."""
        procs.wait_for(lambda: self.asked.issuperset(domains), f"questions about {domains}")

    def release(self):
        """Answers what is held, and from now on everything."""
        with self.lock:
            self.released = True
            waiting, self.waiting = self.waiting, []
        for query, client in waiting:
            self._answer(query, client)

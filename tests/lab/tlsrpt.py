"""Where Postfix 3.10 and later send what TLS reports are made of (RFC 8460): datagrams of JSON."""

import json
import socket
import threading

import procs
import snippets


class Reports:
    """The datagrams of one machine under test, from now on."""

    def __init__(self, instance):
        path = instance.spool / snippets.TLSRPT_SOCKET
        path.unlink(missing_ok=True)
        self.got = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        while data := self.socket.recv(1 << 20):
            self.got.append(json.loads(data))

    def of(self, domain):
        """The report about a delivery to that domain."""
        return procs.wait_for(lambda: [r for r in self.got if r.get("d") == domain],
                              f"a TLS report about {domain}")[-1]

"""Where Postfix 3.10 and later and the delivery agent send what TLS reports are made of (RFC 8460): datagrams
of JSON."""

import json
import socket
import threading

import procs


class Reports:
    """The datagrams that come to a socket from now on. Any user may write to it."""

    def __init__(self, path):
        path.unlink(missing_ok=True)
        self.got = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        while data := self.socket.recv(1 << 20):
            self.got.append(json.loads(data))

    def about(self, domain):
        """The reports about deliveries to that domain, oldest first."""
        return [r for r in self.got if r.get("d") == domain]

    def of(self, domain):
        """The last of them, once there is one."""
        return procs.wait_for(lambda: self.about(domain), f"a TLS report about {domain}")[-1]

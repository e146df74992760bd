"""A milter that gives every message another sender at its end, as those for SRS and BATV do."""

import socketserver
import struct
import threading

PORT = 8893
CHGFROM = 0x40


class _Session(socketserver.BaseRequestHandler):
    def handle(self):
        stream = self.request.makefile("rb")
        while head := stream.read(4):
            command = stream.read(*struct.unpack("!I", head))[:1]
            if command == b"O":
                self.request.sendall(struct.pack("!IcIII", 13, b"O", 6, CHGFROM, 0))
            elif command == b"E":
                change = b"e" + f"<{self.server.sender}>".encode() + b"\0"
                self.request.sendall(struct.pack("!I", len(change)) + change)
                self.request.sendall(struct.pack("!Ic", 1, b"c"))
            elif command not in (b"D", b"A", b"Q", b"K"):
                self.request.sendall(struct.pack("!Ic", 1, b"c"))


class SenderFilter(socketserver.ThreadingTCPServer):
    """Use as a context."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, sender):
        self.sender = sender
        super().__init__(("127.0.0.1", PORT), _Session)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

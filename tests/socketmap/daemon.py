"""The real daemon, with a configuration of its own in a directory of its own."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

CONFIGURATION = """
[milter]
socket = unix:{place}/milter
user = root
my_mx_names = mx.self.test
[socketmap]
listen = unix:{place}/map inet:{address}:8461
max_connections = {max_connections}
[metrics]
listen = inet:{address}:9461
[cache]
store = memory
{cache}
[dns]
resolvers = 127.0.0.1:5399
trust_ad = yes
timeout = {dns_timeout}
tries = 2
[log]
level = {level}
{more}
"""


def netstring(text):
    data = text if isinstance(text, bytes) else text.encode()
    return b"%d:%s," % (len(data), data)


class Client:
    """One connection, blocking."""

    def __init__(self, address, timeout=20):
        if isinstance(address, tuple):
            self.socket = socket.create_connection(address, timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(str(address))  # blocking: a full backlog is waited for
            self.socket.settimeout(timeout)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """The next reply; None when the server closed."""
        while True:
            match = re.match(rb"(\d+):", self.buffer)
            if match and len(self.buffer) > match.end() + int(match[1]):
                end = match.end() + int(match[1])
                reply, comma = self.buffer[match.end():end], self.buffer[end:end + 1]
                if comma != b",":
                    raise ValueError(f"no comma behind {reply!r}")
                self.buffer = self.buffer[end + 1:]
                return reply.decode()
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.buffer += data

    def ask(self, request):
        self.send(netstring(request))
        return self.reply()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Daemon:
    inet = ("127.0.0.1", 8461)

    def __init__(self, build, place, more="", max_connections=1200, dns_timeout="2s",
                 level="debug", address="127.0.0.1", cache=""):
        self.binary = build
        self.place = Path(place)
        self.map_path = self.place / "map"
        self.config = self.place / "conf"
        self.config.write_text(CONFIGURATION.format(place=place, more=more,
                                                    max_connections=max_connections,
                                                    dns_timeout=dns_timeout, level=level,
                                                    address=address, cache=cache))
        self.log_path = self.place / "log"
        self.process = subprocess.Popen(
            [Path(build) / "milter/requiretls-milter", "-f", "-c", self.config],
            stderr=self.log_path.open("w"), env={
                **os.environ,
                # libmilter destroys a mutex of its own in exit(3), while its threads still run.
                "TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "") +
                                ":ignore_noninstrumented_modules=1"})
        self.pid = self.process.pid
        try:
            self.wait_for(" ready")
            self.wait_for("DNS security is known")
        except RuntimeError:
            self.process.kill()  # or it would stand in the way of the next
            self.process.wait()
            raise

    def log(self):
        return self.log_path.read_text()

    def wait_for(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text not in self.log():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"no {text!r} in the log:\n{self.log()}")
            time.sleep(0.02)

    def client(self, address=None):
        return Client(address or self.map_path)

    def ask(self, request):
        with self.client() as client:
            return client.ask(request)

    def metrics(self):
        with urllib.request.urlopen("http://127.0.0.1:9461/metrics", timeout=10) as response:
            return response.read().decode()

    def metric(self, series):
        match = re.search(rf"^{re.escape(series)} (\S+)$", self.metrics(), re.M)
        return float(match[1])

    def process_cpu(self):
        """Seconds of CPU used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def descriptors(self):
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def rss_kb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1])

    def stop(self):
        """Returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

"""The delivery agent's part in the daemon's life: alone or beside the filter, drain, reload, failing starts. What it does
with mail is in tests/deliver."""

import re
import signal
import socket
import threading
import time

from check_life import run_program
from check_service import ask_status, standing
from harness import Daemon, check, equal, matches, message, wait_for

CONFIG, BUSY = 78, 69
ALONE = """
[milter]
socket =
[socketmap]
listen =
"""


class Lmtp:
    """A client of the agent."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def read(self):
        """A reply, all of its lines; "" at the end."""
        text = ""
        while True:
            line = self.file.readline().decode()
            text += line
            if line[3:4] != "-":
                return text

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.read()

    def begin(self, recipient):
        """A message up to its final dot."""
        equal(self.read()[:3], "220")
        for line in ("LHLO mta.example", "MAIL FROM:<alice@sender.example>", f"RCPT TO:<{recipient}>"):
            equal(self.say(line)[:3], "250", line)
        equal(self.say("DATA")[:3], "354")
        self.socket.sendall(b"Subject: a test\r\n\r\ntext\r\n.\r\n")


class Server:
    """A server at 127.0.0.1 that lets the end of a message wait."""

    def __init__(self, port=2526):
        self.reached, self.go = threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # the thread that waits in accept would keep it open
        self.listener.close()

    def _serve(self):
        try:
            while True:
                conn, _ = self.listener.accept()
                with conn, conn.makefile("rb") as file:
                    self._session(conn, file)
        except OSError:
            pass

    def _session(self, conn, file):
        conn.sendall(b"220 server.example ESMTP\r\n")
        while line := file.readline():
            word = line.strip().upper()
            if word == b"DATA":
                conn.sendall(b"354 go on\r\n")
                while file.readline() not in (b".\r\n", b""):
                    pass
                self.reached.set()
                self.go.wait()
            conn.sendall(b"250 2.0.0 so be it\r\n")


def configuration(d, more="", name="agent"):
    return (f"[deliver {name}]\nlisten = unix:{d.dir}/{name}.sock\nrequest = header\nnexthop = [127.0.0.1]:2526\n"
            + more)


class Agent(Daemon):
    """A daemon with an agent; the configuration names its directory."""

    def __init__(self, before=ALONE, more="", **options):
        super().__init__(**options)
        self.before = before
        self.lmtp = self.dir / "agent.sock"
        self.write(before + configuration(self, more))


def alone():
    with Agent(notify=True) as d:
        wait_for(lambda: "READY=1" in d.notified(), "READY")
        check(not d.path.exists(), "there is a milter socket")
        with Lmtp(d.lmtp) as client:
            matches(client.read(), "^220 ")
            matches(client.say("LHLO mta.example"), r"(?m)^250[ -]REQUIRETLS")
        began = time.monotonic()
        d.stop()
        check(time.monotonic() - began < 5, "it was not at once")
        check(not d.lmtp.exists(), "its socket is left")
        check("messages in progress" not in d.log(), "it waited for something")


def beside_the_filter():
    with Agent(before="") as d:
        with d.session() as m:
            equal(message(m)["eoh"].action, "accept")
        with Lmtp(d.lmtp) as client:
            matches(client.read(), "^220 ")
        d.stop()
        check(not d.path.exists() and not d.lmtp.exists(), "sockets are left")


def status():
    """--status: the agent's sessions and connections, one of them with a message."""
    with Server() as server:
        d = Agent()
        d.write(f"[milter]\nsocket =\n[socketmap]\nlisten = unix:{d.dir}/maps\n" + configuration(d))
        with d, Lmtp(d.lmtp) as client, Lmtp(d.lmtp):
            client.begin("bob@example.org")
            check(server.reached.wait(60), "the server was not reached")
            matches(ask_status(d)[1], "(?m)^delivery       2 sessions of MTAs; connections to servers: 0 in setup, "
                                      "1 active, 0 idle$")
            server.go.set()
            matches(client.read(), "^250 ")
            client.socket.shutdown(socket.SHUT_RDWR)
            wait_for(lambda: "delivery       1 sessions of MTAs" in ask_status(d)[1], "the end of a session")


def drains():
    """SIGTERM while a server has a message: it ends well, and nothing else begins."""
    with Server() as server, Agent() as d, Lmtp(d.lmtp) as client, Lmtp(d.lmtp) as idle:
        client.begin("bob@example.org")
        check(server.reached.wait(60), "the server was not reached")
        equal(idle.read()[:3], "220")
        d.signal(signal.SIGTERM)
        wait_for(lambda: d.logged("stopping: waiting for 1 messages"), "it to wait")
        matches(idle.read(), "^421 4.3.2 ")  # it has said nothing for long enough
        equal(idle.read(), "")
        late = Lmtp(d.lmtp)
        server.go.set()
        matches(client.read(), "^250 .*so be it")
        d.ended()
        with late:
            try:
                greeting = late.read()
            except OSError:
                greeting = ""
        equal(greeting, "", "a connection was taken")
        matches(d.log(), r"status=sent")


def hurries():
    """A second SIGTERM: the MTA has no answer, and keeps the message."""
    with Server() as server, Agent() as d, Lmtp(d.lmtp) as client:
        client.begin("bob@example.org")
        check(server.reached.wait(60), "the server was not reached")
        d.signal(signal.SIGTERM)
        wait_for(lambda: d.logged("stopping: waiting for 1 messages"), "it to wait")
        began = time.monotonic()
        d.signal(signal.SIGTERM)
        d.ended()
        check(time.monotonic() - began < 15, "it did not hurry")
        try:
            reply = client.read()
        except OSError:
            reply = ""
        check(reply == "" or reply.startswith("4"), f"the MTA was told: {reply}")
        matches(d.log(), "stopping with 1 messages unfinished")


def size_of(d):
    with Lmtp(d.lmtp) as client:
        client.read()
        return re.search(r"(?m)^250[ -]SIZE ?(\d*)", client.say("LHLO mta.example"))[1]


def reloads():
    with Agent(more="[deliver]\nmax_message = 1m\n") as d:
        equal(size_of(d), "1048576")
        d.reload(d.before + configuration(d, "[deliver]\nmax_message = 2m\n"))
        wait_for(lambda: size_of(d) == "2097152", "the new size")
        d.reload(d.before + configuration(d, "[deliver]\nmax_message = much\n"))
        matches(d.log(), "was not taken over")
        equal(size_of(d), "2097152")


def fails_to_start():
    """What was opened is closed again, and no socket is left."""
    d = Agent(before="")
    d.write(configuration(d) + configuration(d, name="second").replace("second.sock", "no/such/place.sock"))
    status, output = d.run()
    check(status not in (0, None), f"it started: {output}")
    matches(output, "no/such/place.sock")
    check(not d.path.exists() and not d.lmtp.exists(), "sockets are left")
    with Agent() as first:
        second = Agent()
        second.write(ALONE + configuration(first))
        status, output = second.run()
        equal(status, BUSY, output)
        matches(output, "another process listens there")
        second.remove()
        check(first.lmtp.exists(), "it took the other's socket")
    d.remove()


def told(d):
    """The reply for a message."""
    with Lmtp(d.lmtp) as client:
        client.begin("bob@dane.example")
        return client.read()


def no_key():
    """Where tickets are asked for, and the filter has made no key yet: the agent starts, says so, defers what
    needs one, and has it as soon as it is there. One that cannot be used is told, and taken when it is mended;
    without it the agent does not start."""
    d = Agent()
    key, maps = d.dir / "ticket.key", d.dir / "maps"
    text = (f"[milter]\nsocket =\n[socketmap]\nlisten = unix:{maps}\n[metrics]\nlisten = unix:{d.dir}/metrics\n"
            f"[deliver tickets]\nlisten = unix:{d.lmtp}\ntickets = yes\n[deliver]\nticket_key = {key}\n")
    none_yet = f"warning: .*ticket_key: {key}: there is none yet: the filter makes it"
    d.write(text)
    status, _, err = run_program("-t", "-c", str(d.file))
    equal(status, 0, err)
    matches(err, none_yet)
    with d:
        matches(d.log(), none_yet)
        check("ticket_key" in standing(d)[0], standing(d))
        check("ticket_key" in warnings_in_metrics(d.dir / "metrics"), "not in the metrics")
        equal(told(d).split()[:2], ["451", "4.3.5"])
        matches(d.log(), "no valid X-REQUIRETLS-Ticket field")
        d.reload(text)  # is no error for want of it
        equal((len(d.logged("reloaded")), d.logged("was not taken over")), (1, []), d.log())
        key.write_text("11" * 32 + "\n")
        key.chmod(0o644)
        wait_for(lambda: d.logged("mode 0644"), "the key that others can read to be told")
        time.sleep(5)
        equal(len(d.logged("mode 0644")), 1, "once")
        check("ticket_key" in standing(d)[0], standing(d))
        key.chmod(0o640)
        wait_for(lambda: d.logged("is there: what needs a ticket is delivered"), "the key to be taken")
        wait_for(lambda: "ticket_key" not in standing(d)[0], "the warning to end")
        check("ticket_key" not in warnings_in_metrics(d.dir / "metrics"), "in the metrics")
        key.unlink()  # one that was there is not done without
        d.reload(text + "max_message = 1m\n")
        matches(d.log(), "error: .*ticket_key: .*: there is none yet")
        equal(len(d.logged("was not taken over")), 1)
    d = Agent()
    (d.dir / "ticket.key").write_text("11" * 32 + "\n")
    (d.dir / "ticket.key").chmod(0o644)
    d.write(text.replace(str(key.parent), str(d.dir)))
    status, output = d.run()
    equal(status, CONFIG, output)
    matches(output.splitlines()[-1], "error: .*ticket_key: .*mode 0644")
    check(not d.lmtp.exists(), "its socket is left")
    d.remove()


def warnings_in_metrics(path):
    """The names of those that are active."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n")
        with client.makefile() as file:
            return re.findall(r'(?m)^requiretls_warning\{name="(.*)"\} 1$', file.read())


def files_at_reload():
    """A key or another file that the agent cannot read: the reload is refused for filter and agent, and says so."""
    for filter_too in (False, True):
        d = Agent()
        key, maps = d.dir / "ticket.key", d.dir / "maps"
        key.write_text("11" * 32 + "\n")
        key.chmod(0o640)
        milter = "" if filter_too else "[milter]\nsocket =\n"

        def text(size, more=""):
            return (f"{milter}[socketmap]\nlisten = unix:{maps}\n[metrics]\nlisten = unix:{d.dir}/metrics\n"
                    f"[deliver tickets]\nlisten = unix:{d.dir}/tickets.sock\n"
                    f"tickets = yes\n[deliver agent]\nlisten = unix:{d.lmtp}\n"
                    f"[deliver]\nticket_key = {key}\nmax_message = {size}\n{more}")

        d.write(text("1m"))
        with d:
            before = standing(d)[0]
            key.chmod(0o644)
            d.reload(text("2m"))
            matches(d.log(), r"error: .*ticket_key: .*mode 0644")
            equal(standing(d)[0] - before, {"configuration_refused", "configuration_changed", "ticket_key"})
            check("ticket_key" in warnings_in_metrics(d.dir / "metrics"), "not in the metrics")
            equal(size_of(d), "1048576")
            key.chmod(0o640)
            d.reload(text("2m", "credentials = /nowhere\n"))
            matches(d.log(), "error: .*credentials: /nowhere")
            equal(standing(d)[0] - before, {"configuration_refused", "configuration_changed"})
            equal(size_of(d), "1048576")
            equal((d.logged("reloaded"), d.logged("stays in force")), ([], []), d.log())
            equal(len(d.logged("was not taken over")), 2)
            d.reload(text("2m"))
            wait_for(lambda: size_of(d) == "2097152", "the new size")
            equal(standing(d)[0] - before, set())


def run(suite):
    for name, function in (
            ("the agent alone: no milter socket, no maps", alone),
            ("the agent beside the filter", beside_the_filter),
            ("SIGTERM waits for what is being delivered", drains),
            ("a second SIGTERM hurries", hurries),
            ("--status shows sessions and connections", status),
            ("a reload holds for the next session", reloads),
            ("a start that fails leaves no socket", fails_to_start),
            ("a start before the filter has made the key of tickets", no_key),
            ("files that cannot be read, at a reload: nothing changes", files_at_reload)):
        suite.run(f"deliver: {name}", function)

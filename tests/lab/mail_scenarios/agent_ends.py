"""The delivery agent ends, or is killed, while it delivers: the queue stays Postfix's, and nothing is lost."""

import contextlib
import re
import signal
import socket
import threading

import agent
import procs
from agent import delivers
from operation import symptom
from routed import ends, flushed, require
from scenario import check, expect

PORT = 2526
TO = "bob@slow.test"
ROUTED = f"inline:{{ {{slow.test = smtp:[127.0.0.1]:{PORT}}} }}"


class Slow:
    """A server at an address literal, for which nothing is demanded, that waits at one step until it is told
    to go on. `taken`: the messages that it has answered for."""

    def __init__(self, step):
        self.step = step
        self.reached, self.go = threading.Event(), threading.Event()
        self.taken, self.begun = [], 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that the sender has to wait
        self.listener.bind(("127.0.0.1", PORT))
        self.listener.listen()
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # the thread that waits in accept would keep it open
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=[conn], daemon=True).start()

    def _wait(self, step):
        if step == self.step:
            self.reached.set()
            self.go.wait()

    def _serve(self, conn):
        with contextlib.suppress(OSError), conn, conn.makefile("rb") as file:
            self._wait("greeting")
            conn.sendall(b"220 slow.test ESMTP\r\n")
            while line := file.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"EHLO":
                    conn.sendall(b"250-slow.test\r\n250-SIZE 0\r\n250 8BITMIME\r\n")
                elif word == b"DATA":
                    self._wait("DATA")
                    conn.sendall(b"354 go on\r\n")
                    self._data(conn, file)
                elif word == b"QUIT":
                    conn.sendall(b"221 2.0.0 bye\r\n")
                    return
                else:
                    self._wait(word.decode())
                    conn.sendall(b"250 2.0.0 ok\r\n")

    def _data(self, conn, file):
        self.begun += 1
        message = []
        while (line := file.readline()) != b".\r\n":
            if not line:
                return
            message.append(line)
            self._wait("message")
        self._wait("dot")
        self.taken.append(b"".join(message))
        conn.sendall(b"250 2.0.0 taken\r\n")


def send(lab, mta, step):
    """A message, longer than what sockets hold where the server waits within it."""
    token = lab.token()
    more = "".join(f"line {n} of many more of them\n" for n in range(300000 if step == "message" else 1))
    return require(lab, mta, TO, message=lab.message(token).removesuffix(".\n") + more + ".\n")


STEPS = ("greeting", "MAIL", "RCPT", "DATA", "message", "dot")


def deferred(mta, sent):
    """The queue id under which the message waits, once it was given back to the queue."""
    found = ends(sent)[TO]
    expect(found.status, "deferred", found.text)
    check(found.queue_id in mta.queued(), "it is not in the queue any more")
    return found.queue_id


def delivered_at_last(mta, server):
    server.go.set()
    procs.wait_for(lambda: flushed(mta), "the queue to be empty", 60)
    complete = [m for m in server.taken if b"A secret line" in m and m.endswith(b".\r\n")]
    expect(len(server.taken), len(complete), "messages that are not whole")
    return len(complete)


def _killed(step):
    @delivers(f"killed at {step}: the message waits, and is delivered afterwards", fresh=True)
    def _(lab, mta, _, running):
        with mta.configured(transport_maps=ROUTED), Slow(step) as server:
            sent = send(lab, mta, server.step)
            check(server.reached.wait(60), "the server was not reached")
            agent.killed(running)
            deferred(mta, sent)
            running.start()
            copies = delivered_at_last(mta, server)
            # After the dot nobody can know whether the server has taken it.
            check(copies == 1 or step == "dot" and copies == 2, f"{copies} copies")


for each in STEPS:
    _killed(each)


@delivers("told to end, it lets a delivery end", fresh=True)
def _(lab, mta, _, running):
    with mta.configured(transport_maps=ROUTED), Slow("dot") as server:
        sent = send(lab, mta, server.step)
        check(server.reached.wait(60), "the server was not reached")
        running.ask_to_stop()
        procs.wait_for(lambda: "waiting for 1 messages" in running.log(), "it to wait")
        server.go.set()
        running.stop()
        expect(ends(sent)[TO].status, "sent", "what became of it")
        expect((delivered_at_last(mta, server), server.begun), (1, 1), "copies")


@delivers("told to end twice, it gives the message back to the queue", fresh=True)
def _(lab, mta, _, running):
    with mta.configured(transport_maps=ROUTED), Slow("message") as server:
        sent = send(lab, mta, server.step)
        check(server.reached.wait(60), "the server was not reached")
        process = running.process
        running.ask_to_stop()
        procs.wait_for(lambda: "waiting for 1 messages" in running.log(), "it to wait")
        process.send_signal(signal.SIGTERM)
        running.stop()
        deferred(mta, sent)
        running.start()
        expect(delivered_at_last(mta, server), 1, "copies")


@delivers("while it is away mail waits", fresh=True)
def _(lab, mta, _, running):
    running.stop()
    sent = require(lab, mta, "bob@dane.test")
    expect(ends(sent)["bob@dane.test"].status, "deferred", "what became of it")
    check(any(re.search(symptom("requiretls-deliver/lmtp.sock"), line) for line in mta.log.lines()),
          "its log says nothing of it")
    running.start()
    procs.wait_for(lambda: flushed(mta), "the queue to be empty", 60)
    check("REQUIRETLS" in sent.arrived("bob@dane.test").parameters, "it does not require TLS any more")
    expect(len(lab.arrivals.of(sent.token)), 1, "copies, and no bounce")

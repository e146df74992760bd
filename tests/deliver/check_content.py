"""The content of messages: what arrives is what the MTA's own client would have sent, octet by octet."""
import contextlib
import hashlib
import re

import suite
from suite import check, equal, scenario

HEADER = b"Subject: x\r\n\r\n"
MEGABYTE = 1000000


def as_sent(content):
    """A CR or LF that stands alone is a blank, and the last line is ended."""
    content = re.sub(rb"\r(?!\n)|(?<!\r)\n", b" ", content)
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


# What is between DATA and the final dot, as the MTA would have it in its queue.
CONTENTS = {
    "a line": HEADER + b"body\r\n",
    "empty": b"",
    "a line end": b"\r\n",
    "header alone": b"Subject: x\r\n",
    "no header": b"\r\nbody\r\n",
    "no final line end": HEADER + b"body",
    "8-bit octets": HEADER + bytes(range(128, 256)) + b"\r\n",
    "every octet": HEADER + bytes(c for c in range(256) if c not in b"\r\n") + b"\r\n",
    "long lines": HEADER + (b"x" * 100000 + b"\r\n") * 3,
    "a long header field": b"X: " + b"y" * 50000 + b"\r\n z\r\nSubject: x\r\n\r\nbody\r\n",
    "dots": HEADER + b".\r\n..\r\n...\r\n.a\r\na.\r\n.\r\n",
    "dots in the header": b".X: y\r\n\r\n.\r\n",
    "lines of a dot at the ends of pieces": HEADER + b"".join(b"x" * n + b"\r\n.\r\n" for n in range(2000)),
    "empty lines": HEADER + b"\r\n" * 5000,
    "1 MiB and an octet": HEADER + b"0123456789abcde\r\n" * 61681,
}

# What a client that does not make lines of CR and LF says, with the final CRLF . CRLF.
ON_THE_WIRE = {
    "LF for CRLF": b"Subject: x\n\nbody\n\r\n.\r\n",
    "CR for CRLF": b"Subject: x\r\rbody\r\r\n.\r\n",
    "CR CR LF": b"Subject: x\r\r\n\r\r\nbody\r\r\n.\r\n",
    "NUL": b"Subject: x\r\n\r\na\0b\r\n.\r\n",
    **{f"smuggling: {end!r}": HEADER + b"a" + end + b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
       b"\r\nsmuggled\r\n.\r\n"
       for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n.\r\r\n",
                   b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n")},
}


def unstuffed(wire):
    """The content of what was said: CRLF and a dot lose the dot, the final dot ends it. Alone a CR or LF counts
    for nothing, so it is taken away first."""
    plain = re.sub(rb"\r(?!\n)|(?<!\r)\n", b" ", wire)
    return (b"\r\n" + plain)[:-3].replace(b"\r\n.", b"\r\n")[2:]


def same(message, wanted, name):
    """The same octets, of which no CR or LF stands alone."""
    check(message.content == wanted, f"{name}: {message.content[:300]!r}, wanted {wanted[:300]!r}")
    check(not re.search(rb"\r(?!\n)|(?<!\r)\n", message.wire), f"{name}: a CR or LF stands alone")


@scenario
def every_kind():
    """a content of every kind arrives as it is, with its size."""
    with suite.domain("content.test") as server:
        for name, content in CONTENTS.items():
            reply, = suite.AGENT.send(["b@content.test"], content)
            check(reply.is_(250, "2.0.0", "taken"), f"{name}: {reply}")
            message = server.messages[-1]
            same(message, as_sent(content), name)
            size = int((re.search(r" SIZE=(\d+)", message.mail) or [0, 0])[1])
            equal(size, len(as_sent(content)), name)
        equal(len(server.messages), len(CONTENTS))


@scenario
def stray():
    """a CR or LF that stands alone becomes a blank, and none ends a message."""
    with suite.domain("stray.test") as server:
        for name, wire in ON_THE_WIRE.items():
            with contextlib.closing(suite.AGENT.connect()) as client:
                client.envelope(["b@stray.test"])
                client.command("DATA")
                client.write(wire)
                reply = client.reply()
                check(reply.is_(250, "2.0.0", "taken"), f"{name}: {reply}")
                equal(client.command("NOOP").code, 250, name)
            same(server.messages[-1], unstuffed(wire), name)
        equal(len(server.messages), len(ON_THE_WIRE))
        check(not any("evil" in command for command in server.commands), server.commands)


@scenario
def pieces():
    """a content that comes octet by octet is the same."""
    wire = HEADER + b"..\r\n\r\r\n.\n\n.\r\nx\r\n.\r\n"
    with suite.domain("pieces.test") as server, contextlib.closing(suite.AGENT.connect()) as client:
        client.envelope(["b@pieces.test"])
        client.command("DATA")
        for octet in wire:
            client.write(bytes([octet]))
        check(client.reply().is_(250, "2.0.0"))
        same(server.messages[-1], unstuffed(wire), "pieces")


@scenario
def large():
    """a message of 100 MB arrives whole, and takes no memory of its size."""
    line = b"0123456789" * 7 + b"abcdef\r\n"  # 78 octets
    count = 100 * MEGABYTE // len(line)
    with suite.domain("large.test") as server, contextlib.closing(suite.AGENT.connect()) as client:
        suite.AGENT.send(["b@large.test"])
        before = suite.AGENT.counts()[2]
        client.envelope(["b@large.test"])
        client.command("DATA")
        client.write(HEADER)
        for _ in range(count // 1000):
            client.write(line * 1000)
        client.write(line * (count % 1000) + b".\r\n")
        check(client.reply().is_(250, "2.0.0"))
        message = server.messages[-1]
        wanted = hashlib.sha256(HEADER)
        for _ in range(count // 1000):
            wanted.update(line * 1000)
        wanted.update(line * (count % 1000))
        equal(message.size, len(HEADER) + count * len(line))
        equal(message.hash.hexdigest(), wanted.hexdigest())
        grown = suite.AGENT.peak_kb() - before
        check(grown < 8000 or suite.AGENT.sanitized(), f"100 MB took {grown} kB")


@scenario
def several_copies():
    """a message of 3 MB to three next-hops arrives whole at each, whatever their speed."""
    content = HEADER + b"0123456789abcdef\r\n" * (3 * MEGABYTE // 18)
    with contextlib.ExitStack() as stack:
        hosts = [stack.enter_context(suite.domain(f"copy{n}.test")) for n in range(3)]
        replies = suite.AGENT.send([f"b@copy{n}.test" for n in range(3)], content)
        for reply, server in zip(replies, hosts):
            check(reply.is_(250, "2.0.0", "taken"), replies)
            same(server.messages[-1], content, "copy")


@scenario
def too_large():
    """a message beyond max_message is 552 5.3.4: at MAIL by its size, else after it."""
    with suite.agent("max_message = 10000") as agent, suite.domain("limit.test") as server:
        with contextlib.closing(agent.connect()) as client:
            check("SIZE 10000" in client.hello.text, client.hello)
            check(client.command("MAIL FROM:<a@own.test> SIZE=10001").is_(552, "5.3.4"))
            reply, = client.send(["b@limit.test"], b"x" * 9998 + b"\r\n")
            check(reply.is_(250, "2.0.0"), reply)
            reply, other = client.send(["b@limit.test", "c@limit.test"], b"x" * 9999 + b"\r\n")
            check(reply.is_(552, "5.3.4") and other.is_(552, "5.3.4"), reply)
        equal(len(server.messages), 1)

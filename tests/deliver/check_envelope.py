"""Envelopes: what is asked of the next server, and what is not."""
import contextlib
import re

import suite
from receiver import Receiver
from suite import check, equal, scenario


def parameters(command):
    return sorted(command.split(">", 1)[1].split())


@scenario
def hello():
    """the reply to LHLO offers what there is; EHLO and HELO are 500."""
    with contextlib.closing(suite.AGENT.connect()) as client:
        equal(client.greeting.text, "requiretls-deliver LMTP")  # not the host's name: a mail loop
        equal(client.hello.code, 250)
        words = set(line[4:] for line in client.hello.lines[1:])
        equal(words, {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "REQUIRETLS"})
        for line in ("EHLO x", "HELO x"):
            equal(client.command(line).code, 500, line)
        equal(client.command("QUIT").code, 221)
        check(client.is_closed())


@scenario
def dsn():
    """ENVID, NOTIFY and ORCPT go to the next server as they came; RET is HDRS where TLS is required."""
    with suite.domain("dsn.test") as server:
        reply, = suite.AGENT.send([("b@dsn.test", "NOTIFY=FAILURE,DELAY ORCPT=rfc822;Bob+40dsn.test")],
                                  parameters="RET=FULL ENVID=QQ+2B1 BODY=8BITMIME")
        check(reply.is_(250, "2.0.0"), reply)
        message = server.messages[-1]
        wanted = ["BODY=8BITMIME", "ENVID=QQ+2B1", "REQUIRETLS", "RET=HDRS"]
        equal([word for word in parameters(message.mail) if not word.startswith("SIZE=")], wanted)
        equal(parameters(message.rcpts[0]), ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;Bob+40dsn.test"])
        suite.AGENT.send([("b@dsn.test", "NOTIFY=NEVER")], socket="optional", parameters="RET=FULL")
        equal(parameters(server.messages[-1].rcpts[0]), ["NOTIFY=NEVER"])
        check("RET=FULL" in server.messages[-1].mail, server.messages[-1].mail)


@scenario
def no_dsn():
    """to a server without DSN nothing of it is said."""
    offers = ("PIPELINING", "8BITMIME", "REQUIRETLS")
    with suite.domain("nodsn.test", tls_offers=offers) as server:
        reply, = suite.AGENT.send([("b@nodsn.test", "NOTIFY=SUCCESS ORCPT=rfc822;b@nodsn.test")],
                                  parameters="RET=HDRS ENVID=e")
        check(reply.is_(250, "2.0.0"), reply)
        equal(parameters(server.messages[-1].mail), ["REQUIRETLS"])
        equal(parameters(server.messages[-1].rcpts[0]), [])


@scenario
def smtputf8():
    """SMTPUTF8 is said only if MAIL said it; a server without it is 5.6.7."""
    with suite.domain("utf8.test") as server:
        reply, = suite.AGENT.send(["j\u00fcrg@utf8.test"], parameters="SMTPUTF8")
        check(reply.is_(250, "2.0.0"), reply)
        check("SMTPUTF8" in parameters(server.messages[-1].mail), server.messages[-1].mail)
        reply, = suite.AGENT.send(["b@utf8.test"])
        check("SMTPUTF8" not in server.messages[-1].mail, server.messages[-1].mail)
        reply, = suite.AGENT.send(["j\u00fcrg@utf8.test"])
        check(reply.is_(553, "5.6.7"), reply)
    offers = tuple(word for word in Receiver.DEFAULT if word != "SMTPUTF8") + ("REQUIRETLS",)
    with suite.domain("noutf8.test", tls_offers=offers) as server:
        reply, = suite.AGENT.send(["b@noutf8.test"], parameters="SMTPUTF8")
        check(reply.code // 100 == 5 and reply.enhanced == "5.6.7", reply)
        equal(server.messages, [])


@scenario
def no_8bitmime():
    """BODY=8BITMIME to a server without it is 5.6.3: nothing is converted."""
    with suite.domain("sevenbit.test", tls_offers=("PIPELINING", "REQUIRETLS")) as server:
        reply, = suite.AGENT.send(["b@sevenbit.test"], parameters="BODY=8BITMIME")
        check(reply.code // 100 == 5 and reply.enhanced == "5.6.3", reply)
        equal(server.messages, [])


@scenario
def size():
    """a message beyond what a server takes is 5.3.4, and not sent."""
    with suite.domain("small.test", tls_offers=("PIPELINING", "REQUIRETLS", "SIZE 1000")) as server:
        reply, = suite.AGENT.send(["b@small.test"], b"Subject: x\r\n\r\n" + b"y" * 900 + b"\r\n")
        check(reply.is_(250, "2.0.0"), reply)
        reply, = suite.AGENT.send(["b@small.test"], b"Subject: x\r\n\r\n" + b"y" * 1000 + b"\r\n")
        check(reply.code // 100 == 5 and reply.enhanced == "5.3.4", reply)
        equal(len(server.messages), 1)


@scenario
def header_request():
    """request = header: the message's own words count, and the header fields arrive as they are."""
    cases = {
        "": False,
        "Require-TLS-ESMTP: yes\r\n": True,
        "Require-TLS-ESMTP: no\r\n": False,
        "TLS-Required: No\r\n": False,
        "TLS-Required: No\r\nRequire-TLS-ESMTP:\r\n yes\r\n": True,
    }
    with suite.domain("header.test") as server:
        for field, wanted in cases.items():
            content = field.encode() + b"Subject: x\r\n\r\nRequire-TLS-ESMTP: yes\r\n"
            reply, = suite.AGENT.send(["b@header.test"], content, socket="header")
            check(reply.is_(250, "2.0.0"), reply)
            message = server.messages[-1]
            check(message.tls, field)
            equal(message.content, content, field)
            # Without a request REQUIRETLS is not said, although it is offered.
            equal("REQUIRETLS" in message.mail, wanted, field)
        reply, = suite.AGENT.send(["b@header.test"], socket="header", parameters="REQUIRETLS")
        check("REQUIRETLS" in server.messages[-1].mail, server.messages[-1].mail)


@scenario
def wrong_commands():
    """what cannot be understood is refused, and the session goes on."""
    with suite.domain("syntax.test") as server, contextlib.closing(suite.AGENT.connect()) as client:
        for line, code in (("MAIL FROM:<a@b", 501), ("MAIL FROM:<a@own.test> SIZE=x", 501),
                           ("MAIL FROM:<a@own.test> REQUIRETLS=yes", 501), ("MAIL FROM:<a@own.test> FOO=x", 555),
                           ("RCPT TO:<b@syntax.test>", 503), ("DATA", 503), ("FOO", 500), ("\x01", 500),
                           ("NOOP " + "x" * 2100, 500), ("VRFY b", 252), ("NOOP", 250)):
            equal(client.command(line).code, code, line[:60])
        client.write("MAIL FROM:<a@own.test>\nNOOP\r\n")
        equal((client.reply().code, client.reply().code), (500, 250))
        reply, = client.send(["b@syntax.test"], b"Subject: x\r\n\r\n")
        check(reply.is_(250, "2.0.0"), reply)
        equal(len(server.messages), 1)


@scenario
def pipelined():
    """commands that come all at once are answered in order, and the next message waits for its turn."""
    one = ("MAIL FROM:<a@own.test>\r\nRCPT TO:<b@pipe.test>\r\nRCPT TO:<nowhere>\r\nRCPT TO:<c@pipe.test>\r\nDATA\r\n"
           "Subject: {}\r\n\r\n.\r\n")
    with suite.domain("pipe.test") as server, contextlib.closing(suite.AGENT.connect()) as client:
        client.write(one.format(1) + one.format(2) + "QUIT\r\n")
        codes = [client.reply().code for _ in range(15)]
        equal(codes, [250, 250, 550, 250, 354, 250, 250] * 2 + [221])
        equal([re.search(rb"\d", message.content)[0] for message in server.messages], [b"1", b"2"])
        equal([len(message.rcpts) for message in server.messages], [2, 2])


@scenario
def many_recipients():
    """1,000 recipients of one next-hop go together; more are 452 4.5.3."""
    with suite.domain("many.test") as server, contextlib.closing(suite.AGENT.connect()) as client:
        client.write("MAIL FROM:<a@own.test>\r\n" + "".join(f"RCPT TO:<{n}@many.test>\r\n" for n in range(1001)) +
                     "DATA\r\n")
        replies = [client.reply() for _ in range(1003)]
        check(replies[1001].is_(452, "4.5.3"), replies[1001])
        equal(replies[1002].code, 354)
        client.write(".\r\n")
        for reply in [client.reply() for _ in range(1000)]:
            check(reply.is_(250, "2.0.0"), reply)
        equal(sum(len(message.rcpts) for message in server.messages), 1000)

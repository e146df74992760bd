"""What the MTA hears of each recipient: the next server's own word, in the order of the recipients."""
import contextlib
import time

import servers
import suite
from suite import check, equal, scenario


def refuse(reply):
    return lambda peer, _: peer.say(reply) or True


@scenario
def own_words():
    """the replies of the next server are passed on, with its name: code, enhanced code and text."""
    answers = {"RCPT TO:<unknown@": "550 5.1.1 no such user", "RCPT TO:<full@": "452 4.2.2 mailbox full",
               "RCPT TO:<bare@": "550 go away", "RCPT TO:<soft@": "450 later"}
    with suite.domain("words.test", answers=answers) as server:
        names = ["ok", "unknown", "full", "bare", "soft", "other"]
        replies = dict(zip(names, suite.AGENT.send([f"{name}@words.test" for name in names])))
        host = f"mx.words.test[{server.address}] said:"
        check(replies["ok"].is_(250, "2.0.0", "taken"), replies)
        check(replies["other"].is_(250, "2.0.0", "taken"), replies)
        check(replies["unknown"].is_(550, "5.1.1", host, "no such user"), replies)
        check(replies["full"].is_(452, "4.2.2", host, "mailbox full"), replies)
        check(replies["bare"].is_(550, "5.0.0", host, "go away"), replies)
        check(replies["soft"].is_(450, "4.0.0", host, "later"), replies)
        equal([len(message.rcpts) for message in server.messages], [2])


@scenario
def refused_as_a_whole():
    """a refusal of MAIL, DATA or the content is that of each recipient."""
    for name, key, reply in (("mail", "MAIL", "550 5.7.1 not you"), ("data", "DATA", "451 4.3.1 no room"),
                             ("dot", "dot", "554 5.6.0 spam")):
        with suite.domain(f"whole-{name}.test", answers={key: reply}):
            replies = suite.AGENT.send([f"a@whole-{name}.test", f"b@whole-{name}.test"])
            for got in replies:
                code, enhanced, text = reply.split(" ", 2)
                check(got.is_(int(code), enhanced, text), f"{name}: {got}")


@scenario
def in_order():
    """replies come in the order of the recipients, each as soon as those before it are known."""
    def slowly(peer, _):
        time.sleep(3)

    with suite.domain("quick.test") as quick, suite.domain("slow.test", answers={"dot": slowly}) as slow, \
            contextlib.closing(suite.AGENT.connect()) as client:
        client.envelope(["1@quick.test", "2@slow.test", "3@quick.test"])
        client.command("DATA")
        begin = time.monotonic()
        client.write(b"Subject: x\r\n\r\n.\r\n")
        check(client.reply().is_(250, "2.0.0"))
        check(time.monotonic() - begin < 2.5, "the first waits for the second")
        check(client.reply().is_(250, "2.0.0"))
        check(time.monotonic() - begin > 2.5, "the second is not slow")
        check(client.reply().is_(250, "2.0.0"))
        equal((len(quick.messages), len(quick.messages[0].rcpts), len(slow.messages)), (1, 2, 1))


@scenario
def next_hops_apart():
    """a next-hop that fails says nothing of another one's recipients."""
    suite.publish("none.test", "mx.none.test", 199, tlsa=False, signed=False)
    suite.NAMES.add("nullmx.test", signed=True).mx(0, "")
    with suite.domain("fine.test") as fine, suite.domain("notls.test", starttls=False) as no_tls:
        replies = suite.AGENT.send(["a@none.test", "b@fine.test", "c@notls.test", "d@nullmx.test", "e@fine.test",
                                    "f@nowhere", "g@nxdomain.test"])
        equal([reply.code // 100 for reply in replies], [5, 2, 5, 5, 2, 5, 5], replies)
        equal([reply.enhanced for reply in replies],
              ["5.7.10", "2.0.0", "5.7.30", "5.1.10", "2.0.0", "5.1.2", "5.1.2"], replies)
        equal(len(fine.messages), 1)
        check(not any(command.startswith("MAIL") for command in no_tls.commands), no_tls.commands)


@scenario
def hostile_text():
    """what a server says cannot end a line of ours, and is cut."""
    def say(peer, _):
        peer.send(b"550-5.1.1 caf\xc3\xa9 \x1b[2J\x01\r\n550 5.1.1 " + b"x" * 1500 + b"\r\n")
        return True

    with suite.domain("hostile.test", answers={"RCPT": say}):
        reply, = suite.AGENT.send(["b@hostile.test"])
        check(reply.is_(550, "5.1.1", "caf?? ?[2J?"), reply)
        check(len(reply.lines) == 1 and len(reply.lines[0]) < 600, reply)


@scenario
def lost():
    """a connection that is lost before the final dot, or at it, is 4yz; the message is not lost."""
    for name, key in (("mail", "MAIL"), ("rcpt", "RCPT"), ("data", "DATA"), ("dot", "dot")):
        with suite.domain(f"lost-{name}.test", answers={key: lambda peer, _: servers.close(peer)}) as server:
            reply, = suite.AGENT.send([f"b@lost-{name}.test"])
            check(reply.code // 100 == 4 and reply.enhanced == "4.4.2", f"{name}: {reply}")
            equal(server.messages, [], name)


@scenario
def undecided():
    """what cannot be looked up is 451 4.4.3, and nobody is told anything of the message."""
    suite.NAMES.add("servfail.test", rcode=2)
    with suite.domain("tlsa-servfail.test") as server:
        suite.NAMES.add("_25._tcp.mx.tlsa-servfail.test", rcode=2)
        for domain in ("servfail.test", "tlsa-servfail.test"):
            reply, = suite.AGENT.send([f"b@{domain}"])
            check(reply.is_(451, "4.4.3"), f"{domain}: {reply}")
        equal(server.commands, [])

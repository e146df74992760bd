"""A milter that is killed in the middle of a message: at which point, and what the client has said by
then. No message may be lost, accepted or sent on its account."""

import contextlib

import layout
import procs
import smtpclient
from held import HeldResolver
from scenario import expect

# Lookups take as long as the scenario wants; plain.test is the one that waits.
HELD = f"""
[mta_sts]
enable = no
[dns]
resolvers = {layout.RESOLVER_HELD}
timeout = 60s
"""


class Killed:
    """A client whose milter is killed on the way.

    slot: see Lab.client(). parameters: what alice@sender.test says in MAIL so that her mail requires
    TLS.
    """

    def __init__(self, lab, mta, running, resolver, slot, parameters):
        self.lab, self.mta, self.running, self.resolver = lab, mta, running, resolver
        self.slot, self.parameters = slot, parameters
        self.client = lab.client(mta, slot)
        self.token = lab.token()

    def kill(self):
        self.running.process.kill()
        self.running.process.wait()
        self.running.process = None  # it need not end well

    def hello(self):
        self.client.ehlo()
        self.client.starttls()

    def mail(self):
        return self.client.mail("alice@sender.test", *self.parameters)

    def rcpt(self, to="bob@plain.test"):
        return self.client.rcpt(to)

    def start_rcpt(self, to):
        self.client.send(f"RCPT TO:<{to}>")
        self.resolver.wait_asked(to.split("@")[1])

    def start_data(self):
        expect(self.client.command("DATA"), (354,), "DATA")

    def finish(self):
        """The rest of the message, as far as the server lets it; the last reply."""
        return self.client.body(self.lab.message(self.token))


def before_mail(k):
    k.hello()
    k.kill()
    return k.mail()


def between_mail_and_rcpt(k):
    k.hello()
    k.mail()
    k.kill()
    return k.rcpt()


def while_rcpt_waits(k):
    k.hello()
    k.mail()
    k.start_rcpt("bob@plain.test")
    k.kill()
    return k.client.read()


def after_rcpt(k):
    k.hello()
    k.mail()
    expect(k.rcpt("bob@dane-ta.test"), (250,), "RCPT")
    k.kill()
    reply = k.client.command("DATA")
    return k.finish() if reply.code == 354 else reply


def within_the_header(k):
    k.hello()
    k.mail()
    expect(k.rcpt("bob@dane-ta.test"), (250,), "RCPT")
    k.start_data()
    k.client.send("Subject: half a")
    k.kill()
    return k.finish()


def while_the_end_waits(k):
    k.hello()
    expect(k.client.mail("carol@sender.test"), (250,), "MAIL")
    expect(k.rcpt(), (250,), "RCPT")
    k.start_data()
    message = k.lab.message(k.token, ["Require-TLS-ESMTP: yes"]).replace("\n", "\r\n")
    k.client.socket.sendall(message.encode())
    k.resolver.wait_asked("plain.test")
    k.kill()
    return k.client.read()


def between_messages(k):
    k.hello()
    k.mail()
    expect(k.rcpt("bob@dane-ta.test"), (250,), "RCPT")
    expect(k.client.data(k.lab.message(k.lab.token())), (250,), "data")
    k.kill()
    return k.mail()


# Each step with the number of messages that arrive all the same: those before it was killed.
STEPS = {before_mail: 0, between_mail_and_rcpt: 0, while_rcpt_waits: 0, after_rcpt: 0,
         within_the_header: 0, while_the_end_waits: 0, between_messages: 1}


def try_step(lab, mta, function, start, slot=None, parameters=("REQUIRETLS",)):
    """One of the steps. start: makes the milter run; slot: its own if not given."""
    with HeldResolver("plain.test") as resolver:
        running = start()
        slot = running.slot if slot is None else slot
        killed = Killed(lab, mta, running, resolver, slot, parameters)
        try:
            reply = function(killed)
            expect(reply.code // 100, 4, f"the last reply, {reply}")
        except TimeoutError:
            raise  # the client was left without an answer
        except (smtpclient.Closed, OSError):
            pass  # then it was never accepted either
        with contextlib.suppress(smtpclient.Closed, OSError):
            killed.client.quit()
        if not STEPS[function]:
            procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
            expect(lab.arrivals.all(), [], "messages arrived")
        # The next client is not better off while it is away, and is served when it is back.
        expect(lab.send(mta, "bob@plain.test", slot=slot).replies["mail"].code, 451,
               "MAIL while it is away")
        resolver.release()
        running.start()
        sent = lab.send(mta, ["bob@dane-ta.test", "bob@plain.test"], slot=slot,
                        parameters=parameters)
        expect(sent.replies["bob@plain.test"], (550, "5.7.10"), "RCPT when it is back")
        sent.arrived("bob@dane-ta.test")
        mta.flush()  # what waited for the maps of the one that was killed
        procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
        expect(len(lab.arrivals.all()), STEPS[function] + 1, "messages arrived")

"""Where the milter stands: its socket below Postfix's queue directory, and what its absence does.

Postfix's smtpd is chrooted in both machines, as on Debian.
"""

import contextlib
import os
import pwd
import stat

import layout
import milter
import procs
import smtpclient
from held import HeldResolver
from scenario import check, expect, scenario

BOTH = ("3.11", "3.7")
DIRECTORY = "requiretls-milter"
UNAVAILABLE = (451, "4.7.1")


def each(name):
    def register(function):
        for mta_name in BOTH:
            scenario(f"placement {mta_name}: {name}")(
                lambda lab, mta_name=mta_name: function(lab, lab.mtas[mta_name]))
        return function
    return register


@contextlib.contextmanager
def unix_socket(lab, mta, group, config=""):
    """The milter at a unix socket in the queue directory, and Postfix told as the README says."""
    directory = mta.spool / DIRECTORY
    directory.mkdir(exist_ok=True)
    os.chown(directory, pwd.getpwnam("nobody").pw_uid, mta.owner("postfix")[1])
    directory.chmod(0o750)
    path = directory / "milter.sock"
    where = f"unix:{DIRECTORY}/milter.sock"
    running = lab.milter(f"[milter]\nsocket = unix:{path}\nsocket_group = {group}\n{config}",
                         fresh=True, listens=path)
    try:
        with mta.configured(smtpd_milters=where, non_smtpd_milters=where, smtpd_milter_maps=""):
            yield running, path
    finally:
        for client in lab.clients:
            client.close()


def group_of(mta):
    return "postfix311" if mta.modern else "postfix"


@each("a unix socket below the queue directory, group postfix")
def _(lab, mta):
    with unix_socket(lab, mta, group_of(mta)) as (running, path):
        found = path.stat()
        expect((stat.S_ISSOCK(found.st_mode), stat.S_IMODE(found.st_mode), found.st_gid),
               (True, 0o660, mta.owner("postfix")[1]), "the socket")
        sent = lab.send(mta, ["bob@dane.test", "bob@plain.test"], parameters=["REQUIRETLS"])
        expect(sent.replies["bob@plain.test"], (550, "5.7.10"), "RCPT")
        expect(sent.deliveries()["bob@dane.test"].status, "sent", "delivery")
        # cleanup(8) as well, which is chrooted in one machine and not in the other.
        mta.sendmail(lab.message(lab.token(), ["Require-TLS-ESMTP: yes"]), "-f",
                     "alice@sender.test", "bob@plain2.test")
        line = procs.wait_for(lambda: running.decisions().get("bob@plain2.test"), "sendmail(1)")
        expect(line["action"], "reject", "mail without SMTP")
        # Waiting works as well: a thread that waits connects to the daemon's own socket.
        sent = lab.send(mta, "bob@slow.test", parameters=["REQUIRETLS"])
        expect(sent.deliveries()["bob@slow.test"].status, "sent", "delivery")
        procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
        running.stop()
        check(not path.exists(), "the socket is left behind")
        reply = lab.send(mta, "bob@dane.test", tls=False).replies["mail"]
        expect(reply, UNAVAILABLE, "MAIL, the milter stopped")
        # Killed, it leaves its socket behind; started again, it takes its place.
        running.start()
        running.process.kill()
        running.process.wait()
        check(path.exists(), "who removed the socket?")
        running.start()
        sent = lab.send(mta, "bob@plain.test", parameters=["REQUIRETLS"])
        expect(sent.replies["bob@plain.test"], (550, "5.7.10"), "RCPT")


@each("a second daemon for the same socket is refused, the first goes on")
def _(lab, mta):
    with unix_socket(lab, mta, group_of(mta)) as (running, path):
        second = milter.Milter(f"[milter]\nsocket = unix:{path}\n", lab.free_slots[-1])
        second.file.write_text(second.text)
        process = procs.start(second.name, milter.program(), "-f", "-c", second.file)
        expect(process.wait(20), 69, "the second daemon's exit status")
        check(f"somebody listens on {path} already" in second.log(), second.log())
        sent = lab.send(mta, "bob@plain.test", parameters=["REQUIRETLS"])
        expect(sent.replies["bob@plain.test"], (550, "5.7.10"), "RCPT")


@each("milter down: every message is put off, none is accepted")
def _(lab, mta):
    running = lab.milter(fresh=True)
    running.stop()
    client = lab.client(mta, running.slot)
    client.ehlo()
    expect(client.starttls(), (454,), "STARTTLS: whoever asks for REQUIRETLS ends here")
    expect(client.mail("alice@sender.test"), UNAVAILABLE, "MAIL in plaintext")
    expect((mta.queued(), lab.arrivals.all()), ({}, []), "queue and arrivals")


# Killed in the middle of a message: at which point, and what the client has said by then.

HELD = f"""
[milter]
accept_header = any
rcpt_wait = 9s
[mta_sts]
enable = no
[dns]
resolvers = {layout.RESOLVER_HELD}
timeout = 60s
"""


class Killed:
    """A client whose milter is killed on the way."""

    def __init__(self, lab, mta, running, resolver):
        self.lab, self.mta, self.running, self.resolver = lab, mta, running, resolver
        self.client = lab.client(mta, running.slot)
        self.token = lab.token()

    def kill(self):
        self.running.process.kill()
        self.running.process.wait()
        self.running.process = None  # it need not end well

    def hello(self):
        self.client.ehlo()
        self.client.starttls()

    def mail(self):
        return self.client.mail("alice@sender.test", "REQUIRETLS")

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
    expect(k.client.mail("alice@sender.test"), (250,), "MAIL")
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


def _killed(function, arrived=0):
    words = function.__name__.replace("_", " ")

    def run(lab, mta):
        with HeldResolver("plain.test") as resolver:
            running = lab.milter(HELD, fresh=True)
            killed = Killed(lab, mta, running, resolver)
            try:
                reply = function(killed)
                expect(reply.code // 100, 4, f"the last reply, {reply}")
            except (smtpclient.Closed, OSError):
                pass  # then it was never accepted either
            with contextlib.suppress(smtpclient.Closed, OSError):
                killed.client.quit()
            procs.wait_for(lambda: not mta.queued(), "the queue to be empty")
            expect(len(lab.arrivals.all()), arrived, "messages arrived")
            # The next client is not better off while it is away, and is served when it is back.
            expect(lab.send(mta, "bob@plain.test", slot=running.slot).replies["mail"].code, 451,
                   "MAIL while it is away")
            resolver.release()
            running.start()
            sent = lab.send(mta, ["bob@dane-ta.test", "bob@plain.test"], slot=running.slot,
                            parameters=["REQUIRETLS"])
            expect(sent.replies["bob@plain.test"], (550, "5.7.10"), "RCPT when it is back")
            expect(sent.deliveries()["bob@dane-ta.test"].status, "sent", "delivery")
    each(f"killed {words}: put off, not lost, not accepted")(run)


for each_function in (before_mail, between_mail_and_rcpt, while_rcpt_waits, after_rcpt,
                      within_the_header, while_the_end_waits):
    _killed(each_function)
_killed(between_messages, arrived=1)

"""Where the milter stands: its socket below Postfix's queue directory, and what its absence does.

Postfix's smtpd is chrooted in both machines, as on Debian.
"""

import contextlib
import os
import pwd
import stat

import killed
import milter
import procs
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
        expect(line["action"], "reject", "locally submitted mail")
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
        expect(process.wait(procs.READY_S), 69, "the second daemon's exit status")
        check(f"cannot open the socket unix:{path}: another process listens there" in second.log(),
              second.log())
        sent = lab.send(mta, "bob@plain.test", parameters=["REQUIRETLS"])
        expect(sent.replies["bob@plain.test"], (550, "5.7.10"), "RCPT")


@each("milter down: every message is deferred, none is accepted")
def _(lab, mta):
    running = lab.milter(fresh=True)
    running.stop()
    client = lab.client(mta, running.slot)
    client.ehlo()
    expect(client.starttls(), (454,), "STARTTLS: whoever asks for REQUIRETLS ends here")
    expect(client.mail("alice@sender.test"), UNAVAILABLE, "MAIL in plaintext")
    expect((mta.queued(), lab.arrivals.all()), ({}, []), "queue and arrivals")


# Killed in the middle of a message, see killed.py.

def _killed(function):
    words = function.__name__.replace("_", " ")

    def run(lab, mta):
        config = "[milter]\naccept_header = any\nrcpt_wait = 9s\n" + killed.HELD
        killed.try_step(lab, mta, function, lambda: lab.milter(config, fresh=True))
    each(f"killed {words}: deferred, not lost, not accepted")(run)


for each_function in killed.STEPS:
    _killed(each_function)

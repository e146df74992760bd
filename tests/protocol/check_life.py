"""Daemon life: options, exit statuses, sockets, readiness, reload, stop."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from harness import Daemon, Failure, check, equal, matches, message, wait_for

LISTEN_FAILS = 69
SOFTWARE, OSERR = 70, 71
USAGE, CONFIG, NOPERM = 64, 78, 77


def run_program(*args):
    done = subprocess.run([Daemon.program, *args], capture_output=True, text=True, timeout=30,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def usage_errors():
    for args in (["-x"], ["-c"], ["-f", "extra"]):
        status, out, err = run_program(*args)
        equal(status, USAGE, str(args))
        equal(out, "")
        matches(err, "usage: requiretls-milter")


def version():
    status, out, _ = run_program("-V")
    equal(status, 0)
    matches(out, r"^requiretls-milter \d+\.\d+")


def check_good():
    d = Daemon()
    status, out, err = run_program("-t", "-c", str(d.file))
    d.remove()
    equal((status, err), (0, ""))
    matches(out, "is in order")


def check_bad():
    d = Daemon("[milter]\nrcpt_wait = soon\nno_such_key = 1\n")
    status, _, err = run_program("-t", "-c", str(d.file))
    equal(status, CONFIG)
    matches(err, f"{d.file}:2: .*rcpt_wait")
    matches(err, f"{d.file}:3: .*no_such_key")
    status, output = d.run()
    equal(status, CONFIG, "without -t")
    matches(output, f"{d.file}:2: ")
    check(not d.path.exists(), "a socket was opened all the same")
    d.remove()


def check_missing_file():
    status, _, err = run_program("-t", "-c", "/nonexistent/x.conf")
    equal(status, CONFIG)
    matches(err, "/nonexistent/x.conf")


NO_CERTIFICATES = (
    ("ca_file", "/nonexistent/ca.pem", "cannot load CA certificates: No such file or directory"),
    ("ca_file", "/etc/passwd", "cannot load CA certificates: there are none in it"),
    ("ca_path", "/nonexistent", "not a directory of CA certificates: No such file or directory"),
    ("ca_path", "/etc/passwd", "not a directory of CA certificates: Not a directory"))


def check_files():
    """-t and the start agree on the files that the configuration names."""
    for key, value, error in NO_CERTIFICATES:
        for options in (["-t"], ["-f"], []):
            d = Daemon(f"[mta_sts]\n{key} = {value}\n")
            status, _, err = run_program(*options, "-c", str(d.file))
            d.remove()
            equal(status, CONFIG, f"{key} = {value} {options}")
            matches(err, f"(?m){d.file}:2: {key}: {value}: {error}$")


def check_files_of_agent():
    """The same for those of the delivery agent: its credentials, CA certificates, the ticket key."""
    with tempfile.TemporaryDirectory() as top:
        file = Path(top) / "file"
        file.write_text("no key\n")
        file.chmod(0o644)
        agent = f"[deliver out]\nlisten = unix:{top}/out.sock\ntickets = yes\n[deliver]\n"
        for key, value, options, error in (
            ("credentials", file, ("-t", "-f"),
             f"{file}: others can read it or write to it: chmod 0640"),
            ("credentials", "/nowhere", ("-t", "-f"), "/nowhere: No such file or directory"),
            ("ca_file", "/nowhere", ("-t", "-f"),
             "/nowhere: cannot load CA certificates: No such file or directory"),
            ("ticket_key", file, ("-t", "-f"), f"{file}: .*"),
        ):
            for option in options:
                d = Daemon(f"{agent}{key} = {value}\n")
                status, _, err = run_program(option, "-c", str(d.file))
                d.remove()
                equal(status, CONFIG, f"{key} = {value} {option}")
                matches(err, f"(?m){d.file}:5: {key}: {error}$")
        d = Daemon(f"{agent}ticket_key = {top}/made-at-the-first-start\n")
        status, _, err = run_program("-t", "-c", str(d.file))
        d.remove()
        equal((status, err), (0, ""))


def check_files_of_shared():
    """The same for those of the shared cache, at the start and at a reload; a key that others can read is a
    warning."""
    with tempfile.TemporaryDirectory() as top:
        key, short, password = (Path(top) / name for name in ("key", "short", "password"))
        for file, text in ((key, "k" * 32), (short, "k" * 31), (password, "secret of the servers")):
            file.write_text(text + "\n")
            file.chmod(0o640)
        shared = f"[cache]\nshared = unix:{top}/nowhere\n"
        with Daemon() as running:
            for lines, error in (
                (f"shared_key = {top}/none\n", f"3: shared_key: {top}/none: .*No such file or directory"),
                (f"shared_key = {short}\n", f"3: shared_key: {short}:1: a key has 32 octets at least"),
                (f"shared_key = {key}\nshared_password = {top}/none\n",
                 f"4: shared_password: {top}/none: .*No such file or directory"),
            ):
                for option in ("-t", "-f"):
                    d = Daemon(shared + lines)
                    status, _, err = run_program(option, "-c", str(d.file))
                    d.remove()
                    equal(status, CONFIG, f"{lines} {option}")
                    matches(err, f"(?m){d.file}:{error}")
                running.reload(shared + lines)
                matches(running.log(), f"(?m){running.file}:{error}")
                matches(running.log(), "was not taken over: the configuration in force stays as it is")
        d = Daemon(f"{shared}shared_key = {key}\nshared_password = {password}\nstore = sqlite:{top}/cache.db\n")
        equal(run_program("-t", "-c", str(d.file))[::2], (0, ""))
        key.chmod(0o644)
        status, _, err = run_program("-t", "-c", str(d.file))
        equal(status, 0)
        matches(err, f"{d.file}:3: shared_key: {key}: mode 0644")
        with d:
            check("secret of the servers" not in d.log(), "the log has the password")


def check_files_as_user():
    """A file that root alone can read is none for the daemon, whose user cannot; -t says so too."""
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        file, directory = Path(top) / "ca.pem", Path(top) / "ca"
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", file)
        file.chmod(0o600)
        directory.mkdir(mode=0o700)
        for key, value in (("ca_file", file), ("ca_path", directory)):
            for options in (["-t"], ["-f"]):
                d = Daemon(f"[mta_sts]\n{key} = {value}\n[milter]\nuser = nobody\n")
                status, _, err = run_program(*options, "-c", str(d.file))
                d.remove()
                equal(status, CONFIG, f"{key} {options}")
                matches(err, f"(?m){d.file}:2: {key}: {value}: .*: Permission denied$")


def check_files_at_reload():
    with Daemon("[milter]\ntag = first.invalid\n") as d:
        for key, value, error in NO_CERTIFICATES:
            d.reload(f"[mta_sts]\n{key} = {value}\n[milter]\ntag = second.invalid\n")
            matches(d.log(), f"(?m){d.file}:2: {key}: {value}: {error}$")
            matches(d.log(), "was not taken over: the configuration in force stays as it is")
        with d.session() as m:
            equal(message(m, rcpts=["<b@x.first.invalid>"])["rcpt"][0].code, "550")


def check_missing_user():
    for options in (["-t"], ["-f"]):
        d = Daemon("[milter]\nuser = no-such-user-here\n")
        status, _, err = run_program(*options, "-c", str(d.file))
        d.remove()
        equal(status, CONFIG, str(options))
        matches(err, r"\[milter\] user: there is no user no-such-user-here")


def check_missing_group():
    for options in (["-t"], ["-f"]):
        d = Daemon("[milter]\nsocket_group = no-such-group-here\n")
        status, _, err = run_program(*options, "-c", str(d.file))
        d.remove()
        equal(status, CONFIG, str(options))
        matches(err, r"\[milter\] socket_group: there is no group no-such-group-here")
    for listen, wanted in (("unix:/nowhere/policy.sock", CONFIG), ("inet:127.0.0.1:8461", 0)):
        d = Daemon(f"[socketmap]\nlisten = {listen}\nsocket_group = no-such-group-here\n")
        status, _, err = run_program("-t", "-c", str(d.file))
        d.remove()
        equal(status, wanted, listen)
        if wanted == CONFIG:
            matches(err, r"\[socketmap\] socket_group: there is no group no-such-group-here")


def socket_mode_and_group():
    with Daemon("[milter]\nsocket_mode = 0620\nsocket_group = nogroup\n") as d:
        st = d.path.stat()
        equal(stat.S_IMODE(st.st_mode), 0o620)
        import grp
        equal(st.st_gid, grp.getgrnam("nogroup").gr_gid)
    # Without socket_group: the daemon's own, so that an MTA's user may be added to it.
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        maps = Path(place) / "policy.sock"
        with Daemon(f"[milter]\nuser = nobody\n[socketmap]\nlisten = unix:{maps}\n") as d:
            for path in (d.path, maps):
                equal(path.stat().st_gid, 65534, path.name)


def without_milter():
    """[milter] socket = (nothing): maps alone."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        maps = Path(place) / "policy.sock"
        config = f"[milter]\nsocket =\n[socketmap]\nlisten = unix:{maps}\n"
        with Daemon(config) as d:
            check(not d.path.exists(), "there is a milter socket")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(maps))
                client.sendall(b"22:requiretls own.example,")
                equal(client.recv(100), b"16:OK opportunistic,")
            d.reload(config + "[default]\nlevel = disable\n")
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(maps))
                client.sendall(b"22:requiretls own.example,")
                equal(client.recv(100), b"10:OK disable,")
            began = time.monotonic()
            d.stop()
            check(time.monotonic() - began < 5, "it took long to stop")


def agent_alone():
    """Neither milter nor maps: the delivery agent alone; and nothing at all, which is an error."""
    nothing = "[milter]\nsocket =\n[socketmap]\nlisten =\n"
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        lmtp = Path(place) / "lmtp.sock"
        with Daemon(f"{nothing}[deliver out]\nlisten = unix:{lmtp}\n") as d:
            check(not d.path.exists(), "there is a milter socket")
            equal(stat.S_IMODE(lmtp.stat().st_mode), 0o660)
            with socket.socket(socket.AF_UNIX) as client, client.makefile("r", newline="\r\n") as replies:
                client.connect(str(lmtp))
                matches(replies.readline(), "^220 ")
                client.sendall(b"LHLO mta.test\r\n")
                equal(replies.readline()[:4], "250-")
            # That only a restart can change the socket is said, and what else there is changes.
            d.reload(f"{nothing}[deliver other]\nlisten = unix:{place}/other.sock\n")
            matches(d.log(), r"\[deliver out\] has been removed; that takes a restart")
            matches(d.log(), r"\[deliver other\] has been added; that takes a restart")
            check(not Path(place, "other.sock").exists(), "another socket was opened")
            d.stop()
    for option in ("-t", "-f"):
        d = Daemon(nothing)
        status, _, err = run_program(option, "-c", str(d.file))
        d.remove()
        equal(status, CONFIG, option)
        matches(err, r"\[milter\] socket and \[socketmap\] listen are empty, and there is no \[deliver NAME\]")


def socket_directory_missing():
    d = Daemon("[milter]\nsocket = unix:/nonexistent/milter.sock\n")
    status, output = d.run()
    d.remove()
    matches(output, "cannot open the socket unix:/nonexistent/milter.sock: No such file")
    equal(status, CONFIG)
    d = Daemon("[socketmap]\nlisten = unix:/nonexistent/policy.sock\n")
    status, output = d.run()
    d.remove()
    equal(status, CONFIG)
    matches(output, "cannot open the socket unix:/nonexistent/policy.sock: bind: No such file")


def no_socket_in_the_way():
    d = Daemon()
    d.path.write_text("precious")
    status, output = d.run()
    equal(status, CONFIG)
    matches(output, f"cannot open the socket {d.address}: a file of that name is no socket")
    equal(d.path.read_text(), "precious")
    d.remove()


def stale_socket():
    d = Daemon()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(d.path))
    check(d.path.exists(), "no stale socket")
    with d:
        with d.session() as m:
            equal(message(m)["eoh"].action, "accept")


def second_instance():
    with Daemon() as d:
        other = Daemon(f"[milter]\nsocket = unix:{d.path}\n")
        status, output = other.run()
        other.remove()
        equal(status, LISTEN_FAILS)
        matches(output, f"cannot open the socket unix:{d.path}: another process listens there")
        with d.session() as m:
            equal(message(m)["eoh"].action, "accept", "the first still works")


def inet_socket():
    with Daemon("[milter]\nsocket = inet:8899@127.0.0.1\n") as d:
        import milter_client as mc
        with mc.Milter(("127.0.0.1", 8899)) as m:
            m.negotiate()
            check(m.actions, "negotiated")
        other = Daemon("[milter]\nsocket = inet:8899@127.0.0.1\n")
        status, output = other.run()
        other.remove()
        equal(status, LISTEN_FAILS)
        matches(output, "cannot open the socket inet:8899@127.0.0.1")


def drops_root():
    with Daemon("[milter]\nuser = nobody\n") as d:
        status = Path(f"/proc/{d.process.pid}/status").read_text()
        matches(status, r"Uid:\t65534\t65534\t65534\t65534")
        matches(status, r"Gid:\t65534\t65534\t65534\t65534")
        matches(status, r"CapEff:\t0+\n")
        with d.session() as m:
            equal(message(m)["eoh"].action, "accept")


def gives_no_directory():
    """Who has a directory is not its business, whoever started it and whatever the manager says."""
    with tempfile.TemporaryDirectory() as made:
        with Daemon("[milter]\nuser = nobody\n", env={
                "RUNTIME_DIRECTORY": made, "STATE_DIRECTORY": made}):
            equal((os.stat(made).st_uid, os.stat(made).st_gid), (0, 0))


def starts_without_root():
    d = Daemon("[milter]\nuser = no-such-user-here\n")
    os.chown(d.dir, 65534, 65534)
    log = open(d.log_path, "ab")
    d.process = subprocess.Popen([Daemon.program, "-f", "-c", str(d.file)], stdout=log, stderr=log,
                                 user=65534, group=65534, extra_groups=[], env=d.env)
    log.close()
    with_ready = wait_for(lambda: d.process.poll() is not None or d.logged("ready$"), "readiness")
    check(with_ready, "")
    check(d.process.poll() is None, d.log())
    d.stop()
    check(not d.path.exists(), "the socket is still there")
    d.remove()


def raises_nofile():
    with Daemon() as d:
        limits = Path(f"/proc/{d.process.pid}/limits").read_text()
        soft = [line.split()[3] for line in limits.splitlines() if line.startswith("Max open")]
        check(soft[0] == "unlimited" or int(soft[0]) >= 4096, limits)


def few_descriptors():
    """With any number of descriptors it starts, or ends with a status of its own and says why."""
    for count in range(7, 60):
        d = Daemon(under=("prlimit", f"--nofile={count}"))
        d.write(f"[socketmap]\nlisten = unix:{d.dir}/map\n[metrics]\nlisten = unix:{d.dir}/http\n")
        d.launch()
        wait_for(lambda: d.process.poll() is not None or d.logged("ready$"), "the daemon")
        started = d.process.poll() is None
        if started:
            d.process.terminate()
        status, output = d.process.wait(60), d.log()
        d.remove()
        if started and status == 0:
            check(count > 12, "the case is none: it started at once")
            return
        check(status in (OSERR, SOFTWARE), f"{count} descriptors: status {status}\n{output}")
        matches(output, "error: .*(Too many open files|libmilter failed)")
        if status == OSERR:
            matches(output.splitlines()[-1], "error: ")  # behind what threads said that had begun
    raise Failure("it never started")


def background():
    d = Daemon("[log]\ntarget = stderr\n", options=())
    status, output = d.run()
    equal(status, 0, output)
    # Its parent ended: by then the socket must be there and served.
    with d.session() as m:
        equal(message(m)["eoh"].action, "accept")
    pid = pid_of(d)
    check(os.getsid(pid) == pid, "no session of its own")
    equal(os.readlink(f"/proc/{pid}/cwd"), "/")
    equal(os.readlink(f"/proc/{pid}/fd/1"), "/dev/null")
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or is_zombie(pid), "the end")
    d.remove()


def is_zombie(pid):
    return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


def pid_of(d):
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(d.file).encode() in line and int(entry.name) != os.getpid():
                return int(entry.name)
    raise Failure("no daemon process")


def background_failure():
    """Whoever started it sees why it did not start, though the log goes to syslog."""
    d = Daemon("[milter]\nsocket = unix:/nonexistent/milter.sock\n", options=())
    status, output = d.run()
    d.remove()
    equal(status, CONFIG, "the parent's status")
    matches(output, "cannot open the socket unix:/nonexistent/milter.sock: No such file")


def notifies():
    with Daemon(notify=True) as d:
        equal(d.notified(), "READY=1")
        d.signal(signal.SIGUSR1)
        matches(d.notified(), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        equal(d.notified(), "READY=1")
        d.signal(signal.SIGTERM)
        equal(d.notified(), "STOPPING=1")
        d.ended()


def stops_on(number):
    with Daemon() as d:
        with d.session() as m:
            equal(message(m)["eoh"].action, "accept")
            d.stop(number=number)
        check(not d.path.exists(), "the socket is still there")
        check(d.logged("stopped$"), d.log())


def stops_when_just_started():
    """A signal in the first moments is the daemon's, too, and not libmilter's."""
    for i in range(20):
        with Daemon() as d:
            time.sleep(i / 4000)
            d.stop()
            check(not d.logged("libmilter"), d.log())


class Starting(Daemon):
    """One whose socket is there; it may have started no thread yet."""

    def start(self):
        self.launch()
        deadline = time.monotonic() + 30
        while not self.path.exists():
            check(self.process.poll() is None and time.monotonic() < deadline, self.log())
        return self


def reloads_when_the_socket_is_there():
    for _ in range(20):
        with Starting() as d:
            d.signal(signal.SIGUSR1)
            wait_for(lambda: d.logged("reloaded") or d.process.poll() is not None, "the reload")
            equal(d.process.poll(), None, "exit status")


def only_main_takes_signals():
    """No other thread is handed one: libmilter's thread for signals must not be waiting for them. Nor
    does a handler interrupt the main thread, which fetches them."""
    with Daemon() as d:
        with d.session() as m:
            equal(message(m)["eoh"].action, "accept")
        time.sleep(0.5)
        pid = d.process.pid
        for task in Path(f"/proc/{pid}/task").iterdir():
            blocked = int(re.search(r"SigBlk:\s+(\w+)", (task / "status").read_text())[1], 16)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
                equal(bool(blocked >> (number - 1) & 1), int(task.name) != pid,
                      f"{number.name} blocked in thread {task.name} of {pid}")
        caught = int(re.search(r"SigCgt:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())[1], 16)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            check(not caught >> (number - 1) & 1, f"{number.name} has a handler")


def reloads_on(number):
    with Daemon() as d:
        d.write("[default]\nlevel = disable\n")
        d.signal(number)
        wait_for(lambda: d.logged("reloaded"), "the reload")
        with d.session() as m:
            got = message(m, params=["REQUIRETLS"], rcpts=["<b@other.example>"])
            equal(got["rcpt"][0].action, "continue")
        check(d.process.poll() is None, "it stopped")


def bad_reload():
    with Daemon("[milter]\ntag = first.invalid\n") as d:
        d.reload("[milter]\ntag = second.invalid\nrcpt_wait = soon\n")
        matches(d.log(), f"{d.file}:3: ")
        matches(d.log(), "was not taken over: the configuration in force stays as it is")
        with d.session() as m:
            equal(message(m, rcpts=["<b@x.first.invalid>"])["rcpt"][0].code, "550")
            equal(message(m, rcpts=["<b@x.second.invalid>"])["rcpt"][0].action, "continue")
        d.reload("[milter]\ntag = second.invalid\n")
        with d.session() as m:
            equal(message(m, rcpts=["<b@x.first.invalid>"])["rcpt"][0].action, "continue")
            equal(message(m, rcpts=["<b@x.second.invalid>"])["rcpt"][0].code, "550")


def reload_follows_links():
    """The file may be a link that is turned over to another version; and named from here."""
    with Daemon("[dns]\ntimeout = 100ms\ntries = 1\n") as d:
        real = d.file.rename(d.dir / "one.conf")
        d.stop()
        d.file.symlink_to(real)
        here = os.getcwd()
        os.chdir(d.dir)
        try:
            d.process = subprocess.Popen([Daemon.program, "-f", "-c", d.file.name],
                                         stdout=open(d.log_path, "wb"), stderr=subprocess.STDOUT)
        finally:
            os.chdir(here)
        wait_for(lambda: d.logged("ready$"), "readiness")
        with d.session() as m:
            equal(message(m, params=["REQUIRETLS"], rcpts=["<a@x.example>"])["rcpt"][0].code, "451")
        (d.dir / "two.conf").write_text(real.read_text() + "[default]\nlevel = disable\n")
        d.file.unlink()
        d.file.symlink_to(d.dir / "two.conf")
        d.signal(signal.SIGUSR1)
        wait_for(lambda: d.logged("reloaded|was not taken over"), "the reload")
        with d.session() as m:
            equal(message(m, params=["REQUIRETLS"],
                          rcpts=["<a@x.example>"])["rcpt"][0].action, "continue")


def reload_says_what_needs_a_restart():
    with Daemon() as d:
        d.reload("[milter]\nsocket = unix:/elsewhere/milter.sock\n")
        matches(d.log(), r"warning: .*\[milter\] socket")
        with d.session() as m:
            equal(message(m)["eoh"].action, "accept")


def message_keeps_its_configuration():
    with Daemon("[default]\nlevel = disable\n") as d:
        with d.session() as m, d.session() as other:
            m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
            d.reload("[milter]\naccept_header = any\n[rule x]\nnexthop = .example\n"
                     "tls_policy = may\n")
            # The message that began before the reload, and one that begins after it on a
            # connection that was there before.
            equal(m.rcpt("<b@other.example>").action, "continue")
            got = message(other, params=["REQUIRETLS"], rcpts=["<b@other.example>"])
            equal(got["rcpt"][0].code, "550")


def drains():
    """SIGTERM during a message that requires TLS: that one ends well, another does not begin."""
    with Daemon() as d:
        with d.session() as m, d.session() as idle:
            m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
            d.signal(signal.SIGTERM)
            wait_for(lambda: d.logged("waiting for 1 messages"), "draining")
            answer = idle.mail("<a@b.example>", macros=idle.mail_macros)
            equal(answer.text[:9], "451 4.3.2")
            equal(m.rcpt("<b@own.example>").action, "continue")
            equal(m.eoh(macros={"i": "4bX"}).action, "continue")
            equal(m.eom(macros={"i": "4bX"}).action, "continue")
            d.ended()


def drains_what_the_header_asks():
    """So does one whose request came with the header, of either kind."""
    for name, value in (("Require-TLS-ESMTP", "yes"), ("TLS-Required", "No")):
        with Daemon("[milter]\naccept_header = any\n[default]\noptional_route = o\n"
                    "[route o]\nmethod = header\n") as d:
            with d.session() as m:
                m.mail("<a@b.example>", macros=m.mail_macros)
                equal(m.rcpt("<b@own.example>").action, "continue")
                m.data(macros={"i": "4bX"})
                m.header(name, value, macros={"i": "4bX"})
                equal(m.eoh(macros={"i": "4bX"}).action, "continue", name)
                d.signal(signal.SIGTERM)
                wait_for(lambda: d.logged("waiting for 1 messages"), "draining")
                equal(m.eom(macros={"i": "4bX"}).action, "continue")
                d.ended()


def lets_go_of_other_messages():
    """A message that asks for nothing does not hold a restart up, wherever it is."""
    with Daemon() as d:
        with d.session() as begun, d.session() as m, d.session():
            begun.mail("<a@b.example>", macros=begun.mail_macros)
            m.mail("<a@b.example>", macros=m.mail_macros)
            equal(m.rcpt("<b@own.example>").action, "continue")
            m.data(macros={"i": "4bX"})
            m.header("Subject", "long", macros={"i": "4bX"})
            began = time.monotonic()
            d.stop()
            took = time.monotonic() - began
            check(took < (10 if d.sanitized() else 3), f"it took {took:.1f} s")
            check(not d.logged("waiting for"), d.log())


def second_sigterm_hurries():
    with Daemon() as d:
        with d.session() as m:
            m.mail("<a@b.example>", "REQUIRETLS", macros=m.mail_macros)
            d.signal(signal.SIGTERM)
            wait_for(lambda: d.logged("waiting for 1 messages"), "draining")
            began = time.monotonic()
            d.signal(signal.SIGTERM)
            d.ended(timeout=20)
            check(time.monotonic() - began < 20, "it waited for the message")
            matches(d.log(), "stopping with 1 messages unfinished")


def run(suite):
    for name, function, *args in (
            ("usage errors end with 64", usage_errors),
            ("-V shows the version", version),
            ("-t, a file in order", check_good),
            ("-t, a file with errors: 78, file and line, nothing started", check_bad),
            ("-t, no file: 78", check_missing_file),
            ("files that the configuration names: 78, file and line", check_files),
            ("files of the delivery agent: 78, file and line", check_files_of_agent),
            ("files of the shared cache: 78, file and line, at a reload too", check_files_of_shared),
            ("files that the daemon's user cannot read: 78", check_files_as_user),
            ("files that the configuration names, at a reload", check_files_at_reload),
            ("an unknown user: 78", check_missing_user),
            ("an unknown socket group: 78", check_missing_group),
            ("socket mode and group", socket_mode_and_group),
            ("no milter socket: the maps alone", without_milter),
            ("neither milter nor maps: the delivery agent alone", agent_alone),
            ("the socket's directory is missing", socket_directory_missing),
            ("a stale socket is replaced", stale_socket),
            ("another file than a socket is not", no_socket_in_the_way),
            ("a live filter's socket is not taken", second_instance),
            ("inet socket; an address in use", inet_socket),
            ("root is dropped for good", drops_root),
            ("no directory is given away", gives_no_directory),
            ("started without root it stays who it is", starts_without_root),
            ("descriptor limit raised", raises_nofile),
            ("too few descriptors: an error, whatever their number", few_descriptors),
            ("in the background: the parent ends when it is ready", background),
            ("in the background: the parent passes a failure on", background_failure),
            ("READY, RELOADING, STOPPING", notifies),
            ("SIGTERM stops", stops_on, signal.SIGTERM),
            ("SIGINT stops", stops_on, signal.SIGINT),
            ("SIGTERM stops in the first moments", stops_when_just_started),
            ("only the main thread takes signals", only_main_takes_signals),
            ("SIGUSR1 reloads", reloads_on, signal.SIGUSR1),
            ("SIGUSR1 as soon as the socket is there", reloads_when_the_socket_is_there),
            ("SIGHUP reloads and does not stop", reloads_on, signal.SIGHUP),
            ("a bad file leaves the old configuration in force", bad_reload),
            ("a reload follows links", reload_follows_links),
            ("a reload says what needs a restart", reload_says_what_needs_a_restart),
            ("a message keeps the configuration it began with", message_keeps_its_configuration),
            ("SIGTERM waits for messages with a request", drains),
            ("SIGTERM waits for a request by header", drains_what_the_header_asks),
            ("SIGTERM lets messages without a request go at once", lets_go_of_other_messages),
            ("a second SIGTERM hurries", second_sigterm_hurries)):
        suite.run(f"life: {name}", function, *args)

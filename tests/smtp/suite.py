"""The program under test, and a table of checks that ends with `N passed, N failed`."""
import contextlib
import subprocess
import threading
import time
import traceback

import servers

BUILD = None  # set by run
CERTIFICATES = None
CLIENT = None

# A loaded machine is slow: what must end at its time ends this many seconds later at most.
SLACK = 8


class Failure(Exception):
    """A check that does not hold."""


def check(condition, text="condition"):
    if not condition:
        raise Failure(text)


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"waited in vain for {what}")
        time.sleep(0.02)


class Result:
    """A line of the client: `.word` (a probe's result, or what became of a recipient), `.seconds`, and
    the fields."""

    def __init__(self, line):
        line, _, self.text = line.partition(" text=")
        line, _, state = line.partition(" state=")
        self.state = state
        words = line.split(" ")
        self.word, self.seconds = words[2], int(words[3]) / 1000
        self.fields = dict(word.split("=", 1) for word in words[4:])

    def __getattr__(self, name):
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(name) from None

    def __str__(self):
        return f"{self.word} after {self.seconds} s, {self.fields}, {self.state}: {self.text}"


class Client:
    """build/.../smtp_client, one for all checks: what one leaves behind the next would see."""

    def __init__(self, program, ca, **options):
        self.program, self.ca = program, ca
        self.process = subprocess.Popen([program, ca], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, **options)
        self.lines = {}
        self.lock = threading.Condition()
        self.next = 0
        text = open(program, "rb").read()
        self.sanitized = b"__asan_init" in text or b"__tsan_init" in text
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            with self.lock:
                self.lines[line.split(" ", 1)[0]] = line.rstrip("\n")
                self.lock.notify_all()

    def write(self, text):
        try:
            self.process.stdin.write(f"{text}\n")
        except OSError:
            raise Failure("the client is gone") from None

    def probe(self, server, demand="web:mx.test", timeout=15000):
        self.next += 1
        self.write(f"probe j{self.next} {server.address} {server.port} {demand} {timeout}")
        return f"j{self.next}"

    def send(self, server, demand="web:mx.test", tls="required", timeout=15000, limit=0, octets=1000,
             messages=1, end="quit", source="-"):
        self.next += 1
        self.write(f"send j{self.next} {server.address} {server.port} {demand} {tls} {timeout} {limit} "
                   f"{octets} {messages} {end} {source}")
        return f"j{self.next}"

    def cancel(self, job):
        self.write(f"cancel {job}")

    def cancel_all(self):
        for number in range(self.next + 1):
            self.cancel(f"j{number}")

    def result(self, job, seconds=30):
        """Of a job; no result in time is a failure."""
        end = time.monotonic() + seconds
        with self.lock:
            while job not in self.lines:
                left = end - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    raise Failure(f"{job}: no result after {seconds} s")
                self.lock.wait(left)
            return self.lines.pop(job) if job == "status" else Result(self.lines.pop(job))

    def has_result(self, job):
        with self.lock:
            return job in self.lines

    def status(self):
        """rss and peak in kB, fds, jobs."""
        with self.lock:
            self.lines.pop("status", None)
        self.write("status")
        return {name: int(value) for name, value in
                (word.split("=") for word in self.result("status").split(" ")[1:])}


@contextlib.contextmanager
def serving(script, **options):
    server = servers.Server(CERTIFICATES, script, **options)
    try:
        yield server
    finally:
        server.close()


def probe(script, wanted, text="", **options):
    """A probe of a server with this script has this result, and these words in its text."""
    with serving(script) as server:
        result = CLIENT.result(CLIENT.probe(server, **options))
        check(result.word == wanted and text in result.text, f"{result}, wanted {wanted} {text}")
        check(not server.problems, server.problems)
        return result


def side_by_side(begin, scripts, judge, **options):
    """Jobs for a server for each of `scripts` (name: script) at once; judge(name, result, server), which
    has the time-out that it counts on."""
    options.setdefault("timeout", judge.timeout)
    with contextlib.ExitStack() as stack:
        all_servers = {name: stack.enter_context(serving(script)) for name, script in scripts.items()}
        jobs = {name: begin(server, **options) for name, server in all_servers.items()}
        wrong = []
        for name, job in jobs.items():
            try:
                result = CLIENT.result(job)
                judge(name, result, all_servers[name])
            except Failure as failure:
                wrong.append(f"{name}: {failure}")
            wrong += [f"{name}: {problem}" for problem in all_servers[name].problems]
        check(not wrong, "\n     ".join(wrong))


CHECKS = []


def scenario(function):
    """Registers a check; its name is its docstring's first line."""
    CHECKS.append(function)
    return function


def name_of(function):
    return function.__doc__.strip().splitlines()[0].rstrip(".")


def leaves_nothing(before):
    """Every descriptor is closed, every job done."""
    end = time.monotonic() + 5
    while (now := CLIENT.status())["fds"] > before["fds"] or now["jobs"] > 0:
        check(time.monotonic() < end, f"descriptors and jobs left: {now}, before {before}")
        time.sleep(0.05)


def run(words):
    passed = failed = 0
    for function in CHECKS:
        name = name_of(function)
        if words and not any(word in name or word in function.__module__ for word in words):
            continue
        begin = time.monotonic()
        try:
            before = CLIENT.status()
            function()
            leaves_nothing(before)
            passed += 1
            outcome = "ok  "
        except Exception as error:  # a check must not take the others along
            failed += 1
            outcome = "FAIL"
            if not isinstance(error, Failure):
                traceback.print_exc()
            name += f"\n     {error}"
            CLIENT.cancel_all()
        print(f"{outcome} {time.monotonic() - begin:5.1f} s  {name}", flush=True)
    CLIENT.process.stdin.close()
    if CLIENT.process.wait() != 0:
        failed += 1
        print(f"FAIL the client ended with {CLIENT.process.returncode}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1

"""A table of checks that ends with `N passed, N failed`."""

import contextlib
import tempfile
import time
import traceback
from pathlib import Path

import daemon
import dnsserver

BUILD = None  # set by run


class Failure(Exception):
    """A check that does not hold."""


def check(condition, text="condition"):
    if not condition:
        raise Failure(text)


def equal(got, wanted, what=""):
    if got != wanted:
        raise Failure(f"{what + ': ' if what else ''}got {got!r:.600}, wanted {wanted!r:.600}")


def grown_less(server, before_kb, limit_kb):
    """Memory since before_kb; the sanitizers keep what was freed, so there it may be more."""
    program = path("milter/requiretls-milter").read_bytes()
    if b"__asan_init" in program or b"__tsan_init" in program:
        limit_kb *= 10
    grown = server.rss_kb() - before_kb
    check(grown < limit_kb, f"grew by {grown} kB")


def wait_for(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"waited in vain for {what}")
        time.sleep(0.05)


CHECKS = []


def scenario(function):
    """Registers a check; its name is its docstring's first line."""
    CHECKS.append(function)
    return function


NAMES = None  # the name server, for all


def name_server():
    global NAMES
    if NAMES is None:
        NAMES = dnsserver.Server(("127.0.0.1", 5399))
        NAMES.dane("dane.test")
        NAMES.dane("two.test", hosts=2)
        NAMES.dane("mixed.test", hosts=2, tlsa="some")
        NAMES.dane("signed.test", tlsa=False)
        NAMES.dane("plain.test", tlsa=False, signed=False)
        NAMES.dane("halfdane.test", tlsa=True, signed=True)
        NAMES.names["halfdane.test"].signed = False
        NAMES.add("nullmx.test", signed=True).mx(0, "")
        NAMES.add("broken.test", rcode=dnsserver.SERVFAIL)
        NAMES.dane("tlsafails.test")
        NAMES.add("_25._tcp.mx1.tlsafails.test", signed=True, fail=(dnsserver.TLSA,))
    return NAMES


@contextlib.contextmanager
def running(**options):
    """The real daemon; dead, or alive with an error in its log, is a failure."""
    name_server()
    with tempfile.TemporaryDirectory(prefix="socketmap.") as place:
        with daemon.Daemon(BUILD, place, **options) as server:
            yield server
            check(server.process.poll() is None, f"the daemon died:\n{server.log()}")
            equal(server.stop(), 0, "exit status")
            for word in ("AddressSanitizer", "runtime error", "ThreadSanitizer"):
                check(word not in server.log(), server.log())


def run(words):
    passed = failed = 0
    for function in CHECKS:
        name = (function.__doc__ or function.__name__).strip().splitlines()[0].rstrip(".")
        if words and not any(word in name or word in function.__module__ for word in words):
            continue
        begin = time.monotonic()
        try:
            function()
            passed += 1
            outcome = "ok  "
        except Exception as error:  # a check must not take the others along
            failed += 1
            outcome = "FAIL"
            if not isinstance(error, Failure):
                traceback.print_exc()
            name += f"\n     {error}"
        print(f"{outcome} {time.monotonic() - begin:5.1f} s  {name}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


def path(name):
    return Path(BUILD) / name

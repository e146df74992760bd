#!/usr/bin/python3
"""Policy hosts for test_sts_fetch, good and bad, in a network namespace of their own.

    sts_fetch_hosts.py TEST_PROGRAM [ARGUMENT...]

Enters a new network namespace, gives its loopback the addresses below, makes a CA and certificates,
starts nginx and a few servers that misbehave in ways nginx cannot, and runs the program there with
the CA file's directory in STS_FETCH_DIR. Its output and exit status are the program's.
"""
import contextlib
import gzip
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

NGINX = "10.9.0.1"  # every nginx host below, told apart by name
NGINX6 = "fd00:9::1"
POLICY = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n"
MAX_POLICY = 4096  # as test_sts_fetch configures

# address: behaviour of a TLS server there, after the handshake; see serve_*()
TLS_SERVERS = {
    "10.9.0.3": "hang",
    "10.9.0.4": "drip",
    "10.9.0.5": "echo",
    "10.9.0.6": "big_header",
    "10.9.0.7": "cut_short",
    "10.9.0.8": "no_close_notify",
    "10.9.0.9": "until_close",
    "10.9.0.10": "chunked",
    "10.9.0.11": "endless",
    "10.9.0.12": "endless_interim",
    "10.9.0.13": "not_http",
    "10.9.0.14": "reset",
    "10.9.0.15": "gzip",
    "10.9.0.16": "late",
    "10.9.0.17": "tls11",
    "10.9.0.18": "bad_status_text",
    "10.9.0.19": "cut_chunks",
    "10.9.0.20": "early_hints",
    "10.9.0.21": "two_lengths",
    "10.9.0.22": "alert",
}
MUTE = "10.9.0.2"  # accepts, says nothing, not even TLS
warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.1 is meant
# 10.9.0.90 and fd00:9::90: nothing listens there


def run(*command, **kwargs):
    subprocess.run(command, check=True, **kwargs)


class Authority:
    """A CA in a directory. All its certificates share one key, which is quick."""

    def __init__(self, directory, name):
        self.dir = directory / name
        self.dir.mkdir()
        self.serial = 0
        self.cert = self.dir / "ca.pem"
        self.key = self.dir / "key.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", self.key, "-out", self.cert, "-days", "30", "-subj",
            f"/CN={name} CA", "-addext", "basicConstraints=critical,CA:TRUE",
            stderr=subprocess.DEVNULL)
        (self.dir / "index.txt").touch()
        (self.dir / "index.txt.attr").write_text("unique_subject = no\n")

    def issue(self, name, sans, common_name="policy host", end="20991231000000Z"):
        """Writes NAME.pem, key included, and returns its path. sans: 'DNS:a,DNS:b' or ''."""
        self.serial += 1
        (self.dir / "serial").write_text(f"{self.serial:04x}\n")
        config = self.dir / "ca.cnf"
        config.write_text(
            "[ca]\ndefault_ca=a\n[a]\n"
            f"database={self.dir}/index.txt\nserial={self.dir}/serial\nnew_certs_dir={self.dir}\n"
            f"certificate={self.cert}\nprivate_key={self.key}\ndefault_md=sha256\npolicy=p\n"
            "x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=CA:FALSE\n"
            + (f"subjectAltName={sans}\n" if sans else "")
            + "[req]\ndistinguished_name=d\n[d]\n")
        request = self.dir / "request.pem"
        cert = self.dir / f"{name}.crt"
        run("openssl", "req", "-new", "-config", config, "-key", self.key, "-out", request,
            "-subj", f"/CN={common_name}")
        run("openssl", "ca", "-batch", "-notext", "-config", config, "-in", request, "-out", cert,
            "-startdate", "20200101000000Z", "-enddate", end, stderr=subprocess.DEVNULL)
        pem = self.dir / f"{name}.pem"
        pem.write_text(cert.read_text() + self.key.read_text())
        return pem

    def self_signed(self, name, host):
        pem = self.dir / f"{name}.pem"
        cert = self.dir / f"{name}.crt"
        run("openssl", "req", "-x509", "-key", self.key, "-out", cert, "-days", "30", "-subj",
            f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}")
        pem.write_text(cert.read_text() + self.key.read_text())
        return pem


# nginx hosts: name of the domain: what its location block says
def nginx_locations(root):
    policy = f'root {root}; default_type text/plain; try_files /policy =404;'
    locations = {
        "good": policy,
        "moved": policy,
        "both": policy,
        "v6only": policy,
        "status301": "return 301 https://mta-sts.good.test/.well-known/mta-sts.txt;",
        "status302": "return 302 https://mta-sts.good.test/.well-known/mta-sts.txt;",
        "status307": "return 307 /elsewhere;",
        "status204": "return 204;",
        "status401": "return 401;",
        "status403": "return 403;",
        "status404": "return 404;",
        "status410": "return 410;",
        "status429": "return 429;",
        "status500": "return 500;",
        "status503": "return 503;",
        "html": f"root {root}; default_type text/html; try_files /policy =404;",
        "plainish": f"root {root}; default_type text/plainish; try_files /policy =404;",
        "notype": f"root {root}; default_type ''; try_files /policy =404;",
        "upper": f"root {root}; default_type TEXT/Plain; try_files /policy =404;",
        "charset": f"root {root}; default_type text/plain; charset utf-8; try_files /policy =404;",
        "empty": f"root {root}; default_type text/plain; try_files /empty =404;",
        "full": f"root {root}; default_type text/plain; try_files /full =404;",
        "oversize": f"root {root}; default_type text/plain; try_files /oversize =404;",
    }
    for name in CERTIFICATE_HOSTS:
        locations[name] = policy
    return locations


CERTIFICATE_HOSTS = ["selfsigned", "expired", "wrongname", "cnonly", "cnsan", "otherca", "wild",
                     "wildpart", "wilddeep.sub", "wildtop", "ipsan"]


def certificates(ca, other):
    """domain: certificate file, for the hosts whose certificate is the point."""
    return {
        "selfsigned": ca.self_signed("selfsigned", "mta-sts.selfsigned.test"),
        "expired": ca.issue("expired", "DNS:mta-sts.expired.test", end="20200201000000Z"),
        "wrongname": ca.issue("wrongname", "DNS:www.wrongname.test,DNS:wrongname.test"),
        "cnonly": ca.issue("cnonly", "", common_name="mta-sts.cnonly.test"),
        "cnsan": ca.issue("cnsan", "DNS:www.cnsan.test", common_name="mta-sts.cnsan.test"),
        "otherca": other.issue("otherca", "DNS:mta-sts.otherca.test"),
        "wild": ca.issue("wild", "DNS:*.wild.test"),
        "wildpart": ca.issue("wildpart", "DNS:mta-*.wildpart.test"),
        "wilddeep.sub": ca.issue("wilddeep", "DNS:*.sub.test"),
        "wildtop": ca.issue("wildtop", "DNS:mta-sts.*.test"),
        "ipsan": ca.issue("ipsan", f"IP:{NGINX}"),
    }


def start_nginx(directory, default_pem, special):
    root = directory / "www"
    root.mkdir()
    (root / "policy").write_text(POLICY)
    (root / "empty").write_text("")
    (root / "full").write_text(POLICY + "x: " + "y" * (MAX_POLICY - len(POLICY) - 3))
    (root / "oversize").write_text(POLICY + "x: " + "y" * (MAX_POLICY - len(POLICY) - 2))
    hosts = []
    for name, location in nginx_locations(root).items():
        pem = special.get(name, default_pem)
        hosts.append(f"""
  server {{
    listen {NGINX}:443 ssl http2; listen {NGINX}:8443 ssl; listen [{NGINX6}]:443 ssl;
    server_name mta-sts.{name}.test;
    ssl_certificate {pem}; ssl_certificate_key {pem};
    location = /.well-known/mta-sts.txt {{ {location} }}
  }}""")
    # Without the right SNI there is no handshake at all.
    config = directory / "nginx.conf"
    config.write_text(f"""
pid {directory}/nginx.pid; error_log {directory}/error.log; daemon off; worker_processes 1;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 2000; }}
http {{
  access_log {directory}/access.log; server_names_hash_bucket_size 128;
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2;
  fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  server {{
    listen {NGINX}:443 ssl default_server; listen {NGINX}:8443 ssl default_server;
    listen [{NGINX6}]:443 ssl default_server; ssl_reject_handshake on;
  }}
  {"".join(hosts)}
}}
""")
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if nginx is None:
        sys.exit("Bail out! nginx is not installed")
    # Newer versions complain of the older ones' way to say http2, one line for each host.
    with open(directory / "nginx.stderr", "wb") as stderr:
        return subprocess.Popen(
            [nginx, "-p", directory, "-c", config, "-e", directory / "error.log"], stderr=stderr)


def read_request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(4096)
        if not more:
            break
        data += more
    return data


def head(*fields):
    return "\r\n".join(("HTTP/1.1 200 OK", "Content-Type: text/plain") + fields + ("", "")).encode()


def respond(behaviour, conn, raw):
    """Answers one request; what it raises when the client goes away is of no interest."""
    request = read_request(conn)
    if behaviour == "hang":
        time.sleep(600)
    elif behaviour == "drip":
        conn.sendall(head(f"Content-Length: {len(POLICY)}"))
        for c in POLICY:
            conn.sendall(c.encode())
            time.sleep(1)  # all of it takes longer than any time-out that it is to meet
    elif behaviour == "echo":
        conn.sendall(head(f"Content-Length: {len(request)}") + request)
    elif behaviour == "big_header":
        conn.sendall(head()[:-2])
        for i in range(3000):
            conn.sendall(f"X-Filler-{i}: {'x' * 50}\r\n".encode())
        conn.sendall(b"\r\n" + POLICY.encode())
    elif behaviour == "cut_short":
        conn.sendall(head("Content-Length: 1000") + POLICY.encode())
        conn.unwrap()
    elif behaviour == "no_close_notify":
        conn.sendall(head("Connection: close") + POLICY.encode())
        raw.shutdown(socket.SHUT_RDWR)
    elif behaviour == "until_close":
        conn.sendall(head("Connection: close") + POLICY.encode())
        conn.unwrap()
    elif behaviour == "chunked":
        conn.sendall(head("Transfer-Encoding: chunked"))
        for part in (POLICY[:20], POLICY[20:]):
            conn.sendall(f"{len(part):x}\r\n{part}\r\n".encode())
        conn.sendall(b"0\r\n\r\n")
    elif behaviour == "cut_chunks":
        conn.sendall(head("Transfer-Encoding: chunked"))
        conn.sendall(f"{len(POLICY):x}\r\n{POLICY}\r\n".encode())
        conn.unwrap()
    elif behaviour == "early_hints":
        conn.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" +
                     head(f"Content-Length: {len(POLICY)}") + POLICY.encode())
    elif behaviour == "two_lengths":
        conn.sendall(head(f"Content-Length: {len(POLICY)}", "Content-Length: 30") + POLICY.encode())
    elif behaviour == "endless":
        conn.sendall(head("Connection: close") + POLICY.encode())
        while True:
            conn.sendall(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n")
    elif behaviour == "endless_interim":
        while True:
            conn.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    elif behaviour == "not_http":
        conn.sendall(b"220 mail.example.org ESMTP\r\n")
    elif behaviour == "reset":
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.close()
    elif behaviour == "gzip":
        body = gzip.compress(POLICY.encode())
        conn.sendall(head("Content-Encoding: gzip", f"Content-Length: {len(body)}") + body)
    elif behaviour == "late":
        time.sleep(0.3)
        conn.sendall(head(f"Content-Length: {len(POLICY)}") + POLICY.encode())
    elif behaviour == "bad_status_text":
        conn.sendall(b"HTTP/1.1 404 \x1b[31m{evil}\r\nContent-Length: 4\r\n\r\nevil")


def serve_alert(raw, context):
    """Half a policy that would end with the connection, and a fatal alert: what the TLS of a server says
    that cannot go on, here as it was made to read nonsense."""
    read, written = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(read, written, server_side=True)

    def pump(act):
        while True:
            try:
                return act()
            except ssl.SSLWantReadError:
                raw.sendall(written.read())
                read.write(raw.recv(16384))
            finally:
                raw.sendall(written.read())

    pump(tls.do_handshake)
    pump(lambda: tls.read(4096))
    tls.write(head("Connection: close") + POLICY.split("max_age")[0].encode() + b"max_age: 864")
    read.write(b"\x17\x03\x03\x00\x20" + bytes(32))
    with contextlib.suppress(ssl.SSLError):
        pump(lambda: tls.read(4096))
    raw.sendall(written.read())
    raw.close()


def serve_connection(behaviour, raw, context):
    try:
        if behaviour == "alert":
            serve_alert(raw, context)
            return
        conn = context.wrap_socket(raw, server_side=True)
        # wrap_socket took the descriptor over; `conn` keeps the plain one's methods below TLS
        respond(behaviour, conn, conn if behaviour == "reset" else SocketBelow(conn))
        conn.close()
    except OSError:
        pass


class SocketBelow:
    """The TCP connection under a TLS one: what is done here says nothing to TLS."""

    def __init__(self, conn):
        self.conn = conn

    def shutdown(self, how):
        socket.socket.shutdown(self.conn, how)


def listen(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 443))
    listener.listen(100)
    return listener


def accept_loop(listener, handle):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=handle, args=(conn,), daemon=True).start()


def tls_context(behaviour, pem):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if behaviour == "tls11":
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.load_cert_chain(pem)
    return context


def start_servers(pem):
    kept = []
    for address, behaviour in TLS_SERVERS.items():
        context = tls_context(behaviour, pem)
        threading.Thread(
            target=accept_loop, daemon=True,
            args=(listen(address),
                  lambda conn, b=behaviour, c=context: serve_connection(b, conn, c))).start()
    threading.Thread(target=accept_loop, args=(listen(MUTE), kept.append), daemon=True).start()


def check_tls11(ca):
    """The old-TLS host must be able to speak at all, or refusing it would show nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.load_verify_locations(ca.cert)
    address = next(a for a, b in TLS_SERVERS.items() if b == "tls11")
    with socket.create_connection((address, 443)) as raw:
        with context.wrap_socket(raw, server_hostname="mta-sts.tls11.test") as conn:
            assert conn.version() == "TLSv1.1", conn.version()


def wait_for_nginx(directory):
    for _ in range(1000):
        try:
            socket.create_connection((NGINX, 443)).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("Bail out! nginx does not run:\n" + (directory / "nginx.stderr").read_text())


def inside(directory, program):
    run("ip", "link", "set", "lo", "up")
    for address in [NGINX, MUTE, "10.9.0.90", *TLS_SERVERS]:
        run("ip", "address", "add", f"{address}/32", "dev", "lo")
    for address in [NGINX6, "fd00:9::90"]:
        run("ip", "address", "add", f"{address}/128", "dev", "lo", "nodad")
    ca = Authority(directory, "lab")
    other = Authority(directory, "other")
    names = [n for n in nginx_locations("") if n not in CERTIFICATE_HOSTS]
    names += [b.replace("_", "-") for b in TLS_SERVERS.values()]
    names += [f"many{i}" for i in range(300)]
    pem = ca.issue("hosts", ",".join(f"DNS:mta-sts.{n}.test" for n in names))
    start_servers(pem)
    nginx = start_nginx(directory, pem, certificates(ca, other))
    try:
        wait_for_nginx(directory)
        check_tls11(ca)
        # A proxy that the environment names must not be used: nothing answers there.
        environment = dict(os.environ, STS_FETCH_DIR=str(directory),
                           https_proxy="http://10.9.0.90:1", ALL_PROXY="http://10.9.0.90:1")
        return subprocess.run(program, env=environment, check=False).returncode
    finally:
        nginx.terminate()
        nginx.wait()


def main():
    missing = [name for name in ("ip", "nginx", "openssl") if not shutil.which(name)]
    if missing:
        print(f"1..0 # SKIP without {', '.join(missing)}")  # tests/unit/run counts it as failed
        return 0
    if "STS_FETCH_INSIDE" not in os.environ:
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        os.environ["STS_FETCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--pid", "--fork", "--kill-child",
                               "--mount-proc", *user, sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory(prefix="sts-fetch-") as directory:
        return inside(Path(directory), sys.argv[1:])


sys.exit(main())

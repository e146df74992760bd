"""How three implementations verify the same servers: requiretls-query --probe, `openssl s_client` and
posttls-finger, of Postfix 3.7 and of 3.11. tests/VERIFICATION has what each of them finds, and why where
they differ; verification_table.py writes and reads it.

Each server is looked at by DANE, where it has TLSA records, and by the Web PKI with its own name. What the
implementations say is brought down to a few words, which HEAD in verification_table.py explains.
"""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import ca
import layout
import peers
import plan
import postfix
import tlsa
import tools

SILENCE_S = 20  # who has not said a word by then, on a busy machine
LOOKERS = 8
ALSO = ("dane", "dane-ta", "dane-full", "dane-private-ca", "dane-wrong", "dane-half-wrong", "dane-badlen",
        "dane-unusable", "dane-no-requiretls", "dane-no-starttls", "dane-down", "dane-v6", "dane-both",
        "implicit-dane", "sts", "sts-badcert", "sts-expired", "sts-no-requiretls", "sts-no-starttls", "signed",
        "signed-badcert", "plain-badcert")
DANE, WEB_PKI = "DANE", "Web PKI"
TOOLS = OURS, S_CLIENT, POSTTLS37, POSTTLS311 = "requiretls-query", "s_client", "posttls 3.7", "posttls 3.11"

# What an error comes to that X509_verify_cert() gave, whoever called it, by DANE and by the Web PKI.
ERRORS = (
    ("certificate has expired", "expired", "expired"),
    ("hostname mismatch", "name", "name"),
    ("no matching DANE TLSA records", "no match", None),
    ("unable to verify the first certificate", "no match", "untrusted"),
    ("unable to get local issuer certificate", "no match", "untrusted"),
    ("self-signed certificate", "no match", "untrusted"),
    ("untrusted issuer", None, "untrusted"),
)


@dataclass(frozen=True)
class Look:
    """One server, at one of its addresses, to be verified in one way."""

    host: plan.Host
    address: str
    by: str

    @property
    def title(self):
        family = "IPv6" if ":" in self.address else "IPv4"
        return self.host.name + (f", {family}" if len(self.host.addresses()) > 1 else "")


def looks():
    found = [h for h in plan.HOSTS
             if h.domain in peers.PEERS or h.domain.name.removesuffix(".test") in ALSO]
    return [Look(h, a, by) for h in found for a in h.addresses() for by in (DANE, WEB_PKI)
            if by == WEB_PKI or any(t != "pkix" for t in h.mx.tlsa)]


def word_of(text, by):
    """What an error of X509_verify_cert() comes to."""
    for error, dane, web_pki in ERRORS:
        if error in text:
            return (dane if by == DANE else web_pki) or text
    return text


@dataclass(frozen=True)
class Finding:
    """What one implementation says of a server."""

    word: str
    requiretls: bool = None  # offered behind STARTTLS; None: it came less far, or does not say
    spki: str = None  # SHA-256 of the public key in hex; None: it does not say


def _output(*words, timeout_s=SILENCE_S):
    """All that a command prints, None if it does not end in time."""
    try:
        done = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout + done.stderr


def s_client(look):
    at = f"[{look.address}]" if ":" in look.address else look.address
    words = ["openssl", "s_client", "-starttls", "smtp", "-connect", f"{at}:25", "-servername", look.host.name,
             "-CAfile", ca.ca_file(), "-min_protocol", "TLSv1.2"]
    if look.by == DANE:
        # It takes one name.
        name = look.host.domain.name if look.host.mx.cert == "next-hop" else look.host.name
        words += ["-dane_tlsa_domain", name, "-dane_ee_no_namechecks"]
        for kind in look.host.mx.tlsa:
            if kind != "badlen":  # is an error to it
                words += ["-dane_tlsa_rrdata", tlsa.rdata(kind, look.host.cert_name)]
    else:
        words += ["-verify_hostname", look.host.name]
    text = _output(*words)
    if text is None:
        return Finding("silent")
    for sign, word in (("connect:errno", "unreachable"), ("Didn't find STARTTLS", "no STARTTLS"),
                       ("alert protocol version", "version"), ("Cipher is (NONE)", "handshake")):
        if sign in text:
            return Finding(word)
    failed = re.search(r"Verification error: (.*)", text)
    return Finding(word_of(failed[1], look.by) if failed else "ok")


def _mine(look, text):
    """Without what is said of other addresses of the host, to which it goes on."""
    return "\n".join(line for line in text.splitlines()
                     if look.address in line or not re.search(r"\[[0-9a-f.:]+\]:25", line))


def _finger_word(look, text):
    established = re.search(r"(\w+) TLS connection established", text)
    if established and established[1] == "Verified":
        return "ok"
    if established:
        failed = re.search(r"verification failed for \S+ (?:num=\d+:)?(.*)", text)
        return word_of(failed[1], look.by) if failed else text
    for sign, word in (("Connection refused", "unreachable"), ("STARTTLS rejected", "refused"),
                       ("alert protocol version", "version"), ("SSL_connect error", "handshake"),
                       ("250-STARTTLS", text)):
        if sign in text:
            return word
    return "no STARTTLS" if "< 250 " in text else text


def posttls_finger(look, receiver):
    """That of the Postfix of one of the receiving instances."""
    family = "ipv6" if ":" in look.address else "ipv4"
    level = ("dane-only", look.host.domain.name if look.host.mx.cert == "next-hop" else f"[{look.host.name}]")
    if look.by == WEB_PKI:
        level = ("secure", f"[{look.host.name}]", look.host.name)
    words = ["env", f"MAIL_CONFIG={receiver.config}", "posttls-finger", "-F", ca.ca_file(), "-a", family,
             "-T", SILENCE_S // 2, "-d", "sha256", "-l", *level]
    text = _output(*(("chroot", receiver.root) if receiver.debian else ()), *words)
    if text is None:
        return Finding("silent")
    text = _mine(look, text)
    behind = text.partition("TLS connection established")[2]
    spki = re.search(r"(?:pkey.|public key )fingerprint=([0-9A-F:]+)", text)
    offered = re.search("250[ -]REQUIRETLS", behind) is not None if "250" in behind else None
    return Finding(_finger_word(look, text), offered, spki and spki[1].replace(":", "").lower())


CONFIG = """
[dns]
resolvers = {resolver}

[mta_sts]
ca_file = {ca}

[cache]
store = memory

[probe]
timeout = {timeout}s
"""


def probes(names):
    """(host, address) -> what `requiretls-query --probe` shows of it, from one run for all the next-hops."""
    config = layout.RUN / "verification.conf"
    config.write_text(CONFIG.format(resolver=layout.RESOLVER, ca=ca.ca_file(), timeout=SILENCE_S))
    text = _output(tools.path("requiretls-query"), "-c", config, "--json", "--probe", *names, timeout_s=300)
    found = {}
    for line in text.splitlines():
        for host in json.loads(line)["mx"]:
            found.update({(host["host"], probe["address"]): probe for probe in host["probe"]})
    return found


def _broken(probe):
    """The word for a probe that did not come as far as the certificate."""
    text = probe["failure"]
    if probe["result"] == "unreachable":
        return "unreachable"
    if probe["result"] == "no-starttls" and not probe["starttls"]:
        return "no STARTTLS"
    for sign, word in (("timed out", "silent"), ("STARTTLS: ", "refused"), ("version", "version"),
                       ("handshake", "handshake")):
        if sign in text:
            return word
    return text


def requiretls_query(look, probe):
    """The finding of a probe, by what it says of DANE or of the Web PKI."""
    if not probe["protocol"]:
        return Finding(_broken(probe))
    key = "dane" if look.by == DANE else "web_pki"
    word = "ok" if probe[key] == "ok" else word_of(probe[f"{key}_failure"], look.by)
    return Finding(word, probe["requiretls"], probe["spki_sha256"])


def compare():
    """(look, tool -> Finding) for every look."""
    rows = looks()
    seen = probes(sorted({look.host.domain.name for look in rows}))

    def look_at(look):
        ours = requiretls_query(look, seen[look.host.name, look.address])
        return look, dict(zip(TOOLS, (ours, s_client(look), posttls_finger(look, postfix.RX37),
                                      posttls_finger(look, postfix.RX311))))
    with ThreadPoolExecutor(LOOKERS) as pool:
        return list(pool.map(look_at, rows))

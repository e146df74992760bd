"""The lab's certification authority: a certificate for each receiving host and policy host.

Keys and certificates are made anew for each lab by the openssl command; a chain is one PEM file,
key first, as Postfix's *_tls_chain_files and nginx both read it.
"""

import ssl
import subprocess

import layout

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, timeout=60)


def directory():
    return layout.RUN / "ca"


def ca_file():
    return directory() / "ca.crt"


def make_authorities():
    directory().mkdir(exist_ok=True)
    for name, title in (("ca", "Lab Root"), ("other", "Another Root")):
        _openssl("req", "-x509", *KEY, "-days", 30, "-subj", f"/O=REQUIRETLS lab/CN={title}",
                 "-keyout", directory() / f"{name}.key", "-out", directory() / f"{name}.crt")


def _names(names, kind):
    """The certificate's DNS names."""
    first, _, rest = names[0].partition(".")
    return {"wrong-name": [f"not-{names[0]}"], "wildcard": [f"*.{rest}"],
            "partial-wildcard": [f"{first[0]}*.{rest}"], "next-hop": [rest]}.get(kind, names)


def _subject(names, kind):
    words = ("-subj", f"/CN={names[0][:60]}", "-addext", "basicConstraints=critical,CA:FALSE")
    if kind == "common-name":
        return words
    return (*words, "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names))


def make(stem, names, kind, anchor=True):
    """Makes STEM.pem (key, certificate and, with `anchor`, that of its CA) for those DNS names.

    kind: good, wrong-name, expired, other-ca (whom nobody trusts), self-signed, wildcard (for the whole
    first label), partial-wildcard, common-name (no DNS name but in the subject), next-hop (the name of the
    domain instead of the host's).
    """
    where = directory()
    key, cert, request = where / f"{stem}.key", where / f"{stem}.crt", where / f"{stem}.csr"
    subject = _subject(_names(names, kind), kind)
    issuer = "other" if kind == "other-ca" else "ca"
    signer = ("-CA", where / f"{issuer}.crt", "-CAkey", where / f"{issuer}.key")
    if kind == "self-signed":
        _openssl("req", "-x509", *KEY, *subject, "-days", 30, "-keyout", key, "-out", cert)
    elif kind == "expired":
        # Only `openssl x509` takes an end that is past.
        _openssl("req", "-new", *KEY, *subject, "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, *signer, "-days", -1,
                 "-copy_extensions", "copyall", "-out", cert)
    elif kind in ("good", "wrong-name", "other-ca", "wildcard", "partial-wildcard", "common-name",
                  "next-hop"):
        _openssl("req", "-x509", *KEY, *subject, *signer, "-days", 30, "-keyout", key,
                 "-out", cert)
    else:
        raise ValueError(f"{stem}: no such kind of certificate: {kind}")
    chain = key.read_text() + cert.read_text()
    if kind != "self-signed" and anchor:
        chain += (where / f"{issuer}.crt").read_text()
    (where / f"{stem}.pem").write_text(chain)


def chain(stem):
    return directory() / f"{stem}.pem"


def der(stem):
    return ssl.PEM_cert_to_DER_cert((directory() / f"{stem}.crt").read_text())


# SubjectPublicKeyInfo of a P-256 key: this head, then the 65 octets of the point.
_SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def public_key(stem):
    """The DER SubjectPublicKeyInfo of a certificate made here."""
    data = der(stem)
    start = data.index(_SPKI_HEAD)
    return data[start:start + len(_SPKI_HEAD) + 65]

"""TLSA records (RFC 6698, RFC 7671) of the kinds that the domain table names."""

import hashlib

import ca


def rdata(kind, stem):
    """The record's text for a host's certificate."""
    if kind == "ee":
        return "3 1 1 " + hashlib.sha256(ca.public_key(stem)).hexdigest()
    if kind == "ee-full":
        return "3 1 0 " + ca.public_key(stem).hex()
    if kind == "ee-512":
        return "3 1 2 " + hashlib.sha512(ca.public_key(stem)).hexdigest()
    if kind == "ee-cert":
        return "3 0 1 " + hashlib.sha256(ca.der(stem)).hexdigest()
    if kind == "ee-cert-full":
        return "3 0 0 " + ca.der(stem).hex()
    if kind == "ta":
        return "2 0 1 " + hashlib.sha256(ca.der("ca")).hexdigest()
    if kind == "ta-key":
        return "2 1 1 " + hashlib.sha256(ca.public_key("ca")).hexdigest()
    if kind == "ta-full":
        return "2 0 0 " + ca.der("ca").hex()
    if kind == "ta-other":
        return "2 0 1 " + hashlib.sha256(ca.der("other")).hexdigest()
    if kind == "wrong-512":
        return "3 1 2 " + hashlib.sha512(b"another key").hexdigest()
    if kind == "wrong":
        return "3 1 1 " + hashlib.sha256(b"another key").hexdigest()
    if kind == "pkix":
        return "1 1 1 " + hashlib.sha256(ca.public_key(stem)).hexdigest()
    if kind == "badlen":
        return "3 1 1 " + hashlib.sha256(b"another key").hexdigest()[:-2]
    raise ValueError(f"no such kind of TLSA record: {kind}")

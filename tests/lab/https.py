"""The MTA-STS policy hosts: one nginx, a server block at an address of its own for each domain."""

import socket

import ca
import layout
import plan
import procs

WHERE = layout.RUN / "https"


def policy_text(domain):
    """What the policy file holds."""
    sts = domain.sts
    if sts.body is not None:
        return sts.body
    lines = ["version: STSv1", f"mode: {sts.mode}"]
    lines += [f"mx: {p if p.startswith('*') else plan.absolute(p, domain)}" for p in sts.mx]
    lines.append(f"max_age: {sts.max_age}")
    text = "\r\n".join(lines) + "\r\n"
    if sts.http == "oversize":
        text += "".join(f"padding{n}: {'x' * 90}\r\n" for n in range(1000))
    return text


def publish(domain):
    """Writes a domain's policy file; nginx serves it from then on."""
    root = WHERE / domain.name / ".well-known"
    root.mkdir(parents=True, exist_ok=True)
    (root / "mta-sts.txt").write_bytes(policy_text(domain).encode())


def _location(domain):
    http = domain.sts.http
    if http in ("404", "500"):
        return f"return {http};"
    if http == "redirect":
        return f"return 301 https://www.{domain.name}$request_uri;"
    kind = "text/html" if http == "type" else "text/plain"
    return f"types {{ }} default_type {kind};"


def start():
    """Returns name -> process."""
    WHERE.mkdir(exist_ok=True)
    servers = ""
    for host in plan.POLICY_HOSTS:
        sts = host.domain.sts
        publish(host.domain)
        if sts.http in ("refused", "hang"):
            continue
        ca.make(host.cert_name, [host.name], sts.cert)
        servers += procs.render("nginx-server.conf", address=host.address, name=host.name,
                                pem=ca.chain(host.cert_name), root=WHERE / host.domain.name,
                                location=_location(host.domain))
    (WHERE / "nginx.conf").write_text(procs.render("nginx.conf", where=WHERE, servers=servers))
    process = procs.start("nginx", "nginx", "-c", WHERE / "nginx.conf", "-e", WHERE / "error.log")
    served = [h for h in plan.POLICY_HOSTS if h.domain.sts.http not in ("hang", "refused")]
    procs.ready("nginx", process, lambda: procs.connects(served[-1].address, 443))
    return {"nginx": process}


def hanging_listeners():
    """Sockets that accept connections, in the backlog, and never answer."""
    return [socket.create_server((h.address, 443), backlog=128) for h in plan.POLICY_HOSTS
            if h.domain.sts.http == "hang"]

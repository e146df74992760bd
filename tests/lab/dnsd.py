"""The lab's name servers: two knots (parents and domains), the crooked responder, two unbounds."""

import procs
import layout
import plan
import zones


def _knot(name, address, names):
    where = layout.RUN / "dns" / name
    where.mkdir(exist_ok=True)
    lines = "".join(f'  - domain: "{zone}"\n    file: "{zones.zone_file(zone)}"\n'
                    for zone in names)
    (where / "knot.conf").write_text(procs.render("knot.conf", address=address, where=where,
                                                  zones=lines))
    return procs.start(name, "knotd", "-c", where / "knot.conf", "-v")


def start_unbound(name, address, modules="validator iterator", extra=""):
    where = layout.RUN / "dns" / name
    where.mkdir(exist_ok=True)
    hints = f". NS parents.ns.test.\nparents.ns.test. A {layout.NS_PARENTS}\n"
    (where / "hints").write_text(hints)
    (where / "unbound.conf").write_text(procs.render(
        "unbound.conf", address=address, where=where, modules=modules,
        anchor=layout.RUN / "dns" / "anchor", extra=extra))
    return procs.start(name, "unbound", "-d", "-c", where / "unbound.conf")


def start():
    """Makes all zones and starts the servers; returns name -> process."""
    (layout.RUN / "dns").mkdir(exist_ok=True)
    parents, below = zones.write_all(zones.Key())
    started = {
        "knot-parents": _knot("knot-parents", layout.NS_PARENTS, parents),
        "knot-domains": _knot("knot-domains", layout.NS_DOMAINS, below),
        "crooked": procs.start("crooked", "/usr/bin/python3", layout.SOURCE / "crooked.py"),
        "unbound": start_unbound("unbound", layout.RESOLVER),
        "unbound-no-ad": start_unbound("unbound-no-ad", layout.RESOLVER_NO_AD, "iterator"),
    }
    places = {"knot-parents": layout.NS_PARENTS, "knot-domains": layout.NS_DOMAINS,
              "crooked": plan.crooked_address(plan.CROOKED[-1]), "unbound": layout.RESOLVER,
              "unbound-no-ad": layout.RESOLVER_NO_AD}
    for name, address in places.items():
        procs.ready(name, started[name], lambda a=address: procs.connects(a, 53))
    return started


def control(*words, server="unbound"):
    """unbound-control, e.g. control("flush_zone", "dane.test")."""
    return procs.run("unbound-control", "-c", layout.RUN / "dns" / server / "unbound.conf", *words)


def reload_domain(domain):
    """Tells the servers that a domain's zone file was written anew."""
    procs.run("knotc", "-c", layout.RUN / "dns" / "knot-domains" / "knot.conf", "-b",
              "zone-reload", f"{domain.name}.")
    for server in ("unbound", "unbound-no-ad"):
        control("flush_zone", domain.name, server=server)

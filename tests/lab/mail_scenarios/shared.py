"""Mail while the server of the shared cache is down, stopped, full or of no sense: it is taken and delivered as
without one.
"""

import time

import sharedserver
import sharing
from scenario import check, expect, scenario

CONFIG = """
[milter]
accept_header = any

[cache]
shared = {servers}
shared_key = {key}
shared_password = {password}
"""
# Beyond what is waited for: the machine has other things to do.
SLACK_S = 8


@scenario("shared 3.7: mail goes on whatever becomes of the server", machines=["3.7"])
def _(lab):
    mta = lab.mtas["3.7"]
    sharing.prepare(sharedserver.PASSWORD)
    with sharedserver.Server("redis") as server, sharedserver.nonsense() as nonsense, \
            sharedserver.Server("redis", password="another password") as other:
        def send(name, url, replies=(250, 550)):
            running = lab.milter(CONFIG.format(servers=url, key=sharing.KEY, password=sharing.PASSWORD), fresh=True)
            for domain, code in zip(("sts.test", "plain.test"), replies):
                begin = time.monotonic()
                sent = lab.send(mta, f"bob@{domain}", running.slot, headers=("Require-TLS-ESMTP: yes",))
                expect(sent.replies["data"].code, code, f"{name}: the reply for {domain}")
                check(time.monotonic() - begin < SLACK_S, f"{name}: it took too long")
                if code == 250:
                    expect(sent.deliveries()[f"bob@{domain}"].status, "sent", f"{name}: the delivery")
            lab.stop_milter(running)

        send("a server", server.url)
        with server.stopped():
            send("stopped", server.url)
        server.do("CONFIG", "SET", "maxmemory-policy", "noeviction")
        server.do("CONFIG", "SET", "maxmemory", "1")
        send("full", server.url)
        send("nonsense", nonsense.url)
        send("another password", other.url)
        server.kill()
        send("down", server.url)

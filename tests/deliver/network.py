"""Two network namespaces: one for the servers, one for the agent, to whom they must be other hosts."""
import os
import subprocess
import time


def ip(commands, *under):
    subprocess.run([*under, "ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def network():
    """The servers are in this namespace, 192.0.2.1 to .200 and 2001:db8::1 to ::200; the agent, to whom they must be
    other hosts, in one of its own, the holder of which is returned. From there 198.51.100.0/24 cannot be reached."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
    while os.readlink(f"/proc/{holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    commands = ["link set lo up", f"link add agent type veth peer name servers netns {holder.pid}",
                "addr add 10.25.0.1/24 dev agent", "addr add fd00:25::1/64 dev agent nodad", "link set agent up"]
    for number in range(1, 201):
        commands.append(f"addr add 192.0.2.{number}/32 dev lo")
        commands.append(f"addr add 2001:db8::{number:x}/128 dev lo nodad")
    ip(commands)
    under = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
    ip(["link set lo up", "addr add 10.25.0.2/24 dev servers", "addr add fd00:25::2/64 dev servers nodad",
        "link set servers up", "route add 192.0.2.0/24 via 10.25.0.1", "route add 2001:db8::/32 via fd00:25::1",
        "route add unreachable 198.51.100.0/24"], *under)
    return holder, under

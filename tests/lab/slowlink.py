#!/usr/bin/python3
"""A point-to-point link with a delay between this network namespace and a named one, for kernels
without netem.

    slowlink.py HERE_ADDRESS NAMESPACE THERE_ADDRESS DELAY_MS

Makes a TUN interface `slow0` on either side, gives it its address, and carries every packet from one
to the other after DELAY_MS, in order. Prints `ready` when the link is up; ends when killed.
"""

import collections
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
CLONE_NEWNET = 0x40000000
MTU = 1500
QUEUE_MAX = 20000  # packets under way in one direction; a runaway load must not eat the memory


def enter(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", "rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def open_end(address, peer):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"slow0", IFF_TUN | IFF_NO_PI))
    for command in (f"ip address add {address} peer {peer} dev slow0",
                    f"ip link set slow0 up mtu {MTU}"):
        subprocess.run(command.split(), check=True, timeout=30)
    return fd


def drain(fd, queue, delay_s):
    """Takes what is there to its queue."""
    while True:
        try:
            packet = os.read(fd, MTU + 64)
        except BlockingIOError:
            return
        if len(queue) < QUEUE_MAX:
            queue.append((time.monotonic() + delay_s, packet))


def carry(ends, delay_s):
    queues = {fd: collections.deque() for fd in ends}
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    poll = select.epoll()
    for fd in ends:
        poll.register(fd, select.EPOLLIN)
    while True:
        heads = [queue[0][0] for queue in queues.values() if queue]
        wait_s = max(0.0, min(heads) - time.monotonic()) if heads else -1
        # epoll waits in whole milliseconds and rounds up: the last one is spun away.
        for fd, _ in poll.poll(max(0.0, wait_s - 0.001) if wait_s >= 0 else -1):
            drain(fd, queues[fd], delay_s)
        now = time.monotonic()
        for fd, queue in queues.items():
            while queue and queue[0][0] <= now:
                os.write(other[fd], queue.popleft()[1])


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    here, namespace, there, delay_ms = sys.argv[1:]
    ends = [open_end(here, there)]
    enter(namespace)
    ends.append(open_end(there, here))
    print("ready", flush=True)
    carry(ends, float(delay_ms) / 1000)


if __name__ == "__main__":
    main()

"""Who connects to mail servers: each TCP connection to port 25 that anybody in this network namespace tries to
make, seen as packets of the loopback interface, whether or not something listens there. And the packets of a
connection over another interface, with their times.
"""

import socket
import struct
from typing import NamedTuple

SMTP_PORT = 25
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
ETHERNET_LEN, IPV6_LEN = 14, 40
SYN, ACK = 0x02, 0x10
SO_TIMESTAMPNS = 35  # socket(7); Python has no name for it


def _target(packet):
    """The address and port that an Ethernet frame asks a connection of, or None."""
    kind = struct.unpack("!H", packet[12:14])[0]
    ip = packet[ETHERNET_LEN:]
    if kind == ETH_P_IP and ip[9] == socket.IPPROTO_TCP:
        address, tcp = socket.inet_ntop(socket.AF_INET, ip[16:20]), ip[(ip[0] & 15) * 4:]
    elif kind == ETH_P_IPV6 and ip[6] == socket.IPPROTO_TCP:
        address, tcp = socket.inet_ntop(socket.AF_INET6, ip[24:40]), ip[IPV6_LEN:]
    else:
        return None
    return (address, struct.unpack("!H", tcp[2:4])[0]) if tcp[13] & (SYN | ACK) == SYN else None


class Connections:
    """Use as a context; seen() has the addresses of the mail servers among `hosts` that were asked for one."""

    def __init__(self, hosts):
        self.addresses = {address for host in hosts for address in host.addresses()}
        self.found = []

    def __enter__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind(("lo", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.setblocking(False)
        return self

    def __exit__(self, *_):
        self.socket.close()

    def seen(self):
        while True:
            try:
                packet, about = self.socket.recvfrom(200)
            except BlockingIOError:
                return self.found
            target = _target(packet) if about[2] == socket.PACKET_OUTGOING else None
            if target and target[1] == SMTP_PORT and target[0] in self.addresses:
                self.found.append(target[0])


class Packet(NamedTuple):
    """A TCP packet over IPv4."""

    seconds: float  # when it was seen
    from_server: bool
    octets: int  # that it carries


class Packets:
    """All packets of an interface without link layer (TUN), with the time that the kernel gave them. Use as a
    context."""

    def __init__(self, interface):
        self.interface = interface

    def __enter__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((self.interface, 0))
        self.socket.setblocking(False)
        return self

    def __exit__(self, *_):
        self.socket.close()

    def of_port(self, port):
        """Those from and to that port until now, in order."""
        found = []
        while True:
            try:
                ip, ancillary, _, _ = self.socket.recvmsg(2000, 200)
            except BlockingIOError:
                return found
            if ip[0] >> 4 != 4 or ip[9] != socket.IPPROTO_TCP:
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            tcp = ip[(ip[0] & 15) * 4:]
            ports = struct.unpack("!HH", tcp[:4])
            if port in ports:
                found.append(Packet(seconds + nanoseconds / 1e9, ports[0] == port,
                                    len(tcp) - (tcp[12] >> 4) * 4))

"""Sends frames of many kinds on one interface, so that captures can be compared: frames.py INTERFACE"""
import socket
import struct
import sys

V4, V6, ARP = 0x0800, 0x86DD, 0x0806


def ethernet(kind, packet, tags=(), broadcast=True):
    head = (b"\xff" * 6 if broadcast else b"\x02\0\0\0\0\x02") + b"\x02\0\0\0\0\x01"
    for tpid, tag in tags:
        head += struct.pack("!HH", tpid, tag)
    return head + struct.pack("!H", kind) + packet


def ipv4(protocol, payload, source="10.9.0.1", to="10.9.0.2", offset=0, more=False, options=b""):
    flags = (0x2000 if more else 0) | offset
    words = (5 + len(options) // 4)
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), 7, flags, 64, protocol, 0)
    return head + socket.inet_aton(source) + socket.inet_aton(to) + options + payload


def ipv6(protocol, payload, source="fd00::1", to="fd00::2"):
    head = struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64)
    return head + socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to) + payload


def tcp(source, to, payload=b"", flags=0x10, sequence=1, heard=1):
    return struct.pack("!HHIIBBHHH", source, to, sequence, heard, 0x50, flags, 512, 0, 0) + payload


def udp(source, to, payload=b"", length=None):
    return struct.pack("!HHHH", source, to, 8 + len(payload) if length is None else length, 0) + payload


def arp(operation, sender, target):
    return (struct.pack("!HHBBH", 1, V4, 6, 4, operation) + b"\x02\0\0\0\0\x01" + socket.inet_aton(sender)
            + b"\0" * 6 + socket.inet_aton(target))


FRAMES = [
    ethernet(V4, ipv4(6, tcp(50000, 9000, flags=0x02, sequence=7, heard=0))),
    ethernet(V4, ipv4(6, tcp(9000, 50000, flags=0x12, sequence=70, heard=8), source="10.9.0.2", to="10.9.0.1")),
    ethernet(V4, ipv4(6, tcp(50000, 9000, sequence=8, heard=71))),
    ethernet(V4, ipv4(6, tcp(50000, 9000, b"hello", 0x18, 8, 71))),
    ethernet(V4, ipv4(6, tcp(50001, 443, b"x"))),
    ethernet(V4, ipv4(6, tcp(50000, 9000, b"options"), options=b"\x01\x01\x01\x01")),
    ethernet(V4, ipv4(17, udp(53, 40000, b"answer"))),
    ethernet(V4, ipv4(17, udp(40000, 53, b"question"), to="10.9.1.2")),
    ethernet(V4, ipv4(17, udp(40001, 9000, b"part" * 8), more=True)),
    ethernet(V4, ipv4(17, struct.pack("!HH", 9000, 9000) + b"later part", offset=5)),
    ethernet(V4, ipv4(1, struct.pack("!BBHHH", 8, 0, 0, 9, 1) + b"x" * 8)),
    ethernet(V4, ipv4(1, struct.pack("!BBHI", 3, 3, 0, 0) + ipv4(17, udp(1, 9000, b"x")))),
    ethernet(V4, ipv4(2, struct.pack("!BBHI", 0x16, 0, 0, 0xEF010203), to="239.1.2.3")),
    ethernet(V4, ipv4(132, struct.pack("!HHII", 9000, 9001, 0, 0))),
    ethernet(V4, ipv4(253, b"nothing known")),
    ethernet(ARP, arp(1, "10.9.0.1", "10.9.0.2")),
    ethernet(ARP, arp(2, "10.9.0.2", "10.9.0.1")),
    ethernet(0x8035, arp(3, "10.9.0.1", "10.9.0.1")),
    ethernet(V6, ipv6(6, tcp(50000, 9000, b"six"))),
    ethernet(V6, ipv6(17, udp(9000, 53, b"six"), source="fd00::9")),
    ethernet(V6, ipv6(58, struct.pack("!BBHHH", 128, 0, 0, 1, 2))),
    ethernet(V6, ipv6(44, struct.pack("!BBHI", 6, 0, 1, 9) + tcp(50000, 9000))),
    ethernet(V6, ipv6(0, bytes([17, 0, 1, 4, 0, 0, 0, 0]) + udp(9000, 9000))),
    ethernet(V4, ipv4(6, tcp(50000, 9000, b"tagged")), [(0x8100, 5)]),
    ethernet(V4, ipv4(17, udp(9000, 53, b"tagged")), [(0x8100, 0x6005)]),
    ethernet(0x88CC, b"a neighbour"),
    ethernet(V4, ipv4(17, udp(9000, 53, b"lie", length=900))),
    ethernet(V4, ipv4(6, b"\x23\x28")),
]

if __name__ == "__main__":
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((sys.argv[1], 0))
        # The last is of a type that is nobody's: all before it have passed.
        for frame in FRAMES + [ethernet(0x88B5, b"the end")]:
            out.send(frame.ljust(60, b"\0"))
    print(f"sent {len(FRAMES)}")

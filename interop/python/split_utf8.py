#!/usr/bin/env python3
"""A name cut in two at every byte must still get one greeting.

    hobnob serve hello 127.0.0.1:9000
    python3 split_utf8.py 127.0.0.1 9000

Two parts, a fresh connection for every cut:
 1. without a newline the name is one message only while a character is unfinished,
    so it is cut inside its characters: one greeting.
 2. once a peer has sent a line, its messages are lines, so it is cut everywhere.

本测试里的 sleep 正是要测的东西: 两半先后到达。
"""

import socket
import time

import address

NAME = "李雷😀"
GAP = 0.003  # seconds between the halves
SLOW = 0.012  # the server waits 20 ms for the rest of a character; a stalled machine is no verdict
TRIES = 5


def cuts_inside(name):
    """The positions at which the left half ends in an unfinished character."""
    data = name.encode("utf-8")
    ends = {len(name[:i].encode("utf-8")) for i in range(len(name) + 1)}
    return [at for at in range(len(data)) if at not in ends]


def halves(s, data, at):
    """Send the two halves in two sends; how long it took."""
    started = time.monotonic()
    s.sendall(data[:at])
    time.sleep(GAP)
    s.sendall(data[at:])
    return time.monotonic() - started


def welcome(args):
    s = address.connect(args)
    if s.family != socket.AF_UNIX:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    address.expect("on connect", address.receive_exactly(s, 8), b"Welcome!")
    return s


def all_until_end(s, wanted):
    """What comes, up to as much as we want; then leave, and see that there was no more."""
    got = address.receive_exactly(s, len(wanted))
    s.shutdown(socket.SHUT_WR)
    while part := s.recv(1024):
        got += part
    return got


def without_newline(args, at):
    data = NAME.encode("utf-8")
    wanted = b"Hello, " + data + b"!"
    for left in reversed(range(TRIES)):
        with welcome(args) as s:
            took = halves(s, data, at)
            got = all_until_end(s, wanted)
        if got == wanted:
            return
        if took < SLOW or not left:
            address.expect(f"cut at byte {at} of {data!r}, sent in {took * 1000:.1f} ms", got, wanted)


def with_newline(args, at):
    data = NAME.encode("utf-8") + b"\n"
    with welcome(args) as s:
        s.sendall(b"first\n")
        first = b"Hello, first!\n"
        address.expect("after a line", address.receive_exactly(s, len(first)), first)
        halves(s, data, at)
        wanted = b"Hello, " + data[:-1] + b"!\n"
        address.expect(f"line cut at byte {at} of {data!r}", all_until_end(s, wanted), wanted)


def main():
    args = address.parser(__doc__).parse_args()
    inside = cuts_inside(NAME)
    for at in inside:
        without_newline(args, at)
    everywhere = range(1, len(NAME.encode("utf-8")) + 1)
    for at in everywhere:
        with_newline(args, at)
    print(f"ok: {len(inside)} cuts inside characters, {len(everywhere)} cuts of a line")


address.run(main)

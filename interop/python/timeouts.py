#!/usr/bin/env python3
"""settimeout and setblocking against a server that never answers.

    hobnob serve discard 127.0.0.1:9000
    python3 timeouts.py 127.0.0.1 9000
"""

import errno
import select
import socket
import time

import address


def blocks_for_a_while(s):
    s.settimeout(0.2)
    started = time.monotonic()
    try:
        s.recv(1024)
    except socket.timeout:
        took = time.monotonic() - started
        if not 0.19 <= took < 5:
            raise address.Unexpected(f"settimeout(0.2) took {took:.3f} s")
        return
    raise address.Unexpected("recv returned although nobody sent anything")


def does_not_block(s):
    s.setblocking(False)  # 和 settimeout(0) 一样
    address.expect("gettimeout after setblocking(False)", s.gettimeout(), 0.0)
    started = time.monotonic()
    try:
        s.recv(1024)
    except BlockingIOError as e:
        address.expect("errno", e.errno, errno.EAGAIN)
        if time.monotonic() - started > 5:
            raise address.Unexpected("a non-blocking recv has waited")
        return
    raise address.Unexpected("recv returned although nobody sent anything")


def connects_without_waiting(args):
    family, there = address.resolve(args.address, socket.SOCK_STREAM)
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.setblocking(False)
        code = s.connect_ex(there)
        if code not in (0, errno.EINPROGRESS):
            raise address.Unexpected(f"connect_ex gave {errno.errorcode.get(code, code)}")
        _, writable, _ = select.select([], [s], [], address.TIMEOUT)
        address.expect("writable once connected", writable, [s])
        address.expect("SO_ERROR", s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)


def main():
    args = address.parser(__doc__).parse_args()
    with address.connect(args) as s:
        blocks_for_a_while(s)
        s.sendall(b"still usable after a timeout")  # 超时不等于断开
        does_not_block(s)
        s.setblocking(True)
        address.expect("gettimeout after setblocking(True)", s.gettimeout(), None)
        s.settimeout(address.TIMEOUT)
        s.shutdown(socket.SHUT_WR)
        address.expect("after our end", s.recv(1024), b"")
    connects_without_waiting(args)
    print("ok: timeout, non-blocking, blocking")


address.run(main)

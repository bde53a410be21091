"""Where a peer lives, and what to say when it does not answer as it should.

地址有三种写法: HOST PORT、带斜杠的路径、@抽象名字。
An address is HOST PORT, a path with a slash in it, or @name (Linux abstract).
"""

import argparse
import os
import signal
import socket
import sys

TIMEOUT = 10  # seconds; 测试不会永远卡住


class Unexpected(Exception):
    """The transcript is not what it should be. 对话和预期不一样。"""


def expect(what, got, wanted):
    if got != wanted:
        raise Unexpected(f"{what}: expected {wanted!r}, got {got!r}")


def parser(about):
    p = argparse.ArgumentParser(description=about.strip().splitlines()[0])
    p.add_argument("address", nargs="+", help="HOST PORT, or a path, or @name")
    p.add_argument("--timeout", type=float, metavar="SECONDS", help="0 waits for ever")
    return p


def server_parser(about):
    p = parser(about)
    p.add_argument("--once", type=int, metavar="N", help="end after N sessions (datagrams on UDP)")
    return p


def patience(args, by_hand=False):
    """The socket timeout: ten seconds, and none while a person is at the keys."""
    if args.timeout is not None:
        return args.timeout or None
    return None if by_hand else TIMEOUT


def resolve(words, kind):
    """Words of the command line -> (family, socket address)."""
    if len(words) == 1 and words[0].startswith("@"):
        return socket.AF_UNIX, "\0" + words[0][1:]
    if len(words) == 1 and "/" in words[0]:
        return socket.AF_UNIX, words[0]
    if len(words) != 2:
        raise Unexpected(f"an address is HOST PORT, a path or @name, not {' '.join(words)!r}")
    found = socket.getaddrinfo(words[0], int(words[1]), type=kind)
    return found[0][0], found[0][4]


def connect(args):
    """A TCP (or Unix stream) client socket. 客户端: socket() + connect()"""
    family, there = resolve(args.address, socket.SOCK_STREAM)
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(patience(args))
    s.connect(there)
    return s


def listen(args):
    """A TCP (or Unix stream) server socket. 服务器: socket() + bind() + listen()"""
    family, here = resolve(args.address, socket.SOCK_STREAM)
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(here)
    s.listen(128)
    announce(s)
    return s


def datagram_client(args):
    """A UDP (or Unix datagram) socket, and where to send to. UDP 不需要 connect()"""
    family, there = resolve(args.address, socket.SOCK_DGRAM)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(patience(args))
    if family == socket.AF_UNIX:
        s.bind("")  # 内核给一个抽象名字, 不然对方没法回信
    return s, there


def datagram_server(args):
    """A bound UDP (or Unix datagram) socket. UDP 服务器不需要 listen()"""
    family, here = resolve(args.address, socket.SOCK_DGRAM)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind(here)
    s.settimeout(patience(args, by_hand=not args.once))
    announce(s)
    return s


def announce(s):
    name = s.getsockname()
    if s.family == socket.AF_UNIX:
        text = "@" + name[1:].decode() if isinstance(name, bytes) else name
        signal.signal(signal.SIGTERM, lambda *_: forget(text))
    else:
        text = f"{name[0]} {name[1]}"
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("listening", text, flush=True)


def forget(path):
    if not path.startswith("@"):
        os.unlink(path)
    sys.exit(0)


def receive_exactly(s, count):
    """TCP 是字节流: 一次 recv 不一定收全, 所以要循环。"""
    got = b""
    while len(got) < count:
        part = s.recv(65536)
        if not part:
            raise Unexpected(f"the peer closed after {got!r}, {count} bytes were to come")
        got += part
    return got


def run(main):
    """Call main(); anything that goes wrong is one clear line and exit code 1."""
    name = os.path.basename(sys.argv[0]).removesuffix(".py")
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Unexpected as wrong:
        sys.exit(f"{name}: {wrong}")
    except TimeoutError:
        sys.exit(f"{name}: nothing came in time")
    except OSError as wrong:
        sys.exit(f"{name}: {wrong}")

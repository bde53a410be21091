#!/usr/bin/env python3
"""TCP greeting client: three names, then exit.

    python3 greeting_client.py 127.0.0.1 9000
    python3 greeting_client.py 127.0.0.1 9000 --clients 50
"""

import threading

import address

NAMES = [b"Michael", b"Tracy", b"Sarah"]


def converse(args, all_here):
    with address.connect(args) as s:
        address.expect("on connect", s.recv(1024), b"Welcome!")
        all_here.wait(address.TIMEOUT)  # 大家都连上了再开始说话
        for name in NAMES:
            s.send(name)  # 没有换行
            address.expect(f"after {name!r}", s.recv(1024), b"Hello, " + name + b"!")
        s.send(b"exit")
        address.expect("after b'exit'", s.recv(1024), b"")


def main():
    p = address.parser(__doc__)
    p.add_argument("--clients", type=int, default=1, help="this many at once")
    args = p.parse_args()

    all_here = threading.Barrier(args.clients)
    wrong = []

    def one():
        try:
            converse(args, all_here)
        except threading.BrokenBarrierError:
            pass  # 另一个客户端已经出错
        except Exception as e:
            wrong.append(e)
            all_here.abort()

    threads = [threading.Thread(target=one) for _ in range(args.clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if wrong:
        raise wrong[0]
    if all_here.broken:
        raise address.Unexpected("not all clients were welcomed in time")
    print(f"ok: {args.clients} client(s) greeted, {len(NAMES)} names each")


address.run(main)

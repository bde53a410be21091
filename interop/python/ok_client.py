#!/usr/bin/env python3
"""Client of the OK server: a welcome line, then OK... before every line.

    python3 ok_client.py 127.0.0.1 9000
"""

import socket

import address

WELCOME = b"Welcome to the server. Type something and hit enter\n"
LINES = ["hello", "second line", "你好"]


def main():
    args = address.parser(__doc__).parse_args()
    with address.connect(args) as s:
        address.expect("on connect", address.receive_exactly(s, len(WELCOME)), WELCOME)
        for text in LINES:
            line = text.encode("utf-8") + b"\n"
            s.sendall(line)
            wanted = b"OK..." + line
            address.expect(f"after {line!r}", address.receive_exactly(s, len(wanted)), wanted)
        s.shutdown(socket.SHUT_WR)
        address.expect("after our end", s.recv(1024), b"")
    print(f"ok: welcomed, {len(LINES)} lines answered")


address.run(main)
